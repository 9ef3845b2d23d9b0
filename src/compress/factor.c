/* factor.c - see factor.h.
 *
 *   H = R R^T        R upper triangular: Cholesky from the last columns backwards
 *   F = R^-1         then H^-1 = F^T F
 *
 * Both in place, NB columns of R or NB rows of F at a time. What the blocks that are done contribute to the next one
 * is a product of matrices: cut into tiles of NB x NB, a tile to a thread, each multiplied in runs of K_RUN columns
 * whose sums are f32 chains from 0 and are added up in double. A chain over all of n = 13,696 would lose the small
 * directions of H, which the inverse is made of. Nothing depends on which thread has which tile. */
#include "compress/factor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

/* A share of the mean moment is added to each: directions that the text never took stay bounded. */
#define DAMP 0.01

enum { NB = 128, K_RUN = 256 };

/* Of one thread. */
typedef struct own {
    double sum[NB][NB];
    float part[NB][NB], small[NB][NB];
} own;

typedef struct job {
    const glim_gemm_set *set;
    float *h;      /* [n, n] */
    size_t n;
    size_t b0, b1; /* the block at work */
    float *rows;   /* [NB, n]: rows of R that F takes the place of */
    char *mem;     /* [threads] of an own and the product's scratch */
    size_t stride;
} job;

static double dot(const float *a, const float *b, size_t n) {
    double s[8] = {0};
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (int k = 0; k < 8; k++) s[k] += (double)a[i + (size_t)k] * (double)b[i + (size_t)k];
    for (; i < n; i++) s[0] += (double)a[i] * (double)b[i];
    return ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
}

static size_t least(size_t a, size_t b) { return a < b ? a : b; }
static own *own_of(const job *j, int worker) { return (own *)(void *)(j->mem + (size_t)worker * j->stride); }

/* o->sum[m][n] = A B over k columns of A (rows a_row apart) and B[k][n] = b[k * b_k + n * b_n]. */
static void tile_product(const job *j, own *o, const float *a, size_t a_row, const float *b, size_t b_k, size_t b_n, size_t m,
                         size_t n, size_t k) {
    memset(o->sum, 0, sizeof o->sum);
    for (size_t k0 = 0; k0 < k; k0 += K_RUN) {
        const glim_gemm g = {.m = m, .n = n, .k = least(k - k0, K_RUN), .c = o->part[0], .ldc = NB, .a = a + k0, .a_row = a_row,
                             .a_k = 1, .b = b + k0 * b_k, .b_k = b_k, .b_n = b_n};
        glim_gemm_run(NULL, j->set, GLIM_GEMM_F32, &g, o + 1);
        for (size_t r = 0; r < m; r++)
            for (size_t c = 0; c < n; c++) o->sum[r][c] += (double)o->part[r][c];
    }
}

/* ---- H = R R^T ---- */

/* Tiles of rows above and of columns [b0, b1): less what the columns behind b1 make up. */
static void less_done(void *ctx, size_t begin, size_t end, int worker) {
    const job *j = ctx;
    own *o = own_of(j, worker);
    const size_t n = j->n, k = n - j->b1;
    for (size_t t = begin; t < end; t++) {
        const size_t row = t * NB, m = least(j->b1 - row, NB);
        tile_product(j, o, j->h + row * n + j->b1, n, j->h + j->b0 * n + j->b1, 1, n, m, j->b1 - j->b0, k);
        for (size_t r = 0; r < m; r++)
            for (size_t c = j->b0; c < j->b1; c++) {
                float *x = j->h + (row + r) * n + c;
                *x = (float)((double)*x - o->sum[r][c - j->b0]);
            }
    }
}

static bool factor_block(const job *j) {
    for (size_t c = j->b1; c-- > j->b0;) {
        float *row = j->h + c * j->n;
        const size_t behind = j->b1 - 1 - c;
        const double d = (double)row[c] - dot(row + c + 1, row + c + 1, behind);
        if (!(d > 0) || !isfinite(d)) return false;
        row[c] = (float)sqrt(d);
        for (size_t i = j->b0; i < c; i++) {
            float *above = j->h + i * j->n;
            above[c] = (float)(((double)above[c] - dot(above + c + 1, row + c + 1, behind)) / (double)row[c]);
        }
    }
    return true;
}

static void solve_rows(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    const job *j = ctx;
    for (size_t i = begin; i < end; i++) {
        float *row = j->h + i * j->n;
        for (size_t c = j->b1; c-- > j->b0;) {
            const float *r = j->h + c * j->n;
            row[c] = (float)(((double)row[c] - dot(row + c + 1, r + c + 1, j->b1 - 1 - c)) / (double)r[c]);
        }
    }
}

