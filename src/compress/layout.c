/* layout.c - Hugging Face names to GGUF names (spec 11.3).
 *
 * Traps   "post_attention_layernorm" is the pre-MLP norm; GGUF calls it ffn_norm, but post_attention_norm
 *         in glm4moe, a name that glm4 uses for its real post-attention norm. q and k of architecture
 *         llama change their row order, because that architecture rotates neighbours. */
#include "compress/layout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/gguf.h"
#include "model/rope.h"

const char *glim_gguf_arch_name(glim_arch a) {
    static const char *const names[] = {
        [GLIM_ARCH_CHATGLM] = "chatglm",  [GLIM_ARCH_GLM] = "chatglm", [GLIM_ARCH_GLM4] = "glm4",
        [GLIM_ARCH_GLM4_MOE] = "glm4moe", [GLIM_ARCH_LLAMA] = "llama", [GLIM_ARCH_QWEN2] = "qwen2",
        [GLIM_ARCH_QWEN3] = "qwen3"};
    return names[a];
}

/* Names of one layer, in the order in which they are written. "mlp.experts.*." stands for any expert. */
static const struct {
    const char *hf, *gguf;
} g_names[] = {
    {"input_layernorm.weight", "attn_norm.weight"},
    {"self_attention.query_key_value.weight", "attn_qkv.weight"},
    {"self_attention.query_key_value.bias", "attn_qkv.bias"},
    {"self_attn.qkv_proj.weight", "attn_qkv.weight"},
    {"self_attn.qkv_proj.bias", "attn_qkv.bias"},
    {"self_attn.q_proj.weight", "attn_q.weight"},
    {"self_attn.q_proj.bias", "attn_q.bias"},
    {"self_attn.k_proj.weight", "attn_k.weight"},
    {"self_attn.k_proj.bias", "attn_k.bias"},
    {"self_attn.v_proj.weight", "attn_v.weight"},
    {"self_attn.v_proj.bias", "attn_v.bias"},
    {"self_attn.q_norm.weight", "attn_q_norm.weight"},
    {"self_attn.k_norm.weight", "attn_k_norm.weight"},
    {"self_attn.o_proj.weight", "attn_output.weight"},
    {"self_attention.dense.weight", "attn_output.weight"},
    {"post_self_attn_layernorm.weight", "post_attention_norm.weight"},
    {"post_attention_layernorm.weight", "ffn_norm.weight"},
    {"mlp.gate.weight", "ffn_gate_inp.weight"},
    {"mlp.gate.e_score_correction_bias", "exp_probs_b.bias"},
    {"mlp.gate_proj.weight", "ffn_gate.weight"},
    {"mlp.up_proj.weight", "ffn_up.weight"},
    {"mlp.gate_up_proj.weight", "ffn_up.weight"},
    {"mlp.dense_h_to_4h.weight", "ffn_up.weight"},
    {"mlp.down_proj.weight", "ffn_down.weight"},
    {"mlp.dense_4h_to_h.weight", "ffn_down.weight"},
    {"mlp.experts.*.gate_proj.weight", "ffn_gate_exps.weight"},
    {"mlp.experts.*.up_proj.weight", "ffn_up_exps.weight"},
    {"mlp.experts.*.down_proj.weight", "ffn_down_exps.weight"},
    {"mlp.shared_experts.gate_proj.weight", "ffn_gate_shexp.weight"},
    {"mlp.shared_experts.up_proj.weight", "ffn_up_shexp.weight"},
    {"mlp.shared_experts.down_proj.weight", "ffn_down_shexp.weight"},
    {"post_mlp_layernorm.weight", "post_ffw_norm.weight"},
    {"eh_proj.weight", "nextn.eh_proj.weight"},
    {"embed_tokens.weight", "nextn.embed_tokens.weight"},
    {"enorm.weight", "nextn.enorm.weight"},
    {"hnorm.weight", "nextn.hnorm.weight"},
    {"shared_head.head.weight", "nextn.shared_head_head.weight"},
    {"shared_head.norm.weight", "nextn.shared_head_norm.weight"},
};

/* Where one source tensor goes. */
typedef struct place {
    const glim_tensor *t;
    size_t layer;     /* SIZE_MAX: behind the layers */
    int rank;         /* before: negative */
    long expert;      /* -1: not one of many */
    char name[64];
} place;

