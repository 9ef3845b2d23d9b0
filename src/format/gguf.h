/* gguf.h - GGUF files: read by mapping, written by streaming.
 *
 * "GGUF", u32 version, u64 tensor count, u64 key count; then keys with typed values; then tensor names,
 * shapes, types and offsets; then, from the next multiple of general.alignment (32 unless said), the
 * data. Little endian. Version 3, and 2, which differs in nothing that we read.
 *
 * Values stay in the mapping. Strings have a length and may hold NULs; arrays of strings have an index
 * of offsets, 8 bytes a string, so that a vocabulary opens without one allocation for each token. */
#ifndef GLIM_FORMAT_GGUF_H
#define GLIM_FORMAT_GGUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "format/ckpt.h"
#include "format/sink.h"

enum {
    GLIM_GGUF_MAX_KEYS = 1 << 20,
    GLIM_GGUF_MAX_TENSORS = 1 << 22,
    GLIM_GGUF_KEY_MAX = 1024,       /* bytes of a key */
    GLIM_GGUF_DEPTH = 4,            /* arrays in arrays */
    GLIM_GGUF_MAX_ALIGNMENT = 1 << 20
};

typedef enum glim_gguf_type {
    GLIM_GGUF_U8, GLIM_GGUF_I8, GLIM_GGUF_U16, GLIM_GGUF_I16, GLIM_GGUF_U32, GLIM_GGUF_I32,
    GLIM_GGUF_F32, GLIM_GGUF_BOOL, GLIM_GGUF_STR, GLIM_GGUF_ARRAY, GLIM_GGUF_U64, GLIM_GGUF_I64,
    GLIM_GGUF_F64,
    GLIM_GGUF_N_TYPE
} glim_gguf_type;
const char *glim_gguf_type_name(glim_gguf_type t); /* "u32", "array"; "?" past the end */

/* Bytes of a string in the mapping; not terminated. */
typedef struct glim_gguf_text {
    const char *s; /* NULL: absent */
    size_t len;
} glim_gguf_text;

typedef struct glim_gguf_kv {
    const char *key; /* NUL-terminated */
    glim_gguf_type type;
    glim_gguf_type item;  /* type of one value: of the items where type is ARRAY, else = type */
    size_t n;             /* values: items of an array, else 1 */
    const uint8_t *data;  /* first value, in the mapping, not aligned */
    size_t n_bytes;       /* of all values as stored */
    const uint64_t *at;   /* [n] for arrays of strings: where each begins, from data; else NULL */
} glim_gguf_kv;

typedef struct glim_gguf glim_gguf;

/* One file; sets of files are put together by glim_ckpt_open. Errors: NOT_FOUND, IO, FORMAT,
 * UNSUPPORTED (version, big endian, a tensor type by its name), LIMIT, NOMEM; each names the file and
 * the key or tensor. Threads: read by any once open. */
glim_status glim_gguf_open(glim_gguf **out, const char *path, glim_err *err);
/* The same over bytes that the caller keeps until close; `name` is for messages. */
glim_status glim_gguf_open_mem(glim_gguf **out, const void *bytes, size_t n_bytes, const char *name,
                               glim_err *err);
void glim_gguf_close(glim_gguf *g); /* takes NULL */

uint32_t glim_gguf_version(const glim_gguf *g);
size_t glim_gguf_size(const glim_gguf *g); /* of the file */
size_t glim_gguf_n_tensors(const glim_gguf *g);
const glim_tensor *glim_gguf_tensor(const glim_gguf *g, size_t i); /* in the order of the file */
void glim_gguf_drop(const glim_gguf *g, const glim_tensor *t);

size_t glim_gguf_n_keys(const glim_gguf *g);
const glim_gguf_kv *glim_gguf_key(const glim_gguf *g, size_t i);             /* in the order of the file */
const glim_gguf_kv *glim_gguf_find(const glim_gguf *g, const char *key);     /* hashed; NULL if absent */

/* Values by key. A missing key gives dflt; a value of another kind or range is GLIM_E_FORMAT naming the
 * key, got and wanted. u64 and i64 take every integer type, f64 every number. */
