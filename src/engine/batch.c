/* batch.c - one step: who takes part, the pass, what comes of it.
 *
 *   compose  writers first, one row each and guesses where they pay; then prompts, a slice
 *   forward  all rows at once
 *   probs    log softmax of the rows that want it, over the pool
 *   pick     tokens, choice by choice over the pool; guesses are checked here
 *   tell     texts and events, in the engine thread
 *
 * Surprise  a guess is right if the sampler, asked for that position with that row's logits, chooses it: so
 *           temperature, penalties and masks work with guesses as without. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/sched_internal.h"

/* ---- pages ---- */

/* The choice that gives way to c: one whose reader is slow, else the last in order behind c. Never one that
 * is in the batch already. */
static glim_choice *victim(const glim_sched *d, const glim_choice *c) {
    for (size_t i = d->n_running; i-- > 0;) {
        glim_choice *v = d->running[i];
        if (v != c && v->stalled && v->kv.n_pages > 0) return v;
    }
    for (size_t i = d->n_running; i-- > 0;) {
        glim_choice *v = d->running[i];
        if (v != c && v->n_rows == 0 && v->kv.n_pages > 0 && glim_choice_before(c, v)) return v;
    }
    return NULL;
}

static bool alone_with_pages(const glim_sched *d, const glim_choice *c) {
    for (size_t i = 0; i < d->n_running; i++)
        if (d->running[i] != c && d->running[i]->kv.n_pages > 0) return false;
    return true;
}

bool glim_pages_for(glim_sched *d, glim_choice *c, size_t n_pos) {
    for (;;) {
        if (glim_kv_reserve(&c->kv, n_pos, NULL) == GLIM_OK) return true;
        if (d->prefix && glim_prefix_evict(d->prefix, false)) {
            atomic_fetch_add_explicit(&d->c.prefix_evicted, 1, memory_order_relaxed);
            continue;
        }
        glim_choice *v = victim(d, c);
        if (v) {
            glim_choice_park(d, v);
            continue;
        }
        /* Only we are left, and pages are short by the copy of one that the tree shares with us. */
        if (alone_with_pages(d, c) && d->prefix && glim_prefix_evict(d->prefix, true)) continue;
        /* The first in order keeps what it has: a prompt that meets writers which are in this batch already waits, and they ask before it the next time. */
        if (c == d->running[0] && d->n_batch > 0 && !glim_choice_writes(c)) return false;
        glim_choice_park(d, c);
        return false;
    }
}

/* ---- compose ---- */

static void add_rows(glim_sched *d, glim_choice *c, size_t n, const int32_t *draft, size_t n_draft) {
    c->seq = (uint32_t)d->n_batch;
    c->row0 = d->n_rows;
    c->n_rows = n + n_draft;
    c->n_draft = n_draft;
    c->logit0 = d->n_logits;
    size_t pos = c->kv.n_pos;
    for (size_t i = 0; i < n + n_draft; i++) {
        bool logits = glim_choice_needs_logits(c, pos + i);
        d->rows[d->n_rows++] = (glim_row){.token = i < n ? c->ids[pos + i] : draft[i - n],
                                          .pos = (int32_t)(pos + i),
                                          .seq = c->seq,
                                          .logits = logits};
        d->n_logits += logits;
    }
    c->n_logits = d->n_logits - c->logit0;
    d->batch[d->n_batch++] = c;
}

/* Bytes of ring that a step with so many token or prompt events may need: all choices of a request share its
 * ring, and each could put as much in the same step. */
static size_t room_for(const glim_choice *c, size_t n_events) { return n_events * c->s->max_event * c->s->n_open; }