static bool ends_with(const char *s, const char *end) {
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

static bool match_part(const char *pattern, const char *part, long *expert) {
    const char *star = strchr(pattern, '*');
    *expert = -1;
    if (!star) return strcmp(pattern, part) == 0;
    size_t head = (size_t)(star - pattern);
    if (strncmp(pattern, part, head) != 0 || part[head] < '0' || part[head] > '9') return false;
    char *end;
    *expert = strtol(part + head, &end, 10);
    return strcmp(end, star + 1) == 0;
}

/* False: a tensor that is not written (rotary tables, vision, MTP layers that were not asked for). */
static bool place_hf(place *p, const glim_model *m, const glim_tensor *t, bool keep_mtp) {
    const char *s = t->name, *layers;
    *p = (place){.t = t, .expert = -1};
    if (strstr(s, "visual.") || strstr(s, "vision") || ends_with(s, ".inv_freq")) return false;
    layers = strncmp(s, "layers.", 7) == 0 ? s : strstr(s, ".layers.");
    if (!layers) {
        static const struct {
            const char *end, *name;
            int rank;
        } top[] = {{"embed_tokens.weight", "token_embd.weight", -3},
                   {"word_embeddings.weight", "token_embd.weight", -3},
                   {"lm_head.weight", "output.weight", -1},
                   {"output_layer.weight", "output.weight", -1},
                   {"final_layernorm.weight", "output_norm.weight", -2},
                   {"norm.weight", "output_norm.weight", -2}};
        for (size_t i = 0; i < GLIM_COUNT(top); i++) {
            if (!ends_with(s, top[i].end)) continue;
            if (m->tied && top[i].rank == -1) return false; /* a copy that nobody reads */
            p->rank = top[i].rank;
            snprintf(p->name, sizeof p->name, "%s", top[i].name);
            return true;
        }
        return false;
    }
    char *end;
    p->layer = strtoul(strstr(layers, "layers.") + 7, &end, 10);
    if (*end != '.' || (p->layer >= m->cfg.n_layer && !keep_mtp)) return false;
    for (size_t i = 0; i < GLIM_COUNT(g_names); i++) {
        if (!match_part(g_names[i].hf, end + 1, &p->expert)) continue;
        const char *name = g_names[i].gguf;
        if (m->cfg.arch == GLIM_ARCH_GLM4_MOE && strcmp(name, "ffn_norm.weight") == 0)
            name = "post_attention_norm.weight";
        p->rank = (int)i;
        snprintf(p->name, sizeof p->name, "blk.%zu.%s", p->layer, name);
        return true;
    }
    return false;
}

static int by_place(const void *a, const void *b) {
    const place *x = a, *y = b;
    bool top_x = x->rank < 0, top_y = y->rank < 0;
    if (top_x != top_y) return top_x ? -1 : 1;
    if (x->layer != y->layer) return x->layer < y->layer ? -1 : 1;
    if (x->rank != y->rank) return x->rank < y->rank ? -1 : 1;
    return x->expert < y->expert ? -1 : x->expert > y->expert;
}

static glim_status no_memory(glim_err *err) {
    return glim_fail(err, GLIM_E_NOMEM, "could not allocate the list of tensors");
}

/* One output from n sources of one shape. */
static glim_status add(glim_layout *l, const glim_model *m, const char *name, const place *p, size_t n, glim_err *err) {
    const glim_tensor *t = p->t;
    glim_qtensor *q = &l->t[l->n];
    const glim_tensor **src = glim_arena_alloc(&l->arena, n * sizeof *src);
    char *copy = glim_arena_strndup(&l->arena, name, strlen(name));
    if (!src || !copy) return no_memory(err);
    for (size_t e = 0; e < n; e++) {
        src[e] = p[e].t;
        bool same = src[e]->n_dims == t->n_dims;
        for (int d = 0; same && d < t->n_dims; d++) same = src[e]->dims[d] == t->dims[d];
        if (!same || (p[e].expert >= 0 && (size_t)p[e].expert != e))
            return glim_fail(err, GLIM_E_SHAPE, "tensor \"%s\": experts are not %zu of one shape", src[e]->name, n);
    }
    *q = (glim_qtensor){.out = {.name = copy}, .src = src, .n_src = n, .index = l->n};
    int d = 0;
    if (p->expert >= 0) q->out.dims[d++] = n;
    for (int i = 0; i < t->n_dims; i++) q->out.dims[d++] = t->dims[i];
    q->out.n_dims = d;
    q->n_in = t->n_dims ? t->dims[t->n_dims - 1] : 1;
    q->n_rows = n;
    for (int i = 0; i + 1 < t->n_dims; i++) q->n_rows *= t->dims[i]; /* bounded: the file holds them */
    bool stacked = q->out.n_dims == 3 && q->out.dims[0] > 0; /* one that is skipped may be empty */
    q->rows_each = stacked ? q->n_rows / q->out.dims[0] : q->n_rows;
    if (m && m->cfg.arch == GLIM_ARCH_LLAMA && strncmp(name, "blk.", 4) == 0 &&
        (strstr(name, ".attn_q.") || strstr(name, ".attn_k."))) {
        q->head_dim = m->cfg.head_dim;
        if (t->n_dims == 1) q->n_rows = q->n_in, q->rows_each = q->n_rows, q->n_in = 1;
    }
    l->n++;
    return GLIM_OK;
}

/* Llama-3's scaling as GGUF has it: what each pair's frequency is divided by. */
static glim_status add_rope_factors(glim_layout *l, const glim_config *c, glim_err *err) {
    const glim_rope_config *r = &c->rope;
    if (r->scaling != GLIM_ROPE_LLAMA3) return GLIM_OK;
    size_t n = r->n_rot / 2;
    float *f = glim_arena_alloc(&l->arena, n * sizeof *f);
    if (!f) return no_memory(err);
    for (size_t j = 0; j < n; j++) f[j] = (float)glim_rope_llama3_divisor(r, j);
    l->t[l->n] = (glim_qtensor){.out = {.name = "rope_freqs.weight", .n_dims = 1, .dims = {n}},
                                .n_in = n, .n_rows = 1, .rows_each = 1, .made = f, .index = l->n};
    l->n++;
    return GLIM_OK;
}

static bool gguf_mtp(const glim_model *m, const char *name) {
    return strncmp(name, "blk.", 4) == 0 && strtoul(name + 4, NULL, 10) >= m->cfg.n_layer;
}

glim_status glim_layout_make(glim_layout *l, const glim_model *m, bool keep_mtp, glim_err *err) {
    *l = (glim_layout){.arch = glim_gguf_arch_name(m->cfg.arch), .tied = m->tied};
    const glim_ckpt *c = m->ckpt;
    bool gguf = glim_ckpt_kind_of(c) == GLIM_CKPT_GGUF;
    size_t n = glim_ckpt_n_tensors(c), k = 0;
    l->t = glim_arena_alloc(&l->arena, (n + 1) * sizeof *l->t);
    void *mem;
    if (!l->t) return no_memory(err);
    glim_status rc = glim_try_calloc(&mem, n + 1, sizeof(place), "the list of tensors", err);
    if (rc != GLIM_OK) return rc;
    place *p = mem;
    for (size_t i = 0; i < n && rc == GLIM_OK; i++) {
        const glim_tensor *t = glim_ckpt_tensor(c, i);
        bool keep;
        if (gguf) {
            keep = keep_mtp || !gguf_mtp(m, t->name);
            if (keep) rc = add(l, NULL, t->name, &(place){.t = t, .expert = -1}, 1, err);
            if (keep && gguf_mtp(m, t->name)) l->mtp = true;
            continue;
        }
        keep = place_hf(&p[k], m, t, keep_mtp);
        if (keep && p[k].rank >= 0 && p[k].layer >= m->cfg.n_layer) l->mtp = true;
        k += keep;
    }
    qsort(p, k, sizeof *p, by_place);
    for (size_t i = 0, j; i < k && rc == GLIM_OK; i = j) {
        for (j = i + 1; j < k && p[i].expert >= 0 && strcmp(p[j].name, p[i].name) == 0;) j++;
        rc = add(l, m, p[i].name, &p[i], j - i, err);
    }
    free(mem);
    if (rc == GLIM_OK && !gguf) rc = add_rope_factors(l, &m->cfg, err);
    return rc;
}

void glim_layout_free(glim_layout *l) { glim_arena_free(&l->arena); }
