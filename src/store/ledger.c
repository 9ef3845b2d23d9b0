/* ledger.c - the transactions of the ledger; see ledger.h. Every function here runs inside one. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/log.h"
#include "store/days.h"
#include "store/keys_internal.h"
#include "store/ledger_internal.h"
#include "store/outbox.h"
#include "store/store_internal.h"

static const int64_t day_us = 86400000000;
enum { MOST_TOKENS = 1 << 30 };

/* ---- budgets ---- */

typedef struct room {
    int64_t tokens, money; /* what the budgets still hold; INT64_MAX: no budget */
    int64_t held_tokens, held_money; /* reserved by requests that run; these come back in part */
} room;

int64_t glim_period_start(glim_period p, int64_t day) {
    if (p == GLIM_PERIOD_DAY) return day;
    if (p == GLIM_PERIOD_TOTAL) return INT64_MIN;
    int64_t year;
    int month, mday;
    glim_day_civil(day, &year, &month, &mday);
    return day - (mday - 1);
}

/* The day after the last one of the period that holds `day`. */
static int64_t period_end(glim_period p, int64_t day) {
    if (p == GLIM_PERIOD_DAY) return day + 1;
    return p == GLIM_PERIOD_TOTAL ? INT64_MAX : glim_day_next_month(day);
}

static glim_status room_left(glim_db *db, const glim_key *k, int64_t day, room *out, glim_err *err) {
    *out = (room){.tokens = INT64_MAX, .money = INT64_MAX};
    if (k->token_budget < 0 && k->money_budget < 0) return GLIM_OK;
    int64_t from = glim_period_start(k->period, day), end = period_end(k->period, day), used[2] = {0, 0}, held[2] = {0, 0};
    glim_db_row *r;
    bool more;
    glim_status rc = glim_db_query(db, &r, err,
                                   "SELECT COALESCE(SUM(prompt + completion), 0), COALESCE(SUM(cost), 0) FROM key_days "
                                   "WHERE key = ? AND day >= ? AND day < ?", "sii", k->id, from, end);
    if (rc == GLIM_OK && (rc = glim_db_next(db, r, &more, err)) == GLIM_OK) {
        used[0] = glim_db_i64(r, 0), used[1] = glim_db_i64(r, 1);
        glim_db_rest(r);
        rc = glim_db_query(db, &r, err,
                           "SELECT COALESCE(SUM(reserved_prompt + reserved_completion), 0), COALESCE(SUM(reserved_cost), 0) "
                           "FROM usage WHERE state = 0 AND key = ? AND day >= ? AND day < ?", "sii", k->id, from, end);
    }
    if (rc == GLIM_OK && (rc = glim_db_next(db, r, &more, err)) == GLIM_OK) {
        held[0] = glim_db_i64(r, 0), held[1] = glim_db_i64(r, 1);
        glim_db_rest(r);
    }
    out->held_tokens = held[0], out->held_money = held[1];
    if (k->token_budget >= 0) out->tokens = k->token_budget - used[0] - held[0];
    if (k->money_budget >= 0) out->money = k->money_budget - used[1] - held[1];
    return rc;
}

/* The most completion tokens, at most `want`, whose cost above `base` stays within money. */
static int64_t affordable(const glim_price *p, int64_t prompt, int64_t have, int64_t want, int64_t base, int64_t money) {
    int64_t lo = 0, hi = want;
    while (lo < hi) {
        int64_t mid = (lo + hi + 1) / 2;
        if (glim_price_cost(p, prompt, 0, have + mid) - base <= money) lo = mid;
        else hi = mid - 1;
    }
    return lo;
}

static glim_status load_key(glim_db *db, const char *id, glim_key *k, bool *found, glim_err *err) {
    glim_db_row *r;
    *found = false;
    glim_status rc = glim_db_query(db, &r, err, "SELECT " GLIM_KEY_COLUMNS " FROM keys WHERE id = ?", "s", id);
    if (rc == GLIM_OK) rc = glim_db_next(db, r, found, err);
    if (rc != GLIM_OK || !*found) return rc;
    glim_key_from_row(k, r);
    glim_db_rest(r);
    return GLIM_OK;
}

/* ---- reserve ---- */

