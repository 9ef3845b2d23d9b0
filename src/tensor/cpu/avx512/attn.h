/* attn.h - what the two files of attention share: scratch, softmax of a row of scores, the merge of
 * chunks. */
#ifndef GLIM_TENSOR_CPU_AVX512_ATTN_H
#define GLIM_TENSOR_CPU_AVX512_ATTN_H

#include <math.h>

#include "tensor/cpu/avx512/vec.h"
#include "tensor/kernels_internal.h"

enum { GLIM_ATTN_QUERIES = 16, GLIM_ATTN_STRIP = 16, GLIM_ATTN_DIM_MAX = 256 };

typedef struct glim_attn_scratch512 {
    _Alignas(64) float q[GLIM_ATTN_QUERIES][GLIM_ATTN_DIM_MAX];
    float kv[GLIM_ATTN_STRIP][GLIM_ATTN_DIM_MAX];
    float sum[GLIM_ATTN_QUERIES][GLIM_ATTN_DIM_MAX];        /* of this chunk's e * v */
    float s[GLIM_ATTN_QUERIES][GLIM_KV_CHUNK];              /* scores, then exponentials */
    float max[GLIM_ATTN_QUERIES], total[GLIM_ATTN_QUERIES]; /* of this chunk */
} glim_attn_scratch512;                                     /* 64 KB */

/* Scores of query i become exponentials; n >= 1. */
INLINE void glim_attn_softmax_row(glim_attn_scratch512 *z, size_t i, size_t n) {
    const __m512 none = _mm512_set1_ps(-INFINITY), far = _mm512_set1_ps(-GLIM_ATTN_FAR);
    __m512 most = none, total = _mm512_setzero_ps();
    for (size_t p = 0; p < n; p += 16)
        most = _mm512_max_ps(most, _mm512_mask_loadu_ps(none, first_lanes(n - p), &z->s[i][p]));
    const float max = _mm512_reduce_max_ps(most);
    for (size_t p = 0; p < n; p += 16) {
        const __mmask16 m = first_lanes(n - p);
        const __m512 v = _mm512_sub_ps(_mm512_maskz_loadu_ps(m, &z->s[i][p]), _mm512_set1_ps(max));
        const __m512 e =
            _mm512_maskz_mov_ps(_mm512_mask_cmp_ps_mask(m, v, far, _CMP_NLT_UQ), exp_ps(v));
        _mm512_storeu_ps(&z->s[i][p], e);
        total = _mm512_add_ps(total, e);
    }
    z->max[i] = max;
    z->total[i] = sum_lanes(total);
}

INLINE __m512 glim_attn_weight(float below) {
    return below < -GLIM_ATTN_FAR ? _mm512_setzero_ps() : exp_ps(_mm512_set1_ps(below));
}

/* This chunk's sum[i] joined with acc: both sides are brought to the larger maximum. The first
 * chunk finds m = -inf. */
INLINE void glim_attn_merge(const glim_attn_scratch512 *z, size_t i, float *acc, float *m, float *l,
                            size_t head_dim) {
    const float top = *m > z->max[i] ? *m : z->max[i];
    const __m512 old = glim_attn_weight(*m - top), new = glim_attn_weight(z->max[i] - top);
    for (size_t d = 0; d < head_dim; d += 16) {
        const __mmask16 mask = first_lanes(head_dim - d);
        const __m512 v = _mm512_mul_ps(_mm512_load_ps(&z->sum[i][d]), new);
        _mm512_mask_storeu_ps(acc + d, mask,
                              _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, acc + d), old, v));
    }
    *l = *l * _mm512_cvtss_f32(old) + z->total[i] * _mm512_cvtss_f32(new);
    *m = top;
}

/* Up to 16 queries over a chunk of bf16; dim a multiple of 32, at most 256. */
void glim_avx512_attn_bf16(glim_attn_scratch512 *z, float *acc, float *m, float *l, const float *q,
                           size_t q_stride, size_t n_q, const size_t *n_pos, const glim_kv_chunk *c,
                           size_t dim);

#endif
