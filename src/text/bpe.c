/* bpe.c - see bpe.h. Two hash tables, a scan for short pieces, a heap for long ones.
 *
 * Owns       bytes of tokens, bytes -> id, (id, id) -> merge.
 * Leaves     where a text is cut into pieces, and added tokens, to tok.c.
 * Invariant  scan and heap give the same ids: both take the least (rank, position).
 * Surprise   most English pieces are whole tokens. Without whole_first a piece that is a token may be
 *            taken at once only if merging its bytes gives it; that is found out once and remembered. */
#include "text/bpe.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/utf8.h"

struct glim_bpe_slot {
    uint32_t tag; /* upper half of the hash */
    uint32_t id;  /* GLIM_BPE_NONE: empty */
};

struct glim_bpe_pair {
    uint64_t key;  /* left << 32 | right */
    uint32_t rank; /* GLIM_BPE_NONE: empty */
    uint32_t merged;
};

/* ---- hashing ------------------------------------------------------------------------------- */

static inline uint64_t mix(uint64_t a, uint64_t b) {
    __uint128_t m = (__uint128_t)a * b;
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

/* Eight bytes at a time; the last read overlaps what was already read. Not keyed: a table made to
 * collide costs its owner time, not correctness. */
static inline uint64_t hash_bytes(const char *s, size_t n) {
    uint64_t h = 0x9e3779b97f4a7c15u ^ n, w = 0;
    if (n >= 8) {
        size_t i = 0;
        for (; i + 8 < n; i += 8) {
            memcpy(&w, s + i, 8);
            h = mix(h ^ w, 0xd6e8feb86659fd93u);
        }
        memcpy(&w, s + n - 8, 8);
    } else if (n >= 4) {
        uint32_t lo, hi;
        memcpy(&lo, s, 4);
        memcpy(&hi, s + n - 4, 4);
        w = (uint64_t)hi << 32 | lo;
    } else if (n) {
        w = (uint64_t)(unsigned char)s[0] | (uint64_t)(unsigned char)s[n / 2] << 8 |
            (uint64_t)(unsigned char)s[n - 1] << 16;
    }
    return mix(h ^ w, 0xa0761d6478bd642fu);
}

static inline size_t hash_pair(uint64_t key) {
    uint64_t h = key * 0x9e3779b97f4a7c15u;
    return (size_t)(h ^ h >> 32);
}

/* A power of two at least 1.5 times n. */
static size_t table_size(size_t n) {
    size_t size = 16;
    while (size < n + n / 2) size *= 2;
    return size;
}

/* ---- tokens -------------------------------------------------------------------------------- */

glim_status glim_bpe_init(glim_bpe *b, size_t n_ids, glim_err *err) {
    *b = (glim_bpe){0};
    if (n_ids > GLIM_BPE_MAX_IDS)
        return glim_fail(err, GLIM_E_LIMIT, "vocabulary of %zu ids, want at most %d", n_ids,
                         GLIM_BPE_MAX_IDS);
    glim_status rc;
    void *p;
    if ((rc = glim_try_calloc(&p, n_ids, sizeof *b->off, "the vocabulary", err)) != GLIM_OK) return rc;
    b->off = p;
    if ((rc = glim_try_calloc(&p, n_ids, sizeof *b->len, "the vocabulary", err)) != GLIM_OK) return rc;
    b->len = p;
    memset(b->len, 0xff, n_ids * sizeof *b->len);
    if ((rc = glim_try_calloc(&p, n_ids, 1, "the vocabulary", err)) != GLIM_OK) return rc;
    b->plain = p;
    if ((rc = glim_try_calloc(&p, n_ids, 1, "the vocabulary", err)) != GLIM_OK) return rc;
    b->closed = p;
    b->n_ids = n_ids;
    memset(b->byte_id, 0xff, sizeof b->byte_id);
    return GLIM_OK;
}

void glim_bpe_deinit(glim_bpe *b) {
    free(b->pool);
    free(b->off);
    free(b->len);
    free(b->plain);
    free(b->closed);
    free(b->slot);
    free(b->pair);
    *b = (glim_bpe){0};
}

glim_status glim_bpe_add(glim_bpe *b, uint32_t id, const char *bytes, size_t len, bool plain,
                         glim_err *err) {
    GLIM_ASSERT(id < b->n_ids);
    if (b->len[id] != GLIM_BPE_NONE)
        return glim_fail(err, GLIM_E_FORMAT, "token %u is defined twice: \"%.*s\" and \"%.*s\"", id,
                         (int)(b->len[id] < 80 ? b->len[id] : 80), b->pool + b->off[id],
                         (int)(len < 80 ? len : 80), bytes);
    if (len > GLIM_BPE_MAX_BYTES)
        return glim_fail(err, GLIM_E_LIMIT, "token %u is %zu bytes long, want at most %d", id, len,
                         GLIM_BPE_MAX_BYTES);
    if (len > UINT32_MAX - b->pool_len)
        return glim_fail(err, GLIM_E_LIMIT, "the vocabulary's text is over 4 GiB");
    if (b->pool_len + len > b->pool_cap) {
        size_t cap = b->pool_cap ? b->pool_cap * 2 : 1 << 16;
        while (cap < b->pool_len + len) cap *= 2;
        void *p = b->pool;
        glim_status rc = glim_try_realloc(&p, cap, 1, "the vocabulary's text", err);
        if (rc != GLIM_OK) return rc;
        b->pool = p;
        b->pool_cap = cap;
    }
    if (len) memcpy(b->pool + b->pool_len, bytes, len);
    b->off[id] = (uint32_t)b->pool_len;
    b->len[id] = (uint32_t)len;
    b->plain[id] = plain && len > 0;
    b->pool_len += len;
    if (id >= b->n_used) b->n_used = (size_t)id + 1;
    return GLIM_OK;
}

void glim_bpe_set_named(glim_bpe *b, uint32_t id) { b->plain[id] = 0; }

static bool same_bytes(const glim_bpe *b, uint32_t id, const char *bytes, size_t len) {
    return b->len[id] == len && memcmp(b->pool + b->off[id], bytes, len) == 0;
}

glim_status glim_bpe_index(glim_bpe *b, bool last_wins, glim_err *err) {
    size_t n = 0;
    for (size_t i = 0; i < b->n_used; i++) n += b->plain[i];
    size_t size = table_size(n);
    void *p;
    glim_status rc = glim_try_calloc(&p, size, sizeof *b->slot, "the vocabulary's index", err);
    if (rc != GLIM_OK) return rc;
    b->slot = p;
    b->slot_mask = size - 1;
    memset(b->slot, 0xff, size * sizeof *b->slot);
    for (uint32_t id = 0; id < b->n_used; id++) {
        if (!b->plain[id]) continue;
        const char *s = b->pool + b->off[id];
        size_t len = b->len[id];
        uint64_t h = hash_bytes(s, len);
        size_t i = h & b->slot_mask;
        for (; b->slot[i].id != GLIM_BPE_NONE; i = (i + 1) & b->slot_mask) {
            if (b->slot[i].tag != (uint32_t)(h >> 32) || !same_bytes(b, b->slot[i].id, s, len)) continue;
            if (!last_wins)
                return glim_fail(err, GLIM_E_FORMAT, "tokens %u and %u are the same bytes, \"%.*s\"",
                                 b->slot[i].id, id, (int)(len < 80 ? len : 80), s);
            break;
        }
        b->slot[i] = (glim_bpe_slot){(uint32_t)(h >> 32), id};
        if (len == 1) b->byte_id[(unsigned char)*s] = id;
        if (len > b->max_len) b->max_len = len;
    }
    return GLIM_OK;
}

uint32_t glim_bpe_find(const glim_bpe *b, const char *bytes, size_t len) {
    if (len > b->max_len || !b->slot) return GLIM_BPE_NONE;
    uint64_t h = hash_bytes(bytes, len);
    for (size_t i = h & b->slot_mask; b->slot[i].id != GLIM_BPE_NONE; i = (i + 1) & b->slot_mask)
        if (b->slot[i].tag == (uint32_t)(h >> 32) && same_bytes(b, b->slot[i].id, bytes, len))
            return b->slot[i].id;
    return GLIM_BPE_NONE;
}

const char *glim_bpe_bytes(const glim_bpe *b, uint32_t id, size_t *len) {
    if (id >= b->n_used || b->len[id] == GLIM_BPE_NONE) return NULL;
    *len = b->len[id];
    return b->pool ? b->pool + b->off[id] : "";
}

/* ---- merges -------------------------------------------------------------------------------- */

static glim_status pair_table(glim_bpe *b, size_t size, glim_err *err) {
    void *p;
    glim_status rc = glim_try_calloc(&p, size, sizeof *b->pair, "the merges", err);
    if (rc != GLIM_OK) return rc;
    b->pair = p;
    b->pair_mask = size - 1;
    for (size_t i = 0; i < size; i++) b->pair[i].rank = GLIM_BPE_NONE;
    return GLIM_OK;
}

glim_status glim_bpe_merges_begin(glim_bpe *b, size_t n_merges, glim_err *err) {
    if (n_merges > (size_t)1 << 28)
        return glim_fail(err, GLIM_E_LIMIT, "%zu merges, want at most %d", n_merges, 1 << 28);
    b->pair_room = n_merges;
    return pair_table(b, table_size(n_merges), err);
}

void glim_bpe_merge_add(glim_bpe *b, uint32_t left, uint32_t right, uint32_t merged, uint32_t rank) {
    uint64_t key = (uint64_t)left << 32 | right;
    if (!b->plain[merged]) return;
    size_t i = hash_pair(key) & b->pair_mask;
    for (; b->pair[i].rank != GLIM_BPE_NONE; i = (i + 1) & b->pair_mask)
        if (b->pair[i].key == key) return;
    GLIM_ASSERT(b->n_pairs < b->pair_room);
    b->pair[i] = (glim_bpe_pair){key, rank, merged};
    b->n_pairs++;
}

/* The merge of two ids, NULL if there is none. */
static inline const glim_bpe_pair *pair_find(const glim_bpe *b, uint32_t left, uint32_t right) {
    uint64_t key = (uint64_t)left << 32 | right;
    for (size_t i = hash_pair(key) & b->pair_mask;; i = (i + 1) & b->pair_mask) {
        const glim_bpe_pair *p = &b->pair[i];
        if (p->rank == GLIM_BPE_NONE) return NULL;
        if (p->key == key) return p;
    }
}

glim_status glim_bpe_merges_from_ids(glim_bpe *b, glim_err *err) {
    /* The count is not known before the cuts are tried: collect first, then build one table. */
    struct cut {
        uint32_t left, right, merged;
    } *cuts = NULL;
    size_t n = 0, cap = 0;
    glim_status rc = GLIM_OK;
    for (uint32_t id = 0; id < b->n_used && rc == GLIM_OK; id++) {
        if (!b->plain[id]) continue;
        const char *s = b->pool + b->off[id];
        size_t len = b->len[id];
        for (size_t i = 1; i < len; i++) {
            uint32_t left = glim_bpe_find(b, s, i);
            if (left == GLIM_BPE_NONE) continue;
            uint32_t right = glim_bpe_find(b, s + i, len - i);
            if (right == GLIM_BPE_NONE) continue;
            if (n == cap) {
                cap = cap ? cap * 2 : 4096;
                void *p = cuts;
                rc = glim_try_realloc(&p, cap, sizeof *cuts, "the merges", err);
                if (rc != GLIM_OK) break;
                cuts = p;
            }
            cuts[n++] = (struct cut){left, right, id};
        }
    }
    if (rc == GLIM_OK) rc = glim_bpe_merges_begin(b, n, err);
    for (size_t i = 0; i < n && rc == GLIM_OK; i++)
        glim_bpe_merge_add(b, cuts[i].left, cuts[i].right, cuts[i].merged, cuts[i].merged);
    free(cuts);
    return rc;
}

/* ---- short pieces: scan -------------------------------------------------------------------- */

/* Merges n ids in place, n <= GLIM_BPE_SCAN; returns how many are left. */
static size_t merge_scan(const glim_bpe *b, uint32_t *id, size_t n) {
    uint32_t rank[GLIM_BPE_SCAN], to[GLIM_BPE_SCAN]; /* of the pair that begins here */
    if (n < 2) return n;
    for (size_t i = 0; i + 1 < n; i++) {
        const glim_bpe_pair *p = pair_find(b, id[i], id[i + 1]);
        rank[i] = p ? p->rank : GLIM_BPE_NONE;
        to[i] = p ? p->merged : 0;
    }
    while (n > 1) {
        size_t at = 0;
        uint32_t best = rank[0];
        for (size_t i = 1; i + 1 < n; i++)
            if (rank[i] < best) best = rank[i], at = i;
        if (best == GLIM_BPE_NONE) break;
        id[at] = to[at];
        n--;
        /* Close the gap at + 1; the pair that began there is gone with it. */
        size_t tail = n - at - 1;
        memmove(id + at + 1, id + at + 2, tail * sizeof *id);
        if (tail) {
            memmove(rank + at + 1, rank + at + 2, (tail - 1) * sizeof *rank);
            memmove(to + at + 1, to + at + 2, (tail - 1) * sizeof *to);
            const glim_bpe_pair *p = pair_find(b, id[at], id[at + 1]);
            rank[at] = p ? p->rank : GLIM_BPE_NONE;
            to[at] = p ? p->merged : 0;
        }
        if (at > 0) {
            const glim_bpe_pair *p = pair_find(b, id[at - 1], id[at]);
            rank[at - 1] = p ? p->rank : GLIM_BPE_NONE;
            to[at - 1] = p ? p->merged : 0;
        }
    }
    return n;
}

/* ---- long pieces: heap --------------------------------------------------------------------- */

/* A merge waiting its turn is rank << 32 | position: one comparison orders by rank, then leftmost.
 * An entry is stale when its position no longer begins a pair of that rank; ranks name their result,
 * so an equal rank is the same merge. */
typedef struct heap {
    uint64_t *v;
    size_t n, cap;
} heap;

static void heap_down(uint64_t *v, size_t n, size_t i) {
    uint64_t x = v[i];
    for (;;) { /* four children: half the levels, and they share a cache line */
        size_t c = 4 * i + 1, m = c;
        if (c >= n) break;
        size_t end = c + 4 < n ? c + 4 : n;
        for (size_t k = c + 1; k < end; k++)
            if (v[k] < v[m]) m = k;
        if (v[m] >= x) break;
        v[i] = v[m];
        i = m;
    }
    v[i] = x;
}

static glim_status heap_push(heap *h, uint64_t x, glim_err *err) {
    if (h->n == h->cap) {
        size_t cap = h->cap + h->cap / 2 + 64;
        void *p = h->v;
        glim_status rc = glim_try_realloc(&p, cap, sizeof *h->v, "merging a long piece", err);
        if (rc != GLIM_OK) return rc;
        h->v = p;
        h->cap = cap;
    }
    size_t i = h->n++;
    while (i > 0 && h->v[(i - 1) / 4] > x) {
        h->v[i] = h->v[(i - 1) / 4];
        i = (i - 1) / 4;
    }
    h->v[i] = x;
    return GLIM_OK;
}

typedef struct node {
    uint32_t id, rank; /* rank of the pair that begins here */
    uint32_t prev, next;
} node;

/* Looks up the pair that begins at i and queues it. */
static glim_status queue_pair(const glim_bpe *b, node *v, uint32_t i, heap *h, glim_err *err) {
    const glim_bpe_pair *p = pair_find(b, v[i].id, v[v[i].next].id);
    v[i].rank = p ? p->rank : GLIM_BPE_NONE;
    return p ? heap_push(h, (uint64_t)p->rank << 32 | i, err) : GLIM_OK;
}

static glim_status merge_heap(const glim_bpe *b, const char *piece, size_t len, glim_ids *ids,
                              glim_err *err) {
    if (len >= GLIM_BPE_NONE)
        return glim_fail(err, GLIM_E_LIMIT, "a piece of %zu bytes, want less than 4 GiB", len);
    const uint32_t end = GLIM_BPE_NONE;
    heap h = {0};
    void *p;
    glim_status rc = glim_try_calloc(&p, len, sizeof(node), "merging a long piece", err);
    if (rc != GLIM_OK) return rc;
    node *v = p;
    uint32_t n = 0;
    for (size_t i = 0; i < len; i++) {
        uint32_t id = b->byte_id[(unsigned char)piece[i]];
        if (id == GLIM_BPE_NONE) continue;
        v[n] = (node){id, end, n - 1, n + 1}; /* 0 - 1 is `end` */
        n++;
    }
    if (n == 0) goto done;
    v[n - 1].next = end;

    /* Filled in order of position, then ordered bottom up: linear. */
    h.cap = n;
    rc = glim_try_calloc(&p, h.cap, sizeof *h.v, "merging a long piece", err);
    if (rc != GLIM_OK) goto done;
    h.v = p;
    for (uint32_t i = 0; i + 1 < n; i++) {
        const glim_bpe_pair *m = pair_find(b, v[i].id, v[i + 1].id);
        if (!m) continue;
        v[i].rank = m->rank;
        h.v[h.n++] = (uint64_t)m->rank << 32 | i;
    }
    if (h.n > 1)
        for (size_t i = (h.n - 2) / 4 + 1; i-- > 0;) heap_down(h.v, h.n, i);

    while (h.n > 0) {
        uint64_t top = h.v[0];
        h.v[0] = h.v[--h.n];
        if (h.n > 1) heap_down(h.v, h.n, 0);
        uint32_t i = (uint32_t)top, rank = (uint32_t)(top >> 32);
        if (v[i].rank != rank) continue; /* stale */
        uint32_t j = v[i].next;
        v[i].id = pair_find(b, v[i].id, v[j].id)->merged;
        v[i].rank = end;
        v[j].rank = end; /* what began at j is gone */
        v[i].next = v[j].next;
        if (v[i].next != end) {
            v[v[i].next].prev = i;
            if ((rc = queue_pair(b, v, i, &h, err)) != GLIM_OK) goto done;
        }
        if (v[i].prev != end && (rc = queue_pair(b, v, v[i].prev, &h, err)) != GLIM_OK) goto done;
    }
    for (uint32_t i = 0; i != end; i = v[i].next)
        if ((rc = glim_ids_push(ids, (int32_t)v[i].id, err)) != GLIM_OK) goto done;
done:
    free(v);
    free(h.v);
    return rc;
}

/* ---- one piece ----------------------------------------------------------------------------- */

static size_t bytes_to_ids(const glim_bpe *b, const char *piece, size_t len, uint32_t *id) {
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        id[n] = b->byte_id[(unsigned char)piece[i]];
        n += id[n] != GLIM_BPE_NONE;
    }
    return n;
}

