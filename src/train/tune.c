/* tune.c - see tune.h. */
#include "train/tune.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "format/sum64.h"
#include "train/curve.h"
#include "train/export.h"
#include "train/folder.h"
#include "train/objective.h"
#include "train/state.h"

enum { PROGRAM = 16 << 20 }; /* resident pages of `glim` and its libraries in a run on a tiny model, buffers included */

typedef struct run {
    glim_model *m;
    const glim_dataset *d;
    glim_tune_params p;
    glim_tune_plan plan;
    glim_net *n;
    glim_optim opt;
    glim_packer pack;
    glim_teacher *teacher; /* of distillation */
    glim_run_state state;
    glim_dp_run *dp;      /* NULL: not private */
    float *best;          /* [n_values, then router biases that move] with patience */
    size_t *part;         /* those for evaluation (of p.eval if it is given), then those for training */
    size_t *order;        /* [n_train] of the epoch `epoch` */
    size_t epoch;
    double *nll, *scale;  /* [n_rows] */
    size_t *step_of;      /* [batch] the step's examples */
    double eval_accuracy; /* of the last evaluation; NAN: not of pairs */
    uint64_t passes;      /* counts passes: dropout's counter */
    FILE *metrics;
    glim_run_folder folder;
    bool began;           /* not refused, not even by the privacy ledger */
    glim_piece pieces[GLIM_STATE_PIECES];
    size_t n_pieces;
    glim_err *err;
} run;

/* ---- the plan ---- */

static size_t longest(const glim_dataset *d, size_t *tokens) {
    size_t top = 1;
    *tokens = 0;
    const bool pairs = glim_dataset_is_preference(d);
    for (size_t i = 0; i < glim_dataset_n(d); i++) {
        glim_example x[2] = {{0}};
        if (pairs) glim_dataset_pair(d, i, &x[0], &x[1]);
        else glim_dataset_example(d, i, &x[0]);
        size_t rows = 0;
        for (int k = 0; k < (pairs ? 2 : 1); k++) rows += glim_packer_rows(&x[k]), *tokens += x[k].n;
        if (rows > top) top = rows;
    }
    return top;
}

/* What would look at examples without noise, or make one example's part depend on others, has no place in a private run. */
static glim_status check_private(const glim_tune_params *p, const glim_dataset *d, glim_err *err) {
    size_t line;
    const size_t n = glim_dataset_split_rows(d, &line);
    if (n > 0) { /* each of its windows would be drawn and cut by itself: k of them tell k times as much */
        glim_fail(err, GLIM_E_UNSUPPORTED, "privacy is promised for a row, and the text on line %zu (%zu such) is longer than an example", line, n);
        glim_err_hint(err, "--max-tokens of the longest text, or texts cut into rows of their own, which are then what is protected");
        return GLIM_E_UNSUPPORTED;
    }
    if (p->method == GLIM_TUNE_DISTILL) return glim_fail(err, GLIM_E_UNSUPPORTED, "privacy with distillation: want sft or dpo");
    if (p->net.lora.dora) return glim_fail(err, GLIM_E_UNSUPPORTED, "privacy with DoRA: want LoRA, or all weights");
    if (p->balance > 0 || p->router_step > 0) return glim_fail(err, GLIM_E_UNSUPPORTED, "privacy with a balanced load of experts: what an example adds to that is not bounded");
    if (p->patience) {
        glim_fail(err, GLIM_E_UNSUPPORTED, "early stop in a private run would choose weights by a loss that has no noise");
        glim_err_hint(err, "leave --patience out; --eval only shows that loss, and is harmless to what is exported");
        return GLIM_E_UNSUPPORTED;
    }
    return GLIM_OK;
}

