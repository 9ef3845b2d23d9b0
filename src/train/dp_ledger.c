/* dp_ledger.c - see dp_ledger.h. Tables dp_sets and dp_runs are made in store/migrate.c; real numbers are kept as text with 17
 * digits, so that what is read is what was written.
 *
 * The accountant takes a second and the transaction must not: begin reads the set's history, composes it, and then writes
 * under the condition that the history is still the same; if it is not, it begins again. */
#include "train/dp_ledger.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/outbox.h"

enum { TRIES = 20, NUMBER = 40 };

static const char *number(char out[NUMBER], double v) {
    snprintf(out, NUMBER, "%.17g", v);
    return out;
}

void glim_dp_set_of_content(char set[GLIM_STORE_ID + 1], const char *sha256) { snprintf(set, GLIM_STORE_ID + 1, "sha256-%.40s", sha256); }

/* What is on the books of a set. */
typedef struct history {
    const char *set;
    double eps, delta; /* budget; 0, 0: none */
    glim_dp_phase charged[GLIM_DP_MAX_PHASES], promised[GLIM_DP_MAX_PHASES];
    size_t n; /* kinds of steps; of a run that is asked for again too */
    uint64_t n_runs, n_open, n_steps;
    int64_t mark; /* changes with every change of reservations or budget */
} history;

static glim_status add_phase(history *h, double q, double sigma, uint64_t reserved, uint64_t charged, glim_err *err) {
    size_t i = 0;
    while (i < h->n && !(h->promised[i].q == q && h->promised[i].sigma == sigma)) i++;
    if (i == GLIM_DP_MAX_PHASES - 1)
        return glim_fail(err, GLIM_E_LIMIT, "data set \"%s\" has seen more than %d kinds of steps", h->set, GLIM_DP_MAX_PHASES - 1);
    if (i == h->n) {
        h->promised[i] = h->charged[i] = (glim_dp_phase){q, sigma, 0};
        h->n++;
    }
    h->charged[i].steps += charged;
    h->promised[i].steps += reserved;
    return GLIM_OK;
}

static glim_status read_history(glim_db *db, void *ctx, glim_err *err) {
    history *h = ctx;
    glim_db_row *r;
    bool more = false;
    const char *set = h->set;
    *h = (history){.set = set};
    glim_status rc = glim_db_query(db, &r, err, "SELECT epsilon, delta, mark FROM dp_sets WHERE id = ?", "s", set);
    if (rc == GLIM_OK) rc = glim_db_next(db, r, &more, err);
    if (rc != GLIM_OK || !more) return rc;
    h->eps = strtod(glim_db_text(r, 0), NULL);
    h->delta = strtod(glim_db_text(r, 1), NULL);
    h->mark = glim_db_i64(r, 2);
    glim_db_rest(r);
    rc = glim_db_query(db, &r, err, "SELECT q, sigma, reserved, charged, open FROM dp_runs WHERE data_set = ? ORDER BY id", "s", set);
    while (rc == GLIM_OK && (rc = glim_db_next(db, r, &more, err)) == GLIM_OK && more) {
        uint64_t reserved = (uint64_t)glim_db_i64(r, 2), charged = (uint64_t)glim_db_i64(r, 3);
        h->n_runs++;
        h->n_open += glim_db_i64(r, 4) != 0;
        h->n_steps += charged;
        rc = add_phase(h, strtod(glim_db_text(r, 0), NULL), strtod(glim_db_text(r, 1), NULL), reserved, charged, err);
        if (rc != GLIM_OK) glim_db_rest(r);
    }
    return rc;
}

static glim_status sum_up(glim_dp_spent *out, const history *h, glim_err *err) {
    *out = (glim_dp_spent){.budget_eps = h->eps, .budget_delta = h->delta, .n_runs = h->n_runs, .n_open = h->n_open, .n_steps = h->n_steps};
    if (h->n == 0) return GLIM_OK;
    glim_status rc = glim_dp_epsilon(&out->charged, h->charged, h->n, h->delta, h->eps, err);
    return rc == GLIM_OK ? glim_dp_epsilon(&out->promised, h->promised, h->n, h->delta, h->eps, err) : rc;
}

static glim_status check_budget(double eps, double delta, glim_err *err) {
    if (!(eps > 0 && eps <= 1000)) return glim_fail(err, GLIM_E_ARG, "epsilon: got %g, want more than 0 and at most 1000", eps);
    if (!(delta >= 1e-11 && delta < 1)) return glim_fail(err, GLIM_E_ARG, "delta: got %g, want 1e-11 or more and less than 1", delta);
    return GLIM_OK;
}

