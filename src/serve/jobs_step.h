/* jobs_step.h - a step of training, as the store has it. `line`: of metrics.jsonl (train/curve.h). */
#ifndef GLIM_SERVE_JOBS_STEP_H
#define GLIM_SERVE_JOBS_STEP_H

#include <stdbool.h>

#include "base/json.h"

enum { GLIM_JOB_STEP_TEXT = 160 };
bool glim_job_step_told(const json_t *line, size_t step, size_t n_steps); /* long runs tell every nth step */
/* A new reference. */
json_t *glim_job_step_event(const json_t *line, size_t step, size_t n_steps, char message[GLIM_JOB_STEP_TEXT]);
void glim_job_step_progress(json_t *progress, const json_t *line, size_t step);

#endif
