/* download.c - the life of a *.part file: found, checked, continued, finished.
 *
 * Owns       *.part and *.part.json, the worker threads, the decision to continue or start over.
 * Leaves     which files are wanted to the caller, curl settings and wording to http.c.
 * Invariants 1. job.off bytes of the part are on file, hashed into job.sha, and belong to job.etag.
 *            2. The note on disk describes the part before the part's first byte is written.
 *            3. Only finish() gives a file its final name.
 * Surprise   one thread per file at work, each with its own curl handle, instead of one thread with
 *            curl's multi interface: TLS and hashing use as many cores as there are files, and hashing
 *            gigabytes of an old part does not let the other connections stall.
 *
 *   open_part() --> [ attempt() --> pause ]* --> finish()
 *                        |  server changed, Range ignored, note differs: start_over()              */
#include "net/download.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "net/http_internal.h"

enum { NOTE_VERSION = 1, N_PARALLEL_MAX = 64 };
#define SIZELESS_MAX ((uint64_t)1 << 30)   /* a file whose size nobody says may not fill the disk */
#define SPACE_MARGIN ((uint64_t)16 << 20)  /* notes, folders, the file system's own blocks */
#define AGAIN_HINT "run the same command again: it continues where this one stopped"

typedef struct job job;

typedef struct crew {
    const glim_download_opts *opts;
    glim_http_limits lim;
    job *jobs;
    size_t n_jobs;
    atomic_size_t next;
    atomic_int stop; /* a file failed for good */
    pthread_mutex_t mu;
    pthread_cond_t left_cond;
    int n_at_work; /* under mu */
    job *first_failed; /* under mu */
} crew;

/* One file on its way; used by one worker, but for the atomics, which the caller's thread shows. */
struct job {
    glim_download_file *f;
    crew *crew;
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
};

static const char *name_of(const job *j) { return j->f->name ? j->f->name : j->f->path; }

static void show(job *j, glim_download_state s) {
    atomic_store_explicit(&j->shown_off, j->off, memory_order_relaxed);
    atomic_store_explicit(&j->shown_size, j->size, memory_order_relaxed);
    atomic_store_explicit(&j->shown_state, (int)s, memory_order_relaxed);
}

static bool asked_to_stop(const job *j) {
    return atomic_load_explicit(&j->crew->stop, memory_order_relaxed) ||
           (j->crew->opts->cancel && atomic_load_explicit(j->crew->opts->cancel, memory_order_relaxed));
}

static glim_status stopped(job *j) {
    glim_status rc = glim_fail(&j->err, GLIM_E_CANCELLED, "stopped while getting \"%s\"", name_of(j));
    glim_err_hint(&j->err, AGAIN_HINT);
    return rc;
}

/* ---- the part and its note ---- */

static glim_status start_over(job *j) {
    if (ftruncate(j->fd, 0) != 0 || lseek(j->fd, 0, SEEK_SET) != 0)
        return glim_fail_errno(&j->err, GLIM_E_IO, errno, "could not empty \"%s\"", j->part);
    j->off = 0;
    j->size = j->f->size;
    j->etag[0] = 0;
    j->joined = false;
    j->f->n_kept = 0;
    glim_sha256_init(&j->sha);
    show(j, GLIM_DOWNLOAD_RUNNING);
    return GLIM_OK;
}

static glim_status write_note(job *j) {
    glim_buf b = {0};
    glim_buf_puts(&b, "{\"format\": \"glim-part\", \"version\": 1, \"size\": ");
    if (j->size == GLIM_DOWNLOAD_UNKNOWN) glim_buf_puts(&b, "null");
    else glim_buf_printf(&b, "%" PRIu64, j->size);
    const char *names[] = {"etag", "sha256", "pin"};
    const char *values[] = {j->etag, j->sha_want, j->f->pin ? j->f->pin : ""};
    for (size_t i = 0; i < GLIM_COUNT(names); i++) {
        glim_buf_printf(&b, ", \"%s\": ", names[i]);
        glim_json_put_str(&b, values[i], strlen(values[i]));
    }
    glim_buf_puts(&b, "}\n");
    glim_status rc = glim_buf_status(&b, j->note, &j->err);
    if (rc == GLIM_OK) rc = glim_file_write_atomic(j->note, b.s, b.len, &j->err);
    glim_buf_free(&b);
    return rc;
}

