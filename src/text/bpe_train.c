/* bpe_train.c - pieces, their counts, and the merges. See bpe_train.h.
 *
 * Owns       words: each different piece once, as symbols, with its count. pairs: how often two symbols stand side by
 *            side. queue: candidates with the count they had when they were put there and the words to look into.
 * Invariant  pairs[p] is the count of p over all words, but for a pair that was just merged: what is left of its count
 *            is never looked at again unless the pair arises anew.
 * Surprise   a text can arise twice ("ab"+"c", "a"+"bc"): the second pair then merges to the token that is there. Such
 *            a pair can be queued again while an older entry still waits; both are merged when their turn comes, and
 *            the later place is the pair's rank. Hugging Face's trainer does the same. */
#include "text/bpe_train.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "text/tok_internal.h"
#include "text/tok_write.h"

typedef struct word {
    size_t off; /* symbols: in t->sym; while counting: bytes in t->pool */
    uint32_t n;
    uint64_t count;
} word;

typedef struct pair_slot {
    uint64_t key; /* left << 32 | right, plus 1; 0: free */
    int64_t count;
    uint32_t stamp, pending; /* the entry that this merge collects for the pair, if stamp is its number */
} pair_slot;

typedef struct entry {
    uint64_t pair;
    int64_t count;
    uint32_t *pos; /* words, each once */
    uint32_t n, cap;
} entry;

typedef struct merge {
    uint32_t left, right, made;
} merge;

struct glim_bpe_trainer {
    glim_bpe_train_params p;
    char **special;
    size_t n_special;
    glim_split *split;
    glim_split_run *run;
    char *pattern;

    char *pool; /* bytes of the different pieces, later of nothing */
    size_t pool_len, pool_cap;
    word *words;
    size_t n_words, cap_words;
    uint32_t *table; /* piece -> word index + 1 */
    size_t table_mask;
    uint64_t bytes;

    uint32_t *sym;
    pair_slot *pairs;
    size_t pairs_mask, n_pairs;
    entry *heap;
    size_t n_heap, cap_heap;
    entry *pending;
    size_t n_pending, cap_pending;

    char *text; /* bytes of all tokens, one after the other */
    size_t text_len, text_cap;
    size_t *text_off; /* [n_tokens + 1] */
    size_t n_tokens, cap_tokens;
    uint32_t *by_text; /* bytes -> token + 1 */
    size_t by_text_mask;
    merge *merges;
    size_t n_merges, cap_merges;
    bool done;
};

/* Room for one more in a growing array. */
#define ROOM(array, n, cap, what, err) ((n) < (cap) ? GLIM_OK : glim_try_grow(&(array), &(cap), 64, sizeof *(array), (what), (err)))

static uint64_t hash_bytes(const char *s, size_t n) {
    uint64_t h = 0x9e3779b97f4a7c15u ^ n;
    for (; n >= 8; s += 8, n -= 8) {
        uint64_t v;
        memcpy(&v, s, 8);
        h = (h ^ v) * 0xff51afd7ed558ccdu;
        h ^= h >> 32;
    }
    for (size_t i = 0; i < n; i++) h = (h ^ (unsigned char)s[i]) * 0x100000001b3u;
    h *= 0xc4ceb9fe1a85ec53u;
    return h ^ h >> 29;
}

/* ---- the byte alphabet ---- */

