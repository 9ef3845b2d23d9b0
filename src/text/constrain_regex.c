/* constrain_regex.c - regular expressions of ECMA-262 (the dialect of JSON schema's "pattern") and named formats.
 *
 * Supported: literals, ., classes with ranges and \d \w \s and their opposites, groups of any kind but look-around,
 * |, * + ? {m} {m,} {m,n} (a lazy mark changes nothing: it is the same language), ^ and $, escapes \t \n \v \f \r \0 \xHH
 * \uHHHH \u{...} \cX. Refused by name: look-around, back references, \b \B, \p{...}.
 * A pattern is a search: what it says may stand anywhere unless anchors say otherwise. */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "text/constrain_internal.h"

enum { MAX_NEST = 64, MAX_REPEAT = 100000, MAX_NFA = 400000, MAX_CP = 0x10ffff };

typedef struct range {
    uint32_t lo, hi;
} range;

typedef enum node_kind { EMPTY, CLASS, CAT, ALT, REPEAT, BEGIN, END } node_kind;
typedef struct node {
    node_kind kind;
    struct node *a, *b;
    range *set; /* CLASS: sorted, disjoint */
    size_t n_set;
    uint32_t min, max;
} node;

typedef struct parser {
    const char *s;
    size_t n, at;
    int depth;
    glim_arena arena;
    glim_err *err;
    glim_status rc;
} parser;

static void *bad(parser *p, glim_status rc, const char *what) {
    if (p->rc == GLIM_OK)
        p->rc = glim_fail(p->err, rc, "pattern \"%.*s\": %s at byte %zu", (int)(p->n < 200 ? p->n : 200), p->s, what, p->at);
    return NULL;
}

static node *make(parser *p, node_kind k, node *a, node *b) {
    node *x = glim_arena_alloc(&p->arena, sizeof *x);
    if (!x) return bad(p, GLIM_E_NOMEM, "out of memory");
    *x = (node){.kind = k, .a = a, .b = b};
    return x;
}

/* ---- sets of characters ---- */

typedef struct set {
    range r[512];
    size_t n;
} set;

static bool put(parser *p, set *s, uint32_t lo, uint32_t hi) {
    if (s->n == GLIM_COUNT(s->r)) return bad(p, GLIM_E_LIMIT, "too many ranges in a class"), false;
    s->r[s->n++] = (range){lo, hi};
    return true;
}

static int by_lo(const void *x, const void *y) {
    uint32_t a = ((const range *)x)->lo, b = ((const range *)y)->lo;
    return (a > b) - (a < b);
}

static void tidy(set *s) {
    qsort(s->r, s->n, sizeof *s->r, by_lo);
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (n && s->r[i].lo <= s->r[n - 1].hi + 1) {
            if (s->r[i].hi > s->r[n - 1].hi) s->r[n - 1].hi = s->r[i].hi;
        } else s->r[n++] = s->r[i];
    }
    s->n = n;
}

static bool negate(parser *p, set *s) {
    set t = {.n = 0};
    uint32_t from = 0;
    tidy(s);
    for (size_t i = 0; i < s->n; i++) {
        if (s->r[i].lo > from && !put(p, &t, from, s->r[i].lo - 1)) return false;
        from = s->r[i].hi + 1;
    }
    if (from <= MAX_CP && !put(p, &t, from, MAX_CP)) return false;
    *s = t;
    return true;
}

/* \d \w \s and their opposites, added to s. */
static bool put_shorthand(parser *p, set *s, char c) {
    static const range digit[] = {{'0', '9'}}, word[] = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}},
                       space[] = {{9, 13}, {32, 32}, {0xa0, 0xa0}, {0x1680, 0x1680}, {0x2000, 0x200a},
                                  {0x2028, 0x2029}, {0x202f, 0x202f}, {0x205f, 0x205f}, {0x3000, 0x3000},
                                  {0xfeff, 0xfeff}};
    set t = {.n = 0};
    char low = (char)(c | 32);
    const range *r = low == 'd' ? digit : low == 'w' ? word : space;
    size_t n = low == 'd' ? GLIM_COUNT(digit) : low == 'w' ? GLIM_COUNT(word) : GLIM_COUNT(space);
    memcpy(t.r, r, n * sizeof *r);
    t.n = n;
    if (c != low && !negate(p, &t)) return false;
    for (size_t i = 0; i < t.n; i++)
        if (!put(p, s, t.r[i].lo, t.r[i].hi)) return false;
    return true;
}

