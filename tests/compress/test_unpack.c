/* test_unpack.c - a GGUF as a folder and back: the same tensors, the same tokens; what a folder cannot say is refused. */
#include "compress/unpack.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "compress/quantize.h"
#include "format/gguf.h"
#include "model/model.h"
#include "compress_test.h"
#include "text/tok.h"

static const char *const g_folders[] = {"glm4", "glm4-nobias-yarn", "glm", "glm-edge", "llama-tied", "llama", "qwen2", "qwen3"};

static void quantize(const char *in, const char *out, const char *type) {
    glim_err err = {0};
    glim_quantize_result r;
    glim_quantize_params p = {.overwrite = true, .n_threads = 1};
    CHECK_OK(glim_recipe_find(&p.recipe, type, &err), err);
    CHECK_OK(glim_quantize(in, out, &p, &r, &err), err);
}

static glim_status unpack(const char *in, const char *out, int type, glim_err *err) {
    glim_unpack_result r;
    *err = (glim_err){0};
    return glim_unpack(in, out, &(glim_unpack_params){.type = type}, &r, err);
}

static glim_ckpt *open_ckpt(const char *path) {
    glim_ckpt *c;
    glim_err err = {0};
    CHECK_OK(glim_ckpt_open(&c, path, &err), err);
    return c;
}

static void check_same_tensors(const char *a, const char *b, const char *what) {
    glim_ckpt *x = open_ckpt(a), *y = open_ckpt(b);
    CHECK_MSG(glim_ckpt_n_tensors(x) == glim_ckpt_n_tensors(y), "%s: %zu tensors, %zu", what, glim_ckpt_n_tensors(x), glim_ckpt_n_tensors(y));
    for (size_t i = 0; i < glim_ckpt_n_tensors(x); i++) {
        const glim_tensor *t = glim_ckpt_tensor(x, i), *s = glim_ckpt_find(y, t->name);
        CHECK_MSG(s && s->type == t->type && s->n_bytes == t->n_bytes && s->n_dims == t->n_dims && memcmp(s->dims, t->dims, (size_t)t->n_dims * sizeof *t->dims) == 0 &&
                  memcmp(s->data, t->data, t->n_bytes) == 0, "%s: tensor \"%s\" is another one", what, t->name);
    }
    glim_ckpt_close(x);
    glim_ckpt_close(y);
}

static void check_same_tokens(const char *a, const char *b, const char *what) {
    static const char *const texts[] = {"Good morning! It's 12345 o'clock, 你好。\n\n  The quick brown fox <|user|> x\t\r\n", "<|im_start|>a<|im_end|>", "  \n", "naïve ½ 🙂 1,000.50"};
    glim_ckpt *x = open_ckpt(a), *y = open_ckpt(b);
    glim_tok *s, *t;
    glim_err err = {0};
    const int32_t *p, *q;
    CHECK_OK(glim_tok_from_ckpt(&s, x, &err), err);
    CHECK_OK(glim_tok_from_ckpt(&t, y, &err), err);
    for (size_t i = 0; i < GLIM_COUNT(texts); i++) {
        glim_ids u = {0}, v = {0};
        CHECK_OK(glim_tok_encode(s, texts[i], strlen(texts[i]), GLIM_TOK_SPECIAL | GLIM_TOK_PREFIX, &u, &err), err);
        CHECK_OK(glim_tok_encode(t, texts[i], strlen(texts[i]), GLIM_TOK_SPECIAL | GLIM_TOK_PREFIX, &v, &err), err);
        CHECK_MSG(u.n == v.n && memcmp(u.v, v.v, u.n * sizeof *u.v) == 0, "%s: \"%s\" has other tokens", what, texts[i]);
        glim_ids_free(&u);
        glim_ids_free(&v);
    }
    for (int32_t i = 0; i < (int32_t)glim_tok_n(s); i++) {
        size_t n = 0, m = 0;
        const char *g = glim_tok_piece(s, i, &n), *h = glim_tok_piece(t, i, &m);
        CHECK_MSG(!g == !h && n == m && (!g || memcmp(g, h, n) == 0), "%s: token %d is another text", what, i);
        if (g) CHECK_MSG(glim_tok_is_added(s, i) == glim_tok_is_added(t, i) && glim_tok_is_special(s, i) == glim_tok_is_special(t, i), "%s: token %d is of another kind", what, i);
    }
    const size_t n = glim_tok_prefix(s, &p);
    CHECK_MSG(n == glim_tok_prefix(t, &q) && memcmp(p, q, n * sizeof *p) == 0, "%s: another prefix", what);
    CHECK_MSG(glim_tok_eos(s) == glim_tok_eos(t) && glim_tok_add_bos(s) == glim_tok_add_bos(t), "%s: eos or bos", what);
    CHECK_STR(glim_ckpt_chat_template(x) ? glim_ckpt_chat_template(x) : "", glim_ckpt_chat_template(y) ? glim_ckpt_chat_template(y) : "");
    glim_tok_free(s);
    glim_tok_free(t);
    glim_ckpt_close(x);
    glim_ckpt_close(y);
}