static bool shows_itself(unsigned b) { return (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174; }

/* Bytes in the order of their characters: those that show themselves, then the others from U+0100 on. */
static void alphabet(unsigned char order[256], uint32_t code[256]) {
    size_t n = 0;
    uint32_t next = 256;
    for (unsigned b = 0; b < 256; b++)
        if (shows_itself(b)) order[n++] = (unsigned char)b, code[b] = b;
    for (unsigned b = 0; b < 256; b++)
        if (!shows_itself(b)) order[n++] = (unsigned char)b, code[b] = next++;
}

/* ---- new, free ---- */

static const char *const glm_special[] = {
    "<|endoftext|>", "[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>", "<|system|>", "<|user|>", "<|assistant|>",
    "<|observation|>", "<|begin_of_image|>", "<|end_of_image|>", "<|begin_of_video|>", "<|end_of_video|>"};

void glim_bpe_trainer_free(glim_bpe_trainer *t) {
    if (!t) return;
    for (size_t i = 0; i < t->n_special; i++) free(t->special[i]);
    free(t->special);
    free(t->pattern);
    glim_split_run_free(t->run);
    glim_split_free(t->split);
    free(t->pool);
    free(t->words);
    free(t->table);
    free(t->sym);
    free(t->pairs);
    for (size_t i = 0; i < t->n_heap; i++) free(t->heap[i].pos);
    for (size_t i = 0; i < t->n_pending; i++) free(t->pending[i].pos);
    free(t->heap);
    free(t->pending);
    free(t->text);
    free(t->text_off);
    free(t->by_text);
    free(t->merges);
    free(t);
}

static glim_status take_special(glim_bpe_trainer *t, const glim_bpe_train_params *p, glim_err *err) {
    const char *const *list = p->special ? p->special : glm_special;
    size_t n = p->special ? p->n_special : GLIM_COUNT(glm_special);
    t->special = glim_xcalloc(n + 1, sizeof *t->special);
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(list[i]);
        if (len == 0 || len > GLIM_ADDED_MAX_BYTES || !glim_utf8_valid(list[i], len))
            return glim_fail(err, GLIM_E_ARG, "special token %zu: want 1 to %d bytes of UTF-8", i + 1, GLIM_ADDED_MAX_BYTES);
        for (size_t k = 0; k < i; k++)
            if (strcmp(list[k], list[i]) == 0) return glim_fail(err, GLIM_E_ARG, "special token \"%s\" is given twice", list[i]);
        t->special[t->n_special++] = glim_xstrdup(list[i]);
    }
    return GLIM_OK;
}

glim_status glim_bpe_trainer_new(glim_bpe_trainer **out, const glim_bpe_train_params *p, glim_err *err) {
    *out = NULL;
    glim_bpe_trainer *t = glim_xcalloc(1, sizeof *t);
    t->p = *p;
    if (t->p.min_count == 0) t->p.min_count = 2;
    t->pattern = glim_xstrdup(p->pattern ? p->pattern : GLIM_TOK_RE_GLM);
    glim_status rc = take_special(t, p, err);
    if (rc == GLIM_OK && p->n_vocab < 256 + t->n_special)
        rc = glim_fail(err, GLIM_E_ARG, "a vocabulary of %zu: want at least %zu, for the 256 bytes and %zu special tokens", p->n_vocab,
                       256 + t->n_special, t->n_special);
    if (rc == GLIM_OK && p->n_vocab > GLIM_BPE_MAX_IDS)
        rc = glim_fail(err, GLIM_E_ARG, "a vocabulary of %zu: want at most %d", p->n_vocab, GLIM_BPE_MAX_IDS);
    t->split = glim_split_new();
    if (rc == GLIM_OK) rc = glim_split_add_regex(t->split, t->pattern, strlen(t->pattern), false, err);
    void *m = NULL;
    if (rc == GLIM_OK) rc = glim_try_calloc(&m, 1 << 16, sizeof *t->table, "a table of pieces", err);
    t->table = m;
    t->table_mask = (1 << 16) - 1;
    if (rc != GLIM_OK) {
        glim_bpe_trainer_free(t);
        return rc;
    }
    *out = t;
    return GLIM_OK;
}

/* ---- counting ---- */

static glim_status grow_table(glim_bpe_trainer *t, glim_err *err) {
    void *m;
    size_t mask = 4 * (t->table_mask + 1) - 1;
    glim_status rc = glim_try_calloc(&m, mask + 1, sizeof *t->table, "a table of pieces", err);
    if (rc != GLIM_OK) return rc;
    uint32_t *table = m;
    for (size_t i = 0; i < t->n_words; i++) {
        size_t at = hash_bytes(t->pool + t->words[i].off, t->words[i].n) & mask;
        while (table[at]) at = (at + 1) & mask;
        table[at] = (uint32_t)i + 1;
    }
    free(t->table);
    t->table = table;
    t->table_mask = mask;
    return GLIM_OK;
}

