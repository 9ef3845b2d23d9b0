/* LoRA: a hundred steps beside PyTorch, adapters that inference reads with the same logits, dropout, bits. */
#include <dirent.h>
#include <unistd.h>

#include "train/export.h"
#include "train/optim.h"
#include "train_test.h"

static void lora_params(glim_net_params *p, const json_t *o) {
    *p = (glim_net_params){.n_rows = 64, .lora = {.rank = (size_t)json_integer_value(json_object_get(o, "rank")),
                                                  .alpha = json_number_value(json_object_get(o, "alpha"))}};
    const json_t *targets = json_object_get(o, "targets");
    for (size_t i = 0; i < json_array_size(targets); i++) p->lora.targets[p->lora.n_targets++] = json_string_value(json_array_get(targets, i));
}

static char *temp_dir(void) {
    static char path[64];
    snprintf(path, sizeof path, "/tmp/glim-lora-XXXXXX");
    CHECK(mkdtemp(path) != NULL);
    return path;
}
static void remove_dir(const char *path) {
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) {
        char file[512];
        snprintf(file, sizeof file, "%s/%s", path, e->d_name);
        if (e->d_name[0] != '.') unlink(file);
    }
    if (d) closedir(d);
    rmdir(path);
}

/* Exports, reads the folder as inference does, and compares the logits of the pack's first sequence. */
static void check_export(rig *r, glim_net *n, const glim_packer *p, const char *what) {
    char *folder = temp_dir();
    const size_t rows = p->seq[1], V = r->m->cfg.n_vocab;
    glim_adapter *a;
    float *want = malloc(rows * V * sizeof *want), *got = malloc(rows * V * sizeof *got), *base = malloc(rows * V * sizeof *base);
    CHECK_OK(glim_net_export_adapter(n, folder, "a base", &r->err), r->err);
    CHECK_OK(glim_adapter_load(&a, r->m, folder, &r->err), r->err);
    CHECK_OK(glim_net_forward(n, &p->pack, &r->err), r->err);
    glim_net_logits(n, &p->pack, 0, rows, want);
    infer(r, a, p->tokens, rows, got);
    infer(r, NULL, p->tokens, rows, base);
    double moved = 0;
    for (size_t i = 0; i < rows * V; i++) moved = fmax(moved, fabs((double)got[i] - base[i]));
    CHECK_MSG(moved > 0.1, "%s: the adapter does nothing", what);
    CHECK_CLOSE(got, want, rows * V, 2e-4, 1e-4);
    free(want), free(got), free(base);
    glim_adapter_free(a);
    remove_dir(folder);
}

TEST(a_hundred_steps_track_pytorchs_loss) {
    static const char *const names[] = {"lora-glm4", "lora-llama-tied", "lora-chatglm", "full-glm4", "full-llama-tied", "full-glm4moe-air"};
    for (size_t f = 0; f < GLIM_COUNT(names); f++) {
        char path[128];
        json_t *o;
        rig r;
        glim_net *n;
        glim_net_params np;
        glim_packer p;
        glim_optim opt;
        glim_err err;
        snprintf(path, sizeof path, "tests/fixtures/train/%s.json", names[f]);
        CHECK_OK(glim_json_read(&o, glim_test_source(path), 4 << 20, &err), err);
        snprintf(path, sizeof path, "tests/fixtures/%s", json_string_value(json_object_get(o, "fixture")));
        rig_open(&r, path, NULL, 1 + GLIM_F32, 1); /* these are many small products: threads would wait for each other */
        lora_params(&np, o);
        CHECK_OK(glim_net_new(&n, r.m, &np, &r.err), r.err);
        snprintf(path, sizeof path, "tests/fixtures/train/%s.safetensors", names[f]);
        if (np.lora.rank > 0) CHECK_OK(glim_net_import_adapter(n, glim_test_source(path), true, &r.err), r.err);
        const json_t *losses = json_object_get(o, "losses"), *norms = json_object_get(o, "norms"), *batches = json_object_get(o, "batches");
        const size_t steps = json_array_size(losses);
        CHECK(steps == 100);
        const glim_optim_params op = {.lr = json_number_value(json_object_get(o, "lr")), .n_steps = steps,
                                      .weight_decay = json_number_value(json_object_get(o, "weight_decay")),
                                      .clip = json_number_value(json_object_get(o, "clip")),
                                      .warmup = (size_t)json_integer_value(json_object_get(o, "warmup"))};
        CHECK_OK(glim_optim_init(&opt, &op, n->n_values, &r.err), r.err);
        CHECK_OK(glim_packer_init(&p, 64, &r.err), r.err);
        double worst = 0;
        for (size_t s = 0; s < steps; s++) {
            glim_packer_clear(&p, s);
            pack_json(&p, json_array_get(batches, s % json_array_size(batches)));
            glim_net_zero(n);
            const double loss = step_loss(n, &p, &r.err), norm = glim_optim_norm(&opt, n);
            const double want = json_number_value(json_array_get(losses, s)), want_norm = json_number_value(json_array_get(norms, s));
            CHECK_MSG(fabs(loss - want) <= 1e-4 * fmax(1, want), "%s, step %zu: loss is %.6f, want %.6f", names[f], s, loss, want);
            CHECK_MSG(fabs(norm - want_norm) <= 1e-3 * want_norm, "%s, step %zu: norm is %.6f, want %.6f", names[f], s, norm, want_norm);
            worst = fmax(worst, fabs(loss - want));
            glim_optim_step(&opt, n, norm);
        }
        printf("    %s: off by %.1e at most\n", names[f], worst);
        if (np.lora.rank > 0) check_export(&r, n, &p, names[f]);
        glim_packer_deinit(&p);
        glim_optim_deinit(&opt);
        glim_net_free(n);
        rig_close(&r);
        json_decref(o);
    }
}

