/* responses_out.c - see responses_out.h. */
#include "serve/responses_out.h"

#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "base/utf8.h"
#include "serve/fields.h"

static const glim_out_choice *choice(const glim_responses_out *r) { return &r->out->choices[0]; }

void glim_responses_out_init(glim_responses_out *r, const glim_out *out, const json_t *body, const json_t *tools, const char *model) {
    *r = (glim_responses_out){.out = out, .body = body, .tools = tools, .model = model, .created = (int64_t)time(NULL)};
    glim_api_new_id(r->id, "resp_");
    glim_api_new_id(r->reasoning_id, "rs_");
    glim_api_new_id(r->message_id, "msg_");
}

/* ---- the object ---- */

static size_t content_len(const glim_out_choice *c) { return c->finished ? c->content_end : c->reply.content.len; }
static bool cut(const glim_out_choice *c) { return c->finish && strcmp(c->finish, "length") == 0; }

/* A call without an end is none to be made, whatever ended the answer; one that has its end is whole, though max_tokens came after it. */
static const char *call_status(const glim_out_choice *c, size_t k) { return c->reply.calls[k].closed ? "completed" : "incomplete"; }

static void put_text(glim_buf *b, const glim_buf *s, size_t n) { glim_json_put_str(b, glim_buf_cstr(s), n); }

static const glim_buf *arguments(const glim_reply_call *call) {
    static const glim_buf none = {.s = (char *)(uintptr_t)"{}", .len = 2};
    return call->closed && call->args.len == 0 ? &none : &call->args;
}

/* status: in_progress, completed, incomplete. Texts are left out of an item that was just added. */
static void put_reasoning(const glim_responses_out *r, glim_buf *b, const char *status, bool empty) {
    glim_buf_printf(b, "{\"id\": \"%s\", \"type\": \"reasoning\", \"summary\": [], \"content\": [", r->reasoning_id);
    if (!empty) {
        glim_buf_puts(b, "{\"type\": \"reasoning_text\", \"text\": ");
        put_text(b, &choice(r)->reply.reasoning, choice(r)->reply.reasoning.len);
        glim_buf_putc(b, '}');
    }
    glim_buf_printf(b, "], \"encrypted_content\": null, \"status\": \"%s\"}", status);
}

static void put_text_part(glim_buf *b, const glim_buf *s, size_t n) {
    glim_buf_puts(b, "{\"type\": \"output_text\", \"text\": ");
    put_text(b, s, n);
    glim_buf_puts(b, ", \"annotations\": [], \"logprobs\": []}");
}

static void put_message(const glim_responses_out *r, glim_buf *b, const char *status, bool empty) {
    glim_buf_printf(b, "{\"id\": \"%s\", \"type\": \"message\", \"role\": \"assistant\", \"status\": \"%s\", \"content\": [", r->message_id, status);
    if (!empty) put_text_part(b, &choice(r)->reply.content, content_len(choice(r)));
    glim_buf_puts(b, "]}");
}

static void put_call(const glim_responses_out *r, size_t k, glim_buf *b, const char *status, bool empty) {
    const glim_reply_call *call = &choice(r)->reply.calls[k];
    glim_buf_printf(b, "{\"id\": \"fc_%s\", \"type\": \"function_call\", \"call_id\": \"%s\", \"name\": ", choice(r)->calls[k].id + 5, choice(r)->calls[k].id);
    glim_json_put_str(b, call->name, strlen(call->name));
    glim_buf_puts(b, ", \"arguments\": ");
    put_text(b, arguments(call), empty ? 0 : arguments(call)->len);
    glim_buf_printf(b, ", \"status\": \"%s\"}", status);
}

