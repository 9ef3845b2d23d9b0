/* Configurations: every spelling ends in the same description; what changes the arithmetic unseen is
 * refused by key; real files match the family table. */
#include "files.h"

#include "base/log.h"
#include "format/ckpt.h"
#include "format/config.h"
#include "format/gguf.h"

static json_t *parse(const char *text) {
    glim_err err = {0};
    json_t *v;
    CHECK_OK(glim_json_parse(&v, text, strlen(text), 0, &err), err);
    return v;
}

static glim_status read_text(glim_config *c, const char *config, const char *generation, glim_err *err) {
    json_t *a = parse(config), *g = generation ? parse(generation) : NULL;
    glim_err_clear(err);
    glim_status rc = glim_config_from_json(c, a, g, err);
    json_decref(a);
    json_decref(g);
    return rc;
}

static glim_config read_ok(const char *config) {
    glim_config c;
    glim_err err = {0};
    CHECK_OK(read_text(&c, config, NULL, &err), err);
    return c;
}

/* A valid configuration of each kind, in single quotes, with room for more keys at the end. */
#define GLM4 "'model_type': 'glm4', 'hidden_size': 4096, 'intermediate_size': 13696, 'num_hidden_layers': 40, " \
             "'num_attention_heads': 32, 'num_key_value_heads': 2, 'head_dim': 128, 'vocab_size': 151552, " \
             "'max_position_embeddings': 32768, 'rms_norm_eps': 1e-05, 'eos_token_id': [151329, 151336, 151338]"
#define MOE "'model_type': 'glm4_moe', 'hidden_size': 4096, 'intermediate_size': 10944, 'num_hidden_layers': 46, " \
            "'num_attention_heads': 96, 'num_key_value_heads': 8, 'head_dim': 128, 'vocab_size': 151552, " \
            "'n_routed_experts': 128, 'num_experts_per_tok': 8, 'moe_intermediate_size': 1408"
#define LLAMA "'model_type': 'llama', 'hidden_size': 576, 'intermediate_size': 1536, 'num_hidden_layers': 30, " \
              "'num_attention_heads': 9, 'num_key_value_heads': 3, 'vocab_size': 49152"
#define QWEN2 "'model_type': 'qwen2', 'hidden_size': 896, 'intermediate_size': 4864, 'num_hidden_layers': 24, " \
              "'num_attention_heads': 14, 'num_key_value_heads': 2, 'vocab_size': 151936"
#define CHATGLM "'model_type': 'chatglm', 'hidden_size': 4096, 'ffn_hidden_size': 13696, 'num_layers': 40, " \
                "'num_attention_heads': 32, 'padded_vocab_size': 151552"

/* "{a, b}" with single quotes made double. Valid until the next call but three. */
static const char *with(const char *a, const char *b) {
    static char out[4][4096];
    static int turn;
    char *p = out[turn++ % 4];
    snprintf(p, sizeof out[0], "{%s%s%s}", a, b && b[0] ? ", " : "", b ? b : "");
    for (char *q = p; *q; q++)
        if (*q == '\'') *q = '"';
    return p;
}

TEST(real_files_give_the_rows_of_the_family_table) {
    static const struct {
        const char *file, *name;
        uint64_t n_params;
        glim_arch arch;
        double theta;
        size_t n_rot;
        bool interleaved, sandwich;
    } cases[] = {
        {"tokenizer-glm4/glm-4-9b-chat-config.json", "GLM-4-9B or GLM-4-9B-Chat", 9399951360u, GLIM_ARCH_CHATGLM, 5e6, 64, true, false},
        {"tokenizer-glm4/glm-4.5-air-config.json", "GLM-4.5-Air", 106852251264u, GLIM_ARCH_GLM4_MOE, 1e6, 64, false, false},
        {"tokenizer-glm4/glm-4.1v-9b-thinking/config.json", "GLM-4.1V-9B", 10292777472u, GLIM_ARCH_GLM4, 1e4, 64, true, true},
    };
    for (size_t i = 0; i < GLIM_COUNT(cases); i++) {
        const char *path = glim_test_data(cases[i].file);
        if (!path) SKIP("no tokenizer-glm4 in the test data");
        glim_buf b = get_file(path);
        glim_config c = read_ok(b.s);
        glim_buf_free(&b);
        uint64_t n;
        const char *name = glim_config_known_name(&c, &n);
        CHECK(name != NULL);
        CHECK_STR(name, cases[i].name);
        CHECK(n == cases[i].n_params);
        CHECK(c.arch == cases[i].arch && c.rope.theta == cases[i].theta && c.rope.n_rot == cases[i].n_rot);
        CHECK(c.rope.interleaved == cases[i].interleaved && c.sandwich_norms == cases[i].sandwich);
        CHECK(c.head_dim == 128 && c.n_vocab == 151552 && !c.tie && c.stored == GLIM_BF16 && c.pad == 151329);
        CHECK(c.rope.scaling == GLIM_ROPE_NONE && c.n_eos >= 3 && c.eos[0] == 151329 && c.eos[2] == 151338);
        if (c.arch == GLIM_ARCH_CHATGLM) CHECK(c.eps == 1.5625e-07f && c.n_kv_head == 2 && c.n_ff == 13696);
        if (c.arch == GLIM_ARCH_GLM4) CHECK(c.n_eos == 4 && c.eos[3] == 151348);
        if (c.arch == GLIM_ARCH_GLM4_MOE)
            CHECK(c.n_expert == 128 && c.n_expert_used == 8 && c.n_expert_shared == 1 && c.n_ff_expert == 1408 &&
                  c.first_dense == 1 && c.n_group == 1 && c.norm_topk && !c.router_softmax && c.routed_scale == 1 &&
                  c.n_mtp == 1 && c.n_layer == 46);
    }
}

