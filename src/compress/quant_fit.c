/* quant_fit.c - the scale (and minimum) of one group of at most 32 values, by search and least squares.
 *
 * The grid: scales that put the group's largest magnitude a little inside or outside the range of the
 * integers, in steps of a fifth of a level or more, for either sign of the scale where the range is not
 * symmetric. Clipping the largest value a little often buys finer steps for all others. Each candidate's
 * integers give its own least-squares scale; the winner is polished by repeating nearest integers and
 * least squares until the error stops falling (Lloyd's algorithm with a linear code book). */
#include <math.h>

#include "compress/quant_internal.h"
#include "tensor/qblock.h"

enum { POLISH = 6, GRID = 18, GRID_OUT = 6 };

/* In levels. Of many levels the best scale is one at which the values happen to lie well, and that may be some levels
 * away: a wider grid finds more of them than a finer one (bench/NOTES.md). */
static float grid_step(float levels) { return levels > 8 ? 0.2f * sqrtf(levels / 8) : 0.2f; }

/* Nearest value of the table, by half units: boundaries between neighbours are multiples of a half. */
static int8_t g_near[512];

__attribute__((constructor)) static void fill_near(void) {
    for (int i = 0; i < 512; i++) {
        float t = (float)(i - 256) * 0.5f + 0.25f; /* the middle of [i, i + 1) half units */
        int best = 0;
        for (int k = 1; k < 16; k++)
            if (fabsf((float)glim_iq4_values[k] - t) < fabsf((float)glim_iq4_values[best] - t)) best = k;
        g_near[i] = glim_iq4_values[best];
    }
}

uint8_t glim_iq4_code(int8_t value) {
    uint8_t k = 0;
    while (k < 15 && glim_iq4_values[k] != value) k++;
    return k;
}

/* The nearest integer, for |t| below 2^22: adding 1.5 * 2^23 leaves no bits for the fraction. Unlike
 * lrintf, which gives 64 bits, a loop of these becomes vector instructions. */
static inline float nearest(float t) { return (t + 12582912.0f) - 12582912.0f; }

/* What is no number becomes lo: a table is indexed by the result. */
static inline float clampf(float t, float lo, float hi) {
    t = t > lo ? t : lo;
    return t > hi ? hi : t;
}

/* out[i] = the nearest storable integer to x[i] * inv, as a float. */
static void snap(const glim_codes *c, const float *x, int n, float inv, float *out) {
    float lo = (float)c->lo, hi = (float)c->hi;
    if (c->table)
        for (int i = 0; i < n; i++) {
            int h = (int)(clampf(x[i] * inv, lo, hi) * 2 + 256); /* not below 0: the cast rounds down */
            out[i] = g_near[h];
        }
    else
        for (int i = 0; i < n; i++) out[i] = nearest(clampf(x[i] * inv, lo, hi));
}

float glim_fit_assign(const glim_codes *c, const float *x, const float *w, int n, float d, int8_t *v) {
    float f[GLIM_FIT_MAX], err = 0;
    float inv = d != 0 ? 1 / d : 0;
    if (!isfinite(inv)) inv = 0;
    snap(c, x, n, inv, f);
    for (int i = 0; i < n; i++) {
        float e = x[i] - d * f[i];
        v[i] = (int8_t)f[i];
        err += w[i] * e * e;
    }
    return err;
}

/* Integers for x * inv, the scale that fits them best, and how much of sum w x^2 it explains. */
static float try_inverse(const glim_codes *c, const float *x, const float *wx, const float *w, int n,
                         float inv, float *d) {
    float v[GLIM_FIT_MAX], xv = 0, vv = 0;
    snap(c, x, n, inv, v);
    for (int i = 0; i < n; i++) {
        xv += wx[i] * v[i];
        vv += w[i] * v[i] * v[i];
    }
    *d = vv > 0 ? xv / vv : 0;
    return vv > 0 ? xv * *d : 0;
}

