/* test_matmul.c - matrix products of every set against plain C.
 *
 * What must hold
 *   every quantized type, and every plain type but bf16: bit-equal to plain C on every set
 *   bf16 on avx2: bit-equal
 *   bf16 on avx512 (activations rounded to bf16, vdpbf16ps): |error| <= (2^-8 + 1e-5) * sum |w x|, and
 *   within 1e-5 * sum |w x| when the activations are bf16 values already
 *   plain C against double arithmetic on the exact weights: 1e-5 * sum |w x|, plus for q8 activations
 *   half a step of each value
 *   results do not depend on thread count, row count, or where outputs and rows are cut */
#include "base/file.h"
#include "tensor/panel.h"
#include "tensor/qblock.h"
#include "tensor_test.h"

static bool same_bits(const float *a, const float *b, size_t n) {
    return memcmp(a, b, n * sizeof *a) == 0;
}

/* bound[r, o] = sum |w| |x|, and exact[r, o] = sum w x in double. */
static void exact_product(const glim_mat *w, const float *x, size_t n_rows, double *exact,
                          double *bound) {
    float *v = mem64(w->n_in * sizeof *v);
    for (size_t o = 0; o < w->n_out; o++) {
        glim_dequant(w->type, (const uint8_t *)w->rows + o * w->row_bytes, v, w->n_in);
        for (size_t r = 0; r < n_rows; r++) {
            double s = 0, a = 0;
            for (size_t i = 0; i < w->n_in; i++) {
                const double p = (double)v[i] * x[r * w->n_in + i];
                s += p;
                a += fabs(p);
            }
            exact[r * w->n_out + o] = s;
            bound[r * w->n_out + o] = a;
        }
    }
    free(v);
}

static bool is_bf16_approx(const glim_kernels *k, glim_dtype t) {
    return k->act_form(t) == GLIM_ACT_BF16;
}

/* One random matrix of the type through every set. */
static void compare_sets(glim_rng *rng, glim_dtype t, size_t n_out, size_t n_in, size_t n_rows,
                         bool with_bias, float x_sigma) {
    glim_mat w = random_mat(rng, t, n_out, n_in);
    const size_t n_y = n_rows * n_out;
    float *x = mem64(n_rows * n_in * 4), *bias = mem64(n_out * 4), *want = mem64(n_y * 4),
          *got = mem64(n_y * 4);
    double *exact = mem64(n_y * 8), *bound = mem64(n_y * 8);
    fill_normal(rng, x, n_rows * n_in, x_sigma);
    if (with_bias) fill_normal(rng, bias, n_out, 1);
    exact_product(&w, x, n_rows, exact, bound);
    EACH_SET(k) {
        void *panels = pack_for(NULL, k, &w);
        for (size_t i = 0; i < n_y; i++) got[i] = NAN;
        product(NULL, k, &w, x, n_rows, with_bias ? bias : NULL, got);
        if (strcmp(k->name, "ref") == 0) memcpy(want, got, n_y * 4);
        for (size_t i = 0; i < n_y; i++) {
            const char *what = glim_dtype_of(t)->name;
            if (is_bf16_approx(k, t))
                CHECK_MSG(fabs((double)got[i] - (double)want[i]) <=
                              (0x1p-8 + 1e-5) * bound[i] + 1e-30,
                          "%s %s n_in %zu [%zu]: got %.9g, want %.9g", k->name, what, n_in, i,
                          (double)got[i], (double)want[i]);
            else
                CHECK_MSG(same_bits(&got[i], &want[i], 1),
                          "%s %s n_in %zu n_out %zu [%zu]: got %.9g, want %.9g", k->name, what,
                          n_in, n_out, i, (double)got[i], (double)want[i]);
        }
        free(panels);
        w.panels = NULL;
    }
    /* The definition itself, against exact weights. An activation is off by at most half a step, and a
     * step is at most a 127th of the row's largest. */
    float x_max = 0;
    for (size_t i = 0; i < n_rows * n_in; i++) x_max = fmaxf(x_max, fabsf(x[i]));
    float *v = mem64(n_in * 4);
    for (size_t o = 0; o < n_out; o++) {
        double w_sum = 0;
        glim_dequant(t, (const uint8_t *)w.rows + o * w.row_bytes, v, n_in);
        for (size_t i = 0; i < n_in; i++) w_sum += fabs((double)v[i]);
        for (size_t r = 0; r < n_rows; r++) {
            const size_t i = r * n_out + o;
            /* With a minimum, s * q and a may cancel in the value but not in their rounding: allow for
             * the larger terms. */
            double tol = 1e-5 * bound[i] + 1e-6 * fabs(exact[i]) +
                         2e-5 * (double)bias[o] * (double)bias[o] + 1e-6;
            if (glim_dtype_of(t)->is_quant) tol += w_sum * (double)x_max * (0.51 / 127 + 1e-4);
            CHECK_MSG(fabs((double)want[i] - (with_bias ? (double)bias[o] : 0) - exact[i]) <= tol,
                      "plain C %s [%zu]: got %.9g, want %.9g, allowed %.3g", glim_dtype_of(t)->name, i,
                      (double)want[i], exact[i], tol);
        }
    }
    free(v);
    free((void *)(uintptr_t)w.rows);
    free(x), free(bias), free(want), free(got), free(exact), free(bound);
}

