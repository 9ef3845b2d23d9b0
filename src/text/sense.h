/* sense.h - what a request is about, by another reader than the language model (know/sense.h), and what the things that a prompt offers cost by it.
 *
 * A small model that chooses among labels, tools or columns knows by heart what it was taught and fails at words in an order that it has not met, where a
 * linear reader of words and n-grams, taught by the same conversations, does not (bench/NOTES.md). So both count: what is offered is cheaper in the search of
 * engine/likely.h the surer the reader is that the request means it. The reader is given the thing's own text too, and says which of the
 * meanings that it knows that is. Of a thing of which it is not sure it says nothing; it takes some for what they are not ("transfer_money" for a refund's).
 * Threads: as the reader. */
#ifndef GLIM_TEXT_SENSE_H
#define GLIM_TEXT_SENSE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* Meanings come in kinds: of labels ("intent"), "tool"s and "column"s. */
typedef struct glim_sense {
    size_t n; /* meanings, of all kinds */
    /* How likely text [n] has each meaning of that kind, p [sense.n]: 0 for those of other kinds; together 1 at most, as the rest is none that is
     * known. All are 0 where there is no such kind; p[0] is -1 where the text has nothing in it that the reader knows. Errors: GLIM_E_NOMEM. */
    glim_status (*read)(void *ctx, const char *kind, const char *text, size_t n, float *p, glim_err *err);
    void *ctx;
} glim_sense;

typedef struct glim_sense_thing {
    const char *s; /* a label and what stands behind it, a tool's name and description, a column's heading; _ counts as a space */
    size_t n;
} glim_sense_thing;

enum { GLIM_SENSE_TEXT = 2048 }; /* of a longer text the rest is not read */

/* How likely the request [n_request] means each of n things; *none: none of those whose meaning is known. Each thing that is not known has what the reader
 * gives to no meaning at all, and a tenth of what it gives to meanings that are not offered: one of these may be the thing's in other words.
 * *any is false, and nothing is written, where no thing is known, or nothing of the request. Errors: the reader's, GLIM_E_NOMEM. */
glim_status glim_sense_shares(double *share, double *none, bool *any, const glim_sense *s, const char *kind, const glim_sense_thing *thing, size_t n,
                              const char *request, size_t n_request, glim_err *err);
/* What a share costs in nats: 0 for 1, 6.9 for 0. */
double glim_sense_cost(double share);

#endif
