/* panel.c - packs rows of a file into panels; layouts in panel.h. Plain C: one packer for all sets, so
 * that sets can share packed files. */
#include "tensor/panel.h"

#include <string.h>

#include "tensor/kernels_internal.h"
#include "tensor/qblock.h"

glim_dtype glim_panel_type(glim_dtype t) {
    switch (t) {
    case GLIM_F16:
    case GLIM_F8_E4M3:
    case GLIM_F8_E5M2: return GLIM_F16;
    case GLIM_BF16: return GLIM_BF16;
    case GLIM_Q8_1: return GLIM_Q8_0;
    case GLIM_Q8_K: return GLIM_N_DTYPE;
    default: return glim_dtype_of(t)->is_quant ? t : GLIM_F32;
    }
}

enum { NIBBLES = 256, BIT = 64, PAIR = 128, BYTES = 512, F16S = 32 /* sixteen f16 */ };

glim_panel_layout glim_panel_layout_of(glim_dtype t) {
#define LAYOUT(n, scales, code) \
    (glim_panel_layout) { (n), (scales) + (n) * (code), (scales), (code) }
    switch (t) {
    case GLIM_Q4_0:
    case GLIM_IQ4_NL: return LAYOUT(2, 2 * F16S, NIBBLES);
    case GLIM_Q4_1: return LAYOUT(1, 2 * F16S, NIBBLES);
    case GLIM_Q5_0: return LAYOUT(2, 2 * F16S, BIT + NIBBLES);
    case GLIM_Q5_1: return LAYOUT(1, 2 * F16S, BIT + NIBBLES);
    case GLIM_Q8_0: return LAYOUT(2, 2 * F16S, BYTES);
    case GLIM_MXFP4: return LAYOUT(4, 64, NIBBLES);
    case GLIM_Q2_K: return LAYOUT(8, 2 * F16S + 256, PAIR);
    case GLIM_Q3_K: return LAYOUT(16, 2 * F16S + 512, BIT + PAIR);
    case GLIM_Q4_K: return LAYOUT(8, 2 * F16S + 192, NIBBLES);
    case GLIM_Q5_K: return LAYOUT(8, 2 * F16S + 192, BIT + NIBBLES);
    case GLIM_Q6_K: return LAYOUT(16, 2 * F16S + 512, PAIR + NIBBLES);
    case GLIM_IQ4_XS: return LAYOUT(8, 2 * F16S + 64, NIBBLES);
    default: return (glim_panel_layout){0};
    }
#undef LAYOUT
}

size_t glim_panel_stride(glim_dtype t, size_t n_in) {
    const glim_dtype kind = glim_panel_type(t);
    switch (kind) {
    case GLIM_N_DTYPE: return 0;
    case GLIM_F32: return n_in * 64;
    case GLIM_F16: return (n_in + 1) / 2 * 64;
    case GLIM_BF16: return (n_in + 1) / 2 * 64;
    default: {
        const glim_panel_layout l = glim_panel_layout_of(kind);
        return (glim_act_blocks(n_in) + l.blocks - 1) / l.blocks * l.group_bytes;
    }
    }
}

size_t glim_panel_bytes(glim_dtype t, size_t n_out, size_t n_in) {
    return glim_panel_count(n_out) * glim_panel_stride(t, n_in);
}

/* ---- float panels ---- */

/* Column c of a panel from a row of any plain type. */
static void pack_plain(uint8_t *panel, glim_dtype t, const uint8_t *row, size_t n_in, size_t c) {
    enum { RUN = 256 };
    const size_t size = glim_dtype_of(t)->block_bytes;
    float v[RUN];
    for (size_t k0 = 0; k0 < n_in; k0 += RUN) {
        const size_t n = n_in - k0 < RUN ? n_in - k0 : RUN;
        glim_dequant(t, row + k0 * size, v, n);
        if (glim_panel_type(t) == GLIM_F16) {
            for (size_t k = 0; k < n; k++) {
                const uint16_t h = glim_f32_to_f16(v[k]);
                memcpy(panel + (k0 + k) * 32 + 2 * c, &h, 2);
            }
        } else {
            for (size_t k = 0; k < n; k++) memcpy(panel + (k0 + k) * 64 + 4 * c, &v[k], 4);
        }
    }
}

static void pack_f16(uint8_t *panel, const uint8_t *row, size_t n_in, size_t c) {
    for (size_t k = 0; k < n_in; k++) memcpy(panel + k * 32 + 2 * c, row + 2 * k, 2);
}
static void pack_f32(uint8_t *panel, const uint8_t *row, size_t n_in, size_t c) {
    for (size_t k = 0; k < n_in; k++) memcpy(panel + k * 64 + 4 * c, row + 4 * k, 4);
}
static void pack_bf16(uint8_t *panel, const uint8_t *row, size_t n_in, size_t c) {
    for (size_t k = 0; k + 1 < n_in; k += 2) memcpy(panel + k * 32 + 4 * c, row + 2 * k, 4);
    if (n_in & 1) memcpy(panel + (n_in - 1) * 32 + 4 * c, row + 2 * (n_in - 1), 2);
}

