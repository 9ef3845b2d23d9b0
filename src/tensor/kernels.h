/* kernels.h - the table of operations that the model is made of.
 *
 * Plain C (cpu/ref/) defines each operation; cpu/avx2 and cpu/avx512 fill the same table and agree with
 * it within the tolerance that tests/tensor states. One set is chosen at run time (GLIM_CPU=
 * ref|avx2|avx512 forces one). Kernels do not allocate, lock, log or fail: shapes are checked where
 * weights are bound.
 *
 * One arithmetic order per set: what a row's result is does not depend on how many other rows are in the
 * call, on where a range of outputs is cut (cuts are at multiples of GLIM_PANEL), or on which thread
 * runs it. Quantized weights: exact int32 sums inside a block of 32 (16 where the type has a scale per
 * 16), then one f32 fused multiply-add per block, in block order. Float weights: one f32 chain per
 * output in input order. Nothing is split over the inner dimension. */
#ifndef GLIM_TENSOR_KERNELS_H
#define GLIM_TENSOR_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/pool.h"
#include "tensor/dtype.h"

enum {
    GLIM_PANEL = 16,    /* output columns that a packed weight panel holds */
    GLIM_PANEL_LAYOUT = 1, /* grows with every change of a panel's bytes: old cache files are then left */
    GLIM_ACT_BLOCK = 32, /* activations that share a scale when weights are quantized */
    GLIM_KV_PAGE = 64,  /* positions in a KV page */
    GLIM_KV_CHUNK = 256, /* positions after which attention partials are merged; 4 pages */
    GLIM_ATTN_FAR = 70  /* a score so far below the largest has weight 0: e^-70 is far below what f32 can add to 1, and
                           weights near the end of the exponent range would make subnormal products, each of which
                           costs a CPU over a hundred cycles */
};

/* A weight matrix W [n_out, n_in], y = x W^T. `rows` views the file's own bytes (borrowed from the
 * mapping); `panels` is what glim_mat_pack made of them for one kernel set. */
typedef struct glim_mat {
    glim_dtype type;
    size_t n_out, n_in;
    const void *rows; /* [n_out] rows of row_bytes; NULL only when panels stand in for them */
    size_t row_bytes;
    const void *panels; /* NULL: the set reads rows */
} glim_mat;

/* Rows of activations in the forms that weights need, each made once per row and shared by all users.
 * Plain views into scratch that the caller planned with glim_act_bytes. */
typedef struct glim_act {
    size_t n_rows, n_in;
    const float *f32; /* [n_rows, n_in], row stride f32_stride floats */
    size_t f32_stride;
    unsigned forms;   /* which of the below are filled: GLIM_ACT_* bits */
    uint16_t *bf16;   /* [n_rows, n_in rounded up to 2] zero-padded */
    int8_t *q8;       /* [n_rows, n_blocks, 32] zero-padded, n_blocks = ceil(n_in / 32) */
    float *q8_scale;  /* [n_rows, n_blocks] value = scale * q8; scale = max|x| / 127 */
    int32_t *q8_sum;  /* [n_rows, n_blocks, 2] sums of q8 over each half block of 16 */
} glim_act;
enum { GLIM_ACT_F32 = 1, GLIM_ACT_BF16 = 2, GLIM_ACT_Q8 = 4 };

/* One product in a group that shares threads: y[r, o] = sum_i x[r, i] W[o, i] (+ bias[o]). */
typedef struct glim_matmul_job {
    float *y;        /* [x->n_rows, w->n_out], row stride y_stride floats; overlaps nothing else */
    size_t y_stride;
    const glim_mat *w;
    const float *bias; /* [n_out] or NULL */
    const glim_act *x; /* forms must include what glim_act_form(w) says */
} glim_matmul_job;

typedef struct glim_rope_spec {
    size_t head_dim;
    size_t n_rot;     /* rotated dims at the head's start, even, <= head_dim */
    bool interleaved; /* pairs (2j, 2j+1); otherwise (j, j + n_rot/2) */
} glim_rope_spec;

/* One KV chunk as attention sees it: up to GLIM_KV_CHUNK consecutive positions of one KV head. */
typedef struct glim_kv_chunk {
    const void *k[GLIM_KV_CHUNK / GLIM_KV_PAGE]; /* page p: [64, head_dim] of kv type */
    const void *v[GLIM_KV_CHUNK / GLIM_KV_PAGE];
    const float *k_scale[GLIM_KV_CHUNK / GLIM_KV_PAGE]; /* [64], only when the type is i8 */
    const float *v_scale[GLIM_KV_CHUNK / GLIM_KV_PAGE];
    size_t n; /* positions in this chunk that exist, 1..256 */
    const void *next; /* a hint: the first K page of the chunk that is attended next, or NULL */
} glim_kv_chunk;