static void compose_writers(glim_sched *d) {
    size_t max_rows = glim_ws_n_rows(d->e->ws), max_logits = d->e->model->plan.n_logits;
    size_t n_writers = 0;
    for (size_t i = 0; i < d->n_running; i++) n_writers += glim_choice_writes(d->running[i]) && !d->running[i]->stalled;
    double tokens = (double)n_writers;
    size_t spare = max_logits < max_rows ? max_logits : max_rows;
    spare = spare > n_writers ? spare - n_writers : 0;
    for (size_t i = 0; i < d->n_running;) {
        glim_choice *c = d->running[i];
        if (!glim_choice_writes(c) || c->stalled) {
            i++;
            continue;
        }
        int32_t draft[GLIM_MAX_DRAFT];
        size_t n_draft = 0, most = d->p.max_draft < 0 ? 0 : (size_t)d->p.max_draft;
        size_t may_write = c->cap_ids - c->n_ids; /* ids that still fit, this step's one included */
        if (most > spare) most = spare;
        if (may_write < most + 1) most = may_write ? may_write - 1 : 0;
        if (most > d->limit_pos - c->n_ids) most = d->limit_pos - c->n_ids;
        if (most > 0) n_draft = glim_guess_next(&c->guess, c->ids, c->n_ids, most, draft);
        if (n_draft > 0 && glim_stream_room(c->s) < room_for(c, n_draft + 1)) n_draft = 0;
        if (!d->p.always_draft) {
            double p = 1;
            size_t k = 0;
            while (k < n_draft && glim_pace_worth(&d->pace, d->n_rows + n_writers, tokens, p * (double)c->guess.right)) {
                p *= (double)c->guess.right;
                tokens += p;
                k++;
            }
            n_draft = k;
        }
        /* Guesses are not worth anybody's pages. */
        if (n_draft > 0 && glim_kv_reserve(&c->kv, c->kv.n_pos + 1 + n_draft, NULL) != GLIM_OK) n_draft = 0;
        if (!glim_pages_for(d, c, c->kv.n_pos + 1)) continue; /* parked: running[i] is another now */
        spare -= n_draft;
        add_rows(d, c, 1, draft, n_draft);
        d->n_write_rows += 1 + n_draft;
        /* Parking others may have moved the list; c is still in it, and those before it are done. */
        i = 0;
        while (d->running[i] != c) i++;
        i++;
    }
}

/* How many rows of c may be read now, at most n. */
static size_t slice_of(const glim_sched *d, glim_choice *c, size_t n) {
    size_t left = c->n_ids - c->kv.n_pos;
    if (n > left) n = left;
    size_t max_logits = d->e->model->plan.n_logits - d->n_logits, want = 0;
    const glim_request *r = &c->s->r;
    if (r->prompt_logprobs || r->task == GLIM_TASK_SCORE) {
        /* An event for each row, one for the first token, and at the prompt's end a token of each choice: with
         * the room that compose asked for, at least one row is read. */
        size_t room = glim_stream_room(c->s) / c->s->max_event;
        for (size_t i = 0; i < n; i++) {
            want += glim_choice_needs_logits(c, c->kv.n_pos + i);
            if (want > max_logits || want + c->s->n_open > room) return i;
        }
        return n;
    }
    /* Only the last row of a prompt wants logits: where there is no place for them it waits. */
    if (n == left && n > 0 && max_logits == 0 && r->task == GLIM_TASK_GENERATE) n--;
    return n;
}

static void read_slice(glim_sched *d, glim_choice *c, size_t n) {
    if (c->n_rows > 0 || c->state != CHOICE_RUNNING) return;
    glim_choice_adopt(d, c);
    if (c->disk_waits) return;
    n = slice_of(d, c, n);
    /* A slice that passes a page's end stops at one: from there the tree may go on. */
    size_t end = c->kv.n_pos + n;
    if (end < c->n_ids && end / GLIM_KV_PAGE * GLIM_KV_PAGE > c->kv.n_pos) n = end / GLIM_KV_PAGE * GLIM_KV_PAGE - c->kv.n_pos;
    if (n == 0 || !glim_pages_for(d, c, c->kv.n_pos + n)) return;
    add_rows(d, c, n, NULL, 0);
    d->n_read_rows += n;
}

static int by_left(const void *a, const void *b) {
    const glim_choice *x = *(glim_choice *const *)a, *y = *(glim_choice *const *)b;
    size_t l = x->n_ids - x->kv.n_pos, r = y->n_ids - y->kv.n_pos;
    if (l != r) return l < r ? -1 : 1;
    return glim_choice_before(x, y) ? -1 : 1;
}

/* The first in order gets half of the slice; the rest goes to the prompts with the least left, so that a
 * short question does not wait behind a long document; what remains goes back to the first. */
