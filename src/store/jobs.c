/* jobs.c - see jobs.h. */
#include "store/jobs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "store/jobs_internal.h"
#include "store/keys_internal.h"
#include "store/outbox.h"
#include "store/store_internal.h"

#define COLUMNS \
    "id, tenant, key, kind, state, wish, attempts, max_attempts, created, started, finished, spec, progress, result, error"

static const char *const state_names[] = {"queued", "running", "succeeded", "failed", "cancelled", "paused"};
const char *glim_job_state_name(glim_job_state s) { return state_names[s]; }

void glim_job_deinit(glim_job *j) {
    free(j->spec);
    free(j->progress);
    free(j->result);
    free(j->error);
    *j = (glim_job){0};
}

static glim_status from_row(glim_job *j, glim_db_row *r, glim_err *err) {
    *j = (glim_job){.wish = (glim_job_wish)glim_db_i64(r, 5), .attempts = glim_db_i64(r, 6), .max_attempts = glim_db_i64(r, 7),
                    .created_us = glim_db_i64(r, 8), .started_us = glim_db_i64(r, 9), .finished_us = glim_db_i64(r, 10)};
    int64_t state = glim_db_i64(r, 4);
    j->state = state >= 0 && state <= GLIM_JOB_PAUSED ? (glim_job_state)state : GLIM_JOB_FAILED;
    snprintf(j->id, sizeof j->id, "%s", glim_db_text(r, 0));
    snprintf(j->tenant, sizeof j->tenant, "%s", glim_db_text(r, 1));
    snprintf(j->key, sizeof j->key, "%s", glim_db_text(r, 2));
    snprintf(j->kind, sizeof j->kind, "%s", glim_db_text(r, 3));
    char **text[] = {&j->spec, &j->progress, &j->result, &j->error};
    for (int i = 0; i < 4; i++) {
        const char *t = glim_db_text(r, 11 + i);
        void *p = NULL;
        glim_status rc = glim_try_realloc(&p, strlen(t) + 1, 1, "a job", err);
        if (rc != GLIM_OK) {
            glim_job_deinit(j);
            return rc;
        }
        *text[i] = strcpy(p, t);
    }
    return GLIM_OK;
}

static glim_status check_json(const char *text, const char *what, glim_err *err) {
    size_t n = text ? strlen(text) : 0;
    if (n <= GLIM_JOB_TEXT) return GLIM_OK;
    return glim_fail(err, GLIM_E_LIMIT, "%s of a job: got %zu bytes, want at most %d", what, n, (int)GLIM_JOB_TEXT);
}

static glim_status not_found(const char *id, glim_err *err) { return glim_fail(err, GLIM_E_NOT_FOUND, "there is no job \"%.80s\"", id); }

/* One job by a query that binds two texts (the first may be NULL for any tenant). */
static glim_status one(glim_db *db, const char *tenant, const char *id, glim_job *out, glim_err *err) {
    glim_db_row *r;
    bool more = false;
    glim_status rc = glim_db_query(db, &r, err, "SELECT " COLUMNS " FROM jobs WHERE (?1 IS NULL OR tenant = ?1) AND id = ?2", "ss", tenant, id);
    if (rc == GLIM_OK) rc = glim_db_next(db, r, &more, err);
    if (rc != GLIM_OK) return rc;
    if (!more) return not_found(id, err);
    rc = from_row(out, r, err);
    glim_db_rest(r);
    return rc;
}

typedef struct job_ctx {
    glim_store *s;
    const glim_job_params *p;
    const char *tenant, *id, *kind, *actor, *text, *text2;
    glim_job_state to;
    glim_job *out;
    glim_job_wish *wish;
    bool *flag;
    int64_t now;
    char new_id[GLIM_STORE_ID + 1];
    const glim_job_event *events;
    size_t n_events;
    bool moved;
} job_ctx;

/* ---- how many ---- */

