/* attn_bf16.c - attention of up to 16 queries over one KV chunk of bf16 rows; contract in
 * kernels.h.
 *
 * The work is one fma per query, position and dimension, twice; all else is kept small beside it:
 *
 *   bf16     a register of 32 values becomes two of f32 by a shift and a mask: the even dims and
 * the odd ones scores   a strip of 16 K rows is turned so that a register holds 8 dims of 4
 * positions, one position in each quarter; queries are laid out to match. Then only 4 sums remain
 * to be added up for a score values   straight from the page, 32 dims at a time over its 64 rows,
 * sums in registers
 *
 * While a page is worked on the next one is asked for, line by line between the sums (all at once
 * would fill the core's buffers and stop it): pages lie where a sequence got them, so the hardware
 * cannot see one coming. A score, and an output, is the same sequence of operations whatever the
 * other queries: what a query may not see has weight 0, and adding 0 * v changes nothing. */
#if defined __x86_64__
#include <math.h>

#include "tensor/cpu/avx512/attn.h"

enum { STRIP = 16, BLOCK = 32 }; /* rows turned at a time; dims of a register of bf16 */

/* 32 bf16: dims 0, 2, 4, ... and dims 1, 3, 5, ... */
INLINE __m512 evens(__m512i v) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(v, 16));
}
INLINE __m512 odds(__m512i v) {
    return _mm512_castsi512_ps(_mm512_and_si512(v, _mm512_set1_epi32((int)0xffff0000u)));
}

INLINE void ask_for(const char *page, size_t offset) {
    if (page) _mm_prefetch(page + offset, _MM_HINT_T1);
}

/* Queries: of each 8 dims first the even ones, then the odd ones. */
static void lay_out_queries(glim_attn_scratch512 *z, const float *q, size_t q_stride, size_t n_q,
                            size_t n_q4, size_t dim) {
    const __m512i order = _mm512_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15);
    for (size_t i = 0; i < n_q4; i++)
        for (size_t d = 0; d < dim; d += 16) {
            const __m512 v = i < n_q ? _mm512_loadu_ps(q + i * q_stride + d) : _mm512_setzero_ps();
            _mm512_store_ps(&z->q[i][d], _mm512_permutexvar_ps(order, v));
        }
}

/* 16 rows of K -> turned[d / 8][group of 4 rows]: 4 x 8 values. */
static void turn_strip(uint16_t (*turned)[4][32], const uint16_t *rows, size_t dim) {
    for (size_t g = 0; g < 4; g++, rows += 4 * dim)
        for (size_t d = 0; d < dim; d += BLOCK) {
            __m512i r[4];
            UNROLL for (int i = 0; i < 4; i++) r[i] =
                _mm512_loadu_si512(rows + (size_t)i * dim + d);
            const __m512i a = _mm512_shuffle_i32x4(r[0], r[1], 0x44),
                          b = _mm512_shuffle_i32x4(r[2], r[3], 0x44);
            const __m512i c = _mm512_shuffle_i32x4(r[0], r[1], 0xee),
                          e = _mm512_shuffle_i32x4(r[2], r[3], 0xee);
            uint16_t(*out)[4][32] = turned + d / 8;
            _mm512_store_si512(out[0][g], _mm512_shuffle_i32x4(a, b, 0x88));
            _mm512_store_si512(out[1][g], _mm512_shuffle_i32x4(a, b, 0xdd));
            _mm512_store_si512(out[2][g], _mm512_shuffle_i32x4(c, e, 0x88));
            _mm512_store_si512(out[3][g], _mm512_shuffle_i32x4(c, e, 0xdd));
        }
}

