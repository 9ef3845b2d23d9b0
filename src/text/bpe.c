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
    free(b->merged);
    free(b->merges);
    free(b->table);
    free(b->filter);
    free(b->byte_pair);
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
            b->repeated = true;
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

uint32_t glim_bpe_find_near(const glim_bpe *b, uint32_t guess, const char *bytes, size_t len) {
    if (!b->repeated && guess < b->n_used && b->plain[guess] && same_bytes(b, guess, bytes, len)) return guess;
    return glim_bpe_find(b, bytes, len);
}

const char *glim_bpe_bytes(const glim_bpe *b, uint32_t id, size_t *len) {
    if (id >= b->n_used || b->len[id] == GLIM_BPE_NONE) return NULL;
    *len = b->len[id];
    return b->pool ? b->pool + b->off[id] : "";
}

/* ---- merges --------------------------------------------------------------------------------
 *
 * GLM has 318,088 merges, and nearly all the time of encoding Chinese goes into asking whether a pair is
 * one of them. So the table is made small enough for the caches:
 *   - a pair of ids is one number of 2 * id_bits bits, mixed by steps that can be undone: the place in
 *     the table says the low bits, the slot keeps the rest (tag) and the rank, 8 bytes in all;
 *   - most questions are answered "no" by one bit of a filter a tenth the size;
 *   - pairs of single bytes, the first question of every piece, have a table of their own.
 * The tag's low bits count the steps from home, so that equal tags mean equal pairs. */

enum { STEP_BITS = 7, TAG_BITS = 31, MAX_TABLE_BITS = 28 };
#define EMPTY UINT64_MAX

/* Two rounds of multiply and fold: a permutation of the numbers of b->key_bits bits. */
static inline uint64_t mix_pair(const glim_bpe *b, uint32_t left, uint32_t right) {
    uint64_t k = (uint64_t)left << b->id_bits | right;
    k = k * 0x9e3779b97f4a7c15u & b->key_mask;
    k ^= k >> b->id_bits;
    k = k * 0xd6e8feb86659fd93u & b->key_mask;
    return k ^ k >> b->id_bits;
}

static inline bool maybe_pair(const glim_bpe *b, uint64_t h) {
    return b->filter[(h & b->filter_mask) >> 6] >> (h & 63) & 1;
}

/* Rank of the pair that mixes to h, GLIM_BPE_NONE if it is no merge. */
static inline uint32_t mixed_rank(const glim_bpe *b, uint64_t h) {
    uint64_t tag = h >> b->table_bits << STEP_BITS;
    for (size_t i = h & b->table_mask;; i = (i + 1) & b->table_mask, tag++) {
        uint64_t slot = b->table[i];
        if (slot >> 32 == tag) return (uint32_t)slot;
        if (slot == EMPTY) return GLIM_BPE_NONE;
    }
}

static inline uint32_t pair_rank(const glim_bpe *b, uint32_t left, uint32_t right) {
    uint64_t h = mix_pair(b, left, right);
    return maybe_pair(b, h) ? mixed_rank(b, h) : GLIM_BPE_NONE;
}

static inline uint32_t merged_of(const glim_bpe *b, uint32_t rank) {
    return b->merged ? b->merged[rank] : rank;
}

static unsigned bits_for(size_t n) {
    unsigned bits = 1;
    while (((size_t)1 << bits) < n) bits++;
    return bits;
}

/* Puts the collected merges into a table of 2^bits; false if a run of full slots is too long. */
static bool fill_table(glim_bpe *b) {
    for (size_t i = 0; i <= b->table_mask; i++) b->table[i] = EMPTY;
    memset(b->filter, 0, (b->filter_mask + 1) / 8);
    for (size_t k = 0; k < b->n_merges; k++) {
        const glim_bpe_merge *m = &b->merges[k];
        uint64_t h = mix_pair(b, m->left, m->right), tag = h >> b->table_bits << STEP_BITS;
        size_t i = h & b->table_mask;
        unsigned step = 0;
        for (; b->table[i] != EMPTY; i = (i + 1) & b->table_mask, step++) {
            if (b->table[i] >> 32 == tag + step) break; /* the pair again: its first rank counts */
            if (step + 2 >= 1u << STEP_BITS) return false;
        }
        if (b->table[i] != EMPTY) continue;
        b->table[i] = (tag + step) << 32 | m->rank;
        b->filter[(h & b->filter_mask) >> 6] |= 1ull << (h & 63);
    }
    return true;
}

