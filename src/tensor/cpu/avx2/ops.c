/* ops.c - activation forms, KV rows, norm, rotation, gate and residual with AVX2.
 *
 * All but rmsnorm and silu_mul do the same roundings as plain C and are bit-equal to it. */
#if defined __x86_64__
#include <math.h>

#include "tensor/cpu/avx2/vec.h"
#include "tensor/kernels_internal.h"

/* ---- rounding to 8 bits; see glim_ref_q8 for the rules ---- */

INLINE __m256i magnitude(__m256 x) {
    return _mm256_and_si256(_mm256_castps_si256(x), _mm256_set1_epi32(0x7fffffff));
}
/* What to multiply with; false if everything is to become zero. */
INLINE bool q8_inverse(uint32_t amax_bits, float *scale, float *inv) {
    union { uint32_t u; float f; } amax = {.u = amax_bits};
    *scale = amax.f / 127.0f;
    *inv = 127.0f / amax.f;
    return amax_bits < 0x7f800000u && amax.f >= GLIM_Q8_TINY;
}
INLINE __m256i round_8(const float *src, size_t n, float inv) {
    return _mm256_cvtps_epi32(_mm256_mul_ps(load_n(src, n), _mm256_set1_ps(inv)));
}
/* Eight int32 in int8 range to the low half of the result. */
INLINE __m128i narrow(__m256i v) {
    const __m128i w = _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    return _mm_packs_epi16(w, w);
}
/* n values at src; reading none of them when n is 0 keeps the pointer inside its row. */
INLINE uint32_t max_magnitude(const float *src, size_t n) {
    __m256i most = _mm256_setzero_si256();
    for (size_t i = 0; i < n; i += 8) most = _mm256_max_epu32(most, magnitude(load_n(src + i, n - i)));
    return max_lanes_epu32(most);
}

static void q8_block(const float *src, size_t len, int8_t *q, float *scale, int32_t *sum) {
    float inv;
    memset(q, 0, 32);
    sum[0] = sum[1] = 0;
    if (!q8_inverse(max_magnitude(src, len), scale, &inv)) return;
    for (size_t i = 0; i < len; i += 8) { /* lanes beyond len are zero */
        const __m256i v = round_8(src + i, len - i, inv);
        _mm_storel_epi64((void *)(q + i), narrow(v));
        sum[i / 16] += sum_lanes_epi32(
            _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1)));
    }
}

