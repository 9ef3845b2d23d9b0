/* test_ledger.c - money: what is reserved, what is settled, and that nothing gets lost when the process dies. */
#include <pthread.h>

#include "base/rng.h"
#include "store/days.h"
#include "store/ledger.h"
#include "store/ledger_internal.h"
#include "store_test.h"

static glim_key make(glim_store *s, glim_key_params p) {
    char secret[GLIM_KEY_SECRET + 1];
    glim_key k;
    glim_err err = {0};
    CHECK_OK(glim_key_create(s, &p, &k, secret, &err), err);
    return k;
}
static void price(glim_store *s, const char *model, int64_t from, int64_t in, int64_t cached, int64_t out) {
    glim_price p = {.valid_from_us = from, .input = in, .cached = cached, .output = out};
    glim_err err = {0};
    snprintf(p.model, sizeof p.model, "%s", model);
    CHECK_OK(glim_price_set(s, &p, "cli:test", &err), err);
}
static glim_hold *reserve(glim_store *s, const char *key, const char *model, int64_t prompt, int64_t completion) {
    glim_hold *h;
    glim_err err = {0};
    CHECK_OK(glim_ledger_reserve(s, &(glim_reserve){"req-1", key, model, prompt, completion}, &h, NULL, &err), err);
    return h;
}
static glim_verdict refused(glim_store *s, const char *key, int64_t prompt, int64_t completion) {
    glim_hold *h;
    glim_verdict v;
    glim_err err = {0};
    CHECK(glim_ledger_reserve(s, &(glim_reserve){"req-1", key, "m", prompt, completion}, &h, &v, &err) != GLIM_OK && !h && err.msg[0]);
    return v;
}
/* What a client is told. */
static const char *refusal(glim_store *s, const char *key, int64_t prompt, int64_t completion) {
    static char said[sizeof(glim_err)];
    glim_hold *h;
    glim_err err = {0};
    CHECK(glim_ledger_reserve(s, &(glim_reserve){"req-1", key, "m", prompt, completion}, &h, NULL, &err) != GLIM_OK && !h);
    snprintf(said, sizeof said, "%s; %s", strchr(err.msg, ':') ? strchr(err.msg, ':') : err.msg, err.hint);
    return said;
}
static void end(glim_store *s, glim_hold *h, int64_t prompt, int64_t cached, int64_t completion) {
    glim_err err = {0};
    glim_hold_end(h, &(glim_tokens){prompt, cached, completion, 0}, GLIM_OUTCOME_DONE);
    CHECK_OK(glim_ledger_flush(s, &err), err);
}
static void adds_up(glim_store *s) {
    glim_err err = {0};
    CHECK_OK(glim_ledger_check(s, &err), err);
}
/* Waits for what the committing thread does by itself. */
#define SOON(cond) \
    do { \
        for (int soon = 0; soon < 1000 && !(cond); soon++) sleep_ms(10); \
        CHECK(cond); \
    } while (0)

TEST(amounts_are_whole_micro_units_and_never_fall) {
    glim_price p = {.input = 500000, .cached = 100000, .output = 1500000}; /* 0.50, 0.10 and 1.50 a million */
    CHECK(glim_price_cost(&p, 0, 0, 0) == 0);
    CHECK(glim_price_cost(&p, 1, 0, 0) == 1);  /* 0.5 rounds up */
    CHECK(glim_price_cost(&p, 3, 2, 0) == 1);  /* 0.7 */
    CHECK(glim_price_cost(&p, 1000000, 400000, 1000000) == 300000 + 40000 + 1500000);
    glim_price most = {.input = GLIM_PRICE_MAX, .cached = GLIM_PRICE_MAX, .output = GLIM_PRICE_MAX};
    CHECK(glim_price_cost(&most, 1LL << 31, 0, 1LL << 31) == (1LL << 32) * (GLIM_PRICE_MAX / 1000000));
    glim_rng r = {.seed = 1};
    for (int i = 0; i < 10000; i++) {
        glim_price q = {.input = (int64_t)glim_rng_below(&r, 3000000), .output = (int64_t)glim_rng_below(&r, 3000000)};
        q.cached = (int64_t)glim_rng_below(&r, (uint64_t)q.input + 1);
        int64_t n = (int64_t)glim_rng_below(&r, 5000), c = (int64_t)glim_rng_below(&r, 5000), h = (int64_t)glim_rng_below(&r, (uint64_t)n + 1);
        int64_t v = glim_price_cost(&q, n, h, c);
        CHECK(v >= 0 && glim_price_cost(&q, n, h, c + 1) >= v && glim_price_cost(&q, n + 1, h, c) >= v && glim_price_cost(&q, n, 0, c) >= v);
    }
    char buf[32];
    CHECK_STR(glim_money_text(buf, 12345678), "12.345678");
    CHECK_STR(glim_money_text(buf, -1), "-0.000001");
    CHECK_STR(glim_money_text(buf, INT64_MIN), "-9223372036854.775808");
    int64_t v;
    glim_err err;
    CHECK(glim_money_parse(&v, "12.5", "x", &err) == GLIM_OK && v == 12500000);
    CHECK(glim_money_parse(&v, "9223372036854.775807", "x", &err) == GLIM_OK && v == INT64_MAX);
    static const char *const wrong[] = {"", ".", "1.2345678", "-1", "1e3", "1,5", " 1", "9223372036854.775808", "99999999999999999999", "1..2"};
    for (size_t i = 0; i < GLIM_COUNT(wrong); i++) CHECK_MSG(glim_money_parse(&v, wrong[i], "x", &err) == GLIM_E_ARG, "\"%s\"", wrong[i]);
}