/* Random tokens; steps of training from the same seed. */
static uint64_t train(const char *path, const char *const *targets, size_t n_targets, bool dora, double dropout, bool eight_bit,
                      int threads, int steps, double *first, double *last, bool check) {
    rig r;
    glim_net *n;
    glim_packer p;
    glim_optim opt;
    glim_rng rng = {.seed = 9};
    int32_t ids[3][20];
    uint8_t loss[20];
    memset(loss, 1, sizeof loss);
    loss[0] = 0;
    /* Logits are compared where no set rounds activations: AVX-512's bf16 dots do, to 8 bits, and training doesn't. */
    rig_open(&r, path, NULL, check ? 1 + GLIM_F32 : 0, threads);
    glim_net_params np = {.n_rows = 57, .seed = 5, .lora = {.rank = 4, .dropout = dropout, .n_targets = n_targets, .dora = dora}};
    for (size_t i = 0; i < n_targets; i++) np.lora.targets[i] = targets[i];
    CHECK_OK(glim_net_new(&n, r.m, &np, &r.err), r.err);
    n->train = true;
    CHECK_OK(glim_optim_init(&opt, &(glim_optim_params){.lr = 0.01, .clip = 1, .n_steps = 1000, .eight_bit = eight_bit}, n->n_values, &r.err), r.err);
    CHECK_OK(glim_packer_init(&p, 57, &r.err), r.err);
    for (int s = 0; s < 3; s++)
        for (int i = 0; i < 20; i++) ids[s][i] = (int32_t)glim_rng_below(&rng, 300);
    for (int s = 0; s < steps; s++) {
        glim_packer_clear(&p, (uint64_t)s);
        for (size_t k = 0; k < 3; k++) CHECK(glim_packer_add(&p, &(glim_example){ids[k], loss, 20}, k));
        glim_net_zero(n);
        *last = step_loss(n, &p, &r.err);
        if (s == 0) *first = *last;
        glim_optim_step(&opt, n, glim_optim_norm(&opt, n));
    }
    n->train = false;
    if (check) check_export(&r, n, &p, path);
    const uint64_t sum = glim_net_sum(n);
    glim_packer_deinit(&p);
    glim_optim_deinit(&opt);
    glim_net_free(n);
    rig_close(&r);
    return sum;
}

/* With no gradient a step is its decay: matrices shrink, lengths and norms stay as they are, whatever the state is kept in. */
TEST(decay_is_of_matrices_alone) {
    static const struct {
        size_t rank;
        bool dora;
    } nets[] = {{4, true}, {0, false}};
    for (size_t k = 0; k < 2 * GLIM_COUNT(nets); k++) {
        rig r;
        glim_net *n;
        glim_optim opt;
        size_t shrunk = 0, kept = 0, wrong = 0;
        const glim_optim_params op = {.lr = 0.5, .weight_decay = 0.1, .schedule = GLIM_SCHEDULE_CONSTANT, .eight_bit = k % 2 == 1};
        glim_net_params np = {.n_rows = 8, .seed = 5, .lora = {.rank = nets[k / 2].rank, .dora = nets[k / 2].dora}};
        rig_open(&r, "tests/fixtures/qwen2", "ref", 0, 1);
        CHECK_OK(glim_net_new(&n, r.m, &np, &r.err), r.err);
        CHECK_OK(glim_optim_init(&opt, &op, n->n_values, &r.err), r.err);
        float *was = malloc(n->n_values * sizeof *was);
        CHECK(was != NULL);
        memcpy(was, n->w, n->n_values * sizeof *was);
        glim_net_zero(n);
        glim_optim_step(&opt, n, 0);
        for (size_t i = 0; i < n->n_params; i++)
            for (size_t at = n->params[i].at; at < n->params[i].at + n->params[i].n; at++) {
                const float want = n->params[i].decay ? was[at] * (float)(1 - 0.5 * 0.1) : was[at];
                wrong += n->w[at] != want;
                *(n->params[i].decay ? &shrunk : &kept) += was[at] != 0;
            }
        CHECK_MSG(wrong == 0 && shrunk > 0 && kept > 0, "case %zu: %zu values are wrong, of %zu and %zu", k, wrong, shrunk, kept);
        free(was);
        glim_optim_deinit(&opt);
        glim_net_free(n);
        rig_close(&r);
    }
}

