/* test_constrain_oracle.h - two slow readers of JSON schema that share nothing with src/text/constrain*.c:
 *
 *   valid_value   whether a JSON value satisfies a schema, the ordinary meaning
 *   viable        whether a text can be continued to an answer, by the rules written in constrain.h: a recursive descent
 *                 over the schema itself that returns every place where a value may end, and notes when the text runs
 *                 out where more could follow. Patterns are PCRE2's partial matching, bounds of numbers are intervals. */
#ifndef GLIM_TEST_CONSTRAIN_ORACLE_H
#define GLIM_TEST_CONSTRAIN_ORACLE_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/utf8.h"
#include "test.h"

/* ---- patterns ---- */

/* White space as ECMA-262 has it (its WhiteSpace and LineTerminator), which is neither PCRE2's nor Unicode's. */
#define ECMA_SPACE "\\t-\\r\\x{20}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}\\x{feff}"

/* PCRE2's dialect for the patterns of the tests: ".", \s and \S as ECMA-262 has them, \uXXXX as \x{XXXX}. */
static pcre2_code *oracle_pattern(const char *p) {
    static struct {
        char *text;
        pcre2_code *code;
    } known[256];
    size_t i = 0;
    for (; i < GLIM_COUNT(known) && known[i].text; i++)
        if (strcmp(known[i].text, p) == 0) return known[i].code;
    CHECK(i < GLIM_COUNT(known));
    glim_buf b = {0};
    bool in_class = false;
    for (const char *s = p; *s; s++) {
        if (*s == '\\' && s[1] == 'u') {
            glim_buf_printf(&b, "\\x{%.4s}", s + 2);
            s += 5;
        } else if (*s == '\\' && s[1] == 's') {
            glim_buf_puts(&b, in_class ? ECMA_SPACE : "[" ECMA_SPACE "]");
            s++;
        } else if (*s == '\\' && s[1] == 'S') {
            CHECK_MSG(!in_class, "pattern %s: \\S in a class has no translation here", p);
            glim_buf_puts(&b, "[^" ECMA_SPACE "]");
            s++;
        } else if (*s == '\\') {
            glim_buf_append(&b, s, 2);
            s++;
        } else if (*s == '.' && !in_class) glim_buf_puts(&b, "[^\\n\\r\\x{2028}\\x{2029}]");
        else {
            if (*s == '[') in_class = true;
            if (*s == ']') in_class = false;
            glim_buf_putc(&b, *s);
        }
    }
    int code;
    PCRE2_SIZE at;
    known[i].code = pcre2_compile((PCRE2_SPTR)b.s, b.len, PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_NO_START_OPTIMIZE, &code, &at, NULL);
    CHECK_MSG(known[i].code, "pattern %s at %zu", b.s, at);
    known[i].text = strdup(p);
    glim_buf_free(&b);
    return known[i].code;
}

static bool pattern_run(const char *p, const char *s, size_t n, uint32_t opt, int want) {
    static pcre2_match_data *md;
    if (!md) md = pcre2_match_data_create(32, NULL);
    int rc = pcre2_match(oracle_pattern(p), (PCRE2_SPTR)s, n, 0, opt | PCRE2_NO_UTF_CHECK, md, NULL);
    return rc >= 0 || (want && rc == want);
}
static bool pattern_holds(const char *p, const char *s, size_t n) { return pattern_run(p, s, n, 0, 0); }
/* A search can always find something later, and the patterns of the tests can all be met; an anchored pattern is asked,
 * but of nothing at all PCRE2 says that it is no beginning. */
static bool pattern_may(const char *p, const char *s, size_t n) {
    return p[0] != '^' || n == 0 || pattern_run(p, s, n, PCRE2_PARTIAL_HARD, PCRE2_ERROR_PARTIAL);
}

/* ---- a value against a schema ---- */

static const json_t *oracle_ref(const json_t *root, const char *ref) {
    if (strcmp(ref, "#") == 0) return root;
    CHECK_MSG(strncmp(ref, "#/", 2) == 0, "%s", ref);
    char copy[256];
    snprintf(copy, sizeof copy, "%s", ref + 2);
    const json_t *v = root;
    for (char *part = strtok(copy, "/"); part && v; part = strtok(NULL, "/"))
        v = json_is_array(v) ? json_array_get(v, (size_t)atoi(part)) : json_object_get(v, part);
    CHECK_MSG(v, "%s", ref);
    return v;
}

