/* config.c - config.json and generation_config.json to the neutral description; see config.h.
 *
 * Spellings met here: ChatGLM's own keys; flat keys of transformers 4; rope_parameters and dtype of
 * transformers 5; the same inside text_config of vision models, whose text part is an ordinary glm4 or
 * glm4_moe decoder (for text alone M-RoPE equals plain RoPE). A missing key takes the default of the
 * configuration class in transformers, as a saved file relies on it.
 *
 * Surprise   unknown keys are ignored, but a known key that changes the arithmetic in a way that we do
 *            not follow is refused by name: a wrong answer without a word would be worse. */
#include "format/config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "format/config_internal.h"
#include "format/gguf.h"

/* What a model_type implies where its file is silent. */
typedef struct family {
    const char *model_type, *class_name;
    glim_arch arch;
    double eps, theta, partial;
    size_t head_dim; /* 0: hidden_size / num_attention_heads */
    size_t max_ctx;
} family;

static const family families[] = {
    {"chatglm", "ChatGLMModel", GLIM_ARCH_CHATGLM, 1e-5, 1e4, 0.5, 128, 2048},
    {"chatglm", "ChatGLMForConditionalGeneration", GLIM_ARCH_CHATGLM, 1e-5, 1e4, 0.5, 128, 2048},
    {"glm", "GlmForCausalLM", GLIM_ARCH_GLM, 1.5625e-07, 1e4, 0.5, 128, 131072},
    {"glm4", "Glm4ForCausalLM", GLIM_ARCH_GLM4, 1.5625e-07, 1e4, 0.5, 128, 131072},
    {"glm4v", "Glm4vForConditionalGeneration", GLIM_ARCH_GLM4, 1e-5, 1e4, 0.5, 0, 32768},
    {"glm4v_text", "Glm4vTextModel", GLIM_ARCH_GLM4, 1e-5, 1e4, 0.5, 0, 32768},
    {"glm4_moe", "Glm4MoeForCausalLM", GLIM_ARCH_GLM4_MOE, 1e-5, 1e6, 0.5, 128, 131072},
    {"glm4v_moe", "Glm4vMoeForConditionalGeneration", GLIM_ARCH_GLM4_MOE, 1e-5, 1e4, 0.5, 128, 65536},
    {"glm4v_moe_text", "Glm4vMoeTextModel", GLIM_ARCH_GLM4_MOE, 1e-5, 1e4, 0.5, 128, 65536},
    {"llama", "LlamaForCausalLM", GLIM_ARCH_LLAMA, 1e-6, 1e4, 1, 0, 2048},
    {"qwen2", "Qwen2ForCausalLM", GLIM_ARCH_QWEN2, 1e-6, 1e4, 1, 0, 32768},
    {"qwen3", "Qwen3ForCausalLM", GLIM_ARCH_QWEN3, 1e-6, 1e4, 1, 128, 32768},
};

/* --- Small readers ---------------------------------------------------------------------------------- */

static const json_t *present(const json_t *o, const char *key) {
    const json_t *v = json_object_get(o, key);
    return v && !json_is_null(v) ? v : NULL;
}

static glim_status need_size(const json_t *o, const char *key, int64_t lo, int64_t hi, size_t *out,
                             glim_err *err) {
    int64_t v = 0;
    glim_status rc = glim_json_need_int(o, key, lo, hi, &v, err);
    *out = (size_t)v;
    return rc;
}

static glim_status get_size(const json_t *o, const char *key, int64_t lo, int64_t hi, size_t dflt,
                            size_t *out, glim_err *err) {
    int64_t v = 0;
    glim_status rc = glim_json_get_int(o, key, lo, hi, (int64_t)dflt, &v, err);
    *out = (size_t)v;
    return rc;
}

/* A real in [lo, hi]; a missing one is dflt, whatever the range. */
static glim_status get_real(const json_t *o, const char *key, double lo, double hi, double dflt,
                            double *out, glim_err *err) {
    glim_status rc = glim_json_get_real(o, key, dflt, out, err);
    if (rc == GLIM_OK && present(o, key)) rc = glim_config_check_real(key, *out, lo, hi, err);
    return rc;
}

