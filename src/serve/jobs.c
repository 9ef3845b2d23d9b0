/* jobs.c - see jobs.h: the thread that claims jobs, follows their process and brings them to rest. */
#include "serve/jobs.h"
#include "serve/jobs_step.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "serve/shelf.h"
#include "serve/tune_ask.h"
#include "store/blobs.h"

enum {
    EVENTS_KEPT = 4000, /* that could not be told yet */
    CKPTS_KEPT = 3,     /* adapters of a run's way; older ones go */
    RETRY_MS = 2000     /* while the store takes nothing (a full disk) */
};
static const double NOTE_S = 0.1; /* between two notes of progress: each is an fsync, shared with the ledger's */

struct glim_jobs {
    glim_server *s;
    pthread_t thread;
    int bell;
    _Atomic bool draining, busy;
    _Atomic double kill_at; /* what still trains then is ended */
    atomic_uint_least64_t steps, tokens; /* trained since the server began */
};

typedef struct running {
    glim_server *s;
    struct glim_jobs *q;
    glim_job j;
    json_t *spec, *progress;
    char *dir, *run;
    glim_job_child child;
    glim_job_event *events; /* not yet told; texts are ours */
    size_t n_events, cap_events;
    size_t told, n_steps, export_every; /* told: the last step that was noted */
    json_t *end, *error;    /* what the process said last */
    glim_job_wish wish;
    bool changed, moved, asked, killed; /* the last two: to save and stop; by us */
    double noted, kill_at;
} running;

/* ---- telling ---- */

static void tell(running *r, const char *level, json_t *data, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
static void tell(running *r, const char *level, json_t *data, const char *fmt, ...) {
    char text[600];
    glim_buf b = {0};
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (data) glim_json_dump_py(&b, data, -1, false);
    json_decref(data);
    if (r->n_events == r->cap_events) {
        r->cap_events = r->cap_events ? 2 * r->cap_events : 16;
        r->events = glim_xrealloc(r->events, r->cap_events * sizeof *r->events);
    }
    r->events[r->n_events++] = (glim_job_event){.level = level, .message = glim_xstrdup(text), .data = b.len && !b.failed ? glim_xstrdup(b.s) : NULL};
    glim_buf_free(&b);
    r->changed = true;
}

static void forget_events(running *r) {
    for (size_t i = 0; i < r->n_events; i++) {
        free((char *)(uintptr_t)r->events[i].message);
        free((char *)(uintptr_t)r->events[i].data);
    }
    r->n_events = 0;
}

/* What there is to tell goes into the store; what is wished comes back. What cannot be told now is told later. */
static void report(running *r) {
    glim_buf b = {0};
    glim_err err = {0};
    json_object_set_new(r->progress, "told", json_integer((json_int_t)r->told));
    glim_json_dump_py(&b, r->progress, -1, false);
    glim_status rc = b.failed ? GLIM_E_NOMEM : glim_job_report(r->s->store, r->j.id, b.s, r->events, r->n_events, r->moved, &r->wish, &err);
    glim_buf_free(&b);
    r->noted = glim_now_s() + (rc == GLIM_OK ? 0 : RETRY_MS / 1e3);
    if (rc == GLIM_OK) {
        forget_events(r);
        r->changed = r->moved = false;
    } else {
        glim_log(GLIM_ERROR, "jobs", "progress of %s could not be noted: %s", r->j.id, err.msg);
        if (rc == GLIM_E_STATE || r->n_events > EVENTS_KEPT) forget_events(r); /* it no longer runs, or too much waits */
    }
}

static void set(running *r, const char *key, json_t *v) {
    json_object_set_new(r->progress, key, v);
    r->changed = true;
}

static void phase(running *r, const char *word) { set(r, "phase", json_string(word)); }

/* ---- steps and checkpoints ---- */

static json_t *checkpoints(running *r) {
    json_t *list = json_object_get(r->progress, "checkpoints");
    if (!list) json_object_set_new(r->progress, "checkpoints", list = json_array());
    return list;
}

static void put_number(json_t *o, const char *key, const json_t *v) {
    if (json_is_number(v)) json_object_set(o, key, (json_t *)v);
}

static void add_checkpoint(running *r, size_t step, const char *model, const json_t *line) {
    json_t *metrics = json_pack("{s:I}", "step", (json_int_t)step), *list = checkpoints(r);
    char id[GLIM_STORE_ID + 40];
    snprintf(id, sizeof id, "ftckpt-%s-%zu", strchr(r->j.id, '-') ? strchr(r->j.id, '-') + 1 : r->j.id, step);
    for (size_t i = json_array_size(list); i > 0; i--) /* a resumed run comes by again */
        if (json_integer_value(json_object_get(json_array_get(list, i - 1), "step_number")) == (json_int_t)step) json_array_remove(list, i - 1);
    put_number(metrics, "train_loss", json_object_get(line, "loss"));
    put_number(metrics, "train_mean_token_accuracy", json_object_get(line, "accuracy"));
    put_number(metrics, "valid_loss", json_object_get(line, "eval_loss"));
    put_number(metrics, "full_valid_loss", json_object_get(line, "eval_loss"));
    json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:s, s:s, s:I, s:o}", "id", id, "object", "fine_tuning.job.checkpoint", "created_at",
                                          (json_int_t)(glim_store_now_us(r->s->store) / 1000000), "fine_tuned_model_checkpoint", model,
                                          "fine_tuning_job_id", r->j.id, "step_number", (json_int_t)step, "metrics", metrics));
    r->changed = true;
}

