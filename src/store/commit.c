/* commit.c - many changes, one transaction, one fsync.
 *
 * Owns       the queue of changes and the thread that runs them.
 * Invariant  a done() is called once per change, in order of submission, after the COMMIT that holds it returned,
 *            or with the reason why there was none. q_mu is never held while the disk is waited for.
 *
 * While one COMMIT waits for the disk the next group gathers: the slower the disk, the larger the groups. Inside a
 * group every change has a savepoint of its own, so one that fails leaves the others alone. */
#include <errno.h>
#include <stdlib.h>
#include <sys/file.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "store/ledger_internal.h"
#include "store/outbox.h"
#include "store/store_internal.h"

enum {
    DRAIN_MS = 1000,   /* the outbox into the audit log */
    TICK_MS = 200,     /* keys are looked at this often */
    BUSY_TICK_MS = 20, /* open holds: at 1,000 tokens/s still fewer than 64 between two looks */
    MAX_GROUP = 1024
};

void glim_store_enter(glim_store *s) {
    if (s->p.role == GLIM_STORE_GUEST) {
        while (flock(s->guest_fd, LOCK_SH) != 0 && errno == EINTR) {}
        return;
    }
    for (int ms = 0; ms < 100 && flock(s->guest_fd, LOCK_EX | LOCK_NB) != 0; ms++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    (void)flock(s->guest_fd, LOCK_UN);
}

void glim_store_leave(glim_store *s) {
    if (s->p.role == GLIM_STORE_GUEST) (void)flock(s->guest_fd, LOCK_UN);
}

static void rollback(glim_db *db) { (void)glim_db_exec(db, "ROLLBACK", NULL); }

glim_status glim_store_transact(glim_store *s, glim_store_fn fn, void *ctx, glim_err *err) {
    pthread_mutex_lock(&s->w_mu);
    glim_store_enter(s);
    glim_status rc = glim_db_exec(s->w, "BEGIN IMMEDIATE", err);
    if (rc == GLIM_OK) {
        rc = fn(s->w, ctx, err);
        if (rc == GLIM_OK) rc = glim_db_exec(s->w, "COMMIT", err);
        if (rc != GLIM_OK) rollback(s->w);
    }
    glim_store_leave(s);
    pthread_mutex_unlock(&s->w_mu);
    return rc;
}

/* One change inside an open transaction. A false return means that SQLite itself gave the whole transaction up
 * (disk full, out of memory): the group is lost. */
static bool run_one(glim_db *db, glim_store_op *op) {
    op->err = (glim_err){0};
    op->rc = glim_db_exec(db, "SAVEPOINT one", &op->err);
    if (op->rc == GLIM_OK) op->rc = op->fn(db, op->ctx, &op->err);
    if (glim_db_in_transaction(db)) {
        if (op->rc != GLIM_OK) (void)glim_db_exec(db, "ROLLBACK TO one", NULL);
        glim_status rc = glim_db_exec(db, "RELEASE one", op->rc == GLIM_OK ? &op->err : NULL);
        if (op->rc == GLIM_OK) op->rc = rc;
    }
    return glim_db_in_transaction(db);
}

static void finish(glim_store *s, glim_store_op *op) {
    if (!op->waited_for) {
        if (op->done) op->done(op->ctx, op->rc, &op->err);
        free(op);
        return;
    }
    pthread_mutex_lock(&s->q_mu);
    op->finished = true; /* from here on it belongs to the waiter */
    pthread_cond_broadcast(&s->q_done);
    pthread_mutex_unlock(&s->q_mu);
}

static void run_group(glim_store *s, glim_store_op *list) {
    glim_err err = {0}, ledger_err = {0};
    uint64_t n = 0;
    glim_status ledger_rc = GLIM_OK;
    pthread_mutex_lock(&s->w_mu);
    glim_store_enter(s);
    glim_status rc = glim_db_exec(s->w, "BEGIN IMMEDIATE", &err);
    bool alive = rc == GLIM_OK;
    if (alive) { /* first: what is settled is free for the reservations of this very group */
        ledger_rc = glim_ledger_write(s, s->w, glim_now_ns(), &ledger_err);
        alive = glim_db_in_transaction(s->w);
        if (!alive) rc = ledger_rc, err = ledger_err;
    }
    for (glim_store_op *op = list; op && alive; op = op->next, n++) {
        alive = run_one(s->w, op);
        if (!alive) rc = op->rc, err = op->err;
    }
    if (alive) rc = glim_db_exec(s->w, "COMMIT", &err);
    if (rc != GLIM_OK) rollback(s->w);
    glim_store_leave(s);
    pthread_mutex_unlock(&s->w_mu);
    if (rc != GLIM_OK) glim_ledger_written(s, rc, &err);
    else glim_ledger_written(s, ledger_rc, &ledger_err);
    if (rc == GLIM_OK) {
        atomic_fetch_add(&s->n_commits, 1);
        atomic_fetch_add(&s->n_changes, n);
    }
    for (glim_store_op *op = list, *next; op; op = next) {
        next = op->next;
        if (rc != GLIM_OK) op->rc = rc, op->err = err;
        finish(s, op);
    }
}

/* Up to MAX_GROUP waiting changes, or NULL after a tick or a wake. */
static glim_store_op *take_group(glim_store *s, bool *stop) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (glim_ledger_busy(s) ? BUSY_TICK_MS : TICK_MS) * 1000000;
    if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
    pthread_mutex_lock(&s->q_mu);
    while (!s->q_head && !s->stop && !s->woken)
        if (pthread_cond_timedwait(&s->q_cv, &s->q_mu, &until) != 0) break;
    s->woken = false;
    glim_store_op *first = s->q_head, *last = first;
    for (int n = 1; last && last->next && n < MAX_GROUP; n++) last = last->next;
    if (first) {
        s->q_head = last->next;
        last->next = NULL;
        if (!s->q_head) s->q_tail = &s->q_head;
    }
    *stop = s->stop && !s->q_head;
    pthread_mutex_unlock(&s->q_mu);
    return first;
}

