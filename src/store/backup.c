/* backup.c - writing a backup; see backup.h.
 *
 * Everything goes through a sink, a folder or a tar file, under a name that ends in ".partial" until all is there. */
#include "store/backup.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/json.h"
#include "store/backup_internal.h"
#include "store/blobs.h"
#include "store/days.h"
#include "store/ledger.h"
#include "store/outbox.h"
#include "store/store_internal.h"

bool glim_backup_path_ok(const char *path) {
    static const char *const fixed[] = {"store.db", "audit.log", "VERSION", "MANIFEST.json"};
    for (size_t i = 0; i < GLIM_COUNT(fixed); i++)
        if (strcmp(path, fixed[i]) == 0) return true;
    char lower[GLIM_SHA256_HEX];
    return strncmp(path, "blobs/", 6) == 0 && strlen(path) == 6 + 3 + 64 && path[8] == '/' && path[6] == path[9] && path[7] == path[10] &&
           glim_sha256_parse(path + 9, lower) && strcmp(lower, path + 9) == 0;
}

bool glim_backup_is_tar(const char *name) {
    size_t n = strlen(name);
    return n > 4 && strcmp(name + n - 4, ".tar") == 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f) {
    (void)st, (void)type, (void)f;
    return remove(path);
}
void glim_backup_remove(const char *dir) { (void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT); }

typedef struct writing {
    glim_store *s;
    char *partial;         /* the folder or the tar file */
    struct archive *tar;   /* NULL: a folder */
    int tar_fd;
    json_t *files;
    glim_backup_progress fn;
    void *ctx;
    uint64_t done, total;
    glim_backup_result *out;
    uint8_t *chunk;
} writing;

enum { CHUNK = 1 << 18 };

static glim_status tar_failed(writing *w, glim_err *err) {
    return glim_fail_errno(err, GLIM_E_IO, archive_errno(w->tar), "could not write \"%s\"", w->partial);
}

/* ---- the sink ---- */

static glim_status begin_file(writing *w, const char *name, uint64_t bytes, int *fd, glim_err *err) {
    *fd = -1;
    if (w->tar) {
        struct archive_entry *e = archive_entry_new();
        if (!e) return glim_fail(err, GLIM_E_NOMEM, "out of memory for \"%s\"", name);
        archive_entry_set_pathname(e, name);
        archive_entry_set_size(e, (la_int64_t)bytes);
        archive_entry_set_filetype(e, AE_IFREG);
        archive_entry_set_perm(e, 0600);
        archive_entry_set_mtime(e, (time_t)(w->out->created_us / 1000000), 0);
        int rc = archive_write_header(w->tar, e);
        archive_entry_free(e);
        return rc == ARCHIVE_OK ? GLIM_OK : tar_failed(w, err);
    }
    char *path = glim_path_join(w->partial, name), *folder = glim_xstrdup(path);
    *strrchr(folder, '/') = 0;
    glim_status rc = glim_mkdirs(folder, err);
    if (rc == GLIM_OK && (*fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) < 0)
        rc = glim_fail_errno(err, GLIM_E_IO, errno, "could not create \"%s\"", path);
    free(folder);
    free(path);
    return rc;
}

static glim_status write_some(writing *w, int fd, const uint8_t *p, size_t n, glim_err *err) {
    while (n > 0) {
        la_ssize_t k = w->tar ? archive_write_data(w->tar, p, n) : write(fd, p, n);
        if (k < 0 && !w->tar && errno == EINTR) continue;
        if (k <= 0) {
            if (w->tar) return tar_failed(w, err);
            return glim_fail_errno(err, GLIM_E_IO, k < 0 ? errno : ENOSPC, "could not write in \"%s\"", w->partial);
        }
        p += k;
        n -= (size_t)k;
    }
    return GLIM_OK;
}

