/* lin.c - a linear layer, forward and backward, with the pair of LoRA that may stand beside its weights.
 *
 *   y  = x W^T + bias + s t B^T          t = drop(x) A^T
 *   dx = dy W + undrop(s (dy B) A)       dW += dy^T x    dB += s dy^T t    dA += s (dy B)^T drop(x)
 *
 * DoRA stretches y and what comes back (dora.c). A pair's products run in f32, whatever the others do: they are few. A pair may serve two or three matrices
 * (query_key_value, gate_up_proj): the first makes t, and the last, once dt is the sum of all, serves A and x. */
#include <string.h>

#include "base/rng.h"
#include "train/net_internal.h"

static void gemm(glim_net *n, glim_gemm_type type, const glim_gemm *g) { glim_gemm_run(n->pool, n->set, type, g, n->tape->gemm); }

/* ---- dropout: a mask that is a function of (seed, batch, pair, place), so that a block computed again has the same ---- */

typedef struct drop_job {
    const glim_net *n;
    float *dst;
    const float *src;
    size_t src_ld, width;
    uint64_t hi; /* batch and pair */
    bool add;    /* dst += */
} drop_job;

static void drop_rows(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    const drop_job *j = ctx;
    const uint32_t below = (uint32_t)(j->n->dropout * 4294967296.0);
    const float keep = (float)(1 / (1 - j->n->dropout));
    for (size_t r = begin; r < end; r++) {
        const float *src = j->src + r * j->src_ld;
        float *dst = j->dst + r * j->width;
        for (size_t i = 0; i < j->width; i += 4) {
            uint32_t u[4];
            glim_philox(u, j->n->seed ^ 0x64726f70ull, r << 32 | i, j->hi);
            for (size_t k = 0; k < 4 && i + k < j->width; k++) {
                const float v = u[k] < below ? 0 : src[i + k] * keep;
                dst[i + k] = j->add ? dst[i + k] + v : v;
            }
        }
    }
}

static uint64_t drop_key(const glim_net *n, const glim_pair *p, uint64_t drop) { return drop << 20 | (uint64_t)(p - n->pairs); }
static bool dropping(const glim_net *n) { return n->dropout > 0 && n->train; }

/* What A multiplies: x, or its dropped copy. */
static const float *pair_input(glim_net *n, const glim_pair *p, const float *x, size_t *ld, size_t rows, uint64_t drop) {
    if (!dropping(n)) return x;
    drop_job j = {.n = n, .dst = n->tape->dropped, .src = x, .src_ld = *ld, .width = p->n_in, .hi = drop_key(n, p, drop)};
    glim_pool_for(n->pool, rows, 4, drop_rows, &j);
    *ld = p->n_in;
    return n->tape->dropped;
}

/* ---- forward ---- */

typedef struct scale_job {
    float *x;
    float by;
    size_t width;
} scale_job;
static void scale_rows(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    const scale_job *j = ctx;
    for (size_t i = begin * j->width; i < end * j->width; i++) j->x[i] *= j->by;
}

void glim_lin_forward(glim_net *n, const glim_lin *l, const float *x, size_t x_ld, float *y, size_t y_ld, size_t rows, float *t,
                      uint64_t drop) {
    const glim_pair *p = n->bypass ? NULL : l->pair;
    const bool dora = p && n->lora.dora;
    glim_gemm base = {.m = rows, .n = l->w.n_out, .k = l->w.n_in, .c = y, .ldc = y_ld, .a = x, .a_row = x_ld, .a_k = 1, .w = &l->w,
                      .bias = l->bias};
    if (!dora || dropping(n)) gemm(n, n->type, &base);
    if (!p || rows == 0) return;
    const float *a = n->w + n->params[p->a].at, *b = n->w + n->params[p->b].at + l->pair_row * p->rank, *in = x;
    size_t ld = x_ld;
    if (l->first || dora) in = pair_input(n, p, x, &ld, rows, drop);
    if (l->first) { /* t carries the scale: backward wants it so twice and without it never */
        gemm(n, GLIM_GEMM_F32, &(glim_gemm){.m = rows, .n = p->rank, .k = p->n_in, .c = t, .ldc = p->rank, .a = in, .a_row = ld,
                                            .a_k = 1, .b = a, .b_k = 1, .b_n = p->n_in});
        scale_job j = {t, p->scale, p->rank};
        glim_pool_for(n->pool, rows, 64, scale_rows, &j);
    }
    float *z = dora ? glim_dora_z(n, l, t) : y;
    const size_t z_ld = dora ? l->w.n_out : y_ld;
    if (dora) {
        base.a = in, base.a_row = ld, base.c = z, base.ldc = z_ld, base.bias = NULL;
        gemm(n, n->type, &base);
        if (dropping(n)) glim_dora_rows(n, l, GLIM_DORA_LESS, y, y_ld, z, z_ld, rows);
    }
    gemm(n, GLIM_GEMM_F32, &(glim_gemm){.m = rows, .n = l->w.n_out, .k = p->rank, .c = z, .ldc = z_ld, .add = true, .a = t,
                                        .a_row = p->rank, .a_k = 1, .b = b, .b_k = 1, .b_n = p->rank});
    if (dora) glim_dora_rows(n, l, dropping(n) ? GLIM_DORA_MORE : GLIM_DORA_SET, y, y_ld, z, z_ld, rows);
}

/* ---- backward ---- */

typedef struct columns_job {
    float *g;
    const float *dy, *x, *r;
    size_t rows, width;
} columns_job;

