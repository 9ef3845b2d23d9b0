/* dp_audit.h - what an attacker can tell about canaries, as a lower bound of epsilon and as exposure.
 *
 * Canaries are rows made for the purpose, in the training set or left out by the toss of a coin. A training that is
 * (epsilon, delta) private bounds how well anybody can say which ones were in; a better guesser than that is proof that
 * the promise is broken. The converse does not hold: a low bound proves nothing. */
#ifndef GLIM_TRAIN_DP_AUDIT_H
#define GLIM_TRAIN_DP_AUDIT_H

#include <stddef.h>

#include "base/err.h"

/* Exposure of a canary among n_space possible secrets: log2 n_space - log2 rank, where its rank among reference secrets is
 * measured: n_better of n_ref have a lower loss (Carlini et al., arXiv:1802.08232, estimated by sampling). */
double glim_audit_exposure(size_t n_better, size_t n_ref, double log2_space);

/* Lower bound of epsilon at this confidence from one run: of m canaries, each in or out with probability 1/2, the guesser
 * spoke on r and was right on v (Steinke, Nasr, Jagielski: arXiv:2305.08846, theorem 5.2). 0 when nothing can be said.
 * Errors: GLIM_E_ARG. */
glim_status glim_audit_one_run(double *eps, size_t m, size_t r, size_t v, double delta, double confidence, glim_err *err);

/* Lower bound from many trainings: a test with fp false alarms among n_out models without the canary and fn misses among
 * n_in with it; Clopper-Pearson bounds of both rates, each at half of 1 - confidence (Jagielski et al.,
 * arXiv:2006.07709). */
glim_status glim_audit_rates(double *eps, size_t n_in, size_t fn, size_t n_out, size_t fp, double delta, double confidence, glim_err *err);

/* From scores (higher: more likely in) and the truth: guesses "in" for the k highest and "out" for the k lowest of m and takes
 * the k of 1, 2, 4, ... m/2 with the best bound, each at a confidence corrected for their number. */
glim_status glim_audit_scores(double *eps, const double *score, const unsigned char *in, size_t m, double delta, double confidence,
                              glim_err *err);

#endif
