/* out.h - from the engine's events to JSON: the whole reply, or the chunks of a stream.
 *
 * Both come from the same state, so what a stream's chunks say in all is what the whole reply says. The state of a
 * choice only grows; a chunk holds what grew since the last one. Rules of a stream (OpenAI's SDKs insist on them):
 * role once, first; choices appear in order; of a call id, type and name once, then fragments of the arguments, one
 * entry a chunk; one chunk with finish_reason; usage, if asked for, in the last one with no choices. */
#ifndef GLIM_SERVE_OUT_H
#define GLIM_SERVE_OUT_H

#include "engine/sched.h"
#include "serve/ask.h"
#include "text/reply.h"

typedef struct glim_out_call {
    char id[40];
    size_t sent;    /* bytes of the arguments */
    bool head_sent;
} glim_out_call;

typedef struct glim_out_choice {
    glim_reply reply;          /* chat */
    glim_buf text;             /* completions */
    size_t sent_reasoning, sent_content; /* sent_content also counts text */
    size_t content_end;        /* content that counts, once finished */
    glim_out_call *calls;
    size_t n_calls, cap_calls;
    glim_buf lp, lp_value, lp_top, lp_offset; /* log-probabilities that no chunk has shown yet; all but lp: completions */
    size_t offset;             /* characters before the next token */
    size_t n_tokens, n_reasoning; /* all, and those up to the last of the reasoning */
    double sum;                /* of the log-probabilities of what was chosen: which answer is the best (best_of) */
    bool finished, finish_sent;
    const char *finish;
} glim_out_choice;

typedef struct glim_out {
    const glim_ask *ask;
    const glim_engine *e;
    const char *model, *fingerprint;
    char id[48];
    int64_t created;
    glim_out_choice *choices;
    size_t n_choices;
    bool role_sent;
    glim_usage usage; /* summed over prompts */
} glim_out;

/* in_reasoning: the prompt opened <think>. ask, e and the two texts are borrowed. */
glim_status glim_out_init(glim_out *o, const glim_ask *ask, const glim_engine *e, const char *model, const char *fingerprint,
                          bool in_reasoning, glim_err *err);
void glim_out_free(glim_out *o);

/* echo: text before the answer. */
void glim_out_echo(glim_out *o, size_t choice, const char *text, size_t n);
/* The template has ended this choice's reply, whatever the model still writes. */
bool glim_out_over(const glim_out *o, size_t choice);
/* TOKEN, PROMPT and FINISH events of one choice; END adds up the usage. */
glim_status glim_out_event(glim_out *o, size_t choice, const glim_event *ev, glim_err *err);

/* Appends the events of a stream ("data: ...\n\n") for all that is new; last adds usage and [DONE]. */
void glim_out_chunks(glim_out *o, glim_buf *b, bool last);
void glim_out_whole(const glim_out *o, glim_buf *b);
/* Tokens of reasoning so far. */
size_t glim_out_reasoning(const glim_out *o);

#endif
