/* data_shape.c - the JSON shapes in which rows come, to OpenAI-shaped messages.
 *
 * What a message may hold is checked by the chat renderer, which names message and key; here only what a shape
 * itself asks for. */
#include <string.h>

#include "train/data_internal.h"

void glim_data_conv_free(glim_data_conv *c) {
    json_decref(c->messages);
    json_decref(c->tools);
    json_decref(c->chosen);
    json_decref(c->rejected);
    *c = (glim_data_conv){0};
}

static glim_status no_memory(glim_err *err) { return glim_fail(err, GLIM_E_NOMEM, "could not allocate a row's messages"); }

static bool has(const json_t *o, const char *key) {
    const json_t *v = json_object_get(o, key);
    return v && !json_is_null(v);
}

/* A key that must hold a string; NULL out where it is missing and may be. */
static glim_status text_at(const json_t *o, const char *key, bool needed, const json_t **out, glim_err *err) {
    const json_t *v = json_object_get(o, key);
    *out = NULL;
    if (!v || json_is_null(v))
        return needed ? glim_fail(err, GLIM_E_FORMAT, "\"%s\" is missing, want a string", key) : GLIM_OK;
    if (!json_is_string(v))
        return glim_fail(err, GLIM_E_FORMAT, "\"%s\": got %s, want a string", key, glim_json_type_name(v));
    *out = v;
    return GLIM_OK;
}

/* Appends {"role": role, "content": content} (content is borrowed). */
static glim_status put(json_t *list, const char *role, const json_t *content, glim_err *err) {
    json_t *m = json_object();
    if (!m || json_object_set_new(m, "role", json_string(role)) != 0 ||
        json_object_set(m, "content", (json_t *)content) != 0) {
        json_decref(m);
        return no_memory(err);
    }
    return json_array_append_new(list, m) == 0 ? GLIM_OK : no_memory(err);
}

/* tools as an array, or as JSON text that holds one; blank text is none. */
static glim_status read_tools(json_t **out, const json_t *v, glim_err *err) {
    *out = NULL;
    if (!v || json_is_null(v)) return GLIM_OK;
    if (json_is_array(v)) {
        *out = json_incref((json_t *)v);
        return GLIM_OK;
    }
    if (!json_is_string(v)) return glim_fail(err, GLIM_E_FORMAT, "\"tools\": got %s, want an array", glim_json_type_name(v));
    const char *s = json_string_value(v);
    if (s[strspn(s, " \t\r\n")] == 0) return GLIM_OK;
    glim_status rc = glim_json_parse(out, s, json_string_length(v), 0, err);
    if (rc == GLIM_OK && !json_is_array(*out)) {
        rc = glim_fail(err, GLIM_E_FORMAT, "got the JSON text of %s, want an array", glim_json_type_name(*out));
        json_decref(*out);
        *out = NULL;
    }
    if (rc != GLIM_OK) glim_err_context(err, "\"tools\"");
    return rc;
}

/* ---- chat ---- */

static glim_status chat(glim_data_conv *c, const json_t *row, glim_err *err) {
    const json_t *m = json_object_get(row, "messages");
    if (!json_is_array(m))
        return m ? glim_fail(err, GLIM_E_FORMAT, "\"messages\": got %s, want an array", glim_json_type_name(m))
                 : glim_fail(err, GLIM_E_FORMAT, "\"messages\" is missing, want an array");
    c->messages = json_incref((json_t *)m);
    return read_tools(&c->tools, json_object_get(row, has(row, "tools") ? "tools" : "functions"), err);
}

/* ---- alpaca ---- */

/* instruction and input as one user message; "prompt" and "question" are the same thing under other names. */
static glim_status put_instruction(json_t *list, const json_t *row, glim_err *err) {
    const char *key = has(row, "instruction") ? "instruction" : has(row, "question") ? "question" : has(row, "prompt") ? "prompt"
                                                                                                                       : "instruction";
    const json_t *instruction, *input;
    glim_status rc = text_at(row, key, true, &instruction, err);
    if (rc == GLIM_OK) rc = text_at(row, "input", false, &input, err);
    if (rc != GLIM_OK) return rc;
    if (!input || json_string_length(input) == 0) return put(list, "user", instruction, err);
    glim_buf b = {0};
    glim_buf_append(&b, json_string_value(instruction), json_string_length(instruction));
    if (b.len) glim_buf_putc(&b, '\n');
    glim_buf_append(&b, json_string_value(input), json_string_length(input));
    rc = glim_buf_status(&b, "an instruction", err);
    json_t *text = rc == GLIM_OK ? json_stringn(b.s, b.len) : NULL;
    glim_buf_free(&b);
    if (rc == GLIM_OK) rc = text ? put(list, "user", text, err) : no_memory(err);
    json_decref(text);
    return rc;
}

