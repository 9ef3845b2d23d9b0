/* kv.h - keys and values in pages of 64 positions.
 *
 * A page holds all layers of 64 consecutive positions of one sequence:
 *   [layer][kv_head][K|V][64][head_dim]  in f32, bf16, or i8 with
 *   [layer][kv_head][K|V][64]            f32 scales behind them.
 * Pages are reference-counted so that sequences can share a prefix; only a page with one owner is
 * written. The pool's memory is reserved at once and touched as pages are used. */
#ifndef GLIM_MODEL_KV_H
#define GLIM_MODEL_KV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "tensor/kernels.h"

typedef struct glim_kv_pool {
    glim_dtype type;
    size_t n_layer, n_kv_head, head_dim;
    size_t head_bytes;  /* one [64, head_dim] block */
    size_t scale_offset; /* of the scales inside a page; page_bytes if there are none */
    size_t page_bytes;
    size_t n_pages, n_free;
    uint8_t *mem;       /* [n_pages, page_bytes] */
    uint32_t *refs;     /* [n_pages] */
    uint32_t *free_list; /* stack of free page numbers */
} glim_kv_pool;

typedef struct glim_kv_seq {
    glim_kv_pool *pool;
    uint32_t *pages;   /* [cap_pages] */
    size_t n_pages, cap_pages;
    size_t n_pos;      /* positions that are filled */
} glim_kv_seq;

/* Bytes of one page for these sizes. */
size_t glim_kv_page_bytes(glim_dtype type, size_t n_layer, size_t n_kv_head, size_t head_dim);
glim_status glim_kv_pool_init(glim_kv_pool *p, glim_dtype type, size_t n_layer, size_t n_kv_head,
                              size_t head_dim, size_t n_pages, glim_err *err);
void glim_kv_pool_deinit(glim_kv_pool *p);

/* An empty sequence that may grow to cap_pos positions (its page table is allocated here, so that
 * growing later allocates nothing). */
glim_status glim_kv_seq_init(glim_kv_seq *s, glim_kv_pool *pool, size_t cap_pos, glim_err *err);
void glim_kv_seq_deinit(glim_kv_seq *s); /* gives its pages back */

/* Makes room for positions up to n_pos. A shared last page is copied first. GLIM_E_NOMEM when the pool
 * is out of pages, GLIM_E_LIMIT past cap_pos; nothing changes then. */
glim_status glim_kv_reserve(glim_kv_seq *s, size_t n_pos, glim_err *err);
/* Forgets positions n_pos and later. */
void glim_kv_truncate(glim_kv_seq *s, size_t n_pos);
/* dst (empty) shares the first n_pos positions of src. */
glim_status glim_kv_fork(glim_kv_seq *dst, const glim_kv_seq *src, size_t n_pos, glim_err *err);

/* For whoever keeps pages beyond a sequence's life (prefixes): one more owner, one less. */
void glim_kv_page_ref(glim_kv_pool *p, uint32_t page);
void glim_kv_page_unref(glim_kv_pool *p, uint32_t page);
/* A page of one's own with one reference; false when none is free. */
bool glim_kv_page_take(glim_kv_pool *p, uint32_t *page);
/* s, whose positions end at a page border and which has no page beyond, goes on with a page that another
 * filled (one more owner): n_pos grows by a page. GLIM_E_LIMIT past cap_pos. */
glim_status glim_kv_adopt(glim_kv_seq *s, uint32_t page, glim_err *err);
/* Page number i of s becomes `page`, which holds the same bytes. */
void glim_kv_swap(glim_kv_seq *s, size_t i, uint32_t page);

/* Where K (v = 0) or V (v = 1) of a layer and head lies in page number `page` of a sequence. */
static inline void *glim_kv_block(const glim_kv_seq *s, size_t page, size_t layer, size_t head, int v) {
    const glim_kv_pool *p = s->pool;
    return p->mem + s->pages[page] * p->page_bytes +
           ((layer * p->n_kv_head + head) * 2 + (size_t)v) * p->head_bytes;
}
static inline float *glim_kv_scales(const glim_kv_seq *s, size_t page, size_t layer, size_t head, int v) {
    const glim_kv_pool *p = s->pool;
    if (p->type != GLIM_I8) return NULL;
    return (float *)(p->mem + s->pages[page] * p->page_bytes + p->scale_offset) +
           ((layer * p->n_kv_head + head) * 2 + (size_t)v) * GLIM_KV_PAGE;
}

#endif
