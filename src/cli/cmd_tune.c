/* cmd_tune.c - a model and rows in, an adapter (or a model) out. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"
#include "cli/cli.h"
#include "cli/folder.h"
#include "cli/job.h"
#include "cli/progress.h"
#include "cli/told.h"
#include "net/sha256.h"
#include "train/loss_distill.h"
#include "train/state.h"
#include "train/tune.h"

typedef struct tune_flags {
    const char *data, *out, *method, *schedule, *optim, *precision, *format, *prompt, *answer, *system, *loss;
    const char *targets, *eval_file, *base, *dp_set, *dp_ledger, *store, *teacher, *teacher_type, *thinking;
    int64_t distill_top, rank, steps, batch, warmup, max_tokens, rows, eval_every, patience, save_every, exports, seed, inspect, nice, job;
    double alpha, dropout, lr, epochs, warmup_share, decay, clip, eval, beta, dp_epsilon, dp_delta, dp_clip, dp_noise;
    double temperature, teacher_weight, balance, router_step;
    bool full, rslora, dora, resume, skip_bad, plan, json;
} tune_flags;

typedef struct shown {
    glim_progress *bar;
    bool job;
    double promised; /* epsilon; 0: not private */
    const glim_told_params *tell; /* NULL: a job's run, which its server tells of */
    glim_told *told; /* NULL: nobody asked */
} shown;

static void show_begin(void *ctx) {
    shown *v = ctx;
    if (v->tell) v->told = glim_told_begin(v->tell);
}

static bool show_step(void *ctx, const glim_tune_step *s) {
    const shown *v = ctx;
    char note[192], eval[32] = "", spent[48] = "";
    char right[32] = "";
    if (v->job) glim_cli_job_step(s);
    /* The last parts are the first to go where the line is narrow. */
    if (s->accuracy >= 0) snprintf(right, sizeof right, ", right %.0f %%", 100 * s->accuracy);
    if (!isnan(s->eval_loss)) snprintf(eval, sizeof eval, ", eval %.4f", s->eval_loss);
    if (v->promised > 0) snprintf(spent, sizeof spent, ", epsilon %.3g of %.3g", s->epsilon, v->promised);
    snprintf(note, sizeof note, "loss %.4f, %.0f tokens/s%s%s%s", s->loss, s->tokens_per_s, spent, eval, right);
    glim_progress_tell(v->bar, s->step, s->n_steps, s->eta_s > 0 ? (double)(s->n_steps - s->step) / s->eta_s : -1, note);
    return glim_told_step(v->told, s->step) && !glim_cli_interrupt_pending();
}
static bool show_rows(void *ctx, size_t done, size_t total) {
    glim_progress_tell(ctx, done, total, -1, NULL);
    return !glim_cli_interrupt_pending();
}

static glim_status choose(const char *flag, const char *got, const char *const *names, size_t n, int *out, glim_err *err) {
    glim_buf all = {0};
    for (size_t i = 0; i < n; i++) {
        if (strcmp(got, names[i]) == 0) {
            *out = (int)i;
            glim_buf_free(&all);
            return GLIM_OK;
        }
        glim_buf_printf(&all, "%s%s", i ? ", " : "", names[i]);
    }
    glim_fail(err, GLIM_E_ARG, "%s: got \"%s\", want one of %s", flag, got, glim_buf_cstr(&all));
    glim_buf_free(&all);
    return GLIM_E_ARG;
}

static double given(double v, double otherwise) { return isnan(v) ? otherwise : v; }

/* What is asked for must have an effect: a flag that would be left aside says so. */
static glim_status check_effect(const tune_flags *f, glim_tune_method method, glim_err *err) {
    const struct {
        const char *flag;
        bool given;
    } of_adapters[] = {{"--dora is a kind", f->dora}, {"--rslora is a scale", f->rslora}, {"--lora-rank is the rank", f->rank > 0}, {"--lora-alpha is the scale", !isnan(f->alpha)},
                       {"--lora-dropout is the dropout", f->dropout > 0}, {"--lora-targets are modules", f->targets != NULL}, {"--exports are copies", f->exports > 0}};
    for (size_t i = 0; i < GLIM_COUNT(of_adapters); i++)
        if (f->full && of_adapters[i].given) return glim_fail(err, GLIM_E_ARG, "%s of an adapter, --full trains none", of_adapters[i].flag);
    const struct {
        const char *flag, *name;
        bool given;
        glim_tune_method method;
    } of_methods[] = {{"--dpo-beta", "dpo", !isnan(f->beta), GLIM_TUNE_DPO},
                      {"--teacher", "distill", f->teacher != NULL, GLIM_TUNE_DISTILL},
                      {"--teacher-type", "distill", f->teacher_type != NULL, GLIM_TUNE_DISTILL},
                      {"--distill-weight", "distill", !isnan(f->teacher_weight), GLIM_TUNE_DISTILL},
                      {"--distill-temperature", "distill", !isnan(f->temperature), GLIM_TUNE_DISTILL},
                      {"--distill-top", "distill", f->distill_top >= 0, GLIM_TUNE_DISTILL}};
    for (size_t i = 0; i < GLIM_COUNT(of_methods); i++)
        if (of_methods[i].given && method != of_methods[i].method) return glim_fail(err, GLIM_E_ARG, "%s is for --method %s", of_methods[i].flag, of_methods[i].name);
    if (method == GLIM_TUNE_DISTILL && !f->teacher) return glim_fail(err, GLIM_E_ARG, "--method distill wants a --teacher MODEL");
    if (f->dp_epsilon != 0 && !isnan(f->clip)) return glim_fail(err, GLIM_E_ARG, "--clip cuts the gradient of a step; a private run cuts that of each example, to --dp-clip");
    /* Of two that say the same thing one would be left aside. */
    if (f->steps && !isnan(f->epochs)) return glim_fail(err, GLIM_E_ARG, "--epochs and --steps both say how long the run is: want one of them");
    if (f->eval_file && !isnan(f->eval)) return glim_fail(err, GLIM_E_ARG, "--eval and --eval-file both say what to evaluate on: want one of them");
    if (f->eval_every && !(f->eval > 0) && !f->eval_file) {
        glim_fail(err, GLIM_E_ARG, "--eval-every %lld, and there is nothing to evaluate on", (long long)f->eval_every);
        glim_err_hint(err, "--eval 0.1 keeps a tenth of the rows for it, --eval-file FILE has others");
        return GLIM_E_ARG;
    }
    return GLIM_OK;
}

