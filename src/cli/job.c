/* job.c - see job.h. */
#include "cli/job.h"

#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/json.h"
#include "model/adapter.h"

glim_status glim_cli_job_begin(int64_t parent, int64_t nice, glim_err *err) {
    /* Before there are threads, which inherit all of it. What the system refuses is no reason not to train. */
    if (nice > 0) (void)setpriority(PRIO_PROCESS, 0, (int)nice);
    if (parent <= 0) return GLIM_OK;
    if (nice > 0) (void)sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){0});
    FILE *f = fopen("/proc/self/oom_score_adj", "we");
    if (f) {
        fputs("900\n", f);
        fclose(f);
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() == (pid_t)parent) return GLIM_OK; /* else it died before the line above */
    return glim_fail(err, GLIM_E_CANCELLED, "process %lld did not start this job, or is gone", (long long)parent);
}

static void say(glim_buf *b) {
    glim_buf_puts(b, "}\n");
    if (!b->failed) fwrite(b->s, 1, b->len, stdout);
    fflush(stdout); /* nobody reads: SIGPIPE, which is what a job without a server should die of */
    glim_buf_free(b);
}

static void put_str(glim_buf *b, const char *key, const char *v) {
    glim_buf_printf(b, ", \"%s\": ", key);
    if (v && *v) glim_json_put_str(b, v, strlen(v));
    else glim_buf_puts(b, "null");
}

static void put_real(glim_buf *b, const char *key, double v) {
    glim_buf_printf(b, ", \"%s\": ", key);
    glim_json_put_real(b, v);
}

void glim_cli_job_data(bool training, const char *summary, const glim_data_report *r) {
    glim_buf b = {0};
    glim_buf_printf(&b, "{\"event\": \"data\", \"training\": %s, \"examples\": %zu, \"tokens\": %zu, \"cut\": %zu", training ? "true" : "false",
                    r->n_examples, r->n_tokens, r->n_cut);
    put_str(&b, "summary", summary);
    say(&b);
}

void glim_cli_job_plan(const glim_tune_plan *p) {
    glim_buf b = {0};
    glim_buf_printf(&b, "{\"event\": \"plan\", \"steps\": %zu, \"examples\": %zu, \"evaluated\": %zu, \"values\": %zu, \"export_every\": %zu, \"bytes\": %zu, \"available\": %zu",
                    p->n_steps, p->n_train, p->n_eval, p->n_values, p->export_every, p->total, p->available);
    say(&b);
}

void glim_cli_job_step(const glim_tune_step *s) {
    glim_buf b = {0};
    glim_buf_printf(&b, "{\"event\": \"step\", \"step\": %zu, \"steps\": %zu, \"tokens\": %zu", s->step, s->n_steps, s->n_tokens);
    put_real(&b, "loss", s->loss);
    put_real(&b, "rate", s->rate);
    if (s->accuracy >= 0) put_real(&b, "accuracy", s->accuracy);
    if (!isnan(s->eval_loss)) put_real(&b, "eval_loss", s->eval_loss);
    if (!isnan(s->epsilon)) put_real(&b, "epsilon", s->epsilon);
    put_real(&b, "eta_s", s->eta_s);
    say(&b);
}

void glim_cli_job_end(const glim_tune_result *r) {
    glim_buf b = {0};
    glim_buf_printf(&b, "{\"event\": \"end\", \"steps\": %zu, \"tokens\": %zu, \"stopped_early\": %s, \"sum\": \"%016llx\"", r->steps, r->n_tokens,
                    r->stopped_early ? "true" : "false", (unsigned long long)r->sum);
    put_real(&b, "last_loss", r->last_loss);
    put_real(&b, "eval_after", r->eval_after);
    say(&b);
}

void glim_cli_job_error(const glim_err *err, const char *param) {
    const char *code = err->code == GLIM_E_NOMEM       ? "not_enough_memory"
                       : err->code == GLIM_E_CANCELLED ? "stopped"
                       : err->code == GLIM_E_IO        ? "storage_failed"
                       : param && strncmp(param, "glim.", 5) == 0 ? "privacy_budget_exceeded"
                       : param                         ? "invalid_file"
                                                       : "training_failed";
    glim_buf b = {0};
    glim_buf_printf(&b, "{\"event\": \"error\", \"code\": \"%s\"", code);
    put_str(&b, "message", err->msg);
    put_str(&b, "hint", err->hint);
    put_str(&b, "param", param);
    say(&b);
}

glim_status glim_cli_job_check(const glim_model *m, const char *folder, glim_err *err) {
    glim_adapter *a = NULL;
    glim_status rc = glim_adapter_load(&a, m, folder, err);
    glim_adapter_free(a);
    if (rc != GLIM_OK) glim_err_context(err, "the adapter that was made cannot be served");
    return rc;
}