/* Whether merging a token's bytes gives the token itself. Two threads may find it out at once; they
 * find the same. */
static bool is_closed(const glim_bpe *b, uint32_t id) {
    unsigned char known = __atomic_load_n(&b->closed[id], __ATOMIC_RELAXED);
    if (!known) {
        uint32_t tmp[GLIM_BPE_SCAN];
        size_t n = bytes_to_ids(b, b->pool + b->off[id], b->len[id], tmp);
        known = merge_scan(b, tmp, n) == 1 && tmp[0] == id ? 1 : 2;
        __atomic_store_n(&b->closed[id], known, __ATOMIC_RELAXED);
    }
    return known == 1;
}

glim_status glim_bpe_encode(const glim_bpe *b, const char *piece, size_t len, glim_ids *ids,
                            glim_err *err) {
    uint32_t id = glim_bpe_find(b, piece, len);
    if (id != GLIM_BPE_NONE && (b->whole_first || (len <= GLIM_BPE_SCAN && is_closed(b, id))))
        return glim_ids_push(ids, (int32_t)id, err);
    if (len > GLIM_BPE_SCAN) return merge_heap(b, piece, len, ids, err);
    uint32_t tmp[GLIM_BPE_SCAN];
    size_t n = merge_scan(b, tmp, bytes_to_ids(b, piece, len, tmp));
    for (size_t i = 0; i < n; i++) {
        glim_status rc = glim_ids_push(ids, (int32_t)tmp[i], err);
        if (rc != GLIM_OK) return rc;
    }
    return GLIM_OK;
}

