/* likely.h - the likeliest of the answers that a constraint allows, as a whole.
 *
 * Greedy decoding under a constraint takes the best token of those allowed and is bound by it: "Yes, its ..." once begun must end as
 * one of the sentences that begin so, however unlikely the model finds each of them. Here paths are followed best first by the sum of
 * their log probabilities, in the model's own distribution (what the constraint forbids keeps its share), until the best of all is a
 * whole answer: the sums only fall, so nothing that is left can be better. A path of probability q is read only where the answer found
 * has no more than q, so an answer of L tokens and probability p takes at most L / p rows of the model, and a sure one what greedy
 * decoding takes (uniform-cost search, as in Stahlberg and Byrne 2019, arXiv:1908.10090). Two things are weighed otherwise:
 *
 *   - the first choice is made by itself, as greedy decoding makes it: many answers of one kind (sentences about rows) share what the
 *     model gives that kind, and one of another kind (that nothing is known) would win against each of them alone;
 *     Where paths have a cost of their own (glim_likely_params.cost) it weighs that choice too, and is left to do so;
 *   - text that the constraint leaves no choice about counts with three tenths of its log probability. */
#ifndef GLIM_ENGINE_LIKELY_H
#define GLIM_ENGINE_LIKELY_H

#include "engine/engine.h"
#include "text/constrain.h"

typedef struct glim_likely_params {
    size_t max_tokens; /* of an answer, its stop included; 0: until the context is full */
    size_t max_reads;  /* tokens whose successors are looked at before the best path so far is followed greedily; 0: 1,024 */
    bool for_reply;    /* as in glim_gen_params */
    /* What a path costs beside its log probability: of its text [n] so far, or (ends) in all, >= 0; HUGE_VAL: it is none, however it goes on. The
     * search is exact where the cost never falls as a path goes on.
     * NULL: nothing. */
    double (*cost)(void *ctx, const char *text, size_t n, bool ends);
    void *cost_ctx;
} glim_likely_params;

/* The likeliest answer of c behind prompt; out->logp is what it was chosen by: its weighed log probability, the stop token's included,
 * less its cost. The session's cache is used and kept as by glim_session_generate. Where max_tokens cut every path, out->finish is
 * GLIM_FINISH_LENGTH and the text is what there is.
 * Errors: as glim_session_generate; GLIM_E_STATE (the vocabulary cannot spell what must come). */
glim_status glim_session_likeliest(glim_session *s, const int32_t *prompt, size_t n_prompt, glim_constraint *c, const glim_likely_params *p,
                                   glim_gen_result *out, glim_err *err);

#endif
