/* generate.c - a completion's life: read, render, submit, follow the engine's events, answer.
 *
 *   READING --submit--> WORKING (suspended) --first event--> stream queued --events--> content reader --> END
 *                                       \---- all ENDs ----> whole reply queued
 *
 * A client that goes away cancels its streams; the call stays until their ENDs have come. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "serve/server_internal.h"

enum { SSE_HIGH = 64 << 10 }; /* bytes a slow client may leave unread before its request pauses */

/* ---- grammars ---- */

typedef struct mask_ctx {
    glim_constraint_state *state;
    uint32_t *bits;
    size_t n_words;
} mask_ctx;

static mask_ctx *mask_new(glim_constraint_state *state, size_t n_words) {
    mask_ctx *m = glim_xcalloc(1, sizeof *m);
    m->state = state;
    m->n_words = n_words;
    m->bits = glim_xcalloc(n_words, sizeof *m->bits);
    return m;
}
static void mask_free(void *ctx) {
    mask_ctx *m = ctx;
    if (!m) return;
    glim_constraint_state_free(m->state);
    free(m->bits);
    free(m);
}
static const uint32_t *mask_bits(void *ctx, glim_err *err) {
    mask_ctx *m = ctx;
    if (glim_constraint_mask(m->state, m->bits, NULL, err) != GLIM_OK) memset(m->bits, 0, m->n_words * sizeof *m->bits);
    return m->bits;
}
static bool mask_accept(void *ctx, int32_t id) {
    mask_ctx *m = ctx;
    return glim_constraint_accept(m->state, id, NULL) == GLIM_OK;
}
static void *mask_fork(void *ctx) {
    mask_ctx *m = ctx;
    glim_constraint_state *s;
    return glim_constraint_state_fork(&s, m->state, NULL) == GLIM_OK ? mask_new(s, m->n_words) : NULL;
}

static glim_status make_mask(glim_call *c, bool in_reasoning, glim_mask_hook *hook, glim_err *err) {
    glim_constraint *g = NULL;
    glim_constraint_state *state;
    glim_status rc = glim_server_grammar(c->s, &c->ask, in_reasoning, &g, err);
    if (rc != GLIM_OK || !g) return rc;
    rc = glim_constraint_state_new(&state, g, err);
    glim_constraint_free(g); /* the state holds its own reference */
    if (rc != GLIM_OK) return rc;
    *hook = (glim_mask_hook){mask_new(state, glim_constraint_vocab_words(c->s->vocab)), mask_bits, mask_accept, mask_fork, mask_free};
    return GLIM_OK;
}

glim_status glim_server_grammar(glim_server *s, const glim_ask *a, bool in_reasoning, glim_constraint **out, glim_err *err) {
    *out = NULL;
    if (!a->schema && !a->json_object && !a->tools) return GLIM_OK;
    if (!s->vocab) {
        glim_status rc = glim_constraint_vocab_new(&s->vocab, s->e->tok, s->e->stops, s->e->n_stops, 0, err);
        if (rc != GLIM_OK) return rc;
        s->grammars = glim_constraint_cache_new(s->vocab, (size_t)128 << 20);
    }
    /* Only the templates of 4.5 and later let a reply begin with <think> by itself. */
    bool may = (s->e->chat == GLIM_CHAT_GLM45 || s->e->chat == GLIM_CHAT_GLM47 || s->e->chat == GLIM_CHAT_GLM41V) && a->thinking >= 0;
    glim_constraint_spec spec = {.schema = a->schema, .json_object = a->json_object, .lenient = a->schema && !a->schema_strict,
                                 .tools = a->tools, .tool_choice = a->tool_choice, .single_call = a->single_call, .kind = s->e->chat,
                                 .think = in_reasoning ? GLIM_THINK_OPENED : may ? GLIM_THINK_MAY : GLIM_THINK_NONE};
    return glim_constraint_cache_get(s->grammars, out, &spec, err);
}

/* ---- prompts ---- */

static bool too_long(glim_call *c, size_t n, const char *param) {
    return glim_api_fail(&c->error, 400, "context_length_exceeded", param, "the prompt has %zu tokens, this model's context holds %zu", n,
                         c->s->facts.n_ctx);
}