TEST(every_row_of_the_family_table_is_known) {
    static const struct {
        const char *config, *name;
        uint64_t n_params;
    } cases[] = {
        {GLM4, "GLM-4-9B-0414 or GLM-Z1-9B-0414", 9400279040u},
        {"'model_type': 'glm4', 'hidden_size': 6144, 'intermediate_size': 23040, 'num_hidden_layers': 61, 'num_attention_heads': 48, 'num_key_value_heads': 2, 'vocab_size': 151552", "GLM-4-32B-0414 or GLM-Z1-32B-0414", 32566081536u},
        {"'model_type': 'glm4', 'hidden_size': 6144, 'intermediate_size': 23040, 'num_hidden_layers': 61, 'num_attention_heads': 48, 'num_key_value_heads': 8, 'vocab_size': 151552", "GLM-Z1-Rumination-32B-0414", 33141749760u},
        {MOE, "GLM-4.5-Air", 106852251264u},
        {"'model_type': 'glm4_moe', 'hidden_size': 5120, 'intermediate_size': 12288, 'num_hidden_layers': 92, 'num_attention_heads': 96, 'num_key_value_heads': 8, 'vocab_size': 151552, 'n_routed_experts': 160, 'num_experts_per_tok': 8, 'moe_intermediate_size': 1536", "GLM-4.5", 352797829024u},
        {"'model_type': 'glm4_moe', 'hidden_size': 5120, 'intermediate_size': 12288, 'num_hidden_layers': 92, 'num_attention_heads': 96, 'num_key_value_heads': 8, 'vocab_size': 151552, 'n_routed_experts': 160, 'num_experts_per_tok': 8, 'moe_intermediate_size': 1536, 'max_position_embeddings': 202752", "GLM-4.6 or GLM-4.7", 352797829024u},
        {"'model_type': 'glm4v_moe', 'text_config': {'hidden_size': 4096, 'intermediate_size': 10944, 'num_hidden_layers': 46, 'num_attention_heads': 96, 'num_key_value_heads': 8, 'vocab_size': 151552, 'n_routed_experts': 128, 'num_experts_per_tok': 8, 'moe_intermediate_size': 1408}", "GLM-4.5V or GLM-4.6V", 107710933120u},
        {"'model_type': 'glm', 'hidden_size': 4096, 'intermediate_size': 13696, 'num_hidden_layers': 40, 'num_attention_heads': 32, 'num_key_value_heads': 4, 'vocab_size': 151552, 'rope_theta': 1e8", "GLM-4-9B-Chat-1M", 9483857920u},
        {"'model_type': 'glm', 'hidden_size': 2048, 'intermediate_size': 6144, 'num_hidden_layers': 28, 'num_attention_heads': 16, 'num_key_value_heads': 4, 'vocab_size': 59264", "GLM-Edge-1.5B", 0},
        {LLAMA, "SmolLM2-135M", 134515008u},
    };
    for (size_t i = 0; i < GLIM_COUNT(cases); i++) {
        glim_config c = read_ok(with(cases[i].config, ""));
        uint64_t n = 1;
        const char *name = glim_config_known_name(&c, &n);
        CHECK_MSG(name && strcmp(name, cases[i].name) == 0, "got %s, want %s", name ? name : "none", cases[i].name);
        CHECK(n == cases[i].n_params);
    }
    glim_config c = read_ok(with(GLM4, "'n': 1"));
    c.n_layer = 39;
    uint64_t n = 1;
    CHECK(glim_config_known_name(&c, &n) == NULL && n == 0);
}

TEST(spellings_of_transformers_4_and_5_agree) {
    static const char *const same[][2] = {
        {GLM4 ", 'partial_rotary_factor': 0.5, 'rope_theta': 20000.0, 'torch_dtype': 'bfloat16'",
         GLM4 ", 'dtype': 'bfloat16', 'rope_parameters': {'rope_type': 'default', 'rope_theta': 20000.0, 'partial_rotary_factor': 0.5}"},
        {GLM4 ", 'rope_scaling': {'type': 'yarn', 'factor': 4.0, 'original_max_position_embeddings': 32768}",
         GLM4 ", 'rope_parameters': {'rope_type': 'yarn', 'factor': 4, 'original_max_position_embeddings': 32768, 'rope_theta': 10000, 'partial_rotary_factor': 0.5}"},
        {MOE ", 'rope_scaling': null, 'rope_theta': 1000000", MOE ", 'rope_parameters': {'rope_theta': 1000000.0}"},
        {LLAMA ", 'rope_scaling': {'rope_type': 'llama3', 'factor': 32.0, 'low_freq_factor': 1.0, 'high_freq_factor': 4.0, 'original_max_position_embeddings': 8192}, 'rope_theta': 500000.0",
         LLAMA ", 'rope_parameters': {'rope_type': 'llama3', 'factor': 32.0, 'low_freq_factor': 1.0, 'high_freq_factor': 4.0, 'original_max_position_embeddings': 8192, 'rope_theta': 500000.0}"},
        {GLM4 ", 'torch_dtype': 'torch.float16'", GLM4 ", 'dtype': 'half'"},
        {GLM4, GLM4 ", 'hidden_act': 'swish', 'mlp_bias': false, 'use_qk_norm': true, 'attention_bias': true"},
    };
    for (size_t i = 0; i < GLIM_COUNT(same); i++) {
        glim_config a = read_ok(with(same[i][0], "")), b = read_ok(with(same[i][1], ""));
        CHECK_MSG(memcmp(&a, &b, sizeof a) == 0, "pair %zu differs", i);
    }
}

