/* blocks.c - products with block-quantized weights: vpdpbusd over panels (AVX-512 VNNI).
 *
 * The integer sums are exact, so the result is the fma sequence of cpu/ref/matmul.c, bit for bit:
 *
 *   codes are unsigned      sum (u - minus) x = sum u x - minus * sum x: the accumulator starts at
 *                           -minus * xsum, which the row's activation sums give
 *   the minimum             fma(a, xs * xsum, acc), with xs * xsum made once per row and block
 *
 * Two ways through the same sums, for few rows and for many:
 *
 *   few     up to 8 rows by one panel: a block's codes are unpacked into eight registers (16 columns x 4
 *           inputs each) and multiplied with every row's broadcast activations
 *   many    a segment of two panels is unpacked once into the first-level cache, scales as f32, and serves up
 *           to 128 rows in tiles of 8; what the codes looked like no longer matters there. Two panels, because
 *           every load of activations then feeds two products: loads bind as much as arithmetic does
 *
 * In both the rows are first laid side by side, block by block (rows_x), so that the inner loop walks one
 * pointer with constant offsets; rows that a tile lacks are zero and their results are dropped. Between
 * segments (of SEGMENT blocks, or SEGMENT_FEW with few rows, so that a panel is read in long runs; what is asked for
 * AHEAD goes on in the next panel's run) the accumulators rest in y, which changes nothing. */
#if defined __x86_64__
#include "tensor/cpu/avx512/vec.h"
#include "tensor/kernels_internal.h"
#include "tensor/panel.h"

enum {
    TILE_ROWS = 8,
    ROWS = 128,     /* that one unpacking serves */
    SEGMENT = 16,   /* blocks; a multiple of every group: codes and a tile's rows stay in the first-level cache */
    SEGMENT_FEW = 64, /* that few rows are laid out for: 20 KB of 8 rows; a multiple of every group */
    SEGMENT_1 = 512, /* of a single row, which is read where it lies */
    AHEAD = 4096    /* bytes: how far weights are asked for before they are used (bench/NOTES.md) */
};

