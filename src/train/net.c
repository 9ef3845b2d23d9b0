/* net.c - builds what net.h describes from a loaded model: which tensors are trained, under which names, and where
 * their values, gradients and views lie. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "model/adapter.h"
#include "train/net_internal.h"

enum { NAME_CAP = 512, ALIGN = 16 /* floats: every tensor starts on a cache line */ };

/* ---- the model's matrices and their places here ---- */

typedef struct slot {
    const glim_mat *mat;
    glim_lin *lin;   /* NULL: the embedding */
    bool linear;     /* a layer that LoRA may change */
    bool expert, rotated;
} slot;

typedef struct builder {
    glim_net *n;
    const glim_model *m;
    slot *slots; /* by address */
    size_t n_slots;
    bool count; /* only lists: no values */
    glim_err *err;
} builder;

static int by_mat(const void *a, const void *b) {
    const slot *x = a, *y = b;
    return x->mat < y->mat ? -1 : x->mat > y->mat;
}
static const slot *find_slot(const builder *b, const glim_mat *mat) {
    const slot key = {.mat = mat};
    return bsearch(&key, b->slots, b->n_slots, sizeof key, by_mat);
}

static void put_lin(builder *b, const glim_mat *mat, glim_lin *lin, bool linear, bool expert, bool rotated) {
    lin->w = *mat;
    b->slots[b->n_slots++] = (slot){mat, lin, linear, expert, rotated};
}
static void put_ffn(builder *b, const glim_ffn *f, glim_net_ffn *to, bool expert) {
    to->n_ff = f->n_ff;
    if (f->n_ff == 0) return;
    put_lin(b, &f->gate, &to->gate, true, expert, false);
    put_lin(b, &f->up, &to->up, true, expert, false);
    put_lin(b, &f->down, &to->down, true, expert, false);
}

static glim_status make_layers(builder *b) {
    const glim_model *m = b->m;
    const glim_config *c = &m->cfg;
    glim_net *n = b->n;
    size_t n_moe = 0;
    for (size_t i = 0; i < c->n_layer; i++) n_moe += m->layers[i].moe;
    void *p;
    glim_status rc = glim_try_calloc(&p, c->n_layer, sizeof *n->layers, "the layers of training", b->err);
    if (rc != GLIM_OK) return rc;
    n->layers = p;
    rc = glim_try_calloc(&p, n_moe * c->n_expert, sizeof *n->expert_list, "the experts of training", b->err);
    if (rc != GLIM_OK) return rc;
    n->expert_list = p;
    rc = glim_try_calloc(&p, c->n_layer * c->n_expert, sizeof *n->load, "counts of experts", b->err);
    if (rc != GLIM_OK) return rc;
    n->load = p;
    rc = glim_try_calloc(&p, 2 + c->n_layer * 8 + n_moe * c->n_expert * 3, sizeof *b->slots, "a list of matrices", b->err);
    if (rc != GLIM_OK) return rc;
    b->slots = p;
    n->embd = &m->embd;
    b->slots[b->n_slots++] = (slot){.mat = &m->embd};
    put_lin(b, &m->head, &n->head, false, false, false);
    n->out_norm.w = m->out_norm;
    glim_net_ffn *experts = n->expert_list;
    for (size_t i = 0; i < c->n_layer; i++) {
        const glim_layer *l = &m->layers[i];
        glim_net_layer *to = &n->layers[i];
        to->attn_norm.w = l->attn_norm, to->post_attn_norm.w = l->post_attn_norm;
        to->ffn_norm.w = l->ffn_norm, to->post_ffn_norm.w = l->post_ffn_norm;
        to->q_norm.w = l->q_norm, to->k_norm.w = l->k_norm;
        put_lin(b, &l->wq, &to->q, true, false, true);
        put_lin(b, &l->wk, &to->k, true, false, true);
        put_lin(b, &l->wv, &to->v, true, false, false);
        put_lin(b, &l->wo, &to->o, true, false, false);
        to->q.bias = l->bq, to->k.bias = l->bk, to->v.bias = l->bv;
        put_ffn(b, &l->ffn, &to->ffn, false);
        to->moe = l->moe;
        if (!l->moe) continue;
        put_lin(b, &l->router, &to->router, false, false, false);
        to->router_bias = l->router_bias;
        to->experts = experts;
        for (size_t e = 0; e < c->n_expert; e++) put_ffn(b, &l->experts[e], experts++, true);
    }
    qsort(b->slots, b->n_slots, sizeof *b->slots, by_mat);
    return GLIM_OK;
}

