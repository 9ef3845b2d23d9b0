/* matmul.c - plain C definition of matrix products and of the activation forms they read.
 *
 * Float weights      acc = fma(w, x, acc) over the inputs in order, in f32, from acc = 0.
 * Quantized weights  blocks of 32 in order. With s, a the block's scale and minimum term (qblock.h),
 *                    xs the activation scale, isum = sum of q * x8 and xsum = sum of x8, both exact:
 *                        acc = fma(s * xs, isum, acc)
 *                        acc = fma(a, xs * xsum, acc)      only for types with a minimum
 *                    A type with a scale per 16 does the first line for each half, then the second
 *                    line for each half.
 *
 * Then the bias is added. Every set that reads q8 activations repeats exactly these operations, so
 * quantized products are bit-equal between sets. */
#include <math.h>
#include <string.h>

#include "tensor/kernels_internal.h"
#include "tensor/qblock.h"

unsigned glim_ref_act_form(glim_dtype weight) {
    return glim_dtype_of(weight)->is_quant ? GLIM_ACT_Q8 : GLIM_ACT_F32;
}

float glim_ref_q8(int8_t *q, const float *x, size_t n) {
    /* The maximum of magnitudes as integers orders NaN above infinity above every number. */
    union { float f; uint32_t u; } v, amax = {.u = 0};
    for (size_t i = 0; i < n; i++) {
        v.f = x[i];
        v.u &= 0x7fffffffu;
        if (v.u > amax.u) amax.u = v.u;
    }
    if (amax.u >= 0x7f800000u || amax.f < GLIM_Q8_TINY) {
        memset(q, 0, n);
    } else {
        const float inv = 127.0f / amax.f;
        for (size_t i = 0; i < n; i++) q[i] = (int8_t)lrintf(x[i] * inv);
    }
    return amax.f / 127.0f;
}

void glim_ref_act_fill(glim_act *x, unsigned forms, size_t row0, size_t n) {
    const size_t n_in = x->n_in, n_blocks = glim_act_blocks(n_in), n_even = n_in + (n_in & 1);
    for (size_t r = row0; r < row0 + n; r++) {
        const float *src = x->f32 + r * x->f32_stride;
        if (forms & GLIM_ACT_BF16) {
            uint16_t *dst = x->bf16 + r * n_even;
            for (size_t i = 0; i < n_in; i++) dst[i] = glim_f32_to_bf16(src[i]);
            if (n_in & 1) dst[n_in] = 0;
        }
        if (forms & GLIM_ACT_Q8) {
            for (size_t b = 0; b < n_blocks; b++) {
                const size_t at = r * n_blocks + b, len = n_in - 32 * b < 32 ? n_in - 32 * b : 32;
                int8_t *q = x->q8 + 32 * at;
                memset(q, 0, 32);
                x->q8_scale[at] = glim_ref_q8(q, src + 32 * b, len);
                int32_t sum[2] = {0, 0};
                for (int i = 0; i < 32; i++) sum[i / 16] += q[i];
                memcpy(x->q8_sum + 2 * at, sum, sizeof sum);
            }
        }
    }
    if (forms & ~x->forms) x->forms |= forms;
}

/* One output column for all rows; y is its first element. The accumulators live in y. */
static void column_quant(const glim_matmul_job *j, size_t o, float *y, size_t row0, size_t n_rows) {
    const glim_act *x = j->x;
    const glim_mat *w = j->w;
    const size_t n_blocks = glim_act_blocks(w->n_in);
    const glim_qkind kind = glim_qkind_of(w->type);
    const uint8_t *row = (const uint8_t *)w->rows + o * w->row_bytes;
    for (size_t b = 0; b < n_blocks; b++) {
        glim_qblock k;
        glim_qblock_read(w->type, row, b, &k);
        for (size_t r = 0; r < n_rows; r++) {
            const size_t at = (row0 + r) * n_blocks + b;
            const int8_t *q = x->q8 + 32 * at;
            const float xs = x->q8_scale[at];
            const int32_t *xsum = x->q8_sum + 2 * at;
            int32_t isum[2] = {0, 0};
            for (int i = 0; i < 16; i++) isum[0] += k.q[i] * q[i];
            for (int i = 16; i < 32; i++) isum[1] += k.q[i] * q[i];
            float acc = y[r * j->y_stride];
            if (kind.halves) {
                acc = fmaf(k.scale[0] * xs, (float)isum[0], acc);
                acc = fmaf(k.scale[1] * xs, (float)isum[1], acc);
                if (kind.has_add) {
                    acc = fmaf(k.add[0], xs * (float)xsum[0], acc);
                    acc = fmaf(k.add[1], xs * (float)xsum[1], acc);
                }
            } else {
                acc = fmaf(k.scale[0] * xs, (float)(isum[0] + isum[1]), acc);
                if (kind.has_add) acc = fmaf(k.add[0], xs * (float)(xsum[0] + xsum[1]), acc);
            }
            y[r * j->y_stride] = acc;
        }
    }
}

static void column_float(const glim_matmul_job *j, size_t o, float *y, size_t row0, size_t n_rows) {
    enum { RUN = 256 };
    const glim_mat *w = j->w;
    const size_t size = glim_dtype_of(w->type)->block_bytes;
    const uint8_t *row = (const uint8_t *)w->rows + o * w->row_bytes;
    float v[RUN];
    for (size_t i0 = 0; i0 < w->n_in; i0 += RUN) {
        const size_t n = w->n_in - i0 < RUN ? w->n_in - i0 : RUN;
        glim_dequant(w->type, row + i0 * size, v, n);
        for (size_t r = 0; r < n_rows; r++) {
            const float *x = j->x->f32 + (row0 + r) * j->x->f32_stride + i0;
            float acc = y[r * j->y_stride];
            for (size_t i = 0; i < n; i++) acc = fmaf(v[i], x[i], acc);
            y[r * j->y_stride] = acc;
        }
    }
}

void glim_ref_matmul(const glim_matmul_job *j, size_t out0, size_t n_out, size_t row0, size_t n_rows) {
    const bool quant = glim_dtype_of(j->w->type)->is_quant;
    for (size_t o = out0; o < out0 + n_out; o++) {
        float *y = j->y + row0 * j->y_stride + o;
        for (size_t r = 0; r < n_rows; r++) y[r * j->y_stride] = 0;
        if (quant) column_quant(j, o, y, row0, n_rows);
        else column_float(j, o, y, row0, n_rows);
        if (j->bias)
            for (size_t r = 0; r < n_rows; r++) y[r * j->y_stride] += j->bias[o];
    }
}
