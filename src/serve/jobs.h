/* jobs.h - runs fine-tuning jobs, one at a time, each as a process of its own.
 *
 *   queue --claim--> validating_files --plan--> running --end--> succeeded | failed | cancelled
 *                         `glim tune --job` below DIR/jobs/<id>, lines of JSON on its stdout (cli/job.h)
 *
 * A process, because then whatever training does (a crash, too little memory, a step of a minute) cannot reach the answers that are
 * being written, its memory goes back whole, and a cancel is a signal. It costs little: packed weights are a mapped file, which
 * both share. It runs at the lowest standing and dies with the server.
 *
 *   DIR/jobs/<id>/training.*, validation.*   hard links to the contents, so that a deleted file does not stop a job
 *   DIR/jobs/<id>/run/                       train/tune.h: checkpoints, metrics.jsonl, the adapter
 *   DIR/jobs/<id>/log, lock                  its stderr; held by whoever runs it
 *
 * Killed with the server or given back by a drain, a job is queued again and goes on from its last checkpoint, in the same bits.
 * Steps are told once: what a killed server had not yet noted is read from metrics.jsonl. */
#ifndef GLIM_SERVE_JOBS_H
#define GLIM_SERVE_JOBS_H

#include "serve/server_internal.h"
#include "store/jobs.h"

glim_status glim_jobs_open(glim_server *s, glim_err *err); /* starts nothing without a tuner */
void glim_jobs_wake(glim_server *s);  /* a job was added, or something is wished of one; any thread */
/* Begins no more; the one that runs saves and stops within drain_s, or is stopped at once. */
void glim_jobs_drain(glim_server *s, bool at_once);
void glim_jobs_close(glim_server *s); /* waits for that, at most as long as the drain */
bool glim_jobs_busy(const glim_server *s);
void glim_jobs_trained(const glim_server *s, uint64_t *steps, uint64_t *tokens); /* since the server began; any thread */
/* A model is gone: its folder goes too, and that of its job once nothing in it is needed. */
void glim_jobs_tidy(glim_server *s, const char *job, const char *folder);

/* jobs_dir.c: DIR/jobs. */
char *glim_jobs_dir(const glim_server *s, const char *job); /* heap */
void glim_jobs_remove(const char *path);                    /* a folder and all in it; none is fine */
/* A job has ended: what only a run needs goes. keep: the adapter stays. Any thread. */
void glim_jobs_clear(glim_server *s, const char *job, bool keep);
/* Folders that a killed server left. */
void glim_jobs_sweep(glim_server *s);

/* jobs_child.c: the process. */
typedef struct glim_job_child {
    pid_t pid; /* 0: none */
    int out, lock;
    glim_buf line;
} glim_job_child;
/* Waits up to 10 s for a child of a killed server to be gone. Errors: GLIM_E_STATE, GLIM_E_IO. */
glim_status glim_job_child_start(glim_job_child *c, const char *dir, const char *program, char *const *argv, glim_err *err);
/* Reads what is there and calls fn for each whole line. False: it has closed its end. */
bool glim_job_child_read(glim_job_child *c, void (*fn)(void *ctx, const char *line, size_t n), void *ctx);
int glim_job_child_wait(glim_job_child *c); /* its wait status; closes everything */

/* jobs_args.c: the specification (tune_ask.h) as a command line. */
typedef struct glim_job_args {
    char *argv[64]; /* NULL-ended, heap */
    size_t n;
} glim_job_args;
void glim_job_args_make(glim_job_args *a, const glim_server *s, const json_t *spec);
void glim_job_args_free(glim_job_args *a);
int64_t glim_job_epochs(const json_t *spec); /* also where "auto" is asked for */
/* "training.jsonl": the link's name for a file that was uploaded as `name`. out [32]. */
const char *glim_job_link_name(char *out, const char *stem, const char *name);
/* "ft:BASE:TENANT:SUFFIX:ID", with ":ckpt-step-N" for step > 0. out [GLIM_TUNED_NAME + 1]. */
void glim_job_model_name(char *out, size_t cap, const glim_job *j, const json_t *spec, size_t step);

/* jobs_result.c: files of an ended run. Appends their ids to result_files. */
struct glim_tuned;
glim_status glim_job_keep_files(glim_server *s, const glim_job *j, json_t *result_files, char *config_id, char *weights_id, glim_err *err);

#endif
