/* names.h - a hash index from names to numbers, for tensor names and metadata keys.
 *
 * Names come from files of strangers, so the hash is keyed with random bytes (SipHash-1-3): nobody can
 * choose names that collide and make opening a file quadratic. Names are borrowed: they must outlive the
 * index. The order of anything we show never depends on the hash. */
#ifndef GLIM_FORMAT_NAMES_H
#define GLIM_FORMAT_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef struct glim_names {
    struct glim_names_slot *slots; /* [cap], cap a power of two, at most half full */
    size_t cap;
    uint64_t key[2];
} glim_names;

/* Room for n_max names, 24 to 48 bytes for each. `what` completes "could not allocate ... for <what>".
 * Errors: GLIM_E_NOMEM. */
glim_status glim_names_init(glim_names *x, size_t n_max, const char *what, glim_err *err);
void glim_names_deinit(glim_names *x); /* also takes {0} */

/* Adds a name and returns true; false if it is there already, with its number in *old (may be NULL).
 * At most n_max names. */
bool glim_names_add(glim_names *x, const char *s, size_t len, size_t id, size_t *old);
/* An index of {0} holds nothing. */
bool glim_names_find(const glim_names *x, const char *s, size_t len, size_t *id);

#endif
