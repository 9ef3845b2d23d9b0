/* The prefix tree by itself: what is found is what was put there, under any churn, and its bounds hold. */
#include <stdlib.h>

#include "base/rng.h"
#include "engine/prefix.h"
#include "test.h"

enum { N_PAGES = 40, MOST = 24, DEEP = 5, N_HELD = 6 };

/* A path is a root and up to DEEP small numbers; its page holds the path's own number in its first bytes. */
static void page_ids(int32_t ids[GLIM_KV_PAGE], int v) {
    for (int i = 0; i < GLIM_KV_PAGE; i++) ids[i] = v * 1000 + i % 3;
}
static uint32_t path_number(int root, const int *path, size_t n) {
    uint32_t x = (uint32_t)root + 1;
    for (size_t i = 0; i < n; i++) x = x * 7 + (uint32_t)path[i] + 1;
    return x;
}
static uint32_t *number_of(glim_kv_pool *pool, uint32_t page) { return (uint32_t *)(void *)(pool->mem + page * pool->page_bytes); }

typedef struct held {
    uint32_t pages[DEEP];
    size_t n;
} held;

static void let_go(glim_kv_pool *pool, held *h) {
    while (h->n) glim_kv_page_unref(pool, h->pages[--h->n]);
}

TEST(under_any_churn_a_page_is_found_by_its_own_path_only_and_the_bound_is_kept) {
    glim_kv_pool pool;
    glim_prefix *t;
    glim_err err;
    CHECK_OK(glim_kv_pool_init(&pool, GLIM_F32, 1, 1, 4, N_PAGES, &err), err);
    CHECK_OK(glim_prefix_new(&t, &pool, MOST, &err), err);
    glim_rng rng = {.seed = 9};
    held seqs[N_HELD] = {0};
    size_t n_found = 0, n_made = 0;
    for (int step = 0; step < 30000; step++) {
        /* A sequence: goes down as far as the tree goes, makes the rest itself, and offers it. */
        held *h = &seqs[glim_rng_below(&rng, N_HELD)];
        let_go(&pool, h);
        int root = (int)glim_rng_below(&rng, 3), path[DEEP];
        size_t n = 1 + (size_t)glim_rng_below(&rng, DEEP), i = 0;
        for (size_t k = 0; k < n; k++) path[k] = (int)glim_rng_below(&rng, 3);
        glim_prefix_at at, child;
        uint32_t page;
        int32_t ids[GLIM_KV_PAGE];
        CHECK_OK(glim_prefix_root(t, &root, sizeof root, &at, &err), err);
        for (; i < n; i++) {
            page_ids(ids, path[i]);
            if (!glim_prefix_find(t, at, ids, &child, &page)) break;
            CHECK(*number_of(&pool, page) == path_number(root, path, i + 1));
            glim_kv_page_ref(&pool, page);
            h->pages[h->n++] = page;
            at = child;
            n_found++;
        }
        if (h->n) glim_prefix_touch(t, at);
        bool kept = true;
        for (; i < n; i++) {
            bool got = glim_kv_page_take(&pool, &page);
            while (!got && glim_prefix_evict(t, false)) got = glim_kv_page_take(&pool, &page);
            if (!got) break;
            *number_of(&pool, page) = path_number(root, path, i + 1);
            page_ids(ids, path[i]);
            uint32_t own = page;
            kept = kept && glim_prefix_add(t, at, ids, &page, &child);
            CHECK(!kept || page == own); /* it was not there */
            if (kept) at = child;
            h->pages[h->n++] = own;
            n_made++;
        }
        CHECK(glim_prefix_pages(t) <= MOST && glim_prefix_evictable(t) <= glim_prefix_pages(t));
        if (step % 50 == 0) { /* what the pool counts is what tree and sequences hold */
            uint8_t used[N_PAGES] = {0};
            size_t n_used = 0;
            for (int k = 0; k < N_HELD; k++)
                for (size_t j = 0; j < seqs[k].n; j++) used[seqs[k].pages[j]] = 1;
            for (int p = 0; p < N_PAGES; p++) n_used += used[p];
            CHECK(n_used + glim_prefix_evictable(t) == pool.n_pages - pool.n_free);
        }
    }
    CHECK(n_found > 1000 && n_made > 1000);
    for (int k = 0; k < N_HELD; k++) let_go(&pool, &seqs[k]);
    while (glim_prefix_evict(t, false)) {}
    CHECK(glim_prefix_pages(t) == 0 && pool.n_free == pool.n_pages);
    glim_prefix_free(t);
    glim_kv_pool_deinit(&pool);
}

TEST(roots_without_pages_give_their_places_to_others_and_roots_with_pages_stay) {
    glim_kv_pool pool;
    glim_prefix *t;
    glim_err err;
    CHECK_OK(glim_kv_pool_init(&pool, GLIM_F32, 1, 1, 4, 4, &err), err);
    CHECK_OK(glim_prefix_new(&t, &pool, 4, &err), err);
    glim_prefix_at kept, empty, at, child, again;
    int32_t ids[GLIM_KV_PAGE];
    uint32_t page;
    page_ids(ids, 1);
    CHECK_OK(glim_prefix_root(t, "empty", 5, &empty, &err), err);
    CHECK_OK(glim_prefix_root(t, "kept", 4, &kept, &err), err);
    CHECK(glim_kv_page_take(&pool, &page) && glim_prefix_add(t, kept, ids, &page, &child));
    glim_kv_page_unref(&pool, page);
    for (int i = 0; i < 20000; i++) { /* tenants that come once */
        CHECK_OK(glim_prefix_root(t, &i, sizeof i, &at, &err), err);
        CHECK(glim_prefix_holds(t, at) && (at.node & ~(1u << 31)) < 5000);
    }
    CHECK(!glim_prefix_holds(t, empty) && !glim_prefix_find(t, empty, ids, &at, &page));
    CHECK(glim_prefix_holds(t, kept) && glim_prefix_find(t, kept, ids, &at, &page) && at.serial == child.serial);
    CHECK_OK(glim_prefix_root(t, "kept", 4, &again, &err), err);
    CHECK(again.node == kept.node && again.serial == kept.serial);
    CHECK_OK(glim_prefix_root(t, "empty", 5, &again, &err), err);
    CHECK(again.serial != empty.serial && !glim_prefix_find(t, again, ids, &at, &page));
    glim_prefix_free(t);
    CHECK(pool.n_free == pool.n_pages);
    glim_kv_pool_deinit(&pool);
}
