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
 * What speaks of a product goes past an intent that is not about products: "L9 保修多久" asks the row, not the note.
 *
 * decide() is a list of steps, one idea each; the first that has an answer ends it. */
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

/* A question on its way, as far as it has been read. Each step below takes it one idea further; *done ends it. */
typedef struct asking {
    glim_shop *s;
    const glim_shop_question *q;
    glim_shop_answer *a;
    glim_filter *f;
    glim_buf whole, spelt;      /* folded: as it was asked; without names that stand whole in it */
    glim_buf words, rest;       /* of the filter, as the library spells them, for finding */
    uint32_t view;              /* the row that the customer looks at, or UINT32_MAX */
    glim_named named[8], also[8], third[8]; /* rows that it names, and those named after them */
    size_t n_named, n_also, n_third;
    bool exact;                 /* a whole name stands in it */
    int values;                 /* a column of a closed list whose values are asked for, or -1 */
    glim_intent_guess guess;
    const char *confirmed;      /* the label that the language model chose, or NULL */
    const char *action;         /* what desk.json says to do about the intent */
    const json_t *how;
    bool product;               /* it speaks of a product, whatever its intent */
    bool refused;               /* nothing but the one answer that was looked for would do */
    bool done;
    const char *reason;         /* for a person, where it is handed over */
    glim_err *err;
} asking;

static const char *whole_of(const asking *k) { return glim_buf_cstr(&k->whole); }

static bool blank(const glim_buf *b) { return glim_shop_blank(glim_buf_cstr(b)); }

static bool asks_type(const asking *k, glim_lib_type type) {
    for (size_t i = 0; i < k->f->n_ask; i++)
        if (k->s->lib->col[k->f->ask[i]].type == type) return true;
    return false;
}

static bool does(const asking *k, const char *action) { return strcmp(k->action, action) == 0; }

/* ---- reading ---- */

static glim_status find_view(asking *k) {
    glim_status rc = glim_shop_sync(k->s, k->err);
    if (rc != GLIM_OK || !k->q->row) return rc;
    k->view = glim_lib_find_id(k->s->lib, k->q->row, strlen(k->q->row));
    return k->view != UINT32_MAX ? rc : glim_fail(k->err, GLIM_E_NOT_FOUND, "there is no row \"%.40s\" in the library", k->q->row);
}

static glim_status next_name(asking *k, glim_named *rows, size_t *n) { return glim_find_exact(k->s->find, &k->spelt, rows, 8, n, k->err); }

/* Up to three names that stand whole in the question, each another product; the others' places are blanked. */
static glim_status find_whole_names(asking *k) {
    glim_status rc = glim_terms_fold(&k->spelt, k->q->text, k->q->n, k->err);
    if (rc != GLIM_OK) return rc;
    glim_find_singular(k->s->find, &k->spelt);
    glim_buf_append(&k->whole, glim_buf_cstr(&k->spelt), k->spelt.len);
    rc = glim_buf_status(&k->whole, "a question", k->err);
    k->s->asked = whole_of(k);
    if (rc == GLIM_OK) rc = next_name(k, k->named, &k->n_named);
    if (rc == GLIM_OK && k->n_named) rc = next_name(k, k->also, &k->n_also);
    if (rc == GLIM_OK && k->n_also && k->also[0].row == k->named[0].row) rc = next_name(k, k->also, &k->n_also); /* "L9多少钱，L9有红色吗" */
    if (rc == GLIM_OK && k->n_also && k->also[0].row == k->named[0].row) k->n_also = 0;
    if (rc == GLIM_OK && k->n_also) rc = next_name(k, k->third, &k->n_third);
    if (k->n_third && (k->third[0].row == k->named[0].row || k->third[0].row == k->also[0].row)) k->n_third = 0;
    k->exact = k->n_named > 0;
    return rc;
}

