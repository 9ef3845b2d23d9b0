/* stream.c - the way back: rings of events, and outboxes of streams that have something to read.
 *
 * Invariants
 *   1. `put` is written by the engine thread only, `got` by the reader only: `put - got` bytes are unread.
 *   2. A record never wraps: where it would, a SKIP record fills the ring's end.
 *   3. Token events leave tail_room bytes free, so FINISH of every choice and END always fit.
 *   4. The reader may leave at any time: streams and the engine hold the outbox until they are done with it,
 *      and `wake` is not called any more once glim_outbox_free has returned.
 *   5. A stream is on at most one outbox list at a time (in_outbox); the list holds a reference. in_outbox
 *      falls before the reader reads, so an event put later pushes it again. */
#include <limits.h>
#include <linux/futex.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "engine/sched_internal.h"

typedef struct record {
    uint32_t bytes; /* of the whole record, a multiple of 8 */
    uint8_t kind;   /* glim_event_kind, or SKIP */
    uint8_t n_top, finish;
    uint8_t status;
    uint32_t choice, pos;
    int32_t id, stop_id;
    float logprob;
    uint32_t n_text;
    uint32_t n_values;
    uint32_t n_message;
    /* then: usage (END), tops, values, text, message */
} record;

enum { SKIP = 255 };

static size_t round8(size_t n) { return (n + 7) / 8 * 8; }

/* ---- bells ---- */