static glim_status recount(glim_db *db, void *ctx, glim_err *err) {
    glim_store *s = ctx;
    glim_db_row *r;
    bool more = true;
    size_t n[GLIM_JOB_STATES] = {0};
    glim_status rc = glim_db_query(db, &r, err, "SELECT state, COUNT(*) FROM jobs GROUP BY state", "");
    while (rc == GLIM_OK && (rc = glim_db_next(db, r, &more, err)) == GLIM_OK && more)
        if (glim_db_i64(r, 0) >= 0 && glim_db_i64(r, 0) < GLIM_JOB_STATES) n[glim_db_i64(r, 0)] = (size_t)glim_db_i64(r, 1);
    for (int i = 0; i < GLIM_JOB_STATES && rc == GLIM_OK; i++) atomic_store(&s->jobs[i], n[i]);
    return rc;
}

/* The reading connection's turns are one after the other, so the last to look leaves the newest figures. A failed look
 * leaves the old ones until the next change. */
void glim_job_recount(glim_store *s) {
    if (s->p.role == GLIM_STORE_OWNER) (void)glim_store_read(s, recount, s, NULL);
}

void glim_job_counts(const glim_store *s, size_t n[GLIM_JOB_STATES]) {
    for (int i = 0; i < GLIM_JOB_STATES; i++) n[i] = atomic_load(&s->jobs[i]);
}

/* A change of states, then the count. */
static glim_status change(glim_store *s, glim_store_fn fn, job_ctx *c, glim_err *err) {
    glim_status rc = glim_store_run(s, fn, c, err);
    if (rc == GLIM_OK) glim_job_recount(s);
    return rc;
}

/* ---- add ---- */

static glim_status insert(glim_db *db, const job_ctx *c, glim_job_state state, int64_t max_attempts, glim_err *err) {
    const glim_job_params *p = c->p;
    const int64_t begun = state == GLIM_JOB_RUNNING;
    return glim_db_run(db, err,
                       "INSERT INTO jobs(id, tenant, key, kind, state, wish, attempts, max_attempts, created, started, finished, spec, "
                       "progress, result, error, once) VALUES(?, ?, ?, ?, ?, 0, ?, ?, ?, ?, 0, ?, '', '', '', ?)", "ssssiiiiiss", c->new_id,
                       p->tenant, p->key ? p->key : "", p->kind, (int64_t)state, begun, max_attempts, c->now, begun ? c->now : (int64_t)0,
                       p->spec ? p->spec : "", p->once);
}

static glim_status add(glim_db *db, void *ctx, glim_err *err) {
    job_ctx *c = ctx;
    const glim_job_params *p = c->p;
    glim_db_row *r;
    bool more = false;
    glim_status rc = GLIM_OK;
    *c->flag = false;
    if (p->once) {
        rc = glim_db_query(db, &r, err, "SELECT " COLUMNS " FROM jobs WHERE tenant = ? AND once = ?", "ss", p->tenant, p->once);
        if (rc == GLIM_OK) rc = glim_db_next(db, r, &more, err);
        if (rc != GLIM_OK) return rc;
        if (more) {
            rc = from_row(c->out, r, err);
            glim_db_rest(r);
            *c->flag = true;
            return rc;
        }
    }
    rc = glim_tenant_ensure(db, p->tenant, c->now, p->actor, err);
    if (rc == GLIM_OK) rc = insert(db, c, GLIM_JOB_QUEUED, p->max_attempts ? p->max_attempts : (int64_t)3, err);
    if (rc == GLIM_OK) rc = glim_outbox_add(db, c->now, &(glim_event){p->actor, "job.add", c->new_id, p->tenant, ""}, err);
    if (rc == GLIM_OK) rc = one(db, NULL, c->new_id, c->out, err);
    return rc;
}

static glim_status check_params(const glim_job_params *p, glim_err *err) {
    glim_status rc = glim_store_check_id(p->tenant, "tenant", err);
    if (rc == GLIM_OK) rc = glim_store_check_id(p->kind, "kind of a job", err);
    if (rc == GLIM_OK && p->once) rc = glim_store_check_text(p->once, 256, "idempotency key", err);
    return rc == GLIM_OK ? check_json(p->spec, "spec", err) : rc;
}

