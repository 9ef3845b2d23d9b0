/* dora.c - the lengths of rows that DoRA trains beside a pair; lin.c calls it, model/dora.h measures.
 *
 *   y = f (W x + t B^T) + bias     f = m / |W + s B A|, whose divisor counts as a constant for the gradients, as in the paper
 *                                  (arXiv:2402.09353, section 4.3) and in PEFT
 *   dm += sum of dy z / |..|       dz = f dy, and further as in LoRA
 *
 * With dropout, PEFT drops the inputs of everything but the plain product: y = W x + bias - W x' + f (W x' + t B^T). */
#include <math.h>

#include "model/dora.h"
#include "train/net_internal.h"

/* Experts' slots lie where their t does. */
float *glim_dora_z(const glim_net *n, const glim_lin *l, const float *t) {
    const glim_tape *a = n->tape;
    const glim_pair *p = l->pair;
    if (!p->expert) return a->pre + (p->z_at + l->pair_row) * a->n;
    const size_t slots = a->n * n->m->cfg.n_expert_used, slot0 = (size_t)(t - (a->te + p->t_at * slots)) / p->rank;
    return a->pre_e + p->z_at * slots + slot0 * l->w.n_out;
}

static void measure_lin(glim_net *n, const glim_lin *l, bool start) {
    const glim_pair *p = l->pair;
    if (!p) return;
    glim_tape *t = n->tape;
    const size_t row = p->row_at + l->pair_row;
    float *m = n->w + n->params[p->m].at + l->pair_row;
    const float *a = n->w + n->params[p->a].at, *b = n->w + n->params[p->b].at + l->pair_row * p->rank;
    if (start) {
        glim_dora_squares(n->pool, n->set, &l->w, t->row_square + row);
        for (size_t i = 0; i < l->w.n_out; i++) m[i] = (float)sqrt(t->row_square[row + i]); /* B is zero */
        return;
    }
    glim_dora_lengths(n->pool, n->set, &l->w, t->row_square + row, a, b, p->rank, (double)p->scale, t->length + row, t->dora);
    for (size_t i = 0; i < l->w.n_out; i++) t->stretch[row + i] = t->length[row + i] > 0 ? m[i] / t->length[row + i] : 0;
}

static void measure_all(glim_net *n, bool start) {
    const glim_config *c = &n->m->cfg;
    for (size_t i = 0; i < c->n_layer; i++) {
        const glim_net_layer *l = &n->layers[i];
        const glim_lin *own[] = {&l->q, &l->k, &l->v, &l->o, &l->ffn.gate, &l->ffn.up, &l->ffn.down};
        for (size_t k = 0; k < GLIM_COUNT(own); k++) measure_lin(n, own[k], start);
        for (size_t e = 0; l->moe && e < c->n_expert; e++) {
            measure_lin(n, &l->experts[e].gate, start);
            measure_lin(n, &l->experts[e].up, start);
            measure_lin(n, &l->experts[e].down, start);
        }
    }
}

void glim_dora_start(glim_net *n) { measure_all(n, true); }
void glim_dora_measure(glim_net *n) { measure_all(n, false); }

typedef struct rows_job {
    const float *f, *bias, *x;
    float *y;
    size_t y_ld, x_ld, width;
    glim_dora_op op;
} rows_job;

static void some_rows(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    const rows_job *j = ctx;
    for (size_t r = begin; r < end; r++) {
        float *y = j->y + r * j->y_ld;
        const float *x = j->x + r * j->x_ld;
        for (size_t i = 0; i < j->width; i++)
            y[i] = j->op == GLIM_DORA_LESS ? y[i] - x[i] : j->op == GLIM_DORA_MORE ? y[i] + j->f[i] * x[i]
                                                         : j->f[i] * x[i] + (j->bias ? j->bias[i] : 0);
    }
}

void glim_dora_rows(glim_net *n, const glim_lin *l, glim_dora_op op, float *y, size_t y_ld, const float *x, size_t x_ld, size_t rows) {
    rows_job j = {n->tape->stretch + l->pair->row_at + l->pair_row, l->bias, x, y, y_ld, x_ld, l->w.n_out, op};
    glim_pool_for(n->pool, rows, 4, some_rows, &j);
}

typedef struct back_job {
    const float *f, *length, *dy, *z;
    float *gm, *dz;
    size_t dy_ld, width, rows;
} back_job;

/* Columns: each a chain over the rows. */
static void back_columns(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    const back_job *j = ctx;
    for (size_t r = 0; r < j->rows; r++) {
        const float *dy = j->dy + r * j->dy_ld;
        const float *z = j->z + r * j->width;
        float *dz = j->dz + r * j->width;
        for (size_t i = begin; i < end; i++) {
            if (j->length[i] > 0) j->gm[i] += dy[i] * z[i] / j->length[i];
            dz[i] = j->f[i] * dy[i];
        }
    }
}

void glim_dora_back(glim_net *n, const glim_lin *l, const float *dy, size_t dy_ld, const float *z, float *dz, size_t rows) {
    const size_t row = l->pair->row_at + l->pair_row;
    back_job j = {.f = n->tape->stretch + row, .length = n->tape->length + row, .dy = dy, .z = z, .gm = n->g + n->params[l->pair->m].at + l->pair_row,
                  .dz = dz, .dy_ld = dy_ld, .width = l->w.n_out, .rows = rows};
    glim_pool_for(n->pool, l->w.n_out, 64, back_columns, &j);
}