/* A switch that must have one value, which is also its default. */
static glim_status want_bool(const json_t *o, const char *key, bool want, glim_err *err) {
    bool v;
    glim_status rc = glim_json_get_bool(o, key, want, &v, err);
    if (rc == GLIM_OK && v != want)
        rc = glim_fail(err, GLIM_E_UNSUPPORTED, "\"%s\": got %s, want %s: Glim does not have the other way",
                       key, v ? "true" : "false", want ? "true" : "false");
    return rc;
}

static const family *family_by_type(const char *model_type) {
    for (size_t i = 0; i < GLIM_COUNT(families); i++)
        if (strcmp(families[i].model_type, model_type) == 0) return &families[i];
    return NULL;
}

static glim_status find_family(const json_t *root, const family **out, glim_err *err) {
    const char *type;
    glim_status rc = glim_json_get_str(root, "model_type", NULL, &type, err);
    if (rc != GLIM_OK) return rc;
    if (type) {
        *out = family_by_type(type);
        if (*out) return GLIM_OK;
        return glim_fail(err, GLIM_E_UNSUPPORTED, "\"model_type\": got \"%.60s\", want one of %s", type,
                         glim_config_archs());
    }
    const json_t *name = json_array_get(json_object_get(root, "architectures"), 0);
    if (!json_is_string(name))
        return glim_fail(err, GLIM_E_NOT_FOUND, "\"model_type\" is missing, want one of %s",
                         glim_config_archs());
    for (size_t i = 0; i < GLIM_COUNT(families); i++) {
        if (strcmp(families[i].class_name, json_string_value(name)) == 0) {
            *out = &families[i];
            return GLIM_OK;
        }
    }
    return glim_fail(err, GLIM_E_UNSUPPORTED, "\"architectures\": got \"%.60s\", want the class of one of "
                     "%s", json_string_value(name), glim_config_archs());
}

/* --- RoPE ---------------------------------------------------------------------------------------------- */

static glim_status scaling_kind(const json_t *o, glim_rope_scaling *out, glim_err *err) {
    static const struct {
        const char *name;
        glim_rope_scaling kind;
    } kinds[] = {{"default", GLIM_ROPE_NONE}, {"mrope", GLIM_ROPE_NONE},     {"linear", GLIM_ROPE_LINEAR},
                 {"yarn", GLIM_ROPE_YARN},    {"dynamic", GLIM_ROPE_DYNAMIC}, {"llama3", GLIM_ROPE_LLAMA3}};
    const char *name;
    glim_status rc = glim_json_get_str(o, "rope_type", NULL, &name, err);
    if (rc == GLIM_OK && !name) rc = glim_json_get_str(o, "type", "default", &name, err);
    if (rc != GLIM_OK) return rc;
    for (size_t i = 0; i < GLIM_COUNT(kinds); i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            *out = kinds[i].kind;
            return GLIM_OK;
        }
    }
    return glim_fail(err, GLIM_E_UNSUPPORTED, "\"rope_type\": got \"%.40s\", want default, linear, dynamic, "
                     "yarn or llama3", name);
}

/* 0.1 m ln(s) + 1: DeepSeek's way to write YaRN's factor on cos and sin. */
static double yarn_mscale(double s, double m) { return s <= 1 ? 1 : 0.1 * m * log(s) + 1; }

static glim_status read_yarn(glim_rope_config *r, const json_t *o, glim_err *err) {
    double m, m_all;
    glim_status rc = get_real(o, "beta_fast", 1e-3, 1e6, 32, &r->beta_fast, err);
    if (rc == GLIM_OK) rc = get_real(o, "beta_slow", 1e-3, 1e6, 1, &r->beta_slow, err);
    if (rc == GLIM_OK) rc = get_real(o, "attention_factor", 1e-3, 1e3, 0, &r->attention_factor, err);
    if (rc == GLIM_OK) rc = get_real(o, "mscale", 0, 1e3, 0, &m, err);
    if (rc == GLIM_OK) rc = get_real(o, "mscale_all_dim", 0, 1e3, 0, &m_all, err);
    if (rc == GLIM_OK) rc = want_bool(o, "truncate", true, err);
    if (rc == GLIM_OK && r->attention_factor == 0 && m > 0 && m_all > 0)
        r->attention_factor = yarn_mscale(r->factor, m) / yarn_mscale(r->factor, m_all);
    if (rc == GLIM_OK && r->beta_fast < r->beta_slow)
        rc = glim_fail(err, GLIM_E_FORMAT, "\"beta_fast\": got %.9g, want at least \"beta_slow\", which is "
                       "%.9g", r->beta_fast, r->beta_slow);
    return rc;
}

