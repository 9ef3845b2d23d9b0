/* work.c - the life of a call that waits for something: a desk, the ledger, the engine.
 *
 *   READING --> desk: prepare --> ledger: reserve --> engine --first event--> stream queued --events--> content reader
 *                 |                  |                   \------ all ENDs --> whole reply queued
 *                 +--- c->error -----+--> error reply
 *
 * Ledger     tokens are reported (glim_hold_progress) before they are put where a client could read them, and never
 *            beyond what is reserved: where the reservation still grows the call waits, where it does not the answer
 *            ends with "length". A client that goes away cancels its streams; the call stays until their ENDs have
 *            come, and is settled for what was made. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "serve/server_internal.h"

enum {
    SSE_HIGH = 64 << 10, /* bytes a slow client may leave unread before its request pauses */
    UNITS_OUT = 16,      /* of one call at the engine at a time: a list of thousands leaves room for others in the queue */
    /* Events of one prompt that are taken in a turn of the loop. A small model writes faster than log-probabilities are
     * put into JSON: without an end to its turn one request would keep the loop, and its own stream, to itself. */
    PUMP_EVENTS = 64
};

bool glim_call_units(glim_call *c, size_t n) {
    void *mem;
    glim_err err = {0};
    if (glim_try_calloc(&mem, n, sizeof *c->units, "prompts", &err) != GLIM_OK) return glim_api_from(&c->error, &err, NULL);
    c->units = mem;
    c->n_units = n;
    return true;
}

static void fail(glim_call *c, int status, const char *code, const char *why) {
    if (!c->failed) glim_api_fail(&c->error, status, code, NULL, "%s", why && why[0] ? why : "the answer could not be finished");
    c->failed = true;
}

/* ---- desk and ledger ---- */

enum MHD_Result glim_call_begin(glim_call *c) {
    glim_server *s = c->s;
    if (c->route->prepare) {
        glim_sched_stats st;
        if (s->draining) {
            glim_api_fail(&c->error, 503, "shutting_down", NULL, "the server is shutting down and takes no new requests");
            c->error.retry_ms = 1000;
            return glim_call_fail(c);
        }
        /* The scheduler has the last word; this is so that what it would refuse costs nothing. */
        glim_sched_stats_get(c->b->d, &st);
        if (st.waiting + s->n_coming >= st.max_waiting) {
            glim_api_fail(&c->error, 429, "queue_full", NULL, "the queue is full: %zu requests are waiting", st.waiting + s->n_coming);
            c->error.retry_ms = 1000;
            return glim_call_fail(c);
        }
    }
    c->state = CALL_WORKING;
    c->listed = true;
    c->next = s->calls;
    if (s->calls) s->calls->prev = c;
    s->calls = c;
    c->away = true;
    s->n_away++;
    s->n_coming += c->route->prepare != NULL;
    glim_call_suspend(c);
    glim_desk_put(c);
    return MHD_YES;
}

static void reserved(void *ctx, glim_hold *hold, glim_verdict v, const glim_err *err) {
    glim_call *c = ctx;
    c->hold = hold;
    c->verdict = v;
    if (v == GLIM_VERDICT_KEY) glim_api_fail(&c->error, 401, "invalid_api_key", NULL, "this key is not known, or not valid any more");
    else if (v == GLIM_VERDICT_TOKENS || v == GLIM_VERDICT_MONEY) {
        glim_api_fail(&c->error, 429, "insufficient_quota", NULL, "%s%s%s", err->msg, err->hint[0] ? "; " : "", err->hint);
        c->error.no_retry = true; /* a budget does not come back in a minute */
    } else if (v == GLIM_VERDICT_FULL) {
        glim_api_fail(&c->error, 429, "queue_full", NULL, "%s", err->msg);
        c->error.retry_ms = 1000;
    } else if (v != GLIM_VERDICT_GRANTED) {
        glim_api_from(&c->error, err, NULL); /* a full disk is said as such */
        if (!c->error.code || strcmp(c->error.code, "disk_full") != 0) {
            /* What else went wrong names the server's own files: that is for its log. */
            glim_log(GLIM_ERROR, "serve", "request %s is refused, nothing can be accounted for: %s", c->id, err->msg);
            glim_api_fail(&c->error, 503, "ledger", NULL, "nothing can be accounted for now; the server's log says why");
        }
        c->error.retry_ms = 5000;
    }
    c->ready = v == GLIM_VERDICT_GRANTED;
    glim_mail_put(c);
}

