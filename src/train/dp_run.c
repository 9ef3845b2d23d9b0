/* dp_run.c - see dp_run.h. */
#include "train/dp_run.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "train/dp_grad.h"
#include "train/dp_state.h"

enum { PART = 4096, POINTS = 100 /* at which epsilon is computed along a run */ };
static const char NOTE[] = "privacy.json", KEY[] = "privacy.key";

struct glim_dp_run {
    glim_dp_params p;
    glim_dp_plan plan;
    glim_net *net;
    char *folder, *key_path, *note_path;
    char id[GLIM_STORE_ID + 1];
    glim_dp_rng *rng;      /* NULL once all steps are taken */
    glim_dp_grad *grad;
    glim_dp_lattice lattice;
    size_t *picked;        /* [n_picked] */
    size_t n_picked;
    double *norm;          /* [n_seq] */
    glim_dpo dpo;          /* beta 0: no pairs */
    size_t each;           /* sequences of an example */
    uint64_t at_steps;     /* of at_eps */
    double at_eps;
    glim_buf note;
};

/* ---- what is promised ---- */

glim_status glim_dp_make_plan(glim_dp_plan *out, const glim_dp_params *p, size_t n_train, size_t batch, uint64_t steps, glim_err *err) {
    *out = (glim_dp_plan){.epsilon = p->epsilon, .delta = p->delta, .clip = p->clip, .sigma = p->sigma, .steps = steps};
    if (!(p->epsilon > 0 && p->epsilon <= 1000)) return glim_fail(err, GLIM_E_ARG, "epsilon: got %g, want more than 0 and at most 1000", p->epsilon);
    if (!(p->delta >= 1e-11 && p->delta < 1)) {
        glim_fail(err, GLIM_E_ARG, "delta: got %g, want 1e-11 or more and less than 1", p->delta);
        glim_err_hint(err, "the usual choice is less than one in the number of examples: --dp-delta %.0e", 0.1 / (double)(n_train ? n_train : 1));
        return GLIM_E_ARG;
    }
    if (out->clip == 0) out->clip = 1;
    if (!(out->clip > 0 && isfinite(out->clip))) return glim_fail(err, GLIM_E_ARG, "clip norm: got %g, want more than 0", p->clip);
    if (batch > n_train) return glim_fail(err, GLIM_E_ARG, "a batch of %zu examples cannot be drawn from %zu", batch, n_train);
    out->q = (double)batch / (double)n_train;
    if (p->sigma != 0) {
        const glim_dp_phase ph = {out->q, p->sigma, steps};
        glim_status rc = glim_dp_check(&ph, 1, err);
        if (rc == GLIM_OK) rc = glim_dp_epsilon(&out->total, &ph, 1, p->delta, p->epsilon, err);
        if (rc != GLIM_OK || out->total <= p->epsilon) return rc;
        glim_fail(err, GLIM_E_LIMIT, "%llu steps with noise %g spend epsilon %.4g, more than the %g that is allowed", (unsigned long long)steps,
                  p->sigma, out->total, p->epsilon);
        glim_err_hint(err, "more noise, fewer steps or smaller batches; without --dp-noise the least that is enough is found");
        return GLIM_E_LIMIT;
    }
    glim_status rc = glim_dp_calibrate(&out->sigma, NULL, 0, out->q, steps, p->epsilon, p->delta, err);
    const glim_dp_phase ph = {out->q, out->sigma, steps};
    return rc == GLIM_OK ? glim_dp_epsilon(&out->total, &ph, 1, p->delta, p->epsilon, err) : rc;
}

double glim_dp_run_spent(glim_dp_run *r, uint64_t steps) {
    const uint64_t stride = (r->plan.steps + POINTS - 1) / POINTS, up = (steps + stride - 1) / stride * stride;
    const glim_dp_phase ph = {r->plan.q, r->plan.sigma, up < r->plan.steps ? up : r->plan.steps};
    if (ph.steps != r->at_steps) {
        r->at_steps = ph.steps;
        if (glim_dp_epsilon(&r->at_eps, &ph, 1, r->plan.delta, r->plan.epsilon, NULL) != GLIM_OK) r->at_eps = r->plan.total;
    }
    return r->at_eps;
}

/* ---- the note ---- */

