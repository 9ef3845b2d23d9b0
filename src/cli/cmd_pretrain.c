/* cmd_pretrain.c - glim tune --method pretrain: a corpus in, a model out, from nothing or from a model. */
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"
#include "cli/cli.h"
#include "cli/progress.h"
#include "cli/told.h"
#include "train/folder.h"
#include "train/pretrain.h"
#include "train/start.h"
#include "train/state.h"

typedef struct flags {
    const char *method, *fresh, *tokenizer, *out, *schedule, *optim, *precision, *store, *eval_file;
    int64_t steps, tokens, batch, window, rows, warmup, seed, eval_every, patience;
    double eval, lr, warmup_share, decay, clip, save_minutes;
    bool resume, plan, json;
} flags;

typedef struct shown {
    glim_progress *bar;
    const glim_told_params *tell;
    glim_told *told; /* NULL: nobody asked */
    bool began;
} shown;

static void show_begin(void *ctx) {
    shown *v = ctx;
    v->began = true;
    v->told = glim_told_begin(v->tell);
}

static bool show_step(void *ctx, const glim_tune_step *s) {
    const shown *v = ctx;
    char note[96], eval[32] = "";
    if (!isnan(s->eval_loss)) snprintf(eval, sizeof eval, ", eval %.4f", s->eval_loss);
    snprintf(note, sizeof note, "loss %.4f, %.0f tokens/s%s", s->loss, s->tokens_per_s, eval);
    glim_progress_tell(v->bar, s->step, s->n_steps, s->eta_s > 0 ? (double)(s->n_steps - s->step) / s->eta_s : -1, note);
    return glim_told_step(v->told, s->step) && !glim_cli_interrupt_pending();
}

static glim_status one_of(const char *flag, const char *got, const char *a, const char *b, bool *second, glim_err *err) {
    *second = strcmp(got, b) == 0;
    return *second || strcmp(got, a) == 0 ? GLIM_OK : glim_fail(err, GLIM_E_ARG, "%s: got \"%s\", want %s or %s", flag, got, a, b);
}

static glim_status params_of(glim_pretrain_params *p, const flags *f, glim_err *err) {
    bool eight_bit = false, bf16 = false;
    glim_status rc = one_of("--optim", f->optim, "adamw", "adamw8", &eight_bit, err);
    if (rc == GLIM_OK) rc = one_of("--precision", f->precision, "f32", "bf16", &bf16, err);
    const struct {
        const char *flag;
        double v;
    } reals[] = {{"--lr", f->lr}, {"--clip", f->clip}, {"--weight-decay", f->decay}, {"--save-minutes", f->save_minutes}};
    /* Of two that say the same thing one would be left aside. */
    if (rc == GLIM_OK && f->steps && f->tokens) rc = glim_fail(err, GLIM_E_ARG, "--tokens and --steps both say how long the run is: want one of them");
    if (rc == GLIM_OK && f->eval_file && !isnan(f->eval)) rc = glim_fail(err, GLIM_E_ARG, "--eval and --eval-file both say what to evaluate on: want one of them");
    if (rc == GLIM_OK && f->lr == 0) rc = glim_fail(err, GLIM_E_ARG, "--lr: got 0, want more than 0");
    if (rc == GLIM_OK && f->save_minutes == 0) rc = glim_fail(err, GLIM_E_ARG, "--save-minutes: got 0, want more than 0");
    for (size_t i = 0; rc == GLIM_OK && i < GLIM_COUNT(reals); i++)
        if (!isnan(reals[i].v) && !(reals[i].v >= 0)) rc = glim_fail(err, GLIM_E_ARG, "%s: got %g, want 0 or more", reals[i].flag, reals[i].v);
    *p = (glim_pretrain_params){.type = bf16 ? GLIM_GEMM_BF16 : GLIM_GEMM_F32, .window = (size_t)f->window, .batch = (size_t)f->batch,
                                .n_rows = (size_t)f->rows, .n_steps = (size_t)f->steps, .n_tokens = (uint64_t)f->tokens,
                                .warmup_share = f->warmup < 0 ? f->warmup_share : 0, .save_seconds = f->save_minutes * 60, .eval_file = f->eval_file, .eval_share = isnan(f->eval) ? 0 : f->eval,
                                .eval_every = (size_t)f->eval_every, .patience = (size_t)f->patience, .seed = (uint64_t)f->seed, .out = f->out,
                                .resume = f->resume, .kernels = glim_kernels_get()};
    p->optim = (glim_optim_params){.lr = isnan(f->lr) ? 0 : f->lr, .weight_decay = f->decay, .clip = f->clip, .warmup = f->warmup > 0 ? (size_t)f->warmup : 0, .eight_bit = eight_bit};
    if (rc == GLIM_OK && !glim_schedule_parse(f->schedule, &p->optim.schedule))
        rc = glim_fail(err, GLIM_E_ARG, "--schedule: got \"%s\", want cosine, linear or constant", f->schedule);
    return rc;
}