/* ---- trained tensors ---- */

static glim_status add_param(builder *b, const char *name, int n_dims, const size_t *dims, bool decay, size_t *index) {
    glim_net *n = b->n;
    if ((n->n_params & (n->n_params - 1)) == 0) { /* a power of two: full */
        void *p = n->params;
        glim_status rc = glim_try_realloc(&p, n->n_params ? 2 * n->n_params : 1, sizeof *n->params, "a list of trained tensors", b->err);
        if (rc != GLIM_OK) return rc;
        n->params = p;
    }
    glim_param *q = &n->params[n->n_params];
    *q = (glim_param){.name = glim_xstrdup(name), .n_dims = n_dims, .n = 1, .at = n->n_values, .decay = decay};
    for (int d = 0; d < n_dims; d++) q->dims[d] = dims[d], q->n *= dims[d];
    n->n_values += (q->n + ALIGN - 1) / ALIGN * ALIGN;
    *index = n->n_params++;
    return GLIM_OK;
}

/* Tensors that no gradient reaches: what only chooses experts, and tables of frequencies. */
static bool is_constant(const builder *b, const glim_bound *x) {
    if (x->mat) return false;
    for (size_t i = 0; i < b->m->cfg.n_layer; i++)
        if (x->values == b->m->layers[i].router_bias) return true;
    return strcmp(x->tensor->name, "rope_freqs.weight") == 0;
}

/* One parameter for each tensor of the file, in its order of binding. */
static glim_status list_full(builder *b) {
    const glim_model *m = b->m;
    for (size_t i = 0; i < m->n_bound_parts; i++) {
        const glim_bound *x = &m->bound[i];
        if (is_constant(b, x) || (i > 0 && m->bound[i - 1].tensor == x->tensor)) continue;
        if (x->tensor->n_dims > 4) return glim_fail(b->err, GLIM_E_SHAPE, "tensor \"%s\" has %d dimensions", x->tensor->name, x->tensor->n_dims);
        size_t index;
        glim_status rc = add_param(b, x->tensor->name, x->tensor->n_dims, x->tensor->dims, x->tensor->n_dims > 1, &index);
        if (rc != GLIM_OK) return rc;
    }
    return GLIM_OK;
}

/* The biases that choose, as this net's own. */
static glim_status own_router_bias(builder *b) {
    glim_net *n = b->n;
    const size_t k = b->m->cfg.n_expert, layers = b->m->cfg.n_layer;
    bool any = false;
    for (size_t i = 0; i < layers; i++) any |= b->m->layers[i].router_bias != NULL;
    if (!any) return glim_fail(b->err, GLIM_E_UNSUPPORTED, "this model has no router biases that could move");
    void *p;
    const glim_status rc = glim_try_calloc(&p, layers * k, sizeof(float), "router biases", b->err);
    if (rc != GLIM_OK) return rc;
    n->router_bias = p;
    for (size_t i = 0; i < layers; i++) {
        if (!n->layers[i].router_bias) continue;
        memcpy(n->router_bias + i * k, n->layers[i].router_bias, k * sizeof(float));
        n->layers[i].router_bias = n->router_bias + i * k;
    }
    return GLIM_OK;
}

