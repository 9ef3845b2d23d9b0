/* dense.c - products with f32, f16 and bf16 weights with AVX2, and the choice between these and
 * blocks.
 *
 * One fma chain per output over the inputs in order, f32 activations, weights expanded exactly:
 * bit-equal to plain C for all three. A tile is R rows by P panels of two registers; 1 x 4, 2 x 2
 * and 4 x 1 all keep eight chains in flight. */
#if defined __x86_64__
#include "tensor/cpu/avx2/vec.h"
#include "tensor/kernels_internal.h"
#include "tensor/panel.h"

enum { P_MAX = 4, R_MAX = 4 };

/* Eight columns (half c) of input k of a panel. */
INLINE __m256 load_w(const glim_dtype T, const uint8_t *p, size_t k, size_t c) {
    if (T == GLIM_F32) return _mm256_loadu_ps((const float *)(const void *)(p + 64 * k + 32 * c));
    if (T == GLIM_F16) return _mm256_cvtph_ps(_mm_loadu_si128((const void *)(p + 32 * k + 16 * c)));
    /* bf16 pairs: the even input in the low half of each word */
    const __m256i v = _mm256_loadu_si256((const void *)(p + 64 * (k / 2) + 32 * c));
    return _mm256_castsi256_ps(k % 2 ? _mm256_and_si256(v, _mm256_set1_epi32((int)0xffff0000u))
                                     : _mm256_slli_epi32(v, 16));
}

INLINE void step(const glim_dtype T, const int R, const int P, const uint8_t *p, size_t p_stride,
                 const float *x, size_t x_row, size_t k, __m256 acc[R_MAX][P_MAX][2]) {
    UNROLL for (int i = 0; i < P; i++) {
        const __m256 w0 = load_w(T, p + (size_t)i * p_stride, k, 0),
                     w1 = load_w(T, p + (size_t)i * p_stride, k, 1);
        UNROLL for (int r = 0; r < R; r++) {
            const __m256 v = _mm256_broadcast_ss(x + (size_t)r * x_row + k);
            acc[r][i][0] = _mm256_fmadd_ps(w0, v, acc[r][i][0]);
            acc[r][i][1] = _mm256_fmadd_ps(w1, v, acc[r][i][1]);
        }
    }
}

INLINE void tile(const glim_dtype T, const int R, const int P, const uint8_t *p, size_t p_stride,
                 const float *x, size_t x_row, size_t n, __m256 out[R_MAX][P_MAX][2]) {
    __m256 acc[R_MAX][P_MAX][2];
    UNROLL for (int r = 0; r < R; r++) {
        UNROLL for (int i = 0; i < P; i++) acc[r][i][0] = acc[r][i][1] = _mm256_setzero_ps();
    }
    size_t k = 0;
    for (; k + 2 <= n; k += 2) { /* by two, so that k % 2 is known */
        step(T, R, P, p, p_stride, x, x_row, k, acc);
        step(T, R, P, p, p_stride, x, x_row, k + 1, acc);
    }
    if (k < n) step(T, R, P, p, p_stride, x, x_row, k, acc);
    UNROLL for (int r = 0; r < R; r++) {
        UNROLL for (int i = 0; i < P; i++) out[r][i][0] = acc[r][i][0], out[r][i][1] = acc[r][i][1];
    }
}

typedef void tile_fn(const uint8_t *p, size_t p_stride, const float *x, size_t x_row, size_t n,
                     __m256 out[R_MAX][P_MAX][2]);
#define TILE(T, R, P)                                                                                \
    static void tile_##T##_##R##_##P(const uint8_t *p, size_t p_stride, const float *x, size_t x_row, \
                                     size_t n, __m256 out[R_MAX][P_MAX][2]) {                        \
        tile(GLIM_##T, R, P, p, p_stride, x, x_row, n, out);                                         \
    }
#define TILES(T) TILE(T, 1, 1) TILE(T, 1, 2) TILE(T, 1, 4) TILE(T, 2, 1) TILE(T, 2, 2) TILE(T, 4, 1)
TILES(F32)
TILES(F16)
TILES(BF16)

/* [rows 1, 2, 4][panels 1, 2, 4] */
#define ROW(T)                                           \
    {{tile_##T##_1_1, tile_##T##_1_2, tile_##T##_1_4},   \
     {tile_##T##_2_1, tile_##T##_2_2, NULL},             \
     {tile_##T##_4_1, NULL, NULL}}
static tile_fn *const g_f32[3][3] = ROW(F32);
static tile_fn *const g_f16[3][3] = ROW(F16);
static tile_fn *const g_bf16[3][3] = ROW(BF16);

static void matmul_dense(const glim_matmul_job *j, size_t out0, size_t n_out, size_t row0,
                         size_t n_rows) {
    const glim_mat *w = j->w;
    const glim_dtype T = glim_panel_type(w->type);
    tile_fn *const(*tiles)[3] = T == GLIM_F32 ? g_f32 : T == GLIM_F16 ? g_f16 : g_bf16;
    const size_t stride = glim_panel_stride(w->type, w->n_in), x_row = j->x->f32_stride;
    const uint8_t *first = (const uint8_t *)w->panels + out0 / GLIM_PANEL * stride;

    for (size_t row = row0; row < row0 + n_rows;) {
        const size_t rows_left = row0 + n_rows - row;
        const int ri = rows_left >= 4 ? 2 : rows_left >= 2 ? 1 : 0, rows = 1 << ri;
        for (size_t o = 0; o < n_out;) {
            const size_t left = (n_out - o + GLIM_PANEL - 1) / GLIM_PANEL;
            const int most = 2 - ri; /* eight chains at most */
            const int pi = left >= 4 && most >= 2 ? 2 : left >= 2 && most >= 1 ? 1 : 0, panels = 1 << pi;
            __m256 acc[R_MAX][P_MAX][2];
            tiles[ri][pi](first + o / GLIM_PANEL * stride, stride, j->x->f32 + row * x_row, x_row,
                          w->n_in, acc);
            for (int i = 0; i < panels; i++) {
                for (size_t c = 0; c < 2; c++) {
                    const size_t col = o + (size_t)i * GLIM_PANEL + 8 * c;
                    if (col >= n_out) break;
                    for (int r = 0; r < rows; r++) {
                        __m256 v = acc[r][i][c];
                        if (j->bias) v = _mm256_add_ps(v, load_n(j->bias + out0 + col, n_out - col));
                        store_n(j->y + (row + (size_t)r) * j->y_stride + out0 + col, n_out - col, v);
                    }
                }
            }
            o += (size_t)panels * GLIM_PANEL;
        }
        row += (size_t)rows;
    }
}

void glim_avx2_matmul(const glim_matmul_job *j, size_t out0, size_t n_out, size_t row0, size_t n_rows) {
    if (glim_panel_type(j->w->type) == GLIM_N_DTYPE) glim_ref_matmul(j, out0, n_out, row0, n_rows);
    else if (glim_dtype_of(j->w->type)->is_quant)
        glim_avx2_matmul_blocks(j, out0, n_out, row0, n_rows);
    else matmul_dense(j, out0, n_out, row0, n_rows);
}
#endif
