/* accountant.h - how much privacy a run of noisy steps has spent.
 *
 * A step takes each example with probability q by itself (Poisson sampling), clips what each adds to norm C, and adds
 * Gaussian noise of standard deviation sigma * C to the sum. Neighbouring data sets differ by one example, added or removed.
 *
 *   RDP  Renyi divergence of a step at any order > 1 (Mironov, Talwar, Zhang: arXiv:1908.10530), by quadrature of the
 *        defining integral; steps add up; turned into (epsilon, delta) by Balle et al., arXiv:1905.09982, theorem 21.
 *        An upper bound, cheap, some per cent too high.
 *   PLD  the distribution of the privacy loss itself, composed by FFT with bounds of both sides (Gopi, Lee, Wutschitz:
 *        arXiv:2106.02848): what is really spent lies between lower and upper. `upper` is what is promised.
 *
 * Both ways, adding and removing, are counted, and the larger epsilon is the answer.
 * Threads: pure functions. */
#ifndef GLIM_TRAIN_ACCOUNTANT_H
#define GLIM_TRAIN_ACCOUNTANT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Steps of one kind. A history is a list of them. */
typedef struct glim_dp_phase {
    double q;       /* in [0, 1] */
    double sigma;   /* noise multiplier, > 0 */
    uint64_t steps;
} glim_dp_phase;

/* Limits of what is computed: smaller noise is no privacy worth the name. */
#define GLIM_DP_SIGMA_MIN 0.2
#define GLIM_DP_SIGMA_MAX 10000.0
enum { GLIM_DP_MAX_PHASES = 256 };

/* Errors: GLIM_E_ARG naming the value that is out of range. */
glim_status glim_dp_check(const glim_dp_phase *ph, size_t n, glim_err *err);

/* Renyi divergence of order `order` > 1 of one step, in nats; +inf where it is too large for a double. */
double glim_rdp_step(double q, double sigma, double order);

/* The smallest epsilon over the orders 1.1, 1.2, ... 10.9, 12 ... 63, 64, 80, ... 1024; *order (may be NULL) the one that
 * gave it. Errors: GLIM_E_ARG. */
glim_status glim_rdp_epsilon(double *eps, double *order, const glim_dp_phase *ph, size_t n, double delta, glim_err *err);

typedef struct glim_pld_bounds {
    double lower, estimate, upper;
} glim_pld_bounds;

/* eps_error: half the width aimed at (0: 0.01, or a hundredth of epsilon where that is more). delta at least 1e-11.
 * Errors: GLIM_E_ARG; GLIM_E_LIMIT where the grid would be larger than 2^23 points (say a larger eps_error); NOMEM. */
glim_status glim_pld_epsilon(glim_pld_bounds *out, const glim_dp_phase *ph, size_t n, double delta, double eps_error, glim_err *err);

/* What people are told: the smaller of the upper bounds of RDP and of PLD, whose width is a hundredth of epsilon, or of `about`
 * (the budget; 0: none) where that is less. Errors: as these, but for a grid that would be too large. */
glim_status glim_dp_epsilon(double *eps, const glim_dp_phase *ph, size_t n, double delta, double about, glim_err *err);

/* The smallest noise multiplier with which `steps` steps at rate q, behind the history ph[0..n), stay within (eps, delta),
 * by glim_dp_epsilon; rounded up to 4 digits. Errors: GLIM_E_LIMIT where the history alone has spent more, or no
 * sigma is enough; GLIM_E_ARG; NOMEM. */
glim_status glim_dp_calibrate(double *sigma, const glim_dp_phase *ph, size_t n, double q, uint64_t steps, double eps, double delta,
                              glim_err *err);

#endif