static glim_status read_llama3(glim_rope_config *r, const json_t *o, glim_err *err) {
    glim_status rc = get_real(o, "low_freq_factor", 1e-3, 1e6, 1, &r->low_freq_factor, err);
    if (rc == GLIM_OK) rc = get_real(o, "high_freq_factor", 1e-3, 1e6, 4, &r->high_freq_factor, err);
    if (rc == GLIM_OK && !(r->high_freq_factor > r->low_freq_factor))
        rc = glim_fail(err, GLIM_E_FORMAT, "\"high_freq_factor\": got %.9g, want more than "
                       "\"low_freq_factor\", which is %.9g", r->high_freq_factor, r->low_freq_factor);
    if (rc == GLIM_OK && !present(o, "original_max_position_embeddings"))
        rc = glim_fail(err, GLIM_E_NOT_FOUND, "\"original_max_position_embeddings\" is missing, want an "
                       "integer for rope_type llama3");
    return rc;
}

static glim_status read_scaling(glim_config *c, const json_t *o, const char *key, glim_err *err) {
    if (!json_is_object(o))
        return glim_fail(err, GLIM_E_FORMAT, "\"%s\": got %s, want an object", key, glim_json_type_name(o));
    /* Per-layer-type parameters belong to models with more than one kind of attention. */
    if (present(o, "full_attention") || present(o, "sliding_attention"))
        return glim_fail(err, GLIM_E_UNSUPPORTED, "\"%s\": got parameters by layer type, want one set", key);
    glim_rope_config *r = &c->rope;
    glim_status rc = scaling_kind(o, &r->scaling, err);
    if (rc == GLIM_OK && r->scaling != GLIM_ROPE_NONE) {
        if (!present(o, "factor"))
            rc = glim_fail(err, GLIM_E_NOT_FOUND, "\"factor\" is missing, want a number");
        else rc = get_real(o, "factor", 1, 1e6, 1, &r->factor, err);
        if (rc == GLIM_OK)
            rc = get_size(o, "original_max_position_embeddings", 1, GLIM_CONFIG_MAX_CTX, c->max_ctx,
                          &r->original_ctx, err);
        if (rc == GLIM_OK && r->scaling == GLIM_ROPE_YARN) rc = read_yarn(r, o, err);
        if (rc == GLIM_OK && r->scaling == GLIM_ROPE_LLAMA3) rc = read_llama3(r, o, err);
    }
    if (rc != GLIM_OK) glim_err_context(err, "\"%s\"", key);
    return rc;
}

/* After head_dim and max_ctx. */
static glim_status read_rope(glim_config *c, const json_t *o, const family *f, glim_err *err) {
    const json_t *params = present(o, "rope_parameters"), *scaling = present(o, "rope_scaling");
    double partial;
    glim_status rc = get_real(o, "rope_theta", 1, 1e15, f->theta, &c->rope.theta, err);
    if (rc == GLIM_OK) rc = get_real(o, "partial_rotary_factor", 0, 1, f->partial, &partial, err);
    if (rc == GLIM_OK && params) { /* transformers 5: one object instead of the flat keys */
        rc = get_real(params, "rope_theta", 1, 1e15, c->rope.theta, &c->rope.theta, err);
        if (rc == GLIM_OK) rc = get_real(params, "partial_rotary_factor", 0, 1, partial, &partial, err);
        if (rc == GLIM_OK) rc = read_scaling(c, params, "rope_parameters", err);
    } else if (rc == GLIM_OK && scaling) rc = read_scaling(c, scaling, "rope_scaling", err);
    if (rc == GLIM_OK) rc = glim_config_set_rotary(c, partial, "partial_rotary_factor", err);
    if (rc == GLIM_OK) glim_config_stretch_ctx(c);
    return rc;
}

