/* table.c - see table.h. */
#include "data/table.h"

#include <stdlib.h>
#include <string.h>

#include "data/table_internal.h"

struct glim_table {
    glim_table_format format;
    char *name;
    glim_map map;
    glim_buf text; /* a CSV that was not UTF-8 */
    const char *encoding;
    glim_table_csv csv;
    glim_xlsx *xlsx;
    glim_rowbuf row;
    size_t n_rows;
    bool done, failed;
    glim_err why; /* of the failure */
};

void glim_rowbuf_clear(glim_rowbuf *r) {
    glim_buf_clear(&r->text);
    r->n = 0;
}

glim_status glim_rowbuf_begin(glim_rowbuf *r, glim_err *err) {
    if (r->n == r->cap) {
        size_t cap = r->cap ? 2 * r->cap : 32;
        void *p = r->cell;
        glim_status rc = glim_try_realloc(&p, cap, sizeof *r->cell, "cells of a row", err);
        if (rc != GLIM_OK) return rc;
        r->cell = p;
        p = r->at;
        rc = glim_try_realloc(&p, cap, sizeof *r->at, "cells of a row", err);
        if (rc != GLIM_OK) return rc;
        r->at = p;
        r->cap = cap;
    }
    r->at[r->n] = r->text.len;
    r->cell[r->n++] = (glim_cell){.kind = GLIM_CELL_EMPTY};
    return GLIM_OK;
}

void glim_rowbuf_end(glim_rowbuf *r, glim_cell_kind kind) {
    glim_cell *c = &r->cell[r->n - 1];
    c->n = r->text.len - r->at[r->n - 1];
    c->kind = kind == GLIM_CELL_TEXT && c->n == 0 ? GLIM_CELL_EMPTY : kind;
    glim_buf_putc(&r->text, 0);
}

glim_status glim_rowbuf_finish(glim_rowbuf *r, glim_err *err) {
    glim_status rc = glim_buf_status(&r->text, "a row of cells", err);
    if (rc != GLIM_OK) return rc;
    for (size_t i = 0; i < r->n; i++) r->cell[i].text = r->text.s + r->at[i];
    return GLIM_OK;
}

void glim_rowbuf_free(glim_rowbuf *r) {
    glim_buf_free(&r->text);
    free(r->cell);
    free(r->at);
    *r = (glim_rowbuf){0};
}

/* Bytes that are another program's file and no table of ours. */
static glim_status refuse_others(const uint8_t *s, size_t n, glim_err *err) {
    glim_status rc = GLIM_OK;
    if (n >= 8 && memcmp(s, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 8) == 0) {
        rc = glim_fail(err, GLIM_E_UNSUPPORTED, "this is an .xls file of old Excel, or a workbook with a password");
        glim_err_hint(err, "open it and save it as .xlsx without a password");
    } else if (n >= 5 && memcmp(s, "%PDF-", 5) == 0) {
        rc = glim_fail(err, GLIM_E_UNSUPPORTED, "this is a PDF file, want CSV or XLSX");
    } else if (n >= 2 && s[0] == 0x1f && s[1] == 0x8b) {
        rc = glim_fail(err, GLIM_E_UNSUPPORTED, "this is a gzip file, want CSV or XLSX");
        glim_err_hint(err, "unpack it first: gunzip FILE");
    }
    return rc;
}

static bool is_zip(const void *bytes, size_t n) {
    const uint8_t *s = bytes;
    return n >= 4 && memcmp(s, "PK", 2) == 0 && (s[2] == 3 || s[2] == 5 || s[2] == 7);
}

static glim_status open_bytes(glim_table *t, const char *path, const void *bytes, size_t n, const glim_table_params *p, glim_err *err) {
    const uint8_t *s = bytes;
    t->format = p->format;
    if (t->format == GLIM_TABLE_GUESS) {
        glim_status rc = refuse_others(s, n, err);
        if (rc != GLIM_OK) return rc;
        t->format = is_zip(s, n) ? GLIM_TABLE_XLSX : GLIM_TABLE_CSV;
    }
    if (t->format == GLIM_TABLE_XLSX) return glim_xlsx_open(&t->xlsx, path, bytes, n, p, err);
    const char *text;
    size_t len;
    glim_status rc = glim_text_decode(&text, &len, &t->text, &t->encoding, bytes, n, p->encoding, p->max_bytes, err);
    if (rc == GLIM_OK && memchr(text, 0, len < 65536 ? len : 65536))
        rc = glim_fail(err, GLIM_E_FORMAT, "this is no text: it holds bytes of value 0");
    if (rc == GLIM_OK) glim_table_csv_init(&t->csv, text, len, p->separator, p->ragged, p->titles);
    return rc;
}

