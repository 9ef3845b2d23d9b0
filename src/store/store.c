/* store.c - opening and leaving a data folder; see store.h.
 *
 *   nothing --create()--> version 0 --migrate()--> this version --recover()--> open
 *
 * Only a holder of owner.lock creates, migrates or recovers, so two processes never do so at once. VERSION is
 * written after the database has its version: a kill between the two is mended by the next opening. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/utf8.h"
#include "store/blobs.h"
#include "store/jobs.h"
#include "store/ledger_internal.h"
#include "store/outbox.h"
#include "store/store_internal.h"

static const char version_magic[] = "glim data folder\n";

/* ---- small things others use ---- */

static int64_t real_now_us(void *ctx) {
    (void)ctx;
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t glim_store_now_us(const glim_store *s) { return s->p.now_us(s->p.now_ctx); }
const char *glim_store_dir(const glim_store *s) { return s->dir; }
glim_store_role glim_store_role_of(const glim_store *s) { return s->p.role; }

void glim_store_new_id(char *out, const char *prefix, int n) {
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    size_t at = strlen(prefix);
    memcpy(out, prefix, at);
    while (n > 0) {
        unsigned char r[64];
        if (getrandom(r, sizeof r, 0) != (ssize_t)sizeof r) continue; /* a signal while the pool was filling */
        for (size_t i = 0; i < sizeof r && n > 0; i++)
            if (r[i] < 248) out[at++] = digits[r[i] % 62], n--; /* 248 = 4 * 62: every character equally likely */
    }
    out[at] = 0;
}

glim_status glim_store_check_id(const char *id, const char *what, glim_err *err) {
    size_t n = strlen(id);
    bool ok = n >= 1 && n <= GLIM_STORE_ID;
    for (size_t i = 0; i < n && ok; i++)
        ok = isalnum((unsigned char)id[i]) || id[i] == '.' || id[i] == '_' || id[i] == '-';
    if (ok) return GLIM_OK;
    return glim_fail(err, GLIM_E_ARG, "%s: got \"%.80s\", want 1 to %d letters, digits, '.', '_' or '-'", what, id,
                     GLIM_STORE_ID);
}

glim_status glim_store_check_text(const char *text, size_t max, const char *what, glim_err *err) {
    size_t n = strlen(text);
    if (n > max) return glim_fail(err, GLIM_E_LIMIT, "%s: got %zu bytes, want at most %zu", what, n, max);
    if (!glim_utf8_valid(text, n)) return glim_fail(err, GLIM_E_ARG, "%s: got bytes that are not UTF-8", what);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return glim_fail(err, GLIM_E_ARG, "%s: got a control character (byte %zu), want text", what, i);
    return GLIM_OK;
}

glim_status glim_store_sync_dir(const char *dir, glim_err *err) {
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return glim_fail_errno(err, GLIM_E_IO, errno, "could not open \"%s\"", dir);
    int e = fsync(fd) == 0 ? 0 : errno;
    close(fd);
    return e ? glim_fail_errno(err, GLIM_E_IO, e, "could not sync \"%s\"", dir) : GLIM_OK;
}

bool glim_store_fs_refused(uint64_t f_type, const char **name) {
    /* statfs(2). SQLite's WAL needs shared memory and honest locks, which none of these promise. */
    static const struct {
        uint64_t type;
        const char *name;
    } bad[] = {{0x6969, "NFS"},          {0x517b, "SMB"},           {0xfe534d42, "SMB2"},     {0xff534d42, "CIFS"},
               {0x5346414f, "AFS"},      {0x6b414653, "AFS"},       {0x00c36400, "Ceph"},     {0x0bd00bd0, "Lustre"},
               {0x01021997, "9P"},       {0x47504653, "GPFS"},      {0x01161970, "GFS2"},     {0x7461636f, "OCFS2"},
               {0x65735546, "FUSE"},     {0x73757245, "Coda"},      {0x19830326, "FhGFS"},    {0x564c, "NCP"}};
    for (size_t i = 0; i < GLIM_COUNT(bad); i++)
        if (bad[i].type == (f_type & 0xffffffffu)) {
            if (name) *name = bad[i].name;
            return true;
        }
    return false;
}

static char *in_dir(const glim_store *s, const char *name) { return glim_path_join(s->dir, name); }

/* ---- the folder ---- */

static glim_status make_folder(glim_store *s, glim_err *err) {
    char *up = glim_path_join(s->dir, "");
    size_t n = strlen(up);
    while (n > 1 && up[n - 1] == '/') up[--n] = 0;
    char *slash = strrchr(up, '/');
    glim_status rc = GLIM_OK;
    if (slash && slash != up) {
        *slash = 0;
        rc = glim_mkdirs(up, err);
    }
    free(up);
    if (rc == GLIM_OK && mkdir(s->dir, 0700) != 0 && errno != EEXIST)
        rc = glim_fail_errno(err, GLIM_E_IO, errno, "could not create the data folder \"%s\"", s->dir);
    if (rc == GLIM_OK && !glim_path_is_dir(s->dir))
        rc = glim_fail(err, GLIM_E_ARG, "\"%s\" is a file, want a folder for the data", s->dir);
    return rc;
}

/* 0 for a folder without VERSION. */
static glim_status read_version(glim_store *s, int *version, glim_err *err) {
    *version = 0;
    char *path = in_dir(s, "VERSION");
    glim_buf b = {0};
    glim_status rc = glim_path_exists(path) ? glim_file_read(&b, path, 4096, err) : GLIM_OK;
    if (rc == GLIM_OK && b.s) {
        int end = 0;
        size_t m = sizeof version_magic - 1;
        if (b.len < m || memcmp(b.s, version_magic, m) != 0 || sscanf(b.s + m, "version = %9d\n%n", version, &end) != 1 ||
            m + (size_t)end != b.len || *version < 1)
            rc = glim_fail(err, GLIM_E_FORMAT, "\"%s\" is not the VERSION of a data folder", path);
        else if (*version > glim_store_version()) {
            rc = glim_fail(err, GLIM_E_UNSUPPORTED, "data folder \"%s\" is of version %d, want at most %d", s->dir,
                           *version, glim_store_version());
            glim_err_hint(err, "it was written by a newer glim: use that one, or another folder with --data");
        }
    }
    glim_buf_free(&b);
    free(path);
    return rc;
}

/* A folder without VERSION may hold what an interrupted creation left, and nothing else. */
static glim_status check_fresh(glim_store *s, glim_err *err) {
    DIR *d = opendir(s->dir);
    if (!d) return glim_fail_errno(err, GLIM_E_IO, errno, "could not read \"%s\"", s->dir);
    glim_status rc = GLIM_OK;
    for (struct dirent *e; rc == GLIM_OK && (e = readdir(d));) {
        const char *n = e->d_name;
        if (strcmp(n, ".") == 0 || strcmp(n, "..") == 0 || strcmp(n, "owner.lock") == 0 || strcmp(n, "guests.lock") == 0 ||
            strncmp(n, "store.db", 8) == 0 ||
            strncmp(n, "VERSION.tmp.", 12) == 0 || strcmp(n, "lost+found") == 0 || strcmp(n, "models") == 0) /* glim pull's */
            continue;
        rc = glim_fail(err, GLIM_E_ARG, "\"%s\" is not a data folder: it has no VERSION but holds \"%s\"", s->dir, n);
        glim_err_hint(err, "give an empty or new folder with --data");
    }
    closedir(d);
    return rc;
}

static glim_status check_fs(glim_store *s, glim_err *err) {
    struct statfs fs;
    const char *name;
    if (statfs(s->dir, &fs) != 0)
        return glim_fail_errno(err, GLIM_E_IO, errno, "could not examine the file system of \"%s\"", s->dir);
    if (!glim_store_fs_refused((uint64_t)fs.f_type, &name)) return GLIM_OK;
    glim_fail(err, GLIM_E_UNSUPPORTED, "data folder \"%s\" lies on %s, want a local disk", s->dir, name);
    glim_err_hint(err, "give a local folder with --data; network and user-space file systems lose locks");
    return GLIM_E_UNSUPPORTED;
}

/* ---- the lock ---- */

/* Takes owner.lock, waiting up to wait_ms. Errors: GLIM_E_STATE names the holder. */
static glim_status take_lock(glim_store *s, int *fd_out, int wait_ms, glim_err *err) {
    char *path = in_dir(s, "owner.lock");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    glim_status rc = GLIM_OK;
    if (fd < 0) rc = glim_fail_errno(err, GLIM_E_IO, errno, "could not open \"%s\"", path);
    uint64_t until = glim_now_ns() + (uint64_t)wait_ms * 1000000u;
    while (rc == GLIM_OK && flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EINTR) continue;
        if (errno != EWOULDBLOCK) {
            rc = glim_fail_errno(err, GLIM_E_IO, errno, "could not lock \"%s\"", path);
        } else if (glim_now_ns() >= until) {
            char pid[32] = "";
            ssize_t n = pread(fd, pid, sizeof pid - 1, 0);
            pid[n > 0 ? strspn(pid, "0123456789") : 0] = 0;
            rc = glim_fail(err, GLIM_E_STATE, "data folder \"%s\" is in use by process %s", s->dir, pid[0] ? pid : "(unknown)");
            glim_err_hint(err, "one glim serve owns a data folder: stop it, or give another folder with --data");
        } else {
            nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
        }
    }
    if (rc == GLIM_OK) {
        char pid[32];
        int n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
        if (ftruncate(fd, 0) != 0 || pwrite(fd, pid, (size_t)n, 0) != n) pid[0] = 0; /* only a help for messages */
        *fd_out = fd;
    } else if (fd >= 0) {
        close(fd);
    }
    free(path);
    return rc;
}

