/* blocks.c - products with block-quantized weights: vpdpbusd over panels (AVX-512 VNNI).
 *
 * A tile is up to 8 rows by one panel of 16 columns. For each block of 32 the codes are unpacked
 * once into eight registers (16 columns x 4 inputs each) and multiplied with every row's broadcast
 * activations. The integer sums are exact, so the result is the fma sequence of cpu/ref/matmul.c,
 * bit for bit:
 *
 *   codes are unsigned      sum (u - minus) x = sum u x - minus * sum x: the accumulator starts at
 *                           -minus * xsum, which the row's activation sums give
 *   the minimum             fma(a, xs * xsum, acc), with xs * xsum made once per row and block
 *
 * Both per-row terms are made for SEGMENT blocks ahead and serve all panels of the call. Between
 * segments (n_in > 8192) the accumulators rest in y, which changes nothing. */
#if defined __x86_64__
#include "tensor/cpu/avx512/vec.h"
#include "tensor/kernels_internal.h"
#include "tensor/panel.h"

enum { ROWS = 8, SEGMENT = 256 /* blocks; a multiple of every group */ };

/* Rows of one tile over one segment. */
typedef struct tile_x {
    const int8_t *q; /* [row, block, 32] */
    const float *xs; /* [row, block] */
    size_t n_blocks; /* row stride of the two above */
    /* [row][block], or [row][2 block + half] for types with two scales */
    int32_t start[ROWS][2 * SEGMENT]; /* -minus * xsum */
    float sum[ROWS][2 * SEGMENT];     /* xs * xsum */
} tile_x;

/* ---- what the types are; T is a constant wherever these are called ---- */

INLINE bool has_halves(glim_dtype T) { return T == GLIM_Q2_K || T == GLIM_Q3_K || T == GLIM_Q6_K; }
INLINE bool has_add(glim_dtype T) {
    return T == GLIM_Q4_1 || T == GLIM_Q5_1 || T == GLIM_Q4_K || T == GLIM_Q5_K || T == GLIM_Q2_K;
}
INLINE int minus_of(glim_dtype T) {
    switch (T) {
    case GLIM_Q4_0: return 8;
    case GLIM_Q5_0: return 16;
    case GLIM_Q3_K: return 4;
    case GLIM_Q6_K: return 32;
    case GLIM_Q8_0:
    case GLIM_IQ4_NL:
    case GLIM_IQ4_XS: return 128;
    case GLIM_MXFP4: return 12;
    default: return 0;
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

/* ---- codes: eight registers, w[t] = 16 columns x inputs 4t .. 4t + 3 ---- */

#define SHIFT(x, n) ((n) >= 0 ? _mm512_slli_epi16((x), (n) >= 0 ? (unsigned)(n) : 0) \
                              : _mm512_srli_epi16((x), (n) >= 0 ? 0 : (unsigned)-(n)))
/* a | (b & c) */
#define OR_AND(a, b, c) _mm512_ternarylogic_epi32((a), (b), (c), 0xf8)

INLINE void load_nibbles(const uint8_t *p, __m512i w[8]) {
    const __m512i low = _mm512_set1_epi8(15);
    UNROLL for (int t = 0; t < 4; t++) {
        const __m512i v = _mm512_loadu_si512(p + 64 * t);
        w[t] = _mm512_and_si512(v, low);
        w[4 + t] = _mm512_and_si512(_mm512_srli_epi16(v, 4), low);
    }
}
/* ORs one plane of bits (panel.h "bit") in at bit `at`. */
INLINE void or_bit(const uint8_t *p, __m512i w[8], const int at) {
    const __m512i h = _mm512_loadu_si512(p), mask = _mm512_set1_epi8((char)(1 << at));
    UNROLL for (int t = 0; t < 8; t++) w[t] = OR_AND(w[t], SHIFT(h, at - t), mask);
}
/* ORs pairs of bits in at bits `at` and at + 1; w need not be set when at is 0. */
INLINE void or_pair(const uint8_t *p, __m512i w[8], const int at) {
    const __m512i mask = _mm512_set1_epi8((char)(3 << at));
    UNROLL for (int t = 0; t < 8; t++) {
        const __m512i h = _mm512_loadu_si512(p + 64 * (t / 4));
        const __m512i v = SHIFT(h, at - 2 * (t % 4));
        w[t] = at == 0 ? _mm512_and_si512(v, mask) : OR_AND(w[t], v, mask);
    }
}
INLINE void look_up(__m512i w[8], __m128i table) {
    const __m512i all = _mm512_broadcast_i32x4(table);
    UNROLL for (int t = 0; t < 8; t++) w[t] = _mm512_shuffle_epi8(all, w[t]);
}

INLINE void load_codes(glim_dtype T, const uint8_t *p, __m512i w[8]) {
    switch (T) {
    case GLIM_Q8_0:
        UNROLL for (int t = 0; t < 8; t++) w[t] = _mm512_loadu_si512(p + 64 * t);
        break;
    case GLIM_Q5_0:
    case GLIM_Q5_1:
    case GLIM_Q5_K:
        load_nibbles(p + 64, w);
        or_bit(p, w, 4);
        break;
    case GLIM_Q6_K:
        load_nibbles(p + 128, w);
        or_pair(p, w, 4);
        break;
    case GLIM_Q2_K: or_pair(p, w, 0); break;
    case GLIM_Q3_K:
        or_pair(p + 64, w, 0);
        or_bit(p, w, 2);
        break;
    case GLIM_IQ4_NL:
    case GLIM_IQ4_XS: /* glim_iq4_values + 128 */
        load_nibbles(p, w);
        look_up(w, _mm_setr_epi8(1, 24, 45, 63, 79, 93, 106, 118, (char)129, (char)141, (char)153,
                                 (char)166, (char)181, (char)197, (char)217, (char)241));
        break;
    case GLIM_MXFP4: /* glim_mxfp4_values + 12 */
        load_nibbles(p, w);
        look_up(w, _mm_setr_epi8(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0));
        break;
    default: load_nibbles(p, w); break;
    }
}

/* ---- scales ---- */

/* The 6-bit scales and minima of a Q4_K or Q5_K group, unpacked to bytes [8][16]. */
typedef struct k4_bytes {
    _Alignas(64) uint8_t sc[128];
    uint8_t mn[128];
} k4_bytes;

INLINE void group_scales(glim_dtype T, const uint8_t *g, k4_bytes *k) {
    if (T != GLIM_Q4_K && T != GLIM_Q5_K) return;
    /* Lines of four sub-blocks x 16 columns: the rules of glim_k4_scale for all at once. */
    const __m512i b0 = _mm512_loadu_si512(g + 64), b1 = _mm512_loadu_si512(g + 128);
    const __m512i b2 = _mm512_loadu_si512(g + 192);
    const __m512i m6 = _mm512_set1_epi8(63), m4 = _mm512_set1_epi8(15), top = _mm512_set1_epi8(0x30);
    _mm512_store_si512(k->sc, _mm512_and_si512(b0, m6));
    _mm512_store_si512(k->mn, _mm512_and_si512(b1, m6));
    _mm512_store_si512(k->sc + 64,
                       OR_AND(_mm512_and_si512(b2, m4), _mm512_srli_epi16(b0, 2), top));
    _mm512_store_si512(k->mn + 64, OR_AND(_mm512_and_si512(_mm512_srli_epi16(b2, 4), m4),
                                          _mm512_srli_epi16(b1, 2), top));
}

INLINE __m512 load_f16(const uint8_t *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const void *)p)); }
INLINE __m512 load_u8(const uint8_t *p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const void *)p)));
}
INLINE __m512 load_i8(const uint8_t *p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const void *)p)));
}

