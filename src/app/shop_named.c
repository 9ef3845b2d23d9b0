/* shop_named.c - which rows a question names: those that are also what it says of them, or none, where no row has this model. */
#include <string.h>

#include "app/shop_internal.h"
#include "base/alloc.h"
#include "know/filter_words.h"

/* Of rows of one name, or of several that are named alike, those that are what the question says beside the name: "hardcover of Emma". */
size_t glim_shop_as_said(const glim_lib *l, const glim_filter *f, glim_named *named, size_t n) {
    size_t kept = 0, best = 0;
    for (size_t i = 0; i < n; i++) {
        size_t fits = 0;
        for (size_t k = 0; k < f->n_cond; k++) {
            const glim_cond *c = &f->cond[k];
            bool any = c->op != GLIM_COND_IS;
            for (size_t j = 0; j < f->n_cond && !any; j++) any = f->cond[j].op == GLIM_COND_IS && f->cond[j].col == c->col && glim_cond_holds(l, &f->cond[j], named[i].row);
            fits += (c->op != GLIM_COND_IS && c->op != GLIM_COND_IS_NOT) || (c->op == GLIM_COND_IS ? any : glim_cond_holds(l, c, named[i].row));
        }
        if (fits > best) best = fits, kept = 0; /* "is the paperback of Emma in German": the paperback, in whatever language */
        if (fits == best) {
            const glim_named swap = named[kept];
            named[kept] = named[i], named[i] = swap, kept++;
        }
    }
    return kept;
}

/* Those of the rows that are of a kind the question names: no phone is a "澜星 L9 手机壳". */
size_t glim_shop_of_the_kind(const glim_lib *l, const glim_filter *f, glim_named *named, size_t n) {
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        bool is = false;
        for (size_t k = 0; k < f->n_cond && !is; k++)
            is = f->cond[k].op == GLIM_COND_IS && l->col[f->cond[k].col].concept == GLIM_CONCEPT_KIND && glim_cond_holds(l, &f->cond[k], named[i].row);
        if (is) named[kept++] = named[i];
    }
    return kept;
}

/* "L9 Pro Max" is not the L9 Pro: said to be in no row, with the names that are near. */
glim_status glim_shop_no_such_model(glim_shop *s, const glim_shop_question *q, const char *spelt, glim_shop_answer *a, bool *done, glim_err *err) {
    uint32_t near_[3];
    size_t n = 0;
    glim_buf model = {0}, text = {0}, typed = {0};
    glim_status rc = glim_find_respell(s->find, &text, spelt, strlen(spelt), err);
    if (rc == GLIM_OK) rc = glim_find_no_such(s->find, glim_buf_cstr(&text), &model, near_, GLIM_COUNT(near_), &n, err);
    if (rc == GLIM_OK && n == 0) rc = glim_find_no_such(s->find, spelt, &model, near_, GLIM_COUNT(near_), &n, err); /* "l10" is not "l 10" */
    *done = rc == GLIM_OK && n > 0;
    if (*done) {
        glim_buf_append(&typed, q->text, q->n);
        const char *as = strcasestr(glim_buf_cstr(&typed), glim_buf_cstr(&model));
        const char *name = as ? as : glim_buf_cstr(&model);
        glim_buf_printf(&a->text, a->zh ? "资料库里没有“%.*s”。名字相近的有：" : "\"%.*s\" is not in the library. Similar names: ", (int)model.len, name);
        for (size_t i = 0; i < n; i++) {
            if (i) glim_buf_puts(&a->text, a->zh ? "、" : ", ");
            glim_say_name(&a->text, s, near_[i], a->zh);
            glim_shop_cite_row(s, a, near_[i]);
        }
        glim_buf_puts(&a->text, a->zh ? "。" : ".");
        a->status = GLIM_SHOP_NOT_IN_LIBRARY;
    }
    glim_buf_free(&model);
    glim_buf_free(&text);
    glim_buf_free(&typed);
    return rc;
}
