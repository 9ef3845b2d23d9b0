/* chat_msg.c - OpenAI-shaped messages and tools, read and checked once, so that renderers meet none
 * that are bad.
 *
 * Borrows    every string from the caller's JSON, which must outlive the conversation.
 * Owns       argument objects (parsed from strings where they came so) and joined content parts.
 * Surprise   null content is empty text. Jinja would print "None"; every server in front of the
 *            templates replaces it first, as the tests' oracle does. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "text/chat_internal.h"

static const char *const role_names[GLIM_N_ROLE] = {"system", "user", "assistant", "tool"};

glim_chat_str glim_chat_json_str(const json_t *o, const char *key) {
    const json_t *v = json_object_get(o, key);
    if (!json_is_string(v)) return (glim_chat_str){"", 0};
    return (glim_chat_str){json_string_value(v), json_string_length(v)};
}

const json_t *glim_chat_tool_function(const json_t *tool) {
    const json_t *f = json_object_get(tool, "function");
    return json_is_object(f) ? f : tool;
}

void glim_chat_split_reasoning(const glim_chat_msg *m, glim_chat_str *reasoning, glim_chat_str *said) {
    *reasoning = m->has_reasoning ? m->reasoning : (glim_chat_str){"", 0};
    *said = m->text;
    if (m->has_reasoning || !glim_py_has(m->text, "</think>")) return;
    *reasoning = glim_py_rstrip_nl(glim_py_split_first(m->text, "</think>"));
    *reasoning = glim_py_lstrip_nl(glim_py_split_last(*reasoning, "<think>"));
    *said = glim_py_lstrip_nl(glim_py_split_last(m->text, "</think>"));
}

size_t glim_chat_last_answer(const glim_chat_conv *c) {
    size_t last = c->n_msgs;
    for (size_t i = 0; i < c->n_msgs; i++)
        if (c->msgs[i].role == GLIM_ROLE_ASSISTANT) last = i;
    return last;
}

/* Whether the family's template has a place for tools, calls and results. */
static bool kind_has_tools(glim_chat_kind k) {
    return k == GLIM_CHAT_GLM4_9B || k == GLIM_CHAT_GLM4_0414 || k == GLIM_CHAT_GLM_Z1 ||
           k == GLIM_CHAT_GLM45 || k == GLIM_CHAT_GLM47 || k == GLIM_CHAT_CHATML;
}

/* Templates that walk over content parts themselves put them side by side. The others take strings
 * only; for those the parts are joined as the reference servers join them, one a line. */
static const char *part_gap(glim_chat_kind k) {
    return k == GLIM_CHAT_GLM45 || k == GLIM_CHAT_GLM47 || k == GLIM_CHAT_GLM41V ? "" : "\n";
}

/* A key that must hold a string, null, or be absent. */
static glim_status want_string(const json_t *o, const char *key, const char *where, glim_err *err) {
    const json_t *v = json_object_get(o, key);
    if (!v || json_is_null(v) || json_is_string(v)) return GLIM_OK;
    return glim_fail(err, GLIM_E_FORMAT, "%s: \"%s\": got %s, want a string", where, key,
                     glim_json_type_name(v));
}

static bool is_picture(const char *type) {
    static const char *const types[] = {"image", "image_url", "video", "video_url"};
    for (size_t i = 0; i < GLIM_COUNT(types); i++)
        if (strcmp(type, types[i]) == 0) return true;
    return false;
}

