/* shop_table.c - a table's answer: the rows that fit the conditions and have the words that are left, in order, counted, or their
 * average. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "app/shop_internal.h"
#include "base/alloc.h"
#include "know/filter_words.h"

enum { FOUND = 400 };

typedef struct keeping {
    const glim_shop *s;
    const glim_filter *f;
} keeping;

static bool keep(void *ctx, uint32_t row) {
    const keeping *k = ctx;
    return glim_filter_keep(k->s->lib, k->f, row);
}

bool glim_shop_narrows(const glim_lib *l, const glim_filter *f) {
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

bool glim_shop_names_kind(const glim_lib *l, const glim_filter *f) {
    for (size_t i = 0; i < f->n_cond; i++)
        if (f->cond[i].op == GLIM_COND_IS && l->col[f->cond[i].col].concept == GLIM_CONCEPT_KIND) return true;
    return false;
}

static int asks_stock(const glim_lib *l, const glim_filter *f) {
    for (size_t i = 0; i < f->n_ask; i++)
        if (l->col[f->ask[i]].type == GLIM_LIB_STOCK && l->col[f->ask[i]].number) return f->ask[i];
    return -1;
}

/* Is a word of these part of what a column is called? "Toxic to cats, but not to dogs" asks for a column, and what fits the rest is no answer. */
static bool of_a_heading(const glim_lib *l, const char *words) {
    for (const char *p = words; *p;) {
        const size_t n = strcspn(p, " ,.?!");
        for (size_t c = 0; n >= 4 && (unsigned char)*p < 0x80 && c < l->n_col; c++) {
            const glim_lib_col *col = &l->col[c];
            if (col->type != GLIM_LIB_BOOL) continue;
            for (size_t a = 0; a < col->n_named; a++) {
                char word[64];
                snprintf(word, sizeof word, "%.*s", (int)(n < sizeof word ? n : 0), p);
                const char *words_of[] = {word};
                if (*word && glim_shop_any_of(col->alias[a], words_of, 1)) return true;
            }
        }
        p += n + (p[n] != 0);
    }
    return false;
}

/* Rows that warn of the words are none to take, and nobody is given the others beside them. Only where "products" are asked for by what they are called,
 * "rose products", and all others are, a row that warns of roses is left out, and how many are is said. "Which products contain rose" asks for those too. */
static glim_status without_warned(glim_shop *s, const char *words, uint32_t *among, size_t *n, bool *over, glim_err *err) {
    static const char *const contents[] = {"contain", "contains", "containing", "with", "without", "in", "have", "has", "having", "include", "includes", "including", "made", "of", "from", "free", "allergic", "allergy", "allergies", "allergen",
                                           "allergens", "for", "good", "safe", "traces", "no", "not", "can", "is", "are"};
    glim_filter *f = &s->filter;
    size_t kept = 0, n_called = 0;
    glim_status rc = GLIM_OK;
    for (size_t i = 0; rc == GLIM_OK && i < *n; i++) {
        int warns = -1;
        bool called = false;
        rc = glim_shop_warned(s->lib, among[i], words, &warns, err);
        if (rc != GLIM_OK || warns >= 0) continue;
        rc = glim_shop_in_a_name(s->lib, among[i], words, &called, err);
        n_called += called;
        among[kept++] = among[i];
    }
    const bool plain = f->goods && !f->zh && !f->of_it && !f->yes_no && !f->with && !f->count && !f->mean && !f->n_cond && f->sort < 0 && !glim_shop_any_of(s->asked, contents, GLIM_COUNT(contents));
    *over = rc == GLIM_OK && kept < *n && (kept == 0 || n_called < kept || !plain);
    if (!*over) f->n_warned = *n - kept, *n = kept;
    return rc;
}

/* The rows that fit and have the words that no condition read, into *among; NULL, and the words in *missing, where no row has them
 * and the conditions are enough to go by. *over: the answer is said already (*done), or there is none. */
