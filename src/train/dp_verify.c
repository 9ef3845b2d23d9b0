/* dp_verify.c - the privacy ledger held against the events that made it (dp_ledger.h).
 *
 * The book is read first, sorted by name; the events then write a second one beside it, which is compared. Whoever edits the
 * book with other means than Glim's changes the first and not the second, which hangs in the chain of hashes.
 *
 * Glim's own next event tells what the book said then. So each event is held against those before it too: an edited figure must
 * not become the truth by being told again. A resume has no event, and a run begins once.
 *
 * Runs that were begun before steps had events say so by a begin without the budget. Of these the log knows what was charged once
 * they ended. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "store/outbox.h"
#include "train/dp_ledger.h"

typedef struct one_set {
    char id[GLIM_STORE_ID + 1];
    double eps, delta;           /* of the book */
    double said_eps, said_delta; /* of the events; 0: they do not say */
    bool said;
} one_set;

typedef struct one_run {
    char id[GLIM_STORE_ID + 1], set[GLIM_STORE_ID + 1];
    double q, sigma;
    uint64_t reserved, charged;
    bool open;
    double said_q, said_sigma;
    uint64_t said_reserved, said_charged;
    bool said, said_open, old;
} one_run;

typedef struct books {
    const glim_store *store;
    one_set *sets;
    one_run *runs;
    size_t n_sets, n_runs, cap_sets, cap_runs;
    glim_err *err; /* of what an event is at odds with */
    bool odd;
} books;

/* Both begin with their name. */
static int by_name(const void *a, const void *b) { return strcmp(a, b); }

static one_set *find_set(const books *b, const char *id) { return bsearch(id, b->sets, b->n_sets, sizeof *b->sets, by_name); }
static one_run *find_run(const books *b, const char *id) { return bsearch(id, b->runs, b->n_runs, sizeof *b->runs, by_name); }

/* ---- the book ---- */

static glim_status read_book(books *b, glim_db *db, glim_err *err) {
    glim_db_row *r;
    bool more = false;
    glim_status rc = glim_db_query(db, &r, err, "SELECT id, epsilon, delta FROM dp_sets ORDER BY id", "");
    while (rc == GLIM_OK && (rc = glim_db_next(db, r, &more, err)) == GLIM_OK && more) {
        if (b->n_sets == b->cap_sets && (rc = glim_try_grow(&b->sets, &b->cap_sets, 16, sizeof *b->sets, "data sets of the ledger", err)) != GLIM_OK) break;
        one_set *s = &b->sets[b->n_sets++];
        *s = (one_set){.eps = strtod(glim_db_text(r, 1), NULL), .delta = strtod(glim_db_text(r, 2), NULL)};
        snprintf(s->id, sizeof s->id, "%s", glim_db_text(r, 0));
    }
    if (rc != GLIM_OK) {
        if (more) glim_db_rest(r);
        return rc;
    }
    rc = glim_db_query(db, &r, err, "SELECT run, data_set, q, sigma, reserved, charged, open FROM dp_runs ORDER BY run", "");
    while (rc == GLIM_OK && (rc = glim_db_next(db, r, &more, err)) == GLIM_OK && more) {
        if (b->n_runs == b->cap_runs && (rc = glim_try_grow(&b->runs, &b->cap_runs, 16, sizeof *b->runs, "runs of the ledger", err)) != GLIM_OK) break;
        one_run *u = &b->runs[b->n_runs++];
        *u = (one_run){.q = strtod(glim_db_text(r, 2), NULL), .sigma = strtod(glim_db_text(r, 3), NULL), .reserved = (uint64_t)glim_db_i64(r, 4),
                       .charged = (uint64_t)glim_db_i64(r, 5), .open = glim_db_i64(r, 6) != 0};
        snprintf(u->id, sizeof u->id, "%s", glim_db_text(r, 0));
        snprintf(u->set, sizeof u->set, "%s", glim_db_text(r, 1));
    }
    if (rc != GLIM_OK && more) glim_db_rest(r);
    return rc;
}

/* ---- the events ---- */

