/* optim.h - AdamW (arXiv:1711.05101), its schedule and clipping, on the values of a glim_net.
 *
 * The state is two f32 for each value, or with eight_bit two bytes and a scale for each 256: powers of a fraction of the
 * block's largest, so that small values keep their digits, and the second moment never rounds to zero.
 * Sums for the norm are cut at fixed places: the same bits for any number of threads. */
#ifndef GLIM_TRAIN_OPTIM_H
#define GLIM_TRAIN_OPTIM_H

#include "train/net.h"

typedef enum glim_schedule { GLIM_SCHEDULE_COSINE = 0, GLIM_SCHEDULE_LINEAR, GLIM_SCHEDULE_CONSTANT } glim_schedule;
bool glim_schedule_parse(const char *name, glim_schedule *out);
const char *glim_schedule_name(glim_schedule s);

typedef struct glim_optim_params {
    double lr;           /* at the top */
    double beta1, beta2, eps; /* 0: 0.9, 0.999, 1e-8 */
    double weight_decay; /* of matrices, decoupled */
    double clip;         /* largest norm of the whole gradient; 0: none */
    glim_schedule schedule;
    size_t warmup;       /* steps; the rate rises from lr / warmup */
    size_t n_steps;      /* where the schedule ends at 0 */
    bool eight_bit;
} glim_optim_params;

/* The rate of step 0, 1, ... */
double glim_optim_rate(const glim_optim_params *p, size_t step);

typedef struct glim_optim {
    glim_optim_params p;
    size_t step, n;
    float *m, *v;        /* [n], NULL with eight_bit */
    uint8_t *m8, *v8;    /* [n] */
    float *scale;        /* [ceil(n / 256), 2] */
    double *parts;       /* [n_parts] of the norm */
} glim_optim;

size_t glim_optim_bytes(size_t n_values, bool eight_bit);
glim_status glim_optim_init(glim_optim *o, const glim_optim_params *p, size_t n_values, glim_err *err);
void glim_optim_deinit(glim_optim *o); /* takes {0} */

/* The norm of the whole gradient. */
double glim_optim_norm(glim_optim *o, const glim_net *n);
/* One step: clips by `norm`, changes the values, counts. The gradient stays as it is. */
void glim_optim_step(glim_optim *o, glim_net *n, double norm);

/* The state as pieces of memory, in an order that stays the same: for checkpoints. n_pieces at most 4. */
typedef struct glim_piece {
    void *data;
    size_t n_bytes;
} glim_piece;
size_t glim_optim_pieces(glim_optim *o, glim_piece out[4]);

#endif
