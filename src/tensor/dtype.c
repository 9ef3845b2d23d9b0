/* dtype.c - the table of types, scalar conversions, and exact dequantization; see dtype.h. */
#include "tensor/dtype.h"

#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "tensor/qblock.h"

static const glim_dtype_info g_info[GLIM_N_DTYPE] = {
    [GLIM_F32] = {"f32", 1, 4, false, true},
    [GLIM_F16] = {"f16", 1, 2, false, true},
    [GLIM_BF16] = {"bf16", 1, 2, false, true},
    [GLIM_F64] = {"f64", 1, 8, false, true},
    [GLIM_I8] = {"i8", 1, 1, false, true},
    [GLIM_I16] = {"i16", 1, 2, false, true},
    [GLIM_I32] = {"i32", 1, 4, false, true},
    [GLIM_I64] = {"i64", 1, 8, false, true},
    [GLIM_U8] = {"u8", 1, 1, false, true},
    [GLIM_U16] = {"u16", 1, 2, false, true},
    [GLIM_U32] = {"u32", 1, 4, false, true},
    [GLIM_U64] = {"u64", 1, 8, false, true},
    [GLIM_BOOL] = {"bool", 1, 1, false, true},
    [GLIM_F8_E4M3] = {"f8_e4m3", 1, 1, false, true},
    [GLIM_F8_E5M2] = {"f8_e5m2", 1, 1, false, true},
    [GLIM_Q4_0] = {"q4_0", 32, 18, true, true},
    [GLIM_Q4_1] = {"q4_1", 32, 20, true, true},
    [GLIM_Q5_0] = {"q5_0", 32, 22, true, true},
    [GLIM_Q5_1] = {"q5_1", 32, 24, true, true},
    [GLIM_Q8_0] = {"q8_0", 32, 34, true, true},
    [GLIM_Q8_1] = {"q8_1", 32, 36, true, true},
    [GLIM_Q2_K] = {"q2_k", 256, 84, true, true},
    [GLIM_Q3_K] = {"q3_k", 256, 110, true, true},
    [GLIM_Q4_K] = {"q4_k", 256, 144, true, true},
    [GLIM_Q5_K] = {"q5_k", 256, 176, true, true},
    [GLIM_Q6_K] = {"q6_k", 256, 210, true, true},
    [GLIM_Q8_K] = {"q8_k", 256, 292, true, true},
    [GLIM_IQ4_NL] = {"iq4_nl", 32, 18, true, true},
    [GLIM_IQ4_XS] = {"iq4_xs", 256, 136, true, true},
    [GLIM_MXFP4] = {"mxfp4", 32, 17, true, true},
};

const glim_dtype_info *glim_dtype_of(glim_dtype t) {
    GLIM_ASSERT((unsigned)t < GLIM_N_DTYPE);
    return &g_info[t];
}

bool glim_dtype_parse(const char *name, glim_dtype *out) {
    for (int t = 0; t < GLIM_N_DTYPE; t++) {
        if (strcasecmp(name, g_info[t].name) == 0) {
            *out = (glim_dtype)t;
            return true;
        }
    }
    return false;
}

glim_status glim_row_bytes(glim_dtype t, size_t n, size_t *bytes, glim_err *err) {
    const glim_dtype_info *info = glim_dtype_of(t);
    if (n % info->block_len)
        return glim_fail(err, GLIM_E_SHAPE, "a row of %zu values cannot be %s: want a multiple of %u", n,
                         info->name, (unsigned)info->block_len);
    if (!glim_mul_size(n / info->block_len, info->block_bytes, bytes))
        return glim_fail(err, GLIM_E_SHAPE, "a row of %zu %s values is larger than memory", n,
                         info->name);
    return GLIM_OK;
}

/* ---- scalars ---- */

typedef union bits {
    uint32_t u;
    float f;
} bits;

