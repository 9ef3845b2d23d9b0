/* test_gemm.c - training's products.
 *
 * What must hold
 *   a tile is glim_dequant's values, bit for bit, for every type on every set, packed or not
 *   f32 products are bit-equal on all sets, for any thread count, and to one fma chain over k
 *   pairs of bf16: |error| <= 2^-7 * sum |a b|
 *   exp within 2 ulp of libm's */
#include "tensor/gemm.h"
#include "tensor/panel.h"
#include "tensor_test.h"

static bool has_panels_or_rows(glim_dtype t) {
    return glim_dtype_of(t)->has_values;
}

TEST(a_tile_is_the_weights_own_values) {
    glim_rng rng = {.seed = 11};
    for (int t = 0; t < GLIM_N_DTYPE; t++) {
        if (!has_panels_or_rows((glim_dtype)t)) continue;
        const size_t n_in = glim_dtype_of((glim_dtype)t)->block_len > 1 ? 512 : 301, n_out = 37;
        glim_mat w = random_mat(&rng, (glim_dtype)t, n_out, n_in);
        float *row = mem64(n_in * 4), *dst = mem64(512 * 20 * 4);
        EACH_SET(k) {
            const glim_gemm_set *s = glim_gemm_of(k);
            CHECK(s && strcmp(s->name, k->name) == 0);
            void *panels = pack_for(NULL, k, &w);
            for (int packed = 0; packed < 2; packed++) {
                glim_mat v = w;
                if (!packed) v.panels = NULL;
                if (packed && !v.panels) continue;
                static const size_t from[] = {0, 32, 160, 288};
                for (size_t f = 0; f < 4; f++)
                    for (size_t p = 0; p < 3; p++) {
                        const size_t n = f == 1 ? 64 : n_in - from[f];
                        for (size_t i = 0; i < 512 * 20; i++) dst[i] = -7;
                        s->tile(dst, 20, &v, p, from[f], n);
                        for (size_t c = 0; c < 16; c++) {
                            const size_t o = 16 * p + c;
                            if (o < n_out) glim_dequant(w.type, (const uint8_t *)w.rows + o * w.row_bytes, row, n_in);
                            for (size_t i = 0; i < n; i++) {
                                const float want = o < n_out ? row[from[f] + i] : 0;
                                CHECK_MSG(dst[i * 20 + c] == want, "%s %s packed %d: row %zu, input %zu is %g, want %g", s->name,
                                          glim_dtype_of(w.type)->name, packed, o, from[f] + i, (double)dst[i * 20 + c], (double)want);
                            }
                        }
                        for (size_t i = 0; i < n; i++) CHECK(dst[i * 20 + 16] == -7); /* nothing beside it */
                    }
            }
            w.panels = NULL;
            free(panels);
        }
        free((void *)w.rows);
        free(row);
        free(dst);
    }
}

TEST(a_tile_has_every_f16_as_it_is_defined) {
    enum { IN = 65536 / 16 };
    uint16_t *v = mem64(65536 * 2);
    float *dst = mem64(IN * 16 * 4);
    for (size_t i = 0; i < 65536; i++) v[i] = (uint16_t)i;
    glim_mat w = {.type = GLIM_F16, .rows = v, .row_bytes = IN * 2, .n_out = 16, .n_in = IN};
    EACH_SET(k) {
        void *panels = pack_for(NULL, k, &w);
        glim_gemm_of(k)->tile(dst, 16, &w, 0, 0, IN);
        for (size_t i = 0; i < 65536; i++) {
            const float want = glim_f16_to_f32((uint16_t)i), got = dst[i % IN * 16 + i / IN];
            CHECK_MSG(memcmp(&got, &want, 4) == 0, "%s: %04zx is %g, want %g", k->name, i, (double)got, (double)want);
        }
        w.panels = NULL;
        free(panels);
    }
    free(v);
    free(dst);
}

/* A [m, k] by strides, B [k, n] by strides: one chain. */
static void chain(const glim_gemm *g, const float *b, size_t b_k, size_t b_n, float *c) {
    for (size_t i = 0; i < g->m; i++)
        for (size_t j = 0; j < g->n; j++) {
            float acc = g->add ? c[i * g->ldc + j] : 0;
            for (size_t p = 0; p < g->k; p++) acc = fmaf(g->a[i * g->a_row + p * g->a_k], b[p * b_k + j * b_n], acc);
            c[i * g->ldc + j] = g->bias ? acc + g->bias[j] : acc;
        }
}

static const struct shape {
    size_t m, n, k;
} g_shapes[] = {{1, 1, 1},     {5, 3, 7},    {13, 70, 33}, {29, 64, 300}, {50, 131, 259}, {3, 200, 513}, {97, 16, 40},
                {97, 837, 16}, {23, 770, 35}, {11, 130, 48}, /* and more blocks of columns than four a thread */
                {200, 70, 301}}; /* many strips, the last one short, and k that no turn of a loop divides */

