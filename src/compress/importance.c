/* importance.c - see importance.h. The watcher of the forward pass finds a matrix by its address.
 *
 * The moments of all pairs of an input's columns are n_in^2 numbers: 38 GB over the inputs of GLM-4-9B. So the inputs
 * that have them are cut into groups that fit in memory, in the order in which the file will be written. The first
 * group's are summed together with everybody's own moments; another's when one of its factors is asked for, by one
 * more pass over the same tokens with the model opened anew. Each input sees the same rows in the same batches
 * whatever the groups are, so its sums are the same bits. */
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
    size_t group; /* 1 + that of its pairs; 0: it has none */
    float *pairs; /* [n_in, n_in] sums of x_i x_j while its group is in memory, its factor once that was asked for */
    float *w;     /* [n_in] goes with the factor; NULL: still sums */
    bool spoilt;  /* the sums have no factor */
} moments;

struct glim_importance {
    size_t n_layer, n_expert, n_inputs, n_tokens;
    moments *in; /* [n_inputs]: layer after layer, then the head */
    glim_arena arena;
    /* for pairs */
    char *model;
    glim_engine_params params; /* with which it was opened; the type it ran in is asked for again */
    glim_ids ids;
    size_t n_ctx;
    const glim_gemm_set *gemm;
    size_t n_groups, group; /* 1 + the one in memory */
    uint64_t limit, largest; /* bytes that a group may take; that the largest one does */
};

typedef struct known {
    const glim_mat *w;
    moments *to;
} known;

typedef struct watcher {
    glim_importance *im;
    known *known; /* [n] by address */
    size_t n;
    bool only_pairs; /* the own moments are known */
    glim_pool *pool;
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
    glim_gemm_run(s->pool, s->im->gemm, GLIM_GEMM_F32, &g, s->scratch);
}

static void watch(void *ctx, const glim_mat *w, const glim_act *x) {
    watcher *s = ctx;
    const known *k = bsearch(&(known){.w = w}, s->known, s->n, sizeof *s->known, by_address);
    if (!k) return; /* k, v, up: their input was seen with q and gate */
    moments *m = k->to;
    if (!s->only_pairs) m->n_rows += x->n_rows;
    for (size_t r = 0; !s->only_pairs && r < x->n_rows; r++)
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
    if (s->only_pairs) {
        if (m->pairs) s->known[s->n++] = (known){w, m};
        return true;
    }
    m->n_in = w->n_in;
    m->sum = glim_arena_alloc(&s->im->arena, w->n_in * sizeof *m->sum);
    m->mean = glim_arena_alloc(&s->im->arena, w->n_in * sizeof *m->mean);
    s->known[s->n++] = (known){w, m};
    return m->sum && m->mean;
}

/* ---- pairs ---- */

/* The n-th input in the order in which their matrices are written: the head comes before the layers. */
static moments *in_order(const glim_importance *im, size_t n) { return &im->in[n ? n - 1 : im->n_inputs - 1]; }

static bool has_pairs(const glim_importance *im, size_t n) { return in_order(im, n)->sum && (n == 0 || (n - 1) % per_layer(im) < IN_LAYER); }

static double mib(uint64_t n) { return (double)n / (1 << 20); }

static uint64_t pairs_bytes(const moments *m) { return ((uint64_t)m->n_in + 1) * m->n_in * sizeof(float); }

static size_t widest_input(const glim_importance *im) {
    size_t widest = 0;
    for (size_t i = 0; i < im->n_inputs; i++)
        if (im->in[i].group && im->in[i].n_in > widest) widest = im->in[i].n_in;
    return widest;
}

/* What a pass for pairs takes beside them. */
static uint64_t pass_bytes(const glim_importance *im, size_t n_rows, int n_threads) {
    const size_t widest = widest_input(im);
    return (uint64_t)n_rows * widest * sizeof(float) + glim_gemm_bytes(im->gemm, widest, n_rows, n_threads);
}

