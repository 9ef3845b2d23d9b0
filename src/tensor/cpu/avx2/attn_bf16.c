/* attn_bf16.c - attention of up to 16 queries over one KV chunk of bf16 rows with AVX2; contract in
 * kernels.h. What cpu/avx512/attn_bf16.c does, with half the lanes and half the registers:
 *
 *   bf16     16 values become two registers of f32 by a shift and a mask: even dims and odd ones
 *   scores   8 dims of two K rows fill a register, a row in each half, straight from the page; queries
 *            are laid out to match, so that 4 sums remain to be added up for a score. Tiles of 6
 *            queries x 4 positions keep 12 sums in registers
 *   values   straight from the page, 16 dims at a time over its 64 rows, sums in registers
 *
 * The next page is asked for line by line while this one is worked on. A score, and an output, is the
 * same sequence of operations in every tile: what a query may not see has weight 0. */
#if defined __x86_64__
#include <math.h>

#include "tensor/cpu/avx2/attn.h"

static const _Alignas(32) uint32_t high_half[8] = {0xffff0000u, 0xffff0000u, 0xffff0000u, 0xffff0000u,
                                                   0xffff0000u, 0xffff0000u, 0xffff0000u, 0xffff0000u};
enum { BLOCK = 16 }; /* dims of a register of bf16 */

/* 16 bf16: dims 0, 2, 4, ... and dims 1, 3, 5, ... */
INLINE __m256 evens(__m256i v) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(v, 16));
}
INLINE __m256 odds(__m256i v) {
    return _mm256_castsi256_ps(_mm256_and_si256(v, _mm256_set1_epi32((int)0xffff0000u)));
}

/* Queries: of each 8 dims first the even ones, then the odd ones. */
static void lay_out_queries(glim_attn_scratch256 *z, const float *q, size_t q_stride, size_t n_q, size_t dim) {
    const __m256i order = _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7);
    for (size_t i = 0; i < n_q; i++)
        for (size_t d = 0; d < dim; d += 8)
            _mm256_store_ps(&z->q[i][d], _mm256_permutevar8x32_ps(_mm256_loadu_ps(q + i * q_stride + d), order));
}

/* The same in place: a register less. */
INLINE __m256 odds_of(__m256i v) {
    __asm__("vpand %1, %0, %0" : "+x"(v) : "m"(high_half));
    return _mm256_castsi256_ps(v);
}

INLINE __m256i two_rows(const uint16_t *row, size_t dim) {
    return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const void *)row)),
                                   _mm_loadu_si128((const void *)(row + dim)), 1);
}

/* Scores of Q queries with 2 * G positions from row k on, to s[i][p ..]. G is even. */
INLINE void score_tile(glim_attn_scratch256 *z, const int Q, const int G, const uint16_t *k, const char *next,
                       size_t dim, size_t i0, size_t p) {
    __m256 a[6][4];
    UNROLL for (int i = 0; i < Q; i++) {
        UNROLL for (int g = 0; g < G; g++) a[i][g] = _mm256_setzero_ps();
    }
    for (size_t d = 0; d < dim; d += 8) {
        const uint16_t *row = k + d;
        __m256 x[4];
        /* 2 * G rows of 8 dims are G / 2 lines. */
        UNROLL for (int g = 0; g < G; g += 2) glim_attn_ask_for(next, (d / 8 * (size_t)G + (size_t)g) * 32);
        UNROLL for (int g = 0; g < G; g++) x[g] = evens(two_rows(row + 2 * (size_t)g * dim, dim));
        UNROLL for (int i = 0; i < Q; i++) {
            const __m256 qe = _mm256_broadcast_ps((const __m128 *)&z->q[i0 + (size_t)i][d]);
            UNROLL for (int g = 0; g < G; g++) a[i][g] = _mm256_fmadd_ps(qe, x[g], a[i][g]);
        }
        __asm__("" : "+r"(row)); /* read again: 16 registers do not hold both halves beside 12 sums */
        UNROLL for (int g = 0; g < G; g++) x[g] = odds_of(two_rows(row + 2 * (size_t)g * dim, dim));
        UNROLL for (int i = 0; i < Q; i++) {
            const __m256 qo = _mm256_broadcast_ps((const __m128 *)&z->q[i0 + (size_t)i][d + 4]);
            UNROLL for (int g = 0; g < G; g++) a[i][g] = _mm256_fmadd_ps(qo, x[g], a[i][g]);
        }
    }
    UNROLL for (int i = 0; i < Q; i++) { /* each half adds its 4 sums up in one order */
        UNROLL for (int g = 0; g < G; g += 2) {
            const __m256 u = _mm256_add_ps(_mm256_unpacklo_ps(a[i][g], a[i][g + 1]),
                                           _mm256_unpackhi_ps(a[i][g], a[i][g + 1]));
            const __m256 t = _mm256_add_ps(u, _mm256_shuffle_ps(u, u, 0x4e));
            /* low half: positions 0 and 2, high half: 1 and 3 */
            _mm_storeu_ps(&z->s[i0 + (size_t)i][p + 2 * (size_t)g],
                          _mm_unpacklo_ps(_mm256_castps256_ps128(t), _mm256_extractf128_ps(t, 1)));
        }
    }
}

