/* blobs.c - see blobs.h. */
#include "store/blobs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "store/keys_internal.h"
#include "store/outbox.h"
#include "store/store_internal.h"

#define COLUMNS "files.id, files.tenant, files.name, purpose, hash, bytes, files.created"

struct glim_upload {
    glim_store *s;
    int fd; /* locked: whoever sweeps knows by it that we are alive */
    char *path;
    int64_t n, most;
    glim_sha256 h;
};

char *glim_blob_path(const char *dir, const char *sha256) {
    char rel[GLIM_SHA256_HEX + 16];
    snprintf(rel, sizeof rel, "blobs/%.2s/%.64s", sha256, sha256);
    return glim_path_join(dir, rel);
}

/* ---- upload ---- */

glim_status glim_upload_begin(glim_store *s, int64_t max_bytes, glim_upload **out, glim_err *err) {
    *out = NULL;
    char *folder = glim_path_join(s->dir, "blobs/new"), name[32];
    glim_status rc = glim_mkdirs(folder, err);
    glim_upload *u = glim_xcalloc(1, sizeof *u);
    u->s = s;
    u->most = max_bytes ? max_bytes : (int64_t)512 << 20;
    u->fd = -1;
    if (rc == GLIM_OK) {
        glim_store_new_id(name, "", 20);
        u->path = glim_path_join(folder, name);
        u->fd = open(u->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (u->fd < 0 || flock(u->fd, LOCK_EX | LOCK_NB) != 0)
            rc = glim_fail_errno(err, GLIM_E_IO, errno, "could not create \"%s\"", u->path);
    }
    free(folder);
    glim_sha256_init(&u->h);
    if (rc == GLIM_OK) *out = u;
    else glim_upload_cancel(u);
    return rc;
}

glim_status glim_upload_write(glim_upload *u, const void *bytes, size_t n, glim_err *err) {
    if ((uint64_t)n > (uint64_t)(u->most - u->n))
        return glim_fail(err, GLIM_E_LIMIT, "the file is too large: want at most %" PRId64 " bytes", u->most);
    const char *p = bytes;
    for (size_t left = n; left > 0;) {
        ssize_t w = write(u->fd, p, left);
        if (w < 0 && errno == EINTR) continue;
        if (w <= 0) return glim_fail_errno(err, GLIM_E_IO, w < 0 ? errno : ENOSPC, "could not write \"%s\"", u->path);
        p += w;
        left -= (size_t)w;
    }
    glim_sha256_update(&u->h, bytes, n);
    u->n += (int64_t)n;
    return GLIM_OK;
}

void glim_upload_cancel(glim_upload *u) {
    if (!u) return;
    if (u->fd >= 0) {
        unlink(u->path);
        close(u->fd);
    }
    free(u->path);
    free(u);
}

static void from_row(glim_file *f, glim_db_row *r) {
    *f = (glim_file){.bytes = glim_db_i64(r, 5), .created_us = glim_db_i64(r, 6)};
    snprintf(f->id, sizeof f->id, "%s", glim_db_text(r, 0));
    snprintf(f->tenant, sizeof f->tenant, "%s", glim_db_text(r, 1));
    snprintf(f->name, sizeof f->name, "%s", glim_db_text(r, 2));
    snprintf(f->purpose, sizeof f->purpose, "%s", glim_db_text(r, 3));
    snprintf(f->sha256, sizeof f->sha256, "%s", glim_db_text(r, 4));
}

typedef struct file_ctx {
    glim_store *s;
    const glim_file_params *p;
    const char *tenant, *id, *actor, *hash, *from;
    glim_file *f;
    int64_t now;
    bool unused_now, there; /* delete: was that the last name of the content?  put: given back, not added */
} file_ctx;

/* Into its place, and lasting, before the row is. */
static glim_status move_in(const char *from, const char *to, glim_err *err) {
    char *folder = glim_xstrdup(to);
    *strrchr(folder, '/') = 0;
    bool made = mkdir(folder, 0755) == 0;
    glim_status rc = GLIM_OK;
    if (rename(from, to) != 0) rc = glim_fail_errno(err, GLIM_E_IO, errno, "could not create \"%s\"", to);
    if (rc == GLIM_OK) rc = glim_store_sync_dir(folder, err);
    if (rc == GLIM_OK && made) {
        *strrchr(folder, '/') = 0;
        rc = glim_store_sync_dir(folder, err);
    }
    free(folder);
    return rc;
}

static glim_status put(glim_db *db, void *ctx, glim_err *err) {
    file_ctx *c = ctx;
    const glim_file_params *p = c->p;
    glim_file *f = c->f;
    glim_status rc = GLIM_OK;
    c->there = false;
    if (p->once) {
        glim_db_row *r;
        bool more;
        rc = glim_db_query(db, &r, err, "SELECT " COLUMNS " FROM files JOIN blobs USING(hash) WHERE files.tenant = ? AND once = ?", "ss",
                           p->tenant, p->once);
        if (rc == GLIM_OK) rc = glim_db_next(db, r, &more, err);
        if (rc != GLIM_OK) return rc;
        if (more) {
            from_row(f, r);
            glim_db_rest(r);
            c->there = true;
            return GLIM_OK;
        }
    }
    char *to = glim_blob_path(c->s->dir, f->sha256);
    rc = glim_tenant_ensure(db, p->tenant, c->now, p->actor, err);
    if (rc == GLIM_OK) rc = move_in(c->from, to, err); /* over the same content, if it is there */
    free(to);
    if (rc == GLIM_OK)
        rc = glim_db_run(db, err, "INSERT INTO blobs(hash, bytes, created) VALUES(?, ?, ?) ON CONFLICT DO NOTHING", "sii", f->sha256, f->bytes, c->now);
    if (rc == GLIM_OK)
        rc = glim_db_run(db, err, "INSERT INTO files(id, tenant, name, purpose, hash, created, once) VALUES(?, ?, ?, ?, ?, ?, ?)", "sssssis",
                         f->id, f->tenant, f->name, f->purpose, f->sha256, f->created_us, p->once);
    char detail[160];
    snprintf(detail, sizeof detail, "{\"sha256\": \"%s\", \"bytes\": %" PRId64 "}", f->sha256, f->bytes);
    if (rc == GLIM_OK) rc = glim_outbox_add(db, c->now, &(glim_event){p->actor, "file.add", f->id, f->tenant, detail}, err);
    return rc;
}

glim_status glim_upload_finish(glim_upload *u, const glim_file_params *p, glim_file *out, glim_err *err) {
    glim_store *s = u->s;
    *out = (glim_file){.bytes = u->n, .created_us = glim_store_now_us(s)};
    glim_status rc = glim_store_check_id(p->tenant, "tenant", err);
    if (rc == GLIM_OK) rc = glim_store_check_id(p->purpose, "purpose", err);
    if (rc == GLIM_OK) rc = glim_store_check_text(p->name, sizeof out->name - 1, "name of the file", err);
    if (rc == GLIM_OK && p->once) rc = glim_store_check_text(p->once, 256, "idempotency key", err);
    if (rc == GLIM_OK && fsync(u->fd) != 0) rc = glim_fail_errno(err, GLIM_E_IO, errno, "could not write \"%s\"", u->path);
    glim_sha256_final(&u->h, out->sha256);
    if (rc == GLIM_OK) {
        snprintf(out->tenant, sizeof out->tenant, "%s", p->tenant);
        snprintf(out->name, sizeof out->name, "%s", p->name);
        snprintf(out->purpose, sizeof out->purpose, "%s", p->purpose);
        glim_store_new_id(out->id, "file-", 24);
        file_ctx c = {.s = s, .p = p, .f = out, .from = u->path, .now = out->created_us};
        rc = glim_store_run(s, put, &c, err);
    }
    glim_upload_cancel(u); /* the name under new/ is gone by now if it was moved */
    return rc;
}

/* ---- get, list, open ---- */

static glim_status get(glim_db *db, void *ctx, glim_err *err) {
    file_ctx *c = ctx;
    glim_db_row *r;
    bool more = false;
    glim_status rc = glim_db_query(db, &r, err,
                                   "SELECT " COLUMNS " FROM files JOIN blobs USING(hash) WHERE (?1 IS NULL OR files.tenant = ?1) AND files.id = ?2",
                                   "ss", c->tenant, c->id);
    if (rc == GLIM_OK) rc = glim_db_next(db, r, &more, err);
    if (rc != GLIM_OK) return rc;
    if (!more) return glim_fail(err, GLIM_E_NOT_FOUND, "there is no file \"%.80s\"", c->id);
    from_row(c->f, r);
    glim_db_rest(r);
    return GLIM_OK;
}

glim_status glim_file_get(glim_store *s, const char *tenant, const char *id, glim_file *out, glim_err *err) {
    return glim_store_read(s, get, &(file_ctx){.tenant = tenant, .id = id, .f = out}, err);
}

typedef struct list_ctx {
    const char *tenant, *purpose, *after;
    bool newest;
    int64_t limit;
    glim_file_fn fn;
    void *ctx;
    bool *has_more;
} list_ctx;

static glim_status list(glim_db *db, void *ctx, glim_err *err) {
    list_ctx *l = ctx;
    glim_db_row *r;
    bool more = true;
    int64_t from = l->newest ? INT64_MAX : 0, n = 0;
    glim_status rc = GLIM_OK;
    if (l->after) {
        rc = glim_db_int(db, &from, -1, err, "SELECT seq FROM files WHERE (?1 IS NULL OR tenant = ?1) AND id = ?2", "ss", l->tenant, l->after);
        if (rc == GLIM_OK && from < 0) return glim_fail(err, GLIM_E_NOT_FOUND, "there is no file \"%.80s\"", l->after);
    }
    if (rc == GLIM_OK && l->newest)
        rc = glim_db_query(db, &r, err,
                           "SELECT " COLUMNS " FROM files JOIN blobs USING(hash) WHERE seq < ?1 AND (?2 IS NULL OR files.tenant = ?2) AND "
                           "(?3 IS NULL OR purpose = ?3) ORDER BY seq DESC", "iss", from, l->tenant, l->purpose);
    else if (rc == GLIM_OK)
        rc = glim_db_query(db, &r, err,
                           "SELECT " COLUMNS " FROM files JOIN blobs USING(hash) WHERE seq > ?1 AND (?2 IS NULL OR files.tenant = ?2) AND "
                           "(?3 IS NULL OR purpose = ?3) ORDER BY seq", "iss", from, l->tenant, l->purpose);
    while (rc == GLIM_OK && (rc = glim_db_next(db, r, &more, err)) == GLIM_OK && more) {
        if (n++ == l->limit) {
            *l->has_more = true;
            break;
        }
        glim_file f;
        from_row(&f, r);
        if (!l->fn(l->ctx, &f)) break;
    }
    if (rc == GLIM_OK && more) glim_db_rest(r);
    return rc;
}

glim_status glim_file_list(glim_store *s, const char *tenant, const char *purpose, bool newest_first, const char *after, int64_t limit,
                           glim_file_fn fn, void *ctx, bool *has_more, glim_err *err) {
    *has_more = false;
    return glim_store_read(s, list, &(list_ctx){tenant, purpose, after, newest_first, limit, fn, ctx, has_more}, err);
}

glim_status glim_file_open(glim_store *s, const glim_file *f, int *fd, glim_err *err) {
    char *path = glim_blob_path(s->dir, f->sha256);
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    glim_status rc = *fd >= 0 ? GLIM_OK : glim_fail_errno(err, GLIM_E_IO, errno, "could not open \"%s\"", path);
    free(path);
    return rc;
}

/* ---- delete, sweep ---- */

/* The lock between those who remove contents (exclusive) and backups (shared). */
static int keep_lock(glim_store *s, int how, glim_err *err) {
    char *folder = glim_path_join(s->dir, "blobs"), *path = glim_path_join(folder, "keep.lock");
    int fd = -1;
    if (glim_mkdirs(folder, err) == GLIM_OK) {
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0) glim_fail_errno(err, GLIM_E_IO, errno, "could not open \"%s\"", path);
    }
    while (fd >= 0 && flock(fd, how) != 0) {
        if (errno == EINTR) continue;
        glim_fail_errno(err, GLIM_E_IO, errno, "could not lock \"%s\"", path);
        close(fd);
        fd = -1;
    }
    free(folder);
    free(path);
    return fd;
}

