/* start.c - see start.h. */
#include "train/start.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/rng.h"
#include "format/config.h"
#include "format/st.h"
#include "format/sum64.h"
#include "text/tok.h"
#include "train/export.h"
#include "train/start_internal.h"

enum { NAME_CAP = 128, PER_LAYER = 13, CONFIG_MAX = 1 << 20 };

typedef struct tensor {
    char name[NAME_CAP];
    double std, mean;
    uint64_t seed;
    const glim_lookup *lookup; /* NULL: nothing but random values */
    size_t layer;
    const char *part;          /* the name behind the layer */
} tensor;

typedef struct list {
    glim_tensor_out *out;
    tensor *t;
    size_t n;
    uint64_t seed;
    const glim_lookup *lookup;
} list;

static void draw(const tensor *t, glim_rng *rng, float *v, size_t n) {
    for (size_t i = 0; i < n; i++) v[i] = (float)(t->std > 0 ? t->mean + t->std * glim_rng_normal(rng) : t->mean);
}

static glim_status fill(void *ctx, const glim_tensor_out *o, glim_sink *sink, glim_err *err) {
    const tensor *t = ctx;
    float slab[4096];
    size_t n = 1;
    glim_status rc = GLIM_OK;
    for (int d = 0; d < o->n_dims; d++) n *= o->dims[d];
    glim_rng rng = {.seed = t->seed};
    if (t->lookup) {
        void *all;
        rc = glim_try_calloc(&all, n, sizeof(float), "a tensor", err);
        if (rc != GLIM_OK) return rc;
        draw(t, &rng, all, n);
        glim_lookup_fill(t->lookup, t->layer, t->part, all, n);
        rc = glim_sink_write(sink, all, n * sizeof(float), err);
        free(all);
        return rc;
    }
    for (size_t i = 0; i < n && rc == GLIM_OK; i += GLIM_COUNT(slab)) {
        const size_t k = n - i < GLIM_COUNT(slab) ? n - i : GLIM_COUNT(slab);
        draw(t, &rng, slab, k);
        rc = glim_sink_write(sink, slab, k * sizeof *slab, err);
    }
    return rc;
}

/* One tensor of one or two dimensions; std 0: all values are the mean. */
static void put(list *l, const char *name, size_t n_out, size_t n_in, double mean, double std) {
    tensor *t = &l->t[l->n];
    snprintf(t->name, sizeof t->name, "%s", name);
    t->mean = mean, t->std = std;
    t->seed = glim_sum64(l->seed, name, strlen(name));
    glim_tensor_out *o = &l->out[l->n++];
    *o = (glim_tensor_out){.name = t->name, .type = GLIM_F32, .n_dims = n_in ? 2 : 1, .dims = {n_out, n_in}, .fill = fill, .ctx = t};
}

static void put_all(list *l, const glim_config *c, bool bias, double std) {
    const size_t E = c->n_embd, Q = c->n_head * c->head_dim, KV = c->n_kv_head * c->head_dim, F = c->n_ff;
    char name[NAME_CAP];
    put(l, "model.embed_tokens.weight", c->n_vocab, E, 0, std);
    for (size_t i = 0; i < c->n_layer; i++) {
        const struct {
            const char *name;
            size_t n_out, n_in;
            double mean, std;
            bool here;
        } part[] = {{"input_layernorm.weight", E, 0, 1, 0, true},
                    {"self_attn.q_proj.weight", Q, E, 0, std, true},
                    {"self_attn.k_proj.weight", KV, E, 0, std, true},
                    {"self_attn.v_proj.weight", KV, E, 0, std, true},
                    {"self_attn.q_proj.bias", Q, 0, 0, 0, bias},
                    {"self_attn.k_proj.bias", KV, 0, 0, 0, bias},
                    {"self_attn.v_proj.bias", KV, 0, 0, 0, bias},
                    {"self_attn.o_proj.weight", E, Q, 0, std, true},
                    {"post_self_attn_layernorm.weight", E, 0, std, 0, c->sandwich_norms},
                    {"post_attention_layernorm.weight", E, 0, 1, 0, true},
                    {"mlp.gate_up_proj.weight", 2 * F, E, 0, std, true},
                    {"mlp.down_proj.weight", E, F, 0, std, true},
                    {"post_mlp_layernorm.weight", E, 0, std, 0, c->sandwich_norms}};
        _Static_assert(GLIM_COUNT(part) == PER_LAYER, "the list of tensors has room for these");
        for (size_t k = 0; k < PER_LAYER; k++) {
            if (!part[k].here) continue;
            snprintf(name, sizeof name, "model.layers.%zu.%s", i, part[k].name);
            put(l, name, part[k].n_out, part[k].n_in, part[k].mean, part[k].std);
            tensor *t = &l->t[l->n - 1];
            t->lookup = i < 2 ? l->lookup : NULL, t->layer = i, t->part = part[k].name;
        }
    }
    put(l, "model.norm.weight", E, 0, 1, 0);
    if (!c->tie) put(l, "lm_head.weight", c->n_vocab, E, 0, std);
}

