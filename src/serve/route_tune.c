/* route_tune.c - /v1/fine_tuning/jobs: create, list, show, cancel, pause, resume, events, checkpoints.
 *
 * A job is accepted when its files are there, their rows can be rendered for this model, and its memory could be had; then it
 * waits in the store's queue (kind "fine_tune", the specification of tune_ask.h) for jobs.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/alloc.h"
#include "serve/fields.h"
#include "serve/jobs.h"
#include "serve/query.h"
#include "serve/routes.h"
#include "serve/tune_ask.h"
#include "store/blobs.h"
#include "store/jobs.h"
#include "train/dp_ledger.h"
#include "train/tune.h"

enum { MAX_TOKENS = 2048, RANK = 16 }; /* where nothing else is asked for: glim tune's own */
enum { CHECK_BYTES = 4 << 20 }; /* of a training file are read before a job is accepted; the rest is the trainer's to judge */

static const char *tenant_seen(const glim_call *c) { return c->keyed && (c->key.scopes & GLIM_SCOPE_ADMIN) ? NULL : glim_call_tenant(c); }
static const char *actor(const glim_call *c) { return c->keyed ? c->key.id : GLIM_KEY_LOCAL; }

/* ---- a job as the API shows it ---- */

static json_t *parsed(const char *text) {
    json_t *v = NULL;
    if (text && *text) glim_json_parse(&v, text, strlen(text), 0, NULL);
    return v ? v : json_object();
}

static json_t *field_or_null(const json_t *o, const char *key) {
    json_t *v = json_object_get(o, key);
    return v ? json_incref(v) : json_null();
}

static json_t *time_or_null(int64_t us) { return us ? json_integer(us / 1000000) : json_null(); }

static const char *status_of(const glim_job *j, const json_t *progress) {
    const char *phase = json_string_value(json_object_get(progress, "phase"));
    switch (j->state) {
    case GLIM_JOB_RUNNING: return phase && strcmp(phase, "running") == 0 ? "running" : "validating_files";
    case GLIM_JOB_SUCCEEDED: return "succeeded";
    case GLIM_JOB_FAILED: return "failed";
    case GLIM_JOB_CANCELLED: return "cancelled";
    default: return "queued"; /* a paused one too: the API has no other word */
    }
}

static json_t *error_of(const glim_job *j) {
    if (j->state != GLIM_JOB_FAILED) return json_null();
    json_t *e = parsed(j->error);
    if (!json_object_get(e, "message")) json_object_set_new(e, "message", json_string("the job failed"));
    if (!json_object_get(e, "code")) json_object_set_new(e, "code", json_string("training_failed"));
    if (!json_object_get(e, "param")) json_object_set_new(e, "param", json_null());
    return e;
}

/* What was asked for, and of a private job what it has spent. */
static json_t *own_json(const json_t *own, const json_t *spec, const json_t *progress) {
    json_t *o = json_copy((json_t *)own), *set = json_object_get(spec, "privacy_set");
    if (!o || !set) return o;
    json_object_set(o, "privacy_set", set);
    json_object_set_new(o, "epsilon_spent", field_or_null(progress, "epsilon"));
    return o;
}

