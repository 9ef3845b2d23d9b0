/* library_sides.c - "60×55×85" under "Dimensions (W×D×H cm)": a width, a depth and a height, each a column of numbers of its own.
 *
 * Such a column stands behind those of the file (n_col > n_own), has no cell there and is not shown in lists: questions bound, order and ask it.
 * A column stays the text it is unless all of this is sure: the heading speaks of the goods' own size, says which side comes first, and nothing else
 * ("Packaging (L×W×H)", "Resolution (W×H)" do not); no other column has sides or is one; every cell is that many plain figures ("1,200" may be two
 * of them); and every figure's unit is known. A correction of a cell has to read so too. */
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
    const char *unit; /* of the heading, or of the first cell */
    bool heads;       /* the heading has it, and a cell need not */
} sides;

static bool ends_word(const char *s) { return !isalnum((unsigned char)*s) && (unsigned char)*s < 0x80; }

/* The length of the mark between two sides at s, with the spaces around it. */
static size_t mark_at(const char *s) {
    static const char *const marks[] = {"×", "x", "*", "✕", "✖", "х"};
    const size_t from = strspn(s, " ");
    for (size_t i = 0; i < GLIM_COUNT(marks); i++)
        if (strncasecmp(s + from, marks[i], strlen(marks[i])) == 0) return from + strlen(marks[i]) + strspn(s + from + strlen(marks[i]), " ");
    return 0;
}

/* The length of a unit of length at s, and the unit; 0: there is none. */
static size_t unit_at(const char *s, const char **unit) {
    size_t best = 0;
    for (size_t m = 0; m < glim_n_measures; m++) {
        const glim_measure *x = &glim_measures[m];
        const size_t n = strlen(x->text);
        if (n <= best || strcmp(x->of, "in") != 0 || strncasecmp(s, x->text, n) != 0 || ((unsigned char)*s < 0x80 && isalnum((unsigned char)s[n]))) continue;
        best = n, *unit = x->text;
    }
    return best;
}

/* "W×D×H" in capitals or not, "长×宽×高", "长宽高", up to a unit or the end of a word. Returns its length, or 0. */
static size_t sides_at(const char *s, sides *out) {
    static const struct {
        const char *text;
        int about;
    } chinese[] = {{"长", GLIM_CONCEPT_LENGTH}, {"宽", GLIM_CONCEPT_WIDTH}, {"深", GLIM_CONCEPT_DEPTH}, {"高", GLIM_CONCEPT_HEIGHT}, {"厚", GLIM_CONCEPT_THICKNESS}};
    const char *q = s, *unit;
    char letters[SIDES + 1] = "";
    out->n = 0;
    if ((unsigned char)*s < 0x80) {
        for (size_t k = 1; k; q += k) {
            if (out->n == SIDES || !*q || !strchr("wbdthl", tolower((unsigned char)*q))) return 0;
            letters[out->n++] = (char)tolower((unsigned char)*q++);
            k = mark_at(q);
        }
        if (out->n < 2 || (!ends_word(q) && !unit_at(q, &unit))) return 0;
        /* Without a width it may be a diameter and a length, or another language's letters; a German "T" is a depth, an English one a thickness. */
        const bool b = strchr(letters, 'b'), w = strchr(letters, 'w'), h = strchr(letters, 'h'), t = strchr(letters, 't');
        if (b == w || (t && strchr(letters, 'd')) || (t && b && !h)) return 0;
        if (t && w && letters[out->n - 1] != 't') return 0;
        for (size_t i = 0; i < out->n; i++) {
            const char c = letters[i];
            if (strchr(letters + i + 1, c)) return 0;
            out->about[i] = c == 'w' || c == 'b' ? GLIM_CONCEPT_WIDTH : c == 'd' || (c == 't' && b) ? GLIM_CONCEPT_DEPTH : c == 't' ? GLIM_CONCEPT_THICKNESS : c == 'h' ? GLIM_CONCEPT_HEIGHT : GLIM_CONCEPT_LENGTH;
        }
        return (size_t)(q - s);
    }
    for (;;) {
        size_t i = 0;
        while (i < GLIM_COUNT(chinese) && strncmp(q, chinese[i].text, strlen(chinese[i].text)) != 0) i++;
        if (i == GLIM_COUNT(chinese)) break;
        for (size_t k = 0; k < out->n; k++)
            if (out->about[k] == chinese[i].about) return 0;
        if (out->n == SIDES) return 0;
        out->about[out->n++] = chinese[i].about;
        q += strlen(chinese[i].text);
        const size_t k = mark_at(q);
        if (k && ((unsigned char)q[k] < 0x80)) return 0;
        q += k;
    }
    return out->n >= 2 ? (size_t)(q - s) : 0;
}

