/* Accountants against published values and against what other programs compute (tests/fixtures/dp/expected.json, made by
 * tools/oracle/make_dp.py from Opacus, Google's dp-accounting and Microsoft's prv-accountant). */
#include "train/accountant.h"

#include <math.h>

#include "base/alloc.h"
#include "base/json.h"
#include "test.h"

static json_t *expected(void) {
    json_t *v;
    glim_err err = {0};
    CHECK_OK(glim_json_read(&v, glim_test_source("tests/fixtures/dp/expected.json"), 1 << 20, &err), err);
    return v;
}

static double num(const json_t *o, const char *key) {
    const json_t *v = json_object_get(o, key);
    CHECK_MSG(json_is_number(v), "no number \"%s\"", key);
    return json_number_value(v);
}

TEST(renyi_divergence_is_the_integral_and_agrees_with_two_programs) {
    json_t *e = expected();
    const json_t *steps = json_object_get(e, "steps");
    CHECK(json_array_size(steps) > 90);
    size_t n_exact = 0, n_whole = 0;
    for (size_t i = 0; i < json_array_size(steps); i++) {
        const json_t *s = json_array_get(steps, i);
        double q = num(s, "q"), sigma = num(s, "sigma"), order = num(s, "order"), got = glim_rdp_step(q, sigma, order);
        const json_t *exact = json_object_get(s, "exact"), *google = json_object_get(s, "dp_accounting"), *opacus = json_object_get(s, "opacus");
        if (exact) {
            double want = json_number_value(exact);
            n_exact++;
            CHECK_MSG(fabs(got - want) < 1e-8 * want, "q %g sigma %g order %g: got %.12g, the integral is %.12g", q, sigma, order, got, want);
        }
        if (order == floor(order) && order > 1) { /* both have the closed form there */
            if (json_is_number(google)) CHECK_MSG(fabs(got - json_number_value(google)) < 1e-3 * got, "q %g sigma %g order %g: got %.9g, dp-accounting %.9g", q, sigma, order, got, json_number_value(google));
            if (json_is_number(opacus)) CHECK_MSG(fabs(got - json_number_value(opacus)) < 1e-3 * got, "q %g sigma %g order %g: got %.9g, Opacus %.9g", q, sigma, order, got, json_number_value(opacus));
            n_whole++;
        } else if (json_is_number(google)) /* an upper bound at fractional orders */
            CHECK_MSG(got <= 1.001 * json_number_value(google), "q %g sigma %g order %g: got %.9g, dp-accounting %.9g", q, sigma, order, got, json_number_value(google));
    }
    CHECK(n_exact > 40 && n_whole > 40);
    json_decref(e);
}

/* The closed form for whole orders: E[(1 + z)^a] = sum over k of C(a, k) (1-q)^(a-k) q^k exp((k^2 - k) / 2s^2). */
TEST(whole_orders_agree_with_the_binomial_sum) {
    static const double qs[] = {0.5, 0.03, 1e-3, 1e-6}, sigmas[] = {0.6, 1, 5};
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < 3; j++)
            for (int a = 2; a <= 24; a += 11) {
                /* The terms of k = 0 and 1 and the -1 cancel: sum of C(a,k) q^k (1-q)^(a-k) (exp(...) - 1) for k >= 2. */
                double sum = 0;
                for (int k = 2; k <= a; k++)
                    sum += exp(lgamma(a + 1) - lgamma(k + 1) - lgamma(a - k + 1) + k * log(qs[i]) + (a - k) * log1p(-qs[i])) *
                           expm1((double)(k * k - k) / (2 * sigmas[j] * sigmas[j]));
                double want = log1p(sum) / (a - 1), got = glim_rdp_step(qs[i], sigmas[j], a);
                CHECK_MSG(fabs(got - want) <= 1e-9 * want, "q %g sigma %g order %d: got %.15g, want %.15g", qs[i], sigmas[j], a, got, want);
            }
}

TEST(the_gaussian_without_sampling_has_its_closed_form) {
    CHECK(fabs(glim_rdp_step(1, 2, 7) - 7.0 / 8) < 1e-15);
    CHECK(fabs(glim_rdp_step(1 - 1e-12, 2, 7) - 7.0 / 8) < 1e-9);
    CHECK(glim_rdp_step(0, 2, 7) == 0);
    /* delta(eps) of one Gaussian step, Balle and Wang, arXiv:1805.06530: Phi(1/2s - eps s) - e^eps Phi(-1/2s - eps s). */
    double s = 1.3, eps = 2;
    double delta = 0.5 * erfc(-(1 / (2 * s) - eps * s) / sqrt(2)) - exp(eps) * 0.5 * erfc((1 / (2 * s) + eps * s) / sqrt(2));
    glim_pld_bounds b;
    glim_err err = {0};
    CHECK_OK(glim_pld_epsilon(&b, &(glim_dp_phase){1, s, 1}, 1, delta, 0.001, &err), err);
    CHECK_MSG(b.lower <= eps && eps <= b.upper && fabs(b.estimate - eps) < 1e-4 && b.upper - b.lower < 0.01, "%g %g %g", b.lower, b.estimate, b.upper);
    /* Four steps with noise s are one step with s / 2. */
    CHECK_OK(glim_pld_epsilon(&b, &(glim_dp_phase){1, 2 * s, 4}, 1, delta, 0.001, &err), err);
    CHECK_MSG(b.lower <= eps && eps <= b.upper && fabs(b.estimate - eps) < 1e-4, "%g %g %g", b.lower, b.estimate, b.upper);
}