static void put(glim_buf *b, const char *name, double v) {
    glim_buf_printf(b, ", \"%s\": ", name);
    glim_json_put_real(b, v);
}

static void make_note(glim_dp_run *r, uint64_t done) {
    glim_buf_free(&r->note);
    glim_buf_printf(&r->note, "{\"run\": \"%s\", \"data_set\": \"%s\"", r->id, r->p.set);
    put(&r->note, "epsilon", glim_dp_run_spent(r, done));
    put(&r->note, "delta", r->plan.delta);
    put(&r->note, "epsilon_promised", r->plan.epsilon);
    put(&r->note, "noise_multiplier", r->plan.sigma);
    put(&r->note, "clip_norm", r->plan.clip);
    put(&r->note, "sampling_rate", r->plan.q);
    glim_buf_printf(&r->note, ", \"steps\": %llu, \"steps_planned\": %llu, \"mechanism\": \"dp-sgd, poisson sampling, gaussian noise\", "
                    "\"unit\": \"one example added or removed\", \"accountant\": \"pld, upper bound\"}",
                    (unsigned long long)done, (unsigned long long)r->plan.steps);
}

static glim_status write_note(glim_dp_run *r, uint64_t done, glim_err *err) {
    make_note(r, done);
    glim_status rc = glim_buf_status(&r->note, "the note on privacy", err);
    return rc == GLIM_OK ? glim_file_write_atomic(r->note_path, r->note.s, r->note.len, err) : rc;
}

const char *glim_dp_run_note(glim_dp_run *r, uint64_t steps) {
    make_note(r, steps);
    return glim_buf_cstr(&r->note);
}

static glim_status read_id(char out[GLIM_STORE_ID + 1], const char *note_path, glim_err *err) {
    json_t *o;
    glim_status rc = glim_json_read(&o, note_path, 1 << 16, err);
    if (rc != GLIM_OK) return rc;
    const char *id = json_string_value(json_object_get(o, "run"));
    if (!id) rc = glim_fail(err, GLIM_E_FORMAT, "\"%s\" names no run", note_path);
    else rc = glim_store_check_id(id, "the name of a run", err);
    if (rc == GLIM_OK) memcpy(out, id, strlen(id) + 1);
    json_decref(o);
    return rc;
}

glim_status glim_dp_run_look(const glim_dp_params *p, const glim_dp_plan *plan, const char *folder, glim_dp_spent *before, glim_dp_spent *with, glim_err *err) {
    char id[GLIM_STORE_ID + 1];
    glim_status rc = glim_store_check_id(p->set, "the name of a data set", err);
    char *note = folder ? glim_path_join(folder, NOTE) : NULL;
    *before = (glim_dp_spent){0};
    *with = (glim_dp_spent){.budget_eps = plan->epsilon, .budget_delta = plan->delta, .promised = plan->total};
    if (rc == GLIM_OK && note && glim_path_exists(note)) rc = read_id(id, note, err);
    else glim_store_new_id(id, "plan-", 16);
    free(note);
    if (rc != GLIM_OK || !p->ledger) return rc;
    const glim_dp_request ask = {.set = p->set, .run = id, .q = plan->q, .sigma = plan->sigma, .steps = plan->steps, .eps = plan->epsilon, .delta = plan->delta};
    return glim_dp_ledger_look(p->ledger, &ask, before, with, err);
}

/* ---- begin ---- */

