/* query.h - what routes on a desk need of the request's head: copied while the connection is the loop's to look at. */
#ifndef GLIM_SERVE_QUERY_H
#define GLIM_SERVE_QUERY_H

#include "serve/routes.h"

typedef struct glim_query {
    int64_t limit;      /* 0: not given */
    bool oldest_first;  /* order=asc */
    char *after, *purpose, *encoding, *once; /* heap or NULL; once is Idempotency-Key */
} glim_query;

/* In the loop. Routes without a task of their own name glim_query_take (drops whatever body there is) or
 * glim_query_take_body as their take: c->task is then a glim_query, which glim_query_release frees (routes.h). */
bool glim_query_read(glim_call *c, glim_query *q);
void glim_query_deinit(glim_query *q);

#endif
