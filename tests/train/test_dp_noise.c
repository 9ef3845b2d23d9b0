/* Sampling and noise of private training: what they depend on, their distributions, the lattice, the key's file. The checks of
 * distribution are of fixed keys: they pass or fail for good. */
#include "train/dp_noise.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "test.h"
#include "train/dp_audit.h"
#include "train/dp_state.h"

static glim_dp_rng *rng(uint8_t seed) {
    uint8_t key[GLIM_DP_KEY_BYTES];
    glim_dp_rng *r;
    glim_err err = {0};
    for (size_t i = 0; i < sizeof key; i++) key[i] = (uint8_t)(seed + 7 * i);
    CHECK_OK(glim_dp_rng_from_key(&r, key, &err), err);
    return r;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

TEST(normals_are_a_function_of_key_step_and_place) {
    enum { N = 3000 };
    glim_dp_rng *a = rng(1), *b = rng(1), *c = rng(2);
    double x[N], y[N], z[N];
    glim_dp_normals(a, 5, 0, N, x);
    for (size_t at = 0, n = 1; at < N; at += n, n = 1 + (n * 7 + 3) % 600) { /* in pieces of any size */
        if (n > N - at) n = N - at;
        glim_dp_normals(b, 5, at, n, y + at);
    }
    CHECK(memcmp(x, y, sizeof x) == 0);
    glim_dp_normals(a, 6, 0, N, y);
    glim_dp_normals(c, 5, 0, N, z);
    size_t same = 0;
    for (size_t i = 0; i < N; i++) same += x[i] == y[i] || x[i] == z[i];
    CHECK(same == 0);
    glim_dp_rng_free(a);
    glim_dp_rng_free(b);
    glim_dp_rng_free(c);
}

TEST(normals_have_the_normal_distribution) {
    enum { N = 200000 };
    void *p;
    glim_err err = {0};
    CHECK_OK(glim_try_calloc(&p, N, sizeof(double), "deviates", &err), err);
    double *x = p, mean = 0, var = 0, kurt = 0, lag = 0, d = 0;
    glim_dp_rng *r = rng(3);
    glim_dp_normals(r, 0, 0, N, x);
    for (size_t i = 0; i < N; i++) mean += x[i] / N, var += x[i] * x[i] / N, kurt += x[i] * x[i] * x[i] * x[i] / N;
    for (size_t i = 0; i + 1 < N; i++) lag += x[i] * x[i + 1] / N;
    CHECK_MSG(fabs(mean) < 4 / sqrt(N) && fabs(var - 1) < 4 * sqrt(2.0 / N) && fabs(kurt - 3) < 4 * sqrt(96.0 / N) && fabs(lag) < 4 / sqrt(N),
              "mean %g variance %g fourth moment %g lag %g", mean, var, kurt, lag);
    qsort(x, N, sizeof *x, by_value); /* Kolmogorov and Smirnov: 1.95 / sqrt(N) is passed by 999 of 1000 */
    for (size_t i = 0; i < N; i++) {
        double f = 0.5 * erfc(-x[i] / sqrt(2)), e = fabs(f - (double)(i + 1) / N);
        if (e > d) d = e;
    }
    CHECK_MSG(d < 1.95 / sqrt(N), "largest distance %g", d);
    free(p);
    glim_dp_rng_free(r);
}

TEST(each_example_is_taken_by_itself_with_probability_q) {
    enum { N = 1000, STEPS = 2000 };
    static size_t picked[N], again[N], times[N];
    const double q = 0.03;
    glim_dp_rng *r = rng(4);
    double mean = 0, var = 0;
    size_t both = 0, empty = 0;
    for (uint64_t s = 0; s < STEPS; s++) {
        size_t k = glim_dp_sample(r, s, N, q, picked);
        CHECK(k == glim_dp_sample(r, s, N, q, again) && memcmp(picked, again, k * sizeof *picked) == 0);
        for (size_t i = 0; i < k; i++) {
            CHECK(picked[i] < N && (i == 0 || picked[i] > picked[i - 1]));
            times[picked[i]]++;
            both += i + 1 < k && picked[i] == 10 && picked[i + 1] == 11;
        }
        mean += (double)k / STEPS;
        var += ((double)k - N * q) * ((double)k - N * q) / STEPS;
    }
    /* The size of a batch is binomial, not fixed: variance n q (1-q). A batch of fixed size has none. */
    CHECK_MSG(fabs(mean - N * q) < 4 * sqrt(N * q / STEPS) && fabs(var / (N * q * (1 - q)) - 1) < 4 * sqrt(2.0 / STEPS), "mean %g variance %g", mean, var);
    for (size_t i = 0; i < N; i++) CHECK(times[i] > 20 && times[i] < 110); /* 60 expected, sd 7.6 */
    CHECK(both < 10); /* 1.8 expected */
    for (uint64_t s = 0; s < 2000; s++) empty += glim_dp_sample(r, s, 20, q, picked) == 0;
    CHECK_MSG(fabs((double)empty / 2000 - pow(1 - q, 20)) < 0.05, "%zu of 2000 steps took nobody", empty);
    CHECK(glim_dp_sample(r, 0, N, 0, picked) == 0 && glim_dp_sample(r, 0, N, 1, picked) == N);
    glim_dp_rng_free(r);
}

TEST(what_comes_out_is_a_lattice_point_whatever_went_in) {
    enum { N = 4000 };
    glim_dp_rng *r = rng(5);
    glim_dp_lattice l;
    glim_err err = {0};
    CHECK_OK(glim_dp_lattice_make(&l, 0.7, 1.5, N, &err), err);
    int e;
    CHECK(frexp(l.g, &e) == 0.5 && l.g <= 0.7 * 0x1p-11 / sqrt(N) && l.g > 0.7 * 0x1p-13 / sqrt(N));
    CHECK(fabs(l.sd * l.g - 0.7 * 1.5 * (1 + 0x1p-10)) < 1e-12);
    float a[N], b[N];
    for (size_t i = 0; i < N; i++) a[i] = (float)sin((double)i) * 0.01f, b[i] = a[i] + (float)l.g * 0.3f;
    CHECK_OK(glim_dp_noise_f32(r, 9, &l, 0, N, a, 1, &err), err);
    CHECK_OK(glim_dp_noise_f32(r, 9, &l, 0, 1001, b, 1, &err), err); /* in two pieces */
    CHECK_OK(glim_dp_noise_f32(r, 9, &l, 1001, N - 1001, b + 1001, 1, &err), err);
    size_t same = 0;
    double var = 0;
    for (size_t i = 0; i < N; i++) {
        double u = (double)a[i] / l.g, v = (double)b[i] / l.g;
        CHECK(u == rint(u) && v == rint(v) && fabs(u - v) <= 1);
        same += u == v;
        var += ((double)a[i] - sin((double)i) * 0.01) * ((double)a[i] - sin((double)i) * 0.01) / N;
    }
    CHECK(same > N / 2); /* 0.3 of a step apart */
    CHECK_MSG(fabs(sqrt(var) / (0.7 * 1.5) - 1) < 4 / sqrt(2.0 * N), "noise of %g, want %g", sqrt(var), 0.7 * 1.5);
    float bad[2] = {0, NAN}, kept[2] = {1, 2};
    CHECK(glim_dp_noise_f32(r, 9, &l, 40, 2, bad, 1, &err) == GLIM_E_ARG && strstr(err.msg, "value 41") && bad[0] == 0);
    bad[1] = INFINITY;
    CHECK(glim_dp_noise_f32(r, 9, &l, 40, 2, bad, 1, &err) == GLIM_E_ARG);
    /* The scale comes last: it divides what is a lattice point. */
    float twice[2] = {1, 2};
    CHECK_OK(glim_dp_noise_f32(r, 1, &l, 0, 2, kept, 1, &err), err);
    CHECK_OK(glim_dp_noise_f32(r, 1, &l, 0, 2, twice, 0.5, &err), err);
    CHECK(twice[0] == kept[0] / 2 && twice[1] == kept[1] / 2);
    CHECK(glim_dp_lattice_make(&l, 0, 1, N, &err) == GLIM_E_ARG && glim_dp_lattice_make(&l, 1, NAN, N, &err) == GLIM_E_ARG);
    glim_dp_rng_free(r);
}

TEST(clipping_never_leaves_more_than_the_clip_norm) {
    CHECK(glim_dp_clip_factor(0.5, 1) == 1 && glim_dp_clip_factor(4, 1) == 0.25 && glim_dp_clip_factor(0, 1) == 1);
    CHECK(glim_dp_clip_factor(NAN, 1) == 0 && glim_dp_clip_factor(INFINITY, 1) == 0);
}

/* ---- the key's file ---- */

static char path[64];
static void fresh_path(void) {
    char dir[] = "/tmp/glim-dp-XXXXXX";
    CHECK(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/key", dir);
}
static void remove_path(void) {
    unlink(path);
    *strrchr(path, '/') = 0;
    rmdir(path);
}

static const glim_dp_binding binding = {.run = "run-1", .data = "abc", .q = 0.01, .sigma = 1.2, .clip = 1, .steps = 100, .n_params = 12345};

TEST(a_state_file_gives_the_same_noise_to_the_same_run_only) {
    glim_dp_rng *a, *b;
    glim_err err = {0};
    struct stat st;
    double x[4], y[4];
    fresh_path();
    CHECK_OK(glim_dp_state_create(&a, path, &binding, &err), err);
    CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
    CHECK_OK(glim_dp_state_open(&b, path, &binding, &err), err);
    glim_dp_normals(a, 3, 0, 4, x);
    glim_dp_normals(b, 3, 0, 4, y);
    CHECK(memcmp(x, y, sizeof x) == 0);
    glim_dp_rng_free(b);
    CHECK(glim_dp_state_create(&b, path, &binding, &err) == GLIM_E_STATE && !b);
    static const struct {
        size_t at;
        const char *what;
    } fields[] = {{offsetof(glim_dp_binding, run), "another run"},       {offsetof(glim_dp_binding, data), "another set of data"},
                  {offsetof(glim_dp_binding, q), "sampling rate"},       {offsetof(glim_dp_binding, sigma), "noise multiplier"},
                  {offsetof(glim_dp_binding, clip), "clip norm"},        {offsetof(glim_dp_binding, steps), "number of steps"},
                  {offsetof(glim_dp_binding, n_params), "trained values"}};
    for (size_t i = 0; i < GLIM_COUNT(fields); i++) {
        glim_dp_binding other = binding;
        ((uint8_t *)&other)[fields[i].at] ^= 1;
        CHECK(glim_dp_state_open(&b, path, &other, &err) == GLIM_E_STATE && !b);
        CHECK_MSG(strstr(err.msg, fields[i].what), "%s", err.msg);
    }
    chmod(path, 0640);
    CHECK(glim_dp_state_open(&b, path, &binding, &err) == GLIM_E_STATE && strstr(err.msg, "may be read by others"));
    chmod(path, 0600);
    CHECK_OK(glim_dp_state_erase(path, &err), err);
    CHECK(stat(path, &st) != 0);
    CHECK_OK(glim_dp_state_erase(path, &err), err);
    CHECK(glim_dp_state_open(&b, path, &binding, &err) == GLIM_E_NOT_FOUND);
    glim_dp_rng_free(a);
    remove_path();
}

TEST(a_damaged_or_foreign_state_is_refused) {
    glim_dp_rng *r;
    glim_err err = {0};
    uint8_t key[GLIM_DP_KEY_BYTES] = {1};
    fresh_path();
    CHECK_OK(glim_dp_state_create_with(&r, path, &binding, key, &err), err);
    glim_dp_rng_free(r);
    glim_buf b = {0};
    CHECK_OK(glim_file_read(&b, path, 1 << 16, &err), err);
    for (size_t i = 0; i < b.len; i += 5) {
        b.s[i] ^= 4;
        int fd = open(path, O_WRONLY | O_TRUNC);
        CHECK(write(fd, b.s, b.len) == (ssize_t)b.len);
        close(fd);
        glim_status rc = glim_dp_state_open(&r, path, &binding, &err);
        CHECK(rc != GLIM_OK && !r);
        b.s[i] ^= 4;
    }
    for (size_t n = 0; n < b.len; n += 31) {
        CHECK(truncate(path, (off_t)n) == 0 || n);
        int fd = open(path, O_WRONLY | O_TRUNC);
        CHECK(write(fd, b.s, n) == (ssize_t)n);
        close(fd);
        CHECK(glim_dp_state_open(&r, path, &binding, &err) == GLIM_E_FORMAT);
    }
    glim_buf_free(&b);
    remove_path();
}

TEST(keys_of_two_runs_are_not_the_same) {
    glim_dp_rng *a, *b;
    glim_err err = {0};
    CHECK_OK(glim_dp_rng_new(&a, &err), err);
    CHECK_OK(glim_dp_rng_new(&b, &err), err);
    CHECK(memcmp(glim_dp_rng_key(a), glim_dp_rng_key(b), GLIM_DP_KEY_BYTES) != 0);
    glim_dp_rng_free(a);
    glim_dp_rng_free(b);
    glim_dp_rng_free(NULL);
}

/* ---- the audit ---- */

TEST(the_audits_bounds_are_those_of_the_papers) {
    double eps;
    glim_err err = {0};
    /* 100 of 100 right, delta 0, 95 %: q^100 = 0.05 has q = 0.970487, eps = log(q / (1-q)) = 3.4926. */
    CHECK_OK(glim_audit_one_run(&eps, 100, 100, 100, 0, 0.95, &err), err);
    CHECK_MSG(fabs(eps - 3.4926) < 1e-3, "%g", eps);
    CHECK_OK(glim_audit_one_run(&eps, 1000, 100, 50, 1e-5, 0.95, &err), err);
    CHECK(eps == 0); /* half right is guessing */
    double with_delta;
    CHECK_OK(glim_audit_one_run(&eps, 1000, 100, 90, 0, 0.95, &err), err);
    CHECK_OK(glim_audit_one_run(&with_delta, 1000, 100, 90, 1e-5, 0.95, &err), err);
    CHECK(eps > 1.5 && eps < log(9) && with_delta < eps && with_delta > 1);
    /* No misses and no alarms of 1000: rates below 0.003682 at 97.5 % each, log((1 - u) / u) = 5.6007. */
    CHECK_OK(glim_audit_rates(&eps, 1000, 0, 1000, 0, 0, 0.95, &err), err);
    CHECK_MSG(fabs(eps - 5.6007) < 1e-3, "%g", eps);
    CHECK_OK(glim_audit_rates(&eps, 1000, 500, 1000, 500, 0, 0.95, &err), err);
    CHECK(eps == 0);
    CHECK(glim_audit_one_run(&eps, 10, 11, 3, 0, 0.95, &err) == GLIM_E_ARG && glim_audit_rates(&eps, 0, 0, 1, 0, 0, 0.95, &err) == GLIM_E_ARG);
    /* Exposure: the best of 1,023 references in a space of 2^20 is known to 10 bits. */
    CHECK(fabs(glim_audit_exposure(0, 1023, 20) - 10) < 1e-12 && fabs(glim_audit_exposure(511, 1023, 20) - 1) < 1e-12);
}

/* A mechanism that is known: each canary adds 1 to its own coordinate, with noise sigma. The attacker sees the coordinates. */
static double audited(double sigma, uint8_t seed) {
    enum { M = 1000 };
    static double score[M];
    static unsigned char in[M];
    glim_dp_rng *r = rng(seed);
    size_t picked[M], k = glim_dp_sample(r, 0, M, 0.5, picked);
    memset(in, 0, sizeof in);
    glim_dp_normals(r, 1, 0, M, score);
    for (size_t i = 0; i < M; i++) score[i] *= sigma;
    for (size_t i = 0; i < k; i++) in[picked[i]] = 1, score[picked[i]] += 1;
    double eps;
    glim_err err = {0};
    CHECK_OK(glim_audit_scores(&eps, score, in, M, 1e-5, 0.95, &err), err);
    glim_dp_rng_free(r);
    return eps;
}

TEST(an_audit_stays_below_what_is_promised_and_finds_out_when_the_noise_is_off) {
    /* One Gaussian step with sigma 2 is (2.13, 1e-5) private or so; the audit may show less, never more. */
    for (uint8_t seed = 20; seed < 30; seed++) CHECK_MSG(audited(2, seed) < 2.5, "seed %u: %g", seed, audited(2, seed));
    CHECK_MSG(audited(0.5, 40) > 1, "%g", audited(0.5, 40)); /* little noise is seen */
    CHECK_MSG(audited(0, 41) > 4, "%g", audited(0, 41));     /* none at all is found out */
}