typedef struct glim_kernels {
    const char *name; /* "ref", "avx2", "avx512" */

    /* Which activation form this set wants for a weight type: one GLIM_ACT_* bit. */
    unsigned (*act_form)(glim_dtype weight);
    /* Fills `forms` of rows [row0, row0 + n) from x->f32. Rows may be filled side by side if x->forms has the
     * bits of `forms` already; otherwise they are set here. */
    void (*act_fill)(glim_act *x, unsigned forms, size_t row0, size_t n);

    /* Bytes of the packed panels of a matrix; 0 if this set reads rows of that type directly. */
    size_t (*pack_bytes)(glim_dtype t, size_t n_out, size_t n_in);
    /* Packs panels [panel0, panel0 + n) (16 outputs each; missing ones are zero) of w->rows into dst,
     * the start of the whole matrix's panels. */
    void (*pack)(void *dst, const glim_mat *w, size_t panel0, size_t n);

    /* Outputs [out0, out0 + n_out) (out0 a multiple of 16) for rows [row0, row0 + n_rows). */
    void (*matmul)(const glim_matmul_job *j, size_t out0, size_t n_out, size_t row0, size_t n_rows);

    /* out[i] = w[i] * x[i] / sqrt(mean(x^2) + eps); out may be x. arXiv:1910.07467 */
    void (*rmsnorm)(float *out, const float *x, const float *w, size_t n, float eps);
    /* Rotates n_head heads of x in place; cos/sin [n_rot/2] hold this position's values, scaled. */
    void (*rope)(float *x, size_t n_head, const float *cos, const float *sin, glim_rope_spec s);
    /* out[i] = silu(gate[i]) * up[i]; out may be gate or up. */
    void (*silu_mul)(float *out, const float *gate, const float *up, size_t n);
    /* y += x;  y += a * x (one fma per element) */
    void (*add)(float *y, const float *x, size_t n);
    void (*axpy)(float *y, float a, const float *x, size_t n);

    /* Stores one head's K or V row into a page: n values of kv type (f32, bf16, i8 with *scale). */
    void (*kv_store)(void *dst, float *scale, glim_dtype kv_type, const float *src, size_t n);

    /* Attends n_q query vectors, all reading the same KV head, over one chunk.
     *
     *   acc   [n_q, head_dim]  running sum of exp(s - m) * v, updated
     *   m, l  [n_q]            running maximum and running sum of exponentials; start: m = -inf,
     *                          l = 0, acc = 0
     *   q     [n_q, head_dim]  rotated and scaled by 1/sqrt(head_dim); stride q_stride floats
     *   n_pos [n_q]            how many of the chunk's positions this query may see, 0..c->n (0: the
     *                          query is left untouched)
     *
     * Inside the chunk: all scores, their maximum, exponentials summed in order, then the chunk is merged
     * into acc with exp(old m - new m); what lies GLIM_ATTN_FAR below counts as nothing. Chunks are given oldest first, so the merge order is a function of
     * position alone. Any finite input is safe. Online softmax: arXiv:1805.02867. */
    void (*attn_chunk)(float *acc, float *m, float *l, const float *q, size_t q_stride, size_t n_q,
                       const size_t *n_pos, const glim_kv_chunk *c, glim_dtype kv_type, size_t head_dim);
} glim_kernels;

/* The set in use: the best this CPU has, or the one GLIM_CPU names. Chosen once; a name that does not
 * exist or that this CPU cannot run is an error from glim_kernels_init, and the best is used otherwise. */
const glim_kernels *glim_kernels_get(void);
glim_status glim_kernels_init(glim_err *err);
/* By name for tests; NULL if unknown or this CPU cannot run it. */
const glim_kernels *glim_kernels_find(const char *name);

/* ---- drivers: the same for all sets (matmul.c, act.c, pack.c) ---- */

/* Scratch bytes for an act of n_rows x n_in with the given forms, and laying it out in caller's memory
 * (64-byte aligned). */
size_t glim_act_bytes(size_t n_rows, size_t n_in, unsigned forms);
void glim_act_layout(glim_act *x, void *mem, const float *f32, size_t f32_stride, size_t n_rows,
                     size_t n_in, unsigned forms);
/* Fills all forms over the pool. */
void glim_act_prepare(glim_pool *pool, const glim_kernels *k, glim_act *x, unsigned forms);

/* Runs all jobs as one parallel loop over (job, panel range, row range). The cut depends on sizes and
 * thread count only; results do not depend on it. */
void glim_matmul_many(glim_pool *pool, const glim_kernels *k, const glim_matmul_job *jobs, size_t n_jobs);

/* Packs w->rows for k into mem (k->pack_bytes bytes, 64-byte aligned) in parallel and points w->panels
 * at it; where the set reads rows of that type (pack_bytes is 0) it does nothing. */
void glim_mat_pack(glim_pool *pool, const glim_kernels *k, glim_mat *w, void *mem);

#endif
