/* rng.h - random numbers as a pure function of where they are used.
 *
 * A counter-based generator (Philox4x32-10, Salmon et al., SC'11): the value depends only on
 * (seed, choice, position), so eviction, retries and speculation cannot shift it. glim_rng is the same
 * generator as a stream, for tests and initialisation. */
#ifndef GLIM_BASE_RNG_H
#define GLIM_BASE_RNG_H

#include <stdint.h>

/* Uniform in [0, 1) with 53 bits. */
double glim_rng_at(uint64_t seed, uint64_t choice, uint64_t position);
/* Four 32-bit words for a 128-bit counter under a 64-bit key. */
void glim_philox(uint32_t out[4], uint64_t key, uint64_t ctr_lo, uint64_t ctr_hi);

typedef struct glim_rng {
    uint64_t seed, n;
} glim_rng;
uint64_t glim_rng_u64(glim_rng *r);
double glim_rng_uniform(glim_rng *r); /* [0, 1) */
double glim_rng_normal(glim_rng *r);  /* mean 0, variance 1 */
/* Uniform in [0, n), n >= 1, unbiased. */
uint64_t glim_rng_below(glim_rng *r, uint64_t n);

#endif
