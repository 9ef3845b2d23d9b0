/* Adapters: logits as PEFT computes them, rows that do not know their company, and folders that are refused. */
#include "fixture.h"

#include "base/rng.h"
#include "model/adapter.h"

static const char *const g_adapters[] = {"glm4-all", "glm4-rs", "glm4-dora", "air", "air-experts", "chatglm-qkv"};

typedef struct golden {
    json_t *json;
    glim_map bin;
    const char *fixture;
    int32_t *ids;
    size_t n;
} golden;

static void golden_open(golden *g, const char *name) {
    char path[256];
    glim_err err;
    snprintf(path, sizeof path, "tests/fixtures/adapters/%s/oracle.json", name);
    CHECK_OK(glim_json_read(&g->json, glim_test_source(path), 1 << 20, &err), err);
    snprintf(path, sizeof path, "tests/fixtures/adapters/%s/oracle.bin", name);
    CHECK_OK(glim_map_open(&g->bin, glim_test_source(path), &err), err);
    g->fixture = json_string_value(json_object_get(g->json, "fixture"));
    g->ids = oracle_ids(g->json, "ids", &g->n);
}
static void golden_close(golden *g) {
    free(g->ids);
    json_decref(g->json);
    glim_map_close(&g->bin);
}

static glim_adapter *load(const glim_model *m, const char *name) {
    char path[256];
    glim_err err;
    glim_adapter *a;
    snprintf(path, sizeof path, "tests/fixtures/adapters/%s", name);
    CHECK_OK(glim_adapter_load(&a, m, glim_test_source(path), &err), err);
    CHECK(glim_adapter_bytes(a) > 0 && strlen(glim_adapter_version(a)) == 64);
    return a;
}

TEST(logits_are_those_of_peft_on_every_kernel_set) {
    for (size_t k = 0; k < GLIM_COUNT(g_sets); k++) {
        const glim_kernels *set = glim_kernels_find(g_sets[k]);
        for (size_t i = 0; set && i < GLIM_COUNT(g_adapters); i++) {
            golden g;
            runner r;
            glim_adapter_scratch *scratch;
            char path[256];
            golden_open(&g, g_adapters[i]);
            snprintf(path, sizeof path, "tests/fixtures/%s", g.fixture);
            runner_open(&r, path, &(glim_model_params){.type = 1 + GLIM_F32, .kernels = set}, 2, 32, 256);
            glim_adapter *a = load(r.m, g_adapters[i]);
            const glim_adapter *of_seq[] = {a};
            CHECK_OK(glim_adapter_scratch_new(&scratch, r.m, &r.err), r.err);
            size_t v = r.m->cfg.n_vocab;
            float *out = calloc(g.n * v, sizeof *out);
            for (size_t slice = 1; slice <= 32; slice += 31) { /* token by token, and at once */
                glim_kv_seq s;
                CHECK_OK(glim_kv_seq_init(&s, &r.kv, 256, &r.err), r.err);
                glim_ws_adapters(r.ws, of_seq, scratch);
                runner_feed(&r, &s, g.ids, g.n, slice, out);
                /* Random weights make logits of about 10; the base's own golden tests have the same bound. */
                CHECK_CLOSE(out, (const float *)(const void *)g.bin.data, g.n * v, 2e-4, 1e-4);
                glim_ws_adapters(r.ws, NULL, NULL);
                glim_kv_seq_deinit(&s);
            }
            free(out);
            glim_adapter_scratch_free(scratch);
            glim_adapter_free(a);
            runner_close(&r);
            golden_close(&g);
        }
    }
}

