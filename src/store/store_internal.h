/* store_internal.h - the inside of a glim_store, shared by the files of this folder. */
#ifndef GLIM_STORE_STORE_INTERNAL_H
#define GLIM_STORE_STORE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "store/jobs.h"
#include "store/store.h"

typedef struct glim_store_op {
    struct glim_store_op *next;
    glim_store_fn fn;
    glim_store_done done; /* may be NULL */
    bool waited_for;      /* by glim_store_run, whose stack it lies on */
    void *ctx;
    glim_status rc;
    glim_err err;
    bool finished; /* q_mu */
} glim_store_op;

struct glim_store {
    char *dir;
    glim_store_params p;
    int lock_fd;  /* owner.lock, held; -1 for a guest */
    int guest_fd; /* guests.lock */

    pthread_mutex_t w_mu; /* the writing connection; the committing thread holds it for a transaction */
    glim_db *w;
    pthread_mutex_t r_mu; /* the reading connection */
    glim_db *r;

    pthread_mutex_t q_mu; /* never held while waiting for the disk */
    pthread_cond_t q_cv, q_done;
    glim_store_op *q_head, **q_tail;
    bool stop, woken, running; /* the first two under q_mu; running never changes while others call */
    pthread_t thread;
    glim_db *watch;       /* polls data_version; used by the committing thread only */
    int64_t seen_version, seen_epoch;
    atomic_uint_least64_t n_commits, n_changes;
    atomic_size_t jobs[GLIM_JOB_STATES]; /* by state, as of the last change made here (jobs.c) */

    struct glim_keyring *ring;
    struct glim_ledger *ledger;
};

/* migrate.c: brings db to version `upto` (glim_store_version() outside tests), a copy in DIR/before ahead of each. */
glim_status glim_store_migrate(glim_db *db, const char *dir, int upto, glim_err *err);
glim_status glim_store_db_version(glim_db *db, int64_t *v, glim_err *err);

/* commit.c */
void glim_store_end_thread(glim_store *s);
/* One transaction with fn in it, in the calling thread. w_mu is taken here. */
glim_status glim_store_transact(glim_store *s, glim_store_fn fn, void *ctx, glim_err *err);
void glim_store_wake(glim_store *s);
/* Before BEGIN and after COMMIT: a guest says that it wants to write; an owner that would otherwise begin one
 * transaction right after the other waits, at most 0.1 s, until such guests are done. */
void glim_store_enter(glim_store *s);
void glim_store_leave(glim_store *s);

/* keyring.c */
glim_status glim_keyring_load(glim_store *s, glim_db *db, glim_err *err);
void glim_keyring_free(struct glim_keyring *k);

/* A new file of these bytes, synced, mode 0600; and making a rename or a new name last. */
glim_status glim_store_sync_dir(const char *dir, glim_err *err);

#endif
