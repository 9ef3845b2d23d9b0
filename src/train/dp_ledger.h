/* dp_ledger.h - what has been spent of each data set's privacy, in the data folder.
 *
 *   begin --> RUN with `steps` reserved --charge(step), before the step is taken--> ... --> end: what was not charged is given back
 *
 * A data set has a budget (epsilon, delta), set by a person or by its first run. A run begins only if all that was charged
 * to the set, all that other open runs have reserved, and its own steps stay within the budget, composed by
 * glim_dp_epsilon. A step is charged, on the disk, before it looks at the data: whatever is killed when, the
 * ledger never says less than what was spent.
 *
 * Every change is an event of the audit log (store/outbox.h), in the same transaction: "privacy.budget", "privacy.begin" (rate, noise,
 * steps, the set's budget and what it has promised with the run), "privacy.charge" for each step, "privacy.end", all with the set's
 * name as their object and nothing of its content. So the book can be made again from the log, and glim_dp_ledger_verify does.
 *
 * The name of a set is for the caller to choose well: rows of the same people belong under one name.
 * Threads: any. All of these wait for the disk. */
#ifndef GLIM_TRAIN_DP_LEDGER_H
#define GLIM_TRAIN_DP_LEDGER_H

#include "store/store.h"
#include "train/accountant.h"

/* The name of a data set that nobody has named: of its content, so that the same rows have one book whatever their file is called,
 * and whether a server or a person trains on them. sha256: 64 digits. */
void glim_dp_set_of_content(char set[GLIM_STORE_ID + 1], const char *sha256);

/* Sets or changes the budget of a data set. One below what was spent is kept: it refuses every further run. Errors: GLIM_E_ARG, IO. */
glim_status glim_dp_budget_set(glim_store *s, const char *set, double eps, double delta, const char *actor, glim_err *err);

typedef struct glim_dp_request {
    const char *set;   /* the data set: 1 to 64 letters, digits, '.', '_', '-' */
    const char *run;   /* the run: the same */
    double q, sigma;
    uint64_t steps;
    double eps, delta; /* becomes the set's budget if it has none */
    const char *actor;
} glim_dp_request;

typedef struct glim_dp_spent {
    double budget_eps, budget_delta; /* 0, 0: none is set */
    double charged;   /* upper bound of epsilon at budget_delta for the steps that were charged */
    double promised;  /* the same with what open runs may still charge */
    uint64_t n_runs, n_open, n_steps; /* steps charged */
} glim_dp_spent;

/* Reserves. The same run again (a resume) with the same q, sigma and steps goes on with its reservation. *spent (may be NULL):
 * with this run. Errors: GLIM_E_LIMIT says what was spent, asked for and allowed; GLIM_E_STATE (the run is over, or was
 * begun with other settings); GLIM_E_ARG, IO. */
glim_status glim_dp_ledger_begin(glim_store *s, const glim_dp_request *r, glim_dp_spent *spent, glim_err *err);
/* Would begin reserve it now? Reserves nothing. Errors: as glim_dp_ledger_begin. */
glim_status glim_dp_ledger_fits(glim_store *s, const glim_dp_request *r, glim_err *err);
/* The same, and what the set has spent without this run (before) and with it; a refusal is no event of the audit log either: nothing
 * is written. */
glim_status glim_dp_ledger_look(glim_store *s, const glim_dp_request *r, glim_dp_spent *before, glim_dp_spent *with, glim_err *err);
/* Before step number `step` (from 0): durable when this returns. A step that was charged already costs nothing again: it takes
 * the same examples and the same noise (dp_state.h). Errors: GLIM_E_LIMIT (beyond what was reserved), GLIM_E_STATE (no open
 * run; steps must come in order), IO. */
glim_status glim_dp_ledger_charge(glim_store *s, const char *run, uint64_t step, glim_err *err);
/* Steps of a run that were charged; 0 for one that is not on the books. */
glim_status glim_dp_ledger_charged(glim_store *s, const char *run, uint64_t *n, glim_err *err);
/* Ends a run: what was not charged is free again. Ending twice is fine. */
glim_status glim_dp_ledger_end(glim_store *s, const char *run, const char *actor, glim_err *err);

typedef struct glim_dp_row {
    const char *set, *run; /* run NULL: a row of glim_dp_ledger_sets */
    double q, sigma;
    uint64_t reserved, charged; /* steps */
    bool open;
} glim_dp_row;
typedef void (*glim_dp_row_fn)(void *ctx, const glim_dp_row *row);
/* Data sets by name; or runs in the order in which they began, of one set or (NULL) of all. Errors: GLIM_E_IO. */
glim_status glim_dp_ledger_sets(glim_store *s, glim_dp_row_fn fn, void *ctx, glim_err *err);
glim_status glim_dp_ledger_runs(glim_store *s, const char *set, glim_dp_row_fn fn, void *ctx, glim_err *err);

typedef struct glim_dp_verified {
    size_t n_sets, n_runs;
    uint64_t n_steps; /* charged */
    size_t n_old;     /* open runs from before there was an event for each step: what these were charged is not compared */
    size_t n_unsaid;  /* data sets whose budget no event says (their runs all began before these said it): it is not compared */
} glim_dp_verified;
/* Is the book what its events say, and does each of these go on from those before it? Both are read from one snapshot. Errors:
 * GLIM_E_FORMAT names the set or run and both figures; as glim_audit_verify. */
glim_status glim_dp_ledger_verify(glim_store *s, glim_dp_verified *out, glim_err *err);

/* A set that nobody has asked about is all zeros. */
glim_status glim_dp_ledger_spent(glim_store *s, const char *set, glim_dp_spent *out, glim_err *err);

#endif
