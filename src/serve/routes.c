/* routes.c - which path does what, and the routes that answer at once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "serve/fields.h"
#include "serve/server_internal.h"

json_t *glim_call_json(glim_call *c) {
    json_t *v;
    glim_err err = {0};
    if (glim_json_parse(&v, glim_buf_cstr(&c->body), c->body.len, 0, &err) == GLIM_OK) return v;
    bool limit = err.code == GLIM_E_LIMIT;
    glim_api_fail(&c->error, err.code == GLIM_E_NOMEM ? 503 : 400, limit ? "json_too_deep" : "invalid_json", NULL, "the body is not what JSON allows here: %s", err.msg);
    c->error.close = limit;
    return NULL;
}

static enum MHD_Result health(glim_call *c) {
    if (c->s->draining) {
        glim_api_fail(&c->error, 503, "shutting_down", NULL, "the server is shutting down");
        return glim_call_fail(c);
    }
    glim_buf b = {0};
    glim_buf_puts(&b, "{\"status\": \"ok\"}");
    return glim_call_reply(c, 200, "application/json", &b);
}

static enum MHD_Result live(glim_call *c) {
    glim_buf b = {0};
    glim_buf_puts(&b, "{\"status\": \"ok\"}");
    return glim_call_reply(c, 200, "application/json", &b);
}

static enum MHD_Result metrics(glim_call *c) {
    glim_buf b = {0};
    glim_sched_stats st;
    glim_sched_stats_get(c->s->d, &st);
    glim_metrics_write(&c->s->metrics, &st, c->s->facts.model, &b);
    return glim_call_reply(c, 200, "text/plain; version=0.0.4; charset=utf-8", &b);
}

static void put_model(const glim_server *s, glim_buf *b) {
    const glim_model *m = s->e->model;
    glim_buf_puts(b, "{\"id\": ");
    glim_json_put_str(b, s->facts.model, strlen(s->facts.model));
    glim_buf_printf(b, ", \"object\": \"model\", \"created\": %lld, \"owned_by\": \"glim\", \"meta\": {\"ctx\": %zu, \"params\": %llu, \"quant\": \"%s\", "
                    "\"vocab\": %zu, \"chat_template\": ", (long long)s->started, s->facts.n_ctx, (unsigned long long)m->n_params,
                    glim_dtype_of(m->plan.weight_type)->name, s->facts.n_vocab);
    if (s->e->chat == GLIM_CHAT_NONE) glim_buf_puts(b, "null}}");
    else glim_buf_printf(b, "\"%s\"}}", glim_chat_name(s->e->chat));
}

static enum MHD_Result models(glim_call *c) {
    glim_buf b = {0};
    glim_buf_puts(&b, "{\"object\": \"list\", \"data\": [");
    put_model(c->s, &b);
    glim_buf_puts(&b, "]}");
    return glim_call_reply(c, 200, "application/json", &b);
}

static enum MHD_Result model(glim_call *c) {
    if (strcmp(c->arg, c->s->facts.model) != 0) {
        glim_api_fail(&c->error, 404, "model_not_found", "model", "there is no model \"%.200s\" here: want \"%s\"", c->arg, c->s->facts.model);
        return glim_call_fail(c);
    }
    glim_buf b = {0};
    put_model(c->s, &b);
    return glim_call_reply(c, 200, "application/json", &b);
}

/* ---- tokens ---- */

static bool tokenize_body(glim_call *c, const json_t *body, glim_ids *ids) {
    const json_t *v = glim_field(body, "prompt"), *messages = NULL;
    bool prefix = true;
    glim_err err = {0};
    if (!v) v = glim_field(body, "content"); /* llama.cpp's name for it */
    if (!json_is_object(body)) return glim_api_fail(&c->error, 400, "invalid_type", NULL, "the body is %s, want a JSON object", glim_json_type_name(body));
    if (!glim_field_array(body, "messages", &messages, &c->error) || !glim_field_bool(body, "add_special_tokens", &prefix, &c->error)) return false;
    glim_status rc;
    if (messages) {
        json_t *clean;
        glim_prompt p = {0};
        if (!glim_ask_messages(&clean, messages, &c->error)) {
            json_decref(clean);
            return false;
        }
        rc = glim_engine_can_chat(c->s->e, &err);
        if (rc == GLIM_OK) rc = glim_chat_render(&p, c->s->e->chat, clean, NULL, &(glim_chat_options){0}, &err);
        if (rc == GLIM_OK) rc = glim_prompt_encode(&p, c->s->e->tok, ids, &err);
        glim_prompt_free(&p);
        json_decref(clean);
    } else {
        if (!v) return glim_api_fail(&c->error, 400, "missing_required_parameter", "prompt", "\"prompt\" is missing");
        if (!json_is_string(v)) return glim_field_type_error(&c->error, "prompt", v, "a string");
        rc = glim_tok_encode(c->s->e->tok, json_string_value(v), json_string_length(v), prefix ? GLIM_TOK_PREFIX : 0, ids, &err);
    }
    return rc == GLIM_OK || glim_api_from(&c->error, &err, messages ? "messages" : "prompt");
}

