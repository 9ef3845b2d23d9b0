/* ask.h - the body of a chat or text completion, read and checked: what the client asks for.
 *
 * Knows nothing of sockets or of a running engine, only the few facts of the model in glim_ask_facts, so that every
 * rule can be tested by itself. Unknown fields are ignored and null means absent (OpenAI's API).
 * Borrows    tools, schema and texts point into body, which the ask owns. */
#ifndef GLIM_SERVE_ASK_H
#define GLIM_SERVE_ASK_H

#include "base/json.h"
#include "model/sample.h"
#include "serve/api_error.h"
#include "text/chat.h"

typedef struct glim_ask_facts {
    const char *model;           /* the name we serve */
    size_t n_vocab, n_ctx;
    bool mirror_reasoning;       /* reasoning_content also under its other name, "reasoning" */
    glim_sample_params defaults; /* of the checkpoint's generation_config */
} glim_ask_facts;

enum { GLIM_ASK_STOPS = 4, GLIM_ASK_STOP_BYTES = 1024, GLIM_ASK_N = 128, GLIM_ASK_TOOLS = 128, GLIM_ASK_PROMPTS = 128 };

typedef struct glim_ask_prompt {
    const char *text;    /* NULL: ids */
    size_t n_text;
    const json_t *ids;
} glim_ask_prompt;

typedef struct glim_ask {
    json_t *body;
    const char *model;           /* not checked: whether there is such a model is the server's to know */
    bool chat, stream, include_usage, logprobs, has_seed, ignore_eos, mirror_reasoning;
    uint32_t top_logprobs, n;
    uint32_t n_shown;            /* of the n that are made, those that the reply shows: fewer with best_of */
    int priority;                /* 0 to 10, larger is later, as in vLLM; nobody can go before the others */
    size_t max_tokens;           /* 0: until the context is full, but for completions with echo */
    glim_sample_params sample;   /* bias points below */
    glim_bias *bias;
    const char *stop[GLIM_ASK_STOPS];
    size_t n_stop;

    /* chat */
    json_t *messages;            /* owned: roles and parts as glim_chat_render wants them */
    const json_t *tools;         /* NULL: none, or tool_choice is "none" */
    const json_t *tool_choice;   /* NULL: auto */
    const json_t *callable;      /* those of the tools that may be called: all of them, or the allowed ones */
    json_t *allowed;             /* owned: callable, where it is not tools */
    bool single_call;
    int thinking;                /* as in glim_chat_options */
    bool keep_thinking;          /* as in glim_chat_options */
    const json_t *schema;        /* response_format json_schema */
    bool schema_strict, json_object;

    /* completions */
    bool echo;
    glim_ask_prompt *prompts;
    size_t n_prompts;
} glim_ask;

/* body is taken, also on failure. false: e says why, and out can be freed. */
bool glim_ask_chat(glim_ask *out, json_t *body, const glim_ask_facts *f, glim_api_error *e);
bool glim_ask_completion(glim_ask *out, json_t *body, const glim_ask_facts *f, glim_api_error *e);
void glim_ask_free(glim_ask *a);

/* messages.c: OpenAI's messages as glim_chat_render takes them (new reference), and the tools checked. */
bool glim_ask_messages(json_t **out, const json_t *messages, glim_api_error *e);
bool glim_ask_tools(glim_ask *a, glim_api_error *e);

#endif
