/* finite.c - see finite.h. A NaN or an infinity is an exponent of all ones. */
#include "model/finite.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

static bool any_u16(const unsigned char *p, size_t n, uint16_t mask) {
    bool bad = false;
    for (size_t i = 0; i < n; i++) {
        uint16_t v;
        memcpy(&v, p + 2 * i, 2);
        bad |= (v & mask) == mask;
    }
    return bad;
}

static bool any_u32(const unsigned char *p, size_t n) {
    bool bad = false;
    for (size_t i = 0; i < n; i++) {
        uint32_t v;
        memcpy(&v, p + 4 * i, 4);
        bad |= (v & 0x7f800000u) == 0x7f800000u;
    }
    return bad;
}

/* Where the f16 scales of a block lie: first, and a second right behind it or not. */
static bool scale_place(glim_dtype type, size_t *offset, size_t *count) {
    *count = 1;
    switch (type) {
    case GLIM_Q4_0: case GLIM_Q5_0: case GLIM_Q8_0: case GLIM_IQ4_NL: case GLIM_IQ4_XS: *offset = 0; return true;
    case GLIM_Q4_1: case GLIM_Q5_1: case GLIM_Q4_K: case GLIM_Q5_K: *offset = 0, *count = 2; return true;
    case GLIM_Q2_K: *offset = 80, *count = 2; return true;
    case GLIM_Q3_K: *offset = 108; return true;
    case GLIM_Q6_K: *offset = 208; return true;
    default: return false;
    }
}

bool glim_row_is_finite(glim_dtype type, const void *row, size_t n) {
    const unsigned char *p = row;
    size_t offset, count;
    if (type == GLIM_BF16) return !any_u16(p, n, 0x7f80);
    if (type == GLIM_F16) return !any_u16(p, n, 0x7c00);
    if (type == GLIM_F32) return !any_u32(p, n);
    const glim_dtype_info *d = glim_dtype_of(type);
    if (scale_place(type, &offset, &count)) {
        for (size_t b = 0; b < n / d->block_len; b++)
            if (any_u16(p + b * d->block_bytes + offset, count, 0x7c00)) return false;
        return true;
    }
    /* The rest (f64, f8, MXFP4, Q8_K, ...): by value. */
    float v[256];
    size_t step = d->block_len > 1 ? d->block_len : 256;
    for (size_t i = 0; i < n; i += step) {
        size_t m = n - i < step ? n - i : step;
        glim_dequant(type, p + i / d->block_len * d->block_bytes, v, m);
        for (size_t j = 0; j < m; j++)
            if (!isfinite(v[j])) return false;
    }
    return true;
}