glim_status glim_bpe_merges_end(glim_bpe *b, glim_err *err) {
    b->id_bits = bits_for(b->n_used);
    b->key_mask = (1ull << 2 * b->id_bits) - 1;
    unsigned bits = bits_for(b->n_merges + b->n_merges / 2);
    if (bits < 6) bits = 6; /* the filter is whole words */
    if (2 * b->id_bits > bits + TAG_BITS - STEP_BITS) bits = 2 * b->id_bits - (TAG_BITS - STEP_BITS);
    for (;; bits++) {
        if (bits > MAX_TABLE_BITS)
            return glim_fail(err, GLIM_E_LIMIT, "%zu merges do not fit the table of merges", b->n_merges);
        free(b->table);
        free(b->filter);
        b->table = NULL;
        b->filter = NULL;
        void *p;
        glim_status rc = glim_try_calloc(&p, (size_t)1 << bits, sizeof *b->table, "the merges", err);
        if (rc != GLIM_OK) return rc;
        b->table = p;
        if ((rc = glim_try_calloc(&p, (size_t)1 << bits, 1, "the merges", err)) != GLIM_OK) return rc;
        b->filter = p;
        b->table_bits = bits;
        b->table_mask = ((size_t)1 << bits) - 1;
        b->filter_mask = ((uint64_t)8 << bits) - 1;
        if (fill_table(b)) break;
    }
    for (size_t i = 0; i < 65536; i++) {
        uint32_t l = b->byte_id[i >> 8], r = b->byte_id[i & 255];
        b->byte_pair[i] = l == GLIM_BPE_NONE || r == GLIM_BPE_NONE ? GLIM_BPE_NONE : pair_rank(b, l, r);
    }
    free(b->merges);
    b->merges = NULL;
    return GLIM_OK;
}

glim_status glim_bpe_merges_begin(glim_bpe *b, size_t n_merges, glim_err *err) {
    void *p;
    if (n_merges > GLIM_BPE_MAX_MERGES)
        return glim_fail(err, GLIM_E_LIMIT, "%zu merges, want at most %d", n_merges, GLIM_BPE_MAX_MERGES);
    glim_status rc = glim_try_calloc(&p, n_merges, sizeof *b->merged, "the merges", err);
    if (rc != GLIM_OK) return rc;
    b->merged = p;
    b->n_ranks = n_merges;
    if ((rc = glim_try_calloc(&p, n_merges, sizeof *b->merges, "the merges", err)) != GLIM_OK) return rc;
    b->merges = p;
    b->merges_cap = n_merges;
    if ((rc = glim_try_calloc(&p, 65536, sizeof *b->byte_pair, "the merges", err)) != GLIM_OK) return rc;
    b->byte_pair = p;
    return GLIM_OK;
}

void glim_bpe_merge_add(glim_bpe *b, uint32_t left, uint32_t right, uint32_t merged, uint32_t rank) {
    GLIM_ASSERT(b->n_merges < b->merges_cap && rank < b->n_ranks);
    if (!b->plain[merged]) return;
    b->merged[rank] = merged;
    b->merges[b->n_merges++] = (glim_bpe_merge){left, right, rank};
}

glim_status glim_bpe_merges_from_ids(glim_bpe *b, glim_err *err) {
    glim_status rc = glim_bpe_merges_begin(b, 0, err);
    free(b->merged); /* a rank is the id it makes */
    b->merged = NULL;
    for (uint32_t id = 0; id < b->n_used && rc == GLIM_OK; id++) {
        if (!b->plain[id]) continue;
        const char *s = b->pool + b->off[id];
        size_t len = b->len[id];
        for (size_t i = 1; i < len; i++) {
            uint32_t left = glim_bpe_find(b, s, i);
            if (left == GLIM_BPE_NONE) continue;
            uint32_t right = glim_bpe_find(b, s + i, len - i);
            if (right == GLIM_BPE_NONE) continue;
            if (b->n_merges == b->merges_cap) {
                size_t cap = b->merges_cap ? b->merges_cap * 2 : 4096;
                void *p = b->merges;
                rc = glim_try_realloc(&p, cap, sizeof *b->merges, "the merges", err);
                if (rc != GLIM_OK) break;
                b->merges = p;
                b->merges_cap = cap;
            }
            b->merges[b->n_merges++] = (glim_bpe_merge){left, right, id};
        }
    }
    return rc == GLIM_OK ? glim_bpe_merges_end(b, err) : rc;
}

/* ---- short pieces: scan --------------------------------------------------------------------
 *
 * Nothing moves: places stay where they are, a mask of 64 bits says which are alive, and its bit
 * operations are the links of the list. The next merge is the least of rank << 6 | place, found four
 * lanes at a time (plain GNU vectors, so any machine). What costs time in merging short pieces is
 * branches that cannot be predicted; here are few. */

enum { NO_MERGE = INT32_MAX };
typedef int32_t lanes __attribute__((vector_size(16)));

static inline lanes least(lanes a, lanes b) {
    lanes m = a < b;
    return (a & m) | (b & ~m);
}

static inline int32_t key_of(uint32_t rank, unsigned place) {
    return rank == GLIM_BPE_NONE ? NO_MERGE : (int32_t)(rank << 6 | place);
}

