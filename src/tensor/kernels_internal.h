/* kernels_internal.h - what the files of this folder share: the sets, and plain C entries that
 * other sets reuse where there is nothing to gain. Not for other layers. */
#ifndef GLIM_TENSOR_KERNELS_INTERNAL_H
#define GLIM_TENSOR_KERNELS_INTERNAL_H

#include "tensor/kernels.h"

extern const glim_kernels glim_kernels_ref;
/* Whether its products of GLIM_GEMM_BF16 are of pairs too, as the definition of those of faster sets; false: f32. For tests; set before use. */
extern bool glim_ref_bf16_pairs;
#if defined __x86_64__
extern const glim_kernels glim_kernels_avx2;   /* needs AVX2, FMA, F16C, BMI2 */
/* Whether its block products use vpdpbusd: 1, 0, or -1 for what this CPU has (blocks.c). For tests; set before use. */
extern int glim_avx2_dots;
bool glim_avx2_has_dots(void);
/* Whether bf16 products use vdpbf16ps: 1, 0, or -1 for what suits this CPU (dense.c). For tests; set before use. */
extern int glim_avx512_bf16_dots;
extern const glim_kernels glim_kernels_avx512; /* needs F, BW, VL, DQ, VNNI, BF16, VBMI */
#endif

/* Smallest largest-magnitude that q8 rounding takes as non-zero: 127 / it is still finite. */
#define GLIM_Q8_TINY 1e-35f

unsigned glim_ref_act_form(glim_dtype weight);
void glim_ref_matmul(const glim_matmul_job *j, size_t out0, size_t n_out, size_t row0, size_t n_rows);
void glim_ref_act_fill(glim_act *x, unsigned forms, size_t row0, size_t n);
void glim_ref_rmsnorm(float *out, const float *x, const float *w, size_t n, float eps);
void glim_ref_rope(float *x, size_t n_head, const float *cos, const float *sin, glim_rope_spec s);
void glim_ref_silu_mul(float *out, const float *gate, const float *up, size_t n);
void glim_ref_add(float *y, const float *x, size_t n);
void glim_ref_axpy(float *y, float a, const float *x, size_t n);
void glim_ref_kv_store(void *dst, float *scale, glim_dtype kv_type, const float *src, size_t n);
void glim_ref_attn_chunk(float *acc, float *m, float *l, const float *q, size_t q_stride, size_t n_q,
                         const size_t *n_pos, const glim_kv_chunk *c, glim_dtype kv_type,
                         size_t head_dim);

/* Rounds n values to int8: scale = max|x| / 127, nearest even. A row with NaN or infinity gets a NaN or
 * infinite scale and zeros, so that products with it come out as NaN. Returns the scale. */
float glim_ref_q8(int8_t *q, const float *x, size_t n);

static inline size_t glim_act_blocks(size_t n_in) {
    return (n_in + GLIM_ACT_BLOCK - 1) / GLIM_ACT_BLOCK;
}
static inline size_t glim_panel_count(size_t n_out) { return (n_out + GLIM_PANEL - 1) / GLIM_PANEL; }

#endif
