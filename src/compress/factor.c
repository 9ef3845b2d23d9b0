/* factor.c - see factor.h.
 *
 *   H = R R^T        R upper triangular: Cholesky from the last column backwards
 *   F = R^-1         then H^-1 = F^T F
 *
 * Both in place, row by row. Sums are of floats in eight lanes of double, in a fixed order. */
#include "compress/factor.h"

#include <math.h>

/* A share of the mean moment is added to each: directions that the text never took stay bounded. */
#define DAMP 0.01

static double dot(const float *a, const float *b, size_t n) {
    double s[8] = {0};
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (int k = 0; k < 8; k++) s[k] += (double)a[i + (size_t)k] * (double)b[i + (size_t)k];
    for (; i < n; i++) s[0] += (double)a[i] * (double)b[i];
    return ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
}

typedef struct column {
    float *h;
    size_t n, j;
    double diagonal;
} column;

static void column_rows(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    const column *c = ctx;
    const size_t n = c->n, j = c->j;
    for (size_t i = begin; i < end; i++) {
        float *row = c->h + i * n;
        row[j] = (float)(((double)row[j] - dot(row + j + 1, c->h + j * n + j + 1, n - 1 - j)) / c->diagonal);
    }
}

bool glim_factor(glim_pool *pool, float *h, float *w, size_t n) {
    double mean = 0;
    for (size_t i = 0; i < n; i++) mean += (double)h[i * n + i];
    mean /= (double)n;
    if (!(mean > 0) || !isfinite(mean)) return false;
    for (size_t i = 0; i < n; i++) h[i * n + i] += (float)(DAMP * mean);

    for (size_t j = n; j-- > 0;) {
        float *row = h + j * n;
        const double d = (double)row[j] - dot(row + j + 1, row + j + 1, n - 1 - j);
        if (!(d > 0) || !isfinite(d)) return false;
        column c = {h, n, j, sqrt(d)};
        glim_pool_for(pool, j, 64, column_rows, &c);
        row[j] = (float)c.diagonal;
    }
    /* Row i of F from row i of R and the rows of F below it. w serves as the row of R meanwhile. */
    for (size_t i = n; i-- > 0;) {
        float *row = h + i * n;
        const float inverse = 1 / row[i];
        for (size_t k = i + 1; k < n; k++) w[k] = row[k], row[k] = 0;
        for (size_t k = i + 1; k < n; k++) {
            const float *f = h + k * n, r = w[k];
            for (size_t j = k; j < n; j++) row[j] -= r * f[j];
        }
        row[i] = inverse;
        for (size_t j = i + 1; j < n; j++) row[j] *= inverse;
        for (size_t j = 0; j < i; j++) row[j] = 0;
    }
    for (size_t i = 0; i < n; i++) w[i] = 1 / (h[i * n + i] * h[i * n + i]);
    return true;
}
