/* dp_run.h - the life of a private training run (DP-SGD, arXiv:1607.00133): what is promised, where it is charged, its
 * key, its steps.
 *
 *   plan --> open: reserved on the ledger, key made (or read again) --step, step, ...--> end: given back, key erased
 *
 * The promise: (epsilon, delta) differential privacy of all weights that leave the run, neighbours being data sets of which
 * one has one example more. The number of examples counts as public.
 *
 *   FOLDER/privacy.json   what is promised and spent; kept beside the result, and read by a resumed run for its id
 *   FOLDER/privacy.key    dp_state.h; gone at the end
 *
 * A step, in this order: charged on the ledger's disk; examples drawn; the clipped gradients added up (dp_grad.h); noise once
 * on the sum, which becomes net->g, divided by the expected number of examples. Killed anywhere, the step is taken again
 * with the same examples and the same noise, and is charged once. */
#ifndef GLIM_TRAIN_DP_RUN_H
#define GLIM_TRAIN_DP_RUN_H

#include "train/data_set.h"
#include "train/dp_ledger.h"
#include "train/dp_noise.h"
#include "train/net.h"
#include "train/packs.h"

typedef struct glim_dp_params {
    double epsilon, delta; /* epsilon 0: the run is not private */
    double clip;           /* norm that one example's gradient is cut to; 0: 1 */
    double sigma;          /* noise multiplier; 0: the least that keeps the promise */
    const char *set;       /* the data set on the ledger (dp_ledger.h) */
    const char *actor;
    glim_store *ledger;
    const uint8_t *key;    /* [GLIM_DP_KEY_BYTES] for tests; NULL: from the operating system */
} glim_dp_params;

typedef struct glim_dp_plan {
    double epsilon, delta, clip, sigma;
    double q;        /* rate at which examples are drawn */
    uint64_t steps;
    double total;    /* upper bound of epsilon after all steps */
} glim_dp_plan;

/* batch: expected examples of a step. Errors: GLIM_E_ARG; GLIM_E_LIMIT (a given sigma that spends more than epsilon). */
glim_status glim_dp_make_plan(glim_dp_plan *out, const glim_dp_params *p, size_t n_train, size_t batch, uint64_t steps, glim_err *err);

/* What the ledger would say to such a run, before anything is written. folder: of a run that is to be resumed, which is on the
 * books already; NULL or empty: a new one. p->ledger NULL: there is no ledger yet, the run would begin it. Errors: as
 * glim_dp_ledger_begin; FORMAT, IO of the folder's privacy.json. */
glim_status glim_dp_run_look(const glim_dp_params *p, const glim_dp_plan *plan, const char *folder, glim_dp_spent *before, glim_dp_spent *with, glim_err *err);

typedef struct glim_dp_run glim_dp_run;

typedef struct glim_dp_open {
    const glim_dp_params *params;
    const glim_dp_plan *plan;
    glim_net *net;
    const char *folder;
    const char *data_hash;
    uint64_t settings; /* fingerprint of what else a step depends on */
    uint64_t done;     /* steps that a checkpoint has */
    bool resume;
    double dpo_beta;   /* the examples are pairs of answers (loss_dpo.h); 0: single sequences */
} glim_dp_open;

/* Errors: GLIM_E_LIMIT (over the data set's budget), GLIM_E_STATE (the folder holds another run; its key is gone or bound to
 * other settings), GLIM_E_FORMAT (its key is damaged and a step was charged with it), GLIM_E_ARG, IO, NOMEM, UNSUPPORTED (dp_grad.h). */
glim_status glim_dp_run_open(glim_dp_run **out, const glim_dp_open *o, glim_err *err);
void glim_dp_run_free(glim_dp_run *d); /* the run stays open on the ledger; takes NULL */

typedef struct glim_dp_taken {
    size_t n;          /* examples drawn */
    size_t n_cut;      /* whose gradient was cut */
    size_t n_tokens, n_targets;
    double nll;        /* sum over targets; of pairs: of their losses */
    size_t n_right;    /* of the pairs */
} glim_dp_taken;

/* Step number `step` from 0 over examples part[n_part] of d. pack, nll and scale [rows of a pass] are scratch.
 * Errors: GLIM_E_LIMIT, STATE, IO of the charge, before the data are looked at; GLIM_E_STATE naming the line of an example
 * whose loss or gradient is no number: nothing was released then, net->w is as it was. */
glim_status glim_dp_run_step(glim_dp_run *r, uint64_t step, const glim_dataset *d, const size_t *part, size_t n_part, glim_packer *pack,
                             double *nll, double *scale, glim_dp_taken *out, glim_err *err);
/* Upper bound of epsilon of this run after so many steps; with more than a hundred, of the next hundredth. */
double glim_dp_run_spent(glim_dp_run *r, uint64_t steps);
/* For the metadata of what is exported after so many steps: a JSON object, valid until the next call. Never the key. */
const char *glim_dp_run_note(glim_dp_run *r, uint64_t steps);
/* A run that will not go on (its job was cancelled, or failed): what it has not charged is free again, its key is erased. A folder
 * without a private run is fine. Errors: GLIM_E_IO, FORMAT; the folder must then stay, or steps stay reserved. */
glim_status glim_dp_run_abandon(glim_store *ledger, const char *folder, const char *actor, glim_err *err);
/* All steps are taken and what they made is on the disk. Twice is fine. */
glim_status glim_dp_run_end(glim_dp_run *r, glim_err *err);

#endif
