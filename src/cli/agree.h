/* agree.h - does the kernel set in use compute what plain C computes? The test of `verify` and `bench`. */
#ifndef GLIM_CLI_AGREE_H
#define GLIM_CLI_AGREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tensor/dtype.h"

enum { GLIM_AGREE_TOKENS = 24 };

/* Ids spread over the vocabulary: the same for everybody with this model. */
void glim_agree_ids(int32_t ids[GLIM_AGREE_TOKENS], size_t n_vocab);

typedef struct glim_agree {
    double worst;  /* largest difference */
    double spread; /* largest magnitude that plain C computed: what the difference is held against */
    bool ok;
} glim_agree;

/* Two sets differ in rounding only: the worst logit may differ by a share of the spread, 0.001 for f32
 * weights and 0.05 where activations are rounded too. Anything not finite disagrees. */
glim_agree glim_agree_logits(const float *got, const float *plain, size_t n, glim_dtype weight_type);

#endif
