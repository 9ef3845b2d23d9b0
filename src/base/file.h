/* file.h - files: mapped for reading, read whole, written so that a crash leaves old or new. */
#ifndef GLIM_BASE_FILE_H
#define GLIM_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* A whole file mapped read-only. A file of zero bytes has data == "" and size 0. A file that is
 * truncated by someone else while mapped raises SIGBUS, as with every mmap: model files are not
 * written while in use. */
typedef struct glim_map {
    const uint8_t *data;
    size_t size;
} glim_map;

/* Errors: GLIM_E_NOT_FOUND, GLIM_E_IO, GLIM_E_ARG (a folder, device or pipe). */
glim_status glim_map_open(glim_map *m, const char *path, glim_err *err);
void glim_map_close(glim_map *m); /* also takes {0} */
/* Tells the kernel that [offset, offset + len) will not be read again soon (clean pages are dropped). */
void glim_map_drop(const glim_map *m, size_t offset, size_t len);

/* Appends the whole file (or, under /dev/, pipe) to *out; refuses one larger than max_bytes with GLIM_E_LIMIT. */
glim_status glim_file_read(glim_buf *out, const char *path, size_t max_bytes, glim_err *err);

/* Writes to "<path>.tmp.<pid>", fsyncs, renames, fsyncs the folder: after a crash `path` holds the
 * old bytes or the new, never a part. */
glim_status glim_file_write_atomic(const char *path, const void *bytes, size_t n, glim_err *err);
/* The same for its owner alone: mode 0600 from its first byte. */
glim_status glim_file_write_secret(const char *path, const void *bytes, size_t n, glim_err *err);

bool glim_path_exists(const char *path);
bool glim_path_is_dir(const char *path);
/* Heap string "dir/name" (one slash); abort tier. */
char *glim_path_join(const char *dir, const char *name);
/* What this process may still write where path is, or would be once its folders are made. Errors: GLIM_E_IO. */
glim_status glim_disk_room(const char *path, uint64_t *bytes, glim_err *err);
/* mkdir -p. */
glim_status glim_mkdirs(const char *path, glim_err *err);
/* XDG base folders with Glim's name: $XDG_CACHE_HOME/glim or ~/.cache/glim, heap; data likewise. */
char *glim_cache_dir(void);
char *glim_data_dir(void);

#endif
