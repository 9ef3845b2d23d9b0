/* sched.c - the scheduler: the queue in, who may run, the loop.
 *
 * Owns       the waiting requests, the choices that run or are parked, the prefix tree.
 * Leaves     rings to stream.c, a choice's life to choice.c, the pass to batch.c, arithmetic to model/.
 * Invariants 1. Requests start in the order of rank = time of submission - priority * level_s, which never
 *               changes: a low priority waits longer, never for ever.
 *            2. The best of all choices is never parked for another: somebody always gets on.
 *            3. A pass and sampling take no lock; the engine thread sleeps only when nothing can be done. */
#include <limits.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "engine/sched_internal.h"

double glim_sched_now(const glim_sched *s) { return s->p.now ? s->p.now(s->p.now_ctx) : glim_now_s(); }

/* ---- open ---- */

static glim_status scratch_new(glim_sched *d, glim_err *err) {
    const glim_model *m = d->e->model;
    size_t n_rows = glim_ws_n_rows(d->e->ws), n = d->p.max_running;
    struct {
        void *at;
        size_t n, size;
    } parts[] = {
        {&d->running, n, sizeof *d->running},
        {&d->rows, n_rows, sizeof *d->rows},
        {&d->rows_before, n_rows, sizeof *d->rows},
        {&d->hidden, m->cfg.n_embd, sizeof *d->hidden},
        {&d->seqs, n, sizeof *d->seqs},
        {&d->seq_adapters, n, sizeof *d->seq_adapters},
        {&d->batch, n, sizeof *d->batch},
        {&d->prompts, n, sizeof *d->prompts},
        {&d->probs, m->plan.n_logits, sizeof *d->probs},
        {&d->samplers, (size_t)glim_pool_size(d->e->pool), sizeof *d->samplers},
    };
    for (size_t i = 0; i < GLIM_COUNT(parts); i++) {
        void *p;
        glim_status rc = glim_try_calloc(&p, parts[i].n, parts[i].size, "the scheduler", err);
        if (rc != GLIM_OK) return rc;
        memcpy(parts[i].at, &p, sizeof p);
    }
    for (; d->n_samplers < glim_pool_size(d->e->pool); d->n_samplers++) {
        glim_sampler **s = &d->samplers[d->n_samplers];
        glim_status rc = glim_sampler_new(s, m->cfg.n_vocab, glim_tok_n(d->e->tok), err);
        /* The vocabulary may have holes below its last token: ids with a row in the head and no text. */
        for (size_t id = 0; rc == GLIM_OK && id < glim_tok_n(d->e->tok); id++) {
            size_t len = 0, text = 0;
            const char *piece = glim_tok_piece(d->e->tok, (int32_t)id, &len);
            if (!piece) rc = glim_sampler_ban(*s, (int32_t)id, err);
            for (size_t i = 0; piece && i < len; i++) text += (uint8_t)piece[i] < 0x80 ? 1 : 3;
            if (text > d->max_text) d->max_text = text;
        }
        if (rc != GLIM_OK) return rc;
    }
    return glim_adapter_scratch_new(&d->lora, m, err);
}

glim_status glim_sched_open(glim_sched **out, glim_engine *e, const glim_sched_params *p, glim_err *err) {
    *out = NULL;
    glim_sched *d = glim_xcalloc(1, sizeof *d);
    d->e = e;
    d->p = *p;
    const glim_memory_plan *plan = &e->model->plan;
    size_t most = plan->n_logits < glim_ws_n_rows(e->ws) ? plan->n_logits : glim_ws_n_rows(e->ws);
    if (d->p.max_running == 0 || d->p.max_running > most) d->p.max_running = most;
    if (d->p.max_waiting == 0) d->p.max_waiting = 256;
    if (d->p.level_s <= 0) d->p.level_s = 10;
    if (d->p.max_draft == 0) d->p.max_draft = 8;
    if (d->p.max_draft > GLIM_MAX_DRAFT) d->p.max_draft = GLIM_MAX_DRAFT;
    d->limit_pos = e->kv.n_pages * GLIM_KV_PAGE < plan->n_ctx ? e->kv.n_pages * GLIM_KV_PAGE : plan->n_ctx;
    d->handover = glim_tok_find(e->tok, "<|observation|>");
    d->turn = glim_tok_find(e->tok, "<|assistant|>");
    d->bell = glim_xcalloc(1, sizeof *d->bell);
    d->bell->refs = 1;
    d->next_id = 1;
    pthread_mutex_init(&d->adapters_lock, NULL);
    glim_status rc = scratch_new(d, err);
    if (rc == GLIM_OK && !d->p.no_prefix) {
        size_t pages = d->p.prefix_bytes ? d->p.prefix_bytes / e->kv.page_bytes : e->kv.n_pages;
        rc = glim_prefix_new(&d->prefix, &e->kv, pages, err);
    }
    if (rc == GLIM_OK && d->prefix && p->snapshot_dir)
        rc = glim_snapshot_open(&d->snapshot, p->snapshot_dir, p->snapshot_bytes, e->model, &e->kv, err);
    if (rc != GLIM_OK) {
        glim_sched_close(d);
        return rc;
    }
    *out = d;
    return GLIM_OK;
}