/* Sanitizers look for other things than numbers, and cost these loops thirty times. */
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

TEST(sets_agree_with_plain_c_on_plain_types_at_odd_sizes) {
    const size_t n_ins[] = {1, 2, 36, 60, 100, 576}, n_outs[] = {1, 15, 17, SANITIZED ? 83 : 331};
    glim_rng rng = {.seed = 1};
    for (glim_dtype t = 0; t < GLIM_Q4_0; t++) {
        const bool integer = t >= GLIM_I8 && t <= GLIM_BOOL;
        for (size_t i = 0; i < GLIM_COUNT(n_ins); i++)
            for (size_t o = 0; o < GLIM_COUNT(n_outs); o++)
                compare_sets(&rng, t, n_outs[o], n_ins[i], integer ? 1 : 1 + (i + o) % 5, o % 2 == 0, 1);
    }
}

TEST(sets_agree_with_plain_c_on_block_types_at_odd_sizes) {
    const size_t n_blocks[] = {1, 2, 3, 18, 44}, n_outs[] = {1, 15, 17, SANITIZED ? 83 : 331};
    glim_rng rng = {.seed = 2};
    for (glim_dtype t = GLIM_Q4_0; t < GLIM_N_DTYPE; t++) {
        const size_t len = glim_dtype_of(t)->block_len;
        for (size_t i = 0; i < GLIM_COUNT(n_blocks) && len * n_blocks[i] < 2000; i++)
            for (size_t o = 0; o < GLIM_COUNT(n_outs); o++)
                compare_sets(&rng, t, n_outs[o], len * n_blocks[i], 1 + (i + o) % 5, o % 2 == 0, 1);
    }
}

/* A matrix of 331 x 1024 has 10,592 blocks of 32 values and 1,324 of 256: as many matrices as it takes to ten thousand
 * blocks of a type, a million in a soak. Every eighth meets as many rows as leave a part of a tile over. */
TEST(sets_agree_with_plain_c_on_ten_thousand_random_blocks) {
    enum { N_OUT = SANITIZED ? 43 : 331, N_IN = 1024 };
    glim_rng rng = {.seed = 3};
    const size_t n_blocks = getenv("GLIM_SOAK") ? 1000000 : SANITIZED ? 1250 : 10000;
    for (glim_dtype t = GLIM_Q4_0; t < GLIM_N_DTYPE; t++) {
        const size_t each = (size_t)N_OUT * N_IN / glim_dtype_of(t)->block_len;
        for (size_t i = 0, n = 0; n < n_blocks; i++, n += each)
            compare_sets(&rng, t, N_OUT, N_IN, i % 8 == 7 ? 9 + i / 8 % 16 : 1 + i % 3, false, 1);
    }
}