/* What the configuration leaves to the tokenizer. */
static glim_status complete(json_t *root, const glim_tok *tok, glim_err *err) {
    static const char *const stops[] = {"<|endoftext|>", "<|user|>", "<|observation|>"};
    const size_t n_tok = glim_tok_n(tok), rounded = (n_tok + 63) / 64 * 64;
    const json_t *v = json_object_get(root, "vocab_size");
    if (!v) json_object_set_new(root, "vocab_size", json_integer((json_int_t)rounded));
    else if (json_is_integer(v) && json_integer_value(v) < (json_int_t)n_tok)
        return glim_fail(err, GLIM_E_ARG, "vocab_size is %lld, the tokenizer has %zu tokens", (long long)json_integer_value(v), n_tok);
    if (!json_object_get(root, "eos_token_id")) {
        json_t *eos = json_array();
        for (size_t i = 0; i < GLIM_COUNT(stops); i++) {
            const int32_t id = glim_tok_find(tok, stops[i]);
            if (id >= 0) json_array_append_new(eos, json_integer(id));
        }
        json_object_set_new(root, "eos_token_id", eos);
    }
    if (!json_object_get(root, "pad_token_id") && glim_tok_eos(tok) >= 0)
        json_object_set_new(root, "pad_token_id", json_integer(glim_tok_eos(tok)));
    json_object_set_new(root, "torch_dtype", json_string("float32"));
    return GLIM_OK;
}

static glim_status check(const glim_config *c, double std, const char *path, glim_err *err) {
    if ((c->arch != GLIM_ARCH_GLM4 && c->arch != GLIM_ARCH_GLM) || c->n_expert)
        return glim_fail(err, GLIM_E_UNSUPPORTED, "%s: a new model can be of class Glm4ForCausalLM or GlmForCausalLM, got \"%s\"", path, c->model_type);
    if (!(std > 0 && std < 10)) return glim_fail(err, GLIM_E_ARG, "%s: initializer_range is %g, want more than 0 and less than 10", path, std);
    return GLIM_OK;
}

static glim_status write_weights(const char *folder, const glim_config *c, bool bias, double std, uint64_t seed, const glim_lookup *lookup, glim_err *err) {
    const size_t cap = 3 + c->n_layer * PER_LAYER;
    void *out = NULL, *t = NULL;
    glim_status rc = glim_try_calloc(&out, cap, sizeof(glim_tensor_out), "a list of tensors", err);
    if (rc == GLIM_OK) rc = glim_try_calloc(&t, cap, sizeof(tensor), "a list of tensors", err);
    if (rc == GLIM_OK) {
        list l = {.out = out, .t = t, .seed = seed, .lookup = lookup};
        put_all(&l, c, bias, std);
        json_t *meta = json_pack("{s:s}", "format", "pt");
        rc = glim_st_write_folder(folder, l.out, l.n, meta, (uint64_t)4 << 30, err);
        json_decref(meta);
    }
    free(out);
    free(t);
    return rc;
}

static glim_status write_config(const char *folder, const json_t *root, glim_err *err) {
    glim_buf b = {0};
    glim_json_dump_py(&b, root, 2, false);
    glim_buf_puts(&b, "\n");
    char *path = glim_path_join(folder, "config.json");
    glim_status rc = glim_buf_status(&b, "config.json", err);
    if (rc == GLIM_OK) rc = glim_file_write_atomic(path, b.s, b.len, err);
    free(path);
    glim_buf_free(&b);
    return rc;
}

glim_status glim_start_model(const char *folder, const char *config, const char *tokenizer, uint64_t seed, glim_err *err) {
    json_t *root = NULL;
    glim_tok *tok = NULL;
    glim_config c;
    glim_lookup *lookup = NULL;
    const char *kind = NULL;
    bool bias = false;
    double std = 0.02;
    glim_status rc = glim_tok_open(&tok, tokenizer, err);
    if (rc == GLIM_OK) rc = glim_json_read(&root, config, CONFIG_MAX, err);
    if (rc == GLIM_OK && !json_is_object(root)) rc = glim_fail(err, GLIM_E_FORMAT, "%s: got %s, want an object", config, glim_json_type_name(root));
    if (rc == GLIM_OK) rc = complete(root, tok, err);
    if (rc == GLIM_OK) rc = glim_config_from_json(&c, root, NULL, err);
    if (rc == GLIM_OK) rc = glim_json_get_bool(root, "attention_bias", false, &bias, err);
    if (rc == GLIM_OK && json_is_number(json_object_get(root, "initializer_range")))
        std = json_number_value(json_object_get(root, "initializer_range"));
    if (rc == GLIM_OK) rc = check(&c, std, config, err);
    if (rc == GLIM_OK) rc = glim_json_get_str(root, "glim_start", NULL, &kind, err);
    if (rc == GLIM_OK && kind && strcmp(kind, "lookup") != 0) rc = glim_fail(err, GLIM_E_ARG, "\"glim_start\" is \"%s\", want \"lookup\" or nothing", kind);
    else if (rc == GLIM_OK && kind && !glim_lookup_possible(&c, bias)) {
        rc = glim_fail(err, GLIM_E_ARG, "\"glim_start\": \"lookup\" does not fit this configuration");
        glim_err_hint(err, "it wants attention_bias, tie_word_embeddings, 3 layers, 2 key heads with 2 query heads each, and 16 dimensions of a head that are not rotated");
    }
    if (rc == GLIM_OK && kind) rc = glim_lookup_new(&lookup, &c, seed, err);
    if (rc == GLIM_OK) rc = glim_mkdirs(folder, err);
    if (rc == GLIM_OK) rc = glim_copy_beside(tokenizer, folder, err);
    if (rc == GLIM_OK) rc = write_config(folder, root, err);
    if (rc == GLIM_OK) rc = write_weights(folder, &c, bias, std, seed, lookup, err); /* last: with it the folder is a model */
    if (rc != GLIM_OK) glim_err_context(err, "a new model of \"%s\"", config);
    glim_lookup_free(lookup);
    json_decref(root);
    glim_tok_free(tok);
    return rc;
}
