/* blocks.c - products with block-quantized weights with AVX2: the driver; the inner loops are in tiles.h.
 *
 * A panel is two registers of eight columns. The integer sums are exact, so the result is the fma sequence of
 * cpu/ref/matmul.c, bit for bit, whichever instruction makes them:
 *
 *   vpdpbusd     codes unsigned; sum (u - minus) x = sum u x - minus * sum x: the sum starts at -minus * xsum
 *   vpmaddubsw   adds two products in 16 bits and saturates, so each type says how many of its results may be
 *                added up before vpmaddwd widens them (activations lie in -127 .. 127). Largest code
 *                15: 8 (30480)   24, 31: 4 (31496)   63: 2 (32004)
 *                8-bit types: |w| * (x with w's sign), 128 * 127 * 2 = 32512 fits once; with many rows
 *                vpmaddwd of 16-bit codes instead; no start
 *
 * Two ways through the same sums, as in cpu/avx512/blocks.c: up to 8 rows read the panel itself; more read a
 * segment of it that was unpacked once into the first-level cache (plain codes, f32 scales) and serves up
 * to 128 rows in tiles of 6, where twelve sums, two registers of codes and one of activations fill the sixteen.
 * In both the rows are first laid side by side, block by block, so that the inner loop walks one pointer with
 * constant offsets. Between segments the accumulators rest in y, which changes nothing. */
#if defined __x86_64__
#include <cpuid.h>

#include "tensor/cpu/avx2/blocks.h"

int glim_avx2_dots = -1;

/* CPUID leaf 7.1, EAX bit 4; compilers' own checks do not all know it. That the system saves the registers was
 * asked for AVX2 already. */
static bool has_avx_vnni(void) {
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & 16);
}
static const block_tiles *tiles_here(void) {
    static int here = -1; /* threads may find it out at once: they find the same */
    int dots = glim_avx2_dots;
    if (dots < 0) {
        dots = __atomic_load_n(&here, __ATOMIC_RELAXED);
        if (dots < 0) __atomic_store_n(&here, dots = has_avx_vnni(), __ATOMIC_RELAXED);
    }
    return dots ? &glim_avx2_tiles_vnni : &glim_avx2_tiles_plain;
}
bool glim_avx2_has_dots(void) { return has_avx_vnni(); }

/* ---- rows side by side ---- */

typedef struct rows_x {
    _Alignas(64) int8_t q[SEGMENT * ROWS * 32];
    float xs[SEGMENT * ROWS];
    int32_t start[2 * SEGMENT * ROWS];
    float sum[2 * SEGMENT * ROWS];
} rows_x;
_Static_assert(SEGMENT * ROWS >= SEGMENT_1 && SEGMENT * ROWS >= SEGMENT_FEW * FEW, "segments of few rows fit");

/* Lays rows [row, row + R) of blocks [b0, b0 + n) out for a tile, in z from its `at`-th block of a row. */
static void fill_tile(tile_x *x, rows_x *z, size_t at, const block_tiles *k, glim_dtype T, const glim_act *a,
                      bool words, size_t row, size_t R, size_t b0, size_t n) {
    const int32_t minus = minus_of((int)T, k->dots), magic = MAGIC;
    const size_t n_blocks = glim_act_blocks(a->n_in), H = has_halves((int)T) ? 2 : 1;
    int8_t *const zq = z->q + at * (words ? 64 : 32);
    float *const zxs = z->xs + at, *const zsum = z->sum + 2 * at;
    int32_t *const zstart = z->start + 2 * at;
    *x = (tile_x){.q = zq, .xs = zxs, .start = zstart, .sum = zsum};
    if (R == 1) {
        x->q = a->q8 + (row * n_blocks + b0) * 32;
        x->xs = a->q8_scale + row * n_blocks + b0;
    }
    for (size_t r = 0; r < R; r++) {
        const size_t first = (row + r) * n_blocks + b0;
        const int8_t *q = a->q8 + first * 32;
        const float *xs = a->q8_scale + first;
        const int32_t *sum = a->q8_sum + 2 * first;
        for (size_t b = 0; R > 1 && b < n; b++) {
            const __m256i v = _mm256_loadu_si256((const void *)(q + 32 * b));
            if (words) {
                const __m256i even = even_bytes(v), odd = odd_bytes(v); /* as unpacked weights, four inputs by four */
                const __m256i low = _mm256_unpacklo_epi32(even, odd), high = _mm256_unpackhi_epi32(even, odd);
                int8_t *to = zq + (b * R + r) * 64;
                _mm256_store_si256((void *)to, _mm256_permute2x128_si256(low, high, 0x20));
                _mm256_store_si256((void *)(to + 32), _mm256_permute2x128_si256(low, high, 0x31));
            } else {
                _mm256_store_si256((void *)(zq + (b * R + r) * 32), v);
            }
            zxs[b * R + r] = xs[b];
        }
        if (minus && H == 2)
            for (size_t i = 0; i < 2 * n; i++) zstart[i * R + r] = magic - minus * sum[i];
        else if (minus)
            for (size_t i = 0; i < n; i++) zstart[i * R + r] = magic - minus * (sum[2 * i] + sum[2 * i + 1]);
        if (has_add((int)T) && H == 2)
            for (size_t i = 0; i < 2 * n; i++) zsum[i * R + r] = xs[i / 2] * (float)sum[i];
        else if (has_add((int)T))
            for (size_t i = 0; i < n; i++) zsum[i * R + r] = xs[i] * (float)(sum[2 * i] + sum[2 * i + 1]);
    }
}

