/* dora.c - see dora.h. */
#include "model/dora.h"

#include <math.h>

enum { CUT = 256 };

/* ---- |W|^2 ---- */

typedef struct square_job {
    const glim_gemm_set *s;
    const glim_mat *w;
    double *square;
} square_job;

static void square_panels(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    const square_job *j = ctx;
    float tile[CUT][GLIM_PANEL];
    for (size_t p = begin; p < end; p++) {
        const size_t o = p * GLIM_PANEL, n = j->w->n_out - o < GLIM_PANEL ? j->w->n_out - o : GLIM_PANEL;
        double sum[GLIM_PANEL] = {0};
        for (size_t k0 = 0; k0 < j->w->n_in; k0 += CUT) {
            const size_t n_k = j->w->n_in - k0 < CUT ? j->w->n_in - k0 : CUT;
            j->s->tile(tile[0], GLIM_PANEL, j->w, p, k0, n_k);
            for (size_t k = 0; k < n_k; k++)
                for (size_t i = 0; i < GLIM_PANEL; i++) sum[i] += (double)tile[k][i] * (double)tile[k][i];
        }
        for (size_t i = 0; i < n; i++) j->square[o + i] = sum[i];
    }
}

void glim_dora_squares(glim_pool *pool, const glim_gemm_set *s, const glim_mat *w, double *square) {
    square_job j = {s, w, square};
    glim_pool_for(pool, (w->n_out + GLIM_PANEL - 1) / GLIM_PANEL, 1, square_panels, &j);
}

/* ---- |W + s B A| ---- */

static size_t up64(size_t n) { return (n + 63) / 64 * 64; }

size_t glim_dora_bytes(const glim_gemm_set *s, size_t n_out, size_t n_in, size_t rank, int n_threads) {
    return up64(rank * n_out * sizeof(float)) + up64(rank * rank * sizeof(float)) + glim_gemm_bytes(s, rank, n_in, n_threads);
}

typedef struct length_job {
    const double *square;
    const float *b, *aw, *gram; /* [n_out, rank], [rank, n_out], [rank, rank] */
    float *length;
    size_t rank, n_out;
    double scale;
} length_job;

static void length_rows(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    const length_job *j = ctx;
    for (size_t o = begin; o < end; o++) {
        const float *b = j->b + o * j->rank;
        double cross = 0, own = 0;
        for (size_t i = 0; i < j->rank; i++) {
            double dot = 0;
            for (size_t k = 0; k < j->rank; k++) dot += (double)j->gram[i * j->rank + k] * (double)b[k];
            own += (double)b[i] * dot;
            cross += (double)b[i] * (double)j->aw[i * j->n_out + o];
        }
        const double sum = j->square[o] + j->scale * (2 * cross + j->scale * own);
        j->length[o] = sum > 0 ? (float)sqrt(sum) : 0; /* below zero only by rounding */
    }
}

void glim_dora_lengths(glim_pool *pool, const glim_gemm_set *s, const glim_mat *w, const double *square, const float *a,
                       const float *b, size_t rank, double scale, float *length, void *scratch) {
    float *aw = scratch, *gram = (float *)(void *)((char *)scratch + up64(rank * w->n_out * sizeof(float)));
    void *gemm = (char *)gram + up64(rank * rank * sizeof(float));
    glim_gemm_run(pool, s, GLIM_GEMM_F32, &(glim_gemm){.m = rank, .n = w->n_out, .k = w->n_in, .c = aw, .ldc = w->n_out, .a = a,
                                                       .a_row = w->n_in, .a_k = 1, .w = w}, gemm);
    glim_gemm_run(pool, s, GLIM_GEMM_F32, &(glim_gemm){.m = rank, .n = rank, .k = w->n_in, .c = gram, .ldc = rank, .a = a,
                                                       .a_row = w->n_in, .a_k = 1, .b = a, .b_k = 1, .b_n = w->n_in}, gemm);
    length_job j = {square, b, aw, gram, length, rank, w->n_out, scale};
    glim_pool_for(pool, w->n_out, 64, length_rows, &j);
}
