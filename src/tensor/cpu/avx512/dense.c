/* dense.c - products with f32, f16 and bf16 weights, and the choice between these and block
 * weights.
 *
 *   f32, f16, bf16   acc = fma(w, x, acc) in input order, f32 activations: bit-equal to plain C
 *   bf16 by dots     vdpbf16ps on pairs of inputs in order, activations rounded to bf16. Products are exact; the
 *                    instruction rounds sums to nearest and takes subnormals as zero, so it agrees with plain C
 *                    only to rounding (tests/tensor/test_matmul.c states it)
 *
 * Dots have twice the rate of fma on Zen 4 (233 against 115 GFLOP/s) and half of it on Xeons of model 207 (83
 * against 171), so they are used on AMD alone: a rule by maker, not by a measurement, because the text must
 * not depend on what the machine was doing at start.
 *
 * A tile is R rows by P panels held in registers. Its rows are first laid side by side, input by input, so that
 * the inner loop walks one pointer (rows of a power-of-two length would share cache sets). With many rows a
 * segment of two panels is turned into f32 once and serves up to 128 of them. Between segments the
 * accumulators rest in y. Each output has its own chain, so nothing of this shows in the result. */
#if defined __x86_64__
#include "tensor/cpu/avx512/vec.h"
#include "tensor/kernels_internal.h"
#include "tensor/panel.h"

int glim_avx512_bf16_dots = -1;

static bool use_dots(void) {
    return glim_avx512_bf16_dots < 0 ? __builtin_cpu_is("amd") : glim_avx512_bf16_dots;
}

unsigned glim_avx512_act_form(glim_dtype weight) {
    if (glim_dtype_of(weight)->is_quant) return GLIM_ACT_Q8;
    return weight == GLIM_BF16 && use_dots() ? GLIM_ACT_BF16 : GLIM_ACT_F32;
}

enum {
    P_MAX = 4,
    FEW = 8,      /* rows of a tile that reads the panels themselves */
    MANY = 12,    /* of one that finds them as f32, or reads pairs */
    ROWS = 132,   /* that one turning into f32 serves: whole tiles, and the 128 of a piece */
    SEGMENT = 128, /* inputs: two panels of them as f32 are a third of the first-level cache */
    AHEAD = 2048  /* bytes: how far weights are asked for before they are used */
};

/* What a line of a panel is. DOTS: bf16 pairs for vdpbf16ps; a step is then a pair. */
typedef enum kind { F32, F16, BF16, DOTS } kind;
INLINE size_t line_bytes(kind T) { return T == F16 ? 32 : 64; }
/* Inputs behind one line. */
INLINE size_t line_inputs(kind T) { return T == BF16 || T == DOTS ? 2 : 1; }

INLINE __m512 even_of(__m512i pairs) { return _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16)); }
INLINE __m512 odd_of(__m512i pairs) {
    return _mm512_castsi512_ps(_mm512_and_si512(pairs, _mm512_set1_epi32((int)0xffff0000u)));
}

/* ---- the tile ---- */

/* n lines of P panels, p_stride bytes apart, times R rows: x [line, inputs of a line, R] words. With one
 * row x is the row itself. An odd last input of BF16 is a line whose second half is zero; x has a zero there, or
 * (one row) the caller leaves the line to tile_last. */
