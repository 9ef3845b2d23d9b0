/* cmd_key.c - glim key: API keys made, listed, shown, revoked. Works beside a running server, which knows of a change
 * within a second. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/folder.h"
#include "store/days.h"
#include "store/keys.h"
#include "store/prices.h"
#include "store/report.h"

static json_t *time_json(int64_t us) {
    char buf[32];
    return us ? json_string(glim_time_text(buf, us)) : json_null();
}

static json_t *limit_json(int64_t v, int64_t none) { return v == none ? json_null() : json_integer(v); }

static json_t *money_json(int64_t v) {
    char buf[32];
    return v < 0 ? json_null() : json_string(glim_money_text(buf, v));
}

static const char *state_of(const glim_key *k, int64_t now) {
    return k->revoked_us ? "revoked" : k->expires_us && k->expires_us <= now ? "expired" : "live";
}

static json_t *key_json(const glim_key *k, int64_t now) {
    char scopes[64];
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s}", "id", k->id, "prefix", k->prefix, "tenant",
                     k->tenant, "name", k->name, "state", state_of(k, now), "scopes", glim_scopes_text(scopes, sizeof scopes, k->scopes),
                     "created", time_json(k->created_us), "expires", time_json(k->expires_us), "revoked", time_json(k->revoked_us),
                     "requests_per_minute", limit_json(k->rpm, 0), "tokens_per_minute", limit_json(k->tpm, 0), "token_budget",
                     limit_json(k->token_budget, -1), "money_budget", money_json(k->money_budget), "period", glim_period_name(k->period));
}

/* "30d", "12h", "90m", or a day, whose end in UTC is meant. */
static glim_status parse_expiry(int64_t *us, const char *text, int64_t now, glim_err *err) {
    char *end;
    long long n = strtoll(text, &end, 10);
    int64_t unit = *end == 'd' ? 86400 : *end == 'h' ? 3600 : *end == 'm' ? 60 : 0, day;
    bool month;
    if (unit && end != text && !end[1] && n > 0 && n <= 36500) {
        *us = now + (int64_t)n * unit * 1000000;
        return GLIM_OK;
    }
    glim_status rc = glim_day_parse(&day, &month, text, "--expires", NULL);
    if (rc != GLIM_OK || month)
        return glim_fail(err, GLIM_E_ARG, "--expires: got \"%.40s\", want 30d, 12h, 90m or a day such as 2026-12-31", text);
    *us = (day + 1) * 86400000000;
    return GLIM_OK;
}

