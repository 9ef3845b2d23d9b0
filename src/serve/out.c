/* out.c - see out.h. Keys are written in OpenAI's order. */
#include "serve/out.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/utf8.h"

glim_status glim_out_init(glim_out *o, const glim_ask *ask, const glim_engine *e, const char *model, const char *fingerprint,
                          bool in_reasoning, glim_err *err) {
    *o = (glim_out){.ask = ask, .e = e, .model = model, .fingerprint = fingerprint, .created = (int64_t)time(NULL)};
    glim_api_new_id(o->id, ask->chat ? "chatcmpl-" : "cmpl-");
    size_t n = ask->n * (ask->chat ? 1 : ask->n_prompts);
    void *mem;
    glim_status rc = glim_try_calloc(&mem, n, sizeof *o->choices, "choices", err);
    if (rc != GLIM_OK) return rc;
    o->choices = mem;
    o->n_choices = n;
    for (size_t i = 0; i < n && ask->chat; i++) {
        glim_reply *r = &o->choices[i].reply;
        glim_reply_init(r, e->chat, ask->callable, in_reasoning, ask->thinking >= 0);
        r->declared_only = true; /* nothing forces names where tools are not strict and the choice is "auto" */
        r->max_calls = ask->single_call ? 1 : 0;
    }
    return GLIM_OK;
}

void glim_out_free(glim_out *o) {
    for (size_t i = 0; i < o->n_choices; i++) {
        glim_out_choice *c = &o->choices[i];
        if (o->ask->chat) glim_reply_free(&c->reply);
        glim_buf_free(&c->text);
        glim_buf_free(&c->lp);
        glim_buf_free(&c->lp_value);
        glim_buf_free(&c->lp_top);
        glim_buf_free(&c->lp_offset);
        free(c->calls);
    }
    free(o->choices);
    *o = (glim_out){0};
}

/* ---- log-probabilities ---- */

static void put_real(glim_buf *b, float v) { glim_json_put_real(b, isfinite(v) ? (double)v : -9999); }

static void put_entry(glim_buf *b, const glim_tok *t, int32_t id, float lp) {
    size_t n = 0;
    const char *s = glim_tok_piece(t, id, &n);
    glim_buf_puts(b, "{\"token\": ");
    glim_json_put_str(b, s ? s : "", n);
    glim_buf_puts(b, ", \"logprob\": ");
    put_real(b, lp);
    glim_buf_puts(b, ", \"bytes\": [");
    for (size_t i = 0; i < n; i++) glim_buf_printf(b, i ? ", %d" : "%d", (unsigned char)s[i]);
    glim_buf_putc(b, ']');
}

static void sep(glim_buf *b) {
    if (b->len) glim_buf_puts(b, ", ");
}

static void chat_logprob(const glim_out *o, glim_out_choice *c, const glim_event *ev) {
    glim_buf *b = &c->lp;
    sep(b);
    put_entry(b, o->e->tok, ev->id, ev->logprob);
    glim_buf_puts(b, ", \"top_logprobs\": [");
    for (size_t i = 0; i < ev->n_top; i++) {
        if (i) glim_buf_puts(b, ", ");
        put_entry(b, o->e->tok, ev->top[i].id, ev->top[i].logprob);
        glim_buf_putc(b, '}');
    }
    glim_buf_puts(b, "]}");
}

/* A token's name in the older format, where alternatives are keys: broken bytes are spelled out, so that no two are
 * the same. Returns its characters. */
static size_t put_token_name(glim_buf *b, const glim_tok *t, int32_t id) {
    size_t n = 0, chars = 0;
    const char *s = glim_tok_piece(t, id, &n);
    if (!s) s = "";
    if (glim_utf8_valid(s, n)) {
        glim_json_put_str(b, s, n);
    } else {
        glim_buf_puts(b, "\"bytes:");
        for (size_t i = 0; i < n; i++) glim_buf_printf(b, "\\\\x%02x", (unsigned char)s[i]);
        glim_buf_putc(b, '"');
    }
    for (size_t i = 0; i < n; i++) chars += ((unsigned char)s[i] & 0xc0) != 0x80;
    return chars;
}