/* Tiles share rows out differently for every number of them, and some leave places of a tile empty. */
TEST(sets_agree_with_plain_c_on_every_small_number_of_rows) {
    glim_rng rng = {.seed = 32};
    for (glim_dtype t = GLIM_Q4_0; t < GLIM_N_DTYPE; t++) {
        const bool wide = glim_dtype_of(t)->block_len == 256;
        for (size_t n = 1; n <= 27; n += SANITIZED ? 5 : 1) compare_sets(&rng, t, 33, wide ? 512 : 288, n, n % 2, 1);
    }
}

/* As many rows as a piece of work has, and some that leave a part of a tile over. */
TEST(sets_agree_with_plain_c_on_many_rows) {
    const size_t n_rows[] = {9, 16, 61, 128};
    glim_rng rng = {.seed = 31};
    for (glim_dtype t = 0; t < GLIM_N_DTYPE; t++) {
        if (t > GLIM_BF16 && t < GLIM_Q4_0) continue;
        const bool wide = glim_dtype_of(t)->block_len == 256;
        const size_t n_in = SANITIZED ? (wide ? 256 : 96) : wide ? 768 : 544;
        for (size_t i = 0; i < GLIM_COUNT(n_rows); i++)
            compare_sets(&rng, t, i % 2 ? 40 : 33, n_in, n_rows[i], i == 1, 1);
    }
}

TEST(rows_longer_than_a_segment_of_terms_agree) {
    glim_rng rng = {.seed = 4};
    for (glim_dtype t = 0; t < GLIM_N_DTYPE; t++) {
        if (t > GLIM_BF16 && t < GLIM_Q4_0) continue;
        compare_sets(&rng, t, 17, 8192 + 256, 3, true, 1);
        compare_sets(&rng, t, 17, 3 * 8192, 1, false, 1);
        for (size_t n = 2; n <= 8; n += 3) compare_sets(&rng, t, 33, 2048 + 256, n, true, 1); /* few rows, a bit more than one of theirs */
        if (t < GLIM_Q4_0) continue; /* of these avx2 lays 4,096 blocks out */
        compare_sets(&rng, t, 17, 8192 + 256, 16, false, 1);
        if (!SANITIZED) compare_sets(&rng, t, 17, 16384 + 256, 7, true, 1);
    }
}

/* All codes and activations at their extremes: where 16-bit sums of products would saturate. */
TEST(extreme_codes_and_activations_are_exact) {
    const uint8_t fills[] = {0x00, 0x7f, 0x80, 0x81, 0xff};
    glim_rng rng = {.seed = 5};
    for (glim_dtype t = GLIM_Q4_0; t < GLIM_N_DTYPE; t++) {
        enum { N_IN = 256, N_OUT = 16, N_ROWS = 4 + 13 + 20 };
        for (size_t f = 0; f < GLIM_COUNT(fills); f++) {
            glim_mat w = random_mat(&rng, t, N_OUT, N_IN);
            uint8_t *rows = (uint8_t *)(uintptr_t)w.rows;
            const glim_dtype_info *info = glim_dtype_of(t);
            /* Scales are kept, everything else is filled: the last or first bytes hold them. */
            for (uint8_t *p = rows; p < rows + N_OUT * w.row_bytes; p += info->block_bytes) {
                const bool tail = t == GLIM_Q2_K || t == GLIM_Q3_K || t == GLIM_Q6_K;
                if (tail) memset(p, fills[f], info->block_bytes - 4u + (t != GLIM_Q2_K ? 2 : 0));
                else memset(p + 4, fills[f], info->block_bytes - 4u);
            }
            float x[N_ROWS * N_IN], want[N_ROWS * N_OUT], got[N_ROWS * N_OUT];
            for (int i = 0; i < N_ROWS * N_IN; i++) {
                const float kinds[4] = {1, -1, i % 2 ? 1.0f : -1.0f, i % 32 < 16 ? 3.0f : -3.0f};
                x[i] = kinds[i / N_IN % 4];
            }
            EACH_SET(k) {
                void *panels = pack_for(NULL, k, &w);
                product(NULL, k, &w, x, 4, NULL, got); /* few rows and many go different ways */
                product(NULL, k, &w, x + 4 * N_IN, 13, NULL, got + 4 * N_OUT);
                product(NULL, k, &w, x + 17 * N_IN, 20, NULL, got + 17 * N_OUT);
                if (set_i == 0) memcpy(want, got, sizeof got);
                CHECK_MSG(same_bits(got, want, N_ROWS * N_OUT), "%s %s, all bytes %02x", k->name,
                          info->name, fills[f]);
                free(panels);
                w.panels = NULL;
            }
            free(rows);
        }
    }
}