/* There and back: in f32 and in 8 bits, whose values f32 holds whole. */
static void check_round(const char *gguf, const char *type) {
    glim_err err = {0};
    char what[600], cmd[600];
    snprintf(what, sizeof what, "%s as %s", gguf, type);
    snprintf(cmd, sizeof cmd, "rm -rf %s", in_dir("folder"));
    CHECK(system(cmd) == 0);
    CHECK_OK(unpack(gguf, in_dir("folder"), -1, &err), err);
    quantize(in_dir("folder"), in_dir("again.gguf"), type);
    check_same_tensors(gguf, in_dir("again.gguf"), what);
    check_same_tokens(gguf, in_dir("folder"), what);
    check_same_tokens(gguf, in_dir("again.gguf"), what);
}

TEST(a_gguf_comes_back_from_its_folder_as_it_was) {
    static const char *const types[] = {"f32", "q8_0", "bf16"};
    for (size_t i = 0; i < GLIM_COUNT(g_folders); i++)
        for (size_t k = 0; k < GLIM_COUNT(types); k++) {
            quantize(fixture(g_folders[i]), in_dir("a.gguf"), types[k]);
            check_round(in_dir("a.gguf"), types[k]);
        }
}

TEST(the_model_in_the_program_comes_back_too) {
    const char *nano = glim_test_source("models/glim-nano.gguf");
    if (!glim_path_exists(nano)) SKIP("models/glim-nano.gguf is not there");
    check_round(nano, "q8_0");
}

/* A folder's own tensors are those that it had before it was a GGUF, names, shapes and values. */
TEST(a_folder_comes_back_with_its_names) {
    glim_err err = {0};
    for (size_t i = 0; i < GLIM_COUNT(g_folders); i++) {
        char cmd[600];
        snprintf(cmd, sizeof cmd, "rm -rf %s", in_dir("folder"));
        CHECK(system(cmd) == 0);
        quantize(fixture(g_folders[i]), in_dir("a.gguf"), "f32");
        CHECK_OK(unpack(in_dir("a.gguf"), in_dir("folder"), GLIM_F32, &err), err);
        glim_ckpt *x = open_ckpt(fixture(g_folders[i])), *y = open_ckpt(in_dir("folder"));
        for (size_t k = 0; k < glim_ckpt_n_tensors(y); k++) {
            const glim_tensor *t = glim_ckpt_tensor(y, k), *s = glim_ckpt_find(x, t->name);
            size_t n = t->n_bytes / sizeof(float);
            CHECK_MSG(s && t->type == GLIM_F32 && s->n_dims == t->n_dims && s->dims[0] == t->dims[0], "%s: tensor \"%s\"", g_folders[i], t->name);
            float *v = malloc(n * sizeof *v);
            glim_dequant(s->type, s->data, v, n);
            CHECK_MSG(memcmp(v, t->data, t->n_bytes) == 0, "%s: tensor \"%s\" has other values", g_folders[i], t->name);
            free(v);
        }
        glim_ckpt_close(x);
        glim_ckpt_close(y);
    }
}

