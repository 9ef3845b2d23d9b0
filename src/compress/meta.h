/* meta.h - the metadata of the GGUF to be written: a model's numbers, and its tokenizer. */
#ifndef GLIM_COMPRESS_META_H
#define GLIM_COMPRESS_META_H

#include "compress/layout.h"
#include "format/gguf.h"

/* From a GGUF: every key copied but general.file_type, general.quantization_version and, where the MTP
 * layers stay behind, the two counts they are in. From a folder: the keys that llama.cpp's converters
 * write (spec 11.2), the tokenizer's included (vocab.c). */
glim_status glim_meta_put(glim_gguf_writer *w, const glim_model *m, const glim_layout *l, int file_type,
                          glim_err *err);

/* vocab.c: tokenizer.ggml.* and tokenizer.chat_template, from the tokenizer files beside the weights. */
glim_status glim_meta_put_vocab(glim_gguf_writer *w, const glim_model *m, glim_err *err);

#endif
