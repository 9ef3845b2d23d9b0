/* shop_rows.c - what is asked of rows that a question names, or of the one in view: their cells, one against another, others
 * beyond one. What is asked of none of them is the table's (shop_table.c). */
#include <math.h>
#include <string.h>

#include "app/shop_internal.h"
#include "base/alloc.h"
#include "know/filter_words.h"

/* "Is it the cheapest phone?" asks whether it is the first of its kind, "what is the largest memory of this phone?" for its memory. */
bool glim_shop_first_of_kind(const glim_lib *l, const glim_filter *f) { return f->top && f->whether && !f->than && glim_shop_names_kind(l, f); }

/* "Anything cheaper than this?": other products of its kind on the right side of its value. *done false: its cell is empty, or
 * more is asked than that. */
static glim_status beyond(glim_shop *s, glim_shop_answer *a, uint32_t than, const char *rest, bool *done, glim_err *err) {
    glim_filter *f = &s->filter;
    const glim_lib *l = s->lib;
    uint32_t row[GLIM_SHOP_LIST];
    size_t n = 0, n_cond = 0;
    float left, share;
    double v = l->col[f->sort].number[than];
    bool kind = false;
    glim_status rc = glim_find_covered(s->find, rest, strlen(rest), than, &left, &share, err);
    if (rc != GLIM_OK || left >= GLIM_SHOP_SAYS || isnan(v)) return rc;
    for (size_t i = 0; i < f->n_cond; i++) { /* the brand in its name is not a wish */
        int about = l->col[f->cond[i].col].concept;
        if (about == GLIM_CONCEPT_BRAND && f->cond[i].op == GLIM_COND_IS && glim_cond_holds(l, &f->cond[i], than)) continue;
        kind |= about == GLIM_CONCEPT_KIND;
        f->cond[n_cond++] = f->cond[i];
    }
    f->n_cond = n_cond;
    for (size_t c = 0; c < l->n_col && !kind && f->n_cond < GLIM_FILTER_CONDS; c++) {
        const glim_lib_col *col = &l->col[c];
        if (col->concept != GLIM_CONCEPT_KIND || col->type != GLIM_LIB_ENUM || col->value_at[than] == col->value_at[than + 1]) continue;
        f->cond[f->n_cond++] = (glim_cond){.col = (int)c, .op = GLIM_COND_IS, .value = col->value_no[col->value_at[than]]};
        kind = true;
    }
    if (f->n_cond < GLIM_FILTER_CONDS) f->cond[f->n_cond++] = (glim_cond){.col = f->sort, .op = f->most ? GLIM_COND_GT : GLIM_COND_LT, .a = v};
    rc = glim_filter_rows(l, f, NULL, 0, row, GLIM_SHOP_LIST, &n, &a->n_all, err);
    if (rc != GLIM_OK) return rc;
    *done = glim_say(&a->text, s, f, f->count ? GLIM_SAY_COUNT : GLIM_SAY_LIST, row, n, a->n_all, NULL, NULL);
    a->part = GLIM_PART_FILTER;
    for (size_t i = 0; i < n; i++) glim_shop_cite_row(s, a, row[i]);
    glim_filter_show(&a->filter, l, f);
    return rc;
}

void glim_shop_ask_order(glim_filter *f) {
    bool asked = f->n_ask == GLIM_FILTER_ASKS;
    for (size_t i = 0; i < f->n_ask; i++) asked |= f->ask[i] == f->sort;
    if (!asked) f->ask[f->n_ask++] = f->sort;
    f->sort = -1;
}

/* "How many snake plants are in stock", of products that are named whole: the stock of each, and of no other. */
bool glim_shop_stock_of(glim_shop *s, size_t n) {
    glim_filter *f = &s->filter;
    int stock = -1;
    bool only = n > 0 && n <= 4, asked = false;
    for (size_t i = 0; i < f->n_cond; i++) only &= s->lib->col[f->cond[i].col].type == GLIM_LIB_STOCK;
    for (size_t i = 0; i < f->n_ask; i++) only &= s->lib->col[f->ask[i]].type == GLIM_LIB_STOCK, asked = true;
    for (size_t c = 0; c < s->lib->n_col && stock < 0; c++)
        if (s->lib->col[c].type == GLIM_LIB_STOCK) stock = (int)c;
    if (!only || stock < 0 || (f->n_cond == 0 && !asked) || f->sort >= 0) return false;
    f->count = false;
    f->n_cond = 0;
    f->ask[0] = stock;
    f->n_ask = 1;
    return true;
}

