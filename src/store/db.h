/* db.h - one SQLite connection with its prepared statements, and errors that a person can read.
 *
 * A glim_db belongs to one thread at a time; store.h says which. SQL texts are string literals: their
 * address is the key under which the prepared statement is kept, so a text is prepared once.
 *
 *   glim_db_row *r;
 *   rc = glim_db_query(db, &r, err, "SELECT name FROM tenants WHERE id = ? AND created > ?", "si", id, since);
 *   while (rc == GLIM_OK && glim_db_next(db, r, &more, err) == GLIM_OK && more) use(glim_db_text(r, 0));
 *
 * Binding letters: s text (NULL is SQL NULL), i int64_t, b bytes (const void *, size_t). */
#ifndef GLIM_STORE_DB_H
#define GLIM_STORE_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef struct glim_db glim_db;
typedef struct sqlite3_stmt glim_db_row;

typedef enum glim_db_flags {
    GLIM_DB_READONLY = 1, /* never writes the file */
    GLIM_DB_CREATE = 2,   /* makes it, readable by its owner only */
    GLIM_DB_CHECKPOINTS = 4, /* moves the write-ahead log into the file; one connection at a time may have this */
} glim_db_flags;

/* Opens with WAL, synchronous=FULL, foreign keys, a busy timeout of 5 s and an untrusted schema.
 * Errors: GLIM_E_IO, GLIM_E_FORMAT (not a database, damaged), GLIM_E_STATE (busy). */
glim_status glim_db_open(glim_db **out, const char *path, int flags, glim_err *err);
void glim_db_close(glim_db *db); /* takes NULL */

/* Runs statements that bind nothing and give no rows; not kept. */
glim_status glim_db_exec(glim_db *db, const char *sql, glim_err *err);
/* Binds and runs one statement to its end. */
glim_status glim_db_run(glim_db *db, glim_err *err, const char *sql, const char *binds, ...);
/* Binds; rows come by glim_db_next. A statement has one reader at a time. */
glim_status glim_db_query(glim_db *db, glim_db_row **row, glim_err *err, const char *sql, const char *binds, ...);
/* *more is false after the last row; the statement is then at rest. */
glim_status glim_db_next(glim_db *db, glim_db_row *row, bool *more, glim_err *err);
/* For a reader that stops before the last row. */
void glim_db_rest(glim_db_row *row);
/* The first column of the first row, or dflt without one. */
glim_status glim_db_int(glim_db *db, int64_t *out, int64_t dflt, glim_err *err, const char *sql, const char *binds, ...);

/* Columns of the row that glim_db_next stands on; text and bytes live until the next call on the row. */
int64_t glim_db_i64(glim_db_row *row, int col);
const char *glim_db_text(glim_db_row *row, int col); /* never NULL */
bool glim_db_is_null(glim_db_row *row, int col);
const void *glim_db_bytes(glim_db_row *row, int col, size_t *n);

/* A whole, checked copy of what db shows now into a new file (online: writers go on), synced. */
glim_status glim_db_copy(glim_db *db, const char *to, glim_err *err);

bool glim_db_in_transaction(const glim_db *db);
int64_t glim_db_last_id(const glim_db *db);
int64_t glim_db_changes(const glim_db *db); /* rows touched by the last statement */
const char *glim_db_path(const glim_db *db);
struct sqlite3 *glim_db_handle(glim_db *db);
/* The last SQLite error as ours: full disk, busy, damaged, ... */
glim_status glim_db_fail(glim_db *db, int sqlite_rc, glim_err *err);

#endif
