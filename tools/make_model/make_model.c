/* make_model.c - GGUF files of true shapes with random weights, for measuring where no checkpoint is at hand.
 *
 *   make_model SHAPE --type TYPE --out FILE [--head TYPE] [--layers N] [--shrink K] [--seed N]
 *
 *   SHAPE  glm-4-9b-0414, glm-4.5-air or smollm2-135m
 *   TYPE   q4_0, q4_k, q8_0 or bf16 for the matrices; norms, biases and routers are f32. Rows that K-types cannot
 *          hold become q5_0, as llama.cpp's quantizer has it (q6_k: q8_0)
 *
 * Speed does not depend on what weights say as long as nothing is a NaN, an infinity or a subnormal, so
 * blocks are random bits under scales that give each matrix a variance of 1 / n_in: logits come out near
 * a standard normal, and attention and routing are neither flat nor pointed. The vocabulary is 256 bytes,
 * a few pairs and the control tokens in their true places; the rest is unused. It cannot say anything:
 * nobody trained it.
 *
 * Same arguments, same bytes. Tensors are streamed: memory holds one slab. */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "format/gguf.h"
#include "tensor/dtype.h"

typedef struct shape {
    const char *name, *arch, *pre, *title;
    size_t n_layer, n_embd, n_ff, n_head, n_kv_head, head_dim, n_rot, n_vocab, max_ctx;
    double theta;
    size_t n_expert, n_used, n_ff_expert, n_dense; /* experts: 0 if there are none */
    bool bias, tied;
    size_t first_special;
} shape;

static const shape shapes[] = {
    {.name = "glm-4-9b-0414", .arch = "glm4", .pre = "glm4", .title = "GLM-4-9B-0414", .n_layer = 40, .n_embd = 4096, .n_ff = 13696,
     .n_head = 32, .n_kv_head = 2, .head_dim = 128, .n_rot = 64, .n_vocab = 151552, .max_ctx = 32768, .theta = 1e4, .bias = true,
     .first_special = 151329},
    {.name = "glm-4.5-air", .arch = "glm4moe", .pre = "glm4", .title = "GLM-4.5-Air", .n_layer = 46, .n_embd = 4096, .n_ff = 10944,
     .n_head = 96, .n_kv_head = 8, .head_dim = 128, .n_rot = 64, .n_vocab = 151552, .max_ctx = 131072, .theta = 1e6, .bias = true,
     .n_expert = 128, .n_used = 8, .n_ff_expert = 1408, .n_dense = 1, .first_special = 151329},
    {.name = "smollm2-135m", .arch = "llama", .pre = "smollm", .title = "SmolLM2-135M", .n_layer = 30, .n_embd = 576, .n_ff = 1536,
     .n_head = 9, .n_kv_head = 3, .head_dim = 64, .n_rot = 64, .n_vocab = 49152, .max_ctx = 8192, .theta = 1e5, .tied = true},
};

static const char *const glm_specials[] = {"<|endoftext|>", "[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>", "<|system|>",
                                           "<|user|>", "<|assistant|>", "<|observation|>"};
static const char *const smol_specials[] = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"};

typedef struct tensor {
    glim_tensor_out t;
    char name[64];
    float sigma, mean; /* of the values */
    uint64_t seed;
} tensor;

typedef struct maker {
    shape s;
    glim_dtype type, head;
    uint64_t seed;
    tensor *v; /* [n] */
    size_t n, cap;
    double n_values, n_bytes;
} maker;

/* ---- random blocks ---- */

