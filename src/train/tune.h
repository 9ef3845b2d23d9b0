/* tune.h - a training run from data to files: plan, steps, evaluation, checkpoints, export.
 *
 * A step takes the next `batch` examples of an endless sequence of shuffled epochs, packs them into as many passes as
 * they need, and changes the weights once. What a step does is a function of its number, the settings and the data:
 * so a run that was killed at any moment and resumed gives the same bits as one that was not.
 *
 *   OUT/state.glim, state.old   the last two checkpoints, each written whole or not at all
 *   OUT/metrics.jsonl           one line a step
 *   OUT/adapter_*               LoRA: the PEFT folder, at the end; full weights: model files
 *   OUT/step-N/adapter_*        with exports: the adapter as it was after step N
 *   OUT/privacy.json            private runs (dp_run.h); metrics.jsonl and the checkpoints then have mode 0600: the losses
 *                               they hold are those of the examples, without noise */
#ifndef GLIM_TRAIN_TUNE_H
#define GLIM_TRAIN_TUNE_H

#include "train/data_set.h"
#include "train/dp_run.h"
#include "train/net.h"
#include "train/optim.h"

typedef enum glim_tune_method {
    GLIM_TUNE_SFT = 0, /* -log p of the targets */
    GLIM_TUNE_DPO,     /* pairs, against the base model (arXiv:2305.18290); LoRA only */
    GLIM_TUNE_DISTILL  /* the targets and a teacher's probabilities of them (loss_distill.h) */
} glim_tune_method;

typedef struct glim_tune_step {
    size_t step, n_steps;  /* step: 1 for the first */
    double loss, rate, norm;
    double eval_loss;      /* NAN where none was taken */
    double eval_accuracy;  /* of the pairs for evaluation, how many are right; NAN as eval_loss, and without pairs */
    double accuracy;       /* of the step's pairs, how many were right; -1: not counted */
    double balance;        /* mean load-balancing loss of the step's sequences; 0: not asked for */
    double imbalance;      /* glim_net_imbalance of the step; 0: no experts */
    size_t n_tokens, n_targets; /* of this step */
    double epsilon;        /* private runs: spent so far, at most; NAN otherwise */
    double cut_share;      /* of this step's examples, how many gradients were cut to the clip norm */
    size_t n_examples;     /* drawn for it */
    double seconds, tokens_per_s, eta_s;
} glim_tune_step;

typedef struct glim_tune_params {
    glim_tune_method method;
    glim_net_params net;   /* n_rows 0: the longest example, at least 512 */
    glim_optim_params optim; /* lr 0: 2e-4 for LoRA, 1e-5 for full weights; n_steps is computed */
    double epochs;         /* 0: 1 */
    size_t max_steps;      /* 0: as epochs say */
    size_t batch;          /* examples, or pairs, of a step; 0: 8 */
    double warmup_share;   /* of all steps, if optim.warmup is 0 */
    double dpo_beta;       /* 0: 0.1 */
    const glim_model *teacher; /* of distillation; checked by the caller with glim_teacher_check */
    double distill_temperature, distill_weight; /* 0: 2 and 0.5 */
    size_t distill_top;    /* 0: 128; SIZE_MAX: the whole vocabulary */
    double balance;        /* weight of the experts' load-balancing loss; 0: none */
    double router_step;    /* by which biases of routers move each step, full weights; 0: they stay */
    double eval_share;     /* of the examples, drawn by the seed, kept for evaluation */
    const glim_dataset *eval; /* evaluated on instead; NULL: none. Of the same kind, rows or pairs */
    size_t eval_every;     /* steps; 0: at the end of each epoch */
    size_t patience;       /* evaluations without a better loss after which the run ends, with the best weights; 0: never */
    size_t save_every;     /* steps; 0: about a hundredth of the run, at least 1 */
    size_t exports;        /* parts of the run after each of which the adapter is written, not only after the last; 0: 1 */
    uint64_t seed;         /* of order, start and dropout */
    glim_dp_params dp;     /* epsilon 0: not private. `batch` is then the expected number of examples */
    const char *out;       /* folder */
    const char *base;      /* base_model_name_or_path */
    bool resume;           /* go on from the checkpoint in out, if there is one */
    /* Once, before the first step: the run was refused by nobody, the folder is its own. Not called: nothing is left of it. May be NULL. */
    void (*on_begin)(void *ctx);
    /* After each step; false stops: a checkpoint is written and the run ends as GLIM_E_CANCELLED. May be NULL. */
    bool (*on_step)(void *ctx, const glim_tune_step *s);
    void *ctx;
} glim_tune_params;

/* Bytes of a run, known before it starts. */
typedef struct glim_tune_plan {
    size_t weights;   /* the loaded model's */
    size_t trained, optimizer, activations, data;
    size_t teacher;   /* of distillation, its weights included */
    size_t save;      /* what writing the result takes beside */
    size_t program;   /* code, libraries, tokenizer: what there is without a model */
    size_t total, available;
    size_t n_values;  /* trained */
    size_t n_steps, n_train, n_eval, n_rows;
    size_t export_every; /* steps; 0: only at the end */
    glim_dp_plan dp;
} glim_tune_plan;

typedef struct glim_tune_result {
    size_t steps, resumed_at; /* resumed_at: steps that an earlier run had done */
    double first_loss, last_loss, eval_before, eval_after, best_eval; /* NAN where there is none */
    double eval_accuracy; /* of pairs, at the end; NAN */
    bool stopped_early;
    double seconds;
    size_t n_tokens;
    double epsilon;   /* spent; NAN without privacy */
    uint64_t sum;     /* of all trained values */
} glim_tune_result;

/* Bytes of a loaded model's table of embeddings that m->plan counts and that the tokens of these sets (NULL: none) never touch: a
 * frozen table is read by row, and a page of a mapped file is resident once something on it, or around it, was read. 0 where the
 * table is the head's matrix too, or where loading read it whole. */
size_t glim_tune_idle_rows(const glim_model *m, const glim_dataset *const *sets, size_t n_sets);
/* Errors: GLIM_E_NOMEM with the figures if it does not fit; GLIM_E_ARG; as glim_net_new. */
glim_status glim_tune_make_plan(glim_tune_plan *plan, const glim_model *m, const glim_dataset *d, const glim_tune_params *p, glim_err *err);
/* Plans, runs, exports. Errors: GLIM_E_STATE (a loss that is no number, named by step and lines; a checkpoint of other
 * settings or data), GLIM_E_CANCELLED, GLIM_E_IO, and as above. The last good checkpoint stays in any case. */
glim_status glim_tune_run(glim_model *m, const glim_dataset *d, const glim_tune_params *p, glim_tune_result *out, glim_err *err);

/* Which weights a run begins from, and in which type: names, shapes and some bytes of every tensor, wherever the file lies. The
 * bytes are those that loading looked at already (format/packed.c). */
uint64_t glim_tune_model_sum(const glim_model *m);

#endif