/* "Tied sheaf with roses" is the "Tied Sheaf Roses", though another row is called "Tied Sheaf". */
static glim_status longer_name(asking *k) {
    if (k->n_named != 1 || k->n_also || !strstr(whole_of(k), " with ")) return GLIM_OK;
    glim_named v[8];
    size_t n = 0;
    const char *name = glim_lib_row_name(k->s->lib, k->named[0].row, false);
    glim_status rc = glim_find_named(k->s->find, whole_of(k), k->whole.len, v, GLIM_COUNT(v), &n, k->err);
    for (size_t i = 0; rc == GLIM_OK && i < n; i++) {
        const char *other = glim_lib_row_name(k->s->lib, v[i].row, false);
        if (v[i].row == k->named[0].row || v[i].name < 0.99f || strlen(other) <= strlen(name) || strncasecmp(other, name, strlen(name)) != 0) continue;
        k->named[0] = v[i];
        k->named[0].name = k->named[0].text = 1;
        break;
    }
    return rc;
}

/* "有哪些品牌", "what colours do the phones come in": a column of a closed list, and no row. */
static int column_of_values(const asking *k) {
    const glim_filter *f = k->f;
    const bool several = f->goods || f->list || strncmp(whole_of(k), "what ", 5) == 0;
    if (f->n_ask != 1 || k->n_named || k->view != UINT32_MAX || !several || !blank(&f->rest) || k->s->lib->col[f->ask[0]].type != GLIM_LIB_ENUM) return -1;
    for (size_t i = 0; i < f->n_cond; i++)
        if (f->cond[i].col == f->ask[0] || k->s->lib->col[f->cond[i].col].number) return -1;
    return f->sort >= 0 || f->count || f->mean ? -1 : f->ask[0];
}

static glim_status read_conditions(asking *k) {
    glim_filter *f = k->f;
    glim_status rc = glim_filter_parse_as(f, k->s->lib, glim_buf_cstr(&k->spelt), k->spelt.len, k->q->text, k->q->n, k->err);
    if (rc != GLIM_OK) return rc;
    f->unread |= glim_shop_rents(k->s->lib, f, glim_buf_cstr(&k->spelt));
    k->values = column_of_values(k);
    if (k->values < 0 && f->n_ask && k->n_named == 0 && k->view == UINT32_MAX && blank(&f->rest) && !f->n_cond && !f->mean) { /* "有硬盘吗": no column is asked without a product */
        f->n_ask = 0;
        glim_buf_append(&f->words, k->spelt.s, k->spelt.len);
        glim_buf_append(&f->rest, k->spelt.s, k->spelt.len);
    }
    f->zh = k->a->zh = glim_shop_chinese(k->q->text, k->q->n);
    return rc;
}

/* ---- answers that need no intent ---- */

static glim_status as_corrected(asking *k) {
    const glim_shop_fix *fix = glim_shop_find_fix(k->s, k->q->text, k->q->n, k->q->row, k->err);
    if (!fix) return GLIM_OK;
    k->a->part = GLIM_PART_CORRECTION;
    glim_buf_puts(&k->a->text, fix->answer);
    const uint32_t r = fix->row ? glim_lib_find_id(k->s->lib, fix->row, strlen(fix->row)) : UINT32_MAX;
    if (r != UINT32_MAX) {
        glim_shop_cite_row(k->s, k->a, r);
        glim_buf_printf(&k->a->text, k->f->zh ? "[%s]" : " [%s]", fix->row);
        k->a->n_all = 1;
    }
    k->done = true;
    return glim_buf_status(&k->a->text, "an answer", k->err);
}

static glim_status guess_intent(asking *k) { return glim_intent_ask(k->s->intents, k->s->work, k->q->text, k->q->n, &k->guess, NULL, k->err); }

static glim_status no_such_model(asking *k) {
    glim_status rc = glim_shop_no_such_model(k->s, k->q, glim_buf_cstr(&k->spelt), k->a, &k->done, k->err);
    if (rc == GLIM_OK && k->done) k->reason = "not in the library";
    return rc;
}

static glim_status sum(asking *k) { return glim_shop_sum(k->s, whole_of(k), k->view, k->a, &k->done, k->err); }

