/* tok_split.c - cuts text into the pieces that are merged one by one, with PCRE2's JIT.
 *
 * The patterns in tokenizer files were written for Oniguruma (Hugging Face) or Rust's regex (tiktoken).
 * Where PCRE2 reads the same text differently the pattern is rewritten, or refused by name:
 *   \s        is Unicode's White_Space there; PCRE2 adds U+180E. Written out as [\p{Z}\t-\r\x{85}].
 *   [a[b]&&c] sets within sets exist in Oniguruma only: refused.
 *   \w \b \h  mean different sets: refused. No published byte-level tokenizer needs them.
 *   ^ $       are per line in Oniguruma: PCRE2_MULTILINE.
 *   \p{L} \p{N} are those of Unicode 16 there; Debian's PCRE2 10.42 knows Unicode 14. What came since
 *             (Chinese extensions H and I among it) is added to both, by comparing every code point
 *             with Hugging Face tokenizers 0.23. Other classes stay PCRE2's. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "text/tok_internal.h"

enum {
    MAX_STEPS = 8,
    MAX_PATTERN = 4096,
    JIT_STACK_START = 32 << 10,
    JIT_STACK_MAX = 64 << 20,
    HEAP_LIMIT_KIB = 64 << 10, /* interpreter only, where the JIT is not to be had */
    MATCH_LIMIT = 20000000     /* steps of one match; white space runs backtrack once a character */
};

typedef struct step {
    pcre2_code *re; /* NULL: the step that puts a space before */
    bool jit;
} step;

struct glim_split {
    step step[MAX_STEPS];
    size_t n;
};

struct glim_split_run {
    pcre2_match_data *md;
    pcre2_match_context *mc;
    pcre2_jit_stack *stack; /* made when the 32 KiB of machine stack do not do */
    const glim_split *s;
    glim_split_fn fn;
    void *ctx;
};

glim_split *glim_split_new(void) { return glim_xcalloc(1, sizeof(glim_split)); }

void glim_split_free(glim_split *s) {
    if (!s) return;
    for (size_t i = 0; i < s->n; i++) pcre2_code_free(s->step[i].re);
    free(s);
}

bool glim_tok_is_space(uint32_t cp) {
    return (cp >= 9 && cp <= 13) || cp == 0x20 || cp == 0x85 || cp == 0xa0 || cp == 0x1680 ||
           (cp >= 0x2000 && cp <= 0x200a) || cp == 0x2028 || cp == 0x2029 || cp == 0x202f ||
           cp == 0x205f || cp == 0x3000;
}

/* ---- patterns --------------------------------------------------------------------------------- */

#define SPACE_SET "\\p{Z}\\t-\\r\\x{85}"
/* Its complement, for \S inside a set. */
#define NOT_SPACE_SET                                                                           \
    "\\x00-\\x08\\x0e-\\x1f!-\\x{84}\\x{86}-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}"        \
    "\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}"              \
    "\\x{3001}-\\x{10ffff}"

/* Letters and numbers of Unicode 15, 15.1 and 16. */
#define NEW_LETTERS                                                                             \
    "\\x{1c89}\\x{1c8a}\\x{a7cb}-\\x{a7cd}\\x{a7da}-\\x{a7dc}\\x{105c0}-\\x{105f3}\\x{10d4a}-\\x{10d65}"      \
    "\\x{10d6f}-\\x{10d85}\\x{10ec2}-\\x{10ec4}\\x{1123f}\\x{11240}\\x{11380}-\\x{11389}\\x{1138b}"            \
    "\\x{1138e}\\x{11390}-\\x{113b5}\\x{113b7}\\x{113d1}\\x{113d3}\\x{11bc0}-\\x{11be0}\\x{11f02}"              \
    "\\x{11f04}-\\x{11f10}\\x{11f12}-\\x{11f33}\\x{1342f}\\x{13441}-\\x{13446}\\x{13460}-\\x{143fa}"            \
    "\\x{16100}-\\x{1611d}\\x{16d40}-\\x{16d6c}\\x{18cff}\\x{1b132}\\x{1b155}\\x{1df25}-\\x{1df2a}"              \
    "\\x{1e030}-\\x{1e06d}\\x{1e4d0}-\\x{1e4eb}\\x{1e5d0}-\\x{1e5ed}\\x{1e5f0}\\x{2b739}"                      \
    "\\x{2ebf0}-\\x{2ee5d}\\x{31350}-\\x{323af}"
#define NEW_NUMBERS                                                                             \
    "\\x{10d40}-\\x{10d49}\\x{116d0}-\\x{116e3}\\x{11bf0}-\\x{11bf9}\\x{11f50}-\\x{11f59}"                    \
    "\\x{16130}-\\x{16139}\\x{16d70}-\\x{16d79}\\x{1ccf0}-\\x{1ccf9}\\x{1d2c0}-\\x{1d2d3}"                    \
    "\\x{1e4f0}-\\x{1e4f9}\\x{1e5f1}-\\x{1e5fa}"

