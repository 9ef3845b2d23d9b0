/* unpack.c - see unpack.h. Names are those of layout.c read the other way.
 *
 *   ffn_up             gate and up one above the other in Glm and Glm4 (mlp.gate_up_proj), up alone elsewhere
 *   attn_qkv           ChatGLM's fused matrix: cut into the q, k and v of Glm, as its own -hf conversion did
 *   attn_q, attn_k     of architecture llama: rows go from pairs back to halves
 *   rope_freqs         the same: "rope_scaling" of config.json (unpack_rope.c)
 *
 * Every tensor of the file has a place or the file is refused: one that was left out would be a model of other answers. */
#include "compress/unpack.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/json.h"
#include "compress/unpack_internal.h"
#include "format/gguf.h"
#include "format/st.h"
#include "model/model.h"

enum { NAME_CAP = 96 };

typedef struct family {
    glim_arch arch;
    const char *class_name, *model_type;
    bool fused;   /* gate and up are one matrix */
    bool partial; /* "partial_rotary_factor" */
    bool pairs;   /* q and k rotate neighbours in the GGUF, halves in the folder */
    int bias;     /* of q, k and v: -1 none, 1 always, 0 as "attention_bias" says */
} family;

/* "attention_bias" of Llama and Qwen3 gives o_proj a bias too, which GGUF files of theirs do not have. */
static const family families[] = {{GLIM_ARCH_CHATGLM, "GlmForCausalLM", "glm", true, true, false, 0},
                                  {GLIM_ARCH_GLM4, "Glm4ForCausalLM", "glm4", true, true, false, 0},
                                  {GLIM_ARCH_LLAMA, "LlamaForCausalLM", "llama", false, false, true, -1},
                                  {GLIM_ARCH_QWEN2, "Qwen2ForCausalLM", "qwen2", false, false, false, 1},
                                  {GLIM_ARCH_QWEN3, "Qwen3ForCausalLM", "qwen3", false, false, false, -1}};

typedef struct piece { /* one tensor of the folder: rows of one of the GGUF */
    const struct unpack *u;
    const glim_tensor *t;
    size_t row, n_rows, n_in; /* a vector is n_rows of one value */
    bool rotated;
    char name[NAME_CAP];
} piece;

typedef struct unpack {
    const glim_unpack_params *p;
    const family *f;
    glim_model *m;
    piece *pieces;
    glim_tensor_out *out; /* [n] */
    size_t n;
    uint64_t bytes, done;
    bool bias;
    glim_dtype type; /* of most bytes */
} unpack;

/* ---- names ---- */

static const struct {
    const char *gguf, *hf;
} g_top[] = {{"token_embd.weight", "model.embed_tokens.weight"}, {"output_norm.weight", "model.norm.weight"}, {"output.weight", "lm_head.weight"}};

static const struct {
    const char *gguf, *hf;
    int fused; /* -1: only of families without a fused matrix; 1: only of those with it */
    glim_arch only; /* of one family; GLIM_N_ARCH: of all */
} g_layer[] = {{"attn_norm.weight", "input_layernorm.weight", 0, GLIM_N_ARCH},
               {"attn_q.weight", "self_attn.q_proj.weight", 0, GLIM_N_ARCH},
               {"attn_q.bias", "self_attn.q_proj.bias", 0, GLIM_N_ARCH},
               {"attn_k.weight", "self_attn.k_proj.weight", 0, GLIM_N_ARCH},
               {"attn_k.bias", "self_attn.k_proj.bias", 0, GLIM_N_ARCH},
               {"attn_v.weight", "self_attn.v_proj.weight", 0, GLIM_N_ARCH},
               {"attn_v.bias", "self_attn.v_proj.bias", 0, GLIM_N_ARCH},
               {"attn_q_norm.weight", "self_attn.q_norm.weight", 0, GLIM_ARCH_QWEN3},
               {"attn_k_norm.weight", "self_attn.k_norm.weight", 0, GLIM_ARCH_QWEN3},
               {"attn_output.weight", "self_attn.o_proj.weight", 0, GLIM_N_ARCH},
               {"post_attention_norm.weight", "post_self_attn_layernorm.weight", 0, GLIM_ARCH_GLM4},
               {"ffn_norm.weight", "post_attention_layernorm.weight", 0, GLIM_N_ARCH},
               {"ffn_gate.weight", "mlp.gate_proj.weight", -1, GLIM_N_ARCH},
               {"ffn_up.weight", "mlp.up_proj.weight", -1, GLIM_N_ARCH},
               {"ffn_up.weight", "mlp.gate_up_proj.weight", 1, GLIM_N_ARCH},
               {"ffn_down.weight", "mlp.down_proj.weight", 0, GLIM_N_ARCH},
               {"post_ffw_norm.weight", "post_mlp_layernorm.weight", 0, GLIM_ARCH_GLM4}};