TEST(products_are_one_chain_on_every_set_and_thread_count) {
    glim_rng rng = {.seed = 12};
    glim_pool *pool = glim_pool_new(3);
    for (size_t x = 0; x < GLIM_COUNT(g_shapes); x++)
        for (int way = 0; way < 5; way++) { /* W; W back; B plain; B turned; A turned */
            const size_t m = g_shapes[x].m, n = g_shapes[x].n, k = g_shapes[x].k, ldc = n + 3;
            const bool add = (x + (size_t)way) % 2, turned_a = way == 4;
            float *a = mem64(m * k * 4), *b = mem64(k * n * 4), *start = mem64(m * ldc * 4), *want = mem64(m * ldc * 4),
                  *got = mem64(m * ldc * 4), *bias = mem64(n * 4);
            fill_normal(&rng, a, m * k, 1), fill_normal(&rng, b, k * n, 1), fill_normal(&rng, start, m * ldc, 1);
            fill_normal(&rng, bias, n, 1);
            glim_gemm g = {.m = m, .n = n, .k = k, .ldc = ldc, .add = add, .a = a, .a_row = turned_a ? 1 : k, .a_k = turned_a ? m : 1};
            if (x % 3 == 0) g.bias = bias;
            glim_mat w = {.type = GLIM_F32, .rows = b};
            size_t b_k = n, b_n = 1;
            if (way == 0) w.n_out = n, w.n_in = k, b_k = 1, b_n = k; /* B[k][n] = W[n][k] */
            if (way == 1) w.n_out = k, w.n_in = n, g.back = true;
            if (way == 3) b_k = 1, b_n = k;
            w.row_bytes = w.n_in * 4;
            memcpy(want, start, m * ldc * 4);
            chain(&g, b, b_k, b_n, want);
            EACH_SET(set) {
                const glim_gemm_set *s = glim_gemm_of(set);
                void *panels = way < 2 ? pack_for(NULL, set, &w) : NULL;
                void *scratch = mem64(glim_gemm_bytes(s, m, k, 3));
                if (way < 2) g.w = &w;
                else g.b = b, g.b_k = b_k, g.b_n = b_n;
                for (int threads = 0; threads < 2; threads++) {
                    memcpy(got, start, m * ldc * 4);
                    g.c = got;
                    glim_gemm_run(threads ? pool : NULL, s, GLIM_GEMM_F32, &g, scratch);
                    CHECK_MSG(memcmp(got, want, m * ldc * 4) == 0, "%s, way %d, [%zu, %zu, %zu], %s", s->name, way, m, n, k,
                              threads ? "3 threads" : "1 thread");
                }
                g.w = NULL, g.b = NULL;
                w.panels = NULL;
                free(panels);
                free(scratch);
            }
            free(a), free(b), free(start), free(want), free(got), free(bias);
        }
    glim_pool_free(pool);
}

/* Products in pairs: within the rounding of both sides to bf16, the same bits for any number of threads. */
static void check_pairs(const glim_kernels *set) {
    const glim_gemm_set *s = glim_gemm_of(set);
    glim_rng rng = {.seed = 13};
    glim_pool *pool = glim_pool_new(2);
    CHECK(s->pairs());
    for (size_t x = 0; x < GLIM_COUNT(g_shapes); x++)
        for (int back = 0; back < 3; back++) { /* W; W back; neither: a gradient of weights, A turned, B plain, added */
            const size_t m = g_shapes[x].m, n = g_shapes[x].n, k = g_shapes[x].k;
            if (back == 2) {
                float *a = mem64(k * m * 4), *b = mem64(k * n * 4), *c = mem64(m * n * 4), *d = mem64(m * n * 4);
                void *scratch = mem64(glim_gemm_bytes(s, m, k, 2));
                fill_normal(&rng, a, k * m, 1), fill_normal(&rng, b, k * n, 1);
                for (size_t i = 0; i < m * n; i++) c[i] = d[i] = 3;
                glim_gemm g = {.m = m, .n = n, .k = k, .c = c, .ldc = n, .add = true, .a = a, .a_row = 1, .a_k = m, .b = b, .b_k = n, .b_n = 1};
                glim_gemm_run(pool, s, GLIM_GEMM_BF16, &g, scratch);
                g.c = d;
                glim_gemm_run(NULL, s, GLIM_GEMM_BF16, &g, scratch);
                CHECK(memcmp(c, d, m * n * 4) == 0);
                for (size_t i = 0; i < m; i++)
                    for (size_t j = 0; j < n; j++) {
                        double sum = 3, size = 3;
                        for (size_t p = 0; p < k; p++) {
                            const double t = (double)a[p * m + i] * b[p * n + j];
                            sum += t, size += fabs(t);
                        }
                        CHECK(fabs(c[i * n + j] - sum) <= size / 128 + 1e-9);
                    }
                free(a), free(b), free(c), free(d), free(scratch);
                continue;
            }
            glim_mat w = random_mat(&rng, GLIM_F32, back ? k : n, back ? n : k);
            void *panels = pack_for(NULL, set, &w);
            const float *v = w.rows;
            float *a = mem64(m * k * 4), *c = mem64(m * n * 4), *d = mem64(m * n * 4);
            void *scratch = mem64(glim_gemm_bytes(s, m, k, 2));
            fill_normal(&rng, a, m * k, 1);
            glim_gemm g = {.m = m, .n = n, .k = k, .c = c, .ldc = n, .a = a, .a_row = k, .a_k = 1, .w = &w, .back = back};
            glim_gemm_run(pool, s, GLIM_GEMM_BF16, &g, scratch);
            g.c = d;
            glim_gemm_run(NULL, s, GLIM_GEMM_BF16, &g, scratch);
            CHECK(memcmp(c, d, m * n * 4) == 0);
            for (size_t i = 0; i < m; i++)
                for (size_t j = 0; j < n; j++) {
                    double sum = 0, size = 0;
                    for (size_t p = 0; p < k; p++) {
                        const double t = (double)a[i * k + p] * (back ? v[p * n + j] : v[j * k + p]);
                        sum += t, size += fabs(t);
                    }
                    CHECK(fabs(c[i * n + j] - sum) <= size / 128 + 1e-9);
                }
            free(a), free(c), free(d), free(scratch), free(panels), free((void *)w.rows);
        }
    glim_pool_free(pool);
}

