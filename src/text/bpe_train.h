/* bpe_train.h - learns a byte-level BPE vocabulary from a corpus: the most frequent adjacent pair is merged, again and
 * again (Sennrich et al., arXiv:1508.07909).
 *
 *   new --> feed, feed, ... --> run --> json
 *
 * The definition is that of Hugging Face's BpeTrainer, so that both give the same merges: counts of pieces, not of
 * places; the 256 bytes first, in the order of their characters in GPT-2's alphabet; the pair of highest count next,
 * among equals the one whose ids come first. A pair is counted anew only where it stands, through a priority queue.
 * The result depends on the text alone, not on how it was cut into calls of feed at line ends.
 * Threads: one at a time. */
#ifndef GLIM_TEXT_BPE_TRAIN_H
#define GLIM_TEXT_BPE_TRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

typedef struct glim_bpe_trainer glim_bpe_trainer;

typedef struct glim_bpe_train_params {
    size_t n_vocab;             /* tokens in all, special ones included */
    uint64_t min_count;         /* a pair rarer than this is not merged; 0: 2 */
    const char *pattern;        /* how text is cut into pieces; NULL: GLM's */
    const char *const *special; /* control tokens, behind the others; NULL: GLM-4's */
    size_t n_special;
    bool (*progress)(void *ctx, size_t done, size_t total); /* merges; false stops. May be NULL */
    void *progress_ctx;
} glim_bpe_train_params;

enum { GLIM_BPE_TRAIN_PIECE = 4096 }; /* a longer piece (bytes without a place to cut) is counted in parts */

/* Errors: ARG (fewer tokens than bytes and special ones, a special text twice or empty), FORMAT and UNSUPPORTED (the
 * pattern), NOMEM. */
glim_status glim_bpe_trainer_new(glim_bpe_trainer **out, const glim_bpe_train_params *p, glim_err *err);
void glim_bpe_trainer_free(glim_bpe_trainer *t); /* takes NULL */

/* Counts the pieces of a text. Each call's text is cut by itself: end it where a line ends and the next begins with
 * something visible (glim_bpe_train_cut). Broken UTF-8 is counted byte by byte, each a piece. Errors: NOMEM, LIMIT. */
glim_status glim_bpe_trainer_feed(glim_bpe_trainer *t, const char *text, size_t len, glim_err *err);
/* How much of text can be fed now so that the rest begins a new piece anyway: 0 if there is no such place yet. */
size_t glim_bpe_train_cut(const char *text, size_t len);

/* Learns the merges; once. A corpus that is too small for n_vocab gives fewer tokens. Errors: NOMEM, CANCELLED, STATE. */
glim_status glim_bpe_trainer_run(glim_bpe_trainer *t, glim_err *err);

size_t glim_bpe_trainer_n_vocab(const glim_bpe_trainer *t); /* after run: tokens with the special ones */
size_t glim_bpe_trainer_n_merges(const glim_bpe_trainer *t);
size_t glim_bpe_trainer_n_pieces(const glim_bpe_trainer *t); /* different ones */
uint64_t glim_bpe_trainer_bytes(const glim_bpe_trainer *t);  /* fed */
uint64_t glim_bpe_trainer_tokens(const glim_bpe_trainer *t); /* after run: that the whole corpus now has */

/* Appends tokenizer.json, and tokenizer_config.json. After run. Errors: NOMEM. */
glim_status glim_bpe_trainer_json(const glim_bpe_trainer *t, glim_buf *out, glim_err *err);
glim_status glim_bpe_trainer_config_json(const glim_bpe_trainer *t, glim_buf *out, glim_err *err);

#endif
