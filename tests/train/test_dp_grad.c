/* Gradients of single examples: their norms and the clipped sum are those of one example after the other. */
#include "train/dp_grad.h"

#include "train_test.h"

enum { SEQ = 5 };

/* Sequences of different lengths, with tokens that repeat, targets here and there; one of a single row. */
static glim_example *make_examples(size_t n_vocab) {
    static int32_t ids[SEQ][40];
    static uint8_t loss[SEQ][40];
    static glim_example x[SEQ];
    static const size_t len[SEQ] = {9, 2, 34, 14, 6};
    glim_rng rng = {.seed = 11};
    for (size_t s = 0; s < SEQ; s++) {
        for (size_t i = 0; i < len[s]; i++) {
            ids[s][i] = (int32_t)glim_rng_below(&rng, i % 3 ? (uint32_t)n_vocab : 7);
            loss[s][i] = i > 0 && (i + 1 == len[s] || glim_rng_below(&rng, 3) > 0);
        }
        x[s] = (glim_example){ids[s], loss[s], len[s]};
    }
    return x;
}

static void set_scales(const glim_packer *p, double *scale) {
    for (size_t s = 0; s < p->pack.n_seq; s++) {
        size_t n = 0;
        for (size_t i = p->pack.seq[s]; i < p->pack.seq[s + 1]; i++) n += p->target[i] >= 0;
        for (size_t i = p->pack.seq[s]; i < p->pack.seq[s + 1]; i++) scale[i] = 1 / (double)n;
    }
}

static double norm_of(const float *g, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)g[i] * (double)g[i];
    return sqrt(sum);
}

/* The other way: each example alone through the ordinary backward. g [SEQ, n_values] */
static void one_by_one(glim_net *n, const glim_example *x, float *g, double *loss) {
    glim_packer p;
    glim_err err;
    double scale[64], nll[64];
    CHECK_OK(glim_packer_init(&p, 64, &err), err);
    for (size_t s = 0; s < SEQ; s++) {
        glim_packer_clear(&p, 0);
        CHECK(glim_packer_add(&p, &x[s], s));
        set_scales(&p, scale);
        glim_net_zero(n);
        CHECK_OK(glim_net_forward(n, &p.pack, &err), err);
        glim_net_head(n, &p.pack, nll, scale);
        glim_net_backward(n, &p.pack);
        memcpy(g + s * n->n_values, n->g, n->n_values * sizeof *g);
        loss[s] = 0;
        for (size_t i = 0; i < p.pack.n; i++) loss[s] += nll[i];
    }
    glim_packer_deinit(&p);
}

static void compare(const char *fixture, size_t rank, const char *target, int threads) {
    rig r;
    glim_net *n;
    glim_dp_grad *d;
    glim_packer p;
    glim_err err = {0};
    double scale[64], nll[64], norm[SEQ], loss[SEQ], sorted[SEQ];
    char path[96];
    snprintf(path, sizeof path, "tests/fixtures/%s", fixture);
    rig_open(&r, path, rank ? NULL : "ref", 0, threads);
    const glim_net_params np = {.n_rows = 64, .seed = 5, .by_example = true, .kernels = glim_kernels_get(),
                                .lora = {.rank = rank, .targets = {target, "experts.gate_proj", "experts.down_proj"}, .n_targets = !rank ? 0 : r.m->cfg.n_expert ? 3 : 1}};
    CHECK_OK(glim_net_new(&n, r.m, &np, &err), err);
    if (rank && r.m->cfg.n_expert) CHECK(find_param(n, "base_model.model.model.layers.1.mlp.experts.5.down_proj.lora_B.weight") != NULL);
    glim_rng rng = {.seed = 3};
    for (size_t i = 0; rank && i < n->n_params; i++) /* a B of zeros would leave A without a gradient */
        for (size_t k = 0; k < n->params[i].n; k++) n->w[n->params[i].at + k] += (float)glim_rng_below(&rng, 1000) * 1e-4f - 0.05f;
    const glim_example *x = make_examples(r.m->cfg.n_vocab);
    float *g = calloc(SEQ * n->n_values, sizeof *g);
    one_by_one(n, x, g, loss);
    for (size_t s = 0; s < SEQ; s++) sorted[s] = norm_of(g + s * n->n_values, n->n_values);
    double clip = (sorted[0] + sorted[2] + sorted[3]) / 3; /* some are cut, some are not */
    double *want = calloc(n->n_values, sizeof *want), top = 0;
    for (size_t s = 0; s < SEQ; s++)
        for (size_t i = 0; i < n->n_values; i++)
            want[i] += (double)g[s * n->n_values + i] * (sorted[s] > clip ? clip / sorted[s] : 1);
    for (size_t i = 0; i < n->n_values; i++) top = fabs(want[i]) > top ? fabs(want[i]) : top;

    CHECK_OK(glim_dp_grad_new(&d, n, clip, &err), err);
    CHECK_OK(glim_packer_init(&p, 64, &err), err);
    glim_dp_grad_zero(d);
    glim_packer_clear(&p, 0);
    static const size_t order[SEQ] = {2, 0, 4, 1, 3}; /* not where they were, nor beside the same */
    for (size_t k = 0; k < SEQ; k++) CHECK(glim_packer_add(&p, &x[order[k]], order[k]));
    set_scales(&p, scale);
    CHECK_OK(glim_dp_grad_add(d, &p.pack, scale, nll, norm, NULL, &err), err);
    size_t n_cut = 0;
    for (size_t k = 0; k < SEQ; k++) {
        const double other = sorted[order[k]];
        n_cut += other > clip;
        CHECK_MSG(fabs(norm[k] - other) <= 1e-6 * other, "%s rank %zu, example %zu: norm %.9g, alone %.9g", fixture, rank, order[k], norm[k], other);
    }
    CHECK(n_cut > 0 && n_cut < SEQ);
    const double *f64;
    const float *f32;
    double worst = 0;
    glim_dp_grad_sum(d, &f64, &f32);
    CHECK((f64 != NULL) == (rank > 0) && (f32 != NULL) == (rank == 0));
    for (size_t i = 0; i < n->n_values; i++) worst = fmax(worst, fabs((f64 ? f64[i] : (double)f32[i]) - want[i]));
    CHECK_MSG(worst <= 1e-6 * top, "%s rank %zu: the sum is off by %g, its largest value is %g", fixture, rank, worst, top);
    /* As much again on top of it: a pass adds. */
    CHECK_OK(glim_dp_grad_add(d, &p.pack, scale, nll, norm, NULL, &err), err);
    for (size_t i = 0; i < n->n_values; i++) worst = fmax(worst, fabs((f64 ? f64[i] : (double)f32[i]) - 2 * want[i]));
    CHECK(worst <= 2e-6 * top);
    glim_packer_deinit(&p);
    glim_dp_grad_free(d);
    CHECK(n->single == NULL);
    free(g), free(want);
    glim_net_free(n);
    rig_close(&r);
}