static void compose_readers(glim_sched *d) {
    size_t max_rows = glim_ws_n_rows(d->e->ws);
    size_t n = 0;
    for (size_t i = 0; i < d->n_running; i++)
        if (d->running[i]->n_rows == 0 && !d->running[i]->stalled && !glim_choice_writes(d->running[i]))
            d->prompts[n++] = d->running[i];
    if (n == 0) return;
    size_t budget = d->p.slice_rows && d->n_write_rows ? d->p.slice_rows : glim_pace_slice(&d->pace, d->n_write_rows, n, max_rows);
    if (budget > max_rows - d->n_rows) budget = max_rows - d->n_rows;
    if (budget == 0) return;
    glim_choice *first = d->prompts[0];
    size_t end = d->n_rows + budget, others = n > 1 ? budget / 2 : 0;
    qsort(d->prompts, n, sizeof *d->prompts, by_left);
    for (size_t i = 0; i < n && others > 0 && end > d->n_rows; i++) {
        if (d->prompts[i] == first) continue;
        size_t before = d->n_rows;
        read_slice(d, d->prompts[i], others);
        others -= d->n_rows - before;
    }
    if (end > d->n_rows) read_slice(d, first, end - d->n_rows);
    for (size_t i = 0; i < n && end > d->n_rows; i++) read_slice(d, d->prompts[i], end - d->n_rows);
}

