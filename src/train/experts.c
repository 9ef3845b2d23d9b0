/* experts.c - a mixture of experts, forward and backward; model/moe.c is the rule for choosing.
 *
 *   y = sum_j w_j Expert_j(x) (+ the shared expert, which block.c computes)
 *   dw_j = dy . Expert_j(x)   dExpert_j = w_j dy   and through the router's scores back to x
 *
 * Balance, where it is asked for: each sequence of T rows adds sum_e f_e P_e to the loss, f_e = n / (k T) times how often e was
 * chosen, P_e = mean over its rows of score_e / sum of scores (arXiv:2101.03961; by sequence as in arXiv:2412.19437, 2.1.2).
 * Or the bias that chooses moves by a fixed step towards experts that were chosen less than others (arXiv:2408.15664).
 *
 * Rows are sorted by expert, so that an expert is one product over its rows. */
#include <math.h>
#include <string.h>

#include "train/net_internal.h"

static size_t argmax(const float *c, size_t n) {
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (c[i] > c[best]) best = i;
    return best;
}

/* Outside the best groups nothing can be chosen. */
static void mask_groups(const glim_config *cfg, float *c, float *score) {
    const size_t per = cfg->n_expert / cfg->n_group;
    for (size_t g = 0; g < cfg->n_group; g++) {
        float a = -INFINITY, b = -INFINITY; /* the two largest */
        for (size_t i = 0; i < per; i++) {
            const float v = c[g * per + i];
            if (v > a) b = a, a = v;
            else if (v > b) b = v;
        }
        score[g] = per > 1 ? a + b : a;
    }
    for (size_t k = 0; k < cfg->topk_group; k++) score[argmax(score, cfg->n_group)] = -INFINITY;
    for (size_t g = 0; g < cfg->n_group; g++)
        for (size_t i = 0; score[g] != -INFINITY && i < per; i++) c[g * per + i] = -INFINITY;
}

static void choose_rows(void *ctx, size_t begin, size_t end, int worker) {
    const glim_each *j = ctx;
    const glim_config *cfg = &j->n->m->cfg;
    glim_tape *t = j->n->tape;
    const size_t n = cfg->n_expert, k = cfg->n_expert_used;
    float *c = t->choice + (size_t)worker * 2 * (n + cfg->n_group);
    for (size_t r = begin; r < end; r++) {
        float *prob = t->prob + r * n;
        uint32_t *chosen = t->chosen + r * k;
        glim_op_route(NULL, prob, t->z + r * n, NULL, n, k, cfg->router_softmax, cfg->norm_topk, 1);
        for (size_t i = 0; i < n; i++) c[i] = prob[i] + (j->l->router_bias ? j->l->router_bias[i] : 0);
        if (cfg->n_group > 1) mask_groups(cfg, c, c + n);
        for (size_t i = 0; i < k; i++) {
            size_t e = argmax(c, n), at = i;
            c[e] = -INFINITY;
            for (; at > 0 && chosen[at - 1] > e; at--) chosen[at] = chosen[at - 1];
            chosen[at] = (uint32_t)e;
        }
        glim_op_route(t->weight + r * k, prob, t->z + r * n, chosen, n, k, cfg->router_softmax, cfg->norm_topk,
                      (double)cfg->routed_scale);
    }
}

static void sort_slots(glim_tape *t, size_t n_expert, size_t n) {
    memset(t->first, 0, (n_expert + 1) * sizeof *t->first);
    for (size_t i = 0; i < n; i++) t->first[t->chosen[i] + 1]++;
    for (size_t e = 0; e < n_expert; e++) t->first[e + 1] += t->first[e];
    for (size_t i = 0; i < n; i++) {
        const uint32_t s = t->first[t->chosen[i]]++;
        t->slot[i] = s;
        t->slot_row[s] = (uint32_t)(i / (n / t->b->n));
    }
    memmove(t->first + 1, t->first, n_expert * sizeof *t->first); /* each had moved to its end */
    t->first[0] = 0;
}

static void gather(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    const glim_each *j = ctx;
    glim_tape *t = j->n->tape;
    const size_t E = j->n->m->cfg.n_embd;
    for (size_t s = begin; s < end; s++) memcpy(t->ex + s * E, t->x2 + t->slot_row[s] * E, E * sizeof(float));
}