TEST(what_a_file_leaves_out_takes_the_default_of_its_class) {
    glim_config c = read_ok(with(GLM4, ""));
    CHECK(c.rope.n_rot == 64 && c.rope.theta == 1e4 && c.rope.interleaved && c.sandwich_norms && c.bos == -1);
    CHECK(c.temperature < 0 && c.top_p <= 0 && c.top_k < 0 && c.min_p < 0 && c.repetition_penalty <= 0 && !c.has_do_sample);
    c = read_ok(with(GLM4, "'partial_rotary_factor': 1.0"));
    CHECK(c.rope.n_rot == 128);
    c = read_ok(with(MOE, ""));
    CHECK(c.rope.n_rot == 64 && c.rope.theta == 1e6 && !c.rope.interleaved && !c.sandwich_norms && c.n_mtp == 0);
    CHECK(c.eps == 1e-5f && c.first_dense == 1 && c.n_expert_shared == 1 && c.norm_topk && c.max_ctx == 131072);
    c = read_ok(with(LLAMA, ""));
    CHECK(c.head_dim == 64 && c.rope.n_rot == 64 && c.rope.theta == 1e4 && !c.rope.interleaved && c.eps == 1e-6f && c.max_ctx == 2048);
    c = read_ok(with(QWEN2, "'head_dim': null"));
    CHECK(c.head_dim == 64 && c.n_expert == 0 && c.arch == GLIM_ARCH_QWEN2);
    c = read_ok("{\"model_type\": \"qwen3\", \"hidden_size\": 1024, \"intermediate_size\": 3072, \"num_hidden_layers\": 28, "
                "\"num_attention_heads\": 16, \"num_key_value_heads\": 8, \"vocab_size\": 151936}");
    CHECK(c.head_dim == 128 && c.rope.n_rot == 128); /* not 1024 / 16 */
    c = read_ok("{\"model_type\": \"llama\", \"hidden_size\": 64, \"intermediate_size\": 96, \"num_hidden_layers\": 1, "
                "\"num_attention_heads\": 4, \"vocab_size\": 100}");
    CHECK(c.n_kv_head == 4); /* before groups there was no key */
    c = read_ok("{\"architectures\": [\"Glm4ForCausalLM\"], \"hidden_size\": 64, \"intermediate_size\": 96, "
                "\"num_hidden_layers\": 1, \"num_attention_heads\": 4, \"num_key_value_heads\": 2, \"vocab_size\": 100}");
    CHECK(c.arch == GLIM_ARCH_GLM4);
    CHECK_STR(c.model_type, "glm4");
}

TEST(chatglm_keys_of_its_own) {
    glim_config c = read_ok(with(CHATGLM, "'multi_query_attention': true, 'multi_query_group_num': 4, 'rope_ratio': 10000, "
                                          "'seq_length': 1048576, 'layernorm_epsilon': 1.5625e-07, 'kv_channels': 128"));
    CHECK(c.n_kv_head == 4 && c.rope.theta == 1e8 && c.max_ctx == 1048576 && c.rope.n_rot == 64 && c.eps == 1.5625e-07f);
    c = read_ok(with(CHATGLM, "'multi_query_attention': false, 'multi_query_group_num': 4"));
    CHECK(c.n_kv_head == 32 && c.rope.theta == 1e4 && c.rope.interleaved);
}

TEST(vision_files_give_their_text_model) {
    glim_config c = read_ok("{\"model_type\": \"glm4v\", \"tie_word_embeddings\": true, \"eos_token_id\": 7, \"dtype\": \"float16\","
                            "\"text_config\": {\"model_type\": \"glm4v_text\", \"hidden_size\": 64, \"intermediate_size\": 96, "
                            "\"num_hidden_layers\": 3, \"num_attention_heads\": 4, \"num_key_value_heads\": 2, \"vocab_size\": 100, "
                            "\"eos_token_id\": [5, 7], \"rope_parameters\": {\"rope_type\": \"default\", \"rope_theta\": 1e4, "
                            "\"mrope_section\": [8, 12, 12], \"partial_rotary_factor\": 0.5}}, \"vision_config\": {\"hidden_size\": 1}}");
    CHECK(c.arch == GLIM_ARCH_GLM4 && c.head_dim == 16 && c.rope.n_rot == 8 && c.n_layer == 3 && c.tie);
    CHECK(c.n_eos == 2 && c.eos[0] == 7 && c.eos[1] == 5 && c.stored == GLIM_F16);
    CHECK_STR(c.model_type, "glm4v");
}

