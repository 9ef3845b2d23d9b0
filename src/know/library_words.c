/* library_words.c - what the rows say beside their cells: other words for values, degrees, years and ranges of them, what the goods are called.
 *
 * All of it is made again after corrections, so that a library that was corrected knows what one that was read so knows. Words that are derived
 * stand behind those of the cells and the schema. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "know/filter_words.h"
#include "know/library_internal.h"
#include "know/value_words.h"

static bool only_years(const glim_lib *l, size_t c) {
    const glim_lib_col *col = &l->col[c];
    bool any = col->concept == GLIM_CONCEPT_YEAR && col->type == GLIM_LIB_NUMBER;
    for (uint32_t r = 0; any && r < l->n_rows; r++) any = isnan(col->number[r]) || (col->number[r] >= 1000 && col->number[r] <= 2200 && floor(col->number[r]) == col->number[r]);
    return any;
}

typedef struct surname {
    const char *text; /* in the value's first alias */
    size_t value;
} surname;

static int by_surname(const void *a, const void *b) { return strcmp(((const surname *)a)->text, ((const surname *)b)->text); }

/* "Kafka" means Franz Kafka, where no other author ends so. */
static glim_status surnames(glim_lib_col *c, glim_err *err) {
    if (c->type != GLIM_LIB_ENUM || (c->concept != GLIM_CONCEPT_AUTHOR && c->concept != GLIM_CONCEPT_TEACHER)) return GLIM_OK;
    void *mem = NULL;
    glim_status rc = glim_try_calloc(&mem, c->n_value + 1, sizeof(surname), "names of a column", err);
    surname *s = mem;
    size_t n = 0;
    for (size_t v = 0; rc == GLIM_OK && v < c->n_value; v++) {
        const char *last = c->value[v].n_alias ? strrchr(c->value[v].alias[0], ' ') : NULL;
        if (last) s[n++] = (surname){last + 1, v};
    }
    if (n) qsort(s, n, sizeof *s, by_surname);
    for (size_t i = 0; rc == GLIM_OK && i < n; i++) {
        const bool alone = (i == 0 || strcmp(s[i - 1].text, s[i].text) != 0) && (i + 1 == n || strcmp(s[i + 1].text, s[i].text) != 0);
        if (alone && strlen(s[i].text) > 3 && (unsigned char)s[i].text[0] < 0x80) rc = glim_lib_value_derived(c, s[i].value, s[i].text, err);
    }
    free(s);
    return rc;
}

static bool says_wine(const char *s) {
    if (strstr(s, "葡萄酒") || strstr(s, "红酒")) return true;
    for (const char *p = s; (p = strstr(p, "wine")) != NULL; p++) { /* no "twine", no "winery" */
        const char *end = p[4] == 's' ? p + 5 : p + 4;
        if ((p == s || !isalpha((unsigned char)p[-1])) && !isalpha((unsigned char)*end)) return true;
    }
    return false;
}

/* Is the table about wine? By a column of alcohol, by what its rows are called, or by a kind that is. */
static bool of_wine(const glim_lib *l) {
    for (size_t g = 0; g < l->n_goods; g++)
        if (says_wine(l->goods[g])) return true;
    for (size_t c = 0; c < l->n_col; c++) {
        const glim_lib_col *col = &l->col[c];
        if (col->type == GLIM_LIB_HIDDEN) continue;
        if (col->concept == GLIM_CONCEPT_ALCOHOL) return true;
        for (size_t v = 0; v < col->n_value && col->concept == GLIM_CONCEPT_KIND; v++)
            if (col->value[v].n_alias && says_wine(col->value[v].alias[0])) return true;
    }
    return false;
}

static bool is_value(const glim_lib *l, const char *word) {
    for (size_t d = 0; d < l->n_col; d++)
        for (size_t x = 0; x < l->col[d].n_value; x++)
            if (l->col[d].value[x].n_alias && strcmp(l->col[d].value[x].alias[0], word) == 0) return true;
    return false;
}