static void new_id(job_ctx *c) {
    const char *prefix = c->p->id_prefix ? c->p->id_prefix : "job-";
    GLIM_ASSERT(strlen(prefix) + 24 <= GLIM_STORE_ID);
    glim_store_new_id(c->new_id, prefix, 24);
}

glim_status glim_job_add(glim_store *s, const glim_job_params *p, glim_job *out, bool *existed, glim_err *err) {
    bool flag;
    *out = (glim_job){0};
    job_ctx c = {.s = s, .p = p, .out = out, .flag = existed ? existed : &flag, .now = glim_store_now_us(s)};
    glim_status rc = check_params(p, err);
    if (rc == GLIM_OK && (p->max_attempts < 0 || p->max_attempts > 1000))
        rc = glim_fail(err, GLIM_E_ARG, "attempts of a job: got %" PRId64 ", want 1 to 1000", p->max_attempts);
    if (rc != GLIM_OK) return rc;
    new_id(&c);
    rc = change(s, add, &c, err);
    if (rc != GLIM_OK) glim_job_deinit(out);
    return rc;
}

/* Told of from outside: max_attempts is 0, which no job of the queue has. */
static glim_status enter(glim_db *db, void *ctx, glim_err *err) {
    job_ctx *c = ctx;
    const glim_job_params *p = c->p;
    int64_t known = 0;
    glim_status rc = glim_tenant_ensure(db, p->tenant, c->now, p->actor, err);
    if (rc == GLIM_OK && c->id)
        rc = glim_db_int(db, &known, 0, err, "SELECT count(*) FROM jobs WHERE id = ? AND tenant = ? AND max_attempts = 0", "ss", c->id, p->tenant);
    if (rc == GLIM_OK && known) rc = glim_db_run(db, err, "UPDATE jobs SET state = 1, wish = 0, finished = 0, error = '' WHERE id = ?", "s", c->id);
    else if (rc == GLIM_OK) rc = insert(db, c, GLIM_JOB_RUNNING, 0, err);
    const char *id = known ? c->id : c->new_id;
    if (rc == GLIM_OK) rc = glim_outbox_add(db, c->now, &(glim_event){p->actor, "job.enter", id, p->tenant, ""}, err);
    return rc == GLIM_OK ? one(db, NULL, id, c->out, err) : rc;
}

glim_status glim_job_enter(glim_store *s, const glim_job_params *p, const char *again, glim_job *out, glim_err *err) {
    *out = (glim_job){0};
    job_ctx c = {.s = s, .p = p, .id = again, .out = out, .now = glim_store_now_us(s)};
    glim_status rc = check_params(p, err);
    if (rc != GLIM_OK) return rc;
    new_id(&c);
    rc = glim_store_run(s, enter, &c, err);
    if (rc != GLIM_OK) glim_job_deinit(out);
    return rc;
}

/* ---- get, list ---- */

static glim_status get(glim_db *db, void *ctx, glim_err *err) {
    job_ctx *c = ctx;
    return one(db, c->tenant, c->id, c->out, err);
}

glim_status glim_job_get(glim_store *s, const char *tenant, const char *id, glim_job *out, glim_err *err) {
    *out = (glim_job){0};
    return glim_store_read(s, get, &(job_ctx){.tenant = tenant, .id = id, .out = out}, err);
}

typedef struct list_ctx {
    const char *tenant, *kind, *after, *id;
    int64_t limit, before;
    glim_job_fn fn;
    glim_job_event_fn event_fn;
    void *ctx;
    bool *has_more;
} list_ctx;

