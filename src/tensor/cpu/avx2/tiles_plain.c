/* tiles_plain.c - block products by vpmaddubsw and vpmaddwd, for every CPU with AVX2. */
#if defined __x86_64__
#define DOTS 0
#include "tensor/cpu/avx2/tiles.h"

const block_tiles glim_avx2_tiles_plain = BLOCK_TILES;
#endif
