/* desk_say.c - the server's model as the language model of the service desk: a request like any other, reserved, charged and
 * settled, but waited for. Whatever goes wrong, the desk has an answer of its own: nothing here fails the call. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "serve/server_internal.h"

enum { LOOK_MS = 100 }; /* how soon a server that is closing, or a client that left, is noticed */

/* What the call's error says is the caller's now. */
static glim_status not_the_calls(glim_call *c, glim_err *err) {
    glim_status rc = glim_fail(err, GLIM_E_STATE, "%s", c->error.message);
    c->error = (glim_api_error){0};
    return rc;
}

typedef struct talk {
    glim_call *c;
    glim_hold *hold;
    glim_stream *stream;
    glim_tokens used;
    int64_t n_prompt;
    glim_reply reply;
    glim_usage usage;
    glim_finish finish;
    glim_status status;
} talk;

static void take(talk *t, const glim_event *ev, glim_err *err) {
    /* Who leaves while he waits has a FINISH and an END too, of a prompt that nobody read. */
    if (ev->kind == GLIM_EV_TOKEN || (ev->kind == GLIM_EV_END && ev->usage.prefill_s > 0)) t->used.prompt = t->n_prompt;
    if (ev->kind == GLIM_EV_TOKEN) t->used.completion++;
    if (ev->kind == GLIM_EV_END) {
        t->usage = ev->usage;
        t->used.cached = (int64_t)ev->usage.n_cached;
        if (t->status == GLIM_OK && ev->status != GLIM_OK) t->status = glim_fail(err, ev->status, "%s", ev->message);
    }
    glim_hold_progress(t->hold, t->used.prompt, t->used.cached, t->used.completion);
    if (ev->kind == GLIM_EV_FINISH) t->finish = ev->finish;
    if ((ev->kind == GLIM_EV_TOKEN || ev->kind == GLIM_EV_FINISH) && ev->n_text && t->status == GLIM_OK) t->status = glim_reply_put(&t->reply, ev->text, ev->n_text, err);
}

static void hear(talk *t, glim_outbox *box, glim_err *err) {
    glim_event ev;
    for (bool over = false; !over;) {
        while (glim_outbox_next(box))
            while (!over && glim_stream_next(t->stream, &ev)) {
                take(t, &ev, err);
                over = ev.kind == GLIM_EV_END;
            }
        if (over) break;
        if (t->c->s->closing || t->c->gone || glim_hold_revoked(t->hold)) glim_stream_cancel(t->stream);
        glim_outbox_wait(box, LOOK_MS);
    }
}

glim_status glim_desk_say(void *ctx, const glim_shop_prompt *p, glim_shop_said *out, glim_err *err) {
    glim_call *c = ctx;
    glim_ids ids = {0};
    glim_mask_hook mask = {0};
    bool in_reasoning = false;
    talk t = {.c = c};
    double t0 = glim_now_s();
    json_t *messages = json_pack("[{s:s, s:s}, {s:s, s:s}]", "role", "system", "content", p->system, "role", "user", "content", p->user);
    glim_outbox *box = glim_outbox_new(NULL, NULL);
    glim_status rc = messages ? GLIM_OK : glim_fail(err, GLIM_E_FORMAT, "the prompt is no UTF-8 text");
    if (rc == GLIM_OK && c->gone) rc = glim_fail(err, GLIM_E_CANCELLED, "nobody waits for the answer");
    if (rc == GLIM_OK && !glim_prompt_chat(c, messages, NULL, &(glim_chat_options){.thinking = -1}, NULL, &ids, &in_reasoning)) rc = not_the_calls(c, err);
    if (rc == GLIM_OK && !glim_call_admit(c, (int64_t)ids.n)) rc = not_the_calls(c, err);
    if (rc == GLIM_OK) {
        glim_constraint_spec spec = {.choices = p->choices, .kind = c->b->e->chat, .think = in_reasoning ? GLIM_THINK_OPENED : GLIM_THINK_NONE};
        rc = glim_grammar_hook(c->b, &spec, &mask, err);
    }
    if (rc == GLIM_OK)
        rc = glim_ledger_reserve(c->s->store, &(glim_reserve){c->id, c->keyed ? c->key.id : NULL, c->model, (int64_t)ids.n, (int64_t)p->max_tokens}, &t.hold, NULL, err);
    if (rc == GLIM_OK) {
        glim_request r = {.prompt = ids.v, .n_prompt = ids.n, .max_tokens = p->max_tokens, .for_reply = true, .mask = mask, .outbox = box,
                          .tenant = glim_call_tenant(c), .adapter = c->adapter, .pinned = c->pinned};
        rc = glim_sched_submit(c->b->d, &r, &t.stream, err);
        if (rc == GLIM_OK) mask = (glim_mask_hook){0}; /* the scheduler's now */
    }
    glim_reply_init(&t.reply, c->b->e->chat, NULL, in_reasoning, false);
    if (rc == GLIM_OK) {
        t.n_prompt = (int64_t)ids.n;
        hear(&t, box, err);
        rc = t.status;
        if (rc == GLIM_OK) rc = glim_reply_end(&t.reply, err);
        if (rc == GLIM_OK && t.finish != GLIM_FINISH_STOP) rc = glim_fail(err, GLIM_E_LIMIT, "the answer did not come to its end");
        if (rc == GLIM_OK) {
            out->text = t.reply.content;
            t.reply.content = (glim_buf){0};
        }
        out->n_prompt = ids.n;
        out->n_tokens = (size_t)t.used.completion;
        out->prefill_s = t.usage.prefill_s;
        out->decode_s = t.usage.decode_s;
        glim_log(GLIM_INFO, "serve", "desk id=%s tenant=%s model=%s prompt=%zu cached=%lld completion=%zu ms=%.1f", c->id, glim_call_tenant(c), c->model, ids.n,
                 (long long)t.used.cached, out->n_tokens, (glim_now_s() - t0) * 1e3);
    }
    if (t.hold) {
        out->cost = glim_hold_cost(t.hold, &t.used);
        glim_hold_end(t.hold, &t.used, t.stream && !c->gone ? GLIM_OUTCOME_DONE : GLIM_OUTCOME_ABORTED);
    }
    if (t.stream) glim_stream_close(t.stream);
    glim_outbox_free(box);
    if (mask.free) mask.free(mask.ctx);
    glim_reply_free(&t.reply);
    glim_ids_free(&ids);
    json_decref(messages);
    return rc;
}