/* A start that nothing was learnt from. */
static void remove_start(const char *folder) {
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));) unlinkat(dirfd(d), e->d_name, 0); /* "." and ".." stay, as folders do */
    if (d) closedir(d);
    rmdir(folder);
}

/* A folder that a plan may write to: it is asked about a run that there may never be. */
static glim_status folder_for_plan(char **path, glim_err *err) {
    const char *tmp = getenv("TMPDIR");
    *path = glim_path_join(tmp && *tmp ? tmp : "/tmp", "glim-plan-XXXXXX");
    return mkdtemp(*path) ? GLIM_OK : glim_fail_errno(err, GLIM_E_IO, errno, "could not make a folder \"%s\"", *path);
}

/* Where the run begins: the model given, or a new one in OUT/start, which a resumed run finds there. The start of a run that trains, or that
 * has a checkpoint, is that run's. *made: its folder was made just now, and may go again. held: OUT, from here on until the run ends; for a
 * plan and for a model given it stays {0}. */
static glim_status start_of(char **path, bool *made, glim_run_folder *held, const flags *f, const char *model, glim_err *err) {
    *path = NULL;
    if (model) {
        *path = glim_xstrdup(model);
        return GLIM_OK;
    }
    glim_status rc = f->plan ? GLIM_OK : glim_run_folder_take(held, f->out, f->resume, err);
    char *dir = glim_path_join(f->out, "start"), *weights = glim_path_join(dir, "model.safetensors");
    const bool new = !f->resume || !glim_path_exists(weights), had = glim_path_exists(dir); /* nobody else's: it is held */
    if (rc == GLIM_OK && !f->resume && glim_state_is_in(f->out)) {
        rc = glim_fail(err, GLIM_E_ARG, "\"%s\" holds the checkpoint of a run", f->out);
        glim_err_hint(err, "--resume goes on with it; another folder with -o begins anew");
    }
    if (rc == GLIM_OK && f->plan && new) {
        free(dir);
        rc = folder_for_plan(&dir, err);
    }
    *made = rc == GLIM_OK && new && (f->plan || !had);
    if (rc == GLIM_OK && new) rc = glim_start_model(dir, f->fresh, f->tokenizer, (uint64_t)f->seed, err);
    free(weights);
    *path = dir;
    return rc;
}

static void show_plan(const glim_tune_plan *p) {
    char a[7][32];
    fprintf(stderr, "plan: %s in all (model %s, trained weights and gradients %s, optimizer %s, activations of %zu rows %s, data and the program %s); %s are free\n",
            glim_human_bytes(a[0], sizeof a[0], (double)p->total), glim_human_bytes(a[1], sizeof a[1], (double)p->weights),
            glim_human_bytes(a[2], sizeof a[2], (double)p->trained), glim_human_bytes(a[3], sizeof a[3], (double)p->optimizer), p->n_rows,
            glim_human_bytes(a[4], sizeof a[4], (double)p->activations), glim_human_bytes(a[6], sizeof a[6], (double)(p->data + p->program)),
            glim_human_bytes(a[5], sizeof a[5], (double)p->available));
    fprintf(stderr, "      %zu steps of %zu windows%s; %s values are trained\n", p->n_steps, p->n_train, p->n_eval ? ", evaluated on texts kept apart" : "",
            glim_human_count(a[0], sizeof a[0], (double)p->n_values));
}

static void print_result(const glim_tune_result *r, const glim_tune_plan *plan, const flags *f) {
    if (!f->json) {
        printf("%s: %zu steps%s, loss %.4f to %.4f", f->out, r->steps, r->stopped_early ? " (stopped early)" : "", r->first_loss, r->last_loss);
        if (!isnan(r->eval_after)) printf(", evaluation %.4f to %.4f", r->eval_before, r->eval_after);
        printf(", %zu tokens, %.0f s, %.0f tokens/s\n", r->n_tokens, r->seconds, r->seconds > 0 ? (double)r->n_tokens / r->seconds : 0);
        return;
    }
    glim_buf b = {0};
    glim_buf_puts(&b, "{\"folder\": ");
    glim_json_put_str(&b, f->out, strlen(f->out));
    glim_buf_printf(&b, ", \"steps\": %zu, \"resumed_at\": %zu, \"stopped_early\": %s, \"tokens\": %zu, \"planned_bytes\": %zu", r->steps, r->resumed_at,
                    r->stopped_early ? "true" : "false", r->n_tokens, plan->total);
    const struct {
        const char *name;
        double v;
    } reals[] = {{"first_loss", r->first_loss}, {"last_loss", r->last_loss}, {"eval_before", r->eval_before}, {"eval_after", r->eval_after}, {"seconds", r->seconds}};
    for (size_t i = 0; i < GLIM_COUNT(reals); i++) {
        glim_buf_printf(&b, ", \"%s\": ", reals[i].name);
        glim_json_put_real(&b, reals[i].v);
    }
    glim_buf_printf(&b, ", \"sum\": \"%016llx\"}", (unsigned long long)r->sum);
    puts(glim_buf_cstr(&b));
    glim_buf_free(&b);
}