glim_status glim_blob_keep(glim_store *s, int *fd, glim_err *err) {
    *fd = keep_lock(s, LOCK_SH, err);
    return *fd >= 0 ? GLIM_OK : GLIM_E_IO;
}

static glim_status delete(glim_db *db, void *ctx, glim_err *err) {
    file_ctx *c = ctx;
    int64_t others;
    glim_status rc = get(db, c, err);
    if (rc == GLIM_OK) rc = glim_db_run(db, err, "DELETE FROM files WHERE id = ?", "s", c->f->id);
    if (rc == GLIM_OK) rc = glim_db_int(db, &others, 0, err, "SELECT COUNT(*) FROM files WHERE hash = ?", "s", c->f->sha256);
    if (rc == GLIM_OK && others == 0) rc = glim_db_run(db, err, "DELETE FROM blobs WHERE hash = ?", "s", c->f->sha256);
    c->unused_now = rc == GLIM_OK && others == 0;
    if (rc == GLIM_OK) rc = glim_outbox_add(db, c->now, &(glim_event){c->actor, "file.delete", c->f->id, c->f->tenant, ""}, err);
    return rc;
}

/* In a transaction of its own after the row's deletion is durable, because an upload of the same content may have come
 * between; its rename happens inside a transaction too, so here is the truth. */
