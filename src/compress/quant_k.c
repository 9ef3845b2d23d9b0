/* quant_k.c - the types of 256 values: sub-blocks of 16 or 32 with integer scales under one or two f16.
 *
 * Each sub-block is fitted alone first. Its scale must then be an integer multiple of the block's, which
 * moves it; so scales, integers and the block's own numbers are improved in turn:
 *
 *   for each sub-block  try the neighbouring integer scales (and minimums), integers made anew
 *   for the block       least squares for d (and dmin) with everything else fixed
 *
 * and the best state seen, with d and dmin as f16, is what is stored. */
#include <math.h>
#include <string.h>

#include "compress/quant_internal.h"

enum { ROUNDS = 3, NEAR = 2 }; /* NEAR: steps of an integer scale that feedback tries */

static void put_f16(uint8_t *p, float v) {
    uint16_t h = glim_f32_to_f16(v);
    memcpy(p, &h, 2);
}

static int clampi(long v, int lo, int hi) { return v < lo ? lo : v > hi ? hi : (int)v; }

/* ---- a scale alone: q6_k, q3_k, iq4_xs ---- */

typedef struct sym_kind {
    int n_sub, len;
    glim_codes codes;
    int lo, hi; /* of a sub-block's integer scale */
} sym_kind;

typedef struct sym {
    float d, err;
    int s[16];
    float e[16];
    int8_t v[256];
} sym;

/* Nearest integer scales to want[] under d, and their integers. */
static void sym_place(sym *b, const sym_kind *k, const float *x, const float *w, const float *want, float d) {
    b->d = d;
    b->err = 0;
    for (int j = 0; j < k->n_sub; j++) {
        int at = j * k->len;
        b->s[j] = d != 0 ? clampi(lrintf(want[j] / d), k->lo, k->hi) : 0;
        b->e[j] = glim_fit_assign(&k->codes, x + at, w + at, k->len, d * (float)b->s[j], b->v + at);
        b->err += b->e[j];
    }
}

static void sym_neighbours(sym *b, const sym_kind *k, const float *x, const float *w) {
    int8_t v[GLIM_FIT_MAX];
    b->err = 0;
    for (int j = 0; j < k->n_sub; j++) {
        int at = j * k->len, s = b->s[j];
        for (int step = -1; step <= 1; step += 2) {
            int t = s + step;
            if (t < k->lo || t > k->hi) continue;
            float e = glim_fit_assign(&k->codes, x + at, w + at, k->len, b->d * (float)t, v);
            if (!(e < b->e[j])) continue;
            b->e[j] = e;
            b->s[j] = t;
            memcpy(b->v + at, v, (size_t)k->len);
        }
        b->err += b->e[j];
    }
}

static float sym_refit(const sym *b, const sym_kind *k, const float *x, const float *w) {
    float xa = 0, aa = 0;
    for (int j = 0; j < k->n_sub; j++)
        for (int i = j * k->len; i < (j + 1) * k->len; i++) {
            float a = (float)(b->s[j] * b->v[i]);
            xa += w[i] * x[i] * a;
            aa += w[i] * a * a;
        }
    return aa > 0 ? glim_as_f16(xa / aa) : 0;
}

static void sym_fit(sym *best, const sym_kind *k, const float *x, const float *w) {
    float want[16], most = 0;
    for (int j = 0; j < k->n_sub; j++) {
        want[j] = glim_fit_scale(&k->codes, x + j * k->len, w + j * k->len, k->len);
        if (fabsf(want[j]) > fabsf(most)) most = want[j];
    }
    best->err = INFINITY;
    sym b;
    /* The largest scale on the end of its range, on the other end, or a few steps inside. */
    float end[] = {(float)k->lo, (float)k->hi, (float)k->lo * 0.94f, (float)k->hi * 0.94f,
                   (float)k->lo * 0.88f, (float)k->lo * 0.82f};
    for (size_t c = 0; c < GLIM_COUNT(end); c++) {
        float d = glim_as_f16(most / end[c]);
        if (!isfinite(d)) continue;
        sym_place(&b, k, x, w, want, d);
        if (b.err < best->err) *best = b;
    }
    if (best->err == INFINITY) sym_place(best, k, x, w, want, 0);
    b = *best;
    for (int r = 0; r < ROUNDS && b.d != 0; r++) {
        sym_neighbours(&b, k, x, w);
        if (b.err < best->err) *best = b;
        float d = sym_refit(&b, k, x, w);
        if (d == b.d || d == 0 || !isfinite(d)) break;
        for (int j = 0; j < k->n_sub; j++) want[j] = (float)b.s[j] * d;
        sym_place(&b, k, x, w, want, d);
        if (b.err < best->err) *best = b;
    }
}

