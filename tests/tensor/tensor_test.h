/* tensor_test.h - what the tests of this folder share: sets that run here, random rows, one product. */
#ifndef GLIM_TENSOR_TEST_H
#define GLIM_TENSOR_TEST_H

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/pool.h"
#include "base/rng.h"
#include "tensor/kernels_internal.h"
#include "test.h"

static const char *const g_set_names[] = {"ref", "avx2", "avx512"};
/* "avx2 plain": without vpdpbusd, which "avx2" uses where the CPU has it. */
static const char *const g_variants[] = {"ref", "avx2", "avx2 plain", "avx512"};
static inline const glim_kernels *variant(const char *name) {
    const bool plain = strcmp(name, "avx2 plain") == 0;
#if defined __x86_64__
    glim_avx2_dots = plain ? 0 : -1;
#endif
    return glim_kernels_find(plain ? "avx2" : name);
}

/* For every set that this CPU can run, in every variant. */
#define EACH_SET(k)                                                            \
    for (size_t set_i = 0; set_i < GLIM_COUNT(g_variants); set_i++)            \
        for (const glim_kernels *k = variant(g_variants[set_i]); k; k = NULL)

/* Zeroed, on a cache line, with `slack` poisoned floats behind it that a test can check. */
static inline void *mem64(size_t n_bytes) {
    void *p;
    glim_err err;
    CHECK_OK(glim_try_calloc(&p, n_bytes ? n_bytes : 1, 1, "a test", &err), err);
    return p;
}

static inline float rng_in(glim_rng *r, float lo, float hi) {
    return lo + (hi - lo) * (float)glim_rng_uniform(r);
}
static inline void fill_normal(glim_rng *r, float *x, size_t n, float sigma) {
    for (size_t i = 0; i < n; i++) x[i] = sigma * (float)glim_rng_normal(r);
}

static inline void put_scale(glim_rng *r, uint8_t *p) {
    const uint16_t h = glim_f32_to_f16(rng_in(r, -0.02f, 0.02f));
    memcpy(p, &h, 2);
}

/* One row of n values: quantized types get random codes and sane scales, plain types small values. */
static inline void random_row(glim_rng *r, glim_dtype t, uint8_t *row, size_t n) {
    const glim_dtype_info *info = glim_dtype_of(t);
    const size_t n_bytes = n / info->block_len * info->block_bytes;
    for (size_t i = 0; i < n_bytes; i++) row[i] = (uint8_t)glim_rng_u64(r);
    if (t == GLIM_BOOL || t == GLIM_I8 || t == GLIM_U8) return;
    if (t == GLIM_F8_E4M3 || t == GLIM_F8_E5M2) {
        for (size_t i = 0; i < n_bytes; i++) row[i] &= 0xbb; /* no NaN, no infinity */
        return;
    }
    for (uint8_t *p = row; p < row + n_bytes; p += info->block_bytes) {
        float f = (float)glim_rng_normal(r) * 0.05f;
        const double d = f;
        switch (t) {
        case GLIM_F32: memcpy(p, &f, 4); break;
        case GLIM_F64: memcpy(p, &d, 8); break;
        case GLIM_F16: glim_quant_simple(GLIM_F16, &f, p, 1); break;
        case GLIM_BF16: glim_quant_simple(GLIM_BF16, &f, p, 1); break;
        case GLIM_Q4_1:
        case GLIM_Q5_1:
        case GLIM_Q8_1:
        case GLIM_Q4_K:
        case GLIM_Q5_K: put_scale(r, p), put_scale(r, p + 2); break;
        case GLIM_Q2_K: put_scale(r, p + 80), put_scale(r, p + 82); break;
        case GLIM_Q3_K: put_scale(r, p + 108); break;
        case GLIM_Q6_K: put_scale(r, p + 208); break;
        case GLIM_Q8_K: memcpy(p, &f, 4); break;
        case GLIM_MXFP4: p[0] = (uint8_t)(110 + p[0] % 20); break;
        default:
            if (info->is_quant) put_scale(r, p);
            break; /* integers: any */
        }
    }
}

/* A matrix of random rows; free both with mat_free. */
static inline glim_mat random_mat(glim_rng *r, glim_dtype t, size_t n_out, size_t n_in) {
    glim_mat w = {.type = t, .n_out = n_out, .n_in = n_in};
    glim_err err;
    CHECK_OK(glim_row_bytes(t, n_in, &w.row_bytes, &err), err);
    uint8_t *rows = mem64(n_out * w.row_bytes);
    for (size_t o = 0; o < n_out; o++) random_row(r, t, rows + o * w.row_bytes, n_in);
    w.rows = rows;
    return w;
}
/* Packs for k; the panels (NULL if the set reads rows) are the caller's to free. */
static inline void *pack_for(glim_pool *pool, const glim_kernels *k, glim_mat *w) {
    const size_t n = k->pack_bytes(w->type, w->n_out, w->n_in);
    void *mem = n ? mem64(n) : NULL;
    w->panels = NULL;
    if (n) glim_mat_pack(pool, k, w, mem);
    return mem;
}

/* y [n_rows, n_out] = x W^T + bias through the driver, with all forms made by the set itself. */
static inline void product(glim_pool *pool, const glim_kernels *k, const glim_mat *w, const float *x,
                           size_t n_rows, const float *bias, float *y) {
    const unsigned forms = k->act_form(w->type);
    glim_act a;
    void *scratch = mem64(glim_act_bytes(n_rows, w->n_in, forms));
    glim_act_layout(&a, scratch, x, w->n_in, n_rows, w->n_in, forms);
    glim_act_prepare(pool, k, &a, forms);
    const glim_matmul_job job = {.y = y, .y_stride = w->n_out, .w = w, .bias = bias, .x = &a};
    glim_matmul_many(pool, k, &job, 1);
    free(scratch);
}

#endif
