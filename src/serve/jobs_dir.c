/* jobs_dir.c - DIR/jobs: one folder a job, and what of it stays. */
#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "serve/jobs.h"
#include "serve/shelf.h"
#include "train/dp_run.h"

char *glim_jobs_dir(const glim_server *s, const char *job) {
    char *jobs = glim_path_join(glim_store_dir(s->store), "jobs"), *dir = glim_path_join(jobs, job);
    free(jobs);
    return dir;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f) {
    (void)st, (void)type, (void)f;
    (void)remove(path); /* what cannot go is no reason to leave the rest */
    return 0;
}
void glim_jobs_remove(const char *path) { (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT); }

static void remove_in(const char *dir, const char *name) {
    char *path = glim_path_join(dir, name);
    unlink(path);
    free(path);
}

static bool any(void *ctx, const glim_tuned *t) {
    (void)t;
    *(bool *)ctx = true;
    return false;
}

static bool has_models(const glim_server *s, const char *job) {
    bool found = false;
    return glim_tuned_list(s->store, NULL, job, any, &found, NULL) != GLIM_OK || found; /* not known: kept */
}

static void clear(const glim_server *s, const char *job, bool keep) {
    char *dir = glim_jobs_dir(s, job), *run = glim_path_join(dir, "run");
    glim_err err = {0};
    /* A private run that did not come to its end has privacy reserved and a key. What cannot be given back now is given back by
     * the next server: its folder stays until then. */
    const bool over = glim_dp_run_abandon(s->store, run, "glim", &err) == GLIM_OK;
    if (!over) glim_log(GLIM_ERROR, "jobs", "the private run of %s could not be ended: %s", job, err.msg);
    if (keep || has_models(s, job)) {
        DIR *d = opendir(dir);
        for (struct dirent *e; d && (e = readdir(d));)
            if (strncmp(e->d_name, "training.", 9) == 0 || strncmp(e->d_name, "validation.", 11) == 0) unlinkat(dirfd(d), e->d_name, 0);
        if (d) closedir(d);
        remove_in(run, "state.glim");
        remove_in(run, "state.old");
    } else if (over) {
        glim_jobs_remove(dir);
    }
    free(dir);
    free(run);
}

/* A cancelled job is cleared by the call that cancels it and by the thread that ran it. */
void glim_jobs_clear(glim_server *s, const char *job, bool keep) {
    pthread_mutex_lock(&s->folders_mu);
    clear(s, job, keep);
    pthread_mutex_unlock(&s->folders_mu);
}

void glim_jobs_tidy(glim_server *s, const char *job, const char *folder) {
    glim_job j;
    char *path = glim_path_join(glim_store_dir(s->store), folder);
    const char *last = strrchr(folder, '/');
    if (last && strncmp(last, "/step-", 6) == 0) glim_jobs_remove(path); /* the result itself lies among its checkpoints */
    else {
        remove_in(path, "adapter_model.safetensors");
        remove_in(path, "adapter_config.json");
    }
    free(path);
    if (glim_job_get(s->store, NULL, job, &j, NULL) != GLIM_OK) return;
    if (j.finished_us) glim_jobs_clear(s, job, false);
    glim_job_deinit(&j);
}

void glim_jobs_sweep(glim_server *s) {
    char *jobs = glim_path_join(glim_store_dir(s->store), "jobs");
    DIR *d = opendir(jobs);
    for (struct dirent *e; d && (e = readdir(d));) {
        glim_job j;
        glim_err err = {0};
        if (e->d_name[0] == '.') continue;
        char *path = glim_path_join(jobs, e->d_name);
        const bool folder = glim_path_is_dir(path); /* last-crash.log is no job's */
        free(path);
        if (!folder) continue;
        glim_status rc = glim_job_get(s->store, NULL, e->d_name, &j, &err);
        if (rc == GLIM_E_NOT_FOUND || (rc == GLIM_OK && j.finished_us)) glim_jobs_clear(s, e->d_name, false);
        if (rc == GLIM_OK) glim_job_deinit(&j);
    }
    if (d) closedir(d);
    free(jobs);
}