static enum MHD_Result tokenize(glim_call *c) {
    json_t *body = glim_call_json(c);
    glim_ids ids = {0};
    glim_buf b = {0};
    bool ok = body && tokenize_body(c, body, &ids);
    if (ok) {
        glim_buf_printf(&b, "{\"count\": %zu, \"max_model_len\": %zu, \"tokens\": [", ids.n, c->s->facts.n_ctx);
        for (size_t i = 0; i < ids.n; i++) glim_buf_printf(&b, i ? ", %d" : "%d", ids.v[i]);
        glim_buf_puts(&b, "]}");
    }
    glim_ids_free(&ids);
    json_decref(body);
    return ok ? glim_call_reply(c, 200, "application/json", &b) : glim_call_fail(c);
}

static bool detokenize_body(glim_call *c, const json_t *body, glim_buf *text) {
    const json_t *v = NULL;
    if (!json_is_object(body)) return glim_api_fail(&c->error, 400, "invalid_type", NULL, "the body is %s, want a JSON object", glim_json_type_name(body));
    if (!glim_field_array(body, "tokens", &v, &c->error)) return false;
    if (!v) return glim_api_fail(&c->error, 400, "missing_required_parameter", "tokens", "\"tokens\" is missing");
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *t = json_array_get(v, i);
        char place[40];
        snprintf(place, sizeof place, "tokens[%zu]", i);
        if (!json_is_integer(t)) return glim_field_type_error(&c->error, place, t, "a token id");
        int64_t id = json_integer_value(t);
        if (id < 0 || (uint64_t)id >= c->s->facts.n_vocab)
            return glim_api_fail(&c->error, 400, "invalid_value", place, "\"%s\": got %lld, want 0 to %zu", place, (long long)id, c->s->facts.n_vocab - 1);
        glim_tok_decode(c->s->e->tok, &(int32_t){(int32_t)id}, 1, true, text);
    }
    return true;
}

static enum MHD_Result detokenize(glim_call *c) {
    json_t *body = glim_call_json(c);
    glim_buf text = {0}, clean = {0}, b = {0};
    bool ok = body && detokenize_body(c, body, &text);
    if (ok) {
        glim_utf8_sanitize(&clean, glim_buf_cstr(&text), text.len);
        glim_buf_puts(&b, "{\"prompt\": ");
        glim_json_put_str(&b, glim_buf_cstr(&clean), clean.len);
        glim_buf_putc(&b, '}');
    }
    glim_buf_free(&text);
    glim_buf_free(&clean);
    json_decref(body);
    return ok ? glim_call_reply(c, 200, "application/json", &b) : glim_call_fail(c);
}

static const glim_route routes[] = {
    {"GET", "/health", false, health},
    {"GET", "/live", false, live},
    {"GET", "/metrics", false, metrics},
    {"GET", "/models", false, models},
    {"GET", "/models/*", false, model},
    {"POST", "/chat/completions", true, glim_call_chat},
    {"POST", "/completions", true, glim_call_completion},
    {"POST", "/tokenize", false, tokenize},
    {"POST", "/detokenize", false, detokenize},
};

/* The same routes with and without /v1; trailing slashes do not count. */
const glim_route *glim_route_find(const char *method, const char *url, const char **arg, const char **allow) {
    *arg = *allow = NULL;
    if (strncmp(url, "/v1/", 4) == 0) url += 3;
    size_t n = strlen(url);
    while (n > 1 && url[n - 1] == '/') n--;
    for (size_t i = 0; i < GLIM_COUNT(routes); i++) {
        const glim_route *r = &routes[i];
        size_t len = strlen(r->path);
        bool tail = r->path[len - 1] == '*';
        if (tail ? n < len || strncmp(url, r->path, len - 1) != 0 : n != len || strncmp(url, r->path, n) != 0) continue;
        bool same = strcmp(method, r->method) == 0 || (strcmp(method, "HEAD") == 0 && strcmp(r->method, "GET") == 0);
        if (!same) {
            *allow = strcmp(r->method, "GET") == 0 ? "GET, HEAD" : "POST";
            continue;
        }
        if (tail) *arg = url + len - 1;
        return r;
    }
    return NULL;
}
