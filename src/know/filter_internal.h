/* filter_internal.h - a question as its items, for the files of the filter.
 *
 *   filter.c          a question to a filter, by the others in turn
 *   filter_items.c    a question to items
 *   filter_number.c   figures and number words with their units
 *   filter_conds.c    items to conditions
 *   filter_bounds.c   figures to conditions
 *   filter_dates.c    years, months and days to conditions
 *   filter_prices.c   which of several prices is meant
 *   filter_part.c     a part of a thing that is asked for
 *   filter_order.c    "the cheapest", "更轻的"
 *   filter_not.c      what is denied
 *   filter_allergy.c  who says that something makes him ill
 *   filter_rows.c     the rows that fit, and conditions in words */
#ifndef GLIM_KNOW_FILTER_INTERNAL_H
#define GLIM_KNOW_FILTER_INTERNAL_H

#include <ctype.h>
#include <string.h>

#include "know/filter.h"
#include "know/filter_words.h"

enum { GLIM_PARSE_ITEMS = 256, GLIM_PARSE_DENIALS = 16 };

typedef enum glim_item_kind { NUMBER, WORD, COLUMN, VALUE } glim_item_kind;

/* Which side of a day is meant. */
typedef enum glim_day_side { GLIM_DAY_ON, GLIM_DAY_BEFORE, GLIM_DAY_BY, GLIM_DAY_SINCE, GLIM_DAY_AFTER } glim_day_side;

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
    double first, last; /* of a day or a month of it, yyyymmdd; last 0 where only the year is said */
    size_t lead;        /* of such a day: where its verb or its heading begins */
    glim_day_side side;
    bool stem;      /* VALUE: the question has what the value says no to, "辣" of "不辣" */
} glim_item;

typedef struct glim_parse {
    const glim_lib *l;
    glim_filter *f;
    const char *s; /* folded */
    size_t n;
    const char *typed;  /* as it was typed, capitals and all */
    const char *marked; /* what was typed, folded with the marks on its letters */
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
/* The length of the first of the words that the question goes on with at `at`, inside of a word too, or 0. */
size_t glim_parse_word_at(const glim_parse *p, size_t at, const char *const *words, size_t n);

/* ---- filter_not.c ---- */
/* Is what stands at `at` denied? *from: where the no begins. */
bool glim_parse_denied(const glim_parse *p, size_t at, size_t *from);
/* Does a no, or a word that a no is read over, end at `at`? */
bool glim_parse_says_nothing(const glim_parse *p, size_t at);
/* Is what ends at `at` denied behind it? *to: where that ends. */
bool glim_parse_denied_behind(const glim_parse *p, size_t at, size_t *to);
/* The same two, and what says so is read then. */
bool glim_parse_read_no(glim_parse *p, size_t at);
bool glim_parse_read_no_behind(glim_parse *p, size_t at);
/* Of a bound or an order, where some noes ask whether there are any. */
bool glim_parse_read_no_of_bound(glim_parse *p, size_t at);
/* Is the value at item k one that must not be? */
bool glim_parse_unwanted(glim_parse *p, size_t k);
/* Does a list of columns go on at item k? */
bool glim_parse_joined(const glim_parse *p, size_t k);
/* When all conditions are read: is a no said of words that are no item? They are p->f->denied then. */
bool glim_parse_denies_words(const glim_parse *p);

/* ---- filter_number.c ---- */
/* The number that begins at i, with its unit, into *it. */
bool glim_parse_number(const glim_parse *p, size_t i, glim_item *it);
bool glim_parse_haggles(const glim_parse *p, size_t i); /* "便宜一点" before what stands at i */
size_t glim_month_before(const char *s, size_t at, int *month, int *day);
/* The first column of numbers about this, or -1. */
int glim_parse_column(const glim_lib *l, int concept);

/* ---- filter_conds.c ---- */
void glim_parse_conds(glim_parse *p); /* p->v into p->f */
void glim_parse_split_phrases(glim_parse *p); /* "where is it from", "how long does it keep": a name stands inside of them */
/* Are all values of a column that holds several wanted, and not one of them? */
bool glim_parse_wants_every(const glim_parse *p);
/* Only spaces, marks and words that say nothing lie between two places. */
bool glim_parse_bare_between(const glim_parse *p, size_t from, size_t to);
bool glim_parse_numeric(const glim_parse *p, int col);
/* The nearest column of numbers that is named around [from, to), or NULL; of degrees too, which have an order and no figures. */
glim_item *glim_parse_named_column(glim_parse *p, size_t from, size_t to, bool degrees);
int glim_parse_take(glim_item *it); /* its column, and it is used; -1 of NULL */
void glim_parse_add_cond(glim_parse *p, glim_cond c); /* once */
/* Item k reaches from `from` to `to`, as far as items before it leave room; what it reaches over is used up. Items never overlap. */
void glim_parse_cover(glim_parse *p, size_t k, size_t from, size_t to);

/* ---- filter_bounds.c ---- */
void glim_parse_number_conds(glim_parse *p, size_t k); /* what the figure at item k says */
void glim_parse_part_bounds(glim_parse *p);            /* when all figures are read: those that exclude another on one column */

/* ---- filter_dates.c ---- */
bool glim_parse_day(const glim_parse *p, size_t i, glim_item *it); /* a day or a month at i whose year nobody says */
bool glim_parse_month(const glim_parse *p, size_t i); /* does a month's name stand at i? */
bool glim_parse_of_names(const glim_parse *p, const char *w, size_t n); /* a word of a row's name or of a value */
void glim_parse_year_conds(glim_parse *p, size_t k);
void glim_parse_years_between(glim_parse *p, size_t k, size_t behind, size_t other); /* the items of "2015", "to" and "2018" */

/* ---- filter_prices.c; when all conditions are read ---- */
void glim_parse_which_price(glim_parse *p);

/* ---- filter_part.c; when all conditions are read ---- */
void glim_parse_part(glim_parse *p);

/* ---- filter_order.c ---- */
void glim_parse_order(glim_parse *p, glim_item *it); /* a word of order: by which column, and from which end */
/* Is an order said right before the column at item k? "大内存手机" */
bool glim_parse_ordered(glim_parse *p, size_t k);
/* Is a product set against this one? */
bool glim_parse_is_than(const glim_parse *p, const glim_item *it);

/* ---- filter_allergy.c; when all conditions are read ---- */
void glim_parse_allergies(glim_parse *p);
void glim_parse_kin_of_allergens(glim_parse *p); /* "nut free": peanuts too */

#endif
