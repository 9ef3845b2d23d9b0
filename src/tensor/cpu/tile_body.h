/* tile_body.h - a piece of a weight matrix as f32: what glim_gemm_set.tile is in every set.
 *
 * Plain C whose loops run over the 16 columns of a panel; each set's folder compiles it with its own flags, and
 * the compiler's vectors do the rest. Panel layouts are panel.h's, values exactly glim_dequant's: one product and,
 * where a type has a minimum, one sum, each rounded. */
#include <string.h>
#if defined __F16C__
#include <immintrin.h>
#endif

#include "tensor/gemm.h"
#include "tensor/kernels_internal.h"
#include "tensor/panel.h"
#include "tensor/qblock.h"

enum { C = GLIM_PANEL };

/* Sixteen words, one a column. Aligned by name: gcc 12 moves 64-byte registers to its place on the stack as if it were,
 * which the stack of AddressSanitizer (detect_stack_use_after_return) only honours for what says so. */
typedef struct line {
    _Alignas(64) uint32_t w[C];
} line;

static inline line line_at(const uint8_t *p) {
    line l;
    memcpy(l.w, p, sizeof l.w);
    return l;
}

/* What each column of one block of 32 has: codes of inputs 4 t + i, by t, in byte i; scales and minima of halves. */
typedef struct block {
    line code[8];
    float scale[2][C], add[2][C];
} block;

static inline void take_nibbles(block *b, const uint8_t *p) {
    for (int t = 0; t < 4; t++) {
        const line l = line_at(p + 64 * t);
        for (int c = 0; c < C; c++) b->code[t].w[c] = l.w[c] & 0x0f0f0f0fu;
        for (int c = 0; c < C; c++) b->code[4 + t].w[c] = l.w[c] >> 4 & 0x0f0f0f0fu;
    }
}
static inline void or_bits(block *b, const uint8_t *p, int at) {
    const line l = line_at(p);
    for (int t = 0; t < 8; t++)
        for (int c = 0; c < C; c++) b->code[t].w[c] |= (l.w[c] >> t & 0x01010101u) << at;
}
static inline void or_pairs(block *b, const uint8_t *p, int at) {
    for (int t = 0; t < 8; t++) {
        const line l = line_at(p + 64 * (t / 4));
        for (int c = 0; c < C; c++) b->code[t].w[c] |= (l.w[c] >> 2 * (t % 4) & 0x03030303u) << at;
    }
}

static void take_codes(block *b, glim_dtype t, const uint8_t *p) {
    switch (t) {
    case GLIM_Q8_0:
        for (int i = 0; i < 8; i++) b->code[i] = line_at(p + 64 * i);
        break;
    case GLIM_Q5_0:
    case GLIM_Q5_1:
    case GLIM_Q5_K:
        take_nibbles(b, p + 64);
        or_bits(b, p, 4);
        break;
    case GLIM_Q6_K:
        take_nibbles(b, p + 128);
        or_pairs(b, p, 4);
        break;
    case GLIM_Q2_K:
        memset(b->code, 0, sizeof b->code);
        or_pairs(b, p, 0);
        break;
    case GLIM_Q3_K:
        memset(b->code, 0, sizeof b->code);
        or_pairs(b, p + 64, 0);
        or_bits(b, p, 2);
        break;
    default: take_nibbles(b, p); break;
    }
}

static inline void f16s(float *out, const uint8_t *p) {
#if defined __F16C__ /* of the folder's flags: the same values, eight at a time and without a call for each */
    for (int c = 0; c < C; c += 8) _mm256_storeu_ps(out + c, _mm256_cvtph_ps(_mm_loadu_si128((const void *)(p + 2 * c))));
#else
    for (int c = 0; c < C; c++) {
        uint16_t h;
        memcpy(&h, p + 2 * c, 2);
        out[c] = glim_f16_to_f32(h);
    }
#endif
}

/* Scales of block j of the group at g, and minima where the type has them. */
static void take_scales(block *b, glim_dtype t, const uint8_t *g, size_t j) {
    float d[C], m[C];
    switch (t) {
    case GLIM_Q4_1:
    case GLIM_Q5_1:
        f16s(b->scale[0], g);
        f16s(b->add[0], g + 32);
        break;
    case GLIM_Q4_K:
    case GLIM_Q5_K:
        f16s(d, g);
        f16s(m, g + 32);
        for (int c = 0; c < C; c++) {
            uint8_t twelve[12], sc, mn;
            for (int i = 0; i < 12; i++) twelve[i] = g[64 + 16 * i + c];
            glim_k4_scale(twelve, (int)j, &sc, &mn);
            b->scale[0][c] = d[c] * (float)sc;
            b->add[0][c] = -m[c] * (float)mn;
        }
        break;
    case GLIM_Q2_K:
        f16s(d, g);
        f16s(m, g + 32);
        for (int h = 0; h < 2; h++)
            for (int c = 0; c < C; c++) {
                const uint8_t s = g[64 + 32 * j + 16 * h + c];
                b->scale[h][c] = d[c] * (float)(s & 15);
                b->add[h][c] = -m[c] * (float)(s >> 4);
            }
        break;
    case GLIM_Q3_K:
    case GLIM_Q6_K:
        f16s(d, g + 32 * (j / 8));
        for (int h = 0; h < 2; h++)
            for (int c = 0; c < C; c++) b->scale[h][c] = d[c] * (float)(int8_t)g[64 + 32 * j + 16 * h + c];
        break;
    case GLIM_IQ4_XS:
        f16s(d, g);
        for (int c = 0; c < C; c++) {
            uint16_t high;
            memcpy(&high, g + 32 + 2 * c, 2);
            const int low = g[64 + 16 * (j / 2) + c] >> 4 * (j % 2) & 15;
            b->scale[0][c] = d[c] * (float)((low | (high >> 2 * j & 3) << 4) - 32);
        }
        break;
    case GLIM_MXFP4:
        for (int c = 0; c < C; c++) b->scale[0][c] = glim_mxfp4_scale(g[16 * j + c]);
        break;
    default: f16s(b->scale[0], g + 32 * j); break;
    }
}

