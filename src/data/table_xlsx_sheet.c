/* table_xlsx_sheet.c - rows out of a sheet's XML, one at a time.
 *
 * The parser is stopped at each </row> that held something and goes on from there with the next call, so memory holds one
 * row whatever the sheet's length. Rows and cells come in ascending order, as the standard wants; what does not is an error
 * naming the cell, because a table read in another order than it is shown would be worse. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/table_xlsx_internal.h"

enum { MAX_ROW = 1048576, MAX_COL = 16384, MAX_VALUE = 1 << 20, MAX_MERGED = 1 << 16 };

static void fail_at(glim_xlsx *x, glim_status rc) {
    if (x->xml.rc != GLIM_OK) return;
    x->xml.rc = rc;
    glim_xml_stop(&x->xml);
}

#define FAIL(x, code, ...) fail_at(x, glim_fail(&(x)->xml.err, code, __VA_ARGS__))

static const char *cell_name(const glim_xlsx *x, char buf[32]) {
    char col[8];
    snprintf(buf, 32, "%s%zu", glim_table_column(col, x->col), x->row_no);
    return buf;
}

/* "BC12" to column 54 and row 12. */
static bool parse_ref(const char *s, size_t *col, size_t *row) {
    size_t c = 0, r = 0, i = 0;
    for (; (s[i] >= 'A' && s[i] <= 'Z') || (s[i] >= 'a' && s[i] <= 'z'); i++) {
        c = c * 26 + (size_t)((s[i] | 32) - 'a') + 1;
        if (c > MAX_COL) return false;
    }
    size_t digits = i;
    for (; s[i] >= '0' && s[i] <= '9'; i++) {
        r = r * 10 + (size_t)(s[i] - '0');
        if (r > MAX_ROW) return false;
    }
    if (c == 0 || i == digits || r == 0 || s[i]) return false;
    *col = c - 1;
    *row = r;
    return true;
}

static void begin_row(glim_xlsx *x, const char **atts) {
    const char *r = glim_xml_attr(atts, "r");
    size_t no = x->row_no + 1;
    if (r) {
        char *end;
        errno = 0;
        unsigned long v = strtoul(r, &end, 10);
        if (*end || errno || v < no || v > MAX_ROW) {
            FAIL(x, GLIM_E_FORMAT, "sheet \"%s\": a row says it is \"%s\", want %zu to %d", x->sheets[x->sheet].name, r, no, MAX_ROW);
            return;
        }
        no = v;
    } else if (no > MAX_ROW) {
        FAIL(x, GLIM_E_LIMIT, "sheet \"%s\" has more than %d rows", x->sheets[x->sheet].name, MAX_ROW);
        return;
    }
    x->row_no = no;
    x->in_row = true;
    x->col = 0;
    glim_rowbuf_clear(x->row);
}

static void begin_cell(glim_xlsx *x, const char **atts) {
    const char *r = glim_xml_attr(atts, "r"), *t = glim_xml_attr(atts, "t"), *s = glim_xml_attr(atts, "s");
    char name[32];
    size_t want = x->row->n;
    x->col = want;
    if (r) {
        size_t col, row;
        if (!parse_ref(r, &col, &row) || row != x->row_no || col < want) {
            FAIL(x, GLIM_E_FORMAT, "sheet \"%s\": a cell says it is \"%s\", want %s or one to its right", x->sheets[x->sheet].name, r,
                 cell_name(x, name));
            return;
        }
        x->col = col;
    }
    if (x->col >= MAX_COL) {
        FAIL(x, GLIM_E_LIMIT, "sheet \"%s\", row %zu has more than %d cells", x->sheets[x->sheet].name, x->row_no, MAX_COL);
        return;
    }
    x->type = !t ? 'n' : strcmp(t, "s") == 0 ? 's' : strcmp(t, "str") == 0 ? 't' : strcmp(t, "inlineStr") == 0 ? 'i'
            : strcmp(t, "b") == 0 ? 'b' : strcmp(t, "e") == 0 ? 'e' : strcmp(t, "d") == 0 ? 'd' : strcmp(t, "n") == 0 ? 'n' : '?';
    if (x->type == '?') {
        FAIL(x, GLIM_E_FORMAT, "sheet \"%s\", cell %s: type \"%s\" is not known", x->sheets[x->sheet].name, cell_name(x, name), t);
        return;
    }
    x->style = s ? strtoul(s, NULL, 10) : 0;
    x->in_cell = true;
    x->saw_value = x->formula = x->in_inline = x->in_phonetic = false;
    glim_buf_clear(&x->value);
}

