/* responses_ask.c - see responses_ask.h. */
#include "serve/responses_ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve/fields.h"

typedef struct reader {
    json_t *messages;
    json_t *open;      /* the assistant's message that calls and texts still join; borrowed from messages */
    glim_buf thought;  /* reasoning that waits for its message */
    glim_api_error *e;
    char place[40];
} reader;

static bool bad(reader *r, const char *code, const char *key, const char *why) {
    char param[128];
    snprintf(param, sizeof param, "%s%s%s", r->place, key[0] ? "." : "", key);
    return glim_api_fail(r->e, 400, code, param, "\"%s\": %s", param, why);
}

static json_t *text_part(const char *s, size_t n) { return json_pack("{s:s, s:s%}", "type", "text", "text", s, n); }

/* Parts of any of the kinds that mean text. */
static json_t *read_parts(reader *r, const json_t *v, const char *key) {
    if (json_is_string(v)) return json_incref((json_t *)v);
    if (!json_is_array(v)) return bad(r, v ? "invalid_type" : "missing_required_parameter", key, "want a string or an array of parts"), NULL;
    json_t *parts = json_array();
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *p = json_array_get(v, i);
        const char *type = json_string_value(json_object_get(p, "type"));
        char where[64];
        snprintf(where, sizeof where, "%s[%zu].type", key, i);
        bool text = type && (strcmp(type, "input_text") == 0 || strcmp(type, "output_text") == 0 || strcmp(type, "text") == 0);
        bool refusal = type && strcmp(type, "refusal") == 0;
        const json_t *s = json_object_get(p, refusal ? "refusal" : "text");
        if (!type || (!text && !refusal)) {
            bad(r, type ? "unsupported_value" : "invalid_type", where, "this model reads parts of type \"input_text\" and \"output_text\" only");
        } else if (!json_is_string(s)) {
            snprintf(where, sizeof where, "%s[%zu].text", key, i);
            bad(r, "invalid_type", where, "want a string");
        } else {
            json_array_append_new(parts, text_part(json_string_value(s), json_string_length(s)));
            continue;
        }
        json_decref(parts);
        return NULL;
    }
    return parts;
}

/* The assistant's message that is being put together. */
static json_t *assistant(reader *r) {
    if (!r->open) {
        r->open = json_pack("{s:s, s:n}", "role", "assistant", "content");
        json_array_append_new(r->messages, r->open);
    }
    if (r->thought.len) {
        json_object_set_new(r->open, "reasoning_content", json_stringn(r->thought.s, r->thought.len));
        glim_buf_clear(&r->thought);
    }
    return r->open;
}

static bool read_message(reader *r, const json_t *item) {
    const json_t *role = glim_field(item, "role");
    if (!json_is_string(role)) return bad(r, role ? "invalid_type" : "missing_required_parameter", "role", "want user, assistant, system or developer");
    const char *name = json_string_value(role);
    if (strcmp(name, "user") != 0 && strcmp(name, "assistant") != 0 && strcmp(name, "system") != 0 && strcmp(name, "developer") != 0)
        return bad(r, "invalid_value", "role", "want user, assistant, system or developer");
    json_t *content = read_parts(r, glim_field(item, "content"), "content");
    if (!content) return false;
    if (strcmp(name, "assistant") == 0) {
        /* A second text, or one after calls, is a message of its own. */
        if (r->open && (!json_is_null(json_object_get(r->open, "content")) || json_object_get(r->open, "tool_calls"))) r->open = NULL;
        json_object_set_new(assistant(r), "content", content);
        return true;
    }
    r->open = NULL;
    glim_buf_clear(&r->thought);
    json_array_append_new(r->messages, json_pack("{s:s, s:o}", "role", name, "content", content));
    return true;
}

static bool need_str(reader *r, const json_t *item, const char *key, const json_t **out) {
    *out = glim_field(item, key);
    return json_is_string(*out) || bad(r, *out ? "invalid_type" : "missing_required_parameter", key, "want a string");
}

