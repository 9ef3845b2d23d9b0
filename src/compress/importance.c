/* importance.c - see importance.h. The watcher of the forward pass finds a matrix by its address. */
#include "compress/importance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "compress/factor.h"
#include "tensor/gemm.h"

/* The inputs of one layer; behind them two for each expert. */
enum { IN_ATTN, IN_OUT, IN_FFN, IN_DOWN, IN_LAYER };
enum { FEW_ROWS = 64 }; /* below this an expert's own moments are noise */

typedef struct moments {
    size_t n_in;
    uint64_t n_rows;
    double *sum; /* [n_in], NULL: this model has no such input */
    float *mean; /* [n_in] after gathering */
    float *pairs; /* [n_in, n_in] sums of x_i x_j, or NULL */
} moments;

struct glim_importance {
    size_t n_layer, n_expert, n_inputs, n_tokens;
    moments *in; /* [n_inputs]: layer after layer, then the head */
    glim_arena arena;
    float *factor, *factor_w; /* the last one asked for */
    const moments *factor_of; /* of these moments; NULL: none */
};

typedef struct known {
    const glim_mat *w;
    moments *to;
} known;

typedef struct watcher {
    glim_importance *im;
    known *known; /* [n] by address */
    size_t n;
    /* for pairs */
    bool whole;
    glim_pool *pool;
    const glim_gemm_set *gemm;
    float *rows;   /* a batch of activations as f32 */
    void *scratch; /* of a product of them */
} watcher;

static int by_address(const void *a, const void *b) {
    const known *x = a, *y = b;
    return (uintptr_t)x->w < (uintptr_t)y->w ? -1 : (uintptr_t)x->w > (uintptr_t)y->w;
}

static inline double value_of(const glim_act *x, size_t r, size_t i) {
    size_t n_blocks = (x->n_in + GLIM_ACT_BLOCK - 1) / GLIM_ACT_BLOCK;
    if (x->forms & GLIM_ACT_F32) return (double)x->f32[r * x->f32_stride + i];
    if (x->forms & GLIM_ACT_BF16) return (double)glim_bf16_to_f32(x->bf16[r * ((x->n_in + 1) / 2 * 2) + i]);
    return (double)x->q8[r * n_blocks * GLIM_ACT_BLOCK + i] * (double)x->q8_scale[r * n_blocks + i / GLIM_ACT_BLOCK];
}

/* pairs += X^T X. */
static void add_pairs(watcher *s, moments *m, const glim_act *x) {
    for (size_t r = 0; r < x->n_rows; r++)
        for (size_t i = 0; i < x->n_in; i++) s->rows[r * x->n_in + i] = (float)value_of(x, r, i);
    glim_gemm g = {.m = x->n_in, .n = x->n_in, .k = x->n_rows, .c = m->pairs, .ldc = x->n_in, .add = true,
                   .a = s->rows, .a_row = 1, .a_k = x->n_in, .b = s->rows, .b_k = x->n_in, .b_n = 1};
    glim_gemm_run(s->pool, s->gemm, GLIM_GEMM_F32, &g, s->scratch);
}

static void watch(void *ctx, const glim_mat *w, const glim_act *x) {
    watcher *s = ctx;
    const known *k = bsearch(&(known){.w = w}, s->known, s->n, sizeof *s->known, by_address);
    if (!k) return; /* k, v, up: their input was seen with q and gate */
    moments *m = k->to;
    m->n_rows += x->n_rows;
    for (size_t r = 0; r < x->n_rows; r++)
        for (size_t i = 0; i < x->n_in; i++) {
            double v = value_of(x, r, i);
            m->sum[i] += v * v;
        }
    if (m->pairs) add_pairs(s, m, x);
}

static size_t per_layer(const glim_importance *im) { return IN_LAYER + 2 * im->n_expert; }

static bool want(watcher *s, const glim_mat *w, size_t layer, size_t input) {
    moments *m = &s->im->in[layer * per_layer(s->im) + input];
    if (w->n_out == 0) return true;
    m->n_in = w->n_in;
    m->sum = glim_arena_alloc(&s->im->arena, w->n_in * sizeof *m->sum);
    m->mean = glim_arena_alloc(&s->im->arena, w->n_in * sizeof *m->mean);
    s->known[s->n++] = (known){w, m};
    return m->sum && m->mean;
}

