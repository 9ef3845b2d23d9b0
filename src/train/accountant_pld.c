/* accountant_pld.c - the distribution of the privacy loss, composed by FFT, with bounds of both sides.
 *
 * For a step, remove: P = (1-q) N(0,s^2) + q N(1,s^2), Q = N(0,s^2); add: the same two exchanged. The loss is
 * Y = log P(x)/Q(x), x ~ P; it rises (falls) with x, so its distribution function is known in closed form. Then
 *   delta(eps) = E[max(0, 1 - exp(eps - Y_1 - ... - Y_n))].
 *
 * Each Y is rounded to a grid of width h, and all are moved by one constant so that the mean stays what it was. The sum of n
 * roundings is then a sum of independent errors with mean 0 and range h, and leaves [-t, t] with probability at most
 * 2 exp(-2 t^2 / (n h^2)) (Hoeffding). The sums are taken on a circle of length 2L; what leaves it, and what of one Y lies
 * outside, has a probability that is bounded too (Markov, by Renyi divergence). With eta the sum of
 * these three,
 *   delta~(eps + t) - eta <= delta(eps) <= delta~(eps - t) + eta. */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "train/accountant.h"

enum { MAX_LOG2 = 23 };

/* ---- FFT ---- */

typedef struct cpx {
    double re, im;
} cpx;

/* In place, n a power of two; w[k] = exp(-2 pi i k / n), k < n/2. Decimation in frequency: the result is in bit-reversed
 * order, which does not matter between a transform and its inverse. */
static void fft_forward(cpx *a, size_t n, const cpx *w) {
    for (size_t len = n, stride = 1; len > 1; len /= 2, stride *= 2)
        for (size_t s = 0; s < n; s += len)
            for (size_t k = 0; k < len / 2; k++) {
                cpx u = a[s + k], v = a[s + k + len / 2], d = {u.re - v.re, u.im - v.im}, t = w[k * stride];
                a[s + k] = (cpx){u.re + v.re, u.im + v.im};
                a[s + k + len / 2] = (cpx){d.re * t.re - d.im * t.im, d.re * t.im + d.im * t.re};
            }
}

/* Undoes fft_forward but for the factor n. */
static void fft_backward(cpx *a, size_t n, const cpx *w) {
    for (size_t len = 2, stride = n / 2; len <= n; len *= 2, stride /= 2)
        for (size_t s = 0; s < n; s += len)
            for (size_t k = 0; k < len / 2; k++) {
                cpx u = a[s + k], v = a[s + k + len / 2], t = w[k * stride];
                cpx p = {v.re * t.re + v.im * t.im, v.im * t.re - v.re * t.im};
                a[s + k] = (cpx){u.re + p.re, u.im + p.im};
                a[s + k + len / 2] = (cpx){u.re - p.re, u.im - p.im};
            }
}

/* ---- one step's loss ---- */

static double normal_below(double x) { return 0.5 * erfc(-x * M_SQRT1_2); }

/* x at which log(1 - q + q exp((2x-1)/2s^2)) is l; -inf below its least value. */
static double x_of_loss(double l, double q, double s2) {
    double e = expm1(l) / q; /* (exp(l) - 1 + q) / q = 1 + e */
    double u = l > 700 ? l - log(q) : e <= -1 ? -INFINITY : log1p(e);
    return s2 * u + 0.5;
}

/* P(Y < l) and P(Y >= l), each to its own precision. */
static void loss_cdf(double l, const glim_dp_phase *p, bool add, double *below, double *above) {
    double s = p->sigma, q = p->q;
    if (!add) {
        double x = x_of_loss(l, q, s * s);
        *below = (1 - q) * normal_below(x / s) + q * normal_below((x - 1) / s);
        *above = (1 - q) * normal_below(-x / s) + q * normal_below((1 - x) / s);
    } else { /* Y = -log(...) under N(0, s^2): it falls with x */
        double x = x_of_loss(-l, q, s * s);
        *below = normal_below(-x / s);
        *above = normal_below(x / s);
    }
}

/* E[Y], by the trapezoid rule as in accountant.c. */
static double loss_mean(const glim_dp_phase *p, bool add) {
    double s = p->sigma, s2 = s * s, q = p->q, h = (s < 1 ? s2 : s) / 32, sum = 0;
    for (double x = -12 * s; x <= 1 + 12 * s; x += h) {
        double u = (2 * x - 1) / (2 * s2);
        double y = u > 40 ? u + log(q) + log1p((1 - q) / q * exp(-u)) : log1p(q * expm1(u));
        double d0 = exp(-x * x / (2 * s2)), d1 = exp(-(x - 1) * (x - 1) / (2 * s2));
        sum += add ? -y * d0 : y * ((1 - q) * d0 + q * d1);
    }
    return sum * h / (s * sqrt(2 * M_PI));
}

/* ---- composition ---- */

typedef struct curve {
    double *p;      /* [n] mass of the sum at y(i) = (i - n/2) h + shift */
    size_t n;
    double h, shift;
    double reach;   /* sums of rounded losses beyond it are counted among the errors */
    bool too_small; /* the circle does not hold reach */
} curve;