static glim_status with_defaults(glim_tune_params *p, glim_tune_plan *plan, const glim_model *m, const glim_dataset *d, glim_err *err) {
    const bool full = p->net.lora.rank == 0;
    size_t tokens;
    const size_t n = glim_dataset_n(d);
    size_t top = longest(d, &tokens), eval_tokens = 0;
    if (p->eval) {
        const size_t other = longest(p->eval, &eval_tokens);
        top = other > top ? other : top;
        if (glim_dataset_n(p->eval) == 0) return glim_fail(err, GLIM_E_ARG, "the data set for evaluation has no examples");
        if (glim_dataset_is_preference(p->eval) != glim_dataset_is_preference(d))
            return glim_fail(err, GLIM_E_ARG, "one of the data sets, for training and for evaluation, has pairs of answers, the other has not");
    }
    if (n == 0) return glim_fail(err, GLIM_E_ARG, "the data set has no examples");
    if (p->method == GLIM_TUNE_DPO && !glim_dataset_is_preference(d))
        return glim_fail(err, GLIM_E_ARG, "dpo wants pairs of a chosen and a rejected answer, this data set has single answers");
    if (p->method != GLIM_TUNE_DPO && glim_dataset_is_preference(d)) {
        glim_fail(err, GLIM_E_ARG, "this data set has pairs of answers");
        glim_err_hint(err, "--method dpo trains on pairs");
        return GLIM_E_ARG;
    }
    if (p->method == GLIM_TUNE_DPO && full) return glim_fail(err, GLIM_E_UNSUPPORTED, "dpo with full weights: want LoRA, whose base is the reference");
    const glim_status out = full ? glim_check_export_model(m, p->out, err) : glim_check_own_folder(m, p->out, err);
    if (out != GLIM_OK) return out;
    if ((p->method == GLIM_TUNE_DISTILL) != (p->teacher != NULL))
        return glim_fail(err, GLIM_E_ARG, p->teacher ? "a teacher is for distill" : "distill wants a teacher");
    if (!(p->balance >= 0) || !(p->router_step >= 0)) return glim_fail(err, GLIM_E_ARG, "weights of load balancing: got %g and %g, want 0 or more", p->balance, p->router_step);
    if ((p->balance > 0 || p->router_step > 0) && m->cfg.n_expert == 0)
        return glim_fail(err, GLIM_E_ARG, "this model has no experts whose load could be balanced");
    p->net.move_router = p->router_step > 0;
    if (p->distill_temperature <= 0) p->distill_temperature = 2;
    if (p->distill_weight <= 0) p->distill_weight = 0.5;
    if (p->distill_top == 0) p->distill_top = 128;
    if (p->batch == 0) p->batch = 8;
    if (p->epochs <= 0) p->epochs = 1;
    if (p->dpo_beta <= 0) p->dpo_beta = 0.1;
    if (p->optim.lr <= 0) p->optim.lr = full ? 1e-5 : 2e-4;
    if (!(p->eval_share >= 0 && p->eval_share < 1)) return glim_fail(err, GLIM_E_ARG, "share for evaluation: got %g, want 0 to less than 1", p->eval_share);
    if (p->net.n_rows == 0) p->net.n_rows = top > 512 ? top : 512;
    if (p->net.n_rows < top) {
        glim_fail(err, GLIM_E_ARG, "an example takes %zu rows, a pass has %zu", top, p->net.n_rows);
        glim_err_hint(err, "--max-tokens cuts examples, --rows makes a pass larger");
        return GLIM_E_ARG;
    }
    p->net.seed = p->seed;
    size_t n_eval = (size_t)(p->eval_share * (double)n + 0.5);
    if (p->eval_share > 0 && n > 1) n_eval = n_eval < 1 ? 1 : n_eval > n - 1 ? n - 1 : n_eval;
    if (p->eval) n_eval = 0, p->eval_share = 0;
    plan->n_eval = p->eval ? glim_dataset_n(p->eval) : n_eval, plan->n_train = n - n_eval, plan->n_rows = p->net.n_rows;
    plan->n_steps = p->max_steps ? p->max_steps : (size_t)ceil(p->epochs * (double)plan->n_train / (double)p->batch - 1e-9);
    if (plan->n_steps == 0) plan->n_steps = 1;
    p->optim.n_steps = plan->n_steps;
    plan->export_every = p->exports > 1 && !full ? (plan->n_steps + p->exports - 1) / p->exports : 0; /* rounded up: never more than were asked for */
    if (p->optim.warmup > plan->n_steps)
        return glim_fail(err, GLIM_E_ARG, "a warm-up of %zu steps, and the run has %zu: it would never come to its rate", p->optim.warmup, plan->n_steps);
    if (p->optim.warmup == 0) p->optim.warmup = (size_t)(p->warmup_share * (double)plan->n_steps);
    if (p->dp.epsilon != 0) {
        glim_status rc = check_private(p, d, err);
        if (rc == GLIM_OK) rc = glim_dp_make_plan(&plan->dp, &p->dp, plan->n_train, p->batch, plan->n_steps, err);
        if (rc != GLIM_OK) return rc;
        p->net.by_example = true;
        p->optim.clip = 0; /* each example's is cut instead */
    }
    if (p->patience && plan->n_eval == 0) {
        glim_fail(err, GLIM_E_ARG, "an early stop after %zu evaluations, and there is nothing to evaluate on", p->patience);
        glim_err_hint(err, "--eval 0.1 keeps a tenth of the rows for it, --eval-file FILE has others");
        return GLIM_E_ARG;
    }
    if (p->save_every == 0) p->save_every = plan->n_steps / 100 + 1;
    if (p->eval_every == 0) p->eval_every = (plan->n_train + p->batch - 1) / p->batch;
    plan->data = (tokens + eval_tokens) * 5 + (n + (p->eval ? plan->n_eval : 0)) * 64;
    return GLIM_OK;
}