/* Scores of Q queries with G groups of 4 positions from group g0 on, to s[i][p ..]. G is even. */
INLINE void score_tile(glim_attn_scratch512 *z, const int Q, const int G, uint16_t (*turned)[4][32],
                       const char *next, size_t dim, size_t i0, size_t g0, size_t p) {
    __m512 a[12][4];
    UNROLL for (int i = 0; i < Q; i++) {
        UNROLL for (int g = 0; g < G; g++) a[i][g] = _mm512_setzero_ps();
    }
    for (size_t d = 0; d < dim; d += 8) {
        __m512 even[4], odd[4];
        UNROLL for (int g = 0; g < G; g++) ask_for(next, d / 8 * 64 * (size_t)G + 64 * (size_t)g);
        UNROLL for (int g = 0; g < G; g++) {
            const __m512i k = _mm512_load_si512(turned[d / 8][g0 + (size_t)g]);
            even[g] = evens(k);
            odd[g] = odds(k);
        }
        UNROLL for (int i = 0; i < Q; i++) {
            const __m512 qe = _mm512_broadcast_f32x4(_mm_load_ps(&z->q[i0 + (size_t)i][d]));
            const __m512 qo = _mm512_broadcast_f32x4(_mm_load_ps(&z->q[i0 + (size_t)i][d + 4]));
            UNROLL for (int g = 0; g < G; g++) a[i][g] = _mm512_fmadd_ps(qe, even[g], a[i][g]);
            UNROLL for (int g = 0; g < G; g++) a[i][g] = _mm512_fmadd_ps(qo, odd[g], a[i][g]);
        }
    }
    const __m512i pick = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    UNROLL for (int i = 0; i < Q; i++) {
        UNROLL for (int g = 0; g < G; g += 2) {
            const __m512 u = _mm512_add_ps(_mm512_unpacklo_ps(a[i][g], a[i][g + 1]),
                                           _mm512_unpackhi_ps(a[i][g], a[i][g + 1]));
            const __m512 t = _mm512_add_ps(u, _mm512_shuffle_ps(u, u, 0x4e));
            _mm256_storeu_ps(&z->s[i0 + (size_t)i][p + 4 * (size_t)g],
                             _mm512_castps512_ps256(_mm512_permutexvar_ps(pick, t)));
        }
    }
}

static void score_strip(glim_attn_scratch512 *z, uint16_t (*turned)[4][32], const char *next,
                        size_t dim, size_t n_q4, size_t p) {
    const char *half = next + STRIP * dim;
    if (n_q4 == 12) {
        score_tile(z, 12, 2, turned, next, dim, 0, 0, p);
        score_tile(z, 12, 2, turned, half, dim, 0, 2, p + 8);
        return;
    }
    size_t i = 0;
    for (; i + 8 <= n_q4; i += 8) {
        score_tile(z, 8, 2, turned, next, dim, i, 0, p);
        score_tile(z, 8, 2, turned, half, dim, i, 2, p + 8);
    }
    for (; i < n_q4; i += 4) score_tile(z, 4, 4, turned, next, dim, i, 0, p);
}

/* sum[i][d ..] += e[i][p0 + r] * v[r][d ..] for Q queries and 32 V dims, r in order. sum holds a
 * block's even dims, then its odd ones. */
INLINE void value_tile(glim_attn_scratch512 *z, const int Q, const int V, const uint16_t *v,
                       const char *next, size_t dim, size_t i0, size_t d, size_t p0, size_t n) {
    __m512 a[12][4];
    UNROLL for (int i = 0; i < Q; i++) {
        UNROLL for (int k = 0; k < 2 * V; k++) a[i][k] =
            _mm512_load_ps(&z->sum[i0 + (size_t)i][d + 16 * (size_t)k]);
    }
    for (size_t r = 0; r < n; r++, v += dim) {
        __m512 x[4];
        UNROLL for (int k = 0; k < V; k++) {
            const __m512i row = _mm512_loadu_si512(v + d + BLOCK * (size_t)k);
            x[2 * k] = evens(row);
            x[2 * k + 1] = odds(row);
            if (i0 == 0) ask_for(next, (r * dim + d + BLOCK * (size_t)k) * 2);
        }
        UNROLL for (int i = 0; i < Q; i++) {
            const __m512 e = _mm512_set1_ps(z->s[i0 + (size_t)i][p0 + r]);
            UNROLL for (int k = 0; k < 2 * V; k++) a[i][k] = _mm512_fmadd_ps(e, x[k], a[i][k]);
        }
    }
    UNROLL for (int i = 0; i < Q; i++) {
        UNROLL for (int k = 0; k < 2 * V; k++)
            _mm512_store_ps(&z->sum[i0 + (size_t)i][d + 16 * (size_t)k], a[i][k]);
    }
}