static double delta_at(const curve *c, double eps) {
    double first = ceil((eps - c->shift) / c->h + (double)(c->n / 2));
    size_t i = first < 0 ? 0 : first > (double)c->n ? c->n : (size_t)first;
    double sum = 0, y0 = ((double)i - (double)(c->n / 2)) * c->h + c->shift, e = exp(eps - y0), f = exp(-c->h);
    for (; i < c->n; i++, e *= f) sum += c->p[i] * (1 - e);
    return sum;
}

/* The eps at which delta~ falls to `delta`. */
static double eps_at(const curve *c, double delta, double lo, double hi) {
    if (delta <= 0) return INFINITY;
    if (delta_at(c, lo) <= delta) return lo;
    for (int i = 0; i < 60 && hi - lo > 1e-9 * (1 + fabs(hi)); i++) {
        double mid = (lo + hi) / 2;
        if (delta_at(c, mid) <= delta) hi = mid;
        else lo = mid;
    }
    return hi;
}

/* Masses of one phase's rounded loss into a[], on the circle; what lies outside is left out. The constant that keeps the
 * mean is added to *shift once for each step. */
static void put_phase(cpx *a, size_t n, double h, const glim_dp_phase *p, bool add, double *shift) {
    double below, above, prev_below, prev_above, mean = 0, mass = 0;
    loss_cdf((-(double)(n / 2) - 0.5) * h, p, add, &prev_below, &prev_above);
    for (size_t i = 0; i < n; i++) {
        double y = ((double)i - (double)(n / 2)) * h;
        loss_cdf(y + h / 2, p, add, &below, &above);
        /* The difference of the smaller two: they have their digits. */
        double m = below < 0.5 ? below - prev_below : prev_above - above;
        if (m < 0) m = 0;
        mean += m * y;
        mass += m;
        a[(i + n - n / 2) & (n - 1)] = (cpx){m, 0}; /* y = 0 at place 0 */
        prev_below = below;
        prev_above = above;
    }
    *shift += (double)p->steps * (loss_mean(p, add) - mean / mass);
}

/* z^n by its polar form. */
static cpx power(cpx z, uint64_t n) {
    double r = hypot(z.re, z.im);
    if (r == 0) return (cpx){0, 0};
    double m = exp((double)n * log(r)), turn = atan2(z.im, z.re) / (2 * M_PI) * (double)n;
    turn -= rint(turn); /* the angle in turns: no digits are lost to large multiples of 2 pi */
    return (cpx){m * cos(2 * M_PI * turn), m * sin(2 * M_PI * turn)};
}

static glim_status compose(curve *c, const glim_dp_phase *ph, size_t n_ph, bool add, glim_err *err) {
    size_t n = c->n;
    void *va = NULL, *vt = NULL, *vw = NULL;
    glim_status rc = glim_try_calloc(&va, n, sizeof(cpx), "a privacy loss distribution", err);
    if (rc == GLIM_OK && n_ph > 1) rc = glim_try_calloc(&vt, n, sizeof(cpx), "a privacy loss distribution", err);
    if (rc == GLIM_OK) rc = glim_try_calloc(&vw, n / 2, sizeof(cpx), "a privacy loss distribution", err);
    cpx *a = va, *t = vt, *w = vw;
    if (rc == GLIM_OK) {
        for (size_t k = 0; k < n / 2; k++) {
            double turn = (double)k / (double)n;
            w[k] = (cpx){cos(2 * M_PI * turn), -sin(2 * M_PI * turn)};
        }
        c->shift = 0;
        for (size_t i = 0; i < n_ph; i++) {
            cpx *to = i ? t : a;
            if (i) memset(t, 0, n * sizeof *t);
            put_phase(to, n, c->h, &ph[i], add, &c->shift);
            fft_forward(to, n, w);
            for (size_t k = 0; k < n; k++) {
                cpx z = power(to[k], ph[i].steps), u = a[k];
                a[k] = i ? (cpx){u.re * z.re - u.im * z.im, u.re * z.im + u.im * z.re} : z;
            }
        }
        /* On the circle stand the sums before they are moved. */
        c->too_small = c->reach + fabs(c->shift) > (double)(n / 2) * c->h;
        fft_backward(a, n, w);
        for (size_t i = 0; i < n; i++) {
            double m = a[(i + n - n / 2) & (n - 1)].re / (double)n;
            c->p[i] = m > 0 ? m : 0;
        }
    }
    free(va);
    free(vt);
    free(vw);
    return rc;
}

/* ---- the size of the circle ---- */

/* The least L with P(sum >= L) <= eta and P(sum <= -L) <= eta, by Markov: the mean of exp((a-1) Y) is exp((a-1) D_a(P||Q)), that of
 * exp(-a Y) is exp((a-1) D_a(Q||P)), and neither divergence is larger than the one of accountant.c (Mironov et al.,
 * theorem 5). Dearer orders are not tried: a larger L only costs time. */
