/* importance.h - second moments of what each weight matrix is multiplied with, from calibration text.
 *
 * E[x_i^2] of input column i is the weight of that column's squared error in the expected squared error
 * of the product (the diagonal of the Hessian of least squares). Matrices with one input share it: q, k
 * and v; gate and up. Each expert has its own, from the rows that reached it; one that was hardly
 * reached gets the mean over all rows that reached any expert of its layer. */
#ifndef GLIM_COMPRESS_IMPORTANCE_H
#define GLIM_COMPRESS_IMPORTANCE_H

#include <stdint.h>

#include "engine/engine.h"

typedef struct glim_importance glim_importance;

/* Tokens done of a pass; false stops. */
typedef bool glim_importance_progress(void *ctx, size_t done, size_t total);

typedef struct glim_calibrate_params {
    size_t n_ctx;      /* tokens of a window; 0: see glim_window_tokens */
    size_t max_tokens; /* 0: all of the text */
    int n_threads;
    bool whole; /* also the moments of pairs of columns, for glim_importance_factor: 4 n_in^2 bytes an input */
    uint64_t limit_bytes; /* of them that may be held at once; what is more waits for another pass. 0: what the model leaves free */
    glim_importance_progress *progress; /* may be NULL */
    void *progress_ctx;
} glim_calibrate_params;

/* Runs the model at `model` over the file `text`. Errors: as glim_engine_open; GLIM_E_ARG for a text
 * shorter than 16 tokens; GLIM_E_NOMEM (the pairs of one input do not fit); GLIM_E_CANCELLED. */
glim_status glim_importance_gather(glim_importance **out, const char *model, const char *text,
                                   const glim_calibrate_params *p, glim_err *err);
void glim_importance_free(glim_importance *im); /* takes NULL */

/* Tokens of a window for the model at `path`: `asked`, or where that is 0, 512 or its whole context if
 * that is shorter. */
glim_status glim_window_tokens(const char *path, size_t asked, size_t *n_ctx, glim_err *err);

/* [n_in] for a GGUF tensor (expert: index, 0 for plain matrices); NULL if it has none, or another width. */
const float *glim_importance_find(const glim_importance *im, const char *name, size_t expert, size_t n_in);
/* What error feedback of a matrix needs (factor.h): *factor [n_in, n_in] and *w [n_in], valid until the next call.
 * Only of dense matrices and the head, only when gathered whole; else *factor is NULL: use glim_importance_find's. Opens the
 * model and passes over the text again when the pairs of this matrix's input are not among those in memory; the
 * factors do not depend on that. Errors: as glim_importance_gather. */
glim_status glim_importance_factor(glim_importance *im, glim_pool *pool, const char *name, size_t n_in, const float **factor,
                                   const float **w, glim_importance_progress *progress, void *progress_ctx, glim_err *err);
/* For counting passes before the first: whether glim_importance_factor would make one for this tensor if *group were in
 * memory; *group is then what is. It begins as glim_importance_group's. */
bool glim_importance_needs_pass(const glim_importance *im, const char *name, size_t n_in, size_t *group);
size_t glim_importance_group(const glim_importance *im);
uint64_t glim_importance_pairs_bytes(const glim_importance *im); /* held at once, at most */
/* A hash of all values, for telling two runs apart. */
uint64_t glim_importance_hash(const glim_importance *im);
bool glim_importance_whole(const glim_importance *im);
size_t glim_importance_n_tokens(const glim_importance *im);

#endif
