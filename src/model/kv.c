/* kv.c - see kv.h. */
#include "model/kv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/alloc.h"

static size_t elem_bytes(glim_dtype type) { return type == GLIM_F32 ? 4 : type == GLIM_I8 ? 1 : 2; }

static size_t data_bytes(glim_dtype type, size_t n_layer, size_t n_kv_head, size_t head_dim) {
    return n_layer * n_kv_head * 2 * GLIM_KV_PAGE * head_dim * elem_bytes(type);
}

size_t glim_kv_page_bytes(glim_dtype type, size_t n_layer, size_t n_kv_head, size_t head_dim) {
    size_t n = data_bytes(type, n_layer, n_kv_head, head_dim);
    if (type == GLIM_I8) n += n_layer * n_kv_head * 2 * GLIM_KV_PAGE * sizeof(float);
    return (n + 63) / 64 * 64;
}

glim_status glim_kv_pool_init(glim_kv_pool *p, glim_dtype type, size_t n_layer, size_t n_kv_head,
                              size_t head_dim, size_t n_pages, glim_err *err) {
    *p = (glim_kv_pool){.type = type, .n_layer = n_layer, .n_kv_head = n_kv_head, .head_dim = head_dim};
    GLIM_ASSERT(type == GLIM_F32 || type == GLIM_BF16 || type == GLIM_I8);
    p->head_bytes = GLIM_KV_PAGE * head_dim * elem_bytes(type);
    p->page_bytes = glim_kv_page_bytes(type, n_layer, n_kv_head, head_dim);
    p->scale_offset = data_bytes(type, n_layer, n_kv_head, head_dim);
    size_t bytes;
    if (!glim_mul_size(n_pages, p->page_bytes, &bytes) || n_pages > UINT32_MAX)
        return glim_fail(err, GLIM_E_NOMEM, "%zu KV pages of %zu bytes are more than memory can address",
                         n_pages, p->page_bytes);
    void *refs, *list;
    glim_status rc = glim_try_calloc(&refs, n_pages, sizeof *p->refs, "KV page counts", err);
    if (rc != GLIM_OK) return rc;
    rc = glim_try_calloc(&list, n_pages, sizeof *p->free_list, "the KV free list", err);
    if (rc != GLIM_OK) {
        free(refs);
        return rc;
    }
    void *mem = mmap(NULL, bytes ? bytes : 1, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mem == MAP_FAILED) {
        free(refs);
        free(list);
        return glim_fail_errno(err, GLIM_E_NOMEM, errno, "could not reserve %zu bytes for KV pages", bytes);
    }
    madvise(mem, bytes, MADV_HUGEPAGE);
    p->mem = mem;
    p->refs = refs;
    p->free_list = list;
    p->n_pages = p->n_free = n_pages;
    /* Low page numbers are handed out first. */
    for (size_t i = 0; i < n_pages; i++) p->free_list[i] = (uint32_t)(n_pages - 1 - i);
    return GLIM_OK;
}

void glim_kv_pool_deinit(glim_kv_pool *p) {
    size_t bytes = p->n_pages * p->page_bytes;
    if (p->mem) munmap(p->mem, bytes ? bytes : 1);
    free(p->refs);
    free(p->free_list);
    *p = (glim_kv_pool){0};
}

glim_status glim_kv_seq_init(glim_kv_seq *s, glim_kv_pool *pool, size_t cap_pos, glim_err *err) {
    *s = (glim_kv_seq){.pool = pool};
    size_t cap = cap_pos / GLIM_KV_PAGE + (cap_pos % GLIM_KV_PAGE != 0);
    void *pages;
    glim_status rc = glim_try_calloc(&pages, cap, sizeof *s->pages, "a KV page table", err);
    if (rc != GLIM_OK) return rc;
    s->pages = pages;
    s->cap_pages = cap;
    return GLIM_OK;
}

static void release(glim_kv_pool *p, uint32_t page) {
    GLIM_ASSERT(p->refs[page] > 0);
    if (--p->refs[page] == 0) p->free_list[p->n_free++] = page;
}

void glim_kv_seq_deinit(glim_kv_seq *s) {
    if (s->pool) glim_kv_truncate(s, 0);
    free(s->pages);
    *s = (glim_kv_seq){0};
}