/* The flags as parameters; `words` keeps the target names alive. */
static glim_status params_of(glim_tune_params *p, const tune_flags *f, char *words, glim_err *err) {
    /* "pretrain" has a page of its own (pretrains), and is named here for whoever mistypes one. */
    static const char *const methods[] = {"sft", "dpo", "distill", "pretrain"}, *const optims[] = {"adamw", "adamw8"}, *const types[] = {"f32", "bf16"};
    int method = 0, optim = 0, type = 0;
    glim_status rc = choose("--method", f->method, methods, 4, &method, err);
    if (rc == GLIM_OK) rc = choose("--optim", f->optim, optims, 2, &optim, err);
    if (rc == GLIM_OK) rc = choose("--precision", f->precision, types, 2, &type, err);
    if (rc != GLIM_OK) return rc;
    const struct {
        const char *flag;
        double v;
        bool zero; /* may be 0 */
    } reals[] = {{"--distill-weight", f->teacher_weight, false}, {"--distill-temperature", f->temperature, false}, {"--dpo-beta", f->beta, false},
                 {"--lr", f->lr, false}, {"--epochs", f->epochs, false}, {"--lora-alpha", f->alpha, false}, {"--clip", f->clip, true}, {"--weight-decay", f->decay, true},
                 {"--dp-delta", f->dp_delta, false}, {"--dp-clip", f->dp_clip, false}, {"--dp-noise", f->dp_noise, false}};
    for (size_t i = 0; i < GLIM_COUNT(reals); i++)
        if (!isnan(reals[i].v) && !(reals[i].v > 0 || (reals[i].zero && reals[i].v == 0))) /* NAN: not given */
            return glim_fail(err, GLIM_E_ARG, "%s: got %g, want %s", reals[i].flag, reals[i].v, reals[i].zero ? "0 or more" : "more than 0");
    *p = (glim_tune_params){.method = (glim_tune_method)method, .epochs = given(f->epochs, 0), .max_steps = (size_t)f->steps, .batch = (size_t)f->batch,
                            .warmup_share = f->warmup < 0 ? f->warmup_share : 0, .dpo_beta = given(f->beta, 0), .eval_share = given(f->eval, 0), .eval_every = (size_t)f->eval_every,
                            .patience = (size_t)f->patience, .save_every = (size_t)f->save_every,
                            .exports = (size_t)f->exports, .seed = (uint64_t)f->seed,
                            .out = f->out, .resume = f->resume};
    p->net = (glim_net_params){.type = (glim_gemm_type)type, .n_rows = (size_t)f->rows};
    p->net.lora.rank = f->full ? 0 : f->rank > 0 ? (size_t)f->rank : 16;
    p->net.lora.alpha = given(f->alpha, 0), p->net.lora.dropout = f->dropout, p->net.lora.rslora = f->rslora, p->net.lora.dora = f->dora;
    p->distill_temperature = given(f->temperature, 0), p->distill_weight = given(f->teacher_weight, 0);
    p->distill_top = f->distill_top < 0 ? 0 : f->distill_top ? (size_t)f->distill_top : SIZE_MAX;
    p->balance = f->balance, p->router_step = f->router_step;
    rc = check_effect(f, p->method, err);
    if (rc != GLIM_OK) return rc;
    p->optim = (glim_optim_params){.lr = given(f->lr, 0), .weight_decay = f->decay, .clip = given(f->clip, 1), .warmup = f->warmup > 0 ? (size_t)f->warmup : 0, .eight_bit = optim == 1};
    if (!glim_schedule_parse(f->schedule, &p->optim.schedule))
        return glim_fail(err, GLIM_E_ARG, "--schedule: got \"%s\", want cosine, linear or constant", f->schedule);
    for (char *at = words; at && *at;) {
        char *end = strchr(at, ',');
        if (end) *end = 0;
        at += strspn(at, " ");
        at[strcspn(at, " ")] = 0;
        if (p->net.lora.n_targets == GLIM_LORA_TARGETS) return glim_fail(err, GLIM_E_LIMIT, "--lora-targets: more than %d names", GLIM_LORA_TARGETS);
        if (*at) p->net.lora.targets[p->net.lora.n_targets++] = at;
        at = end ? end + 1 : NULL;
    }
    return f->targets && p->net.lora.n_targets == 0 ? glim_fail(err, GLIM_E_ARG, "--lora-targets: no name in \"%s\"", f->targets) : GLIM_OK;
}

