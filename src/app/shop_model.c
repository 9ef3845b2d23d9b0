/* shop_model.c - what a language model is asked: to second an intent, and to say in its own words what was found, or to choose what the
 * rows make true. Outside of the lock: it takes as long as a model takes. */
#include <string.h>

#include "app/shop_internal.h"
#include "base/clock.h"
#include "text/statements.h"

enum { LABEL_TOKENS = 32, ANSWER_TOKENS = 192 };

/* Asks it and counts. False: it had nothing to say. */
static bool ask_model(const glim_shop_question *q, glim_shop_answer *a, const glim_shop_prompt *p, glim_buf *text) {
    glim_shop_said said = {0};
    glim_err ignored = {0};
    double t0 = glim_now_s();
    bool ok = q->model->say(q->model->ctx, p, &said, &ignored) == GLIM_OK;
    a->model_ms += (glim_now_s() - t0) * 1e3;
    a->n_asked++;
    a->n_prompt += said.n_prompt;
    a->n_tokens += said.n_tokens;
    a->decode_s += said.decode_s;
    a->cost += said.cost;
    const char *from = glim_buf_cstr(&said.text), *end = from + said.text.len;
    while (from < end && strchr(" \n", *from)) from++;
    while (end > from && strchr(" \n", end[-1])) end--;
    glim_buf_append(text, from, (size_t)(end - from));
    glim_buf_free(&said.text);
    return ok && !text->failed;
}

glim_status glim_shop_confirm(glim_shop *s, const glim_shop_question *q, glim_shop_answer *a, char label[64], glim_err *err) {
    glim_intent_guess g;
    glim_buf system = {0}, said = {0}, text = {0};
    json_t *labels = NULL;
    label[0] = 0;
    pthread_mutex_lock(&s->mu);
    glim_status rc = glim_shop_sync(s, err);
    bool fixed = rc == GLIM_OK && glim_shop_find_fix(s, q->text, q->n, q->row, err);
    if (rc == GLIM_OK) rc = glim_intent_ask(s->intents, s->work, q->text, q->n, &g, NULL, err);
    bool unsure = rc == GLIM_OK && !fixed && g.best && g.p < (g.oos ? GLIM_SHOP_REFUSES : GLIM_SHOP_SURE);
    unsure = unsure && glim_shop_intents(&system, &labels, s, glim_shop_chinese(q->text, q->n)) && !system.failed;
    if (unsure) snprintf(label, 64, "%s", g.best);
    pthread_mutex_unlock(&s->mu);
    glim_buf_append(&text, q->text, q->n);
    if (unsure && !(ask_model(q, a, &(glim_shop_prompt){glim_buf_cstr(&system), glim_buf_cstr(&text), labels, LABEL_TOKENS}, &said) && strcmp(glim_buf_cstr(&said), label) == 0)) label[0] = 0;
    a->seconded = label[0] != 0;
    glim_buf_free(&system);
    glim_buf_free(&said);
    glim_buf_free(&text);
    json_decref(labels);
    return rc;
}

/* Something is asked of rows that were found: the model can say it in a sentence of its own. */
static bool to_phrase(const glim_shop *s, const glim_shop_question *q, const glim_shop_answer *a, glim_shop_asks *asks) {
    const glim_filter *f = &s->filter;
    asks->n = 0;
    for (size_t i = 0; i < f->n_ask; i++) asks->col[asks->n++] = f->ask[i];
    if (f->sort >= 0 && f->n_ask == 0) asks->col[asks->n++] = f->sort;
    asks->names = a->n_rows > 1 || f->n_ask == 0 || (f->n_cond > 0 && !q->row); /* which ones, is the question */
    for (size_t i = 0; i < a->n_rows; i++)
        if (a->row[i].note) return false;
    return a->status == GLIM_SHOP_ANSWERED && a->n_rows > 0 && a->n_rows <= 4 && a->n_all == a->n_rows && asks->n > 0 && a->part != GLIM_PART_CORRECTION && !f->count && !f->mean;
}

void glim_shop_phrase_begin(glim_shop *s, const glim_shop_question *q, const glim_shop_answer *a, glim_shop_phrasing *p) {
    *p = (glim_shop_phrasing){.edition = s->edition};
    p->wanted = to_phrase(s, q, a, &p->asks);
    if (!p->wanted) return;
    glim_shop_system(&p->system, s, a->zh);
    glim_shop_user(&p->user, s, a, &s->filter, q->text, q->n);
}

/* What it says, as the customer reads it, where that holds; among choices where there are any. */
static bool say_it(glim_shop *s, const glim_shop_question *q, glim_shop_answer *a, const glim_shop_phrasing *p, const json_t *choices, glim_buf *cited) {
    glim_buf said = {0};
    bool fine = ask_model(q, a, &(glim_shop_prompt){glim_buf_cstr(&p->system), glim_buf_cstr(&p->user), choices, ANSWER_TOKENS}, &said);
    glim_buf_clear(cited);
    pthread_mutex_lock(&s->mu);
    /* The edition first: rows of another library have no names here. */
    fine = fine && s->edition == p->edition && glim_shop_cite(cited, s, a, p->asks.names, glim_buf_cstr(&said), said.len) &&
           glim_shop_grounded(s, a, &p->asks, glim_buf_cstr(cited), cited->len);
    pthread_mutex_unlock(&s->mu);
    glim_buf_free(&said);
    return fine;
}

void glim_shop_phrase(glim_shop *s, const glim_shop_question *q, glim_shop_answer *a, glim_shop_phrasing *p) {
    if (!p->wanted) return;
    glim_buf cited = {0};
    bool fine = say_it(s, q, a, p, NULL, &cited);
    pthread_mutex_lock(&s->mu);
    const bool same = s->edition == p->edition;
    pthread_mutex_unlock(&s->mu);
    if (!fine && same) { /* its own sentence does not hold: one of those that the rows make true */
        json_t *true_ones = NULL;
        glim_statements(&true_ones, NULL, glim_buf_cstr(&p->system), glim_buf_cstr(&p->user), NULL, NULL);
        if (glim_statements_refuse(true_ones)) json_array_remove(true_ones, 0); /* the desk has found that the rows answer */
        if (json_array_size(true_ones)) fine = say_it(s, q, a, p, true_ones, &cited);
        json_decref(true_ones);
    }
    if (fine) {
        glim_buf_free(&a->text);
        a->text = cited;
        cited = (glim_buf){0};
        a->phrased = true;
        a->part = GLIM_PART_LANGUAGE;
    } else a->unchecked_dropped = true;
    glim_buf_free(&cited);
}

void glim_shop_phrasing_deinit(glim_shop_phrasing *p) {
    glim_buf_free(&p->system);
    glim_buf_free(&p->user);
}
