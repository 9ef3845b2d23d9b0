/* file.c - see file.h. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/alloc.h"

static glim_status open_regular(int *fd, size_t *size, const char *path, glim_err *err) {
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe without a writer must not hang us */
    if (*fd < 0)
        return glim_fail_errno(err, errno == ENOENT || errno == ENOTDIR ? GLIM_E_NOT_FOUND : GLIM_E_IO,
                               errno, "could not open \"%s\"", path);
    struct stat st;
    if (fstat(*fd, &st) != 0) {
        int e = errno;
        close(*fd);
        return glim_fail_errno(err, GLIM_E_IO, e, "could not read the size of \"%s\"", path);
    }
    if (!S_ISREG(st.st_mode)) {
        close(*fd);
        return glim_fail(err, GLIM_E_ARG, "could not open \"%s\": got a %s, want a file", path,
                         S_ISDIR(st.st_mode) ? "folder" : "device or pipe");
    }
    *size = (size_t)st.st_size;
    return GLIM_OK;
}

glim_status glim_map_open(glim_map *m, const char *path, glim_err *err) {
    *m = (glim_map){0};
    int fd;
    size_t size;
    glim_status rc = open_regular(&fd, &size, path, err);
    if (rc != GLIM_OK) return rc;
    m->data = (const uint8_t *)"";
    if (size > 0) {
        void *p = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
        if (p == MAP_FAILED) {
            int e = errno;
            close(fd);
            m->data = NULL;
            return glim_fail_errno(err, GLIM_E_IO, e, "could not map \"%s\" (%zu bytes)", path, size);
        }
        m->data = p;
        m->size = size;
    }
    close(fd);
    return GLIM_OK;
}

void glim_map_close(glim_map *m) {
    if (m->size > 0) munmap((void *)m->data, m->size);
    *m = (glim_map){0};
}

void glim_map_drop(const glim_map *m, size_t offset, size_t len) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (offset >= m->size) return;
    if (len > m->size - offset) len = m->size - offset;
    /* Only whole pages inside the range: a shared edge page may still be wanted. */
    size_t a = (offset + page - 1) / page * page, b = (offset + len) / page * page;
    if (b > a) madvise((void *)(m->data + a), b - a, MADV_DONTNEED);
}

glim_status glim_file_read(glim_buf *out, const char *path, size_t max_bytes, glim_err *err) {
    int fd;
    size_t size = 0;
    glim_status rc = GLIM_OK;
    if (strncmp(path, "/dev/", 5) == 0) { /* /dev/stdin and /dev/fd/N: a shell's pipe, read to its end */
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) return glim_fail_errno(err, GLIM_E_IO, errno, "could not open \"%s\"", path);
    } else {
        rc = open_regular(&fd, &size, path, err);
    }
    if (rc != GLIM_OK) return rc;
    if (size > max_bytes) {
        close(fd);
        return glim_fail(err, GLIM_E_LIMIT, "\"%s\" is too large: got %zu bytes, want at most %zu", path,
                         size, max_bytes);
    }
    glim_buf_reserve(out, size + 1);
    size_t start = out->len;
    while (!out->failed) {
        glim_buf_reserve(out, 4096);
        if (out->failed) break;
        size_t room = out->cap - out->len - 1;
        ssize_t n = read(fd, out->s + out->len, room);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            int e = errno;
            close(fd);
            return glim_fail_errno(err, GLIM_E_IO, e, "could not read \"%s\"", path);
        }
        if (n == 0) break;
        out->len += (size_t)n;
        if (out->len - start > max_bytes) {
            close(fd);
            return glim_fail(err, GLIM_E_LIMIT, "\"%s\" is too large: want at most %zu bytes", path,
                             max_bytes);
        }
    }
    close(fd);
    if (out->failed) return glim_buf_status(out, path, err);
    out->s[out->len] = 0;
    return GLIM_OK;
}

