/* library.c - see library.h. */
#include "know/library.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "data/table_schema.h"
#include "know/filter_words.h"
#include "know/library_internal.h"
#include "know/terms.h"
#include "know/units.h"

enum { LINE_COLS = 6, LINE_VALUE = 120, LINE_CHARS = 400 }; /* docs/desk.md */

static const char *const type_names[GLIM_N_LIB_TYPE] = {"hidden", "id", "name", "text", "number", "price", "stock", "bool", "enum", "date"};

const char *glim_lib_type_name(glim_lib_type t) { return t < GLIM_N_LIB_TYPE ? type_names[t] : "?"; }

void glim_lib_free(glim_lib *l) {
    if (!l) return;
    for (size_t c = 0; l->col && c < l->n_col; c++) glim_lib_col_deinit(&l->col[c]);
    while (l->patch) {
        struct glim_lib_patch *next = l->patch->next;
        free(l->patch->text);
        free(l->patch);
        l->patch = next;
    }
    for (size_t i = 0; i < l->n_goods; i++) free(l->goods[i]);
    free(l->goods);
    free(l->col);
    free(l->at);
    free(l->line);
    free(l->name);
    glim_buf_free(&l->text);
    free(l);
}

/* The length of a currency's sign at s. */
static size_t sign_at(const char *s) {
    static const char *const signs[] = {"¥", "￥", "$", "€", "£", "US$", "HK$"};
    for (size_t i = 0; i < GLIM_COUNT(signs); i++)
        if (strncmp(s, signs[i], strlen(signs[i])) == 0) return strlen(signs[i]);
    return 0;
}

/* comma: the decimal mark is a comma and points stand between thousands, "1.249,50". */
static bool number_of(const char *s, bool comma, double *v, const char **unit) {
    const char mark = comma ? ',' : '.', thousands = comma ? '.' : ',';
    while (*s == ' ') s++;
    s += sign_at(s);
    while (*s == ' ') s++; /* "€ 899.00" */
    char t[48];
    size_t n = 0;
    bool digit = false, point = false;
    if (*s == '-' || *s == '+') t[n++] = *s++;
    for (; n < sizeof t - 1; s++) {
        if (isdigit((unsigned char)*s)) digit = true, t[n++] = *s;
        else if (*s == mark && !point && isdigit((unsigned char)s[1])) point = true, t[n++] = '.';
        else if (!(*s == thousands && digit && !point && isdigit((unsigned char)s[1]) && isdigit((unsigned char)s[2]) && isdigit((unsigned char)s[3])))
            break;
    }
    if (!digit) return false;
    t[n] = 0;
    *v = strtod(t, NULL);
    while (*s == ' ') s++;
    *unit = s;
    return isfinite(*v);
}

bool glim_lib_number(const char *s, double *v, const char **unit) { return number_of(s, false, v, unit); }

bool glim_lib_money(const char *s, bool comma, const char **sign) {
    static const char *const signs[][2] = {{"eur", "€"}, {"usd", "$"}, {"gbp", "£"}, {"cny", "¥"}};
    double v;
    const char *unit, *is = NULL;
    while (*s == ' ') s++;
    const size_t n = sign_at(s);
    if (!number_of(s, comma, &v, &unit)) return false;
    if (n == 0) is = glim_currency_of(unit);
    for (size_t i = 0; n && i < glim_n_currencies && !is; i++)
        if (strlen(glim_currencies[i].text) == n && strncasecmp(s, glim_currencies[i].text, n) == 0) is = glim_currencies[i].is;
    for (size_t i = 0; is && i < GLIM_COUNT(signs); i++)
        if (strcmp(is, signs[i][0]) == 0) return *sign = signs[i][1], true;
    return false;
}

const char *glim_lib_part(const glim_lib_col *c, const char **rest, size_t *n) {
    const char *s = *rest;
    for (;;) {
        if (c->many)
            while (*s && (strchr("/;,| ", *s) || strncmp(s, "、", 3) == 0 || strncmp(s, "；", 3) == 0 || strncmp(s, "，", 3) == 0))
                s += (unsigned char)*s < 0x80 ? 1 : 3;
        else
            while (*s == ' ') s++;
        break;
    }
    const char *e = s;
    while (*e && !(c->many && (strchr("/;,|", *e) || strncmp(e, "、", 3) == 0 || strncmp(e, "；", 3) == 0 || strncmp(e, "，", 3) == 0))) e++;
    *rest = e;
    while (e > s && e[-1] == ' ') e--;
    *n = (size_t)(e - s);
    return s;
}