static void put(unpack *u, const glim_tensor *t, const char *layer, const char *name, size_t row, size_t n_rows, bool rotated) {
    piece *x = &u->pieces[u->n];
    const bool vector = t->n_dims == 1;
    *x = (piece){.u = u, .t = t, .row = row, .n_rows = n_rows, .n_in = vector ? 1 : t->dims[1], .rotated = rotated && u->f->pairs};
    snprintf(x->name, sizeof x->name, "%s%s", layer, name);
    glim_dtype type = u->p->type >= 0 ? (glim_dtype)u->p->type : t->type == GLIM_F16 || t->type == GLIM_BF16 ? t->type : GLIM_F32;
    u->out[u->n++] = (glim_tensor_out){.name = x->name, .type = type, .n_dims = t->n_dims, .dims = {n_rows, vector ? 0 : t->dims[1]}, .ctx = x};
    u->bytes += n_rows * x->n_in * (type == GLIM_F32 ? 4 : 2);
}

static glim_status place(unpack *u, const glim_tensor *t, glim_err *err) {
    const glim_config *c = &u->m->cfg;
    char layer[48] = "";
    const char *name = t->name;
    if (t->n_dims > 2) return glim_fail(err, GLIM_E_UNSUPPORTED, "tensor \"%s\" has no place in a folder of %s", t->name, u->f->class_name);
    for (size_t i = 0; i < GLIM_COUNT(g_top); i++)
        if (strcmp(name, g_top[i].gguf) == 0) {
            put(u, t, "", g_top[i].hf, 0, t->dims[0], false);
            return GLIM_OK;
        }
    if (c->arch == GLIM_ARCH_LLAMA && strcmp(name, "rope_freqs.weight") == 0) return glim_unpack_rope(&u->m->cfg.rope, t, err);
    if (strncmp(name, "blk.", 4) == 0) {
        char *end;
        snprintf(layer, sizeof layer, "model.layers.%lu.", strtoul(name + 4, &end, 10));
        name = *end == '.' ? end + 1 : end;
    }
    const char *qkv = strncmp(name, "attn_qkv.", 9) == 0 ? name + 9 : NULL;
    if (*layer && qkv && c->arch == GLIM_ARCH_CHATGLM) {
        static const char *const parts[] = {"self_attn.q_proj.", "self_attn.k_proj.", "self_attn.v_proj."};
        const size_t rows[] = {c->n_head * c->head_dim, c->n_kv_head * c->head_dim, c->n_kv_head * c->head_dim};
        for (size_t i = 0, row = 0; i < 3; row += rows[i++]) {
            char part[48];
            snprintf(part, sizeof part, "%s%s", parts[i], qkv);
            put(u, t, layer, part, row, rows[i], false);
        }
        return GLIM_OK;
    }
    for (size_t i = 0; *layer && i < GLIM_COUNT(g_layer); i++) {
        if (strcmp(name, g_layer[i].gguf) != 0 || g_layer[i].fused == (u->f->fused ? -1 : 1)) continue;
        if (g_layer[i].only != GLIM_N_ARCH && g_layer[i].only != c->arch) continue;
        put(u, t, layer, g_layer[i].hf, 0, t->dims[0], strncmp(name, "attn_q.", 7) == 0 || strncmp(name, "attn_k.", 7) == 0);
        return GLIM_OK;
    }
    return glim_fail(err, GLIM_E_UNSUPPORTED, "tensor \"%s\" has no place in a folder of %s", t->name, u->f->class_name);
}

