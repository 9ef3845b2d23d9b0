/* prefix.c - see prefix.h. */
#include "engine/prefix.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/alloc.h"

enum { NONE = UINT32_MAX, ROOT_BIT = 1u << 31, IDLE_ROOTS = 4096 };

typedef struct node {
    uint64_t serial;
    uint64_t parent_serial;
    uint32_t parent;     /* node number, or ROOT_BIT + root number */
    uint32_t page;
    uint32_t n_children;
    uint32_t uses;
    uint32_t next_hash;  /* in its bucket */
    uint32_t older, newer; /* list of use */
    int32_t ids[GLIM_KV_PAGE];
} node;

typedef struct root {
    char *key;
    size_t n_key;
    uint64_t serial;
    uint32_t n_children;
} root;

struct glim_prefix {
    glim_kv_pool *pool;
    node *nodes;         /* [cap] */
    uint32_t cap, n, free; /* free: first of the unused nodes, linked by next_hash */
    uint32_t *buckets;   /* [n_buckets] */
    uint32_t n_buckets;  /* a power of two */
    uint32_t oldest, newest;
    root *roots;
    size_t n_roots, cap_roots;
    size_t next_idle; /* where the search for a root without pages goes on */
    uint64_t next_serial, seed;
};

glim_status glim_prefix_new(glim_prefix **out, glim_kv_pool *pool, size_t max_pages, glim_err *err) {
    *out = NULL;
    if (max_pages > pool->n_pages) max_pages = pool->n_pages;
    if (max_pages >= ROOT_BIT) max_pages = ROOT_BIT - 1;
    glim_prefix *t = glim_xcalloc(1, sizeof *t);
    t->pool = pool;
    t->cap = (uint32_t)max_pages;
    t->next_serial = 1;
    t->oldest = t->newest = NONE;
    /* The seed keeps strangers from choosing ids that fall into one bucket; no result depends on it. */
    if (getrandom(&t->seed, sizeof t->seed, GRND_NONBLOCK) != (ssize_t)sizeof t->seed) t->seed = (uintptr_t)t;
    for (t->n_buckets = 16; t->n_buckets < t->cap; t->n_buckets *= 2) {}
    void *p = NULL;
    glim_status rc = glim_try_calloc(&p, t->cap, sizeof *t->nodes, "the prefix tree", err);
    t->nodes = p;
    if (rc == GLIM_OK) {
        rc = glim_try_calloc(&p, t->n_buckets, sizeof *t->buckets, "the prefix tree", err);
        t->buckets = rc == GLIM_OK ? p : NULL;
    }
    if (rc != GLIM_OK) {
        glim_prefix_free(t);
        return rc;
    }
    memset(t->buckets, 0xff, t->n_buckets * sizeof *t->buckets);
    t->free = t->cap ? 0 : NONE;
    for (uint32_t i = 0; i < t->cap; i++) t->nodes[i].next_hash = i + 1 < t->cap ? i + 1 : NONE;
    *out = t;
    return GLIM_OK;
}

void glim_prefix_free(glim_prefix *t) {
    if (!t) return;
    for (uint32_t i = t->newest; i != (uint32_t)NONE; i = t->nodes[i].older) glim_kv_page_unref(t->pool, t->nodes[i].page);
    for (size_t i = 0; i < t->n_roots; i++) free(t->roots[i].key);
    free(t->roots);
    free(t->nodes);
    free(t->buckets);
    free(t);
}

/* A root for a new key: beyond IDLE_ROOTS one that has no pages gives its place, so that tenants and versions of
 * adapters that come and go do not add up for ever. */
static glim_status new_root(glim_prefix *t, size_t *out, glim_err *err) {
    for (size_t k = 0; t->n_roots >= IDLE_ROOTS && k < t->n_roots; k++) {
        size_t i = t->next_idle++ % t->n_roots;
        if (t->roots[i].n_children) continue;
        *out = i;
        return GLIM_OK;
    }
    if (t->n_roots >= ROOT_BIT - 1) return glim_fail(err, GLIM_E_LIMIT, "%zu tenants and adapters share this model", t->n_roots);
    if (t->n_roots == t->cap_roots) {
        glim_status rc = glim_try_grow(&t->roots, &t->cap_roots, 16, sizeof *t->roots, "the prefix tree", err);
        if (rc != GLIM_OK) return rc;
    }
    t->roots[*out = t->n_roots++] = (root){0};
    return GLIM_OK;
}

