/* hold.c - the open reservations in memory; see ledger.h.
 *
 * Owns       the list of open holds and their slots. Only the committing thread touches either; others reach a hold by
 *            its atomics, and hand an ended one over through the list `ending`.
 * Invariant  a hold is in exactly one of: active, ending, settling, gone. Its slot is freed only after the COMMIT that
 *            settled its row; until then a kill finds the counts there.
 *
 *   reserve --COMMIT--> active --glim_hold_end--> ending --> settling --COMMIT--> gone
 *                         |  ^ notes, growth                     ^ | the disk is full: again every 0.2 s
 *                         +--+                                   +-+                                     */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "store/ledger_internal.h"
#include "store/store_internal.h"

struct glim_hold {
    glim_store *s;
    glim_slot *slot;
    char key[GLIM_STORE_ID + 1];
    glim_grant grant;          /* completion: what the database has; committing thread */
    bool grows;
    _Atomic int64_t allowed;   /* completion tokens that may be made in all */
    atomic_bool refused, revoked;

    /* committing thread */
    size_t at;                 /* in active */
    int64_t noted_prompt, noted;
    uint64_t noted_ns;
    glim_tokens now;           /* what this transaction notes */
    bool notes;
    int64_t more;              /* what this transaction adds to the grant */
    bool wants_more;

    /* from glim_hold_end on */
    glim_hold *next;
    glim_tokens used;
    glim_outcome outcome;
};

struct glim_ledger {
    glim_slots slots;
    glim_hold **active;
    size_t n, cap;
    pthread_mutex_t mu; /* ending, trouble */
    glim_hold *ending, **ending_tail;
    bool waiting; /* something is in settling */
    glim_err trouble;
    glim_hold *settling, **settling_tail;
    uint64_t retry_ns;
    bool complained;
    atomic_size_t n_open;
};

static const uint64_t retry_every_ns = 200000000, note_every_ns = 1000000000;

glim_status glim_ledger_start(glim_store *s, glim_err *err) {
    struct glim_ledger *l = glim_xcalloc(1, sizeof *l);
    glim_status rc = glim_slots_open(&l->slots, s->dir, err);
    if (rc != GLIM_OK) {
        glim_slots_close(&l->slots);
        free(l);
        return rc;
    }
    pthread_mutex_init(&l->mu, NULL);
    l->ending_tail = &l->ending;
    l->settling_tail = &l->settling;
    s->ledger = l;
    return GLIM_OK;
}

/* ---- reserve ---- */

typedef struct reserving {
    glim_store *s;
    glim_reserve r;
    glim_grant g;
    glim_verdict v;
    int slot; /* index, -1: none taken */
    glim_reserve_done done;
    void *ctx;
    char key[GLIM_STORE_ID + 1], request[GLIM_STORE_NAME + 1], model[GLIM_STORE_NAME + 1];
} reserving;

static glim_status reserve(glim_db *db, void *ctx, glim_err *err) {
    reserving *p = ctx;
    struct glim_ledger *l = p->s->ledger;
    p->v = GLIM_VERDICT_FULL;
    if (!l->slots.n_free)
        return glim_fail(err, GLIM_E_LIMIT, "%d requests are open, which is the most", (int)GLIM_HOLDS_MAX);
    glim_status rc = glim_ledger_insert(db, &p->r, glim_store_now_us(p->s), &p->g, &p->v, err);
    if (rc != GLIM_OK) return rc;
    p->slot = l->slots.free[--l->slots.n_free];
    glim_slot *slot = &l->slots.slot[p->slot];
    atomic_store(&slot->counts, 0);
    atomic_store(&slot->cached, 0);
    atomic_store(&slot->id, p->g.id); /* before the COMMIT: an open row always has its slot */
    return GLIM_OK;
}

static void free_slot(struct glim_ledger *l, glim_slot *slot) {
    atomic_store(&slot->id, 0);
    l->slots.free[l->slots.n_free++] = (uint16_t)(slot - l->slots.slot);
}

