/* backup.h - a data folder copied while it is served, and brought back.
 *
 * A backup is a folder or a tar file with
 *
 *   store.db        a snapshot by SQLite's online backup; writers go on meanwhile
 *   audit.log       the event log, up to the head that this snapshot knows
 *   blobs/xx/...    every content that this snapshot names
 *   VERSION
 *   MANIFEST.json   size and SHA-256 of each of these, written last
 *
 * It is consistent because contents never change and are not removed while a backup reads, and the log only grows.
 * Before it gets its name it is checked: database, ledger sums, chain, and the hash of every content. Requests that ran
 * at that moment are open reservations in it; the first owner of the restored folder settles what was noted of them. */
#ifndef GLIM_STORE_BACKUP_H
#define GLIM_STORE_BACKUP_H

#include "store/store.h"

typedef struct glim_backup_result {
    int64_t n_files, bytes;
    int64_t created_us; /* of the backup */
} glim_backup_result;

/* May return false to stop (GLIM_E_CANCELLED); NULL is fine. */
typedef bool (*glim_backup_progress)(void *ctx, uint64_t done, uint64_t total);

/* to: a name that ends in ".tar", or a folder to make. Neither may exist. What fails leaves nothing behind.
 * Errors: GLIM_E_ARG (it exists), GLIM_E_IO, GLIM_E_FORMAT (the folder itself is damaged), GLIM_E_CANCELLED. */
glim_status glim_backup_write(glim_store *s, const char *to, const char *actor, glim_backup_progress fn, void *ctx, glim_backup_result *out,
                              glim_err *err);

/* Makes the data folder `dir` (NULL: the default one) from a backup. dir must not exist, or be empty. Everything is
 * checked in a folder beside it, which is then renamed: dir is whole or not there. With check_only nothing stays.
 * Errors: GLIM_E_STATE (there is a data folder), GLIM_E_FORMAT (the backup is damaged; says where),
 * GLIM_E_UNSUPPORTED (written by a newer glim), GLIM_E_NOT_FOUND, GLIM_E_IO. */
glim_status glim_backup_restore(const char *from, const char *dir, bool check_only, const char *actor, glim_backup_progress fn, void *ctx,
                                glim_backup_result *out, glim_err *err);

#endif
