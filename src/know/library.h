/* library.h - a product library: the rows of a table in memory, each column with a type and its names in two languages.
 *
 * Opened from a CSV or XLSX file and a schema. Without a schema one is guessed (library_guess.c); it is JSON that a person
 * reads and corrects:
 *
 *   {"columns": [{"column": "price", "type": "price", "zh": "价格", "en": "price", "unit_zh": "元", "unit_en": "CNY",
 *                 "also": ["多少钱"]},
 *                {"column": "colour", "type": "enum", "many": true, "values": {"黑色": ["black"], "白色": ["white"]}}, ...]}
 *
 *   type     id, name, text, number, price, stock, bool, enum, date; a column that is left out is "hidden"
 *   lang     "zh" or "en": the column is written in that language and shown to those who ask in it
 *   values   of an enum: each with its English word first, then other words that mean it
 *   words    true: a price that may be any words, "contact sales"; "面议", "on request" and the like it may always be
 *   ticked   true: a bool whose cells are "x" or empty
 *   many     an enum cell may hold several values, separated by one of / ; , |
 *
 * A price may be words, "面议", "on request": no figure then, and 0 where it is "free". "from €5" is 5. Of numbers, yes and no, dates and enums "—" and
 * "n/a" are an empty cell. A title above the headings, a row with one cell filled where the next have more, is passed over.
 *
 * All or nothing: a row that contradicts the schema is an error with its place in the file, and no library.
 * Threads: a library is read-only but for glim_lib_set and glim_lib_settle, which want no reader beside it. */
#ifndef GLIM_KNOW_LIBRARY_H
#define GLIM_KNOW_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"

typedef enum glim_lib_type {
    GLIM_LIB_HIDDEN,
    GLIM_LIB_ID,
    GLIM_LIB_NAME,
    GLIM_LIB_TEXT,
    GLIM_LIB_NUMBER,
    GLIM_LIB_PRICE,
    GLIM_LIB_STOCK, /* a number of pieces, or yes and no */
    GLIM_LIB_BOOL,
    GLIM_LIB_ENUM,
    GLIM_LIB_DATE,
    GLIM_N_LIB_TYPE
} glim_lib_type;

typedef enum glim_lang { GLIM_LANG_ANY, GLIM_LANG_ZH, GLIM_LANG_EN } glim_lang;

typedef struct glim_lib_value {
    char *text;   /* as in the cells */
    char *en;     /* or NULL */
    char **alias; /* [n_alias] folded: the text, the English word, the others */
    size_t n_alias;
    char **marked; /* [n_marked] the same with the marks on their letters, "bär"; none where no word has one */
    size_t n_marked;
    size_t n_said, n_said_marked; /* of these, the words of cells and schema, which stand first; the others are derived */
    bool listed;                  /* in the schema */
    bool gone;                    /* corrected away: no row has it */
} glim_lib_value;

typedef struct glim_lib_col {
    char *column; /* the heading in the file */
    glim_lib_type type;
    glim_lang lang;
    bool many;
    bool comma;              /* "1.249,50": the decimal mark is a comma */
    bool warns;              /* a text or an enum that is called so: contraindications, whom it is not for */
    bool words;              /* of a price: any words may stand in place of a figure */
    bool ticked;             /* of a bool: "x" is yes, and an empty cell says nothing */
    char *zh, *en;           /* what it is called; never NULL */
    char *unit_zh, *unit_en; /* or NULL */
    char **alias;            /* [n_alias] folded words for the column */
    size_t n_alias;
    size_t lent_from, lent_to; /* of them those that heading_words.c lends it */
    size_t n_named;          /* of them those of its name; the others say what can be done, and are read only in such a question */
    glim_lib_value *value;   /* [n_value] of an enum */
    size_t n_value;
    uint32_t *slot;          /* [n_slot] a power of two: the values' texts and words by their hash, the value's number + 1 */
    size_t n_slot, n_slot_used;
    double *number;          /* [n_rows] NAN where the cell is empty: number, price, stock, bool (0 and 1), date (yyyymmdd), degrees */
    double *degree;          /* [n_value] of an enum whose values are degrees of one thing, "不辣", "微辣"; or NULL */
    const char *stem, *stem_en; /* of what: "辣", "spicy"; or NULL. Borrowed from the values */
    uint32_t *value_at;      /* [n_rows + 1] of an enum, into value_no */
    uint16_t *value_no;
    struct glim_lib_span {
        double from, to;     /* NAN where the cell is empty; to may be INFINITY */
    } *span;                 /* [n_rows] of a text that says years, "2018-2020" in one cell at least; or NULL */
    bool years;              /* a number whose values are years: a vintage, a year of publication */
    int concept;             /* filter_words.h: what it is about, or -1 */
    int part_of;             /* 1 + the column whose cells hold it, the width of "60×55×85", or 0; it is not in the file */
    size_t side, n_sides;    /* of a part: which figure of the cell; of the column: how many there are */
    char (*part)[24];        /* [n_rows] of a part: its cell */
} glim_lib_col;

