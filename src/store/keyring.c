/* keyring.c - the keys in memory, for every request; see keys.h.
 *
 * Owns       one entry per key, found by the first bytes of its hash or by its id, with its rate buckets.
 * Invariant  `mu` guards everything here and is held for moments only: hashing is done before, reading the database
 *            into new entries before. A bucket lives on through reloads.
 *
 * A bucket counts in millionths, so that refilling it every microsecond loses nothing. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "store/keys_internal.h"
#include "store/ledger.h"
#include "store/store_internal.h"

typedef struct bucket {
    int64_t level;  /* millionths of a request or token; may be negative */
    int64_t at_us;  /* when level was right; 0: not yet used, full */
} bucket;

typedef struct entry {
    uint8_t hash[32];
    glim_key key;
    bucket requests, tokens;
} entry;

struct glim_keyring {
    pthread_mutex_t mu;
    entry **by_hash, **by_id; /* [n_slots], open addressing, at most half full */
    entry *all;               /* [n] */
    size_t n, n_slots;        /* n_slots a power of two */
};

static size_t slot_of_hash(const struct glim_keyring *k, const uint8_t *hash) {
    uint64_t x;
    memcpy(&x, hash, sizeof x); /* the hash is as random as any we could make of it */
    return x & (k->n_slots - 1);
}

static size_t slot_of_id(const struct glim_keyring *k, const char *id) {
    uint64_t x = 0xcbf29ce484222325u; /* FNV-1a */
    for (; *id; id++) x = (x ^ (unsigned char)*id) * 0x100000001b3u;
    return (x ^ x >> 32) & (k->n_slots - 1);
}

static bool same_hash(const uint8_t *a, const uint8_t *b) {
    unsigned diff = 0;
    for (int i = 0; i < 32; i++) diff |= (unsigned)(a[i] ^ b[i]);
    return diff == 0;
}

static entry *find_id(const struct glim_keyring *k, const char *id) {
    if (!k->n_slots) return NULL;
    for (size_t i = slot_of_id(k, id); k->by_id[i]; i = (i + 1) & (k->n_slots - 1))
        if (strcmp(k->by_id[i]->key.id, id) == 0) return k->by_id[i];
    return NULL;
}

static void drop_tables(struct glim_keyring *k) {
    free(k->by_hash);
    free(k->by_id);
    free(k->all);
}

void glim_keyring_free(struct glim_keyring *k) {
    if (!k) return;
    drop_tables(k);
    pthread_mutex_destroy(&k->mu);
    free(k);
}

