/* start_internal.h - what start.c asks of start_lookup.c. */
#ifndef GLIM_TRAIN_START_INTERNAL_H
#define GLIM_TRAIN_START_INTERNAL_H

#include "format/config.h"

typedef struct glim_lookup {
    const glim_config *c;
    float *p, *q1, *q2, *copy1, *copy2; /* [head_dim, n_embd] each */
} glim_lookup;

/* Biases, a tied head, three layers, two groups of query heads, dimensions that are not rotated. */
bool glim_lookup_possible(const glim_config *c, bool bias);
glim_status glim_lookup_new(glim_lookup **out, const glim_config *c, uint64_t seed, glim_err *err);
void glim_lookup_free(glim_lookup *l); /* takes NULL */
/* Changes the random values w [n] of a layer's tensor ("self_attn.q_proj.weight") where they are to be others. */
void glim_lookup_fill(const glim_lookup *l, size_t layer, const char *part, float *w, size_t n);

#endif