static void text_logprob(const glim_out *o, glim_out_choice *c, const glim_event *ev) {
    bool first = ev->kind == GLIM_EV_PROMPT && ev->pos == 0; /* nothing comes before it */
    sep(&c->lp), sep(&c->lp_value), sep(&c->lp_top), sep(&c->lp_offset);
    size_t chars = put_token_name(&c->lp, o->e->tok, ev->id);
    const int32_t *prefix;
    const glim_ask_prompt *prompt = &o->ask->prompts[(size_t)(c - o->choices) / o->ask->n];
    if (ev->kind == GLIM_EV_PROMPT && prompt->text && ev->pos < glim_tok_prefix(o->e->tok, &prefix)) chars = 0; /* ours: the text does not have it */
    if (first) glim_buf_puts(&c->lp_value, "null"), glim_buf_puts(&c->lp_top, "null");
    else {
        put_real(&c->lp_value, ev->logprob);
        glim_buf_putc(&c->lp_top, '{');
        for (size_t i = 0; i < ev->n_top; i++) {
            if (i) glim_buf_puts(&c->lp_top, ", ");
            put_token_name(&c->lp_top, o->e->tok, ev->top[i].id);
            glim_buf_puts(&c->lp_top, ": ");
            put_real(&c->lp_top, ev->top[i].logprob);
        }
        glim_buf_putc(&c->lp_top, '}');
    }
    glim_buf_printf(&c->lp_offset, "%zu", c->offset);
    c->offset += chars;
}

static void put_logprobs(const glim_out *o, const glim_out_choice *c, glim_buf *b) {
    glim_buf_puts(b, "\"logprobs\": ");
    if (!o->ask->logprobs) {
        glim_buf_puts(b, "null");
    } else if (o->ask->chat) {
        glim_buf_printf(b, "{\"content\": [%s], \"refusal\": null}", glim_buf_cstr(&c->lp));
    } else {
        glim_buf_printf(b, "{\"tokens\": [%s], \"token_logprobs\": [%s], \"top_logprobs\": ", glim_buf_cstr(&c->lp), glim_buf_cstr(&c->lp_value));
        if (o->ask->top_logprobs) glim_buf_printf(b, "[%s]", glim_buf_cstr(&c->lp_top));
        else glim_buf_puts(b, "null");
        glim_buf_printf(b, ", \"text_offset\": [%s]}", glim_buf_cstr(&c->lp_offset));
    }
}

static void drop_logprobs(glim_out_choice *c) {
    glim_buf_clear(&c->lp), glim_buf_clear(&c->lp_value), glim_buf_clear(&c->lp_top), glim_buf_clear(&c->lp_offset);
}

/* ---- events ---- */

static bool is_stop(const glim_engine *e, int32_t id) {
    for (size_t i = 0; i < e->n_stops; i++)
        if (e->stops[i] == id) return true;
    return false;
}

static glim_status take_text(glim_out *o, glim_out_choice *c, const glim_event *ev, glim_err *err) {
    if (o->ask->chat) return ev->n_text ? glim_reply_put(&c->reply, ev->text, ev->n_text, err) : GLIM_OK;
    glim_buf_append(&c->text, ev->text, ev->n_text);
    return glim_buf_status(&c->text, "an answer", err);
}

static glim_status know_calls(glim_out_choice *c, glim_err *err) {
    while (c->n_calls < c->reply.n_calls) {
        if (c->n_calls == c->cap_calls) {
            glim_status rc = glim_try_grow(&c->calls, &c->cap_calls, 4, sizeof *c->calls, "tool calls", err);
            if (rc != GLIM_OK) return rc;
        }
        glim_out_call *k = &c->calls[c->n_calls++];
        *k = (glim_out_call){0};
        glim_api_new_id(k->id, "call_");
    }
    return GLIM_OK;
}

static glim_status finish(glim_out *o, glim_out_choice *c, const glim_event *ev, glim_err *err) {
    static const char *const names[] = {"stop", "length", "stop", "stop", "stop"};
    glim_status rc = take_text(o, c, ev, err);
    c->finish = names[ev->finish];
    c->finished = true;
    if (!o->ask->chat || rc != GLIM_OK) return rc;
    size_t before = c->reply.content.len;
    c->reply.cut = ev->finish == GLIM_FINISH_LENGTH;
    rc = glim_reply_end(&c->reply, err);
    if (rc == GLIM_OK) rc = know_calls(c, err);
    /* A call that was cut stays a call, with its arguments as far as they got; the parser offers its text as content
     * as well, which a stream could no longer choose. */
    bool cut = c->reply.n_calls > 0 && !c->reply.calls[c->reply.n_calls - 1].closed;
    c->content_end = cut ? before : c->reply.content.len;
    if (c->reply.n_calls > 0 && ev->finish != GLIM_FINISH_LENGTH && !cut) c->finish = "tool_calls"; /* whoever reads it parses the arguments */
    return rc;
}