static glim_status list(glim_db *db, void *ctx, glim_err *err) {
    list_ctx *l = ctx;
    glim_db_row *r;
    bool more = true;
    int64_t below = INT64_MAX, n = 0;
    glim_status rc = GLIM_OK;
    if (l->after) {
        rc = glim_db_int(db, &below, -1, err, "SELECT seq FROM jobs WHERE (?1 IS NULL OR tenant = ?1) AND id = ?2", "ss", l->tenant, l->after);
        if (rc == GLIM_OK && below < 0) return not_found(l->after, err);
    }
    if (rc == GLIM_OK)
        rc = glim_db_query(db, &r, err,
                           "SELECT " COLUMNS " FROM jobs WHERE seq < ?1 AND (?2 IS NULL OR tenant = ?2) AND (?3 IS NULL OR kind = ?3) "
                           "ORDER BY seq DESC", "iss", below, l->tenant, l->kind);
    while (rc == GLIM_OK && (rc = glim_db_next(db, r, &more, err)) == GLIM_OK && more) {
        glim_job j;
        if (n++ == l->limit) {
            *l->has_more = true;
            break;
        }
        rc = from_row(&j, r, err);
        if (rc != GLIM_OK) break;
        bool go_on = l->fn(l->ctx, &j);
        glim_job_deinit(&j);
        if (!go_on) break;
    }
    if (more) glim_db_rest(r);
    return rc;
}

glim_status glim_job_list(glim_store *s, const char *tenant, const char *kind, const char *after, int64_t limit, glim_job_fn fn,
                          void *ctx, bool *has_more, glim_err *err) {
    *has_more = false;
    return glim_store_read(s, list, &(list_ctx){.tenant = tenant, .kind = kind, .after = after, .limit = limit, .fn = fn, .ctx = ctx,
                                                .has_more = has_more}, err);
}

/* ---- running ---- */

static glim_status claim(glim_db *db, void *ctx, glim_err *err) {
    job_ctx *c = ctx;
    glim_db_row *r;
    bool more = false;
    *c->flag = false;
    glim_status rc = glim_db_query(db, &r, err,
                                   "SELECT " COLUMNS " FROM jobs AS j WHERE state = 0 AND (?1 IS NULL OR kind = ?1) ORDER BY started = 0, "
                                   "(SELECT COALESCE(MAX(k.started), 0) FROM jobs AS k WHERE k.tenant = j.tenant), seq LIMIT 1", "s", c->kind);
    if (rc == GLIM_OK) rc = glim_db_next(db, r, &more, err);
    if (rc != GLIM_OK || !more) return rc;
    rc = from_row(c->out, r, err);
    glim_db_rest(r);
    if (rc != GLIM_OK) return rc;
    rc = glim_db_run(db, err,
                     "UPDATE jobs SET state = 1, wish = 0, attempts = attempts + 1, started = CASE started WHEN 0 THEN ? ELSE started END "
                     "WHERE id = ?", "is", c->now, c->out->id);
    c->out->state = GLIM_JOB_RUNNING;
    c->out->wish = GLIM_WISH_GO_ON;
    c->out->attempts++;
    if (!c->out->started_us) c->out->started_us = c->now;
    *c->flag = rc == GLIM_OK;
    return rc;
}

glim_status glim_job_claim(glim_store *s, const char *kind, glim_job *out, bool *got, glim_err *err) {
    *out = (glim_job){0};
    *got = false;
    if (s->p.role != GLIM_STORE_OWNER) return glim_fail(err, GLIM_E_STATE, "only the owner of \"%s\" runs jobs", s->dir);
    glim_status rc = glim_store_run(s, claim, &(job_ctx){.kind = kind, .out = out, .flag = got, .now = glim_store_now_us(s)}, err);
    if (rc == GLIM_OK && *got) glim_job_recount(s);
    if (rc != GLIM_OK) {
        *got = false;
        glim_job_deinit(out);
    }
    return rc;
}

static glim_status must_run(glim_db *db, const char *id, glim_job *j, glim_err *err) {
    glim_status rc = one(db, NULL, id, j, err);
    if (rc == GLIM_OK && j->state != GLIM_JOB_RUNNING) {
        rc = glim_fail(err, GLIM_E_STATE, "job \"%.80s\" does not run: it is %s", id, glim_job_state_name(j->state));
        glim_job_deinit(j);
    }
    return rc;
}