static void name_model(const running *r, glim_tuned *t, size_t step) {
    *t = (glim_tuned){0};
    glim_job_model_name(t->name, sizeof t->name, &r->j, r->spec, step);
    memcpy(t->tenant, r->j.tenant, sizeof t->tenant);
    memcpy(t->job, r->j.id, sizeof t->job);
    snprintf(t->base, sizeof t->base, "%s", json_string_value(json_object_get(r->spec, "model")));
    if (step) snprintf(t->folder, sizeof t->folder, "jobs/%s/run/step-%zu", r->j.id, step);
    else snprintf(t->folder, sizeof t->folder, "jobs/%s/run", r->j.id);
}

static void drop_oldest(running *r) {
    json_t *list = checkpoints(r);
    glim_tuned t;
    if (json_array_size(list) <= CKPTS_KEPT) return;
    name_model(r, &t, (size_t)json_integer_value(json_object_get(json_array_get(list, 0), "step_number")));
    json_array_remove(list, 0);
    if (glim_tuned_delete(r->s->store, t.name, "glim", NULL) != GLIM_OK) return;
    glim_shelf_take(r->s, t.name);
    char *folder = glim_path_join(glim_store_dir(r->s->store), t.folder);
    glim_jobs_remove(folder);
    free(folder);
}

static void take_checkpoint(running *r, size_t step, const json_t *line) {
    glim_tuned t;
    glim_err err = {0};
    name_model(r, &t, step);
    char *folder = glim_path_join(glim_store_dir(r->s->store), t.folder);
    if (!glim_path_is_dir(folder)) glim_fail(&err, GLIM_E_NOT_FOUND, "\"%s\" is not there", folder);
    else glim_tuned_put(r->s->store, &t, &err);
    free(folder);
    if (err.code != GLIM_OK) {
        glim_log(GLIM_ERROR, "jobs", "checkpoint %zu of %s is left out: %s", step, r->j.id, err.msg);
        return;
    }
    glim_shelf_put(r->s, &t);
    add_checkpoint(r, step, t.name, line);
    tell(r, "info", json_pack("{s:I, s:s}", "checkpoint_step", (json_int_t)step, "model", t.name), "Checkpoint created at step %zu", step);
    drop_oldest(r);
}

/* A step that was not noted before: a line of metrics.jsonl, or the event about it. */
static void take_step(running *r, size_t step, const json_t *line) {
    atomic_fetch_add(&r->q->steps, 1);
    atomic_fetch_add(&r->q->tokens, (uint64_t)json_integer_value(json_object_get(line, "tokens")));
    r->told = step;
    r->moved = r->changed = true;
    glim_job_step_progress(r->progress, line, step);
    if (glim_job_step_told(line, step, r->n_steps)) {
        char text[GLIM_JOB_STEP_TEXT];
        json_t *data = glim_job_step_event(line, step, r->n_steps, text);
        tell(r, "info", data, "%s", text);
    }
    if (r->export_every && step % r->export_every == 0 && step < r->n_steps) take_checkpoint(r, step, line);
}

/* Steps that were done when the last server was killed, but not noted. */
static void catch_up(running *r, size_t upto) {
    char *path = glim_path_join(r->run, "metrics.jsonl"), *line = NULL;
    FILE *f = fopen(path, "re");
    size_t cap = 0, step = 0;
    ssize_t n;
    free(path);
    while (f && step < upto && (n = getline(&line, &cap, f)) > 0) {
        json_t *v = NULL;
        if (glim_json_parse(&v, line, (size_t)n, 0, NULL) != GLIM_OK) break;
        step = (size_t)json_integer_value(json_object_get(v, "step"));
        if (step > r->told && step <= upto) take_step(r, step, v);
        json_decref(v);
    }
    free(line);
    if (f) fclose(f);
}