glim_status glim_prefix_root(glim_prefix *t, const void *key, size_t n, glim_prefix_at *out, glim_err *err) {
    size_t i = 0;
    while (i < t->n_roots && (t->roots[i].n_key != n || memcmp(t->roots[i].key, key, n) != 0)) i++;
    if (i == t->n_roots) {
        void *copy = NULL;
        glim_status rc = glim_try_calloc(&copy, n + 1, 1, "the prefix tree", err);
        if (rc == GLIM_OK) rc = new_root(t, &i, err);
        if (rc != GLIM_OK) {
            free(copy);
            return rc;
        }
        memcpy(copy, key, n);
        free(t->roots[i].key);
        t->roots[i] = (root){.key = copy, .n_key = n, .serial = t->next_serial++};
    }
    *out = (glim_prefix_at){.node = ROOT_BIT | (uint32_t)i, .serial = t->roots[i].serial};
    return GLIM_OK;
}

bool glim_prefix_holds(const glim_prefix *t, glim_prefix_at at) {
    if (at.node & ROOT_BIT) return (at.node & ~ROOT_BIT) < t->n_roots && t->roots[at.node & ~ROOT_BIT].serial == at.serial;
    return at.node < t->cap && t->nodes[at.node].serial == at.serial && at.serial != 0;
}

static uint32_t bucket_of(const glim_prefix *t, glim_prefix_at at, const int32_t *ids) {
    uint64_t h = t->seed ^ at.serial * 0x9e3779b97f4a7c15u;
    for (size_t i = 0; i < GLIM_KV_PAGE; i++) {
        h = (h ^ (uint32_t)ids[i]) * 0xff51afd7ed558ccdu;
        h ^= h >> 32;
    }
    return (uint32_t)(h & (t->n_buckets - 1));
}

static uint32_t find(const glim_prefix *t, glim_prefix_at at, const int32_t *ids) {
    for (uint32_t i = t->buckets[bucket_of(t, at, ids)]; i != (uint32_t)NONE; i = t->nodes[i].next_hash) {
        const node *x = &t->nodes[i];
        if (x->parent_serial == at.serial && x->parent == at.node && memcmp(x->ids, ids, sizeof x->ids) == 0) return i;
    }
    return NONE;
}

bool glim_prefix_find(const glim_prefix *t, glim_prefix_at at, const int32_t ids[GLIM_KV_PAGE], glim_prefix_at *child,
                      uint32_t *page) {
    if (!glim_prefix_holds(t, at)) return false;
    uint32_t i = find(t, at, ids);
    if (i == (uint32_t)NONE) return false;
    t->nodes[i].uses += t->nodes[i].uses < UINT32_MAX;
    *child = (glim_prefix_at){i, t->nodes[i].serial};
    *page = t->nodes[i].page;
    return true;
}

static void list_remove(glim_prefix *t, uint32_t i) {
    node *x = &t->nodes[i];
    if (x->older != (uint32_t)NONE) t->nodes[x->older].newer = x->newer;
    else t->oldest = x->newer;
    if (x->newer != (uint32_t)NONE) t->nodes[x->newer].older = x->older;
    else t->newest = x->older;
}

static void list_push(glim_prefix *t, uint32_t i) {
    node *x = &t->nodes[i];
    x->older = t->newest;
    x->newer = NONE;
    if (t->newest != (uint32_t)NONE) t->nodes[t->newest].newer = i;
    else t->oldest = i;
    t->newest = i;
}

void glim_prefix_touch(glim_prefix *t, glim_prefix_at at) {
    if (!glim_prefix_holds(t, at)) return;
    /* From the node upwards: each one above comes behind those below it (invariant 1). */
    for (uint32_t i = at.node; !(i & ROOT_BIT); i = t->nodes[i].parent) {
        list_remove(t, i);
        list_push(t, i);
    }
}

