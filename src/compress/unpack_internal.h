/* unpack_internal.h - between unpack.c and unpack_vocab.c. */
#ifndef GLIM_COMPRESS_UNPACK_INTERNAL_H
#define GLIM_COMPRESS_UNPACK_INTERNAL_H

#include "format/ckpt.h"

/* tokenizer.json, tokenizer_config.json and chat_template.jinja of an open GGUF. glm: bos is no token of its own there. */
glim_status glim_unpack_vocab(const char *folder, const glim_ckpt *c, bool glm, glim_err *err);

#endif