TEST(bf16_products_of_bf16_activations_differ_only_in_rounding_of_sums) {
    enum { N_IN = 4096, N_OUT = 48, N_ROWS = 9 };
    glim_rng rng = {.seed = 6};
    glim_mat w = random_mat(&rng, GLIM_BF16, N_OUT, N_IN);
    float *x = mem64(N_ROWS * N_IN * 4), got[N_ROWS * N_OUT];
    double exact[N_ROWS * N_OUT], bound[N_ROWS * N_OUT];
    fill_normal(&rng, x, N_ROWS * N_IN, 1);
    for (size_t i = 0; i < N_ROWS * N_IN; i++) x[i] = glim_bf16_to_f32(glim_f32_to_bf16(x[i]));
    exact_product(&w, x, N_ROWS, exact, bound);
    EACH_SET(k) {
        void *panels = pack_for(NULL, k, &w);
        product(NULL, k, &w, x, N_ROWS, NULL, got);
        for (size_t i = 0; i < N_ROWS * N_OUT; i++)
            CHECK_MSG(fabs((double)got[i] - exact[i]) <= 1e-5 * bound[i],
                      "%s [%zu]: got %.9g, want %.9g", k->name, i, (double)got[i], exact[i]);
        free(panels);
        w.panels = NULL;
    }
    free((void *)(uintptr_t)w.rows);
    free(x);
}

/* ---- one arithmetic order ---- */

