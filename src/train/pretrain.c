/* pretrain.c - see pretrain.h. */
#include "train/pretrain.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "format/sum64.h"
#include "train/data_corpus.h"
#include "train/curve.h"
#include "train/export.h"
#include "train/folder.h"
#include "train/packs.h"
#include "train/state.h"

typedef struct run {
    glim_model *m;
    const glim_tok *tok;
    glim_pretrain_params p;
    glim_corpus *corpus;
    glim_corpus *held;    /* texts for evaluation; NULL: none */
    float *best;          /* [n_values] with patience */
    glim_corpus_pos pos;  /* where the next step's first window begins */
    glim_net *n;
    glim_optim opt;
    glim_packer pack;
    glim_run_state state;
    int32_t *tokens;      /* [batch, window] of the step */
    uint8_t *loss;        /* [window] 0, 1, 1, ... */
    double *nll, *scale;  /* [n_rows] */
    FILE *metrics;
    glim_run_folder folder;
    bool began;           /* refused by nobody */
    glim_piece pieces[GLIM_STATE_PIECES];
    size_t n_pieces;
    glim_err *err;
} run;

/* ---- settings ---- */

static bool evaluates(const glim_pretrain_params *p) { return p->eval_file || p->eval_share > 0; }

static glim_status with_defaults(glim_pretrain_params *p, glim_err *err) {
    if (p->window == 0) p->window = 512;
    if (p->batch == 0) p->batch = 8;
    if (p->window < 2 || p->window > (size_t)1 << 20) return glim_fail(err, GLIM_E_ARG, "window of %zu tokens, want 2 to %d", p->window, 1 << 20);
    if (p->batch > (size_t)1 << 20) return glim_fail(err, GLIM_E_ARG, "%zu windows in a step, want at most %d", p->batch, 1 << 20);
    const size_t whole = p->batch * (p->window - 1), least = p->window - 1;
    if (p->n_rows == 0) p->n_rows = whole < 2048 ? whole : least > 2048 ? least : 2048;
    if (p->n_rows < least) {
        glim_fail(err, GLIM_E_ARG, "a window takes %zu rows, a pass has %zu", least, p->n_rows);
        glim_err_hint(err, "--max-tokens makes windows shorter, --rows makes a pass larger");
        return GLIM_E_ARG;
    }
    if (p->n_steps == 0) p->n_steps = (size_t)((p->n_tokens + whole - 1) / whole);
    if (p->n_steps == 0) {
        glim_fail(err, GLIM_E_ARG, "a stream has no end: how long to train is not said");
        glim_err_hint(err, "--tokens N or --steps N");
        return GLIM_E_ARG;
    }
    if (p->optim.lr <= 0) p->optim.lr = 1e-3;
    if (p->optim.beta2 <= 0) p->optim.beta2 = 0.95;
    p->optim.n_steps = p->n_steps;
    if (p->optim.warmup > p->n_steps)
        return glim_fail(err, GLIM_E_ARG, "a warm-up of %zu steps, and the run has %zu: it would never come to its rate", p->optim.warmup, p->n_steps);
    if (p->optim.warmup == 0) p->optim.warmup = (size_t)(p->warmup_share * (double)p->n_steps);
    if (p->save_seconds <= 0) p->save_seconds = 600;
    if (!(p->eval_share >= 0 && p->eval_share < 1)) return glim_fail(err, GLIM_E_ARG, "share for evaluation: got %g, want 0 to less than 1", p->eval_share);
    if (p->eval_file) p->eval_share = 0;
    if ((p->patience || p->eval_every) && !evaluates(p)) {
        if (p->patience) glim_fail(err, GLIM_E_ARG, "an early stop after %zu evaluations, and there is nothing to evaluate on", p->patience);
        else glim_fail(err, GLIM_E_ARG, "an evaluation every %zu steps, and there is nothing to evaluate on", p->eval_every);
        glim_err_hint(err, "--eval 0.01 keeps a hundredth of the corpus for it, --eval-file FILE has other texts");
        return GLIM_E_ARG;
    }
    if (p->eval_every == 0) p->eval_every = (p->n_steps + 19) / 20;
    return GLIM_OK;
}