TEST(chatglms_fused_rows_are_the_q_k_and_v_of_glm) {
    static const char *const part[] = {"q_proj", "k_proj", "v_proj"}, *const kind[] = {"weight", "bias"};
    glim_err err = {0};
    CHECK_OK(unpack(fixture("gguf/chatglm.gguf"), in_dir("chatglm"), GLIM_F32, &err), err);
    glim_ckpt *x = open_ckpt(fixture("gguf/chatglm.gguf")), *y = open_ckpt(in_dir("chatglm"));
    for (int k = 0; k < 2; k++) {
        char name[96];
        snprintf(name, sizeof name, "blk.1.attn_qkv.%s", kind[k]);
        const glim_tensor *t = glim_ckpt_find(x, name);
        CHECK(t);
        const size_t n = t->dims[0] * (t->n_dims > 1 ? t->dims[1] : 1);
        float *v = malloc(n * sizeof *v);
        glim_dequant(t->type, t->data, v, n);
        size_t at = 0;
        for (int i = 0; i < 3; i++) {
            snprintf(name, sizeof name, "model.layers.1.self_attn.%s.%s", part[i], kind[k]);
            const glim_tensor *s = glim_ckpt_find(y, name);
            CHECK_MSG(s && s->type == GLIM_F32 && at * 4 + s->n_bytes <= n * 4 && memcmp(s->data, v + at, s->n_bytes) == 0, "%s", name);
            at += s->n_bytes / 4;
        }
        CHECK(at == n);
        free(v);
    }
    glim_ckpt_close(x);
    glim_ckpt_close(y);
    check_same_tokens(fixture("gguf/chatglm.gguf"), in_dir("chatglm"), "chatglm");
    quantize(in_dir("chatglm"), in_dir("chatglm.gguf"), "f32"); /* a model that opens */
}

/* ---- scaled frequencies ---- */

static glim_tensor_out g_out[64]; /* a writer borrows them */

/* Llama's fixture with these divisors, as a GGUF. */
static void scaled(const char *out, const float f[8]) {
    glim_gguf *g;
    glim_err err = {0};
    quantize(fixture("llama"), in_dir("plain.gguf"), "f32");
    CHECK_OK(glim_gguf_open(&g, in_dir("plain.gguf"), &err), err);
    glim_gguf_writer *w = glim_gguf_writer_new(NULL);
    for (size_t i = 0; i < glim_gguf_n_keys(g); i++) CHECK_OK(glim_gguf_put_copy(w, glim_gguf_key(g, i), &err), err);
    for (size_t i = 0; i < glim_gguf_n_tensors(g); i++) {
        const glim_tensor *t = glim_gguf_tensor(g, i);
        const bool it = strcmp(t->name, "rope_freqs.weight") == 0;
        CHECK(!it || t->n_bytes == 8 * sizeof *f);
        g_out[i] = (glim_tensor_out){.name = t->name, .type = t->type, .n_dims = t->n_dims, .data = it ? f : t->data};
        memcpy(g_out[i].dims, t->dims, sizeof g_out[i].dims);
        CHECK_OK(glim_gguf_add_tensor(w, &g_out[i], &err), err);
    }
    CHECK_OK(glim_gguf_write(w, out, &err), err);
    glim_gguf_writer_free(w);
    glim_gguf_close(g);
}

/* As the converter of llama.cpp computes them: wave lengths in f32. noise: more of that, as a part. */
static void divisors(float f[8], double factor, double low, double high, double original, double noise) {
    for (int j = 0; j < 8; j++) {
        const double wave = 2 * acos(-1) * (double)powf(10000, (float)(2 * j) / 16) * (1 + (j & 1 ? noise : -noise)), t = (original / wave - low) / (high - low);
        f[j] = (float)(wave > original / low ? factor : wave < original / high ? 1 : 1 / ((1 - t) / factor + t));
    }
}

