/* intent_feat.c - a text to hashed features.
 *
 * A feature is known by a 64-bit hash of its kind and its characters alone; nothing of the training texts is kept. */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "know/intent_internal.h"

enum { SKIP_REACH = 6, CHARS_MIN = 3, CHARS_MAX = 4, WORD_MAX = 40 };

static uint64_t mix(uint64_t h) { /* the finaliser of splitmix64 */
    h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9u;
    h = (h ^ (h >> 27)) * 0x94d049bb133111ebu;
    return h ^ (h >> 31);
}

static uint64_t hash_bytes(const char *s, size_t n) {
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++) h = (h ^ (unsigned char)s[i]) * 0x100000001b3u;
    return mix(h + n);
}

static glim_status put(glim_feats *f, unsigned kind, uint64_t hash, glim_err *err) {
    if (f->n == f->cap) {
        glim_status rc = glim_try_grow(&f->v, &f->cap, 512, sizeof *f->v, "features of a text", err);
        if (rc != GLIM_OK) return rc;
    }
    f->v[f->n++] = (glim_feat){.key = (mix(hash + kind * 0x9e3779b97f4a7c15u) & ~(uint64_t)3) | kind, .v = 1};
    return GLIM_OK;
}

/* Runs of 3 to 5 characters of one word between two spaces. */
static glim_status put_chars(glim_feats *f, const char *w, size_t n, glim_err *err) {
    size_t at[WORD_MAX + 3], m = 0; /* where each character begins */
    char s[4 * WORD_MAX + 2];
    size_t len = 0;
    s[len] = ' ';
    at[m++] = len++;
    for (size_t i = 0; i < n && m <= WORD_MAX;) {
        uint32_t c;
        int k = glim_utf8_next(w + i, n - i, &c);
        if (k <= 0) break;
        at[m++] = len;
        memcpy(s + len, w + i, (size_t)k);
        len += (size_t)k;
        i += (size_t)k;
    }
    at[m++] = len;
    s[len++] = ' ';
    at[m] = len;
    for (size_t g = CHARS_MIN; g <= CHARS_MAX; g++)
        for (size_t i = 0; i + g <= m; i++) {
            glim_status rc = put(f, GLIM_FEAT_CHARS, hash_bytes(s + at[i], at[i + g] - at[i]), err);
            if (rc != GLIM_OK) return rc;
        }
    return GLIM_OK;
}

static int by_key(const void *a, const void *b) {
    uint64_t x = ((const glim_feat *)a)->key, y = ((const glim_feat *)b)->key;
    return (x > y) - (x < y);
}

glim_status glim_feats_make(glim_feats *f, const char *text, size_t len, glim_err *err) {
    f->n = 0;
    if (len > GLIM_INTENT_MAX_BYTES) len = glim_utf8_whole(text, GLIM_INTENT_MAX_BYTES);
    glim_status rc = glim_terms_cut(&f->terms, text, len, err);
    const glim_term *v = f->terms.v;
    const char *s = f->terms.text.s;
    uint64_t recent[SKIP_REACH + 2] = {0}; /* hashes of the terms before */
    bool cjk[SKIP_REACH + 2] = {0};
    size_t m = 0;
    uint64_t before = mix(1); /* the beginning */
    for (size_t i = 0; rc == GLIM_OK && i < f->terms.n; i++) {
        if (v[i].joined) {
            rc = put(f, GLIM_FEAT_WORD, hash_bytes(s + v[i].at, v[i].n), err);
            continue;
        }
        uint64_t h = hash_bytes(s + v[i].at, v[i].n);
        rc = put(f, GLIM_FEAT_WORD, h, err);
        if (rc == GLIM_OK) rc = put(f, GLIM_FEAT_PAIR, before * 3 + h, err);
        if (rc == GLIM_OK && !v[i].cjk) rc = put_chars(f, s + v[i].at, v[i].n, err);
        if (rc == GLIM_OK && v[i].cjk && m >= 2 && cjk[(m - 1) % (SKIP_REACH + 2)] && cjk[(m - 2) % (SKIP_REACH + 2)])
            rc = put(f, GLIM_FEAT_CHARS, recent[(m - 2) % (SKIP_REACH + 2)] * 9 + before * 3 + h, err);
        for (size_t d = 2; rc == GLIM_OK && d <= SKIP_REACH && d <= m; d++) {
            uint64_t o = recent[(m - d) % (SKIP_REACH + 2)];
            rc = put(f, GLIM_FEAT_SKIP, o < h ? o * 5 + h : h * 5 + o, err);
        }
        recent[m % (SKIP_REACH + 2)] = h;
        cjk[m % (SKIP_REACH + 2)] = v[i].cjk;
        m++;
        before = h;
    }
    if (rc == GLIM_OK && m) rc = put(f, GLIM_FEAT_PAIR, before * 3 + mix(2), err);
    if (rc != GLIM_OK || f->n == 0) return rc;
    qsort(f->v, f->n, sizeof *f->v, by_key);
    size_t out = 0;
    for (size_t i = 1; i < f->n; i++) {
        if (f->v[i].key == f->v[out].key) f->v[out].v += 1;
        else f->v[++out] = f->v[i];
    }
    f->n = out + 1;
    return GLIM_OK;
}

