/* constrain.h - answers that are valid by construction: JSON of a schema, tool calls in the form of a family.
 *
 * What is to be enforced (glim_constraint_spec) is compiled once into a pushdown automaton over bytes and can
 * then be followed by any number of sequences. For each step a sequence asks for the mask of tokens that may come
 * next, and tells which one came.
 *
 *   schema --flatten--> alternatives --build--> nodes: terminals, splits, calls, counts     schema.c, schema_build.c
 *   terminals are automata of their own: literals, digit automata for bounds, regular expressions, counted strings
 *   state of a sequence = set of configurations (terminal, place in it, stack of calls); stacks and states are
 *   shared by content (hash-consed), states and masks are made when first met and kept within a byte bound
 *
 * Masks.  Most of what a terminal allows does not depend on what stands around it. That part is a walk of the
 *   vocabulary's trie, done once per terminal and place, and kept for all grammars of a vocabulary; only tokens that
 *   run over the terminal's end are checked against the stack (the division of XGrammar, arXiv:2411.15100). Strings
 *   need no walk at all: how every token runs through a string is known from the start, sorted by the number of its
 *   characters and by what follows its closing quote.
 * Never stuck.  Every automaton is trimmed and every rule knows how many containers it must still open, so that any
 *   byte sequence a mask allows can be completed within the depth limit of 64 containers. Only a vocabulary that cannot
 *   spell a byte can get stuck; then the mask is empty, and the call says so: that request ends, nothing else does.
 *
 * What is written (each of it a subset of what the schema allows):
 *   - white space: none, one space, or a line break and up to 32 spaces or tabs; after { [ , and :, and before } and ].
 *     Literals of enum and const without any. Before the value also allowed, after it not.
 *   - properties in the schema's order. additionalProperties missing: none beside declared ones, but an object that
 *     declares none is open. Keys, and strings with a pattern or format, spell each character in one way; free strings
 *     may use every escape (surrogates only in pairs). Strings are valid UTF-8 whatever the tokens.
 *   - integers fit 64 bits. Numbers have at most 15 digits before and after the point, an exponent of at most two
 *     digits, and none where there are bounds (then 15 digits in all, so that they read back on the right side).
 *   - oneOf where the alternatives exclude each other for a reason found here (types, constants, required
 *     properties); anything else is refused, as is every keyword that is not known: silence would be a lie.
 *
 * Threads: a vocabulary, a grammar and a cache are used by any; a sequence by one at a time. */
#ifndef GLIM_TEXT_CONSTRAIN_H
#define GLIM_TEXT_CONSTRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "text/chat.h"
#include "text/said.h"
#include "text/tok.h"

/* ---- a vocabulary, prepared once ---- */

typedef struct glim_constraint_vocab glim_constraint_vocab;
/* tok is borrowed. stops (copied) end an answer: allowed where it is complete, never elsewhere. Added tokens are
 * never text. leaf_bytes bounds the masks kept for all grammars, 0: 64 MiB. Errors: NOMEM. */
glim_status glim_constraint_vocab_new(glim_constraint_vocab **out, const glim_tok *tok, const int32_t *stops,
                                      size_t n_stops, size_t leaf_bytes, glim_err *err);
void glim_constraint_vocab_free(glim_constraint_vocab *v); /* takes NULL; after its grammars */
/* uint32_t words of a mask: bit id % 32 of word id / 32. */
size_t glim_constraint_vocab_words(const glim_constraint_vocab *v);

/* ---- what is wanted ---- */

typedef enum glim_constraint_think {
    GLIM_THINK_NONE,   /* the reply is the answer */
    GLIM_THINK_OPENED, /* the prompt opened <think>: anything up to </think>, then the answer */
    GLIM_THINK_MAY     /* the reply may begin with <think> ... </think> */
} glim_constraint_think;