static glim_net_params net_params(const glim_pretrain_params *p) {
    return (glim_net_params){.type = p->type, .n_rows = p->n_rows, .seed = p->seed, .kernels = p->kernels};
}

static glim_corpus_params corpus_params(const glim_pretrain_params *p, bool held) {
    return (glim_corpus_params){.n_tokens = p->window, .shuffle = !held, .seed = p->seed, .once = held, .held = held && !p->eval_file, .held_share = p->eval_share,
                                .held_seed = p->seed};
}

/* Of the stream of texts for evaluation: what it computes it computes in the step's own room. A share is of a corpus whose size is
 * not known here; its index is small beside a block. */
static size_t eval_bytes(const glim_pretrain_params *p) {
    const glim_corpus_params cp = corpus_params(p, true);
    struct stat st = {0};
    if (!evaluates(p)) return 0;
    if (p->eval_file && stat(p->eval_file, &st) != 0) st.st_size = 0; /* told when it is opened */
    return glim_corpus_memory(&cp, p->eval_file ? (uint64_t)st.st_size : 1 << 20);
}

static double mib(size_t n) { return (double)n / 1048576.0; }

glim_status glim_pretrain_plan(glim_tune_plan *plan, const glim_model *m, const glim_pretrain_params *params, glim_err *err) {
    glim_pretrain_params p = *params;
    *plan = (glim_tune_plan){.weights = m->plan.packed + m->plan.mapped};
    glim_status rc = with_defaults(&p, err);
    if (rc == GLIM_OK) rc = glim_check_export_model(m, p.out, err);
    const glim_net_params np = net_params(&p);
    if (rc == GLIM_OK) rc = glim_net_bytes(m, &np, &plan->trained, &plan->activations, &plan->n_values, err);
    if (rc != GLIM_OK) return rc;
    plan->optimizer = glim_optim_bytes(plan->n_values, p.optim.eight_bit);
    if (p.patience) plan->optimizer += plan->n_values * sizeof(float);
    plan->data = p.batch * p.window * sizeof(int32_t) + p.n_rows * 40 + eval_bytes(&p);
    plan->n_eval = evaluates(&p);
    plan->n_steps = p.n_steps, plan->n_rows = p.n_rows, plan->n_train = p.batch;
    plan->program = 16 << 20; /* as in tune.c */
    plan->total = plan->weights + plan->trained + plan->optimizer + plan->activations + plan->data + plan->program;
    plan->available = glim_memory_available() + m->plan.packed;
    if (plan->total <= plan->available) return GLIM_OK;
    glim_fail(err, GLIM_E_NOMEM, "training needs %.0f MiB (model %.0f, trained weights %.0f, optimizer %.0f, activations of %zu rows %.0f) and %.0f MiB are free",
              mib(plan->total), mib(plan->weights), mib(plan->trained), mib(plan->optimizer), p.n_rows, mib(plan->activations), mib(plan->available));
    glim_err_hint(err, "fewer rows in a pass (--rows), --optim adamw8, or a smaller model");
    return GLIM_E_NOMEM;
}

static uint64_t fingerprint(const run *r) {
    const glim_pretrain_params *p = &r->p;
    glim_buf b = {0};
    glim_buf_printf(&b, "pretrain %d %zu %zu %zu %llu|", (int)p->type, p->window, p->batch, p->n_rows, (unsigned long long)p->seed);
    glim_buf_printf(&b, "%.17g %.17g %.17g %.17g %.17g %.17g %d %zu %zu %d|", p->optim.lr, p->optim.beta1, p->optim.beta2, p->optim.eps,
                    p->optim.weight_decay, p->optim.clip, (int)p->optim.schedule, p->optim.warmup, p->optim.n_steps, p->optim.eight_bit);
    for (size_t i = 0; i < r->n->n_params; i++) glim_buf_printf(&b, "%s %zu;", r->n->params[i].name, r->n->params[i].n);
    uint64_t words = 1; /* the corpus' hash is of bytes: what becomes of them is the tokenizer's */
    for (size_t i = 0; i < glim_tok_n(r->tok); i++) {
        size_t n = 0;
        const char *s = glim_tok_piece(r->tok, (int32_t)i, &n);
        words = glim_sum64(words, &n, sizeof n);
        if (s) words = glim_sum64(words, s, n);
    }
    glim_buf_printf(&b, "%s %016llx %016llx %016llx", r->n->k->name, (unsigned long long)glim_corpus_hash(r->corpus), (unsigned long long)words,
                    (unsigned long long)glim_tune_model_sum(r->m));
    if (r->held) glim_buf_printf(&b, "|%zu %zu %.17g %016llx", p->eval_every, p->patience, p->eval_share, (unsigned long long)glim_corpus_hash(r->held));
    const uint64_t sum = glim_sum64(1, glim_buf_cstr(&b), b.len);
    glim_buf_free(&b);
    return sum;
}

