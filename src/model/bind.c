/* bind.c - from a family's tensor names to the neutral description.
 *
 * Owns     the name tables: Hugging Face (chatglm's own and the common spelling) and GGUF.
 * Rule     shapes come from the configuration; a tensor that disagrees is refused by name with got and
 *          want. Biases and q/k norms are taken if they exist, whatever the configuration says.
 * Traps    "post_attention_layernorm" is always the pre-MLP norm. GGUF's post_attention_norm is the
 *          post-attention norm in glm4 and the pre-MLP norm in glm4moe. MTP layers are left out by
 *          count: only layer indices below n_layer are looked up. */
#include "model/bind.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct binder {
    glim_model *m;
    bool gguf;
    bool read_values;
    const char *prefix; /* what stands before "layers.N." in this file */
    bool *used;         /* [n_tensors] */
    glim_err *err;
} binder;

enum { NAME_CAP = 256 };

static const glim_tensor *look(binder *b, const char *name) {
    const glim_tensor *t = glim_ckpt_find(b->m->ckpt, name);
    return t;
}

/* Marks a tensor as used. The index is found through the pointer: tensors lie in one array. */
static void mark(binder *b, const glim_tensor *t) {
    size_t i = (size_t)(t - glim_ckpt_tensor(b->m->ckpt, 0));
    if (!b->used[i]) {
        b->used[i] = true;
        b->m->n_bound++;
        uint64_t n = 1;
        for (int d = 0; d < t->n_dims; d++) n *= t->dims[d];
        b->m->n_params += n;
    }
}

/* Notes where a tensor went. */
static glim_status note(binder *b, const glim_tensor *t, const glim_mat *to, const float *values, size_t first) {
    glim_model *m = b->m;
    if (m->n_bound_parts == m->cap_bound_parts) {
        glim_status rc = glim_try_grow(&m->bound, &m->cap_bound_parts, 256, sizeof *m->bound, "a list of tensors", b->err);
        if (rc != GLIM_OK) return rc;
    }
    m->bound[m->n_bound_parts++] = (glim_bound){.tensor = t, .mat = to, .values = values, .first = first};
    return GLIM_OK;
}

static void shape_text(char *s, size_t cap, const size_t *dims, int n) {
    size_t o = (size_t)snprintf(s, cap, "[");
    for (int i = 0; i < n && o < cap; i++)
        o += (size_t)snprintf(s + o, cap - o, i ? ", %zu" : "%zu", dims[i]);
    if (o < cap) snprintf(s + o, cap - o, "]");
}

static glim_status want_shape(binder *b, const glim_tensor *t, int n_dims, const size_t *dims) {
    bool same = t->n_dims == n_dims;
    for (int i = 0; same && i < n_dims; i++) same = t->dims[i] == dims[i];
    if (same) return GLIM_OK;
    char got[128], want[128];
    shape_text(got, sizeof got, t->dims, t->n_dims);
    shape_text(want, sizeof want, dims, n_dims);
    return glim_fail(b->err, GLIM_E_SHAPE, "%s: tensor \"%s\": shape is %s, want %s",
                     glim_ckpt_file(b->m->ckpt, t->file, NULL), t->name, got, want);
}

static glim_status missing(binder *b, const char *name) {
    return glim_fail(b->err, GLIM_E_NOT_FOUND, "%s: tensor \"%s\" is missing", glim_ckpt_path(b->m->ckpt),
                     name);
}

static glim_status need_values(binder *b, const glim_tensor *t) {
    if (glim_dtype_of(t->type)->has_values) return GLIM_OK;
    return glim_fail(b->err, GLIM_E_UNSUPPORTED, "%s: tensor \"%s\" has type %s, which cannot be read as "
                     "numbers", glim_ckpt_file(b->m->ckpt, t->file, NULL), t->name,
                     glim_dtype_of(t->type)->name);
}

