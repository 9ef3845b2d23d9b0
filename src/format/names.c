/* names.c - see names.h. Open addressing, linear probing, nothing is ever removed. */
#include "format/names.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/alloc.h"

struct glim_names_slot {
    const char *s; /* NULL: free */
    uint32_t len;
    uint32_t tag; /* high half of the hash: most mismatches end here */
    size_t id;
};

static uint64_t rotl(uint64_t x, int b) { return x << b | x >> (64 - b); }

static void sip_round(uint64_t v[4]) {
    v[0] += v[1], v[1] = rotl(v[1], 13) ^ v[0], v[0] = rotl(v[0], 32);
    v[2] += v[3], v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3], v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1], v[1] = rotl(v[1], 17) ^ v[2], v[2] = rotl(v[2], 32);
}

/* SipHash-1-3: Aumasson and Bernstein, INDOCRYPT 2012, with the round counts hash tables use. */
static uint64_t sip13(const uint64_t key[2], const char *s, size_t n) {
    uint64_t v[4] = {key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du,
                     key[0] ^ 0x6c7967656e657261u, key[1] ^ 0x7465646279746573u};
    size_t i = 0;
    for (; n - i >= 8; i += 8) {
        uint64_t m;
        memcpy(&m, s + i, 8);
        v[3] ^= m;
        sip_round(v);
        v[0] ^= m;
    }
    uint64_t m = (uint64_t)n << 56;
    for (size_t j = 0; i + j < n; j++) m |= (uint64_t)(unsigned char)s[i + j] << (8 * j);
    v[3] ^= m;
    sip_round(v);
    v[0] ^= m;
    v[2] ^= 0xff;
    for (int r = 0; r < 3; r++) sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

glim_status glim_names_init(glim_names *x, size_t n_max, const char *what, glim_err *err) {
    *x = (glim_names){0};
    size_t cap = 8;
    while (cap / 2 < n_max) {
        if (!glim_mul_size(cap, 2, &cap))
            return glim_fail(err, GLIM_E_NOMEM, "could not index %zu names for %s", n_max, what);
    }
    /* Without entropy the index is still right, only its speed can be attacked. */
    if (getrandom(x->key, sizeof x->key, GRND_NONBLOCK) != (ssize_t)sizeof x->key)
        x->key[0] = (uint64_t)(uintptr_t)x;
    void *p;
    glim_status rc = glim_try_calloc(&p, cap, sizeof *x->slots, what, err);
    if (rc != GLIM_OK) return rc;
    x->slots = p;
    x->cap = cap;
    return GLIM_OK;
}

void glim_names_deinit(glim_names *x) {
    free(x->slots);
    *x = (glim_names){0};
}

/* The slot that holds the name, or the free one where it belongs. */
static struct glim_names_slot *probe(const glim_names *x, const char *s, size_t len, uint32_t *tag) {
    uint64_t h = sip13(x->key, s, len);
    *tag = (uint32_t)(h >> 32);
    for (size_t i = (size_t)h & (x->cap - 1);; i = (i + 1) & (x->cap - 1)) {
        struct glim_names_slot *e = &x->slots[i];
        if (!e->s || (e->tag == *tag && e->len == len && memcmp(e->s, s, len) == 0)) return e;
    }
}

bool glim_names_add(glim_names *x, const char *s, size_t len, size_t id, size_t *old) {
    GLIM_ASSERT(len <= UINT32_MAX);
    uint32_t tag;
    struct glim_names_slot *e = probe(x, s, len, &tag);
    if (e->s) {
        if (old) *old = e->id;
        return false;
    }
    *e = (struct glim_names_slot){s, (uint32_t)len, tag, id};
    return true;
}

bool glim_names_find(const glim_names *x, const char *s, size_t len, size_t *id) {
    if (x->cap == 0 || len > UINT32_MAX) return false;
    uint32_t tag;
    const struct glim_names_slot *e = probe(x, s, len, &tag);
    if (e->s) *id = e->id;
    return e->s != NULL;
}