/* The items as they are at the end. A finished answer without any words still has its message. */
static void put_items(const glim_responses_out *r, glim_buf *b) {
    const glim_out_choice *c = choice(r);
    size_t n_calls = c->n_calls, n = 0;
    bool message = content_len(c) > 0 || n_calls == 0;
    if (c->reply.reasoning.len) put_reasoning(r, b, cut(c) && content_len(c) == 0 && n_calls == 0 ? "incomplete" : "completed", false), n++;
    if (message) {
        if (n++) glim_buf_puts(b, ", ");
        put_message(r, b, cut(c) && n_calls == 0 ? "incomplete" : "completed", false);
    }
    for (size_t k = 0; k < n_calls; k++) {
        if (n++) glim_buf_puts(b, ", ");
        put_call(r, k, b, call_status(c, k), false);
    }
}

static void put_value(glim_buf *b, const char *key, const json_t *v, const char *dflt) {
    glim_buf_printf(b, ", \"%s\": ", key);
    if (v) glim_json_dump_py(b, v, -1, false);
    else glim_buf_puts(b, dflt);
}

static void put_real(glim_buf *b, const char *key, double v) {
    glim_buf_printf(b, ", \"%s\": ", key);
    glim_json_put_real(b, v);
}

static void put_usage(const glim_responses_out *r, glim_buf *b) {
    const glim_usage *u = &r->out->usage;
    glim_buf_printf(b, ", \"usage\": {\"input_tokens\": %zu, \"input_tokens_details\": {\"cached_tokens\": %zu}, \"output_tokens\": %zu, "
                    "\"output_tokens_details\": {\"reasoning_tokens\": %zu}, \"total_tokens\": %zu}",
                    u->n_prompt, u->n_cached, u->n_completion, glim_out_reasoning(r->out), u->n_prompt + u->n_completion);
}

/* e: why it failed, or NULL. done: with its output and usage. */
static void put_response(const glim_responses_out *r, glim_buf *b, const char *status, bool done, const glim_api_error *e) {
    const json_t *q = r->body, *text = glim_field(q, "text"), *reasoning = glim_field(q, "reasoning"), *user = glim_field(q, "user");
    const glim_ask *a = r->out->ask;
    glim_buf_printf(b, "{\"id\": \"%s\", \"object\": \"response\", \"created_at\": %lld, \"status\": \"%s\", \"background\": false, \"error\": ", r->id,
                    (long long)r->created, status);
    if (e) {
        glim_buf_printf(b, "{\"code\": \"%s\", \"message\": ", e->status == 429 ? "rate_limit_exceeded" : "server_error");
        glim_json_put_str(b, e->message, strlen(e->message));
        glim_buf_putc(b, '}');
    } else {
        glim_buf_puts(b, "null");
    }
    glim_buf_puts(b, done && cut(choice(r)) ? ", \"incomplete_details\": {\"reason\": \"max_output_tokens\"}" : ", \"incomplete_details\": null");
    put_value(b, "instructions", glim_field(q, "instructions"), "null");
    put_value(b, "max_output_tokens", glim_field(q, "max_output_tokens"), "null");
    glim_buf_puts(b, ", \"model\": ");
    glim_json_put_str(b, r->model, strlen(r->model));
    glim_buf_puts(b, ", \"output\": [");
    if (done) put_items(r, b);
    glim_buf_printf(b, "], \"parallel_tool_calls\": %s, \"previous_response_id\": null", a->single_call ? "false" : "true");
    put_value(b, "reasoning", reasoning, "{\"effort\": null, \"summary\": null}");
    glim_buf_puts(b, ", \"service_tier\": \"default\", \"store\": false");
    put_real(b, "temperature", a->sample.temperature);
    put_value(b, "text", text && glim_field(text, "format") ? text : NULL, "{\"format\": {\"type\": \"text\"}}");
    put_value(b, "tool_choice", glim_field(q, "tool_choice"), "\"auto\"");
    put_value(b, "tools", r->tools, "[]");
    put_real(b, "top_p", a->sample.top_p);
    glim_buf_puts(b, ", \"truncation\": \"disabled\"");
    if (done) put_usage(r, b);
    else glim_buf_puts(b, ", \"usage\": null");
    put_value(b, "user", user, "null");
    put_value(b, "metadata", glim_field(q, "metadata"), "{}");
    glim_buf_putc(b, '}');
}

