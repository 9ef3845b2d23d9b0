/* json.c - see json.h. jansson does the parsing; limits, messages and Python's spelling are ours. */
#include "base/json.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/utf8.h"

/* jansson's own nesting limit is 2048 frames of recursion; ours is checked before it starts. */
static glim_status check_depth(const char *s, size_t n, int max_depth, glim_err *err) {
    int depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < n; i++) {
        char c = s[i];
        if (in_string) {
            if (c == '\\') i++;
            else if (c == '"') in_string = false;
        } else if (c == '"') in_string = true;
        else if (c == '[' || c == '{') {
            if (++depth > max_depth)
                return glim_fail(err, GLIM_E_LIMIT, "JSON is nested too deeply at byte %zu: want at most "
                                 "%d levels", i, max_depth);
        } else if (c == ']' || c == '}') depth--;
    }
    return GLIM_OK;
}

/* jansson reports a refused allocation as a syntax error, or not at all when it was a buffer's growth: its
 * allocations are watched by this thread's flag. */
static _Thread_local bool t_refused;

static void *watched_malloc(size_t n) {
    void *p = malloc(n);
    if (!p) t_refused = true;
    return p;
}

__attribute__((constructor)) static void watch_jansson(void) { json_set_alloc_funcs(watched_malloc, free); }

void glim_json_saw_refusal(void) { t_refused = true; }

/* An integer as jansson takes it: within int64. */
static bool fits(const char *digits, size_t n, bool negative) {
    static const char most[2][20] = {"9223372036854775807", "9223372036854775808"};
    return n < 19 || (n == 19 && memcmp(digits, most[negative], 19) <= 0);
}

static bool digit(char c) { return c >= '0' && c <= '9'; }

/* The text with ".0" behind the integers that are outside int64. */
static void make_real(glim_buf *b, const char *s, size_t n) {
    bool in_string = false;
    size_t done = 0; /* what of s is in b */
    for (size_t i = 0; i < n; i++) {
        if (in_string || !digit(s[i])) {
            if (s[i] == '"') in_string = !in_string;
            else if (in_string && s[i] == '\\') i++;
            continue;
        }
        const size_t from = i;
        while (i < n && digit(s[i])) i++;
        const bool whole = i == n || !strchr(".eE", s[i]);
        if (whole && !fits(s + from, i - from, from > 0 && s[from - 1] == '-')) {
            glim_buf_append(b, s + done, i - done);
            glim_buf_puts(b, ".0");
            done = i;
        }
        while (i < n && (digit(s[i]) || strchr("+-.eE", s[i]))) i++; /* a fraction is no integer */
        i--;
    }
    glim_buf_append(b, s + done, n - done);
}

glim_status glim_json_parse(json_t **out, const char *text, size_t len, int max_depth, glim_err *err) {
    *out = NULL;
    glim_status rc = check_depth(text, len, max_depth > 0 ? max_depth : GLIM_JSON_DEPTH, err);
    if (rc != GLIM_OK) return rc;
    if (memchr(text, 0, len)) /* jansson would take one after a number for the end */
        return glim_fail(err, GLIM_E_FORMAT, "JSON holds a NUL byte at byte %zu",
                         (size_t)((const char *)memchr(text, 0, len) - text));
    json_error_t je;
    t_refused = false;
    /* JSON_DECODE_ANY: a bare value is JSON too (RFC 8259). */
    const size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL;
    json_t *v = json_loadb(text, len, flags, &je);
    if (!v && !t_refused && json_error_code(&je) == json_error_numeric_overflow && strstr(je.text, "integer")) {
        glim_buf b = {0}; /* a schema's limit of a u64, say: nobody need count with it */
        make_real(&b, text, len);
        t_refused = b.failed;
        if (!b.failed) v = json_loadb(b.s, b.len, flags, &je);
        glim_buf_free(&b);
    }
    if (!v || t_refused) {
        json_decref(v);
        if (t_refused || json_error_code(&je) == json_error_out_of_memory)
            return glim_fail(err, GLIM_E_NOMEM, "could not allocate memory for %zu bytes of JSON", len);
        return glim_fail(err, GLIM_E_FORMAT, "JSON line %d, column %d: %s", je.line, je.column, je.text);
    }
    *out = v;
    return GLIM_OK;
}

