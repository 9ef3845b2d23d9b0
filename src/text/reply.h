/* reply.h - what a model wrote, taken apart: reasoning, content, tool calls (docs/model.md, chapter
 * replies; rules of vLLM's GLM parsers).
 *
 * The parser is fed the decoded text with special tokens kept, in pieces of any size, and is exact
 * whatever the pieces: it re-reads the accumulated text, holds back any suffix that may begin a tag,
 * and reports only what is new. */
#ifndef GLIM_TEXT_REPLY_H
#define GLIM_TEXT_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "text/chat.h"

typedef struct glim_reply_call {
    char *name;       /* heap */
    glim_buf args;    /* JSON object text in arrival order */
    bool closed;
} glim_reply_call;

typedef struct glim_reply {
    /* input */
    glim_chat_kind kind;
    const json_t *tools;  /* NULL: tag text is plain content */
    bool in_reasoning;    /* the prompt opened <think> */
    bool thinking;        /* thinking was on: a reply that never closes it is all reasoning */
    /* result so far; grows only at its ends while text is fed */
    glim_buf raw, reasoning, content;
    glim_reply_call *calls;
    size_t n_calls, cap_calls;
    bool done;
} glim_reply;

void glim_reply_init(glim_reply *r, glim_chat_kind kind, const json_t *tools, bool in_reasoning,
                     bool thinking);
/* Feeds more text. After it, reasoning/content/calls hold what is certain. */
glim_status glim_reply_put(glim_reply *r, const char *text, size_t n, glim_err *err);
/* No more text: settles what was held back. */
glim_status glim_reply_end(glim_reply *r, glim_err *err);
void glim_reply_free(glim_reply *r);

#endif
