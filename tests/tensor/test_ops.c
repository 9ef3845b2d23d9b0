/* test_ops.c - row operations of every set: exact where they should be, near double arithmetic
 * elsewhere.
 *
 *   rope, add, axpy, kv_store   bit-equal to plain C
 *   rmsnorm                     1e-6 relative to double arithmetic
 *   silu_mul                    4e-7 relative (plus 1e-37: results next to the subnormals)
 * and an element's result does not depend on how many there are. */
#include "base/file.h"
#include "tensor_test.h"

static const size_t g_sizes[] = {1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 100, 576, 1000};

TEST(rmsnorm_is_near_double_arithmetic) {
    glim_rng rng = {.seed = 1};
    EACH_SET(k) {
        for (size_t s = 0; s < GLIM_COUNT(g_sizes); s++) {
            const size_t n = g_sizes[s];
            float x[1000], w[1000], got[1001], want[1000];
            fill_normal(&rng, x, n, s % 3 == 0 ? 1e-3f : 30);
            fill_normal(&rng, w, n, 1);
            double ss = 0;
            for (size_t i = 0; i < n; i++) ss += (double)x[i] * x[i];
            for (size_t i = 0; i < n; i++)
                want[i] = (float)(w[i] * (x[i] / sqrt(ss / (double)n + 1e-5)));
            got[n] = 77;
            k->rmsnorm(got, x, w, n, 1e-5f);
            CHECK_CLOSE(got, want, n, 1e-30, 1e-6);
            CHECK(got[n] == 77);
            k->rmsnorm(x, x, w, n, 1e-5f); /* in place */
            CHECK(memcmp(x, got, n * 4) == 0);
        }
        float x[20000], w[20000], want = 0;
        double ss = 0;
        fill_normal(&rng, x, 20000, 1);
        for (int i = 0; i < 20000; i++) w[i] = 1, ss += (double)x[i] * x[i];
        want = (float)(x[19999] / sqrt(ss / 20000 + 1e-6));
        k->rmsnorm(x, x, w, 20000, 1e-6f);
        CHECK_CLOSE(x + 19999, &want, 1, 0, 1e-6);
    }
}

TEST(rmsnorm_gives_the_reference_output) {
    const char *path = glim_test_data("model-ref-glm-tiny/rms_norm.data");
    if (!path) SKIP("model-ref-glm-tiny is not there");
    glim_err err;
    glim_buf b = {0};
    CHECK_OK(glim_file_read(&b, path, 1 << 20, &err), err);
    CHECK(b.len == 1792); /* weight[64] x[3,64] y[3,64] */
    float v[448], got[64];
    memcpy(v, b.s, b.len);
    glim_buf_free(&b);
    EACH_SET(k) {
        for (int r = 0; r < 3; r++) {
            k->rmsnorm(got, v + 64 + 64 * r, v, 64, 1e-5f);
            CHECK_CLOSE(got, v + 256 + 64 * r, 64, 1e-6, 1e-6);
        }
    }
}

/* Specification 4.4: R = 64 of 128 dims, theta 1e4, position 1. */
TEST(rope_rotates_the_unit_vectors_of_the_specification) {
    float cos1[32], sin1[32];
    for (int j = 0; j < 32; j++) {
        const double a = pow(1e4, -2.0 * j / 64);
        cos1[j] = (float)cos(a);
        sin1[j] = (float)sin(a);
    }
    EACH_SET(k) {
        for (int interleaved = 0; interleaved < 2; interleaved++) {
            const glim_rope_spec s = {.head_dim = 128, .n_rot = 64, .interleaved = interleaved};
            const int partner = interleaved ? 1 : 32;
            float x[2 * 128] = {0}; /* two heads: e0 and e64 */
            x[0] = 1;
            x[128 + 64] = 1;
            k->rope(x, 2, cos1, sin1, s);
            for (int d = 0; d < 128; d++) {
                const double want = d == 0 ? 0.540302 : d == partner ? 0.841471 : 0;
                CHECK_MSG(fabs((double)x[d] - want) < 1e-6, "%s dim %d: %g", k->name, d, (double)x[d]);
                CHECK(x[128 + d] == (d == 64 ? 1.0f : 0.0f));
            }
        }
    }
}

TEST(rope_is_the_same_bits_on_every_set) {
    const size_t n_rots[] = {2, 4, 6, 16, 18, 32, 36, 64, 128};
    glim_rng rng = {.seed = 2};
    for (size_t i = 0; i < GLIM_COUNT(n_rots); i++) {
        for (int interleaved = 0; interleaved < 2; interleaved++) {
            const glim_rope_spec s = {
                .head_dim = n_rots[i] + i % 3, .n_rot = n_rots[i], .interleaved = interleaved};
            float x[3 * 130], c[64], sn[64], want[3 * 130], got[3 * 130];
            fill_normal(&rng, x, GLIM_COUNT(x), 3);
            fill_normal(&rng, c, 64, 1);
            fill_normal(&rng, sn, 64, 1);
            EACH_SET(k) {
                memcpy(got, x, sizeof x);
                k->rope(got, 3, c, sn, s);
                if (set_i == 0) memcpy(want, got, sizeof got);
                CHECK_MSG(memcmp(got, want, sizeof got) == 0, "%s n_rot %zu", k->name, n_rots[i]);
                for (size_t h = 0; h < 3; h++) /* dims past n_rot pass through */
                    for (size_t d = s.n_rot; d < s.head_dim; d++)
                        CHECK(got[h * s.head_dim + d] == x[h * s.head_dim + d]);
            }
        }
    }
}