/* ---- a step ---- */

static glim_status take_windows(run *r) {
    for (size_t i = 0; i < r->p.batch; i++) {
        glim_example x;
        glim_status rc = glim_corpus_next(r->corpus, &x, r->err);
        if (rc != GLIM_OK) return rc;
        memcpy(r->tokens + i * r->p.window, x.tokens, r->p.window * sizeof *x.tokens);
    }
    return GLIM_OK;
}

/* The next sequence of a window of n tokens, from *at on: up to and with an end of text. */
static bool next_document(const run *r, const int32_t *window, size_t n, size_t *at, glim_example *x) {
    const size_t begin = *at;
    const int32_t eos = glim_corpus_eos(r->corpus);
    if (begin >= n) return false;
    size_t end = begin + 1;
    while (end < n && window[end - 1] != eos) end++;
    *x = (glim_example){window + begin, r->loss, end - begin};
    *at = end;
    return true;
}

/* Adds the gradient of scale * sum of losses (scale 0: none), and that sum to *sum. */
static glim_status pass(run *r, double scale, double *sum) {
    const glim_pack *b = &r->pack.pack;
    glim_status rc = glim_net_forward(r->n, b, r->err);
    if (rc != GLIM_OK) return rc;
    for (size_t i = 0; i < b->n; i++) r->scale[i] = scale;
    glim_net_head(r->n, b, r->nll, scale != 0 ? r->scale : NULL);
    if (scale != 0) glim_net_backward(r->n, b);
    for (size_t i = 0; i < b->n; i++) *sum += r->nll[i];
    return GLIM_OK;
}

static glim_status one_step(run *r, glim_tune_step *s) {
    const size_t W = r->p.window;
    glim_example x;
    double sum = 0;
    glim_status rc = take_windows(r);
    if (rc != GLIM_OK) return rc;
    for (size_t i = 0; i < r->p.batch; i++)
        for (size_t at = 0; next_document(r, r->tokens + i * W, W, &at, &x);) s->n_targets += x.n - 1;
    s->n_tokens = s->n_targets;
    s->step = r->state.step + 1;
    s->rate = glim_optim_rate(&r->opt.p, r->state.step);
    if (s->n_targets == 0) { /* nothing but ends: it counts, as a resumed run will count it */
        r->opt.step++;
        return GLIM_OK;
    }
    const double scale = 1 / (double)s->n_targets;
    glim_net_zero(r->n);
    glim_packer_clear(&r->pack, r->state.step);
    for (size_t i = 0; i < r->p.batch && rc == GLIM_OK; i++)
        for (size_t at = 0; rc == GLIM_OK && next_document(r, r->tokens + i * W, W, &at, &x);)
            if (!glim_packer_add(&r->pack, &x, i)) {
                rc = pass(r, scale, &sum);
                glim_packer_clear(&r->pack, r->state.step);
                glim_packer_add(&r->pack, &x, i);
            }
    if (rc == GLIM_OK && r->pack.pack.n > 0) rc = pass(r, scale, &sum);
    if (rc != GLIM_OK) return rc;
    s->loss = sum * scale;
    s->norm = glim_optim_norm(&r->opt, r->n);
    if (!isfinite(s->loss) || !isfinite(s->norm)) {
        glim_fail(r->err, GLIM_E_STATE, "step %zu: the loss is %g and the gradient's norm is %g (epoch %llu, block %llu of the corpus)", s->step,
                  s->loss, s->norm, (unsigned long long)r->pos.epoch, (unsigned long long)r->pos.block);
        glim_err_hint(r->err, "the checkpoint before it stays in \"%s\" and would come to the same step; begin anew in another folder (-o) with a lower --lr or a tighter --clip", r->p.out);
        return GLIM_E_STATE;
    }
    glim_optim_step(&r->opt, r->n, s->norm);
    return GLIM_OK;
}

