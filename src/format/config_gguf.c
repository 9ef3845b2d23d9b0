/* config_gguf.c - GGUF metadata to the neutral description (spec 11.2 and 11.3).
 *
 * Surprise   block_count counts the MTP layer; general.architecture "llama" means that q and k rows
 *            were permuted on conversion, so pairs lie interleaved, unlike in the same model's
 *            safetensors; "glm4" with rope.dimension_sections (GLM-4.1V) was permuted the other way. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "format/config_internal.h"
#include "format/gguf.h"

/* An open file and the prefix of its keys. */
typedef struct source {
    const glim_gguf *g;
    const char *arch;
} source;

typedef struct key_text {
    char s[96];
} key_text;

static key_text key_of(const source *s, const char *suffix) {
    key_text k;
    snprintf(k.s, sizeof k.s, "%s.%s", s->arch, suffix);
    return k;
}

/* An integer key, or an array with one value for every layer where all are the same. */
static glim_status get_count(const source *s, const char *suffix, uint64_t lo, uint64_t hi, size_t dflt,
                             size_t *out, glim_err *err) {
    key_text k = key_of(s, suffix);
    const glim_gguf_kv *kv = glim_gguf_find(s->g, k.s);
    uint64_t v = dflt;
    *out = dflt;
    if (!kv) return GLIM_OK;
    glim_status rc = GLIM_OK;
    if (kv->type == GLIM_GGUF_ARRAY) {
        rc = glim_gguf_array(s->g, k.s, GLIM_GGUF_I64, &kv, err);
        for (size_t i = 0; rc == GLIM_OK && i < kv->n; i++)
            if (glim_gguf_item_i64(kv, i) != glim_gguf_item_i64(kv, 0))
                rc = glim_fail(err, GLIM_E_UNSUPPORTED, "key \"%s\": got another value for layer %zu, want "
                               "one for all layers", k.s, i);
        if (rc == GLIM_OK && kv->n == 0) rc = glim_fail(err, GLIM_E_FORMAT, "key \"%s\": got no value", k.s);
        if (rc == GLIM_OK) v = (uint64_t)glim_gguf_item_i64(kv, 0);
    } else rc = glim_gguf_u64(s->g, k.s, dflt, &v, err);
    if (rc == GLIM_OK && (v < lo || v > hi))
        rc = glim_fail(err, GLIM_E_FORMAT, "key \"%s\": got %llu, want %llu to %llu", k.s,
                       (unsigned long long)v, (unsigned long long)lo, (unsigned long long)hi);
    if (rc == GLIM_OK) *out = (size_t)v;
    return rc;
}

static glim_status need_count(const source *s, const char *suffix, uint64_t hi, size_t *out, glim_err *err) {
    key_text k = key_of(s, suffix);
    if (!glim_gguf_find(s->g, k.s))
        return glim_fail(err, GLIM_E_NOT_FOUND, "key \"%s\" is missing, want an integer", k.s);
    return get_count(s, suffix, 1, hi, 0, out, err);
}

static glim_status get_real(const source *s, const char *suffix, double lo, double hi, double dflt,
                            double *out, glim_err *err) {
    key_text k = key_of(s, suffix);
    glim_status rc = glim_gguf_f64(s->g, k.s, dflt, out, err);
    if (rc == GLIM_OK && glim_gguf_find(s->g, k.s)) rc = glim_config_check_real(k.s, *out, lo, hi, err);
    return rc;
}

static bool text_is(glim_gguf_text t, const char *s) {
    return t.len == strlen(s) && memcmp(t.s, s, t.len) == 0;
}

