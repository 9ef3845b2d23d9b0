/* peft_write.h - a LoRA or DoRA adapter as PEFT saves it: what peft.h reads, and Python PEFT loads. */
#ifndef GLIM_FORMAT_PEFT_WRITE_H
#define GLIM_FORMAT_PEFT_WRITE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

typedef struct glim_peft_write_pair {
    const char *module; /* "model.layers.0.self_attn.q_proj" */
    size_t rank, n_in, n_out;
    const float *a, *b; /* [rank, n_in], [n_out, rank] */
    const float *magnitude; /* DoRA: [n_out]; NULL: LoRA */
} glim_peft_write_pair;

typedef struct glim_peft_write_params {
    const char *base;   /* base_model_name_or_path */
    size_t rank;
    double alpha, dropout;
    bool rslora, dora;  /* dora: every pair has its magnitude */
    const char *privacy; /* JSON, into the file's metadata as "glim.privacy"; NULL: none */
    const glim_peft_write_pair *pairs;
    size_t n_pairs;
} glim_peft_write_params;

/* Writes folder/adapter_model.safetensors and then folder/adapter_config.json, each as a whole or not at all; the folder
 * is made if it is not there. target_modules are the distinct last words of the modules.
 * Errors: GLIM_E_IO, GLIM_E_NOMEM. */
glim_status glim_peft_write(const char *folder, const glim_peft_write_params *p, glim_err *err);

#endif