/* As many inputs into a group as im->limit has room for. A head that is also the embedding is no product alone: none. */
static glim_status cut_groups(glim_importance *im, bool tied, size_t n_rows, int n_threads, glim_err *err) {
    for (size_t n = tied; n < im->n_inputs; n++) in_order(im, n)->group = has_pairs(im, n);
    const uint64_t beside = pass_bytes(im, n_rows, n_threads), room = im->limit > beside ? im->limit - beside : 0;
    const uint64_t widest = widest_input(im), most = (widest + 1) * widest * sizeof(float);
    uint64_t sum = 0;
    if (most > room) {
        glim_fail(err, GLIM_E_NOMEM, "the moments of all pairs of %zu columns take %.1f MiB, and there is room for %.1f MiB",
                  (size_t)widest, mib(most + beside), mib(im->limit));
        glim_err_hint(err, "without --feedback the calibration needs next to nothing");
        return GLIM_E_NOMEM;
    }
    for (size_t n = tied; n < im->n_inputs; n++) {
        moments *m = in_order(im, n);
        if (!m->group) continue;
        const uint64_t bytes = pairs_bytes(m);
        if (im->n_groups == 0 || sum + bytes > room) {
            im->n_groups++;
            sum = 0;
        }
        m->group = im->n_groups;
        sum += bytes;
        if (sum + beside > im->largest) im->largest = sum + beside;
    }
    return GLIM_OK;
}

static void drop_group(glim_importance *im) {
    for (size_t i = 0; im->in && i < im->n_inputs; i++) {
        moments *m = &im->in[i];
        free(m->pairs);
        free(m->w);
        m->pairs = m->w = NULL;
    }
    im->group = 0;
}

/* Everything is there before the pass: a forward pass must not allocate. */
static glim_status prepare_pairs(watcher *s, size_t group, size_t n_rows, glim_err *err) {
    glim_importance *im = s->im;
    uint64_t want = pass_bytes(im, n_rows, glim_pool_size(s->pool)), have = glim_memory_available();
    const size_t widest = widest_input(im);
    drop_group(im);
    for (size_t i = 0; i < im->n_inputs; i++)
        if (im->in[i].group == group) want += pairs_bytes(&im->in[i]);
    if (have && want > have) {
        glim_fail(err, GLIM_E_NOMEM, "the moments of pairs of columns take %.1f MiB in this pass, and %.1f MiB are free", mib(want),
                  mib(have));
        glim_err_hint(err, "--feedback-memory sets a limit that is kept by more passes over the text");
        return GLIM_E_NOMEM;
    }
    for (size_t i = 0; i < im->n_inputs; i++) {
        void *mem;
        if (im->in[i].group != group) continue;
        glim_status rc = glim_try_calloc(&mem, im->in[i].n_in * im->in[i].n_in, sizeof(float), "moments of pairs", err);
        if (rc != GLIM_OK) return rc;
        im->in[i].pairs = mem;
    }
    void *mem;
    glim_status rc = glim_try_calloc(&mem, n_rows * widest, sizeof(float), "rows of activations", err);
    if (rc != GLIM_OK) return rc;
    s->rows = mem;
    return glim_try_calloc(&s->scratch, glim_gemm_bytes(im->gemm, widest, n_rows, glim_pool_size(s->pool)), 1, "scratch of moments", err);
}

/* ---- one pass ---- */

static bool watch_all(watcher *s, const glim_model *m) {
    bool ok = true;
    for (size_t i = 0; i < m->cfg.n_layer && ok; i++) {
        const glim_layer *l = &m->layers[i];
        ok = want(s, &l->wq, i, IN_ATTN) && want(s, &l->wo, i, IN_OUT) && want(s, &l->ffn.gate, i, IN_FFN) &&
             want(s, &l->ffn.down, i, IN_DOWN);
        for (size_t e = 0; l->moe && e < m->cfg.n_expert && ok; e++)
            ok = want(s, &l->experts[e].gate, i, IN_LAYER + 2 * e) &&
                 want(s, &l->experts[e].down, i, IN_LAYER + 2 * e + 1);
    }
    ok = ok && want(s, &m->head, m->cfg.n_layer, 0);
    qsort(s->known, s->n, sizeof *s->known, by_address);
    return ok;
}