static glim_status by_words(glim_shop *s, glim_shop_answer *a, const char *rest, bool conds, uint32_t **among, size_t *n_among, glim_buf *missing,
                            bool *over, bool *done, glim_err *err) {
    const glim_filter *f = &s->filter;
    glim_status rc;
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
        rc = glim_try_calloc(&mem, n_hits, sizeof **among, "rows found", err);
        *among = rc == GLIM_OK ? mem : NULL;
    }
    for (size_t i = 0; rc == GLIM_OK && i < n_hits; i++) {
        if (i && hits[i].score < 0.5f * hits[0].score) break;
        rc = glim_find_covered(s->find, rest, strlen(rest), hits[i].row, &left, &share, err);
        float all = share;
        bool named_so = false; /* a character or two are no words of the index: "鱼" of "水煮鱼" */
        if (rc == GLIM_OK && !conds && all < GLIM_SHOP_COVERS && word.len <= 6 && (unsigned char)*only >= 0x80) rc = glim_shop_in_a_name(s->lib, hits[i].row, only, &named_so, err);
        if (rc == GLIM_OK && !conds && all < GLIM_SHOP_COVERS && !named_so) rc = glim_shop_spans_a_name(s->lib, hits[i].row, only, &named_so, err);
        if (named_so) all = 1;
        if (i == 0) top = all;
        glim_prose of = GLIM_PROSE_SAYS; /* "soup with MSG" is not the one that has none */
        if (all >= GLIM_SHOP_COVERS && all >= top - 0.05f) rc = glim_shop_row_denies(s->lib, hits[i].row, only, &of, err);
        if (of == GLIM_PROSE_DENIES) continue;
        if (all >= GLIM_SHOP_COVERS && all >= top - 0.05f) (*among)[kept++] = hits[i].row;
    }
    *n_among = kept;
    rc = rc == GLIM_OK ? without_warned(s, rest, *among, &kept, over, err) : rc;
    *n_among = kept;
    if (*over) goto done;
    uint32_t told = UINT32_MAX; /* "儿童免费吗": a note that says all of it, before many rows whose sentences have the words */
    if (rc == GLIM_OK && !conds && kept > 1 && f->yes_no && !glim_shop_asks_for_some(rest)) rc = glim_shop_covering_note(s, &f->words, NULL, &told, err);
    bool in_names = false;
    for (size_t i = 0; rc == GLIM_OK && told != UINT32_MAX && i < kept && !in_names; i++) rc = glim_shop_in_a_name(s->lib, (*among)[i], only, &in_names, err);
    if (rc == GLIM_OK && told != UINT32_MAX && !in_names) {
        *done = glim_shop_say_note(s, a, told, GLIM_PART_RETRIEVAL);
        *over = true;
        goto done;
    }
    if (rc == GLIM_OK && kept == 0) { /* nobody has these words */
        free(*among);
        *among = NULL;
        float weight = 0;
        if (s->lib->n_rows) rc = glim_find_covered(s->find, rest, strlen(rest), 0, &weight, &share, err);
        if (weight >= GLIM_SHOP_SAYS && (f->count || f->mean)) { /* a number of something else is no answer */
            *over = true;
            goto done;
        }
        bool elsewhere = false; /* rows have these words, and none of them fits: "Barolo under 20 euros" */
        const bool letters = strpbrk(rest, "abcdefghijklmnopqrstuvwxyz") || glim_shop_chinese(rest, strlen(rest));
        const float word_says = (unsigned char)*only < 0x80 ? 0.8f : word.len >= 6 ? 1.2f : GLIM_SHOP_SAYS; /* in a small library even a rare word weighs little */
        n_hits = 0;
        if (rc == GLIM_OK && weight >= word_says && f->n_cond && letters) rc = glim_find_search(s->find, rest, strlen(rest), &(glim_index_params){.limit = 1}, hits, &n_hits, err);
        if (rc == GLIM_OK && n_hits) {
            rc = glim_find_covered(s->find, rest, strlen(rest), hits[0].row, &left, &share, err);
            elsewhere = rc == GLIM_OK && share >= 0.9f;
        }
        if (elsewhere) {
            glim_say_fits_none(&a->text, s, f, rest);
            a->part = GLIM_PART_FILTER;
            glim_filter_show(&a->filter, s->lib, f);
            *done = *over = true;
            goto done;
        }
        if (weight >= GLIM_SHOP_SAYS) {
            glim_buf_puts(missing, rest);
            glim_shop_tidy(missing);
            s->filter.scattered = top > 0.05f;
            bool warned = f->of_it && !f->list; /* "can I drink alcohol with it": what fits the rest is no answer */
            warned |= of_a_heading(s->lib, rest);
            if (rc == GLIM_OK && !warned) rc = glim_shop_anyone_warned(s->lib, rest, &warned, err);
            if (rc == GLIM_OK && warned) {
                *over = true;
                goto done;
            }
            bool model = false; /* "A1": what is so exactly named is this or nothing */
            for (size_t i = 0; i + 1 < missing->len; i++) model |= (i == 0 || missing->s[i - 1] == ' ') && missing->s[i] >= 'a' && missing->s[i] <= 'z' && missing->s[i + 1] >= '0' && missing->s[i + 1] <= '9' && !f->figure;
            if ((!glim_shop_narrows(s->lib, f) && !(f->figure && glim_shop_names_kind(s->lib, f))) || !firm(s->lib, f) || model || glim_shop_of_a_law(rest)) { /* and there is nothing else to go by */
                *over = true;
                goto done;
            }
        }
    }
