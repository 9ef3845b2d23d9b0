/* messages.c - messages and tools of a request: checked against OpenAI's rules and brought into the one shape that
 * glim_chat_render takes, which checks the rest.
 *
 * developer is system; function and function_call (deprecated) are tool and tool_calls; a refusal is text; `reasoning` is reasoning_content. What our
 * own replies hold is accepted back word for word. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "serve/ask.h"
#include "serve/fields.h"

typedef struct reader {
    glim_api_error *e;
    const json_t *calls; /* of the latest assistant message that had some */
    char place[64];      /* "messages[3]" */
} reader;

static bool bad(reader *r, const char *code, const char *key, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
static bool bad(reader *r, const char *code, const char *key, const char *fmt, ...) {
    char param[128], text[512];
    va_list ap;
    snprintf(param, sizeof param, "%s%s%s", r->place, key[0] ? "." : "", key);
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return glim_api_fail(r->e, 400, code, param, "\"%s\": %s", param, text);
}

static bool read_part(reader *r, json_t *parts, const json_t *part, size_t i, const char *role) {
    char key[64];
    snprintf(key, sizeof key, "content[%zu]", i);
    if (!json_is_object(part)) return bad(r, "invalid_type", key, "got %s, want an object", glim_json_type_name(part));
    const json_t *type = glim_field(part, "type");
    snprintf(key, sizeof key, "content[%zu].type", i);
    if (!json_is_string(type)) return bad(r, "invalid_type", key, "got %s, want a string", glim_json_type_name(type));
    const char *t = glim_field_word(type), *from = "text";
    if (strcmp(t, "refusal") == 0 && strcmp(role, "assistant") == 0) from = "refusal";
    else if (strcmp(t, "text") != 0) return bad(r, "unsupported_value", key, "got \"%.100s\", but this model reads parts of type \"text\" only", t);
    const json_t *text = glim_field(part, from);
    snprintf(key, sizeof key, "content[%zu].%s", i, from);
    if (!json_is_string(text)) return bad(r, "invalid_type", key, "got %s, want a string", glim_json_type_name(text));
    json_t *o = json_object();
    json_object_set_new(o, "type", json_string("text"));
    json_object_set(o, "text", (json_t *)text);
    json_array_append_new(parts, o);
    return true;
}

static bool read_content(reader *r, json_t *out, const json_t *m, const char *role, bool may_lack) {
    const json_t *v = glim_field(m, "content");
    if (!v) {
        if (!may_lack) return bad(r, "missing_required_parameter", "content", "got %s, want a string or an array of parts", "nothing");
        json_object_set_new(out, "content", json_null());
        return true;
    }
    if (json_is_string(v)) {
        json_object_set(out, "content", (json_t *)v);
        return true;
    }
    if (!json_is_array(v)) return bad(r, "invalid_type", "content", "got %s, want a string or an array of parts", glim_json_type_name(v));
    json_t *parts = json_array();
    json_object_set_new(out, "content", parts);
    for (size_t i = 0; i < json_array_size(v); i++)
        if (!read_part(r, parts, json_array_get(v, i), i, role)) return false;
    return true;
}

/* The form that calls had before tool_calls: one, without an id; a message of role function answers it. */
static bool read_old_call(reader *r, json_t *out, const json_t *f) {
    if (!json_is_object(f)) return bad(r, "invalid_type", "function_call", "got %s, want an object", glim_json_type_name(f));
    const json_t *name = glim_field(f, "name"), *args = glim_field(f, "arguments");
    if (!json_is_string(name)) return bad(r, "invalid_type", "function_call.name", "got %s, want a string", glim_json_type_name(name));
    if (args && !json_is_string(args) && !json_is_object(args))
        return bad(r, "invalid_type", "function_call.arguments", "got %s, want a string", glim_json_type_name(args));
    json_object_set_new(out, "tool_calls", json_pack("[{s:s, s:s, s:{s:O, s:O?}}]", "id", "function_call", "type", "function", "function", "name", name, "arguments", args));
    r->calls = NULL; /* no tool message can answer it */
    return true;
}

static bool read_assistant(reader *r, json_t *out, const json_t *m) {
    const json_t *old = glim_field(m, "function_call");
    const json_t *calls = glim_field(m, "tool_calls"), *thought = glim_field(m, "reasoning_content"), *refusal = glim_field(m, "refusal");
    if (!thought) thought = glim_field(m, "reasoning");
    if (thought && !json_is_string(thought))
        return bad(r, "invalid_type", "reasoning_content", "got %s, want a string", glim_json_type_name(thought));
    if (refusal && !json_is_string(refusal)) return bad(r, "invalid_type", "refusal", "got %s, want a string", glim_json_type_name(refusal));
    if (calls && !json_is_array(calls)) return bad(r, "invalid_type", "tool_calls", "got %s, want an array", glim_json_type_name(calls));
    if (json_array_size(calls) == 0) calls = NULL;
    if (!read_content(r, out, m, "assistant", calls || refusal || thought || old)) return false;
    if (old && !calls && !read_old_call(r, out, old)) return false;
    if (refusal && !glim_field(m, "content")) json_object_set(out, "content", (json_t *)refusal);
    if (thought) json_object_set(out, "reasoning_content", (json_t *)thought);
    for (size_t i = 0; i < json_array_size(calls); i++) {
        const json_t *c = json_array_get(calls, i), *id = glim_field(c, "id"), *f = glim_field(c, "function");
        char key[64];
        snprintf(key, sizeof key, "tool_calls[%zu].id", i);
        if (!json_is_string(id) || json_string_length(id) == 0) return bad(r, "invalid_type", key, "got %s, want a string that is not empty", glim_json_type_name(id));
        snprintf(key, sizeof key, "tool_calls[%zu].function", i);
        if (!json_is_object(f)) return bad(r, "invalid_type", key, "got %s, want an object", glim_json_type_name(f));
        snprintf(key, sizeof key, "tool_calls[%zu].function.arguments", i);
        const json_t *args = glim_field(f, "arguments");
        if (args && !json_is_string(args) && !json_is_object(args)) return bad(r, "invalid_type", key, "got %s, want a string", glim_json_type_name(args));
    }
    if (calls) {
        json_object_set(out, "tool_calls", (json_t *)calls);
        r->calls = calls;
    }
    return true;
}

static bool read_tool(reader *r, json_t *out, const json_t *m) {
    const json_t *id = glim_field(m, "tool_call_id");
    if (!json_is_string(id))
        return bad(r, id ? "invalid_type" : "missing_required_parameter", "tool_call_id", "got %s, want the id of a call", glim_json_type_name(id));
    bool known = false;
    for (size_t i = 0; i < json_array_size(r->calls) && !known; i++) {
        const char *have = json_string_value(json_object_get(json_array_get(r->calls, i), "id"));
        known = have && strcmp(have, json_string_value(id)) == 0;
    }
    if (!known) return bad(r, "invalid_value", "tool_call_id", "no call of the assistant message before it has the id \"%.100s\"", json_string_value(id));
    json_object_set(out, "tool_call_id", (json_t *)id);
    return read_content(r, out, m, "tool", false);
}

static bool read_message(reader *r, json_t *list, const json_t *m) {
    static const char *const roles[][2] = {{"developer", "system"}, {"system", "system"}, {"user", "user"},
                                           {"assistant", "assistant"}, {"tool", "tool"}, {"function", "tool"}};
    if (!json_is_object(m)) return bad(r, "invalid_type", "", "got %s, want an object", glim_json_type_name(m));
    const json_t *role = glim_field(m, "role"), *name = glim_field(m, "name");
    if (!json_is_string(role))
        return bad(r, role ? "invalid_type" : "missing_required_parameter", "role", "got %s, want developer, system, user, assistant or tool", glim_json_type_name(role));
    size_t k = 0;
    while (k < GLIM_COUNT(roles) && strcmp(glim_field_word(role), roles[k][0]) != 0) k++;
    if (k == GLIM_COUNT(roles)) return bad(r, "invalid_value", "role", "got \"%.100s\", want developer, system, user, assistant or tool", json_string_value(role));
    if (name && !json_is_string(name)) return bad(r, "invalid_type", "name", "got %s, want a string", glim_json_type_name(name));
    json_t *out = json_object();
    json_array_append_new(list, out);
    json_object_set_new(out, "role", json_string(roles[k][1]));
    if (name) json_object_set(out, "name", (json_t *)name);
    if (strcmp(roles[k][0], "assistant") == 0) return read_assistant(r, out, m);
    if (strcmp(roles[k][0], "tool") == 0) return read_tool(r, out, m);
    return read_content(r, out, m, roles[k][0], false);
}

bool glim_ask_messages(json_t **out, const json_t *messages, glim_api_error *e) {
    *out = NULL;
    size_t n = json_array_size(messages);
    if (n == 0) return glim_api_fail(e, 400, "invalid_value", "messages", "\"messages\": got none, want at least one");
    *out = json_array();
    reader r = {.e = e};
    for (size_t i = 0; i < n; i++) {
        snprintf(r.place, sizeof r.place, "messages[%zu]", i);
        if (!read_message(&r, *out, json_array_get(messages, i))) return false;
    }
    return true;
}

/* ---- tools ---- */

static const char *tool_name(const json_t *tool) { return json_string_value(json_object_get(json_object_get(tool, "function"), "name")); }

static bool check_tool(const json_t *tool, size_t i, glim_api_error *e) {
    char p[64];
    const char *type = glim_field_word(glim_field(tool, "type"));
    snprintf(p, sizeof p, "tools[%zu].type", i);
    if (!json_is_object(tool) || !type || strcmp(type, "function") != 0)
        return glim_api_fail(e, 400, "unsupported_value", p, "\"%s\": got \"%.100s\", want \"function\"", p, type ? type : "");
    const json_t *f = glim_field(tool, "function"), *name = glim_field(f, "name"), *params = glim_field(f, "parameters"),
                 *about = glim_field(f, "description"), *strict = glim_field(f, "strict");
    snprintf(p, sizeof p, "tools[%zu].function", i);
    if (!json_is_object(f)) return glim_field_type_error(e, p, f, "an object");
    snprintf(p, sizeof p, "tools[%zu].function.name", i);
    if (!json_is_string(name)) return glim_field_type_error(e, p, name, "a string");
    size_t n = json_string_length(name);
    const char *s = json_string_value(name);
    if (n == 0 || n > 64 || strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != n)
        return glim_api_fail(e, 400, "invalid_value", p, "\"%s\": want 1 to 64 letters, digits, \"_\" or \"-\"", p);
    snprintf(p, sizeof p, "tools[%zu].function.parameters", i);
    if (params && !json_is_object(params)) return glim_field_type_error(e, p, params, "an object");
    snprintf(p, sizeof p, "tools[%zu].function.description", i);
    if (about && !json_is_string(about)) return glim_field_type_error(e, p, about, "a string");
    snprintf(p, sizeof p, "tools[%zu].function.strict", i);
    if (strict && !json_is_boolean(strict)) return glim_field_type_error(e, p, strict, "true or false");
    return true;
}

static bool has_tool(const json_t *tools, const char *name) {
    for (size_t i = 0; i < json_array_size(tools); i++)
        if (strcmp(tool_name(json_array_get(tools, i)), name) == 0) return true;
    return false;
}

static bool check_named(const json_t *tools, const json_t *choice, const char *place, glim_api_error *e) {
    const char *name = glim_field_word(json_object_get(json_object_get(choice, "function"), "name"));
    if (!name) return glim_api_fail(e, 400, "invalid_value", place, "\"%s.function.name\" is missing", place);
    if (!has_tool(tools, name)) return glim_api_fail(e, 400, "invalid_value", place, "\"%s\": there is no tool \"%.64s\" in \"tools\"", place, name);
    return true;
}

static bool check_choice(glim_ask *a, const json_t *c, glim_api_error *e) {
    const char *word = glim_field_word(c), *type = glim_field_word(glim_field(c, "type"));
    if (word) {
        if (strcmp(word, "none") == 0) {
            a->tools = NULL;
            return true;
        }
        if (strcmp(word, "auto") == 0) return true;
        if (strcmp(word, "required") != 0)
            return glim_api_fail(e, 400, "invalid_value", "tool_choice", "\"tool_choice\": got \"%.100s\", want none, auto, required or an object", word);
    } else if (!json_is_object(c)) {
        return glim_field_type_error(e, "tool_choice", c, "a string or an object");
    }
    if (!a->tools) return glim_api_fail(e, 400, "invalid_value", "tool_choice", "\"tool_choice\" is given without \"tools\"");
    a->tool_choice = c;
    if (word) return true;
    if (type && strcmp(type, "function") == 0) return check_named(a->tools, c, "tool_choice", e);
    if (!type || strcmp(type, "allowed_tools") != 0)
        return glim_api_fail(e, 400, "invalid_value", "tool_choice.type", "\"tool_choice.type\": want \"function\" or \"allowed_tools\"");
    const json_t *allowed = glim_field(c, "allowed_tools"), *list = glim_field(allowed ? allowed : c, "tools"), *mode = glim_field(allowed ? allowed : c, "mode");
    if (!json_is_array(list) || json_array_size(list) == 0)
        return glim_api_fail(e, 400, "invalid_value", "tool_choice.allowed_tools", "\"tool_choice.allowed_tools.tools\": want an array of tools");
    if (mode && !json_is_string(mode)) return glim_field_type_error(e, "tool_choice.allowed_tools.mode", mode, "\"auto\" or \"required\"");
    if (mode && strcmp(glim_field_word(mode), "auto") != 0 && strcmp(glim_field_word(mode), "required") != 0)
        return glim_api_fail(e, 400, "invalid_value", "tool_choice.allowed_tools.mode", "\"tool_choice.allowed_tools.mode\": got \"%.100s\", want \"auto\" or \"required\"",
                             json_string_value(mode));
    a->allowed = json_array();
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        if (!check_named(a->tools, one, "tool_choice.allowed_tools", e)) return false;
        const char *name = glim_field_word(json_object_get(json_object_get(one, "function"), "name"));
        for (size_t k = 0; k < json_array_size(a->tools); k++)
            if (strcmp(tool_name(json_array_get(a->tools, k)), name) == 0) json_array_append(a->allowed, json_array_get(a->tools, k));
    }
    return true;
}

bool glim_ask_tools(glim_ask *a, glim_api_error *e) {
    bool parallel = true;
    if (!glim_field_array(a->body, "tools", &a->tools, e) || !glim_field_bool(a->body, "parallel_tool_calls", &parallel, e)) return false;
    a->single_call = !parallel;
    size_t n = json_array_size(a->tools);
    if (n > GLIM_ASK_TOOLS) return glim_api_fail(e, 400, "invalid_value", "tools", "\"tools\": got %zu, want at most %d", n, GLIM_ASK_TOOLS);
    for (size_t i = 0; i < n; i++) {
        if (!check_tool(json_array_get(a->tools, i), i, e)) return false;
        for (size_t k = 0; k < i; k++)
            if (strcmp(tool_name(json_array_get(a->tools, i)), tool_name(json_array_get(a->tools, k))) == 0)
                return glim_api_fail(e, 400, "invalid_value", "tools", "\"tools\": two of them are called \"%s\"", tool_name(json_array_get(a->tools, i)));
    }
    if (n == 0) a->tools = NULL;
    const json_t *c = glim_field(a->body, "tool_choice");
    if (c && !check_choice(a, c, e)) return false;
    a->callable = a->allowed ? a->allowed : a->tools;
    return true;
}
