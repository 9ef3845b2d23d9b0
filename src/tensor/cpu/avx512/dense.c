/* dense.c - products with f32, f16 and bf16 weights, and the choice between these and block
 * weights.
 *
 *   f32, f16  acc = fma(w, x, acc) in input order, f32 activations: bit-equal to plain C
 *   bf16      vdpbf16ps on pairs of inputs in order, activations rounded to bf16: twice the
 * arithmetic rate. Products are exact; the instruction rounds sums to nearest and takes subnormals
 * as zero, so it agrees with plain C only to rounding (tests/tensor/test_matmul.c states it).
 *
 * A tile is R rows by P panels held in registers over the whole inner dimension; with one row, four
 * panels give four independent chains. Each output has its own chain, so R and P do not show in the
 * result. */
#if defined __x86_64__
#include "tensor/cpu/avx512/vec.h"
#include "tensor/kernels_internal.h"
#include "tensor/panel.h"

unsigned glim_avx512_act_form(glim_dtype weight) {
    if (glim_dtype_of(weight)->is_quant) return GLIM_ACT_Q8;
    return weight == GLIM_BF16 ? GLIM_ACT_BF16 : GLIM_ACT_F32;
}

enum { P_MAX = 4, R_MAX = 8 };

/* n steps of one panel line each: an input for f32 and f16, a pair for bf16. x_row: bytes between
 * rows. */
INLINE void tile(const glim_dtype T, const int R, const int P, const uint8_t *p, size_t p_stride,
                 const uint8_t *x, size_t x_row, size_t n, __m512 out[R_MAX][P_MAX]) {
    const size_t line = T == GLIM_F16 ? 32 : 64;
    __m512 acc[R_MAX][P_MAX];
    UNROLL for (int r = 0; r < R; r++) {
        UNROLL for (int i = 0; i < P; i++) acc[r][i] = _mm512_setzero_ps();
    }
    for (size_t k = 0; k < n; k++, p += line, x += 4) {
        __m512i w[P_MAX];
        UNROLL for (int i = 0; i < P; i++) {
            const uint8_t *at = p + (size_t)i * p_stride;
            w[i] = T == GLIM_F16
                       ? _mm512_castps_si512(_mm512_cvtph_ps(_mm256_loadu_si256((const void *)at)))
                       : _mm512_loadu_si512(at);
        }
        UNROLL for (int r = 0; r < R; r++) {
            const __m512i v = bcast4(x + (size_t)r * x_row);
            UNROLL for (int i = 0; i < P; i++) acc[r][i] =
                T == GLIM_BF16
                    ? _mm512_dpbf16_ps(acc[r][i], (__m512bh)w[i], (__m512bh)v)
                    : _mm512_fmadd_ps(_mm512_castsi512_ps(w[i]), _mm512_castsi512_ps(v), acc[r][i]);
        }
    }
    UNROLL for (int r = 0; r < R; r++) {
        UNROLL for (int i = 0; i < P; i++) out[r][i] = acc[r][i];
    }
}

typedef void tile_fn(const uint8_t *p, size_t p_stride, const uint8_t *x, size_t x_row, size_t n,
                     __m512 out[R_MAX][P_MAX]);
#define TILE(T, R, P)                                                                                     \
    static void tile_##T##_##R##_##P(const uint8_t *p, size_t p_stride, const uint8_t *x, size_t x_row,   \
                                     size_t n, __m512 out[R_MAX][P_MAX]) {                                \
        tile(GLIM_##T, R, P, p, p_stride, x, x_row, n, out);                                              \
    }
#define TILES(T)                                                                      \
    TILE(T, 1, 1) TILE(T, 2, 1) TILE(T, 4, 1) TILE(T, 8, 1)                           \
    TILE(T, 1, 2) TILE(T, 2, 2) TILE(T, 4, 2) TILE(T, 8, 2)                           \
    TILE(T, 1, 4) TILE(T, 2, 4) TILE(T, 4, 4)
TILES(F32)
TILES(F16)
TILES(BF16)

/* [rows 1, 2, 4, 8][panels 1, 2, 4]; eight rows by four panels would not fit the registers. */
#define ROW(T)                                                    \
    {{tile_##T##_1_1, tile_##T##_1_2, tile_##T##_1_4},            \
     {tile_##T##_2_1, tile_##T##_2_2, tile_##T##_2_4},            \
     {tile_##T##_4_1, tile_##T##_4_2, tile_##T##_4_4},            \
     {tile_##T##_8_1, tile_##T##_8_2, NULL}}
static tile_fn *const g_f32[4][3] = ROW(F32);
static tile_fn *const g_f16[4][3] = ROW(F16);
static tile_fn *const g_bf16[4][3] = ROW(BF16);

static void matmul_dense(const glim_matmul_job *j, size_t out0, size_t n_out, size_t row0,
                         size_t n_rows) {
    const glim_mat *w = j->w;
    const glim_dtype T = glim_panel_type(w->type);
    tile_fn *const(*tiles)[3] = T == GLIM_F32 ? g_f32 : T == GLIM_F16 ? g_f16 : g_bf16;
    const size_t stride = glim_panel_stride(w->type, w->n_in);
    const uint8_t *first = (const uint8_t *)w->panels + out0 / GLIM_PANEL * stride;

    const size_t n = T == GLIM_BF16 ? (w->n_in + 1) / 2 : w->n_in;
    const size_t x_row = T == GLIM_BF16 ? n * 4 : j->x->f32_stride * 4;
    const uint8_t *xs = T == GLIM_BF16 ? (const uint8_t *)j->x->bf16 : (const uint8_t *)j->x->f32;

    for (size_t row = row0; row < row0 + n_rows;) {
        const size_t rows_left = row0 + n_rows - row;
        const int ri = rows_left >= 8 ? 3 : rows_left >= 4 ? 2 : rows_left >= 2 ? 1 : 0, rows = 1 << ri;
        for (size_t o = 0; o < n_out;) {
            const size_t left = (n_out - o + GLIM_PANEL - 1) / GLIM_PANEL;
            const int pi = left >= 4 && ri < 3 ? 2 : left >= 2 ? 1 : 0, panels = 1 << pi;
            __m512 acc[R_MAX][P_MAX];
            tiles[ri][pi](first + o / GLIM_PANEL * stride, stride, xs + row * x_row, x_row, n, acc);
            for (int i = 0; i < panels; i++) {
                const size_t col = o + (size_t)i * GLIM_PANEL;
                const __mmask16 mask = first_lanes(n_out - col);
                for (int r = 0; r < rows; r++) {
                    float *y = j->y + (row + (size_t)r) * j->y_stride + out0 + col;
                    __m512 v = acc[r][i];
                    if (j->bias) v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(mask, j->bias + out0 + col));
                    _mm512_mask_storeu_ps(y, mask, v);
                }
            }
            o += (size_t)panels * GLIM_PANEL;
        }
        row += (size_t)rows;
    }
}

void glim_avx512_matmul(const glim_matmul_job *j, size_t out0, size_t n_out, size_t row0,
                        size_t n_rows) {
    if (glim_panel_type(j->w->type) == GLIM_N_DTYPE) glim_ref_matmul(j, out0, n_out, row0, n_rows);
    else if (glim_dtype_of(j->w->type)->is_quant)
        glim_avx512_matmul_blocks(j, out0, n_out, row0, n_rows);
    else matmul_dense(j, out0, n_out, row0, n_rows);
}
#endif
