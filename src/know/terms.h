/* terms.h - a text cut into the terms that intents and retrieval count.
 *
 * The text is folded first (Unicode NFKC and case folding, so that full-width letters, ligatures and capitals are equal
 * to their plain forms; invalid UTF-8 counts as U+FFFD and separates). Then:
 *   Han, kana and hangul  one term a character: there are no spaces to cut at
 *   letters and digits    the longest run; an apostrophe inside one is dropped ("don't" is "dont")
 *   marks inside a run    - _ . / between letters or digits join the parts of a SKU: "AB-12/3" gives ab, 12, 3 and, flagged
 *                         `joined`, the whole "ab123"
 *   currency signs        a term each; everything else separates */
#ifndef GLIM_KNOW_TERMS_H
#define GLIM_KNOW_TERMS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

typedef struct glim_term {
    uint32_t at, n;  /* bytes in glim_terms.text */
    bool cjk;        /* one character of a script without spaces */
    bool joined;     /* a SKU as a whole; its parts precede it */
    bool apart;      /* a separator or the beginning lies before it: no bigram across */
} glim_term;

typedef struct glim_terms {
    glim_buf text; /* the folded text, and after it the joined words */
    glim_term *v;  /* [n] */
    size_t n, cap;
} glim_terms;

enum { GLIM_TERMS_MAX_BYTES = 1 << 20 }; /* of one text */

/* Replaces what t holds; its storage is kept from call to call. Start with {0}.
 * Errors: GLIM_E_LIMIT (a text over GLIM_TERMS_MAX_BYTES), GLIM_E_NOMEM. */
glim_status glim_terms_cut(glim_terms *t, const char *text, size_t len, glim_err *err);
void glim_terms_free(glim_terms *t);

/* Folding alone, appended to *out. Latin letters lose their marks too, as people leave them out who type: "Malmö" is "malmo". */
glim_status glim_terms_fold(glim_buf *out, const char *text, size_t len, glim_err *err);

/* The same with their marks, by which "Bär" is told from "Bar"; and what is folded so without them. */
glim_status glim_terms_fold_marked(glim_buf *out, const char *text, size_t len, glim_err *err);
void glim_terms_plain(glim_buf *out, const char *folded, size_t n);

/* A script that writes without spaces: Han, kana, bopomofo, hangul. */
bool glim_term_is_cjk(uint32_t cp);

#endif