TEST(results_do_not_depend_on_rows_threads_or_cuts) {
    enum { ROWS_MOST = 37, N_OUT = SANITIZED ? 107 : 331 };
    glim_rng rng = {.seed = 7};
    glim_pool *pools[4] = {NULL};
    for (int n = 1; n < 4; n++) pools[n] = glim_pool_new(n + 1);
    for (glim_dtype t = 0; t < GLIM_N_DTYPE; t++) {
        if (t > GLIM_BF16 && t < GLIM_Q4_0 && t != GLIM_F8_E4M3) continue;
        const bool wide = glim_dtype_of(t)->block_len == 256;
        const size_t n_in = SANITIZED ? (wide ? 256 : 96) : wide ? 768 : 576;
        glim_mat w = random_mat(&rng, t, N_OUT, n_in);
        float *x = mem64(ROWS_MOST * n_in * 4), *want = mem64(ROWS_MOST * N_OUT * 4);
        float *got = mem64(ROWS_MOST * N_OUT * 4), *bias = mem64(N_OUT * 4);
        fill_normal(&rng, x, ROWS_MOST * n_in, 1);
        fill_normal(&rng, bias, N_OUT, 1);
        EACH_SET(k) {
            void *panels = pack_for(pools[3], k, &w);
            const unsigned forms = k->act_form(t);
            glim_act a;
            void *scratch = mem64(glim_act_bytes(ROWS_MOST, n_in, forms));
            glim_act_layout(&a, scratch, x, n_in, ROWS_MOST, n_in, forms);
            glim_act_prepare(pools[2], k, &a, forms);
            glim_matmul_job job = {.y = want, .y_stride = N_OUT, .w = &w, .bias = bias, .x = &a};
            /* The reference: one row and one panel at a time. */
            for (size_t r = 0; r < ROWS_MOST; r++)
                for (size_t o = 0; o < N_OUT; o += GLIM_PANEL)
                    k->matmul(&job, o, N_OUT - o < GLIM_PANEL ? N_OUT - o : GLIM_PANEL, r, 1);
            /* Row counts, alone and through the driver (which lays the activations out anew). */
            for (size_t n = 1; n <= 17; n++) {
                product(NULL, k, &w, x, n, bias, got);
                CHECK_MSG(same_bits(got, want, n * N_OUT), "%s %s: %zu rows", k->name,
                          glim_dtype_of(t)->name, n);
            }
            /* Threads. */
            for (int n = 0; n < 4; n++) {
                product(pools[n], k, &w, x, ROWS_MOST, bias, got);
                CHECK_MSG(same_bits(got, want, ROWS_MOST * N_OUT), "%s %s: %d threads", k->name,
                          glim_dtype_of(t)->name, n + 1);
            }
            /* Cuts of outputs and rows; nothing outside a cut is written. */
            job.y = got;
            for (size_t cut = GLIM_PANEL; cut < N_OUT; cut += 5 * GLIM_PANEL) {
                for (size_t i = 0; i < ROWS_MOST * N_OUT; i++) got[i] = NAN;
                k->matmul(&job, 0, cut, 0, 11);
                CHECK(isnan(got[cut]) && isnan(got[11 * N_OUT]));
                k->matmul(&job, cut, N_OUT - cut, 0, 11);
                k->matmul(&job, cut, N_OUT - cut, 11, ROWS_MOST - 11);
                CHECK(isnan(got[11 * N_OUT + cut - 1]));
                k->matmul(&job, 0, cut, 11, ROWS_MOST - 11);
                CHECK_MSG(same_bits(got, want, ROWS_MOST * N_OUT), "%s %s: cut at %zu", k->name,
                          glim_dtype_of(t)->name, cut);
            }
            free(scratch);
            free(panels);
            w.panels = NULL;
        }
        free((void *)(uintptr_t)w.rows);
        free(x), free(want), free(got), free(bias);
    }
    for (int n = 1; n < 4; n++) glim_pool_free(pools[n]);
}

TEST(many_jobs_run_as_one_loop) {
    enum { N_JOBS = 9, N_IN = 96 };
    glim_rng rng = {.seed = 8};
    glim_pool *pool = glim_pool_new(3);
    EACH_SET(k) {
        glim_mat w[N_JOBS];
        void *panels[N_JOBS], *scratch[N_JOBS];
        float *x[N_JOBS], *y[N_JOBS], *want[N_JOBS];
        glim_act a[N_JOBS];
        glim_matmul_job jobs[N_JOBS];
        const glim_dtype types[] = {GLIM_Q4_0, GLIM_F32, GLIM_Q8_0, GLIM_BF16};
        for (size_t i = 0; i < N_JOBS; i++) {
            const size_t n_rows = i == 4 ? 0 : 1 + i * 40, n_out = 1 + 50 * i; /* one job has no rows */
            w[i] = random_mat(&rng, types[i % 4], n_out, N_IN);
            panels[i] = pack_for(pool, k, &w[i]);
            x[i] = mem64(n_rows * N_IN * 4), y[i] = mem64(n_rows * n_out * 4),
            want[i] = mem64(n_rows * n_out * 4);
            fill_normal(&rng, x[i], n_rows * N_IN, 1);
            const unsigned forms = k->act_form(w[i].type);
            scratch[i] = mem64(glim_act_bytes(n_rows, N_IN, forms));
            glim_act_layout(&a[i], scratch[i], x[i], N_IN, n_rows, N_IN, forms);
            glim_act_prepare(pool, k, &a[i], forms);
            CHECK((a[i].forms & forms) == forms);
            jobs[i] = (glim_matmul_job){.y = y[i], .y_stride = n_out, .w = &w[i], .x = &a[i]};
            if (n_rows) product(NULL, k, &w[i], x[i], n_rows, NULL, want[i]);
        }
        glim_matmul_many(pool, k, jobs, N_JOBS);
        glim_matmul_many(pool, k, jobs, 0);
        for (size_t i = 0; i < N_JOBS; i++) {
            CHECK_MSG(same_bits(y[i], want[i], a[i].n_rows * w[i].n_out), "%s: job %zu", k->name, i);
            free(panels[i]), free(scratch[i]), free(x[i]), free(y[i]), free(want[i]);
            free((void *)(uintptr_t)w[i].rows);
        }
    }
    glim_pool_free(pool);
}

