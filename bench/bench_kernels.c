/* bench_kernels.c - how near the matrix products come to what this machine can do.
 *
 *   bench_kernels [-t threads] [-s set] [-y type] [-m megabytes] [-r repetitions] [-q]
 *
 * Prints for every set and type: the product with one row in GB/s of weights, beside the read bandwidth
 * over the same number of bytes; products of 8, 64 and 512 rows in GOP/s (two per multiply-add), beside
 * the peak of the instruction that the type uses. A probe runs before each repetition, so that a ratio
 * compares neighbours in time: on a shared machine nothing else means much. Medians. -q leaves out
 * the one-row product. Results are CSV. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/pool.h"
#include "base/rng.h"
#include "tensor/kernels.h"
#include "tensor/probe.h"

enum { N_IN = 4096, GEMM_OUT = 2048, REPS_MOST = 99 };

static glim_pool *g_pool;
static glim_probe g_probe; /* without bytes of its own: the weights are read */

/* One thread is timed by its own processor time: what neighbours take does not count. */
static double now_s(void) {
    struct timespec ts;
    clock_gettime(glim_pool_size(g_pool) == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static void *mem64(size_t n_bytes) {
    void *p;
    glim_err err;
    if (glim_try_calloc(&p, n_bytes, 1, "the benchmark", &err) != GLIM_OK) {
        fprintf(stderr, "%s\n", err.msg);
        exit(2);
    }
    return p;
}

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}
static double median(double *v, int n) {
    qsort(v, (size_t)n, sizeof *v, by_value);
    return v[n / 2];
}

/* ---- the products ---- */

/* n_out x N_IN of panels: 16 random rows are packed and their panel repeated. Returns bytes of
 * panels. */
static size_t make_weights(const glim_kernels *k, glim_dtype t, size_t n_out, glim_mat *w) {
    glim_err err;
    glim_rng rng = {.seed = 1};
    *w = (glim_mat){.type = t, .n_out = GLIM_PANEL, .n_in = N_IN};
    if (glim_row_bytes(t, N_IN, &w->row_bytes, &err) != GLIM_OK) return 0;
    const size_t panel = k->pack_bytes(t, GLIM_PANEL, N_IN);
    const size_t n_rows = panel ? GLIM_PANEL : n_out;
    uint8_t *rows = mem64(n_rows * w->row_bytes);
    /* No subnormals anywhere: their multiplications are not what is measured. */
    for (size_t i = 0; i < n_rows * w->row_bytes; i++)
        rows[i] = (uint8_t)(glim_rng_u64(&rng) & 0x33) | 0x08;
    for (size_t i = 0; t == GLIM_MXFP4 && i < n_rows * w->row_bytes; i += 17) rows[i] = 120;
    w->rows = rows;
    if (!panel) {
        w->n_out = n_out;
        return n_rows * w->row_bytes;
    }
    uint8_t *mem = mem64(n_out / GLIM_PANEL * panel);
    k->pack(mem, w, 0, 1);
    for (size_t p = 1; p < n_out / GLIM_PANEL; p++) memcpy(mem + p * panel, mem, panel);
    w->n_out = n_out;
    w->panels = mem;
    return n_out / GLIM_PANEL * panel;
}

static void free_weights(glim_mat *w) {
    free((void *)(uintptr_t)w->rows);
    free((void *)(uintptr_t)w->panels);
}

/* Seconds of one product of n_rows rows. */
static double time_product(const glim_kernels *k, const glim_mat *w, size_t n_rows, const float *x,
                           float *y, void *scratch) {
    glim_act a;
    const unsigned forms = k->act_form(w->type);
    glim_act_layout(&a, scratch, x, N_IN, n_rows, N_IN, forms);
    const double t = now_s();
    glim_act_prepare(g_pool, k, &a, forms);
    const glim_matmul_job job = {.y = y, .y_stride = w->n_out, .w = w, .x = &a};
    glim_matmul_many(g_pool, k, &job, 1);
    return now_s() - t;
}

static void bench_type(const glim_kernels *k, glim_dtype t, size_t mb, int reps, bool skip_one_row) {
    static const size_t n_rows[] = {8, 64, 512};
    double speed[REPS_MOST], part[REPS_MOST];
    glim_mat w;
    float *x = mem64(512 * N_IN * sizeof *x), *y;
    void *scratch = mem64(glim_act_bytes(512, N_IN, k->act_form(t)));
    for (size_t i = 0; i < 512 * N_IN; i++) x[i] = (float)(i * 2654435761u % 1000) * 1e-3f - 0.5f;

    if (!skip_one_row) {
        size_t row_bytes = 0;
        glim_row_bytes(t, N_IN, &row_bytes, NULL);
        const size_t n_out = mb * 1000000 / (row_bytes * GLIM_PANEL) * GLIM_PANEL;
        const size_t n_bytes = make_weights(k, t, n_out, &w);
        y = mem64(n_out * sizeof *y);
        time_product(k, &w, 1, x, y, scratch);
        for (int r = 0; r < reps; r++) {
            const double can = glim_probe_read(&g_probe, w.panels ? w.panels : w.rows, n_bytes);
            speed[r] = (double)n_bytes / time_product(k, &w, 1, x, y, scratch) * 1e-9;
            part[r] = speed[r] / can;
        }
        printf("%s,%s,1,%.1f,GB/s,%.0f%% of read\n", k->name, glim_dtype_of(t)->name,
               median(speed, reps), 100 * median(part, reps));
        fflush(stdout);
        free(y);
        free_weights(&w);
    }
    make_weights(k, t, GEMM_OUT, &w);
    y = mem64(512 * GEMM_OUT * sizeof *y);
    for (size_t n = 0; n < GLIM_COUNT(n_rows); n++) {
        time_product(k, &w, n_rows[n], x, y, scratch);
        for (int r = 0; r < reps; r++) {
            const double can = glim_probe_peak(&g_probe, glim_instr_for(k->name, k->act_form(t)));
            speed[r] = 2.0 * N_IN * GEMM_OUT * (double)n_rows[n] /
                       time_product(k, &w, n_rows[n], x, y, scratch) * 1e-9;
            part[r] = speed[r] / can;
        }
        printf("%s,%s,%zu,%.0f,GOP/s,%.0f%% of peak\n", k->name, glim_dtype_of(t)->name, n_rows[n],
               median(speed, reps), 100 * median(part, reps));
        fflush(stdout);
    }
    free(y);
    free_weights(&w);
    free(x);
    free(scratch);
}

int main(int argc, char **argv) {
    static const glim_dtype types[] = {GLIM_F32,  GLIM_F16,    GLIM_BF16,   GLIM_Q8_0,
                                       GLIM_Q4_0, GLIM_Q4_1,   GLIM_Q5_0,   GLIM_Q5_1,
                                       GLIM_Q2_K, GLIM_Q3_K,   GLIM_Q4_K,   GLIM_Q5_K,
                                       GLIM_Q6_K, GLIM_IQ4_NL, GLIM_IQ4_XS, GLIM_MXFP4};
    static const char *const sets[] = {"avx512", "avx2"};
    int n_threads = 0, reps = 9, opt;
    size_t mb = 256;
    bool skip_one_row = false;
    const char *set = NULL, *type = NULL;
    while ((opt = getopt(argc, argv, "t:s:y:m:r:q")) != -1) {
        switch (opt) {
        case 't': n_threads = atoi(optarg); break;
        case 's': set = optarg; break;
        case 'y': type = optarg; break;
        case 'm': mb = (size_t)atoi(optarg); break;
        case 'r': reps = atoi(optarg); break;
        case 'q': skip_one_row = true; break;
        default:
            fprintf(stderr,
                    "usage: %s [-t threads] [-s set] [-y type] [-m MB] [-r repetitions] [-q]\n",
                    argv[0]);
            return 2;
        }
    }
    if (reps < 1 || reps > REPS_MOST) reps = 9;
    if (mb < 1) mb = 1;
    g_pool = glim_pool_new(n_threads);
    g_probe = (glim_probe){.pool = g_pool, .now = now_s};
    printf("set,type,rows,median,unit,share (%d threads, n_in %d, one row over %zu MB)\n",
           glim_pool_size(g_pool), N_IN, mb);
    for (size_t s = 0; s < GLIM_COUNT(sets); s++) {
        const glim_kernels *k = glim_kernels_find(set ? set : sets[s]);
        for (size_t t = 0; k && t < GLIM_COUNT(types); t++)
            if (!type || strcmp(type, glim_dtype_of(types[t])->name) == 0)
                bench_type(k, types[t], mb, reps, skip_one_row);
        if (set) break;
    }
    glim_pool_free(g_pool);
    return 0;
}