/* One part of a content list; appends its text to m->joined. */
static glim_status read_part(glim_chat_msg *m, glim_chat_kind k, const json_t *part, const char *where,
                             glim_err *err) {
    glim_chat_str text;
    if (json_is_string(part)) {
        text = (glim_chat_str){json_string_value(part), json_string_length(part)};
    } else if (!json_is_object(part)) {
        return glim_fail(err, GLIM_E_FORMAT, "%s: got %s, want an object", where,
                         glim_json_type_name(part));
    } else {
        const json_t *t = json_object_get(part, "type");
        if (!json_is_string(t))
            return glim_fail(err, GLIM_E_FORMAT, "%s: \"type\": got %s, want a string", where,
                             glim_json_type_name(t));
        const char *type = json_string_value(t);
        if (is_picture(type) && k == GLIM_CHAT_GLM41V) return GLIM_OK; /* the renderer places it */
        if (is_picture(type))
            return glim_fail(err, GLIM_E_UNSUPPORTED, "%s: got a part of type \"%s\", but this model "
                             "reads text only (chat template %s)", where, type, glim_chat_name(k));
        if (strcmp(type, "text") != 0)
            return glim_fail(err, GLIM_E_UNSUPPORTED, "%s: \"type\": got \"%s\", want \"text\"", where, type);
        const json_t *v = json_object_get(part, "text");
        if (!json_is_string(v))
            return glim_fail(err, GLIM_E_FORMAT, "%s: \"text\": got %s, want a string", where,
                             glim_json_type_name(v));
        text = (glim_chat_str){json_string_value(v), json_string_length(v)};
    }
    if (m->joined.len) glim_buf_puts(&m->joined, part_gap(k));
    glim_buf_append(&m->joined, text.s, text.n);
    return GLIM_OK;
}

static glim_status read_content(glim_chat_msg *m, glim_chat_kind k, const json_t *o, const char *where,
                                glim_err *err) {
    const json_t *v = json_object_get(o, "content");
    m->text = (glim_chat_str){"", 0};
    if (!v && m->role != GLIM_ROLE_ASSISTANT)
        return glim_fail(err, GLIM_E_FORMAT, "%s: \"content\" is missing, want a string or a list of "
                         "parts", where);
    if (!v || json_is_null(v)) return GLIM_OK;
    if (!json_is_string(v) && !json_is_array(v))
        return glim_fail(err, GLIM_E_FORMAT, "%s: \"content\": got %s, want a string, null or a list of "
                         "parts", where, glim_json_type_name(v));
    m->content = v;
    if (json_is_string(v)) {
        m->text = glim_chat_json_str(o, "content");
        return GLIM_OK;
    }
    /* 4.5 and later print the items of a result's list one by one, of any shape. */
    bool any_shape = m->role == GLIM_ROLE_TOOL && (k == GLIM_CHAT_GLM45 || k == GLIM_CHAT_GLM47);
    for (size_t i = 0; i < json_array_size(v) && !any_shape; i++) {
        char place[96];
        snprintf(place, sizeof place, "%s.content[%zu]", where, i);
        glim_status rc = read_part(m, k, json_array_get(v, i), place, err);
        if (rc != GLIM_OK) return rc;
    }
    m->text = (glim_chat_str){glim_buf_cstr(&m->joined), m->joined.len};
    return glim_buf_status(&m->joined, "a message of several parts", err);
}

/* ---- arguments that were cut ----
 *
 * A call that max_tokens cut, or a client that stopped, has its arguments as far as they got (serve/out.c), and comes back as
 * it was sent. What the text leaves open is closed; a member of which there is less than a value goes. */

static json_t *parse_joined(const char *before, glim_chat_str text, const char *after, const char *closers, size_t depth) {
    glim_buf b = {0};
    json_t *v = NULL;
    glim_buf_puts(&b, before);
    glim_buf_append(&b, text.s, text.n);
    glim_buf_puts(&b, after);
    while (depth > 0) glim_buf_putc(&b, closers[--depth]);
    if (!b.failed) glim_json_parse(&v, b.s, b.len, 0, NULL);
    glim_buf_free(&b);
    return v;
}

/* Bytes of the escape at s; the two halves of a surrogate pair are one. */
static size_t escape_len(const char *s, size_t n) {
    if (n < 2 || s[1] != 'u') return 2;
    return n >= 4 && (s[2] == 'd' || s[2] == 'D') && strchr("89abAB", s[3]) ? 12 : 6;
}