void glim_responses_whole(const glim_responses_out *r, glim_buf *b) {
    put_response(r, b, cut(choice(r)) ? "incomplete" : "completed", true, NULL);
}

/* ---- events ---- */

static void begin(glim_responses_out *r, glim_buf *b, const char *type) {
    glim_buf_printf(b, "event: %s\ndata: {\"type\": \"%s\", \"sequence_number\": %zu", type, type, r->seq++);
}
static void end(glim_buf *b) { glim_buf_puts(b, "}\n\n"); }

static void whole_event(glim_responses_out *r, glim_buf *b, const char *type, const char *status, bool done, const glim_api_error *e) {
    begin(r, b, type);
    glim_buf_puts(b, ", \"response\": ");
    put_response(r, b, status, done, e);
    end(b);
}

static void put_item(const glim_responses_out *r, glim_buf *b, const char *status, bool empty) {
    if (r->open == GLIM_OPEN_REASONING) put_reasoning(r, b, status, empty);
    else if (r->open == GLIM_OPEN_MESSAGE) put_message(r, b, status, empty);
    else put_call(r, r->call, b, status, empty);
}

static void item_event(glim_responses_out *r, glim_buf *b, const char *type, const char *status, bool empty) {
    begin(r, b, type);
    glim_buf_printf(b, ", \"output_index\": %zu, \"item\": ", r->n_items - 1);
    put_item(r, b, status, empty);
    end(b);
}

static void about_item(const glim_responses_out *r, glim_buf *b) {
    if (r->open == GLIM_OPEN_CALL) glim_buf_printf(b, ", \"item_id\": \"fc_%s\", \"output_index\": %zu", choice(r)->calls[r->call].id + 5, r->n_items - 1);
    else glim_buf_printf(b, ", \"item_id\": \"%s\", \"output_index\": %zu, \"content_index\": 0", r->open == GLIM_OPEN_MESSAGE ? r->message_id : r->reasoning_id, r->n_items - 1);
}

static void put_part(const glim_responses_out *r, glim_buf *b, bool empty) {
    const glim_out_choice *c = choice(r);
    if (r->open == GLIM_OPEN_MESSAGE) {
        put_text_part(b, &c->reply.content, empty ? 0 : content_len(c));
        return;
    }
    glim_buf_puts(b, "{\"type\": \"reasoning_text\", \"text\": ");
    put_text(b, &c->reply.reasoning, empty ? 0 : c->reply.reasoning.len);
    glim_buf_putc(b, '}');
}

static void part_event(glim_responses_out *r, glim_buf *b, const char *type, bool empty) {
    begin(r, b, type);
    about_item(r, b);
    glim_buf_puts(b, ", \"part\": ");
    put_part(r, b, empty);
    end(b);
}

static void open_item(glim_responses_out *r, glim_buf *b, int what) {
    r->open = what;
    r->n_items++;
    item_event(r, b, "response.output_item.added", "in_progress", true);
    if (what != GLIM_OPEN_CALL) part_event(r, b, "response.content_part.added", true);
}

static void done_text(glim_responses_out *r, glim_buf *b, const char *type, const char *key, const glim_buf *s, size_t n) {
    begin(r, b, type);
    about_item(r, b);
    glim_buf_printf(b, ", \"%s\": ", key);
    put_text(b, s, n);
    if (r->open == GLIM_OPEN_MESSAGE) glim_buf_puts(b, ", \"logprobs\": []");
    if (r->open == GLIM_OPEN_CALL) {
        const char *name = choice(r)->reply.calls[r->call].name;
        glim_buf_puts(b, ", \"name\": ");
        glim_json_put_str(b, name, strlen(name));
    }
    end(b);
}

