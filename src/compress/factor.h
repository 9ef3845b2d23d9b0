/* factor.h - what error feedback needs of second moments.
 *
 * H = X^T X over calibration rows, made regular; its inverse is F^T F with F upper triangular. Rounding column i by
 * e and then letting the columns behind it compensate as well as they can costs e^2 / F[i][i]^2, and what they must
 * change by is -e * F[i][j] / F[i][i] (quant.h's glim_quant_row_feedback; arXiv:2210.17323). */
#ifndef GLIM_COMPRESS_FACTOR_H
#define GLIM_COMPRESS_FACTOR_H

#include "base/err.h"
#include "tensor/gemm.h"

/* h [n, n]: symmetric, upper half read; becomes F (lower half 0). w [n]: 1 / F[i][i]^2. n^3 / 3 multiply-adds, shared
 * out over the pool; the bits depend neither on its threads nor on the set. Beside h: 516 n bytes, and half a MiB a thread.
 * Errors: GLIM_E_FORMAT (h is not finite, all zero, or no matrix of moments; h is spoilt); GLIM_E_NOMEM. */
glim_status glim_factor(glim_pool *pool, const glim_gemm_set *set, float *h, float *w, size_t n, glim_err *err);

#endif