/* Scale of half h of block j of the group, 16 columns. */
INLINE __m512 scale_of(glim_dtype T, const uint8_t *g, const k4_bytes *k, size_t j, size_t h) {
    switch (T) {
    case GLIM_Q4_1:
    case GLIM_Q5_1: return load_f16(g);
    case GLIM_Q4_K:
    case GLIM_Q5_K: return _mm512_mul_ps(load_f16(g), load_u8(k->sc + 16 * j));
    case GLIM_Q3_K:
    case GLIM_Q6_K: return _mm512_mul_ps(load_f16(g + 32 * (j / 8)), load_i8(g + 64 + 32 * j + 16 * h));
    case GLIM_Q2_K: {
        const __m128i s = _mm_loadu_si128((const void *)(g + 64 + 32 * j + 16 * h));
        const __m512i v = _mm512_cvtepu8_epi32(_mm_and_si128(s, _mm_set1_epi8(15)));
        return _mm512_mul_ps(load_f16(g), _mm512_cvtepi32_ps(v));
    }
    case GLIM_IQ4_XS: {
        const __m512i low = _mm512_cvtepu8_epi32(_mm_loadu_si128((const void *)(g + 64 + 16 * (j / 2))));
        const __m512i high = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)(g + 32)));
        const __m512i l4 = _mm512_and_si512(_mm512_srl_epi32(low, _mm_cvtsi32_si128((int)(4 * (j % 2)))),
                                            _mm512_set1_epi32(15));
        const __m512i h2 = _mm512_and_si512(_mm512_srl_epi32(high, _mm_cvtsi32_si128((int)(2 * j))),
                                            _mm512_set1_epi32(3));
        const __m512i s = _mm512_or_si512(l4, _mm512_slli_epi32(h2, 4));
        return _mm512_mul_ps(load_f16(g),
                             _mm512_cvtepi32_ps(_mm512_sub_epi32(s, _mm512_set1_epi32(32))));
    }
    case GLIM_MXFP4: { /* glim_mxfp4_scale */
        const __m512i e = _mm512_cvtepu8_epi32(_mm_loadu_si128((const void *)(g + 16 * j)));
        const __m512i normal = _mm512_slli_epi32(_mm512_sub_epi32(e, _mm512_set1_epi32(1)), 23);
        const __m512i tiny = _mm512_sllv_epi32(_mm512_set1_epi32(0x00200000), e);
        const __mmask16 is_tiny = _mm512_cmplt_epu32_mask(e, _mm512_set1_epi32(2));
        return _mm512_castsi512_ps(_mm512_mask_mov_epi32(normal, is_tiny, tiny));
    }
    default: return load_f16(g + 32 * j); /* Q4_0, IQ4_NL, Q5_0, Q8_0 */
    }
}

