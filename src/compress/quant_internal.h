/* quant_internal.h - fits of one group of values that share a scale, used by quant_32.c and quant_k.c. */
#ifndef GLIM_COMPRESS_QUANT_INTERNAL_H
#define GLIM_COMPRESS_QUANT_INTERNAL_H

#include <stdint.h>

#include "compress/quant.h"

enum { GLIM_FIT_MAX = 32 }; /* values in a group */

/* What integers a type can store: all of lo..hi, or those of a table of 16, whose ends lo and hi are. */
typedef struct glim_codes {
    int lo, hi;
    bool table; /* glim_iq4_values */
    float nmax; /* levels on the longer side: the grid's step is a fraction of one level */
} glim_codes;

/* The nearest storable integers of x / d into v [n]; the weighted error of d * v. d 0: v is what the
 * type has for 0. */
float glim_fit_assign(const glim_codes *c, const float *x, const float *w, int n, float d, int8_t *v);
/* The best d found for x ~ d * v; 0 for a group of zeros. */
float glim_fit_scale(const glim_codes *c, const float *x, const float *w, int n);

/* The same for x ~ d * q + m with q in 0..top. */
float glim_fit_assign_min(int top, const float *x, const float *w, int n, float d, float m, int8_t *q);
/* negative: m must not be above 0, as in the types that store a minimum without a sign. */
void glim_fit_scale_min(int top, bool negative, const float *x, const float *w, int n, float *d, float *m);

/* Code number 0..15 of a value of glim_iq4_values. */
uint8_t glim_iq4_code(int8_t value);
/* A scale as the file will hold it: f16, and finite whatever the fit says. */
static inline float glim_as_f16(float v) {
    v = v > 65504 ? 65504 : v < -65504 ? -65504 : v;
    return glim_f16_to_f32(glim_f32_to_f16(v));
}

/* A block whose rounding errors are handed on: glim_quant_row_feedback. */
typedef struct glim_spread {
    float *x;            /* [n] the block's values, changed as columns before them are rounded */
    float *err;          /* [n] error of each column over its diagonal factor */
    const float *factor; /* of the block's first column with itself */
    size_t stride;
    int n;
} glim_spread;

/* Column i is stored as `stored`: its error goes to the columns of the block behind it. */
static inline void glim_spread_column(const glim_spread *s, int i, float stored) {
    const float *f = s->factor + (size_t)i * s->stride;
    float e = s->err[i] = (s->x[i] - stored) / f[i];
    for (int k = i + 1; k < s->n; k++) s->x[k] -= e * f[k];
}

/* s: NULL, or the block's (s->x is x). */
void glim_quant_block_32(glim_dtype t, const float *x, const float *w, uint8_t *p, const glim_spread *s);
void glim_quant_block_k(glim_dtype t, const float *x, const float *w, uint8_t *p, const glim_spread *s);

#endif