/* Where no shorter answer would do. */
static void help(const glim_key *k, bool held, bool shorter, glim_err *err) {
    static const char *const renewed[] = {[GLIM_PERIOD_TOTAL] = "ask for a key with a larger budget", [GLIM_PERIOD_DAY] = "wait for the next day (UTC)",
                                          [GLIM_PERIOD_MONTH] = "wait for the next month (UTC)"};
    glim_err_hint(err, "%s%s%s", shorter ? "shorten the prompt, or " : "", held ? "try again when requests of this key that run have ended, or " : "", renewed[k->period]);
}

static glim_status refuse_tokens(const glim_key *k, const glim_reserve *q, const room *r, glim_err *err) {
    int64_t left = r->tokens < 0 ? 0 : r->tokens;
    glim_fail(err, GLIM_E_LIMIT, "the token budget of key \"%s\" is too small for this request: %" PRId64 " of %" PRId64 " (%s) are left, got a prompt of %" PRId64
              " and %s %" PRId64 " for the answer", k->prefix, left, k->token_budget, glim_period_name(k->period), q->prompt,
              q->completion ? "up to" : "at least", q->completion ? q->completion : 1);
    if (q->completion && left > q->prompt)
        glim_err_hint(err, "ask for at most %" PRId64 " tokens (max_tokens times n), or leave max_tokens out to get what is left", left - q->prompt);
    else help(k, r->held_tokens > 0, left > 1, err);
    return GLIM_E_LIMIT;
}

static glim_status refuse_money(const glim_key *k, const glim_reserve *q, const glim_price *p, const room *r, glim_err *err) {
    char a[32], b[32], c[32];
    int64_t left = r->money < 0 ? 0 : r->money, want = q->completion ? q->completion : 1;
    int64_t fits = left < glim_price_cost(p, q->prompt, 0, 0) ? 0 : affordable(p, q->prompt, 0, want, 0, left);
    glim_fail(err, GLIM_E_LIMIT, "the money budget of key \"%s\" is too small for this request: %s of %s (%s) is left, got a prompt of %" PRId64 " tokens and %s %" PRId64
              " for the answer, which cost %s", k->prefix, glim_money_text(a, left), glim_money_text(b, k->money_budget), glim_period_name(k->period), q->prompt,
              q->completion ? "up to" : "at least", want, glim_money_text(c, glim_price_cost(p, q->prompt, 0, want)));
    if (fits > 0) glim_err_hint(err, "ask for at most %" PRId64 " tokens (max_tokens times n), or leave max_tokens out to get what is left", fits);
    else help(k, r->held_money > 0, left > 0, err);
    return GLIM_E_LIMIT;
}

glim_status glim_ledger_insert(glim_db *db, const glim_reserve *q, int64_t now, glim_grant *out, glim_verdict *v, glim_err *err) {
    *v = GLIM_VERDICT_FAILED;
    *out = (glim_grant){.prompt = q->prompt, .day = now / day_us};
    if (q->prompt < 0 || q->prompt > MOST_TOKENS || q->completion < 0 || q->completion > MOST_TOKENS)
        return glim_fail(err, GLIM_E_ARG, "reservation: got %" PRId64 " and %" PRId64 " tokens, want 0 to %d", q->prompt, q->completion,
                         MOST_TOKENS);
    glim_key k;
    room left = {0};
    bool found;
    glim_status rc = load_key(db, q->key, &k, &found, err);
    if (rc != GLIM_OK) return rc;
    if (!found || k.revoked_us || (k.expires_us && k.expires_us <= now)) {
        *v = GLIM_VERDICT_KEY;
        return glim_fail(err, GLIM_E_NOT_FOUND, "key \"%.80s\" is %s", q->key,
                         !found ? "unknown" : k.revoked_us ? "revoked" : "expired");
    }
    int64_t day = now / day_us;
    rc = glim_price_at(db, q->model, now, &out->price, err);
    if (rc == GLIM_OK) rc = room_left(db, &k, day, &left, err);
    if (rc != GLIM_OK) return rc;

    int64_t want = q->completion ? q->completion : GLIM_HOLD_GROWS_BY, least = q->completion ? want : 1;
    int64_t prompt_cost = glim_price_cost(&out->price, q->prompt, 0, 0);
    if (left.tokens - q->prompt < least) {
        *v = GLIM_VERDICT_TOKENS;
        return refuse_tokens(&k, q, &left, err);
    }
    if (want > left.tokens - q->prompt) want = left.tokens - q->prompt;
    if (left.money != INT64_MAX) {
        int64_t n = left.money < prompt_cost ? 0 : affordable(&out->price, q->prompt, 0, want, 0, left.money);
        if (n < least) {
            *v = GLIM_VERDICT_MONEY;
            return refuse_money(&k, q, &out->price, &left, err);
        }
        want = n;
    }
    out->completion = want;
    const glim_price *p = &out->price;
    rc = glim_db_run(db, err,
                     "INSERT INTO usage(request, key, tenant, model, state, started, ended, day, price_in, price_cached, price_out, "
                     "reserved_prompt, reserved_completion, reserved_cost, prompt, cached, completion, reasoning, cost) "
                     "VALUES(?, ?, ?, ?, 0, ?, 0, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, 0, 0)", "ssssiiiiiiii", q->request, k.id, k.tenant,
                     q->model, now, day, p->input, p->cached, p->output, q->prompt, want, glim_price_cost(p, q->prompt, 0, want));
    if (rc != GLIM_OK) return rc;
    out->id = glim_db_last_id(db);
    *v = GLIM_VERDICT_GRANTED;
    return GLIM_OK;
}