/* ---- opening ---- */

/* The database at this program's version, VERSION beside it. The lock is held. */
static glim_status prepare(glim_store *s, int version, glim_err *err) {
    int64_t v = 0;
    char *path = in_dir(s, "store.db");
    glim_status rc = version == 0 ? check_fresh(s, err) : GLIM_OK;
    if (rc == GLIM_OK && version > 0 && !glim_path_exists(path)) {
        rc = glim_fail(err, GLIM_E_FORMAT, "data folder \"%s\" has a VERSION but no store.db", s->dir);
        glim_err_hint(err, "restore a backup with `glim restore`");
    }
    if (rc == GLIM_OK) rc = glim_db_open(&s->w, path, GLIM_DB_CREATE | GLIM_DB_CHECKPOINTS, err);
    if (rc == GLIM_OK) rc = glim_store_db_version(s->w, &v, err);
    if (rc == GLIM_OK && v > glim_store_version())
        rc = glim_fail(err, GLIM_E_UNSUPPORTED, "\"%s\" is of version %" PRId64 ", want at most %d", path, v,
                       glim_store_version());
    if (rc == GLIM_OK && v < glim_store_version() && v > 0 && s->p.no_migrate)
        rc = glim_fail(err, GLIM_E_STATE, "data folder \"%s\" is of version %" PRId64 ", want %d", s->dir, v,
                       glim_store_version());
    if (rc == GLIM_OK) rc = glim_store_migrate(s->w, s->dir, glim_store_version(), err);
    if (rc == GLIM_OK && version != glim_store_version()) {
        char *to = in_dir(s, "VERSION"), text[64];
        int n = snprintf(text, sizeof text, "%sversion = %d\n", version_magic, glim_store_version());
        rc = glim_file_write_atomic(to, text, (size_t)n, err);
        free(to);
    }
    free(path);
    return rc;
}