/* At p, after the backslash: "p{L}", "p{N}" or their negation with P outside a set. Writes the class and
 * returns its length, 0 for anything else. */
static size_t put_class(glim_buf *out, const char *p, size_t n, bool in_set) {
    if (n < 4 || p[1] != '{' || (p[2] != 'L' && p[2] != 'N') || p[3] != '}') return 0;
    if (p[0] != 'p' && (p[0] != 'P' || in_set)) return 0;
    const char *open = in_set ? "" : p[0] == 'p' ? "[" : "[^", *close = in_set ? "" : "]";
    glim_buf_printf(out, "%s\\p{%c}%s%s", open, p[2], p[2] == 'L' ? NEW_LETTERS : NEW_NUMBERS, close);
    return 4;
}

/* Rewrites a pattern as the head of this file says. */
static glim_status translate(glim_buf *out, const char *p, size_t n, glim_err *err) {
    bool in_set = false;
    size_t set_start = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)p[i];
        if (c == 0) return glim_fail(err, GLIM_E_UNSUPPORTED, "the pattern holds a NUL");
        if (c == '\\') {
            if (i + 1 == n) return glim_fail(err, GLIM_E_FORMAT, "the pattern ends in a backslash");
            char e = p[++i];
            size_t taken = put_class(out, p + i, n - i, in_set);
            if (taken) i += taken - 1;
            else if (e == 's') glim_buf_puts(out, in_set ? SPACE_SET : "[" SPACE_SET "]");
            else if (e == 'S') glim_buf_puts(out, in_set ? NOT_SPACE_SET : "[^" SPACE_SET "]");
            else if ((e >= 'a' && e <= 'z') || (e >= 'A' && e <= 'Z') || (e >= '0' && e <= '9')) {
                if (!strchr("pPrntdDfvx", e))
                    return glim_fail(err, GLIM_E_UNSUPPORTED, "\"\\%c\" in a pattern is not supported", e);
                if (e == 'v') { /* vertical tab there, any vertical space in PCRE2 */
                    glim_buf_puts(out, "\\x0b");
                    continue;
                }
                glim_buf_putc(out, '\\');
                glim_buf_putc(out, e);
            } else {
                glim_buf_putc(out, '\\');
                glim_buf_putc(out, e);
            }
            continue;
        }
        if (!in_set && c == '[') {
            in_set = true;
            set_start = i + (i + 1 < n && p[i + 1] == '^' ? 2 : 1);
        } else if (in_set && c == ']' && i != set_start) {
            in_set = false;
        } else if (in_set && c == '[') {
            return glim_fail(err, GLIM_E_UNSUPPORTED, "a set inside a set at byte %zu of a pattern is not "
                             "supported", i);
        } else if (in_set && c == '&' && i + 1 < n && p[i + 1] == '&') {
            return glim_fail(err, GLIM_E_UNSUPPORTED, "\"&&\" in a set at byte %zu of a pattern is not "
                             "supported", i);
        }
        if (!in_set && c == '(' && i + 1 < n && p[i + 1] == '*') /* PCRE2's verbs */
            return glim_fail(err, GLIM_E_UNSUPPORTED, "\"(*\" at byte %zu of a pattern is not supported", i);
        glim_buf_putc(out, (char)c);
    }
    return glim_buf_status(out, "a pattern", err);
}

glim_status glim_split_add_regex(glim_split *s, const char *pattern, size_t len, bool literal,
                                 glim_err *err) {
    if (s->n == MAX_STEPS)
        return glim_fail(err, GLIM_E_LIMIT, "more than %d steps cut the text", MAX_STEPS);
    if (len > MAX_PATTERN)
        return glim_fail(err, GLIM_E_LIMIT, "a pattern of %zu bytes, want at most %d", len, MAX_PATTERN);
    glim_buf b = {0};
    glim_status rc;
    uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C;
    if (literal) {
        options = PCRE2_UTF | PCRE2_LITERAL;
        glim_buf_append(&b, pattern, len);
        rc = glim_buf_status(&b, "a pattern", err);
    } else {
        options |= PCRE2_MULTILINE;
        rc = translate(&b, pattern, len, err);
    }
    if (rc == GLIM_OK) {
        int code;
        PCRE2_SIZE at;
        pcre2_code *re = pcre2_compile((PCRE2_SPTR)glim_buf_cstr(&b), b.len, options, &code, &at, NULL);
        if (re) {
            /* Refused where memory may not be made executable: the interpreter then does it. */
            bool jit = pcre2_jit_compile(re, PCRE2_JIT_COMPLETE) == 0;
            s->step[s->n++] = (step){re, jit};
        } else {
            char why[160];
            pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why);
            rc = glim_fail(err, GLIM_E_FORMAT, "the pattern \"%.*s\" does not compile: %s",
                           (int)(len < 200 ? len : 200), pattern, why);
        }
    }
    glim_buf_free(&b);
    return rc;
}