/* "1.200" pieces are no fraction of one. */
bool glim_lib_thousands(const char *s) {
    size_t n = strspn(s, "0123456789");
    if (n == 0 || n > 3 || s[n] != '.' || s[0] == '0') return false;
    for (; s[n] == '.'; n += 4)
        if (strspn(s + n + 1, "0123456789") != 3) return false;
    return s[n] == 0;
}

/* "from €5", "ab 5,00": what stands before the figure of a price from which on it is sold. */
static const char *behind_from(const char *s) {
    static const char *const words[] = {"from ", "starting at ", "starts at ", "ab ", "as of ", "à partir de ", "desde ", "约", "起价"};
    for (size_t i = 0; i < GLIM_COUNT(words); i++)
        if (strncasecmp(s, words[i], strlen(words[i])) == 0) return s + strlen(words[i]);
    return s;
}

bool glim_lib_price_in_words(const char *s, double *v) {
    static const char *const free_[] = {"free", "free of charge", "for free", "gratis", "kostenlos", "gratuit", "免费"};
    *v = NAN;
    for (size_t i = 0; i < GLIM_COUNT(free_); i++)
        if (strcasecmp(s, free_[i]) == 0) *v = 0;
    return *s && strlen(s) <= 40 && !strpbrk(s, "0123456789") && !sign_at(s);
}

/* Prices that are asked for in any business. Other words are a price only where the schema allows them: "cheap" is none. */
static bool asked_for(const char *s) {
    static const char *const words[] = {"面议", "价格面议", "电议", "询价", "待定", "时价", "on request", "price on request", "upon request", "POA", "call us", "call for price", "contact us", "TBA", "TBD", "auf Anfrage", "sur demande"};
    for (size_t i = 0; i < GLIM_COUNT(words); i++)
        if (strcasecmp(s, words[i]) == 0) return true;
    return false;
}

bool glim_lib_exact(const glim_lib *l, uint32_t row, size_t col) {
    const glim_lib_col *c = &l->col[col];
    const char *s = glim_lib_cell(l, row, col), *unit;
    double v;
    return c->number && !isnan(c->number[row]) && number_of(s, c->comma, &v, &unit) && !strstr(unit, "起") && *unit != '+' && strcasecmp(unit, "and up") != 0;
}

bool glim_lib_date(const char *s, double *v) {
    char iso[32];
    int y = 0, m = 0, d = 1, at = 0;
    const size_t n = strlen(s);
    if (glim_value_date(s, iso)) {
        if (sscanf(iso, "%d-%d-%d", &y, &m, &d) != 3) return false;
    } else if (n < 6 || n > 10 || !isdigit((unsigned char)*s)) {
        return false;
    } else if (sscanf(s, "%2d.%2d.%4d%n", &d, &m, &y, &at) == 3 && at == (int)n) { /* "08.06.2027" */
    } else if (d = 1, sscanf(s, "%4d-%2d%n", &y, &m, &at) == 2 && at == (int)n) {  /* "2027-05" */
    } else if (sscanf(s, "%2d/%4d%n", &m, &y, &at) != 2 || at != (int)n) {         /* "05/2027" */
        return false;
    }
    if (y < 1900 || y > 2200 || m < 1 || m > 12 || d < 1 || d > 31) return glim_value_date(s, iso) && (*v = y * 10000 + m * 100 + d, true);
    *v = y * 10000 + m * 100 + d;
    return true;
}

bool glim_lib_blank(const char *s) {
    static const char *const blanks[] = {"-", "–", "—", "--", "——", "/", "n/a", "N/A", "k.A.", "?"};
    for (size_t i = 0; i < GLIM_COUNT(blanks); i++)
        if (strcmp(s, blanks[i]) == 0) return true;
    return !*s;
}

/* Whole cells: "not in stock" has the words of its opposite. "预订" and "on order" are not there yet. */
bool glim_lib_stock_word(const char *s, double *v) {
    static const char *const gone[] = {"缺货", "无货", "售罄", "预订", "预售", "out of stock", "sold out", "on order", "pre-order", "preorder", "back order", "backorder"}, *const there[] = {"有货", "现货", "in stock"};
    for (size_t i = 0; i < GLIM_COUNT(gone); i++)
        if (strcasecmp(s, gone[i]) == 0) return *v = 0, true;
    for (size_t i = 0; i < GLIM_COUNT(there); i++)
        if (strcasecmp(s, there[i]) == 0) return *v = 1, true;
    return false;
}

