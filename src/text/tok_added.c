/* tok_added.c - added tokens (<|user|>, [gMASK], <think>) and how they are found in text.
 *
 * They are looked for as Hugging Face does: leftmost first, then longest, without overlap; first those
 * that match the text as it is, then, in what lies between, those that match the normalised text. */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "text/tok_internal.h"

#define NONE UINT32_MAX

struct glim_trie_node {
    uint32_t child, sibling; /* NONE: no more */
    uint32_t index;          /* of the entry that ends here, NONE if none does */
    unsigned char byte;
};

static glim_status node_new(glim_trie *t, unsigned char byte, uint32_t *out, glim_err *err) {
    if (t->n == t->cap) {
        size_t cap = t->cap ? t->cap * 2 : 64;
        void *p = t->node;
        glim_status rc = glim_try_realloc(&p, cap, sizeof *t->node, "added tokens", err);
        if (rc != GLIM_OK) return rc;
        t->node = p;
        t->cap = cap;
    }
    t->node[t->n] = (struct glim_trie_node){NONE, NONE, NONE, byte};
    *out = (uint32_t)t->n++;
    return GLIM_OK;
}

static uint32_t child_of(const glim_trie *t, uint32_t at, unsigned char byte) {
    uint32_t c = t->node[at].child;
    while (c != NONE && t->node[c].byte != byte) c = t->node[c].sibling;
    return c;
}

glim_status glim_trie_add(glim_trie *t, const char *text, size_t len, uint32_t index, glim_err *err) {
    GLIM_ASSERT(len > 0 && len <= GLIM_ADDED_MAX_BYTES);
    uint32_t at = 0;
    glim_status rc;
    if (t->n == 0 && (rc = node_new(t, 0, &at, err)) != GLIM_OK) return rc;
    for (size_t i = 0; i < len; i++) {
        uint32_t c = child_of(t, at, (unsigned char)text[i]);
        if (c == NONE) {
            if ((rc = node_new(t, (unsigned char)text[i], &c, err)) != GLIM_OK) return rc;
            t->node[c].sibling = t->node[at].child;
            t->node[at].child = c;
        }
        at = c;
    }
    t->node[at].index = index;
    t->first[(unsigned char)text[0]] = true;
    return GLIM_OK;
}

size_t glim_trie_match(const glim_trie *t, const char *text, size_t len, uint32_t *index) {
    size_t best = 0;
    if (len == 0 || !t->first[(unsigned char)text[0]]) return 0;
    uint32_t at = 0;
    for (size_t i = 0; i < len; i++) {
        at = child_of(t, at, (unsigned char)text[i]);
        if (at == NONE) break;
        if (t->node[at].index != NONE) {
            best = i + 1;
            *index = t->node[at].index;
        }
    }
    return best;
}

void glim_trie_free(glim_trie *t) {
    free(t->node);
    *t = (glim_trie){0};
}

/* Where the white space that ends at `to` begins, not before `from`. */
static size_t space_before(const char *s, size_t from, size_t to) {
    while (to > from) {
        size_t start = to - 1;
        while (start > from && to - start < 4 && ((unsigned char)s[start] & 0xc0) == 0x80) start--;
        uint32_t cp;
        int n = glim_utf8_next(s + start, to - start, &cp);
        if (n <= 0 || (size_t)n != to - start || !glim_tok_is_space(cp)) break;
        to = start;
    }
    return to;
}

static size_t space_after(const char *s, size_t from, size_t len) {
    uint32_t cp;
    int n;
    while (from < len && (n = glim_utf8_next(s + from, len - from, &cp)) > 0 && glim_tok_is_space(cp))
        from += (size_t)n;
    return from;
}

glim_status glim_added_cut(const glim_trie *t, const glim_added *added, const char *text, size_t len,
                           glim_added_fn fn, void *ctx, glim_err *err) {
    glim_status rc = GLIM_OK;
    size_t done = 0;
    for (size_t i = 0; t->n > 0 && i < len && rc == GLIM_OK;) {
        uint32_t index = 0;
        size_t n = glim_trie_match(t, text + i, len - i, &index);
        if (n == 0) {
            i++;
            continue;
        }
        const glim_added *a = &added[index];
        size_t from = a->lstrip ? space_before(text, done, i) : i, to = i + n;
        if (a->rstrip) to = space_after(text, to, len);
        if (from > done) rc = fn(ctx, text + done, from - done, NULL, err);
        if (rc == GLIM_OK) rc = fn(ctx, text + from, to - from, &index, err);
        done = i = to;
    }
    if (rc == GLIM_OK && done < len) rc = fn(ctx, text + done, len - done, NULL, err);
    return rc;
}
