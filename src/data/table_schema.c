/* table_schema.c - see table_schema.h. */
#include "data/table_schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/utf8.h"

/* What every value of a column has been so far. */
typedef struct seen {
    bool number, money, date, boolean, code; /* code: short, one word, with a digit */
    bool long_text, leading_zero;
    uint64_t *set;  /* hashes of distinct values, open addressing, 0 is empty */
    char first_against[GLIM_N_COLUMN_TYPE][64];
} seen;

struct glim_table_schema {
    glim_column *col;
    seen *seen;
    size_t n;
};

enum { SET_SLOTS = 2 * GLIM_TABLE_SCHEMA_DISTINCT };

static const char *const type_names[GLIM_N_COLUMN_TYPE] = {"text", "number", "money", "date", "boolean", "category", "identifier"};

const char *glim_column_type_name(glim_column_type t) { return t < GLIM_N_COLUMN_TYPE ? type_names[t] : "?"; }
size_t glim_table_schema_n(const glim_table_schema *s) { return s->n; }
const glim_column *glim_table_schema_column(const glim_table_schema *s, size_t i) { return i < s->n ? &s->col[i] : NULL; }

void glim_table_schema_free(glim_table_schema *s) {
    if (!s) return;
    for (size_t i = 0; i < s->n; i++) {
        free(s->col[i].name);
        free(s->seen[i].set);
    }
    free(s->col);
    free(s->seen);
    free(s);
}

glim_status glim_table_schema_new(glim_table_schema **out, const glim_table_row *head, glim_err *err) {
    *out = NULL;
    if (head->n == 0) return glim_fail(err, GLIM_E_FORMAT, "the table has no columns");
    if (head->n > GLIM_TABLE_SCHEMA_COLUMNS) return glim_fail(err, GLIM_E_LIMIT, "the table has %zu columns, want at most %d", head->n, GLIM_TABLE_SCHEMA_COLUMNS);
    glim_table_schema *s = glim_xcalloc(1, sizeof *s);
    s->col = glim_xcalloc(head->n, sizeof *s->col);
    s->seen = glim_xcalloc(head->n, sizeof *s->seen);
    s->n = head->n;
    for (size_t i = 0; i < s->n; i++) {
        char name[32];
        snprintf(name, sizeof name, "column %zu", i + 1);
        s->col[i].name = glim_xstrdup(head->cell[i].n ? head->cell[i].text : name);
        s->seen[i] = (seen){.number = true, .money = true, .date = true, .boolean = true, .code = true};
        for (size_t k = 0; k < i; k++)
            if (strcmp(s->col[k].name, s->col[i].name) == 0) {
                glim_status rc = glim_fail(err, GLIM_E_FORMAT, "row %zu: columns %zu and %zu are both named \"%s\"", head->line, k + 1, i + 1, s->col[i].name);
                glim_table_schema_free(s);
                return rc;
            }
    }
    *out = s;
    return GLIM_OK;
}

static glim_status count_distinct(glim_column *c, seen *x, const glim_cell *v, glim_err *err) {
    if (c->n_distinct >= GLIM_TABLE_SCHEMA_DISTINCT) return GLIM_OK;
    if (!x->set) {
        void *p;
        glim_status rc = glim_try_calloc(&p, SET_SLOTS, sizeof *x->set, "distinct values of a column", err);
        if (rc != GLIM_OK) return rc;
        x->set = p;
    }
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < v->n; i++) h = (h ^ (unsigned char)v->text[i]) * 0x100000001b3u;
    h = (h ^ (h >> 31)) * 0xbf58476d1ce4e5b9u;
    h |= 1;
    for (size_t i = (h >> 20) % SET_SLOTS;; i = (i + 1) % SET_SLOTS) {
        if (x->set[i] == h) return GLIM_OK;
        if (x->set[i] == 0) {
            x->set[i] = h;
            c->n_distinct++;
            return GLIM_OK;
        }
    }
}