static uint32_t *children_of(glim_prefix *t, uint32_t parent) {
    return parent & ROOT_BIT ? &t->roots[parent & ~ROOT_BIT].n_children : &t->nodes[parent].n_children;
}

static void drop(glim_prefix *t, uint32_t i) {
    node *x = &t->nodes[i];
    uint32_t *p = &t->buckets[bucket_of(t, (glim_prefix_at){x->parent, x->parent_serial}, x->ids)];
    while (*p != i) p = &t->nodes[*p].next_hash;
    *p = x->next_hash;
    list_remove(t, i);
    --*children_of(t, x->parent);
    glim_kv_page_unref(t->pool, x->page);
    x->serial = 0;
    x->next_hash = t->free;
    t->free = i;
    t->n--;
}

static bool evict(glim_prefix *t, bool held, uint32_t keep) {
    for (uint32_t i = t->oldest; i != (uint32_t)NONE; i = t->nodes[i].newer) {
        const node *x = &t->nodes[i];
        if (i == keep || x->n_children > 0 || (!held && t->pool->refs[x->page] > 1)) continue;
        drop(t, i);
        return true;
    }
    return false;
}

bool glim_prefix_evict(glim_prefix *t, bool held) { return evict(t, held, NONE); }

bool glim_prefix_add(glim_prefix *t, glim_prefix_at at, const int32_t ids[GLIM_KV_PAGE], uint32_t *page,
                     glim_prefix_at *child) {
    if (!glim_prefix_holds(t, at)) return false;
    uint32_t i = find(t, at, ids);
    if (i == (uint32_t)NONE) {
        if (t->free == (uint32_t)NONE && !evict(t, false, at.node)) return false;
        i = t->free;
        node *x = &t->nodes[i];
        t->free = x->next_hash;
        *x = (node){.serial = t->next_serial++, .parent = at.node, .parent_serial = at.serial, .page = *page};
        memcpy(x->ids, ids, sizeof x->ids);
        uint32_t b = bucket_of(t, at, ids);
        x->next_hash = t->buckets[b];
        t->buckets[b] = i;
        ++*children_of(t, at.node);
        glim_kv_page_ref(t->pool, *page);
        list_push(t, i);
        t->n++;
    }
    *page = t->nodes[i].page;
    *child = (glim_prefix_at){i, t->nodes[i].serial};
    glim_prefix_touch(t, *child);
    return true;
}

size_t glim_prefix_pages(const glim_prefix *t) { return t->n; }

size_t glim_prefix_evictable(const glim_prefix *t) {
    /* A page that only the tree holds has no held page below it (invariant 2): all of these can go. */
    size_t n = 0;
    for (uint32_t i = t->oldest; i != (uint32_t)NONE; i = t->nodes[i].newer) n += t->pool->refs[t->nodes[i].page] == 1;
    return n;
}

uint32_t glim_prefix_uses(const glim_prefix *t, glim_prefix_at at) {
    return (at.node & ROOT_BIT) || !glim_prefix_holds(t, at) ? 0 : t->nodes[at.node].uses;
}

void glim_prefix_each(const glim_prefix *t, bool (*fn)(void *ctx, const glim_prefix_node_view *v), void *ctx) {
    /* Most recent first: every parent stands before its children (invariant 1). */
    for (uint32_t i = t->newest; i != (uint32_t)NONE; i = t->nodes[i].older) {
        const node *x = &t->nodes[i];
        glim_prefix_node_view v = {.at = {i, x->serial},
                                   .parent = {x->parent, x->parent_serial},
                                   .parent_is_root = (x->parent & ROOT_BIT) != 0,
                                   .ids = x->ids,
                                   .page = x->page,
                                   .uses = x->uses};
        if (v.parent_is_root) {
            v.root_key = t->roots[x->parent & ~ROOT_BIT].key;
            v.n_root_key = t->roots[x->parent & ~ROOT_BIT].n_key;
        }
        if (!fn(ctx, &v)) return;
    }
}
