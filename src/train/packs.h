/* packs.h - examples laid one after the other into batches for a pass. */
#ifndef GLIM_TRAIN_PACKS_H
#define GLIM_TRAIN_PACKS_H

#include "train/data_set.h"
#include "train/net.h"

/* Storage for one batch of up to n_rows rows. */
typedef struct glim_packer {
    glim_pack pack; /* points into the arrays below */
    size_t n_rows, n_target;
    int32_t *tokens, *pos, *target;
    size_t *seq;
    size_t *source; /* [n_seq] the caller's number of each sequence */
} glim_packer;

glim_status glim_packer_init(glim_packer *p, size_t n_rows, glim_err *err);
void glim_packer_deinit(glim_packer *p); /* takes {0} */
void glim_packer_clear(glim_packer *p, uint64_t id);
/* Adds one example; false if it does not fit any more. Its last token is only a target, so it takes n - 1 rows; what
 * follows the last target is left out, and an example without a target takes none. */
bool glim_packer_add(glim_packer *p, const glim_example *x, size_t source);
/* Rows that the example will take. */
size_t glim_packer_rows(const glim_example *x);

#endif