/* ---- submit ---- */

void glim_stream_unref(glim_stream *s) {
    if (atomic_fetch_sub(&s->refs, 1) != 1) return;
    for (uint32_t i = 0; s->choices && i < s->r.n; i++) glim_choice_free(s->choices[i]);
    free(s->choices);
    for (size_t i = 0; s->r.stop && i < s->r.n_stop; i++) free((void *)s->r.stop[i]);
    free((void *)s->r.stop);
    free((void *)s->r.sample.bias);
    free(s->tenant);
    free(s->ring);
    glim_hot_adapter_unref(s->adapter);
    glim_bell_unref(s->bell);
    glim_outbox_unref(s->box);
    free(s);
}

static glim_status check_request(const glim_sched *d, const glim_request *r, glim_err *err) {
    size_t n_vocab = d->e->model->cfg.n_vocab;
    if (r->n_prompt == 0 || !r->prompt)
        return glim_fail(err, GLIM_E_ARG, "the prompt is empty: there is nothing to continue");
    if (r->n_prompt > d->limit_pos) {
        glim_fail(err, GLIM_E_LIMIT, "the prompt has %zu tokens, the context holds %zu", r->n_prompt, d->limit_pos);
        glim_err_hint(err, "shorten the conversation, or serve the model with a larger context (--ctx, at most %zu)",
                      d->e->model->cfg.max_ctx);
        return GLIM_E_LIMIT;
    }
    for (size_t i = 0; i < r->n_prompt; i++)
        if (r->prompt[i] < 0 || (size_t)r->prompt[i] >= n_vocab)
            return glim_fail(err, GLIM_E_ARG, "token %zu of the prompt is %d, want 0 to %zu", i, r->prompt[i], n_vocab - 1);
    if (r->n > GLIM_MAX_CHOICES)
        return glim_fail(err, GLIM_E_ARG, "got n = %u, want 1 to %d", r->n, GLIM_MAX_CHOICES);
    if (r->n > 1 && r->task != GLIM_TASK_GENERATE)
        return glim_fail(err, GLIM_E_ARG, "got n = %u for a task that generates nothing, want 1", r->n);
    if (r->n > 1 && r->mask.mask && !r->mask.fork)
        return glim_fail(err, GLIM_E_ARG, "got n = %u with a mask that cannot be copied, want 1", r->n);
    if (r->mask.mask && !r->mask.accept)
        return glim_fail(err, GLIM_E_ARG, "a mask wants both mask and accept");
    if (r->top_logprobs > GLIM_MAX_TOP || (r->top_logprobs && !r->logprobs && !r->prompt_logprobs && r->task != GLIM_TASK_SCORE))
        return glim_fail(err, GLIM_E_ARG, "got top_logprobs = %u, want 0 to %d, and logprobs with it", r->top_logprobs,
                         GLIM_MAX_TOP);
    if (r->n_stop > GLIM_MAX_STOPS)
        return glim_fail(err, GLIM_E_ARG, "got %zu stop strings, want at most %d", r->n_stop, GLIM_MAX_STOPS);
    for (size_t i = 0; i < r->n_stop; i++) {
        size_t n = strlen(r->stop[i]);
        if (n == 0 || n > GLIM_MAX_STOP_BYTES)
            return glim_fail(err, GLIM_E_ARG, "stop string %zu has %zu bytes, want 1 to %d", i, n, GLIM_MAX_STOP_BYTES);
    }
    if (r->priority < -10 || r->priority > 10)
        return glim_fail(err, GLIM_E_ARG, "got priority %d, want -10 to 10", r->priority);
    return GLIM_OK;
}

