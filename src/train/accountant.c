/* accountant.c - Renyi divergence of sampled Gaussian steps, and noise for a budget. See accountant.h.
 *
 * With mu0 = N(0, s^2), mu1 = N(1, s^2) and mu = (1-q) mu0 + q mu1, a step's divergence of order a is
 *   log E_{x ~ mu0} [(mu(x) / mu0(x))^a] / (a - 1),   mu/mu0 = 1 + q (exp((2x - 1) / 2s^2) - 1) = 1 + z(x).
 * The integrand is analytic in a strip of half width pi s^2 and falls as a Gaussian, so the trapezoid rule converges
 * faster than any power of its step: s/16 (or s^2/16) leaves rounding only. Because E[z] = 0, the integral of
 * (1+z)^a - 1 - a z is the same as that of (1+z)^a - 1, and loses no digits when q is small. */
#include "train/accountant.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"

glim_status glim_dp_check(const glim_dp_phase *ph, size_t n, glim_err *err) {
    if (n > GLIM_DP_MAX_PHASES) return glim_fail(err, GLIM_E_ARG, "%zu kinds of steps, want at most %d", n, GLIM_DP_MAX_PHASES);
    for (size_t i = 0; i < n; i++) {
        if (!(ph[i].q >= 0 && ph[i].q <= 1)) return glim_fail(err, GLIM_E_ARG, "sampling rate: got %g, want 0 to 1", ph[i].q);
        if (!(ph[i].sigma >= GLIM_DP_SIGMA_MIN && ph[i].sigma <= GLIM_DP_SIGMA_MAX))
            return glim_fail(err, GLIM_E_ARG, "noise multiplier: got %g, want %g to %g", ph[i].sigma, GLIM_DP_SIGMA_MIN, GLIM_DP_SIGMA_MAX);
        if (ph[i].steps > (uint64_t)1 << 32) return glim_fail(err, GLIM_E_ARG, "%llu steps, want at most 2^32", (unsigned long long)ph[i].steps);
    }
    return GLIM_OK;
}

static glim_status check_delta(double delta, glim_err *err) {
    return delta > 0 && delta < 1 ? GLIM_OK : glim_fail(err, GLIM_E_ARG, "delta: got %g, want more than 0 and less than 1", delta);
}

/* (1+z)^a - 1 - a z for z > -1. */
static double remainder_of(double z, double a) {
    if (fabs(z) < 1e-5) return a * (a - 1) / 2 * z * z * (1 + (a - 2) / 3 * z * (1 + (a - 3) / 4 * z));
    return expm1(a * log1p(z)) - a * z;
}

static double integrate(double q, double sigma, double a) {
    double s2 = sigma * sigma;
    if (q == 0) return 0;
    if (q == 1) return a / (2 * s2);
    double h = (sigma < 1 ? s2 : sigma) / 16;
    /* The integrand's mass lies between those of mu0 and of mu0 tilted by a. */
    double from = -13 * sigma, to = a + 13 * sigma, sum = 0;
    /* The largest the integrand gets is at most exp(a(a-1)/2s2): beyond the range of doubles it is summed by its
     * logarithm, where the leading 1 does not matter. */
    if (a * (a - 1) / (2 * s2) < 600) {
        for (double x = from; x <= to; x += h) {
            double z = q * expm1((2 * x - 1) / (2 * s2)), e = a * log1p(z), f = x * x / (2 * s2);
            /* Far out the first term is all there is, and may be too large without the density beside it. */
            sum += e > 30 ? exp(e - f) - (1 + a * z) * exp(-f) : remainder_of(z, a) * exp(-f);
        }
        return log1p(sum * h / (sigma * sqrt(2 * M_PI))) / (a - 1);
    }
    double top = -INFINITY;
    for (int pass = 0; pass < 2; pass++)
        for (double x = from; x <= to; x += h) {
            double u = (2 * x - 1) / (2 * s2), e = u > 40 ? u + log(q) + log1p((1 - q) / q * exp(-u)) : log1p(q * expm1(u));
            double f = a * e - x * x / (2 * s2);
            if (pass == 0) top = f > top ? f : top;
            else sum += exp(f - top);
        }
    return (top + log(sum * h / (sigma * sqrt(2 * M_PI)))) / (a - 1);
}

