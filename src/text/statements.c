/* statements.c - see statements.h. */
#include "text/statements.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"

typedef struct piece {
    const char *s;
    int n;
} piece;
#define P(x) (x).n, (x).s
#define IS(x, text) ((x).n == (int)sizeof(text) - 1 && memcmp((x).s, text, sizeof(text) - 1) == 0)

enum { ROWS = 9, CELLS = 32, MOST_BYTES = 512 << 10 /* half of what a constraint takes */ };
typedef struct row {
    piece id, name, column[CELLS], value[CELLS];
    size_t n;
} row;

/* What an answer is about: a row's name and its headings, one or two; NULL: none. */
typedef struct about {
    piece name, first, second;
} about;

typedef struct list {
    json_t *all, *seen;
    about *about; /* [all] */
    size_t cap;
    glim_buf text;
    size_t bytes; /* of all, as JSON about */
    bool zh, failed;
} list;

static bool same(piece a, piece b) { return a.n == b.n && memcmp(a.s, b.s, (size_t)a.n) == 0; }

static piece upto(const char *s, const char *end) { return (piece){s, (int)(end - s)}; }

/* The place of what in s before end; NULL: it is not there. */
static const char *find(const char *s, const char *end, const char *what) { return memmem(s, (size_t)(end - s), what, strlen(what)); }

static const char *line_end(const char *s) { return strchrnul(s, '\n'); }

/* "[1] name | column: value | ..."; false: the line is none, or has more than there is room for. */
static bool read_row(row *r, const char *s, const char *end) {
    const char *close = s < end && *s == '[' ? find(s, end, "] ") : NULL;
    *r = (row){0};
    if (!close || close == s + 1) return false;
    r->id = upto(s + 1, close);
    for (const char *p = close + 2, *next; p; p = next) {
        const char *bar = find(p, end, " | "), *stop = bar ? bar : end, *colon = r->name.s ? find(p, stop, ": ") : NULL;
        next = bar ? bar + 3 : NULL;
        if (!r->name.s) r->name = upto(p, stop);
        else if (!colon || r->n == CELLS) return false;
        else r->column[r->n] = upto(p, colon), r->value[r->n++] = upto(colon + 2, stop);
    }
    return true;
}

/* What stands in l->text, about these headings, joins the list, once. */
static void put(list *l, const row *r, piece first, piece second) {
    const char *s = glim_buf_cstr(&l->text);
    const size_t n = json_array_size(l->all);
    if (l->text.failed || (n == l->cap && glim_try_grow(&l->about, &l->cap, 64, sizeof *l->about, "answers", NULL) != GLIM_OK)) l->failed = true;
    else if (l->bytes <= MOST_BYTES && !json_object_get(l->seen, s)) {
        l->about[n] = (about){r ? r->name : (piece){0}, first, second};
        l->bytes += l->text.len + 8; /* quotes, a comma, a few escapes */
        l->failed |= json_object_set_new(l->seen, s, json_true()) != 0 || json_array_append_new(l->all, json_string(s)) != 0;
    }
    glim_buf_clear(&l->text);
}

/* Yes or no: said of its column alone, in sentences of its own. */
static bool is_flag(piece v) { return IS(v, "yes") || IS(v, "no") || IS(v, "是") || IS(v, "否"); }

typedef enum shape { SAYS, YES_ITS } shape;

static void say_cell(list *l, const row *r, size_t i, shape how) {
    const piece c = r->column[i], v = r->value[i];
    glim_buf *b = &l->text;
    glim_buf_printf(b, "[%.*s] ", P(r->id));
    if (IS(v, "yes") && !l->zh) glim_buf_printf(b, "Yes, %.*s has %.*s.", P(r->name), P(c));
    else if (IS(v, "no") && !l->zh) glim_buf_printf(b, "No, %.*s has no %.*s.", P(r->name), P(c));
    else if (IS(v, "是") && l->zh) glim_buf_printf(b, "支持%.*s。", P(c));
    else if (IS(v, "否") && l->zh) glim_buf_printf(b, "不支持%.*s。", P(c));
    else if (how == YES_ITS) glim_buf_printf(b, l->zh ? "支持，%.*s为%.*s。" : "Yes, its %.*s is %.*s.", P(c), P(v));
    else if (l->zh) glim_buf_printf(b, "%.*s的%.*s是%.*s。", P(r->name), P(c), P(v));
    else glim_buf_printf(b, "The %.*s of %.*s is %.*s.", P(c), P(r->name), P(v));
}

static void say_two(list *l, const row *r, size_t i, size_t j) {
    if (l->zh)
        glim_buf_printf(&l->text, "[%.*s] %.*s的%.*s是%.*s，%.*s是%.*s。", P(r->id), P(r->name), P(r->column[i]), P(r->value[i]), P(r->column[j]), P(r->value[j]));
    else
        glim_buf_printf(&l->text, "[%.*s] The %.*s of %.*s is %.*s and the %.*s is %.*s.", P(r->id), P(r->column[i]), P(r->name), P(r->value[i]), P(r->column[j]),
                        P(r->value[j]));
    put(l, r, r->column[i], r->column[j]);
}

