/* net.h - a model as training sees it: the same weights, with gradients beside those that are trained.
 *
 *   LoRA   the model's matrices stay as they are loaded, packed panels of any type included, and are read in tiles
 *          (tensor/gemm.h); what is trained are pairs A, B. arXiv:2106.09685. DoRA: also a length for each row
 *   full   every tensor of the checkpoint has an f32 master here, and the model's matrices are views on these.
 *
 * A pass over a batch: glim_net_forward (keeps each block's input, and its values if there is room), glim_net_head (loss,
 * and the gradient at the last block's output), glim_net_backward (block by block from the last: computes a block again
 * unless its values are there, then its gradients). Gradients accumulate until glim_net_zero.
 *
 * Everything is a chain in a fixed order for each value, so results are bit-equal for any thread count. */
#ifndef GLIM_TRAIN_NET_H
#define GLIM_TRAIN_NET_H

#include "model/model.h"
#include "tensor/gemm.h"

enum { GLIM_LORA_TARGETS = 64 };

typedef struct glim_lora_params {
    size_t rank;    /* 0: no LoRA, full weights */
    double alpha;   /* 0: 2 * rank */
    double dropout; /* 0 .. 1, on the adapter's input */
    bool rslora;    /* scale alpha / sqrt(rank) */
    bool dora;      /* also the length of every row (model/dora.h) */
    const char *targets[GLIM_LORA_TARGETS]; /* names as PEFT matches them: whole, or the end behind a dot; "experts.NAME" is that of every expert */
    size_t n_targets;                       /* 0: PEFT's own default for the family, else "all-linear" */
} glim_lora_params;

typedef struct glim_net_params {
    glim_lora_params lora;
    glim_gemm_type type;
    size_t n_rows;  /* of the largest batch */
    uint64_t seed;  /* of A and of dropout */
    bool by_example; /* room for gradients of single examples (dp_grad.h) */
    bool recompute;  /* blocks are computed again in backward also where their values would fit (pass.c) */
    bool move_router; /* full weights: the biases that choose experts are this net's own (glim_net_move_router) */
    const glim_kernels *kernels; /* NULL: the model's. A model whose weights are all replaced by masters is best loaded
                                    with the plain set, which packs nothing, and trained with another */
} glim_net_params;

/* A trained tensor: values [at, at + n) of net->w and net->g. */
typedef struct glim_param {
    char *name;    /* in the file it will be written to */
    int n_dims;
    size_t dims[4], n, at;
    bool decay;    /* matrices; norms and biases have no weight decay */
} glim_param;

typedef struct glim_pair { /* of LoRA */
    char *module;  /* "model.layers.0.self_attn.q_proj" */
    size_t n_in, n_out, rank;
    float scale;
    size_t a, b;   /* of net->params: [rank, n_in], [n_out, rank] */
    size_t t_at;   /* floats a row before its t in the tape */
    size_t m, z_at, row_at; /* DoRA: of net->params: [n_out]; floats a row before its z; its first row in the tape's lengths */
    bool expert;
    bool rotated_from[3]; /* by part: rows lie in the file's other order (glim_adapter_source_row) */
    size_t part_rows[3];
    int n_parts;
} glim_pair;

/* One product y = x W^T (+ bias) (+ scale t B^T, t = drop(x) A^T). */
typedef struct glim_lin {
    glim_mat w;        /* a view: panels, rows, or a master */
    const float *bias; /* NULL: none */
    float *gw, *gbias; /* where gradients go; NULL: frozen */
    const glim_pair *pair; /* NULL: none */
    size_t pair_row;   /* first of its rows of B */
    bool first, last;  /* of the matrices that share the pair: t is made by the first, A is served by the last */
} glim_lin;

typedef struct glim_vec {
    const float *w; /* NULL: there is none */
    float *g;
} glim_vec;

typedef struct glim_net_ffn {
    glim_lin gate, up, down;
    size_t n_ff;
} glim_net_ffn;

typedef struct glim_net_layer {
    glim_vec attn_norm, post_attn_norm, ffn_norm, post_ffn_norm, q_norm, k_norm;
    glim_lin q, k, v, o, router;
    bool moe;
    glim_net_ffn ffn, *experts;
    const float *router_bias; /* chooses, is not trained */
} glim_net_layer;