/* What to reserve: all prompts, and of each choice at most what its context holds. */
static void reserve(glim_call *c) {
    glim_reserve r = {.request = c->id, .key = c->keyed ? c->key.id : NULL, .model = c->model};
    bool open_end = false;
    for (size_t i = 0; i < c->n_units; i++) {
        const glim_unit *u = &c->units[i];
        size_t room = c->b->facts.n_ctx - u->ids.n + 1; /* the last id is chosen, not read; glim_prompt_fits: ids.n <= n_ctx */
        r.prompt += (int64_t)u->ids.n;
        if (u->r.task != GLIM_TASK_GENERATE) continue;
        if (u->r.max_tokens == 0) open_end = true;
        r.completion += (int64_t)((u->r.max_tokens && u->r.max_tokens < room ? u->r.max_tokens : room) * (u->r.n ? u->r.n : 1));
    }
    if (open_end) r.completion = 0;
    else if (r.completion == 0) r.completion = 1; /* nothing is generated; 0 would mean "not known" */
    glim_ledger_reserve_async(c->s->store, &r, reserved, c);
}

void glim_call_prepare(glim_call *c) {
    if (c->route->work) {
        c->ready = c->route->work(c);
        glim_mail_put(c);
        return;
    }
    int64_t n_prompt = 0;
    c->ready = c->route->prepare(c);
    for (size_t i = 0; i < c->n_units; i++) n_prompt += (int64_t)c->units[i].ids.n;
    c->ready = c->ready && glim_call_admit(c, n_prompt);
    if (c->ready) reserve(c);
    else glim_mail_put(c);
}

/* ---- the engine ---- */

static bool submit(glim_call *c, glim_unit *u) {
    glim_err err = {0};
    u->r.prompt = u->ids.v;
    u->r.n_prompt = u->ids.n;
    u->r.user = c;
    u->r.outbox = c->b->box;
    u->r.tenant = glim_call_tenant(c);
    u->r.adapter = c->adapter;
    u->r.pinned = c->pinned;
    glim_status rc = glim_sched_submit(c->b->d, &u->r, &u->stream, &err);
    if (rc != GLIM_OK) {
        if (rc == GLIM_E_LIMIT) return glim_api_fail(&c->error, 400, "context_length_exceeded", NULL, "%s", err.msg);
        return glim_api_from(&c->error, &err, NULL);
    }
    u->r.mask = (glim_mask_hook){0}; /* the scheduler's now */
    c->n_open++;
    return true;
}

static void settle(glim_call *c) {
    if (!c->hold) return;
    if (c->route->reasoning) c->used.reasoning = c->route->reasoning(c);
    if (c->used.reasoning > c->used.completion) c->used.reasoning = c->used.completion;
    glim_hold_end(c->hold, &c->used, c->gone || c->failed ? GLIM_OUTCOME_ABORTED : GLIM_OUTCOME_DONE);
    c->hold = NULL;
}

static void end(glim_call *c) {
    double now = glim_now_s();
    c->ended = true;
    if (c->route->prepare) {
        settle(c);
        glim_hist_add(&c->s->metrics.e2e, now - c->t0);
        if (c->n_longest) glim_hist_add(&c->s->metrics.longest, c->n_longest);
        glim_log(GLIM_INFO, "serve", "done id=%s key=%s tenant=%s model=%s prompt=%lld cached=%lld completion=%lld reasoning=%lld first_ms=%.1f ms=%.1f end=%s",
                 c->id, c->keyed ? c->key.id : GLIM_KEY_LOCAL, glim_call_tenant(c), c->model ? c->model : "-", (long long)c->used.prompt,
                 (long long)c->used.cached, (long long)c->used.completion, (long long)c->used.reasoning,
                 c->t_first > 0 ? (c->t_first - c->t0) * 1e3 : 0, (now - c->t0) * 1e3,
                 c->gone ? "client_gone" : c->failed ? "failed" : c->cut ? "budget" : "done");
    }
}

/* Hands over what the call has left, as far as it may; a full queue is an error only to a call that has not begun: what was made
 * for one that has would be lost, though it is charged, and asked for again. */