static bool has_pairs(const glim_importance *im, size_t i) {
    return im->in[i].sum && (i + 1 == im->n_inputs || i % per_layer(im) < IN_LAYER);
}

/* Everything is there before the first pass: a forward pass must not allocate. */
static glim_status prepare_pairs(watcher *s, size_t n_rows, glim_err *err) {
    glim_importance *im = s->im;
    uint64_t want = 0, have = glim_memory_available();
    size_t widest = 0;
    for (size_t i = 0; i < im->n_inputs; i++) {
        size_t n = im->in[i].n_in;
        if (!has_pairs(im, i)) continue;
        want += (uint64_t)n * n * sizeof(float);
        widest = n > widest ? n : widest;
    }
    want += (uint64_t)widest * widest * sizeof(float);
    if (have && want > have) {
        glim_fail(err, GLIM_E_NOMEM, "the moments of all pairs of columns take %.1f GiB, and %.1f GiB are free",
                  (double)want / (1 << 30), (double)have / (1 << 30));
        glim_err_hint(err, "without --feedback the calibration needs next to nothing");
        return GLIM_E_NOMEM;
    }
    for (size_t i = 0; i < im->n_inputs; i++) {
        void *mem;
        if (!has_pairs(im, i)) continue;
        glim_status rc = glim_try_calloc(&mem, im->in[i].n_in * im->in[i].n_in, sizeof(float), "moments of pairs", err);
        if (rc != GLIM_OK) return rc;
        im->in[i].pairs = mem;
    }
    void *factor, *w;
    glim_status rc = glim_try_calloc(&factor, widest * widest, sizeof(float), "a factor of moments", err);
    if (rc != GLIM_OK) return rc;
    im->factor = factor;
    rc = glim_try_calloc(&w, widest, sizeof(float), "a factor of moments", err);
    im->factor_w = w;
    if (rc == GLIM_OK) rc = glim_try_calloc(&w, n_rows * widest, sizeof(float), "rows of activations", err);
    if (rc != GLIM_OK) return rc;
    s->rows = w;
    rc = glim_try_calloc(&s->scratch, glim_gemm_bytes(s->gemm, widest, n_rows, glim_pool_size(s->pool)), 1,
                         "scratch of moments", err);
    return rc;
}

static glim_status prepare(watcher *s, const glim_model *m, glim_err *err) {
    glim_importance *im = s->im;
    im->n_layer = m->cfg.n_layer;
    im->n_expert = m->cfg.n_expert;
    im->n_inputs = im->n_layer * per_layer(im) + 1;
    im->in = glim_arena_alloc(&im->arena, im->n_inputs * sizeof *im->in);
    s->known = glim_arena_alloc(&im->arena, im->n_inputs * sizeof *s->known);
    bool ok = im->in && s->known;
    for (size_t i = 0; i < im->n_layer && ok; i++) {
        const glim_layer *l = &m->layers[i];
        ok = want(s, &l->wq, i, IN_ATTN) && want(s, &l->wo, i, IN_OUT) && want(s, &l->ffn.gate, i, IN_FFN) &&
             want(s, &l->ffn.down, i, IN_DOWN);
        for (size_t e = 0; l->moe && e < im->n_expert && ok; e++)
            ok = want(s, &l->experts[e].gate, i, IN_LAYER + 2 * e) &&
                 want(s, &l->experts[e].down, i, IN_LAYER + 2 * e + 1);
    }
    ok = ok && want(s, &m->head, im->n_layer, 0);
    if (!ok) return glim_fail(err, GLIM_E_NOMEM, "could not allocate the moments of %zu inputs", im->n_inputs);
    if (s->whole) {
        glim_status rc = prepare_pairs(s, m->plan.n_rows, err);
        if (rc != GLIM_OK) return rc;
    }
    qsort(s->known, s->n, sizeof *s->known, by_address);
    return GLIM_OK;
}

