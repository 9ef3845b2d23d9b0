/* intent_train.h - the classifiers of intent recognition: one linear machine a label. */
#ifndef GLIM_KNOW_INTENT_TRAIN_H
#define GLIM_KNOW_INTENT_TRAIN_H

#include "know/intent_internal.h"

enum { GLIM_INTENT_LANES = 16 };

typedef struct glim_intent_descent {
    float c;        /* the price of an error */
    float positive; /* how much more one costs on an example of the label itself */
    unsigned n_epochs;
} glim_intent_descent;

/* Trains on rows use[0..n_use) of x.
 *
 *   w      [n_features, width]  zero on entry, 64-byte aligned; width is n_labels rounded up to GLIM_INTENT_LANES
 *   label  [x->n]               n_labels for an example of none of them
 *
 * The same input gives the same bits. Errors: GLIM_E_NOMEM. */
glim_status glim_intent_descend(float *w, size_t width, size_t n_labels, const glim_rows *x, const uint16_t *label,
                                const uint32_t *use, size_t n_use, const glim_intent_descent *p, glim_err *err);

/* out [width] = x W; both 64-byte aligned. */
void glim_intent_scores(float *out, const float *w, size_t width, const uint32_t *idx, const float *val, size_t n);

#endif
