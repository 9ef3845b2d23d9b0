/* unpack.h - a GGUF as a Hugging Face folder: what glim_quantize makes of a folder, back again.
 *
 *   FOLDER/model*.safetensors       the names of transformers' classes; values are those that inference reads
 *   FOLDER/config.json, generation_config.json
 *   FOLDER/tokenizer.json, tokenizer_config.json, chat_template.jinja
 *
 * Dense models of the classes Glm4, Glm (also from ChatGLM's fused matrices), Llama, Qwen2 and Qwen3, wherever config.json can say all that
 * the GGUF says: what was written is read again and compared, and a number that would be another one is refused. */
#ifndef GLIM_COMPRESS_UNPACK_H
#define GLIM_COMPRESS_UNPACK_H

#include "base/err.h"
#include "tensor/dtype.h"

typedef struct glim_unpack_params {
    int type;             /* of all tensors: GLIM_F32, GLIM_F16 or GLIM_BF16; -1: f32, f16 and bf16 stay, what has fewer bits becomes f32 and loses nothing */
    uint64_t shard_bytes; /* largest file of weights; 0: no limit */
    /* Before the first byte: what the result takes on its disk, and what is free there. May be NULL. */
    void (*on_disk)(void *ctx, uint64_t bytes, uint64_t free);
    bool (*progress)(void *ctx, uint64_t done, uint64_t total); /* bytes of tensors; false stops. May be NULL */
    void *ctx;
} glim_unpack_params;

typedef struct glim_unpack_result {
    size_t n_tensors;    /* written */
    const char *class_name; /* "Glm4ForCausalLM" */
    uint64_t bytes;      /* of tensors */
} glim_unpack_result;

/* folder is made where it is not there; a model that is in it goes before the first byte is written, its other files stay. An error
 * before that leaves the folder as it was, a later one no file of either model. Errors: those of opening and of model/'s binding; GLIM_E_UNSUPPORTED (no GGUF, a family or a tensor without
 * a place in a folder, numbers that config.json cannot say, a vocabulary that tokenizer.json cannot); GLIM_E_IO (no room); GLIM_E_FORMAT (a value that the type cannot
 * hold); GLIM_E_CANCELLED. The weights come last: before them the folder is no model. */
glim_status glim_unpack(const char *gguf, const char *folder, const glim_unpack_params *p, glim_unpack_result *out, glim_err *err);

#endif