static bool read_call(reader *r, const json_t *item) {
    const json_t *id, *name, *args;
    if (!need_str(r, item, "call_id", &id) || !need_str(r, item, "name", &name) || !need_str(r, item, "arguments", &args)) return false;
    json_t *m = assistant(r), *calls = json_object_get(m, "tool_calls");
    if (!calls) {
        calls = json_array();
        json_object_set_new(m, "tool_calls", calls);
    }
    json_array_append_new(calls, json_pack("{s:O, s:s, s:{s:O, s:O}}", "id", id, "type", "function", "function", "name", name, "arguments", args));
    return true;
}

static bool read_output(reader *r, const json_t *item) {
    const json_t *id;
    if (!need_str(r, item, "call_id", &id)) return false;
    json_t *content = read_parts(r, glim_field(item, "output"), "output");
    if (!content) return false;
    r->open = NULL;
    json_array_append_new(r->messages, json_pack("{s:s, s:O, s:o}", "role", "tool", "tool_call_id", id, "content", content));
    return true;
}

static bool read_reasoning(reader *r, const json_t *item) {
    static const char *const keys[] = {"content", "summary"};
    for (size_t k = 0; k < 2 && r->thought.len == 0; k++) {
        const json_t *v = glim_field(item, keys[k]);
        if (v && !json_is_array(v)) return bad(r, "invalid_type", keys[k], "want an array");
        for (size_t i = 0; i < json_array_size(v); i++) {
            const json_t *s = json_object_get(json_array_get(v, i), "text");
            if (json_is_string(s)) glim_buf_append(&r->thought, json_string_value(s), json_string_length(s));
        }
    }
    r->open = NULL;
    return true;
}

static bool read_item(reader *r, const json_t *item) {
    const json_t *type = glim_field(item, "type");
    if (!json_is_object(item)) return bad(r, "invalid_type", "", "want an object");
    if (type && !json_is_string(type)) return bad(r, "invalid_type", "type", "want a string");
    const char *t = type ? json_string_value(type) : "message";
    if (strcmp(t, "message") == 0) return read_message(r, item);
    if (strcmp(t, "function_call") == 0) return read_call(r, item);
    if (strcmp(t, "function_call_output") == 0) return read_output(r, item);
    if (strcmp(t, "reasoning") == 0) return read_reasoning(r, item);
    if (strcmp(t, "item_reference") == 0) return bad(r, "unsupported_value", "type", "nothing is kept here that could be referred to: send the item itself");
    return bad(r, "unsupported_value", "type", "want message, function_call, function_call_output or reasoning");
}

static bool read_input(reader *r, const json_t *body) {
    const json_t *v = glim_field(body, "input");
    const char *instructions = NULL;
    if (!glim_field_str(body, "instructions", &instructions, r->e)) return false;
    if (instructions) json_array_append_new(r->messages, json_pack("{s:s, s:s}", "role", "system", "content", instructions));
    if (!v) return glim_api_fail(r->e, 400, "missing_required_parameter", "input", "\"input\" is missing");
    if (json_is_string(v)) {
        json_array_append_new(r->messages, json_pack("{s:s, s:O}", "role", "user", "content", v));
        return true;
    }
    if (!json_is_array(v)) return glim_field_type_error(r->e, "input", v, "a string or an array of items");
    if (json_array_size(v) == 0) return glim_api_fail(r->e, 400, "invalid_value", "input", "\"input\": got no items, want at least one");
    for (size_t i = 0; i < json_array_size(v); i++) {
        snprintf(r->place, sizeof r->place, "input[%zu]", i);
        if (!read_item(r, json_array_get(v, i))) return false;
    }
    return true;
}

/* ---- tools ---- */

static json_t *or_null(const json_t *o, const char *key) {
    json_t *v = json_object_get(o, key);
    return v ? json_incref(v) : json_null();
}

