/* http_internal.h - what http.c and download_fetch.c share: how a curl handle is set up and read. */
#ifndef GLIM_NET_HTTP_INTERNAL_H
#define GLIM_NET_HTTP_INTERNAL_H

#include <curl/curl.h>

#include "net/http.h"

/* The answer's headers that Glim reads; each "" when absent. Reset by every status line, so that after
 * a chain of redirects it holds the last answer's. */
typedef struct glim_http_head {
    char etag[256];
    char content_range[128];
    char error_code[64];
    char link[2048];
} glim_http_head;

/* libcurl's one-time start; any thread, any number of times. */
void glim_http_start(void);

/* *lim with defaults filled in. */
glim_http_limits glim_http_limits_filled(const glim_http_limits *lim);

/* GLIM_E_ARG unless url is http:// or https:// without control bytes and token is printable. */
glim_status glim_http_check(const char *url, const char *token, glim_err *err);

/* Resets `c` (keeping its connections) for a GET of url and returns the header list, which the caller
 * frees after the transfer. `headers` (may be NULL) is extended by the token. errbuf: CURL_ERROR_SIZE. */
struct curl_slist *glim_http_prepare(CURL *c, const char *url, const char *token,
                                     const glim_http_limits *lim, glim_http_head *head, char *errbuf,
                                     struct curl_slist *headers);

/* Is another try worth it? */
bool glim_http_retry_code(CURLcode cc);
bool glim_http_retry_status(long status);
/* Seconds before try `n_done + 1`, n_done >= 1. */
double glim_http_backoff(const glim_http_limits *lim, int n_done);
/* Sleeps; true if one of the flags (either may be NULL) was raised meanwhile. */
bool glim_http_sleep(double seconds, atomic_int *a, atomic_int *b);

/* url without user name, query and fragment, cut to fit. */
void glim_http_url_shown(char *out, size_t cap, const char *url);
/* Error for a transfer that libcurl gave up on, with the remedy where one is known. */
glim_status glim_http_fail_code(glim_err *err, CURLcode cc, const char *errbuf, const char *url,
                                const glim_http_limits *lim);
/* Error for a final status of 400 and up. */
glim_status glim_http_fail_status(glim_err *err, long status, const char *url);

#endif