void glim_feats_free(glim_feats *f) {
    glim_terms_free(&f->terms);
    free(f->v);
    *f = (glim_feats){0};
}

/* ---- keys to rows ---- */

uint32_t glim_featmap_find(const glim_featmap *m, uint64_t key) {
    if (m->n_slots == 0) return UINT32_MAX;
    for (size_t i = (key >> 2) & (m->n_slots - 1);; i = (i + 1) & (m->n_slots - 1)) {
        if (m->slot[i] == 0) return UINT32_MAX;
        if (m->key[m->slot[i] - 1] == key) return m->slot[i] - 1;
    }
}

static void link_row(glim_featmap *m, size_t row) {
    size_t i = (m->key[row] >> 2) & (m->n_slots - 1);
    while (m->slot[i]) i = (i + 1) & (m->n_slots - 1);
    m->slot[i] = (uint32_t)row + 1;
}

glim_status glim_featmap_add(glim_featmap *m, uint64_t key, uint32_t *row, glim_err *err) {
    *row = glim_featmap_find(m, key);
    if (*row != UINT32_MAX) return GLIM_OK;
    if (m->n >= UINT32_MAX - 2) return glim_fail(err, GLIM_E_LIMIT, "the examples have more than %u features", UINT32_MAX - 2);
    if (m->n == m->cap) {
        glim_status rc = glim_try_grow(&m->key, &m->cap, 1024, sizeof *m->key, "features", err);
        if (rc != GLIM_OK) return rc;
    }
    if (2 * (m->n + 1) > m->n_slots) {
        size_t n_slots = m->n_slots ? 2 * m->n_slots : 4096;
        void *p;
        glim_status rc = glim_try_calloc(&p, n_slots, sizeof *m->slot, "the table of features", err);
        if (rc != GLIM_OK) return rc;
        free(m->slot);
        m->slot = p;
        m->n_slots = n_slots;
        for (size_t r = 0; r < m->n; r++) link_row(m, r);
    }
    m->key[m->n] = key;
    link_row(m, m->n);
    *row = (uint32_t)m->n++;
    return GLIM_OK;
}

void glim_featmap_free(glim_featmap *m) {
    free(m->key);
    free(m->slot);
    *m = (glim_featmap){0};
}

/* ---- rows ---- */

glim_status glim_rows_push(glim_rows *r, const uint32_t *idx, const float *val, size_t n, glim_err *err) {
    glim_status rc;
    void *p;
    if (r->n + 2 > r->cap) {
        size_t cap = r->cap ? 2 * r->cap : 256;
        p = r->at;
        rc = glim_try_realloc(&p, cap, sizeof *r->at, "rows of features", err);
        if (rc != GLIM_OK) return rc;
        r->at = p;
        r->cap = cap;
        if (r->n == 0) r->at[0] = 0;
    }
    if (r->n_val + n > r->cap_val) {
        size_t cap = r->cap_val ? r->cap_val : 65536;
        while (cap < r->n_val + n) cap *= 2;
        p = r->idx;
        rc = glim_try_realloc(&p, cap, sizeof *r->idx, "rows of features", err);
        if (rc != GLIM_OK) return rc;
        r->idx = p;
        p = r->val;
        rc = glim_try_realloc(&p, cap, sizeof *r->val, "rows of features", err);
        if (rc != GLIM_OK) return rc;
        r->val = p;
        r->cap_val = cap;
    }
    /* A row without a feature may come with null lists, and the first of all finds r's lists null too. */
    if (n) {
        memcpy(r->idx + r->n_val, idx, n * sizeof *idx);
        memcpy(r->val + r->n_val, val, n * sizeof *val);
    }
    r->n_val += n;
    r->at[++r->n] = r->n_val;
    return GLIM_OK;
}

void glim_rows_free(glim_rows *r) {
    free(r->at);
    free(r->idx);
    free(r->val);
    *r = (glim_rows){0};
}
