/* Training methods beyond plain LoRA, beside PyTorch and PEFT: the gradient of every tensor, and a hundred steps of each. */
#include "train_test.h"

#include "train/export.h"
#include "train/loss_distill.h"
#include "train/loss_dpo.h"
#include "train/optim.h"

static const char *const g_runs[] = {"method-dora-qwen2", "method-dora-glm4", "method-dpo", "method-distill", "method-distill-top"};
enum { ROWS = 64 };

typedef struct trial {
    golden g;
    rig r, teacher_rig;
    glim_net *n;
    glim_teacher *teacher; /* of distillation */
    glim_packer p;
    double beta;           /* of DPO */
} trial;

static double number(const json_t *o, const char *key) { return json_number_value(json_object_get(o, key)); }

/* What t->g describes, from the start values of an adapter of that name. */
static void trial_begin(trial *t, const char *name) {
    char path[256];
    const json_t *o = t->g.json, *targets = json_object_get(o, "targets"), *teacher = json_object_get(o, "teacher");
    snprintf(path, sizeof path, "tests/fixtures/%s", json_string_value(json_object_get(o, "fixture")));
    rig_open(&t->r, path, NULL, 1 + GLIM_F32, 1);
    glim_net_params np = {.n_rows = ROWS, .lora = {.rank = (size_t)number(o, "rank"), .alpha = number(o, "alpha"),
                                                   .dora = json_is_true(json_object_get(o, "dora"))}};
    for (size_t i = 0; i < json_array_size(targets); i++) np.lora.targets[np.lora.n_targets++] = json_string_value(json_array_get(targets, i));
    CHECK_OK(glim_net_new(&t->n, t->r.m, &np, &t->r.err), t->r.err);
    snprintf(path, sizeof path, "tests/fixtures/train/%s.safetensors", name);
    CHECK_OK(glim_net_import_adapter(t->n, glim_test_source(path), false, &t->r.err), t->r.err);
    CHECK_OK(glim_packer_init(&t->p, ROWS, &t->r.err), t->r.err);
    t->beta = number(o, "beta");
    if (!teacher) return;
    snprintf(path, sizeof path, "tests/fixtures/%s", json_string_value(teacher));
    rig_open(&t->teacher_rig, path, NULL, 1 + GLIM_F32, 1);
    const glim_teacher_params tp = {.n_rows = ROWS, .n_vocab = t->r.m->cfg.n_vocab, .top = (size_t)number(o, "top"),
                                    .temperature = number(o, "temperature"), .weight = number(o, "weight")};
    CHECK_OK(glim_teacher_new(&t->teacher, t->teacher_rig.m, &tp, &t->r.err), t->r.err);
}
static void trial_open(trial *t, const char *name) {
    memset(t, 0, sizeof *t);
    golden_open(&t->g, name);
    trial_begin(t, name);
}
static void trial_end(trial *t) {
    glim_packer_deinit(&t->p);
    glim_teacher_free(t->teacher);
    if (t->teacher_rig.m) rig_close(&t->teacher_rig);
    glim_net_free(t->n);
    rig_close(&t->r);
}
static void trial_close(trial *t) {
    trial_end(t);
    golden_close(&t->g);
}

/* The loss of one of the golden file's batches, gradients accumulated. */
static double trial_loss(trial *t, size_t step) {
    const json_t *batches = json_object_get(t->g.json, "batches");
    double nll[ROWS], scale[ROWS], base[ROWS], sums[ROWS], sum = 0;
    glim_err *err = &t->r.err;
    glim_packer_clear(&t->p, step);
    pack_json(&t->p, json_array_get(batches, step % json_array_size(batches)));
    const glim_pack *b = &t->p.pack;
    glim_net_zero(t->n);
    if (t->beta > 0) {
        glim_dpo d = {.beta = t->beta, .nll = nll, .scale = scale, .base = base, .sums = sums};
        CHECK_OK(glim_dpo_pass(&d, t->n, b, 2 / (double)b->n_seq, err), *err);
        return 2 * d.loss / (double)b->n_seq;
    }
    if (!t->teacher) return step_loss(t->n, &t->p, err);
    for (size_t i = 0; i < b->n; i++) scale[i] = 1 / (double)t->p.n_target;
    CHECK_OK(glim_teacher_look(t->teacher, b, err), *err);
    CHECK_OK(glim_net_forward(t->n, b, err), *err);
    glim_net_head_with(t->n, b, glim_teacher_loss, t->teacher, nll, scale);
    glim_net_backward(t->n, b);
    for (size_t i = 0; i < b->n; i++) sum += nll[i] * scale[i];
    return sum;
}