/* ---- evaluation ---- */

/* The mean loss of all texts that are kept apart; NAN: there are none. */
static glim_status evaluate(run *r, double *loss) {
    glim_example window, x;
    double sum = 0;
    size_t n_targets = 0;
    *loss = NAN;
    if (!r->held) return GLIM_OK;
    glim_status rc = glim_corpus_seek(r->held, (glim_corpus_pos){0}, r->err);
    glim_packer_clear(&r->pack, 0);
    while (rc == GLIM_OK && (rc = glim_corpus_next(r->held, &window, r->err)) == GLIM_OK && window.n > 0)
        for (size_t at = 0; rc == GLIM_OK && next_document(r, window.tokens, window.n, &at, &x);) {
            n_targets += x.n - 1;
            if (glim_packer_add(&r->pack, &x, 0)) continue;
            rc = pass(r, 0, &sum);
            glim_packer_clear(&r->pack, 0);
            glim_packer_add(&r->pack, &x, 0);
        }
    if (rc == GLIM_OK && r->pack.pack.n > 0) rc = pass(r, 0, &sum);
    if (rc == GLIM_OK && n_targets == 0) rc = glim_fail(r->err, GLIM_E_ARG, "the texts for evaluation have no token that could be guessed");
    if (rc == GLIM_OK) *loss = sum / (double)n_targets;
    return rc;
}

/* Behind a step, where it is due: into s, and with patience the weights that were best. */
static glim_status look(run *r, glim_tune_step *s, glim_tune_result *out) {
    glim_run_state *st = &r->state;
    if (!r->held || (st->step % r->p.eval_every != 0 && st->step != r->p.n_steps)) return GLIM_OK;
    const glim_status rc = evaluate(r, &s->eval_loss);
    if (rc != GLIM_OK) return rc;
    if (!isfinite(s->eval_loss)) {
        glim_fail(r->err, GLIM_E_STATE, "step %zu: the loss is %g before it, and %g on the texts for evaluation behind it", s->step, s->loss, s->eval_loss);
        glim_err_hint(r->err, "the checkpoint before it stays in \"%s\" and would come to the same step; begin anew in another folder (-o) with a lower --lr or a tighter --clip", r->p.out);
        return GLIM_E_STATE;
    }
    if (st->step == r->p.n_steps) out->eval_after = s->eval_loss;
    if (!(s->eval_loss >= st->best_eval)) {
        st->best_eval = s->eval_loss, st->bad_evals = 0;
        if (r->best) memcpy(r->best, r->n->w, r->n->n_values * sizeof(float));
    } else if (r->p.patience && ++st->bad_evals >= r->p.patience) out->stopped_early = true;
    return GLIM_OK;
}

/* ---- the run ---- */

static glim_status save(run *r) {
    const glim_status rc = glim_state_numbers(&r->state, r->n->w, r->n->n_values, r->err);
    return rc == GLIM_OK ? glim_state_write(r->p.out, &r->state, r->pieces, r->n_pieces, false, r->err) : rc;
}

