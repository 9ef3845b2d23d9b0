/* glim merge: the merged weights give the logits that PEFT computed with the adapter beside the model. */
#include "../model/fixture.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/rng.h"
#include "cli/cli.h"
#include "compress/quantize.h"
#include "engine/engine.h"
#include "format/gguf.h"
#include "format/peft_write.h"
#include "model/adapter.h"

static char dir[64];

static const char *place(const char *name) {
    static char paths[4][160];
    static int next;
    char *path = paths[next++ & 3];
    if (!dir[0]) {
        snprintf(dir, sizeof dir, "/tmp/glim-merge-XXXXXX");
        CHECK(mkdtemp(dir));
    }
    snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

static void clean(void) {
    char cmd[96];
    snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
    CHECK(system(cmd) == 0);
    dir[0] = 0;
}

static int merge_into(const char *model, const char *folder, const char *out, const char *type) {
    char *argv[] = {"merge", (char *)(uintptr_t)model, (char *)(uintptr_t)folder, "-o", (char *)(uintptr_t)out, "--json", type ? "--type" : NULL, (char *)(uintptr_t)type, NULL};
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

static const char *adapter_path(const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "%s/tests/fixtures/adapters/%s", GLIM_SOURCE_DIR, name);
    return path;
}

static int merge(const char *fixture, const char *adapter, const char *out, const char *type) {
    char model[256];
    snprintf(model, sizeof model, "%s/tests/fixtures/%s", GLIM_SOURCE_DIR, fixture);
    return merge_into(model, adapter_path(adapter), out, type);
}

static void make_gguf(const char *from, const char *to, const char *type) {
    const glim_recipe *recipe;
    glim_quantize_result res;
    glim_err err = {0};
    CHECK_OK(glim_recipe_find(&recipe, type, &err), err);
    CHECK_OK(glim_quantize(from, to, &(glim_quantize_params){.recipe = recipe, .n_threads = 2}, &res, &err), err);
}

/* Logits of ids[n] with the adapter beside the model (NULL: none), f32 where the file has floats; to free. */
static float *logits_of(const char *model, const char *adapter, const int32_t *ids, size_t n, size_t *n_vocab) {
    runner r = {.pool = glim_pool_new(1)};
    glim_ckpt *c;
    glim_err err = {0};
    glim_adapter *a = NULL;
    glim_adapter_scratch *scratch = NULL;
    CHECK_OK(glim_ckpt_open(&c, model, &err), err);
    CHECK_OK(glim_model_load(&r.m, c, &(glim_model_params){.type = 1 + GLIM_F32, .n_ctx = 256, .no_cache = true}, r.pool, &err), err);
    CHECK_OK(glim_ws_new(&r.ws, r.m, 32, 32, &err), err);
    CHECK_OK(glim_kv_pool_init(&r.kv, r.m->plan.kv_type, r.m->cfg.n_layer, r.m->cfg.n_kv_head, r.m->cfg.head_dim, 8, &err), err);
    if (adapter) {
        CHECK_OK(glim_adapter_load(&a, r.m, adapter, &err), err);
        CHECK_OK(glim_adapter_scratch_new(&scratch, r.m, &err), err);
    }
    const glim_adapter *of_seq[] = {a};
    if (a) glim_ws_adapters(r.ws, of_seq, scratch);
    glim_kv_seq s;
    CHECK_OK(glim_kv_seq_init(&s, &r.kv, 256, &err), err);
    *n_vocab = r.m->cfg.n_vocab;
    float *out = calloc(n * *n_vocab, sizeof *out);
    runner_feed(&r, &s, ids, n, 32, out);
    glim_kv_seq_deinit(&s);
    glim_ws_adapters(r.ws, NULL, NULL);
    glim_adapter_scratch_free(scratch);
    glim_adapter_free(a);
    runner_close(&r);
    return out;
}

static double worst_of(const float *got, const float *want, size_t n, double *largest) {
    double worst = 0;
    *largest = 0;
    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)got[i] - (double)want[i]);
        if (!(d <= worst)) worst = d;
        if (fabs((double)want[i]) > *largest) *largest = fabs((double)want[i]);
    }
    return worst;
}

