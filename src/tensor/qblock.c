/* qblock.c - decodes blocks of 32; see qblock.h. Layouts: ggml-common.h, restated in docs/model.md. */
#include "tensor/qblock.h"

#include <string.h>

const int8_t glim_iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                    1,    13,   25,  38,  53,  69,  89,  113};
const int8_t glim_mxfp4_values[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

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

glim_qkind glim_qkind_of(glim_dtype t) {
    switch (t) {
    case GLIM_Q4_1:
    case GLIM_Q5_1:
    case GLIM_Q4_K:
    case GLIM_Q5_K: return (glim_qkind){.has_add = true};
    case GLIM_Q2_K: return (glim_qkind){.halves = true, .has_add = true};
    case GLIM_Q3_K:
    case GLIM_Q6_K: return (glim_qkind){.halves = true};
    default: return (glim_qkind){0};
    }
}

/* Sixteen bytes: low nibbles are values 0..15, high nibbles 16..31. */
static void nibbles(int8_t *q, const uint8_t *qs, int minus) {
    for (int i = 0; i < 16; i++) {
        q[i] = (int8_t)((qs[i] & 15) - minus);
        q[i + 16] = (int8_t)((qs[i] >> 4) - minus);
    }
}
static void nibbles_table(int8_t *q, const uint8_t *qs, const int8_t *table) {
    for (int i = 0; i < 16; i++) {
        q[i] = table[qs[i] & 15];
        q[i + 16] = table[qs[i] >> 4];
    }
}
/* As nibbles, with bit i of the 32-bit word at qh as the fifth bit of value i. */
static void nibbles_5(int8_t *q, const uint8_t *qh, const uint8_t *qs, int minus) {
    uint32_t h;
    memcpy(&h, qh, 4);
    for (int i = 0; i < 16; i++) {
        q[i] = (int8_t)(((qs[i] & 15) | (h >> i & 1) << 4) - (uint32_t)minus);
        q[i + 16] = (int8_t)(((qs[i] >> 4) | (h >> (i + 16) & 1) << 4) - (uint32_t)minus);
    }
}

static void one_scale(glim_qblock *o, float scale, float add) {
    o->scale[0] = o->scale[1] = scale;
    o->add[0] = o->add[1] = add;
}

/* 84 bytes: scales[16], qs[64], d, dmin. Sub-block b covers 2-bit field b % 4 of 32 bytes of qs. */
static void read_q2k(const uint8_t *p, size_t b, glim_qblock *o) {
    const uint8_t *sc = p + 2 * b, *qs = p + 16 + 32 * (b / 4);
    const float d = read_f16(p + 80), dmin = read_f16(p + 82);
    const unsigned shift = 2 * (b % 4);
    for (int i = 0; i < 32; i++) o->q[i] = (int8_t)(qs[i] >> shift & 3);
    for (int h = 0; h < 2; h++) {
        o->scale[h] = d * (float)(sc[h] & 15);
        o->add[h] = -(dmin * (float)(sc[h] >> 4));
    }
}

/* 110 bytes: hmask[32], qs[64], scales[12], d. Bit b of hmask set means the value is not lowered by 4. */
static void read_q3k(const uint8_t *p, size_t b, glim_qblock *o) {
    const uint8_t *hmask = p, *qs = p + 32 + 32 * (b / 4), *sc = p + 96;
    const float d = read_f16(p + 108);
    const unsigned shift = 2 * (b % 4);
    for (int i = 0; i < 32; i++)
        o->q[i] = (int8_t)((qs[i] >> shift & 3) - (hmask[i] >> b & 1 ? 0 : 4));
    for (int h = 0; h < 2; h++) {
        o->scale[h] = d * (float)glim_q3k_scale(sc, (int)(2 * b) + h);
        o->add[h] = 0;
    }
}

/* 144 bytes: d, dmin, scales[12], qs[128]; 176 with qh[32] before qs for Q5_K. Chunk b / 2 of qs holds
 * sub-block b in its low (b even) or high nibbles. */
static void read_q45k(const uint8_t *p, size_t b, bool five, glim_qblock *o) {
    const uint8_t *qh = p + 16, *qs = p + (five ? 48 : 16) + 32 * (b / 2);
    uint8_t sc, mn;
    glim_k4_scale(p + 4, (int)b, &sc, &mn);
    const unsigned shift = 4 * (b % 2);
    for (int i = 0; i < 32; i++) {
        int v = qs[i] >> shift & 15;
        if (five) v |= (qh[i] >> b & 1) << 4;
        o->q[i] = (int8_t)v;
    }
    one_scale(o, read_f16(p) * (float)sc, -(read_f16(p + 2) * (float)mn));
}

/* 210 bytes: ql[128], qh[64], scales[16], d. Half b / 4; inside it sub-block s = b % 4 has its low bits in
 * nibble s / 2 of ql[32 (s % 2) ..] and its high bits in field s of qh. */
static void read_q6k(const uint8_t *p, size_t b, glim_qblock *o) {
    const size_t half = b / 4, s = b % 4;
    const uint8_t *ql = p + 64 * half + 32 * (s % 2), *qh = p + 128 + 32 * half;
    const int8_t *sc = (const int8_t *)(p + 192 + 8 * half + 2 * s);
    const float d = read_f16(p + 208);
    for (int i = 0; i < 32; i++)
        o->q[i] = (int8_t)(((ql[i] >> 4 * (s / 2) & 15) | (qh[i] >> 2 * s & 3) << 4) - 32);
    for (int h = 0; h < 2; h++) {
        o->scale[h] = d * (float)sc[h];
        o->add[h] = 0;
    }
}

/* 136 bytes: d, scales_h, scales_l[4], qs[128]. */
static void read_iq4xs(const uint8_t *p, size_t b, glim_qblock *o) {
    uint16_t high;
    memcpy(&high, p + 2, 2);
    int s = (p[4 + b / 2] >> 4 * (b % 2) & 15) | (high >> 2 * b & 3) << 4;
    nibbles_table(o->q, p + 8 + 16 * b, glim_iq4_values);
    one_scale(o, read_f16(p) * (float)(s - 32), 0);
}

void glim_qblock_read(glim_dtype t, const void *row, size_t b, glim_qblock *o) {
    const glim_dtype_info *info = glim_dtype_of(t);
    const size_t per = info->block_len / 32u; /* 1 or 8 */
    const uint8_t *p = (const uint8_t *)row + b / per * info->block_bytes;
    b %= per;
    switch (t) {
    case GLIM_Q4_0: nibbles(o->q, p + 2, 8), one_scale(o, read_f16(p), 0); break;
    case GLIM_Q4_1: nibbles(o->q, p + 4, 0), one_scale(o, read_f16(p), read_f16(p + 2)); break;
    case GLIM_Q5_0: nibbles_5(o->q, p + 2, p + 6, 16), one_scale(o, read_f16(p), 0); break;
    case GLIM_Q5_1: nibbles_5(o->q, p + 4, p + 8, 0), one_scale(o, read_f16(p), read_f16(p + 2)); break;
    case GLIM_Q8_0: memcpy(o->q, p + 2, 32), one_scale(o, read_f16(p), 0); break;
    case GLIM_Q8_1: memcpy(o->q, p + 4, 32), one_scale(o, read_f16(p), 0); break; /* p + 2: a sum */
    case GLIM_Q2_K: read_q2k(p, b, o); break;
    case GLIM_Q3_K: read_q3k(p, b, o); break;
    case GLIM_Q4_K: read_q45k(p, b, false, o); break;
    case GLIM_Q5_K: read_q45k(p, b, true, o); break;
    case GLIM_Q6_K: read_q6k(p, b, o); break;
    case GLIM_Q8_K: {
        float d;
        memcpy(&d, p, 4);
        memcpy(o->q, p + 4 + 32 * b, 32);
        one_scale(o, d, 0);
        break;
    }
    case GLIM_IQ4_NL: nibbles_table(o->q, p + 2, glim_iq4_values), one_scale(o, read_f16(p), 0); break;
    case GLIM_IQ4_XS: read_iq4xs(p, b, o); break;
    case GLIM_MXFP4: nibbles_table(o->q, p + 1, glim_mxfp4_values), one_scale(o, glim_mxfp4_scale(p[0]), 0); break;
    default: GLIM_ASSERT(!"a block type");
    }
}