static glim_status at(glim_db *db, void *ctx, glim_err *err) {
    glim_price *p = ctx, q;
    glim_status rc = glim_price_at(db, p->model, p->valid_from_us, &q, err);
    p->output = q.output;
    return rc;
}
static int64_t price_at(glim_store *s, const char *model, int64_t t) {
    glim_price p = {.valid_from_us = t};
    glim_err err = {0};
    snprintf(p.model, sizeof p.model, "%s", model);
    CHECK_OK(glim_store_read(s, at, &p, &err), err);
    return p.output;
}

TEST(the_price_of_a_request_is_the_one_that_held_when_it_began) {
    atomic_store(&g_now, T0);
    const char *dir = fresh("prices");
    glim_store *s = open_started(dir);
    price(s, "*", T0, 10, 10, 20);
    price(s, "m", T0 + 100, 1, 0, 2000000);
    price(s, "m", T0 + 200, 1, 0, 3000000);
    price(s, "*", T0 + 300, 9, 9, 9);
    CHECK(price_at(s, "m", T0 - 1) == 0 && price_at(s, "m", T0) == 20 && price_at(s, "m", T0 + 100) == 2000000);
    CHECK(price_at(s, "m", T0 + 250) == 3000000 && price_at(s, "m", T0 + 400) == 3000000 && price_at(s, "other", T0 + 400) == 9);
    atomic_store(&g_now, T0 + 150);
    glim_hold *h = reserve(s, NULL, "m", 0, 100);
    atomic_store(&g_now, T0 + 250); /* a new price begins while it runs, and even the old one is changed */
    price(s, "m", T0 + 100, 1, 0, 7000000);
    end(s, h, 0, 0, 50);
    CHECK(ask(dir, "SELECT cost FROM usage") == 100);
    glim_err err = {0};
    CHECK(glim_price_set(s, &(glim_price){.model = "m", .input = 1, .cached = 2}, "x", &err) == GLIM_E_ARG && strstr(err.msg, "cached"));
    CHECK(glim_price_set(s, &(glim_price){.model = "", .input = 1}, "x", &err) == GLIM_E_ARG);
    CHECK(glim_price_set(s, &(glim_price){.model = "m", .output = -1}, "x", &err) == GLIM_E_ARG && strstr(err.msg, "output"));
    CHECK(glim_currency_set(s, "EUR", "x", &err) == GLIM_E_STATE && glim_currency_set(s, "eur", "x", &err) == GLIM_E_ARG);
    adds_up(s);
    glim_store_close(s);
}

TEST(a_request_without_a_limit_grows_and_one_with_a_limit_does_not) {
    atomic_store(&g_now, T0);
    const char *dir = fresh("grow");
    glim_store *s = open_started(dir);
    glim_hold *h = reserve(s, NULL, "m", 10, 0), *f = reserve(s, NULL, "m", 10, 70);
    CHECK(glim_hold_room(h) == 1024 && glim_hold_room(f) == 70 && glim_hold_refused(f) && !glim_hold_refused(h));
    CHECK(glim_ledger_open_count(s) == 2);
    int64_t n = 0;
    for (; n < 5000; n++) { /* an engine that makes tokens as fast as it is allowed to */
        for (int i = 0; i < 1000 && glim_hold_room(h) == 0; i++) sleep_ms(10);
        CHECK(glim_hold_room(h) > 0);
        glim_hold_progress(h, 10, 4, n + 1);
    }
    glim_hold_progress(f, 99, 99, 99); /* more than it may: cut */
    CHECK(glim_hold_room(f) == 0);
    SOON(ask(dir, "SELECT MAX(completion) FROM usage WHERE state = 0") == 5000);
    end(s, h, 10, 4, 5000);
    end(s, f, 99, 99, 99);
    CHECK(ask(dir, "SELECT reserved_completion FROM usage WHERE id = 1") <= 5000 + 1024 + 512 && ask(dir, "SELECT completion FROM usage WHERE id = 1") == 5000);
    CHECK(ask(dir, "SELECT completion FROM usage WHERE id = 2") == 70 && ask(dir, "SELECT cached FROM usage WHERE id = 2") == 10);
    CHECK(glim_ledger_open_count(s) == 0);
    adds_up(s);
    glim_store_close(s);
}