static glim_status put_history(json_t *list, const json_t *row, glim_err *err) {
    const json_t *h = json_object_get(row, "history");
    if (!h || json_is_null(h)) return GLIM_OK;
    if (!json_is_array(h)) return glim_fail(err, GLIM_E_FORMAT, "\"history\": got %s, want an array", glim_json_type_name(h));
    for (size_t i = 0; i < json_array_size(h); i++) {
        const json_t *turn = json_array_get(h, i), *q = json_array_get(turn, 0), *a = json_array_get(turn, 1);
        if (!json_is_string(q) || !json_is_string(a) || json_array_size(turn) != 2)
            return glim_fail(err, GLIM_E_FORMAT, "\"history\"[%zu]: want a question and an answer, both strings", i);
        glim_status rc = put(list, "user", q, err);
        if (rc == GLIM_OK) rc = put(list, "assistant", a, err);
        if (rc != GLIM_OK) return rc;
    }
    return GLIM_OK;
}

/* system, history and instruction: everything before the answer. */
static glim_status alpaca_prompt(glim_data_conv *c, const json_t *row, glim_err *err) {
    const json_t *system;
    glim_status rc = text_at(row, "system", false, &system, err);
    if (rc != GLIM_OK) return rc;
    if (!(c->messages = json_array())) return no_memory(err);
    if (system && json_string_length(system)) rc = put(c->messages, "system", system, err);
    if (rc == GLIM_OK) rc = put_history(c->messages, row, err);
    return rc == GLIM_OK ? put_instruction(c->messages, row, err) : rc;
}

static glim_status alpaca(glim_data_conv *c, const json_t *row, glim_err *err) {
    const json_t *output;
    glim_status rc = text_at(row, has(row, "completion") && !has(row, "output") ? "completion" : "output", true, &output, err);
    if (rc == GLIM_OK) rc = alpaca_prompt(c, row, err);
    return rc == GLIM_OK ? put(c->messages, "assistant", output, err) : rc;
}

/* ---- sharegpt ---- */

static const struct {
    const char *from, *role;
} speakers[] = {
    {"human", "user"}, {"user", "user"}, {"gpt", "assistant"}, {"assistant", "assistant"}, {"chatgpt", "assistant"},
    {"model", "assistant"}, {"bot", "assistant"}, {"system", "system"}, {"observation", "tool"}, {"tool", "tool"},
    {"function_response", "tool"}, {"ipython", "tool"}, {"function_call", "call"}, {"tool_call", "call"},
};

/* One call object, {"name": ..., "arguments": {...}}, as OpenAI has it. */
static glim_status put_call(json_t *calls, const json_t *call, glim_err *err) {
    if (!json_is_object(call))
        return glim_fail(err, GLIM_E_FORMAT, "a function call: got %s, want an object with \"name\" and \"arguments\"",
                         glim_json_type_name(call));
    json_t *o = json_object();
    if (!o || json_object_set_new(o, "type", json_string("function")) != 0 || json_object_set(o, "function", (json_t *)call) != 0) {
        json_decref(o);
        return no_memory(err);
    }
    return json_array_append_new(calls, o) == 0 ? GLIM_OK : no_memory(err);
}

static glim_status put_calls(json_t *list, const json_t *text, glim_err *err) {
    json_t *v, *m = json_object(), *calls = json_array();
    glim_status rc = glim_json_parse(&v, json_string_value(text), json_string_length(text), 0, err);
    if (rc != GLIM_OK) glim_err_context(err, "a function call");
    if (rc == GLIM_OK && json_is_array(v))
        for (size_t i = 0; i < json_array_size(v) && rc == GLIM_OK; i++) rc = put_call(calls, json_array_get(v, i), err);
    else if (rc == GLIM_OK) rc = put_call(calls, v, err);
    if (rc == GLIM_OK && (!m || json_object_set_new(m, "role", json_string("assistant")) != 0 ||
                          json_object_set_new(m, "content", json_null()) != 0 || json_object_set(m, "tool_calls", calls) != 0 ||
                          json_array_append(list, m) != 0))
        rc = no_memory(err);
    json_decref(v);
    json_decref(m);
    json_decref(calls);
    return rc;
}

