/* route_chat.c - /v1/chat/completions and /v1/completions: from a body to units, from events to replies. */
#include <stdlib.h>

#include "base/alloc.h"
#include "serve/fields.h"
#include "serve/out.h"
#include "serve/routes.h"

typedef struct task {
    glim_ask ask;
    glim_out out;
    bool has_out;
} task;

/* Only the templates of 4.5 and later let a reply begin with <think> by itself. */
static glim_constraint_think think_of(const glim_call *c, const glim_ask *a, bool in_reasoning) {
    glim_chat_kind k = c->b->e->chat;
    if (in_reasoning) return GLIM_THINK_OPENED;
    return (k == GLIM_CHAT_GLM45 || k == GLIM_CHAT_GLM47 || k == GLIM_CHAT_GLM41V) && a->thinking >= 0 ? GLIM_THINK_MAY : GLIM_THINK_NONE;
}

bool glim_chat_constrain(glim_call *c, const glim_ask *a, bool in_reasoning, glim_mask_hook *hook) {
    glim_err err = {0};
    glim_constraint_spec spec = {.schema = a->schema, .json_object = a->json_object, .lenient = a->schema && !a->schema_strict,
                                 .tools = a->tools, .tool_choice = a->tool_choice, .single_call = a->single_call, .kind = c->b->e->chat,
                                 .think = think_of(c, a, in_reasoning)};
    if (glim_grammar_hook(c->b, &spec, hook, &err) == GLIM_OK) return true;
    return glim_api_from(&c->error, &err, a->schema || a->json_object ? "response_format" : "tools");
}

static bool make_unit(glim_call *c, task *t, size_t i) {
    const glim_ask *a = &t->ask;
    glim_unit *u = &c->units[i];
    bool in_reasoning = false;
    glim_err err = {0};
    if (a->chat) {
        if (!glim_prompt_chat(c, a->messages, a->tools, &(glim_chat_options){.thinking = a->thinking, .keep_thinking = a->keep_thinking}, "messages", &u->ids, &in_reasoning)) return false;
    } else if (a->prompts[i].text) {
        if (!glim_prompt_text(c, a->prompts[i].text, a->prompts[i].n_text, "prompt", &u->ids)) return false;
    } else {
        for (size_t k = 0; k < json_array_size(a->prompts[i].ids); k++)
            if (glim_ids_push(&u->ids, (int32_t)json_integer_value(json_array_get(a->prompts[i].ids, k)), &err) != GLIM_OK)
                return glim_api_from(&c->error, &err, "prompt");
        if (!glim_prompt_fits(c, &u->ids, "prompt")) return false;
    }
    if (!t->has_out) {
        t->has_out = true; /* half made is freed too */
        if (glim_out_init(&t->out, a, c->b->e, c->model, c->b->fingerprint, in_reasoning, &err) != GLIM_OK) return glim_api_from(&c->error, &err, NULL);
    }
    u->r = (glim_request){.sample = a->sample, .max_tokens = a->max_tokens, .n = a->n, .stop = a->stop, .n_stop = a->n_stop, .for_reply = a->chat,
                          .logprobs = a->logprobs || a->n > a->n_shown, .top_logprobs = a->top_logprobs, .prompt_logprobs = a->echo && a->logprobs,
                          .ignore_stop_ids = a->ignore_eos, .priority = -a->priority};
    u->r.sample.choice = i * a->n; /* equal prompts of one request get different answers */
    if (!a->chat && a->max_tokens == 0) u->r.task = GLIM_TASK_SCORE, u->r.n = 1;
    if (!a->chat) return true;
    if (!glim_chat_constrain(c, a, in_reasoning, &u->r.mask)) return false;
    if (u->r.mask.mask) u->r.ignore_stop_ids = false; /* the grammar says where the text ends, and nothing may stand behind it */
    return true;
}

static void echo(glim_call *c, task *t, size_t i) {
    glim_buf text = {0};
    const glim_ids *ids = &c->units[i].ids;
    const int32_t *prefix;
    size_t skip = t->ask.prompts[i].text ? glim_tok_prefix(c->b->e->tok, &prefix) : 0; /* ours, not the client's */
    glim_tok_decode(c->b->e->tok, ids->v + skip, ids->n - skip, true, &text);
    for (size_t k = 0; k < t->ask.n; k++) glim_out_echo(&t->out, i * t->ask.n + k, glim_buf_cstr(&text), text.len);
    glim_buf_free(&text);
}

