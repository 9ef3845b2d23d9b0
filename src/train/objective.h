/* objective.h - what a step minimizes: examples of a data set into passes over a net, by method. */
#ifndef GLIM_TRAIN_OBJECTIVE_H
#define GLIM_TRAIN_OBJECTIVE_H

#include "train/loss_distill.h"
#include "train/packs.h"
#include "train/tune.h"

typedef struct glim_objective {
    glim_tune_method method;
    glim_net *n;
    glim_packer *pack;
    double *nll, *scale; /* scratch, [rows of a pass] */
    double dpo_beta;
    glim_teacher *teacher; /* distillation; NULL otherwise */
    double balance;      /* weight of the load-balancing loss: a sequence's, mean over the step's */
    uint64_t *passes;    /* counts passes: dropout's counter */
} glim_objective;

/* Loss, accuracy and counts of examples list[count] of d into s; with train, also the gradient. Errors: as glim_net_forward. */
glim_status glim_objective_run(glim_objective *o, const glim_dataset *d, const size_t *list, size_t count, bool train, glim_tune_step *s,
                               glim_err *err);

#endif