/* Does the heading say which sides there are, of the goods themselves, in what unit, and nothing else? */
static bool heading_sides(const char *heading, sides *out) {
    static const char *const own[] = {"product dimensions", "overall dimensions", "overall size", "product size", "dimensions", "dimension", "size", "abmessungen", "abmessung", "maße", "masse", "größe",
                                      "外形尺寸", "产品尺寸", "商品尺寸", "尺寸", "规格", "大小"};
    static const char *const marks[] = {" ", "(", ")", "[", "]", ",", ":", "/", "-", ".", "（", "）", "：", "，", "【", "】"};
    bool sides_said = false, subject = false, in = false;
    *out = (sides){0};
    for (const char *p = heading; *p;) {
        size_t k = 0;
        for (size_t i = 0; k == 0 && i < GLIM_COUNT(marks); i++)
            if (strncmp(p, marks[i], strlen(marks[i])) == 0) k = strlen(marks[i]);
        for (size_t i = 0; k == 0 && !subject && i < GLIM_COUNT(own); i++)
            if (strncasecmp(p, own[i], strlen(own[i])) == 0 && ((unsigned char)*p >= 0x80 || ends_word(p + strlen(own[i])))) k = strlen(own[i]), subject = true;
        if (k == 0 && !sides_said) k = sides_at(p, out), sides_said = k > 0;
        if (k == 0 && !in && !out->unit && strncasecmp(p, "in", 2) == 0 && ends_word(p + 2)) k = 2, in = true; /* a word, or the inch, if nothing follows */
        if (k == 0 && !in && !out->unit && strncmp(p, "单位", strlen("单位")) == 0) k = strlen("单位");
        if (k == 0 && !out->unit) k = unit_at(p, &out->unit);
        if (k == 0) return false;
        p += k;
    }
    if (in && !out->unit) out->unit = "in";
    return sides_said;
}

/* A figure at s without a sign that may be one of thousands: "185", "0.45", "12,5". Returns its length, or 0. */
static size_t figure_at(const char *s, double *v) {
    static const double tens[] = {1, 10, 100, 1e3, 1e4, 1e5, 1e6};
    size_t n = 0, behind = 0;
    double x = 0;
    for (; isdigit((unsigned char)s[n]); n++) x = 10 * x + (s[n] - '0');
    if (n == 0 || n > 9) return 0;
    const size_t before = n;
    if (s[n] == '.' || s[n] == ',') {
        for (n++; isdigit((unsigned char)s[n]); n++, behind++) x = 10 * x + (s[n] - '0');
        if (behind == 0 || behind >= GLIM_COUNT(tens) || (behind == 3 && !(before == 1 && s[0] == '0'))) return 0; /* "1,200" */
        if (s[n] == '.' || s[n] == ',') return 0;
    }
    *v = x / tens[behind];
    return n;
}

/* "60 × 55 × 85 cm", "2 m × 60 cm × 40 cm": as many figures as sides, and the unit of each; one behind the last alone is that of all. */
static bool cell_sides(const char *s, size_t n, double v[SIDES], const char *unit[SIDES]) {
    size_t n_unit = 0;
    for (size_t i = 0; i < n; i++) {
        s += strspn(s, " ");
        const size_t len = figure_at(s, &v[i]);
        if (len == 0) return false;
        s += len;
        size_t k = i + 1 < n ? mark_at(s) : 0;
        unit[i] = NULL;
        if (k == 0) {
            s += strspn(s, " ");
            s += *s ? unit_at(s, &unit[i]) : 0;
            n_unit += unit[i] != NULL;
            k = i + 1 < n ? mark_at(s) : 0;
        }
        if (k == 0 && i + 1 < n) return false;
        s += k;
    }
    if (n_unit == 1 && unit[n - 1])
        for (size_t i = 0; i + 1 < n; i++) unit[i] = unit[n - 1];
    else if (n_unit != 0 && n_unit != n) return false;
    return !s[strspn(s, " ")];
}

static bool is_side_concept(int about) {
    static const int of[] = {GLIM_CONCEPT_WIDTH, GLIM_CONCEPT_DEPTH, GLIM_CONCEPT_HEIGHT, GLIM_CONCEPT_LENGTH, GLIM_CONCEPT_THICKNESS};
    for (size_t i = 0; i < GLIM_COUNT(of); i++)
        if (about == of[i]) return true;
    return false;
}

static bool is_side(const char *word) { return is_side_concept(glim_concept_of(word)); }

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