/* A key that was lost must not be made anew once a step was charged: with other noise the same step would tell more. */
static glim_status get_key(glim_dp_run *r, const glim_dp_open *o, glim_err *err) {
    glim_dp_binding b = {.q = r->plan.q, .sigma = r->plan.sigma, .clip = r->plan.clip, .steps = r->plan.steps, .settings = o->settings};
    uint64_t charged;
    memcpy(b.run, r->id, strlen(r->id));
    memcpy(b.data, o->data_hash, strnlen(o->data_hash, sizeof b.data - 1));
    for (size_t i = 0; i < r->net->n_params; i++) b.n_params += r->net->params[i].n;
    glim_status rc = glim_dp_lattice_make(&r->lattice, r->plan.clip, r->plan.sigma, b.n_params, err);
    if (rc != GLIM_OK) return rc;
    rc = glim_dp_ledger_charged(r->p.ledger, r->id, &charged, err);
    if (rc != GLIM_OK) return rc;
    if (glim_path_exists(r->key_path)) {
        rc = glim_dp_state_open(&r->rng, r->key_path, &b, err);
        if (rc != GLIM_E_FORMAT || charged > 0 || o->done > 0) return rc;
        glim_err_clear(err); /* killed while it was written: nothing was drawn with it */
        rc = glim_dp_state_erase(r->key_path, err);
        if (rc != GLIM_OK) return rc;
    }
    if (charged > 0 || o->done > 0) {
        glim_fail(err, GLIM_E_STATE, "\"%s\" is gone: %llu steps of run \"%s\" were charged with its key", r->key_path,
                  (unsigned long long)(charged > o->done ? charged : o->done), r->id);
        glim_err_hint(err, "a run without its key cannot go on; begin another one in a folder of its own");
        return GLIM_E_STATE;
    }
    return r->p.key ? glim_dp_state_create_with(&r->rng, r->key_path, &b, r->p.key, err) : glim_dp_state_create(&r->rng, r->key_path, &b, err);
}

static glim_status begin(glim_dp_run *r, const glim_dp_open *o, glim_err *err) {
    const bool known = glim_path_exists(r->note_path);
    glim_status rc = GLIM_OK;
    if (!o->resume && (known || glim_path_exists(r->key_path))) {
        glim_fail(err, GLIM_E_STATE, "\"%s\" holds a private run", r->folder);
        glim_err_hint(err, "--resume goes on with it; another folder with -o begins anew");
        return GLIM_E_STATE;
    }
    if (known) rc = read_id(r->id, r->note_path, err);
    else if (o->done > 0) rc = glim_fail(err, GLIM_E_STATE, "\"%s\" is gone: the run cannot be found on the ledger without it", r->note_path);
    else glim_store_new_id(r->id, "tune-", 16);
    if (rc != GLIM_OK) return rc;
    if (o->done == r->plan.steps) return GLIM_OK; /* only the export was left */
    if (!known) rc = write_note(r, 0, err); /* before the ledger: what is reserved there has a name here */
    const glim_dp_request ask = {.set = r->p.set, .run = r->id, .q = r->plan.q, .sigma = r->plan.sigma, .steps = r->plan.steps,
                                 .eps = r->plan.epsilon, .delta = r->plan.delta, .actor = r->p.actor};
    if (rc == GLIM_OK) rc = glim_dp_ledger_begin(r->p.ledger, &ask, NULL, err);
    if (rc != GLIM_OK) {
        if (!known) unlink(r->note_path);
        return rc;
    }
    return get_key(r, o, err);
}

glim_status glim_dp_run_open(glim_dp_run **out, const glim_dp_open *o, glim_err *err) {
    *out = NULL;
    if (!o->params->ledger || !o->params->set) return glim_fail(err, GLIM_E_ARG, "a private run needs a ledger and the name of its data set");
    glim_dp_run *r = glim_xcalloc(1, sizeof *r);
    void *norm, *sums = NULL;
    r->p = *o->params, r->plan = *o->plan, r->net = o->net;
    if (!r->p.actor) r->p.actor = "";
    r->folder = glim_xstrdup(o->folder);
    r->key_path = glim_path_join(o->folder, KEY);
    r->note_path = glim_path_join(o->folder, NOTE);
    glim_status rc = glim_try_calloc(&norm, glim_dp_grad_n_seq(r->net), sizeof(double), "norms of examples", err);
    r->norm = rc == GLIM_OK ? norm : NULL;
    r->each = o->dpo_beta > 0 ? 2 : 1;
    if (rc == GLIM_OK && r->each == 2) rc = glim_try_calloc(&sums, 4 * glim_dp_grad_n_seq(r->net), sizeof(double), "losses of pairs", err);
    if (sums) r->dpo = (glim_dpo){.beta = o->dpo_beta, .base = sums, .sums = (double *)sums + 2 * glim_dp_grad_n_seq(r->net)};
    if (rc == GLIM_OK) rc = glim_dp_grad_new(&r->grad, r->net, r->plan.clip, err);
    if (rc == GLIM_OK) rc = begin(r, o, err);
    if (rc != GLIM_OK) {
        glim_dp_run_free(r);
        return rc;
    }
    glim_log(GLIM_INFO, "train", "private run=%s set=%s epsilon=%g delta=%g sigma=%g q=%g clip=%g", r->id, r->p.set, r->plan.epsilon, r->plan.delta,
             r->plan.sigma, r->plan.q, r->plan.clip);
    *out = r;
    return GLIM_OK;
}

