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
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "app/shop_internal.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "know/filter_words.h"
#include "know/prose.h"
#include "store/prices.h"

enum { MAX_QUESTION = 4096, FOUND = 400 };
static const float covers = 0.6f, says = 2.0f; /* weights are sums of idf: 2 is a word in an eighth of the rows */

const char *glim_shop_part_name(glim_shop_part p) {
    static const char *const names[] = {"none", "correction", "linear model", "filter", "retrieval", "language model"};
    return names[p];
}

const char *glim_shop_status_name(glim_shop_status s) {
    static const char *const names[] = {"answered", "not_in_library", "out_of_scope", "handed_over"};
    return names[s];
}

void glim_shop_answer_deinit(glim_shop_answer *a) {
    glim_buf_free(&a->text);
    glim_buf_free(&a->filter);
    glim_buf_free(&a->rows_json);
    *a = (glim_shop_answer){0};
}

static void cite_row(glim_shop *s, glim_shop_answer *a, bool note, uint32_t row) {
    if (a->n_rows == GLIM_SHOP_ROWS) return;
    glim_shop_row *r = &a->row[a->n_rows++];
    char id[GLIM_LIB_ID_MAX + 1];
    glim_lib_row_id(note ? s->notes : s->lib, row, id);
    *r = (glim_shop_row){.note = note, .row = row};
    memcpy(r->id, id, sizeof id);
}

void glim_shop_cite_row(glim_shop *s, glim_shop_answer *a, uint32_t row) { cite_row(s, a, false, row); }

/* The rows as a page shows them. */
static void show_rows(glim_shop *s, glim_shop_answer *a) {
    glim_buf *b = &a->rows_json;
    glim_buf cell = {0};
    glim_buf_putc(b, '[');
    for (size_t i = 0; i < a->n_rows; i++) {
        const glim_lib *l = a->row[i].note ? s->notes : s->lib;
        glim_buf_puts(b, i ? ", {\"id\": " : "{\"id\": ");
        glim_json_put_str(b, a->row[i].id, strlen(a->row[i].id));
        glim_buf_printf(b, ", \"library\": \"%s\", \"line\": %u, \"name\": ", a->row[i].note ? "notes" : "products", l->line[a->row[i].row]);
        const char *name = glim_lib_row_name(l, a->row[i].row, a->zh);
        glim_json_put_str(b, name, strlen(name));
        glim_buf_puts(b, ", \"cells\": {");
        bool any = false;
        for (size_t c = 0; c < l->n_col; c++) {
            if (!*glim_lib_cell(l, a->row[i].row, c) || !glim_lib_col_speaks(l, c, a->zh)) continue;
            glim_buf_clear(&cell);
            if (l->col[c].type == GLIM_LIB_TEXT || l->col[c].type == GLIM_LIB_NAME) glim_buf_puts(&cell, glim_lib_cell(l, a->row[i].row, c)); /* whole: a clerk corrects it */
            else glim_lib_show(&cell, l, a->row[i].row, c, a->zh);
            if (any) glim_buf_puts(b, ", ");
            any = true;
            glim_json_put_str(b, l->col[c].column, strlen(l->col[c].column));
            glim_buf_puts(b, ": ");
            glim_json_put_str(b, glim_buf_cstr(&cell), cell.len);
        }
        glim_buf_puts(b, "}}");
    }
    glim_buf_putc(b, ']');
    glim_buf_free(&cell);
}

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

/* The note of the intent that shares most with the question. */
static glim_status best_note(glim_shop *s, const char *label, const char *q, size_t n, uint32_t *row, bool *found, glim_err *err) {
    glim_index_hit hits[32];
    size_t n_hits = 0;
    *found = false;
    glim_status rc = glim_find_search(s->find_notes, q, n, &(glim_index_params){.limit = 32}, hits, &n_hits, err);
    for (size_t i = 0; rc == GLIM_OK && i < n_hits && !*found; i++)
        if (!label || strcmp(glim_lib_cell(s->notes, hits[i].row, (size_t)s->col_note_intent), label) == 0) *row = hits[i].row, *found = true;
    for (uint32_t r = 0; rc == GLIM_OK && label && r < s->notes->n_rows && !*found; r++)
        if (strcmp(glim_lib_cell(s->notes, r, (size_t)s->col_note_intent), label) == 0) *row = r, *found = true;
    return rc;
}

