/* reply_json.c - calls whose arguments are one JSON object.
 *
 *   GLM-4    get_weather\n{"city": "Paris"}                  several: separated by <|assistant|>
 *   ChatML   <tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>
 *
 * Both are known to be calls only when the JSON is whole, so nothing is passed on before: what does not
 * parse is plain content. A mark that ends the JSON may also stand inside one of its strings, so the
 * text ends at the first mark before which it parses. A text that max_tokens cut inside the JSON (cut) is
 * a call to a declared tool all the same, with its arguments as far as they got. */
#include <string.h>

#include "base/utf8.h"
#include "text/reply_internal.h"

static glim_chat_str between(const glim_reply *r, size_t from, size_t to) {
    return (glim_chat_str){r->raw.s + from, to - from};
}

/* ---- a call that was cut ---- */

static size_t skip_space(glim_chat_str s, size_t i) {
    while (i < s.n && (s.s[i] == ' ' || s.s[i] == '\t' || s.s[i] == '\n' || s.s[i] == '\r')) i++;
    return i;
}

/* The end of the JSON value at s[i], strings and brackets counted only; NOWHERE: the text ends inside it. */
static size_t value_end(glim_chat_str s, size_t i) {
    size_t depth = 0;
    for (bool quoted = false; i < s.n; i++) {
        char c = s.s[i];
        if (quoted) {
            if (c == '\\') i++;
            else if (c == '"') quoted = false;
            if (!quoted && depth == 0) return i + 1;
        } else if (c == '"') quoted = true;
        else if (c == '{' || c == '[') depth++;
        else if (c == '}' || c == ']') {
            if (depth <= 1) return i + depth; /* 0: the end of what it stands in */
            depth--;
        } else if (depth == 0 && c == ',') return i;
    }
    return NOWHERE;
}

/* The beginning of a JSON object, and no whole one with something behind it. */
static bool begins_object(glim_chat_str s) {
    if (s.n == 0 || s.s[0] != '{' || value_end(s, 0) != NOWHERE) return false;
    size_t i = skip_space(s, 1);
    return i == s.n || s.s[i] == '"' || s.s[i] == '}';
}

/* Where a whole call's JSON may end at the end of the text: a cut may have left half a mark there, which begins at scan. */
static size_t last_end(const glim_reply *r) { return r->cut ? r->scan : r->raw.len; }

static bool add_cut_call(glim_reply *r, glim_chat_str name, glim_chat_str args) {
    if (!glim_reply_open_call(r, name)) return false;
    glim_utf8_sanitize(&glim_reply_last_call(r)->args, args.s, args.n);
    return true;
}

/* ---- GLM-4 ---- */

/* Whether a known tool's name is exactly line, or (partly) begins with it. */
static bool known_name(const glim_reply *r, glim_chat_str line, bool partly) {
    for (size_t i = 0; i < json_array_size(r->tools); i++) {
        glim_chat_str name =
            glim_chat_json_str(glim_chat_tool_function(json_array_get(r->tools, i)), "name");
        if (name.n == 0 || (partly ? name.n < line.n : name.n != line.n)) continue;
        if (line.n == 0 || memcmp(name.s, line.s, line.n) == 0) return true;
    }
    return false;
}

/* The first line is read: as long as it may become a tool's name, nothing is settled. */
static bool step_head(glim_reply *r) {
    const char *text = r->raw.s + r->pos;
    size_t left = r->raw.len - r->pos;
    const char *nl = left ? memchr(text, '\n', left) : NULL;
    glim_chat_str line = {text, nl ? (size_t)(nl - text) : left};
    if (nl && known_name(r, line, false)) {
        r->resume = r->pos;
        r->mark = r->pos + line.n;
        r->state = ST_GLM4_CALL;
        r->scan = r->mark + 1;
        return true;
    }
    if (!nl && !r->ended && known_name(r, line, true)) return false;
    /* After a call, text that is none is the model going on by itself: the reply is over. */
    return r->any_closed ? glim_reply_go(r, ST_DONE, r->raw.len) : glim_reply_go(r, ST_CONTENT, r->pos);
}

/* raw[mark, to) as arguments; a stop token left at the end does not count. */
static bool take_glm4(glim_reply *r, size_t to, bool at_end) {
    static const char *const stops[] = {"<|observation|>", "<|user|>", "<|endoftext|>"};
    glim_chat_str text = glim_py_strip(between(r, r->mark, to));
    for (size_t i = 0; at_end && i < GLIM_COUNT(stops); i++)
        if (glim_py_ends(text, stops[i])) {
            text.n -= strlen(stops[i]);
            break;
        }
    text = glim_py_strip(text);
    if (text.n == 0 || text.s[0] != '{' || text.s[text.n - 1] != '}') return false;
    json_t *args = glim_reply_json(r, text);
    bool ok = json_is_object(args) && glim_reply_add_call(r, between(r, r->pos, r->mark), args);
    json_decref(args);
    return ok;
}

