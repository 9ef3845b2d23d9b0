/* loss_dpo.h - direct preference optimization over pairs of answers (arXiv:2305.18290).
 *
 *   loss = -log sigmoid(beta ((log p(chosen) - log p0(chosen)) - (log p(rejected) - log p0(rejected))))
 *
 * p0 is the model without its pairs, so nothing is loaded twice. log p of an answer is the sum over its tokens. */
#ifndef GLIM_TRAIN_LOSS_DPO_H
#define GLIM_TRAIN_LOSS_DPO_H

#include "train/net.h"

typedef struct glim_dpo {
    double beta;
    double *nll, *scale;  /* scratch, [rows of a pass] */
    double *base, *sums;  /* scratch, [sequences of a pass] */
    double loss;          /* += of each pair */
    size_t right;         /* += pairs whose chosen answer gained more than its rejected one */
} glim_dpo;

/* One pass over pairs that stand together, chosen then rejected. scale not 0: adds the gradient of scale * the pairs' loss.
 * Errors: as glim_net_forward. */
glim_status glim_dpo_pass(glim_dpo *d, glim_net *n, const glim_pack *b, double scale, glim_err *err);

#endif