static glim_status put_said(json_t *list, const json_t *item, glim_err *err) {
    const json_t *from, *value;
    if (!json_is_object(item)) return glim_fail(err, GLIM_E_FORMAT, "got %s, want an object with \"from\" and \"value\"", glim_json_type_name(item));
    glim_status rc = text_at(item, has(item, "role") && !has(item, "from") ? "role" : "from", true, &from, err);
    if (rc == GLIM_OK) rc = text_at(item, has(item, "content") && !has(item, "value") ? "content" : "value", true, &value, err);
    if (rc != GLIM_OK) return rc;
    const char *who = json_string_value(from), *role = NULL;
    for (size_t i = 0; i < GLIM_COUNT(speakers); i++)
        if (strcmp(who, speakers[i].from) == 0) role = speakers[i].role;
    if (!role)
        return glim_fail(err, GLIM_E_FORMAT, "\"from\": got \"%.40s\", want human, gpt, system, function_call or observation", who);
    return strcmp(role, "call") == 0 ? put_calls(list, value, err) : put(list, role, value, err);
}

/* conversations with "system" and "tools" beside them. */
static glim_status sharegpt(glim_data_conv *c, const json_t *row, glim_err *err) {
    const char *key = has(row, "conversations") ? "conversations" : "conversation";
    const json_t *list = json_object_get(row, key), *system;
    if (!json_is_array(list))
        return list ? glim_fail(err, GLIM_E_FORMAT, "\"%s\": got %s, want an array", key, glim_json_type_name(list))
                    : glim_fail(err, GLIM_E_FORMAT, "\"conversations\" is missing, want an array");
    glim_status rc = text_at(row, "system", false, &system, err);
    if (rc == GLIM_OK) rc = read_tools(&c->tools, json_object_get(row, "tools"), err);
    if (rc != GLIM_OK) return rc;
    if (!(c->messages = json_array())) return no_memory(err);
    if (system && json_string_length(system)) rc = put(c->messages, "system", system, err);
    for (size_t i = 0; i < json_array_size(list) && rc == GLIM_OK; i++) {
        rc = put_said(c->messages, json_array_get(list, i), err);
        if (rc != GLIM_OK) glim_err_context(err, "\"%s\"[%zu]", key, i);
    }
    return rc;
}

/* ---- preference ---- */

/* An answer as a list of messages: text, one message of either shape, or a list of messages. */
static glim_status read_answer(json_t **out, const json_t *row, const char *key, glim_err *err) {
    const json_t *v = json_object_get(row, key);
    glim_status rc = GLIM_OK;
    if (!v || json_is_null(v)) return glim_fail(err, GLIM_E_FORMAT, "\"%s\" is missing, want the answer's text or messages", key);
    if (!(*out = json_array())) return no_memory(err);
    if (json_is_string(v)) return put(*out, "assistant", v, err);
    if (json_is_object(v) && has(v, "from")) rc = put_said(*out, v, err);
    else if (json_is_object(v)) rc = json_array_append(*out, (json_t *)v) == 0 ? GLIM_OK : no_memory(err);
    else if (json_is_array(v)) rc = json_array_extend(*out, (json_t *)v) == 0 ? GLIM_OK : no_memory(err);
    else rc = glim_fail(err, GLIM_E_FORMAT, "got %s, want the answer's text or messages", glim_json_type_name(v));
    if (rc == GLIM_OK && json_array_size(*out) == 0) rc = glim_fail(err, GLIM_E_FORMAT, "got no message");
    if (rc != GLIM_OK) glim_err_context(err, "\"%s\"", key);
    return rc;
}

