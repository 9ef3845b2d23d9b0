/* download_internal.h - one file on its way, which the part on disk (download_part.c), the answers of the server (download_fetch.c) and
 * the crew at work (download.c) share.
 *
 *   glim_fetch_part() --> [ an answer --> pause ]* --> its final name
 *                             |  server changed, Range ignored, note differs: glim_fetch_part_over()
 *
 * Invariants 1. off bytes of the part are on file, hashed into sha, and belong to etag.
 *            2. The note on disk describes the part before the part's first byte is written.
 *            3. Only glim_fetch_file() gives a file its final name. */
#ifndef GLIM_NET_DOWNLOAD_INTERNAL_H
#define GLIM_NET_DOWNLOAD_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "net/download.h"
#include "net/http_internal.h"

#define GLIM_DOWNLOAD_AGAIN "run the same command again: it continues where this one stopped"

/* One file on its way; used by one worker, but for the atomics, which the caller's thread shows. */
typedef struct glim_fetch {
    glim_download_file *f;
    struct glim_fetch_crew *crew;
    char *part, *note;
    int fd;
    uint64_t size;       /* GLIM_DOWNLOAD_UNKNOWN until known */
    uint64_t off;        /* invariant 1 */
    uint64_t high;       /* highest off that counted as progress */
    glim_sha256 sha;
    char sha_want[GLIM_SHA256_HEX];
    char etag[256];      /* of the bytes in the part, "" unknown */
    bool joined;         /* the part was put together from more than one answer */
    bool rejoined;       /* and has already been started over because its hash was wrong */

    /* one attempt */
    CURL *curl;
    glim_http_head head;
    bool begun, discard, ranged;
    uint64_t n_discarded;
    enum { GO_ON, START_OVER, FATAL } verdict;

    glim_status rc;
    glim_err err;
    _Atomic uint64_t shown_off, shown_size, received;
    atomic_int shown_state;
} glim_fetch;

typedef struct glim_fetch_crew {
    const glim_download_opts *opts;
    glim_http_limits lim;
    glim_fetch *jobs;
    size_t n_jobs;
    atomic_size_t next;
    atomic_int stop; /* a file failed for good */
    pthread_mutex_t mu;
    pthread_cond_t left_cond;
    int n_at_work; /* under mu */
    glim_fetch *first_failed; /* under mu */
} glim_fetch_crew;

const char *glim_fetch_name(const glim_fetch *j);
/* Tells the caller's thread how far it is. */
void glim_fetch_show(glim_fetch *j, glim_download_state s);
bool glim_fetch_stopping(const glim_fetch *j);
glim_status glim_fetch_stopped(glim_fetch *j); /* GLIM_E_CANCELLED, in j->err */

/* The whole file: as many answers as it takes, and its final name. j->curl is the caller's. Errors: in j->err. */
glim_status glim_fetch_file(glim_fetch *j);

/* Opens and locks the part, and keeps what an earlier run left if its note is about the file wanted now. Errors: in j->err. */
glim_status glim_fetch_part(glim_fetch *j);
glim_status glim_fetch_part_over(glim_fetch *j);
glim_status glim_fetch_part_note(glim_fetch *j); /* writes what the part is a part of */
void glim_fetch_part_close(glim_fetch *j);

#endif
