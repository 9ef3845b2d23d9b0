/* config_check.c - what holds for a configuration whatever file it came from. */
#include <string.h>

#include "format/config_internal.h"

static const char *const arch_names[GLIM_N_ARCH] = {
    [GLIM_ARCH_CHATGLM] = "chatglm", [GLIM_ARCH_GLM] = "glm",     [GLIM_ARCH_GLM4] = "glm4",
    [GLIM_ARCH_GLM4_MOE] = "glm4_moe", [GLIM_ARCH_LLAMA] = "llama", [GLIM_ARCH_QWEN2] = "qwen2",
    [GLIM_ARCH_QWEN3] = "qwen3"};

const char *glim_arch_name(glim_arch a) {
    return (unsigned)a < GLIM_N_ARCH ? arch_names[a] : "?";
}

const char *glim_config_archs(void) {
    return "chatglm, glm, glm4, glm4v, glm4_moe, glm4v_moe, llama, qwen2, qwen3";
}

void glim_config_init(glim_config *c) {
    memset(c, 0, sizeof *c); /* padding too: two readings of one file compare equal */
    c->bos = c->pad = -1;
    c->temperature = -1;
    c->top_k = -1;
    c->min_p = -1;
    c->n_group = c->topk_group = 1;
    c->routed_scale = 1;
    c->rope.factor = 1;
    c->rope.beta_fast = 32;
    c->rope.beta_slow = 1;
    c->stored = GLIM_F32;
}

glim_status glim_config_check_real(const char *key, double v, double lo, double hi, glim_err *err) {
    if (v >= lo && v <= hi) return GLIM_OK;
    return glim_fail(err, GLIM_E_FORMAT, "\"%s\": got %.9g, want %.9g to %.9g", key, v, lo, hi);
}

glim_status glim_config_set_rotary(glim_config *c, double factor, const char *key, glim_err *err) {
    glim_status rc = glim_config_check_real(key, factor, 0, 1, err);
    if (rc != GLIM_OK) return rc;
    size_t n = (size_t)((double)c->head_dim * factor);
    if (n < 2 || n % 2 != 0)
        return glim_fail(err, GLIM_E_FORMAT, "\"%s\": got %.9g, which rotates %zu of %zu dims of a head, "
                         "want an even number", key, factor, n, c->head_dim);
    c->rope.n_rot = n;
    return GLIM_OK;
}

void glim_config_stretch_ctx(glim_config *c) {
    if (c->rope.scaling != GLIM_ROPE_YARN) return;
    double ctx = (double)c->rope.original_ctx * c->rope.factor;
    if (ctx > GLIM_CONFIG_MAX_CTX) ctx = GLIM_CONFIG_MAX_CTX;
    if (ctx > (double)c->max_ctx) c->max_ctx = (size_t)ctx;
}

glim_status glim_config_add_eos(glim_config *c, int64_t id, glim_err *err) {
    if (id < 0) return GLIM_OK;
    if (id > INT32_MAX)
        return glim_fail(err, GLIM_E_FORMAT, "\"eos_token_id\": got %lld, want at most %d", (long long)id,
                         INT32_MAX);
    for (size_t i = 0; i < c->n_eos; i++)
        if (c->eos[i] == (int32_t)id) return GLIM_OK;
    if (c->n_eos == GLIM_COUNT(c->eos))
        return glim_fail(err, GLIM_E_LIMIT, "\"eos_token_id\": got more than %zu ids", GLIM_COUNT(c->eos));
    c->eos[c->n_eos++] = (int32_t)id;
    return GLIM_OK;
}

glim_status glim_config_check(const glim_config *c, const glim_config_names *names, glim_err *err) {
    if (c->n_kv_head == 0 || c->n_head % c->n_kv_head != 0)
        return glim_fail(err, GLIM_E_FORMAT, "\"%s\": got %zu, want a divisor of \"%s\", which is %zu",
                         names->n_kv_head, c->n_kv_head, names->n_head, c->n_head);
    if (c->head_dim % 2 != 0)
        return glim_fail(err, GLIM_E_FORMAT, "\"%s\": got %zu, want an even number", names->head_dim,
                         c->head_dim);
    if (c->n_expert == 0) return GLIM_OK;
    if (c->first_dense > c->n_layer)
        return glim_fail(err, GLIM_E_FORMAT, "\"%s\": got %zu, want at most the %zu layers",
                         names->first_dense, c->first_dense, c->n_layer);
    /* Groups are scored by their two best experts, so one must have two. */
    if (c->n_group == 0 || c->n_expert % c->n_group != 0 || (c->n_group > 1 && c->n_expert / c->n_group < 2))
        return glim_fail(err, GLIM_E_FORMAT, "\"%s\": got %zu, want a divisor of \"%s\", which is %zu, that "
                         "leaves 2 or more in a group", names->n_group, c->n_group, names->n_expert,
                         c->n_expert);
    if (c->topk_group == 0 || c->topk_group > c->n_group)
        return glim_fail(err, GLIM_E_FORMAT, "\"%s\": got %zu, want 1 to %zu", names->topk_group,
                         c->topk_group, c->n_group);
    size_t open = c->n_expert / c->n_group * c->topk_group;
    if (c->n_expert_used == 0 || c->n_expert_used > open)
        return glim_fail(err, GLIM_E_FORMAT, "\"%s\": got %zu, want 1 to %zu experts", names->n_expert_used,
                         c->n_expert_used, open);
    return GLIM_OK;
}
