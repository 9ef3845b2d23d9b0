/* store.h - one data folder: who may use it, how it changes, how many changes share one fsync.
 *
 *   DIR/VERSION        what wrote this folder; a newer one is refused by name
 *   DIR/guests.lock    held (flock, shared) by guests that want to write: the owner lets them in between two groups
 *   DIR/owner.lock     held (flock) by the owner; says its process id
 *   DIR/store.db       SQLite in WAL mode: tenants, keys, prices, ledger, jobs, files, outbox
 *   DIR/progress.map   token counts of running requests, one slot each (ledger.h)
 *   DIR/audit.log      the hash-chained event log (audit/chain.h), fed from the outbox (outbox.h)
 *   DIR/blobs/xx/...   contents by SHA-256 (blobs.h)
 *   DIR/before/...     a copy of store.db made before each migration
 *
 * Roles      The owner (glim serve) holds owner.lock for as long as it runs. It recovers what a killed owner left
 *            open, runs jobs and moves the write-ahead log into the file. A guest (glim key, glim usage) makes
 *            short BEGIN IMMEDIATE transactions (busy timeout 5 s) and never recovers. A guest that finds no
 *            owner takes the lock for the moment in which it creates, migrates or tidies the folder.
 * Changes    are functions run inside one transaction. After glim_store_start a thread gathers all that are waiting
 *            into one transaction with one fsync (synchronous=FULL) and then tells each caller; a change that
 *            fails is undone alone. Without the thread each change is its own transaction in the caller.
 * Threads    every call may come from any thread. What waits for the disk says so; the others never do.
 * Disk full  a change is whole or not there; the caller learns which. */
#ifndef GLIM_STORE_STORE_H
#define GLIM_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "store/db.h"

typedef struct glim_store glim_store;

typedef enum glim_store_role { GLIM_STORE_GUEST = 0, GLIM_STORE_OWNER } glim_store_role;

typedef struct glim_store_params {
    glim_store_role role;
    bool must_exist;  /* a folder that is not there is GLIM_E_NOT_FOUND instead of being made */
    bool no_migrate;  /* an older folder is GLIM_E_STATE instead of being migrated */
    int wait_ms;      /* how long an owner waits for another to leave [0: not at all] */
    int64_t (*now_us)(void *ctx); /* microseconds since 1970, for tests; NULL: the clock */
    void *now_ctx;
} glim_store_params;

/* dir NULL: $XDG_DATA_HOME/glim. Makes the folder (mode 0700), creates or migrates the database, and as the owner
 * recovers: open reservations are settled (ledger.h), running jobs queued again (jobs.h), the outbox replayed.
 * Errors: GLIM_E_STATE (another owner; busy), GLIM_E_UNSUPPORTED (newer version, network file system),
 * GLIM_E_ARG (a folder with other things in it), GLIM_E_FORMAT (damaged), GLIM_E_IO, GLIM_E_NOT_FOUND. */
glim_status glim_store_open(glim_store **out, const char *dir, const glim_store_params *p, glim_err *err);
/* Ends the thread after everything that waits has been committed, drains the outbox, releases the folder. */
void glim_store_close(glim_store *s); /* takes NULL */

/* Starts the thread of group commits and of housekeeping (key cache, progress, outbox). Owner only. */
glim_status glim_store_start(glim_store *s, glim_err *err);

/* A change: runs inside a transaction, on the committing thread; must not wait for anything else. */
typedef glim_status (*glim_store_fn)(glim_db *db, void *ctx, glim_err *err);
/* Told on the committing thread when the change is durable, or why it is not there. err lives for the call. */
typedef void (*glim_store_done)(void *ctx, glim_status rc, const glim_err *err);

/* Makes a change and waits until it is on the disk. Not from a glim_store_done. */
glim_status glim_store_run(glim_store *s, glim_store_fn fn, void *ctx, glim_err *err);
/* Never waits: fn and then done (may be NULL) run later, in the order of submission. Without the thread it is
 * done before this returns. */
void glim_store_submit(glim_store *s, glim_store_fn fn, glim_store_done done, void *ctx);
/* Reads from one snapshot; never waits for writers or fsync, only for other readers of this handle. */
glim_status glim_store_read(glim_store *s, glim_store_fn fn, void *ctx, glim_err *err);

const char *glim_store_dir(const glim_store *s);
glim_store_role glim_store_role_of(const glim_store *s);
int64_t glim_store_now_us(const glim_store *s);
/* What the group commits have done so far: transactions and changes in them. For metrics. */
void glim_store_commit_counts(const glim_store *s, uint64_t *n_commits, uint64_t *n_changes);

/* The version this program writes, and true if statfs's f_type is a network or user-space file system. */
int glim_store_version(void);
bool glim_store_fs_refused(uint64_t f_type, const char **name);

/* "key_" and the like followed by n random letters and digits; out holds strlen(prefix) + n + 1. */
void glim_store_new_id(char *out, const char *prefix, int n);

/* Limits of one row of text: names that people give. Longer ones are refused, never cut. */
enum { GLIM_STORE_ID = 64, GLIM_STORE_NAME = 128 };
/* 1 to GLIM_STORE_ID of letters, digits, '.', '_', '-'. `what` begins the message. */
glim_status glim_store_check_id(const char *id, const char *what, glim_err *err);
/* Valid UTF-8 without control characters, at most `max` bytes. */
glim_status glim_store_check_text(const char *text, size_t max, const char *what, glim_err *err);

#endif