/* --- Group A: ChatGLM's own keys (spec 2.1) --------------------------------------------------------------- */

static glim_status read_chatglm(glim_config *c, const json_t *o, glim_err *err) {
    if (present(o, "position_encoding_2d") || present(o, "inner_hidden_size"))
        return glim_fail(err, GLIM_E_UNSUPPORTED, "this is ChatGLM-6B of the first generation, which has "
                         "another architecture; want glm-4-9b or its like");
    /* Where the file says nothing, the value is the only one we have. */
    glim_status rc = want_bool(o, "rmsnorm", true, err);
    if (rc == GLIM_OK) rc = want_bool(o, "post_layer_norm", true, err);
    if (rc == GLIM_OK) rc = want_bool(o, "original_rope", true, err);
    if (rc == GLIM_OK) rc = want_bool(o, "add_bias_linear", false, err);
    if (rc == GLIM_OK) rc = want_bool(o, "apply_residual_connection_post_layernorm", false, err);
    if (rc != GLIM_OK) return rc;

    size_t layers2, bits;
    double ratio, eps;
    bool grouped;
    rc = need_size(o, "hidden_size", 1, GLIM_CONFIG_MAX_EMBD, &c->n_embd, err);
    if (rc == GLIM_OK) rc = need_size(o, "ffn_hidden_size", 1, GLIM_CONFIG_MAX_FF, &c->n_ff, err);
    const char *layers = present(o, "num_layers") ? "num_layers" : "num_hidden_layers";
    if (rc == GLIM_OK) rc = need_size(o, layers, 1, GLIM_CONFIG_MAX_LAYERS, &c->n_layer, err);
    if (rc == GLIM_OK)
        rc = get_size(o, "num_hidden_layers", 1, GLIM_CONFIG_MAX_LAYERS, c->n_layer, &layers2, err);
    if (rc == GLIM_OK && layers2 != c->n_layer)
        rc = glim_fail(err, GLIM_E_FORMAT, "\"num_hidden_layers\": got %zu, want \"num_layers\", which is %zu",
                       layers2, c->n_layer);
    if (rc == GLIM_OK) rc = need_size(o, "num_attention_heads", 1, GLIM_CONFIG_MAX_HEADS, &c->n_head, err);
    c->n_kv_head = c->n_head;
    if (rc == GLIM_OK) rc = glim_json_get_bool(o, "multi_query_attention", false, &grouped, err);
    if (rc == GLIM_OK && grouped)
        rc = need_size(o, "multi_query_group_num", 1, GLIM_CONFIG_MAX_HEADS, &c->n_kv_head, err);
    if (rc == GLIM_OK) rc = get_size(o, "kv_channels", 2, GLIM_CONFIG_MAX_HEAD_DIM, 128, &c->head_dim, err);
    const char *vocab = present(o, "padded_vocab_size") ? "padded_vocab_size" : "vocab_size";
    if (rc == GLIM_OK) rc = need_size(o, vocab, 1, GLIM_CONFIG_MAX_VOCAB, &c->n_vocab, err);
    if (rc == GLIM_OK) rc = get_size(o, "seq_length", 1, GLIM_CONFIG_MAX_CTX, 2048, &c->max_ctx, err);
    if (rc == GLIM_OK) rc = get_real(o, "layernorm_epsilon", 1e-20, 1, 1e-5, &eps, err);
    if (rc == GLIM_OK) rc = get_real(o, "rope_ratio", 1e-3, 1e9, 1, &ratio, err);
    if (rc == GLIM_OK) rc = get_size(o, "quantization_bit", 0, 64, 0, &bits, err);
    if (rc == GLIM_OK && bits != 0)
        rc = glim_fail(err, GLIM_E_UNSUPPORTED, "\"quantization_bit\": got %zu, want unquantized weights or "
                       "GGUF", bits);
    if (rc != GLIM_OK) return rc;
    c->eps = (float)eps;
    c->rope.theta = 10000 * ratio;
    rc = glim_config_set_rotary(c, 0.5, "kv_channels", err); /* half of a head, always */
    const json_t *scaling = present(o, "rope_scaling");
    if (rc == GLIM_OK && scaling) rc = read_scaling(c, scaling, "rope_scaling", err);
    if (rc == GLIM_OK) glim_config_stretch_ctx(c);
    return rc;
}

