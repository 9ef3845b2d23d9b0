/* test_report.c - reports and invoices are sums of ledger rows, to the micro-unit; CSV that no spreadsheet executes. */
#include "base/rng.h"
#include "store/ledger.h"
#include "store/report.h"
#include "store_test.h"

static void spend(glim_store *s, const char *key, const char *model, int64_t prompt, int64_t cached, int64_t completion) {
    glim_hold *h;
    glim_err err = {0};
    CHECK_OK(glim_ledger_reserve(s, &(glim_reserve){"r", key, model, prompt, completion + 1}, &h, NULL, &err), err);
    glim_hold_end(h, &(glim_tokens){prompt, cached, completion, 0}, GLIM_OUTCOME_DONE);
}

typedef struct sum {
    glim_sums v;
    int n;
} sum;
static void add(sum *t, const glim_sums *v) {
    t->n++;
    t->v.requests += v->requests, t->v.prompt += v->prompt, t->v.cached += v->cached, t->v.completion += v->completion, t->v.cost += v->cost;
}
static bool on_row(void *ctx, const glim_report_row *r) {
    add(ctx, &r->sums);
    return true;
}
static bool on_line(void *ctx, const glim_invoice_line *l) {
    add(ctx, &l->sums);
    return true;
}

TEST(rows_reports_and_invoices_are_the_same_sum) {
    atomic_store(&g_now, T0);
    const char *dir = fresh("sums");
    glim_store *s = open_started(dir);
    glim_err err = {0};
    glim_rng r = {.seed = 11};
    glim_key k[4];
    char secret[GLIM_KEY_SECRET + 1];
    for (int i = 0; i < 4; i++) CHECK_OK(glim_key_create(s, &(glim_key_params){.name = "k", .tenant = i < 2 ? "acme" : "rival"}, &k[i], secret, &err), err);
    for (int i = 0; i < 3; i++)
        CHECK_OK(glim_price_set(s, &(glim_price){.model = "m", .valid_from_us = T0 + i * 20 * 86400000000, .input = 777777 * (i + 1), .cached = 111111, .output = 3333333}, "t", &err), err);
    const int64_t now[] = {T0, T0 + 25 * 86400000000, T0 + 33 * 86400000000, T0 + 45 * 86400000000}; /* March and April */
    for (int t = 0; t < 4; t++) {
        atomic_store(&g_now, now[t]);
        for (int i = 0; i < 60; i++) {
            int64_t p = (int64_t)glim_rng_below(&r, 500);
            spend(s, k[glim_rng_below(&r, 4)].id, glim_rng_below(&r, 2) ? "m" : "n", p, p / 3, (int64_t)glim_rng_below(&r, 500));
        }
        CHECK_OK(glim_ledger_flush(s, &err), err);
    }
    CHECK_OK(glim_ledger_check(s, &err), err);
    int64_t rows = ask(dir, "SELECT SUM(cost) FROM usage"), invoices = 0, requests = 0;
    for (int by = GLIM_BY_KEY; by <= GLIM_BY_MODEL; by++) {
        sum t = {0};
        glim_sums total;
        int64_t n_open;
        CHECK_OK(glim_report(s, &(glim_report_params){.by = (glim_report_by)by}, on_row, &t, &total, &n_open, &err), err);
        CHECK(t.v.cost == rows && total.cost == rows && t.v.requests == 240 && n_open == 0);
        CHECK(t.n == (by == GLIM_BY_KEY || by == GLIM_BY_DAY ? 4 : 2));
    }
    static const char *const tenants[] = {"acme", "rival"};
    for (int t = 0; t < 2; t++)
        for (int m = 3; m <= 4; m++) {
            sum v = {0};
            glim_invoice inv;
            CHECK_OK(glim_invoice_make(s, tenants[t], glim_day_of(2026, m, 17), on_line, &v, &inv, &err), err);
            CHECK(inv.total.cost == v.v.cost && inv.final == (m == 3) && inv.month == glim_day_of(2026, m, 1) && strcmp(inv.currency, "CNY") == 0);
            invoices += v.v.cost;
            requests += v.v.requests;
        }
    CHECK(invoices == rows && requests == 240 && rows == ask(dir, "SELECT SUM(cost) FROM key_days"));
    sum v = {0};
    glim_invoice inv;
    CHECK(glim_invoice_make(s, "nobody", 20513, on_line, &v, &inv, &err) == GLIM_E_NOT_FOUND && strstr(err.msg, "nobody"));
    CHECK_OK(glim_invoice_make(s, "acme", glim_day_of(2025, 1, 1), on_line, &v, &inv, &err), err);
    CHECK(v.n == 0 && inv.total.cost == 0 && inv.final);

    sum one = {0}; /* one tenant, one day */
    CHECK_OK(glim_report(s, &(glim_report_params){.by = GLIM_BY_DAY, .tenant = "acme", .from_day = 20513, .end_day = 20514}, on_row, &one, NULL, NULL, &err), err);
    CHECK(one.n == 1 && one.v.cost == ask(dir, "SELECT SUM(cost) FROM usage WHERE tenant = 'acme' AND day = 20513"));
    sum by_prefix = {0}, by_id = {0};
    CHECK_OK(glim_report(s, &(glim_report_params){.key = k[1].prefix}, on_row, &by_prefix, NULL, NULL, &err), err);
    CHECK_OK(glim_report(s, &(glim_report_params){.key = k[1].id}, on_row, &by_id, NULL, NULL, &err), err);
    CHECK(by_prefix.n == 1 && by_prefix.v.cost == by_id.v.cost && by_id.v.cost > 0);
    glim_key_use use;
    CHECK_OK(glim_report_key(s, k[1].id, GLIM_PERIOD_TOTAL, &use, &err), err);
    CHECK(use.cost == by_id.v.cost && use.tokens == by_id.v.prompt + by_id.v.completion && use.held_tokens == 0);
    glim_store_close(s);
}

TEST(csv_cells_are_quoted_and_never_formulas) {
    glim_buf b = {0};
    static const char *const in[] = {"plain", "a,b", "say \"hi\"", "=1+1", "+1", "-1", "@x", "", "two\nlines", "\xe4\xbd\xa0"};
    for (size_t i = 0; i < GLIM_COUNT(in); i++) glim_csv_text(&b, in[i]);
    glim_csv_int(&b, -5);
    glim_csv_money(&b, 1500000);
    glim_csv_end(&b);
    glim_csv_text(&b, "");
    glim_csv_int(&b, 7);
    glim_csv_end(&b);
    CHECK_STR(glim_buf_cstr(&b), "plain,\"a,b\",\"say \"\"hi\"\"\",\"'=1+1\",\"'+1\",\"'-1\",\"'@x\",\"\",\"two\nlines\",\xe4\xbd\xa0,-5,1.500000\r\n\"\",7\r\n");
    glim_buf_free(&b);
}