static bool has_type(const json_t *v, const char *t) {
    if (strcmp(t, "null") == 0) return json_is_null(v);
    if (strcmp(t, "boolean") == 0) return json_is_boolean(v);
    if (strcmp(t, "integer") == 0) return json_is_integer(v) || (json_is_real(v) && floor(json_real_value(v)) == json_real_value(v));
    if (strcmp(t, "number") == 0) return json_is_number(v);
    if (strcmp(t, "string") == 0) return json_is_string(v);
    if (strcmp(t, "array") == 0) return json_is_array(v);
    return json_is_object(v);
}

static bool all_digits(const char *s, int n) {
    for (int i = 0; i < n; i++)
        if (s[i] < '0' || s[i] > '9') return false;
    return true;
}
static bool is_date(const char *s) {
    int y, m, d;
    if (strlen(s) < 10 || !all_digits(s, 4) || s[4] != '-' || !all_digits(s + 5, 2) || s[7] != '-' || !all_digits(s + 8, 2)) return false;
    y = atoi(s), m = atoi(s + 5), d = atoi(s + 8);
    static const int days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return y > 0 && m >= 1 && m <= 12 && d >= 1 && d <= days[m - 1] && (m != 2 || d < 29 || (y % 4 == 0 && (y % 100 || y % 400 == 0)));
}
static bool is_time(const char *s) {
    if (strlen(s) < 9 || !all_digits(s, 2) || s[2] != ':' || !all_digits(s + 3, 2) || s[5] != ':' || !all_digits(s + 6, 2)) return false;
    if (atoi(s) > 23 || atoi(s + 3) > 59 || atoi(s + 6) > 59) return false;
    s += 8;
    if (*s == '.') {
        if (!all_digits(s + 1, 1)) return false;
        for (s++; *s >= '0' && *s <= '9'; s++) {}
    }
    if (strcmp(s, "Z") == 0) return true;
    return (*s == '+' || *s == '-') && strlen(s) == 6 && all_digits(s + 1, 2) && s[3] == ':' && all_digits(s + 4, 2) && atoi(s + 1) < 24 &&
           atoi(s + 4) < 60;
}
static bool is_ipv4(const char *s) {
    int n = 0;
    for (;; n++) {
        size_t k = strspn(s, "0123456789");
        if (k < 1 || k > 3 || atoi(s) > 255 || (k > 1 && *s == '0')) return false;
        s += k;
        if (!*s) return n == 3;
        if (*s++ != '.') return false;
    }
}
static bool is_ipv6(const char *s) {
    int groups = 0;
    const char *gap = strstr(s, "::");
    if (gap && strstr(gap + 1, "::")) return false;
    if (*s == ':' && s[1] != ':') return false;
    while (*s) {
        size_t k = strspn(s, "0123456789abcdefABCDEF");
        if (k > 4) return false;
        groups += k > 0;
        s += k;
        if (*s == ':' && s[1] == 0 && !(gap && gap == s - 1)) return false;
        if (*s && *s++ != ':') return false;
    }
    return gap ? groups <= 7 : groups == 8;
}
static bool is_host(const char *s) {
    for (;;) {
        size_t k = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-");
        if (k < 1 || k > 63 || s[0] == '-' || s[k - 1] == '-') return false;
        s += k;
        if (!*s) return true;
        if (*s++ != '.') return false;
    }
}
static bool format_holds(const char *f, const char *s) {
    const char *at;
    if (strcmp(f, "date") == 0) return strlen(s) == 10 && is_date(s);
    if (strcmp(f, "time") == 0) return is_time(s);
    if (strcmp(f, "date-time") == 0) return is_date(s) && s[10] == 'T' && is_time(s + 11);
    if (strcmp(f, "email") == 0) return (at = strchr(s, '@')) && at > s && at[-1] != '.' && is_host(at + 1) && strchr(at, '.');
    if (strcmp(f, "ipv4") == 0) return is_ipv4(s);
    if (strcmp(f, "ipv6") == 0) return is_ipv6(s);
    if (strcmp(f, "hostname") == 0) return is_host(s) && strlen(s) < 254;
    if (strcmp(f, "uuid") == 0) {
        for (int i = 0; i < 36; i++)
            if ((i == 8 || i == 13 || i == 18 || i == 23) ? s[i] != '-' : !(s[i] && strchr("0123456789abcdefABCDEF", s[i]))) return false;
        return strlen(s) == 36;
    }
    if (strcmp(f, "uri") == 0) return (strncmp(s, "http://", 7) == 0 || strncmp(s, "https://", 8) == 0) && !strpbrk(s, " \"<>\\^`{|}");
    if (strcmp(f, "duration") == 0) return s[0] == 'P' && strlen(s) > 2 && s[strlen(s) - 1] != 'T' && strspn(s + 1, "0123456789YMWDTHS") == strlen(s + 1);
    return false;
}