static void aim_vec(glim_vec *v, const float *was, const float *w, float *g) {
    if (v->w && v->w == was) *v = (glim_vec){w, g};
}
static void aim_bias(glim_lin *l, const float *was, size_t n, const float *w, float *g) {
    if (!l->bias || l->bias < was || l->bias >= was + n) return;
    l->gbias = g + (l->bias - was);
    l->bias = w + (l->bias - was);
}

/* Masters from the file's values, and everything aimed at them. */
static void aim_full(builder *b) {
    glim_net *n = b->n;
    const glim_model *m = b->m;
    size_t at = 0;
    for (size_t i = 0; i < m->n_bound_parts; i++) {
        const glim_bound *x = &m->bound[i];
        if (is_constant(b, x)) continue;
        const bool again = i > 0 && m->bound[i - 1].tensor == x->tensor;
        if (!again && i > 0) at++;
        const glim_param *p = &n->params[at];
        float *w = n->w + p->at, *g = n->g + p->at;
        if (!again) glim_dequant(x->tensor->type, x->tensor->data, w, p->n);
        if (x->mat) {
            const size_t k = x->mat->n_in;
            const glim_mat own = {.type = GLIM_F32, .n_out = x->mat->n_out, .n_in = k, .rows = w + x->first * k, .row_bytes = k * sizeof(float)};
            const slot *s = find_slot(b, x->mat);
            if (s && s->lin) {
                s->lin->w = own;
                s->lin->gw = g + x->first * k;
            } else {
                n->embd_own = own;
                n->embd = &n->embd_own;
                n->g_embd = g;
                if (m->tied) n->head.w = own, n->head.gw = g;
            }
            continue;
        }
        aim_vec(&n->out_norm, x->values, w, g);
        for (size_t l = 0; l < m->cfg.n_layer; l++) {
            glim_net_layer *to = &n->layers[l];
            glim_vec *v[] = {&to->attn_norm, &to->post_attn_norm, &to->ffn_norm, &to->post_ffn_norm, &to->q_norm, &to->k_norm};
            for (size_t k = 0; k < GLIM_COUNT(v); k++) aim_vec(v[k], x->values, w, g);
            glim_lin *q[] = {&to->q, &to->k, &to->v};
            for (size_t k = 0; k < 3; k++) aim_bias(q[k], x->values, p->n, w, g);
        }
    }
}

/* ---- LoRA ---- */

/* A linear layer's name as PEFT spells it, from its tensor's; false for what has none. */
static bool module_name(const glim_model *m, const glim_tensor *t, bool fused_mlp, char out[NAME_CAP]) {
    const size_t len = strlen(t->name);
    if (len <= 7 || strcmp(t->name + len - 7, ".weight") != 0 || t->n_dims != 2) return false;
    if (glim_ckpt_kind_of(m->ckpt) != GLIM_CKPT_GGUF) {
        snprintf(out, NAME_CAP, "%.*s", (int)(len - 7), t->name);
        return true;
    }
    static const char *const names[][3] = { /* GGUF, common, ChatGLM */
        {"attn_q", "self_attn.q_proj", "self_attn.q_proj"}, {"attn_k", "self_attn.k_proj", "self_attn.k_proj"},
        {"attn_v", "self_attn.v_proj", "self_attn.v_proj"}, {"attn_qkv", "self_attn.qkv_proj", "self_attention.query_key_value"},
        {"attn_output", "self_attn.o_proj", "self_attention.dense"}, {"ffn_gate", "mlp.gate_proj", "mlp.gate_proj"},
        {"ffn_down", "mlp.down_proj", "mlp.dense_4h_to_h"}, {"ffn_gate_shexp", "mlp.shared_experts.gate_proj", ""},
        {"ffn_up_shexp", "mlp.shared_experts.up_proj", ""}, {"ffn_down_shexp", "mlp.shared_experts.down_proj", ""}};
    char *end;
    if (strncmp(t->name, "blk.", 4) != 0) return false;
    const unsigned long layer = strtoul(t->name + 4, &end, 10);
    const bool chatglm = m->cfg.arch == GLIM_ARCH_CHATGLM;
    const char *prefix = chatglm ? "transformer.encoder.layers" : "model.layers";
    if (*end++ != '.') return false;
    const size_t n = len - 7 - (size_t)(end - t->name);
    if (n == 6 && strncmp(end, "ffn_up", 6) == 0) {
        snprintf(out, NAME_CAP, "%s.%lu.mlp.%s", prefix, layer, !fused_mlp ? "up_proj" : chatglm ? "dense_h_to_4h" : "gate_up_proj");
        return true;
    }
    for (size_t i = 0; i < GLIM_COUNT(names); i++)
        if (strlen(names[i][0]) == n && strncmp(end, names[i][0], n) == 0) {
            snprintf(out, NAME_CAP, "%s.%lu.%s", prefix, layer, names[i][chatglm ? 2 : 1]);
            return true;
        }
    return false;
}

