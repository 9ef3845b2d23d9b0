/* PEFT folders: what is read, and everything that is refused instead of being ignored. */
#include <math.h>

#include "files.h"
#include "format/peft.h"

static const char Q_A[] = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight";
static const char Q_B[] = "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight";

/* A safetensors file of zeros: name, rows, columns; a NULL name ends. */
typedef struct shape {
    const char *name, *dtype;
    size_t rows, cols;
} shape;

static glim_buf weights(const shape *s) {
    glim_buf json = {0}, out = {0};
    size_t at = 0;
    glim_buf_puts(&json, "{");
    for (size_t i = 0; s[i].name; i++) {
        size_t bytes = s[i].rows * s[i].cols * (strcmp(s[i].dtype, "F32") == 0 || strcmp(s[i].dtype, "I32") == 0 ? 4 : 2);
        glim_buf_printf(&json, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[%zu,%zu],\"data_offsets\":[%zu,%zu]}", i ? "," : "", s[i].name,
                        s[i].dtype, s[i].rows, s[i].cols, at, at + bytes);
        at += bytes;
    }
    glim_buf_puts(&json, "}");
    uint64_t n = json.len;
    glim_buf_append(&out, &n, 8);
    glim_buf_append(&out, json.s, json.len);
    for (size_t i = 0; i < at; i++) glim_buf_putc(&out, 0);
    glim_buf_free(&json);
    return out;
}

static glim_status open_with(glim_peft *p, const char *config, const shape *s, glim_buf *keep, glim_err *err) {
    *keep = weights(s);
    return glim_peft_open_mem(p, config, strlen(config), keep->s, keep->len, err);
}

#define OK_CONFIG "{\"peft_type\":\"LORA\",\"r\":4,\"lora_alpha\":6,\"bias\":\"none\"%s}"
static const shape g_pair[] = {{Q_B, "BF16", 10, 4}, {Q_A, "F32", 4, 8}, {0}};

TEST(a_pair_is_read_with_its_scale) {
    static const struct {
        const char *more;
        double scale;
    } cases[] = {{"", 1.5},
                 {",\"use_rslora\":true", 3},
                 {",\"alpha_pattern\":{\"q_proj\":10}", 2.5},
                 {",\"alpha_pattern\":{\"k_proj\":10}", 1.5},
                 {",\"alpha_pattern\":{\"proj\":10}", 1.5}, /* a whole last part, as PEFT matches */
                 {",\"alpha_pattern\":{\"layers\\\\.[0-3]\\\\.self_attn\\\\.q_proj\":2}", 0.5},
                 {",\"alpha_pattern\":{\"layers\\\\.\\\\d+\\\\.\\\\w+\\\\.[kq]_proj\":2}", 0.5}, /* as Python reads it */
                 {",\"alpha_pattern\":{\"q_pro{1,2}j\":2}", 0.5},
                 {",\"init_lora_weights\":\"gaussian\"", 1.5}, /* only how training began */
                 {",\"rank_pattern\":{\"^model.*q_proj\":4},\"lora_dropout\":0.5,\"modules_to_save\":null,\"use_dora\":false", 1.5}};
    for (size_t i = 0; i < GLIM_COUNT(cases); i++) {
        char config[512];
        glim_peft p;
        glim_err err;
        glim_buf keep;
        snprintf(config, sizeof config, OK_CONFIG, cases[i].more);
        CHECK_OK(open_with(&p, config, g_pair, &keep, &err), err);
        CHECK(p.n_pairs == 1 && p.pairs[0].rank == 4 && fabs(p.pairs[0].scale - cases[i].scale) < 1e-12);
        CHECK_STR(p.pairs[0].module, "model.layers.0.self_attn.q_proj");
        glim_peft_close(&p);
        glim_buf_free(&keep);
    }
}

