/* chat_internal.h - what the chat files share: a conversation read and checked once, a prompt under
 * construction, and the few habits of Python that templates lean on.
 *
 *   chat.c         names, the stop set, ids of a prompt, the entry to rendering
 *   chat_detect.c  which template a checkpoint carries
 *   chat_msg.c     OpenAI-shaped JSON to glim_chat_conv: every complaint about bad input is made here
 *   chat_py.c      str.strip, repr, tojson as Python does them
 *   chat_glm.c     GLM-4-9B-chat, 0414, Z1, Edge, 4.1V
 *   chat_glm45.c   GLM-4.5/4.6 and 4.7
 *   chat_other.c   ChatML (Qwen2.5), SmolLM2, Llama-3
 *
 * A renderer therefore cannot meet bad input: it can only run out of memory. */
#ifndef GLIM_TEXT_CHAT_INTERNAL_H
#define GLIM_TEXT_CHAT_INTERNAL_H

#include "text/chat.h"

/* Bytes that live elsewhere; may hold NULs. */
typedef struct glim_chat_str {
    const char *s;
    size_t n;
} glim_chat_str;

/* ---- the conversation (chat_msg.c) ---- */

typedef enum glim_chat_role {
    GLIM_ROLE_SYSTEM,
    GLIM_ROLE_USER,
    GLIM_ROLE_ASSISTANT,
    GLIM_ROLE_TOOL,
    GLIM_N_ROLE
} glim_chat_role;

typedef struct glim_chat_call {
    glim_chat_str name;
    json_t *args; /* owned; always an object */
} glim_chat_call;

typedef struct glim_chat_msg {
    glim_chat_role role;
    const json_t *content;   /* string or array; NULL where it is missing or null */
    glim_chat_str text;      /* the content as text: the string, or its text parts together */
    glim_buf joined;         /* storage of `text` when the content is a list */
    bool has_reasoning;      /* "reasoning_content" is a string */
    glim_chat_str reasoning;
    glim_chat_call *calls; /* heap */
    size_t n_calls;
} glim_chat_msg;

typedef struct glim_chat_conv {
    glim_chat_msg *msgs; /* heap; at least one */
    size_t n_msgs;
    const json_t *tools; /* a non-empty array, or NULL */
} glim_chat_conv;

/* Reads and checks everything that kind k can render. Free it in any case. */
glim_status glim_chat_conv_read(glim_chat_conv *out, glim_chat_kind k, const json_t *messages,
                                const json_t *tools, glim_err *err);
void glim_chat_conv_free(glim_chat_conv *c);
/* What an assistant thought, as "reasoning_content" or between tags in its text, and what it then said. */
void glim_chat_split_reasoning(const glim_chat_msg *m, glim_chat_str *reasoning, glim_chat_str *said);
/* Index of the assistant's last message; n_msgs: there is none. */
size_t glim_chat_last_answer(const glim_chat_conv *c);
/* The function object of a tool: its "function", or the tool itself if it has none. */
const json_t *glim_chat_tool_function(const json_t *tool);
/* The string at key; n 0 if there is none. */
glim_chat_str glim_chat_json_str(const json_t *o, const char *key);

/* ---- the prompt under construction (chat.c) ---- */

typedef struct glim_chat_out {
    glim_prompt *p;
    const char *const *controls; /* texts of control tokens that templates of this family write */
    bool failed;                 /* a span or a turn could not be stored; text has its own flag */
} glim_chat_out;

/* Text of a person or a model: never a control token, whatever it says. */
void glim_chat_put(glim_chat_out *o, glim_chat_str s);
/* Text of the template: every control token in it becomes a span, leftmost and longest first, as a
 * Hugging Face tokenizer finds added tokens. */
void glim_chat_lit(glim_chat_out *o, const char *s);
/* From here on the text is that of message i. */
void glim_chat_turn(glim_chat_out *o, size_t i);
/* JSON as the template's tojson writes it; plain text too. */
void glim_chat_put_json(glim_chat_out *o, const json_t *v, int indent);

/* ---- Python (chat_py.c) ---- */

/* Length of the white space character at s by str.isspace; 0 if it is none; -1 if the bytes end inside
 * a character. */
int glim_py_space(const char *s, size_t n);
glim_chat_str glim_py_strip(glim_chat_str s);
/* lstrip('\n') and rstrip('\n') */
glim_chat_str glim_py_lstrip_nl(glim_chat_str s);
glim_chat_str glim_py_rstrip_nl(glim_chat_str s);
/* Parts of s.split(sep): what stands before the first, and after the last; s itself if there is none. */
glim_chat_str glim_py_split_first(glim_chat_str s, const char *sep);
glim_chat_str glim_py_split_last(glim_chat_str s, const char *sep);
bool glim_py_has(glim_chat_str s, const char *part);
bool glim_py_ends(glim_chat_str s, const char *tail);
/* str(v): strings as they are, everything else as repr, dictionaries and lists included. */
void glim_py_str(glim_buf *out, const json_t *v);

/* ---- renderers ---- */

void glim_chat_render_glm4(glim_chat_out *o, glim_chat_kind k, const glim_chat_conv *c,
                           const glim_chat_options *opt);
void glim_chat_render_glm41v(glim_chat_out *o, const glim_chat_conv *c, const glim_chat_options *opt);
void glim_chat_render_glm45(glim_chat_out *o, glim_chat_kind k, const glim_chat_conv *c,
                            const glim_chat_options *opt);
void glim_chat_render_chatml(glim_chat_out *o, const glim_chat_conv *c, const glim_chat_options *opt);
void glim_chat_render_smollm2(glim_chat_out *o, const glim_chat_conv *c, const glim_chat_options *opt);
void glim_chat_render_llama3(glim_chat_out *o, const glim_chat_conv *c, const glim_chat_options *opt);

#endif
