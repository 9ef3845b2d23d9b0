/* ledger.h - who used how many tokens, and what they cost: reserved first, settled after, never lost.
 *
 *   glim_ledger_reserve --> HOLD --progress..., room grows by itself--> glim_hold_end --> settled row
 *                             |
 *                          kill -9 --> the next owner settles what was used (recovered row)
 *
 * Reserve    before the first token: the prompt and max_tokens, or without max_tokens 1,024 tokens that grow by
 *            1,024 whenever fewer than 512 are left. Key alive, token and money budgets are checked in the same
 *            transaction, used + reserved + new <= budget; so no company of requests can overdraw. A reservation
 *            that grows takes what the budget still holds, down to one token; then the hold is refused more.
 * Progress   is one atomic store into DIR/progress.map, a shared mapping: it survives kill -9 to the last token. Every
 *            64 tokens or 1 s it also goes to the database, which survives a power cut.
 * Settle     exactly once, at the end, at an abort, or at recovery: settled <= reserved, always.
 *
 * Invariants, checked by glim_ledger_check: the sum of ended rows of a key and day equals its key_days row; every
 * amount equals its price times its tokens; nothing settled exceeds what was reserved.
 *
 * Threads    glim_hold_progress and glim_hold_room neither lock nor call the system: they are for the engine thread.
 *            One thread at a time reports the progress of a hold. glim_hold_end never waits for the disk.
 *            The ledger needs glim_store_start. */
#ifndef GLIM_STORE_LEDGER_H
#define GLIM_STORE_LEDGER_H

#include "store/keys.h"
#include "store/prices.h"
#include "store/store.h"

#define GLIM_KEY_LOCAL "local" /* the key of a server that asks for none; its tenant has the same name */

enum {
    GLIM_HOLD_GROWS_BY = 1024, /* tokens reserved at a time without max_tokens */
    GLIM_HOLD_LOW = 512,       /* grow when fewer are left */
    GLIM_HOLD_EVERY = 64,      /* tokens between two notes in the database */
    GLIM_HOLDS_MAX = 4096      /* open at a time */
};

typedef struct glim_hold glim_hold;

typedef struct glim_reserve {
    const char *request; /* its id in logs and replies */
    const char *key;     /* id; NULL: GLIM_KEY_LOCAL */
    const char *model;   /* as asked for, adapter included */
    int64_t prompt;      /* tokens, an upper bound */
    int64_t completion;  /* most tokens of all choices together; 0: not given, grows */
} glim_reserve;

typedef struct glim_tokens {
    int64_t prompt;     /* those processed, cached ones included; <= what was reserved */
    int64_t cached;     /* of these, from the prefix cache */
    int64_t completion; /* reasoning included */
    int64_t reasoning;
} glim_tokens;

typedef enum glim_verdict {
    GLIM_VERDICT_GRANTED = 0,
    GLIM_VERDICT_KEY,    /* unknown, revoked or expired meanwhile: 401 */
    GLIM_VERDICT_TOKENS, /* token budget: 429, insufficient_quota */
    GLIM_VERDICT_MONEY,  /* money budget: the same */
    GLIM_VERDICT_FULL,   /* GLIM_HOLDS_MAX are open: 429 */
    GLIM_VERDICT_FAILED  /* err says why: disk, busy */
} glim_verdict;

typedef enum glim_outcome { GLIM_OUTCOME_OPEN = 0, GLIM_OUTCOME_DONE, GLIM_OUTCOME_ABORTED, GLIM_OUTCOME_RECOVERED } glim_outcome;

/* hold is NULL unless granted. On the committing thread; must not wait. */
typedef void (*glim_reserve_done)(void *ctx, glim_hold *hold, glim_verdict v, const glim_err *err);
/* Never waits; strings are copied. */
void glim_ledger_reserve_async(glim_store *s, const glim_reserve *r, glim_reserve_done done, void *ctx);
/* Waits for the commit. Errors: GLIM_E_ARG (counts out of range), GLIM_E_LIMIT (budgets; *v says which; v may be NULL),
 * GLIM_E_NOT_FOUND (key), GLIM_E_IO. */
glim_status glim_ledger_reserve(glim_store *s, const glim_reserve *r, glim_hold **out, glim_verdict *v, glim_err *err);

/* What has been used so far; call it before the tokens are handed out. Counts above what is reserved are cut. */
void glim_hold_progress(glim_hold *h, int64_t prompt, int64_t cached, int64_t completion);
/* Completion tokens that may still be made beyond the progress reported. */
int64_t glim_hold_room(const glim_hold *h);
/* True: no more room will come (budget, or a disk that does not take it): end with finish_reason "length". */
bool glim_hold_refused(const glim_hold *h);
/* True within a second of its key being revoked or expiring: end the request. */
bool glim_hold_revoked(const glim_hold *h);
int64_t glim_hold_id(const glim_hold *h); /* of its ledger row */
/* What so many tokens cost under it, in micro-units: what its row will say if it ends with these. */
int64_t glim_hold_cost(const glim_hold *h, const glim_tokens *used);

/* Settles with these counts; *h is gone for the caller. Never waits: the row is written with the next group, and
 * again and again if the disk is full. The completion tokens are charged to the key's tokens-a-minute here. */
void glim_hold_end(glim_hold *h, const glim_tokens *used, glim_outcome outcome);
/* Waits until every hold ended so far is on the disk, or returns the reason why it is not. */
glim_status glim_ledger_flush(glim_store *s, glim_err *err);
/* Holds now open. */
size_t glim_ledger_open_count(const glim_store *s);

/* Everything adds up? Errors: GLIM_E_FORMAT names the row, key or day that does not. Reads one snapshot. */
glim_status glim_ledger_check(glim_store *s, glim_err *err);
glim_status glim_ledger_check_db(glim_db *db, void *unused, glim_err *err); /* the same on a connection */

#endif