glim_status glim_keyring_load(glim_store *s, glim_db *db, glim_err *err) {
    if (!s->ring) {
        s->ring = glim_xcalloc(1, sizeof *s->ring);
        pthread_mutex_init(&s->ring->mu, NULL);
    }
    struct glim_keyring next = {0}, *ring = s->ring;
    int64_t epoch = 0;
    glim_db_row *r;
    bool more = true;
    size_t cap = 0;
    /* One snapshot: an epoch read later than the keys would hide a change between the two. */
    glim_status rc = glim_db_exec(db, "BEGIN", err);
    if (rc != GLIM_OK) return rc;
    rc = glim_db_int(db, &epoch, 0, err, "SELECT value FROM meta WHERE name = 'keys_epoch'", "");
    if (rc == GLIM_OK)
        rc = glim_db_query(db, &r, err, "SELECT " GLIM_KEY_COLUMNS ", hash FROM keys WHERE prefix != ''", "");
    while (rc == GLIM_OK && (rc = glim_db_next(db, r, &more, err)) == GLIM_OK && more) {
        if (next.n == cap && (rc = glim_try_grow(&next.all, &cap, 16, sizeof(entry), "keys", err)) != GLIM_OK) break;
        size_t n;
        const void *hash = glim_db_bytes(r, 13, &n);
        if (n != 32) continue;
        entry *e = &next.all[next.n++];
        *e = (entry){0};
        memcpy(e->hash, hash, 32);
        glim_key_from_row(&e->key, r);
    }
    if (rc != GLIM_OK && more) glim_db_rest(r);
    (void)glim_db_exec(db, "ROLLBACK", NULL);
    next.n_slots = 16;
    while (next.n_slots < 2 * next.n) next.n_slots *= 2;
    void *a = NULL, *b = NULL;
    if (rc == GLIM_OK) rc = glim_try_calloc(&a, next.n_slots, sizeof(entry *), "keys", err);
    if (rc == GLIM_OK) rc = glim_try_calloc(&b, next.n_slots, sizeof(entry *), "keys", err);
    next.by_hash = a;
    next.by_id = b;
    if (rc != GLIM_OK) {
        drop_tables(&next);
        return rc;
    }
    for (size_t i = 0; i < next.n; i++) {
        entry *e = &next.all[i];
        size_t h = slot_of_hash(&next, e->hash), d = slot_of_id(&next, e->key.id);
        while (next.by_hash[h]) h = (h + 1) & (next.n_slots - 1);
        while (next.by_id[d]) d = (d + 1) & (next.n_slots - 1);
        next.by_hash[h] = next.by_id[d] = e;
    }
    pthread_mutex_lock(&ring->mu);
    for (size_t i = 0; i < next.n; i++) {
        const entry *old = find_id(ring, next.all[i].key.id);
        if (old) next.all[i].requests = old->requests, next.all[i].tokens = old->tokens;
    }
    struct glim_keyring was = *ring;
    ring->by_hash = next.by_hash;
    ring->by_id = next.by_id;
    ring->all = next.all;
    ring->n = next.n;
    ring->n_slots = next.n_slots;
    pthread_mutex_unlock(&ring->mu);
    drop_tables(&was);
    s->seen_epoch = epoch;
    return GLIM_OK;
}

glim_admission glim_keyring_check(glim_store *s, const char *token, size_t len, uint32_t scopes, glim_key *out) {
    struct glim_keyring *k = s->ring;
    if (!k || len > 256) return GLIM_ADMIT_UNKNOWN;
    uint8_t hash[32];
    glim_key_hash(hash, token, len);
    int64_t now = glim_store_now_us(s);
    glim_admission a = GLIM_ADMIT_UNKNOWN;
    pthread_mutex_lock(&k->mu);
    for (size_t i = slot_of_hash(k, hash); k->n_slots && k->by_hash[i]; i = (i + 1) & (k->n_slots - 1)) {
        const entry *e = k->by_hash[i];
        if (!same_hash(e->hash, hash)) continue;
        *out = e->key;
        if (e->key.revoked_us) a = GLIM_ADMIT_REVOKED;
        else if (e->key.expires_us && e->key.expires_us <= now) a = GLIM_ADMIT_EXPIRED;
        else if (scopes && !(e->key.scopes & (scopes | GLIM_SCOPE_ADMIN))) a = GLIM_ADMIT_SCOPE;
        else a = GLIM_ADMIT_OK;
        break;
    }
    pthread_mutex_unlock(&k->mu);
    return a;
}

/* Limits are at most this, so that a minute in millionths fits: 2^63 / 10^6 / 2. */
static int64_t capped(int64_t per_minute) { return per_minute > 4000000000000 ? 4000000000000 : per_minute; }

static void refill(bucket *b, int64_t per_minute, int64_t now) {
    int64_t full = capped(per_minute) * 1000000, past = now - b->at_us;
    if (b->at_us == 0) {
        b->level = full;
        b->at_us = now;
        return;
    }
    /* A clock that was set back is the clock from now on, or the key would be refused until the old time comes again. Less than a
     * second is another thread's that looked a moment earlier: counted twice it would be a gift. */
    if (past < -1000000) b->at_us = now;
    if (past <= 0) return;
    __int128 more = (__int128)capped(per_minute) * past / 60 + b->level; /* millionths a microsecond = per_minute / 60 */
    b->level = more > full ? full : (int64_t)more;
    b->at_us = now;
}