static glim_teacher_params teacher_params(const glim_tune_params *p, const glim_model *m) {
    return (glim_teacher_params){.n_rows = p->net.n_rows, .n_vocab = m->cfg.n_vocab, .top = p->distill_top == SIZE_MAX ? 0 : p->distill_top,
                                 .temperature = p->distill_temperature, .weight = p->distill_weight};
}

static bool full_weights(const glim_tune_params *p) { return p->net.lora.rank == 0; }

/* The kernel maps up to 64 KiB around what is touched, where they are cached. */
enum { AROUND = 64 << 10 };

typedef struct table {
    uintptr_t begin;
    size_t n_rows, row_bytes;
    unsigned char *seen; /* [n] stretches of AROUND bytes */
} table;

static void see(const table *t, const glim_example *x) {
    for (size_t i = 0; i < x->n; i++) {
        if (x->tokens[i] < 0 || (size_t)x->tokens[i] >= t->n_rows) continue;
        const uintptr_t at = t->begin + (size_t)x->tokens[i] * t->row_bytes;
        for (size_t k = at / AROUND; k <= (at + t->row_bytes - 1) / AROUND; k++) t->seen[k - t->begin / AROUND] = 1;
    }
}

size_t glim_tune_idle_rows(const glim_model *m, const glim_dataset *const *sets, size_t n_sets) {
    const glim_mat *e = &m->embd;
    const bool by_row = m->plan.packed > 0 && (m->tied || m->packed.ready); /* otherwise the head runs from it, or loading checked all of it */
    if (!by_row || !e->rows || e->n_out == 0 || e->row_bytes == 0) return 0;
    table t = {(uintptr_t)e->rows, e->n_out, e->row_bytes, NULL};
    const uintptr_t end = t.begin + e->n_out * e->row_bytes;
    const size_t first = t.begin / AROUND, n = (end - 1) / AROUND - first + 1;
    void *seen;
    if (glim_try_calloc(&seen, n, 1, "a plan", NULL) != GLIM_OK) return 0; /* all of it, then */
    t.seen = seen;
    for (size_t s = 0; s < n_sets; s++)
        for (size_t i = 0; sets[s] && i < glim_dataset_n(sets[s]); i++) {
            glim_example x[2] = {{0}};
            if (glim_dataset_is_preference(sets[s])) glim_dataset_pair(sets[s], i, &x[0], &x[1]);
            else glim_dataset_example(sets[s], i, &x[0]);
            see(&t, &x[0]), see(&t, &x[1]);
        }
    size_t idle = 0;
    for (size_t k = 0; k < n; k++) {
        const uintptr_t a = (first + k) * AROUND, b = a + AROUND;
        if (!t.seen[k]) idle += (b < end ? b : end) - (a > t.begin ? a : t.begin);
    }
    free(seen);
    return idle;
}

static double mib(size_t n) { return (double)n / 1048576.0; }