/* "The total of the course and the exam fee": where no sum was made, one price is not it. */
static glim_status not_summed(asking *k) {
    static const char *const totals[] = {"total for", "total of", "in total", "altogether", "加起来", "总价", "合计"};
    const glim_filter *f = k->f;
    if (!k->done && f->n_ask && asks_type(k, GLIM_LIB_PRICE) && !f->count && !f->mean && f->sort < 0 && glim_shop_any_of(whole_of(k), totals, GLIM_COUNT(totals))) k->refused = true;
    return GLIM_OK;
}

static glim_status take_intent(asking *k) {
    glim_intent_guess *g = &k->guess;
    second(g, k->confirmed);
    k->action = g->oos ? "oos" : what_to_do(k->s, g->label, &k->how);
    if (g->oos) k->how = json_object_get(json_object_get(k->s->conf, "intents"), GLIM_INTENT_OOS);
    snprintf(k->a->intent, sizeof k->a->intent, "%s", g->label);
    k->a->p = g->p;
    return GLIM_OK;
}

/* ---- which rows are meant ---- */

static glim_status respell(asking *k) {
    glim_status rc = glim_find_respell(k->s->find, &k->words, glim_buf_cstr(&k->f->words), k->f->words.len, k->err);
    return rc == GLIM_OK ? glim_find_respell(k->s->find, &k->rest, glim_buf_cstr(&k->f->rest), k->f->rest.len, k->err) : rc;
}

/* Does a word of the question remain beside values of closed lists? Only then it names a row in part. */
static glim_status any_words(asking *k, bool *any) {
    glim_terms_free(&k->s->cut);
    glim_status rc = glim_terms_cut(&k->s->cut, glim_buf_cstr(&k->rest), k->rest.len, k->err);
    *any = false;
    for (size_t i = 0; rc == GLIM_OK && i < k->s->cut.n; i++) *any |= !k->s->cut.v[i].joined;
    return rc;
}

/* Is the one row that is named in part one of several that are meant? "Which DIN 933 screws do you have in M6", "brake discs under 50 euros". */
static bool of_several(const asking *k) {
    const glim_filter *f = k->f;
    const glim_lib *l = k->s->lib;
    bool bound = false, values = f->list && f->n_cond > 1;
    if (f->n_ask || f->self || (f->yes_no && !f->list)) return false;
    for (size_t i = 0; i < f->n_cond; i++) {
        bound |= f->cond[i].op >= GLIM_COND_LT && f->cond[i].op <= GLIM_COND_GE && !f->cond[i].about && l->col[f->cond[i].col].type != GLIM_LIB_STOCK && glim_cond_holds(l, &f->cond[i], k->named[0].row);
        values &= f->cond[i].op == GLIM_COND_IS && glim_cond_holds(l, &f->cond[i], k->named[0].row);
    }
    return bound || values;
}

/* Rows that are named in part, where none is named whole. */
static glim_status find_loose_names(asking *k) {
    const glim_filter *f = k->f;
    const glim_lib *l = k->s->lib;
    glim_status rc = GLIM_OK;
    bool any = true;
    if (!k->exact && !f->without && !blank(&k->rest)) {
        rc = glim_find_named(k->s->find, glim_buf_cstr(&k->words), k->words.len, k->named, 8, &k->n_named, k->err);
        if (rc == GLIM_OK && k->n_named && glim_shop_names_kind(l, f) && !f->kind_with) k->n_named = glim_shop_of_the_kind(l, f, k->named, k->n_named);
        if (rc == GLIM_OK && k->n_named) rc = any_words(k, &any);
        if (!any) k->n_named = 0;
    }
    if (k->n_named > 1) k->n_named = glim_shop_as_said(l, f, k->named, k->n_named);
    if (!k->exact && k->n_named && f->top && !f->compare && !f->than) k->n_named = 0; /* "the cheapest battery": of all that are called so */
    if (!k->exact && k->n_named == 1 && of_several(k)) k->n_named = 0;
    if (!k->exact && k->n_named && k->named[0].name < 0.9f && f->goods && !f->zh && !f->n_ask && !f->self && !f->yes_no && f->sort < 0) k->n_named = 0; /* "rose products": of all that are called so */
    if (!k->exact && k->view != UINT32_MAX && f->self && !f->than && !f->compare && k->n_named && k->named[0].name < 0.3f) k->n_named = 0; /* "what is its range": of the one in view */
    if (!k->exact && k->n_named > 1 && glim_shop_narrows(l, f) && (!f->yes_no || f->list || k->n_named > 4)) k->n_named = 0;
    return rc;
}