/* --- The keys of transformers ---------------------------------------------------------------------------- */

/* Sliding windows: Qwen files carry the keys and leave them off. Within the window the numbers are those
 * of full attention, so a file that uses one is read with its context cut to the window. */
static glim_status read_window(glim_config *c, const json_t *o, glim_err *err) {
    bool use, some = false;
    size_t window, first;
    glim_status rc = glim_json_get_bool(o, "use_sliding_window", false, &use, err);
    if (rc == GLIM_OK) rc = get_size(o, "sliding_window", 1, GLIM_CONFIG_MAX_CTX, 0, &window, err);
    if (rc == GLIM_OK) rc = get_size(o, "max_window_layers", 0, GLIM_CONFIG_MAX_LAYERS, 28, &first, err);
    if (rc != GLIM_OK) return rc;
    const json_t *types = present(o, "layer_types");
    for (size_t i = 0; i < json_array_size(types); i++) {
        const char *t = json_string_value(json_array_get(types, i));
        if (t && strcmp(t, "sliding_attention") == 0) some = true;
        else if (!t || strcmp(t, "full_attention") != 0)
            return glim_fail(err, GLIM_E_UNSUPPORTED, "\"layer_types\" item %zu: got \"%.40s\", want "
                             "full_attention", i, t ? t : "a value that is no string");
    }
    bool qwen = c->arch == GLIM_ARCH_QWEN2 || c->arch == GLIM_ARCH_QWEN3;
    if (!types) some = qwen && use && first < c->n_layer;
    if (some && window > 0 && window < c->max_ctx) {
        glim_log(GLIM_WARN, "config", "sliding_window=%zu max_ctx=%zu: context is cut to the window", window,
                 c->max_ctx);
        c->max_ctx = window;
    }
    return GLIM_OK;
}

static glim_status want_text(const json_t *o, const char *key, const char *a, const char *b, glim_err *err) {
    const char *s;
    glim_status rc = glim_json_get_str(o, key, a, &s, err);
    if (rc == GLIM_OK && strcmp(s, a) != 0 && strcmp(s, b) != 0)
        rc = glim_fail(err, GLIM_E_UNSUPPORTED, "\"%s\": got \"%.40s\", want \"%s\"", key, s, a);
    return rc;
}

static glim_status read_moe(glim_config *c, const json_t *o, glim_err *err) {
    double scale;
    glim_status rc = need_size(o, "n_routed_experts", 1, GLIM_CONFIG_MAX_EXPERTS, &c->n_expert, err);
    if (rc == GLIM_OK)
        rc = need_size(o, "num_experts_per_tok", 1, GLIM_CONFIG_MAX_EXPERTS, &c->n_expert_used, err);
    if (rc == GLIM_OK) rc = need_size(o, "moe_intermediate_size", 1, GLIM_CONFIG_MAX_FF, &c->n_ff_expert, err);
    if (rc == GLIM_OK) rc = get_size(o, "n_shared_experts", 0, 64, 1, &c->n_expert_shared, err);
    if (rc == GLIM_OK)
        rc = get_size(o, "first_k_dense_replace", 0, GLIM_CONFIG_MAX_LAYERS, 1, &c->first_dense, err);
    if (rc == GLIM_OK) rc = get_size(o, "n_group", 1, GLIM_CONFIG_MAX_EXPERTS, 1, &c->n_group, err);
    if (rc == GLIM_OK) rc = get_size(o, "topk_group", 1, GLIM_CONFIG_MAX_EXPERTS, 1, &c->topk_group, err);
    if (rc == GLIM_OK) rc = glim_json_get_bool(o, "norm_topk_prob", true, &c->norm_topk, err);
    if (rc == GLIM_OK) rc = get_real(o, "routed_scaling_factor", 0, 1e6, 1, &scale, err);
    if (rc == GLIM_OK)
        rc = get_size(o, "num_nextn_predict_layers", 0, GLIM_CONFIG_MAX_MTP, 0, &c->n_mtp, err);
    if (rc == GLIM_OK) rc = want_text(o, "scoring_func", "sigmoid", "sigmoid", err);
    if (rc == GLIM_OK) rc = want_text(o, "topk_method", "noaux_tc", "noaux_tc", err);
    if (rc == GLIM_OK) c->routed_scale = (float)scale;
    return rc;
}