/* Does the note describe the file that is wanted now? Fills in etag. Anything odd is a no: the price is
 * fetching bytes again. */
static bool note_matches(job *j) {
    json_t *o = NULL;
    if (glim_json_read(&o, j->note, 1 << 16, NULL) != GLIM_OK) return false;
    const char *format, *etag, *sha, *pin;
    int64_t version, size;
    bool ok = json_is_object(o) && glim_json_get_str(o, "format", "", &format, NULL) == GLIM_OK &&
              glim_json_get_int(o, "version", 0, INT64_MAX, 0, &version, NULL) == GLIM_OK &&
              glim_json_get_int(o, "size", 0, INT64_MAX, -1, &size, NULL) == GLIM_OK &&
              glim_json_get_str(o, "etag", "", &etag, NULL) == GLIM_OK &&
              glim_json_get_str(o, "sha256", "", &sha, NULL) == GLIM_OK &&
              glim_json_get_str(o, "pin", "", &pin, NULL) == GLIM_OK;
    ok = ok && strcmp(format, "glim-part") == 0 && version == NOTE_VERSION &&
         (j->size == GLIM_DOWNLOAD_UNKNOWN || (size >= 0 && (uint64_t)size == j->size)) &&
         strcmp(sha, j->sha_want) == 0 && strcmp(pin, j->f->pin ? j->f->pin : "") == 0 &&
         strlen(etag) < sizeof j->etag;
    /* Without a hash at the end, only a strong ETag ties old bytes to new ones (RFC 9110, 8.8.1). */
    if (ok && !j->sha_want[0]) ok = etag[0] == '"';
    if (ok) {
        memcpy(j->etag, etag, strlen(etag) + 1);
        if (j->size == GLIM_DOWNLOAD_UNKNOWN && size >= 0) j->size = (uint64_t)size;
    }
    json_decref(o);
    return ok;
}

/* Hashes the bytes of an earlier run; ends with off = length of the part. */
static glim_status hash_part(job *j) {
    enum { CHUNK = 1 << 20 };
    uint8_t *chunk = glim_xmalloc(CHUNK);
    glim_status rc = GLIM_OK;
    for (;;) {
        show(j, GLIM_DOWNLOAD_CHECKING);
        if (asked_to_stop(j)) {
            rc = stopped(j);
            break;
        }
        ssize_t n = read(j->fd, chunk, CHUNK);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) rc = glim_fail_errno(&j->err, GLIM_E_IO, errno, "could not read \"%s\"", j->part);
        if (n <= 0) break;
        glim_sha256_update(&j->sha, chunk, (size_t)n);
        j->off += (uint64_t)n;
    }
    free(chunk);
    return rc;
}

