/* quant_simple.c - plain rounding into f32, f16, bf16 and the five 32-value types, bit for bit as the
 * reference quantizers of those formats do it (ggml-quants.c, quantize_row_*_ref). No scale search: that
 * is compress/'s. Values that are not finite give a block of unspecified, but harmless, content. */
#include <math.h>
#include <string.h>

#include "tensor/dtype.h"

bool glim_quant_simple_can(glim_dtype t) {
    switch (t) {
    case GLIM_F32:
    case GLIM_F16:
    case GLIM_BF16:
    case GLIM_Q4_0:
    case GLIM_Q4_1:
    case GLIM_Q5_0:
    case GLIM_Q5_1:
    case GLIM_Q8_0: return true;
    default: return false;
    }
}

static void put_f16(uint8_t *p, float f) {
    uint16_t h = glim_f32_to_f16(f);
    memcpy(p, &h, 2);
}

/* v truncated towards zero, into [0, most]; NaN gives 0. */
static uint32_t trunc_to(float v, uint32_t most) {
    if (!(v > 0)) return 0;
    return v >= (float)most ? most : (uint32_t)v;
}

/* The element of largest magnitude, with its sign; the first of equals. */
static float signed_max(const float *x) {
    float amax = 0, max = 0;
    for (int i = 0; i < 32; i++) {
        if (fabsf(x[i]) > amax) {
            amax = fabsf(x[i]);
            max = x[i];
        }
    }
    return max;
}

/* Levels of one block: symmetric types put the largest magnitude on level 0 (so the top level is unused
 * on one side); the others span minimum to maximum. Writes the f16 header, returns its size. */
static size_t levels(uint8_t *p, const float *x, unsigned n_bits, bool has_min, uint8_t *q) {
    const uint32_t top = (1u << n_bits) - 1, half = 1u << (n_bits - 1);
    float min = 0, d, bias;
    if (has_min) {
        float max = x[0];
        min = x[0];
        for (int i = 1; i < 32; i++) {
            if (x[i] < min) min = x[i];
            if (x[i] > max) max = x[i];
        }
        d = (max - min) / (float)top;
        bias = 0.5f;
        put_f16(p + 2, min);
    } else {
        d = signed_max(x) / -(float)half;
        bias = (float)half + 0.5f;
    }
    const float inv = d != 0 ? 1.0f / d : 0.0f;
    put_f16(p, d);
    for (int i = 0; i < 32; i++) q[i] = (uint8_t)trunc_to((x[i] - min) * inv + bias, top);
    return has_min ? 4 : 2;
}

static void quant_4_5(uint8_t *p, const float *x, unsigned n_bits, bool has_min) {
    uint8_t q[32];
    p += levels(p, x, n_bits, has_min, q);
    if (n_bits == 5) {
        uint32_t qh = 0;
        for (int i = 0; i < 32; i++) qh |= (uint32_t)(q[i] >> 4) << i;
        memcpy(p, &qh, 4);
        p += 4;
    }
    for (int i = 0; i < 16; i++) p[i] = (uint8_t)((q[i] & 15) | (q[i + 16] & 15) << 4);
}

static void quant_q8(uint8_t *p, const float *x) {
    const float d = fabsf(signed_max(x)) / 127.0f, inv = d != 0 ? 1.0f / d : 0.0f;
    put_f16(p, d);
    for (int i = 0; i < 32; i++) {
        float v = roundf(x[i] * inv);
        p[2 + i] = (uint8_t)(int8_t)(v >= -128 && v <= 127 ? v : 0);
    }
}

void glim_quant_simple(glim_dtype t, const float *src, void *dst, size_t n) {
    const glim_dtype_info *info = glim_dtype_of(t);
    uint8_t *p = dst;
    GLIM_ASSERT(glim_quant_simple_can(t) && n % info->block_len == 0);
    if (t == GLIM_F32) {
        memcpy(dst, src, n * sizeof *src);
        return;
    }
    for (size_t i = 0; i < n; i += info->block_len, p += info->block_bytes) {
        switch (t) {
        case GLIM_F16: put_f16(p, src[i]); break;
        case GLIM_BF16: memcpy(p, &(uint16_t){glim_f32_to_bf16(src[i])}, 2); break;
        case GLIM_Q4_0: quant_4_5(p, src + i, 4, false); break;
        case GLIM_Q4_1: quant_4_5(p, src + i, 4, true); break;
        case GLIM_Q5_0: quant_4_5(p, src + i, 5, false); break;
        case GLIM_Q5_1: quant_4_5(p, src + i, 5, true); break;
        default: quant_q8(p, src + i); break;
        }
    }
}
