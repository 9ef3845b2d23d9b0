/* ahead.c - see ahead.h. The system's own readahead follows one reader's steps; packing has several threads in one matrix, which
 * wait for the disk by turns, and the disk for them. madvise(MADV_WILLNEED) asks for no more than one readahead, so the pages
 * are populated instead, which also spares the packers a fault for each sixteen of them. */
#include "model/ahead.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { STEP = 2 << 20 }; /* bytes populated by one call */

struct glim_ahead {
    const glim_ahead_range *ranges;
    size_t n, most;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t moved; /* at or stop changed */
    size_t at;   /* the range in work */
    size_t done; /* bytes before it */
    bool stop;
};

#ifdef MADV_POPULATE_READ
static int populate(const void *data, size_t n_bytes) {
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from = (uintptr_t)data / page * page;
    return madvise((void *)from, (uintptr_t)data + n_bytes - from, MADV_POPULATE_READ);
}
#else
static int populate(const void *data, size_t n_bytes) {
    (void)data;
    (void)n_bytes;
    return -1;
}
#endif

/* Bytes that may have been read: to the end of the range in work, and `most` beyond. */
static size_t limit(const glim_ahead *a) {
    return a->done + (a->at < a->n ? a->ranges[a->at].n_bytes : 0) + a->most;
}
/* Waits until byte `to` of the ranges may be read; the range in work by then, or n to end. */
static size_t wait_for(glim_ahead *a, size_t to) {
    pthread_mutex_lock(&a->lock);
    while (!a->stop && to > limit(a)) pthread_cond_wait(&a->moved, &a->lock);
    const size_t at = a->stop ? a->n : a->at;
    pthread_mutex_unlock(&a->lock);
    return at;
}

static void *read_on(void *ctx) {
    glim_ahead *a = ctx;
    size_t first = 0; /* of this range, in all of them */
    for (size_t i = 0; i < a->n; first += a->ranges[i++].n_bytes) {
        const glim_ahead_range *r = &a->ranges[i];
        for (size_t at = 0; at < r->n_bytes; at += STEP) {
            const size_t n = r->n_bytes - at < STEP ? r->n_bytes - at : STEP, in_work = wait_for(a, first + at + n);
            if (in_work == a->n) return NULL;
            if (i < in_work) break; /* whoever finished it may have dropped its pages */
            if (populate((const char *)r->data + at, n) != 0) break;
        }
    }
    return NULL;
}

static void release(glim_ahead *a) {
    pthread_cond_destroy(&a->moved);
    pthread_mutex_destroy(&a->lock);
    free(a);
}

glim_ahead *glim_ahead_start(const glim_ahead_range *ranges, size_t n, size_t most) {
    if (n == 0 || populate(ranges[0].data, ranges[0].n_bytes != 0) != 0) return NULL;
    glim_ahead *a = calloc(1, sizeof *a);
    if (!a) return NULL;
    *a = (glim_ahead){.ranges = ranges, .n = n, .most = most};
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->moved, NULL);
    if (pthread_create(&a->thread, NULL, read_on, a) == 0) return a;
    release(a);
    return NULL;
}

void glim_ahead_next(glim_ahead *a) {
    if (!a) return;
    pthread_mutex_lock(&a->lock);
    if (a->at < a->n) a->done += a->ranges[a->at++].n_bytes;
    pthread_cond_signal(&a->moved);
    pthread_mutex_unlock(&a->lock);
}

void glim_ahead_stop(glim_ahead *a) {
    if (!a) return;
    pthread_mutex_lock(&a->lock);
    a->stop = true;
    pthread_cond_signal(&a->moved);
    pthread_mutex_unlock(&a->lock);
    pthread_join(a->thread, NULL);
    release(a);
}