void glim_dp_run_free(glim_dp_run *r) {
    if (!r) return;
    glim_dp_grad_free(r->grad);
    glim_dp_rng_free(r->rng);
    glim_buf_free(&r->note);
    free(r->folder), free(r->key_path), free(r->note_path), free(r->picked), free(r->norm), free(r->dpo.base);
    free(r);
}

/* ---- a step ---- */

typedef struct noise_job {
    glim_dp_run *r;
    uint64_t step;
    const double *f64;
    const float *f32;
    size_t at, end;
    double scale;
    glim_err err;
    atomic_int failed;
} noise_job;

static void noise_parts(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    noise_job *j = ctx;
    glim_dp_run *r = j->r;
    glim_err err;
    for (size_t p = begin; p < end; p++) {
        const size_t at = j->at + p * PART, n = j->end - at < PART ? j->end - at : PART;
        float *g = r->net->g + at;
        const glim_status rc = j->f64 ? glim_dp_noise_f64(r->rng, j->step, &r->lattice, at, n, j->f64 + at, g, j->scale, &err)
                                      : glim_dp_noise_f32(r->rng, j->step, &r->lattice, at, n, g, j->scale, &err);
        if (rc != GLIM_OK && !atomic_exchange(&j->failed, 1)) j->err = err;
    }
}

/* Once on the whole sum; what lies between tensors stays zero. */
static glim_status add_noise(glim_dp_run *r, uint64_t step, double expected, glim_err *err) {
    noise_job j = {.r = r, .step = step, .scale = 1 / expected};
    glim_dp_grad_sum(r->grad, &j.f64, &j.f32);
    for (size_t i = 0; i < r->net->n_params; i++) {
        j.at = r->net->params[i].at, j.end = j.at + r->net->params[i].n;
        glim_pool_for(r->net->pool, (j.end - j.at + PART - 1) / PART, 4, noise_parts, &j);
    }
    if (!atomic_load(&j.failed)) return GLIM_OK;
    if (err) *err = j.err;
    return j.err.code;
}

/* Each example's loss is the mean over its own targets, a pair's its own: what it adds does not depend on the others. */
static glim_status add_gradients(glim_dp_run *r, const glim_pack *b, double *nll, double *scale, glim_dp_taken *out, size_t *bad, glim_err *err) {
    if (r->each == 2) {
        r->dpo.nll = nll, r->dpo.scale = scale, r->dpo.loss = 0, r->dpo.right = 0;
        const glim_status rc = glim_dp_grad_add_pairs(r->grad, b, &r->dpo, r->norm, bad, err);
        out->nll += r->dpo.loss, out->n_right += r->dpo.right;
        return rc;
    }
    for (size_t s = 0; s < b->n_seq; s++) {
        size_t n = 0;
        for (size_t i = b->seq[s]; i < b->seq[s + 1]; i++) n += b->target[i] >= 0;
        for (size_t i = b->seq[s]; i < b->seq[s + 1]; i++) scale[i] = 1 / (double)n;
    }
    const glim_status rc = glim_dp_grad_add(r->grad, b, scale, nll, r->norm, bad, err);
    for (size_t i = 0; rc == GLIM_OK && i < b->n; i++) out->nll += nll[i];
    return rc;
}

static glim_status add_pack(glim_dp_run *r, uint64_t step, const glim_dataset *d, glim_packer *pack, double *nll, double *scale,
                            glim_dp_taken *out, glim_err *err) {
    const glim_pack *b = &pack->pack;
    size_t bad = SIZE_MAX;
    if (b->n == 0) return GLIM_OK;
    const glim_status rc = add_gradients(r, b, nll, scale, out, &bad, err);
    if (rc != GLIM_OK && bad != SIZE_MAX) {
        const size_t at = pack->source[bad * r->each], line = glim_dataset_line(d, at);
        glim_err_context(err, "step %llu, %s %zu", (unsigned long long)step + 1, line ? "the row on line" : "example", line ? line : at);
        glim_err_hint(err, "the checkpoint before it stays in \"%s\"; a lower --lr is the usual remedy, or a look at that row", r->folder);
    }
    for (size_t s = 0; rc == GLIM_OK && s < b->n_seq / r->each; s++) out->n_cut += r->norm[s] > r->plan.clip;
    out->n_targets += pack->n_target;
    out->n_tokens += b->n;
    return rc;
}