/* ---- budgets ---- */

typedef struct budget_ctx {
    const char *set, *actor;
    double eps, delta;
    int64_t now;
} budget_ctx;

static glim_status put_budget(glim_db *db, void *ctx, glim_err *err) {
    const budget_ctx *c = ctx;
    char e[NUMBER], d[NUMBER], detail[128];
    glim_status rc = glim_db_run(db, err,
                                 "INSERT INTO dp_sets(id, epsilon, delta, mark, created) VALUES(?, ?, ?, 1, ?) "
                                 "ON CONFLICT(id) DO UPDATE SET epsilon = excluded.epsilon, delta = excluded.delta, mark = mark + 1", "sssi",
                                 c->set, number(e, c->eps), number(d, c->delta), c->now);
    snprintf(detail, sizeof detail, "{\"epsilon\": %s, \"delta\": %s}", e, d);
    if (rc == GLIM_OK) rc = glim_outbox_add(db, c->now, &(glim_event){c->actor, "privacy.budget", c->set, "", detail}, err);
    return rc;
}

glim_status glim_dp_budget_set(glim_store *s, const char *set, double eps, double delta, const char *actor, glim_err *err) {
    glim_status rc = glim_store_check_id(set, "the name of a data set", err);
    if (rc == GLIM_OK) rc = check_budget(eps, delta, err);
    return rc == GLIM_OK ? glim_store_run(s, put_budget, &(budget_ctx){set, actor, eps, delta, glim_store_now_us(s)}, err) : rc;
}

/* ---- runs ---- */

typedef struct begin_ctx {
    const glim_dp_request *r;
    double eps, delta, promised; /* the set's budget, and what it has spent with the run */
    int64_t mark, now;
    bool again, stale;
    bool quiet; /* a refusal is told to nobody but the caller */
} begin_ctx;

/* The run as it is on the books. *known false: it is not. */
static glim_status find_run(glim_db *db, const glim_dp_request *r, bool *known, glim_err *err) {
    glim_db_row *row;
    char q[NUMBER], sigma[NUMBER];
    glim_status rc = glim_db_query(db, &row, err, "SELECT data_set, q, sigma, reserved, open FROM dp_runs WHERE run = ?", "s", r->run);
    if (rc == GLIM_OK) rc = glim_db_next(db, row, known, err);
    if (rc != GLIM_OK || !*known) return rc;
    bool open = glim_db_i64(row, 4) != 0;
    bool same = strcmp(glim_db_text(row, 0), r->set) == 0 && strcmp(glim_db_text(row, 1), number(q, r->q)) == 0 &&
                strcmp(glim_db_text(row, 2), number(sigma, r->sigma)) == 0 && (uint64_t)glim_db_i64(row, 3) == r->steps;
    glim_db_rest(row);
    if (!open) return glim_fail(err, GLIM_E_STATE, "run \"%s\" is over: a new one needs a name of its own", r->run);
    if (!same) return glim_fail(err, GLIM_E_STATE, "run \"%s\" was begun with another data set, rate, noise or number of steps", r->run);
    return GLIM_OK;
}

static glim_status look_run(glim_db *db, void *ctx, glim_err *err) {
    begin_ctx *c = ctx;
    return find_run(db, c->r, &c->again, err);
}

