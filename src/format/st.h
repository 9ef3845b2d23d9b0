/* st.h - safetensors files: read by mapping, written by streaming.
 *
 * A file is a u64 little-endian header length N, N bytes of JSON
 * {name: {dtype, shape, data_offsets: [a, b]}, "__metadata__": {string: string}}, then the data; offsets
 * count from the end of the header. The data must be covered exactly: no overlap, no hole, no bytes
 * after the last tensor. */
#ifndef GLIM_FORMAT_ST_H
#define GLIM_FORMAT_ST_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "format/ckpt.h"
#include "format/sink.h"

enum { GLIM_ST_HEADER_MAX = 100 * 1000 * 1000 }; /* bytes of JSON; the reference reader's limit */

typedef struct glim_st glim_st;

/* Errors: NOT_FOUND, IO, FORMAT, UNSUPPORTED (a dtype by its name), LIMIT, NOMEM; each names the file
 * and, where there is one, the tensor. Threads: read by any once open. */
glim_status glim_st_open(glim_st **out, const char *path, glim_err *err);
/* The same over bytes that the caller keeps until close; `name` is for messages. */
glim_status glim_st_open_mem(glim_st **out, const void *bytes, size_t n_bytes, const char *name,
                             glim_err *err);
void glim_st_close(glim_st *st); /* takes NULL */

size_t glim_st_n_tensors(const glim_st *st);
const glim_tensor *glim_st_tensor(const glim_st *st, size_t i); /* in the order of their data */
size_t glim_st_size(const glim_st *st);                         /* of the file */
/* "__metadata__": an object of strings, NULL if absent. Borrowed. */
const json_t *glim_st_metadata(const glim_st *st);
/* Tells the kernel that t's pages will not be read again soon; nothing for bytes in memory. */
void glim_st_drop(const glim_st *st, const glim_tensor *t);

/* Writes tensors[n] and metadata (an object of strings, or NULL) to path, atomically. Tensors of wide
 * elements come first, otherwise in the caller's order: so every one is aligned to its element without
 * the holes that the format forbids. transformers refuses files without {"format": "pt"} in metadata.
 * Errors: IO, NOMEM, ARG (a name twice, too many dims), UNSUPPORTED (block types), and whatever a
 * tensor's fill returns. */
glim_status glim_st_write(const char *path, const glim_tensor_out *tensors, size_t n,
                          const json_t *metadata, glim_err *err);

/* Writes a folder's weights as Hugging Face lays them out: dir/model.safetensors if all fit in
 * max_shard_bytes of data (0: no limit), else dir/model-00001-of-0000N.safetensors ... and
 * dir/model.safetensors.index.json, filled in the caller's order. A tensor is never divided. The new
 * set is renamed into place once all of it is written, the index last; then the other layout's entry
 * file, if an older one is there, is removed, so that nobody loads it by mistake. */
glim_status glim_st_write_folder(const char *dir, const glim_tensor_out *tensors, size_t n,
                                 const json_t *metadata, uint64_t max_shard_bytes, glim_err *err);

#endif
