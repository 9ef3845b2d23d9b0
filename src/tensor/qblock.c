/* qblock.c - decodes blocks of 32; see qblock.h. Layouts: ggml-common.h, restated in docs/model.md.
 *
 * Byte offsets of the types, d, m and dmin being f16:
 *   Q4_0, IQ4_NL  d qs[16]                 Q2_K    scales[16] qs[64] d dmin
 *   Q4_1          d m qs[16]               Q3_K    hmask[32] qs[64] scales[12] d
 *   Q5_0          d qh[4] qs[16]           Q4_K    d dmin scales[12] qs[128]
 *   Q5_1          d m qh[4] qs[16]         Q5_K    d dmin scales[12] qh[32] qs[128]
 *   Q8_0          d q[32]                  Q6_K    ql[128] qh[64] scales[16] d
 *   Q8_1          d sum q[32]              Q8_K    d (f32) q[256] sums[16]
 *   MXFP4         e qs[16]                 IQ4_XS  d scales_h[2] scales_l[4] qs[128]          */
#include "tensor/qblock.h"

#include <string.h>

const int8_t glim_iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                    1,    13,   25,  38,  53,  69,  89,  113};
const int8_t glim_mxfp4_values[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

glim_qkind glim_qkind_of(glim_dtype t) {
    switch (t) {
    case GLIM_Q4_0: return (glim_qkind){.minus = 8};
    case GLIM_Q5_0: return (glim_qkind){.minus = 16};
    case GLIM_Q4_1:
    case GLIM_Q5_1:
    case GLIM_Q4_K:
    case GLIM_Q5_K: return (glim_qkind){.has_add = true};
    case GLIM_Q2_K: return (glim_qkind){.halves = true, .has_add = true};
    case GLIM_Q3_K: return (glim_qkind){.halves = true, .minus = 4};
    case GLIM_Q6_K: return (glim_qkind){.halves = true, .minus = 32};
    case GLIM_Q8_0:
    case GLIM_Q8_1:
    case GLIM_Q8_K: return (glim_qkind){.minus = 128};
    case GLIM_IQ4_NL:
    case GLIM_IQ4_XS: return (glim_qkind){.table = glim_iq4_values};
    case GLIM_MXFP4: return (glim_qkind){.table = glim_mxfp4_values};
    default: return (glim_qkind){0};
    }
}

/* ---- codes ---- */

/* Sixteen bytes: low nibbles are values 0..15, high nibbles 16..31. */
static void nibbles(uint8_t *code, const uint8_t *qs) {
    for (int i = 0; i < 16; i++) {
        code[i] = qs[i] & 15;
        code[i + 16] = qs[i] >> 4;
    }
}
/* Bit i of the 32-bit word at qh is the fifth bit of value i. */
static void fifth_bits(uint8_t *code, const uint8_t *qh) {
    uint32_t h;
    memcpy(&h, qh, 4);
    for (int i = 0; i < 32; i++) code[i] = (uint8_t)(code[i] | (h >> i & 1) << 4);
}
static void bytes_8(uint8_t *code, const uint8_t *q) {
    for (int i = 0; i < 32; i++) code[i] = q[i] ^ 0x80;
}

/* Sub-block b is the 2-bit field b % 4 of 32 bytes, another 32 for each half of four sub-blocks. */
static void codes_q2k(uint8_t *code, const uint8_t *qs, size_t b) {
    for (int i = 0; i < 32; i++) code[i] = qs[32 * (b / 4) + i] >> 2 * (b % 4) & 3;
}
static void codes_q3k(uint8_t *code, const uint8_t *p, size_t b) {
    codes_q2k(code, p + 32, b);
    for (int i = 0; i < 32; i++) code[i] = (uint8_t)(code[i] | (p[i] >> b & 1) << 2);
}
/* 32 bytes hold sub-block b in their low (b even) or high nibbles. */
static void codes_q4k(uint8_t *code, const uint8_t *qs, size_t b) {
    for (int i = 0; i < 32; i++) code[i] = qs[32 * (b / 2) + i] >> 4 * (b % 2) & 15;
}
static void codes_q5k(uint8_t *code, const uint8_t *p, size_t b) {
    codes_q4k(code, p + 48, b);
    for (int i = 0; i < 32; i++) code[i] = (uint8_t)(code[i] | (p[16 + i] >> b & 1) << 4);
}
/* Half b / 4; inside it sub-block s = b % 4 has its low bits in nibble s / 2 of ql[32 (s % 2) ..]
 * and its high bits in field s of qh. */
static void codes_q6k(uint8_t *code, const uint8_t *p, size_t b) {
    const size_t half = b / 4, s = b % 4;
    const uint8_t *ql = p + 64 * half + 32 * (s % 2), *qh = p + 128 + 32 * half;
    for (int i = 0; i < 32; i++)
        code[i] = (uint8_t)((ql[i] >> 4 * (s / 2) & 15) | (qh[i] >> 2 * s & 3) << 4);
}

/* p is the block, b the run of 32 inside it. */
static void codes(glim_dtype t, const uint8_t *p, size_t b, uint8_t *code) {
    switch (t) {
    case GLIM_Q4_0:
    case GLIM_IQ4_NL: nibbles(code, p + 2); break;
    case GLIM_Q4_1: nibbles(code, p + 4); break;
    case GLIM_Q5_0: nibbles(code, p + 6), fifth_bits(code, p + 2); break;
    case GLIM_Q5_1: nibbles(code, p + 8), fifth_bits(code, p + 4); break;
    case GLIM_Q8_0: bytes_8(code, p + 2); break;
    case GLIM_Q8_1: bytes_8(code, p + 4); break;
    case GLIM_Q8_K: bytes_8(code, p + 4 + 32 * b); break;
    case GLIM_Q2_K: codes_q2k(code, p + 16, b); break;
    case GLIM_Q3_K: codes_q3k(code, p, b); break;
    case GLIM_Q4_K: codes_q4k(code, p + 16, b); break;
    case GLIM_Q5_K: codes_q5k(code, p, b); break;
    case GLIM_Q6_K: codes_q6k(code, p, b); break;
    case GLIM_IQ4_XS: nibbles(code, p + 8 + 16 * b); break;
    case GLIM_MXFP4: nibbles(code, p + 1); break;
    default: GLIM_ASSERT(glim_dtype_of(t)->is_quant);
    }
}

/* ---- scales ---- */

static float read_f16(const uint8_t *p) {
    uint16_t h;
    memcpy(&h, p, 2);
    return glim_f16_to_f32(h);
}

float glim_mxfp4_scale(uint8_t e) {
    union { uint32_t u; float f; } v;
    v.u = e < 2 ? 0x00200000u << e : (uint32_t)(e - 1) << 23;
    return v.f;
}

static void one_scale(glim_qblock *o, float scale, float add) {
    o->scale[0] = o->scale[1] = scale;
    o->add[0] = o->add[1] = add;
}

static void scales(glim_dtype t, const uint8_t *p, size_t b, glim_qblock *o) {
    uint8_t sc, mn;
    uint16_t high;
    float d;
    switch (t) {
    case GLIM_Q4_1:
    case GLIM_Q5_1: one_scale(o, read_f16(p), read_f16(p + 2)); break;
    case GLIM_Q2_K:
        for (int h = 0; h < 2; h++) {
            o->scale[h] = read_f16(p + 80) * (float)(p[2 * b + h] & 15);
            o->add[h] = -(read_f16(p + 82) * (float)(p[2 * b + h] >> 4));
        }
        break;
    case GLIM_Q3_K:
        one_scale(o, 0, 0);
        for (int h = 0; h < 2; h++)
            o->scale[h] = read_f16(p + 108) * (float)glim_q3k_scale(p + 96, (int)(2 * b) + h);
        break;
    case GLIM_Q4_K:
    case GLIM_Q5_K:
        glim_k4_scale(p + 4, (int)b, &sc, &mn);
        one_scale(o, read_f16(p) * (float)sc, -(read_f16(p + 2) * (float)mn));
        break;
    case GLIM_Q6_K:
        one_scale(o, 0, 0);
        for (int h = 0; h < 2; h++)
            o->scale[h] = read_f16(p + 208) * (float)(int8_t)p[192 + 2 * b + h];
        break;
    case GLIM_Q8_K:
        memcpy(&d, p, 4);
        one_scale(o, d, 0);
        break;
    case GLIM_IQ4_XS:
        memcpy(&high, p + 2, 2);
        one_scale(o,
                  read_f16(p) *
                      (float)(((p[4 + b / 2] >> 4 * (b % 2) & 15) | (high >> 2 * b & 3) << 4) - 32),
                  0);
        break;
    case GLIM_MXFP4: one_scale(o, glim_mxfp4_scale(p[0]), 0); break;
    default: one_scale(o, read_f16(p), 0); break;
    }
}

/* ---- both ---- */

static const uint8_t *find_block(glim_dtype t, const void *row, size_t *b) {
    const glim_dtype_info *info = glim_dtype_of(t);
    const size_t per = info->block_len / 32u, i = *b / per;
    *b %= per;
    return (const uint8_t *)row + i * info->block_bytes;
}

void glim_qblock_codes(glim_dtype t, const void *row, size_t b, uint8_t code[32]) {
    const uint8_t *p = find_block(t, row, &b);
    codes(t, p, b, code);
}

void glim_qblock_read(glim_dtype t, const void *row, size_t b, glim_qblock *o) {
    const glim_qkind kind = glim_qkind_of(t);
    const uint8_t *p = find_block(t, row, &b);
    uint8_t code[32];
    codes(t, p, b, code);
    if (kind.table)
        for (int i = 0; i < 32; i++) o->q[i] = kind.table[code[i]];
    else
        for (int i = 0; i < 32; i++) o->q[i] = (int8_t)(code[i] - kind.minus);
    scales(t, p, b, o);
}
