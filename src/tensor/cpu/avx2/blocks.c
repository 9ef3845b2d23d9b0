/* blocks.c - products with block-quantized weights with AVX2: vpmaddubsw and vpmaddwd over panels.
 *
 * The panels and the order of operations are those of cpu/avx512/blocks.c; a panel is two halves of
 * eight columns. vpmaddubsw adds two products in 16 bits and saturates, so each type says how many
 * of its sums may be added up before they are widened (activations lie in -127..127):
 *
 *   largest code  15: 8 sums (30480)   24, 31: 4 (31496)   63: 2 (32004)
 *   8-bit types   |w| * (x with w's sign): 128 * 127 * 2 = 32512 fits once
 *
 * so every sum is exact and results are bit-equal to plain C. */
#if defined __x86_64__
#include "tensor/cpu/avx2/vec.h"
#include "tensor/kernels_internal.h"
#include "tensor/panel.h"

enum { ROWS = 4, SEGMENT = 256 /* blocks; a multiple of every group */ };

/* Rows of one tile over one segment; see cpu/avx512/blocks.c. */
typedef struct tile_x {
    const int8_t *q;
    const float *xs;
    size_t n_blocks;
    int32_t start[ROWS][2 * SEGMENT];
    float sum[ROWS][2 * SEGMENT];
} tile_x;

/* ---- what the types are; T is a constant wherever these are called ---- */

INLINE bool has_halves(glim_dtype T) { return T == GLIM_Q2_K || T == GLIM_Q3_K || T == GLIM_Q6_K; }
INLINE bool has_add(glim_dtype T) {
    return T == GLIM_Q4_1 || T == GLIM_Q5_1 || T == GLIM_Q4_K || T == GLIM_Q5_K || T == GLIM_Q2_K;
}
/* Codes that are turned into signed bytes need no correction. */
INLINE bool is_signed(glim_dtype T) { return T == GLIM_Q8_0 || T == GLIM_IQ4_NL || T == GLIM_IQ4_XS; }
INLINE int minus_of(glim_dtype T) {
    switch (T) {
    case GLIM_Q4_0: return 8;
    case GLIM_Q5_0: return 16;
    case GLIM_Q3_K: return 4;
    case GLIM_Q6_K: return 32;
    case GLIM_MXFP4: return 12;
    default: return 0;
    }
}
/* How many vpmaddubsw results fit one 16-bit sum. */
INLINE int sums_of(glim_dtype T) {
    switch (T) {
    case GLIM_Q4_0:
    case GLIM_Q4_1:
    case GLIM_Q4_K: return 8;
    case GLIM_Q6_K: return 2;
    case GLIM_Q8_0:
    case GLIM_IQ4_NL:
    case GLIM_IQ4_XS: return 1;
    default: return 4;
    }
}
INLINE glim_panel_layout layout_of(glim_dtype T) {
    switch (T) { /* as glim_panel_layout_of, known at compile time; the tests would not pass otherwise */
    case GLIM_Q4_0:
    case GLIM_IQ4_NL: return (glim_panel_layout){2, 576, 64, 256};
    case GLIM_Q4_1: return (glim_panel_layout){1, 320, 64, 256};
    case GLIM_Q5_0: return (glim_panel_layout){2, 704, 64, 320};
    case GLIM_Q5_1: return (glim_panel_layout){1, 384, 64, 320};
    case GLIM_Q8_0: return (glim_panel_layout){2, 1088, 64, 512};
    case GLIM_MXFP4: return (glim_panel_layout){4, 1088, 64, 256};
    case GLIM_Q2_K: return (glim_panel_layout){8, 1344, 320, 128};
    case GLIM_Q3_K: return (glim_panel_layout){16, 3648, 576, 192};
    case GLIM_Q4_K: return (glim_panel_layout){8, 2304, 256, 256};
    case GLIM_Q5_K: return (glim_panel_layout){8, 2816, 256, 320};
    case GLIM_Q6_K: return (glim_panel_layout){16, 6720, 576, 384};
    case GLIM_IQ4_XS: return (glim_panel_layout){8, 2176, 128, 256};
    default: return (glim_panel_layout){1, 0, 0, 0};
    }
}

/* ---- codes: w[t] = 8 columns x inputs 4t .. 4t + 3; p points at the half's first column ---- */

