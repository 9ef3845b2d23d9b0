/* quant.h - rows of numbers into the block types of GGUF, with the scales searched for.
 *
 * A block type stores small integers and shared scales. Given the scales, the best integers are the
 * nearest ones; given the integers, the best scales are a weighted least-squares fit. Each quantizer
 * starts from a grid of scales around the absolute-maximum one, alternates the two steps, and judges
 * every candidate by the error of what the file will hold, scales rounded to f16 included. The
 * absolute-maximum scale is itself a candidate, so the result is never worse by that measure.
 *
 * The error is sum_i w[i] * (x[i] - stored[i])^2. w is the importance of input column i: the second
 * moment of the activations that meet it (importance.h), which makes the sum the expected squared
 * error of the product; for q2_k times sqrt(2 mean(x^2) + x[i]^2). Without it w[i] = sqrt(mean(x^2) + x[i]^2)
 * over the block.
 *
 * A row's result depends on nothing but its values and weights. */
#ifndef GLIM_COMPRESS_QUANT_H
#define GLIM_COMPRESS_QUANT_H

#include <stdbool.h>
#include <stddef.h>

#include "tensor/dtype.h"

/* f32, f16, bf16, q8_0, q4_0, q4_1, q5_0, q5_1, q2_k, q3_k, q4_k, q5_k, q6_k, iq4_nl, iq4_xs. */
bool glim_quant_can(glim_dtype t);

/* dst = the row x[0..n) in type t; n a multiple of t's block length, x finite.
 * w [n]: importances >= 0, or NULL. All zero in a block counts as none. No overlap. */
void glim_quant_row(glim_dtype t, const float *x, const float *w, void *dst, size_t n);

/* The same with error feedback (GPTQ, arXiv:2210.17323): columns are rounded in order, and what a column's rounding
 * does to the product is taken back, as far as the activations are alike, by the columns behind it. factor [n, n] is
 * glim_importance_factor's, whose w goes with it. x [n] is used up. A block's scales are searched when its turn
 * comes; a sub-block's integer scale is chosen again when its own does. */
void glim_quant_row_feedback(glim_dtype t, float *x, const float *w, const float *factor, void *dst, size_t n);

#endif