glim_status glim_tune_make_plan(glim_tune_plan *plan, const glim_model *m, const glim_dataset *d, const glim_tune_params *params, glim_err *err) {
    glim_tune_params p = *params;
    *plan = (glim_tune_plan){.weights = m->plan.packed + m->plan.mapped};
    glim_status rc = with_defaults(&p, plan, m, d, err);
    if (rc == GLIM_OK) rc = glim_net_bytes(m, &p.net, &plan->trained, &plan->activations, &plan->n_values, err);
    if (rc != GLIM_OK) return rc;
    plan->optimizer = glim_optim_bytes(plan->n_values, p.optim.eight_bit);
    if (p.patience) plan->optimizer += plan->n_values * sizeof(float);
    const glim_teacher_params tp = teacher_params(&p, m);
    const glim_dataset *const sets[] = {d, p.eval};
    if (!full_weights(&p)) plan->weights -= glim_tune_idle_rows(m, sets, GLIM_COUNT(sets));
    if (p.teacher) plan->teacher = glim_teacher_bytes(p.teacher, &tp) - glim_tune_idle_rows(p.teacher, sets, GLIM_COUNT(sets));
    plan->save = full_weights(&p) ? 0 : plan->n_values * sizeof(float); /* an adapter's rows are put into the file's order in a copy */
    plan->program = PROGRAM;
    plan->total = plan->weights + plan->trained + plan->optimizer + plan->activations + plan->data + plan->teacher + plan->save + plan->program;
    /* The model is loaded already: what it holds of private memory is no longer available, nor asked for again. Mapped files,
     * another process's too (a server that runs the same model), count as available wherever they are. */
    plan->available = glim_memory_available() + (m->packed.cached ? 0 : m->plan.packed);
    if (p.teacher && !p.teacher->packed.cached) plan->available += p.teacher->plan.packed;
    if (plan->total > plan->available) {
        glim_fail(err, GLIM_E_NOMEM,
                  "training needs %.0f MiB (model %.0f, trained weights %.0f, optimizer %.0f, activations of %zu rows %.0f, teacher %.0f) and %.0f MiB are free",
                  mib(plan->total), mib(plan->weights), mib(plan->trained), mib(plan->optimizer), p.net.n_rows, mib(plan->activations),
                  mib(plan->teacher), mib(plan->available));
        glim_err_hint(err, "fewer rows in a pass (--rows), a smaller rank, --optim adamw8, or a model in fewer bits");
        return GLIM_E_NOMEM;
    }
    return GLIM_OK;
}

/* ---- examples of a step ---- */

/* Example k of the endless sequence. */
static size_t nth_example(run *r, size_t k) {
    const size_t n = r->plan.n_train, epoch = k / n;
    if (epoch != r->epoch) {
        glim_data_shuffle(r->order, n, r->p.seed, epoch);
        r->epoch = epoch;
    }
    return r->part[r->plan.n_eval + r->order[k % n]];
}

static glim_status examples(run *r, const size_t *list, size_t n, bool train, glim_tune_step *s) {
    glim_objective o = {.method = r->p.method, .n = r->n, .pack = &r->pack, .nll = r->nll, .scale = r->scale, .dpo_beta = r->p.dpo_beta,
                        .teacher = r->teacher, .balance = r->p.balance, .passes = &r->passes};
    return glim_objective_run(&o, r->d, list, n, train, s, r->err);
}

static glim_status evaluate(run *r, double *loss) {
    glim_tune_step s;
    const uint64_t passes = r->passes; /* evaluation does not move dropout's counter */
    *loss = r->eval_accuracy = NAN;
    if (r->plan.n_eval == 0) return GLIM_OK;
    const glim_dataset *rows = r->d;
    if (r->p.eval) r->d = r->p.eval;
    const glim_status rc = examples(r, r->part, r->plan.n_eval, false, &s);
    r->d = rows;
    r->passes = passes;
    *loss = s.loss;
    if (s.accuracy >= 0) r->eval_accuracy = s.accuracy;
    return rc;
}

/* ---- files ---- */

uint64_t glim_tune_model_sum(const glim_model *m) {
    uint64_t sum = glim_sum64(1, &m->plan.weight_type, sizeof m->plan.weight_type);
    for (size_t i = 0; i < glim_ckpt_n_tensors(m->ckpt); i++) {
        const glim_tensor *t = glim_ckpt_tensor(m->ckpt, i);
        const size_t n = t->n_bytes < 32 ? t->n_bytes : 32;
        sum = glim_sum64(sum, t->name, strlen(t->name) + 1);
        sum = glim_sum64(sum, &t->type, sizeof t->type);
        sum = glim_sum64(sum, t->dims, (size_t)t->n_dims * sizeof t->dims[0]);
        sum = glim_sum64(sum, (const char *)t->data + (t->n_bytes - n) / 2, n);
    }
    return sum;
}