static glim_status pretrain(const flags *f, const glim_model_flags *mf, const char *model, const char *const *paths, size_t n_paths, glim_err *err) {
    glim_engine *e = NULL;
    glim_pretrain_params p;
    glim_tune_plan plan;
    glim_tune_result result;
    char *from = NULL;
    bool made = false, began = false;
    glim_run_folder held = {0};
    glim_status rc = params_of(&p, f, err);
    if (rc == GLIM_OK) rc = start_of(&from, &made, &held, f, model, err);
    p.held = held.path != NULL;
    if (rc == GLIM_OK) rc = glim_cli_open(&e, from, mf, 0, false, err);
    if (rc == GLIM_OK) rc = glim_pretrain_plan(&plan, e->model, &p, err);
    if (rc == GLIM_OK) show_plan(&plan);
    if (rc == GLIM_OK && !f->plan) {
        const glim_told_params tp = {.dir = f->store, .out = f->out, .model = model ? model : f->fresh, .data = paths[0], .held = f->eval_file, .seed = p.seed, .method = "pretrain",
                                     .n_steps = plan.n_steps, .resume = f->resume};
        shown v = {.tell = &tp};
        v.bar = glim_progress_begin("training", plan.n_steps, GLIM_PROGRESS_COUNT);
        p.on_begin = show_begin, p.on_step = show_step, p.ctx = &v;
        rc = glim_pretrain_run(e->model, e->tok, paths, n_paths, &p, &result, err);
        glim_progress_end(v.bar);
        glim_told_end(v.told, rc, err, &result);
        began = v.began;
        if (rc == GLIM_OK) print_result(&result, &plan, f);
    }
    glim_engine_free(e);
    if (made && !began) remove_start(from); /* while it is held: the next run's start may lie there right after */
    glim_run_folder_release(&held, began);
    free(from);
    return rc;
}

