/* ops.c - activation forms, KV rows, norm, rotation, gate and residual with AVX-512.
 *
 * All but rmsnorm and silu_mul do the same roundings as plain C and are bit-equal to it. */
#if defined __x86_64__
#include <math.h>

#include "tensor/cpu/avx512/vec.h"
#include "tensor/kernels_internal.h"

/* ---- rounding to 8 bits; see glim_ref_q8 for the rules ---- */

INLINE __m512i magnitude(__m512 x) {
    return _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x7fffffff));
}
/* What to multiply with, and which lanes may become non-zero (none if the maximum is not a number, is
 * infinite or is next to nothing). */
INLINE float q8_inverse(uint32_t amax_bits, float *scale, __mmask16 *keep) {
    union { uint32_t u; float f; } amax = {.u = amax_bits};
    *scale = amax.f / 127.0f;
    *keep = amax_bits >= 0x7f800000u || amax.f < GLIM_Q8_TINY ? 0 : 0xffff;
    return 127.0f / amax.f;
}

static void q8_block(const float *src, size_t len, int8_t *q, float *scale, int32_t *sum) {
    const __m512 a = _mm512_maskz_loadu_ps(first_lanes(len), src);
    const __m512 b = _mm512_maskz_loadu_ps(len > 16 ? first_lanes(len - 16) : 0, src + 16);
    __mmask16 keep;
    const uint32_t amax = _mm512_reduce_max_epu32(_mm512_max_epu32(magnitude(a), magnitude(b)));
    const __m512 inv = _mm512_set1_ps(q8_inverse(amax, scale, &keep));
    const __m512i ia = _mm512_maskz_cvtps_epi32(keep, _mm512_mul_ps(a, inv));
    const __m512i ib = _mm512_maskz_cvtps_epi32(keep, _mm512_mul_ps(b, inv));
    _mm_storeu_si128((void *)q, _mm512_cvtepi32_epi8(ia));
    _mm_storeu_si128((void *)(q + 16), _mm512_cvtepi32_epi8(ib));
    sum[0] = _mm512_reduce_add_epi32(ia);
    sum[1] = _mm512_reduce_add_epi32(ib);
}

void glim_avx512_act_fill(glim_act *x, unsigned forms, size_t row0, size_t n) {
    const size_t n_in = x->n_in, n_blocks = glim_act_blocks(n_in), n_even = n_in + (n_in & 1);
    for (size_t r = row0; r < row0 + n; r++) {
        const float *src = x->f32 + r * x->f32_stride;
        if (forms & GLIM_ACT_BF16) {
            uint16_t *dst = x->bf16 + r * n_even;
            for (size_t i = 0; i < n_even;
                 i += 16) { /* the zero that pads an odd row is a masked lane */
                const __m512 v = _mm512_maskz_loadu_ps(first_lanes(n_in - i), src + i);
                _mm256_mask_storeu_epi16(dst + i, first_lanes(n_even - i), bf16_of(v));
            }
        }
        if (forms & GLIM_ACT_Q8) {
            for (size_t b = 0; b < n_blocks; b++) {
                const size_t at = r * n_blocks + b;
                q8_block(src + 32 * b, n_in - 32 * b < 32 ? n_in - 32 * b : 32, x->q8 + 32 * at,
                         x->q8_scale + at, x->q8_sum + 2 * at);
            }
        }
    }
    if (forms & ~x->forms) x->forms |= forms;
}

static float q8_row(int8_t *q, const float *src, size_t n) {
    __m512i most = _mm512_setzero_si512();
    for (size_t i = 0; i < n; i += 16)
        most = _mm512_max_epu32(most, magnitude(_mm512_maskz_loadu_ps(first_lanes(n - i), src + i)));
    float scale;
    __mmask16 keep;
    const __m512 inv = _mm512_set1_ps(q8_inverse(_mm512_reduce_max_epu32(most), &scale, &keep));
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 mask = first_lanes(n - i);
        const __m512 v = _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, src + i), inv);
        _mm_mask_storeu_epi8(q + i, mask, _mm512_cvtepi32_epi8(_mm512_maskz_cvtps_epi32(keep, v)));
    }
    return scale;
}

void glim_avx512_kv_store(void *dst, float *scale, glim_dtype kv_type, const float *src, size_t n) {
    if (kv_type == GLIM_F32) {
        memcpy(dst, src, n * sizeof *src);
    } else if (kv_type == GLIM_BF16) {
        uint16_t *d = dst;
        for (size_t i = 0; i < n; i += 16) {
            const __mmask16 mask = first_lanes(n - i);
            _mm256_mask_storeu_epi16(d + i, mask, bf16_of(_mm512_maskz_loadu_ps(mask, src + i)));
        }
    } else {
        *scale = q8_row(dst, src, n);
    }
}

/* ---- rows of f32 ---- */

