/* find.h - the rows of a library that a text speaks of: by words (index.h), and those it names.
 *
 * A row is named if enough of its name stands in the text and enough of the text stands in its name; words count by how
 * rare they are, so that "L9" names the L9 and "手机" names no phone. Of an L9 and an L9 Pro, "L9 Pro" names the second only.
 * Threads: one thread a glim_find. */
#ifndef GLIM_KNOW_FIND_H
#define GLIM_KNOW_FIND_H

#include "know/index.h"
#include "know/library.h"

typedef struct glim_find glim_find;

/* Indexes the library, which must outlive it. Errors: GLIM_E_NOMEM, GLIM_E_LIMIT. */
glim_status glim_find_new(glim_find **out, const glim_lib *l, glim_err *err);
void glim_find_free(glim_find *f);
glim_status glim_find_search(glim_find *f, const char *text, size_t n, const glim_index_params *p, glim_index_hit *hits, size_t *n_hits, glim_err *err);

typedef struct glim_named {
    uint32_t row;
    float name, text; /* shares, 0 to 1: of the name that stands in the text, of the text that stands in the name */
} glim_named;
/* Best first, at most cap (up to 8): rows that are named about equally well. *n 0: none is. */
glim_status glim_find_named(glim_find *f, const char *text, size_t n_text, glim_named *out, size_t cap, size_t *n, glim_err *err);
/* Rows whose whole name or id stands in the folded text, the longest such name; its place is blanked with spaces, so that
 * "自助早餐" is not read as the column "早餐". */
glim_status glim_find_exact(glim_find *f, glim_buf *text, glim_named *out, size_t cap, size_t *n, glim_err *err);
/* "3 L9s" in the folded text are of the L9: the ending of what no row has becomes a space. */
void glim_find_singular(const glim_find *f, glim_buf *text);
/* A model in the folded text that no name has, "l9 pro max", and the rows whose names are nearest to it, at most cap. *n 0: there is
 * none, or nothing is near. */
glim_status glim_find_no_such(glim_find *f, const char *text, glim_buf *model, uint32_t *near_, size_t cap, size_t *n, glim_err *err);
/* Rows that are named beside `first`, for "A or B": a name of them stands in what the first one's leaves. */
glim_status glim_find_second(glim_find *f, const char *text, size_t n_text, uint32_t first, uint32_t *second, bool *found, glim_err *err);

/* Of what the text says beside the row's name: how much weight that is, and the share of it that stands in the row at all. */
glim_status glim_find_covered(glim_find *f, const char *text, size_t n_text, uint32_t row, float *left, float *share, glim_err *err);

/* Marks the rows in which all the words stand somewhere, CJK ones as they stand, misspelt ones not: has[row] is 1, of the others 0. */
glim_status glim_find_having(glim_find *f, const char *text, size_t n, uint8_t *has, glim_err *err);

/* The text with words that no row has spelt as a row spells them: "l9pro" as "l9 pro", "keybord" as "keyboard". A word with
 * a digit is only cut, never changed: "L8" is no L9. */
glim_status glim_find_respell(glim_find *f, glim_buf *out, const char *text, size_t n, glim_err *err);

#endif
