/* net_internal.h - the tape of one pass, and the pieces of a block that share it. */
#ifndef GLIM_TRAIN_NET_INTERNAL_H
#define GLIM_TRAIN_NET_INTERNAL_H

#include "train/dp_grad.h"
#include "train/net.h"
#include "train/ops.h"

enum { GLIM_TILE_Q = 64 }; /* queries, and keys, of a tile of attention */

/* Rows are those of the batch; E the width of the residual, Q of all query heads, KV of all KV heads, F the widest
 * dense or shared MLP, S slots = rows x experts used. */
typedef struct glim_tape {
    size_t n; /* rows planned */
    /* A block's values lie together. If all blocks' fit beside each other (GLIM_KEEP_BYTES), each has its own and backward
     * finds them; otherwise there is one place, and backward computes a block again. */
    bool kept;
    size_t block_bytes, aimed; /* of a block's values; the block that the pointers below are aimed at */
    size_t holds;              /* the block whose values lie in the one place; SIZE_MAX: none */
    float *h;          /* [n_layer + 1, n, E] inputs of blocks, and the last one's output */
    float *cos, *sin;  /* [n, n_rot / 2] */
    /* a block's values */
    float *x1, *q, *k, *v, *att, *o, *h1, *x2, *gate, *up, *mid, *o2;
    float *q_in, *k_in; /* before q/k norm, if there is one */
    float *lse;        /* [n, n_head] */
    float *r1, *r2, *rp1, *rp2, *rout; /* [n] what norms divided by */
    float *rq, *rk;    /* [n, heads] */
    /* gradients */
    float *dh, *dx, *dq, *dk, *dv, *datt, *dgate, *dup, *d_o;
    float *dot;        /* [n, n_head] sum of d_o o */
    /* MoE */
    float *z, *prob, *dz; /* [n, n_expert] */
    float *choice;     /* [n_threads, 2 (n_expert + n_group)] */
    double *seq_balance; /* [n] of each sequence, over the layers */
    uint32_t *chosen, *slot, *slot_row, *first; /* [n, used], [n, used], [S], [n_expert + 1] */
    float *weight, *dweight; /* [n, used] */
    float *ex, *eo, *deo, *dex; /* [S, E] */
    float *eg, *eu, *em, *deg, *deu; /* [S, n_ff_expert] */
    /* LoRA */
    float *t, *dt;     /* [t_wide, n], [rank_max, n or S] */
    float *te;         /* of experts: [te_wide, S] */
    float *dropped, *ddropped; /* [n or S, widest input], if there is dropout */
    /* DoRA: before it is stretched, z = W x + t B^T, kept for the magnitudes' gradients */
    float *pre, *pre_e;   /* [z_wide, n], of experts [z_wide, S] */
    float *dpre;          /* [n or S, widest output] the gradient at one z */
    double *row_square;   /* of all pairs' rows: |W|^2, as long as the net lives */
    float *length, *stretch; /* |W + s B A| and m / that, made by each forward */
    void *dora;           /* scratch */
    /* head */
    size_t n_logits;   /* rows at once */
    uint32_t *rows;    /* [n] rows with a target */
    float *hid, *dhid; /* [n_logits, E] */
    float *logits;     /* [n_logits, n_vocab] */
    double *row_loss;  /* [n] */
    /* scratch */
    void *gemm;
    float *attn;       /* [n_threads, attn_floats] */
    size_t attn_floats;
    const glim_pack *b;
    void *mem;
    size_t mem_bytes;
} glim_tape;

enum { GLIM_KEEP_BYTES = 1 << 30 };
void glim_tape_layout(glim_tape *t, const glim_net *n, void *mem);
void glim_tape_aim(glim_tape *t, size_t layer);

/* lin.c. x and dy are rows of x_ld and dy_ld floats; t is where the pair's t lies, [rows, rank]. */
void glim_lin_forward(glim_net *n, const glim_lin *l, const float *x, size_t x_ld, float *y, size_t y_ld, size_t rows, float *t,
                      uint64_t drop);
/* dx (+)= if not NULL; gradients of weights, bias and pair += */
void glim_lin_back(glim_net *n, const glim_lin *l, const float *dy, size_t dy_ld, const float *x, size_t x_ld, float *dx, size_t dx_ld,
                   bool add, size_t rows, const float *t, uint64_t drop);
/* g[c] += sum over rows of dy[r, c] * (x ? x[r, c] * r[r] : 1), rows in order. */
void glim_columns_add(glim_net *n, float *g, const float *dy, const float *x, const float *r, size_t rows, size_t width);
static inline float *glim_pair_t(const glim_net *n, const glim_lin *l) {
    return l->pair && !l->pair->expert ? n->tape->t + l->pair->t_at * n->tape->n : NULL;
}

/* dora.c. z of a layer, whose t lies at t. */
float *glim_dora_z(const glim_net *n, const glim_lin *l, const float *t);
void glim_dora_start(glim_net *n);   /* magnitudes as the model has them */
void glim_dora_measure(glim_net *n); /* lengths of the rows as the values are now */
typedef enum glim_dora_op { GLIM_DORA_LESS, GLIM_DORA_MORE, GLIM_DORA_SET } glim_dora_op;
/* y -= x; y += f x; y = f x + bias. f: of each of the layer's outputs, m / |W + s B A| */
void glim_dora_rows(glim_net *n, const glim_lin *l, glim_dora_op op, float *y, size_t y_ld, const float *x, size_t x_ld, size_t rows);
/* The magnitudes' gradients +=, dz [rows, n_out] = f dy. */
void glim_dora_back(glim_net *n, const glim_lin *l, const float *dy, size_t dy_ld, const float *z, float *dz, size_t rows);

/* attn.c */
size_t glim_attn_floats(const glim_model *m, size_t n_rows);
void glim_train_attend(glim_net *n);
void glim_train_attend_back(glim_net *n);

/* experts.c: o2 = experts of x2; then backward from d_o into dx (=). */
void glim_experts_forward(glim_net *n, const glim_net_layer *l, uint64_t drop);
void glim_experts_back(glim_net *n, const glim_net_layer *l, uint64_t drop);

/* block.c */
void glim_block_forward(glim_net *n, size_t layer, float *out);
/* tape->dh: in, the gradient at the block's output; out, at its input (not computed for a frozen embedding's block). */
void glim_block_back(glim_net *n, size_t layer);

typedef struct glim_each {
    glim_net *n;
    const glim_net_layer *l;
    const void *arg;
    size_t layer;
} glim_each;

#endif