TEST(a_refusal_says_what_is_left_what_was_asked_and_what_would_do) {
    atomic_store(&g_now, T0);
    glim_store *s = open_started(fresh("refusal"));
    price(s, "m", 0, 1000000, 0, 2000000);
    glim_key t = make(s, (glim_key_params){.has_token_budget = true, .token_budget = 60});
    glim_key d = make(s, (glim_key_params){.has_token_budget = true, .token_budget = 100, .period = GLIM_PERIOD_DAY});
    glim_key m = make(s, (glim_key_params){.has_money_budget = true, .money_budget = 1000, .period = GLIM_PERIOD_MONTH});
    /* Nothing was used yet: it is not "used up". */
    CHECK_STR(refusal(s, t.id, 12, 60), ": 60 of 60 (total) are left, got a prompt of 12 and up to 60 for the answer; ask for at most 48 tokens (max_tokens times n), or leave max_tokens out to get what is left");
    CHECK_STR(refusal(s, t.id, 60, 0), ": 60 of 60 (total) are left, got a prompt of 60 and at least 1 for the answer; shorten the prompt, or ask for a key with a larger budget");
    end(s, reserve(s, t.id, "m", 12, 48), 12, 0, 48); /* what was advised is granted */
    CHECK_STR(refusal(s, t.id, 1, 1), ": 0 of 60 (total) are left, got a prompt of 1 and up to 1 for the answer; ask for a key with a larger budget");

    glim_hold *h = reserve(s, d.id, "m", 10, 80);
    CHECK_STR(refusal(s, d.id, 10, 80), ": 10 of 100 (day) are left, got a prompt of 10 and up to 80 for the answer; shorten the prompt, or try again when requests of this key that run have ended, or wait for the next day (UTC)");
    end(s, h, 10, 0, 5);

    CHECK_STR(refusal(s, m.id, 100, 500), ": 0.001000 of 0.001000 (month) is left, got a prompt of 100 tokens and up to 500 for the answer, which cost 0.001100; ask for at most 450 tokens (max_tokens times n), or leave max_tokens out to get what is left");
    end(s, reserve(s, m.id, "m", 100, 450), 100, 0, 450);
    CHECK_STR(refusal(s, m.id, 1, 0), ": 0.000000 of 0.001000 (month) is left, got a prompt of 1 tokens and at least 1 for the answer, which cost 0.000003; wait for the next month (UTC)");
    glim_store_close(s);
}

TEST(budgets_hold_to_the_token_and_renew_with_their_period) {
    atomic_store(&g_now, T0);
    const char *dir = fresh("budget");
    glim_store *s = open_started(dir);
    price(s, "m", 0, 1000000, 0, 2000000); /* one micro-unit a prompt token, two a completion token */
    glim_key t = make(s, (glim_key_params){.has_token_budget = true, .token_budget = 1000, .period = GLIM_PERIOD_DAY});
    glim_key m = make(s, (glim_key_params){.has_money_budget = true, .money_budget = 1000, .period = GLIM_PERIOD_MONTH});
    glim_key z = make(s, (glim_key_params){.has_token_budget = true, .token_budget = 0});
    CHECK(refused(s, z.id, 0, 0) == GLIM_VERDICT_TOKENS);
    CHECK(refused(s, "key_nobody", 0, 0) == GLIM_VERDICT_KEY);
    CHECK(refused(s, t.id, 901, 100) == GLIM_VERDICT_TOKENS);
    glim_hold *a = reserve(s, t.id, "m", 400, 100), *b = reserve(s, t.id, "m", 100, 0); /* b takes what is left */
    CHECK(glim_hold_room(b) == 400 && glim_hold_refused(b));
    CHECK(refused(s, t.id, 0, 1) == GLIM_VERDICT_TOKENS);
    end(s, a, 400, 0, 50); /* 50 come back */
    glim_hold *c = reserve(s, t.id, "m", 0, 50);
    CHECK(refused(s, t.id, 0, 1) == GLIM_VERDICT_TOKENS);
    end(s, b, 100, 0, 400);
    end(s, c, 0, 0, 50);
    CHECK(refused(s, t.id, 0, 1) == GLIM_VERDICT_TOKENS);
    CHECK(ask(dir, "SELECT SUM(prompt + completion) FROM key_days WHERE day = 20513") == 1000);

    CHECK(refused(s, m.id, 1001, 0) == GLIM_VERDICT_MONEY && refused(s, m.id, 0, 501) == GLIM_VERDICT_MONEY);
    glim_hold *d = reserve(s, m.id, "m", 101, 0); /* 899 left: 449 tokens */
    CHECK(glim_hold_room(d) == 449);
    end(s, d, 101, 0, 449);
    CHECK(refused(s, m.id, 0, 0) == GLIM_VERDICT_MONEY);
    CHECK(ask(dir, "SELECT SUM(cost) FROM usage WHERE reserved_prompt = 101") == 999);

    atomic_store(&g_now, T0 + 86400000000); /* the next day: one period ends, the other does not */
    end(s, reserve(s, t.id, "m", 0, 1000), 0, 0, 10);
    CHECK(refused(s, m.id, 0, 0) == GLIM_VERDICT_MONEY);
    atomic_store(&g_now, T0 + 31 * 86400000000);
    end(s, reserve(s, m.id, "m", 0, 500), 0, 0, 10);
    adds_up(s);
    glim_store_close(s);
}

