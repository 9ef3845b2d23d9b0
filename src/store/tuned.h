/* tuned.h - models that fine-tuning jobs made: which name, whose, on which base, in which folder.
 *
 * A row names a PEFT folder below the data folder. config and weights are files (blobs.h) with the same contents, so
 * that a backup, which holds files and not folders, can bring the folder back; checkpoints on the way have none. */
#ifndef GLIM_STORE_TUNED_H
#define GLIM_STORE_TUNED_H

#include "store/jobs.h"

enum { GLIM_TUNED_NAME = 256 }; /* most bytes: the engine takes no longer one */

typedef struct glim_tuned {
    char name[GLIM_TUNED_NAME + 1];
    char tenant[GLIM_STORE_ID + 1], job[GLIM_STORE_ID + 1];
    char base[GLIM_TUNED_NAME + 1], folder[2 * GLIM_STORE_ID + 1];
    char config[GLIM_STORE_ID + 1], weights[GLIM_STORE_ID + 1]; /* "": none */
    int64_t created_us;
} glim_tuned;

/* Adds or replaces (a resumed job makes the same checkpoint again). created_us is filled in. */
glim_status glim_tuned_put(glim_store *s, glim_tuned *t, glim_err *err);
/* The job has made t: both become true at once. Errors: as glim_job_finish. */
glim_status glim_tuned_finish(glim_store *s, glim_tuned *t, const char *result, glim_err *err);
/* Oldest first; tenant, job NULL: of any. fn false stops. */
typedef bool (*glim_tuned_fn)(void *ctx, const glim_tuned *t);
glim_status glim_tuned_list(glim_store *s, const char *tenant, const char *job, glim_tuned_fn fn, void *ctx, glim_err *err);
/* The row alone. Errors: GLIM_E_NOT_FOUND. */
glim_status glim_tuned_delete(glim_store *s, const char *name, const char *actor, glim_err *err);

#endif