/* ---- block panels ---- */

#define INLINE static inline __attribute__((always_inline))

/* A word (4 bytes) is one column's share of a register; all of them little-endian, as files are. */
INLINE uint32_t word(const uint8_t *p) {
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}
INLINE void put_word(uint8_t *dst, size_t line, size_t c, uint32_t v) { memcpy(dst + 64 * line + 4 * c, &v, 4); }

/* Low nibbles of q are values 0 .. 15, high ones 16 .. 31, as in the panel. */
INLINE void put_nibbles(uint8_t *dst, const uint8_t *q, size_t c) {
    for (size_t t = 0; t < 4; t++) put_word(dst, t, c, word(q + 4 * t));
}
/* 32 bytes of q hold a value each, in their nibble at bit `shift`. */
INLINE void join_nibbles(uint8_t *dst, const uint8_t *q, size_t shift, size_t c) {
    for (size_t t = 0; t < 4; t++) {
        const uint32_t low = word(q + 4 * t) >> shift, high = word(q + 16 + 4 * t) >> shift;
        put_word(dst, t, c, (low & 0x0f0f0f0fu) | (high & 0x0f0f0f0fu) << 4);
    }
}
/* 32 bytes of q hold a bit each. */
INLINE void join_bits(uint8_t *dst, const uint8_t *q, size_t shift, size_t c) {
    uint32_t v = 0;
    for (size_t t = 0; t < 8; t++) v |= (word(q + 4 * t) >> shift & 0x01010101u) << t;
    put_word(dst, 0, c, v);
}
/* Bit k of the word at q belongs to value k. */
INLINE void spread_bits(uint8_t *dst, const uint8_t *q, size_t c) {
    const uint32_t h = word(q);
    uint32_t v = 0; /* bit i of a nibble goes to byte i */
    for (size_t t = 0; t < 8; t++) v |= ((h >> 4 * t & 15) * 0x00204081u & 0x01010101u) << t;
    put_word(dst, 0, c, v);
}
/* 32 bytes of q hold a pair of bits each. */
INLINE void join_pairs(uint8_t *dst, const uint8_t *q, size_t shift, size_t c) {
    for (size_t h = 0; h < 2; h++) {
        uint32_t v = 0;
        for (size_t t = 0; t < 4; t++) v |= (word(q + 16 * h + 4 * t) >> shift & 0x03030303u) << 2 * t;
        put_word(dst, h, c, v);
    }
}

/* Codes of run b of the file's block at p; file layouts as in qblock.c. */
INLINE void put_codes(const glim_dtype t, uint8_t *dst, const uint8_t *p, size_t b, size_t c) {
    switch (t) {
    case GLIM_Q4_0:
    case GLIM_IQ4_NL: put_nibbles(dst, p + 2, c); break;
    case GLIM_Q4_1: put_nibbles(dst, p + 4, c); break;
    case GLIM_MXFP4: put_nibbles(dst, p + 1, c); break;
    case GLIM_IQ4_XS: put_nibbles(dst, p + 8 + 16 * b, c); break;
    case GLIM_Q5_0:
        spread_bits(dst, p + 2, c);
        put_nibbles(dst + BIT, p + 6, c);
        break;
    case GLIM_Q5_1:
        spread_bits(dst, p + 4, c);
        put_nibbles(dst + BIT, p + 8, c);
        break;
    case GLIM_Q8_0:
    case GLIM_Q8_1:
        for (size_t i = 0; i < 8; i++)
            put_word(dst, i, c, word(p + (t == GLIM_Q8_0 ? 2 : 4) + 4 * i) ^ 0x80808080u);
        break;
    case GLIM_Q2_K: join_pairs(dst, p + 16 + 32 * (b / 4), 2 * (b % 4), c); break;
    case GLIM_Q3_K:
        join_bits(dst, p, b, c);
        join_pairs(dst + BIT, p + 32 + 32 * (b / 4), 2 * (b % 4), c);
        break;
    case GLIM_Q4_K: join_nibbles(dst, p + 16 + 32 * (b / 2), 4 * (b % 2), c); break;
    case GLIM_Q5_K:
        join_bits(dst, p + 16, b, c);
        join_nibbles(dst + BIT, p + 48 + 32 * (b / 2), 4 * (b % 2), c);
        break;
    case GLIM_Q6_K: {
        const size_t half = b / 4, s = b % 4;
        join_pairs(dst, p + 128 + 32 * half, 2 * s, c);
        join_nibbles(dst + PAIR, p + 64 * half + 32 * (s % 2), 4 * (s / 2), c);
        break;
    }
    default: break;
    }
}

INLINE void put_2(uint8_t *scales, size_t line, size_t c, const uint8_t *f16) {
    memcpy(scales + line * F16S + 2 * c, f16, 2);
}

/* Scales of one file block, the n-th (of one or two superblocks, or of up to four blocks) in its
 * group. */
