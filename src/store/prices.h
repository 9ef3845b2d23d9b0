/* prices.h - what tokens cost, and from when.
 *
 * Money is in integer micro-units (millionths) of one currency per data folder. A price is micro-units per million
 * tokens; a new one begins at a time and the old one stays for what was asked before. The price of a request is the
 * one that holds when it is reserved, and is copied into its ledger row: a later change of prices never moves a
 * settled amount, and every amount can be derived again from its row. */
#ifndef GLIM_STORE_PRICES_H
#define GLIM_STORE_PRICES_H

#include "store/store.h"

#define GLIM_PRICE_MAX 1000000000000000 /* per million tokens; 2^31 tokens of it still fit an int64 */

typedef struct glim_price {
    char model[GLIM_STORE_NAME + 1]; /* "*": every model without a price of its own */
    int64_t valid_from_us;
    int64_t input, cached, output; /* micro-units per million tokens; cached <= input */
} glim_price;

/* Amount for so many tokens, rounded to the nearest micro-unit, half up; `cached` of the prompt tokens came from
 * the prefix cache. Never falls when a count rises. Counts: 0 to 2^31, cached <= prompt. */
int64_t glim_price_cost(const glim_price *p, int64_t prompt, int64_t cached, int64_t completion);

/* Adds a price, or replaces the one of the same model and time. Errors: GLIM_E_ARG. */
glim_status glim_price_set(glim_store *s, const glim_price *p, const char *actor, glim_err *err);
typedef bool (*glim_price_fn)(void *ctx, const glim_price *p);
/* By model, then time. */
glim_status glim_price_list(glim_store *s, glim_price_fn fn, void *ctx, glim_err *err);
/* The price of a model at a time: its own, else that of "*", else nothing at all. Inside a change or a read. */
glim_status glim_price_at(glim_db *db, const char *model, int64_t time_us, glim_price *out, glim_err *err);

/* Three capital letters; CNY until it is set. Refused once the ledger has rows: they are in the old one. */
glim_status glim_currency_set(glim_store *s, const char *code, const char *actor, glim_err *err);
glim_status glim_currency_get(glim_store *s, char out[4], glim_err *err);

/* "12.345678" and the like. Into buf (32 bytes), which is returned; exact. */
const char *glim_money_text(char buf[32], int64_t micro);
/* "12.34" to micro-units: at most 6 decimals, not negative. Errors: GLIM_E_ARG. */
glim_status glim_money_parse(int64_t *micro, const char *text, const char *what, glim_err *err);

#endif