/* A vector of n values as f32 in the model's arena; *out stays NULL if it is optional and absent. */
static glim_status vec(binder *b, const float **out, const char *name, size_t n, bool optional) {
    *out = NULL;
    const glim_tensor *t = look(b, name);
    if (!t) return optional ? GLIM_OK : missing(b, name);
    glim_status rc = want_shape(b, t, 1, &n);
    if (rc == GLIM_OK) rc = need_values(b, t);
    if (rc != GLIM_OK) return rc;
    mark(b, t);
    size_t bytes;
    if (!glim_mul_size(n, sizeof(float), &bytes)) bytes = SIZE_MAX / 2;
    float *v = glim_arena_alloc(&b->m->arena, b->read_values ? bytes : sizeof(float));
    if (!v)
        return glim_fail(b->err, GLIM_E_NOMEM, "could not allocate %zu bytes for tensor \"%s\"", bytes, name);
    if (b->read_values) {
        glim_dequant(t->type, t->data, v, n);
        for (size_t i = 0; i < n; i++)
            if (!isfinite(v[i]))
                return glim_fail(b->err, GLIM_E_FORMAT, "%s: tensor \"%s\": value %zu is %g, want a finite "
                                 "number", glim_ckpt_file(b->m->ckpt, t->file, NULL), name, i, (double)v[i]);
    }
    *out = v;
    return note(b, t, NULL, v, 0);
}

static glim_status view(binder *b, glim_mat *out, const glim_tensor *t, size_t first, size_t n_out,
                        size_t n_in) {
    size_t row_bytes;
    glim_status rc = need_values(b, t);
    if (rc == GLIM_OK) rc = glim_row_bytes(t->type, n_in, &row_bytes, b->err);
    if (rc != GLIM_OK) {
        glim_err_context(b->err, "tensor \"%s\"", t->name);
        return rc;
    }
    mark(b, t);
    *out = (glim_mat){.type = t->type,
                      .n_out = n_out,
                      .n_in = n_in,
                      .rows = (const char *)t->data + first * row_bytes,
                      .row_bytes = row_bytes};
    return note(b, t, out, NULL, first);
}

/* Rows [first, first + n_out) of a matrix that has n_total rows. */
static glim_status mat_part(binder *b, glim_mat *out, const char *name, size_t first, size_t n_out,
                            size_t n_total, size_t n_in) {
    const glim_tensor *t = look(b, name);
    if (!t) return missing(b, name);
    glim_status rc = want_shape(b, t, 2, (size_t[]){n_total, n_in});
    return rc != GLIM_OK ? rc : view(b, out, t, first, n_out, n_in);
}

static glim_status mat(binder *b, glim_mat *out, const char *name, size_t n_out, size_t n_in) {
    return mat_part(b, out, name, 0, n_out, n_out, n_in);
}

/* "<prefix>layers.<i>.<name>" or "blk.<i>.<name>"; the buffer is the caller's. */
static const char *lname(const binder *b, char *buf, size_t layer, const char *name) {
    if (b->gguf) snprintf(buf, NAME_CAP, "blk.%zu.%s", layer, name);
    else snprintf(buf, NAME_CAP, "%slayers.%zu.%s", b->prefix, layer, name);
    return buf;
}

#define TRY(call)                         \
    do {                                  \
        glim_status try_rc = (call);      \
        if (try_rc != GLIM_OK) return try_rc; \
    } while (0)

static const char *pick(const binder *b, const char *hf, const char *chatglm, const char *gguf) {
    if (b->gguf) return gguf;
    return b->m->cfg.arch == GLIM_ARCH_CHATGLM ? chatglm : hf;
}

/* Biases of q, k, v: all three or none, from three tensors or one fused one. */
static glim_status attn_bias(binder *b, glim_layer *l, size_t i) {
    const glim_config *c = &b->m->cfg;
    size_t nq = c->n_head * c->head_dim, nkv = c->n_kv_head * c->head_dim;
    char name[NAME_CAP];
    const char *fused[] = {b->gguf ? "attn_qkv.bias" : "self_attention.query_key_value.bias",
                           b->gguf ? "attn_qkv.bias" : "self_attn.qkv_proj.bias"};
    for (int f = 0; f < 2; f++) {
        const float *all;
        TRY(vec(b, &all, lname(b, name, i, fused[f]), nq + 2 * nkv, true));
        if (!all) continue;
        l->bq = all;
        l->bk = b->read_values ? all + nq : all;
        l->bv = b->read_values ? all + nq + nkv : all;
        return GLIM_OK;
    }
    static const char *const hf[] = {"self_attn.q_proj.bias", "self_attn.k_proj.bias",
                                     "self_attn.v_proj.bias"};
    static const char *const gg[] = {"attn_q.bias", "attn_k.bias", "attn_v.bias"};
    const float **dst[] = {&l->bq, &l->bk, &l->bv};
    for (int j = 0; j < 3; j++)
        TRY(vec(b, dst[j], lname(b, name, i, b->gguf ? gg[j] : hf[j]), j == 0 ? nq : nkv, true));
    if (!l->bq != !l->bk || !l->bq != !l->bv)
        return glim_fail(b->err, GLIM_E_NOT_FOUND,
                         "%s: layer %zu has a bias on only some of q, k and v (q %s, k %s, v %s); want all "
                         "three or none", glim_ckpt_path(b->m->ckpt), i, l->bq ? "yes" : "no",
                         l->bk ? "yes" : "no", l->bv ? "yes" : "no");
    return GLIM_OK;
}

