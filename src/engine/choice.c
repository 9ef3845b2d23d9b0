/* choice.c - the life of one choice: made, run, parked, forked, finished.
 *
 * Invariants
 *   1. Only RUNNING choices have KV pages.
 *   2. d->running and d->parked stand in the order of glim_choice_before, so the best goes first and the
 *      last gives way.
 *   3. A choice that was parked goes on as if nothing had happened: its ids are all kept, the pages are
 *      computed again, and a random number belongs to (seed, choice, position). */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/sched_internal.h"

static const char *adapter_version(const glim_stream *s) { return s->adapter ? glim_adapter_version(s->adapter->a) : ""; }

/* The root of this request's prefixes: adapter and tenant; the rest of the key is one for a scheduler. */
static glim_status find_root(glim_sched *d, glim_choice *c, glim_err *err) {
    if (!d->prefix || c->s->r.no_prefix) return GLIM_OK;
    glim_buf key = {0};
    glim_buf_puts(&key, adapter_version(c->s));
    glim_buf_putc(&key, 0); /* a version holds no 0, so no two pairs have the same bytes */
    glim_buf_puts(&key, c->s->tenant);
    glim_status rc = glim_buf_status(&key, "a prefix key", err);
    if (rc == GLIM_OK) rc = glim_prefix_root(d->prefix, key.s, key.len, &c->at, err);
    glim_buf_free(&key);
    return rc;
}

/* Errors: GLIM_E_NOMEM. Everything a step needs is allocated here: a step allocates nothing. */
glim_status glim_choice_new(glim_choice **out, glim_sched *d, glim_stream *s, uint32_t index, glim_err *err) {
    *out = NULL;
    const glim_request *r = &s->r;
    void *p;
    glim_status rc = glim_try_calloc(&p, 1, sizeof(glim_choice), "a sequence", err);
    if (rc != GLIM_OK) return rc;
    glim_choice *c = p;
    c->s = s;
    c->index = index;
    c->stop_id = -1;
    bool writes = r->task == GLIM_TASK_GENERATE;
    /* The last generated id is chosen, not read: one more than there are positions. */
    c->cap_ids = d->limit_pos + 1;
    if (!writes) c->cap_ids = s->n_prompt;
    else if (r->max_tokens && r->max_tokens < c->cap_ids - s->n_prompt) c->cap_ids = s->n_prompt + r->max_tokens;
    rc = glim_try_calloc(&p, c->cap_ids, sizeof *c->ids, "the ids of a sequence", err);
    if (rc != GLIM_OK) goto fail;
    c->ids = p;
    size_t cap_pos = c->cap_ids < d->limit_pos ? c->cap_ids : d->limit_pos;
    rc = glim_kv_seq_init(&c->kv, &d->e->kv, cap_pos, err);
    if (rc == GLIM_OK && writes && d->p.max_draft >= 0) rc = glim_guess_init(&c->guess, c->cap_ids, err);
    if (rc == GLIM_OK && writes && glim_sample_penalizes(&r->sample)) {
        size_t distinct = c->cap_ids < d->e->model->cfg.n_vocab ? c->cap_ids : d->e->model->cfg.n_vocab;
        rc = glim_seen_init(&c->seen, distinct, err);
    }
    if (rc == GLIM_OK && r->task == GLIM_TASK_EMBED) {
        rc = glim_try_calloc(&p, d->e->model->cfg.n_embd, sizeof *c->pooled, "an embedding", err);
        c->pooled = rc == GLIM_OK ? p : NULL;
    }
    if (rc != GLIM_OK) goto fail;
    if (r->mask.mask) {
        rc = glim_try_calloc(&p, 1, sizeof *c->pick_err, "a mask's error", err);
        if (rc != GLIM_OK) goto fail;
        c->pick_err = p;
    }
    c->show = (glim_show){.stop = r->stop, .n_stop = r->n_stop};
    /* Stop strings hold back at most one less than their length; a token comes on top. */
    size_t longest = 0;
    for (size_t i = 0; i < r->n_stop; i++) longest = strlen(r->stop[i]) > longest ? strlen(r->stop[i]) : longest;
    glim_buf_reserve(&c->show.pending, longest + d->max_text + 64);
    rc = glim_buf_status(&c->show.pending, "the text of a sequence", err);
    if (rc != GLIM_OK) goto fail;
    *out = c;
    return GLIM_OK;

fail:
    glim_choice_free(c);
    return rc;
}