/* The rows of a name that are all the same in what is compared are one: "Excel Advanced" costs as much in every town. */
static bool is_one(const asking *k, const glim_named *rows, size_t n) {
    for (size_t i = 1; i < n; i++)
        if (!glim_shop_alike(k->s->lib, k->f, rows[0].row, rows[i].row)) return false;
    return true;
}

/* Two against each other, each of them one row. */
static glim_status set_against(asking *k) {
    const glim_filter *f = k->f;
    if (!f->compare && !(f->sort >= 0 && !f->top)) return GLIM_OK;
    if (k->view == UINT32_MAX && (k->n_also == 0 || k->n_named > 1 || k->n_also > 1)) {
        glim_named one[8], other[8];
        size_t n_one = 0, n_other = 0;
        bool pair = false;
        glim_status rc = glim_shop_pair(k->s, whole_of(k), one, &n_one, other, &n_other, &pair, k->err);
        if (rc != GLIM_OK) return rc;
        if (pair) {
            memcpy(k->named, one, sizeof one), k->n_named = n_one;
            memcpy(k->also, other, sizeof other), k->n_also = n_other;
            for (size_t i = 0; i < n_one; i++) k->named[i].name = k->named[i].text = 1;
        }
    }
    if (k->n_also == 0 || k->n_third) return GLIM_OK;
    if (k->n_also > 1) k->n_also = glim_shop_as_said(k->s->lib, f, k->also, k->n_also);
    const bool one = is_one(k, k->named, k->n_named), other = is_one(k, k->also, k->n_also);
    if (one) k->n_named = 1;
    if (other) k->n_also = 1;
    if (!one || !other) k->done = glim_shop_which(k->s, k->a, k->named, k->n_named, k->also, k->n_also);
    return GLIM_OK;
}

static glim_status had_as_name(asking *k) { return glim_find_named(k->s->find, glim_buf_cstr(&k->f->had), k->f->had.len, k->named, 8, &k->n_named, k->err); }

/* "早餐多少钱" asks what breakfast costs, not what rooms with one do; "is the breakfast free" asks its price. */
static glim_status price_of_what_is_had(asking *k) {
    const glim_lib *l = k->s->lib;
    glim_filter *f = k->f;
    bool price = asks_type(k, GLIM_LIB_PRICE);
    if (!price && k->n_named == 0 && k->view == UINT32_MAX && f->had.len && glim_shop_free_of_charge(&k->rest)) {
        for (size_t c = 0; c < l->n_col && !price && f->n_ask < GLIM_FILTER_ASKS; c++)
            if (l->col[c].type == GLIM_LIB_PRICE) f->ask[f->n_ask++] = (int)c, price = true;
        if (price) glim_buf_clear(&k->rest), glim_buf_clear(&k->words);
    }
    size_t n_has = 0, n_other = 0; /* "breakfast for two" is breakfast */
    for (size_t i = 0; i < f->n_cond; i++) {
        n_has += f->cond[i].op == GLIM_COND_HAS;
        n_other += f->cond[i].op != GLIM_COND_HAS && l->col[f->cond[i].col].concept != GLIM_CONCEPT_PEOPLE;
    }
    const bool alone = n_has == 1 && n_other == 0 && !f->with && !f->list && !f->self && f->sort < 0 && blank(&k->rest);
    return price && k->n_named == 0 && f->had.len && alone ? had_as_name(k) : GLIM_OK;
}

/* What an order or a count asks of one product. */
static glim_status order_of_one(asking *k) {
    glim_filter *f = k->f;
    if (k->n_named == 0 && k->view != UINT32_MAX && f->self && f->sort >= 0 && !f->than && !f->list && !f->compare && !glim_shop_first_of_kind(k->s->lib, f)) glim_shop_ask_order(f); /* "the most memory of this one" is its memory */
    if (!f->count) return GLIM_OK;
    if (k->exact && glim_shop_stock_of(k->s, k->n_named)) return GLIM_OK;
    const bool named = k->exact || (k->n_named == 1 && k->named[0].name > 0.4f);
    const uint32_t row = named ? k->named[0].row : k->n_named == 0 && f->self ? k->view : UINT32_MAX;
    return glim_shop_count_one(k->s, row, strstr(glim_buf_cstr(&k->spelt), "几") != NULL, &k->words, k->err);
}

