/* table_internal.h - what the readers of tables share.
 *
 *   table.c             opening, the format guessed, what callers see
 *   table_csv.c         CSV
 *   table_text.c        bytes in any encoding to UTF-8
 *   table_xlsx.c        a workbook: its parts, sheets, shared texts and styles
 *   table_xlsx_sheet.c  a sheet: rows out of a stream of XML
 *   table_zip.c         parts of the package, unpacked within limits
 *   table_date.c        Excel's days and formats */
#ifndef GLIM_DATA_TABLE_INTERNAL_H
#define GLIM_DATA_TABLE_INTERNAL_H

#include "base/alloc.h"
#include "base/file.h"
#include "data/table.h"

/* The row in hand: its texts lie one after the other in `text`, each ended by a NUL. */
typedef struct glim_rowbuf {
    glim_buf text;
    glim_cell *cell; /* [n]; .text is set when the row is whole, until then .number of an offset lies in at */
    size_t *at;      /* [n] */
    size_t n, cap;
} glim_rowbuf;

void glim_rowbuf_clear(glim_rowbuf *r);
/* A cell whose text begins at the end of r->text; the caller appends text and calls glim_rowbuf_end. */
glim_status glim_rowbuf_begin(glim_rowbuf *r, glim_err *err);
void glim_rowbuf_end(glim_rowbuf *r, glim_cell_kind kind);
/* Sets the pointers. Errors: GLIM_E_NOMEM. */
glim_status glim_rowbuf_finish(glim_rowbuf *r, glim_err *err);
void glim_rowbuf_free(glim_rowbuf *r);

/* ---- table_text.c ---- */

/* *out borrows from bytes (a UTF-8 text) or is *own. Errors: GLIM_E_FORMAT naming the line, GLIM_E_LIMIT. */
glim_status glim_text_decode(const char **out, size_t *n_out, glim_buf *own, const char **encoding, const char *bytes, size_t n,
                             const char *wanted, uint64_t max_bytes, glim_err *err);

/* ---- table_csv.c ---- */

typedef struct glim_table_csv {
    const char *s;
    size_t n, at, line;
    char sep;
    bool ragged;
    size_t titles; /* rows of one cell that still come before the first row */
    size_t n_cols; /* of the first row; 0 before it */
} glim_table_csv;

void glim_table_csv_init(glim_table_csv *c, const char *text, size_t n, char sep, bool ragged, size_t titles);
glim_status glim_table_csv_next(glim_table_csv *c, glim_rowbuf *row, size_t *line, bool *more, glim_err *err);

/* ---- table_date.c ---- */

/* Is this number format one of dates or times? `code` may be NULL for the built-in ones. */
bool glim_date_format(int id, const char *code);
/* Appends day `serial` as ISO text; false where it is no date Excel knows (negative, beyond 9999). */
bool glim_date_put(glim_buf *out, double serial, bool calendar_1904);

/* ---- table_xlsx.c ---- */

typedef struct glim_xlsx glim_xlsx;
glim_status glim_xlsx_open(glim_xlsx **out, const char *path, const void *bytes, size_t n, const glim_table_params *p, glim_err *err);
glim_status glim_xlsx_next(glim_xlsx *x, glim_rowbuf *row, size_t *line, bool *more, glim_err *err);
void glim_xlsx_about(const glim_xlsx *x, glim_table_facts *f);
void glim_xlsx_close(glim_xlsx *x);

#endif
