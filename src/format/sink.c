/* sink.c - see sink.h. */
#include "format/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

enum { SINK_BUF = 256 * 1024 };

struct glim_sink {
    char *path, *tmp;
    char *buf; /* [SINK_BUF] */
    size_t used;
    uint64_t pos;
    int fd; /* -1 once closed */
    bool committed;
};

static glim_status open_mode(glim_sink **out, const char *path, mode_t mode, glim_err *err) {
    *out = NULL;
    glim_sink *s = glim_xcalloc(1, sizeof *s);
    s->fd = -1;
    s->path = glim_xstrdup(path);
    size_t n = strlen(path) + 32;
    s->tmp = glim_xmalloc(n);
    snprintf(s->tmp, n, "%s.tmp.%ld", path, (long)getpid());
    void *p;
    glim_status rc = glim_try_calloc(&p, SINK_BUF, 1, "a write buffer", err);
    if (rc == GLIM_OK) {
        s->buf = p;
        if (mode == 0600) (void)unlink(s->tmp); /* what a killed process of this number left may have another mode */
        s->fd = open(s->tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
        if (s->fd < 0) rc = glim_fail_errno(err, GLIM_E_IO, errno, "could not create \"%s\"", s->tmp);
    }
    if (rc != GLIM_OK) {
        s->committed = true; /* there is no file to remove */
        glim_sink_free(s);
        return rc;
    }
    *out = s;
    return GLIM_OK;
}

glim_status glim_sink_open(glim_sink **out, const char *path, glim_err *err) { return open_mode(out, path, 0644, err); }
glim_status glim_sink_open_secret(glim_sink **out, const char *path, glim_err *err) { return open_mode(out, path, 0600, err); }

static glim_status write_all(glim_sink *s, const char *p, size_t n, glim_err *err) {
    while (n > 0) {
        ssize_t w = write(s->fd, p, n);
        if (w < 0 && errno == EINTR) continue;
        if (w <= 0)
            return glim_fail_errno(err, GLIM_E_IO, w < 0 ? errno : ENOSPC, "could not write \"%s\" after "
                                   "%llu bytes", s->tmp, (unsigned long long)s->pos);
        p += w;
        n -= (size_t)w;
    }
    return GLIM_OK;
}

static glim_status flush(glim_sink *s, glim_err *err) {
    glim_status rc = write_all(s, s->buf, s->used, err);
    if (rc == GLIM_OK) s->used = 0;
    return rc;
}

glim_status glim_sink_write(glim_sink *s, const void *bytes, size_t n, glim_err *err) {
    GLIM_ASSERT(s->fd >= 0);
    if (n == 0) return GLIM_OK;
    if (n > SINK_BUF - s->used) {
        glim_status rc = flush(s, err);
        if (rc == GLIM_OK && n >= SINK_BUF) {
            rc = write_all(s, bytes, n, err);
            if (rc == GLIM_OK) s->pos += n;
            return rc;
        }
        if (rc != GLIM_OK) return rc;
    }
    memcpy(s->buf + s->used, bytes, n);
    s->used += n;
    s->pos += n;
    return GLIM_OK;
}

glim_status glim_sink_zeros(glim_sink *s, size_t n, glim_err *err) {
    static const char zeros[4096];
    glim_status rc = GLIM_OK;
    while (n > 0 && rc == GLIM_OK) {
        size_t part = n < sizeof zeros ? n : sizeof zeros;
        rc = glim_sink_write(s, zeros, part, err);
        n -= part;
    }
    return rc;
}

uint64_t glim_sink_pos(const glim_sink *s) { return s->pos; }

glim_status glim_sink_close(glim_sink *s, glim_err *err) {
    if (s->fd < 0) return GLIM_OK;
    glim_status rc = flush(s, err);
    if (rc != GLIM_OK) return rc;
    int e = fsync(s->fd) != 0 ? errno : 0;
    if (close(s->fd) != 0 && !e) e = errno;
    s->fd = -1;
    free(s->buf); /* a set of files waits closed for its commit: do not hold a buffer for each */
    s->buf = NULL;
    return e ? glim_fail_errno(err, GLIM_E_IO, e, "could not write \"%s\"", s->tmp) : GLIM_OK;
}

glim_status glim_sink_commit(glim_sink *s, glim_err *err) {
    glim_status rc = glim_sink_close(s, err);
    if (rc != GLIM_OK) return rc;
    if (rename(s->tmp, s->path) != 0)
        return glim_fail_errno(err, GLIM_E_IO, errno, "could not rename \"%s\" to \"%s\"", s->tmp, s->path);
    s->committed = true;
    /* The rename itself must reach the disk; folders that cannot be synced (some network mounts) are no
     * reason to fail. */
    char *slash = strrchr(s->tmp, '/');
    if (slash) slash[slash == s->tmp ? 1 : 0] = 0;
    int dfd = open(slash ? s->tmp : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dfd >= 0) {
        (void)fsync(dfd);
        close(dfd);
    }
    return GLIM_OK;
}

void glim_sink_free(glim_sink *s) {
    if (!s) return;
    if (s->fd >= 0) close(s->fd);
    if (!s->committed) unlink(s->tmp);
    free(s->buf);
    free(s->tmp);
    free(s->path);
    free(s);
}

glim_status glim_sink_tensor(glim_sink *s, const glim_tensor_out *t, size_t n_bytes, glim_err *err) {
    uint64_t start = s->pos;
    glim_status rc;
    if (t->data || n_bytes == 0) rc = glim_sink_write(s, t->data, n_bytes, err);
    else if (t->fill) rc = t->fill(t->ctx, t, s, err);
    else rc = glim_fail(err, GLIM_E_ARG, "got neither data nor a way to make them");
    if (rc == GLIM_OK && s->pos - start != n_bytes)
        rc = glim_fail(err, GLIM_E_SHAPE, "its source wrote %llu bytes, want %zu",
                       (unsigned long long)(s->pos - start), n_bytes);
    if (rc != GLIM_OK) glim_err_context(err, "tensor \"%s\"", t->name);
    return rc;
}
