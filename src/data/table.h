/* table.h - rows out of CSV and XLSX files, one at a time, through one iterator.
 *
 * A table is opened, its rows are taken with glim_table_next until *more is false, and it is closed. A row that is wrong
 * ends the reading with an error that names the sheet and the cell, or the line, so that a caller who imports inside a
 * transaction imports all or nothing.
 *
 *   CSV   RFC 4180; the separator is guessed among , ; tab and | unless given. UTF-8 with or without a mark, UTF-16 with a
 *         mark or without, what of GB18030, Big5 and windows-1252 gives a likely text (an error where two do, or none), or a
 *         named encoding. Bytes that are not text in the encoding are an error.
 *   XLSX  the cells as stored: numbers with Excel's 15 digits, dates in ISO form (also the 1904 calendar and the day 1900
 *         never had), a formula's last value as Excel left it. Rows stream: memory holds one row, the sheet's shared texts
 *         and its styles. Document types (and so entities), streams that swell beyond the limits, and broken references are
 *         refused.
 *
 * Threads: one table, one thread. */
#ifndef GLIM_DATA_TABLE_H
#define GLIM_DATA_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

typedef enum glim_cell_kind {
    GLIM_CELL_EMPTY,
    GLIM_CELL_TEXT,
    GLIM_CELL_NUMBER,
    GLIM_CELL_BOOL, /* XLSX only, as the kinds below; CSV has texts, the schema says what they mean */
    GLIM_CELL_DATE,
    GLIM_CELL_ERROR /* "#N/A", "#DIV/0!": what Excel shows */
} glim_cell_kind;

typedef struct glim_cell {
    glim_cell_kind kind;
    bool formula;     /* the value is a formula's last result; EMPTY with formula: the file holds none */
    const char *text; /* UTF-8, NUL-ended, never NULL; dates "2024-02-29" or "2024-02-29 13:05:00", booleans "TRUE"/"FALSE" */
    size_t n;         /* bytes */
    double number;    /* NUMBER; DATE: Excel's serial day; BOOL: 0 or 1 */
} glim_cell;

/* Valid until the next call on the table. */
typedef struct glim_table_row {
    size_t line;           /* CSV: the line it begins on; XLSX: the row's number; 1 is the first */
    const glim_cell *cell; /* [n] */
    size_t n;              /* XLSX: up to the row's last cell */
} glim_table_row;

typedef enum glim_table_format { GLIM_TABLE_GUESS, GLIM_TABLE_CSV, GLIM_TABLE_XLSX } glim_table_format;

typedef struct glim_table_params { /* zero means default */
    glim_table_format format; /* default: by the first bytes */
    const char *sheet;        /* XLSX: a name, or a number from 1; default: the first with cells in it */
    char separator;           /* CSV */
    const char *encoding;     /* CSV: one of the names in docs/know.md, case does not count */
    bool ragged;              /* CSV: rows of other lengths than the first are taken as they are */
    size_t titles;            /* CSV: so many rows of one cell may stand above the headings of a table of three columns or more, and are taken as they are */
    uint64_t max_bytes;       /* XLSX: of one stream unpacked, default 4 GiB; CSV in another encoding than UTF-8: 1 GiB */
    uint64_t max_texts;       /* XLSX: bytes of shared texts, default 512 MiB */
} glim_table_params;

typedef struct glim_table glim_table;

/* Errors: GLIM_E_NOT_FOUND (file, sheet), GLIM_E_IO, GLIM_E_FORMAT, GLIM_E_LIMIT, GLIM_E_UNSUPPORTED, GLIM_E_NOMEM. */
glim_status glim_table_open(glim_table **out, const char *path, const glim_table_params *p, glim_err *err);
/* The same from memory, which must outlive the table; `name` stands in messages. */
glim_status glim_table_parse(glim_table **out, const char *name, const void *bytes, size_t n, const glim_table_params *p, glim_err *err);
/* A CSV's bytes as UTF-8, appended to *out; *encoding: what they were in ("gb18030", ...; wanted NULL: guessed). A workbook leaves
 * both empty. Errors: GLIM_E_FORMAT, GLIM_E_UNSUPPORTED (a name that nobody knows, another program's file), GLIM_E_ARG, GLIM_E_NOMEM. */
glim_status glim_table_utf8(glim_buf *out, const char **encoding, const void *bytes, size_t n, const char *wanted, glim_err *err);
/* Errors: those of open; the table then stays at its error. */
glim_status glim_table_next(glim_table *t, glim_table_row *row, bool *more, glim_err *err);
void glim_table_close(glim_table *t); /* takes NULL */

/* What was found: for people and for tests. */
typedef struct glim_table_facts {
    glim_table_format format;
    const char *encoding;      /* CSV: "utf-8", "utf-16le", "gb18030", ... */
    char separator;            /* CSV */
    const char *sheet;         /* XLSX: its name */
    const char *const *sheets; /* [n_sheets] all worksheets' names in their order */
    size_t n_sheets;
    size_t n_rows;             /* handed out so far */
    const char *const *merged; /* [n_merged] "A1:C1"; known when the last row is out, because files say it there */
    size_t n_merged;
    size_t n_formulas;         /* cells whose value is a formula's last result */
    size_t n_formulas_empty;   /* formulas without one: a program wrote the file that does not calculate */
} glim_table_facts;
void glim_table_about(const glim_table *t, glim_table_facts *f);

/* "A", "Z", "AA" for column 0, 25, 26. */
const char *glim_table_column(char buf[8], size_t column);

#endif
