/* table_csv.c - CSV after RFC 4180.
 *
 * Quoted cells may hold separators, line breaks and doubled quotes; a quote inside an unquoted cell is a character of it,
 * as people write inches. Lines end with LF, CR LF or CR. Empty lines are no rows. */
#include <stdlib.h>
#include <string.h>

#include "data/table_internal.h"

enum { GUESS_ROWS = 64, GUESS_BYTES = 1 << 18 };

/* How well a separator explains the first rows: rows that have as many cells as the first, times the cells, or 0. */
static size_t try_separator(const char *s, size_t n, char sep) {
    size_t cells = 1, first = 0, same = 0, rows = 0;
    bool at_start = true, quoted = false, empty = true;
    for (size_t i = 0; i <= n && rows < GUESS_ROWS; i++) {
        bool end = i == n || (!quoted && (s[i] == '\n' || s[i] == '\r'));
        if (end) {
            if (i == n && n == GUESS_BYTES) break; /* the last row was cut */
            if (!empty) {
                rows++;
                if (rows == 1) first = cells;
                same += cells == first;
            }
            cells = 1, at_start = true, empty = true, quoted = false;
            continue;
        }
        empty = false;
        if (quoted) {
            if (s[i] == '"') {
                if (i + 1 < n && s[i + 1] == '"') i++;
                else quoted = false;
            }
        } else if (s[i] == '"' && at_start) {
            quoted = true;
            at_start = false;
        } else if (s[i] == sep) {
            cells++;
            at_start = true;
        } else {
            at_start = false;
        }
    }
    if (first < 2 || rows == 0) return 0;
    /* Agreement decides; among equals the one with more cells. */
    return same * 100000 / rows * 64 + (first < 63 ? first : 63);
}

static bool has_digit(const char *s) { return strpbrk(s, "0123456789") != NULL; }

/* "199.00", "$5", "12,50 €", and no "2L". */
static bool is_figure(const char *s) {
    for (const char *p = s; *p; p++)
        if ((unsigned char)*p < 0x80 && !strchr("0123456789.,$- ", *p)) return false;
    return has_digit(s);
}

/* Words in every cell, and no space behind a separator as in prose: "Name,Price,Stock". */
static bool is_head(const glim_rowbuf *row) {
    for (size_t c = 0; c < row->n; c++) {
        const char *s = row->cell[c].text;
        bool letter = false;
        for (const char *p = s; *p; p++) letter |= (unsigned char)*p >= 0x80 || ((*p | 32) >= 'a' && (*p | 32) <= 'z');
        if (!letter || *s == ' ') return false;
    }
    return row->n > 2;
}

/* So many rows of one cell, 1 to `most`, stand above a table of three columns and more, or 0. A table has headings, in all rows as many cells as they
 * are, and a column of figures under a heading without one: "Box, small, red" is a cell with commas. */
static size_t titles_above(const char *text, size_t n, char sep, size_t most) {
    glim_table_csv c = {.s = text, .n = n, .line = 1, .sep = sep, .ragged = true};
    glim_rowbuf row = {0};
    bool more, table = false, *figures = NULL;
    size_t titles = 0, rows = 0, cols = 0, line;
    glim_err ignored = {0};
    for (; rows < GUESS_ROWS && glim_table_csv_next(&c, &row, &line, &more, &ignored) == GLIM_OK && more; rows++) {
        if (n == GUESS_BYTES && c.at == n) break; /* the last row was cut */
        if (cols == 0 && row.n == 1 && titles < most) {
            titles++;
            continue;
        }
        table = titles > 0 && (cols ? row.n == cols : is_head(&row));
        if (!table) break;
        if (cols == 0) figures = glim_xcalloc(row.n, sizeof *figures);
        for (size_t i = 0; i < row.n; i++) figures[i] = cols ? figures[i] && is_figure(row.cell[i].text) : !has_digit(row.cell[i].text);
        cols = row.n;
    }
    bool any = false;
    for (size_t i = 0; i < cols; i++) any |= figures[i];
    free(figures);
    glim_rowbuf_free(&row);
    return table && any && rows > titles + 1 ? titles : 0;
}