static glim_status put_run(glim_db *db, void *ctx, glim_err *err) {
    begin_ctx *c = ctx;
    const glim_dp_request *r = c->r;
    int64_t mark;
    char q[NUMBER], sigma[NUMBER], eps[NUMBER], delta[NUMBER], detail[512];
    glim_status rc = glim_db_int(db, &mark, 0, err, "SELECT mark FROM dp_sets WHERE id = ?", "s", r->set);
    if (rc == GLIM_OK) rc = find_run(db, r, &c->again, err);
    if (rc != GLIM_OK || c->again) return rc;
    c->stale = mark != c->mark;
    if (c->stale) return GLIM_OK;
    if (mark == 0)
        rc = glim_db_run(db, err, "INSERT INTO dp_sets(id, epsilon, delta, mark, created) VALUES(?, ?, ?, 0, ?)", "sssi", r->set,
                         number(eps, r->eps), number(delta, r->delta), c->now);
    if (rc == GLIM_OK) rc = glim_db_run(db, err, "UPDATE dp_sets SET mark = mark + 1 WHERE id = ?", "s", r->set);
    if (rc == GLIM_OK)
        rc = glim_db_run(db, err,
                         "INSERT INTO dp_runs(data_set, run, q, sigma, reserved, charged, open, created, ended) VALUES(?, ?, ?, ?, ?, 0, 1, ?, 0)",
                         "ssssii", r->set, r->run, number(q, r->q), number(sigma, r->sigma), (int64_t)r->steps, c->now);
    snprintf(detail, sizeof detail, "{\"run\": \"%s\", \"q\": %s, \"sigma\": %s, \"steps\": %" PRIu64 ", \"promised\": %.6g, \"epsilon\": %s, \"delta\": %s}", r->run,
             number(q, r->q), number(sigma, r->sigma), r->steps, c->promised, number(eps, c->eps), number(delta, c->delta));
    if (rc == GLIM_OK) rc = glim_outbox_add(db, c->now, &(glim_event){r->actor, "privacy.begin", r->set, "", detail}, err);
    return rc;
}

static glim_status refuse(glim_store *s, const glim_dp_request *r, bool quiet, const glim_dp_spent *before, const glim_dp_spent *with, glim_err *err) {
    char detail[256];
    snprintf(detail, sizeof detail, "{\"run\": \"%s\", \"epsilon\": %.6g, \"budget\": %.6g}", r->run, with->promised, with->budget_eps);
    if (!quiet) glim_outbox_put(s, &(glim_event){r->actor, "privacy.refuse", r->set, "", detail}, NULL); /* the refusal stands without it */
    glim_fail(err, GLIM_E_LIMIT, "data set \"%s\": with this run epsilon would be %.4g, the budget is %.4g at delta %g (%.4g charged, %.4g with what "
              "open runs have reserved)", r->set, with->promised, with->budget_eps, with->budget_delta, before->charged, before->promised);
    glim_err_hint(err, "fewer steps, a lower sampling rate or more noise; `glim privacy end RUN` frees what a run that was given up has reserved");
    return GLIM_E_LIMIT;
}

/* What the set has spent, with this run. c->again: the run is on the books already, and counts there. */
static glim_status weigh(glim_store *s, const glim_dp_request *r, begin_ctx *c, glim_dp_spent *with, glim_err *err) {
    history h = {.set = r->set};
    glim_dp_spent before = {0};
    glim_status rc = glim_store_read(s, look_run, c, err);
    if (rc == GLIM_OK) rc = glim_store_read(s, read_history, &h, err);
    if (rc != GLIM_OK) return rc;
    if (c->again) return sum_up(with, &h, err);
    c->mark = h.mark;
    if (h.eps == 0) h.eps = r->eps, h.delta = r->delta;
    c->eps = h.eps, c->delta = h.delta;
    rc = add_phase(&h, r->q, r->sigma, r->steps, 0, err);
    if (rc == GLIM_OK) rc = sum_up(with, &h, err);
    if (rc != GLIM_OK || with->promised <= h.eps) return rc;
    history old = {.set = r->set};
    rc = glim_store_read(s, read_history, &old, err);
    if (rc == GLIM_OK && old.n) rc = sum_up(&before, &old, err);
    return rc == GLIM_OK ? refuse(s, r, c->quiet, &before, with, err) : rc;
}

static glim_status check_request(const glim_dp_request *r, glim_err *err) {
    const glim_dp_phase own = {r->q, r->sigma, r->steps};
    glim_status rc = glim_store_check_id(r->set, "the name of a data set", err);
    if (rc == GLIM_OK) rc = glim_store_check_id(r->run, "the name of a run", err);
    if (rc == GLIM_OK) rc = glim_dp_check(&own, 1, err);
    return rc == GLIM_OK ? check_budget(r->eps, r->delta, err) : rc;
}

glim_status glim_dp_ledger_fits(glim_store *s, const glim_dp_request *r, glim_err *err) {
    begin_ctx c = {.r = r};
    glim_dp_spent with;
    const glim_status rc = check_request(r, err);
    return rc == GLIM_OK ? weigh(s, r, &c, &with, err) : rc;
}