/* ---- what the process says ---- */

static void take_plan(running *r, const json_t *e) {
    r->n_steps = (size_t)json_integer_value(json_object_get(e, "steps"));
    r->export_every = (size_t)json_integer_value(json_object_get(e, "export_every"));
    set(r, "steps", json_incref(json_object_get(e, "steps")));
    phase(r, "running");
    if (r->told == 0)
        tell(r, "info", json_incref((json_t *)e), "Fine-tuning job started: %zu steps over %lld examples, %.0f MiB planned", r->n_steps,
             (long long)json_integer_value(json_object_get(e, "examples")), json_number_value(json_object_get(e, "bytes")) / 1048576);
    else tell(r, "info", NULL, "Fine-tuning job goes on behind step %zu", r->told);
}

static void take_line(void *ctx, const char *line, size_t n) {
    running *r = ctx;
    json_t *e = NULL;
    if (glim_json_parse(&e, line, n, 0, NULL) != GLIM_OK || !json_is_object(e)) {
        json_decref(e);
        return;
    }
    const char *what = json_string_value(json_object_get(e, "event"));
    if (!what) what = "";
    if (strcmp(what, "step") == 0) {
        const size_t step = (size_t)json_integer_value(json_object_get(e, "step"));
        if (step > r->told + 1) catch_up(r, step - 1);
        if (step > r->told) take_step(r, step, e);
        set(r, "estimated_finish", json_integer(glim_store_now_us(r->s->store) / 1000000 + (json_int_t)ceil(json_number_value(json_object_get(e, "eta_s")))));
    } else if (strcmp(what, "plan") == 0) {
        take_plan(r, e);
    } else if (strcmp(what, "data") == 0) {
        const char *said = json_string_value(json_object_get(e, "summary"));
        if (r->told == 0) tell(r, "info", NULL, "%s file read: %.400s", json_is_true(json_object_get(e, "training")) ? "Training" : "Validation", said ? said : "");
    } else if (strcmp(what, "end") == 0) {
        json_decref(r->end);
        r->end = json_incref(e);
    } else if (strcmp(what, "error") == 0) {
        json_decref(r->error);
        r->error = json_incref(e);
    }
    json_decref(e);
}

/* ---- before it runs ---- */

static glim_status link_one(running *r, const char *stem, const char *hash_key, const char *name_key, glim_err *err) {
    const char *hash = json_string_value(json_object_get(r->spec, hash_key));
    char link_name[32];
    if (!hash) return GLIM_OK;
    char *to = glim_path_join(r->dir, glim_job_link_name(link_name, stem, json_string_value(json_object_get(r->spec, name_key))));
    char *from = glim_blob_path(glim_store_dir(r->s->store), hash);
    glim_status rc = GLIM_OK;
    if (!glim_path_exists(to) && link(from, to) != 0) {
        if (errno == ENOENT) rc = glim_fail(err, GLIM_E_NOT_FOUND, "the %s file was deleted before the job ran", stem);
        else rc = glim_fail_errno(err, GLIM_E_IO, errno, "could not link the %s file", stem);
    }
    free(from);
    free(to);
    return rc;
}

static json_t *error_json(const char *code, const char *param, const char *message) {
    return json_pack("{s:s, s:s, s:s?}", "code", code, "message", message, "param", param);
}

/* A job that goes on begins where it was, with the very model that it had. One that has not begun takes what is there. */
static bool same_model(running *r) {
    char now[32];
    const char *before = json_string_value(json_object_get(r->progress, "model_sum"));
    snprintf(now, sizeof now, "%016llx", (unsigned long long)(r->s->p.tuner.sum ? r->s->p.tuner.sum(r->s->p.tuner.model) : 0));
    if (before && strcmp(before, now) != 0 && r->told > 0) {
        r->error = error_json("model_changed", "model", "the base model's files were replaced after the job had begun; begin it anew");
        return false;
    }
    set(r, "model_sum", json_string(now));
    return true;
}

