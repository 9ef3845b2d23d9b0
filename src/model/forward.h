/* forward.h - one pass of a batch of rows through the model.
 *
 * A batch mixes prefill slices and decode steps of many sequences. What a row computes depends only on
 * its own sequence's tokens and positions: not on batch company, slice sizes or thread count
 * (docs/architecture.md, determinism). */
#ifndef GLIM_MODEL_FORWARD_H
#define GLIM_MODEL_FORWARD_H

#include "model/kv.h"
#include "model/model.h"

/* One row: a token at a position of a sequence. */
typedef struct glim_row {
    int32_t token; /* 0 .. n_vocab - 1 */
    int32_t pos;   /* seq->n_pos at the time of the call plus the row's place in its run */
    uint32_t seq;  /* index into glim_batch.seqs */
    bool logits;   /* whether this row's logits are wanted */
} glim_row;

/* Rows of one sequence stand together, in position order, starting at seqs[i]->n_pos; the sequence's
 * pages cover them (glim_kv_reserve). */
typedef struct glim_batch {
    const glim_row *rows;
    size_t n_rows;
    glim_kv_seq *const *seqs;
    size_t n_seqs;
} glim_batch;

typedef struct glim_ws glim_ws; /* scratch for batches up to a planned size */

/* Bytes of scratch for batches of up to n_rows rows of which n_logits want logits. */
size_t glim_ws_bytes(const glim_model *m, size_t n_rows, size_t n_logits, int n_threads);
/* Errors: GLIM_E_NOMEM. Threads: one call of glim_forward per ws at a time. */
glim_status glim_ws_new(glim_ws **out, const glim_model *m, size_t n_rows, size_t n_logits, glim_err *err);
void glim_ws_free(glim_ws *ws); /* takes NULL */
size_t glim_ws_n_rows(const glim_ws *ws);

/* Watches what weights are multiplied with: before each product of a pass, fn(ctx, W, x) in the caller's
 * thread, where W is a matrix of the model (its address tells which) and x the prepared rows: whichever
 * of x->forms are set hold values (x->f32 only with GLIM_ACT_F32). fn must not allocate. NULL: off, and
 * then a pass costs one comparison for each group of products. */
typedef void (*glim_tap_fn)(void *ctx, const glim_mat *w, const glim_act *x);
void glim_ws_tap(glim_ws *ws, glim_tap_fn fn, void *ctx);

/* The adapters of the next passes: of_seq [n_seqs of the batch], NULL for sequences without one; scratch for
 * them (model/adapter.h). of_seq NULL: none, and a pass costs one comparison for each group of products. */
struct glim_adapter;
struct glim_adapter_scratch;
void glim_ws_adapters(glim_ws *ws, const struct glim_adapter *const *of_seq, struct glim_adapter_scratch *scratch);

/* Runs the batch: appends K and V of every row to its sequence (n_pos grows) and computes logits for the
 * rows that want them, in row order.
 *
 *   *logits [number of such rows, n_vocab]  in ws, valid until its next use
 *
 * Allocates nothing, takes no lock. Errors: GLIM_E_ARG (a row out of range, too many rows, pages not
 * reserved) before anything changes. */
glim_status glim_forward(const glim_model *m, glim_ws *ws, const glim_batch *b, const float **logits,
                         glim_err *err);

/* The rows' hidden states after the final norm of the last call, [n wanted rows, n_embd]: for tests and
 * embeddings. */
const float *glim_ws_hidden(const glim_ws *ws);
/* Every row's residual stream after the last layer, before the final norm, [n_rows, n_embd], of the last
 * call: for pooled embeddings, which want no logits. */
const float *glim_ws_residual(const glim_ws *ws);

#endif