TEST(growth_takes_what_the_budget_still_holds_and_then_is_refused) {
    atomic_store(&g_now, T0);
    glim_store *s = open_started(fresh("grow-budget"));
    glim_key k = make(s, (glim_key_params){.has_token_budget = true, .token_budget = 1500});
    glim_hold *h = reserve(s, k.id, "m", 100, 0);
    CHECK(glim_hold_room(h) == 1024);
    glim_hold_progress(h, 100, 0, 600);
    SOON(glim_hold_refused(h));
    CHECK(glim_hold_room(h) == 800); /* 1,400 in all */
    end(s, h, 100, 0, 1400);
    CHECK(refused(s, k.id, 0, 0) == GLIM_VERDICT_TOKENS);
    adds_up(s);
    glim_store_close(s);
}

TEST(growth_over_midnight_stays_in_the_budget_of_the_day_it_is_booked_on) {
    for (int p = 0; p < 2; p++) {
        atomic_store(&g_now, T0);
        glim_store *s = open_started(fresh("midnight"));
        glim_key k = make(s, (glim_key_params){.has_token_budget = true, .token_budget = 1500, .period = p ? GLIM_PERIOD_MONTH : GLIM_PERIOD_DAY});
        glim_hold *h = reserve(s, k.id, "m", 100, 0);
        CHECK(glim_hold_room(h) == 1024);
        atomic_store(&g_now, T0 + (p ? 40 : 1) * 86400000000);
        glim_hold_progress(h, 100, 0, 600);
        SOON(glim_hold_refused(h));
        CHECK(glim_hold_room(h) == 800);
        glim_hold *next = reserve(s, k.id, "m", 0, 1500); /* the new period has all of its own */
        CHECK(refused(s, k.id, 0, 1) == GLIM_VERDICT_TOKENS);
        end(s, next, 0, 0, 10);
        end(s, h, 100, 0, 1400);
        adds_up(s);
        glim_store_close(s);
    }
}

TEST(a_revoked_key_ends_its_running_requests) {
    atomic_store(&g_now, T0);
    glim_store *s = open_started(fresh("revoked"));
    glim_key k = make(s, (glim_key_params){0});
    glim_hold *h = reserve(s, k.id, "m", 1, 10), *l = reserve(s, NULL, "m", 1, 10);
    glim_err err = {0};
    SOON(glim_keyring_size(s) == 1);
    sleep_ms(250);
    CHECK(!glim_hold_revoked(h));
    CHECK_OK(glim_key_revoke(s, k.id, "cli:test", NULL, &err), err);
    SOON(glim_hold_revoked(h));
    CHECK(!glim_hold_revoked(l));
    CHECK(refused(s, k.id, 1, 1) == GLIM_VERDICT_KEY);
    glim_hold_end(h, &(glim_tokens){1, 0, 3, 0}, GLIM_OUTCOME_ABORTED);
    end(s, l, 1, 0, 1);
    adds_up(s);
    glim_store_close(s);
}

static void keep_hold(void *ctx, glim_hold *hold, glim_verdict v, const glim_err *err) {
    (void)v, (void)err;
    *(glim_hold **)ctx = hold; /* seen by the test after a later change was waited for */
}

