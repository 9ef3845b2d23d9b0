/* ckpt.h - a checkpoint: named tensors in mapped files, wherever they came from.
 *
 * A Hugging Face folder (model.safetensors, or model.safetensors.index.json and its shards), one
 * .safetensors file, or GGUF v3 (one file, or the first of a split set: the others are found by name; or one that
 * is part of the program).
 * Opening checks every length: header sizes, offsets, overlaps, alignment, shapes times type against
 * bytes. Nothing is copied: tensor data points into the mapping. */
#ifndef GLIM_FORMAT_CKPT_H
#define GLIM_FORMAT_CKPT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "tensor/dtype.h"

enum { GLIM_MAX_DIMS = 6 }; /* convolutions of vision towers have 5; GGUF itself stops at 4 */

typedef struct glim_tensor {
    const char *name;
    glim_dtype type;
    int n_dims;
    size_t dims[GLIM_MAX_DIMS]; /* outermost first, as Hugging Face prints it (GGUF's order reversed) */
    const void *data;           /* in the mapping; aligned to the element only if the file is */
    size_t n_bytes;
    int file; /* index into glim_ckpt_file */
} glim_tensor;

typedef enum glim_ckpt_kind { GLIM_CKPT_HF, GLIM_CKPT_GGUF } glim_ckpt_kind;

typedef struct glim_ckpt glim_ckpt;

/* path: folder, .safetensors, .gguf. Errors: NOT_FOUND, IO, FORMAT, UNSUPPORTED, LIMIT, NOMEM; each
 * names file and tensor, got and wanted. Threads: read by any once open. */
glim_status glim_ckpt_open(glim_ckpt **out, const char *path, glim_err *err);
void glim_ckpt_close(glim_ckpt *c); /* takes NULL */

/* A GGUF file that is part of the program: from now on `name` as a path opens these bytes, which the caller keeps for ever.
 * Called once, before there are threads. The name should be none that a file has: files are not looked for. */
void glim_ckpt_builtin(const char *name, const void *bytes, size_t n_bytes);
/* These bytes, for what reads a path of glim_ckpt_file itself; NULL: it is a real file's. */
const void *glim_ckpt_builtin_bytes(const char *path, size_t *n_bytes);

glim_ckpt_kind glim_ckpt_kind_of(const glim_ckpt *c);
const char *glim_ckpt_path(const glim_ckpt *c); /* as given */
size_t glim_ckpt_n_tensors(const glim_ckpt *c);
const glim_tensor *glim_ckpt_tensor(const glim_ckpt *c, size_t i); /* in file order */
const glim_tensor *glim_ckpt_find(const glim_ckpt *c, const char *name); /* hashed; NULL if absent */
int glim_ckpt_n_files(const glim_ckpt *c);
const char *glim_ckpt_file(const glim_ckpt *c, int i, size_t *size); /* path */
/* Tells the kernel that a tensor's pages will not be read again soon. */
void glim_ckpt_drop(const glim_ckpt *c, const glim_tensor *t);

/* Hugging Face: parsed JSON files beside the weights, NULL if absent (config.json is required when a
 * folder is opened as a model). Borrowed. */
const json_t *glim_ckpt_config(const glim_ckpt *c);
const json_t *glim_ckpt_generation_config(const glim_ckpt *c);
/* GGUF: the metadata. NULL for HF. */
const struct glim_gguf *glim_ckpt_gguf(const glim_ckpt *c);
/* The checkpoint's chat template text, from chat_template.jinja, chat_template.json,
 * tokenizer_config.json ("default" of a list) or tokenizer.chat_template; NULL if it has none. Borrowed. */
const char *glim_ckpt_chat_template(const glim_ckpt *c);

#endif
