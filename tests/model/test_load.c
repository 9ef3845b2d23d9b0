/* Loading: what is refused and in which words, what is converted, and that a refused allocation anywhere
 * leaves one error and nothing behind. */
#include <sys/mman.h>
#include <unistd.h>

#include "fixture.h"
#include "format/st.h"
#include "model/forward_internal.h"

/* A copy of a fixture under /tmp in which tensors may be changed, left out or added. */
typedef struct copy {
    char dir[64];
    glim_tensor_out t[256];
    size_t n;
    float *wide[256]; /* owned data of changed tensors */
    glim_ckpt *from;
} copy;

static void copy_open(copy *c, const char *fixture) {
    char path[256];
    glim_err err;
    memset(c, 0, sizeof *c);
    strcpy(c->dir, "/tmp/glim-load-XXXXXX");
    CHECK(mkdtemp(c->dir));
    snprintf(path, sizeof path, "tests/fixtures/%s", fixture);
    CHECK_OK(glim_ckpt_open(&c->from, glim_test_source(path), &err), err);
    static const char *const files[] = {"config.json", "tokenizer.json", "tokenizer_config.json"};
    for (size_t i = 0; i < GLIM_COUNT(files); i++) {
        char *src = glim_path_join(glim_ckpt_path(c->from), files[i]), *dst = glim_path_join(c->dir, files[i]);
        glim_buf b = {0};
        CHECK_OK(glim_file_read(&b, src, 1 << 20, &err), err);
        CHECK_OK(glim_file_write_atomic(dst, b.s, b.len, &err), err);
        glim_buf_free(&b);
        free(src);
        free(dst);
    }
    for (size_t i = 0; i < glim_ckpt_n_tensors(c->from); i++) {
        const glim_tensor *t = glim_ckpt_tensor(c->from, i);
        glim_tensor_out *o = &c->t[c->n++];
        *o = (glim_tensor_out){.name = t->name, .type = t->type, .n_dims = t->n_dims, .data = t->data};
        memcpy(o->dims, t->dims, sizeof o->dims);
    }
}

static glim_tensor_out *copy_find(copy *c, const char *name) {
    for (size_t i = 0; i < c->n; i++)
        if (strcmp(c->t[i].name, name) == 0) return &c->t[i];
    glim_test_fail(__FILE__, __LINE__, "no tensor %s", name);
}

/* The tensor's values as f32, writable; the copy will store them so. */
static float *copy_widen(copy *c, const char *name) {
    glim_tensor_out *o = copy_find(c, name);
    size_t n = 1;
    for (int d = 0; d < o->n_dims; d++) n *= o->dims[d];
    float *v = calloc(n, sizeof *v);
    glim_dequant(o->type, o->data, v, n);
    c->wide[o - c->t] = v;
    o->type = GLIM_F32;
    o->data = v;
    return v;
}

static glim_status copy_load(copy *c, const glim_model_params *p, glim_model **m, glim_err *err) {
    glim_ckpt *ckpt;
    glim_status rc = glim_st_write_folder(c->dir, c->t, c->n, NULL, 0, err);
    if (rc == GLIM_OK) rc = glim_ckpt_open(&ckpt, c->dir, err);
    return rc == GLIM_OK ? glim_model_load(m, ckpt, p, NULL, err) : rc;
}

static void copy_close(copy *c) {
    char cmd[128];
    for (size_t i = 0; i < GLIM_COUNT(c->wide); i++) free(c->wide[i]);
    glim_ckpt_close(c->from);
    snprintf(cmd, sizeof cmd, "rm -rf %s", c->dir);
    CHECK(system(cmd) == 0);
}

static void refused(copy *c, glim_status want, const char *words) {
    glim_err err = {0};
    glim_model *m = NULL;
    glim_status rc = copy_load(c, &(glim_model_params){.n_ctx = 64}, &m, &err);
    CHECK_MSG(rc == want && strstr(err.msg, words) && !m, "got %s: %s", glim_status_name(rc), err.msg);
    copy_close(c);
}

TEST(a_missing_tensor_is_named) {
    copy c;
    copy_open(&c, "glm");
    *copy_find(&c, "model.layers.1.mlp.down_proj.weight") = c.t[--c.n];
    refused(&c, GLIM_E_NOT_FOUND, "model.layers.1.mlp.down_proj.weight");
}

TEST(an_unknown_tensor_is_named) {
    copy c;
    copy_open(&c, "glm");
    copy_find(&c, "model.norm.weight");
    c.t[c.n] = *copy_find(&c, "model.norm.weight");
    c.t[c.n++].name = "model.layers.0.self_attn.surprise.weight";
    refused(&c, GLIM_E_UNSUPPORTED, "surprise");
}

TEST(a_bias_on_only_some_of_q_k_v_is_refused) {
    copy c;
    copy_open(&c, "glm");
    *copy_find(&c, "model.layers.0.self_attn.k_proj.bias") = c.t[--c.n];
    refused(&c, GLIM_E_NOT_FOUND, "layer 0");
}