/* A stream is shown as it comes and waits for its client; a whole reply lies in memory until its end. Log-probabilities are what is large
 * about one: about 128 bytes for each alternative of each token. */
static bool fits_in_memory(glim_call *c, const task *t) {
    enum { ENTRY_BYTES = 128, MOST_MIB = 512 };
    const glim_ask *a = &t->ask;
    double entries = 0;
    if (a->stream || !a->logprobs) return true;
    for (size_t i = 0; i < c->n_units; i++) {
        size_t room = c->b->facts.n_ctx > c->units[i].ids.n ? c->b->facts.n_ctx - c->units[i].ids.n : 0;
        size_t n = a->max_tokens && a->max_tokens < room ? a->max_tokens : !a->chat && a->max_tokens == 0 ? 0 : room;
        entries += (double)a->n * (double)(n + (a->echo ? c->units[i].ids.n : 0)) * (1 + a->top_logprobs);
    }
    double mib = entries * ENTRY_BYTES / (1 << 20);
    return mib <= MOST_MIB || glim_api_fail(&c->error, 400, "reply_too_large", a->chat ? "top_logprobs" : "logprobs",
                                            "the log-probabilities of %.0f tokens and alternatives may take %.0f MiB, want at most %d: lower \"max_tokens\", \"n\" or \"%s\", or "
                                            "set \"stream\"", entries, mib, MOST_MIB, a->chat ? "top_logprobs" : "logprobs");
}

static bool prepare(glim_call *c, bool chat) {
    json_t *body = glim_call_json(c);
    if (!body) return false;
    glim_buf_free(&c->body);
    task *t = c->task = glim_xcalloc(1, sizeof *t);
    glim_ask *a = &t->ask;
    const char *model = glim_field_word(glim_field(body, "model"));
    if (model && *model && !glim_call_model(c, model)) {
        json_decref(body);
        return false;
    }
    if (!(chat ? glim_ask_chat(a, body, &c->b->facts, &c->error) : glim_ask_completion(a, body, &c->b->facts, &c->error))) return false;
    if (!c->model && !glim_call_model(c, a->model)) return false;
    c->stream = a->stream;
    if (!glim_call_units(c, chat ? 1 : a->n_prompts)) return false;
    for (size_t i = 0; i < c->n_units; i++) {
        if (!make_unit(c, t, i)) return false;
        if (a->echo) echo(c, t, i);
    }
    return fits_in_memory(c, t);
}

bool glim_chat_prepare(glim_call *c) { return prepare(c, true); }
bool glim_completion_prepare(glim_call *c) { return prepare(c, false); }

bool glim_chat_event(glim_call *c, size_t i, const glim_event *ev) {
    task *t = c->task;
    size_t n = t->ask.n, choice = i * n + ev->choice;
    glim_err err = {0};
    glim_status rc = GLIM_OK;
    if (ev->kind == GLIM_EV_PROMPT) /* read once for all choices of the prompt */
        for (size_t k = 0; k < n && rc == GLIM_OK; k++) rc = glim_out_event(&t->out, i * n + k, ev, &err);
    else rc = glim_out_event(&t->out, choice, ev, &err);
    /* max_tokens 0: nothing is generated, and a score has no FINISH; it stands for all choices of its prompt. */
    if (ev->kind == GLIM_EV_END && c->units[i].r.task == GLIM_TASK_SCORE) {
        const glim_event cut = {.kind = GLIM_EV_FINISH, .finish = GLIM_FINISH_LENGTH};
        for (size_t k = 0; k < n && rc == GLIM_OK; k++)
            if (!t->out.choices[i * n + k].finished) rc = glim_out_event(&t->out, i * n + k, &cut, &err);
    }
    return rc == GLIM_OK || glim_api_from(&c->error, &err, NULL);
}

bool glim_chat_over(const glim_call *c, size_t i, uint32_t choice) {
    const task *t = c->task;
    return glim_out_over(&t->out, i * t->ask.n + choice);
}

void glim_chat_chunks(glim_call *c, glim_buf *sse, bool last) { glim_out_chunks(&((task *)c->task)->out, sse, last); }
void glim_chat_whole(glim_call *c, glim_buf *body) { glim_out_whole(&((task *)c->task)->out, body); }
int64_t glim_chat_reasoning(const glim_call *c) { return (int64_t)glim_out_reasoning(&((const task *)c->task)->out); }

void glim_chat_release(glim_call *c) {
    task *t = c->task;
    if (!t) return;
    if (t->has_out) glim_out_free(&t->out);
    glim_ask_free(&t->ask);
    free(t);
}
