/* jobs_child.c - the process that trains: started, read, waited for. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "serve/jobs.h"

extern char **environ;

/* Held by the child too, which keeps it for as long as it lives: after kill -9 of a server the next one waits here. */
static glim_status take_lock(int *fd, const char *dir, glim_err *err) {
    char *path = glim_path_join(dir, "lock");
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    glim_status rc = *fd >= 0 ? GLIM_OK : glim_fail_errno(err, GLIM_E_IO, errno, "could not open \"%s\"", path);
    for (int tries = 0; rc == GLIM_OK && flock(*fd, LOCK_EX | LOCK_NB) != 0; tries++) {
        if (errno != EWOULDBLOCK && errno != EINTR) rc = glim_fail_errno(err, GLIM_E_IO, errno, "could not lock \"%s\"", path);
        else if (tries == 500) rc = glim_fail(err, GLIM_E_STATE, "\"%s\" is held: another process still trains this job", path);
        else usleep(20000);
    }
    if (rc != GLIM_OK && *fd >= 0) {
        close(*fd);
        *fd = -1;
    }
    free(path);
    return rc;
}

/* Ours, less the settings that are the server's own: its flags are handed on as flags. */
static char **child_environ(void) {
    static const char *const kept[] = {"GLIM_CPU=", "GLIM_LOG=", "GLIM_FAULT"};
    size_t n = 0, at = 0;
    while (environ[n]) n++;
    char **env = glim_xcalloc(n + 3, sizeof *env);
    for (size_t i = 0; i < n; i++) {
        bool ours = strncmp(environ[i], "GLIM_", 5) == 0 || strncmp(environ[i], "NOTIFY_SOCKET=", 14) == 0;
        for (size_t k = 0; k < GLIM_COUNT(kept); k++) ours = ours && strncmp(environ[i], kept[k], strlen(kept[k])) != 0;
        if (!ours) env[at++] = environ[i];
    }
    env[at++] = (char *)(uintptr_t)"GLIM_PROGRESS=0";
    env[at] = (char *)(uintptr_t)"GLIM_CONFIG=";
    return env;
}

static int spawn(pid_t *pid, const char *dir, const char *program, char *const *argv, int out, int lock) {
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none, all;
    char **env = child_environ();
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attr);
    sigemptyset(&none);
    sigfillset(&all);
    int e = posix_spawn_file_actions_addchdir_np(&files, dir);
    if (!e) e = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    if (!e) e = posix_spawn_file_actions_adddup2(&files, out, 1);
    if (!e) e = posix_spawn_file_actions_addopen(&files, 2, "log", O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (!e) e = posix_spawn_file_actions_adddup2(&files, lock, 3);
    if (!e) e = posix_spawn_file_actions_addclosefrom_np(&files, 4);
    /* A process group of its own: Ctrl-C at a terminal is for the server, which then stops the job as it should be. */
    if (!e) e = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    if (!e) e = posix_spawnattr_setsigmask(&attr, &none);
    if (!e) e = posix_spawnattr_setsigdefault(&attr, &all);
    if (!e) e = posix_spawn(pid, program, &files, &attr, argv, env);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    free(env);
    return e;
}

glim_status glim_job_child_start(glim_job_child *c, const char *dir, const char *program, char *const *argv, glim_err *err) {
    int pipe_fd[2];
    *c = (glim_job_child){.out = -1, .lock = -1};
    glim_status rc = take_lock(&c->lock, dir, err);
    if (rc != GLIM_OK) return rc;
    if (pipe2(pipe_fd, O_CLOEXEC) != 0) {
        rc = glim_fail_errno(err, GLIM_E_IO, errno, "could not make a pipe");
    } else {
        int e = spawn(&c->pid, dir, program, argv, pipe_fd[1], c->lock);
        close(pipe_fd[1]);
        c->out = pipe_fd[0];
        if (!e) return GLIM_OK;
        rc = glim_fail_errno(err, GLIM_E_IO, e, "could not start \"%s\"", program);
        c->pid = 0;
    }
    glim_job_child_wait(c);
    return rc;
}

bool glim_job_child_read(glim_job_child *c, void (*fn)(void *ctx, const char *line, size_t n), void *ctx) {
    char part[1 << 14];
    ssize_t n = read(c->out, part, sizeof part);
    if (n < 0 && errno == EINTR) return true;
    if (n <= 0) return false;
    if (c->line.len > 1 << 20) c->line.len = 0; /* no line of ours is that long */
    glim_buf_append(&c->line, part, (size_t)n);
    size_t at = 0;
    for (char *end; at < c->line.len && (end = memchr(c->line.s + at, '\n', c->line.len - at)); at = (size_t)(end - c->line.s) + 1)
        fn(ctx, c->line.s + at, (size_t)(end - c->line.s) - at);
    if (at) memmove(c->line.s, c->line.s + at, c->line.len - at);
    c->line.len -= at;
    return true;
}

int glim_job_child_wait(glim_job_child *c) {
    int status = 0;
    while (c->pid > 0 && waitpid(c->pid, &status, 0) < 0 && errno == EINTR) {}
    if (c->out >= 0) close(c->out);
    if (c->lock >= 0) close(c->lock);
    glim_buf_free(&c->line);
    *c = (glim_job_child){.out = -1, .lock = -1};
    return status;
}
