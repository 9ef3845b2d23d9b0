/* rng.c - Philox4x32-10; constants and round function from Salmon et al., "Parallel random numbers: as
 * easy as 1, 2, 3", SC'11, section 4.3. */
#include "base/rng.h"

#include <math.h>

void glim_philox(uint32_t out[4], uint64_t key, uint64_t ctr_lo, uint64_t ctr_hi) {
    uint32_t c0 = (uint32_t)ctr_lo, c1 = (uint32_t)(ctr_lo >> 32);
    uint32_t c2 = (uint32_t)ctr_hi, c3 = (uint32_t)(ctr_hi >> 32);
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    for (int r = 0; r < 10; r++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

static double to_unit(uint64_t v) { return (double)(v >> 11) * 0x1p-53; }

double glim_rng_at(uint64_t seed, uint64_t choice, uint64_t position) {
    uint32_t w[4];
    glim_philox(w, seed, position, choice);
    return to_unit((uint64_t)w[1] << 32 | w[0]);
}

uint64_t glim_rng_u64(glim_rng *r) {
    uint32_t w[4];
    /* The stream uses a counter half that glim_rng_at with small choices never reaches. */
    glim_philox(w, r->seed, r->n++, UINT64_MAX);
    return (uint64_t)w[1] << 32 | w[0];
}

double glim_rng_uniform(glim_rng *r) { return to_unit(glim_rng_u64(r)); }

double glim_rng_normal(glim_rng *r) {
    double u = 1.0 - glim_rng_uniform(r), v = glim_rng_uniform(r); /* u in (0, 1]: log is finite */
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

uint64_t glim_rng_below(glim_rng *r, uint64_t n) {
    uint64_t limit = UINT64_MAX - UINT64_MAX % n, v;
    do v = glim_rng_u64(r);
    while (v >= limit);
    return v % n;
}
