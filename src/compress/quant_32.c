/* quant_32.c - the types of 32 values with one scale: q8_0, q4_0, q5_0, iq4_nl; with a minimum: q4_1, q5_1. */
#include <math.h>
#include <string.h>

#include "compress/quant_internal.h"

static void put_f16(uint8_t *p, float v) {
    uint16_t h = glim_f32_to_f16(v);
    memcpy(p, &h, 2);
}

/* The codes of a block, 4 or 5 bits each, behind its scales. */
static void put_codes(uint8_t *p, const uint8_t *code, int n_bits) {
    if (n_bits == 5) {
        uint32_t high = 0;
        for (int i = 0; i < 32; i++) high |= (uint32_t)(code[i] >> 4) << i;
        memcpy(p, &high, 4);
        p += 4;
    }
    for (int i = 0; i < 16; i++) p[i] = (uint8_t)((code[i] & 15) | (code[i + 16] & 15) << 4);
}

/* Of the fitted scale and the absolute-maximum one, both as f16 holds them, the better. */
static float choose_scale(const glim_codes *c, const float *x, const float *w, int8_t *v) {
    float most = 0;
    for (int i = 0; i < 32; i++)
        if (fabsf(x[i]) > fabsf(most)) most = x[i];
    float plain = glim_as_f16(most / (float)c->lo), best = glim_as_f16(glim_fit_scale(c, x, w, 32));
    if (c->lo == -c->hi) plain = fabsf(plain), best = fabsf(best);
    int8_t other[32];
    float err = glim_fit_assign(c, x, w, 32, best, v);
    if (plain != best && isfinite(plain) && !(err <= glim_fit_assign(c, x, w, 32, plain, other))) {
        memcpy(v, other, 32);
        return plain;
    }
    return best;
}

static void with_scale(glim_dtype t, const float *x, const float *w, uint8_t *p, const glim_spread *s) {
    static const glim_codes codes[] = {{-127, 127, false, 127}, {-8, 7, false, 8}, {-16, 15, false, 16},
                                       {-127, 113, true, 8}};
    const glim_codes *c = &codes[t == GLIM_Q8_0 ? 0 : t == GLIM_Q4_0 ? 1 : t == GLIM_Q5_0 ? 2 : 3];
    int8_t v[32];
    uint8_t code[32];
    const float d = choose_scale(c, x, w, v);
    put_f16(p, d);
    for (int i = 0; s && i < 32; i++) {
        glim_fit_assign(c, x + i, w + i, 1, d, v + i);
        glim_spread_column(s, i, d * (float)v[i]);
    }
    if (t == GLIM_Q8_0) {
        memcpy(p + 2, v, 32);
        return;
    }
    for (int i = 0; i < 32; i++) code[i] = c->table ? glim_iq4_code(v[i]) : (uint8_t)(v[i] - c->lo);
    put_codes(p + 2, code, t == GLIM_Q5_0 ? 5 : 4);
}

static void with_min(glim_dtype t, const float *x, const float *w, uint8_t *p, const glim_spread *s) {
    int top = t == GLIM_Q4_1 ? 15 : 31;
    float lo = x[0], hi = x[0], d, m, best_d = 0, best_m = 0, best = INFINITY;
    for (int i = 1; i < 32; i++) {
        lo = x[i] < lo ? x[i] : lo;
        hi = x[i] > hi ? x[i] : hi;
    }
    glim_fit_scale_min(top, false, x, w, 32, &d, &m);
    float try_d[2] = {d, (hi - lo) / (float)top}, try_m[2] = {m, lo};
    int8_t q[32], other[32];
    for (int k = 0; k < 2; k++) {
        float dd = glim_as_f16(try_d[k]), mm = glim_as_f16(try_m[k]);
        float err = glim_fit_assign_min(top, x, w, 32, dd, mm, other);
        if (!(err < best)) continue;
        best = err;
        best_d = dd;
        best_m = mm;
        memcpy(q, other, 32);
    }
    if (best == INFINITY) memset(q, 0, 32);
    for (int i = 0; s && i < 32; i++) {
        glim_fit_assign_min(top, x + i, w + i, 1, best_d, best_m, q + i);
        glim_spread_column(s, i, best_d * (float)q[i] + best_m);
    }
    put_f16(p, best_d);
    put_f16(p + 2, best_m);
    put_codes(p + 4, (const uint8_t *)q, t == GLIM_Q5_1 ? 5 : 4);
}

void glim_quant_block_32(glim_dtype t, const float *x, const float *w, uint8_t *p, const glim_spread *s) {
    if (t == GLIM_Q4_1 || t == GLIM_Q5_1) with_min(t, x, w, p, s);
    else with_scale(t, x, w, p, s);
}