/* ---- bad numbers ---- */

TEST(a_bad_activation_spoils_its_own_row_only) {
    enum { N_IN = 512, N_OUT = 20, N_ROWS = 3 };
    const float bad[] = {NAN, INFINITY, -INFINITY};
    const glim_dtype types[] = {GLIM_F32,  GLIM_F16,  GLIM_BF16, GLIM_Q4_0,
                                GLIM_Q8_0, GLIM_Q4_K, GLIM_Q6_K, GLIM_Q2_K};
    glim_rng rng = {.seed = 9};
    EACH_SET(k) {
        for (size_t t = 0; t < GLIM_COUNT(types); t++) {
            for (size_t b = 0; b < GLIM_COUNT(bad); b++) {
                glim_mat w = random_mat(&rng, types[t], N_OUT, N_IN);
                void *panels = pack_for(NULL, k, &w);
                float x[N_ROWS * N_IN], y[N_ROWS * N_OUT];
                fill_normal(&rng, x, N_ROWS * N_IN, 1);
                x[N_IN + 77] = bad[b];
                product(NULL, k, &w, x, N_ROWS, NULL, y);
                for (int o = 0; o < N_OUT; o++) {
                    CHECK(isfinite(y[o]) && isfinite(y[2 * N_OUT + o]));
                    CHECK_MSG(!isfinite(y[N_OUT + o]), "%s %s", k->name, glim_dtype_of(types[t])->name);
                }
                free(panels);
                free((void *)(uintptr_t)w.rows);
            }
        }
    }
}

/* ---- activation forms ---- */

TEST(activation_forms_are_the_same_bits_on_every_set) {
    const size_t n_ins[] = {1, 15, 31, 32, 33, 60, 100, 576};
    glim_rng rng = {.seed = 10};
    for (size_t i = 0; i < GLIM_COUNT(n_ins); i++) {
        enum { N_ROWS = 5 };
        const size_t n_in = n_ins[i], stride = n_in + 3;
        const unsigned forms = GLIM_ACT_BF16 | GLIM_ACT_Q8;
        float *x = mem64(N_ROWS * stride * 4);
        fill_normal(&rng, x, N_ROWS * stride, 10);
        x[0] = 0;
        x[stride] = 1e-41f; /* a block whose largest is next to nothing */
        if (n_in > 1) x[stride + 1] = NAN;
        for (size_t d = 0; d < n_in; d++) x[3 * stride + d] = 0;
        if (n_in > 1) x[4 * stride] = 0.5f * 127, x[4 * stride + 1] = 127; /* ties */
        const size_t n_bytes = glim_act_bytes(N_ROWS, n_in, forms);
        uint8_t *want = mem64(n_bytes), *got = mem64(n_bytes);
        EACH_SET(k) {
            glim_act a;
            memset(got, 0, n_bytes);
            glim_act_layout(&a, got, x, stride, N_ROWS, n_in, forms);
            k->act_fill(&a, forms, 0, 2);
            k->act_fill(&a, forms, 2, N_ROWS - 2);
            CHECK(a.forms == (forms | GLIM_ACT_F32));
            if (set_i == 0) {
                memcpy(want, got, n_bytes);
                const size_t nb = (n_in + 31) / 32;
                for (size_t r = 0; r < N_ROWS; r++) {
                    for (size_t b = 0; b < nb; b++) {
                        const int8_t *q = a.q8 + (r * nb + b) * 32;
                        const float s = a.q8_scale[r * nb + b];
                        int sum[2] = {0, 0};
                        for (size_t d = 0; d < 32; d++) {
                            sum[d / 16] += q[d];
                            const size_t at = b * 32 + d;
                            if (at >= n_in) CHECK(q[d] == 0);
                            else if (isfinite(s))
                                CHECK(fabs((double)s * q[d] - (double)x[r * stride + at]) <=
                                      0.5001 * (double)s + 1e-35);
                        }
                        CHECK(sum[0] == a.q8_sum[2 * (r * nb + b)] &&
                              sum[1] == a.q8_sum[2 * (r * nb + b) + 1]);
                    }
                }
            }
            /* Bytes, but NaN scales only have to be NaN. */
            const size_t scale_at = (size_t)((uint8_t *)a.q8_scale - got);
            for (size_t b = 0; b < n_bytes; b++) {
                float s;
                memcpy(&s, got + b / 4 * 4, 4);
                if (b >= scale_at && b < scale_at + N_ROWS * ((n_in + 31) / 32) * 4 && isnan(s))
                    continue;
                CHECK_MSG(got[b] == want[b], "%s: n_in %zu byte %zu", k->name, n_in, b);
            }
        }
        free(x), free(want), free(got);
    }
}

