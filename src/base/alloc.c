/* alloc.c - see alloc.h. */
#include "base/alloc.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Atomic long g_fail_after; /* 0: off; k: the k-th try-tier allocation from now fails */

/* Guard state is per thread: worker threads of other sections may allocate while one is guarded. */
static _Thread_local const char *t_guard[8];
static _Thread_local int t_guard_depth;

static void check_guard(void) {
    if (t_guard_depth > 0) {
        fprintf(stderr, "glim: allocation inside section \"%s\"\n", t_guard[t_guard_depth - 1]);
        glim_assert_failed("no allocation inside a guarded section", __FILE__, __LINE__);
    }
}

void glim_alloc_guard_begin(const char *section) {
    GLIM_ASSERT(t_guard_depth < (int)GLIM_COUNT(t_guard));
    t_guard[t_guard_depth++] = section;
}

void glim_alloc_guard_end(void) {
    GLIM_ASSERT(t_guard_depth > 0);
    t_guard_depth--;
}

void glim_alloc_fail_after(long k) { atomic_store(&g_fail_after, k); }

static bool injected_failure(void) {
    if (atomic_load_explicit(&g_fail_after, memory_order_relaxed) <= 0) return false;
    return atomic_fetch_sub(&g_fail_after, 1) == 1;
}

static void *must(void *p) {
    if (!p) {
        fputs("glim: the system refused a small allocation\n", stderr);
        abort();
    }
    return p;
}

void *glim_xmalloc(size_t n) {
    check_guard();
    return must(malloc(n ? n : 1));
}

void *glim_xcalloc(size_t n, size_t size) {
    check_guard();
    return must(calloc(n ? n : 1, size ? size : 1));
}

void *glim_xrealloc(void *p, size_t n) {
    check_guard();
    return must(realloc(p, n ? n : 1));
}

char *glim_xstrdup(const char *s) {
    size_t n = strlen(s) + 1;
    return memcpy(glim_xmalloc(n), s, n);
}

glim_status glim_try_calloc(void **out, size_t n, size_t size, const char *what, glim_err *err) {
    check_guard();
    *out = NULL;
    size_t bytes, room;
    if (!glim_mul_size(n, size, &bytes) || !glim_align_size(bytes ? bytes : 1, 64, &room))
        return glim_fail(err, GLIM_E_NOMEM, "could not allocate %zu x %zu bytes for %s: more than "
                         "memory can address", n, size, what);
    void *p = injected_failure() ? NULL : aligned_alloc(64, room);
    if (!p) return glim_fail(err, GLIM_E_NOMEM, "could not allocate %zu bytes for %s", bytes, what);
    memset(p, 0, room);
    *out = p;
    return GLIM_OK;
}

glim_status glim_try_realloc(void **p, size_t n, size_t size, const char *what, glim_err *err) {
    check_guard();
    size_t bytes;
    if (!glim_mul_size(n, size, &bytes))
        return glim_fail(err, GLIM_E_NOMEM, "could not allocate %zu x %zu bytes for %s: more than "
                         "memory can address", n, size, what);
    void *q = injected_failure() ? NULL : realloc(*p, bytes ? bytes : 1);
    if (!q) return glim_fail(err, GLIM_E_NOMEM, "could not allocate %zu bytes for %s", bytes, what);
    *p = q;
    return GLIM_OK;
}

glim_status glim_try_grow(void *list, size_t *cap, size_t first, size_t size, const char *what, glim_err *err) {
    void *p;
    memcpy(&p, list, sizeof p); /* list is a T **, not a void ** */
    const size_t more = *cap ? 2 * *cap : first; /* no overflow: *cap objects are in memory */
    glim_status rc = glim_try_realloc(&p, more, size, what, err);
    if (rc != GLIM_OK) return rc;
    memcpy(list, &p, sizeof p);
    *cap = more;
    return GLIM_OK;
}

struct glim_arena_block {
    struct glim_arena_block *next;
    size_t used, cap;
    _Alignas(16) unsigned char bytes[];
};

void *glim_arena_alloc(glim_arena *a, size_t n) {
    size_t need;
    if (!glim_align_size(n ? n : 1, 16, &need)) return NULL;
    struct glim_arena_block *b = a->head;
    if (!b || b->cap - b->used < need) {
        check_guard();
        size_t cap = need > (size_t)64 * 1024 ? need : (size_t)64 * 1024, total;
        if (!glim_add_size(cap, sizeof *b, &total) || injected_failure()) return NULL;
        b = calloc(1, total);
        if (!b) return NULL;
        b->cap = cap;
        b->next = a->head;
        a->head = b;
    }
    void *p = b->bytes + b->used;
    b->used += need;
    return p;
}

char *glim_arena_strndup(glim_arena *a, const char *s, size_t len) {
    size_t n;
    if (!glim_add_size(len, 1, &n)) return NULL;
    char *p = glim_arena_alloc(a, n);
    if (p) memcpy(p, s, len); /* the terminator is already zero */
    return p;
}

void glim_arena_free(glim_arena *a) {
    for (struct glim_arena_block *b = a->head; b;) {
        struct glim_arena_block *next = b->next;
        free(b);
        b = next;
    }
    a->head = NULL;
}
