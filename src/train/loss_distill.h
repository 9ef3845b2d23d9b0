/* loss_distill.h - learning from a teacher's probabilities (arXiv:1503.02531).
 *
 *   loss = (1 - w) cross entropy + w T^2 KL(p || q)     p, q: teacher and student at temperature T
 *
 * The teacher is a loaded model of any type and size with the same tokenizer; inference (model/forward.h) computes it, a
 * few rows at a time over its own KV pages. Of each row the `top` likeliest tokens are kept, all others count as one event
 * (KL can only become smaller by that, and it stays a KL); top 0 keeps the whole vocabulary, 4 bytes a token and row. */
#ifndef GLIM_TRAIN_LOSS_DISTILL_H
#define GLIM_TRAIN_LOSS_DISTILL_H

#include "text/tok.h"
#include "train/net.h"

typedef struct glim_teacher_params {
    size_t n_rows;      /* of the largest pass */
    size_t n_vocab;     /* the student's: what a teacher's head has beyond is padding */
    size_t top;
    double temperature, weight; /* T > 0, 0 <= w <= 1 */
} glim_teacher_params;

typedef struct glim_teacher glim_teacher;

/* GLIM_E_ARG, naming the first id that means something else, unless both tokenizers are one. */
glim_status glim_teacher_check(const glim_tok *student, const glim_tok *teacher, glim_err *err);
/* m is borrowed. Errors: GLIM_E_ARG, GLIM_E_NOMEM. */
glim_status glim_teacher_new(glim_teacher **out, const glim_model *m, const glim_teacher_params *p, glim_err *err);
void glim_teacher_free(glim_teacher *t); /* takes NULL */
/* What glim_teacher_new allocates, and m itself. */
size_t glim_teacher_bytes(const glim_model *m, const glim_teacher_params *p);
/* The teacher's probabilities of the rows of b that have a target. Errors: as glim_forward, glim_kv_reserve. */
glim_status glim_teacher_look(glim_teacher *t, const glim_pack *b, glim_err *err);
/* A glim_loss_fn (net.h), ctx the teacher that has looked at the batch: the loss above. */
double glim_teacher_loss(void *ctx, size_t row, int32_t target, float *logits, size_t n_vocab, double scale);

#endif
