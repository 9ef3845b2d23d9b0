/* report.h - what was used and what is owed, as sums of ledger rows.
 *
 * Every figure is a sum over ended rows; days and months are those (UTC) in which a request began. An invoice's lines are
 * grouped by key, model and the prices that held, so that each can be checked with a pencil up to rounding, and its
 * total is exactly the sum of the rows' amounts. */
#ifndef GLIM_STORE_REPORT_H
#define GLIM_STORE_REPORT_H

#include "base/buf.h"
#include "store/days.h"
#include "store/prices.h"
#include "store/store.h"

typedef enum glim_report_by { GLIM_BY_KEY = 0, GLIM_BY_TENANT, GLIM_BY_DAY, GLIM_BY_MODEL } glim_report_by;
glim_status glim_report_by_parse(glim_report_by *out, const char *word, glim_err *err);

typedef struct glim_sums {
    int64_t requests, prompt, cached, completion, reasoning, cost;
} glim_sums;

typedef struct glim_report_row {
    char label[GLIM_STORE_NAME + 1]; /* key id, tenant, day, model */
    char name[GLIM_STORE_NAME + 1];  /* of a key; else "" */
    char tenant[GLIM_STORE_ID + 1];  /* of a key; else "" */
    glim_sums sums;
} glim_report_row;

typedef struct glim_report_params {
    glim_report_by by;
    const char *tenant, *key;  /* NULL: all; key: an id or a prefix */
    int64_t from_day, end_day; /* [from, end); end 0: no end */
} glim_report_params;

typedef bool (*glim_report_fn)(void *ctx, const glim_report_row *row);
/* Rows in the order of their labels; *total (may be NULL) is their sum; *n_open the requests that run now.
 * Errors: GLIM_E_NOT_FOUND where there is no such tenant or key. */
glim_status glim_report(glim_store *s, const glim_report_params *p, glim_report_fn fn, void *ctx, glim_sums *total, int64_t *n_open,
                        glim_err *err);

typedef struct glim_invoice_line {
    char key[GLIM_STORE_ID + 1], key_name[GLIM_STORE_NAME + 1], model[GLIM_STORE_NAME + 1];
    glim_price price; /* input, cached, output */
    glim_sums sums;
} glim_invoice_line;

typedef struct glim_invoice {
    char tenant[GLIM_STORE_ID + 1], currency[4];
    int64_t month;  /* its first day */
    int64_t n_open; /* requests of that month that still run */
    bool final;     /* the month is over and nothing of it runs: the amount will not change */
    glim_sums total;
} glim_invoice;

typedef bool (*glim_invoice_fn)(void *ctx, const glim_invoice_line *line);
/* month: any day of it. Errors: GLIM_E_NOT_FOUND (tenant). */
glim_status glim_invoice_make(glim_store *s, const char *tenant, int64_t month, glim_invoice_fn fn, void *ctx, glim_invoice *out, glim_err *err);

/* Used in the key's present budget period, and reserved by what runs. */
typedef struct glim_key_use {
    int64_t tokens, cost, held_tokens, held_cost;
} glim_key_use;
glim_status glim_report_key(glim_store *s, const char *key_id, int period, glim_key_use *out, glim_err *err);

/* One cell of a CSV line (RFC 4180) after a comma if b does not end a line; text that a spreadsheet would take for a
 * formula gets a ' in front. glim_csv_end writes the line's CR LF. */
void glim_csv_text(glim_buf *b, const char *text);
void glim_csv_int(glim_buf *b, int64_t v);
void glim_csv_money(glim_buf *b, int64_t micro);
void glim_csv_end(glim_buf *b);

#endif