/* Milliseconds until the bucket holds `want` millionths. */
static int64_t wait_ms(const bucket *b, int64_t per_minute, int64_t want) {
    __int128 us = ((__int128)(want - b->level) * 60 + capped(per_minute) - 1) / capped(per_minute);
    int64_t ms = (int64_t)(us / 1000) + 1;
    return ms < 1 ? 1 : ms;
}

glim_admission glim_keyring_admit(glim_store *s, const char *key_id, int64_t n_tokens, int64_t *retry_ms) {
    struct glim_keyring *k = s->ring;
    glim_admission a = GLIM_ADMIT_OK;
    *retry_ms = 0;
    if (!k) return a;
    int64_t now = glim_store_now_us(s);
    if (n_tokens < 0) n_tokens = 0;
    pthread_mutex_lock(&k->mu);
    entry *e = find_id(k, key_id);
    if (e) {
        int64_t rpm = e->key.rpm, tpm = e->key.tpm, one = 1000000;
        int64_t tokens = tpm ? (n_tokens > capped(tpm) ? capped(tpm) : n_tokens) * one : 0;
        if (rpm) refill(&e->requests, rpm, now);
        if (tpm) refill(&e->tokens, tpm, now);
        if (rpm && e->requests.level < one) {
            a = GLIM_ADMIT_REQUESTS;
            *retry_ms = wait_ms(&e->requests, rpm, one);
        } else if (tpm && (e->tokens.level < tokens || e->tokens.level <= 0)) {
            a = GLIM_ADMIT_TOKENS;
            *retry_ms = wait_ms(&e->tokens, tpm, tokens > 0 ? tokens : 1);
        } else {
            if (rpm) e->requests.level -= one;
            if (tpm) e->tokens.level -= tokens;
        }
    }
    pthread_mutex_unlock(&k->mu);
    return a;
}

void glim_keyring_left(glim_store *s, const char *key_id, int64_t *requests, int64_t *tokens) {
    struct glim_keyring *k = s->ring;
    *requests = *tokens = 0;
    if (!k) return;
    int64_t now = glim_store_now_us(s);
    pthread_mutex_lock(&k->mu);
    entry *e = find_id(k, key_id);
    if (e && e->key.rpm) {
        refill(&e->requests, e->key.rpm, now);
        if (e->requests.level > 0) *requests = e->requests.level / 1000000;
    }
    if (e && e->key.tpm) {
        refill(&e->tokens, e->key.tpm, now);
        if (e->tokens.level > 0) *tokens = e->tokens.level / 1000000;
    }
    pthread_mutex_unlock(&k->mu);
}

void glim_keyring_charge(glim_store *s, const char *key_id, int64_t n_tokens) {
    struct glim_keyring *k = s->ring;
    if (!k) return;
    int64_t now = glim_store_now_us(s);
    pthread_mutex_lock(&k->mu);
    entry *e = find_id(k, key_id);
    if (e && e->key.tpm) {
        int64_t most = capped(e->key.tpm), full = most * 1000000;
        refill(&e->tokens, e->key.tpm, now);
        int64_t n = n_tokens > most ? most : n_tokens < -most ? -most : n_tokens; /* a debt of a minute a request */
        e->tokens.level -= n * 1000000;
        if (e->tokens.level > full) e->tokens.level = full;
        if (e->tokens.level < -full) e->tokens.level = -full;
    }
    pthread_mutex_unlock(&k->mu);
}

bool glim_keyring_alive(glim_store *s, const char *key_id) {
    struct glim_keyring *k = s->ring;
    if (strcmp(key_id, GLIM_KEY_LOCAL) == 0) return true; /* nobody can revoke what is no key */
    if (!k) return false;
    int64_t now = glim_store_now_us(s);
    pthread_mutex_lock(&k->mu);
    const entry *e = find_id(k, key_id);
    bool alive = e && !e->key.revoked_us && !(e->key.expires_us && e->key.expires_us <= now);
    pthread_mutex_unlock(&k->mu);
    return alive;
}

size_t glim_keyring_size(glim_store *s) {
    if (!s->ring) return 0;
    pthread_mutex_lock(&s->ring->mu);
    size_t n = s->ring->n;
    pthread_mutex_unlock(&s->ring->mu);
    return n;
}
