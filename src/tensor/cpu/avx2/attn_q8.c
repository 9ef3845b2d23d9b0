/* attn_q8.c - attention of up to 16 queries over one KV chunk of q8 rows with AVX2; contract in kernels.h. Products are of integers, 16 to an
 * instruction where f32 has 8 (vpmaddwd), and sums of integers are exact:
 *
 *   scores   a query is rounded to 16 bits by its own largest value; codes of K become 16 bits in a register, 8 dims of two rows at a time, a row
 *            in each half. A sum is less than 256 x 32767 x 128 = 2^30, and turns into f32 once, times the scales of query and row
 *   values   a weight is its exponential times its row's scale, rounded to 16 bits by the chunk's largest for this query; rows in pairs, 16 dims at
 *            a time. A sum over the chunk is less than 2^30 as well
 *
 * What rounding costs: of a query 2^-16 of its largest value; of the weights half a code each, 2^-16 of the chunk's largest. Alike they are exact, and
 * random ones cancel; but many of less than half a code beside one large one are all dropped: up to 255 x 2^-16, the 2^-8 that codes of 8 bits are off
 * by. Tiles and asking for the next page are as in attn_bf16.c. What a query may not see has weight 0. */
#if defined __x86_64__
#include <math.h>

#include "tensor/cpu/avx2/attn.h"

enum { BLOCK = 16, MOST = 32767 }; /* dims of a step of values; the largest code of 16 bits */

/* x [n] as codes; returns what a code of 1 is worth. n is a multiple of 16. */
static float to_codes(int16_t *codes, const float *x, size_t n) {
    __m256 most = _mm256_setzero_ps();
    const __m256 sign = _mm256_set1_ps(-0.0f);
    for (size_t d = 0; d < n; d += 8) most = _mm256_max_ps(most, _mm256_andnot_ps(sign, _mm256_loadu_ps(x + d)));
    const __m128 half = _mm_max_ps(_mm256_castps256_ps128(most), _mm256_extractf128_ps(most, 1));
    const __m128 two = _mm_max_ps(half, _mm_movehl_ps(half, half));
    const float unit = _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps(two, two, 1))) / MOST;
    const bool none = !(1 / unit < INFINITY); /* zeros, or so small that the inverse is no number */
    const __m256 inv = _mm256_set1_ps(none ? 0 : 1 / unit);
    for (size_t d = 0; d < n; d += 16) { /* packing goes by halves: 64-bit pieces back into their order */
        const __m256i a = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + d), inv));
        const __m256i b = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + d + 8), inv));
        _mm256_store_si256((void *)(codes + d), _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xd8));
    }
    return none ? 0 : unit;
}

/* a += products of pairs of x and y. Both instructions in one, so that gcc 12 does not make all products of a tile first and spill the sums. */
INLINE void add_products(__m256i *a, __m256i x, __m256i y) {
    __m256i t;
    __asm__("vpmaddwd %2, %3, %1\n\tvpaddd %1, %0, %0" : "+x"(*a), "=&x"(t) : "x"(x), "x"(y));
}

/* 8 dims of two rows, a row in each half. */
INLINE __m256i two_rows(const int8_t *row, size_t dim) {
    const __m128 a = _mm_loadl_pi(_mm_setzero_ps(), (const void *)row);
    return _mm256_cvtepi8_epi16(_mm_castps_si128(_mm_loadh_pi(a, (const void *)(row + dim))));
}

