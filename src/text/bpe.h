/* bpe.h - a table of byte strings and the merges that build them: the core of every tokenizer here.
 *
 * A piece of text starts as single bytes; the adjacent pair of lowest rank is merged, leftmost first
 * among equals, until no pair has a rank. Pairs are found by the two ids, not by text.
 *
 * Order of calls: init, add every token, index, then merges (listed or derived from ids). After that the
 * table is read by any number of threads at once. */
#ifndef GLIM_TEXT_BPE_H
#define GLIM_TEXT_BPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "text/tok.h"

enum {
    GLIM_BPE_MAX_IDS = 1 << 22,   /* ids are below this: two fit in one key with room to spare */
    GLIM_BPE_MAX_BYTES = 1 << 16, /* the longest token; GLM's is 1,024 */
    GLIM_BPE_MAX_MERGES = 1 << 25, /* a rank and a place fit in 31 bits */
    GLIM_BPE_SCAN = 64            /* pieces up to this many bytes are merged by scanning, longer by heap */
};
#define GLIM_BPE_NONE UINT32_MAX

typedef struct glim_bpe_slot glim_bpe_slot;
typedef struct glim_bpe_merge {
    uint32_t left, right, rank;
} glim_bpe_merge;

typedef struct glim_bpe {
    char *pool; /* bytes of all tokens, in order of arrival */
    size_t pool_len, pool_cap;
    uint32_t *off, *len;   /* [n_ids]; len is GLIM_BPE_NONE where an id has no token */
    uint8_t *plain;        /* [n_ids] 1: made by merging; 0: only ever placed by name (added tokens) */
    unsigned char *closed; /* [n_ids] does merging the token's own bytes give it? 0 not yet known */
    size_t n_ids;          /* room */
    size_t n_used;         /* highest id with a token, plus one */
    size_t max_len;        /* of plain tokens */
    uint32_t byte_id[256]; /* GLIM_BPE_NONE where a byte has no token: such bytes are dropped */

    glim_bpe_slot *slot; /* bytes -> id, open addressing */
    size_t slot_mask;
    bool repeated; /* two plain ids have the same bytes */
    /* (left, right) -> rank: see bpe.c */
    uint32_t *byte_pair;             /* [256][256] */
    uint64_t *table, *filter;
    uint64_t key_mask, filter_mask;
    size_t table_mask;
    unsigned id_bits, table_bits;
    uint32_t *merged;                /* rank -> id; NULL: the rank is the id */
    size_t n_ranks;
    glim_bpe_merge *merges;          /* collected, until the table is built */
    size_t n_merges, merges_cap;
    bool whole_first; /* a piece that is a token is taken at once (tiktoken, ignore_merges) */
} glim_bpe;

/* Room for ids below n_ids. Errors: LIMIT, NOMEM. On any error of these calls, glim_bpe_deinit. */
glim_status glim_bpe_init(glim_bpe *b, size_t n_ids, glim_err *err);
void glim_bpe_deinit(glim_bpe *b); /* also takes {0} */

/* id must be below n_ids and unused. Tokens that are not plain are never made from text.
 * Errors: FORMAT (id taken), LIMIT (too long), NOMEM. */
glim_status glim_bpe_add(glim_bpe *b, uint32_t id, const char *bytes, size_t len, bool plain,
                         glim_err *err);
/* Marks a token as one that text never becomes. Before index. */
void glim_bpe_set_named(glim_bpe *b, uint32_t id);
/* Builds the bytes -> id table. Two plain tokens of the same bytes: refused, or with last_wins the
 * higher id is found (llama.cpp's way). */
glim_status glim_bpe_index(glim_bpe *b, bool last_wins, glim_err *err);
/* Plain token of exactly these bytes, GLIM_BPE_NONE if there is none. */
uint32_t glim_bpe_find(const glim_bpe *b, const char *bytes, size_t len);
/* The same; quicker where `guess`, any number, is the answer. */
uint32_t glim_bpe_find_near(const glim_bpe *b, uint32_t guess, const char *bytes, size_t len);
/* Bytes of any token, NULL for an id without one. */
const char *glim_bpe_bytes(const glim_bpe *b, uint32_t id, size_t *len);

/* Room for this many merges, then at most one call for each rank below that, rising; then the table.
 * A repeated pair keeps its first rank; a merge whose result text must not become is left out.
 * Errors: LIMIT, NOMEM. */
glim_status glim_bpe_merges_begin(glim_bpe *b, size_t n_merges, glim_err *err);
void glim_bpe_merge_add(glim_bpe *b, uint32_t left, uint32_t right, uint32_t merged, uint32_t rank);
glim_status glim_bpe_merges_end(glim_bpe *b, glim_err *err);
/* tiktoken: every way to cut a plain token into two plain tokens is a merge, its rank the token's id. */
glim_status glim_bpe_merges_from_ids(glim_bpe *b, glim_err *err);

/* Appends the ids of one piece. Errors: NOMEM. */
glim_status glim_bpe_encode(const glim_bpe *b, const char *piece, size_t len, glim_ids *ids,
                            glim_err *err);

/* The GPT-2 alphabet, in which tokenizer.json, vocab.json and GGUF write bytes as printable
 * characters: appends the bytes of text; false (out unchanged) if a character is not of it. */
bool glim_bpe_from_alphabet(glim_buf *out, const char *text, size_t len);

#endif
