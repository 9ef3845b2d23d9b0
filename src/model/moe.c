/* moe.c - mixture of experts: router, grouping by expert, and the sum.
 *
 *   z = W_g x (f32)    p = sigmoid(z)    c = p + correction bias (for choosing only)
 *   chosen = the k largest c (after the group step), w = p[chosen] / sum, times the routed scale
 *   y = sum over chosen experts, in expert order, of w_e * Expert_e(x)  +  SharedExpert(x)
 *
 * Rows are sorted by expert so that an expert's weights are read once for all its rows; all experts'
 * products run as one parallel loop. Ties choose the lowest index. Reference: transformers'
 * modeling_glm4_moe (DeepSeek-V3's router, arXiv:2412.19437, without its softmax). */
#include <math.h>
#include <string.h>

#include "model/forward_internal.h"

unsigned glim_experts_forms_in(const glim_pass *p) {
    unsigned forms = 0;
    for (size_t e = 0; e < p->m->cfg.n_expert; e++)
        forms |= p->k->act_form(p->l->experts[e].gate.type) | p->k->act_form(p->l->experts[e].up.type);
    return forms;
}

unsigned glim_experts_forms_mid(const glim_pass *p) {
    unsigned forms = 0;
    for (size_t e = 0; e < p->m->cfg.n_expert; e++) forms |= p->k->act_form(p->l->experts[e].down.type);
    return forms;
}

static float sigmoidf(float z) { return 1 / (1 + expf(-z)); }

/* Index of the largest of c[0..n) that is not taken (taken: -inf); the lowest on ties. */
static size_t argmax(const float *c, size_t n) {
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (c[i] > c[best]) best = i;
    return best;
}

/* Outside the best groups nothing can be chosen (transformers 5 and vLLM; transformers 4 wrote 0.0 there,
 * which a negative bias inside could lose to). */
static void mask_groups(const glim_config *cfg, float *c, float *score) {
    size_t per = cfg->n_expert / cfg->n_group;
    for (size_t g = 0; g < cfg->n_group; g++) {
        float a = -INFINITY, b = -INFINITY; /* the two largest */
        for (size_t i = 0; i < per; i++) {
            float v = c[g * per + i];
            if (v > a) b = a, a = v;
            else if (v > b) b = v;
        }
        score[g] = per > 1 ? a + b : a;
    }
    for (size_t t = 0; t < cfg->topk_group; t++) {
        size_t g = argmax(score, cfg->n_group);
        score[g] = -INFINITY;
    }
    for (size_t g = 0; g < cfg->n_group; g++)
        if (score[g] != -INFINITY)
            for (size_t i = 0; i < per; i++) c[g * per + i] = -INFINITY;
}

/* Chooses the experts of rows [begin, end): ws->chosen ascending, ws->weight beside it. */
static void choose_rows(void *ctx, size_t begin, size_t end, int worker) {
    const glim_pass *p = ctx;
    const glim_config *cfg = &p->m->cfg;
    glim_ws *ws = p->ws;
    size_t n = cfg->n_expert, k = cfg->n_expert_used;
    float *prob = ws->choice + (size_t)worker * 2 * (n + cfg->n_group), *c = prob + n, *score = c + n;
    for (size_t r = begin; r < end; r++) {
        const float *z = ws->router + r * n;
        if (cfg->router_softmax) {
            float top = z[argmax(z, n)], sum = 0;
            for (size_t i = 0; i < n; i++) sum += prob[i] = expf(z[i] - top);
            for (size_t i = 0; i < n; i++) prob[i] /= sum;
        } else {
            for (size_t i = 0; i < n; i++) prob[i] = sigmoidf(z[i]);
        }
        for (size_t i = 0; i < n; i++) c[i] = prob[i] + (p->l->router_bias ? p->l->router_bias[i] : 0);
        if (cfg->n_group > 1) mask_groups(cfg, c, score);

        uint32_t *chosen = ws->chosen + r * k;
        float *w = ws->weight + r * k, sum = 0;
        for (size_t j = 0; j < k; j++) {
            size_t e = argmax(c, n), at = j;
            c[e] = -INFINITY;
            for (; at > 0 && chosen[at - 1] > e; at--) chosen[at] = chosen[at - 1];
            chosen[at] = (uint32_t)e;
        }
        for (size_t j = 0; j < k; j++) sum += w[j] = prob[chosen[j]];
        for (size_t j = 0; j < k; j++) {
            if (cfg->norm_topk) w[j] /= sum + 1e-20f;
            w[j] *= cfg->routed_scale;
        }
    }
}

/* Counting sort of (row, choice) by expert, rows ascending inside an expert. */
static void sort_slots(glim_ws *ws, const glim_config *cfg, size_t n_rows) {
    size_t n = cfg->n_expert, k = cfg->n_expert_used;
    memset(ws->first, 0, (n + 1) * sizeof *ws->first);
    for (size_t i = 0; i < n_rows * k; i++) ws->first[ws->chosen[i] + 1]++;
    for (size_t e = 0; e < n; e++) ws->first[e + 1] += ws->first[e];
    for (size_t i = 0; i < n_rows * k; i++) {
        uint32_t s = ws->first[ws->chosen[i]]++;
        ws->slot[i] = s;
        ws->slot_row[s] = (uint32_t)(i / k);
    }
    /* first[e] has moved to the end of e: shift back. */
    memmove(ws->first + 1, ws->first, n * sizeof *ws->first);
    ws->first[0] = 0;
}

typedef struct gather_job {
    const glim_ws *ws;
    const glim_act *in;
    glim_act *out;
    unsigned forms;
} gather_job;

