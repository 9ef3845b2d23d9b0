/* responses_out.h - what a choice says so far, as /v1/responses shows it: one object, or events.
 *
 * Items in order: reasoning, the message, each call; an item is added before anything is said about it and done before
 * the next is added, so output_index is dense. The first event is response.created, the last response.completed (or
 * .incomplete, .failed); sequence_number rises by one. */
#ifndef GLIM_SERVE_RESPONSES_OUT_H
#define GLIM_SERVE_RESPONSES_OUT_H

#include "serve/out.h"

typedef struct glim_responses_out {
    const glim_out *out;    /* one choice; borrowed, like the rest */
    const json_t *body;     /* the request */
    const json_t *tools;    /* flat */
    const char *model;
    char id[48], reasoning_id[40], message_id[40];
    int64_t created;
    /* a stream's own */
    size_t seq, sent_reasoning, sent_content, sent_args;
    size_t n_items;         /* added so far; the last one is open while `open` is not NONE */
    size_t call;            /* the open or next call */
    enum { GLIM_OPEN_NONE, GLIM_OPEN_REASONING, GLIM_OPEN_MESSAGE, GLIM_OPEN_CALL } open;
    bool begun, had_message;
} glim_responses_out;

void glim_responses_out_init(glim_responses_out *r, const glim_out *out, const json_t *body, const json_t *tools, const char *model);
void glim_responses_events(glim_responses_out *r, glim_buf *b, bool last);
void glim_responses_failed(glim_responses_out *r, glim_buf *b, const glim_api_error *e);
void glim_responses_whole(const glim_responses_out *r, glim_buf *b);

#endif
