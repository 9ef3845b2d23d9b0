/* cmd_verify.c - proof that a model is whole and computes right on this machine.
 *
 * What an owner of real weights runs and can publish: every file with its size and SHA-256, every tensor
 * with type and shape (and its own SHA-256 on request), the published parameter total, every value finite,
 * and a numeric self-test: a fixed prompt gives the same bits as one batch, in slices and token by token,
 * and agrees with the plain C kernels. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/agree.h"
#include "cli/cli.h"
#include "cli/progress.h"
#include "net/sha256.h"

typedef struct verify {
    const char *path;
    glim_model_flags mf;
    bool json, tensors, quick;
    json_t *report;
    int failures;
} verify;

static void check(verify *v, const char *name, bool ok, const char *detail) {
    json_array_append_new(json_object_get(v->report, "checks"),
                          json_pack("{s:s, s:b, s:s}", "check", name, "ok", ok, "detail", detail));
    if (!ok) v->failures++;
    if (!v->json) printf("%s  %-34s %s\n", ok ? "ok  " : "FAIL", name, detail);
}

static bool hash_progress(void *ctx, uint64_t done, uint64_t total) {
    (void)total;
    glim_progress_update(ctx, done);
    return !glim_cli_interrupt_pending();
}

static glim_status files(verify *v, const glim_ckpt *c, glim_err *err) {
    json_t *list = json_array();
    json_object_set_new(v->report, "files", list);
    for (int i = 0; i < glim_ckpt_n_files(c); i++) {
        size_t size;
        char hex[GLIM_SHA256_HEX] = "";
        const char *path = glim_ckpt_file(c, i, &size), *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
        size_t n_inside;
        const void *inside = glim_ckpt_builtin_bytes(path, &n_inside);
        if (!v->quick && inside) {
            glim_sha256 h;
            glim_sha256_init(&h);
            glim_sha256_update(&h, inside, n_inside);
            glim_sha256_final(&h, hex);
        } else if (!v->quick) {
            glim_progress *bar = glim_progress_begin(name, size, GLIM_PROGRESS_BYTES);
            glim_status rc = glim_sha256_file(path, hex, hash_progress, bar, err);
            glim_progress_end(bar);
            if (rc != GLIM_OK) return rc;
        }
        json_array_append_new(list, json_pack("{s:s, s:I, s:s}", "name", name, "bytes", (json_int_t)size, "sha256", hex));
        if (!v->json) printf("file  %s  %zu bytes  sha256 %s\n", name, size, v->quick ? "(skipped)" : hex);
    }
    return GLIM_OK;
}

static glim_status tensors(verify *v, const glim_ckpt *c, glim_err *err) {
    json_t *list = json_array();
    glim_sha256 all;
    glim_sha256_init(&all); /* of the manifest: name, type, shape, one line each in file order */
    size_t n = glim_ckpt_n_tensors(c);
    glim_progress *bar = v->tensors && !v->quick ? glim_progress_begin("hashing tensors", n, GLIM_PROGRESS_COUNT) : NULL;
    glim_status rc = GLIM_OK;
    for (size_t i = 0; i < n && rc == GLIM_OK; i++) {
        const glim_tensor *t = glim_ckpt_tensor(c, i);
        json_t *shape = json_array();
        glim_buf line = {0};
        glim_buf_printf(&line, "%s %s [", t->name, glim_dtype_of(t->type)->name);
        for (int d = 0; d < t->n_dims; d++) {
            json_array_append_new(shape, json_integer((json_int_t)t->dims[d]));
            glim_buf_printf(&line, d ? ", %zu" : "%zu", t->dims[d]);
        }
        glim_buf_puts(&line, "]");
        glim_sha256_update(&all, glim_buf_cstr(&line), line.len);
        glim_sha256_update(&all, "\n", 1);
        if (v->tensors) {
            char hex[GLIM_SHA256_HEX] = "";
            if (!v->quick) {
                glim_sha256 h;
                glim_sha256_init(&h);
                glim_sha256_update(&h, t->data, t->n_bytes);
                glim_sha256_final(&h, hex);
            }
            if (!v->json) printf("tensor  %s  %s\n", glim_buf_cstr(&line), hex);
            json_array_append_new(list, json_pack("{s:s, s:s, s:O, s:I, s:s}", "name", t->name, "dtype",
                                                  glim_dtype_of(t->type)->name, "shape", shape, "bytes",
                                                  (json_int_t)t->n_bytes, "sha256", hex));
            glim_progress_update(bar, i + 1);
            if (glim_cli_interrupt_pending()) rc = glim_fail(err, GLIM_E_CANCELLED, "interrupted");
        }
        json_decref(shape);
        glim_buf_free(&line);
    }
    glim_progress_end(bar);
    char hex[GLIM_SHA256_HEX];
    glim_sha256_final(&all, hex);
    json_object_set_new(v->report, "n_tensors", json_integer((json_int_t)n));
    json_object_set_new(v->report, "manifest_sha256", json_string(hex));
    if (v->tensors) json_object_set(v->report, "tensors", list);
    json_decref(list);
    if (rc == GLIM_OK && !v->json) printf("manifest  %zu tensors  sha256 %s\n", n, hex);
    return rc;
}

