/* download.c - the crew that fetches many files at once, and what the caller is told meanwhile.
 *
 * Owns       the worker threads and the check of free space.
 * Leaves     which files are wanted to the caller, one file to download_fetch.c, its part on disk to download_part.c, curl settings and
 *            wording to http.c.
 * Surprise   one thread per file at work, each with its own curl handle, instead of one thread with
 *            curl's multi interface: TLS and hashing use as many cores as there are files, and hashing
 *            gigabytes of an old part does not let the other connections stall. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "net/download_internal.h"

enum { N_PARALLEL_MAX = 64 };
#define SPACE_MARGIN ((uint64_t)16 << 20) /* notes, folders, the file system's own blocks */

static void *work(void *ctx) {
    glim_fetch_crew *w = ctx;
    /* Signals are the caller's thread's; a broken pipe is a return value here. */
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);

    CURL *curl = curl_easy_init();
    for (;;) {
        size_t i = atomic_fetch_add(&w->next, 1);
        if (i >= w->n_jobs) break;
        glim_fetch *j = &w->jobs[i];
        if (glim_fetch_stopping(j)) {
            j->rc = glim_fetch_stopped(j);
        } else if (!curl) {
            j->rc = glim_fail(&j->err, GLIM_E_NOMEM, "could not start a download: out of memory");
        } else {
            j->curl = curl;
            j->rc = glim_fetch_file(j);
        }
        glim_fetch_part_close(j);
        j->curl = NULL;
        glim_fetch_show(j, j->rc == GLIM_OK ? GLIM_DOWNLOAD_DONE : GLIM_DOWNLOAD_FAILED);
        if (j->rc != GLIM_OK) {
            pthread_mutex_lock(&w->mu);
            /* The reason is the failure that came first, not those it stopped. */
            if (!w->first_failed || (w->first_failed->rc == GLIM_E_CANCELLED && j->rc != GLIM_E_CANCELLED))
                w->first_failed = j;
            pthread_mutex_unlock(&w->mu);
            atomic_store(&w->stop, 1);
        }
    }
    if (curl) curl_easy_cleanup(curl);
    pthread_mutex_lock(&w->mu);
    w->n_at_work--;
    pthread_cond_signal(&w->left_cond);
    pthread_mutex_unlock(&w->mu);
    return NULL;
}

typedef struct meter {
    double at[32];
    uint64_t bytes[32];
    size_t n; /* samples so far; a ring of the last 32, about three seconds */
} meter;

static double meter_speed(meter *m, uint64_t bytes) {
    double now = glim_now_s();
    m->at[m->n % 32] = now;
    m->bytes[m->n % 32] = bytes;
    m->n++;
    size_t oldest = m->n > 32 ? m->n % 32 : 0;
    double dt = now - m->at[oldest];
    return dt > 0.2 ? (double)(bytes - m->bytes[oldest]) / dt : 0;
}

static void report(glim_fetch_crew *w, glim_download_item *items, meter *m) {
    if (!w->opts->progress) return;
    glim_download_progress p = {.n_files = w->n_jobs, .items = items};
    uint64_t received = 0;
    for (size_t i = 0; i < w->n_jobs; i++) {
        glim_fetch *j = &w->jobs[i];
        items[i].name = glim_fetch_name(j);
        items[i].done = atomic_load_explicit(&j->shown_off, memory_order_relaxed);
        items[i].total = atomic_load_explicit(&j->shown_size, memory_order_relaxed);
        items[i].state =
            (glim_download_state)atomic_load_explicit(&j->shown_state, memory_order_relaxed);
        p.done += items[i].done;
        if (items[i].total != GLIM_DOWNLOAD_UNKNOWN) p.total += items[i].total;
        p.n_done += items[i].state == GLIM_DOWNLOAD_DONE;
        received += atomic_load_explicit(&j->received, memory_order_relaxed);
    }
    p.bytes_per_s = meter_speed(m, received);
    w->opts->progress(w->opts->ctx, &p);
}