static glim_status note(glim_db *db, void *ctx, glim_err *err) {
    job_ctx *c = ctx;
    glim_job j;
    glim_status rc = must_run(db, c->id, &j, err);
    if (rc != GLIM_OK) return rc;
    *c->wish = j.wish;
    glim_job_deinit(&j);
    return c->text ? glim_db_run(db, err, "UPDATE jobs SET progress = ? WHERE id = ?", "ss", c->text, c->id) : GLIM_OK;
}

glim_status glim_job_note(glim_store *s, const char *id, const char *progress, glim_job_wish *wish, glim_err *err) {
    glim_status rc = check_json(progress, "progress", err);
    *wish = GLIM_WISH_GO_ON;
    return rc == GLIM_OK ? glim_store_run(s, note, &(job_ctx){.id = id, .text = progress, .wish = wish}, err) : rc;
}

static glim_status put_event(glim_db *db, const char *id, int64_t now, const glim_job_event *e, glim_err *err) {
    return glim_db_run(db, err, "INSERT INTO job_events(job, time, level, message, data) VALUES(?, ?, ?, ?, ?)", "sisss", id, now, e->level,
                       e->message, e->data ? e->data : "");
}

static glim_status report(glim_db *db, void *ctx, glim_err *err) {
    job_ctx *c = ctx;
    glim_status rc = note(db, c, err);
    if (rc == GLIM_OK && c->moved) rc = glim_db_run(db, err, "UPDATE jobs SET attempts = 1 WHERE id = ?", "s", c->id);
    for (size_t i = 0; i < c->n_events && rc == GLIM_OK; i++) rc = put_event(db, c->id, c->now, &c->events[i], err);
    return rc;
}

glim_status glim_job_report(glim_store *s, const char *id, const char *progress, const glim_job_event *events, size_t n, bool moved,
                            glim_job_wish *wish, glim_err *err) {
    glim_status rc = check_json(progress, "progress", err);
    *wish = GLIM_WISH_GO_ON;
    for (size_t i = 0; i < n && rc == GLIM_OK; i++) {
        rc = check_json(events[i].data, "event", err);
        if (rc == GLIM_OK) rc = check_json(events[i].message, "message", err);
    }
    if (rc != GLIM_OK) return rc;
    return glim_store_run(s, report, &(job_ctx){.id = id, .text = progress, .wish = wish, .events = events, .n_events = n, .moved = moved,
                                                .now = glim_store_now_us(s)}, err);
}

/* The state in which a job comes to rest, and its event. */
static glim_status rest(glim_db *db, const glim_job *j, glim_job_state to, const char *result, const char *error, int64_t now, glim_err *err) {
    bool ended = to != GLIM_JOB_QUEUED && to != GLIM_JOB_PAUSED;
    char detail[64];
    snprintf(detail, sizeof detail, "{\"state\": \"%s\", \"attempts\": %" PRId64 "}", glim_job_state_name(to), j->attempts);
    glim_status rc = glim_db_run(db, err,
                                 "UPDATE jobs SET state = ?, wish = 0, finished = ?, result = COALESCE(?, result), error = COALESCE(?, error) "
                                 "WHERE id = ?", "iisss", (int64_t)to, ended ? now : (int64_t)0, result, error, j->id);
    if (rc == GLIM_OK) rc = glim_outbox_add(db, now, &(glim_event){"glim", "job.rest", j->id, j->tenant, detail}, err);
    return rc;
}

static const char *const gave_up = "{\"code\": \"interrupted\", \"message\": \"the job was interrupted too often\"}";

glim_status glim_job_finish_in(glim_db *db, const char *id, glim_job_state to, const char *result, const char *error, int64_t now, glim_err *err) {
    glim_job j;
    glim_status rc = must_run(db, id, &j, err);
    if (rc != GLIM_OK) return rc;
    /* A wish that came while it was given back is not lost. */
    if (to == GLIM_JOB_QUEUED && j.wish == GLIM_WISH_PAUSE) to = GLIM_JOB_PAUSED;
    if ((to == GLIM_JOB_QUEUED || to == GLIM_JOB_PAUSED) && j.wish == GLIM_WISH_CANCEL) to = GLIM_JOB_CANCELLED;
    if (to == GLIM_JOB_QUEUED && j.attempts >= j.max_attempts) {
        to = GLIM_JOB_FAILED;
        if (!error) error = gave_up;
    }
    rc = rest(db, &j, to, result, error, now, err);
    glim_job_deinit(&j);
    return rc;
}

