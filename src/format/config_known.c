/* config_known.c - the family table: released models by their numbers, with the parameter totals that
 * were published or summed from published shapes (vision towers included, MTP layers not). */
#include <string.h>

#include "format/config.h"

typedef struct known {
    const char *name;
    const char *model_type; /* NULL: any of the arch */
    glim_arch arch, also;   /* a model and its conversion have two */
    size_t n_layer, n_embd, n_head, n_kv_head, n_ff, n_expert, n_vocab;
    size_t ctx_from; /* longest contexts tell GLM-4.6 from 4.5; 0: any */
    uint64_t n_params; /* 0: unknown */
} known;

static const known table[] = {
    {"GLM-4-9B or GLM-4-9B-Chat", NULL, GLIM_ARCH_CHATGLM, GLIM_ARCH_GLM, 40, 4096, 32, 2, 13696, 0, 151552,
     0, 9399951360u},
    {"GLM-4-9B-Chat-1M", NULL, GLIM_ARCH_CHATGLM, GLIM_ARCH_GLM, 40, 4096, 32, 4, 13696, 0, 151552, 0,
     9483857920u},
    /* Widths of GLM-Edge are not confirmed (spec 2.2): layers, heads and vocabulary tell. */
    {"GLM-Edge-1.5B", NULL, GLIM_ARCH_GLM, GLIM_ARCH_CHATGLM, 28, 2048, 16, 0, 0, 0, 59264, 0, 0},
    {"GLM-Edge-4B", NULL, GLIM_ARCH_GLM, GLIM_ARCH_CHATGLM, 40, 3072, 24, 0, 0, 0, 59264, 0, 0},
    {"GLM-4.1V-9B", "glm4v", GLIM_ARCH_GLM4, GLIM_ARCH_GLM4, 40, 4096, 32, 2, 13696, 0, 151552, 0,
     10292777472u},
    {"GLM-4-9B-0414 or GLM-Z1-9B-0414", NULL, GLIM_ARCH_GLM4, GLIM_ARCH_GLM4, 40, 4096, 32, 2, 13696, 0,
     151552, 0, 9400279040u},
    {"GLM-4-32B-0414 or GLM-Z1-32B-0414", NULL, GLIM_ARCH_GLM4, GLIM_ARCH_GLM4, 61, 6144, 48, 2, 23040, 0,
     151552, 0, 32566081536u},
    {"GLM-Z1-Rumination-32B-0414", NULL, GLIM_ARCH_GLM4, GLIM_ARCH_GLM4, 61, 6144, 48, 8, 23040, 0, 151552, 0,
     33141749760u},
    {"GLM-4.5V or GLM-4.6V", "glm4v_moe", GLIM_ARCH_GLM4_MOE, GLIM_ARCH_GLM4_MOE, 46, 4096, 96, 8, 10944, 128,
     151552, 0, 107710933120u},
    {"GLM-4.5-Air", NULL, GLIM_ARCH_GLM4_MOE, GLIM_ARCH_GLM4_MOE, 46, 4096, 96, 8, 10944, 128, 151552, 0,
     106852251264u},
    {"GLM-4.6 or GLM-4.7", NULL, GLIM_ARCH_GLM4_MOE, GLIM_ARCH_GLM4_MOE, 92, 5120, 96, 8, 12288, 160, 151552,
     131073, 352797829024u},
    {"GLM-4.5", NULL, GLIM_ARCH_GLM4_MOE, GLIM_ARCH_GLM4_MOE, 92, 5120, 96, 8, 12288, 160, 151552, 0,
     352797829024u},
    {"SmolLM2-135M", NULL, GLIM_ARCH_LLAMA, GLIM_ARCH_LLAMA, 30, 576, 9, 3, 1536, 0, 49152, 0, 134515008u},
};

static bool fits(const known *k, const glim_config *c) {
    return (k->arch == c->arch || k->also == c->arch) && k->n_layer == c->n_layer &&
           k->n_embd == c->n_embd && k->n_head == c->n_head &&
           (k->n_kv_head == 0 || k->n_kv_head == c->n_kv_head) && (k->n_ff == 0 || k->n_ff == c->n_ff) &&
           k->n_expert == c->n_expert && k->n_vocab == c->n_vocab && c->max_ctx >= k->ctx_from &&
           (!k->model_type || strcmp(k->model_type, c->model_type) == 0);
}

const char *glim_config_known_name(const glim_config *c, uint64_t *n_params) {
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (!fits(&table[i], c)) continue;
        if (n_params) *n_params = table[i].n_params;
        return table[i].name;
    }
    if (n_params) *n_params = 0;
    return NULL;
}
