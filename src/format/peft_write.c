/* peft_write.c - see peft_write.h. */
#include "format/peft_write.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "format/st.h"

static const char *last_word(const char *module) {
    const char *dot = strrchr(module, '.');
    return dot ? dot + 1 : module;
}

static glim_status write_config(const char *folder, const glim_peft_write_params *p, glim_err *err) {
    glim_buf b = {0};
    glim_buf_puts(&b, "{\n  \"base_model_name_or_path\": ");
    glim_json_put_str(&b, p->base, strlen(p->base));
    glim_buf_puts(&b, ",\n  \"bias\": \"none\",\n  \"fan_in_fan_out\": false,\n  \"inference_mode\": true,\n  \"init_lora_weights\": true");
    glim_buf_puts(&b, ",\n  \"lora_alpha\": ");
    glim_json_put_real(&b, p->alpha);
    glim_buf_puts(&b, ",\n  \"lora_dropout\": ");
    glim_json_put_real(&b, p->dropout);
    glim_buf_printf(&b, ",\n  \"modules_to_save\": null,\n  \"peft_type\": \"LORA\",\n  \"r\": %zu,\n  \"target_modules\": [", p->rank);
    for (size_t i = 0, n = 0; i < p->n_pairs; i++) {
        const char *word = last_word(p->pairs[i].module);
        bool seen = false;
        for (size_t j = 0; j < i && !seen; j++) seen = strcmp(last_word(p->pairs[j].module), word) == 0;
        if (seen) continue;
        if (n++) glim_buf_puts(&b, ", ");
        glim_json_put_str(&b, word, strlen(word));
    }
    glim_buf_printf(&b, "],\n  \"task_type\": \"CAUSAL_LM\",\n  \"use_dora\": false,\n  \"use_rslora\": %s\n}\n", p->rslora ? "true" : "false");
    char *path = glim_path_join(folder, "adapter_config.json");
    const glim_status rc = glim_file_write_atomic(path, b.s, b.len, err);
    free(path);
    glim_buf_free(&b);
    return rc;
}

glim_status glim_peft_write(const char *folder, const glim_peft_write_params *p, glim_err *err) {
    enum { NAME = 640 };
    void *list, *names;
    glim_status rc = glim_mkdirs(folder, err);
    if (rc != GLIM_OK) return rc;
    rc = glim_try_calloc(&list, 2 * p->n_pairs, sizeof(glim_tensor_out), "a list of tensors", err);
    if (rc != GLIM_OK) return rc;
    rc = glim_try_calloc(&names, 2 * p->n_pairs, NAME, "a list of names", err);
    glim_tensor_out *t = list;
    for (size_t i = 0; rc == GLIM_OK && i < p->n_pairs; i++) {
        const glim_peft_write_pair *x = &p->pairs[i];
        for (size_t k = 0; k < 2; k++) {
            char *name = (char *)names + (2 * i + k) * NAME;
            snprintf(name, NAME, "base_model.model.%s.lora_%c.weight", x->module, k ? 'B' : 'A');
            t[2 * i + k] = (glim_tensor_out){.name = name, .type = GLIM_F32, .n_dims = 2, .data = k ? x->b : x->a,
                                             .dims = {k ? x->n_out : x->rank, k ? x->rank : x->n_in}};
        }
    }
    if (rc == GLIM_OK) {
        char *path = glim_path_join(folder, "adapter_model.safetensors");
        json_t *meta = json_pack("{s:s, s:s*}", "format", "pt", "glim.privacy", p->privacy);
        rc = meta ? glim_st_write(path, t, 2 * p->n_pairs, meta, err) : glim_fail(err, GLIM_E_NOMEM, "could not allocate metadata");
        json_decref(meta);
        free(path);
    }
    if (rc == GLIM_OK) rc = write_config(folder, p, err);
    free(list);
    free(names);
    return rc;
}
