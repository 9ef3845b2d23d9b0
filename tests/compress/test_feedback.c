/* test_feedback.c - second moments made into a factor, and rounding that later columns make up for. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/pool.h"
#include "base/rng.h"
#include "compress/factor.h"
#include "compress/quant.h"
#include "test.h"

static const glim_gemm_set *any_set(void) {
    glim_err err = {0};
    CHECK_OK(glim_kernels_init(&err), err);
    return glim_gemm_of(glim_kernels_get());
}

enum { N = 512, ROWS = 300, HIDDEN = 48 };

/* Activations that are alike: mixtures of HIDDEN causes, with a share of their own. h [n, n] = X^T X. */
static void moments(float *h, size_t n, size_t n_hidden, float own, uint64_t seed) {
    glim_rng r = {.seed = seed};
    float *mix = malloc(n * HIDDEN * sizeof *mix), *x = malloc(n * sizeof *x), cause[HIDDEN];
    for (size_t i = 0; i < n * n_hidden; i++) mix[i] = (float)glim_rng_normal(&r);
    memset(h, 0, n * n * sizeof *h);
    for (int t = 0; t < ROWS; t++) {
        for (size_t c = 0; c < n_hidden; c++) cause[c] = (float)glim_rng_normal(&r);
        for (size_t i = 0; i < n; i++) {
            x[i] = own * (float)glim_rng_normal(&r);
            for (size_t c = 0; c < n_hidden; c++) x[i] += mix[i * n_hidden + c] * cause[c];
        }
        for (size_t i = 0; i < n; i++)
            for (size_t j = i; j < n; j++) h[i * n + j] += x[i] * x[j];
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++) h[i * n + j] = h[j * n + i];
    free(mix);
    free(x);
}

static double product_error(const float *h, const float *x, const float *y) {
    double sum = 0;
    for (size_t i = 0; i < N; i++) {
        double e = 0;
        for (size_t j = 0; j < N; j++) e += (double)h[i * N + j] * (double)(x[j] - y[j]);
        sum += e * (double)(x[i] - y[i]);
    }
    return sum;
}

TEST(the_factor_squared_is_the_inverse) {
    enum { M = 70 };
    static float h[M * M], f[M * M], w[M];
    glim_err err = {0};
    moments(h, M, 20, 0.5f, 3);
    memcpy(f, h, sizeof f);
    glim_pool *pool = glim_pool_new(3);
    CHECK_OK(glim_factor(pool, any_set(), f, w, M, &err), err);
    double mean = 0;
    for (size_t i = 0; i < M; i++) mean += (double)h[i * M + i] / M;
    for (size_t i = 0; i < M; i++) { /* (F^T F)(H + 1 % of the mean) is the identity */
        CHECK(fabsf(w[i] * f[i * M + i] * f[i * M + i] - 1) < 1e-5f);
        double inverse[M] = {0};
        for (size_t k = 0; k < M; k++)
            for (size_t j = 0; j < M; j++) inverse[j] += (double)f[k * M + i] * (double)f[k * M + j];
        for (size_t j = 0; j < M; j++) {
            double sum = 0;
            for (size_t k = 0; k < M; k++) sum += inverse[k] * ((double)h[k * M + j] + (k == j ? 0.01 * mean : 0));
            CHECK_MSG(fabs(sum - (i == j)) < 2e-3, "[%zu][%zu]: %g", i, j, sum);
            if (j < i) CHECK(f[i * M + j] == 0);
        }
    }
    memset(f, 0, sizeof f);
    CHECK(glim_factor(pool, any_set(), f, w, M, &err) == GLIM_E_FORMAT);
    f[M + 1] = NAN;
    CHECK(glim_factor(pool, any_set(), f, w, M, &err) == GLIM_E_FORMAT);
    for (size_t i = 0; i < M * M; i++) f[i] = i % (M + 1) ? 2 : 1; /* no rows have such moments */
    CHECK(glim_factor(pool, any_set(), f, w, M, &err) == GLIM_E_FORMAT);
    memcpy(f, h, sizeof f);
    for (long k = 1; k <= 2; k++) {
        glim_alloc_fail_after(k);
        CHECK(glim_factor(pool, any_set(), f, w, M, &err) == GLIM_E_NOMEM);
    }
    glim_alloc_fail_after(0);
    glim_pool_free(pool);
}