INLINE __m512 negate(__m512 x) {
    return _mm512_castsi512_ps(
        _mm512_xor_si512(_mm512_castps_si512(x), _mm512_set1_epi32((int)0x80000000u)));
}

/* The minimum term, as glim_qblock.add. */
INLINE __m512 add_of(glim_dtype T, const uint8_t *g, const k4_bytes *k, size_t j, size_t h) {
    switch (T) {
    case GLIM_Q4_K:
    case GLIM_Q5_K: return _mm512_mul_ps(negate(load_f16(g + 32)), load_u8(k->mn + 16 * j));
    case GLIM_Q2_K: {
        const __m128i s = _mm_loadu_si128((const void *)(g + 64 + 32 * j + 16 * h));
        const __m128i v = _mm_and_si128(_mm_srli_epi16(s, 4), _mm_set1_epi8(15));
        return _mm512_mul_ps(negate(load_f16(g + 32)), _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(v)));
    }
    default: return load_f16(g + 32); /* Q4_1, Q5_1 */
    }
}

/* ---- the tile ---- */

/* acc[r] over n blocks from the panel's group at p. */
INLINE void tile(const glim_dtype T, const int R, const uint8_t *p, const tile_x *x, size_t n,
                 __m512 *out) {
    const glim_panel_layout l = layout_of(T);
    __m512 acc[ROWS];
    UNROLL for (int r = 0; r < R; r++) acc[r] = out[r];
    for (size_t b = 0; b < n; p += l.group_bytes) {
        k4_bytes k4;
        group_scales(T, p, &k4);
        for (size_t j = 0; j < l.blocks && b < n; j++, b++) {
            __m512i w[8];
            load_codes(T, p + l.codes + j * l.code_bytes, w);
            const __m512 s0 = scale_of(T, p, &k4, j, 0);
            const __m512 s1 = has_halves(T) ? scale_of(T, p, &k4, j, 1) : s0;
            const __m512 a0 = has_add(T) ? add_of(T, p, &k4, j, 0) : s0;
            const __m512 a1 = has_add(T) && has_halves(T) ? add_of(T, p, &k4, j, 1) : s0;
            /* Four rows side by side: a chain of eight vpdpbusd would wait for its own latency. */
            UNROLL for (int r0 = 0; r0 < R; r0 += 4) {
                const int G = R - r0 < 4 ? R - r0 : 4;
                __m512i lo[4],
                    hi[4]; /* sums of the two halves of 16; lo alone where nothing splits them */
                UNROLL for (int g = 0; g < G; g++) {
                    const int r = r0 + g;
                    lo[g] = hi[g] = _mm512_setzero_si512();
                    if (minus_of(T) && has_halves(T)) {
                        lo[g] = _mm512_set1_epi32(x->start[r][2 * b]);
                        hi[g] = _mm512_set1_epi32(x->start[r][2 * b + 1]);
                    } else if (minus_of(T)) {
                        lo[g] = _mm512_set1_epi32(x->start[r][b]);
                    }
                }
                const int8_t *q = x->q + ((size_t)r0 * x->n_blocks + b) * 32;
                const bool split = has_halves(T) || G < 3; /* with few rows, two chains each */
                UNROLL for (int t = 0; t < 4; t++) {
                    UNROLL for (int g = 0; g < G; g++) {
                        const int8_t *at = q + (size_t)g * x->n_blocks * 32 + 4 * t;
                        lo[g] = _mm512_dpbusd_epi32(lo[g], w[t], bcast4(at));
                        if (split) hi[g] = _mm512_dpbusd_epi32(hi[g], w[4 + t], bcast4(at + 16));
                    }
                }
                if (!split) {
                    UNROLL for (int t = 4; t < 8; t++) {
                        UNROLL for (int g = 0; g < G; g++) lo[g] = _mm512_dpbusd_epi32(
                            lo[g], w[t], bcast4(q + (size_t)g * x->n_blocks * 32 + 4 * t));
                    }
                }
                UNROLL for (int g = 0; g < G; g++) {
                    const int r = r0 + g;
                    const __m512 xs = _mm512_set1_ps(x->xs[(size_t)r * x->n_blocks + b]);
                    if (split && !has_halves(T)) lo[g] = _mm512_add_epi32(lo[g], hi[g]);
                    acc[r] = _mm512_fmadd_ps(_mm512_mul_ps(s0, xs), _mm512_cvtepi32_ps(lo[g]), acc[r]);
                    if (has_halves(T))
                        acc[r] = _mm512_fmadd_ps(_mm512_mul_ps(s1, xs), _mm512_cvtepi32_ps(hi[g]),
                                                 acc[r]);
                    if (has_add(T) && has_halves(T)) {
                        acc[r] = _mm512_fmadd_ps(a0, _mm512_set1_ps(x->sum[r][2 * b]), acc[r]);
                        acc[r] = _mm512_fmadd_ps(a1, _mm512_set1_ps(x->sum[r][2 * b + 1]), acc[r]);
                    } else if (has_add(T)) {
                        acc[r] = _mm512_fmadd_ps(a0, _mm512_set1_ps(x->sum[r][b]), acc[r]);
                    }
                }
            }
        }
    }
    UNROLL for (int r = 0; r < R; r++) out[r] = acc[r];
}

