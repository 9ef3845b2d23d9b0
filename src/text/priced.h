/* priced.h - a list of answers and what each of them costs, for the search of engine/likely.h: what has been written so far costs the least of the answers
 * that begin so. Threads: a list is used by any. */
#ifndef GLIM_TEXT_PRICED_H
#define GLIM_TEXT_PRICED_H

#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"

typedef struct glim_priced {
    const json_t *list; /* strings, borrowed */
    const double *cost; /* of each, >= 0 */
    double other;       /* of what is none of them: the most */
} glim_priced;

glim_priced glim_priced_of(const json_t *list, const double *cost);

/* What an answer that begins with text [n], or (ends) is that, costs; white space around it does not count. list: glim_priced. As
 * glim_likely_params.cost. */
double glim_priced_cost(void *list, const char *text, size_t n, bool ends);

#endif