glim_status glim_ledger_grow(glim_db *db, const glim_grant *g, const char *key, int64_t now, int64_t *more, glim_err *err) {
    glim_key k;
    room left = {0};
    bool found;
    *more = 0;
    glim_status rc = load_key(db, key, &k, &found, err);
    if (rc != GLIM_OK || !found || k.revoked_us || (k.expires_us && k.expires_us <= now)) return rc;
    rc = room_left(db, &k, g->day, &left, err);
    if (rc != GLIM_OK) return rc;
    int64_t want = GLIM_HOLD_GROWS_BY, base = glim_price_cost(&g->price, g->prompt, 0, g->completion);
    if (want > left.tokens) want = left.tokens;
    if (want > MOST_TOKENS - g->completion) want = MOST_TOKENS - g->completion;
    if (want > 0 && left.money != INT64_MAX) want = affordable(&g->price, g->prompt, g->completion, want, base, left.money);
    if (want <= 0) return GLIM_OK;
    rc = glim_db_run(db, err, "UPDATE usage SET reserved_completion = ?, reserved_cost = ? WHERE id = ? AND state = 0", "iii",
                     g->completion + want, glim_price_cost(&g->price, g->prompt, 0, g->completion + want), g->id);
    if (rc == GLIM_OK) *more = want;
    return rc;
}

glim_status glim_ledger_note(glim_db *db, int64_t id, const glim_tokens *t, glim_err *err) {
    return glim_db_run(db, err, "UPDATE usage SET prompt = ?, cached = ?, completion = ? WHERE id = ? AND state = 0", "iiii", t->prompt,
                       t->cached, t->completion, id);
}

/* ---- settle ---- */

static const char *const outcome_names[] = {"open", "done", "aborted", "recovered"};