void glim_choice_free(glim_choice *c) {
    if (!c) return;
    GLIM_ASSERT(c->kv.n_pages == 0);
    free(c->kv.pages);
    free(c->ids);
    free(c->pooled);
    free(c->pick_err);
    glim_guess_deinit(&c->guess);
    glim_seen_deinit(&c->seen);
    glim_show_deinit(&c->show);
    if (c->mask_ctx && c->s->r.mask.free) c->s->r.mask.free(c->mask_ctx);
    free(c);
}

bool glim_choice_before(const glim_choice *a, const glim_choice *b) {
    if (a->s->rank != b->s->rank) return a->s->rank < b->s->rank;
    if (a->s->id != b->s->id) return a->s->id < b->s->id;
    return a->index < b->index;
}

static void running_add(glim_sched *d, glim_choice *c) {
    size_t i = d->n_running++;
    for (; i > 0 && glim_choice_before(c, d->running[i - 1]); i--) d->running[i] = d->running[i - 1];
    d->running[i] = c;
}

static void running_remove(glim_sched *d, const glim_choice *c) {
    size_t i = 0;
    while (d->running[i] != c) i++;
    memmove(d->running + i, d->running + i + 1, (d->n_running - i - 1) * sizeof *d->running);
    d->n_running--;
}

static void parked_add(glim_sched *d, glim_choice *c) {
    glim_choice **p = &d->parked;
    while (*p && glim_choice_before(*p, c)) p = &(*p)->next;
    c->next = *p;
    *p = c;
}

static void parked_remove(glim_sched *d, glim_choice *c) {
    glim_choice **p = &d->parked;
    while (*p != c) p = &(*p)->next;
    *p = c->next;
    c->next = NULL;
}

static void drop_pages(glim_choice *c) {
    glim_kv_truncate(&c->kv, 0);
    c->n_kept = 0;
    c->keep_no_more = false;
}

/* Nothing is in the pages now: the walk down the tree begins at the root again. */
static void at_root(glim_sched *d, glim_choice *c) {
    glim_err ignored;
    c->n_kept = 0;
    c->keep_no_more = find_root(d, c, &ignored) != GLIM_OK || !d->prefix || c->s->r.no_prefix;
    if (d->snapshot && !c->keep_no_more) c->chain = glim_snapshot_root(d->snapshot, c->s->tenant, adapter_version(c->s));
}

void glim_choice_run(glim_sched *d, glim_choice *c) {
    if (c->state == CHOICE_PARKED) parked_remove(d, c);
    c->state = CHOICE_RUNNING;
    c->n_rows = c->n_draft = 0;
    running_add(d, c);
    at_root(d, c);
    /* A sum over positions begins anew with them. */
    if (c->pooled) memset(c->pooled, 0, d->e->model->cfg.n_embd * sizeof *c->pooled), c->n_pooled = 0;
    if (c->n_gen == 0 && c->index == 0 && !c->s->started) {
        c->s->started = true;
        c->s->t_start = glim_sched_now(d);
        c->s->usage.queue_s = c->s->t_start - c->s->t_submit;
        if (!c->keep_no_more)
            atomic_fetch_add(&d->c.prefix_queries, c->s->n_prompt / GLIM_KV_PAGE * GLIM_KV_PAGE);
    }
    glim_choice_adopt(d, c);
}

void glim_choice_park(glim_sched *d, glim_choice *c) {
    GLIM_ASSERT(c->state == CHOICE_RUNNING);
    running_remove(d, c);
    drop_pages(c);
    c->state = CHOICE_PARKED;
    c->stalled = false;
    c->n_rows = c->n_draft = 0;
    parked_add(d, c);
    c->s->usage.n_preempted++;
    atomic_fetch_add(&d->c.preemptions, 1);
}

/* The first position that must be computed, whatever the tree has. */
static size_t adopt_limit(const glim_choice *c) {
    const glim_request *r = &c->s->r;
    if (r->task == GLIM_TASK_EMBED && r->pooling == GLIM_POOLING_MEAN) return 0;
    /* Row p scores token p + 1: rows before n_scored - 1 are not wanted again. */
    if ((r->prompt_logprobs || r->task == GLIM_TASK_SCORE) && c->n_scored < c->s->n_prompt)
        return c->n_scored ? c->n_scored - 1 : 0;
    return c->n_ids - 1; /* the last id is always read: its logits choose */
}

/* The page that goes on from c's place, from disk: it enters the tree as if it had been computed. A step reads
 * a bounded number of bytes; what is left of the prompt comes with the next ones. */
