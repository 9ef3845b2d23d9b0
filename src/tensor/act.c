/* act.c - lays activation rows out in the caller's scratch and fills their forms over the pool. */
#include "tensor/kernels_internal.h"

/* Where each form lies inside the scratch: all start on a cache line. */
typedef struct act_plan {
    size_t bf16, q8, q8_scale, q8_sum, total;
} act_plan;

static size_t take(size_t *total, size_t n_bytes) {
    size_t at = *total;
    *total += (n_bytes + 63) & ~(size_t)63;
    return at;
}

static act_plan plan_act(size_t n_rows, size_t n_in, unsigned forms) {
    act_plan p = {0};
    const size_t n_blocks = glim_act_blocks(n_in);
    if (forms & GLIM_ACT_BF16) p.bf16 = take(&p.total, n_rows * (n_in + (n_in & 1)) * sizeof(uint16_t));
    if (forms & GLIM_ACT_Q8) {
        p.q8 = take(&p.total, n_rows * n_blocks * GLIM_ACT_BLOCK);
        p.q8_scale = take(&p.total, n_rows * n_blocks * sizeof(float));
        p.q8_sum = take(&p.total, n_rows * n_blocks * 2 * sizeof(int32_t));
    }
    return p;
}

size_t glim_act_bytes(size_t n_rows, size_t n_in, unsigned forms) {
    return plan_act(n_rows, n_in, forms).total;
}

void glim_act_layout(glim_act *x, void *mem, const float *f32, size_t f32_stride, size_t n_rows,
                     size_t n_in, unsigned forms) {
    const act_plan p = plan_act(n_rows, n_in, forms);
    char *base = mem;
    *x = (glim_act){.n_rows = n_rows, .n_in = n_in, .f32 = f32, .f32_stride = f32_stride};
    if (f32) x->forms |= GLIM_ACT_F32;
    if (forms & GLIM_ACT_BF16) x->bf16 = (uint16_t *)(void *)(base + p.bf16);
    if (forms & GLIM_ACT_Q8) {
        x->q8 = (int8_t *)(base + p.q8);
        x->q8_scale = (float *)(void *)(base + p.q8_scale);
        x->q8_sum = (int32_t *)(void *)(base + p.q8_sum);
    }
}

typedef struct fill_ctx {
    const glim_kernels *k;
    const glim_act *x;
    unsigned forms;
} fill_ctx;

static void fill_rows(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    const fill_ctx *c = ctx;
    glim_act x = *c->x; /* a copy: fill sets x.forms, and the pieces run side by side */
    c->k->act_fill(&x, c->forms, begin, end - begin);
}

void glim_act_prepare(glim_pool *pool, const glim_kernels *k, glim_act *x, unsigned forms) {
    enum { SMALL = 32 * 1024 }; /* values below which a second thread costs more than it saves */
    const unsigned made = forms & (GLIM_ACT_BF16 | GLIM_ACT_Q8);
    if (made) {
        fill_ctx c = {.k = k, .x = x, .forms = made};
        size_t grain = x->n_rows;
        if (x->n_rows * x->n_in > SMALL) {
            grain = x->n_rows / (4 * (size_t)glim_pool_size(pool));
            if (grain == 0) grain = 1;
        }
        glim_pool_for(pool, x->n_rows, grain, fill_rows, &c);
    }
    x->forms |= forms;
}