TEST(what_would_change_the_result_and_is_not_supported_is_refused_by_name) {
    static const struct {
        const char *more, *word;
        glim_status want;
    } cases[] = {{",\"use_dora\":true", "no lora_magnitude_vector", GLIM_E_NOT_FOUND},
                 {",\"lora_bias\":true", "lora_bias", GLIM_E_UNSUPPORTED},
                 {",\"modules_to_save\":[\"lm_head\"]", "modules_to_save", GLIM_E_UNSUPPORTED},
                 {",\"fan_in_fan_out\":true", "fan_in_fan_out", GLIM_E_UNSUPPORTED},
                 {",\"target_parameters\":[\"x\"]", "target_parameters", GLIM_E_UNSUPPORTED},
                 {",\"layer_replication\":[[0,1]]", "layer_replication", GLIM_E_UNSUPPORTED},
                 {",\"init_lora_weights\":\"pissa_niter_16\"", "pissa_niter_16", GLIM_E_UNSUPPORTED},
                 {",\"init_lora_weights\":\"olora\"", "init_lora_weights", GLIM_E_UNSUPPORTED},
                 {",\"init_lora_weights\":\"corda\"", "corda", GLIM_E_UNSUPPORTED},
                 {",\"init_lora_weights\":\"loftq\"", "loftq", GLIM_E_UNSUPPORTED},
                 {",\"init_lora_weights\":\"lora_ga\"", "lora_ga", GLIM_E_UNSUPPORTED},
                 {",\"rank_pattern\":{\"q_proj\":8}", "rank 4", GLIM_E_SHAPE},
                 {",\"rank_pattern\":{\"(\":8}", "regular expression", GLIM_E_FORMAT},
                 {",\"rank_pattern\":{\"q+++++++++++++++++++++++++++++++++++++++\":8}", "regular expression", GLIM_E_FORMAT},
                 {",\"rank_pattern\":{\"(.|.|.)*[A-Z]\":8}", "too long", GLIM_E_UNSUPPORTED},
                 {",\"rank_pattern\":{\"((a{1,9000}){1,9000}){1,9000}\":8}", "regular expression", GLIM_E_FORMAT},
                 {",\"rank_pattern\":[1]", "rank_pattern", GLIM_E_FORMAT},
                 {",\"alpha_pattern\":{\"q_proj\":-1}", "positive", GLIM_E_FORMAT}};
    for (size_t i = 0; i < GLIM_COUNT(cases); i++) {
        char config[512];
        glim_peft p;
        glim_err err = {0};
        glim_buf keep;
        snprintf(config, sizeof config, OK_CONFIG, cases[i].more);
        WANT_ERROR(open_with(&p, config, g_pair, &keep, &err), err, cases[i].want, cases[i].word, NULL, NULL, NULL);
        CHECK(!p.pairs && !p.st);
        glim_buf_free(&keep);
    }
    static const char *const configs[] = {"", "[]", "{\"peft_type\":\"IA3\",\"r\":4}", "{\"peft_type\":\"LORA\"}", "{\"peft_type\":\"LORA\",\"r\":0}",
                                          "{\"peft_type\":\"LORA\",\"r\":4,\"bias\":\"all\"}"};
    for (size_t i = 0; i < GLIM_COUNT(configs); i++) {
        glim_peft p;
        glim_err err = {0};
        glim_buf keep;
        CHECK(open_with(&p, configs[i], g_pair, &keep, &err) != GLIM_OK && err.msg[0] && !p.pairs);
        glim_buf_free(&keep);
    }
}

TEST(tensors_that_are_no_pair_are_refused_by_name) {
    char config[256];
    snprintf(config, sizeof config, OK_CONFIG, "");
    const struct {
        shape s[4];
        const char *word;
        glim_status want;
    } cases[] = {{{{Q_A, "F32", 4, 8}, {0}}, "no lora_B", GLIM_E_NOT_FOUND},
                 {{{Q_B, "F32", 10, 4}, {0}}, "no lora_A", GLIM_E_NOT_FOUND},
                 {{{Q_A, "F32", 4, 8}, {Q_B, "F32", 10, 5}, {0}}, "one rank", GLIM_E_SHAPE},
                 {{{Q_A, "I32", 4, 8}, {Q_B, "F32", 10, 4}, {0}}, "want f32", GLIM_E_UNSUPPORTED},
                 {{{Q_A, "F32", 4, 8}, {Q_B, "F32", 10, 4}, {"base_model.model.lm_head.weight", "F32", 2, 2}, {0}}, "lm_head", GLIM_E_UNSUPPORTED},
                 {{{Q_A, "F32", 4, 8}, {Q_B, "F32", 10, 4}, {"base_model.model.model.layers.0.self_attn.q_proj.lora_magnitude_vector.weight", "F32", 10, 1}, {0}}, "has no \"use_dora\"", GLIM_E_UNSUPPORTED},
                 {{{Q_A, "F32", 4, 8}, {Q_B, "F32", 10, 4}, {"base_model.model.x.lora_magnitude_vector", "F32", 10, 1}, {0}}, "module \"x\" has no lora_A", GLIM_E_NOT_FOUND},
                 {{{"base_model.model.model.embed_tokens.lora_embedding_A", "F32", 4, 8}, {0}}, "embed_tokens", GLIM_E_UNSUPPORTED},
                 {{{0}}, "0 tensors", GLIM_E_FORMAT}};
    for (size_t i = 0; i < GLIM_COUNT(cases); i++) {
        glim_peft p;
        glim_err err = {0};
        glim_buf keep;
        WANT_ERROR(open_with(&p, config, cases[i].s, &keep, &err), err, cases[i].want, cases[i].word, NULL, NULL, NULL);
        glim_buf_free(&keep);
    }
    /* The adapter's name kept in the keys, and a missing prefix, are the same tensors. */
    const shape named[] = {{"model.layers.1.mlp.down_proj.lora_A.default.weight", "F32", 4, 8}, {"model.layers.1.mlp.down_proj.lora_B.default.weight", "F32", 3, 4}, {0}};
    glim_peft p;
    glim_err err;
    glim_buf keep;
    CHECK_OK(open_with(&p, config, named, &keep, &err), err);
    CHECK(p.n_pairs == 1);
    CHECK_STR(p.pairs[0].module, "model.layers.1.mlp.down_proj");
    glim_peft_close(&p);
    glim_buf_free(&keep);
}