static void send_units(glim_call *c) {
    if (c->s->close_at > 0 && c->route->prepare && c->n_sent < c->n_units && !c->gone && !c->cut) /* the drain ended while it was at a desk, or waited */
        fail(c, 503, "shutting_down", "the server is shutting down");
    while (c->route->prepare && !c->failed && !c->gone && !c->cut && c->n_sent < c->n_units && c->n_open < UNITS_OUT) {
        if (c->n_sent > 0) { /* a look first: a call that goes on is not refused, and not counted as such */
            glim_sched_stats st;
            glim_sched_stats_get(c->b->d, &st);
            if (st.waiting >= st.max_waiting) {
                c->hungry = c->hungry || c->n_open == 0;
                return;
            }
        }
        if (submit(c, &c->units[c->n_sent])) {
            c->n_sent++;
            continue;
        }
        if (c->error.status == 429 && c->n_sent > 0) {
            c->hungry = c->hungry || c->n_open == 0; /* nothing of its own will end and call us */
            return;
        }
        c->failed = true;
        glim_call_cancel(c);
    }
}

void glim_call_back(glim_call *c) {
    c->away = false;
    c->s->n_away--;
    c->s->n_coming -= c->route->prepare != NULL;
    if (!c->ready) c->failed = true;
    send_units(c);
    if (c->n_open > 0) return;
    end(c);
    if (c->conn) glim_call_resume(c);
    glim_call_release(c);
}

static void measure(glim_call *c, const glim_event *ev, double now) {
    glim_metrics *m = &c->s->metrics;
    if (ev->kind == GLIM_EV_TOKEN) {
        if (ev->pos >= c->n_longest) c->n_longest = ev->pos + 1;
        if (c->t_first <= 0) {
            c->t_first = now;
            glim_hist_add(&m->ttft, now - c->t0);
        } else if (ev->choice == 0) {
            glim_hist_add(&m->gap, now - c->t_last);
        }
        if (ev->choice == 0) c->t_last = now;
    } else if (ev->kind == GLIM_EV_FINISH) {
        m->finished[ev->finish == GLIM_FINISH_LENGTH ? 1 : ev->finish == GLIM_FINISH_CANCELLED || ev->finish == GLIM_FINISH_ERROR ? 2 : 0]++;
    } else if (ev->kind == GLIM_EV_END) {
        glim_hist_add(&m->queue, ev->usage.queue_s);
        glim_hist_add(&m->prefill, ev->usage.prefill_s);
        glim_hist_add(&m->decode, ev->usage.decode_s);
        glim_hist_add(&m->prompt, (double)ev->usage.n_prompt);
        glim_hist_add(&m->generated, (double)ev->usage.n_completion);
    }
}

/* The budget holds no more: what is there is the answer. */
static void cut(glim_call *c) {
    if (c->cut) return;
    c->cut = true;
    glim_call_cancel(c);
}

/* False: this token is not to be shown. */
static bool account(glim_call *c, glim_unit *u, glim_event *ev) {
    if (!u->started && ev->kind != GLIM_EV_FINISH) { /* who leaves while he waits has a FINISH too, of a prompt that nobody read */
        u->started = true;
        c->used.prompt += (int64_t)u->ids.n;
    }
    if (ev->kind == GLIM_EV_TOKEN) {
        if (c->cut) return false;
        if (glim_hold_room(c->hold) <= 0) { /* a client that reads is made to wait before this (pump_unit) */
            if (!c->gone) cut(c);
            return false;
        }
        u->n_tokens++;
        c->used.completion++;
    } else if (ev->kind == GLIM_EV_END) {
        if (u->started) c->used.cached += (int64_t)ev->usage.n_cached;
        ev->usage.n_completion = u->n_tokens; /* what is charged is what is said */
    }
    glim_hold_progress(c->hold, c->used.prompt, c->used.cached, c->used.completion);
    return true;
}

static bool is_over(const glim_call *c, size_t i, uint32_t choice) { return c->route->over && c->route->over(c, i, choice); }

