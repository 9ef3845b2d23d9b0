/* sched_rig.h - what the scheduler's tests share: an engine on a fixture, answers gathered from events, and the
 * reference: the same prompt alone in a session. */
#ifndef GLIM_TEST_SCHED_RIG_H
#define GLIM_TEST_SCHED_RIG_H

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "base/utf8.h"
#include "engine/sched.h"
#include "test.h"

typedef struct rig {
    glim_engine *e;
    glim_sched *d;
    glim_outbox *box;
    glim_err err;
} rig;

enum { RIG_CHOICES = 8 };

/* What one request said. */
typedef struct answer {
    glim_stream *s;
    int n_choices;
    glim_ids ids[RIG_CHOICES];
    glim_buf text[RIG_CHOICES];
    float lp[RIG_CHOICES][512];
    glim_finish finish[RIG_CHOICES];
    bool finished[RIG_CHOICES], ended, whole;
    glim_status status;
    char message[512];
    glim_usage usage;
    size_t n_prompt_events;
    float prompt_lp[2048];
    float *values;
    size_t n_values;
} answer;

/* The models are tiny: threads mostly wait for each other. Tests of what threads could change ask for more. */
static int rig_threads = 1;

static inline void rig_engine(rig *r, const char *fixture, size_t n_ctx, size_t kv_pages, size_t n_rows, size_t n_logits) {
    char path[256];
    memset(r, 0, sizeof *r);
    snprintf(path, sizeof path, "tests/fixtures/%s", fixture);
    glim_engine_params p = {.n_threads = rig_threads, .model = {.n_ctx = n_ctx, .n_rows = n_rows, .n_logits = n_logits, .past_max_ctx = n_ctx > 2048}};
    if (kv_pages) {
        /* The page's size is known only once the model is: plan with one, then with the number wanted. */
        glim_engine *probe;
        CHECK_OK(glim_engine_open(&probe, glim_test_source(path), &p, &r->err), r->err);
        p.model.kv_bytes = kv_pages * probe->kv.page_bytes;
        glim_engine_free(probe);
    }
    CHECK_OK(glim_engine_open(&r->e, glim_test_source(path), &p, &r->err), r->err);
    CHECK(!kv_pages || r->e->kv.n_pages == kv_pages);
}

static inline void rig_sched(rig *r, const glim_sched_params *p) {
    CHECK_OK(glim_sched_open(&r->d, r->e, p, &r->err), r->err);
    if (!r->box) r->box = glim_outbox_new(NULL, NULL);
}

static inline void rig_close(rig *r) {
    glim_sched_close(r->d);
    glim_outbox_free(r->box);
    if (r->e) CHECK(r->e->kv.n_free == r->e->kv.n_pages);
    glim_engine_free(r->e);
}

static inline void answer_take(answer *a, const glim_event *ev) {
    CHECK(!a->ended);
    uint32_t c = ev->choice;
    switch (ev->kind) {
    case GLIM_EV_TOKEN:
        CHECK(c < RIG_CHOICES && !a->finished[c] && ev->pos == a->ids[c].n);
        if (a->ids[c].n < 512) a->lp[c][a->ids[c].n] = ev->logprob;
        CHECK(glim_ids_push(&a->ids[c], ev->id, NULL) == GLIM_OK);
        if (ev->n_text && !glim_utf8_valid(ev->text, ev->n_text)) a->whole = false;
        glim_buf_append(&a->text[c], ev->text, ev->n_text);
        break;
    case GLIM_EV_PROMPT:
        CHECK(ev->pos == a->n_prompt_events && ev->pos < 2048);
        a->prompt_lp[a->n_prompt_events++] = ev->logprob;
        break;
    case GLIM_EV_EMBEDDING:
        CHECK(!a->values);
        a->values = malloc(ev->n_values * sizeof *a->values);
        memcpy(a->values, ev->values, ev->n_values * sizeof *a->values);
        a->n_values = ev->n_values;
        break;
    case GLIM_EV_FINISH:
        CHECK(c < RIG_CHOICES && !a->finished[c]);
        a->finished[c] = true;
        a->finish[c] = ev->finish;
        glim_buf_append(&a->text[c], ev->text, ev->n_text);
        if (ev->message[0]) snprintf(a->message, sizeof a->message, "%s", ev->message);
        break;
    case GLIM_EV_END:
        a->ended = true;
        a->status = ev->status;
        a->usage = ev->usage;
        if (ev->message[0]) snprintf(a->message, sizeof a->message, "%s", ev->message);
        break;
    }
}

static inline void answer_free(answer *a) {
    glim_stream_close(a->s);
    for (int i = 0; i < RIG_CHOICES; i++) {
        glim_ids_free(&a->ids[i]);
        glim_buf_free(&a->text[i]);
    }
    free(a->values);
    memset(a, 0, sizeof *a);
}

static inline void rig_submit(rig *r, answer *a, glim_request q) {
    memset(a, 0, sizeof *a);
    a->whole = true;
    q.user = a;
    q.outbox = r->box;
    CHECK_OK(glim_sched_submit(r->d, &q, &a->s, &r->err), r->err);
}

/* Reads all that the outbox has. */
static inline void rig_read(rig *r) {
    for (glim_stream *s; (s = glim_outbox_next(r->box));) {
        glim_event ev;
        while (glim_stream_next(s, &ev)) answer_take(glim_stream_user(s), &ev);
    }
}

/* Steps until the answer has ended. */
static inline void rig_run(rig *r, answer *a) {
    for (int i = 0; !a->ended; i++) {
        CHECK_MSG(i < 100000, "a request does not end");
        bool any = glim_sched_step(r->d);
        rig_read(r);
        CHECK_MSG(any || a->ended, "nothing to do, and a request has not ended");
    }
}

/* The same alone, in a session of an engine of its own. */
static inline glim_gen_result alone(rig *ref, const int32_t *ids, size_t n, const glim_gen_params *p) {
    glim_session s;
    glim_gen_result out;
    CHECK_OK(glim_session_open(&s, ref->e, &ref->err), ref->err);
    CHECK_OK(glim_session_generate(&s, ids, n, p, &out, &ref->err), ref->err);
    glim_session_close(&s);
    return out;
}

static inline void check_same_ids(const char *what, const int32_t *got, size_t n_got, const int32_t *want, size_t n_want) {
    size_t n = n_got < n_want ? n_got : n_want, i = 0;
    while (i < n && got[i] == want[i]) i++;
    CHECK_MSG(n_got == n_want && i == n, "%s: %zu ids, want %zu; the first %zu agree", what, n_got, n_want, i);
}

#endif