/* The number that a typed cell stands for; false if it stands for none. */
static bool cell_number(const glim_lib_col *c, const char *s, double *v) {
    const char *unit;
    bool b;
    *v = NAN;
    if (!*s) return true;
    switch (c->type) {
    case GLIM_LIB_BOOL:
        if (c->ticked && strcasecmp(s, "x") == 0) return *v = 1, true;
        if (!glim_value_bool(s, &b)) return false;
        *v = b;
        return true;
    case GLIM_LIB_STOCK: /* pieces, or whether there are any */
        if (glim_value_bool(s, &b)) return *v = b, true;
        if (glim_lib_stock_word(s, v)) return true;
        return number_of(s, c->comma, v, &unit) && strlen(unit) <= 24 && !strpbrk(unit, "0123456789"); /* "36 in stock", as a page shows it */
    case GLIM_LIB_DATE:
        return glim_lib_date(s, v);
    case GLIM_LIB_PRICE:
        if (glim_lib_price_in_words(s, v) && (c->words || asked_for(s) || *v == 0)) return true;
        s = behind_from(s);
        /* fall through */
    case GLIM_LIB_NUMBER: return number_of(s, c->comma, v, &unit) && strlen(unit) <= 24 && !strpbrk(unit, "0123456789");
    default: return true;
    }
}

static bool is_numeric(glim_lib_type t) {
    return t == GLIM_LIB_NUMBER || t == GLIM_LIB_PRICE || t == GLIM_LIB_STOCK || t == GLIM_LIB_BOOL || t == GLIM_LIB_DATE;
}

typedef struct loading {
    glim_lib *l;
    size_t cap_rows;
    size_t *n_no, *cap_no; /* [n_col] enum values so far */
    uint64_t *ids;         /* hashes of ids, open addressing */
    size_t n_ids, cap_ids;
} loading;

static glim_status grow(void **p, size_t n, size_t size, glim_err *err) { return glim_try_realloc(p, n, size, "the rows of a library", err); }

static glim_status more_rows(loading *g, glim_err *err) {
    glim_lib *l = g->l;
    if (l->n_rows == GLIM_LIB_MAX_ROWS) return glim_fail(err, GLIM_E_LIMIT, "the table has more than %d rows", GLIM_LIB_MAX_ROWS);
    if (l->n_rows < g->cap_rows) return GLIM_OK;
    size_t cap = g->cap_rows ? 2 * g->cap_rows : 256;
    glim_status rc = grow((void **)&l->at, cap * l->n_own + 1, sizeof *l->at, err);
    if (rc == GLIM_OK) rc = grow((void **)&l->line, cap, sizeof *l->line, err);
    for (size_t c = 0; rc == GLIM_OK && c < l->n_col; c++) {
        if (is_numeric(l->col[c].type)) rc = grow((void **)&l->col[c].number, cap, sizeof(double), err);
        if (rc == GLIM_OK && l->col[c].type == GLIM_LIB_ENUM) rc = grow((void **)&l->col[c].value_at, cap + 1, sizeof(uint32_t), err);
    }
    if (rc == GLIM_OK) g->cap_rows = cap;
    return rc;
}

static glim_status cell_error(const glim_lib *l, const glim_table_row *row, size_t c, const char *text, const char *want, glim_err *err) {
    char name[8];
    size_t n = strlen(text);
    if (n > 60) n = glim_utf8_whole(text, 60);
    return glim_fail(err, GLIM_E_FORMAT, "row %zu: cell %s%zu (\"%s\") holds \"%.*s\", want %s", row->line, glim_table_column(name, c), row->line,
                     l->col[c].column, (int)n, text, want);
}