static void silu(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    const glim_each *j = ctx;
    glim_tape *t = j->n->tape;
    const size_t F = j->n->m->cfg.n_ff_expert;
    for (size_t s = begin * F; s < end * F; s += F) j->n->k->silu_mul(t->em + s, t->eg + s, t->eu + s, F);
}
static void silu_back(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    const glim_each *j = ctx;
    glim_tape *t = j->n->tape;
    const size_t F = j->n->m->cfg.n_ff_expert;
    for (size_t s = begin * F; s < end * F; s += F)
        j->n->set->silu_back(t->deg + s, t->deu + s, t->deg + s, t->eg + s, t->eu + s, F);
}

static void combine(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    const glim_each *j = ctx;
    const glim_config *cfg = &j->n->m->cfg;
    glim_tape *t = j->n->tape;
    const size_t E = cfg->n_embd, k = cfg->n_expert_used;
    for (size_t r = begin; r < end; r++) {
        float *y = t->o2 + r * E, *sum = t->dex + r * E; /* free in forward, and has more rows */
        memset(sum, 0, E * sizeof *sum);
        for (size_t i = 0; i < k; i++) j->n->k->axpy(sum, t->weight[r * k + i], t->eo + t->slot[r * k + i] * E, E);
        if (j->l->ffn.n_ff) j->n->k->add(y, sum, E);
        else memcpy(y, sum, E * sizeof *y);
    }
}

/* Where a pair of experts has its t: [te offset, slots]. */
static float *expert_t(const glim_net *n, const glim_lin *l, size_t slot0) {
    const size_t slots = n->tape->n * n->m->cfg.n_expert_used;
    return l->pair ? n->tape->te + l->pair->t_at * slots + slot0 * l->pair->rank : NULL;
}

void glim_experts_forward(glim_net *n, const glim_net_layer *l, uint64_t drop) {
    const glim_config *cfg = &n->m->cfg;
    glim_tape *t = n->tape;
    const size_t rows = t->b->n, E = cfg->n_embd, F = cfg->n_ff_expert, slots = rows * cfg->n_expert_used;
    glim_each each = {.n = n, .l = l};
    const glim_gemm_type type = n->type;
    n->type = GLIM_GEMM_F32; /* the router runs in f32, as in inference */
    glim_lin_forward(n, &l->router, t->x2, E, t->z, cfg->n_expert, rows, NULL, drop);
    n->type = type;
    glim_pool_for(n->pool, rows, 4, choose_rows, &each);
    sort_slots(t, cfg->n_expert, slots);
    glim_pool_for(n->pool, slots, 8, gather, &each);
    for (size_t e = 0; e < cfg->n_expert; e++) {
        const size_t s0 = t->first[e], k = t->first[e + 1] - s0;
        const glim_net_ffn *f = &l->experts[e];
        glim_lin_forward(n, &f->gate, t->ex + s0 * E, E, t->eg + s0 * F, F, k, expert_t(n, &f->gate, s0), drop);
        glim_lin_forward(n, &f->up, t->ex + s0 * E, E, t->eu + s0 * F, F, k, expert_t(n, &f->up, s0), drop);
    }
    glim_pool_for(n->pool, slots, 4, silu, &each);
    for (size_t e = 0; e < cfg->n_expert; e++) {
        const size_t s0 = t->first[e], k = t->first[e + 1] - s0;
        const glim_net_ffn *f = &l->experts[e];
        glim_lin_forward(n, &f->down, t->em + s0 * F, F, t->eo + s0 * E, E, k, expert_t(n, &f->down, s0), drop);
    }
    glim_pool_for(n->pool, rows, 4, combine, &each);
}

/* deo and the weights' gradients, then the scores'. */
static void part_rows(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    const glim_each *j = ctx;
    const glim_config *cfg = &j->n->m->cfg;
    glim_tape *t = j->n->tape;
    const size_t E = cfg->n_embd, k = cfg->n_expert_used, n = cfg->n_expert;
    for (size_t r = begin; r < end; r++) {
        const float *dy = t->d_o + r * E;
        for (size_t i = 0; i < k; i++) {
            const size_t at = t->slot[r * k + i] * E;
            const float w = t->weight[r * k + i];
            double dot = 0;
            for (size_t c = 0; c < E; c++) {
                dot += (double)dy[c] * (double)t->eo[at + c];
                t->deo[at + c] = w * dy[c];
            }
            t->dweight[r * k + i] = (float)dot;
        }
        glim_op_route_back(t->dz + r * n, t->dweight + r * k, t->prob + r * n, t->chosen + r * k, n, k, cfg->router_softmax,
                           cfg->norm_topk, (double)cfg->routed_scale);
    }
}

