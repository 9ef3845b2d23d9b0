/* report.c - see report.h. */
#include "store/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/ledger_internal.h"

glim_status glim_report_by_parse(glim_report_by *out, const char *word, glim_err *err) {
    static const char *const names[] = {"key", "tenant", "day", "model"};
    for (size_t i = 0; i < GLIM_COUNT(names); i++)
        if (strcmp(names[i], word) == 0) {
            *out = (glim_report_by)i;
            return GLIM_OK;
        }
    return glim_fail(err, GLIM_E_ARG, "--by: got \"%.40s\", want key, tenant, day or model", word);
}

static void read_sums(glim_sums *v, glim_db_row *r, int col) {
    *v = (glim_sums){glim_db_i64(r, col), glim_db_i64(r, col + 1), glim_db_i64(r, col + 2), glim_db_i64(r, col + 3), glim_db_i64(r, col + 4),
                     glim_db_i64(r, col + 5)};
}
static void add_sums(glim_sums *a, const glim_sums *b) {
    a->requests += b->requests;
    a->prompt += b->prompt;
    a->cached += b->cached;
    a->completion += b->completion;
    a->reasoning += b->reasoning;
    a->cost += b->cost;
}

#define SUMS "COUNT(*), SUM(prompt), SUM(cached), SUM(completion), SUM(reasoning), SUM(cost)"
#define CHOICE \
    "FROM usage JOIN keys ON keys.id = usage.key WHERE state != 0 AND day >= ?1 AND day < ?2 AND (?3 IS NULL OR usage.tenant = ?3) AND " \
    "(?4 IS NULL OR keys.id = ?4 OR (?4 != '' AND keys.prefix = ?4)) GROUP BY "

typedef struct report_ctx {
    const glim_report_params *p;
    glim_report_fn fn;
    void *ctx;
    glim_sums total;
    int64_t n_open;
} report_ctx;

static glim_status report(glim_db *db, void *ctx, glim_err *err) {
    static const char *const sql[] = {
        "SELECT usage.key, keys.name, usage.tenant, " SUMS " " CHOICE "usage.key ORDER BY usage.tenant, usage.key",
        "SELECT usage.tenant, '', '', " SUMS " " CHOICE "usage.tenant ORDER BY usage.tenant",
        "SELECT day, '', '', " SUMS " " CHOICE "day ORDER BY day",
        "SELECT model, '', '', " SUMS " " CHOICE "model ORDER BY model"};
    report_ctx *c = ctx;
    const glim_report_params *p = c->p;
    glim_db_row *r;
    bool more = true;
    int64_t there = 1; /* nothing used by a name that is nobody's would look like an answer */
    glim_status rc = p->tenant ? glim_db_int(db, &there, 0, err, "SELECT 1 FROM tenants WHERE id = ?", "s", p->tenant) : GLIM_OK;
    if (rc == GLIM_OK && !there) return glim_fail(err, GLIM_E_NOT_FOUND, "there is no tenant \"%.80s\"", p->tenant);
    if (rc == GLIM_OK && p->key) rc = glim_db_int(db, &there, 0, err, "SELECT 1 FROM keys WHERE id = ?1 OR (?1 != '' AND prefix = ?1)", "s", p->key);
    if (rc == GLIM_OK && !there) return glim_fail(err, GLIM_E_NOT_FOUND, "there is no key \"%.80s\"", p->key);
    if (rc == GLIM_OK) rc = glim_db_query(db, &r, err, sql[p->by], "iiss", p->from_day, p->end_day ? p->end_day : INT64_MAX, p->tenant, p->key);
    while (rc == GLIM_OK && (rc = glim_db_next(db, r, &more, err)) == GLIM_OK && more) {
        glim_report_row row = {0};
        char day[16];
        snprintf(row.label, sizeof row.label, "%s", p->by == GLIM_BY_DAY ? glim_day_text(day, glim_db_i64(r, 0)) : glim_db_text(r, 0));
        snprintf(row.name, sizeof row.name, "%s", glim_db_text(r, 1));
        snprintf(row.tenant, sizeof row.tenant, "%s", glim_db_text(r, 2));
        read_sums(&row.sums, r, 3);
        add_sums(&c->total, &row.sums);
        if (!c->fn(c->ctx, &row)) {
            glim_db_rest(r);
            break;
        }
    }
    if (rc == GLIM_OK) rc = glim_db_int(db, &c->n_open, 0, err, "SELECT COUNT(*) FROM usage WHERE state = 0", "");
    return rc;
}

glim_status glim_report(glim_store *s, const glim_report_params *p, glim_report_fn fn, void *ctx, glim_sums *total, int64_t *n_open,
                        glim_err *err) {
    report_ctx c = {.p = p, .fn = fn, .ctx = ctx};
    glim_status rc = glim_store_read(s, report, &c, err);
    if (total) *total = c.total;
    if (n_open) *n_open = c.n_open;
    return rc;
}

/* ---- invoices ---- */

typedef struct invoice_ctx {
    const char *tenant;
    int64_t from, end, today;
    glim_invoice_fn fn;
    void *ctx;
    glim_invoice *out;
} invoice_ctx;

