/* keys.c - keys in the database; see keys.h. keyring.c is the copy in memory. */
#include "store/keys.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "store/keys_internal.h"
#include "store/ledger.h"
#include "store/outbox.h"
#include "store/store_internal.h"

static const struct {
    const char *name;
    uint32_t bit;
} scope_names[] = {{"infer", GLIM_SCOPE_INFER},
                   {"files", GLIM_SCOPE_FILES},
                   {"tune", GLIM_SCOPE_TUNE},
                   {"usage", GLIM_SCOPE_USAGE},
                   {"admin", GLIM_SCOPE_ADMIN}};

glim_status glim_scopes_parse(uint32_t *out, const char *words, glim_err *err) {
    *out = 0;
    for (const char *p = words;;) {
        size_t n = strcspn(p, ","), i = 0;
        for (; i < GLIM_COUNT(scope_names); i++)
            if (strlen(scope_names[i].name) == n && memcmp(scope_names[i].name, p, n) == 0) break;
        if (i == GLIM_COUNT(scope_names))
            return glim_fail(err, GLIM_E_ARG, "scopes: got \"%.*s\", want infer, files, tune, usage or admin, with commas between",
                             (int)(n > 40 ? 40 : n), p);
        *out |= scope_names[i].bit;
        if (!p[n]) return GLIM_OK;
        p += n + 1;
    }
}

const char *glim_scopes_text(char *buf, size_t cap, uint32_t scopes) {
    size_t at = 0;
    buf[0] = 0;
    for (size_t i = 0; i < GLIM_COUNT(scope_names); i++)
        if (scopes & scope_names[i].bit && at < cap)
            at += (size_t)snprintf(buf + at, cap - at, "%s%s", at ? "," : "", scope_names[i].name);
    return buf;
}

static const char *const period_names[] = {"total", "day", "month"};
const char *glim_period_name(glim_period p) { return period_names[p]; }
glim_status glim_period_parse(glim_period *out, const char *word, glim_err *err) {
    for (size_t i = 0; i < GLIM_COUNT(period_names); i++)
        if (strcmp(word, period_names[i]) == 0) {
            *out = (glim_period)i;
            return GLIM_OK;
        }
    return glim_fail(err, GLIM_E_ARG, "period: got \"%.40s\", want day, month or total", word);
}

void glim_key_hash(uint8_t out[32], const char *token, size_t len) {
    struct sha256_ctx h;
    sha256_init(&h);
    sha256_update(&h, len, (const uint8_t *)token);
    sha256_digest(&h, 32, out);
}

void glim_key_from_row(glim_key *k, glim_db_row *r) {
    *k = (glim_key){.scopes = (uint32_t)glim_db_i64(r, 4),
                    .created_us = glim_db_i64(r, 5),
                    .expires_us = glim_db_i64(r, 6),
                    .revoked_us = glim_db_i64(r, 7),
                    .rpm = glim_db_i64(r, 8),
                    .tpm = glim_db_i64(r, 9),
                    .token_budget = glim_db_i64(r, 10),
                    .money_budget = glim_db_i64(r, 11)};
    int64_t period = glim_db_i64(r, 12);
    k->period = period >= 0 && period <= GLIM_PERIOD_MONTH ? (glim_period)period : GLIM_PERIOD_TOTAL;
    snprintf(k->id, sizeof k->id, "%s", glim_db_text(r, 0));
    snprintf(k->tenant, sizeof k->tenant, "%s", glim_db_text(r, 1));
    snprintf(k->name, sizeof k->name, "%s", glim_db_text(r, 2));
    snprintf(k->prefix, sizeof k->prefix, "%s", glim_db_text(r, 3));
}

/* ---- create ---- */

typedef struct create_ctx {
    const glim_key_params *p;
    glim_key *k;
    const uint8_t *hash;
} create_ctx;