static glim_status attention(binder *b, glim_layer *l, size_t i) {
    const glim_config *c = &b->m->cfg;
    size_t nq = c->n_head * c->head_dim, nkv = c->n_kv_head * c->head_dim, all = nq + 2 * nkv;
    char name[NAME_CAP];
    const char *fused = NULL;
    static const char *const fused_hf[] = {"self_attention.query_key_value.weight",
                                           "self_attn.qkv_proj.weight"};
    for (int f = 0; f < 2 && !fused; f++)
        if (look(b, lname(b, name, i, b->gguf ? "attn_qkv.weight" : fused_hf[f]))) fused = name;
    if (fused) { /* rows: all of q, all of k, all of v */
        TRY(mat_part(b, &l->wq, fused, 0, nq, all, c->n_embd));
        TRY(mat_part(b, &l->wk, fused, nq, nkv, all, c->n_embd));
        TRY(mat_part(b, &l->wv, fused, nq + nkv, nkv, all, c->n_embd));
    } else {
        TRY(mat(b, &l->wq, lname(b, name, i, b->gguf ? "attn_q.weight" : "self_attn.q_proj.weight"), nq,
                c->n_embd));
        TRY(mat(b, &l->wk, lname(b, name, i, b->gguf ? "attn_k.weight" : "self_attn.k_proj.weight"), nkv,
                c->n_embd));
        TRY(mat(b, &l->wv, lname(b, name, i, b->gguf ? "attn_v.weight" : "self_attn.v_proj.weight"), nkv,
                c->n_embd));
    }
    TRY(mat(b, &l->wo,
            lname(b, name, i,
                  pick(b, "self_attn.o_proj.weight", "self_attention.dense.weight", "attn_output.weight")),
            c->n_embd, nq));
    TRY(attn_bias(b, l, i));
    TRY(vec(b, &l->q_norm, lname(b, name, i, b->gguf ? "attn_q_norm.weight" : "self_attn.q_norm.weight"),
            c->head_dim, true));
    TRY(vec(b, &l->k_norm, lname(b, name, i, b->gguf ? "attn_k_norm.weight" : "self_attn.k_norm.weight"),
            c->head_dim, true));
    if (c->arch == GLIM_ARCH_QWEN3 && !l->q_norm)
        return missing(b, lname(b, name, i, b->gguf ? "attn_q_norm.weight" : "self_attn.q_norm.weight"));
    if (!l->q_norm != !l->k_norm)
        return glim_fail(b->err, GLIM_E_NOT_FOUND, "%s: layer %zu has only one of q_norm and k_norm",
                         glim_ckpt_path(b->m->ckpt), i);
    return GLIM_OK;
}

static glim_status norms(binder *b, glim_layer *l, size_t i) {
    const glim_config *c = &b->m->cfg;
    char name[NAME_CAP];
    TRY(vec(b, &l->attn_norm, lname(b, name, i, b->gguf ? "attn_norm.weight" : "input_layernorm.weight"),
            c->n_embd, false));
    const char *pre_mlp = !b->gguf ? "post_attention_layernorm.weight"
                          : c->arch == GLIM_ARCH_GLM4_MOE ? "post_attention_norm.weight"
                                                          : "ffn_norm.weight";
    if (b->gguf && c->arch == GLIM_ARCH_GLM4_MOE && !look(b, lname(b, name, i, pre_mlp)))
        pre_mlp = "ffn_norm.weight"; /* some converters keep the plain name */
    TRY(vec(b, &l->ffn_norm, lname(b, name, i, pre_mlp), c->n_embd, false));
    if (!c->sandwich_norms) return GLIM_OK;
    TRY(vec(b, &l->post_attn_norm,
            lname(b, name, i, b->gguf ? "post_attention_norm.weight" : "post_self_attn_layernorm.weight"),
            c->n_embd, false));
    return vec(b, &l->post_ffn_norm,
               lname(b, name, i, b->gguf ? "post_ffw_norm.weight" : "post_mlp_layernorm.weight"), c->n_embd,
               false);
}

