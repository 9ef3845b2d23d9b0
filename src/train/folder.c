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

/* Is fd the folder that the path names? Who held it before may have removed it between open and flock. */
static bool still_named(int fd, const char *path) {
    struct stat a, b;
    return fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* Makes, opens and locks. *gone: somebody removed it meanwhile, and another try may do. */
static glim_status take_once(glim_run_folder *f, bool *gone, glim_err *err) {
    const size_t there = length_there(f->path);
    if (there < f->kept) f->kept = there;
    glim_status rc = glim_mkdirs(f->path, err);
    *gone = rc != GLIM_OK; /* a parent, maybe */
    if (rc != GLIM_OK) return rc;
    f->fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (f->fd < 0) {
        *gone = errno == ENOENT;
        return glim_fail_errno(err, GLIM_E_IO, errno, "could not open \"%s\"", f->path);
    }
    int e = 0; /* a file system without locks is no reason not to train */
    while (flock(f->fd, LOCK_EX | LOCK_NB) != 0 && (e = errno) == EINTR) {}
    if (e == EWOULDBLOCK) {
        f->kept = strlen(f->path); /* the other's, even if it was made here */
        rc = glim_fail(err, GLIM_E_STATE, "another process trains in \"%s\"", f->path);
        glim_err_hint(err, "another folder with -o begins another run");
        return rc;
    }
    *gone = !still_named(f->fd, f->path);
    return *gone ? glim_fail(err, GLIM_E_IO, "\"%s\" was removed while it was opened", f->path) : GLIM_OK;
}

glim_status glim_run_folder_take(glim_run_folder *f, const char *path, bool resume, glim_err *err) {
    *f = (glim_run_folder){.path = glim_xstrdup(path), .kept = strlen(path), .fd = -1};
    glim_status rc = GLIM_OK;
    bool gone = true;
    for (int i = 0; i < 8 && gone; i++) {
        gone = false;
        if (f->fd >= 0) close(f->fd);
        f->fd = -1;
        rc = take_once(f, &gone, err);
    }
    if (rc != GLIM_OK) {
        if (gone && f->fd >= 0) f->kept = strlen(path); /* what is there now is not the one that is held */
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
     * begins in a folder that is about to go. What could not be made is passed over: its parents may have been made. */
    while (!began && strlen(f->path) > f->kept && (rmdir(f->path) == 0 || errno == ENOENT || errno == ENAMETOOLONG)) cut(f->path);
    if (f->fd >= 0) close(f->fd);
    free(f->path);
    *f = (glim_run_folder){0};
}
