/* reply_glm45.c - calls as GLM-4.5 and later write them:
 *
 *   <tool_call>NAME <arg_key>KEY</arg_key> <arg_value>VALUE</arg_value> ... </tool_call>
 *
 * The rules are those of the reference servers' regular expressions, `<tool_call>(.*?)</tool_call>` and
 * `<arg_key>(.*?)</arg_key>\s*<arg_value>(.*?)</arg_value>`, with white space free between the parts.
 * A value whose schema says string is passed on as it comes; any other is kept until it ends and is
 * then JSON, one of Python's True, False, None, or else the text itself.
 *
 * Surprise   "</tool_call>" inside a value need not end the call: it may be a string that talks about
 *            calls. What follows tells: an </arg_value> with no <arg_value> before it belongs to this
 *            value. The regular expressions would cut the call there.
 *            A string value that the call's end interrupts is closed and kept, for it may have been
 *            passed on already; another kind of value is dropped, as the expressions drop both. */
#include <string.h>

#include "base/utf8.h"
#include "text/reply_internal.h"

enum { VALUE_ANY, VALUE_STRING, VALUE_STRING_OR_NULL, VALUE_DROPPED };

/* ---- the schema ---- */

/* Whether a "type" names strings and nothing but strings and null. */
static int value_of_type(const json_t *type) {
    if (json_is_string(type)) return strcmp(json_string_value(type), "string") == 0 ? VALUE_STRING : VALUE_ANY;
    bool string = false, null = false;
    for (size_t i = 0; i < json_array_size(type); i++) {
        const char *t = json_string_value(json_array_get(type, i));
        if (t && strcmp(t, "string") == 0) string = true;
        else if (t && strcmp(t, "null") == 0) null = true;
        else return VALUE_ANY;
    }
    return !string ? VALUE_ANY : null ? VALUE_STRING_OR_NULL : VALUE_STRING;
}

/* How the schema of the open call wants the value of r->key. */
static int value_wanted(glim_reply *r) {
    const char *name = glim_reply_last_call(r)->name;
    for (size_t i = 0; i < json_array_size(r->tools); i++) {
        const json_t *f = glim_chat_tool_function(json_array_get(r->tools, i));
        if (strcmp(glim_chat_json_str(f, "name").s, name) != 0) continue;
        const json_t *p = json_object_get(json_object_get(f, "parameters"), "properties");
        return value_of_type(json_object_get(json_object_get(p, glim_buf_cstr(&r->key)), "type"));
    }
    return VALUE_ANY;
}

/* ---- arguments ---- */

/* Appends text as the inside of a JSON string. */
static void put_escaped(glim_buf *args, const char *s, size_t n) {
    size_t at = args->len;
    glim_json_put_str(args, s, n);
    if (args->failed) return;
    memmove(args->s + at, args->s + at + 1, args->len - at - 2); /* without its quotes */
    args->len -= 2;
    args->s[args->len] = 0;
}

/* Appends `"key": ` with what must stand before it. */
static void put_key(glim_reply *r) {
    glim_buf *args = &glim_reply_last_call(r)->args;
    glim_buf_puts(args, args->len ? ", " : "{");
    glim_json_put_str(args, r->key.s, r->key.len);
    glim_buf_puts(args, ": ");
}

/* Takes the key and tells how its value is to be read. A key that came before is dropped with its
 * value: JSON allows each once, and the first may have been passed on. */
