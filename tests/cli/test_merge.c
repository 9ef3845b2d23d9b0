/* glim merge: the merged weights give the logits that PEFT computed with the adapter beside the model. */
#include "../model/fixture.h"

#include <fcntl.h>
#include <unistd.h>

#include "cli/cli.h"
#include "engine/engine.h"

static char dir[64];

static const char *place(const char *name) {
    static char path[160];
    if (!dir[0]) {
        snprintf(dir, sizeof dir, "/tmp/glim-merge-XXXXXX");
        CHECK(mkdtemp(dir));
    }
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static void clean(void) {
    char cmd[96];
    snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
    CHECK(system(cmd) == 0);
    dir[0] = 0;
}

static int merge(const char *fixture, const char *adapter, const char *out, const char *type) {
    char model[256], folder[256];
    snprintf(model, sizeof model, "%s/tests/fixtures/%s", GLIM_SOURCE_DIR, fixture);
    snprintf(folder, sizeof folder, "%s/tests/fixtures/adapters/%s", GLIM_SOURCE_DIR, adapter);
    char *argv[] = {"merge", model, folder, "-o", (char *)(uintptr_t)out, "--json", type ? "--type" : NULL, (char *)(uintptr_t)type, NULL};
    /* Its answer is not this test's. */
    fflush(stdout);
    int keep = dup(1), null = open("/dev/null", O_WRONLY);
    dup2(null, 1);
    int rc = glim_cmd_merge(type ? 8 : 6, argv);
    fflush(stdout);
    dup2(keep, 1);
    close(keep);
    close(null);
    return rc;
}

/* Largest difference from the oracle's logits, and the largest of those. */
static double off(const char *model, const char *adapter, double *largest) {
    char path[256];
    glim_err err = {0};
    json_t *o;
    glim_map bin;
    size_t n;
    snprintf(path, sizeof path, "tests/fixtures/adapters/%s/oracle.json", adapter);
    CHECK_OK(glim_json_read(&o, glim_test_source(path), 1 << 20, &err), err);
    snprintf(path, sizeof path, "tests/fixtures/adapters/%s/oracle.bin", adapter);
    CHECK_OK(glim_map_open(&bin, glim_test_source(path), &err), err);
    int32_t *ids = oracle_ids(o, "ids", &n);
    runner r = {.pool = glim_pool_new(1)};
    glim_ckpt *c;
    CHECK_OK(glim_ckpt_open(&c, model, &err), err);
    CHECK_OK(glim_model_load(&r.m, c, &(glim_model_params){.type = 1 + GLIM_F32, .n_ctx = 256, .no_cache = true}, r.pool, &err), err);
    CHECK_OK(glim_ws_new(&r.ws, r.m, 32, 32, &err), err);
    CHECK_OK(glim_kv_pool_init(&r.kv, r.m->plan.kv_type, r.m->cfg.n_layer, r.m->cfg.n_kv_head, r.m->cfg.head_dim, 8, &err), err);
    glim_kv_seq s;
    CHECK_OK(glim_kv_seq_init(&s, &r.kv, 256, &err), err);
    size_t v = r.m->cfg.n_vocab;
    float *out = calloc(n * v, sizeof *out);
    const float *want = (const float *)(const void *)bin.data;
    runner_feed(&r, &s, ids, n, 32, out);
    double worst = 0;
    *largest = 0;
    for (size_t i = 0; i < n * v; i++) {
        double d = fabs((double)out[i] - (double)want[i]);
        if (!(d <= worst)) worst = d;
        if (fabs((double)want[i]) > *largest) *largest = fabs((double)want[i]);
    }
    glim_kv_seq_deinit(&s);
    runner_close(&r);
    free(out);
    free(ids);
    json_decref(o);
    glim_map_close(&bin);
    return worst;
}

static const struct {
    const char *fixture, *adapter;
} cases[] = {{"glm4", "glm4-all"}, {"glm4", "glm4-rs"}, {"glm4", "glm4-dora"}, {"glm4moe-air", "air"}, {"glm4moe-air", "air-experts"},
             {"chatglm", "chatglm-qkv"}};

TEST(a_merged_folder_in_f32_has_pefts_logits) {
    for (size_t i = 0; i < GLIM_COUNT(cases); i++) {
        double largest, worst;
        CHECK(merge(cases[i].fixture, cases[i].adapter, place("out"), "f32") == 0);
        worst = off(place("out"), cases[i].adapter, &largest);
        CHECK_MSG(worst <= 2e-4 + 1e-4 * largest, "%s: off by %g of %g", cases[i].adapter, worst, largest);
        clean();
    }
}

TEST(a_merged_folder_in_its_own_type_is_off_by_its_rounding_only) {
    for (size_t i = 0; i < GLIM_COUNT(cases); i++) {
        double largest, worst;
        CHECK(merge(cases[i].fixture, cases[i].adapter, place("out"), NULL) == 0);
        worst = off(place("out"), cases[i].adapter, &largest);
        /* bf16 keeps 8 bits: each weight is off by up to 2^-9 of itself. */
        CHECK_MSG(worst <= 0.04 * largest, "%s: off by %g of %g", cases[i].adapter, worst, largest);
        clean();
    }
}

TEST(a_merged_gguf_has_pefts_logits_too) {
    for (size_t i = 0; i < GLIM_COUNT(cases); i++) {
        double largest, worst;
        CHECK(merge(cases[i].fixture, cases[i].adapter, place("out.gguf"), "f32") == 0);
        worst = off(place("out.gguf"), cases[i].adapter, &largest);
        CHECK_MSG(worst <= 2e-4 + 1e-4 * largest, "%s: off by %g of %g", cases[i].adapter, worst, largest);
        char cmd[160];
        snprintf(cmd, sizeof cmd, "test $(ls -A %s | wc -l) = 1", dir); /* nothing but the file is left */
        CHECK(system(cmd) == 0);
        clean();
    }
}

TEST(a_merged_folder_opens_with_its_tokenizer_and_template) {
    glim_engine *e;
    glim_err err = {0};
    CHECK(merge("glm4", "glm4-all", place("out"), NULL) == 0);
    CHECK_OK(glim_engine_open(&e, place("out"), &(glim_engine_params){.n_threads = 1, .model = {.n_ctx = 64, .no_cache = true}}, &err), err);
    CHECK(e->chat == GLIM_CHAT_GLM4_0414);
    glim_engine_free(e);
    clean();
}

TEST(what_does_not_fit_is_refused_and_nothing_is_written) {
    CHECK(merge("glm", "glm4-all", place("out"), NULL) == GLIM_EXIT_USAGE || merge("glm", "glm4-all", place("out"), NULL) == GLIM_EXIT_FAIL);
    CHECK(access(place("out"), F_OK) != 0);
    CHECK(merge("gguf/llama.gguf", "glm4-all", place("out"), NULL) != 0);
    CHECK(merge("glm4", "glm4-all", place("out"), "q4_k_m") != 0);
    CHECK(access(place("out"), F_OK) != 0);
    CHECK(merge("glm4", "glm4-all", place("out"), NULL) == 0);
    CHECK(merge("glm4", "glm4-all", place("out"), NULL) != 0); /* exists */
    clean();
}
