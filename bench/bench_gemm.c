/* bench_gemm.c - training's products beside what the machine can do: bench_gemm [THREADS [ROWS [NAME]]], NAME: the beginning of a shape's.
 *
 * Shapes are those of GLM-4-9B, SmolLM2-135M and glim-nano; each product runs forward (y = x W^T), back (dx = dy W) and, where weights
 * are trained, to the gradient (dW = dy^T x). Every repetition has the peak of the instruction just before it, and the share is the median of
 * theirs: neighbours come and go within a line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/rng.h"
#include "tensor/gemm.h"
#include "tensor/probe.h"

static void *need(size_t n) {
    void *p;
    glim_err err;
    if (glim_try_calloc(&p, n, 1, "a benchmark", &err) == GLIM_OK) return p;
    fprintf(stderr, "%s\n", err.msg);
    exit(1);
}

typedef struct shape {
    const char *name;
    size_t n_out, n_in;
} shape;

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

enum { MOST = 21 }; /* repetitions */

int main(int argc, char **argv) {
    static const shape shapes[] = {{"9B qkv", 4608, 4096}, {"9B down", 4096, 13696}, {"135M gate", 1536, 576}, {"135M down", 576, 1536},
                                    {"nano gate", 640, 256}, {"nano down", 256, 640}, {"nano head", 6144, 256}};
    static const glim_dtype types[] = {GLIM_BF16, GLIM_Q4_0, GLIM_Q4_K, GLIM_Q8_0, GLIM_F32};
    const size_t rows = argc > 2 ? (size_t)atoi(argv[2]) : 512;
    glim_pool *pool = glim_pool_new(argc > 1 ? atoi(argv[1]) : 0);
    const glim_kernels *k = glim_kernels_get();
    const glim_gemm_set *s = glim_gemm_of(k);
    const glim_instr instr = strcmp(k->name, "avx512") == 0 ? s->pairs() ? GLIM_INSTR_BF16_512 : GLIM_INSTR_F32_512 : GLIM_INSTR_F32_256;
    glim_probe probe;
    glim_err err;
    if (glim_probe_init(&probe, pool, 1 << 20, &err) != GLIM_OK) return 1;
    printf("%s, %d threads, %zu rows; peak: %s\n", s->name, glim_pool_size(pool), rows, glim_instr_name(instr));
    printf("%-10s %-6s %-8s %10s %10s %6s\n", "shape", "type", "way", "GFLOP/s", "peak", "share");
    for (size_t x = 0; x < GLIM_COUNT(shapes); x++)
        for (size_t t = 0; t < GLIM_COUNT(types); t++) {
            const size_t n_out = shapes[x].n_out, n_in = shapes[x].n_in, wide = n_out > n_in ? n_out : n_in;
            if (n_in % glim_dtype_of(types[t])->block_len || (argc > 3 && strncmp(shapes[x].name, argv[3], strlen(argv[3])) != 0)) continue;
            glim_mat w = {.type = types[t], .n_out = n_out, .n_in = n_in};
            if (glim_row_bytes(types[t], n_in, &w.row_bytes, &err) != GLIM_OK) return 1;
            w.rows = need(n_out * w.row_bytes);
            void *panels = need(k->pack_bytes(types[t], n_out, n_in) + 64);
            if (k->pack_bytes(types[t], n_out, n_in)) glim_mat_pack(pool, k, &w, panels);
            float *a = need(rows * wide * 4), *c = need((rows > wide ? rows : wide) * wide * 4);
            glim_rng rng = {.seed = 1};
            for (size_t i = 0; i < rows * wide; i++) a[i] = (float)glim_rng_uniform(&rng);
            void *scratch = need(glim_gemm_bytes(s, rows > wide ? rows : wide, rows > wide ? rows : wide, glim_pool_size(pool)));
            for (int way = 0; way < (types[t] == GLIM_F32 ? 3 : 2); way++) {
                glim_gemm g = {.m = rows, .n = way ? n_in : n_out, .k = way ? n_out : n_in, .c = c, .a = a, .a_k = 1, .w = &w, .back = way == 1};
                g.a_row = g.k, g.ldc = g.n;
                if (way == 2) g = (glim_gemm){.m = n_out, .n = n_in, .k = rows, .c = c, .ldc = n_in, .add = true, .a = a, .a_row = 1, .a_k = n_out,
                                              .b = a, .b_k = n_in, .b_n = 1};
                double speed[MOST], peak[MOST], share[MOST];
                const double ops = 2e-9 * (double)g.m * (double)g.n * (double)g.k;
                const size_t reps = ops < 5 ? MOST : 7; /* short ones are more easily disturbed */
                for (size_t i = 0; i < reps; i++) {
                    peak[i] = glim_probe_peak(&probe, instr);
                    const double t0 = glim_now_s();
                    glim_gemm_run(pool, s, GLIM_GEMM_BF16, &g, scratch);
                    speed[i] = ops / (glim_now_s() - t0);
                    share[i] = peak[i] > 0 ? speed[i] / peak[i] : 0;
                }
                qsort(speed, reps, sizeof *speed, by_value);
                qsort(peak, reps, sizeof *peak, by_value);
                qsort(share, reps, sizeof *share, by_value);
                printf("%-10s %-6s %-8s %10.1f %10.1f %5.0f%%\n", shapes[x].name, glim_dtype_of(types[t])->name,
                       way == 0 ? "forward" : way == 1 ? "back" : "gradient", speed[reps / 2], peak[reps / 2], 100 * share[reps / 2]);
            }
            free((void *)(uintptr_t)w.rows), free(panels), free(a), free(c), free(scratch);
        }
    glim_probe_deinit(&probe);
    glim_pool_free(pool);
    return 0;
}