/* A text that is too long whatever its tokens are is refused before it costs the time to cut it into tokens. */
static bool check_bytes(glim_call *c, size_t n_bytes, const char *param) {
    if (n_bytes / c->s->max_piece <= c->s->facts.n_ctx) return true;
    return glim_api_fail(&c->error, 400, "context_length_exceeded", param, "the prompt has %zu bytes, far more than the %zu tokens of this model's context",
                         n_bytes, c->s->facts.n_ctx);
}

static bool chat_prompt(glim_call *c, glim_ids *ids, bool *in_reasoning) {
    glim_prompt p = {0};
    glim_err err = {0};
    glim_status rc = glim_engine_can_chat(c->s->e, &err);
    if (rc == GLIM_OK) rc = glim_chat_render(&p, c->s->e->chat, c->ask.messages, c->ask.tools, &(glim_chat_options){.thinking = c->ask.thinking}, &err);
    bool ok = rc == GLIM_OK && check_bytes(c, p.text.len, "messages");
    if (ok) rc = glim_prompt_encode(&p, c->s->e->tok, ids, &err);
    *in_reasoning = p.in_reasoning;
    glim_prompt_free(&p);
    if (rc != GLIM_OK) return glim_api_from(&c->error, &err, "messages");
    if (!ok) return false;
    return ids->n <= c->s->facts.n_ctx || too_long(c, ids->n, "messages");
}

static bool text_prompt(glim_call *c, const glim_ask_prompt *p, glim_ids *ids) {
    glim_err err = {0};
    glim_status rc = GLIM_OK;
    if (p->text) {
        if (!check_bytes(c, p->n_text, "prompt")) return false;
        rc = glim_tok_encode(c->s->e->tok, p->text, p->n_text, GLIM_TOK_PREFIX, ids, &err);
    }
    for (size_t i = 0; i < json_array_size(p->ids) && rc == GLIM_OK; i++)
        rc = glim_ids_push(ids, (int32_t)json_integer_value(json_array_get(p->ids, i)), &err);
    if (rc != GLIM_OK) return glim_api_from(&c->error, &err, "prompt");
    if (ids->n == 0) return glim_api_fail(&c->error, 400, "invalid_value", "prompt", "\"prompt\": got no tokens, want at least one");
    return ids->n <= c->s->facts.n_ctx || too_long(c, ids->n, "prompt");
}

/* ---- submitting ---- */

static bool submit(glim_call *c, const glim_ids *ids, size_t at, bool in_reasoning) {
    const glim_ask *a = &c->ask;
    glim_err err = {0};
    glim_request r = {.prompt = ids->v, .n_prompt = ids->n, .sample = a->sample, .max_tokens = a->max_tokens, .n = a->n,
                      .stop = a->stop, .n_stop = a->n_stop, .for_reply = a->chat, .logprobs = a->logprobs, .top_logprobs = a->top_logprobs,
                      .prompt_logprobs = a->echo && a->logprobs, .user = c, .outbox = c->s->box};
    r.sample.choice = at * a->n; /* equal prompts of one request get different answers */
    if (!a->chat && a->max_tokens == 0) r.task = GLIM_TASK_SCORE, r.n = 1;
    glim_status rc = a->chat ? make_mask(c, in_reasoning, &r.mask, &err) : GLIM_OK;
    if (rc != GLIM_OK) return glim_api_from(&c->error, &err, a->schema || a->json_object ? "response_format" : "tools");
    rc = glim_sched_submit(c->s->d, &r, &c->streams[at], &err);
    if (rc == GLIM_OK) {
        c->n_streams++;
        c->n_open++;
        return true;
    }
    if (r.mask.free) r.mask.free(r.mask.ctx);
    return glim_api_from(&c->error, &err, NULL);
}

