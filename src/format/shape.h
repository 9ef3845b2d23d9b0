/* shape.h - the size of a tensor from its shape and type, checked, and shapes as text for messages. */
#ifndef GLIM_FORMAT_SHAPE_H
#define GLIM_FORMAT_SHAPE_H

#include <stddef.h>

#include "base/err.h"
#include "tensor/dtype.h"

enum {
    GLIM_TENSOR_NAME_MAX = 512, /* bytes; ggml stops at 63, Hugging Face names stay under 150 */
    GLIM_SHAPE_TEXT = 160
};

/* Bytes of a tensor with dims[n_dims], outermost first; n_dims 0 is one value. The last dimension must
 * be a multiple of the type's block. Errors: GLIM_E_FORMAT when the product overflows or a block is cut;
 * the message does not name the tensor. */
glim_status glim_shape_bytes(glim_dtype type, const size_t *dims, int n_dims, size_t *bytes, glim_err *err);

/* "[4608, 4096]", written to out and returned. */
const char *glim_shape_text(char out[GLIM_SHAPE_TEXT], const size_t *dims, int n_dims);

#endif