glim_status glim_gguf_u64(const glim_gguf *g, const char *key, uint64_t dflt, uint64_t *out, glim_err *err);
glim_status glim_gguf_i64(const glim_gguf *g, const char *key, int64_t dflt, int64_t *out, glim_err *err);
glim_status glim_gguf_f64(const glim_gguf *g, const char *key, double dflt, double *out, glim_err *err);
glim_status glim_gguf_bool(const glim_gguf *g, const char *key, bool dflt, bool *out, glim_err *err);
/* {NULL, 0} if missing. */
glim_status glim_gguf_str(const glim_gguf *g, const char *key, glim_gguf_text *out, glim_err *err);
/* An array whose items are strings (want STR), integers of any width (I64) or any numbers (F64); *out
 * is NULL if missing. */
glim_status glim_gguf_array(const glim_gguf *g, const char *key, glim_gguf_type want,
                            const glim_gguf_kv **out, glim_err *err);

/* Value i < kv->n of an array or, with i = 0, of a plain value. The kind must fit: item_str wants
 * strings, item_i64 integers or bools (u64 past int64 wraps), item_f64 any number. */
glim_gguf_text glim_gguf_item_str(const glim_gguf_kv *kv, size_t i);
int64_t glim_gguf_item_i64(const glim_gguf_kv *kv, size_t i);
double glim_gguf_item_f64(const glim_gguf_kv *kv, size_t i);

/* The number of a dtype in GGUF; -1 if it has none. */
int glim_gguf_type_of_dtype(glim_dtype t);

/* --- Writing ------------------------------------------------------------------------------------
 *
 * A writer collects keys (copied) and tensors (borrowed until write returns), then writes one file or a
 * set. Puts after a refused allocation do nothing and write reports it. */
typedef struct glim_gguf_writer glim_gguf_writer;
typedef struct glim_gguf_writer_params {
    uint32_t alignment;      /* power of two, 8 to 1 MiB; 0: 32. Written as general.alignment if not 32 */
    uint64_t max_file_bytes; /* of tensor data in one file; 0: no limit, a single file */
} glim_gguf_writer_params;

glim_gguf_writer *glim_gguf_writer_new(const glim_gguf_writer_params *params); /* NULL: defaults */
void glim_gguf_writer_free(glim_gguf_writer *w); /* takes NULL */

/* Keys in the order they are put. A value that its type cannot hold, a key put twice and a key of the
 * writer's own (general.alignment, split.*) are GLIM_E_ARG. put_int serves every integer type and BOOL;
 * put_uint is for u64 past int64. */
glim_status glim_gguf_put_int(glim_gguf_writer *w, const char *key, glim_gguf_type type, int64_t v, glim_err *err);
glim_status glim_gguf_put_uint(glim_gguf_writer *w, const char *key, uint64_t v, glim_err *err);
glim_status glim_gguf_put_real(glim_gguf_writer *w, const char *key, glim_gguf_type type, double v, glim_err *err);
glim_status glim_gguf_put_str(glim_gguf_writer *w, const char *key, const char *s, size_t len, glim_err *err);
/* items: n values of a number type or BOOL (one byte each) as C stores them. */
glim_status glim_gguf_put_array(glim_gguf_writer *w, const char *key, glim_gguf_type item, const void *items,
                                size_t n, glim_err *err);
glim_status glim_gguf_put_strs(glim_gguf_writer *w, const char *key, const glim_gguf_text *items, size_t n,
                               glim_err *err);
/* A key of an open file, byte for byte; the writer's own keys are passed over. */
glim_status glim_gguf_put_copy(glim_gguf_writer *w, const glim_gguf_kv *kv, glim_err *err);

/* t, its name and data must live until write returns. Errors: ARG, UNSUPPORTED (no such type in GGUF),
 * FORMAT (a row cut inside a block). At most 4 dims. */
glim_status glim_gguf_add_tensor(glim_gguf_writer *w, const glim_tensor_out *t, glim_err *err);

/* Writes path, or the set <path without .gguf>-00001-of-0000N.gguf if the tensors do not fit in one
 * file: all keys in the first, split.no, split.count and split.tensors.count in each. Every file is
 * renamed into place once all of them are written. Errors: IO, NOMEM, ARG, what fill returns. */
glim_status glim_gguf_write(glim_gguf_writer *w, const char *path, glim_err *err);
int glim_gguf_writer_n_files(const glim_gguf_writer *w); /* after write */

#endif
