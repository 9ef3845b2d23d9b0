/* engine.h - a model, its tokenizer and its template, opened together; and conversations on it.
 *
 * One engine owns the weights, the threads and the KV pages. A session is one sequence of tokens with its
 * cache; a generation feeds what the cache does not hold yet and then samples until something ends it.
 * Not thread-safe: one thread drives an engine (design: the engine thread). */
#ifndef GLIM_ENGINE_ENGINE_H
#define GLIM_ENGINE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/pool.h"
#include "model/forward.h"
#include "model/model.h"
#include "model/sample.h"
#include "text/chat.h"
#include "text/reply.h"
#include "text/tok.h"

typedef struct glim_engine_params {
    glim_model_params model;
    int n_threads;        /* 0: all this process may use */
    const char *template; /* chat template by name; NULL: recognise it */
} glim_engine_params;

typedef struct glim_engine {
    glim_pool *pool;
    glim_model *model;
    glim_tok *tok;
    glim_chat_kind chat;  /* GLIM_CHAT_NONE when the template is unknown */
    glim_err chat_err;    /* why, then */
    glim_kv_pool kv;
    glim_ws *ws;
    int32_t stops[32];    /* ids that end an answer */
    size_t n_stops;
    double load_s;
} glim_engine;

/* Errors: as glim_ckpt_open, glim_tok_from_ckpt, glim_model_load. An unknown chat template is no error
 * here: chat is refused when asked for. */
glim_status glim_engine_open(glim_engine **out, const char *path, const glim_engine_params *params, glim_err *err);
void glim_engine_free(glim_engine *e); /* takes NULL */
/* The error that chatting with an unknown template gives; GLIM_OK when it is known. */
glim_status glim_engine_can_chat(const glim_engine *e, glim_err *err);
/* Appends a file's tokens, BOS first where the vocabulary wants one: of a .jsonl the rows one after the other, conversations ({"messages": [...],
 * "tools": [...]}) as the model's template writes them or {"text": "..."}; of any other file its plain text without the last line break.
 * Errors: the file's and the tokenizer's; GLIM_E_FORMAT naming the line; glim_engine_can_chat's. */
glim_status glim_engine_text_ids(const glim_engine *e, const char *path, glim_ids *ids, glim_err *err);
/* Sampling as generation_config.json (or the GGUF) asks: what a person gets without flags. */
glim_sample_params glim_engine_defaults(const glim_engine *e);

typedef enum glim_finish {
    GLIM_FINISH_STOP,      /* a stop id or stop string */
    GLIM_FINISH_LENGTH,    /* max_tokens, or the context is full */
    GLIM_FINISH_CANCELLED, /* the callback said so */
    GLIM_FINISH_TOOL_CALLS, /* ended by the token that hands over to tools */
    GLIM_FINISH_ERROR      /* no token could be chosen */
} glim_finish;
const char *glim_finish_name(glim_finish f); /* "stop", "length", ... as OpenAI spells them, and "cancelled", "error" */

typedef struct glim_gen_params {
    glim_sample_params sample;
    size_t max_tokens;         /* 0: until the context is full */
    const char *const *stop;   /* stop strings, borrowed */
    size_t n_stop;
    bool ignore_stop_ids;      /* go on past <|user|> and friends: for measuring */
    bool raw_special;          /* show special tokens' text too */
    bool for_reply;            /* the text goes to a glim_reply: of the special tokens only <|assistant|> is shown,
                                  which separates parallel calls in the older GLM templates */
    size_t prefill_slice;      /* rows per pass; 0: as large as the workspace */
    /* New text (whole UTF-8 characters, stop strings never shown). false ends the answer. May be NULL. */
    bool (*on_text)(void *ctx, const char *text, size_t n);
    /* Progress of reading the prompt. false ends. May be NULL. */
    bool (*on_prefill)(void *ctx, size_t done, size_t total);
    /* Constrained decoding: bits of the ids that may come next (bit id % 32 of word id / 32), borrowed until the next call; and
     * the one that came, false ends the answer. Both or neither. */
    glim_status (*mask)(void *ctx, const uint32_t **allowed, glim_err *err);
    bool (*chosen)(void *ctx, int32_t id);
    void *ctx;
} glim_gen_params;

typedef struct glim_gen_result {
    glim_finish finish;
    glim_buf text;         /* all of the answer that was shown */
    glim_ids ids;          /* generated ids, the stop id included */
    size_t n_prompt, n_cached; /* prompt tokens, and how many of them were in the cache */
    double prefill_s, decode_s;
    int32_t stop_id;       /* -1 if no stop id ended it */
    double logp;           /* of all ids together, where they were searched for (likely.h) */
} glim_gen_result;
void glim_gen_result_free(glim_gen_result *r);

typedef struct glim_session {
    glim_engine *e;
    glim_kv_seq seq;
    glim_ids ids;          /* what the cache holds: ids.n == seq.n_pos */
    glim_sampler *sampler;
} glim_session;

glim_status glim_session_open(glim_session *s, glim_engine *e, glim_err *err);
void glim_session_close(glim_session *s);

/* Continues from prompt ids: keeps the cached prefix that agrees, reads the rest, generates. On an error
 * or a stop the session stays usable: its cache holds what was read.
 * Errors: GLIM_E_LIMIT (prompt longer than the context), GLIM_E_ARG (empty prompt), GLIM_E_NOMEM. */
glim_status glim_session_generate(glim_session *s, const int32_t *prompt, size_t n_prompt, const glim_gen_params *p,
                                  glim_gen_result *out, glim_err *err);

/* Logits of positions [from, n) of ids, row by row: fn(ctx, position, logits [n_vocab]) in order; false
 * stops. Rows with logits go in slices of what the workspace keeps (n_logits). The session starts anew. */
glim_status glim_session_score(glim_session *s, const int32_t *ids, size_t n, size_t from,
                               bool (*fn)(void *ctx, size_t pos, const float *logits), void *ctx, glim_err *err);

#endif