/* Values by their words in the other language, where no value of the table is called so. */
static glim_status translated(glim_lib *l, size_t c, bool wine, glim_err *err) {
    glim_lib_col *col = &l->col[c];
    glim_status rc = GLIM_OK;
    for (size_t v = 0; rc == GLIM_OK && col->type == GLIM_LIB_ENUM && v < col->n_value; v++) {
        if (col->value[v].en || col->value[v].n_alias != 1) continue; /* a schema says what it is called */
        const glim_lib_value *is = &col->value[v];
        const char *const *w = glim_value_words(is->n_marked ? is->marked[0] : is->alias[0], wine);
        for (; rc == GLIM_OK && w && *w; w++)
            if (!is_value(l, *w)) rc = glim_lib_value_derived(col, v, *w, err);
    }
    return rc;
}

/* "SPF50" of the value "SPF 50", and the other way round: people type a word and a figure with and without a space. */
static glim_status spaced(glim_lib *l, size_t c, glim_err *err) {
    glim_lib_col *col = &l->col[c];
    glim_status rc = GLIM_OK;
    for (size_t v = 0; rc == GLIM_OK && col->type == GLIM_LIB_ENUM && v < col->n_value; v++)
        for (size_t a = 0; rc == GLIM_OK && a < col->value[v].n_said; a++) {
            const char *is = col->value[v].alias[a];
            glim_buf apart = {0}, joined = {0};
            for (const char *p = is; *p; p++) {
                const bool word = p > is + 1 && islower((unsigned char)p[-1]) && islower((unsigned char)p[-2]); /* two letters: "a 4" is no "a4" */
                if (word && isdigit((unsigned char)*p)) glim_buf_putc(&apart, ' ');
                glim_buf_putc(&apart, *p);
                if (!(word && *p == ' ' && isdigit((unsigned char)p[1]))) glim_buf_putc(&joined, *p);
            }
            const char *const other[] = {glim_buf_cstr(&apart), glim_buf_cstr(&joined)};
            for (size_t k = 0; rc == GLIM_OK && k < GLIM_COUNT(other); k++)
                if (strcmp(other[k], is) != 0 && !glim_lib_says(l, other[k])) rc = glim_lib_value_derived(col, v, other[k], err);
            glim_buf_free(&apart);
            glim_buf_free(&joined);
        }
    return rc;
}

/* "2018-2020", "2018", "2018 至今", "since 2018": the years, or false. */
static bool year_range(const char *s, double *from, double *to) {
    static const char *const begins[] = {"since ", "from ", "ab ", "自"}, *const until[] = {"-", "–", "—", "~", "～", "/", "to ", "bis ", "至", "到"}, *const open[] = {"", "+", "-", "–", "起", "至今", "以后", "后", "on", "onwards", "onward", "and later", "and newer", "today", "now"};
    bool since = false;
    for (size_t i = 0; i < GLIM_COUNT(begins) && !since; i++)
        if (strncasecmp(s, begins[i], strlen(begins[i])) == 0) since = true, s += strlen(begins[i]);
    for (int k = 0; k < 2; k++) {
        s += strspn(s, " ");
        if (strspn(s, "0123456789") != 4) return false;
        *(k ? to : from) = strtod(s, NULL);
        s += 4;
        if (strncmp(s, "年", 3) == 0) s += 3;
        s += strspn(s, " ");
        if (k) break;
        size_t n = 0;
        for (size_t i = 0; i < GLIM_COUNT(until); i++)
            if (strncasecmp(s, until[i], strlen(until[i])) == 0) n = strlen(until[i]);
        if (n && isdigit((unsigned char)s[n + strspn(s + n, " ")])) {
            s += n;
            continue;
        }
        for (size_t i = 0; i < GLIM_COUNT(open); i++)
            if (strcasecmp(s, open[i]) == 0) return *to = *open[i] || since ? INFINITY : *from, true;
        return false;
    }
    return *s == 0 && *from <= *to;
}