static void value_page(glim_attn_scratch512 *z, const uint16_t *v, const char *next, size_t dim,
                       size_t n_q4, size_t p0, size_t n) {
    size_t i = 0;
    if (n_q4 == 12) {
        for (size_t d = 0; d < dim; d += BLOCK) value_tile(z, 12, 1, v, next, dim, 0, d, p0, n);
        return;
    }
    for (; i + 8 <= n_q4; i += 8)
        for (size_t d = 0; d < dim; d += BLOCK) value_tile(z, 8, 1, v, next, dim, i, d, p0, n);
    for (; i < n_q4; i += 4) {
        size_t d = 0;
        for (; d + 2 * BLOCK <= dim; d += 2 * BLOCK) value_tile(z, 4, 2, v, next, dim, i, d, p0, n);
        for (; d < dim; d += BLOCK) value_tile(z, 4, 1, v, next, dim, i, d, p0, n);
    }
}

void glim_avx512_attn_bf16(glim_attn_scratch512 *z, float *acc, float *m, float *l, const float *q,
                           size_t q_stride, size_t n_q, const size_t *n_pos, const glim_kv_chunk *c,
                           size_t dim) {
    size_t most = 0;
    for (size_t i = 0; i < n_q; i++) most = n_pos[i] > most ? n_pos[i] : most;
    if (most == 0) return;
    const size_t n_q4 = (n_q + 3) & ~(size_t)3, n_pages = (most + GLIM_KV_PAGE - 1) / GLIM_KV_PAGE;
    lay_out_queries(z, q, q_stride, n_q, n_q4, dim);

    _Alignas(64) uint16_t turned[GLIM_ATTN_DIM_MAX / 8][4][32];
    for (size_t p = 0; p < most; p += STRIP) {
        const size_t page = p / GLIM_KV_PAGE, at = p % GLIM_KV_PAGE * dim * 2;
        const char *next = page + 1 < n_pages ? c->k[page + 1] : c->v[0];
        turn_strip(turned, (const uint16_t *)((const char *)c->k[page] + at), dim);
        score_strip(z, turned, next + at, dim, n_q4, p);
    }
    for (size_t i = 0; i < n_q4; i++) {
        size_t n = i < n_q ? n_pos[i] : 0;
        if (n) glim_attn_softmax_row(z, i, n);
        for (size_t p = n; p < most; p++) z->s[i][p] = 0;
        for (size_t d = 0; d < dim; d += 16) _mm512_store_ps(&z->sum[i][d], _mm512_setzero_ps());
    }
    for (size_t p = 0; p < most; p += GLIM_KV_PAGE) {
        const size_t page = p / GLIM_KV_PAGE, n = most - p < GLIM_KV_PAGE ? most - p : GLIM_KV_PAGE;
        value_page(z, c->v[page], page + 1 < n_pages ? c->v[page + 1] : c->next, dim, n_q4, p, n);
    }
    /* Dims back into their order. */
    const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
    for (size_t i = 0; i < n_q; i++)
        for (size_t d = 0; d < dim; d += BLOCK) {
            const __m512 e = _mm512_load_ps(&z->sum[i][d]), o = _mm512_load_ps(&z->sum[i][d + 16]);
            _mm512_store_ps(&z->sum[i][d], _mm512_permutex2var_ps(e, low, o));
            _mm512_store_ps(&z->sum[i][d + 16], _mm512_permutex2var_ps(e, high, o));
        }
    for (size_t i = 0; i < n_q; i++)
        if (n_pos[i]) glim_attn_merge(z, i, acc + i * dim, m + i, l + i, dim);
}
#endif