/* The first pass: everybody's own moments, and with `whole` the first group of pairs. */
static glim_status prepare(watcher *s, const glim_model *m, bool whole, uint64_t limit, glim_err *err) {
    glim_importance *im = s->im;
    im->n_layer = m->cfg.n_layer;
    im->n_expert = m->cfg.n_expert;
    im->n_inputs = im->n_layer * per_layer(im) + 1;
    im->in = glim_arena_alloc(&im->arena, im->n_inputs * sizeof *im->in);
    s->known = im->in ? glim_arena_alloc(&im->arena, im->n_inputs * sizeof *s->known) : NULL;
    if (!s->known || !watch_all(s, m))
        return glim_fail(err, GLIM_E_NOMEM, "could not allocate the moments of %zu inputs", im->n_inputs);
    if (!whole) return GLIM_OK;
    /* What the model leaves, less an eighth: the file's own pages want some of it. */
    const glim_memory_plan *plan = &m->plan;
    im->limit = limit ? limit : plan->available > plan->total ? (uint64_t)(plan->available - plan->total) / 8 * 7 : 0;
    glim_status rc = cut_groups(im, m->tied, plan->n_rows, glim_pool_size(s->pool), err);
    if (rc == GLIM_OK && im->n_groups) rc = prepare_pairs(s, 1, plan->n_rows, err);
    return rc;
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
    glim_importance_progress *progress;
    void *progress_ctx;
    size_t done, total;
} window;

static bool seen_row(void *ctx, size_t pos, const float *logits) {
    (void)logits;
    window *s = ctx;
    return !s->progress || s->progress(s->progress_ctx, s->done + pos, s->total);
}

static glim_status run_ids(glim_engine *e, const glim_importance *im, glim_importance_progress *progress, void *progress_ctx,
                           glim_err *err) {
    glim_session s = {0};
    const size_t n = im->n_tokens;
    glim_status rc = glim_session_open(&s, e, err);
    window w = {progress, progress_ctx, 0, n};
    for (size_t at = 0; rc == GLIM_OK && at < n; at += im->n_ctx) {
        size_t k = n - at < im->n_ctx ? n - at : im->n_ctx;
        int32_t first = im->ids.v[at];
        if (glim_tok_add_bos(e->tok) && glim_tok_bos(e->tok) >= 0) im->ids.v[at] = glim_tok_bos(e->tok);
        w.done = at;
        /* The head is multiplied with rows that want logits only: half of each window. */
        rc = glim_session_score(&s, im->ids.v + at, k, k / 2, seen_row, &w, err);
        im->ids.v[at] = first;
        if (rc == GLIM_OK && progress && !progress(progress_ctx, at + k, n)) rc = glim_fail(err, GLIM_E_CANCELLED, "stopped");
    }
    glim_session_close(&s);
    return rc;
}

static glim_status read_text(glim_engine *e, glim_importance *im, const char *text, size_t max_tokens, glim_err *err) {
    glim_status rc = glim_engine_text_ids(e, text, &im->ids, err);
    if (rc != GLIM_OK) return rc;
    im->n_tokens = max_tokens && max_tokens < im->ids.n ? max_tokens : im->ids.n;
    if (im->n_tokens < 16)
        return glim_fail(err, GLIM_E_ARG, "\"%s\" has %zu tokens, want at least 16 to calibrate with", text, im->n_tokens);
    return GLIM_OK;
}

/* One more pass, for the pairs of one group alone. */
static glim_status gather_group(glim_importance *im, size_t group, glim_importance_progress *progress, void *progress_ctx,
                                glim_err *err) {
    glim_engine *e = NULL;
    watcher w = {.im = im, .only_pairs = true};
    drop_group(im); /* before the model wants its memory */
    glim_status rc = glim_engine_open(&e, im->model, &im->params, err);
    if (rc == GLIM_OK && e->model->plan.fell_back)
        rc = glim_fail(err, GLIM_E_NOMEM, "the model ran in its own type in the first pass, and no longer fits in it");
    if (rc == GLIM_OK) {
        w.pool = e->pool;
        rc = prepare_pairs(&w, group, e->model->plan.n_rows, err);
    }
    if (rc == GLIM_OK) {
        w.known = calloc(im->n_inputs, sizeof *w.known);
        if (!w.known || !watch_all(&w, e->model)) rc = glim_fail(err, GLIM_E_NOMEM, "could not allocate a list of inputs");
    }
    if (rc == GLIM_OK) {
        glim_ws_tap(e->ws, watch, &w);
        rc = run_ids(e, im, progress, progress_ctx, err);
    }
    free(w.known);
    free(w.rows);
    free(w.scratch);
    glim_engine_free(e);
    if (rc == GLIM_OK) im->group = group;
    else drop_group(im);
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
    glim_importance *im = glim_xcalloc(1, sizeof *im);
    watcher w = {.im = im};
    im->n_ctx = n_ctx;
    im->model = glim_xstrdup(model);
    im->params = (glim_engine_params){.n_threads = p->n_threads, .model = {.n_ctx = n_ctx, .n_logits = 32}};
    rc = glim_engine_open(&e, model, &im->params, err);
    if (rc == GLIM_OK) rc = read_text(e, im, text, p->max_tokens, err);
    if (rc == GLIM_OK) {
        if (e->model->plan.fell_back) im->params.model.type = 1 + GLIM_Q8_0; /* in later passes too */
        w.pool = e->pool;
        im->gemm = glim_gemm_of(e->model->k);
        rc = prepare(&w, e->model, p->whole, p->limit_bytes, err);
    }
    if (rc == GLIM_OK) {
        glim_ws_tap(e->ws, watch, &w);
        rc = run_ids(e, im, p->progress, p->progress_ctx, err);
    }
    free(w.rows);
    free(w.scratch);
    glim_engine_free(e);
    if (rc != GLIM_OK) {
        glim_importance_free(im);
        return rc;
    }
    if (im->n_groups) im->group = 1;
    finish(im);
    *out = im;
    return GLIM_OK;
}