static void take_key(glim_reply *r, glim_chat_str key) {
    r->value = VALUE_DROPPED;
    key = glim_py_strip(key);
    glim_buf_clear(&r->key);
    glim_utf8_sanitize(&r->key, key.s, key.n);
    glim_buf_reserve(&r->key, 1); /* r->key.s is a string even when empty */
    if (r->key.failed || !r->in_call || memchr(key.s, 0, key.n)) return;
    r->key.s[r->key.len] = 0;
    glim_buf literal = {0}; /* keys seen are kept as JSON literals, one a line: none holds a line break */
    glim_buf_putc(&literal, '\n');
    glim_json_put_str(&literal, r->key.s, r->key.len);
    glim_buf_putc(&literal, '\n');
    bool again = literal.failed || (r->seen.len && strstr(r->seen.s, literal.s));
    if (!again) {
        if (r->seen.len == 0) glim_buf_putc(&r->seen, '\n');
        glim_buf_append(&r->seen, literal.s + 1, literal.len - 1);
        r->value = value_wanted(r);
    }
    if (literal.failed) r->seen.failed = true;
    glim_buf_free(&literal);
}

/* Passes on a string value up to `to`; unless the value ends there, an unfinished character waits. */
static void put_string(glim_reply *r, size_t to, bool open_end) {
    if (r->value != VALUE_STRING || to <= r->pos) return;
    const char *s = r->raw.s + r->pos;
    size_t n = open_end ? glim_utf8_whole(s, to - r->pos) : to - r->pos;
    put_escaped(&glim_reply_last_call(r)->args, s, n);
    r->pos += n;
}

/* A whole value that is not simply a string: raw[pos, to). */
static void put_typed(glim_reply *r, size_t to) {
    glim_chat_str text = {r->raw.s + r->pos, to - r->pos}, bare = glim_py_strip(text);
    glim_buf *args = &glim_reply_last_call(r)->args;
    static const struct {
        const char *python, *json;
    } words[] = {{"None", "null"}, {"null", "null"}, {"True", "true"}, {"False", "false"}};
    size_t n_words = r->value == VALUE_STRING_OR_NULL ? 2 : GLIM_COUNT(words);
    put_key(r);
    for (size_t i = 0; i < n_words; i++)
        if (bare.n == strlen(words[i].python) && memcmp(bare.s, words[i].python, bare.n) == 0) {
            glim_buf_puts(args, words[i].json);
            return;
        }
    json_t *v = r->value == VALUE_STRING_OR_NULL || bare.n == 0 ? NULL : glim_reply_json(r, bare);
    if (v) glim_json_dump_py(args, v, -1, false);
    else glim_json_put_str(args, text.s, text.n);
    json_decref(v);
}

/* The value ends at `to`; the states go on at `next`. */
static bool end_value(glim_reply *r, size_t to, size_t next) {
    if (r->value == VALUE_STRING) {
        put_string(r, to, false);
        glim_buf_putc(&glim_reply_last_call(r)->args, '"');
    } else if (r->value != VALUE_DROPPED) put_typed(r, to);
    return glim_reply_go(r, ST_XML_BLOCK, next);
}

static bool end_call(glim_reply *r, size_t next) {
    if (r->in_call) {
        glim_reply_call *call = glim_reply_last_call(r);
        glim_buf_puts(&call->args, call->args.len ? "}" : "{}");
        call->closed = true;
    }
    r->in_call = false;
    r->any_closed = true;
    return glim_reply_called(r, ST_AFTER, next);
}

/* The text ended inside a call. Without any whole one, all of it is content. */
static bool cut(glim_reply *r) {
    if (!r->any_closed)
        glim_buf_append(&r->content, r->raw.s + r->resume, r->raw.len - r->resume);
    return glim_reply_go(r, ST_DONE, r->raw.len);
}

/* ---- states ---- */

/* White space, then the name up to a line break or a tag. A call without a name is no call. */
static bool step_name(glim_reply *r) {
    int space;
    while ((space = glim_py_space(r->raw.s + r->pos, r->raw.len - r->pos)) > 0) r->pos += (size_t)space;
    if (space < 0) return r->ended ? cut(r) : false;
    size_t at = r->scan > r->pos ? r->scan : r->pos;
    while (at < r->raw.len && r->raw.s[at] != '\n' && r->raw.s[at] != '<') at++;
    r->scan = at;
    if (at == r->raw.len) return r->ended ? cut(r) : false;
    glim_chat_str name = glim_py_strip((glim_chat_str){r->raw.s + r->pos, at - r->pos});
    if (!glim_reply_may_call(r, name)) return glim_reply_no_call(r, at);
    r->in_call = name.n > 0;
    glim_buf_clear(&r->seen);
    if (r->in_call && !glim_reply_open_call(r, name)) return false;
    return glim_reply_go(r, ST_XML_BLOCK, at);
}

