/* prices.c - see prices.h. */
#include "store/prices.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/outbox.h"

int64_t glim_price_cost(const glim_price *p, int64_t prompt, int64_t cached, int64_t completion) {
    __int128 sum = (__int128)p->input * (prompt - cached) + (__int128)p->cached * cached + (__int128)p->output * completion;
    return (int64_t)((sum + 500000) / 1000000);
}

typedef struct set_ctx {
    const glim_price *p;
    const char *actor, *code;
    int64_t now;
} set_ctx;

static glim_status set(glim_db *db, void *ctx, glim_err *err) {
    set_ctx *c = ctx;
    const glim_price *p = c->p;
    char detail[256];
    glim_status rc = glim_db_run(db, err,
                                 "INSERT INTO prices(model, valid_from, input, cached, output) VALUES(?, ?, ?, ?, ?) "
                                 "ON CONFLICT(model, valid_from) DO UPDATE SET input = excluded.input, cached = excluded.cached, "
                                 "output = excluded.output", "siiii", p->model, p->valid_from_us, p->input, p->cached, p->output);
    if (rc != GLIM_OK) return rc;
    snprintf(detail, sizeof detail,
             "{\"valid_from_us\": %" PRId64 ", \"input\": %" PRId64 ", \"cached\": %" PRId64 ", \"output\": %" PRId64 "}",
             p->valid_from_us, p->input, p->cached, p->output);
    return glim_outbox_add(db, c->now, &(glim_event){c->actor, "price.set", p->model, "", detail}, err);
}

glim_status glim_price_set(glim_store *s, const glim_price *p, const char *actor, glim_err *err) {
    const int64_t v[] = {p->input, p->cached, p->output};
    static const char *const name[] = {"input", "cached", "output"};
    for (size_t i = 0; i < GLIM_COUNT(v); i++)
        if (v[i] < 0 || v[i] > GLIM_PRICE_MAX)
            return glim_fail(err, GLIM_E_ARG, "price of %s tokens: got %" PRId64 " micro-units a million, want 0 to %" PRId64, name[i],
                             v[i], (int64_t)GLIM_PRICE_MAX);
    /* A request is reserved before it is known what the cache holds: the cache may only make it cheaper. */
    if (p->cached > p->input)
        return glim_fail(err, GLIM_E_ARG, "price of cached tokens: got %" PRId64 ", want at most that of input, %" PRId64, p->cached,
                         p->input);
    if (!p->model[0]) return glim_fail(err, GLIM_E_ARG, "price: the model's name is empty; \"*\" means every model");
    glim_status rc = glim_store_check_text(p->model, GLIM_STORE_NAME, "model", err);
    if (rc != GLIM_OK) return rc;
    return glim_store_run(s, set, &(set_ctx){.p = p, .actor = actor, .now = glim_store_now_us(s)}, err);
}

static void from_row(glim_price *p, glim_db_row *r) {
    snprintf(p->model, sizeof p->model, "%s", glim_db_text(r, 0));
    p->valid_from_us = glim_db_i64(r, 1);
    p->input = glim_db_i64(r, 2);
    p->cached = glim_db_i64(r, 3);
    p->output = glim_db_i64(r, 4);
}

typedef struct list_ctx {
    glim_price_fn fn;
    void *ctx;
} list_ctx;

static glim_status list(glim_db *db, void *ctx, glim_err *err) {
    list_ctx *l = ctx;
    glim_db_row *r;
    bool more = true;
    glim_status rc = glim_db_query(db, &r, err, "SELECT model, valid_from, input, cached, output FROM prices ORDER BY model, valid_from", "");
    while (rc == GLIM_OK && (rc = glim_db_next(db, r, &more, err)) == GLIM_OK && more) {
        glim_price p;
        from_row(&p, r);
        if (!l->fn(l->ctx, &p)) {
            glim_db_rest(r);
            break;
        }
    }
    return rc;
}

glim_status glim_price_list(glim_store *s, glim_price_fn fn, void *ctx, glim_err *err) {
    return glim_store_read(s, list, &(list_ctx){fn, ctx}, err);
}

