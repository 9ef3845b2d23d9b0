/* jobs.h - work that survives restarts: a queue in the database.
 *
 *   add --> QUEUED --claim--> RUNNING --finish--> SUCCEEDED | FAILED | CANCELLED
 *             ^  \               |
 *             |   +--cancel------|----> CANCELLED (at once when queued; a running one is asked to stop)
 *             +---release, owner died----+
 *             +---resume--- PAUSED <--pause (a running one is asked to stop)
 *
 * Only the owner claims. A job whose owner died is queued again when the next one opens the folder, until it has been
 * tried max_attempts times since it last got on (glim_job_report); then it failed. A runner asks what is wished of it with every note of progress, so a
 * cancel reaches it within one step. Contents (spec, progress, result, error) are JSON texts of the caller's. */
#ifndef GLIM_STORE_JOBS_H
#define GLIM_STORE_JOBS_H

#include "store/store.h"

typedef enum glim_job_state {
    GLIM_JOB_QUEUED = 0,
    GLIM_JOB_RUNNING,
    GLIM_JOB_SUCCEEDED,
    GLIM_JOB_FAILED,
    GLIM_JOB_CANCELLED,
    GLIM_JOB_PAUSED
} glim_job_state;
enum { GLIM_JOB_STATES = GLIM_JOB_PAUSED + 1 };
const char *glim_job_state_name(glim_job_state s);

typedef enum glim_job_wish { GLIM_WISH_GO_ON = 0, GLIM_WISH_CANCEL, GLIM_WISH_PAUSE } glim_job_wish;

enum { GLIM_JOB_TEXT = 1 << 20 }; /* most bytes of each JSON text */

typedef struct glim_job {
    char id[GLIM_STORE_ID + 1];
    char tenant[GLIM_STORE_ID + 1], key[GLIM_STORE_ID + 1], kind[GLIM_STORE_ID + 1];
    glim_job_state state;
    glim_job_wish wish;
    int64_t attempts, max_attempts;
    int64_t created_us, started_us, finished_us; /* 0: not yet */
    char *spec, *progress, *result, *error;      /* heap, "" if none */
} glim_job;
void glim_job_deinit(glim_job *j); /* takes {0} */

typedef struct glim_job_params {
    const char *id_prefix; /* "ftjob-"; NULL: "job-" */
    const char *tenant, *key, *kind;
    const char *spec;
    int64_t max_attempts; /* 0: 3 */
    const char *once;     /* Idempotency-Key, or NULL: a second add with the same one gives the first job */
    const char *actor;
} glim_job_params;

/* *existed (may be NULL): this is the job of an earlier add with the same `once`. out is deinit'ed by the caller. */
glim_status glim_job_add(glim_store *s, const glim_job_params *p, glim_job *out, bool *existed, glim_err *err);
/* Work that is done outside the queue and only told of (`glim tune` by hand): it runs from now on, nobody claims it, and recovery
 * leaves it alone. again (may be NULL): the id of one that was entered before and goes on; a new one if that is not known. */
glim_status glim_job_enter(glim_store *s, const glim_job_params *p, const char *again, glim_job *out, glim_err *err);
/* tenant NULL: any. Errors: GLIM_E_NOT_FOUND. */
glim_status glim_job_get(glim_store *s, const char *tenant, const char *id, glim_job *out, glim_err *err);
/* Newest first, behind the job `after` (NULL: from the newest), at most limit; kind NULL: any. fn false stops. */
typedef bool (*glim_job_fn)(void *ctx, const glim_job *j);
glim_status glim_job_list(glim_store *s, const char *tenant, const char *kind, const char *after, int64_t limit, glim_job_fn fn,
                          void *ctx, bool *has_more, glim_err *err);

/* A queued job of a kind (NULL: any) becomes running: first one that had begun, then the oldest of the tenant whose last job
 * began longest ago, so that nobody's hundred jobs make others wait for all of them. *got false: there is none. Owner only. */
glim_status glim_job_claim(glim_store *s, const char *kind, glim_job *out, bool *got, glim_err *err);
/* Notes progress (NULL: as it was) and says what is wished. Errors: GLIM_E_STATE when the job does not run. */
glim_status glim_job_note(glim_store *s, const char *id, const char *progress, glim_job_wish *wish, glim_err *err);
/* What a running job has to tell, in one transaction: progress (NULL: as it was), events in order (their id and time are
 * filled in here), and what is wished. moved: it got on, so its attempts are counted anew. Errors: as glim_job_note. */
struct glim_job_event;
glim_status glim_job_report(glim_store *s, const char *id, const char *progress, const struct glim_job_event *events, size_t n, bool moved,
                            glim_job_wish *wish, glim_err *err);
/* Ends a running job. state: SUCCEEDED, FAILED, CANCELLED, or PAUSED; QUEUED gives it back to be tried again, which
 * after max_attempts makes it FAILED. */
glim_status glim_job_finish(glim_store *s, const char *id, glim_job_state state, const char *result, const char *error, glim_err *err);

/* Errors: GLIM_E_NOT_FOUND; GLIM_E_STATE names the state in which that cannot be asked. Cancelling twice is fine. A
 * pause that has not come into effect is taken back by a resume. */
glim_status glim_job_cancel(glim_store *s, const char *tenant, const char *id, const char *actor, glim_err *err);
glim_status glim_job_pause(glim_store *s, const char *tenant, const char *id, const char *actor, glim_err *err);
glim_status glim_job_resume(glim_store *s, const char *tenant, const char *id, const char *actor, glim_err *err);

/* What a job tells: kept in order. data: JSON or NULL. */
typedef struct glim_job_event {
    int64_t id, time_us;
    const char *level, *message, *data;
} glim_job_event;
glim_status glim_job_tell(glim_store *s, const char *id, const char *level, const char *message, const char *data, glim_err *err);
typedef bool (*glim_job_event_fn)(void *ctx, const glim_job_event *e);
/* Newest first, with ids below `before` (0: all), at most limit. */
glim_status glim_job_events(glim_store *s, const char *id, int64_t before, int64_t limit, glim_job_event_fn fn, void *ctx,
                            bool *has_more, glim_err *err);

/* Jobs by state, of every kind and tenant. Reads memory only: an owner counts anew after each change. */
void glim_job_counts(const glim_store *s, size_t n[GLIM_JOB_STATES]);

/* What glim_store_open does for an owner. */
glim_status glim_job_recover(glim_store *s, glim_err *err);

#endif