TEST(pairs_of_bf16_are_within_their_rounding_in_plain_c) {
    CHECK(!glim_gemm_find("ref")->pairs()); /* unless a test says so */
    glim_ref_bf16_pairs = true;
    check_pairs(glim_kernels_find("ref"));
    glim_ref_bf16_pairs = false;
}

#if defined __x86_64__
TEST(pairs_of_bf16_are_within_their_rounding_in_avx512) {
    const glim_kernels *set = glim_kernels_find("avx512");
    if (!set) SKIP("no AVX-512 with BF16 here");
    glim_avx512_bf16_dots = 1;
    check_pairs(set);
    glim_avx512_bf16_dots = -1;
}
#endif

TEST(exp_is_close_to_libm) {
    enum { N = 1000 };
    float x[N], y[N];
    for (int i = 0; i < N; i++) x[i] = -90.0f + 0.18f * (float)i;
    EACH_SET(k) {
        for (size_t n = N - 20; n <= N; n++) {
            memset(y, 0, sizeof y);
            glim_gemm_of(k)->exp(y, x, 1.5f, n);
            for (size_t i = 0; i < N; i++) {
                const double want = i < n ? exp((double)x[i] - 1.5) : 0;
                CHECK(fabs(y[i] - want) <= 4e-7 * want + 1e-37);
            }
        }
    }
}

TEST(silu_back_is_its_formula_in_every_bit) {
    enum { N = 100 };
    glim_rng rng = {.seed = 14};
    float g[N], u[N], d[N], e[N], dgate[N + 1], dup[N + 1];
    fill_normal(&rng, g, N, 8), fill_normal(&rng, u, N, 1), fill_normal(&rng, d, N, 1);
    g[3] = 0, g[4] = 100, g[5] = -100, g[6] = -88, d[7] = 0;
    for (size_t i = 0; i < N; i++) e[i] = -g[i];
    EACH_SET(k) {
        const glim_gemm_set *s = glim_gemm_of(k);
        float ex[N];
        s->exp(ex, e, 0, N);
        for (size_t n = 1; n <= N; n++) {
            memcpy(dgate, d, sizeof d); /* in place */
            dgate[N] = -7;
            for (size_t i = 0; i <= N; i++) dup[i] = -7;
            s->silu_back(dgate, dup, dgate, g, u, n);
            for (size_t i = 0; i < N; i++) {
                const float sig = 1 / (1 + ex[i]), want_up = i < n ? d[i] * g[i] * sig : -7;
                const float want_gate = i < n ? d[i] * u[i] * sig * (1 + g[i] * (1 - sig)) : d[i];
                CHECK_MSG(memcmp(&dup[i], &want_up, 4) == 0 && memcmp(&dgate[i], &want_gate, 4) == 0,
                          "%s, %zu of %zu: %g and %g, want %g and %g", k->name, i, n, (double)dup[i], (double)dgate[i],
                          (double)want_up, (double)want_gate);
            }
            CHECK(dgate[N] == -7 && dup[N] == -7);
        }
    }
}