glim_status glim_price_at(glim_db *db, const char *model, int64_t time_us, glim_price *out, glim_err *err) {
    *out = (glim_price){0};
    glim_db_row *r;
    bool more = false;
    /* Its own price wins over "*" whichever began later. */
    glim_status rc = glim_db_query(db, &r, err,
                                   "SELECT model, valid_from, input, cached, output FROM prices WHERE model IN (?1, '*') AND "
                                   "valid_from <= ?2 ORDER BY model = '*', valid_from DESC LIMIT 1", "si", model, time_us);
    if (rc == GLIM_OK) rc = glim_db_next(db, r, &more, err);
    if (rc != GLIM_OK || !more) return rc;
    from_row(out, r);
    glim_db_rest(r);
    return GLIM_OK;
}

/* ---- currency ---- */

static glim_status set_currency(glim_db *db, void *ctx, glim_err *err) {
    set_ctx *c = ctx;
    int64_t n;
    glim_status rc = glim_db_int(db, &n, 0, err, "SELECT COUNT(*) FROM usage WHERE cost != 0 OR reserved_cost != 0", "");
    if (rc == GLIM_OK && n > 0)
        rc = glim_fail(err, GLIM_E_STATE, "the currency cannot change: %" PRId64 " requests were metered in the present one", n);
    if (rc == GLIM_OK) rc = glim_db_run(db, err, "UPDATE meta SET value = ? WHERE name = 'currency'", "s", c->code);
    if (rc == GLIM_OK) rc = glim_outbox_add(db, c->now, &(glim_event){c->actor, "currency.set", c->code, "", ""}, err);
    return rc;
}

glim_status glim_currency_set(glim_store *s, const char *code, const char *actor, glim_err *err) {
    bool ok = strlen(code) == 3;
    for (int i = 0; i < 3 && ok; i++) ok = code[i] >= 'A' && code[i] <= 'Z';
    if (!ok) return glim_fail(err, GLIM_E_ARG, "currency: got \"%.20s\", want three capital letters such as CNY", code);
    return glim_store_run(s, set_currency, &(set_ctx){.actor = actor, .code = code, .now = glim_store_now_us(s)}, err);
}

static glim_status get_currency(glim_db *db, void *ctx, glim_err *err) {
    glim_db_row *r;
    bool more = false;
    glim_status rc = glim_db_query(db, &r, err, "SELECT value FROM meta WHERE name = 'currency'", "");
    if (rc == GLIM_OK) rc = glim_db_next(db, r, &more, err);
    if (rc != GLIM_OK || !more) return rc;
    snprintf(ctx, 4, "%s", glim_db_text(r, 0));
    glim_db_rest(r);
    return GLIM_OK;
}

glim_status glim_currency_get(glim_store *s, char out[4], glim_err *err) {
    out[0] = 0;
    return glim_store_read(s, get_currency, out, err);
}

/* ---- amounts as text ---- */

const char *glim_money_text(char buf[32], int64_t micro) {
    uint64_t v = micro < 0 ? 0 - (uint64_t)micro : (uint64_t)micro;
    snprintf(buf, 32, "%s%" PRIu64 ".%06" PRIu64, micro < 0 ? "-" : "", v / 1000000, v % 1000000);
    return buf;
}

glim_status glim_money_parse(int64_t *micro, const char *text, const char *what, glim_err *err) {
    int64_t v = 0;
    int decimals = -1, digits = 0;
    bool ok = true;
    for (const char *p = text; *p && ok; p++) {
        if (*p == '.' && decimals < 0) {
            decimals = 0;
        } else {
            ok = isdigit((unsigned char)*p) && decimals < 6 && !__builtin_mul_overflow(v, 10, &v) &&
                 !__builtin_add_overflow(v, *p - '0', &v);
            digits++;
            if (decimals >= 0) decimals++;
        }
    }
    for (int i = decimals < 0 ? 0 : decimals; i < 6 && ok; i++) ok = !__builtin_mul_overflow(v, 10, &v);
    if (!ok || digits == 0)
        return glim_fail(err, GLIM_E_ARG, "%s: got \"%.40s\", want an amount such as 12.50, at most 6 decimals", what, text);
    *micro = v;
    return GLIM_OK;
}