/* Published: the table of tensorflow/privacy's MNIST tutorial (60,000 examples, batches of 256, delta 1e-5), computed by
 * Renyi divergence with the older conversion rdp + log(1/delta) / (a - 1). */
TEST(the_tutorial_of_tensorflow_privacy_has_these_epsilons) {
    static const struct {
        double sigma, epochs, eps;
    } rows[] = {{1.3, 15, 1.19}, {1.1, 60, 3.01}, {0.7, 45, 7.10}};
    for (size_t i = 0; i < GLIM_COUNT(rows); i++) {
        double q = 256.0 / 60000, steps = floor(rows[i].epochs * 60000 / 256), best = 1e9;
        for (int k = 1; k < 152; k++) {
            double a = k < 100 ? 1 + k / 10.0 : k - 88;
            double e = steps * glim_rdp_step(q, rows[i].sigma, a) + log(1e5) / (a - 1);
            if (e < best) best = e;
        }
        CHECK_MSG(fabs(best - rows[i].eps) <= 0.006, "sigma %g: got %.4f, want %.2f", rows[i].sigma, best, rows[i].eps);
    }
}

TEST(epsilon_by_renyi_divergence_is_that_of_opacus_or_a_little_less) {
    json_t *e = expected();
    const json_t *runs = json_object_get(e, "runs");
    for (size_t i = 0; i < json_array_size(runs); i++) {
        const json_t *r = json_array_get(runs, i);
        glim_dp_phase ph = {num(r, "q"), num(r, "sigma"), (uint64_t)num(r, "steps")};
        double eps, order, want = num(r, "opacus_rdp");
        glim_err err = {0};
        CHECK_OK(glim_rdp_epsilon(&eps, &order, &ph, 1, num(r, "delta"), &err), err);
        /* We try more orders: never more, and the same where the best order is one of theirs. */
        CHECK_MSG(eps <= want * 1.001, "run %zu: got %.6f, want at most %.6f", i, eps, want);
        if (order < 62) CHECK_MSG(fabs(eps - want) <= 1e-3 * want, "run %zu: got %.6f at order %g, want %.6f", i, eps, order, want);
    }
    json_decref(e);
}

TEST(bounds_by_the_loss_distribution_lie_within_those_of_two_programs) {
    json_t *e = expected();
    const json_t *runs = json_object_get(e, "runs");
    CHECK(json_array_size(runs) == 8);
    for (size_t i = 0; i < json_array_size(runs); i++) {
        const json_t *r = json_array_get(runs, i);
        glim_dp_phase ph = {num(r, "q"), num(r, "sigma"), (uint64_t)num(r, "steps")};
        glim_pld_bounds b;
        double rdp;
        glim_err err = {0};
        CHECK_OK(glim_pld_epsilon(&b, &ph, 1, num(r, "delta"), 0.05, &err), err);
        CHECK_OK(glim_rdp_epsilon(&rdp, NULL, &ph, 1, num(r, "delta"), &err), err);
        CHECK_MSG(b.lower <= b.estimate && b.estimate <= b.upper && b.upper - b.lower < 0.12 && b.upper <= rdp + 0.1,
                  "run %zu: %g %g %g, rdp %g", i, b.lower, b.estimate, b.upper, rdp);
        /* Their grid has steps of 1e-4. */
        CHECK_MSG(b.estimate >= num(r, "dp_accounting_lower") - 1e-3 && b.estimate <= num(r, "dp_accounting_upper") + 1e-3,
                  "run %zu: %g is outside dp-accounting's [%g, %g]", i, b.estimate, num(r, "dp_accounting_lower"), num(r, "dp_accounting_upper"));
        CHECK_MSG(b.lower <= num(r, "dp_accounting_upper") && b.upper >= num(r, "dp_accounting_lower"), "run %zu: bounds apart", i);
        if (json_object_get(r, "prv_lower"))
            CHECK_MSG(b.estimate >= num(r, "prv_lower") && b.estimate <= num(r, "prv_upper") && fabs(b.estimate - num(r, "prv_estimate")) < 2e-3,
                      "run %zu: %g is not prv-accountant's [%g, %g, %g]", i, b.estimate, num(r, "prv_lower"), num(r, "prv_estimate"), num(r, "prv_upper"));
    }
    json_decref(e);
}