static void take(glim_call *c, size_t i, glim_event *ev) {
    bool shown = !c->gone && !c->failed;
    /* The model went on behind the end of its reply for a step or two: not said, not charged. */
    if (ev->kind == GLIM_EV_TOKEN && shown && is_over(c, i, ev->choice)) return;
    if (ev->kind == GLIM_EV_FINISH && shown && ev->finish == GLIM_FINISH_LENGTH && is_over(c, i, ev->choice)) ev->finish = GLIM_FINISH_STOP;
    measure(c, ev, glim_now_s());
    if (ev->kind == GLIM_EV_END && !c->units[i].started && ev->usage.prefill_s <= 0) ev->usage = (glim_usage){0}; /* cancelled before its prompt was read */
    else if (!account(c, &c->units[i], ev)) return;
    if (ev->kind == GLIM_EV_FINISH && ev->finish == GLIM_FINISH_CANCELLED) {
        if (c->cut) ev->finish = GLIM_FINISH_LENGTH;
        else if (!c->gone) fail(c, 503, "shutting_down", "the server is shutting down"); /* nobody else cancels: it is no end of its own */
    }
    if (ev->kind == GLIM_EV_FINISH && ev->finish == GLIM_FINISH_ERROR) {
        if (c->units[i].r.sample.n_bias > 0 && !c->failed) { /* what the client banned may be all that was left to say */
            fail(c, 400, "invalid_value", ev->message);
            snprintf(c->error.param, sizeof c->error.param, "logit_bias");
        }
        fail(c, 500, "generation_failed", ev->message);
        c->error.no_retry = true; /* the same request would fail again */
    }
    if (ev->kind == GLIM_EV_END && ev->status != GLIM_OK && !c->cut) {
        if (ev->status == GLIM_E_CANCELLED) fail(c, 503, "shutting_down", "the server is shutting down");
        else {
            if (ev->status == GLIM_E_NOMEM) c->failed = false; /* the choices' ends came first, which know no reason: this is it */
            fail(c, ev->status == GLIM_E_NOMEM ? 503 : 500, ev->status == GLIM_E_NOMEM ? "overloaded" : NULL, ev->message);
        }
    }
    if (!c->gone && !c->failed && !c->route->event(c, i, ev)) c->failed = true;
    if (ev->kind == GLIM_EV_TOKEN && !c->gone && !c->failed && is_over(c, i, ev->choice)) glim_stream_enough(c->units[i].stream, ev->choice);
}

static void pump_unit(glim_call *c, size_t i) {
    glim_unit *u = &c->units[i];
    glim_event ev;
    int left = PUMP_EVENTS;
    while (u->stream && (c->gone || c->failed || !c->stream || c->sse.len - c->sse_at < SSE_HIGH)) {
        if (!c->gone && !c->failed && !c->cut && glim_hold_room(c->hold) <= 0 && !glim_hold_refused(c->hold)) {
            c->hungry = true; /* it grows within milliseconds */
            return;
        }
        if (left-- == 0) {
            c->hungry = true;
            ssize_t n = write(c->s->bell, &(uint64_t){1}, sizeof(uint64_t)); /* the loop comes back at once */
            (void)n;
            return;
        }
        if (!glim_stream_next(u->stream, &ev)) return;
        c->started = true;
        take(c, i, &ev);
        if (ev.kind != GLIM_EV_END) {
            /* Shown choice by choice: what waits for the client stays bounded. */
            if (c->stream && ev.kind == GLIM_EV_FINISH && !c->gone && !c->failed) c->route->chunks(c, &c->sse, false);
            continue;
        }
        glim_stream_close(u->stream);
        u->stream = NULL;
        c->n_open--;
    }
}

static void put_failure(glim_call *c) {
    if (c->route->failed) {
        c->route->failed(c, &c->sse);
        return;
    }
    glim_buf_puts(&c->sse, "data: ");
    glim_api_error_json(&c->sse, &c->error);
    glim_buf_puts(&c->sse, "\n\n");
}

/* What a budget left no room for ends before it began. */
static void skip_units(glim_call *c) {
    for (; c->cut && !c->gone && !c->failed && c->n_sent < c->n_units; c->n_sent++)
        for (uint32_t k = 0; k < (c->units[c->n_sent].r.n ? c->units[c->n_sent].r.n : 1); k++)
            if (!c->route->event(c, c->n_sent, &(glim_event){.kind = GLIM_EV_FINISH, .choice = k, .finish = GLIM_FINISH_LENGTH, .stop_id = -1, .text = "", .message = ""}))
                c->failed = true;
}

