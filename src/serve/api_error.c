/* api_error.c - see api_error.h. */
#include "serve/api_error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/json.h"
#include "base/log.h"

bool glim_api_fail(glim_api_error *e, int status, const char *code, const char *param, const char *fmt, ...) {
    va_list ap;
    *e = (glim_api_error){.status = status, .code = code};
    snprintf(e->param, sizeof e->param, "%s", param ? param : "");
    va_start(ap, fmt);
    vsnprintf(e->message, sizeof e->message, fmt, ap);
    va_end(ap);
    for (char *c = e->message; *c; c++) /* a client's own words may be in it: it stays one line */
        if ((unsigned char)*c < 0x20 || *c == 0x7f) *c = '?';
    return false;
}

/* The lower layers say it in words only, ours (store/db.c) or the system's. */
static bool is_disk_full(const char *msg) {
    static const int errors[] = {ENOSPC, EDQUOT};
    char why[128];
    for (size_t i = 0; i < GLIM_COUNT(errors); i++)
        if (strstr(msg, strerror_r(errors[i], why, sizeof why))) return true;
    return strstr(msg, "the disk is full") != NULL;
}

bool glim_api_store_busy(const glim_err *err) { return err->code == GLIM_E_STATE && strstr(err->msg, "\" is busy: "); } /* store/db.c's words */

bool glim_api_from(glim_api_error *e, const glim_err *err, const char *param) {
    int status = 400;
    const char *code = "invalid_value";
    switch (err->code) {
    case GLIM_E_LIMIT: code = "limit_exceeded"; break;
    case GLIM_E_UNSUPPORTED: code = "unsupported_value"; break;
    case GLIM_E_NOT_FOUND: status = 404, code = "not_found"; break;
    case GLIM_E_NOMEM: status = 503, code = "overloaded"; break;
    case GLIM_E_IO:
    case GLIM_E_NET:
    case GLIM_E_SHAPE: status = 500, code = NULL; break;
    case GLIM_E_CANCELLED: status = 503, code = "shutting_down"; break;
    case GLIM_E_STATE: status = 429, code = "queue_full"; break;
    default: break;
    }
    if (glim_api_store_busy(err)) { /* the message names the server's files */
        glim_log(GLIM_ERROR, "serve", "%s", err->msg);
        glim_api_fail(e, 503, "store_busy", NULL, "nothing can be stored now; the server's log says why");
        e->retry_ms = 5000;
        return false;
    }
    if (err->code == GLIM_E_IO && is_disk_full(err->msg)) { /* the operator's to mend, and no matter of the request */
        glim_log(GLIM_ERROR, "serve", "%s", err->msg);
        glim_api_fail(e, 503, "disk_full", NULL, "nothing can be stored now: the server's disk is full");
        e->retry_ms = 5000;
        return false;
    }
    glim_api_fail(e, status, code, param, "%s%s%s", err->msg, err->hint[0] ? "; " : "", err->hint);
    if (status == 429 || status == 503) e->retry_ms = 1000;
    return false;
}

const char *glim_api_type(int status) {
    switch (status) {
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 408: return "timeout";
    case 409: return "conflict";
    case 429: return "rate_limit_error";
    default: return status >= 500 ? "server_error" : "invalid_request_error";
    }
}

static void put_or_null(glim_buf *b, const char *s) {
    if (s && s[0]) glim_json_put_str(b, s, strlen(s));
    else glim_buf_puts(b, "null");
}

void glim_api_error_json(glim_buf *b, const glim_api_error *e) {
    glim_buf_puts(b, "{\"error\": {\"message\": ");
    glim_json_put_str(b, e->message, strlen(e->message));
    glim_buf_printf(b, ", \"type\": \"%s\", \"param\": ", glim_api_type(e->status));
    put_or_null(b, e->param);
    glim_buf_puts(b, ", \"code\": ");
    put_or_null(b, e->code);
    glim_buf_puts(b, "}}");
}

void glim_api_new_id(char *out, const char *prefix) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned char r[24];
    if (getrandom(r, sizeof r, 0) != (ssize_t)sizeof r) memset(r, 0, sizeof r);
    size_t n = strlen(prefix);
    memcpy(out, prefix, n);
    for (size_t i = 0; i < sizeof r; i++) out[n + i] = letters[r[i] & 63];
    out[n + sizeof r] = 0;
}
