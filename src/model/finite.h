/* finite.h - whether a row of weights holds only finite numbers. */
#ifndef GLIM_MODEL_FINITE_H
#define GLIM_MODEL_FINITE_H

#include <stdbool.h>
#include <stddef.h>

#include "tensor/dtype.h"

/* False if any value of the row is NaN or infinite. For block types only the scales can make one, so
 * only they are looked at. */
bool glim_row_is_finite(glim_dtype type, const void *row, size_t n);

#endif
