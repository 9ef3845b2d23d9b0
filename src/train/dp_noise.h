/* dp_noise.h - the randomness of private training: which examples a step takes, and the noise on its sum.
 *
 * Everything is ChaCha20 (libsodium) under a key of 256 random bits that is made for one run, with (purpose, step) as nonce
 * and the place as counter: a value depends on key, step and place alone, so threads, batches and a resumed run get the
 * same ones, and without the key nobody does.
 *
 * Floating point (Mironov, CCS 2012: the low bits of a float tell which sum the noise was added to). The sum is
 * rounded to a lattice of width g first, and noise is a whole number of g: round(N(0, s^2) / g). For a sum S on the
 * lattice S + g round(N/g) = g round((S + N)/g), so what comes out is the Gaussian mechanism on S with its result
 * rounded, which is post-processing; every output is a lattice point whatever the input was. Rounding the sum moves two
 * neighbouring sums apart by at most g sqrt(n): g is the clip norm times 2^-11 / sqrt(n) or less, and the noise is made
 * larger by the factor 1 + 2^-10: the accountant's promise covers that, and as much again for the rounding of f32 sums. N itself has 64-bit radius and angle: its tail
 * ends at 9.4 sigma (a mass of 1e-20 a value is missing), its steps are far finer than g. */
#ifndef GLIM_TRAIN_DP_NOISE_H
#define GLIM_TRAIN_DP_NOISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { GLIM_DP_KEY_BYTES = 32 };

/* In memory that is locked and wiped. */
typedef struct glim_dp_rng glim_dp_rng;
/* A key from the operating system (getrandom). Errors: GLIM_E_IO, NOMEM. */
glim_status glim_dp_rng_new(glim_dp_rng **out, glim_err *err);
/* A given key: for tests, and for a run that goes on (dp_state.h). */
glim_status glim_dp_rng_from_key(glim_dp_rng **out, const uint8_t key[GLIM_DP_KEY_BYTES], glim_err *err);
void glim_dp_rng_free(glim_dp_rng *r); /* wipes; takes NULL */
const uint8_t *glim_dp_rng_key(const glim_dp_rng *r); /* for dp_state.c only */

/* Poisson sampling: each of 0..n-1 with probability q by itself. picked [n]; returns how many, in rising order. A step may be
 * empty: it still adds noise. The threshold is q rounded down to 2^-64. */
size_t glim_dp_sample(const glim_dp_rng *r, uint64_t step, size_t n, double q, size_t *picked);

/* out[i] = value number first + i of step's normal deviates, mean 0, standard deviation 1. */
void glim_dp_normals(const glim_dp_rng *r, uint64_t step, uint64_t first, size_t n, double *out);

/* How a sum over n_total values is noised; made once a run. */
typedef struct glim_dp_lattice {
    double g;         /* width, a power of two */
    double sd;        /* of the noise, in units of g, the factor for rounding included */
} glim_dp_lattice;
/* clip: the norm that one example's part was cut to. Errors: GLIM_E_ARG. */
glim_status glim_dp_lattice_make(glim_dp_lattice *out, double clip, double sigma, size_t n_total, glim_err *err);

/* sum[i], number first + i of the step's sum, becomes its noised value (a multiple of g) times `scale` (1 / the expected batch).
 * Pieces of one sum may be done in any order and by any threads. A value that is no number, or that no clipping can have
 * produced, is refused. Errors: GLIM_E_ARG names its place; the sum is then unchanged. */
glim_status glim_dp_noise_f32(const glim_dp_rng *r, uint64_t step, const glim_dp_lattice *l, uint64_t first, size_t n, float *sum,
                              double scale, glim_err *err);

/* The same from a sum in double, into out [n]. */
glim_status glim_dp_noise_f64(const glim_dp_rng *r, uint64_t step, const glim_dp_lattice *l, uint64_t first, size_t n, const double *sum,
                              float *out, double scale, glim_err *err);

/* The factor that cuts a gradient of this norm to `clip`: min(1, clip / norm), and 0 for a norm that is no number. */
double glim_dp_clip_factor(double norm, double clip);

#endif
