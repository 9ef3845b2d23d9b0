/* terms.c - see terms.h. */
#include "know/terms.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/alloc.h"
#include "base/utf8.h"

bool glim_term_is_cjk(uint32_t c) {
    return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) || (c >= 0x3040 && c <= 0x312f) ||
           (c >= 0xac00 && c <= 0xd7af) || (c >= 0x20000 && c <= 0x323af) || (c >= 0xf900 && c <= 0xfaff) ||
           (c >= 0x31a0 && c <= 0x31ff) || c == 0x3005 || c == 0x3007;
}

/* Latin letters without their marks: who types "Malmo" or "Cien anos" means "Malmö" and "Cien años". */
void glim_terms_plain(glim_buf *out, const char *s, size_t n) {
    for (size_t i = 0; i < n;) {
        uint32_t c;
        int k = glim_utf8_next(s + i, n - i, &c);
        if (k <= 0) k = 1, c = 0;
        utf8proc_int32_t apart[4];
        int last = 0;
        if (c >= 0xe0 && c < 0x250 && utf8proc_decompose_char((utf8proc_int32_t)c, apart, 4, UTF8PROC_DECOMPOSE, &last) > 1 && apart[0] < 0x80) glim_buf_putc(out, (char)apart[0]);
        else glim_buf_append(out, s + i, (size_t)k);
        i += (size_t)k;
    }
}

/* "M6×20" and "800*800" are typed with an x as well. */
static void sizes(glim_buf *b, size_t from) {
    size_t to = from;
    for (size_t i = from; i < b->len; i++) {
        const bool wide = (unsigned char)b->s[i] == 0xc3 && i + 1 < b->len && (unsigned char)b->s[i + 1] == 0x97, sign = wide || b->s[i] == '*';
        const char *next = b->s + i + 1 + wide;
        if (sign && to > from && b->s[to - 1] >= '0' && b->s[to - 1] <= '9' && next < b->s + b->len && *next >= '0' && *next <= '9') {
            b->s[to++] = 'x';
            i += wide;
        } else {
            b->s[to++] = b->s[i];
        }
    }
    b->len = to;
    if (b->s) b->s[to] = 0;
}

static glim_status fold(glim_buf *out, const char *text, size_t len, bool marks, glim_err *err) {
    if (len > GLIM_TERMS_MAX_BYTES)
        return glim_fail(err, GLIM_E_LIMIT, "a text has %zu bytes, want at most %d", len, GLIM_TERMS_MAX_BYTES);
    bool ascii = true;
    for (size_t i = 0; i < len && ascii; i++) ascii = (unsigned char)text[i] < 0x80;
    if (ascii) { /* most queries: folding is lower case */
        size_t at = out->len;
        glim_buf_append(out, text, len);
        if (!out->failed)
            for (size_t i = at; i < out->len; i++)
                if (out->s[i] >= 'A' && out->s[i] <= 'Z') out->s[i] = (char)(out->s[i] + 32);
        if (!out->failed && memchr(out->s + at, '*', len)) sizes(out, at);
        return glim_buf_status(out, "a folded text", err);
    }
    glim_buf clean = {0};
    glim_utf8_sanitize(&clean, text, len);
    for (size_t i = 0; i < clean.len; i++)
        if (clean.s[i] == 0) clean.s[i] = ' ';
    glim_status rc = glim_buf_status(&clean, "a text", err);
    utf8proc_uint8_t *folded = NULL;
    if (rc == GLIM_OK) {
        utf8proc_ssize_t n = utf8proc_map((const utf8proc_uint8_t *)clean.s, (utf8proc_ssize_t)clean.len, &folded,
                                          UTF8PROC_STABLE | UTF8PROC_COMPAT | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD | UTF8PROC_IGNORE);
        if (n < 0) rc = glim_fail(err, GLIM_E_NOMEM, "could not fold a text of %zu bytes: %s", len, utf8proc_errmsg(n));
        else {
            const size_t at = out->len;
            if (marks) glim_buf_append(out, (const char *)folded, (size_t)n);
            else glim_terms_plain(out, (const char *)folded, (size_t)n);
            if (!out->failed) sizes(out, at);
        }
    }
    free(folded);
    glim_buf_free(&clean);
    return rc == GLIM_OK ? glim_buf_status(out, "a folded text", err) : rc;
}

glim_status glim_terms_fold(glim_buf *out, const char *text, size_t len, glim_err *err) { return fold(out, text, len, false, err); }
glim_status glim_terms_fold_marked(glim_buf *out, const char *text, size_t len, glim_err *err) { return fold(out, text, len, true, err); }

static glim_status push(glim_terms *t, glim_term x, glim_err *err) {
    if (t->n == t->cap) {
        glim_status rc = glim_try_grow(&t->v, &t->cap, 64, sizeof *t->v, "terms of a text", err);
        if (rc != GLIM_OK) return rc;
    }
    t->v[t->n++] = x;
    return GLIM_OK;
}

