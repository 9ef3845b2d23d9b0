/* ops.h - the row operations of training in f32; ops_body.h says what each computes and what it assigns. */
#ifndef GLIM_TRAIN_OPS_H
#define GLIM_TRAIN_OPS_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tensor/gemm.h"

float glim_op_norm(float *y, const float *x, const float *w, size_t n, double eps);
void glim_op_norm_back(float *dx, const float *dy, const float *x, const float *w, float r, size_t n, bool add);
void glim_op_rope_back(float *x, size_t n_head, const float *cosine, const float *sine, glim_rope_spec s);
/* The set does the exponentials: thousands of them a row. */
double glim_op_cross_entropy(const glim_gemm_set *set, float *z, size_t n, size_t target, double scale);
double glim_op_distil(float *z, size_t n, size_t target, const uint32_t *ids, const float *p, size_t k, double temperature, double weight,
                      double scale);
void glim_op_route(float *weight, float *prob, const float *z, const uint32_t *chosen, size_t n, size_t k, bool softmax,
                   bool norm_topk, double scale);
void glim_op_route_back(float *dz, const float *dweight, const float *prob, const uint32_t *chosen, size_t n, size_t k, bool softmax,
                        bool norm_topk, double scale);
double glim_op_balance(float *dz, const float *prob, const float *f, size_t n, bool softmax, double g);

#endif