/* Flat {type, name, ...} or chat's {type, function: {...}}: both forms of each. */
static bool read_tool(const json_t *tool, size_t i, json_t *nested, json_t *flat, glim_api_error *e) {
    char place[40];
    const char *type = json_string_value(json_object_get(tool, "type"));
    snprintf(place, sizeof place, "tools[%zu].type", i);
    if (!type || strcmp(type, "function") != 0)
        return glim_api_fail(e, 400, "unsupported_value", place, "\"%s\": got \"%.60s\", want \"function\"", place, type ? type : "");
    const json_t *f = json_object_get(tool, "function");
    if (!json_is_object(f)) f = tool;
    json_t *fn = json_object();
    static const char *const keys[] = {"name", "description", "parameters", "strict"};
    for (size_t k = 0; k < GLIM_COUNT(keys); k++)
        if (glim_field(f, keys[k])) json_object_set(fn, keys[k], json_object_get(f, keys[k]));
    json_array_append_new(nested, json_pack("{s:s, s:o}", "type", "function", "function", fn));
    json_array_append_new(flat, json_pack("{s:s, s:o, s:o, s:o, s:o}", "type", "function", "name", or_null(f, "name"), "description",
                                          or_null(f, "description"), "parameters", or_null(f, "parameters"), "strict", or_null(f, "strict")));
    return true;
}

static json_t *named(const json_t *c) {
    const json_t *f = json_object_get(c, "function");
    return json_pack("{s:s, s:{s:o}}", "type", "function", "function", "name", or_null(json_is_object(f) ? f : c, "name"));
}

static json_t *tool_choice(const json_t *c) {
    const char *type = json_string_value(json_object_get(c, "type"));
    if (!json_is_object(c) || !type) return json_incref((json_t *)c);
    if (strcmp(type, "function") == 0) return named(c);
    if (strcmp(type, "allowed_tools") != 0) return json_incref((json_t *)c);
    const json_t *in = json_object_get(c, "allowed_tools"), *list = json_object_get(in ? in : c, "tools");
    json_t *tools = json_array();
    for (size_t i = 0; i < json_array_size(list); i++) json_array_append_new(tools, named(json_array_get(list, i)));
    return json_pack("{s:s, s:{s:o, s:o}}", "type", "allowed_tools", "allowed_tools", "mode", or_null(in ? in : c, "mode"), "tools", tools);
}

static bool read_tools(const json_t *body, json_t *chat, json_t *flat, glim_api_error *e) {
    const json_t *v = NULL, *choice = glim_field(body, "tool_choice");
    if (!glim_field_array(body, "tools", &v, e)) return false;
    json_t *nested = json_array();
    if (json_array_size(v)) json_object_set_new(chat, "tools", nested);
    else json_decref(nested);
    for (size_t i = 0; i < json_array_size(v); i++)
        if (!read_tool(json_array_get(v, i), i, nested, flat, e)) return false;
    /* SDKs send "auto" whether there are tools or not. */
    if (choice) json_object_set_new(chat, "tool_choice", tool_choice(choice));
    return true;
}

/* ---- the rest ---- */

static bool read_format(const json_t *body, json_t *chat, glim_api_error *e) {
    const json_t *text = NULL, *f;
    if (!glim_field_object(body, "text", &text, e)) return false;
    if (!(f = glim_field(text, "format"))) return true;
    if (!json_is_object(f)) return glim_field_type_error(e, "text.format", f, "an object");
    const char *type = json_string_value(json_object_get(f, "type"));
    if (!type || strcmp(type, "json_schema") != 0) return json_object_set(chat, "response_format", (json_t *)f) == 0;
    const json_t *in = json_object_get(f, "json_schema"); /* chat's form is taken too */
    json_object_set_new(chat, "response_format", json_pack("{s:s, s:O}", "type", "json_schema", "json_schema", json_is_object(in) ? in : f));
    return true;
}

static bool refuse_memory(const json_t *body, glim_api_error *e) {
    static const char *const keys[] = {"previous_response_id", "conversation", "prompt"};
    bool background = false;
    for (size_t i = 0; i < GLIM_COUNT(keys); i++)
        if (glim_field(body, keys[i]))
            return glim_api_fail(e, 400, "unsupported_value", keys[i], "\"%s\": responses are not kept here: send the whole conversation as \"input\"", keys[i]);
    if (!glim_field_bool(body, "background", &background, e)) return false;
    return !background || glim_api_fail(e, 400, "unsupported_value", "background", "\"background\": only false is possible here");
}