/* ---- the GPT-2 alphabet -------------------------------------------------------------------- */

/* Bytes that print as themselves keep their code point; the other 68, in order, are U+0100 onwards. */
static bool prints(unsigned c) { return (c >= 33 && c <= 126) || (c >= 161 && c <= 172) || c >= 174; }

bool glim_bpe_from_alphabet(glim_buf *out, const char *text, size_t len) {
    /* The inverse, for code points below 0x144: filled on each call it would cost more than the text,
     * so it is written as arithmetic: 0x100.. is the n-th byte that does not print itself. */
    size_t before = out->len;
    for (size_t i = 0; i < len;) {
        uint32_t cp;
        int n = glim_utf8_next(text + i, len - i, &cp);
        unsigned c;
        if (n <= 0 || cp >= 0x144) goto foreign;
        if (cp < 0x100) {
            if (!prints(cp)) goto foreign;
            c = cp;
        } else {
            unsigned k = cp - 0x100; /* 0..67: bytes 0-32, 127-160, 173 */
            c = k <= 32 ? k : k <= 66 ? k - 33 + 127 : 173;
        }
        glim_buf_putc(out, (char)c);
        i += (size_t)n;
    }
    return true;
foreign:
    if (out->s && !out->failed) {
        out->len = before;
        out->s[before] = 0;
    }
    return false;
}
