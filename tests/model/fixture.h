/* fixture.h - what the model tests share: opening fixtures, running rows, reading the oracle. */
#ifndef GLIM_TEST_FIXTURE_H
#define GLIM_TEST_FIXTURE_H

#include <math.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/json.h"
#include "model/forward.h"
#include "model/sample.h"
#include "test.h"

static const char *const g_fixtures[] = {"chatglm", "glm", "glm-edge", "glm4", "glm4-nobias-yarn", "glm4moe-air",
                                         "glm4moe-355b", "llama", "llama-tied", "qwen2", "qwen3"};
static const char *const g_sets[] = {"ref", "avx2", "avx512"};

typedef struct runner {
    glim_pool *pool;
    glim_model *m;
    glim_ws *ws;
    glim_kv_pool kv;
    glim_err err;
} runner;

/* n_ctx positions of KV in all; batches of at most n_rows rows, every one with logits. */
static inline void runner_open(runner *r, const char *path, const glim_model_params *params, int n_threads, size_t n_rows,
                        size_t n_ctx) {
    glim_ckpt *c;
    memset(r, 0, sizeof *r);
    r->pool = glim_pool_new(n_threads);
    CHECK_OK(glim_ckpt_open(&c, glim_test_source(path), &r->err), r->err);
    glim_model_params p = *params;
    p.n_ctx = n_ctx;
    p.past_max_ctx = true; /* the oracle's long prompt of one fixture goes past what its config says */
    CHECK_OK(glim_model_load(&r->m, c, &p, r->pool, &r->err), r->err);
    CHECK_OK(glim_ws_new(&r->ws, r->m, n_rows, n_rows, &r->err), r->err);
    CHECK_OK(glim_kv_pool_init(&r->kv, r->m->plan.kv_type, r->m->cfg.n_layer, r->m->cfg.n_kv_head, r->m->cfg.head_dim,
                               n_ctx / GLIM_KV_PAGE + 1, &r->err), r->err);
}

static inline void runner_close(runner *r) {
    glim_kv_pool_deinit(&r->kv);
    glim_ws_free(r->ws);
    glim_model_free(r->m);
    glim_pool_free(r->pool);
}

/* Feeds ids to one sequence in slices of at most `slice` rows; logits of every row into out, if given. */
static inline void runner_feed(runner *r, glim_kv_seq *s, const int32_t *ids, size_t n, size_t slice, float *out) {
    glim_row *rows = calloc(slice, sizeof *rows);
    size_t v = r->m->cfg.n_vocab;
    for (size_t i = 0; i < n; i += slice) {
        size_t k = n - i < slice ? n - i : slice;
        CHECK_OK(glim_kv_reserve(s, s->n_pos + k, &r->err), r->err);
        for (size_t j = 0; j < k; j++)
            rows[j] = (glim_row){.token = ids[i + j], .pos = (int32_t)(s->n_pos + j), .logits = out != NULL};
        const float *logits;
        glim_kv_seq *seqs[] = {s};
        CHECK_OK(glim_forward(r->m, r->ws, &(glim_batch){rows, k, seqs, 1}, &logits, &r->err), r->err);
        if (out) memcpy(out + i * v, logits, k * v * sizeof *out);
    }
    free(rows);
}

/* The oracle of a fixture. */
typedef struct oracle {
    json_t *json;
    glim_map bin;
} oracle;

static inline void oracle_open(oracle *o, const char *name) {
    char path[256];
    glim_err err;
    snprintf(path, sizeof path, "tests/fixtures/%s/oracle.json", name);
    CHECK_OK(glim_json_read(&o->json, glim_test_source(path), 1 << 20, &err), err);
    snprintf(path, sizeof path, "tests/fixtures/%s/oracle.bin", name);
    CHECK_OK(glim_map_open(&o->bin, glim_test_source(path), &err), err);
}

static inline void oracle_close(oracle *o) {
    json_decref(o->json);
    glim_map_close(&o->bin);
}

/* Ids under a key ("prompt_ids"), heap. */
static inline int32_t *oracle_ids(const json_t *from, const char *key, size_t *n) {
    const json_t *a = json_object_get(from, key);
    *n = json_array_size(a);
    CHECK(*n > 0);
    int32_t *ids = calloc(*n, sizeof *ids);
    for (size_t i = 0; i < *n; i++) ids[i] = (int32_t)json_integer_value(json_array_get(a, i));
    return ids;
}

static inline const float *oracle_rows(const oracle *o, const char *name, size_t *n_rows) {
    const json_t *a = json_object_get(json_object_get(o->json, "arrays"), name);
    CHECK_MSG(a != NULL, "the oracle has no array %s", name);
    size_t offset = (size_t)json_integer_value(json_object_get(a, "offset"));
    *n_rows = (size_t)json_integer_value(json_array_get(json_object_get(a, "shape"), 0));
    return (const float *)(const void *)(o->bin.data + offset);
}

static inline double oracle_real(const oracle *o, const char *a, const char *b) {
    return json_number_value(json_object_get(json_object_get(o->json, a), b));
}

#endif