static void reserved(void *ctx, glim_status rc, const glim_err *err) {
    reserving *p = ctx;
    struct glim_ledger *l = p->s->ledger;
    glim_hold *h = NULL;
    if (rc == GLIM_OK) {
        h = glim_xcalloc(1, sizeof *h);
        h->s = p->s;
        h->slot = &l->slots.slot[p->slot];
        h->grant = p->g;
        h->grows = p->r.completion == 0;
        h->noted_ns = glim_now_ns();
        atomic_store(&h->allowed, p->g.completion);
        /* A budget that could not give the first 1,024 will not give more. */
        if (h->grows && p->g.completion < GLIM_HOLD_GROWS_BY) atomic_store(&h->refused, true);
        if (!h->grows) atomic_store(&h->refused, true);
        memcpy(h->key, p->key, sizeof h->key);
        if (l->n == l->cap) {
            l->cap = l->cap ? 2 * l->cap : 64;
            l->active = glim_xrealloc(l->active, l->cap * sizeof *l->active);
        }
        h->at = l->n;
        l->active[l->n++] = h;
        atomic_fetch_add(&l->n_open, 1);
    } else {
        if (p->slot >= 0) free_slot(l, &l->slots.slot[p->slot]);
        if (p->v == GLIM_VERDICT_GRANTED) p->v = GLIM_VERDICT_FAILED; /* granted, but the COMMIT failed */
    }
    p->done(p->ctx, h, p->v, err);
    free(p);
}

void glim_ledger_reserve_async(glim_store *s, const glim_reserve *r, glim_reserve_done done, void *ctx) {
    GLIM_ASSERT(s->running && s->ledger);
    reserving *p = glim_xcalloc(1, sizeof *p);
    p->s = s;
    p->r = *r;
    p->v = GLIM_VERDICT_FAILED;
    p->slot = -1;
    p->done = done;
    p->ctx = ctx;
    /* Names longer than a row may hold were refused before they came here; what is cut is only for people. */
    snprintf(p->key, sizeof p->key, "%s", r->key ? r->key : GLIM_KEY_LOCAL);
    snprintf(p->request, sizeof p->request, "%s", r->request ? r->request : "");
    snprintf(p->model, sizeof p->model, "%s", r->model ? r->model : "");
    p->r.key = p->key;
    p->r.request = p->request;
    p->r.model = p->model;
    glim_store_submit(s, reserve, reserved, p);
}

typedef struct waiting {
    pthread_mutex_t mu;
    pthread_cond_t cv;
    bool told;
    glim_hold *h;
    glim_verdict v;
    glim_err err;
} waiting;

static void tell(void *ctx, glim_hold *h, glim_verdict v, const glim_err *err) {
    waiting *w = ctx;
    pthread_mutex_lock(&w->mu);
    w->h = h;
    w->v = v;
    w->err = *err;
    w->told = true;
    pthread_cond_signal(&w->cv);
    pthread_mutex_unlock(&w->mu);
}

glim_status glim_ledger_reserve(glim_store *s, const glim_reserve *r, glim_hold **out, glim_verdict *v, glim_err *err) {
    waiting w = {.mu = PTHREAD_MUTEX_INITIALIZER, .cv = PTHREAD_COND_INITIALIZER};
    *out = NULL;
    if (!s->running) return glim_fail(err, GLIM_E_STATE, "the ledger of \"%s\" was not started", s->dir);
    glim_ledger_reserve_async(s, r, tell, &w);
    pthread_mutex_lock(&w.mu);
    while (!w.told) pthread_cond_wait(&w.cv, &w.mu);
    pthread_mutex_unlock(&w.mu);
    pthread_cond_destroy(&w.cv);
    pthread_mutex_destroy(&w.mu);
    *out = w.h;
    if (v) *v = w.v;
    if (w.h) return GLIM_OK;
    if (err) *err = w.err;
    return w.err.code;
}

/* ---- the engine's side ---- */

void glim_hold_progress(glim_hold *h, int64_t prompt, int64_t cached, int64_t completion) {
    int64_t most = atomic_load_explicit(&h->allowed, memory_order_relaxed);
    if (prompt > h->grant.prompt) prompt = h->grant.prompt; /* grant.prompt never changes */
    if (completion > most) completion = most;
    if (cached > prompt) cached = prompt;
    if (prompt < 0) prompt = 0;
    if (cached < 0) cached = 0;
    if (completion < 0) completion = 0;
    atomic_store_explicit(&h->slot->cached, (uint64_t)cached, memory_order_relaxed);
    atomic_store_explicit(&h->slot->counts, (uint64_t)prompt << 32 | (uint64_t)completion, memory_order_release);
}

int64_t glim_hold_room(const glim_hold *h) {
    return atomic_load_explicit(&h->allowed, memory_order_acquire) -
           (int64_t)(atomic_load_explicit(&h->slot->counts, memory_order_relaxed) & 0xffffffffu);
}

bool glim_hold_refused(const glim_hold *h) { return atomic_load_explicit(&h->refused, memory_order_acquire); }
bool glim_hold_revoked(const glim_hold *h) { return atomic_load_explicit(&h->revoked, memory_order_relaxed); }
int64_t glim_hold_id(const glim_hold *h) { return h->grant.id; }

