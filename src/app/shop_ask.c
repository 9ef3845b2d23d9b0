/* shop_ask.c - a question's way to an answer.
 *
 *   1  a correction of its like          what a clerk typed
 *   2  the intent                        greetings, people, notes (returns, shipping), out of scope: desk.json says which
 *   3  rows that the question names      their cells, by the columns it names
 *   4  conditions, order, counts         the table
 *   5  rows found by words               if enough of the question stands in them
 *   6  "not in the library"              and the question goes to the hand-over list
 *
 * A language model, where there is one, is asked outside of the lock: for the intent, where the linear model is unsure (it
 * can only confirm that one's guess), and for a sentence about the rows that 3 to 5 found (shop_model.c).
 *
 * What speaks of a product goes past an intent that is not about products: "L9 保修多久" asks the row, not the note. */
#include <string.h>

#include "app/shop_internal.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "know/filter_words.h"

enum { MAX_QUESTION = 4096 };

/* desk.json: "intents": {"return_goods": {"do": "note"}, "greeting": {"do": "reply", "zh": .., "en": ..}, ...} */
static const char *what_to_do(const glim_shop *s, const char *label, const json_t **how) {
    *how = json_object_get(json_object_get(s->conf, "intents"), label);
    const char *w = json_string_value(json_object_get(*how, "do"));
    return w ? w : "library";
}

static const char *reply_of(const json_t *how, bool zh, const char *dflt) {
    const char *t = json_string_value(json_object_get(how, zh ? "zh" : "en"));
    return t ? t : dflt;
}

/* The intent that both models chose counts as sure. */
static void second(glim_intent_guess *g, const char *confirmed) {
    if (!confirmed || !g->best || strcmp(g->best, confirmed) != 0) return;
    g->oos = false;
    g->label = g->best;
    if (!(g->p >= GLIM_SHOP_SURE)) g->p = GLIM_SHOP_SURE;
}

