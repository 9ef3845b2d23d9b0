/* dtype.h - the element and block types of checkpoint files, and their exact values.
 *
 * Block types hold block_len values in block_bytes bytes (specification: the struct definitions of
 * ggml-common.h; layouts restated in docs/model.md). A row of n values is n / block_len blocks; n must be
 * a multiple of block_len. */
#ifndef GLIM_TENSOR_DTYPE_H
#define GLIM_TENSOR_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef enum glim_dtype {
    GLIM_F32, GLIM_F16, GLIM_BF16, GLIM_F64,
    GLIM_I8, GLIM_I16, GLIM_I32, GLIM_I64, GLIM_U8, GLIM_U16, GLIM_U32, GLIM_U64, GLIM_BOOL,
    GLIM_F8_E4M3, GLIM_F8_E5M2,
    GLIM_Q4_0, GLIM_Q4_1, GLIM_Q5_0, GLIM_Q5_1, GLIM_Q8_0, GLIM_Q8_1,
    GLIM_Q2_K, GLIM_Q3_K, GLIM_Q4_K, GLIM_Q5_K, GLIM_Q6_K, GLIM_Q8_K,
    GLIM_IQ4_NL, GLIM_IQ4_XS, GLIM_MXFP4,
    GLIM_N_DTYPE
} glim_dtype;

typedef struct glim_dtype_info {
    const char *name;    /* "bf16", "q4_k" */
    uint16_t block_len;  /* values in a block: 1, 32 or 256 */
    uint16_t block_bytes;
    bool is_quant;       /* a block type with scales */
    bool has_values;     /* glim_dequant can turn it into f32 */
} glim_dtype_info;

/* Never NULL for t < GLIM_N_DTYPE. */
const glim_dtype_info *glim_dtype_of(glim_dtype t);
/* By name, any case; false if there is none. */
bool glim_dtype_parse(const char *name, glim_dtype *out);

/* Bytes of a row of n values; GLIM_E_SHAPE if n is not a multiple of the block length or the product
 * overflows. */
glim_status glim_row_bytes(glim_dtype t, size_t n, size_t *bytes, glim_err *err);

/* dst[0..n) = the exact values of src, a row of n values (n a multiple of block_len), for every type
 * with has_values. Integers and f64 are rounded to f32. src needs no alignment; no overlap. */
void glim_dequant(glim_dtype t, const void *src, float *dst, size_t n);
/* The reverse for the plain types (f32, f16, bf16; round to nearest even) and, for tests and conversion,
 * simple absolute-maximum rounding for Q8_0, Q4_0, Q4_1, Q5_0, Q5_1 as the reference quantizer does it. */
void glim_quant_simple(glim_dtype t, const float *src, void *dst, size_t n);
bool glim_quant_simple_can(glim_dtype t);

/* Scalar conversions, round to nearest even, NaN stays NaN. */
float glim_f16_to_f32(uint16_t h);
uint16_t glim_f32_to_f16(float f);
static inline float glim_bf16_to_f32(uint16_t b) {
    union { uint32_t u; float f; } v = {.u = (uint32_t)b << 16};
    return v.f;
}
static inline uint16_t glim_f32_to_bf16(float f) {
    union { float f; uint32_t u; } v = {.f = f};
    if ((v.u & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(v.u >> 16 | 0x40); /* quiet NaN */
    return (uint16_t)((v.u + 0x7fffu + (v.u >> 16 & 1)) >> 16);
}

#endif