static glim_status finish_open(glim_table **out, glim_table *t, glim_status rc, const char *name, glim_err *err) {
    if (rc == GLIM_OK) {
        *out = t;
        return rc;
    }
    glim_err_context(err, "\"%s\"", name);
    glim_table_close(t);
    return rc;
}

glim_status glim_table_open(glim_table **out, const char *path, const glim_table_params *p, glim_err *err) {
    const glim_table_params zero = {0};
    *out = NULL;
    glim_table *t = glim_xcalloc(1, sizeof *t);
    t->name = glim_xstrdup(path);
    glim_status rc = glim_map_open(&t->map, path, err);
    if (rc != GLIM_OK) { /* its message names the path */
        glim_table_close(t);
        return rc;
    }
    return finish_open(out, t, open_bytes(t, path, t->map.data, t->map.size, p ? p : &zero, err), path, err);
}

glim_status glim_table_parse(glim_table **out, const char *name, const void *bytes, size_t n, const glim_table_params *p, glim_err *err) {
    const glim_table_params zero = {0};
    *out = NULL;
    glim_table *t = glim_xcalloc(1, sizeof *t);
    t->name = glim_xstrdup(name);
    return finish_open(out, t, open_bytes(t, NULL, n ? bytes : "", n, p ? p : &zero, err), name, err);
}

glim_status glim_table_utf8(glim_buf *out, const char **encoding, const void *bytes, size_t n, const char *wanted, glim_err *err) {
    *encoding = NULL;
    if (is_zip(bytes, n)) return wanted ? glim_fail(err, GLIM_E_ARG, "a workbook has no encoding of its own to name") : GLIM_OK;
    const char *text = NULL;
    size_t len = 0;
    glim_status rc = refuse_others(bytes, n, err);
    if (rc == GLIM_OK) rc = glim_text_decode(&text, &len, out, encoding, n ? bytes : "", n, wanted, 0, err);
    if (rc == GLIM_OK && out->len == 0) glim_buf_append(out, text, len);
    return rc == GLIM_OK ? glim_buf_status(out, "a text in UTF-8", err) : rc;
}

glim_status glim_table_next(glim_table *t, glim_table_row *row, bool *more, glim_err *err) {
    *row = (glim_table_row){0};
    *more = false;
    if (t->failed) {
        if (err) *err = t->why;
        return t->why.code;
    }
    if (t->done) return GLIM_OK;
    glim_err why = {0};
    glim_status rc = t->format == GLIM_TABLE_XLSX ? glim_xlsx_next(t->xlsx, &t->row, &row->line, more, &why)
                                                  : glim_table_csv_next(&t->csv, &t->row, &row->line, more, &why);
    if (rc != GLIM_OK) {
        *more = false;
        *row = (glim_table_row){0};
        glim_err_context(&why, "\"%s\"", t->name);
        t->failed = true;
        t->why = why;
        if (err) *err = why;
        return rc;
    }
    if (*more) {
        row->cell = t->row.cell;
        row->n = t->row.n;
        t->n_rows++;
    } else {
        t->done = true;
    }
    return GLIM_OK;
}

void glim_table_close(glim_table *t) {
    if (!t) return;
    glim_xlsx_close(t->xlsx);
    glim_buf_free(&t->text);
    glim_rowbuf_free(&t->row);
    glim_map_close(&t->map);
    free(t->name);
    free(t);
}

void glim_table_about(const glim_table *t, glim_table_facts *f) {
    *f = (glim_table_facts){.format = t->format};
    if (t->format == GLIM_TABLE_XLSX) glim_xlsx_about(t->xlsx, f);
    else f->encoding = t->encoding, f->separator = t->csv.sep;
    f->n_rows = t->n_rows;
}

const char *glim_table_column(char buf[8], size_t column) {
    char rev[8];
    size_t n = 0;
    for (size_t c = column + 1; c > 0 && n < 7; c = (c - 1) / 26) rev[n++] = (char)('A' + (c - 1) % 26);
    for (size_t i = 0; i < n; i++) buf[i] = rev[n - 1 - i];
    buf[n] = 0;
    return buf;
}