static size_t count_points(const char *s, size_t n) {
    size_t c = 0;
    for (size_t i = 0; i < n; i++) c += ((unsigned char)s[i] & 0xc0) != 0x80;
    return c;
}

static bool number_ok(const json_t *s, const char *key, const json_t *v, int sign, bool open) {
    const json_t *b = json_object_get(s, key);
    if (!json_is_number(b)) return true; /* draft 4 has true and false there */
    if (json_is_integer(b) && json_is_integer(v)) {
        json_int_t x = json_integer_value(v), y = json_integer_value(b);
        return sign > 0 ? (open ? x > y : x >= y) : (open ? x < y : x <= y);
    }
    double x = json_number_value(v), y = json_number_value(b);
    return sign > 0 ? (open ? x > y : x >= y) : (open ? x < y : x <= y);
}

static inline bool valid_value(const json_t *root, const json_t *s, const json_t *v) {
    if (json_is_boolean(s)) return json_is_true(s);
    const json_t *k, *w;
    const char *name;
    size_t i;
    if ((k = json_object_get(s, "$ref")) && !valid_value(root, oracle_ref(root, json_string_value(k)), v)) return false;
    json_array_foreach(json_object_get(s, "allOf"), i, w) if (!valid_value(root, w, v)) return false;
    if ((k = json_object_get(s, "anyOf"))) {
        bool any = false;
        json_array_foreach(k, i, w) any |= valid_value(root, w, v);
        if (!any) return false;
    }
    if ((k = json_object_get(s, "oneOf"))) {
        int n = 0;
        json_array_foreach(k, i, w) n += valid_value(root, w, v);
        if (n != 1) return false;
    }
    if ((k = json_object_get(s, "type"))) {
        bool any = false;
        if (json_is_string(k)) any = has_type(v, json_string_value(k));
        json_array_foreach(k, i, w) any |= has_type(v, json_string_value(w));
        if (!any && !(json_is_null(v) && json_is_true(json_object_get(s, "nullable")))) return false;
    }
    if ((k = json_object_get(s, "const")) && !json_equal(k, v)) return false;
    if ((k = json_object_get(s, "enum"))) {
        bool any = false;
        json_array_foreach(k, i, w) any |= json_equal(w, v);
        if (!any) return false;
    }
    if (json_is_number(v)) {
        if (!number_ok(s, "minimum", v, 1, false) || !number_ok(s, "maximum", v, -1, false) || !number_ok(s, "exclusiveMinimum", v, 1, true) ||
            !number_ok(s, "exclusiveMaximum", v, -1, true))
            return false;
        if ((k = json_object_get(s, "multipleOf")) && json_integer_value(v) % json_integer_value(k)) return false;
    }
    if (json_is_string(v)) {
        const char *t = json_string_value(v);
        size_t n = json_string_length(v), points = count_points(t, n);
        if ((k = json_object_get(s, "minLength")) && points < (size_t)json_integer_value(k)) return false;
        if ((k = json_object_get(s, "maxLength")) && points > (size_t)json_integer_value(k)) return false;
        if ((k = json_object_get(s, "pattern")) && !pattern_holds(json_string_value(k), t, n)) return false;
        if ((k = json_object_get(s, "format")) && !format_holds(json_string_value(k), t)) return false;
    }
    if (json_is_array(v)) {
        size_t n = json_array_size(v);
        const json_t *prefix = json_object_get(s, "prefixItems"), *items = json_object_get(s, "items");
        if ((k = json_object_get(s, "minItems")) && n < (size_t)json_integer_value(k)) return false;
        if ((k = json_object_get(s, "maxItems")) && n > (size_t)json_integer_value(k)) return false;
        json_array_foreach((json_t *)v, i, w) {
            const json_t *sub = i < json_array_size(prefix) ? json_array_get(prefix, i) : items;
            if (sub && !valid_value(root, sub, w)) return false;
        }
    }
    if (json_is_object(v)) {
        const json_t *props = json_object_get(s, "properties"), *rest = json_object_get(s, "additionalProperties");
        json_array_foreach(json_object_get(s, "required"), i, w) if (!json_object_get(v, json_string_value(w))) return false;
        json_object_foreach((json_t *)v, name, w) {
            const json_t *sub = json_object_get(props, name);
            if (!sub) sub = rest;
            if (sub && !valid_value(root, sub, w)) return false;
        }
    }
    return true;
}