static glim_status remove_unused(glim_db *db, void *ctx, glim_err *err) {
    file_ctx *c = ctx;
    int64_t there;
    glim_status rc = glim_db_int(db, &there, 0, err, "SELECT 1 FROM blobs WHERE hash = ?", "s", c->hash);
    if (rc != GLIM_OK || there) return rc;
    char *path = glim_blob_path(c->s->dir, c->hash);
    unlink(path);
    free(path);
    return GLIM_OK;
}

glim_status glim_file_delete(glim_store *s, const char *tenant, const char *id, const char *actor, glim_err *err) {
    glim_file f;
    file_ctx c = {.s = s, .tenant = tenant, .id = id, .actor = actor, .f = &f, .now = glim_store_now_us(s)};
    glim_status rc = glim_store_run(s, delete, &c, err);
    if (rc != GLIM_OK || !c.unused_now) return rc;
    int fd = keep_lock(s, LOCK_EX | LOCK_NB, NULL);
    if (fd < 0) return GLIM_OK; /* a backup reads: the next sweep takes it */
    c.hash = f.sha256;
    (void)glim_store_run(s, remove_unused, &c, NULL); /* what stays, the next sweep takes */
    close(fd);
    return GLIM_OK;
}

static void sweep_uploads(const char *folder) {
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        int fd = openat(dirfd(d), e->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        struct stat st;
        /* Not locked and not of the last minute (a writer locks right after it creates): nobody's. */
        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &st) == 0 && time(NULL) - st.st_mtime > 60)
            unlinkat(dirfd(d), e->d_name, 0);
        if (fd >= 0) close(fd);
    }
    if (d) closedir(d);
}

