/* tuned.c - see tuned.h. */
#include "store/tuned.h"

#include <stdio.h>
#include <string.h>

#include "store/jobs_internal.h"
#include "store/outbox.h"

typedef struct tuned_ctx {
    glim_tuned *t;
    const char *tenant, *job, *name, *actor, *result;
    glim_tuned_fn fn;
    void *ctx;
    int64_t now;
} tuned_ctx;

static glim_status put(glim_db *db, void *ctx, glim_err *err) {
    const tuned_ctx *c = ctx;
    const glim_tuned *t = c->t;
    glim_status rc = glim_db_run(db, err,
                                 "INSERT INTO tuned(name, tenant, job, base, folder, config, weights, created) VALUES(?, ?, ?, ?, ?, ?, ?, ?) "
                                 "ON CONFLICT(name) DO UPDATE SET folder = excluded.folder, config = excluded.config, weights = excluded.weights",
                                 "sssssssi", t->name, t->tenant, t->job, t->base, t->folder, t->config, t->weights, t->created_us);
    if (rc == GLIM_OK) rc = glim_outbox_add(db, c->now, &(glim_event){"glim", "model.tuned", t->name, t->tenant, ""}, err);
    return rc;
}

static glim_status put_and_finish(glim_db *db, void *ctx, glim_err *err) {
    const tuned_ctx *c = ctx;
    glim_status rc = glim_job_finish_in(db, c->t->job, GLIM_JOB_SUCCEEDED, c->result, NULL, c->now, err);
    return rc == GLIM_OK ? put(db, ctx, err) : rc;
}

glim_status glim_tuned_put(glim_store *s, glim_tuned *t, glim_err *err) {
    t->created_us = glim_store_now_us(s);
    return glim_store_run(s, put, &(tuned_ctx){.t = t, .now = t->created_us}, err);
}

glim_status glim_tuned_finish(glim_store *s, glim_tuned *t, const char *result, glim_err *err) {
    if (strlen(result) > GLIM_JOB_TEXT) return glim_fail(err, GLIM_E_LIMIT, "result of a job: got %zu bytes, want at most %d", strlen(result), (int)GLIM_JOB_TEXT);
    t->created_us = glim_store_now_us(s);
    glim_status rc = glim_store_run(s, put_and_finish, &(tuned_ctx){.t = t, .result = result, .now = t->created_us}, err);
    if (rc == GLIM_OK) glim_job_recount(s);
    return rc;
}

static void copy(char *to, size_t cap, glim_db_row *r, int col) { snprintf(to, cap, "%s", glim_db_text(r, col)); }

static glim_status list(glim_db *db, void *ctx, glim_err *err) {
    const tuned_ctx *c = ctx;
    glim_db_row *r;
    bool more = true;
    glim_status rc = glim_db_query(db, &r, err,
                                   "SELECT name, tenant, job, base, folder, config, weights, created FROM tuned "
                                   "WHERE (?1 IS NULL OR tenant = ?1) AND (?2 IS NULL OR job = ?2) ORDER BY rowid", "ss", c->tenant, c->job);
    while (rc == GLIM_OK && (rc = glim_db_next(db, r, &more, err)) == GLIM_OK && more) {
        glim_tuned t = {.created_us = glim_db_i64(r, 7)};
        copy(t.name, sizeof t.name, r, 0);
        copy(t.tenant, sizeof t.tenant, r, 1);
        copy(t.job, sizeof t.job, r, 2);
        copy(t.base, sizeof t.base, r, 3);
        copy(t.folder, sizeof t.folder, r, 4);
        copy(t.config, sizeof t.config, r, 5);
        copy(t.weights, sizeof t.weights, r, 6);
        if (!c->fn(c->ctx, &t)) break;
    }
    if (rc == GLIM_OK && more) glim_db_rest(r);
    return rc;
}

glim_status glim_tuned_list(glim_store *s, const char *tenant, const char *job, glim_tuned_fn fn, void *ctx, glim_err *err) {
    return glim_store_read(s, list, &(tuned_ctx){.tenant = tenant, .job = job, .fn = fn, .ctx = ctx}, err);
}

static glim_status drop(glim_db *db, void *ctx, glim_err *err) {
    const tuned_ctx *c = ctx;
    glim_status rc = glim_db_run(db, err, "DELETE FROM tuned WHERE name = ?", "s", c->name);
    if (rc == GLIM_OK && glim_db_changes(db) == 0) return glim_fail(err, GLIM_E_NOT_FOUND, "there is no model \"%.200s\"", c->name);
    if (rc == GLIM_OK) rc = glim_outbox_add(db, c->now, &(glim_event){c->actor, "model.delete", c->name, "", ""}, err);
    return rc;
}

glim_status glim_tuned_delete(glim_store *s, const char *name, const char *actor, glim_err *err) {
    return glim_store_run(s, drop, &(tuned_ctx){.name = name, .actor = actor, .now = glim_store_now_us(s)}, err);
}