/* Ids are one word of A-Z a-z 0-9 . _ - and stand once. */
static glim_status check_id(loading *g, const glim_table_row *row, size_t c, const char *s, glim_err *err) {
    size_t n = strlen(s);
    bool fine = n > 0 && n <= GLIM_LIB_ID_MAX;
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; fine && i < n; i++) {
        fine = isalnum((unsigned char)s[i]) || strchr("._-", s[i]);
        h = (h ^ (uint64_t)tolower((unsigned char)s[i])) * 0x100000001b3u;
    }
    if (!fine) return cell_error(g->l, row, c, s, "an id of 1 to 32 letters, digits, \".\", \"_\" or \"-\"", err);
    h |= 1;
    if (2 * (g->n_ids + 1) > g->cap_ids) {
        size_t cap = g->cap_ids ? 2 * g->cap_ids : 1024;
        void *p;
        glim_status rc = glim_try_calloc(&p, cap, sizeof(uint64_t), "the ids of a library", err);
        if (rc != GLIM_OK) return rc;
        uint64_t *to = p;
        for (size_t i = 0; i < g->cap_ids; i++)
            if (g->ids[i]) {
                size_t k = (g->ids[i] >> 17) & (cap - 1);
                while (to[k]) k = (k + 1) & (cap - 1);
                to[k] = g->ids[i];
            }
        free(g->ids);
        g->ids = to;
        g->cap_ids = cap;
    }
    size_t k = (h >> 17) & (g->cap_ids - 1);
    for (; g->ids[k]; k = (k + 1) & (g->cap_ids - 1))
        if (g->ids[k] == h) return cell_error(g->l, row, c, s, "an id that no row above has", err);
    g->ids[k] = h;
    g->n_ids++;
    return GLIM_OK;
}

static glim_status add_row(loading *g, const glim_table_row *row, glim_err *err) {
    glim_lib *l = g->l;
    bool any = false;
    for (size_t c = 0; c < row->n; c++) any |= row->cell[c].n > 0;
    if (!any) return GLIM_OK;
    for (size_t c = l->n_col; c < row->n; c++)
        if (row->cell[c].n) {
            char name[8];
            return glim_fail(err, GLIM_E_FORMAT, "row %zu: cell %s%zu holds \"%.40s\" beside the last column \"%s\"", row->line,
                             glim_table_column(name, c), row->line, row->cell[c].text, l->col[l->n_col - 1].column);
        }
    glim_status rc = more_rows(g, err);
    for (size_t c = 0; rc == GLIM_OK && c < l->n_col; c++) {
        glim_lib_col *col = &l->col[c];
        const glim_cell *cell = c < row->n ? &row->cell[c] : NULL;
        const char *s = cell ? cell->text : "";
        while (*s == ' ' || *s == '\t') s++;
        size_t n = strlen(s);
        while (n && (s[n - 1] == ' ' || s[n - 1] == '\t')) n--;
        if (cell && cell->kind == GLIM_CELL_ERROR) rc = cell_error(l, row, c, s, "a value: this is an error of the spreadsheet's formula", err);
        else if (cell && cell->formula && cell->kind == GLIM_CELL_EMPTY) rc = cell_error(l, row, c, "", "a value: the file holds a formula without its result; open it in a spreadsheet program and save it", err);
        if (n <= 6 && (is_numeric(col->type) || col->type == GLIM_LIB_ENUM) && n) { /* "—" says nothing */
            char mark[8];
            snprintf(mark, sizeof mark, "%.*s", (int)n, s);
            if (glim_lib_blank(mark)) n = 0;
        }
        l->at[l->n_rows * l->n_own + c] = l->text.len;
        glim_buf_append(&l->text, s, n);
        glim_buf_putc(&l->text, 0);
        if (rc == GLIM_OK) rc = glim_buf_status(&l->text, "the texts of a library", err);
        if (rc != GLIM_OK) break;
        const char *text = l->text.s + l->at[l->n_rows * l->n_own + c];
        if ((int)c == l->col_id) rc = check_id(g, row, c, text, err);
        if (rc == GLIM_OK && col->number && !cell_number(col, text, &col->number[l->n_rows])) {
            char want[64];
            snprintf(want, sizeof want, "a value of the type \"%s\"", type_names[col->type]);
            rc = cell_error(l, row, c, text, want, err);
            glim_err_hint(err, "correct the cell, or give the column another type in the schema");
        }
        if (rc == GLIM_OK && col->value_at) {
            if (l->n_rows == 0) col->value_at[0] = 0;
            size_t k;
            for (const char *rest = text, *part; rc == GLIM_OK && (part = glim_lib_part(col, &rest, &k), k);) {
                uint16_t no;
                rc = glim_lib_value_of(col, part, k, &no, err);
                if (rc == GLIM_OK && g->n_no[c] == g->cap_no[c]) {
                    size_t cap = g->cap_no[c] ? 2 * g->cap_no[c] : 256;
                    rc = grow((void **)&col->value_no, cap, sizeof *col->value_no, err);
                    if (rc == GLIM_OK) g->cap_no[c] = cap;
                }
                if (rc == GLIM_OK) col->value_no[g->n_no[c]++] = no;
            }
            col->value_at[l->n_rows + 1] = (uint32_t)g->n_no[c];
        }
    }
    if (rc != GLIM_OK) return rc;
    l->line[l->n_rows++] = (uint32_t)row->line;
    l->at[(size_t)l->n_rows * l->n_own] = l->text.len;
    return GLIM_OK;
}

