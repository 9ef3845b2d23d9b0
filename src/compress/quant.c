/* quant.c - a row, block by block: weights made ready, then the block's own quantizer. */
#include "compress/quant.h"

#include <math.h>

#include "compress/quant_internal.h"

bool glim_quant_can(glim_dtype t) {
    switch (t) {
    case GLIM_F32:
    case GLIM_F16:
    case GLIM_BF16:
    case GLIM_Q8_0:
    case GLIM_Q4_0:
    case GLIM_Q4_1:
    case GLIM_Q5_0:
    case GLIM_Q5_1:
    case GLIM_Q2_K:
    case GLIM_Q3_K:
    case GLIM_Q4_K:
    case GLIM_Q5_K:
    case GLIM_Q6_K:
    case GLIM_IQ4_NL:
    case GLIM_IQ4_XS: return true;
    default: return false;
    }
}

/* Weights as ratios, the largest about 1, so that sums of squares stay inside f32. at_mean: what the mean square counts beside a
 * value's own in the factor that gives larger values more of the weight; 0: no such factor. */
static void weights_of(const float *x, const float *w, float at_mean, size_t n, float *out) {
    float most = 0, most_w = 0, sum = 0;
    for (size_t i = 0; i < n; i++) {
        float a = x[i] < 0 ? -x[i] : x[i];
        most = a > most ? a : most;
        if (w) most_w = w[i] > most_w ? w[i] : most_w;
    }
    if (most == 0) most = 1;
    for (size_t i = 0; i < n; i++) out[i] = most_w > 0 ? w[i] / most_w : 1; /* they matter as ratios only */
    if (most_w > 0 && at_mean == 0) return;
    if (most_w == 0) at_mean = 1;
    for (size_t i = 0; i < n; i++) sum += (x[i] / most) * (x[i] / most);
    sum *= at_mean / (float)n;
    for (size_t i = 0; i < n; i++) out[i] *= sqrtf(sum + (x[i] / most) * (x[i] / most));
}

/* Beside importances: with four levels an error is no longer small against its value, and what the moments of the
 * inputs say is not all that counts (bench/NOTES.md). Eight levels gain nothing by it. */
static float at_mean_of(glim_dtype t) { return t == GLIM_Q2_K ? 2 : 0; }

void glim_quant_row(glim_dtype t, const float *x, const float *w, void *dst, size_t n) {
    const glim_dtype_info *info = glim_dtype_of(t);
    GLIM_ASSERT(glim_quant_can(t) && n % info->block_len == 0);
    if (!info->is_quant) {
        glim_quant_simple(t, x, dst, n);
        return;
    }
    uint8_t *p = dst;
    float weight[256];
    for (size_t i = 0; i < n; i += info->block_len, p += info->block_bytes) {
        weights_of(x + i, w ? w + i : NULL, at_mean_of(t), info->block_len, weight);
        if (info->block_len == 32) glim_quant_block_32(t, x + i, weight, p, NULL);
        else glim_quant_block_k(t, x + i, weight, p, NULL);
    }
}

void glim_quant_row_feedback(glim_dtype t, float *x, const float *w, const float *factor, void *dst, size_t n) {
    const glim_dtype_info *info = glim_dtype_of(t);
    GLIM_ASSERT(glim_quant_can(t) && n % info->block_len == 0);
    if (!info->is_quant) {
        glim_quant_simple(t, x, dst, n);
        return;
    }
    uint8_t *p = dst;
    float weight[256], err[256];
    const size_t len = info->block_len;
    for (size_t i = 0; i < n; i += len, p += info->block_bytes) {
        glim_spread s = {.x = x + i, .err = err, .factor = factor + i * n + i, .stride = n, .n = (int)len};
        weights_of(x + i, w + i, 0, len, weight); /* the factor knows what moments say of pairs, too */
        if (len == 32) glim_quant_block_32(t, x + i, weight, p, &s);
        else glim_quant_block_k(t, x + i, weight, p, &s);
        /* The columns behind the block, four of its columns at a time. */
        float *tail = x + i + len;
        for (size_t k = 0; k < len; k += 4) {
            const float *f = factor + (i + k) * n + i + len;
            const float e0 = err[k], e1 = err[k + 1], e2 = err[k + 2], e3 = err[k + 3];
            for (size_t j = 0; j < n - i - len; j++)
                tail[j] -= (e0 * f[j] + e1 * f[n + j]) + (e2 * f[2 * n + j] + e3 * f[3 * n + j]);
        }
    }
}
