/* state.h - a run's checkpoint: a header, then pieces of memory, under one checksum.
 *
 * Written beside the last one and renamed over it, after that one became <path's folder>/state.old: at any moment one
 * whole file is there. Reading takes the newer of the two that is whole. */
#ifndef GLIM_TRAIN_STATE_H
#define GLIM_TRAIN_STATE_H

#include "train/optim.h"

typedef struct glim_run_state {
    uint64_t step;        /* done */
    uint64_t fingerprint; /* of settings and data */
    double best_eval;     /* NAN: none yet */
    uint64_t bad_evals;   /* since the best */
    double first_loss, last_loss, eval_before;
    uint64_t n_tokens;
    double seconds;       /* of all runs so far */
} glim_run_state;

enum { GLIM_STATE_PIECES = 8 };

/* Whether all trained values are numbers: the last step's are looked at by no other step, and a checkpoint of such that are none is worth less
 * than the one before it. Errors: GLIM_E_STATE naming the step. */
glim_status glim_state_numbers(const glim_run_state *s, const float *values, size_t n, glim_err *err);

/* Whether the folder has a checkpoint, whole or not. */
bool glim_state_is_in(const char *folder);

/* secret: for its owner alone. Errors: GLIM_E_IO. */
glim_status glim_state_write(const char *folder, const glim_run_state *s, const glim_piece *pieces, size_t n, bool secret, glim_err *err);
/* Fills s and the pieces. Errors: GLIM_E_NOT_FOUND (there is none), GLIM_E_STATE (of other settings, or a newer version),
 * GLIM_E_FORMAT (none is whole). *from: which file, for the log. */
glim_status glim_state_read(const char *folder, uint64_t fingerprint, glim_run_state *s, const glim_piece *pieces, size_t n,
                            const char **from, glim_err *err);

#endif