static glim_status read_transformers(glim_config *c, const json_t *o, const family *f, glim_err *err) {
    double eps;
    glim_status rc = want_text(o, "hidden_act", "silu", "swish", err);
    if (rc == GLIM_OK) rc = want_bool(o, "mlp_bias", false, err);
    if (rc == GLIM_OK) rc = need_size(o, "hidden_size", 1, GLIM_CONFIG_MAX_EMBD, &c->n_embd, err);
    if (rc == GLIM_OK) rc = need_size(o, "intermediate_size", 1, GLIM_CONFIG_MAX_FF, &c->n_ff, err);
    if (rc == GLIM_OK) rc = need_size(o, "num_hidden_layers", 1, GLIM_CONFIG_MAX_LAYERS, &c->n_layer, err);
    if (rc == GLIM_OK) rc = need_size(o, "num_attention_heads", 1, GLIM_CONFIG_MAX_HEADS, &c->n_head, err);
    if (rc == GLIM_OK && c->arch == GLIM_ARCH_LLAMA) /* older files have no groups and no key */
        rc = get_size(o, "num_key_value_heads", 1, GLIM_CONFIG_MAX_HEADS, c->n_head, &c->n_kv_head, err);
    else if (rc == GLIM_OK)
        rc = need_size(o, "num_key_value_heads", 1, GLIM_CONFIG_MAX_HEADS, &c->n_kv_head, err);
    if (rc == GLIM_OK) rc = get_size(o, "head_dim", 2, GLIM_CONFIG_MAX_HEAD_DIM, f->head_dim, &c->head_dim, err);
    if (rc == GLIM_OK && c->head_dim == 0) {
        c->head_dim = c->n_embd / c->n_head;
        if (c->head_dim < 2 || c->head_dim > GLIM_CONFIG_MAX_HEAD_DIM || c->n_embd % c->n_head != 0)
            rc = glim_fail(err, GLIM_E_FORMAT, "\"head_dim\" is missing and \"hidden_size\", %zu, is no "
                           "multiple of \"num_attention_heads\", %zu", c->n_embd, c->n_head);
    }
    if (rc == GLIM_OK) rc = need_size(o, "vocab_size", 1, GLIM_CONFIG_MAX_VOCAB, &c->n_vocab, err);
    if (rc == GLIM_OK)
        rc = get_size(o, "max_position_embeddings", 1, GLIM_CONFIG_MAX_CTX, f->max_ctx, &c->max_ctx, err);
    if (rc == GLIM_OK) rc = get_real(o, "rms_norm_eps", 1e-20, 1, f->eps, &eps, err);
    if (rc == GLIM_OK) c->eps = (float)eps;
    if (rc == GLIM_OK) rc = read_rope(c, o, f, err);
    if (rc == GLIM_OK) rc = read_window(c, o, err);
    if (rc == GLIM_OK && c->arch == GLIM_ARCH_GLM4_MOE) rc = read_moe(c, o, err);
    return rc;
}

/* --- Ids, type, generation ------------------------------------------------------------------------------- */

