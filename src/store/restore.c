/* restore.c - a data folder from a backup; see backup.h.
 *
 *   bring (from a folder: what its manifest lists; from a tar: the names a backup may hold) --> scratch folder
 *   check (manifest, database, ledger, chain, contents) --> rename
 *
 * A backup comes from outside: every name in it is compared with the few that there can be before a file is made,
 * every file must be regular, and nothing is believed that was not hashed. */
#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
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
#include "store/ledger.h"
#include "store/outbox.h"
#include "store/store_internal.h"

typedef struct restoring {
    const char *from;
    char *scratch;
    glim_backup_progress fn;
    void *ctx;
    uint64_t done, total;
    glim_backup_result *out;
    json_t *manifest;
} restoring;

enum { CHUNK = 1 << 18 };

/* A new file of the scratch folder. */
static glim_status create(restoring *r, const char *name, int *fd, glim_err *err) {
    char *path = glim_path_join(r->scratch, name), *folder = glim_xstrdup(path);
    *strrchr(folder, '/') = 0;
    glim_status rc = glim_mkdirs(folder, err);
    if (rc == GLIM_OK && (*fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) < 0)
        rc = errno == EEXIST ? glim_fail(err, GLIM_E_FORMAT, "\"%s\": \"%s\" is there twice", r->from, name)
                             : glim_fail_errno(err, GLIM_E_IO, errno, "could not create \"%s\"", path);
    free(folder);
    free(path);
    return rc;
}

static glim_status write_some(restoring *r, int fd, const void *bytes, size_t n, glim_err *err) {
    for (const char *p = bytes; n > 0;) {
        ssize_t k = write(fd, p, n);
        if (k < 0 && errno == EINTR) continue;
        if (k <= 0) return glim_fail_errno(err, GLIM_E_IO, k < 0 ? errno : ENOSPC, "could not write in \"%s\"", r->scratch);
        p += k;
        n -= (size_t)k;
        r->done += (uint64_t)k;
    }
    if (r->fn && !r->fn(r->ctx, r->done, r->total)) return glim_fail(err, GLIM_E_CANCELLED, "stopped");
    return GLIM_OK;
}

static glim_status close_synced(restoring *r, int fd, glim_status rc, glim_err *err) {
    int e = rc == GLIM_OK && fsync(fd) != 0 ? errno : 0;
    if (close(fd) != 0 && !e) e = errno;
    return rc == GLIM_OK && e ? glim_fail_errno(err, GLIM_E_IO, e, "could not write in \"%s\"", r->scratch) : rc;
}

/* ---- bring ---- */

static glim_status read_manifest(restoring *r, const char *folder, glim_err *err) {
    char *path = glim_path_join(folder, "MANIFEST.json");
    const char *format;
    int64_t version, store_version;
    glim_status rc = glim_path_exists(path) ? glim_json_read(&r->manifest, path, GLIM_BACKUP_MANIFEST, err)
                                            : glim_fail(err, GLIM_E_FORMAT, "\"%s\" is not a backup, or not a whole one: it has no MANIFEST.json", r->from);
    if (rc == GLIM_OK && !json_is_object(r->manifest)) rc = glim_fail(err, GLIM_E_FORMAT, "\"%s\": MANIFEST.json is not an object", r->from);
    if (rc == GLIM_OK) rc = glim_json_get_str(r->manifest, "format", "", &format, err);
    if (rc == GLIM_OK && strcmp(format, "glim-backup") != 0) rc = glim_fail(err, GLIM_E_FORMAT, "\"%s\" is not a glim backup", r->from);
    if (rc == GLIM_OK) rc = glim_json_need_int(r->manifest, "version", 1, INT64_MAX, &version, err);
    if (rc == GLIM_OK) rc = glim_json_need_int(r->manifest, "store_version", 1, INT64_MAX, &store_version, err);
    if (rc == GLIM_OK && (version > GLIM_BACKUP_VERSION || store_version > glim_store_version()))
        rc = glim_fail(err, GLIM_E_UNSUPPORTED, "\"%s\" was written by a newer glim (data version %" PRId64 ", this one knows up to %d)", r->from,
                       store_version, glim_store_version());
    if (rc == GLIM_OK) rc = glim_json_get_int(r->manifest, "created_us", 0, INT64_MAX, 0, &r->out->created_us, err);
    if (rc == GLIM_OK && !json_is_array(json_object_get(r->manifest, "files")))
        rc = glim_fail(err, GLIM_E_FORMAT, "\"%s\": MANIFEST.json lists no files", r->from);
    free(path);
    return rc;
}

