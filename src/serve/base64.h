/* base64.h - bytes as RFC 4648's standard base64, with padding. */
#ifndef GLIM_SERVE_BASE64_H
#define GLIM_SERVE_BASE64_H

#include "base/buf.h"

void glim_base64_put(glim_buf *b, const void *bytes, size_t n);

#endif
