/* attn.c - plain C definition of attention over one KV chunk; contract in kernels.h.
 *
 * Sums are kept in double: this is what the faster sets are measured against, and with scores of 1e4 a
 * float dot product alone is off by 1e-3 before exp sees it. */
#include <math.h>

#include "tensor/kernels_internal.h"

/* Element d of position p of a K or V chunk. */
static float kv_at(const void *const *page, const float *const *scale, glim_dtype type, size_t head_dim,
                   size_t p, size_t d) {
    const size_t g = p / GLIM_KV_PAGE, at = p % GLIM_KV_PAGE * head_dim + d;
    switch (type) {
    case GLIM_F32: return ((const float *)page[g])[at];
    case GLIM_BF16: return glim_bf16_to_f32(((const uint16_t *)page[g])[at]);
    default: return (float)((const int8_t *)page[g])[at] * scale[g][p % GLIM_KV_PAGE];
    }
}

static float weight(float s, float max) { return s - max < -GLIM_ATTN_FAR ? 0 : expf(s - max); }

void glim_ref_attn_chunk(float *acc, float *m, float *l, const float *q, size_t q_stride, size_t n_q,
                         const size_t *n_pos, const glim_kv_chunk *c, glim_dtype kv_type,
                         size_t head_dim) {
    for (size_t i = 0; i < n_q; i++, q += q_stride, acc += head_dim) {
        const size_t n = n_pos[i];
        if (n == 0) continue;

        float e[GLIM_KV_CHUNK], max = -INFINITY;
        for (size_t p = 0; p < n; p++) {
            double s = 0;
            for (size_t d = 0; d < head_dim; d++)
                s += (double)q[d] * kv_at(c->k, c->k_scale, kv_type, head_dim, p, d);
            e[p] = (float)s;
            if (e[p] > max) max = e[p];
        }
        double sum = 0;
        for (size_t p = 0; p < n; p++) {
            e[p] = weight(e[p], max);
            sum += e[p];
        }

        /* Merge: both sides are brought to the larger maximum. The first chunk finds m = -inf. */
        const float top = m[i] > max ? m[i] : max, old = weight(m[i], top), new = weight(max, top);
        for (size_t d = 0; d < head_dim; d++) {
            double v = 0;
            for (size_t p = 0; p < n; p++)
                v += (double)e[p] * kv_at(c->v, c->v_scale, kv_type, head_dim, p, d);
            acc[d] = acc[d] * old + (float)v * new;
        }
        l[i] = l[i] * old + (float)sum * new;
        m[i] = top;
    }
}