void glim_out_echo(glim_out *o, size_t choice, const char *text, size_t n) {
    glim_utf8_sanitize(&o->choices[choice].text, text, n);
}

bool glim_out_over(const glim_out *o, size_t choice) { return o->ask->chat && o->choices[choice].reply.done; }

glim_status glim_out_event(glim_out *o, size_t choice, const glim_event *ev, glim_err *err) {
    if (ev->kind == GLIM_EV_END) {
        o->usage.n_prompt += ev->usage.n_prompt;
        o->usage.n_cached += ev->usage.n_cached;
        o->usage.n_completion += ev->usage.n_completion;
        return GLIM_OK;
    }
    glim_out_choice *c = &o->choices[choice];
    if (ev->kind == GLIM_EV_FINISH) return finish(o, c, ev, err);
    if (ev->kind != GLIM_EV_TOKEN && ev->kind != GLIM_EV_PROMPT) return GLIM_OK;
    if (o->ask->logprobs && (ev->kind == GLIM_EV_PROMPT || !is_stop(o->e, ev->id)))
        o->ask->chat ? chat_logprob(o, c, ev) : text_logprob(o, c, ev);
    if (ev->kind == GLIM_EV_PROMPT) return GLIM_OK;
    size_t before = c->reply.reasoning.len;
    glim_status rc = take_text(o, c, ev, err);
    c->n_tokens++;
    c->sum += isfinite(ev->logprob) ? (double)ev->logprob : -9999;
    if (rc == GLIM_OK && o->ask->chat) {
        if (c->reply.reasoning.len > before) c->n_reasoning = c->n_tokens; /* it comes first, so all so far are */
        rc = know_calls(c, err);
    }
    return rc;
}

/* ---- JSON ---- */

size_t glim_out_reasoning(const glim_out *o) {
    size_t n = 0;
    for (size_t i = 0; i < o->n_choices; i++) n += o->choices[i].n_reasoning;
    return n;
}

static void put_usage(const glim_out *o, glim_buf *b) {
    size_t reasoning = glim_out_reasoning(o);
    glim_buf_printf(b, "{\"prompt_tokens\": %zu, \"completion_tokens\": %zu, \"total_tokens\": %zu, "
                    "\"prompt_tokens_details\": {\"cached_tokens\": %zu}, \"completion_tokens_details\": {\"reasoning_tokens\": %zu}}",
                    o->usage.n_prompt, o->usage.n_completion, o->usage.n_prompt + o->usage.n_completion, o->usage.n_cached, reasoning);
}

static void put_head(const glim_out *o, glim_buf *b, const char *object) {
    glim_buf_printf(b, "{\"id\": \"%s\", \"object\": \"%s\", \"created\": %lld, \"model\": ", o->id, object, (long long)o->created);
    glim_json_put_str(b, o->model, strlen(o->model));
    glim_buf_printf(b, ", \"system_fingerprint\": \"%s\", \"choices\": [", o->fingerprint);
}

static void begin_chunk(const glim_out *o, glim_buf *b) {
    glim_buf_puts(b, "data: ");
    put_head(o, b, o->ask->chat ? "chat.completion.chunk" : "text_completion");
}

static void end_chunk(const glim_out *o, glim_buf *b) {
    glim_buf_puts(b, o->ask->include_usage ? "], \"usage\": null}\n\n" : "]}\n\n");
}

/* One chunk with a delta. The first chunk after a token carries its log-probabilities. */
static void begin_delta(const glim_out *o, size_t i, glim_buf *b) {
    begin_chunk(o, b);
    glim_buf_printf(b, "{\"index\": %zu, \"delta\": {", i);
}
static void end_delta(const glim_out *o, glim_out_choice *c, glim_buf *b, const char *reason) {
    glim_buf_puts(b, "}, ");
    if (c) {
        put_logprobs(o, c, b);
        drop_logprobs(c);
    } else {
        glim_buf_puts(b, "\"logprobs\": null");
    }
    if (reason) glim_buf_printf(b, ", \"finish_reason\": \"%s\"}", reason);
    else glim_buf_puts(b, ", \"finish_reason\": null}");
    end_chunk(o, b);
}

