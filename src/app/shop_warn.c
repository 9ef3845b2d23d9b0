/* shop_warn.c - what a row warns of: contraindications, whom it is not for.
 *
 * Invariant  a word of the question that stands in a warning never speaks for the row: of a product that is named the warning itself is said, and no
 *            list is made of rows found by it. "Which painkiller can I take with a stomach ulcer" goes to a person. */
#include <ctype.h>
#include <string.h>

#include "app/shop_internal.h"
#include "base/alloc.h"

static bool warns_itself(const char *cell) {
    static const char *const words[] = {"慎用", "禁用", "禁忌", "不宜", "忌用", "忌食", "ot suitable for", "o not use", "o not give", "eep away from", "ontraindicat"}; /* whatever the case of the first letter */
    for (size_t i = 0; i < GLIM_COUNT(words); i++)
        if (strstr(cell, words[i])) return true;
    for (const char *p = cell; (p = strstr(p, "ot for ")) != NULL; p++) /* and no "robot for", "a pot for" */
        if (p > cell && (p[-1] == 'n' || p[-1] == 'N') && (p - 1 == cell || !isalpha((unsigned char)p[-2]))) return true;
    return false;
}

/* Does the folded cell have the beginning of the word, "pregnan" of "pregnant"? */
static bool has_latin(const char *cell, const char *word, size_t n) {
    static const char *const none[] = {"with", "take", "this", "that", "have", "from", "when", "people", "year", "years", "tablets", "tablet", "used", "suitable", "safe", "while", "give"};
    if (n < 4) return false;
    for (size_t i = 0; i < GLIM_COUNT(none); i++)
        if (strlen(none[i]) == n && memcmp(none[i], word, n) == 0) return false;
    const size_t k = n < 6 ? n : 6;
    for (const char *p = cell; (p = strchr(p, word[0])) != NULL; p++)
        if ((p == cell || !isalnum((unsigned char)p[-1])) && strncmp(p, word, k) == 0) return true;
    return false;
}

/* name: the row's own, folded; what it is called by is no warning of it. */
static bool says(const char *cell, const char *name, const char *words) {
    for (const char *p = words; *p;) {
        size_t n = 0;
        if ((unsigned char)*p < 0x80) {
            while (p[n] && (unsigned char)p[n] < 0x80 && isalpha((unsigned char)p[n])) n++;
            if (n && has_latin(cell, p, n) && !has_latin(name, p, n)) return true;
        } else if ((unsigned char)*p >= 0xe3 && (unsigned char)*p <= 0xe9) {
            char two[7];
            n = 3;
            if ((unsigned char)p[3] >= 0xe4 && (unsigned char)p[3] <= 0xe9 && (unsigned char)*p >= 0xe4) {
                memcpy(two, p, 6);
                two[6] = 0;
                if (strstr(cell, two) && !strstr(name, two)) return true;
            }
        }
        p += n ? n : 1;
    }
    return false;
}

/* Of a text that only mentions a warning: its sentences that are one, up to a comma ("水温不宜超过95度，可用紫砂壶冲泡"), but all of what stands behind a colon. */
static void only_warnings(glim_buf *out, const char *cell) {
    static const char *const ends[] = {"。", "；", "！", ";", "\n", ". ", "，", ", "};
    glim_buf part = {0};
    for (const char *p = cell; *p;) {
        size_t n = 0, cut = 0;
        bool colon = false;
        for (; p[n] && !cut; n += cut ? 0 : 1) {
            colon |= p[n] == ':' || strncmp(p + n, "：", 3) == 0;
            for (size_t k = 0; k < GLIM_COUNT(ends) && !cut; k++)
                if (strncmp(p + n, ends[k], strlen(ends[k])) == 0 && !(colon && k >= 6)) cut = strlen(ends[k]);
        }
        glim_buf_clear(&part);
        glim_buf_append(&part, p, n);
        if (warns_itself(glim_buf_cstr(&part))) glim_buf_append(out, p, n), glim_buf_putc(out, ' ');
        p += n + cut;
    }
    glim_buf_free(&part);
}