glim_status glim_split_add_space(glim_split *s, glim_err *err) {
    if (s->n == MAX_STEPS)
        return glim_fail(err, GLIM_E_LIMIT, "more than %d steps cut the text", MAX_STEPS);
    s->step[s->n++] = (step){NULL, false};
    return GLIM_OK;
}

/* ---- running ------------------------------------------------------------------------------------ */

void glim_split_run_free(glim_split_run *run) {
    if (!run) return;
    pcre2_match_data_free(run->md);
    pcre2_match_context_free(run->mc);
    pcre2_jit_stack_free(run->stack);
    free(run);
}

static glim_status run_new(glim_split_run **out, glim_err *err) {
    glim_split_run *r = glim_xcalloc(1, sizeof *r);
    r->md = pcre2_match_data_create(1, NULL); /* only the whole match is asked for */
    r->mc = pcre2_match_context_create(NULL);
    if (!r->md || !r->mc) {
        glim_split_run_free(r);
        return glim_fail(err, GLIM_E_NOMEM, "could not allocate memory for matching a pattern");
    }
    pcre2_set_match_limit(r->mc, MATCH_LIMIT);
    pcre2_set_heap_limit(r->mc, HEAP_LIMIT_KIB);
    *out = r;
    return GLIM_OK;
}

static int match(glim_split_run *r, const step *st, const char *s, size_t n, size_t at) {
    for (;;) {
        int rc = st->jit ? pcre2_jit_match(st->re, (PCRE2_SPTR)s, n, at, 0, r->md, r->mc)
                         : pcre2_match(st->re, (PCRE2_SPTR)s, n, at, PCRE2_NO_UTF_CHECK, r->md, r->mc);
        if (rc != PCRE2_ERROR_JIT_STACKLIMIT || r->stack) return rc;
        r->stack = pcre2_jit_stack_create(JIT_STACK_START, JIT_STACK_MAX, NULL);
        if (!r->stack) return PCRE2_ERROR_NOMEMORY;
        pcre2_jit_stack_assign(r->mc, NULL, r->stack);
    }
}

static glim_status cut(glim_split_run *r, size_t k, const char *s, size_t n, glim_err *err);

/* The step that puts a space before a piece. */
static glim_status cut_spaced(glim_split_run *r, size_t k, const char *s, size_t n, glim_err *err) {
    uint32_t cp;
    if (glim_utf8_next(s, n, &cp) > 0 && glim_tok_is_space(cp)) return cut(r, k + 1, s, n, err);
    glim_buf b = {0};
    glim_buf_putc(&b, ' ');
    glim_buf_append(&b, s, n);
    glim_status rc = glim_buf_status(&b, "a piece of text", err);
    if (rc == GLIM_OK) rc = cut(r, k + 1, b.s, b.len, err);
    glim_buf_free(&b);
    return rc;
}

/* Steps k and after on one piece. Recursion is as deep as there are steps. */
static glim_status cut(glim_split_run *r, size_t k, const char *s, size_t n, glim_err *err) {
    if (n == 0) return GLIM_OK;
    if (k == r->s->n) return r->fn(r->ctx, s, n, err);
    const step *st = &r->s->step[k];
    if (!st->re) return cut_spaced(r, k, s, n, err);
    bool last = k + 1 == r->s->n;
    size_t done = 0, at = 0; /* everything before `done` was handed on */
    while (at < n) {
        int rc = match(r, st, s, n, at);
        if (rc == PCRE2_ERROR_NOMATCH) break;
        if (rc < 0) {
            char why[160];
            pcre2_get_error_message(rc, (PCRE2_UCHAR *)why, sizeof why);
            return glim_fail(err, rc == PCRE2_ERROR_NOMEMORY ? GLIM_E_NOMEM : GLIM_E_LIMIT,
                             "cutting text at byte %zu of %zu: %s", at, n, why);
        }
        const PCRE2_SIZE *ov = pcre2_get_ovector_pointer(r->md);
        size_t from = ov[0], to = ov[1];
        if (to == from) { /* an empty match cuts nothing */
            uint32_t cp;
            if (from > at) at = from;
            int c = at < n ? glim_utf8_next(s + at, n - at, &cp) : 1;
            at += c > 0 ? (size_t)c : 1;
            continue;
        }
        glim_status rs = GLIM_OK;
        if (from > done) rs = cut(r, k + 1, s + done, from - done, err);
        if (rs == GLIM_OK)
            rs = last ? r->fn(r->ctx, s + from, to - from, err) : cut(r, k + 1, s + from, to - from, err);
        if (rs != GLIM_OK) return rs;
        done = at = to;
    }
    return done < n ? cut(r, k + 1, s + done, n - done, err) : GLIM_OK;
}

glim_status glim_split_text(const glim_split *s, glim_split_run **run, const char *text, size_t len,
                            glim_split_fn fn, void *ctx, glim_err *err) {
    if (!*run) {
        glim_status rc = run_new(run, err);
        if (rc != GLIM_OK) return rc;
    }
    glim_split_run *r = *run;
    r->s = s;
    r->fn = fn;
    r->ctx = ctx;
    return cut(r, 0, text, len, err);
}