static glim_status read_arch(source *s, glim_config *c, glim_err *err) {
    static const struct {
        const char *name;
        glim_arch arch;
        bool interleaved, half; /* half: half of a head rotates unless rope.dimension_count says else */
    } archs[] = {{"chatglm", GLIM_ARCH_CHATGLM, true, true}, {"glm4", GLIM_ARCH_GLM4, true, true},
                 {"glm4moe", GLIM_ARCH_GLM4_MOE, false, true}, {"llama", GLIM_ARCH_LLAMA, true, false},
                 {"qwen2", GLIM_ARCH_QWEN2, false, false}, {"qwen3", GLIM_ARCH_QWEN3, false, false}};
    glim_gguf_text t;
    glim_status rc = glim_gguf_str(s->g, "general.architecture", &t, err);
    if (rc != GLIM_OK) return rc;
    if (!t.s) return glim_fail(err, GLIM_E_NOT_FOUND, "key \"general.architecture\" is missing");
    for (size_t i = 0; i < GLIM_COUNT(archs); i++) {
        if (!text_is(t, archs[i].name)) continue;
        s->arch = archs[i].name;
        c->arch = archs[i].arch;
        c->rope.interleaved = archs[i].interleaved;
        c->rope.n_rot = archs[i].half; /* a mark for read_rope */
        c->sandwich_norms = c->arch == GLIM_ARCH_GLM4;
        strncpy(c->model_type, s->arch, sizeof c->model_type - 1);
        return GLIM_OK;
    }
    return glim_fail(err, GLIM_E_UNSUPPORTED, "key \"general.architecture\": got \"%.*s\", want one of "
                     "chatglm, glm4, glm4moe, llama, qwen2, qwen3", (int)(t.len < 60 ? t.len : 60), t.s);
}

static glim_status read_widths(const source *s, glim_config *c, glim_err *err) {
    double eps;
    size_t blocks = 0, value_dim;
    glim_status rc = need_count(s, "block_count", GLIM_CONFIG_MAX_LAYERS, &blocks, err);
    if (rc == GLIM_OK) rc = get_count(s, "nextn_predict_layers", 0, GLIM_CONFIG_MAX_MTP, 0, &c->n_mtp, err);
    if (rc == GLIM_OK && c->n_mtp >= blocks)
        rc = glim_fail(err, GLIM_E_FORMAT, "key \"%s.nextn_predict_layers\": got %zu of %zu blocks, want "
                       "fewer", s->arch, c->n_mtp, blocks);
    c->n_layer = blocks - c->n_mtp;
    if (rc == GLIM_OK) rc = need_count(s, "embedding_length", GLIM_CONFIG_MAX_EMBD, &c->n_embd, err);
    if (rc == GLIM_OK) rc = need_count(s, "feed_forward_length", GLIM_CONFIG_MAX_FF, &c->n_ff, err);
    if (rc == GLIM_OK) rc = need_count(s, "attention.head_count", GLIM_CONFIG_MAX_HEADS, &c->n_head, err);
    if (rc == GLIM_OK)
        rc = get_count(s, "attention.head_count_kv", 1, GLIM_CONFIG_MAX_HEADS, c->n_head, &c->n_kv_head, err);
    if (rc == GLIM_OK) rc = get_count(s, "context_length", 1, GLIM_CONFIG_MAX_CTX, 2048, &c->max_ctx, err);
    if (rc == GLIM_OK && !glim_gguf_find(s->g, key_of(s, "attention.layer_norm_rms_epsilon").s))
        rc = glim_fail(err, GLIM_E_NOT_FOUND, "key \"%s.attention.layer_norm_rms_epsilon\" is missing, want "
                       "a number", s->arch);
    if (rc == GLIM_OK) rc = get_real(s, "attention.layer_norm_rms_epsilon", 1e-20, 1, 0, &eps, err);
    if (rc != GLIM_OK) return rc;
    c->eps = (float)eps;
    rc = get_count(s, "attention.key_length", 2, GLIM_CONFIG_MAX_HEAD_DIM, 0, &c->head_dim, err);
    if (rc != GLIM_OK) return rc;
    if (c->head_dim == 0) {
        c->head_dim = c->n_embd / c->n_head;
        if (c->n_embd % c->n_head != 0 || c->head_dim < 2 || c->head_dim > GLIM_CONFIG_MAX_HEAD_DIM)
            return glim_fail(err, GLIM_E_FORMAT, "key \"%s.attention.key_length\" is missing and the width "
                             "%zu is no multiple of %zu heads", s->arch, c->n_embd, c->n_head);
    }
    rc = get_count(s, "attention.value_length", 2, GLIM_CONFIG_MAX_HEAD_DIM, c->head_dim, &value_dim, err);
    if (rc == GLIM_OK && value_dim != c->head_dim)
        rc = glim_fail(err, GLIM_E_UNSUPPORTED, "key \"%s.attention.value_length\": got %zu, want the key "
                       "length, which is %zu", s->arch, value_dim, c->head_dim);
    return rc;
}