static bool ends_in(const char *module, size_t n, const char *target, size_t k) {
    return n >= k && memcmp(module + n - k, target, k) == 0 && (n == k || module[n - k - 1] == '.');
}

/* "experts.gate_proj" is that of every routed expert, "experts.3.gate_proj" that of the fourth of each layer. */
static bool matches(const char *module, const char *target, bool expert) {
    static const char EXPERTS[] = "experts.";
    if (strcmp(target, "all-linear") == 0) return !expert;
    if (ends_in(module, strlen(module), target, strlen(target))) return !expert || strstr(target, EXPERTS); /* by the hundred only where they are meant */
    const char *at = expert ? strstr(module, EXPERTS) : NULL, *word = at ? strchr(at + sizeof EXPERTS - 1, '.') : NULL; /* behind the number */
    const char *wanted = strstr(target, EXPERTS);
    if (!word || !wanted || strcmp(word + 1, wanted + sizeof EXPERTS - 1) != 0) return false;
    return ends_in(module, (size_t)(at - module) + sizeof EXPERTS - 1, target, (size_t)(wanted - target) + sizeof EXPERTS - 1);
}

/* A linear layer, of which a tensor holds up to three: bound parts that stand together. */
typedef struct linear {
    size_t at, n; /* parts of m->bound */
    const slot *s;
    char module[NAME_CAP];
} linear;

/* The next one, from *l behind on: {0} is before the first. False: there is none. */
static bool next_linear(builder *b, linear *l) {
    const glim_model *m = b->m;
    for (l->at += l->n; l->at < m->n_bound_parts; l->at += l->n) {
        const glim_bound *x = &m->bound[l->at];
        for (l->n = 1; l->at + l->n < m->n_bound_parts && x[l->n].tensor == x->tensor;) l->n++;
        l->s = x->mat ? find_slot(b, x->mat) : NULL;
        if (l->s && l->s->linear && l->n <= 3 && module_name(m, x->tensor, l->n == 2, l->module)) return true;
    }
    return false;
}

/* The last words of the linear layers' names, each once, in the model's order: what a target can be. */
static void say_targets(builder *b, glim_buf *out) {
    char seen[64][NAME_CAP + 16];
    size_t n_seen = 0;
    for (linear l = {0}; next_linear(b, &l);) {
        char word[NAME_CAP + 16];
        const char *dot = strrchr(l.module, '.');
        snprintf(word, sizeof word, "%s%s", l.s->expert ? "experts." : "", dot ? dot + 1 : l.module);
        size_t j = 0;
        while (j < n_seen && strcmp(seen[j], word) != 0) j++;
        if (j < n_seen || n_seen == GLIM_COUNT(seen)) continue;
        memcpy(seen[n_seen++], word, sizeof word);
        glim_buf_printf(out, "%s%s", n_seen > 1 ? ", " : "", word);
    }
}