static glim_status copy_request(glim_sched *d, glim_stream *s, const glim_request *r, glim_err *err) {
    void *p;
    glim_status rc = GLIM_OK;
    s->r = *r;
    s->r.prompt = NULL;
    s->r.stop = NULL;
    s->r.sample.bias = NULL;
    s->r.sample.allowed = NULL;
    if (s->r.n == 0) s->r.n = 1;
    if (r->task == GLIM_TASK_SCORE) s->r.prompt_logprobs = true;
    if (r->task == GLIM_TASK_EMBED) s->r.prompt_logprobs = s->r.logprobs = false, s->r.top_logprobs = 0;
    s->n_prompt = r->n_prompt;
    s->n_open = s->r.n;
    s->usage.n_prompt = r->n_prompt;
    s->user = r->user;
    s->box = r->outbox;
    if (s->box) atomic_fetch_add(&s->box->refs, 1);
    s->tenant = glim_xstrdup(r->tenant ? r->tenant : "");
    size_t longest = 0;
    if (r->n_stop) {
        rc = glim_try_calloc(&p, r->n_stop, sizeof *r->stop, "stop strings", err);
        if (rc != GLIM_OK) return rc;
        char **stops = p;
        s->r.stop = (const char *const *)stops;
        for (size_t i = 0; i < r->n_stop; i++) {
            stops[i] = glim_xstrdup(r->stop[i]);
            if (strlen(stops[i]) > longest) longest = strlen(stops[i]);
        }
    }
    if (r->sample.n_bias) {
        rc = glim_try_calloc(&p, r->sample.n_bias, sizeof *r->sample.bias, "logit biases", err);
        if (rc != GLIM_OK) return rc;
        memcpy(p, r->sample.bias, r->sample.n_bias * sizeof *r->sample.bias);
        s->r.sample.bias = p;
    }
    rc = glim_try_calloc(&p, s->r.n, sizeof *s->choices, "the choices of a request", err);
    if (rc != GLIM_OK) return rc;
    s->choices = p;
    s->r.logprobs = s->r.logprobs || s->r.prompt_logprobs;
    rc = glim_stream_ring_new(s, s->r.n, longest, d->max_text,
                              r->task == GLIM_TASK_EMBED ? d->e->model->cfg.n_embd : 0, err);
    s->r.logprobs = r->logprobs && r->task == GLIM_TASK_GENERATE;
    if (rc == GLIM_OK) rc = glim_choice_new(&s->choices[0], d, s, 0, err);
    if (rc != GLIM_OK) return rc;
    glim_choice *c = s->choices[0];
    memcpy(c->ids, r->prompt, r->n_prompt * sizeof *c->ids);
    c->n_ids = r->n_prompt;
    if (c->seen.slots)
        for (size_t i = 0; i < r->n_prompt; i++) glim_seen_add(&c->seen, r->prompt[i], false);
    return GLIM_OK;
}

/* One of max_waiting places; false when all are taken. */
static bool take_place(glim_sched *d) {
    size_t n = atomic_load(&d->c.waiting);
    do
        if (n >= d->p.max_waiting) return false;
    while (!atomic_compare_exchange_weak(&d->c.waiting, &n, n + 1));
    return true;
}

glim_status glim_sched_submit(glim_sched *d, const glim_request *r, glim_stream **out, glim_err *err) {
    *out = NULL;
    if (atomic_load(&d->draining))
        return glim_fail(err, GLIM_E_CANCELLED, "the server is shutting down and takes no new requests");
    glim_status rc = check_request(d, r, err);
    if (rc != GLIM_OK) return rc;
    if (!take_place(d)) {
        atomic_fetch_add(&d->c.refused, 1);
        glim_fail(err, GLIM_E_STATE, "the queue is full: %zu requests are waiting", d->p.max_waiting);
        glim_err_hint(err, "try again in a few seconds");
        return GLIM_E_STATE;
    }
    glim_stream *s = glim_xcalloc(1, sizeof *s);
    s->refs = 2; /* reader and engine */
    s->bell = d->bell;
    atomic_fetch_add(&d->bell->refs, 1);
    if (r->pinned) {
        s->adapter = r->pinned;
        atomic_fetch_add(&s->adapter->refs, 1);
    } else if (r->adapter) rc = glim_hot_adapter_get(d, r->adapter, &s->adapter, err);
    if (rc == GLIM_OK) rc = copy_request(d, s, r, err);
    if (rc != GLIM_OK) {
        atomic_fetch_sub(&d->c.waiting, 1);
        s->refs = 1;
        glim_stream_unref(s);
        return rc;
    }
    s->choices[0]->mask_ctx = r->mask.mask ? r->mask.ctx : NULL; /* from here on it is ours */
    s->id = atomic_fetch_add(&d->next_id, 1);
    s->t_submit = glim_sched_now(d);
    s->rank = s->t_submit - d->p.level_s * (double)r->priority;
    atomic_fetch_add(&d->n_live, 1);
    atomic_fetch_add(&d->c.requests, 1);
    atomic_fetch_add(&d->c.prompt_tokens, s->n_prompt);
    *out = s;
    glim_stream *head = atomic_load(&d->inbox);
    do s->next = head;
    while (!atomic_compare_exchange_weak(&d->inbox, &head, s));
    glim_bell_ring(d->bell);
    return GLIM_OK;
}