static glim_status data_params(glim_data_params *p, const tune_flags *f, const glim_engine *e, glim_err *err) {
    static const char *const losses[] = {"answers", "last", "label", "all"};
    int loss = 0;
    glim_status rc = choose("--loss", f->loss, losses, 4, &loss, err);
    *p = (glim_data_params){.tok = e->tok, .config = &e->model->cfg, .chat = e->chat, .prompt = f->prompt, .answer = f->answer, .system = f->system,
                            .max_tokens = (size_t)f->max_tokens, .skip_bad = f->skip_bad, .loss = (glim_data_loss)loss};
    if (rc == GLIM_OK) rc = glim_cli_rows_thinking(&p->options.thinking, f->thinking, e->chat, err);
    if (rc == GLIM_OK && f->format && !glim_data_format_parse(f->format, &p->format))
        rc = glim_fail(err, GLIM_E_ARG, "--format: got \"%s\", want %s", f->format, glim_data_format_names());
    return rc;
}

/* What a set was called before its content named it: by the data's file, what a name may not have as '-'. */
static void file_name(char out[GLIM_STORE_ID + 1], const char *data) {
    const char *slash = strrchr(data, '/');
    snprintf(out, GLIM_STORE_ID + 1, "%s", slash ? slash + 1 : data);
    for (char *c = out; *c; c++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", *c)) *c = '-';
    if (!*out) snprintf(out, GLIM_STORE_ID + 1, "data");
}

/* The set's name on the ledger where --dp-set gives none. */
static glim_status set_name(char out[GLIM_STORE_ID + 1], const char *data, glim_err *err) {
    char hex[GLIM_SHA256_HEX];
    const glim_status rc = glim_sha256_file(data, hex, NULL, NULL, err);
    if (rc == GLIM_OK) glim_dp_set_of_content(out, hex);
    return rc;
}

/* Rows that were trained on when files' names were sets' names have their book under that name: a first one under their content
 * would be a second budget. Whoever knows whether the rows are the same says so, once; then there is a book by content. */
typedef struct books {
    const char *content, *file;
    bool has_content, has_file;
} books;

static void see_book(void *ctx, const glim_dp_row *row) {
    books *b = ctx;
    b->has_content |= strcmp(row->set, b->content) == 0;
    b->has_file |= strcmp(row->set, b->file) == 0;
}

static glim_status check_old_book(glim_store *s, const char *set, const char *data, glim_err *err) {
    char old[GLIM_STORE_ID + 1];
    books b = {.content = set, .file = old};
    file_name(old, data);
    const glim_status rc = glim_dp_ledger_sets(s, see_book, &b, err);
    if (rc != GLIM_OK || b.has_content || !b.has_file) return rc;
    glim_fail(err, GLIM_E_STATE, "the ledger has data set \"%s\", named by its file as runs by hand once were, and none by this file's content, \"%s\"", old, set);
    glim_err_hint(err, "--dp-set %s charges that one; if its rows were others, --dp-set %s begins a new one", old, set);
    return GLIM_E_STATE;
}

static const char *ledger_folder(const tune_flags *f) { return f->dp_ledger ? f->dp_ledger : f->store; }

static glim_status open_ledger(glim_store **s, glim_dp_params *p, const tune_flags *f, char set[GLIM_STORE_ID + 1], glim_err *err) {
    if (f->dp_epsilon == 0) {
        if (!isnan(f->dp_delta) || !isnan(f->dp_noise) || !isnan(f->dp_clip) || f->dp_set || f->dp_ledger)
            return glim_fail(err, GLIM_E_ARG, "--dp-delta, --dp-clip, --dp-noise, --dp-set and --dp-ledger go with --dp-epsilon");
        return GLIM_OK;
    }
    glim_status rc = f->dp_set ? glim_store_check_id(f->dp_set, "--dp-set", err) : set_name(set, f->data, err);
    if (rc != GLIM_OK) return rc;
    *p = (glim_dp_params){.epsilon = f->dp_epsilon, .delta = given(f->dp_delta, 0), .clip = given(f->dp_clip, 0), .sigma = given(f->dp_noise, 0),
                          .set = f->dp_set ? f->dp_set : set, .actor = f->job ? "glim" : glim_cli_actor()};
    if (f->inspect) return GLIM_OK; /* nothing is asked of the data's privacy */
    rc = glim_cli_folder(s, ledger_folder(f), false, err);
    if (rc == GLIM_E_NOT_FOUND) { /* the run will make it, once nothing but the ledger could refuse it; a plan makes nothing */
        glim_err_clear(err);
        return GLIM_OK;
    }
    p->ledger = *s;
    return rc == GLIM_OK && !f->dp_set ? check_old_book(*s, set, f->data, err) : rc;
}

static void show_privacy(const glim_tune_plan *p, const char *set) {
    const glim_dp_plan *d = &p->dp;
    if (d->steps == 0) return;
    fprintf(stderr, "privacy: data set \"%s\" spends epsilon %.4g at delta %g: noise %g times the clip norm %g, each example drawn with probability %.4g\n",
            set, d->total, d->delta, d->sigma, d->clip, d->q);
    if (d->delta * (double)p->n_train >= 1)
        fprintf(stderr, "warning: delta %g is no less than 1 in the %zu examples: a run that told all of one of them would keep such a promise; --dp-delta %.0e is the usual choice\n",
                d->delta, p->n_train, 0.1 / (double)p->n_train);
}

/* What the ledger has of the set, and would have with this run; and with --json the plan in one object. */
static glim_status tell_plan(const glim_tune_plan *p, const glim_dp_params *dp, const tune_flags *f, glim_err *err) {
    glim_dp_spent before = {0}, with = {0};
    const bool private = p->dp.steps > 0;
    glim_status rc = private ? glim_dp_run_look(dp, &p->dp, f->resume ? f->out : NULL, &before, &with, err) : GLIM_OK;
    if (rc != GLIM_OK) return rc;
    if (f->json) {
        printf("{\"steps\": %zu, \"examples\": %zu, \"eval_examples\": %zu, \"values\": %zu, \"planned_bytes\": %zu, \"free_bytes\": %zu", p->n_steps, p->n_train,
               p->n_eval, p->n_values, p->total, p->available);
        if (private)
            printf(", \"privacy\": {\"data_set\": \"%s\", \"epsilon\": %.6g, \"delta\": %g, \"noise_multiplier\": %.6g, \"budget_epsilon\": %.6g, \"budget_delta\": %g, "
                   "\"charged_epsilon\": %.6g, \"promised_epsilon\": %.6g, \"promised_with_run\": %.6g}", dp->set, p->dp.total, p->dp.delta, p->dp.sigma, with.budget_eps,
                   with.budget_delta, before.charged, before.promised, with.promised);
        puts("}");
    }
    if (!private) return GLIM_OK;
    const double left = with.budget_eps - with.promised;
    fprintf(stderr, "ledger: budget of epsilon %.4g at delta %g%s; %.4g is charged, %.4g with what open runs have reserved, %.4g with this run: %.4g is left. "
            "A plan charges nothing\n", with.budget_eps, with.budget_delta, before.budget_eps > 0 ? "" : ", which this run would set", before.charged,
            before.promised, with.promised, left > 0 ? left : 0);
    return GLIM_OK;
}

static void show_plan(const glim_tune_plan *p) {
    char a[8][32], teacher[64] = "";
    if (p->teacher) snprintf(teacher, sizeof teacher, ", teacher %s", glim_human_bytes(a[6], sizeof a[6], (double)p->teacher));
    fprintf(stderr, "plan: %s in all (model %s, trained weights and gradients %s, optimizer %s, activations of %zu rows %s%s, saving and the program %s); %s are free\n",
            glim_human_bytes(a[0], sizeof a[0], (double)p->total), glim_human_bytes(a[1], sizeof a[1], (double)p->weights),
            glim_human_bytes(a[2], sizeof a[2], (double)p->trained), glim_human_bytes(a[3], sizeof a[3], (double)p->optimizer), p->n_rows,
            glim_human_bytes(a[4], sizeof a[4], (double)p->activations), teacher,
            glim_human_bytes(a[7], sizeof a[7], (double)(p->save + p->program)), glim_human_bytes(a[5], sizeof a[5], (double)p->available));
    fprintf(stderr, "      %zu steps over %zu examples, %zu for evaluation; %s values are trained\n", p->n_steps, p->n_train, p->n_eval,
            glim_human_count(a[0], sizeof a[0], (double)p->n_values));
}

static void print_json(const glim_tune_result *r, const glim_tune_plan *p, const char *out) {
    glim_buf b = {0};
    glim_buf_puts(&b, "{\"folder\": ");
    glim_json_put_str(&b, out, strlen(out));
    glim_buf_printf(&b, ", \"steps\": %zu, \"resumed_at\": %zu, \"stopped_early\": %s, \"tokens\": %zu, \"values\": %zu, \"planned_bytes\": %zu",
                    r->steps, r->resumed_at, r->stopped_early ? "true" : "false", r->n_tokens, p->n_values, p->total);
    const struct {
        const char *name;
        double v;
    } reals[] = {{"first_loss", r->first_loss}, {"last_loss", r->last_loss}, {"eval_before", r->eval_before}, {"eval_after", r->eval_after},
                 {"eval_accuracy", r->eval_accuracy}, {"seconds", r->seconds}, {"epsilon", r->epsilon}};
    for (size_t i = 0; i < GLIM_COUNT(reals); i++) {
        glim_buf_printf(&b, ", \"%s\": ", reals[i].name);
        glim_json_put_real(&b, reals[i].v);
    }
    glim_buf_printf(&b, ", \"sum\": \"%016llx\"}", (unsigned long long)r->sum);
    puts(glim_buf_cstr(&b));
    glim_buf_free(&b);
}

static void print_result(const glim_tune_result *r, const tune_flags *f) {
    printf("%s: %zu steps%s, loss %.4f to %.4f", f->out, r->steps, r->stopped_early ? " (stopped early)" : "", r->first_loss, r->last_loss);
    if (!isnan(r->eval_after)) printf(", evaluation %.4f to %.4f", r->eval_before, r->eval_after);
    if (!isnan(r->eval_accuracy)) printf(" (%.1f %% of pairs right)", 100 * r->eval_accuracy);
    printf(", %.0f s, %.0f tokens/s\n", r->seconds, r->seconds > 0 ? (double)r->n_tokens / r->seconds : 0);
    if (!isnan(r->epsilon)) printf("privacy: epsilon %.4g at delta %g, in %s/privacy.json\n", r->epsilon, f->dp_delta, f->out);
    if (!f->full) printf("try it: glim run MODEL --adapter %s\n", f->out);
}

static glim_status open_data(glim_dataset **d, const char *path, const glim_engine *e, const tune_flags *f, glim_err *err) {
    glim_data_params dp;
    glim_data_report report = {0};
    glim_status rc = data_params(&dp, f, e, err);
    if (rc != GLIM_OK) return rc;
    glim_progress *bar = glim_progress_begin("reading rows", 0, GLIM_PROGRESS_BYTES);
    dp.progress = show_rows, dp.progress_ctx = bar;
    rc = glim_dataset_open(d, path, &dp, &report, err);
    glim_progress_end(bar);
    if (rc == GLIM_OK) {
        glim_buf b = {0};
        glim_dataset_summary(&report, &b);
        fprintf(stderr, "data: %s\n", glim_buf_cstr(&b));
        if (f->job) glim_cli_job_data(path == f->data, glim_buf_cstr(&b), &report);
        glim_buf_free(&b);
    }
    for (size_t i = 0; i < report.n_listed && report.n_bad; i++)
        fprintf(stderr, "line %zu: %s\n", report.bad[i].line, report.bad[i].reason);
    glim_data_report_free(&report);
    return rc;
}

/* The teacher, which must speak with the model's own tokens. */
static glim_status open_teacher(glim_engine **t, const glim_engine *e, const tune_flags *f, const glim_model_flags *mf, glim_err *err) {
    glim_model_flags flags = {.ctx = mf->ctx, .threads = mf->threads, .type = f->teacher_type};
    glim_status rc = glim_cli_open(t, f->teacher, &flags, 0, false, err);
    if (rc == GLIM_OK) rc = glim_teacher_check(e->tok, (*t)->tok, err);
    if (rc != GLIM_OK) glim_err_context(err, "%s", f->teacher);
    return rc;
}

static glim_status tune(const tune_flags *f, const glim_model_flags *mf, const char *model, glim_err *err) {
    glim_engine *e = NULL, *teacher = NULL;
    glim_dataset *d = NULL, *held = NULL;
    const char *about = NULL; /* which file an error is about, for a job */
    glim_tune_params p;
    glim_tune_plan plan;
    glim_tune_result result;
    char *words = f->targets ? glim_xstrdup(f->targets) : NULL;
    shown v = {.job = f->job > 0, .promised = f->dp_epsilon};
    glim_store *ledger = NULL;
    char set[GLIM_STORE_ID + 1];
    glim_status rc = params_of(&p, f, words, err);
    if (rc == GLIM_OK) rc = open_ledger(&ledger, &p.dp, f, set, err);
    if (rc == GLIM_OK) rc = glim_cli_open(&e, model, mf, 0, false, err);
    if (rc == GLIM_OK && f->teacher) rc = open_teacher(&teacher, e, f, mf, err);
    if (rc == GLIM_OK && (rc = open_data(&d, f->data, e, f, err)) != GLIM_OK) about = "training_file";
    if (rc == GLIM_OK && f->eval_file && (rc = open_data(&held, f->eval_file, e, f, err)) != GLIM_OK) about = "validation_file";
    p.on_begin = show_begin, p.on_step = show_step, p.ctx = &v, p.eval = held;
    if (teacher) p.teacher = teacher->model;
    p.net.kernels = glim_kernels_get();
    p.base = f->base ? f->base : model;
    if (rc == GLIM_OK && f->inspect) {
        for (size_t i = 0; i < (size_t)f->inspect && i < glim_dataset_n(d) && rc == GLIM_OK; i++)
            rc = glim_dataset_inspect(d, e->tok, i, stdout, glim_cli_color(1), err);
    } else {
        if (rc == GLIM_OK) rc = glim_tune_make_plan(&plan, e->model, d, &p, err);
        if (rc == GLIM_OK) show_plan(&plan), show_privacy(&plan, p.dp.set);
        if (rc == GLIM_OK && v.job) glim_cli_job_plan(&plan);
        if (rc == GLIM_OK && f->plan) rc = tell_plan(&plan, &p.dp, f, err);
        if (rc == GLIM_OK && !f->plan && f->dp_epsilon != 0 && !ledger) {
            rc = glim_cli_folder(&ledger, ledger_folder(f), true, err);
            if (rc != GLIM_OK) glim_err_hint(err, "--dp-ledger DIR names another data folder");
            p.dp.ledger = ledger;
        }
        if (rc == GLIM_OK && !f->plan) {
            const glim_told_params tp = {.dir = f->store, .out = f->out, .model = model, .data = f->data, .held = f->eval_file, .seed = p.seed,
                                         .method = p.method == GLIM_TUNE_SFT ? "supervised" : f->method, .n_steps = plan.n_steps, .resume = f->resume};
            if (!v.job) v.tell = &tp;
            if (!v.job && f->resume && !glim_state_is_in(f->out)) fprintf(stderr, "resume: \"%s\" has no checkpoint: the run begins\n", f->out);
            v.bar = glim_progress_begin("training", plan.n_steps, GLIM_PROGRESS_COUNT);
            rc = glim_tune_run(e->model, d, &p, &result, err);
            glim_progress_end(v.bar);
            glim_told_end(v.told, rc, err, &result);
            if (rc == GLIM_OK && v.job) rc = glim_cli_job_check(e->model, f->out, err); /* what cannot be served is no success */
            if (rc == GLIM_OK && v.job) glim_cli_job_end(&result);
            else if (rc == GLIM_OK && f->json) print_json(&result, &plan, f->out);
            else if (rc == GLIM_OK) print_result(&result, f);
        }
    }
    if (rc == GLIM_E_LIMIT && f->dp_epsilon != 0 && !about) about = "glim.dp_epsilon";
    if (rc != GLIM_OK && v.job) glim_cli_job_error(err, about);
    glim_dataset_free(d);
    glim_dataset_free(held);
    glim_engine_free(teacher);
    glim_engine_free(e);
    glim_store_close(ledger);
    free(words);
    return rc;
}

/* Whether the method is that of cmd_pretrain.c, which has a page of its own. */
static bool pretrains(int argc, char **argv) {
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--method=pretrain") == 0 || (i + 1 < argc && strcmp(argv[i], "--method") == 0 && strcmp(argv[i + 1], "pretrain") == 0))
            return true;
    return false;
}

int glim_cmd_tune(int argc, char **argv) {
    if (pretrains(argc, argv)) return glim_cmd_pretrain(argc, argv);
    tune_flags f = {.method = "sft", .schedule = "cosine", .optim = "adamw", .precision = "bf16", .loss = "answers",
                    .warmup_share = 0.03, .warmup = -1, .max_tokens = 2048, .distill_top = -1,
                    /* not given: zero is a number that somebody may ask for */
                    .lr = NAN, .epochs = NAN, .alpha = NAN, .clip = NAN, .dp_epsilon = NAN, .dp_delta = NAN, .dp_clip = NAN, .dp_noise = NAN, .eval = NAN, .teacher_weight = NAN, .temperature = NAN, .beta = NAN};
    glim_model_flags mf = {.ctx = 64};
    const glim_flag what[] = {
        {"--data", NULL, GLIM_FLAG_STR, &f.data, "FILE", "the rows, if they are not given as the second word", 0, 0},
        {"--out", "-o", GLIM_FLAG_STR, &f.out, "FOLDER", "where the adapter (or model), checkpoints and metrics go", 0, 0},
        {"--method", NULL, GLIM_FLAG_STR, &f.method, "M", "sft; dpo for pairs of answers; distill from a --teacher; pretrain (see --method pretrain --help) (default sft)", 0, 0},
        {"--teacher", NULL, GLIM_FLAG_STR, &f.teacher, "MODEL", "distill: the model to learn from, of the same tokenizer", 0, 0},
        {"--full", NULL, GLIM_FLAG_BOOL, &f.full, NULL, "train all weights instead of an adapter", 0, 0},
        {"--resume", NULL, GLIM_FLAG_BOOL, &f.resume, NULL, "go on from the folder's checkpoint", 0, 0},
        {"--inspect", NULL, GLIM_FLAG_INT, &f.inspect, "N", "show the first N examples token by token with their mask, and stop", 1, 1 << 20},
        {"--plan", NULL, GLIM_FLAG_BOOL, &f.plan, NULL, "show what the run needs, and stop", 0, 0},
        {"--json", NULL, GLIM_FLAG_BOOL, &f.json, NULL, "one JSON object on stdout", 0, 0},
        {"--store", NULL, GLIM_FLAG_STR, &f.store, "DIR", "data folder that is told of the run and its curve (default: glim.conf's or $GLIM_DATA, else $XDG_DATA_HOME/glim, if it is there)", 0, 0},
        {"--nice", NULL, GLIM_FLAG_INT, &f.nice, "N", "give way to other programs, as nice(1) does", 0, 19},
        {"--job", NULL, GLIM_FLAG_INT, &f.job, "PID", "for glim serve, whose process this is: a line of JSON on stdout for each step; ends with that process", 1, 1 << 30},
        {"--base", NULL, GLIM_FLAG_STR, &f.base, "NAME", "base_model_name_or_path of the adapter (default: MODEL)", 0, 0},
        {"--threads", "-t", GLIM_FLAG_INT, &mf.threads, "N", "threads (default: all this process may use)", 1, 1024},
        {"--type", NULL, GLIM_FLAG_STR, &mf.type, "T", "hold frozen weights as f32, bf16, f16 or q8_0 (default: as stored)", 0, 0},
        {0}};
    const glim_flag rows[] = {
        {"--format", NULL, GLIM_FLAG_STR, &f.format, "F", "chat, alpaca, sharegpt, preference, text or table (default: guessed)", 0, 0},
        {"--prompt", NULL, GLIM_FLAG_STR, &f.prompt, "T", "tables: the prompt, with \"{column}\"", 0, 0},
        {"--answer", NULL, GLIM_FLAG_STR, &f.answer, "T", "tables: the answer, with \"{column}\"", 0, 0},
        {"--system", NULL, GLIM_FLAG_STR, &f.system, "T", "system message for rows without one", 0, 0},
        {"--template", NULL, GLIM_FLAG_STR, &mf.template, "NAME", "chat template by name, instead of recognising it", 0, 0},
        {"--thinking", NULL, GLIM_FLAG_STR, &f.thinking, "on|off", "render rows as for a chat with --thinking on or off (default: the model's own way; off leaves their reasoning out)", 0, 0},
        {"--loss", NULL, GLIM_FLAG_STR, &f.loss, "L", "what counts: answers, last, label or all (default answers)", 0, 0},
        {"--max-tokens", NULL, GLIM_FLAG_INT, &f.max_tokens, "N", "longest example; longer ones are cut (default 2048)", 2, 1 << 24},
        {"--skip-bad", NULL, GLIM_FLAG_BOOL, &f.skip_bad, NULL, "leave bad rows out instead of refusing the file", 0, 0},
        {"--eval", NULL, GLIM_FLAG_REAL, &f.eval, "SHARE", "share of the rows kept for evaluation", 0, 0},
        {"--eval-file", NULL, GLIM_FLAG_STR, &f.eval_file, "FILE", "rows for evaluation, instead of a share", 0, 0},
        {"--eval-every", NULL, GLIM_FLAG_INT, &f.eval_every, "N", "steps between evaluations (default: an epoch)", 1, 1 << 30},
        {"--patience", NULL, GLIM_FLAG_INT, &f.patience, "N", "stop after N evaluations without a better loss, with the best weights", 1, 1 << 20},
        {0}};
    const glim_flag how[] = {
        {"--lora-rank", NULL, GLIM_FLAG_INT, &f.rank, "R", "rank of the adapter (default 16)", 1, 512},
        {"--lora-alpha", NULL, GLIM_FLAG_REAL, &f.alpha, "A", "its scale is A / R (default 2 R)", 0, 0},
        {"--lora-dropout", NULL, GLIM_FLAG_REAL, &f.dropout, "P", "dropout on the adapter's input (default 0)", 0, 0},
        {"--lora-targets", NULL, GLIM_FLAG_STR, &f.targets, "NAMES", "modules as PEFT names them, comma-separated, or all-linear (default: the family's)", 0, 0},
        {"--dora", NULL, GLIM_FLAG_BOOL, &f.dora, NULL, "also train the length of each row (DoRA)", 0, 0},
        {"--rslora", NULL, GLIM_FLAG_BOOL, &f.rslora, NULL, "scale by A / sqrt(R)", 0, 0},
        {"--lr", NULL, GLIM_FLAG_REAL, &f.lr, "X", "learning rate (default 2e-4 for adapters, 1e-5 for all weights)", 0, 0},
        {"--schedule", NULL, GLIM_FLAG_STR, &f.schedule, "S", "cosine, linear or constant (default cosine)", 0, 0},
        {"--warmup", NULL, GLIM_FLAG_INT, &f.warmup, "N", "steps until the full rate (default: 3 % of the run)", 0, 1 << 30},
        {"--weight-decay", NULL, GLIM_FLAG_REAL, &f.decay, "X", "of matrices (default 0)", 0, 0},
        {"--clip", NULL, GLIM_FLAG_REAL, &f.clip, "X", "largest norm of the gradient; 0: none (default 1)", 0, 0},
        {"--optim", NULL, GLIM_FLAG_STR, &f.optim, "O", "adamw, or adamw8 with a state of bytes (default adamw)", 0, 0},
        {"--precision", NULL, GLIM_FLAG_STR, &f.precision, "T", "products in bf16 where the CPU is faster at it, or f32 (default bf16)", 0, 0},
        {"--epochs", NULL, GLIM_FLAG_REAL, &f.epochs, "X", "times through the rows (default 1)", 0, 0},
        {"--steps", NULL, GLIM_FLAG_INT, &f.steps, "N", "steps, instead of epochs", 1, 1 << 30},
        {"--batch", NULL, GLIM_FLAG_INT, &f.batch, "N", "examples of a step (default 8)", 1, 1 << 20},
        {"--rows", NULL, GLIM_FLAG_INT, &f.rows, "N", "tokens of a pass; a step makes as many as it needs (default: the longest example, at least 512)", 1, 1 << 24},
        {"--save-every", NULL, GLIM_FLAG_INT, &f.save_every, "N", "steps between checkpoints (default: a hundredth of the run)", 1, 1 << 30},
        {"--exports", NULL, GLIM_FLAG_INT, &f.exports, "N", "write the adapter N times, at equal distances: FOLDER/step-K on the way (default: once)", 1, 1 << 20},
        {"--dpo-beta", NULL, GLIM_FLAG_REAL, &f.beta, "X", "dpo: how close to the base model (default 0.1)", 0, 0},
        {"--distill-temperature", NULL, GLIM_FLAG_REAL, &f.temperature, "T", "distill: of both models' probabilities (default 2)", 0, 0},
        {"--distill-weight", NULL, GLIM_FLAG_REAL, &f.teacher_weight, "W", "distill: the teacher's share of the loss, the rows' own has the rest (default 0.5)", 0, 0},
        {"--distill-top", NULL, GLIM_FLAG_INT, &f.distill_top, "K", "distill: tokens of the teacher kept for each row, all others as one; 0: all (default 128)", 0, 1 << 24},
        {"--teacher-type", NULL, GLIM_FLAG_STR, &f.teacher_type, "T", "distill: hold the teacher as f32, bf16, f16 or q8_0 (default: as stored)", 0, 0},
        {"--balance", NULL, GLIM_FLAG_REAL, &f.balance, "X", "experts: weight of the load-balancing loss (default 0)", 0, 0},
        {"--router-step", NULL, GLIM_FLAG_REAL, &f.router_step, "X", "experts, --full: by which routers' biases move each step towards idle experts (default 0)", 0, 0},
        {"--seed", NULL, GLIM_FLAG_INT, &f.seed, "N", "of order, start and dropout (default 0)", 0, (int64_t)1 << 53},
        {0}};
    const glim_flag privacy[] = {
        {"--dp-epsilon", NULL, GLIM_FLAG_REAL, &f.dp_epsilon, "E", "train privately (DP-SGD): what is written tells of one example at most E ...", 0, 0},
        {"--dp-delta", NULL, GLIM_FLAG_REAL, &f.dp_delta, "D", "... but for a chance of D, less than 1 in the number of examples", 0, 0},
        {"--dp-clip", NULL, GLIM_FLAG_REAL, &f.dp_clip, "C", "norm that the gradient of one example is cut to (default 1)", 0, 0},
        {"--dp-noise", NULL, GLIM_FLAG_REAL, &f.dp_noise, "S", "noise in multiples of C (default: the least that keeps E and D)", 0, 0},
        {"--dp-set", NULL, GLIM_FLAG_STR, &f.dp_set, "NAME", "data set on the privacy ledger; one name for rows of the same people (default: the file's content)", 0, 0},
        {"--dp-ledger", NULL, GLIM_FLAG_STR, &f.dp_ledger, "DIR", "data folder with the ledger (default: --store's)", 0, 0},
        {0}};
    const glim_page u = {"glim tune MODEL DATA -o FOLDER",
                         "Trains MODEL on the rows of DATA: chat JSONL, Alpaca, ShareGPT, pairs of answers, text, CSV. Makes a LoRA\n"
                         "adapter as PEFT keeps it, or with --full a whole model. The model stays in the bits that it has. A run that\n"
                         "was stopped or killed goes on with --resume and ends in the same bits.",
                         {what, rows, how, privacy}};
    glim_str_list pos = {0};
    const int code = glim_args(argc, argv, &u, &pos, 1, 2);
    if (code >= 0) return code;
    glim_err err = {0};
    glim_status rc = GLIM_OK;
    if (pos.n > 1 && f.data) rc = glim_fail(&err, GLIM_E_ARG, "the rows are given twice: \"%s\", and --data \"%s\"", pos.v[1], f.data);
    if (pos.n > 1) f.data = pos.v[1];
    if (!f.data) rc = glim_fail(&err, GLIM_E_ARG, "no data: glim tune MODEL DATA -o FOLDER");
    if (rc == GLIM_OK && !f.out && !f.inspect && !f.plan) rc = glim_fail(&err, GLIM_E_ARG, "no folder for the result: -o FOLDER");
    /* Zero is no word for "not private": who asks for it would get a run without noise. */
    if (rc == GLIM_OK && f.dp_epsilon <= 0) rc = glim_fail(&err, GLIM_E_ARG, "--dp-epsilon: got %g, want more than 0", f.dp_epsilon);
    if (isnan(f.dp_epsilon)) f.dp_epsilon = 0; /* not given */
    if (rc == GLIM_OK && f.full && mf.type) rc = glim_fail(&err, GLIM_E_ARG, "--type is that of frozen weights, --full trains all of them");
    if (rc == GLIM_OK && f.full) mf.kernels = glim_kernels_find("ref"); /* masters stand in for all weights: nothing to pack */
    glim_cli_catch_interrupt();
    if (rc == GLIM_OK) rc = glim_cli_job_begin(f.job, f.nice, &err);
    if (rc == GLIM_OK) rc = tune(&f, &mf, pos.v[0], &err);
    return rc == GLIM_OK ? 0 : glim_cli_error(&err);
}