static bool echo(glim_call *c, const glim_ids *ids, size_t at) {
    glim_buf text = {0};
    size_t skip = 0;
    const int32_t *prefix;
    if (c->ask.prompts[at].text) skip = glim_tok_prefix(c->s->e->tok, &prefix); /* ours, not the client's */
    glim_tok_decode(c->s->e->tok, ids->v + skip, ids->n - skip, true, &text);
    for (size_t k = 0; k < c->ask.n; k++) glim_out_echo(&c->out, at * c->ask.n + k, glim_buf_cstr(&text), text.len);
    glim_buf_free(&text);
    return true;
}

static bool start(glim_call *c) {
    glim_err err = {0};
    size_t n = c->ask.chat ? 1 : c->ask.n_prompts;
    bool ok = true, in_reasoning = false;
    c->streams = glim_xcalloc(n, sizeof *c->streams);
    for (size_t i = 0; i < n && ok; i++) {
        glim_ids ids = {0};
        ok = c->ask.chat ? chat_prompt(c, &ids, &in_reasoning) : text_prompt(c, &c->ask.prompts[i], &ids);
        if (ok && !c->has_out) {
            c->has_out = true;
            ok = glim_out_init(&c->out, &c->ask, c->s->e, c->s->facts.model, c->s->fingerprint, in_reasoning, &err) == GLIM_OK ||
                 glim_api_from(&c->error, &err, NULL);
        }
        if (ok && c->ask.echo) ok = echo(c, &ids, i);
        if (ok) ok = submit(c, &ids, i, in_reasoning);
        glim_ids_free(&ids);
    }
    if (!ok)
        for (size_t i = 0; i < c->n_streams; i++) glim_stream_close(c->streams[i]), c->streams[i] = NULL;
    if (!ok) c->n_open = c->n_streams = 0;
    return ok;
}

static enum MHD_Result begin(glim_call *c, bool chat) {
    json_t *body = glim_call_json(c);
    if (!body) return glim_call_fail(c);
    c->has_ask = true;
    bool ok = chat ? glim_ask_chat(&c->ask, body, &c->s->facts, &c->error) : glim_ask_completion(&c->ask, body, &c->s->facts, &c->error);
    if (!ok || !start(c)) return glim_call_fail(c);
    glim_server *s = c->s;
    c->state = CALL_WORKING;
    c->next = s->calls;
    if (s->calls) s->calls->prev = c;
    s->calls = c;
    glim_call_suspend(c);
    return MHD_YES;
}

enum MHD_Result glim_call_chat(glim_call *c) { return begin(c, true); }
enum MHD_Result glim_call_completion(glim_call *c) { return begin(c, false); }

/* ---- following the engine ---- */