TEST(llama_3s_divisors_are_the_numbers_that_made_them) {
    static const struct {
        double factor, original;
    } cases[] = {{8, 64}, {32, 8192}, {8, 8192}, {4, 1024}, {2.5, 512}, {16, 200}};
    glim_err err = {0};
    for (size_t i = 0; i < GLIM_COUNT(cases); i++) {
        float f[8];
        char want[200];
        divisors(f, cases[i].factor, 1, 4, cases[i].original, 1e-6);
        scaled(in_dir("scaled.gguf"), f);
        CHECK_OK(unpack(in_dir("scaled.gguf"), in_dir("scaled"), -1, &err), err);
        glim_buf text = {0};
        CHECK_OK(glim_file_read(&text, in_dir("scaled/config.json"), 1 << 20, &err), err);
        json_t *o = json_loadb(text.s, text.len, 0, NULL), *r = json_object_get(o, "rope_scaling");
        snprintf(want, sizeof want, "llama3 %g 1 4 %g", cases[i].factor, cases[i].original);
        char got[200];
        snprintf(got, sizeof got, "%s %g %g %g %g", json_string_value(json_object_get(r, "rope_type")), json_number_value(json_object_get(r, "factor")),
                 json_number_value(json_object_get(r, "low_freq_factor")), json_number_value(json_object_get(r, "high_freq_factor")),
                 json_number_value(json_object_get(r, "original_max_position_embeddings")));
        CHECK_STR(got, want);
        json_decref(o);
        glim_buf_free(&text);
    }
}

TEST(divisors_of_another_making_are_refused_and_ones_are_nothing) {
    glim_err err = {0};
    float f[8];
    for (int k = 0; k < 4; k++) {
        divisors(f, 8, k == 3 ? 2 : 1, 4, 64, 0);
        if (k == 0) f[1] *= 1.01f; /* off the line */
        if (k == 1) f[6] = 7.9f;   /* no plateau */
        if (k == 2) f[7] = 0.5f;   /* frequencies rise */
        scaled(in_dir("scaled.gguf"), f);
        CHECK_MSG(unpack(in_dir("scaled.gguf"), in_dir("refused"), -1, &err) == GLIM_E_UNSUPPORTED && strstr(err.msg, "\"rope_freqs.weight\" is not Llama-3's scaling"), "%d: %s", k, err.msg);
        CHECK(access(in_dir("refused"), F_OK) != 0);
    }
    for (int j = 0; j < 8; j++) f[j] = 1;
    scaled(in_dir("scaled.gguf"), f);
    CHECK_OK(unpack(in_dir("scaled.gguf"), in_dir("ones"), -1, &err), err);
}

/* ---- what is refused ---- */

/* A copy of glm4 in which one thing is another one. */
static void edited(const char *out, const char *key, bool fewer_biases) {
    glim_gguf *g;
    glim_err err = {0};
    quantize(fixture("glm4"), in_dir("plain.gguf"), "f32");
    CHECK_OK(glim_gguf_open(&g, in_dir("plain.gguf"), &err), err);
    glim_gguf_writer *w = glim_gguf_writer_new(NULL);
    for (size_t i = 0; i < glim_gguf_n_keys(g); i++) {
        const glim_gguf_kv *kv = glim_gguf_key(g, i);
        if (strcmp(kv->key, key) != 0) {
            CHECK_OK(glim_gguf_put_copy(w, kv, &err), err);
            continue;
        }
        glim_gguf_text *t = calloc(kv->n, sizeof *t); /* the token list: two have one text */
        for (size_t k = 0; k < kv->n; k++) t[k] = glim_gguf_item_str(kv, k == 317 ? 316 : k);
        CHECK_OK(glim_gguf_put_strs(w, key, t, kv->n, &err), err);
        free(t);
    }
    const int32_t sections[4] = {2, 2, 2, 0};
    if (strcmp(key, "glm4.rope.dimension_sections") == 0) CHECK_OK(glim_gguf_put_array(w, key, GLIM_GGUF_I32, sections, 4, &err), err);
    for (size_t i = 0; i < glim_gguf_n_tensors(g); i++) {
        const glim_tensor *t = glim_gguf_tensor(g, i);
        glim_tensor_out *o = &g_out[i];
        *o = (glim_tensor_out){.name = t->name, .type = t->type, .n_dims = t->n_dims, .data = t->data};
        memcpy(o->dims, t->dims, sizeof o->dims);
        if (fewer_biases && strncmp(t->name, "blk.1.attn_", 11) == 0 && strstr(t->name, ".bias")) continue;
        CHECK_OK(glim_gguf_add_tensor(w, o, &err), err);
    }
    CHECK_OK(glim_gguf_write(w, out, &err), err);
    glim_gguf_writer_free(w);
    glim_gguf_close(g);
}