TEST(the_most_open_requests_is_a_stated_limit) {
    atomic_store(&g_now, T0);
    glim_store *s = open_started(fresh("full"));
    static glim_hold *h[GLIM_HOLDS_MAX];
    for (int i = 0; i < GLIM_HOLDS_MAX; i++) { /* many at a time: one commit for a thousand */
        glim_ledger_reserve_async(s, &(glim_reserve){"r", NULL, "m", 1, 1}, keep_hold, &h[i]);
    }
    CHECK(refused(s, NULL, 1, 1) == GLIM_VERDICT_FULL);
    for (int i = 0; i < GLIM_HOLDS_MAX; i++) {
        CHECK(h[i] != NULL);
        glim_hold_end(h[i], &(glim_tokens){1, 0, 1, 0}, GLIM_OUTCOME_DONE);
    }
    glim_err err = {0};
    CHECK_OK(glim_ledger_flush(s, &err), err);
    end(s, reserve(s, NULL, "m", 1, 1), 1, 0, 1);
    adds_up(s);
    glim_store_close(s);
}
/* ---- conservation ---- */

typedef struct player {
    glim_store *s;
    const glim_key *k;
    uint64_t seed;
    int n, wrong;
} player;

static void *play(void *arg) {
    player *p = arg;
    glim_rng r = {.seed = p->seed};
    glim_hold *h[8] = {0};
    int64_t made[8] = {0}, prompt[8] = {0};
    for (int i = 0; i < p->n; i++) {
        size_t j = glim_rng_below(&r, 8);
        if (!h[j]) {
            glim_err err = {0};
            glim_verdict v;
            prompt[j] = (int64_t)glim_rng_below(&r, 300);
            glim_reserve q = {"r", p->k[glim_rng_below(&r, 3)].id, glim_rng_below(&r, 2) ? "m" : "n", prompt[j],
                              glim_rng_below(&r, 3) ? 0 : (int64_t)glim_rng_below(&r, 2000)};
            if (glim_ledger_reserve(p->s, &q, &h[j], &v, &err) != GLIM_OK && v != GLIM_VERDICT_TOKENS && v != GLIM_VERDICT_MONEY) p->wrong++;
            made[j] = 0;
        } else if (glim_rng_below(&r, 4)) {
            int64_t room = glim_hold_room(h[j]);
            if (room < 0) p->wrong++;
            if (room > 0) made[j] += 1 + (int64_t)glim_rng_below(&r, (uint64_t)room);
            glim_hold_progress(h[j], prompt[j], prompt[j] / 2, made[j]);
        } else {
            glim_hold_end(h[j], &(glim_tokens){prompt[j], prompt[j] / 2, made[j], made[j] / 3},
                          glim_rng_below(&r, 2) ? GLIM_OUTCOME_DONE : GLIM_OUTCOME_ABORTED);
            h[j] = NULL;
        }
    }
    for (int j = 0; j < 8; j++)
        if (h[j]) glim_hold_end(h[j], &(glim_tokens){prompt[j], prompt[j] / 2, made[j], 0}, GLIM_OUTCOME_ABORTED);
    return NULL;
}

TEST(random_requests_of_many_threads_add_up_and_never_overdraw) {
    atomic_store(&g_now, T0);
    const char *dir = fresh("random");
    glim_store *s = open_started(dir);
    price(s, "m", 0, 1234567, 234567, 3456789);
    price(s, "n", 0, 7, 3, 11);
    glim_key k[3] = {make(s, (glim_key_params){.has_token_budget = true, .token_budget = 50000}),
                     make(s, (glim_key_params){.has_money_budget = true, .money_budget = 60000}), make(s, (glim_key_params){0})};
    enum { THREADS = 4 };
    pthread_t t[THREADS];
    player p[THREADS];
    for (int i = 0; i < THREADS; i++) {
        p[i] = (player){s, k, (uint64_t)i, 300, 0};
        CHECK(pthread_create(&t[i], NULL, play, &p[i]) == 0);
    }
    for (int i = 0; i < 10; i++) { /* looked at while it runs: used and reserved stay within the budgets */
        sleep_ms(10);
        adds_up(s);
        CHECK(ask(dir, "SELECT COUNT(*) FROM keys WHERE token_budget >= 0 AND token_budget < (SELECT COALESCE(SUM(CASE state WHEN 0 "
                       "THEN reserved_prompt + reserved_completion ELSE prompt + completion END), 0) FROM usage WHERE key = keys.id)") == 0);
        CHECK(ask(dir, "SELECT COUNT(*) FROM keys WHERE money_budget >= 0 AND money_budget < (SELECT COALESCE(SUM(CASE state WHEN 0 "
                       "THEN reserved_cost ELSE cost END), 0) FROM usage WHERE key = keys.id)") == 0);
    }
    for (int i = 0; i < THREADS; i++) pthread_join(t[i], NULL);
    for (int i = 0; i < THREADS; i++) CHECK(p[i].wrong == 0);
    glim_err err = {0};
    CHECK_OK(glim_ledger_flush(s, &err), err);
    CHECK(ask(dir, "SELECT COUNT(*) FROM usage WHERE state = 0") == 0 && ask(dir, "SELECT COUNT(*) FROM usage") > 100);
    CHECK(ask(dir, "SELECT SUM(cost) FROM usage") == ask(dir, "SELECT SUM(cost) FROM key_days"));
    adds_up(s);
    glim_store_close(s);
}