/* One pass over sequences of different adapters, or of none, in slices of different sizes. */
TEST(a_row_is_the_same_bits_whatever_adapters_are_beside_it) {
    static const struct {
        const char *fixture, *a, *b;
    } cases[] = {{"glm4", "glm4-all", "glm4-dora"}, {"glm4moe-air", "air", "air-experts"}};
    for (size_t c = 0; c < GLIM_COUNT(cases); c++)
        for (int type = 0; type < 2; type++) {
            enum { SEQS = 7, N = 40 };
            runner r;
            char path[256];
            glim_adapter_scratch *scratch;
            snprintf(path, sizeof path, "tests/fixtures/%s", cases[c].fixture);
            runner_open(&r, path, &(glim_model_params){.type = type ? 1 + GLIM_F32 : 0}, 2, 100, 64 * 2 * SEQS);
            glim_adapter *a = load(r.m, cases[c].a), *b = load(r.m, cases[c].b);
            CHECK(strcmp(glim_adapter_version(a), glim_adapter_version(b)) != 0);
            CHECK_OK(glim_adapter_scratch_new(&scratch, r.m, &r.err), r.err);
            const glim_adapter *of[SEQS] = {a, NULL, b, a, b, NULL, a};
            size_t v = r.m->cfg.n_vocab;
            int32_t ids[SEQS][N];
            glim_rng rng = {.seed = 3 + c};
            for (int s = 0; s < SEQS; s++)
                for (int i = 0; i < N; i++) ids[s][i] = (int32_t)glim_rng_below(&rng, 300);
            float *want = calloc((size_t)SEQS * N * v, sizeof *want), *row = want;
            for (int s = 0; s < SEQS; s++, row += N * v) {
                glim_kv_seq q;
                CHECK_OK(glim_kv_seq_init(&q, &r.kv, 64, &r.err), r.err);
                glim_ws_adapters(r.ws, &of[s], scratch);
                runner_feed(&r, &q, ids[s], N, N, row);
                glim_kv_seq_deinit(&q);
            }
            glim_kv_seq seqs[SEQS], *ptrs[SEQS];
            for (int s = 0; s < SEQS; s++) {
                CHECK_OK(glim_kv_seq_init(&seqs[s], &r.kv, 64, &r.err), r.err);
                ptrs[s] = &seqs[s];
            }
            glim_ws_adapters(r.ws, of, scratch);
            for (;;) {
                glim_row rows[100];
                size_t n = 0;
                for (int s = 0; s < SEQS; s++) {
                    size_t left = N - seqs[s].n_pos, k = 1 + (size_t)glim_rng_below(&rng, 12);
                    if (k > left) k = left;
                    CHECK_OK(glim_kv_reserve(&seqs[s], seqs[s].n_pos + k, &r.err), r.err);
                    for (size_t i = 0; i < k; i++)
                        rows[n++] = (glim_row){.token = ids[s][seqs[s].n_pos + i], .pos = (int32_t)(seqs[s].n_pos + i), .seq = (uint32_t)s, .logits = true};
                }
                if (n == 0) break;
                const float *logits;
                CHECK_OK(glim_forward(r.m, r.ws, &(glim_batch){rows, n, ptrs, SEQS}, &logits, &r.err), r.err);
                for (size_t i = 0; i < n; i++)
                    CHECK_MSG(memcmp(logits + i * v, want + ((size_t)rows[i].seq * N + (size_t)rows[i].pos) * v, v * sizeof *want) == 0,
                              "%s: sequence %u, position %d differs", cases[c].fixture, rows[i].seq, rows[i].pos);
            }
            glim_ws_adapters(r.ws, NULL, NULL);
            for (int s = 0; s < SEQS; s++) glim_kv_seq_deinit(&seqs[s]);
            free(want);
            glim_adapter_scratch_free(scratch);
            glim_adapter_free(a);
            glim_adapter_free(b);
            runner_close(&r);
        }
}

TEST(an_adapter_of_another_model_is_refused_by_name) {
    runner r;
    glim_adapter *a;
    runner_open(&r, "tests/fixtures/llama", &(glim_model_params){0}, 1, 8, 64);
    CHECK(glim_adapter_load(&a, r.m, glim_test_source("tests/fixtures/adapters/glm4-all"), &r.err) != GLIM_OK && !a);
    CHECK_MSG(strstr(r.err.msg, "glm4-all") && strstr(r.err.msg, "module"), "%s", r.err.msg);
    CHECK(glim_adapter_load(&a, r.m, glim_test_source("tests/fixtures/adapters/chatglm-qkv"), &r.err) == GLIM_E_SHAPE);
    CHECK(glim_adapter_load(&a, r.m, glim_test_source("tests/fixtures/glm4"), &r.err) == GLIM_E_NOT_FOUND && strstr(r.err.hint, "PEFT"));
    runner_close(&r);
    runner_open(&r, "tests/fixtures/glm4", &(glim_model_params){0}, 1, 8, 64);
    for (long k = 1; k < 60; k++) { /* every refused allocation is one error and no leak */
        glim_alloc_fail_after(k);
        glim_status rc = glim_adapter_load(&a, r.m, glim_test_source("tests/fixtures/adapters/glm4-all"), &r.err);
        glim_alloc_fail_after(0);
        CHECK(rc == GLIM_OK || (rc == GLIM_E_NOMEM && !a));
        glim_adapter_free(a);
        if (rc == GLIM_OK) break;
        CHECK(k < 59);
    }
    runner_close(&r);
}