static glim_status end_file(writing *w, int fd, const char *name, glim_err *err) {
    if (w->tar) return archive_write_finish_entry(w->tar) == ARCHIVE_OK ? GLIM_OK : tar_failed(w, err);
    int e = fsync(fd) == 0 ? 0 : errno;
    if (close(fd) != 0 && !e) e = errno;
    return e ? glim_fail_errno(err, GLIM_E_IO, e, "could not write \"%s\" in \"%s\"", name, w->partial) : GLIM_OK;
}

static glim_status note_file(writing *w, const char *name, uint64_t bytes, const char *sha256) {
    json_array_append_new(w->files, json_pack("{s:s, s:I, s:s}", "path", name, "bytes", (json_int_t)bytes, "sha256", sha256));
    w->out->n_files++;
    w->out->bytes += (int64_t)bytes;
    return GLIM_OK;
}

/* The first `bytes` of a file. want: its SHA-256, if it is known. */
static glim_status put_file(writing *w, const char *name, const char *source, uint64_t bytes, const char *want, glim_err *err) {
    int in = open(source, O_RDONLY | O_CLOEXEC), fd = -1;
    if (in < 0) return glim_fail_errno(err, GLIM_E_IO, errno, "could not open \"%s\"", source);
    glim_sha256 h;
    char hex[GLIM_SHA256_HEX];
    glim_sha256_init(&h);
    glim_status rc = begin_file(w, name, bytes, &fd, err);
    for (uint64_t left = bytes; left > 0 && rc == GLIM_OK;) {
        ssize_t n = read(in, w->chunk, left < CHUNK ? (size_t)left : CHUNK);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) rc = glim_fail_errno(err, GLIM_E_IO, errno, "could not read \"%s\"", source);
        else if (n == 0) rc = glim_fail(err, GLIM_E_FORMAT, "\"%s\" was cut: %" PRIu64 " of its %" PRIu64 " bytes are missing", source, left, bytes);
        if (rc != GLIM_OK) break;
        glim_sha256_update(&h, w->chunk, (size_t)n);
        rc = write_some(w, fd, w->chunk, (size_t)n, err);
        left -= (uint64_t)n;
        w->done += (uint64_t)n;
        if (rc == GLIM_OK && w->fn && !w->fn(w->ctx, w->done, w->total)) rc = glim_fail(err, GLIM_E_CANCELLED, "the backup was stopped");
    }
    close(in);
    glim_sha256_final(&h, hex);
    if (rc == GLIM_OK) rc = end_file(w, fd, name, err);
    else if (fd >= 0) close(fd);
    if (rc == GLIM_OK && want && strcmp(hex, want) != 0)
        rc = glim_fail(err, GLIM_E_FORMAT, "\"%s\" is damaged: its content has another SHA-256 than its name", source);
    return rc == GLIM_OK ? note_file(w, name, bytes, hex) : rc;
}

static glim_status put_bytes(writing *w, const char *name, const void *bytes, size_t n, bool note, glim_err *err) {
    int fd;
    glim_sha256 h;
    char hex[GLIM_SHA256_HEX];
    glim_status rc = begin_file(w, name, n, &fd, err);
    if (rc != GLIM_OK) return rc;
    rc = write_some(w, fd, bytes, n, err);
    if (rc == GLIM_OK) rc = end_file(w, fd, name, err);
    else if (fd >= 0) close(fd);
    glim_sha256_init(&h);
    glim_sha256_update(&h, bytes, n);
    glim_sha256_final(&h, hex);
    return rc == GLIM_OK && note ? note_file(w, name, n, hex) : rc;
}

/* ---- what goes in ---- */

static glim_status put_blobs(writing *w, glim_db *db, glim_err *err) {
    glim_db_row *r;
    bool more = true;
    glim_status rc = glim_db_query(db, &r, err, "SELECT hash, bytes FROM blobs ORDER BY hash", "");
    while (rc == GLIM_OK && (rc = glim_db_next(db, r, &more, err)) == GLIM_OK && more) {
        const char *hash = glim_db_text(r, 0);
        char name[GLIM_SHA256_HEX + 16];
        snprintf(name, sizeof name, "blobs/%.2s/%.64s", hash, hash);
        if (!glim_backup_path_ok(name)) rc = glim_fail(err, GLIM_E_FORMAT, "a content has the impossible name \"%.80s\"", hash);
        char *path = glim_blob_path(w->s->dir, hash);
        if (rc == GLIM_OK) rc = put_file(w, name, path, (uint64_t)glim_db_i64(r, 1), hash, err);
        free(path);
        if (rc != GLIM_OK) {
            glim_db_rest(r);
            break;
        }
    }
    return rc;
}