/* "How many of it are there?" asks for its stock, not for how many products there are. "一笼有几个" may mean its pieces: all that is
 * known of it is said, and so it is where more words are left. */
glim_status glim_shop_count_one(glim_shop *s, uint32_t row, bool pieces, const glim_buf *words, glim_err *err) {
    glim_filter *f = &s->filter;
    float left, share;
    if (row == UINT32_MAX) return GLIM_OK;
    f->count = false;
    bool own = f->n_cond > 0; /* "how many tablets are in it": it is one of tablets */
    for (size_t i = 0; i < f->n_cond; i++) own &= f->cond[i].op == GLIM_COND_IS && glim_cond_holds(s->lib, &f->cond[i], row);
    if (own) {
        f->n_cond = 0;
        return GLIM_OK;
    }
    if (glim_shop_narrows(s->lib, f)) {
        f->count = true;
        return GLIM_OK;
    }
    glim_status rc = glim_find_covered(s->find, glim_buf_cstr(words), words->len, row, &left, &share, err);
    for (size_t c = 0; rc == GLIM_OK && left < GLIM_SHOP_SAYS && !pieces && c < s->lib->n_col && f->n_ask == 0; c++)
        if (s->lib->col[c].type == GLIM_LIB_STOCK) f->ask[f->n_ask++] = (int)c;
    return rc;
}

/* Does the row, or a heading, have the word for the part? */
static bool says_part(const glim_lib *l, uint32_t row, const char *part) {
    for (size_t c = 0; c < l->n_col; c++) {
        if (strcasestr(glim_lib_cell(l, row, c), part) || strcasestr(l->col[c].column, part)) return true;
        for (size_t a = 0; a < l->col[c].n_alias; a++)
            if (strstr(l->col[c].alias[a], part)) return true;
    }
    return false;
}

/* A number or an average of what is named whole: of these rows, and never of the others. Eight may be more. */
static glim_status over_named(glim_shop *s, glim_shop_answer *a, const glim_named *named, size_t n_named, bool *done) {
    glim_filter *f = &s->filter;
    const glim_lib *l = s->lib;
    uint32_t row[GLIM_SHOP_ROWS];
    size_t n = 0, m = 0, left = 0;
    double sum = 0;
    int col = -1;
    for (size_t i = 0; i < f->n_ask && f->mean && col < 0; i++)
        if (l->col[f->ask[i]].number && !l->col[f->ask[i]].degree) col = f->ask[i];
    if (n_named >= GLIM_SHOP_ROWS || (f->mean && col < 0)) return GLIM_OK;
    for (size_t i = 0; i < n_named; i++) {
        if (!glim_filter_keep(l, f, named[i].row)) continue;
        row[n++] = named[i].row;
        if (col >= 0 && !isnan(l->col[col].number[named[i].row]) && l->col[col].type == GLIM_LIB_PRICE && !glim_lib_exact(l, named[i].row, (size_t)col)) left++;
        else if (col >= 0 && !isnan(l->col[col].number[named[i].row])) sum += l->col[col].number[named[i].row], m++;
    }
    if (f->mean && m == 0) return GLIM_OK;
    if (f->mean) glim_say_mean(&a->text, s, f, col, sum / (double)m, m, left);
    else glim_say(&a->text, s, f, GLIM_SAY_COUNT, row, n, n, NULL, NULL);
    for (size_t i = 0; i < n; i++) glim_shop_cite_row(s, a, row[i]);
    a->part = GLIM_PART_FILTER;
    a->n_all = f->mean ? m : n;
    *done = true;
    return GLIM_OK;
}