TEST(yarn_lengthens_the_context_and_llama3_does_not) {
    glim_config c = read_ok(with(GLM4, "'rope_scaling': {'type': 'yarn', 'factor': 4.0, 'original_max_position_embeddings': 32768}"));
    CHECK(c.rope.scaling == GLIM_ROPE_YARN && c.rope.factor == 4 && c.rope.original_ctx == 32768 && c.max_ctx == 131072);
    CHECK(c.rope.beta_fast == 32 && c.rope.beta_slow == 1 && c.rope.attention_factor == 0);
    c = read_ok(with(GLM4, "'rope_scaling': {'type': 'yarn', 'factor': 4.0, 'beta_fast': 16, 'beta_slow': 2, 'attention_factor': 1.5}"));
    CHECK(c.rope.original_ctx == 32768 && c.rope.beta_fast == 16 && c.rope.beta_slow == 2 && c.rope.attention_factor == 1.5);
    c = read_ok(with(GLM4, "'rope_scaling': {'type': 'yarn', 'factor': 40, 'mscale': 1.0, 'mscale_all_dim': 1.0}"));
    CHECK(c.rope.attention_factor == 1); /* equal parts cancel */
    c = read_ok(with(LLAMA, "'max_position_embeddings': 131072, 'rope_scaling': {'rope_type': 'llama3', 'factor': 8, "
                            "'original_max_position_embeddings': 8192, 'low_freq_factor': 1, 'high_freq_factor': 4}"));
    CHECK(c.rope.scaling == GLIM_ROPE_LLAMA3 && c.max_ctx == 131072 && c.rope.low_freq_factor == 1 && c.rope.high_freq_factor == 4);
    c = read_ok(with(LLAMA, "'rope_scaling': {'type': 'linear', 'factor': 2}"));
    CHECK(c.rope.scaling == GLIM_ROPE_LINEAR && c.rope.factor == 2 && c.max_ctx == 2048);
    c = read_ok(with(LLAMA, "'rope_scaling': {'type': 'dynamic', 'factor': 2}"));
    CHECK(c.rope.scaling == GLIM_ROPE_DYNAMIC && c.rope.original_ctx == 2048);
}

TEST(sliding_windows_that_are_off_do_nothing_and_on_cut_the_context) {
    glim_log_level old = glim_log_get_level();
    glim_log_set_level(GLIM_ERROR);
    CHECK(read_ok(with(QWEN2, "'sliding_window': 4096, 'use_sliding_window': false, 'max_window_layers': 0")).max_ctx == 32768);
    CHECK(read_ok(with(QWEN2, "'sliding_window': 4096, 'use_sliding_window': true, 'max_window_layers': 24")).max_ctx == 32768);
    CHECK(read_ok(with(QWEN2, "'sliding_window': 4096, 'use_sliding_window': true, 'max_window_layers': 20")).max_ctx == 4096);
    CHECK(read_ok(with(QWEN2, "'sliding_window': null, 'use_sliding_window': true, 'max_window_layers': 20")).max_ctx == 32768);
    CHECK(read_ok(with(QWEN2, "'sliding_window': 4096, 'layer_types': ['full_attention', 'sliding_attention']")).max_ctx == 4096);
    CHECK(read_ok(with(LLAMA, "'sliding_window': 16, 'use_sliding_window': true")).max_ctx == 2048); /* llama has none */
    glim_log_set_level(old);
}

TEST(generation_values_and_stop_ids_are_gathered) {
    glim_config c;
    glim_err err = {0};
    CHECK_OK(read_text(&c, with(GLM4, "'pad_token_id': 151329, 'bos_token_id': -1"),
                       "{\"temperature\": 0.6, \"top_p\": 0.95, \"top_k\": 40, \"min_p\": 0.05, \"repetition_penalty\": 1.1, "
                       "\"do_sample\": true, \"eos_token_id\": [151336, 151348], \"max_length\": 128000}", &err), err);
    CHECK(c.temperature == 0.6 && c.top_p == 0.95 && c.top_k == 40 && c.min_p == 0.05 && c.repetition_penalty == 1.1);
    CHECK(c.do_sample && c.has_do_sample && c.n_eos == 4 && c.eos[3] == 151348 && c.pad == 151329 && c.bos == -1);
    CHECK_OK(read_text(&c, with(LLAMA, "'eos_token_id': 2"), "{\"do_sample\": false, \"temperature\": null, \"top_k\": 0}", &err), err);
    CHECK(!c.do_sample && c.has_do_sample && c.temperature < 0 && c.top_k == 0 && c.n_eos == 1 && c.eos[0] == 2);
    static const struct {
        const char *text, *word;
    } bad[] = {{"{\"temperature\": -0.5}", "temperature"}, {"{\"temperature\": \"hot\"}", "temperature"},
               {"{\"top_p\": 1.5}", "top_p"}, {"{\"top_k\": 0.5}", "top_k"}, {"{\"repetition_penalty\": 0}", "repetition_penalty"},
               {"{\"do_sample\": 1}", "do_sample"}, {"{\"eos_token_id\": \"x\"}", "eos_token_id"}, {"[]", "want an object"},
               {"{\"eos_token_id\": [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]}", "16 ids"},
               {"{\"eos_token_id\": 4294967296}", "4294967296"}};
    for (size_t i = 0; i < GLIM_COUNT(bad); i++) {
        glim_status rc = read_text(&c, with(LLAMA, ""), bad[i].text, &err);
        CHECK_MSG(rc != GLIM_OK, "%s was accepted", bad[i].text);
        WANT_ERROR(rc, err, rc, "generation_config.json", bad[i].word, NULL, NULL);
    }
}

