/* attn.c - attention of many queries over one KV chunk with AVX2; rows of bf16 and q8 that are whole registers have ways of
 * their own (attn_bf16.c, attn_q8.c). See cpu/avx512/attn.c, whose shape this has: strips of 16 positions made f32 once for a block of 16 queries, scores in tiles
 * of 2 queries x 4 positions, values in tiles of 2 queries x 32 dims. */
#if defined __x86_64__
#include "tensor/cpu/avx2/attn.h"

enum { QUERIES = GLIM_ATTN_QUERIES, STRIP = GLIM_ATTN_STRIP, DIM_MAX = GLIM_ATTN_DIM_MAX };
typedef glim_attn_scratch256 scratch;

/* n values of one K or V row as f32. */
static void load_row(float *out, const void *data, size_t at, float scale, glim_dtype type, size_t n) {
    size_t d = 0;
    if (type == GLIM_F32) {
        memcpy(out, (const float *)data + at, n * sizeof *out);
    } else if (type == GLIM_BF16) {
        const uint16_t *h = (const uint16_t *)data + at;
        for (; d + 8 <= n; d += 8)
            _mm256_storeu_ps(out + d, f32_of_bf16(_mm_loadu_si128((const void *)(h + d))));
        for (; d < n; d++) out[d] = glim_bf16_to_f32(h[d]);
    } else {
        const int8_t *b = (const int8_t *)data + at;
        for (; d + 8 <= n; d += 8) {
            const __m256i v = _mm256_cvtepi8_epi32(_mm_loadl_epi64((const void *)(b + d)));
            _mm256_storeu_ps(out + d, _mm256_mul_ps(_mm256_cvtepi32_ps(v), _mm256_set1_ps(scale)));
        }
        for (; d < n; d++) out[d] = (float)b[d] * scale;
    }
}

/* Positions [p0, p0 + n) as f32 rows, padded with zeros to `dim` values and STRIP rows; one page. */
static void load_strip(scratch *z, const void *const *page, const float *const *scale, glim_dtype type,
                       size_t head_dim, size_t dim, size_t p0, size_t n) {
    const size_t first = p0 % GLIM_KV_PAGE, g = p0 / GLIM_KV_PAGE;
    for (size_t r = 0; r < STRIP; r++) {
        const size_t used = r < n ? head_dim : 0;
        const float s = r < n && type == GLIM_I8 ? scale[g][first + r] : 0;
        if (used) load_row(z->kv[r], page[g], (first + r) * head_dim, s, type, used);
        memset(z->kv[r] + used, 0, (dim - used) * sizeof(float));
    }
}

/* Scores of queries i0, i0 + 1 with strip rows r0 .. r0 + 3, to s[i][p .. p + 3]. */
static void score_tile(scratch *z, size_t dim, size_t i0, size_t r0, size_t p) {
    __m256 a[2][4];
    UNROLL for (int i = 0; i < 2; i++) {
        UNROLL for (int r = 0; r < 4; r++) a[i][r] = _mm256_setzero_ps();
    }
    for (size_t d = 0; d < dim; d += 8) {
        const __m256 q0 = _mm256_load_ps(&z->q[i0][d]), q1 = _mm256_load_ps(&z->q[i0 + 1][d]);
        UNROLL for (int r = 0; r < 4; r++) {
            const __m256 k = _mm256_load_ps(&z->kv[r0 + (size_t)r][d]);
            a[0][r] = _mm256_fmadd_ps(q0, k, a[0][r]);
            a[1][r] = _mm256_fmadd_ps(q1, k, a[1][r]);
        }
    }
    UNROLL for (int i = 0; i < 2; i++) { /* a symmetric tree: no total depends on its place */
        const __m256 x =
            _mm256_hadd_ps(_mm256_hadd_ps(a[i][0], a[i][1]), _mm256_hadd_ps(a[i][2], a[i][3]));
        _mm_storeu_ps(&z->s[i0 + (size_t)i][p],
                      _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1)));
    }
}

/* sum[i][d ..] += e[i][p0 + r] * kv[r][d ..] for Q queries and V registers of dims, r in order. */
INLINE void value_tile(scratch *z, const int Q, const int V, size_t i0, size_t d, size_t p0, size_t n) {
    __m256 a[2][4];
    UNROLL for (int i = 0; i < Q; i++) {
        UNROLL for (int v = 0; v < V; v++) a[i][v] =
            _mm256_load_ps(&z->sum[i0 + (size_t)i][d + 8 * (size_t)v]);
    }
    for (size_t r = 0; r < n; r++) {
        __m256 x[4];
        UNROLL for (int v = 0; v < V; v++) x[v] = _mm256_load_ps(&z->kv[r][d + 8 * (size_t)v]);
        UNROLL for (int i = 0; i < Q; i++) {
            const __m256 e = _mm256_broadcast_ss(&z->s[i0 + (size_t)i][p0 + r]);
            UNROLL for (int v = 0; v < V; v++) a[i][v] = _mm256_fmadd_ps(e, x[v], a[i][v]);
        }
    }
    UNROLL for (int i = 0; i < Q; i++) {
        UNROLL for (int v = 0; v < V; v++)
            _mm256_store_ps(&z->sum[i0 + (size_t)i][d + 8 * (size_t)v], a[i][v]);
    }
}