/* ---- the loop ---- */

static bool ranked_before(const glim_stream *a, const glim_stream *b) {
    return a->rank != b->rank ? a->rank < b->rank : a->id < b->id;
}

/* *cancelled: one of them was cancelled already, perhaps before anybody knew it. */
static bool take_inbox(glim_sched *d, bool *cancelled) {
    glim_stream *s = atomic_exchange(&d->inbox, NULL);
    if (!s) return false;
    while (s) {
        glim_stream *next = s->next, **p = &d->waiting;
        *cancelled = *cancelled || atomic_load(&s->cancelled);
        while (*p && ranked_before(*p, s)) p = &(*p)->next;
        s->next = *p;
        *p = s;
        s->next_live = d->live;
        if (d->live) d->live->prev_live = s;
        d->live = s;
        s = next;
    }
    return true;
}

static void leave_waiting(glim_sched *d, glim_stream *s) {
    glim_stream **p = &d->waiting;
    while (*p && *p != s) p = &(*p)->next;
    if (!*p) return;
    *p = s->next;
    s->next = NULL;
    atomic_fetch_sub(&d->c.waiting, 1);
}

static void end_all(glim_sched *d, bool only_cancelled, const char *why) {
    for (glim_stream *s = d->live, *next; s; s = next) {
        next = s->next_live;
        if (only_cancelled && !atomic_load(&s->cancelled)) continue;
        leave_waiting(d, s);
        glim_stream_fail(d, s, GLIM_E_CANCELLED, why);
    }
}

/* Choices whose readers have enough. A request of which nothing is open any more leaves d->live here. */
static void end_enough(glim_sched *d) {
    for (glim_stream *s = d->live, *next; s; s = next) {
        next = s->next_live;
        uint64_t left = 0;
        for (uint32_t w = 0; w < GLIM_MAX_CHOICES / 64; w++) left |= atomic_load_explicit(&s->enough[w], memory_order_relaxed);
        if (!left) continue;
        uint32_t n_open = s->n_open; /* with the last one the stream may be gone */
        for (uint32_t i = 0; n_open > 0 && i < s->r.n; i++) {
            glim_choice *c = s->choices[i];
            if (!(atomic_load(&s->enough[i / 64]) >> i % 64 & 1) || !c || c->n_gen == 0 || c->state == CHOICE_DONE) continue;
            n_open--;
            glim_choice_finish(d, c, GLIM_FINISH_STOP, "");
        }
    }
}

static bool take_cancels(glim_sched *d, bool any) {
    uint64_t n = atomic_load(&d->bell->cancels);
    if (n == d->cancels_seen && !any) return false;
    d->cancels_seen = n;
    end_all(d, true, "the request was cancelled");
    end_enough(d);
    return true;
}

/* Pages that all ids of c need and nobody has given or promised it yet. */
static size_t pages_missing(const glim_choice *c) {
    size_t want = c->n_ids / GLIM_KV_PAGE + 1; /* and the next id's */
    if (want > c->kv.cap_pages) want = c->kv.cap_pages;
    return want > c->kv.n_pages ? want - c->kv.n_pages : 0;
}

/* Whether c may start now without soon driving others off: its prompt, what prompts that are being read
 * still need, and a page for each that writes. What the tree already has of it is a bonus not counted. */