glim_status glim_tenant_ensure(glim_db *db, const char *id, int64_t now_us, const char *actor, glim_err *err) {
    glim_status rc = glim_db_run(db, err, "INSERT INTO tenants(id, name, created) VALUES(?, ?, ?) ON CONFLICT DO NOTHING", "ssi",
                                 id, id, now_us);
    if (rc == GLIM_OK && glim_db_changes(db) > 0)
        rc = glim_outbox_add(db, now_us, &(glim_event){actor, "tenant.create", id, id, ""}, err);
    return rc;
}

static glim_status create(glim_db *db, void *ctx, glim_err *err) {
    create_ctx *c = ctx;
    const glim_key *k = c->k;
    glim_status rc = glim_tenant_ensure(db, k->tenant, k->created_us, c->p->actor, err);
    if (rc == GLIM_OK)
        rc = glim_db_run(db, err, "INSERT INTO keys(" GLIM_KEY_COLUMNS ", hash) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                         "ssssiiiiiiiiib", k->id, k->tenant, k->name, k->prefix, (int64_t)k->scopes, k->created_us,
                         k->expires_us, (int64_t)0, k->rpm, k->tpm, k->token_budget, k->money_budget, (int64_t)k->period,
                         c->hash, (size_t)32);
    if (rc != GLIM_OK) return rc;
    char scopes[64];
    glim_buf d = {0};
    glim_buf_puts(&d, "{\"name\": ");
    glim_json_put_str(&d, k->name, strlen(k->name));
    glim_buf_printf(&d, ", \"prefix\": \"%s\", \"scopes\": \"%s\", \"expires_us\": %lld, \"token_budget\": %lld, \"money_budget\": %lld, \"period\": \"%s\"}",
                    k->prefix, glim_scopes_text(scopes, sizeof scopes, k->scopes), (long long)k->expires_us,
                    (long long)k->token_budget, (long long)k->money_budget, glim_period_name(k->period));
    rc = glim_buf_status(&d, "an event", err);
    if (rc == GLIM_OK)
        rc = glim_outbox_add(db, k->created_us, &(glim_event){c->p->actor, "key.create", k->id, k->tenant, glim_buf_cstr(&d)}, err);
    glim_buf_free(&d);
    return rc;
}

static glim_status at_least(int64_t v, int64_t lo, const char *what, glim_err *err) {
    if (v >= lo) return GLIM_OK;
    return glim_fail(err, GLIM_E_ARG, "%s: got %lld, want %lld or more", what, (long long)v, (long long)lo);
}

glim_status glim_key_create(glim_store *s, const glim_key_params *p, glim_key *out, char secret[GLIM_KEY_SECRET + 1],
                            glim_err *err) {
    const char *tenant = p->tenant ? p->tenant : "default", *name = p->name ? p->name : "";
    glim_status rc = glim_store_check_id(tenant, "tenant", err);
    if (rc == GLIM_OK) rc = glim_store_check_text(name, GLIM_STORE_NAME, "name of the key", err);
    if (rc == GLIM_OK) rc = at_least(p->rpm, 0, "requests a minute", err);
    if (rc == GLIM_OK) rc = at_least(p->tpm, 0, "tokens a minute", err);
    if (rc == GLIM_OK && p->has_token_budget) rc = at_least(p->token_budget, 0, "token budget", err);
    if (rc == GLIM_OK && p->has_money_budget) rc = at_least(p->money_budget, 0, "money budget", err);
    int64_t now = glim_store_now_us(s);
    if (rc == GLIM_OK && p->expires_us != 0 && p->expires_us <= now)
        rc = glim_fail(err, GLIM_E_ARG, "expiry: got a time that has passed");
    if (rc != GLIM_OK) return rc;
    glim_key k = {.scopes = p->scopes ? p->scopes : GLIM_SCOPE_INFER,
                  .created_us = now,
                  .expires_us = p->expires_us,
                  .rpm = p->rpm,
                  .tpm = p->tpm,
                  .token_budget = p->has_token_budget ? p->token_budget : -1,
                  .money_budget = p->has_money_budget ? p->money_budget : -1,
                  .period = p->period};
    snprintf(k.tenant, sizeof k.tenant, "%s", tenant);
    snprintf(k.name, sizeof k.name, "%s", name);
    glim_store_new_id(k.id, "key_", 16);
    glim_store_new_id(k.prefix, "glim_", 6);
    memcpy(secret, k.prefix, GLIM_KEY_PREFIX);
    glim_store_new_id(secret + GLIM_KEY_PREFIX, "_", 43);
    uint8_t hash[32];
    glim_key_hash(hash, secret, GLIM_KEY_SECRET);
    rc = glim_store_run(s, create, &(create_ctx){p, &k, hash}, err);
    if (rc == GLIM_OK) *out = k;
    else memset(secret, 0, GLIM_KEY_SECRET + 1);
    return rc;
}