TEST(the_check_notices_every_kind_of_wrong_row) {
    static const char *const edits[] = {"UPDATE usage SET cost = cost + 1 WHERE id = 2", "UPDATE usage SET completion = completion - 1 WHERE id = 1",
                                        "DELETE FROM usage WHERE id = 1", "UPDATE key_days SET cost = cost - 1", "DELETE FROM key_days",
                                        "UPDATE key_days SET requests = 7", "UPDATE usage SET reserved_completion = 1", "UPDATE usage SET day = day + 1",
                                        "UPDATE usage SET state = 0 WHERE id = 2", "UPDATE usage SET price_out = 5 WHERE id = 1",
                                        "UPDATE usage SET prompt = -1", "UPDATE usage SET cached = prompt + 1"};
    for (size_t i = 0; i < GLIM_COUNT(edits); i++) {
        atomic_store(&g_now, T0);
        const char *dir = fresh("wrong");
        glim_store *s = open_started(dir);
        price(s, "*", 0, 1000000, 0, 1000000);
        end(s, reserve(s, NULL, "m", 10, 20), 10, 5, 15);
        end(s, reserve(s, NULL, "m", 10, 20), 10, 5, 16);
        adds_up(s);
        tell(dir, edits[i]);
        glim_err err = {0};
        CHECK_MSG(glim_ledger_check(s, &err) == GLIM_E_FORMAT && err.msg[0], "unnoticed: %s", edits[i]);
        glim_store_close(s);
    }
}

/* ---- faults ---- */

enum { MOST = 4000 };
typedef struct seen { /* what the clients of the killed process had received, in memory that outlives it */
    atomic_int n;
    atomic_int_least64_t row[MOST], received[MOST];
} seen;

/* A server: eight requests at a time, one token each a step; notes down what it has handed out. Never returns. */
static void serve(const char *dir, uint64_t seed, seen *x) {
    glim_rng r = {.seed = seed};
    glim_store *s;
    glim_err err = {0};
    if (glim_store_open(&s, dir, &(glim_store_params){.role = GLIM_STORE_OWNER}, &err) != GLIM_OK || glim_store_start(s, &err) != GLIM_OK) _exit(3);
    glim_hold *h[8] = {0};
    int64_t made[8] = {0}, goal[8] = {0};
    int who[8] = {0};
    for (;;) {
        for (int j = 0; j < 8; j++) {
            if (!h[j]) {
                if (atomic_load(&x->n) == MOST) continue;
                who[j] = atomic_fetch_add(&x->n, 1);
                goal[j] = 1 + (int64_t)glim_rng_below(&r, 1500);
                made[j] = 0;
                glim_reserve q = {"r", NULL, "m", 50, glim_rng_below(&r, 2) ? goal[j] : 0};
                if (glim_ledger_reserve(s, &q, &h[j], NULL, &err) != GLIM_OK) _exit(4);
                atomic_store(&x->row[who[j]], glim_hold_id(h[j]));
            } else if (made[j] < goal[j] && glim_hold_room(h[j]) > 0) {
                glim_hold_progress(h[j], 50, 10, ++made[j]);
                atomic_store(&x->received[who[j]], made[j]);
            } else if (made[j] == goal[j] || glim_hold_refused(h[j])) {
                glim_hold_end(h[j], &(glim_tokens){50, 10, made[j], 0}, glim_rng_below(&r, 4) ? GLIM_OUTCOME_DONE : GLIM_OUTCOME_ABORTED);
                h[j] = NULL;
            }
        }
        if (glim_rng_below(&r, 8) == 0) nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
    }
}

typedef struct row {
    int64_t id, state, completion, reserved;
} row;
static glim_status one_row(glim_db *db, void *ctx, glim_err *err) {
    row *w = ctx;
    glim_db_row *r;
    bool more;
    glim_status rc = glim_db_query(db, &r, err, "SELECT state, completion, reserved_completion FROM usage WHERE id = ?", "i", w->id);
    if (rc == GLIM_OK) rc = glim_db_next(db, r, &more, err);
    if (rc != GLIM_OK || !more) return glim_fail(err, GLIM_E_NOT_FOUND, "no row");
    w->state = glim_db_i64(r, 0), w->completion = glim_db_i64(r, 1), w->reserved = glim_db_i64(r, 2);
    glim_db_rest(r);
    return GLIM_OK;
}