static glim_status finish(glim_db *db, void *ctx, glim_err *err) {
    const job_ctx *c = ctx;
    return glim_job_finish_in(db, c->id, c->to, c->text, c->text2, c->now, err);
}

glim_status glim_job_finish(glim_store *s, const char *id, glim_job_state state, const char *result, const char *error, glim_err *err) {
    GLIM_ASSERT(state != GLIM_JOB_RUNNING);
    glim_status rc = check_json(result, "result", err);
    if (rc == GLIM_OK) rc = check_json(error, "error", err);
    if (rc != GLIM_OK) return rc;
    return change(s, finish, &(job_ctx){.id = id, .to = state, .text = result, .text2 = error, .now = glim_store_now_us(s)}, err);
}

/* ---- wishes ---- */

static glim_status wish(glim_db *db, void *ctx, glim_err *err) {
    job_ctx *c = ctx;
    glim_job j;
    glim_status rc = one(db, c->tenant, c->id, &j, err);
    if (rc != GLIM_OK) return rc;
    const char *action = c->to == GLIM_JOB_CANCELLED ? "job.cancel" : c->to == GLIM_JOB_PAUSED ? "job.pause" : "job.resume";
    bool waits = j.state == GLIM_JOB_QUEUED || j.state == GLIM_JOB_PAUSED;
    if (j.state == c->to && c->to != GLIM_JOB_QUEUED) goto done; /* it is so already */
    const bool take_back = c->to == GLIM_JOB_QUEUED && j.state == GLIM_JOB_RUNNING && j.wish == GLIM_WISH_PAUSE; /* it has not stopped yet */
    if (c->to == GLIM_JOB_QUEUED ? j.state != GLIM_JOB_PAUSED && !take_back : !waits && j.state != GLIM_JOB_RUNNING) {
        rc = glim_fail(err, GLIM_E_STATE, "job \"%.80s\" is %s", c->id, glim_job_state_name(j.state));
        goto done;
    }
    rc = glim_outbox_add(db, c->now, &(glim_event){c->actor, action, j.id, j.tenant, ""}, err);
    if (rc != GLIM_OK) goto done;
    if (take_back) rc = glim_db_run(db, err, "UPDATE jobs SET wish = 0 WHERE id = ?", "s", j.id);
    else if (waits) rc = rest(db, &j, c->to, NULL, NULL, c->now, err);
    else if (c->to == GLIM_JOB_CANCELLED || j.wish != GLIM_WISH_CANCEL) /* a pause does not take a cancel back */
        rc = glim_db_run(db, err, "UPDATE jobs SET wish = ? WHERE id = ?", "is",
                         (int64_t)(c->to == GLIM_JOB_CANCELLED ? GLIM_WISH_CANCEL : GLIM_WISH_PAUSE), j.id);
done:
    glim_job_deinit(&j);
    return rc;
}

static glim_status ask_for(glim_store *s, const char *tenant, const char *id, const char *actor, glim_job_state to, glim_err *err) {
    return change(s, wish, &(job_ctx){.tenant = tenant, .id = id, .actor = actor, .to = to, .now = glim_store_now_us(s)}, err);
}
glim_status glim_job_cancel(glim_store *s, const char *tenant, const char *id, const char *actor, glim_err *err) {
    return ask_for(s, tenant, id, actor, GLIM_JOB_CANCELLED, err);
}
glim_status glim_job_pause(glim_store *s, const char *tenant, const char *id, const char *actor, glim_err *err) {
    return ask_for(s, tenant, id, actor, GLIM_JOB_PAUSED, err);
}
glim_status glim_job_resume(glim_store *s, const char *tenant, const char *id, const char *actor, glim_err *err) {
    return ask_for(s, tenant, id, actor, GLIM_JOB_QUEUED, err);
}