static int create(int argc, char **argv) {
    const char *data = NULL, *tenant = NULL, *scopes = NULL, *expires = NULL, *money = NULL, *period = NULL;
    int64_t rpm = 0, tpm = 0, tokens = -1;
    bool json = false;
    const glim_flag own[] = {
        {"--tenant", NULL, GLIM_FLAG_STR, &tenant, "ID", "whom its usage is invoiced to (default: default)", 0, 0},
        {"--scopes", NULL, GLIM_FLAG_STR, &scopes, "LIST", "of infer,files,tune,usage,admin (default: infer)", 0, 0},
        {"--expires", NULL, GLIM_FLAG_STR, &expires, "WHEN", "30d, 12h, 90m, or the last day: 2026-12-31 (default: never)", 0, 0},
        {"--rpm", NULL, GLIM_FLAG_INT, &rpm, "N", "most requests a minute", 1, 1000000000},
        {"--tpm", NULL, GLIM_FLAG_INT, &tpm, "N", "most tokens a minute", 1, (int64_t)1 << 40},
        {"--token-budget", NULL, GLIM_FLAG_INT, &tokens, "N", "most tokens in a period", 0, (int64_t)1 << 60},
        {"--money-budget", NULL, GLIM_FLAG_STR, &money, "X", "most money in a period: 12.50", 0, 0},
        {"--period", NULL, GLIM_FLAG_STR, &period, "P", "of the budgets: day, month or total (default: month)", 0, 0},
        {"--json", NULL, GLIM_FLAG_BOOL, &json, NULL, "one JSON object on stdout", 0, 0},
        GLIM_DATA_FLAG(&data),
        {0}};
    const glim_page u = {"glim key create [NAME]", "Makes an API key. It is shown now and never again: only its hash is kept.", {own}};
    glim_str_list pos = {0};
    int code = glim_args(argc, argv, &u, &pos, 0, 1);
    if (code >= 0) return code;
    glim_key_params p = {.name = pos.n ? pos.v[0] : "", .tenant = tenant, .rpm = rpm, .tpm = tpm, .has_token_budget = tokens >= 0,
                         .token_budget = tokens, .has_money_budget = money != NULL, .period = GLIM_PERIOD_MONTH, .actor = glim_cli_actor()};
    glim_err err = {0};
    glim_store *s = NULL;
    glim_key k;
    char secret[GLIM_KEY_SECRET + 1];
    glim_status rc = scopes ? glim_scopes_parse(&p.scopes, scopes, &err) : GLIM_OK;
    if (rc == GLIM_OK && money) rc = glim_money_parse(&p.money_budget, money, "--money-budget", &err);
    if (rc == GLIM_OK && period) rc = glim_period_parse(&p.period, period, &err);
    if (rc == GLIM_OK) rc = glim_cli_folder(&s, data, true, &err);
    if (rc == GLIM_OK && expires) rc = parse_expiry(&p.expires_us, expires, glim_store_now_us(s), &err);
    if (rc == GLIM_OK) rc = glim_key_create(s, &p, &k, secret, &err);
    if (rc == GLIM_OK && json) {
        json_t *v = key_json(&k, glim_store_now_us(s));
        json_object_set_new(v, "key", json_string(secret));
        rc = glim_cli_put_json(v, &err);
    } else if (rc == GLIM_OK) {
        printf("%s\n", secret);
        fprintf(stderr, "%s of tenant %s: keep the key, it is not shown again\n", k.id, k.tenant);
    }
    glim_store_close(s);
    return glim_cli_end(rc, &err);
}

typedef struct listing {
    json_t *json; /* an array, or NULL: a table */
    int64_t now;
    size_t n;
} listing;

static bool list_one(void *ctx, const glim_key *k) {
    listing *l = ctx;
    char created[32], scopes[64];
    if (l->json) {
        json_array_append_new(l->json, key_json(k, l->now));
        return true;
    }
    if (l->n++ == 0) printf("%-20s  %-11s  %-8s  %-10s  %-16s  %-16s  %s\n", "id", "prefix", "state", "created", "tenant", "scopes", "name");
    printf("%-20s  %-11s  %-8s  %-10.10s  %-16s  %-16s  %s\n", k->id, k->prefix, state_of(k, l->now),
           glim_time_text(created, k->created_us), k->tenant, glim_scopes_text(scopes, sizeof scopes, k->scopes), k->name);
    return true;
}

static int list(int argc, char **argv) {
    const char *data = NULL, *tenant = NULL;
    bool json = false;
    const glim_flag own[] = {{"--tenant", NULL, GLIM_FLAG_STR, &tenant, "ID", "only this tenant's", 0, 0},
                             {"--json", NULL, GLIM_FLAG_BOOL, &json, NULL, "a JSON array on stdout", 0, 0},
                             GLIM_DATA_FLAG(&data),
                             {0}};
    const glim_page u = {"glim key list", "All keys, oldest first, dead ones included.", {own}};
    glim_str_list pos = {0};
    int code = glim_args(argc, argv, &u, &pos, 0, 0);
    if (code >= 0) return code;
    glim_err err = {0};
    glim_store *s = NULL;
    listing l = {.json = json ? json_array() : NULL};
    glim_status rc = glim_cli_folder(&s, data, false, &err);
    if (rc == GLIM_OK) l.now = glim_store_now_us(s);
    if (rc == GLIM_OK) rc = glim_key_list(s, tenant, list_one, &l, &err);
    if (rc == GLIM_OK && json) rc = glim_cli_put_json(json_incref(l.json), &err);
    json_decref(l.json);
    glim_store_close(s);
    return glim_cli_end(rc, &err);
}