static glim_status read_eos(glim_config *c, const json_t *o, glim_err *err) {
    const json_t *v = present(o, "eos_token_id");
    if (!v) return GLIM_OK;
    size_t n = json_is_array(v) ? json_array_size(v) : 1;
    for (size_t i = 0; i < n; i++) {
        const json_t *id = json_is_array(v) ? json_array_get(v, i) : v;
        if (!json_is_integer(id))
            return glim_fail(err, GLIM_E_FORMAT, "\"eos_token_id\": got %s, want an integer or a list of "
                             "them", glim_json_type_name(id));
        glim_status rc = glim_config_add_eos(c, json_integer_value(id), err);
        if (rc != GLIM_OK) return rc;
    }
    return GLIM_OK;
}

static glim_status read_id(const json_t *o, const char *key, int32_t *out, glim_err *err) {
    int64_t v;
    glim_status rc = glim_json_get_int(o, key, -1, INT32_MAX, *out, &v, err);
    if (rc == GLIM_OK) *out = (int32_t)v;
    return rc;
}

/* "bfloat16", "torch.float16": what a file declares; words that we do not know leave f32. */
static glim_status read_stored(glim_config *c, const json_t *o, glim_err *err) {
    static const struct {
        const char *name;
        glim_dtype type;
    } types[] = {{"bfloat16", GLIM_BF16}, {"float16", GLIM_F16}, {"half", GLIM_F16}, {"float32", GLIM_F32},
                 {"float64", GLIM_F64}, {"float8_e4m3fn", GLIM_F8_E4M3}, {"float8_e5m2", GLIM_F8_E5M2}};
    const char *s;
    glim_status rc = glim_json_get_str(o, present(o, "dtype") ? "dtype" : "torch_dtype", NULL, &s, err);
    if (rc != GLIM_OK || !s) return rc;
    if (strncmp(s, "torch.", 6) == 0) s += 6;
    for (size_t i = 0; i < GLIM_COUNT(types); i++)
        if (strcmp(types[i].name, s) == 0) c->stored = types[i].type;
    return GLIM_OK;
}

/* Packed weights have other tensors and other names: refused before anything is misread. */
static glim_status refuse_quantized(const json_t *root, glim_err *err) {
    const json_t *q = present(root, "quantization_config");
    if (!q) return GLIM_OK;
    const char *method = json_string_value(json_object_get(q, "quant_method"));
    glim_status rc = glim_fail(err, GLIM_E_UNSUPPORTED, "\"quantization_config\": got \"%.40s\", want "
                               "unquantized weights", method ? method : "a method without a name");
    glim_err_hint(err, "use the bf16 checkpoint, or a GGUF file");
    return rc;
}

static glim_status read_generation(glim_config *c, const json_t *g, glim_err *err) {
    if (!g) return GLIM_OK;
    if (!json_is_object(g))
        return glim_fail(err, GLIM_E_FORMAT, "got %s, want an object", glim_json_type_name(g));
    int64_t top_k = -1;
    glim_status rc = read_eos(c, g, err);
    if (rc == GLIM_OK) rc = read_id(g, "bos_token_id", &c->bos, err);
    if (rc == GLIM_OK) rc = read_id(g, "pad_token_id", &c->pad, err);
    if (rc == GLIM_OK) rc = get_real(g, "temperature", 0, 1e3, -1, &c->temperature, err);
    if (rc == GLIM_OK) rc = get_real(g, "top_p", 0, 1, 0, &c->top_p, err);
    if (rc == GLIM_OK) rc = glim_json_get_int(g, "top_k", -1, INT32_MAX, -1, &top_k, err);
    c->top_k = (int)top_k;
    if (rc == GLIM_OK) rc = get_real(g, "min_p", 0, 1, -1, &c->min_p, err);
    if (rc == GLIM_OK) rc = get_real(g, "repetition_penalty", 1e-3, 1e3, 0, &c->repetition_penalty, err);
    if (rc == GLIM_OK) rc = glim_json_get_bool(g, "do_sample", false, &c->do_sample, err);
    c->has_do_sample = present(g, "do_sample") != NULL;
    return rc;
}

/* --- The interface ----------------------------------------------------------------------------------------- */

