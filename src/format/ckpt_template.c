/* ckpt_template.c - finds a checkpoint's chat template, in the order in which transformers looks:
 * chat_template.jinja, chat_template.json, then "chat_template" of tokenizer_config.json; GGUF has
 * tokenizer.chat_template. A value is a text, or a list of {name, template} with one named "default". */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/json.h"
#include "format/ckpt_internal.h"

enum {
    TEMPLATE_MAX = 4 << 20,        /* bytes of template text; the longest known has 30 kB */
    TOKENIZER_CONFIG_MAX = 64 << 20
};

static glim_status copy_text(char **out, const char *s, size_t n, glim_err *err) {
    if (n > TEMPLATE_MAX)
        return glim_fail(err, GLIM_E_LIMIT, "chat template: got %zu bytes, want at most %d", n, TEMPLATE_MAX);
    if (memchr(s, 0, n)) return glim_fail(err, GLIM_E_FORMAT, "chat template: the text holds a NUL");
    void *p = NULL;
    glim_status rc = glim_try_realloc(&p, n + 1, 1, "the chat template", err);
    if (rc != GLIM_OK) return rc;
    memcpy(p, s, n);
    ((char *)p)[n] = 0;
    *out = p;
    return GLIM_OK;
}

static glim_status from_json(char **out, const json_t *v, glim_err *err) {
    if (!v || json_is_null(v)) return GLIM_OK;
    if (json_is_string(v)) return copy_text(out, json_string_value(v), json_string_length(v), err);
    if (!json_is_array(v))
        return glim_fail(err, GLIM_E_FORMAT, "\"chat_template\": got %s, want a string or a list",
                         glim_json_type_name(v));
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *name = json_object_get(json_array_get(v, i), "name");
        const json_t *text = json_object_get(json_array_get(v, i), "template");
        if (!json_is_string(name) || !json_is_string(text))
            return glim_fail(err, GLIM_E_FORMAT, "\"chat_template\" item %zu: want an object with the "
                             "strings name and template", i);
        if (strcmp(json_string_value(name), "default") == 0)
            return copy_text(out, json_string_value(text), json_string_length(text), err);
    }
    return GLIM_OK; /* templates for other uses only: the checkpoint has no template for chat */
}

static glim_status from_json_file(char **out, const char *path, size_t max, glim_err *err) {
    if (!glim_path_exists(path)) return GLIM_OK;
    json_t *root;
    glim_status rc = glim_json_read(&root, path, max, err);
    if (rc != GLIM_OK) return rc;
    rc = from_json(out, json_object_get(root, "chat_template"), err);
    if (rc != GLIM_OK) glim_err_context(err, "%s", path);
    json_decref(root);
    return rc;
}

static glim_status from_text_file(char **out, const char *path, glim_err *err) {
    if (!glim_path_exists(path)) return GLIM_OK;
    glim_buf b = {0};
    glim_status rc = glim_file_read(&b, path, TEMPLATE_MAX, err);
    if (rc == GLIM_OK) {
        rc = copy_text(out, glim_buf_cstr(&b), b.len, err);
        if (rc != GLIM_OK) glim_err_context(err, "%s", path);
    }
    glim_buf_free(&b);
    return rc;
}

glim_status glim_ckpt_template_of_folder(char **out, const char *dir, glim_err *err) {
    *out = NULL;
    char *jinja = glim_path_join(dir, "chat_template.jinja");
    char *json = glim_path_join(dir, "chat_template.json");
    char *config = glim_path_join(dir, "tokenizer_config.json");
    glim_status rc = from_text_file(out, jinja, err);
    if (rc == GLIM_OK && !*out) rc = from_json_file(out, json, 2 * TEMPLATE_MAX, err);
    if (rc == GLIM_OK && !*out) rc = from_json_file(out, config, TOKENIZER_CONFIG_MAX, err);
    free(jinja);
    free(json);
    free(config);
    return rc;
}

glim_status glim_ckpt_template_of_gguf(char **out, const glim_gguf *g, const char *path, glim_err *err) {
    *out = NULL;
    glim_gguf_text t;
    glim_status rc = glim_gguf_str(g, "tokenizer.chat_template", &t, err);
    if (rc == GLIM_OK && t.s) rc = copy_text(out, t.s, t.len, err);
    if (rc != GLIM_OK) glim_err_context(err, "%s", path);
    return rc;
}