int64_t glim_hold_cost(const glim_hold *h, const glim_tokens *used) {
    return glim_price_cost(&h->grant.price, used->prompt, used->cached, used->completion);
}

void glim_hold_end(glim_hold *h, const glim_tokens *used, glim_outcome outcome) {
    GLIM_ASSERT(outcome == GLIM_OUTCOME_DONE || outcome == GLIM_OUTCOME_ABORTED);
    glim_store *s = h->s;
    struct glim_ledger *l = s->ledger;
    glim_hold_progress(h, used->prompt, used->cached, used->completion); /* for a kill before the COMMIT */
    glim_keyring_charge(s, h->key, used->completion);
    h->used = *used;
    h->outcome = outcome;
    h->next = NULL;
    atomic_fetch_sub(&l->n_open, 1);
    pthread_mutex_lock(&l->mu);
    *l->ending_tail = h;
    l->ending_tail = &h->next;
    pthread_mutex_unlock(&l->mu);
    glim_store_wake(s);
}

size_t glim_ledger_open_count(const glim_store *s) { return s->ledger ? atomic_load(&s->ledger->n_open) : 0; }

/* ---- the committing thread's side ---- */

static void take_ended(struct glim_ledger *l) {
    pthread_mutex_lock(&l->mu);
    glim_hold *first = l->ending;
    l->ending = NULL;
    l->ending_tail = &l->ending;
    if (first) l->waiting = true;
    pthread_mutex_unlock(&l->mu);
    for (glim_hold *h = first; h; h = h->next) {
        l->active[h->at] = l->active[--l->n];
        l->active[h->at]->at = h->at;
        *l->settling_tail = h;
        l->settling_tail = &h->next;
    }
}

static void read_counts(const glim_hold *h, glim_tokens *t) {
    uint64_t counts = atomic_load_explicit(&h->slot->counts, memory_order_acquire);
    *t = (glim_tokens){.prompt = (int64_t)(counts >> 32), .cached = (int64_t)atomic_load(&h->slot->cached),
                       .completion = (int64_t)(counts & 0xffffffffu)};
}

/* Decides what this hold wants written. */
static bool look(glim_hold *h, uint64_t now_ns) {
    read_counts(h, &h->now);
    h->notes = h->now.completion - h->noted >= GLIM_HOLD_EVERY ||
               (now_ns - h->noted_ns >= note_every_ns && (h->now.completion != h->noted || h->now.prompt != h->noted_prompt));
    h->wants_more = h->grows && !atomic_load(&h->refused) && h->grant.completion - h->now.completion < GLIM_HOLD_LOW;
    h->more = 0;
    return h->notes || h->wants_more;
}

bool glim_ledger_busy(glim_store *s) {
    return s->ledger && (s->ledger->n > 0 || s->ledger->settling);
}

bool glim_ledger_due(glim_store *s, uint64_t now_ns) {
    struct glim_ledger *l = s->ledger;
    if (!l) return false;
    take_ended(l);
    if (now_ns < l->retry_ns) return false; /* the disk refused a moment ago */
    if (l->settling) return true;
    for (size_t i = 0; i < l->n; i++)
        if (look(l->active[i], now_ns)) return true;
    return false;
}

static glim_status write_all(glim_store *s, glim_db *db, uint64_t now_ns, glim_err *err) {
    struct glim_ledger *l = s->ledger;
    int64_t now = glim_store_now_us(s);
    glim_status rc = GLIM_OK;
    for (glim_hold *h = l->settling; h && rc == GLIM_OK; h = h->next) {
        rc = glim_ledger_settle(db, h->grant.id, &h->used, h->outcome, now, err);
        if (rc == GLIM_E_STATE && glim_db_in_transaction(db)) { /* settled by other hands: nothing is left to do */
            glim_log(GLIM_ERROR, "ledger", "%s", err ? err->msg : "a row was settled twice");
            rc = GLIM_OK;
        }
    }
    for (size_t i = 0; i < l->n && rc == GLIM_OK; i++) {
        glim_hold *h = l->active[i];
        if (!look(h, now_ns)) continue;
        if (h->notes) rc = glim_ledger_note(db, h->grant.id, &h->now, err);
        if (h->wants_more && rc == GLIM_OK) rc = glim_ledger_grow(db, &h->grant, h->key, now, &h->more, err);
    }
    return rc;
}

