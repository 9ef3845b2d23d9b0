/* Golden: every family's tiny checkpoint against the reference implementation's logits (tools/oracle),
 * on every kernel set: prefill, then cached single steps; f32 within 1e-4, the file's own type within the
 * bound that the reference's own bf16 shows. GGUF twins of the same weights give the same. */
#include "fixture.h"

/* Sanitizers look for other things than figures, and make plain C ten times slower: the sets that are not in use read the
 * short prompts only. */
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

static double max_diff(const float *a, const float *b, size_t n, double *mean) {
    double worst = 0, sum = 0;
    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)a[i] - (double)b[i]);
        if (!(d <= worst)) worst = d; /* NaN sticks */
        sum += d;
    }
    *mean = sum / (double)n;
    return worst;
}

/* Prefill of the prompt and single steps; out [n prompt + n steps, n_vocab]. */
static float *run_oracle_ids(runner *r, const oracle *o, size_t *n_rows) {
    size_t n_prompt, n_steps, v = r->m->cfg.n_vocab;
    int32_t *prompt = oracle_ids(o->json, "prompt_ids", &n_prompt), *steps = oracle_ids(o->json, "step_ids", &n_steps);
    float *out = calloc((n_prompt + n_steps) * v, sizeof *out);
    glim_kv_seq s;
    CHECK_OK(glim_kv_seq_init(&s, &r->kv, 1024, &r->err), r->err);
    runner_feed(r, &s, prompt, n_prompt, n_prompt, out);
    runner_feed(r, &s, steps, n_steps, 1, out + n_prompt * v);
    glim_kv_seq_deinit(&s);
    free(prompt);
    free(steps);
    *n_rows = n_prompt + n_steps;
    return out;
}

/* The reference rows for the same, in one piece. */
static float *want_rows(const oracle *o, const char *type, size_t v) {
    char name[32];
    size_t n_prompt, n_steps;
    snprintf(name, sizeof name, "%s_prefill", type);
    const float *a = oracle_rows(o, name, &n_prompt);
    snprintf(name, sizeof name, "%s_steps", type);
    const float *b = oracle_rows(o, name, &n_steps);
    float *want = calloc((n_prompt + n_steps) * v, sizeof *want);
    memcpy(want, a, n_prompt * v * sizeof *want);
    memcpy(want + n_prompt * v, b, n_steps * v * sizeof *want);
    return want;
}

static void golden_f32(const char *path, const char *oracle_name, const char *set) {
    const glim_kernels *k = glim_kernels_find(set);
    if (!k) return;
    runner r;
    oracle o;
    oracle_open(&o, oracle_name);
    runner_open(&r, path, &(glim_model_params){.type = 1 + GLIM_F32, .kernels = k}, 1, 64, 1024);
    size_t n, v = r.m->cfg.n_vocab, n_long;
    float *got = run_oracle_ids(&r, &o, &n), *want = want_rows(&o, "f32", v);
    double mean, worst = max_diff(got, want, n * v, &mean);
    printf("    %-20s %-6s f32: max |difference| %.2e, mean %.2e over %zu rows\n", path, set, worst, mean, n);
    CHECK(worst <= 1e-4);

    const json_t *lg = json_object_get(o.json, "long");
    if (lg && (!SANITIZED || k == glim_kernels_get())) { /* a prompt that crosses KV pages and chunks */
        int32_t *ids = oracle_ids(lg, "ids", &n);
        size_t first = (size_t)json_integer_value(json_object_get(lg, "first_position"));
        const float *wl = oracle_rows(&o, "f32_long", &n_long);
        float *all = calloc(n * v, sizeof *all);
        glim_kv_seq s;
        CHECK_OK(glim_kv_seq_init(&s, &r.kv, 1024, &r.err), r.err);
        runner_feed(&r, &s, ids, n, 64, all);
        worst = max_diff(all + first * v, wl, n_long * v, &mean);
        printf("    %-20s %-6s f32, %zu tokens: max |difference| %.2e\n", path, set, n, worst);
        CHECK(worst <= 1e-4);
        glim_kv_seq_deinit(&s);
        free(all);
        free(ids);
    }
    free(got);
    free(want);
    oracle_close(&o);
    runner_close(&r);
}

TEST(f32_logits_of_every_family_equal_the_reference_on_every_set) {
    for (size_t i = 0; i < GLIM_COUNT(g_fixtures); i++)
        for (size_t s = 0; s < GLIM_COUNT(g_sets); s++) {
            char path[256];
            snprintf(path, sizeof path, "tests/fixtures/%s", g_fixtures[i]);
            golden_f32(path, g_fixtures[i], g_sets[s]);
        }
}

TEST(gguf_twins_give_the_same_logits) {
    static const struct {
        const char *file, *oracle;
    } twins[] = {{"tests/fixtures/gguf/chatglm.gguf", "chatglm"},
                 {"tests/fixtures/gguf/glm4-00001-of-00002.gguf", "glm4"},
                 {"tests/fixtures/gguf/glm4moe-air.gguf", "glm4moe-air"},
                 {"tests/fixtures/gguf/llama.gguf", "llama"}};
    for (size_t i = 0; i < GLIM_COUNT(twins); i++)
        for (size_t s = 0; s < GLIM_COUNT(g_sets); s++)
            if (!SANITIZED || glim_kernels_find(g_sets[s]) == glim_kernels_get()) golden_f32(twins[i].file, twins[i].oracle, g_sets[s]);
}