static json_t *job_json(const glim_job *j) {
    json_t *spec = parsed(j->spec), *progress = parsed(j->progress), *result = parsed(j->result);
    json_t *method = json_object_get(spec, "method"), *hyper = json_object_get(method, "hyperparameters"), *files = json_object_get(result, "result_files");
    const char *type = json_string_value(json_object_get(method, "type"));
    json_t *shown = json_pack("{s:s, s:{s:O?}}", "type", type ? type : "supervised", type ? type : "supervised", "hyperparameters", hyper);
    json_t *tokens = json_object_get(result, "trained_tokens");
    json_t *o = json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:s, s:o, s:s, s:o, s:o, s:o, s:O?, s:o, s:o, s:o, s:o, s:o, s:o, s:[]}", "id", j->id, "object",
                          "fine_tuning.job", "created_at", json_integer(j->created_us / 1000000), "finished_at", time_or_null(j->finished_us), "model",
                          field_or_null(spec, "model"), "fine_tuned_model", field_or_null(result, "fine_tuned_model"), "organization_id", j->tenant,
                          "result_files", files ? json_incref(files) : json_array(), "status", status_of(j, progress), "trained_tokens",
                          tokens ? json_incref(tokens) : field_or_null(progress, "trained_tokens"), "training_file", field_or_null(spec, "training_file"),
                          "validation_file", field_or_null(spec, "validation_file"), "hyperparameters", hyper, "seed", field_or_null(spec, "seed"), "error",
                          error_of(j), "method", shown, "metadata", field_or_null(spec, "metadata"), "estimated_finish",
                          j->state == GLIM_JOB_RUNNING ? field_or_null(progress, "estimated_finish") : json_null(), "suffix", field_or_null(spec, "suffix"), "integrations");
    json_t *own = json_object_get(spec, "glim");
    if (o && own) json_object_set_new(o, "glim", own_json(own, spec, progress));
    json_decref(spec);
    json_decref(progress);
    json_decref(result);
    return o;
}

static void put_json(glim_buf *b, json_t *v) {
    if (v) glim_json_dump_py(b, v, -1, false);
    else b->failed = true;
    json_decref(v);
}

static bool job_error(glim_call *c, const glim_err *err, const char *id) {
    if (err->code == GLIM_E_NOT_FOUND) return glim_api_fail(&c->error, 404, "job_not_found", "fine_tuning_job_id", "there is no job \"%.100s\"", id);
    /* Not 409: SDKs would ask again and again. */
    if (err->code == GLIM_E_STATE && !glim_api_store_busy(err)) return glim_api_fail(&c->error, 400, "invalid_state", NULL, "%s", err->msg);
    return glim_api_from(&c->error, err, NULL);
}

/* ---- creating ---- */

/* The beginning of a content, whole lines. *cut: there is more. */
static bool read_head(glim_call *c, const glim_file *f, glim_buf *b, bool *cut) {
    int fd;
    glim_err err = {0};
    if (glim_file_open(c->s->store, f, &fd, &err) != GLIM_OK) return glim_api_from(&c->error, &err, NULL);
    glim_buf_reserve(b, f->bytes < CHECK_BYTES ? (size_t)f->bytes + 1 : CHECK_BYTES);
    char part[1 << 14];
    ssize_t n = 1;
    while (n > 0 && b->len < CHECK_BYTES && !b->failed) {
        n = read(fd, part, sizeof part);
        if (n > 0) glim_buf_append(b, part, (size_t)n);
    }
    close(fd);
    if (n < 0 || b->failed) return glim_api_fail(&c->error, 503, "overloaded", NULL, "the file could not be read");
    *cut = (int64_t)b->len < f->bytes;
    while (*cut && b->len > 0 && b->s[b->len - 1] != '\n') b->len--;
    return true;
}

/* A refusal that would come in the run's first second anyway; the run itself asks again, and reserves. */
static bool check_privacy(glim_call *c, const json_t *spec, const glim_tune_params *p, const glim_dp_plan *plan) {
    glim_err err = {0};
    const glim_dp_request ask = {.set = json_string_value(json_object_get(spec, "privacy_set")), .run = "job", .q = plan->q, .sigma = plan->sigma,
                                 .steps = plan->steps, .eps = p->dp.epsilon, .delta = p->dp.delta, .actor = actor(c)};
    if (p->dp.epsilon == 0 || glim_dp_ledger_fits(c->s->store, &ask, &err) == GLIM_OK) return true;
    if (err.code == GLIM_E_LIMIT) return glim_api_fail(&c->error, 400, "privacy_budget_exceeded", "glim.dp_epsilon", "%s", err.msg);
    return glim_api_from(&c->error, &err, NULL);
}

static double number_of(const json_t *o, const char *key) { return json_number_value(json_object_get(o, key)); }

/* Would it fit beside what the server holds now, and into the budget of its rows' privacy? The process that trains asks again when
 * its turn comes; here only what no waiting could help is refused: while another job trains, memory is short for a reason that passes. */
