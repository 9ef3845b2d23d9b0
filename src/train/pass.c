/* pass.c - a whole pass: embedding, blocks, head with the loss, and back again; see net.h. */
#include <string.h>

#include "base/alloc.h"
#include "model/dora.h"
#include "model/rope.h"
#include "train/net_internal.h"

static size_t up64(size_t n) { return (n + 63) / 64 * 64; }
static size_t max2(size_t a, size_t b) { return a > b ? a : b; }

/* One function lays the tape out, for counting (mem NULL) and for real. */
static void *carve(glim_tape *t, size_t n, size_t size) {
    void *p = t->mem ? (char *)t->mem + t->mem_bytes : NULL;
    t->mem_bytes += up64(n * size);
    return p;
}
#define FLOATS(name, n) t->name = carve(t, (n), sizeof(float))

void glim_tape_layout(glim_tape *t, const glim_net *net, void *mem) {
    const glim_model *m = net->m;
    const glim_config *c = &m->cfg;
    const size_t n = net->n_rows, E = c->n_embd, Q = c->n_head * c->head_dim, KV = c->n_kv_head * c->head_dim;
    const int threads = glim_pool_size(net->pool);
    size_t F = 0, t_wide = 0, te_wide = 0, z_wide = 0, ze_wide = 0, rank = 0, widest = E, dora = 0, widest_out = 0;
    bool sandwich = false, head_norms = false;
    *t = (glim_tape){.mem = mem, .n = n};
    for (size_t i = 0; i < c->n_layer; i++) {
        F = max2(F, m->layers[i].ffn.n_ff);
        sandwich |= m->layers[i].post_ffn_norm != NULL;
        head_norms |= m->layers[i].q_norm != NULL;
    }
    for (size_t i = 0; i < net->n_pairs; i++) {
        const glim_pair *p = &net->pairs[i];
        if (p->expert) te_wide = max2(te_wide, p->t_at + p->rank);
        else t_wide = max2(t_wide, p->t_at + p->rank);
        if (net->n_rows_dora) {
            size_t *wide = p->expert ? &ze_wide : &z_wide;
            *wide = max2(*wide, p->z_at + p->n_out);
            widest_out = max2(widest_out, p->n_out);
            dora = max2(dora, glim_dora_bytes(net->set, p->n_out, p->n_in, p->rank, threads));
        }
        rank = max2(rank, p->rank);
        widest = max2(widest, p->n_in);
    }
    FLOATS(h, (c->n_layer + 1) * n * E);
    FLOATS(cos, n * (m->n_rot / 2)), FLOATS(sin, n * (m->n_rot / 2));
    const size_t begin = t->mem_bytes;
    FLOATS(x1, n * E), FLOATS(q, n * Q), FLOATS(k, n * KV), FLOATS(v, n * KV), FLOATS(att, n * Q), FLOATS(o, n * E);
    FLOATS(h1, n * E), FLOATS(x2, n * E), FLOATS(gate, n * F), FLOATS(up, n * F), FLOATS(mid, n * F), FLOATS(o2, n * E);
    if (head_norms) FLOATS(q_in, n * Q), FLOATS(k_in, n * KV), FLOATS(rq, n * c->n_head), FLOATS(rk, n * c->n_kv_head);
    FLOATS(lse, n * c->n_head), FLOATS(r1, n), FLOATS(r2, n), FLOATS(rp1, n), FLOATS(rp2, n), FLOATS(t, n * t_wide), FLOATS(pre, n * z_wide);
    t->block_bytes = t->mem_bytes - begin;
    t->kept = !net->recompute && c->n_expert == 0 && t->block_bytes <= (size_t)GLIM_KEEP_BYTES / c->n_layer;
    if (t->kept) t->mem_bytes += (c->n_layer - 1) * t->block_bytes;
    t->holds = SIZE_MAX;
    FLOATS(dot, n * c->n_head), FLOATS(rout, n);
    FLOATS(dh, n * E), FLOATS(dx, n * E), FLOATS(dq, n * Q), FLOATS(dk, n * KV), FLOATS(dv, n * KV), FLOATS(datt, n * Q);
    FLOATS(dgate, n * F), FLOATS(dup, n * F);
    if (sandwich || c->n_expert) FLOATS(d_o, n * E);
    const size_t S = n * c->n_expert_used, X = c->n_ff_expert;
    if (c->n_expert) {
        FLOATS(z, n * c->n_expert), FLOATS(prob, n * c->n_expert), FLOATS(dz, n * c->n_expert);
        FLOATS(choice, (size_t)threads * 2 * (c->n_expert + c->n_group));
        t->chosen = carve(t, S, 4), t->slot = carve(t, S, 4), t->slot_row = carve(t, S, 4);
        t->first = carve(t, c->n_expert + 1, 4);
        FLOATS(weight, S), FLOATS(dweight, S);
        t->seq_balance = carve(t, n, sizeof(double));
        FLOATS(ex, S * E), FLOATS(eo, S * E), FLOATS(deo, S * E), FLOATS(dex, S * E);
        FLOATS(eg, S * X), FLOATS(eu, S * X), FLOATS(em, S * X), FLOATS(deg, S * X), FLOATS(deu, S * X);
    }
    FLOATS(te, S * te_wide), FLOATS(dt, max2(n, te_wide ? S : 0) * rank);
    if (net->dropout > 0) FLOATS(dropped, max2(n, te_wide ? S : 0) * widest), FLOATS(ddropped, max2(n, te_wide ? S : 0) * widest);
    if (net->n_rows_dora) {
        FLOATS(pre_e, S * ze_wide), FLOATS(dpre, max2(n, ze_wide ? S : 0) * widest_out), FLOATS(length, net->n_rows_dora), FLOATS(stretch, net->n_rows_dora);
        t->row_square = carve(t, net->n_rows_dora, sizeof(double));
        t->dora = carve(t, dora, 1);
    }
    /* Logits of 32 MB at once, 64 rows at least: a head of 150,000 words is read again for each. */
    t->n_logits = max2(((size_t)32 << 20) / (c->n_vocab * 4), 64);
    if (t->n_logits > n || (net->by_example && net->lora.rank == 0)) t->n_logits = n; /* the head's norms want a sequence whole */
    t->rows = carve(t, n, sizeof *t->rows);
    FLOATS(hid, t->n_logits * E), FLOATS(dhid, t->n_logits * E), FLOATS(logits, t->n_logits * c->n_vocab);
    t->row_loss = carve(t, n, sizeof(double));
    const size_t inner = max2(max2(E, Q), max2(F, X)), rows = max2(n, S); /* an expert may have all slots' rows */
    size_t bytes = max2(glim_gemm_bytes(net->set, rows, inner, threads), glim_gemm_bytes(net->set, inner, rows, threads));
    bytes = max2(bytes, max2(glim_gemm_bytes(net->set, t->n_logits, c->n_vocab, threads),
                             glim_gemm_bytes(net->set, c->n_vocab, t->n_logits, threads)));
    t->gemm = carve(t, bytes, 1);
    t->attn_floats = up64(glim_attn_floats(m, n));
    FLOATS(attn, (size_t)threads * t->attn_floats);
}