static uint64_t fingerprint(const run *r) {
    const glim_tune_params *p = &r->p;
    glim_buf b = {0};
    glim_buf_printf(&b, "%d %zu %.17g %.17g %d %.17g %zu %d %zu %llu|", (int)p->method, p->net.lora.rank, p->net.lora.alpha, p->net.lora.dropout,
                    p->net.lora.rslora, p->dpo_beta, p->batch, (int)p->net.type, p->net.n_rows, (unsigned long long)p->seed);
    glim_buf_printf(&b, "%.17g %.17g %.17g %.17g %.17g %.17g %d %zu %zu %d|%.17g %zu %zu|", p->optim.lr, p->optim.beta1, p->optim.beta2, p->optim.eps,
                    p->optim.weight_decay, p->optim.clip, (int)p->optim.schedule, p->optim.warmup, p->optim.n_steps, p->optim.eight_bit,
                    p->eval_share, p->eval_every, p->patience);
    for (size_t i = 0; i < r->n->n_params; i++) glim_buf_printf(&b, "%s %zu;", r->n->params[i].name, r->n->params[i].n);
    glim_buf_printf(&b, "%s %s %zu %llx", r->n->k->name, glim_dataset_hash(r->d), r->m->n_bound, (unsigned long long)glim_tune_model_sum(r->m));
    if (r->p.eval) glim_buf_printf(&b, " %s", glim_dataset_hash(r->p.eval));
    const glim_dp_plan *dp = &r->plan.dp;
    if (p->dp.epsilon != 0) glim_buf_printf(&b, "|%.17g %.17g %.17g %.17g %.17g", dp->epsilon, dp->delta, dp->clip, dp->sigma, dp->q);
    glim_buf_printf(&b, "|%d %.17g %.17g", p->net.lora.dora, p->balance, p->router_step);
    if (p->teacher)
        glim_buf_printf(&b, "|%.17g %.17g %zu %llx", p->distill_temperature, p->distill_weight, p->distill_top, (unsigned long long)glim_tune_model_sum(p->teacher));
    const uint64_t sum = glim_sum64(1, glim_buf_cstr(&b), b.len);
    glim_buf_free(&b);
    return sum;
}

/* A private run's checkpoint holds losses of its examples without noise. */
static glim_status save(run *r, glim_err *err) { return glim_state_write(r->p.out, &r->state, r->pieces, r->n_pieces, r->dp != NULL, err); }

static const char *base_of(const run *r) { return r->p.base ? r->p.base : glim_ckpt_path(r->m->ckpt); }

/* The adapter as it is now, beside the run. Before the checkpoint of its step: what that one has need not be done again. */
static glim_status export_now(run *r) {
    char name[32];
    snprintf(name, sizeof name, "step-%llu", (unsigned long long)r->state.step);
    char *folder = glim_path_join(r->p.out, name);
    if (r->dp) r->n->privacy = glim_dp_run_note(r->dp, r->state.step);
    const glim_status rc = glim_net_export_adapter(r->n, folder, base_of(r), r->err);
    free(folder);
    return rc;
}

/* ---- the run ---- */

/* A NaN has a sign, which says nothing. */
static double unsigned_nan(double v) { return isnan(v) ? fabs(v) : v; }

static glim_status no_number(run *r, const glim_tune_step *s) {
    glim_buf b = {0};
    const size_t n = r->p.batch < 8 ? r->p.batch : 8;
    const bool lines = glim_dataset_line(r->d, r->step_of[0]) > 0;
    for (size_t i = 0; i < n; i++) glim_buf_printf(&b, "%s%zu", i ? ", " : "", lines ? glim_dataset_line(r->d, r->step_of[i]) : r->step_of[i]);
    glim_fail(r->err, GLIM_E_STATE, "step %zu: the loss is %g and the gradient's norm is %g (%s %s%s)", s->step, unsigned_nan(s->loss), unsigned_nan(s->norm),
              lines ? "rows on lines" : "examples", glim_buf_cstr(&b), n < r->p.batch ? ", ..." : "");
    glim_err_hint(r->err, "the checkpoint before it stays in \"%s\" and would come to the same step; begin anew in another folder (-o) with a lower --lr or a tighter --clip", r->p.out);
    glim_buf_free(&b);
    return GLIM_E_STATE;
}

/* What a step left may be no number though its own loss was one. */
static glim_status no_evaluation(run *r, const glim_tune_step *s) {
    glim_fail(r->err, GLIM_E_STATE, "step %zu: the loss is %g before it, and %g on the rows for evaluation behind it", s->step, unsigned_nan(s->loss), unsigned_nan(s->eval_loss));
    glim_err_hint(r->err, "the checkpoint before it stays in \"%s\" and would come to the same step; begin anew in another folder (-o) with a lower --lr or a tighter --clip", r->p.out);
    return GLIM_E_STATE;
}