glim_status glim_ledger_write(glim_store *s, glim_db *db, uint64_t now_ns, glim_err *err) {
    struct glim_ledger *l = s->ledger;
    if (!l) return GLIM_OK;
    take_ended(l);
    glim_status rc = glim_db_exec(db, "SAVEPOINT ledger", err);
    if (rc == GLIM_OK) rc = write_all(s, db, now_ns, err);
    if (rc != GLIM_OK && glim_db_in_transaction(db)) (void)glim_db_exec(db, "ROLLBACK TO ledger", NULL);
    if (glim_db_in_transaction(db)) (void)glim_db_exec(db, "RELEASE ledger", NULL);
    return rc;
}

void glim_ledger_written(glim_store *s, glim_status rc, const glim_err *err) {
    struct glim_ledger *l = s->ledger;
    if (!l) return;
    uint64_t now_ns = glim_now_ns();
    bool wanted = l->settling != NULL;
    for (size_t i = 0; i < l->n; i++) {
        glim_hold *h = l->active[i];
        wanted = wanted || h->notes || h->wants_more;
        if (rc == GLIM_OK && h->notes) {
            h->noted = h->now.completion;
            h->noted_prompt = h->now.prompt;
            h->noted_ns = now_ns;
        }
        if (rc == GLIM_OK && h->wants_more) {
            h->grant.completion += h->more;
            atomic_store_explicit(&h->allowed, h->grant.completion, memory_order_release);
            if (h->more < GLIM_HOLD_GROWS_BY) atomic_store_explicit(&h->refused, true, memory_order_release);
        }
        /* A disk that takes nothing gives no room either: the request ends where its reservation does. */
        if (rc != GLIM_OK && h->wants_more && glim_hold_room(h) <= 0) atomic_store(&h->refused, true);
        h->notes = h->wants_more = false;
    }
    if (rc == GLIM_OK) {
        for (glim_hold *h = l->settling, *next; h; h = next) {
            next = h->next;
            free_slot(l, h->slot);
            free(h);
        }
        l->settling = NULL;
        l->settling_tail = &l->settling;
        l->complained = false;
        l->retry_ns = 0;
    } else if (wanted) {
        l->retry_ns = now_ns + retry_every_ns;
        if (!l->complained) glim_log(GLIM_ERROR, "ledger", "could not write, trying again: %s", err->msg);
        l->complained = true;
    }
    pthread_mutex_lock(&l->mu);
    l->waiting = l->ending || l->settling;
    if (rc != GLIM_OK) l->trouble = *err;
    pthread_mutex_unlock(&l->mu);
}

void glim_ledger_check_keys(glim_store *s) {
    struct glim_ledger *l = s->ledger;
    for (size_t i = 0; l && i < l->n; i++)
        if (!glim_keyring_alive(s, l->active[i]->key)) atomic_store(&l->active[i]->revoked, true);
}

static glim_status nothing(glim_db *db, void *ctx, glim_err *err) {
    (void)db, (void)ctx, (void)err;
    return GLIM_OK;
}

glim_status glim_ledger_flush(glim_store *s, glim_err *err) {
    struct glim_ledger *l = s->ledger;
    if (!l) return GLIM_OK;
    glim_status rc = glim_store_run(s, nothing, NULL, err); /* its group settles all that was ended before */
    pthread_mutex_lock(&l->mu);
    if (rc == GLIM_OK && l->waiting && l->trouble.code != GLIM_OK) {
        rc = l->trouble.code;
        if (err) *err = l->trouble;
    }
    pthread_mutex_unlock(&l->mu);
    return rc;
}

static glim_status settle_rest(glim_db *db, void *ctx, glim_err *err) {
    glim_store *s = ctx;
    return write_all(s, db, glim_now_ns(), err);
}

void glim_ledger_stop(glim_store *s) {
    struct glim_ledger *l = s->ledger;
    if (!l) return;
    take_ended(l);
    while (l->n) {
        glim_hold *h = l->active[--l->n];
        read_counts(h, &h->used);
        h->outcome = GLIM_OUTCOME_ABORTED;
        h->next = NULL;
        *l->settling_tail = h;
        l->settling_tail = &h->next;
    }
    glim_err err = {0};
    /* Refused here, the rows stay open and their slots filled: the next owner settles them. */
    if (l->settling && glim_store_transact(s, settle_rest, s, &err) != GLIM_OK)
        glim_log(GLIM_ERROR, "ledger", "open requests are left to the next start: %s", err.msg);
    else
        for (glim_hold *h = l->settling; h; h = h->next) atomic_store(&h->slot->id, 0);
    for (glim_hold *h = l->settling, *next; h; h = next) {
        next = h->next;
        free(h);
    }
    free(l->active);
    glim_slots_close(&l->slots);
    pthread_mutex_destroy(&l->mu);
    free(l);
    s->ledger = NULL;
}