static bool check_plan(glim_call *c, const json_t *spec, const glim_dataset *d, bool dpo, bool whole) {
    const json_t *own = json_object_get(spec, "glim"), *rank = json_object_get(own, "lora_rank");
    const json_t *hyper = json_object_get(json_object_get(spec, "method"), "hyperparameters");
    glim_tune_params p = {.method = dpo ? GLIM_TUNE_DPO : GLIM_TUNE_SFT, .epochs = (double)glim_job_epochs(spec), .batch = (size_t)number_of(hyper, "batch_size"),
                          .net = {.type = GLIM_GEMM_BF16, .kernels = glim_kernels_get()}};
    glim_tune_plan plan;
    glim_err err = {0};
    p.net.lora.rank = json_is_integer(rank) ? (size_t)json_integer_value(rank) : RANK;
    if (whole) /* of a part of the rows neither rate nor steps are known */
        p.dp = (glim_dp_params){.epsilon = number_of(own, "dp_epsilon"), .delta = number_of(own, "dp_delta"), .clip = number_of(own, "dp_clip"),
                                .sigma = number_of(own, "dp_noise")};
    const glim_status rc = glim_tune_make_plan(&plan, c->b->e->model, d, &p, &err);
    if (rc == GLIM_OK) return check_privacy(c, spec, &p, &plan.dp);
    if (rc != GLIM_E_NOMEM)
        return p.dp.epsilon != 0 ? glim_api_fail(&c->error, 400, "invalid_value", "glim.dp_epsilon", "%s", err.msg) : glim_api_from(&c->error, &err, NULL);
    if (glim_jobs_busy(c->s)) return true;
    return glim_api_fail(&c->error, 400, "not_enough_memory", NULL, "this job does not fit beside the server: %s; fewer \"glim.max_tokens\" or a smaller \"glim.lora_rank\" need less", err.msg);
}

static size_t max_tokens(const glim_call *c, const json_t *spec) {
    const json_t *v = json_object_get(json_object_get(spec, "glim"), "max_tokens");
    if (json_is_integer(v)) return (size_t)json_integer_value(v);
    return c->b->facts.n_ctx < MAX_TOKENS ? c->b->facts.n_ctx : MAX_TOKENS;
}

/* How the job will render its rows. */
static bool read_thinking(glim_call *c, const json_t *spec, int *thinking) {
    const char *word = json_string_value(json_object_get(json_object_get(spec, "glim"), "thinking"));
    const glim_chat_kind k = c->b->e->chat;
    *thinking = !word ? 0 : strcmp(word, "on") == 0 ? 1 : -1;
    return !word || glim_chat_switches_thinking(k) ||
           glim_api_fail(&c->error, 400, "unsupported_value", "glim.thinking", "\"glim.thinking\": chat template %s has no such switch, its prompts are the same with on and off", glim_chat_name(k));
}

static bool check_rows(glim_call *c, const json_t *spec, const glim_file *f, const char *param, bool dpo, glim_buf *said) {
    glim_buf text = {0};
    bool cut = false;
    glim_err err = {0};
    glim_dataset *d = NULL;
    glim_data_report report = {0};
    glim_data_params p = {.tok = c->b->e->tok, .config = &c->b->e->model->cfg, .chat = c->b->e->chat, .format = dpo ? GLIM_DATA_PREFERENCE : GLIM_DATA_GUESS,
                          .max_tokens = max_tokens(c, spec), .cut = GLIM_CUT_END};
    if (!read_thinking(c, spec, &p.options.thinking)) return false;
    if (!read_head(c, f, &text, &cut)) return glim_buf_free(&text), false;
    size_t at = 0;
    while (at < text.len && strchr(" \t\r\n", text.s[at])) at++;
    bool ok = true;
    if (!cut || (text.len > at && text.s[at] != '[')) { /* half an array says nothing */
        glim_status rc = glim_dataset_parse(&d, f->name, glim_buf_cstr(&text), text.len, &p, &report, &err);
        if (rc == GLIM_OK && !dpo && glim_dataset_is_preference(d))
            rc = glim_fail(&err, GLIM_E_FORMAT, "the rows are pairs of answers, which method \"dpo\" wants");
        if (rc == GLIM_E_FORMAT || rc == GLIM_E_ARG || rc == GLIM_E_LIMIT)
            ok = glim_api_fail(&c->error, 422, "invalid_training_file", param, "%s", err.msg);
        else if (rc != GLIM_OK) ok = glim_api_from(&c->error, &err, param);
        if (ok && said) ok = check_plan(c, spec, d, dpo, !cut);
        if (ok && said) glim_dataset_summary(&report, said);
    }
    glim_dataset_free(d);
    glim_data_report_free(&report);
    glim_buf_free(&text);
    return ok;
}