INLINE void put_scales(const glim_dtype t, uint8_t *scales, const uint8_t *p, size_t n, size_t c) {
    switch (t) {
    case GLIM_Q4_1:
    case GLIM_Q5_1:
        put_2(scales, 0, c, p);
        put_2(scales, 1, c, p + 2);
        break;
    case GLIM_MXFP4: scales[16 * n + c] = p[0]; break;
    case GLIM_Q2_K:
        put_2(scales, 0, c, p + 80);
        put_2(scales, 1, c, p + 82);
        for (size_t i = 0; i < 16; i++) scales[64 + 16 * i + c] = p[i];
        break;
    case GLIM_Q3_K:
        put_2(scales, n, c, p + 108);
        for (size_t i = 0; i < 16; i++)
            scales[64 + 256 * n + 16 * i + c] = (uint8_t)glim_q3k_scale(p + 96, (int)i);
        break;
    case GLIM_Q4_K:
    case GLIM_Q5_K:
        put_2(scales, 0, c, p);
        put_2(scales, 1, c, p + 2);
        for (size_t i = 0; i < 12; i++) scales[64 + 16 * i + c] = p[4 + i];
        break;
    case GLIM_Q6_K:
        put_2(scales, n, c, p + 208);
        for (size_t i = 0; i < 16; i++) scales[64 + 256 * n + 16 * i + c] = p[192 + i];
        break;
    case GLIM_IQ4_XS:
        put_2(scales, 0, c, p);
        put_2(scales, 1, c, p + 2);
        for (size_t i = 0; i < 4; i++) scales[64 + 16 * i + c] = p[4 + i];
        break;
    default: put_2(scales, n, c, p); break; /* Q4_0, IQ4_NL, Q5_0, Q8_0, Q8_1 */
    }
}

/* t is a constant wherever this is called: the switches above fold away. */
INLINE void pack_blocks(const glim_dtype t, uint8_t *panel, const glim_mat *w, size_t out0, size_t n_cols) {
    const glim_dtype_info *info = glim_dtype_of(t);
    const glim_panel_layout l = glim_panel_layout_of(glim_panel_type(t));
    const size_t block_bytes = info->block_bytes, per = info->block_len / 32u;
    const size_t n_file = w->n_in / info->block_len; /* blocks of the file */
    const uint8_t *rows = (const uint8_t *)w->rows + out0 * w->row_bytes;
    for (size_t f = 0; f < n_file; f++, rows += block_bytes) {
        const size_t first = f * per, at = first % l.blocks; /* runs of 32 */
        uint8_t *group = panel + first / l.blocks * l.group_bytes;
        uint8_t *codes = group + l.codes + at * l.code_bytes;
        for (size_t c = 0; c < n_cols; c++) {
            const uint8_t *p = rows + c * w->row_bytes;
            put_scales(t, group, p, at / per, c);
            for (size_t b = 0; b < per; b++) put_codes(t, codes + b * l.code_bytes, p, b, c);
        }
    }
}
#define PACK(T)                                                                                  \
    static void pack_##T(uint8_t *panel, const glim_mat *w, size_t out0, size_t n_cols) {        \
        pack_blocks(GLIM_##T, panel, w, out0, n_cols);                                           \
    }
PACK(Q4_0) PACK(Q4_1) PACK(Q5_0) PACK(Q5_1) PACK(Q8_0) PACK(Q8_1) PACK(MXFP4) PACK(Q2_K) PACK(Q3_K) PACK(Q4_K)
PACK(Q5_K) PACK(Q6_K) PACK(IQ4_NL) PACK(IQ4_XS)
#define ROW(T) [GLIM_##T] = pack_##T
static void (*const g_pack[GLIM_N_DTYPE])(uint8_t *panel, const glim_mat *w, size_t out0, size_t n_cols) = {
    ROW(Q4_0), ROW(Q4_1), ROW(Q5_0), ROW(Q5_1), ROW(Q8_0),   ROW(Q8_1),   ROW(MXFP4),
    ROW(Q2_K), ROW(Q3_K), ROW(Q4_K), ROW(Q5_K), ROW(Q6_K), ROW(IQ4_NL), ROW(IQ4_XS),
};

void glim_panel_pack(void *dst, const glim_mat *w, size_t panel0, size_t n) {
    const size_t stride = glim_panel_stride(w->type, w->n_in);
    for (size_t p = panel0; p < panel0 + n; p++) {
        uint8_t *panel = (uint8_t *)dst + p * stride;
        const size_t out0 = p * GLIM_PANEL;
        const size_t n_cols = w->n_out - out0 < GLIM_PANEL ? w->n_out - out0 : GLIM_PANEL;
        memset(panel, 0, stride);
        if (glim_dtype_of(w->type)->is_quant) {
            g_pack[w->type](panel, w, out0, n_cols);
            continue;
        }
        for (size_t c = 0; c < n_cols; c++) {
            const uint8_t *row = (const uint8_t *)w->rows + (out0 + c) * w->row_bytes;
            switch (w->type) {
            case GLIM_F32: pack_f32(panel, row, w->n_in, c); break;
            case GLIM_F16: pack_f16(panel, row, w->n_in, c); break;
            case GLIM_BF16: pack_bf16(panel, row, w->n_in, c); break;
            default: pack_plain(panel, w->type, row, w->n_in, c); break;
            }
        }
    }
}
