/* shop_overview.c - answers about many rows at once: what there is, of which kinds, and the ends of an order. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "app/shop_internal.h"
#include "base/alloc.h"
#include "know/filter_words.h"

/* "What brands do you have?": how many of the rows that fit have each of the column's values. */
glim_status glim_shop_say_values(glim_shop *s, glim_shop_answer *a, const glim_lib_col *col, bool *done, glim_err *err) {
    enum { VALUES = 12 };
    const glim_filter *f = &s->filter;
    const glim_lib *l = s->lib;
    void *mem;
    glim_status rc = glim_try_calloc(&mem, col->n_value + 1, sizeof(size_t), "the values of a column", err);
    if (rc != GLIM_OK) return rc;
    size_t *n = mem, said = 0, left = 0, rows = 0;
    for (uint32_t r = 0; r < l->n_rows; r++) {
        if (!glim_filter_keep(l, f, r)) continue;
        rows++;
        for (uint32_t i = col->value_at[r]; i < col->value_at[r + 1]; i++) n[col->value_no[i]]++;
    }
    if (f->n_cond) {
        glim_filter_show(&a->text, l, f);
        glim_buf_printf(&a->text, f->zh ? "：共%zu款，" : ": %zu, of these ", rows);
    } else {
        glim_buf_printf(&a->text, f->zh ? "资料库里共有%zu款：" : "The library has %zu: ", rows);
    }
    for (; said < VALUES; said++) {
        size_t best = col->n_value;
        for (size_t v = 0; v < col->n_value; v++)
            if (n[v] && (best == col->n_value || n[v] > n[best])) best = v;
        if (best == col->n_value) break;
        const glim_lib_value *v = &col->value[best];
        if (said) glim_buf_puts(&a->text, f->zh ? "、" : ", ");
        glim_buf_printf(&a->text, f->zh ? "%s%zu款" : "%s (%zu)", !f->zh && v->en ? v->en : v->text, n[best]);
        n[best] = 0;
    }
    for (size_t v = 0; v < col->n_value; v++) left += n[v] > 0;
    glim_buf_puts(&a->text, left ? (f->zh ? "等。" : " and more.") : f->zh ? "。" : ".");
    free(mem);
    if (said == 0) {
        glim_buf_clear(&a->text);
        return rc;
    }
    a->n_all = rows;
    a->part = GLIM_PART_FILTER;
    *done = true;
    return rc;
}

/* "What do you sell?": how many rows of each kind, or the best rated ones where some are to be recommended. */
glim_status glim_shop_overview(glim_shop *s, glim_shop_answer *a, const char *text, bool *done, glim_err *err) {
    static const char *const praise[] = {"推荐", "招牌", "recommend", "recommended", "recommendation", "recommendations", "suggest"};
    glim_filter *f = &s->filter;
    const glim_lib *l = s->lib;
    const glim_lib_col *kind = NULL;
    int rating = glim_shop_any_of(text, praise, GLIM_COUNT(praise)) ? -1 : -2;
    for (size_t c = 0; c < l->n_col; c++) {
        if (l->col[c].concept == GLIM_CONCEPT_KIND && l->col[c].type == GLIM_LIB_ENUM) kind = &l->col[c];
        if (rating == -1 && l->col[c].concept == GLIM_CONCEPT_RATING && l->col[c].number) rating = (int)c;
    }
    if (rating >= 0 || !kind) {
        uint32_t row[GLIM_SHOP_LIST];
        size_t n = 0, n_all = 0;
        if (rating >= 0) f->sort = rating, f->most = true;
        glim_status rc = glim_filter_rows(l, f, NULL, 0, row, GLIM_SHOP_LIST, &n, &n_all, err);
        if (rc != GLIM_OK || n == 0) return rc;
        *done = glim_say(&a->text, s, f, GLIM_SAY_LIST, row, n, n_all, NULL, NULL);
        a->n_all = n_all;
        for (size_t i = 0; i < n; i++) glim_shop_cite_row(s, a, row[i]);
    } else {
        return glim_shop_say_values(s, a, kind, done, err);
    }
    a->part = GLIM_PART_FILTER;
    f->n_ask = 0;
    return GLIM_OK;
}

/* "The cheapest and the most expensive": the first of either order. */
glim_status glim_shop_two_orders(glim_shop *s, glim_shop_answer *a, bool *done, glim_err *err) {
    glim_filter *f = &s->filter;
    uint32_t row;
    const size_t n_text = a->text.len, n_rows = a->n_rows;
    glim_status rc = GLIM_OK;
    bool both = true;
    for (int j = 0; j < 2 && both; j++) {
        const bool most = f->most2;
        size_t n = 0, n_all = 0;
        if (j) f->sort = f->sort2, f->most = most;
        rc = glim_filter_rows(s->lib, f, NULL, 0, &row, 1, &n, &n_all, err);
        both = rc == GLIM_OK && n > 0 && !isnan(s->lib->col[f->sort].number[row]);
        if (both && j && !f->zh) glim_buf_putc(&a->text, ' ');
        both = both && glim_say(&a->text, s, f, GLIM_SAY_LIST, &row, 1, n_all, NULL, NULL);
        if (both) glim_shop_cite_row(s, a, row), a->n_all = n_all;
    }
    if (!both) { /* one without the other is no answer */
        if (a->text.s) a->text.len = n_text, a->text.s[n_text] = 0;
        a->n_rows = n_rows, a->n_all = 0;
        return rc;
    }
    f->n_ask = 0, f->sort = -1; /* said, and not for a model to say */
    a->part = GLIM_PART_FILTER;
    *done = true;
    return GLIM_OK;
}