float glim_fit_scale(const glim_codes *c, const float *x, const float *w, int n) {
    float amax = 0, most = 0, wx[GLIM_FIT_MAX];
    for (int i = 0; i < n; i++) {
        wx[i] = w[i] * x[i];
        if (fabsf(x[i]) > amax) amax = fabsf(x[i]), most = x[i];
    }
    if (amax == 0 || !isfinite(1 / amax)) return 0;
    float best_gain = 0, best_d = most / (float)c->lo, d;
    const float step = grid_step(c->nmax);
    for (int side = 0; side < (c->lo == -c->hi ? 1 : 2); side++) {
        float end = (float)(side ? c->hi : c->lo);
        for (int k = 0; k < GRID; k++) {
            float f = 1 + (float)(GRID_OUT + 1 - k) * step / c->nmax;
            const float inv = end * f / most;
            if (!isfinite(inv)) continue; /* a tiny group: every zero in it would be 0 * inf */
            float gain = try_inverse(c, x, wx, w, n, inv, &d);
            if (gain > best_gain) best_gain = gain, best_d = d;
        }
    }
    for (int k = 0; k < POLISH && best_d != 0 && isfinite(1 / best_d); k++) {
        float gain = try_inverse(c, x, wx, w, n, 1 / best_d, &d);
        if (!(gain > best_gain)) break;
        best_gain = gain;
        best_d = d;
    }
    return best_d;
}

float glim_fit_assign_min(int top, const float *x, const float *w, int n, float d, float m, int8_t *q) {
    float inv = d != 0 ? 1 / d : 0, err = 0;
    if (!isfinite(inv)) inv = 0;
    for (int i = 0; i < n; i++) {
        float f = nearest(clampf((x[i] - m) * inv, 0, (float)top)), e = x[i] - (d * f + m);
        q[i] = (int8_t)f;
        err += w[i] * e * e;
    }
    return err;
}

/* Integers for (x - m) * inv, then the two numbers that fit them best, and their error. */
static float try_line(int top, bool negative, const float *x, const float *w, int n, float inv, float *d,
                      float *m) {
    float q[GLIM_FIT_MAX], s = 0, sx = 0, sq = 0, sqq = 0, sxq = 0;
    for (int i = 0; i < n; i++) {
        q[i] = nearest(clampf((x[i] - *m) * inv, 0, (float)top));
        s += w[i];
        sx += w[i] * x[i];
        sq += w[i] * q[i];
        sqq += w[i] * q[i] * q[i];
        sxq += w[i] * x[i] * q[i];
    }
    float det = s * sqq - sq * sq;
    if (!(det > 0)) return INFINITY;
    float dd = (s * sxq - sx * sq) / det, mm = (sqq * sx - sq * sxq) / det;
    if (negative && mm > 0) {
        if (!(sqq > 0)) return INFINITY;
        mm = 0;
        dd = sxq / sqq;
    }
    if (!(dd > 0)) return INFINITY;
    float err = 0;
    for (int i = 0; i < n; i++) {
        float e = x[i] - (dd * q[i] + mm);
        err += w[i] * e * e;
    }
    *d = dd;
    *m = mm;
    return err;
}

void glim_fit_scale_min(int top, bool negative, const float *x, const float *w, int n, float *d, float *m) {
    float lo = x[0], hi = x[0];
    int8_t q[GLIM_FIT_MAX];
    for (int i = 1; i < n; i++) {
        lo = x[i] < lo ? x[i] : lo;
        hi = x[i] > hi ? x[i] : hi;
    }
    if (negative && lo > 0) lo = 0;
    *d = 0;
    *m = lo;
    if (!(hi > lo) || !isfinite(1 / (hi - lo))) return;
    *d = (hi - lo) / (float)top;
    float best = glim_fit_assign_min(top, x, w, n, *d, *m, q);
    const float step = grid_step((float)top);
    for (int k = 0; k < GRID; k++) {
        /* From six steps too few to eleven too many, the minimum kept; then both ends move inwards. */
        float f = (float)top + (float)(k - GRID_OUT) * step;
        for (int inwards = 0; inwards < 2; inwards++) {
            float dd = 0, mm = inwards ? lo + (hi - lo) * (float)k * 0.01f : lo;
            float err = try_line(top, negative, x, w, n, f / (hi - lo), &dd, &mm);
            if (err < best) best = err, *d = dd, *m = mm;
        }
    }
    for (int k = 0; k < POLISH && isfinite(1 / *d); k++) {
        float dd = 0, mm = *m, err = try_line(top, negative, x, w, n, 1 / *d, &dd, &mm);
        if (!(err < best)) break;
        best = err;
        *d = dd;
        *m = mm;
    }
}
