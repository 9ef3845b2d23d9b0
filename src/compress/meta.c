/* meta.c - a model's numbers as GGUF keys. */
#include "compress/meta.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Keys of one architecture; the first error stays. */
typedef struct put {
    glim_gguf_writer *w;
    const char *arch;
    glim_status rc;
    glim_err *err;
} put;

static void key_of(char out[128], const put *p, const char *suffix) {
    if (strncmp(suffix, "general.", 8) == 0) snprintf(out, 128, "%s", suffix);
    else snprintf(out, 128, "%s.%s", p->arch, suffix);
}

static void count(put *p, const char *suffix, size_t v) {
    char key[128];
    key_of(key, p, suffix);
    if (p->rc == GLIM_OK) p->rc = glim_gguf_put_int(p->w, key, GLIM_GGUF_U32, (int64_t)v, p->err);
}

static void real(put *p, const char *suffix, double v) {
    char key[128];
    key_of(key, p, suffix);
    if (p->rc == GLIM_OK) p->rc = glim_gguf_put_real(p->w, key, GLIM_GGUF_F32, v, p->err);
}

static void text(put *p, const char *suffix, const char *v) {
    char key[128];
    key_of(key, p, suffix);
    if (p->rc == GLIM_OK) p->rc = glim_gguf_put_str(p->w, key, v, strlen(v), p->err);
}

static void flag(put *p, const char *suffix, bool v) {
    char key[128];
    key_of(key, p, suffix);
    if (p->rc == GLIM_OK) p->rc = glim_gguf_put_int(p->w, key, GLIM_GGUF_BOOL, v, p->err);
}

static void put_name(put *p, const glim_ckpt *c) {
    /* The folder's own name: model ids in config.json are often paths of the trainer's disk. */
    char *path = realpath(glim_ckpt_path(c), NULL);
    const char *full = path ? path : glim_ckpt_path(c), *slash = strrchr(full, '/');
    size_t n = strlen(full);
    bool file = n > 12 && strcmp(full + n - 12, ".safetensors") == 0;
    if (file && slash && path) {
        path[slash - full] = 0;
        slash = strrchr(full, '/');
    }
    text(p, "general.name", slash && slash[1] ? slash + 1 : full);
    free(path);
}

static void put_rope(put *p, const glim_config *c) {
    const glim_rope_config *r = &c->rope;
    real(p, "rope.freq_base", r->theta);
    count(p, "rope.dimension_count", r->n_rot);
    switch (r->scaling) {
    case GLIM_ROPE_LINEAR:
        text(p, "rope.scaling.type", "linear");
        real(p, "rope.scaling.factor", r->factor);
        break;
    case GLIM_ROPE_YARN: {
        text(p, "rope.scaling.type", "yarn");
        real(p, "rope.scaling.factor", r->factor);
        count(p, "rope.scaling.original_context_length", r->original_ctx);
        double usual = 0.1 * log(r->factor) + 1;
        /* llama.cpp multiplies its factor onto the usual one. */
        if (r->attention_factor > 0 && fabs(r->attention_factor / usual - 1) > 1e-6)
            real(p, "rope.scaling.attn_factor", r->attention_factor / usual);
        if (r->beta_fast > 0 && r->beta_fast != 32) real(p, "rope.scaling.yarn_beta_fast", r->beta_fast);
        if (r->beta_slow > 0 && r->beta_slow != 1) real(p, "rope.scaling.yarn_beta_slow", r->beta_slow);
        break;
    }
    default: break; /* llama3: the tensor rope_freqs.weight. dynamic: as trained, GGUF cannot say it */
    }
}

static void put_moe(put *p, const glim_config *c, bool mtp) {
    if (c->n_expert == 0) return;
    count(p, "expert_count", c->n_expert);
    count(p, "expert_used_count", c->n_expert_used);
    count(p, "expert_shared_count", c->n_expert_shared);
    count(p, "expert_feed_forward_length", c->n_ff_expert);
    count(p, "leading_dense_block_count", c->first_dense);
    count(p, "expert_gating_func", c->router_softmax ? 1 : 2);
    real(p, "expert_weights_scale", (double)c->routed_scale);
    flag(p, "expert_weights_norm", c->norm_topk);
    if (c->n_group > 1) {
        count(p, "expert_group_count", c->n_group);
        count(p, "expert_group_used_count", c->topk_group);
    }
    count(p, "nextn_predict_layers", mtp ? c->n_mtp : 0);
}