static void measure(glim_call *c, const glim_event *ev, double now) {
    glim_metrics *m = &c->s->metrics;
    if (ev->kind == GLIM_EV_TOKEN) {
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

static void fail(glim_call *c, int status, const char *code, const char *why) {
    if (!c->failed) glim_api_fail(&c->error, status, code, NULL, "%s", why && why[0] ? why : "the answer could not be finished");
    c->failed = true;
}

static void take(glim_call *c, size_t at, const glim_event *ev) {
    glim_err err = {0};
    measure(c, ev, glim_now_s());
    if (ev->kind == GLIM_EV_FINISH && ev->finish == GLIM_FINISH_ERROR) {
        fail(c, 500, NULL, ev->message); /* the same request would fail again */
        c->error.no_retry = true;
    }
    if (ev->kind == GLIM_EV_END) {
        if (ev->status == GLIM_E_CANCELLED) fail(c, 503, "shutting_down", "the server is shutting down");
        else if (ev->status != GLIM_OK) fail(c, ev->status == GLIM_E_NOMEM ? 503 : 500, ev->status == GLIM_E_NOMEM ? "overloaded" : NULL, ev->message);
    }
    glim_status rc = GLIM_OK;
    if (c->gone || c->failed) return;
    size_t choice = at * c->ask.n + ev->choice;
    if (ev->kind == GLIM_EV_PROMPT) /* read once for all choices of the prompt */
        for (size_t k = 0; k < c->ask.n && rc == GLIM_OK; k++) rc = glim_out_event(&c->out, at * c->ask.n + k, ev, &err);
    else rc = glim_out_event(&c->out, choice, ev, &err);
    /* max_tokens 0: nothing is generated, so one score stands for all choices. */
    if (ev->kind == GLIM_EV_FINISH && !c->ask.chat && c->ask.max_tokens == 0)
        for (size_t k = 1; k < c->ask.n && rc == GLIM_OK; k++) rc = glim_out_event(&c->out, choice + k, ev, &err);
    if (rc != GLIM_OK) fail(c, 500, NULL, err.msg);
}

static void pump_stream(glim_call *c, size_t at) {
    glim_event ev;
    while (c->streams[at] && (c->gone || !c->ask.stream || c->sse.len - c->sse_at < SSE_HIGH) && glim_stream_next(c->streams[at], &ev)) {
        c->started = true;
        take(c, at, &ev);
        if (ev.kind != GLIM_EV_END) {
            /* Shown as it comes: what waits for the client is bounded event by event. */
            if (c->ask.stream && ev.kind == GLIM_EV_FINISH && !c->gone && !c->failed) glim_out_chunks(&c->out, &c->sse, false);
            continue;
        }
        glim_stream_close(c->streams[at]);
        c->streams[at] = NULL;
        c->n_open--;
    }
}

void glim_call_pump(glim_call *c) {
    if (c->ended) return;
    for (size_t i = 0; i < c->n_streams; i++) pump_stream(c, i);
    bool over = c->n_open == 0;
    if (c->failed && !over) glim_call_cancel(c);
    if (c->ask.stream && c->started && !c->gone) {
        if (!c->failed) glim_out_chunks(&c->out, &c->sse, over);
        else if (over && c->state == CALL_ANSWERED) {
            glim_buf_puts(&c->sse, "data: ");
            glim_api_error_json(&c->sse, &c->error);
            glim_buf_puts(&c->sse, "\n\n");
        }
        if (c->sse.failed) c->gone = true;
    }
    if (over) {
        c->ended = true;
        glim_hist_add(&c->s->metrics.e2e, glim_now_s() - c->t0);
        glim_log(GLIM_INFO, "serve", "done id=%s prompt=%zu cached=%zu generated=%zu seconds=%.3f%s", c->id, c->out.usage.n_prompt,
                 c->out.usage.n_cached, c->out.usage.n_completion, glim_now_s() - c->t0, c->gone ? " client=gone" : c->failed ? " failed=1" : "");
    }
    bool ready = over || (c->ask.stream && c->started && !c->failed);
    if (c->conn && c->suspended && (ready || c->gone) && (c->state == CALL_WORKING || c->sse.len > c->sse_at || over || c->gone)) glim_call_resume(c);
    if (c->ended) glim_call_release(c);
}

void glim_call_cancel(glim_call *c) {
    for (size_t i = 0; i < c->n_streams; i++)
        if (c->streams[i]) glim_stream_cancel(c->streams[i]);
}

void glim_call_ping(glim_call *c, double now) {
    if (!c->ask.stream || c->gone || c->failed || c->ended || !c->conn || !c->suspended || now - c->t_wrote < c->s->p.ping_s) return;
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
        glim_call_suspend(c);
        return 0;
    }
    if (n > max) n = max;
    memcpy(out, c->sse.s + c->sse_at, n);
    c->sse_at += n;
    c->t_wrote = glim_now_s();
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
    glim_call_common_headers(c, r);
    c->state = CALL_ANSWERED;
    c->t_wrote = glim_now_s();
    c->s->metrics.responses[2]++;
    enum MHD_Result ok = MHD_queue_response(c->conn, 200, r);
    MHD_destroy_response(r);
    return ok;
}

enum MHD_Result glim_call_continue(glim_call *c) {
    if (c->gone) return MHD_NO;
    if (c->failed && c->ended) return glim_call_fail(c);
    if (c->ask.stream && c->started) return queue_stream(c);
    if (!c->ended) {
        glim_call_suspend(c);
        return MHD_YES;
    }
    glim_buf b = {0};
    glim_out_whole(&c->out, &b);
    return glim_call_reply(c, 200, "application/json", &b);
}
