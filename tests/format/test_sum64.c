/* The checksum of packed files: it sees every single bit, the length, the order and the seed. */
#include <stdint.h>
#include <stdlib.h>

#include "base/rng.h"
#include "format/sum64.h"
#include "test.h"

static unsigned char *noise(size_t n, uint64_t seed) {
    unsigned char *p = malloc(n + 1);
    glim_rng r = {.seed = seed};
    for (size_t i = 0; i < n; i++) p[i] = (unsigned char)glim_rng_u64(&r);
    return p;
}

TEST(every_single_bit_changes_the_sum) {
    static const size_t sizes[] = {1, 7, 8, 63, 64, 65, 200, 1000};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        unsigned char *p = noise(sizes[s], s);
        uint64_t want = glim_sum64(3, p, sizes[s]);
        for (size_t bit = 0; bit < 8 * sizes[s]; bit++) {
            p[bit / 8] ^= (unsigned char)(1 << bit % 8);
            CHECK_MSG(glim_sum64(3, p, sizes[s]) != want, "%zu bytes: bit %zu is not seen", sizes[s], bit);
            p[bit / 8] ^= (unsigned char)(1 << bit % 8);
        }
        CHECK(glim_sum64(3, p, sizes[s]) == want);
        CHECK(glim_sum64(4, p, sizes[s]) != want);
        free(p);
    }
}

TEST(zeros_of_different_lengths_and_swapped_words_differ) {
    static unsigned char zeros[4096];
    for (size_t n = 0; n < 300; n++)
        for (size_t m = n + 1; m < 300; m++) CHECK(glim_sum64(0, zeros, n) != glim_sum64(0, zeros, m));
    unsigned char *p = noise(4096, 5), *q = malloc(4096);
    uint64_t want = glim_sum64(0, p, 4096);
    for (size_t a = 0; a < 4096; a += 8)
        for (size_t b = a + 8; b < 4096; b += 8 * 7) {
            memcpy(q, p, 4096);
            memcpy(q + a, p + b, 8);
            memcpy(q + b, p + a, 8);
            CHECK_MSG(glim_sum64(0, q, 4096) != want, "words %zu and %zu may be swapped", a / 8, b / 8);
        }
    /* A zeroed tail, as a torn write leaves it. */
    for (size_t n = 0; n < 4096; n += 8) {
        memcpy(q, p, n);
        memset(q + n, 0, 4096 - n);
        CHECK(glim_sum64(0, q, 4096) != want);
    }
    free(p);
    free(q);
}

TEST(alignment_does_not_matter) {
    unsigned char *p = noise(1024, 6), *q = malloc(1024 + 16);
    for (size_t shift = 0; shift < 16; shift++) {
        memcpy(q + shift, p, 1024);
        CHECK(glim_sum64(9, q + shift, 1024) == glim_sum64(9, p, 1024));
    }
    free(p);
    free(q);
}