TEST(gradients_of_pairs_by_example_are_those_of_examples_alone) {
    static const char *const fixtures[] = {"glm4", "chatglm", "qwen3", "glm4moe-air"};
    for (size_t i = 0; i < GLIM_COUNT(fixtures); i++) compare(fixtures[i], 4, "all-linear", 2);
}

TEST(ghost_norms_of_all_weights_are_those_of_examples_alone) {
    static const char *const fixtures[] = {"glm4", "llama-tied", "qwen2", "qwen3", "glm4moe-air"};
    for (size_t i = 0; i < GLIM_COUNT(fixtures); i++) compare(fixtures[i], 0, NULL, 2);
}

TEST(dropout_is_refused_and_a_gradient_that_is_no_number_names_its_example) {
    rig r;
    glim_net *n;
    glim_dp_grad *d;
    glim_packer p;
    glim_err err = {0};
    double scale[64], nll[64], norm[SEQ];
    size_t bad = 99;
    rig_open(&r, "tests/fixtures/glm4", NULL, 0, 1);
    glim_net_params np = {.n_rows = 64, .by_example = true, .lora = {.rank = 2, .dropout = 0.1}};
    CHECK_OK(glim_net_new(&n, r.m, &np, &err), err);
    CHECK(glim_dp_grad_new(&d, n, 1, &err) == GLIM_E_UNSUPPORTED && d == NULL && strstr(err.msg, "dropout"));
    glim_net_free(n);
    np.lora.dropout = 0;
    CHECK_OK(glim_net_new(&n, r.m, &np, &err), err);
    CHECK_OK(glim_dp_grad_new(&d, n, 1, &err), err);
    CHECK_OK(glim_packer_init(&p, 64, &err), err);
    glim_packer_clear(&p, 0);
    const glim_example *x = make_examples(r.m->cfg.n_vocab);
    for (size_t k = 0; k < SEQ; k++) CHECK(glim_packer_add(&p, &x[k], k));
    set_scales(&p, scale);
    scale[p.pack.seq[3]] = NAN;
    for (size_t i = p.pack.seq[2]; i < p.pack.seq[4]; i++)
        if (p.target[i] >= 0 && i >= p.pack.seq[3]) scale[i] = NAN;
    glim_dp_grad_zero(d);
    CHECK(glim_dp_grad_add(d, &p.pack, scale, nll, norm, &bad, &err) == GLIM_E_STATE && bad == 3);
    const double *f64;
    const float *f32;
    glim_dp_grad_sum(d, &f64, &f32);
    for (size_t i = 0; i < n->n_values; i++) CHECK(f64[i] == 0);
    glim_packer_deinit(&p);
    glim_dp_grad_free(d);
    glim_net_free(n);
    rig_close(&r);
}
