/* http.h - HTTP(S) downloads on libcurl. */
#ifndef GLIM_NET_HTTP_H
#define GLIM_NET_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* One GET of a small document into memory, redirects followed, at most max_bytes.
 * token: bearer token or NULL; it is never sent to another host than url's, and never logged.
 * *http_status gets the final status (0 if none). A status of 400 and up is GLIM_E_NET with the URL
 * (without query) and status. */
glim_status glim_http_get(glim_buf *out, const char *url, const char *token, size_t max_bytes,
                          long *http_status, glim_err *err);

#endif