static glim_status sweep_folder(glim_db *db, const char *folder, glim_err *err) {
    DIR *d = opendir(folder);
    glim_status rc = GLIM_OK;
    for (struct dirent *e; d && rc == GLIM_OK && (e = readdir(d));) {
        int64_t there = 1;
        if (!glim_sha256_parse(e->d_name, NULL)) continue;
        rc = glim_db_int(db, &there, 0, err, "SELECT 1 FROM blobs WHERE hash = ?", "s", e->d_name);
        if (rc == GLIM_OK && !there) unlinkat(dirfd(d), e->d_name, 0);
    }
    if (d) closedir(d);
    return rc;
}

static glim_status sweep(glim_db *db, void *ctx, glim_err *err) {
    const char *blobs = ctx;
    glim_status rc = GLIM_OK;
    for (int i = 0; i < 256 && rc == GLIM_OK; i++) {
        char name[4];
        snprintf(name, sizeof name, "%02x", (unsigned)i);
        char *folder = glim_path_join(blobs, name);
        if (glim_path_is_dir(folder)) rc = sweep_folder(db, folder, err);
        free(folder);
    }
    return rc;
}

glim_status glim_blob_sweep(glim_store *s, glim_err *err) {
    char *blobs = glim_path_join(s->dir, "blobs"), *uploads = glim_path_join(blobs, "new");
    glim_status rc = GLIM_OK;
    if (glim_path_is_dir(blobs)) {
        sweep_uploads(uploads);
        int fd = keep_lock(s, LOCK_EX | LOCK_NB, NULL);
        if (fd >= 0) {
            rc = glim_store_transact(s, sweep, blobs, err);
            close(fd);
        }
    }
    free(blobs);
    free(uploads);
    return rc;
}