static glim_status steps(run *r, glim_tune_result *out) {
    glim_run_state *st = &r->state;
    glim_status rc = GLIM_OK;
    const double begin = glim_now_s(), before = st->seconds;
    const size_t resumed = st->step, n_steps = r->p.n_steps;
    double saved = begin;
    bool go_on = true, fresh = true; /* fresh: the checkpoint is of this step */
    while (rc == GLIM_OK && go_on && st->step < n_steps && !out->stopped_early) {
        const double t0 = glim_now_s();
        glim_tune_step s = {.n_steps = n_steps, .eval_loss = NAN, .eval_accuracy = NAN, .epsilon = NAN, .accuracy = -1};
        rc = one_step(r, &s);
        if (rc != GLIM_OK) { /* nothing has changed since the step before: it is kept. Where that fails, an older checkpoint is there */
            glim_err *why = r->err;
            r->err = NULL;
            if (!fresh) (void)save(r);
            r->err = why;
            break;
        }
        st->step++;
        if (st->step == 1) st->first_loss = s.loss;
        st->last_loss = s.loss;
        st->n_tokens += s.n_tokens;
        r->pos = glim_corpus_tell(r->corpus);
        s.seconds = glim_now_s() - t0;
        s.tokens_per_s = (double)s.n_tokens / (s.seconds > 0 ? s.seconds : 1e-9);
        rc = look(r, &s, out);
        if (rc != GLIM_OK) break;
        const double now = glim_now_s();
        s.eta_s = (now - begin) / (double)(st->step - resumed) * (double)(n_steps - st->step);
        st->seconds = before + now - begin;
        rc = glim_curve_write(r->metrics, r->p.out, &s, r->err);
        fresh = false;
        if (rc == GLIM_OK && (now - saved >= r->p.save_seconds || st->step == n_steps || out->stopped_early)) {
            rc = save(r);
            saved = now;
            fresh = rc == GLIM_OK;
        }
        if (rc == GLIM_OK && r->p.on_step) go_on = r->p.on_step(r->p.ctx, &s);
    }
    out->steps = st->step;
    if (rc != GLIM_OK || go_on || st->step >= n_steps || out->stopped_early) return rc;
    if (!fresh) rc = save(r);
    if (rc != GLIM_OK) return rc;
    glim_fail(r->err, GLIM_E_CANCELLED, "stopped after step %llu of %zu", (unsigned long long)st->step, n_steps);
    glim_err_hint(r->err, "--resume goes on from there");
    return GLIM_E_CANCELLED;
}

static glim_status prepare(run *r, const char *const *paths, size_t n_paths) {
    void *p[4] = {0}, *best = NULL;
    const struct {
        size_t n, size;
    } want[4] = {{r->p.batch * r->p.window, sizeof(int32_t)}, {r->p.window, 1}, {r->p.n_rows, sizeof(double)}, {r->p.n_rows, sizeof(double)}};
    glim_status rc = GLIM_OK;
    for (int i = 0; i < 4 && rc == GLIM_OK; i++) rc = glim_try_calloc(&p[i], want[i].n, want[i].size, "a training run", r->err);
    r->tokens = p[0], r->loss = p[1], r->nll = p[2], r->scale = p[3];
    const glim_net_params np = net_params(&r->p);
    for (int held = 0; held < 1 + evaluates(&r->p); held++) {
        glim_corpus_params cp = corpus_params(&r->p, held);
        const bool file = held && r->p.eval_file;
        cp.tok = r->tok, cp.config = &r->m->cfg;
        if (rc == GLIM_OK) rc = glim_corpus_open(held ? &r->held : &r->corpus, file ? &r->p.eval_file : paths, file ? 1 : n_paths, &cp, r->err);
    }
    if (rc == GLIM_OK) rc = glim_net_new(&r->n, r->m, &np, r->err);
    if (rc == GLIM_OK && r->p.patience) rc = glim_try_calloc(&best, r->n->n_values, sizeof(float), "the best weights", r->err);
    r->best = best;
    if (rc == GLIM_OK) rc = glim_optim_init(&r->opt, &r->p.optim, r->n->n_values, r->err);
    if (rc == GLIM_OK) rc = glim_packer_init(&r->pack, r->p.n_rows, r->err);
    if (rc == GLIM_OK && !r->p.held) rc = glim_run_folder_take(&r->folder, r->p.out, r->p.resume, r->err);
    if (rc != GLIM_OK) return rc;
    memset(r->loss + 1, 1, r->p.window - 1);
    r->pieces[r->n_pieces++] = (glim_piece){r->n->w, r->n->n_values * sizeof(float)};
    r->n_pieces += glim_optim_pieces(&r->opt, r->pieces + 1);
    r->pieces[r->n_pieces++] = (glim_piece){&r->pos, sizeof r->pos};
    if (r->best) r->pieces[r->n_pieces++] = (glim_piece){r->best, r->n->n_values * sizeof(float)};
    return GLIM_OK;
}