void glim_call_pump(glim_call *c) {
    if (c->ended || c->away) return;
    c->hungry = false;
    for (size_t i = 0; i < c->n_sent; i++) pump_unit(c, i);
    send_units(c);
    skip_units(c);
    bool over = c->n_open == 0 && (c->n_sent == c->n_units || c->failed || c->gone); /* else it waits for a place in the queue */
    if (c->failed && !over) glim_call_cancel(c);
    if (over) end(c);
    if (c->stream && c->started && !c->gone) {
        if (!c->failed) c->route->chunks(c, &c->sse, over);
        else if (over && c->state == CALL_ANSWERED) put_failure(c);
        if (c->sse.failed) glim_call_lose(c);
    }
    bool ready = over || (c->stream && c->started && !c->failed && (c->state == CALL_WORKING || c->sse.len > c->sse_at));
    if (c->conn && (ready || c->gone)) glim_call_resume(c);
    if (c->ended) glim_call_release(c);
}

void glim_call_cancel(glim_call *c) {
    if (c->away) return; /* a desk may be making them; the mail sees that nobody waits any more */
    for (size_t i = 0; i < c->n_units; i++)
        if (c->units[i].stream) glim_stream_cancel(c->units[i].stream);
}

void glim_call_shut(glim_call *c) {
    if (c->away || c->ended || c->cut || c->n_open == 0) return; /* send_units sees that the time is over */
    fail(c, 503, "shutting_down", "the server is shutting down"); /* from here on nothing waits for a slow reader */
    glim_call_cancel(c);
}

void glim_call_tick(glim_call *c, double now) {
    if (c->away || c->ended) return;
    if (c->hold && glim_hold_revoked(c->hold) && !c->failed) {
        fail(c, 401, "invalid_api_key", "this key is not valid any more");
        glim_call_cancel(c);
    }
    if (!c->stream || c->gone || c->failed || !c->suspended || now - c->t_wrote < c->s->p.ping_s || now - c->t0 < c->s->p.ping_s) return;
    c->t_wrote = now;
    glim_buf_puts(&c->sse, ": ping\n\n");
    c->started = true;
    glim_call_resume(c);
}

/* ---- answering ---- */

static ssize_t read_sse(void *ctx, uint64_t pos, char *out, size_t max) {
    glim_call *c = ctx;
    (void)pos;
    if (c->gone) return MHD_CONTENT_READER_END_WITH_ERROR;
    if (c->sse_at == c->sse.len && !c->ended) glim_call_pump(c);
    size_t n = c->sse.len - c->sse_at;
    if (n == 0) {
        if (c->ended) return MHD_CONTENT_READER_END_OF_STREAM;
        if (c->link->hung) {
            glim_call_lose(c);
            return MHD_CONTENT_READER_END_WITH_ERROR;
        }
        glim_call_suspend(c);
        return 0;
    }
    if (n > max) n = max;
    memcpy(out, c->sse.s + c->sse_at, n);
    c->sse_at += n;
    c->t_wrote = glim_now_s();
    c->link->deadline = c->t_wrote + c->s->p.request_s; /* the library asks again when these bytes are gone */
    if (c->sse_at == c->sse.len) {
        glim_buf_clear(&c->sse);
        c->sse_at = 0;
    }
    return (ssize_t)n;
}

static enum MHD_Result queue_stream(glim_call *c) {
    struct MHD_Response *r = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16 << 10, read_sse, c, NULL);
    if (!r) return MHD_NO;
    MHD_add_response_header(r, "Content-Type", "text/event-stream");
    MHD_add_response_header(r, "Cache-Control", "no-cache");
    MHD_add_response_header(r, "X-Accel-Buffering", "no");
    c->t_wrote = glim_now_s();
    return glim_call_queue(c, 200, r);
}

enum MHD_Result glim_call_continue(glim_call *c) {
    if (c->gone) return MHD_NO;
    if (c->failed && c->ended) return glim_call_fail(c);
    if (c->stream && c->started && !c->failed) return queue_stream(c);
    if (!c->ended) {
        if (c->link->hung) {
            glim_call_lose(c);
            return MHD_NO;
        }
        glim_call_suspend(c);
        return MHD_YES;
    }
    if (c->has_file) return glim_call_file(c);
    if (c->route->prepare) {
        glim_buf_clear(&c->reply);
        c->route->whole(c, &c->reply);
    }
    return glim_call_reply(c, c->reply_status ? c->reply_status : 200, c->reply_type ? c->reply_type : "application/json", &c->reply);
}