/* The block's d stays; each sub-block's scale is the best near its own for what its values have become. */
static void sym_spread(sym *b, const sym_kind *k, const float *w, const glim_spread *s) {
    int8_t v[GLIM_FIT_MAX];
    for (int j = 0; j < k->n_sub; j++) {
        const int at = j * k->len, was = b->s[j];
        float least = INFINITY;
        for (int t = was - NEAR; t <= was + NEAR; t++) {
            if (t < k->lo || t > k->hi) continue;
            float e = glim_fit_assign(&k->codes, s->x + at, w + at, k->len, b->d * (float)t, v);
            if (e < least) least = e, b->s[j] = t;
        }
        const float d = b->d * (float)b->s[j];
        for (int i = at; i < at + k->len; i++) {
            glim_fit_assign(&k->codes, s->x + i, w + i, 1, d, b->v + i);
            glim_spread_column(s, i, d * (float)b->v[i]);
        }
    }
}

static void quant_q6k(const float *x, const float *w, uint8_t *p, const glim_spread *s) {
    static const sym_kind kind = {16, 16, {-32, 31, false, 32}, -128, 127};
    sym b;
    sym_fit(&b, &kind, x, w);
    if (s) sym_spread(&b, &kind, w, s);
    for (int h = 0; h < 2; h++) {
        uint8_t *ql = p + 64 * h, *qh = p + 128 + 32 * h;
        const int8_t *v = b.v + 128 * h;
        for (int l = 0; l < 32; l++) {
            unsigned c[4];
            for (int g = 0; g < 4; g++) c[g] = (unsigned)(v[l + 32 * g] + 32);
            ql[l] = (uint8_t)((c[0] & 15) | (c[2] & 15) << 4);
            ql[l + 32] = (uint8_t)((c[1] & 15) | (c[3] & 15) << 4);
            qh[l] = (uint8_t)(c[0] >> 4 | c[1] >> 4 << 2 | c[2] >> 4 << 4 | c[3] >> 4 << 6);
        }
    }
    for (int j = 0; j < 16; j++) p[192 + j] = (uint8_t)(int8_t)b.s[j];
    put_f16(p + 208, b.d);
}

static void quant_q3k(const float *x, const float *w, uint8_t *p, const glim_spread *s) {
    static const sym_kind kind = {16, 16, {-4, 3, false, 4}, -32, 31};
    sym b;
    sym_fit(&b, &kind, x, w);
    if (s) sym_spread(&b, &kind, w, s);
    memset(p, 0, 110);
    uint8_t *high = p, *qs = p + 32, *sc = p + 96;
    for (int i = 0; i < 256; i++) {
        int half = i / 128, field = i % 128 / 32, l = i % 32; /* a byte holds four fields of two bits */
        unsigned c = (unsigned)(b.v[i] + 4);
        qs[32 * half + l] = (uint8_t)(qs[32 * half + l] | (c & 3) << 2 * field);
        high[l] = (uint8_t)(high[l] | (c >> 2) << (4 * half + field));
    }
    for (int j = 0; j < 16; j++) {
        unsigned c = (unsigned)(b.s[j] + 32);
        sc[j % 8] = (uint8_t)(sc[j % 8] | (c & 15) << 4 * (j / 8));
        sc[8 + j % 4] = (uint8_t)(sc[8 + j % 4] | (c >> 4) << 2 * (j / 4));
    }
    put_f16(p + 108, b.d);
}

static void quant_iq4_xs(const float *x, const float *w, uint8_t *p, const glim_spread *s) {
    static const sym_kind kind = {8, 32, {-127, 113, true, 8}, -32, 31};
    sym b;
    sym_fit(&b, &kind, x, w);
    if (s) sym_spread(&b, &kind, w, s);
    memset(p, 0, 136);
    put_f16(p, b.d);
    uint16_t high = 0;
    for (int j = 0; j < 8; j++) {
        unsigned c = (unsigned)(b.s[j] + 32);
        p[4 + j / 2] = (uint8_t)(p[4 + j / 2] | (c & 15) << 4 * (j % 2));
        high = (uint16_t)(high | (c >> 4) << 2 * j);
        for (int i = 0; i < 16; i++)
            p[8 + 16 * j + i] = (uint8_t)(glim_iq4_code(b.v[32 * j + i]) | glim_iq4_code(b.v[32 * j + 16 + i]) << 4);
    }
    memcpy(p + 2, &high, 2);
}

