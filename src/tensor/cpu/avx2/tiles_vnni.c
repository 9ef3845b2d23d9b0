/* tiles_vnni.c - block products by vpdpbusd of 256 bits (AVX-VNNI: Alder Lake, Sapphire Rapids and Zen 5
 * onwards). Compiled for it as a whole, so called only where the CPU has it. */
#if defined __x86_64__
#define DOTS 1
#ifdef GLIM_NAME_ONLY /* a build for tests where no CPU can run it (CMakeLists.txt) */
#include "tensor/cpu/avx2/blocks.h"
const block_tiles glim_avx2_tiles_vnni = {.dots = true};
#else
#include "tensor/cpu/avx2/tiles.h"

const block_tiles glim_avx2_tiles_vnni = BLOCK_TILES;
#endif
#endif
