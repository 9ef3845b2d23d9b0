/* forward_internal.h - the scratch of one pass, shared by forward.c, attn.c and moe.c. */
#ifndef GLIM_MODEL_FORWARD_INTERNAL_H
#define GLIM_MODEL_FORWARD_INTERNAL_H

#include "model/forward.h"

/* Queries that one attention call takes together: rows times query heads of one KV head. Large enough to
 * read a KV page once for many, small enough for a core's second-level cache. */
enum { GLIM_ATTN_QUERIES = 64, GLIM_ATTN_WAVE = 4 };

typedef struct glim_attn_scratch { /* one per thread */
    float *q;     /* [n_query, head_dim] gathered and scaled */
    float *acc;   /* [n_query, head_dim] */
    float *part;  /* [n_query, head_dim] one chunk's result */
    float *m, *l; /* [n_query] */
    float *pm, *pl;
    size_t *n_pos; /* [n_query] */
} glim_attn_scratch;

/* Rows [row0, row0 + n) of one sequence and one KV head. */
typedef struct glim_attn_item {
    uint32_t row0, n, kv_head, seq;
} glim_attn_item;

struct glim_ws {
    size_t n_rows, n_logits;
    int n_threads;
    unsigned forms; /* of activations, as the model's weights need them */
    float *h;          /* [n_rows, n_embd] residual stream */
    float *x;          /* [n_rows, n_embd] normed */
    float *q;          /* [n_rows, n_head * head_dim] */
    float *k, *v;      /* [n_rows, n_kv_head * head_dim] */
    float *att;        /* [n_rows, n_head * head_dim] */
    float *o;          /* [n_rows, n_embd] output of a sub-layer */
    float *gate, *up;  /* [n_rows, widest dense or shared n_ff] */
    float *cos, *sin;  /* [n_rows, n_rot / 2] */
    void *act_in;      /* activation forms of x or att */
    void *act_mid;     /* of gate */
    float *hidden;     /* [n_logits, n_embd] */
    float *logits;     /* [n_logits, n_vocab] */
    void *act_head;
    glim_matmul_job *jobs; /* [3, or 2 * n_expert + 2] */

    size_t n_query;    /* capacity of one attention call */
    glim_attn_scratch *attn; /* [n_threads] */
    glim_attn_item *items;   /* [n_rows * n_kv_head] */
    float *wave;       /* split attention: [wave slots, n_query, head_dim + 2] */
    size_t wave_slots;

    /* MoE: `n_rows * n_expert_used` slots, sorted by expert */
    float *router;     /* [n_rows, n_expert] */
    float *choice;     /* [n_threads, n_expert + n_group] scratch for choosing */
    uint32_t *chosen;  /* [n_rows, n_used] experts, ascending */
    float *weight;     /* [n_rows, n_used] */
    uint32_t *slot;    /* [n_rows, n_used] where a row's choice lies in the sorted order */
    uint32_t *slot_row; /* [slots] */
    uint32_t *first;   /* [n_expert + 1] */
    glim_act *views;   /* [n_expert] each expert's rows of the gathered activations */
    float *eg, *eu;    /* [slots, n_ff_expert] */
    float *eo;         /* [slots, n_embd] */
    float *ex;         /* [slots, n_embd] gathered f32 input, if a form of f32 is needed */
    void *act_exp, *act_exp_mid;

    glim_tap_fn tap; /* NULL: nobody watches */
    void *tap_ctx;
    const struct glim_adapter *const *adapters; /* [n_seqs], NULL: none */
    struct glim_adapter_scratch *lora;

    void *mem;
    size_t mem_bytes;
};

/* What one pass carries around. */
typedef struct glim_pass {
    const glim_model *m;
    const glim_kernels *k;
    glim_ws *ws;
    const glim_batch *b;
    const glim_layer *l;
    size_t layer;
    size_t n_items;
} glim_pass;

/* Rows [row0, row0 + n) of prepared activations, as an activation of its own. */
static inline glim_act glim_act_rows(const glim_act *x, size_t row0, size_t n) {
    size_t n_blocks = (x->n_in + GLIM_ACT_BLOCK - 1) / GLIM_ACT_BLOCK;
    glim_act a = *x;
    a.n_rows = n;
    if (x->f32) a.f32 = x->f32 + row0 * x->f32_stride;
    if (x->bf16) a.bf16 = x->bf16 + row0 * ((x->n_in + 1) / 2 * 2);
    if (x->q8) {
        a.q8 = x->q8 + row0 * n_blocks * GLIM_ACT_BLOCK;
        a.q8_scale = x->q8_scale + row0 * n_blocks;
        a.q8_sum = x->q8_sum + row0 * n_blocks * 2;
    }
    return a;
}

/* Activation forms that a MoE layer's experts need at their input, and at their middle: experts of one layer
 * may be of different types. */
unsigned glim_experts_forms_in(const glim_pass *p);
unsigned glim_experts_forms_mid(const glim_pass *p);
/* The first n jobs of ws->jobs, after the tap has seen them: every product of a pass goes through here. */
void glim_pass_matmul(glim_pass *p, size_t n_jobs);
/* y[rows] = FFN(in) in three steps: products for gate and up, silu and the forms of its result, the product for
 * down. The first and the last write jobs and say how many: a MoE layer runs its shared expert's beside the
 * others'. */
size_t glim_ffn_in(glim_pass *p, const glim_ffn *f, glim_act *in, glim_matmul_job *jobs);
void glim_ffn_mid(glim_pass *p, const glim_ffn *f, glim_act *mid, size_t n_rows);
size_t glim_ffn_out(glim_pass *p, const glim_ffn *f, glim_act *mid, float *y, glim_matmul_job *jobs);
/* attn.c: attention of all rows over their sequences' pages; ws->q -> ws->att. */
void glim_attn_plan(glim_pass *p);
void glim_attn_run(glim_pass *p);
/* moe.c: ws->o = routed experts + shared expert of the normed rows in `in`. */
void glim_moe_run(glim_pass *p, glim_act *in, size_t n_rows);

#endif
