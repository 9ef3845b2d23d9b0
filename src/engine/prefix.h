/* prefix.h - which KV pages hold which beginnings of text: a tree of whole pages.
 *
 *   root (tenant, adapter) -- 64 ids --> page -- 64 ids --> page ...
 *
 * A node is one page of 64 positions under the page before it, found by its 64 ids and compared exactly, so
 * that nothing is ever shared on the strength of a hash. The tree owns one reference of each page; sequences
 * own theirs.
 *
 * Invariants
 *   1. On the list of use, a node stands behind (is more recent than) every node below it: the least
 *      recent node that nobody runs on has no children, and evicting it orphans nothing.
 *   2. A sequence that holds a node's page holds the pages of all nodes above it.
 *   3. A glim_prefix_at of an evicted node is never taken for the node that came into its place: it carries
 *      the node's serial number.
 * Not thread-safe: the engine thread's own. */
#ifndef GLIM_ENGINE_PREFIX_H
#define GLIM_ENGINE_PREFIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "model/kv.h"

typedef struct glim_prefix glim_prefix;

/* A place in the tree: a root or a node. */
typedef struct glim_prefix_at {
    uint32_t node;
    uint64_t serial; /* of the node; of the root */
} glim_prefix_at;

/* max_pages: the most pages that the tree may hold. Errors: GLIM_E_NOMEM. */
glim_status glim_prefix_new(glim_prefix **out, glim_kv_pool *pool, size_t max_pages, glim_err *err);
void glim_prefix_free(glim_prefix *t); /* gives its pages back; takes NULL */

/* The root for a key (any bytes: tenant, adapter version, ...), made when it is new. A root without pages may be gone
 * (holds) when many others were asked for since. GLIM_E_NOMEM. */
glim_status glim_prefix_root(glim_prefix *t, const void *key, size_t n, glim_prefix_at *out, glim_err *err);
/* The child of `at` with these ids: its page. False if there is none, or `at` is gone. */
bool glim_prefix_find(const glim_prefix *t, glim_prefix_at at, const int32_t ids[GLIM_KV_PAGE], glim_prefix_at *child,
                      uint32_t *page);
/* Adds a child, taking a reference of `page`. If one is there already, *page becomes its page and the tree
 * keeps that. False if `at` is gone or nothing can be evicted to make room: not kept then. */
bool glim_prefix_add(glim_prefix *t, glim_prefix_at at, const int32_t ids[GLIM_KV_PAGE], uint32_t *page,
                     glim_prefix_at *child);
/* The node and all above it are the most recently used now. */
void glim_prefix_touch(glim_prefix *t, glim_prefix_at at);
/* Whether the place still exists. */
bool glim_prefix_holds(const glim_prefix *t, glim_prefix_at at);

/* Gives back the page least recently used that no sequence holds. With `held` also pages that sequences
 * hold: the pool gains nothing, but they become those sequences' own. False when there is none. */
bool glim_prefix_evict(glim_prefix *t, bool held);
/* Pages that evicting could free now, and pages in all. */
size_t glim_prefix_evictable(const glim_prefix *t);
size_t glim_prefix_pages(const glim_prefix *t);

/* Walks the nodes, parents before children, the most recent first: for snapshots. */
typedef struct glim_prefix_node_view {
    glim_prefix_at at, parent;
    bool parent_is_root;
    const char *root_key; /* of a parent that is a root; a 0 stands behind it */
    size_t n_root_key;
    const int32_t *ids;
    uint32_t page;
    uint32_t uses; /* times it was found */
} glim_prefix_node_view;
void glim_prefix_each(const glim_prefix *t, bool (*fn)(void *ctx, const glim_prefix_node_view *v), void *ctx);
/* How often the node was found. */
uint32_t glim_prefix_uses(const glim_prefix *t, glim_prefix_at at);

#endif
