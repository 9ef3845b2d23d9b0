/* tok.h - byte-level BPE: text to ids and back, exactly as the checkpoint's own tokenizer does it.
 *
 * Read from tokenizer.json, a tiktoken tokenizer.model (special tokens from tokenizer_config.json
 * beside it), or a GGUF vocabulary. Splitting is PCRE2 with JIT; merging is ours. Ordinary text never
 * becomes a control token unless GLIM_TOK_SPECIAL says so.
 * Threads: a glim_tok is read by any number of threads at once. */
#ifndef GLIM_TEXT_TOK_H
#define GLIM_TEXT_TOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "format/ckpt.h"

typedef struct glim_tok glim_tok;

/* A growing list of token ids. Initialise with {0}; release with glim_ids_free. */
typedef struct glim_ids {
    int32_t *v;
    size_t n, cap;
} glim_ids;
glim_status glim_ids_push(glim_ids *ids, int32_t id, glim_err *err);
void glim_ids_free(glim_ids *ids);

/* path: model folder, .gguf, tokenizer.json or tokenizer.model. */
glim_status glim_tok_open(glim_tok **out, const char *path, glim_err *err);
/* From a checkpoint already open: its folder's tokenizer files, or its GGUF metadata. */
glim_status glim_tok_from_ckpt(glim_tok **out, const glim_ckpt *c, glim_err *err);
/* From bytes in memory: the text of a tokenizer.json, or of a tiktoken tokenizer.model, without the
 * files that may stand beside it. */
glim_status glim_tok_parse_json(glim_tok **out, const char *text, size_t len, glim_err *err);
glim_status glim_tok_parse_tiktoken(glim_tok **out, const char *text, size_t len, glim_err *err);
void glim_tok_free(glim_tok *t); /* takes NULL */

enum {
    GLIM_TOK_SPECIAL = 1, /* texts of added tokens in the input become those tokens */
    GLIM_TOK_PREFIX = 2   /* put the family's prefix first ([gMASK]<sop>), exactly once */
};
/* Appends the ids of text[0..len). Any bytes are accepted: broken UTF-8 is encoded byte by byte.
 * Errors: GLIM_E_NOMEM, GLIM_E_LIMIT (over 2^31 bytes). */
glim_status glim_tok_encode(const glim_tok *t, const char *text, size_t len, unsigned flags,
                            glim_ids *ids, glim_err *err);

/* Real tokens are ids below this; the embedding may have more rows (padding). */
size_t glim_tok_n(const glim_tok *t);
/* The bytes of one token (for added tokens: their text), len in *len; NULL for ids without a token. */
const char *glim_tok_piece(const glim_tok *t, int32_t id, size_t *len);
/* Added tokens that decoding drops ("special": true), e.g. <|user|>; <think> is not one. */
bool glim_tok_is_special(const glim_tok *t, int32_t id);
/* Whether id is an added token at all. */
bool glim_tok_is_added(const glim_tok *t, int32_t id);
/* Id of an added token by its exact text, -1 if there is none. */
int32_t glim_tok_find(const glim_tok *t, const char *text);
/* The prefix of this family: ids and count (0 for most). */
size_t glim_tok_prefix(const glim_tok *t, const int32_t **ids);
/* bos/eos/... as the tokenizer files or GGUF metadata name them, -1 if not said. */
int32_t glim_tok_bos(const glim_tok *t);
int32_t glim_tok_eos(const glim_tok *t);
bool glim_tok_add_bos(const glim_tok *t); /* llama-style files that want bos before every text */

/* Decoding that never shows half a character: feed ids, take bytes. Initialise with {0}. */
typedef struct glim_tok_stream {
    char held[8];
    size_t n_held;
} glim_tok_stream;
/* Appends to out what can be shown after this token, broken parts as U+FFFD: what comes out in all is
 * the decoded text with each broken part replaced. keep_special also shows special tokens' text. */
void glim_tok_stream_put(glim_tok_stream *s, const glim_tok *t, int32_t id, bool keep_special,
                         glim_buf *out);
/* Appends what is held back, broken parts as U+FFFD. */
void glim_tok_stream_end(glim_tok_stream *s, glim_buf *out);
/* All ids at once: bytes as they are, no replacement. */
void glim_tok_decode(const glim_tok *t, const int32_t *ids, size_t n, bool keep_special, glim_buf *out);

#endif
