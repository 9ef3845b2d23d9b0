/* config.h - one neutral description of a model's numbers, from config.json in the spellings of
 * transformers 4 and 5 (flat keys, rope_parameters, nested text_config), ChatGLM's own keys, or GGUF
 * metadata. Facts that only tensors can tell (biases, q/k norms, tied head) are left to model/. */
#ifndef GLIM_FORMAT_CONFIG_H
#define GLIM_FORMAT_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "format/ckpt.h"

typedef enum glim_arch {
    GLIM_ARCH_CHATGLM,  /* glm-4-9b as first released: fused names */
    GLIM_ARCH_GLM,      /* its -hf conversion; GLM-Edge */
    GLIM_ARCH_GLM4,     /* 0414 and Z1: sandwich norms */
    GLIM_ARCH_GLM4_MOE, /* 4.5, 4.5-Air, 4.6, 4.7 */
    GLIM_ARCH_LLAMA,
    GLIM_ARCH_QWEN2,
    GLIM_ARCH_QWEN3,
    GLIM_N_ARCH
} glim_arch;
const char *glim_arch_name(glim_arch a); /* the model_type spelling: "glm4_moe" */

typedef enum glim_rope_scaling {
    GLIM_ROPE_NONE, GLIM_ROPE_LINEAR, GLIM_ROPE_DYNAMIC, GLIM_ROPE_YARN, GLIM_ROPE_LLAMA3
} glim_rope_scaling;

typedef struct glim_rope_config {
    double theta;
    size_t n_rot; /* rotated dims of a head, even, 2..head_dim */
    bool interleaved;
    glim_rope_scaling scaling;
    double factor;
    size_t original_ctx;
    double beta_fast, beta_slow;       /* yarn; 32 and 1 when absent */
    double attention_factor;           /* yarn; 0: 0.1 ln(factor) + 1 */
    double low_freq_factor, high_freq_factor; /* llama3 */
} glim_rope_config;

typedef struct glim_config {
    glim_arch arch;
    char model_type[64]; /* as written in the file */
    size_t n_embd, n_layer /* without MTP */, n_head, n_kv_head, head_dim;
    size_t n_ff;         /* dense intermediate width */
    size_t n_vocab;      /* rows of the embedding, padding included */
    size_t max_ctx;
    float eps;
    glim_rope_config rope;
    bool tie;            /* what the file says; in a GGUF a missing head tensor says it */
    bool sandwich_norms; /* post-norms on the outputs of attention and MLP */
    /* MoE; n_expert == 0 for dense models */
    size_t n_expert, n_expert_used, n_expert_shared, n_ff_expert, first_dense;
    size_t n_group, topk_group;
    bool norm_topk;
    bool router_softmax; /* false: sigmoid */
    float routed_scale;
    size_t n_mtp; /* extra layers after n_layer that the plain decoder skips */
    /* ids from config.json and generation_config.json, or GGUF; the stop set is completed from token
     * texts in engine/ */
    int32_t eos[16];
    size_t n_eos;
    int32_t bos, pad; /* -1: none */
    glim_dtype stored; /* dtype the file declares; GLIM_F32 if it does not say */
    /* generation_config.json; negative or 0 where absent: see each */
    double temperature; /* < 0: absent */
    double top_p;       /* <= 0: absent */
    int top_k;          /* < 0: absent */
    double min_p;       /* < 0: absent */
    double repetition_penalty; /* <= 0: absent */
    bool do_sample, has_do_sample;
} glim_config;

/* Reads whatever the checkpoint has. Every number is range-checked (a width of 0 or 2^40 is refused by
 * key name, got and wanted); unknown model_type or architecture is refused by name with the list of
 * those known. */
glim_status glim_config_read(glim_config *out, const glim_ckpt *c, glim_err *err);
/* The same from parsed JSON (generation may be NULL): for tests and fuzzing. */
glim_status glim_config_from_json(glim_config *out, const json_t *config, const json_t *generation,
                                  glim_err *err);

/* The same from GGUF metadata. vocab_rows: rows of token_embd.weight, 0 if there is none (then
 * <arch>.vocab_size or the token list tells); has_head: output.weight is there.
 * Scaling of llama-3 kind is not in the metadata: llama.cpp stores its factors, one for each rotated
 * pair, as the tensor rope_freqs.weight, which divides the frequencies; model/ looks for it. */
glim_status glim_config_from_gguf(glim_config *out, const struct glim_gguf *g, size_t vocab_rows,
                                  bool has_head, glim_err *err);

/* Which row of the family table this is ("GLM-4.5-Air", "GLM-4-9B-0414 or Z1-9B", ...) by its
 * numbers, or NULL for another size. With n_params != NULL also the published total (0: unknown). */
const char *glim_config_known_name(const glim_config *c, uint64_t *n_params);

#endif