static void futex_wake(_Atomic uint32_t *word) {
    syscall(SYS_futex, (uint32_t *)word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

void glim_bell_ring(glim_bell *b) {
    atomic_fetch_add(&b->rung, 1);
    if (atomic_load(&b->asleep)) futex_wake(&b->rung);
}

void glim_bell_unref(glim_bell *b) {
    if (b && atomic_fetch_sub(&b->refs, 1) == 1) free(b);
}

/* ---- rings ---- */

glim_status glim_stream_ring_new(glim_stream *s, size_t n_choices, size_t longest_stop, size_t max_text, size_t n_values,
                                 glim_err *err) {
    /* Text of one event: all that stop strings held back, a token, and a broken character's replacement. */
    size_t text = longest_stop + max_text + 16;
    s->max_event = round8(sizeof(record) + text) + (s->r.logprobs ? s->r.top_logprobs * sizeof(glim_best) : 0) + 8;
    if (n_values) s->max_event = round8(sizeof(record) + n_values * sizeof(float));
    size_t finish = round8(sizeof(record) + text + GLIM_MESSAGE_BYTES);
    s->tail_room = n_choices * finish + round8(sizeof(record) + sizeof(glim_usage) + GLIM_MESSAGE_BYTES);
    size_t step = s->max_event * (n_choices + GLIM_MAX_DRAFT); /* every choice one token, one of them more */
    size_t want = 2 * (step + s->tail_room) + 4096, cap = 16384; /* twice: a SKIP may waste a record's worth */
    while (cap < want) cap *= 2;
    void *p;
    glim_status rc = glim_try_calloc(&p, cap, 1, "a request's events", err);
    if (rc != GLIM_OK) return rc;
    s->ring = p;
    s->cap = cap;
    return GLIM_OK;
}

size_t glim_stream_room(const glim_stream *s) {
    if (atomic_load_explicit(&s->closed, memory_order_relaxed)) return SIZE_MAX / 2; /* nobody reads: all is dropped */
    size_t used = (size_t)(atomic_load_explicit(&s->put, memory_order_relaxed) -
                           atomic_load(&s->got)); /* in order with `starved` */
    /* A SKIP may cost up to one record. */
    size_t reserve = s->tail_room + 2 * s->max_event;
    return used + reserve >= s->cap ? 0 : s->cap - used - reserve;
}

bool glim_stream_has_room(glim_stream *s, size_t bytes) {
    if (glim_stream_room(s) >= bytes) return true;
    /* Said before the last look: a reader that read in between rings, or is seen. The word is never taken back
     * here, for another choice of the request may have given it; a ring for nothing costs little. */
    atomic_store(&s->starved, true);
    return glim_stream_room(s) >= bytes;
}

void glim_outbox_unref(glim_outbox *b) {
    if (!b || atomic_fetch_sub(&b->refs, 1) != 1) return;
    pthread_mutex_destroy(&b->lock);
    free(b);
}

/* Nobody will read what is on the list. */
static void forget_ready(glim_outbox *b) {
    for (glim_stream *s = atomic_exchange(&b->ready, NULL), *next; s; s = next) {
        next = s->next_ready;
        glim_stream_unref(s);
    }
}

static void notify(glim_sched *d, glim_stream *s) {
    if (!s->box || atomic_exchange(&s->in_outbox, true)) return;
    atomic_fetch_add(&s->refs, 1);
    glim_stream *head = atomic_load(&s->box->ready);
    do s->next_ready = head;
    while (!atomic_compare_exchange_weak(&s->box->ready, &head, s));
    if (atomic_load(&s->box->gone)) { /* pushed behind the reader's back: either we or it see the other */
        forget_ready(s->box);
        return;
    }
    if (!s->box->dirty) {
        s->box->dirty = true;
        atomic_fetch_add(&s->box->refs, 1);
        s->box->next_dirty = d->dirty;
        d->dirty = s->box;
    }
}

/* n bytes of a part that may be missing: then it has none. Returns where the next one goes. */
static uint8_t *lay(uint8_t *p, const void *part, size_t n) {
    if (part) memcpy(p, part, n);
    return p + n;
}

/* One record from its parts. */
static void put(glim_sched *d, glim_stream *s, record h, const glim_usage *usage, const glim_best *top, const float *values,
                const char *text, const char *message) {
    if (atomic_load(&s->closed)) return;
    size_t n_usage = usage ? sizeof *usage : 0;
    size_t bytes = round8(sizeof h + n_usage + h.n_top * sizeof *top + h.n_values * sizeof *values + h.n_text + h.n_message + 1);
    uint64_t at = atomic_load_explicit(&s->put, memory_order_relaxed);
    size_t i = (size_t)(at & (s->cap - 1));
    size_t to_end = s->cap - i, skip = bytes > to_end ? to_end : 0;
    GLIM_ASSERT(at + skip + bytes - atomic_load_explicit(&s->got, memory_order_acquire) <= s->cap);
    if (skip) {
        /* Records are whole 8 bytes, so at least a size and a kind fit before the end. */
        memcpy(s->ring + i, &(record){.bytes = (uint32_t)skip, .kind = SKIP}, 8);
        at += skip;
        i = 0;
    }
    h.bytes = (uint32_t)bytes;
    uint8_t *p = s->ring + i;
    memcpy(p, &h, sizeof h), p += sizeof h;
    p = lay(p, usage, n_usage);
    p = lay(p, top, h.n_top * sizeof *top);
    p = lay(p, values, h.n_values * sizeof *values);
    p = lay(p, text, h.n_text);
    p = lay(p, message, h.n_message);
    *p = 0;
    atomic_store_explicit(&s->put, at + bytes, memory_order_release);
    notify(d, s);
}

void glim_stream_put_token(glim_sched *d, glim_choice *c, int32_t id, const glim_row_probs *p, float logprob,
                           const char *text, size_t n_text) {
    record h = {.kind = GLIM_EV_TOKEN, .choice = c->index, .pos = (uint32_t)(c->n_gen - 1), .id = id, .logprob = logprob,
                .n_top = (uint8_t)(p ? p->n_best : 0), .n_text = (uint32_t)n_text};
    put(d, c->s, h, NULL, p ? p->best : NULL, NULL, text, NULL);
}

void glim_stream_put_prompt(glim_sched *d, glim_choice *c, size_t pos, const glim_row_probs *p, float logprob) {
    record h = {.kind = GLIM_EV_PROMPT, .choice = c->index, .pos = (uint32_t)pos, .id = c->ids[pos], .logprob = logprob,
                .n_top = (uint8_t)(p ? p->n_best : 0)};
    put(d, c->s, h, NULL, p ? p->best : NULL, NULL, NULL, NULL);
}

void glim_stream_put_embedding(glim_sched *d, glim_choice *c, const float *v, size_t n) {
    put(d, c->s, (record){.kind = GLIM_EV_EMBEDDING, .n_values = (uint32_t)n}, NULL, NULL, v, NULL, NULL);
}

static uint32_t message_len(const char *m) {
    size_t n = m ? strlen(m) : 0;
    return (uint32_t)(n < GLIM_MESSAGE_BYTES - 1 ? n : GLIM_MESSAGE_BYTES - 1);
}

void glim_stream_put_finish(glim_sched *d, glim_choice *c, glim_finish f, const char *text, size_t n_text,
                            const char *message) {
    record h = {.kind = GLIM_EV_FINISH, .choice = c->index, .finish = (uint8_t)f, .stop_id = c->stop_id,
                .n_text = (uint32_t)n_text, .n_message = message_len(message)};
    put(d, c->s, h, NULL, NULL, NULL, text, message);
}

void glim_stream_put_end(glim_sched *d, glim_stream *s, glim_status status, const char *message) {
    record h = {.kind = GLIM_EV_END, .status = (uint8_t)status, .n_message = message_len(message)};
    put(d, s, h, &s->usage, NULL, NULL, NULL, message);
}

bool glim_stream_next(glim_stream *s, glim_event *ev) {
    /* The event shown last is given back only now. */
    atomic_store(&s->got, s->got_next); /* in order with `starved` */
    if (atomic_load(&s->starved) && atomic_exchange(&s->starved, false)) glim_bell_ring(s->bell);
    for (;;) {
        if (s->got_next == atomic_load_explicit(&s->put, memory_order_acquire)) return false;
        const uint8_t *p = s->ring + (size_t)(s->got_next & (s->cap - 1));
        record h;
        memcpy(&h, p, 8);
        s->got_next += h.bytes;
        if (h.kind == SKIP) continue;
        memcpy(&h, p, sizeof h);
        p += sizeof h;
        *ev = (glim_event){.kind = h.kind, .choice = h.choice, .id = h.id, .pos = h.pos, .logprob = h.logprob,
                           .n_top = h.n_top, .n_text = h.n_text, .n_values = h.n_values, .finish = h.finish,
                           .stop_id = h.stop_id, .status = h.status, .message = ""};
        if (h.kind == GLIM_EV_END) memcpy(&ev->usage, p, sizeof ev->usage), p += sizeof ev->usage;
        ev->top = (const glim_best *)(const void *)p, p += h.n_top * sizeof *ev->top;
        ev->values = (const float *)(const void *)p, p += h.n_values * sizeof *ev->values;
        ev->text = (const char *)p, p += h.n_text;
        if (h.n_message) ev->message = (const char *)p; /* the record ends with a 0 */
        return true;
    }
}

void glim_stream_cancel(glim_stream *s) {
    if (atomic_exchange(&s->cancelled, true)) return;
    atomic_fetch_add(&s->bell->cancels, 1);
    glim_bell_ring(s->bell);
}

void glim_stream_enough(glim_stream *s, uint32_t choice) {
    if (choice >= s->r.n) return;
    uint64_t bit = (uint64_t)1 << choice % 64;
    if (atomic_fetch_or(&s->enough[choice / 64], bit) & bit) return;
    atomic_fetch_add(&s->bell->cancels, 1);
    glim_bell_ring(s->bell);
}

void glim_stream_close(glim_stream *s) {
    if (!s) return;
    atomic_store(&s->closed, true);
    glim_stream_cancel(s);
    glim_stream_unref(s);
}

void *glim_stream_user(const glim_stream *s) { return s->user; }
uint64_t glim_stream_id(const glim_stream *s) { return s->id; }

/* ---- outboxes ---- */

glim_outbox *glim_outbox_new(void (*wake)(void *ctx), void *ctx) {
    glim_outbox *b = glim_xcalloc(1, sizeof *b);
    b->refs = 1;
    pthread_mutex_init(&b->lock, NULL);
    b->wake = wake;
    b->ctx = ctx;
    return b;
}

glim_stream *glim_outbox_next(glim_outbox *b) {
    for (;;) {
        if (!b->local) { /* the stack holds the latest first: turn it round */
            glim_stream *s = atomic_exchange(&b->ready, NULL);
            while (s) {
                glim_stream *next = s->next_ready;
                s->next_ready = b->local;
                b->local = s;
                s = next;
            }
        }
        glim_stream *s = b->local;
        if (!s) return NULL;
        b->local = s->next_ready;
        bool closed = atomic_load(&s->closed);
        atomic_store(&s->in_outbox, false);
        glim_stream_unref(s); /* the list's; an open stream has the reader's too */
        if (!closed) return s;
    }
}

void glim_outbox_wait(glim_outbox *b, int timeout_ms) {
    uint32_t seen = atomic_load(&b->rung);
    atomic_store(&b->asleep, true);
    if (!b->local && !atomic_load(&b->ready)) {
        struct timespec t = {timeout_ms / 1000, timeout_ms % 1000 * 1000000L};
        syscall(SYS_futex, (uint32_t *)&b->rung, FUTEX_WAIT_PRIVATE, seen, timeout_ms < 0 ? NULL : &t, NULL, 0);
    }
    atomic_store(&b->asleep, false);
}

void glim_outbox_free(glim_outbox *b) {
    if (!b) return;
    pthread_mutex_lock(&b->lock);
    atomic_store(&b->gone, true);
    pthread_mutex_unlock(&b->lock);
    while (glim_outbox_next(b)) {} /* references of closed streams */
    glim_outbox_unref(b);
}

void glim_outboxes_wake(glim_sched *d) {
    while (d->dirty) {
        glim_outbox *b = d->dirty;
        d->dirty = b->next_dirty;
        b->dirty = false;
        atomic_fetch_add(&b->rung, 1);
        if (b->wake) {
            pthread_mutex_lock(&b->lock);
            if (!atomic_load(&b->gone)) b->wake(b->ctx);
            pthread_mutex_unlock(&b->lock);
        } else if (atomic_load(&b->asleep)) {
            futex_wake(&b->rung);
        }
        glim_outbox_unref(b);
    }
}