static void put_sampling(put *p, const glim_config *c) {
    if (c->temperature >= 0) real(p, "general.sampling.temp", c->temperature);
    if (c->top_k >= 0 && p->rc == GLIM_OK)
        p->rc = glim_gguf_put_int(p->w, "general.sampling.top_k", GLIM_GGUF_I32, c->top_k, p->err);
    if (c->top_p > 0) real(p, "general.sampling.top_p", c->top_p);
    if (c->min_p >= 0) real(p, "general.sampling.min_p", c->min_p);
    if (c->repetition_penalty > 0) real(p, "general.sampling.penalty_repeat", c->repetition_penalty);
}

static glim_status from_folder(glim_gguf_writer *w, const glim_model *m, const glim_layout *l, int file_type,
                               glim_err *err) {
    const glim_config *c = &m->cfg;
    put p = {w, l->arch, GLIM_OK, err};
    text(&p, "general.architecture", l->arch);
    text(&p, "general.type", "model");
    put_name(&p, m->ckpt);
    count(&p, "general.file_type", (size_t)file_type);
    count(&p, "general.quantization_version", 2);
    put_sampling(&p, c);
    count(&p, "block_count", c->n_layer + (l->mtp ? c->n_mtp : 0));
    count(&p, "context_length", c->max_ctx);
    count(&p, "embedding_length", c->n_embd);
    count(&p, "feed_forward_length", c->n_ff);
    count(&p, "attention.head_count", c->n_head);
    count(&p, "attention.head_count_kv", c->n_kv_head);
    count(&p, "attention.key_length", c->head_dim);
    count(&p, "attention.value_length", c->head_dim);
    real(&p, "attention.layer_norm_rms_epsilon", (double)c->eps);
    count(&p, "vocab_size", c->n_vocab);
    put_rope(&p, c);
    put_moe(&p, c, l->mtp);
    return p.rc == GLIM_OK ? glim_meta_put_vocab(w, m, err) : p.rc;
}

static glim_status from_gguf(glim_gguf_writer *w, const glim_model *m, const glim_layout *l, int file_type,
                             glim_err *err) {
    const struct glim_gguf *g = glim_ckpt_gguf(m->ckpt);
    put p = {w, l->arch, GLIM_OK, err};
    char blocks[64], nextn[64];
    snprintf(blocks, sizeof blocks, "%s.block_count", l->arch);
    snprintf(nextn, sizeof nextn, "%s.nextn_predict_layers", l->arch);
    bool drop = m->cfg.n_mtp > 0 && !l->mtp;
    for (size_t i = 0; i < glim_gguf_n_keys(g) && p.rc == GLIM_OK; i++) {
        const glim_gguf_kv *kv = glim_gguf_key(g, i);
        if (strcmp(kv->key, "general.file_type") == 0 || strcmp(kv->key, "general.quantization_version") == 0) continue;
        if (drop && strcmp(kv->key, blocks) == 0) count(&p, "block_count", m->cfg.n_layer);
        else if (drop && strcmp(kv->key, nextn) == 0) count(&p, "nextn_predict_layers", 0);
        else p.rc = glim_gguf_put_copy(w, kv, err);
    }
    count(&p, "general.file_type", (size_t)file_type);
    count(&p, "general.quantization_version", 2);
    return p.rc;
}

glim_status glim_meta_put(glim_gguf_writer *w, const glim_model *m, const glim_layout *l, int file_type,
                          glim_err *err) {
    bool gguf = glim_ckpt_kind_of(m->ckpt) == GLIM_CKPT_GGUF;
    return gguf ? from_gguf(w, m, l, file_type, err) : from_folder(w, m, l, file_type, err);
}
