/* block.c - one decoder block, forward and backward, side by side; model/forward.c has the same block for inference.
 *
 *   x1 = norm(h)   q, k, v = x1 W   [q, k = norm]   rotate   att = attention   o = att Wo   h1 = h + [norm] o
 *   x2 = norm(h1)  mid = silu(x2 Wg) (x2 Wu)        o2 = mid Wd (or experts)                out = h1 + [norm] o2 */
#include <string.h>

#include "train/net_internal.h"

typedef struct norm_job {
    const glim_net *n;
    const float *x, *w;
    float *y, *r;      /* y: the normed rows; r [rows * heads] */
    const float *plus; /* added to y, if given */
    size_t width, heads;
} norm_job;

static void norm_rows(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    const norm_job *j = ctx;
    const size_t all = j->width * j->heads;
    for (size_t i = begin; i < end; i++) {
        for (size_t h = 0; h < j->heads; h++)
            j->r[i * j->heads + h] = glim_op_norm(j->y + i * all + h * j->width, j->x + i * all + h * j->width, j->w, j->width,
                                                  (double)j->n->m->cfg.eps);
        for (size_t c = 0; j->plus && c < all; c++) j->y[i * all + c] += j->plus[i * all + c];
    }
}
static void norm(glim_net *n, float *y, const float *x, const float *w, float *r, const float *plus) {
    norm_job j = {n, x, w, y, r, plus, n->m->cfg.n_embd, 1};
    glim_pool_for(n->pool, n->tape->b->n, 4, norm_rows, &j);
}

typedef struct norm_back_job {
    const float *dy, *x, *w, *r;
    float *dx;
    size_t width, heads;
    bool add;
} norm_back_job;
static void norm_back_rows(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    const norm_back_job *j = ctx;
    for (size_t i = begin * j->heads; i < end * j->heads; i++)
        glim_op_norm_back(j->dx + i * j->width, j->dy + i * j->width, j->x + i * j->width, j->w, j->r[i], j->width, j->add);
}
/* dx (+)= from dy; the weight's gradient first, because dx may be dy. */
static void norm_back(glim_net *n, float *dx, const float *dy, const float *x, const glim_vec *w, const float *r, bool add) {
    const size_t rows = n->tape->b->n, width = n->m->cfg.n_embd;
    if (w->g) glim_columns_add(n, w->g, dy, x, r, rows, width);
    norm_back_job j = {dy, x, w->w, r, dx, width, 1, add};
    glim_pool_for(n->pool, rows, 4, norm_back_rows, &j);
}
static void head_norm_back(glim_net *n, float *dq, const float *x, const glim_vec *w, const float *r, size_t heads) {
    const size_t rows = n->tape->b->n, hd = n->m->cfg.head_dim;
    if (w->g) glim_columns_add(n, w->g, dq, x, r, rows * heads, hd);
    norm_back_job j = {dq, x, w->w, r, dq, hd, heads, false};
    glim_pool_for(n->pool, rows, 4, norm_back_rows, &j);
}

typedef struct rope_job {
    glim_net *n;
    bool back;
} rope_job;
static void rope_rows(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    const rope_job *j = ctx;
    const glim_model *m = j->n->m;
    const glim_config *c = &m->cfg;
    glim_tape *t = j->n->tape;
    const size_t half = m->n_rot / 2, nq = c->n_head * c->head_dim, nkv = c->n_kv_head * c->head_dim;
    const glim_rope_spec s = {.head_dim = c->head_dim, .n_rot = m->n_rot, .interleaved = c->rope.interleaved};
    for (size_t i = begin; i < end; i++) {
        const float *cs = t->cos + i * half, *sn = t->sin + i * half;
        if (j->back) {
            glim_op_rope_back(t->dq + i * nq, c->n_head, cs, sn, s);
            glim_op_rope_back(t->dk + i * nkv, c->n_kv_head, cs, sn, s);
        } else {
            j->n->k->rope(t->q + i * nq, c->n_head, cs, sn, s);
            j->n->k->rope(t->k + i * nkv, c->n_kv_head, cs, sn, s);
        }
    }
}

