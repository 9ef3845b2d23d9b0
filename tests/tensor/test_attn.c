/* test_attn.c - attention over KV chunks: every set against naive double arithmetic on the values
 * that the cache really holds.
 *
 * Tolerance 2e-6 of the largest |v| for scores of ordinary size. A score s is itself only good to
 * about 1e-6 * sum |q k|, and exp turns an absolute error of s into a relative one, so it grows to
 * 4e-6 * max sum |q k| for large scores. Over q8 a set may round queries and weights to 16 bits
 * (cpu/avx2/attn_q8.c): 3e-5 more of random ones, at most 255 * 2^-16 where all small weights of a chunk are lost. */
#include "tensor_test.h"

enum { N_MOST = 3 * GLIM_KV_CHUNK, PAGES = N_MOST / GLIM_KV_PAGE };

typedef struct cache {
    glim_dtype type;
    size_t head_dim, n;
    uint8_t *k[PAGES], *v[PAGES];
    float *ks[PAGES], *vs[PAGES];
    float *kf, *vf; /* [n, head_dim], what the cache holds */
} cache;

/* Positions past n are NaN: nobody may look at them. */
static void cache_init(cache *c, const glim_kernels *k, glim_dtype type, size_t head_dim, size_t n,
                       const float *ks, const float *vs) {
    *c = (cache){.type = type, .head_dim = head_dim, .n = n};
    const size_t size = glim_dtype_of(type)->block_bytes, row = head_dim * size;
    c->kf = mem64(n * head_dim * 4), c->vf = mem64(n * head_dim * 4);
    for (size_t p = 0; p < (n + 63) / 64; p++) {
        c->k[p] = mem64(64 * row), c->v[p] = mem64(64 * row), c->ks[p] = mem64(256),
        c->vs[p] = mem64(256);
        memset(c->k[p], 0xff, 64 * row), memset(c->v[p], 0xff, 64 * row);
        for (int i = 0; i < 64; i++) c->ks[p][i] = c->vs[p][i] = NAN;
    }
    for (size_t i = 0; i < n; i++) {
        uint8_t *kd = c->k[i / 64] + i % 64 * row, *vd = c->v[i / 64] + i % 64 * row;
        float *ksc = &c->ks[i / 64][i % 64], *vsc = &c->vs[i / 64][i % 64];
        k->kv_store(kd, ksc, type, ks + i * head_dim, head_dim);
        k->kv_store(vd, vsc, type, vs + i * head_dim, head_dim);
        glim_dequant(type, kd, c->kf + i * head_dim, head_dim);
        glim_dequant(type, vd, c->vf + i * head_dim, head_dim);
        if (type == GLIM_I8) {
            for (size_t d = 0; d < head_dim; d++) {
                c->kf[i * head_dim + d] *= *ksc;
                c->vf[i * head_dim + d] *= *vsc;
            }
        }
    }
}
static void cache_free(cache *c) {
    for (size_t p = 0; p < PAGES; p++) free(c->k[p]), free(c->v[p]), free(c->ks[p]), free(c->vs[p]);
    free(c->kf), free(c->vf);
}

static glim_kv_chunk chunk_of(const cache *c, size_t first) {
    glim_kv_chunk h = {.n = c->n - first < GLIM_KV_CHUNK ? c->n - first : GLIM_KV_CHUNK};
    for (size_t p = 0; p < (h.n + 63) / 64; p++) {
        h.k[p] = c->k[first / 64 + p], h.v[p] = c->v[first / 64 + p];
        if (c->type == GLIM_I8)
            h.k_scale[p] = c->ks[first / 64 + p], h.v_scale[p] = c->vs[first / 64 + p];
    }
    return h;
}