TEST(kill_9_at_any_moment_leaves_no_reservation_open_and_no_token_unpaid) {
    const int kills = getenv("GLIM_SOAK") ? 200 : 20;
    const char *dir = fresh("kill");
    glim_rng r = {.seed = 7};
    int64_t checked = 0, recovered = 0;
    glim_store_close(open_as(dir, GLIM_STORE_OWNER));
    for (int k = 0; k < kills; k++) {
        seen *x = shared(sizeof *x);
        pid_t pid = fork();
        if (pid == 0) serve(dir, (uint64_t)k, x);
        for (int i = 0; i < 1000 && !atomic_load(&x->row[0]); i++) sleep_ms(5); /* it runs: from here any moment will do */
        nanosleep(&(struct timespec){.tv_nsec = (long)glim_rng_below(&r, 60000000)}, NULL);
        kill(pid, SIGKILL);
        int st;
        CHECK(waitpid(pid, &st, 0) == pid && WIFSIGNALED(st));
        recovered += ask(dir, "SELECT COUNT(*) FROM usage WHERE state = 0");
        glim_store *s = open_as(dir, GLIM_STORE_OWNER);
        CHECK(ask(dir, "SELECT COUNT(*) FROM usage WHERE state = 0") == 0);
        adds_up(s);
        glim_err err = {0};
        for (int i = 0; i < atomic_load(&x->n); i++) {
            row w = {.id = atomic_load(&x->row[i])};
            if (!w.id) continue; /* killed while reserving: no token was handed out */
            CHECK_OK(glim_store_read(s, one_row, &w, &err), err);
            int64_t got = atomic_load(&x->received[i]);
            CHECK_MSG(w.state != 0 && got <= w.completion && w.completion <= got + 1 && w.completion <= w.reserved,
                      "kill %d: the client got %lld tokens, %lld were settled, %lld reserved", k, (long long)got, (long long)w.completion,
                      (long long)w.reserved);
            checked++;
        }
        glim_store_close(s);
        munmap(x, sizeof *x);
    }
    printf("    %d kills, %lld requests, %lld of them recovered\n", kills, (long long)checked, (long long)recovered);
    CHECK(checked > kills && recovered > kills);
}

TEST(a_power_cut_costs_at_most_the_last_tokens_noted) {
    const char *dir = fresh("cut");
    seen *x = shared(sizeof *x);
    pid_t pid = fork();
    if (pid == 0) {
        glim_store *s = open_started(dir);
        glim_hold *h = reserve(s, NULL, "m", 50, 5000);
        for (int64_t n = 1; n <= 640; n++) {
            glim_hold_progress(h, 50, 0, n);
            if (n % 64 == 0) sleep_ms(60); /* three looks */
        }
        raise(SIGKILL);
    }
    int st;
    CHECK(waitpid(pid, &st, 0) == pid && WIFSIGNALED(st));
    char path[256];
    snprintf(path, sizeof path, "%s/progress.map", dir);
    CHECK(unlink(path) == 0); /* the pages that never reached the disk */
    glim_store_close(open_as(dir, GLIM_STORE_OWNER));
    int64_t n = ask(dir, "SELECT completion FROM usage WHERE state = 3");
    CHECK_MSG(n > 640 - 2 * GLIM_HOLD_EVERY && n <= 640, "%lld", (long long)n);
    munmap(x, sizeof *x);
}

/* Killed between the settlement and the slot's end, or before the reservation was on disk. */
TEST(a_slot_whose_request_is_not_open_is_passed_over) {
    const char *dir = fresh("slot");
    glim_store *s = open_started(dir);
    glim_err err = {0};
    end(s, reserve(s, NULL, "m", 1, 10), 1, 0, 1);
    glim_store_close(s);
    glim_slots slots;
    CHECK_OK(glim_slots_open(&slots, dir, &err), err);
    atomic_store(&slots.slot[3].id, 1);
    glim_slots_close(&slots);
    s = open_as(dir, GLIM_STORE_OWNER);
    CHECK(ask(dir, "SELECT SUM(completion) FROM usage WHERE state = 1") == 1 && ask(dir, "SELECT COUNT(*) FROM usage") == 1);
    adds_up(s);
    glim_store_close(s);
}