typedef struct glim_lib {
    char *name;     /* of the file, for messages */
    glim_lib_col *col;
    size_t n_col, n_own; /* the first n_own are those of the file, the others parts of them (library_sides.c) */
    uint32_t n_rows;
    size_t *at;     /* [n_rows * n_own + 1] into text */
    glim_buf text;  /* cells, each ended by a NUL */
    uint32_t *line; /* [n_rows] where the row stands in the file */
    char **goods;   /* [n_goods] folded: what this table calls its rows, "wine" of a column of names "Wine" */
    size_t n_goods, n_goods_said;
    int col_id;     /* -1: rows are called R and their line */
    struct glim_lib_patch *patch; /* cells that were corrected */
    bool unsettled; /* and what follows from their values was not made again */
} glim_lib;

enum { GLIM_LIB_MAX_ROWS = 2000000, GLIM_LIB_MAX_COLS = 128, GLIM_LIB_ID_MAX = 32 };

/* schema NULL: guessed. Errors: those of glim_table_open; GLIM_E_FORMAT naming the row and the column. */
glim_status glim_lib_open(glim_lib **out, const char *path, const json_t *schema, glim_err *err);
glim_status glim_lib_parse(glim_lib **out, const char *name, const void *bytes, size_t n, const json_t *schema, glim_err *err);
void glim_lib_free(glim_lib *l); /* takes NULL */

/* The schema that glim_lib_open would guess: a new reference. */
glim_status glim_lib_guess(json_t **out, const char *path, glim_err *err);
glim_status glim_lib_guess_bytes(json_t **out, const char *name, const void *bytes, size_t n, glim_err *err);

const char *glim_lib_type_name(glim_lib_type t);
/* A cell's text, corrections included. */
const char *glim_lib_cell(const glim_lib *l, uint32_t row, size_t col);
/* Corrects a cell. Errors: GLIM_E_FORMAT (no value of the column's type), GLIM_E_ARG (the id column), GLIM_E_NOMEM. */
glim_status glim_lib_set(glim_lib *l, uint32_t row, size_t col, const char *text, glim_err *err);
/* After the last of several corrections: other words of values, and whether numbers are years, as if the file had said so. */
glim_status glim_lib_settle(glim_lib *l, glim_err *err);
/* "P012", or "R17". */
void glim_lib_row_id(const glim_lib *l, uint32_t row, char out[GLIM_LIB_ID_MAX + 1]);
/* UINT32_MAX: no such row. Case does not count. */
uint32_t glim_lib_find_id(const glim_lib *l, const char *id, size_t n);
/* The heading in the file, or a name of the column: -1 if none. */
int glim_lib_find_col(const glim_lib *l, const char *name);
/* The best name for a reader of that language; "" if there is none. */
const char *glim_lib_row_name(const glim_lib *l, uint32_t row, bool zh);
const char *glim_lib_col_name(const glim_lib_col *c, bool zh);
/* A cell as a person reads it, with its unit; enum values and yes and no in the language. Appends nothing for an empty one. */
void glim_lib_show(glim_buf *out, const glim_lib *l, uint32_t row, size_t col, bool zh);
/* A figure with the column's unit, likewise: "2999元", "6.7 in", "$19.99", "€3.50/kg"; without what a price is for where per is false. */
void glim_lib_figure(glim_buf *out, const glim_lib_col *c, const char *figure, bool zh, bool per);
/* Is the column of use to a reader of this language? (Another one says the same in it.) */
bool glim_lib_col_speaks(const glim_lib *l, size_t col, bool zh);
/* "Nova X5 | price: .. | .." (docs/desk.md). first [n_first]: columns that come right behind the name. */
void glim_lib_row_line(glim_buf *out, const glim_lib *l, uint32_t row, bool zh, const int *first, size_t n_first);

/* Is the cell's figure the whole of what it says? "from €5" and "99元起" are more. */
bool glim_lib_exact(const glim_lib *l, uint32_t row, size_t col);

/* A number, with commas and a unit behind it, at the beginning of s: "2,999元", "6.7 in", "¥99". *unit: the rest, trimmed. */
bool glim_lib_number(const char *s, double *v, const char **unit);

#endif