/* What it costs to say that the rows do not answer; more where the question names a row, and its meaning was read; and what an answer from another row costs
 * then. */
static const double REFUSAL = 4, REFUSAL_NAMED = 5, UNNAMED = 3;
static const char REFUSAL_ZH[] = "资料库里没有这个信息。", REFUSAL_EN[] = "This is not in the library.";

bool glim_statements_refuse(const json_t *statements) {
    const char *first = json_string_value(json_array_get(statements, 0));
    return first && (strcmp(first, REFUSAL_ZH) == 0 || strcmp(first, REFUSAL_EN) == 0);
}

static void from_rows(list *l, const row *rows, size_t n) {
    size_t pairs = 0;
    glim_buf_puts(&l->text, l->zh ? REFUSAL_ZH : REFUSAL_EN);
    put(l, NULL, (piece){0}, (piece){0});
    for (size_t k = 0; k < n; k++) {
        pairs += rows[k].n * (rows[k].n + n);
        for (size_t i = 0; i < rows[k].n; i++) {
            say_cell(l, &rows[k], i, SAYS);
            put(l, &rows[k], rows[k].column[i], (piece){0});
            say_cell(l, &rows[k], i, YES_ITS);
            put(l, &rows[k], rows[k].column[i], (piece){0});
        }
    }
    if (pairs + json_array_size(l->all) > GLIM_STATEMENTS) return;
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; i < rows[k].n; i++) {
            for (size_t j = 0; j < rows[k].n; j++)
                if (i != j && !is_flag(rows[k].value[i]) && !is_flag(rows[k].value[j])) say_two(l, &rows[k], i, j);
            for (size_t m = 0; m < n; m++)
                for (size_t j = 0; m != k && j < rows[m].n; j++)
                    if (same(rows[k].column[i], rows[m].column[j])) {
                        say_cell(l, &rows[k], i, SAYS);
                        glim_buf_putc(&l->text, ' ');
                        say_cell(l, &rows[m], j, SAYS);
                        put(l, &rows[k], rows[k].column[i], (piece){0});
                    }
        }
}

/* The parts of a table's line; 0: none, or more than there is room for. */
static size_t read_cells(piece cells[CELLS], const char *s, const char *end) {
    size_t n = 0;
    for (const char *next; s; s = next) {
        const char *bar = find(s, end, " | ");
        if (n == CELLS) return 0;
        cells[n++] = upto(s, bar ? bar : end);
        next = bar ? bar + 3 : NULL;
    }
    return n;
}

static void say_line(list *l, const piece *head, const piece *cells, size_t n) {
    glim_buf *b = &l->text;
    for (size_t i = 1; i < n; i++) {
        if (i == 1) glim_buf_printf(b, l->zh ? "%.*s的%.*s是%.*s" : "For %.*s the %.*s were %.*s", P(cells[0]), P(head[1]), P(cells[1]));
        else glim_buf_printf(b, l->zh ? "，%.*s是%.*s" : i + 1 == n ? " and the %.*s %.*s" : ", the %.*s %.*s", P(head[i]), P(cells[i]));
    }
    glim_buf_puts(b, l->zh ? "。" : ".");
}

static void from_table(list *l, const char *text) {
    enum { LINES = 64 };
    piece head[CELLS], a[CELLS], b[CELLS];
    const char *at[LINES], *end = line_end(text);
    const size_t width = read_cells(head, text, end);
    size_t n = 0;
    for (const char *p = *end ? end + 1 : end; *p && n < LINES; p = *end ? end + 1 : end) end = line_end(at[n++] = p);
    for (size_t i = 0; i < n && width > 1; i++)
        for (size_t j = 0; j < n; j++) {
            if (i == j || read_cells(a, at[i], line_end(at[i])) != width || read_cells(b, at[j], line_end(at[j])) != width) continue;
            say_line(l, head, a, width);
            if (!l->zh) glim_buf_putc(&l->text, ' ');
            say_line(l, head, b, width);
            put(l, NULL, (piece){0}, (piece){0});
        }
}

/* What follows the first line of system where that is the task's, in the language of l; NULL: it is another task. */
static const char *task_of(list *l, const char *system, const char *zh, const char *en) {
    const char *end = line_end(system);
    const size_t n = (size_t)(end - system);
    l->zh = n == strlen(zh) && memcmp(system, zh, n) == 0;
    return l->zh || (n == strlen(en) && memcmp(system, en, n) == 0) ? end : NULL;
}

/* ---- what they cost ---- */

static size_t place_of(const glim_sense_thing *v, size_t n, piece p) {
    size_t i = 0;
    while (i < n && (v[i].n != (size_t)p.n || memcmp(v[i].s, p.s, v[i].n) != 0)) i++;
    return i;
}