static glim_status check_bias(unpack *u, glim_err *err) {
    size_t n = 0;
    for (size_t i = 0; i < u->n; i++) {
        const char *end = strstr(u->pieces[i].name, ".q_proj.bias");
        n += end && !end[strlen(".q_proj.bias")];
    }
    u->bias = n > 0;
    if (n != 0 && n != u->m->cfg.n_layer)
        return glim_fail(err, GLIM_E_UNSUPPORTED, "%zu of %zu layers have biases of q, k and v, config.json says all or none", n, u->m->cfg.n_layer);
    if ((n && u->f->bias < 0) || (!n && u->f->bias > 0))
        return glim_fail(err, GLIM_E_UNSUPPORTED, "this file has %s of q, k and v, %s has %s", n ? "biases" : "no biases", u->f->class_name, n ? "none" : "some");
    return GLIM_OK;
}

static glim_status place_all(unpack *u, glim_err *err) {
    const glim_ckpt *c = u->m->ckpt;
    const size_t n = glim_ckpt_n_tensors(c);
    void *pieces = NULL, *out = NULL;
    uint64_t of[3] = {0}; /* f32, f16, bf16 */
    glim_status rc = glim_try_calloc(&pieces, 3 * n, sizeof *u->pieces, "the list of tensors", err);
    if (rc == GLIM_OK) rc = glim_try_calloc(&out, 3 * n, sizeof *u->out, "the list of tensors", err);
    u->pieces = pieces, u->out = out;
    for (size_t i = 0; rc == GLIM_OK && i < n; i++) rc = place(u, glim_ckpt_tensor(c, i), err);
    if (rc == GLIM_OK) rc = check_bias(u, err);
    if (rc != GLIM_OK) return rc;
    for (size_t i = 0; i < u->n; i++) of[u->out[i].type == GLIM_F16 ? 1 : u->out[i].type == GLIM_BF16 ? 2 : 0] += u->pieces[i].n_rows * u->pieces[i].n_in;
    u->type = of[2] > of[0] && of[2] >= of[1] ? GLIM_BF16 : of[1] > of[0] ? GLIM_F16 : GLIM_F32;
    return GLIM_OK;
}

/* ---- config.json ---- */

/* GGUF has floats: the shortest decimal that is this one, so that 1e-05 does not become 9.999999747378752e-06. */
static json_t *real(double v) {
    char text[40];
    for (int digits = 6; digits < 18; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if ((float)strtod(text, NULL) == (float)v) break;
    }
    return json_real(strtod(text, NULL));
}

static void put_ids(json_t *o, const glim_config *c) {
    json_t *eos = json_array();
    for (size_t i = 0; i < c->n_eos; i++) json_array_append_new(eos, json_integer(c->eos[i]));
    if (c->bos >= 0) json_object_set_new(o, "bos_token_id", json_integer(c->bos));
    json_object_set_new(o, "eos_token_id", eos);
    if (c->pad >= 0) json_object_set_new(o, "pad_token_id", json_integer(c->pad));
}