void glim_avx2_act_fill(glim_act *x, unsigned forms, size_t row0, size_t n) {
    const size_t n_in = x->n_in, n_blocks = glim_act_blocks(n_in), n_even = n_in + (n_in & 1);
    for (size_t r = row0; r < row0 + n; r++) {
        const float *src = x->f32 + r * x->f32_stride;
        if (forms & GLIM_ACT_BF16) {
            uint16_t *dst = x->bf16 + r * n_even;
            size_t i = 0;
            for (; i + 8 <= n_in; i += 8)
                _mm_storeu_si128((void *)(dst + i), bf16_of(_mm256_loadu_ps(src + i)));
            for (; i < n_in; i++) dst[i] = glim_f32_to_bf16(src[i]);
            if (n_in & 1) dst[n_in] = 0;
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

void glim_avx2_kv_store(void *dst, float *scale, glim_dtype kv_type, const float *src, size_t n) {
    if (kv_type == GLIM_F32) {
        memcpy(dst, src, n * sizeof *src);
    } else if (kv_type == GLIM_BF16) {
        uint16_t *d = dst;
        size_t i = 0;
        for (; i + 8 <= n; i += 8) _mm_storeu_si128((void *)(d + i), bf16_of(_mm256_loadu_ps(src + i)));
        for (; i < n; i++) d[i] = glim_f32_to_bf16(src[i]);
    } else {
        int8_t *q = dst;
        float inv;
        if (!q8_inverse(max_magnitude(src, n), scale, &inv)) {
            memset(q, 0, n);
            return;
        }
        for (size_t i = 0; i < n; i += 8) {
            int8_t eight[16];
            _mm_storeu_si128((void *)eight, narrow(round_8(src + i, n - i, inv)));
            memcpy(q + i, eight, n - i < 8 ? n - i : 8);
        }
    }
}

/* ---- rows of f32 ---- */

/* Squares in 32 lanes, element i in lane i % 32; see cpu/avx512/ops.c. */
void glim_avx2_rmsnorm(float *out, const float *x, const float *w, size_t n, float eps) {
    __m256 s[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps()};
    size_t i = 0;
    for (; i + 32 <= n; i += 32) {
        UNROLL for (int t = 0; t < 4; t++) {
            const __m256 v = _mm256_loadu_ps(x + i + 8 * t);
            s[t] = _mm256_fmadd_ps(v, v, s[t]);
        }
    }
    for (int t = 0; i < n; t++, i += 8) {
        const __m256 v = load_n(x + i, n - i);
        s[t] = _mm256_fmadd_ps(v, v, s[t]);
    }
    const float ss = sum_lanes(_mm256_add_ps(_mm256_add_ps(s[0], s[1]), _mm256_add_ps(s[2], s[3])));
    const __m256 inv = _mm256_set1_ps(1.0f / sqrtf(ss / (float)n + eps));
    for (i = 0; i < n; i += 8)
        store_n(out + i, n - i,
                _mm256_mul_ps(load_n(w + i, n - i), _mm256_mul_ps(load_n(x + i, n - i), inv)));
}

static void rope_split(float *x, const float *cos, const float *sin, size_t half) {
    for (size_t j = 0; j < half; j += 8) {
        const size_t n = half - j;
        const __m256 a = load_n(x + j, n), b = load_n(x + half + j, n);
        const __m256 c = load_n(cos + j, n), s = load_n(sin + j, n);
        store_n(x + j, n, _mm256_sub_ps(_mm256_mul_ps(a, c), _mm256_mul_ps(b, s)));
        store_n(x + half + j, n, _mm256_add_ps(_mm256_mul_ps(b, c), _mm256_mul_ps(a, s)));
    }
}

static void rope_pairs(float *x, const float *cos, const float *sin, size_t half) {
    const __m256i twice = _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3);
    for (size_t j = 0; j < half; j += 4) { /* four pairs */
        const size_t n = half - j < 4 ? half - j : 4;
        const __m256 v = load_n(x + 2 * j, 2 * n), swapped = _mm256_permute_ps(v, 0xb1);
        const __m256 c = _mm256_permutevar8x32_ps(load_n(cos + j, n), twice);
        const __m256 s = _mm256_permutevar8x32_ps(load_n(sin + j, n), twice);
        store_n(x + 2 * j, 2 * n, _mm256_addsub_ps(_mm256_mul_ps(v, c), _mm256_mul_ps(swapped, s)));
    }
}

void glim_avx2_rope(float *x, size_t n_head, const float *cos, const float *sin, glim_rope_spec s) {
    for (size_t h = 0; h < n_head; h++, x += s.head_dim) {
        if (s.interleaved) rope_pairs(x, cos, sin, s.n_rot / 2);
        else rope_split(x, cos, sin, s.n_rot / 2);
    }
}

void glim_avx2_silu_mul(float *out, const float *gate, const float *up, size_t n) {
    const __m256 one = _mm256_set1_ps(1.0f);
    for (size_t i = 0; i < n; i += 8) {
        const __m256 g = load_n(gate + i, n - i), u = load_n(up + i, n - i);
        const __m256 e = exp_ps(_mm256_sub_ps(_mm256_setzero_ps(), g));
        store_n(out + i, n - i, _mm256_mul_ps(_mm256_div_ps(g, _mm256_add_ps(one, e)), u));
    }
}

void glim_avx2_add(float *y, const float *x, size_t n) {
    for (size_t i = 0; i < n; i += 8)
        store_n(y + i, n - i, _mm256_add_ps(load_n(y + i, n - i), load_n(x + i, n - i)));
}

void glim_avx2_axpy(float *y, float a, const float *x, size_t n) {
    const __m256 va = _mm256_set1_ps(a);
    for (size_t i = 0; i < n; i += 8)
        store_n(y + i, n - i, _mm256_fmadd_ps(va, load_n(x + i, n - i), load_n(y + i, n - i)));
}
#endif