/* The note in which the words stand, or UINT32_MAX. With an intent, one of this that has any of them: "停车费". */
static glim_status covering_note(glim_shop *s, const glim_buf *words, const char *intent, uint32_t *row, glim_err *err) {
    glim_index_hit hit[1];
    size_t n_hits = 0;
    float left = 0, share = 0;
    *row = UINT32_MAX;
    glim_status rc = glim_find_search(s->find_notes, glim_buf_cstr(words), words->len, &(glim_index_params){.limit = 1, .exact = true}, hit, &n_hits, err);
    if (rc == GLIM_OK && n_hits) rc = glim_find_covered(s->find_notes, glim_buf_cstr(words), words->len, hit[0].row, &left, &share, err);
    const bool agrees = intent && n_hits && strcmp(glim_lib_cell(s->notes, hit[0].row, (size_t)s->col_note_intent), intent) == 0;
    if (rc == GLIM_OK && n_hits && (agrees || share >= 0.75f)) *row = hit[0].row;
    return rc;
}

bool glim_shop_say_note(glim_shop *s, glim_shop_answer *a, uint32_t row, glim_shop_part part) {
    glim_say_note(&a->text, s, row, a->zh);
    cite_row(s, a, true, row);
    a->part = part;
    a->n_all = 1;
    return true;
}

/* "运费多少钱" beside a product asks another price than its own where its row does not have these words: *cells is false if the
 * intent is a note's, and *note is one that has them. */
static glim_status another_price(glim_shop *s, uint32_t row, const glim_buf *words, const char *intent, bool *cells, uint32_t *note, glim_err *err) {
    const glim_filter *f = &s->filter;
    float left, share;
    if (f->n_ask != 1 || s->lib->col[f->ask[0]].type != GLIM_LIB_PRICE) return GLIM_OK;
    glim_status rc = glim_find_covered(s->find, glim_buf_cstr(words), words->len, row, &left, &share, err);
    if (rc != GLIM_OK || left < says || share >= covers) return rc;
    if (intent) *cells = false;
    return covering_note(s, words, intent, note, err);
}

/* The sentence of the row's prose that holds most of the text. */
static glim_status prose(glim_shop *s, uint32_t row, const char *text, bool zh, glim_buf *out, glim_err *err) {
    glim_terms want = {0}, have = {0};
    glim_status rc = glim_terms_cut(&want, text, strlen(text), err);
    size_t best = 0;
    for (size_t c = 0; rc == GLIM_OK && c < s->lib->n_col; c++) {
        if (s->lib->col[c].type != GLIM_LIB_TEXT || !glim_lib_col_speaks(s->lib, c, zh)) continue;
        for (const char *p = glim_lib_cell(s->lib, row, c); *p;) {
            size_t n = 0;
            while (p[n] && !(strncmp(p + n, "。", 3) == 0 || strncmp(p + n, "；", 3) == 0 || ((p[n] == '.' || p[n] == ';') && (p[n + 1] == ' ' || !p[n + 1])))) n++;
            rc = glim_terms_cut(&have, p, n, err);
            size_t both = 0;
            for (size_t i = 0; rc == GLIM_OK && i < want.n; i++)
                for (size_t k = 0; k < have.n; k++)
                    if (want.v[i].n == have.v[k].n && memcmp(want.text.s + want.v[i].at, have.text.s + have.v[k].at, want.v[i].n) == 0) {
                        both++;
                        break;
                    }
            if (both > best) {
                best = both;
                glim_buf_clear(out);
                glim_buf_append(out, p, n);
            }
            p += n;
            while (*p && (strncmp(p, "。", 3) == 0 || strncmp(p, "；", 3) == 0)) p += 3;
            while (*p == '.' || *p == ';' || *p == ' ') p++;
        }
    }
    glim_terms_free(&want);
    glim_terms_free(&have);
    return rc;
}

typedef struct keeping {
    const glim_shop *s;
    const glim_filter *f;
} keeping;

static bool keep(void *ctx, uint32_t row) {
    const keeping *k = ctx;
    return glim_filter_keep(k->s->lib, k->f, row);
}

static bool narrows(const glim_lib *l, const glim_filter *f) {
    for (size_t i = 0; i < f->n_cond; i++)
        if (f->cond[i].op != GLIM_COND_IS || (l->col[f->cond[i].col].concept != GLIM_CONCEPT_KIND && l->col[f->cond[i].col].concept != GLIM_CONCEPT_BRAND)) return true;
    return f->sort >= 0 || f->count || f->mean;
}

/* Does it say what kind of thing is wanted or what it has, beside figures? Without one, "the rest" of a question is any row. */
static bool firm(const glim_lib *l, const glim_filter *f) {
    for (size_t i = 0; i < f->n_cond; i++)
        if (f->cond[i].op == GLIM_COND_IS || f->cond[i].op == GLIM_COND_IS_NOT || l->col[f->cond[i].col].concept == GLIM_CONCEPT_PEOPLE || f->cond[i].op == GLIM_COND_HAS || f->cond[i].op == GLIM_COND_HAS_NOT) return true;
    return false;
}