static void close_item(glim_responses_out *r, glim_buf *b, bool last) {
    const glim_out_choice *c = choice(r);
    if (r->open == GLIM_OPEN_NONE) return;
    if (r->open == GLIM_OPEN_REASONING) done_text(r, b, "response.reasoning_text.done", "text", &c->reply.reasoning, c->reply.reasoning.len);
    else if (r->open == GLIM_OPEN_MESSAGE) done_text(r, b, "response.output_text.done", "text", &c->reply.content, content_len(c));
    else done_text(r, b, "response.function_call_arguments.done", "arguments", arguments(&c->reply.calls[r->call]), arguments(&c->reply.calls[r->call])->len);
    if (r->open != GLIM_OPEN_CALL) part_event(r, b, "response.content_part.done", false);
    item_event(r, b, "response.output_item.done", r->open == GLIM_OPEN_CALL ? call_status(c, r->call) : last && cut(c) ? "incomplete" : "completed", false);
    if (r->open == GLIM_OPEN_CALL) r->call++, r->sent_args = 0;
    r->open = GLIM_OPEN_NONE;
}

/* Whole characters that are new. */
static void delta(glim_responses_out *r, glim_buf *b, const char *type, const glim_buf *s, size_t len, size_t *sent, bool all) {
    size_t n = len <= *sent ? 0 : all ? len - *sent : glim_utf8_whole(s->s + *sent, len - *sent);
    if (n == 0) return;
    begin(r, b, type);
    about_item(r, b);
    glim_buf_puts(b, ", \"delta\": ");
    glim_json_put_str(b, s->s + *sent, n);
    if (r->open == GLIM_OPEN_MESSAGE) glim_buf_puts(b, ", \"logprobs\": []");
    end(b);
    *sent += n;
}

static void calls(glim_responses_out *r, glim_buf *b) {
    const glim_out_choice *c = choice(r);
    for (; r->call < c->n_calls; close_item(r, b, r->call + 1 == c->n_calls)) {
        if (r->open != GLIM_OPEN_CALL) {
            close_item(r, b, false);
            open_item(r, b, GLIM_OPEN_CALL);
        }
        bool over = c->finished || r->call + 1 < c->n_calls;
        const glim_buf *args = arguments(&c->reply.calls[r->call]);
        delta(r, b, "response.function_call_arguments.delta", args, args->len, &r->sent_args, over);
        if (!over) return;
    }
}

void glim_responses_events(glim_responses_out *r, glim_buf *b, bool last) {
    const glim_out_choice *c = choice(r);
    if (!r->begun) {
        r->begun = true;
        whole_event(r, b, "response.created", "in_progress", false, NULL);
        whole_event(r, b, "response.in_progress", "in_progress", false, NULL);
    }
    if (c->reply.reasoning.len && r->n_items == 0) open_item(r, b, GLIM_OPEN_REASONING);
    bool said = content_len(c) > 0 || c->n_calls > 0 || c->finished;
    if (r->open == GLIM_OPEN_REASONING) {
        delta(r, b, "response.reasoning_text.delta", &c->reply.reasoning, c->reply.reasoning.len, &r->sent_reasoning, said);
        if (said) close_item(r, b, c->finished && content_len(c) == 0 && c->n_calls == 0);
    }
    bool message = content_len(c) > 0 || (c->finished && c->n_calls == 0);
    if (message && !r->had_message && r->open == GLIM_OPEN_NONE) {
        r->had_message = true;
        open_item(r, b, GLIM_OPEN_MESSAGE);
    }
    if (r->open == GLIM_OPEN_MESSAGE) {
        delta(r, b, "response.output_text.delta", &c->reply.content, content_len(c), &r->sent_content, c->finished || c->n_calls > 0);
        if (c->finished || c->n_calls > 0) close_item(r, b, c->n_calls == 0);
    }
    calls(r, b);
    if (!last) return;
    bool incomplete = cut(c);
    whole_event(r, b, incomplete ? "response.incomplete" : "response.completed", incomplete ? "incomplete" : "completed", true, NULL);
}

void glim_responses_failed(glim_responses_out *r, glim_buf *b, const glim_api_error *e) {
    if (!r->begun) whole_event(r, b, "response.created", "in_progress", false, NULL);
    r->begun = true;
    whole_event(r, b, "response.failed", "failed", false, e);
}
