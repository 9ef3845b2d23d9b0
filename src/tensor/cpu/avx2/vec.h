/* vec.h - small pieces that the files of this folder share; see cpu/avx512/vec.h for the rules. */
#ifndef GLIM_TENSOR_CPU_AVX2_VEC_H
#define GLIM_TENSOR_CPU_AVX2_VEC_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tensor/kernels.h"

#define INLINE static inline __attribute__((always_inline))
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

/* All ones in the first n lanes; n >= 8 means all. */
INLINE __m256i first_lanes(size_t n) {
    static const int32_t ones[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
    return _mm256_loadu_si256((const void *)(ones + 8 - (n < 8 ? n : 8)));
}
INLINE __m256 load_n(const float *p, size_t n) {
    return n >= 8 ? _mm256_loadu_ps(p) : _mm256_maskload_ps(p, first_lanes(n));
}
INLINE void store_n(float *p, size_t n, __m256 v) {
    if (n >= 8) _mm256_storeu_ps(p, v);
    else _mm256_maskstore_ps(p, first_lanes(n), v);
}

INLINE __m256i bcast4(const void *p) {
    int32_t v;
    memcpy(&v, p, 4);
    return _mm256_set1_epi32(v);
}

/* e^x within 1.5 ulp, 0 below -104, +inf above 88.8, NaN stays NaN; the same roundings as AVX-512's. */
INLINE __m256 exp_ps(__m256 x) {
    x = _mm256_min_ps(_mm256_set1_ps(89.0f), _mm256_max_ps(_mm256_set1_ps(-104.0f), x));
    const __m256 n = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(1.44269504088896341f)),
                                     _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693359375f), x);
    r = _mm256_fnmadd_ps(n, _mm256_set1_ps(-2.12194440e-4f), r);
    __m256 p = _mm256_set1_ps(1.9875691500e-4f);
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.3981999507e-3f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(8.3334519073e-3f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(4.1665795894e-2f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.6666665459e-1f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(5.0000001201e-1f));
    p = _mm256_fmadd_ps(_mm256_mul_ps(r, r), p, r);
    p = _mm256_add_ps(p, _mm256_set1_ps(1.0f));
    /* 2^n in two halves, because n = -150 and n = 128 have no float of their own. */
    const __m256i i = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(i, 1);
    const __m256i bias = _mm256_set1_epi32(127);
    const __m256i a = _mm256_slli_epi32(_mm256_add_epi32(half, bias), 23);
    const __m256i b = _mm256_slli_epi32(_mm256_add_epi32(_mm256_sub_epi32(i, half), bias), 23);
    return _mm256_mul_ps(_mm256_mul_ps(p, _mm256_castsi256_ps(a)), _mm256_castsi256_ps(b));
}

/* f32 to bf16 as glim_f32_to_bf16 does it: eight values in 128 bits. */
INLINE __m128i bf16_of(__m256 x) {
    const __m256i u = _mm256_castps_si256(x);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(1));
    const __m256i rounded = _mm256_add_epi32(_mm256_add_epi32(u, _mm256_set1_epi32(0x7fff)), odd);
    const __m256i quiet = _mm256_or_si256(u, _mm256_set1_epi32(0x400000));
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    const __m256i v = _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, nan), 16);
    return _mm_packus_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
}
INLINE __m256 f32_of_bf16(__m128i h) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16));
}

/* Sum over lanes, in one fixed order. */
INLINE float sum_lanes(__m256 v) {
    const __m128 b = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    const __m128 c = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(c, _mm_shuffle_ps(c, c, 1)));
}
INLINE int32_t sum_lanes_epi32(__m128i v) {
    v = _mm_add_epi32(v, _mm_shuffle_epi32(v, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(v, _mm_shuffle_epi32(v, 0xb1)));
}
INLINE uint32_t max_lanes_epu32(__m256i v) {
    __m128i m = _mm_max_epu32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    m = _mm_max_epu32(m, _mm_shuffle_epi32(m, 0x4e));
    return (uint32_t)_mm_cvtsi128_si32(_mm_max_epu32(m, _mm_shuffle_epi32(m, 0xb1)));
}

/* ---- tiles of products ---- */

/* acc [R][16] of rows [row, row + R) from columns col on, `cols` of which are y's, or zero; and back, with the
 * bias if they are the last. */
INLINE void take_y(const glim_matmul_job *j, size_t col, size_t cols, size_t row, size_t R, bool zero,
                   float (*acc)[GLIM_PANEL]) {
    const float *y = j->y + row * j->y_stride + col;
    for (size_t r = 0; r < R; r++, y += j->y_stride) {
        _mm256_store_ps(acc[r], zero ? _mm256_setzero_ps() : load_n(y, cols));
        _mm256_store_ps(acc[r] + 8, zero || cols <= 8 ? _mm256_setzero_ps() : load_n(y + 8, cols - 8));
    }
}
INLINE void give_y(const glim_matmul_job *j, size_t col, size_t cols, size_t row, size_t R, bool last,
                   float (*acc)[GLIM_PANEL]) {
    for (size_t c = 0; c < 16 && c < cols; c += 8) {
        float *y = j->y + row * j->y_stride + col + c;
        const bool biased = last && j->bias;
        const __m256 bias = biased ? load_n(j->bias + col + c, cols - c) : _mm256_setzero_ps();
        for (size_t r = 0; r < R; r++, y += j->y_stride) {
            const __m256 v = _mm256_load_ps(acc[r] + c);
            store_n(y, cols - c, biased ? _mm256_add_ps(v, bias) : v);
        }
    }
}

/* How many of `left` rows the next tile takes: sixes, and then such that none is smaller than 3 if it need not be. */
INLINE size_t tile_rows(size_t left) { return left >= 9 || left == 6 ? 6 : left >= 7 ? 4 : left; }

void glim_avx2_matmul(const glim_matmul_job *j, size_t out0, size_t n_out, size_t row0, size_t n_rows);
void glim_avx2_matmul_blocks(const glim_matmul_job *j, size_t out0, size_t n_out, size_t row0,
                             size_t n_rows);
void glim_avx2_act_fill(glim_act *x, unsigned forms, size_t row0, size_t n);
void glim_avx2_kv_store(void *dst, float *scale, glim_dtype kv_type, const float *src, size_t n);
void glim_avx2_rmsnorm(float *out, const float *x, const float *w, size_t n, float eps);
void glim_avx2_rope(float *x, size_t n_head, const float *cos, const float *sin, glim_rope_spec s);
void glim_avx2_silu_mul(float *out, const float *gate, const float *up, size_t n);
void glim_avx2_add(float *y, const float *x, size_t n);
void glim_avx2_axpy(float *y, float a, const float *x, size_t n);
void glim_avx2_attn_chunk(float *acc, float *m, float *l, const float *q, size_t q_stride,
                          size_t n_q, const size_t *n_pos, const glim_kv_chunk *c,
                          glim_dtype kv_type, size_t head_dim);

#endif
