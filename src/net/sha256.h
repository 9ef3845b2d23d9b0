/* sha256.h - SHA-256 as a stream and of a whole file, in the lower-case hex that hubs publish. */
#ifndef GLIM_NET_SHA256_H
#define GLIM_NET_SHA256_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#ifdef GLIM_SHA256_PLAIN /* a build without Nettle */
#include "net/sha256_plain.h"
#else
#include <nettle/sha2.h>
#endif

enum { GLIM_SHA256_HEX = 65 }; /* 64 digits and the final 0 */

typedef struct glim_sha256 {
#ifdef GLIM_SHA256_PLAIN
    glim_sha256_plain st;
#else
    struct sha256_ctx st;
#endif
} glim_sha256;

void glim_sha256_init(glim_sha256 *h);
void glim_sha256_update(glim_sha256 *h, const void *bytes, size_t n);
/* Writes the digest; h must be initialised again before it is used again. */
void glim_sha256_final(glim_sha256 *h, char hex[GLIM_SHA256_HEX]);
void glim_sha256_digest(glim_sha256 *h, uint8_t digest[32]); /* the same as bytes */

/* Called about every 4 MiB with the bytes hashed so far; false stops the work. */
typedef bool (*glim_sha256_progress)(void *ctx, uint64_t done, uint64_t total);

/* Hash of a regular file, read once in order. fn may be NULL.
 * Errors: GLIM_E_NOT_FOUND, GLIM_E_IO, GLIM_E_CANCELLED when fn returned false. */
glim_status glim_sha256_file(const char *path, char hex[GLIM_SHA256_HEX], glim_sha256_progress fn, void *ctx,
                             glim_err *err);

/* True for exactly 64 hexadecimal digits; lower[65] (may be NULL) gets them in lower case. */
bool glim_sha256_parse(const char *hex, char lower[GLIM_SHA256_HEX]);

#endif