/* "Would you take 5 for it", "五块行吗": nobody here haggles. Of a product that is named the price is said. */
static glim_status offered(asking *k) {
    glim_filter *f = k->f;
    if (!f->offer) return GLIM_OK;
    f->n_cond = 0, f->sort = -1, f->more = f->list = false;
    k->refused = k->n_named == 0 && k->view == UINT32_MAX;
    for (size_t c = 0; c < k->s->lib->n_col && f->n_ask == 0; c++)
        if (k->s->lib->col[c].type == GLIM_LIB_PRICE) f->ask[f->n_ask++] = (int)c;
    return GLIM_OK;
}

/* ---- answers about many rows, or none ---- */

/* "早餐几点" asks the row or the note for a time. */
static glim_status time_of_day(asking *k) {
    const glim_filter *f = k->f;
    bool hours = false;
    for (size_t i = 0; i < f->n_ask; i++) hours |= k->s->lib->col[f->ask[i]].concept == GLIM_CONCEPT_HOURS;
    const bool asked = !hours && glim_shop_asks_time(whole_of(k)), of_had = f->had.len && !f->with && !f->self;
    if (!asked || !(of_had || (k->n_named && f->n_ask == 0 && !f->n_cond))) return GLIM_OK;
    glim_status rc = of_had && k->n_named == 0 ? had_as_name(k) : GLIM_OK;
    if (rc == GLIM_OK) rc = glim_shop_say_time(k->s, k->a, k->named, k->n_named, &k->done, k->err);
    if (rc == GLIM_OK && of_had && !k->done) k->refused = true; /* neither row nor note says it, and it is none of an intent either */
    return rc;
}

static glim_status stated_without(asking *k) { return k->f->without && !k->f->unlisted ? glim_shop_stated_without(k->s, k->a, &k->done, k->err) : GLIM_OK; }

static glim_status values_of_a_column(asking *k) {
    if (k->values < 0) return GLIM_OK;
    k->f->n_ask = 0;
    return glim_shop_say_values(k->s, k->a, &k->s->lib->col[k->values], &k->done, k->err);
}

static glim_status all_goods(asking *k) {
    const glim_filter *f = k->f;
    if (k->values >= 0 || k->n_named || f->without || k->view != UINT32_MAX || f->n_cond || f->n_ask || f->sort >= 0 || f->count || f->mean || !blank(&k->rest)) return GLIM_OK;
    if (!f->goods && !(f->list && does(k, "library"))) return GLIM_OK;
    return glim_shop_overview(k->s, k->a, whole_of(k), &k->done, k->err);
}

/* ---- answers by intent ---- */

static bool speaks_of_product(const asking *k) {
    const glim_filter *f = k->f;
    return k->n_named || (k->view != UINT32_MAX && (f->self || f->n_ask)) || glim_shop_narrows(k->s->lib, f) || (f->n_cond && (f->list || f->n_ask || blank(&k->rest)));
}

/* "Beds with 10 years warranty", "can I have an invoice for this notebook": a column says it. */
static bool of_a_column(const asking *k) {
    const glim_filter *f = k->f;
    for (size_t i = 0; i < f->n_cond; i++) {
        const glim_lib_col *c = &k->s->lib->col[f->cond[i].col];
        const bool number = c->type == GLIM_LIB_NUMBER;
        if ((f->n_cond > 1 || ((f->goods || f->list) && number)) && (c->type == GLIM_LIB_BOOL || number)) return true;
        if (c->type == GLIM_LIB_PRICE && k->n_named) return true; /* "is the first plan free" */
        if (f->n_ask > 0 && f->cond[i].op == GLIM_COND_IS && c->concept != GLIM_CONCEPT_KIND) return true;
    }
    return false;
}