/* The data set on the ledger: a tenant's own name for rows of the same people, or the content, whoever uploaded it. No name that a
 * tenant gives has a dot in it, so nobody reaches another's set. */
static bool name_set(glim_call *c, json_t *spec, const char *sha256) {
    const json_t *own = json_object_get(spec, "glim");
    const char *name = json_string_value(json_object_get(own, "dp_set"));
    char set[3 * GLIM_STORE_ID];
    if (!json_is_number(json_object_get(own, "dp_epsilon"))) return true;
    if (name) snprintf(set, sizeof set, "%s.%s", glim_call_tenant(c), name);
    else glim_dp_set_of_content(set, sha256);
    if (strlen(set) > GLIM_STORE_ID)
        return glim_api_fail(&c->error, 400, "invalid_value", "glim.dp_set", "\"glim.dp_set\": with the tenant's name it has %zu characters, want at most %d", strlen(set), GLIM_STORE_ID);
    json_object_set_new(spec, "privacy_set", json_string(set));
    return true;
}

static bool check_file(glim_call *c, json_t *spec, const char *param, const char *hash_key, const char *name_key, bool dpo, glim_buf *said) {
    const char *id = json_string_value(json_object_get(spec, param));
    glim_file f;
    glim_err err = {0};
    if (!id) return true;
    if (glim_file_get(c->s->store, tenant_seen(c), id, &f, &err) != GLIM_OK) {
        if (err.code != GLIM_E_NOT_FOUND && err.code != GLIM_E_ARG) return glim_api_from(&c->error, &err, param);
        return glim_api_fail(&c->error, 400, "file_not_found", param, "\"%s\": there is no file \"%.100s\"", param, id);
    }
    if (strcmp(f.purpose, "fine-tune") != 0)
        return glim_api_fail(&c->error, 400, "invalid_value", param, "\"%s\": \"%s\" was uploaded for \"%s\", want \"fine-tune\"", param, id, f.purpose);
    json_object_set_new(spec, hash_key, json_string(f.sha256));
    json_object_set_new(spec, name_key, json_string(f.name));
    if (said && !name_set(c, spec, f.sha256)) return false;
    return check_rows(c, spec, &f, param, dpo, said);
}

static bool add_job(glim_call *c, json_t *spec, const char *said) {
    const glim_query *q = c->task;
    glim_err err = {0};
    glim_buf text = {0};
    glim_job j = {0};
    bool existed = false;
    glim_json_dump_py(&text, spec, -1, false);
    if (text.failed) return glim_buf_free(&text), glim_api_fail(&c->error, 503, "overloaded", NULL, "no memory for the job");
    glim_job_params p = {.id_prefix = "ftjob-", .tenant = glim_call_tenant(c), .key = actor(c), .kind = GLIM_TUNE_KIND, .spec = text.s,
                         .max_attempts = 100, .once = q ? q->once : NULL, .actor = actor(c)};
    glim_status rc = glim_job_add(c->s->store, &p, &j, &existed, &err);
    glim_buf_free(&text);
    if (rc != GLIM_OK) return glim_api_from(&c->error, &err, NULL);
    if (!existed) {
        char message[400];
        snprintf(message, sizeof message, "files checked, job queued%s%.300s", *said ? ": " : "", said);
        glim_job_tell(c->s->store, j.id, "info", message, NULL, NULL);
        glim_jobs_wake(c->s);
    }
    put_json(&c->reply, job_json(&j));
    glim_job_deinit(&j);
    return true;
}