glim_status glim_shop_from_library(glim_shop *s, glim_shop_answer *a, const glim_named *named, size_t n_named, uint32_t view, uint32_t also, uint32_t third,
                                const char *words, const char *rest, bool *done, glim_err *err) {
    glim_filter *f = &s->filter;
    uint32_t row[GLIM_SHOP_ROWS];
    size_t n = 0;
    glim_status rc = GLIM_OK;
    *done = false;
    a->n_all = 0;
    if (f->unlisted) return rc; /* "芒果过敏": a dish's allergens do not speak of mangoes */
    {
        uint32_t of[4];
        size_t n_of = 0;
        bool refuse = false;
        if (n_named && n_named <= 4) for (; n_of < n_named; n_of++) of[n_of] = named[n_of].row;
        else if (n_named == 0 && view != UINT32_MAX && !(f->list && !f->self)) of[n_of++] = view;
        if (!f->compare && f->sort < 0 && !f->count && !f->mean) rc = glim_shop_mind_warnings(s, of, n_of, words, &refuse, err);
        if (rc != GLIM_OK || refuse) return rc;
    }
    /* two against each other */
    uint32_t first = n_named ? named[0].row : view, second = also;
    bool two = also != UINT32_MAX;
    const bool of_kind = glim_shop_names_kind(s->lib, f);
    bool this_and_it = n_named && view != UINT32_MAX && view != first && (f->self || f->compare || (f->than && !f->list && !of_kind)); /* "is this cheaper than the L9?", "比L9便宜吗" beside another */
    if (!two && n_named && f->than && f->sort >= 0 && !f->list && !of_kind && !glim_shop_blank(rest)) { /* "is the Fold S heavier than the L9 Pro?" */
        rc = glim_find_second(s->find, words, strlen(words), first, &second, &two, err);
        if (rc != GLIM_OK) return rc;
    }
    if (!two && first != UINT32_MAX && f->than && f->sort >= 0 && (n_named || f->self) && !this_and_it) return beyond(s, a, first, rest, done, err);
    if (!two && n_named == 0 && view != UINT32_MAX && !f->self && f->sort >= 0 && !f->top && !f->compare) { /* "anything cheaper?": than this one */
        if (f->more || (f->list && !of_kind)) return beyond(s, a, view, rest, done, err);
        if (!f->list && !of_kind) glim_shop_ask_order(f); /* "能便宜吗" */
    }
    if (!two && first != UINT32_MAX && (f->compare || f->sort >= 0 || (n_named && f->n_ask))) {
        rc = glim_find_second(s->find, words, strlen(words), first, &second, &two, err);
        if (rc != GLIM_OK) return rc;
        if (!two && this_and_it) second = view, two = true;
    }
    if (third != UINT32_MAX && f->sort >= 0) { /* which of the three */
        const uint32_t of[] = {first, also, third};
        f->n_cond = 0;
        rc = glim_filter_rows(s->lib, f, of, GLIM_COUNT(of), row, GLIM_COUNT(of), &n, &a->n_all, err);
        if (rc != GLIM_OK) return rc;
        *done = glim_say(&a->text, s, f, GLIM_SAY_LIST, row, n, a->n_all, NULL, NULL);
        a->part = GLIM_PART_FILTER;
        for (size_t i = 0; i < n; i++) glim_shop_cite_row(s, a, row[i]);
        return GLIM_OK;
    }
    if (two && third == UINT32_MAX && (f->compare || f->sort >= 0)) {
        row[0] = first, row[1] = second;
        *done = glim_say(&a->text, s, f, GLIM_SAY_COMPARE, row, 2, 2, NULL, NULL);
        if (*done) {
            a->part = GLIM_PART_FILTER;
            a->n_all = 2;
            glim_shop_cite_row(s, a, first);
            glim_shop_cite_row(s, a, second);
        }
        return GLIM_OK;
    }
    /* "is the L9 the cheapest phone?": of all phones, not of those of its name */
    if (!two && glim_shop_first_of_kind(s->lib, f) && ((n_named == 1 && named[0].name >= 1 && named[0].text >= 1) || (n_named == 0 && view != UINT32_MAX && f->self)) &&
        !isnan(s->lib->col[f->sort].number[first])) {
        row[0] = first;
        rc = glim_filter_rows(s->lib, f, NULL, 0, row + 1, GLIM_SHOP_LIST, &n, &a->n_all, err);
        if (rc != GLIM_OK || n == 0) return rc;
        *done = glim_say(&a->text, s, f, GLIM_SAY_FIRST, row, n + 1, a->n_all, NULL, NULL);
        a->part = GLIM_PART_FILTER;
        for (size_t i = 0; i < n + 1; i++)
            if (i == 0 || row[i] != first) glim_shop_cite_row(s, a, row[i]);
        glim_filter_show(&a->filter, s->lib, f);
        return GLIM_OK;
    }
    if (!two && n_named && f->sort >= 0 && f->list && f->more && !f->top && !f->than && !f->compare) return beyond(s, a, first, rest, done, err); /* "the L9, or anything cheaper?" */
    if (!two && f->sort >= 0 && n_named && (!f->list || f->n_cond == 0) && !f->compare && !f->than && (!f->top || f->n_cond == 0)) glim_shop_ask_order(f); /* "is the L9 cheap?" */
    bool listing = f->sort >= 0 || f->count || f->mean;
    bool in_view = view != UINT32_MAX && !listing && n_named == 0 && !(f->list && !f->self && (glim_shop_narrows(s->lib, f) || of_kind)); /* "推荐3款手机" beside a phone: phones */
    if ((n_named && n_named <= 4 && !(listing && glim_shop_narrows(s->lib, f) && !f->self)) || in_view) {
        glim_buf quote = {0};
        bool any = false;
        for (size_t i = 0; i < (in_view ? 1 : n_named); i++) row[n++] = in_view ? view : named[i].row;
        if (!in_view && also != UINT32_MAX && n < 4) row[n++] = also; /* "what do A and B cost?", "which is hotter, A or B?" */
        if (!in_view && third != UINT32_MAX && n < 4) row[n++] = third;
        /* What the question says beside the product: is it a column, or does the row's prose say it? */
        float left, share;
        rc = glim_find_covered(s->find, words, strlen(words), row[0], &left, &share, err);
        bool more = left >= GLIM_SHOP_SAYS, known = share >= (f->zh && n_named == 1 && named[0].name >= 1 ? 0.45f : GLIM_SHOP_COVERS); /* "要提前多久订" of a row that says 提前一天预订 */
        if (rc == GLIM_OK && f->n_ask == 0 && more && known) rc = glim_shop_sentence(s, row[0], words, f->zh, &quote, err);
        bool said_by_cells = f->n_ask > 0;
        const bool asks_kind = glim_say_asks_kind(s->lib, f);
        for (size_t k = 0; k < f->n_cond; k++) said_by_cells |= !glim_say_named_so(s->lib, &f->cond[k], row[0], f->zh) && (asks_kind || !(s->lib->col[f->cond[k].col].concept == GLIM_CONCEPT_KIND || s->lib->col[f->cond[k].col].concept == GLIM_CONCEPT_BRAND));
        const bool of_unknown_part = f->part.len && n_named && !says_part(s->lib, row[0], glim_buf_cstr(&f->part));
        const bool of_something_else = of_unknown_part || (f->of_something_else && !said_by_cells && quote.len == 0); /* "where is it made", "can I eat it": what it is, is no answer */
        if (rc == GLIM_OK && !(more && !known && !said_by_cells) && !of_something_else) any = glim_say(&a->text, s, f, GLIM_SAY_ROWS, row, n, n, glim_buf_cstr(&quote), NULL);
        if (any) {
            a->part = said_by_cells ? GLIM_PART_FILTER : GLIM_PART_RETRIEVAL;
            a->n_all = n;
            for (size_t i = 0; i < n; i++) glim_shop_cite_row(s, a, row[i]);
        }
        *done = any;
        glim_buf_free(&quote);
        return rc;
    }
    if ((f->count || f->mean) && n_named && named[0].name >= 1 && named[0].text >= 1) return over_named(s, a, named, n_named, done);
    if (f->sort2 >= 0 && n_named == 0 && !f->without && glim_shop_blank(rest) && !f->count && !f->mean) return glim_shop_two_orders(s, a, done, err);
    return glim_shop_from_table(s, a, rest, done, err);
}