typedef struct add_job {
    float *y;
    const float *a, *b;
    size_t width;
} add_job;
static void add_rows(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    const add_job *j = ctx;
    for (size_t i = begin * j->width; i < end * j->width; i++) j->y[i] = j->a[i] + j->b[i];
}
static void add(glim_net *n, float *y, const float *a, const float *b) {
    add_job j = {y, a, b, n->m->cfg.n_embd};
    glim_pool_for(n->pool, n->tape->b->n, 16, add_rows, &j);
}

typedef struct silu_job {
    glim_net *n;
    size_t width;
    bool back;
} silu_job;
static void silu_rows(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    const silu_job *j = ctx;
    glim_tape *t = j->n->tape;
    for (size_t i = begin * j->width; i < end * j->width; i += j->width) {
        if (!j->back) {
            j->n->k->silu_mul(t->mid + i, t->gate + i, t->up + i, j->width);
            continue;
        }
        j->n->set->silu_back(t->dgate + i, t->dup + i, t->dgate + i, t->gate + i, t->up + i, j->width);
    }
}

static uint64_t drop_of(const glim_net *n, size_t layer) { return n->tape->b->id * (n->m->cfg.n_layer + 1) + layer; }

static void attend_part(glim_net *n, const glim_net_layer *l, const float *h, uint64_t drop) {
    const glim_config *c = &n->m->cfg;
    glim_tape *t = n->tape;
    const size_t rows = t->b->n, E = c->n_embd, nq = c->n_head * c->head_dim, nkv = c->n_kv_head * c->head_dim;
    norm(n, t->x1, h, l->attn_norm.w, t->r1, NULL);
    float *q = l->q_norm.w ? t->q_in : t->q, *k = l->q_norm.w ? t->k_in : t->k;
    glim_lin_forward(n, &l->q, t->x1, E, q, nq, rows, glim_pair_t(n, &l->q), drop);
    glim_lin_forward(n, &l->k, t->x1, E, k, nkv, rows, glim_pair_t(n, &l->k), drop);
    glim_lin_forward(n, &l->v, t->x1, E, t->v, nkv, rows, glim_pair_t(n, &l->v), drop);
    if (l->q_norm.w) {
        norm_job jq = {n, t->q_in, l->q_norm.w, t->q, t->rq, NULL, c->head_dim, c->n_head};
        norm_job jk = {n, t->k_in, l->k_norm.w, t->k, t->rk, NULL, c->head_dim, c->n_kv_head};
        glim_pool_for(n->pool, rows, 4, norm_rows, &jq);
        glim_pool_for(n->pool, rows, 4, norm_rows, &jk);
    }
    rope_job rope = {n, false};
    glim_pool_for(n->pool, rows, 8, rope_rows, &rope);
    glim_train_attend(n);
    glim_lin_forward(n, &l->o, t->att, nq, t->o, E, rows, glim_pair_t(n, &l->o), drop);
    if (l->post_attn_norm.w) norm(n, t->h1, t->o, l->post_attn_norm.w, t->rp1, h);
    else add(n, t->h1, h, t->o);
}

static void ffn_part(glim_net *n, const glim_net_layer *l, uint64_t drop) {
    glim_tape *t = n->tape;
    const size_t rows = t->b->n, E = n->m->cfg.n_embd, F = l->ffn.n_ff;
    norm(n, t->x2, t->h1, l->ffn_norm.w, t->r2, NULL);
    if (F > 0) {
        glim_lin_forward(n, &l->ffn.gate, t->x2, E, t->gate, F, rows, glim_pair_t(n, &l->ffn.gate), drop);
        glim_lin_forward(n, &l->ffn.up, t->x2, E, t->up, F, rows, glim_pair_t(n, &l->ffn.up), drop);
        silu_job silu = {n, F, false};
        glim_pool_for(n->pool, rows, 4, silu_rows, &silu);
        glim_lin_forward(n, &l->ffn.down, t->mid, F, t->o2, E, rows, glim_pair_t(n, &l->ffn.down), drop);
    }
    if (l->moe) glim_experts_forward(n, l, drop);
}