bool glim_tune_create(glim_call *c) {
    json_t *body = glim_call_json(c), *spec = body ? glim_tune_ask(body, &c->error) : NULL;
    glim_buf said = {0};
    bool ok = spec != NULL && glim_route_read_model(c, body);
    if (ok && c->adapter)
        ok = glim_api_fail(&c->error, 400, "unsupported_value", "model", "\"model\": \"%.128s\" is an adapter; jobs begin from the base model \"%s\"", c->model, c->b->facts.model);
    const char *type = json_string_value(json_object_get(json_object_get(spec, "method"), "type"));
    bool dpo = type && strcmp(type, "dpo") == 0;
    if (ok) {
        uint32_t seed = 0;
        json_object_set_new(spec, "model", json_string(c->model)); /* with --any-model what was asked for is no model, and nothing would be served of its making */
        json_object_set_new(spec, "max_tokens", json_integer((json_int_t)max_tokens(c, spec)));
        if (getrandom(&seed, sizeof seed, 0) == (ssize_t)sizeof seed && json_is_null(json_object_get(spec, "seed")))
            json_object_set_new(spec, "seed", json_integer(seed >> 1)); /* so that the job says how it can be had again */
    }
    ok = ok && check_file(c, spec, "training_file", "training_sha256", "training_name", dpo, &said) &&
         check_file(c, spec, "validation_file", "validation_sha256", "validation_name", dpo, NULL) && add_job(c, spec, glim_buf_cstr(&said));
    glim_buf_free(&said);
    json_decref(spec);
    json_decref(body);
    return ok;
}

/* ---- looking and steering ---- */

typedef struct listing {
    glim_buf *b;
    size_t n;
} listing;

static bool list_job(void *ctx, const glim_job *j) {
    listing *l = ctx;
    if (l->n++) glim_buf_puts(l->b, ", ");
    put_json(l->b, job_json(j));
    return true;
}

static void end_list(glim_buf *b, bool more) { glim_buf_printf(b, "], \"has_more\": %s}", more ? "true" : "false"); }

bool glim_tune_list(glim_call *c) {
    const glim_query *q = c->task;
    listing l = {.b = &c->reply};
    bool more = false;
    glim_err err = {0};
    glim_buf_puts(l.b, "{\"object\": \"list\", \"data\": [");
    if (glim_job_list(c->s->store, tenant_seen(c), GLIM_TUNE_KIND, q->after, q->limit ? q->limit : 20, list_job, &l, &more, &err) != GLIM_OK) {
        if (err.code == GLIM_E_NOT_FOUND) return glim_api_fail(&c->error, 400, "invalid_value", "after", "\"after\": there is no job \"%.64s\"", q->after ? q->after : "");
        return glim_api_from(&c->error, &err, NULL);
    }
    end_list(l.b, more);
    return true;
}

static bool list_event(void *ctx, const glim_job_event *e) {
    listing *l = ctx;
    if (l->n++) glim_buf_puts(l->b, ", ");
    json_t *data = parsed(e->data);
    put_json(l->b, json_pack("{s:o, s:s, s:I, s:s, s:s, s:s, s:o}", "id", json_sprintf("ftevent-%lld", (long long)e->id), "object", "fine_tuning.job.event", "created_at",
                             (json_int_t)(e->time_us / 1000000), "level", e->level, "message", e->message, "type",
                             json_object_get(data, "step") ? "metrics" : "message", "data", data));
    return true;
}

static bool show_events(glim_call *c, const glim_job *j) {
    const glim_query *q = c->task;
    listing l = {.b = &c->reply};
    bool more = false;
    int64_t before = 0;
    glim_err err = {0};
    if (q->after) {
        char *end = NULL;
        if (strncmp(q->after, "ftevent-", 8) == 0) before = strtoll(q->after + 8, &end, 10);
        if (!end || *end || before < 1) return glim_api_fail(&c->error, 400, "invalid_value", "after", "\"after\": got \"%.64s\", want the id of an event", q->after);
    }
    glim_buf_puts(l.b, "{\"object\": \"list\", \"data\": [");
    if (glim_job_events(c->s->store, j->id, before, q->limit ? q->limit : 20, list_event, &l, &more, &err) != GLIM_OK) return glim_api_from(&c->error, &err, NULL);
    end_list(l.b, more);
    return true;
}

