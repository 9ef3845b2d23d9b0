/* chat.h - conversations to prompts: the chat templates of the families we know, in native code.
 *
 * A template is chosen by hash or marks of the checkpoint's own chat_template, never by guess: an
 * unknown one is refused unless the person names one. A prompt is text with marks on the bytes that the
 * template itself wrote as control tokens: message contents can hold the words "<|user|>" and stay
 * plain text. Sources: docs/model.md, chapter templates. */
#ifndef GLIM_TEXT_CHAT_H
#define GLIM_TEXT_CHAT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "format/ckpt.h"
#include "format/config.h"
#include "text/tok.h"

typedef enum glim_chat_kind {
    GLIM_CHAT_NONE,
    GLIM_CHAT_GLM4_9B,   /* "glm-4-9b-chat" */
    GLIM_CHAT_GLM4_0414, /* "glm-4-0414" */
    GLIM_CHAT_GLM_Z1,    /* "glm-z1" */
    GLIM_CHAT_GLM45,     /* "glm-4.5": 4.5, 4.5-Air, 4.6 */
    GLIM_CHAT_GLM47,     /* "glm-4.7" */
    GLIM_CHAT_GLM41V,    /* "glm-4.1v" */
    GLIM_CHAT_GLM_EDGE,  /* "glm-edge" */
    GLIM_CHAT_CHATML,    /* "chatml": Qwen2.5 style */
    GLIM_CHAT_SMOLLM2,   /* "smollm2": ChatML with its own default system message */
    GLIM_CHAT_LLAMA3,    /* "llama-3" */
    GLIM_N_CHAT
} glim_chat_kind;

const char *glim_chat_name(glim_chat_kind k); /* as in the comments above */
bool glim_chat_parse(const char *name, glim_chat_kind *out);
/* All names, ", "-separated, for help and messages. */
const char *glim_chat_names(void);

/* Whether its prompts differ with glim_chat_options.thinking. */
bool glim_chat_switches_thinking(glim_chat_kind k);

/* Recognises a template text (NULL: only the tokenizer's and config's marks count, which is enough for
 * remote-code glm-4-9b-chat). Errors: GLIM_E_UNSUPPORTED with the remedy `--template NAME`. */
glim_status glim_chat_detect(glim_chat_kind *out, const char *template_text, const glim_config *config,
                             const glim_tok *tok, glim_err *err);

typedef struct glim_chat_options {
    bool no_generation_prompt; /* zero value: add it */
    int thinking;              /* 0: the family's default, 1: on, -1: off */
    bool keep_thinking;        /* GLM-4.7 clear_thinking=false */
    /* For training: the last message of the assistant is written as the model would behind the generation prompt, where that opens
     * <think> (Z1, 4.7): with its reasoning, or none, and the closing tag. Templates render only what has been said, and leave both out.
     * With thinking off no message has its reasoning: nothing asks for any. */
    bool in_place;
} glim_chat_options;

/* A rendered prompt. text holds everything; control[i] says that bytes [begin, end) were written by
 * the template as control tokens and are to be parsed as such. Spans are in order and disjoint. */
typedef struct glim_prompt {
    glim_buf text;
    struct { size_t begin, end; } *control;
    size_t n_control, cap_control;
    /* Where messages begin, in order of the text: turn[i] ends where turn[i + 1] begins, the last one at the end of
     * the text. What stands before the first (tools, a default system message) belongs to none. */
    struct { size_t begin, message; } *turn;
    size_t n_turn, cap_turn;
    bool in_reasoning; /* the prompt ends inside an opened <think> (Z1, 4.7) */
} glim_prompt;
void glim_prompt_free(glim_prompt *p);

/* messages: JSON array of at least one OpenAI-shaped message (role system|user|assistant|tool, content
 * string, null or list of parts, reasoning_content, tool_calls, tool_call_id, name); tools: JSON array or
 * NULL. tool_calls[].function.arguments may be a string (parsed first) or an object. Null content is
 * empty. out is {0} or an earlier prompt, whose storage is used again; on an error it is freed.
 * Errors: GLIM_E_FORMAT naming the message index and key; GLIM_E_UNSUPPORTED (an image for a text model). */
glim_status glim_chat_render(glim_prompt *out, glim_chat_kind k, const json_t *messages,
                             const json_t *tools, const glim_chat_options *opt, glim_err *err);

/* Appends the ids of a prompt: control spans become control tokens, everything between two of them is
 * encoded as one plain run, so that merges cross from template to content as they do in the reference.
 * A span whose text is no added token of this tokenizer (<think> in Z1's, <tool_response> in Qwen2.5's)
 * is plain text together with its neighbours. Errors: those of glim_tok_encode. */
glim_status glim_prompt_encode(const glim_prompt *p, const glim_tok *t, glim_ids *ids, glim_err *err);

/* The tokens that end an answer, by text from the tokenizer plus the eos ids of config and tokenizer,
 * each once: for GLM <|endoftext|>, <|user|>, <|observation|>; <|assistant|> too, but for 9B-chat, 0414
 * and Z1, where it stands between parallel calls. config and t may be NULL. *n in: capacity, out: count. */
void glim_chat_stops(glim_chat_kind k, const glim_config *config, const glim_tok *t, int32_t *ids,
                     size_t *n);

#endif