INLINE void tile(const kind T, const int R, const int P, const uint8_t *p, size_t p_stride, const uint8_t *x,
                 size_t n, __m512 out[FEW][P_MAX]) {
    __m512 acc[FEW][P_MAX];
    UNROLL for (int r = 0; r < R; r++) {
        UNROLL for (int i = 0; i < P; i++) acc[r][i] = out[r][i];
    }
    for (size_t k = 0; k < n; k++, p += line_bytes(T)) {
        UNROLL for (int i = 0; i < P; i++) _mm_prefetch((const char *)p + (size_t)i * p_stride + AHEAD, _MM_HINT_T0);
        if (T == BF16) {
            __m512i w[P_MAX];
            UNROLL for (int i = 0; i < P; i++) w[i] = _mm512_loadu_si512(p + (size_t)i * p_stride);
            UNROLL for (int h = 0; h < 2; h++) {
                __m512 v[P_MAX];
                UNROLL for (int i = 0; i < P; i++) v[i] = h ? odd_of(w[i]) : even_of(w[i]);
                UNROLL for (int r = 0; r < R; r++) {
                    const __m512 a = _mm512_castsi512_ps(bcast4(x + 4 * (h * R + r)));
                    UNROLL for (int i = 0; i < P; i++) acc[r][i] = _mm512_fmadd_ps(v[i], a, acc[r][i]);
                }
            }
            x += 8 * R;
            continue;
        }
        __m512i w[P_MAX];
        UNROLL for (int i = 0; i < P; i++) {
            const uint8_t *at = p + (size_t)i * p_stride;
            w[i] = T == F16 ? _mm512_castps_si512(_mm512_cvtph_ps(_mm256_loadu_si256((const void *)at)))
                            : _mm512_loadu_si512(at);
        }
        UNROLL for (int r = 0; r < R; r++) {
            const __m512i v = bcast4(x + 4 * r);
            UNROLL for (int i = 0; i < P; i++) acc[r][i] =
                T == DOTS ? _mm512_dpbf16_ps(acc[r][i], (__m512bh)w[i], (__m512bh)v)
                          : _mm512_fmadd_ps(_mm512_castsi512_ps(w[i]), _mm512_castsi512_ps(v), acc[r][i]);
        }
        x += 4 * R;
    }
    UNROLL for (int r = 0; r < R; r++) {
        UNROLL for (int i = 0; i < P; i++) out[r][i] = acc[r][i];
    }
}

typedef void tile_fn(const uint8_t *p, size_t p_stride, const uint8_t *x, size_t n, __m512 out[FEW][P_MAX]);
#define TILE(T, R, P)                                                                              \
    static void tile_##T##_##R##_##P(const uint8_t *p, size_t p_stride, const uint8_t *x, size_t n, \
                                     __m512 out[FEW][P_MAX]) {                                     \
        tile(T, R, P, p, p_stride, x, n, out);                                                     \
    }
#define TILES(T)                                                                          \
    TILE(T, 1, 1) TILE(T, 1, 2) TILE(T, 1, 4) TILE(T, 2, 1) TILE(T, 2, 2) TILE(T, 2, 4)   \
    TILE(T, 3, 1) TILE(T, 3, 2) TILE(T, 3, 4) TILE(T, 4, 1) TILE(T, 4, 2) TILE(T, 4, 4)   \
    TILE(T, 6, 1) TILE(T, 6, 2) TILE(T, 8, 1) TILE(T, 8, 2)
TILES(F32)
TILES(F16)
TILES(BF16)
TILES(DOTS)

