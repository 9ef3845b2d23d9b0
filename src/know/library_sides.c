/* library_sides.c - "60×55×85" under "Dimensions (W×D×H cm)": a width, a depth and a height, each a column of numbers of its own.
 *
 * Such a column stands behind those of the file (n_col > n_own), has no cell there and is not shown in lists: questions bound, order and ask it. A
 * heading that does not say which side comes first is left as it is, and so is a side that the table has a column for. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "know/filter_words.h"
#include "know/library_internal.h"
#include "know/units.h"

enum { SIDES = 3 };

typedef struct sides {
    int about[SIDES];
    size_t n;
    const char *unit; /* of the heading, or of the first cell that has one; NULL */
} sides;

/* The length of what stands for a side at s, "W", "宽"; *about: which. */
static size_t side_at(const char *s, int *about) {
    static const struct {
        const char *text;
        int about;
    } words[] = {{"w", GLIM_CONCEPT_WIDTH}, {"b", GLIM_CONCEPT_WIDTH}, {"宽", GLIM_CONCEPT_WIDTH}, {"d", GLIM_CONCEPT_DEPTH}, {"t", GLIM_CONCEPT_DEPTH}, {"深", GLIM_CONCEPT_DEPTH},
                 {"h", GLIM_CONCEPT_HEIGHT}, {"高", GLIM_CONCEPT_HEIGHT}, {"l", GLIM_CONCEPT_LENGTH}, {"长", GLIM_CONCEPT_LENGTH}, {"厚", GLIM_CONCEPT_THICKNESS}};
    for (size_t i = 0; i < GLIM_COUNT(words); i++)
        if (strncasecmp(s, words[i].text, strlen(words[i].text)) == 0) return *about = words[i].about, strlen(words[i].text);
    return 0;
}

/* The length of the mark between two sides at s, with the spaces around it. */
static size_t mark_at(const char *s) {
    static const char *const marks[] = {"×", "x", "*", "✕", "✖", "х"};
    const size_t from = strspn(s, " ");
    for (size_t i = 0; i < GLIM_COUNT(marks); i++)
        if (strncasecmp(s + from, marks[i], strlen(marks[i])) == 0) return from + strlen(marks[i]) + strspn(s + from + strlen(marks[i]), " ");
    return 0;
}

static bool heading_sides(const char *heading, sides *out) {
    for (const char *p = heading; *p; p++) {
        if (p > heading && isalnum((unsigned char)p[-1])) continue;
        *out = (sides){0};
        const char *q = p;
        for (size_t k; out->n < SIDES && (k = side_at(q, &out->about[out->n])) > 0;) {
            q += k;
            out->n++;
            k = mark_at(q);
            int ignored;
            if (k == 0 && (unsigned char)*q < 0x80) break; /* "长宽高" has none */
            if (!side_at(q + k, &ignored)) break;
            q += k;
        }
        if (out->n >= 2 && !isalnum((unsigned char)*q)) return true;
    }
    return false;
}

/* The unit of a length at s, with nothing but spaces and a bracket before it, or NULL. */
static const char *unit_at(const char *s, bool end) {
    const char *best = NULL;
    s += strspn(s, " ");
    for (size_t m = 0; m < glim_n_measures; m++) {
        const glim_measure *x = &glim_measures[m];
        const size_t n = strlen(x->text);
        if (strcmp(x->of, "in") != 0 || strncasecmp(s, x->text, n) != 0 || isalnum((unsigned char)s[n]) || (end && s[n + strspn(s + n, " ")])) continue;
        if (!best || n > strlen(best)) best = x->text;
    }
    return best;
}

static const char *heading_unit(const char *heading) {
    const char *unit = NULL;
    for (const char *p = heading; *p && !unit; p++)
        if (p == heading || !isalnum((unsigned char)p[-1])) unit = ((unsigned char)*p & 0xc0) == 0x80 ? NULL : unit_at(p, false);
    return unit;
}

/* "60 × 55 × 85 cm": as many figures as sides. */
static bool cell_sides(const char *s, size_t n, double v[SIDES], const char **unit) {
    for (size_t i = 0; i < n; i++) {
        char t[24];
        const size_t len = strspn(s += strspn(s, " "), "0123456789.,");
        if (len == 0 || len >= sizeof t) return false;
        snprintf(t, sizeof t, "%.*s", (int)len, s);
        for (char *p = t; *p; p++)
            if (*p == ',') *p = '.';
        v[i] = strtod(t, NULL);
        s += len;
        if (i + 1 == n) break;
        const char *own = unit_at(s, false); /* "60 cm × 55 cm" */
        if (own) s += strspn(s, " ") + strlen(own);
        const size_t k = mark_at(s);
        if (k == 0) return false;
        s += k;
    }
    *unit = unit_at(s, true);
    return *unit || !s[strspn(s, " ")];
}

static bool is_side(const char *word) {
    static const int of[] = {GLIM_CONCEPT_WIDTH, GLIM_CONCEPT_DEPTH, GLIM_CONCEPT_HEIGHT, GLIM_CONCEPT_LENGTH, GLIM_CONCEPT_THICKNESS};
    const int about = glim_concept_of(word);
    for (size_t i = 0; i < GLIM_COUNT(of); i++)
        if (about == of[i]) return true;
    return false;
}