static void default_targets(glim_lora_params *p, glim_arch arch) {
    if (p->n_targets > 0) return;
    p->n_targets = 1;
    p->targets[0] = "all-linear";
    if (arch == GLIM_ARCH_CHATGLM) p->targets[0] = "query_key_value";
    if (arch == GLIM_ARCH_LLAMA || arch == GLIM_ARCH_QWEN2 || arch == GLIM_ARCH_QWEN3)
        p->targets[0] = "q_proj", p->targets[1] = "v_proj", p->n_targets = 2;
}

static glim_status add_pair(builder *b, const char *module, const glim_bound *x, size_t n_parts, size_t *t_at, size_t *z_at) {
    glim_net *n = b->n;
    const size_t r = n->lora.rank, n_in = x->mat->n_in;
    char name[NAME_CAP + 64];
    if ((n->n_pairs & (n->n_pairs - 1)) == 0) {
        void *p = n->pairs;
        glim_status rc = glim_try_realloc(&p, n->n_pairs ? 2 * n->n_pairs : 1, sizeof *n->pairs, "a list of pairs", b->err);
        if (rc != GLIM_OK) return rc;
        n->pairs = p;
    }
    glim_pair *p = &n->pairs[n->n_pairs];
    *p = (glim_pair){.module = glim_xstrdup(module), .n_in = n_in, .rank = r, .n_parts = (int)n_parts,
                     .scale = (float)(n->lora.alpha / (n->lora.rslora ? sqrt((double)r) : (double)r))};
    n->n_pairs++;
    for (size_t i = 0; i < n_parts; i++) {
        const slot *s = find_slot(b, x[i].mat);
        p->part_rows[i] = x[i].mat->n_out;
        p->rotated_from[i] = s->rotated;
        p->n_out += x[i].mat->n_out;
        p->expert = s->expert;
    }
    p->t_at = *t_at, p->z_at = *z_at, p->row_at = n->n_rows_dora;
    *t_at += r, *z_at += p->n_out;
    if (n->lora.dora) n->n_rows_dora += p->n_out;
    snprintf(name, sizeof name, "base_model.model.%s.lora_A.weight", module);
    glim_status rc = add_param(b, name, 2, (size_t[]){r, n_in}, true, &p->a);
    snprintf(name, sizeof name, "base_model.model.%s.lora_B.weight", module);
    if (rc == GLIM_OK) rc = add_param(b, name, 2, (size_t[]){p->n_out, r}, true, &p->b);
    snprintf(name, sizeof name, "base_model.model.%s.lora_magnitude_vector", module);
    if (rc == GLIM_OK && n->lora.dora) rc = add_param(b, name, 1, &p->n_out, false, &p->m); /* lengths do not decay */
    return rc;
}

/* The pairs, one for each tensor whose module matches; parts of a fused tensor stand together in m->bound. */
static glim_status list_pairs(builder *b, size_t *of_bound) {
    const glim_model *m = b->m;
    glim_net *n = b->n;
    const size_t r = n->lora.rank, X = m->cfg.n_ff_expert;
    size_t t_at = 0, z_at = 0;
    long layer = -1;
    bool hits[GLIM_LORA_TARGETS] = {false}; /* whether a target is the name of anything */
    for (linear l = {0}; next_linear(b, &l);) {
        bool hit = false;
        for (size_t t = 0; t < n->lora.n_targets; t++)
            if (matches(l.module, n->lora.targets[t], l.s->expert)) hit = hits[t] = true;
        if (!hit) continue;
        /* The tape holds t of one layer: numbering starts anew with each. */
        const char *at = strstr(l.module, "layers.");
        const long here = at ? strtol(at + 7, NULL, 10) : -1;
        if (here != layer) t_at = z_at = 0, layer = here;
        const size_t kind = strstr(l.module, "gate_proj") ? 0 : strstr(l.module, "up_proj") ? 1 : 2;
        size_t expert_t = kind * r, expert_z = kind * X;
        glim_status rc = add_pair(b, l.module, &m->bound[l.at], l.n, l.s->expert ? &expert_t : &t_at, l.s->expert ? &expert_z : &z_at);
        if (rc != GLIM_OK) return rc;
        for (size_t j = 0; j < l.n; j++) of_bound[l.at + j] = n->n_pairs;
    }
    /* A name that is nobody's is a slip: the layers that it meant would stay as they are without a word. */
    for (size_t t = 0; t < n->lora.n_targets; t++) {
        if (hits[t]) continue;
        glim_buf have = {0};
        say_targets(b, &have);
        glim_fail(b->err, GLIM_E_NOT_FOUND, "no linear layer of this model is called \"%s\"", n->lora.targets[t]);
        glim_err_hint(b->err, "its layers are %s; all-linear is all of them but routed experts'", glim_buf_cstr(&have));
        glim_buf_free(&have);
        return GLIM_E_NOT_FOUND;
    }
    return GLIM_OK;
}