TEST(histories_of_several_kinds_of_steps_compose) {
    glim_dp_phase split[3] = {{0.02, 1.1, 300}, {0.02, 1.1, 700}, {0.05, 3, 0}}, one = {0.02, 1.1, 1000}, mixed[2] = {{0.02, 1.1, 500}, {0.01, 0.9, 500}},
                  weak[2] = {{0.02, 1.1, 500}, {0.01, 5, 500}};
    glim_pld_bounds a, b, c, d;
    double ra, rb;
    glim_err err = {0};
    CHECK_OK(glim_pld_epsilon(&a, split, 3, 1e-5, 0.02, &err), err);
    CHECK_OK(glim_pld_epsilon(&b, &one, 1, 1e-5, 0.02, &err), err);
    CHECK_MSG(fabs(a.estimate - b.estimate) < 1e-5, "%g %g", a.estimate, b.estimate);
    CHECK_OK(glim_pld_epsilon(&c, mixed, 2, 1e-5, 0.02, &err), err);
    CHECK_OK(glim_pld_epsilon(&d, weak, 2, 1e-5, 0.02, &err), err);
    CHECK(d.estimate < c.estimate);
    CHECK_OK(glim_rdp_epsilon(&ra, NULL, mixed, 2, 1e-5, &err), err);
    CHECK(c.upper <= ra + 0.04);
    CHECK_OK(glim_rdp_epsilon(&rb, NULL, split, 3, 1e-5, &err), err);
    CHECK(b.upper <= rb + 0.04);
    CHECK_OK(glim_pld_epsilon(&a, split + 2, 1, 1e-5, 0, &err), err);
    CHECK(a.upper == 0); /* no steps, nothing spent */
}

TEST(noise_is_found_for_a_budget_and_is_no_larger_than_needed) {
    glim_err err = {0};
    glim_pld_bounds b;
    double sigma, less;
    CHECK_OK(glim_dp_calibrate(&sigma, NULL, 0, 0.01, 500, 2, 1e-5, &err), err);
    CHECK_OK(glim_pld_epsilon(&b, &(glim_dp_phase){0.01, sigma, 500}, 1, 1e-5, 0.01, &err), err);
    CHECK_MSG(b.upper <= 2.02 && b.upper > 1.9, "sigma %g spends %g", sigma, b.upper);
    /* Behind a history more noise is needed. */
    glim_dp_phase before = {0.01, sigma, 400};
    CHECK_OK(glim_dp_calibrate(&less, &before, 1, 0.01, 100, 2, 1e-5, &err), err);
    CHECK(less > 0.8 * sigma && less < 1.6 * sigma);
    before.steps = 2000;
    CHECK(glim_dp_calibrate(&less, &before, 1, 0.01, 100, 2, 1e-5, &err) == GLIM_E_LIMIT && strstr(err.msg, "spent before"));
    CHECK(glim_dp_calibrate(&less, NULL, 0, 0.01, 100, 1e-6, 1e-5, &err) == GLIM_E_LIMIT && !strstr(err.msg, "spent before") && strstr(err.hint, "larger epsilon"));
}

TEST(values_out_of_range_are_refused_by_name) {
    glim_err err = {0};
    glim_pld_bounds b;
    double eps;
    CHECK(glim_pld_epsilon(&b, &(glim_dp_phase){1.5, 1, 1}, 1, 1e-5, 0, &err) == GLIM_E_ARG && strstr(err.msg, "sampling rate: got 1.5"));
    CHECK(glim_pld_epsilon(&b, &(glim_dp_phase){0.5, 0.01, 1}, 1, 1e-5, 0, &err) == GLIM_E_ARG && strstr(err.msg, "noise multiplier"));
    CHECK(glim_pld_epsilon(&b, &(glim_dp_phase){0.5, 1, 1}, 1, 0, 0, &err) == GLIM_E_ARG && strstr(err.msg, "delta"));
    CHECK(glim_rdp_epsilon(&eps, NULL, &(glim_dp_phase){0.5, NAN, 1}, 1, 1e-5, &err) == GLIM_E_ARG);
    CHECK(glim_rdp_epsilon(&eps, NULL, &(glim_dp_phase){0.5, 1, 1}, 1, 1, &err) == GLIM_E_ARG);
    CHECK(glim_pld_epsilon(&b, &(glim_dp_phase){0.5, 1, 1u << 30}, 1, 1e-5, 1e-3, &err) == GLIM_E_LIMIT);
    CHECK(glim_dp_calibrate(&eps, NULL, 0, 0.5, 10, -1, 1e-5, &err) == GLIM_E_ARG);
}
