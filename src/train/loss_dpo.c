/* loss_dpo.c - see loss_dpo.h. */
#include "train/loss_dpo.h"

#include <math.h>

static void sequence_sums(const glim_pack *b, const double *nll, double *sums) {
    for (size_t s = 0; s < b->n_seq; s++) {
        sums[s] = 0;
        for (size_t i = b->seq[s]; i < b->seq[s + 1]; i++) sums[s] += nll[i];
    }
}

glim_status glim_dpo_pass(glim_dpo *d, glim_net *n, const glim_pack *b, double scale, glim_err *err) {
    n->bypass = true;
    glim_status rc = glim_net_forward(n, b, err);
    if (rc == GLIM_OK) glim_net_head(n, b, d->nll, NULL);
    n->bypass = false;
    if (rc != GLIM_OK) return rc;
    sequence_sums(b, d->nll, d->base);
    rc = glim_net_forward(n, b, err);
    if (rc != GLIM_OK) return rc;
    glim_net_head(n, b, d->nll, NULL);
    sequence_sums(b, d->nll, d->sums);
    for (size_t s = 0; s + 1 < b->n_seq; s += 2) {
        /* log ratios: of the chosen one base - sums, of the rejected one likewise */
        const double z = d->beta * ((d->base[s] - d->sums[s]) - (d->base[s + 1] - d->sums[s + 1]));
        d->loss += z > 0 ? log1p(exp(-z)) : log1p(exp(z)) - z;
        d->right += z > 0;
        const double slope = d->beta * scale / (1 + exp(z)); /* by the chosen one's nll; minus, by the other's */
        for (size_t i = b->seq[s]; i < b->seq[s + 1]; i++) d->scale[i] = slope;
        for (size_t i = b->seq[s + 1]; i < b->seq[s + 2]; i++) d->scale[i] = -slope;
    }
    if (scale != 0) {
        glim_net_head(n, b, d->nll, d->scale);
        glim_net_backward(n, b);
    }
    return GLIM_OK;
}