/* "What are your opening hours in December" of a table with days: the month is the shop's, and words are left that no row is asked by. */
static bool only_days(const asking *k) {
    const glim_filter *f = k->f;
    for (size_t i = 0; i < f->n_cond; i++)
        if (k->s->lib->col[f->cond[i].col].type != GLIM_LIB_DATE) return false;
    return f->n_cond && !f->goods && f->n_ask == 0 && k->n_named == 0 && !blank(&k->rest) && k->guess.p >= 0.9f;
}

/* "I am allergic to peanuts, is it safe?" asks the row, not the note about wishes. */
static bool unwanted(const glim_filter *f) {
    for (size_t i = 0; i < f->n_cond; i++)
        if (f->cond[i].op == GLIM_COND_IS_NOT) return true;
    return false;
}

static glim_status say_note_of_intent(asking *k) {
    uint32_t r = 0, better = UINT32_MAX;
    bool found = false;
    glim_status rc = GLIM_OK;
    if (k->guess.p < 0.8f) rc = glim_shop_covering_note(k->s, &k->f->words, NULL, &better, k->err); /* "do you have a gym" is no question about children */
    if (rc == GLIM_OK && better != UINT32_MAX) k->done = glim_shop_say_note(k->s, k->a, better, GLIM_PART_RETRIEVAL);
    else if (rc == GLIM_OK) rc = glim_shop_best_note(k->s, k->guess.label, k->q->text, k->q->n, &r, &found, k->err);
    if (rc == GLIM_OK && !k->done && found) k->done = glim_shop_say_note(k->s, k->a, r, GLIM_PART_LINEAR);
    return rc;
}

/* A greeting, or a person where one is wanted. */
static void say_reply(asking *k) {
    const bool person = !does(k, "reply"), zh = k->f->zh;
    k->a->part = GLIM_PART_LINEAR;
    glim_buf_puts(&k->a->text, reply_of(k->how, zh, person ? (zh ? "我帮您转给同事，请稍候。" : "I pass this on to a colleague, one moment please.") : zh ? "您好，请说。" : "Hello, how can I help?"));
    if (person) k->a->status = GLIM_SHOP_HANDED_OVER, k->reason = k->guess.label;
    k->done = true;
}

static void say_out_of_scope(asking *k) {
    const bool zh = k->f->zh;
    k->a->part = GLIM_PART_LINEAR;
    k->a->status = GLIM_SHOP_OUT_OF_SCOPE;
    glim_buf_puts(&k->a->text, reply_of(k->how, zh, zh ? "这个问题不在我的服务范围内，我只能回答本店的商品和服务。" : "That is outside what I can help with; I answer questions about this shop's products and services."));
    k->done = true;
}

/* Out of scope is what no row and no word of the shop has to do with; what costs money may be theirs. */
static glim_status out_of_scope(asking *k, bool *so) {
    const glim_filter *f = k->f;
    bool theirs = asks_type(k, GLIM_LIB_PRICE) || glim_shop_asks_for_some(whole_of(k));
    glim_status rc = theirs ? GLIM_OK : glim_shop_held(k->s, &k->rest, &theirs, k->err);
    *so = !k->product && !f->list && !f->without && !theirs && !glim_shop_of_goods(whole_of(k));
    return rc;
}

static glim_status by_intent(asking *k) {
    const glim_filter *f = k->f;
    const bool no = unwanted(f), sure = k->guess.p >= GLIM_SHOP_SURE && !(does(k, "note") && glim_shop_strange(k->s, whole_of(k)));
    bool cells = (f->n_ask || no) && (k->n_named || k->view != UINT32_MAX), oos = false;
    uint32_t other_note = UINT32_MAX;
    glim_status rc = GLIM_OK;
    k->product = speaks_of_product(k);
    if (k->refused) return rc;
    if (cells && !no) rc = glim_shop_another_price(k->s, k->n_named ? k->named[0].row : k->view, &k->words, does(k, "note") ? k->guess.label : NULL, &cells, &other_note, k->err);
    if (rc == GLIM_OK && does(k, "oos")) rc = out_of_scope(k, &oos);
    if (rc != GLIM_OK) return rc;
    if (does(k, "note") && sure && !cells && f->sort < 0 && (!(f->n_cond && f->list) || only_days(k)) && !of_a_column(k)) return say_note_of_intent(k);
    if (other_note != UINT32_MAX) k->done = glim_shop_say_note(k->s, k->a, other_note, GLIM_PART_RETRIEVAL);
    else if ((does(k, "reply") || does(k, "handover") || does(k, "tool")) && sure && !k->product) say_reply(k);
    else if (oos) say_out_of_scope(k);
    return rc;
}

