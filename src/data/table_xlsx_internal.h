/* table_xlsx_internal.h - a workbook, for the two files that read it. */
#ifndef GLIM_DATA_TABLE_XLSX_INTERNAL_H
#define GLIM_DATA_TABLE_XLSX_INTERNAL_H

#include <expat.h>
#include <zip.h>

#include "data/table_internal.h"

/* ---- table_zip.c ---- */

/* One part of the package, unpacked as it is read and counted while it is. */
typedef struct glim_part {
    zip_file_t *f;
    const char *name;
    uint64_t n_packed, n_read, max_bytes;
} glim_part;

/* *found false where the package has no such part. Names compare without case, as Excel does it. */
glim_status glim_part_open(glim_part *p, zip_t *z, const char *name, uint64_t max_bytes, bool *found, glim_err *err);
/* *got 0 at the end. Errors: GLIM_E_FORMAT (a damaged stream), GLIM_E_LIMIT (a bomb). */
glim_status glim_part_read(glim_part *p, char *buf, size_t cap, size_t *got, glim_err *err);
void glim_part_close(glim_part *p);

/* XML of a part, to handlers. The handlers set x->rc and stop the parser. */
typedef struct glim_xml {
    XML_Parser parser;
    glim_part part;
    glim_status rc;
    glim_err err;
    int depth;
    bool at_end;
} glim_xml;

glim_status glim_xml_open(glim_xml *x, zip_t *z, const char *name, uint64_t max_bytes, bool *found, void *ctx, XML_StartElementHandler start,
                          XML_EndElementHandler end, XML_CharacterDataHandler text, glim_err *err);
/* Feeds until a handler suspends, or the end. */
glim_status glim_xml_step(glim_xml *x, glim_err *err);
void glim_xml_close(glim_xml *x);
/* For handlers: fail and stop. */
void glim_xml_stop(glim_xml *x);

/* A name without its prefix. */
const char *glim_xml_local(const char *name);
/* The value of an attribute by its local name, or NULL. */
const char *glim_xml_attr(const char **atts, const char *local);
/* Appends text in which Excel's _xHHHH_ stands for a character. */
void glim_xml_unescape(glim_buf *out, const char *s, size_t n);
/* The part without what leads and trails; Excel drops that where xml:space does not keep it. */
void glim_xml_trim(const char **s, size_t *n);

/* ---- the workbook ---- */

typedef struct glim_xlsx_sheet_name {
    char *name, *rel, *part;
} glim_xlsx_sheet_name;

struct glim_xlsx {
    glim_xml *doing; /* first: refuse_doctype finds the reader at work here */
    zip_t *z;
    uint64_t max_bytes, max_texts;
    glim_xlsx_sheet_name *sheets; /* [n_sheets] worksheets only */
    const char **names;           /* [n_sheets] */
    size_t n_sheets;
    size_t sheet;                 /* the one being read */
    bool calendar_1904;
    glim_buf texts;               /* shared texts, each ended by a NUL */
    size_t *text_at;              /* [n_texts + 1] */
    size_t n_texts, cap_texts;
    bool *is_date;                /* [n_styles] of each cell format */
    size_t n_styles;

    /* the sheet being read: table_xlsx_sheet.c */
    glim_xml xml;
    glim_rowbuf *row;
    size_t row_no, col;           /* 1 is the first row, 0 the first column */
    bool row_ready;               /* row holds a whole row that nobody has taken */
    bool in_data, in_row, in_cell, in_value, in_inline, in_phonetic, keep_space, saw_value;
    char type;                    /* of the cell: n s t (str) i (inline) b e d */
    size_t style;
    bool formula;
    glim_buf value;
    char **merged;
    size_t n_merged, cap_merged, n_formulas, n_formulas_empty;
};

glim_status glim_xlsx_begin(glim_xlsx *x, glim_err *err);

#endif