/* False: there is no room in this pass for the example. One whose answer was cut off whole adds nothing, and is in it. */
static bool add_example(glim_dp_run *r, glim_packer *pack, const glim_dataset *d, size_t at) {
    glim_example x[2];
    if (r->each == 1) {
        glim_dataset_example(d, at, &x[0]);
        return pack->pack.n_seq < glim_dp_grad_n_seq(r->net) && glim_packer_add(pack, &x[0], at);
    }
    glim_dataset_pair(d, at, &x[0], &x[1]);
    const size_t rows[2] = {glim_packer_rows(&x[0]), glim_packer_rows(&x[1])};
    if (rows[0] == 0 || rows[1] == 0) return true;
    if (pack->pack.n_seq / 2 >= glim_dp_grad_n_seq(r->net) || rows[0] + rows[1] > pack->n_rows - pack->pack.n) return false;
    return glim_packer_add(pack, &x[0], at) && glim_packer_add(pack, &x[1], at);
}

glim_status glim_dp_run_step(glim_dp_run *r, uint64_t step, const glim_dataset *d, const size_t *part, size_t n_part, glim_packer *pack,
                             double *nll, double *scale, glim_dp_taken *out, glim_err *err) {
    *out = (glim_dp_taken){0};
    GLIM_ASSERT(r->rng);
    glim_status rc = GLIM_OK;
    if (r->n_picked < n_part) {
        void *p = r->picked;
        rc = glim_try_realloc(&p, n_part, sizeof *r->picked, "the examples of a step", err);
        if (rc != GLIM_OK) return rc;
        r->picked = p, r->n_picked = n_part;
    }
    rc = glim_dp_ledger_charge(r->p.ledger, r->id, step, err);
    if (rc != GLIM_OK) {
        glim_err_context(err, "step %llu was not taken", (unsigned long long)step + 1);
        return rc;
    }
    out->n = glim_dp_sample(r->rng, step, n_part, r->plan.q, r->picked);
    glim_dp_grad_zero(r->grad);
    glim_packer_clear(pack, 0);
    for (size_t i = 0; i < out->n && rc == GLIM_OK; i++) {
        const size_t at = part[r->picked[i]];
        if (add_example(r, pack, d, at)) continue;
        rc = add_pack(r, step, d, pack, nll, scale, out, err);
        glim_packer_clear(pack, 0);
        add_example(r, pack, d, at);
    }
    if (rc == GLIM_OK) rc = add_pack(r, step, d, pack, nll, scale, out, err);
    return rc == GLIM_OK ? add_noise(r, step, r->plan.q * (double)n_part, err) : rc;
}

/* ---- end ---- */

glim_status glim_dp_run_end(glim_dp_run *r, glim_err *err) {
    glim_status rc = glim_dp_state_erase(r->key_path, err);
    if (rc == GLIM_OK) rc = write_note(r, r->plan.steps, err);
    return rc == GLIM_OK ? glim_dp_ledger_end(r->p.ledger, r->id, r->p.actor, err) : rc;
}

glim_status glim_dp_run_abandon(glim_store *ledger, const char *folder, const char *actor, glim_err *err) {
    char *note = glim_path_join(folder, NOTE), *key = glim_path_join(folder, KEY), id[GLIM_STORE_ID + 1];
    glim_status rc = GLIM_OK;
    if (glim_path_exists(note) && (rc = read_id(id, note, err)) == GLIM_OK) {
        rc = glim_dp_ledger_end(ledger, id, actor, err);
        if (rc == GLIM_E_NOT_FOUND) rc = GLIM_OK; /* killed before it was on the ledger, or refused there */
    }
    if (rc == GLIM_OK) rc = glim_dp_state_erase(key, err);
    free(note);
    free(key);
    return rc;
}
