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
    glim_buf_printf(&b, "],\n  \"task_type\": \"CAUSAL_LM\",\n  \"use_dora\": %s,\n  \"use_rslora\": %s\n}\n", p->dora ? "true" : "false",
                    p->rslora ? "true" : "false");
    char *path = glim_path_join(folder, "adapter_config.json");
    const glim_status rc = glim_file_write_atomic(path, b.s, b.len, err);
    free(path);
    glim_buf_free(&b);
    return rc;
}

glim_status glim_peft_write(const char *folder, const glim_peft_write_params *p, glim_err *err) {
    enum { NAME = 640 };
    static const char *const halves[] = {"lora_A.weight", "lora_B.weight", "lora_magnitude_vector"};
    const size_t of_pair = p->dora ? 3 : 2;
    void *list, *names;
    glim_status rc = glim_mkdirs(folder, err);
    if (rc != GLIM_OK) return rc;
    rc = glim_try_calloc(&list, of_pair * p->n_pairs, sizeof(glim_tensor_out), "a list of tensors", err);
    if (rc != GLIM_OK) return rc;
    rc = glim_try_calloc(&names, of_pair * p->n_pairs, NAME, "a list of names", err);
    glim_tensor_out *t = list;
    for (size_t i = 0; rc == GLIM_OK && i < p->n_pairs; i++) {
        const glim_peft_write_pair *x = &p->pairs[i];
        const float *const data[] = {x->a, x->b, x->magnitude};
        const size_t dims[][2] = {{x->rank, x->n_in}, {x->n_out, x->rank}, {x->n_out, 0}};
        for (size_t k = 0; k < of_pair; k++) {
            char *name = (char *)names + (of_pair * i + k) * NAME;
            snprintf(name, NAME, "base_model.model.%s.%s", x->module, halves[k]);
            t[of_pair * i + k] = (glim_tensor_out){.name = name, .type = GLIM_F32, .n_dims = k < 2 ? 2 : 1, .data = data[k],
                                                   .dims = {dims[k][0], dims[k][1]}};
        }
    }
    if (rc == GLIM_OK) {
        char *path = glim_path_join(folder, "adapter_model.safetensors");
        json_t *meta = json_pack("{s:s, s:s*}", "format", "pt", "glim.privacy", p->privacy);
        rc = meta ? glim_st_write(path, t, of_pair * p->n_pairs, meta, err) : glim_fail(err, GLIM_E_NOMEM, "could not allocate metadata");
        json_decref(meta);
        free(path);
    }
    if (rc == GLIM_OK) rc = write_config(folder, p, err);
    free(list);
    free(names);
    return rc;
}
