/* Whole nets in pairs of bf16: forward, back to the input and to the weights, full weights and pairs of LoRA, in plain C everywhere
 * and with AVX-512 where the CPU has its BF16. The net is wide enough that all its products are in pairs (gemm.c: more than a
 * block of columns); those in f32 are held against PyTorch by the other tests. */
#include "train_test.h"

#include "tensor/kernels_internal.h"
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
    if (lora) np.lora = (glim_lora_params){.rank = 4, .targets = {"all-linear"}, .n_targets = 1};
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

static void check_set(const char *set) {
    const char *model = wide_model();
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
    check_set("ref");
    glim_ref_bf16_pairs = false;
}

#if defined __x86_64__
TEST(whole_nets_in_pairs_of_bf16_have_the_gradients_of_f32_within_their_rounding_in_avx512) {
    if (!glim_kernels_find("avx512")) SKIP("no AVX-512 with BF16 here");
    glim_avx512_bf16_dots = 1;
    check_set("avx512");
    glim_avx512_bf16_dots = -1;
}
#endif
