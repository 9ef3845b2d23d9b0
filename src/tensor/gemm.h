/* gemm.h - matrix products for training: forward, backward to the input, backward to the weights.
 *
 * A second, small kernel table beside kernels.h. Inference rounds activations to the form that suits a weight
 * type; training wants the weight's own values, in both directions. So a set's `tile` reads a piece of any matrix,
 * packed or not, as f32, and one driver multiplies: there is no second copy of a frozen weight, only the tile that
 * is being used.
 *
 * One arithmetic order: an output is one chain of fused multiply-adds over k, in order, from 0 (or from what is
 * there already, with `add`). In f32 all sets give the same bits. GLIM_GEMM_BF16 allows a set to round both sides
 * to bf16 and to multiply pairs (vdpbf16ps), where its CPU is faster at that; elsewhere it means f32. Nothing
 * depends on the number of threads: the cut of k is fixed. */
#ifndef GLIM_TENSOR_GEMM_H
#define GLIM_TENSOR_GEMM_H

#include "tensor/kernels.h"

typedef enum glim_gemm_type { GLIM_GEMM_F32, GLIM_GEMM_BF16 } glim_gemm_type;

typedef struct glim_gemm_set {
    const char *name; /* as in kernels.h */
    size_t rows;      /* of a register tile */
    bool (*pairs)(void); /* whether GLIM_GEMM_BF16 is multiplied in pairs */

    /* dst[k * stride + c] = W[16 * panel + c][in0 + k], k < n_in, c < 16; 0 for outputs that W lacks. in0 is a
     * multiple of 32, and so is n_in unless it reaches the row's end. Exactly glim_dequant's values. */
    void (*tile)(float *dst, size_t stride, const glim_mat *w, size_t panel, size_t in0, size_t n_in);
    /* dst[j * dst_stride + i] = src[i * src_stride + j], 16 x 16 */
    void (*turn)(float *dst, size_t dst_stride, const float *src, size_t src_stride);

    /* C [m, n] (+)= A B in f32: A[i][k] = a[i * a_row + k * a_k], B rows of n values, ldb apart. For pieces that
     * lie in cache: attention, and what the driver has laid out. */
    void (*mm)(float *c, size_t ldc, const float *a, size_t a_row, size_t a_k, const float *b, size_t ldb, size_t m, size_t n,
               size_t k, bool add);
    /* The same of pairs of bf16 in a word, the earlier k in the low half; k counts pairs. NULL without them. */
    void (*mm_pairs)(float *c, size_t ldc, const uint32_t *a, size_t a_row, size_t a_k, const uint32_t *b, size_t ldb, size_t m,
                     size_t n, size_t k, bool add);
    /* dst[i] = bf16(lo[i]) | bf16(hi[i]) << 16; NULL where mm_pairs is. */
    void (*pair)(uint32_t *dst, const float *lo, const float *hi, size_t n);

    /* y[i] = exp(x[i] - shift); y may be x. */
    void (*exp)(float *y, const float *x, float shift, size_t n);
    /* Back through mid = silu(gate) up, s = 1 / (1 + exp(-gate)): dup = dmid gate s, dgate = dmid up s (1 + gate (1 - s)), each
     * operation rounded, from the left. dgate may be dmid. But for exp the sets give the same bits. */
    void (*silu_back)(float *dgate, float *dup, const float *dmid, const float *gate, const float *up, size_t n);
} glim_gemm_set;

/* The set that goes with a kernel set; it also reads rows, so any set serves a model that packed nothing. */
const glim_gemm_set *glim_gemm_find(const char *name); /* NULL if unknown or this CPU cannot run it */
const glim_gemm_set *glim_gemm_of(const glim_kernels *k);

/* C [m, n] (+)= A B (+ bias[n]). Exactly one of w and b is set. */
typedef struct glim_gemm {
    size_t m, n, k;
    float *c;
    size_t ldc;
    bool add;
    const float *a; /* A[i][k] = a[i * a_row + k * a_k] */
    size_t a_row, a_k;
    const glim_mat *w;
    bool back;      /* false: B[k][n] = W[n][k], y = x W^T. true: B[k][n] = W[k][n], dx = dy W */
    const float *b; /* B[k][n] = b[k * b_k + n * b_n] */
    size_t b_k, b_n;
    const float *bias;
} glim_gemm;

/* Scratch of one product with at most m * k values in A, 64-byte aligned. */
size_t glim_gemm_bytes(const glim_gemm_set *s, size_t m, size_t k, int n_threads);
void glim_gemm_run(glim_pool *pool, const glim_gemm_set *s, glim_gemm_type type, const glim_gemm *g, void *scratch);

#endif