static glim_status decide(glim_shop *s, const glim_shop_question *q, const char *confirmed, glim_shop_answer *a, const char **reason, glim_err *err) {
    glim_filter *f = &s->filter;
    glim_intent_guess g;
    uint32_t view = UINT32_MAX;
    glim_buf whole = {0}, spelt = {0}, words = {0}, rest = {0}; /* as asked, without names, for finding */
    glim_named named[8];
    size_t n_named = 0;
    bool done = false, exact = false, refused = false;
    *reason = NULL;
    glim_status rc = glim_shop_sync(s, err);
    if (rc == GLIM_OK && q->row) {
        view = glim_lib_find_id(s->lib, q->row, strlen(q->row));
        if (view == UINT32_MAX) rc = glim_fail(err, GLIM_E_NOT_FOUND, "there is no row \"%.40s\" in the library", q->row);
    }
    glim_named also[8], third[8];
    size_t n_also = 0, n_third = 0;
    if (rc == GLIM_OK) rc = glim_terms_fold(&spelt, q->text, q->n, err);
    if (rc == GLIM_OK) glim_find_singular(s->find, &spelt), glim_buf_append(&whole, glim_buf_cstr(&spelt), spelt.len), rc = glim_buf_status(&whole, "a question", err);
    if (rc == GLIM_OK) rc = glim_find_exact(s->find, &spelt, named, 8, &n_named, err);
    if (rc == GLIM_OK && n_named) rc = glim_find_exact(s->find, &spelt, also, 8, &n_also, err);
    if (rc == GLIM_OK && n_also && also[0].row == named[0].row) rc = glim_find_exact(s->find, &spelt, also, 8, &n_also, err); /* "L9多少钱，L9有红色吗" */
    if (rc == GLIM_OK && n_also && also[0].row == named[0].row) n_also = 0;
    if (rc == GLIM_OK && n_also) rc = glim_find_exact(s->find, &spelt, third, 8, &n_third, err);
    if (n_third && (third[0].row == named[0].row || third[0].row == also[0].row)) n_third = 0;
    if (rc == GLIM_OK) rc = glim_filter_parse_as(f, s->lib, glim_buf_cstr(&spelt), spelt.len, q->text, q->n, err);
    int values = -1; /* "有哪些品牌", "what colours do the phones come in": a column of a closed list, and no row */
    if (rc == GLIM_OK && f->n_ask == 1 && n_named == 0 && view == UINT32_MAX && (f->goods || f->list || strncmp(glim_buf_cstr(&whole), "what ", 5) == 0) && glim_shop_blank(glim_buf_cstr(&f->rest)) && s->lib->col[f->ask[0]].type == GLIM_LIB_ENUM) {
        values = f->ask[0];
        for (size_t i = 0; i < f->n_cond; i++)
            if (f->cond[i].col == values || s->lib->col[f->cond[i].col].number) values = -1;
        if (f->sort >= 0 || f->count || f->mean) values = -1;
    }
    if (rc == GLIM_OK && values < 0 && f->n_ask && n_named == 0 && view == UINT32_MAX && glim_shop_blank(glim_buf_cstr(&f->rest)) && !f->n_cond) { /* "有硬盘吗": no column is asked without a product */
        f->n_ask = 0;
        glim_buf_append(&f->words, spelt.s, spelt.len);
        glim_buf_append(&f->rest, spelt.s, spelt.len);
    }
    if (rc != GLIM_OK) goto done;
    f->zh = a->zh = glim_shop_chinese(q->text, q->n);
    const glim_shop_fix *fix = glim_shop_find_fix(s, q->text, q->n, q->row, err);
    if (fix) {
        a->part = GLIM_PART_CORRECTION;
        glim_buf_puts(&a->text, fix->answer);
        uint32_t r = fix->row ? glim_lib_find_id(s->lib, fix->row, strlen(fix->row)) : UINT32_MAX;
        if (r != UINT32_MAX) {
            glim_shop_cite_row(s, a, r);
            glim_buf_printf(&a->text, f->zh ? "[%s]" : " [%s]", fix->row);
            a->n_all = 1;
        }
        rc = glim_buf_status(&a->text, "an answer", err);
        goto done;
    }
    rc = glim_intent_ask(s->intents, s->work, q->text, q->n, &g, NULL, err);
    if (rc == GLIM_OK) rc = glim_shop_no_such_model(s, q, glim_buf_cstr(&spelt), a, &done, err);
    if (rc == GLIM_OK && done) *reason = "not in the library";
    if (rc == GLIM_OK && !done) rc = glim_shop_sum(s, glim_buf_cstr(&whole), view, a, &done, err);
    if (rc != GLIM_OK || done) goto done;
    second(&g, confirmed);
    const json_t *how;
    const char *action = g.oos ? "oos" : what_to_do(s, g.label, &how);
    if (g.oos) how = json_object_get(json_object_get(s->conf, "intents"), GLIM_INTENT_OOS);
    snprintf(a->intent, sizeof a->intent, "%s", g.label);
    a->p = g.p;
    /* Words as the library spells them, for finding. */
    rc = glim_find_respell(s->find, &words, glim_buf_cstr(&f->words), f->words.len, err);
    if (rc == GLIM_OK) rc = glim_find_respell(s->find, &rest, glim_buf_cstr(&f->rest), f->rest.len, err);
    exact = n_named > 0;
    if (rc == GLIM_OK && !exact && !f->without && !glim_shop_blank(glim_buf_cstr(&rest))) {
        rc = glim_find_named(s->find, glim_buf_cstr(&words), words.len, named, 8, &n_named, err);
        if (rc == GLIM_OK && n_named) { /* what is left beside values of enums must be part of the name */
            float left, share;
            rc = glim_find_covered(s->find, glim_buf_cstr(&rest), rest.len, named[0].row, &left, &share, err);
            if (glim_shop_names_kind(s->lib, f) && !f->kind_with) n_named = glim_shop_of_the_kind(s->lib, f, named, n_named);
            double all = 0;
            glim_terms_free(&s->cut);
            rc = rc == GLIM_OK ? glim_terms_cut(&s->cut, glim_buf_cstr(&rest), rest.len, err) : rc;
            for (size_t i = 0; rc == GLIM_OK && i < s->cut.n; i++) all += s->cut.v[i].joined ? 0 : 1;
            if (all == 0) n_named = 0;
        }
    }
    if (n_named > 1) n_named = glim_shop_as_said(s->lib, f, named, n_named);
    if (!exact && n_named && f->top && !f->compare && !f->than) n_named = 0; /* "the cheapest battery": of all that are called so */
    if (!exact && n_named > 1 && glim_shop_narrows(s->lib, f) && (!f->yes_no || f->list || n_named > 4)) n_named = 0;
    bool against = f->compare || (f->sort >= 0 && !f->top); /* two against each other, each of them one row */
    if (rc == GLIM_OK && against && view == UINT32_MAX && (n_also == 0 || n_named > 1 || n_also > 1)) {
        glim_named one[8], other[8];
        size_t n_one = 0, n_other = 0;
        bool pair = false;
        rc = glim_shop_pair(s, glim_buf_cstr(&whole), one, &n_one, other, &n_other, &pair, err);
        if (pair) {
            memcpy(named, one, sizeof one), n_named = n_one;
            memcpy(also, other, sizeof other), n_also = n_other;
            for (size_t i = 0; i < n_one; i++) named[i].name = named[i].text = 1;
        }
    }
    if (rc == GLIM_OK && against && n_also && n_third == 0) {
        if (n_also > 1) n_also = glim_shop_as_said(s->lib, f, also, n_also);
        bool one = true, other = true; /* "Excel Advanced" costs as much in every town */
        for (size_t i = 1; i < n_named; i++) one &= glim_shop_alike(s->lib, f, named[0].row, named[i].row);
        for (size_t i = 1; i < n_also; i++) other &= glim_shop_alike(s->lib, f, also[0].row, also[i].row);
        if (one) n_named = 1;
        if (other) n_also = 1;
        if (!one || !other) {
            done = glim_shop_which(s, a, named, n_named, also, n_also);
            goto done;
        }
    }
    bool price = false; /* "早餐多少钱" asks what breakfast costs, not what rooms with one do */
    for (size_t i = 0; i < f->n_ask; i++) price |= s->lib->col[f->ask[i]].type == GLIM_LIB_PRICE;
    if (rc == GLIM_OK && !price && n_named == 0 && view == UINT32_MAX && f->had.len && glim_shop_free_of_charge(&rest)) { /* "is the breakfast free" asks its price */
        for (size_t c = 0; c < s->lib->n_col && !price && f->n_ask < GLIM_FILTER_ASKS; c++)
            if (s->lib->col[c].type == GLIM_LIB_PRICE) f->ask[f->n_ask++] = (int)c, price = true;
        if (price) glim_buf_clear(&rest), glim_buf_clear(&words);
    }
    size_t n_other = 0; /* "breakfast for two" is breakfast */
    size_t n_has = 0;
    for (size_t i = 0; i < f->n_cond; i++) n_has += f->cond[i].op == GLIM_COND_HAS, n_other += f->cond[i].op != GLIM_COND_HAS && s->lib->col[f->cond[i].col].concept != GLIM_CONCEPT_PEOPLE;
    if (rc == GLIM_OK && price && n_named == 0 && f->had.len && n_has == 1 && n_other == 0 && !f->with && !f->list && !f->self && f->sort < 0 && glim_shop_blank(glim_buf_cstr(&rest)))
        rc = glim_find_named(s->find, glim_buf_cstr(&f->had), f->had.len, named, 8, &n_named, err);
    if (n_named == 0 && view != UINT32_MAX && f->self && f->sort >= 0 && !f->than && !f->list && !f->compare && !glim_shop_first_of_kind(s->lib, f)) glim_shop_ask_order(f); /* "the most memory of this one" is its memory */
    if (rc == GLIM_OK && f->count) rc = glim_shop_count_one(s, exact || (n_named == 1 && named[0].name > 0.4f) ? named[0].row : n_named == 0 && f->self ? view : UINT32_MAX, strstr(glim_buf_cstr(&spelt), "几") != NULL, &words, err);
    bool hours = false; /* "早餐几点" asks the row or the note for a time */
    for (size_t i = 0; i < f->n_ask; i++) hours |= s->lib->col[f->ask[i]].concept == GLIM_CONCEPT_HOURS;
    if (rc == GLIM_OK && !hours && glim_shop_asks_time(glim_buf_cstr(&whole)) && f->had.len && !f->with && !f->self) {
        if (n_named == 0) rc = glim_find_named(s->find, glim_buf_cstr(&f->had), f->had.len, named, 8, &n_named, err);
        if (rc == GLIM_OK) rc = glim_shop_say_time(s, a, named, n_named, &done, err);
        if (rc == GLIM_OK && !done) refused = true;
    } else if (rc == GLIM_OK && n_named && !hours && f->n_ask == 0 && !f->n_cond && glim_shop_asks_time(glim_buf_cstr(&whole))) {
        rc = glim_shop_say_time(s, a, named, n_named, &done, err);
    }
    if (rc == GLIM_OK && !done && f->without && !f->unlisted) rc = glim_shop_stated_without(s, a, &done, err);
    const bool all_goods = n_named == 0 && !f->without && view == UINT32_MAX && f->n_cond == 0 && f->n_ask == 0 && f->sort < 0 && !f->count && !f->mean && glim_shop_blank(glim_buf_cstr(&rest)) &&
                           (f->goods || (f->list && strcmp(action, "library") == 0));
    if (rc == GLIM_OK && !done && values >= 0) {
        f->n_ask = 0;
        rc = glim_shop_say_values(s, a, &s->lib->col[values], &done, err);
    }
    if (rc == GLIM_OK && !done && all_goods) rc = glim_shop_overview(s, a, glim_buf_cstr(&whole), &done, err);
    if (rc != GLIM_OK || done) goto done;
    bool product = n_named || (view != UINT32_MAX && (f->self || f->n_ask)) || glim_shop_narrows(s->lib, f) || (f->n_cond && (f->list || f->n_ask)) || (f->n_cond && glim_shop_blank(glim_buf_cstr(&rest)));
    bool unwanted = false; /* "I am allergic to peanuts, is it safe?" asks the row, not the note about wishes */
    for (size_t i = 0; i < f->n_cond; i++) unwanted |= f->cond[i].op == GLIM_COND_IS_NOT;
    bool cells = (f->n_ask || unwanted) && (n_named || view != UINT32_MAX);
    uint32_t other_note = UINT32_MAX;
    if (rc == GLIM_OK && cells && !unwanted) rc = glim_shop_another_price(s, n_named ? named[0].row : view, &words, strcmp(action, "note") == 0 ? g.label : NULL, &cells, &other_note, err);
    bool of_a_column = false; /* "beds with 10 years warranty", "can I have an invoice for this notebook": a column says it */
    for (size_t i = 0; i < f->n_cond; i++) of_a_column |= (f->n_cond > 1 || ((f->goods || f->list) && s->lib->col[f->cond[i].col].type == GLIM_LIB_NUMBER)) && (s->lib->col[f->cond[i].col].type == GLIM_LIB_BOOL || s->lib->col[f->cond[i].col].type == GLIM_LIB_NUMBER);
    for (size_t i = 0; i < f->n_cond; i++) of_a_column |= f->n_ask > 0 && f->cond[i].op == GLIM_COND_IS && s->lib->col[f->cond[i].col].concept != GLIM_CONCEPT_KIND;
    bool note = strcmp(action, "note") == 0 && g.p >= GLIM_SHOP_SURE && !cells && !(f->sort >= 0) && !(f->n_cond && f->list) && !of_a_column;
    bool other = (strcmp(action, "reply") == 0 || strcmp(action, "handover") == 0 || strcmp(action, "tool") == 0) && g.p >= GLIM_SHOP_SURE && !product;
    bool theirs = false;
    for (size_t i = 0; i < f->n_ask; i++) theirs |= s->lib->col[f->ask[i]].type == GLIM_LIB_PRICE; /* what costs money may be theirs */
    if (glim_shop_asks_for_some(glim_buf_cstr(&whole))) theirs = true;
    if (rc == GLIM_OK && !theirs && strcmp(action, "oos") == 0) rc = glim_shop_held(s, &rest, &theirs, err);
    if (refused) {
        /* a time that neither row nor note says is none of an intent either */
    } else if (rc == GLIM_OK && note) {
        uint32_t r = 0, better = UINT32_MAX;
        bool found = false;
        if (g.p < 0.8f) rc = glim_shop_covering_note(s, &f->words, NULL, &better, err); /* "do you have a gym" is no question about children */
        if (rc == GLIM_OK && better != UINT32_MAX) done = glim_shop_say_note(s, a, better, GLIM_PART_RETRIEVAL);
        else if (rc == GLIM_OK) rc = glim_shop_best_note(s, g.label, q->text, q->n, &r, &found, err);
        if (rc == GLIM_OK && !done && found) done = glim_shop_say_note(s, a, r, GLIM_PART_LINEAR);
    } else if (rc == GLIM_OK && other_note != UINT32_MAX) {
        done = glim_shop_say_note(s, a, other_note, GLIM_PART_RETRIEVAL);
    } else if (rc == GLIM_OK && other) {
        a->part = GLIM_PART_LINEAR;
        bool person = strcmp(action, "reply") != 0;
        glim_buf_puts(&a->text, reply_of(how, f->zh, person ? (f->zh ? "我帮您转给同事，请稍候。" : "I pass this on to a colleague, one moment please.") : f->zh ? "您好，请说。" : "Hello, how can I help?"));
        if (person) a->status = GLIM_SHOP_HANDED_OVER, *reason = g.label;
        done = true;
    } else if (rc == GLIM_OK && strcmp(action, "oos") == 0 && !product && !f->list && !f->without && !theirs && !glim_shop_of_goods(glim_buf_cstr(&whole))) {
        a->part = GLIM_PART_LINEAR;
        a->status = GLIM_SHOP_OUT_OF_SCOPE;
        glim_buf_puts(&a->text, reply_of(how, f->zh, f->zh ? "这个问题不在我的服务范围内，我只能回答本店的商品和服务。" : "That is outside what I can help with; I answer questions about this shop's products and services."));
        done = true;
    }
    if (rc == GLIM_OK && !done && !refused && f->zh && f->yes_no && f->n_ask == 0 && !f->list && f->sort < 0 && n_also == 0 && (n_named == 1 || (n_named == 0 && view != UINT32_MAX)))
        rc = glim_shop_say_listed(s, a, n_named ? named[0].row : view, glim_buf_cstr(&whole), &done, err);
    uint32_t second = n_also ? also[0].row : UINT32_MAX;
    if (rc == GLIM_OK && !done && !refused) rc = glim_shop_from_library(s, a, named, n_named, view, second, n_third ? third[0].row : UINT32_MAX, glim_buf_cstr(&words), glim_buf_cstr(&rest), &done, err);
    if (rc == GLIM_OK && !done) { /* a note that says it, whatever the intent */
        uint32_t r = UINT32_MAX;
        if (!product && !refused) rc = glim_shop_covering_note(s, &f->words, NULL, &r, err);
        if (rc == GLIM_OK && r != UINT32_MAX) done = glim_shop_say_note(s, a, r, GLIM_PART_RETRIEVAL);
    }
    if (rc == GLIM_OK && !done) {
        a->status = GLIM_SHOP_NOT_IN_LIBRARY;
        if (f->without && !f->unlisted && f->denied.len > 2) {
            glim_shop_trim(&f->denied);
            glim_buf_printf(&a->text, f->zh ? "资料库里没有写明哪些没有“%s”，我请同事来确认。" : "Which ones are without \"%s\" is not in the library; I ask a colleague.", glim_buf_cstr(&f->denied));
        } else {
            glim_buf_puts(&a->text, glim_say_refusal(f->zh));
        }
        *reason = "not in the library";
    }
done:
    glim_buf_free(&whole);
    glim_buf_free(&spelt);
    glim_buf_free(&words);
    glim_buf_free(&rest);
    return rc == GLIM_OK ? glim_buf_status(&a->text, "an answer", err) : rc;
}