static bool factor_all(job *j, glim_pool *pool) {
    const size_t n_blocks = (j->n + NB - 1) / NB;
    for (size_t b = n_blocks; b-- > 0;) {
        j->b0 = b * NB;
        j->b1 = least(j->n, j->b0 + NB);
        if (j->b1 < j->n) glim_pool_for(pool, b + 1, 1, less_done, j);
        if (!factor_block(j)) return false;
        glim_pool_for(pool, j->b0, 16, solve_rows, j);
    }
    return true;
}

/* ---- F = R^-1 ---- */

/* Tiles of F behind the block's own: -F_bb (sum of R_bk F_kt, b < k <= t). */
static void rows_of_f(void *ctx, size_t begin, size_t end, int worker) {
    const job *j = ctx;
    own *o = own_of(j, worker);
    const size_t n = j->n, m = j->b1 - j->b0;
    for (size_t t = begin; t < end; t++) {
        /* The last tile first: it has the longest sum. */
        const size_t col = ((n - j->b1 + NB - 1) / NB - 1 - t) * NB + j->b1, cols = least(n - col, NB);
        tile_product(j, o, j->rows + j->b1, n, j->h + j->b1 * n + col, n, 1, m, cols, col + cols - j->b1);
        for (size_t r = 0; r < m; r++)
            for (size_t c = 0; c < cols; c++) o->small[r][c] = -(float)o->sum[r][c];
        const glim_gemm g = {.m = m, .n = cols, .k = m, .c = j->h + j->b0 * n + col, .ldc = n, .a = j->h + j->b0 * n + j->b0,
                             .a_row = n, .a_k = 1, .b = o->small[0], .b_k = NB, .b_n = 1};
        glim_gemm_run(NULL, j->set, GLIM_GEMM_F32, &g, o + 1);
    }
}

/* The block on the diagonal, row i from row i of R and the rows of F below it; what is left of it becomes 0. */
static void invert_block(const job *j) {
    double sum[NB];
    for (size_t i = j->b1; i-- > j->b0;) {
        float *row = j->h + i * j->n;
        const double inverse = 1 / (double)row[i];
        memset(sum, 0, sizeof sum);
        for (size_t k = i + 1; k < j->b1; k++)
            for (size_t c = k; c < j->b1; c++) sum[c - j->b0] += (double)row[k] * (double)j->h[k * j->n + c];
        row[i] = (float)inverse;
        for (size_t c = i + 1; c < j->b1; c++) row[c] = (float)(-inverse * sum[c - j->b0]);
        memset(row, 0, i * sizeof *row);
    }
}

static void invert_all(job *j, glim_pool *pool) {
    for (size_t b = (j->n + NB - 1) / NB; b-- > 0;) {
        j->b0 = b * NB;
        j->b1 = least(j->n, j->b0 + NB);
        for (size_t r = j->b0; r < j->b1; r++) memcpy(j->rows + (r - j->b0) * j->n, j->h + r * j->n, j->n * sizeof *j->h);
        invert_block(j);
        glim_pool_for(pool, (j->n - j->b1 + NB - 1) / NB, 1, rows_of_f, j);
    }
}

glim_status glim_factor(glim_pool *pool, const glim_gemm_set *set, float *h, float *w, size_t n, glim_err *err) {
    double mean = 0;
    for (size_t i = 0; i < n; i++) mean += (double)h[i * n + i];
    mean /= (double)n;
    if (!(mean > 0) || !isfinite(mean)) return glim_fail(err, GLIM_E_FORMAT, "the moments are zero or not finite");
    job j = {.set = set, .h = h, .n = n};
    j.stride = sizeof(own) + glim_gemm_bytes(set, NB, K_RUN, 1);
    j.stride = (j.stride + 63) / 64 * 64;
    void *rows, *mem = NULL;
    glim_status rc = glim_try_calloc(&rows, NB * n, sizeof *h, "rows of a factor", err);
    if (rc == GLIM_OK) rc = glim_try_calloc(&mem, (size_t)glim_pool_size(pool), j.stride, "tiles of a factor", err);
    j.rows = rows;
    j.mem = mem;
    if (rc == GLIM_OK) {
        for (size_t i = 0; i < n; i++) h[i * n + i] += (float)(DAMP * mean);
        if (!factor_all(&j, pool)) rc = glim_fail(err, GLIM_E_FORMAT, "the moments are not those of any rows");
    }
    if (rc == GLIM_OK) {
        invert_all(&j, pool);
        for (size_t i = 0; i < n; i++) w[i] = 1 / (h[i * n + i] * h[i * n + i]);
    }
    free(rows);
    free(mem);
    return rc;
}
