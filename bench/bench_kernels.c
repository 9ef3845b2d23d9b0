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

#if defined __x86_64__
#include <immintrin.h>
#endif

#include "base/alloc.h"
#include "base/pool.h"
#include "base/rng.h"
#include "tensor/kernels.h"

enum { N_IN = 4096, GEMM_OUT = 2048, REPS_MOST = 99 };

static glim_pool *g_pool;

/* One thread is timed by its own processor time: what neighbours take does not count. */
static double now_s(void) {
    struct timespec ts;
    clock_gettime(glim_pool_size(g_pool) == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}
static volatile uint64_t g_sink;

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

/* ---- what the machine can do ---- */

static const uint8_t *g_bytes;
#if defined __x86_64__
__attribute__((target("avx2")))
#endif
static void read_range(void *ctx, size_t begin, size_t end, int worker) {
    (void)ctx, (void)worker;
    const uint8_t *p = g_bytes + 64 * begin, *last = g_bytes + 64 * end;
#if defined __x86_64__
    __m256i s[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(),
                    _mm256_setzero_si256()};
    for (; p + 128 <= last; p += 128) {
        const __m256i *v = (const __m256i *)(const void *)p;
        s[0] = _mm256_xor_si256(s[0], v[0]), s[1] = _mm256_xor_si256(s[1], v[1]);
        s[2] = _mm256_xor_si256(s[2], v[2]), s[3] = _mm256_xor_si256(s[3], v[3]);
    }
    s[0] = _mm256_xor_si256(_mm256_xor_si256(s[0], s[1]), _mm256_xor_si256(s[2], s[3]));
    g_sink += (uint64_t)_mm256_extract_epi64(s[0], 0);
#else
    uint64_t s = 0;
    for (; p < last; p += 8) s += *(const uint64_t *)(const void *)p;
    g_sink += s;
#endif
}
static double read_gbs(const uint8_t *bytes, size_t n) {
    g_bytes = bytes;
    const double t = now_s();
    glim_pool_for(g_pool, n / 64, 192 * 1024 / 64, read_range, NULL);
    return (double)n / (now_s() - t) * 1e-9;
}

typedef enum peak_kind { PEAK_F32, PEAK_BF16, PEAK_I8, PEAK_MADDUBS, PEAK_F32_256 } peak_kind;
enum { PEAK_STEPS = 100000 };

#if defined __x86_64__
#define CHAINS 12
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#define WITH(isa) __attribute__((target(isa)))
#else
#define UNROLL _Pragma("GCC unroll 16")
#define WITH(isa) __attribute__((target(isa), optimize("O3")))
#endif
#define REPEAT(expr)                                                      \
    for (int i = 0; i < PEAK_STEPS; i++) {                                \
        UNROLL for (int c = 0; c < CHAINS; c++) {                         \
            acc[c] = (expr);                                              \
            __asm__ volatile("" : "+v"(acc[c]));                          \
        }                                                                 \
    }
WITH("avx512f") static void peak_f32(void) {
    __m512 acc[CHAINS], x = _mm512_set1_ps(1e-3f);
    UNROLL for (int c = 0; c < CHAINS; c++) acc[c] = x;
    REPEAT(_mm512_fmadd_ps(x, x, acc[c]))
}
WITH("avx512f,avx512bf16") static void peak_bf16(void) {
    __m512 acc[CHAINS];
    const __m512bh x = (__m512bh)_mm512_set1_epi16(0x3c00);
    UNROLL for (int c = 0; c < CHAINS; c++) acc[c] = _mm512_setzero_ps();
    REPEAT(_mm512_dpbf16_ps(acc[c], x, x))
}
WITH("avx512f,avx512vnni") static void peak_i8(void) {
    __m512i acc[CHAINS];
    const __m512i x = _mm512_set1_epi8(1);
    UNROLL for (int c = 0; c < CHAINS; c++) acc[c] = x;
    REPEAT(_mm512_dpbusd_epi32(acc[c], x, x))
}
#undef REPEAT
#define REPEAT(expr)                                                      \
    for (int i = 0; i < PEAK_STEPS; i++) {                                \
        UNROLL for (int c = 0; c < CHAINS; c++) {                         \
            acc[c] = (expr);                                              \
            __asm__ volatile("" : "+x"(acc[c]));                          \
        }                                                                 \
    }
WITH("avx2,fma") static void peak_f32_256(void) {
    __m256 acc[CHAINS], x = _mm256_set1_ps(1e-3f);
    UNROLL for (int c = 0; c < CHAINS; c++) acc[c] = x;
    REPEAT(_mm256_fmadd_ps(x, x, acc[c]))
}
WITH("avx2") static void peak_maddubs(void) {
    __m256i acc[CHAINS];
    const __m256i x = _mm256_set1_epi8(1);
    UNROLL for (int c = 0; c < CHAINS; c++) acc[c] = x;
    REPEAT(_mm256_maddubs_epi16(acc[c], x))
}
#endif

static void peak_piece(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
#if defined __x86_64__
    for (size_t i = begin; i < end; i++) {
        switch (*(const peak_kind *)ctx) {
        case PEAK_F32: peak_f32(); break;
        case PEAK_BF16: peak_bf16(); break;
        case PEAK_I8: peak_i8(); break;
        case PEAK_MADDUBS: peak_maddubs(); break;
        case PEAK_F32_256: peak_f32_256(); break;
        }
    }
#else
    (void)ctx, (void)begin, (void)end;
#endif
}
/* GOP/s over the pool; 0 where there is no probe. */
static double peak_gops(peak_kind kind) {
#if defined __x86_64__
    static const double ops[] = {32, 64, 128, 64, 16}; /* per instruction */
    const size_t pieces = 4 * (size_t)glim_pool_size(g_pool);
    const double t = now_s();
    glim_pool_for(g_pool, pieces, 1, peak_piece, &kind);
    return ops[kind] * CHAINS * PEAK_STEPS * (double)pieces / (now_s() - t) * 1e-9;
#else
    (void)kind;
    return 0;
#endif
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

static peak_kind peak_for(const glim_kernels *k, glim_dtype t) {
    const bool wide = strcmp(k->name, "avx512") == 0;
    if (k->act_form(t) == GLIM_ACT_Q8) return wide ? PEAK_I8 : PEAK_MADDUBS;
    if (k->act_form(t) == GLIM_ACT_BF16) return PEAK_BF16;
    return wide ? PEAK_F32 : PEAK_F32_256;
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
            const double can = read_gbs(w.panels ? w.panels : w.rows, n_bytes);
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
            const double can = peak_gops(peak_for(k, t));
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