static bool fits(const glim_sched *d, const glim_choice *c) {
    if (d->n_running == 0) return true;
    size_t have = d->e->kv.n_free + (d->prefix ? glim_prefix_evictable(d->prefix) : 0);
    size_t promised = d->n_running;
    for (size_t i = 0; i < d->n_running; i++) promised += pages_missing(d->running[i]);
    return have >= promised + pages_missing(c);
}

/* The last of those that hold a place while their reader stays away; it is asked once more, for it may be back. */
static glim_choice *slow_one(const glim_sched *d) {
    for (size_t i = d->n_running; i-- > 0;) {
        glim_choice *c = d->running[i];
        if (c->stalled && !glim_stream_has_room(c->s, 2 * c->s->max_event * c->s->n_open)) return c;
    }
    return NULL;
}

/* Whether the reader of a parked one has come back: half of its ring is free. With less, a client that takes a few bytes at a
 * time would have its prompt read again for each of them. */
static bool reader_is_back(const glim_choice *c) {
    const glim_stream *s = c->s;
    size_t least = 2 * s->max_event * s->n_open, half = (s->cap - s->tail_room - 2 * s->max_event) / 2;
    return glim_stream_has_room(c->s, half > least ? half : least);
}

static bool admit(glim_sched *d) {
    bool any = false;
    for (;;) {
        glim_choice *c = d->waiting ? d->waiting->choices[0] : NULL, *p = d->parked;
        /* A parked one whose reader is slow waits until it reads. */
        while (p && !reader_is_back(p)) p = p->next;
        if (!c || (p && glim_choice_before(p, c))) c = p;
        if (!c) return any;
        /* The first in order is never passed over, or a large one would wait for ever. */
        glim_choice *last = d->n_running ? d->running[d->n_running - 1] : NULL;
        bool outranks = last && c->s->r.priority > last->s->r.priority && glim_choice_before(c, last);
        if (d->n_running == d->p.max_running || !fits(d, c)) {
            glim_choice *v = slow_one(d); /* or as many clients as there are places could shut out everybody else */
            if (!v && outranks) v = last;
            if (!v) return any;
            glim_choice_park(d, v);
            any = true;
            continue;
        }
        if (c->state == CHOICE_WAITING) leave_waiting(d, c->s);
        glim_choice_run(d, c);
        any = true;
    }
}

/* Pages read from disk in a step: a few milliseconds, so that others hardly notice. */
enum { DISK_BYTES = 16 << 20 };

bool glim_sched_step(glim_sched *d) {
    double t0 = glim_sched_now(d);
    d->disk_budget = DISK_BYTES;
    d->disk_waits = false;
    /* In this order: a request that was cancelled after the inbox was taken is counted, one before is seen. */
    bool cancelled = false, any = take_inbox(d, &cancelled);
    any |= take_cancels(d, cancelled);
    any |= admit(d);
    glim_batch_compose(d);
    if (d->n_rows > 0) {
        glim_batch_run(d);
        any = true;
    }
    any |= d->disk_waits;
    atomic_store_explicit(&d->c.running, d->n_running, memory_order_relaxed);
    atomic_store_explicit(&d->c.kv_used, d->e->kv.n_pages - d->e->kv.n_free, memory_order_relaxed);
    atomic_store_explicit(&d->c.kv_prefix, d->prefix ? glim_prefix_evictable(d->prefix) : 0, memory_order_relaxed);
    glim_outboxes_wake(d);
    if (any) atomic_fetch_add_explicit(&d->c.busy_ns, (uint64_t)((glim_sched_now(d) - t0) * 1e9), memory_order_relaxed);
    return any;
}

static void *engine_main(void *arg) {
    glim_sched *d = arg;
    while (!atomic_load(&d->quit)) {
        uint32_t heard = atomic_load(&d->bell->rung);
        if (glim_sched_step(d)) continue;
        atomic_store(&d->bell->asleep, true);
        if (!atomic_load(&d->quit))
            syscall(SYS_futex, (uint32_t *)&d->bell->rung, FUTEX_WAIT_PRIVATE, heard, NULL, NULL, 0);
        atomic_store(&d->bell->asleep, false);
    }
    return NULL;
}

glim_status glim_sched_start(glim_sched *d, glim_err *err) {
    int e = pthread_create(&d->thread, NULL, engine_main, d);
    if (e) return glim_fail_errno(err, GLIM_E_NOMEM, e, "could not start the engine thread");
    d->has_thread = true;
    return GLIM_OK;
}