/* Rows of one tile over one segment. */
typedef struct tile_x {
    const int8_t *q;      /* [block, R, 32] */
    const float *xs;      /* [block, R] */
    const int32_t *start; /* [block, R], or [block, 2, R] for types with two scales: -minus * xsum */
    const float *sum;     /* the same shape: xs * xsum */
    const uint8_t *end;   /* of the panel's segment (few rows only) */
    size_t jump;          /* bytes from there to the next panel's segment, which is asked for from there on */
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

/* ---- few rows ---- */

/* acc[r] over n blocks from the panel's group at p. */
INLINE void tile(const glim_dtype T, const int R, const uint8_t *p, const tile_x *x, size_t n, __m512 *out) {
    const glim_panel_layout l = layout_of(T);
    const bool halves = has_halves(T), split = halves || R < 4; /* with few rows, two chains each */
    /* Rows side by side: a chain of vpdpbusd would wait for its own latency. */
    const int G = halves ? 4 : 8;
    const int8_t *q = x->q;
    const float *xs = x->xs, *sum = x->sum;
    const int32_t *start = x->start;
    __m512 acc[TILE_ROWS];
    UNROLL for (int r = 0; r < R; r++) acc[r] = out[r];
    for (size_t b = 0; b < n; p += l.group_bytes) {
        k4_bytes k4;
        group_scales(T, p, &k4);
        const size_t m = n - b < l.blocks ? n - b : l.blocks;
        b += m;
        for (size_t j = 0; j < m; j++) {
            const size_t block_bytes = l.group_bytes / l.blocks;
            const char *ahead = (const char *)p + AHEAD + j * block_bytes;
            if ((uintptr_t)ahead >= (uintptr_t)x->end) ahead += x->jump;
            UNROLL for (size_t i = 0; i < block_bytes; i += 64) /* a group's at once would hold up what is loaded meanwhile */
                _mm_prefetch(ahead + i, _MM_HINT_T0);
            __m512i w[8];
            load_codes(T, p + l.codes + j * l.code_bytes, w);
            const __m512 s0 = scale_of(T, p, &k4, j, 0);
            const __m512 s1 = halves ? scale_of(T, p, &k4, j, 1) : s0;
            const __m512 a0 = has_add(T) ? add_of(T, p, &k4, j, 0) : s0;
            const __m512 a1 = has_add(T) && halves ? add_of(T, p, &k4, j, 1) : s0;
            UNROLL for (int r0 = 0; r0 < R; r0 += G) {
                const int N = R - r0 < G ? R - r0 : G;
                __m512i lo[8], hi[8]; /* sums of the two halves of 16; lo alone where nothing splits them */
                UNROLL for (int g = 0; g < N; g++) {
                    const int r = r0 + g;
                    lo[g] = minus_of(T) ? _mm512_set1_epi32(start[r]) : _mm512_setzero_si512();
                    hi[g] = minus_of(T) && halves ? _mm512_set1_epi32(start[R + r]) : _mm512_setzero_si512();
                }
                UNROLL for (int t = 0; t < 4; t++) {
                    UNROLL for (int g = 0; g < N; g++) {
                        const int8_t *at = q + 32 * (r0 + g) + 4 * t;
                        lo[g] = _mm512_dpbusd_epi32(lo[g], w[t], bcast4(at));
                        if (split) hi[g] = _mm512_dpbusd_epi32(hi[g], w[4 + t], bcast4(at + 16));
                    }
                }
                if (!split) {
                    UNROLL for (int t = 4; t < 8; t++) {
                        UNROLL for (int g = 0; g < N; g++) lo[g] =
                            _mm512_dpbusd_epi32(lo[g], w[t], bcast4(q + 32 * (r0 + g) + 4 * t));
                    }
                }
                UNROLL for (int g = 0; g < N; g++) {
                    const int r = r0 + g;
                    const __m512 v = _mm512_set1_ps(xs[r]);
                    if (split && !halves) lo[g] = _mm512_add_epi32(lo[g], hi[g]);
                    acc[r] = _mm512_fmadd_ps(_mm512_mul_ps(s0, v), _mm512_cvtepi32_ps(lo[g]), acc[r]);
                    if (halves)
                        acc[r] = _mm512_fmadd_ps(_mm512_mul_ps(s1, v), _mm512_cvtepi32_ps(hi[g]), acc[r]);
                    if (has_add(T)) acc[r] = _mm512_fmadd_ps(a0, _mm512_set1_ps(sum[r]), acc[r]);
                    if (has_add(T) && halves)
                        acc[r] = _mm512_fmadd_ps(a1, _mm512_set1_ps(sum[R + r]), acc[r]);
                }
            }
            q += 32 * R;
            xs += R;
            if (minus_of(T)) start += halves ? 2 * R : R;
            if (has_add(T)) sum += halves ? 2 * R : R;
        }
    }
    UNROLL for (int r = 0; r < R; r++) out[r] = acc[r];
}

typedef void tile_fn(const uint8_t *p, const tile_x *x, size_t n, __m512 *acc);
#define TILE(T, R) \
    static void tile_##T##_##R(const uint8_t *p, const tile_x *x, size_t n, __m512 *acc) { \
        tile(GLIM_##T, R, p, x, n, acc);                                                    \
    }
#define TILES(T) TILE(T, 1) TILE(T, 2) TILE(T, 3) TILE(T, 4) TILE(T, 6) TILE(T, 8)
TILES(Q4_0) TILES(Q4_1) TILES(Q5_0) TILES(Q5_1) TILES(Q8_0) TILES(Q2_K) TILES(Q3_K) TILES(Q4_K)
TILES(Q5_K) TILES(Q6_K) TILES(IQ4_NL) TILES(IQ4_XS) TILES(MXFP4)

#define ROW(T) \
    [GLIM_##T] = {tile_##T##_1, tile_##T##_2, tile_##T##_3, tile_##T##_4, tile_##T##_6, tile_##T##_8}
static tile_fn *const g_tiles[GLIM_N_DTYPE][6] = {
    ROW(Q4_0), ROW(Q4_1), ROW(Q5_0), ROW(Q5_1), ROW(Q8_0),   ROW(Q2_K),   ROW(Q3_K),
    ROW(Q4_K), ROW(Q5_K), ROW(Q6_K), ROW(IQ4_NL), ROW(IQ4_XS), ROW(MXFP4),
};
static const uint8_t g_tile_rows[6] = {1, 2, 3, 4, 6, 8};
static const uint8_t g_tile_of[TILE_ROWS + 1] = {0, 0, 1, 2, 3, 4, 4, 5, 5}; /* the smallest tile for so many rows */

/* ---- many rows ---- */

/* A segment of one panel, unpacked. */
typedef struct panel_x {
    _Alignas(64) uint8_t codes[SEGMENT][8][64];
    float scale[SEGMENT][2][16]; /* the second half's only where the type has halves */
    float add[SEGMENT][2][16];   /* only where it has a minimum */
} panel_x;

INLINE void unpack(const glim_dtype T, const uint8_t *p, size_t n, panel_x *z) {
    const glim_panel_layout l = layout_of(T);
    for (size_t b = 0; b < n; p += l.group_bytes) {
        k4_bytes k4;
        group_scales(T, p, &k4);
        const size_t m = n - b < l.blocks ? n - b : l.blocks;
        for (size_t j = 0; j < m; j++, b++) {
            __m512i w[8];
            load_codes(T, p + l.codes + j * l.code_bytes, w);
            UNROLL for (int t = 0; t < 8; t++) _mm512_store_si512(z->codes[b][t], w[t]);
            _mm512_store_ps(z->scale[b][0], scale_of(T, p, &k4, j, 0));
            if (has_halves(T)) _mm512_store_ps(z->scale[b][1], scale_of(T, p, &k4, j, 1));
            if (has_add(T)) _mm512_store_ps(z->add[b][0], add_of(T, p, &k4, j, 0));
            if (has_add(T) && has_halves(T)) _mm512_store_ps(z->add[b][1], add_of(T, p, &k4, j, 1));
        }
    }
}

typedef void unpack_fn(const uint8_t *p, size_t n, panel_x *z);
#define UNPACK(T) \
    static void unpack_##T(const uint8_t *p, size_t n, panel_x *z) { unpack(GLIM_##T, p, n, z); }
UNPACK(Q4_0) UNPACK(Q4_1) UNPACK(Q5_0) UNPACK(Q5_1) UNPACK(Q8_0) UNPACK(Q2_K) UNPACK(Q3_K)
UNPACK(Q4_K) UNPACK(Q5_K) UNPACK(Q6_K) UNPACK(IQ4_NL) UNPACK(IQ4_XS) UNPACK(MXFP4)
#define ROW_UNPACK(T) [GLIM_##T] = unpack_##T
static unpack_fn *const g_unpack[GLIM_N_DTYPE] = {
    ROW_UNPACK(Q4_0), ROW_UNPACK(Q4_1), ROW_UNPACK(Q5_0), ROW_UNPACK(Q5_1), ROW_UNPACK(Q8_0),
    ROW_UNPACK(Q2_K), ROW_UNPACK(Q3_K), ROW_UNPACK(Q4_K), ROW_UNPACK(Q5_K), ROW_UNPACK(Q6_K),
    ROW_UNPACK(IQ4_NL), ROW_UNPACK(IQ4_XS), ROW_UNPACK(MXFP4),
};

/* What a tile must know of a type: where its sums start, how many scales and minima a block has. */
enum { KIND_MINUS = 1, KIND_HALVES = 2, KIND_ADD = 4 };

/* What the next two panels are unpacked from, asked for while this pair is multiplied: `lines` of each a block. */
typedef struct next_x {
    const uint8_t *p[2];
    size_t lines;
} next_x;

/* y[r][0 .. 31] += the products of n blocks of two panels; from zero if `first`. bias[2] comes last, if there
 * is one. */
INLINE void tile_many(const int K, const int R, const panel_x z[2], const tile_x *x, size_t n, bool first,
                      const __m512 *bias, float *y, size_t y_stride, next_x *next) {
    const int H = K & KIND_HALVES ? 2 : 1, T = 8 / H; /* halves are blocks of 16 in turn */
    const int8_t *q = x->q;
    const float *xs = x->xs, *sum = x->sum;
    const int32_t *start = x->start;
    __m512 acc[TILE_ROWS][2];
    UNROLL for (int r = 0; r < R; r++) {
        UNROLL for (int i = 0; i < 2; i++) acc[r][i] =
            first ? _mm512_setzero_ps() : _mm512_loadu_ps(y + y_stride * (size_t)r + 16 * i);
    }
    const uint8_t *next0 = next->p[0], *next1 = next->p[1];
    for (size_t b = 0; b < n; b++, q += 32 * R, xs += R) {
        for (size_t i = 0; i < next->lines; i++, next0 += 64, next1 += 64) {
            _mm_prefetch((const char *)next0, _MM_HINT_T0);
            _mm_prefetch((const char *)next1, _MM_HINT_T0);
        }
        UNROLL for (int h = 0; h < H; h++) {
            __m512i s[TILE_ROWS][2];
            UNROLL for (int r = 0; r < R; r++) s[r][0] = s[r][1] =
                K & KIND_MINUS ? _mm512_set1_epi32(start[r]) : _mm512_setzero_si512();
            UNROLL for (int t = 0; t < T; t++) {
                const __m512i w0 = _mm512_load_si512(z[0].codes[b][T * h + t]);
                const __m512i w1 = _mm512_load_si512(z[1].codes[b][T * h + t]);
                UNROLL for (int r = 0; r < R; r++) {
                    const __m512i v = bcast4(q + 32 * r + 4 * (T * h + t));
                    s[r][0] = _mm512_dpbusd_epi32(s[r][0], w0, v);
                    s[r][1] = _mm512_dpbusd_epi32(s[r][1], w1, v);
                }
            }
            const __m512 a0 = _mm512_load_ps(z[0].scale[b][h]), a1 = _mm512_load_ps(z[1].scale[b][h]);
            UNROLL for (int r = 0; r < R; r++) {
                const __m512 v = _mm512_set1_ps(xs[r]);
                acc[r][0] = _mm512_fmadd_ps(_mm512_mul_ps(a0, v), _mm512_cvtepi32_ps(s[r][0]), acc[r][0]);
                acc[r][1] = _mm512_fmadd_ps(_mm512_mul_ps(a1, v), _mm512_cvtepi32_ps(s[r][1]), acc[r][1]);
            }
            if (K & KIND_MINUS) start += R;
        }
        if (K & KIND_ADD) {
            UNROLL for (int h = 0; h < H; h++) {
                const __m512 a0 = _mm512_load_ps(z[0].add[b][h]), a1 = _mm512_load_ps(z[1].add[b][h]);
                UNROLL for (int r = 0; r < R; r++) {
                    const __m512 v = _mm512_set1_ps(sum[r]);
                    acc[r][0] = _mm512_fmadd_ps(a0, v, acc[r][0]);
                    acc[r][1] = _mm512_fmadd_ps(a1, v, acc[r][1]);
                }
                sum += R;
            }
        }
    }
    next->p[0] = next0;
    next->p[1] = next1;
    UNROLL for (int r = 0; r < R; r++) {
        UNROLL for (int i = 0; i < 2; i++) _mm512_storeu_ps(
            y + y_stride * (size_t)r + 16 * i, bias ? _mm512_add_ps(acc[r][i], bias[i]) : acc[r][i]);
    }
}

typedef void many_fn(const panel_x z[2], const tile_x *x, size_t n, bool first, const __m512 *bias, float *y,
                     size_t y_stride, next_x *next);
#define TILE_MANY(NAME, K, R)                                                                  \
    static void many_##NAME##_##R(const panel_x z[2], const tile_x *x, size_t n, bool first,   \
                                  const __m512 *bias, float *y, size_t y_stride, next_x *next) { \
        tile_many(K, R, z, x, n, first, bias, y, y_stride, next);                                    \
    }
#define TILES_MANY(NAME, K) TILE_MANY(NAME, K, 2) TILE_MANY(NAME, K, 4) TILE_MANY(NAME, K, 6) TILE_MANY(NAME, K, 8)
TILES_MANY(minus, KIND_MINUS)
TILES_MANY(add, KIND_ADD)
TILES_MANY(minus_halves, KIND_MINUS | KIND_HALVES)
TILES_MANY(add_halves, KIND_ADD | KIND_HALVES)
#define ROW_MANY(NAME) {many_##NAME##_2, many_##NAME##_4, many_##NAME##_6, many_##NAME##_8}
static many_fn *const g_many[4][4] = {ROW_MANY(minus), ROW_MANY(add), ROW_MANY(minus_halves), ROW_MANY(add_halves)};

/* ---- rows side by side ---- */

typedef struct rows_x {
    _Alignas(64) int8_t q[SEGMENT * ROWS * 32];
    float xs[SEGMENT * ROWS];
    int32_t start[2 * SEGMENT * ROWS];
    float sum[2 * SEGMENT * ROWS];
} rows_x;
_Static_assert(SEGMENT * ROWS >= SEGMENT_1 && SEGMENT * ROWS >= SEGMENT_FEW * TILE_ROWS, "segments of few rows fit");

/* Lays rows [row, row + n_rows) of blocks [b0, b0 + n) out for a tile of R rows, in z from its `at`-th row;
 * the rows that are missing become zero. */
static void fill_tile(tile_x *x, rows_x *z, size_t at, glim_dtype T, const glim_act *a, size_t row,
                      size_t n_rows, size_t R, size_t b0, size_t n) {
    const int minus = minus_of(T);
    const size_t n_blocks = glim_act_blocks(a->n_in);
    int8_t *const zq = z->q + at * SEGMENT * 32;
    float *const zxs = z->xs + at * SEGMENT, *const zsum = z->sum + 2 * at * SEGMENT;
    int32_t *const zstart = z->start + 2 * at * SEGMENT;
    *x = (tile_x){.q = zq, .xs = zxs, .start = zstart, .sum = zsum};
    if (R == 1) {
        x->q = a->q8 + (row * n_blocks + b0) * 32;
        x->xs = a->q8_scale + row * n_blocks + b0;
    } else if (n_rows < R) {
        for (size_t b = 0; b < n; b++) {
            memset(zq + (b * R + n_rows) * 32, 0, 32 * (R - n_rows));
            memset(zxs + b * R + n_rows, 0, sizeof *zxs * (R - n_rows));
        }
        memset(zstart, 0, sizeof *zstart * 2 * n * R);
        memset(zsum, 0, sizeof *zsum * 2 * n * R);
    }
    for (size_t r = 0; r < n_rows; r++) {
        const size_t first = (row + r) * n_blocks + b0;
        const int8_t *q = a->q8 + first * 32;
        const float *xs = a->q8_scale + first;
        const int32_t *sum = a->q8_sum + 2 * first;
        for (size_t b = 0; R > 1 && b < n; b++) {
            _mm256_store_si256((void *)(zq + (b * R + r) * 32), _mm256_loadu_si256((const void *)(q + 32 * b)));
            zxs[b * R + r] = xs[b];
        }
        if (has_halves(T) && minus)
            for (size_t i = 0; i < 2 * n; i++) zstart[i * R + r] = -minus * sum[i];
        else if (has_halves(T))
            for (size_t i = 0; i < 2 * n; i++) zsum[i * R + r] = xs[i / 2] * (float)sum[i];
        else if (minus)
            for (size_t i = 0; i < n; i++) zstart[i * R + r] = -minus * (sum[2 * i] + sum[2 * i + 1]);
        else
            for (size_t i = 0; i < n; i++) zsum[i * R + r] = xs[i] * (float)(sum[2 * i] + sum[2 * i + 1]);
    }
}

/* ---- the two ways ---- */

/* Up to TILE_ROWS rows. */
static void run_few(const glim_matmul_job *j, size_t out0, size_t n_out, size_t row, size_t rows, rows_x *z) {
    const glim_mat *w = j->w;
    const glim_dtype T = glim_panel_type(w->type);
    const glim_panel_layout l = glim_panel_layout_of(T);
    const size_t stride = glim_panel_stride(w->type, w->n_in), n_blocks = glim_act_blocks(w->n_in);
    const size_t at = g_tile_of[rows], R = g_tile_rows[at], segment = R == 1 ? SEGMENT_1 : SEGMENT_FEW;
    for (size_t b0 = 0; b0 < n_blocks; b0 += segment) {
        const size_t n = n_blocks - b0 < segment ? n_blocks - b0 : segment;
        const bool last = b0 + n == n_blocks;
        const uint8_t *p = (const uint8_t *)w->panels + out0 / GLIM_PANEL * stride + b0 / l.blocks * l.group_bytes;
        tile_x x;
        fill_tile(&x, z, 0, T, j->x, row, rows, R, b0, n);
        const size_t segment_bytes = (n + l.blocks - 1) / l.blocks * l.group_bytes;
        x.jump = stride - segment_bytes;
        for (size_t o = 0; o < n_out; o += GLIM_PANEL, p += stride) {
            x.end = p + segment_bytes;
            const __mmask16 mask = first_lanes(n_out - o);
            float *y = j->y + row * j->y_stride + out0 + o;
            __m512 acc[TILE_ROWS];
            for (size_t r = 0; r < R; r++)
                acc[r] = b0 && r < rows ? _mm512_maskz_loadu_ps(mask, y + r * j->y_stride) : _mm512_setzero_ps();
            g_tiles[T][at](p, &x, n, acc);
            const __m512 bias =
                last && j->bias ? _mm512_maskz_loadu_ps(mask, j->bias + out0 + o) : _mm512_setzero_ps();
            for (size_t r = 0; r < rows; r++) {
                if (last && j->bias) acc[r] = _mm512_add_ps(acc[r], bias);
                _mm512_mask_storeu_ps(y + r * j->y_stride, mask, acc[r]);
            }
        }
    }
}

/* Up to ROWS rows: tiles of 8, and one of 2, 4, 6 or 8 for the rest. */
static void run_many(const glim_matmul_job *j, size_t out0, size_t n_out, size_t row, size_t rows, rows_x *z) {
    const glim_mat *w = j->w;
    const glim_dtype T = glim_panel_type(w->type);
    const glim_panel_layout l = glim_panel_layout_of(T);
    const size_t stride = glim_panel_stride(w->type, w->n_in), n_blocks = glim_act_blocks(w->n_in);
    many_fn *const *tiles = g_many[2 * has_halves(T) + has_add(T)];
    panel_x panel[2];
    for (size_t b0 = 0; b0 < n_blocks; b0 += SEGMENT) {
        const size_t n = n_blocks - b0 < SEGMENT ? n_blocks - b0 : SEGMENT;
        const uint8_t *p = (const uint8_t *)w->panels + out0 / GLIM_PANEL * stride + b0 / l.blocks * l.group_bytes;
        const uint8_t *after_segment = p + n / l.blocks * l.group_bytes; /* past the end it is asked for in vain */
        const size_t n_tiles = (rows + TILE_ROWS - 1) / TILE_ROWS;
        const size_t n_lines = (n * l.group_bytes / l.blocks / 64 + n_tiles * n - 1) / (n_tiles * n);
        tile_x x[ROWS / TILE_ROWS];
        for (size_t r = 0; r < rows; r += TILE_ROWS) {
            const size_t here = rows - r < TILE_ROWS ? rows - r : TILE_ROWS;
            fill_tile(&x[r / TILE_ROWS], z, r, T, j->x, row + r, here, here + here % 2, b0, n);
        }
        for (size_t o = 0; o < n_out; o += 2 * GLIM_PANEL, p += 2 * stride) {
            const size_t cols = n_out - o < 2 * GLIM_PANEL ? n_out - o : 2 * GLIM_PANEL;
            g_unpack[T](p, n, &panel[0]);
            g_unpack[T](cols > GLIM_PANEL ? p + stride : p, n, &panel[1]); /* a last one twice: its twin is dropped */
            const uint8_t *after = o + 2 * GLIM_PANEL < n_out ? p + 2 * stride : after_segment;
            next_x next = {{after, after + stride}, n_lines};
            const __mmask16 mask[2] = {first_lanes(cols), cols > GLIM_PANEL ? first_lanes(cols - GLIM_PANEL) : 0};
            const bool biased = j->bias && b0 + n == n_blocks;
            __m512 bias[2];
            for (int i = 0; biased && i < 2; i++)
                bias[i] = _mm512_maskz_loadu_ps(mask[i], j->bias + out0 + o + 16 * i);
            for (size_t r = 0; r < rows; r += TILE_ROWS) {
                const size_t here = rows - r < TILE_ROWS ? rows - r : TILE_ROWS, R = here + here % 2;
                float *y = j->y + (row + r) * j->y_stride + out0 + o;
                if (here == R && mask[1] == 0xffff) {
                    tiles[R / 2 - 1](panel, &x[r / TILE_ROWS], n, b0 == 0, biased ? bias : NULL, y, j->y_stride, &next);
                    continue;
                }
                _Alignas(64) float part[TILE_ROWS][2][16]; /* a tile that is not whole: what lies beyond is not y's */
                for (size_t i = 0; i < R; i++)
                    for (int h = 0; h < 2; h++) {
                        const __mmask16 m = i < here && b0 ? mask[h] : 0;
                        _mm512_store_ps(part[i][h], _mm512_maskz_loadu_ps(m, y + i * j->y_stride + 16 * h));
                    }
                tiles[R / 2 - 1](panel, &x[r / TILE_ROWS], n, b0 == 0, biased ? bias : NULL, part[0][0], 32, &next);
                for (size_t i = 0; i < here; i++)
                    for (int h = 0; h < 2; h++)
                        _mm512_mask_storeu_ps(y + i * j->y_stride + 16 * h, mask[h], _mm512_load_ps(part[i][h]));
            }
        }
    }
}

void glim_avx512_matmul_blocks(const glim_matmul_job *j, size_t out0, size_t n_out, size_t row0,
                               size_t n_rows) {
    rows_x z; /* 120 KB, touched as far as rows go */
    for (size_t row = row0; row < row0 + n_rows;) {
        const size_t left = row0 + n_rows - row, rows = left < ROWS ? left : ROWS;
        if (rows <= TILE_ROWS) run_few(j, out0, n_out, row, rows, &z);
        else run_many(j, out0, n_out, row, rows, &z);
        row += rows;
    }
}
#endif
