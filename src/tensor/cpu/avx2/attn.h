/* attn.h - what the three files of attention share: scratch, softmax of a row of scores, the merge of
 * chunks. */
#ifndef GLIM_TENSOR_CPU_AVX2_ATTN_H
#define GLIM_TENSOR_CPU_AVX2_ATTN_H

#include <math.h>

#include "tensor/cpu/avx2/vec.h"
#include "tensor/kernels_internal.h"

enum { GLIM_ATTN_QUERIES = 16, GLIM_ATTN_STRIP = 16, GLIM_ATTN_DIM_MAX = 256 };

typedef struct glim_attn_scratch256 {
    _Alignas(64) float q[GLIM_ATTN_QUERIES][GLIM_ATTN_DIM_MAX];
    union {
        float kv[GLIM_ATTN_STRIP][GLIM_ATTN_DIM_MAX];
        struct { /* attn_q8.c: queries and weights as 16 bits */
            int16_t q_codes[GLIM_ATTN_QUERIES][GLIM_ATTN_DIM_MAX], w[GLIM_ATTN_QUERIES][GLIM_KV_CHUNK];
        };
    };
    union {
        float sum[GLIM_ATTN_QUERIES][GLIM_ATTN_DIM_MAX]; /* of this chunk's e * v */
        int32_t sums[GLIM_ATTN_QUERIES][GLIM_ATTN_DIM_MAX];
    };
    float s[GLIM_ATTN_QUERIES][GLIM_KV_CHUNK];              /* scores, then exponentials */
    float max[GLIM_ATTN_QUERIES], total[GLIM_ATTN_QUERIES]; /* of this chunk */
    float unit[GLIM_ATTN_QUERIES];                          /* what 1 of q_codes is worth */
} glim_attn_scratch256;                                     /* 64 KB */

/* Scores of query i become exponentials; n >= 1. */
INLINE void glim_attn_softmax_row(glim_attn_scratch256 *z, size_t i, size_t n) {
    float *s = z->s[i];
    __m256 most = _mm256_set1_ps(s[0]);
    size_t k = 0;
    for (; k + 8 <= n; k += 8) most = _mm256_max_ps(most, _mm256_loadu_ps(s + k));
    for (; k < n; k++) most = _mm256_max_ps(most, _mm256_set1_ps(s[k]));
    const __m128 half = _mm_max_ps(_mm256_castps256_ps128(most), _mm256_extractf128_ps(most, 1));
    const __m128 two = _mm_max_ps(half, _mm_movehl_ps(half, half));
    const float max = _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps(two, two, 1)));
    __m256 total = _mm256_setzero_ps();
    for (size_t p = 0; p < n; p += 8) {
        const __m256 v = _mm256_sub_ps(load_n(s + p, n - p), _mm256_set1_ps(max));
        const __m256 near = _mm256_cmp_ps(v, _mm256_set1_ps(-GLIM_ATTN_FAR), _CMP_NLT_UQ);
        const __m256 e = _mm256_and_ps(_mm256_and_ps(exp_ps(v), near), _mm256_castsi256_ps(first_lanes(n - p)));
        _mm256_storeu_ps(s + p, e);
        total = _mm256_add_ps(total, e);
    }
    z->max[i] = max;
    z->total[i] = sum_lanes(total);
}

INLINE __m256 glim_attn_weight(float below) {
    return below < -GLIM_ATTN_FAR ? _mm256_setzero_ps() : exp_ps(_mm256_set1_ps(below));
}

/* This chunk's sum[i] joined with acc: both sides are brought to the larger maximum. The first
 * chunk finds m = -inf. */
INLINE void glim_attn_merge(const glim_attn_scratch256 *z, size_t i, float *acc, float *m, float *l,
                            size_t head_dim) {
    const float top = *m > z->max[i] ? *m : z->max[i];
    const __m256 old = glim_attn_weight(*m - top), new = glim_attn_weight(z->max[i] - top);
    for (size_t d = 0; d < head_dim; d += 8) {
        const __m256 v = _mm256_mul_ps(_mm256_load_ps(&z->sum[i][d]), new);
        store_n(acc + d, head_dim - d, _mm256_fmadd_ps(load_n(acc + d, head_dim - d), old, v));
    }
    *l = *l * _mm256_cvtss_f32(old) + z->total[i] * _mm256_cvtss_f32(new);
    *m = top;
}

/* A line of the next page, into the second cache; NULL: there is none. */
INLINE void glim_attn_ask_for(const char *page, size_t offset) {
    if (page) _mm_prefetch(page + offset, _MM_HINT_T1);
}

/* Queries of the next tile, of `left`: none is padded. */
INLINE size_t glim_attn_tile_of(size_t left) { return left >= 6 && left != 8 ? 6 : left >= 4 ? 4 : left >= 2 ? 2 : 1; }

/* Up to 16 queries over a chunk of bf16; dim a multiple of 16, at most 256. */
void glim_avx2_attn_bf16(glim_attn_scratch256 *z, float *acc, float *m, float *l, const float *q,
                         size_t q_stride, size_t n_q, const size_t *n_pos, const glim_kv_chunk *c,
                         size_t dim);
/* The same over q8. */
void glim_avx2_attn_q8(glim_attn_scratch256 *z, float *acc, float *m, float *l, const float *q, size_t q_stride, size_t n_q, const size_t *n_pos,
                       const glim_kv_chunk *c, size_t dim);

#endif