static glim_status read_config(glim_config *c, const json_t *root, glim_err *err) {
    if (!json_is_object(root))
        return glim_fail(err, GLIM_E_FORMAT, "got %s, want an object", glim_json_type_name(root));
    const family *f = NULL;
    glim_status rc = find_family(root, &f, err);
    if (rc == GLIM_OK) rc = refuse_quantized(root, err);
    if (rc != GLIM_OK) return rc;
    c->arch = f->arch;
    strncpy(c->model_type, f->model_type, sizeof c->model_type - 1);
    /* Spec 13: which way pairs lie, and where norms stand. */
    c->rope.interleaved = f->arch <= GLIM_ARCH_GLM4;
    c->sandwich_norms = f->arch == GLIM_ARCH_GLM4;

    const json_t *text = present(root, "text_config");
    if (text && !json_is_object(text))
        return glim_fail(err, GLIM_E_FORMAT, "\"text_config\": got %s, want an object",
                         glim_json_type_name(text));
    const json_t *o = text ? text : root;
    rc = f->arch == GLIM_ARCH_CHATGLM ? read_chatglm(c, o, err) : read_transformers(c, o, f, err);
    if (rc == GLIM_OK && text) rc = refuse_quantized(text, err);
    /* Keys that vision files write outside, inside, or both: inside counts. */
    bool tie;
    if (rc == GLIM_OK) rc = glim_json_get_bool(root, "tie_word_embeddings", false, &tie, err);
    if (rc == GLIM_OK) rc = glim_json_get_bool(o, "tie_word_embeddings", tie, &c->tie, err);
    if (rc == GLIM_OK) rc = read_stored(c, root, err);
    if (rc == GLIM_OK && text) rc = read_stored(c, text, err);
    if (rc == GLIM_OK) rc = read_eos(c, root, err);
    if (rc == GLIM_OK && text) rc = read_eos(c, text, err);
    if (rc == GLIM_OK) rc = read_id(root, "bos_token_id", &c->bos, err);
    if (rc == GLIM_OK && text) rc = read_id(text, "bos_token_id", &c->bos, err);
    if (rc == GLIM_OK) rc = read_id(root, "pad_token_id", &c->pad, err);
    if (rc == GLIM_OK && text) rc = read_id(text, "pad_token_id", &c->pad, err);
    if (rc != GLIM_OK) return rc;
    bool a = f->arch == GLIM_ARCH_CHATGLM;
    return glim_config_check(c, &(glim_config_names){
        .n_head = "num_attention_heads",
        .n_kv_head = a ? "multi_query_group_num" : "num_key_value_heads",
        .head_dim = a ? "kv_channels" : "head_dim",
        .n_expert = "n_routed_experts", .n_expert_used = "num_experts_per_tok",
        .n_group = "n_group", .topk_group = "topk_group", .first_dense = "first_k_dense_replace"}, err);
}

glim_status glim_config_from_json(glim_config *out, const json_t *config, const json_t *generation,
                                  glim_err *err) {
    glim_config_init(out);
    glim_status rc = read_config(out, config, err);
    if (rc != GLIM_OK) {
        glim_err_context(err, "config.json");
        return rc;
    }
    rc = read_generation(out, generation, err);
    if (rc != GLIM_OK) glim_err_context(err, "generation_config.json");
    return rc;
}

glim_status glim_config_read(glim_config *out, const glim_ckpt *c, glim_err *err) {
    glim_status rc;
    const glim_gguf *g = glim_ckpt_gguf(c);
    if (g) {
        const glim_tensor *embd = glim_ckpt_find(c, "token_embd.weight");
        rc = glim_config_from_gguf(out, g, embd && embd->n_dims == 2 ? embd->dims[0] : 0,
                                   glim_ckpt_find(c, "output.weight") != NULL, err);
    } else if (!glim_ckpt_config(c)) {
        glim_config_init(out);
        rc = glim_fail(err, GLIM_E_NOT_FOUND, "got no config.json beside the weights, want one");
    } else rc = glim_config_from_json(out, glim_ckpt_config(c), glim_ckpt_generation_config(c), err);
    if (rc != GLIM_OK) glim_err_context(err, "%s", glim_ckpt_path(c));
    return rc;
}