glim_status glim_json_read(json_t **out, const char *path, size_t max_bytes, glim_err *err) {
    glim_buf b = {0};
    *out = NULL;
    glim_status rc = glim_file_read(&b, path, max_bytes, err);
    if (rc == GLIM_OK) {
        rc = glim_json_parse(out, glim_buf_cstr(&b), b.len, 0, err);
        if (rc != GLIM_OK) glim_err_context(err, "%s", path);
    }
    glim_buf_free(&b);
    return rc;
}

const char *glim_json_type_name(const json_t *v) {
    if (!v) return "nothing";
    switch (json_typeof(v)) {
    case JSON_OBJECT: return "object";
    case JSON_ARRAY: return "array";
    case JSON_STRING: return "string";
    case JSON_INTEGER: return "integer";
    case JSON_REAL: return "number";
    case JSON_TRUE:
    case JSON_FALSE: return "boolean";
    default: return "null";
    }
}

/* The value of key, or NULL where it is missing or null. */
static const json_t *lookup(const json_t *o, const char *key) {
    const json_t *v = json_object_get(o, key);
    return v && !json_is_null(v) ? v : NULL;
}

static glim_status to_int(const json_t *v, const char *key, int64_t lo, int64_t hi, int64_t *out,
                          glim_err *err) {
    int64_t i;
    if (json_is_integer(v)) i = json_integer_value(v);
    else if (json_is_real(v)) {
        double d = json_real_value(v);
        if (d != floor(d) || fabs(d) > 9007199254740992.0)
            return glim_fail(err, GLIM_E_FORMAT, "\"%s\": got %.17g, want an integer", key, d);
        i = (int64_t)d;
    } else
        return glim_fail(err, GLIM_E_FORMAT, "\"%s\": got %s, want an integer", key, glim_json_type_name(v));
    if (i < lo || i > hi)
        return glim_fail(err, GLIM_E_FORMAT, "\"%s\": got %lld, want %lld to %lld", key, (long long)i,
                         (long long)lo, (long long)hi);
    *out = i;
    return GLIM_OK;
}

glim_status glim_json_get_int(const json_t *o, const char *key, int64_t lo, int64_t hi, int64_t dflt,
                              int64_t *out, glim_err *err) {
    const json_t *v = lookup(o, key);
    if (v) return to_int(v, key, lo, hi, out, err);
    *out = dflt;
    return GLIM_OK;
}

glim_status glim_json_need_int(const json_t *o, const char *key, int64_t lo, int64_t hi, int64_t *out,
                               glim_err *err) {
    const json_t *v = lookup(o, key);
    if (!v) return glim_fail(err, GLIM_E_NOT_FOUND, "\"%s\" is missing, want an integer", key);
    return to_int(v, key, lo, hi, out, err);
}

glim_status glim_json_get_real(const json_t *o, const char *key, double dflt, double *out,
                               glim_err *err) {
    const json_t *v = lookup(o, key);
    *out = dflt;
    if (!v) return GLIM_OK;
    if (!json_is_number(v))
        return glim_fail(err, GLIM_E_FORMAT, "\"%s\": got %s, want a number", key, glim_json_type_name(v));
    *out = json_number_value(v);
    return GLIM_OK;
}

glim_status glim_json_get_bool(const json_t *o, const char *key, bool dflt, bool *out, glim_err *err) {
    const json_t *v = lookup(o, key);
    *out = dflt;
    if (!v) return GLIM_OK;
    if (!json_is_boolean(v))
        return glim_fail(err, GLIM_E_FORMAT, "\"%s\": got %s, want true or false", key,
                         glim_json_type_name(v));
    *out = json_is_true(v);
    return GLIM_OK;
}

glim_status glim_json_get_str(const json_t *o, const char *key, const char *dflt, const char **out,
                              glim_err *err) {
    const json_t *v = lookup(o, key);
    *out = dflt;
    if (!v) return GLIM_OK;
    if (!json_is_string(v))
        return glim_fail(err, GLIM_E_FORMAT, "\"%s\": got %s, want a string", key, glim_json_type_name(v));
    if (strlen(json_string_value(v)) != json_string_length(v))
        return glim_fail(err, GLIM_E_FORMAT, "\"%s\": the string holds a NUL", key);
    *out = json_string_value(v);
    return GLIM_OK;
}