static glim_status load(glim_lib **out, glim_table *t, const char *name, const json_t *schema, glim_err *err) {
    glim_lib *l = glim_xcalloc(1, sizeof *l);
    loading g = {.l = l};
    glim_lib_rows rows = {.t = t};
    glim_table_row row;
    bool more;
    glim_err why = {0};
    l->name = glim_xstrdup(name);
    glim_status rc = glim_lib_rows_next(&rows, &row, &more, &why);
    bool named = rc != GLIM_OK; /* the table's own errors name the file */
    if (rc == GLIM_OK && !more) rc = glim_fail(&why, GLIM_E_FORMAT, "the table is empty: want headings in its first row");
    if (rc == GLIM_OK) rc = glim_lib_read_schema(l, &row, schema, &why);
    if (rc == GLIM_OK) {
        g.n_no = glim_xcalloc(l->n_col, sizeof *g.n_no);
        g.cap_no = glim_xcalloc(l->n_col, sizeof *g.cap_no);
    }
    while (rc == GLIM_OK) {
        rc = glim_lib_rows_next(&rows, &row, &more, &why);
        named = rc != GLIM_OK;
        if (rc != GLIM_OK || !more) break;
        rc = add_row(&g, &row, &why);
    }
    if (rc == GLIM_OK && l->n_rows == 0) rc = glim_fail(&why, GLIM_E_FORMAT, "the table has headings and no rows");
    if (rc == GLIM_OK) rc = glim_lib_derive(l, &why);
    if (rc != GLIM_OK && !named) {
        glim_table_facts f;
        glim_table_about(t, &f);
        if (f.sheet) glim_err_context(&why, "sheet \"%s\"", f.sheet);
        glim_err_context(&why, "\"%s\"", name);
    }
    glim_lib_rows_deinit(&rows);
    free(g.n_no);
    free(g.cap_no);
    free(g.ids);
    if (rc == GLIM_OK) {
        *out = l;
        return rc;
    }
    if (err) *err = why;
    glim_lib_free(l);
    return rc;
}

static glim_status open_table(glim_lib **out, glim_table *t, const char *name, const json_t *schema, glim_err *err) {
    glim_status rc = load(out, t, name, schema, err);
    glim_table_close(t);
    return rc;
}

glim_status glim_lib_settle(glim_lib *l, glim_err *err) {
    if (!l->unsettled) return GLIM_OK;
    glim_status rc = glim_lib_derive(l, err);
    if (rc == GLIM_OK) l->unsettled = false;
    return rc;
}

glim_status glim_lib_open(glim_lib **out, const char *path, const json_t *schema, glim_err *err) {
    *out = NULL;
    json_t *guess = NULL;
    glim_table *t;
    glim_status rc = schema ? GLIM_OK : glim_lib_guess(&guess, path, err);
    if (rc == GLIM_OK) rc = glim_table_open(&t, path, &glim_lib_table, err);
    if (rc == GLIM_OK) rc = open_table(out, t, path, schema ? schema : guess, err);
    json_decref(guess);
    return rc;
}

glim_status glim_lib_parse(glim_lib **out, const char *name, const void *bytes, size_t n, const json_t *schema, glim_err *err) {
    *out = NULL;
    json_t *guess = NULL;
    glim_table *t;
    glim_status rc = schema ? GLIM_OK : glim_lib_guess_bytes(&guess, name, bytes, n, err);
    if (rc == GLIM_OK) rc = glim_table_parse(&t, name, bytes, n, &glim_lib_table, err);
    if (rc == GLIM_OK) rc = open_table(out, t, name, schema ? schema : guess, err);
    json_decref(guess);
    return rc;
}

