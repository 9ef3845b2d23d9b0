/* chat_py.c - the habits of Python that chat templates lean on: Unicode strip, split, repr.
 *
 * Templates are jinja2, and jinja2 is Python: `content.strip()` takes off U+3000 as well as a space,
 * and a dictionary printed without tojson comes out as repr. All take bytes with a length; broken
 * UTF-8 is never white space. */
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/utf8.h"
#include "text/chat_internal.h"

/* str.isspace: bidirectional class WS, B or S, or category Zs. */
static bool is_space(uint32_t c) {
    return (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 ||
           c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
           c == 0x205f || c == 0x3000;
}

int glim_py_space(const char *s, size_t n) {
    uint32_t cp;
    if (n == 0) return -1;
    int len = glim_utf8_next(s, n, &cp);
    if (len < 0) return -1;
    return len > 0 && is_space(cp) ? len : 0;
}

/* Length of the character that ends at s[n), as the bytes before it allow. */
static int last_space(const char *s, size_t n) {
    for (int len = 1; len <= 3 && (size_t)len <= n; len++) { /* no white space takes four bytes */
        uint32_t cp;
        if (((unsigned char)s[n - (size_t)len] & 0xc0) == 0x80) continue;
        return glim_utf8_next(s + n - len, (size_t)len, &cp) == len && is_space(cp) ? len : 0;
    }
    return 0;
}

glim_chat_str glim_py_strip(glim_chat_str s) {
    int len;
    while (s.n && (len = glim_py_space(s.s, s.n)) > 0) s.s += len, s.n -= (size_t)len;
    while (s.n && (len = last_space(s.s, s.n)) > 0) s.n -= (size_t)len;
    return s;
}

glim_chat_str glim_py_lstrip_nl(glim_chat_str s) {
    while (s.n && s.s[0] == '\n') s.s++, s.n--;
    return s;
}

glim_chat_str glim_py_rstrip_nl(glim_chat_str s) {
    while (s.n && s.s[s.n - 1] == '\n') s.n--;
    return s;
}

static const char *find(glim_chat_str s, const char *part) {
    return s.n ? memmem(s.s, s.n, part, strlen(part)) : NULL;
}

glim_chat_str glim_py_split_first(glim_chat_str s, const char *sep) {
    const char *at = find(s, sep);
    if (at) s.n = (size_t)(at - s.s);
    return s;
}

glim_chat_str glim_py_split_last(glim_chat_str s, const char *sep) {
    for (const char *at; (at = find(s, sep));) {
        const char *rest = at + strlen(sep);
        s = (glim_chat_str){rest, s.n - (size_t)(rest - s.s)};
    }
    return s;
}

bool glim_py_has(glim_chat_str s, const char *part) { return find(s, part) != NULL; }

bool glim_py_ends(glim_chat_str s, const char *tail) {
    size_t n = strlen(tail);
    return s.n >= n && memcmp(s.s + s.n - n, tail, n) == 0;
}

/* str.isprintable for one character: not a control, format, surrogate, private, unassigned or
 * separator character, except the plain space. */
static bool is_printable(uint32_t c) {
    if (c == ' ') return true;
    switch (utf8proc_category((utf8proc_int32_t)c)) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP: return false;
    default: return true;
    }
}

/* repr of a str: single quotes, unless that alone is in the text. */
static void repr_str(glim_buf *out, const char *s, size_t n) {
    char quote = n && memchr(s, '\'', n) && !memchr(s, '"', n) ? '"' : '\'';
    glim_buf_putc(out, quote);
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        int len = glim_utf8_next(s + i, n - i, &cp);
        if (len <= 0) cp = 0xfffd, len = 1;
        if (cp == (uint32_t)quote || cp == '\\') {
            glim_buf_putc(out, '\\');
            glim_buf_putc(out, (char)cp);
        } else if (cp == '\n') glim_buf_puts(out, "\\n");
        else if (cp == '\r') glim_buf_puts(out, "\\r");
        else if (cp == '\t') glim_buf_puts(out, "\\t");
        else if (is_printable(cp)) glim_buf_append(out, s + i, (size_t)len);
        else if (cp < 0x100) glim_buf_printf(out, "\\x%02x", cp);
        else if (cp < 0x10000) glim_buf_printf(out, "\\u%04x", cp);
        else glim_buf_printf(out, "\\U%08x", cp);
        i += (size_t)len;
    }
    glim_buf_putc(out, quote);
}

static void repr(glim_buf *out, const json_t *v) {
    switch (json_typeof(v)) {
    case JSON_OBJECT: {
        const char *key, *gap = "";
        json_t *item;
        glim_buf_putc(out, '{');
        json_object_foreach((json_t *)v, key, item) {
            glim_buf_puts(out, gap);
            repr_str(out, key, strlen(key));
            glim_buf_puts(out, ": ");
            repr(out, item);
            gap = ", ";
        }
        glim_buf_putc(out, '}');
        break;
    }
    case JSON_ARRAY:
        glim_buf_putc(out, '[');
        for (size_t i = 0; i < json_array_size(v); i++) {
            if (i) glim_buf_puts(out, ", ");
            repr(out, json_array_get(v, i));
        }
        glim_buf_putc(out, ']');
        break;
    case JSON_STRING: repr_str(out, json_string_value(v), json_string_length(v)); break;
    case JSON_TRUE: glim_buf_puts(out, "True"); break;
    case JSON_FALSE: glim_buf_puts(out, "False"); break;
    case JSON_NULL: glim_buf_puts(out, "None"); break;
    default: glim_json_dump_py(out, v, -1, false); break; /* numbers: JSON and repr agree */
    }
}

void glim_py_str(glim_buf *out, const json_t *v) {
    if (json_is_string(v)) glim_buf_append(out, json_string_value(v), json_string_length(v));
    else repr(out, v);
}
