/* library_rows.c - the rows of a table from its headings on: a title above them is passed over.
 *
 * "Price list 2026" in a row by itself, above a row of headings, is a row with one cell filled where the next have three or more. The first rows
 * are read ahead to see that, and given out again where they are none. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "know/library_internal.h"

const glim_table_params glim_lib_table = {.titles = GLIM_LIB_TITLES};

static size_t filled(const glim_table_row *row) {
    size_t n = 0;
    for (size_t c = 0; c < row->n; c++) n += row->cell[c].n > 0;
    return n;
}

/* "Hammer", "Tools", "9": a product, and what stands above it is the headings, most of them empty. A year may be a heading. */
static bool has_figure(const glim_table_row *row) {
    double v;
    const char *unit;
    for (size_t c = 0; c < row->n; c++)
        if (glim_lib_number(row->cell[c].text, &v, &unit) && !*unit && !(v >= 1900 && v <= 2200)) return true;
    return false;
}

static void keep(glim_lib_rows *r, const glim_table_row *row) {
    glim_cell *cell = glim_xcalloc(row->n ? row->n : 1, sizeof *cell);
    for (size_t c = 0; c < row->n; c++) {
        cell[c] = row->cell[c];
        cell[c].text = glim_xstrdup(row->cell[c].text);
    }
    r->kept[r->n_kept++] = (glim_table_row){.line = row->line, .cell = cell, .n = row->n};
}

void glim_lib_rows_deinit(glim_lib_rows *r) {
    for (size_t i = 0; i < r->n_kept; i++) {
        for (size_t c = 0; c < r->kept[i].n; c++) free((char *)r->kept[i].cell[c].text);
        free((glim_cell *)r->kept[i].cell);
    }
    r->n_kept = 0;
}

glim_status glim_lib_rows_next(glim_lib_rows *r, glim_table_row *row, bool *more, glim_err *err) {
    if (!r->begun) {
        r->begun = true;
        size_t n = 0;
        bool any = true;
        glim_status rc = GLIM_OK;
        while (rc == GLIM_OK && any && n < 2 && r->n_kept < GLIM_LIB_TITLES + 1) {
            rc = glim_table_next(r->t, row, &any, err);
            if (rc != GLIM_OK || !any) break;
            if (row->n > GLIM_LIB_MAX_COLS) { /* refused by whoever reads it */
                *more = true;
                return rc;
            }
            n = filled(row);
            keep(r, row);
        }
        if (rc != GLIM_OK) return rc;
        if (n > 2 && r->n_kept > 1 && !has_figure(&r->kept[r->n_kept - 1])) r->at = r->n_kept - 1; /* all above are titles */
    }
    if (r->at < r->n_kept) {
        *row = r->kept[r->at++];
        *more = true;
        return GLIM_OK;
    }
    return glim_table_next(r->t, row, more, err);
}
