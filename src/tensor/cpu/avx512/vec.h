/* vec.h - small pieces that the files of this folder share: masks, exponential, conversions.
 *
 * Everything here treats a lane alone: an element's result does not depend on its lane or on how many
 * others there are, so tails are masked instead of being computed another way. */
#ifndef GLIM_TENSOR_CPU_AVX512_VEC_H
#define GLIM_TENSOR_CPU_AVX512_VEC_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tensor/kernels.h"

#define INLINE static inline __attribute__((always_inline))
/* Unrolls a short loop of constant length, so that arrays of registers are registers. */
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

/* The first n lanes; n >= 16 means all. */
INLINE __mmask16 first_lanes(size_t n) { return (__mmask16)(n >= 16 ? 0xffffu : (1u << n) - 1); }

/* A broadcast word of four int8 or two bf16. */
INLINE __m512i bcast4(const void *p) {
    int32_t v;
    memcpy(&v, p, 4);
    return _mm512_set1_epi32(v);
}

/* e^x within 1.5 ulp; 0 below -104, +inf above 88.8; NaN stays NaN. Range reduction by ln 2 in two parts
 * and the degree-6 polynomial of Cephes' expf. */
INLINE __m512 exp_ps(__m512 x) {
    x = _mm512_min_ps(_mm512_set1_ps(89.0f), _mm512_max_ps(_mm512_set1_ps(-104.0f), x));
    const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504088896341f)),
                                          _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), x);
    r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), r);
    __m512 p = _mm512_set1_ps(1.9875691500e-4f);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.3981999507e-3f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(8.3334519073e-3f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(4.1665795894e-2f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.6666665459e-1f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(5.0000001201e-1f));
    p = _mm512_fmadd_ps(_mm512_mul_ps(r, r), p, r);
    return _mm512_scalef_ps(_mm512_add_ps(p, _mm512_set1_ps(1.0f)), n);
}

/* f32 to bf16 as glim_f32_to_bf16 does it. Not vcvtneps2bf16, which flushes subnormals. */
INLINE __m256i bf16_of(__m512 x) {
    const __m512i u = _mm512_castps_si512(x);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(1));
    __m512i v = _mm512_add_epi32(_mm512_add_epi32(u, _mm512_set1_epi32(0x7fff)), odd);
    const __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    v = _mm512_mask_or_epi32(v, nan, u, _mm512_set1_epi32(0x400000));
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(v, 16));
}
INLINE __m512 f32_of_bf16(__m256i h) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}

/* Sum and maximum over lanes, in one fixed order. */
INLINE float sum_lanes(__m512 v) {
    const __m256 a = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    const __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    const __m128 c = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(c, _mm_shuffle_ps(c, c, 1)));
}

/* The functions behind the table, one file each. */
unsigned glim_avx512_act_form(glim_dtype weight);
void glim_avx512_matmul(const glim_matmul_job *j, size_t out0, size_t n_out, size_t row0, size_t n_rows);
void glim_avx512_matmul_blocks(const glim_matmul_job *j, size_t out0, size_t n_out, size_t row0,
                               size_t n_rows);
void glim_avx512_act_fill(glim_act *x, unsigned forms, size_t row0, size_t n);
void glim_avx512_kv_store(void *dst, float *scale, glim_dtype kv_type, const float *src, size_t n);
void glim_avx512_rmsnorm(float *out, const float *x, const float *w, size_t n, float eps);
void glim_avx512_rope(float *x, size_t n_head, const float *cos, const float *sin, glim_rope_spec s);
void glim_avx512_silu_mul(float *out, const float *gate, const float *up, size_t n);
void glim_avx512_add(float *y, const float *x, size_t n);
void glim_avx512_axpy(float *y, float a, const float *x, size_t n);
void glim_avx512_attn_chunk(float *acc, float *m, float *l, const float *q, size_t q_stride, size_t n_q,
                            const size_t *n_pos, const glim_kv_chunk *c, glim_dtype kv_type,
                            size_t head_dim);

#endif
