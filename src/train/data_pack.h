/* data_pack.h - several examples in one row of a batch, none of which sees another.
 *
 * Within a window of consecutive examples of the given order, the longest first, each goes where it leaves the least
 * room (best fit, decreasing). The rows of a window come in the order of their first example, so that what is trained
 * when still follows the shuffle. Depends on order, lengths and window alone. */
#ifndef GLIM_TRAIN_DATA_PACK_H
#define GLIM_TRAIN_DATA_PACK_H

#include "train/data_set.h"

typedef struct glim_pack_row {
    size_t first, n;  /* of glim_pack.item */
    size_t n_tokens;
} glim_pack_row;

typedef struct glim_pack {
    size_t *item;        /* [n_items] indices of examples, row by row, in each row in their order */
    glim_pack_row *rows; /* [n_rows] */
    size_t n_items, n_rows;
    size_t row_tokens;   /* room in a row */
} glim_pack;

/* order [n] names examples, len[i] is the length of example i. window 0: 1024.
 * Errors: GLIM_E_ARG (an example longer than a row), NOMEM. */
glim_status glim_pack_plan(glim_pack *out, const size_t *order, const size_t *len, size_t n, size_t row_tokens, size_t window, glim_err *err);
void glim_pack_free(glim_pack *p); /* takes {0} */

/* Writes row `row`: tokens, loss, pos (from 0 in each example) and seq (0, 1, ... by example), each [row_tokens] or NULL.
 * What is left of the row gets token 0, loss 0, pos 0 and seq -1. Returns how many tokens are used. */
size_t glim_pack_fill(const glim_pack *p, size_t row, const glim_dataset *d, int32_t *tokens, uint8_t *loss, int32_t *pos, int32_t *seq);

#endif
