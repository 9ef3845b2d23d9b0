/* told.c - see told.h. */
#include "cli/told.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "cli/folder.h"
#include "serve/jobs_step.h"
#include "serve/tune_ask.h"
#include "store/jobs.h"

enum { EVENTS = 64 }; /* of one transaction */
static const double EVERY_S = 0.5; /* between two of them: each is an fsync */

struct glim_told {
    glim_store *store;
    char id[GLIM_STORE_ID + 1];
    FILE *lines;       /* OUT/metrics.jsonl as far as it was told; NULL: not opened yet */
    char *path;
    json_t *progress;
    glim_job_event events[EVENTS];
    size_t n_events, told, n_steps;
    double noted;
    bool stop, silent; /* silent: the store took nothing, which was logged */
};

static void trouble(glim_told *t, const glim_err *err) {
    if (!t->silent) glim_log(GLIM_WARN, "tune", "this run is not told to the data folder: %s", err->msg);
    t->silent = true;
}

/* ---- beginning ---- */

static const char *name_of(const char *path) {
    const char *slash = path ? strrchr(path, '/') : NULL;
    return slash && slash[1] ? slash + 1 : path;
}

static char *spec_of(const glim_told_params *p) {
    glim_buf b = {0};
    json_t *spec = json_pack("{s:s, s:s, s:s?, s:n, s:I, s:{s:s, s:{}}, s:s}", "model", name_of(p->model), "training_file", name_of(p->data),
                             "validation_file", name_of(p->held), "suffix", "seed", (json_int_t)(p->seed & INT32_MAX), "method", "type", p->method,
                             "hyperparameters", "by", "hand");
    glim_json_dump_py(&b, spec, -1, false);
    json_decref(spec);
    return b.s;
}

static void read_again(glim_told *t, const glim_job *j) {
    json_t *v = NULL;
    if (*j->progress) glim_json_parse(&v, j->progress, strlen(j->progress), 0, NULL);
    t->progress = json_is_object(v) ? v : json_object();
    t->told = (size_t)json_integer_value(json_object_get(t->progress, "step"));
    json_object_set_new(t->progress, "phase", json_string("running"));
    json_object_set_new(t->progress, "steps", json_integer((json_int_t)t->n_steps));
}

glim_told *glim_told_begin(const glim_told_params *p) {
    glim_err err = {0};
    glim_told *t = glim_xcalloc(1, sizeof *t);
    char *note = glim_path_join(p->out, "job"), *spec = NULL;
    glim_buf again = {0};
    glim_job j = {0};
    t->n_steps = p->n_steps;
    t->path = glim_path_join(p->out, "metrics.jsonl");
    glim_status rc = glim_store_open(&t->store, p->dir, &(glim_store_params){.role = GLIM_STORE_GUEST, .must_exist = true, .no_migrate = true}, &err);
    if (rc == GLIM_E_NOT_FOUND && !p->dir) { /* no data folder: nobody asked for one */
        glim_told_end(t, GLIM_OK, NULL, NULL);
        free(note);
        return NULL;
    }
    if (rc == GLIM_OK && p->resume && glim_path_exists(note)) rc = glim_file_read(&again, note, GLIM_STORE_ID, &err);
    if (rc == GLIM_OK) {
        const glim_job_params jp = {.id_prefix = "ftjob-", .tenant = "local", .key = "local", .kind = GLIM_TUNE_KIND, .spec = spec = spec_of(p),
                                    .actor = glim_cli_actor()};
        rc = glim_job_enter(t->store, &jp, again.len ? again.s : NULL, &j, &err);
    }
    if (rc == GLIM_OK) rc = glim_file_write_atomic(note, j.id, strlen(j.id), &err);
    if (rc == GLIM_OK) {
        memcpy(t->id, j.id, sizeof t->id);
        read_again(t, &j);
    } else {
        trouble(t, &err);
    }
    glim_job_deinit(&j);
    glim_buf_free(&again);
    free(spec);
    free(note);
    return t;
}

/* ---- telling ---- */

static void put(glim_told *t, const char *level, const char *message, json_t *data) {
    glim_buf b = {0};
    if (data) glim_json_dump_py(&b, data, -1, false);
    json_decref(data);
    t->events[t->n_events++] = (glim_job_event){.level = level, .message = glim_xstrdup(message), .data = b.len && !b.failed ? glim_xstrdup(b.s) : NULL};
    glim_buf_free(&b);
}

static void report(glim_told *t) {
    glim_buf b = {0};
    glim_err err = {0};
    glim_job_wish wish;
    glim_json_dump_py(&b, t->progress, -1, false);
    const glim_status rc = glim_job_report(t->store, t->id, glim_buf_cstr(&b), t->events, t->n_events, true, &wish, &err);
    if (rc == GLIM_OK) t->stop = wish != GLIM_WISH_GO_ON;
    else trouble(t, &err);
    for (size_t i = 0; i < t->n_events; i++) {
        free((char *)(uintptr_t)t->events[i].message);
        free((char *)(uintptr_t)t->events[i].data);
    }
    t->n_events = 0;
    t->noted = glim_now_s();
    glim_buf_free(&b);
}

/* Lines behind the last one that was told: those of this process, and of a killed one that had not come to telling. */
static void read_lines(glim_told *t, size_t upto) {
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    if (!t->lines) t->lines = fopen(t->path, "re");
    while (t->lines && t->told < upto && (n = getline(&line, &cap, t->lines)) > 0) {
        json_t *v = NULL;
        if (glim_json_parse(&v, line, (size_t)n, 0, NULL) != GLIM_OK) break;
        const size_t step = (size_t)json_integer_value(json_object_get(v, "step"));
        if (step > t->told) {
            char text[GLIM_JOB_STEP_TEXT];
            t->told = step;
            glim_job_step_progress(t->progress, v, step);
            if (glim_job_step_told(v, step, t->n_steps)) {
                json_t *data = glim_job_step_event(v, step, t->n_steps, text);
                put(t, "info", text, data);
            }
        }
        json_decref(v);
        if (t->n_events >= EVENTS - 2) report(t);
    }
    free(line);
}

bool glim_told_step(glim_told *t, size_t step) {
    if (!t || t->silent) return true;
    if (glim_now_s() - t->noted < EVERY_S) return true;
    read_lines(t, step);
    report(t);
    return !t->stop;
}

void glim_told_end(glim_told *t, glim_status rc, const glim_err *err, const glim_tune_result *result) {
    if (!t) return;
    if (t->store && !t->silent && t->id[0]) {
        glim_err why = {0};
        glim_buf b = {0};
        read_lines(t, SIZE_MAX);
        report(t);
        const glim_job_state to = rc == GLIM_OK ? GLIM_JOB_SUCCEEDED : rc == GLIM_E_CANCELLED ? GLIM_JOB_CANCELLED : GLIM_JOB_FAILED;
        json_t *v = rc == GLIM_OK && result ? json_pack("{s:I}", "trained_tokens", (json_int_t)result->n_tokens)
                                            : json_pack("{s:s, s:s}", "code", "training_failed", "message", err ? err->msg : "");
        glim_json_dump_py(&b, v, -1, false);
        json_decref(v);
        if (glim_job_finish(t->store, t->id, to, rc == GLIM_OK ? b.s : NULL, to == GLIM_JOB_FAILED ? b.s : NULL, &why) != GLIM_OK) trouble(t, &why);
        glim_buf_free(&b);
    }
    if (t->lines) fclose(t->lines);
    json_decref(t->progress);
    glim_store_close(t->store);
    free(t->path);
    free(t);
}
