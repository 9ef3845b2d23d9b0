/* attn.c - attention of many queries over one KV chunk with AVX-512; contract in kernels.h. bf16 rows of whole
 * registers have a way of their own (attn_bf16.c).
 *
 * Queries are taken in blocks of 16, positions in strips of 16. A strip of K or V is read and
 * turned into f32 once for all queries of the block (grouped-query attention: 12 or 16 query heads
 * share it), into a scratch that stays in the first-level cache. Then:
 *
 *   scores   tiles of 4 queries x 4 positions: 16 registers of partial sums over head_dim, folded
 *            to 16 totals by one symmetric tree: a total does not depend on its place in the tile
 *   softmax  per query: maximum, exponentials, sum in 16 lanes (position p in lane p % 16)
 *   values   tiles of 4 queries x 64 dims, one fma chain per output over positions in order
 *
 * A query's chain stops at its own n_pos; where the four of a tile differ they are run one by one,
 * with the same operations. So a query's result depends on nothing but itself. */
#if defined __x86_64__
#include "tensor/cpu/avx512/attn.h"

enum { QUERIES = GLIM_ATTN_QUERIES, STRIP = GLIM_ATTN_STRIP, DIM_MAX = GLIM_ATTN_DIM_MAX };
typedef glim_attn_scratch512 scratch;

/* Positions [p0, p0 + STRIP) as f32 rows, padded with zeros to `dim` values and STRIP rows. A strip lies
 * in one page. */
static void load_strip(scratch *z, const void *const *page, const float *const *scale, glim_dtype type,
                       size_t head_dim, size_t dim, size_t p0, size_t n) {
    const size_t first = p0 % GLIM_KV_PAGE;
    const void *data = page[p0 / GLIM_KV_PAGE];
    for (size_t r = 0; r < STRIP; r++) {
        for (size_t d = 0; d < dim; d += 16) {
            const __mmask16 m = r < n ? first_lanes(head_dim - d) : 0;
            const size_t at = (first + r) * head_dim + d;
            __m512 v;
            if (type == GLIM_F32) {
                v = _mm512_maskz_loadu_ps(m, (const float *)data + at);
            } else if (type == GLIM_BF16) {
                v = f32_of_bf16(_mm256_maskz_loadu_epi16(m, (const uint16_t *)data + at));
            } else {
                const __m128i b = _mm_maskz_loadu_epi8(m, (const int8_t *)data + at);
                v = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(b));
                if (r < n) v = _mm512_mul_ps(v, _mm512_set1_ps(scale[p0 / GLIM_KV_PAGE][first + r]));
            }
            _mm512_store_ps(&z->kv[r][d], v);
        }
    }
}

/* Scores of queries i0 .. i0 + 3 with strip rows r0 .. r0 + 3, to s[i][p .. p + 3]. */
static void score_tile(scratch *z, size_t dim, size_t i0, size_t r0, size_t p) {
    __m512 a[4][4];
    UNROLL for (int i = 0; i < 4; i++) {
        UNROLL for (int r = 0; r < 4; r++) a[i][r] = _mm512_setzero_ps();
    }
    for (size_t d = 0; d < dim; d += 16) {
        __m512 k[4];
        UNROLL for (int r = 0; r < 4; r++) k[r] = _mm512_load_ps(&z->kv[r0 + (size_t)r][d]);
        UNROLL for (int i = 0; i < 4; i++) {
            const __m512 q = _mm512_load_ps(&z->q[i0 + (size_t)i][d]);
            UNROLL for (int r = 0; r < 4; r++) a[i][r] = _mm512_fmadd_ps(q, k[r], a[i][r]);
        }
    }
    /* Fold: within 128-bit lanes until each holds partial sums of the four positions, then the lanes. */
    __m512 x[4];
    UNROLL for (int i = 0; i < 4; i++) {
        const __m512 u = _mm512_add_ps(_mm512_unpacklo_ps(a[i][0], a[i][1]),
                                       _mm512_unpackhi_ps(a[i][0], a[i][1]));
        const __m512 v = _mm512_add_ps(_mm512_unpacklo_ps(a[i][2], a[i][3]),
                                       _mm512_unpackhi_ps(a[i][2], a[i][3]));
        const __m512d ud = _mm512_castps_pd(u), vd = _mm512_castps_pd(v);
        x[i] = _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(ud, vd)),
                             _mm512_castpd_ps(_mm512_unpackhi_pd(ud, vd)));
    }
#define FOLD(u, v)                                                                                 \
    _mm512_add_ps(_mm512_shuffle_f32x4((u), (v), 0x88), _mm512_shuffle_f32x4((u), (v), 0xdd))
    const __m512 x01 = FOLD(x[0], x[1]), x23 = FOLD(x[2], x[3]), all = FOLD(x01, x23);
#undef FOLD
    _mm_storeu_ps(&z->s[i0][p], _mm512_castps512_ps128(all));
    _mm_storeu_ps(&z->s[i0 + 1][p], _mm512_extractf32x4_ps(all, 1));
    _mm_storeu_ps(&z->s[i0 + 2][p], _mm512_extractf32x4_ps(all, 2));
    _mm_storeu_ps(&z->s[i0 + 3][p], _mm512_extractf32x4_ps(all, 3));
}