glim_status glim_ledger_settle(glim_db *db, int64_t id, const glim_tokens *used, glim_outcome o, int64_t now, glim_err *err) {
    glim_db_row *r;
    bool more;
    glim_status rc = glim_db_query(db, &r, err,
                                   "SELECT price_in, price_cached, price_out, reserved_prompt, reserved_completion, key, tenant, "
                                   "request, model, day FROM usage WHERE id = ? AND state = 0", "i", id);
    if (rc == GLIM_OK) rc = glim_db_next(db, r, &more, err);
    if (rc != GLIM_OK) return rc;
    if (!more) return glim_fail(err, GLIM_E_STATE, "ledger row %" PRId64 " is not open", id);
    glim_price p = {.input = glim_db_i64(r, 0), .cached = glim_db_i64(r, 1), .output = glim_db_i64(r, 2)};
    glim_tokens t = *used;
    int64_t most_prompt = glim_db_i64(r, 3), most = glim_db_i64(r, 4), day = glim_db_i64(r, 9);
    bool cut = t.prompt > most_prompt || t.completion > most;
    if (t.prompt > most_prompt) t.prompt = most_prompt;
    if (t.completion > most) t.completion = most;
    if (t.prompt < 0) t.prompt = 0;
    if (t.completion < 0) t.completion = 0;
    if (t.cached > t.prompt) t.cached = t.prompt;
    if (t.cached < 0) t.cached = 0;
    if (t.reasoning > t.completion) t.reasoning = t.completion;
    if (t.reasoning < 0) t.reasoning = 0;
    int64_t cost = glim_price_cost(&p, t.prompt, t.cached, t.completion);
    if (cut) glim_log(GLIM_ERROR, "ledger", "row=%" PRId64 " more was used than reserved; the reservation is settled", id);

    glim_buf d = {0};
    glim_buf_printf(&d, "{\"row\": %" PRId64 ", \"outcome\": \"%s\", \"model\": ", id, outcome_names[o]);
    glim_json_put_str(&d, glim_db_text(r, 8), strlen(glim_db_text(r, 8)));
    glim_buf_printf(&d, ", \"key\": \"%s\", \"prompt\": %" PRId64 ", \"cached\": %" PRId64 ", \"completion\": %" PRId64 ", \"cost\": %" PRId64 "}",
                    glim_db_text(r, 5), t.prompt, t.cached, t.completion, cost);
    char actor[GLIM_STORE_ID + 8], key[GLIM_STORE_ID + 1];
    snprintf(key, sizeof key, "%s", glim_db_text(r, 5));
    snprintf(actor, sizeof actor, "key:%s", key);
    rc = glim_buf_status(&d, "an event", err);
    if (rc == GLIM_OK)
        rc = glim_outbox_add(db, now, &(glim_event){actor, "request.end", glim_db_text(r, 7), glim_db_text(r, 6), glim_buf_cstr(&d)}, err);
    glim_buf_free(&d);
    glim_db_rest(r);
    if (rc == GLIM_OK)
        rc = glim_db_run(db, err,
                         "UPDATE usage SET state = ?, ended = ?, prompt = ?, cached = ?, completion = ?, reasoning = ?, cost = ? "
                         "WHERE id = ? AND state = 0", "iiiiiiii", (int64_t)o, now, t.prompt, t.cached, t.completion, t.reasoning, cost, id);
    if (rc == GLIM_OK)
        rc = glim_db_run(db, err,
                         "INSERT INTO key_days(key, day, requests, prompt, cached, completion, reasoning, cost) "
                         "VALUES(?, ?, 1, ?, ?, ?, ?, ?) ON CONFLICT(key, day) DO UPDATE SET requests = requests + 1, "
                         "prompt = prompt + excluded.prompt, cached = cached + excluded.cached, completion = completion + "
                         "excluded.completion, reasoning = reasoning + excluded.reasoning, cost = cost + excluded.cost", "siiiiii",
                         key, day, t.prompt, t.cached, t.completion, t.reasoning, cost);
    return rc;
}

/* ---- recovery ---- */

typedef struct open_row {
    int64_t id;
    glim_tokens t;
} open_row;

typedef struct recover_ctx {
    glim_slots slots;
    int64_t now;
    size_t n;
} recover_ctx;

static int by_id(const void *a, const void *b) {
    int64_t x = ((const open_row *)a)->id, y = ((const open_row *)b)->id;
    return x < y ? -1 : x > y;
}

static glim_status recover(glim_db *db, void *ctx, glim_err *err) {
    recover_ctx *c = ctx;
    glim_db_row *r;
    bool more = true;
    open_row *rows = NULL;
    size_t n = 0, cap = 0;
    glim_status rc = glim_db_query(db, &r, err, "SELECT id, prompt, cached, completion FROM usage WHERE state = 0 ORDER BY id", "");
    while (rc == GLIM_OK && (rc = glim_db_next(db, r, &more, err)) == GLIM_OK && more) {
        if (n == cap && (rc = glim_try_grow(&rows, &cap, 256, sizeof *rows, "open ledger rows", err)) != GLIM_OK) break;
        rows[n++] = (open_row){glim_db_i64(r, 0), {glim_db_i64(r, 1), glim_db_i64(r, 2), glim_db_i64(r, 3), 0}};
    }
    if (rc != GLIM_OK && more) glim_db_rest(r);
    /* The mapped counts are newer than the noted ones, unless a power cut left old pages: the larger counts. */
    for (size_t i = 0; n > 0 && i < GLIM_HOLDS_MAX && rc == GLIM_OK; i++) {
        glim_slot *s = &c->slots.slot[i];
        open_row want = {.id = atomic_load(&s->id)}, *o = want.id ? bsearch(&want, rows, n, sizeof *rows, by_id) : NULL;
        if (!o) continue;
        uint64_t counts = atomic_load(&s->counts), cached = atomic_load(&s->cached);
        int64_t prompt = (int64_t)(counts >> 32), completion = (int64_t)(counts & 0xffffffffu);
        if (prompt > o->t.prompt || completion > o->t.completion) {
            o->t.cached = cached <= MOST_TOKENS ? (int64_t)cached : 0;
            if (prompt > o->t.prompt) o->t.prompt = prompt;
            if (completion > o->t.completion) o->t.completion = completion;
        }
    }
    for (size_t i = 0; i < n && rc == GLIM_OK; i++)
        rc = glim_ledger_settle(db, rows[i].id, &rows[i].t, GLIM_OUTCOME_RECOVERED, c->now, err);
    free(rows);
    c->n = n;
    return rc;
}