glim_status glim_shop_ask(glim_shop *s, const glim_shop_question *q, glim_shop_answer *a, glim_err *err) {
    *a = (glim_shop_answer){0};
    if (q->n > MAX_QUESTION) return glim_fail(err, GLIM_E_LIMIT, "the question has %zu bytes, want at most %d", q->n, MAX_QUESTION);
    if (!glim_utf8_valid(q->text, q->n) || memchr(q->text, 0, q->n)) return glim_fail(err, GLIM_E_FORMAT, "the question is no UTF-8 text");
    double t0 = glim_now_s();
    const char *reason;
    char label[64] = "";
    glim_shop_phrasing phrasing = {0};
    glim_status rc = q->model ? glim_shop_confirm(s, q, a, label, err) : GLIM_OK;
    if (rc != GLIM_OK) return rc;
    pthread_mutex_lock(&s->mu);
    rc = decide(s, q, label[0] ? label : NULL, a, &reason, err);
    a->found = a->part;
    if (rc == GLIM_OK) glim_shop_show_rows(s, a);
    if (rc == GLIM_OK && q->model) glim_shop_phrase_begin(s, q, a, &phrasing);
    if (rc == GLIM_OK && reason && !q->dry) rc = glim_shop_hand_over(s, q, reason, &a->handover, err);
    pthread_mutex_unlock(&s->mu);
    a->ms = (glim_now_s() - t0) * 1e3 - a->model_ms;
    if (rc == GLIM_OK) glim_shop_phrase(s, q, a, &phrasing);
    glim_shop_phrasing_deinit(&phrasing);
    if (rc == GLIM_OK) rc = glim_buf_status(&a->rows_json, "the rows of an answer", err);
    if (rc != GLIM_OK) glim_shop_answer_deinit(a);
    return rc;
}
