/* err.h - a status for code, a message for people.
 *
 * Every call that can fail returns glim_status and takes a glim_err as its last argument. The status
 * says which kind of thing went wrong; the message says what, where, got and wanted, in one line.
 * Callers add context as the error rises ("could not load "x": tensor "y": ..."). A hint carries the
 * remedy when one is known. A NULL err is allowed everywhere: the status still comes back. */
#ifndef GLIM_BASE_ERR_H
#define GLIM_BASE_ERR_H

#include <stddef.h>

typedef enum glim_status {
    GLIM_OK = 0,
    GLIM_E_ARG,         /* the caller asked for something that makes no sense */
    GLIM_E_IO,          /* the operating system refused: file, disk, pipe */
    GLIM_E_FORMAT,      /* bytes from outside are not what their format says */
    GLIM_E_SHAPE,       /* a tensor has another shape or type than the model needs */
    GLIM_E_UNSUPPORTED, /* well formed, but not something Glim can do */
    GLIM_E_NOMEM,       /* memory planned or asked for is more than there is */
    GLIM_E_LIMIT,       /* larger or deeper than a stated limit */
    GLIM_E_NOT_FOUND,   /* a file, tensor, key or name that should be there is not */
    GLIM_E_NET,         /* a server or connection failed */
    GLIM_E_CANCELLED,   /* a person or program asked to stop */
    GLIM_E_STATE        /* right call, wrong moment */
} glim_status;

/* One error: fixed storage, so that reporting a failed allocation needs none. */
typedef struct glim_err {
    glim_status code;
    char msg[1024]; /* one line, lower case, no full stop */
    char hint[512]; /* remedy, or "" */
} glim_err;

/* Records an error and returns `code`, so that detection reads `return glim_fail(...)`.
 * Bytes below 0x20 and broken UTF-8 (file names, tensor names) are shown as \xNN: a message is
 * always one printable line. */
glim_status glim_fail(glim_err *err, glim_status code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* As glim_fail, with ": strerror(errnum)" at the end. */
glim_status glim_fail_errno(glim_err *err, glim_status code, int errnum, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Puts "context: " before the message. Does nothing on a NULL or clear err. */
void glim_err_context(glim_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Sets the remedy. */
void glim_err_hint(glim_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Back to GLIM_OK with empty texts. */
void glim_err_clear(glim_err *err);

/* Short stable name of a status, "format", "no_memory": for logs and JSON. */
const char *glim_status_name(glim_status s);

/* For our own bugs only, never for input: prints the place and aborts. */
#define GLIM_ASSERT(cond) \
    ((cond) ? (void)0 : glim_assert_failed(#cond, __FILE__, __LINE__))
_Noreturn void glim_assert_failed(const char *cond, const char *file, int line);

#define GLIM_COUNT(a) (sizeof(a) / sizeof((a)[0]))

#endif
