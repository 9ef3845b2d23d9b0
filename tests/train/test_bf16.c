/* Whole nets in pairs of bf16, dense and with experts: forward, back to the input and to the weights, full weights and pairs of LoRA,
 * in plain C everywhere and with AVX-512 where the CPU has its BF16. The nets are wide enough that all their products but the
 * router's are in pairs (gemm.c: more than a block of columns); those in f32 are held against PyTorch by the other tests. */
#include "train_test.h"

#include "format/st.h"
#include "tensor/kernels_internal.h"
#include "train/export.h"
#include "train/net_internal.h"
#include "train/start.h"

static const char config[] = "{\"model_type\": \"glm4\", \"architectures\": [\"Glm4ForCausalLM\"], \"hidden_size\": 96, \"intermediate_size\": 112, "
                             "\"num_hidden_layers\": 2, \"num_attention_heads\": 4, \"num_key_value_heads\": 2, \"head_dim\": 36, \"attention_bias\": true, "
                             "\"max_position_embeddings\": 128, \"rms_norm_eps\": 1e-5, \"tie_word_embeddings\": false, \"partial_rotary_factor\": 0.5, "
                             "\"rope_theta\": 10000.0, \"initializer_range\": 0.1}";

static char dir[64];

static const char *wide_model(void) {
    static char model[128];
    char path[128];
    glim_err err = {0};
    snprintf(dir, sizeof dir, "/tmp/glim-bf16-XXXXXX");
    CHECK(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/config.json", dir);
    snprintf(model, sizeof model, "%s/model", dir);
    CHECK_OK(glim_file_write_atomic(path, config, strlen(config), &err), err);
    CHECK_OK(glim_start_model(model, path, glim_test_source("tests/fixtures/glm4"), 7, &err), err);
    return model;
}

/* Two layers of a GLM-4.5, dense and with four experts, two for a row, and a shared one. */
enum { E = 96, F = 112, F_EXPERT = 80, HEADS = 4, KV = 2, HEAD = 36, VOCAB = 347, N_EXPERT = 4, MAX_TENSORS = 64 };
static const char experts_config[] =
    "{\"model_type\": \"glm4_moe\", \"architectures\": [\"Glm4MoeForCausalLM\"], \"vocab_size\": 347, \"hidden_size\": 96, \"intermediate_size\": 112, "
    "\"num_hidden_layers\": 2, \"num_attention_heads\": 4, \"num_key_value_heads\": 2, \"head_dim\": 36, \"attention_bias\": true, "
    "\"max_position_embeddings\": 128, \"rms_norm_eps\": 1e-5, \"tie_word_embeddings\": false, \"partial_rotary_factor\": 0.5, \"rope_theta\": 10000.0, "
    "\"first_k_dense_replace\": 1, \"moe_intermediate_size\": 80, \"n_group\": 1, \"topk_group\": 1, \"n_routed_experts\": 4, \"n_shared_experts\": 1, "
    "\"norm_topk_prob\": true, \"num_experts_per_tok\": 2, \"routed_scaling_factor\": 1.0, \"use_qk_norm\": false}";

typedef struct drawn {
    glim_tensor_out out[MAX_TENSORS];
    char name[MAX_TENSORS][96];
    float *data[MAX_TENSORS];
    size_t n;
    glim_rng rng;
} drawn;

/* n_in 0: a vector. */
static void draw(drawn *d, const char *prefix, const char *name, size_t n_out, size_t n_in, double mean, double std) {
    const size_t at = d->n++, n = n_out * (n_in ? n_in : 1);
    CHECK(at < MAX_TENSORS);
    snprintf(d->name[at], sizeof d->name[at], "%s%s", prefix, name);
    d->data[at] = calloc(n, sizeof(float));
    for (size_t i = 0; i < n; i++) d->data[at][i] = (float)(mean + std * glim_rng_normal(&d->rng));
    d->out[at] = (glim_tensor_out){.name = d->name[at], .type = GLIM_F32, .n_dims = n_in ? 2 : 1, .dims = {n_out, n_in}, .data = d->data[at]};
}

static void draw_mlp(drawn *d, const char *prefix, size_t n_ff) {
    draw(d, prefix, "gate_proj.weight", n_ff, E, 0, 0.1);
    draw(d, prefix, "up_proj.weight", n_ff, E, 0, 0.1);
    draw(d, prefix, "down_proj.weight", E, n_ff, 0, 0.1);
}

static const char *experts_model(void) {
    static char model[128];
    char path[160], prefix[64];
    glim_err err = {0};
    drawn *d = calloc(1, sizeof *d);
    d->rng.seed = 11;
    snprintf(dir, sizeof dir, "/tmp/glim-bf16-XXXXXX");
    CHECK(mkdtemp(dir));
    snprintf(model, sizeof model, "%s/model", dir);
    CHECK_OK(glim_mkdirs(model, &err), err);
    CHECK_OK(glim_copy_beside(glim_test_source("tests/fixtures/glm4moe-air"), model, &err), err);
    snprintf(path, sizeof path, "%s/config.json", model);
    CHECK_OK(glim_file_write_atomic(path, experts_config, strlen(experts_config), &err), err);
    draw(d, "", "model.embed_tokens.weight", VOCAB, E, 0, 0.1);
    for (int i = 0; i < 2; i++) {
        snprintf(prefix, sizeof prefix, "model.layers.%d.", i);
        draw(d, prefix, "input_layernorm.weight", E, 0, 1, 0);
        draw(d, prefix, "self_attn.q_proj.weight", HEADS * HEAD, E, 0, 0.1);
        draw(d, prefix, "self_attn.k_proj.weight", KV * HEAD, E, 0, 0.1);
        draw(d, prefix, "self_attn.v_proj.weight", KV * HEAD, E, 0, 0.1);
        draw(d, prefix, "self_attn.q_proj.bias", HEADS * HEAD, 0, 0, 0.1);
        draw(d, prefix, "self_attn.k_proj.bias", KV * HEAD, 0, 0, 0.1);
        draw(d, prefix, "self_attn.v_proj.bias", KV * HEAD, 0, 0, 0.1);
        draw(d, prefix, "self_attn.o_proj.weight", E, HEADS * HEAD, 0, 0.1);
        draw(d, prefix, "post_attention_layernorm.weight", E, 0, 1, 0);
        strcat(prefix, "mlp.");
        if (i == 0) {
            draw_mlp(d, prefix, F);
            continue;
        }
        draw(d, prefix, "gate.weight", N_EXPERT, E, 0, 0.1);
        draw(d, prefix, "gate.e_score_correction_bias", N_EXPERT, 0, 0, 0.05);
        snprintf(prefix, sizeof prefix, "model.layers.%d.mlp.shared_experts.", i);
        draw_mlp(d, prefix, F_EXPERT);
        for (int e = 0; e < N_EXPERT; e++) {
            snprintf(prefix, sizeof prefix, "model.layers.%d.mlp.experts.%d.", i, e);
            draw_mlp(d, prefix, F_EXPERT);
        }
    }
    draw(d, "", "model.norm.weight", E, 0, 1, 0);
    draw(d, "", "lm_head.weight", VOCAB, E, 0, 0.1);
    CHECK_OK(glim_st_write_folder(model, d->out, d->n, NULL, (uint64_t)1 << 30, &err), err);
    for (size_t i = 0; i < d->n; i++) free(d->data[i]);
    free(d);
    return model;
}

static void clean(void) {
    char cmd[96];
    snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
    CHECK(system(cmd) == 0);
}

/* Three sequences of 61 rows in all: an odd number, so that the last pair of a sum over rows is half empty. */
static void pack_random(glim_packer *p) {
    static const size_t len[] = {30, 9, 25};
    glim_rng rng = {.seed = 31};
    for (size_t s = 0; s < GLIM_COUNT(len); s++) {
        int32_t tokens[32];
        uint8_t loss[32];
        for (size_t i = 0; i < len[s]; i++) tokens[i] = (int32_t)glim_rng_below(&rng, 290), loss[i] = i > 0;
        CHECK(glim_packer_add(p, &(glim_example){tokens, loss, len[s]}, s));
    }
    CHECK(p->pack.n == 61);
}

/* A net with the gradient of one step. */
static glim_net *net_of(rig *r, glim_packer *p, glim_gemm_type type, bool lora, double *loss) {
    glim_net *n;
    glim_net_params np = {.n_rows = 64, .type = type, .seed = 3};
    if (lora) np.lora = (glim_lora_params){.rank = 4, .targets = {"all-linear", "experts.gate_proj", "experts.up_proj", "experts.down_proj"}, .n_targets = r->m->cfg.n_expert ? 4 : 1};
    CHECK_OK(glim_net_new(&n, r->m, &np, &r->err), r->err);
    glim_rng rng = {.seed = 5};
    for (size_t i = 0; lora && i < n->n_values; i++) n->w[i] += 0.02f * (float)glim_rng_normal(&rng); /* B begins at zero */
    *loss = step_loss(n, p, &r->err);
    return n;
}

/* How far x is from y, in largest values of y. */
static double apart(const float *x, const float *y, size_t n) {
    double top = 0, worst = 0;
    for (size_t i = 0; i < n; i++) {
        const double d = fabs((double)x[i] - (double)y[i]);
        if (!(d <= worst)) worst = d;
        top = fmax(top, fabs((double)y[i]));
    }
    return worst / top;
}

/* The router's matrix has few outputs and is multiplied in f32, like an adapter's own pairs; what reaches it went through bf16. */
static void check_set(const char *set, const char *model) {
    for (int lora = 0; lora < 2; lora++) {
        rig r[2];
        glim_packer p;
        glim_err err = {0};
        glim_net *pairs[2], *f32;
        double loss[3];
        CHECK_OK(glim_packer_init(&p, 64, &err), err);
        pack_random(&p);
        for (int k = 0; k < 2; k++) {
            rig_open(&r[k], model, set, 1 + GLIM_F32, 1 + 2 * k);
            pairs[k] = net_of(&r[k], &p, GLIM_GEMM_BF16, lora, &loss[k]);
        }
        f32 = net_of(&r[0], &p, GLIM_GEMM_F32, lora, &loss[2]);
        const char *what = lora ? "pairs of LoRA" : "all weights";
        const glim_config *cfg = &r[0].m->cfg;
        if (cfg->n_expert) {
            /* A choice that rounding turned would be another function. */
            CHECK_MSG(memcmp(pairs[0]->load, f32->load, cfg->n_layer * cfg->n_expert * sizeof *f32->load) == 0, "%s, %s: other experts were chosen than in f32", set, what);
            for (size_t e = 0; e < cfg->n_expert; e++) CHECK_MSG(f32->load[cfg->n_expert + e] > 8, "%s: expert %zu has too few rows to say anything", set, e);
        }
        CHECK_MSG(loss[0] == loss[1] && memcmp(pairs[0]->g, pairs[1]->g, f32->n_values * sizeof(float)) == 0, "%s, %s: other bits on 3 threads", set, what);
        CHECK_MSG(fabs(loss[0] - loss[2]) <= 2e-3 * loss[2], "%s, %s: loss is %.6f, in f32 %.6f", set, what, loss[0], loss[2]);
        for (size_t i = 0; i < f32->n_params; i++) {
            const glim_param *x = &f32->params[i];
            const double d = apart(pairs[0]->g + x->at, f32->g + x->at, x->n);
            CHECK_MSG(d <= 0.03, "%s, %s: %s is off by %.3g of the largest", set, what, x->name, d);
            CHECK_MSG(d > 1e-5, "%s, %s: %s is that of f32: nothing was rounded", set, what, x->name);
        }
        glim_net_free(f32);
        for (int k = 0; k < 2; k++) glim_net_free(pairs[k]), rig_close(&r[k]);
        glim_packer_deinit(&p);
    }
    clean();
}

TEST(whole_nets_in_pairs_of_bf16_have_the_gradients_of_f32_within_their_rounding_in_plain_c) {
    glim_ref_bf16_pairs = true;
    check_set("ref", wide_model());
    check_set("ref", experts_model());
    glim_ref_bf16_pairs = false;
}

#if defined __x86_64__
TEST(whole_nets_in_pairs_of_bf16_have_the_gradients_of_f32_within_their_rounding_in_avx512) {
    if (!glim_kernels_find("avx512")) SKIP("no AVX-512 with BF16 here");
    glim_avx512_bf16_dots = 1;
    check_set("avx512", wide_model());
    check_set("avx512", experts_model());
    glim_avx512_bf16_dots = -1;
}
#endif