/* A private step: net->g is the noised mean; a step that drew no example has no loss and adds noise all the same. */
static glim_status private_step(run *r, size_t step, glim_tune_step *s) {
    glim_dp_taken t;
    glim_status rc = glim_dp_run_step(r->dp, step, r->d, r->part + r->plan.n_eval, r->plan.n_train, &r->pack, r->nll, r->scale, &t, r->err);
    if (rc != GLIM_OK) {
        /* Nothing has changed since the step before: it is kept. Where that fails, an older checkpoint is there. */
        if (step > 0) save(r, NULL);
        return rc;
    }
    const bool pairs = r->p.method == GLIM_TUNE_DPO;
    s->accuracy = pairs && t.n ? (double)t.n_right / (double)t.n : -1;
    s->loss = t.n_targets ? t.nll / (double)(pairs ? t.n : t.n_targets) : NAN;
    s->n_tokens = t.n_tokens, s->n_targets = t.n_targets, s->n_examples = t.n;
    s->cut_share = t.n ? (double)t.n_cut / (double)t.n : 0;
    s->epsilon = glim_dp_run_spent(r->dp, step + 1);
    return GLIM_OK;
}

static glim_status one_step(run *r, glim_tune_step *s) {
    const size_t step = r->state.step;
    if (r->dp) {
        const glim_status rc = private_step(r, step, s);
        if (rc != GLIM_OK) return rc;
        s->step = step + 1;
        s->rate = glim_optim_rate(&r->opt.p, step);
        s->norm = glim_optim_norm(&r->opt, r->n);
        glim_optim_step(&r->opt, r->n, s->norm);
        return GLIM_OK;
    }
    r->passes = step << 16; /* a resumed run counts alike */
    for (size_t i = 0; i < r->p.batch; i++) r->step_of[i] = nth_example(r, step * r->p.batch + i);
    glim_net_zero(r->n);
    glim_status rc = examples(r, r->step_of, r->p.batch, true, s);
    if (rc != GLIM_OK) return rc;
    s->step = step + 1;
    s->rate = glim_optim_rate(&r->opt.p, step);
    s->norm = glim_optim_norm(&r->opt, r->n);
    if (!isfinite(s->loss) || !isfinite(s->norm)) return no_number(r, s);
    s->imbalance = glim_net_imbalance(r->n);
    glim_optim_step(&r->opt, r->n, s->norm);
    if (r->p.router_step > 0) glim_net_move_router(r->n, r->p.router_step);
    return GLIM_OK;
}

/* Biases of routers that move lie beside w, and belong to the weights of their step. */
static size_t n_biases(const run *r) { return r->p.router_step > 0 ? r->m->cfg.n_layer * r->m->cfg.n_expert : 0; }

static void keep_best(run *r) {
    memcpy(r->best, r->n->w, r->n->n_values * sizeof(float));
    if (n_biases(r)) memcpy(r->best + r->n->n_values, r->n->router_bias, n_biases(r) * sizeof(float));
}

static void take_best(run *r) {
    memcpy(r->n->w, r->best, r->n->n_values * sizeof(float));
    if (n_biases(r)) memcpy(r->n->router_bias, r->best + r->n->n_values, n_biases(r) * sizeof(float));
}