/* Whether a member (of an object, or of an array) begins like this. */
static bool begins_member(glim_chat_str text, bool in_string, char closer) {
    static const char *const rests[] = {"\"\":null", ":null", "null", "0", "rue", "ue", "e", "alse", "lse", "se", "ull", "ll", "l"};
    const char *opener = closer == '}' ? "{" : "[";
    bool found = false;
    if (text.n > 0 && text.s[0] == ',') text.s++, text.n--;
    for (size_t i = 0; i < (in_string ? 1 : GLIM_COUNT(rests)) && !found; i++) {
        json_t *v = parse_joined(opener, text, in_string ? "\":null" : rests[i], &closer, 1);
        found = v != NULL;
        json_decref(v);
    }
    return found;
}

/* NULL: it is no beginning of an object. */
static json_t *parse_cut(glim_chat_str text) {
    char closers[GLIM_JSON_DEPTH];
    size_t depth = 0, whole = 0; /* text[0..whole) ends with a member, or before the first, at the depth of the end */
    bool in_string = false;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.s[i];
        if (in_string) {
            size_t n = c == '\\' ? escape_len(text.s + i, text.n - i) : 1;
            if (n > text.n - i) text.n = i; /* half an escape */
            i += n - 1;
            if (c == '"') in_string = false;
        } else if (c == '"') in_string = true;
        else if (c == '{' || c == '[') {
            if (depth == sizeof closers) return NULL;
            closers[depth++] = c == '{' ? '}' : ']';
        } else if ((c == '}' || c == ']') && depth > 0) depth--;
        if (!in_string && strchr("{}[],", c)) whole = c == ',' ? i : i + 1;
    }
    if (depth == 0) return NULL;
    json_t *v = parse_joined("", text, in_string ? "\"" : "", closers, depth);
    const glim_chat_str rest = {text.s + whole, text.n - whole};
    if (v || !begins_member(rest, in_string, closers[depth - 1])) return v;
    return parse_joined("", (glim_chat_str){text.s, whole}, "", closers, depth);
}

/* Arguments as an object: given so, or as the JSON text that OpenAI's API uses. No arguments at all
 * (missing, null, blank text) is {}. */
static glim_status read_args(json_t **out, const json_t *v, const char *where, glim_err *err) {
    if (json_is_object(v)) {
        *out = json_incref((json_t *)v);
        return GLIM_OK;
    }
    glim_chat_str text = {"", 0};
    if (json_is_string(v)) text = (glim_chat_str){json_string_value(v), json_string_length(v)};
    else if (v && !json_is_null(v))
        return glim_fail(err, GLIM_E_FORMAT, "%s: \"arguments\": got %s, want an object or its JSON text",
                         where, glim_json_type_name(v));
    if (glim_py_strip(text).n == 0) {
        *out = json_object();
        return *out ? GLIM_OK : glim_fail(err, GLIM_E_NOMEM, "could not allocate a JSON object");
    }
    json_t *parsed;
    glim_status rc = glim_json_parse(&parsed, text.s, text.n, 0, NULL);
    if (rc == GLIM_E_FORMAT && (parsed = parse_cut(text))) rc = GLIM_OK;
    if (rc != GLIM_OK) rc = glim_json_parse(&parsed, text.s, text.n, 0, err); /* to say what is wrong with it */
    if (rc != GLIM_OK) {
        glim_err_context(err, "%s: \"arguments\"", where);
        return rc;
    }
    if (!json_is_object(parsed)) {
        rc = glim_fail(err, GLIM_E_FORMAT, "%s: \"arguments\": got the JSON text of %s, want an object", where,
                       glim_json_type_name(parsed));
        json_decref(parsed);
        return rc;
    }
    *out = parsed;
    return GLIM_OK;
}

