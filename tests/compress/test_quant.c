/* test_quant.c - what the quantizers write, read back by glim_dequant. */
#include <math.h>
#include <stdlib.h>

#include "base/rng.h"
#include "compress/quant.h"
#include "test.h"

static const glim_dtype g_types[] = {GLIM_Q8_0, GLIM_Q4_0, GLIM_Q4_1, GLIM_Q5_0, GLIM_Q5_1, GLIM_Q2_K, GLIM_Q3_K,
                                     GLIM_Q4_K, GLIM_Q5_K, GLIM_Q6_K, GLIM_IQ4_NL, GLIM_IQ4_XS};
enum { ROW = 1024 };

/* Rows of several kinds: normal, heavy-tailed, with outliers, one-sided, tiny, on a grid, constant. */
static void make_row(float *x, size_t n, uint64_t kind, uint64_t seed) {
    glim_rng r = {.seed = seed * 16 + kind};
    for (size_t i = 0; i < n; i++) {
        double v = glim_rng_normal(&r);
        switch (kind) {
        case 1: v = v * v * v; break;
        case 2: v = i % 97 == 5 ? v * 30 : v; break;
        case 3: v = fabs(v) + 0.5; break;
        case 4: v *= 3e-5; break;
        case 5: v = round(v * 3) / 8; break;
        case 6: v = -0.75; break;
        case 7: v = i / 32 % 2 ? v : 0; break;
        default: break;
        }
        x[i] = (float)(v * 0.05);
    }
}
enum { N_KINDS = 8 };

static double error_of(const float *x, const float *y, const float *w, size_t n) {
    double e = 0;
    for (size_t i = 0; i < n; i++) e += (w ? (double)w[i] : 1) * (double)(x[i] - y[i]) * (double)(x[i] - y[i]);
    return e;
}

static void through(glim_dtype t, const float *x, const float *w, float *y, size_t n) {
    size_t bytes;
    glim_err err;
    CHECK_OK(glim_row_bytes(t, n, &bytes, &err), err);
    unsigned char *b = malloc(bytes + 1);
    b[bytes] = 0x5a;
    glim_quant_row(t, x, w, b, n);
    CHECK_MSG(b[bytes] == 0x5a, "%s: wrote past its row", glim_dtype_of(t)->name);
    glim_dequant(t, b, y, n);
    free(b);
}

/* The absolute-maximum quantizer of a type, as its definition suggests it: every sub-block's scale from its
 * own extremes, rounded to the block's steps, nearest integers. Values as the file would hold them. */