/* Of rows of one name, or of several that are named alike, those that are what the question says beside the name: "hardcover of Emma". */
static size_t as_said(const glim_lib *l, const glim_filter *f, glim_named *named, size_t n) {
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        bool fits = true;
        for (size_t k = 0; k < f->n_cond && fits; k++) {
            const glim_cond *c = &f->cond[k];
            bool any = c->op != GLIM_COND_IS;
            for (size_t j = 0; j < f->n_cond && !any; j++) any = f->cond[j].op == GLIM_COND_IS && f->cond[j].col == c->col && glim_cond_holds(l, &f->cond[j], named[i].row);
            fits = (c->op != GLIM_COND_IS && c->op != GLIM_COND_IS_NOT) || (c->op == GLIM_COND_IS ? any : glim_cond_holds(l, c, named[i].row));
        }
        if (fits) {
            const glim_named swap = named[kept];
            named[kept] = named[i], named[i] = swap, kept++;
        }
    }
    return kept ? kept : n;
}

static bool names_kind(const glim_lib *l, const glim_filter *f) {
    for (size_t i = 0; i < f->n_cond; i++)
        if (f->cond[i].op == GLIM_COND_IS && l->col[f->cond[i].col].concept == GLIM_CONCEPT_KIND) return true;
    return false;
}

/* Those of the rows that are of a kind the question names: no phone is a "澜星 L9 手机壳". */
static size_t of_the_kind(const glim_lib *l, const glim_filter *f, glim_named *named, size_t n) {
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        bool is = false;
        for (size_t k = 0; k < f->n_cond && !is; k++)
            is = f->cond[k].op == GLIM_COND_IS && l->col[f->cond[k].col].concept == GLIM_CONCEPT_KIND && glim_cond_holds(l, &f->cond[k], named[i].row);
        if (is) named[kept++] = named[i];
    }
    return kept;
}

/* "Is it the cheapest phone?" asks whether it is the first of its kind, "what is the largest memory of this phone?" for its memory. */
static bool first_of_kind(const glim_lib *l, const glim_filter *f) { return f->top && f->whether && !f->than && names_kind(l, f); }

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
    if (rc != GLIM_OK || left >= says || isnan(v)) return rc;
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

/* The column of the order is asked of one product. */
static void ask_order(glim_filter *f) {
    bool asked = f->n_ask == GLIM_FILTER_ASKS;
    for (size_t i = 0; i < f->n_ask; i++) asked |= f->ask[i] == f->sort;
    if (!asked) f->ask[f->n_ask++] = f->sort;
    f->sort = -1;
}

/* "How many of it are there?" asks for its stock, not for how many products there are. "一笼有几个" may mean its pieces: all that is
 * known of it is said, and so it is where more words are left. */
static glim_status count_one(glim_shop *s, uint32_t row, bool pieces, const glim_buf *words, glim_err *err) {
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
    if (narrows(s->lib, f)) {
        f->count = true;
        return GLIM_OK;
    }
    glim_status rc = glim_find_covered(s->find, glim_buf_cstr(words), words->len, row, &left, &share, err);
    for (size_t c = 0; rc == GLIM_OK && left < says && !pieces && c < s->lib->n_col && f->n_ask == 0; c++)
        if (s->lib->col[c].type == GLIM_LIB_STOCK) f->ask[f->n_ask++] = (int)c;
    return rc;
}

static int asks_stock(const glim_lib *l, const glim_filter *f) {
    for (size_t i = 0; i < f->n_ask; i++)
        if (l->col[f->ask[i]].type == GLIM_LIB_STOCK && l->col[f->ask[i]].number) return f->ask[i];
    return -1;
}

