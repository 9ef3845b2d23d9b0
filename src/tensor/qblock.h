/* qblock.h - one 32-value block of a quantized row, decoded to integers and scales.
 *
 * Every block type reads as   value[i] = scale[i / 16] * q[i] + add[i / 16]
 * in runs of 32 values; a 256-value block is eight of them. The plain C kernels, exact
 * dequantization and the panel packer all read files through this one view, so each bit layout is
 * written down once. Products such as d * sc are formed as the reference formats do, in f32, where
 * they are exact. */
#ifndef GLIM_TENSOR_QBLOCK_H
#define GLIM_TENSOR_QBLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tensor/dtype.h"

typedef struct glim_qblock {
    int8_t q[32];
    float scale[2]; /* of values 0..15 and 16..31 */
    float add[2];   /* 0 for types without a minimum */
} glim_qblock;

/* How a type's codes become integers, and what scales they have. */
typedef struct glim_qkind {
    bool halves;         /* the two halves of 16 have their own scale */
    bool has_add;        /* there is a minimum, so a second term */
    uint8_t minus;       /* q = code - minus, unless there is a table */
    const int8_t *table; /* q = table[code] */
} glim_qkind;
glim_qkind glim_qkind_of(glim_dtype t);

/* Decodes values [32 b, 32 b + 32) of a row. t must be a block type. */
void glim_qblock_read(glim_dtype t, const void *row, size_t b, glim_qblock *out);
/* The unsigned codes alone, before glim_qkind turns them into integers (8-bit types: q + 128). */
void glim_qblock_codes(glim_dtype t, const void *row, size_t b, uint8_t code[32]);

/* The 4-bit code books: IQ4_NL / IQ4_XS, and MXFP4 (twice its value, so that it is an integer). */
extern const int8_t glim_iq4_values[16];
extern const int8_t glim_mxfp4_values[16];

/* 2^(e - 128): the scale that goes with glim_mxfp4_values. Exact for every e, subnormal below 2. */
float glim_mxfp4_scale(uint8_t e);

/* Scale and minimum of sub-block j (0..7) of a Q4_K or Q5_K block, from its 12 bytes: 6 bits each. */
static inline void glim_k4_scale(const uint8_t *b, int j, uint8_t *sc, uint8_t *mn) {
    if (j < 4) {
        *sc = b[j] & 63;
        *mn = b[j + 4] & 63;
    } else {
        *sc = (uint8_t)((b[j + 4] & 15) | (b[j - 4] >> 6) << 4);
        *mn = (uint8_t)((b[j + 4] >> 4) | (b[j] >> 6) << 4);
    }
}

/* Scale i (0..15) of a Q3_K block, -32..31, from its 12 bytes. */
static inline int8_t glim_q3k_scale(const uint8_t *b, int i) {
    int low = i < 8 ? b[i] & 15 : b[i - 8] >> 4;
    int high = b[8 + i % 4] >> 2 * (i / 4) & 3;
    return (int8_t)((low | high << 4) - 32);
}

#endif