/* All borrowed during glim_constraint_compile only. Zero is a sensible default everywhere. */
typedef struct glim_constraint_spec {
    const json_t *schema;      /* of response_format json_schema; NULL: none */
    bool json_object;          /* response_format json_object */
    const json_t *choices;     /* the reply is one of these strings (a list), bare; nothing else is asked for then. NULL: none */
    bool lenient;              /* strict is not true: keywords that are not known, or not supported, do not count */
    const json_t *tools;       /* as in the request, OpenAI's shape; NULL: none */
    const json_t *tool_choice; /* "none", "auto", "required", {"type": "function", ...}, allowed_tools; NULL: auto */
    const glim_said *said;     /* the request that free strings and numbers of schema and tools are copied from; NULL: any */
    bool single_call;          /* parallel_tool_calls: false */
    glim_chat_kind kind;       /* whose form calls have */
    glim_constraint_think think;
    size_t machine_bytes;      /* bound for states and masks of this grammar, 0: 32 MiB */
} glim_constraint_spec;

/* ---- grammars ---- */

typedef struct glim_constraint glim_constraint;
/* *out is NULL where there is nothing to enforce (text, and tools that are not strict under auto).
 * Errors: GLIM_E_UNSUPPORTED, GLIM_E_FORMAT, GLIM_E_LIMIT, each naming the place as a JSON pointer:
 * `schema at "/properties/a": keyword "not" is not supported`; GLIM_E_NOMEM. */
glim_status glim_constraint_compile(glim_constraint **out, glim_constraint_vocab *v,
                                    const glim_constraint_spec *spec, glim_err *err);
glim_constraint *glim_constraint_share(glim_constraint *c); /* another reference */
void glim_constraint_free(glim_constraint *c);              /* gives one back; takes NULL */
size_t glim_constraint_bytes(glim_constraint *c);
size_t glim_constraint_words(const glim_constraint *c);     /* of its vocabulary's masks */

/* Compiled grammars by what they enforce, at most max_bytes of them together (the oldest unused go first). */
typedef struct glim_constraint_cache glim_constraint_cache;
glim_constraint_cache *glim_constraint_cache_new(glim_constraint_vocab *v, size_t max_bytes);
void glim_constraint_cache_free(glim_constraint_cache *k); /* takes NULL */
/* As glim_constraint_compile; *out is a reference of the caller's. */
glim_status glim_constraint_cache_get(glim_constraint_cache *k, glim_constraint **out,
                                      const glim_constraint_spec *spec, glim_err *err);
typedef struct glim_constraint_cache_stats {
    size_t n, bytes, hits, misses;
} glim_constraint_cache_stats;
glim_constraint_cache_stats glim_constraint_cache_look(glim_constraint_cache *k);

/* ---- sequences ---- */

enum { GLIM_CONSTRAINT_ROLLBACK = 32 };
typedef struct glim_constraint_state glim_constraint_state;
/* Holds a reference to c. Errors: NOMEM. */
glim_status glim_constraint_state_new(glim_constraint_state **out, glim_constraint *c, glim_err *err);
/* A second sequence at the same place (n > 1, speculation). */
glim_status glim_constraint_state_fork(glim_constraint_state **out, const glim_constraint_state *s, glim_err *err);
void glim_constraint_state_free(glim_constraint_state *s); /* takes NULL */

/* Writes the tokens that may come next into bits [words] and their number into *n (may be NULL).
 * Errors: GLIM_E_STATE: none may, this answer cannot be continued; NOMEM. */
glim_status glim_constraint_mask(glim_constraint_state *s, uint32_t *bits, size_t *n, glim_err *err);
/* Moves over a token. Errors: GLIM_E_ARG: it is not allowed here, and nothing has changed; NOMEM.
 * After a stop token the answer is over: nothing is allowed any more. */
glim_status glim_constraint_accept(glim_constraint_state *s, int32_t id, glim_err *err);
/* Takes back the last n tokens. Errors: GLIM_E_ARG: more than were accepted, or than are remembered. */
glim_status glim_constraint_rollback(glim_constraint_state *s, size_t n, glim_err *err);
/* Whether the answer is complete here (a stop token is allowed, or was accepted). */
bool glim_constraint_complete(glim_constraint_state *s);
/* Appends the bytes that must follow, as far as there is no choice, at most max (jump ahead). */
void glim_constraint_forced(glim_constraint_state *s, glim_buf *out, size_t max);

#endif
