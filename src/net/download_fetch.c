/* download_fetch.c - one file over HTTP: each answer of the server decides whether the part goes on, starts over or is whole. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "net/download_internal.h"

#define SIZELESS_MAX ((uint64_t)1 << 30) /* a file whose size nobody says may not fill the disk */

const char *glim_fetch_name(const glim_fetch *j) { return j->f->name ? j->f->name : j->f->path; }

void glim_fetch_show(glim_fetch *j, glim_download_state s) {
    atomic_store_explicit(&j->shown_off, j->off, memory_order_relaxed);
    atomic_store_explicit(&j->shown_size, j->size, memory_order_relaxed);
    atomic_store_explicit(&j->shown_state, (int)s, memory_order_relaxed);
}

bool glim_fetch_stopping(const glim_fetch *j) {
    return atomic_load_explicit(&j->crew->stop, memory_order_relaxed) ||
           (j->crew->opts->cancel && atomic_load_explicit(j->crew->opts->cancel, memory_order_relaxed));
}

glim_status glim_fetch_stopped(glim_fetch *j) {
    glim_status rc = glim_fail(&j->err, GLIM_E_CANCELLED, "stopped while getting \"%s\"", glim_fetch_name(j));
    glim_err_hint(&j->err, GLIM_DOWNLOAD_AGAIN);
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

static bool wrong_size(glim_fetch *j, uint64_t got) {
    uint64_t size = j->size;
    j->verdict = FATAL;
    if (glim_fetch_part_over(j) != GLIM_OK) return false; /* what is there belongs to another file */
    glim_fail(&j->err, GLIM_E_FORMAT, "\"%s\": the server has %" PRIu64 " bytes, want %" PRIu64, glim_fetch_name(j),
              got, size);
    glim_err_hint(&j->err, "the repository may have changed meanwhile: run the command again");
    return false;
}

/* Headers are in, the first byte of the body is not: decides what it is the beginning of. */
static bool begin_body(glim_fetch *j) {
    j->begun = true;
    long status = 0;
    curl_easy_getinfo(j->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status == 206) {
        uint64_t first = 0, total = GLIM_DOWNLOAD_UNKNOWN;
        bool ok = j->ranged && parse_content_range(j->head.content_range, &first, &total) && first == j->off;
        /* A server that ignores If-Range still tells by its ETag that the file is another one. */
        bool changed = j->etag[0] && j->head.etag[0] && strcmp(j->etag, j->head.etag) != 0;
        if (!ok || changed) {
            glim_fail(&j->err, GLIM_E_NET, "\"%s\": %s", glim_fetch_name(j),
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
    if (j->off > 0 && glim_fetch_part_over(j) != GLIM_OK) { /* Range ignored, or If-Range saw a change */
        j->verdict = FATAL;
        return false;
    }
    memcpy(j->etag, j->head.etag, sizeof j->etag);
    if (glim_fetch_part_note(j) != GLIM_OK) {
        j->verdict = FATAL;
        return false;
    }
    return true;
}

static size_t on_body(char *p, size_t size, size_t n, void *ctx) {
    glim_fetch *j = ctx;
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
        if (glim_fetch_part_over(j) == GLIM_OK)
            glim_fail(&j->err, GLIM_E_FORMAT, "\"%s\": the server sent more than the %s %" PRIu64 " bytes",
                      glim_fetch_name(j), announced ? "announced" : "allowed", cap);
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
    return glim_fetch_stopping(ctx);
}

typedef enum attempt_end { A_WHOLE, A_AGAIN, A_FAILED } attempt_end;

/* One request from j->off to the end. A_AGAIN leaves the reason in j->err and the least wait in *wait. */
static attempt_end attempt(glim_fetch *j, double *wait) {
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
    glim_fetch_show(j, GLIM_DOWNLOAD_RUNNING);
    CURLcode cc = curl_easy_perform(j->curl);
    curl_slist_free_all(headers);

    long status = 0;
    curl_easy_getinfo(j->curl, CURLINFO_RESPONSE_CODE, &status);
    j->f->http_status = status;
    memcpy(j->f->error_code, j->head.error_code, sizeof j->f->error_code);

    if (cc == CURLE_OK && !j->begun && (status == 200 || status == 206) && !begin_body(j))
        cc = CURLE_WRITE_ERROR; /* an empty body: nobody has looked at its headers yet */
    if (j->verdict == FATAL) return A_FAILED;
    if (glim_fetch_stopping(j)) {
        glim_fetch_stopped(j);
        return A_FAILED;
    }
    if (j->verdict == START_OVER) return glim_fetch_part_over(j) == GLIM_OK ? A_AGAIN : A_FAILED;

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
            return glim_fetch_part_over(j) == GLIM_OK ? A_AGAIN : A_FAILED;
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
                  glim_fetch_name(j), j->off, j->size);
        return A_AGAIN;
    }
    return A_WHOLE;
}

/* ---- the whole file ---- */

/* Checks the hash and gives the file its name. A_AGAIN: the part was put together from several answers
 * and is wrong, so one try from the first byte is fair. */
static attempt_end finish(glim_fetch *j) {
    char got[GLIM_SHA256_HEX];
    glim_sha256_final(&j->sha, got);
    if (j->sha_want[0] && strcmp(got, j->sha_want) != 0) {
        bool again = j->joined && !j->rejoined;
        if (glim_fetch_part_over(j) != GLIM_OK) return A_FAILED;
        j->rejoined = true;
        glim_fail(&j->err, GLIM_E_FORMAT, "\"%s\": SHA-256 is %s, want %s", glim_fetch_name(j), got, j->sha_want);
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

glim_status glim_fetch_file(glim_fetch *j) {
    glim_status rc = glim_fetch_part(j);
    if (rc != GLIM_OK) return rc;
    for (int n_done = 0;;) {
        if (glim_fetch_stopping(j)) return glim_fetch_stopped(j);
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
            if (!j->err.hint[0]) glim_err_hint(&j->err, GLIM_DOWNLOAD_AGAIN);
            return j->err.code;
        }
        glim_fetch_show(j, GLIM_DOWNLOAD_PAUSED);
        double least = glim_http_backoff(&j->crew->lim, n_done);
        if (glim_http_sleep(wait > least ? wait : least, j->crew->opts->cancel, &j->crew->stop))
            return glim_fetch_stopped(j);
    }
}