/* What the trainer notes under "checkpoints" of its progress, oldest first: objects as the API shows them. */
static bool show_checkpoints(glim_call *c, const glim_job *j) {
    const glim_query *q = c->task;
    json_t *progress = parsed(j->progress), *list = json_object_get(progress, "checkpoints");
    size_t n = json_array_size(list), limit = q->limit ? (size_t)q->limit : 10, i = n, shown = 0;
    if (q->after) {
        for (i = 0; i < n; i++) {
            const char *id = json_string_value(json_object_get(json_array_get(list, i), "id"));
            if (id && strcmp(id, q->after) == 0) break;
        }
        if (i == n) return json_decref(progress), glim_api_fail(&c->error, 400, "invalid_value", "after", "\"after\": there is no checkpoint \"%.64s\"", q->after);
    }
    glim_buf_puts(&c->reply, "{\"object\": \"list\", \"data\": [");
    for (; i > 0 && shown < limit; shown++) {
        if (shown) glim_buf_puts(&c->reply, ", ");
        glim_json_dump_py(&c->reply, json_array_get(list, --i), -1, false);
    }
    end_list(&c->reply, i > 0);
    json_decref(progress);
    return true;
}

/* "ID" or "ID/what" of the path; *what NULL: nothing. */
static void split(glim_call *c, const char **what) {
    char *slash = strchr(c->arg, '/');
    *what = slash ? slash + 1 : NULL;
    if (slash) *slash = 0;
}

static bool get_job(glim_call *c, glim_job *j) {
    glim_err err = {0};
    return glim_job_get(c->s->store, tenant_seen(c), c->arg, j, &err) == GLIM_OK ? true : job_error(c, &err, c->arg);
}

bool glim_tune_show(glim_call *c) {
    const char *what;
    glim_job j = {0};
    split(c, &what);
    bool events = what && strcmp(what, "events") == 0, checkpoints = what && strcmp(what, "checkpoints") == 0;
    if (what && !events && !checkpoints) return glim_api_fail(&c->error, 404, "unknown_url", NULL, "there is nothing at /fine_tuning/jobs/%.64s/%.64s", c->arg, what);
    if (!get_job(c, &j)) return false;
    bool ok = true;
    if (events) ok = show_events(c, &j);
    else if (checkpoints) ok = show_checkpoints(c, &j);
    else put_json(&c->reply, job_json(&j));
    glim_job_deinit(&j);
    return ok;
}

bool glim_tune_steer(glim_call *c) {
    static const struct {
        const char *word;
        glim_status (*run)(glim_store *s, const char *tenant, const char *id, const char *actor, glim_err *err);
    } verbs[] = {{"cancel", glim_job_cancel}, {"pause", glim_job_pause}, {"resume", glim_job_resume}};
    const char *what;
    glim_err err = {0};
    glim_job j = {0};
    size_t i = 0;
    split(c, &what);
    while (i < GLIM_COUNT(verbs) && (!what || strcmp(what, verbs[i].word) != 0)) i++;
    if (i == GLIM_COUNT(verbs)) return glim_api_fail(&c->error, 404, "unknown_url", NULL, "there is nothing at POST /fine_tuning/jobs/%.64s/%.64s", c->arg, what ? what : "");
    if (verbs[i].run(c->s->store, tenant_seen(c), c->arg, actor(c), &err) != GLIM_OK) return job_error(c, &err, c->arg);
    glim_jobs_wake(c->s);
    if (!get_job(c, &j)) return false;
    /* One that waited or was paused has no process and comes by jobs.c no more: its rows, and of a private run the key and what is
     * reserved, would stay until the next server. Where jobs.c clears too, twice is fine. */
    if (j.state == GLIM_JOB_CANCELLED) glim_jobs_clear(c->s, j.id, false);
    put_json(&c->reply, job_json(&j));
    glim_job_deinit(&j);
    return true;
}