static void finish(glim_importance *im) {
    for (size_t i = 0; i < im->n_inputs; i++) {
        moments *m = &im->in[i];
        for (size_t j = 0; m->sum && j < m->n_in && m->n_rows; j++) m->mean[j] = (float)(m->sum[j] / (double)m->n_rows);
    }
    /* Experts with few rows: the mean over the layer's experts, which have one width. */
    for (size_t l = 0; l < im->n_layer; l++)
        for (size_t part = 0; part < 2 && im->n_expert; part++) {
            moments *first = &im->in[l * per_layer(im) + IN_LAYER + part];
            uint64_t rows = 0;
            if (!first->sum) continue;
            for (size_t e = 0; e < im->n_expert; e++) rows += first[2 * e].n_rows;
            for (size_t j = 0; j < first->n_in && rows; j++) {
                double sum = 0;
                for (size_t e = 0; e < im->n_expert; e++) sum += first[2 * e].sum[j];
                for (size_t e = 0; e < im->n_expert; e++)
                    if (first[2 * e].n_rows < FEW_ROWS) first[2 * e].mean[j] = (float)(sum / (double)rows);
            }
            for (size_t e = 0; e < im->n_expert && rows; e++)
                if (first[2 * e].n_rows == 0) first[2 * e].n_rows = 1;
        }
}

typedef struct window {
    const glim_calibrate_params *p;
    size_t done, total;
} window;

static bool seen_row(void *ctx, size_t pos, const float *logits) {
    (void)logits;
    window *s = ctx;
    return !s->p->progress || s->p->progress(s->p->progress_ctx, s->done + pos, s->total);
}

static glim_status run_text(glim_engine *e, const char *text, const glim_calibrate_params *p, size_t n_ctx,
                            glim_importance *im, glim_err *err) {
    glim_ids ids = {0};
    glim_session s = {0};
    glim_status rc = glim_engine_text_ids(e, text, &ids, err);
    if (rc == GLIM_OK) rc = glim_session_open(&s, e, err);
    size_t n = p->max_tokens && p->max_tokens < ids.n ? p->max_tokens : ids.n;
    if (rc == GLIM_OK && n < 16)
        rc = glim_fail(err, GLIM_E_ARG, "\"%s\" has %zu tokens, want at least 16 to calibrate with", text, n);
    window w = {p, 0, n};
    for (size_t at = 0; rc == GLIM_OK && at < n; at += n_ctx) {
        size_t k = n - at < n_ctx ? n - at : n_ctx;
        int32_t first = ids.v[at];
        if (glim_tok_add_bos(e->tok) && glim_tok_bos(e->tok) >= 0) ids.v[at] = glim_tok_bos(e->tok);
        w.done = at;
        /* The head is multiplied with rows that want logits only: half of each window. */
        rc = glim_session_score(&s, ids.v + at, k, k / 2, seen_row, &w, err);
        ids.v[at] = first;
        if (rc == GLIM_OK && p->progress && !p->progress(p->progress_ctx, at + k, n))
            rc = glim_fail(err, GLIM_E_CANCELLED, "stopped");
    }
    im->n_tokens = n;
    glim_session_close(&s);
    glim_ids_free(&ids);
    return rc;
}

glim_status glim_window_tokens(const char *path, size_t asked, size_t *n_ctx, glim_err *err) {
    glim_ckpt *c;
    glim_config cfg = {0};
    *n_ctx = asked;
    if (asked) return GLIM_OK;
    glim_status rc = glim_ckpt_open(&c, path, err);
    if (rc != GLIM_OK) return rc;
    rc = glim_config_read(&cfg, c, err);
    glim_ckpt_close(c);
    *n_ctx = cfg.max_ctx < 512 ? cfg.max_ctx : 512;
    return rc;
}