/* A run asks for the same step after each of its steps, with another number of them: what was integrated is remembered. */
double glim_rdp_step(double q, double sigma, double a) {
    static _Thread_local struct {
        double q, sigma, a, value; /* all zero: empty, no order is 0 */
    } known[512];
    uint64_t bits[3] = {0};
    memcpy(&bits[0], &q, 8), memcpy(&bits[1], &sigma, 8), memcpy(&bits[2], &a, 8);
    const size_t at = (size_t)(((bits[0] * 31 + bits[1]) * 31 + bits[2]) * 0x9e3779b97f4a7c15u >> 55);
    if (known[at].q != q || known[at].sigma != sigma || known[at].a != a) {
        known[at].value = integrate(q, sigma, a);
        known[at].q = q, known[at].sigma = sigma, known[at].a = a;
    }
    return known[at].value;
}

/* Order number i, 0 when there are no more. */
static double order_at(size_t i) {
    if (i < 99) return 1.1 + 0.1 * (double)i; /* 1.1 ... 10.9 */
    i -= 99;
    if (i < 52) return 12 + (double)i; /* 12 ... 63 */
    i -= 52;
    return i < 61 ? 64 + 16 * (double)i : 0; /* 64 ... 1024 */
}

enum { N_ORDERS = 99 + 52 + 61, COARSE = 8 };

static double eps_by_order(const glim_dp_phase *ph, size_t n, double delta, size_t i) {
    const double a = order_at(i);
    double rdp = 0;
    for (size_t k = 0; k < n; k++)
        if (ph[k].steps) rdp += (double)ph[k].steps * glim_rdp_step(ph[k].q, ph[k].sigma, a);
    return rdp + log1p(-1 / a) - (log(delta) + log(a)) / (a - 1);
}

/* Epsilon falls with the order and then rises: every eighth order, then between. Any order is a bound, so where it does not,
 * a worse one is given and none that is wrong. */
glim_status glim_rdp_epsilon(double *eps, double *order, const glim_dp_phase *ph, size_t n, double delta, glim_err *err) {
    glim_status rc = glim_dp_check(ph, n, err);
    if (rc == GLIM_OK) rc = check_delta(delta, err);
    if (rc != GLIM_OK) return rc;
    double best = INFINITY, spent = 0;
    size_t at = 0;
    for (size_t k = 0; k < n; k++) spent += ph[k].q * (double)ph[k].steps;
    for (size_t i = 0; i < N_ORDERS; i += COARSE) {
        const double e = eps_by_order(ph, n, delta, i);
        if (e < best) best = e, at = i;
        /* Past the best order epsilon only rises; the large orders are the dear ones. */
        if (i > 99 && e > 4 * best + 1) break;
    }
    for (size_t by = COARSE / 2; by > 0; by /= 2) {
        const size_t mid = at;
        for (int side = 0; side < 2; side++) {
            if (side ? mid + by >= N_ORDERS : mid < by) continue;
            const size_t i = side ? mid + by : mid - by;
            const double e = eps_by_order(ph, n, delta, i);
            if (e < best) best = e, at = i;
        }
    }
    *eps = spent == 0 ? 0 : best > 0 ? best : 0;
    if (order) *order = best < INFINITY ? order_at(at) : 0;
    return GLIM_OK;
}

glim_status glim_dp_epsilon(double *eps, const glim_dp_phase *ph, size_t n, double delta, double about, glim_err *err) {
    glim_pld_bounds b;
    *eps = INFINITY;
    glim_status rc = glim_rdp_epsilon(eps, NULL, ph, n, delta, err);
    double grid = *eps > 1 ? 0.01 * *eps : 0.01;
    if (about > 0 && grid > 0.01 * about) grid = 0.01 * about;
    if (rc == GLIM_OK) rc = glim_pld_epsilon(&b, ph, n, delta, grid, err);
    if (rc == GLIM_OK && b.upper < *eps) *eps = b.upper;
    if (rc == GLIM_E_LIMIT && err) glim_err_clear(err); /* what the grid cannot hold, the coarser accountant still bounds */
    return rc == GLIM_E_LIMIT ? GLIM_OK : rc;
}

/* ---- noise for a budget ---- */

/* What is spent with sigma for the last phase: the upper bound, to about a hundredth of eps; or, where it is proved to be more than
 * eps, roughly how much. Far from the budget losses are wide and a fine grid would be dear. */
