/* data_corpus.h - a corpus larger than memory as an endless row of windows of tokens.
 *
 * The files are mapped and cut into blocks of about 64 KiB, at line ends where there are some. A block's text becomes
 * tokens when it is its turn; the tokens of one block follow those of the other, and windows of n_tokens are taken from
 * them. Two windows share one token, so that every token is a target once. Behind a document (a file, or a row
 * {"text": ...} of a .jsonl file) stands the end-of-text token.
 *
 * Order      of blocks: that of the files, or with shuffle a new one each epoch, from (seed, epoch) alone.
 * Position   where the next window begins; a stream that seeks there goes on with the same windows.
 * Threads    one thread uses a stream at a time. */
#ifndef GLIM_TRAIN_DATA_CORPUS_H
#define GLIM_TRAIN_DATA_CORPUS_H

#include "train/data_set.h"

typedef struct glim_corpus glim_corpus;

typedef struct glim_corpus_params {
    const glim_tok *tok;       /* needed */
    const glim_config *config; /* for the end-of-text token; may be NULL */
    size_t n_tokens;           /* of a window, at least 2 */
    bool shuffle;
    uint64_t seed;
    size_t block_bytes;        /* 0: 65536 */
    double held_share;         /* of the blocks, chosen by held_seed (at least one, never all), kept apart; 0: none */
    uint64_t held_seed;
    bool held;                 /* the stream is of those that are kept apart, not of the others */
    bool once;                 /* one epoch: the last window has what is left, then there is none */
} glim_corpus_params;

typedef struct glim_corpus_pos {
    uint64_t epoch;
    uint64_t block; /* place in the order of this epoch */
    uint64_t token; /* of that block's tokens */
} glim_corpus_pos;

/* Errors: NOT_FOUND, IO, ARG (no text at all, n_tokens, a single block of which a part is to be kept apart), NOMEM. */
glim_status glim_corpus_open(glim_corpus **out, const char *const *paths, size_t n_paths, const glim_corpus_params *p, glim_err *err);
void glim_corpus_free(glim_corpus *s); /* takes NULL */

/* Reads every row of the .jsonl files as `next` will, before anything is trained on them; nothing is tokenized.
 * Errors: GLIM_E_FORMAT (by file, line and reason), NOMEM. */
glim_status glim_corpus_check(const glim_corpus *s, glim_err *err);
/* The next window; its arrays are valid until the next call. It never ends: epoch follows epoch. With `once` the last window may be
 * shorter, and behind it comes one of no tokens.
 * Errors: GLIM_E_FORMAT (a row of a .jsonl file, by file and byte), NOMEM. */
glim_status glim_corpus_next(glim_corpus *s, glim_example *out, glim_err *err);

glim_corpus_pos glim_corpus_tell(const glim_corpus *s);
/* Errors: GLIM_E_ARG (no such block or token: another corpus), and those of next. */
glim_status glim_corpus_seek(glim_corpus *s, glim_corpus_pos pos, glim_err *err);

size_t glim_corpus_n_blocks(const glim_corpus *s);
uint64_t glim_corpus_bytes(const glim_corpus *s);
/* Bytes of memory of a stream over n_bytes of files, at most, but for a single row of a .jsonl file that is larger than a block. */
size_t glim_corpus_memory(const glim_corpus_params *p, uint64_t n_bytes);
int32_t glim_corpus_eos(const glim_corpus *s); /* what stands behind a document; -1: nothing */
/* A fingerprint of files and cuts: sizes, and the start of up to 256 blocks. Whoever seeks checks it first. */
uint64_t glim_corpus_hash(const glim_corpus *s);

#endif