static glim_status read_call(glim_chat_call *out, const json_t *o, const char *where, glim_err *err) {
    if (!json_is_object(o))
        return glim_fail(err, GLIM_E_FORMAT, "%s: got %s, want an object", where, glim_json_type_name(o));
    glim_status rc = want_string(o, "id", where, err);
    if (rc == GLIM_OK) rc = want_string(o, "type", where, err);
    if (rc != GLIM_OK) return rc;
    const json_t *f = json_object_get(o, "function");
    if (f && !json_is_null(f) && !json_is_object(f))
        return glim_fail(err, GLIM_E_FORMAT, "%s: \"function\": got %s, want an object", where,
                         glim_json_type_name(f));
    f = glim_chat_tool_function(o);
    out->name = glim_chat_json_str(f, "name");
    if (out->name.n == 0)
        return glim_fail(err, GLIM_E_FORMAT, "%s: \"name\": got %s, want the function's name", where,
                         json_is_string(json_object_get(f, "name"))
                             ? "an empty string" : glim_json_type_name(json_object_get(f, "name")));
    return read_args(&out->args, json_object_get(f, "arguments"), where, err);
}

static glim_status read_calls(glim_chat_msg *m, glim_chat_kind k, const json_t *o, const char *where,
                              glim_err *err) {
    const json_t *v = json_object_get(o, "tool_calls");
    if (!v || json_is_null(v)) return GLIM_OK;
    if (!json_is_array(v))
        return glim_fail(err, GLIM_E_FORMAT, "%s: \"tool_calls\": got %s, want an array", where,
                         glim_json_type_name(v));
    size_t n = json_array_size(v);
    if (n == 0) return GLIM_OK;
    if (m->role != GLIM_ROLE_ASSISTANT)
        return glim_fail(err, GLIM_E_FORMAT, "%s: \"tool_calls\": got them in a %s message, want an "
                         "assistant message", where, role_names[m->role]);
    if (!kind_has_tools(k))
        return glim_fail(err, GLIM_E_UNSUPPORTED, "%s: \"tool_calls\": chat template %s has no place for "
                         "tools", where, glim_chat_name(k));
    void *p;
    glim_status rc = glim_try_calloc(&p, n, sizeof *m->calls, "tool calls", err);
    if (rc != GLIM_OK) return rc;
    m->calls = p;
    for (; m->n_calls < n; m->n_calls++) {
        char place[96];
        snprintf(place, sizeof place, "%s.tool_calls[%zu]", where, m->n_calls);
        rc = read_call(&m->calls[m->n_calls], json_array_get(v, m->n_calls), place, err);
        if (rc != GLIM_OK) return rc;
    }
    return GLIM_OK;
}

static glim_status read_role(glim_chat_role *out, const json_t *o, glim_chat_kind k, const char *where,
                             glim_err *err) {
    const json_t *v = json_object_get(o, "role");
    static const char want[] = "want \"system\", \"user\", \"assistant\" or \"tool\"";
    if (!v) return glim_fail(err, GLIM_E_FORMAT, "%s: \"role\" is missing, %s", where, want);
    if (!json_is_string(v))
        return glim_fail(err, GLIM_E_FORMAT, "%s: \"role\": got %s, %s", where, glim_json_type_name(v), want);
    for (int r = 0; r < GLIM_N_ROLE; r++)
        if (strcmp(json_string_value(v), role_names[r]) == 0) {
            *out = (glim_chat_role)r;
            if (r == GLIM_ROLE_TOOL && !kind_has_tools(k))
                return glim_fail(err, GLIM_E_UNSUPPORTED, "%s: \"role\": got \"tool\", but chat template %s "
                                 "has no place for tools", where, glim_chat_name(k));
            return GLIM_OK;
        }
    return glim_fail(err, GLIM_E_FORMAT, "%s: \"role\": got \"%s\", %s", where, json_string_value(v), want);
}