static void plain(glim_dtype t, const float *x, float *y, size_t n) {
    if (glim_quant_simple_can(t)) {
        size_t bytes;
        glim_err err;
        CHECK_OK(glim_row_bytes(t, n, &bytes, &err), err);
        void *b = malloc(bytes);
        glim_quant_simple(t, x, b, n);
        glim_dequant(t, b, y, n);
        free(b);
        return;
    }
    static const float book[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
    bool table = t == GLIM_IQ4_NL || t == GLIM_IQ4_XS, min = t == GLIM_Q2_K || t == GLIM_Q4_K || t == GLIM_Q5_K;
    size_t len = t == GLIM_Q2_K || t == GLIM_Q3_K || t == GLIM_Q6_K ? 16 : 32, block = glim_dtype_of(t)->block_len;
    float lo = t == GLIM_Q3_K ? -4 : t == GLIM_Q6_K ? -32 : -127, hi = t == GLIM_Q6_K ? 31 : 3;
    float top = t == GLIM_Q2_K ? 3 : t == GLIM_Q4_K ? 15 : 31, steps = t == GLIM_Q2_K ? 15 : 63;
    for (size_t b = 0; b < n; b += block) {
        float d[16], m[16], dmax = 0, mmax = 0;
        for (size_t j = 0; j < block / len; j++) {
            const float *s = x + b + j * len;
            float a = 0, z = s[0], h = s[0];
            for (size_t i = 0; i < len; i++) {
                if (fabsf(s[i]) > fabsf(a)) a = s[i];
                z = fminf(z, s[i]), h = fmaxf(h, s[i]);
            }
            z = fminf(z, 0);
            d[j] = min ? (fmaxf(h, z) - z) / top : a / lo;
            m[j] = -z;
            if (fabsf(d[j]) > fabsf(dmax)) dmax = d[j];
            mmax = fmaxf(mmax, m[j]);
        }
        float end = t == GLIM_IQ4_NL ? 1 : min ? steps : t == GLIM_Q6_K ? -128 : -32;
        float D = glim_f16_to_f32(glim_f32_to_f16(dmax / end)), M = glim_f16_to_f32(glim_f32_to_f16(mmax / steps));
        for (size_t j = 0; j < block / len; j++) {
            float s = D * (D != 0 ? roundf(d[j] / D) : 0), a = M * (M != 0 ? roundf(m[j] / M) : 0);
            for (size_t i = b + j * len; i < b + (j + 1) * len; i++) {
                if (table) {
                    int best = 0;
                    for (int k = 1; k < 16; k++)
                        if (fabsf(x[i] - s * book[k]) < fabsf(x[i] - s * book[best])) best = k;
                    y[i] = s * book[best];
                } else if (min) {
                    y[i] = s * (s != 0 ? fminf(fmaxf(roundf((x[i] + a) / s), 0), top) : 0) - a;
                } else {
                    y[i] = s * (s != 0 ? fminf(fmaxf(roundf(x[i] / s), lo), hi) : 0);
                }
            }
        }
    }
}

TEST(no_type_is_worse_than_the_absolute_maximum_by_its_own_measure) {
    float x[ROW], y[ROW], z[ROW], w[ROW];
    for (size_t k = 0; k < GLIM_COUNT(g_types); k++)
        for (uint64_t kind = 0; kind < N_KINDS; kind++) {
            glim_dtype t = g_types[k];
            double ours = 0, simple = 0;
            for (uint64_t seed = 0; seed < 6; seed++) {
                make_row(x, ROW, kind, seed);
                size_t block = glim_dtype_of(t)->block_len;
                for (size_t b = 0; b < ROW; b += block) { /* the stated weights */
                    double sum = 0;
                    for (size_t i = b; i < b + block; i++) sum += (double)x[i] * (double)x[i];
                    for (size_t i = b; i < b + block; i++)
                        w[i] = (float)sqrt(sum / (double)block + (double)x[i] * (double)x[i]);
                }
                through(t, x, NULL, y, ROW);
                plain(t, x, z, ROW);
                double e = error_of(x, y, w, ROW), s = error_of(x, z, w, ROW);
                CHECK_MSG(block != 32 || e <= s * 1.0001 + 1e-30, "%s, rows %d: %g, absolute maximum %g",
                          glim_dtype_of(t)->name, (int)kind, e, s);
                ours += e;
                simple += s;
            }
            CHECK_MSG(ours <= simple * 1.0001 + 1e-30, "%s, rows %d: error %g, absolute maximum %g",
                      glim_dtype_of(t)->name, (int)kind, ours, simple);
            bool searched = kind == 0 && t != GLIM_Q8_0;
            CHECK_MSG(!searched || ours < 0.97 * simple, "%s: error %g, absolute maximum %g: no gain",
                      glim_dtype_of(t)->name, ours, simple);
        }
}

/* Of many levels the luckiest scale may be some levels from the absolute maximum's: the grid must reach it. */
TEST(the_search_reaches_far_enough_where_there_are_many_levels) {
    static const struct {
        glim_dtype t;
        double most; /* of the absolute maximum's squared error */
    } want[] = {{GLIM_Q8_0, 0.81}, {GLIM_Q6_K, 0.783}, {GLIM_Q5_1, 0.79}}; /* 0.838, 0.791, 0.794 in steps of a fifth of a level */
    float x[ROW], y[ROW], z[ROW];
    for (size_t k = 0; k < GLIM_COUNT(want); k++) {
        double ours = 0, simple = 0;
        for (uint64_t seed = 0; seed < 40; seed++) {
            make_row(x, ROW, 0, seed);
            through(want[k].t, x, NULL, y, ROW);
            plain(want[k].t, x, z, ROW);
            ours += error_of(x, y, NULL, ROW);
            simple += error_of(x, z, NULL, ROW);
        }
        CHECK_MSG(ours < want[k].most * simple, "%s: %.4f of the absolute maximum's error", glim_dtype_of(want[k].t)->name,
                  ours / simple);
    }
}

TEST(importance_lowers_the_weighted_error) {
    float x[ROW], y[ROW], z[ROW], w[ROW];
    for (size_t k = 0; k < GLIM_COUNT(g_types); k++) {
        glim_dtype t = g_types[k];
        double with = 0, without = 0;
        for (uint64_t seed = 0; seed < 20; seed++) {
            make_row(x, ROW, seed % 3, seed);
            glim_rng r = {.seed = 1000 + seed};
            for (size_t i = 0; i < ROW; i++) w[i] = (float)exp(2 * glim_rng_normal(&r));
            through(t, x, w, y, ROW);
            through(t, x, NULL, z, ROW);
            with += error_of(x, y, w, ROW);
            without += error_of(x, z, w, ROW);
        }
        CHECK_MSG(with < without, "%s: weighted error %g with importance, %g without", glim_dtype_of(t)->name, with,
                  without);
        CHECK_MSG(t == GLIM_Q8_0 || with < 0.9 * without, "%s: weighted error %g with importance, %g without",
                  glim_dtype_of(t)->name, with, without);
    }
}

/* Of equal importances the large values of a block of q2_k still get the smaller share of the error. */
TEST(four_levels_keep_large_values_beside_importances) {
    float x[ROW], y[ROW], w[ROW];
    for (size_t i = 0; i < ROW; i++) w[i] = 1;
    double large = 0, all = 0;
    size_t n_large = 0;
    for (uint64_t seed = 0; seed < 20; seed++) {
        make_row(x, ROW, 0, seed);
        through(GLIM_Q2_K, x, w, y, ROW);
        all += error_of(x, y, NULL, ROW);
        for (size_t i = 0; i < ROW; i++) {
            if (fabsf(x[i]) <= 0.1f) continue; /* twice the deviation */
            large += error_of(x + i, y + i, NULL, 1);
            n_large++;
        }
    }
    double ratio = large / (double)n_large / (all / 20 / ROW);
    CHECK_MSG(ratio < 1.9, "squared error of a large value %.3f times the mean; 2.484 by the importances alone", ratio);
}

TEST(an_error_stays_below_a_level_of_the_type) {
    /* A wrong bit in any layout would show as an error of the size of the values. */
    float x[ROW], y[ROW];
    static const float most[] = {[GLIM_Q8_0] = 2e-4f, [GLIM_Q4_0] = 2e-2f, [GLIM_Q4_1] = 2e-2f, [GLIM_Q5_0] = 6e-3f,
                                 [GLIM_Q5_1] = 6e-3f, [GLIM_Q2_K] = 0.2f,  [GLIM_Q3_K] = 5e-2f, [GLIM_Q4_K] = 2e-2f,
                                 [GLIM_Q5_K] = 6e-3f, [GLIM_Q6_K] = 2e-3f, [GLIM_IQ4_NL] = 2e-2f,
                                 [GLIM_IQ4_XS] = 2e-2f};
    for (size_t k = 0; k < GLIM_COUNT(g_types); k++) {
        make_row(x, ROW, 0, k);
        through(g_types[k], x, NULL, y, ROW);
        double e = error_of(x, y, NULL, ROW), zero = 0;
        for (size_t i = 0; i < ROW; i++) zero += (double)x[i] * (double)x[i];
        CHECK_MSG(e < (double)most[g_types[k]] * zero, "%s: relative squared error %g",
                  glim_dtype_of(g_types[k])->name, e / zero);
    }
}

TEST(what_is_on_the_grid_already_comes_back_exactly) {
    /* Requantizing a dequantized row must not move it, or every conversion would cost something. */
    static const glim_dtype exact[] = {GLIM_Q8_0, GLIM_Q4_0, GLIM_Q5_0, GLIM_IQ4_NL};
    float x[ROW], y[ROW], z[ROW];
    for (size_t k = 0; k < GLIM_COUNT(exact); k++) {
        make_row(x, ROW, 0, 7);
        plain(exact[k], x, y, ROW);
        through(exact[k], y, NULL, z, ROW);
        CHECK_MSG(error_of(y, z, NULL, ROW) <= 1e-6 * error_of(x, y, NULL, ROW), "%s", glim_dtype_of(exact[k])->name);
    }
}

TEST(zeros_extremes_and_odd_weights_stay_finite) {
    float x[ROW], y[ROW], w[ROW];
    static const float scale[] = {0, 1e-38f, 1e-20f, 1e-7f, 1, 1e4f, 1e7f, 1e15f};
    for (size_t k = 0; k < GLIM_COUNT(g_types); k++)
        for (size_t s = 0; s < GLIM_COUNT(scale); s++)
            for (int weights = 0; weights < 4; weights++) {
                make_row(x, ROW, 2, s);
                for (size_t i = 0; i < ROW; i++) {
                    x[i] *= scale[s];
                    w[i] = weights == 1 ? 0 : weights == 2 ? (i % 7 ? 0 : 1e20f) : 1e-30f;
                }
                through(g_types[k], x, weights ? w : NULL, y, ROW);
                for (size_t i = 0; i < ROW; i++)
                    CHECK_MSG(isfinite(y[i]) && (scale[s] != 0 || y[i] == 0), "%s, scale %g, weights %d: %g at %zu",
                              glim_dtype_of(g_types[k])->name, (double)scale[s], weights, (double)y[i], i);
            }
}

TEST(tiny_groups_with_exact_zeros_have_a_place_in_every_table) {
    /* Where the group's largest value is so small that the inverse of its scale is infinite: 0 times that is no number. */
    static const float peak[] = {2.95e-39f, 1e-38f, -1e-38f, 1e-37f, -1e-37f, 4.3e-37f, 5e-37f};
    float x[ROW], y[ROW];
    for (size_t k = 0; k < GLIM_COUNT(g_types); k++)
        for (size_t s = 0; s < GLIM_COUNT(peak); s++)
            for (size_t every = 1; every <= 32; every *= 2) { /* one group in so many is tiny, the others are not */
                memset(x, 0, sizeof x);
                for (size_t i = 0; i < ROW; i++)
                    if (i / 32 % every == 0) x[i] = i % 32 == 0 ? peak[s] : i % 3 ? 0 : peak[s] / 4;
                    else x[i] = i % 2 ? 0.5f : -0.25f;
                through(g_types[k], x, NULL, y, ROW);
                for (size_t i = 0; i < ROW; i++)
                    CHECK_MSG(fabsf(y[i] - x[i]) < 0.3f, "%s, peak %g, one in %zu: %g at %zu, want %g",
                              glim_dtype_of(g_types[k])->name, (double)peak[s], every, (double)y[i], i, (double)x[i]);
            }
}

TEST(plain_types_pass_through) {
    float x[33], y[33];
    make_row(x, 33, 1, 3);
    through(GLIM_F32, x, NULL, y, 33);
    CHECK(memcmp(x, y, sizeof x) == 0);
    through(GLIM_BF16, x, NULL, y, 33);
    CHECK_CLOSE(y, x, 33, 0, 1.0 / 256);
    through(GLIM_F16, x, NULL, y, 33);
    CHECK_CLOSE(y, x, 33, 1e-7, 1.0 / 2048);
}