glim_status glim_dp_ledger_look(glim_store *s, const glim_dp_request *r, glim_dp_spent *before, glim_dp_spent *with, glim_err *err) {
    begin_ctx c = {.r = r, .quiet = true};
    glim_status rc = check_request(r, err);
    if (rc == GLIM_OK) rc = glim_dp_ledger_spent(s, r->set, before, err);
    return rc == GLIM_OK ? weigh(s, r, &c, with, err) : rc;
}

glim_status glim_dp_ledger_begin(glim_store *s, const glim_dp_request *r, glim_dp_spent *spent, glim_err *err) {
    glim_status rc = check_request(r, err);
    for (int try = 0; rc == GLIM_OK && try < TRIES; try++) {
        begin_ctx c = {.r = r, .now = glim_store_now_us(s)};
        glim_dp_spent with;
        rc = weigh(s, r, &c, &with, err);
        if (rc == GLIM_OK && !c.again) {
            c.promised = with.promised;
            rc = glim_store_run(s, put_run, &c, err);
            if (rc == GLIM_OK && c.stale) continue; /* another run came between: its steps count too */
            with.n_runs++;
            with.n_open++;
        }
        if (rc == GLIM_OK && spent) *spent = with;
        return rc;
    }
    return rc == GLIM_OK ? glim_fail(err, GLIM_E_STATE, "the ledger of data set \"%s\" changes faster than it can be read", r->set) : rc;
}

typedef struct charge_ctx {
    const char *run;
    uint64_t step;
    int64_t now;
} charge_ctx;

static glim_status put_charge(glim_db *db, void *ctx, glim_err *err) {
    const charge_ctx *c = ctx;
    glim_db_row *row;
    bool known;
    glim_status rc = glim_db_query(db, &row, err, "SELECT reserved, charged, open, data_set FROM dp_runs WHERE run = ?", "s", c->run);
    if (rc == GLIM_OK) rc = glim_db_next(db, row, &known, err);
    if (rc != GLIM_OK) return rc;
    if (!known) return glim_fail(err, GLIM_E_STATE, "run \"%s\" is not on the privacy ledger", c->run);
    uint64_t reserved = (uint64_t)glim_db_i64(row, 0), charged = (uint64_t)glim_db_i64(row, 1);
    bool open = glim_db_i64(row, 2) != 0;
    char set[GLIM_STORE_ID + 1], detail[128];
    snprintf(set, sizeof set, "%s", glim_db_text(row, 3));
    glim_db_rest(row);
    if (!open) return glim_fail(err, GLIM_E_STATE, "run \"%s\" is over", c->run);
    if (c->step < charged) return GLIM_OK;
    if (c->step >= reserved)
        return glim_fail(err, GLIM_E_LIMIT, "step %" PRIu64 " of run \"%s\": %" PRIu64 " steps were reserved", c->step + 1, c->run, reserved);
    if (c->step > charged)
        return glim_fail(err, GLIM_E_STATE, "step %" PRIu64 " of run \"%s\" cannot be charged: %" PRIu64 " are", c->step + 1, c->run, charged);
    rc = glim_db_run(db, err, "UPDATE dp_runs SET charged = charged + 1 WHERE run = ?", "s", c->run);
    snprintf(detail, sizeof detail, "{\"run\": \"%s\", \"steps\": %" PRIu64 "}", c->run, c->step + 1);
    return rc == GLIM_OK ? glim_outbox_add(db, c->now, &(glim_event){"glim", "privacy.charge", set, "", detail}, err) : rc;
}

glim_status glim_dp_ledger_charge(glim_store *s, const char *run, uint64_t step, glim_err *err) {
    return glim_store_run(s, put_charge, &(charge_ctx){run, step, glim_store_now_us(s)}, err);
}

typedef struct charged_ctx {
    const char *run;
    uint64_t n;
} charged_ctx;

static glim_status look_charged(glim_db *db, void *ctx, glim_err *err) {
    charged_ctx *c = ctx;
    int64_t v;
    const glim_status rc = glim_db_int(db, &v, 0, err, "SELECT charged FROM dp_runs WHERE run = ?", "s", c->run);
    c->n = rc == GLIM_OK ? (uint64_t)v : 0;
    return rc;
}

glim_status glim_dp_ledger_charged(glim_store *s, const char *run, uint64_t *n, glim_err *err) {
    charged_ctx c = {.run = run};
    const glim_status rc = glim_store_read(s, look_charged, &c, err);
    *n = c.n;
    return rc;
}

