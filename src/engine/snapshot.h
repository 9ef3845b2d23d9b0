/* snapshot.h - prefixes on disk: pages of KV that survive a restart.
 *
 * One file a page, named by the chain of everything that the page depends on:
 *
 *   root  = SHA-256(format, program, weights, kernel set, KV type, sizes, adapter version, tenant)
 *   chain = SHA-256(chain of the page before, 64 ids)
 *
 * so a page of another model, build, adapter or tenant is never even looked for, and prompts that begin alike
 * share files. A file carries its chain and a checksum; what does not agree is removed and read as a prompt.
 * The folder is bounded by bytes, files of other models included: the least recently used go first. One writes to it
 * at a time (glim_snapshot_pause).
 * Threads: the engine thread reads; a thread of its own writes from copies. */
#ifndef GLIM_ENGINE_SNAPSHOT_H
#define GLIM_ENGINE_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "model/kv.h"
#include "model/model.h"

typedef struct glim_snapshot glim_snapshot;
typedef struct glim_chain {
    uint8_t hash[32];
} glim_chain;

/* Errors: GLIM_E_IO (the folder cannot be made or read), GLIM_E_NOMEM. */
glim_status glim_snapshot_open(glim_snapshot **out, const char *dir, size_t max_bytes, const glim_model *m,
                               const glim_kv_pool *pool, glim_err *err);
/* Waits for what is being written. Takes NULL. */
void glim_snapshot_close(glim_snapshot *s);

glim_chain glim_snapshot_root(const glim_snapshot *s, const char *tenant, const char *adapter_version);
glim_chain glim_snapshot_next(const glim_chain *before, const int32_t ids[GLIM_KV_PAGE]);

/* Whether a file with this name is there (an index in memory is asked, not the disk). */
bool glim_snapshot_has(const glim_snapshot *s, const glim_chain *c);
/* Reads it into a page. False if it is not there or not what its name says (then it is removed and counted). */
bool glim_snapshot_read(glim_snapshot *s, const glim_chain *c, uint8_t *page);
/* Hands a copy of the page to the writing thread; false if it is there already, or the thread is too far
 * behind, or memory for the copy is refused. */
bool glim_snapshot_write(glim_snapshot *s, const glim_chain *c, const uint8_t *page);

/* The same, waiting for the writing thread where it is behind, and only while the folder has room: nothing
 * that is there is removed for it. For the end of a program. */
bool glim_snapshot_write_last(glim_snapshot *s, const glim_chain *c, const uint8_t *page);

/* Another one opens the same folder in the place of this one: from now on this one writes nothing (reads go on), and what it
 * was given before lies there when the call returns. Otherwise each would count its own files only, and together they could
 * go beyond the bound. false takes it back. Threads: any. */
void glim_snapshot_pause(glim_snapshot *s, bool paused);

typedef struct glim_snapshot_stats {
    uint64_t written, read, refused;
    size_t files, bytes;
} glim_snapshot_stats;
void glim_snapshot_stats_get(const glim_snapshot *s, glim_snapshot_stats *out);

#endif