static inline uint64_t next(uint64_t *x) { /* splitmix64 */
    uint64_t z = *x += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static void put16(uint8_t *p, uint16_t h) { memcpy(p, &h, sizeof h); }

enum { SLAB = 4096, SCALES = 64 }; /* blocks pushed at once; different scales in use */

/* Standard deviation of what a block type holds with uniform bits and a scale of 1, dmin = 7.5 d for q4_k
 * so that its mean is near 0. */
static double unit_sigma(glim_dtype t) {
    switch (t) {
    case GLIM_Q4_0: return 4.61;
    case GLIM_Q5_0: return 9.23;
    case GLIM_Q8_0: return 73.6;
    case GLIM_Q4_K: return 258;
    case GLIM_Q6_K: return 1365;
    default: return 1;
    }
}

static glim_status fill(void *ctx, const glim_tensor_out *out, glim_sink *sink, glim_err *err) {
    const tensor *t = ctx;
    const glim_dtype_info *d = glim_dtype_of(out->type);
    size_t n = 1;
    for (int i = 0; i < out->n_dims; i++) n *= out->dims[i];
    const size_t per = d->is_quant ? 1 : 256; /* plain types: 256 values at a time */
    const size_t unit = per * d->block_bytes, n_units = d->is_quant ? n / d->block_len : (n + per - 1) / per;
    void *mem;
    glim_status rc = glim_try_calloc(&mem, SLAB, unit, "a slab of weights", err);
    if (rc != GLIM_OK) return rc;
    uint8_t *slab = mem;
    uint64_t x = t->seed;
    uint16_t scale[SCALES], low[SCALES];
    for (int i = 0; i < SCALES; i++) { /* within a quarter of the mean */
        double s = t->sigma / unit_sigma(out->type) * (0.75 + 0.5 * i / (SCALES - 1));
        scale[i] = glim_f32_to_f16((float)s);
        low[i] = glim_f32_to_f16((float)(7.5 * s));
    }
    const float step = t->sigma * 3.4641016f / 65536; /* uniform: sqrt(12) wide */
    for (size_t at = 0; at < n_units && rc == GLIM_OK; at += SLAB) {
        const size_t k = n_units - at < SLAB ? n_units - at : SLAB;
        size_t bytes = k * unit;
        if (d->is_quant) {
            for (size_t i = 0; i + 8 <= bytes + 7; i += 8) {
                const uint64_t r = next(&x);
                memcpy(slab + i, &r, bytes - i < 8 ? bytes - i : 8);
            }
            for (size_t i = 0; i < k; i++) {
                uint8_t *b = slab + i * unit;
                const size_t which = (b[unit / 2] ^ b[unit / 3]) % SCALES;
                put16(out->type == GLIM_Q6_K ? b + 208 : b, scale[which]);
                if (out->type == GLIM_Q4_K) put16(b + 2, low[which]);
                /* -128 is not among the values that a quantizer writes. */
                for (size_t j = 2; out->type == GLIM_Q8_0 && j < unit; j++)
                    if (b[j] == 0x80) b[j] = 0x81;
                for (size_t j = 192; out->type == GLIM_Q6_K && j < 208; j++)
                    if (b[j] == 0x80) b[j] = 0x81;
            }
        } else {
            const size_t first = at * per, m = n - first < k * per ? n - first : k * per;
            bytes = m * d->block_bytes;
            uint64_t r = 0;
            for (size_t i = 0; i < m; i++, r >>= 16) {
                if (i % 4 == 0) r = next(&x);
                const float v = t->mean + step * ((float)(r & 0xffff) - 32767.5f);
                if (out->type == GLIM_BF16) put16(slab + 2 * i, glim_f32_to_bf16(v));
                else memcpy(slab + 4 * i, &v, sizeof v);
            }
        }
        rc = glim_sink_write(sink, slab, bytes, err);
    }
    free(mem);
    return rc;
}

/* ---- tensors ---- */

static glim_dtype fitting(glim_dtype t, size_t n_in) {
    if (n_in % glim_dtype_of(t)->block_len == 0) return t;
    return t == GLIM_Q6_K ? GLIM_Q8_0 : GLIM_Q5_0;
}

static void add(maker *m, const char *name, glim_dtype type, float sigma, float mean, size_t d0, size_t d1, size_t d2) {
    GLIM_ASSERT(m->n < m->cap);
    tensor *t = &m->v[m->n];
    snprintf(t->name, sizeof t->name, "%s", name);
    t->sigma = sigma;
    t->mean = mean;
    t->seed = m->seed * 0x100000001b3u + m->n++;
    t->t = (glim_tensor_out){.name = t->name, .fill = fill, .ctx = t};
    const size_t dims[] = {d0, d1, d2};
    size_t n = 1;
    for (int i = 0; i < 3; i++)
        if (dims[i]) t->t.dims[t->t.n_dims++] = dims[i], n *= dims[i];
    t->t.type = fitting(type, t->t.dims[t->t.n_dims - 1]);
    m->n_values += (double)n;
    m->n_bytes += (double)n / glim_dtype_of(t->t.type)->block_len * glim_dtype_of(t->t.type)->block_bytes;
}

/* y = x W^T keeps the size of x. */
static void matrix(maker *m, const char *name, glim_dtype type, size_t n_stack, size_t n_out, size_t n_in) {
    const float sigma = (float)(1 / sqrt((double)n_in));
    if (n_stack) add(m, name, type, sigma, 0, n_stack, n_out, n_in);
    else add(m, name, type, sigma, 0, n_out, n_in, 0);
}

static const char *blk(size_t i, const char *what) {
    static char s[64];
    snprintf(s, sizeof s, "blk.%zu.%s", i, what);
    return s;
}

static void norm(maker *m, const char *name) { add(m, name, GLIM_F32, 0.05f, 1, m->s.n_embd, 0, 0); }

static void layer(maker *m, size_t i) {
    const shape *s = &m->s;
    const size_t q = s->n_head * s->head_dim, kv = s->n_kv_head * s->head_dim, h = s->n_embd;
    const bool glm4 = strcmp(s->arch, "glm4") == 0, moe = s->n_expert && i >= s->n_dense;
    norm(m, blk(i, "attn_norm.weight"));
    matrix(m, blk(i, "attn_q.weight"), m->type, 0, q, h);
    matrix(m, blk(i, "attn_k.weight"), m->type, 0, kv, h);
    matrix(m, blk(i, "attn_v.weight"), m->type, 0, kv, h);
    if (s->bias) {
        add(m, blk(i, "attn_q.bias"), GLIM_F32, 0.02f, 0, q, 0, 0);
        add(m, blk(i, "attn_k.bias"), GLIM_F32, 0.02f, 0, kv, 0, 0);
        add(m, blk(i, "attn_v.bias"), GLIM_F32, 0.02f, 0, kv, 0, 0);
    }
    matrix(m, blk(i, "attn_output.weight"), m->type, 0, h, q);
    if (glm4 || s->n_expert) norm(m, blk(i, "post_attention_norm.weight")); /* glm4moe: the norm before the MLP */
    if (!s->n_expert) norm(m, blk(i, "ffn_norm.weight"));
    if (moe) {
        matrix(m, blk(i, "ffn_gate_inp.weight"), GLIM_F32, 0, s->n_expert, h);
        add(m, blk(i, "exp_probs_b.bias"), GLIM_F32, 0.01f, 0, s->n_expert, 0, 0);
        matrix(m, blk(i, "ffn_gate_exps.weight"), m->type, s->n_expert, s->n_ff_expert, h);
        matrix(m, blk(i, "ffn_up_exps.weight"), m->type, s->n_expert, s->n_ff_expert, h);
        matrix(m, blk(i, "ffn_down_exps.weight"), m->type, s->n_expert, h, s->n_ff_expert);
        matrix(m, blk(i, "ffn_gate_shexp.weight"), m->type, 0, s->n_ff_expert, h);
        matrix(m, blk(i, "ffn_up_shexp.weight"), m->type, 0, s->n_ff_expert, h);
        matrix(m, blk(i, "ffn_down_shexp.weight"), m->type, 0, h, s->n_ff_expert);
        return;
    }
    if (!glm4) matrix(m, blk(i, "ffn_gate.weight"), m->type, 0, s->n_ff, h);
    matrix(m, blk(i, "ffn_up.weight"), m->type, 0, glm4 ? 2 * s->n_ff : s->n_ff, h); /* glm4: gate and up in one */
    matrix(m, blk(i, "ffn_down.weight"), m->type, 0, h, s->n_ff);
    if (glm4) norm(m, blk(i, "post_ffw_norm.weight"));
}

/* ---- keys ---- */

static glim_status key_int(glim_gguf_writer *w, const shape *s, const char *key, size_t v, glim_err *err) {
    char k[96];
    snprintf(k, sizeof k, "%s.%s", s->arch, key);
    return glim_gguf_put_int(w, k, GLIM_GGUF_U32, (int64_t)v, err);
}
static glim_status key_real(glim_gguf_writer *w, const shape *s, const char *key, double v, glim_err *err) {
    char k[96];
    snprintf(k, sizeof k, "%s.%s", s->arch, key);
    return glim_gguf_put_real(w, k, GLIM_GGUF_F32, v, err);
}
static glim_status key_str(glim_gguf_writer *w, const char *key, const char *v, glim_err *err) {
    return glim_gguf_put_str(w, key, v, strlen(v), err);
}

#define TRY(call)                          \
    do {                                   \
        glim_status rc_ = (call);          \
        if (rc_ != GLIM_OK) return rc_;    \
    } while (0)

static glim_status put_keys(glim_gguf_writer *w, const maker *m, glim_err *err) {
    const shape *s = &m->s;
    const int file_type = m->type == GLIM_Q4_0 ? 2 : m->type == GLIM_Q8_0 ? 7 : m->type == GLIM_Q4_K ? 15 : 32;
    char title[96];
    snprintf(title, sizeof title, "%s, random weights", s->title);
    TRY(key_str(w, "general.architecture", s->arch, err));
    TRY(key_str(w, "general.type", "model", err));
    TRY(key_str(w, "general.name", title, err));
    TRY(glim_gguf_put_int(w, "general.file_type", GLIM_GGUF_U32, file_type, err));
    TRY(glim_gguf_put_int(w, "general.quantization_version", GLIM_GGUF_U32, 2, err));
    TRY(key_int(w, s, "block_count", s->n_layer, err));
    TRY(key_int(w, s, "context_length", s->max_ctx, err));
    TRY(key_int(w, s, "embedding_length", s->n_embd, err));
    TRY(key_int(w, s, "feed_forward_length", s->n_ff, err));
    TRY(key_int(w, s, "attention.head_count", s->n_head, err));
    TRY(key_int(w, s, "attention.head_count_kv", s->n_kv_head, err));
    TRY(key_int(w, s, "attention.key_length", s->head_dim, err));
    TRY(key_int(w, s, "attention.value_length", s->head_dim, err));
    TRY(key_real(w, s, "attention.layer_norm_rms_epsilon", 1e-5, err));
    TRY(key_int(w, s, "rope.dimension_count", s->n_rot, err));
    TRY(key_real(w, s, "rope.freq_base", s->theta, err));
    TRY(key_int(w, s, "vocab_size", s->n_vocab, err));
    if (!s->n_expert) return GLIM_OK;
    TRY(key_int(w, s, "expert_count", s->n_expert, err));
    TRY(key_int(w, s, "expert_used_count", s->n_used, err));
    TRY(key_int(w, s, "expert_feed_forward_length", s->n_ff_expert, err));
    TRY(key_int(w, s, "expert_shared_count", 1, err));
    TRY(key_int(w, s, "expert_group_count", 1, err));
    TRY(key_int(w, s, "expert_group_used_count", 1, err));
    TRY(key_int(w, s, "leading_dense_block_count", s->n_dense, err));
    TRY(key_int(w, s, "expert_gating_func", 2, err)); /* sigmoid */
    TRY(key_real(w, s, "expert_weights_scale", 1, err));
    TRY(glim_gguf_put_int(w, "glm4moe.expert_weights_norm", GLIM_GGUF_BOOL, 1, err));
    return key_int(w, s, "nextn_predict_layers", 0, err);
}

/* GPT-2's alphabet: a byte as the character that stands for it. */
static size_t byte_char(char out[3], unsigned b) {
    unsigned c = b, n = 0;
    if (b < 33 || (b > 126 && b < 161) || b == 173) {
        for (unsigned i = 0; i < b; i++) n += i < 33 || (i > 126 && i < 161) || i == 173;
        c = 256 + n;
    }
    if (c < 128) {
        out[0] = (char)c;
        return 1;
    }
    out[0] = (char)(0xc0 | c >> 6);
    out[1] = (char)(0x80 | (c & 63));
    return 2;
}

enum { N_BYTES = 256, N_PAIRS = 26 }; /* pairs: a space and a small letter */

static glim_status put_vocab(glim_gguf_writer *w, const shape *s, glim_err *err) {
    const bool smol = strcmp(s->arch, "llama") == 0;
    const char *const *special = smol ? smol_specials : glm_specials;
    const size_t n_special = smol ? GLIM_COUNT(smol_specials) : GLIM_COUNT(glm_specials), n = s->n_vocab;
    const size_t base = s->first_special == 0 ? n_special : 0; /* id of byte 0 */
    enum { TEXT = 24 };
    void *mem_text, *mem_tok = NULL, *mem_type = NULL;
    glim_status rc = glim_try_calloc(&mem_text, n + N_PAIRS, TEXT, "the vocabulary", err);
    if (rc == GLIM_OK) rc = glim_try_calloc(&mem_tok, n, sizeof(glim_gguf_text), "the vocabulary", err);
    if (rc == GLIM_OK) rc = glim_try_calloc(&mem_type, n, sizeof(int32_t), "the vocabulary", err);
    char (*text)[TEXT] = mem_text;
    glim_gguf_text *tok = mem_tok, merges[N_PAIRS];
    int32_t *type = mem_type;
    for (size_t i = 0; i < n && rc == GLIM_OK; i++) {
        size_t len;
        type[i] = 1; /* normal */
        if (i >= s->first_special && i < s->first_special + n_special) {
            len = (size_t)snprintf(text[i], TEXT, "%s", special[i - s->first_special]);
            type[i] = 3; /* control */
        } else if (i >= base && i < base + N_BYTES) len = byte_char(text[i], (unsigned)(i - base));
        else if (i >= base + N_BYTES && i < base + N_BYTES + N_PAIRS) {
            const char letter = (char)('a' + (char)(i - base - N_BYTES));
            len = byte_char(text[i], ' ');
            text[i][len++] = letter;
            char *line = text[n + i - base - N_BYTES];
            const size_t k = byte_char(line, ' ');
            line[k] = ' ';
            line[k + 1] = letter;
            merges[i - base - N_BYTES] = (glim_gguf_text){line, k + 2};
        } else {
            len = (size_t)snprintf(text[i], TEXT, "[PAD%zu]", i);
            type[i] = 5; /* unused */
        }
        tok[i] = (glim_gguf_text){text[i], len};
    }
    const int64_t end = (int64_t)s->first_special;
    if (rc == GLIM_OK) rc = key_str(w, "tokenizer.ggml.model", "gpt2", err);
    if (rc == GLIM_OK) rc = key_str(w, "tokenizer.ggml.pre", s->pre, err);
    if (rc == GLIM_OK) rc = glim_gguf_put_strs(w, "tokenizer.ggml.tokens", tok, n, err);
    if (rc == GLIM_OK) rc = glim_gguf_put_array(w, "tokenizer.ggml.token_type", GLIM_GGUF_I32, type, n, err);
    if (rc == GLIM_OK) rc = glim_gguf_put_strs(w, "tokenizer.ggml.merges", merges, N_PAIRS, err);
    if (rc == GLIM_OK) rc = glim_gguf_put_int(w, "tokenizer.ggml.bos_token_id", GLIM_GGUF_U32, smol ? end + 1 : end, err);
    if (rc == GLIM_OK) rc = glim_gguf_put_int(w, "tokenizer.ggml.eos_token_id", GLIM_GGUF_U32, smol ? end + 2 : end, err);
    if (rc == GLIM_OK) rc = glim_gguf_put_int(w, "tokenizer.ggml.padding_token_id", GLIM_GGUF_U32, end, err);
    if (rc == GLIM_OK && !smol) rc = glim_gguf_put_int(w, "tokenizer.ggml.eot_token_id", GLIM_GGUF_U32, end + 7, err);
    if (rc == GLIM_OK) rc = glim_gguf_put_int(w, "tokenizer.ggml.add_bos_token", GLIM_GGUF_BOOL, 0, err);
    free(mem_text);
    free(mem_tok);
    free(mem_type);
    return rc;
}

/* ---- the whole ---- */

static size_t shrunk(size_t n, size_t k, size_t multiple) {
    size_t v = (n / k + multiple - 1) / multiple * multiple;
    return v < multiple ? multiple : v;
}

/* Smaller in width, alike in kind: an FFN that is an odd multiple of 32 stays one. */
static void shrink(shape *s, size_t k) {
    s->n_embd = shrunk(s->n_embd, k, s->n_embd % 256 == 0 ? 256 : 64);
    s->n_ff = shrunk(s->n_ff, k, s->n_ff % 256 == 0 ? 256 : 64) + (s->n_ff % 256 ? 32 : 0);
    s->n_head = shrunk(s->n_head, k, s->n_kv_head);
    if (s->n_expert) {
        s->n_ff_expert = shrunk(s->n_ff_expert, k, 64) + 32;
        s->n_expert = shrunk(s->n_expert, k, 2 * s->n_used);
    }
    const size_t specials = s->n_vocab - s->first_special;
    s->n_vocab = shrunk(s->n_vocab, k, 1024);
    if (s->first_special) s->first_special = s->n_vocab - (specials < 256 ? specials : 256);
}

static glim_status make(maker *m, const char *path, glim_err *err) {
    const shape *s = &m->s;
    m->cap = 3 + s->n_layer * 20;
    void *mem;
    TRY(glim_try_calloc(&mem, m->cap, sizeof *m->v, "a list of tensors", err));
    m->v = mem;
    /* An embedding as large as what layers add to it. */
    add(m, "token_embd.weight", s->tied ? m->head : m->type, s->tied ? (float)(1 / sqrt((double)s->n_embd)) : 1.0f, 0, s->n_vocab,
        s->n_embd, 0);
    for (size_t i = 0; i < s->n_layer; i++) layer(m, i);
    norm(m, "output_norm.weight");
    if (!s->tied) matrix(m, "output.weight", m->head, 0, s->n_vocab, s->n_embd);

    glim_gguf_writer *w = glim_gguf_writer_new(NULL);
    glim_status rc = put_keys(w, m, err);
    if (rc == GLIM_OK) rc = put_vocab(w, s, err);
    for (size_t i = 0; i < m->n && rc == GLIM_OK; i++) rc = glim_gguf_add_tensor(w, &m->v[i].t, err);
    if (rc == GLIM_OK) rc = glim_gguf_write(w, path, err);
    glim_gguf_writer_free(w);
    return rc;
}

static int usage(void) {
    fprintf(stderr, "usage: make_model SHAPE --type q4_0|q4_k|q8_0|bf16 --out FILE [--head TYPE] [--layers N] [--shrink K] [--seed N]\n"
                    "SHAPE is one of:");
    for (size_t i = 0; i < GLIM_COUNT(shapes); i++) fprintf(stderr, " %s", shapes[i].name);
    fprintf(stderr, "\n");
    return 2;
}

static bool parse_type(const char *name, glim_dtype *t, bool head) {
    return glim_dtype_parse(name, t) && (*t == GLIM_Q4_0 || *t == GLIM_Q4_K || *t == GLIM_Q8_0 || *t == GLIM_BF16 ||
                                         (head && (*t == GLIM_Q6_K || *t == GLIM_Q5_0 || *t == GLIM_F32)));
}

int main(int argc, char **argv) {
    static const struct option options[] = {{"type", 1, NULL, 't'}, {"head", 1, NULL, 'h'},   {"layers", 1, NULL, 'l'}, {"out", 1, NULL, 'o'},
                                            {"seed", 1, NULL, 's'}, {"shrink", 1, NULL, 'k'}, {0}};
    maker m = {.seed = 1};
    const char *out = NULL;
    size_t layers = 0, k = 1;
    bool has_type = false, has_head = false;
    for (int opt; (opt = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (opt) {
        case 't': has_type = parse_type(optarg, &m.type, false); break;
        case 'h':
            has_head = parse_type(optarg, &m.head, true);
            if (!has_head) return usage();
            break;
        case 'l': layers = strtoul(optarg, NULL, 10); break;
        case 'k': k = strtoul(optarg, NULL, 10); break;
        case 's': m.seed = strtoull(optarg, NULL, 10); break;
        case 'o': out = optarg; break;
        default: return usage();
        }
    }
    for (size_t i = 0; optind + 1 == argc && i < GLIM_COUNT(shapes); i++)
        if (strcmp(argv[optind], shapes[i].name) == 0) m.s = shapes[i];
    if (!m.s.name || !out || !has_type || k < 1 || k > 64) return usage();
    if (layers > m.s.n_layer) return usage();
    if (layers) m.s.n_layer = layers;
    if (m.s.n_dense > m.s.n_layer) m.s.n_dense = m.s.n_layer;
    if (k > 1) shrink(&m.s, k);
    if (!has_head) m.head = m.type == GLIM_Q4_0 || m.type == GLIM_Q4_K ? GLIM_Q6_K : m.type;

    glim_err err = {0};
    glim_status rc = make(&m, out, &err);
    free(m.v);
    if (rc != GLIM_OK) {
        fprintf(stderr, "make_model: %s\n", err.msg);
        return 1;
    }
    printf("%s: %zu tensors, %.3f billion values, %.2f GB\n", out, m.n, m.n_values * 1e-9, m.n_bytes * 1e-9);
    return 0;
}
