/* folder.c - see folder.h.
 *
 * Files are written beside their place and renamed over it; kill -9 in between leaves one that nobody would ever remove, as
 * large as a checkpoint. Only who holds the folder may: it could be another run's, being written now. */
#include "train/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

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

glim_status glim_run_folder_take(int *fd, const char *path, bool resume, glim_err *err) {
    *fd = -1;
    glim_status rc = glim_mkdirs(path, err);
    if (rc != GLIM_OK) return rc;
    *fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*fd < 0) return glim_fail_errno(err, GLIM_E_IO, errno, "could not open \"%s\"", path);
    int e = 0; /* a file system without locks is no reason not to train */
    while (flock(*fd, LOCK_EX | LOCK_NB) != 0 && (e = errno) == EINTR) {}
    if (e == EWOULDBLOCK) {
        close(*fd);
        *fd = -1;
        glim_fail(err, GLIM_E_STATE, "another process trains in \"%s\"", path);
        glim_err_hint(err, "another folder with -o begins another run");
        return GLIM_E_STATE;
    }
    const int inner = resume ? openat(*fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (inner >= 0) sweep(inner, 1);
    return GLIM_OK;
}

void glim_run_folder_release(int fd) {
    if (fd >= 0) close(fd);
}