static glim_status invoice(glim_db *db, void *ctx, glim_err *err) {
    invoice_ctx *c = ctx;
    glim_db_row *r;
    bool more = true;
    int64_t there;
    glim_status rc = glim_db_int(db, &there, 0, err, "SELECT 1 FROM tenants WHERE id = ?", "s", c->tenant);
    if (rc == GLIM_OK && !there) return glim_fail(err, GLIM_E_NOT_FOUND, "there is no tenant \"%.80s\"", c->tenant);
    if (rc == GLIM_OK)
        rc = glim_db_int(db, &c->out->n_open, 0, err, "SELECT COUNT(*) FROM usage WHERE state = 0 AND tenant = ? AND day >= ? AND day < ?", "sii",
                         c->tenant, c->from, c->end);
    if (rc == GLIM_OK) rc = glim_db_query(db, &r, err, "SELECT value FROM meta WHERE name = 'currency'", "");
    if (rc == GLIM_OK) rc = glim_db_next(db, r, &more, err);
    if (rc == GLIM_OK && more) {
        snprintf(c->out->currency, sizeof c->out->currency, "%s", glim_db_text(r, 0));
        glim_db_rest(r);
    }
    if (rc == GLIM_OK)
        rc = glim_db_query(db, &r, err,
                           "SELECT usage.key, keys.name, model, price_in, price_cached, price_out, " SUMS " FROM usage JOIN keys ON "
                           "keys.id = usage.key WHERE state != 0 AND usage.tenant = ? AND day >= ? AND day < ? "
                           "GROUP BY usage.key, model, price_in, price_cached, price_out ORDER BY usage.key, model, MIN(started)", "sii",
                           c->tenant, c->from, c->end);
    more = true;
    while (rc == GLIM_OK && (rc = glim_db_next(db, r, &more, err)) == GLIM_OK && more) {
        glim_invoice_line l = {.price = {.input = glim_db_i64(r, 3), .cached = glim_db_i64(r, 4), .output = glim_db_i64(r, 5)}};
        snprintf(l.key, sizeof l.key, "%s", glim_db_text(r, 0));
        snprintf(l.key_name, sizeof l.key_name, "%s", glim_db_text(r, 1));
        snprintf(l.model, sizeof l.model, "%s", glim_db_text(r, 2));
        read_sums(&l.sums, r, 6);
        add_sums(&c->out->total, &l.sums);
        if (!c->fn(c->ctx, &l)) {
            glim_db_rest(r);
            break;
        }
    }
    return rc;
}

glim_status glim_invoice_make(glim_store *s, const char *tenant, int64_t month, glim_invoice_fn fn, void *ctx, glim_invoice *out,
                              glim_err *err) {
    int64_t year;
    int m, mday;
    glim_day_civil(month, &year, &m, &mday);
    invoice_ctx c = {tenant, month - (mday - 1), glim_day_next_month(month), glim_store_now_us(s) / 86400000000, fn, ctx, out};
    *out = (glim_invoice){.month = c.from};
    snprintf(out->tenant, sizeof out->tenant, "%s", tenant);
    glim_status rc = glim_store_read(s, invoice, &c, err);
    out->final = c.today >= c.end && out->n_open == 0;
    return rc;
}

/* ---- one key ---- */

typedef struct key_ctx {
    const char *key;
    int64_t from;
    glim_key_use *out;
} key_ctx;

static glim_status key_use(glim_db *db, void *ctx, glim_err *err) {
    key_ctx *c = ctx;
    glim_key_use *u = c->out;
    glim_status rc = glim_db_int(db, &u->tokens, 0, err, "SELECT SUM(prompt + completion) FROM key_days WHERE key = ? AND day >= ?", "si", c->key, c->from);
    if (rc == GLIM_OK) rc = glim_db_int(db, &u->cost, 0, err, "SELECT SUM(cost) FROM key_days WHERE key = ? AND day >= ?", "si", c->key, c->from);
    if (rc == GLIM_OK)
        rc = glim_db_int(db, &u->held_tokens, 0, err, "SELECT SUM(reserved_prompt + reserved_completion) FROM usage WHERE state = 0 AND key = ?",
                         "s", c->key);
    if (rc == GLIM_OK) rc = glim_db_int(db, &u->held_cost, 0, err, "SELECT SUM(reserved_cost) FROM usage WHERE state = 0 AND key = ?", "s", c->key);
    return rc;
}

glim_status glim_report_key(glim_store *s, const char *key_id, int period, glim_key_use *out, glim_err *err) {
    *out = (glim_key_use){0};
    return glim_store_read(s, key_use, &(key_ctx){key_id, glim_period_start((glim_period)period, glim_store_now_us(s) / 86400000000), out}, err);
}

/* ---- CSV ---- */

static void separate(glim_buf *b) {
    if (b->len > 0 && b->s[b->len - 1] != '\n') glim_buf_putc(b, ',');
}

void glim_csv_text(glim_buf *b, const char *text) {
    separate(b);
    bool formula = text[0] && strchr("=+-@\t\r", text[0]) != NULL;
    /* An empty first cell is quoted, or the next one would not see that it is the second. */
    bool quote = formula || !text[0] || strpbrk(text, ",\"\r\n") != NULL || text[0] == ' ';
    if (quote) glim_buf_putc(b, '"');
    if (formula) glim_buf_putc(b, '\'');
    for (; *text; text++) {
        if (*text == '"') glim_buf_putc(b, '"');
        glim_buf_putc(b, *text);
    }
    if (quote) glim_buf_putc(b, '"');
}

void glim_csv_int(glim_buf *b, int64_t v) {
    separate(b);
    glim_buf_printf(b, "%" PRId64, v);
}

void glim_csv_money(glim_buf *b, int64_t micro) {
    char text[32];
    separate(b);
    glim_buf_puts(b, glim_money_text(text, micro));
}

void glim_csv_end(glim_buf *b) { glim_buf_puts(b, "\r\n"); }
