/* dense.c - products with f32, f16 and bf16 weights with AVX2, and the choice between these and
 * blocks.
 *
 * One fma chain per output over the inputs in order, f32 activations, weights expanded exactly:
 * bit-equal to plain C for all three. A tile is R rows by P panels of two registers: 8 to 12 chains, as many as
 * sixteen registers allow. Its rows are first laid side by side, input by input, so that the inner loop walks one
 * pointer. With more than 8 rows a segment of a panel is turned into f32 once and serves up to 128 of them. Between
 * segments the accumulators rest in y. */
#if defined __x86_64__
#include "tensor/cpu/avx2/vec.h"
#include "tensor/kernels_internal.h"
#include "tensor/panel.h"

enum {
    P_MAX = 4,
    TILE_ROWS = 6,
    FEW = 8,       /* rows up to which tiles read the panels themselves */
    ROWS = 128,    /* that one turning into f32 serves */
    SEGMENT = 128, /* inputs; even: a panel of them as f32 is a quarter of the first-level cache */
    WORDS = 2048,  /* of few rows laid side by side: long streams of weights, and still of that cache */
    AHEAD = 2048   /* bytes: how far weights are asked for before they are used */
};

/* MADE: f32 that lies in the cache already. */
typedef enum kind { F32, F16, BF16, MADE } kind;
INLINE size_t pair_bytes(kind T) { return T == F32 || T == MADE ? 128 : 64; } /* of two inputs */

/* Eight columns (half c) of input h of the pair at p. */
INLINE __m256 load_w(const kind T, const uint8_t *p, const int h, const int c) {
    if (T == F32 || T == MADE) return _mm256_loadu_ps((const float *)(const void *)(p + 64 * h + 32 * c));
    if (T == F16) return _mm256_cvtph_ps(_mm_loadu_si128((const void *)(p + 32 * h + 16 * c)));
    const __m256i v = _mm256_loadu_si256((const void *)(p + 32 * c)); /* the even input in the low half of each word */
    return _mm256_castsi256_ps(h ? _mm256_and_si256(v, _mm256_set1_epi32((int)0xffff0000u)) : _mm256_slli_epi32(v, 16));
}

INLINE void step(const kind T, const int R, const int P, const uint8_t *p, size_t p_stride, const float *x, const int h,
                 __m256 a[P_MAX][TILE_ROWS][2]) {
    UNROLL for (int i = 0; i < P; i++) {
        const uint8_t *at = p + (size_t)i * p_stride;
        const __m256 w0 = load_w(T, at, h, 0), w1 = load_w(T, at, h, 1);
        UNROLL for (int r = 0; r < R; r++) {
            const __m256 v = _mm256_broadcast_ss(x + h * R + r);
            a[i][r][0] = _mm256_fmadd_ps(w0, v, a[i][r][0]);
            a[i][r][1] = _mm256_fmadd_ps(w1, v, a[i][r][1]);
        }
    }
}

/* acc [P][R][16] += n inputs of P panels, p_stride bytes apart, times R rows: x [n][R]. */
INLINE void tile(const kind T, const int R, const int P, const uint8_t *p, size_t p_stride, const float *x, size_t n,
                 float (*acc)[GLIM_PANEL]) {
    __m256 a[P_MAX][TILE_ROWS][2];
    UNROLL for (int i = 0; i < P; i++) {
        UNROLL for (int r = 0; r < R; r++) {
            a[i][r][0] = _mm256_load_ps(acc[i * R + r]);
            a[i][r][1] = _mm256_load_ps(acc[i * R + r] + 8);
        }
    }
    size_t k = 0;
    for (; k + 2 <= n; k += 2, p += pair_bytes(T), x += 2 * R) {
        if (T != MADE) {
            UNROLL for (int i = 0; i < P; i++) {
                _mm_prefetch((const char *)p + (size_t)i * p_stride + AHEAD, _MM_HINT_T0);
                if (T == F32) _mm_prefetch((const char *)p + (size_t)i * p_stride + AHEAD + 64, _MM_HINT_T0);
            }
        }
        step(T, R, P, p, p_stride, x, 0, a);
        step(T, R, P, p, p_stride, x, 1, a);
    }
    if (k < n) step(T, R, P, p, p_stride, x, 0, a);
    UNROLL for (int i = 0; i < P; i++) {
        UNROLL for (int r = 0; r < R; r++) {
            _mm256_store_ps(acc[i * R + r], a[i][r][0]);
            _mm256_store_ps(acc[i * R + r] + 8, a[i][r][1]);
        }
    }
}

