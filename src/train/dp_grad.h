/* dp_grad.h - the gradient of each example by itself, cut to a norm before it is added to the others' (arXiv:1607.00133).
 *
 * An example is a sequence of a pass, or with dpo two that stand together: their gradient is one, and is cut as one.
 *
 *   pairs (LoRA)   formed: a pass has a buffer of all trained values for each of its examples, and one backward fills them.
 *                  A pair has rank * (in + out) values, activations have rows * (in + out): with more rows than the rank,
 *                  the gradient is the smaller of the two. Norms are taken of what is added, in double; sums are double.
 *   all weights    ghost norms (arXiv:2110.05679): |sum_t dy_t x_t^T|^2 = sum_t,s (dy_t . dy_s) (x_t . x_s), in double, and no
 *                  gradient of an example exists; where it costs less, the rows of the product one at a time. A first
 *                  backward has the norms, a second one the sum, whose rows of x carry their example's factor. A head tied
 *                  to the embedding is one tensor: the product of its two parts counts in its norm.
 *
 * While one is attached (net->single), gradients of weights go through here, and glim_net_backward is called by
 * glim_dp_grad_add only. Weights' own products are f32 whatever the net's type: what is cut must be what is added.
 * Nothing here depends on which other sequences share a pass: a product's row is a chain of its own. Dropout, whose mask
 * is a function of a row's place in its pass, would break that and is refused. */
#ifndef GLIM_TRAIN_DP_GRAD_H
#define GLIM_TRAIN_DP_GRAD_H

#include "train/loss_dpo.h"

typedef struct glim_dp_grad glim_dp_grad;

/* Attaches to the net, made with net_params.by_example. Errors: GLIM_E_UNSUPPORTED, NOMEM. */
glim_status glim_dp_grad_new(glim_dp_grad **out, glim_net *n, double clip, glim_err *err);
void glim_dp_grad_free(glim_dp_grad *d); /* detaches; takes NULL */
/* Examples of a pass at most, and what it will hold; for a net that is only counted too (glim_net_bytes adds it). */
size_t glim_dp_grad_n_seq(const glim_net *n);
size_t glim_dp_grad_bytes(const glim_net *n);

void glim_dp_grad_zero(glim_dp_grad *d); /* the sum */
/* Forward, loss, backward: adds min(1, clip / norm) times the gradient of sum_rows scale[row] nll[row] of each sequence.
 *   nll   [b->n] written
 *   norm  [b->n_seq] written: of each gradient before it is cut
 * A sequence whose loss or gradient is no number leaves the sum as it was: GLIM_E_STATE, *bad (may be NULL) is its number. */
glim_status glim_dp_grad_add(glim_dp_grad *d, const glim_pack *b, const double *scale, double *nll, double *norm, size_t *bad,
                             glim_err *err);
/* The same with examples of two sequences, chosen and rejected, and their loss: its mean over one pair. loss->scale is scratch,
 * norm [b->n_seq / 2], *bad the number of a pair. LoRA only. */
glim_status glim_dp_grad_add_pairs(glim_dp_grad *d, const glim_pack *b, glim_dpo *loss, double *norm, size_t *bad, glim_err *err);
/* The sum: of pairs in double (then *f32 is NULL), of all weights net->g (then *f64 is NULL); [net->n_values]. */
void glim_dp_grad_sum(const glim_dp_grad *d, const double **f64, const float **f32);

/* ---- called by layers while one is attached, instead of adding to gradients ---- */

/* g [n_out, n_in] is the gradient at dy [rows, n_out] of y = x W^T. */
void glim_dp_grad_weight(glim_net *n, float *g, size_t n_out, size_t n_in, const float *dy, size_t dy_ld, const float *x, size_t x_ld,
                         size_t rows);
/* As glim_columns_add. */
void glim_dp_grad_columns(glim_net *n, float *g, const float *dy, const float *x, const float *r, size_t rows, size_t width);
/* Of the embedding, from the gradient at its rows. */
void glim_dp_grad_embed(glim_net *n);

#endif