static void balance_seqs(void *ctx, size_t begin, size_t end, int worker) {
    const glim_each *j = ctx;
    const glim_config *cfg = &j->n->m->cfg;
    glim_tape *t = j->n->tape;
    const size_t n = cfg->n_expert, k = cfg->n_expert_used;
    float *f = t->choice + (size_t)worker * 2 * (n + cfg->n_group);
    for (size_t s = begin; s < end; s++) {
        const size_t r0 = t->b->seq[s], r1 = t->b->seq[s + 1];
        const float each = (float)n / (float)(k * (r1 - r0));
        const double g = j->n->balance / (double)(r1 - r0);
        double sum = 0;
        memset(f, 0, n * sizeof *f);
        for (size_t i = r0 * k; i < r1 * k; i++) f[t->chosen[i]] += 1;
        for (size_t e = 0; e < n; e++) f[e] *= each;
        for (size_t r = r0; r < r1; r++) sum += glim_op_balance(t->dz + r * n, t->prob + r * n, f, n, cfg->router_softmax, g);
        t->seq_balance[s] += sum / (double)(r1 - r0);
    }
}

static void join_rows(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    const glim_each *j = ctx;
    glim_tape *t = j->n->tape;
    const size_t E = j->n->m->cfg.n_embd, k = j->n->m->cfg.n_expert_used;
    for (size_t r = begin; r < end; r++)
        for (size_t i = 0; i < k; i++) j->n->k->add(t->dx + r * E, t->dex + t->slot[r * k + i] * E, E);
}

void glim_experts_back(glim_net *n, const glim_net_layer *l, uint64_t drop) {
    const glim_config *cfg = &n->m->cfg;
    glim_tape *t = n->tape;
    const size_t rows = t->b->n, E = cfg->n_embd, F = cfg->n_ff_expert, slots = rows * cfg->n_expert_used;
    glim_each each = {.n = n, .l = l};
    glim_pool_for(n->pool, rows, 4, part_rows, &each);
    if (n->balance > 0) glim_pool_for(n->pool, t->b->n_seq, 1, balance_seqs, &each);
    for (size_t e = 0; e < cfg->n_expert; e++) n->load[(size_t)(l - n->layers) * cfg->n_expert + e] += t->first[e + 1] - t->first[e];
    for (size_t e = 0; e < cfg->n_expert; e++) {
        const size_t s0 = t->first[e], k = t->first[e + 1] - s0;
        const glim_net_ffn *f = &l->experts[e];
        n->row_of = t->slot_row + s0;
        glim_lin_back(n, &f->down, t->deo + s0 * E, E, t->em + s0 * F, F, t->deg + s0 * F, F, false, k, expert_t(n, &f->down, s0), drop);
    }
    glim_pool_for(n->pool, slots, 4, silu_back, &each);
    for (size_t e = 0; e < cfg->n_expert; e++) {
        const size_t s0 = t->first[e], k = t->first[e + 1] - s0;
        const glim_net_ffn *f = &l->experts[e];
        float *dex = t->dex + s0 * E;
        n->row_of = t->slot_row + s0;
        glim_lin_back(n, &f->gate, t->deg + s0 * F, F, t->ex + s0 * E, E, dex, E, false, k, expert_t(n, &f->gate, s0), drop);
        glim_lin_back(n, &f->up, t->deu + s0 * F, F, t->ex + s0 * E, E, dex, E, true, k, expert_t(n, &f->up, s0), drop);
    }
    n->row_of = NULL;
    const glim_gemm_type type = n->type;
    n->type = GLIM_GEMM_F32;
    glim_lin_back(n, &l->router, t->dz, cfg->n_expert, t->x2, E, t->dx, E, false, rows, NULL, drop);
    n->type = type;
    glim_pool_for(n->pool, rows, 4, join_rows, &each);
}

double glim_net_imbalance(const glim_net *n) {
    const size_t k = n->m->cfg.n_expert;
    double worst = 0;
    for (size_t i = 0; i < n->m->cfg.n_layer; i++) {
        uint64_t top = 0, all = 0;
        for (size_t e = 0; n->layers[i].moe && e < k; e++) {
            const uint64_t c = n->load[i * k + e];
            all += c, top = c > top ? c : top;
        }
        if (all > 0) worst = fmax(worst, (double)top * (double)k / (double)all);
    }
    return worst;
}

void glim_net_move_router(glim_net *n, double by) {
    const size_t k = n->m->cfg.n_expert;
    for (size_t i = 0; n->router_bias && i < n->m->cfg.n_layer; i++) {
        uint64_t all = 0;
        for (size_t e = 0; e < k; e++) all += n->load[i * k + e];
        for (size_t e = 0; e < k; e++) {
            const uint64_t c = n->load[i * k + e] * k;
            if (c != all) n->router_bias[i * k + e] += (float)(c < all ? by : -by);
        }
    }
}