/* A column of which every cell says years and one of them a range: what lies in it is asked for. */
static glim_status spans(glim_lib *l, size_t c, glim_err *err) {
    glim_lib_col *col = &l->col[c];
    bool any = false, all = col->type == GLIM_LIB_TEXT || (col->type == GLIM_LIB_ENUM && !col->many);
    free(col->span);
    col->span = NULL;
    for (uint32_t r = 0; all && r < l->n_rows; r++) {
        double y[2];
        const char *cell = glim_lib_cell(l, r, c);
        if (!*cell) continue;
        all = year_range(cell, &y[0], &y[1]) && y[0] >= 1900 && y[0] <= 2100 && (y[1] <= 2100 || isinf(y[1]));
        any |= all && y[0] < y[1];
    }
    if (!all || !any) return GLIM_OK;
    void *mem = NULL;
    glim_status rc = glim_try_calloc(&mem, l->n_rows, sizeof *col->span, "ranges of years", err);
    if (rc != GLIM_OK) return rc;
    col->span = mem;
    for (uint32_t r = 0; r < l->n_rows; r++)
        if (!year_range(glim_lib_cell(l, r, c), &col->span[r].from, &col->span[r].to)) col->span[r].from = col->span[r].to = NAN;
    return rc;
}

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* "bike" of the kind "E-bike": what is behind the mark is what all of them are, unless it is a kind of its own. */
static glim_status tails(glim_lib *l, size_t c, glim_err *err) {
    const glim_lib_col *col = &l->col[c];
    if (col->type != GLIM_LIB_ENUM || col->concept != GLIM_CONCEPT_KIND) return GLIM_OK;
    void *mem = NULL;
    glim_status rc = glim_try_calloc(&mem, col->n_value + 1, sizeof(char *), "values of a column", err);
    const char **kinds = mem;
    size_t n = 0;
    for (size_t v = 0; rc == GLIM_OK && v < col->n_value; v++)
        if (col->value[v].n_alias) kinds[n++] = col->value[v].alias[0]; /* none: a text too long for a word, or of nothing to read */
    if (n) qsort(kinds, n, sizeof *kinds, by_text);
    for (size_t v = 0; rc == GLIM_OK && v < n; v++) {
        const char *is = kinds[v], *tail = strrchr(is, '-');
        bool plain = tail && tail > is && strlen(tail) > 3 && strlen(tail) < 32;
        for (const char *p = tail; plain && *++p;) plain = *p >= 'a' && *p <= 'z';
        if (!plain) continue;
        const char *key = tail + 1;
        if (!bsearch(&key, kinds, n, sizeof *kinds, by_text)) rc = glim_lib_alias(&l->goods, &l->n_goods, key, err);
    }
    free(kinds);
    return rc;
}

/* Values keep the words of the schema and of the cells. */
static void drop_derived(glim_lib *l) {
    for (size_t i = l->n_goods_said; i < l->n_goods; i++) free(l->goods[i]);
    l->n_goods = l->n_goods_said;
    for (size_t c = 0; c < l->n_col; c++)
        for (size_t i = 0; i < l->col[c].n_value; i++) {
            glim_lib_value *v = &l->col[c].value[i];
            for (size_t a = v->n_said; a < v->n_alias; a++) free(v->alias[a]);
            for (size_t a = v->n_said_marked; a < v->n_marked; a++) free(v->marked[a]);
            v->n_alias = v->n_said, v->n_marked = v->n_said_marked;
        }
}

glim_status glim_lib_derive(glim_lib *l, glim_err *err) {
    glim_status rc = GLIM_OK;
    drop_derived(l);
    for (size_t c = 0; rc == GLIM_OK && c < l->n_col; c++) glim_lib_grade(l, c), l->col[c].years = only_years(l, c), rc = surnames(&l->col[c], err);
    const bool wine = rc == GLIM_OK && of_wine(l);
    for (size_t c = 0; rc == GLIM_OK && c < l->n_col; c++) rc = translated(l, c, wine, err);
    for (size_t c = 0; rc == GLIM_OK && c < l->n_col; c++) rc = spaced(l, c, err);
    for (size_t c = 0; rc == GLIM_OK && c < l->n_col; c++) rc = spans(l, c, err);
    for (size_t c = 0; rc == GLIM_OK && c < l->n_col; c++) rc = tails(l, c, err);
    if (rc == GLIM_OK) rc = glim_lib_sides(l, err);
    return rc;
}