static json_t *config_of(const unpack *u) {
    const glim_config *c = &u->m->cfg;
    const glim_rope_config *r = &c->rope;
    json_t *o = json_object();
    const struct {
        const char *key;
        size_t v;
    } counts[] = {{"vocab_size", c->n_vocab}, {"hidden_size", c->n_embd}, {"intermediate_size", c->n_ff}, {"num_hidden_layers", c->n_layer},
                  {"num_attention_heads", c->n_head}, {"num_key_value_heads", c->n_kv_head}, {"head_dim", c->head_dim}, {"max_position_embeddings", c->max_ctx}};
    json_object_set_new(o, "architectures", json_pack("[s]", u->f->class_name));
    json_object_set_new(o, "model_type", json_string(u->f->model_type));
    for (size_t i = 0; i < GLIM_COUNT(counts); i++) json_object_set_new(o, counts[i].key, json_integer((json_int_t)counts[i].v));
    json_object_set_new(o, "hidden_act", json_string("silu"));
    if (u->f->bias <= 0) json_object_set_new(o, "attention_bias", json_boolean(u->bias));
    json_object_set_new(o, "attention_dropout", json_real(0));
    json_object_set_new(o, "rms_norm_eps", real((double)c->eps));
    json_object_set_new(o, "tie_word_embeddings", json_boolean(u->m->tied));
    json_object_set_new(o, "rope_theta", real(r->theta));
    if (u->f->partial) json_object_set_new(o, "partial_rotary_factor", json_real((double)r->n_rot / (double)c->head_dim));
    if (r->scaling == GLIM_ROPE_LINEAR) json_object_set_new(o, "rope_scaling", json_pack("{s:s, s:o}", "rope_type", "linear", "factor", real(r->factor)));
    if (r->scaling == GLIM_ROPE_YARN) {
        json_t *s = json_pack("{s:s, s:o, s:I, s:o, s:o}", "rope_type", "yarn", "factor", real(r->factor), "original_max_position_embeddings", (json_int_t)r->original_ctx,
                              "beta_fast", real(r->beta_fast), "beta_slow", real(r->beta_slow));
        if (r->attention_factor > 0) json_object_set_new(s, "attention_factor", real(r->attention_factor));
        json_object_set_new(o, "rope_scaling", s);
    }
    if (r->scaling == GLIM_ROPE_LLAMA3)
        json_object_set_new(o, "rope_scaling", json_pack("{s:s, s:o, s:o, s:o, s:I}", "rope_type", "llama3", "factor", real(r->factor), "low_freq_factor", real(r->low_freq_factor),
                                                         "high_freq_factor", real(r->high_freq_factor), "original_max_position_embeddings", (json_int_t)r->original_ctx));
    put_ids(o, c);
    json_object_set_new(o, "use_cache", json_true());
    json_object_set_new(o, "torch_dtype", json_string(u->type == GLIM_BF16 ? "bfloat16" : u->type == GLIM_F16 ? "float16" : "float32"));
    return o;
}

static json_t *generation_of(const glim_config *c) {
    json_t *o = json_object();
    put_ids(o, c);
    if (c->temperature > 0) json_object_set_new(o, "do_sample", json_true()); /* else transformers leaves the rest aside */
    if (c->temperature >= 0) json_object_set_new(o, "temperature", real(c->temperature));
    if (c->top_p > 0) json_object_set_new(o, "top_p", real(c->top_p));
    if (c->top_k >= 0) json_object_set_new(o, "top_k", json_integer(c->top_k));
    if (c->min_p >= 0) json_object_set_new(o, "min_p", real(c->min_p));
    if (c->repetition_penalty > 0) json_object_set_new(o, "repetition_penalty", real(c->repetition_penalty));
    return o;
}

/* Whether what was written says what the GGUF said. */
static glim_status compare(const unpack *u, const json_t *config, const json_t *generation, glim_err *err) {
    const glim_config *a = &u->m->cfg;
    glim_config b;
    glim_status rc = glim_config_from_json(&b, config, generation, err);
    if (rc != GLIM_OK) return rc;
    const glim_rope_config *x = &a->rope, *y = &b.rope;
    const struct {
        const char *what;
        double a, b;
    } all[] = {{"embedding_length", (double)a->n_embd, (double)b.n_embd},
               {"block_count", (double)a->n_layer, (double)b.n_layer},
               {"attention.head_count", (double)a->n_head, (double)b.n_head},
               {"attention.head_count_kv", (double)a->n_kv_head, (double)b.n_kv_head},
               {"attention.key_length", (double)a->head_dim, (double)b.head_dim},
               {"feed_forward_length", (double)a->n_ff, (double)b.n_ff},
               {"context_length", (double)a->max_ctx, (double)b.max_ctx},
               {"attention.layer_norm_rms_epsilon", (double)a->eps, (double)b.eps},
               {"rope.freq_base", (double)(float)x->theta, (double)(float)y->theta},
               {"rope.dimension_count", (double)x->n_rot, (double)y->n_rot},
               {"rope.dimension_sections", x->interleaved, y->interleaved || u->f->pairs},
               {"rope.scaling.type", x->scaling, y->scaling},
               {"rope.scaling.factor", (double)(float)x->factor, (double)(float)y->factor},
               {"rope.scaling.original_context_length", x->scaling ? (double)x->original_ctx : 0, y->scaling ? (double)y->original_ctx : 0},
               {"rope.scaling.attn_factor", (double)(float)x->attention_factor, (double)(float)y->attention_factor},
               {"expert_count", (double)a->n_expert, (double)b.n_expert},
               {"nextn_predict_layers", (double)a->n_mtp, (double)b.n_mtp},
               {"eos_token_id", (double)a->n_eos, (double)b.n_eos}};
    for (size_t i = 0; i < GLIM_COUNT(all); i++)
        if (all[i].a != all[i].b)
            return glim_fail(err, GLIM_E_UNSUPPORTED, "\"%s\" is %.9g, which config.json of %s cannot say (it would be %.9g)", all[i].what, all[i].a, u->f->class_name, all[i].b);
    return GLIM_OK;
}

