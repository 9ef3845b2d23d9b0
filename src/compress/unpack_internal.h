/* unpack_internal.h - between unpack.c and its parts. */
#ifndef GLIM_COMPRESS_UNPACK_INTERNAL_H
#define GLIM_COMPRESS_UNPACK_INTERNAL_H

#include "format/ckpt.h"
#include "format/config.h"

/* tokenizer.json, tokenizer_config.json and chat_template.jinja of an open GGUF. glm: bos is no token of its own there. */
glim_status glim_unpack_vocab(const char *folder, const glim_ckpt *c, bool glm, glim_err *err);

/* rope_freqs.weight of a Llama as the scaling that has these divisors. Errors: GLIM_E_UNSUPPORTED: there is none. */
glim_status glim_unpack_rope(glim_rope_config *rope, const glim_tensor *t, glim_err *err);

#endif