static glim_status open_part(job *j) {
    char *dir = glim_xstrdup(j->f->path), *slash = strrchr(dir, '/');
    glim_status rc = GLIM_OK;
    if (slash && slash != dir) {
        *slash = 0;
        rc = glim_mkdirs(dir, &j->err);
    }
    free(dir);
    if (rc != GLIM_OK) return rc;

    struct stat st;
    for (;;) {
        j->fd = open(j->part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644);
        if (j->fd < 0)
            return glim_fail_errno(&j->err, GLIM_E_IO, errno, "could not create \"%s\"", j->part);
        if (flock(j->fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
            rc = glim_fail(&j->err, GLIM_E_IO, "could not write \"%s\": another process is fetching it",
                           j->part);
            glim_err_hint(&j->err, "wait for it, or choose another folder");
            return rc;
        }
        if (fstat(j->fd, &st) != 0 || !S_ISREG(st.st_mode))
            return glim_fail(&j->err, GLIM_E_IO, "could not write \"%s\": it is not a file", j->part);
        /* Between open and lock its owner may have finished it: then this is the file under its final
         * name, and emptying it would be a crime. */
        struct stat now;
        if (stat(j->part, &now) == 0 && now.st_ino == st.st_ino && now.st_dev == st.st_dev) break;
        close(j->fd);
        j->fd = -1;
    }
    glim_sha256_init(&j->sha);
    if (st.st_size == 0) return GLIM_OK;
    if (!note_matches(j) || (j->size != GLIM_DOWNLOAD_UNKNOWN && (uint64_t)st.st_size > j->size))
        return start_over(j);
    rc = hash_part(j);
    j->joined = true;
    j->f->n_kept = j->high = j->off;
    return rc;
}

/* ---- one answer of the server ---- */

/* "bytes 100-199/1000" or ".../" followed by a star; false if it says something else. */
static bool parse_content_range(const char *s, uint64_t *first, uint64_t *total) {
    unsigned long long a, b, t = 0;
    int used = 0;
    if (strncasecmp(s, "bytes ", 6) != 0) return false;
    if (sscanf(s + 6, "%20llu-%20llu/%n", &a, &b, &used) != 2 || used == 0 || a > b) return false;
    const char *rest = s + 6 + used;
    char *end;
    if (strcmp(rest, "*") == 0) *total = GLIM_DOWNLOAD_UNKNOWN;
    else {
        if (*rest < '0' || *rest > '9') return false;
        errno = 0;
        t = strtoull(rest, &end, 10);
        if (*end || errno || b >= t) return false;
        *total = t;
    }
    *first = a;
    return true;
}

static bool wrong_size(job *j, uint64_t got) {
    uint64_t size = j->size;
    j->verdict = FATAL;
    if (start_over(j) != GLIM_OK) return false; /* what is there belongs to another file */
    glim_fail(&j->err, GLIM_E_FORMAT, "\"%s\": the server has %" PRIu64 " bytes, want %" PRIu64, name_of(j),
              got, size);
    glim_err_hint(&j->err, "the repository may have changed meanwhile: run the command again");
    return false;
}

/* Headers are in, the first byte of the body is not: decides what it is the beginning of. */
static bool begin_body(job *j) {
    j->begun = true;
    long status = 0;
    curl_easy_getinfo(j->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status == 206) {
        uint64_t first = 0, total = GLIM_DOWNLOAD_UNKNOWN;
        bool ok = j->ranged && parse_content_range(j->head.content_range, &first, &total) && first == j->off;
        /* A server that ignores If-Range still tells by its ETag that the file is another one. */
        bool changed = j->etag[0] && j->head.etag[0] && strcmp(j->etag, j->head.etag) != 0;
        if (!ok || changed) {
            glim_fail(&j->err, GLIM_E_NET, "\"%s\": %s", name_of(j),
                      changed ? "the file changed on the server" : "the server answered with another range");
            j->verdict = START_OVER;
            return false;
        }
        if (total != GLIM_DOWNLOAD_UNKNOWN) {
            if (j->size == GLIM_DOWNLOAD_UNKNOWN) j->size = total;
            else if (j->size != total) return wrong_size(j, total);
        }
        j->joined = true;
        return true;
    }
    if (status != 200) {
        j->discard = true; /* an error page */
        return true;
    }
    curl_off_t len = -1;
    curl_easy_getinfo(j->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &len);
    if (len >= 0 && j->f->size == GLIM_DOWNLOAD_UNKNOWN) j->size = (uint64_t)len;
    else if (len >= 0 && (uint64_t)len != j->size) return wrong_size(j, (uint64_t)len);
    if (j->off > 0 && start_over(j) != GLIM_OK) { /* Range ignored, or If-Range saw a change */
        j->verdict = FATAL;
        return false;
    }
    memcpy(j->etag, j->head.etag, sizeof j->etag);
    if (write_note(j) != GLIM_OK) {
        j->verdict = FATAL;
        return false;
    }
    return true;
}

static size_t on_body(char *p, size_t size, size_t n, void *ctx) {
    job *j = ctx;
    n *= size;
    if (!j->begun && !begin_body(j)) return 0;
    if (j->discard) {
        j->n_discarded += n;
        return j->n_discarded > 1 << 20 ? 0 : n; /* an endless error page ends here */
    }
    uint64_t cap = j->size != GLIM_DOWNLOAD_UNKNOWN ? j->size : SIZELESS_MAX;
    if (n > cap - j->off) {
        bool announced = j->size != GLIM_DOWNLOAD_UNKNOWN;
        j->verdict = FATAL;
        /* Nothing of a file that does not end where it said can be trusted. */
        if (start_over(j) == GLIM_OK)
            glim_fail(&j->err, GLIM_E_FORMAT, "\"%s\": the server sent more than the %s %" PRIu64 " bytes",
                      name_of(j), announced ? "announced" : "allowed", cap);
        return 0;
    }
    for (size_t w = 0; w < n;) {
        ssize_t k = write(j->fd, p + w, n - w);
        if (k < 0 && errno == EINTR) continue;
        if (k <= 0) {
            int e = k < 0 ? errno : ENOSPC;
            glim_fail_errno(&j->err, GLIM_E_IO, e, "could not write \"%s\" at byte %" PRIu64, j->part,
                            j->off + w);
            if (e == ENOSPC || e == EDQUOT)
                glim_err_hint(&j->err, "free some space, then run the same command again: it continues here");
            /* Back to invariant 1: what is on file is what is hashed. */
            if (ftruncate(j->fd, (off_t)j->off) == 0) (void)lseek(j->fd, (off_t)j->off, SEEK_SET);
            j->verdict = FATAL;
            return 0;
        }
        w += (size_t)k;
    }
    glim_sha256_update(&j->sha, p, n);
    j->off += n;
    atomic_fetch_add_explicit(&j->received, n, memory_order_relaxed);
    atomic_store_explicit(&j->shown_off, j->off, memory_order_relaxed);
    return n;
}

static int on_tick(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d) {
    (void)a, (void)b, (void)c, (void)d;
    return asked_to_stop(ctx);
}

typedef enum attempt_end { A_WHOLE, A_AGAIN, A_FAILED } attempt_end;

/* One request from j->off to the end. A_AGAIN leaves the reason in j->err and the least wait in *wait. */
static attempt_end attempt(job *j, double *wait) {
    char errbuf[CURL_ERROR_SIZE], range[32];
    struct curl_slist *headers = NULL;
    j->begun = j->discard = false;
    j->n_discarded = 0;
    j->verdict = GO_ON;
    j->ranged = j->off > 0;
    if (j->ranged && j->etag[0] == '"') { /* If-Range takes strong ETags only */
        glim_buf b = {0};
        glim_buf_printf(&b, "If-Range: %s", j->etag);
        if (!b.failed) headers = curl_slist_append(NULL, b.s);
        glim_buf_free(&b);
    }
    headers = glim_http_prepare(j->curl, j->f->url, j->crew->opts->token, &j->crew->lim, &j->head, errbuf,
                                headers);
    snprintf(range, sizeof range, "%" PRIu64 "-", j->off);
    if (j->ranged) curl_easy_setopt(j->curl, CURLOPT_RANGE, range);
    curl_easy_setopt(j->curl, CURLOPT_BUFFERSIZE, 256L << 10);
    curl_easy_setopt(j->curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(j->curl, CURLOPT_WRITEDATA, j);
    curl_easy_setopt(j->curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(j->curl, CURLOPT_XFERINFOFUNCTION, on_tick);
    curl_easy_setopt(j->curl, CURLOPT_XFERINFODATA, j);
    show(j, GLIM_DOWNLOAD_RUNNING);
    CURLcode cc = curl_easy_perform(j->curl);
    curl_slist_free_all(headers);

    long status = 0;
    curl_easy_getinfo(j->curl, CURLINFO_RESPONSE_CODE, &status);
    j->f->http_status = status;
    memcpy(j->f->error_code, j->head.error_code, sizeof j->f->error_code);

    if (cc == CURLE_OK && !j->begun && (status == 200 || status == 206) && !begin_body(j))
        cc = CURLE_WRITE_ERROR; /* an empty body: nobody has looked at its headers yet */
    if (j->verdict == FATAL) return A_FAILED;
    if (asked_to_stop(j)) {
        stopped(j);
        return A_FAILED;
    }
    if (j->verdict == START_OVER) return start_over(j) == GLIM_OK ? A_AGAIN : A_FAILED;

    if (status >= 400 && (cc == CURLE_OK || j->discard)) {
        glim_http_fail_status(&j->err, status, j->f->url);
        if (status == 416 && j->off > 0) { /* Content-Range: the star and TOTAL; nothing from off on */
            unsigned long long total;
            if (sscanf(j->head.content_range, "bytes */%20llu", &total) == 1) {
                if (j->size == GLIM_DOWNLOAD_UNKNOWN && total == j->off) {
                    j->size = total;
                    return A_WHOLE;
                }
                if (j->size != GLIM_DOWNLOAD_UNKNOWN && total != j->size) {
                    wrong_size(j, total);
                    return A_FAILED;
                }
            }
            return start_over(j) == GLIM_OK ? A_AGAIN : A_FAILED;
        }
        if (!glim_http_retry_status(status)) return A_FAILED;
        curl_off_t asked = 0;
        curl_easy_getinfo(j->curl, CURLINFO_RETRY_AFTER, &asked);
        if ((double)asked > j->crew->lim.max_wait_s) {
            glim_err_hint(&j->err, "the server asks to come back in %lld s; the same command then continues",
                          (long long)asked);
            return A_FAILED;
        }
        *wait = (double)asked;
        return A_AGAIN;
    }
    if (cc != CURLE_OK) {
        glim_http_fail_code(&j->err, cc, errbuf, j->f->url, &j->crew->lim);
        return glim_http_retry_code(cc) ? A_AGAIN : A_FAILED;
    }
    if (status != 200 && status != 206) {
        glim_http_fail_status(&j->err, status, j->f->url);
        return A_FAILED;
    }
    if (j->size == GLIM_DOWNLOAD_UNKNOWN) j->size = j->off; /* the end of the body is the only word on it */
    if (j->off < j->size) {
        glim_fail(&j->err, GLIM_E_NET, "\"%s\": the server ended the body at byte %" PRIu64 ", want %" PRIu64,
                  name_of(j), j->off, j->size);
        return A_AGAIN;
    }
    return A_WHOLE;
}

/* ---- the whole file ---- */

/* Checks the hash and gives the file its name. A_AGAIN: the part was put together from several answers
 * and is wrong, so one try from the first byte is fair. */
static attempt_end finish(job *j) {
    char got[GLIM_SHA256_HEX];
    glim_sha256_final(&j->sha, got);
    if (j->sha_want[0] && strcmp(got, j->sha_want) != 0) {
        bool again = j->joined && !j->rejoined;
        if (start_over(j) != GLIM_OK) return A_FAILED;
        j->rejoined = true;
        glim_fail(&j->err, GLIM_E_FORMAT, "\"%s\": SHA-256 is %s, want %s", name_of(j), got, j->sha_want);
        glim_err_hint(&j->err, "the bytes were thrown away; run the command again, and if it repeats, the "
                               "server or a proxy on the way alters the file");
        return again ? A_AGAIN : A_FAILED;
    }
    if (fsync(j->fd) != 0) {
        glim_fail_errno(&j->err, GLIM_E_IO, errno, "could not write \"%s\"", j->part);
        return A_FAILED;
    }
    if (rename(j->part, j->f->path) != 0) {
        glim_fail_errno(&j->err, GLIM_E_IO, errno, "could not rename \"%s\" to \"%s\"", j->part, j->f->path);
        return A_FAILED;
    }
    char *dir = glim_xstrdup(j->f->path), *slash = strrchr(dir, '/');
    if (slash) slash[slash == dir ? 1 : 0] = 0;
    int dfd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dfd >= 0) {
        (void)fsync(dfd); /* some network mounts refuse; the data itself is there */
        close(dfd);
    }
    free(dir);
    unlink(j->note);
    memcpy(j->f->got_sha256, got, sizeof got);
    j->f->got_size = j->off;
    return A_WHOLE;
}

static glim_status fetch(job *j) {
    glim_status rc = open_part(j);
    if (rc != GLIM_OK) return rc;
    for (int n_done = 0;;) {
        if (asked_to_stop(j)) return stopped(j);
        double wait = 0;
        attempt_end end = j->size == j->off ? A_WHOLE : attempt(j, &wait);
        if (end == A_WHOLE) end = finish(j);
        if (end == A_WHOLE) return GLIM_OK;
        if (end == A_FAILED) return j->err.code;

        /* The count starts again with real progress only: a server that drops every connection at the
         * same byte and ignores Range would otherwise keep us for ever. */
        if (j->off >= j->high + j->crew->opts->progress_bytes) {
            j->high = j->off;
            n_done = 0;
        }
        if (++n_done >= j->crew->lim.n_tries) {
            glim_err_context(&j->err, "after %d tries without progress", n_done);
            if (!j->err.hint[0]) glim_err_hint(&j->err, AGAIN_HINT);
            return j->err.code;
        }
        show(j, GLIM_DOWNLOAD_PAUSED);
        double least = glim_http_backoff(&j->crew->lim, n_done);
        if (glim_http_sleep(wait > least ? wait : least, j->crew->opts->cancel, &j->crew->stop))
            return stopped(j);
    }
}

/* A part of nothing tells the next run nothing: no empty litter. */
static void close_part(job *j) {
    if (j->fd < 0) return;
    if (j->rc != GLIM_OK && j->off == 0) {
        struct stat a, b;
        /* Only our own file: if another process holds the part, off is 0 and the part is theirs. */
        if (flock(j->fd, LOCK_EX | LOCK_NB) == 0 && fstat(j->fd, &a) == 0 && stat(j->part, &b) == 0 &&
            a.st_ino == b.st_ino && a.st_dev == b.st_dev && a.st_size == 0) {
            unlink(j->part);
            unlink(j->note);
        }
    }
    close(j->fd);
    j->fd = -1;
}

/* ---- the crew ---- */

static void *work(void *ctx) {
    crew *w = ctx;
    /* Signals are the caller's thread's; a broken pipe is a return value here. */
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);

    CURL *curl = curl_easy_init();
    for (;;) {
        size_t i = atomic_fetch_add(&w->next, 1);
        if (i >= w->n_jobs) break;
        job *j = &w->jobs[i];
        if (asked_to_stop(j)) {
            j->rc = stopped(j);
        } else if (!curl) {
            j->rc = glim_fail(&j->err, GLIM_E_NOMEM, "could not start a download: out of memory");
        } else {
            j->curl = curl;
            j->rc = fetch(j);
        }
        close_part(j);
        j->curl = NULL;
        show(j, j->rc == GLIM_OK ? GLIM_DOWNLOAD_DONE : GLIM_DOWNLOAD_FAILED);
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

static void report(crew *w, glim_download_item *items, meter *m) {
    if (!w->opts->progress) return;
    glim_download_progress p = {.n_files = w->n_jobs, .items = items};
    uint64_t received = 0;
    for (size_t i = 0; i < w->n_jobs; i++) {
        job *j = &w->jobs[i];
        items[i].name = name_of(j);
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
static glim_status check_space(const crew *w, glim_err *err) {
    dev_t *dev = glim_xcalloc(w->n_jobs + 1, sizeof *dev);
    uint64_t *need = glim_xcalloc(w->n_jobs + 1, sizeof *need);
    glim_status rc = GLIM_OK;
    for (int pass = 0; pass < 2 && rc == GLIM_OK; pass++) {
        for (size_t i = 0; i < w->n_jobs && rc == GLIM_OK; i++) {
            const job *j = &w->jobs[i];
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

static glim_status prepare_jobs(crew *w, glim_download_file *files, glim_err *err) {
    for (size_t i = 0; i < w->n_jobs; i++) {
        job *j = &w->jobs[i];
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
                             name_of(j), f->sha256);
        if (f->size != GLIM_DOWNLOAD_UNKNOWN && f->size > INT64_MAX)
            return glim_fail(err, GLIM_E_ARG, "\"%s\": a size of %" PRIu64 " bytes makes no sense", name_of(j),
                             f->size);
    }
    return GLIM_OK;
}

static glim_status run_crew(crew *w, int n_threads, glim_err *err) {
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
        job *j = &w->jobs[i];
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

    crew w = {.opts = &o, .lim = glim_http_limits_filled(&o.limits), .n_jobs = n_files};
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