INLINE __m256i load32(const uint8_t *p) { return _mm256_loadu_si256((const void *)p); }
INLINE __m256i shift(__m256i x, const int left) {
    return left >= 0 ? _mm256_slli_epi16(x, left >= 0 ? left : 0)
                     : _mm256_srli_epi16(x, left >= 0 ? 0 : -left);
}
INLINE __m256i nibble(const uint8_t *p, const int t) {
    const __m256i v = load32(p + 64 * (t % 4));
    return _mm256_and_si256(t < 4 ? v : _mm256_srli_epi16(v, 4), _mm256_set1_epi8(15));
}
INLINE __m256i bit(const uint8_t *p, const int t, const int at) {
    return _mm256_and_si256(shift(load32(p), at - t), _mm256_set1_epi8((char)(1 << at)));
}
INLINE __m256i pair(const uint8_t *p, const int t, const int at) {
    return _mm256_and_si256(shift(load32(p + 64 * (t / 4)), at - 2 * (t % 4)),
                            _mm256_set1_epi8((char)(3 << at)));
}
INLINE __m256i look_up(__m256i code, __m128i table) {
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), code);
}

INLINE __m256i load_code(const glim_dtype T, const uint8_t *p, const int t) {
    switch (T) {
    case GLIM_Q8_0: return _mm256_xor_si256(load32(p + 64 * t), _mm256_set1_epi8((char)0x80));
    case GLIM_Q5_0:
    case GLIM_Q5_1:
    case GLIM_Q5_K: return _mm256_or_si256(nibble(p + 64, t), bit(p, t, 4));
    case GLIM_Q6_K: return _mm256_or_si256(nibble(p + 128, t), pair(p, t, 4));
    case GLIM_Q2_K: return pair(p, t, 0);
    case GLIM_Q3_K: return _mm256_or_si256(pair(p + 64, t, 0), bit(p, t, 2));
    case GLIM_IQ4_NL:
    case GLIM_IQ4_XS: /* glim_iq4_values */
        return look_up(nibble(p, t), _mm_setr_epi8(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13,
                                                   25, 38, 53, 69, 89, 113));
    case GLIM_MXFP4: /* glim_mxfp4_values + 12 */
        return look_up(nibble(p, t),
                       _mm_setr_epi8(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0));
    default: return nibble(p, t);
    }
}

/* ---- scales of the eight columns of half c ---- */

typedef struct k4_bytes {
    _Alignas(32) uint8_t sc[128];
    uint8_t mn[128];
} k4_bytes;

INLINE void group_scales(const glim_dtype T, const uint8_t *g, k4_bytes *k) {
    if (T != GLIM_Q4_K && T != GLIM_Q5_K) return;
    const __m256i m6 = _mm256_set1_epi8(63), m4 = _mm256_set1_epi8(15), top = _mm256_set1_epi8(0x30);
    for (size_t i = 0; i < 64; i += 32) {
        const __m256i b0 = load32(g + 64 + i), b1 = load32(g + 128 + i), b2 = load32(g + 192 + i);
        const __m256i h0 = _mm256_and_si256(_mm256_srli_epi16(b0, 2), top);
        const __m256i h1 = _mm256_and_si256(_mm256_srli_epi16(b1, 2), top);
        const __m256i l0 = _mm256_and_si256(b2, m4), l1 = _mm256_and_si256(_mm256_srli_epi16(b2, 4), m4);
        _mm256_store_si256((void *)(k->sc + i), _mm256_and_si256(b0, m6));
        _mm256_store_si256((void *)(k->mn + i), _mm256_and_si256(b1, m6));
        _mm256_store_si256((void *)(k->sc + 64 + i), _mm256_or_si256(l0, h0));
        _mm256_store_si256((void *)(k->mn + 64 + i), _mm256_or_si256(l1, h1));
    }
}

INLINE __m128i load8(const uint8_t *p) { return _mm_loadl_epi64((const void *)p); }
INLINE __m256 load_f16(const uint8_t *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const void *)p)); }
INLINE __m256 f32_of_u8(__m128i v) { return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(v)); }

