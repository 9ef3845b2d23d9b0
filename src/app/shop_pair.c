/* shop_pair.c - two products against each other, where no name stands whole in the question: "is the Fold S heavier than the L9 Pro",
 * "铁观音特级和一级哪个贵", "compare the claw hammer and the sledgehammer". Each side of what joins them is looked at by itself. */
#include <string.h>

#include "app/shop_internal.h"
#include "base/alloc.h"
#include "know/filter_words.h"

/* The rows that a piece of the question names and that are what it says beside the name, "the Emma paperback": up to cap, *n 0: none. */
static glim_status named_by(glim_shop *s, const char *text, size_t n_text, glim_filter *f, glim_named *named, size_t cap, size_t *n, glim_err *err) {
    glim_buf piece = {0}, words = {0};
    *n = 0;
    glim_buf_append(&piece, text, n_text);
    glim_status rc = glim_buf_status(&piece, "a piece of a question", err);
    if (rc == GLIM_OK) rc = glim_find_exact(s->find, &piece, named, cap, n, err);
    const bool whole = *n > 0;
    if (rc == GLIM_OK) rc = glim_filter_parse(f, s->lib, glim_buf_cstr(&piece), piece.len, err);
    if (rc == GLIM_OK && !whole) {
        rc = glim_find_respell(s->find, &words, glim_buf_cstr(&f->words), f->words.len, err);
        if (rc == GLIM_OK && !glim_shop_blank(glim_buf_cstr(&words))) rc = glim_find_named(s->find, glim_buf_cstr(&words), words.len, named, cap, n, err);
        if (*n > 3 || (*n && named[0].text < 0.8f)) *n = 0; /* it may be many, or the piece says more than the name */
    }
    size_t kept = 0;
    for (size_t i = 0; rc == GLIM_OK && i < *n; i++) { /* "the black one": of several the one that is so */
        bool fits = true;
        for (size_t k = 0; k < f->n_cond && fits; k++) fits = f->cond[k].op != GLIM_COND_IS || glim_cond_holds(s->lib, &f->cond[k], named[i].row);
        if (kept && (named[i].name < named[0].name || named[i].text < named[0].text)) fits = false; /* less well named */
        if (fits) named[kept++] = named[i];
    }
    *n = rc == GLIM_OK ? kept : 0;
    glim_buf_free(&piece);
    glim_buf_free(&words);
    return rc;
}

/* "和一级": called like the first one, with this value where that one's name has its own; "and the paperback": of its name, and so. */
static glim_status other_value(glim_shop *s, const glim_filter *f, uint32_t first, bool zh, uint32_t *row, bool *found, glim_err *err) {
    const glim_lib *l = s->lib;
    glim_buf name = {0};
    *found = false;
    for (size_t k = 0; k < f->n_cond && !*found; k++) {
        const glim_cond *c = &f->cond[k];
        if (c->op != GLIM_COND_IS) continue;
        const glim_lib_col *col = &l->col[c->col];
        const char *own = col->value_at[first] < col->value_at[first + 1] ? col->value[col->value_no[col->value_at[first]]].text : NULL, *is = glim_lib_row_name(l, first, zh);
        for (uint32_t r = 0; r < l->n_rows && !*found; r++)
            if (r != first && glim_cond_holds(l, c, r) && !glim_cond_holds(l, c, first) && strcmp(glim_lib_row_name(l, r, zh), is) == 0) *row = r, *found = true;
        const char *at = own ? strstr(is, own) : NULL;
        if (*found || !at || strcmp(own, col->value[c->value].text) == 0) continue;
        glim_buf_clear(&name);
        glim_buf_append(&name, is, (size_t)(at - is));
        glim_buf_puts(&name, col->value[c->value].text);
        glim_buf_puts(&name, at + strlen(own));
        for (uint32_t r = 0; r < l->n_rows && !*found && !name.failed; r++)
            if (strcmp(glim_lib_row_name(l, r, zh), glim_buf_cstr(&name)) == 0) *row = r, *found = true;
    }
    const glim_status rc = glim_buf_status(&name, "a name", err);
    glim_buf_free(&name);
    return rc;
}

glim_status glim_shop_pair(glim_shop *s, const char *text, glim_named first[8], size_t *n_first, glim_named second[8], size_t *n_second, bool *found, glim_err *err) {
    enum { LONGEST = 200, TRIES = 4 }; /* each try looks a piece up twice as a question is, and the desk is locked meanwhile */
    static const char *const joins[] = {" than ", " vs ", " vs. ", " versus ", " or ", " and ", " with ", " to ", "还是", "对比", "和", "跟", "与", "或", "比"};
    const bool zh = s->filter.zh;
    glim_filter f = {0};
    glim_status rc = GLIM_OK;
    size_t tries = 0;
    *found = false;
    if (strlen(text) > LONGEST) return rc;
    for (size_t j = 0; rc == GLIM_OK && j < GLIM_COUNT(joins) && !*found; j++) {
        const size_t n = strlen(joins[j]);
        for (const char *p = strstr(text, joins[j]); rc == GLIM_OK && p && !*found && tries < TRIES; p = strstr(p + n, joins[j])) {
            if (p == text || glim_shop_blank(p + n)) continue;
            tries++;
            rc = named_by(s, text, (size_t)(p - text), &f, first, 8, n_first, err);
            if (rc != GLIM_OK || *n_first == 0) continue;
            rc = named_by(s, p + n, strlen(p + n), &f, second, 8, n_second, err);
            if (rc == GLIM_OK && *n_second == 0 && *n_first == 1) {
                rc = other_value(s, &f, first[0].row, zh, &second[0].row, found, err);
                *n_second = *found;
            }
            *found = *n_second && first[0].row != second[0].row;
        }
    }
    glim_filter_deinit(&f);
    return rc;
}

bool glim_shop_alike(const glim_lib *l, const glim_filter *f, uint32_t a, uint32_t b) {
    const bool some = f->sort >= 0 || f->n_ask; /* else all that two are compared by */
    for (size_t c = 0; c < l->n_col; c++) {
        bool shown = !some && (l->col[c].number || l->col[c].type == GLIM_LIB_BOOL || l->col[c].concept == GLIM_CONCEPT_WARM_CHARGE);
        shown |= f->sort == (int)c;
        for (size_t k = 0; k < f->n_ask; k++) shown |= f->ask[k] == (int)c;
        if (shown && strcmp(glim_lib_cell(l, a, c), glim_lib_cell(l, b, c)) != 0) return false;
    }
    return true;
}

bool glim_shop_which(glim_shop *s, glim_shop_answer *a, const glim_named *first, size_t n_first, const glim_named *second, size_t n_second) {
    uint32_t row[GLIM_SHOP_ROWS];
    size_t n = 0;
    for (size_t i = 0; n_first > 1 && i < n_first && n < GLIM_SHOP_ROWS; i++) row[n++] = first[i].row;
    for (size_t i = 0; n_second > 1 && i < n_second && n < GLIM_SHOP_ROWS; i++) row[n++] = second[i].row;
    for (size_t i = 0; i < n; i++) glim_shop_cite_row(s, a, row[i]);
    a->part = GLIM_PART_RETRIEVAL;
    a->n_all = n;
    return glim_say(&a->text, s, &s->filter, GLIM_SAY_WHICH, row, n, n, NULL, NULL);
}