/* Sequences of one adapter stand together, so that their rows are multiplied together. */
static int by_adapter(const void *a, const void *b) {
    const glim_choice *x = *(glim_choice *const *)a, *y = *(glim_choice *const *)b;
    uintptr_t l = (uintptr_t)x->s->adapter, r = (uintptr_t)y->s->adapter;
    if (l != r) return l < r ? -1 : 1;
    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

/* Row, logits and sequence numbers anew, in the order of d->batch. d->rows is rebuilt through a copy of the
 * tokens that each choice keeps. */
static void order_by_adapter(glim_sched *d) {
    bool any = false;
    for (size_t i = 0; i < d->n_batch; i++) any = any || d->batch[i]->s->adapter;
    if (!any) return;
    memcpy(d->rows_before, d->rows, d->n_rows * sizeof *d->rows);
    qsort(d->batch, d->n_batch, sizeof *d->batch, by_adapter);
    size_t row = 0, logit = 0;
    for (size_t i = 0; i < d->n_batch; i++) {
        glim_choice *c = d->batch[i];
        for (size_t k = 0; k < c->n_rows; k++) {
            d->rows[row + k] = d->rows_before[c->row0 + k];
            d->rows[row + k].seq = (uint32_t)i;
        }
        c->row0 = row, row += c->n_rows;
        c->logit0 = logit, logit += c->n_logits;
        c->seq = (uint32_t)i;
    }
}

void glim_batch_compose(glim_sched *d) {
    d->n_batch = d->n_rows = d->n_logits = d->n_write_rows = d->n_read_rows = 0;
    size_t stalled = 0;
    for (size_t i = 0; i < d->n_running; i++) {
        glim_choice *c = d->running[i];
        c->n_rows = c->n_draft = c->n_logits = c->n_picked = 0;
        c->stalled = !glim_stream_has_room(c->s, room_for(c, 2));
        stalled += c->stalled;
    }
    atomic_store_explicit(&d->c.stalled, stalled, memory_order_relaxed);
    compose_writers(d);
    compose_readers(d);
    order_by_adapter(d);
}

/* ---- run ---- */

static void probs_of_rows(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    glim_sched *d = ctx;
    size_t v = d->e->model->cfg.n_vocab, real = glim_tok_n(d->e->tok);
    for (size_t i = begin; i < end; i++) {
        glim_row_probs *p = &d->probs[i];
        if (!p->wanted) continue;
        /* Padding rows of the head have logits and no token: they are no alternatives. */
        p->n_best = glim_log_softmax(d->logits + i * v, real < v ? real : v, &p->top, &p->log_sum, p->best, p->n_best);
    }
}

static float log_prob_of(const glim_sched *d, size_t logit, int32_t id) {
    const glim_row_probs *p = &d->probs[logit];
    double z = d->logits[logit * d->e->model->cfg.n_vocab + (size_t)id];
    return (float)(z - (double)p->top - p->log_sum);
}

/* Chooses the tokens of one choice: its row, then the guesses' rows as long as they are right. */
static void pick(glim_sched *d, glim_choice *c, glim_sampler *sampler) {
    const glim_request *r = &c->s->r;
    size_t v = d->e->model->cfg.n_vocab, first = c->n_logits - c->n_draft - 1;
    for (size_t j = 0; j <= c->n_draft; j++) {
        glim_sample_params p = r->sample;
        p.choice = r->sample.choice + c->index;
        p.allowed = NULL;
        if (c->mask_ctx) p.allowed = r->mask.mask(c->mask_ctx, c->pick_err);
        glim_alloc_guard_begin("sampling"); /* around the sampler only: building a mask may allocate */
        int32_t id = glim_sample_after(sampler, &c->seen, &p, d->logits + (c->logit0 + first + j) * v, c->n_ids + j);
        glim_alloc_guard_end();
        if (id < 0) {
            c->pick_failed = true;
            return;
        }
        c->picked[c->n_picked++] = id;
        glim_seen_add(&c->seen, id, true);
        if (c->mask_ctx && !r->mask.accept(c->mask_ctx, id)) {
            c->mask_ended = true;
            return;
        }
        /* The guess at this place was the next row's token. */
        if (j < c->n_draft && d->rows[c->row0 + c->n_rows - c->n_draft + j].token != id) return;
    }
}

static bool picks(const glim_choice *c) {
    /* Its last rows reach the end of its ids (guesses go beyond). */
    return c->s->r.task == GLIM_TASK_GENERATE && c->n_rows > 0 && c->kv.n_pos >= c->n_ids;
}

static void pick_some(void *ctx, size_t begin, size_t end, int worker) {
    glim_sched *d = ctx;
    for (size_t i = begin; i < end; i++)
        if (picks(d->batch[i])) pick(d, d->batch[i], d->samplers[worker]);
}

static bool is_stop(const glim_engine *e, int32_t id) {
    for (size_t i = 0; i < e->n_stops; i++)
        if (e->stops[i] == id) return true;
    return false;
}

/* Tokens that were picked become ids, text and events, until something ends the choice. Returns how many
 * of them were taken. */
static size_t tell_tokens(glim_sched *d, glim_choice *c, size_t first_logit) {
    glim_stream *s = c->s;
    const glim_request *r = &s->r;
    size_t n = 0;
    for (; n < c->n_picked; n++) {
        int32_t id = c->picked[n];
        c->ids[c->n_ids++] = id;
        c->n_gen++;
        s->usage.n_completion++;
        const glim_row_probs *p = r->logprobs ? &d->probs[first_logit + n] : NULL;
        float lp = p ? log_prob_of(d, first_logit + n, id) : 0;
        if (!r->ignore_stop_ids && is_stop(d->e, id)) {
            c->stop_id = id;
            glim_stream_put_token(d, c, id, p, lp, NULL, 0);
            glim_choice_finish(d, c, id == d->handover ? GLIM_FINISH_TOOL_CALLS : GLIM_FINISH_STOP, NULL);
            return n + 1;
        }
        size_t n_text = glim_show_put(&c->show, d->e->tok, id, r->raw_special || (r->for_reply && id == d->turn));
        glim_stream_put_token(d, c, id, p, lp, c->show.pending.s, n_text);
        glim_show_drop(&c->show, n_text);
        bool last_pick = n + 1 == c->n_picked;
        if (c->show.stopped || (c->mask_ended && last_pick)) {
            glim_choice_finish(d, c, GLIM_FINISH_STOP, NULL);
            return n + 1;
        }
        if (c->n_ids >= c->cap_ids) {
            glim_choice_finish(d, c, GLIM_FINISH_LENGTH, NULL);
            return n + 1;
        }
    }
    if (c->pick_failed)
        glim_choice_finish(d, c, GLIM_FINISH_ERROR,
                           c->pick_err && c->pick_err->code ? c->pick_err->msg
                                                            : "no token can be chosen: every id is forbidden or its logit is not a number");
    return n;
}

static void tell_prompt(glim_sched *d, glim_choice *c) {
    if (c->n_scored == 0) {
        glim_stream_put_prompt(d, c, 0, NULL, NAN);
        c->n_scored = 1;
    }
    size_t logit = c->logit0;
    for (size_t i = 0; i < c->n_rows; i++) {
        const glim_row *row = &d->rows[c->row0 + i];
        if (!row->logits) continue;
        size_t next = (size_t)row->pos + 1;
        if (next < c->s->n_prompt && next == c->n_scored) {
            const glim_row_probs *p = &d->probs[logit];
            glim_stream_put_prompt(d, c, next, p, log_prob_of(d, logit, c->ids[next]));
            c->n_scored++;
        }
        logit++;
    }
}

/* Adds the rows' final hidden states, in the order of positions. */
static void pool_rows(glim_sched *d, glim_choice *c) {
    const glim_model *m = d->e->model;
    size_t n = m->cfg.n_embd;
    float *h = d->hidden;
    const float *res = glim_ws_residual(d->e->ws);
    bool last_only = c->s->r.pooling == GLIM_POOLING_LAST;
    for (size_t i = 0; i < c->n_rows; i++) {
        const glim_row *row = &d->rows[c->row0 + i];
        if (last_only && (size_t)row->pos + 1 != c->n_ids) continue;
        m->k->rmsnorm(h, res + (c->row0 + i) * n, m->out_norm, n, m->cfg.eps);
        for (size_t j = 0; j < n; j++) c->pooled[j] += (double)h[j];
        c->n_pooled++;
    }
}

static void tell_embedding(glim_sched *d, glim_choice *c) {
    size_t n = d->e->model->cfg.n_embd;
    double sum = 0;
    for (size_t j = 0; j < n; j++) {
        c->pooled[j] /= (double)c->n_pooled;
        sum += c->pooled[j] * c->pooled[j];
    }
    double scale = c->s->r.no_normalize || !(sum > 0) ? 1 : 1 / sqrt(sum);
    for (size_t j = 0; j < n; j++) d->hidden[j] = (float)(c->pooled[j] * scale);
    glim_stream_put_embedding(d, c, d->hidden, n);
}

/* What became of one choice in this pass. */
static void tell(glim_sched *d, glim_choice *c) {
    glim_stream *s = c->s;
    const glim_request *r = &s->r;
    if (c->state != CHOICE_RUNNING) return; /* its request failed while another choice was told */
    bool scores = r->prompt_logprobs || r->task == GLIM_TASK_SCORE;
    if (scores && c->n_scored < s->n_prompt) tell_prompt(d, c);
    if (r->task == GLIM_TASK_EMBED) pool_rows(d, c);
    if (r->task != GLIM_TASK_GENERATE) {
        glim_choice_keep(d, c);
        if (c->kv.n_pos < c->n_ids) return;
        s->usage.prefill_s = glim_sched_now(d) - s->t_start;
        s->t_first = glim_sched_now(d);
        if (r->task == GLIM_TASK_EMBED) tell_embedding(d, c);
        glim_choice_finish(d, c, GLIM_FINISH_STOP, NULL);
        return;
    }
    if (!c->n_picked && !c->pick_failed) { /* still reading */
        glim_choice_keep(d, c);
        return;
    }
    if (s->t_first == 0) {
        s->t_first = glim_sched_now(d);
        s->usage.prefill_s = s->t_first - s->t_start;
    }
    size_t n_ids = c->n_ids, n_draft = c->n_draft;
    size_t n_ok = c->n_picked ? c->n_picked - 1 : 0; /* guesses that were right */
    /* What the pages hold beyond the ids taken is guesses that were wrong (or come after the end). */
    glim_kv_truncate(&c->kv, n_ids + n_ok);
    size_t first_logit = c->logit0 + c->n_logits - n_draft - 1;
    bool writes = c->n_gen > 0;
    size_t taken = tell_tokens(d, c, first_logit);
    if (n_draft > 0) {
        size_t ok = taken > 0 && taken - 1 < n_ok ? taken - 1 : n_ok;
        s->usage.n_draft += n_draft;
        s->usage.n_draft_ok += ok;
        atomic_fetch_add_explicit(&d->c.draft_tokens, n_draft, memory_order_relaxed);
        atomic_fetch_add_explicit(&d->c.draft_ok_tokens, ok, memory_order_relaxed);
    }
    if (writes) glim_guess_learn(&c->guess, n_draft, n_ok);
    if (c->state == CHOICE_RUNNING) glim_choice_keep(d, c);
}

/* When the first choice's prompt is read, its row of logits serves all choices: they are made now, share its
 * pages, choose from that row too, and are told after it. */
static bool fork_due(const glim_choice *c) {
    return c->s->r.n > 1 && c->index == 0 && c->n_gen == 0 && c->state == CHOICE_RUNNING && picks(c);
}

static void pick_forks(glim_sched *d, glim_choice *first) {
    glim_stream *s = first->s;
    for (uint32_t i = 1; i < s->r.n; i++) {
        glim_choice *c = s->choices[i];
        c->logit0 = first->logit0;
        c->n_logits = first->n_logits;
        c->row0 = first->row0;
        c->n_rows = first->n_rows;
        pick(d, c, d->samplers[0]);
    }
}

static void tell_fork(glim_sched *d, glim_choice *c) {
    if (c->state == CHOICE_DONE) return;
    tell_tokens(d, c, c->logit0 + c->n_logits - 1);
    if (c->state == CHOICE_RUNNING) glim_choice_keep(d, c);
    c->n_rows = c->n_picked = 0;
}

void glim_batch_run(glim_sched *d) {
    glim_engine *e = d->e;
    double t0 = glim_sched_now(d);
    bool adapters = false;
    for (size_t i = 0; i < d->n_batch; i++) {
        glim_choice *c = d->batch[i];
        d->seqs[i] = &c->kv;
        d->seq_adapters[i] = c->s->adapter ? c->s->adapter->a : NULL;
        adapters = adapters || d->seq_adapters[i];
        for (size_t k = 0; k < c->n_logits; k++) {
            d->probs[c->logit0 + k].wanted = c->s->r.logprobs || c->s->r.prompt_logprobs || c->s->r.task == GLIM_TASK_SCORE;
            d->probs[c->logit0 + k].n_best = c->s->r.top_logprobs;
        }
    }
    glim_batch b = {.rows = d->rows, .n_rows = d->n_rows, .seqs = d->seqs, .n_seqs = d->n_batch};
    glim_ws_adapters(e->ws, adapters ? d->seq_adapters : NULL, d->lora);
    /* Whatever ends below, streams of the batch stay until all are told, though their readers have left. */
    size_t n = d->n_batch;
    for (size_t i = 0; i < n; i++) atomic_fetch_add(&d->batch[i]->s->refs, 1);
    glim_err err;
    glim_status rc = glim_forward(e->model, e->ws, &b, &d->logits, &err);
    if (rc != GLIM_OK) { /* a bug of ours, not of the input: these requests end, the engine goes on */
        for (size_t i = 0; i < n; i++) glim_stream_fail(d, d->batch[i]->s, rc, err.msg);
        for (size_t i = 0; i < n; i++) glim_stream_unref(d->batch[i]->s);
        return;
    }
    atomic_fetch_add_explicit(&d->c.steps, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&d->c.rows, d->n_rows, memory_order_relaxed);
    /* Forks come before the first token: they copy masks in which nothing was accepted. */
    for (size_t i = 0; i < d->n_batch; i++) {
        glim_choice *c = d->batch[i];
        c->forks = fork_due(c) && glim_choice_fork(d, c) == GLIM_OK;
    }
    glim_pool_for(e->pool, d->n_logits, 1, probs_of_rows, d);
    glim_pool_for(e->pool, d->n_batch, 1, pick_some, d);

    for (size_t i = 0; i < n; i++) {
        glim_choice *c = d->batch[i];
        if (c->state != CHOICE_RUNNING) continue;
        if (c->forks) pick_forks(d, c);
        tell(d, c);
        for (uint32_t k = 1; c->forks && k < c->s->r.n; k++) tell_fork(d, c->s->choices[k]);
    }
    for (size_t i = 0; i < n; i++) {
        d->batch[i]->n_rows = 0;
        glim_stream *s = d->batch[i]->s;
        glim_stream_unref(s);
    }
    glim_pace_saw(&d->pace, d->n_write_rows, d->n_read_rows, glim_sched_now(d) - t0);
}