float glim_f16_to_f32(uint16_t h) {
    const uint32_t sign = (uint32_t)(h & 0x8000) << 16, mag = h & 0x7fff;
    bits v;
    if (mag >= 0x7c00) { /* infinity; NaN is made quiet, as the hardware does */
        v.u = sign | 0x7f800000u | (mag & 0x3ff) << 13 | (mag > 0x7c00 ? 0x400000u : 0);
    } else if (mag >= 0x400) {
        v.u = sign | ((mag << 13) + ((127u - 15u) << 23));
    } else { /* zero and subnormals: mag * 2^-24, exact */
        v.f = (float)mag * 0x1p-24f;
        v.u |= sign;
    }
    return v.f;
}

uint16_t glim_f32_to_f16(float f) {
    bits v = {.f = f};
    const uint16_t sign = (uint16_t)(v.u >> 16 & 0x8000);
    v.u &= 0x7fffffffu;
    if (v.u > 0x7f800000u) return (uint16_t)(sign | 0x7e00 | (v.u >> 13 & 0x3ff));
    if (v.u >= 0x477ff000u) return (uint16_t)(sign | 0x7c00); /* 65520 and above round to infinity */
    if (v.u < 0x38800000u) { /* below 2^-14: adding 0.5 leaves a multiple of 2^-24 in the low bits */
        v.f += 0.5f;
        return (uint16_t)(sign | (v.u - 0x3f000000u));
    }
    v.u += 0xfffu + (v.u >> 13 & 1); /* round to nearest even */
    return (uint16_t)(sign | ((v.u >> 13) - ((127u - 15u) << 10)));
}

/* 4 exponent bits with bias 7, 3 mantissa bits, no infinities: arXiv:2209.05433. */
static float f8_e4m3(uint8_t b) {
    const uint32_t sign = (uint32_t)(b & 0x80) << 24, mag = b & 0x7f;
    bits v;
    if (mag == 0x7f) v.u = 0x7fc00000u;
    else if (mag >= 8) v.u = (mag << 20) + ((127u - 7u) << 23);
    else v.f = (float)mag * 0x1p-9f;
    v.u |= sign;
    return v.f;
}

/* ---- rows ---- */

#define EACH(type, value)                                       \
    for (size_t i = 0; i < n; i++) {                            \
        type v;                                                 \
        memcpy(&v, (const char *)src + i * sizeof v, sizeof v); \
        dst[i] = (value);                                       \
    }                                                           \
    break

void glim_dequant(glim_dtype t, const void *src, float *dst, size_t n) {
    switch (t) {
    case GLIM_F32: memcpy(dst, src, n * sizeof *dst); return;
    case GLIM_F16: EACH(uint16_t, glim_f16_to_f32(v));
    case GLIM_BF16: EACH(uint16_t, glim_bf16_to_f32(v));
    case GLIM_F64: EACH(double, (float)v);
    case GLIM_I8: EACH(int8_t, (float)v);
    case GLIM_I16: EACH(int16_t, (float)v);
    case GLIM_I32: EACH(int32_t, (float)v);
    case GLIM_I64: EACH(int64_t, (float)v);
    case GLIM_U8: EACH(uint8_t, (float)v);
    case GLIM_U16: EACH(uint16_t, (float)v);
    case GLIM_U32: EACH(uint32_t, (float)v);
    case GLIM_U64: EACH(uint64_t, (float)v);
    case GLIM_BOOL: EACH(uint8_t, v ? 1.0f : 0.0f);
    case GLIM_F8_E4M3: EACH(uint8_t, f8_e4m3(v));
    case GLIM_F8_E5M2: EACH(uint8_t, glim_f16_to_f32((uint16_t)(v << 8)));
    default: {
        const bool has_add = glim_qkind_of(t).has_add;
        GLIM_ASSERT(n % g_info[t].block_len == 0);
        for (size_t b = 0; b < n / 32; b++, dst += 32) {
            glim_qblock q;
            glim_qblock_read(t, src, b, &q);
            /* Without a minimum nothing is added: -0 must stay -0. */
            if (has_add)
                for (int i = 0; i < 32; i++) dst[i] = q.scale[i / 16] * (float)q.q[i] + q.add[i / 16];
            else
                for (int i = 0; i < 32; i++) dst[i] = q.scale[i / 16] * (float)q.q[i];
        }
    }
    }
}
