/* adapter.h - LoRA adapters: low-rank additions to a model's products, never merged into the weights.
 *
 * After the base product y = W x each row of the batch adds B (A x) of its own sequence's adapter (the scale
 * alpha / r stands in B). Rows of one adapter that stand together are computed together; a row's result does
 * not depend on it, because each kernel set has one arithmetic order for a row (tensor/kernels.h). DoRA (dora.h): y is
 * f (W x + s B (A x)) + bias, with f of each output computed once from the model's own weights.
 * LoRA: arXiv:2106.09685; batches of different adapters: arXiv:2310.18547. */
#ifndef GLIM_MODEL_ADAPTER_H
#define GLIM_MODEL_ADAPTER_H

#include "model/model.h"

typedef struct glim_adapter glim_adapter;
typedef struct glim_adapter_scratch glim_adapter_scratch;

enum { GLIM_ADAPTER_MAX_RANK = 512 };

/* Reads a PEFT folder and binds it to m, which it must not outlive. Works in the calling thread alone, beside
 * passes that run. Errors: as glim_peft_open; GLIM_E_SHAPE and GLIM_E_NOT_FOUND name the module that m has
 * otherwise or not at all; GLIM_E_UNSUPPORTED. */
glim_status glim_adapter_load(glim_adapter **out, const glim_model *m, const char *folder, glim_err *err);
void glim_adapter_free(glim_adapter *a); /* takes NULL */
size_t glim_adapter_bytes(const glim_adapter *a);
/* SHA-256 of its files, 64 digits: what makes two adapters of one name different. */
const char *glim_adapter_version(const glim_adapter *a);

/* One of the matrices that a PEFT module stands for. */
typedef struct glim_adapter_part {
    const glim_mat *w; /* in the model */
    bool rotated;      /* q or k */
    const float *bias; /* NULL: none */
} glim_adapter_part;
/* In the order of the module's rows; 0: the model has no such linear layer that an adapter can change. */
size_t glim_adapter_parts(const glim_model *m, const char *module, glim_adapter_part out[3]);
/* Row i of the model's matrix in the adapter's B, `rotated` for q and k: GGUF files of some families hold the rotated
 * pairs laid out the other way (format/config_gguf.c), and PEFT's names mean the Hugging Face order. */
size_t glim_adapter_source_row(const glim_model *m, bool rotated, size_t i);

/* Scratch for passes over m with adapters: glim_batch.lora. Errors: GLIM_E_NOMEM. */
glim_status glim_adapter_scratch_new(glim_adapter_scratch **out, const glim_model *m, glim_err *err);
void glim_adapter_scratch_free(glim_adapter_scratch *s); /* takes NULL */
size_t glim_adapter_scratch_bytes(const glim_model *m);

/* forward.c calls it: adds the adapters' part of the first n_jobs of ws->jobs, which have just run. */
struct glim_pass;
void glim_adapter_apply(struct glim_pass *p, size_t n_jobs);

#endif