/* ---- a scale and a minimum: q4_k, q5_k, q2_k ---- */

typedef struct min_kind {
    int n_sub, len, top; /* codes 0..top */
    int s_top;           /* integer scales and minimums 0..s_top */
} min_kind;

typedef struct mins {
    float d, dmin, err;
    int s[16], m[16];
    float e[16];
    int8_t q[256];
} mins;

static float min_sub(const min_kind *k, const mins *b, const float *x, const float *w, int j, int s, int m,
                     int8_t *q) {
    int at = j * k->len;
    return glim_fit_assign_min(k->top, x + at, w + at, k->len, b->d * (float)s, -(b->dmin * (float)m), q);
}

static void min_all(mins *b, const min_kind *k, const float *x, const float *w) {
    b->err = 0;
    for (int j = 0; j < k->n_sub; j++) {
        b->e[j] = min_sub(k, b, x, w, j, b->s[j], b->m[j], b->q + j * k->len);
        b->err += b->e[j];
    }
}

static void min_neighbours(mins *b, const min_kind *k, const float *x, const float *w) {
    int8_t q[GLIM_FIT_MAX];
    b->err = 0;
    for (int j = 0; j < k->n_sub; j++) {
        int s0 = b->s[j], m0 = b->m[j];
        for (int ds = -1; ds <= 1; ds++)
            for (int dm = -1; dm <= 1; dm++) {
                int s = s0 + ds, m = m0 + dm;
                if ((!ds && !dm) || s < 0 || s > k->s_top || m < 0 || m > k->s_top) continue;
                float e = min_sub(k, b, x, w, j, s, m, q);
                if (!(e < b->e[j])) continue;
                b->e[j] = e;
                b->s[j] = s;
                b->m[j] = m;
                memcpy(b->q + j * k->len, q, (size_t)k->len);
            }
        b->err += b->e[j];
    }
}

/* d and dmin for the integers as they are: x ~ d * A - dmin * B. */
static bool min_refit(mins *b, const min_kind *k, const float *x, const float *w) {
    float aa = 0, ab = 0, bb = 0, xa = 0, xb = 0;
    for (int j = 0; j < k->n_sub; j++)
        for (int i = j * k->len; i < (j + 1) * k->len; i++) {
            float A = (float)(b->s[j] * b->q[i]), B = (float)b->m[j];
            aa += w[i] * A * A;
            ab += w[i] * A * B;
            bb += w[i] * B * B;
            xa += w[i] * x[i] * A;
            xb += w[i] * x[i] * B;
        }
    float det = aa * bb - ab * ab, d, dmin = 0;
    if (det > 1e-6f * aa * bb) {
        d = (xa * bb - xb * ab) / det;
        dmin = (xa * ab - xb * aa) / det;
    } else d = aa > 0 ? (xa + b->dmin * ab) / aa : 0, dmin = b->dmin;
    if (!(dmin >= 0)) {
        dmin = 0;
        d = aa > 0 ? xa / aa : 0;
    }
    d = glim_as_f16(d);
    dmin = glim_as_f16(dmin);
    if (!(d > 0) || !isfinite(d) || !isfinite(dmin) || (d == b->d && dmin == b->dmin)) return false;
    b->d = d;
    b->dmin = dmin;
    return true;
}

static void min_fit(mins *best, const min_kind *k, const float *x, const float *w) {
    float want[16], want_m[16], most = 0, most_m = 0;
    for (int j = 0; j < k->n_sub; j++) {
        glim_fit_scale_min(k->top, true, x + j * k->len, w + j * k->len, k->len, &want[j], &want_m[j]);
        want_m[j] = -want_m[j];
        if (want[j] > most) most = want[j];
        if (want_m[j] > most_m) most_m = want_m[j];
    }
    best->err = INFINITY;
    mins b;
    static const float shrink[] = {1, 1.06f, 0.94f};
    for (size_t c = 0; c < GLIM_COUNT(shrink) * GLIM_COUNT(shrink); c++) {
        b.d = glim_as_f16(most / (float)k->s_top * shrink[c % 3]);
        b.dmin = glim_as_f16(most_m / (float)k->s_top * shrink[c / 3]);
        if (!isfinite(b.d) || !isfinite(b.dmin)) continue;
        for (int j = 0; j < k->n_sub; j++) {
            b.s[j] = b.d > 0 ? clampi(lrintf(want[j] / b.d), 0, k->s_top) : 0;
            b.m[j] = b.dmin > 0 ? clampi(lrintf(want_m[j] / b.dmin), 0, k->s_top) : 0;
        }
        min_all(&b, k, x, w);
        if (b.err < best->err) *best = b;
    }
    if (best->err == INFINITY) {
        memset(best, 0, sizeof *best);
        return;
    }
    b = *best;
    for (int r = 0; r < ROUNDS; r++) {
        min_neighbours(&b, k, x, w);
        if (b.err < best->err) *best = b;
        if (!min_refit(&b, k, x, w)) break;
        min_all(&b, k, x, w);
        if (b.err < best->err) *best = b;
    }
}

