/* library_internal.h - what the files of the library share: library.c holds the rows, library_schema.c reads a schema,
 * library_guess.c makes one from the rows, library_words.c derives what else the values are called, library_sides.c makes columns of sides. */
#ifndef GLIM_KNOW_LIBRARY_INTERNAL_H
#define GLIM_KNOW_LIBRARY_INTERNAL_H

#include "data/table.h"
#include "know/library.h"

struct glim_lib_patch {
    uint32_t row;
    size_t col;
    char *text;
    struct glim_lib_patch *next;
};

/* ---- library_rows.c: a table's rows, the first one is that of its headings ---- */
enum { GLIM_LIB_TITLES = 4 };
extern const glim_table_params glim_lib_table; /* how a library's file is read */
typedef struct glim_lib_rows {
    glim_table *t;
    bool begun;
    glim_table_row kept[GLIM_LIB_TITLES + 1];
    size_t n_kept, at;
} glim_lib_rows;
glim_status glim_lib_rows_next(glim_lib_rows *r, glim_table_row *row, bool *more, glim_err *err);
void glim_lib_rows_deinit(glim_lib_rows *r);

/* Columns from the table's first row and the schema; each column of the schema has to stand in the table. */
glim_status glim_lib_read_schema(glim_lib *l, const glim_table_row *head, const json_t *schema, glim_err *err);
void glim_lib_col_deinit(glim_lib_col *c);
/* A folded word for a column or a value; empty ones and repetitions are left out. */
glim_status glim_lib_alias(char ***list, size_t *n, const char *word, glim_err *err);
/* The same for a value, with its marks kept beside it: a word of the schema or of a cell, or one that is derived from other values, by which no
 * cell means it. */
glim_status glim_lib_value_word(glim_lib_col *c, size_t value, const char *word, glim_err *err);
glim_status glim_lib_value_derived(glim_lib_col *c, size_t value, const char *word, glim_err *err);
/* Does a cell or the schema have the folded word for a value of any column? */
bool glim_lib_says(const glim_lib *l, const char *word);
/* No row has the value any more and no schema lists it: no word means it, until a cell holds it again. */
void glim_lib_value_forget(glim_lib_value *v);
/* The sides that stand in one cell as columns of their own (library_sides.c), once. */
glim_status glim_lib_sides(glim_lib *l, glim_err *err);
/* The figures of a cell that is about to be `text`, if the column has sides; false: the text does not say as many. */
bool glim_lib_side_set(glim_lib *l, uint32_t row, size_t col, const char *text);
/* Degrees, years and derived words from all rows as they are now. */
glim_status glim_lib_derive(glim_lib *l, glim_err *err);
glim_status glim_lib_guess_table(json_t **out, glim_table *t, glim_err *err);
/* The number of an enum's value, added if it is new. Errors: GLIM_E_LIMIT. */
glim_status glim_lib_value_no(glim_lib_col *c, const char *text, size_t n, uint16_t *no, glim_err *err);
/* The same for what stands in a cell: "red" is 红色 where the schema says so, however it is written; marks on letters count. */
glim_status glim_lib_value_of(glim_lib_col *c, const char *text, size_t n, uint16_t *no, glim_err *err);
/* Gives an enum's rows the degrees of their values, if they are such. After the last row and after every change. */
void glim_lib_grade(glim_lib *l, size_t col);
/* Words in place of a price, "on request": *v NAN, or 0 of "free". */
bool glim_lib_price_in_words(const char *s, double *v);
/* A sum of money, with its sign on either side; comma as in a column. */
bool glim_lib_money(const char *s, bool comma, const char **sign);
/* A day or a month as tables write them, "2027-06-08", "08.06.2027", "2027-06", "06/2027": yyyymmdd. */
bool glim_lib_date(const char *s, double *v);
bool glim_lib_stock_word(const char *s, double *v); /* "有货", "out of stock": 1 or 0 */
/* "1.200": a point before three figures, and no fraction of one. */
bool glim_lib_thousands(const char *s);
/* "—", "n/a": nothing is said. */
bool glim_lib_blank(const char *s);
/* The next part of an enum's cell: *n 0 at the end. */
const char *glim_lib_part(const glim_lib_col *c, const char **rest, size_t *n);

#endif
