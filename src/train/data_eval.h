/* data_eval.h - how well a model, with or without an adapter, does the rows of a data set.
 *
 * Loss       -log p of each target, teacher-forced; perplexity is the exponential of its mean.
 * Exact      examples all of whose targets are the likeliest token at their place, which is when greedy decoding gives the
 *            answer token for token.
 * Labels     where answers are one of few: the answer among these with the highest probability, found exactly (best first
 *            over the tree of their tokens, -log p never falls along a path), and the confusion matrix.
 *
 * Examples go in groups through the engine's own forward pass; figures do not depend on the grouping.
 * Threads: drives the engine; one at a time. */
#ifndef GLIM_TRAIN_DATA_EVAL_H
#define GLIM_TRAIN_DATA_EVAL_H

#include "engine/engine.h"
#include "model/adapter.h"
#include "train/data_set.h"

typedef struct glim_eval_params {
    const glim_adapter *adapter; /* NULL: the model alone */
    bool (*progress)(void *ctx, size_t done, size_t total); /* examples; false stops. May be NULL */
    void *progress_ctx;
} glim_eval_params;

typedef struct glim_eval_scores {
    size_t n_examples, n_targets, n_right, n_exact; /* targets that are the likeliest token; examples where all are */
    double nll, nll2; /* sums over targets of -log p and of its square */
} glim_eval_scores;

/* Preference sets are scored on their chosen answers. Errors: GLIM_E_LIMIT (an example longer than the context), CANCELLED, NOMEM. */
glim_status glim_eval_score(glim_eval_scores *out, glim_engine *e, const glim_dataset *d, const glim_eval_params *p, glim_err *err);

/* The distinct answers of a set: the tokens of the last run of targets of each example. */
typedef struct glim_labels {
    const glim_tok *tok; /* borrowed */
    int32_t *tokens;  /* all of them, one after the other */
    size_t *off;      /* [n + 1] */
    char **text;      /* [n] heap: without control tokens, stripped */
    size_t n, n_tokens;
} glim_labels;

/* Adds what d has and out ({0} or earlier ones) has not, in order of appearance. Errors: GLIM_E_LIMIT (more than max), NOMEM. */
glim_status glim_labels_add(glim_labels *out, const glim_dataset *d, const glim_tok *tok, size_t max, glim_err *err);
void glim_labels_free(glim_labels *l); /* takes {0} */
/* Whether the tokens of one label begin those of another, and which of which: the first is always the likelier. */
bool glim_labels_begin(const glim_labels *l, size_t *shorter, size_t *longer);
/* Number of the label that example i has; SIZE_MAX: none of these. */
size_t glim_labels_of(const glim_labels *l, const glim_dataset *d, size_t i);

typedef struct glim_eval_labels {
    size_t n_labels, n_examples, n_right;
    uint32_t *confusion;  /* [n_labels, n_labels]: row what it is, column what was said */
    double macro_f1;      /* mean over labels that occur or are said */
} glim_eval_labels;

/* Errors: as above; GLIM_E_ARG (an answer that is none of the labels, by line). */
glim_status glim_eval_classify(glim_eval_labels *out, glim_engine *e, const glim_dataset *d, const glim_labels *l, const glim_eval_params *p,
                               glim_err *err);
void glim_eval_labels_free(glim_eval_labels *r);

#endif