int glim_cmd_pretrain(int argc, char **argv) {
    flags f = {.schedule = "cosine", .optim = "adamw", .precision = "bf16", .lr = NAN, .eval = NAN, .clip = 1, .warmup_share = 0.03, .warmup = -1, .decay = 0.1, .save_minutes = 10};
    glim_model_flags mf = {.ctx = 64};
    const glim_flag what[] = {
        {"--method", NULL, GLIM_FLAG_STR, &f.method, "M", "pretrain", 0, 0},
        {"--new", NULL, GLIM_FLAG_STR, &f.fresh, "FILE", "begin with a new model of this config.json (class Glm4 or Glm)", 0, 0},
        {"--tokenizer", NULL, GLIM_FLAG_STR, &f.tokenizer, "DIR", "its tokenizer, as glim tokenizer train writes it", 0, 0},
        {"--out", "-o", GLIM_FLAG_STR, &f.out, "FOLDER", "where the model, checkpoints and metrics go", 0, 0},
        {"--tokens", NULL, GLIM_FLAG_INT, &f.tokens, "N", "tokens to train on", 1, INT64_MAX / 2},
        {"--steps", NULL, GLIM_FLAG_INT, &f.steps, "N", "steps, instead of tokens", 1, 1 << 30},
        {"--resume", NULL, GLIM_FLAG_BOOL, &f.resume, NULL, "go on from the folder's checkpoint, if it has one", 0, 0},
        {"--plan", NULL, GLIM_FLAG_BOOL, &f.plan, NULL, "show what the run needs, and stop", 0, 0},
        {"--json", NULL, GLIM_FLAG_BOOL, &f.json, NULL, "one JSON object on stdout", 0, 0},
        {"--store", NULL, GLIM_FLAG_STR, &f.store, "DIR", "data folder that is told of the run and its curve (default: glim.conf's or $GLIM_DATA, else $XDG_DATA_HOME/glim, if it is there)", 0, 0},
        {"--threads", "-t", GLIM_FLAG_INT, &mf.threads, "N", "threads (default: all this process may use)", 1, 1024},
        {0}};
    const glim_flag how[] = {
        {"--max-tokens", NULL, GLIM_FLAG_INT, &f.window, "N", "tokens of a window of the corpus (default 512)", 2, 1 << 20},
        {"--batch", NULL, GLIM_FLAG_INT, &f.batch, "N", "windows of a step (default 8)", 1, 1 << 20},
        {"--rows", NULL, GLIM_FLAG_INT, &f.rows, "N", "tokens of a pass; a step makes as many as it needs (default: the step's, at most 2048)", 1, 1 << 24},
        {"--lr", NULL, GLIM_FLAG_REAL, &f.lr, "X", "learning rate (default 1e-3)", 0, 0},
        {"--schedule", NULL, GLIM_FLAG_STR, &f.schedule, "S", "cosine, linear or constant (default cosine)", 0, 0},
        {"--warmup", NULL, GLIM_FLAG_INT, &f.warmup, "N", "steps until the full rate (default: 3 % of the run)", 0, 1 << 30},
        {"--weight-decay", NULL, GLIM_FLAG_REAL, &f.decay, "X", "of matrices (default 0.1)", 0, 0},
        {"--clip", NULL, GLIM_FLAG_REAL, &f.clip, "X", "largest norm of the gradient; 0: none (default 1)", 0, 0},
        {"--optim", NULL, GLIM_FLAG_STR, &f.optim, "O", "adamw, or adamw8 with a state of bytes (default adamw)", 0, 0},
        {"--precision", NULL, GLIM_FLAG_STR, &f.precision, "T", "products in bf16 where the CPU is faster at it, or f32 (default bf16)", 0, 0},
        {"--eval", NULL, GLIM_FLAG_REAL, &f.eval, "SHARE", "share of the corpus (of its blocks of 64 KiB) kept for evaluation", 0, 0},
        {"--eval-file", NULL, GLIM_FLAG_STR, &f.eval_file, "FILE", "texts for evaluation, instead of a share", 0, 0},
        {"--eval-every", NULL, GLIM_FLAG_INT, &f.eval_every, "N", "steps between evaluations (default: a twentieth of the run)", 1, 1 << 30},
        {"--patience", NULL, GLIM_FLAG_INT, &f.patience, "N", "stop after N evaluations without a better loss, with the best weights", 1, 1 << 20},
        {"--save-minutes", NULL, GLIM_FLAG_REAL, &f.save_minutes, "X", "between checkpoints (default 10)", 0, 0},
        {"--seed", NULL, GLIM_FLAG_INT, &f.seed, "N", "of the start and of the order (default 0)", 0, (int64_t)1 << 53},
        {0}};
    const glim_page u = {"glim tune --method pretrain --new FILE --tokenizer DIR CORPUS... -o FOLDER --tokens N",
                         "Trains all weights of a new model on texts: files, or .jsonl rows with \"text\". Without --new the first\n"
                         "word is a model (a Hugging Face folder) that goes on learning. A run that was stopped or killed goes on with\n"
                         "--resume and ends in the same bits.",
                         {what, how}};
    glim_str_list pos = {0};
    const int code = glim_args(argc, argv, &u, &pos, 1, GLIM_COUNT(pos.v));
    if (code >= 0) return code;
    glim_err err = {0};
    glim_status rc = GLIM_OK;
    const size_t skip = f.fresh ? 0 : 1;
    if (f.fresh && !f.tokenizer) rc = glim_fail(&err, GLIM_E_ARG, "a new model wants a tokenizer: --tokenizer DIR");
    else if (!f.fresh && f.tokenizer) rc = glim_fail(&err, GLIM_E_ARG, "a tokenizer goes with --new FILE; a model has its own");
    else if (pos.n <= skip) {
        rc = glim_fail(&err, GLIM_E_ARG, "no corpus: glim tune --method pretrain MODEL CORPUS... -o FOLDER");
        glim_err_hint(&err, "--new FILE --tokenizer DIR begins with a new model, and all words are corpora");
    } else if (!f.out) rc = glim_fail(&err, GLIM_E_ARG, "no folder for the result: -o FOLDER");
    mf.kernels = glim_kernels_find("ref"); /* masters stand in for all weights: nothing to pack */
    glim_cli_catch_interrupt();
    if (rc == GLIM_OK) rc = pretrain(&f, &mf, skip ? pos.v[0] : NULL, pos.v + skip, pos.n - skip, &err);
    return rc == GLIM_OK ? 0 : glim_cli_error(&err);
}