INLINE __m256 scale_of(const glim_dtype T, const uint8_t *g, const k4_bytes *k, size_t j, size_t h,
                       size_t c) {
    switch (T) {
    case GLIM_Q4_1:
    case GLIM_Q5_1: return load_f16(g + 16 * c);
    case GLIM_Q4_K:
    case GLIM_Q5_K: return _mm256_mul_ps(load_f16(g + 16 * c), f32_of_u8(load8(k->sc + 16 * j + 8 * c)));
    case GLIM_Q3_K:
    case GLIM_Q6_K: {
        const __m256i s = _mm256_cvtepi8_epi32(load8(g + 64 + 32 * j + 16 * h + 8 * c));
        return _mm256_mul_ps(load_f16(g + 32 * (j / 8) + 16 * c), _mm256_cvtepi32_ps(s));
    }
    case GLIM_Q2_K: {
        const __m128i s = load8(g + 64 + 32 * j + 16 * h + 8 * c);
        return _mm256_mul_ps(load_f16(g + 16 * c), f32_of_u8(_mm_and_si128(s, _mm_set1_epi8(15))));
    }
    case GLIM_IQ4_XS: {
        const __m256i low = _mm256_cvtepu8_epi32(load8(g + 64 + 16 * (j / 2) + 8 * c));
        const __m256i high = _mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)(g + 32 + 16 * c)));
        const __m256i l4 = _mm256_and_si256(_mm256_srl_epi32(low, _mm_cvtsi32_si128((int)(4 * (j % 2)))),
                                            _mm256_set1_epi32(15));
        const __m256i h2 = _mm256_and_si256(_mm256_srl_epi32(high, _mm_cvtsi32_si128((int)(2 * j))),
                                            _mm256_set1_epi32(3));
        const __m256i s = _mm256_or_si256(l4, _mm256_slli_epi32(h2, 4));
        return _mm256_mul_ps(load_f16(g + 16 * c),
                             _mm256_cvtepi32_ps(_mm256_sub_epi32(s, _mm256_set1_epi32(32))));
    }
    case GLIM_MXFP4: { /* glim_mxfp4_scale */
        const __m256i e = _mm256_cvtepu8_epi32(load8(g + 16 * j + 8 * c));
        const __m256i normal = _mm256_slli_epi32(_mm256_sub_epi32(e, _mm256_set1_epi32(1)), 23);
        const __m256i tiny = _mm256_sllv_epi32(_mm256_set1_epi32(0x00200000), e);
        const __m256i is_tiny = _mm256_cmpgt_epi32(_mm256_set1_epi32(2), e);
        return _mm256_castsi256_ps(_mm256_blendv_epi8(normal, tiny, is_tiny));
    }
    default: return load_f16(g + 32 * j + 16 * c); /* Q4_0, IQ4_NL, Q5_0, Q8_0 */
    }
}

/* The minimum term, as glim_qblock.add. */
INLINE __m256 add_of(const glim_dtype T, const uint8_t *g, const k4_bytes *k, size_t j, size_t h,
                     size_t c) {
    const __m256 minus_0 = _mm256_set1_ps(-0.0f), d = load_f16(g + 32 + 16 * c);
    switch (T) {
    case GLIM_Q4_K:
    case GLIM_Q5_K:
        return _mm256_mul_ps(_mm256_xor_ps(d, minus_0), f32_of_u8(load8(k->mn + 16 * j + 8 * c)));
    case GLIM_Q2_K: {
        const __m128i s = load8(g + 64 + 32 * j + 16 * h + 8 * c);
        const __m128i v = _mm_and_si128(_mm_srli_epi16(s, 4), _mm_set1_epi8(15));
        return _mm256_mul_ps(_mm256_xor_ps(d, minus_0), f32_of_u8(v));
    }
    default: return d; /* Q4_1, Q5_1 */
    }
}

/* ---- the tile ---- */

/* isum[r] += sum over inputs [4 t0, 4 t1) of codes times row r's activations (q: row 0's block). */
INLINE void dot(const glim_dtype T, const int R, const uint8_t *p, const int8_t *q, size_t q_row,
                const int t0, const int t1, __m256i isum[ROWS]) {
    const int G = sums_of(T) < t1 - t0 ? sums_of(T) : t1 - t0;
    const __m256i ones = _mm256_set1_epi16(1);
    UNROLL for (int t = t0; t < t1; t += G) {
        __m256i w[8];
        UNROLL for (int i = 0; i < G; i++) w[i] = load_code(T, p, t + i);
        UNROLL for (int r = 0; r < R; r++) {
            const int8_t *at = q + (size_t)r * q_row + 4 * t;
            __m256i s = _mm256_setzero_si256();
            UNROLL for (int i = 0; i < G; i++) {
                const __m256i x = bcast4(at + 4 * i);
                const __m256i v = is_signed(T) ? _mm256_maddubs_epi16(_mm256_abs_epi8(w[i]),
                                                                      _mm256_sign_epi8(x, w[i]))
                                               : _mm256_maddubs_epi16(w[i], x);
                s = i == 0 ? v : _mm256_add_epi16(s, v);
            }
            isum[r] = _mm256_add_epi32(isum[r], _mm256_madd_epi16(s, ones));
        }
    }
}