/* Probabilities of tokens are in no reply of this form: who asks for them learns that, and is sent no empty list. */
static bool refuse_logprobs(const json_t *body, glim_api_error *e) {
    const json_t *include = glim_field(body, "include"), *v;
    int64_t top = 0;
    size_t i;
    if (!glim_field_int(body, "top_logprobs", 0, 20, &top, e)) return false;
    if (top) return glim_api_fail(e, 400, "unsupported_value", "top_logprobs", "\"top_logprobs\": only 0 is possible here; /v1/chat/completions has them");
    json_array_foreach((json_t *)include, i, v)
        if (json_is_string(v) && strcmp(json_string_value(v), "message.output_text.logprobs") == 0)
            return glim_api_fail(e, 400, "unsupported_value", "include", "\"include\": \"message.output_text.logprobs\" is not possible here; /v1/chat/completions has them");
    return true;
}

bool glim_responses_ask(const json_t *body, json_t **chat, json_t **tools, glim_api_error *e) {
    static const char *const same[] = {"model", "stream", "temperature", "top_p", "parallel_tool_calls", "seed", "top_k", "min_p",
                                       "repetition_penalty", "chat_template_kwargs", "thinking", "priority", "user", "metadata", "stop", "frequency_penalty", "presence_penalty", "logit_bias"};
    const json_t *reasoning = NULL, *meta = NULL;
    int64_t max = 0;
    reader r = {.messages = json_array(), .e = e};
    *chat = json_object();
    *tools = json_array();
    for (size_t i = 0; i < GLIM_COUNT(same); i++)
        if (glim_field(body, same[i])) json_object_set(*chat, same[i], json_object_get(body, same[i]));
    bool ok = refuse_memory(body, e) && refuse_logprobs(body, e) && glim_field_int(body, "max_output_tokens", 1, INT32_MAX, &max, e) &&
              glim_field_object(body, "metadata", &meta, e) && glim_field_object(body, "reasoning", &reasoning, e) && read_format(body, *chat, e) &&
              read_tools(body, *chat, *tools, e) && read_input(&r, body);
    if (max) json_object_set_new(*chat, "max_completion_tokens", json_integer(max));
    if (glim_field(reasoning, "effort")) json_object_set(*chat, "reasoning_effort", json_object_get(reasoning, "effort"));
    json_object_set_new(*chat, "messages", r.messages);
    glim_buf_free(&r.thought);
    if (ok) return true;
    json_decref(*chat);
    json_decref(*tools);
    *chat = *tools = NULL;
    return false;
}

/* The message's own "place", where it has one, is called as the param is from now on. */
static void rename_in_message(glim_api_error *e, const char *was, const char *is) {
    char quoted[sizeof e->param + 3], said[sizeof e->message];
    snprintf(quoted, sizeof quoted, "\"%s\"", was);
    const char *at = strstr(e->message, quoted);
    if (!at) return;
    snprintf(said, sizeof said, "%.*s\"%s\"%s", (int)(at - e->message), e->message, is, at + strlen(quoted));
    snprintf(e->message, sizeof e->message, "%s", said);
}

void glim_responses_rename(glim_api_error *e) {
    static const char *const names[][2] = {{"messages", "input"}, {"response_format.json_schema", "text.format"}, {"response_format", "text.format"},
                                           {"max_completion_tokens", "max_output_tokens"}, {"reasoning_effort", "reasoning.effort"}};
    for (size_t i = 0; i < GLIM_COUNT(names); i++) {
        size_t n = strlen(names[i][0]);
        if (strncmp(e->param, names[i][0], n) != 0) continue;
        char rest[sizeof e->param];
        /* Places in messages are not those of items. */
        snprintf(rest, sizeof rest, "%s%s", names[i][1], i == 0 ? "" : e->param + n);
        rename_in_message(e, e->param, rest);
        snprintf(e->param, sizeof e->param, "%s", rest);
        return;
    }
}
