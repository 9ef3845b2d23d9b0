/* gemm.c - training's products with AVX-512: f32, and pairs of bf16 where the CPU is faster at them. */
#if defined __x86_64__
#include "tensor/cpu/avx512/vec.h"
#include "tensor/cpu/tile_body.h"

#define VEC __m512
enum { LANES = 16, R_MAX = 12 };
INLINE VEC vec_zero(void) { return _mm512_setzero_ps(); }
INLINE VEC vec_load(const float *p, size_t n) { return n >= 16 ? _mm512_loadu_ps(p) : _mm512_maskz_loadu_ps(first_lanes(n), p); }
INLINE void vec_store(float *p, size_t n, VEC v) {
    if (n >= 16) _mm512_storeu_ps(p, v);
    else _mm512_mask_storeu_ps(p, first_lanes(n), v);
}
INLINE VEC vec_bcast(const float *p) { return _mm512_set1_ps(*p); }
INLINE VEC vec_fma(VEC a, VEC b, VEC c) { return _mm512_fmadd_ps(a, b, c); }

#include "tensor/cpu/mm_body.h"
MMS(1) MMS(2) MMS(4) MMS(8) MMS(12)
static mm_fn *const g_mm[5][3] = {MM_ROW(1), MM_ROW(2), MM_ROW(4), MM_ROW(8), MM_ROW(12)};
static const uint8_t g_rows[5] = {1, 2, 4, 8, 12};

static void mm(float *c, size_t ldc, const float *a, size_t a_row, size_t a_k, const float *b, size_t ldb, size_t m, size_t n, size_t k,
               bool add) {
    for (size_t i = 0; i < m;) {
        const size_t left = m - i;
        const int at = left >= 12 ? 4 : left >= 8 ? 3 : left >= 4 ? 2 : left >= 2 ? 1 : 0;
        for (size_t j = 0; j < n; j += 32) {
            const size_t cols = n - j;
            g_mm[at][cols >= 32 ? 2 : cols > 16 ? 1 : 0](c + i * ldc + j, ldc, a + i * a_row, a_row, a_k, b + j, ldb, cols, k, add);
        }
        i += g_rows[at];
    }
}

/* ---- pairs ---- */

INLINE void pairs_tile(const int R, float *c, size_t ldc, const uint32_t *a, size_t a_row, size_t a_k, const uint32_t *b, size_t ldb,
                       size_t cols, size_t k, bool add) {
    const __mmask16 m[2] = {first_lanes(cols), cols > 16 ? first_lanes(cols - 16) : 0};
    __m512 acc[R_MAX][2];
    UNROLL for (int r = 0; r < R; r++) {
        UNROLL for (int i = 0; i < 2; i++) acc[r][i] = _mm512_maskz_loadu_ps(add ? m[i] : 0, c + (size_t)r * ldc + 16 * i);
    }
    for (size_t p = 0; p < k; p++, b += ldb, a += a_k) {
        const __m512i w0 = _mm512_maskz_loadu_epi32(m[0], b), w1 = _mm512_maskz_loadu_epi32(m[1], b + 16);
        UNROLL for (int r = 0; r < R; r++) {
            const __m512i v = bcast4(a + (size_t)r * a_row);
            acc[r][0] = _mm512_dpbf16_ps(acc[r][0], (__m512bh)w0, (__m512bh)v);
            acc[r][1] = _mm512_dpbf16_ps(acc[r][1], (__m512bh)w1, (__m512bh)v);
        }
    }
    UNROLL for (int r = 0; r < R; r++) {
        UNROLL for (int i = 0; i < 2; i++) _mm512_mask_storeu_ps(c + (size_t)r * ldc + 16 * i, m[i], acc[r][i]);
    }
}
#define PAIRS(R)                                                                                                            \
    static void pairs_##R(float *c, size_t ldc, const uint32_t *a, size_t a_row, size_t a_k, const uint32_t *b, size_t ldb, \
                          size_t cols, size_t k, bool add) {                                                                \
        pairs_tile(R, c, ldc, a, a_row, a_k, b, ldb, cols, k, add);                                                         \
    }
PAIRS(1) PAIRS(4) PAIRS(12)

static void mm_pairs(float *c, size_t ldc, const uint32_t *a, size_t a_row, size_t a_k, const uint32_t *b, size_t ldb, size_t m,
                     size_t n, size_t k, bool add) {
    for (size_t i = 0; i < m;) {
        const size_t left = m - i, R = left >= 12 ? 12 : left >= 4 ? 4 : 1;
        for (size_t j = 0; j < n; j += 32)
            (R == 12 ? pairs_12 : R == 4 ? pairs_4 : pairs_1)(c + i * ldc + j, ldc, a + i * a_row, a_row, a_k, b + j, ldb, n - j, k, add);
        i += R;
    }
}