static node *class_node(parser *p, set *s) {
    tidy(s);
    node *x = make(p, CLASS, NULL, NULL);
    if (!x) return NULL;
    x->set = glim_arena_alloc(&p->arena, (s->n + 1) * sizeof *x->set);
    if (!x->set) return bad(p, GLIM_E_NOMEM, "out of memory");
    memcpy(x->set, s->r, s->n * sizeof *x->set);
    x->n_set = s->n;
    return x;
}

/* ---- characters ---- */

static bool next_char(parser *p, uint32_t *cp) {
    int n = glim_utf8_next(p->s + p->at, p->n - p->at, cp);
    if (n <= 0) return bad(p, GLIM_E_FORMAT, "broken UTF-8"), false;
    p->at += (size_t)n;
    return true;
}

static bool hex_digits(parser *p, int n, uint32_t *out) {
    uint32_t v = 0;
    for (int i = 0; i < n; i++, p->at++) {
        char c = p->at < p->n ? p->s[p->at] : 0;
        int d = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
        if (d < 0) return bad(p, GLIM_E_FORMAT, "a hexadecimal digit is missing"), false;
        v = v * 16 + (uint32_t)d;
    }
    *out = v;
    return true;
}

/* After \u. */
static bool unicode_escape(parser *p, uint32_t *out) {
    if (p->at < p->n && p->s[p->at] == '{') {
        uint32_t v = 0;
        size_t n = 0;
        for (p->at++; p->at < p->n && p->s[p->at] != '}'; n++) {
            uint32_t d;
            if (!hex_digits(p, 1, &d)) return false;
            v = v * 16 + d;
            if (v > MAX_CP) return bad(p, GLIM_E_FORMAT, "not a character"), false;
        }
        if (p->at++ >= p->n || n == 0) return bad(p, GLIM_E_FORMAT, "an unfinished \\u{...}"), false;
        *out = v;
        return true;
    }
    if (!hex_digits(p, 4, out)) return false;
    if (*out >= 0xd800 && *out < 0xdc00 && p->at + 1 < p->n && p->s[p->at] == '\\' && p->s[p->at + 1] == 'u') {
        uint32_t low;
        p->at += 2;
        if (!hex_digits(p, 4, &low)) return false;
        if (low < 0xdc00 || low > 0xdfff) return bad(p, GLIM_E_FORMAT, "half a surrogate pair"), false;
        *out = 0x10000 + ((*out - 0xd800) << 10) + (low - 0xdc00);
    }
    return true;
}

/* After a backslash: one character into *cp, or a shorthand into s (then *cp is UINT32_MAX). */
static bool escape(parser *p, set *s, bool in_class, uint32_t *cp) {
    if (p->at >= p->n) return bad(p, GLIM_E_FORMAT, "a backslash at the end"), false;
    uint32_t c;
    if (!next_char(p, &c)) return false;
    *cp = UINT32_MAX;
    switch (c) {
    case 'd': case 'D': case 'w': case 'W': case 's': case 'S': return put_shorthand(p, s, (char)c);
    case 't': *cp = '\t'; return true;
    case 'n': *cp = '\n'; return true;
    case 'v': *cp = '\v'; return true;
    case 'f': *cp = '\f'; return true;
    case 'r': *cp = '\r'; return true;
    case 'x': return hex_digits(p, 2, cp);
    case 'u': return unicode_escape(p, cp);
    case 'c':
        if (p->at < p->n && ((p->s[p->at] | 32) >= 'a' && (p->s[p->at] | 32) <= 'z')) {
            *cp = (uint32_t)p->s[p->at++] & 31;
            return true;
        }
        return bad(p, GLIM_E_FORMAT, "\\c without a letter"), false;
    case '0':
        if (p->at < p->n && p->s[p->at] >= '0' && p->s[p->at] <= '9')
            return bad(p, GLIM_E_UNSUPPORTED, "octal escapes are not supported"), false;
        *cp = 0;
        return true;
    case 'b':
        if (in_class) {
            *cp = 8;
            return true;
        }
        return bad(p, GLIM_E_UNSUPPORTED, "word boundaries (\\b) are not supported"), false;
    case 'B': return bad(p, GLIM_E_UNSUPPORTED, "word boundaries (\\B) are not supported"), false;
    case 'p': case 'P': return bad(p, GLIM_E_UNSUPPORTED, "Unicode properties (\\p) are not supported"), false;
    case 'k': return bad(p, GLIM_E_UNSUPPORTED, "back references are not supported"), false;
    default:
        if (c >= '1' && c <= '9') return bad(p, GLIM_E_UNSUPPORTED, "back references are not supported"), false;
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return bad(p, GLIM_E_FORMAT, "an unknown escape"), false;
        *cp = c;
        return true;
    }
}

