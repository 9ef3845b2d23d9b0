/* said_internal.h - what said.c finds in a request, for the grammars that copy from it. */
#ifndef GLIM_TEXT_SAID_INTERNAL_H
#define GLIM_TEXT_SAID_INTERNAL_H

#include "text/constrain_internal.h"
#include "text/said.h"

enum { GLIM_SAID_BEGINS = 1, GLIM_SAID_ENDS = 2, GLIM_SAID_STOPS = 4 /* the character behind it is in no run */, GLIM_SAID_PARTS = 64 };

typedef struct glim_said_number {
    double value;
    uint32_t begin, end; /* in the text */
} glim_said_number;

struct glim_said {
    char *text; /* [n], zeros behind it */
    size_t n;
    unsigned char *edge; /* [n + 1] GLIM_SAID_... of the place before each byte */
    glim_said_number *number;
    size_t n_numbers, cap_numbers;
    struct glim_said_part {
        uint32_t begin, end;
    } clause[GLIM_SAID_PARTS], figure[GLIM_SAID_PARTS]; /* between commas and full stops; words that hold digits: the first ones */
    size_t n_clauses, n_figures;
};

/* The runs of s that may be a value, spelled with quotes (JSON) or as they are (RAW); without states where there are none. Errors: GLIM_E_LIMIT (a long
 * request that repeats itself), GLIM_E_NOMEM. */
glim_status glim_said_dfa(glim_dfa **out, const glim_said *s, glim_spelling sp, glim_con_budget *b, glim_err *err);
/* The different numbers of s, a new list; or_zero: and 0. NULL: no memory. */
json_t *glim_said_numbers(const glim_said *s, bool or_zero);

#endif
