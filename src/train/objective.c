/* objective.c - see objective.h. */
#include "train/objective.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "train/loss_dpo.h"

static size_t targets_of(const glim_example *x) {
    size_t n = 0;
    for (size_t i = 1; i < x->n; i++) n += x->loss[i] != 0;
    return n;
}

/* ---- single answers: the mean over the targets of a step ---- */

/* One pass over what is packed: adds the gradient of scale * sum of losses (scale 0: none), and that sum to *sum. */
static glim_status answers_pass(glim_objective *o, double scale, double *sum, glim_err *err) {
    const glim_pack *b = &o->pack->pack;
    glim_status rc = o->teacher ? glim_teacher_look(o->teacher, b, err) : GLIM_OK;
    if (rc == GLIM_OK) rc = glim_net_forward(o->n, b, err);
    if (rc != GLIM_OK) return rc;
    for (size_t i = 0; i < b->n; i++) o->scale[i] = scale;
    double *by_row = scale != 0 ? o->scale : NULL;
    if (o->teacher) glim_net_head_with(o->n, b, glim_teacher_loss, o->teacher, o->nll, by_row);
    else glim_net_head(o->n, b, o->nll, by_row);
    if (scale != 0) glim_net_backward(o->n, b);
    for (size_t i = 0; i < b->n; i++) *sum += o->nll[i];
    return GLIM_OK;
}

static glim_status answers(glim_objective *o, const glim_dataset *d, const size_t *list, size_t count, bool train, glim_tune_step *s,
                           glim_err *err) {
    glim_example x;
    double sum = 0;
    glim_status rc = GLIM_OK;
    for (size_t i = 0; i < count; i++) {
        glim_dataset_example(d, list[i], &x);
        s->n_targets += targets_of(&x);
        s->n_tokens += glim_packer_rows(&x);
    }
    const double scale = train && s->n_targets ? 1 / (double)s->n_targets : 0;
    glim_packer_clear(o->pack, (*o->passes)++);
    for (size_t i = 0; i < count && rc == GLIM_OK; i++) {
        glim_dataset_example(d, list[i], &x);
        if (!glim_packer_add(o->pack, &x, list[i])) {
            rc = answers_pass(o, scale, &sum, err);
            glim_packer_clear(o->pack, (*o->passes)++);
            glim_packer_add(o->pack, &x, list[i]);
        }
    }
    if (rc == GLIM_OK && o->pack->pack.n > 0) rc = answers_pass(o, scale, &sum, err);
    s->loss = s->n_targets ? sum / (double)s->n_targets : 0;
    return rc;
}

/* ---- pairs of answers: the mean over the pairs of a step ---- */

static glim_status pairs(glim_objective *o, const glim_dataset *d, const size_t *list, size_t count, bool train, glim_tune_step *s,
                         glim_err *err) {
    void *mem;
    glim_status rc = glim_try_calloc(&mem, 4 * count, sizeof(double), "pairs", err);
    if (rc != GLIM_OK) return rc;
    glim_dpo dpo = {.beta = o->dpo_beta, .nll = o->nll, .scale = o->scale, .base = mem, .sums = (double *)mem + 2 * count};
    const double scale = train ? 1 / (double)count : 0;
    glim_packer_clear(o->pack, (*o->passes)++);
    for (size_t i = 0; i < count && rc == GLIM_OK; i++) {
        glim_example x[2];
        glim_dataset_pair(d, list[i], &x[0], &x[1]);
        const size_t rows = glim_packer_rows(&x[0]) + glim_packer_rows(&x[1]);
        if (rows == 0 || rows == glim_packer_rows(&x[0]) || rows == glim_packer_rows(&x[1])) continue; /* an answer was cut off whole */
        s->n_tokens += rows;
        s->n_targets += targets_of(&x[0]) + targets_of(&x[1]);
        if (rows > o->pack->n_rows - o->pack->pack.n) {
            rc = glim_dpo_pass(&dpo, o->n, &o->pack->pack, scale, err);
            glim_packer_clear(o->pack, (*o->passes)++);
        }
        for (int k = 0; k < 2; k++) glim_packer_add(o->pack, &x[k], list[i]);
    }
    if (rc == GLIM_OK && o->pack->pack.n > 0) rc = glim_dpo_pass(&dpo, o->n, &o->pack->pack, scale, err);
    s->loss = dpo.loss / (double)count;
    s->accuracy = (double)dpo.right / (double)count;
    free(mem);
    return rc;
}

glim_status glim_objective_run(glim_objective *o, const glim_dataset *d, const size_t *list, size_t count, bool train, glim_tune_step *s,
                               glim_err *err) {
    const size_t n_seqs = count * (o->method == GLIM_TUNE_DPO ? 2 : 1);
    o->n->train = train;
    o->n->balance = train ? o->balance / (double)n_seqs : 0;
    s->accuracy = -1, s->n_tokens = s->n_targets = 0;
    const glim_status rc = (o->method == GLIM_TUNE_DPO ? pairs : answers)(o, d, list, count, train, s, err);
    s->balance = train ? o->n->balance_sum / (double)n_seqs : 0;
    o->n->balance = 0;
    return rc;
}