static bool prepare(running *r) {
    glim_err err = {0};
    if (!same_model(r)) return false;
    glim_status rc = glim_mkdirs(r->run, &err);
    const char *param = NULL;
    if (rc == GLIM_OK && (rc = link_one(r, "training", "training_sha256", "training_name", &err)) != GLIM_OK) param = "training_file";
    if (rc == GLIM_OK && (rc = link_one(r, "validation", "validation_sha256", "validation_name", &err)) != GLIM_OK) param = "validation_file";
    if (rc == GLIM_OK) {
        glim_job_args a;
        glim_job_args_make(&a, r->s, r->spec);
        rc = glim_job_child_start(&r->child, r->dir, r->s->p.tuner.program, a.argv, &err);
        glim_job_args_free(&a);
    }
    if (rc != GLIM_OK) r->error = error_json(rc == GLIM_E_NOT_FOUND ? "file_not_found" : "storage_failed", param, err.msg);
    return rc == GLIM_OK;
}

/* ---- while it runs ---- */

static void look_for_wishes(running *r) {
    glim_job j;
    if (glim_job_get(r->s->store, NULL, r->j.id, &j, NULL) != GLIM_OK) return;
    if (j.state == GLIM_JOB_RUNNING) r->wish = j.wish;
    glim_job_deinit(&j);
}

static void steer(running *r) {
    const bool drain = atomic_load(&r->q->draining);
    const double now = glim_now_s();
    if (r->killed) return;
    if (r->wish == GLIM_WISH_CANCEL || (drain && now > atomic_load(&r->q->kill_at)) || (r->asked && r->wish == GLIM_WISH_PAUSE && now > r->kill_at)) {
        r->killed = true;
        kill(r->child.pid, SIGKILL);
    } else if (!r->asked && (drain || r->wish == GLIM_WISH_PAUSE)) {
        r->asked = true;
        r->kill_at = now + 60;
        kill(r->child.pid, SIGTERM); /* it saves after the step that it is in, and ends */
    }
}

static void follow(running *r) {
    for (bool open = true; open;) {
        struct pollfd p[2] = {{.fd = r->child.out, .events = POLLIN}, {.fd = r->q->bell, .events = POLLIN}};
        (void)poll(p, 2, r->changed ? (int)(NOTE_S * 1000) : 500);
        uint64_t n;
        const bool rung = p[1].revents && read(r->q->bell, &n, sizeof n) == (ssize_t)sizeof n;
        if (p[0].revents) open = glim_job_child_read(&r->child, take_line, r);
        if (r->changed && glim_now_s() - r->noted >= NOTE_S) report(r);
        else if (rung || !p[0].revents) look_for_wishes(r);
        steer(r);
    }
}

/* ---- coming to rest ---- */

/* Until the store takes it: a job that is left as running is queued again by the next server, which loses nothing but time. */
static bool finish(running *r, glim_job_state state, const char *result, const json_t *error, glim_tuned *t) {
    glim_buf b = {0};
    bool ok = false;
    if (error) glim_json_dump_py(&b, error, -1, false);
    for (;;) {
        glim_err err = {0};
        glim_status rc = t ? glim_tuned_finish(r->s->store, t, result, &err) : glim_job_finish(r->s->store, r->j.id, state, result, error ? glim_buf_cstr(&b) : NULL, &err);
        ok = rc == GLIM_OK;
        if (ok || rc == GLIM_E_STATE || rc == GLIM_E_NOT_FOUND) break;
        glim_log(GLIM_ERROR, "jobs", "the end of %s could not be noted: %s", r->j.id, err.msg);
        if (atomic_load(&r->q->draining)) break;
        struct pollfd p = {.fd = r->q->bell, .events = POLLIN};
        uint64_t n;
        if (poll(&p, 1, RETRY_MS) > 0) (void)!read(r->q->bell, &n, sizeof n); /* or it would ring for ever */
    }
    glim_buf_free(&b);
    glim_log(GLIM_INFO, "jobs", "job %s %s", r->j.id, ok ? glim_job_state_name(t ? GLIM_JOB_SUCCEEDED : state) : "stays as it is");
    return ok;
}

static void fail(running *r) {
    const char *message = json_string_value(json_object_get(r->error, "message")), *hint = json_string_value(json_object_get(r->error, "hint"));
    const char *code = json_string_value(json_object_get(r->error, "code")), *param = json_string_value(json_object_get(r->error, "param"));
    char text[1200];
    if (code && strcmp(code, "not_enough_memory") == 0) hint = "fewer \"glim.max_tokens\" or a smaller \"glim.lora_rank\" need less";
    else if (hint && strstr(hint, "--")) hint = NULL; /* flags are not what the caller has */
    snprintf(text, sizeof text, "%.700s%s%.300s", message ? message : "training ended without a word", hint ? "; " : "", hint ? hint : "");
    json_t *e = error_json(code ? code : "training_failed", param, text);
    tell(r, "error", NULL, "The job failed: %.500s", text);
    report(r);
    if (finish(r, GLIM_JOB_FAILED, NULL, e, NULL)) glim_jobs_clear(r->s, r->j.id, false);
    json_decref(e);
}

