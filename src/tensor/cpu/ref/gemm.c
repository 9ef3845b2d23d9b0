/* gemm.c - plain C definition of training's products (tensor/gemm.h). */
#include <math.h>

#include "tensor/cpu/tile_body.h"
#include "tensor/kernels_internal.h"

bool glim_ref_bf16_pairs;
static bool has_pairs(void) { return glim_ref_bf16_pairs; }

/* What vdpbf16ps computes, but for values that it flushes to zero: products of two bf16 are exact in f32. */
static void mm_pairs(float *c, size_t ldc, const uint32_t *a, size_t a_row, size_t a_k, const uint32_t *b, size_t ldb, size_t m, size_t n,
                     size_t k, bool add) {
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            float acc = add ? c[i * ldc + j] : 0;
            for (size_t p = 0; p < k; p++) {
                const uint32_t x = a[i * a_row + p * a_k], y = b[p * ldb + j];
                acc = fmaf(glim_bf16_to_f32((uint16_t)(x >> 16)), glim_bf16_to_f32((uint16_t)(y >> 16)), acc);
                acc = fmaf(glim_bf16_to_f32((uint16_t)x), glim_bf16_to_f32((uint16_t)y), acc);
            }
            c[i * ldc + j] = acc;
        }
}

static void pair(uint32_t *dst, const float *lo, const float *hi, size_t n) {
    for (size_t i = 0; i < n; i++) dst[i] = (uint32_t)glim_f32_to_bf16(lo[i]) | (uint32_t)glim_f32_to_bf16(hi[i]) << 16;
}

static void turn(float *dst, size_t dst_stride, const float *src, size_t src_stride) {
    for (size_t i = 0; i < 16; i++)
        for (size_t j = 0; j < 16; j++) dst[j * dst_stride + i] = src[i * src_stride + j];
}

static void mm(float *c, size_t ldc, const float *a, size_t a_row, size_t a_k, const float *b, size_t ldb, size_t m, size_t n, size_t k,
               bool add) {
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            float acc = add ? c[i * ldc + j] : 0;
            for (size_t p = 0; p < k; p++) acc = fmaf(a[i * a_row + p * a_k], b[p * ldb + j], acc);
            c[i * ldc + j] = acc;
        }
}

static void exps(float *y, const float *x, float shift, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] = expf(x[i] - shift);
}

static void silu_back(float *dgate, float *dup, const float *dmid, const float *gate, const float *up, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const float s = 1 / (1 + expf(-gate[i])), d = dmid[i];
        dup[i] = d * gate[i] * s;
        dgate[i] = d * up[i] * s * (1 + gate[i] * (1 - s));
    }
}

const glim_gemm_set glim_gemm_ref = {
    .name = "ref", .rows = 4, .pairs = has_pairs, .tile = tile, .turn = turn, .mm = mm, .mm_pairs = mm_pairs, .pair = pair, .exp = exps,
    .silu_back = silu_back,
};
