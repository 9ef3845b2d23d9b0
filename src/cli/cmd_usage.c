/* cmd_usage.c - glim usage: what was used, invoices, prices. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/folder.h"
#include "store/ledger.h"
#include "store/report.h"

typedef enum form { TABLE, CSV, JSON } form;

static glim_status form_of(form *out, bool csv, bool json, glim_err *err) {
    *out = csv ? CSV : json ? JSON : TABLE;
    return csv && json ? glim_fail(err, GLIM_E_ARG, "--csv and --json: want one of the two") : GLIM_OK;
}

static json_t *sums_json(const glim_sums *v) {
    char money[32];
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:s}", "requests", (json_int_t)v->requests, "prompt_tokens", (json_int_t)v->prompt,
                     "cached_tokens", (json_int_t)v->cached, "completion_tokens", (json_int_t)v->completion, "reasoning_tokens",
                     (json_int_t)v->reasoning, "amount", glim_money_text(money, v->cost));
}

/* ---- the report ---- */

typedef struct reporting {
    form f;
    glim_report_by by;
    json_t *rows;
    glim_buf out;
    size_t n; /* prices */
} reporting;

static void table_line(glim_buf *b, const char *label, const char *name, const glim_sums *v) {
    char money[32];
    glim_buf_printf(b, "%-24s %10" PRId64 " %14" PRId64 " %14" PRId64 " %14" PRId64 " %18s  %s\n", label, v->requests, v->prompt, v->cached,
                    v->completion, glim_money_text(money, v->cost), name);
}

static const char *const labels[] = {"key", "tenant", "day", "model"};

static void head(reporting *p) {
    if (p->f == TABLE) glim_buf_printf(&p->out, "%-24s %10s %14s %14s %14s %18s\n", labels[p->by], "requests", "prompt", "cached", "completion", "amount");
    if (p->f == CSV)
        glim_buf_printf(&p->out, "%s%s,requests,prompt_tokens,cached_tokens,completion_tokens,reasoning_tokens,amount\r\n", labels[p->by],
                        p->by == GLIM_BY_KEY ? ",name,tenant" : "");
}

static bool one_row(void *ctx, const glim_report_row *row) {
    reporting *p = ctx;
    if (p->f == JSON) {
        json_t *v = sums_json(&row->sums);
        json_object_set_new(v, labels[p->by], json_string(row->label));
        if (p->by == GLIM_BY_KEY) {
            json_object_set_new(v, "name", json_string(row->name));
            json_object_set_new(v, "tenant", json_string(row->tenant));
        }
        json_array_append_new(p->rows, v);
    } else if (p->f == CSV) {
        glim_csv_text(&p->out, row->label);
        if (p->by == GLIM_BY_KEY) {
            glim_csv_text(&p->out, row->name);
            glim_csv_text(&p->out, row->tenant);
        }
        const int64_t v[] = {row->sums.requests, row->sums.prompt, row->sums.cached, row->sums.completion, row->sums.reasoning};
        for (size_t i = 0; i < GLIM_COUNT(v); i++) glim_csv_int(&p->out, v[i]);
        glim_csv_money(&p->out, row->sums.cost);
        glim_csv_end(&p->out);
    } else {
        table_line(&p->out, row->label, row->name, &row->sums);
    }
    return true;
}

