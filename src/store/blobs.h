/* blobs.h - files by content: /v1/files and whatever else is kept whole.
 *
 * A content lies once, at DIR/blobs/<first two digits>/<SHA-256>, however many files name it. It is written beside its
 * place, synced, and renamed into it inside the transaction that adds the row; so a row always has its content, and
 * a content without a row (a kill in between) is swept away by the next owner. A file's name is a text for people and
 * never part of a path. Contents never change, which is what makes a backup of a running store simple. */
#ifndef GLIM_STORE_BLOBS_H
#define GLIM_STORE_BLOBS_H

#include "net/sha256.h"
#include "store/store.h"

typedef struct glim_file {
    char id[GLIM_STORE_ID + 1]; /* "file-..." */
    char tenant[GLIM_STORE_ID + 1];
    char name[GLIM_STORE_NAME * 2 + 1], purpose[GLIM_STORE_ID + 1];
    char sha256[GLIM_SHA256_HEX];
    int64_t bytes, created_us;
} glim_file;

/* An upload that has begun. One thread at a time. */
typedef struct glim_upload glim_upload;
/* max_bytes 0: 512 MiB. Errors: GLIM_E_IO. */
glim_status glim_upload_begin(glim_store *s, int64_t max_bytes, glim_upload **out, glim_err *err);
/* Errors: GLIM_E_LIMIT (too large), GLIM_E_IO (disk full). */
glim_status glim_upload_write(glim_upload *u, const void *bytes, size_t n, glim_err *err);
typedef struct glim_file_params {
    const char *tenant, *name, *purpose;
    const char *once;  /* Idempotency-Key, or NULL: the file of an earlier upload with the same one is given back */
    const char *actor;
} glim_file_params;
/* Syncs, names and adds; waits for the disk. The upload is gone whether this succeeds or not. */
glim_status glim_upload_finish(glim_upload *u, const glim_file_params *p, glim_file *out, glim_err *err);
void glim_upload_cancel(glim_upload *u); /* takes NULL */

/* tenant NULL: any, here and below. Errors: GLIM_E_NOT_FOUND. */
glim_status glim_file_get(glim_store *s, const char *tenant, const char *id, glim_file *out, glim_err *err);
/* Behind the file `after` (NULL: from the first), at most limit; purpose NULL: any. */
typedef bool (*glim_file_fn)(void *ctx, const glim_file *f);
glim_status glim_file_list(glim_store *s, const char *tenant, const char *purpose, bool newest_first, const char *after, int64_t limit,
                           glim_file_fn fn, void *ctx, bool *has_more, glim_err *err);
/* The row goes; the content too when no other file names it. */
glim_status glim_file_delete(glim_store *s, const char *tenant, const char *id, const char *actor, glim_err *err);
/* A descriptor for reading; stays good when the file is deleted meanwhile. */
glim_status glim_file_open(glim_store *s, const glim_file *f, int *fd, glim_err *err);
/* Heap path of a content. */
char *glim_blob_path(const char *dir, const char *sha256);

/* Removes contents without a row and uploads that nobody writes any more. What glim_store_open does for an owner. */
glim_status glim_blob_sweep(glim_store *s, glim_err *err);
/* While the returned descriptor is open no content is removed (backup). */
glim_status glim_blob_keep(glim_store *s, int *fd, glim_err *err);

#endif
