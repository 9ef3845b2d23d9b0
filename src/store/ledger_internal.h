/* ledger_internal.h - the transactions of the ledger (ledger.c), its open holds (hold.c), its slots (slots.c). */
#ifndef GLIM_STORE_LEDGER_INTERNAL_H
#define GLIM_STORE_LEDGER_INTERNAL_H

#include <stdatomic.h>

#include "store/ledger.h"

/* ---- slots.c: DIR/progress.map ---- */

/* One cache line of a mapped file. `counts` is one word, so that no kill can tear it. */
typedef struct glim_slot {
    _Atomic int64_t id;      /* of the ledger row; 0: free */
    _Atomic uint64_t counts; /* prompt << 32 | completion */
    _Atomic uint64_t cached;
    uint64_t unused[5];
} glim_slot;

typedef struct glim_slots {
    void *map;
    glim_slot *slot; /* [GLIM_HOLDS_MAX] */
    uint16_t *free;  /* stack of free indices */
    size_t n_free;
} glim_slots;

/* Makes or opens DIR/progress.map; a damaged one is made anew (the database still has the progress of a second ago). */
glim_status glim_slots_open(glim_slots *s, const char *dir, glim_err *err);
void glim_slots_close(glim_slots *s);

/* ---- ledger.c: inside a change ---- */

/* First day of the period that holds `day`. */
int64_t glim_period_start(glim_period p, int64_t day);

typedef struct glim_grant {
    int64_t id, completion; /* row; tokens granted, all together */
    glim_price price;
    int64_t prompt;
    int64_t day; /* on which the row is booked: its budgets are those of that day's period, also when it grows later */
} glim_grant;

glim_status glim_ledger_insert(glim_db *db, const glim_reserve *r, int64_t now_us, glim_grant *out, glim_verdict *v, glim_err *err);
/* Tries to add up to GLIM_HOLD_GROWS_BY tokens to an open row; *more may come back 0 (budget). */
glim_status glim_ledger_grow(glim_db *db, const glim_grant *g, const char *key, int64_t now_us, int64_t *more, glim_err *err);
glim_status glim_ledger_note(glim_db *db, int64_t id, const glim_tokens *t, glim_err *err);
glim_status glim_ledger_settle(glim_db *db, int64_t id, const glim_tokens *t, glim_outcome o, int64_t now_us, glim_err *err);
/* Settles what a dead owner left open. */
glim_status glim_ledger_recover(glim_store *s, glim_err *err);

/* ---- hold.c: on the committing thread ---- */

glim_status glim_ledger_start(glim_store *s, glim_err *err);
void glim_ledger_stop(glim_store *s); /* settles what is still open as aborted; the thread has ended */
/* Is there something to write now? And how long may the thread sleep at most? */
bool glim_ledger_due(glim_store *s, uint64_t now_ns);
bool glim_ledger_busy(glim_store *s);
/* Inside the group's transaction, then told whether it was committed. */
glim_status glim_ledger_write(glim_store *s, glim_db *db, uint64_t now_ns, glim_err *err);
void glim_ledger_written(glim_store *s, glim_status rc, const glim_err *err);
void glim_ledger_check_keys(glim_store *s);

#endif