static void aim_pairs(builder *b, const size_t *of_bound) {
    glim_net *n = b->n;
    for (size_t i = 0; i < b->m->n_bound_parts; i++) {
        if (of_bound[i] == 0) continue;
        glim_lin *l = find_slot(b, b->m->bound[i].mat)->lin;
        l->pair = &n->pairs[of_bound[i] - 1];
        l->first = i == 0 || of_bound[i - 1] != of_bound[i];
        l->last = i + 1 == b->m->n_bound_parts || of_bound[i + 1] != of_bound[i];
        l->pair_row = b->m->bound[i].first;
    }
    /* A as PEFT starts it: uniform within 1 / sqrt(n_in) (kaiming with a = sqrt 5); B is zero, so that training starts
     * from the base model. */
    for (size_t i = 0; i < n->n_pairs; i++) {
        const glim_param *a = &n->params[n->pairs[i].a];
        const double bound = 1 / sqrt((double)n->pairs[i].n_in);
        for (size_t k = 0; k < a->n; k++)
            n->w[a->at + k] = (float)((2 * glim_rng_at(n->seed, 0x6c6f7261 + i, k) - 1) * bound);
    }
}

/* ---- all of it ---- */

static glim_status build(builder *b, const glim_net_params *p) {
    glim_net *n = b->n;
    n->m = (glim_model *)(uintptr_t)b->m;
    n->k = p->kernels ? p->kernels : b->m->k;
    n->set = glim_gemm_of(n->k);
    n->pool = b->m->pool;
    n->type = p->type;
    n->n_rows = p->n_rows;
    n->seed = p->seed;
    n->by_example = p->by_example;
    n->recompute = p->recompute;
    n->lora = p->lora;
    if (p->n_rows == 0 || p->n_rows > (size_t)1 << 24) return glim_fail(b->err, GLIM_E_ARG, "rows of a batch: got %zu, want 1 to %d", p->n_rows, 1 << 24);
    if (p->lora.rank > GLIM_ADAPTER_MAX_RANK)
        return glim_fail(b->err, GLIM_E_ARG, "LoRA rank: got %zu, want at most %d", p->lora.rank, GLIM_ADAPTER_MAX_RANK);
    if (!(p->lora.dropout >= 0 && p->lora.dropout < 1)) return glim_fail(b->err, GLIM_E_ARG, "LoRA dropout: got %g, want 0 to less than 1", p->lora.dropout);
    if (n->lora.alpha <= 0) n->lora.alpha = 2 * (double)n->lora.rank;
    glim_status rc = make_layers(b);
    if (rc != GLIM_OK) return rc;
    if (p->move_router && n->lora.rank) return glim_fail(b->err, GLIM_E_UNSUPPORTED, "router biases do not move with LoRA: an adapter has no place for them");
    if (p->move_router) rc = own_router_bias(b);
    if (rc != GLIM_OK) return rc;
    if (n->lora.rank == 0) {
        rc = list_full(b);
    } else {
        n->dropout = p->lora.dropout;
        default_targets(&n->lora, b->m->cfg.arch);
    }
    void *of_bound = NULL;
    if (rc == GLIM_OK && n->lora.rank) {
        rc = glim_try_calloc(&of_bound, b->m->n_bound_parts, sizeof(size_t), "a list of pairs", b->err);
        if (rc == GLIM_OK) rc = list_pairs(b, of_bound);
    }
    if (rc == GLIM_OK && !b->count) {
        void *w = NULL, *g = NULL, *mem = NULL;
        n->tape = glim_xcalloc(1, sizeof *n->tape);
        glim_tape_layout(n->tape, n, NULL);
        rc = glim_try_calloc(&w, n->n_values, sizeof(float), "the trained weights", b->err);
        n->w = w;
        if (rc == GLIM_OK) rc = glim_try_calloc(&g, n->n_values, sizeof(float), "gradients", b->err);
        n->g = g;
        if (rc == GLIM_OK) rc = glim_try_calloc(&mem, n->tape->mem_bytes, 1, "the activations of training", b->err);
        if (rc == GLIM_OK) {
            glim_tape_layout(n->tape, n, mem);
            if (n->lora.rank) aim_pairs(b, of_bound);
            else aim_full(b);
            if (n->lora.rank && n->lora.dora) glim_dora_start(n);
        }
    }
    free(of_bound);
    return rc;
}