static glim_status write_json(const char *folder, const char *name, const json_t *o, glim_err *err) {
    glim_buf b = {0};
    char *path = glim_path_join(folder, name);
    glim_json_dump_py(&b, o, 2, false);
    glim_buf_puts(&b, "\n");
    glim_status rc = glim_buf_status(&b, name, err);
    if (rc == GLIM_OK) rc = glim_file_write_atomic(path, b.s, b.len, err);
    free(path);
    glim_buf_free(&b);
    return rc;
}

/* ---- weights ---- */

/* Row of the GGUF in which row i of the folder's q or k lies. */
static size_t source_row(const glim_config *c, size_t i) {
    const size_t head = i / c->head_dim, at = i % c->head_dim, half = c->rope.n_rot / 2;
    if (at >= c->rope.n_rot) return i;
    return head * c->head_dim + (at < half ? 2 * at : 2 * (at - half) + 1);
}

static glim_status fill_rows(const piece *x, glim_dtype type, glim_sink *sink, void *row, void *out, glim_err *err) {
    const glim_tensor *t = x->t;
    unpack *u = (unpack *)(uintptr_t)x->u;
    const size_t n = x->n_in, size = n * (type == GLIM_F32 ? 4 : 2), row_bytes = t->n_bytes / t->dims[0];
    glim_status rc = GLIM_OK;
    for (size_t i = 0; i < x->n_rows && rc == GLIM_OK; i++) {
        const size_t from = x->row + (x->rotated ? source_row(&u->m->cfg, i) : i);
        glim_dequant(t->type, (const char *)t->data + from * row_bytes, row, n);
        glim_quant_simple(type, row, out, n);
        for (size_t j = 0; j < n && type == GLIM_F16; j++) { /* the one type that may be too narrow */
            const uint16_t h = ((const uint16_t *)out)[j];
            if ((h & 0x7c00) != 0x7c00 || !isfinite(((const float *)row)[j])) continue;
            return glim_fail(err, GLIM_E_FORMAT, "tensor \"%s\", row %zu: %g is too large for f16", t->name, from, (double)((const float *)row)[j]);
        }
        rc = glim_sink_write(sink, out, size, err);
        u->done += size;
        if ((i & 255) == 0 && rc == GLIM_OK && u->p->progress && !u->p->progress(u->p->ctx, u->done, u->bytes)) rc = glim_fail(err, GLIM_E_CANCELLED, "stopped");
    }
    return rc;
}

static glim_status fill(void *ctx, const glim_tensor_out *o, glim_sink *sink, glim_err *err) {
    const piece *x = ctx;
    void *row = NULL, *out = NULL;
    glim_status rc = glim_try_calloc(&row, x->n_in, sizeof(float), "a row of weights", err);
    if (rc == GLIM_OK) rc = glim_try_calloc(&out, x->n_in, sizeof(float), "a row of weights", err);
    if (rc == GLIM_OK) rc = fill_rows(x, o->type, sink, row, out, err);
    free(row);
    free(out);
    if (x->row + x->n_rows == x->t->dims[0]) glim_ckpt_drop(x->u->m->ckpt, x->t);
    return rc;
}

static glim_status check_room(const unpack *u, const char *folder, glim_err *err) {
    const struct glim_gguf *g = glim_ckpt_gguf(u->m->ckpt);
    uint64_t room = 0, need = u->bytes + (1 << 20);
    for (size_t i = 0; i < glim_gguf_n_keys(g); i++) need += 6 * (uint64_t)glim_gguf_key(g, i)->n_bytes; /* as JSON, tokens have line breaks and quotes */
    glim_status rc = glim_disk_room(folder, &room, err);
    if (rc != GLIM_OK) return rc;
    if (u->p->on_disk) u->p->on_disk(u->p->ctx, need, room);
    if (need <= room) return GLIM_OK;
    return glim_fail(err, GLIM_E_IO, "\"%s\" needs %.2f GiB and %.2f GiB are free", folder, (double)need / 1073741824.0, (double)room / 1073741824.0);
}

