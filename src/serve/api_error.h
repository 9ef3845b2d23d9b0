/* api_error.h - an error as a client of OpenAI's API sees it: a status and one JSON body.
 *
 * The body always holds the four keys message, type, param and code; param and code are strings or null. The type
 * follows from the status. Messages are those of glim_err: one line, what came and what was wanted. */
#ifndef GLIM_SERVE_API_ERROR_H
#define GLIM_SERVE_API_ERROR_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

typedef struct glim_api_error {
    int status;       /* HTTP; 0: no error */
    const char *code; /* static, or NULL */
    char param[128];  /* "" is null */
    char message[1600];
    bool close;       /* the connection cannot be trusted any more */
    int retry_ms;     /* > 0: retry-after-ms and retry-after go with it */
    bool no_retry;    /* x-should-retry: false */
} glim_api_error;

/* Records an error; always false, so that checks read `return glim_api_fail(...)`. param may be NULL. */
bool glim_api_fail(glim_api_error *e, int status, const char *code, const char *param, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* The same from an error of a lower layer: 400 for what the input was, 500 for what we are. */
bool glim_api_from(glim_api_error *e, const glim_err *err, const char *param);
/* Another process holds the database: nothing that the request could do about. */
bool glim_api_store_busy(const glim_err *err);
/* "invalid_request_error" and the like. */
const char *glim_api_type(int status);
/* Appends {"error": {...}}. */
void glim_api_error_json(glim_buf *out, const glim_api_error *e);
/* "prefix" and 24 random letters and digits, into at least 40 bytes. */
void glim_api_new_id(char *out, const char *prefix);

#endif
