/* jobs_internal.h - ending a job as part of another file's change. */
#ifndef GLIM_STORE_JOBS_INTERNAL_H
#define GLIM_STORE_JOBS_INTERNAL_H

#include "store/jobs.h"

/* Inside a change: what glim_job_finish does. */
glim_status glim_job_finish_in(glim_db *db, const char *id, glim_job_state state, const char *result, const char *error, int64_t now, glim_err *err);
/* After a change of states. */
void glim_job_recount(glim_store *s);

#endif