static glim_status start(run *r, glim_tune_result *out) {
    const char *from = "";
    const uint64_t print = fingerprint(r);
    r->state = (glim_run_state){.fingerprint = print, .best_eval = NAN, .first_loss = NAN, .last_loss = NAN, .eval_before = NAN};
    glim_err why = {0};
    glim_run_state found;
    glim_status rc = glim_state_read(r->p.out, print, &found, r->pieces, r->n_pieces, &from, &why);
    if (!r->p.resume && rc != GLIM_E_NOT_FOUND) {
        glim_fail(r->err, GLIM_E_ARG, "\"%s\" holds the checkpoint of a run", r->p.out);
        glim_err_hint(r->err, "--resume goes on with it; another folder with -o begins anew");
        return GLIM_E_ARG;
    }
    if (rc != GLIM_OK && rc != GLIM_E_NOT_FOUND) {
        if (r->err) *r->err = why;
        return rc;
    }
    r->began = true;
    if (r->p.on_begin) r->p.on_begin(r->p.ctx);
    if (rc == GLIM_OK) {
        r->state = found;
        r->opt.step = found.step;
        out->resumed_at = found.step;
        out->stopped_early = r->p.patience && found.bad_evals >= r->p.patience;
        rc = glim_corpus_seek(r->corpus, r->pos, r->err);
        glim_log(GLIM_INFO, "train", "resume from=%s step=%llu", from, (unsigned long long)found.step);
    } else {
        rc = glim_corpus_check(r->corpus, r->err); /* before the first step, not in the ninth hour; who resumes has done it */
        if (rc == GLIM_OK && r->held) rc = glim_corpus_check(r->held, r->err);
        if (rc == GLIM_OK) rc = evaluate(r, &r->state.eval_before);
    }
    return rc == GLIM_OK ? glim_curve_open(&r->metrics, r->p.out, r->state.step, false, r->err) : rc;
}

glim_status glim_pretrain_run(glim_model *m, const glim_tok *tok, const char *const *paths, size_t n_paths, const glim_pretrain_params *p,
                              glim_tune_result *out, glim_err *err) {
    run r = {.m = m, .tok = tok, .p = *p, .err = err};
    glim_tune_plan plan;
    *out = (glim_tune_result){.eval_after = NAN, .eval_before = NAN, .best_eval = NAN};
    glim_status rc = glim_pretrain_plan(&plan, m, p, err);
    if (rc == GLIM_OK) rc = with_defaults(&r.p, err);
    if (rc == GLIM_OK) rc = prepare(&r, paths, n_paths);
    if (rc == GLIM_OK) rc = start(&r, out);
    if (rc == GLIM_OK) rc = steps(&r, out);
    if (rc == GLIM_OK && r.best && !isnan(r.state.best_eval)) memcpy(r.n->w, r.best, r.n->n_values * sizeof(float));
    if (rc == GLIM_OK) rc = glim_state_numbers(&r.state, r.n->w, r.n->n_values, err);
    if (rc == GLIM_OK && (r.best || isnan(out->eval_after))) rc = evaluate(&r, &out->eval_after); /* of what is exported; the last step's was */
    if (rc == GLIM_OK) rc = glim_net_export_model(r.n, p->out, err);
    out->eval_before = r.state.eval_before, out->best_eval = r.state.best_eval;
    out->first_loss = r.state.first_loss, out->last_loss = r.state.last_loss;
    out->seconds = r.state.seconds, out->n_tokens = r.state.n_tokens;
    if (r.n) out->sum = glim_net_sum(r.n);
    if (rc == GLIM_E_IO && r.began && err && !err->hint[0]) glim_err_hint(err, "with room and a disk that writes, --resume goes on from the last checkpoint");
    if (r.metrics) fclose(r.metrics);
    glim_run_folder_release(&r.folder, r.began);
    glim_packer_deinit(&r.pack);
    glim_optim_deinit(&r.opt);
    glim_net_free(r.n);
    glim_corpus_free(r.corpus);
    glim_corpus_free(r.held);
    free(r.tokens), free(r.loss), free(r.nll), free(r.scale), free(r.best);
    return rc;
}
