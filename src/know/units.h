/* units.h - what money and measures are called, in questions and in a table's schema. Tables only; safe from every thread. */
#ifndef GLIM_KNOW_UNITS_H
#define GLIM_KNOW_UNITS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct glim_currency {
    const char *text, *is; /* as it is said; "cny", "usd", ..., or NULL: the shop's own, whichever that is ("块") */
} glim_currency;
extern const glim_currency glim_currencies[];
extern const size_t glim_n_currencies;

/* Which currency a column's unit is, "元" or "元/斤"; there "元" says it. NULL: not known, as for a NULL unit. */
const char *glim_currency_of(const char *unit);

/* Units of one measure, each v of the first. What a number is measured in is never read as money. */
typedef struct glim_measure {
    const char *text, *of;
    double v;
    bool column_only; /* a unit in a schema, another word in a question ("in") */
} glim_measure;
extern const glim_measure glim_measures[];
extern const size_t glim_n_measures;

/* The number of a unit in glim_measures; -1: not there, as for NULL. Case does not count. */
int glim_measure_of(const char *unit);

/* Bytes of the word at s that counts pieces, "份" of "两份", or of the one that counts people, "个人"; 0: there is none. So many
 * pieces are wanted of whatever it is, which no column says; so many people may be what a row is for. */
size_t glim_piece_word(const char *s, size_t n);
size_t glim_person_word(const char *s, size_t n);

#endif