/* gate, up, down under a prefix such as "mlp." or "mlp.experts.3.". */
static glim_status ffn_hf(binder *b, glim_ffn *f, size_t i, const char *prefix, size_t n_ff) {
    size_t n_embd = b->m->cfg.n_embd;
    char part[128], name[NAME_CAP];
    f->n_ff = n_ff;
    snprintf(part, sizeof part, "%sgate_proj.weight", prefix);
    TRY(mat(b, &f->gate, lname(b, name, i, part), n_ff, n_embd));
    snprintf(part, sizeof part, "%sup_proj.weight", prefix);
    TRY(mat(b, &f->up, lname(b, name, i, part), n_ff, n_embd));
    snprintf(part, sizeof part, "%sdown_proj.weight", prefix);
    return mat(b, &f->down, lname(b, name, i, part), n_embd, n_ff);
}

static glim_status dense_ffn(binder *b, glim_layer *l, size_t i) {
    const glim_config *c = &b->m->cfg;
    char name[NAME_CAP];
    l->ffn.n_ff = c->n_ff;
    const char *down =
        pick(b, "mlp.down_proj.weight", "mlp.dense_4h_to_h.weight", "ffn_down.weight");
    const char *fused = pick(b, "mlp.gate_up_proj.weight", "mlp.dense_h_to_4h.weight", "ffn_up.weight");
    const glim_tensor *t = look(b, lname(b, name, i, fused));
    bool is_fused = t && !(b->gguf && look(b, lname(b, name, i, "ffn_gate.weight")));
    if (is_fused) { /* rows: gate first, then up */
        lname(b, name, i, fused);
        TRY(mat_part(b, &l->ffn.gate, name, 0, c->n_ff, 2 * c->n_ff, c->n_embd));
        TRY(mat_part(b, &l->ffn.up, name, c->n_ff, c->n_ff, 2 * c->n_ff, c->n_embd));
        return mat(b, &l->ffn.down, lname(b, name, i, down), c->n_embd, c->n_ff);
    }
    if (!b->gguf) return ffn_hf(b, &l->ffn, i, "mlp.", c->n_ff);
    TRY(mat(b, &l->ffn.gate, lname(b, name, i, "ffn_gate.weight"), c->n_ff, c->n_embd));
    TRY(mat(b, &l->ffn.up, lname(b, name, i, "ffn_up.weight"), c->n_ff, c->n_embd));
    return mat(b, &l->ffn.down, lname(b, name, i, "ffn_down.weight"), c->n_embd, c->n_ff);
}

/* One of the stacked expert tensors [n_expert, n_out, n_in] of a GGUF, as n_expert views. */
static glim_status stacked(binder *b, glim_layer *l, size_t i, const char *part, size_t n_out, size_t n_in,
                           size_t offset_in_ffn) {
    char name[NAME_CAP];
    size_t n_expert = b->m->cfg.n_expert;
    const glim_tensor *t = look(b, lname(b, name, i, part));
    if (!t) return missing(b, name);
    TRY(want_shape(b, t, 3, (size_t[]){n_expert, n_out, n_in}));
    for (size_t e = 0; e < n_expert; e++)
        TRY(view(b, (glim_mat *)((char *)&l->experts[e] + offset_in_ffn), t, e * n_out, n_out, n_in));
    return GLIM_OK;
}

