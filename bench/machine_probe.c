/* machine_probe.c - what this machine can do at this moment, as a line of JSON: for programs in other languages
 * that measure a peer and want the same floors as `glim bench`.
 *
 *   machine_probe [THREADS [MEGABYTES]]
 *
 * barrier_us is a whole empty job of the pool, hand-out and wait included, with hot threads: the median of 1,001
 * runs of 100 jobs. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/pool.h"
#include "tensor/probe.h"

enum { BARRIERS = 100, BARRIER_RUNS = 1001 };

static void nothing(void *ctx, size_t begin, size_t end, int worker) {
    (void)ctx, (void)begin, (void)end, (void)worker;
}

static int by_size(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static double barrier_us(glim_pool *pool) {
    static double us[BARRIER_RUNS];
    for (int i = 0; i < BARRIER_RUNS; i++) {
        const double t = now_us();
        for (int k = 0; k < BARRIERS; k++) glim_pool_for(pool, (size_t)glim_pool_size(pool), 1, nothing, NULL);
        us[i] = (now_us() - t) / BARRIERS;
    }
    qsort(us, BARRIER_RUNS, sizeof *us, by_size);
    return us[BARRIER_RUNS / 2];
}

int main(int argc, char **argv) {
    glim_pool *pool = glim_pool_new(argc > 1 ? atoi(argv[1]) : 0);
    const long mb = argc > 2 ? atol(argv[2]) : 256;
    glim_probe p;
    glim_err err = {0};
    if (glim_probe_init(&p, pool, (size_t)(mb > 0 ? mb : 1) << 20, &err) != GLIM_OK) {
        fprintf(stderr, "machine_probe: %s\n", err.msg);
        return 1;
    }
    const char *set = glim_kernels_get()->name;
    const glim_instr i8 = glim_instr_for(set, GLIM_ACT_Q8), bf16 = glim_instr_for(set, GLIM_ACT_BF16), f32 = glim_instr_for(set, GLIM_ACT_F32);
    glim_probe_peak(&p, i8); /* wakes the threads and the clock */
    printf("{\"threads\": %d, \"read_gbs\": %.3f, \"int8_gops\": %.1f, \"bf16_gops\": %.1f, \"f32_gops\": %.1f, \"barrier_us\": %.2f, \"int8\": \"%s\"}\n",
           glim_pool_size(pool), glim_probe_read(&p, NULL, 0), glim_probe_peak(&p, i8), glim_probe_peak(&p, bf16), glim_probe_peak(&p, f32),
           barrier_us(pool), glim_instr_name(i8));
    glim_probe_deinit(&p);
    glim_pool_free(pool);
    return 0;
}