done:
    glim_buf_free(&word);
    return rc;
}

/* The average of a column over all rows that fit, and have the words that are left. */
static void say_mean(glim_shop *s, glim_shop_answer *a, const uint32_t *among, size_t n_among, bool *done) {
    const glim_filter *f = &s->filter;
    int col = -1;
    for (size_t k = 0; k < f->n_ask && col < 0; k++)
        if (s->lib->col[f->ask[k]].number && !s->lib->col[f->ask[k]].degree) col = f->ask[k];
    double sum = 0;
    size_t m = 0, left = 0;
    for (uint32_t i = 0, n = among ? (uint32_t)n_among : s->lib->n_rows; col >= 0 && i < n; i++) {
        const uint32_t r = among ? among[i] : i;
        if (!glim_filter_keep(s->lib, f, r) || isnan(s->lib->col[col].number[r])) continue;
        if (s->lib->col[col].type == GLIM_LIB_PRICE && !glim_lib_exact(s->lib, r, (size_t)col)) left++; /* "from €5" is in no sum */
        else sum += s->lib->col[col].number[r], m++;
    }
    if (m) {
        glim_say_mean(&a->text, s, f, col, sum / (double)m, m, left);
        a->n_all = m;
        *done = true;
    }
}

/* "How many rooms are left tonight": their stock. */
static void say_stock(glim_shop *s, glim_shop_answer *a, int col) {
    const glim_filter *f = &s->filter;
    const glim_lib_col *c = &s->lib->col[col];
    const char *unit = f->zh ? c->unit_zh : NULL;
    double sum = 0;
    size_t m = 0;
    for (uint32_t r = 0; r < s->lib->n_rows; r++)
        if (glim_filter_keep(s->lib, f, r) && c->number[r] > 0) sum += c->number[r], m++;
    glim_buf_printf(&a->text, f->zh ? "%s合计%.0f%s，分在%zu款里。" : "%s: %.0f%s in all, of %zu different ones.", glim_lib_col_name(c, f->zh), sum, unit ? unit : "", m);
    a->n_all = m;
}

glim_status glim_shop_from_table(glim_shop *s, glim_shop_answer *a, const char *rest, bool *done, glim_err *err) {
    const glim_filter *f = &s->filter;
    uint32_t row[GLIM_SHOP_ROWS];
    size_t n = 0;
    glim_status rc = GLIM_OK;
    glim_buf missing = {0};
    uint32_t *among = NULL;
    size_t n_among = 0;
    const bool conds = f->n_cond || f->sort >= 0 || f->count || f->mean;
    if (f->without) return rc; /* which rows are without these words no table says */
    if (!glim_shop_blank(rest)) {
        bool over = false;
        rc = by_words(s, a, rest, conds, &among, &n_among, &missing, &over, done, err);
        if (over) {
            free(among);
            glim_buf_free(&missing);
            return rc;
        }
    } else if (!conds) {
        return rc;
    }
    size_t n_all = 0;
    const size_t list = f->limit && f->limit < GLIM_SHOP_LIST ? f->limit : GLIM_SHOP_LIST;
    if (rc == GLIM_OK) rc = glim_filter_rows(s->lib, f, among, n_among, row, list, &n, &n_all, err);
    if (rc == GLIM_OK && f->mean) {
        if (missing.len == 0 && n_among < FOUND) say_mean(s, a, among, n_among, done);
    } else if (rc == GLIM_OK && f->count && asks_stock(s->lib, f) >= 0) {
        say_stock(s, a, asks_stock(s->lib, f));
        n = 0;
        *done = true;
    } else if (rc == GLIM_OK && !conds && n_all == 1 && missing.len == 0 && !f->n_warned) { /* one row, found by its words: what it says of them */
        glim_buf quote = {0};
        rc = glim_shop_sentence(s, row[0], rest, f->zh, &quote, err);
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
        if (*done && f->n_warned) glim_buf_printf(&a->text, f->n_warned == 1 ? " %zu more warns of it and is left out." : " %zu more warn of it and are left out.", f->n_warned);
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
