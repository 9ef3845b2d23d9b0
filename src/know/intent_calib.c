/* intent_calib.c - how likely the best label is the right one.
 *
 * A softmax over many labels is sure of the wrong things: with ten sentences a label and 77 labels, answers at 0.5 to 0.8
 * were right less often than that, and answers below 0.4 more often (docs/know.md). So the probability that counts is a
 * logistic function of three numbers of the scores, fitted to answers on held-out examples by Newton's method. */
#include <math.h>

#include "know/intent_internal.h"

enum { N = GLIM_N_CALIB, ROUNDS = 30 };
static const double ridge = 1; /* on all but the constant: a set of twenty held-out examples cannot fix four numbers */

void glim_calib_look(float x[GLIM_N_CALIB], const float *score, size_t n_in, size_t best, float p_best) {
    float second = -INFINITY, p = p_best < 1e-6f ? 1e-6f : p_best > 1 - 1e-6f ? 1 - 1e-6f : p_best;
    for (size_t c = 0; c < n_in; c++)
        if (c != best && score[c] > second) second = score[c];
    float gap = score[best] - second;
    x[0] = 1;
    x[1] = logf(p / (1 - p));
    x[2] = score[best];
    x[3] = gap < 4 ? gap : 4;
}

float glim_calib_p(const float w[GLIM_N_CALIB], const float x[GLIM_N_CALIB]) {
    double z = 0;
    for (int k = 0; k < N; k++) z += (double)w[k] * x[k];
    return (float)(1 / (1 + exp(-z)));
}

/* a x = b for a positive definite [N, N]; Gauss without pivots. b becomes x. */
static void solve(double a[N][N], double b[N]) {
    for (int i = 0; i < N; i++)
        for (int j = i + 1; j < N; j++) {
            double f = a[j][i] / a[i][i];
            for (int k = i; k < N; k++) a[j][k] -= f * a[i][k];
            b[j] -= f * b[i];
        }
    for (int i = N; i-- > 0;) {
        for (int j = i + 1; j < N; j++) b[i] -= a[i][j] * b[j];
        b[i] /= a[i][i];
    }
}

void glim_calib_fit(float w[GLIM_N_CALIB], const float *x, const bool *right, size_t n) {
    double v[N] = {0, 1, 0, 0}; /* the softmax's own word, and where the ridge pulls to */
    for (int round = 0; round < ROUNDS; round++) {
        double g[N] = {0}, h[N][N] = {{0}};
        for (int k = 0; k < N; k++) {
            double r = k ? ridge : 1e-6;
            g[k] = r * (v[k] - (k == 1));
            h[k][k] = r;
        }
        for (size_t i = 0; i < n; i++) {
            const float *xi = x + i * N;
            double z = 0;
            for (int k = 0; k < N; k++) z += v[k] * xi[k];
            double p = 1 / (1 + exp(-z)), d = p - right[i], q = p * (1 - p);
            for (int k = 0; k < N; k++) {
                g[k] += d * xi[k];
                for (int l = 0; l < N; l++) h[k][l] += q * xi[k] * xi[l];
            }
        }
        solve(h, g);
        double most = 0;
        for (int k = 0; k < N; k++) most = fabs(g[k]) > most ? fabs(g[k]) : most;
        double step = most > 2 ? 2 / most : 1; /* far from the answer Newton's step overshoots */
        for (int k = 0; k < N; k++) v[k] -= step * g[k];
        if (most < 1e-9) break;
    }
    for (int k = 0; k < N; k++) w[k] = (float)v[k];
}