static void text_delta(glim_out *o, size_t i, glim_buf *b, const char *key, const char *s, size_t end, size_t *sent) {
    if (end <= *sent) return;
    size_t n = o->choices[i].finished ? end - *sent : glim_utf8_whole(s + *sent, end - *sent);
    if (n == 0) return;
    begin_delta(o, i, b);
    glim_buf_printf(b, "\"%s\": ", key);
    glim_json_put_str(b, s + *sent, n);
    if (o->ask->mirror_reasoning && sent == &o->choices[i].sent_reasoning) {
        glim_buf_puts(b, ", \"reasoning\": ");
        glim_json_put_str(b, s + *sent, n);
    }
    end_delta(o, &o->choices[i], b, NULL);
    *sent += n;
}

/* Arguments of a call as they are shown: a call without any is an empty object. */
static const glim_buf *arguments(const glim_reply_call *call) {
    static const glim_buf none = {.s = (char *)(uintptr_t)"{}", .len = 2};
    return call->closed && call->args.len == 0 ? &none : &call->args;
}

static void call_deltas(glim_out *o, size_t i, size_t k, glim_buf *b) {
    glim_out_choice *c = &o->choices[i];
    glim_out_call *sent = &c->calls[k];
    const glim_reply_call *call = &c->reply.calls[k];
    if (!sent->head_sent) {
        begin_delta(o, i, b);
        glim_buf_printf(b, "\"tool_calls\": [{\"index\": %zu, \"id\": \"%s\", \"type\": \"function\", \"function\": {\"name\": ", k, sent->id);
        glim_json_put_str(b, call->name, strlen(call->name));
        glim_buf_puts(b, ", \"arguments\": \"\"}}]");
        end_delta(o, c, b, NULL);
        sent->head_sent = true;
    }
    const glim_buf *args = arguments(call);
    size_t n = args->len <= sent->sent ? 0 : c->finished ? args->len - sent->sent : glim_utf8_whole(args->s + sent->sent, args->len - sent->sent);
    if (n == 0) return;
    begin_delta(o, i, b);
    glim_buf_printf(b, "\"tool_calls\": [{\"index\": %zu, \"function\": {\"arguments\": ", k);
    glim_json_put_str(b, args->s + sent->sent, n);
    glim_buf_puts(b, "}}]");
    end_delta(o, c, b, NULL);
    sent->sent += n;
}

static void chat_chunks(glim_out *o, size_t i, glim_buf *b) {
    glim_out_choice *c = &o->choices[i];
    if (c->finish_sent) return;
    const glim_reply *r = &c->reply;
    text_delta(o, i, b, "reasoning_content", r->reasoning.s, r->reasoning.len, &c->sent_reasoning);
    text_delta(o, i, b, "content", r->content.s, c->finished ? c->content_end : r->content.len, &c->sent_content);
    for (size_t k = 0; k < c->n_calls; k++) call_deltas(o, i, k, b);
    if (!c->finished) return;
    begin_delta(o, i, b);
    end_delta(o, c, b, c->finish);
    c->finish_sent = true;
}

static void text_chunks(glim_out *o, size_t i, glim_buf *b) {
    glim_out_choice *c = &o->choices[i];
    if (c->finish_sent || (c->text.len == c->sent_content && !c->finished)) return;
    size_t n = c->finished ? c->text.len - c->sent_content : glim_utf8_whole(c->text.s + c->sent_content, c->text.len - c->sent_content);
    if (n == 0 && !c->finished) return;
    begin_chunk(o, b);
    glim_buf_puts(b, "{\"text\": ");
    glim_json_put_str(b, glim_buf_cstr(&c->text) + c->sent_content, n);
    glim_buf_printf(b, ", \"index\": %zu, ", i);
    put_logprobs(o, c, b);
    drop_logprobs(c);
    glim_buf_puts(b, ", \"finish_reason\": ");
    glim_buf_printf(b, c->finished ? "\"%s\"}" : "%s}", c->finished ? c->finish : "null");
    end_chunk(o, b);
    c->sent_content += n;
    c->finish_sent = c->finished;
}