/* One entry of the manifest; borrowed from it. */
static glim_status entry(restoring *r, size_t i, const char **name, int64_t *bytes, const char **sha256, glim_err *err) {
    const json_t *o = json_array_get(json_object_get(r->manifest, "files"), i);
    glim_status rc = json_is_object(o) ? GLIM_OK : glim_fail(err, GLIM_E_FORMAT, "\"%s\": MANIFEST.json: file %zu is not an object", r->from, i);
    if (rc == GLIM_OK) rc = glim_json_get_str(o, "path", "", name, err);
    if (rc == GLIM_OK) rc = glim_json_get_str(o, "sha256", "", sha256, err);
    if (rc == GLIM_OK) rc = glim_json_need_int(o, "bytes", 0, INT64_MAX, bytes, err);
    if (rc == GLIM_OK && (!glim_backup_path_ok(*name) || strcmp(*name, "MANIFEST.json") == 0 || !glim_sha256_parse(*sha256, NULL)))
        rc = glim_fail(err, GLIM_E_FORMAT, "\"%s\": MANIFEST.json names \"%.100s\", which no backup holds", r->from, *name);
    return rc;
}

static size_t n_entries(const restoring *r) { return json_array_size(json_object_get(r->manifest, "files")); }

static glim_status copy_in(restoring *r, const char *name, glim_err *err) {
    char *path = glim_path_join(r->from, name);
    struct stat st;
    int in = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), fd = -1;
    glim_status rc = GLIM_OK;
    if (in < 0)
        rc = errno == ENOENT ? glim_fail(err, GLIM_E_FORMAT, "\"%s\" is not whole: \"%s\" is missing", r->from, name)
                             : glim_fail_errno(err, GLIM_E_IO, errno, "could not open \"%s\"", path);
    else if (fstat(in, &st) != 0 || !S_ISREG(st.st_mode)) rc = glim_fail(err, GLIM_E_FORMAT, "\"%s\" is not a file", path);
    if (rc == GLIM_OK) rc = create(r, name, &fd, err);
    uint8_t *chunk = glim_xmalloc(CHUNK);
    while (rc == GLIM_OK) {
        ssize_t n = read(in, chunk, CHUNK);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) rc = glim_fail_errno(err, GLIM_E_IO, errno, "could not read \"%s\"", path);
        if (n <= 0) break;
        rc = write_some(r, fd, chunk, (size_t)n, err);
    }
    free(chunk);
    if (fd >= 0) rc = close_synced(r, fd, rc, err);
    if (in >= 0) close(in);
    free(path);
    return rc;
}

static glim_status bring_folder(restoring *r, glim_err *err) {
    glim_status rc = read_manifest(r, r->from, err);
    const char *name, *sha256;
    int64_t bytes;
    for (size_t i = 0; i < n_entries(r) && rc == GLIM_OK; i++)
        if ((rc = entry(r, i, &name, &bytes, &sha256, err)) == GLIM_OK) r->total += (uint64_t)bytes;
    for (size_t i = 0; i < n_entries(r) && rc == GLIM_OK; i++) {
        rc = entry(r, i, &name, &bytes, &sha256, err);
        if (rc == GLIM_OK) rc = copy_in(r, name, err);
    }
    return rc;
}

static glim_status extract(restoring *r, struct archive *a, struct archive_entry *e, glim_err *err) {
    const char *name = archive_entry_pathname(e);
    if (!name || archive_entry_filetype(e) != AE_IFREG || archive_entry_hardlink(e) || !glim_backup_path_ok(name))
        return glim_fail(err, GLIM_E_FORMAT, "\"%s\" holds \"%.100s\", which no backup holds", r->from, name ? name : "(a name that is no text)");
    if (strcmp(name, "MANIFEST.json") == 0 && archive_entry_size(e) > GLIM_BACKUP_MANIFEST)
        return glim_fail(err, GLIM_E_LIMIT, "\"%s\": MANIFEST.json is larger than %d bytes", r->from, (int)GLIM_BACKUP_MANIFEST);
    int fd = -1;
    glim_status rc = create(r, name, &fd, err);
    if (rc != GLIM_OK) return rc;
    uint8_t *chunk = glim_xmalloc(CHUNK);
    la_ssize_t n = 0;
    while (rc == GLIM_OK && (n = archive_read_data(a, chunk, CHUNK)) > 0) rc = write_some(r, fd, chunk, (size_t)n, err);
    if (rc == GLIM_OK && n < 0) rc = glim_fail(err, GLIM_E_FORMAT, "\"%s\" is damaged in \"%s\": %s", r->from, name, archive_error_string(a));
    free(chunk);
    return close_synced(r, fd, rc, err);
}