static void against(seen *x, glim_column_type t, bool *flag, bool fits, size_t line, const glim_cell *v) {
    if (fits || !*flag) return;
    *flag = false;
    size_t n = v->n > 40 ? glim_utf8_whole(v->text, 40) : v->n;
    snprintf(x->first_against[t], sizeof x->first_against[t], "row %zu: \"%.*s\"", line, (int)n, v->text);
}

static bool is_code(const glim_cell *v) {
    bool digit = false;
    if (v->n > 40) return false;
    for (size_t i = 0; i < v->n; i++) {
        unsigned char c = (unsigned char)v->text[i];
        if (c == ' ' || c >= 0x80) return false;
        digit |= c >= '0' && c <= '9';
    }
    return digit;
}

glim_status glim_table_schema_see(glim_table_schema *s, const glim_table_row *row, glim_err *err) {
    for (size_t i = 0; i < row->n; i++) {
        const glim_cell *v = &row->cell[i];
        if (v->n == 0) {
            if (i < s->n) s->col[i].n_empty++;
            continue;
        }
        if (i >= s->n) {
            char name[8];
            return glim_fail(err, GLIM_E_FORMAT, "row %zu: cell %s%zu holds \"%.40s\" beside the last column \"%s\"", row->line,
                             glim_table_column(name, i), row->line, v->text, s->col[s->n - 1].name);
        }
        glim_column *c = &s->col[i];
        seen *x = &s->seen[i];
        double d;
        bool b;
        char currency[8] = "", iso[32];
        const bool digit = strpbrk(v->text, "0123456789") != NULL; /* without one it is no number, money or date */
        const bool number = v->kind == GLIM_CELL_NUMBER || (digit && glim_value_number(v->text, &d));
        const bool money = digit && (x->money || !c->currency[0]) && glim_value_money(v->text, &d, currency);
        c->n++;
        against(x, GLIM_COLUMN_NUMBER, &x->number, number, row->line, v);
        against(x, GLIM_COLUMN_MONEY, &x->money, number || money, row->line, v);
        if (x->date) against(x, GLIM_COLUMN_DATE, &x->date, v->kind == GLIM_CELL_DATE || (digit && glim_value_date(v->text, iso)), row->line, v); /* what the column is not by a cell above costs nothing */
        if (x->boolean) against(x, GLIM_COLUMN_BOOLEAN, &x->boolean, v->kind == GLIM_CELL_BOOL || glim_value_bool(v->text, &b), row->line, v);
        x->code = x->code && is_code(v);
        x->long_text |= v->n > 120;
        x->leading_zero |= v->kind == GLIM_CELL_TEXT && v->n > 1 && v->text[0] == '0' && v->text[1] != '.' && number;
        if (money && !c->currency[0]) snprintf(c->currency, sizeof c->currency, "%s", currency);
        glim_status rc = count_distinct(c, x, v, err);
        if (rc != GLIM_OK) return rc;
    }
    for (size_t i = row->n; i < s->n; i++) s->col[i].n_empty++;
    return GLIM_OK;
}

static bool named(const char *name, const char *const *words, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (strcasestr(name, words[i])) return true;
    return false;
}

/* A word of the name, so that "id" is not found in "width". */
static bool has_word(const char *name, const char *word) {
    size_t n = strlen(word);
    for (const char *p = name; (p = strcasestr(p, word)); p++) {
        bool left = p == name || strchr(" _-.", p[-1]), right = !p[n] || strchr(" _-.", p[n]);
        if (left && right) return true;
    }
    return false;
}