void glim_out_chunks(glim_out *o, glim_buf *b, bool last) {
    if (!o->role_sent && o->ask->chat)
        for (size_t i = 0; i < o->n_choices; i++) {
            begin_delta(o, i, b);
            glim_buf_puts(b, "\"role\": \"assistant\", \"content\": \"\"");
            end_delta(o, NULL, b, NULL);
        }
    /* Several texts: each shows itself in order first, because clients number them by their first appearance. */
    if (!o->role_sent && !o->ask->chat && o->n_choices > 1)
        for (size_t i = 0; i < o->n_choices; i++) {
            begin_chunk(o, b);
            glim_buf_printf(b, "{\"text\": \"\", \"index\": %zu, \"logprobs\": null, \"finish_reason\": null}", i);
            end_chunk(o, b);
        }
    o->role_sent = true;
    for (size_t i = 0; i < o->n_choices; i++) o->ask->chat ? chat_chunks(o, i, b) : text_chunks(o, i, b);
    if (!last) return;
    if (o->ask->include_usage) {
        begin_chunk(o, b);
        glim_buf_puts(b, "], \"usage\": ");
        put_usage(o, b);
        glim_buf_puts(b, "}\n\n");
    }
    glim_buf_puts(b, "data: [DONE]\n\n");
}

static void put_message(const glim_out *o, const glim_out_choice *c, glim_buf *b) {
    const glim_reply *r = &c->reply;
    glim_buf_puts(b, "\"message\": {\"role\": \"assistant\", \"content\": ");
    if (c->content_end || r->n_calls == 0) glim_json_put_str(b, glim_buf_cstr(&r->content), c->content_end);
    else glim_buf_puts(b, "null");
    glim_buf_puts(b, ", \"refusal\": null");
    if (r->reasoning.len) {
        glim_buf_puts(b, ", \"reasoning_content\": ");
        glim_json_put_str(b, r->reasoning.s, r->reasoning.len);
        if (o->ask->mirror_reasoning) glim_buf_puts(b, ", \"reasoning\": "), glim_json_put_str(b, r->reasoning.s, r->reasoning.len);
    }
    for (size_t k = 0; k < r->n_calls; k++) {
        const glim_buf *args = arguments(&r->calls[k]);
        glim_buf_printf(b, "%s{\"id\": \"%s\", \"type\": \"function\", \"function\": {\"name\": ", k ? ", " : ", \"tool_calls\": [", c->calls[k].id);
        glim_json_put_str(b, r->calls[k].name, strlen(r->calls[k].name));
        glim_buf_puts(b, ", \"arguments\": ");
        glim_json_put_str(b, glim_buf_cstr(args), args->len);
        glim_buf_puts(b, "}}");
    }
    glim_buf_puts(b, r->n_calls ? "]}" : "}");
}

static double mean(const glim_out_choice *c) { return c->n_tokens ? c->sum / (double)c->n_tokens : -9999; }

/* The choice that stands at `place` of the reply: of the answers to a prompt the best come first where not all are shown. */
static const glim_out_choice *shown(const glim_out *o, size_t place) {
    size_t n = o->ask->n, rank = place % o->ask->n_shown;
    const glim_out_choice *all = &o->choices[place / o->ask->n_shown * n];
    if (n == o->ask->n_shown) return &all[rank];
    for (size_t i = 0; i < n; i++) {
        size_t better = 0;
        for (size_t k = 0; k < n; k++) better += mean(&all[k]) > mean(&all[i]) || (k < i && mean(&all[k]) == mean(&all[i]));
        if (better == rank) return &all[i];
    }
    return &all[rank]; /* not reached: the ranks are all taken */
}

void glim_out_whole(const glim_out *o, glim_buf *b) {
    put_head(o, b, o->ask->chat ? "chat.completion" : "text_completion");
    for (size_t i = 0; i < o->n_choices / o->ask->n * o->ask->n_shown; i++) {
        const glim_out_choice *c = shown(o, i);
        glim_buf_printf(b, "%s{\"index\": %zu, ", i ? ", " : "", i);
        if (o->ask->chat) {
            put_message(o, c, b);
        } else {
            glim_buf_puts(b, "\"text\": ");
            glim_json_put_str(b, glim_buf_cstr(&c->text), c->text.len);
        }
        glim_buf_puts(b, ", ");
        put_logprobs(o, c, b);
        glim_buf_printf(b, ", \"finish_reason\": \"%s\"}", c->finish ? c->finish : "stop");
    }
    glim_buf_puts(b, "], \"usage\": ");
    put_usage(o, b);
    glim_buf_puts(b, "}");
}
