/* tiles.h - the inner loops of block products, built twice: tiles_plain.c has DOTS 0 (vpmaddubsw and vpmaddwd),
 * tiles_vnni.c DOTS 1 (vpdpbusd). See blocks.c. */
#include "tensor/cpu/avx2/blocks.h"

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

INLINE __m256i load_code(const int S, const uint8_t *p, const int t) {
    if (S & UNPACKED) return load32(p + 64 * t);
    switch (S) {
    case GLIM_Q8_0:
        return DOTS ? load32(p + 64 * t) : _mm256_xor_si256(load32(p + 64 * t), _mm256_set1_epi8((char)0x80));
    case GLIM_Q5_0:
    case GLIM_Q5_1:
    case GLIM_Q5_K: return _mm256_or_si256(nibble(p + 64, t), bit(p, t, 4));
    case GLIM_Q6_K: return _mm256_or_si256(nibble(p + 128, t), pair(p, t, 4));
    case GLIM_Q2_K: return pair(p, t, 0);
    case GLIM_Q3_K: return _mm256_or_si256(pair(p + 64, t, 0), bit(p, t, 2));
    case GLIM_IQ4_NL:
    case GLIM_IQ4_XS: /* glim_iq4_values, + 128 */
        return look_up(nibble(p, t),
                       DOTS ? _mm_setr_epi8(1, 24, 45, 63, 79, 93, 106, 118, (char)129, (char)141, (char)153,
                                            (char)166, (char)181, (char)197, (char)217, (char)241)
                            : _mm_setr_epi8(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113));
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

INLINE void group_scales(const int S, const uint8_t *g, k4_bytes *k) {
    if (S != GLIM_Q4_K && S != GLIM_Q5_K) return;
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

/* Line i of scales of the unpacked block at g. */
INLINE __m256 load_unpacked(int U, const uint8_t *g, size_t i, size_t c) {
    return _mm256_load_ps((const float *)(const void *)(g + unpacked_codes(U) + 64 * i + 32 * c));
}

INLINE __m256 scale_of(const int S, const uint8_t *g, const k4_bytes *k, size_t j, size_t h, size_t c) {
    if (S & UNPACKED) return load_unpacked(S, g, h, c);
    switch (S) {
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
INLINE __m256 add_of(const int S, const uint8_t *g, const k4_bytes *k, size_t j, size_t h, size_t c) {
    if (S & UNPACKED) return load_unpacked(S, g, (has_halves(S) ? 2 : 1) + h, c);
    const __m256 minus_0 = _mm256_set1_ps(-0.0f), d = load_f16(g + 32 + 16 * c);
    switch (S) {
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

/* Keeps the compiler from adding up in another order, in which all products of a block would be made first, and
 * put by in memory. */
INLINE __m256i in_order(__m256i v) {
    __asm__("" : "+x"(v));
    return v;
}

/* s[r][c] += sum over inputs [4 t0, 4 t1) of codes times row r's activations (q: row 0's block). Without vpdpbusd it
 * begins at 0, or where s says in 16 bits. */
INLINE void dot(const int S, const int R, const uint8_t *p, const int8_t *q, const int t0, const int t1,
                __m256i s[TILE_ROWS][2]) {
#if DOTS
    UNROLL for (int t = t0; t < t1; t++) {
        const __m256i w0 = load_code(S, p, t), w1 = load_code(S, p + 32, t);
        UNROLL for (int r = 0; r < R; r++) {
            const __m256i x = bcast4(q + 32 * r + 4 * t);
            s[r][0] = _mm256_dpbusd_avx_epi32(s[r][0], w0, x);
            s[r][1] = _mm256_dpbusd_avx_epi32(s[r][1], w1, x);
        }
    }
#else
    if (S & UNPACKED && is_words(S)) {
        UNROLL for (int t = 2 * t0; t < 2 * t1; t++) {
            const __m256i w0 = load32(p + 64 * t), w1 = load32(p + 64 * t + 32);
            UNROLL for (int r = 0; r < R; r++) {
                const __m256i x = bcast4(q + 64 * r + 4 * t), m0 = _mm256_madd_epi16(w0, x), m1 = _mm256_madd_epi16(w1, x);
                s[r][0] = t == 2 * t0 ? m0 : in_order(_mm256_add_epi32(s[r][0], m0));
                s[r][1] = t == 2 * t0 ? m1 : in_order(_mm256_add_epi32(s[r][1], m1));
            }
        }
        return;
    }
    const bool starts = has_start(S, DOTS);
    const int G = starts || sums_of(S) > t1 - t0 ? t1 - t0 : sums_of(S);
    const __m256i ones = _mm256_set1_epi16(1);
    UNROLL for (int g = t0; g < t1; g += G) {
        __m256i v[TILE_ROWS][2];
        UNROLL for (int t = g; t < g + G; t++) {
            const __m256i w0 = load_code(S, p, t), w1 = load_code(S, p + 32, t);
            UNROLL for (int r = 0; r < R; r++) {
                const __m256i x = bcast4(q + 32 * r + 4 * t);
                if (G == 1) { /* signed: |w| times x with w's sign */
                    v[r][0] = _mm256_maddubs_epi16(_mm256_abs_epi8(w0), _mm256_sign_epi8(x, w0));
                    v[r][1] = _mm256_maddubs_epi16(_mm256_abs_epi8(w1), _mm256_sign_epi8(x, w1));
                    continue;
                }
                const __m256i m0 = _mm256_maddubs_epi16(w0, x), m1 = _mm256_maddubs_epi16(w1, x);
                v[r][0] = t > g ? in_order(_mm256_add_epi16(v[r][0], m0)) : starts ? in_order(_mm256_add_epi16(s[r][0], m0)) : m0;
                v[r][1] = t > g ? in_order(_mm256_add_epi16(v[r][1], m1)) : starts ? in_order(_mm256_add_epi16(s[r][1], m1)) : m1;
            }
        }
        UNROLL for (int r = 0; r < R; r++) {
            UNROLL for (int c = 0; c < 2; c++) {
                const __m256i m = _mm256_madd_epi16(v[r][c], ones);
                s[r][c] = g == t0 ? m : in_order(_mm256_add_epi32(s[r][c], m));
            }
        }
    }
#endif
}

/* Sums as f32; with vpdpbusd they began at MAGIC. */
INLINE __m256 as_f32(__m256i s) {
    return DOTS ? _mm256_sub_ps(_mm256_castsi256_ps(s), _mm256_set1_ps(MAGIC_FLOAT)) : _mm256_cvtepi32_ps(s);
}

/* Where R rows are in what was laid out for them, and their accumulators: with one or two rows in registers, otherwise in
 * memory, since the sixteen registers hold the sums. */
typedef struct place {
    const int8_t *q;
    const float *xs, *sum;
    const int32_t *start;
    float (*acc)[GLIM_PANEL];
    __m256 a[2][2];
} place;
#define GET(r, c) (R > 2 ? _mm256_load_ps(x->acc[r] + 8 * (c)) : x->a[r][c])
#define PUT(r, c, v) (R > 2 ? _mm256_store_ps(x->acc[r] + 8 * (c), (v)) : (void)(x->a[r][c] = (v)))

/* The scales of a block, and minima where its type has them; [half][columns]. */
typedef struct block_scales {
    __m256 scale[2][2], add[2][2];
} block_scales;
INLINE void load_scales(const int S, const uint8_t *g, const k4_bytes *k4, size_t j, const size_t h, block_scales *to) {
    UNROLL for (size_t c = 0; c < 2; c++) {
        to->scale[h][c] = scale_of(S, g, k4, j, h, c);
        if (has_add(S)) to->add[h][c] = add_of(S, g, k4, j, h, c);
    }
}

/* R rows by block j of the group at g. Its codes are at `code` as those of C. */
INLINE void part(const int S, const int C, const int R, const uint8_t *g, size_t j, const uint8_t *code, block_scales *f, place *x) {
    const int H = has_halves(S) ? 2 : 1, T = 8 / H;
    UNROLL for (int h = 0; h < H; h++) {
        __m256i s[TILE_ROWS][2];
        UNROLL for (int r = 0; r < R; r++) {
            UNROLL for (int c = 0; c < 2; c++) s[r][c] =
                has_start(S, DOTS) ? _mm256_set1_epi32(x->start[r]) : _mm256_set1_epi32(MAGIC);
        }
        dot(C, R, code, x->q, T * h, T * h + T, s);
        if (S & UNPACKED) load_scales(S, g, NULL, j, (size_t)h, f); /* not before: registers are few */
        UNROLL for (int r = 0; r < R; r++) {
            const __m256 v = _mm256_set1_ps(x->xs[r]);
            PUT(r, 0, _mm256_fmadd_ps(_mm256_mul_ps(f->scale[h][0], v), as_f32(s[r][0]), GET(r, 0)));
            PUT(r, 1, _mm256_fmadd_ps(_mm256_mul_ps(f->scale[h][1], v), as_f32(s[r][1]), GET(r, 1)));
        }
        if (has_start(S, DOTS)) x->start += R;
    }
    UNROLL for (int h = 0; h < 2; h++) {
        if (h >= H || !has_add(S)) continue;
        UNROLL for (int r = 0; r < R; r++) {
            const __m256 v = _mm256_set1_ps(x->sum[r]);
            PUT(r, 0, _mm256_fmadd_ps(f->add[h][0], v, GET(r, 0)));
            PUT(r, 1, _mm256_fmadd_ps(f->add[h][1], v, GET(r, 1)));
        }
        x->sum += R;
    }
    x->q += (S & UNPACKED && is_words(S) ? 64 : 32) * R;
    x->xs += R;
    x->acc += R;
    if (R > 2) __asm__("" ::: "memory"); /* or accumulators are kept in a second place too, and stored to both */
}

/* Whether codes take so long to put together that parts read them from where they were put by, once for all. */
INLINE bool is_kept(int S) { return !DOTS && (S == GLIM_Q3_K || S == GLIM_Q5_K || S == GLIM_Q6_K); }

/* acc [parts * R][16] over n blocks from the panel's group at p. All parts take a block before any takes the next: its
 * codes come from memory once and at an even pace, and its scales are made once. */
INLINE void tile(const int S, const int R, const uint8_t *p, const tile_x *rows, size_t n, const size_t parts, float (*acc)[GLIM_PANEL]) {
    const glim_panel_layout l = layout_of(S);
    place at = {.q = rows->q, .xs = rows->xs, .sum = rows->sum, .start = rows->start}, *const x = &at;
    if (R <= 2) {
        UNROLL for (int i = 0; i < 2 * R; i++) x->a[i / 2][i % 2] = _mm256_load_ps(acc[i / 2] + 8 * (i % 2));
    }
    for (size_t b = 0; b < n; p += l.group_bytes) {
        k4_bytes k4;
        group_scales(S, p, &k4);
        const size_t m = n - b < l.blocks ? n - b : l.blocks;
        b += m;
        for (size_t j = 0; j < m; j++) {
            const uint8_t *code = p + l.codes + j * l.code_bytes;
            block_scales f;
            if (!(S & UNPACKED)) {
                const size_t block_bytes = l.group_bytes / l.blocks;
                UNROLL for (size_t i = 0; i < block_bytes; i += 64) /* a group's at once would hold up what is loaded meanwhile */
                    _mm_prefetch((const char *)p + AHEAD + j * block_bytes + i, _MM_HINT_T0);
                load_scales(S, p, &k4, j, 0, &f);
                if (has_halves(S)) load_scales(S, p, &k4, j, 1, &f);
            }
            x->acc = acc;
            if (is_kept(S) && R > 2 && parts > 1) {
                _Alignas(32) uint8_t z[512];
                UNROLL for (int t = 0; t < 8; t++) {
                    _mm256_store_si256((void *)(z + 64 * t), load_code(S, code, t));
                    _mm256_store_si256((void *)(z + 64 * t + 32), load_code(S, code + 32, t));
                }
                for (size_t k = 0; k < parts; k++) part(S, unpacked_of(S, DOTS), R, p, j, z, &f, x);
            } else {
                for (size_t k = 0; k < parts; k++) part(S, S, R, p, j, code, &f, x);
            }
        }
    }
    if (R <= 2) {
        UNROLL for (int i = 0; i < 2 * R; i++) _mm256_store_ps(acc[i / 2] + 8 * (i % 2), x->a[i / 2][i % 2]);
    }
}
#undef GET
#undef PUT

/* ---- unpacking ---- */

INLINE void unpack(const glim_dtype T, const uint8_t *p, size_t n, uint8_t *z) {
    const glim_panel_layout l = layout_of(T);
    const int U = unpacked_of(T, DOTS);
    const size_t H = has_halves(T) ? 2 : 1;
    for (size_t b = 0; b < n; p += l.group_bytes) {
        k4_bytes k4;
        group_scales(T, p, &k4);
        const size_t m = n - b < l.blocks ? n - b : l.blocks;
        for (size_t j = 0; j < m; j++, b++, z += unpacked_bytes(U)) {
            UNROLL for (size_t c = 0; c < 2; c++) {
                const uint8_t *code = p + l.codes + j * l.code_bytes + 32 * c;
                float *f = (float *)(void *)(z + unpacked_codes(U)) + 8 * c;
                UNROLL for (int t = 0; t < 8; t++) {
                    const __m256i w = load_code(T, code, t);
                    if (is_words(U)) {
                        _mm256_store_si256((void *)(z + 128 * t + 32 * c), even_bytes(w));
                        _mm256_store_si256((void *)(z + 128 * t + 64 + 32 * c), odd_bytes(w));
                    } else {
                        _mm256_store_si256((void *)(z + 64 * t + 32 * c), w);
                    }
                }
                UNROLL for (size_t h = 0; h < H; h++) {
                    _mm256_store_ps(f + 16 * h, scale_of(T, p, &k4, j, h, c));
                    if (has_add(T)) _mm256_store_ps(f + 16 * (H + h), add_of(T, p, &k4, j, h, c));
                }
            }
        }
    }
}

/* ---- one function for each ---- */

/* Without vpdpbusd products need registers besides their sums: more rows than these at once are slower (bench/NOTES.md). */
enum { FEW_MOST = DOTS ? 8 : 16, FEW_ROWS = DOTS ? 6 : 5, MANY_ROWS = DOTS ? 6 : 4 };

#define TILE(NAME, S, R)                                                                                                     \
    static void tile_##NAME##_##R(const uint8_t *p, const tile_x *x, size_t n, size_t parts, float (*acc)[GLIM_PANEL]) { \
        tile(S, R, p, x, n, (S) & UNPACKED || R <= 2 ? 1 : parts, acc);                                                  \
    }
#define TYPE(T)                                                                         \
    TILE(T, GLIM_##T, 1) TILE(T, GLIM_##T, 2) TILE(T, GLIM_##T, 3) TILE(T, GLIM_##T, 4) \
    TILE(T, GLIM_##T, 5) IF_DOTS(TILE(T, GLIM_##T, 6))                                  \
    static void unpack_##T(const uint8_t *p, size_t n, uint8_t *z) { unpack(GLIM_##T, p, n, z); }
#if DOTS
#define IF_DOTS(...) __VA_ARGS__
#else
#define IF_DOTS(...)
#endif
TYPE(Q4_0) TYPE(Q4_1) TYPE(Q5_0) TYPE(Q5_1) TYPE(Q8_0) TYPE(Q2_K) TYPE(Q3_K) TYPE(Q4_K)
TYPE(Q5_K) TYPE(Q6_K) TYPE(IQ4_NL) TYPE(IQ4_XS) TYPE(MXFP4)

#define KIND(NAME, S)                                                         \
    TILE(NAME, UNPACKED | (S), 3) TILE(NAME, UNPACKED | (S), 4)               \
    IF_DOTS(TILE(NAME, UNPACKED | (S), 5) TILE(NAME, UNPACKED | (S), 6))
KIND(start, START)
KIND(start_halves, START | HALVES)
#if DOTS
KIND(add, ADD)
KIND(add_halves, ADD | HALVES)
#define signed_1 start
#define add_8 add
#define add_4 add
#define add_halves_4 add_halves
#else
KIND(signed_1, 1)
KIND(add_8, ADD | 8)
KIND(add_4, ADD | 4)
KIND(add_halves_4, ADD | HALVES | 4)
#endif

#define ROW_FEW(T) \
    [GLIM_##T] = {tile_##T##_1, tile_##T##_2, tile_##T##_3, tile_##T##_4, tile_##T##_5, IF_DOTS(tile_##T##_6)}
#define ROW_UNPACK(T) [GLIM_##T] = unpack_##T
#define ROW_MANY_(T, NAME) \
    [GLIM_##T] = {NULL, NULL, tile_##NAME##_3, tile_##NAME##_4, IF_DOTS(tile_##NAME##_5, tile_##NAME##_6)}
#define ROW_MANY(T, NAME) ROW_MANY_(T, NAME)
#define EACH(ROW)                                                                                  \
    ROW(Q4_0), ROW(Q4_1), ROW(Q5_0), ROW(Q5_1), ROW(Q8_0), ROW(Q2_K), ROW(Q3_K), ROW(Q4_K), ROW(Q5_K), \
        ROW(Q6_K), ROW(IQ4_NL), ROW(IQ4_XS), ROW(MXFP4)
#define BLOCK_TILES                                                                                       \
    {                                                                                                     \
        .dots = DOTS, .few_most = FEW_MOST, .few_rows = FEW_ROWS, .many_rows = MANY_ROWS,                 \
        .few = {EACH(ROW_FEW)}, .unpack = {EACH(ROW_UNPACK)},                                             \
        .many = {ROW_MANY(Q4_0, start), ROW_MANY(Q4_1, add_8), ROW_MANY(Q5_0, start),                     \
                 ROW_MANY(Q5_1, add_4), ROW_MANY(Q8_0, signed_1), ROW_MANY(Q2_K, add_halves_4),           \
                 ROW_MANY(Q3_K, start_halves), ROW_MANY(Q4_K, add_8), ROW_MANY(Q5_K, add_4),              \
                 ROW_MANY(Q6_K, start_halves), ROW_MANY(IQ4_NL, signed_1), ROW_MANY(IQ4_XS, signed_1),    \
                 ROW_MANY(MXFP4, start)},                                                                 \
    }
