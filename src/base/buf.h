/* buf.h - a growing byte string.
 *
 * Invariants  s is never NULL after the first append and s[len] is always 0 (bytes may hold NULs).
 *             After a refused allocation `failed` is set, appends do nothing, and len stays at the
 *             last whole append: check once at the end with glim_buf_status.
 * Initialise with {0}; release with glim_buf_free. */
#ifndef GLIM_BASE_BUF_H
#define GLIM_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

typedef struct glim_buf {
    char *s;
    size_t len, cap;
    bool failed;
} glim_buf;

void glim_buf_append(glim_buf *b, const void *bytes, size_t n);
void glim_buf_puts(glim_buf *b, const char *s);
void glim_buf_putc(glim_buf *b, char c);
void glim_buf_printf(glim_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void glim_buf_reserve(glim_buf *b, size_t n_more);
void glim_buf_clear(glim_buf *b); /* keeps the storage */
void glim_buf_free(glim_buf *b);
/* "" instead of NULL for an empty buffer. */
const char *glim_buf_cstr(const glim_buf *b);
/* GLIM_OK, or GLIM_E_NOMEM naming `what` when an append was refused. */
glim_status glim_buf_status(const glim_buf *b, const char *what, glim_err *err);

#endif