void glim_block_forward(glim_net *n, size_t layer, float *out) {
    const glim_net_layer *l = &n->layers[layer];
    glim_tape *t = n->tape;
    const float *h = t->h + layer * t->n * n->m->cfg.n_embd;
    const uint64_t drop = drop_of(n, layer);
    glim_tape_aim(t, layer);
    t->holds = layer;
    attend_part(n, l, h, drop);
    ffn_part(n, l, drop);
    if (!out) return; /* backward needs what lies inside only */
    if (l->post_ffn_norm.w) norm(n, out, t->o2, l->post_ffn_norm.w, t->rp2, t->h1);
    else add(n, out, t->h1, t->o2);
}

void glim_block_back(glim_net *n, size_t layer) {
    const glim_net_layer *l = &n->layers[layer];
    const glim_config *c = &n->m->cfg;
    glim_tape *t = n->tape;
    const size_t rows = t->b->n, E = c->n_embd, F = l->ffn.n_ff, nq = c->n_head * c->head_dim, nkv = c->n_kv_head * c->head_dim;
    const float *h = t->h + layer * t->n * E;
    const uint64_t drop = drop_of(n, layer);
    const bool last = layer == 0 && !n->g_embd && !l->attn_norm.g; /* nobody below is trained */
    glim_tape_aim(t, layer);
    if (!t->kept && t->holds != layer) glim_block_forward(n, layer, NULL);

    /* the MLP: d_o, then dx, then onto dh */
    const float *d_o = t->dh;
    if (l->post_ffn_norm.w) {
        norm_job j = {n, t->o2, l->post_ffn_norm.w, t->dx, t->rp2, NULL, E, 1}; /* for rp2 only: dx is free */
        glim_pool_for(n->pool, rows, 4, norm_rows, &j);
        norm_back(n, t->d_o, t->dh, t->o2, &l->post_ffn_norm, t->rp2, false);
        d_o = t->d_o;
    }
    if (l->moe) {
        if (d_o != t->d_o) memcpy(t->d_o, d_o, rows * E * sizeof *d_o), d_o = t->d_o;
        glim_experts_back(n, l, drop);
    }
    if (F > 0) {
        glim_lin_back(n, &l->ffn.down, d_o, E, t->mid, F, t->dgate, F, false, rows, glim_pair_t(n, &l->ffn.down), drop);
        silu_job silu = {n, F, true};
        glim_pool_for(n->pool, rows, 4, silu_rows, &silu);
        glim_lin_back(n, &l->ffn.gate, t->dgate, F, t->x2, E, t->dx, E, l->moe, rows, glim_pair_t(n, &l->ffn.gate), drop);
        glim_lin_back(n, &l->ffn.up, t->dup, F, t->x2, E, t->dx, E, true, rows, glim_pair_t(n, &l->ffn.up), drop);
    }
    norm_back(n, t->dh, t->dx, t->h1, &l->ffn_norm, t->r2, true);

    /* attention */
    d_o = t->dh;
    if (l->post_attn_norm.w) {
        norm_back(n, t->d_o, t->dh, t->o, &l->post_attn_norm, t->rp1, false);
        d_o = t->d_o;
    }
    glim_lin_back(n, &l->o, d_o, E, t->att, nq, t->datt, nq, false, rows, glim_pair_t(n, &l->o), drop);
    glim_train_attend_back(n);
    rope_job rope = {n, true};
    glim_pool_for(n->pool, rows, 8, rope_rows, &rope);
    if (l->q_norm.w) {
        head_norm_back(n, t->dq, t->q_in, &l->q_norm, t->rq, c->n_head);
        head_norm_back(n, t->dk, t->k_in, &l->k_norm, t->rk, c->n_kv_head);
    }
    float *dx = last ? NULL : t->dx;
    glim_lin_back(n, &l->q, t->dq, nq, t->x1, E, dx, E, false, rows, glim_pair_t(n, &l->q), drop);
    glim_lin_back(n, &l->k, t->dk, nkv, t->x1, E, dx, E, true, rows, glim_pair_t(n, &l->k), drop);
    glim_lin_back(n, &l->v, t->dv, nkv, t->x1, E, dx, E, true, rows, glim_pair_t(n, &l->v), drop);
    if (!last) norm_back(n, t->dh, t->dx, h, &l->attn_norm, t->r1, true);
}
