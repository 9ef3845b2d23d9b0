/* download.h - many files at once, each one whole and right or not there at all.
 *
 * A file grows as "<path>.part" beside a small "<path>.part.json" that says what it is a part of (ETag,
 * size, SHA-256, pin). It gets its own name only when size and SHA-256 are right and its bytes have
 * reached the disk. A part is continued only if its note matches what is wanted now, its bytes are
 * hashed again first, and the server confirms (If-Range, ETag, Content-Range) that the rest belongs to
 * the same file; in every other case it starts over. */
#ifndef GLIM_NET_DOWNLOAD_H
#define GLIM_NET_DOWNLOAD_H

#include <stdint.h>

#include "net/http.h"
#include "net/sha256.h"

#define GLIM_DOWNLOAD_UNKNOWN UINT64_MAX

typedef enum glim_download_state {
    GLIM_DOWNLOAD_WAITING = 0,
    GLIM_DOWNLOAD_CHECKING, /* hashing the part that an earlier run left */
    GLIM_DOWNLOAD_RUNNING,
    GLIM_DOWNLOAD_PAUSED,   /* the connection failed; another try follows */
    GLIM_DOWNLOAD_DONE,
    GLIM_DOWNLOAD_FAILED
} glim_download_state;

typedef struct glim_download_file {
    /* wanted */
    const char *url;
    const char *path;   /* final name; folders are made */
    const char *name;   /* short name for messages and progress; NULL: path */
    uint64_t size;      /* GLIM_DOWNLOAD_UNKNOWN takes the server's Content-Length, at most 1 GiB without */
    const char *sha256; /* 64 hex digits, or NULL: size alone is checked */
    const char *pin;    /* commit or object id; a part with another pin is never continued. May be NULL */

    /* outcome */
    glim_download_state state;
    char got_sha256[GLIM_SHA256_HEX]; /* of a DONE file */
    uint64_t got_size;
    uint64_t n_received;    /* bytes of this file that came over the wire in this run */
    uint64_t n_kept;        /* bytes of an earlier run that were continued */
    long http_status;       /* of the last answer, 0 if none */
    char error_code[64];    /* X-Error-Code of the last answer */
} glim_download_file;

typedef struct glim_download_item {
    const char *name;
    uint64_t done, total; /* total may be GLIM_DOWNLOAD_UNKNOWN */
    glim_download_state state;
} glim_download_item;

typedef struct glim_download_progress {
    uint64_t done, total;     /* bytes of all files; total counts known sizes */
    double bytes_per_s;       /* off the wire, over the last few seconds */
    size_t n_files, n_done;
    const glim_download_item *items; /* [n_files], valid during the call */
} glim_download_progress;

typedef struct glim_download_opts {
    const char *token;       /* as in http.h */
    int n_parallel;          /* files at a time [4] */
    glim_http_limits limits;
    uint64_t progress_bytes; /* so many new bytes make the count of tries start again [1 MiB] */
    atomic_int *cancel;      /* raised by Ctrl-C: parts stay, GLIM_E_CANCELLED */
    void (*progress)(void *ctx, const glim_download_progress *p); /* ~10 times a second and at the end,
                                                                    always from the calling thread */
    void *ctx;
} glim_download_opts;

/* Fetches all files. Before the first request the free space of each file system is compared with what
 * is missing. The first file that fails for good stops the others; what they have stays as parts, and
 * the same call later continues. Outcomes are filled in for every file either way.
 *
 * Errors: GLIM_E_NET (server or connection), GLIM_E_FORMAT (bytes are not what was announced: size or
 * SHA-256), GLIM_E_IO (disk full, no permission, the part is in use by another process), GLIM_E_ARG,
 * GLIM_E_CANCELLED. The message names the file. */
glim_status glim_download_run(glim_download_file *files, size_t n_files, const glim_download_opts *opts,
                              glim_err *err);

#endif
