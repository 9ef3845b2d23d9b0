/* route_tokens.c - /tokenize and /detokenize. */
#include <stdio.h>

#include "base/utf8.h"
#include "serve/fields.h"
#include "serve/routes.h"

static bool tokenize_body(glim_call *c, const json_t *body, glim_ids *ids) {
    const json_t *v = glim_field(body, "prompt"), *messages = NULL;
    bool prefix = true;
    glim_err err = {0};
    if (!v) v = glim_field(body, "content"); /* llama.cpp's name for it */
    if (!glim_field_array(body, "messages", &messages, &c->error) || !glim_field_bool(body, "add_special_tokens", &prefix, &c->error)) return false;
    glim_status rc;
    if (messages) {
        json_t *clean;
        glim_prompt p = {0};
        if (!glim_ask_messages(&clean, messages, &c->error)) {
            json_decref(clean);
            return false;
        }
        rc = glim_engine_can_chat(c->b->e, &err);
        if (rc == GLIM_OK) rc = glim_chat_render(&p, c->b->e->chat, clean, NULL, &(glim_chat_options){0}, &err);
        if (rc == GLIM_OK) rc = glim_prompt_encode(&p, c->b->e->tok, ids, &err);
        glim_prompt_free(&p);
        json_decref(clean);
    } else {
        if (!v) return glim_api_fail(&c->error, 400, "missing_required_parameter", "prompt", "\"prompt\" is missing");
        if (!json_is_string(v)) return glim_field_type_error(&c->error, "prompt", v, "a string");
        rc = glim_tok_encode(c->b->e->tok, json_string_value(v), json_string_length(v), prefix ? GLIM_TOK_PREFIX : 0, ids, &err);
    }
    return rc == GLIM_OK || glim_api_from(&c->error, &err, messages ? "messages" : "prompt");
}

bool glim_route_tokenize(glim_call *c) {
    json_t *body = glim_call_json(c);
    glim_ids ids = {0};
    glim_buf *b = &c->reply;
    bool ok = body && tokenize_body(c, body, &ids);
    if (ok) {
        glim_buf_printf(b, "{\"count\": %zu, \"max_model_len\": %zu, \"tokens\": [", ids.n, c->b->facts.n_ctx);
        for (size_t i = 0; i < ids.n; i++) glim_buf_printf(b, i ? ", %d" : "%d", ids.v[i]);
        glim_buf_puts(b, "]}");
    }
    glim_ids_free(&ids);
    json_decref(body);
    return ok;
}

static bool detokenize_body(glim_call *c, const json_t *body, glim_buf *text) {
    const json_t *v = NULL;
    if (!glim_field_array(body, "tokens", &v, &c->error)) return false;
    if (!v) return glim_api_fail(&c->error, 400, "missing_required_parameter", "tokens", "\"tokens\" is missing");
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *t = json_array_get(v, i);
        int64_t id = json_integer_value(t);
        if (!json_is_integer(t) || id < 0 || (uint64_t)id >= c->b->facts.n_vocab) {
            char place[40];
            snprintf(place, sizeof place, "tokens[%zu]", i);
            if (!json_is_integer(t)) return glim_field_type_error(&c->error, place, t, "a token id");
            return glim_api_fail(&c->error, 400, "invalid_value", place, "\"%s\": got %lld, want 0 to %zu", place, (long long)id, c->b->facts.n_vocab - 1);
        }
        glim_tok_decode(c->b->e->tok, &(int32_t){(int32_t)id}, 1, true, text);
    }
    return true;
}

bool glim_route_detokenize(glim_call *c) {
    json_t *body = glim_call_json(c);
    glim_buf text = {0}, clean = {0}, *b = &c->reply;
    bool ok = body && detokenize_body(c, body, &text);
    if (ok) {
        glim_utf8_sanitize(&clean, glim_buf_cstr(&text), text.len);
        glim_buf_puts(b, "{\"prompt\": ");
        glim_json_put_str(b, glim_buf_cstr(&clean), clean.len);
        glim_buf_putc(b, '}');
    }
    glim_buf_free(&text);
    glim_buf_free(&clean);
    json_decref(body);
    return ok;
}