static glim_status count_piece(glim_bpe_trainer *t, const char *s, size_t n, glim_err *err) {
    size_t at = hash_bytes(s, n) & t->table_mask;
    for (; t->table[at]; at = (at + 1) & t->table_mask) {
        word *w = &t->words[t->table[at] - 1];
        if (w->n == n && memcmp(t->pool + w->off, s, n) == 0) {
            w->count++;
            return GLIM_OK;
        }
    }
    if (t->n_words == UINT32_MAX - 1) return glim_fail(err, GLIM_E_LIMIT, "more than %u different pieces", UINT32_MAX - 1);
    glim_status rc = ROOM(t->words, t->n_words, t->cap_words, "the pieces of a corpus", err);
    while (rc == GLIM_OK && t->pool_cap - t->pool_len < n) {
        rc = glim_try_grow(&t->pool, &t->pool_cap, 1 << 16, 1, "the pieces of a corpus", err);
    }
    if (rc != GLIM_OK) return rc;
    memcpy(t->pool + t->pool_len, s, n);
    t->words[t->n_words++] = (word){t->pool_len, (uint32_t)n, 1};
    t->pool_len += n;
    t->table[at] = (uint32_t)t->n_words;
    return t->n_words > t->table_mask / 2 ? grow_table(t, err) : GLIM_OK;
}

static glim_status on_piece(void *ctx, const char *s, size_t n, glim_err *err) {
    while (n > GLIM_BPE_TRAIN_PIECE) {
        size_t k = GLIM_BPE_TRAIN_PIECE;
        while (k > GLIM_BPE_TRAIN_PIECE - 4 && ((unsigned char)s[k] & 0xc0) == 0x80) k--;
        glim_status rc = count_piece(ctx, s, k, err);
        if (rc != GLIM_OK) return rc;
        s += k;
        n -= k;
    }
    return n ? count_piece(ctx, s, n, err) : GLIM_OK;
}

glim_status glim_bpe_trainer_feed(glim_bpe_trainer *t, const char *text, size_t len, glim_err *err) {
    if (t->sym || t->done) return glim_fail(err, GLIM_E_STATE, "the merges are learnt already");
    t->bytes += len;
    for (size_t at = 0; at < len;) {
        size_t a = at;
        uint32_t cp;
        while (at < len) { /* a run of whole characters */
            int k = glim_utf8_next(text + at, len - at, &cp);
            if (k <= 0) break;
            at += (size_t)k;
        }
        glim_status rc = at > a ? glim_split_text(t->split, &t->run, text + a, at - a, on_piece, t, err) : GLIM_OK;
        if (rc == GLIM_OK && at < len) rc = count_piece(t, text + at++, 1, err);
        if (rc != GLIM_OK) return rc;
    }
    return GLIM_OK;
}

size_t glim_bpe_train_cut(const char *text, size_t len) {
    for (size_t at = len; at > 1; at--) {
        uint32_t cp;
        if (text[at - 2] != '\n') continue;
        if (glim_utf8_next(text + at - 1, len - (at - 1), &cp) > 0 && !glim_tok_is_space(cp)) return at - 1;
    }
    return 0;
}

/* ---- tokens ---- */

static size_t token_len(const glim_bpe_trainer *t, uint32_t id) { return t->text_off[id + 1] - t->text_off[id]; }

static size_t find_text(const glim_bpe_trainer *t, const char *s, size_t n) {
    size_t at = hash_bytes(s, n) & t->by_text_mask;
    for (; t->by_text[at]; at = (at + 1) & t->by_text_mask) {
        uint32_t id = t->by_text[at] - 1;
        if (token_len(t, id) == n && memcmp(t->text + t->text_off[id], s, n) == 0) break;
    }
    return at;
}