/* Whole conversations in chosen and rejected: what they begin with alike is the prompt. */
static glim_status common_prompt(glim_data_conv *c, glim_err *err) {
    size_t n = 0, a = json_array_size(c->chosen), b = json_array_size(c->rejected);
    while (n < a && n < b && json_equal(json_array_get(c->chosen, n), json_array_get(c->rejected, n))) n++;
    if (n == 0 || n == a || n == b)
        return glim_fail(err, GLIM_E_FORMAT, "no prompt: \"chosen\" and \"rejected\" do not begin alike and end apart");
    if (!(c->messages = json_array())) return no_memory(err);
    for (size_t i = 0; i < n; i++)
        if (json_array_append(c->messages, json_array_get(c->chosen, i)) != 0) return no_memory(err);
    for (size_t i = 0; i < n; i++) {
        json_array_remove(c->chosen, 0);
        json_array_remove(c->rejected, 0);
    }
    return GLIM_OK;
}

/* Whether an answer is a whole conversation, with its question: as UltraFeedback and TRL have them, beside "prompt" or "messages". */
static bool is_whole(const json_t *answer, const json_t *row) {
    const json_t *first = json_array_get(answer, 0), *messages = json_object_get(row, "messages");
    const char *role = json_string_value(json_object_get(first, "role"));
    if (!role || (strcmp(role, "user") != 0 && strcmp(role, "system") != 0)) return false;
    /* Behind messages that begin otherwise it goes on from them. */
    if (has(row, "messages")) return json_equal(first, json_array_get(messages, 0));
    return !has(row, "conversations") && !has(row, "conversation") && !json_is_array(json_object_get(row, "prompt"));
}

static glim_status preference(glim_data_conv *c, const json_t *row, glim_err *err) {
    bool openai = has(row, "preferred_output");
    glim_status rc = read_answer(&c->chosen, row, openai ? "preferred_output" : "chosen", err);
    if (rc == GLIM_OK) rc = read_answer(&c->rejected, row, openai ? "non_preferred_output" : "rejected", err);
    if (rc != GLIM_OK) return rc;
    if (openai) {
        const json_t *input = json_object_get(row, "input");
        rc = json_is_object(input) ? chat(c, input, err)
                                   : glim_fail(err, GLIM_E_FORMAT, "got %s, want an object with \"messages\"", glim_json_type_name(input));
        if (rc != GLIM_OK) glim_err_context(err, "\"input\"");
        return rc;
    }
    if (is_whole(c->chosen, row) && is_whole(c->rejected, row)) {
        rc = common_prompt(c, err);
        return rc == GLIM_OK ? read_tools(&c->tools, json_object_get(row, "tools"), err) : rc;
    }
    if (has(row, "conversations") || has(row, "conversation")) return sharegpt(c, row, err);
    if (has(row, "messages")) return chat(c, row, err);
    const json_t *prompt = json_object_get(row, "prompt");
    if (json_is_array(prompt)) {
        c->messages = json_incref((json_t *)prompt);
        return read_tools(&c->tools, json_object_get(row, "tools"), err);
    }
    if (!prompt && !has(row, "instruction") && !has(row, "question")) return common_prompt(c, err);
    return alpaca_prompt(c, row, err);
}

/* ---- */

glim_status glim_data_shape(glim_data_conv *out, glim_data_format f, const json_t *row, glim_err *err) {
    *out = (glim_data_conv){0};
    if (!json_is_object(row)) return glim_fail(err, GLIM_E_FORMAT, "got %s, want an object", glim_json_type_name(row));
    glim_status rc = f == GLIM_DATA_CHAT       ? chat(out, row, err)
                     : f == GLIM_DATA_ALPACA   ? alpaca(out, row, err)
                     : f == GLIM_DATA_SHAREGPT ? sharegpt(out, row, err)
                                               : preference(out, row, err);
    if (rc != GLIM_OK) glim_data_conv_free(out);
    return rc;
}

glim_data_format glim_data_shape_guess(const json_t *row) {
    if (has(row, "chosen") || has(row, "rejected") || has(row, "preferred_output")) return GLIM_DATA_PREFERENCE;
    if (has(row, "messages")) return GLIM_DATA_CHAT;
    if (has(row, "conversations") || has(row, "conversation")) return GLIM_DATA_SHAREGPT;
    if (has(row, "instruction") && has(row, "output")) return GLIM_DATA_ALPACA;
    if (has(row, "prompt") && has(row, "completion")) return GLIM_DATA_ALPACA;
    if (has(row, "text") && json_object_size(row) == 1) return GLIM_DATA_TEXT;
    return GLIM_DATA_GUESS;
}