typedef struct end_ctx {
    const char *run, *actor;
    int64_t now;
} end_ctx;

static glim_status put_end(glim_db *db, void *ctx, glim_err *err) {
    const end_ctx *c = ctx;
    glim_db_row *row;
    bool known;
    char set[GLIM_STORE_ID + 1], detail[160];
    glim_status rc = glim_db_query(db, &row, err, "SELECT data_set, charged, open FROM dp_runs WHERE run = ?", "s", c->run);
    if (rc == GLIM_OK) rc = glim_db_next(db, row, &known, err);
    if (rc != GLIM_OK) return rc;
    if (!known) return glim_fail(err, GLIM_E_NOT_FOUND, "run \"%s\" is not on the privacy ledger", c->run);
    snprintf(set, sizeof set, "%s", glim_db_text(row, 0));
    snprintf(detail, sizeof detail, "{\"run\": \"%s\", \"steps\": %" PRId64 "}", c->run, glim_db_i64(row, 1));
    bool open = glim_db_i64(row, 2) != 0;
    glim_db_rest(row);
    if (!open) return GLIM_OK;
    rc = glim_db_run(db, err, "UPDATE dp_runs SET open = 0, reserved = charged, ended = ? WHERE run = ?", "is", c->now, c->run);
    if (rc == GLIM_OK) rc = glim_db_run(db, err, "UPDATE dp_sets SET mark = mark + 1 WHERE id = ?", "s", set);
    if (rc == GLIM_OK) rc = glim_outbox_add(db, c->now, &(glim_event){c->actor, "privacy.end", set, "", detail}, err);
    return rc;
}

glim_status glim_dp_ledger_end(glim_store *s, const char *run, const char *actor, glim_err *err) {
    return glim_store_run(s, put_end, &(end_ctx){run, actor, glim_store_now_us(s)}, err);
}

typedef struct list_ctx {
    const char *set;
    glim_dp_row_fn fn;
    void *ctx;
} list_ctx;

static glim_status list_sets(glim_db *db, void *ctx, glim_err *err) {
    const list_ctx *c = ctx;
    glim_db_row *r;
    bool more = false;
    glim_status rc = glim_db_query(db, &r, err, "SELECT id FROM dp_sets ORDER BY id", "");
    while (rc == GLIM_OK && (rc = glim_db_next(db, r, &more, err)) == GLIM_OK && more) c->fn(c->ctx, &(glim_dp_row){.set = glim_db_text(r, 0)});
    return rc;
}

static glim_status list_runs(glim_db *db, void *ctx, glim_err *err) {
    const list_ctx *c = ctx;
    glim_db_row *r;
    bool more = false;
    glim_status rc = glim_db_query(db, &r, err, "SELECT data_set, run, q, sigma, reserved, charged, open FROM dp_runs "
                                   "WHERE ? = '' OR data_set = ? ORDER BY id", "ss", c->set, c->set);
    while (rc == GLIM_OK && (rc = glim_db_next(db, r, &more, err)) == GLIM_OK && more)
        c->fn(c->ctx, &(glim_dp_row){.set = glim_db_text(r, 0), .run = glim_db_text(r, 1), .q = strtod(glim_db_text(r, 2), NULL),
                                     .sigma = strtod(glim_db_text(r, 3), NULL), .reserved = (uint64_t)glim_db_i64(r, 4),
                                     .charged = (uint64_t)glim_db_i64(r, 5), .open = glim_db_i64(r, 6) != 0});
    return rc;
}

glim_status glim_dp_ledger_sets(glim_store *s, glim_dp_row_fn fn, void *ctx, glim_err *err) {
    return glim_store_read(s, list_sets, &(list_ctx){NULL, fn, ctx}, err);
}
glim_status glim_dp_ledger_runs(glim_store *s, const char *set, glim_dp_row_fn fn, void *ctx, glim_err *err) {
    return glim_store_read(s, list_runs, &(list_ctx){set ? set : "", fn, ctx}, err);
}

glim_status glim_dp_ledger_spent(glim_store *s, const char *set, glim_dp_spent *out, glim_err *err) {
    history h = {.set = set};
    *out = (glim_dp_spent){0};
    glim_status rc = glim_store_check_id(set, "the name of a data set", err);
    if (rc == GLIM_OK) rc = glim_store_read(s, read_history, &h, err);
    return rc == GLIM_OK && h.eps > 0 ? sum_up(out, &h, err) : rc;
}
