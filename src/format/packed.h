/* packed.h - the cache of rearranged weights: one mapped file per (checkpoint, kernel set, layout).
 *
 * $XDG_CACHE_HOME/glim/packed/<key>.pack: a page of header (magic, version, key, sizes, checksums), the bytes,
 * and a table with a checksum for each 32 KiB of them. A file appears under its name only when it is whole and
 * on disk: it is filled under a temporary name, and a background thread sums it, writes table and header,
 * fsyncs and renames. Where no file can be made (read-only, full disk, small model, GLIM_CACHE=0) the bytes
 * are private memory and nothing is kept. Files that nobody opened for 60 days, and leftovers of killed
 * programs, are removed when a new one is made.
 *
 * Opening checks sizes, header, table and one block chosen anew in each of 64 equal parts (a small file's
 * every block): a torn or truncated file does not get past that. A large file is mapped, not read, so a
 * single bad bit in it may: `glim verify` reads every block. What is not whole is removed with one line in
 * the log and made anew. */
#ifndef GLIM_FORMAT_PACKED_H
#define GLIM_FORMAT_PACKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "format/ckpt.h"

enum { GLIM_PACKED_KEY = 48 }; /* characters of a key, the final 0 included */

typedef struct glim_packed {
    void *data;     /* [bytes], 64-byte aligned; read-only once ready */
    size_t bytes;
    bool ready;     /* the contents were found: nothing to fill in */
    bool cached;    /* data lies in a file: the kernel may evict clean pages */
    char key[GLIM_PACKED_KEY];
    /* private */
    void *map;
    size_t map_bytes;
    struct glim_packed_file *file; /* being filled; NULL once it is kept or given up */
} glim_packed;

/* Identifies what would be packed: names, types, shapes, file sizes and times, and a sample of every
 * tensor's bytes; plus `how`, the words that describe kernel set, layout version and types. */
void glim_packed_key(char key[GLIM_PACKED_KEY], const glim_ckpt *c, const char *how);

/* How what is made is kept. LATER: it is made in private memory, used from there, and written to the file behind the
 * model's back: a first start then waits for no disk, but this once the bytes cannot be evicted, so there must be
 * room for them. */
typedef enum glim_packed_keep { GLIM_PACKED_NOT, GLIM_PACKED_FILE, GLIM_PACKED_LATER } glim_packed_keep;
/* Finds or makes room for `bytes`. Errors: GLIM_E_NOMEM. */
glim_status glim_packed_open(glim_packed *p, const char *key, size_t bytes, glim_packed_keep keep, glim_err *err);
/* Reads the whole file of a key, if there is one, and removes it if it is damaged: `why` then says what is
 * wrong with it. progress may be NULL; it returns false to stop. Errors: GLIM_E_CANCELLED. */
typedef enum glim_packed_state { GLIM_PACKED_ABSENT, GLIM_PACKED_WHOLE, GLIM_PACKED_DAMAGED } glim_packed_state;
enum { GLIM_PACKED_WHY = 160 };
glim_status glim_packed_check(glim_packed_state *state, char why[GLIM_PACKED_WHY], const char *key, size_t bytes,
                              bool (*progress)(void *ctx, uint64_t done, uint64_t total), void *ctx, glim_err *err);
/* Fills bytes [offset, offset + n) of data from src. Where data is a file's mapping (cached) this is the only way: the
 * mapping is read-only from the start, because a store into it would cost a page fault and a page of zeros
 * for each 4 KiB. Private memory may also be written in place. Errors: GLIM_E_IO. Threads: any, ranges
 * apart. */
glim_status glim_packed_put(const glim_packed *p, size_t offset, const void *src, size_t n, glim_err *err);
/* The bytes are filled in: from now on they are read-only, and are kept if they can be. */
void glim_packed_commit(glim_packed *p);
/* Waits at most wait_ms for what commit began; false while the file is still on its way to the disk. What is measured
 * meanwhile shares processors, memory and disk with it. */
bool glim_packed_wait(glim_packed *p, int wait_ms);
/* Takes {0}. Waits for the file to reach the disk, at most 30 s and 10 s for each gigabyte; a slower disk keeps working
 * behind it. */
void glim_packed_close(glim_packed *p);

#endif