static uint32_t take(glim_kv_pool *p) {
    uint32_t page = p->free_list[--p->n_free];
    p->refs[page] = 1;
    return page;
}

glim_status glim_kv_reserve(glim_kv_seq *s, size_t n_pos, glim_err *err) {
    glim_kv_pool *p = s->pool;
    size_t want = n_pos / GLIM_KV_PAGE + (n_pos % GLIM_KV_PAGE != 0);
    if (want > s->cap_pages)
        return glim_fail(err, GLIM_E_LIMIT, "the context is full: got %zu positions, want at most %zu", n_pos,
                         s->cap_pages * GLIM_KV_PAGE);
    /* The page that holds position n_pos is about to be written: it must be ours alone. */
    size_t writing = s->n_pos / GLIM_KV_PAGE;
    bool copy = n_pos > s->n_pos && writing < s->n_pages && p->refs[s->pages[writing]] > 1;
    size_t need = (want > s->n_pages ? want - s->n_pages : 0) + (copy ? 1 : 0);
    if (need > p->n_free)
        return glim_fail(err, GLIM_E_NOMEM, "out of KV pages: %zu of %zu are free, %zu more are needed",
                         p->n_free, p->n_pages, need);
    if (copy) {
        uint32_t mine = take(p), old = s->pages[writing];
        memcpy(p->mem + mine * p->page_bytes, p->mem + old * p->page_bytes, p->page_bytes);
        s->pages[writing] = mine;
        release(p, old);
    }
    while (s->n_pages < want) s->pages[s->n_pages++] = take(p);
    return GLIM_OK;
}

void glim_kv_truncate(glim_kv_seq *s, size_t n_pos) {
    size_t keep = n_pos / GLIM_KV_PAGE + (n_pos % GLIM_KV_PAGE != 0);
    while (s->n_pages > keep) release(s->pool, s->pages[--s->n_pages]);
    if (s->n_pos > n_pos) s->n_pos = n_pos;
}

glim_status glim_kv_fork(glim_kv_seq *dst, const glim_kv_seq *src, size_t n_pos, glim_err *err) {
    GLIM_ASSERT(dst->n_pages == 0 && n_pos <= src->n_pos && dst->pool == src->pool);
    size_t n = n_pos / GLIM_KV_PAGE + (n_pos % GLIM_KV_PAGE != 0);
    if (n > dst->cap_pages)
        return glim_fail(err, GLIM_E_LIMIT, "the context is too small to share %zu positions: want at most %zu",
                         n_pos, dst->cap_pages * GLIM_KV_PAGE);
    for (size_t i = 0; i < n; i++) {
        dst->pages[i] = src->pages[i];
        src->pool->refs[src->pages[i]]++;
    }
    dst->n_pages = n;
    dst->n_pos = n_pos;
    return GLIM_OK;
}

void glim_kv_page_ref(glim_kv_pool *p, uint32_t page) {
    GLIM_ASSERT(p->refs[page] > 0 && p->refs[page] < UINT32_MAX);
    p->refs[page]++;
}

void glim_kv_page_unref(glim_kv_pool *p, uint32_t page) { release(p, page); }

bool glim_kv_page_take(glim_kv_pool *p, uint32_t *page) {
    if (p->n_free == 0) return false;
    *page = take(p);
    return true;
}

glim_status glim_kv_adopt(glim_kv_seq *s, uint32_t page, glim_err *err) {
    GLIM_ASSERT(s->n_pos == s->n_pages * GLIM_KV_PAGE);
    if (s->n_pages == s->cap_pages)
        return glim_fail(err, GLIM_E_LIMIT, "the context is full: want at most %zu positions", s->cap_pages * GLIM_KV_PAGE);
    glim_kv_page_ref(s->pool, page);
    s->pages[s->n_pages++] = page;
    s->n_pos += GLIM_KV_PAGE;
    return GLIM_OK;
}

void glim_kv_swap(glim_kv_seq *s, size_t i, uint32_t page) {
    GLIM_ASSERT(i < s->n_pages);
    if (s->pages[i] == page) return;
    glim_kv_page_ref(s->pool, page);
    release(s->pool, s->pages[i]);
    s->pages[i] = page;
}