static glim_status read_msg(glim_chat_msg *m, glim_chat_kind k, const json_t *o, const char *where,
                            glim_err *err) {
    if (!json_is_object(o))
        return glim_fail(err, GLIM_E_FORMAT, "%s: got %s, want an object", where, glim_json_type_name(o));
    glim_status rc = read_role(&m->role, o, k, where, err);
    if (rc == GLIM_OK) rc = want_string(o, "name", where, err);
    if (rc == GLIM_OK) rc = want_string(o, "tool_call_id", where, err);
    if (rc == GLIM_OK) rc = want_string(o, "reasoning_content", where, err);
    if (rc == GLIM_OK) rc = read_content(m, k, o, where, err);
    if (rc == GLIM_OK) rc = read_calls(m, k, o, where, err);
    m->has_reasoning = json_is_string(json_object_get(o, "reasoning_content"));
    m->reasoning = glim_chat_json_str(o, "reasoning_content");
    return rc;
}

static glim_status read_tools(glim_chat_conv *c, glim_chat_kind k, const json_t *tools, glim_err *err) {
    if (!tools || json_is_null(tools)) return GLIM_OK;
    if (!json_is_array(tools))
        return glim_fail(err, GLIM_E_FORMAT, "tools: got %s, want an array", glim_json_type_name(tools));
    if (json_array_size(tools) == 0) return GLIM_OK;
    if (!kind_has_tools(k))
        return glim_fail(err, GLIM_E_UNSUPPORTED, "tools: chat template %s has no place for tools",
                         glim_chat_name(k));
    for (size_t i = 0; i < json_array_size(tools); i++) {
        const json_t *t = json_array_get(tools, i), *f = json_object_get(t, "function");
        char where[48];
        snprintf(where, sizeof where, "tools[%zu]", i);
        if (!json_is_object(t))
            return glim_fail(err, GLIM_E_FORMAT, "%s: got %s, want an object", where, glim_json_type_name(t));
        glim_status rc = want_string(t, "type", where, err);
        if (rc != GLIM_OK) return rc;
        const char *type = glim_chat_json_str(t, "type").s;
        if (f && *type && strcmp(type, "function") != 0)
            return glim_fail(err, GLIM_E_UNSUPPORTED, "%s: \"type\": got \"%s\", want \"function\"", where, type);
        if (f && !json_is_object(f))
            return glim_fail(err, GLIM_E_FORMAT, "%s: \"function\": got %s, want an object", where,
                             glim_json_type_name(f));
        if (glim_chat_json_str(glim_chat_tool_function(t), "name").n == 0)
            return glim_fail(err, GLIM_E_FORMAT, "%s: \"name\": got %s, want the function's name", where,
                             json_is_string(json_object_get(glim_chat_tool_function(t), "name"))
                                 ? "an empty string"
                                 : glim_json_type_name(json_object_get(glim_chat_tool_function(t), "name")));
    }
    c->tools = tools;
    return GLIM_OK;
}

glim_status glim_chat_conv_read(glim_chat_conv *out, glim_chat_kind k, const json_t *messages,
                                const json_t *tools, glim_err *err) {
    *out = (glim_chat_conv){0};
    if (!json_is_array(messages))
        return glim_fail(err, GLIM_E_FORMAT, "messages: got %s, want an array",
                         glim_json_type_name(messages));
    size_t n = json_array_size(messages);
    if (n == 0) return glim_fail(err, GLIM_E_FORMAT, "messages: got an empty array, want at least one message");
    void *p;
    glim_status rc = glim_try_calloc(&p, n, sizeof *out->msgs, "messages", err);
    if (rc != GLIM_OK) return rc;
    out->msgs = p;
    out->n_msgs = n;
    for (size_t i = 0; i < n && rc == GLIM_OK; i++) {
        char where[48];
        snprintf(where, sizeof where, "messages[%zu]", i);
        rc = read_msg(&out->msgs[i], k, json_array_get(messages, i), where, err);
    }
    return rc == GLIM_OK ? read_tools(out, k, tools, err) : rc;
}

void glim_chat_conv_free(glim_chat_conv *c) {
    for (size_t i = 0; i < c->n_msgs; i++) {
        glim_chat_msg *m = &c->msgs[i];
        glim_buf_free(&m->joined);
        for (size_t j = 0; j < m->n_calls; j++) json_decref(m->calls[j].args);
        free(m->calls);
    }
    free(c->msgs);
    *c = (glim_chat_conv){0};
}