static void values_2(scratch *z, size_t dim, size_t i0, size_t p0, size_t n) {
    size_t d = 0;
    for (; d + 32 <= dim; d += 32) value_tile(z, 2, 4, i0, d, p0, n);
    for (; d < dim; d += 8) value_tile(z, 2, 1, i0, d, p0, n);
}
static void values_1(scratch *z, size_t dim, size_t i, size_t p0, size_t n) {
    size_t d = 0;
    for (; d + 32 <= dim; d += 32) value_tile(z, 1, 4, i, d, p0, n);
    for (; d < dim; d += 8) value_tile(z, 1, 1, i, d, p0, n);
}

INLINE size_t in_strip(size_t n, size_t p0) { return n <= p0 ? 0 : n - p0 < STRIP ? n - p0 : STRIP; }

/* Up to 16 queries. */
static void attend_block(scratch *z, float *acc, float *m, float *l, const float *q,
                         size_t q_stride, size_t n_q, const size_t *n_pos, const glim_kv_chunk *c,
                         glim_dtype kv_type, size_t head_dim) {
    const size_t dim = (head_dim + 7) & ~(size_t)7;
    size_t n[QUERIES] = {0}, most = 0;
    for (size_t i = 0; i < n_q; i++) {
        n[i] = n_pos[i];
        if (n[i] > most) most = n[i];
    }
    if (most == 0) return;

    for (size_t i = 0; i < n_q + n_q % 2; i++) { /* a query that fills up the last tile is zero */
        const size_t used = i < n_q ? head_dim : 0;
        if (used) memcpy(z->q[i], q + i * q_stride, used * sizeof(float));
        memset(z->q[i] + used, 0, (dim - used) * sizeof(float));
        memset(z->sum[i], 0, dim * sizeof(float));
    }
    for (size_t p0 = 0; p0 < most; p0 += STRIP) {
        const size_t rows = in_strip(most, p0);
        load_strip(z, c->k, c->k_scale, kv_type, head_dim, dim, p0, rows);
        for (size_t r0 = 0; r0 < rows; r0 += 4)
            for (size_t i0 = 0; i0 < n_q; i0 += 2) score_tile(z, dim, i0, r0, p0 + r0);
    }
    for (size_t i = 0; i < n_q; i++)
        if (n[i]) glim_attn_softmax_row(z, i, n[i]);

    for (size_t p0 = 0; p0 < most; p0 += STRIP) {
        load_strip(z, c->v, c->v_scale, kv_type, head_dim, dim, p0, in_strip(most, p0));
        for (size_t i0 = 0; i0 < n_q; i0 += 2) {
            const size_t a = in_strip(n[i0], p0), b = in_strip(n[i0 + 1], p0);
            if (a == b) {
                values_2(z, dim, i0, p0, a);
            } else {
                values_1(z, dim, i0, p0, a);
                values_1(z, dim, i0 + 1, p0, b);
            }
        }
    }

    for (size_t i = 0; i < n_q; i++)
        if (n[i]) glim_attn_merge(z, i, acc + i * head_dim, m + i, l + i, head_dim);
}

void glim_avx2_attn_chunk(float *acc, float *m, float *l, const float *q, size_t q_stride,
                          size_t n_q, const size_t *n_pos, const glim_kv_chunk *c,
                          glim_dtype kv_type, size_t head_dim) {
    if (head_dim > DIM_MAX) {
        glim_ref_attn_chunk(acc, m, l, q, q_stride, n_q, n_pos, c, kv_type, head_dim);
        return;
    }
    scratch z;
    for (size_t i = 0; i < n_q; i += QUERIES) {
        const size_t n = n_q - i < QUERIES ? n_q - i : QUERIES;
        if (kv_type == GLIM_BF16 && head_dim % 16 == 0)
            glim_avx2_attn_bf16(&z, acc + i * head_dim, m + i, l + i, q + i * q_stride, q_stride, n, n_pos + i, c,
                                head_dim);
        else if (kv_type == GLIM_I8 && head_dim % 16 == 0)
            glim_avx2_attn_q8(&z, acc + i * head_dim, m + i, l + i, q + i * q_stride, q_stride, n, n_pos + i, c, head_dim);
        else
            attend_block(&z, acc + i * head_dim, m + i, l + i, q + i * q_stride, q_stride, n, n_pos + i, c, kv_type,
                         head_dim);
    }
}
#endif