/* Query i sees its first see[i] positions; out [n_q, head_dim]. Results of all chunks, divided by l. */
static void attend(const glim_kernels *k, const cache *c, const float *q, size_t n_q,
                   const size_t *see, float *out) {
    const size_t hd = c->head_dim;
    float *m = mem64(n_q * 4), *l = mem64(n_q * 4);
    size_t *n_pos = mem64(n_q * sizeof *n_pos);
    memset(out, 0, n_q * hd * 4);
    for (size_t i = 0; i < n_q; i++) m[i] = -INFINITY;
    for (size_t first = 0; first < c->n; first += GLIM_KV_CHUNK) {
        const glim_kv_chunk h = chunk_of(c, first);
        for (size_t i = 0; i < n_q; i++)
            n_pos[i] = see[i] <= first ? 0 : see[i] - first < h.n ? see[i] - first : h.n;
        k->attn_chunk(out, m, l, q, hd, n_q, n_pos, &h, c->type, hd);
    }
    for (size_t i = 0; i < n_q; i++) {
        if (see[i] == 0) CHECK(m[i] == -INFINITY && l[i] == 0);
        for (size_t d = 0; d < hd && see[i]; d++) out[i * hd + d] /= l[i];
    }
    free(m), free(l), free(n_pos);
}

/* Checks query by query against double arithmetic. */
static void check_naive(const char *set, const cache *c, const float *q, size_t n_q, const size_t *see,
                        const float *got) {
    const size_t hd = c->head_dim;
    double *e = mem64(c->n * 8);
    for (size_t i = 0; i < n_q; i++) {
        double max = -INFINITY, sum = 0, size = 0, v_max = 0;
        for (size_t p = 0; p < see[i]; p++) {
            double s = 0, a = 0;
            for (size_t d = 0; d < hd; d++) {
                const double t = (double)q[i * hd + d] * c->kf[p * hd + d];
                s += t, a += fabs(t);
                v_max = fmax(v_max, fabs((double)c->vf[p * hd + d]));
            }
            e[p] = s;
            max = fmax(max, s), size = fmax(size, a);
        }
        for (size_t p = 0; p < see[i]; p++) sum += e[p] = exp(e[p] - max);
        const double tol = (2e-6 + 4e-6 * size + (c->type == GLIM_I8 ? 3e-5 : 0)) * v_max;
        for (size_t d = 0; d < hd; d++) {
            double want = 0;
            for (size_t p = 0; p < see[i]; p++) want += e[p] / sum * c->vf[p * hd + d];
            CHECK_MSG(
                fabs(got[i * hd + d] - want) <= tol,
                "%s %s head_dim %zu query %zu of %zu (%zu positions) dim %zu: got %.9g, want %.9g",
                set, glim_dtype_of(c->type)->name, hd, i, n_q, see[i], d, (double)got[i * hd + d],
                want);
        }
    }
    free(e);
}

static const glim_dtype g_types[] = {GLIM_F32, GLIM_BF16, GLIM_I8};

static void try_one(glim_rng *rng, glim_dtype type, size_t head_dim, size_t n, size_t n_q,
                    float q_sigma, bool masks) {
    float *ks = mem64(n * head_dim * 4), *vs = mem64(n * head_dim * 4);
    float *q = mem64(n_q * head_dim * 4), *out = mem64(n_q * head_dim * 4);
    size_t *see = mem64(n_q * sizeof *see);
    fill_normal(rng, ks, n * head_dim, 1);
    fill_normal(rng, vs, n * head_dim, 1);
    fill_normal(rng, q, n_q * head_dim, q_sigma / sqrtf((float)head_dim));
    for (size_t i = 0; i < n_q; i++) see[i] = masks ? (size_t)(glim_rng_u64(rng) % (n + 1)) : n;
    EACH_SET(k) {
        cache c;
        cache_init(&c, k, type, head_dim, n, ks, vs);
        attend(k, &c, q, n_q, see, out);
        check_naive(k->name, &c, q, n_q, see, out);
        cache_free(&c);
    }
    free(ks), free(vs), free(q), free(out), free(see);
}

TEST(attention_over_any_number_of_positions) {
    const size_t ns[] = {1, 2, 15, 16, 17, 63, 64, 65, 255, 256, 257, 600};
    glim_rng rng = {.seed = 1};
    for (size_t t = 0; t < 3; t++)
        for (size_t i = 0; i < GLIM_COUNT(ns); i++)
            try_one(&rng, g_types[t], 128, ns[i], 1 + i % 5, 1, false);
}