typedef void tile_fn(const uint8_t *p, size_t p_stride, const float *x, size_t n, float (*acc)[GLIM_PANEL]);
#define TILE(T, R, P)                                                                                 \
    static void tile_##T##_##R##_##P(const uint8_t *p, size_t p_stride, const float *x, size_t n,     \
                                     float (*acc)[GLIM_PANEL]) {                                      \
        tile(T, R, P, p, p_stride, x, n, acc);                                                        \
    }
#define TILES(T)                                                                                    \
    TILE(T, 1, 1) TILE(T, 1, 2) TILE(T, 1, 4) TILE(T, 2, 1) TILE(T, 2, 2) TILE(T, 3, 1) TILE(T, 3, 2) \
    TILE(T, 4, 1) TILE(T, 5, 1) TILE(T, 6, 1)
TILES(F32)
TILES(F16)
TILES(BF16)
TILE(MADE, 3, 1) TILE(MADE, 4, 1) TILE(MADE, 5, 1) TILE(MADE, 6, 1)

/* [rows - 1][panels 1, 2, 4] */
#define ROW(T)                                         \
    {{tile_##T##_1_1, tile_##T##_1_2, tile_##T##_1_4}, \
     {tile_##T##_2_1, tile_##T##_2_2, NULL},           \
     {tile_##T##_3_1, tile_##T##_3_2, NULL},           \
     {tile_##T##_4_1, NULL, NULL},                     \
     {tile_##T##_5_1, NULL, NULL},                     \
     {tile_##T##_6_1, NULL, NULL}}
static tile_fn *const g_few[3][TILE_ROWS][3] = {ROW(F32), ROW(F16), ROW(BF16)};
static tile_fn *const g_many[TILE_ROWS - 2] = {tile_MADE_3_1, tile_MADE_4_1, tile_MADE_5_1, tile_MADE_6_1}; /* 3 .. 6 rows */

/* Inputs [k0, k0 + n) of rows [row, row + R) as [n][R]. */
static void fill_tile(float *z, const glim_act *a, size_t row, size_t R, size_t k0, size_t n) {
    const float *src = a->f32 + row * a->f32_stride + k0;
    const size_t s = a->f32_stride;
    size_t k = 0;
    if (R >= 4) { /* squares of four; the last four rows may overlap the first */
        for (; k + 4 <= n; k += 4) {
            for (size_t r = 0; r < R; r = r + 4 < R && r + 8 > R ? R - 4 : r + 4) {
                __m128 v[4];
                UNROLL for (size_t i = 0; i < 4; i++) v[i] = _mm_loadu_ps(src + (r + i) * s + k);
                _MM_TRANSPOSE4_PS(v[0], v[1], v[2], v[3]);
                UNROLL for (size_t i = 0; i < 4; i++) _mm_storeu_ps(z + (k + i) * R + r, v[i]);
            }
        }
    }
    for (; k < n; k++)
        for (size_t r = 0; r < R; r++) z[k * R + r] = src[r * s + k];
}

/* ---- the two ways ---- */

typedef struct job {
    const glim_matmul_job *j;
    kind T;
    const uint8_t *first; /* panel of out0 */
    size_t stride, n_in;
    size_t out0, n_out;
} job;

static void run_few(const job *b, size_t row, size_t rows) {
    _Alignas(64) float z[WORDS];
    _Alignas(32) float acc[TILE_ROWS][GLIM_PANEL]; /* P * R is 6 at most */
    const size_t segment = rows == 1 ? b->n_in : WORDS / rows & ~(size_t)1;
    for (size_t k0 = 0; k0 < b->n_in; k0 += segment) {
        const size_t n = b->n_in - k0 < segment ? b->n_in - k0 : segment;
        for (size_t r = 0, R; rows > 1 && r < rows; r += R)
            fill_tile(z + r * segment, b->j->x, row + r, R = tile_rows(rows - r), k0, n);
        for (size_t o = 0; o < b->n_out;) {
            const size_t left = (b->n_out - o + GLIM_PANEL - 1) / GLIM_PANEL;
            const size_t pi = left >= 4 && rows == 1 ? 2 : left >= 2 && rows <= 3 ? 1 : 0, P = (size_t)1 << pi;
            const uint8_t *p = b->first + o / GLIM_PANEL * b->stride + k0 / 2 * pair_bytes(b->T);
            for (size_t r = 0, R; r < rows; r += R) {
                const float *x = rows == 1 ? b->j->x->f32 + row * b->j->x->f32_stride : z + r * segment;
                R = tile_rows(rows - r);
                for (size_t i = 0; i < P; i++)
                    take_y(b->j, b->out0 + o + 16 * i, b->n_out - o - 16 * i, row + r, R, k0 == 0, acc + i * R);
                g_few[b->T][R - 1][pi](p, b->stride, x, n, acc);
                for (size_t i = 0; i < P; i++)
                    give_y(b->j, b->out0 + o + 16 * i, b->n_out - o - 16 * i, row + r, R, k0 + n == b->n_in, acc + i * R);
            }
            o += P * GLIM_PANEL;
        }
    }
}

/* n inputs as f32. */
INLINE void make(const kind T, const uint8_t *p, size_t n, float (*z)[GLIM_PANEL]) {
    for (size_t k = 0; k < n; k += 2, p += 64) {
        UNROLL for (int h = 0; h < 2; h++) {
            UNROLL for (int c = 0; c < 2; c++) _mm256_store_ps(z[k + (size_t)h] + 8 * c, load_w(T, p, h, c));
        }
    }
}

static void run_many(const job *b, size_t row, size_t rows) {
    _Alignas(64) float z[ROWS * SEGMENT], w[SEGMENT][GLIM_PANEL];
    _Alignas(32) float acc[TILE_ROWS][GLIM_PANEL];
    for (size_t k0 = 0; k0 < b->n_in; k0 += SEGMENT) {
        const size_t n = b->n_in - k0 < SEGMENT ? b->n_in - k0 : SEGMENT;
        for (size_t r = 0, R; r < rows; r += R) fill_tile(z + r * SEGMENT, b->j->x, row + r, R = tile_rows(rows - r), k0, n);
        for (size_t o = 0; o < b->n_out; o += GLIM_PANEL) {
            const uint8_t *p = b->first + o / GLIM_PANEL * b->stride + k0 / 2 * pair_bytes(b->T), *next = p + b->stride;
            for (size_t i = 0; i < n / 2 * pair_bytes(b->T); i += 64) _mm_prefetch((const char *)next + i, _MM_HINT_T0);
            if (b->T == F16) make(F16, p, n, w);
            if (b->T == BF16) make(BF16, p, n, w);
            for (size_t r = 0, R; r < rows; r += R) {
                R = tile_rows(rows - r);
                take_y(b->j, b->out0 + o, b->n_out - o, row + r, R, k0 == 0, acc);
                g_many[R - 3](b->T == F32 ? p : (const uint8_t *)w, 0, z + r * SEGMENT, n, acc);
                give_y(b->j, b->out0 + o, b->n_out - o, row + r, R, k0 + n == b->n_in, acc);
            }
        }
    }
}

static void matmul_dense(const glim_matmul_job *j, size_t out0, size_t n_out, size_t row0, size_t n_rows) {
    const glim_dtype t = glim_panel_type(j->w->type);
    job b = {.j = j, .T = t == GLIM_F32 ? F32 : t == GLIM_F16 ? F16 : BF16, .n_in = j->w->n_in, .out0 = out0, .n_out = n_out};
    b.stride = glim_panel_stride(j->w->type, b.n_in);
    b.first = (const uint8_t *)j->w->panels + out0 / GLIM_PANEL * b.stride;
    for (size_t row = row0; row < row0 + n_rows;) {
        const size_t left = row0 + n_rows - row, rows = left < ROWS ? left : ROWS;
        if (rows <= FEW) run_few(&b, row, rows);
        else run_many(&b, row, rows);
        row += rows;
    }
}

void glim_avx2_matmul(const glim_matmul_job *j, size_t out0, size_t n_out, size_t row0, size_t n_rows) {
    if (glim_panel_type(j->w->type) == GLIM_N_DTYPE) glim_ref_matmul(j, out0, n_out, row0, n_rows);
    else if (glim_dtype_of(j->w->type)->is_quant)
        glim_avx2_matmul_blocks(j, out0, n_out, row0, n_rows);
    else matmul_dense(j, out0, n_out, row0, n_rows);
}
#endif