static glim_status put_manifest(writing *w, int64_t version, glim_err *err) {
    char created[32];
    json_t *o = json_pack("{s:s, s:i, s:s, s:s, s:I, s:I, s:O}", "format", "glim-backup", "version", (int)GLIM_BACKUP_VERSION, "glim", GLIM_VERSION,
                          "created", glim_time_text(created, w->out->created_us), "created_us", (json_int_t)w->out->created_us, "store_version",
                          (json_int_t)version, "files", w->files);
    char *text = o ? json_dumps(o, JSON_INDENT(1)) : NULL;
    glim_status rc = text ? put_bytes(w, "MANIFEST.json", text, strlen(text), false, err) : glim_fail(err, GLIM_E_NOMEM, "out of memory for the manifest");
    free(text);
    json_decref(o);
    return rc;
}

/* scratch: where the snapshot of the database lies while it is read. */
static glim_status put_all(writing *w, const char *scratch, glim_err *err) {
    glim_db *db = NULL;
    glim_chain_head head, start;
    int64_t version = 0, blob_bytes = 0;
    struct stat st = {0};
    char *log = glim_path_join(w->s->dir, "audit.log"), text[64];
    pthread_mutex_lock(&w->s->r_mu);
    glim_status rc = glim_db_copy(w->s->r, scratch, err);
    pthread_mutex_unlock(&w->s->r_mu);
    if (rc == GLIM_OK) rc = glim_db_open(&db, scratch, GLIM_DB_CHECKPOINTS, err);
    if (rc == GLIM_OK) rc = glim_store_db_version(db, &version, err);
    if (rc == GLIM_OK) rc = glim_ledger_check_db(db, NULL, err);
    if (rc == GLIM_OK) rc = glim_outbox_anchor(db, &head, err);
    if (rc == GLIM_OK) rc = glim_db_int(db, &blob_bytes, 0, err, "SELECT SUM(bytes) FROM blobs", "");
    glim_chain_begin(&start);
    if (rc == GLIM_OK && head.count > 0) rc = glim_chain_read(log, &start, &head, NULL, NULL, NULL, err);
    if (rc == GLIM_OK && stat(scratch, &st) != 0) rc = glim_fail_errno(err, GLIM_E_IO, errno, "could not read \"%s\"", scratch);
    w->total = (uint64_t)blob_bytes + (uint64_t)st.st_size + (head.count > 0 ? head.bytes : 0);
    if (rc == GLIM_OK) rc = put_blobs(w, db, err);
    if (rc == GLIM_OK && head.count > 0) rc = put_file(w, "audit.log", log, head.bytes, NULL, err);
    glim_db_close(db); /* before its bytes are read: closing takes the log files beside it away */
    char hex[GLIM_SHA256_HEX];
    if (rc == GLIM_OK && w->tar) rc = put_file(w, "store.db", scratch, (uint64_t)st.st_size, NULL, err);
    if (rc == GLIM_OK && !w->tar) {
        rc = glim_sha256_file(scratch, hex, NULL, NULL, err);
        if (rc == GLIM_OK) rc = note_file(w, "store.db", (uint64_t)st.st_size, hex);
    }
    int n = snprintf(text, sizeof text, "glim data folder\nversion = %" PRId64 "\n", version);
    if (rc == GLIM_OK) rc = put_bytes(w, "VERSION", text, (size_t)n, true, err);
    if (rc == GLIM_OK) rc = put_manifest(w, version, err);
    free(log);
    return rc;
}