static void drain(glim_store *s) {
    glim_err err = {0};
    if (glim_outbox_drain(s, &err) != GLIM_OK) glim_log(GLIM_ERROR, "audit", "events wait in the outbox: %s", err.msg);
}

/* What an earlier owner left open. */
static glim_status recover(glim_store *s, glim_err *err) {
    glim_status rc = glim_ledger_recover(s, err);
    if (rc == GLIM_OK) rc = glim_job_recover(s, err);
    if (rc == GLIM_OK) rc = glim_blob_sweep(s, err);
    if (rc == GLIM_OK) drain(s); /* a log that was cut must not keep the server down */
    return rc;
}

static glim_status open_all(glim_store *s, glim_err *err) {
    int version = 0;
    glim_status rc = GLIM_OK;
    char *file = in_dir(s, "VERSION"), *path = in_dir(s, "store.db"), *guests = in_dir(s, "guests.lock");
    if (s->p.must_exist && !glim_path_exists(file)) {
        rc = glim_fail(err, GLIM_E_NOT_FOUND, "there is no data folder at \"%s\"", s->dir);
        glim_err_hint(err, "`glim key create` makes one; --data names another");
    }
    if (rc == GLIM_OK) rc = make_folder(s, err);
    if (rc == GLIM_OK) rc = check_fs(s, err);
    if (rc == GLIM_OK) rc = read_version(s, &version, err);
    if (rc == GLIM_OK && (s->guest_fd = open(guests, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) < 0)
        rc = glim_fail_errno(err, GLIM_E_IO, errno, "could not open \"%s\"", guests);
    if (rc != GLIM_OK) goto done;
    if (s->p.role == GLIM_STORE_OWNER) {
        rc = take_lock(s, &s->lock_fd, s->p.wait_ms, err);
        if (rc == GLIM_OK) rc = read_version(s, &version, err); /* the last owner may have migrated */
        if (rc == GLIM_OK) rc = prepare(s, version, err);
    } else {
        if (version < glim_store_version()) {
            /* Create or migrate under the lock, then go on as a guest. Whoever holds it now may be doing just that. */
            int fd = -1;
            rc = take_lock(s, &fd, 5000, err);
            if (rc == GLIM_OK) rc = read_version(s, &version, err);
            if (rc == GLIM_OK && version < glim_store_version()) rc = prepare(s, version, err);
            glim_db_close(s->w);
            s->w = NULL;
            if (fd >= 0) close(fd);
        }
        if (rc == GLIM_OK) rc = glim_db_open(&s->w, path, 0, err);
    }
    if (rc == GLIM_OK) rc = glim_db_open(&s->r, path, GLIM_DB_READONLY, err);
    if (rc == GLIM_OK && s->p.role == GLIM_STORE_OWNER) rc = recover(s, err);
done:
    free(guests);
    free(file);
    free(path);
    return rc;
}

glim_status glim_store_open(glim_store **out, const char *dir, const glim_store_params *p, glim_err *err) {
    *out = NULL;
    glim_store *s = glim_xcalloc(1, sizeof *s);
    s->dir = dir ? glim_xstrdup(dir) : glim_data_dir();
    s->p = *p;
    if (!s->p.now_us) s->p.now_us = real_now_us;
    s->lock_fd = s->guest_fd = -1;
    s->q_tail = &s->q_head;
    pthread_mutex_init(&s->w_mu, NULL);
    pthread_mutex_init(&s->r_mu, NULL);
    pthread_mutex_init(&s->q_mu, NULL);
    pthread_condattr_t mono;
    pthread_condattr_init(&mono);
    pthread_condattr_setclock(&mono, CLOCK_MONOTONIC);
    pthread_cond_init(&s->q_cv, &mono);
    pthread_cond_init(&s->q_done, &mono);
    pthread_condattr_destroy(&mono);
    glim_status rc = open_all(s, err);
    if (rc != GLIM_OK) {
        glim_db_close(s->r); /* nothing was opened, so nothing is tidied */
        s->r = NULL;
        glim_store_close(s);
        return rc;
    }
    *out = s;
    return GLIM_OK;
}

/* At its end the owner, and a guest of a folder without one, moves the outbox into the audit log and the write-ahead
 * log into the database. */
static void tidy(glim_store *s) {
    int fd = -1;
    if (!s->r || (s->p.role == GLIM_STORE_GUEST && take_lock(s, &fd, 0, NULL) != GLIM_OK)) return;
    drain(s);
    if (s->p.role == GLIM_STORE_GUEST) {
        char *path = in_dir(s, "store.db");
        glim_db_close(s->r);
        glim_db_close(s->w);
        s->r = s->w = NULL;
        if (glim_db_open(&s->w, path, GLIM_DB_CHECKPOINTS, NULL) != GLIM_OK) s->w = NULL;
        free(path);
    }
    /* Closing the last connection moves the log; what could not be moved stays valid where it is. */
    glim_db_close(s->r);
    s->r = NULL;
    glim_db_close(s->w);
    s->w = NULL;
    if (fd >= 0) close(fd);
}

void glim_store_close(glim_store *s) {
    if (!s) return;
    glim_store_end_thread(s);
    tidy(s);
    glim_db_close(s->r);
    glim_db_close(s->w);
    glim_keyring_free(s->ring);
    if (s->lock_fd >= 0) close(s->lock_fd);
    if (s->guest_fd >= 0) close(s->guest_fd);
    pthread_mutex_destroy(&s->w_mu);
    pthread_mutex_destroy(&s->r_mu);
    pthread_mutex_destroy(&s->q_mu);
    pthread_cond_destroy(&s->q_cv);
    pthread_cond_destroy(&s->q_done);
    free(s->dir);
    free(s);
}

glim_status glim_store_read(glim_store *s, glim_store_fn fn, void *ctx, glim_err *err) {
    pthread_mutex_lock(&s->r_mu);
    glim_status rc = glim_db_exec(s->r, "BEGIN", err);
    if (rc == GLIM_OK) {
        rc = fn(s->r, ctx, err);
        (void)glim_db_exec(s->r, "ROLLBACK", NULL); /* ends the snapshot; nothing was written */
    }
    pthread_mutex_unlock(&s->r_mu);
    return rc;
}
