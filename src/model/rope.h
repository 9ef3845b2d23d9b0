/* rope.h - rotation frequencies of every scaling kind. */
#ifndef GLIM_MODEL_ROPE_H
#define GLIM_MODEL_ROPE_H

#include "format/config.h"

/* inv_freq [r->n_rot / 2] and the factor that multiplies cos and sin. n_ctx: the context that will be
 * used (dynamic scaling depends on it, once, at load). Formulas: docs/model.md, from
 * transformers' modeling_rope_utils. */
void glim_rope_frequencies(const glim_rope_config *r, size_t n_ctx, float *inv_freq, float *mscale);

/* cos and sin [n_rot / 2] at a position. The angle is rounded to f32 as the reference does. */
void glim_rope_at(const float *inv_freq, size_t n_rot, float mscale, size_t pos, float *cos_out,
                  float *sin_out);

/* What Llama-3's scaling divides the frequency of pair j by: GGUF files have it as the tensor rope_freqs.weight, [n_rot / 2]. */
double glim_rope_llama3_divisor(const glim_rope_config *r, size_t j);

#endif