void glim_sched_drain(glim_sched *d) {
    atomic_store(&d->draining, true);
    glim_bell_ring(d->bell);
}

bool glim_sched_idle(const glim_sched *d) { return atomic_load(&d->n_live) == 0; }

/* At the end: what the tree holds goes to disk, parents first, as far as the writer's queue takes it. */
static bool keep_page(void *ctx, const glim_prefix_node_view *v) {
    glim_sched *d = ctx;
    glim_chain before = d->chains[v->parent_is_root ? 0 : v->parent.node + 1];
    if (v->parent_is_root) {
        const char *version = v->root_key, *tenant = version + strlen(version) + 1; /* choice.c, find_root */
        before = glim_snapshot_root(d->snapshot, tenant, version);
    }
    d->chains[v->at.node + 1] = glim_snapshot_next(&before, v->ids);
    const uint8_t *page = d->e->kv.mem + v->page * d->e->kv.page_bytes;
    glim_snapshot_write_last(d->snapshot, &d->chains[v->at.node + 1], page);
    return true;
}

static void keep_all(glim_sched *d) {
    void *p;
    if (glim_try_calloc(&p, d->e->kv.n_pages + 1, sizeof *d->chains, "the last snapshots", NULL) != GLIM_OK) return;
    d->chains = p;
    glim_prefix_each(d->prefix, keep_page, d);
    free(d->chains);
    d->chains = NULL;
}

void glim_sched_close(glim_sched *d) {
    if (!d) return;
    atomic_store(&d->draining, true);
    atomic_store(&d->quit, true);
    glim_bell_ring(d->bell);
    if (d->has_thread) pthread_join(d->thread, NULL);
    take_inbox(d, &(bool){false});
    end_all(d, false, "the server is shutting down");
    glim_outboxes_wake(d);
    if (d->snapshot && d->prefix) keep_all(d);
    glim_snapshot_close(d->snapshot);
    glim_prefix_free(d->prefix);
    GLIM_ASSERT(d->e->kv.n_free == d->e->kv.n_pages);
    while (d->adapters) {
        glim_hot_adapter *h = d->adapters;
        d->adapters = h->next;
        glim_hot_adapter_unref(h);
    }
    pthread_mutex_destroy(&d->adapters_lock);
    for (int i = 0; i < d->n_samplers; i++) glim_sampler_free(d->samplers[i]);
    void *parts[] = {d->running, d->rows, d->rows_before, d->hidden, d->seqs, d->seq_adapters, d->batch, d->prompts, d->probs, d->samplers};
    for (size_t i = 0; i < GLIM_COUNT(parts); i++) free(parts[i]);
    glim_adapter_scratch_free(d->lora);
    glim_bell_unref(d->bell);
    free(d);
}

void glim_sched_pause_snapshots(glim_sched *d, bool paused) {
    if (d->snapshot) glim_snapshot_pause(d->snapshot, paused);
}

void glim_sched_stats_get(const glim_sched *d, glim_sched_stats *o) {
    const glim_counters *c = &d->c;
    glim_snapshot_stats disk = {0};
    if (d->snapshot) glim_snapshot_stats_get(d->snapshot, &disk);
    *o = (glim_sched_stats){
        .running = c->running, .waiting = c->waiting, .stalled = c->stalled, .max_running = d->p.max_running,
        .max_waiting = d->p.max_waiting, .kv_pages = d->e->kv.n_pages, .kv_used = c->kv_used, .kv_prefix = c->kv_prefix,
        .page_bytes = d->e->kv.page_bytes, .page_tokens = GLIM_KV_PAGE, .steps = c->steps, .rows = c->rows,
        .requests = c->requests, .finished = c->finished, .cancelled = c->cancelled, .refused = c->refused,
        .failed = c->failed, .prompt_tokens = c->prompt_tokens, .cached_tokens = c->cached_tokens,
        .completion_tokens = c->completion_tokens, .draft_tokens = c->draft_tokens, .draft_ok_tokens = c->draft_ok_tokens,
        .preemptions = c->preemptions, .prefix_queries = c->prefix_queries, .prefix_hits = c->prefix_hits,
        .prefix_evicted = c->prefix_evicted, .snapshot_written = disk.written, .snapshot_read = disk.read,
        .snapshot_refused = disk.refused, .adapters = c->adapters, .busy_s = (double)c->busy_ns * 1e-9};
}
