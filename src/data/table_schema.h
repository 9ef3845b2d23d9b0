/* table_schema.h - what the columns of a table mean: guessed from names and values, shown, corrected by a person.
 *
 * A guess holds for every value that was seen: one cell "n/a" among prices makes the column a text, and `against` names the
 * first cell that stood in the way, so that a person sees why. A correction is checked against what was seen likewise. */
#ifndef GLIM_DATA_TABLE_SCHEMA_H
#define GLIM_DATA_TABLE_SCHEMA_H

#include "data/table.h"

typedef enum glim_column_type {
    GLIM_COLUMN_TEXT,
    GLIM_COLUMN_NUMBER,
    GLIM_COLUMN_MONEY,      /* numbers with a currency, or under a name such as "price" or "单价" */
    GLIM_COLUMN_DATE,
    GLIM_COLUMN_BOOLEAN,
    GLIM_COLUMN_CATEGORY,   /* few texts, each many times */
    GLIM_COLUMN_IDENTIFIER, /* no value twice, looks like a code or is named one */
    GLIM_N_COLUMN_TYPE
} glim_column_type;

typedef struct glim_column {
    char *name;
    glim_column_type type;
    bool corrected;
    size_t n, n_empty, n_distinct; /* n_distinct stops at GLIM_TABLE_SCHEMA_DISTINCT */
    char currency[8];              /* of money: "¥", "$", "EUR"; "" where the name alone says so */
    char against[64];              /* "row 12: \"n/a\"": what kept it from being a number, date or boolean */
} glim_column;

enum { GLIM_TABLE_SCHEMA_DISTINCT = 4096, GLIM_TABLE_SCHEMA_COLUMNS = 1024 };

typedef struct glim_table_schema glim_table_schema;

/* Names from the first row; empty ones become "column 3", a name that stands twice is an error.
 * Errors: GLIM_E_FORMAT, GLIM_E_LIMIT (columns), GLIM_E_NOMEM. */
glim_status glim_table_schema_new(glim_table_schema **out, const glim_table_row *head, glim_err *err);
/* One row of values. Cells beyond the columns are an error that names them. */
glim_status glim_table_schema_see(glim_table_schema *s, const glim_table_row *row, glim_err *err);
/* May be called at any time; corrected columns keep their type. */
void glim_table_schema_guess(glim_table_schema *s);
/* "price", "money". Errors: GLIM_E_NOT_FOUND (column), GLIM_E_ARG (type), GLIM_E_FORMAT (a value that was seen is none). */
glim_status glim_table_schema_correct(glim_table_schema *s, const char *column, const char *type, glim_err *err);
size_t glim_table_schema_n(const glim_table_schema *s);
const glim_column *glim_table_schema_column(const glim_table_schema *s, size_t i);
const char *glim_column_type_name(glim_column_type t);
/* [{"name": .., "type": .., ..}] for people and pages. */
void glim_table_schema_json(glim_buf *out, const glim_table_schema *s);
void glim_table_schema_free(glim_table_schema *s); /* takes NULL */

/* Values, as they are written in Chinese and English tables. False: not one. */
bool glim_value_number(const char *s, double *v);                  /* 1,234.5  -3  50% (0.5) */
bool glim_value_money(const char *s, double *v, char currency[8]); /* ¥1,299.00  99元  $5  EUR 3.50 */
bool glim_value_date(const char *s, char iso[32]);                 /* 2024-02-29  2024/2/29  2024年2月29日  with a time */
bool glim_value_bool(const char *s, bool *v);                      /* true no 是 无 √ */

#endif
