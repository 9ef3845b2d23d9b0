/* filter_internal.h - a question as its items, for the files of the filter.
 *
 *   filter.c         items to conditions
 *   filter_items.c   a question to items
 *   filter_not.c     what is denied
 *   filter_number.c  figures and number words with their units
 *   filter_rows.c    the rows that fit, and conditions in words */
#ifndef GLIM_KNOW_FILTER_INTERNAL_H
#define GLIM_KNOW_FILTER_INTERNAL_H

#include <ctype.h>
#include <string.h>

#include "know/filter.h"
#include "know/filter_words.h"

enum { GLIM_PARSE_ITEMS = 256, GLIM_PARSE_DENIALS = 16 };

typedef enum glim_item_kind { NUMBER, WORD, COLUMN, VALUE } glim_item_kind;

typedef struct glim_item {
    size_t from, to;
    glim_item_kind kind;
    glim_word_kind word;
    int concept;
    int col;        /* COLUMN, VALUE; NUMBER: the column whose unit it has, or -1 */
    uint16_t value;
    double number;
    bool money;     /* a number with a currency */
    double low;     /* "三四千": from here, or 0 */
    double scale;   /* what it was multiplied by for the column's unit, or 0 */
    const char *currency; /* which, or NULL: the shop's own ("元", "块") */
    bool has_unit, used;
    bool loose;     /* a number that may be up to a tenth more */
    bool year;      /* NUMBER: a year of a column of dates */
    bool stem;      /* VALUE: the question has what the value says no to, "辣" of "不辣" */
} glim_item;

typedef struct glim_parse {
    const glim_lib *l;
    glim_filter *f;
    const char *s; /* folded */
    size_t n;
    glim_item v[GLIM_PARSE_ITEMS];
    size_t n_items;
    struct {
        size_t from, to;
    } denial[GLIM_PARSE_DENIALS]; /* from a no to what it is said of: read, and out of the way */
    size_t n_denials;
} glim_parse;

static inline bool glim_parse_alnum(const glim_parse *p, size_t i) { return i < p->n && (unsigned char)p->s[i] < 0x80 && isalnum((unsigned char)p->s[i]); }
static inline size_t glim_parse_spaces(const glim_parse *p, size_t i) {
    while (i < p->n && p->s[i] == ' ') i++;
    return i;
}

/* ---- filter_items.c ---- */
void glim_parse_items(glim_parse *p); /* p->s into p->v */
/* Does the word stand at i? Its length with a plural ending, or 0. */
size_t glim_parse_stands(const glim_parse *p, size_t i, const char *w);

/* ---- filter_not.c ---- */
/* Is what stands at `at` denied? *from: where the no begins. */
bool glim_parse_denied(const glim_parse *p, size_t at, size_t *from);
/* Does a no, or a word that a no is read over, end at `at`? */
bool glim_parse_says_nothing(const glim_parse *p, size_t at);
/* Is what ends at `at` denied behind it? *to: where that ends. */
bool glim_parse_denied_behind(const glim_parse *p, size_t at, size_t *to);

/* ---- filter_number.c ---- */
/* The number that begins at i, with its unit, into *it. */
bool glim_parse_number(const glim_parse *p, size_t i, glim_item *it);
size_t glim_month_before(const char *s, size_t at, int *month, int *day);
/* The first column of numbers about this, or -1. */
int glim_parse_column(const glim_lib *l, int concept);

#endif