/* Has anyone, in this process or another, changed a key? Costs no read of the file when nothing changed. */
static void watch_keys(glim_store *s) {
    int64_t version, epoch;
    glim_err err = {0};
    if (glim_db_int(s->watch, &version, 0, &err, "PRAGMA data_version", "") != GLIM_OK || version == s->seen_version) return;
    if (glim_db_int(s->watch, &epoch, 0, &err, "SELECT value FROM meta WHERE name = 'keys_epoch'", "") != GLIM_OK) return;
    if (epoch != s->seen_epoch && glim_keyring_load(s, s->watch, &err) != GLIM_OK) {
        glim_log(GLIM_ERROR, "store", "could not reload keys: %s", err.msg);
        return;
    }
    s->seen_version = version;
    s->seen_epoch = epoch;
}

static void drain_outbox(glim_store *s, bool *complained) {
    glim_err err = {0};
    bool ok = glim_outbox_drain(s, &err) == GLIM_OK;
    if (!ok && !*complained) glim_log(GLIM_ERROR, "audit", "events wait in the outbox: %s", err.msg);
    *complained = !ok;
}

static void *committing(void *arg) {
    glim_store *s = arg;
    bool stop = false, complained = false;
    uint64_t watched = 0, drained = glim_now_ns();
    while (!stop) {
        glim_store_op *group = take_group(s, &stop);
        uint64_t now = glim_now_ns();
        bool due = glim_ledger_due(s, now);
        if (group || due) run_group(s, group);
        if (now - watched >= (uint64_t)TICK_MS * 1000000u) {
            watched = now;
            watch_keys(s);
            glim_ledger_check_keys(s);
        }
        if (now - drained >= (uint64_t)DRAIN_MS * 1000000u) {
            drained = now;
            drain_outbox(s, &complained);
        }
    }
    return NULL;
}

glim_status glim_store_start(glim_store *s, glim_err *err) {
    if (s->p.role != GLIM_STORE_OWNER)
        return glim_fail(err, GLIM_E_STATE, "only the owner of \"%s\" commits in groups", s->dir);
    GLIM_ASSERT(!s->running);
    glim_status rc = glim_db_open(&s->watch, glim_db_path(s->w), GLIM_DB_READONLY, err);
    if (rc == GLIM_OK) rc = glim_db_int(s->watch, &s->seen_version, 0, err, "PRAGMA data_version", "");
    if (rc == GLIM_OK) rc = glim_keyring_load(s, s->watch, err);
    if (rc == GLIM_OK) rc = glim_ledger_start(s, err);
    if (rc != GLIM_OK) return rc;
    int e = pthread_create(&s->thread, NULL, committing, s);
    if (e) return glim_fail_errno(err, GLIM_E_IO, e, "could not start the committing thread");
    s->running = true;
    return GLIM_OK;
}

void glim_store_end_thread(glim_store *s) {
    if (s->running) {
        pthread_mutex_lock(&s->q_mu);
        s->stop = true;
        pthread_cond_signal(&s->q_cv);
        pthread_mutex_unlock(&s->q_mu);
        pthread_join(s->thread, NULL);
        s->running = false;
    }
    glim_ledger_stop(s);
    glim_db_close(s->watch);
    s->watch = NULL;
}

void glim_store_wake(glim_store *s) {
    pthread_mutex_lock(&s->q_mu);
    s->woken = true;
    pthread_cond_signal(&s->q_cv);
    pthread_mutex_unlock(&s->q_mu);
}

static void enqueue(glim_store *s, glim_store_op *op) {
    pthread_mutex_lock(&s->q_mu);
    op->next = NULL;
    *s->q_tail = op;
    s->q_tail = &op->next;
    pthread_cond_signal(&s->q_cv);
    pthread_mutex_unlock(&s->q_mu);
}

glim_status glim_store_run(glim_store *s, glim_store_fn fn, void *ctx, glim_err *err) {
    if (!s->running) return glim_store_transact(s, fn, ctx, err);
    GLIM_ASSERT(!pthread_equal(pthread_self(), s->thread)); /* it would wait for itself */
    glim_store_op op = {.fn = fn, .ctx = ctx, .waited_for = true};
    enqueue(s, &op);
    pthread_mutex_lock(&s->q_mu);
    while (!op.finished) pthread_cond_wait(&s->q_done, &s->q_mu);
    pthread_mutex_unlock(&s->q_mu);
    if (op.rc != GLIM_OK && err) *err = op.err;
    return op.rc;
}

void glim_store_submit(glim_store *s, glim_store_fn fn, glim_store_done done, void *ctx) {
    glim_store_op *op = glim_xcalloc(1, sizeof *op);
    op->fn = fn;
    op->done = done;
    op->ctx = ctx;
    if (s->running) {
        enqueue(s, op);
        return;
    }
    op->rc = glim_store_transact(s, fn, ctx, &op->err);
    if (done) done(ctx, op->rc, &op->err);
    free(op);
}

void glim_store_commit_counts(const glim_store *s, uint64_t *n_commits, uint64_t *n_changes) {
    *n_commits = atomic_load(&s->n_commits);
    *n_changes = atomic_load(&s->n_changes);
}
