/* packs.c - see packs.h. */
#include "train/packs.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

glim_status glim_packer_init(glim_packer *p, size_t n_rows, glim_err *err) {
    *p = (glim_packer){.n_rows = n_rows};
    void *mem[5] = {0};
    static const size_t size[5] = {4, 4, 4, sizeof(size_t), sizeof(size_t)};
    glim_status rc = GLIM_OK;
    for (int i = 0; i < 5 && rc == GLIM_OK; i++) rc = glim_try_calloc(&mem[i], n_rows + 1, size[i], "a batch", err);
    p->tokens = mem[0], p->pos = mem[1], p->target = mem[2], p->seq = mem[3], p->source = mem[4];
    if (rc != GLIM_OK) glim_packer_deinit(p);
    else glim_packer_clear(p, 0);
    return rc;
}

void glim_packer_deinit(glim_packer *p) {
    free(p->tokens), free(p->pos), free(p->target), free(p->seq), free(p->source);
    *p = (glim_packer){0};
}

void glim_packer_clear(glim_packer *p, uint64_t id) {
    p->pack = (glim_pack){.tokens = p->tokens, .pos = p->pos, .seq = p->seq, .target = p->target, .id = id};
    p->seq[0] = 0;
    p->n_target = 0;
}

size_t glim_packer_rows(const glim_example *x) {
    size_t n = x->n;
    while (n > 1 && !x->loss[n - 1]) n--;
    return n > 0 ? n - 1 : 0;
}

bool glim_packer_add(glim_packer *p, const glim_example *x, size_t source) {
    const size_t n = glim_packer_rows(x), at = p->pack.n;
    if (n > p->n_rows - at) return false;
    if (n == 0) return true;
    for (size_t i = 0; i < n; i++) {
        p->tokens[at + i] = x->tokens[i];
        p->pos[at + i] = (int32_t)i;
        p->target[at + i] = x->loss[i + 1] ? x->tokens[i + 1] : -1;
        p->n_target += x->loss[i + 1] != 0;
    }
    p->source[p->pack.n_seq] = source;
    p->pack.n += n;
    p->seq[++p->pack.n_seq] = p->pack.n;
    return true;
}