/* Scores of Q queries with 2 * G positions from row k on, to s[i][p ..]. G is even. */
INLINE void score_tile(glim_attn_scratch256 *z, const int Q, const int G, const int8_t *k, const float *scale, const char *next, size_t dim,
                       size_t i0, size_t p) {
    __m256i a[6][4];
    UNROLL for (int i = 0; i < Q; i++) {
        UNROLL for (int g = 0; g < G; g++) a[i][g] = _mm256_setzero_si256();
    }
    for (size_t d = 0; d < dim; d += 8) {
        __m256i x[4];
        /* 2 * G rows of 8 dims are G quarters of a line. */
        if (d % 16 == 0) {
            UNROLL for (int g = 0; g < G; g += 2) glim_attn_ask_for(next, (d / 16 * (size_t)G + (size_t)g) * 32);
        }
        UNROLL for (int g = 0; g < G; g++) x[g] = two_rows(k + d + 2 * (size_t)g * dim, dim);
        UNROLL for (int i = 0; i < Q; i++) {
            const __m256i q = _mm256_broadcastsi128_si256(_mm_load_si128((const void *)&z->q_codes[i0 + (size_t)i][d]));
            UNROLL for (int g = 0; g < G; g++) add_products(&a[i][g], q, x[g]);
        }
    }
    UNROLL for (int i = 0; i < Q; i++) {
        const __m128 unit = _mm_set1_ps(z->unit[i0 + (size_t)i]);
        UNROLL for (int g = 0; g < G; g += 2) {
            const __m256i u = _mm256_add_epi32(_mm256_unpacklo_epi32(a[i][g], a[i][g + 1]), _mm256_unpackhi_epi32(a[i][g], a[i][g + 1]));
            const __m256i t = _mm256_add_epi32(u, _mm256_shuffle_epi32(u, 0x4e));
            /* low half: positions 0 and 2, high half: 1 and 3 */
            const __m128i s = _mm_unpacklo_epi32(_mm256_castsi256_si128(t), _mm256_extracti128_si256(t, 1));
            const __m128 row = _mm_mul_ps(_mm_loadu_ps(scale + 2 * g), unit);
            _mm_storeu_ps(&z->s[i0 + (size_t)i][p + 2 * (size_t)g], _mm_mul_ps(_mm_cvtepi32_ps(s), row));
        }
    }
}

/* sums[i][d ..] += w[i][p0 + r] * v[r][d ..] for Q queries and V blocks of dims; n is even. */
INLINE void value_tile(glim_attn_scratch256 *z, const int Q, const int V, const int8_t *v, const char *next, size_t dim, size_t i0, size_t d,
                       size_t p0, size_t n) {
    __m256i a[6][4];
    UNROLL for (int i = 0; i < Q; i++) {
        UNROLL for (int k = 0; k < 2 * V; k++) a[i][k] = _mm256_load_si256((const void *)&z->sums[i0 + (size_t)i][d + 8 * (size_t)k]);
    }
    for (size_t r = 0; r < n; r += 2, v += 2 * dim) {
        __m256i x[4];
        UNROLL for (int k = 0; k < V; k++) { /* pairs of the two rows' values of a dim */
            const __m128i one = _mm_loadu_si128((const void *)(v + d + BLOCK * (size_t)k));
            const __m128i two = _mm_loadu_si128((const void *)(v + dim + d + BLOCK * (size_t)k));
            x[2 * k] = _mm256_cvtepi8_epi16(_mm_unpacklo_epi8(one, two));
            x[2 * k + 1] = _mm256_cvtepi8_epi16(_mm_unpackhi_epi8(one, two));
        }
        if (d % 64 == 0) {
            glim_attn_ask_for(next, r * dim + d);
            glim_attn_ask_for(next, (r + 1) * dim + d);
        }
        UNROLL for (int i = 0; i < Q; i++) {
            int32_t pair;
            memcpy(&pair, &z->w[i0 + (size_t)i][p0 + r], sizeof pair);
            const __m256i w = _mm256_set1_epi32(pair);
            UNROLL for (int k = 0; k < 2 * V; k++) add_products(&a[i][k], w, x[k]);
        }
    }
    UNROLL for (int i = 0; i < Q; i++) {
        UNROLL for (int k = 0; k < 2 * V; k++) _mm256_store_si256((void *)&z->sums[i0 + (size_t)i][d + 8 * (size_t)k], a[i][k]);
    }
}

INLINE void ask_for_scales(const float *scale) {
    for (size_t r = 0; r < GLIM_KV_PAGE; r += 16) glim_attn_ask_for((const char *)scale, r * sizeof *scale);
}

static void score_rows(glim_attn_scratch256 *z, const int8_t *k, const float *scale, const char *next, size_t dim, size_t n_q, size_t p) {
    const size_t half = 4 * dim;
    for (size_t i = 0, n; i < n_q; i += n, next = NULL) {
        const char *next_half = next ? next + half : NULL;
        switch (n = glim_attn_tile_of(n_q - i)) {
        case 6:
            score_tile(z, 6, 2, k, scale, next, dim, i, p);
            score_tile(z, 6, 2, k + half, scale + 4, next_half, dim, i, p + 4);
            break;
        case 4:
            score_tile(z, 4, 2, k, scale, next, dim, i, p);
            score_tile(z, 4, 2, k + half, scale + 4, next_half, dim, i, p + 4);
            break;
        case 2: score_tile(z, 2, 4, k, scale, next, dim, i, p); break;
        default: score_tile(z, 1, 4, k, scale, next, dim, i, p); break;
        }
    }
}

