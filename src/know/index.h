/* index.h - find the rows of a product library by words: BM25 over terms that fit Chinese and SKUs.
 *
 *   CJK         single characters and pairs of neighbours; in a query, a character that is part of a pair counts little
 *   Latin, SKU  whole words, and the parts and the whole of "AB-12/3" (know/terms.h)
 *   misspelt    a Latin word of the query that no row has stands for up to three words like it: shared trigrams propose,
 *               edit distance (swaps count once) decides; an unfinished word stands for those that begin with it
 *
 * Rows are added, the index is finished, then it is searched or saved. Postings lie in memory; a search adds up the
 * postings of its terms into one number a row, so its worst case is short and known: the rows times the query's terms.
 * Threads: a finished index is read-only and may be shared; a glim_index_work belongs to one thread. */
#ifndef GLIM_KNOW_INDEX_H
#define GLIM_KNOW_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef struct glim_index glim_index;
typedef struct glim_index_work glim_index_work;

typedef struct glim_index_field {
    const char *text;
    size_t n;
    unsigned weight; /* 1 to 8: how much a word here counts; 0 means 1 */
} glim_index_field;

typedef struct glim_index_hit {
    uint32_t row;
    float score;
} glim_index_hit;

typedef struct glim_index_params { /* zero means default */
    size_t limit;                  /* 10 */
    bool (*keep)(void *ctx, uint32_t row); /* a filter over attributes; rows it refuses do not count to the limit */
    void *ctx;
    bool exact;                    /* no stand-ins for misspelt words */
} glim_index_params;

glim_index *glim_index_new(void);
void glim_index_free(glim_index *ix); /* takes NULL */
/* The next row: 0, 1, 2, ... Errors: GLIM_E_STATE (finished), GLIM_E_LIMIT, GLIM_E_NOMEM. */
glim_status glim_index_add(glim_index *ix, const glim_index_field *f, size_t n_fields, glim_err *err);
glim_status glim_index_finish(glim_index *ix, glim_err *err);
size_t glim_index_n_rows(const glim_index *ix);
size_t glim_index_n_terms(const glim_index *ix);

/* How much finding a term says: its inverse document frequency; `pair`: s is two CJK characters. Terms that no row has say most. */
float glim_index_idf(const glim_index *ix, const char *s, size_t n, bool pair);

glim_index_work *glim_index_work_new(const glim_index *ix, glim_err *err);
void glim_index_work_free(glim_index_work *w);
/* Best first, equal scores by row. *n_hits is at most limit; hits has room for limit.
 * Errors: GLIM_E_STATE (not finished), GLIM_E_LIMIT (a query over 4096 bytes), GLIM_E_NOMEM. */
glim_status glim_index_search(const glim_index *ix, glim_index_work *w, const char *query, size_t len, const glim_index_params *p,
                              glim_index_hit *hits, size_t *n_hits, glim_err *err);

/* The file: "GLIMIDX", version, postings, checksum. Errors of reading as for glim_intent_open. */
glim_status glim_index_save(const glim_index *ix, const char *path, glim_err *err);
glim_status glim_index_open(glim_index **out, const char *path, glim_err *err);
glim_status glim_index_parse(glim_index **out, const void *bytes, size_t n, glim_err *err);

#endif