static void on_start(void *ctx, const char *name, const char **atts) {
    glim_xlsx *x = ctx;
    const char *local = glim_xml_local(name);
    if (x->xml.rc != GLIM_OK) return;
    if (x->in_cell) {
        bool is_v = strcmp(local, "v") == 0, is_t = strcmp(local, "t") == 0;
        if (strcmp(local, "f") == 0) x->formula = true;
        else if (strcmp(local, "is") == 0) x->in_inline = true;
        else if (strcmp(local, "rPh") == 0) x->in_phonetic = true;
        else if (is_v || (is_t && x->in_inline && !x->in_phonetic)) {
            const char *space = glim_xml_attr(atts, "space");
            x->keep_space = space && strcmp(space, "preserve") == 0;
            /* A <v> beside <is> is the same text again. */
            if (is_v && x->type != 'i') glim_buf_clear(&x->value);
            x->in_value = is_t || x->type != 'i';
            x->saw_value |= x->in_value;
        }
    } else if (x->in_row) {
        if (strcmp(local, "c") == 0) begin_cell(x, atts);
    } else if (x->in_data) {
        if (strcmp(local, "row") == 0) begin_row(x, atts);
    } else if (strcmp(local, "sheetData") == 0) {
        x->in_data = true;
    } else if (strcmp(local, "mergeCell") == 0) {
        const char *ref = glim_xml_attr(atts, "ref");
        if (!ref || strlen(ref) > 40) return;
        if (x->n_merged == MAX_MERGED) {
            FAIL(x, GLIM_E_LIMIT, "sheet \"%s\" has more than %d merged ranges", x->sheets[x->sheet].name, MAX_MERGED);
            return;
        }
        if (x->n_merged == x->cap_merged) {
            x->cap_merged = x->cap_merged ? 2 * x->cap_merged : 16;
            x->merged = glim_xrealloc(x->merged, x->cap_merged * sizeof *x->merged);
        }
        x->merged[x->n_merged++] = glim_xstrdup(ref);
    }
}

/* 15 significant digits are what Excel shows and computes with; more only where they are needed to read back the same
 * would show 9.9000000000000004 for 9.9. */
static void put_number(glim_buf *out, double v) {
    if (v == 0) v = 0; /* no -0 */
    if (fabs(v) < 1e15 && v == floor(v)) glim_buf_printf(out, "%.0f", v);
    else glim_buf_printf(out, "%.15g", v);
}

static glim_cell_kind put_value(glim_xlsx *x, glim_cell *c) {
    glim_buf *out = &x->row->text;
    const char *v = glim_buf_cstr(&x->value);
    const char *sheet = x->sheets[x->sheet].name;
    size_t n = x->value.len;
    char name[32];
    if (!x->saw_value || (n == 0 && x->type != 't' && x->type != 'i')) return GLIM_CELL_EMPTY;
    char *end;
    errno = 0;
    switch (x->type) {
    case 's': {
        unsigned long k = strtoul(v, &end, 10);
        if (end == v || *end || errno || v[0] == '-' || k >= x->n_texts) {
            FAIL(x, GLIM_E_FORMAT, "sheet \"%s\", cell %s: shared text \"%s\" does not exist; the workbook has %zu", sheet,
                 cell_name(x, name), v, x->n_texts);
            return GLIM_CELL_EMPTY;
        }
        glim_buf_append(out, x->texts.s + x->text_at[k], x->text_at[k + 1] - x->text_at[k] - 1);
        return GLIM_CELL_TEXT;
    }
    case 't':
    case 'i': glim_buf_append(out, v, n); return GLIM_CELL_TEXT;
    case 'e': glim_buf_append(out, v, n); return GLIM_CELL_ERROR;
    case 'b': {
        bool yes = strcmp(v, "1") == 0 || strcmp(v, "true") == 0;
        if (!yes && strcmp(v, "0") != 0 && strcmp(v, "false") != 0) {
            FAIL(x, GLIM_E_FORMAT, "sheet \"%s\", cell %s: got \"%s\", want a boolean", sheet, cell_name(x, name), v);
            return GLIM_CELL_EMPTY;
        }
        c->number = yes;
        glim_buf_puts(out, yes ? "TRUE" : "FALSE");
        return GLIM_CELL_BOOL;
    }
    case 'd': { /* ISO 8601 as it stands, with a space for the T */
        size_t at = out->len;
        glim_buf_append(out, v, n);
        if (!out->failed && n > 10 && out->s[at + 10] == 'T') out->s[at + 10] = ' ';
        c->number = NAN;
        return GLIM_CELL_DATE;
    }
    default: break;
    }
    double d = strtod(v, &end);
    if (end == v || *end || !isfinite(d)) {
        FAIL(x, GLIM_E_FORMAT, "sheet \"%s\", cell %s: got \"%.40s\", want a number", sheet, cell_name(x, name), v);
        return GLIM_CELL_EMPTY;
    }
    c->number = d;
    if (x->style < x->n_styles && x->is_date[x->style] && glim_date_put(out, d, x->calendar_1904)) return GLIM_CELL_DATE;
    put_number(out, d);
    return GLIM_CELL_NUMBER;
}

