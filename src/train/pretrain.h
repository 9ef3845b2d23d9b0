/* pretrain.h - a model learns from a streamed corpus: the next token of every token.
 *
 * A step takes the next `batch` windows of `window` tokens (data_corpus.h). A document ends at its end-of-text token: what
 * follows in the window is a sequence of its own, which does not see it, and whose first token nobody has to guess.
 * Sequences are packed into as many passes as they need; the weights change once.
 *
 *   OUT/state.glim, state.old   the last two checkpoints: values, optimizer, place in the corpus
 *   OUT/metrics.jsonl           one line a step; with texts for evaluation some have eval_loss
 *   OUT/...                     the model, at the end
 *
 * Texts for evaluation (a file, or blocks of the corpus that are kept apart) are gone through once, in their order, in windows of the
 * same length: the mean loss of all their tokens. Looking changes nothing of what a step does; blocks kept apart are not trained on.
 *
 * What a step does is a function of its number, the settings and the corpus: a run that was killed and resumed ends in the
 * same bits as one that was not, whatever the number of threads. */
#ifndef GLIM_TRAIN_PRETRAIN_H
#define GLIM_TRAIN_PRETRAIN_H

#include "train/tune.h"

typedef struct glim_pretrain_params {
    glim_gemm_type type;
    const glim_kernels *kernels; /* as in glim_net_params */
    size_t window;         /* tokens, 0: 512 */
    size_t batch;          /* windows of a step; 0: 8 */
    size_t n_rows;         /* of a pass; 0: as many as a step has, at most 2048 */
    size_t n_steps;        /* one of these two */
    uint64_t n_tokens;
    glim_optim_params optim; /* lr 0: 1e-3; beta2 0: 0.95; n_steps is set */
    double warmup_share;   /* of all steps, if optim.warmup is 0 */
    const char *eval_file; /* texts for evaluation, as a corpus; NULL: none */
    double eval_share;     /* of the corpus' blocks (data_corpus.h), drawn by the seed, kept for evaluation instead */
    size_t eval_every;     /* steps; 0: a twentieth of the run. Also before the first step and behind the last */
    size_t patience;       /* as in tune.h */
    double save_seconds;   /* between checkpoints; 0: 600 */
    uint64_t seed;         /* of the order of blocks */
    const char *out;
    bool resume;
    bool held; /* the caller holds out (folder.h), and releases it */
    void (*on_begin)(void *ctx); /* as in tune.h */
    bool (*on_step)(void *ctx, const glim_tune_step *s);
    void *ctx;
} glim_pretrain_params;

/* Errors: GLIM_E_NOMEM with the figures if it does not fit; GLIM_E_ARG. n_train: windows of a step; n_eval: 1 where there is something to evaluate on. */
glim_status glim_pretrain_plan(glim_tune_plan *plan, const glim_model *m, const glim_pretrain_params *p, glim_err *err);
/* paths: text files, or .jsonl with rows {"text": ...}. Errors: as glim_tune_run and glim_corpus_next. */
glim_status glim_pretrain_run(glim_model *m, const glim_tok *tok, const char *const *paths, size_t n_paths, const glim_pretrain_params *p,
                              glim_tune_result *out, glim_err *err);

#endif