/* Sequences packed one after the other; none sees another. */
typedef struct glim_pack {
    size_t n, n_seq;
    const int32_t *tokens; /* [n] */
    const int32_t *pos;    /* [n] from 0 in each sequence */
    const size_t *seq;     /* [n_seq + 1] first row of each, then n */
    const int32_t *target; /* [n] the token to predict; -1: no loss here */
    uint64_t id;           /* of this batch in the run: dropout's counter */
} glim_pack;

typedef struct glim_net glim_net;
struct glim_net {
    glim_model *m; /* borrowed */
    const glim_kernels *k;
    const glim_gemm_set *set;
    glim_gemm_type type;
    glim_pool *pool;
    size_t n_rows;
    uint64_t seed;
    double dropout;
    bool train;    /* dropout is on */
    bool bypass;   /* pairs count as nothing: the base model */
    bool by_example, recompute;
    struct glim_dp_grad *single; /* takes gradients by example instead of adding them up (dp_grad.h); NULL: nobody */
    const uint32_t *row_of; /* rows of the batch that a product's rows are; NULL: the same. For `single` */
    double balance; /* backward also takes the gradient of this times each sequence's load-balancing loss; 0: none */
    double balance_sum; /* += those losses, over all sequences and layers */

    float *w, *g;  /* [n_values] all trained values, and their gradients */
    size_t n_values;
    glim_param *params;
    size_t n_params;
    glim_pair *pairs;
    size_t n_pairs, n_rows_dora; /* of all pairs' outputs, with DoRA */
    glim_lora_params lora;
    const char *privacy; /* JSON for the metadata of exported files, borrowed; NULL: none */

    const glim_mat *embd;  /* the model's, or a master */
    glim_mat embd_own;
    float *g_embd;
    glim_vec out_norm;
    glim_lin head;
    glim_net_layer *layers;
    glim_net_ffn *expert_list; /* of all layers */
    uint64_t *load;      /* [n_layer, n_expert] += how often each was chosen, by backward */
    float *router_bias;  /* [n_layer, n_expert] with move_router */

    struct glim_tape *tape;
};

/* Errors: GLIM_E_NOT_FOUND (no module matches a target), GLIM_E_ARG, GLIM_E_UNSUPPORTED, GLIM_E_NOMEM. */
glim_status glim_net_new(glim_net **out, glim_model *m, const glim_net_params *p, glim_err *err);
void glim_net_free(glim_net *n); /* takes NULL */
/* What glim_net_new will allocate, in bytes: trained values with gradients, and the tape. */
glim_status glim_net_bytes(const glim_model *m, const glim_net_params *p, size_t *params, size_t *tape, size_t *n_values, glim_err *err);

void glim_net_zero(glim_net *n); /* gradients, loads and balance_sum to 0 */
/* How much more than its share the busiest expert of the worst layer had to do; 1: all alike; 0: nothing is known. */
double glim_net_imbalance(const glim_net *n);
/* With move_router: biases of experts with more than their share fall by `by`, the others' rise. */
void glim_net_move_router(glim_net *n, double by);
/* Checks the batch and runs all blocks. Errors: GLIM_E_ARG before anything is computed. */
glim_status glim_net_forward(glim_net *n, const glim_pack *b, glim_err *err);
/* Loss of the rows with a target, -log p(target) into nll[n] (0 elsewhere; may be NULL). scale not NULL: also the
 * gradient of sum scale[row] * nll[row], at the last block's output and in the head. */
void glim_net_head(glim_net *n, const glim_pack *b, double *nll, const double *scale);
/* The same with another loss: fn turns the logits of a row into scale * its gradient and returns its loss. Threads
 * call it side by side for different rows. */
typedef double (*glim_loss_fn)(void *ctx, size_t row, int32_t target, float *logits, size_t n_vocab, double scale);
void glim_net_head_with(glim_net *n, const glim_pack *b, glim_loss_fn fn, void *ctx, double *loss, const double *scale);
/* Logits of rows [row0, row0 + n) after forward, [n, n_vocab]. */
void glim_net_logits(glim_net *n, const glim_pack *b, size_t row0, size_t n_rows, float *logits);
/* After a head with scale. */
void glim_net_backward(glim_net *n, const glim_pack *b);

/* A fingerprint of what training would change, for tests and checkpoints: FNV-1a of all values. */
uint64_t glim_net_sum(const glim_net *n);

#endif
