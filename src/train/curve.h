/* curve.h - OUT/metrics.jsonl: one line a step, which a resumed run continues where its checkpoint stands. */
#ifndef GLIM_TRAIN_CURVE_H
#define GLIM_TRAIN_CURVE_H

#include <stdio.h>

#include "train/tune.h"

/* Keeps the lines of the first `steps` steps and opens the file for more. secret: mode 0600. Errors: GLIM_E_IO. */
glim_status glim_curve_open(FILE **out, const char *folder, size_t steps, bool secret, glim_err *err);
/* What a step does not have (tune.h says how) is left out. Errors: GLIM_E_IO. */
glim_status glim_curve_write(FILE *f, const char *folder, const glim_tune_step *s, glim_err *err);

#endif