TEST(a_transposed_matrix_is_refused_with_both_shapes) {
    copy c;
    copy_open(&c, "glm");
    glim_tensor_out *o = copy_find(&c, "model.layers.0.mlp.down_proj.weight");
    size_t t = o->dims[0];
    o->dims[0] = o->dims[1];
    o->dims[1] = t;
    refused(&c, GLIM_E_SHAPE, "want [");
}

TEST(a_nan_is_found_and_named_wherever_it_is) {
    static const char *const names[] = {"model.layers.1.self_attn.v_proj.weight", "model.embed_tokens.weight",
                                        "lm_head.weight", "model.layers.0.input_layernorm.weight",
                                        "model.layers.0.self_attn.q_proj.bias"};
    for (size_t i = 0; i < GLIM_COUNT(names); i++) {
        copy c;
        copy_open(&c, "glm");
        copy_widen(&c, names[i])[3] = i % 2 ? NAN : -INFINITY;
        refused(&c, GLIM_E_FORMAT, names[i]);
    }
}

TEST(qwen3_without_its_norms_and_moe_without_its_correction_are_refused) {
    copy c;
    copy_open(&c, "qwen3");
    *copy_find(&c, "model.layers.0.self_attn.q_norm.weight") = c.t[--c.n];
    refused(&c, GLIM_E_NOT_FOUND, "q_norm");
    copy_open(&c, "glm4moe-air");
    *copy_find(&c, "model.layers.1.mlp.gate.e_score_correction_bias") = c.t[--c.n];
    refused(&c, GLIM_E_NOT_FOUND, "e_score_correction_bias");
}

/* Logits of a few ids through a loaded model. */
static void run_ids(glim_model *m, float *out) {
    glim_err err;
    glim_ws *ws;
    glim_kv_pool kv;
    glim_kv_seq s, *seqs[] = {&s};
    glim_row rows[5];
    const float *logits;
    CHECK_OK(glim_ws_new(&ws, m, 5, 5, &err), err);
    CHECK_OK(glim_kv_pool_init(&kv, m->plan.kv_type, m->cfg.n_layer, m->cfg.n_kv_head, m->cfg.head_dim, 1, &err), err);
    CHECK_OK(glim_kv_seq_init(&s, &kv, 64, &err), err);
    CHECK_OK(glim_kv_reserve(&s, 5, &err), err);
    for (int i = 0; i < 5; i++) rows[i] = (glim_row){.token = 7 * i + 3, .pos = i, .logits = true};
    CHECK_OK(glim_forward(m, ws, &(glim_batch){rows, 5, seqs, 1}, &logits, &err), err);
    memcpy(out, logits, 5 * m->cfg.n_vocab * sizeof *out);
    glim_kv_seq_deinit(&s);
    glim_kv_pool_deinit(&kv);
    glim_ws_free(ws);
}

static size_t resident_bytes(const void *mem, size_t n_bytes) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), n = (n_bytes + page - 1) / page;
    unsigned char *in = calloc(n, 1);
    CHECK(mincore((void *)(uintptr_t)mem, n_bytes, in) == 0);
    size_t sum = 0;
    for (size_t i = 0; i < n; i++) sum += in[i] & 1 ? page : 0;
    free(in);
    return sum;
}

/* A start that answers a short prompt does not pay for rows that it does not use. */
TEST(a_workspace_takes_memory_for_the_rows_of_a_batch) {
    runner r;
    glim_kv_seq s, *seqs[] = {&s};
    glim_row rows[5];
    const float *logits;
    runner_open(&r, "models/glim-nano.gguf", &(glim_model_params){0}, 2, 512, 64);
    const size_t none = resident_bytes(r.ws->mem, r.ws->mem_bytes);
    CHECK_MSG(none < r.ws->mem_bytes / 64, "%zu of %zu bytes before there was a batch", none, r.ws->mem_bytes);
    CHECK_OK(glim_kv_seq_init(&s, &r.kv, 64, &r.err), r.err);
    CHECK_OK(glim_kv_reserve(&s, 5, &r.err), r.err);
    for (int i = 0; i < 5; i++) rows[i] = (glim_row){.token = 7 * i + 3, .pos = i, .logits = i == 4};
    CHECK_OK(glim_forward(r.m, r.ws, &(glim_batch){rows, 5, seqs, 1}, &logits, &r.err), r.err);
    const size_t used = resident_bytes(r.ws->mem, r.ws->mem_bytes);
    CHECK_MSG(used > 0 && used < r.ws->mem_bytes / 3, "%zu of %zu bytes", used, r.ws->mem_bytes);
    glim_kv_seq_deinit(&s);
    runner_close(&r);
}