void glim_importance_free(glim_importance *im) {
    if (!im) return;
    drop_group(im);
    glim_ids_free(&im->ids);
    free(im->model);
    glim_arena_free(&im->arena);
    free(im);
}

static moments *moments_of(const glim_importance *im, const char *name, size_t expert, size_t n_in) {
    if (!im) return NULL;
    static const struct {
        const char *start;
        int input;
    } parts[] = {{"attn_q.weight", IN_ATTN},     {"attn_k.weight", IN_ATTN},   {"attn_v.weight", IN_ATTN},
                 {"attn_qkv.weight", IN_ATTN},   {"attn_output.weight", IN_OUT}, {"ffn_gate_exps", IN_LAYER},
                 {"ffn_up_exps", IN_LAYER},      {"ffn_down_exps", IN_LAYER + 1}, {"ffn_gate", IN_FFN},
                 {"ffn_up", IN_FFN},             {"ffn_down", IN_DOWN}};
    moments *m = NULL;
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

/* Those whose factor the tensor takes, or NULL: token_embd is looked up, or both; no product alone. */
static moments *factor_of(const glim_importance *im, const char *name, size_t n_in) {
    moments *m = strcmp(name, "token_embd.weight") == 0 ? NULL : moments_of(im, name, 0, n_in);
    return m && m->group && !m->spoilt ? m : NULL;
}

bool glim_importance_needs_pass(const glim_importance *im, const char *name, size_t n_in, size_t *group) {
    const moments *m = factor_of(im, name, n_in);
    if (!m || m->group == *group) return false;
    *group = m->group;
    return true;
}

glim_status glim_importance_factor(glim_importance *im, glim_pool *pool, const char *name, size_t n_in, const float **factor,
                                   const float **w, glim_importance_progress *progress, void *progress_ctx, glim_err *err) {
    moments *m = factor_of(im, name, n_in);
    *factor = NULL;
    if (!m) return GLIM_OK;
    glim_status rc = m->group == im->group ? GLIM_OK : gather_group(im, m->group, progress, progress_ctx, err);
    if (rc == GLIM_OK && !m->w) {
        void *mem;
        rc = glim_try_calloc(&mem, n_in, sizeof(float), "a factor of moments", err);
        if (rc != GLIM_OK) return rc;
        glim_err none = {0};
        rc = glim_factor(pool, im->gemm, m->pairs, mem, n_in, &none);
        if (rc == GLIM_OK) m->w = mem;
        else free(mem);
        if (rc == GLIM_E_FORMAT) { /* an input that is always 0, say: as without feedback */
            m->spoilt = true;
            return GLIM_OK;
        }
        if (rc != GLIM_OK) {
            drop_group(im); /* what is left of these sums is no use */
            if (err) *err = none;
        }
    }
    if (rc != GLIM_OK) return rc;
    *factor = m->pairs;
    *w = m->w;
    return GLIM_OK;
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

bool glim_importance_whole(const glim_importance *im) { return im && im->n_groups > 0; }
size_t glim_importance_group(const glim_importance *im) { return im ? im->group : 0; }
uint64_t glim_importance_pairs_bytes(const glim_importance *im) { return im ? im->largest : 0; }
size_t glim_importance_n_tokens(const glim_importance *im) { return im ? im->n_tokens : 0; }
