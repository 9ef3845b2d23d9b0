/* dp_audit.c - see dp_audit.h. */
#include "train/dp_audit.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/alloc.h"

double glim_audit_exposure(size_t n_better, size_t n_ref, double log2_space) {
    /* With n references the rank is known to within 1/n of the space: the canary itself counts as one. */
    return log2_space - (log2((double)(n_better + 1) / (double)(n_ref + 1)) + log2_space);
}

static double log_pmf(size_t k, size_t n, double q) {
    double a = (double)k, b = (double)(n - k);
    double choose = lgamma((double)n + 1) - lgamma(a + 1) - lgamma(b + 1);
    return choose + (k ? a * log(q) : 0) + (n - k ? b * log1p(-q) : 0);
}

/* P(Binomial(n, q) >= k) */
static double at_least(size_t k, size_t n, double q) {
    double sum = 0;
    for (size_t i = n + 1; i-- > k;) sum += exp(log_pmf(i, n, q));
    return sum < 1 ? sum : 1;
}

/* How likely v right guesses of r are at most, under (eps, delta). */
static double p_value(size_t m, size_t r, size_t v, double eps, double delta) {
    double q = 1 / (1 + exp(-eps)), beta = at_least(v, r, q), alpha = 0, sum = 0;
    for (size_t i = 1; i <= v; i++) {
        sum += exp(log_pmf(v - i, r, q));
        if (sum > (double)i * alpha) alpha = sum / (double)i;
    }
    double p = beta + alpha * delta * 2 * (double)m;
    return p < 1 ? p : 1;
}

static glim_status check(double delta, double confidence, glim_err *err) {
    if (!(delta >= 0 && delta < 1)) return glim_fail(err, GLIM_E_ARG, "delta: got %g, want 0 or more and less than 1", delta);
    if (!(confidence > 0 && confidence < 1)) return glim_fail(err, GLIM_E_ARG, "confidence: got %g, want between 0 and 1", confidence);
    return GLIM_OK;
}

glim_status glim_audit_one_run(double *eps, size_t m, size_t r, size_t v, double delta, double confidence, glim_err *err) {
    *eps = 0;
    if (v > r || r > m || m == 0) return glim_fail(err, GLIM_E_ARG, "%zu right of %zu guesses on %zu canaries cannot be", v, r, m);
    glim_status rc = check(delta, confidence, err);
    if (rc != GLIM_OK) return rc;
    double p = 1 - confidence, lo = 0, hi = 1;
    if (p_value(m, r, v, 0, delta) >= p) return GLIM_OK;
    while (hi < 64 && p_value(m, r, v, hi, delta) < p) lo = hi, hi *= 2;
    for (int i = 0; i < 50; i++) {
        double mid = (lo + hi) / 2;
        if (p_value(m, r, v, mid, delta) < p) lo = mid;
        else hi = mid;
    }
    *eps = lo;
    return GLIM_OK;
}

/* The largest rate under which k or fewer of n are still as likely as alpha. */
static double clopper_pearson_upper(size_t k, size_t n, double alpha) {
    if (k == n) return 1;
    double lo = (double)k / (double)n, hi = 1;
    for (int i = 0; i < 60; i++) {
        double mid = (lo + hi) / 2;
        if (1 - at_least(k + 1, n, mid) > alpha) lo = mid;
        else hi = mid;
    }
    return hi;
}

glim_status glim_audit_rates(double *eps, size_t n_in, size_t fn, size_t n_out, size_t fp, double delta, double confidence, glim_err *err) {
    *eps = 0;
    if (fn > n_in || fp > n_out || n_in == 0 || n_out == 0)
        return glim_fail(err, GLIM_E_ARG, "%zu misses of %zu and %zu false alarms of %zu cannot be", fn, n_in, fp, n_out);
    glim_status rc = check(delta, confidence, err);
    if (rc != GLIM_OK) return rc;
    double alpha = (1 - confidence) / 2, miss = clopper_pearson_upper(fn, n_in, alpha), alarm = clopper_pearson_upper(fp, n_out, alpha);
    double a = 1 - delta - miss > 0 ? log((1 - delta - miss) / alarm) : 0, b = 1 - delta - alarm > 0 ? log((1 - delta - alarm) / miss) : 0;
    double best = a > b ? a : b;
    *eps = best > 0 ? best : 0;
    return GLIM_OK;
}

typedef struct scored {
    double score;
    size_t i;
} scored;

static int by_score(const void *a, const void *b) {
    const scored *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    return x->i < y->i ? -1 : x->i > y->i;
}

glim_status glim_audit_scores(double *eps, const double *score, const unsigned char *in, size_t m, double delta, double confidence,
                              glim_err *err) {
    void *p;
    *eps = 0;
    if (m < 2) return glim_fail(err, GLIM_E_ARG, "%zu canaries, want at least 2", m);
    glim_status rc = check(delta, confidence, err);
    if (rc == GLIM_OK) rc = glim_try_calloc(&p, m, sizeof(scored), "the scores of canaries", err);
    if (rc != GLIM_OK) return rc;
    scored *s = p;
    size_t tries = 0;
    for (size_t i = 0; i < m; i++) {
        s[i] = (scored){score[i], i};
        if (isnan(score[i])) rc = glim_fail(err, GLIM_E_ARG, "the score of canary %zu is not a number", i);
    }
    if (rc == GLIM_OK) qsort(s, m, sizeof *s, by_score);
    for (size_t k = 1; k <= m / 2; k *= 2) tries++;
    for (size_t k = 1; k <= m / 2 && rc == GLIM_OK; k *= 2) {
        size_t right = 0;
        double e;
        for (size_t i = 0; i < k; i++) right += (in[s[i].i] != 0) + (in[s[m - 1 - i].i] == 0);
        rc = glim_audit_one_run(&e, m, 2 * k, right, delta, 1 - (1 - confidence) / (double)tries, err);
        if (rc == GLIM_OK && e > *eps) *eps = e;
    }
    free(p);
    return rc;
}
