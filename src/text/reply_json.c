/* reply_json.c - calls whose arguments are one JSON object.
 *
 *   GLM-4    get_weather\n{"city": "Paris"}                  several: separated by <|assistant|>
 *   ChatML   <tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>
 *
 * Both are known to be calls only when the JSON is whole, so nothing is passed on before: what does not
 * parse is plain content. A mark that ends the JSON may also stand inside one of its strings, so the
 * text ends at the first mark before which it parses. */
#include <string.h>

#include "text/reply_internal.h"

static glim_chat_str between(const glim_reply *r, size_t from, size_t to) {
    return (glim_chat_str){r->raw.s + from, to - from};
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
    if (take_glm4(r, r->raw.len, true) || r->any_closed) return glim_reply_go(r, ST_DONE, r->raw.len);
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
    if (!take_json_call(r, r->raw.len, &other) && !r->any_closed && !r->content.failed)
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
