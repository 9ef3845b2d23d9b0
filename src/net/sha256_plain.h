/* sha256_plain.h - SHA-256 (FIPS 180-4) in plain C, for builds without Nettle, such as the arm64 cross-build. */
#ifndef GLIM_NET_SHA256_PLAIN_H
#define GLIM_NET_SHA256_PLAIN_H

#include <stddef.h>
#include <stdint.h>

typedef struct glim_sha256_plain {
    uint32_t h[8];
    uint64_t n_bytes;
    uint8_t block[64]; /* the n_bytes % 64 bytes that wait for more */
} glim_sha256_plain;

void glim_sha256_plain_init(glim_sha256_plain *s);
void glim_sha256_plain_update(glim_sha256_plain *s, const void *bytes, size_t n);
void glim_sha256_plain_final(glim_sha256_plain *s, uint8_t digest[32]);

#endif