TEST(attention_with_any_head_and_any_number_of_queries) {
    const size_t dims[] = {1, 4, 8, 12, 16, 20, 64, 80, 96, 128, 192, 256, 260};
    const size_t n_qs[] = {1, 2, 3, 4, 5, 12, 16, 17, 33, 40};
    glim_rng rng = {.seed = 2};
    for (size_t t = 0; t < 3; t++) {
        for (size_t i = 0; i < GLIM_COUNT(dims); i++) try_one(&rng, g_types[t], dims[i], 70, 3, 1, true);
        for (size_t i = 0; i < GLIM_COUNT(n_qs); i++)
            try_one(&rng, g_types[t], 64, 300, n_qs[i], 2, true);
    }
}

TEST(attention_with_large_scores) {
    glim_rng rng = {.seed = 3};
    for (size_t t = 0; t < 3; t++) {
        try_one(&rng, g_types[t], 64, 200, 4, 50, true);
        /* Scores of exactly +-1e4: one key decides, or all are equal. */
        enum { HD = 16, N = 40 };
        float ks[N * HD] = {0}, vs[N * HD], q[2 * HD] = {0}, out[2 * HD];
        fill_normal(&rng, vs, N * HD, 1);
        q[0] = 1e4f, q[HD + 1] = -1e4f;
        for (int p = 0; p < N; p++) ks[p * HD] = p == 7 ? 1 : -1, ks[p * HD + 1] = 1;
        const size_t see[2] = {N, N};
        EACH_SET(k) {
            cache c;
            cache_init(&c, k, g_types[t], HD, N, ks, vs);
            attend(k, &c, q, 2, see, out);
            for (int d = 0; d < HD; d++) {
                double mean = 0;
                for (int p = 0; p < N; p++) mean += c.vf[p * HD + d] / N;
                /* Weights over q8 may be codes of their own, which turn back with a rounding or two. */
                const double off = g_types[t] == GLIM_I8 ? 2e-7 * fabs((double)c.vf[7 * HD + d]) : 0;
                CHECK(fabs((double)out[d] - c.vf[7 * HD + d]) <= off);
                CHECK(fabs(out[HD + d] - mean) < (g_types[t] == GLIM_I8 ? 5e-5 : 2e-6));
            }
            cache_free(&c);
        }
    }
}

TEST(sums_of_the_largest_codes_of_q8_keep_their_size) {
    enum { HD = 256, N = GLIM_KV_CHUNK };
    static float ks[N * HD], vs[N * HD], q[HD], out[HD];
    for (size_t i = 0; i < N * HD; i++) ks[i] = i % 2 ? 3 : -3, vs[i] = i % HD < 100 ? -5 : 5;
    for (int sign = -1; sign <= 1; sign += 2) {
        for (int d = 0; d < HD; d++) q[d] = (float)sign * (d % 2 ? 0.1f : -0.1f);
        const size_t see = N;
        EACH_SET(k) {
            cache c;
            cache_init(&c, k, GLIM_I8, HD, N, ks, vs);
            attend(k, &c, q, 1, &see, out);
            for (int d = 0; d < HD; d++)
                CHECK_MSG(fabs((double)out[d] - (d < 100 ? -5 : 5)) < 1e-5, "%s dim %d: %g", k->name, d, (double)out[d]);
            cache_free(&c);
        }
    }
    /* Queries and values too small for an inverse in f32 count as zeros. */
    for (size_t i = 0; i < N * HD; i++) vs[i] = 1e-38f;
    for (int d = 0; d < HD; d++) q[d] = 1e-38f;
    const size_t see = 33;
    EACH_SET(k) {
        cache c;
        cache_init(&c, k, GLIM_I8, HD, N, ks, vs);
        attend(k, &c, q, 1, &see, out);
        for (int d = 0; d < HD; d++) CHECK(fabsf(out[d]) <= 2e-38f);
        cache_free(&c);
    }
}