/* out[r][c] for R rows and halves c0 .. c0 + C - 1, over n blocks from the panel's group at p. With few
 * rows both halves are done together, so that memory is read in order; with many the registers do not
 * suffice, and the panel is in the cache anyway. */
INLINE void tile(const glim_dtype T, const int R, const int C, size_t c0, const uint8_t *p,
                 const tile_x *x, size_t n, __m256 out[ROWS][2]) {
    const glim_panel_layout l = layout_of(T);
    const size_t q_row = x->n_blocks * 32;
    const int H = has_halves(T) ? 2 : 1;
    __m256 acc[ROWS][2];
    UNROLL for (int r = 0; r < R; r++) {
        UNROLL for (int c = 0; c < C; c++) acc[r][c] = out[r][c0 + (size_t)c];
    }
    for (size_t b = 0; b < n; p += l.group_bytes) {
        k4_bytes k4;
        group_scales(T, p, &k4);
        for (size_t j = 0; j < l.blocks && b < n; j++, b++) {
            const int8_t *q = x->q + b * 32;
            UNROLL for (int ci = 0; ci < C; ci++) {
                const size_t c = c0 + (size_t)ci;
                const uint8_t *code = p + l.codes + j * l.code_bytes + 32 * c;
                UNROLL for (int h = 0; h < H; h++) {
                    __m256i isum[ROWS];
                    UNROLL for (int r = 0; r < R; r++) {
                        const size_t at = has_halves(T) ? 2 * b + (size_t)h : b;
                        isum[r] = minus_of(T) ? _mm256_set1_epi32(x->start[r][at])
                                              : _mm256_setzero_si256();
                    }
                    if (has_halves(T)) dot(T, R, code, q, q_row, h ? 4 : 0, h ? 8 : 4, isum);
                    else dot(T, R, code, q, q_row, 0, 8, isum);
                    const __m256 s = scale_of(T, p, &k4, j, (size_t)h, c);
                    UNROLL for (int r = 0; r < R; r++) {
                        const __m256 xs = _mm256_set1_ps(x->xs[(size_t)r * x->n_blocks + b]);
                        acc[r][ci] = _mm256_fmadd_ps(_mm256_mul_ps(s, xs),
                                                     _mm256_cvtepi32_ps(isum[r]), acc[r][ci]);
                    }
                }
                if (has_add(T)) {
                    UNROLL for (int h = 0; h < H; h++) {
                        const __m256 a = add_of(T, p, &k4, j, (size_t)h, c);
                        const size_t at = has_halves(T) ? 2 * b + (size_t)h : b;
                        UNROLL for (int r = 0; r < R; r++)
                            acc[r][ci] = _mm256_fmadd_ps(a, _mm256_set1_ps(x->sum[r][at]), acc[r][ci]);
                    }
                }
            }
        }
    }
    UNROLL for (int r = 0; r < R; r++) {
        UNROLL for (int c = 0; c < C; c++) out[r][c0 + (size_t)c] = acc[r][c];
    }
}

typedef void tile_fn(const uint8_t *p, const tile_x *x, size_t n, __m256 acc[ROWS][2]);
#define TILES(T)                                                                                     \
    static void tile_##T##_1(const uint8_t *p, const tile_x *x, size_t n, __m256 acc[ROWS][2]) {     \
        tile(GLIM_##T, 1, 2, 0, p, x, n, acc);                                                       \
    }                                                                                                \
    static void tile_##T##_2(const uint8_t *p, const tile_x *x, size_t n, __m256 acc[ROWS][2]) {     \
        tile(GLIM_##T, 2, 2, 0, p, x, n, acc);                                                       \
    }                                                                                                \
    static void tile_##T##_4(const uint8_t *p, const tile_x *x, size_t n, __m256 acc[ROWS][2]) {     \
        for (size_t c = 0; c < 2; c++) tile(GLIM_##T, 4, 1, c, p, x, n, acc);                        \
    }
TILES(Q4_0) TILES(Q4_1) TILES(Q5_0) TILES(Q5_1) TILES(Q8_0) TILES(Q2_K) TILES(Q3_K) TILES(Q4_K)
TILES(Q5_K) TILES(Q6_K) TILES(IQ4_NL) TILES(IQ4_XS) TILES(MXFP4)