/* The question: what stands behind its word where that begins a line, the last that does; without one the last line. Space around it does not count. */
static glim_sense_thing question_of(const char *user) {
    static const char *const begins[] = {"\nQuestion: ", "\n问题："};
    size_t n = strlen(user);
    while (n && strchr(" \t\r\n", user[n - 1])) n--;
    const char *last = memrchr(user, '\n', n), *s = NULL;
    for (size_t i = 0; i < GLIM_COUNT(begins); i++)
        for (const char *at = user; (at = memmem(at, n - (size_t)(at - user), begins[i], strlen(begins[i]))); ) {
            at += strlen(begins[i]);
            if (!s || at > s) s = at;
        }
    if (!s) s = last ? last + 1 : user;
    return (glim_sense_thing){s, n - (size_t)(s - user)};
}

/* Whether a name that ends before s may go on there: "Nova X5" does in "Nova X5 Pro" and "Nova X50", not in "Nova X5?" or "Nova X5 cost". */
static bool goes_on(const char *s, const char *end) {
    if (s < end && *s == ' ') {
        const unsigned char c = s + 1 < end ? (unsigned char)s[1] : 0;
        return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    }
    return s < end && ((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || (*s >= '0' && *s <= '9'));
}

static bool names(glim_sense_thing question, piece name) {
    const char *end = question.s + question.n;
    for (const char *at = question.s; name.n > 0 && (at = memmem(at, (size_t)(end - at), name.s, (size_t)name.n)); at++)
        if (!goes_on(at + name.n, end)) return true;
    return false;
}

static glim_status price_columns(double *cost, const list *l, const char *user, const glim_sense *sense, glim_err *err) {
    const size_t n = json_array_size(l->all);
    const glim_sense_thing question = question_of(user);
    glim_sense_thing column[ROWS * CELLS + 1];
    double share[ROWS * CELLS + 1] = {0}, none = 0;
    size_t n_columns = 0;
    bool any = false;
    for (size_t i = 0; i < n; i++)
        if (l->about[i].first.s && place_of(column, n_columns, l->about[i].first) == n_columns) column[n_columns++] = (glim_sense_thing){l->about[i].first.s, (size_t)l->about[i].first.n};
    const glim_status rc = glim_sense_shares(share, &none, &any, sense, "column", column, n_columns, question.s, question.n, err);
    bool named = false;
    double answered = 0; /* how likely the question means a column of a row that it names */
    for (size_t i = 0; rc == GLIM_OK && any && i < n; i++) named |= names(question, l->about[i].name);
    for (size_t i = 0; rc == GLIM_OK && any && i < n; i++) {
        const about *a = &l->about[i];
        if (!a->first.s) continue;
        double x = share[place_of(column, n_columns, a->first)];
        if (a->second.s) x += share[place_of(column, n_columns, a->second)];
        if (x > 1) x = 1;
        const bool this = names(question, a->name);
        cost[i] = glim_sense_cost(x) + (named && !this ? UNNAMED : 0);
        if (x > answered && this) answered = x;
    }
    for (size_t i = 0; rc == GLIM_OK && any && i < n; i++)
        if (!l->about[i].first.s) cost[i] = (named ? REFUSAL_NAMED : REFUSAL) + glim_sense_cost(1 - answered);
    return rc;
}

static glim_status price(double **out, const list *l, const char *user, const glim_sense *sense, glim_err *err) {
    void *mem;
    glim_status rc = glim_try_calloc(&mem, json_array_size(l->all), sizeof **out, "what answers cost", err);
    if (rc != GLIM_OK) return rc;
    double *cost = mem;
    for (size_t i = 0; i < json_array_size(l->all); i++) cost[i] = l->about[i].first.s ? 0 : REFUSAL;
    if (sense) rc = price_columns(cost, l, user, sense, err);
    if (rc == GLIM_OK) *out = cost;
    else free(cost);
    return rc;
}

glim_status glim_statements(json_t **out, double **cost, const char *system, const char *user, const glim_sense *sense, glim_err *err) {
    list l = {.all = json_array(), .seen = json_object()};
    bool rows_too = false;
    l.failed = !l.all || !l.seen;
    *out = NULL;
    if (cost) *cost = NULL;
    if (!l.failed && task_of(&l, system, "任务：回答", "Task: answer")) {
        row rows[ROWS];
        size_t n = 0;
        const char *p = strncmp(user, l.zh ? "资料：\n" : "Rows:\n", strlen(l.zh ? "资料：\n" : "Rows:\n")) == 0 ? strchr(user, '\n') + 1 : "";
        bool fine = *p != 0;
        for (; fine && *p == '['; p = *line_end(p) ? line_end(p) + 1 : line_end(p)) fine = n < ROWS && read_row(&rows[n++], p, line_end(p));
        if (fine) from_rows(&l, rows, n);
        rows_too = fine;
    } else if (!l.failed && task_of(&l, system, "任务：概述", "Task: summarize")) from_table(&l, user);
    glim_status rc = l.failed ? glim_fail(err, GLIM_E_NOMEM, "could not allocate what rows say") : GLIM_OK;
    const bool there = rc == GLIM_OK && json_array_size(l.all) && l.bytes <= MOST_BYTES; /* more are too many to choose from */
    if (there && rows_too && cost) rc = price(cost, &l, user, sense, err);
    if (there && rc == GLIM_OK) *out = json_incref(l.all);
    glim_buf_free(&l.text);
    free(l.about);
    json_decref(l.seen);
    json_decref(l.all);
    return rc;
}
