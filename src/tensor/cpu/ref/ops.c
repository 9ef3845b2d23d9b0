/* ops.c - plain C definition of the row operations: norm, rotation, gate, residual, KV rows. */
#include <math.h>
#include <string.h>

#include "tensor/kernels_internal.h"

void glim_ref_rmsnorm(float *out, const float *x, const float *w, size_t n, float eps) {
    double ss = 0; /* double: the definition should not carry an error of its own */
    for (size_t i = 0; i < n; i++) ss += (double)x[i] * x[i];
    const float inv = (float)(1.0 / sqrt(ss / (double)n + (double)eps));
    for (size_t i = 0; i < n; i++) out[i] = w[i] * (x[i] * inv);
}

void glim_ref_rope(float *x, size_t n_head, const float *cos, const float *sin, glim_rope_spec s) {
    const size_t half = s.n_rot / 2, step = s.interleaved ? 2 : 1, apart = s.interleaved ? 1 : half;
    for (size_t h = 0; h < n_head; h++, x += s.head_dim) {
        for (size_t j = 0; j < half; j++) {
            float *a = x + step * j, *b = a + apart;
            const float va = *a, vb = *b;
            *a = va * cos[j] - vb * sin[j];
            *b = vb * cos[j] + va * sin[j];
        }
    }
}

void glim_ref_silu_mul(float *out, const float *gate, const float *up, size_t n) {
    for (size_t i = 0; i < n; i++) out[i] = gate[i] / (1.0f + expf(-gate[i])) * up[i];
}

void glim_ref_add(float *y, const float *x, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] += x[i];
}

void glim_ref_axpy(float *y, float a, const float *x, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] = fmaf(a, x[i], y[i]);
}

void glim_ref_kv_store(void *dst, float *scale, glim_dtype kv_type, const float *src, size_t n) {
    if (kv_type == GLIM_F32) {
        memcpy(dst, src, n * sizeof *src);
    } else if (kv_type == GLIM_BF16) {
        uint16_t *d = dst;
        for (size_t i = 0; i < n; i++) d[i] = glim_f32_to_bf16(src[i]);
    } else {
        *scale = glim_ref_q8(dst, src, n);
    }
}
