/* guess.h - guessing the next tokens from the text itself (prompt lookup).
 *
 * Where the last three ids stood before in the same text, what followed then is a guess of what follows now:
 * quotations, code, rewritten documents. A step checks all guesses in one pass; a token is taken only if the
 * sampler chooses it from its own row of logits, so the answer is the same with and without guessing.
 * Prompt lookup: Saxena 2023; checking drafts in one pass: arXiv:2211.17192. */
#ifndef GLIM_ENGINE_GUESS_H
#define GLIM_ENGINE_GUESS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { GLIM_GUESS_GRAM = 3 };

typedef struct glim_guess {
    uint32_t *slots;  /* [n_slots] 1 + place after the latest triple with this hash; 0: none */
    uint32_t n_slots; /* a power of two */
    size_t n_seen;    /* ids that are in the table */
    float right;      /* how often a guess was right of late, 0..1 */
} glim_guess;

/* n_ids: how long the text may become. Errors: GLIM_E_NOMEM. */
glim_status glim_guess_init(glim_guess *g, size_t n_ids, glim_err *err);
void glim_guess_deinit(glim_guess *g); /* also takes {0} */

/* At most n_max guesses of what follows ids [n]; returns how many. Looks at each id once over all calls, so
 * ids may only grow. */
size_t glim_guess_next(glim_guess *g, const int32_t *ids, size_t n, size_t n_max, int32_t *out);
/* n_ok of n_tried guesses were right (the first wrong one ends them). n_tried 0: a step without guesses. */
void glim_guess_learn(glim_guess *g, size_t n_tried, size_t n_ok);

#endif