const char *glim_lib_cell(const glim_lib *l, uint32_t row, size_t col) {
    if (col >= l->n_own) return l->col[col].part[row];
    for (const struct glim_lib_patch *p = l->patch; p; p = p->next)
        if (p->row == row && p->col == col) return p->text;
    return l->text.s + l->at[(size_t)row * l->n_own + col];
}

/* Is it the value of any row? */
static bool had(const glim_lib_col *c, const glim_lib *l, uint16_t no) {
    for (uint32_t i = 0; i < c->value_at[l->n_rows]; i++)
        if (c->value_no[i] == no) return true;
    return false;
}

glim_status glim_lib_set(glim_lib *l, uint32_t row, size_t col, const char *text, glim_err *err) {
    glim_lib_col *c = &l->col[col];
    double v = NAN;
    if (col >= l->n_own) return glim_fail(err, GLIM_E_ARG, "\"%s\" stands in column \"%s\": correct that one", c->column, l->col[c->part_of - 1].column);
    if ((int)col == l->col_id) return glim_fail(err, GLIM_E_ARG, "column \"%s\" is the rows' id and stays as it is", c->column);
    if (strlen(text) > 4096) return glim_fail(err, GLIM_E_LIMIT, "the text has %zu bytes, want at most 4096", strlen(text));
    if (c->number && !c->degree && !cell_number(c, text, &v))
        return glim_fail(err, GLIM_E_FORMAT, "column \"%s\": \"%.60s\" is no value of the type \"%s\"", c->column, text, type_names[c->type]);
    if (!glim_lib_side_set(l, row, col, text)) return glim_fail(err, GLIM_E_FORMAT, "column \"%s\": \"%.60s\" does not say %zu figures as the other cells do", c->column, text, c->n_sides);
    l->unsettled = true;
    if (c->value_at) { /* values of one row are replaced in place: all rows behind move */
        uint16_t no[64], were[64];
        size_t n_no = 0, k;
        for (const char *rest = text, *part; n_no < GLIM_COUNT(no) && (part = glim_lib_part(c, &rest, &k), k);) {
            glim_status rc = glim_lib_value_of(c, part, k, &no[n_no], err);
            if (rc != GLIM_OK) return rc;
            n_no++;
        }
        size_t from = c->value_at[row], old = c->value_at[row + 1] - from, all = c->value_at[l->n_rows];
        void *p = c->value_no;
        glim_status rc = glim_try_realloc(&p, all + n_no + 1, sizeof *c->value_no, "values of a column", err);
        if (rc != GLIM_OK) {
            glim_lib_grade(l, col); /* the column may have a value more */
            return rc;
        }
        c->value_no = p;
        memcpy(were, c->value_no + from, (old < GLIM_COUNT(were) ? old : GLIM_COUNT(were)) * sizeof *were);
        memmove(c->value_no + from + n_no, c->value_no + from + old, (all - from - old) * sizeof *c->value_no);
        memcpy(c->value_no + from, no, n_no * sizeof *no);
        for (uint32_t r = row + 1; r <= l->n_rows; r++) c->value_at[r] = (uint32_t)(c->value_at[r] + n_no - old);
        for (size_t i = 0; i < old && i < GLIM_COUNT(were); i++)
            if (!c->value[were[i]].listed && !had(c, l, were[i])) glim_lib_value_forget(&c->value[were[i]]);
    }
    if (c->type == GLIM_LIB_ENUM) glim_lib_grade(l, col);
    else if (c->number) c->number[row] = v;
    for (struct glim_lib_patch *p = l->patch; p; p = p->next)
        if (p->row == row && p->col == col) {
            free(p->text);
            p->text = glim_xstrdup(text);
            return GLIM_OK;
        }
    struct glim_lib_patch *p = glim_xcalloc(1, sizeof *p);
    *p = (struct glim_lib_patch){.row = row, .col = col, .text = glim_xstrdup(text), .next = l->patch};
    l->patch = p;
    return GLIM_OK;
}

void glim_lib_row_id(const glim_lib *l, uint32_t row, char out[GLIM_LIB_ID_MAX + 1]) {
    if (l->col_id >= 0) snprintf(out, GLIM_LIB_ID_MAX + 1, "%s", glim_lib_cell(l, row, (size_t)l->col_id));
    else snprintf(out, GLIM_LIB_ID_MAX + 1, "R%u", l->line[row]);
}