TEST(bad_values_are_refused_by_key) {
    static const struct {
        const char *base, *more;
        glim_status want;
        const char *a, *b;
    } cases[] = {
        {"'model_type': 'glm4_moe_lite'", "", GLIM_E_UNSUPPORTED, "glm4_moe_lite", "qwen3"},
        {"'model_type': 'mistral'", "", GLIM_E_UNSUPPORTED, "mistral", "want one of chatglm"},
        {"'architectures': ['GPT2LMHeadModel']", "", GLIM_E_UNSUPPORTED, "GPT2LMHeadModel", NULL},
        {"'hidden_size': 5", "", GLIM_E_NOT_FOUND, "model_type", NULL},
        {"'model_type': 7", "", GLIM_E_FORMAT, "model_type", "integer"},
        {"'model_type': 'glm4'", "", GLIM_E_NOT_FOUND, "\"hidden_size\" is missing", NULL},
        {"'model_type': 'glm4', 'hidden_size': 0", "", GLIM_E_FORMAT, "hidden_size", "got 0"},
        {"'model_type': 'glm4', 'hidden_size': 1099511627776", "", GLIM_E_FORMAT, "hidden_size", "1099511627776"},
        {"'model_type': 'glm4', 'hidden_size': '64'", "", GLIM_E_FORMAT, "hidden_size", "string"},
        {"'model_type': 'glm4', 'hidden_size': 64.5", "", GLIM_E_FORMAT, "hidden_size", "64.5"},
        {"'model_type': 'glm4', 'text_config': []", "", GLIM_E_FORMAT, "text_config", "array"},
        {GLM4, "'hidden_act': 'gelu'", GLIM_E_UNSUPPORTED, "hidden_act", "gelu"},
        {GLM4, "'mlp_bias': true", GLIM_E_UNSUPPORTED, "mlp_bias", "true"},
        {GLM4, "'quantization_config': {'quant_method': 'gptq'}", GLIM_E_UNSUPPORTED, "quantization_config", "gptq"},
        {GLM4, "'rope_theta': 0", GLIM_E_FORMAT, "rope_theta", "got 0"},
        {GLM4, "'partial_rotary_factor': 0.51", GLIM_E_FORMAT, "partial_rotary_factor", "65 of 128"},
        {GLM4, "'partial_rotary_factor': 0.0", GLIM_E_FORMAT, "partial_rotary_factor", NULL},
        {GLM4, "'partial_rotary_factor': 2", GLIM_E_FORMAT, "partial_rotary_factor", "got 2"},
        {GLM4, "'rope_scaling': 'yarn'", GLIM_E_FORMAT, "rope_scaling", "string"},
        {GLM4, "'rope_scaling': {'type': 'longrope', 'factor': 2}", GLIM_E_UNSUPPORTED, "longrope", "yarn"},
        {GLM4, "'rope_scaling': {'type': 'yarn'}", GLIM_E_NOT_FOUND, "rope_scaling", "factor"},
        {GLM4, "'rope_scaling': {'type': 'yarn', 'factor': 0.5}", GLIM_E_FORMAT, "factor", "0.5"},
        {GLM4, "'rope_scaling': {'type': 'yarn', 'factor': 4, 'beta_fast': 1, 'beta_slow': 2}", GLIM_E_FORMAT, "beta_fast", NULL},
        {GLM4, "'rope_scaling': {'type': 'yarn', 'factor': 4, 'truncate': false}", GLIM_E_UNSUPPORTED, "truncate", NULL},
        {GLM4, "'rope_parameters': {'full_attention': {'rope_type': 'default'}}", GLIM_E_UNSUPPORTED, "rope_parameters", "layer type"},
        {LLAMA, "'rope_scaling': {'rope_type': 'llama3', 'factor': 8}", GLIM_E_NOT_FOUND, "original_max_position_embeddings", NULL},
        {LLAMA, "'rope_scaling': {'rope_type': 'llama3', 'factor': 8, 'low_freq_factor': 4, 'high_freq_factor': 4, 'original_max_position_embeddings': 1}", GLIM_E_FORMAT, "high_freq_factor", NULL},
        {LLAMA, "'head_dim': 7", GLIM_E_FORMAT, "rotates 7 of 7", NULL},
        {LLAMA, "'head_dim': 0", GLIM_E_FORMAT, "head_dim", "got 0"},
        {LLAMA, "'rms_norm_eps': 0", GLIM_E_FORMAT, "rms_norm_eps", NULL},
        {LLAMA, "'max_position_embeddings': 0", GLIM_E_FORMAT, "max_position_embeddings", NULL},
        {LLAMA, "'tie_word_embeddings': 'no'", GLIM_E_FORMAT, "tie_word_embeddings", NULL},
        {LLAMA, "'eos_token_id': 1.5", GLIM_E_FORMAT, "eos_token_id", NULL},
        {LLAMA, "'torch_dtype': 16", GLIM_E_FORMAT, "torch_dtype", NULL},
        {QWEN2, "'layer_types': ['linear_attention']", GLIM_E_UNSUPPORTED, "layer_types", "linear_attention"},
        {MOE, "'scoring_func': 'softmax'", GLIM_E_UNSUPPORTED, "scoring_func", "softmax"},
        {MOE, "'n_group': 3", GLIM_E_FORMAT, "n_group", "got 3"},
        {MOE, "'n_group': 128", GLIM_E_FORMAT, "n_group", "2 or more"},
        {MOE, "'n_group': 4, 'topk_group': 5", GLIM_E_FORMAT, "topk_group", "1 to 4"},
        {MOE, "'first_k_dense_replace': 47", GLIM_E_FORMAT, "first_k_dense_replace", "46"},
        {MOE, "'num_nextn_predict_layers': 99", GLIM_E_FORMAT, "num_nextn_predict_layers", NULL},
        {CHATGLM, "'multi_query_attention': true", GLIM_E_NOT_FOUND, "multi_query_group_num", NULL},
        {CHATGLM, "'multi_query_attention': true, 'multi_query_group_num': 3", GLIM_E_FORMAT, "multi_query_group_num", "divisor"},
        {CHATGLM, "'num_hidden_layers': 39", GLIM_E_FORMAT, "num_hidden_layers", "40"},
        {CHATGLM, "'rmsnorm': false", GLIM_E_UNSUPPORTED, "rmsnorm", NULL},
        {CHATGLM, "'add_bias_linear': true", GLIM_E_UNSUPPORTED, "add_bias_linear", NULL},
        {CHATGLM, "'original_rope': false", GLIM_E_UNSUPPORTED, "original_rope", NULL},
        {CHATGLM, "'quantization_bit': 4", GLIM_E_UNSUPPORTED, "quantization_bit", "got 4"},
        {CHATGLM, "'position_encoding_2d': true", GLIM_E_UNSUPPORTED, "first generation", NULL},
        {CHATGLM, "'kv_channels': 2", GLIM_E_FORMAT, "kv_channels", NULL},
        {"'model_type': 'glm4', 'hidden_size': 64, 'intermediate_size': 96, 'num_hidden_layers': 1, 'num_attention_heads': 5, 'num_key_value_heads': 2, 'vocab_size': 9", "", GLIM_E_FORMAT, "num_key_value_heads", "divisor"},
        {"'model_type': 'llama', 'hidden_size': 65, 'intermediate_size': 96, 'num_hidden_layers': 1, 'num_attention_heads': 2, 'vocab_size': 9", "", GLIM_E_FORMAT, "head_dim", "65"},
    };
    for (size_t i = 0; i < GLIM_COUNT(cases); i++) {
        glim_config c;
        glim_err err = {0};
        glim_status rc = read_text(&c, with(cases[i].base, cases[i].more), NULL, &err);
        CHECK_MSG(rc == cases[i].want, "case %zu (%s): got %s, %s", i, cases[i].more, glim_status_name(rc), err.msg);
        WANT_ERROR(rc, err, cases[i].want, "config.json", cases[i].a, cases[i].b, NULL);
    }
    glim_config c;
    glim_err err = {0};
    json_t *v = json_array();
    WANT_ERROR(glim_config_from_json(&c, v, NULL, &err), err, GLIM_E_FORMAT, "config.json", "got array", NULL, NULL);
    WANT_ERROR(glim_config_from_json(&c, NULL, NULL, &err), err, GLIM_E_FORMAT, "config.json", NULL, NULL, NULL);
    json_decref(v);
}