void glim_table_csv_init(glim_table_csv *c, const char *text, size_t n, char sep, bool ragged, size_t titles) {
    *c = (glim_table_csv){.s = text, .n = n, .line = 1, .sep = sep ? sep : ',', .ragged = ragged};
    if (sep) return;
    /* "sep=;" is a line that Excel writes and reads. */
    if (n > 4 && memcmp(text, "sep=", 4) == 0 && (n == 5 || text[5] == '\n' || text[5] == '\r')) {
        c->sep = text[4];
        c->at = 5;
        return;
    }
    static const char known[] = {',', ';', '\t', '|'};
    size_t best = 0;
    for (size_t i = 0; i < sizeof known; i++) {
        size_t v = try_separator(text, n < GUESS_BYTES ? n : GUESS_BYTES, known[i]);
        if (v > best) best = v, c->sep = known[i];
    }
    for (size_t i = 0, n_tables = 0; best == 0 && i < sizeof known; i++) { /* the first row has one cell under any of them; of two tables neither is meant */
        const size_t v = titles_above(text, n < GUESS_BYTES ? n : GUESS_BYTES, known[i], titles);
        if (v && n_tables++ == 0) c->sep = known[i], c->titles = v;
        else if (v) c->sep = ',', c->titles = 0;
    }
}

/* A line break at `at`: its length, or 0. */
static size_t line_break(const glim_table_csv *c) {
    if (c->at >= c->n) return 0;
    if (c->s[c->at] == '\n') return 1;
    if (c->s[c->at] != '\r') return 0;
    return c->at + 1 < c->n && c->s[c->at + 1] == '\n' ? 2 : 1;
}

/* Behind the opening quote: up to and with the closing one. */
static glim_status quoted_cell(glim_table_csv *c, glim_rowbuf *row, glim_err *err) {
    size_t from = c->line;
    for (;;) {
        const char *q = memchr(c->s + c->at, '"', c->n - c->at);
        if (!q)
            return glim_fail(err, GLIM_E_FORMAT, "line %zu: cell %zu begins with a quote that is never closed", from, row->n);
        size_t end = (size_t)(q - c->s);
        for (size_t i = c->at; i < end; i++)
            c->line += c->s[i] == '\n' || (c->s[i] == '\r' && c->s[i + 1] != '\n'); /* i + 1 <= end: the quote */
        glim_buf_append(&row->text, c->s + c->at, end - c->at);
        c->at = end + 1;
        if (c->at == c->n || c->s[c->at] != '"') return GLIM_OK;
        glim_buf_putc(&row->text, '"');
        c->at++;
    }
}

glim_status glim_table_csv_next(glim_table_csv *c, glim_rowbuf *row, size_t *line, bool *more, glim_err *err) {
    for (size_t k; (k = line_break(c)) > 0; c->line++) c->at += k;
    glim_rowbuf_clear(row);
    *line = c->line;
    *more = c->at < c->n;
    if (!*more) return GLIM_OK;
    for (;;) {
        glim_status rc = glim_rowbuf_begin(row, err);
        if (rc != GLIM_OK) return rc;
        bool quoted = c->at < c->n && c->s[c->at] == '"';
        if (quoted) {
            c->at++;
            rc = quoted_cell(c, row, err);
            if (rc != GLIM_OK) return rc;
            if (c->at < c->n && c->s[c->at] != c->sep && line_break(c) == 0) {
                rc = glim_fail(err, GLIM_E_FORMAT, "line %zu: cell %zu goes on behind its closing quote", c->line, row->n);
                glim_err_hint(err, "a quote inside a quoted cell is written twice: \"\"");
                return rc;
            }
        } else {
            size_t a = c->at;
            while (c->at < c->n && c->s[c->at] != c->sep && c->s[c->at] != '\n' && c->s[c->at] != '\r') c->at++;
            glim_buf_append(&row->text, c->s + a, c->at - a);
        }
        glim_rowbuf_end(row, GLIM_CELL_TEXT);
        size_t k = line_break(c);
        if (k || c->at == c->n) {
            c->at += k;
            c->line += k > 0;
            break;
        }
        c->at++; /* the separator */
    }
    if (c->titles > 0) {
        c->titles--;
        return glim_rowbuf_finish(row, err);
    }
    if (c->n_cols == 0) c->n_cols = row->n;
    if (!c->ragged && row->n != c->n_cols) {
        glim_status rc = glim_fail(err, GLIM_E_FORMAT, "line %zu: got %zu cells, want %zu as in the first row", *line, row->n, c->n_cols);
        glim_err_hint(err, "a cell that holds the separator \"%c\" has to stand in quotes; or ask for ragged rows", c->sep);
        return rc;
    }
    return glim_rowbuf_finish(row, err);
}
