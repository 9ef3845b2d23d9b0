/* blocks.c - products with block-quantized weights with AVX2: the driver; the inner loops are in tiles.h.
 *
 * A panel is two registers of eight columns. The integer sums are exact, so the result is the fma sequence of
 * cpu/ref/matmul.c, bit for bit, whichever instruction makes them:
 *
 *   vpdpbusd     codes unsigned; sum (u - minus) x = sum u x - minus * sum x: the sum starts at -minus * xsum
 *   vpmaddubsw   adds two products in 16 bits; vpaddw adds as many such pairs up as surely fit, vpmaddwd widens
 *                (activations lie in -127 .. 127).
 *                types with an offset: 16-bit sums start at -minus * xsum of their inputs. Every sum on the way is one of
 *                (u - minus) x, with u = 0 for what is still to come: 16 inputs of Q5_0 16 * 127 * 16 = 32512, 8 of half a
 *                block of Q6_K 32 * 127 * 8 = 32512
 *                others: as many pairs as fit. Largest code 15: 8 (30480)   31: 4 (31496)
 *                8-bit types: |w| * (x with w's sign), 128 * 127 * 2 = 32512 fits once; with many rows
 *                vpmaddwd of 16-bit codes instead; no start
 *
 * Two ways through the same sums, as in cpu/avx512/blocks.c: up to 16 rows (8 with vpdpbusd) read the panel itself, in
 * parts that take turns at each block; more read a segment of it that was unpacked once into the first-level cache (plain
 * codes, f32 scales) and serves up to 128 rows. By vpdpbusd tiles have 6 rows: twelve sums, two registers of codes and
 * one of activations fill the sixteen. vpmaddubsw needs registers for what it makes as well: 4 rows, or 5.
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
    _Alignas(64) int8_t q[LAID_OUT * 32];
    float xs[LAID_OUT];
    int32_t start[2 * LAID_OUT];
    float sum[2 * LAID_OUT];
} rows_x;

/* Where 16-bit sums of a block's products begin, in every 32 bits of each half: what -minus times its activations come
 * to, the first and second of four inputs in the lower 16 bits, the third and fourth in the upper. */
static __m256i starts_of(__m256i q, int minus) {
    __m256i v = _mm256_maddubs_epi16(_mm256_set1_epi8(1), q);
    v = _mm256_add_epi16(v, _mm256_shuffle_epi32(v, 0x4e));
    v = _mm256_add_epi16(v, _mm256_shuffle_epi32(v, 0xb1));
    return _mm256_mullo_epi16(v, _mm256_set1_epi16((int16_t)-minus));
}

/* Lays rows [row, row + rows) of blocks [b0, b0 + n) out for a tile of `parts` of R rows, in z from its `at`-th block of a
 * row. Rows that only fill the last part up are the last row again. */