static void value_page(glim_attn_scratch256 *z, const int8_t *v, const char *next, size_t dim, size_t n_q, size_t p0, size_t rows) {
    for (size_t i = 0, n; i < n_q; i += n, next = NULL) {
        size_t d = 0;
        n = glim_attn_tile_of(n_q - i);
        if (n == 6)
            for (; d < dim; d += BLOCK) value_tile(z, 6, 1, v, next, dim, i, d, p0, rows);
        else if (n == 4)
            for (; d < dim; d += BLOCK) value_tile(z, 4, 1, v, next, dim, i, d, p0, rows);
        else if (n == 2)
            for (; d + 2 * BLOCK <= dim; d += 2 * BLOCK) value_tile(z, 2, 2, v, next, dim, i, d, p0, rows);
        else
            for (; d + 2 * BLOCK <= dim; d += 2 * BLOCK) value_tile(z, 1, 2, v, next, dim, i, d, p0, rows);
        if (d < dim && n == 2) value_tile(z, 2, 1, v, next, dim, i, d, p0, rows);
        else if (d < dim) value_tile(z, 1, 1, v, next, dim, i, d, p0, rows);
    }
}

/* Exponentials of query i, of which it sees n, to codes of weights; returns what a code of 1 is worth. */
static float weigh(glim_attn_scratch256 *z, size_t i, size_t n, const glim_kv_chunk *c) {
    float *s = z->s[i];
    size_t p = 0;
    for (; p < n; p += 8) { /* exponentials behind n are 0, scales there anything */
        const float *scale = c->v_scale[p / GLIM_KV_PAGE] + p % GLIM_KV_PAGE;
        _mm256_storeu_ps(s + p, _mm256_mul_ps(_mm256_loadu_ps(s + p), load_n(scale, n - p)));
    }
    if (p % BLOCK) _mm256_storeu_ps(s + p, _mm256_setzero_ps()), p += 8;
    memset(z->w[i] + p, 0, (GLIM_KV_CHUNK - p) * sizeof *z->w[i]);
    return to_codes(z->w[i], s, p);
}

void glim_avx2_attn_q8(glim_attn_scratch256 *z, float *acc, float *m, float *l, const float *q, size_t q_stride, size_t n_q, const size_t *n_pos,
                       const glim_kv_chunk *c, size_t dim) {
    size_t most = 0;
    for (size_t i = 0; i < n_q; i++) most = n_pos[i] > most ? n_pos[i] : most;
    if (most == 0) return;
    const size_t n_pages = (most + GLIM_KV_PAGE - 1) / GLIM_KV_PAGE;
    for (size_t i = 0; i < n_q; i++) z->unit[i] = to_codes(z->q_codes[i], q + i * q_stride, dim);

    for (size_t p = 0; p < most; p += 8) {
        const size_t page = p / GLIM_KV_PAGE, at = p % GLIM_KV_PAGE;
        const char *next = page + 1 < n_pages ? c->k[page + 1] : c->v[0];
        if (at == 0) {
            ask_for_scales(c->v_scale[page]);
            if (page + 1 < n_pages) ask_for_scales(c->k_scale[page + 1]);
        }
        score_rows(z, (const int8_t *)c->k[page] + at * dim, c->k_scale[page] + at, next + at * dim, dim, n_q, p);
    }
    float unit[GLIM_ATTN_QUERIES] = {0};
    for (size_t i = 0; i < n_q; i++) {
        if (n_pos[i]) glim_attn_softmax_row(z, i, n_pos[i]);
        unit[i] = weigh(z, i, n_pos[i], c);
        memset(z->sums[i], 0, dim * sizeof *z->sums[i]);
    }
    for (size_t p = 0; p < most; p += GLIM_KV_PAGE) {
        const size_t page = p / GLIM_KV_PAGE, n = most - p < GLIM_KV_PAGE ? most - p : GLIM_KV_PAGE;
        value_page(z, c->v[page], page + 1 < n_pages ? c->v[page + 1] : c->next, dim, n_q, p, (n + 1) & ~(size_t)1);
    }
    for (size_t i = 0; i < n_q; i++) {
        if (n_pos[i] == 0) continue;
        for (size_t d = 0; d < dim; d += 8) /* in place */
            _mm256_store_ps(&z->sum[i][d],
                            _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_load_si256((const void *)&z->sums[i][d])), _mm256_set1_ps(unit[i])));
        glim_attn_merge(z, i, acc + i * dim, m + i, l + i, dim);
    }
}
#endif
