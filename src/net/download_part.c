/* download_part.c - the part of a file that is on disk, and the note that says what it is a part of. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/json.h"
#include "net/download_internal.h"

enum { NOTE_VERSION = 1 };

glim_status glim_fetch_part_over(glim_fetch *j) {
    if (ftruncate(j->fd, 0) != 0 || lseek(j->fd, 0, SEEK_SET) != 0)
        return glim_fail_errno(&j->err, GLIM_E_IO, errno, "could not empty \"%s\"", j->part);
    j->off = 0;
    j->size = j->f->size;
    j->etag[0] = 0;
    j->joined = false;
    j->f->n_kept = 0;
    glim_sha256_init(&j->sha);
    glim_fetch_show(j, GLIM_DOWNLOAD_RUNNING);
    return GLIM_OK;
}

glim_status glim_fetch_part_note(glim_fetch *j) {
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
static bool note_matches(glim_fetch *j) {
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
static glim_status hash_part(glim_fetch *j) {
    enum { CHUNK = 1 << 20 };
    uint8_t *chunk = glim_xmalloc(CHUNK);
    glim_status rc = GLIM_OK;
    for (;;) {
        glim_fetch_show(j, GLIM_DOWNLOAD_CHECKING);
        if (glim_fetch_stopping(j)) {
            rc = glim_fetch_stopped(j);
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

glim_status glim_fetch_part(glim_fetch *j) {
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
        return glim_fetch_part_over(j);
    rc = hash_part(j);
    j->joined = true;
    j->f->n_kept = j->high = j->off;
    return rc;
}

/* A part of nothing tells the next run nothing: no empty litter. */
void glim_fetch_part_close(glim_fetch *j) {
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