static void succeed(running *r) {
    glim_tuned t;
    glim_err err = {0};
    json_t *files = json_array();
    name_model(r, &t, 0);
    glim_status rc = glim_job_keep_files(r->s, &r->j, files, t.config, t.weights, &err);
    if (rc != GLIM_OK) {
        json_decref(files);
        json_decref(r->error);
        r->error = error_json("storage_failed", NULL, err.msg);
        fail(r);
        return;
    }
    glim_buf b = {0};
    json_t *line = json_pack("{s:O?, s:O?}", "loss", json_object_get(r->progress, "train_loss"), "eval_loss", json_object_get(r->progress, "valid_loss"));
    add_checkpoint(r, r->told, t.name, line);
    json_decref(line);
    json_object_del(r->progress, "estimated_finish");
    json_t *result = json_pack("{s:s, s:o, s:O?, s:O?}", "fine_tuned_model", t.name, "result_files", files, "trained_tokens",
                               json_object_get(r->progress, "trained_tokens"), "sum", json_object_get(r->end, "sum"));
    glim_json_dump_py(&b, result, -1, false);
    json_decref(result);
    tell(r, "info", NULL, "New fine-tuned model created: %s", t.name);
    tell(r, "info", NULL, "The job has successfully completed");
    report(r);
    t.created_us = glim_store_now_us(r->s->store);
    glim_shelf_put(r->s, &t); /* first: who sees that it succeeded may ask for it at once */
    if (finish(r, GLIM_JOB_SUCCEEDED, glim_buf_cstr(&b), NULL, &t)) glim_jobs_clear(r->s, r->j.id, true);
    else glim_shelf_take(r->s, t.name);
    glim_buf_free(&b);
}