static glim_status spent_with(double *spent, glim_dp_phase *all, size_t n, double sigma, double eps, double delta, glim_err *err) {
    glim_pld_bounds b;
    double rdp;
    all[n - 1].sigma = sigma;
    glim_status rc = glim_rdp_epsilon(&rdp, NULL, all, n, delta, err);
    if (rc != GLIM_OK) return rc;
    *spent = INFINITY;
    if (rdp > 1.5 * eps) {
        rc = glim_pld_epsilon(&b, all, n, delta, 0.1 * rdp, err);
        if (rc == GLIM_OK && b.lower > eps) {
            *spent = b.estimate;
            return GLIM_OK;
        }
    }
    if (rc == GLIM_OK) rc = glim_pld_epsilon(&b, all, n, delta, 0.01 * eps, err);
    if (rc == GLIM_OK) *spent = b.upper;
    if (rc == GLIM_E_LIMIT && err) glim_err_clear(err); /* too wide for the grid: not proved, so not enough */
    return rc == GLIM_E_LIMIT ? GLIM_OK : rc;
}

glim_status glim_dp_calibrate(double *sigma, const glim_dp_phase *ph, size_t n, double q, uint64_t steps, double eps, double delta,
                              glim_err *err) {
    glim_dp_phase all[GLIM_DP_MAX_PHASES];
    if (n + 1 > GLIM_DP_MAX_PHASES) return glim_fail(err, GLIM_E_ARG, "%zu kinds of steps, want at most %d", n, GLIM_DP_MAX_PHASES - 1);
    for (size_t i = 0; i < n; i++) all[i] = ph[i];
    all[n] = (glim_dp_phase){q, 1, steps};
    glim_status rc = glim_dp_check(all, n + 1, err);
    if (rc == GLIM_OK) rc = check_delta(delta, err);
    if (rc == GLIM_OK && !(eps > 0 && eps <= 1000)) rc = glim_fail(err, GLIM_E_ARG, "epsilon: got %g, want more than 0 and at most 1000", eps);
    if (rc != GLIM_OK) return rc;
    double e, hi, lo = GLIM_DP_SIGMA_MIN;
    rc = spent_with(&e, all, n + 1, GLIM_DP_SIGMA_MAX, eps, delta, err);
    if (rc != GLIM_OK) return rc;
    if (e > eps) {
        glim_fail(err, GLIM_E_LIMIT, "no noise up to %g is enough for epsilon %g at delta %g%s", GLIM_DP_SIGMA_MAX, eps, delta,
                  n ? ": what was spent before leaves too little" : "");
        glim_err_hint(err, "a larger epsilon, fewer steps or a lower sampling rate");
        return GLIM_E_LIMIT;
    }
    double e_lo = INFINITY, e_hi = e;
    for (hi = 0.5; hi < GLIM_DP_SIGMA_MAX; hi *= 2) {
        rc = spent_with(&e, all, n + 1, hi, eps, delta, err);
        if (rc != GLIM_OK) return rc;
        if (e <= eps) {
            e_hi = e;
            break;
        }
        lo = hi;
        e_lo = e;
    }
    if (hi > GLIM_DP_SIGMA_MAX) hi = GLIM_DP_SIGMA_MAX;
    /* Invariant: hi is enough and spends e_hi; lo is not and spends e_lo, unless it is the least there is. Epsilon is nearly a
     * power of sigma between them, so the next guess lies on the line through their logarithms, a little to the safe side. */
    for (int i = 0; i < 40 && hi - lo > 2e-4 * hi && e_hi <= 0.999 * eps; i++) {
        double mid = sqrt(lo * hi);
        if (e_lo < INFINITY && e_hi > 0 && i % 4 != 3) /* every fourth time the middle: the line may be a bad guide */
            mid = 1.0003 * exp(log(lo) + (log(e_lo) - log(eps)) / (log(e_lo) - log(e_hi)) * (log(hi) - log(lo)));
        if (!(mid > lo * 1.0001 && mid < hi * 0.9999)) mid = sqrt(lo * hi);
        rc = spent_with(&e, all, n + 1, mid, eps, delta, err);
        if (rc != GLIM_OK) return rc;
        if (e <= eps) hi = mid, e_hi = e;
        else lo = mid, e_lo = e;
    }
    double scale = pow(10, 3 - floor(log10(hi)));
    /* Bounds on a grid are not quite monotone: what is given out is tried itself. */
    for (double digits = ceil(hi * scale - 1e-9);; digits++) {
        *sigma = digits / scale;
        all[n].sigma = *sigma;
        rc = glim_dp_epsilon(&e, all, n + 1, delta, eps, err);
        if (rc != GLIM_OK || e <= eps) return rc;
    }
}