/* The token of these bytes, made if it is not there. */
static glim_status intern(glim_bpe_trainer *t, const char *s, size_t n, uint32_t *id, glim_err *err) {
    size_t at = find_text(t, s, n);
    if (t->by_text[at]) {
        *id = t->by_text[at] - 1;
        return GLIM_OK;
    }
    while (t->text_cap - t->text_len < n) {
        glim_status rc = glim_try_grow(&t->text, &t->text_cap, 4096, 1, "a vocabulary", err);
        if (rc != GLIM_OK) return rc;
    }
    memcpy(t->text + t->text_len, s, n);
    t->text_len += n;
    *id = (uint32_t)t->n_tokens++;
    t->text_off[t->n_tokens] = t->text_len;
    t->by_text[at] = *id + 1;
    return GLIM_OK;
}

static glim_status begin_tokens(glim_bpe_trainer *t, glim_err *err) {
    size_t want = t->p.n_vocab + 1, mask = 1;
    void *m = NULL;
    while (mask < 2 * want) mask *= 2;
    glim_status rc = glim_try_calloc(&m, want + 1, sizeof *t->text_off, "a vocabulary", err);
    t->text_off = m;
    m = NULL;
    if (rc == GLIM_OK) rc = glim_try_calloc(&m, mask, sizeof *t->by_text, "a vocabulary", err);
    t->by_text = m;
    t->by_text_mask = mask - 1;
    unsigned char order[256];
    uint32_t code[256], id;
    alphabet(order, code);
    for (size_t i = 0; i < 256 && rc == GLIM_OK; i++) rc = intern(t, (const char *)&order[i], 1, &id, err);
    return rc;
}

/* ---- pairs and the queue ---- */

static glim_status grow_pairs(glim_bpe_trainer *t, glim_err *err) {
    void *m;
    size_t mask = t->pairs ? 2 * (t->pairs_mask + 1) - 1 : (1 << 16) - 1;
    glim_status rc = glim_try_calloc(&m, mask + 1, sizeof *t->pairs, "the pairs of a corpus", err);
    if (rc != GLIM_OK) return rc;
    pair_slot *slots = m;
    for (size_t i = 0; t->pairs && i <= t->pairs_mask; i++) {
        if (!t->pairs[i].key) continue;
        size_t at = (t->pairs[i].key * 0x9e3779b97f4a7c15u >> 20) & mask;
        while (slots[at].key) at = (at + 1) & mask;
        slots[at] = t->pairs[i];
    }
    free(t->pairs);
    t->pairs = slots;
    t->pairs_mask = mask;
    return GLIM_OK;
}

static pair_slot *pair_at(glim_bpe_trainer *t, uint64_t pair, glim_err *err) {
    if ((!t->pairs || t->n_pairs > t->pairs_mask / 2) && grow_pairs(t, err) != GLIM_OK) return NULL;
    uint64_t key = pair + 1;
    size_t at = (key * 0x9e3779b97f4a7c15u >> 20) & t->pairs_mask;
    for (; t->pairs[at].key; at = (at + 1) & t->pairs_mask)
        if (t->pairs[at].key == key) return &t->pairs[at];
    t->pairs[at].key = key;
    t->n_pairs++;
    return &t->pairs[at];
}

static uint64_t pair_of(uint32_t left, uint32_t right) { return (uint64_t)left << 32 | right; }

static bool before(const entry *a, const entry *b) { return a->count != b->count ? a->count > b->count : a->pair < b->pair; }

static void sift_down(glim_bpe_trainer *t, size_t i) {
    entry e = t->heap[i];
    for (;;) {
        size_t c = 2 * i + 1;
        if (c >= t->n_heap) break;
        if (c + 1 < t->n_heap && before(&t->heap[c + 1], &t->heap[c])) c++;
        if (!before(&t->heap[c], &e)) break;
        t->heap[i] = t->heap[c];
        i = c;
    }
    t->heap[i] = e;
}