TEST(every_family_learns_and_exports_what_it_learnt) {
    static const struct {
        const char *path, *targets[4];
        size_t n;
    } cases[] = {{"tests/fixtures/glm4", {"all-linear"}, 1}, {"tests/fixtures/glm4moe-air", {"all-linear", "experts.1.down_proj", "experts.2.gate_proj", "experts.2.up_proj"}, 4},
                 {"tests/fixtures/qwen3", {NULL}, 0}, {"tests/fixtures/chatglm", {NULL}, 0}, {"tests/fixtures/llama", {"all-linear"}, 1},
                 {"tests/fixtures/gguf/llama.gguf", {"q_proj", "k_proj", "down_proj"}, 3}, {"tests/fixtures/gguf/chatglm.gguf", {"all-linear"}, 1}};
    for (size_t i = 0; i < 2 * GLIM_COUNT(cases); i++) {
        const size_t k = i / 2;
        double first, last;
        train(cases[k].path, cases[k].targets, cases[k].n, i % 2, 0, false, 1, 8, &first, &last, true);
        CHECK_MSG(last < 0.85 * first, "%s%s: loss goes from %g to %g", cases[k].path, i % 2 ? ", dora" : "", first, last);
    }
}

static size_t n_pairs_of(const char *path, const char *const *targets, size_t n_targets, glim_status want, const char *message, const char *hint) {
    rig r;
    glim_net *n;
    size_t n_pairs = 0;
    glim_net_params np = {.n_rows = 8, .lora = {.rank = 2, .n_targets = n_targets}};
    for (size_t i = 0; i < n_targets; i++) np.lora.targets[i] = targets[i];
    rig_open(&r, path, NULL, 1 + GLIM_F32, 1);
    const glim_status rc = glim_net_new(&n, r.m, &np, &r.err);
    CHECK_MSG(rc == want, "%s, %s: got \"%s\"", path, targets[0], rc == GLIM_OK ? "success" : r.err.msg);
    if (rc == GLIM_OK) n_pairs = n->n_pairs;
    else CHECK_MSG(strstr(r.err.msg, message) && strstr(r.err.hint, hint), "got \"%s\", \"%s\"", r.err.msg, r.err.hint);
    glim_net_free(n);
    rig_close(&r);
    return n_pairs;
}

TEST(a_target_names_every_layer_of_that_name_and_one_that_is_nobodys_is_refused_with_the_list) {
    static const char air[] = "tests/fixtures/glm4moe-air", glm4[] = "tests/fixtures/glm4";
    /* Layer 1 of 2 has six routed experts and a shared one, layer 0 a dense MLP. */
    CHECK(n_pairs_of(air, (const char *[]){"gate_proj"}, 1, GLIM_OK, "", "") == 2);
    CHECK(n_pairs_of(air, (const char *[]){"experts.gate_proj"}, 1, GLIM_OK, "", "") == 6);
    CHECK(n_pairs_of(air, (const char *[]){"mlp.experts.gate_proj", "experts.down_proj"}, 2, GLIM_OK, "", "") == 12);
    CHECK(n_pairs_of(air, (const char *[]){"experts.3.gate_proj"}, 1, GLIM_OK, "", "") == 1);
    CHECK(n_pairs_of(air, (const char *[]){"shared_experts.gate_proj"}, 1, GLIM_OK, "", "") == 1);
    CHECK(n_pairs_of(air, (const char *[]){"gate_proj", "experts.gate_proj"}, 2, GLIM_OK, "", "") == 8);
    n_pairs_of(air, (const char *[]){"q_proj", "experts.6.gate_proj"}, 2, GLIM_E_NOT_FOUND, "\"experts.6.gate_proj\"", "experts.gate_proj, experts.up_proj, experts.down_proj");
    /* The second name is Llama's: GLM-4 has both matrices in one. */
    n_pairs_of(glm4, (const char *[]){"q_proj", "gate_proj"}, 2, GLIM_E_NOT_FOUND, "\"gate_proj\"", "q_proj, k_proj, v_proj, o_proj, gate_up_proj, down_proj;");
    n_pairs_of(glm4, (const char *[]){"q_prj", "v_proj"}, 2, GLIM_E_NOT_FOUND, "\"q_prj\"", "q_proj");
    n_pairs_of("tests/fixtures/chatglm", (const char *[]){"q_proj"}, 1, GLIM_E_NOT_FOUND, "\"q_proj\"", "query_key_value");
    n_pairs_of("tests/fixtures/gguf/llama.gguf", (const char *[]){"attn_q"}, 1, GLIM_E_NOT_FOUND, "\"attn_q\"", "q_proj");
}