void glim_tape_aim(glim_tape *t, size_t layer) {
    float **p[] = {&t->x1, &t->q, &t->k, &t->v, &t->att, &t->o, &t->h1, &t->x2, &t->gate, &t->up, &t->mid, &t->o2,
                   &t->q_in, &t->k_in, &t->rq, &t->rk, &t->lse, &t->r1, &t->r2, &t->rp1, &t->rp2, &t->t, &t->pre};
    if (!t->kept || layer == t->aimed) return;
    for (size_t i = 0; i < GLIM_COUNT(p); i++)
        if (*p[i]) *p[i] = (float *)(void *)((char *)*p[i] + ((ptrdiff_t)layer - (ptrdiff_t)t->aimed) * (ptrdiff_t)t->block_bytes);
    t->aimed = layer;
}

/* ---- forward ---- */

static glim_status check(const glim_net *n, const glim_pack *b, glim_err *err) {
    if (b->n == 0 || b->n > n->n_rows)
        return glim_fail(err, GLIM_E_ARG, "a batch has %zu rows, want 1 to %zu", b->n, n->n_rows);
    if (b->n_seq == 0 || b->seq[0] != 0 || b->seq[b->n_seq] != b->n)
        return glim_fail(err, GLIM_E_ARG, "a batch's sequences do not cover its rows");
    for (size_t s = 0; s < b->n_seq; s++)
        if (b->seq[s + 1] <= b->seq[s]) return glim_fail(err, GLIM_E_ARG, "sequence %zu of a batch is empty", s);
    for (size_t i = 0; i < b->n; i++) {
        if (b->tokens[i] < 0 || (size_t)b->tokens[i] >= n->m->cfg.n_vocab || b->pos[i] < 0 ||
            (b->target[i] != -1 && (b->target[i] < 0 || (size_t)b->target[i] >= n->m->cfg.n_vocab)))
            return glim_fail(err, GLIM_E_ARG, "row %zu: token %d, target %d, position %d: want ids from 0 to %zu", i, b->tokens[i],
                             b->target[i], b->pos[i], n->m->cfg.n_vocab - 1);
    }
    return GLIM_OK;
}

