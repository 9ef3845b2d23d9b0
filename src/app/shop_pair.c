/* shop_pair.c - two products against each other, where no name stands whole in the question: "is the Fold S heavier than the L9 Pro",
 * "铁观音特级和一级哪个贵", "compare the claw hammer and the sledgehammer". Each side of what joins them is looked at by itself. */
#include <string.h>

#include "app/shop_internal.h"
#include "base/alloc.h"

/* The row that a piece of the question names, alone: rows that are called the same are no choice. */
static glim_status named_by(glim_shop *s, const char *text, size_t n, glim_filter *f, uint32_t *row, bool *found, glim_err *err) {
    glim_buf piece = {0}, words = {0};
    glim_named named[8];
    size_t n_named = 0;
    *found = false;
    glim_buf_append(&piece, text, n);
    glim_status rc = glim_buf_status(&piece, "a piece of a question", err);
    if (rc == GLIM_OK) rc = glim_find_exact(s->find, &piece, named, 8, &n_named, err);
    if (rc == GLIM_OK) rc = glim_filter_parse(f, s->lib, glim_buf_cstr(&piece), piece.len, err);
    if (rc == GLIM_OK && n_named == 0) {
        rc = glim_find_respell(s->find, &words, glim_buf_cstr(&f->words), f->words.len, err);
        if (rc == GLIM_OK && !glim_shop_blank(glim_buf_cstr(&words))) rc = glim_find_named(s->find, glim_buf_cstr(&words), words.len, named, 8, &n_named, err);
        if (n_named > 3 || (n_named && named[0].text < 0.8f)) n_named = 0; /* it may be many, or the piece says more than the name */
    }
    for (size_t i = 0; rc == GLIM_OK && i < n_named && !*found; i++) { /* "the black one": of several the one that is so */
        bool fits = true;
        for (size_t k = 0; k < f->n_cond && fits; k++) fits = f->cond[k].op != GLIM_COND_IS || glim_cond_holds(s->lib, &f->cond[k], named[i].row);
        if (fits) *row = named[i].row, *found = true;
    }
    glim_buf_free(&piece);
    glim_buf_free(&words);
    return rc;
}

/* "和一级": called like the first one, with this value where that one's name has its own. */
static glim_status other_value(glim_shop *s, const glim_filter *f, uint32_t first, bool zh, uint32_t *row, bool *found, glim_err *err) {
    const glim_lib *l = s->lib;
    glim_buf name = {0};
    *found = false;
    for (size_t k = 0; k < f->n_cond && !*found; k++) {
        const glim_cond *c = &f->cond[k];
        if (c->op != GLIM_COND_IS) continue;
        const glim_lib_col *col = &l->col[c->col];
        const char *own = col->value_at[first] < col->value_at[first + 1] ? col->value[col->value_no[col->value_at[first]]].text : NULL, *is = glim_lib_row_name(l, first, zh);
        const char *at = own ? strstr(is, own) : NULL;
        if (!at || strcmp(own, col->value[c->value].text) == 0) continue;
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

glim_status glim_shop_pair(glim_shop *s, const char *text, uint32_t *first, uint32_t *second, bool *found, glim_err *err) {
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
            bool a = false, b = false;
            if (p == text || glim_shop_blank(p + n)) continue;
            tries++;
            rc = named_by(s, text, (size_t)(p - text), &f, first, &a, err);
            if (rc != GLIM_OK || !a) continue;
            rc = named_by(s, p + n, strlen(p + n), &f, second, &b, err);
            if (rc == GLIM_OK && !b) rc = other_value(s, &f, *first, zh, second, &b, err);
            *found = b && *first != *second;
        }
    }
    glim_filter_deinit(&f);
    return rc;
}