TEST(what_a_folder_cannot_say_is_refused_before_a_byte_of_weights) {
    static const struct {
        const char *key;
        bool fewer_biases;
        const char *want;
    } cases[] = {{"glm4.rope.dimension_sections", false, "\"rope.dimension_sections\" is 0"},
                 {"tokenizer.ggml.tokens", false, "tokens 316 and 317 have one text"},
                 {"", true, "1 of 2 layers have biases"}};
    glim_err err;
    quantize(fixture("glm4moe-air"), in_dir("air.gguf"), "f32");
    CHECK(unpack(in_dir("air.gguf"), in_dir("refused"), -1, &err) == GLIM_E_UNSUPPORTED && strstr(err.msg, "architecture glm4_moe: want chatglm"));
    CHECK(unpack(fixture("glm4"), in_dir("refused"), -1, &err) == GLIM_E_UNSUPPORTED && strstr(err.msg, "is no GGUF"));
    CHECK(unpack(in_dir("nothing.gguf"), in_dir("refused"), -1, &err) == GLIM_E_NOT_FOUND);
    for (size_t i = 0; i < GLIM_COUNT(cases); i++) {
        edited(in_dir("edited.gguf"), cases[i].key, cases[i].fewer_biases);
        const glim_status rc = unpack(in_dir("edited.gguf"), in_dir("refused"), -1, &err);
        CHECK_MSG(rc == GLIM_E_UNSUPPORTED && strstr(err.msg, cases[i].want), "%d %s", rc, err.msg);
        CHECK(access(in_dir("refused"), F_OK) != 0);
    }
}

static bool stop_at_once(void *ctx, uint64_t done, uint64_t total) {
    (void)ctx, (void)done, (void)total;
    return false;
}

TEST(a_full_disk_and_a_stop_leave_no_model) {
    glim_err err = {0};
    glim_unpack_result r;
    quantize(fixture("glm4"), in_dir("a.gguf"), "f32");
    g_room = 1000;
    CHECK(unpack(in_dir("a.gguf"), in_dir("full"), -1, &err) == GLIM_E_IO && strstr(err.msg, "are free"));
    CHECK(access(in_dir("full"), F_OK) != 0);
    g_room = 1ull << 40;
    CHECK(glim_unpack(in_dir("a.gguf"), in_dir("stopped"), &(glim_unpack_params){.type = -1, .progress = stop_at_once}, &r, &err) == GLIM_E_CANCELLED);
    CHECK(access(in_dir("stopped"), F_OK) != 0);
    CHECK_OK(glim_mkdirs(in_dir("stopped"), &err), err); /* one that was there stays */
    CHECK(glim_unpack(in_dir("a.gguf"), in_dir("stopped"), &(glim_unpack_params){.type = -1, .progress = stop_at_once}, &r, &err) == GLIM_E_CANCELLED);
    CHECK(access(in_dir("stopped"), F_OK) == 0 && access(in_dir("stopped/model.safetensors"), F_OK) != 0);
}