/* ---- a text that is being written ---- */

typedef struct ends {
    size_t v[512], n; /* places where something may end, each once */
} ends;

typedef struct reader {
    const char *s;
    size_t n;
    const json_t *root;
    bool more; /* the text ran out where more could follow */
} reader;

static void add_end(ends *e, size_t at) {
    for (size_t i = 0; i < e->n; i++)
        if (e->v[i] == at) return;
    CHECK(e->n < GLIM_COUNT(e->v));
    e->v[e->n++] = at;
}

static void read_value(reader *r, const json_t *s, size_t at, ends *out);

static void read_text(reader *r, const char *t, size_t len, size_t at, ends *out) {
    size_t i = 0;
    for (; i < len && at + i < r->n; i++)
        if (r->s[at + i] != t[i]) return;
    if (i < len) r->more = true;
    else add_end(out, at + len);
}

static void read_space(reader *r, size_t at, ends *out) {
    add_end(out, at);
    if (at == r->n) {
        r->more = true;
        return;
    }
    if (r->s[at] == ' ') add_end(out, at + 1);
    if (r->s[at] != '\n') return;
    for (size_t i = at + 1; i <= at + 33; i++) {
        add_end(out, i);
        if (i == r->n) {
            r->more = true;
            return;
        }
        if (r->s[i] != ' ' && r->s[i] != '\t') return;
    }
}

static void oracle_spell(glim_buf *b, const char *s, size_t n) {
    glim_buf_putc(b, '"');
    for (size_t i = 0; i < n; i++) {
        const char *e = s[i] ? strchr("\"\\\bb\ff\nn\rr\tt", s[i]) : NULL;
        if (s[i] == '"' || s[i] == '\\') glim_buf_printf(b, "\\%c", s[i]);
        else if (e && (unsigned char)s[i] < 32) glim_buf_printf(b, "\\%c", e[1]);
        else if ((unsigned char)s[i] < 32) glim_buf_printf(b, "\\u00%02x", (unsigned)s[i]);
        else glim_buf_putc(b, s[i]);
    }
    glim_buf_putc(b, '"');
}

static void oracle_literal(glim_buf *b, const json_t *v) {
    const char *k;
    json_t *w;
    size_t i;
    const char *sep = "";
    if (json_is_string(v)) oracle_spell(b, json_string_value(v), json_string_length(v));
    else if (json_is_object(v)) {
        glim_buf_putc(b, '{');
        json_object_foreach((json_t *)v, k, w) {
            glim_buf_puts(b, sep);
            oracle_spell(b, k, strlen(k));
            glim_buf_putc(b, ':');
            oracle_literal(b, w);
            sep = ",";
        }
        glim_buf_putc(b, '}');
    } else if (json_is_array(v)) {
        glim_buf_putc(b, '[');
        json_array_foreach((json_t *)v, i, w) {
            glim_buf_puts(b, sep);
            oracle_literal(b, w);
            sep = ",";
        }
        glim_buf_putc(b, ']');
    } else {
        char *t = json_dumps(v, JSON_ENCODE_ANY);
        glim_buf_puts(b, t);
        free(t);
    }
}

/* One character of UTF-8: its length, 0 broken, -1 unfinished. */
static int read_char(const reader *r, size_t at) {
    uint32_t cp;
    return glim_utf8_next(r->s + at, r->n - at, &cp);
}