/* Squares are summed in 64 lanes, element i in lane i % 64, then the four registers, then their lanes:
 * short chains keep the float sum within 1e-6 of the exact one at any width a model has. */
void glim_avx512_rmsnorm(float *out, const float *x, const float *w, size_t n, float eps) {
    __m512 s[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps()};
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        UNROLL for (int t = 0; t < 4; t++) {
            const __m512 v = _mm512_loadu_ps(x + i + 16 * t);
            s[t] = _mm512_fmadd_ps(v, v, s[t]);
        }
    }
    for (int t = 0; i < n; t++, i += 16) {
        const __m512 v = _mm512_maskz_loadu_ps(first_lanes(n - i), x + i);
        s[t] = _mm512_fmadd_ps(v, v, s[t]);
    }
    const float ss = sum_lanes(_mm512_add_ps(_mm512_add_ps(s[0], s[1]), _mm512_add_ps(s[2], s[3])));
    const __m512 inv = _mm512_set1_ps(1.0f / sqrtf(ss / (float)n + eps));
    for (i = 0; i < n; i += 16) {
        const __mmask16 mask = first_lanes(n - i);
        const __m512 v = _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, x + i), inv);
        _mm512_mask_storeu_ps(out + i, mask, _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, w + i), v));
    }
}

static void rope_split(float *x, const float *cos, const float *sin, size_t half) {
    for (size_t j = 0; j < half; j += 16) {
        const __mmask16 m = first_lanes(half - j);
        const __m512 a = _mm512_maskz_loadu_ps(m, x + j), b = _mm512_maskz_loadu_ps(m, x + half + j);
        const __m512 c = _mm512_maskz_loadu_ps(m, cos + j), s = _mm512_maskz_loadu_ps(m, sin + j);
        _mm512_mask_storeu_ps(x + j, m, _mm512_sub_ps(_mm512_mul_ps(a, c), _mm512_mul_ps(b, s)));
        _mm512_mask_storeu_ps(x + half + j, m, _mm512_add_ps(_mm512_mul_ps(b, c), _mm512_mul_ps(a, s)));
    }
}

static void rope_pairs(float *x, const float *cos, const float *sin, size_t half) {
    const __m512i twice = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    for (size_t j = 0; j < half; j += 8) { /* eight pairs */
        const size_t n = half - j < 8 ? half - j : 8;
        const __mmask16 m = first_lanes(2 * n), mh = first_lanes(n);
        const __m512 v = _mm512_maskz_loadu_ps(m, x + 2 * j), swapped = _mm512_permute_ps(v, 0xb1);
        const __m512 c = _mm512_permutexvar_ps(twice, _mm512_maskz_loadu_ps(mh, cos + j));
        const __m512 s = _mm512_permutexvar_ps(twice, _mm512_maskz_loadu_ps(mh, sin + j));
        const __m512 vc = _mm512_mul_ps(v, c), ws = _mm512_mul_ps(swapped, s);
        _mm512_mask_storeu_ps(x + 2 * j, m, _mm512_mask_sub_ps(_mm512_add_ps(vc, ws), 0x5555, vc, ws));
    }
}

void glim_avx512_rope(float *x, size_t n_head, const float *cos, const float *sin, glim_rope_spec s) {
    for (size_t h = 0; h < n_head; h++, x += s.head_dim) {
        if (s.interleaved) rope_pairs(x, cos, sin, s.n_rot / 2);
        else rope_split(x, cos, sin, s.n_rot / 2);
    }
}

void glim_avx512_silu_mul(float *out, const float *gate, const float *up, size_t n) {
    const __m512 one = _mm512_set1_ps(1.0f), zero = _mm512_setzero_ps();
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 m = first_lanes(n - i);
        const __m512 g = _mm512_maskz_loadu_ps(m, gate + i), u = _mm512_maskz_loadu_ps(m, up + i);
        const __m512 e = exp_ps(_mm512_sub_ps(zero, g));
        _mm512_mask_storeu_ps(out + i, m, _mm512_mul_ps(_mm512_div_ps(g, _mm512_add_ps(one, e)), u));
    }
}

void glim_avx512_add(float *y, const float *x, size_t n) {
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 m = first_lanes(n - i);
        const __m512 v = _mm512_add_ps(_mm512_maskz_loadu_ps(m, y + i), _mm512_maskz_loadu_ps(m, x + i));
        _mm512_mask_storeu_ps(y + i, m, v);
    }
}

void glim_avx512_axpy(float *y, float a, const float *x, size_t n) {
    const __m512 va = _mm512_set1_ps(a);
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 m = first_lanes(n - i);
        const __m512 v =
            _mm512_fmadd_ps(va, _mm512_maskz_loadu_ps(m, x + i), _mm512_maskz_loadu_ps(m, y + i));
        _mm512_mask_storeu_ps(y + i, m, v);
    }
}
#endif