static void crashed(running *r, int status) {
    char text[300];
    const bool oom = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    if (oom) snprintf(text, sizeof text, "training was killed, most likely because memory ran out");
    else if (WIFSIGNALED(status)) snprintf(text, sizeof text, "training crashed (signal %d, %s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else snprintf(text, sizeof text, "training ended with code %d before its last step", WEXITSTATUS(status));
    glim_log(GLIM_ERROR, "jobs", "job %s: %s; its log is \"%s/log\"", r->j.id, text, r->dir);
    json_decref(r->error);
    r->error = error_json(oom ? "out_of_memory" : "training_crashed", NULL, text);
    char *log = glim_path_join(r->dir, "log"), *jobs = glim_path_join(glim_store_dir(r->s->store), "jobs"), *last = glim_path_join(jobs, "last-crash.log");
    (void)rename(log, last); /* the folder goes */
    free(last);
    free(jobs);
    free(log);
    fail(r);
}

/* A wish that came while a job was given back, or one attempt too many, ends it after all. */
static void clear_if_ended(const running *r) {
    glim_job j;
    if (glim_job_get(r->s->store, NULL, r->j.id, &j, NULL) != GLIM_OK) return;
    if (j.finished_us) glim_jobs_clear(r->s, r->j.id, false);
    glim_job_deinit(&j);
}

static void settle(running *r, int status) {
    /* SIGTERM is ours, or a service manager's that sends it to all of its processes: the job is given back in either case. */
    const bool stopped = (r->error && strcmp(json_string_value(json_object_get(r->error, "code")), "stopped") == 0) ||
                         (WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM); /* before it listened */
    if (r->wish != GLIM_WISH_CANCEL && r->end && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        catch_up(r, (size_t)json_integer_value(json_object_get(r->end, "steps")));
        succeed(r);
        return;
    }
    if (r->wish == GLIM_WISH_CANCEL) {
        tell(r, "info", NULL, "The job was cancelled");
        report(r);
        if (finish(r, GLIM_JOB_CANCELLED, NULL, NULL, NULL)) glim_jobs_clear(r->s, r->j.id, false);
    } else if (r->error && !stopped) {
        fail(r);
    } else if (stopped || r->killed) {
        const bool pause = r->wish == GLIM_WISH_PAUSE;
        phase(r, "waiting");
        tell(r, "info", NULL, "%s step %zu", pause ? "The job is paused behind" : atomic_load(&r->q->draining) ? "The server stops; the job waits behind" : "The job waits behind", r->told);
        report(r);
        if (finish(r, pause ? GLIM_JOB_PAUSED : GLIM_JOB_QUEUED, NULL, NULL, NULL)) clear_if_ended(r);
    } else {
        crashed(r, status);
    }
}

static json_t *parsed(const char *text) {
    json_t *v = NULL;
    if (text && *text) glim_json_parse(&v, text, strlen(text), 0, NULL);
    return json_is_object(v) ? v : json_object();
}

static void run_job(struct glim_jobs *q, const glim_job *j) {
    running r = {.s = q->s, .q = q, .j = *j, .spec = parsed(j->spec), .progress = parsed(j->progress), .dir = glim_jobs_dir(q->s, j->id)};
    r.run = glim_path_join(r.dir, "run");
    r.told = (size_t)json_integer_value(json_object_get(r.progress, "told"));
    glim_log(GLIM_INFO, "jobs", "job %s begins, attempt=%lld", j->id, (long long)j->attempts);
    phase(&r, "validating");
    if (j->attempts == 1 && r.told == 0) tell(&r, "info", NULL, "Validating training file: %.80s", json_string_value(json_object_get(r.spec, "training_file")));
    report(&r);
    int status = 0;
    if (prepare(&r)) {
        follow(&r);
        status = glim_job_child_wait(&r.child);
        look_for_wishes(&r);
    }
    settle(&r, status);
    forget_events(&r);
    free(r.events);
    json_decref(r.spec);
    json_decref(r.progress);
    json_decref(r.end);
    json_decref(r.error);
    free(r.dir);
    free(r.run);
}

/* ---- the thread ---- */

static void *jobs_main(void *ctx) {
    struct glim_jobs *q = ctx;
    glim_jobs_sweep(q->s);
    while (!atomic_load(&q->draining)) {
        glim_job j;
        glim_err err = {0};
        bool got = false;
        if (glim_job_claim(q->s->store, GLIM_TUNE_KIND, &j, &got, &err) != GLIM_OK) glim_log(GLIM_ERROR, "jobs", "no job can be taken: %s", err.msg);
        if (got) {
            atomic_store(&q->busy, true);
            run_job(q, &j);
            atomic_store(&q->busy, false);
            glim_job_deinit(&j);
            continue;
        }
        struct pollfd p = {.fd = q->bell, .events = POLLIN};
        uint64_t n;
        if (poll(&p, 1, RETRY_MS) > 0) (void)!read(q->bell, &n, sizeof n);
    }
    return NULL;
}

glim_status glim_jobs_open(glim_server *s, glim_err *err) {
    if (!s->p.tuner.program) return GLIM_OK;
    struct glim_jobs *q = glim_xcalloc(1, sizeof *q);
    q->s = s;
    q->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int e = q->bell < 0 ? errno : pthread_create(&q->thread, NULL, jobs_main, q);
    if (!e) {
        s->jobs = q;
        return GLIM_OK;
    }
    if (q->bell >= 0) close(q->bell);
    free(q);
    return glim_fail_errno(err, GLIM_E_NOMEM, e, "could not start the thread of fine-tuning jobs");
}

void glim_jobs_wake(glim_server *s) {
    uint64_t one = 1;
    if (s->jobs) (void)!write(s->jobs->bell, &one, sizeof one);
}

void glim_jobs_trained(const glim_server *s, uint64_t *steps, uint64_t *tokens) {
    *steps = s->jobs ? atomic_load(&s->jobs->steps) : 0;
    *tokens = s->jobs ? atomic_load(&s->jobs->tokens) : 0;
}

bool glim_jobs_busy(const glim_server *s) { return s->jobs && atomic_load(&s->jobs->busy); }

void glim_jobs_drain(glim_server *s, bool at_once) {
    if (!s->jobs) return;
    if (at_once) atomic_store(&s->jobs->kill_at, 0);
    else if (!atomic_load(&s->jobs->draining)) atomic_store(&s->jobs->kill_at, glim_now_s() + s->p.drain_s);
    atomic_store(&s->jobs->draining, true);
    glim_jobs_wake(s);
}

void glim_jobs_close(glim_server *s) {
    struct glim_jobs *q = s->jobs;
    if (!q) return;
    glim_jobs_drain(s, false);
    pthread_join(q->thread, NULL);
    close(q->bell);
    free(q);
    s->jobs = NULL;
}