static void embed_rows(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    glim_net *n = ctx;
    const glim_tape *t = n->tape;
    const glim_mat *e = n->embd;
    const size_t half = n->m->n_rot / 2;
    for (size_t i = begin; i < end; i++) {
        glim_dequant(e->type, (const char *)e->rows + (size_t)t->b->tokens[i] * e->row_bytes, t->h + i * e->n_in, e->n_in);
        glim_rope_at(n->m->inv_freq, n->m->n_rot, n->m->rope_mscale, (size_t)t->b->pos[i], t->cos + i * half, t->sin + i * half);
    }
}

glim_status glim_net_forward(glim_net *n, const glim_pack *b, glim_err *err) {
    glim_status rc = check(n, b, err);
    if (rc != GLIM_OK) return rc;
    glim_tape *t = n->tape;
    const size_t size = t->n * n->m->cfg.n_embd;
    t->b = b;
    if (n->n_rows_dora && !n->bypass) glim_dora_measure(n);
    glim_pool_for(n->pool, b->n, 4, embed_rows, n);
    for (size_t i = 0; i < n->m->cfg.n_layer; i++) glim_block_forward(n, i, t->h + (i + 1) * size);
    return GLIM_OK;
}

/* ---- head ---- */

typedef struct head_job {
    glim_net *n;
    size_t first;         /* of tape->rows */
    glim_loss_fn fn;
    void *ctx;
    const double *scale;
    const float *h;
} head_job;

static void head_norm(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    const head_job *j = ctx;
    const size_t E = j->n->m->cfg.n_embd;
    glim_tape *t = j->n->tape;
    for (size_t i = begin; i < end; i++)
        t->rout[j->first + i] = glim_op_norm(t->hid + i * E, j->h + t->rows[j->first + i] * E, j->n->out_norm.w, E, (double)j->n->m->cfg.eps);
}

static void row_losses(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    const head_job *j = ctx;
    glim_tape *t = j->n->tape;
    const size_t V = j->n->m->cfg.n_vocab;
    for (size_t i = begin; i < end; i++) {
        const size_t row = t->rows[j->first + i];
        t->row_loss[row] = j->fn(j->ctx, row, t->b->target[row], t->logits + i * V, V, j->scale ? j->scale[row] : 0);
    }
}

static void head_norm_back(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    const head_job *j = ctx;
    const size_t E = j->n->m->cfg.n_embd;
    glim_tape *t = j->n->tape;
    for (size_t i = begin; i < end; i++) {
        const size_t row = t->rows[j->first + i];
        glim_op_norm_back(t->dh + row * E, t->dhid + i * E, j->h + row * E, j->n->out_norm.w, t->rout[j->first + i], E, false);
    }
}

static void out_norm_columns(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    const head_job *j = ctx;
    const size_t E = j->n->m->cfg.n_embd;
    const glim_tape *t = j->n->tape;
    const size_t n = (size_t)(uintptr_t)j->ctx;
    for (size_t i = 0; i < n; i++) {
        const float *x = j->h + t->rows[j->first + i] * E, *dy = t->dhid + i * E, r = t->rout[j->first + i];
        for (size_t c = begin; c < end; c++) j->n->out_norm.g[c] += dy[c] * (x[c] * r);
    }
}

static double cross_entropy(void *ctx, size_t row, int32_t target, float *logits, size_t n_vocab, double scale) {
    (void)row;
    return glim_op_cross_entropy(ctx, logits, n_vocab, (size_t)target, scale);
}

