/* blocks.h - what the two builds of the block products share with their driver: facts about the types, and
 * the shape of a tile's arguments. See blocks.c. */
#ifndef GLIM_TENSOR_CPU_AVX2_BLOCKS_H
#define GLIM_TENSOR_CPU_AVX2_BLOCKS_H

#include "tensor/cpu/avx2/vec.h"
#include "tensor/kernels_internal.h"
#include "tensor/panel.h"

enum {
    TILE_ROWS = 6,
    FEW = 16,         /* rows up to which tiles read the panels themselves, at most */
    ROWS = 128,       /* that one unpacking serves */
    SEGMENT = 32,     /* blocks that are unpacked at a time, half as many as words; a multiple of every group */
    LAID_OUT = SEGMENT * ROWS, /* blocks of all rows that are laid out at a time, if they are few */
    AHEAD = 4096      /* bytes: how far weights are asked for before they are used (bench/NOTES.md) */
};

/* Signed bytes as words. */
INLINE __m256i even_bytes(__m256i v) { return _mm256_srai_epi16(_mm256_slli_epi16(v, 8), 8); }
INLINE __m256i odd_bytes(__m256i v) { return _mm256_srai_epi16(v, 8); }

/* Rows of one tile over one segment, or of its parts of R rows each. */
typedef struct tile_x {
    const int8_t *q;      /* [block, part, R, 32]; or int16, ordered as unpacked words are */
    const float *xs;      /* [block, part, R] */
    const int32_t *start; /* [block, part, R], or [block, part, 2, R] for types with two scales: where sums begin */
    const float *sum;     /* the same shape: xs * xsum */
} tile_x;

/* acc [parts * R][16] += the products of n blocks with the panel's group, or the unpacked blocks, at p. More parts than
 * one only of the panel, by 3 rows and more. */
typedef void tile_fn(const uint8_t *p, const tile_x *x, size_t n, size_t parts, float (*acc)[GLIM_PANEL]);
/* n blocks from the group at p, to z. */
typedef void unpack_fn(const uint8_t *p, size_t n, uint8_t *z);

typedef struct block_tiles {
    bool dots;
    uint8_t few_most;                       /* rows up to which tiles read the panels, <= FEW */
    uint8_t few_rows, many_rows;            /* of the largest tile below, <= TILE_ROWS */
    tile_fn *few[GLIM_N_DTYPE][TILE_ROWS];  /* of the panels, from 1 row */
    tile_fn *many[GLIM_N_DTYPE][TILE_ROWS]; /* of what was unpacked, from 3 rows */
    unpack_fn *unpack[GLIM_N_DTYPE];
} block_tiles;
extern const block_tiles glim_avx2_tiles_plain, glim_avx2_tiles_vnni;

/* Sums of vpdpbusd are turned into f32 by their place in this float's last bits: the bits of MAGIC + i, taken as
 * a float and less MAGIC as a float, are i exactly for |i| < 2^22, and no sum of a block comes near. A sum
 * starts from a number anyway, and subtracting floats keeps the ports free that products need. */
#define MAGIC 0x4b400000
#define MAGIC_FLOAT 12582912.0f

/* ---- what the types are; S is a constant wherever these are called by a tile ----
 *
 * S is a block type, or UNPACKED with what a tile must know of it besides. */
enum { UNPACKED = 256, HALVES = 512, ADD = 1024, START = 2048, SUMS = 16 /* the low bits */ };

INLINE bool has_halves(int S) {
    return S & UNPACKED ? S & HALVES : S == GLIM_Q2_K || S == GLIM_Q3_K || S == GLIM_Q6_K;
}
INLINE bool has_add(int S) {
    return S & UNPACKED ? S & ADD
                        : S == GLIM_Q4_1 || S == GLIM_Q5_1 || S == GLIM_Q4_K || S == GLIM_Q5_K || S == GLIM_Q2_K;
}
/* How many vpmaddubsw results fit one 16-bit sum of a type without a start (with one all do, blocks.c); 1: codes are
 * signed. Of no matter with vpdpbusd. */
INLINE int sums_of(int S) {
    if (S & UNPACKED) return S % SUMS;
    switch (S) {
    case GLIM_Q4_1:
    case GLIM_Q4_K: return 8;
    case GLIM_Q8_0:
    case GLIM_IQ4_NL:
    case GLIM_IQ4_XS: return 1;
    default: return 4;
    }
}
/* What a code is more than its value. */
INLINE int minus_of(int S, bool dots) {
    switch (S) {
    case GLIM_Q4_0: return 8;
    case GLIM_Q5_0: return 16;
    case GLIM_Q3_K: return 4;
    case GLIM_Q6_K: return 32;
    case GLIM_Q8_0:
    case GLIM_IQ4_NL:
    case GLIM_IQ4_XS: return dots ? 128 : 0;
    case GLIM_MXFP4: return 12;
    default: return 0;
    }
}
INLINE bool has_start(int S, bool dots) { return S & UNPACKED ? S & START : minus_of(S, dots) != 0; }
/* What a block type is once unpacked. */
INLINE int unpacked_of(int T, bool dots) {
    return UNPACKED | (has_halves(T) ? HALVES : 0) | (has_add(T) ? ADD : 0) | (minus_of(T, dots) ? START : 0) |
           (dots || minus_of(T, dots) ? 0 : sums_of(T));
}
/* Whether codes are unpacked to 16 bits: of signed bytes vpmaddubsw would want |w|, and x with w's sign, each time. */
INLINE bool is_words(int U) { return U % SUMS == 1; }
/* One unpacked block: codes [8][64], or words [16][64] (the first and third of four inputs, then the second and
 * fourth); scales [1 or 2][16], and minima of the same shape. */
enum { UNPACKED_MOST = 512 + 4 * 64 }; /* of bytes; words are fewer than twice that */
INLINE uint32_t unpacked_codes(int U) { return is_words(U) ? 1024 : 512; }
INLINE uint32_t unpacked_bytes(int U) {
    return unpacked_codes(U) + 64u * (has_halves(U) ? 2 : 1) * (has_add(U) ? 2 : 1);
}
INLINE glim_panel_layout layout_of(int S) {
    if (S & UNPACKED) return (glim_panel_layout){1, unpacked_bytes(S), 0, 0};
    switch (S) { /* as glim_panel_layout_of, known at compile time; the tests would not pass otherwise */
    case GLIM_Q4_0:
    case GLIM_IQ4_NL: return (glim_panel_layout){2, 576, 64, 256};
    case GLIM_Q4_1: return (glim_panel_layout){1, 320, 64, 256};
    case GLIM_Q5_0: return (glim_panel_layout){2, 704, 64, 320};
    case GLIM_Q5_1: return (glim_panel_layout){1, 384, 64, 320};
    case GLIM_Q8_0: return (glim_panel_layout){2, 1088, 64, 512};
    case GLIM_MXFP4: return (glim_panel_layout){4, 1088, 64, 256};
    case GLIM_Q2_K: return (glim_panel_layout){8, 1344, 320, 128};
    case GLIM_Q3_K: return (glim_panel_layout){16, 3648, 576, 192};
    case GLIM_Q4_K: return (glim_panel_layout){8, 2304, 256, 256};
    case GLIM_Q5_K: return (glim_panel_layout){8, 2816, 256, 320};
    case GLIM_Q6_K: return (glim_panel_layout){16, 6720, 576, 384};
    case GLIM_IQ4_XS: return (glim_panel_layout){8, 2176, 128, 256};
    default: return (glim_panel_layout){1, 0, 0, 0};
    }
}
#endif
