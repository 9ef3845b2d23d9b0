/* dora.h - what DoRA adds to LoRA: the lengths of rows of W + s B A, without the sum ever being formed.
 *
 *   W' = m (W + s B A) / |W + s B A|, row by row; m, one number a row, is trained or read. arXiv:2402.09353
 *   |w + s b A|^2 = |w|^2 + 2 s b (A w) + s^2 b (A A^T) b
 *
 * The first term does not change while W stays; A W^T is a product of r rows. Inference (adapter.c) and training share it. */
#ifndef GLIM_MODEL_DORA_H
#define GLIM_MODEL_DORA_H

#include "tensor/gemm.h"

/* square [n_out]: |W[o]|^2, of the values that W's bits mean, packed or not. */
void glim_dora_squares(glim_pool *pool, const glim_gemm_set *s, const glim_mat *w, double *square);

/* Scratch of glim_dora_lengths, 64-byte aligned. */
size_t glim_dora_bytes(const glim_gemm_set *s, size_t n_out, size_t n_in, size_t rank, int n_threads);
/* length [n_out]: |W[o] + scale b[o] a|; a [rank, n_in], b [n_out, rank]. A value is one chain of sums: the same bits for
 * any number of threads. */
void glim_dora_lengths(glim_pool *pool, const glim_gemm_set *s, const glim_mat *w, const double *square, const float *a,
                       const float *b, size_t rank, double scale, float *length, void *scratch);

#endif