/* ---- find, list, revoke ---- */

typedef struct find_ctx {
    const char *word, *actor;
    glim_key *k;
    int64_t now;
} find_ctx;

static glim_status find(glim_db *db, void *ctx, glim_err *err) {
    find_ctx *f = ctx;
    glim_db_row *r;
    bool more = false;
    glim_status rc = glim_db_query(db, &r, err, "SELECT " GLIM_KEY_COLUMNS " FROM keys WHERE id = ?1 OR (?1 != '' AND prefix = ?1)", "s", f->word);
    if (rc == GLIM_OK) rc = glim_db_next(db, r, &more, err);
    if (rc != GLIM_OK) return rc;
    if (!more) {
        glim_fail(err, GLIM_E_NOT_FOUND, "there is no key \"%.80s\"", f->word);
        glim_err_hint(err, "`glim key list` shows ids and prefixes");
        return GLIM_E_NOT_FOUND;
    }
    glim_key_from_row(f->k, r);
    glim_db_rest(r);
    return GLIM_OK;
}

glim_status glim_key_find(glim_store *s, const char *word, glim_key *out, glim_err *err) {
    return glim_store_read(s, find, &(find_ctx){.word = word, .k = out}, err);
}

static glim_status revoke(glim_db *db, void *ctx, glim_err *err) {
    find_ctx *f = ctx;
    glim_status rc = find(db, f, err);
    if (rc == GLIM_OK && strcmp(f->k->id, GLIM_KEY_LOCAL) == 0) /* the ledger would take no request without a key any more */
        return glim_fail(err, GLIM_E_ARG, "\"%s\" stands for requests without a key: it is none that could be revoked", GLIM_KEY_LOCAL);
    if (rc != GLIM_OK || f->k->revoked_us != 0) return rc;
    f->k->revoked_us = f->now;
    rc = glim_db_run(db, err, "UPDATE keys SET revoked = ? WHERE id = ?", "is", f->now, f->k->id);
    if (rc == GLIM_OK) rc = glim_outbox_add(db, f->now, &(glim_event){f->actor, "key.revoke", f->k->id, f->k->tenant, ""}, err);
    return rc;
}

glim_status glim_key_revoke(glim_store *s, const char *word, const char *actor, glim_key *out, glim_err *err) {
    glim_key k;
    return glim_store_run(s, revoke, &(find_ctx){word, actor, out ? out : &k, glim_store_now_us(s)}, err);
}

typedef struct list_ctx {
    const char *tenant;
    glim_key_fn fn;
    void *ctx;
} list_ctx;

static glim_status list(glim_db *db, void *ctx, glim_err *err) {
    list_ctx *l = ctx;
    glim_db_row *r;
    bool more = true;
    glim_status rc = glim_db_query(db, &r, err,
                                   "SELECT " GLIM_KEY_COLUMNS " FROM keys WHERE prefix != '' AND (?1 IS NULL OR tenant = ?1) "
                                   "ORDER BY created, id", "s", l->tenant);
    while (rc == GLIM_OK && (rc = glim_db_next(db, r, &more, err)) == GLIM_OK && more) {
        glim_key k;
        glim_key_from_row(&k, r);
        if (!l->fn(l->ctx, &k)) {
            glim_db_rest(r);
            break;
        }
    }
    return rc;
}

glim_status glim_key_list(glim_store *s, const char *tenant, glim_key_fn fn, void *ctx, glim_err *err) {
    return glim_store_read(s, list, &(list_ctx){tenant, fn, ctx}, err);
}