/* ---- answers from rows ---- */

/* Whether a list in a cell of one product holds what is asked, "孕妇可以吃吗". */
static glim_status listed(asking *k) {
    const glim_filter *f = k->f;
    const bool one = k->n_named == 1 || (k->n_named == 0 && k->view != UINT32_MAX);
    if (k->refused || !f->zh || !f->yes_no || f->n_ask || f->list || f->sort >= 0 || k->n_also || !one) return GLIM_OK;
    return glim_shop_say_listed(k->s, k->a, k->n_named ? k->named[0].row : k->view, whole_of(k), &k->done, k->err);
}

static glim_status from_library(asking *k) {
    if (k->refused) return GLIM_OK;
    return glim_shop_from_library(k->s, k->a, k->named, k->n_named, k->view, k->n_also ? k->also[0].row : UINT32_MAX, k->n_third ? k->third[0].row : UINT32_MAX, glim_buf_cstr(&k->words), glim_buf_cstr(&k->rest), &k->done, k->err);
}

/* A note that says it, whatever the intent. */
static glim_status any_note(asking *k) {
    uint32_t r = UINT32_MAX;
    if (k->product || k->refused || (k->f->goods && k->f->n_ask)) return GLIM_OK; /* "the last course to start" is no question for points that last a year */
    glim_status rc = glim_shop_covering_note(k->s, &k->f->words, NULL, &r, k->err);
    if (rc == GLIM_OK && r != UINT32_MAX) k->done = glim_shop_say_note(k->s, k->a, r, GLIM_PART_RETRIEVAL);
    return rc;
}

static glim_status refuse(asking *k) {
    glim_filter *f = k->f;
    k->a->status = GLIM_SHOP_NOT_IN_LIBRARY;
    if (f->without && !f->unlisted && f->denied.len > 2) {
        glim_shop_trim(&f->denied);
        glim_buf_printf(&k->a->text, f->zh ? "资料库里没有写明哪些没有“%s”，我请同事来确认。" : "Which ones are without \"%s\" is not in the library; I ask a colleague.", glim_buf_cstr(&f->denied));
    } else {
        glim_buf_puts(&k->a->text, glim_say_refusal(f->zh));
    }
    k->reason = "not in the library";
    return GLIM_OK;
}

static glim_status unread(asking *k) {
    if (!k->f->unread) return GLIM_OK;
    k->done = true;
    return refuse(k);
}

static glim_status decide(glim_shop *s, const glim_shop_question *q, const char *confirmed, glim_shop_answer *a, const char **reason, glim_err *err) {
    static glim_status (*const steps[])(asking *k) = {
        find_view, find_whole_names, longer_name, read_conditions, unread, as_corrected, guess_intent, no_such_model, sum, not_summed, take_intent, respell, find_loose_names, offered, set_against,
        price_of_what_is_had, order_of_one, time_of_day, stated_without, values_of_a_column, all_goods, by_intent, listed, from_library, any_note, refuse};
    asking k = {.s = s, .q = q, .a = a, .f = &s->filter, .view = UINT32_MAX, .values = -1, .confirmed = confirmed, .err = err};
    glim_status rc = GLIM_OK;
    for (size_t i = 0; i < GLIM_COUNT(steps) && rc == GLIM_OK && !k.done; i++) rc = steps[i](&k);
    *reason = k.reason;
    s->asked = NULL;
    glim_buf_free(&k.whole);
    glim_buf_free(&k.spelt);
    glim_buf_free(&k.words);
    glim_buf_free(&k.rest);
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
