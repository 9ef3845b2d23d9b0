/* reply.h - what a model wrote, taken apart: reasoning, content, tool calls (docs/model.md, chapter
 * replies; rules of vLLM's GLM parsers).
 *
 * The parser is fed the decoded text with special tokens kept, in pieces of any size, and is exact
 * whatever the pieces: what it reports after the last piece depends on the whole text alone, and
 * everything it reports earlier is a beginning of that. It keeps its place in the accumulated text,
 * holds back any suffix that may begin a tag, and reports only what is new.
 *
 *   reasoning  ends at the first </think> (a later one cannot be waited for); line breaks around it
 *              are dropped. It is there if the prompt opened it, or if the text begins with <think>
 *   content    what stands before the first call, without the white space before that call; white
 *              space alone is no content. One leading line break is dropped for GLM-4-9B-chat and
 *              0414, all of them for the others
 *   calls      GLM-4: a known tool's name on the first line and a JSON object after it, several
 *              separated by <|assistant|>; 4.5 and 4.7: <tool_call> with <arg_key> and <arg_value>;
 *              ChatML: JSON between <tool_call> tags; the other kinds have none */
#ifndef GLIM_TEXT_REPLY_H
#define GLIM_TEXT_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "text/chat.h"

/* closed says that the model finished the call: args is then a whole JSON object. A reply cut inside a
 * call leaves the last one open, with the beginning of its arguments. GLM-4.5's form: if no other call is
 * complete, the text of the open one is content too, from glim_reply_end on. The JSON forms: there is an
 * open call only where `cut` and declared_only say so, and it is no content. */
typedef struct glim_reply_call {
    char *name;       /* heap */
    glim_buf args;    /* JSON object text in arrival order */
    bool closed;
} glim_reply_call;

typedef struct glim_reply {
    /* input */
    glim_chat_kind kind;
    const json_t *tools;  /* NULL or empty: tag text is plain content. Borrowed */
    bool in_reasoning;    /* the prompt opened <think> */
    bool thinking;        /* thinking was on. The text itself says enough, so nothing depends on it yet */
    /* Set after glim_reply_init by who hands calls on to programs. The reference parsers know neither. */
    bool declared_only;   /* a call to a tool that is not among tools is text; and whole calls to declared ones count also where the
                           * text ended inside its reasoning (the model forgot </think>) */
    size_t max_calls;     /* the reply is over after as many; 0: any number */
    bool cut;             /* set before glim_reply_end: the text was cut short from outside (max_tokens), so a call that is not whole was one */
    /* result so far; grows only at its ends while text is fed */
    glim_buf raw, reasoning, content;
    glim_reply_call *calls;
    size_t n_calls, cap_calls;
    bool done; /* the reply is over; more text is ignored */

    /* the parser's own: see reply_internal.h */
    int state;
    size_t pos;       /* raw[0, pos) is settled */
    size_t scan;      /* no tag that is looked for begins in raw[pos, scan) */
    size_t blank;     /* raw[pos, blank) is held white space that need not be looked at again */
    size_t resume;    /* where content goes on if the open call turns out to be none */
    size_t mark;      /* a place in raw that a state remembers */
    int value;        /* how the open argument value is to be read */
    bool ended, in_call, any_closed, opened_think, saw_answer, in_answer;
    glim_buf key, seen;
} glim_reply;

/* tools is borrowed until glim_reply_free. */
void glim_reply_init(glim_reply *r, glim_chat_kind kind, const json_t *tools, bool in_reasoning,
                     bool thinking);
/* Feeds more text. After it, reasoning/content/calls hold what is certain. Errors: GLIM_E_NOMEM; the
 * reply can then only be freed. */
glim_status glim_reply_put(glim_reply *r, const char *text, size_t n, glim_err *err);
/* No more text: settles what was held back. */
glim_status glim_reply_end(glim_reply *r, glim_err *err);
void glim_reply_free(glim_reply *r);

#endif