glim_status glim_ledger_recover(glim_store *s, glim_err *err) {
    recover_ctx c = {.now = glim_store_now_us(s)};
    glim_status rc = glim_slots_open(&c.slots, s->dir, err);
    if (rc == GLIM_OK) rc = glim_store_transact(s, recover, &c, err);
    if (rc == GLIM_OK) {
        for (size_t i = 0; i < GLIM_HOLDS_MAX; i++) atomic_store(&c.slots.slot[i].id, 0);
        if (c.n) glim_log(GLIM_INFO, "ledger", "recovered=%zu requests that an earlier run left open", c.n);
    }
    glim_slots_close(&c.slots);
    return rc;
}

/* ---- does it all add up? ---- */

static glim_status check_rows(glim_db *db, glim_err *err) {
    glim_db_row *r;
    bool more = true;
    glim_status rc = glim_db_query(db, &r, err,
                                   "SELECT id, price_in, price_cached, price_out, reserved_prompt, reserved_completion, reserved_cost, "
                                   "prompt, cached, completion, reasoning, cost, state, started, day FROM usage", "");
    while (rc == GLIM_OK && (rc = glim_db_next(db, r, &more, err)) == GLIM_OK && more) {
        int64_t v[15];
        for (int i = 0; i < 15; i++) v[i] = glim_db_i64(r, i);
        glim_price p = {.input = v[1], .cached = v[2], .output = v[3]};
        const char *wrong = NULL;
        bool sane = true;
        for (int i = 1; i < 12; i++) sane = sane && v[i] >= 0 && (i < 4 || i == 6 || i == 11 ? v[i] <= INT64_MAX / 2 : v[i] <= MOST_TOKENS);
        if (!sane || v[8] > v[7] || v[10] > v[9] || v[12] < 0 || v[12] > 3) wrong = "has impossible counts";
        else if (v[7] > v[4] || v[9] > v[5]) wrong = "used more than it had reserved";
        else if (v[6] != glim_price_cost(&p, v[4], 0, v[5])) wrong = "has reserved another amount than its tokens cost";
        else if (v[11] != (v[12] ? glim_price_cost(&p, v[7], v[8], v[9]) : 0)) wrong = "has another amount than its tokens cost";
        else if (v[14] != v[13] / day_us) wrong = "is booked on another day than it began";
        if (wrong) {
            glim_db_rest(r);
            return glim_fail(err, GLIM_E_FORMAT, "ledger row %" PRId64 " %s", v[0], wrong);
        }
    }
    return rc;
}

glim_status glim_ledger_check_db(glim_db *db, void *unused, glim_err *err) {
    (void)unused;
    glim_status rc = check_rows(db, err);
    if (rc != GLIM_OK) return rc;
    /* Both tables as signed rows: whatever does not cancel out is wrong on one side. */
    glim_db_row *r;
    bool more = false;
    rc = glim_db_query(db, &r, err,
                       "SELECT key, day FROM ("
                       "  SELECT key, day, requests n, prompt p, cached h, completion c, reasoning t, cost m FROM key_days UNION ALL "
                       "  SELECT key, day, -1, -prompt, -cached, -completion, -reasoning, -cost FROM usage WHERE state != 0) "
                       "GROUP BY key, day HAVING SUM(n) != 0 OR SUM(p) != 0 OR SUM(h) != 0 OR SUM(c) != 0 OR SUM(t) != 0 OR SUM(m) != 0 "
                       "LIMIT 1", "");
    if (rc == GLIM_OK) rc = glim_db_next(db, r, &more, err);
    if (rc != GLIM_OK || !more) return rc;
    char date[16];
    glim_fail(err, GLIM_E_FORMAT, "the ledger does not add up: key \"%s\" on %s has other totals than its rows", glim_db_text(r, 0),
              glim_day_text(date, glim_db_i64(r, 1)));
    glim_db_rest(r);
    return GLIM_E_FORMAT;
}

glim_status glim_ledger_check(glim_store *s, glim_err *err) { return glim_store_read(s, glim_ledger_check_db, NULL, err); }
