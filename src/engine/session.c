/* session.c - one conversation: what the cache holds, reading a prompt, writing an answer. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "engine/session_internal.h"
#include "engine/show.h"

glim_status glim_session_open(glim_session *s, glim_engine *e, glim_err *err) {
    *s = (glim_session){.e = e};
    glim_status rc = glim_kv_seq_init(&s->seq, &e->kv, e->model->plan.n_ctx, err);
    if (rc == GLIM_OK) rc = glim_sampler_new(&s->sampler, e->model->cfg.n_vocab, glim_tok_n(e->tok), err);
    /* The vocabulary may have holes below its last token: ids with a row in the head and no text. */
    for (size_t id = 0; rc == GLIM_OK && id < glim_tok_n(e->tok); id++) {
        size_t len;
        if (!glim_tok_piece(e->tok, (int32_t)id, &len)) rc = glim_sampler_ban(s->sampler, (int32_t)id, err);
    }
    if (rc != GLIM_OK) glim_session_close(s);
    return rc;
}

void glim_session_close(glim_session *s) {
    if (s->seq.pool) glim_kv_seq_deinit(&s->seq);
    glim_ids_free(&s->ids);
    glim_sampler_free(s->sampler);
    *s = (glim_session){0};
}

void glim_gen_result_free(glim_gen_result *r) {
    glim_buf_free(&r->text);
    glim_ids_free(&r->ids);
    *r = (glim_gen_result){0};
}

typedef enum row_logits { ROWS_NONE, ROWS_LAST, ROWS_ALL } row_logits;

/* Runs ids [n] as one batch at the session's end; logits of no row, the last or all in *logits. */
static glim_status run_rows(glim_session *s, const int32_t *ids, size_t n, row_logits want, glim_row *rows,
                            const float **logits, glim_err *err) {
    glim_status rc = glim_kv_reserve(&s->seq, s->seq.n_pos + n, err);
    for (size_t i = 0; i < n && rc == GLIM_OK; i++) {
        rows[i] = (glim_row){.token = ids[i],
                             .pos = (int32_t)(s->seq.n_pos + i),
                             .logits = want == ROWS_ALL || (want == ROWS_LAST && i + 1 == n)};
        rc = glim_ids_push(&s->ids, ids[i], err);
    }
    glim_kv_seq *seqs[] = {&s->seq};
    if (rc == GLIM_OK) rc = glim_forward(s->e->model, s->e->ws, &(glim_batch){rows, n, seqs, 1}, logits, err);
    s->ids.n = s->seq.n_pos; /* after a failure: what the cache really holds */
    return rc;
}

/* ---- the answer's text ---- */

typedef struct writer {
    const glim_gen_params *p;
    glim_gen_result *out;
    glim_show show;
    bool cancelled;
} writer;

static void show(writer *w, size_t n) {
    if (n == 0) return;
    glim_buf_append(&w->out->text, w->show.pending.s, n);
    if (w->p->on_text && !w->p->on_text(w->p->ctx, w->show.pending.s, n)) w->cancelled = true;
    glim_show_drop(&w->show, n);
}

bool glim_engine_is_stop(const glim_engine *e, int32_t id) {
    for (size_t i = 0; i < e->n_stops; i++)
        if (e->stops[i] == id) return true;
    return false;
}

/* How many leading ids the cache already holds. The last prompt token is always read again: its logits
 * choose the first answer token. */
static size_t cached_prefix(const glim_session *s, const int32_t *prompt, size_t n) {
    size_t k = 0;
    while (k < s->ids.n && k + 1 < n && s->ids.v[k] == prompt[k]) k++;
    return k;
}

static glim_status decode(glim_session *s, const glim_gen_params *p, glim_row *rows, const float *logits,
                          glim_gen_result *out, glim_err *err) {
    glim_engine *e = s->e;
    writer w = {.p = p, .out = out, .show = {.stop = p->stop, .n_stop = p->n_stop}};
    glim_status rc = GLIM_OK;
    size_t n_ctx = e->model->plan.n_ctx;
    int32_t handover = glim_tok_find(e->tok, "<|observation|>"), turn = glim_tok_find(e->tok, "<|assistant|>");
    out->finish = GLIM_FINISH_LENGTH;
    while (rc == GLIM_OK && (p->max_tokens == 0 || out->ids.n < p->max_tokens)) {
        glim_sample_params sample = p->sample;
        if (p->mask && (rc = p->mask(p->ctx, &sample.allowed, err)) != GLIM_OK) break;
        int32_t id = glim_sample(s->sampler, &sample, logits, s->seq.n_pos);
        if (id < 0) {
            rc = glim_fail(err, GLIM_E_FORMAT, "no token can be chosen: every id is banned or its logit is not a "
                           "number");
            break;
        }
        rc = glim_ids_push(&out->ids, id, err);
        if (rc != GLIM_OK) break;
        glim_sampler_saw(s->sampler, id, true);
        if (p->mask && !p->chosen(p->ctx, id)) w.cancelled = true;
        if (!p->ignore_stop_ids && glim_engine_is_stop(e, id)) {
            out->finish = id == handover ? GLIM_FINISH_TOOL_CALLS : GLIM_FINISH_STOP;
            out->stop_id = id;
            break;
        }
        show(&w, glim_show_put(&w.show, e->tok, id, p->raw_special || (p->for_reply && id == turn)));
        if (w.show.stopped || w.cancelled) {
            out->finish = w.show.stopped ? GLIM_FINISH_STOP : GLIM_FINISH_CANCELLED;
            break;
        }
        if (s->seq.n_pos >= n_ctx || (p->max_tokens && out->ids.n >= p->max_tokens)) break;
        rc = run_rows(s, &id, 1, ROWS_LAST, rows, &logits, err);
    }
    show(&w, glim_show_end(&w.show));
    if (rc == GLIM_OK) rc = glim_buf_status(&w.show.pending, "the answer", err);
    if (rc == GLIM_OK) rc = glim_buf_status(&out->text, "the answer", err);
    glim_show_deinit(&w.show);
    return rc;
}

