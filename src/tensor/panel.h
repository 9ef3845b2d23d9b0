/* panel.h - how weight panels are laid out; shared by the x86 sets and their packer.
 *
 * A panel is 16 output columns over the whole inner dimension, one after another in memory, so that a
 * thread streams a range of outputs from front to back. It carries the file's own bits, moved.
 *
 * Float panels, k the inner index, c the column:
 *   f32   [n_in][16] f32
 *   f16   [n_in][16] f16
 *   bf16  [ceil(n_in / 2)][16][2] bf16: pairs for vdpbf16ps; an odd end is zero
 *
 * Block panels are a row of groups. A group holds 1 to 16 blocks of 32 so that everything in it starts on
 * a cache line: first the scales (columns side by side), then the codes of each block:
 *   nibbles  256 bytes, four lines: byte [t][c][i] holds the low four bits of k = 4t + i and, above, of
 *            k = 16 + 4t + i. One 64-byte load, & 15 and >> 4, gives two registers of 16 columns x 4
 *            consecutive k: what vpdpbusd multiplies with a broadcast word of activations.
 *   bit      64 bytes: byte [c][i] has the next bit of k = 4t + i at bit t, of 16 + 4t + i at 4 + t
 *   pair     128 bytes: byte [h][c][i] has the next two bits of k = 16h + 4t + i at 2t
 *   bytes    512 bytes: byte [t][c][i] is the code of k = 4t + i, t < 8
 * Codes stay unsigned (8-bit types as q + 128): the offset is taken off through the activation sums.
 *
 *   type         blocks  group: scales | codes of each block                               bytes
 *   Q4_0 IQ4_NL     2    d[2][16] | nibbles                                                  576
 *   Q4_1            1    d[16] m[16] | nibbles                                               320
 *   Q5_0            2    d[2][16] | bit nibbles                                              704
 *   Q5_1            1    d[16] m[16] | bit nibbles                                           384
 *   Q8_0 (Q8_1)     2    d[2][16] | bytes                                                   1088
 *   MXFP4           4    e[4][16] | nibbles                                                 1088
 *   Q2_K            8    d[16] dmin[16] sc[16][16] | pair                                   1344
 *   Q3_K           16    d[2][16] sc[2][16][16] (int8, unpacked) | bit pair                 3648
 *   Q4_K            8    d[16] dmin[16] sc[12][16] (the file's bytes) | nibbles             2304
 *   Q5_K            8    as Q4_K | bit nibbles                                              2816
 *   Q6_K           16    d[2][16] sc[2][16][16] | pair nibbles                              6720
 *   IQ4_XS          8    d[16] scales_h[16] scales_l[4][16] | nibbles                       2176
 * Q8_K (only ever made for activations) is not packed: plain C reads its rows.
 * Other plain types become f32 panels, the 8-bit floats f16 panels (exact).
 *
 * A panel ends with a whole group; blocks beyond the row, and columns beyond n_out, are zero bytes, whose
 * scales make them nothing. (Their activations are never read.) */
#ifndef GLIM_TENSOR_PANEL_H
#define GLIM_TENSOR_PANEL_H

#include "tensor/kernels.h"

/* The type whose panel layout and kernel serve t: itself, or F32, F16, Q8_0; GLIM_N_DTYPE for none. */
glim_dtype glim_panel_type(glim_dtype t);

/* Of a block type with panels. */
typedef struct glim_panel_layout {
    uint32_t blocks;      /* of 32, in a group */
    uint32_t group_bytes; /* a multiple of 64 */
    uint32_t codes;       /* offset of the first block's codes */
    uint32_t code_bytes;  /* of one block */
} glim_panel_layout;
glim_panel_layout glim_panel_layout_of(glim_dtype panel_type);

/* Bytes of one panel (a multiple of 64) and of all panels; 0 if the type has none. */
size_t glim_panel_stride(glim_dtype t, size_t n_in);
size_t glim_panel_bytes(glim_dtype t, size_t n_out, size_t n_in);

/* glim_kernels.pack for sets with these layouts. */
void glim_panel_pack(void *dst, const glim_mat *w, size_t panel0, size_t n);

#endif