TEST(training_is_the_same_bits_for_any_number_of_threads_with_dropout_and_bytes) {
    static const char *const targets[] = {"all-linear"};
    double first, last, other;
    for (int dora = 0; dora < 2; dora++) {
        const uint64_t a = train("tests/fixtures/glm4", targets, 1, dora, 0.1, true, 1, 6, &first, &last, false);
        const uint64_t b = train("tests/fixtures/glm4", targets, 1, dora, 0.1, true, 3, 6, &first, &other, false);
        CHECK(a == b && last == other);
        const uint64_t c = train("tests/fixtures/glm4", targets, 1, dora, 0.0, true, 3, 6, &first, &other, false);
        CHECK_MSG(c != a, "dropout changes nothing");
    }
    train("tests/fixtures/glm4", targets, 1, false, 0, true, 1, 40, &first, &last, false);
    CHECK_MSG(last < 0.3 * first, "with a state of bytes loss goes from %g to %g", first, last);
}

/* Dropout's mask is one function of the place: the gradient of a dropped forward is that forward's slope. The lengths of
 * DoRA count as constants: their part is looked at while they stand still, and that of the magnitudes by itself. */
static void check_dropout(bool dora, bool magnitudes) {
    rig r;
    glim_net *n;
    glim_packer p;
    int32_t ids[12];
    uint8_t loss[12];
    glim_rng rng = {.seed = 3};
    memset(loss, 1, sizeof loss);
    for (int i = 0; i < 12; i++) ids[i] = (int32_t)glim_rng_below(&rng, 300);
    rig_open(&r, "tests/fixtures/glm4", NULL, 1 + GLIM_F32, 1);
    glim_net_params np = {.n_rows = 12, .seed = 8, .lora = {.rank = 4, .alpha = 16, .dropout = 0.4, .dora = dora, .targets = {"q_proj", "gate_up_proj"}, .n_targets = 2}};
    CHECK_OK(glim_net_new(&n, r.m, &np, &r.err), r.err);
    CHECK_OK(glim_packer_init(&p, 12, &r.err), r.err);
    glim_packer_clear(&p, 77);
    CHECK(glim_packer_add(&p, &(glim_example){ids, loss, 12}, 0));
    n->train = true;
    for (size_t i = 0; i < n->n_params; i++)
        for (size_t k = n->params[i].at; k < n->params[i].at + n->params[i].n; k++)
            n->w[k] = n->params[i].n_dims == 1 ? n->w[k] * (float)(1 + 0.2 * glim_rng_normal(&rng)) : 0.2f * (float)glim_rng_normal(&rng);
    glim_net_zero(n);
    step_loss(n, &p, &r.err);
    for (size_t i = 0; dora && i < n->n_params; i++)
        if ((n->params[i].n_dims == 1) != magnitudes) memset(n->g + n->params[i].at, 0, n->params[i].n * sizeof(float));
    if (dora && !magnitudes) n->n_rows_dora = 0; /* forward measures no more */
    /* along the gradient itself the slope is its squared length */
    float *g = malloc(n->n_values * sizeof *g), *w = malloc(n->n_values * sizeof *w);
    memcpy(g, n->g, n->n_values * sizeof *g), memcpy(w, n->w, n->n_values * sizeof *w);
    double square = 0, at[2];
    for (size_t i = 0; i < n->n_values; i++) square += (double)g[i] * (double)g[i];
    CHECK(square > 1e-3);
    for (int k = 0; k < 2; k++) {
        const double h = (k ? 1 : -1) * 2e-3 / sqrt(square);
        for (size_t i = 0; i < n->n_values; i++) n->w[i] = (float)(w[i] + h * g[i]);
        at[k] = step_loss(n, &p, &r.err);
    }
    const double slope = (at[1] - at[0]) / (4e-3 / sqrt(square));
    CHECK_MSG(fabs(slope - square) <= 0.02 * square, "slope %g, want %g%s%s", slope, square, dora ? ", dora" : "", magnitudes ? ", magnitudes" : "");
    free(g), free(w);
    glim_packer_deinit(&p);
    glim_net_free(n);
    rig_close(&r);
}
TEST(dropout_in_backward_is_the_mask_of_forward) {
    check_dropout(false, false);
    check_dropout(true, false);
    check_dropout(true, true);
}