/* Several blocks, the first one not whole in any of two ways; the figures of H range over six orders of magnitude. */
TEST(the_factor_is_the_same_bits_on_any_threads_and_set) {
    static const size_t sizes[] = {129, 300, 640};
    static const char *const sets[] = {"ref", "avx2", "avx512"};
    glim_err err = {0};
    for (size_t s = 0; s < GLIM_COUNT(sizes); s++) {
        const size_t n = sizes[s];
        float *h = malloc(n * n * sizeof *h), *f = malloc(n * n * sizeof *f), *w = malloc(n * sizeof *w);
        float *first = NULL, *first_w = malloc(n * sizeof *w);
        moments(h, n, HIDDEN, 0.3f, 11 + s);
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++) h[i * n + j] *= (i % 7 ? 1 : 1e3f) * (j % 7 ? 1 : 1e3f);
        for (size_t k = 0; k < GLIM_COUNT(sets); k++) {
            const glim_gemm_set *set = glim_gemm_find(sets[k]);
            if (!set) continue;
            for (int threads = 1; threads <= 4; threads++) {
                glim_pool *pool = glim_pool_new(threads);
                memcpy(f, h, n * n * sizeof *f);
                for (size_t i = 0; i < n; i++)
                    for (size_t j = 0; j < i; j++) f[i * n + j] = NAN; /* the lower half is not read */
                CHECK_OK(glim_factor(pool, set, f, w, n, &err), err);
                glim_pool_free(pool);
                if (!first) {
                    first = malloc(n * n * sizeof *first);
                    memcpy(first, f, n * n * sizeof *f);
                    memcpy(first_w, w, n * sizeof *w);
                }
                CHECK_MSG(memcmp(first, f, n * n * sizeof *f) == 0, "%s on %d threads: another factor of %zu columns", sets[k], threads, n);
                CHECK(memcmp(first_w, w, n * sizeof *w) == 0);
            }
        }
        /* F H F^T = 1 but for what was added, in units of each row's own scale: against a factor in double. */
        double *r = calloc(n * n, sizeof *r), mean = 0;
        for (size_t i = 0; i < n; i++) mean += (double)h[i * n + i] / (double)n;
        for (size_t j = n; j-- > 0;)
            for (size_t i = 0; i <= j; i++) {
                const size_t a = j - i; /* from the diagonal upwards */
                double sum = (double)h[a * n + j] + (a == j ? 0.01 * mean : 0);
                for (size_t k = j + 1; k < n; k++) sum -= r[a * n + k] * r[j * n + k];
                r[a * n + j] = a == j ? sqrt(sum) : sum / r[j * n + j];
            }
        double worst = 0;
        for (size_t i = 0; i < n; i++) /* rows of F R: the identity */
            for (size_t j = i; j < n; j++) {
                double sum = 0;
                for (size_t k = i; k <= j; k++) sum += (double)first[i * n + k] * r[k * n + j];
                sum = fabs(sum - (i == j));
                worst = sum > worst ? sum : worst;
            }
        CHECK_MSG(worst < 2e-3, "%zu columns: F R differs from the identity by %g", n, worst);
        free(r);
        free(h);
        free(f);
        free(w);
        free(first);
        free(first_w);
    }
}

TEST(alike_columns_make_up_for_each_other) {
    static const glim_dtype types[] = {GLIM_Q8_0, GLIM_Q4_0, GLIM_Q4_1, GLIM_Q5_0, GLIM_Q5_1, GLIM_Q2_K, GLIM_Q3_K,
                                       GLIM_Q4_K, GLIM_Q5_K, GLIM_Q6_K, GLIM_IQ4_NL, GLIM_IQ4_XS};
    float *h = malloc(N * N * sizeof *h), *f = malloc(N * N * sizeof *f), *w = malloc(N * sizeof *w);
    float *own = calloc(N * N, sizeof *own), diag[N], x[N], y[N], z[N], used[N];
    unsigned char a[N * 4 + 1], b[N * 4];
    moments(h, N, HIDDEN, 0.3f, 5);
    memcpy(f, h, N * N * sizeof *f);
    glim_err err = {0};
    glim_pool *pool = glim_pool_new(2);
    CHECK_OK(glim_factor(pool, any_set(), f, w, N, &err), err);
    for (size_t i = 0; i < N; i++) {
        diag[i] = h[i * N + i];
        own[i * N + i] = 1 / sqrtf(diag[i]);
    }
    for (size_t k = 0; k < GLIM_COUNT(types); k++) {
        const glim_dtype t = types[k];
        double plain = 0, fed = 0, alone = 0, alone_plain = 0;
        size_t bytes;
        CHECK_OK(glim_row_bytes(t, N, &bytes, &err), err);
        for (uint64_t seed = 0; seed < 3; seed++) {
            glim_rng r = {.seed = 100 + seed};
            for (size_t i = 0; i < N; i++) x[i] = 0.05f * (float)glim_rng_normal(&r);
            glim_quant_row(t, x, diag, b, N);
            glim_dequant(t, b, z, N);
            plain += product_error(h, x, z);
            memcpy(used, x, sizeof used);
            a[bytes] = 0x5a;
            glim_quant_row_feedback(t, used, w, f, a, N);
            CHECK(a[bytes] == 0x5a);
            glim_dequant(t, a, y, N);
            fed += product_error(h, x, y);
            /* Columns that have nothing in common: nothing is handed on, only scales are looked at again. */
            memcpy(used, x, sizeof used);
            glim_quant_row_feedback(t, used, diag, own, a, N);
            CHECK(memcmp(used, x, sizeof used) == 0);
            glim_dequant(t, a, y, N);
            for (size_t i = 0; i < N; i++) {
                alone += (double)diag[i] * (double)(x[i] - y[i]) * (double)(x[i] - y[i]);
                alone_plain += (double)diag[i] * (double)(x[i] - z[i]) * (double)(x[i] - z[i]);
            }
        }
        CHECK_MSG(fed < 0.5 * plain, "%s: error of the product %g with feedback, %g without", glim_dtype_of(t)->name, fed, plain);
        CHECK_MSG(alone <= 1.0001 * alone_plain, "%s: %g alone, %g without feedback", glim_dtype_of(t)->name, alone, alone_plain);
    }
    glim_pool_free(pool);
    free(h);
    free(f);
    free(w);
    free(own);
}