static void put_str(glim_buf *out, const char *s, size_t len, bool ensure_ascii) {
    glim_buf_putc(out, '"');
    for (size_t i = 0; i < len;) {
        unsigned char c = (unsigned char)s[i];
        const char *esc = c == '"' ? "\\\"" : c == '\\' ? "\\\\" : c == '\n' ? "\\n" : c == '\r' ? "\\r"
                          : c == '\t' ? "\\t" : c == '\b' ? "\\b" : c == '\f' ? "\\f" : NULL;
        if (esc) {
            glim_buf_puts(out, esc);
            i++;
        } else if (c < 0x20) {
            glim_buf_printf(out, "\\u%04x", c);
            i++;
        } else if (c < 0x80) { /* 0x7f is kept, as Python keeps it */
            glim_buf_putc(out, (char)c);
            i++;
        } else {
            uint32_t cp;
            int n = glim_utf8_next(s + i, len - i, &cp);
            if (n <= 0) cp = 0xfffd;
            if (!ensure_ascii && n > 0) glim_buf_append(out, s + i, (size_t)n);
            else if (!ensure_ascii) glim_buf_append(out, "\xef\xbf\xbd", 3);
            else if (cp < 0x10000) glim_buf_printf(out, "\\u%04x", cp);
            else
                glim_buf_printf(out, "\\u%04x\\u%04x", 0xd800 + ((cp - 0x10000) >> 10),
                                0xdc00 + ((cp - 0x10000) & 0x3ff));
            i += n > 0 ? (size_t)n : 1;
        }
    }
    glim_buf_putc(out, '"');
}

void glim_json_put_str(glim_buf *out, const char *s, size_t len) { put_str(out, s, len, false); }

void glim_json_put_real(glim_buf *out, double v) {
    if (!isfinite(v)) {
        glim_buf_puts(out, "null");
        return;
    }
    /* The fewest digits that read back the same, then Python's repr layout: fixed for exponents from
     * -4 to 15, otherwise d.ddde+NN with at least two exponent digits. */
    char e[40];
    int prec = 0;
    for (; prec <= 16; prec++) {
        snprintf(e, sizeof e, "%.*e", prec, v);
        if (strtod(e, NULL) == v) break;
    }
    char *mark = strchr(e, 'e');
    int exp10 = atoi(mark + 1);
    if (exp10 >= -4 && exp10 < 16) {
        int decimals = prec - exp10;
        glim_buf_printf(out, "%.*f", decimals > 1 ? decimals : 1, v);
    } else {
        *mark = 0;
        glim_buf_printf(out, "%se%c%02d", e, exp10 < 0 ? '-' : '+', abs(exp10));
    }
}

static void newline(glim_buf *out, int indent, int depth) {
    glim_buf_putc(out, '\n');
    for (int i = 0; i < indent * depth; i++) glim_buf_putc(out, ' ');
}

static void dump(glim_buf *out, const json_t *v, int indent, int depth, bool ascii) {
    switch (json_typeof(v)) {
    case JSON_OBJECT: {
        const char *key;
        json_t *item;
        bool first = true;
        glim_buf_putc(out, '{');
        json_object_foreach((json_t *)v, key, item) {
            if (!first) glim_buf_puts(out, indent < 0 ? ", " : ",");
            first = false;
            if (indent >= 0) newline(out, indent, depth + 1);
            put_str(out, key, strlen(key), ascii);
            glim_buf_puts(out, ": ");
            dump(out, item, indent, depth + 1, ascii);
        }
        if (indent >= 0 && !first) newline(out, indent, depth);
        glim_buf_putc(out, '}');
        break;
    }
    case JSON_ARRAY: {
        glim_buf_putc(out, '[');
        for (size_t i = 0; i < json_array_size(v); i++) {
            if (i) glim_buf_puts(out, indent < 0 ? ", " : ",");
            if (indent >= 0) newline(out, indent, depth + 1);
            dump(out, json_array_get(v, i), indent, depth + 1, ascii);
        }
        if (indent >= 0 && json_array_size(v)) newline(out, indent, depth);
        glim_buf_putc(out, ']');
        break;
    }
    case JSON_STRING: put_str(out, json_string_value(v), json_string_length(v), ascii); break;
    case JSON_INTEGER: glim_buf_printf(out, "%lld", (long long)json_integer_value(v)); break;
    case JSON_REAL: glim_json_put_real(out, json_real_value(v)); break;
    case JSON_TRUE: glim_buf_puts(out, "true"); break;
    case JSON_FALSE: glim_buf_puts(out, "false"); break;
    default: glim_buf_puts(out, "null"); break;
    }
}

void glim_json_dump_py(glim_buf *out, const json_t *v, int indent, bool ensure_ascii) {
    dump(out, v, indent, 0, ensure_ascii);
}