/* sum[i][d ..] += e[i][p0 + r] * v[r][d ..] for Q queries and V blocks of dims, r in order. sum holds a
 * block's even dims, then its odd ones. */
INLINE void value_tile(glim_attn_scratch256 *z, const int Q, const int V, const uint16_t *v, const char *next,
                       size_t dim, size_t i0, size_t d, size_t p0, size_t n) {
    __m256 a[6][4];
    UNROLL for (int i = 0; i < Q; i++) {
        UNROLL for (int k = 0; k < 2 * V; k++) a[i][k] = _mm256_load_ps(&z->sum[i0 + (size_t)i][d + 8 * (size_t)k]);
    }
    for (size_t r = 0; r < n; r++, v += dim) {
        __m256 x[4];
        UNROLL for (int k = 0; k < V; k++) {
            const __m256i row = _mm256_loadu_si256((const void *)(v + d + BLOCK * (size_t)k));
            x[2 * k] = evens(row);
            x[2 * k + 1] = odds(row);
        }
        if (d % 32 == 0) glim_attn_ask_for(next, (r * dim + d) * 2);
        UNROLL for (int i = 0; i < Q; i++) {
            const __m256 e = _mm256_broadcast_ss(&z->s[i0 + (size_t)i][p0 + r]);
            UNROLL for (int k = 0; k < 2 * V; k++) a[i][k] = _mm256_fmadd_ps(e, x[k], a[i][k]);
        }
    }
    UNROLL for (int i = 0; i < Q; i++) {
        UNROLL for (int k = 0; k < 2 * V; k++) _mm256_store_ps(&z->sum[i0 + (size_t)i][d + 8 * (size_t)k], a[i][k]);
    }
}

static void score_rows(glim_attn_scratch256 *z, const uint16_t *k, const char *next, size_t dim, size_t n_q, size_t p) {
    const size_t half = 4 * dim;
    for (size_t i = 0, n; i < n_q; i += n, next = NULL) {
        const char *next_half = next ? next + 2 * half : NULL;
        switch (n = glim_attn_tile_of(n_q - i)) {
        case 6:
            score_tile(z, 6, 2, k, next, dim, i, p);
            score_tile(z, 6, 2, k + half, next_half, dim, i, p + 4);
            break;
        case 4:
            score_tile(z, 4, 2, k, next, dim, i, p);
            score_tile(z, 4, 2, k + half, next_half, dim, i, p + 4);
            break;
        case 2: score_tile(z, 2, 4, k, next, dim, i, p); break;
        default: score_tile(z, 1, 4, k, next, dim, i, p); break;
        }
    }
}

static void value_page(glim_attn_scratch256 *z, const uint16_t *v, const char *next, size_t dim, size_t n_q, size_t p0,
                       size_t rows) {
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

void glim_avx2_attn_bf16(glim_attn_scratch256 *z, float *acc, float *m, float *l, const float *q, size_t q_stride,
                         size_t n_q, const size_t *n_pos, const glim_kv_chunk *c, size_t dim) {
    size_t most = 0;
    for (size_t i = 0; i < n_q; i++) most = n_pos[i] > most ? n_pos[i] : most;
    if (most == 0) return;
    const size_t n_pages = (most + GLIM_KV_PAGE - 1) / GLIM_KV_PAGE;
    lay_out_queries(z, q, q_stride, n_q, dim);

    for (size_t p = 0; p < most; p += 8) {
        const size_t page = p / GLIM_KV_PAGE, at = p % GLIM_KV_PAGE * dim * 2;
        const char *next = page + 1 < n_pages ? c->k[page + 1] : c->v[0];
        score_rows(z, (const uint16_t *)((const char *)c->k[page] + at), next + at, dim, n_q, p);
    }
    for (size_t i = 0; i < n_q; i++) {
        if (n_pos[i]) glim_attn_softmax_row(z, i, n_pos[i]);
        for (size_t p = n_pos[i]; p < most; p++) z->s[i][p] = 0;
        memset(z->sum[i], 0, dim * sizeof(float));
    }
    for (size_t p = 0; p < most; p += GLIM_KV_PAGE) {
        const size_t page = p / GLIM_KV_PAGE, n = most - p < GLIM_KV_PAGE ? most - p : GLIM_KV_PAGE;
        value_page(z, c->v[page], page + 1 < n_pages ? c->v[page + 1] : c->next, dim, n_q, p, n);
    }
    for (size_t i = 0; i < n_q; i++) {
        if (n_pos[i] == 0) continue;
        for (size_t d = 0; d < dim; d += BLOCK) { /* dims back into their order */
            const __m256 e = _mm256_load_ps(&z->sum[i][d]), o = _mm256_load_ps(&z->sum[i][d + 8]);
            const __m256 lo = _mm256_unpacklo_ps(e, o), hi = _mm256_unpackhi_ps(e, o);
            _mm256_store_ps(&z->sum[i][d], _mm256_permute2f128_ps(lo, hi, 0x20));
            _mm256_store_ps(&z->sum[i][d + 8], _mm256_permute2f128_ps(lo, hi, 0x31));
        }
        glim_attn_merge(z, i, acc + i * dim, m + i, l + i, dim);
    }
}
#endif