void glim_net_head_with(glim_net *n, const glim_pack *b, glim_loss_fn fn, void *ctx, double *loss, const double *scale) {
    glim_tape *t = n->tape;
    const size_t E = n->m->cfg.n_embd, V = n->m->cfg.n_vocab;
    size_t n_rows = 0;
    for (size_t i = 0; i < b->n; i++)
        if (b->target[i] >= 0) t->rows[n_rows++] = (uint32_t)i;
        else if (loss) loss[i] = 0;
    head_job j = {.n = n, .fn = fn, .ctx = ctx, .scale = scale, .h = t->h + n->m->cfg.n_layer * t->n * E};
    if (scale) memset(t->dh, 0, b->n * E * sizeof *t->dh);
    for (j.first = 0; j.first < n_rows; j.first += t->n_logits) {
        const size_t k = n_rows - j.first < t->n_logits ? n_rows - j.first : t->n_logits;
        glim_pool_for(n->pool, k, 4, head_norm, &j);
        glim_lin_forward(n, &n->head, t->hid, E, t->logits, V, k, NULL, 0);
        glim_pool_for(n->pool, k, 1, row_losses, &j);
        if (!scale) continue;
        n->row_of = t->rows + j.first;
        glim_lin_back(n, &n->head, t->logits, V, t->hid, E, t->dhid, E, false, k, NULL, 0);
        if (n->out_norm.g && n->single) glim_dp_grad_columns(n, n->out_norm.g, t->dhid, j.h, t->rout + j.first, k, E);
        else if (n->out_norm.g) {
            head_job c = j;
            c.ctx = (void *)(uintptr_t)k;
            glim_pool_for(n->pool, E, 64, out_norm_columns, &c);
        }
        n->row_of = NULL;
        glim_pool_for(n->pool, k, 4, head_norm_back, &j);
    }
    for (size_t i = 0; loss && i < n_rows; i++) loss[t->rows[i]] = t->row_loss[t->rows[i]];
}

void glim_net_head(glim_net *n, const glim_pack *b, double *nll, const double *scale) {
    glim_net_head_with(n, b, cross_entropy, (void *)(uintptr_t)n->set, nll, scale);
}

void glim_net_logits(glim_net *n, const glim_pack *b, size_t row0, size_t n_rows, float *logits) {
    glim_tape *t = n->tape;
    const size_t E = n->m->cfg.n_embd, V = n->m->cfg.n_vocab;
    head_job j = {.n = n, .h = t->h + n->m->cfg.n_layer * t->n * E};
    GLIM_ASSERT(row0 + n_rows <= b->n);
    for (size_t i = 0; i < n_rows; i++) t->rows[i] = (uint32_t)(row0 + i);
    for (; j.first < n_rows; j.first += t->n_logits) {
        const size_t k = n_rows - j.first < t->n_logits ? n_rows - j.first : t->n_logits;
        glim_pool_for(n->pool, k, 4, head_norm, &j);
        glim_lin_forward(n, &n->head, t->hid, E, logits + j.first * V, V, k, NULL, 0);
    }
}

/* ---- backward ---- */

/* Columns [begin, end) of the embedding's gradient: rows in order, whatever token repeats. */
static void embed_columns(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    glim_net *n = ctx;
    const glim_tape *t = n->tape;
    const size_t E = n->m->cfg.n_embd;
    for (size_t i = 0; i < t->b->n; i++) {
        float *g = n->g_embd + (size_t)t->b->tokens[i] * E;
        for (size_t c = begin; c < end; c++) g[c] += t->dh[i * E + c];
    }
}

void glim_net_backward(glim_net *n, const glim_pack *b) {
    n->tape->b = b;
    if (n->balance > 0 && n->tape->seq_balance) memset(n->tape->seq_balance, 0, b->n_seq * sizeof(double));
    for (size_t i = n->m->cfg.n_layer; i-- > 0;) glim_block_back(n, i);
    for (size_t s = 0; n->balance > 0 && n->tape->seq_balance && s < b->n_seq; s++) n->balance_sum += n->tape->seq_balance[s];
    if (n->g_embd && n->single) glim_dp_grad_embed(n);
    else if (n->g_embd) glim_pool_for(n->pool, n->m->cfg.n_embd, 64, embed_columns, n);
}