static int full_disk(const char *dir) { /* 0 is right */
    glim_store *s;
    glim_err err = {0};
    if (glim_store_open(&s, dir, &(glim_store_params){.role = GLIM_STORE_OWNER, .now_us = told_now}, &err) != GLIM_OK) return 10;
    if (glim_store_start(s, &err) != GLIM_OK) return 11;
    glim_hold *h, *g, *never;
    glim_verdict v;
    if (glim_ledger_reserve(s, &(glim_reserve){"r", NULL, "m", 10, 100}, &h, NULL, &err) != GLIM_OK) return 12;
    if (glim_ledger_reserve(s, &(glim_reserve){"r", NULL, "m", 10, 0}, &g, NULL, &err) != GLIM_OK) return 13;
    char path[256];
    snprintf(path, sizeof path, "%s/junk", dir);
    FILE *f = fopen(path, "w");
    if (!f) return 14;
    setvbuf(f, NULL, _IONBF, 0);
    static char junk[4096];
    while (fwrite(junk, 1, sizeof junk, f) == sizeof junk) {}
    fclose(f);
    /* The log may still have a few pages to give; then nothing is granted any more. */
    int granted = 0;
    for (; granted < 2000; granted++) {
        if (glim_ledger_reserve(s, &(glim_reserve){"r", NULL, "m", 10, 100}, &never, &v, &err) != GLIM_OK) break;
        glim_hold_end(never, &(glim_tokens){10, 0, 1, 0}, GLIM_OUTCOME_DONE);
    }
    if (granted == 2000 || v != GLIM_VERDICT_FAILED || err.code != GLIM_E_IO) return 15;
    glim_hold_end(h, &(glim_tokens){10, 0, 77, 0}, GLIM_OUTCOME_DONE);
    if (glim_ledger_flush(s, &err) != GLIM_E_IO) return 16;
    glim_hold_progress(g, 10, 0, 1024);
    for (int i = 0; i < 1000 && !glim_hold_refused(g); i++) sleep_ms(10);
    if (!glim_hold_refused(g)) return 17; /* no room will come: the stream can end */
    if (unlink(path) != 0) return 18;
    glim_status rc = GLIM_E_IO;
    for (int i = 0; i < 1000 && rc != GLIM_OK; i++, sleep_ms(10)) rc = glim_ledger_flush(s, &err);
    if (rc != GLIM_OK) return 19;
    glim_hold_end(g, &(glim_tokens){10, 0, 1024, 0}, GLIM_OUTCOME_DONE);
    if (glim_ledger_flush(s, &err) != GLIM_OK || glim_ledger_check(s, &err) != GLIM_OK) return 20;
    glim_store_close(s);
    return ask(dir, "SELECT SUM(completion) FROM usage WHERE state != 0") == 77 + 1024 + granted ? 0 : 21;
}

TEST(a_full_disk_grants_nothing_and_settles_when_there_is_room_again) {
    const char *dir = fresh("disk");
    pid_t pid = fork();
    if (pid == 0) {
        if (mkdir(dir, 0700) != 0) _exit(9);
        if (!small_disk(dir, "size=3m")) _exit(77);
        atomic_store(&g_now, T0);
        _exit(full_disk(dir));
    }
    int st;
    CHECK(waitpid(pid, &st, 0) == pid && WIFEXITED(st));
    if (WEXITSTATUS(st) == 77) SKIP("no user namespace to mount a small disk in");
    CHECK_MSG(WEXITSTATUS(st) == 0, "step %d", WEXITSTATUS(st));
}

TEST(days_and_months_are_those_of_the_calendar) {
    int64_t d, y;
    int m, md;
    bool month;
    char buf[32];
    glim_err err;
    CHECK(glim_day_of(1970, 1, 1) == 0 && glim_day_of(2026, 3, 1) == 20513 && glim_day_of(2000, 2, 29) == 11016);
    CHECK(glim_day_parse(&d, &month, "2024-02-29", "x", &err) == GLIM_OK && !month && d == glim_day_of(2024, 2, 29));
    CHECK(glim_day_parse(&d, &month, "2024-12", "x", &err) == GLIM_OK && month && glim_day_next_month(d) == glim_day_of(2025, 1, 1));
    static const char *const wrong[] = {"", "2026", "2026-13", "2026-00", "2026-02-30", "2025-02-29", "26-01-01", "2026/01/01", "2026-1-1", "1969-12-31", "2026-01-01x"};
    for (size_t i = 0; i < GLIM_COUNT(wrong); i++) CHECK_MSG(glim_day_parse(&d, &month, wrong[i], "x", &err) == GLIM_E_ARG, "\"%s\"", wrong[i]);
    for (int64_t day = 0; day < 40000; day++) {
        glim_day_civil(day, &y, &m, &md);
        CHECK(glim_day_of(y, m, md) == day);
    }
    CHECK_STR(glim_day_text(buf, 20513), "2026-03-01");
    CHECK_STR(glim_time_text(buf, T0), "2026-03-01T12:00:00Z");
}
