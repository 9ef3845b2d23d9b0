/* train_test.h - what the tests of training share: a loaded model, PyTorch's gradients, examples from JSON. */
#ifndef GLIM_TRAIN_TEST_H
#define GLIM_TRAIN_TEST_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/rng.h"
#include "model/adapter.h"
#include "model/forward.h"
#include "model/model.h"
#include "train/packs.h"
#include "test.h"

typedef struct rig {
    glim_pool *pool;
    glim_model *m;
    glim_err err;
} rig;

static inline void rig_open(rig *r, const char *path, const char *set, int type, int n_threads) {
    glim_ckpt *c;
    memset(r, 0, sizeof *r);
    r->pool = glim_pool_new(n_threads);
    CHECK_OK(glim_ckpt_open(&c, path[0] == '/' ? path : glim_test_source(path), &r->err), r->err);
    glim_model_params p = {.type = type, .n_ctx = 64, .n_rows = 32, .past_max_ctx = true, .no_cache = true,
                           .kernels = set ? glim_kernels_find(set) : NULL};
    CHECK_OK(glim_model_load(&r->m, c, &p, r->pool, &r->err), r->err);
}
static inline void rig_close(rig *r) {
    glim_model_free(r->m);
    glim_pool_free(r->pool);
}

/* Logits of ids with an adapter, as inference computes them. */
static inline void infer(rig *r, const glim_adapter *a, const int32_t *ids, size_t n, float *out) {
    glim_ws *ws;
    glim_kv_pool kv;
    glim_kv_seq seq;
    glim_adapter_scratch *scratch;
    CHECK_OK(glim_ws_new(&ws, r->m, n, n, &r->err), r->err);
    CHECK_OK(glim_kv_pool_init(&kv, GLIM_F32, r->m->cfg.n_layer, r->m->cfg.n_kv_head, r->m->cfg.head_dim, n / GLIM_KV_PAGE + 1, &r->err), r->err);
    CHECK_OK(glim_kv_seq_init(&seq, &kv, n, &r->err), r->err);
    CHECK_OK(glim_kv_reserve(&seq, n, &r->err), r->err);
    CHECK_OK(glim_adapter_scratch_new(&scratch, r->m, &r->err), r->err);
    glim_ws_adapters(ws, a ? &a : NULL, scratch);
    glim_row rows[64];
    for (size_t i = 0; i < n; i++) rows[i] = (glim_row){.token = ids[i], .pos = (int32_t)i, .logits = true};
    glim_kv_seq *seqs[] = {&seq};
    const float *logits;
    CHECK_OK(glim_forward(r->m, ws, &(glim_batch){rows, n, seqs, 1}, &logits, &r->err), r->err);
    memcpy(out, logits, n * r->m->cfg.n_vocab * sizeof *out);
    glim_kv_seq_deinit(&seq);
    glim_kv_pool_deinit(&kv);
    glim_adapter_scratch_free(scratch);
    glim_ws_free(ws);
}

/* An example that owns its arrays. */
static inline glim_example example_of(const json_t *o) {
    const json_t *t = json_object_get(o, "tokens"), *m = json_object_get(o, "mask");
    const size_t n = json_array_size(t);
    int32_t *tokens = calloc(n, sizeof *tokens);
    uint8_t *loss = calloc(n, 1);
    for (size_t i = 0; i < n; i++) {
        tokens[i] = (int32_t)json_integer_value(json_array_get(t, i));
        loss[i] = json_integer_value(json_array_get(m, i)) != 0;
    }
    return (glim_example){tokens, loss, n};
}
static inline void example_free(glim_example *x) {
    free((void *)(uintptr_t)x->tokens);
    free((void *)(uintptr_t)x->loss);
}
static inline void pack_json(glim_packer *p, const json_t *sequences) {
    size_t i;
    json_t *o;
    json_array_foreach(sequences, i, o) {
        glim_example x = example_of(o);
        CHECK(glim_packer_add(p, &x, i));
        example_free(&x);
    }
}

/* Mean loss over the targets, gradients of it accumulated. */
static inline double step_loss(glim_net *n, const glim_packer *p, glim_err *err) {
    double *nll = calloc(p->pack.n, sizeof *nll), *scale = calloc(p->pack.n, sizeof *scale), sum = 0;
    for (size_t i = 0; i < p->pack.n; i++) scale[i] = 1 / (double)p->n_target;
    CHECK_OK(glim_net_forward(n, &p->pack, err), *err);
    glim_net_head(n, &p->pack, nll, scale);
    glim_net_backward(n, &p->pack);
    for (size_t i = 0; i < p->pack.n; i++) sum += nll[i] * scale[i];
    free(nll), free(scale);
    return sum;
}

typedef struct golden {
    json_t *json;
    glim_map bin;
} golden;
static inline void golden_open(golden *g, const char *name) {
    char path[256];
    glim_err err;
    snprintf(path, sizeof path, "tests/fixtures/train/%s.json", name);
    CHECK_OK(glim_json_read(&g->json, glim_test_source(path), 4 << 20, &err), err);
    snprintf(path, sizeof path, "tests/fixtures/train/%s.bin", name);
    CHECK_OK(glim_map_open(&g->bin, glim_test_source(path), &err), err);
}
static inline void golden_close(golden *g) {
    json_decref(g->json);
    glim_map_close(&g->bin);
}

static inline const glim_param *find_param(const glim_net *n, const char *name) {
    for (size_t i = 0; i < n->n_params; i++)
        if (strcmp(n->params[i].name, name) == 0) return &n->params[i];
    return NULL;
}

/* Every tensor of the golden file: its gradient within 1e-4 of the largest of PyTorch's. Returns how many there are. */
static inline size_t check_grads(const glim_net *n, const golden *g, const char *what) {
    const char *name;
    json_t *t;
    size_t n_seen = 0;
    json_object_foreach(json_object_get(g->json, "tensors"), name, t) {
        const glim_param *p = find_param(n, name);
        CHECK_MSG(p != NULL, "%s: nothing is trained under the name %s", what, name);
        const double top = json_number_value(json_object_get(t, "max"));
        const uint8_t *want = g->bin.data + json_integer_value(json_object_get(t, "offset"));
        double worst = 0;
        size_t at = 0;
        for (size_t i = 0; i < p->n; i++) {
            int16_t q;
            memcpy(&q, want + 2 * i, 2);
            const double e = fabs((double)n->g[p->at + i] - top * q / 32767);
            if (!(e <= worst)) worst = e, at = i;
        }
        CHECK_MSG(worst <= 1e-4 * top, "%s: %s[%zu] is off by %.3g of the largest", what, name, at, worst / top);
        n_seen++;
    }
    return n_seen;
}

#endif
