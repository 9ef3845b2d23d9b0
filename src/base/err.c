/* err.c - building one-line messages in fixed storage. */
#include "base/err.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

/* Copies src into dst as one printable line: control bytes and broken UTF-8 become \xNN. */
static void put_printable(char *dst, size_t cap, const char *src, size_t n) {
    size_t o = 0, i = 0;
    while (i < n) {
        uint32_t cp;
        int len = glim_utf8_next(src + i, n - i, &cp);
        bool plain = len > 0 && cp >= 0x20 && cp != 0x7f;
        size_t need = plain ? (size_t)len : 4;
        if (o + need + 1 > cap) break;
        if (plain) {
            memcpy(dst + o, src + i, (size_t)len);
            i += (size_t)len;
        } else {
            static const char hex[] = "0123456789abcdef";
            unsigned char c = (unsigned char)src[i++];
            dst[o] = '\\', dst[o + 1] = 'x', dst[o + 2] = hex[c >> 4], dst[o + 3] = hex[c & 15];
        }
        o += need;
    }
    dst[o] = 0;
}

__attribute__((format(printf, 3, 0))) static void vset(char *dst, size_t cap, const char *fmt, va_list ap) {
    char raw[1024];
    int n = vsnprintf(raw, sizeof raw, fmt, ap);
    if (n < 0) n = 0;
    if ((size_t)n >= sizeof raw) n = sizeof raw - 1;
    put_printable(dst, cap, raw, (size_t)n);
}

glim_status glim_fail(glim_err *err, glim_status code, const char *fmt, ...) {
    if (!err) return code;
    err->code = code;
    err->hint[0] = 0;
    va_list ap;
    va_start(ap, fmt);
    vset(err->msg, sizeof err->msg, fmt, ap);
    va_end(ap);
    return code;
}

glim_status glim_fail_errno(glim_err *err, glim_status code, int errnum, const char *fmt, ...) {
    if (!err) return code;
    err->code = code;
    err->hint[0] = 0;
    va_list ap;
    va_start(ap, fmt);
    vset(err->msg, sizeof err->msg, fmt, ap);
    va_end(ap);
    size_t n = strlen(err->msg);
    char why[128];
    snprintf(err->msg + n, sizeof err->msg - n, ": %s", strerror_r(errnum, why, sizeof why));
    return code;
}

void glim_err_context(glim_err *err, const char *fmt, ...) {
    if (!err || err->code == GLIM_OK) return;
    char ctx[512], old[sizeof err->msg];
    va_list ap;
    va_start(ap, fmt);
    vset(ctx, sizeof ctx, fmt, ap);
    va_end(ap);
    memcpy(old, err->msg, sizeof old);
    size_t nc = strlen(ctx), no = strlen(old);
    if (nc + 2 >= sizeof err->msg) nc = sizeof err->msg - 3;
    memcpy(err->msg, ctx, nc);
    memcpy(err->msg + nc, ": ", 2);
    size_t room = sizeof err->msg - nc - 3;
    if (no > room) no = room;
    no = glim_utf8_whole(old, no);
    memcpy(err->msg + nc + 2, old, no);
    err->msg[nc + 2 + no] = 0;
}

void glim_err_hint(glim_err *err, const char *fmt, ...) {
    if (!err) return;
    va_list ap;
    va_start(ap, fmt);
    vset(err->hint, sizeof err->hint, fmt, ap);
    va_end(ap);
}

void glim_err_clear(glim_err *err) {
    if (err) *err = (glim_err){0};
}

const char *glim_status_name(glim_status s) {
    static const char *const names[] = {"ok",     "argument",  "io",        "format",
                                        "shape",  "unsupported", "no_memory", "limit",
                                        "not_found", "net",    "cancelled", "state"};
    return (unsigned)s < GLIM_COUNT(names) ? names[s] : "unknown";
}

void glim_assert_failed(const char *cond, const char *file, int line) {
    fprintf(stderr, "glim: internal error: %s at %s:%d\n", cond, file, line);
    abort();
}