TEST(silu_is_near_double_arithmetic_everywhere) {
    EACH_SET(k) {
        enum { N = 4001 };
        float g[N], up[N], got[N], want[N];
        for (int i = 0; i < N; i++) {
            g[i] = (float)(i - 2000) * 0.06f; /* -120 .. 120 */
            up[i] = i % 2 ? 1.5f : -0.75f;
            want[i] = (float)(g[i] / (1 + exp(-(double)g[i])) * up[i]);
        }
        k->silu_mul(got, g, up, N);
        for (int i = 0; i < N; i++)
            CHECK_MSG(fabs((double)got[i] - (double)want[i]) <=
                          4e-7 * fabs((double)want[i]) + 1e-35,
                      "%s: silu(%g) = %.9g, want %.9g", k->name, (double)g[i], (double)got[i],
                      (double)want[i]);
        const float big[4] = {1e30f, -1e30f, 0, -0.0f}, one[4] = {1, 1, 1, 1};
        k->silu_mul(got, big, one, 4);
        CHECK(got[0] == 1e30f && got[1] == 0 && got[2] == 0 && got[3] == 0);
        k->silu_mul(g, g, up, 1000); /* in place */
        k->silu_mul(up + 1000, (float[]){NAN}, one, 1);
        CHECK(isnan(up[1000]));
    }
}

TEST(elementwise_results_do_not_depend_on_the_length) {
    glim_rng rng = {.seed = 3};
    float a[1000], b[1000], whole[1000], part[1000];
    fill_normal(&rng, a, 1000, 4);
    fill_normal(&rng, b, 1000, 4);
    EACH_SET(k) {
        k->silu_mul(whole, a, b, 1000);
        for (size_t s = 0; s < GLIM_COUNT(g_sizes); s++) {
            const size_t n = g_sizes[s], at = 1000 - n; /* other lanes, other alignment */
            part[n < 1000 ? n : 0] = 5;
            k->silu_mul(part, a + at, b + at, n);
            CHECK_MSG(memcmp(part, whole + at, n * 4) == 0, "%s n %zu", k->name, n);
            if (n < 1000) CHECK(part[n] == 5);
        }
    }
}

TEST(add_and_axpy_are_the_same_bits_on_every_set) {
    glim_rng rng = {.seed = 4};
    for (size_t s = 0; s < GLIM_COUNT(g_sizes); s++) {
        const size_t n = g_sizes[s];
        float x[1000], y[1000], want[1001], got[1001];
        fill_normal(&rng, x, n, 1);
        fill_normal(&rng, y, n, 1);
        EACH_SET(k) {
            memcpy(got, y, n * 4);
            got[n] = 9;
            k->add(got, x, n);
            k->axpy(got, 0.37f, x, n);
            k->add(got, got, n);
            if (set_i == 0) memcpy(want, got, (n + 1) * 4);
            CHECK_MSG(memcmp(want, got, (n + 1) * 4) == 0, "%s n %zu", k->name, n);
        }
    }
}

TEST(kv_rows_are_the_same_bits_on_every_set) {
    const glim_dtype types[] = {GLIM_F32, GLIM_BF16, GLIM_I8};
    glim_rng rng = {.seed = 5};
    for (size_t t = 0; t < 3; t++) {
        for (size_t s = 0; s < GLIM_COUNT(g_sizes); s++) {
            const size_t n = g_sizes[s], size = glim_dtype_of(types[t])->block_bytes;
            float x[1000], want_scale = 0;
            uint8_t want[4008], got[4008];
            fill_normal(&rng, x, n, 2);
            if (s % 4 == 1) memset(x, 0, sizeof x);
            if (s % 4 == 2) x[0] = 1e-40f; /* a subnormal survives bf16 */
            EACH_SET(k) {
                float scale = 0;
                memset(got, 0xaa, sizeof got);
                k->kv_store(got, types[t] == GLIM_I8 ? &scale : NULL, types[t], x, n);
                if (set_i == 0) {
                    memcpy(want, got, sizeof got);
                    want_scale = scale;
                    for (size_t i = 0; i < n; i++) {
                        float back = 0;
                        glim_dequant(types[t], got + i * size, &back, 1);
                        if (types[t] == GLIM_I8) back *= scale;
                        const double tol = types[t] == GLIM_F32    ? 0
                                           : types[t] == GLIM_BF16 ? 0x1p-8 * fabs((double)x[i])
                                                                   : 0.5001 * (double)scale;
                        CHECK(fabs((double)back - (double)x[i]) <=
                              tol + (types[t] == GLIM_F32 ? 0 : 1e-38));
                    }
                }
                CHECK_MSG(scale == want_scale && memcmp(want, got, sizeof got) == 0, "%s %s n %zu",
                          k->name, glim_dtype_of(types[t])->name, n);
            }
        }
    }
}

TEST(activation_scratch_is_planned_as_it_is_laid_out) {
    const size_t n_ins[] = {1, 33, 576}, n_rows[] = {1, 3, 64};
    for (size_t i = 0; i < 3; i++) {
        for (size_t r = 0; r < 3; r++) {
            for (unsigned forms = 1; forms < 8; forms++) {
                const size_t n = glim_act_bytes(n_rows[r], n_ins[i], forms);
                char *mem = mem64(n + 64);
                float *x = mem64(n_rows[r] * n_ins[i] * 4);
                memset(mem + n, 0x5a, 64);
                glim_act a;
                glim_act_layout(&a, mem, x, n_ins[i], n_rows[r], n_ins[i], forms);
                glim_act_prepare(NULL, glim_kernels_get(), &a, forms);
                for (int b = 0; b < 64; b++) CHECK(mem[n + (size_t)b] == 0x5a);
                CHECK((a.forms & forms) == forms && n % 64 == 0);
                CHECK((forms & ~(unsigned)GLIM_ACT_F32) ? n > 0 : n == 0);
                free(mem), free(x);
            }
        }
    }
}