/* The sides have words of their own now: who asks how wide it is asks for the width. */
static void leave_words(glim_lib_col *c) {
    size_t n = 0, named = 0;
    for (size_t a = 0; a < c->n_alias; a++) {
        if (is_side(c->alias[a])) {
            free(c->alias[a]);
            continue;
        }
        named += a < c->n_named;
        c->alias[n++] = c->alias[a];
    }
    c->n_alias = n, c->n_named = named;
}

static glim_status add_side(glim_lib *l, size_t of, size_t side, int about, const char *unit, glim_err *err) {
    void *p = l->col;
    glim_status rc = glim_try_realloc(&p, l->n_col + 1, sizeof *l->col, "columns of sides", err);
    if (rc != GLIM_OK) return rc;
    l->col = p;
    glim_lib_col *c = &l->col[l->n_col];
    *c = (glim_lib_col){.type = GLIM_LIB_NUMBER, .concept = about, .part_of = (int)of + 1, .side = side, .column = glim_xstrdup(glim_concepts[about].en), .zh = glim_xstrdup(glim_concepts[about].zh), .en = glim_xstrdup(glim_concepts[about].en)};
    l->n_col++;
    if (unit) {
        static const char *const both[][2] = {{"cm", "厘米"}, {"mm", "毫米"}, {"m", "米"}, {"inches", "英寸"}};
        const char *zh = unit, *en = unit;
        for (size_t i = 0; i < GLIM_COUNT(both); i++) /* shown as the file writes it to those who read it so */
            if (strcmp(both[i][0], unit) == 0 || strcmp(both[i][1], unit) == 0) en = both[i][0], zh = (unsigned char)unit[0] < 0x80 ? unit : both[i][1];
        c->unit_zh = glim_xstrdup(zh);
        c->unit_en = glim_xstrdup(en);
    }
    for (const char *const *w = glim_concepts[about].word; rc == GLIM_OK && *w; w++) rc = glim_lib_alias(&c->alias, &c->n_alias, *w, err);
    c->n_named = c->n_alias;
    void *numbers = NULL, *texts = NULL;
    if (rc == GLIM_OK) rc = glim_try_calloc(&numbers, l->n_rows + 1, sizeof *c->number, "sides of a library", err);
    c->number = numbers;
    if (rc == GLIM_OK) rc = glim_try_calloc(&texts, l->n_rows + 1, sizeof *c->part, "sides of a library", err);
    c->part = texts;
    return rc;
}

/* The figures of one row, where it has them in the unit of the heading or of its own. */
static void fill(glim_lib_col *c, const char *cell, size_t n, uint32_t row) {
    double v[SIDES];
    const char *unit;
    c->number[row] = NAN;
    c->part[row][0] = 0;
    if (!cell_sides(cell, n, v, &unit)) return;
    const int is = glim_measure_of(unit), own = glim_measure_of(c->unit_en);
    if (is >= 0 && own >= 0) v[c->side] *= glim_measures[is].v / glim_measures[own].v;
    c->number[row] = round(v[c->side] * 1e6) / 1e6;
    snprintf(c->part[row], sizeof c->part[row], "%.8g", c->number[row]);
}

/* Do the cells say what the heading says, nearly all of them? *unit: of the first that has one. */
static bool fits(const glim_lib *l, size_t c, sides *s) {
    double v[SIDES];
    size_t n = 0, n_fit = 0;
    for (uint32_t r = 0; r < l->n_rows; r++) {
        const char *cell = glim_lib_cell(l, r, c), *unit = NULL;
        if (!*cell) continue;
        n++;
        if (!cell_sides(cell, s->n, v, &unit)) continue;
        n_fit++;
        if (!s->unit) s->unit = unit;
    }
    return n_fit > 0 && n_fit * 4 >= n * 3;
}

static bool has_column(const glim_lib *l, int about) {
    for (size_t c = 0; c < l->n_col; c++)
        if (l->col[c].concept == about && l->col[c].number && l->col[c].type != GLIM_LIB_HIDDEN) return true;
    return false;
}

glim_status glim_lib_sides(glim_lib *l, glim_err *err) {
    glim_status rc = GLIM_OK;
    for (size_t c = 0; rc == GLIM_OK && l->n_col == l->n_own && c < l->n_own; c++) {
        sides s;
        const glim_lib_type t = l->col[c].type;
        if ((t != GLIM_LIB_TEXT && t != GLIM_LIB_ENUM) || !heading_sides(l->col[c].column, &s)) continue;
        s.unit = heading_unit(l->col[c].column);
        if (!fits(l, c, &s) || l->n_col + SIDES > GLIM_LIB_MAX_COLS) continue;
        leave_words(&l->col[c]);
        for (size_t i = 0; rc == GLIM_OK && i < s.n; i++)
            if (!has_column(l, s.about[i])) rc = add_side(l, c, i, s.about[i], s.unit, err);
        l->col[c].n_sides = s.n;
        break; /* of two such columns nobody knows which is meant */
    }
    for (size_t c = l->n_own; rc == GLIM_OK && c < l->n_col; c++) {
        const size_t of = (size_t)l->col[c].part_of - 1;
        for (uint32_t r = 0; r < l->n_rows; r++) fill(&l->col[c], glim_lib_cell(l, r, of), l->col[of].n_sides, r);
    }
    return rc;
}
