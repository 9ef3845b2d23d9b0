/* buf.c - see buf.h. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

void glim_buf_reserve(glim_buf *b, size_t n_more) {
    size_t need;
    if (b->failed) return;
    if (!glim_add_size(b->len, n_more, &need) || !glim_add_size(need, 1, &need)) {
        b->failed = true;
        return;
    }
    if (need <= b->cap) return;
    size_t cap = b->cap < 64 ? 64 : b->cap;
    while (cap < need) cap = cap > SIZE_MAX / 2 ? need : cap * 2;
    void *p = b->s;
    if (glim_try_realloc(&p, cap, 1, "text", NULL) != GLIM_OK) {
        b->failed = true;
        return;
    }
    b->s = p;
    b->cap = cap;
    b->s[b->len] = 0; /* a string from the first byte on: nothing may be appended after all */
}

void glim_buf_append(glim_buf *b, const void *bytes, size_t n) {
    glim_buf_reserve(b, n);
    if (b->failed) return;
    if (n) memcpy(b->s + b->len, bytes, n);
    b->len += n;
    b->s[b->len] = 0;
}

void glim_buf_puts(glim_buf *b, const char *s) { glim_buf_append(b, s, strlen(s)); }

void glim_buf_putc(glim_buf *b, char c) { glim_buf_append(b, &c, 1); }

void glim_buf_printf(glim_buf *b, const char *fmt, ...) {
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0) b->failed = true;
    glim_buf_reserve(b, n < 0 ? 0 : (size_t)n);
    if (!b->failed) {
        vsnprintf(b->s + b->len, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
}

void glim_buf_clear(glim_buf *b) {
    b->len = 0;
    b->failed = false;
    if (b->s) b->s[0] = 0;
}

void glim_buf_free(glim_buf *b) {
    free(b->s);
    *b = (glim_buf){0};
}

const char *glim_buf_cstr(const glim_buf *b) { return b->s ? b->s : ""; }

glim_status glim_buf_status(const glim_buf *b, const char *what, glim_err *err) {
    if (!b->failed) return GLIM_OK;
    return glim_fail(err, GLIM_E_NOMEM, "could not allocate more than %zu bytes for %s", b->cap, what);
}
