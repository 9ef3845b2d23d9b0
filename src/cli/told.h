/* told.h - a run that was started by hand, told to the data folder's store as a server tells of its jobs: it is listed by
 * /v1/fine_tuning/jobs with its curve, and a cancel there stops it.
 *
 *   OUT/job   the run's id in the store, so that a resumed run goes on under it
 *
 * Nothing here fails a run: what cannot be told is logged once. */
#ifndef GLIM_CLI_TOLD_H
#define GLIM_CLI_TOLD_H

#include "train/tune.h"

typedef struct glim_told glim_told;

typedef struct glim_told_params {
    const char *dir;      /* the data folder; NULL: $XDG_DATA_HOME/glim, if it is there */
    const char *out;      /* the run's folder */
    const char *model, *data, *held; /* as they were named; only what stands behind the last '/' is told */
    const char *method;   /* "supervised", "dpo", "distill", "pretrain" */
    uint64_t seed;
    size_t n_steps;
    bool resume;
} glim_told_params;

/* Once the run has begun and holds its folder: one that is refused is nobody's job. NULL: there is nobody to tell. */
glim_told *glim_told_begin(const glim_told_params *p);
/* After a step, whose line is in OUT/metrics.jsonl. False: somebody wishes that the run stops. */
bool glim_told_step(glim_told *t, size_t step);
/* Takes t, or NULL. rc and err: how the run ended; result may be NULL. */
void glim_told_end(glim_told *t, glim_status rc, const glim_err *err, const glim_tune_result *result);

#endif