static int report(int argc, char **argv) {
    const char *data = NULL, *by = "key", *tenant = NULL, *key = NULL, *from = NULL, *to = NULL;
    bool csv = false, json = false, month;
    const glim_flag own[] = {{"--by", NULL, GLIM_FLAG_STR, &by, "WHAT", "key, tenant, day or model (default: key)", 0, 0},
                             {"--tenant", NULL, GLIM_FLAG_STR, &tenant, "ID", "only this tenant's", 0, 0},
                             {"--key", NULL, GLIM_FLAG_STR, &key, "KEY", "only this key's, by id or prefix", 0, 0},
                             {"--from", NULL, GLIM_FLAG_STR, &from, "DAY", "first day or month, UTC: 2026-03-01, 2026-03", 0, 0},
                             {"--to", NULL, GLIM_FLAG_STR, &to, "DAY", "last day or month", 0, 0},
                             {"--csv", NULL, GLIM_FLAG_BOOL, &csv, NULL, "CSV on stdout", 0, 0},
                             {"--json", NULL, GLIM_FLAG_BOOL, &json, NULL, "one JSON object on stdout", 0, 0},
                             GLIM_DATA_FLAG(&data),
                             {0}};
    const glim_page u = {"glim usage [invoice|price|currency|check]",
                          "What was used and what it costs, requests that still run not counted.\n\n"
                          "  glim usage invoice TENANT MONTH   what a tenant owes for a month\n"
                          "  glim usage price [MODEL]          what tokens cost, and from when\n"
                          "  glim usage currency [CODE]        what money is counted in\n"
                          "  glim usage check                  does the ledger add up?", {own}};
    glim_str_list pos = {0};
    int code = glim_args(argc, argv, &u, &pos, 0, 0);
    if (code >= 0) return code;
    glim_err err = {0};
    glim_store *s = NULL;
    reporting p = {0};
    glim_report_params q = {.tenant = tenant, .key = key};
    glim_sums total;
    int64_t n_open = 0;
    char currency[4];
    glim_status rc = form_of(&p.f, csv, json, &err);
    if (rc == GLIM_OK) rc = glim_report_by_parse(&q.by, by, &err);
    if (rc == GLIM_OK && from) rc = glim_day_parse(&q.from_day, &month, from, "--from", &err);
    if (rc == GLIM_OK && to) {
        rc = glim_day_parse(&q.end_day, &month, to, "--to", &err);
        q.end_day = month ? glim_day_next_month(q.end_day) : q.end_day + 1;
        if (rc == GLIM_OK && from && q.end_day <= q.from_day) rc = glim_fail(&err, GLIM_E_ARG, "--from and --to: \"%.40s\" is after \"%.40s\"", from, to);
    }
    if (rc == GLIM_OK) rc = glim_cli_folder(&s, data, false, &err);
    p.by = q.by;
    p.rows = json_array();
    head(&p);
    if (rc == GLIM_OK) rc = glim_currency_get(s, currency, &err);
    if (rc == GLIM_OK) rc = glim_report(s, &q, one_row, &p, &total, &n_open, &err);
    if (rc == GLIM_OK && json) {
        rc = glim_cli_put_json(json_pack("{s:O, s:o, s:s, s:I}", "rows", p.rows, "total", sums_json(&total), "currency", currency, "running",
                                         (json_int_t)n_open), &err);
    } else if (rc == GLIM_OK) {
        if (p.f == TABLE) table_line(&p.out, "total", currency, &total);
        if (p.f == TABLE && n_open) glim_buf_printf(&p.out, "%" PRId64 " requests run and are not counted yet\n", n_open);
        rc = glim_cli_put(&p.out, &err);
    }
    glim_buf_free(&p.out);
    json_decref(p.rows);
    glim_store_close(s);
    return glim_cli_end(rc, &err);
}

/* ---- invoices ---- */

typedef struct invoicing {
    form f;
    json_t *lines;
    glim_buf out;
    char month[16];
    const char *tenant;
    char currency[4];
} invoicing;

static void csv_line(invoicing *v, const char *key, const char *name, const char *model, const glim_price *p, const glim_sums *s) {
    glim_csv_text(&v->out, v->tenant);
    glim_csv_text(&v->out, v->month);
    glim_csv_text(&v->out, key);
    glim_csv_text(&v->out, name);
    glim_csv_text(&v->out, model);
    const int64_t n[] = {s->requests, s->prompt, s->cached, s->completion};
    for (size_t i = 0; i < GLIM_COUNT(n); i++) glim_csv_int(&v->out, n[i]);
    const int64_t price[] = {p ? p->input : 0, p ? p->cached : 0, p ? p->output : 0};
    for (size_t i = 0; i < GLIM_COUNT(price); i++)
        if (p) glim_csv_money(&v->out, price[i]);
        else glim_csv_text(&v->out, "");
    glim_csv_money(&v->out, s->cost);
    glim_csv_text(&v->out, v->currency);
    glim_csv_end(&v->out);
}

static bool one_line(void *ctx, const glim_invoice_line *l) {
    invoicing *v = ctx;
    char a[32], b[32], c[32];
    if (v->f == JSON) {
        json_t *o = sums_json(&l->sums);
        json_object_update_new(o, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "key", l->key, "name", l->key_name, "model", l->model,
                                            "price_input", glim_money_text(a, l->price.input), "price_cached",
                                            glim_money_text(b, l->price.cached), "price_output", glim_money_text(c, l->price.output)));
        json_array_append_new(v->lines, o);
    } else if (v->f == CSV) {
        csv_line(v, l->key, l->key_name, l->model, &l->price, &l->sums);
    } else {
        glim_buf_printf(&v->out, "%-24s ", l->key);
        table_line(&v->out, l->model, l->key_name, &l->sums);
    }
    return true;
}