static glim_status heap_push(glim_bpe_trainer *t, entry e, glim_err *err) {
    glim_status rc = ROOM(t->heap, t->n_heap, t->cap_heap, "a queue of pairs", err);
    if (rc != GLIM_OK) return rc;
    size_t i = t->n_heap++;
    while (i && before(&e, &t->heap[(i - 1) / 2])) {
        t->heap[i] = t->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    t->heap[i] = e;
    return GLIM_OK;
}

static entry heap_pop(glim_bpe_trainer *t) {
    entry e = t->heap[0];
    t->heap[0] = t->heap[--t->n_heap];
    if (t->n_heap) sift_down(t, 0);
    return e;
}

/* count is added to the pair's; if it is positive, word w is one to look into. */
static glim_status change(glim_bpe_trainer *t, uint64_t pair, int64_t count, uint32_t w, uint32_t stamp, glim_err *err) {
    pair_slot *s = pair_at(t, pair, err);
    if (!s) return GLIM_E_NOMEM;
    s->count += count;
    if (count <= 0) return GLIM_OK;
    glim_status rc;
    if (s->stamp != stamp) {
        rc = ROOM(t->pending, t->n_pending, t->cap_pending, "a queue of pairs", err);
        if (rc != GLIM_OK) return rc;
        s->stamp = stamp;
        s->pending = (uint32_t)t->n_pending;
        t->pending[t->n_pending++] = (entry){.pair = pair};
    }
    entry *e = &t->pending[s->pending];
    if (e->n && e->pos[e->n - 1] == w) return GLIM_OK;
    if (e->n == e->cap) {
        void *m = e->pos;
        uint32_t cap = e->cap ? 2 * e->cap : 4;
        rc = glim_try_realloc(&m, cap, sizeof *e->pos, "the places of a pair", err);
        if (rc != GLIM_OK) return rc;
        e->pos = m;
        e->cap = cap;
    }
    e->pos[e->n++] = w;
    return GLIM_OK;
}

/* What was collected goes into the queue, with the counts as they are now. */
static glim_status queue_pending(glim_bpe_trainer *t, glim_err *err) {
    glim_status rc = GLIM_OK;
    for (size_t i = 0; i < t->n_pending; i++) {
        entry e = t->pending[i];
        pair_slot *s = pair_at(t, e.pair, err);
        e.count = s ? s->count : 0;
        if (rc == GLIM_OK && e.count > 0) rc = heap_push(t, e, err);
        if (rc != GLIM_OK || e.count <= 0) free(e.pos);
    }
    t->n_pending = 0;
    return rc;
}

/* ---- merging ---- */

static glim_status merge_word(glim_bpe_trainer *t, uint32_t wi, uint32_t left, uint32_t right, uint32_t made, uint32_t stamp, glim_err *err) {
    word *w = &t->words[wi];
    uint32_t *s = t->sym + w->off, n = w->n, to = 0;
    int64_t c = (int64_t)w->count;
    glim_status rc = GLIM_OK;
    /* s[0, to) is the new word so far, s[i, n) what is left of the old one. */
    for (uint32_t i = 0; i < n && rc == GLIM_OK; to++) {
        if (s[i] != left || i + 1 == n || s[i + 1] != right) {
            s[to] = s[i++];
            continue;
        }
        if (to) {
            rc = change(t, pair_of(s[to - 1], left), -c, wi, stamp, err);
            if (rc == GLIM_OK) rc = change(t, pair_of(s[to - 1], made), c, wi, stamp, err);
        }
        if (rc == GLIM_OK && i + 2 < n) {
            rc = change(t, pair_of(right, s[i + 2]), -c, wi, stamp, err);
            if (rc == GLIM_OK) rc = change(t, pair_of(made, s[i + 2]), c, wi, stamp, err);
        }
        s[to] = made;
        i += 2;
    }
    w->n = to;
    return rc;
}

static glim_status words_to_symbols(glim_bpe_trainer *t, glim_err *err) {
    void *m;
    glim_status rc = glim_try_calloc(&m, t->pool_len, sizeof *t->sym, "the symbols of a corpus", err);
    if (rc != GLIM_OK) return rc;
    t->sym = m;
    unsigned char order[256];
    uint32_t code[256], id_of[256];
    alphabet(order, code);
    for (uint32_t i = 0; i < 256; i++) id_of[order[i]] = i;
    for (size_t i = 0; i < t->pool_len; i++) t->sym[i] = id_of[(unsigned char)t->pool[i]];
    free(t->pool);
    t->pool = NULL;
    free(t->table);
    t->table = NULL;
    for (size_t i = 0; i < t->n_words && rc == GLIM_OK; i++) {
        const word *w = &t->words[i];
        for (uint32_t k = 0; k + 1 < w->n && rc == GLIM_OK; k++)
            rc = change(t, pair_of(t->sym[w->off + k], t->sym[w->off + k + 1]), (int64_t)w->count, (uint32_t)i, 1, err);
    }
    return rc == GLIM_OK ? queue_pending(t, err) : rc;
}

static glim_status merge_next(glim_bpe_trainer *t, const entry *e, uint32_t stamp, glim_err *err) {
    uint32_t left = (uint32_t)(e->pair >> 32), right = (uint32_t)e->pair, made;
    size_t nl = token_len(t, left), nr = token_len(t, right);
    glim_buf b = {0};
    glim_buf_append(&b, t->text + t->text_off[left], nl);
    glim_buf_append(&b, t->text + t->text_off[right], nr);
    glim_status rc = glim_buf_status(&b, "a token", err);
    if (rc == GLIM_OK) rc = intern(t, b.s, b.len, &made, err);
    glim_buf_free(&b);
    if (rc == GLIM_OK) rc = ROOM(t->merges, t->n_merges, t->cap_merges, "the merges", err);
    if (rc != GLIM_OK) return rc;
    t->merges[t->n_merges++] = (merge){left, right, made};
    for (uint32_t i = 0; i < e->n && rc == GLIM_OK; i++) rc = merge_word(t, e->pos[i], left, right, made, stamp, err);
    return rc == GLIM_OK ? queue_pending(t, err) : rc;
}

/* A pair that was merged twice keeps its later place. */
static glim_status drop_earlier(glim_bpe_trainer *t, glim_err *err) {
    for (size_t i = 0; i <= t->pairs_mask && t->pairs; i++) t->pairs[i].pending = 0;
    for (size_t i = 0; i < t->n_merges; i++) {
        pair_slot *s = pair_at(t, pair_of(t->merges[i].left, t->merges[i].right), err);
        if (!s) return GLIM_E_NOMEM;
        s->pending = (uint32_t)i;
    }
    size_t n = 0;
    for (size_t i = 0; i < t->n_merges; i++) {
        pair_slot *s = pair_at(t, pair_of(t->merges[i].left, t->merges[i].right), err);
        if (s && s->pending == i) t->merges[n++] = t->merges[i];
    }
    t->n_merges = n;
    return GLIM_OK;
}

glim_status glim_bpe_trainer_run(glim_bpe_trainer *t, glim_err *err) {
    if (t->sym || t->done) return glim_fail(err, GLIM_E_STATE, "the merges are learnt already");
    size_t want = t->p.n_vocab - t->n_special;
    glim_status rc = begin_tokens(t, err);
    if (rc == GLIM_OK) rc = words_to_symbols(t, err);
    uint32_t stamp = 2;
    bool too_rare = false;
    while (rc == GLIM_OK && t->n_tokens < want && t->n_heap && !too_rare) {
        entry e = heap_pop(t);
        pair_slot *s = pair_at(t, e.pair, err);
        if (!s) rc = GLIM_E_NOMEM;
        else if (e.count != s->count) { /* it has become rarer since, or more frequent */
            e.count = s->count;
            rc = heap_push(t, e, err);
            if (rc == GLIM_OK) continue;
        } else if (e.count < 1 || (uint64_t)e.count < t->p.min_count) too_rare = true; /* and so is the rest */
        else {
            rc = merge_next(t, &e, stamp++, err);
            if (rc == GLIM_OK && t->p.progress && (t->n_tokens & 63) == 0 &&
                !t->p.progress(t->p.progress_ctx, t->n_tokens - 256, want - 256))
                rc = glim_fail(err, GLIM_E_CANCELLED, "learning a vocabulary was stopped");
        }
        free(e.pos);
    }
    if (rc == GLIM_OK) rc = drop_earlier(t, err);
    t->done = rc == GLIM_OK;
    return rc;
}

size_t glim_bpe_trainer_n_vocab(const glim_bpe_trainer *t) { return t->n_tokens + t->n_special; }
size_t glim_bpe_trainer_n_merges(const glim_bpe_trainer *t) { return t->n_merges; }
size_t glim_bpe_trainer_n_pieces(const glim_bpe_trainer *t) { return t->n_words; }
uint64_t glim_bpe_trainer_bytes(const glim_bpe_trainer *t) { return t->bytes; }

uint64_t glim_bpe_trainer_tokens(const glim_bpe_trainer *t) {
    uint64_t n = 0;
    for (size_t i = 0; i < t->n_words; i++) n += t->words[i].count * t->words[i].n;
    return n;
}

/* ---- files ---- */

/* A token in the byte alphabet, as a JSON string. */
static void put_token(const glim_bpe_trainer *t, glim_buf *out, uint32_t id, const uint32_t code[256]) {
    glim_buf b = {0};
    for (size_t i = t->text_off[id]; i < t->text_off[id + 1]; i++) {
        char c[4];
        glim_buf_append(&b, c, (size_t)glim_utf8_put(c, code[(unsigned char)t->text[i]]));
    }
    glim_json_put_str(out, glim_buf_cstr(&b), b.len);
    if (b.failed) out->failed = true;
    glim_buf_free(&b);
}

static long special_id(const glim_bpe_trainer *t, const char *text) {
    for (size_t i = 0; i < t->n_special; i++)
        if (strcmp(t->special[i], text) == 0) return (long)(t->n_tokens + i);
    return -1;
}

/* What stands around the vocabulary: `added` has room for the special tokens. GLM's texts begin with [gMASK]<sop>: where both are there, every
 * encoding gets them. */
static glim_tok_write around(const glim_bpe_trainer *t, glim_tok_written *added, glim_tok_written first[2]) {
    const long mask = special_id(t, "[gMASK]"), sop = special_id(t, "<sop>");
    glim_tok_write w = {.added = added, .n_added = t->n_special, .patterns = (const char *const *)&t->pattern, .n_patterns = 1, .first = first};
    for (size_t i = 0; i < t->n_special; i++)
        added[i] = (glim_tok_written){(uint32_t)(t->n_tokens + i), t->special[i], strlen(t->special[i]), true};
    if (mask >= 0 && sop >= 0) {
        w.n_first = 2;
        first[0] = added[(size_t)mask - t->n_tokens], first[1] = added[(size_t)sop - t->n_tokens];
    }
    if (special_id(t, "<|endoftext|>") >= 0) w.eos = w.pad = "<|endoftext|>";
    return w;
}

glim_status glim_bpe_trainer_json(const glim_bpe_trainer *t, glim_buf *out, glim_err *err) {
    if (!t->done) return glim_fail(err, GLIM_E_STATE, "the merges are not learnt yet");
    unsigned char order[256];
    uint32_t code[256];
    glim_tok_written *added = glim_xcalloc(t->n_special + 1, sizeof *added), first[2];
    const glim_tok_write w = around(t, added, first);
    alphabet(order, code);
    glim_tok_write_head(out, &w);
    for (uint32_t id = 0; id < t->n_tokens; id++) {
        glim_buf_puts(out, id ? ",\n      " : "\n      ");
        put_token(t, out, id, code);
        glim_buf_printf(out, ": %u", id);
    }
    glim_tok_write_between(out);
    for (size_t i = 0; i < t->n_merges; i++) {
        glim_buf_puts(out, i ? ",\n      [" : "\n      [");
        put_token(t, out, t->merges[i].left, code);
        glim_buf_puts(out, ", ");
        put_token(t, out, t->merges[i].right, code);
        glim_buf_putc(out, ']');
    }
    glim_tok_write_tail(out);
    free(added);
    return glim_buf_status(out, "tokenizer.json", err);
}

glim_status glim_bpe_trainer_config_json(const glim_bpe_trainer *t, glim_buf *out, glim_err *err) {
    if (!t->done) return glim_fail(err, GLIM_E_STATE, "the merges are not learnt yet");
    glim_tok_written *added = glim_xcalloc(t->n_special + 1, sizeof *added), first[2];
    const glim_tok_write w = around(t, added, first);
    glim_tok_write_config(out, &w);
    free(added);
    return glim_buf_status(out, "tokenizer_config.json", err);
}