static glim_status bring_tar(restoring *r, glim_err *err) {
    struct stat st;
    if (stat(r->from, &st) == 0) r->total = (uint64_t)st.st_size;
    struct archive *a = archive_read_new();
    struct archive_entry *e;
    int k;
    glim_status rc = GLIM_OK;
    if (!a || archive_read_support_format_tar(a) != ARCHIVE_OK || archive_read_open_filename(a, r->from, CHUNK) != ARCHIVE_OK)
        rc = glim_fail(err, GLIM_E_FORMAT, "\"%s\" is neither a folder nor a tar file: %s", r->from, a ? archive_error_string(a) : "out of memory");
    while (rc == GLIM_OK && (k = archive_read_next_header(a, &e)) != ARCHIVE_EOF) {
        if (k != ARCHIVE_OK) rc = glim_fail(err, GLIM_E_FORMAT, "\"%s\" is damaged: %s", r->from, archive_error_string(a));
        else rc = extract(r, a, e, err);
    }
    if (a) archive_read_free(a);
    return rc == GLIM_OK ? read_manifest(r, r->scratch, err) : rc;
}

/* ---- check ---- */

static glim_status check_files(restoring *r, glim_err *err) {
    glim_status rc = GLIM_OK;
    bool has_db = false, has_version = false;
    for (size_t i = 0; i < n_entries(r) && rc == GLIM_OK; i++) {
        const char *name, *want;
        char hex[GLIM_SHA256_HEX];
        int64_t bytes;
        struct stat st;
        rc = entry(r, i, &name, &bytes, &want, err);
        if (rc != GLIM_OK) break;
        char *path = glim_path_join(r->scratch, name);
        if (stat(path, &st) != 0) rc = glim_fail(err, GLIM_E_FORMAT, "\"%s\" is not whole: \"%s\" is missing", r->from, name);
        else if (st.st_size != bytes)
            rc = glim_fail(err, GLIM_E_FORMAT, "\"%s\": \"%s\" has %lld bytes, its manifest says %" PRId64, r->from, name, (long long)st.st_size, bytes);
        if (rc == GLIM_OK) rc = glim_sha256_file(path, hex, NULL, NULL, err);
        if (rc == GLIM_OK && (strcmp(hex, want) != 0 || (strncmp(name, "blobs/", 6) == 0 && strcmp(hex, name + 9) != 0)))
            rc = glim_fail(err, GLIM_E_FORMAT, "\"%s\": \"%s\" was changed: its SHA-256 does not fit", r->from, name);
        has_db = has_db || strcmp(name, "store.db") == 0;
        has_version = has_version || strcmp(name, "VERSION") == 0;
        r->out->n_files++;
        r->out->bytes += bytes;
        free(path);
    }
    if (rc == GLIM_OK && (!has_db || !has_version)) rc = glim_fail(err, GLIM_E_FORMAT, "\"%s\" is not whole: it has no store.db", r->from);
    return rc;
}

static glim_status check_blobs(restoring *r, glim_db *db, glim_err *err) {
    glim_db_row *row;
    bool more = true;
    glim_status rc = glim_db_query(db, &row, err, "SELECT hash FROM blobs", "");
    while (rc == GLIM_OK && (rc = glim_db_next(db, row, &more, err)) == GLIM_OK && more) {
        char *path = glim_blob_path(r->scratch, glim_db_text(row, 0));
        if (!glim_path_exists(path)) {
            rc = glim_fail(err, GLIM_E_FORMAT, "\"%s\" is not whole: the content %.64s is missing", r->from, glim_db_text(row, 0));
            glim_db_rest(row);
        }
        free(path);
    }
    return rc;
}