static double tails(const glim_dp_phase *ph, size_t n, double eta) {
    static const double orders[] = {1.1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 12, 16, 20, 25, 32, 48, 64, 96, 128};
    double above = INFINITY, below = -log(eta); /* the mean of exp(-Y) is 1 */
    for (size_t i = 0; i < GLIM_COUNT(orders); i++) {
        double a = orders[i], rdp = 0;
        for (size_t k = 0; k < n; k++) rdp += (double)ph[k].steps * glim_rdp_step(ph[k].q, ph[k].sigma, a);
        double u = rdp - log(eta) / (a - 1), l = ((a - 1) * rdp - log(eta)) / a;
        if (u < above) above = u;
        if (l < below) below = l;
    }
    return above > below ? above : below;
}

/* Whether all single losses stay within [-L, L] but for probability eta. */
static bool singles_fit(const glim_dp_phase *ph, size_t n, double L, double eta) {
    for (int add = 0; add < 2; add++) {
        double out = 0;
        for (size_t k = 0; k < n; k++) {
            double below, above, unused;
            loss_cdf(-L, &ph[k], add, &below, &unused);
            loss_cdf(L, &ph[k], add, &unused, &above);
            out += (double)ph[k].steps * (below + above);
        }
        if (out > eta) return false;
    }
    return true;
}

static glim_status bounds(glim_pld_bounds *out, const glim_dp_phase *ph, size_t n, double delta, double eps_error, glim_err *err) {
    /* A thousandth of delta pays for the approximations: a half for rounding, a quarter each for the circle and for
     * single losses. */
    double eta = delta / 1000, steps = 0;
    for (size_t k = 0; k < n; k++) steps += (double)ph[k].steps;
    double t = eps_error, h = t / sqrt(steps / 2 * log(2 / (eta / 2)));
    /* And what the arithmetic loses: a power of `steps` multiplies a relative error of 1e-16 or so. */
    double rounding = 1e-14 + 1e-15 * steps;
    if (rounding > delta / 100)
        return glim_fail(err, GLIM_E_LIMIT, "delta %g over %.0f steps is finer than doubles can bound", delta, steps);
    double L = tails(ph, n, eta / 8) + t + h;
    while (!singles_fit(ph, n, L, eta / 4)) L *= 1.25;
    unsigned log2n = 10;
    while (log2n <= MAX_LOG2 && (double)((size_t)1 << log2n) * h < 2 * L) log2n++;
again:
    if (log2n > MAX_LOG2) {
        glim_status rc = glim_fail(err, GLIM_E_LIMIT, "bounding epsilon to +-%g over %.0f steps needs more than 2^%d points", eps_error, steps, MAX_LOG2);
        glim_err_hint(err, "ask for a wider bound, or use the RDP accountant");
        return rc;
    }
    void *mass = NULL;
    curve c = {.n = (size_t)1 << log2n, .h = h, .reach = L};
    glim_status rc = glim_try_calloc(&mass, c.n, sizeof *c.p, "a privacy loss distribution", err);
    if (rc != GLIM_OK) return rc;
    c.p = mass;
    *out = (glim_pld_bounds){0};
    for (int add = 0; add < 2 && rc == GLIM_OK; add++) {
        rc = compose(&c, ph, n, add, err);
        if (rc != GLIM_OK) break;
        if (c.too_small) {
            free(mass);
            log2n++;
            goto again;
        }
        double lower = eps_at(&c, delta + (eta + rounding), 0, 2 * L) - t, estimate = eps_at(&c, delta, 0, 2 * L), upper = eps_at(&c, delta - (eta + rounding), 0, 2 * L) + t;
        if (lower > out->lower) out->lower = lower;
        if (estimate > out->estimate) out->estimate = estimate;
        if (upper > out->upper) out->upper = upper;
    }
    free(mass);
    return rc;
}

glim_status glim_pld_epsilon(glim_pld_bounds *out, const glim_dp_phase *ph, size_t n, double delta, double eps_error, glim_err *err) {
    glim_dp_phase used[GLIM_DP_MAX_PHASES];
    size_t n_used = 0;
    *out = (glim_pld_bounds){0};
    glim_status rc = glim_dp_check(ph, n, err);
    if (rc != GLIM_OK) return rc;
    if (!(delta >= 1e-11 && delta < 1)) return glim_fail(err, GLIM_E_ARG, "delta: got %g, want 1e-11 or more and less than 1", delta);
    for (size_t i = 0; i < n; i++)
        if (ph[i].steps && ph[i].q > 0) used[n_used++] = ph[i];
    if (n_used == 0) return GLIM_OK; /* nothing was spent */
    if (!(eps_error > 0)) {
        double rdp;
        rc = glim_rdp_epsilon(&rdp, NULL, used, n_used, delta, err);
        if (rc != GLIM_OK) return rc;
        eps_error = rdp > 1 ? 0.01 * rdp : 0.01;
    }
    return bounds(out, used, n_used, delta, eps_error, err);
}