/* The nearest folder above path that exists. */
static glim_status existing_dir(const char *path, char **dir, glim_err *err) {
    char *d = glim_xstrdup(path[0] ? path : ".");
    for (;;) {
        char *slash = strrchr(d, '/');
        if (!slash) {
            free(d);
            d = glim_xstrdup(".");
        } else slash[slash == d ? 1 : 0] = 0;
        struct stat st;
        if (stat(d, &st) == 0) break;
        if (errno != ENOENT || strcmp(d, "/") == 0 || strcmp(d, ".") == 0) {
            glim_status rc = glim_fail_errno(err, GLIM_E_IO, errno, "could not look at \"%s\"", d);
            free(d);
            return rc;
        }
    }
    *dir = d;
    return GLIM_OK;
}

/* Compares what is missing with what is free, file system by file system. */
static glim_status check_space(const glim_fetch_crew *w, glim_err *err) {
    dev_t *dev = glim_xcalloc(w->n_jobs + 1, sizeof *dev);
    uint64_t *need = glim_xcalloc(w->n_jobs + 1, sizeof *need);
    glim_status rc = GLIM_OK;
    for (int pass = 0; pass < 2 && rc == GLIM_OK; pass++) {
        for (size_t i = 0; i < w->n_jobs && rc == GLIM_OK; i++) {
            const glim_fetch *j = &w->jobs[i];
            struct stat st;
            char *dir = NULL;
            rc = existing_dir(j->f->path, &dir, err);
            if (rc != GLIM_OK) break;
            if (pass == 0) {
                if (stat(dir, &st) == 0) dev[i] = st.st_dev;
                uint64_t have = stat(j->part, &st) == 0 ? (uint64_t)st.st_size : 0;
                need[i] = j->size == GLIM_DOWNLOAD_UNKNOWN || have >= j->size ? 0 : j->size - have;
            } else {
                uint64_t sum = 0;
                bool first = true;
                for (size_t k = 0; k < w->n_jobs; k++) {
                    if (dev[k] != dev[i]) continue;
                    if (k < i) first = false;
                    if (!glim_add_u64(sum, need[k], &sum)) sum = UINT64_MAX;
                }
                struct statvfs vfs;
                if (first && sum > 0 && statvfs(dir, &vfs) == 0) {
                    uint64_t room = (uint64_t)vfs.f_bavail * vfs.f_frsize;
                    if (sum > room || room - sum < SPACE_MARGIN) {
                        rc = glim_fail(err, GLIM_E_IO,
                                       "not enough disk space in \"%s\": %.2f GiB are free, want %.2f GiB", dir,
                                       (double)room / 0x1p30, (double)sum / 0x1p30);
                        glim_err_hint(err, "free some space or choose a folder on another disk");
                    }
                }
            }
            free(dir);
        }
    }
    free(dev);
    free(need);
    return rc;
}

static glim_status prepare_jobs(glim_fetch_crew *w, glim_download_file *files, glim_err *err) {
    for (size_t i = 0; i < w->n_jobs; i++) {
        glim_fetch *j = &w->jobs[i];
        glim_download_file *f = &files[i];
        f->state = GLIM_DOWNLOAD_WAITING;
        f->got_size = f->n_received = f->n_kept = 0;
        f->http_status = 0;
        f->got_sha256[0] = f->error_code[0] = 0;
        j->f = f;
        j->crew = w;
        j->fd = -1;
        j->size = f->size;
        j->part = glim_xmalloc(strlen(f->path) + 6);
        j->note = glim_xmalloc(strlen(f->path) + 11);
        sprintf(j->part, "%s.part", f->path);
        sprintf(j->note, "%s.part.json", f->path);
        atomic_store(&j->shown_size, j->size);
        glim_status rc = glim_http_check(f->url, w->opts->token, err);
        if (rc != GLIM_OK) return rc;
        if (f->sha256 && !glim_sha256_parse(f->sha256, j->sha_want))
            return glim_fail(err, GLIM_E_ARG, "\"%s\": \"%s\" is not a SHA-256, want 64 hexadecimal digits",
                             glim_fetch_name(j), f->sha256);
        if (f->size != GLIM_DOWNLOAD_UNKNOWN && f->size > INT64_MAX)
            return glim_fail(err, GLIM_E_ARG, "\"%s\": a size of %" PRIu64 " bytes makes no sense", glim_fetch_name(j),
                             f->size);
    }
    return GLIM_OK;
}