/* [rows][panels 1, 2, 4]; more than four rows by four panels would not fit the registers. */
#define ROW(T)                                             \
    {{tile_##T##_1_1, tile_##T##_1_2, tile_##T##_1_4},     \
     {tile_##T##_2_1, tile_##T##_2_2, tile_##T##_2_4},     \
     {tile_##T##_3_1, tile_##T##_3_2, tile_##T##_3_4},     \
     {tile_##T##_4_1, tile_##T##_4_2, tile_##T##_4_4},     \
     {tile_##T##_6_1, tile_##T##_6_2, NULL},               \
     {tile_##T##_8_1, tile_##T##_8_2, NULL}}
static tile_fn *const g_few[4][6][3] = {ROW(F32), ROW(F16), ROW(BF16), ROW(DOTS)};
static const uint8_t g_tile_rows[6] = {1, 2, 3, 4, 6, 8};
static const uint8_t g_tile_of[FEW + 1] = {0, 0, 1, 2, 3, 4, 4, 5, 5}; /* the smallest tile for so many rows */

/* Many rows: y[r][0 .. 31] += n lines of two panels (f32, or pairs for dots), MANY rows; from zero if `first`.
 * bias[2] comes last, if there is one. */
INLINE void tile_many(const bool dots, const uint8_t *p, size_t p_stride, const uint8_t *x, size_t n, bool first,
                      const __m512 *bias, float *y, size_t y_stride) {
    __m512 acc[MANY][2];
    UNROLL for (int r = 0; r < MANY; r++) {
        UNROLL for (int i = 0; i < 2; i++) acc[r][i] =
            first ? _mm512_setzero_ps() : _mm512_loadu_ps(y + y_stride * (size_t)r + 16 * i);
    }
    for (size_t k = 0; k < n; k++, p += 64, x += 4 * MANY) {
        const __m512 w0 = _mm512_loadu_ps(p), w1 = _mm512_loadu_ps(p + p_stride);
        UNROLL for (int r = 0; r < MANY; r++) {
            const __m512 v = _mm512_castsi512_ps(bcast4(x + 4 * r));
            acc[r][0] = dots ? _mm512_dpbf16_ps(acc[r][0], (__m512bh)w0, (__m512bh)v) : _mm512_fmadd_ps(w0, v, acc[r][0]);
            acc[r][1] = dots ? _mm512_dpbf16_ps(acc[r][1], (__m512bh)w1, (__m512bh)v) : _mm512_fmadd_ps(w1, v, acc[r][1]);
        }
    }
    UNROLL for (int r = 0; r < MANY; r++) {
        UNROLL for (int i = 0; i < 2; i++) _mm512_storeu_ps(
            y + y_stride * (size_t)r + 16 * i, bias ? _mm512_add_ps(acc[r][i], bias[i]) : acc[r][i]);
    }
}
static void many_f32(const uint8_t *p, size_t p_stride, const uint8_t *x, size_t n, bool first, const __m512 *bias,
                     float *y, size_t y_stride) {
    tile_many(false, p, p_stride, x, n, first, bias, y, y_stride);
}
static void many_dots(const uint8_t *p, size_t p_stride, const uint8_t *x, size_t n, bool first, const __m512 *bias,
                      float *y, size_t y_stride) {
    tile_many(true, p, p_stride, x, n, first, bias, y, y_stride);
}

/* The last input of an odd bf16 row, for the one row that is read where it lies. */
static void tile_last(const uint8_t *p, size_t p_stride, float x, int P, __m512 out[FEW][P_MAX]) {
    for (int i = 0; i < P; i++)
        out[0][i] = _mm512_fmadd_ps(even_of(_mm512_loadu_si512(p + (size_t)i * p_stride)), _mm512_set1_ps(x), out[0][i]);
}

/* ---- rows side by side ---- */

/* Lines [l0, l0 + n) of rows [row, row + rows) as words [line, input, R]; rows that lack are zero. */
static void fill_tile(uint32_t *z, kind T, const glim_act *a, size_t row, size_t rows, size_t R, size_t l0, size_t n) {
    const size_t words = T == DOTS ? n : n * line_inputs(T);      /* of each row */
    const size_t first = T == DOTS ? l0 : l0 * line_inputs(T);
    const size_t lie = T == DOTS ? (a->n_in + 1) / 2 : a->n_in;   /* words that a row has */
    size_t r = 0;
    for (; R % 4 == 0 && r + 4 <= rows; r += 4) { /* four rows at a time: squares of 4 x 4 words */
        const uint32_t *src[4];
        for (size_t i = 0; i < 4; i++)
            src[i] = T == DOTS ? (const uint32_t *)(const void *)a->bf16 + (row + r + i) * lie + first
                               : (const uint32_t *)(const void *)(a->f32 + (row + r + i) * a->f32_stride + first);
        const size_t have = lie - first < words ? lie - first : words;
        for (size_t k = 0; k < words; k += 16) {
            const __mmask16 m = have > k ? first_lanes(have - k) : 0;
            const __m512i r0 = _mm512_maskz_loadu_epi32(m, src[0] + k), r1 = _mm512_maskz_loadu_epi32(m, src[1] + k);
            const __m512i r2 = _mm512_maskz_loadu_epi32(m, src[2] + k), r3 = _mm512_maskz_loadu_epi32(m, src[3] + k);
            const __m512i t0 = _mm512_unpacklo_epi32(r0, r1), t1 = _mm512_unpackhi_epi32(r0, r1);
            const __m512i t2 = _mm512_unpacklo_epi32(r2, r3), t3 = _mm512_unpackhi_epi32(r2, r3);
            const __m512i c[4] = {_mm512_unpacklo_epi64(t0, t2), _mm512_unpackhi_epi64(t0, t2),
                                  _mm512_unpacklo_epi64(t1, t3), _mm512_unpackhi_epi64(t1, t3)};
            uint32_t *to = z + k * R + r; /* lane g of c[i] is word k + 4 g + i of the four rows */
            UNROLL for (size_t i = 0; i < 4; i++) {
                if (k + i < words) _mm_storeu_si128((void *)(to + i * R), _mm512_castsi512_si128(c[i]));
                if (k + 4 + i < words) _mm_storeu_si128((void *)(to + (4 + i) * R), _mm512_extracti32x4_epi32(c[i], 1));
                if (k + 8 + i < words) _mm_storeu_si128((void *)(to + (8 + i) * R), _mm512_extracti32x4_epi32(c[i], 2));
                if (k + 12 + i < words) _mm_storeu_si128((void *)(to + (12 + i) * R), _mm512_extracti32x4_epi32(c[i], 3));
            }
        }
    }
    for (; r < R; r++) {
        if (r >= rows) {
            for (size_t k = 0; k < words; k++) z[k * R + r] = 0;
            continue;
        }
        const uint8_t *src = T == DOTS ? (const uint8_t *)a->bf16 + ((row + r) * lie + first) * 4
                                       : (const uint8_t *)(a->f32 + (row + r) * a->f32_stride + first);
        const size_t have = lie - first < words ? lie - first : words;
        for (size_t k = 0; k < have; k++) memcpy(&z[k * R + r], src + 4 * k, 4);
        for (size_t k = have; k < words; k++) z[k * R + r] = 0; /* the odd end of a bf16 row */
    }
}

/* ---- the two ways ---- */

typedef struct job {
    const glim_matmul_job *j;
    kind T;
    const uint8_t *first; /* panel of out0 */
    size_t stride, lines; /* bytes of a panel; lines in it */
    size_t out0, n_out;
} job;

/* acc [rows, P panels] from y, or zero; and back with the bias. */
INLINE void load_y(const job *b, size_t row, size_t rows, size_t R, size_t o, int P, bool zero, __m512 acc[FEW][P_MAX]) {
    for (size_t r = 0; r < R; r++)
        for (int i = 0; i < P; i++) {
            const size_t col = o + (size_t)i * GLIM_PANEL;
            acc[r][i] = zero || r >= rows ? _mm512_setzero_ps()
                                          : _mm512_maskz_loadu_ps(first_lanes(b->n_out - col),
                                                                  b->j->y + (row + r) * b->j->y_stride + b->out0 + col);
        }
}
INLINE void store_y(const job *b, size_t row, size_t rows, size_t o, int P, bool last, __m512 acc[FEW][P_MAX]) {
    for (int i = 0; i < P; i++) {
        const size_t col = o + (size_t)i * GLIM_PANEL;
        const __mmask16 mask = first_lanes(b->n_out - col);
        const bool biased = last && b->j->bias;
        const __m512 bias = biased ? _mm512_maskz_loadu_ps(mask, b->j->bias + b->out0 + col) : _mm512_setzero_ps();
        for (size_t r = 0; r < rows; r++)
            _mm512_mask_storeu_ps(b->j->y + (row + r) * b->j->y_stride + b->out0 + col, mask,
                                  biased ? _mm512_add_ps(acc[r][i], bias) : acc[r][i]);
    }
}

static void run_few(const job *b, size_t row, size_t rows) {
    uint32_t z[2 * SEGMENT * FEW];
    const glim_act *a = b->j->x;
    const size_t at = g_tile_of[rows], R = g_tile_rows[at], segment = R == 1 ? b->lines : SEGMENT;
    const bool odd = b->T == BF16 && R == 1 && a->n_in % 2;
    for (size_t l0 = 0; l0 < b->lines; l0 += segment) {
        const size_t n = b->lines - l0 < segment ? b->lines - l0 : segment;
        const uint8_t *x = (const uint8_t *)z;
        if (R > 1) fill_tile(z, b->T, a, row, rows, R, l0, n);
        else x = b->T == DOTS ? (const uint8_t *)(a->bf16 + row * 2 * b->lines)
                              : (const uint8_t *)(a->f32 + row * a->f32_stride);
        for (size_t o = 0; o < b->n_out;) {
            const size_t left = (b->n_out - o + GLIM_PANEL - 1) / GLIM_PANEL;
            const int pi = left >= 4 && R <= 4 ? 2 : left >= 2 ? 1 : 0, P = 1 << pi;
            const uint8_t *p = b->first + o / GLIM_PANEL * b->stride + l0 * line_bytes(b->T);
            __m512 acc[FEW][P_MAX];
            load_y(b, row, rows, R, o, P, l0 == 0, acc);
            g_few[b->T][at][pi](p, b->stride, x, n - odd, acc);
            if (odd) tile_last(p + (n - 1) * 64, b->stride, a->f32[row * a->f32_stride + a->n_in - 1], P, acc);
            store_y(b, row, rows, o, P, l0 + n == b->lines, acc);
            o += (size_t)P * GLIM_PANEL;
        }
    }
}

/* Lines [0, n) of a panel as f32. */
static void as_f32(float (*z)[16], kind T, const uint8_t *p, size_t n) {
    for (size_t k = 0; k < n; k++) {
        if (T == F16) {
            _mm512_store_ps(z[k], _mm512_cvtph_ps(_mm256_loadu_si256((const void *)(p + 32 * k))));
        } else {
            const __m512i w = _mm512_loadu_si512(p + 64 * k);
            _mm512_store_ps(z[2 * k], even_of(w));
            _mm512_store_ps(z[2 * k + 1], odd_of(w));
        }
    }
}

static void run_many(const job *b, size_t row, size_t rows) {
    _Alignas(64) uint32_t z[ROWS * SEGMENT];
    _Alignas(64) float w[2][SEGMENT][16];
    const bool turned = b->T == F16 || b->T == BF16; /* into f32 */
    const size_t per = line_inputs(b->T), segment = turned ? SEGMENT / per : SEGMENT; /* lines */
    for (size_t l0 = 0; l0 < b->lines; l0 += segment) {
        const size_t n = b->lines - l0 < segment ? b->lines - l0 : segment, words = turned ? n * per : n;
        for (size_t r = 0; r < rows; r += MANY)
            fill_tile(z + r * SEGMENT, b->T, b->j->x, row + r, rows - r < MANY ? rows - r : MANY, MANY, l0, n);
        for (size_t o = 0; o < b->n_out; o += 2 * GLIM_PANEL) {
            const size_t cols = b->n_out - o < 2 * GLIM_PANEL ? b->n_out - o : 2 * GLIM_PANEL;
            const uint8_t *p = b->first + o / GLIM_PANEL * b->stride + l0 * line_bytes(b->T);
            size_t stride = cols > GLIM_PANEL ? b->stride : 0; /* a last panel twice: its twin is dropped */
            if (turned) {
                as_f32(w[0], b->T, p, n);
                as_f32(w[1], b->T, p + stride, n);
                p = (const uint8_t *)w;
                stride = sizeof w[0];
            }
            const __mmask16 mask[2] = {first_lanes(cols), cols > GLIM_PANEL ? first_lanes(cols - GLIM_PANEL) : 0};
            const bool biased = b->j->bias && l0 + n == b->lines;
            __m512 bias[2];
            for (int i = 0; biased && i < 2; i++)
                bias[i] = _mm512_maskz_loadu_ps(mask[i], b->j->bias + b->out0 + o + 16 * i);
            for (size_t r = 0; r < rows; r += MANY) {
                const size_t here = rows - r < MANY ? rows - r : MANY, ys = b->j->y_stride;
                const uint8_t *x = (const uint8_t *)(z + r * SEGMENT);
                float *y = b->j->y + (row + r) * ys + b->out0 + o;
                if (here == MANY && mask[1] == 0xffff) {
                    (b->T == DOTS ? many_dots : many_f32)(p, stride, x, words, l0 == 0, biased ? bias : NULL, y, ys);
                    continue;
                }
                _Alignas(64) float part[MANY][2][16]; /* a tile that is not whole: what lies beyond is not y's */
                for (size_t i = 0; i < MANY; i++)
                    for (int h = 0; h < 2; h++)
                        _mm512_store_ps(part[i][h], _mm512_maskz_loadu_ps(i < here && l0 ? mask[h] : 0, y + i * ys + 16 * h));
                (b->T == DOTS ? many_dots : many_f32)(p, stride, x, words, l0 == 0, biased ? bias : NULL, part[0][0], 32);
                for (size_t i = 0; i < here; i++)
                    for (int h = 0; h < 2; h++)
                        _mm512_mask_storeu_ps(y + i * ys + 16 * h, mask[h], _mm512_load_ps(part[i][h]));
            }
        }
    }
}

static void matmul_dense(const glim_matmul_job *j, size_t out0, size_t n_out, size_t row0, size_t n_rows) {
    const glim_mat *w = j->w;
    const glim_dtype t = glim_panel_type(w->type);
    job b = {.j = j, .T = t == GLIM_F32 ? F32 : t == GLIM_F16 ? F16 : use_dots() ? DOTS : BF16, .out0 = out0, .n_out = n_out};
    b.stride = glim_panel_stride(w->type, w->n_in);
    b.first = (const uint8_t *)w->panels + out0 / GLIM_PANEL * b.stride;
    b.lines = (w->n_in + line_inputs(b.T) - 1) / line_inputs(b.T);
    for (size_t row = row0; row < row0 + n_rows;) {
        const size_t left = row0 + n_rows - row, rows = left < ROWS ? left : ROWS;
        if (rows <= FEW) run_few(&b, row, rows);
        else run_many(&b, row, rows);
        row += rows;
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