uint32_t glim_lib_find_id(const glim_lib *l, const char *id, size_t n) {
    char s[GLIM_LIB_ID_MAX + 1];
    if (n == 0 || n > GLIM_LIB_ID_MAX) return UINT32_MAX;
    memcpy(s, id, n);
    s[n] = 0;
    for (uint32_t r = 0; r < l->n_rows; r++) {
        if (l->col_id >= 0) {
            if (strcasecmp(glim_lib_cell(l, r, (size_t)l->col_id), s) == 0) return r;
        } else if (toupper((unsigned char)s[0]) == 'R' && strtoul(s + 1, NULL, 10) == l->line[r]) {
            return r;
        }
    }
    return UINT32_MAX;
}

int glim_lib_find_col(const glim_lib *l, const char *name) {
    for (size_t c = 0; c < l->n_own; c++)
        if (strcmp(l->col[c].column, name) == 0) return (int)c;
    for (size_t c = 0; c < l->n_own; c++)
        if (strcasecmp(l->col[c].zh, name) == 0 || strcasecmp(l->col[c].en, name) == 0) return (int)c;
    return -1;
}

const char *glim_lib_row_name(const glim_lib *l, uint32_t row, bool zh) {
    glim_lang want = zh ? GLIM_LANG_ZH : GLIM_LANG_EN;
    const char *any = "";
    for (size_t c = 0; c < l->n_col; c++) {
        if (l->col[c].type != GLIM_LIB_NAME) continue;
        const char *s = glim_lib_cell(l, row, c);
        if (*s && l->col[c].lang == want) return s;
        if (*s && !*any) any = s;
    }
    return any;
}

const char *glim_lib_col_name(const glim_lib_col *c, bool zh) { return zh ? c->zh : c->en; }

bool glim_lib_col_speaks(const glim_lib *l, size_t col, bool zh) {
    const glim_lib_col *c = &l->col[col];
    if (c->type == GLIM_LIB_HIDDEN || c->part_of) return false; /* a part is said where it is asked for; else the whole cell is */
    return c->lang == GLIM_LANG_ANY || (c->lang == GLIM_LANG_ZH) == zh;
}

static bool cjk_end(const glim_buf *b) { return b->len && (unsigned char)b->s[b->len - 1] >= 0x80; }

/* The bytes of a price's unit that stand before the figure: "$19.99", "€3.50/kg"; "元" stands behind it. */
static size_t sign_of(const glim_lib_col *c, const char *unit) {
    const size_t n = c->type == GLIM_LIB_PRICE && unit ? sign_at(unit) : 0;
    return n && (!unit[n] || unit[n] == '/') ? n : 0;
}

static void unit_behind(glim_buf *out, const char *unit, size_t n) {
    if (n && (unsigned char)unit[0] < 0x80 && !cjk_end(out) && unit[0] != '%' && unit[0] != '/') glim_buf_putc(out, ' ');
    glim_buf_append(out, unit, n);
}

void glim_lib_figure(glim_buf *out, const glim_lib_col *c, const char *figure, bool zh, bool per) {
    const char *unit = zh ? c->unit_zh : c->unit_en;
    const size_t sign = sign_of(c, unit);
    glim_buf_append(out, unit, sign);
    glim_buf_puts(out, figure);
    if (unit) unit_behind(out, unit + sign, !per && c->type == GLIM_LIB_PRICE ? strcspn(unit + sign, "/") : strlen(unit + sign));
}