static bool step_block(glim_reply *r) {
    static const char *const tags[] = {"<arg_key>", "</tool_call>", NULL};
    int which;
    size_t at = glim_reply_seek(r, tags, NULL, &which);
    if (at == NOWHERE) {
        r->pos = r->scan;
        return r->ended ? cut(r) : false;
    }
    at += strlen(tags[which]);
    return which == 0 ? glim_reply_go(r, ST_XML_KEY, at) : end_call(r, at);
}

static bool step_key(glim_reply *r) {
    static const char *const tags[] = {"</arg_key>", "</tool_call>", NULL};
    int which;
    size_t at = glim_reply_seek(r, tags, NULL, &which);
    if (at == NOWHERE) return r->ended ? cut(r) : false;
    if (which == 1) return end_call(r, at + strlen(tags[1]));
    take_key(r, (glim_chat_str){r->raw.s + r->pos, at - r->pos});
    return glim_reply_go(r, ST_XML_GAP, at + strlen(tags[0]));
}

/* White space between a key and its value; a key without a value is dropped. */
static bool step_gap(glim_reply *r) {
    int space;
    while ((space = glim_py_space(r->raw.s + r->pos, r->raw.len - r->pos)) > 0) r->pos += (size_t)space;
    if (space < 0) return r->ended ? cut(r) : false;
    int value = glim_reply_at(r, r->pos, "<arg_value>");
    if (value < 0) return false;
    if (!value) return glim_reply_go(r, ST_XML_BLOCK, r->pos);
    if (r->value == VALUE_STRING) {
        put_key(r);
        glim_buf_putc(&glim_reply_last_call(r)->args, '"');
    }
    return glim_reply_go(r, ST_XML_VALUE, r->pos + strlen("<arg_value>"));
}

static bool step_value(glim_reply *r) {
    static const char *const tags[] = {"</arg_value>", "</tool_call>", NULL};
    int which;
    size_t at = glim_reply_seek(r, tags, NULL, &which);
    if (at == NOWHERE) {
        size_t scan = r->scan;
        put_string(r, r->ended ? r->raw.len : scan, !r->ended);
        return r->ended ? cut(r) : false;
    }
    if (which == 0) return end_value(r, at, at + strlen(tags[0]));
    put_string(r, at, false);
    r->mark = at;
    r->state = ST_XML_MAYBE;
    r->scan = at + strlen(tags[1]);
    return true;
}

/* After a "</tool_call>" inside a value, at `mark`: text, or the end of a call whose value was not
 * closed? */
static bool step_maybe(glim_reply *r) {
    static const char *const tags[] = {"</arg_value>", "<arg_value>", NULL};
    int which = 1;
    size_t at = glim_reply_seek(r, tags, NULL, &which);
    if (at == NOWHERE && !r->ended) return false;
    if (at != NOWHERE && which == 0) return end_value(r, at, at + strlen(tags[0]));
    size_t next = r->mark + strlen("</tool_call>");
    if (r->value == VALUE_STRING) glim_buf_putc(&glim_reply_last_call(r)->args, '"');
    return end_call(r, next);
}

bool glim_reply_step_xml(glim_reply *r) {
    switch (r->state) {
    case ST_XML_NAME: return step_name(r);
    case ST_XML_BLOCK: return step_block(r);
    case ST_XML_KEY: return step_key(r);
    case ST_XML_GAP: return step_gap(r);
    case ST_XML_VALUE: return step_value(r);
    default: return step_maybe(r);
    }
}