TEST(a_model_that_was_in_the_folder_goes_and_other_files_stay) {
    static const char *const gone[] = {"over/model-00001-of-00002.safetensors", "over/model-00002-of-00002.safetensors", "over/model.safetensors.index.json",
                                       "over/chat_template.json", "over/tokenizer.model", "over/added_tokens.json"};
    static const char *const written[] = {"over/config.json", "over/generation_config.json", "over/tokenizer.json", "over/tokenizer_config.json",
                                          "over/model.safetensors"};
    static const char *const stay[] = {"over/notes", "over/adapter_model.safetensors"};
    glim_err err = {0};
    glim_unpack_result r;
    quantize(fixture("glm4"), in_dir("a.gguf"), "f32");
    CHECK_OK(glim_mkdirs(in_dir("over"), &err), err);
    for (int stops = 0; stops < 2; stops++) {
        for (size_t i = 0; i < GLIM_COUNT(gone); i++) CHECK_OK(glim_file_write_atomic(in_dir(gone[i]), "x", 1, &err), err);
        for (size_t i = 0; i < GLIM_COUNT(stay); i++) CHECK_OK(glim_file_write_atomic(in_dir(stay[i]), "x", 1, &err), err);
        g_room = 1000; /* refused before the first byte */
        CHECK(unpack(in_dir("a.gguf"), in_dir("over"), -1, &err) == GLIM_E_IO);
        for (size_t i = 0; i < GLIM_COUNT(gone); i++) CHECK_MSG(access(in_dir(gone[i]), F_OK) == 0, "%s went", gone[i]);
        g_room = 1ull << 40;
        const glim_unpack_params p = {.type = -1, .progress = stops ? stop_at_once : NULL};
        CHECK(glim_unpack(in_dir("a.gguf"), in_dir("over"), &p, &r, &err) == (stops ? GLIM_E_CANCELLED : GLIM_OK));
        for (size_t i = 0; i < GLIM_COUNT(gone); i++) CHECK_MSG(access(in_dir(gone[i]), F_OK) != 0, "%s stayed", gone[i]);
        for (size_t i = 0; i < GLIM_COUNT(stay); i++) CHECK_MSG(access(in_dir(stay[i]), F_OK) == 0, "%s went", stay[i]);
        for (size_t i = 0; i < GLIM_COUNT(written); i++) CHECK_MSG((access(in_dir(written[i]), F_OK) == 0) == !stops, "%s", written[i]);
    }
}

TEST(a_value_too_large_for_f16_is_named) {
    glim_err err = {0};
    glim_gguf *g;
    float big[64 * 8];
    quantize(fixture("glm4"), in_dir("plain.gguf"), "f32");
    CHECK_OK(glim_gguf_open(&g, in_dir("plain.gguf"), &err), err);
    glim_gguf_writer *w = glim_gguf_writer_new(NULL);
    for (size_t i = 0; i < glim_gguf_n_keys(g); i++) CHECK_OK(glim_gguf_put_copy(w, glim_gguf_key(g, i), &err), err);
    for (size_t i = 0; i < glim_gguf_n_tensors(g); i++) {
        const glim_tensor *t = glim_gguf_tensor(g, i);
        glim_tensor_out *o = &g_out[i];
        *o = (glim_tensor_out){.name = t->name, .type = t->type, .n_dims = t->n_dims, .data = t->data};
        memcpy(o->dims, t->dims, sizeof o->dims);
        if (strcmp(t->name, "output_norm.weight") == 0) {
            CHECK(t->n_bytes <= sizeof big);
            memcpy(big, t->data, t->n_bytes);
            big[3] = 70000;
            o->data = big;
        }
        CHECK_OK(glim_gguf_add_tensor(w, o, &err), err);
    }
    CHECK_OK(glim_gguf_write(w, in_dir("big.gguf"), &err), err);
    glim_gguf_writer_free(w);
    glim_gguf_close(g);
    CHECK(unpack(in_dir("big.gguf"), in_dir("f16"), GLIM_F16, &err) == GLIM_E_FORMAT && strstr(err.msg, "tensor \"output_norm.weight\", row 3: 70000 is too large for f16"));
    CHECK(access(in_dir("f16"), F_OK) != 0);
    CHECK_OK(unpack(in_dir("big.gguf"), in_dir("bf16"), GLIM_BF16, &err), err);
}