static int hex4(const reader *r, size_t at) { /* value; -1 unfinished; -2 broken */
    int v = 0;
    for (size_t i = 0; i < 4; i++) {
        if (at + i == r->n) return -1;
        char c = r->s[at + i];
        const char *p = c ? strchr("0123456789abcdefABCDEF", c) : NULL;
        if (!p) return -2;
        int d = (int)(p - "0123456789abcdefABCDEF");
        (void)d;
        v = v * 16 + (c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
    }
    return v;
}

/* A prefix of four hexadecimal digits could still be one of lo..hi. */
static bool hex_may(const reader *r, size_t at, int lo, int hi) {
    int v = 0, left = 4;
    for (; left && at < r->n; at++, left--) {
        char c = r->s[at];
        if (!((c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'f'))) return false;
        v = v * 16 + (c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
    }
    int first = v << (4 * left), last = first + (1 << (4 * left)) - 1;
    return first <= hi && last >= lo;
}

/* Keys of an open object so far, as they are spelled. */
typedef struct met {
    const struct met *prev;
    size_t at, end;
} met;

/* A string without a pattern; keys know fewer escapes and must not be a declared name or one met before. */
static void read_string(reader *r, size_t lo, size_t hi, bool key, const json_t *declared, const json_t *declared2, const met *keys,
                        size_t at, ends *out) {
    size_t points = 0, begin = at;
    glim_buf name = {0};
    if (at == r->n) {
        r->more = true;
        return;
    }
    if (r->s[at++] != '"') return;
    for (;;) {
        if (at == r->n) {
            r->more = true;
            break;
        }
        char c = r->s[at];
        if (c == '"') {
            const char *k = glim_buf_cstr(&name);
            bool taken = key && (json_object_get(declared, k) || false);
            size_t i;
            json_t *w;
            json_array_foreach((json_t *)declared2, i, w) taken |= key && strcmp(json_string_value(w), k) == 0;
            for (; keys; keys = keys->prev)
                taken |= keys->end - keys->at == at + 1 - begin && memcmp(r->s + keys->at, r->s + begin, at + 1 - begin) == 0;
            if (points >= lo && !taken) add_end(out, at + 1);
            break;
        }
        if (points == hi) break;
        points++;
        if (c == '\\') {
            if (at + 1 == r->n) {
                r->more = true;
                break;
            }
            char e = r->s[at + 1];
            const char *plain = "\"\\bfnrt", *means = "\"\\\b\f\n\r\t", *p = e ? strchr(plain, e) : NULL;
            if (p || (e == '/' && !key)) {
                glim_buf_putc(&name, p ? means[p - plain] : '/');
                at += 2;
                continue;
            }
            if (e != 'u' || key) break;
            int v = hex4(r, at + 2);
            if (v == -1) {
                if (hex_may(r, at + 2, 0, 0xdbff) || hex_may(r, at + 2, 0xe000, 0xffff)) r->more = true;
                break;
            }
            if (v < 0 || (v >= 0xdc00 && v <= 0xdfff)) break;
            at += 6;
            if (v < 0xd800 || v > 0xdbff) continue;
            const char *pair = "\\u";
            size_t k = 0;
            while (k < 2 && at + k < r->n && r->s[at + k] == pair[k]) k++;
            if (k < 2) {
                if (at + k == r->n) r->more = true;
                break;
            }
            if (r->n - at < 6) {
                if (hex_may(r, at + 2, 0xdc00, 0xdfff)) r->more = true;
                break;
            }
            v = hex4(r, at + 2);
            if (v < 0xdc00 || v > 0xdfff) break;
            at += 6;
            continue;
        }
        if ((unsigned char)c < 32) break;
        int n = read_char(r, at);
        if (n < 0) r->more = true;
        if (n <= 0) break;
        glim_buf_append(&name, r->s + at, (size_t)n);
        at += (size_t)n;
    }
    glim_buf_free(&name);
}

/* A string with a pattern: each character has one spelling. */
static void read_pattern(reader *r, const char *pattern, size_t at, ends *out) {
    glim_buf have = {0};
    if (at == r->n) {
        r->more = true;
        return;
    }
    if (r->s[at++] != '"') return;
    while (pattern_may(pattern, glim_buf_cstr(&have), have.len)) {
        if (at == r->n) {
            r->more = true;
            break;
        }
        if (r->s[at] == '"') {
            if (pattern_holds(pattern, glim_buf_cstr(&have), have.len)) add_end(out, at + 1);
            break;
        }
        /* Every character whose spelling begins as the text does; whole ones go on, others may come. */
        bool went = false;
        glim_buf spelled = {0};
        for (uint32_t cp = 0; cp <= 0x10ffff && !went; cp += cp < 0x800 ? 1 : cp % 64 == 63 ? 1 : cp % 64 == 0 ? 63 : 1) {
            char utf8[4];
            uint32_t real = cp;
            if (cp >= 0xd800 && cp <= 0xdfff) continue;
            size_t n = (size_t)glim_utf8_put(utf8, real);
            glim_buf_clear(&spelled);
            oracle_spell(&spelled, utf8, n);
            const char *sp = spelled.s + 1;
            size_t len = spelled.len - 2, left = r->n - at;
            if (left < len && memcmp(r->s + at, sp, left) == 0) {
                size_t keep = have.len;
                glim_buf_append(&have, utf8, n);
                if (pattern_may(pattern, have.s, have.len)) r->more = true;
                have.s[have.len = keep] = 0;
            } else if (left >= len && memcmp(r->s + at, sp, len) == 0) {
                glim_buf_append(&have, utf8, n);
                at += len;
                went = true;
            }
        }
        if (!went && (unsigned char)r->s[at] >= 0x80) {
            int n = read_char(r, at);
            if (n > 0) {
                glim_buf_append(&have, r->s + at, (size_t)n);
                at += (size_t)n;
                went = true;
            }
        }
        glim_buf_free(&spelled);
        if (!went) break;
    }
    glim_buf_free(&have);
}

/* ---- numbers: everything in units of 1e-15 ---- */

typedef __int128 wide;

static wide units(const json_t *v, int *int_digits) {
    glim_buf b = {0};
    if (json_is_integer(v)) glim_buf_printf(&b, "%lld", (long long)json_integer_value(v));
    else glim_json_put_real(&b, json_real_value(v));
    wide x = 0;
    int frac = -1, n = 0;
    bool minus = false;
    for (const char *s = b.s; *s; s++) {
        CHECK_MSG(strchr("-.0123456789", *s), "the oracle reads plain decimals only: %s", b.s);
        if (*s == '-') minus = true;
        else if (*s == '.') frac = 0;
        else {
            x = x * 10 + (*s - '0');
            if (frac >= 0) frac++;
            else n++;
        }
    }
    for (int i = frac < 0 ? 0 : frac; i < 15; i++) x *= 10;
    *int_digits = n;
    glim_buf_free(&b);
    return minus ? -x : x;
}

static wide power10(int k) {
    wide x = 1;
    while (k-- > 0) x *= 10;
    return x;
}

/* Whether a multiple of step lies in [a, b] and [lo, hi]. */
static bool on_grid(wide a, wide b, wide lo, wide hi, wide step) {
    if (lo > a) a = lo;
    if (hi < b) b = hi;
    if (a > b) return false;
    wide q = a / step;
    if (q * step < a) q++;
    return q * step <= b;
}

static void read_number(reader *r, const json_t *s, bool integer, size_t at, ends *out) {
    const json_t *k;
    wide lo = -power10(36), hi = power10(36), m = 1;
    int digits, max_int = 15, max_frac = 15;
    bool bounded = false;
    if (integer) {
        lo = (wide)INT64_MIN * power10(15);
        hi = (wide)INT64_MAX * power10(15);
        max_int = 19;
        if ((k = json_object_get(s, "multipleOf"))) m = json_integer_value(k);
    }
    static const char *const names[] = {"minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"};
    for (int i = 0; i < 4; i++) {
        if (!(k = json_object_get(s, names[i]))) continue;
        wide x = units(k, &digits) + (i == 1) - (i == 3);
        if (i < 2 && x > lo) lo = x;
        if (i >= 2 && x < hi) hi = x;
        bounded = true;
        if (15 - digits < max_frac) max_frac = 15 - digits > 1 ? 15 - digits : 1;
    }
    bounded |= integer;
    if (integer) max_frac = 0;
    wide step = power10(15 - max_frac) * m;
    bool minus = at < r->n && r->s[at] == '-';
    if (at == r->n) {
        if (on_grid(lo, hi, lo, hi, step)) r->more = true;
        return;
    }
    at += minus;
    wide sign_lo = minus ? -hi : lo, sign_hi = minus ? -lo : hi; /* bounds of the magnitude */
    if (sign_lo < 0) sign_lo = 0;
    if (minus && bounded && sign_lo < 1) sign_lo = 1;
    if (at == r->n) {
        if (!bounded || on_grid(0, power10(36), sign_lo, sign_hi, step)) r->more = true;
        return;
    }
    wide v = 0;
    int n = 0;
    bool zero = r->s[at] == '0';
    if (r->s[at] < '0' || r->s[at] > '9' || (integer && minus && zero)) return;
    for (;; at++) { /* n digits of the integer part are read */
        if (n > 0) {
            wide x = v * power10(15);
            bool whole = x >= sign_lo && x <= sign_hi && v % m == 0;
            bool may = false;
            for (int more = 0; n + more <= max_int && (more == 0 || !zero); more++) {
                wide first = x * power10(more), last = (x + power10(15)) * power10(more) - step / m;
                if (integer && more) last = first + (power10(more) - 1) * power10(15);
                may |= on_grid(first, last, sign_lo, sign_hi, step);
            }
            if (bounded ? !may : n > max_int) return;
            if (!bounded || whole) add_end(out, at);
            if (at == r->n) r->more = true;
        }
        if (at == r->n || r->s[at] < '0' || r->s[at] > '9') break;
        if ((zero && n) || n == max_int) return;
        v = v * 10 + (r->s[at] - '0');
        n++;
    }
    if (at == r->n) return;
    wide x = v * power10(15);
    if (r->s[at] == '.' && !integer) {
        at++;
        for (int f = 0; f <= max_frac; f++, at++) {
            wide unit = power10(15 - f);
            if (bounded && !on_grid(x, x + unit - step, sign_lo, sign_hi, step)) return;
            if (f && (!bounded || (x >= sign_lo && x <= sign_hi))) add_end(out, at);
            if (at == r->n) {
                r->more = true;
                return;
            }
            if (r->s[at] < '0' || r->s[at] > '9') {
                if (f == 0) return;
                break;
            }
            if (f == max_frac) return;
            x += (r->s[at] - '0') * (unit / 10);
        }
    }
    if (bounded || (r->s[at] | 32) != 'e') return;
    at++;
    if (at < r->n && (r->s[at] == '+' || r->s[at] == '-')) at++;
    for (int i = 0; i <= 2; i++, at++) {
        if (i) add_end(out, at);
        if (at == r->n) {
            r->more = true;
            return;
        }
        if (r->s[at] < '0' || r->s[at] > '9') return;
    }
}

/* ---- containers ---- */

static void read_elements(reader *r, const json_t *s, size_t done, size_t at, ends *out) {
    const json_t *prefix = json_object_get(s, "prefixItems"), *items = json_object_get(s, "items"), *k;
    size_t min = (k = json_object_get(s, "minItems")) ? (size_t)json_integer_value(k) : 0;
    size_t max = (k = json_object_get(s, "maxItems")) ? (size_t)json_integer_value(k) : SIZE_MAX;
    static const json_t *any;
    if (!any) any = json_object();
    ends sp = {0};
    if (done >= min) {
        read_space(r, at, &sp);
        for (size_t i = 0; i < sp.n; i++) read_text(r, "]", 1, sp.v[i], out);
    }
    const json_t *next = done < json_array_size(prefix) ? json_array_get(prefix, done) : items ? items : any;
    if (done >= max || json_is_false(next)) return;
    ends e = {0}, in = {0}, after = {0};
    if (done) read_text(r, ",", 1, at, &e);
    else add_end(&e, at);
    for (size_t i = 0; i < e.n; i++) read_space(r, e.v[i], &in);
    for (size_t i = 0; i < in.n; i++) read_value(r, next, in.v[i], &after);
    for (size_t i = 0; i < after.n; i++) read_elements(r, s, done + 1, after.v[i], out);
}

static bool is_required(const json_t *s, const char *name) {
    size_t i;
    json_t *w;
    json_array_foreach(json_object_get(s, "required"), i, w) if (strcmp(json_string_value(w), name) == 0) return true;
    return false;
}

static void read_members(reader *r, const json_t *s, void *from, bool any_yet, const met *keys, size_t at, ends *out) {
    json_t *props = json_object_get(s, "properties"), *rest = json_object_get(s, "additionalProperties");
    static json_t *any;
    if (!any) any = json_object();
    bool open = rest ? !json_is_false(rest) : !props && !json_object_get(s, "required"), may_end = true;
    ends e = {0}, in = {0};
    if (any_yet && (from || open)) read_text(r, ",", 1, at, &e);
    else if (!any_yet) add_end(&e, at);
    for (size_t i = 0; i < e.n; i++) read_space(r, e.v[i], &in);
    for (void *it = from; it && may_end; it = json_object_iter_next(props, it)) {
        const char *name = json_object_iter_key(it);
        glim_buf key = {0};
        oracle_spell(&key, name, strlen(name));
        glim_buf_putc(&key, ':');
        ends a = {0}, b = {0}, c = {0};
        for (size_t i = 0; i < in.n; i++) read_text(r, key.s, key.len, in.v[i], &a);
        for (size_t i = 0; i < a.n; i++) read_space(r, a.v[i], &b);
        for (size_t i = 0; i < b.n; i++) read_value(r, json_object_iter_value(it), b.v[i], &c);
        for (size_t i = 0; i < c.n; i++) read_members(r, s, json_object_iter_next(props, it), true, keys, c.v[i], out);
        glim_buf_free(&key);
        if (is_required(s, name)) may_end = false;
    }
    if (!may_end) return;
    if (open) {
        for (size_t j = 0; j < in.n; j++) {
            ends a = {0}, b = {0}, c = {0}, d = {0};
            read_string(r, 0, SIZE_MAX, true, props, json_object_get(s, "required"), keys, in.v[j], &a);
            if (!a.n) continue;
            met one = {keys, in.v[j], a.v[0]};
            read_text(r, ":", 1, a.v[0], &b);
            for (size_t i = 0; i < b.n; i++) read_space(r, b.v[i], &c);
            for (size_t i = 0; i < c.n; i++) read_value(r, rest ? rest : any, c.v[i], &d);
            for (size_t i = 0; i < d.n; i++) read_members(r, s, NULL, true, &one, d.v[i], out);
        }
    }
    ends sp = {0};
    read_space(r, at, &sp);
    for (size_t i = 0; i < sp.n; i++) read_text(r, "}", 1, sp.v[i], out);
}

/* ---- values ---- */

static void read_type(reader *r, const json_t *s, const char *t, size_t at, ends *out) {
    const json_t *k;
    if (strcmp(t, "null") == 0) read_text(r, "null", 4, at, out);
    else if (strcmp(t, "boolean") == 0) {
        read_text(r, "true", 4, at, out);
        read_text(r, "false", 5, at, out);
    } else if (strcmp(t, "integer") == 0) read_number(r, s, true, at, out);
    else if (strcmp(t, "number") == 0) read_number(r, s, false, at, out);
    else if (strcmp(t, "string") == 0) {
        if ((k = json_object_get(s, "pattern"))) read_pattern(r, json_string_value(k), at, out);
        else {
            const json_t *min = json_object_get(s, "minLength"), *max = json_object_get(s, "maxLength");
            read_string(r, min ? (size_t)json_integer_value(min) : 0, max ? (size_t)json_integer_value(max) : SIZE_MAX, false, NULL,
                        NULL, NULL, at, out);
        }
    } else if (strcmp(t, "array") == 0) {
        ends e = {0};
        read_text(r, "[", 1, at, &e);
        for (size_t i = 0; i < e.n; i++) read_elements(r, s, 0, e.v[i], out);
    } else {
        ends e = {0};
        read_text(r, "{", 1, at, &e);
        json_t *props = json_object_get(s, "properties");
        for (size_t i = 0; i < e.n; i++) read_members(r, s, props ? json_object_iter(props) : NULL, false, NULL, e.v[i], out);
    }
}

/* allOf of the tests: objects whose properties do not overlap. */
static json_t *joined(const json_t *s) {
    json_t *o = json_pack("{s:s,s:{},s:[]}", "type", "object", "properties", "required"), *w;
    size_t i;
    json_array_foreach(json_object_get(s, "allOf"), i, w) {
        json_object_update(json_object_get(o, "properties"), json_object_get(w, "properties"));
        if (json_object_get(w, "required")) json_array_extend(json_object_get(o, "required"), json_object_get(w, "required"));
    }
    return o;
}

static void read_value(reader *r, const json_t *s, size_t at, ends *out) {
    static const char *const all[] = {"null", "boolean", "number", "string", "array", "object"};
    const json_t *k;
    json_t *w;
    size_t i;
    CHECK(at <= r->n);
    if (json_is_false(s)) return;
    if ((k = json_object_get(s, "$ref"))) {
        read_value(r, oracle_ref(r->root, json_string_value(k)), at, out);
        return;
    }
    if (json_object_get(s, "allOf")) {
        json_t *o = joined(s);
        read_type(r, o, "object", at, out);
        json_decref(o);
        return;
    }
    if (!(k = json_object_get(s, "anyOf"))) k = json_object_get(s, "oneOf");
    if (k) {
        json_array_foreach((json_t *)k, i, w) read_value(r, w, at, out);
        return;
    }
    json_t *one = json_object_get(s, "const"), *list = json_object_get(s, "enum");
    if (one || list) {
        for (i = 0; i < (one ? 1 : json_array_size(list)); i++) {
            glim_buf b = {0};
            oracle_literal(&b, one ? one : json_array_get(list, i));
            read_text(r, b.s, b.len, at, out);
            glim_buf_free(&b);
        }
        return;
    }
    k = json_object_get(s, "type");
    if (json_is_string(k)) read_type(r, s, json_string_value(k), at, out);
    else if (k) json_array_foreach((json_t *)k, i, w) read_type(r, s, json_string_value(w), at, out);
    else
        for (i = 0; i < GLIM_COUNT(all); i++) read_type(r, s, all[i], at, out);
}

/* Whether text can be continued to an answer, or is one: *complete. */
static inline bool viable(const json_t *schema, const char *text, size_t n, bool *complete) {
    reader r = {.s = text, .n = n, .root = schema};
    ends start = {0}, out = {0};
    read_space(&r, 0, &start);
    for (size_t i = 0; i < start.n; i++) read_value(&r, schema, start.v[i], &out);
    *complete = false;
    for (size_t i = 0; i < out.n; i++) *complete |= out.v[i] == n;
    return r.more || *complete;
}

#endif