static bool is_weights(const char *name) {
    static const char head[] = "model", tail[] = ".safetensors";
    const size_t n = strlen(name);
    return strcmp(name, "model.safetensors.index.json") == 0 ||
           (strncmp(name, head, sizeof head - 1) == 0 && n >= sizeof tail - 1 && strcmp(name + n - (sizeof tail - 1), tail) == 0);
}

/* The model of a folder: another's, before this one comes, and this one's, if it does not. A file that stayed would be read with the new ones. */
static void remove_model(const char *folder) {
    static const char *const names[] = {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja",
                                        "chat_template.json", "tokenizer.model", "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt"};
    DIR *d = opendir(folder);
    if (!d) return;
    for (struct dirent *e; (e = readdir(d));)
        if (is_weights(e->d_name)) unlinkat(dirfd(d), e->d_name, 0);
    for (size_t i = 0; i < GLIM_COUNT(names); i++) unlinkat(dirfd(d), names[i], 0);
    closedir(d);
}

static glim_status write_folder(unpack *u, const char *folder, glim_err *err) {
    const bool there = glim_path_exists(folder);
    json_t *config = config_of(u), *generation = generation_of(&u->m->cfg), *meta = json_pack("{s:s}", "format", "pt");
    glim_status rc = compare(u, config, generation, err);
    if (rc == GLIM_OK) rc = check_room(u, folder, err);
    const bool begun = rc == GLIM_OK;
    if (rc == GLIM_OK) rc = glim_mkdirs(folder, err);
    if (rc == GLIM_OK) remove_model(folder);
    if (rc == GLIM_OK) rc = glim_unpack_vocab(folder, u->m->ckpt, u->m->cfg.arch <= GLIM_ARCH_GLM4_MOE, err);
    if (rc == GLIM_OK) rc = write_json(folder, "generation_config.json", generation, err);
    if (rc == GLIM_OK) rc = write_json(folder, "config.json", config, err);
    for (size_t i = 0; i < u->n; i++) u->out[i].fill = fill;
    if (rc == GLIM_OK) rc = glim_st_write_folder(folder, u->out, u->n, meta, u->p->shard_bytes, err);
    if (rc != GLIM_OK && begun) remove_model(folder);
    if (rc != GLIM_OK && !there) rmdir(folder);
    json_decref(config);
    json_decref(generation);
    json_decref(meta);
    return rc;
}

glim_status glim_unpack(const char *gguf, const char *folder, const glim_unpack_params *p, glim_unpack_result *out, glim_err *err) {
    unpack u = {.p = p};
    glim_ckpt *c = NULL;
    *out = (glim_unpack_result){0};
    glim_status rc = glim_ckpt_open(&c, gguf, err);
    if (rc != GLIM_OK) return rc;
    if (glim_ckpt_kind_of(c) != GLIM_CKPT_GGUF) {
        rc = glim_fail(err, GLIM_E_UNSUPPORTED, "\"%s\" is no GGUF", gguf);
        glim_ckpt_close(c);
        return rc;
    }
    rc = glim_model_inspect(&u.m, c, &(glim_model_params){0}, err);
    for (size_t i = 0; rc == GLIM_OK && i < GLIM_COUNT(families); i++)
        if (families[i].arch == u.m->cfg.arch) u.f = &families[i];
    if (rc == GLIM_OK && !u.f)
        rc = glim_fail(err, GLIM_E_UNSUPPORTED, "\"%s\" is of architecture %s: want chatglm, glm4, llama, qwen2 or qwen3", gguf, glim_arch_name(u.m->cfg.arch));
    if (rc == GLIM_OK) rc = place_all(&u, err);
    if (rc == GLIM_OK) rc = write_folder(&u, folder, err);
    if (rc == GLIM_OK) *out = (glim_unpack_result){u.n, u.f->class_name, u.bytes};
    free(u.pieces);
    free(u.out);
    glim_model_free(u.m);
    return rc;
}