void glim_lib_show(glim_buf *out, const glim_lib *l, uint32_t row, size_t col, bool zh) {
    const glim_lib_col *c = &l->col[col];
    const char *s = glim_lib_cell(l, row, col);
    if (!*s) return;
    if (c->type == GLIM_LIB_BOOL) {
        glim_buf_puts(out, zh ? (c->number[row] > 0 ? "是" : "否") : c->number[row] > 0 ? "yes" : "no");
        return;
    }
    if (c->type == GLIM_LIB_ENUM) {
        for (uint32_t i = c->value_at[row]; i < c->value_at[row + 1]; i++) {
            const glim_lib_value *v = &c->value[c->value_no[i]];
            if (i > c->value_at[row]) glim_buf_puts(out, zh ? "、" : ", ");
            glim_buf_puts(out, !zh && v->en ? v->en : v->text);
        }
        return;
    }
    const char *unit = zh ? c->unit_zh : c->unit_en, *rest;
    double words;
    if (c->type == GLIM_LIB_PRICE && (glim_lib_price_in_words(s, &words) || behind_from(s) != s)) unit = NULL; /* "on request", "from €5" say all */
    const size_t sign = unit ? sign_of(c, unit) : 0;
    if (c->type == GLIM_LIB_PRICE && unit) s += sign_at(s), s += strspn(s, " "); /* "¥99" in 元 is "99元" */
    glim_buf_append(out, unit, sign);
    size_t from = out->len, n_chars = 0;
    for (const char *p = s; *p;) { /* one line; no mark that separates columns */
        uint32_t cp;
        int k = glim_utf8_next(p, strlen(p), &cp);
        if (k <= 0) break;
        if (n_chars++ == LINE_VALUE) {
            glim_buf_puts(out, "…");
            break;
        }
        if (cp == '\n' || cp == '\r' || cp == '\t' || cp == '|') glim_buf_putc(out, ' ');
        else glim_buf_append(out, p, (size_t)k);
        p += k;
    }
    double v;
    if (unit && out->len > from && c->number && number_of(s, c->comma, &v, &rest)) {
        if (*rest) { /* the cell has a unit of its own: the schema's word for it in this language */
            char t[64];
            size_t n = (size_t)(rest - s);
            while (n && s[n - 1] == ' ') n--;
            if (n < sizeof t) {
                memcpy(t, s, n);
                t[n] = 0;
                out->len = from;
                glim_buf_puts(out, t);
            }
        }
        unit_behind(out, unit + sign, strlen(unit + sign));
    }
}

static void line_cell(glim_buf *out, const glim_lib *l, uint32_t row, size_t c, bool zh, size_t *n, size_t from) {
    if (*n >= LINE_COLS || (*n > 2 && out->len - from > LINE_CHARS * 2)) return;
    size_t at = out->len;
    if (*n) glim_buf_puts(out, " | ");
    glim_buf_printf(out, "%s: ", glim_lib_col_name(&l->col[c], zh));
    size_t before = out->len;
    glim_lib_show(out, l, row, c, zh);
    if (out->len == before) { /* an empty cell is left out */
        out->len = at;
        if (out->s) out->s[at] = 0;
        return;
    }
    ++*n;
}

/* A brand or a kind that the name says already: twice, it tells a reader nothing, and leads one that copies to the wrong place. */
static bool in_name(const glim_lib *l, uint32_t row, size_t c, bool zh) {
    glim_buf cell = {0};
    glim_lib_show(&cell, l, row, c, zh);
    bool in = cell.len > 1 && (l->col[c].type == GLIM_LIB_ENUM || l->col[c].type == GLIM_LIB_TEXT) && strstr(glim_lib_row_name(l, row, zh), glim_buf_cstr(&cell));
    glim_buf_free(&cell);
    return in;
}

void glim_lib_row_line(glim_buf *out, const glim_lib *l, uint32_t row, bool zh, const int *first, size_t n_first) {
    bool done[GLIM_LIB_MAX_COLS] = {0};
    const size_t from = out->len;
    size_t n = 0;
    glim_buf_puts(out, glim_lib_row_name(l, row, zh));
    for (size_t i = from; i < out->len; i++) /* one line; no mark that separates columns */
        if (out->s[i] == '\n' || out->s[i] == '\r' || out->s[i] == '|') out->s[i] = ' ';
    n += out->len > from;
    for (size_t c = 0; c < l->n_col; c++) done[c] = (!glim_lib_col_speaks(l, c, zh) && !l->col[c].part_of) || l->col[c].type == GLIM_LIB_ID || l->col[c].type == GLIM_LIB_NAME;
    for (size_t i = 0; i < n_first; i++)
        if (first[i] >= 0 && !done[first[i]]) {
            line_cell(out, l, row, (size_t)first[i], zh, &n, from);
            done[first[i]] = true;
        }
    for (size_t c = 0; c < l->n_col; c++)
        if (!done[c] && !l->col[c].part_of && !in_name(l, row, c, zh)) line_cell(out, l, row, c, zh, &n, from);
}
