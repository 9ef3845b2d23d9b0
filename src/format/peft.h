/* peft.h - LoRA adapters as PEFT writes them: a folder with adapter_config.json and
 * adapter_model.safetensors.
 *
 * What is read: pairs A [r, in], B [out, r] of linear layers, with the scale alpha / r (alpha / sqrt(r) with
 * use_rslora), alpha_pattern and rank_pattern included, and DoRA's magnitudes (arXiv:2402.09353: the rows of W + s B A at
 * the length of `magnitude`). What would change the result and is not supported (trained biases, whole modules, embeddings, ...) is refused by name, never ignored. */
#ifndef GLIM_FORMAT_PEFT_H
#define GLIM_FORMAT_PEFT_H

#include "format/st.h"

typedef struct glim_peft_pair {
    char *module; /* as in the model's own state dict, without ".weight": "model.layers.0.self_attn.q_proj" */
    const glim_tensor *a, *b; /* [r, in], [out, r]; floating point */
    const glim_tensor *magnitude; /* DoRA: [out] values; NULL: plain LoRA */
    size_t rank;
    double scale;
} glim_peft_pair;

typedef struct glim_peft {
    glim_st *st;
    glim_peft_pair *pairs; /* by module name */
    size_t n_pairs;
    char base[256];        /* base_model_name_or_path, "" if absent */
    char *config_text;     /* adapter_config.json as it stands */
    size_t config_bytes;
} glim_peft;

/* Errors: NOT_FOUND, IO, FORMAT, UNSUPPORTED, LIMIT, NOMEM; each names the file and the key or tensor. */
glim_status glim_peft_open(glim_peft *p, const char *folder, glim_err *err);
/* The same over bytes that the caller keeps until close. */
glim_status glim_peft_open_mem(glim_peft *p, const char *config, size_t n_config, const void *weights, size_t n_weights,
                               glim_err *err);
void glim_peft_close(glim_peft *p); /* also takes {0} */

#endif