static void end_cell(glim_xlsx *x) {
    x->in_cell = false;
    glim_status rc = GLIM_OK;
    while (rc == GLIM_OK && x->row->n < x->col) { /* cells left out */
        rc = glim_rowbuf_begin(x->row, &x->xml.err);
        if (rc == GLIM_OK) glim_rowbuf_end(x->row, GLIM_CELL_EMPTY);
    }
    if (rc == GLIM_OK) rc = glim_rowbuf_begin(x->row, &x->xml.err);
    if (rc != GLIM_OK) {
        fail_at(x, rc);
        return;
    }
    glim_cell *c = &x->row->cell[x->row->n - 1];
    c->formula = x->formula;
    glim_cell_kind kind = put_value(x, c);
    glim_rowbuf_end(x->row, kind);
    if (x->formula) {
        x->n_formulas += x->saw_value;
        x->n_formulas_empty += !x->saw_value;
    }
}

static void on_end(void *ctx, const char *name) {
    glim_xlsx *x = ctx;
    const char *local = glim_xml_local(name);
    if (x->xml.rc != GLIM_OK) return;
    if (x->in_cell) {
        if (x->in_value && (strcmp(local, "v") == 0 || strcmp(local, "t") == 0)) x->in_value = false;
        else if (strcmp(local, "rPh") == 0) x->in_phonetic = false;
        else if (strcmp(local, "c") == 0) end_cell(x);
    } else if (x->in_row) {
        if (strcmp(local, "row") != 0) return;
        x->in_row = false;
        bool any = false;
        for (size_t i = 0; i < x->row->n && !any; i++) any = x->row->cell[i].kind != GLIM_CELL_EMPTY || x->row->cell[i].formula;
        if (!any) return; /* formats only */
        x->row_ready = true;
        XML_StopParser(x->xml.parser, XML_TRUE);
    } else if (strcmp(local, "sheetData") == 0) {
        x->in_data = false;
    }
}

static void on_text(void *ctx, const char *s, int n) {
    glim_xlsx *x = ctx;
    if (!x->in_value || x->xml.rc != GLIM_OK) return;
    if (x->value.len + (size_t)n > MAX_VALUE) {
        char name[32];
        FAIL(x, GLIM_E_LIMIT, "sheet \"%s\", cell %s holds more than %d bytes", x->sheets[x->sheet].name, cell_name(x, name), MAX_VALUE);
        return;
    }
    if (x->type == 't' || x->type == 'i') glim_xml_unescape(&x->value, s, (size_t)n);
    else glim_buf_append(&x->value, s, (size_t)n);
}

glim_status glim_xlsx_begin(glim_xlsx *x, glim_err *err) {
    glim_xml_close(&x->xml);
    for (size_t i = 0; i < x->n_merged; i++) free(x->merged[i]);
    x->n_merged = x->n_formulas = x->n_formulas_empty = 0;
    x->row_no = 0;
    x->row_ready = x->in_data = x->in_row = x->in_cell = x->in_value = false;
    bool found;
    const char *part = x->sheets[x->sheet].part;
    x->doing = &x->xml;
    glim_status rc = glim_xml_open(&x->xml, x->z, part, x->max_bytes, &found, x, on_start, on_end, on_text, err);
    if (rc == GLIM_OK && !found) rc = glim_fail(err, GLIM_E_FORMAT, "sheet \"%s\": part \"%s\" is missing", x->sheets[x->sheet].name, part);
    return rc;
}

glim_status glim_xlsx_next(glim_xlsx *x, glim_rowbuf *row, size_t *line, bool *more, glim_err *err) {
    x->row = row;
    x->row_ready = false;
    glim_status rc = GLIM_OK;
    while (rc == GLIM_OK && !x->row_ready && !x->xml.at_end) rc = glim_xml_step(&x->xml, err);
    if (rc == GLIM_OK) rc = glim_buf_status(&x->value, "a cell", err);
    *more = rc == GLIM_OK && x->row_ready;
    *line = x->row_no;
    if (rc != GLIM_OK) {
        if (err && !strstr(err->msg, "sheet \"")) /* broken XML inside a sheet: say how far the reading came */
            glim_err_context(err, "sheet \"%s\", behind row %zu", x->sheets[x->sheet].name, x->row_no);
        return rc;
    }
    return *more ? glim_rowbuf_finish(row, err) : GLIM_OK;
}
