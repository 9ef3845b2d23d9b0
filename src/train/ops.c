/* ops.c - ops_body.h for float. */
#include "train/ops.h"

#define REAL float
#define F(name) glim_op_##name
#define LINK
#define EXP expf
#define SET const glim_gemm_set *set,
#define EXPS(y, x, top, n) set->exp(y, x, top, n)
#include "train/ops_body.h"