TEST(methods_have_pytorchs_gradients) {
    for (size_t k = 0; k < GLIM_COUNT(g_runs); k++) {
        trial t;
        trial_open(&t, g_runs[k]);
        const double loss = trial_loss(&t, 0), want = json_number_value(json_array_get(json_object_get(t.g.json, "losses"), 0));
        CHECK_MSG(fabs(loss - want) <= 1e-5 * want, "%s: loss is %.7f, want %.7f", g_runs[k], loss, want);
        CHECK(check_grads(t.n, &t.g, g_runs[k]) == t.n->n_params);
        trial_close(&t);
    }
}

/* Pairs on every linear layer, routed experts too. */
TEST(pairs_of_every_family_have_pytorchs_gradients_under_every_loss) {
    static const char *const families[] = {"chatglm", "glm-edge", "glm4", "glm4moe-air", "glm4moe-355b", "llama", "llama-tied", "qwen2", "qwen3"};
    static const char *const losses[] = {"sft", "dpo", "distill"};
    for (size_t f = 0; f < GLIM_COUNT(families); f++) {
        golden whole;
        char name[64];
        snprintf(name, sizeof name, "pairs-%s", families[f]);
        golden_open(&whole, name);
        for (size_t k = 0; k < GLIM_COUNT(losses); k++) {
            char what[96];
            trial t = {.g = {json_object_get(whole.json, losses[k]), whole.bin}};
            snprintf(what, sizeof what, "%s, %s", name, losses[k]);
            CHECK(t.g.json != NULL);
            trial_begin(&t, name);
            const double loss = trial_loss(&t, 0), want = json_number_value(json_array_get(json_object_get(t.g.json, "losses"), 0));
            CHECK_MSG(fabs(loss - want) <= 1e-5 * want, "%s: loss is %.7f, want %.7f", what, loss, want);
            CHECK(check_grads(t.n, &t.g, what) == t.n->n_params);
            trial_end(&t);
        }
        golden_close(&whole);
    }
}

TEST(a_hundred_steps_of_each_method_track_pytorchs_loss) {
    for (size_t k = 0; k < GLIM_COUNT(g_runs); k++) {
        trial t;
        glim_optim opt;
        trial_open(&t, g_runs[k]);
        const json_t *o = t.g.json, *losses = json_object_get(o, "losses"), *norms = json_object_get(o, "norms");
        CHECK(json_array_size(losses) == 100);
        const glim_optim_params op = {.lr = number(o, "lr"), .n_steps = 100, .weight_decay = number(o, "weight_decay"), .clip = number(o, "clip"),
                                      .warmup = (size_t)number(o, "warmup")};
        CHECK_OK(glim_optim_init(&opt, &op, t.n->n_values, &t.r.err), t.r.err);
        double worst = 0;
        for (size_t s = 0; s < 100; s++) {
            const double loss = trial_loss(&t, s), norm = glim_optim_norm(&opt, t.n);
            const double want = json_number_value(json_array_get(losses, s)), want_norm = json_number_value(json_array_get(norms, s));
            CHECK_MSG(fabs(loss - want) <= 1e-4 * fmax(1, want), "%s, step %zu: loss is %.6f, want %.6f", g_runs[k], s, loss, want);
            CHECK_MSG(fabs(norm - want_norm) <= 1e-3 * want_norm, "%s, step %zu: norm is %.6f, want %.6f", g_runs[k], s, norm, want_norm);
            worst = fmax(worst, fabs(loss - want));
            glim_optim_step(&opt, t.n, norm);
        }
        printf("    %s: off by %.1e at most\n", g_runs[k], worst);
        glim_optim_deinit(&opt);
        trial_close(&t);
    }
}