static void min_spread(mins *b, const min_kind *k, const float *w, const glim_spread *s) {
    int8_t q[GLIM_FIT_MAX];
    for (int j = 0; j < k->n_sub; j++) {
        const int at = j * k->len, s0 = b->s[j], m0 = b->m[j];
        float least = INFINITY;
        for (int t = s0 - NEAR; t <= s0 + NEAR; t++)
            for (int m = m0 - NEAR; m <= m0 + NEAR; m++) {
                if (t < 0 || t > k->s_top || m < 0 || m > k->s_top) continue;
                float e = min_sub(k, b, s->x, w, j, t, m, q);
                if (e < least) least = e, b->s[j] = t, b->m[j] = m;
            }
        const float d = b->d * (float)b->s[j], m = -(b->dmin * (float)b->m[j]);
        for (int i = at; i < at + k->len; i++) {
            glim_fit_assign_min(k->top, s->x + i, w + i, 1, d, m, b->q + i);
            glim_spread_column(s, i, d * (float)b->q[i] + m);
        }
    }
}

/* The 12 bytes that hold eight scales and eight minimums of 6 bits: glim_k4_scale reads them. */
static void put_k4_scales(uint8_t *p, const mins *b) {
    for (int j = 0; j < 4; j++) {
        p[j] = (uint8_t)(b->s[j] | (b->s[j + 4] >> 4) << 6);
        p[j + 4] = (uint8_t)(b->m[j] | (b->m[j + 4] >> 4) << 6);
        p[j + 8] = (uint8_t)((b->s[j + 4] & 15) | (b->m[j + 4] & 15) << 4);
    }
}

static void quant_q45k(glim_dtype t, const float *x, const float *w, uint8_t *p, const glim_spread *s) {
    bool five = t == GLIM_Q5_K;
    const min_kind kind = {8, 32, five ? 31 : 15, 63};
    mins b;
    min_fit(&b, &kind, x, w);
    if (s) min_spread(&b, &kind, w, s);
    put_f16(p, b.d);
    put_f16(p + 2, b.dmin);
    put_k4_scales(p + 4, &b);
    uint8_t *high = p + 16, *qs = five ? p + 48 : p + 16;
    if (five) memset(high, 0, 32);
    for (int c = 0; c < 4; c++)
        for (int l = 0; l < 32; l++) {
            unsigned lo = (unsigned)b.q[64 * c + l], hi = (unsigned)b.q[64 * c + 32 + l];
            qs[32 * c + l] = (uint8_t)((lo & 15) | (hi & 15) << 4);
            if (five) high[l] = (uint8_t)(high[l] | (lo >> 4) << 2 * c | (hi >> 4) << (2 * c + 1));
        }
}

static void quant_q2k(const float *x, const float *w, uint8_t *p, const glim_spread *s) {
    static const min_kind kind = {16, 16, 3, 15};
    mins b;
    min_fit(&b, &kind, x, w);
    if (s) min_spread(&b, &kind, w, s);
    memset(p, 0, 84);
    for (int j = 0; j < 16; j++) p[j] = (uint8_t)(b.s[j] | b.m[j] << 4);
    for (int i = 0; i < 256; i++) {
        uint8_t *q = p + 16 + 32 * (i / 128) + i % 32;
        *q = (uint8_t)(*q | b.q[i] << 2 * (i % 128 / 32));
    }
    put_f16(p + 80, b.d);
    put_f16(p + 82, b.dmin);
}

void glim_quant_block_k(glim_dtype t, const float *x, const float *w, uint8_t *p, const glim_spread *s) {
    switch (t) {
    case GLIM_Q2_K: quant_q2k(x, w, p, s); break;
    case GLIM_Q3_K: quant_q3k(x, w, p, s); break;
    case GLIM_Q6_K: quant_q6k(x, w, p, s); break;
    case GLIM_IQ4_XS: quant_iq4_xs(x, w, p, s); break;
    default: quant_q45k(t, x, w, p, s); break;
    }
}