#define ROW(T) [GLIM_##T] = {tile_##T##_1, tile_##T##_2, tile_##T##_4}
static tile_fn *const g_tiles[GLIM_N_DTYPE][3] = {
    ROW(Q4_0), ROW(Q4_1), ROW(Q5_0), ROW(Q5_1), ROW(Q8_0),   ROW(Q2_K),   ROW(Q3_K),
    ROW(Q4_K), ROW(Q5_K), ROW(Q6_K), ROW(IQ4_NL), ROW(IQ4_XS), ROW(MXFP4),
};

/* Per-row terms of n blocks from block b0 of rows [row, row + n_rows). */
static void fill_terms(tile_x *x, glim_dtype T, const glim_act *a, size_t row, int n_rows, size_t b0,
                       size_t n) {
    const int minus = minus_of(T);
    const size_t n_blocks = glim_act_blocks(a->n_in);
    x->q = a->q8 + (row * n_blocks + b0) * 32;
    x->xs = a->q8_scale + row * n_blocks + b0;
    x->n_blocks = n_blocks;
    for (int r = 0; r < n_rows; r++) {
        const int32_t *sum = a->q8_sum + 2 * ((row + (size_t)r) * n_blocks + b0);
        const float *xs = x->xs + (size_t)r * n_blocks;
        if (has_halves(T) && minus)
            for (size_t i = 0; i < 2 * n; i++) x->start[r][i] = -minus * sum[i];
        else if (has_halves(T))
            for (size_t i = 0; i < 2 * n; i++) x->sum[r][i] = xs[i / 2] * (float)sum[i];
        else if (minus)
            for (size_t i = 0; i < n; i++) x->start[r][i] = -minus * (sum[2 * i] + sum[2 * i + 1]);
        else if (has_add(T))
            for (size_t i = 0; i < n; i++) x->sum[r][i] = xs[i] * (float)(sum[2 * i] + sum[2 * i + 1]);
    }
}

void glim_avx2_matmul_blocks(const glim_matmul_job *j, size_t out0, size_t n_out, size_t row0,
                             size_t n_rows) {
    const glim_mat *w = j->w;
    const glim_dtype T = glim_panel_type(w->type);
    const glim_panel_layout l = glim_panel_layout_of(T);
    const size_t stride = glim_panel_stride(w->type, w->n_in), n_blocks = glim_act_blocks(w->n_in);
    const uint8_t *first = (const uint8_t *)w->panels + out0 / GLIM_PANEL * stride;
    tile_x x;
    for (size_t row = row0; row < row0 + n_rows;) {
        const size_t left = row0 + n_rows - row;
        const int at = left >= 4 ? 2 : left >= 2 ? 1 : 0, rows = 1 << at;
        for (size_t b0 = 0; b0 < n_blocks; b0 += SEGMENT) {
            const size_t n = n_blocks - b0 < SEGMENT ? n_blocks - b0 : SEGMENT;
            const bool last = b0 + n == n_blocks;
            fill_terms(&x, T, j->x, row, rows, b0, n);
            const uint8_t *p = first + b0 / l.blocks * l.group_bytes;
            for (size_t o = 0; o < n_out; o += GLIM_PANEL, p += stride) {
                const size_t cols = n_out - o; /* of the panel and beyond */
                const size_t n_col[2] = {cols, cols > 8 ? cols - 8 : 0};
                float *y = j->y + row * j->y_stride + out0 + o;
                __m256 acc[ROWS][2];
                for (int r = 0; r < rows; r++)
                    for (size_t c = 0; c < 2; c++)
                        acc[r][c] = b0 && n_col[c]
                                        ? load_n(y + (size_t)r * j->y_stride + 8 * c, n_col[c])
                                        : _mm256_setzero_ps();
                g_tiles[T][at](p, &x, n, acc);
                for (size_t c = 0; c < 2 && n_col[c]; c++) {
                    for (int r = 0; r < rows; r++) {
                        __m256 v = acc[r][c];
                        if (last && j->bias)
                            v = _mm256_add_ps(v, load_n(j->bias + out0 + o + 8 * c, n_col[c]));
                        store_n(y + (size_t)r * j->y_stride + 8 * c, n_col[c], v);
                    }
                }
            }
        }
        row += (size_t)rows;
    }
}
#endif