static bool odd(books *b, const glim_chain_event *e, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static bool odd(books *b, const glim_chain_event *e, const char *fmt, ...) {
    char what[320];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    b->odd = true;
    glim_fail(b->err, GLIM_E_FORMAT, "the privacy ledger is not what its events say: %s (%s of data set \"%s\")", what, e->action, e->object);
    return false;
}

static double real_of(const json_t *o, const char *key) { return json_number_value(json_object_get(o, key)); }

static bool take_begin(books *b, const glim_chain_event *e, one_run *u, const json_t *o, uint64_t steps) {
    if (u->said) return odd(b, e, "run \"%s\" was begun twice", u->id);
    u->said = u->said_open = true;
    u->said_q = real_of(o, "q"), u->said_sigma = real_of(o, "sigma"), u->said_reserved = steps;
    u->old = !json_object_get(o, "epsilon");
    return true;
}

static bool take_charge(books *b, const glim_chain_event *e, one_run *u, uint64_t steps) {
    if (!u->said_open) return odd(b, e, "run \"%s\" was charged while it was not open", u->id);
    if (u->old ? steps <= u->said_charged : steps != u->said_charged + 1)
        return odd(b, e, "run \"%s\" was charged step %" PRIu64 " after step %" PRIu64, u->id, steps, u->said_charged);
    if (steps > u->said_reserved) return odd(b, e, "run \"%s\" was charged step %" PRIu64 ", %" PRIu64 " were reserved", u->id, steps, u->said_reserved);
    u->said_charged = steps;
    return true;
}

static bool take_end(books *b, const glim_chain_event *e, one_run *u, uint64_t steps) {
    if (!u->said_open) return odd(b, e, "run \"%s\" ended while it was not open", u->id);
    if (u->old ? steps < u->said_charged : steps != u->said_charged)
        return odd(b, e, "when run \"%s\" ended it had %" PRIu64 " steps, of which %" PRIu64 " have events", u->id, steps, u->said_charged);
    if (steps > u->said_reserved) return odd(b, e, "when run \"%s\" ended it had %" PRIu64 " steps, %" PRIu64 " were reserved", u->id, steps, u->said_reserved);
    u->said_charged = u->said_reserved = steps;
    u->said_open = u->old = false;
    return true;
}

/* The run of an event; NULL: the book does not have it. */
static one_run *run_of(books *b, const glim_chain_event *e, const char *id) {
    one_run *u = find_run(b, id);
    if (u && strcmp(u->set, e->object) == 0) return u;
    odd(b, e, "run \"%.64s\" is missing in it", id);
    return NULL;
}

/* The detail of a charge as put_charge writes it: there is one for each step, and a parser for any JSON is most of the time. False:
 * spelled otherwise. */
static bool plain_charge(const char *t, char id[GLIM_STORE_ID + 1], uint64_t *steps) {
    static const char head[] = "{\"run\": \"", mid[] = "\", \"steps\": ";
    if (strncmp(t, head, sizeof head - 1) != 0) return false;
    t += sizeof head - 1;
    const size_t n = strcspn(t, "\"\\");
    if (n == 0 || n > GLIM_STORE_ID || strncmp(t + n, mid, sizeof mid - 1) != 0) return false;
    memcpy(id, t, n);
    id[n] = 0;
    t += n + sizeof mid - 1;
    const size_t digits = strspn(t, "0123456789");
    if (digits == 0 || digits > 18 || strcmp(t + digits, "}") != 0) return false;
    *steps = strtoull(t, NULL, 10);
    return true;
}

static bool take_budget(books *b, const glim_chain_event *e, one_set *s, const json_t *o, bool set_anew) {
    if (!json_object_get(o, "epsilon")) return true;
    const double eps = real_of(o, "epsilon"), delta = real_of(o, "delta");
    if (!set_anew && s->said_eps != 0 && (eps != s->said_eps || delta != s->said_delta))
        return odd(b, e, "a run was begun under a budget of epsilon %.17g at delta %.17g, events before it say %.17g at %.17g", eps, delta, s->said_eps, s->said_delta);
    s->said_eps = eps, s->said_delta = delta;
    return true;
}

static bool take_parsed(books *b, const glim_chain_event *e, one_set *s, const json_t *o) {
    const char *what = e->action + strlen("privacy.");
    if (strcmp(what, "budget") == 0) return take_budget(b, e, s, o, true);
    const char *id = json_string_value(json_object_get(o, "run"));
    one_run *u = run_of(b, e, id ? id : "");
    if (!u) return false;
    const uint64_t steps = (uint64_t)json_integer_value(json_object_get(o, "steps"));
    if (strcmp(what, "begin") == 0) return take_budget(b, e, s, o, false) && take_begin(b, e, u, o, steps);
    return strcmp(what, "charge") == 0 ? take_charge(b, e, u, steps) : take_end(b, e, u, steps);
}

static bool take(void *ctx, const glim_chain_event *e, const glim_chain_head *after) {
    (void)after;
    static const char prefix[] = "privacy.";
    if (strncmp(e->action, prefix, sizeof prefix - 1) != 0) return true;
    books *b = ctx;
    const char *what = e->action + sizeof prefix - 1;
    const bool charge = strcmp(what, "charge") == 0;
    if (!charge && strcmp(what, "budget") != 0 && strcmp(what, "begin") != 0 && strcmp(what, "end") != 0) return true;
    one_set *s = find_set(b, e->object);
    if (!s) return odd(b, e, "the data set is missing in it");
    s->said = true;
    char id[GLIM_STORE_ID + 1];
    uint64_t steps;
    if (charge && plain_charge(e->detail, id, &steps)) {
        one_run *u = run_of(b, e, id);
        return u && take_charge(b, e, u, steps);
    }
    json_t *o = NULL;
    if (glim_json_parse(&o, e->detail, strlen(e->detail), 0, NULL) != GLIM_OK) return odd(b, e, "an event cannot be read");
    const bool go_on = take_parsed(b, e, s, o);
    json_decref(o);
    return go_on;
}

/* ---- compared ---- */

static glim_status compare_sets(const books *b, glim_dp_verified *out, glim_err *err) {
    for (size_t i = 0; i < b->n_sets; i++) {
        const one_set *s = &b->sets[i];
        if (!s->said) return glim_fail(err, GLIM_E_FORMAT, "the privacy ledger has data set \"%s\", of which there is no event", s->id);
        if (s->said_eps != 0 && (s->eps != s->said_eps || s->delta != s->said_delta))
            return glim_fail(err, GLIM_E_FORMAT, "data set \"%s\": the privacy ledger has a budget of epsilon %.17g at delta %.17g, its events %.17g at %.17g", s->id, s->eps,
                             s->delta, s->said_eps, s->said_delta);
        out->n_unsaid += s->said_eps == 0;
    }
    return GLIM_OK;
}

static glim_status compare_runs(const books *b, glim_dp_verified *out, glim_err *err) {
    for (size_t i = 0; i < b->n_runs; i++) {
        const one_run *u = &b->runs[i];
        if (!u->said) return glim_fail(err, GLIM_E_FORMAT, "the privacy ledger has run \"%s\", of which there is no event", u->id);
        if (u->q != u->said_q || u->sigma != u->said_sigma)
            return glim_fail(err, GLIM_E_FORMAT, "run \"%s\": the privacy ledger has rate %.17g and noise %.17g, its events %.17g and %.17g", u->id, u->q, u->sigma, u->said_q,
                             u->said_sigma);
        if (u->open != u->said_open)
            return glim_fail(err, GLIM_E_FORMAT, "run \"%s\" is %s on the privacy ledger and %s in its events", u->id, u->open ? "open" : "over", u->said_open ? "open" : "over");
        if (u->reserved != u->said_reserved || (!u->old && u->charged != u->said_charged))
            return glim_fail(err, GLIM_E_FORMAT, "run \"%s\": the privacy ledger has %" PRIu64 " steps charged of %" PRIu64 ", its events %" PRIu64 " of %" PRIu64, u->id, u->charged,
                             u->reserved, u->said_charged, u->said_reserved);
        out->n_old += u->old, out->n_steps += u->charged;
    }
    return GLIM_OK;
}

static glim_status verify(glim_db *db, void *ctx, glim_err *err) {
    books *b = ctx;
    glim_err why = {0};
    b->err = err;
    glim_status rc = read_book(b, db, err);
    if (rc != GLIM_OK) return rc;
    rc = glim_outbox_each(b->store, db, take, b, &why);
    if (rc != GLIM_OK && !b->odd && err) *err = why;
    return b->odd ? GLIM_E_FORMAT : rc;
}

glim_status glim_dp_ledger_verify(glim_store *s, glim_dp_verified *out, glim_err *err) {
    books b = {.store = s};
    *out = (glim_dp_verified){0};
    glim_status rc = glim_store_read(s, verify, &b, err);
    if (rc == GLIM_OK) rc = compare_sets(&b, out, err);
    if (rc == GLIM_OK) rc = compare_runs(&b, out, err);
    out->n_sets = b.n_sets, out->n_runs = b.n_runs;
    free(b.sets);
    free(b.runs);
    return rc;
}
