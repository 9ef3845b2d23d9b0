/* route_responses.c - POST /v1/responses, without memory: a chat completion asked for and answered in other words. And
 * /v1/responses/input_tokens, which only counts. */
#include <stdlib.h>

#include "base/alloc.h"
#include "serve/fields.h"
#include "serve/responses_ask.h"
#include "serve/responses_out.h"
#include "serve/routes.h"

typedef struct task {
    json_t *body, *tools;
    glim_ask ask;
    glim_out out;
    glim_responses_out show;
    bool has_out;
} task;

/* The body as a chat completion, checked; its prompt into ids. */
static bool read_body(glim_call *c, task *t, glim_ids *ids, bool *in_reasoning) {
    json_t *chat = NULL;
    t->body = glim_call_json(c);
    if (!t->body) return false;
    glim_buf_free(&c->body);
    if (!glim_route_read_model(c, t->body) || !glim_responses_ask(t->body, &chat, &t->tools, &c->error)) return false;
    bool ok = glim_ask_chat(&t->ask, chat, &c->b->facts, &c->error) &&
              glim_prompt_chat(c, t->ask.messages, t->ask.tools, &(glim_chat_options){.thinking = t->ask.thinking, .keep_thinking = t->ask.keep_thinking}, "input", ids, in_reasoning);
    if (!ok) glim_responses_rename(&c->error);
    return ok;
}

bool glim_responses_prepare(glim_call *c) {
    task *t = c->task = glim_xcalloc(1, sizeof *t);
    const glim_ask *a = &t->ask;
    bool in_reasoning = false;
    glim_err err = {0};
    if (!glim_call_units(c, 1)) return false;
    glim_unit *u = &c->units[0];
    if (!read_body(c, t, &u->ids, &in_reasoning)) return false;
    c->stream = a->stream;
    t->has_out = true; /* half made is freed too */
    if (glim_out_init(&t->out, a, c->b->e, c->model, c->b->fingerprint, in_reasoning, &err) != GLIM_OK) return glim_api_from(&c->error, &err, NULL);
    glim_responses_out_init(&t->show, &t->out, t->body, t->tools, c->model);
    u->r = (glim_request){.sample = a->sample, .max_tokens = a->max_tokens, .n = 1, .stop = a->stop, .n_stop = a->n_stop, .for_reply = true, .priority = -a->priority};
    if (glim_chat_constrain(c, a, in_reasoning, &u->r.mask)) return true;
    glim_responses_rename(&c->error);
    return false;
}

bool glim_responses_event(glim_call *c, size_t i, const glim_event *ev) {
    task *t = c->task;
    glim_err err = {0};
    (void)i;
    return glim_out_event(&t->out, ev->choice, ev, &err) == GLIM_OK || glim_api_from(&c->error, &err, NULL);
}

bool glim_responses_over(const glim_call *c, size_t i, uint32_t choice) {
    (void)i;
    return glim_out_over(&((const task *)c->task)->out, choice);
}
void glim_responses_chunks(glim_call *c, glim_buf *sse, bool last) { glim_responses_events(&((task *)c->task)->show, sse, last); }
void glim_responses_reply(glim_call *c, glim_buf *body) { glim_responses_whole(&((task *)c->task)->show, body); }
void glim_responses_fail(glim_call *c, glim_buf *sse) { glim_responses_failed(&((task *)c->task)->show, sse, &c->error); }
int64_t glim_responses_reasoning(const glim_call *c) { return (int64_t)glim_out_reasoning(&((const task *)c->task)->out); }

bool glim_responses_count(glim_call *c) {
    task *t = c->task = glim_xcalloc(1, sizeof *t);
    glim_ids ids = {0};
    bool in_reasoning, ok = read_body(c, t, &ids, &in_reasoning);
    if (ok) glim_buf_printf(&c->reply, "{\"object\": \"response.input_tokens\", \"input_tokens\": %zu}", ids.n);
    glim_ids_free(&ids);
    return ok;
}

void glim_responses_release(glim_call *c) {
    task *t = c->task;
    if (!t) return;
    if (t->has_out) glim_out_free(&t->out);
    glim_ask_free(&t->ask);
    json_decref(t->body);
    json_decref(t->tools);
    free(t);
}
