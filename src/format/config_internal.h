/* config_internal.h - shared by config.c (JSON), config_gguf.c and config_check.c: the ranges of every
 * number, so that no product of two of them can overflow, and what holds for all sources. */
#ifndef GLIM_FORMAT_CONFIG_INTERNAL_H
#define GLIM_FORMAT_CONFIG_INTERNAL_H

#include "format/config.h"

enum {
    GLIM_CONFIG_MAX_EMBD = 1 << 20,
    GLIM_CONFIG_MAX_LAYERS = 4096,
    GLIM_CONFIG_MAX_HEADS = 1 << 14,
    GLIM_CONFIG_MAX_HEAD_DIM = 1 << 14,
    GLIM_CONFIG_MAX_FF = 1 << 24,
    GLIM_CONFIG_MAX_VOCAB = 1 << 24,
    GLIM_CONFIG_MAX_CTX = 1 << 30,
    GLIM_CONFIG_MAX_EXPERTS = 1 << 14,
    GLIM_CONFIG_MAX_MTP = 16
};

/* Everything absent: -1 for ids, the absent marks of sampling values, one group. */
void glim_config_init(glim_config *c);

/* "chatglm, glm, ..." for messages. */
const char *glim_config_archs(void);

/* R = head_dim * factor as Python's int() rounds it. Errors: FORMAT naming `key` unless it is even and
 * 2..head_dim. */
glim_status glim_config_set_rotary(glim_config *c, double factor, const char *key, glim_err *err);

/* YaRN's context is the original one times the factor, where the file keeps the short one (spec 2.3). */
void glim_config_stretch_ctx(glim_config *c);

/* Adds to the stop set, once; ids below 0 mean "none" in some files and are passed over. */
glim_status glim_config_add_eos(glim_config *c, int64_t id, glim_err *err);

/* What must hold between numbers, whatever their source. `names` are the source's words for messages. */
typedef struct glim_config_names {
    const char *n_head, *n_kv_head, *head_dim, *n_expert, *n_expert_used, *n_group, *topk_group,
        *first_dense;
} glim_config_names;
glim_status glim_config_check(const glim_config *c, const glim_config_names *names, glim_err *err);

/* lo <= v <= hi, never NaN; the message says "<key>: got v, want lo to hi". */
glim_status glim_config_check_real(const char *key, double v, double lo, double hi, glim_err *err);

#endif