static glim_column_type guess(const glim_column *c, const seen *x) {
    static const char *const price[] = {"price", "cost", "amount", "total", "价", "金额", "费用", "成本"};
    static const char *const code[] = {"sku", "barcode", "isbn", "gtin", "article n", "artikeln", "part n", "item n", "编号", "货号", "条码", "条形码", "编码", "单号", "型号", "料号", "invoice"};
    if (c->n == 0) return GLIM_COLUMN_TEXT;
    bool unique = c->n_distinct == c->n || c->n_distinct >= GLIM_TABLE_SCHEMA_DISTINCT;
    bool id_name = named(c->name, code, GLIM_COUNT(code)) || has_word(c->name, "id") || has_word(c->name, "code");
    if (x->boolean) return GLIM_COLUMN_BOOLEAN;
    if (x->date) return GLIM_COLUMN_DATE;
    if (x->leading_zero || (unique && id_name && (x->code || x->number))) return unique ? GLIM_COLUMN_IDENTIFIER : GLIM_COLUMN_CATEGORY;
    if (x->money && (c->currency[0] || named(c->name, price, GLIM_COUNT(price)))) return GLIM_COLUMN_MONEY;
    if (x->number) return GLIM_COLUMN_NUMBER;
    if (unique && x->code && c->n > 1) return GLIM_COLUMN_IDENTIFIER;
    if (!x->long_text && c->n_distinct < GLIM_TABLE_SCHEMA_DISTINCT && c->n >= 4 && c->n_distinct * 2 <= c->n) return GLIM_COLUMN_CATEGORY;
    return GLIM_COLUMN_TEXT;
}

void glim_table_schema_guess(glim_table_schema *s) {
    for (size_t i = 0; i < s->n; i++) {
        glim_column *c = &s->col[i];
        if (c->corrected) continue;
        c->type = guess(c, &s->seen[i]);
        c->against[0] = 0;
        /* A text that is nearly something else: say what stood in the way. */
        if (c->type == GLIM_COLUMN_TEXT || c->type == GLIM_COLUMN_CATEGORY)
            snprintf(c->against, sizeof c->against, "%s", s->seen[i].first_against[GLIM_COLUMN_MONEY]);
    }
}

glim_status glim_table_schema_correct(glim_table_schema *s, const char *column, const char *type, glim_err *err) {
    size_t i = 0, t = 0;
    while (i < s->n && strcmp(s->col[i].name, column) != 0) i++;
    if (i == s->n) return glim_fail(err, GLIM_E_NOT_FOUND, "there is no column \"%s\"", column);
    while (t < GLIM_N_COLUMN_TYPE && strcmp(type_names[t], type) != 0) t++;
    if (t == GLIM_N_COLUMN_TYPE) {
        glim_status rc = glim_fail(err, GLIM_E_ARG, "there is no type \"%s\"", type);
        glim_err_hint(err, "the types are text, number, money, date, boolean, category and identifier");
        return rc;
    }
    const char *why = s->seen[i].first_against[t];
    if (why[0]) return glim_fail(err, GLIM_E_FORMAT, "column \"%s\" cannot be a %s: %s", column, type, why);
    s->col[i].type = (glim_column_type)t;
    s->col[i].corrected = true;
    return GLIM_OK;
}

void glim_table_schema_json(glim_buf *out, const glim_table_schema *s) {
    glim_buf_puts(out, "[");
    for (size_t i = 0; i < s->n; i++) {
        const glim_column *c = &s->col[i];
        glim_buf_puts(out, i ? ", {\"name\": " : "{\"name\": ");
        glim_json_put_str(out, c->name, strlen(c->name));
        glim_buf_printf(out, ", \"type\": \"%s\", \"corrected\": %s, \"values\": %zu, \"empty\": %zu, \"distinct\": %zu", type_names[c->type],
                        c->corrected ? "true" : "false", c->n, c->n_empty, c->n_distinct);
        if (c->currency[0]) {
            glim_buf_puts(out, ", \"currency\": ");
            glim_json_put_str(out, c->currency, strlen(c->currency));
        }
        if (c->against[0]) {
            glim_buf_puts(out, ", \"against\": ");
            glim_json_put_str(out, c->against, strlen(c->against));
        }
        glim_buf_puts(out, "}");
    }
    glim_buf_puts(out, "]");
}