TEST(experts_of_mixed_types_run_on_every_set) {
    static float want[5 * 400], got[5 * 400];
    for (size_t s = 0; s < GLIM_COUNT(g_sets); s++) {
        const glim_kernels *k = glim_kernels_find(g_sets[s]);
        if (!k) continue;
        for (int which = 0; which < 3; which++) { /* none, the first, the last expert in f32: same values */
            copy c;
            glim_err err;
            glim_model *m;
            copy_open(&c, "glm4moe-air");
            for (int p = 0; which && p < 3; p++) {
                static const char *const parts[] = {"gate_proj", "up_proj", "down_proj"};
                char name[96];
                snprintf(name, sizeof name, "model.layers.1.mlp.experts.%d.%s.weight", which == 1 ? 0 : 5, parts[p]);
                copy_widen(&c, name);
            }
            CHECK_OK(copy_load(&c, &(glim_model_params){.n_ctx = 64, .kernels = k}, &m, &err), err);
            run_ids(m, which ? got : want);
            /* bf16 products round activations on one set and not on another: near, not equal. */
            if (which) CHECK_CLOSE(got, want, 5 * m->cfg.n_vocab, 0.1, 0);
            glim_model_free(m);
            copy_close(&c);
        }
    }
}

TEST(a_plan_that_does_not_fit_is_refused_with_the_context_that_would) {
    glim_err err;
    glim_ckpt *ckpt;
    glim_model *m;
    CHECK_OK(glim_ckpt_open(&ckpt, glim_test_source("tests/fixtures/glm4moe-air"), &err), err);
    CHECK(glim_model_load(&m, ckpt, &(glim_model_params){.n_ctx = 2048, .n_seq = 1 << 20}, NULL, &err) == GLIM_E_NOMEM);
    CHECK(strstr(err.msg, "GiB") && strstr(err.hint, "--ctx") && !m);
    CHECK_OK(glim_ckpt_open(&ckpt, glim_test_source("tests/fixtures/glm4moe-air"), &err), err);
    CHECK(glim_model_load(&m, ckpt, &(glim_model_params){.n_ctx = 2049}, NULL, &err) == GLIM_E_LIMIT && !m);
}

static bool stop_at_once(void *ctx, size_t done, size_t total) {
    (void)ctx;
    CHECK(done <= total);
    return false;
}

TEST(loading_stops_when_asked) {
    glim_err err;
    glim_ckpt *ckpt;
    glim_model *m;
    CHECK_OK(glim_ckpt_open(&ckpt, glim_test_source("tests/fixtures/glm4"), &err), err);
    CHECK(glim_model_load(&m, ckpt, &(glim_model_params){.progress = stop_at_once}, NULL, &err) == GLIM_E_CANCELLED && !m);
}

TEST(any_allocation_may_fail_while_a_model_loads) {
    for (int type = 0; type < 2; type++) {
        long k = 1;
        for (;; k++) {
            glim_err err = {0};
            glim_ckpt *ckpt = NULL;
            glim_model *m = NULL;
            glim_ws *ws = NULL;
            glim_kv_pool kv = {0};
            glim_alloc_fail_after(k);
            glim_status rc = glim_ckpt_open(&ckpt, glim_test_source("tests/fixtures/glm4moe-355b"), &err);
            if (rc == GLIM_OK)
                rc = glim_model_load(&m, ckpt, &(glim_model_params){.n_ctx = 64, .type = type ? 1 + GLIM_F32 : 0}, NULL, &err);
            if (rc == GLIM_OK) rc = glim_ws_new(&ws, m, 4, 4, &err);
            if (rc == GLIM_OK) rc = glim_kv_pool_init(&kv, GLIM_F32, 1, 1, 4, 1, &err);
            glim_alloc_fail_after(0);
            CHECK_MSG(rc == GLIM_OK || (rc == GLIM_E_NOMEM && err.msg[0]), "allocation %ld: %s", k, err.msg);
            glim_kv_pool_deinit(&kv);
            glim_ws_free(ws);
            glim_model_free(m);
            if (rc == GLIM_OK) break;
        }
        printf("    %ld allocations failed in turn\n", k - 1);
        CHECK(k > 10);
    }
}

TEST(int8_and_half_types_stay_near_the_file) {
    static const struct {
        glim_dtype type;
        float near;
    } cases[] = {{GLIM_F32, 0.05f}, {GLIM_F16, 0.05f}, {GLIM_BF16, 0.1f}, {GLIM_Q8_0, 0.4f}};
    static float want[5 * 400], got[5 * 400];
    glim_err err;
    for (size_t i = 0; i <= GLIM_COUNT(cases); i++) {
        glim_ckpt *ckpt;
        glim_model *m;
        CHECK_OK(glim_ckpt_open(&ckpt, glim_test_source("tests/fixtures/glm4"), &err), err);
        int type = i ? 1 + (int)cases[i - 1].type : 1 + GLIM_F32;
        CHECK_OK(glim_model_load(&m, ckpt, &(glim_model_params){.n_ctx = 64, .type = type}, NULL, &err), err);
        run_ids(m, i ? got : want);
        if (i) CHECK_CLOSE(got, want, 5 * m->cfg.n_vocab, (double)cases[i - 1].near, 0);
        glim_model_free(m);
    }
}