typedef enum kind { SEPARATOR, CJK, WORD, SIGN, APOSTROPHE, JOINER } kind;

static kind kind_of(uint32_t c) {
    if (c < 0x80) {
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) return WORD;
        if (c == '\'') return APOSTROPHE;
        if (c == '-' || c == '_' || c == '.' || c == '/') return JOINER;
        return c == '$' ? SIGN : SEPARATOR;
    }
    if (c == 0x2019 || c == 0x2bc) return APOSTROPHE;
    if (glim_term_is_cjk(c)) return CJK;
    switch (utf8proc_category((utf8proc_int32_t)c)) {
    case UTF8PROC_CATEGORY_LU: case UTF8PROC_CATEGORY_LL: case UTF8PROC_CATEGORY_LT: case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO: case UTF8PROC_CATEGORY_MN: case UTF8PROC_CATEGORY_MC: case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL: case UTF8PROC_CATEGORY_NO: return WORD;
    case UTF8PROC_CATEGORY_SC: return SIGN;
    default: return SEPARATOR;
    }
}

glim_status glim_terms_cut(glim_terms *t, const char *text, size_t len, glim_err *err) {
    glim_buf_clear(&t->text);
    t->n = 0;
    glim_status rc = glim_terms_fold(&t->text, text, len, err);
    size_t n = t->text.len;
    bool apart = true;
    size_t chain = 0;        /* the first term of words joined by one mark each */
    bool in_chain = false;
    for (size_t i = 0; rc == GLIM_OK && i < n;) {
        uint32_t c;
        int k = glim_utf8_next(t->text.s + i, n - i, &c);
        if (k <= 0) {
            i++, apart = true, in_chain = false;
            continue;
        }
        kind what = kind_of(c);
        if (what == CJK || what == SIGN) {
            rc = push(t, (glim_term){.at = (uint32_t)i, .n = (uint32_t)k, .cjk = what == CJK, .apart = apart}, err);
            i += (size_t)k;
            apart = in_chain = false;
            continue;
        }
        if (what != WORD) {
            i += (size_t)k;
            apart = true;
            in_chain = in_chain && what == JOINER; /* one mark only: the next must be a word */
            if (in_chain && i < n) {
                uint32_t c2;
                if (glim_utf8_next(t->text.s + i, n - i, &c2) <= 0 || kind_of(c2) != WORD) in_chain = false;
            }
            continue;
        }
        /* A word; apostrophes are squeezed out in place, which only shortens it. */
        size_t from = i, to = i;
        while (i < n) {
            k = glim_utf8_next(t->text.s + i, n - i, &c);
            if (k <= 0) break;
            kind w = kind_of(c);
            if (w == APOSTROPHE) {
                uint32_t c2 = 0;
                int k2 = i + (size_t)k < n ? glim_utf8_next(t->text.s + i + k, n - i - (size_t)k, &c2) : 0;
                if (k2 <= 0 || kind_of(c2) != WORD) break;
                i += (size_t)k;
                continue;
            }
            if (w != WORD) break;
            if (to != i) memmove(t->text.s + to, t->text.s + i, (size_t)k);
            to += (size_t)k;
            i += (size_t)k;
        }
        if (!in_chain) chain = t->n;
        rc = push(t, (glim_term){.at = (uint32_t)from, .n = (uint32_t)(to - from), .apart = apart && !in_chain}, err);
        apart = false;
        bool goes_on = false;
        if (i + 1 < n) {
            uint32_t c2;
            k = glim_utf8_next(t->text.s + i, n - i, &c);
            if (k > 0 && kind_of(c) == JOINER && glim_utf8_next(t->text.s + i + k, n - i - (size_t)k, &c2) > 0) goes_on = kind_of(c2) == WORD;
        }
        if (in_chain && !goes_on && t->n - chain <= 8) { /* the chain ends here: its parts, then the whole */
            size_t at = t->text.len, last = t->n;
            for (size_t p = chain; rc == GLIM_OK && p < last; p++) {
                glim_buf_reserve(&t->text, t->v[p].n); /* the source may move with the buffer */
                if (!t->text.failed) glim_buf_append(&t->text, t->text.s + t->v[p].at, t->v[p].n);
            }
            if (rc == GLIM_OK) rc = glim_buf_status(&t->text, "a text", err);
            if (rc == GLIM_OK)
                rc = push(t, (glim_term){.at = (uint32_t)at, .n = (uint32_t)(t->text.len - at), .joined = true, .apart = true}, err);
        }
        in_chain = goes_on;
    }
    return rc;
}

void glim_terms_free(glim_terms *t) {
    glim_buf_free(&t->text);
    free(t->v);
    *t = (glim_terms){0};
}