/* Largest difference from the oracle's logits, and the largest of those. */
static double off(const char *model, const char *adapter, double *largest) {
    char path[256];
    glim_err err = {0};
    json_t *o;
    glim_map bin;
    size_t n, v;
    snprintf(path, sizeof path, "tests/fixtures/adapters/%s/oracle.json", adapter);
    CHECK_OK(glim_json_read(&o, glim_test_source(path), 1 << 20, &err), err);
    snprintf(path, sizeof path, "tests/fixtures/adapters/%s/oracle.bin", adapter);
    CHECK_OK(glim_map_open(&bin, glim_test_source(path), &err), err);
    int32_t *ids = oracle_ids(o, "ids", &n);
    float *out = logits_of(model, NULL, ids, n, &v);
    const double worst = worst_of(out, (const float *)(const void *)bin.data, n * v, largest);
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

TEST(a_gguf_that_an_adapter_is_merged_into_has_pefts_logits) {
    for (size_t i = 0; i < GLIM_COUNT(cases); i++) {
        double largest, worst;
        char model[256];
        snprintf(model, sizeof model, "%s/tests/fixtures/%s", GLIM_SOURCE_DIR, cases[i].fixture);
        make_gguf(model, place("base.gguf"), "f32");
        CHECK(merge_into(place("base.gguf"), adapter_path(cases[i].adapter), place("out.gguf"), NULL) == 0);
        worst = off(place("out.gguf"), cases[i].adapter, &largest);
        CHECK_MSG(worst <= 2e-4 + 1e-4 * largest, "%s: off by %g of %g", cases[i].adapter, worst, largest);
        CHECK(merge_into(place("base.gguf"), adapter_path(cases[i].adapter), place("out"), NULL) == GLIM_EXIT_USAGE); /* no folder comes of it */
        CHECK(access(place("out"), F_OK) != 0);
        clean();
    }
}

/* An adapter of small random values for these modules of a model; as PEFT, from the Hugging Face names and rows. */
static void write_adapter(const char *folder, const glim_model *m, const char *const *names, size_t n_names, bool dora) {
    enum { RANK = 3, MAX = 64 };
    glim_peft_write_pair pairs[MAX];
    char modules[MAX][96];
    size_t n = 0;
    glim_rng rng = {.seed = 21 + dora};
    glim_err err = {0};
    for (size_t l = 0; l < m->cfg.n_layer; l++)
        for (size_t k = 0; k < n_names; k++, n++) {
            glim_adapter_part parts[3];
            CHECK(n < MAX);
            snprintf(modules[n], sizeof modules[n], "model.layers.%zu.%s", l, names[k]);
            CHECK_MSG(glim_adapter_parts(m, modules[n], parts) == 1, "%s", modules[n]);
            const size_t in = parts[0].w->n_in, out = parts[0].w->n_out;
            float *a = calloc(RANK * in, sizeof *a), *b = calloc(RANK * out, sizeof *b), *length = dora ? calloc(out, sizeof *length) : NULL;
            for (size_t i = 0; i < RANK * in; i++) a[i] = (float)(glim_rng_uniform(&rng) - 0.5) / sqrtf((float)in);
            for (size_t i = 0; i < RANK * out; i++) b[i] = (float)(glim_rng_uniform(&rng) - 0.5);
            for (size_t i = 0; dora && i < out; i++) length[i] = (float)(0.5 + glim_rng_uniform(&rng)); /* each row another: an order that is wrong shows */
            pairs[n] = (glim_peft_write_pair){modules[n], RANK, in, out, a, b, length};
        }
    CHECK_OK(glim_peft_write(folder, &(glim_peft_write_params){.base = "x", .rank = RANK, .alpha = 6, .dora = dora, .pairs = pairs, .n_pairs = n}, &err), err);
    for (size_t i = 0; i < n; i++) free((void *)(uintptr_t)pairs[i].a), free((void *)(uintptr_t)pairs[i].b), free((void *)(uintptr_t)pairs[i].magnitude);
}

static glim_model *inspected(const char *path) {
    glim_ckpt *c;
    glim_model *m;
    glim_err err = {0};
    CHECK_OK(glim_ckpt_open(&c, path, &err), err);
    CHECK_OK(glim_model_inspect(&m, c, &(glim_model_params){0}, &err), err);
    return m;
}

static const int32_t some_ids[] = {5, 17, 3, 44, 91, 17, 120, 8, 2, 61};

/* GGUF files of llama have the rows of q and k in another order than PEFT's names mean. */
TEST(rows_that_lie_otherwise_in_a_gguf_are_merged_where_they_lie) {
    static const char *const names[] = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.o_proj", "mlp.gate_proj"};
    char model[256];
    snprintf(model, sizeof model, "%s/tests/fixtures/llama", GLIM_SOURCE_DIR);
    for (int dora = 0; dora < 2; dora++) {
        size_t v;
        double largest;
        glim_model *m = inspected(model);
        write_adapter(place("adapter"), m, names, GLIM_COUNT(names), dora);
        glim_model_free(m);
        make_gguf(model, place("base.gguf"), "f32");
        CHECK(merge_into(place("base.gguf"), place("adapter"), place("out.gguf"), NULL) == 0);
        float *want = logits_of(model, place("adapter"), some_ids, GLIM_COUNT(some_ids), &v); /* the folder knows no other order */
        float *got = logits_of(place("out.gguf"), NULL, some_ids, GLIM_COUNT(some_ids), &v);
        float *base = logits_of(model, NULL, some_ids, GLIM_COUNT(some_ids), &v);
        const double worst = worst_of(got, want, GLIM_COUNT(some_ids) * v, &largest), moved = worst_of(base, want, GLIM_COUNT(some_ids) * v, &largest);
        CHECK_MSG(worst <= 2e-4 + 1e-4 * largest, "off by %g of %g", worst, largest);
        CHECK_MSG(moved > 0.05 * largest, "the adapter changes the logits by %g of %g only", moved, largest);
        free(want), free(got), free(base);
        clean();
    }
}

/* Layer 2 of this fixture is for speculation: a folder has it, a GGUF made from it has not. */
TEST(a_change_that_a_gguf_has_no_place_for_is_not_lost_without_a_word) {
    enum { IN = 36, RANK = 2 };
    char model[256];
    glim_ckpt *c;
    glim_err err = {0};
    snprintf(model, sizeof model, "%s/tests/fixtures/glm4moe-air", GLIM_SOURCE_DIR);
    CHECK_OK(glim_ckpt_open(&c, model, &err), err);
    const glim_tensor *t = glim_ckpt_find(c, "model.layers.2.self_attn.q_proj.weight");
    CHECK(t && t->dims[1] == IN);
    const size_t out = t->dims[0];
    float a[RANK * IN], *b = calloc(out * RANK, sizeof *b);
    for (size_t i = 0; i < GLIM_COUNT(a); i++) a[i] = 0.01f * (float)i;
    for (size_t i = 0; i < out * RANK; i++) b[i] = 0.1f;
    const glim_peft_write_pair pairs[] = {{"model.layers.2.self_attn.q_proj", RANK, IN, out, a, b, NULL}, {"model.layers.1.self_attn.q_proj", RANK, IN, out, a, b, NULL}};
    CHECK_OK(glim_peft_write(place("adapter"), &(glim_peft_write_params){.base = "x", .rank = RANK, .alpha = 2, .pairs = pairs, .n_pairs = 2}, &err), err);
    CHECK(merge_into(model, place("adapter"), place("out.gguf"), "f32") != 0);
    CHECK(access(place("out.gguf"), F_OK) != 0);
    CHECK(merge_into(model, place("adapter"), place("out"), NULL) == 0);
    glim_ckpt_close(c);
    free(b);
    clean();
}

/* The model that ships with the program, in 4 bits: what changes gets 8, or the type that is asked for; all else keeps its bytes. */
TEST(a_quantized_gguf_keeps_what_does_not_change_and_gives_the_rest_its_bits) {
    static const char *const names[] = {"self_attn.q_proj", "mlp.down_proj"};
    static const struct {
        const char *type;
        glim_dtype want;
        double share; /* of the largest logit by which it may be off */
    } ways[] = {{NULL, GLIM_Q8_0, 0.03}, {"f32", GLIM_F32, 1e-3}, {"q4_0", GLIM_Q4_0, 0.6}};
    char model[256];
    snprintf(model, sizeof model, "%s/models/glim-nano.gguf", GLIM_SOURCE_DIR);
    if (access(model, R_OK) != 0) SKIP("models/glim-nano.gguf is not here");
    make_gguf(model, place("base.gguf"), "q4_0");
    glim_model *m = inspected(place("base.gguf"));
    write_adapter(place("adapter"), m, names, GLIM_COUNT(names), false);
    size_t v;
    float *want = logits_of(place("base.gguf"), place("adapter"), some_ids, GLIM_COUNT(some_ids), &v);
    float *base = logits_of(place("base.gguf"), NULL, some_ids, GLIM_COUNT(some_ids), &v);
    double largest;
    const double moved = worst_of(base, want, GLIM_COUNT(some_ids) * v, &largest);
    free(base);
    for (size_t i = 0; i < GLIM_COUNT(ways); i++) {
        glim_ckpt *out;
        glim_err err = {0};
        CHECK(merge_into(place("base.gguf"), place("adapter"), place("out.gguf"), ways[i].type) == 0);
        CHECK_OK(glim_ckpt_open(&out, place("out.gguf"), &err), err);
        CHECK(glim_ckpt_n_tensors(out) == glim_ckpt_n_tensors(m->ckpt) &&
              glim_gguf_n_keys(glim_ckpt_gguf(out)) == glim_gguf_n_keys(glim_ckpt_gguf(m->ckpt)));
        size_t n_changed = 0;
        for (size_t t = 0; t < glim_ckpt_n_tensors(out); t++) {
            const glim_tensor *a = glim_ckpt_tensor(m->ckpt, t), *b = glim_ckpt_find(out, a->name);
            CHECK(b != NULL);
            const bool changed = strstr(a->name, "attn_q.weight") || strstr(a->name, "ffn_down.weight");
            n_changed += changed;
            CHECK_MSG(b->type == (changed ? ways[i].want : a->type), "%s is %s", a->name, glim_dtype_of(b->type)->name);
            CHECK_MSG(changed == !(a->n_bytes == b->n_bytes && memcmp(a->data, b->data, a->n_bytes) == 0), "%s", a->name);
        }
        CHECK(n_changed == 2 * m->cfg.n_layer);
        float *got = logits_of(place("out.gguf"), NULL, some_ids, GLIM_COUNT(some_ids), &v);
        const double worst = worst_of(got, want, GLIM_COUNT(some_ids) * v, &largest);
        CHECK_MSG(worst <= ways[i].share * largest && worst < moved, "%s: off by %g of %g, the adapter's part is %g", ways[i].type ? ways[i].type : "q8_0", worst,
                  largest, moved);
        free(got);
        glim_ckpt_close(out);
        unlink(place("out.gguf"));
    }
    free(want);
    glim_model_free(m);
    clean();
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
