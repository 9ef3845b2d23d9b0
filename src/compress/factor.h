/* factor.h - what error feedback needs of second moments.
 *
 * H = X^T X over calibration rows, made regular; its inverse is F^T F with F upper triangular. Rounding column i by
 * e and then letting the columns behind it compensate as well as they can costs e^2 / F[i][i]^2, and what they must
 * change by is -e * F[i][j] / F[i][i] (quant.h's glim_quant_row_feedback; arXiv:2210.17323). */
#ifndef GLIM_COMPRESS_FACTOR_H
#define GLIM_COMPRESS_FACTOR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/pool.h"

/* h [n, n]: symmetric, upper half read; becomes F (lower half 0). w [n]: 1 / F[i][i]^2. False when h is not finite
 * or all zero. */
bool glim_factor(glim_pool *pool, float *h, float *w, size_t n);

#endif