glim_status glim_net_new(glim_net **out, glim_model *m, const glim_net_params *p, glim_err *err) {
    *out = NULL;
    builder b = {.n = glim_xcalloc(1, sizeof *b.n), .m = m, .err = err};
    glim_status rc = build(&b, p);
    free(b.slots);
    if (rc != GLIM_OK) {
        glim_net_free(b.n);
        return rc;
    }
    *out = b.n;
    return GLIM_OK;
}

glim_status glim_net_bytes(const glim_model *m, const glim_net_params *p, size_t *params, size_t *tape, size_t *n_values, glim_err *err) {
    builder b = {.n = glim_xcalloc(1, sizeof *b.n), .m = m, .count = true, .err = err};
    glim_tape t = {0};
    glim_status rc = build(&b, p);
    if (rc == GLIM_OK) {
        glim_tape_layout(&t, b.n, NULL);
        *params = 2 * b.n->n_values * sizeof(float);
        *tape = t.mem_bytes + (p->by_example ? glim_dp_grad_bytes(b.n) : 0);
        *n_values = b.n->n_values;
    }
    free(b.slots);
    glim_net_free(b.n);
    return rc;
}

void glim_net_free(glim_net *n) {
    if (!n) return;
    for (size_t i = 0; i < n->n_params; i++) free(n->params[i].name);
    for (size_t i = 0; i < n->n_pairs; i++) free(n->pairs[i].module);
    free(n->params);
    free(n->pairs);
    free(n->w);
    free(n->g);
    free(n->layers);
    free(n->expert_list);
    free(n->load);
    free(n->router_bias);
    if (n->tape) free(n->tape->mem);
    free(n->tape);
    free(n);
}

void glim_net_zero(glim_net *n) {
    memset(n->g, 0, n->n_values * sizeof *n->g);
    memset(n->load, 0, n->m->cfg.n_layer * n->m->cfg.n_expert * sizeof *n->load);
    n->balance_sum = 0;
}

uint64_t glim_net_sum(const glim_net *n) {
    uint64_t h = 0xcbf29ce484222325ull;
    for (size_t i = 0; i < n->n_values; i++) {
        uint32_t u;
        memcpy(&u, &n->w[i], 4);
        h = (h ^ u) * 0x100000001b3ull;
    }
    for (size_t i = 0; n->router_bias && i < n->m->cfg.n_layer * n->m->cfg.n_expert; i++) {
        uint32_t u;
        memcpy(&u, &n->router_bias[i], 4);
        h = (h ^ u) * 0x100000001b3ull;
    }
    return h;
}