static glim_status write_atomic(const char *path, const void *bytes, size_t n, mode_t mode, glim_err *err) {
    glim_buf tmp = {0};
    glim_buf_printf(&tmp, "%s.tmp.%ld", path, (long)getpid());
    if (tmp.failed) return glim_buf_status(&tmp, path, err);
    if (mode == 0600) (void)unlink(tmp.s); /* what a killed process of this number left may have another mode */
    int fd = open(tmp.s, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0) {
        glim_status rc = glim_fail_errno(err, GLIM_E_IO, errno, "could not create \"%s\"", tmp.s);
        glim_buf_free(&tmp);
        return rc;
    }
    const char *p = bytes;
    size_t left = n;
    int e = 0;
    while (left > 0) {
        ssize_t w = write(fd, p, left);
        if (w < 0 && errno == EINTR) continue;
        if (w <= 0) {
            e = w < 0 ? errno : ENOSPC;
            break;
        }
        p += w;
        left -= (size_t)w;
    }
    if (!e && fsync(fd) != 0) e = errno;
    if (close(fd) != 0 && !e) e = errno;
    if (!e && rename(tmp.s, path) != 0) e = errno;
    if (e) {
        unlink(tmp.s);
        glim_buf_free(&tmp);
        return glim_fail_errno(err, GLIM_E_IO, e, "could not write \"%s\" (%zu bytes)", path, n);
    }
    /* The rename itself must reach the disk; a folder that cannot be synced (some network mounts) is
     * no reason to fail: the data is there. */
    char *dir = glim_xstrdup(path), *slash = strrchr(dir, '/');
    if (slash) slash[slash == dir ? 1 : 0] = 0;
    int dfd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dfd >= 0) {
        (void)fsync(dfd);
        close(dfd);
    }
    free(dir);
    glim_buf_free(&tmp);
    return GLIM_OK;
}

glim_status glim_file_write_atomic(const char *path, const void *bytes, size_t n, glim_err *err) { return write_atomic(path, bytes, n, 0644, err); }
glim_status glim_file_write_secret(const char *path, const void *bytes, size_t n, glim_err *err) { return write_atomic(path, bytes, n, 0600, err); }

bool glim_path_exists(const char *path) {
    struct stat st;
    return stat(path, &st) == 0;
}

bool glim_path_is_dir(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

char *glim_path_join(const char *dir, const char *name) {
    size_t nd = strlen(dir), nn = strlen(name);
    while (nd > 1 && dir[nd - 1] == '/') nd--;
    char *p = glim_xmalloc(nd + nn + 2);
    memcpy(p, dir, nd);
    size_t o = nd;
    if (nd > 0 && p[o - 1] != '/') p[o++] = '/';
    memcpy(p + o, name, nn + 1);
    return p;
}

glim_status glim_disk_room(const char *path, uint64_t *bytes, glim_err *err) {
    char *dir = glim_xstrdup(path);
    struct statvfs v;
    int bad, e;
    for (;;) {
        bad = statvfs(*dir ? dir : ".", &v), e = errno;
        if (!bad || (e != ENOENT && e != ENOTDIR) || !*dir || strcmp(dir, "/") == 0) break;
        char *slash = strrchr(dir, '/');
        if (!slash) *dir = 0;
        else slash[slash == dir] = 0;
    }
    *bytes = bad ? 0 : (uint64_t)v.f_bavail * v.f_frsize;
    const glim_status rc = bad ? glim_fail_errno(err, GLIM_E_IO, e, "could not look at \"%s\"", *dir ? dir : ".") : GLIM_OK;
    free(dir);
    return rc;
}

glim_status glim_mkdirs(const char *path, glim_err *err) {
    char *p = glim_xstrdup(path);
    glim_status rc = GLIM_OK;
    for (char *s = p + 1; rc == GLIM_OK; s++) {
        if (*s != '/' && *s != 0) continue;
        char keep = *s;
        *s = 0;
        if (mkdir(p, 0755) != 0 && errno != EEXIST)
            rc = glim_fail_errno(err, GLIM_E_IO, errno, "could not create folder \"%s\"", p);
        *s = keep;
        if (!keep) break;
    }
    if (rc == GLIM_OK && !glim_path_is_dir(path))
        rc = glim_fail(err, GLIM_E_IO, "could not create folder \"%s\": a file has that name", path);
    free(p);
    return rc;
}

static char *xdg_dir(const char *var, const char *under_home) {
    const char *x = getenv(var);
    if (x && x[0] == '/') return glim_path_join(x, "glim"); /* the XDG page says: relative is invalid */
    const char *home = getenv("HOME");
    char *base = glim_path_join(home && home[0] ? home : "/tmp", under_home);
    char *p = glim_path_join(base, "glim");
    free(base);
    return p;
}

char *glim_cache_dir(void) { return xdg_dir("XDG_CACHE_HOME", ".cache"); }
char *glim_data_dir(void) { return xdg_dir("XDG_DATA_HOME", ".local/share"); }