TEST(a_folder_without_config_json_says_so) {
    const char *dir = tmp_new();
    put_file(at(dir, "model.safetensors"), "\2\0\0\0\0\0\0\0{}", 10);
    glim_err err = {0};
    glim_ckpt *ck;
    CHECK_OK(glim_ckpt_open(&ck, dir, &err), err);
    glim_config c;
    WANT_ERROR(glim_config_read(&c, ck, &err), err, GLIM_E_NOT_FOUND, dir, "config.json", NULL, NULL);
    glim_ckpt_close(ck);
    tmp_remove(dir);
}

/* --- GGUF ------------------------------------------------------------------------------------------------- */

typedef struct number {
    const char *key;
    double v; /* fractions are written as f32, the rest as u32 */
} number;

static void put_number(glim_gguf_writer *w, const char *arch, const char *key, double v) {
    char full[100];
    glim_err err = {0};
    snprintf(full, sizeof full, "%s%s%s", arch, arch[0] ? "." : "", key);
    if (strstr(key, "epsilon") || strstr(key, "freq_base") || strstr(key, "factor") || strstr(key, "scale") || strstr(key, "temp"))
        CHECK_OK(glim_gguf_put_real(w, full, GLIM_GGUF_F32, v, &err), err);
    else if (strstr(key, "norm")) CHECK_OK(glim_gguf_put_int(w, full, GLIM_GGUF_BOOL, (int64_t)v, &err), err);
    else CHECK_OK(glim_gguf_put_int(w, full, GLIM_GGUF_U32, (int64_t)v, &err), err);
}

/* A file with these keys, read back; text: pairs of key and string, NULL ends. */
static glim_status read_gguf(glim_config *c, const char *arch, const number *n, size_t count, const char *const *text,
                             size_t vocab, glim_err *err) {
    const char *dir = tmp_new();
    glim_gguf_writer *w = glim_gguf_writer_new(NULL);
    glim_err_clear(err);
    CHECK_OK(glim_gguf_put_str(w, "general.architecture", arch, strlen(arch), err), *err);
    for (size_t i = 0; i < count; i++)
        put_number(w, strncmp(n[i].key, "tokenizer.", 10) && strncmp(n[i].key, "general.", 8) ? arch : "", n[i].key, n[i].v);
    for (; text && text[0]; text += 2) {
        char full[100];
        snprintf(full, sizeof full, "%s.%s", arch, text[0]);
        CHECK_OK(glim_gguf_put_str(w, full, text[1], strlen(text[1]), err), *err);
    }
    CHECK_OK(glim_gguf_write(w, at(dir, "c.gguf"), err), *err);
    glim_gguf_writer_free(w);
    glim_gguf *g;
    CHECK_OK(glim_gguf_open(&g, at(dir, "c.gguf"), err), *err);
    glim_status rc = glim_config_from_gguf(c, g, vocab, true, err);
    glim_gguf_close(g);
    tmp_remove(dir);
    return rc;
}

