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

/* Writes column c of one block's codes. A word (4 bytes) is one column's share of a register. */
static void put_words(uint8_t *dst, const uint8_t *words, int n, size_t c) {
    for (int t = 0; t < n; t++) memcpy(dst + 64 * t + 4 * c, words + 4 * t, 4);
}
static void put_nibbles(uint8_t *dst, const uint8_t *code, size_t c) {
    uint8_t w[16];
    for (int i = 0; i < 16; i++) w[i] = (uint8_t)((code[i] & 15) | (code[i + 16] & 15) << 4);
    put_words(dst, w, 4, c);
}
/* Bit `at` of each code. */
static void put_bit(uint8_t *dst, const uint8_t *code, int at, size_t c) {
    uint8_t w[4] = {0};
    for (int k = 0; k < 32; k++) w[k % 4] = (uint8_t)(w[k % 4] | (code[k] >> at & 1) << k / 4);
    put_words(dst, w, 1, c);
}
/* Bits at and at + 1 of each code. */
static void put_pair(uint8_t *dst, const uint8_t *code, int at, size_t c) {
    uint8_t w[8] = {0};
    for (int k = 0; k < 32; k++) {
        uint8_t *to = &w[k / 16 * 4 + k % 4];
        *to = (uint8_t)(*to | (code[k] >> at & 3) << 2 * (k % 16 / 4));
    }
    put_words(dst, w, 2, c);
}

static void put_codes(uint8_t *dst, glim_dtype kind, const uint8_t *code, size_t c) {
    switch (kind) {
    case GLIM_Q5_0:
    case GLIM_Q5_1:
    case GLIM_Q5_K:
        put_bit(dst, code, 4, c);
        put_nibbles(dst + BIT, code, c);
        break;
    case GLIM_Q6_K:
        put_pair(dst, code, 4, c);
        put_nibbles(dst + PAIR, code, c);
        break;
    case GLIM_Q2_K: put_pair(dst, code, 0, c); break;
    case GLIM_Q3_K:
        put_bit(dst, code, 2, c);
        put_pair(dst + BIT, code, 0, c);
        break;
    case GLIM_Q8_0: put_words(dst, code, 8, c); break;
    default: put_nibbles(dst, code, c); break;
    }
}

/* Where the 16 nibble bytes of run b of a block lie in the file, for the types whose file order is the
 * panel's; NULL for others. */
static const uint8_t *file_nibbles(glim_dtype t, const uint8_t *block, size_t b) {
    switch (t) {
    case GLIM_Q4_0:
    case GLIM_IQ4_NL: return block + 2;
    case GLIM_Q4_1: return block + 4;
    case GLIM_MXFP4: return block + 1;
    case GLIM_IQ4_XS: return block + 8 + 16 * b;
    default: return NULL;
    }
}

static void put_2(uint8_t *scales, size_t line, size_t c, const uint8_t *f16) {
    memcpy(scales + line * F16S + 2 * c, f16, 2);
}

/* Scales of one file block, the n-th (of one or two superblocks, or of up to four blocks) in its
 * group. */
static void put_scales(uint8_t *scales, glim_dtype t, const uint8_t *p, size_t n, size_t c) {
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

static void pack_blocks(uint8_t *panel, const glim_mat *w, size_t out0, size_t n_cols) {
    const glim_dtype t = w->type, kind = glim_panel_type(t);
    const glim_dtype_info *info = glim_dtype_of(t);
    const glim_panel_layout l = glim_panel_layout_of(kind);
    const size_t per = info->block_len / 32u,
                 n_file = w->n_in / info->block_len; /* blocks of the file */
    for (size_t f = 0; f < n_file; f++) {
        const size_t first = f * per; /* run of 32 */
        uint8_t *group = panel + first / l.blocks * l.group_bytes;
        uint8_t *codes = group + l.codes + first % l.blocks * l.code_bytes;
        for (size_t c = 0; c < n_cols; c++) {
            const uint8_t *row = (const uint8_t *)w->rows + (out0 + c) * w->row_bytes;
            const uint8_t *p = row + f * info->block_bytes;
            put_scales(group, t, p, first % l.blocks / per, c);
            for (size_t b = 0; b < per; b++) {
                const uint8_t *nib = file_nibbles(t, p, b);
                if (nib) {
                    put_words(codes + b * l.code_bytes, nib, 4, c);
                } else {
                    uint8_t code[32];
                    glim_qblock_codes(t, row, first + b, code);
                    put_codes(codes + b * l.code_bytes, kind, code, c);
                }
            }
        }
    }
}

void glim_panel_pack(void *dst, const glim_mat *w, size_t panel0, size_t n) {
    const size_t stride = glim_panel_stride(w->type, w->n_in);
    for (size_t p = panel0; p < panel0 + n; p++) {
        uint8_t *panel = (uint8_t *)dst + p * stride;
        const size_t out0 = p * GLIM_PANEL;
        const size_t n_cols = w->n_out - out0 < GLIM_PANEL ? w->n_out - out0 : GLIM_PANEL;
        memset(panel, 0, stride);
        if (glim_dtype_of(w->type)->is_quant) {
            pack_blocks(panel, w, out0, n_cols);
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