static glim_status read_scaling(const source *s, glim_config *c, glim_err *err) {
    glim_rope_config *r = &c->rope;
    glim_gguf_text type;
    double attn, legacy;
    glim_status rc = glim_gguf_str(s->g, key_of(s, "rope.scaling.type").s, &type, err);
    if (rc == GLIM_OK) rc = get_real(s, "rope.scale_linear", 0, 1e6, 0, &legacy, err);
    /* 0 means "not scaled" in files of llama.cpp. */
    if (rc == GLIM_OK) rc = get_real(s, "rope.scaling.factor", 0, 1e6, legacy, &r->factor, err);
    if (rc == GLIM_OK)
        rc = get_count(s, "rope.scaling.original_context_length", 1, GLIM_CONFIG_MAX_CTX, c->max_ctx,
                       &r->original_ctx, err);
    if (rc == GLIM_OK) rc = get_real(s, "rope.scaling.yarn_beta_fast", 1e-3, 1e6, 32, &r->beta_fast, err);
    if (rc == GLIM_OK) rc = get_real(s, "rope.scaling.yarn_beta_slow", 1e-3, 1e6, 1, &r->beta_slow, err);
    if (rc == GLIM_OK) rc = get_real(s, "rope.scaling.attn_factor", 1e-3, 1e3, 1, &attn, err);
    if (rc != GLIM_OK) return rc;
    if (type.s && !text_is(type, "none") && !text_is(type, "linear") && !text_is(type, "yarn"))
        return glim_fail(err, GLIM_E_UNSUPPORTED, "key \"%s.rope.scaling.type\": got \"%.*s\", want none, "
                         "linear or yarn", s->arch, (int)(type.len < 40 ? type.len : 40), type.s);
    if (r->factor == 0) r->factor = 1;
    bool none = type.s ? text_is(type, "none") : false;
    if (none || r->factor == 1) {
        r->factor = 1;
        r->original_ctx = 0;
        return GLIM_OK;
    }
    if (r->factor < 1)
        return glim_fail(err, GLIM_E_FORMAT, "key \"%s.rope.scaling.factor\": got %.9g, want 1 or more",
                         s->arch, r->factor);
    if (r->beta_fast < r->beta_slow)
        return glim_fail(err, GLIM_E_FORMAT, "key \"%s.rope.scaling.yarn_beta_fast\": got %.9g, want at "
                         "least yarn_beta_slow, which is %.9g", s->arch, r->beta_fast, r->beta_slow);
    r->scaling = type.s && text_is(type, "yarn") ? GLIM_ROPE_YARN : GLIM_ROPE_LINEAR;
    /* llama.cpp multiplies its factor onto 0.1 ln(s) + 1; transformers' replaces that. */
    if (r->scaling == GLIM_ROPE_YARN && attn != 1) r->attention_factor = attn * (0.1 * log(r->factor) + 1);
    return GLIM_OK;
}

static glim_status read_rope(const source *s, glim_config *c, glim_err *err) {
    size_t n_rot, dflt = c->rope.n_rot ? c->head_dim / 2 : c->head_dim;
    const glim_gguf_kv *sections;
    glim_status rc = get_real(s, "rope.freq_base", 1, 1e15, 10000, &c->rope.theta, err);
    if (rc == GLIM_OK) rc = get_count(s, "rope.dimension_count", 2, c->head_dim, dflt, &n_rot, err);
    if (rc == GLIM_OK)
        rc = glim_gguf_array(s->g, key_of(s, "rope.dimension_sections").s, GLIM_GGUF_I64, &sections, err);
    if (rc != GLIM_OK) return rc;
    if (n_rot < 2 || n_rot % 2 != 0)
        return glim_fail(err, GLIM_E_FORMAT, "key \"%s.rope.dimension_count\": got %zu, want an even number",
                         s->arch, n_rot);
    c->rope.n_rot = n_rot;
    if (sections && c->arch == GLIM_ARCH_GLM4)
        for (size_t i = 0; i < sections->n; i++)
            if (glim_gguf_item_i64(sections, i) != 0) c->rope.interleaved = false;
    rc = read_scaling(s, c, err);
    if (rc == GLIM_OK) glim_config_stretch_ctx(c);
    return rc;
}