glim_status glim_session_fits(const glim_session *s, size_t n_prompt, glim_err *err) {
    size_t n_ctx = s->e->model->plan.n_ctx;
    if (n_prompt == 0) return glim_fail(err, GLIM_E_ARG, "the prompt is empty: there is nothing to continue");
    if (n_prompt > n_ctx) {
        glim_fail(err, GLIM_E_LIMIT, "the prompt has %zu tokens, the context holds %zu", n_prompt, n_ctx);
        glim_err_hint(err, "use a larger context (--ctx, at most %zu) or shorten the conversation",
                      s->e->model->cfg.max_ctx);
        return GLIM_E_LIMIT;
    }
    return GLIM_OK;
}

glim_status glim_session_read(glim_session *s, const int32_t *ids, size_t n_ids, const glim_gen_params *p, glim_row *rows, const float **logits, bool *go_on, glim_err *err) {
    size_t slice = glim_ws_n_rows(s->e->ws), at = cached_prefix(s, ids, n_ids);
    glim_status rc = GLIM_OK;
    if (p->prefill_slice && p->prefill_slice < slice) slice = p->prefill_slice;
    glim_kv_truncate(&s->seq, at);
    s->ids.n = at;
    while (rc == GLIM_OK && at < n_ids && *go_on) {
        size_t n = n_ids - at < slice ? n_ids - at : slice;
        rc = run_rows(s, ids + at, n, at + n == n_ids ? ROWS_LAST : ROWS_NONE, rows, logits, err);
        at += n;
        if (rc == GLIM_OK && p->on_prefill) *go_on = p->on_prefill(p->ctx, at, n_ids);
    }
    return rc;
}

glim_status glim_session_generate(glim_session *s, const int32_t *prompt, size_t n_prompt, const glim_gen_params *p,
                                  glim_gen_result *out, glim_err *err) {
    glim_engine *e = s->e;
    *out = (glim_gen_result){.stop_id = -1, .n_prompt = n_prompt, .finish = GLIM_FINISH_CANCELLED};
    glim_status rc = glim_session_fits(s, n_prompt, err);
    if (rc != GLIM_OK) return rc;
    double t0 = glim_now_s();
    out->n_cached = cached_prefix(s, prompt, n_prompt);
    glim_sampler_reset(s->sampler);
    for (size_t i = 0; i < n_prompt; i++) glim_sampler_saw(s->sampler, prompt[i], false);
    void *mem;
    rc = glim_try_calloc(&mem, glim_ws_n_rows(e->ws), sizeof(glim_row), "a batch", err);
    if (rc != GLIM_OK) return rc;
    glim_row *rows = mem;
    const float *logits = NULL;
    bool go_on = true;
    rc = glim_session_read(s, prompt, n_prompt, p, rows, &logits, &go_on, err);
    double t1 = glim_now_s();
    out->prefill_s = t1 - t0;
    if (rc == GLIM_OK && go_on) rc = decode(s, p, rows, logits, out, err);
    out->decode_s = glim_now_s() - t1;
    free(rows);
    return rc;
}

glim_status glim_session_score(glim_session *s, const int32_t *ids, size_t n, size_t from,
                               bool (*fn)(void *ctx, size_t pos, const float *logits), void *ctx, glim_err *err) {
    glim_engine *e = s->e;
    size_t n_ctx = e->model->plan.n_ctx, v = e->model->cfg.n_vocab;
    if (n == 0 || n > n_ctx)
        return glim_fail(err, GLIM_E_LIMIT, "got %zu tokens to score, want 1 to %zu (the context)", n, n_ctx);
    size_t wide = glim_ws_n_rows(e->ws), narrow = e->model->plan.n_logits < wide ? e->model->plan.n_logits : wide;
    void *mem;
    glim_status rc = glim_try_calloc(&mem, wide, sizeof(glim_row), "a batch", err);
    if (rc != GLIM_OK) return rc;
    glim_kv_truncate(&s->seq, 0);
    s->ids.n = 0;
    bool go_on = true;
    for (size_t at = 0; at < n && rc == GLIM_OK && go_on;) {
        bool want = at >= from;
        size_t end = want ? n : from < n ? from : n, most = want ? narrow : wide;
        size_t k = end - at < most ? end - at : most;
        const float *logits;
        rc = run_rows(s, ids + at, k, want ? ROWS_ALL : ROWS_NONE, mem, &logits, err);
        for (size_t i = 0; want && i < k && rc == GLIM_OK && go_on; i++) go_on = fn(ctx, at + i, logits + i * v);
        at += k;
    }
    free(mem);
    return rc;
}