static glim_status open_tar(writing *w, glim_err *err) {
    w->tar_fd = open(w->partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (w->tar_fd < 0) return glim_fail_errno(err, GLIM_E_IO, errno, "could not create \"%s\"", w->partial);
    w->tar = archive_write_new();
    if (!w->tar || archive_write_set_format_pax_restricted(w->tar) != ARCHIVE_OK || archive_write_open_fd(w->tar, w->tar_fd) != ARCHIVE_OK)
        return glim_fail(err, GLIM_E_IO, "could not begin \"%s\"", w->partial);
    return GLIM_OK;
}

static glim_status close_tar(writing *w, glim_err *err) {
    glim_status rc = archive_write_close(w->tar) == ARCHIVE_OK ? GLIM_OK : tar_failed(w, err);
    if (rc == GLIM_OK && fsync(w->tar_fd) != 0) rc = glim_fail_errno(err, GLIM_E_IO, errno, "could not write \"%s\"", w->partial);
    return rc;
}

static void sync_parent(const char *path) { /* so that the new name lasts */
    char *dir = glim_xstrdup(path), *slash = strrchr(dir, '/');
    if (slash) slash[slash == dir ? 1 : 0] = 0;
    (void)glim_store_sync_dir(slash ? dir : ".", NULL);
    free(dir);
}

glim_status glim_backup_write(glim_store *s, const char *to_given, const char *actor, glim_backup_progress fn, void *ctx, glim_backup_result *out,
                              glim_err *err) {
    *out = (glim_backup_result){.created_us = glim_store_now_us(s)};
    char *to = glim_xstrdup(to_given);
    for (size_t n = strlen(to); n > 1 && to[n - 1] == '/';) to[--n] = 0;
    if (glim_path_exists(to)) {
        glim_fail(err, GLIM_E_ARG, "\"%s\" exists, want a new name for the backup", to);
        free(to);
        return GLIM_E_ARG;
    }
    bool tar = glim_backup_is_tar(to);
    glim_buf partial = {0}, scratch = {0};
    glim_buf_printf(&partial, "%s.partial.%ld", to, (long)getpid());
    if (tar) glim_buf_printf(&scratch, "%s.db", glim_buf_cstr(&partial));
    else glim_buf_printf(&scratch, "%s/store.db", glim_buf_cstr(&partial));
    writing w = {.s = s, .partial = partial.s, .tar_fd = -1, .files = json_array(), .fn = fn, .ctx = ctx, .out = out};
    w.chunk = glim_xmalloc(CHUNK);
    int keep = -1;
    /* The event first: it is part of what it tells of. */
    glim_status rc = glim_outbox_put(s, &(glim_event){actor, "backup.write", to, "", ""}, err);
    if (rc == GLIM_OK) rc = glim_blob_keep(s, &keep, err);
    if (rc == GLIM_OK && !tar && mkdir(w.partial, 0700) != 0) rc = glim_fail_errno(err, GLIM_E_IO, errno, "could not create \"%s\"", w.partial);
    if (rc == GLIM_OK && tar) rc = open_tar(&w, err);
    if (rc == GLIM_OK) rc = put_all(&w, scratch.s, err);
    if (rc == GLIM_OK && tar) rc = close_tar(&w, err);
    if (rc == GLIM_OK && !tar) rc = glim_store_sync_dir(w.partial, err);
    if (w.tar) archive_write_free(w.tar);
    if (w.tar_fd >= 0) close(w.tar_fd);
    if (rc == GLIM_OK && rename(w.partial, to) != 0) rc = glim_fail_errno(err, GLIM_E_IO, errno, "could not name \"%s\"", to);
    if (tar) unlink(scratch.s);
    if (rc == GLIM_OK) sync_parent(to);
    else glim_backup_remove(w.partial);
    if (keep >= 0) close(keep);
    json_decref(w.files);
    free(w.chunk);
    glim_buf_free(&partial);
    glim_buf_free(&scratch);
    free(to);
    return rc;
}
