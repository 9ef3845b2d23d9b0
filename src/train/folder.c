/* folder.c - see folder.h.
 *
 * Files are written beside their place and renamed over it; kill -9 in between leaves one that nobody would ever remove, as
 * large as a checkpoint. Only who holds the folder may: it could be another run's, being written now. */
#include "train/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"

static bool half_written(const char *name) {
    const char *at = strstr(name, ".tmp.");
    return at && at != name && at[5] && strspn(at + 5, "0123456789") == strlen(at + 5);
}

/* Takes fd. */
static void sweep(int fd, int depth) {
    DIR *d = fdopendir(fd);
    if (!d) {
        close(fd);
        return;
    }
    for (struct dirent *e; (e = readdir(d));) {
        struct stat st;
        if (e->d_name[0] == '.' || fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) continue;
        if (S_ISREG(st.st_mode) && half_written(e->d_name)) unlinkat(fd, e->d_name, 0);
        if (!S_ISDIR(st.st_mode) || depth == 0) continue;
        const int inner = openat(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (inner >= 0) sweep(inner, depth - 1);
    }
    closedir(d);
}

/* Cuts the last name off a path, with the slashes before it. */
static void cut(char *path) {
    size_t n = strlen(path);
    while (n > 0 && path[n - 1] == '/') n--;
    while (n > 0 && path[n - 1] != '/') n--;
    while (n > 0 && path[n - 1] == '/') n--;
    path[n] = 0;
}

static size_t length_there(const char *path) {
    char *p = glim_xstrdup(path);
    while (*p && !glim_path_exists(p)) cut(p);
    const size_t n = strlen(p);
    free(p);
    return n;
}

glim_status glim_run_folder_take(glim_run_folder *f, const char *path, bool resume, glim_err *err) {
    *f = (glim_run_folder){.path = glim_xstrdup(path), .kept = length_there(path), .fd = -1};
    glim_status rc = glim_mkdirs(path, err);
    if (rc == GLIM_OK) {
        f->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (f->fd < 0) rc = glim_fail_errno(err, GLIM_E_IO, errno, "could not open \"%s\"", path);
    }
    int e = 0; /* a file system without locks is no reason not to train */
    while (rc == GLIM_OK && flock(f->fd, LOCK_EX | LOCK_NB) != 0 && (e = errno) == EINTR) {}
    if (e == EWOULDBLOCK) {
        rc = glim_fail(err, GLIM_E_STATE, "another process trains in \"%s\"", path);
        glim_err_hint(err, "another folder with -o begins another run");
    }
    if (rc != GLIM_OK) {
        glim_run_folder_release(f, false);
        return rc;
    }
    const int inner = resume ? openat(f->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (inner >= 0) sweep(inner, 1);
    return GLIM_OK;
}

void glim_run_folder_release(glim_run_folder *f, bool began) {
    if (!f->path) return;
    /* rmdir takes only an empty folder: what anybody put there meanwhile stays. While it is still held, so that no other run
     * begins in a folder that is about to go. */
    while (!began && strlen(f->path) > f->kept && rmdir(f->path) == 0) cut(f->path);
    if (f->fd >= 0) close(f->fd);
    free(f->path);
    *f = (glim_run_folder){0};
}