#define BASE {"block_count", 40}, {"embedding_length", 4096}, {"feed_forward_length", 13696}, \
             {"attention.head_count", 32}, {"attention.head_count_kv", 2}, {"context_length", 131072}, \
             {"attention.layer_norm_rms_epsilon", 1e-5}

TEST(gguf_metadata_gives_the_same_description) {
    glim_config c;
    glim_err err = {0};
    const number glm4[] = {BASE, {"rope.dimension_count", 64}, {"rope.freq_base", 10000},
                           {"tokenizer.ggml.eos_token_id", 151329}, {"tokenizer.ggml.eot_token_id", 151336},
                           {"tokenizer.ggml.padding_token_id", 151329}, {"tokenizer.ggml.bos_token_id", 4294967295.0},
                           {"general.file_type", 15}, {"general.sampling.temp", 0.75}, {"general.sampling.top_k", 40}};
    CHECK_OK(read_gguf(&c, "glm4", glm4, GLIM_COUNT(glm4), NULL, 151552, &err), err);
    CHECK(c.arch == GLIM_ARCH_GLM4 && c.sandwich_norms && c.rope.interleaved && c.rope.n_rot == 64 && c.head_dim == 128);
    CHECK(c.n_layer == 40 && c.n_ff == 13696 && c.eps == 1e-5f && c.n_vocab == 151552 && !c.tie && c.stored == GLIM_Q4_K);
    CHECK(c.n_eos == 2 && c.eos[0] == 151329 && c.eos[1] == 151336 && c.bos == -1 && c.pad == 151329);
    CHECK(c.temperature == 0.75 && c.top_k == 40 && c.top_p <= 0);
    CHECK_STR(glim_config_known_name(&c, NULL), "GLM-4-9B-0414 or GLM-Z1-9B-0414");

    const number moe[] = {{"block_count", 47}, {"nextn_predict_layers", 1}, {"embedding_length", 4096},
                          {"feed_forward_length", 10944}, {"attention.head_count", 96}, {"attention.head_count_kv", 8},
                          {"attention.key_length", 128}, {"attention.value_length", 128}, {"context_length", 131072},
                          {"attention.layer_norm_rms_epsilon", 1e-5}, {"rope.freq_base", 1e6}, {"rope.dimension_count", 64},
                          {"expert_count", 128}, {"expert_used_count", 8}, {"expert_feed_forward_length", 1408},
                          {"expert_shared_count", 1}, {"leading_dense_block_count", 1}, {"expert_gating_func", 2},
                          {"expert_weights_scale", 2.5}, {"expert_weights_norm", 1}};
    CHECK_OK(read_gguf(&c, "glm4moe", moe, GLIM_COUNT(moe), NULL, 151552, &err), err);
    CHECK(c.n_layer == 46 && c.n_mtp == 1 && !c.rope.interleaved && c.n_expert == 128 && !c.router_softmax && c.norm_topk);
    CHECK(c.routed_scale == 2.5f && c.first_dense == 1);
    CHECK_STR(glim_config_known_name(&c, NULL), "GLM-4.5-Air");

    const number llama[] = {BASE};
    CHECK_OK(read_gguf(&c, "llama", llama, GLIM_COUNT(llama), NULL, 100, &err), err);
    CHECK(c.rope.interleaved && c.rope.n_rot == 128 && c.rope.theta == 1e4); /* q and k rows were permuted */
    CHECK_OK(read_gguf(&c, "qwen2", llama, GLIM_COUNT(llama), NULL, 100, &err), err);
    CHECK(!c.rope.interleaved && c.rope.n_rot == 128);
    CHECK_OK(read_gguf(&c, "chatglm", llama, GLIM_COUNT(llama), NULL, 100, &err), err);
    CHECK(c.rope.interleaved && c.rope.n_rot == 64 && !c.sandwich_norms);

    const number yarn[] = {BASE, {"rope.scaling.factor", 4}, {"rope.scaling.original_context_length", 32768}};
    CHECK_OK(read_gguf(&c, "glm4", yarn, GLIM_COUNT(yarn), (const char *const[]){"rope.scaling.type", "yarn", NULL}, 9, &err), err);
    CHECK(c.rope.scaling == GLIM_ROPE_YARN && c.rope.factor == 4 && c.rope.original_ctx == 32768 && c.rope.attention_factor == 0);
    CHECK_OK(read_gguf(&c, "glm4", yarn, GLIM_COUNT(yarn), NULL, 9, &err), err);
    CHECK(c.rope.scaling == GLIM_ROPE_LINEAR);
    CHECK_OK(read_gguf(&c, "glm4", yarn, GLIM_COUNT(yarn), (const char *const[]){"rope.scaling.type", "none", NULL}, 9, &err), err);
    CHECK(c.rope.scaling == GLIM_ROPE_NONE && c.rope.factor == 1);
}

