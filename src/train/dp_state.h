/* dp_state.h - the file that holds a private run's key while the run is not over.
 *
 * A run that was killed goes on with the same key, so a step that is taken again gets the same examples and the same
 * noise: the data are asked once. The file says what the key is for, and it is refused for anything else: the same noise
 * on another sum would give both away. Mode 0600; at the end it is overwritten and removed. The key is in no
 * checkpoint, no log and no export. */
#ifndef GLIM_TRAIN_DP_STATE_H
#define GLIM_TRAIN_DP_STATE_H

#include "train/dp_noise.h"

/* What a key is bound to. Zero bytes behind the texts. */
typedef struct glim_dp_binding {
    char run[65];       /* id of the run */
    char data[65];      /* glim_dataset_hash */
    double q, sigma, clip;
    uint64_t steps;     /* planned */
    uint64_t n_params;  /* values in the sum */
    uint64_t settings;  /* fingerprint of all else that the sums depend on */
} glim_dp_binding;

/* A new key in a new file. Errors: GLIM_E_STATE (the file is there), IO, NOMEM. */
glim_status glim_dp_state_create(glim_dp_rng **out, const char *path, const glim_dp_binding *b, glim_err *err);
/* The same with a given key, for tests. */
glim_status glim_dp_state_create_with(glim_dp_rng **out, const char *path, const glim_dp_binding *b, const uint8_t key[GLIM_DP_KEY_BYTES],
                                      glim_err *err);
/* Errors: GLIM_E_NOT_FOUND, FORMAT (damaged), STATE (others may read it; bound to something else, named), UNSUPPORTED (newer). */
glim_status glim_dp_state_open(glim_dp_rng **out, const char *path, const glim_dp_binding *b, glim_err *err);
/* Overwrites, syncs and removes the file; one that is not there is no error. What a disk or a file system keeps of earlier
 * versions is beyond a program's reach: use an encrypted disk. */
glim_status glim_dp_state_erase(const char *path, glim_err *err);

#endif