static glim_status check(restoring *r, glim_err *err) {
    glim_status rc = check_files(r, err);
    char *path = glim_path_join(r->scratch, "store.db"), *log = glim_path_join(r->scratch, "audit.log"), *other = glim_path_join(r->scratch, "check.db");
    glim_db *db = NULL;
    glim_chain_head start, head;
    int64_t version = 0;
    glim_chain_begin(&start);
    if (rc == GLIM_OK) rc = glim_db_open(&db, path, GLIM_DB_CHECKPOINTS, err);
    if (rc == GLIM_OK) rc = glim_store_db_version(db, &version, err);
    if (rc == GLIM_OK && (version < 1 || version > glim_store_version()))
        rc = glim_fail(err, GLIM_E_UNSUPPORTED, "\"%s\": its database is of version %" PRId64 ", want 1 to %d", r->from, version, glim_store_version());
    if (rc == GLIM_OK) rc = glim_db_copy(db, other, err); /* reads and checks every page; the copy goes at once */
    unlink(other);
    if (rc == GLIM_OK && version >= 2) rc = glim_ledger_check_db(db, NULL, err);
    if (rc == GLIM_OK) rc = glim_outbox_anchor(db, &head, err);
    if (rc == GLIM_OK && head.count > 0) rc = glim_chain_read(log, &start, &head, NULL, NULL, NULL, err);
    if (rc == GLIM_OK && version >= 3) rc = check_blobs(r, db, err);
    glim_db_close(db);
    free(path);
    free(log);
    free(other);
    return rc;
}

/* ---- into place ---- */

static glim_status must_be_free(const char *dir, glim_err *err) {
    DIR *d = opendir(dir);
    if (!d) return errno == ENOENT ? GLIM_OK : glim_fail_errno(err, GLIM_E_IO, errno, "could not read \"%s\"", dir);
    bool empty = true;
    for (struct dirent *e; (e = readdir(d));) empty = empty && (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0);
    closedir(d);
    if (empty) return GLIM_OK;
    glim_fail(err, GLIM_E_STATE, "\"%s\" is not empty: a backup is restored into a new folder", dir);
    glim_err_hint(err, "move the old folder away first, or give another one with --data");
    return GLIM_E_STATE;
}

glim_status glim_backup_restore(const char *from, const char *dir_given, bool check_only, const char *actor, glim_backup_progress fn, void *ctx,
                                glim_backup_result *out, glim_err *err) {
    *out = (glim_backup_result){0};
    char *dir = dir_given ? glim_xstrdup(dir_given) : glim_data_dir();
    for (size_t n = strlen(dir); n > 1 && dir[n - 1] == '/';) dir[--n] = 0;
    glim_buf scratch = {0};
    glim_buf_printf(&scratch, "%s.restore-XXXXXX", dir);
    restoring r = {.from = from, .scratch = scratch.s, .fn = fn, .ctx = ctx, .out = out};
    bool made = false;
    glim_status rc = glim_path_exists(from) ? GLIM_OK : glim_fail(err, GLIM_E_NOT_FOUND, "there is no backup at \"%s\"", from);
    if (rc == GLIM_OK && !check_only) rc = must_be_free(dir, err);
    if (rc == GLIM_OK && strchr(dir, '/')) {
        char *up = glim_xstrdup(dir);
        *strrchr(up, '/') = 0;
        if (up[0]) rc = glim_mkdirs(up, err);
        free(up);
    }
    if (rc == GLIM_OK && !(made = mkdtemp(scratch.s) != NULL)) rc = glim_fail_errno(err, GLIM_E_IO, errno, "could not create \"%s\"", scratch.s);
    if (rc == GLIM_OK) rc = glim_path_is_dir(from) ? bring_folder(&r, err) : bring_tar(&r, err);
    if (rc == GLIM_OK) rc = check(&r, err);
    if (rc == GLIM_OK && !check_only) {
        char *manifest = glim_path_join(scratch.s, "MANIFEST.json");
        unlink(manifest); /* from a tar */
        free(manifest);
        rc = glim_store_sync_dir(scratch.s, err);
        if (rc == GLIM_OK && rename(scratch.s, dir) != 0) rc = glim_fail_errno(err, GLIM_E_IO, errno, "could not name \"%s\"", dir);
        made = rc != GLIM_OK;
    }
    if (made) glim_backup_remove(scratch.s);
    if (rc == GLIM_OK && !check_only) { /* the restored log tells that it was restored */
        glim_store *s;
        rc = glim_store_open(&s, dir, &(glim_store_params){.role = GLIM_STORE_GUEST, .must_exist = true}, err);
        if (rc == GLIM_OK) rc = glim_outbox_put(s, &(glim_event){actor, "backup.restore", from, "", ""}, err);
        if (rc == GLIM_OK) glim_store_close(s);
    }
    json_decref(r.manifest);
    glim_buf_free(&scratch);
    free(dir);
    return rc;
}
