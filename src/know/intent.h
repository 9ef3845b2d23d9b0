/* intent.h - which of a business's intents a sentence has, in well under a millisecond, on no language model.
 *
 * A linear machine a label over hashed words, word pairs and characters (intent_feat.c). Trained in seconds from examples;
 * its confidence is calibrated on folds held out of training, and so is the score below which a sentence is answered with
 * "out of scope". Examples labelled GLIM_INTENT_OOS in the training set are sentences that have none of the intents.
 *
 * The same examples in the same order give the same file, byte for byte, for one build.
 * Threads: a model is read-only and may be shared; a glim_intent_work belongs to one thread. */
#ifndef GLIM_KNOW_INTENT_H
#define GLIM_KNOW_INTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define GLIM_INTENT_OOS "oos"

enum { GLIM_INTENT_MAX_BYTES = 4096, GLIM_INTENT_MAX_LABELS = 4096 };

typedef struct glim_intent glim_intent;

typedef struct glim_intent_example {
    const char *text;
    size_t n;
    const char *label; /* ends with NUL */
} glim_intent_example;

typedef struct glim_intent_report {
    size_t n_examples, n_labels, n_oos, n_features, n_folds, n_held_out;
    double held_out_accuracy; /* of folds that training did not see */
    double temperature, threshold;
    double seconds;
} glim_intent_report;

typedef struct glim_intent_params {
    uint32_t min_count; /* words and n-grams of fewer examples count as unknown: a smaller file, to which names mean nothing; 0: all are kept */
} glim_intent_params;

/* Errors: GLIM_E_ARG (fewer than two labels, a label of no examples' worth), GLIM_E_LIMIT, GLIM_E_NOMEM. p and r may be NULL. */
glim_status glim_intent_train(glim_intent **out, const glim_intent_example *e, size_t n, const glim_intent_params *p, glim_intent_report *r,
                              glim_err *err);

/* The file: "GLIMINT" with a version, the numbers, a checksum at the end. Errors of reading: GLIM_E_FORMAT (not one, cut
 * off, altered), GLIM_E_UNSUPPORTED (a newer version), GLIM_E_LIMIT. */
glim_status glim_intent_save(const glim_intent *m, const char *path, glim_err *err);
glim_status glim_intent_open(glim_intent **out, const char *path, glim_err *err);
glim_status glim_intent_parse(glim_intent **out, const void *bytes, size_t n, glim_err *err);
void glim_intent_free(glim_intent *m);

size_t glim_intent_n_labels(const glim_intent *m);
const char *glim_intent_label(const glim_intent *m, size_t i);

/* Scratch of one thread. */
typedef struct glim_intent_work glim_intent_work;
glim_intent_work *glim_intent_work_new(const glim_intent *m, glim_err *err);
void glim_intent_work_free(glim_intent_work *w);

typedef struct glim_intent_guess {
    const char *label; /* of the model, or GLIM_INTENT_OOS */
    size_t index;      /* n_labels for out of scope */
    float p;           /* how likely the answer is right, by calibration */
    bool oos;
    const char *best;  /* the likeliest label, also where the answer is out of scope */
    float best_p, margin;
} glim_intent_guess;

/* p may be NULL, else [n_labels] receives every label's probability. A text without any known feature is out of scope.
 * Errors: GLIM_E_NOMEM. */
glim_status glim_intent_ask(const glim_intent *m, glim_intent_work *w, const char *text, size_t len, glim_intent_guess *g, float *p,
                            glim_err *err);

/* Figures over examples whose labels are known; labels the model does not have count as in scope and are always missed.
 *
 *   accuracy           right answers among all, out of scope answers included
 *   in_scope_accuracy  among examples of intents
 *   oos_recall         among out-of-scope examples, how many were refused; NaN without any
 *   ece                expected calibration error of p, 15 bins of equal width
 *
 * Appends one JSON object with these and "confusion": {want: {got: count}} of wrong answers, and with counts and timing. */
typedef struct glim_intent_figures {
    size_t n, n_oos;
    double accuracy, in_scope_accuracy, oos_recall, ece, oos_answered;
    double us_mean; /* microseconds a text */
} glim_intent_figures;
glim_status glim_intent_eval(const glim_intent *m, const glim_intent_example *e, size_t n, glim_intent_figures *f, glim_buf *json,
                             glim_err *err);

#endif
