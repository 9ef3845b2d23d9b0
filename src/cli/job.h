/* job.h - what `glim tune --job` tells `glim serve`, which started it (serve/jobs.c reads it): one JSON object a line on stdout.
 *
 *   {"event": "data", "training": true, "summary": ..., "examples": ..., "tokens": ...}   a file was read
 *   {"event": "plan", "steps": ..., "bytes": ..., "available": ..., ...}                  it fits, and begins
 *   {"event": "step", "step": ..., "steps": ..., "loss": ..., ...}                        after each
 *   {"event": "end", "steps": ..., "sum": ..., ...}
 *   {"event": "error", "code": ..., "message": ..., "hint": ..., "param": ...}            param: which file it is about, "glim.dp_epsilon" or null */
#ifndef GLIM_CLI_JOB_H
#define GLIM_CLI_JOB_H

#include "train/tune.h"

/* The lowest standing that was asked for: nice level, batch scheduling, first to be ended when memory is short, and ended with
 * its parent. parent 0: no job; then only nice. Errors: GLIM_E_CANCELLED (the parent is gone already). */
glim_status glim_cli_job_begin(int64_t parent, int64_t nice, glim_err *err);
void glim_cli_job_data(bool training, const char *summary, const glim_data_report *r);
void glim_cli_job_plan(const glim_tune_plan *p);
void glim_cli_job_step(const glim_tune_step *s);
void glim_cli_job_end(const glim_tune_result *r);
void glim_cli_job_error(const glim_err *err, const char *param);
/* Does the engine take the adapter in this folder? */
glim_status glim_cli_job_check(const glim_model *m, const char *folder, glim_err *err);

#endif