static void columns(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    const columns_job *j = ctx;
    for (size_t i = 0; i < j->rows; i++) {
        const float *dy = j->dy + i * j->width, *x = j->x ? j->x + i * j->width : NULL;
        for (size_t c = begin; c < end; c++) j->g[c] += x ? dy[c] * (x[c] * j->r[i]) : dy[c];
    }
}

void glim_columns_add(glim_net *n, float *g, const float *dy, const float *x, const float *r, size_t rows, size_t width) {
    if (n->single) {
        glim_dp_grad_columns(n, g, dy, x, r, rows, width);
        return;
    }
    columns_job j = {g, dy, x, r, rows, width};
    glim_pool_for(n->pool, width, 64, columns, &j);
}

/* g [n_out, n_in] += dy^T x */
static void weight_grad(glim_net *n, glim_gemm_type type, float *g, size_t n_out, size_t n_in, const float *dy, size_t dy_ld,
                        const float *x, size_t x_ld, size_t rows) {
    if (n->single) glim_dp_grad_weight(n, g, n_out, n_in, dy, dy_ld, x, x_ld, rows);
    else
        gemm(n, type, &(glim_gemm){.m = n_out, .n = n_in, .k = rows, .c = g, .ldc = n_in, .add = true, .a = dy, .a_row = 1, .a_k = dy_ld,
                                   .b = x, .b_k = x_ld, .b_n = 1});
}

/* dB += and dt of the layer's own rows. */
static void pair_back_out(glim_net *n, const glim_lin *l, const float *dy, size_t dy_ld, size_t rows, const float *t) {
    const glim_pair *p = l->pair;
    const float *b = n->w + n->params[p->b].at + l->pair_row * p->rank;
    float *gb = n->g + n->params[p->b].at + l->pair_row * p->rank;
    weight_grad(n, GLIM_GEMM_F32, gb, l->w.n_out, p->rank, dy, dy_ld, t, p->rank, rows);
    gemm(n, GLIM_GEMM_F32, &(glim_gemm){.m = rows, .n = p->rank, .k = l->w.n_out, .c = n->tape->dt, .ldc = p->rank, .add = !l->first,
                                        .a = dy, .a_row = dy_ld, .a_k = 1, .b = b, .b_k = p->rank, .b_n = 1});
}

/* dA += and dx += from dt, which is whole now. */
static void pair_back_in(glim_net *n, const glim_pair *p, const float *x, size_t x_ld, float *dx, size_t dx_ld, size_t rows,
                         uint64_t drop) {
    const float *a = n->w + n->params[p->a].at;
    float *ga = n->g + n->params[p->a].at, *dt = n->tape->dt;
    scale_job s = {dt, p->scale, p->rank};
    glim_pool_for(n->pool, rows, 64, scale_rows, &s);
    size_t ld = x_ld;
    const float *in = pair_input(n, p, x, &ld, rows, drop);
    weight_grad(n, GLIM_GEMM_F32, ga, p->rank, p->n_in, dt, p->rank, in, ld, rows);
    if (!dx) return;
    glim_gemm g = {.m = rows, .n = p->n_in, .k = p->rank, .c = dx, .ldc = dx_ld, .add = true, .a = dt, .a_row = p->rank, .a_k = 1,
                   .b = a, .b_k = p->n_in, .b_n = 1};
    if (!dropping(n)) {
        gemm(n, GLIM_GEMM_F32, &g);
        return;
    }
    g.c = n->tape->ddropped, g.ldc = p->n_in, g.add = n->lora.dora; /* what W gives to the dropped input lies there */
    gemm(n, GLIM_GEMM_F32, &g);
    drop_job j = {.n = n, .dst = dx, .src = n->tape->ddropped, .src_ld = p->n_in, .width = p->n_in, .hi = drop_key(n, p, drop), .add = true};
    glim_pool_for(n->pool, rows, 4, drop_rows, &j);
}

void glim_lin_back(glim_net *n, const glim_lin *l, const float *dy, size_t dy_ld, const float *x, size_t x_ld, float *dx, size_t dx_ld,
                   bool add, size_t rows, const float *t, uint64_t drop) {
    if (rows == 0) return;
    const glim_pair *p = n->bypass ? NULL : l->pair;
    const bool dora = p && n->lora.dora;
    float *dz = n->tape->dpre;
    if (dora) glim_dora_back(n, l, dy, dy_ld, glim_dora_z(n, l, t), dz, rows);
    const float *out = dora ? dz : dy; /* the gradient of what a pair adds to */
    const size_t out_ld = dora ? l->w.n_out : dy_ld;
    const bool plain = dora && dropping(n); /* W x itself is not stretched then */
    glim_gemm base = {.m = rows, .n = l->w.n_in, .k = l->w.n_out, .c = dx, .ldc = dx_ld, .add = add, .a = plain ? dy : out,
                      .a_row = plain ? dy_ld : out_ld, .a_k = 1, .w = &l->w, .back = true};
    if (dx) gemm(n, n->type, &base);
    if (l->gw) weight_grad(n, n->type, l->gw, l->w.n_out, l->w.n_in, dy, dy_ld, x, x_ld, rows);
    if (l->gbias) glim_columns_add(n, l->gbias, dy, NULL, NULL, rows, l->w.n_out);
    if (p) pair_back_out(n, l, out, out_ld, rows, t);
    if (plain && dx) {
        glim_dora_rows(n, l, GLIM_DORA_LESS, dz, out_ld, dy, dy_ld, rows);
        base.c = n->tape->ddropped, base.ldc = p->n_in, base.add = !l->first, base.a = dz, base.a_row = out_ld;
        gemm(n, n->type, &base);
    }
    if (p && l->last) pair_back_in(n, p, x, x_ld, dx, dx_ld, rows, drop);
}