static void write_block(float *dst, size_t stride, const block *b, glim_qkind kind, int minus, size_t n) {
    for (size_t k = 0; k < n; k++) {
        const line *l = &b->code[k / 4];
        const unsigned shift = 8 * (k % 4), h = kind.halves && k >= 16;
        float *to = dst + k * stride;
        if (kind.table)
            for (int c = 0; c < C; c++) to[c] = b->scale[0][c] * (float)kind.table[l->w[c] >> shift & 15];
        else if (kind.has_add)
            for (int c = 0; c < C; c++) to[c] = b->scale[h][c] * (float)(int32_t)(l->w[c] >> shift & 255) + b->add[h][c];
        else
            for (int c = 0; c < C; c++) to[c] = b->scale[h][c] * (float)((int32_t)(l->w[c] >> shift & 255) - minus);
    }
}

static void tile_blocks(float *dst, size_t stride, const uint8_t *panel, glim_dtype t, size_t in0, size_t n_in) {
    const glim_panel_layout l = glim_panel_layout_of(t);
    const glim_qkind kind = glim_qkind_of(t);
    const int minus = t == GLIM_Q8_0 ? 128 : kind.minus;
    block b;
    for (size_t k = 0; k < n_in; k += 32) {
        const size_t at = (in0 + k) / 32;
        const uint8_t *g = panel + at / l.blocks * l.group_bytes;
        take_codes(&b, t, g + l.codes + at % l.blocks * l.code_bytes);
        take_scales(&b, t, g, at % l.blocks);
        write_block(dst + k * stride, stride, &b, kind, minus, n_in - k < 32 ? n_in - k : 32);
    }
}

static void tile_floats(float *dst, size_t stride, const uint8_t *panel, glim_dtype t, size_t in0, size_t n_in) {
    if (t == GLIM_F32) {
        for (size_t k = 0; k < n_in; k++) memcpy(dst + k * stride, panel + (in0 + k) * 64, 64);
    } else if (t == GLIM_F16) {
        for (size_t k = 0; k < n_in; k++) f16s(dst + k * stride, panel + (in0 + k) * 32);
    } else { /* lines of pairs */
        for (size_t k = 0; k < n_in; k += 2) {
            const line l = line_at(panel + (in0 + k) * 32);
            uint32_t even[C], odd[C];
            for (int c = 0; c < C; c++) even[c] = l.w[c] << 16, odd[c] = l.w[c] & 0xffff0000u;
            memcpy(dst + k * stride, even, sizeof even);
            if (k + 1 < n_in) memcpy(dst + (k + 1) * stride, odd, sizeof odd);
        }
    }
}

/* Of a matrix that was not packed. */
static void tile_of_rows(float *dst, size_t stride, const glim_mat *w, size_t out0, size_t n_cols, size_t in0, size_t n_in) {
    enum { RUN = 256 };
    const glim_dtype_info *info = glim_dtype_of(w->type);
    float v[RUN];
    for (size_t c = 0; c < n_cols; c++) {
        const uint8_t *row = (const uint8_t *)w->rows + (out0 + c) * w->row_bytes;
        for (size_t k0 = 0; k0 < n_in; k0 += RUN) {
            const size_t n = n_in - k0 < RUN ? n_in - k0 : RUN;
            if (info->is_quant) {
                for (size_t k = 0; k < n; k += 32) {
                    glim_qblock b;
                    glim_qblock_read(w->type, row, (in0 + k0 + k) / 32, &b);
                    for (size_t i = 0; i < 32 && k + i < n; i++) v[k + i] = b.scale[i / 16] * (float)b.q[i] + b.add[i / 16];
                }
            } else {
                glim_dequant(w->type, row + (in0 + k0) * info->block_bytes, v, n);
            }
            for (size_t k = 0; k < n; k++) dst[(k0 + k) * stride + c] = v[k];
        }
    }
}

static void tile(float *dst, size_t stride, const glim_mat *w, size_t panel, size_t in0, size_t n_in) {
    const size_t out0 = panel * GLIM_PANEL, n_cols = w->n_out - out0 < GLIM_PANEL ? w->n_out - out0 : GLIM_PANEL;
    const glim_dtype t = glim_panel_type(w->type);
    if (n_cols < GLIM_PANEL || !w->panels)
        for (size_t k = 0; k < n_in; k++) memset(dst + k * stride, 0, GLIM_PANEL * sizeof *dst);
    if (!w->panels) {
        tile_of_rows(dst, stride, w, out0, n_cols, in0, n_in);
        return;
    }
    const uint8_t *p = (const uint8_t *)w->panels + panel * glim_panel_stride(w->type, w->n_in);
    if (t == GLIM_F32 || t == GLIM_F16 || t == GLIM_BF16) tile_floats(dst, stride, p, t, in0, n_in);
    else tile_blocks(dst, stride, p, t, in0, n_in);
    /* MXFP4's zero scale byte is not zero: columns that are not there are cleared again. */
    for (size_t k = 0; n_cols < GLIM_PANEL && k < n_in; k++)
        memset(dst + k * stride + n_cols, 0, (GLIM_PANEL - n_cols) * sizeof *dst);
}
