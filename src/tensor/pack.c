/* pack.c - packs a matrix's panels in parallel. */
#include "tensor/kernels_internal.h"

typedef struct pack_ctx {
    const glim_kernels *k;
    const glim_mat *w;
    void *mem;
} pack_ctx;

static void pack_some(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    const pack_ctx *c = ctx;
    c->k->pack(c->mem, c->w, begin, end - begin);
}

void glim_mat_pack(glim_pool *pool, const glim_kernels *k, glim_mat *w, void *mem) {
    if (k->pack_bytes(w->type, w->n_out, w->n_in) == 0) return;
    pack_ctx c = {.k = k, .w = w, .mem = mem};
    glim_pool_for(pool, glim_panel_count(w->n_out), 4, pack_some, &c);
    w->panels = mem;
}