static glim_status moe_ffn(binder *b, glim_layer *l, size_t i) {
    const glim_config *c = &b->m->cfg;
    char name[NAME_CAP], part[64];
    l->moe = true;
    l->experts = glim_arena_alloc(&b->m->arena, c->n_expert * sizeof *l->experts);
    if (!l->experts)
        return glim_fail(b->err, GLIM_E_NOMEM, "could not allocate %zu bytes for the experts of layer %zu",
                         c->n_expert * sizeof *l->experts, i);
    TRY(mat(b, &l->router, lname(b, name, i, b->gguf ? "ffn_gate_inp.weight" : "mlp.gate.weight"),
            c->n_expert, c->n_embd));
    TRY(vec(b, &l->router_bias,
            lname(b, name, i, b->gguf ? "exp_probs_b.bias" : "mlp.gate.e_score_correction_bias"), c->n_expert,
            c->arch != GLIM_ARCH_GLM4_MOE));
    size_t n_shared = c->n_ff_expert * c->n_expert_shared;
    if (b->gguf) {
        for (size_t e = 0; e < c->n_expert; e++) l->experts[e].n_ff = c->n_ff_expert;
        TRY(stacked(b, l, i, "ffn_gate_exps.weight", c->n_ff_expert, c->n_embd, offsetof(glim_ffn, gate)));
        TRY(stacked(b, l, i, "ffn_up_exps.weight", c->n_ff_expert, c->n_embd, offsetof(glim_ffn, up)));
        TRY(stacked(b, l, i, "ffn_down_exps.weight", c->n_embd, c->n_ff_expert, offsetof(glim_ffn, down)));
        if (n_shared == 0) return GLIM_OK;
        l->ffn.n_ff = n_shared;
        TRY(mat(b, &l->ffn.gate, lname(b, name, i, "ffn_gate_shexp.weight"), n_shared, c->n_embd));
        TRY(mat(b, &l->ffn.up, lname(b, name, i, "ffn_up_shexp.weight"), n_shared, c->n_embd));
        return mat(b, &l->ffn.down, lname(b, name, i, "ffn_down_shexp.weight"), c->n_embd, n_shared);
    }
    for (size_t e = 0; e < c->n_expert; e++) {
        snprintf(part, sizeof part, "mlp.experts.%zu.", e);
        TRY(ffn_hf(b, &l->experts[e], i, part, c->n_ff_expert));
    }
    return n_shared == 0 ? GLIM_OK : ffn_hf(b, &l->ffn, i, "mlp.shared_experts.", n_shared);
}