/* The gradient with the load-balancing loss, of every layer's router and of what lies before it. */
TEST(the_load_balancing_loss_is_pytorchs) {
    golden g;
    rig r;
    glim_net *n;
    glim_packer p;
    golden_open(&g, "method-balance");
    const json_t *seqs = json_object_get(g.json, "sequences");
    rig_open(&r, "tests/fixtures/glm4moe-355b", NULL, 1 + GLIM_F32, 1);
    CHECK_OK(glim_net_new(&n, r.m, &(glim_net_params){.n_rows = ROWS}, &r.err), r.err);
    CHECK_OK(glim_packer_init(&p, ROWS, &r.err), r.err);
    pack_json(&p, seqs);
    n->balance = number(g.json, "coefficient") / (double)json_array_size(seqs);
    const double loss = step_loss(n, &p, &r.err), aux = n->balance_sum / (double)json_array_size(seqs);
    CHECK_MSG(fabs(loss - number(g.json, "loss")) < 1e-4, "loss is %g", loss);
    CHECK_MSG(fabs(aux - number(g.json, "balance")) < 1e-5, "balance is %.7g, want %.7g", aux, number(g.json, "balance"));
    CHECK(check_grads(n, &g, "balance") > 8);
    glim_packer_deinit(&p);
    glim_net_free(n);
    rig_close(&r);
    golden_close(&g);
}

/* Biases move by the step towards experts that had less than their share, and the model of a run has them. */
TEST(router_biases_move_against_the_load) {
    rig r;
    glim_net *n;
    glim_packer p;
    glim_err err = {0};
    rig_open(&r, "tests/fixtures/glm4moe-air", "ref", 0, 1);
    const size_t E = r.m->cfg.n_expert, L = r.m->cfg.n_layer;
    CHECK(glim_net_new(&n, r.m, &(glim_net_params){.n_rows = ROWS, .move_router = true, .lora = {.rank = 2}}, &err) == GLIM_E_UNSUPPORTED);
    CHECK_OK(glim_net_new(&n, r.m, &(glim_net_params){.n_rows = ROWS, .move_router = true, .kernels = glim_kernels_get()}, &r.err), r.err);
    CHECK_OK(glim_packer_init(&p, ROWS, &r.err), r.err);
    int32_t ids[40];
    uint8_t loss[40];
    glim_rng rng = {.seed = 3};
    memset(loss, 1, sizeof loss);
    for (int i = 0; i < 40; i++) ids[i] = (int32_t)glim_rng_below(&rng, 300);
    CHECK(glim_packer_add(&p, &(glim_example){ids, loss, 40}, 0));
    double first = 0, last = 0;
    for (int step = 0; step < 60; step++) {
        float was[64];
        glim_net_zero(n);
        step_loss(n, &p, &r.err);
        last = glim_net_imbalance(n);
        if (step == 0) first = last;
        CHECK(E <= 64);
        for (size_t l = 0; l < L; l++) {
            uint64_t all = 0;
            for (size_t e = 0; e < E; e++) all += n->load[l * E + e];
            CHECK(all == (r.m->layers[l].moe ? 39 * r.m->cfg.n_expert_used : 0));
        }
        memcpy(was, n->router_bias + (L - 1) * E, E * sizeof *was);
        glim_net_move_router(n, 0.05);
        for (size_t e = 0; e < E; e++) {
            const double moved = (double)n->router_bias[(L - 1) * E + e] - (double)was[e], share = 39.0 * (double)r.m->cfg.n_expert_used / (double)E;
            const double load = (double)n->load[(L - 1) * E + e];
            CHECK(fabs(moved - (load < share ? 0.05 : load > share ? -0.05 : 0)) < 1e-6);
        }
    }
    CHECK_MSG(last < 0.8 * first, "the busiest expert did %.2f times its share, now %.2f", first, last);
    glim_packer_deinit(&p);
    glim_net_free(n);
    rig_close(&r);
}