static glim_status steps(run *r, glim_tune_result *out) {
    glim_run_state *st = &r->state;
    glim_status rc = GLIM_OK;
    const double begin = glim_now_s(), before = st->seconds;
    const size_t resumed = st->step;
    bool go_on = true;
    while (rc == GLIM_OK && go_on && st->step < r->plan.n_steps && !out->stopped_early) {
        const double t0 = glim_now_s();
        glim_tune_step s = {.n_steps = r->plan.n_steps, .eval_loss = NAN, .eval_accuracy = NAN, .epsilon = NAN};
        rc = one_step(r, &s);
        if (rc != GLIM_OK) break;
        st->step++;
        if (isnan(st->first_loss)) st->first_loss = s.loss;
        if (!isnan(s.loss)) st->last_loss = s.loss;
        st->n_tokens += s.n_tokens;
        if (r->plan.n_eval && (st->step % r->p.eval_every == 0 || st->step == r->plan.n_steps)) {
            rc = evaluate(r, &s.eval_loss);
            s.eval_accuracy = r->eval_accuracy;
            if (rc == GLIM_OK && !isfinite(s.eval_loss)) rc = no_evaluation(r, &s);
            if (rc != GLIM_OK) break;
            if (!(s.eval_loss >= st->best_eval)) {
                st->best_eval = s.eval_loss, st->bad_evals = 0;
                if (r->best) keep_best(r);
            } else if (r->p.patience && ++st->bad_evals >= r->p.patience) out->stopped_early = true;
        }
        const double now = glim_now_s(), run_s = now - begin;
        s.seconds = now - t0;
        s.tokens_per_s = (double)s.n_tokens / (s.seconds > 0 ? s.seconds : 1e-9);
        s.eta_s = run_s / (double)(st->step - resumed) * (double)(r->plan.n_steps - st->step);
        st->seconds = before + run_s;
        rc = glim_curve_write(r->metrics, r->p.out, &s, r->err);
        if (rc == GLIM_OK && r->plan.export_every && st->step % r->plan.export_every == 0 && st->step < r->plan.n_steps) rc = export_now(r);
        if (rc == GLIM_OK && (st->step % r->p.save_every == 0 || st->step == r->plan.n_steps || out->stopped_early)) rc = save(r, r->err);
        if (rc == GLIM_OK && r->p.on_step) go_on = r->p.on_step(r->p.ctx, &s);
    }
    out->steps = st->step;
    if (rc == GLIM_OK && !go_on && st->step < r->plan.n_steps) {
        rc = save(r, r->err);
        if (rc == GLIM_OK) {
            rc = glim_fail(r->err, GLIM_E_CANCELLED, "stopped after step %llu of %zu", (unsigned long long)st->step, r->plan.n_steps);
            glim_err_hint(r->err, "--resume goes on from there");
        }
    }
    return rc;
}

static glim_status prepare(run *r) {
    const size_t n = glim_dataset_n(r->d);
    void *p[6] = {0};
    const struct {
        size_t n, size;
    } want[6] = {{n + (r->p.eval ? r->plan.n_eval : 0), sizeof(size_t)}, {n, sizeof(size_t)}, {r->p.net.n_rows, sizeof(double)}, {r->p.net.n_rows, sizeof(double)},
                 {r->p.batch, sizeof(size_t)}, {r->p.patience ? r->plan.n_values + n_biases(r) : 0, sizeof(float)}};
    glim_status rc = GLIM_OK;
    for (int i = 0; i < 6 && rc == GLIM_OK; i++) rc = glim_try_calloc(&p[i], want[i].n, want[i].size, "a training run", r->err);
    r->part = p[0], r->order = p[1], r->nll = p[2], r->scale = p[3], r->step_of = p[4], r->best = p[5];
    if (rc == GLIM_OK) rc = glim_net_new(&r->n, r->m, &r->p.net, r->err);
    if (rc == GLIM_OK) rc = glim_optim_init(&r->opt, &r->p.optim, r->n->n_values, r->err);
    if (rc == GLIM_OK) rc = glim_packer_init(&r->pack, r->p.net.n_rows, r->err);
    const glim_teacher_params tp = teacher_params(&r->p, r->m);
    if (rc == GLIM_OK && r->p.teacher) rc = glim_teacher_new(&r->teacher, r->p.teacher, &tp, r->err);
    if (rc == GLIM_OK) rc = glim_run_folder_take(&r->folder, r->p.out, r->p.resume, r->err);
    if (rc != GLIM_OK) return rc;
    if (!r->p.patience) {
        free(r->best);
        r->best = NULL;
    }
    size_t n_eval = r->p.eval ? r->plan.n_eval : 0;
    for (size_t i = 0; i < n_eval; i++) r->part[i] = i;
    glim_data_split(r->part + n_eval, n, r->p.eval_share, r->p.seed, r->p.eval ? &(size_t){0} : &n_eval);
    r->plan.n_eval = n_eval;
    r->epoch = SIZE_MAX;
    r->pieces[r->n_pieces++] = (glim_piece){r->n->w, r->n->n_values * sizeof(float)};
    r->n_pieces += glim_optim_pieces(&r->opt, r->pieces + 1);
    if (r->n->router_bias)
        r->pieces[r->n_pieces++] = (glim_piece){r->n->router_bias, n_biases(r) * sizeof(float)};
    if (r->best) r->pieces[r->n_pieces++] = (glim_piece){r->best, (r->n->n_values + n_biases(r)) * sizeof(float)};
    return GLIM_OK;
}