static void fill_tile(tile_x *x, rows_x *z, size_t at, const block_tiles *k, glim_dtype T, const glim_act *a,
                      bool words, size_t row, size_t rows, size_t parts, size_t R, size_t b0, size_t n) {
    const int32_t minus = minus_of((int)T, k->dots), magic = MAGIC;
    const size_t n_blocks = glim_act_blocks(a->n_in), H = has_halves((int)T) ? 2 : 1, wide = parts * R;
    int8_t *const zq = z->q + at * (words ? 64 : 32);
    float *const zxs = z->xs + at, *const zsum = z->sum + 2 * at;
    int32_t *const zstart = z->start + 2 * at;
    *x = (tile_x){.q = zq, .xs = zxs, .start = zstart, .sum = zsum};
    if (wide == 1) {
        x->q = a->q8 + (row * n_blocks + b0) * 32;
        x->xs = a->q8_scale + row * n_blocks + b0;
    }
    for (size_t r = 0; r < wide; r++) {
        const size_t first = (row + (r < rows ? r : rows - 1)) * n_blocks + b0, part = r / R * R;
        const int8_t *q = a->q8 + first * 32;
        const float *xs = a->q8_scale + first;
        const int32_t *sum = a->q8_sum + 2 * first;
        for (size_t b = 0; b < n; b++) {
            const __m256i v = _mm256_loadu_si256((const void *)(q + 32 * b));
            _mm_prefetch((const char *)q + n_blocks * 32 + 32 * b, _MM_HINT_T0);
            if (minus && !k->dots) {
                const __m256i s = starts_of(v, minus);
                const __m128i lower = _mm256_castsi256_si128(s), upper = _mm256_extracti128_si256(s, 1);
                int32_t *to = zstart + b * H * wide + H * part + r % R;
                *to = _mm_cvtsi128_si32(H == 2 ? lower : _mm_add_epi16(lower, upper));
                if (H == 2) to[R] = _mm_cvtsi128_si32(upper);
            }
            if (wide == 1) continue;
            if (words) {
                const __m256i even = even_bytes(v), odd = odd_bytes(v); /* as unpacked weights, four inputs by four */
                const __m256i low = _mm256_unpacklo_epi32(even, odd), high = _mm256_unpackhi_epi32(even, odd);
                int8_t *to = zq + (b * wide + r) * 64;
                _mm256_store_si256((void *)to, _mm256_permute2x128_si256(low, high, 0x20));
                _mm256_store_si256((void *)(to + 32), _mm256_permute2x128_si256(low, high, 0x31));
            } else {
                _mm256_store_si256((void *)(zq + (b * wide + r) * 32), v);
            }
            zxs[b * wide + r] = xs[b];
        }
        int32_t *const to = zstart + H * part + r % R;
        float *const to_sum = zsum + H * part + r % R;
        if (minus && k->dots && H == 2)
            for (size_t i = 0; i < 2 * n; i++) to[i / 2 * 2 * wide + i % 2 * R] = magic - minus * sum[i];
        else if (minus && k->dots)
            for (size_t i = 0; i < n; i++) to[i * wide] = magic - minus * (sum[2 * i] + sum[2 * i + 1]);
        if (has_add((int)T) && H == 2)
            for (size_t i = 0; i < 2 * n; i++) to_sum[i / 2 * 2 * wide + i % 2 * R] = xs[i / 2] * (float)sum[i];
        else if (has_add((int)T))
            for (size_t i = 0; i < n; i++) to_sum[i * wide] = xs[i] * (float)(sum[2 * i] + sum[2 * i + 1]);
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

/* Of rows that a segment was unpacked for; as tile_rows, or fours with a rest of threes. */
static size_t many_rows(const block_tiles *k, size_t left) {
    return k->many_rows == TILE_ROWS ? tile_rows(left) : left % 4 == 0 || left == 7 || left > 9 ? 4 : 3;
}

static void run(const job *b, size_t row, size_t rows, rows_x *z) {
    _Alignas(64) uint8_t panel[SEGMENT * UNPACKED_MOST];
    _Alignas(32) float acc[FEW][GLIM_PANEL] = {{0}};
    tile_x x[ROWS / 3 + 1];
    const bool many = rows > b->k->few_most, words = many && is_words(unpacked_of((int)b->T, b->k->dots));
    const size_t parts = many ? 1 : (rows + b->k->few_rows - 1) / b->k->few_rows, part_rows = (rows + parts - 1) / parts;
    /* Few rows are laid out as far as there is room, most often whole: where segments end, what follows in memory is not what
     * comes next. */
    const size_t segment = many ? SEGMENT / (words ? 2 : 1) : LAID_OUT / (parts * part_rows) / SEGMENT * SEGMENT;
    const size_t segment_bytes = segment / b->l.blocks * b->l.group_bytes, slice = segment_bytes / 64 / (rows / 6 + 1) + 1;
    tile_fn *const *tiles = many ? b->k->many[b->T] : b->k->few[b->T];
    for (size_t b0 = 0; b0 < b->n_blocks; b0 += segment) {
        const size_t n = b->n_blocks - b0 < segment ? b->n_blocks - b0 : segment;
        for (size_t r = 0, i = 0, R; r < rows; r += R, i++) {
            R = many ? many_rows(b->k, rows - r) : rows;
            fill_tile(&x[i], z, r * segment, b->k, b->T, b->j->x, words, row + r, R, parts, many ? R : part_rows, b0, n);
        }
        for (size_t o = 0; o < b->n_out; o += GLIM_PANEL) {
            const uint8_t *p = panel_at(b, o, b0);
            const uint8_t *next = NULL, *end = NULL;
            if (many) {
                b->k->unpack[b->T](p, n, panel);
                p = panel;
                next = o + GLIM_PANEL < b->n_out ? panel_at(b, o + GLIM_PANEL, b0) : panel_at(b, 0, b0 + segment);
                end = next + segment_bytes;
            }
            for (size_t r = 0, i = 0, R; r < rows; r += R, i++) {
                R = many ? many_rows(b->k, rows - r) : rows;
                for (size_t k = 0; k < slice && next < end; k++, next += 64) _mm_prefetch((const char *)next, _MM_HINT_T1);
                take_y(b->j, b->out0 + o, b->n_out - o, row + r, R, b0 == 0, acc);
                tiles[(many ? R : part_rows) - 1](p, &x[i], n, parts, acc);
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
