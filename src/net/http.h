/* http.h - HTTP(S) requests on libcurl: one document into memory, patiently and within limits.
 *
 * Every request of Glim goes out the same way: certificates verified, redirects followed (never from
 * https to http), the bearer token only ever sent to the host, port and scheme of the first URL, proxies
 * from the environment (https_proxy, no_proxy), extra certificate authorities from CURL_CA_BUNDLE or
 * SSL_CERT_FILE. download.h fetches files; this fetches answers. */
#ifndef GLIM_NET_HTTP_H
#define GLIM_NET_HTTP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* Patience. Zero means the default in brackets. */
typedef struct glim_http_limits {
    double connect_s;   /* to connect, TLS included [15] */
    double stall_s;     /* how long a transfer may stay below stall_rate [30]; whole seconds */
    long stall_rate;    /* bytes per second [1024] */
    int n_tries;        /* in all, per document, or per stretch of a file without progress [6] */
    double backoff_s;   /* before the second try; doubles each time, at most max_wait_s [1] */
    double max_wait_s;  /* a Retry-After longer than this ends the work with a sentence [60] */
} glim_http_limits;

typedef struct glim_http_request {
    const char *url;
    const char *token;   /* bearer token or NULL; never logged, never sent to another host */
    size_t max_bytes;    /* of the body; 0: 16 MiB */
    glim_http_limits limits;
    atomic_int *cancel;  /* non-zero stops within about a second; NULL: never */
} glim_http_request;

typedef struct glim_http_reply {
    long status;             /* the final one; 0 if no server answered */
    glim_buf body;           /* also of an error answer */
    char *next;              /* heap: absolute URL of Link: rel="next", or NULL */
    char error_code[64];     /* X-Error-Code, as the Hugging Face hub names its refusals; or "" */
} glim_http_reply;

/* One GET. Resets, timeouts and statuses 408, 429, 500, 502, 503, 504 are tried again.
 * `reply` is overwritten, and is to be freed whatever the outcome. A status of 400 and up is
 * GLIM_E_NET with the URL (without its query) and the status.
 * Errors: GLIM_E_NET, GLIM_E_LIMIT (body too large), GLIM_E_ARG (not an http URL), GLIM_E_CANCELLED.
 * Threads: any. */
glim_status glim_http_fetch(glim_http_reply *reply, const glim_http_request *req, glim_err *err);
void glim_http_reply_free(glim_http_reply *reply);

/* glim_http_fetch with default patience; the body of a good answer is appended to *out, the final
 * status goes to *http_status (may be NULL). */
glim_status glim_http_get(glim_buf *out, const char *url, const char *token, size_t max_bytes,
                          long *http_status, glim_err *err);

/* Appends s percent-encoded; '/' is kept if keep_slash. */
void glim_http_put_escaped(glim_buf *out, const char *s, bool keep_slash);

#endif
