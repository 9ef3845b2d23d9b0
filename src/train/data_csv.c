/* data_csv.c - CSV after RFC 4180: quoted cells may hold separators, line breaks and doubled quotes.
 *
 * A quote inside an unquoted cell is a character of it, as spreadsheets write inches. */
#include <stdlib.h>
#include <string.h>

#include "train/data_internal.h"

static char guess_separator(const char *s, size_t n) {
    size_t comma = 0, semicolon = 0, tab = 0;
    bool quoted = false;
    for (size_t i = 0; i < n && (quoted || s[i] != '\n'); i++) {
        if (s[i] == '"') quoted = !quoted;
        else if (!quoted) comma += s[i] == ',', semicolon += s[i] == ';', tab += s[i] == '\t';
    }
    if (tab > comma && tab > semicolon) return '\t';
    return semicolon > comma ? ';' : ',';
}

void glim_csv_init(glim_csv *c, const char *text, size_t len, char sep) {
    *c = (glim_csv){.s = text, .n = len, .next_line = 1};
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) c->at = 3;
    c->sep = sep ? sep : guess_separator(text + c->at, len - c->at);
}

void glim_csv_deinit(glim_csv *c) {
    glim_buf_free(&c->text);
    free(c->cell);
    free(c->cell_len);
    *c = (glim_csv){0};
}

static glim_status begin_cell(glim_csv *c, glim_err *err) {
    if (c->n_cells == c->cap_cells) {
        size_t cap = c->cap_cells ? 2 * c->cap_cells : 16;
        void *p = c->cell;
        glim_status rc = glim_try_realloc(&p, cap, sizeof *c->cell, "cells of a row", err);
        if (rc != GLIM_OK) return rc;
        c->cell = p;
        p = c->cell_len;
        rc = glim_try_realloc(&p, cap, sizeof *c->cell_len, "cells of a row", err);
        if (rc != GLIM_OK) return rc;
        c->cell_len = p;
        c->cap_cells = cap;
    }
    c->cell[c->n_cells] = c->text.len;
    return GLIM_OK;
}

static void end_cell(glim_csv *c) {
    c->cell_len[c->n_cells] = c->text.len - c->cell[c->n_cells];
    c->n_cells++;
    glim_buf_putc(&c->text, 0);
}

/* To behind the line break that ends the row in hand. */
static void skip_row(glim_csv *c) {
    const char *nl = memchr(c->s + c->at, '\n', c->n - c->at);
    c->at = nl ? (size_t)(nl - c->s) + 1 : c->n;
    c->next_line++;
}

/* Behind the opening quote: up to and with the closing one. */
static glim_status quoted(glim_csv *c, glim_err *err) {
    size_t from = c->next_line;
    for (;;) {
        const char *q = memchr(c->s + c->at, '"', c->n - c->at);
        if (!q) {
            c->at = c->n;
            return glim_fail(err, GLIM_E_FORMAT, "the quoted cell that begins on line %zu has no closing quote", from);
        }
        size_t end = (size_t)(q - c->s);
        for (size_t i = c->at; i < end; i++) c->next_line += c->s[i] == '\n';
        glim_buf_append(&c->text, c->s + c->at, end - c->at);
        c->at = end + 1;
        if (c->at == c->n || c->s[c->at] != '"') return GLIM_OK;
        glim_buf_putc(&c->text, '"');
        c->at++;
    }
}

glim_status glim_csv_next(glim_csv *c, bool *more, glim_err *err) {
    for (;;) { /* empty lines are no rows */
        if (c->at < c->n && c->s[c->at] == '\n') c->at++, c->next_line++;
        else if (c->at + 1 < c->n && c->s[c->at] == '\r' && c->s[c->at + 1] == '\n') c->at += 2, c->next_line++;
        else break;
    }
    glim_buf_clear(&c->text);
    c->n_cells = 0;
    c->line = c->next_line;
    *more = c->at < c->n;
    if (!*more) return GLIM_OK;
    for (;;) {
        glim_status rc = begin_cell(c, err);
        if (rc != GLIM_OK) return rc;
        if (c->at < c->n && c->s[c->at] == '"') {
            c->at++;
            rc = quoted(c, err);
            if (rc != GLIM_OK) return rc;
            bool at_end = c->at == c->n || c->s[c->at] == c->sep || c->s[c->at] == '\n' ||
                          (c->s[c->at] == '\r' && (c->at + 1 == c->n || c->s[c->at + 1] == '\n'));
            if (!at_end) {
                size_t cell = c->n_cells + 1;
                skip_row(c);
                return glim_fail(err, GLIM_E_FORMAT, "cell %zu goes on behind its closing quote (a quote inside a cell is written \"\")", cell);
            }
        } else {
            size_t a = c->at;
            while (c->at < c->n && c->s[c->at] != c->sep && c->s[c->at] != '\n') c->at++;
            size_t b = c->at;
            if (b > a && c->s[b - 1] == '\r' && (c->at == c->n || c->s[c->at] == '\n')) b--;
            glim_buf_append(&c->text, c->s + a, b - a);
        }
        end_cell(c);
        if (c->at < c->n && c->s[c->at] == '\r') c->at++;
        if (c->at == c->n) break;
        char e = c->s[c->at++];
        if (e == '\n') {
            c->next_line++;
            break;
        }
    }
    return glim_buf_status(&c->text, "a row of cells", err);
}