static glim_status read_moe(const source *s, glim_config *c, glim_err *err) {
    double scale;
    size_t gating = 0;
    glim_status rc = get_count(s, "expert_count", 0, GLIM_CONFIG_MAX_EXPERTS, 0, &c->n_expert, err);
    if (rc != GLIM_OK) return rc;
    if (c->arch != GLIM_ARCH_GLM4_MOE) {
        if (c->n_expert == 0) return GLIM_OK;
        return glim_fail(err, GLIM_E_UNSUPPORTED, "key \"%s.expert_count\": got %zu, want 0: experts are "
                         "known in glm4moe only", s->arch, c->n_expert);
    }
    rc = need_count(s, "expert_count", GLIM_CONFIG_MAX_EXPERTS, &c->n_expert, err);
    if (rc == GLIM_OK) rc = need_count(s, "expert_used_count", GLIM_CONFIG_MAX_EXPERTS, &c->n_expert_used, err);
    if (rc == GLIM_OK) rc = need_count(s, "expert_feed_forward_length", GLIM_CONFIG_MAX_FF, &c->n_ff_expert, err);
    if (rc == GLIM_OK) rc = get_count(s, "expert_shared_count", 0, 64, 1, &c->n_expert_shared, err);
    if (rc == GLIM_OK)
        rc = get_count(s, "leading_dense_block_count", 0, GLIM_CONFIG_MAX_LAYERS, 0, &c->first_dense, err);
    if (rc == GLIM_OK) rc = get_count(s, "expert_group_count", 1, GLIM_CONFIG_MAX_EXPERTS, 1, &c->n_group, err);
    if (rc == GLIM_OK)
        rc = get_count(s, "expert_group_used_count", 1, GLIM_CONFIG_MAX_EXPERTS, 1, &c->topk_group, err);
    if (rc == GLIM_OK) rc = get_real(s, "expert_weights_scale", 0, 1e6, 1, &scale, err);
    /* The converter leaves the key out where the class default, true, holds. */
    if (rc == GLIM_OK)
        rc = glim_gguf_bool(s->g, key_of(s, "expert_weights_norm").s, true, &c->norm_topk, err);
    if (rc == GLIM_OK) rc = get_count(s, "expert_gating_func", 0, 255, 0, &gating, err);
    if (rc != GLIM_OK) return rc;
    if (gating > 2)
        return glim_fail(err, GLIM_E_UNSUPPORTED, "key \"%s.expert_gating_func\": got %zu, want 1 (softmax) "
                         "or 2 (sigmoid)", s->arch, gating);
    c->router_softmax = gating == 1; /* 0, none given: sigmoid, as llama.cpp reads glm4moe */
    c->routed_scale = scale == 0 ? 1 : (float)scale;
    return GLIM_OK;
}

static glim_status read_vocab(const source *s, glim_config *c, size_t rows, glim_err *err) {
    const glim_gguf_kv *tokens;
    size_t listed;
    glim_status rc = glim_gguf_array(s->g, "tokenizer.ggml.tokens", GLIM_GGUF_STR, &tokens, err);
    if (rc == GLIM_OK) rc = get_count(s, "vocab_size", 1, GLIM_CONFIG_MAX_VOCAB, 0, &listed, err);
    if (rc != GLIM_OK) return rc;
    c->n_vocab = rows ? rows : listed ? listed : tokens ? tokens->n : 0;
    if (c->n_vocab == 0 || c->n_vocab > GLIM_CONFIG_MAX_VOCAB)
        return glim_fail(err, GLIM_E_FORMAT, "vocabulary: got %zu rows, want 1 to %d", c->n_vocab,
                         GLIM_CONFIG_MAX_VOCAB);
    return GLIM_OK;
}

static glim_status read_token_id(const source *s, const char *key, int32_t *out, glim_err *err) {
    int64_t v;
    glim_status rc = glim_gguf_i64(s->g, key, -1, &v, err);
    *out = v >= 0 && v <= INT32_MAX ? (int32_t)v : -1; /* 2^32 - 1 stands for "none" */
    return rc;
}

static glim_status read_ids(const source *s, glim_config *c, glim_err *err) {
    static const char *const stops[] = {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
                                        "tokenizer.ggml.eom_token_id"};
    glim_status rc = read_token_id(s, "tokenizer.ggml.bos_token_id", &c->bos, err);
    if (rc == GLIM_OK) rc = read_token_id(s, "tokenizer.ggml.padding_token_id", &c->pad, err);
    for (size_t i = 0; i < GLIM_COUNT(stops) && rc == GLIM_OK; i++) {
        int32_t id;
        rc = read_token_id(s, stops[i], &id, err);
        if (rc == GLIM_OK) rc = glim_config_add_eos(c, id, err);
    }
    return rc;
}

