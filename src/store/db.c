/* db.c - see db.h. */
#include "store/db.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

enum { BUSY_MS = 5000, N_KEPT = 128 }; /* N_KEPT: a power of two, well above the number of SQL texts one connection sees */

struct glim_db {
    sqlite3 *h;
    char *path;
    struct {
        const char *sql;
        sqlite3_stmt *st;
    } kept[N_KEPT];
    size_t n_kept;
};

glim_status glim_db_fail(glim_db *db, int rc, glim_err *err) {
    const char *path = db->path, *said = db->h ? sqlite3_errmsg(db->h) : sqlite3_errstr(rc);
    switch (rc & 0xff) {
    case SQLITE_OK: return GLIM_OK;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        rc = glim_fail(err, GLIM_E_STATE, "\"%s\" is busy: another process held it for more than 5 s", path);
        glim_err_hint(err, "try again; `fuser \"%s\"` shows who has it open", path);
        return GLIM_E_STATE;
    case SQLITE_FULL: return glim_fail(err, GLIM_E_IO, "could not write \"%s\": the disk is full", path);
    case SQLITE_NOMEM: return glim_fail(err, GLIM_E_NOMEM, "out of memory in \"%s\"", path);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        glim_fail(err, GLIM_E_FORMAT, "\"%s\" is damaged: %s", path, said);
        glim_err_hint(err, "restore a backup with `glim restore`");
        return GLIM_E_FORMAT;
    case SQLITE_CONSTRAINT: return glim_fail(err, GLIM_E_ARG, "\"%s\" refused a value: %s", path, said);
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH: return glim_fail(err, GLIM_E_IO, "could not write \"%s\": %s", path, said);
    default: {
        int os = db->h ? sqlite3_system_errno(db->h) : 0;
        if (os) return glim_fail_errno(err, GLIM_E_IO, os, "could not use \"%s\": %s", path, said);
        return glim_fail(err, GLIM_E_IO, "could not use \"%s\": %s", path, said);
    }
    }
}

/* SQLite's own handler sleeps up to 100 ms at a time and so misses the moments that a busy owner leaves (store.h). */
static int wait_a_little(void *ctx, int n) {
    (void)ctx;
    if (n >= BUSY_MS / 2) return 0;
    usleep(2000);
    return 1;
}

