/* tok_write.h - the parts of tokenizer.json and tokenizer_config.json around a vocabulary of byte-level BPE. Whoever has the vocabulary (a trainer,
 * a GGUF) writes
 *
 *   head, "token": id, "token": id, ..., between, ["a", "b"], ["a", "b"], ..., tail
 *
 * with the separators that these leave open. */
#ifndef GLIM_TEXT_TOK_WRITE_H
#define GLIM_TEXT_TOK_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

typedef struct glim_tok_written {
    uint32_t id;
    const char *text; /* UTF-8 */
    size_t len;
    bool special;
} glim_tok_written;

typedef struct glim_tok_write {
    const glim_tok_written *added; /* [n_added] */
    size_t n_added;
    const char *const *patterns;   /* [n_patterns] text is cut at the matches of each in turn */
    size_t n_patterns;
    const glim_tok_written *first; /* [n_first] put before every text: GLM's [gMASK]<sop>, or a bos */
    size_t n_first;
    bool whole_first;              /* a piece that is a token is taken whole ("ignore_merges") */
    const char *bos, *eos, *pad;   /* of tokenizer_config.json; NULL: none */
} glim_tok_write;

void glim_tok_write_head(glim_buf *out, const glim_tok_write *w);
void glim_tok_write_between(glim_buf *out);
void glim_tok_write_tail(glim_buf *out);
/* The whole of tokenizer_config.json. */
void glim_tok_write_config(glim_buf *out, const glim_tok_write *w);

#endif