TEST(what_many_small_weights_beside_a_large_one_lose_is_bounded) {
    enum { HD = 64, N = GLIM_KV_CHUNK };
    static float ks[N * HD], vs[N * HD], q[HD], out[HD];
    for (size_t i = 0; i < N * HD; i++) ks[i] = i % HD == 0 && i >= HD ? -11.3f : 0, vs[i] = 1;
    q[0] = 1;
    const size_t see = N;
    EACH_SET(k) {
        cache c;
        cache_init(&c, k, GLIM_I8, HD, N, ks, vs);
        attend(k, &c, q, 1, &see, out);
        for (int d = 0; d < HD; d++) CHECK_MSG(fabs((double)out[d] - 1) <= 255.0 / 65536, "%s dim %d: %.7f", k->name, d, (double)out[d]);
        cache_free(&c);
    }
}

TEST(a_query_does_not_see_its_company) {
    enum { HD = 80, N = 300, NQ = 37 };
    glim_rng rng = {.seed = 4};
    float *ks = mem64(N * HD * 4), *vs = mem64(N * HD * 4), q[NQ * HD], all[NQ * HD], one[HD];
    size_t see[NQ];
    fill_normal(&rng, ks, N * HD, 1);
    fill_normal(&rng, vs, N * HD, 1);
    fill_normal(&rng, q, NQ * HD, 0.3f);
    for (size_t i = 0; i < NQ; i++) see[i] = i < 20 ? N - i / 4 : (i * 97) % (N + 1);
    for (size_t t = 0; t < 3; t++) {
        EACH_SET(k) {
            cache c, shorter;
            cache_init(&c, k, g_types[t], HD, N, ks, vs);
            attend(k, &c, q, NQ, see, all);
            for (size_t i = 0; i < NQ; i++) {
                attend(k, &c, q + i * HD, 1, see + i, one);
                CHECK_MSG(memcmp(one, all + i * HD, sizeof one) == 0, "%s query %zu alone", k->name, i);
                if (see[i] == 0) continue;
                /* A cache that ends where the query stops seeing. */
                cache_init(&shorter, k, g_types[t], HD, see[i], ks, vs);
                attend(k, &shorter, q + i * HD, 1, see + i, one);
                CHECK_MSG(memcmp(one, all + i * HD, sizeof one) == 0, "%s query %zu, shorter cache",
                          k->name, i);
                cache_free(&shorter);
            }
            cache_free(&c);
        }
    }
    free(ks), free(vs);
}

TEST(queries_may_lie_apart) {
    enum { HD = 20, N = 33, NQ = 6, STRIDE = 50 };
    glim_rng rng = {.seed = 5};
    float ks[N * HD], vs[N * HD], q[NQ * STRIDE], tight[NQ * HD], a[2][NQ * HD];
    fill_normal(&rng, ks, N * HD, 1);
    fill_normal(&rng, vs, N * HD, 1);
    for (int i = 0; i < NQ * STRIDE; i++) q[i] = NAN;
    fill_normal(&rng, tight, NQ * HD, 1);
    for (int i = 0; i < NQ; i++) memcpy(q + i * STRIDE, tight + i * HD, HD * 4);
    EACH_SET(k) {
        cache c;
        cache_init(&c, k, GLIM_F32, HD, N, ks, vs);
        const glim_kv_chunk h = chunk_of(&c, 0);
        const size_t n_pos[NQ] = {N, 0, 5, N, 1, 16};
        for (int s = 0; s < 2; s++) {
            float m[NQ], l[NQ] = {0};
            for (int i = 0; i < NQ; i++) m[i] = -INFINITY;
            for (int i = 0; i < NQ * HD; i++) a[s][i] = 0;
            k->attn_chunk(a[s], m, l, s ? q : tight, s ? STRIDE : HD, NQ, n_pos, &h, GLIM_F32, HD);
        }
        CHECK(memcmp(a[0], a[1], sizeof a[0]) == 0);
        for (int d = 0; d < HD; d++) CHECK(a[0][HD + d] == 0); /* sees nothing: untouched */
        cache_free(&c);
    }
}
