/* ckpt_internal.h - shared by ckpt.c and ckpt_template.c. */
#ifndef GLIM_FORMAT_CKPT_INTERNAL_H
#define GLIM_FORMAT_CKPT_INTERNAL_H

#include "base/err.h"
#include "format/gguf.h"

/* The chat template of a Hugging Face folder or of GGUF metadata: heap text, or NULL if there is none.
 * Errors: IO, FORMAT, LIMIT, NOMEM, naming the file. */
glim_status glim_ckpt_template_of_folder(char **out, const char *dir, glim_err *err);
glim_status glim_ckpt_template_of_gguf(char **out, const glim_gguf *g, const char *path, glim_err *err);

#endif