/* ---- the numeric self-test ---- */

typedef struct rows {
    float *v; /* [n, n_vocab] */
    size_t n_vocab;
} rows;

static bool keep_row(void *ctx, size_t pos, const float *logits) {
    rows *r = ctx;
    memcpy(r->v + pos * r->n_vocab, logits, r->n_vocab * sizeof *r->v);
    return !glim_cli_interrupt_pending();
}

enum { TEST_TOKENS = GLIM_AGREE_TOKENS };

static glim_status run_ids(glim_engine *e, const int32_t *ids, rows *r, glim_err *err) {
    glim_session s;
    glim_status rc = glim_session_open(&s, e, err);
    if (rc == GLIM_OK) rc = glim_session_score(&s, ids, TEST_TOKENS, 0, keep_row, r, err);
    glim_session_close(&s);
    return rc;
}

static void top_tokens(verify *v, const float *l, size_t n) {
    json_t *top = json_array();
    float last = INFINITY;
    for (int k = 0; k < 5; k++) {
        size_t best = n;
        for (size_t i = 0; i < n; i++)
            if (l[i] < last && (best == n || l[i] > l[best])) best = i;
        if (best == n) break;
        last = l[best];
        json_array_append_new(top, json_pack("[I, f]", (json_int_t)best, (double)last));
        if (!v->json) printf("%s%zu %.4f", k ? ", " : "top   after the fixed prompt: ", best, (double)last);
    }
    if (!v->json) printf("\n");
    json_object_set_new(v->report, "top", top);
}

/* One pass over the fixed ids; a stop is an error here: half a check certifies nothing. */
static glim_status run_all(glim_engine *e, const int32_t *ids, rows *r, glim_err *err) {
    glim_status rc = run_ids(e, ids, r, err);
    if (rc == GLIM_OK && glim_cli_interrupt_pending()) rc = glim_fail(err, GLIM_E_CANCELLED, "interrupted");
    return rc;
}

static glim_status tokenizer_test(verify *v, const glim_tok *tok, glim_err *err) {
    static const char text[] = "Glim \xe4\xbd\xa0\xe5\xa5\xbd, na\xc3\xafve \xf0\x9f\x9a\x80 123 \n\t x";
    char detail[64];
    glim_ids t = {0};
    glim_buf back = {0};
    glim_status rc = glim_tok_encode(tok, text, sizeof text - 1, 0, &t, err);
    if (rc == GLIM_OK) {
        glim_tok_decode(tok, t.v, t.n, true, &back);
        snprintf(detail, sizeof detail, "%zu tokens", t.n);
        check(v, "tokenizer round trip", back.len == sizeof text - 1 && memcmp(back.s, text, back.len) == 0, detail);
    }
    glim_buf_free(&back);
    glim_ids_free(&t);
    return rc;
}

/* The cache of packed weights that `glim run` would use: every block, since a start reads only a sample. */
static glim_status packed_cache(verify *v, const glim_model *m, glim_err *err) {
    char why[GLIM_PACKED_WHY], detail[GLIM_PACKED_WHY + 64];
    glim_packed_state state;
    if (v->quick) return GLIM_OK;
    glim_progress *bar = glim_progress_begin("reading packed weights", m->packed.bytes, GLIM_PROGRESS_BYTES);
    glim_status rc = glim_packed_check(&state, why, m->packed.key, m->packed.bytes, hash_progress, bar, err);
    glim_progress_end(bar);
    if (rc != GLIM_OK || state == GLIM_PACKED_ABSENT) return rc;
    if (state == GLIM_PACKED_WHOLE) snprintf(detail, sizeof detail, "%zu bytes, every checksum", m->packed.bytes);
    else snprintf(detail, sizeof detail, "%s; it is removed, and the next start makes it anew", why);
    check(v, "cache of packed weights", state == GLIM_PACKED_WHOLE, detail);
    return GLIM_OK;
}