/* After [. */
static node *parse_class(parser *p) {
    set *s = calloc(1, sizeof *s);
    if (!s) return bad(p, GLIM_E_NOMEM, "out of memory");
    bool not = p->at < p->n && p->s[p->at] == '^', ok = true;
    if (not) p->at++;
    while (ok && p->at < p->n && p->s[p->at] != ']') {
        uint32_t lo, hi;
        ok = next_char(p, &lo) && (lo != '\\' || escape(p, s, true, &lo));
        if (!ok) break;
        bool is_range = p->at + 1 < p->n && p->s[p->at] == '-' && p->s[p->at + 1] != ']';
        if (lo == UINT32_MAX) {
            if (is_range) ok = (bad(p, GLIM_E_FORMAT, "a range that begins with a class"), false);
            continue;
        }
        hi = lo;
        if (is_range) {
            p->at++;
            ok = next_char(p, &hi) && (hi != '\\' || escape(p, s, true, &hi));
            if (ok && (hi == UINT32_MAX || hi < lo)) ok = (bad(p, GLIM_E_FORMAT, "a range that runs backwards"), false);
        }
        ok = ok && put(p, s, lo, hi);
    }
    if (ok && p->at++ >= p->n) ok = (bad(p, GLIM_E_FORMAT, "a [ without its ]"), false);
    if (ok && not) ok = negate(p, s);
    node *x = ok ? class_node(p, s) : NULL;
    free(s);
    return x;
}

/* ---- structure ---- */

static node *parse_alt(parser *p);

