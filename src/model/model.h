/* model.h - a checkpoint bound to one neutral description, ready to run.
 *
 * Every family is a mapping of names and numbers onto this structure (bind.c); there is one forward
 * pass (forward.c) and it reads only what stands here. Weights are views into the mapped files or
 * panels packed from them; the model is read-only once loaded and shared freely between threads. */
#ifndef GLIM_MODEL_MODEL_H
#define GLIM_MODEL_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/pool.h"
#include "format/ckpt.h"
#include "format/config.h"
#include "format/packed.h"
#include "tensor/kernels.h"

typedef struct glim_ffn {
    glim_mat gate, up; /* [n_ff, n_embd] */
    glim_mat down;     /* [n_embd, n_ff] */
    size_t n_ff;
} glim_ffn;

typedef struct glim_layer {
    const float *attn_norm;      /* [n_embd] before attention */
    const float *post_attn_norm; /* [n_embd] on attention's output; NULL without sandwich norms */
    const float *ffn_norm;       /* [n_embd] before the MLP */
    const float *post_ffn_norm;  /* [n_embd] on the MLP's output, or NULL */
    const float *q_norm, *k_norm; /* [head_dim] on each head before RoPE, or NULL */
    glim_mat wq;                 /* [n_head * head_dim, n_embd] */
    glim_mat wk, wv;             /* [n_kv_head * head_dim, n_embd] */
    glim_mat wo;                 /* [n_embd, n_head * head_dim] */
    const float *bq, *bk, *bv;   /* all three or none */
    bool moe;
    glim_ffn ffn; /* dense layers: the MLP. MoE layers: the shared expert; n_ff 0 if there is none */
    /* MoE layers only */
    glim_mat router;           /* [n_expert, n_embd] f32 */
    const float *router_bias;  /* [n_expert] for choosing only, or NULL */
    glim_ffn *experts;         /* [n_expert] */
} glim_layer;

/* What a person may ask of a load; zero means default. */
typedef struct glim_model_params {
    int type;           /* 0: the file's own, or int8 if only that fits; else 1 + glim_dtype of
                           GLIM_F32, GLIM_BF16, GLIM_F16 or GLIM_Q8_0 */
    size_t n_ctx;       /* context to plan for; 0: min(max_ctx, 8192) */
    size_t n_seq;       /* sequences of that context to plan for; 0: 1 */
    size_t kv_bytes;    /* KV pages to plan for instead, whatever n_seq; 0: n_seq x n_ctx */
    size_t n_rows;      /* rows of the largest batch; 0: 512 */
    size_t n_logits;    /* rows of a batch that may want logits; 0: n_seq */
    int kv_type;        /* 0: f32 for f32 weights, else bf16; or 1 + GLIM_F32 / GLIM_BF16 / GLIM_I8 */
    bool no_memory_check;
    bool past_max_ctx;  /* a context longer than the model says it holds is no error */
    bool no_cache;      /* weights from the checkpoint itself, not from the cache of packed weights */
    const glim_kernels *kernels; /* NULL: the set in use */
    /* Called while weights are prepared; return false to stop (GLIM_E_CANCELLED). May be NULL. */
    bool (*progress)(void *ctx, size_t done, size_t total);
    void *progress_ctx;
} glim_model_params;

/* Where memory goes, in bytes. */
typedef struct glim_memory_plan {
    size_t mapped;     /* weights read in place from the file: the kernel may evict them */
    size_t packed;     /* weights rearranged or converted: a cache file, or private memory */
    size_t kv;         /* KV pages for n_seq x n_ctx, or the bytes asked for */
    size_t workspace;  /* activations of one batch */
    size_t total;      /* of all */
    size_t available;  /* what this machine can give now (free + reclaimable, cgroup limit) */
    size_t n_ctx, n_seq, n_rows, n_logits;
    size_t kv_pages;
    glim_dtype weight_type; /* of the large matrices as they will run */
    glim_dtype kv_type;
    bool fell_back;    /* the file's own type did not fit: int8 instead */
} glim_memory_plan;

/* Where a tensor of the file went: rows [first, first + mat->n_out) of it into a matrix of the model, or all of it
 * into a vector's values. What training needs to name what it changes. */
typedef struct glim_bound {
    const glim_tensor *tensor;
    const glim_mat *mat;  /* in this model; NULL: a vector */
    const float *values;  /* the vector's copy */
    size_t first;
} glim_bound;

typedef struct glim_model {
    glim_ckpt *ckpt; /* owned */
    glim_config cfg;
    const glim_kernels *k;
    glim_pool *pool; /* borrowed */
    glim_arena arena; /* norms, biases, layer and expert arrays */

    glim_mat embd;        /* [n_vocab, n_embd], read by row */
    glim_mat head;        /* [n_vocab, n_embd]; the embedding's rows when tied */
    const float *out_norm; /* [n_embd] */
    glim_layer *layers;   /* [n_layer] */
    bool tied;

    size_t n_rot;          /* rotated dims of a head */
    float *inv_freq;       /* [n_rot / 2], scaling applied */
    float rope_mscale;     /* multiplies cos and sin; 1 without YaRN */
    float attn_scale;      /* 1 / sqrt(head_dim) */

    glim_memory_plan plan;
    uint64_t n_params;     /* values in all bound tensors */
    size_t n_bound, n_skipped; /* tensors of the file */
    glim_bound *bound;         /* [n_bound_parts] in the order of binding */
    size_t n_bound_parts, cap_bound_parts;
    size_t bytes_per_token; /* weight bytes that one decoded token reads */

    glim_packed packed; /* panels and converted rows */
} glim_model;

/* Opens, checks, plans and prepares a model. Takes ownership of ckpt, also on failure.
 * Errors: GLIM_E_NOT_FOUND / GLIM_E_SHAPE / GLIM_E_FORMAT naming the tensor, GLIM_E_NOMEM when the plan
 * does not fit, with the remedy. */
glim_status glim_model_load(glim_model **out, glim_ckpt *ckpt, const glim_model_params *params,
                            glim_pool *pool, glim_err *err);
void glim_model_free(glim_model *m); /* takes NULL */

/* The same checks and the plan, without touching weight data: what `glim info` shows. */
glim_status glim_model_inspect(glim_model **out, glim_ckpt *ckpt, const glim_model_params *params,
                               glim_err *err);

/* GLIM_OK if the plan fits, else GLIM_E_NOMEM with the figures and the remedy in one sentence. */
glim_status glim_model_fits(const glim_model *m, glim_err *err);

/* Bytes the machine can give to this process now: MemAvailable, or less under a cgroup limit. */
size_t glim_memory_available(void);

/* What the plan needs for a context of n_ctx: for the table of `glim info`. */
size_t glim_model_kv_bytes(const glim_config *cfg, glim_dtype kv_type, size_t n_ctx);

#endif