TEST(the_files_own_type_stays_within_the_references_own_bf16_error) {
    for (size_t i = 0; i < GLIM_COUNT(g_fixtures); i++)
        for (size_t s = 0; s < GLIM_COUNT(g_sets); s++) {
            const glim_kernels *k = glim_kernels_find(g_sets[s]);
            if (!k) continue;
            char path[256];
            runner r;
            oracle o;
            oracle_open(&o, g_fixtures[i]);
            snprintf(path, sizeof path, "tests/fixtures/%s", g_fixtures[i]);
            runner_open(&r, path, &(glim_model_params){.kernels = k, .kv_type = 1 + GLIM_BF16}, 2, 64, 1024);
            size_t n, v = r.m->cfg.n_vocab;
            float *got = run_oracle_ids(&r, &o, &n), *want = want_rows(&o, "f32", v);
            double mean, worst = max_diff(got, want, n * v, &mean);
            double bound = oracle_real(&o, "bf16_vs_f32", "max_abs"), mean_bound = oracle_real(&o, "bf16_vs_f32", "mean_abs");
            printf("    %-20s %-6s %s: max %.3f of %.3f, mean %.4f of %.4f\n", g_fixtures[i], g_sets[s],
                   glim_dtype_of(r.m->plan.weight_type)->name, worst, bound, mean, mean_bound);
            CHECK(worst <= bound && mean <= mean_bound);
            free(got);
            free(want);
            oracle_close(&o);
            runner_close(&r);
        }
}

TEST(the_published_one_layer_glm_is_reproduced) {
    const char *path = glim_test_data("model-ref-glm-tiny/glm4_model.data");
    if (!path) SKIP("model-ref-glm-tiny is not in GLIM_DATA");
    /* Its file is bare arrays, so the description is filled by hand (layout.json of that set). */
    glim_err err;
    glim_map f;
    CHECK_OK(glim_map_open(&f, path, &err), err);
    CHECK(f.size == 30548);
    for (size_t s = 0; s < GLIM_COUNT(g_sets); s++) {
        const glim_kernels *k = glim_kernels_find(g_sets[s]);
        if (!k) continue;
        const float *p = (const float *)(const void *)f.data;
        glim_model m = {.k = k, .n_rot = 2, .rope_mscale = 1, .attn_scale = 0.5f};
        m.cfg = (glim_config){.arch = GLIM_ARCH_CHATGLM, .n_embd = 32, .n_layer = 1, .n_head = 8, .n_kv_head = 2,
                              .head_dim = 4, .n_ff = 48, .n_vocab = 5, .eps = 1.5625e-07f,
                              .rope = {.theta = 10000, .n_rot = 2, .interleaved = true}};
        float inv_freq[1] = {1};
        m.inv_freq = inv_freq;
        glim_layer l = {0};
        m.layers = &l;
#define VIEW(o, i) ((glim_mat){GLIM_F32, (o), (i), p, (i) * 4, NULL})
        m.embd = VIEW(5, 32), p += 5 * 32;
        m.head = m.embd;
        l.attn_norm = p, p += 32;
        l.wq = VIEW(32, 32), p += 32 * 32;
        l.wk = VIEW(8, 32), p += 8 * 32;
        l.wv = VIEW(8, 32), p += 8 * 32;
        l.bq = p, l.bk = p + 32, l.bv = p + 40, p += 48;
        l.wo = VIEW(32, 32), p += 32 * 32;
        l.ffn_norm = p, p += 32;
        l.ffn.n_ff = 48;
        l.ffn.gate = VIEW(48, 32), p += 48 * 32;
        l.ffn.up = VIEW(48, 32), p += 48 * 32;
        l.ffn.down = VIEW(32, 48), p += 32 * 48;
        m.out_norm = p, p += 32;
        glim_mat *mats[] = {&l.wq, &l.wk, &l.wv, &l.wo, &l.ffn.gate, &l.ffn.up, &l.ffn.down, &m.head};
        void *packed[GLIM_COUNT(mats)] = {0};
        for (size_t i = 0; i < GLIM_COUNT(mats); i++) {
            size_t n = k->pack_bytes(GLIM_F32, mats[i]->n_out, mats[i]->n_in);
            if (!n) continue;
            CHECK_OK(glim_try_calloc(&packed[i], n, 1, "panels", &err), err);
            glim_mat_pack(NULL, k, mats[i], packed[i]);
        }
        glim_ws *ws;
        glim_kv_pool kv;
        glim_kv_seq seq;
        CHECK_OK(glim_ws_new(&ws, &m, 4, 4, &err), err);
        CHECK_OK(glim_kv_pool_init(&kv, GLIM_F32, 1, 2, 4, 1, &err), err);
        CHECK_OK(glim_kv_seq_init(&seq, &kv, 64, &err), err);
        CHECK_OK(glim_kv_reserve(&seq, 64, &err), err);
        for (int step = 0; step < 3; step++) { /* 3 prompt tokens, then two cached steps */
            size_t n = step == 0 ? 3 : 1;
            glim_row rows[3];
            for (size_t i = 0; i < n; i++, p++) {
                int32_t id;
                memcpy(&id, p, 4);
                rows[i] = (glim_row){.token = id, .pos = (int32_t)(seq.n_pos + i), .logits = true};
            }
            const float *logits;
            glim_kv_seq *seqs[] = {&seq};
            CHECK_OK(glim_forward(&m, ws, &(glim_batch){rows, n, seqs, 1}, &logits, &err), err);
            CHECK_CLOSE(glim_ws_hidden(ws), p, n * 32, 1e-5, 0);
            p += n * 32;
        }
        CHECK((const uint8_t *)p == f.data + f.size);
        glim_kv_seq_deinit(&seq);
        glim_kv_pool_deinit(&kv);
        glim_ws_free(ws);
        for (size_t i = 0; i < GLIM_COUNT(mats); i++) free(packed[i]);
    }
    glim_map_close(&f);
}