static glim_status start(run *r, glim_tune_result *out) {
    const char *from = "";
    const uint64_t print = fingerprint(r);
    r->state = (glim_run_state){.fingerprint = print, .best_eval = NAN, .first_loss = NAN, .last_loss = NAN, .eval_before = NAN};
    glim_err err = {0};
    glim_run_state found;
    glim_status rc = glim_state_read(r->p.out, print, &found, r->pieces, r->n_pieces, &from, &err);
    if (r->p.resume && rc == GLIM_OK) {
        r->state = found;
        r->opt.step = found.step;
        out->resumed_at = found.step;
        out->stopped_early = r->p.patience && found.bad_evals >= r->p.patience;
        glim_log(GLIM_INFO, "train", "resume from=%s step=%llu", from, (unsigned long long)found.step);
    } else if (r->p.resume && rc != GLIM_E_NOT_FOUND) {
        if (r->err) *r->err = err;
        return rc;
    } else if (!r->p.resume && rc != GLIM_E_NOT_FOUND) {
        glim_fail(r->err, GLIM_E_ARG, "\"%s\" holds the checkpoint of a run", r->p.out);
        glim_err_hint(r->err, "--resume goes on with it; another folder with -o begins anew");
        return GLIM_E_ARG;
    }
    rc = GLIM_OK;
    if (r->p.dp.epsilon != 0)
        rc = glim_dp_run_open(&r->dp, &(glim_dp_open){.params = &r->p.dp, .plan = &r->plan.dp, .net = r->n, .folder = r->p.out,
                                                      .data_hash = glim_dataset_hash(r->d), .settings = print, .done = r->state.step,
                                                      .resume = r->p.resume, .dpo_beta = r->p.method == GLIM_TUNE_DPO ? r->p.dpo_beta : 0}, r->err);
    if (rc != GLIM_OK) return rc;
    r->began = true;
    if (r->p.on_begin) r->p.on_begin(r->p.ctx);
    rc = glim_curve_open(&r->metrics, r->p.out, r->state.step, r->dp != NULL, r->err);
    if (rc == GLIM_OK && r->state.step == 0) rc = evaluate(r, &r->state.eval_before);
    return rc;
}

glim_status glim_tune_run(glim_model *m, const glim_dataset *d, const glim_tune_params *p, glim_tune_result *out, glim_err *err) {
    run r = {.m = m, .d = d, .p = *p, .err = err};
    *out = (glim_tune_result){.eval_after = NAN, .eval_before = NAN, .best_eval = NAN, .eval_accuracy = NAN, .epsilon = NAN};
    glim_status rc = glim_tune_make_plan(&r.plan, m, d, p, err);
    if (rc == GLIM_OK) rc = with_defaults(&r.p, &r.plan, m, d, err);
    if (rc == GLIM_OK) rc = prepare(&r);
    if (rc == GLIM_OK) rc = start(&r, out);
    if (rc == GLIM_OK) rc = steps(&r, out);
    if (rc == GLIM_OK) {
        if (r.best && !isnan(r.state.best_eval)) take_best(&r);
        rc = glim_state_numbers(&r.state, r.n->w, r.n->n_values, err);
        if (rc == GLIM_OK) rc = evaluate(&r, &out->eval_after);
        out->eval_accuracy = r.eval_accuracy;
    }
    if (rc == GLIM_OK && r.dp) {
        out->epsilon = glim_dp_run_spent(r.dp, r.state.step);
        r.n->privacy = glim_dp_run_note(r.dp, r.state.step);
    }
    if (rc == GLIM_OK)
        rc = r.n->lora.rank ? glim_net_export_adapter(r.n, p->out, base_of(&r), err)
                            : glim_net_export_model(r.n, p->out, err);
    if (rc == GLIM_OK && r.dp) rc = glim_dp_run_end(r.dp, err);
    out->first_loss = r.state.first_loss, out->last_loss = r.state.last_loss;
    out->eval_before = r.state.eval_before, out->best_eval = r.state.best_eval;
    out->seconds = r.state.seconds, out->n_tokens = r.state.n_tokens;
    if (r.n) out->sum = glim_net_sum(r.n);
    if (rc == GLIM_E_IO && r.began && err && !err->hint[0]) glim_err_hint(err, "with room and a disk that writes, --resume goes on from the last checkpoint");
    if (r.metrics) fclose(r.metrics);
    glim_run_folder_release(&r.folder, r.began);
    glim_dp_run_free(r.dp);
    glim_packer_deinit(&r.pack);
    glim_teacher_free(r.teacher);
    glim_optim_deinit(&r.opt);
    glim_net_free(r.n);
    free(r.part), free(r.order), free(r.nll), free(r.scale), free(r.step_of), free(r.best);
    return rc;
}