/* general.file_type: the type that most tensors have. */
static glim_status read_stored(const source *s, glim_config *c, glim_err *err) {
    static const struct {
        uint8_t file_type, dtype;
    } types[] = {{0, GLIM_F32}, {1, GLIM_F16}, {2, GLIM_Q4_0}, {3, GLIM_Q4_1}, {7, GLIM_Q8_0}, {8, GLIM_Q5_0},
                 {9, GLIM_Q5_1}, {10, GLIM_Q2_K}, {11, GLIM_Q3_K}, {12, GLIM_Q3_K}, {13, GLIM_Q3_K},
                 {14, GLIM_Q4_K}, {15, GLIM_Q4_K}, {16, GLIM_Q5_K}, {17, GLIM_Q5_K}, {18, GLIM_Q6_K},
                 {21, GLIM_Q2_K}, {25, GLIM_IQ4_NL}, {30, GLIM_IQ4_XS}, {32, GLIM_BF16}, {38, GLIM_MXFP4}};
    uint64_t v;
    glim_status rc = glim_gguf_u64(s->g, "general.file_type", 0, &v, err);
    for (size_t i = 0; i < GLIM_COUNT(types) && rc == GLIM_OK; i++)
        if (types[i].file_type == v) c->stored = (glim_dtype)types[i].dtype;
    return rc;
}

/* general.sampling.*: what newer converters copy from generation_config.json. */
static glim_status read_sampling(const source *s, glim_config *c, glim_err *err) {
    const struct {
        const char *key;
        double lo, hi, *out;
    } reals[] = {{"general.sampling.temp", 0, 1e3, &c->temperature},
                 {"general.sampling.top_p", 0, 1, &c->top_p},
                 {"general.sampling.min_p", 0, 1, &c->min_p},
                 {"general.sampling.penalty_repeat", 1e-3, 1e3, &c->repetition_penalty}};
    glim_status rc = GLIM_OK;
    for (size_t i = 0; i < GLIM_COUNT(reals) && rc == GLIM_OK; i++) {
        if (!glim_gguf_find(s->g, reals[i].key)) continue;
        rc = glim_gguf_f64(s->g, reals[i].key, 0, reals[i].out, err);
        if (rc == GLIM_OK)
            rc = glim_config_check_real(reals[i].key, *reals[i].out, reals[i].lo, reals[i].hi, err);
    }
    int64_t k = -1;
    if (rc == GLIM_OK) rc = glim_gguf_i64(s->g, "general.sampling.top_k", -1, &k, err);
    if (rc == GLIM_OK && k >= 0 && k <= INT32_MAX) c->top_k = (int)k;
    return rc;
}

glim_status glim_config_from_gguf(glim_config *out, const struct glim_gguf *g, size_t vocab_rows,
                                  bool has_head, glim_err *err) {
    glim_config *c = out;
    source s = {.g = g};
    glim_config_init(c);
    glim_status rc = read_arch(&s, c, err);
    if (rc == GLIM_OK) rc = read_widths(&s, c, err);
    if (rc == GLIM_OK) rc = read_rope(&s, c, err);
    if (rc == GLIM_OK) rc = read_moe(&s, c, err);
    if (rc == GLIM_OK) rc = read_vocab(&s, c, vocab_rows, err);
    if (rc == GLIM_OK) rc = read_ids(&s, c, err);
    if (rc == GLIM_OK) rc = read_stored(&s, c, err);
    if (rc == GLIM_OK) rc = read_sampling(&s, c, err);
    if (rc != GLIM_OK) return rc;
    c->tie = !has_head;
    /* Spec 9.7: the converter reads ChatGLM's own keys only, so a file made from the -hf folder of the
     * same model carries the defaults. */
    if (c->arch == GLIM_ARCH_CHATGLM && c->n_vocab == 151552 && c->rope.theta == 10000)
        glim_log(GLIM_WARN, "config", "chatglm.rope.freq_base=10000 n_vocab=151552: glm-4-9b-chat has "
                 "5000000; this file was probably converted from an -hf folder and lost it");
    return glim_config_check(c, &(glim_config_names){
        .n_head = "attention.head_count", .n_kv_head = "attention.head_count_kv",
        .head_dim = "attention.key_length", .n_expert = "expert_count",
        .n_expert_used = "expert_used_count", .n_group = "expert_group_count",
        .topk_group = "expert_group_used_count", .first_dense = "leading_dense_block_count"}, err);
}