static bool from_disk(glim_sched *d, glim_choice *c, glim_prefix_at *child, uint32_t *page) {
    if (!d->snapshot) return false;
    glim_chain next = glim_snapshot_next(&c->chain, c->ids + c->kv.n_pos);
    if (!glim_snapshot_has(d->snapshot, &next)) return false;
    if (d->disk_budget == 0) {
        c->disk_waits = d->disk_waits = true;
        return false;
    }
    while (d->e->kv.n_free == 0)
        if (!glim_prefix_evict(d->prefix, false)) return false;
    /* Evicting may have taken our place, which nobody holds while c owns no page of it. */
    uint32_t own;
    if (!glim_prefix_holds(d->prefix, c->at) || !glim_kv_page_take(&d->e->kv, &own)) return false;
    d->disk_budget -= d->disk_budget < d->e->kv.page_bytes ? d->disk_budget : d->e->kv.page_bytes;
    *page = own;
    bool ok = glim_snapshot_read(d->snapshot, &next, d->e->kv.mem + own * d->e->kv.page_bytes) &&
              glim_prefix_add(d->prefix, c->at, c->ids + c->kv.n_pos, page, child);
    glim_kv_page_unref(&d->e->kv, own); /* the tree has it now, or nobody */
    return ok;
}

void glim_choice_adopt(glim_sched *d, glim_choice *c) {
    if (c->keep_no_more || c->kv.n_pos % GLIM_KV_PAGE != 0 || c->kv.n_pages * GLIM_KV_PAGE != c->kv.n_pos ||
        c->n_kept * GLIM_KV_PAGE != c->kv.n_pos)
        return;
    size_t limit = adopt_limit(c), before = c->kv.n_pos;
    c->disk_waits = false;
    glim_prefix_at child;
    uint32_t page;
    /* The page that holds `limit` is taken too, and computed from there on in a copy of one's own. */
    while (c->kv.n_pos < limit && c->kv.n_pos + GLIM_KV_PAGE <= c->n_ids && c->kv.n_pages < c->kv.cap_pages &&
           (glim_prefix_find(d->prefix, c->at, c->ids + c->kv.n_pos, &child, &page) || from_disk(d, c, &child, &page))) {
        if (d->snapshot) {
            c->chain = glim_snapshot_next(&c->chain, c->ids + c->kv.n_pos);
            /* Used a second time: worth a file. */
            glim_snapshot_write(d->snapshot, &c->chain, d->e->kv.mem + page * d->e->kv.page_bytes);
        }
        if (glim_kv_adopt(&c->kv, page, NULL) != GLIM_OK) break;
        c->at = child;
        c->n_kept++;
    }
    if (c->kv.n_pos == before) return;
    glim_prefix_touch(d->prefix, c->at);
    if (c->kv.n_pos > limit) glim_kv_truncate(&c->kv, limit);
    size_t got = c->kv.n_pos - before;
    /* Pages read again after a pause are no gift: only the prompt's first reading counts. */
    if (c->index == 0 && c->n_gen == 0 && c->s->usage.n_preempted == 0) {
        c->s->usage.n_cached += got;
        atomic_fetch_add(&d->c.prefix_hits, got);
        atomic_fetch_add(&d->c.cached_tokens, got);
    }
}

void glim_choice_keep(glim_sched *d, glim_choice *c) {
    if (!d->prefix || c->keep_no_more) return;
    if (!glim_prefix_holds(d->prefix, c->at)) at_root(d, c); /* our place was evicted under us: from the start */
    while (!c->keep_no_more && (c->n_kept + 1) * GLIM_KV_PAGE <= c->kv.n_pos) {
        uint32_t page = c->kv.pages[c->n_kept];
        glim_prefix_at child;
        if (!glim_prefix_add(d->prefix, c->at, c->ids + c->n_kept * GLIM_KV_PAGE, &page, &child)) {
            c->keep_no_more = true;
            break;
        }
        if (d->snapshot) c->chain = glim_snapshot_next(&c->chain, c->ids + c->n_kept * GLIM_KV_PAGE);
        glim_kv_swap(&c->kv, c->n_kept, page); /* two who computed the same keep one copy */
        c->at = child;
        c->n_kept++;
    }
}

bool glim_choice_writes(const glim_choice *c) {
    return c->s->r.task == GLIM_TASK_GENERATE && c->n_gen > 0 && c->kv.n_pos + 1 == c->n_ids;
}

bool glim_choice_needs_logits(const glim_choice *c, size_t pos) {
    const glim_request *r = &c->s->r;
    if (r->task == GLIM_TASK_GENERATE && pos + 1 >= c->n_ids) return true;
    return (r->prompt_logprobs || r->task == GLIM_TASK_SCORE) && pos + 1 < c->s->n_prompt && pos + 1 >= c->n_scored;
}