TEST(gguf_glm4_with_sections_is_half_split) {
    const char *dir = tmp_new();
    glim_err err = {0};
    glim_gguf_writer *w = glim_gguf_writer_new(NULL);
    const number base[] = {BASE};
    static const int32_t sections[4] = {8, 12, 12, 0};
    CHECK_OK(glim_gguf_put_str(w, "general.architecture", "glm4", 4, &err), err);
    for (size_t i = 0; i < GLIM_COUNT(base); i++)
        if (strcmp(base[i].key, "feed_forward_length") != 0) put_number(w, "glm4", base[i].key, base[i].v);
    uint32_t ff[40];
    for (size_t i = 0; i < 40; i++) ff[i] = 13696; /* one for each layer */
    CHECK_OK(glim_gguf_put_array(w, "glm4.feed_forward_length", GLIM_GGUF_U32, ff, 40, &err), err);
    CHECK_OK(glim_gguf_put_array(w, "glm4.rope.dimension_sections", GLIM_GGUF_I32, sections, 4, &err), err);
    CHECK_OK(glim_gguf_put_strs(w, "tokenizer.ggml.tokens", (const glim_gguf_text[]){{"a", 1}, {"b", 1}}, 2, &err), err);
    CHECK_OK(glim_gguf_write(w, at(dir, "c.gguf"), &err), err);
    glim_gguf_writer_free(w);
    glim_ckpt *ck;
    CHECK_OK(glim_ckpt_open(&ck, dir, &err), err);
    glim_config c;
    CHECK_OK(glim_config_read(&c, ck, &err), err);
    CHECK(!c.rope.interleaved && c.sandwich_norms && c.n_vocab == 2 && c.tie && c.n_ff == 13696);
    glim_ckpt_close(ck);
    tmp_remove(dir);
}

TEST(bad_gguf_metadata_is_refused_by_key) {
    static const struct {
        const char *arch;
        number n; /* added to, or put over, the base keys */
        glim_status want;
        const char *a, *b;
    } cases[] = {
        {"gpt2", {"x", 1}, GLIM_E_UNSUPPORTED, "general.architecture", "gpt2"},
        {"glm4", {"block_count", 0}, GLIM_E_FORMAT, "glm4.block_count", "got 0"},
        {"glm4", {"nextn_predict_layers", 16}, GLIM_OK, NULL, NULL},
        {"glm4", {"nextn_predict_layers", 17}, GLIM_E_FORMAT, "nextn_predict_layers", NULL},
        {"glm4", {"attention.head_count_kv", 3}, GLIM_E_FORMAT, "head_count_kv", "divisor"},
        {"glm4", {"attention.value_length", 64}, GLIM_E_UNSUPPORTED, "value_length", "128"},
        {"glm4", {"attention.key_length", 1}, GLIM_E_FORMAT, "key_length", "got 1"},
        {"glm4", {"rope.dimension_count", 130}, GLIM_E_FORMAT, "dimension_count", "130"},
        {"glm4", {"rope.dimension_count", 63}, GLIM_E_FORMAT, "dimension_count", "even"},
        {"glm4", {"rope.scaling.factor", 0.5}, GLIM_E_FORMAT, "scaling.factor", "0.5"},
        {"llama", {"expert_count", 8}, GLIM_E_UNSUPPORTED, "llama.expert_count", "got 8"},
        {"glm4moe", {"x", 1}, GLIM_E_NOT_FOUND, "glm4moe.expert_count", NULL},
        {"glm4", {"tokenizer.ggml.tokens", 1}, GLIM_E_FORMAT, "tokenizer.ggml.tokens", "strings"},
        {"glm4", {"general.sampling.temp", -1}, GLIM_E_FORMAT, "general.sampling.temp", NULL},
    };
    for (size_t i = 0; i < GLIM_COUNT(cases); i++) {
        number n[] = {BASE, cases[i].n};
        size_t count = GLIM_COUNT(n);
        for (size_t k = 0; k + 1 < count; k++)
            if (strcmp(n[k].key, cases[i].n.key) == 0) n[k] = n[--count];
        glim_config c;
        glim_err err = {0};
        glim_status rc = read_gguf(&c, cases[i].arch, n, count, NULL, 100, &err);
        CHECK_MSG(rc == cases[i].want, "case %zu: got %s, %s", i, glim_status_name(rc), err.msg);
        if (rc != GLIM_OK) WANT_ERROR(rc, err, cases[i].want, cases[i].a, cases[i].b, NULL, NULL);
    }
    glim_config c;
    glim_err err = {0};
    const number none[] = {{"block_count", 4}};
    WANT_ERROR(read_gguf(&c, "glm4", none, 1, NULL, 1, &err), err, GLIM_E_NOT_FOUND, "glm4.embedding_length", NULL, NULL, NULL);
    const number base[] = {BASE};
    WANT_ERROR(read_gguf(&c, "glm4", base, GLIM_COUNT(base), NULL, 0, &err), err, GLIM_E_FORMAT, "vocabulary", NULL, NULL, NULL);
    WANT_ERROR(read_gguf(&c, "glm4", base, GLIM_COUNT(base), (const char *const[]){"rope.scaling.type", "longrope", NULL}, 9, &err),
               err, GLIM_E_UNSUPPORTED, "longrope", NULL, NULL, NULL);
}