/* The weights are read from the checkpoint itself, never from the cache of packed ones. */
static glim_status self_test(verify *v, glim_err *err) {
    int32_t ids[TEST_TOKENS];
    char detail[160];
    rows one = {0}, other = {0};
    glim_engine *e = NULL;
    void *mem = NULL, *mem2 = NULL;
    glim_model_flags mf = v->mf;
    mf.ctx = 64;
    mf.n_logits = TEST_TOKENS;
    mf.no_cache = true;
    glim_status rc = glim_cli_open(&e, v->path, &mf, 0, false, err);
    if (rc != GLIM_OK) return rc; /* NaN weights, missing tensors, wrong shapes end here */
    check(v, "every tensor known, every value finite", true, "shapes, types and values were read");
    uint64_t published;
    const char *known = glim_config_known_name(&e->model->cfg, &published);
    if (known && published) {
        snprintf(detail, sizeof detail, "%llu, %s has %llu", (unsigned long long)e->model->n_params, known,
                 (unsigned long long)published);
        check(v, "parameter total as published", e->model->n_params == published, detail);
    }
    rc = packed_cache(v, e->model, err);
    if (rc != GLIM_OK) goto done;
    one.n_vocab = other.n_vocab = e->model->cfg.n_vocab;
    glim_agree_ids(ids, glim_tok_n(e->tok));
    rc = glim_try_calloc(&mem, TEST_TOKENS * one.n_vocab, sizeof(float), "test logits", err);
    if (rc == GLIM_OK) rc = glim_try_calloc(&mem2, TEST_TOKENS * one.n_vocab, sizeof(float), "test logits", err);
    if (rc != GLIM_OK) goto done;
    one.v = mem;
    other.v = mem2;
    rc = run_all(e, ids, &one, err);
    size_t n = TEST_TOKENS * one.n_vocab;
    for (size_t slice = 7; rc == GLIM_OK && slice >= 1; slice = slice == 7 ? 1 : 0) {
        e->model->plan.n_logits = slice;
        rc = run_all(e, ids, &other, err);
        bool same = rc == GLIM_OK && memcmp(one.v, other.v, n * sizeof(float)) == 0;
        snprintf(detail, sizeof detail, "%d tokens, %zu logits", TEST_TOKENS, n);
        if (rc == GLIM_OK)
            check(v, slice == 7 ? "slices of 7 give the same bits" : "token by token gives the same bits", same, detail);
    }
    if (rc != GLIM_OK) goto done;
    bool finite = true;
    for (size_t i = 0; i < n && finite; i++) finite = isfinite(one.v[i]);
    check(v, "all logits finite", finite, "");
    rc = tokenizer_test(v, e->tok, err);

    /* The same through plain C. The first engine goes first: two copies of a large model may not fit. */
    const char *set = e->model->k->name;
    glim_dtype type = e->model->plan.weight_type;
    if (e->model->plan.fell_back) mf.type = "q8_0";
    glim_engine_free(e);
    e = NULL;
    if (rc == GLIM_OK && strcmp(set, "ref") != 0) {
        mf.kernels = glim_kernels_find("ref");
        rc = glim_cli_open(&e, v->path, &mf, 0, false, err);
        if (rc == GLIM_OK) rc = run_all(e, ids, &other, err);
        if (rc == GLIM_OK) {
            glim_agree a = glim_agree_logits(one.v, other.v, n, type);
            snprintf(detail, sizeof detail, "%s against ref: largest difference %.2e of %.1f", set, a.worst, a.spread);
            check(v, "kernels agree with plain C", a.ok, detail);
        }
    }
    if (rc == GLIM_OK) top_tokens(v, one.v + (TEST_TOKENS - 1) * one.n_vocab, one.n_vocab);
done:
    free(mem);
    free(mem2);
    glim_engine_free(e);
    return rc;
}

int glim_cmd_verify(int argc, char **argv) {
    verify v = {0};
    const glim_flag own[] = {
        {"--tensors", NULL, GLIM_FLAG_BOOL, &v.tensors, NULL, "list every tensor with its SHA-256", 0, 0},
        {"--quick", NULL, GLIM_FLAG_BOOL, &v.quick, NULL, "no hashes of files and tensors", 0, 0},
        {"--json", NULL, GLIM_FLAG_BOOL, &v.json, NULL, "one JSON object on stdout", 0, 0},
        {0}};
    const glim_flag model[] = {GLIM_MODEL_FLAGS(&v.mf), {0}};
    const glim_page u = {"glim verify MODEL",
                          "Checks a model's files and arithmetic: sizes, SHA-256, every tensor, every value, and a numeric\n"
                          "self-test on this machine. Exit code 2 if anything is wrong.", {own, model}};
    glim_str_list pos = {0};
    int code = glim_args(argc, argv, &u, &pos, 1, 1);
    if (code >= 0) return code;
    v.path = pos.v[0];
    v.report = json_pack("{s:s, s:s, s:[]}", "glim", GLIM_VERSION, "kernels", glim_kernels_get()->name, "checks");
    glim_cli_catch_interrupt();
    glim_err err = {0};
    glim_ckpt *c = NULL;
    glim_status rc = glim_ckpt_open(&c, v.path, &err);
    if (rc == GLIM_OK) rc = files(&v, c, &err);
    if (rc == GLIM_OK) rc = tensors(&v, c, &err);
    glim_ckpt_close(c);
    if (rc == GLIM_OK) rc = self_test(&v, &err);
    if (rc == GLIM_OK || v.json) {
        if (v.json) {
            json_object_set_new(v.report, "ok", json_boolean(rc == GLIM_OK && v.failures == 0));
            if (rc != GLIM_OK) json_object_set_new(v.report, "error", json_string(err.msg));
            glim_buf b = {0};
            glim_json_dump_py(&b, v.report, -1, false);
            puts(glim_buf_cstr(&b));
            glim_buf_free(&b);
        } else if (v.failures == 0) puts("this model is whole and computes right here");
        if (v.failures && rc == GLIM_OK) {
            rc = glim_fail(&err, GLIM_E_FORMAT, "%d checks failed", v.failures);
        }
    }
    json_decref(v.report);
    return rc == GLIM_OK ? 0 : glim_cli_error(&err);
}