/* The text was cut in the arguments of a call, or before their first byte. */
static bool take_cut_glm4(glim_reply *r) {
    glim_chat_str text = between(r, r->mark, r->raw.len);
    size_t i = skip_space(text, 0);
    glim_chat_str args = {text.s + i, text.n - i};
    if (!r->cut || !r->declared_only || (args.n && !begins_object(args))) return false;
    return add_cut_call(r, between(r, r->pos, r->mark), args);
}

static bool step_glm4_call(glim_reply *r) {
    static const char *const turn[] = {"<|assistant|>", NULL};
    int which;
    size_t at = glim_reply_seek(r, turn, NULL, &which);
    if (at != NOWHERE) {
        if (take_glm4(r, at, false)) return glim_reply_called(r, ST_GLM4_HEAD, at + strlen(turn[0]));
        r->scan = at + 1; /* perhaps inside a string: try the next */
        return !r->content.failed;
    }
    if (!r->ended) return false;
    if (take_glm4(r, last_end(r), true) || take_cut_glm4(r) || r->any_closed) return glim_reply_go(r, ST_DONE, r->raw.len);
    return r->content.failed ? false : glim_reply_go(r, ST_CONTENT, r->pos);
}

/* After plain content and <|assistant|>: a call, or the end. */
static bool step_next(glim_reply *r) {
    r->any_closed = true; /* from here on text that is no call is not content either */
    return glim_reply_go(r, ST_GLM4_HEAD, r->pos);
}

/* ---- ChatML ---- */

/* raw[pos, to) as {"name": ..., "arguments": {...}}. *other: it is one, but of a tool that is not offered. */
static bool take_json_call(glim_reply *r, size_t to, bool *other) {
    glim_chat_str text = glim_py_strip(between(r, r->pos, to));
    *other = false;
    if (text.n == 0 || text.s[0] != '{' || text.s[text.n - 1] != '}') return false;
    json_t *call = glim_reply_json(r, text), *args = json_object_get(call, "arguments"), *parsed = NULL;
    glim_chat_str name = glim_chat_json_str(call, "name");
    if (json_is_string(args))
        args = parsed = glim_reply_json(r, (glim_chat_str){json_string_value(args), json_string_length(args)});
    else if (!args || json_is_null(args)) args = parsed = json_object();
    bool ok = name.n && json_is_object(args);
    *other = ok && !glim_reply_may_call(r, name);
    ok = ok && !*other && glim_reply_add_call(r, name, args);
    json_decref(parsed);
    json_decref(call);
    return ok;
}

/* The text was cut in a call whose name was whole: {"name": "f", "arguments": {"s": "x */
static bool take_cut_json(glim_reply *r) {
    glim_chat_str text = between(r, r->pos, r->raw.len), name = {0}, args = {0};
    size_t i = skip_space(text, 0);
    if (!r->cut || !r->declared_only || !begins_object((glim_chat_str){text.s + i, text.n - i})) return false;
    for (i++; i < text.n; i++) { /* one member and the comma behind it */
        i = skip_space(text, i);
        size_t end = i < text.n && text.s[i] == '"' ? value_end(text, i) : NOWHERE;
        if (end == NOWHERE) break;
        glim_chat_str key = {text.s + i + 1, end - i - 2}, value;
        i = skip_space(text, end);
        if (i == text.n || text.s[i] != ':') break;
        i = skip_space(text, i + 1);
        end = value_end(text, i);
        value = (glim_chat_str){text.s + i, (end == NOWHERE ? text.n : end) - i};
        /* A name with escapes in it is none of ours. */
        if (end != NOWHERE && value.n > 2 && value.s[0] == '"' && key.n == 4 && memcmp(key.s, "name", 4) == 0) name = (glim_chat_str){value.s + 1, value.n - 2};
        if (value.n && value.s[0] == '{' && key.n == 9 && memcmp(key.s, "arguments", 9) == 0) args = value;
        if (end == NOWHERE || (i = skip_space(text, end)) == text.n || text.s[i] != ',') break;
    }
    return name.n && glim_reply_may_call(r, name) && add_cut_call(r, name, args);
}

static bool step_json_call(glim_reply *r) {
    static const char *const close[] = {"</tool_call>", NULL};
    int which;
    bool other;
    size_t at = glim_reply_seek(r, close, NULL, &which);
    if (at != NOWHERE) {
        if (take_json_call(r, at, &other)) return glim_reply_called(r, ST_AFTER, at + strlen(close[0]));
        if (other) return glim_reply_no_call(r, at + strlen(close[0]));
        r->scan = at + 1;
        return !r->content.failed;
    }
    if (!r->ended) return false;
    /* Small models often leave the closing tag out; what is whole without it counts. */
    if (!take_json_call(r, last_end(r), &other) && !take_cut_json(r) && !r->any_closed && !r->content.failed)
        glim_buf_append(&r->content, r->raw.s + r->resume, r->raw.len - r->resume);
    return glim_reply_go(r, ST_DONE, r->raw.len);
}

bool glim_reply_step_json(glim_reply *r) {
    switch (r->state) {
    case ST_GLM4_HEAD: return step_head(r);
    case ST_GLM4_CALL: return step_glm4_call(r);
    case ST_GLM4_NEXT: return step_next(r);
    default: return step_json_call(r);
    }
}