/* Merges a piece of at most GLIM_BPE_SCAN bytes; ids of the places in the returned mask remain. */
static uint64_t merge_scan(const glim_bpe *b, const char *piece, size_t len, uint32_t *id) {
    union {
        int32_t key[GLIM_BPE_SCAN];
        lanes v[GLIM_BPE_SCAN / 4];
    } u;
    unsigned char byte[GLIM_BPE_SCAN];
    unsigned n = 0;
    for (size_t i = 0; i < len; i++) {
        byte[n] = (unsigned char)piece[i];
        id[n] = b->byte_id[byte[n]];
        n += id[n] != GLIM_BPE_NONE;
    }
    if (n == 0) return 0;
    uint64_t alive = n == 64 ? UINT64_MAX : (1ull << n) - 1;
    unsigned n_lanes = (n + 7) / 8 * 2; /* in pairs, so that the loop below runs few times */
    for (unsigned i = 0; i + 1 < n; i++) u.key[i] = key_of(b->byte_pair[byte[i] << 8 | byte[i + 1]], i);
    for (unsigned i = n - 1; i < n_lanes * 4; i++) u.key[i] = NO_MERGE;
    for (;;) {
        lanes m0 = u.v[0], m1 = u.v[1];
        for (unsigned i = 2; i < n_lanes; i += 2) m0 = least(m0, u.v[i]), m1 = least(m1, u.v[i + 1]);
        m0 = least(m0, m1);
        int32_t x = m0[0] < m0[1] ? m0[0] : m0[1], y = m0[2] < m0[3] ? m0[2] : m0[3];
        int32_t best = x < y ? x : y;
        if (best == NO_MERGE) return alive;
        unsigned at = (unsigned)best & 63;
        uint64_t right = alive & -(2ull << at), above = right & (right - 1);
        unsigned gone = (unsigned)__builtin_ctzll(right);
        uint64_t below = alive & ((1ull << at) - 1);
        alive ^= 1ull << gone;
        u.key[gone] = NO_MERGE;
        uint32_t made = merged_of(b, (uint32_t)best >> 6);
        id[at] = made;
        /* Both new pairs are asked about before either answer is waited for. At an end of the piece
         * the place itself stands in: its answer is thrown away. */
        unsigned after = above ? (unsigned)__builtin_ctzll(above) : at;
        unsigned before = below ? 63u - (unsigned)__builtin_clzll(below) : at;
        uint64_t h_after = mix_pair(b, made, id[after]), h_before = mix_pair(b, id[before], made);
        bool ask_after = maybe_pair(b, h_after) & (above != 0);
        bool ask_before = maybe_pair(b, h_before) & (below != 0);
        if (below) u.key[before] = NO_MERGE;
        u.key[at] = NO_MERGE;
        if (ask_after) u.key[at] = key_of(mixed_rank(b, h_after), at);
        if (ask_before) u.key[before] = key_of(mixed_rank(b, h_before), before);
    }
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
    v[i].rank = pair_rank(b, v[i].id, v[v[i].next].id);
    return v[i].rank != GLIM_BPE_NONE ? heap_push(h, (uint64_t)v[i].rank << 32 | i, err) : GLIM_OK;
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
        v[i].rank = pair_rank(b, v[i].id, v[i + 1].id);
        if (v[i].rank != GLIM_BPE_NONE) h.v[h.n++] = (uint64_t)v[i].rank << 32 | i;
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
        v[i].id = merged_of(b, rank);
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

/* Whether merging a token's bytes gives the token itself. Two threads may find it out at once; they
 * find the same. */
static bool is_closed(const glim_bpe *b, uint32_t id) {
    unsigned char known = __atomic_load_n(&b->closed[id], __ATOMIC_RELAXED);
    if (!known) {
        uint32_t tmp[GLIM_BPE_SCAN];
        uint64_t left = merge_scan(b, b->pool + b->off[id], b->len[id], tmp);
        known = left == 1 && tmp[0] == id ? 1 : 2;
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
    for (uint64_t left = merge_scan(b, piece, len, tmp); left; left &= left - 1) {
        glim_status rc = glim_ids_push(ids, (int32_t)tmp[__builtin_ctzll(left)], err);
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
    if (len == 0) return true;
    glim_buf_reserve(out, len); /* a character is at least one byte long, and stands for one */
    if (out->failed) return true; /* who asks the buffer finds out */
    char *to = out->s + out->len;
    for (size_t i = 0; i < len;) {
        unsigned c = (unsigned char)text[i];
        uint32_t cp = c;
        const int n = c < 0x80 ? 1 : glim_utf8_next(text + i, len - i, &cp); /* nearly all are ASCII */
        if (n <= 0 || cp >= 0x144) goto foreign;
        if (cp < 0x100) {
            if (!prints(cp)) goto foreign;
            c = cp;
        } else {
            unsigned k = cp - 0x100; /* 0..67: bytes 0-32, 127-160, 173 */
            c = k <= 32 ? k : k <= 66 ? k - 33 + 127 : 173;
        }
        *to++ = (char)c;
        i += (size_t)n;
    }
    out->len = (size_t)(to - out->s);
    *to = 0;
    return true;
foreign:
    out->s[out->len] = 0;
    return false;
}
