/* quality.c - see quality.h. One window at a time: the source's logits are kept, the result's compared. */
#include "compress/quality.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "compress/importance.h"

typedef struct compare {
    const glim_quality_params *p;
    const int32_t *ids; /* the window */
    size_t n, first, n_vocab;
    float *kept;        /* [n - 1 - first, n_vocab] the source's logits */
    double *kl;         /* [all scored] */
    size_t n_kl, n_same;
    double nll_source, nll_result;
    bool result;        /* whose turn it is */
    bool stopped;
    size_t done, total;
} compare;

static double log_sum(const float *z, size_t n, size_t *best) {
    size_t b = 0;
    for (size_t i = 1; i < n; i++)
        if (z[i] > z[b]) b = i;
    double sum = 0, top = (double)z[b];
    for (size_t i = 0; i < n; i++) sum += exp((double)z[i] - top);
    *best = b;
    return top + log(sum);
}

static bool row(void *ctx, size_t pos, const float *logits) {
    compare *c = ctx;
    if (pos + 1 >= c->n) return true;
    float *kept = c->kept + (pos - c->first) * c->n_vocab;
    if (!c->result) {
        memcpy(kept, logits, c->n_vocab * sizeof *kept);
    } else {
        size_t best_p, best_q;
        double lp = log_sum(kept, c->n_vocab, &best_p), lq = log_sum(logits, c->n_vocab, &best_q), kl = 0;
        for (size_t i = 0; i < c->n_vocab; i++) {
            double p = (double)kept[i] - lp, q = (double)logits[i] - lq;
            kl += exp(p) * (p - q);
        }
        size_t t = (size_t)c->ids[pos + 1];
        c->kl[c->n_kl++] = kl > 0 ? kl : 0; /* below 0 only by rounding */
        c->n_same += best_p == best_q;
        c->nll_source += lp - (double)kept[t];
        c->nll_result += lq - (double)logits[t];
    }
    c->stopped = c->p->progress && !c->p->progress(c->p->progress_ctx, c->done + (c->result ? pos : pos / 2), c->total);
    return !c->stopped;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void sum_up(glim_quality *out, compare *c) {
    double n = (double)c->n_kl, sum = 0, sum2 = 0;
    for (size_t i = 0; i < c->n_kl; i++) {
        sum += c->kl[i];
        sum2 += c->kl[i] * c->kl[i];
    }
    qsort(c->kl, c->n_kl, sizeof *c->kl, by_value);
    out->n_scored = c->n_kl;
    out->ppl_source = exp(c->nll_source / n);
    out->ppl_result = exp(c->nll_result / n);
    out->kl_mean = sum / n;
    double var = sum2 / n - out->kl_mean * out->kl_mean;
    out->kl_error = c->n_kl > 1 && var > 0 ? sqrt(var / (n - 1)) : 0;
    out->kl_median = c->kl[c->n_kl / 2];
    out->kl_99 = c->kl[(size_t)((n - 1) * 0.99)];
    out->kl_max = c->kl[c->n_kl - 1];
    out->top1 = (double)c->n_same / n;
}

static glim_status compare_all(glim_quality *out, glim_engine *a, glim_engine *b, glim_ids *ids, const char *text,
                               const glim_quality_params *p, size_t n_ctx, glim_err *err) {
    size_t n = p->max_tokens && p->max_tokens < ids->n ? p->max_tokens : ids->n, n_windows = n / n_ctx;
    compare c = {.p = p, .n = n_ctx, .first = n_ctx / 2, .n_vocab = a->model->cfg.n_vocab, .total = n_windows * n_ctx};
    if (c.n_vocab != b->model->cfg.n_vocab)
        return glim_fail(err, GLIM_E_SHAPE, "the vocabularies have %zu and %zu rows", c.n_vocab, b->model->cfg.n_vocab);
    if (n_windows == 0) {
        glim_fail(err, GLIM_E_ARG, "\"%s\" has %zu tokens, want at least %zu (one window)", text, n, n_ctx);
        glim_err_hint(err, "a longer text, or a smaller --report-ctx");
        return GLIM_E_ARG;
    }
    size_t per = n_ctx - 1 - c.first, n_kept;
    void *kept = NULL, *kl = NULL;
    glim_session sa = {0}, sb = {0};
    if (!glim_mul_size(per, c.n_vocab, &n_kept)) n_kept = SIZE_MAX / 8;
    glim_status rc = glim_try_calloc(&kept, n_kept, sizeof(float), "a window of logits", err);
    if (rc == GLIM_OK) rc = glim_try_calloc(&kl, per * n_windows + 1, sizeof(double), "divergences", err);
    if (rc == GLIM_OK) rc = glim_session_open(&sa, a, err);
    if (rc == GLIM_OK) rc = glim_session_open(&sb, b, err);
    c.kept = kept;
    c.kl = kl;
    for (size_t w = 0; w < n_windows && rc == GLIM_OK; w++) {
        int32_t *ids_w = ids->v + w * n_ctx;
        if (glim_tok_add_bos(a->tok) && glim_tok_bos(a->tok) >= 0) ids_w[0] = glim_tok_bos(a->tok);
        c.ids = ids_w;
        c.done = w * n_ctx;
        c.result = false;
        rc = glim_session_score(&sa, ids_w, n_ctx, c.first, row, &c, err);
        c.result = true;
        if (rc == GLIM_OK && !c.stopped) rc = glim_session_score(&sb, ids_w, n_ctx, c.first, row, &c, err);
        if (rc == GLIM_OK && c.stopped) rc = glim_fail(err, GLIM_E_CANCELLED, "stopped");
    }
    if (rc == GLIM_OK) {
        out->n_windows = n_windows;
        out->n_ctx = n_ctx;
        sum_up(out, &c);
    }
    glim_session_close(&sa);
    glim_session_close(&sb);
    free(kept);
    free(kl);
    return rc;
}

glim_status glim_quality_compare(glim_quality *out, const char *source, const char *result, const char *text,
                                 const glim_quality_params *p, glim_err *err) {
    *out = (glim_quality){0};
    size_t n_ctx;
    glim_status rc = glim_window_tokens(source, p->n_ctx, &n_ctx, err);
    if (rc != GLIM_OK) return rc;
    if (n_ctx < 4) return glim_fail(err, GLIM_E_ARG, "got windows of %zu tokens, want at least 4", n_ctx);
    glim_engine_params ep = {.n_threads = p->n_threads,
                             .model = {.n_ctx = n_ctx, .n_logits = 32, .kv_type = 1 + GLIM_F32}};
    glim_engine *a = NULL, *b = NULL;
    glim_ids ids = {0}, other = {0};
    rc = glim_engine_open(&a, source, &ep, err);
    if (rc == GLIM_OK) rc = glim_engine_open(&b, result, &ep, err);
    if (rc == GLIM_OK) {
        out->source_int8 = a->model->plan.fell_back;
        out->result_int8 = b->model->plan.fell_back;
        rc = glim_engine_text_ids(a, text, &ids, err);
    }
    if (rc == GLIM_OK) rc = glim_engine_text_ids(b, text, &other, err);
    if (rc == GLIM_OK) {
        out->same_tokens = ids.n == other.n && (ids.n == 0 || memcmp(ids.v, other.v, ids.n * sizeof *ids.v) == 0);
        rc = compare_all(out, a, b, &ids, text, p, n_ctx, err);
    }
    glim_ids_free(&ids);
    glim_ids_free(&other);
    glim_engine_free(a);
    glim_engine_free(b);
    return rc;
}