/* Copies the prepared forms of each slot's row: a row is quantized once, however many experts read it. */
static void gather_slots(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    const gather_job *j = ctx;
    for (size_t s = begin; s < end; s++) {
        glim_act from = glim_act_rows(j->in, j->ws->slot_row[s], 1), to = glim_act_rows(j->out, s, 1);
        size_t n_in = j->in->n_in, n_blocks = (n_in + GLIM_ACT_BLOCK - 1) / GLIM_ACT_BLOCK;
        if (j->forms & GLIM_ACT_F32) memcpy(j->ws->ex + s * n_in, from.f32, n_in * sizeof(float));
        if (j->forms & GLIM_ACT_BF16) memcpy(to.bf16, from.bf16, (n_in + 1) / 2 * 2 * sizeof *to.bf16);
        if (j->forms & GLIM_ACT_Q8) {
            memcpy(to.q8, from.q8, n_blocks * GLIM_ACT_BLOCK);
            memcpy(to.q8_scale, from.q8_scale, n_blocks * sizeof *to.q8_scale);
            memcpy(to.q8_sum, from.q8_sum, n_blocks * 2 * sizeof *to.q8_sum);
        }
    }
}

typedef struct expert_silu {
    glim_pass *p;
    glim_act *mid;
    unsigned forms;
} expert_silu;

static void silu_slots(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    const expert_silu *j = ctx;
    glim_ws *ws = j->p->ws;
    size_t n = j->p->m->cfg.n_ff_expert;
    for (size_t s = begin; s < end; s++) {
        j->p->k->silu_mul(ws->eg + s * n, ws->eg + s * n, ws->eu + s * n, n);
        j->p->k->act_fill(j->mid, j->forms, s, 1);
    }
}

static void combine_rows(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    glim_pass *p = ctx;
    const glim_config *cfg = &p->m->cfg;
    glim_ws *ws = p->ws;
    size_t n = cfg->n_embd, k = cfg->n_expert_used;
    for (size_t r = begin; r < end; r++) {
        float *y = ws->o + r * n, *sum = ws->ex + r * n; /* ex is free by now and has more rows */
        memset(sum, 0, n * sizeof *sum);
        for (size_t j = 0; j < k; j++)
            p->k->axpy(sum, ws->weight[r * k + j], ws->eo + ws->slot[r * k + j] * n, n);
        if (p->l->ffn.n_ff) p->k->add(y, sum, n);
        else memcpy(y, sum, n * sizeof *y);
    }
}

void glim_moe_run(glim_pass *p, glim_act *in, size_t n_rows) {
    const glim_config *cfg = &p->m->cfg;
    const glim_layer *l = p->l;
    glim_ws *ws = p->ws;
    size_t n_embd = cfg->n_embd, n_ff = cfg->n_ff_expert, slots = n_rows * cfg->n_expert_used;

    ws->jobs[0] = (glim_matmul_job){.y = ws->router, .y_stride = cfg->n_expert, .w = &l->router, .x = in};
    glim_pass_matmul(p, 1);
    glim_pool_for(p->m->pool, n_rows, 4, choose_rows, p);
    sort_slots(ws, cfg, n_rows);

    glim_act x, mid;
    unsigned forms = glim_experts_forms_in(p);
    glim_act_layout(&x, ws->act_exp, ws->ex, n_embd, slots, n_embd, forms);
    x.forms = forms;
    gather_job gather = {ws, in, &x, forms};
    glim_pool_for(p->m->pool, slots, 8, gather_slots, &gather);

    size_t n_jobs = l->ffn.n_ff ? glim_ffn_in(p, &l->ffn, in, ws->jobs) : 0;
    for (size_t e = 0; e < cfg->n_expert; e++) {
        size_t r0 = ws->first[e], n = ws->first[e + 1] - r0;
        if (n == 0) continue;
        ws->views[e] = glim_act_rows(&x, r0, n);
        ws->jobs[n_jobs++] = (glim_matmul_job){
            .y = ws->eg + r0 * n_ff, .y_stride = n_ff, .w = &l->experts[e].gate, .x = &ws->views[e]};
        ws->jobs[n_jobs++] = (glim_matmul_job){
            .y = ws->eu + r0 * n_ff, .y_stride = n_ff, .w = &l->experts[e].up, .x = &ws->views[e]};
    }
    glim_pass_matmul(p, n_jobs);

    forms = glim_experts_forms_mid(p);
    glim_act_layout(&mid, ws->act_exp_mid, ws->eg, n_ff, slots, n_ff, forms);
    mid.forms = forms;
    expert_silu silu = {p, &mid, forms};
    glim_pool_for(p->m->pool, slots, 4, silu_slots, &silu);
    glim_act shared;
    if (l->ffn.n_ff) glim_ffn_mid(p, &l->ffn, &shared, n_rows);

    n_jobs = l->ffn.n_ff ? glim_ffn_out(p, &l->ffn, &shared, ws->o, ws->jobs) : 0;
    for (size_t e = 0; e < cfg->n_expert; e++) {
        size_t r0 = ws->first[e], n = ws->first[e + 1] - r0;
        if (n == 0) continue;
        ws->views[e] = glim_act_rows(&mid, r0, n);
        ws->jobs[n_jobs++] = (glim_matmul_job){
            .y = ws->eo + r0 * n_embd, .y_stride = n_embd, .w = &l->experts[e].down, .x = &ws->views[e]};
    }
    glim_pass_matmul(p, n_jobs);
    glim_pool_for(p->m->pool, n_rows, 4, combine_rows, p);
}