glim_status glim_choice_fork(glim_sched *d, glim_choice *first) {
    glim_stream *s = first->s;
    glim_err err;
    glim_status rc = GLIM_OK;
    for (uint32_t i = 1; i < s->r.n && rc == GLIM_OK; i++) {
        glim_choice *c;
        rc = glim_choice_new(&c, d, s, i, &err);
        if (rc != GLIM_OK) break;
        s->choices[i] = c;
        memcpy(c->ids, first->ids, s->n_prompt * sizeof *c->ids);
        c->n_ids = s->n_prompt;
        c->n_scored = s->n_prompt;
        if (s->r.mask.mask && s->r.mask.fork) c->mask_ctx = s->r.mask.fork(first->mask_ctx);
        if (c->seen.slots)
            for (size_t k = 0; k < s->n_prompt; k++) glim_seen_add(&c->seen, c->ids[k], false);
        if (s->r.mask.mask && !c->mask_ctx) rc = glim_fail(&err, GLIM_E_NOMEM, "a mask could not be copied for choice %u", i);
        if (rc != GLIM_OK) break;
        if (d->n_running < d->p.max_running) { /* it goes on from the same pages */
            rc = glim_kv_fork(&c->kv, &first->kv, s->n_prompt, &err);
            if (rc != GLIM_OK) break;
            c->state = CHOICE_RUNNING;
            c->at = first->at;
            c->chain = first->chain;
            c->n_kept = first->n_kept;
            c->keep_no_more = first->keep_no_more;
            running_add(d, c);
        } else { /* no place: it reads the prompt again when there is one, from the tree as a rule */
            c->state = CHOICE_PARKED;
            parked_add(d, c);
        }
    }
    if (rc != GLIM_OK) glim_stream_fail(d, s, rc, err.msg);
    return rc;
}

/* ---- the end ---- */

static void end_stream(glim_sched *d, glim_stream *s, glim_status status, const char *message) {
    double now = glim_sched_now(d);
    s->ended = true;
    if (!s->started) s->usage.queue_s = now - s->t_submit;
    else if (s->t_first == 0) s->usage.prefill_s = now - s->t_start;
    else s->usage.decode_s = now - s->t_first;
    atomic_fetch_add(status == GLIM_OK ? &d->c.finished : status == GLIM_E_CANCELLED ? &d->c.cancelled : &d->c.failed, 1);
    atomic_fetch_add(&d->c.completion_tokens, s->usage.n_completion);
    glim_stream_put_end(d, s, status, message);
    if (s->prev_live) s->prev_live->next_live = s->next_live;
    else if (d->live == s) d->live = s->next_live;
    if (s->next_live) s->next_live->prev_live = s->prev_live;
    s->prev_live = s->next_live = NULL;
    atomic_fetch_sub(&d->n_live, 1);
    glim_stream_unref(s);
}

/* A choice leaves the lists and gives its pages back; the choice itself lives as long as its stream. */
static void retire(glim_sched *d, glim_choice *c) {
    if (c->state == CHOICE_RUNNING) {
        /* Guesses behind the end were read, and are not part of the text. */
        if (c->kv.n_pos > c->n_ids) glim_kv_truncate(&c->kv, c->n_ids);
        glim_choice_keep(d, c);
        running_remove(d, c);
        drop_pages(c);
    } else if (c->state == CHOICE_PARKED) {
        parked_remove(d, c);
    }
    c->state = CHOICE_DONE;
    c->s->n_open--;
}

static void finish(glim_sched *d, glim_choice *c, glim_finish f, const char *message) {
    size_t n = f == GLIM_FINISH_CANCELLED || f == GLIM_FINISH_ERROR ? 0 : glim_show_end(&c->show);
    glim_stream_put_finish(d, c, f, c->show.pending.s, n, message);
    retire(d, c);
}

void glim_choice_finish(glim_sched *d, glim_choice *c, glim_finish f, const char *message) {
    glim_stream *s = c->s;
    if (s->r.task == GLIM_TASK_GENERATE) finish(d, c, f, message);
    else retire(d, c);
    if (s->n_open == 0) end_stream(d, s, GLIM_OK, "");
}

/* Ends all that is open of a request. */
void glim_stream_fail(glim_sched *d, glim_stream *s, glim_status status, const char *message) {
    if (s->ended) return;
    bool cancelled = status == GLIM_E_CANCELLED;
    for (uint32_t i = 0; i < s->r.n; i++) {
        glim_choice *c = s->choices[i];
        if (!c || c->state == CHOICE_DONE) continue;
        if (s->r.task == GLIM_TASK_GENERATE)
            finish(d, c, cancelled ? GLIM_FINISH_CANCELLED : GLIM_FINISH_ERROR, message);
        else retire(d, c);
    }
    end_stream(d, s, status, message);
}