/* The figures of one row into the columns of its sides; false: the cell does not read. */
static bool fill(glim_lib *l, size_t of, const sides *s, const char *cell, uint32_t row) {
    double v[SIDES];
    const char *unit[SIDES];
    const bool any = *cell && !glim_lib_blank(cell);
    if (any && (!cell_sides(cell, s->n, v, unit) || (!s->heads && !unit[0]))) return false;
    for (size_t c = l->n_own; c < l->n_col; c++) {
        glim_lib_col *x = &l->col[c];
        x->number[row] = NAN;
        x->part[row][0] = 0;
        if (x->part_of != (int)of + 1 || !any) continue;
        double y = v[x->side];
        const char *own = unit[x->side];
        if (own && strcasecmp(own, s->unit) != 0) y = round(y * glim_measures[glim_measure_of(own)].v / glim_measures[glim_measure_of(s->unit)].v * 1e6) / 1e6;
        x->number[row] = y;
        if (y < 1e6 && y == (double)(int)y) { /* most are, and there may be hundreds of thousands */
            char digits[8], *p = x->part[row];
            size_t n = 0;
            for (int i = (int)y; n == 0 || i; i /= 10) digits[n++] = (char)('0' + i % 10);
            while (n) *p++ = digits[--n];
            *p = 0;
        } else {
            snprintf(x->part[row], sizeof x->part[row], "%.8g", y);
        }
    }
    return true;
}

/* Is the column about a side, or has sides, in any form? Then of two columns nobody knows which is meant. */
static bool rivals(const glim_lib_col *c) {
    static const char *const words[] = {"length", "width", "height", "depth", "thickness", "länge", "breite", "höhe", "tiefe", "长度", "宽度", "高度", "深度", "厚度"};
    sides ignored;
    if (is_side_concept(c->concept)) return true;
    for (size_t a = 0; a < c->n_alias; a++)
        if (is_side(c->alias[a])) return true;
    for (size_t i = 0; i < GLIM_COUNT(words); i++)
        if (strcasestr(c->column, words[i])) return true;
    for (const char *p = c->column; *p; p++)
        if ((p == c->column || !isalnum((unsigned char)p[-1])) && sides_at(p, &ignored)) return true;
    return false;
}

/* The sides that column c is known by, with the unit of the first cell where the heading has none. */
static bool sides_of(const glim_lib *l, size_t c, sides *s) {
    const glim_lib_type t = l->col[c].type;
    if ((t != GLIM_LIB_TEXT && t != GLIM_LIB_ENUM) || l->n_own + SIDES > GLIM_LIB_MAX_COLS || !heading_sides(l->col[c].column, s)) return false;
    for (size_t k = 0; k < l->n_own; k++)
        if (k != c && rivals(&l->col[k])) return false;
    double v[SIDES];
    const char *unit[SIDES], *cell = "";
    for (uint32_t r = 0; r < l->n_rows && !*cell; r++) cell = glim_lib_cell(l, r, c);
    if (!cell_sides(cell, s->n, v, unit)) return false;
    s->heads = s->unit != NULL;
    if (!s->unit) s->unit = unit[0];
    return s->unit != NULL; /* "205×65" of a tyre is a width and a share of it */
}

glim_status glim_lib_sides(glim_lib *l, glim_err *err) {
    sides s;
    size_t of = 0;
    if (l->n_col > l->n_own) return GLIM_OK; /* glim_lib_side_set keeps them */
    while (of < l->n_own && !sides_of(l, of, &s)) of++;
    if (of == l->n_own) return GLIM_OK;
    glim_status rc = GLIM_OK;
    for (size_t i = 0; rc == GLIM_OK && i < s.n; i++) rc = add_side(l, of, i, s.about[i], s.unit, err);
    bool all = rc == GLIM_OK;
    for (uint32_t r = 0; all && r < l->n_rows; r++) all = fill(l, of, &s, glim_lib_cell(l, r, of), r);
    if (!all) {
        while (l->n_col > l->n_own) glim_lib_col_deinit(&l->col[--l->n_col]);
        return rc;
    }
    leave_words(&l->col[of]);
    l->col[of].n_sides = s.n;
    return rc;
}

bool glim_lib_side_set(glim_lib *l, uint32_t row, size_t col, const char *text) {
    sides s;
    if (l->col[col].n_sides == 0 || !heading_sides(l->col[col].column, &s)) return true;
    s.heads = s.unit != NULL;
    if (!s.unit) s.unit = l->col[l->n_own].unit_en;
    return fill(l, col, &s, text, row);
}