/* sum[i][d ..] += e[i][p0 + r] * kv[r][d ..] for Q queries and V registers of dims, r in order. */
INLINE void value_tile(scratch *z, const int Q, const int V, size_t i0, size_t d, size_t p0, size_t n) {
    __m512 a[4][4];
    UNROLL for (int i = 0; i < Q; i++) {
        UNROLL for (int v = 0; v < V; v++) a[i][v] =
            _mm512_load_ps(&z->sum[i0 + (size_t)i][d + 16 * (size_t)v]);
    }
    for (size_t r = 0; r < n; r++) {
        __m512 x[4];
        UNROLL for (int v = 0; v < V; v++) x[v] = _mm512_load_ps(&z->kv[r][d + 16 * (size_t)v]);
        UNROLL for (int i = 0; i < Q; i++) {
            const __m512 e = _mm512_set1_ps(z->s[i0 + (size_t)i][p0 + r]);
            UNROLL for (int v = 0; v < V; v++) a[i][v] = _mm512_fmadd_ps(e, x[v], a[i][v]);
        }
    }
    UNROLL for (int i = 0; i < Q; i++) {
        UNROLL for (int v = 0; v < V; v++)
            _mm512_store_ps(&z->sum[i0 + (size_t)i][d + 16 * (size_t)v], a[i][v]);
    }
}

static void values_4(scratch *z, size_t dim, size_t i0, size_t p0, size_t n) {
    size_t d = 0;
    for (; d + 64 <= dim; d += 64) value_tile(z, 4, 4, i0, d, p0, n);
    for (; d < dim; d += 16) value_tile(z, 4, 1, i0, d, p0, n);
}
static void values_1(scratch *z, size_t dim, size_t i, size_t p0, size_t n) {
    size_t d = 0;
    for (; d + 64 <= dim; d += 64) value_tile(z, 1, 4, i, d, p0, n);
    for (; d < dim; d += 16) value_tile(z, 1, 1, i, d, p0, n);
}

/* How many positions of the strip at p0 a query with n positions sees. */
INLINE size_t in_strip(size_t n, size_t p0) { return n <= p0 ? 0 : n - p0 < STRIP ? n - p0 : STRIP; }

/* Up to 16 queries. */
static void attend_block(scratch *z, float *acc, float *m, float *l, const float *q,
                         size_t q_stride, size_t n_q, const size_t *n_pos, const glim_kv_chunk *c,
                         glim_dtype kv_type, size_t head_dim) {
    const size_t dim = (head_dim + 15) & ~(size_t)15;
    size_t n[QUERIES] = {0}, most = 0;
    for (size_t i = 0; i < n_q; i++) {
        n[i] = n_pos[i];
        if (n[i] > most) most = n[i];
    }
    if (most == 0) return;

    const size_t n_q4 = (n_q + 3) & ~(size_t)3; /* queries that fill up the last tile are zero */
    for (size_t i = 0; i < n_q4; i++) {
        for (size_t d = 0; d < dim; d += 16) {
            const __mmask16 mask = i < n_q ? first_lanes(head_dim - d) : 0;
            _mm512_store_ps(&z->q[i][d], _mm512_maskz_loadu_ps(mask, q + i * q_stride + d));
            _mm512_store_ps(&z->sum[i][d], _mm512_setzero_ps());
        }
    }
    for (size_t p0 = 0; p0 < most; p0 += STRIP) {
        const size_t rows = in_strip(most, p0);
        load_strip(z, c->k, c->k_scale, kv_type, head_dim, dim, p0, rows);
        for (size_t r0 = 0; r0 < rows; r0 += 4)
            for (size_t i0 = 0; i0 < n_q; i0 += 4) score_tile(z, dim, i0, r0, p0 + r0);
    }
    for (size_t i = 0; i < n_q; i++)
        if (n[i]) glim_attn_softmax_row(z, i, n[i]);

    for (size_t p0 = 0; p0 < most; p0 += STRIP) {
        load_strip(z, c->v, c->v_scale, kv_type, head_dim, dim, p0, in_strip(most, p0));
        for (size_t i0 = 0; i0 < n_q; i0 += 4) {
            size_t k[4];
            for (size_t i = 0; i < 4; i++) k[i] = in_strip(n[i0 + i], p0);
            if (k[0] == k[1] && k[1] == k[2] && k[2] == k[3]) values_4(z, dim, i0, p0, k[0]);
            else
                for (size_t i = 0; i < 4; i++) values_1(z, dim, i0 + i, p0, k[i]);
        }
    }

    for (size_t i = 0; i < n_q; i++)
        if (n[i]) glim_attn_merge(z, i, acc + i * head_dim, m + i, l + i, head_dim);
}

void glim_avx512_attn_chunk(float *acc, float *m, float *l, const float *q, size_t q_stride, size_t n_q,
                            const size_t *n_pos, const glim_kv_chunk *c, glim_dtype kv_type,
                            size_t head_dim) {
    if (head_dim > DIM_MAX) {
        glim_ref_attn_chunk(acc, m, l, q, q_stride, n_q, n_pos, c, kv_type, head_dim);
        return;
    }
    scratch z;
    for (size_t i = 0; i < n_q; i += QUERIES) {
        const size_t n = n_q - i < QUERIES ? n_q - i : QUERIES;
        if (kv_type == GLIM_BF16 && head_dim % 32 == 0)
            glim_avx512_attn_bf16(&z, acc + i * head_dim, m + i, l + i, q + i * q_stride, q_stride, n,
                                  n_pos + i, c, head_dim);
        else
            attend_block(&z, acc + i * head_dim, m + i, l + i, q + i * q_stride, q_stride, n, n_pos + i,
                         c, kv_type, head_dim);
    }
}
#endif
