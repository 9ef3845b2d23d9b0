/* index_internal.h - what the files of the index share: index.c builds and searches, index_like.c finds words like a
 * misspelt one, index_file.c is the file. */
#ifndef GLIM_KNOW_INDEX_INTERNAL_H
#define GLIM_KNOW_INDEX_INTERNAL_H

#include "know/index.h"
#include "know/intent_internal.h"

typedef struct glim_posting {
    uint32_t row;
    uint16_t tf; /* weighed by field */
    uint16_t pad;
} glim_posting;

typedef struct glim_entry { /* while rows are added */
    uint32_t term;
    glim_posting p;
} glim_entry;

typedef struct glim_gram {
    uint32_t hash, word;
} glim_gram;

struct glim_index {
    bool finished;
    glim_featmap terms;
    uint32_t n_rows;
    uint16_t *length;   /* [n_rows] terms, at most 65535 */
    size_t cap_rows;
    double mean_length;
    glim_entry *entry;  /* [n_entries] in order of rows; gone when finished */
    size_t n_entries, cap_entries;
    uint64_t *from;     /* [terms.n + 1] into posting */
    glim_posting *posting;
    /* Latin words, for stand-ins */
    glim_buf words;     /* each ended by a NUL */
    uint32_t *word_at, *word_term; /* [n_words] */
    size_t n_words, cap_words;
    glim_gram *gram;    /* [n_grams] ascending */
    size_t n_grams;
    glim_feats scratch;
    glim_terms cut;
};

struct glim_index_work {
    glim_terms cut;
    float *score;        /* [n_rows] zero between searches */
    uint32_t *touched;   /* [n_rows] */
    uint8_t *shared;     /* [n_words] zero between searches */
    uint32_t *candidate; /* [n_words] */
};

enum { GLIM_LIKE_MAX = 3 };
typedef struct glim_like {
    uint32_t term;
    float weight;
} glim_like;

/* Grams of all words. */
glim_status glim_index_make_grams(glim_index *ix, glim_err *err);
/* Up to GLIM_LIKE_MAX stand-ins for a word. */
size_t glim_index_like(const glim_index *ix, glim_index_work *w, const char *word, size_t n, glim_like out[GLIM_LIKE_MAX]);

/* Keys of terms: kinds keep a word and a pair apart. */
uint64_t glim_index_key(const char *s, size_t n, unsigned kind);

#endif