static bool ends_with(const char *s, const char *end) {
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

static bool starts_with(const char *s, const char *start) { return strncmp(s, start, strlen(start)) == 0; }

/* Whether a tensor that was not bound may stay unused. */
static bool skippable(const binder *b, const char *name) {
    const glim_config *c = &b->m->cfg;
    if (ends_with(name, ".inv_freq")) return true; /* recomputed */
    static const char *const vision[] = {"model.visual.", "visual.", "transformer.vision.", "vision_tower.",
                                         "model.vision_tower."};
    for (size_t i = 0; i < GLIM_COUNT(vision); i++)
        if (starts_with(name, vision[i])) return true; /* the text model of a vision checkpoint */
    /* MTP layers: exactly the n_mtp indices after the last. */
    char head[NAME_CAP];
    int n = b->gguf ? snprintf(head, sizeof head, "blk.") : snprintf(head, sizeof head, "%slayers.", b->prefix);
    if (n > 0 && starts_with(name, head)) {
        char *end;
        unsigned long index = strtoul(name + n, &end, 10);
        if (*end == '.' && index >= c->n_layer && index < c->n_layer + c->n_mtp) return true;
    }
    return false;
}

static glim_status check_all_used(binder *b) {
    size_t n = glim_ckpt_n_tensors(b->m->ckpt);
    for (size_t i = 0; i < n; i++) {
        if (b->used[i]) continue;
        const glim_tensor *t = glim_ckpt_tensor(b->m->ckpt, i);
        if (!skippable(b, t->name))
            return glim_fail(b->err, GLIM_E_UNSUPPORTED,
                             "%s: tensor \"%s\" is not part of a %s model of %zu layers",
                             glim_ckpt_file(b->m->ckpt, t->file, NULL), t->name, b->m->cfg.model_type,
                             b->m->cfg.n_layer);
        b->m->n_skipped++;
    }
    return GLIM_OK;
}

/* GGUF files carry Llama-3's frequency scaling as a tensor of divisors. */
static glim_status rope_factors(binder *b) {
    const glim_tensor *t = b->gguf ? look(b, "rope_freqs.weight") : NULL;
    if (!t) return GLIM_OK;
    const float *f;
    TRY(vec(b, &f, "rope_freqs.weight", b->m->n_rot / 2, false));
    for (size_t j = 0; b->read_values && j < b->m->n_rot / 2; j++) {
        if (!(f[j] > 0))
            return glim_fail(b->err, GLIM_E_FORMAT, "tensor \"rope_freqs.weight\": value %zu is %g, want more "
                             "than 0", j, (double)f[j]);
        b->m->inv_freq[j] /= f[j];
    }
    return GLIM_OK;
}

static glim_status bind_all(binder *b) {
    glim_model *m = b->m;
    const glim_config *c = &m->cfg;
    char name[NAME_CAP];

    /* Where the layers live: found by the first norm, which every family has. */
    if (!b->gguf) {
        static const char *const prefixes[] = {"model.", "transformer.encoder.", "model.language_model.",
                                               "language_model.model.", "language_model.", ""};
        for (size_t i = 0; i < GLIM_COUNT(prefixes) && !b->prefix; i++) {
            snprintf(name, sizeof name, "%slayers.0.input_layernorm.weight", prefixes[i]);
            if (look(b, name)) b->prefix = prefixes[i];
        }
        if (!b->prefix)
            return glim_fail(b->err, GLIM_E_NOT_FOUND, "%s: no tensor is called "
                             "\"model.layers.0.input_layernorm.weight\" (or its ChatGLM and vision spellings)",
                             glim_ckpt_path(m->ckpt));
    }

    bool chatglm = !b->gguf && starts_with(b->prefix ? b->prefix : "", "transformer.");
    if (b->gguf) snprintf(name, sizeof name, "token_embd.weight");
    else if (chatglm) snprintf(name, sizeof name, "transformer.embedding.word_embeddings.weight");
    else snprintf(name, sizeof name, "%sembed_tokens.weight", b->prefix);
    TRY(mat(b, &m->embd, name, c->n_vocab, c->n_embd));

    if (b->gguf) snprintf(name, sizeof name, "output_norm.weight");
    else if (chatglm) snprintf(name, sizeof name, "transformer.encoder.final_layernorm.weight");
    else snprintf(name, sizeof name, "%snorm.weight", b->prefix);
    TRY(vec(b, &m->out_norm, name, c->n_embd, false));

    const char *head = b->gguf ? "output.weight"
                       : chatglm ? "transformer.output_layer.weight"
                       : look(b, "lm_head.weight") ? "lm_head.weight" : "language_model.lm_head.weight";
    if (look(b, head)) {
        TRY(mat(b, &m->head, head, c->n_vocab, c->n_embd));
        /* A folder that says "tied" may still ship the copy; transformers then uses the embedding. */
        if (c->tie && !b->gguf) m->head = m->embd, m->tied = true;
    } else if (c->tie || b->gguf) {
        m->head = m->embd;
        m->tied = true;
    } else
        return missing(b, "lm_head.weight");

    for (size_t i = 0; i < c->n_layer; i++) {
        glim_layer *l = &m->layers[i];
        TRY(norms(b, l, i));
        TRY(attention(b, l, i));
        if (c->n_expert > 0 && i >= c->first_dense) TRY(moe_ffn(b, l, i));
        else TRY(dense_ffn(b, l, i));
    }
    TRY(rope_factors(b));
    return check_all_used(b);
}

glim_status glim_bind(glim_model *m, bool read_values, glim_err *err) {
    binder b = {.m = m,
                .gguf = glim_ckpt_kind_of(m->ckpt) == GLIM_CKPT_GGUF,
                .read_values = read_values,
                .err = err};
    void *used;
    glim_status rc = glim_try_calloc(&used, glim_ckpt_n_tensors(m->ckpt) + 1, sizeof *b.used, "tensor marks", err);
    if (rc != GLIM_OK) return rc;
    b.used = used;
    m->layers = glim_arena_alloc(&m->arena, m->cfg.n_layer * sizeof *m->layers);
    rc = m->layers ? bind_all(&b)
                   : glim_fail(err, GLIM_E_NOMEM, "could not allocate %zu layers", m->cfg.n_layer);
    free(used);
    return rc;
}
