/* gemm.c - training's products with AVX2 and FMA. */
#if defined __x86_64__
#include "tensor/cpu/avx2/vec.h"
#include "tensor/cpu/tile_body.h"

#define VEC __m256
enum { LANES = 8, R_MAX = 6 };
INLINE VEC vec_zero(void) { return _mm256_setzero_ps(); }
INLINE VEC vec_load(const float *p, size_t n) { return load_n(p, n); }
INLINE void vec_store(float *p, size_t n, VEC v) { store_n(p, n, v); }
INLINE VEC vec_bcast(const float *p) { return _mm256_broadcast_ss(p); }
INLINE VEC vec_fma(VEC a, VEC b, VEC c) { return _mm256_fmadd_ps(a, b, c); }

#include "tensor/cpu/mm_body.h"
MMS(1) MMS(2) MMS(4) MMS(6)
static mm_fn *const g_mm[4][3] = {MM_ROW(1), MM_ROW(2), MM_ROW(4), MM_ROW(6)};
static const uint8_t g_rows[4] = {1, 2, 4, 6};

/* What the driver lays out goes through a loop of its own: strides known, four k a turn. A processor whose core two threads share hands
 * each half of its six instructions a cycle, so what counts beside twelve fmas is how many others there are: 8.75 here, 13 in mm_tile. By name,
 * because gcc 12 otherwise lets sums wander between registers and puts some of them on the stack. */
enum { STRIP = 6, LDB = 64 };
#define FMA(acc, x, y) __asm__("vfmadd231ps %2, %1, %0" : "+x"(acc) : "x"(x), "x"(y))
INLINE void strip_step(__m256 (*acc)[2], const float *a, const float *b) {
    const __m256 w0 = _mm256_loadu_ps(b), w1 = _mm256_loadu_ps(b + 8);
    UNROLL for (int r = 0; r < STRIP; r++) {
        const __m256 v = _mm256_broadcast_ss(a + r);
        FMA(acc[r][0], v, w0);
        FMA(acc[r][1], v, w1);
    }
}
static void mm_strip(float *c, size_t ldc, const float *a, const float *b, size_t k, bool add) {
    __m256 acc[STRIP][2];
    UNROLL for (int r = 0; r < STRIP; r++) {
        UNROLL for (int i = 0; i < 2; i++) acc[r][i] = add ? _mm256_loadu_ps(c + (size_t)r * ldc + 8 * i) : _mm256_setzero_ps();
    }
    for (; k >= 4; k -= 4, a += 4 * STRIP, b += 4 * LDB) {
        UNROLL for (int u = 0; u < 4; u++) strip_step(acc, a + u * STRIP, b + u * LDB);
    }
    for (; k; k--, a += STRIP, b += LDB) strip_step(acc, a, b);
    UNROLL for (int r = 0; r < STRIP; r++) {
        UNROLL for (int i = 0; i < 2; i++) _mm256_storeu_ps(c + (size_t)r * ldc + 8 * i, acc[r][i]);
    }
}

static void mm(float *c, size_t ldc, const float *a, size_t a_row, size_t a_k, const float *b, size_t ldb, size_t m, size_t n, size_t k,
               bool add) {
    for (size_t i = 0; i < m;) {
        const size_t left = m - i;
        const int at = left >= 6 ? 3 : left >= 4 ? 2 : left >= 2 ? 1 : 0;
        for (size_t j = 0; j < n; j += 16) {
            const size_t cols = n - j;
            if (at == 3 && cols >= 16 && a_row == 1 && a_k == STRIP && ldb == LDB) mm_strip(c + i * ldc + j, ldc, a + i, b + j, k, add);
            else g_mm[at][cols >= 16 ? 2 : cols > 8 ? 1 : 0](c + i * ldc + j, ldc, a + i * a_row, a_row, a_k, b + j, ldb, cols, k, add);
        }
        i += g_rows[at];
    }
}

static bool no_pairs(void) { return false; }

static void turn_8(float *dst, size_t dst_stride, const float *src, size_t src_stride) {
    __m256 r[8], t[8];
    UNROLL for (size_t i = 0; i < 8; i++) r[i] = _mm256_loadu_ps(src + i * src_stride);
    UNROLL for (size_t i = 0; i < 8; i += 2) t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]), t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    UNROLL for (size_t i = 0; i < 8; i += 4) {
        UNROLL for (size_t j = 0; j < 2; j++) {
            r[i + 2 * j] = _mm256_shuffle_ps(t[i + j], t[i + 2 + j], 0x44);
            r[i + 2 * j + 1] = _mm256_shuffle_ps(t[i + j], t[i + 2 + j], 0xee);
        }
    }
    UNROLL for (size_t j = 0; j < 4; j++) {
        _mm256_storeu_ps(dst + j * dst_stride, _mm256_permute2f128_ps(r[j], r[4 + j], 0x20));
        _mm256_storeu_ps(dst + (4 + j) * dst_stride, _mm256_permute2f128_ps(r[j], r[4 + j], 0x31));
    }
}
static void turn(float *dst, size_t dst_stride, const float *src, size_t src_stride) {
    for (size_t i = 0; i < 16; i += 8)
        for (size_t j = 0; j < 16; j += 8) turn_8(dst + j * dst_stride + i, dst_stride, src + i * src_stride + j, src_stride);
}

static void exps(float *y, const float *x, float shift, size_t n) {
    const __m256 s = _mm256_set1_ps(shift);
    for (size_t i = 0; i < n; i += 8) vec_store(y + i, n - i, exp_ps(_mm256_sub_ps(vec_load(x + i, n - i), s)));
}

static void silu_back(float *dgate, float *dup, const float *dmid, const float *gate, const float *up, size_t n) {
    const __m256 one = _mm256_set1_ps(1);
    for (size_t i = 0; i < n; i += 8) { /* products and sums apart, as ref's: no fma */
        const __m256 g = vec_load(gate + i, n - i), u = vec_load(up + i, n - i), d = vec_load(dmid + i, n - i);
        const __m256 e = exp_ps(_mm256_xor_ps(g, _mm256_set1_ps(-0.0f)));
        const __m256 s = _mm256_div_ps(one, _mm256_add_ps(one, e));
        const __m256 slope = _mm256_add_ps(one, _mm256_mul_ps(g, _mm256_sub_ps(one, s)));
        vec_store(dup + i, n - i, _mm256_mul_ps(_mm256_mul_ps(d, g), s));
        vec_store(dgate + i, n - i, _mm256_mul_ps(_mm256_mul_ps(_mm256_mul_ps(d, u), s), slope));
    }
}

const glim_gemm_set glim_gemm_avx2 = {
    .name = "avx2", .rows = 6, .pairs = no_pairs, .tile = tile, .turn = turn, .mm = mm, .exp = exps, .silu_back = silu_back,
};
#endif
