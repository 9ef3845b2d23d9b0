/* keys.h - API keys: made once, shown once, kept as a hash; who may do what, how fast and for how much.
 *
 * A key reads glim_<6 characters>_<43 characters>: 256 random bits after a part that lists may show (the prefix
 * "glim_<6>"). Only its SHA-256 is stored; a table of hashes of random bits needs no salt and no slow hash. Keys
 * belong to a tenant; a tenant is what is invoiced and what caches and files are never shared across.
 *
 * The server asks glim_keyring_check on every request: a copy of the table in memory, renewed by the committing
 * thread within 0.2 s of a change by any process, so that a revoked key is dead within a second.
 *
 * Budgets are enforced when tokens are reserved (ledger.h), rates here: a bucket that holds one minute's worth. */
#ifndef GLIM_STORE_KEYS_H
#define GLIM_STORE_KEYS_H

#include "store/store.h"

enum { GLIM_KEY_PREFIX = 11, GLIM_KEY_SECRET = GLIM_KEY_PREFIX + 1 + 43 }; /* lengths without the final 0 */

typedef enum glim_scope {
    GLIM_SCOPE_INFER = 1, /* chat, completions, embeddings, rerank, tokenize */
    GLIM_SCOPE_FILES = 2,
    GLIM_SCOPE_TUNE = 4,  /* fine-tuning jobs and adapters */
    GLIM_SCOPE_USAGE = 8, /* its own tenant's usage */
    GLIM_SCOPE_ADMIN = 16 /* everything, for every tenant */
} glim_scope;
/* "infer,files" to bits. Errors: GLIM_E_ARG names the word and lists the scopes. */
glim_status glim_scopes_parse(uint32_t *out, const char *words, glim_err *err);
/* Bits to "infer,files"; into buf, which is returned. 40 bytes hold all. */
const char *glim_scopes_text(char *buf, size_t cap, uint32_t scopes);

/* The stretch of time, in UTC, for which a budget holds. */
typedef enum glim_period { GLIM_PERIOD_TOTAL = 0, GLIM_PERIOD_DAY, GLIM_PERIOD_MONTH } glim_period;
glim_status glim_period_parse(glim_period *out, const char *word, glim_err *err);
const char *glim_period_name(glim_period p);

typedef struct glim_key {
    char id[GLIM_STORE_ID + 1];
    char tenant[GLIM_STORE_ID + 1];
    char name[GLIM_STORE_NAME + 1];
    char prefix[GLIM_KEY_PREFIX + 1];
    uint32_t scopes;
    int64_t created_us, expires_us, revoked_us; /* 0: never */
    int64_t rpm, tpm;                           /* requests and tokens a minute; 0: no limit */
    int64_t token_budget, money_budget;         /* per period; tokens, micro-units; -1: none */
    glim_period period;
} glim_key;

typedef struct glim_key_params {
    const char *name;   /* for people; "" is fine */
    const char *tenant; /* made if it is not there; NULL: "default" */
    uint32_t scopes;    /* 0: GLIM_SCOPE_INFER */
    int64_t expires_us; /* 0: never */
    int64_t rpm, tpm;
    bool has_token_budget, has_money_budget; /* zero means none, so 0 may be a budget */
    int64_t token_budget, money_budget;
    glim_period period;
    const char *actor;  /* for the audit log */
} glim_key_params;

/* Makes a key; secret is the only copy there will ever be. Errors: GLIM_E_ARG, GLIM_E_LIMIT, GLIM_E_IO. */
glim_status glim_key_create(glim_store *s, const glim_key_params *p, glim_key *out, char secret[GLIM_KEY_SECRET + 1],
                            glim_err *err);
/* By id or by prefix. Errors: GLIM_E_NOT_FOUND. */
glim_status glim_key_find(glim_store *s, const char *id_or_prefix, glim_key *out, glim_err *err);
/* Dead from now on; *out (may be NULL) is the key. A key already revoked keeps its time and is no error. */
glim_status glim_key_revoke(glim_store *s, const char *id_or_prefix, const char *actor, glim_key *out, glim_err *err);
/* Calls fn for each key, oldest first, until it returns false. tenant NULL: all. */
typedef bool (*glim_key_fn)(void *ctx, const glim_key *k);
glim_status glim_key_list(glim_store *s, const char *tenant, glim_key_fn fn, void *ctx, glim_err *err);

/* ---- on every request: memory only, after glim_store_start ---- */

typedef enum glim_admission {
    GLIM_ADMIT_OK = 0,
    GLIM_ADMIT_UNKNOWN,  /* 401: no such key, or revoked, or expired: the caller is not told which */
    GLIM_ADMIT_REVOKED,
    GLIM_ADMIT_EXPIRED,
    GLIM_ADMIT_SCOPE,    /* 403 */
    GLIM_ADMIT_REQUESTS, /* 429: too many requests this minute */
    GLIM_ADMIT_TOKENS    /* 429: too many tokens this minute */
} glim_admission;

/* Is this a live key with one of these scopes (admin has all; 0: any)? *out is a copy. Compares hashes in constant
 * time; `token` need not end with 0. */
glim_admission glim_keyring_check(glim_store *s, const char *token, size_t len, uint32_t scopes, glim_key *out);
/* Takes one request and n_tokens out of the key's minute. Refused: nothing is taken, *retry_ms says when to ask
 * again. More tokens than a whole minute's are let through when the bucket is full. */
glim_admission glim_keyring_admit(glim_store *s, const char *key_id, int64_t n_tokens, int64_t *retry_ms);
/* What is left of the key's minute, never below 0; 0 where there is no limit. For headers. */
void glim_keyring_left(glim_store *s, const char *key_id, int64_t *requests, int64_t *tokens);
/* Tokens that were used beyond (or, negative, fewer than) those admitted: the bucket may go below zero. */
void glim_keyring_charge(glim_store *s, const char *key_id, int64_t n_tokens);
/* Is this key, by id, still alive? For streams that run while it is revoked. */
bool glim_keyring_alive(glim_store *s, const char *key_id);
size_t glim_keyring_size(glim_store *s);

#endif
