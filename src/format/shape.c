/* shape.c - see shape.h. */
#include "format/shape.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

glim_status glim_shape_bytes(glim_dtype type, const size_t *dims, int n_dims, size_t *bytes,
                             glim_err *err) {
    const glim_dtype_info *info = glim_dtype_of(type);
    char text[GLIM_SHAPE_TEXT];
    size_t row = n_dims > 0 ? dims[n_dims - 1] : 1;
    if (row % info->block_len != 0)
        return glim_fail(err, GLIM_E_FORMAT, "shape %s: rows of %zu values, want a multiple of %u for %s",
                         glim_shape_text(text, dims, n_dims), row, (unsigned)info->block_len, info->name);
    size_t n = row / info->block_len;
    bool ok = true;
    for (int i = 0; i + 1 < n_dims; i++) ok = ok && glim_mul_size(n, dims[i], &n);
    ok = ok && glim_mul_size(n, info->block_bytes, &n);
    if (!ok)
        return glim_fail(err, GLIM_E_FORMAT, "shape %s of %s is more bytes than can be addressed",
                         glim_shape_text(text, dims, n_dims), info->name);
    *bytes = n;
    return GLIM_OK;
}

const char *glim_shape_text(char out[GLIM_SHAPE_TEXT], const size_t *dims, int n_dims) {
    size_t o = 0;
    out[o++] = '[';
    /* 20 digits and a separator for each of at most 6 dims always fit; cut rather than overrun. */
    for (int i = 0; i < n_dims && o + 24 < GLIM_SHAPE_TEXT; i++)
        o += (size_t)snprintf(out + o, GLIM_SHAPE_TEXT - o, "%s%zu", i ? ", " : "", dims[i]);
    out[o++] = ']';
    out[o] = 0;
    return out;
}