static node *parse_atom(parser *p) {
    char c = p->s[p->at];
    set one = {.n = 0};
    uint32_t cp;
    switch (c) {
    case '^': p->at++; return make(p, BEGIN, NULL, NULL);
    case '$': p->at++; return make(p, END, NULL, NULL);
    case '.': {
        p->at++;
        static const range lines[] = {{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};
        memcpy(one.r, lines, sizeof lines);
        one.n = GLIM_COUNT(lines);
        return negate(p, &one) ? class_node(p, &one) : NULL;
    }
    case '[': p->at++; return parse_class(p);
    case '(': {
        p->at++;
        if (p->at + 1 < p->n && p->s[p->at] == '?') {
            char k = p->s[p->at + 1], l = p->at + 2 < p->n ? p->s[p->at + 2] : 0;
            if (k == ':') p->at += 2;
            else if (k == '=' || k == '!' || (k == '<' && (l == '=' || l == '!')))
                return bad(p, GLIM_E_UNSUPPORTED, "look-around is not supported");
            else if (k == '<') {
                const char *gt = memchr(p->s + p->at, '>', p->n - p->at);
                if (!gt) return bad(p, GLIM_E_FORMAT, "a group's name without its >");
                p->at = (size_t)(gt - p->s) + 1;
            } else return bad(p, GLIM_E_UNSUPPORTED, "this kind of group is not supported");
        }
        if (++p->depth > MAX_NEST) return bad(p, GLIM_E_LIMIT, "groups nested too deep");
        node *x = parse_alt(p);
        p->depth--;
        if (!x) return NULL;
        if (p->at >= p->n || p->s[p->at] != ')') return bad(p, GLIM_E_FORMAT, "a ( without its )");
        p->at++;
        return x;
    }
    case '*': case '+': case '?': return bad(p, GLIM_E_FORMAT, "nothing to repeat");
    case '\\':
        p->at++;
        if (!escape(p, &one, false, &cp)) return NULL;
        if (cp != UINT32_MAX && !put(p, &one, cp, cp)) return NULL;
        return class_node(p, &one);
    default:
        if (!next_char(p, &cp) || !put(p, &one, cp, cp)) return NULL;
        return class_node(p, &one);
    }
}

static bool number(parser *p, size_t *at, uint32_t *out) {
    size_t from = *at;
    uint32_t v = 0;
    for (; *at < p->n && p->s[*at] >= '0' && p->s[*at] <= '9'; ++*at)
        if (v <= MAX_REPEAT) v = v * 10 + (uint32_t)(p->s[*at] - '0');
    *out = v;
    return *at > from;
}

/* {m}, {m,}, {m,n} at p->at; anything else is a literal brace. */
static bool parse_braces(parser *p, uint32_t *min, uint32_t *max) {
    size_t at = p->at + 1;
    if (!number(p, &at, min)) return false;
    *max = *min;
    if (at < p->n && p->s[at] == ',') {
        at++;
        *max = GLIM_NO_MAX;
        number(p, &at, max);
        if (p->s[at - 1] == ',') *max = GLIM_NO_MAX;
    }
    if (at >= p->n || p->s[at] != '}') return false;
    p->at = at + 1;
    return true;
}

static node *parse_repeat(parser *p) {
    node *x = parse_atom(p);
    while (x && p->at < p->n) {
        uint32_t min, max = GLIM_NO_MAX;
        char c = p->s[p->at];
        if (c == '*') min = 0, p->at++;
        else if (c == '+') min = 1, p->at++;
        else if (c == '?') min = 0, max = 1, p->at++;
        else if (c != '{' || !parse_braces(p, &min, &max)) break;
        if (p->at < p->n && p->s[p->at] == '?') p->at++; /* lazy: the same language */
        if (x->kind == BEGIN || x->kind == END) return bad(p, GLIM_E_FORMAT, "an anchor cannot be repeated");
        if (max != GLIM_NO_MAX && min > max) return bad(p, GLIM_E_FORMAT, "a count that runs backwards");
        if (min > MAX_REPEAT || (max != GLIM_NO_MAX && max > MAX_REPEAT)) return bad(p, GLIM_E_LIMIT, "too many repetitions");
        if (++p->depth > MAX_NEST) return bad(p, GLIM_E_LIMIT, "repetitions nested too deep");
        node *r = make(p, REPEAT, x, NULL);
        if (!r) return NULL;
        r->min = min;
        r->max = max;
        x = r;
    }
    return x;
}

static node *parse_cat(parser *p) {
    node *x = NULL;
    int depth = p->depth;
    while (p->at < p->n && p->s[p->at] != '|' && p->s[p->at] != ')') {
        node *y = parse_repeat(p);
        p->depth = depth;
        if (!y) return NULL;
        x = x ? make(p, CAT, x, y) : y;
        if (!x) return NULL;
    }
    return x ? x : make(p, EMPTY, NULL, NULL);
}

static node *parse_alt(parser *p) {
    node *x = parse_cat(p);
    while (x && p->at < p->n && p->s[p->at] == '|') {
        p->at++;
        node *y = parse_cat(p);
        x = y ? make(p, ALT, x, y) : NULL;
    }
    return x;
}

/* ---- to an NFA ---- */

static void emit(glim_nfa *a, const node *x, uint32_t from, uint32_t to, glim_spelling sp) {
    if (a->full || a->failed) return;
    switch (x->kind) {
    case EMPTY: glim_nfa_edge_add(a, from, to, GLIM_NFA_EPS, 0, 0); return;
    case BEGIN: glim_nfa_edge_add(a, from, to, GLIM_NFA_BEGIN, 0, 0); return;
    case END: glim_nfa_edge_add(a, from, to, GLIM_NFA_END, 0, 0); return;
    case CLASS:
        for (size_t i = 0; i < x->n_set; i++) glim_nfa_chars(a, from, to, x->set[i].lo, x->set[i].hi, sp);
        return;
    case ALT: {
        /* A chain of alternatives is as deep as it is long: walk its spine. */
        const node *y = x;
        for (; y->kind == ALT; y = y->a) emit(a, y->b, from, to, sp);
        emit(a, y, from, to, sp);
        return;
    }
    case CAT: {
        uint32_t end = to;
        const node *y = x;
        for (; y->kind == CAT; y = y->a) {
            uint32_t mid = glim_nfa_state(a);
            emit(a, y->b, mid, end, sp);
            end = mid;
        }
        emit(a, y, from, end, sp);
        return;
    }
    case REPEAT: {
        uint32_t at = from;
        for (uint32_t i = 0; i < x->min && !a->full; i++) {
            uint32_t u = glim_nfa_state(a);
            emit(a, x->a, at, u, sp);
            at = u;
        }
        if (x->max == GLIM_NO_MAX) {
            /* Its own state, so that what comes before is not repeated with it. */
            uint32_t loop = glim_nfa_state(a), back = glim_nfa_state(a);
            glim_nfa_edge_add(a, at, loop, GLIM_NFA_EPS, 0, 0);
            emit(a, x->a, loop, back, sp);
            glim_nfa_edge_add(a, back, loop, GLIM_NFA_EPS, 0, 0);
            glim_nfa_edge_add(a, loop, to, GLIM_NFA_EPS, 0, 0);
            return;
        }
        for (uint32_t i = x->min; i < x->max && !a->full; i++) {
            uint32_t u = glim_nfa_state(a), v = glim_nfa_state(a);
            glim_nfa_edge_add(a, at, to, GLIM_NFA_EPS, 0, 0);
            glim_nfa_edge_add(a, at, u, GLIM_NFA_EPS, 0, 0);
            emit(a, x->a, u, v, sp);
            at = v;
        }
        glim_nfa_edge_add(a, at, to, GLIM_NFA_EPS, 0, 0);
        return;
    }
    }
}

/* Any characters, min..max of them, `from` to `to`. */
static void emit_any(glim_nfa *a, uint32_t from, uint32_t to, uint32_t min, uint32_t max, glim_spelling sp) {
    range all = {0, MAX_CP};
    node any = {.kind = CLASS, .set = &all, .n_set = 1}, rep = {.kind = REPEAT, .a = &any, .min = min, .max = max};
    emit(a, &rep, from, to, sp);
}

static glim_status pattern_dfa(glim_dfa **out, const char *text, size_t n, glim_spelling sp, glim_con_budget *b,
                               glim_err *err) {
    parser p = {.s = text, .n = n, .err = err};
    glim_nfa a = {.limit = MAX_NFA};
    node *x = parse_alt(&p);
    if (x && p.at < p.n) bad(&p, GLIM_E_FORMAT, "a ) without its (");
    glim_status rc = p.rc;
    if (rc == GLIM_OK) {
        uint32_t start = glim_nfa_state(&a), from = glim_nfa_state(&a), to = glim_nfa_state(&a), final = glim_nfa_state(&a);
        emit_any(&a, start, from, 0, GLIM_NO_MAX, sp);
        emit(&a, x, from, to, sp);
        emit_any(&a, to, final, 0, GLIM_NO_MAX, sp);
        rc = glim_dfa_from_nfa(out, &a, start, final, b, err);
        if (rc != GLIM_OK) glim_err_context(err, "pattern \"%.*s\"", (int)(n < 200 ? n : 200), text);
    }
    glim_nfa_free(&a);
    glim_arena_free(&p.arena);
    return rc;
}

/* ---- formats ---- */

/* What RFC 3339, 4122, 2673, 1123, 5321 and 3986 say, narrowed to what any checker takes: days to 28 in February, no
 * leap seconds, no addresses in brackets. */
#define DATE "(?:[0-9]{3}[1-9]|[0-9]{2}[1-9][0-9]|[0-9][1-9][0-9]{2}|[1-9][0-9]{3})-" \
             "(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
#define TIME "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,6})?(?:Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9])"
#define OCTET "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
#define LABEL "[A-Za-z0-9](?:[A-Za-z0-9-]{0,20}[A-Za-z0-9])?"
#define H16 "[0-9a-fA-F]{1,4}"
static const struct {
    const char *name, *pattern;
} formats[] = {
    {"date", "^" DATE "$"},
    {"time", "^" TIME "$"},
    {"date-time", "^" DATE "T" TIME "$"},
    {"duration", "^P(?:[0-9]{1,6}W|[0-9]{1,6}Y(?:[0-9]{1,6}M(?:[0-9]{1,6}D)?)?(?:T[0-9]{1,6}H(?:[0-9]{1,6}M(?:[0-9]{1,6}S)?)?)?|"
                 "[0-9]{1,6}M(?:[0-9]{1,6}D)?|[0-9]{1,6}D|T(?:[0-9]{1,6}H(?:[0-9]{1,6}M(?:[0-9]{1,6}S)?)?|[0-9]{1,6}M(?:[0-9]{1,6}S)?|"
                 "[0-9]{1,6}S))$"},
    {"email", "^[A-Za-z0-9_+-]{1,32}(?:\\.[A-Za-z0-9_+-]{1,16}){0,2}@" LABEL "(?:\\." LABEL "){0,2}\\.[A-Za-z]{2,12}$"},
    {"hostname", "^" LABEL "(?:\\." LABEL "){0,4}$"},
    {"ipv4", "^" OCTET "(?:\\." OCTET "){3}$"},
    {"ipv6", "^(?:(?:" H16 ":){7}" H16 "|::(?:" H16 "(?::" H16 "){0,5})?|" H16 "::(?:" H16 "(?::" H16 "){0,4})?|"
             "(?:" H16 ":){2}:(?:" H16 "(?::" H16 "){0,3})?)$"},
    {"uuid", "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"},
    {"uri", "^https?://" LABEL "(?:\\." LABEL "){0,4}(?::[1-9][0-9]{0,3})?(?:/(?:[A-Za-z0-9_.~+-]|%[0-9A-F]{2})*)*"
            "(?:\\?[A-Za-z0-9_.~&=+-]*)?(?:#[A-Za-z0-9_.~-]*)?$"},
};

bool glim_format_known(const char *name) {
    for (size_t i = 0; i < GLIM_COUNT(formats); i++)
        if (strcmp(formats[i].name, name) == 0) return true;
    return false;
}

/* ---- strings ---- */

static glim_status length_dfa(glim_dfa **out, uint32_t min, uint32_t max, glim_spelling sp, glim_con_budget *b,
                              glim_err *err) {
    glim_nfa a = {.limit = MAX_NFA};
    uint32_t start = glim_nfa_state(&a), final = glim_nfa_state(&a);
    emit_any(&a, start, final, min, max, sp);
    glim_status rc = glim_dfa_from_nfa(out, &a, start, final, b, err);
    glim_nfa_free(&a);
    return rc;
}

/* *d becomes what both accept; e is used up. */
static glim_status narrow(glim_dfa **d, glim_dfa *e, glim_con_budget *b, glim_err *err) {
    glim_dfa *both = NULL;
    if (!*d) {
        *d = e;
        return GLIM_OK;
    }
    glim_status rc = glim_dfa_product(&both, *d, e, false, b, err);
    glim_dfa_free(*d);
    glim_dfa_free(e);
    *d = both;
    return rc;
}

/* A quote before and after. */
static uint64_t quoted_step(const void *ctx, uint64_t s, uint8_t byte) {
    const glim_dfa *d = ctx;
    if (s == 0) return byte == '"' && d->n ? 2 : UINT64_MAX; /* 0: before, 1: after, 2 + state */
    if (s == 1) return UINT64_MAX;
    if (byte == '"' && d->accept[s - 2] & GLIM_DFA_ACCEPTS) return 1;
    uint32_t to = glim_dfa_step(d, (uint32_t)(s - 2), byte);
    return to == GLIM_DFA_DEAD ? UINT64_MAX : (uint64_t)to + 2;
}
static bool quoted_accepts(const void *ctx, uint64_t s) {
    (void)ctx;
    return s == 1;
}

glim_status glim_dfa_string(glim_dfa **out, const glim_string_rules *r, glim_spelling sp, glim_con_budget *b,
                            glim_err *err) {
    glim_dfa *d = NULL, *e = NULL;
    glim_status rc = GLIM_OK;
    *out = NULL;
    for (size_t i = 0; i < r->n_patterns && rc == GLIM_OK; i++) {
        rc = pattern_dfa(&e, r->patterns[i], r->pattern_lens[i], sp, b, err);
        if (rc == GLIM_OK) rc = narrow(&d, e, b, err);
    }
    for (size_t i = 0; i < r->n_formats && rc == GLIM_OK; i++) {
        const char *pattern = NULL;
        for (size_t k = 0; k < GLIM_COUNT(formats); k++)
            if (strcmp(formats[k].name, r->formats[i]) == 0) pattern = formats[k].pattern;
        if (!pattern) rc = glim_fail(err, GLIM_E_UNSUPPORTED, "format \"%s\" is not supported", r->formats[i]);
        if (rc == GLIM_OK) rc = pattern_dfa(&e, pattern, strlen(pattern), sp, b, err);
        if (rc == GLIM_OK) rc = narrow(&d, e, b, err);
    }
    if (rc == GLIM_OK && (!d || r->min > 0 || r->max != GLIM_NO_MAX)) {
        rc = length_dfa(&e, r->min, r->max, sp, b, err);
        if (rc == GLIM_OK) rc = narrow(&d, e, b, err);
    }
    if (rc == GLIM_OK && sp == GLIM_SPELL_JSON) {
        uint8_t cls[256];
        unsigned n_class = d->n_class;
        memcpy(cls, d->cls, 256);
        cls['"'] = (uint8_t)n_class++; /* no character's spelling holds a bare quote, but \" ends with one */
        if (n_class > 256) n_class = 0;
        glim_dfa_machine m = {.start = 0, .step = quoted_step, .accepts = quoted_accepts, .ctx = d,
                              .cls = n_class ? cls : NULL, .n_class = n_class};
        rc = glim_dfa_explore(out, &m, b, err);
    } else if (rc == GLIM_OK) {
        *out = d;
        return GLIM_OK;
    }
    glim_dfa_free(d);
    return rc;
}

/* ---- raw text ---- */

typedef struct raw {
    const char *stop;
    size_t n;
    uint8_t back[64]; /* the failure function of Knuth, Morris and Pratt */
    bool up_to;
} raw;

/* Bytes of stop that match after one more. */
static size_t match_on(const raw *r, size_t k, uint8_t byte) {
    while (k && (uint8_t)r->stop[k] != byte) k = r->back[k - 1];
    return (uint8_t)r->stop[k] == byte ? k + 1 : k;
}

static raw raw_rules(const char *stop) {
    raw r = {.stop = stop, .n = strlen(stop)};
    GLIM_ASSERT(r.n && r.n < sizeof r.back);
    for (size_t i = 1, k = 0; i < r.n; i++) {
        while (k && stop[i] != stop[k]) k = r.back[k - 1];
        if (stop[i] == stop[k]) k++;
        r.back[i] = (uint8_t)k;
    }
    return r;
}

/* State: bytes of stop that match so far << 8 | place in a character, as in constrain_string.c. */
static uint64_t raw_step(const void *ctx, uint64_t s, uint8_t byte) {
    const raw *r = ctx;
    size_t k = s >> 8;
    unsigned at = s & 255;
    if (at == GLIM_STR_BODY && byte < 0x80) {
        if (byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') return UINT64_MAX;
    } else {
        at = glim_str_tables()->to[GLIM_STR_VALUE][at][byte];
        if (at == GLIM_STR_DEAD) return UINT64_MAX;
    }
    k = match_on(r, k, byte);
    return k == r->n ? UINT64_MAX : (uint64_t)k << 8 | at;
}
static bool raw_accepts(const void *ctx, uint64_t s) {
    (void)ctx;
    return (s & 255) == GLIM_STR_BODY;
}

glim_status glim_dfa_raw_text(glim_dfa **out, const char *stop, glim_con_budget *b, glim_err *err) {
    raw r = raw_rules(stop);
    glim_dfa_machine m = {.start = GLIM_STR_BODY, .step = raw_step, .accepts = raw_accepts, .ctx = &r};
    return glim_dfa_explore(out, &m, b, err);
}

static uint64_t bytes_step(const void *ctx, uint64_t s, uint8_t byte) {
    const raw *r = ctx;
    if (s == r->n) return UINT64_MAX;
    size_t k = match_on(r, s, byte);
    return k == r->n && !r->up_to ? UINT64_MAX : k;
}
static bool bytes_accepts(const void *ctx, uint64_t s) {
    const raw *r = ctx;
    return r->up_to ? s == r->n : true;
}

glim_status glim_dfa_bytes(glim_dfa **out, const char *stop, bool up_to, glim_con_budget *b, glim_err *err) {
    raw r = raw_rules(stop);
    r.up_to = up_to;
    glim_dfa_machine m = {.start = 0, .step = bytes_step, .accepts = bytes_accepts, .ctx = &r};
    glim_status rc = glim_dfa_explore(out, &m, b, err);
    if (rc == GLIM_OK && !up_to) (*out)->exits = (glim_bytes){{0}}; /* control tokens or the end follow, never bytes */
    return rc;
}