glim_status glim_importance_gather(glim_importance **out, const char *model, const char *text,
                                   const glim_calibrate_params *p, glim_err *err) {
    *out = NULL;
    glim_engine *e = NULL;
    size_t n_ctx;
    glim_status rc = glim_window_tokens(model, p->n_ctx, &n_ctx, err);
    if (rc != GLIM_OK) return rc;
    watcher w = {.im = glim_xcalloc(1, sizeof *w.im), .whole = p->whole};
    glim_engine_params ep = {.n_threads = p->n_threads, .model = {.n_ctx = n_ctx, .n_logits = 32}};
    rc = glim_engine_open(&e, model, &ep, err);
    if (rc == GLIM_OK) {
        w.pool = e->pool;
        w.gemm = glim_gemm_of(e->model->k);
        rc = prepare(&w, e->model, err);
    }
    if (rc == GLIM_OK) {
        glim_ws_tap(e->ws, watch, &w);
        rc = run_text(e, text, p, n_ctx, w.im, err);
    }
    free(w.rows);
    free(w.scratch);
    glim_engine_free(e);
    if (rc != GLIM_OK) {
        glim_importance_free(w.im);
        return rc;
    }
    finish(w.im);
    *out = w.im;
    return GLIM_OK;
}

void glim_importance_free(glim_importance *im) {
    if (!im) return;
    for (size_t i = 0; im->in && i < im->n_inputs; i++) free(im->in[i].pairs);
    free(im->factor);
    free(im->factor_w);
    glim_arena_free(&im->arena);
    free(im);
}

static const moments *moments_of(const glim_importance *im, const char *name, size_t expert, size_t n_in) {
    if (!im) return NULL;
    static const struct {
        const char *start;
        int input;
    } parts[] = {{"attn_q.weight", IN_ATTN},     {"attn_k.weight", IN_ATTN},   {"attn_v.weight", IN_ATTN},
                 {"attn_qkv.weight", IN_ATTN},   {"attn_output.weight", IN_OUT}, {"ffn_gate_exps", IN_LAYER},
                 {"ffn_up_exps", IN_LAYER},      {"ffn_down_exps", IN_LAYER + 1}, {"ffn_gate", IN_FFN},
                 {"ffn_up", IN_FFN},             {"ffn_down", IN_DOWN}};
    const moments *m = NULL;
    if (strcmp(name, "output.weight") == 0 || strcmp(name, "token_embd.weight") == 0) {
        m = &im->in[im->n_inputs - 1];
    } else if (strncmp(name, "blk.", 4) == 0) {
        char *end;
        size_t layer = strtoul(name + 4, &end, 10);
        if (*end != '.' || layer >= im->n_layer) return NULL;
        for (size_t i = 0; i < GLIM_COUNT(parts) && !m; i++) {
            if (strncmp(end + 1, parts[i].start, strlen(parts[i].start)) != 0) continue;
            size_t input = (size_t)parts[i].input;
            if (input >= IN_LAYER) {
                if (expert >= im->n_expert) return NULL;
                input += 2 * expert;
            }
            m = &im->in[layer * per_layer(im) + input];
        }
    }
    return m && m->mean && m->n_rows && m->n_in == n_in ? m : NULL;
}

const float *glim_importance_find(const glim_importance *im, const char *name, size_t expert, size_t n_in) {
    const moments *m = moments_of(im, name, expert, n_in);
    return m ? m->mean : NULL;
}

bool glim_importance_factor(glim_importance *im, glim_pool *pool, const char *name, size_t n_in, const float **factor,
                            const float **w) {
    if (strcmp(name, "token_embd.weight") == 0) return false; /* looked up, or both: not a product alone */
    const moments *m = moments_of(im, name, 0, n_in);
    if (!m || !m->pairs) return false;
    if (im->factor_of != m) {
        im->factor_of = NULL;
        memcpy(im->factor, m->pairs, n_in * n_in * sizeof(float));
        if (!glim_factor(pool, im->factor, im->factor_w, n_in)) return false;
        im->factor_of = m;
    }
    *factor = im->factor;
    *w = im->factor_w;
    return true;
}

uint64_t glim_importance_hash(const glim_importance *im) {
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; im && i < im->n_inputs; i++)
        for (size_t j = 0; im->in[i].mean && j < im->in[i].n_in; j++) {
            uint32_t u;
            memcpy(&u, &im->in[i].mean[j], 4);
            h = (h ^ u) * 0x100000001b3u;
        }
    return im ? h : 0;
}

bool glim_importance_whole(const glim_importance *im) { return im && im->factor; }
size_t glim_importance_n_tokens(const glim_importance *im) { return im ? im->n_tokens : 0; }