/* Products: steps 3 to 5. *done false: the library does not hold it. */
static glim_status from_library(glim_shop *s, glim_shop_answer *a, const glim_named *named, size_t n_named, uint32_t view, uint32_t also, uint32_t third,
                                const char *words, const char *rest, bool *done, glim_err *err) {
    glim_filter *f = &s->filter;
    uint32_t row[GLIM_SHOP_ROWS];
    size_t n = 0;
    glim_status rc = GLIM_OK;
    *done = false;
    a->n_all = 0;
    if (f->unlisted) return rc; /* "芒果过敏": a dish's allergens do not speak of mangoes */
    /* two against each other */
    uint32_t first = n_named ? named[0].row : view, second = also;
    bool two = also != UINT32_MAX;
    const bool of_kind = names_kind(s->lib, f);
    bool this_and_it = n_named && view != UINT32_MAX && view != first && (f->self || f->compare || (f->than && !f->list && !of_kind)); /* "is this cheaper than the L9?", "比L9便宜吗" beside another */
    if (!two && n_named && f->than && f->sort >= 0 && !f->list && !of_kind && !glim_shop_blank(rest)) { /* "is the Fold S heavier than the L9 Pro?" */
        rc = glim_find_second(s->find, words, strlen(words), first, &second, &two, err);
        if (rc != GLIM_OK) return rc;
    }
    if (!two && first != UINT32_MAX && f->than && f->sort >= 0 && (n_named || f->self) && !this_and_it) return beyond(s, a, first, rest, done, err);
    if (!two && n_named == 0 && view != UINT32_MAX && !f->self && f->sort >= 0 && !f->top && !f->compare) { /* "anything cheaper?": than this one */
        if (f->more || (f->list && !of_kind)) return beyond(s, a, view, rest, done, err);
        if (!f->list && !of_kind) ask_order(f); /* "能便宜吗" */
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
    if (!two && first_of_kind(s->lib, f) && ((n_named == 1 && named[0].name >= 1 && named[0].text >= 1) || (n_named == 0 && view != UINT32_MAX && f->self)) &&
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
    if (!two && f->sort >= 0 && n_named && (!f->list || f->n_cond == 0) && !f->compare && !f->than && (!f->top || f->n_cond == 0)) ask_order(f); /* "is the L9 cheap?" */
    bool listing = f->sort >= 0 || f->count || f->mean;
    bool in_view = view != UINT32_MAX && !listing && n_named == 0 && !(f->list && !f->self && (narrows(s->lib, f) || of_kind)); /* "推荐3款手机" beside a phone: phones */
    if ((n_named && n_named <= 4 && !(listing && narrows(s->lib, f) && !f->self)) || in_view) {
        glim_buf quote = {0};
        bool any = false;
        for (size_t i = 0; i < (in_view ? 1 : n_named); i++) row[n++] = in_view ? view : named[i].row;
        if (!in_view && also != UINT32_MAX && n < 4) row[n++] = also; /* "what do A and B cost?", "which is hotter, A or B?" */
        if (!in_view && third != UINT32_MAX && n < 4) row[n++] = third;
        /* What the question says beside the product: is it a column, or does the row's prose say it? */
        float left, share;
        rc = glim_find_covered(s->find, words, strlen(words), row[0], &left, &share, err);
        bool more = left >= says, known = share >= (f->zh && n_named == 1 && named[0].name >= 1 ? 0.45f : covers); /* "要提前多久订" of a row that says 提前一天预订 */
        if (rc == GLIM_OK && f->n_ask == 0 && more && known) rc = prose(s, row[0], words, f->zh, &quote, err);
        bool said_by_cells = f->n_ask > 0;
        for (size_t k = 0; k < f->n_cond; k++) said_by_cells |= !glim_say_named_so(s->lib, &f->cond[k], row[0], f->zh) && !(s->lib->col[f->cond[k].col].concept == GLIM_CONCEPT_KIND || s->lib->col[f->cond[k].col].concept == GLIM_CONCEPT_BRAND);
        if (rc == GLIM_OK && !(more && !known && !said_by_cells)) any = glim_say(&a->text, s, f, GLIM_SAY_ROWS, row, n, n, glim_buf_cstr(&quote), NULL);
        if (any) {
            a->part = said_by_cells ? GLIM_PART_FILTER : GLIM_PART_RETRIEVAL;
            a->n_all = n;
            for (size_t i = 0; i < n; i++) glim_shop_cite_row(s, a, row[i]);
        }
        *done = any;
        glim_buf_free(&quote);
        return rc;
    }
    /* a table's answer */
    glim_buf missing = {0};
    uint32_t *among = NULL;
    size_t n_among = 0;
    bool conds = f->n_cond || listing;
    if (f->without) return rc; /* which rows are without these words no table says */
    if (f->sort2 >= 0 && n_named == 0 && glim_shop_blank(rest) && !f->count && !f->mean) return glim_shop_two_orders(s, a, done, err);
    if (!glim_shop_blank(rest)) {
        glim_index_hit hits[FOUND];
        size_t n_hits = 0, kept = 0;
        keeping k = {s, f};
        glim_buf word = {0};
        glim_buf_puts(&word, rest);
        glim_shop_trim(&word);
        const char *only = glim_buf_cstr(&word);
        rc = glim_find_search(s->find, rest, strlen(rest), &(glim_index_params){.limit = FOUND, .keep = keep, .ctx = &k}, hits, &n_hits, err);
        float top = 0, left = 0, share = 0;
        if (rc == GLIM_OK && n_hits) {
            void *mem;
            rc = glim_try_calloc(&mem, n_hits, sizeof *among, "rows found", err);
            among = rc == GLIM_OK ? mem : NULL;
        }
        for (size_t i = 0; rc == GLIM_OK && i < n_hits; i++) {
            if (i && hits[i].score < 0.5f * hits[0].score) break;
            rc = glim_find_covered(s->find, rest, strlen(rest), hits[i].row, &left, &share, err);
            float all = share;
            bool named_so = false; /* a character or two are no words of the index: "鱼" of "水煮鱼" */
            if (rc == GLIM_OK && !conds && all < covers && word.len <= 6 && (unsigned char)*only >= 0x80) rc = glim_shop_in_a_name(s->lib, hits[i].row, only, &named_so, err);
            if (rc == GLIM_OK && !conds && all < covers && !named_so) rc = glim_shop_spans_a_name(s->lib, hits[i].row, only, &named_so, err);
            if (named_so) all = 1;
            if (i == 0) top = all;
            glim_prose of = GLIM_PROSE_SAYS; /* "soup with MSG" is not the one that has none */
            if (all >= covers && all >= top - 0.05f) rc = glim_shop_row_denies(s->lib, hits[i].row, only, &of, err);
            if (of == GLIM_PROSE_DENIES) continue;
            if (all >= covers && all >= top - 0.05f) among[kept++] = hits[i].row;
        }
        n_among = kept;
        uint32_t told = UINT32_MAX; /* "儿童免费吗": a note that says all of it, before many rows whose sentences have the words */
        if (rc == GLIM_OK && !conds && kept > 1 && f->yes_no && !glim_shop_asks_for_some(rest)) rc = covering_note(s, &f->words, NULL, &told, err);
        bool in_names = false;
        for (size_t i = 0; rc == GLIM_OK && told != UINT32_MAX && i < kept && !in_names; i++) rc = glim_shop_in_a_name(s->lib, among[i], only, &in_names, err);
        if (rc == GLIM_OK && told != UINT32_MAX && !in_names) {
            *done = glim_shop_say_note(s, a, told, GLIM_PART_RETRIEVAL);
            free(among);
            glim_buf_free(&word);
            return rc;
        }
        if (rc == GLIM_OK && kept == 0) { /* nobody has these words */
            free(among);
            among = NULL;
            float weight = 0;
            if (s->lib->n_rows) rc = glim_find_covered(s->find, rest, strlen(rest), 0, &weight, &share, err);
            if (weight >= says && (f->count || f->mean)) { /* a number of something else is no answer */
                glim_buf_free(&word);
                return rc;
            }
            bool elsewhere = false; /* rows have these words, and none of them fits: "Barolo under 20 euros" */
            const bool letters = strpbrk(rest, "abcdefghijklmnopqrstuvwxyz") || glim_shop_chinese(rest, strlen(rest));
            const float word_says = (unsigned char)*only < 0x80 ? 0.8f : word.len >= 6 ? 1.2f : says; /* in a small library even a rare word weighs little */
            n_hits = 0;
            if (rc == GLIM_OK && weight >= word_says && f->n_cond && letters) rc = glim_find_search(s->find, rest, strlen(rest), &(glim_index_params){.limit = 1}, hits, &n_hits, err);
            if (rc == GLIM_OK && n_hits) {
                rc = glim_find_covered(s->find, rest, strlen(rest), hits[0].row, &left, &share, err);
                elsewhere = share >= 0.9f && glim_say_fits_none(&a->text, s, f, rest);
            }
            if (elsewhere) {
                a->part = GLIM_PART_FILTER;
                glim_filter_show(&a->filter, s->lib, f);
                *done = true;
                glim_buf_free(&word);
                return rc;
            }
            if (weight >= says) {
                glim_buf_puts(&missing, rest);
                glim_shop_tidy(&missing);
                bool model = false; /* "A1": what is so exactly named is this or nothing */
                for (size_t i = 0; i + 1 < missing.len; i++) model |= (i == 0 || missing.s[i - 1] == ' ') && missing.s[i] >= 'a' && missing.s[i] <= 'z' && missing.s[i + 1] >= '0' && missing.s[i + 1] <= '9' && !f->figure;
                if ((!narrows(s->lib, f) && !(f->figure && of_kind)) || !firm(s->lib, f) || model || glim_shop_of_a_law(rest)) { /* and there is nothing else to go by */
                    glim_buf_free(&word);
                    glim_buf_free(&missing);
                    return rc;
                }
            }
        }
        glim_buf_free(&word);
    } else if (!conds) {
        return rc;
    }
    size_t n_all = 0;
    const size_t list = f->limit && f->limit < GLIM_SHOP_LIST ? f->limit : GLIM_SHOP_LIST;
    if (rc == GLIM_OK) rc = glim_filter_rows(s->lib, f, among, n_among, row, list, &n, &n_all, err);
    if (rc == GLIM_OK && f->mean) {
        int col = -1;
        for (size_t k = 0; k < f->n_ask && col < 0; k++)
            if (s->lib->col[f->ask[k]].number && !s->lib->col[f->ask[k]].degree) col = f->ask[k];
        double sum = 0;
        size_t m = 0;
        for (uint32_t r = 0; col >= 0 && r < s->lib->n_rows; r++)
            if (glim_filter_keep(s->lib, f, r) && !isnan(s->lib->col[col].number[r])) sum += s->lib->col[col].number[r], m++;
        if (m) {
            const glim_lib_col *c = &s->lib->col[col];
            const char *unit = f->zh ? c->unit_zh : c->unit_en;
            const bool sign = unit && (strcmp(unit, "€") == 0 || strcmp(unit, "$") == 0 || strcmp(unit, "£") == 0);
            glim_buf_printf(&a->text, f->zh ? "%zu款的平均%s是%s%.2f%s。" : "Over %zu, the average %s is %s%.2f%s", m, glim_lib_col_name(c, f->zh), sign ? unit : "", sum / (double)m, f->zh && unit && !sign ? unit : "");
            if (!f->zh) glim_buf_printf(&a->text, unit && !sign ? " %s." : ".", unit);
            a->n_all = m;
            *done = true;
        }
    } else if (rc == GLIM_OK && f->count && asks_stock(s->lib, f) >= 0) { /* "how many rooms are left tonight": their stock */
        const glim_lib_col *c = &s->lib->col[asks_stock(s->lib, f)];
        const char *unit = f->zh ? c->unit_zh : NULL;
        double sum = 0;
        size_t m = 0;
        for (uint32_t r = 0; r < s->lib->n_rows; r++)
            if (glim_filter_keep(s->lib, f, r) && c->number[r] > 0) sum += c->number[r], m++;
        glim_buf_printf(&a->text, f->zh ? "%s合计%.0f%s，分在%zu款里。" : "%s: %.0f%s in all, of %zu different ones.", glim_lib_col_name(c, f->zh), sum, unit ? unit : "", m);
        a->n_all = m;
        n = 0;
        *done = true;
    } else if (rc == GLIM_OK && !conds && n_all == 1 && missing.len == 0) { /* one row, found by its words: what it says of them */
        glim_buf quote = {0};
        rc = prose(s, row[0], rest, f->zh, &quote, err);
        if (rc == GLIM_OK) *done = glim_say(&a->text, s, f, GLIM_SAY_ROWS, row, 1, 1, glim_buf_cstr(&quote), NULL);
        a->n_all = *done;
        glim_buf_free(&quote);
    } else if (rc == GLIM_OK) {
        bool new_ask = false; /* a column that no condition is about */
        for (size_t i = 0; i < f->n_ask; i++) {
            bool said = false;
            for (size_t k = 0; k < f->n_cond; k++) said |= f->cond[k].col == f->ask[i];
            new_ask |= !said;
        }
        const bool one = n_all == 1 && new_ask && !f->count && missing.len == 0 && f->sort < 0; /* "who teaches Scrum Master in Munich" */
        *done = glim_say(&a->text, s, f, f->count ? GLIM_SAY_COUNT : one ? GLIM_SAY_ROWS : GLIM_SAY_LIST, row, n, n_all, NULL, glim_buf_cstr(&missing));
        if (!*done && one) *done = glim_say(&a->text, s, f, GLIM_SAY_LIST, row, n, n_all, NULL, NULL);
        a->n_all = *done ? n_all : 0;
    }
    if (*done) {
        a->part = conds ? GLIM_PART_FILTER : GLIM_PART_RETRIEVAL;
        for (size_t i = 0; i < n; i++) glim_shop_cite_row(s, a, row[i]);
        if (conds) glim_filter_show(&a->filter, s->lib, f);
    }
    free(among);
    glim_buf_free(&missing);
    return rc;
}

/* The intent that both models chose counts as sure. */
static void second(glim_intent_guess *g, const char *confirmed) {
    if (!confirmed || !g->best || strcmp(g->best, confirmed) != 0) return;
    g->oos = false;
    g->label = g->best;
    if (!(g->p >= GLIM_SHOP_SURE)) g->p = GLIM_SHOP_SURE;
}

/* "L9 Pro Max" is not the L9 Pro: said to be in no row, with the names that are near. */
static glim_status no_such_model(glim_shop *s, const glim_shop_question *q, const char *spelt, glim_shop_answer *a, bool *done, glim_err *err) {
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
    if (rc == GLIM_OK) rc = glim_filter_parse(f, s->lib, glim_buf_cstr(&spelt), spelt.len, err);
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
    if (rc == GLIM_OK) rc = no_such_model(s, q, glim_buf_cstr(&spelt), a, &done, err);
    if (rc == GLIM_OK && done) *reason = "not in the library";
    if (rc == GLIM_OK && !done) rc = glim_shop_sum(s, glim_buf_cstr(&whole), view, a, &done, err);
    if (rc != GLIM_OK || done) goto done;
    second(&g, confirmed);
    const json_t *how;
    const char *todo = g.oos ? "oos" : what_to_do(s, g.label, &how);
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
            if (names_kind(s->lib, f) && !f->kind_with) n_named = of_the_kind(s->lib, f, named, n_named);
            double all = 0;
            glim_terms_free(&s->cut);
            rc = rc == GLIM_OK ? glim_terms_cut(&s->cut, glim_buf_cstr(&rest), rest.len, err) : rc;
            for (size_t i = 0; rc == GLIM_OK && i < s->cut.n; i++) all += s->cut.v[i].joined ? 0 : 1;
            if (all == 0) n_named = 0;
        }
    }
    if (n_named > 1) n_named = as_said(s->lib, f, named, n_named);
    if (!exact && n_named && f->top && !f->compare && !f->than) n_named = 0; /* "the cheapest battery": of all that are called so */
    if (!exact && n_named > 1 && narrows(s->lib, f) && (!f->yes_no || f->list || n_named > 4)) n_named = 0;
    if (rc == GLIM_OK && n_also == 0 && view == UINT32_MAX && (f->compare || (f->sort >= 0 && !f->top))) {
        uint32_t one, other;
        bool pair = false;
        rc = glim_shop_pair(s, glim_buf_cstr(&whole), &one, &other, &pair, err);
        if (pair) {
            named[0] = (glim_named){.row = one, .name = 1, .text = 1}, n_named = 1;
            also[0] = (glim_named){.row = other, .name = 1, .text = 1}, n_also = 1;
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
    if (n_named == 0 && view != UINT32_MAX && f->self && f->sort >= 0 && !f->than && !f->list && !f->compare && !first_of_kind(s->lib, f)) ask_order(f); /* "the most memory of this one" is its memory */
    if (rc == GLIM_OK && f->count) rc = count_one(s, exact || (n_named == 1 && named[0].name > 0.4f) ? named[0].row : n_named == 0 && f->self ? view : UINT32_MAX, strstr(glim_buf_cstr(&spelt), "几") != NULL, &words, err);
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
                           (f->goods || (f->list && strcmp(todo, "library") == 0));
    if (rc == GLIM_OK && !done && values >= 0) {
        f->n_ask = 0;
        rc = glim_shop_say_values(s, a, &s->lib->col[values], &done, err);
    }
    if (rc == GLIM_OK && !done && all_goods) rc = glim_shop_overview(s, a, glim_buf_cstr(&whole), &done, err);
    if (rc != GLIM_OK || done) goto done;
    bool product = n_named || (view != UINT32_MAX && (f->self || f->n_ask)) || narrows(s->lib, f) || (f->n_cond && (f->list || f->n_ask)) || (f->n_cond && glim_shop_blank(glim_buf_cstr(&rest)));
    bool unwanted = false; /* "I am allergic to peanuts, is it safe?" asks the row, not the note about wishes */
    for (size_t i = 0; i < f->n_cond; i++) unwanted |= f->cond[i].op == GLIM_COND_IS_NOT;
    bool cells = (f->n_ask || unwanted) && (n_named || view != UINT32_MAX);
    uint32_t other_note = UINT32_MAX;
    if (rc == GLIM_OK && cells && !unwanted) rc = another_price(s, n_named ? named[0].row : view, &words, strcmp(todo, "note") == 0 ? g.label : NULL, &cells, &other_note, err);
    bool of_a_column = false; /* "beds with 10 years warranty", "can I have an invoice for this notebook": a column says it */
    for (size_t i = 0; i < f->n_cond; i++) of_a_column |= (f->n_cond > 1 || ((f->goods || f->list) && s->lib->col[f->cond[i].col].type == GLIM_LIB_NUMBER)) && (s->lib->col[f->cond[i].col].type == GLIM_LIB_BOOL || s->lib->col[f->cond[i].col].type == GLIM_LIB_NUMBER);
    for (size_t i = 0; i < f->n_cond; i++) of_a_column |= f->n_ask > 0 && f->cond[i].op == GLIM_COND_IS && s->lib->col[f->cond[i].col].concept != GLIM_CONCEPT_KIND;
    bool note = strcmp(todo, "note") == 0 && g.p >= GLIM_SHOP_SURE && !cells && !(f->sort >= 0) && !(f->n_cond && f->list) && !of_a_column;
    bool other = (strcmp(todo, "reply") == 0 || strcmp(todo, "handover") == 0 || strcmp(todo, "tool") == 0) && g.p >= GLIM_SHOP_SURE && !product;
    bool theirs = false;
    for (size_t i = 0; i < f->n_ask; i++) theirs |= s->lib->col[f->ask[i]].type == GLIM_LIB_PRICE; /* what costs money may be theirs */
    if (glim_shop_asks_for_some(glim_buf_cstr(&whole))) theirs = true;
    if (rc == GLIM_OK && !theirs && strcmp(todo, "oos") == 0) rc = glim_shop_held(s, &rest, &theirs, err);
    if (refused) {
    } else if (rc == GLIM_OK && note) {
        uint32_t r = 0, better = UINT32_MAX;
        bool found = false;
        if (g.p < 0.8f) rc = covering_note(s, &f->words, NULL, &better, err); /* "do you have a gym" is no question about children */
        if (rc == GLIM_OK && better != UINT32_MAX) done = glim_shop_say_note(s, a, better, GLIM_PART_RETRIEVAL);
        else if (rc == GLIM_OK) rc = best_note(s, g.label, q->text, q->n, &r, &found, err);
        if (rc == GLIM_OK && !done && found) done = glim_shop_say_note(s, a, r, GLIM_PART_LINEAR);
    } else if (rc == GLIM_OK && other_note != UINT32_MAX) {
        done = glim_shop_say_note(s, a, other_note, GLIM_PART_RETRIEVAL);
    } else if (rc == GLIM_OK && other) {
        a->part = GLIM_PART_LINEAR;
        bool person = strcmp(todo, "reply") != 0;
        glim_buf_puts(&a->text, reply_of(how, f->zh, person ? (f->zh ? "我帮您转给同事，请稍候。" : "I pass this on to a colleague, one moment please.") : f->zh ? "您好，请说。" : "Hello, how can I help?"));
        if (person) a->status = GLIM_SHOP_HANDED_OVER, *reason = g.label;
        done = true;
    } else if (rc == GLIM_OK && strcmp(todo, "oos") == 0 && !product && !f->list && !f->without && !theirs && !glim_shop_of_goods(glim_buf_cstr(&whole))) {
        a->part = GLIM_PART_LINEAR;
        a->status = GLIM_SHOP_OUT_OF_SCOPE;
        glim_buf_puts(&a->text, reply_of(how, f->zh, f->zh ? "这个问题不在我的服务范围内，我只能回答本店的商品和服务。" : "That is outside what I can help with; I answer questions about this shop's products and services."));
        done = true;
    }
    if (rc == GLIM_OK && !done && !refused && f->zh && f->yes_no && f->n_ask == 0 && !f->list && f->sort < 0 && n_also == 0 && (n_named == 1 || (n_named == 0 && view != UINT32_MAX)))
        rc = glim_shop_say_listed(s, a, n_named ? named[0].row : view, glim_buf_cstr(&whole), &done, err);
    uint32_t second = n_also ? also[0].row : UINT32_MAX;
    if (rc == GLIM_OK && !done && !refused) rc = from_library(s, a, named, n_named, view, second, n_third ? third[0].row : UINT32_MAX, glim_buf_cstr(&words), glim_buf_cstr(&rest), &done, err);
    if (rc == GLIM_OK && !done) { /* a note that says it, whatever the intent */
        uint32_t r = UINT32_MAX;
        if (!product && !refused) rc = covering_note(s, &f->words, NULL, &r, err);
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
    if (rc == GLIM_OK) show_rows(s, a);
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

void glim_shop_answer_json(glim_buf *out, const char *question, size_t n, const glim_shop_answer *a) {
    glim_buf_puts(out, "{\"question\": ");
    glim_json_put_str(out, question, n);
    glim_buf_puts(out, ", \"answer\": ");
    glim_json_put_str(out, glim_buf_cstr(&a->text), a->text.len);
    glim_buf_printf(out, ", \"status\": \"%s\", \"part\": \"%s\", \"found_by\": \"%s\"", glim_shop_status_name(a->status), glim_shop_part_name(a->part), glim_shop_part_name(a->found));
    glim_buf_printf(out, ", \"phrased_by\": %s, \"model_answer_dropped\": %s", a->phrased ? "\"language model\"" : "null", a->unchecked_dropped ? "true" : "false");
    glim_buf_puts(out, ", \"intent\": ");
    glim_json_put_str(out, a->intent, strlen(a->intent));
    glim_buf_printf(out, ", \"p\": %.4f, \"seconded\": %s, \"filter\": ", (double)a->p, a->seconded ? "true" : "false");
    if (a->filter.len) glim_json_put_str(out, a->filter.s, a->filter.len);
    else glim_buf_puts(out, "null");
    glim_buf_printf(out, ", \"n_fit\": %zu, \"rows\": %s, \"handover\": ", a->n_all, a->rows_json.len ? a->rows_json.s : "[]");
    if (a->handover) glim_buf_printf(out, "%llu", (unsigned long long)a->handover);
    else glim_buf_puts(out, "null");
    glim_buf_printf(out, ", \"ms\": %.3f, \"model_ms\": %.3f, \"usage\": ", a->ms, a->model_ms);
    if (a->n_asked) glim_buf_printf(out, "{\"prompt_tokens\": %zu, \"completion_tokens\": %zu, \"tokens_per_s\": %.1f}", a->n_prompt, a->n_tokens, a->decode_s > 0 ? (double)a->n_tokens / a->decode_s : 0);
    else glim_buf_puts(out, "null");
    char money[32];
    if (a->currency[0]) glim_buf_printf(out, ", \"cost\": \"%s\", \"currency\": \"%s\"}", glim_money_text(money, a->cost), a->currency);
    else glim_buf_puts(out, ", \"cost\": null, \"currency\": null}");
}