/* cells: also in columns that are not called a warning. */
static glim_status warned(const glim_lib *l, uint32_t row, const char *words, bool cells, int *col, glim_err *err) {
    glim_buf b = {0}, part = {0}, name = {0};
    glim_status rc = GLIM_OK;
    *col = -1;
    for (size_t c = 0; rc == GLIM_OK && c < l->n_col && *col < 0; c++) {
        const glim_lib_type t = l->col[c].type;
        if (t != GLIM_LIB_TEXT && t != GLIM_LIB_ENUM) continue;
        const char *cell = glim_lib_cell(l, row, c);
        if (!*cell || !(l->col[c].warns || (cells && warns_itself(cell)))) continue;
        glim_buf_clear(&b);
        glim_buf_clear(&part);
        if (!l->col[c].warns) only_warnings(&part, cell), cell = glim_buf_cstr(&part);
        rc = glim_terms_fold(&b, cell, strlen(cell), err);
        if (rc == GLIM_OK && !says(glim_buf_cstr(&b), "", words)) continue;
        glim_buf_clear(&name);
        for (size_t k = 0; rc == GLIM_OK && k < 2; k++) { /* in both languages */
            const char *s = glim_lib_row_name(l, row, k == 0);
            rc = glim_terms_fold(&name, s, strlen(s), err);
            glim_buf_putc(&name, ' ');
        }
        if (rc == GLIM_OK && says(glim_buf_cstr(&b), glim_buf_cstr(&name), words)) *col = (int)c;
    }
    glim_buf_free(&part);
    glim_buf_free(&name);
    glim_buf_free(&b);
    return rc;
}

glim_status glim_shop_warned(const glim_lib *l, uint32_t row, const char *words, int *col, glim_err *err) { return warned(l, row, words, true, col, err); }

glim_status glim_shop_anyone_warned(const glim_lib *l, const char *words, bool *any, glim_err *err) {
    enum { CELLS = 5000 }; /* an answer is due in milliseconds; a column that warns is read to its end */
    glim_status rc = GLIM_OK;
    int col = -1;
    for (uint32_t r = 0; rc == GLIM_OK && col < 0 && r < l->n_rows; r++) rc = warned(l, r, words, r < CELLS, &col, err);
    *any = col >= 0;
    return rc;
}

glim_status glim_shop_mind_warnings(glim_shop *s, const uint32_t *row, size_t n, const char *words, bool *refuse, glim_err *err) {
    glim_filter *f = &s->filter;
    const glim_lib *l = s->lib;
    glim_buf said = {0};
    size_t kept = 0;
    bool cond = false;
    glim_status rc = GLIM_OK;
    *refuse = false;
    for (size_t i = 0; i < f->n_ask; i++)
        if (l->col[f->ask[i]].warns) return rc; /* "what are the contraindications" */
    for (size_t i = 0; i < f->n_cond; i++) {
        const glim_cond *c = &f->cond[i];
        if ((c->op == GLIM_COND_IS || c->op == GLIM_COND_IS_NOT) && l->col[c->col].warns) {
            cond = true;
            rc = rc == GLIM_OK ? glim_terms_fold(&said, l->col[c->col].value[c->value].text, strlen(l->col[c->col].value[c->value].text), err) : rc;
            glim_buf_putc(&said, ' ');
        } else {
            f->cond[kept++] = *c;
        }
    }
    if (cond) f->n_cond = kept;
    glim_buf_puts(&said, words);
    int col = -1;
    for (size_t i = 0; rc == GLIM_OK && i < n; i++) {
        int is = -1;
        rc = glim_shop_warned(l, row[i], glim_buf_cstr(&said), &is, err);
        if (i == 0) col = is;
        else if (is < 0) col = cond ? -1 : col;
    }
    if (rc == GLIM_OK && col >= 0) { /* beside what else is asked for, its price, its dosage */
        f->n_ask = f->n_ask < GLIM_FILTER_ASKS ? f->n_ask + 1 : f->n_ask;
        memmove(f->ask + 1, f->ask, (f->n_ask - 1) * sizeof *f->ask);
        f->ask[0] = col;
        f->n_cond = 0;
    }
    *refuse = cond && col < 0;
    if (rc == GLIM_OK && n && col < 0 && !cond && f->of_it && f->n_ask == 0) rc = glim_shop_anyone_warned(l, words, refuse, err); /* others are not for pregnant women: of this one nobody knows */
    glim_buf_free(&said);
    return rc;
}
