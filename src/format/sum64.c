/* sum64.c - see sum64.h. */
#include "format/sum64.h"

#include <string.h>

enum { LANES = 8, BLOCK = LANES * 8 };

/* Odd, with half of their bits set: the fractions of square roots of the first primes, lowest bit set. */
static const uint64_t K[LANES] = {0x6a09e667f3bcc909u, 0xbb67ae8584caa73bu, 0x3c6ef372fe94f82bu, 0xa54ff53a5f1d36f1u,
                                  0x510e527fade682d1u, 0x9b05688c2b3e6c1fu, 0x1f83d9abfb41bd6bu, 0x5be0cd19137e2179u};

static inline uint64_t rotate(uint64_t x, int by) { return x << by | x >> (64 - by); }

static inline void take(uint64_t lane[LANES], const unsigned char *block) {
#pragma GCC unroll 8 /* lanes in registers: twice as fast */
    for (int i = 0; i < LANES; i++) {
        uint64_t w;
        memcpy(&w, block + 8 * i, 8);
        lane[i] = rotate(lane[i] ^ w, 29) * K[i];
    }
}

uint64_t glim_sum64(uint64_t seed, const void *bytes, size_t n) {
    const unsigned char *p = bytes;
    uint64_t lane[LANES], h = (seed ^ (uint64_t)n) * K[0];
    for (int i = 0; i < LANES; i++) lane[i] = seed + K[i];
    size_t left = n;
    for (; left >= BLOCK; left -= BLOCK, p += BLOCK) take(lane, p);
    if (left) {
        unsigned char last[BLOCK] = {0}; /* n is in the sum, so the zeros do not pass for data */
        memcpy(last, p, left);
        take(lane, last);
    }
    for (int i = 0; i < LANES; i++) h = rotate(h ^ lane[i], 31) * K[(i + 1) % LANES];
    h = (h ^ h >> 32) * K[3];
    h = (h ^ h >> 29) * K[5];
    return h ^ h >> 32;
}