static void show_budget(const char *what, bool money, int64_t budget, int64_t used, int64_t held) {
    char a[32], b[32], c[32];
    if (budget < 0) return;
    if (money) printf("%s  %s used, %s reserved, of %s\n", what, glim_money_text(a, used), glim_money_text(b, held), glim_money_text(c, budget));
    else printf("%s  %" PRId64 " used, %" PRId64 " reserved, of %" PRId64 "\n", what, used, held, budget);
}

static int show(int argc, char **argv) {
    const char *data = NULL;
    bool json = false;
    const glim_flag own[] = {{"--json", NULL, GLIM_FLAG_BOOL, &json, NULL, "one JSON object on stdout", 0, 0}, GLIM_DATA_FLAG(&data), {0}};
    const glim_page u = {"glim key show KEY", "One key, by id or prefix: what it may do and what it has used in its period.", {own}};
    glim_str_list pos = {0};
    int code = glim_args(argc, argv, &u, &pos, 1, 1);
    if (code >= 0) return code;
    glim_err err = {0};
    glim_store *s = NULL;
    glim_key k;
    glim_key_use use;
    glim_status rc = glim_cli_folder(&s, data, false, &err);
    if (rc == GLIM_OK) rc = glim_key_find(s, pos.v[0], &k, &err);
    if (rc == GLIM_OK) rc = glim_report_key(s, k.id, (int)k.period, &use, &err);
    if (rc == GLIM_OK) {
        json_t *v = key_json(&k, glim_store_now_us(s));
        json_object_set_new(v, "used", json_pack("{s:I, s:o, s:I, s:o}", "tokens", (json_int_t)use.tokens, "money", money_json(use.cost),
                                                 "reserved_tokens", (json_int_t)use.held_tokens, "reserved_money", money_json(use.held_cost)));
        if (json) {
            rc = glim_cli_put_json(v, &err);
        } else {
            const char *name;
            json_t *field;
            json_object_foreach(v, name, field) {
                if (json_is_string(field)) printf("%-20s %s\n", name, json_string_value(field));
                else if (json_is_integer(field)) printf("%-20s %" PRId64 "\n", name, (int64_t)json_integer_value(field));
            }
            show_budget("tokens this period ", false, k.token_budget, use.tokens, use.held_tokens);
            show_budget("money this period  ", true, k.money_budget, use.cost, use.held_cost);
            json_decref(v);
        }
    }
    glim_store_close(s);
    return glim_cli_end(rc, &err);
}

static int revoke(int argc, char **argv) {
    const char *data = NULL;
    bool json = false;
    const glim_flag own[] = {{"--json", NULL, GLIM_FLAG_BOOL, &json, NULL, "one JSON object on stdout", 0, 0}, GLIM_DATA_FLAG(&data), {0}};
    const glim_page u = {"glim key revoke KEY", "Kills a key, by id or prefix, for good; a running server refuses it within a second.", {own}};
    glim_str_list pos = {0};
    int code = glim_args(argc, argv, &u, &pos, 1, 1);
    if (code >= 0) return code;
    glim_err err = {0};
    glim_store *s = NULL;
    glim_key k;
    glim_status rc = glim_cli_folder(&s, data, false, &err);
    if (rc == GLIM_OK) rc = glim_key_revoke(s, pos.v[0], glim_cli_actor(), &k, &err);
    if (rc == GLIM_OK && json) rc = glim_cli_put_json(key_json(&k, glim_store_now_us(s)), &err);
    else if (rc == GLIM_OK) printf("revoked %s (%s)\n", k.id, k.prefix);
    glim_store_close(s);
    return glim_cli_end(rc, &err);
}

int glim_cmd_key(int argc, char **argv) {
    static const glim_subverb subs[] = {{"create", "make a key; it is shown once", create},
                                        {"list", "all keys", list},
                                        {"show", "one key and what it has used", show},
                                        {"revoke", "kill a key", revoke}};
    return glim_cli_subverb(argc, argv, "key", "API keys: who may ask, how fast, and for how much.", subs, GLIM_COUNT(subs), NULL);
}