/* ---- published vectors ---- */

TEST(a_linear_layer_gives_the_reference_output) {
    const char *path = glim_test_data("model-ref-glm-tiny/linear.data");
    if (!path) SKIP("model-ref-glm-tiny is not there");
    glim_err err;
    glim_buf b = {0};
    CHECK_OK(glim_file_read(&b, path, 1 << 20, &err), err);
    CHECK(b.len == 9472); /* w[32,64] b[32] x[2,64] y[2,32] vec_x[64] vec_y[32] */
    float v[9472 / 4];
    memcpy(v, b.s, b.len);
    glim_buf_free(&b);
    const float *w = v, *bias = w + 32 * 64, *x = bias + 32, *y = x + 128, *vx = y + 64, *vy = vx + 64;
    EACH_SET(k) {
        glim_mat m = {.type = GLIM_F32, .n_out = 32, .n_in = 64, .rows = w, .row_bytes = 256};
        void *panels = pack_for(NULL, k, &m);
        float got[64];
        product(NULL, k, &m, x, 2, bias, got);
        CHECK_CLOSE(got, y, 64, 2e-6, 1e-6);
        product(NULL, k, &m, vx, 1, bias, got);
        CHECK_CLOSE(got, vy, 32, 2e-6, 1e-6);
        free(panels);
    }
}

/* ---- packing ---- */

TEST(packing_in_pieces_gives_the_same_panels_and_carries_the_files_bits) {
    glim_rng rng = {.seed = 12};
    for (glim_dtype t = 0; t < GLIM_N_DTYPE; t++) {
        glim_mat w = random_mat(&rng, t, 37, 512);
        const size_t n = glim_panel_bytes(t, 37, 512);
        CHECK((n == 0) == (t == GLIM_Q8_K));
        if (n) {
            uint8_t *a = mem64(n), *b = mem64(n);
            memset(b, 0xee, n); /* every byte is written */
            glim_panel_pack(a, &w, 0, 3);
            glim_panel_pack(b, &w, 2, 1);
            glim_panel_pack(b, &w, 0, 2);
            CHECK_MSG(memcmp(a, b, n) == 0, "%s", glim_dtype_of(t)->name);
            /* No bytes are added; Q3_K's scales alone are unpacked, and Q8_1 leaves its sums behind. */
            const size_t file_bytes = 48 * w.row_bytes;
            if (t >= GLIM_Q4_0 && t != GLIM_Q3_K && t != GLIM_Q8_1) CHECK(n == file_bytes);
            if (t == GLIM_F32 || t == GLIM_F16 || t == GLIM_BF16) CHECK(n == file_bytes);
            CHECK(n % 64 == 0);
            free(a), free(b);
        }
        free((void *)(uintptr_t)w.rows);
    }
}

TEST(an_unknown_set_is_not_found) {
    CHECK(glim_kernels_find("ref") != NULL);
    CHECK(glim_kernels_find("neon") == NULL);
    CHECK(glim_kernels_get() != NULL);
}