static int invoice(int argc, char **argv) {
    const char *data = NULL;
    bool csv = false, json = false, month = false;
    const glim_flag own[] = {{"--csv", NULL, GLIM_FLAG_BOOL, &csv, NULL, "CSV on stdout, the total in its last line", 0, 0},
                             {"--json", NULL, GLIM_FLAG_BOOL, &json, NULL, "one JSON object on stdout", 0, 0},
                             GLIM_DATA_FLAG(&data),
                             {0}};
    const glim_page u = {"glim usage invoice TENANT MONTH",
                          "What a tenant owes for a month (UTC), a line for each key, model and price. The total is exactly the sum of its\n"
                          "requests' amounts. Prices are per million tokens.", {own}};
    glim_str_list pos = {0};
    int code = glim_args(argc, argv, &u, &pos, 2, 2);
    if (code >= 0) return code;
    glim_err err = {0};
    glim_store *s = NULL;
    invoicing v = {.tenant = pos.v[0]};
    glim_invoice inv;
    int64_t day = 0;
    glim_status rc = form_of(&v.f, csv, json, &err);
    if (rc == GLIM_OK) rc = glim_day_parse(&day, &month, pos.v[1], "month", &err);
    if (rc == GLIM_OK && !month) rc = glim_fail(&err, GLIM_E_ARG, "month: got \"%s\", want a month such as 2026-03", pos.v[1]);
    if (rc == GLIM_OK) rc = glim_cli_folder(&s, data, false, &err);
    if (rc == GLIM_OK) rc = glim_currency_get(s, v.currency, &err);
    snprintf(v.month, sizeof v.month, "%.7s", pos.n == 2 ? pos.v[1] : "");
    v.lines = json_array();
    if (v.f == CSV)
        glim_buf_puts(&v.out, "tenant,month,key,key_name,model,requests,prompt_tokens,cached_tokens,completion_tokens,price_input,"
                              "price_cached,price_output,amount,currency\r\n");
    if (rc == GLIM_OK) rc = glim_invoice_make(s, v.tenant, day, one_line, &v, &inv, &err);
    if (rc == GLIM_OK && v.f == JSON) {
        rc = glim_cli_put_json(json_pack("{s:s, s:s, s:s, s:b, s:I, s:O, s:o}", "tenant", v.tenant, "month", v.month, "currency", v.currency,
                                         "final", inv.final, "running", (json_int_t)inv.n_open, "lines", v.lines, "total",
                                         sums_json(&inv.total)), &err);
    } else if (rc == GLIM_OK) {
        if (v.f == CSV) {
            csv_line(&v, "total", "", "", NULL, &inv.total);
        } else {
            glim_buf_printf(&v.out, "%-24s ", "total");
            table_line(&v.out, v.month, v.currency, &inv.total);
        }
        rc = glim_cli_put(&v.out, &err);
    }
    /* On stderr: a CSV holds rows only. */
    if (rc == GLIM_OK && !inv.final)
        fprintf(stderr, "note: this is not final: %s\n", inv.n_open ? "requests of this month still run" : "the month is not over");
    glim_buf_free(&v.out);
    json_decref(v.lines);
    glim_store_close(s);
    return glim_cli_end(rc, &err);
}

/* ---- prices, currency, check ---- */

static bool one_price(void *ctx, const glim_price *p) {
    reporting *r = ctx;
    char a[32], b[32], c[32], t[32];
    if (r->f == JSON)
        json_array_append_new(r->rows, json_pack("{s:s, s:s, s:s, s:s, s:s}", "model", p->model, "from", glim_time_text(t, p->valid_from_us),
                                                 "input", glim_money_text(a, p->input), "cached", glim_money_text(b, p->cached), "output",
                                                 glim_money_text(c, p->output)));
    else {
        if (r->n++ == 0) glim_buf_printf(&r->out, "%-22s %16s %16s %16s  %s\n", "from", "input", "cached", "output", "model (per million tokens)");
        glim_buf_printf(&r->out, "%-22s %16s %16s %16s  %s\n", glim_time_text(t, p->valid_from_us), glim_money_text(a, p->input),
                        glim_money_text(b, p->cached), glim_money_text(c, p->output), p->model);
    }
    return true;
}

