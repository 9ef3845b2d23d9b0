/* jobs_args.c - from a job's specification to `glim tune`'s flags, and the names that follow from it. */
#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "serve/jobs.h"
#include "store/tuned.h"

enum { EPOCHS = 3 };            /* where "auto" is asked for */
static const double RATE = 2e-4; /* that learning_rate_multiplier multiplies: glim tune's own for adapters */

static void add(glim_job_args *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void add(glim_job_args *a, const char *fmt, ...) {
    char text[4200]; /* a path is the longest */
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    GLIM_ASSERT(a->n + 1 < GLIM_COUNT(a->argv));
    a->argv[a->n++] = glim_xstrdup(text);
}

static void add_real(glim_job_args *a, const char *flag, double v) {
    add(a, "%s", flag);
    add(a, "%.17g", v);
}

static void add_int(glim_job_args *a, const char *flag, int64_t v) {
    add(a, "%s", flag);
    add(a, "%" PRId64, v);
}

const char *glim_job_link_name(char *out, const char *stem, const char *name) {
    const char *dot = name ? strrchr(name, '.') : NULL;
    size_t n = dot ? strlen(dot + 1) : 0;
    bool plain = n >= 1 && n <= 8;
    for (size_t i = 0; i < n && plain; i++) plain = isalnum((unsigned char)dot[1 + i]);
    snprintf(out, 32, "%s.%s", stem, plain ? dot + 1 : "jsonl"); /* the ending tells the format */
    return out;
}

void glim_job_model_name(char *out, size_t cap, const glim_job *j, const json_t *spec, size_t step) {
    const char *model = json_string_value(json_object_get(spec, "model")), *suffix = json_string_value(json_object_get(spec, "suffix"));
    const char *dash = strchr(j->id, '-');
    char end[32] = "";
    if (step) snprintf(end, sizeof end, ":ckpt-step-%zu", step);
    snprintf(out, cap, "ft:%.64s:%s:%s:%.8s%s", model ? model : "", j->tenant, suffix ? suffix : "", dash ? dash + 1 : j->id, end);
}

int64_t glim_job_epochs(const json_t *spec) {
    const json_t *v = json_object_get(json_object_get(json_object_get(spec, "method"), "hyperparameters"), "n_epochs");
    return json_is_integer(v) ? json_integer_value(v) : EPOCHS;
}

/* The child runs in DIR/jobs/<id>: the ledger is two folders up. */
static void add_privacy(glim_job_args *a, const json_t *own, const char *set) {
    static const struct {
        const char *key, *flag;
    } reals[] = {{"dp_epsilon", "--dp-epsilon"}, {"dp_delta", "--dp-delta"}, {"dp_clip", "--dp-clip"}, {"dp_noise", "--dp-noise"}};
    if (!json_is_number(json_object_get(own, "dp_epsilon"))) return;
    for (size_t i = 0; i < GLIM_COUNT(reals); i++) {
        const json_t *v = json_object_get(own, reals[i].key);
        if (json_is_number(v)) add_real(a, reals[i].flag, json_number_value(v));
    }
    add(a, "--dp-set");
    add(a, "%s", set ? set : "");
    add(a, "--dp-ledger");
    add(a, "../..");
}

void glim_job_args_make(glim_job_args *a, const glim_server *s, const json_t *spec) {
    const glim_server_tuner *t = &s->p.tuner;
    const json_t *method = json_object_get(spec, "method"), *hyper = json_object_get(method, "hyperparameters"), *own = json_object_get(spec, "glim");
    const char *type = json_string_value(json_object_get(method, "type")), *base = json_string_value(json_object_get(own, "base_type"));
    const char *model = json_string_value(json_object_get(spec, "model")), *valid = json_string_value(json_object_get(spec, "validation_file"));
    const char *thinking = json_string_value(json_object_get(own, "thinking"));
    const json_t *v;
    char link[32];
    const bool dpo = type && strcmp(type, "dpo") == 0;
    *a = (glim_job_args){0};
    add(a, "glim");
    add(a, "tune");
    add(a, "%s", t->model);
    add(a, "%s", glim_job_link_name(link, "training", json_string_value(json_object_get(spec, "training_name"))));
    add(a, "--out");
    add(a, "run");
    add(a, "--resume");
    add_int(a, "--job", getpid());
    add(a, "--base");
    add(a, "%s", model ? model : "");
    if (valid) {
        add(a, "--eval-file");
        add(a, "%s", glim_job_link_name(link, "validation", json_string_value(json_object_get(spec, "validation_name"))));
    }
    if (t->nice > 0) add_int(a, "--nice", t->nice);
    if (t->threads > 0) add_int(a, "--threads", t->threads);
    if (base || t->type) {
        add(a, "--type");
        add(a, "%s", base ? base : t->type);
    }
    if (t->template) {
        add(a, "--template");
        add(a, "%s", t->template);
    }
    if (thinking) {
        add(a, "--thinking");
        add(a, "%s", thinking);
    }
    add(a, "--method");
    add(a, dpo ? "dpo" : "sft");
    const int64_t epochs = glim_job_epochs(spec);
    add_int(a, "--epochs", epochs);
    if (epochs > 1) add_int(a, "--exports", epochs);
    v = json_object_get(hyper, "batch_size");
    if (json_is_integer(v)) add_int(a, "--batch", json_integer_value(v));
    const double rate = json_number_value(json_object_get(own, "learning_rate")), times = json_number_value(json_object_get(hyper, "learning_rate_multiplier"));
    if (rate > 0) add_real(a, "--lr", rate);
    else if (times > 0) add_real(a, "--lr", RATE * times);
    v = json_object_get(hyper, "beta");
    if (dpo && json_number_value(v) > 0) add_real(a, "--dpo-beta", json_number_value(v));
    v = json_object_get(own, "lora_rank");
    if (json_is_integer(v)) add_int(a, "--lora-rank", json_integer_value(v));
    v = json_object_get(own, "lora_alpha");
    if (json_is_number(v)) add_real(a, "--lora-alpha", json_number_value(v));
    v = json_object_get(own, "max_tokens");
    add_int(a, "--max-tokens", json_is_integer(v) ? json_integer_value(v) : (int64_t)json_integer_value(json_object_get(spec, "max_tokens")));
    add_int(a, "--seed", json_integer_value(json_object_get(spec, "seed")));
    add_privacy(a, own, json_string_value(json_object_get(spec, "privacy_set")));
}

void glim_job_args_free(glim_job_args *a) {
    for (size_t i = 0; i < a->n; i++) free(a->argv[i]);
    *a = (glim_job_args){0};
}