typedef void tile_fn(const uint8_t *p, const tile_x *x, size_t n, __m512 *acc);
#define TILE(T, R) \
    static void tile_##T##_##R(const uint8_t *p, const tile_x *x, size_t n, __m512 *acc) { \
        tile(GLIM_##T, R, p, x, n, acc);                                                    \
    }
#define TILES(T) TILE(T, 1) TILE(T, 2) TILE(T, 4) TILE(T, 8)
TILES(Q4_0) TILES(Q4_1) TILES(Q5_0) TILES(Q5_1) TILES(Q8_0) TILES(Q2_K) TILES(Q3_K) TILES(Q4_K)
TILES(Q5_K) TILES(Q6_K) TILES(IQ4_NL) TILES(IQ4_XS) TILES(MXFP4)

#define ROW(T) [GLIM_##T] = {tile_##T##_1, tile_##T##_2, tile_##T##_4, tile_##T##_8}
static tile_fn *const g_tiles[GLIM_N_DTYPE][4] = {
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
        else
            for (size_t i = 0; i < n; i++) x->sum[r][i] = xs[i] * (float)(sum[2 * i] + sum[2 * i + 1]);
    }
}

void glim_avx512_matmul_blocks(const glim_matmul_job *j, size_t out0, size_t n_out, size_t row0,
                               size_t n_rows) {
    const glim_mat *w = j->w;
    const glim_dtype T = glim_panel_type(w->type);
    const glim_panel_layout l = glim_panel_layout_of(T);
    const size_t stride = glim_panel_stride(w->type, w->n_in), n_blocks = glim_act_blocks(w->n_in);
    const uint8_t *first = (const uint8_t *)w->panels + out0 / GLIM_PANEL * stride;
    tile_x x;
    for (size_t row = row0; row < row0 + n_rows;) {
        const size_t left = row0 + n_rows - row;
        const int at = left >= 8 ? 3 : left >= 4 ? 2 : left >= 2 ? 1 : 0, rows = 1 << at;
        for (size_t b0 = 0; b0 < n_blocks; b0 += SEGMENT) {
            const size_t n = n_blocks - b0 < SEGMENT ? n_blocks - b0 : SEGMENT;
            const bool last = b0 + n == n_blocks;
            fill_terms(&x, T, j->x, row, rows, b0, n);
            const uint8_t *p = first + b0 / l.blocks * l.group_bytes;
            for (size_t o = 0; o < n_out; o += GLIM_PANEL, p += stride) {
                const __mmask16 mask = first_lanes(n_out - o);
                float *y = j->y + row * j->y_stride + out0 + o;
                __m512 acc[ROWS];
                for (int r = 0; r < rows; r++)
                    acc[r] = b0 ? _mm512_maskz_loadu_ps(mask, y + (size_t)r * j->y_stride)
                                : _mm512_setzero_ps();
                g_tiles[T][at](p, &x, n, acc);
                const __m512 bias = last && j->bias
                                        ? _mm512_maskz_loadu_ps(mask, j->bias + out0 + o)
                                        : _mm512_setzero_ps();
                for (int r = 0; r < rows; r++) {
                    if (last && j->bias) acc[r] = _mm512_add_ps(acc[r], bias);
                    _mm512_mask_storeu_ps(y + (size_t)r * j->y_stride, mask, acc[r]);
                }
            }
        }
        row += (size_t)rows;
    }
}
#endif