static int price(int argc, char **argv) {
    const char *data = NULL, *input = NULL, *cached = NULL, *output = NULL, *from = NULL;
    bool json = false, month;
    const glim_flag own[] = {{"--input", NULL, GLIM_FLAG_STR, &input, "X", "price of a million prompt tokens: 0.50", 0, 0},
                             {"--cached", NULL, GLIM_FLAG_STR, &cached, "X", "of those that the prefix cache holds (default: as --input)", 0, 0},
                             {"--output", NULL, GLIM_FLAG_STR, &output, "X", "of a million completion tokens", 0, 0},
                             {"--from", NULL, GLIM_FLAG_STR, &from, "DAY", "from the beginning of this day, UTC (default: from now)", 0, 0},
                             {"--json", NULL, GLIM_FLAG_BOOL, &json, NULL, "a JSON array on stdout", 0, 0},
                             GLIM_DATA_FLAG(&data),
                             {0}};
    const glim_page u = {"glim usage price [MODEL --input X --output X]",
                          "Lists prices, or adds one. MODEL is a name as clients ask for it, or '*' for every model without a price of its\n"
                          "own. A request costs what held when it began.", {own}};
    glim_str_list pos = {0};
    int code = glim_args(argc, argv, &u, &pos, 0, 1);
    if (code >= 0) return code;
    glim_err err = {0};
    glim_store *s = NULL;
    glim_status rc = GLIM_OK;
    glim_price p = {0};
    bool set = pos.n == 1;
    if (set != (input != NULL) || set != (output != NULL) || (!set && (cached || from)))
        rc = glim_fail(&err, GLIM_E_ARG, "price: want MODEL, --input and --output together, or none of them");
    if (rc == GLIM_OK && set) {
        if (strlen(pos.v[0]) >= sizeof p.model) rc = glim_fail(&err, GLIM_E_LIMIT, "model: want at most %zu bytes", sizeof p.model - 1);
        else snprintf(p.model, sizeof p.model, "%s", pos.v[0]);
        if (rc == GLIM_OK) rc = glim_money_parse(&p.input, input, "--input", &err);
        p.cached = p.input;
        if (rc == GLIM_OK && cached) rc = glim_money_parse(&p.cached, cached, "--cached", &err);
        if (rc == GLIM_OK) rc = glim_money_parse(&p.output, output, "--output", &err);
        if (rc == GLIM_OK && from) rc = glim_day_parse(&p.valid_from_us, &month, from, "--from", &err);
        p.valid_from_us *= 86400000000;
    }
    if (rc == GLIM_OK) rc = glim_cli_folder(&s, data, set, &err);
    if (rc == GLIM_OK && set) {
        if (!from) p.valid_from_us = glim_store_now_us(s);
        rc = glim_price_set(s, &p, glim_cli_actor(), &err);
    } else if (rc == GLIM_OK) {
        reporting r = {.f = json ? JSON : TABLE, .rows = json_array()};
        rc = glim_price_list(s, one_price, &r, &err);
        if (rc == GLIM_OK) rc = json ? glim_cli_put_json(json_incref(r.rows), &err) : glim_cli_put(&r.out, &err);
        glim_buf_free(&r.out);
        json_decref(r.rows);
    }
    glim_store_close(s);
    return glim_cli_end(rc, &err);
}

static int currency(int argc, char **argv) {
    const char *data = NULL;
    const glim_flag own[] = {GLIM_DATA_FLAG(&data), {0}};
    const glim_page u = {"glim usage currency [CODE]", "What money is counted in: shown, or set while nothing has been metered yet.", {own}};
    glim_str_list pos = {0};
    int code = glim_args(argc, argv, &u, &pos, 0, 1);
    if (code >= 0) return code;
    glim_err err = {0};
    glim_store *s = NULL;
    char now[4];
    glim_status rc = glim_cli_folder(&s, data, pos.n == 1, &err);
    if (rc == GLIM_OK && pos.n) rc = glim_currency_set(s, pos.v[0], glim_cli_actor(), &err);
    if (rc == GLIM_OK) rc = glim_currency_get(s, now, &err);
    if (rc == GLIM_OK) puts(now);
    glim_store_close(s);
    return glim_cli_end(rc, &err);
}

static int check(int argc, char **argv) {
    const char *data = NULL;
    const glim_flag own[] = {GLIM_DATA_FLAG(&data), {0}};
    const glim_page u = {"glim usage check", "Does the ledger add up? Every amount is derived again, every total summed again.", {own}};
    glim_str_list pos = {0};
    int code = glim_args(argc, argv, &u, &pos, 0, 0);
    if (code >= 0) return code;
    glim_err err = {0};
    glim_store *s = NULL;
    glim_status rc = glim_cli_folder(&s, data, false, &err);
    if (rc == GLIM_OK) rc = glim_ledger_check(s, &err);
    if (rc == GLIM_OK) puts("the ledger adds up");
    glim_store_close(s);
    return glim_cli_end(rc, &err);
}

int glim_cmd_usage(int argc, char **argv) {
    static const glim_subverb subs[] = {{"invoice", "what a tenant owes for a month", invoice},
                                        {"price", "what tokens cost", price},
                                        {"currency", "what money is counted in", currency},
                                        {"check", "does the ledger add up?", check}};
    return glim_cli_subverb(argc, argv, "usage", "What was used and what it costs.", subs, GLIM_COUNT(subs), report);
}