static glim_status run_crew(glim_fetch_crew *w, int n_threads, glim_err *err) {
    pthread_t threads[N_PARALLEL_MAX];
    int n_started = 0;
    for (; n_started < n_threads; n_started++) {
        pthread_mutex_lock(&w->mu);
        w->n_at_work++;
        pthread_mutex_unlock(&w->mu);
        if (pthread_create(&threads[n_started], NULL, work, w) == 0) continue;
        pthread_mutex_lock(&w->mu);
        w->n_at_work--;
        pthread_mutex_unlock(&w->mu);
        break;
    }
    if (n_started == 0) return glim_fail(err, GLIM_E_NOMEM, "could not start a thread for downloads");

    glim_download_item *items = glim_xcalloc(w->n_jobs + 1, sizeof *items);
    meter m = {.n = 0};
    for (bool busy = true; busy;) {
        report(w, items, &m);
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += 100000000;
        if (until.tv_nsec >= 1000000000) until.tv_nsec -= 1000000000, until.tv_sec++;
        pthread_mutex_lock(&w->mu);
        int waited = 0;
        while (w->n_at_work > 0 && waited == 0)
            waited = pthread_cond_timedwait(&w->left_cond, &w->mu, &until);
        busy = w->n_at_work > 0;
        pthread_mutex_unlock(&w->mu);
    }
    for (int i = 0; i < n_started; i++) pthread_join(threads[i], NULL);
    report(w, items, &m);
    free(items);

    for (size_t i = 0; i < w->n_jobs; i++) {
        glim_fetch *j = &w->jobs[i];
        j->f->n_received = atomic_load(&j->received);
        j->f->state = (glim_download_state)atomic_load(&j->shown_state);
    }
    if (!w->first_failed) return GLIM_OK;
    if (err) *err = w->first_failed->err;
    return w->first_failed->rc;
}

glim_status glim_download_run(glim_download_file *files, size_t n_files, const glim_download_opts *opts,
                              glim_err *err) {
    glim_download_opts o = *opts;
    if (o.progress_bytes == 0) o.progress_bytes = 1 << 20;
    int n_threads = o.n_parallel > 0 ? o.n_parallel : 4;
    if (n_threads > N_PARALLEL_MAX) n_threads = N_PARALLEL_MAX;
    if ((size_t)n_threads > n_files) n_threads = (int)n_files;
    if (n_files == 0) return GLIM_OK;
    glim_http_start();

    glim_fetch_crew w = {.opts = &o, .lim = glim_http_limits_filled(&o.limits), .n_jobs = n_files};
    void *jobs;
    glim_status rc = glim_try_calloc(&jobs, n_files, sizeof *w.jobs, "a list of downloads", err);
    if (rc != GLIM_OK) return rc;
    w.jobs = jobs;
    pthread_mutex_init(&w.mu, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w.left_cond, &attr);
    pthread_condattr_destroy(&attr);

    rc = prepare_jobs(&w, files, err);
    if (rc == GLIM_OK) rc = check_space(&w, err);
    if (rc == GLIM_OK) rc = run_crew(&w, n_threads, err);

    for (size_t i = 0; i < n_files; i++) {
        free(w.jobs[i].part);
        free(w.jobs[i].note);
    }
    pthread_cond_destroy(&w.left_cond);
    pthread_mutex_destroy(&w.mu);
    free(w.jobs);
    return rc;
}