glim_status glim_db_open(glim_db **out, const char *path, int flags, glim_err *err) {
    *out = NULL;
    glim_db *db = glim_xcalloc(1, sizeof *db);
    db->path = glim_xstrdup(path);
    glim_status rc = GLIM_OK;
    if (flags & GLIM_DB_CREATE) {
        /* SQLite gives the log and the shared memory the mode of the file, so the file is made here. Only a file
         * that was not there: to close a second descriptor of an open database would drop its locks. */
        int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0 && errno != EEXIST) {
            rc = glim_fail_errno(err, GLIM_E_IO, errno, "could not create \"%s\"", path);
            goto fail;
        }
        if (fd >= 0) close(fd);
    }
    int mode = flags & GLIM_DB_READONLY ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
    int s = sqlite3_open_v2(path, &db->h, mode | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (s != SQLITE_OK) {
        rc = glim_db_fail(db, s, err);
        goto fail;
    }
    sqlite3_busy_handler(db->h, wait_a_little, NULL);
    sqlite3_db_config(db->h, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    /* Two connections that checkpoint at the same instant as a writer are a known wound of SQLite before
     * 3.51.3 (the log may be reset under one of them), so only the owner's writer ever does. */
    if (!(flags & GLIM_DB_CHECKPOINTS)) sqlite3_db_config(db->h, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    rc = glim_db_exec(db, "PRAGMA trusted_schema = OFF; PRAGMA foreign_keys = ON; PRAGMA cell_size_check = ON;"
                          "PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY;", err);
    if (rc == GLIM_OK && !(flags & GLIM_DB_CHECKPOINTS)) sqlite3_wal_autocheckpoint(db->h, 0);
    if (rc == GLIM_OK && !(flags & GLIM_DB_READONLY)) {
        glim_db_row *row;
        bool more = false;
        rc = glim_db_query(db, &row, err, "PRAGMA journal_mode = WAL", "");
        if (rc == GLIM_OK) rc = glim_db_next(db, row, &more, err);
        if (rc == GLIM_OK && (!more || strcmp(glim_db_text(row, 0), "wal") != 0))
            rc = glim_fail(err, GLIM_E_UNSUPPORTED, "\"%s\": this file system cannot share memory between processes",
                           path);
        if (rc == GLIM_OK) glim_db_rest(row);
    }
    if (rc != GLIM_OK) goto fail;
    *out = db;
    return GLIM_OK;
fail:
    glim_db_close(db);
    return rc;
}

void glim_db_close(glim_db *db) {
    if (!db) return;
    for (size_t i = 0; i < N_KEPT; i++) sqlite3_finalize(db->kept[i].st);
    if (db->h) {
        int rc = sqlite3_close(db->h);
        GLIM_ASSERT(rc == SQLITE_OK); /* a statement or backup of ours was left open */
    }
    free(db->path);
    free(db);
}

glim_status glim_db_exec(glim_db *db, const char *sql, glim_err *err) {
    int s = sqlite3_exec(db->h, sql, NULL, NULL, NULL);
    return s == SQLITE_OK ? GLIM_OK : glim_db_fail(db, s, err);
}

/* The kept statement of this text, at rest. */
static glim_status prepared(glim_db *db, sqlite3_stmt **out, const char *sql, glim_err *err) {
    size_t i = ((uintptr_t)sql * 0x9e3779b97f4a7c15u) >> 57;
    while (db->kept[i].sql && db->kept[i].sql != sql) i = (i + 1) % N_KEPT;
    if (!db->kept[i].sql) {
        GLIM_ASSERT(db->n_kept < N_KEPT - 8);
        sqlite3_stmt *st;
        int s = sqlite3_prepare_v3(db->h, sql, -1, SQLITE_PREPARE_PERSISTENT, &st, NULL);
        if (s != SQLITE_OK) return glim_db_fail(db, s, err);
        db->kept[i].sql = sql;
        db->kept[i].st = st;
        db->n_kept++;
    }
    *out = db->kept[i].st;
    sqlite3_reset(*out); /* its status is that of the last run, which was told then */
    return GLIM_OK;
}

static glim_status bind(glim_db *db, sqlite3_stmt *st, const char *binds, va_list ap, glim_err *err) {
    int n = 0, s = SQLITE_OK;
    for (const char *p = binds; *p && s == SQLITE_OK; p++) {
        n++;
        if (*p == 's') {
            const char *text = va_arg(ap, const char *);
            s = text ? sqlite3_bind_text(st, n, text, -1, SQLITE_TRANSIENT) : sqlite3_bind_null(st, n);
        } else if (*p == 'i') {
            s = sqlite3_bind_int64(st, n, va_arg(ap, int64_t));
        } else {
            GLIM_ASSERT(*p == 'b');
            const void *bytes = va_arg(ap, const void *);
            s = sqlite3_bind_blob64(st, n, bytes, va_arg(ap, size_t), SQLITE_TRANSIENT);
        }
    }
    GLIM_ASSERT(s != SQLITE_OK || n == sqlite3_bind_parameter_count(st));
    return s == SQLITE_OK ? GLIM_OK : glim_db_fail(db, s, err);
}

static glim_status begin(glim_db *db, glim_db_row **row, glim_err *err, const char *sql, const char *binds, va_list ap) {
    *row = NULL; /* callers put a row to rest whatever happened; resting none is no harm */
    glim_status rc = prepared(db, row, sql, err);
    return rc == GLIM_OK ? bind(db, *row, binds, ap, err) : rc;
}

glim_status glim_db_query(glim_db *db, glim_db_row **row, glim_err *err, const char *sql, const char *binds, ...) {
    va_list ap;
    va_start(ap, binds);
    glim_status rc = begin(db, row, err, sql, binds, ap);
    va_end(ap);
    return rc;
}

glim_status glim_db_next(glim_db *db, glim_db_row *row, bool *more, glim_err *err) {
    int s = sqlite3_step(row);
    *more = s == SQLITE_ROW;
    if (s == SQLITE_ROW) return GLIM_OK;
    glim_status rc = s == SQLITE_DONE ? GLIM_OK : glim_db_fail(db, s, err);
    sqlite3_reset(row);
    return rc;
}

void glim_db_rest(glim_db_row *row) { sqlite3_reset(row); }

glim_status glim_db_run(glim_db *db, glim_err *err, const char *sql, const char *binds, ...) {
    glim_db_row *row;
    va_list ap;
    va_start(ap, binds);
    glim_status rc = begin(db, &row, err, sql, binds, ap);
    va_end(ap);
    bool more = true;
    while (rc == GLIM_OK && more) rc = glim_db_next(db, row, &more, err);
    return rc;
}

glim_status glim_db_int(glim_db *db, int64_t *out, int64_t dflt, glim_err *err, const char *sql, const char *binds, ...) {
    *out = dflt;
    glim_db_row *row;
    va_list ap;
    va_start(ap, binds);
    glim_status rc = begin(db, &row, err, sql, binds, ap);
    va_end(ap);
    bool more = false;
    if (rc == GLIM_OK) rc = glim_db_next(db, row, &more, err);
    if (rc != GLIM_OK || !more) return rc;
    if (!glim_db_is_null(row, 0)) *out = glim_db_i64(row, 0);
    glim_db_rest(row);
    return GLIM_OK;
}

glim_status glim_db_copy(glim_db *db, const char *to, glim_err *err) {
    glim_db out = {.path = (char *)to};
    int fd = open(to, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return glim_fail_errno(err, GLIM_E_IO, errno, "could not create \"%s\"", to);
    glim_status rc = GLIM_OK;
    int s = sqlite3_open_v2(to, &out.h, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (s == SQLITE_OK) {
        sqlite3_exec(out.h, "PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF", NULL, NULL, NULL);
        sqlite3_backup *b = sqlite3_backup_init(out.h, "main", db->h, "main");
        if (b) {
            /* All pages in one step: the source's read transaction is one snapshot, and WAL readers stop nobody. */
            s = sqlite3_backup_step(b, -1);
            int end = sqlite3_backup_finish(b);
            if (s == SQLITE_DONE) s = end;
        } else {
            s = sqlite3_errcode(out.h);
        }
    }
    if (s != SQLITE_OK) rc = glim_db_fail(&out, s, err);
    if (rc == GLIM_OK) {
        sqlite3_stmt *st = NULL;
        s = sqlite3_prepare_v2(out.h, "PRAGMA integrity_check(1)", -1, &st, NULL);
        if (s == SQLITE_OK) s = sqlite3_step(st);
        if (s != SQLITE_ROW) rc = glim_db_fail(&out, s, err);
        else if (strcmp((const char *)sqlite3_column_text(st, 0), "ok") != 0)
            rc = glim_fail(err, GLIM_E_FORMAT, "\"%s\" is damaged: %s", db->path, sqlite3_column_text(st, 0));
        sqlite3_finalize(st);
    }
    sqlite3_close(out.h);
    if (rc == GLIM_OK && fsync(fd) != 0) rc = glim_fail_errno(err, GLIM_E_IO, errno, "could not write \"%s\"", to);
    close(fd);
    if (rc != GLIM_OK) unlink(to);
    return rc;
}

int64_t glim_db_i64(glim_db_row *row, int col) { return sqlite3_column_int64(row, col); }
bool glim_db_is_null(glim_db_row *row, int col) { return sqlite3_column_type(row, col) == SQLITE_NULL; }

const char *glim_db_text(glim_db_row *row, int col) {
    const unsigned char *t = sqlite3_column_text(row, col);
    return t ? (const char *)t : "";
}

const void *glim_db_bytes(glim_db_row *row, int col, size_t *n) {
    const void *p = sqlite3_column_blob(row, col);
    *n = p ? (size_t)sqlite3_column_bytes(row, col) : 0;
    return p ? p : "";
}

int64_t glim_db_last_id(const glim_db *db) { return sqlite3_last_insert_rowid(db->h); }
int64_t glim_db_changes(const glim_db *db) { return sqlite3_changes(db->h); }
const char *glim_db_path(const glim_db *db) { return db->path; }
struct sqlite3 *glim_db_handle(glim_db *db) { return db->h; }
bool glim_db_in_transaction(const glim_db *db) { return !sqlite3_get_autocommit(db->h); }