static void pair(uint32_t *dst, const float *lo, const float *hi, size_t n) {
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 m = first_lanes(n - i);
        const __m512i l = _mm512_cvtepu16_epi32(bf16_of(_mm512_maskz_loadu_ps(m, lo + i)));
        const __m512i h = _mm512_cvtepu16_epi32(bf16_of(_mm512_maskz_loadu_ps(m, hi + i)));
        _mm512_mask_storeu_epi32(dst + i, m, _mm512_or_si512(l, _mm512_slli_epi32(h, 16)));
    }
}

/* As for inference (dense.c): dots have twice the rate of fma on Zen 4 and half of it on Xeons of model 207. */
static bool has_pairs(void) { return glim_avx512_bf16_dots < 0 ? __builtin_cpu_is("amd") : glim_avx512_bf16_dots; }

static void turn(float *dst, size_t dst_stride, const float *src, size_t src_stride) {
    __m512 r[16], t[16];
    UNROLL for (size_t i = 0; i < 16; i++) r[i] = _mm512_loadu_ps(src + i * src_stride);
    UNROLL for (size_t i = 0; i < 16; i += 2) t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]), t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    UNROLL for (size_t i = 0; i < 16; i += 4) {
        UNROLL for (size_t j = 0; j < 2; j++) {
            const __m512d a = _mm512_castps_pd(t[i + j]), b = _mm512_castps_pd(t[i + 2 + j]);
            r[i + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
            r[i + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
        }
    }
    /* r[4 g + j]: columns j, 4 + j, 8 + j, 12 + j of rows 4 g .. 4 g + 3, four lanes each */
    UNROLL for (size_t j = 0; j < 4; j++) {
        const __m512 a = _mm512_shuffle_f32x4(r[j], r[4 + j], 0x88), b = _mm512_shuffle_f32x4(r[8 + j], r[12 + j], 0x88);
        const __m512 c = _mm512_shuffle_f32x4(r[j], r[4 + j], 0xdd), d = _mm512_shuffle_f32x4(r[8 + j], r[12 + j], 0xdd);
        _mm512_storeu_ps(dst + j * dst_stride, _mm512_shuffle_f32x4(a, b, 0x88));
        _mm512_storeu_ps(dst + (8 + j) * dst_stride, _mm512_shuffle_f32x4(a, b, 0xdd));
        _mm512_storeu_ps(dst + (4 + j) * dst_stride, _mm512_shuffle_f32x4(c, d, 0x88));
        _mm512_storeu_ps(dst + (12 + j) * dst_stride, _mm512_shuffle_f32x4(c, d, 0xdd));
    }
}

static void exps(float *y, const float *x, float shift, size_t n) {
    const __m512 s = _mm512_set1_ps(shift);
    for (size_t i = 0; i < n; i += 16) vec_store(y + i, n - i, exp_ps(_mm512_sub_ps(vec_load(x + i, n - i), s)));
}

static void silu_back(float *dgate, float *dup, const float *dmid, const float *gate, const float *up, size_t n) {
    const __m512 one = _mm512_set1_ps(1);
    for (size_t i = 0; i < n; i += 16) { /* products and sums apart, as ref's: no fma */
        const __m512 g = vec_load(gate + i, n - i), u = vec_load(up + i, n - i), d = vec_load(dmid + i, n - i);
        const __m512 e = exp_ps(_mm512_xor_ps(g, _mm512_set1_ps(-0.0f)));
        const __m512 s = _mm512_div_ps(one, _mm512_add_ps(one, e));
        const __m512 slope = _mm512_add_ps(one, _mm512_mul_ps(g, _mm512_sub_ps(one, s)));
        vec_store(dup + i, n - i, _mm512_mul_ps(_mm512_mul_ps(d, g), s));
        vec_store(dgate + i, n - i, _mm512_mul_ps(_mm512_mul_ps(_mm512_mul_ps(d, u), s), slope));
    }
}

const glim_gemm_set glim_gemm_avx512 = {
    .name = "avx512", .rows = 12, .pairs = has_pairs, .tile = tile, .turn = turn, .mm = mm, .mm_pairs = mm_pairs, .pair = pair, .exp = exps,
    .silu_back = silu_back,
};
#endif