/* ---- events ---- */

typedef struct tell_ctx {
    const char *id;
    glim_job_event e;
} tell_ctx;

static glim_status tell(glim_db *db, void *ctx, glim_err *err) {
    tell_ctx *t = ctx;
    int64_t there;
    glim_status rc = glim_db_int(db, &there, 0, err, "SELECT 1 FROM jobs WHERE id = ?", "s", t->id);
    if (rc == GLIM_OK && !there) return not_found(t->id, err);
    return rc == GLIM_OK ? put_event(db, t->id, t->e.time_us, &t->e, err) : rc;
}

glim_status glim_job_tell(glim_store *s, const char *id, const char *level, const char *message, const char *data, glim_err *err) {
    glim_status rc = check_json(data, "event", err);
    if (rc == GLIM_OK) rc = check_json(message, "message", err);
    if (rc != GLIM_OK) return rc;
    return glim_store_run(s, tell, &(tell_ctx){id, {0, glim_store_now_us(s), level, message, data}}, err);
}

static glim_status events(glim_db *db, void *ctx, glim_err *err) {
    list_ctx *l = ctx;
    glim_db_row *r;
    bool more = true;
    int64_t n = 0;
    glim_status rc = glim_db_query(db, &r, err,
                                   "SELECT id, time, level, message, data FROM job_events WHERE job = ? AND id < ? ORDER BY id DESC", "si",
                                   l->id, l->before ? l->before : INT64_MAX);
    while (rc == GLIM_OK && (rc = glim_db_next(db, r, &more, err)) == GLIM_OK && more) {
        if (n++ == l->limit) {
            *l->has_more = true;
            break;
        }
        glim_job_event e = {glim_db_i64(r, 0), glim_db_i64(r, 1), glim_db_text(r, 2), glim_db_text(r, 3), glim_db_text(r, 4)};
        if (!l->event_fn(l->ctx, &e)) break;
    }
    if (more) glim_db_rest(r);
    return rc;
}

glim_status glim_job_events(glim_store *s, const char *id, int64_t before, int64_t limit, glim_job_event_fn fn, void *ctx, bool *has_more,
                            glim_err *err) {
    *has_more = false;
    return glim_store_read(s, events, &(list_ctx){.id = id, .before = before, .limit = limit, .event_fn = fn, .ctx = ctx,
                                                  .has_more = has_more}, err);
}

/* ---- recovery ---- */

static glim_status recover(glim_db *db, void *ctx, glim_err *err) {
    job_ctx *c = ctx;
    for (bool more = true; more;) { /* each turn brings one of them to rest */
        glim_db_row *r;
        glim_job j;
        glim_status rc = glim_db_query(db, &r, err, "SELECT " COLUMNS " FROM jobs WHERE state = 1 AND max_attempts > 0 ORDER BY seq LIMIT 1", "");
        if (rc == GLIM_OK) rc = glim_db_next(db, r, &more, err);
        if (rc != GLIM_OK || !more) return rc;
        rc = from_row(&j, r, err);
        glim_db_rest(r);
        if (rc != GLIM_OK) return rc;
        bool over = j.attempts >= j.max_attempts;
        glim_job_state to = j.wish == GLIM_WISH_CANCEL ? GLIM_JOB_CANCELLED
                            : j.wish == GLIM_WISH_PAUSE ? GLIM_JOB_PAUSED
                            : over ? GLIM_JOB_FAILED : GLIM_JOB_QUEUED;
        rc = rest(db, &j, to, NULL, to == GLIM_JOB_FAILED ? gave_up : NULL, c->now, err);
        glim_job_deinit(&j);
        if (rc != GLIM_OK) return rc;
    }
    return GLIM_OK;
}

glim_status glim_job_recover(glim_store *s, glim_err *err) {
    glim_status rc = glim_store_transact(s, recover, &(job_ctx){.now = glim_store_now_us(s)}, err);
    if (rc == GLIM_OK) glim_job_recount(s);
    return rc;
}