/* ---- the two ways ---- */

typedef struct job {
    const glim_matmul_job *j;
    const block_tiles *k;
    glim_dtype T;
    glim_panel_layout l;
    const uint8_t *first; /* panel of out0 */
    size_t stride, n_blocks;
    size_t out0, n_out;
} job;

static const uint8_t *panel_at(const job *b, size_t o, size_t block) {
    return b->first + o / GLIM_PANEL * b->stride + block / b->l.blocks * b->l.group_bytes;
}

static void run(const job *b, size_t row, size_t rows, rows_x *z) {
    _Alignas(64) uint8_t panel[SEGMENT * UNPACKED_MOST];
    _Alignas(32) float acc[TILE_ROWS][GLIM_PANEL];
    tile_x x[ROWS / 3 + 1];
    const bool many = rows > FEW, words = many && is_words(unpacked_of((int)b->T, b->k->dots));
    const size_t segment = many ? SEGMENT / (words ? 2 : 1) : rows > 1 ? SEGMENT_FEW : SEGMENT_1;
    tile_fn *const *tiles = many ? b->k->many[b->T] : b->k->few[b->T];
    for (size_t b0 = 0; b0 < b->n_blocks; b0 += segment) {
        const size_t n = b->n_blocks - b0 < segment ? b->n_blocks - b0 : segment;
        for (size_t r = 0, i = 0, R; r < rows; r += R, i++) {
            R = tile_rows(rows - r);
            fill_tile(&x[i], z, r * segment, b->k, b->T, b->j->x, words, row + r, R, b0, n);
        }
        for (size_t o = 0; o < b->n_out; o += GLIM_PANEL) {
            const uint8_t *p = panel_at(b, o, b0);
            if (many) {
                b->k->unpack[b->T](p, n, b->stride, panel);
                p = panel;
            }
            for (size_t r = 0, i = 0, R; r < rows; r += R, i++) {
                R = tile_rows(rows - r);
                take_y(b->j, b->out0 + o, b->n_out - o, row + r, R, b0 == 0, acc);
                tiles[R - 1](p, &x[i], n, acc);
                give_y(b->j, b->out0 + o, b->n_out - o, row + r, R, b0 + n == b->n_blocks, acc);
            }
        }
    }
}

void glim_avx2_matmul_blocks(const glim_matmul_job *j, size_t out0, size_t n_out, size_t row0, size_t n_rows) {
    job b = {.j = j, .k = tiles_here(), .T = glim_panel_type(j->w->type), .out0 = out0, .n_out = n_out};
    b.l = glim_panel_layout_of(b.T);
    b.stride = glim_panel_stride(j->w->type, j->w->n_in);
    b.n_blocks = glim_act_blocks(j->w->n_in);
    b.first = (const uint8_t *)j->w->panels + out0 / GLIM_PANEL * b.stride;
    rows_x z; /* 208 KB, touched as far as rows go */
    for (size_t row = row0; row < row0 + n_rows;) {
        const size_t left = row0 + n_rows - row, rows = left < ROWS ? left : ROWS;
        run(&b, row, rows, &z);
        row += rows;
    }
}
#endif
