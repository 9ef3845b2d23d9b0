/* export.c - see export.h. */
#include "train/export.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "format/peft_write.h"
#include "format/st.h"
#include "model/adapter.h"

/* ---- adapters ---- */

static bool rotated(const glim_pair *p) {
    for (int i = 0; i < p->n_parts; i++)
        if (p->rotated_from[i]) return true;
    return false;
}

/* dst [n_out, width] in the order of Hugging Face's rows, from src in the model's; or back. */
static void reorder(const glim_net *n, const glim_pair *p, float *dst, const float *src, size_t width, bool back) {
    size_t row = 0;
    for (int i = 0; i < p->n_parts; row += p->part_rows[i++])
        for (size_t k = 0; k < p->part_rows[i]; k++) {
            const size_t ours = row + k, theirs = row + glim_adapter_source_row(n->m, p->rotated_from[i], k);
            memcpy(dst + (back ? ours : theirs) * width, src + (back ? theirs : ours) * width, width * sizeof *dst);
        }
}

glim_status glim_net_export_adapter(const glim_net *n, const char *folder, const char *base, glim_err *err) {
    void *list, *rows;
    size_t n_values = 0;
    for (size_t i = 0; i < n->n_pairs; i++) n_values += n->pairs[i].n_out * (n->pairs[i].rank + n->lora.dora);
    glim_status rc = glim_try_calloc(&list, n->n_pairs, sizeof(glim_peft_write_pair), "a list of pairs", err);
    if (rc != GLIM_OK) return rc;
    rc = glim_try_calloc(&rows, n_values, sizeof(float), "the adapter", err);
    glim_peft_write_pair *out = list;
    float *at = rows;
    for (size_t i = 0; rc == GLIM_OK && i < n->n_pairs; i++) {
        const glim_pair *p = &n->pairs[i];
        float *b = at, *m = n->lora.dora ? b + p->n_out * p->rank : NULL;
        reorder(n, p, b, n->w + n->params[p->b].at, p->rank, false);
        if (m) reorder(n, p, m, n->w + n->params[p->m].at, 1, false);
        at = b + p->n_out * (p->rank + n->lora.dora);
        out[i] = (glim_peft_write_pair){p->module, p->rank, p->n_in, p->n_out, n->w + n->params[p->a].at, b, m};
    }
    if (rc == GLIM_OK) {
        const glim_peft_write_params p = {.base = base, .rank = n->lora.rank, .alpha = n->lora.alpha, .dropout = n->lora.dropout,
                                          .rslora = n->lora.rslora, .dora = n->lora.dora, .privacy = n->privacy, .pairs = out,
                                          .n_pairs = n->n_pairs};
        rc = glim_peft_write(folder, &p, err);
    }
    free(list);
    free(rows);
    return rc;
}

static const glim_tensor *find_tensor(const glim_st *st, const char *name) {
    for (size_t i = 0; i < glim_st_n_tensors(st); i++)
        if (strcmp(glim_st_tensor(st, i)->name, name) == 0) return glim_st_tensor(st, i);
    return NULL;
}

glim_status glim_net_import_adapter(glim_net *n, const char *path, bool some, glim_err *err) {
    glim_st *st;
    glim_status rc = glim_st_open(&st, path, err);
    if (rc != GLIM_OK) return rc;
    for (size_t i = 0; rc == GLIM_OK && i < n->n_params; i++) {
        const glim_param *p = &n->params[i];
        const glim_tensor *t = find_tensor(st, p->name);
        if (!t && some) continue;
        if (!t) rc = glim_fail(err, GLIM_E_NOT_FOUND, "%s: tensor \"%s\" is missing", path, p->name);
        else if (t->n_dims != p->n_dims || t->dims[0] != p->dims[0] || (p->n_dims > 1 && t->dims[1] != p->dims[1]) || !glim_dtype_of(t->type)->has_values)
            rc = glim_fail(err, GLIM_E_SHAPE, "%s: tensor \"%s\": want [%zu, %zu] numbers", path, p->name, p->dims[0], p->n_dims > 1 ? p->dims[1] : 1);
        else glim_dequant(t->type, t->data, n->w + p->at, p->n);
    }
    for (size_t i = 0; rc == GLIM_OK && i < n->n_pairs; i++) {
        const glim_pair *p = &n->pairs[i];
        const size_t index[] = {p->b, p->m};
        for (size_t k = 0; rc == GLIM_OK && rotated(p) && k < (n->lora.dora ? 2 : 1); k++) {
            const glim_param *x = &n->params[index[k]];
            void *copy;
            if (some && !find_tensor(st, x->name)) continue;
            rc = glim_try_calloc(&copy, x->n, sizeof(float), "an adapter", err);
            if (rc != GLIM_OK) break;
            memcpy(copy, n->w + x->at, x->n * sizeof(float));
            reorder(n, p, n->w + x->at, copy, k ? 1 : p->rank, true);
            free(copy);
        }
    }
    glim_st_close(st);
    return rc;
}

/* ---- whole models ---- */

/* Values as the tensor's own type, a slab at a time. */
static glim_status fill(void *ctx, const glim_tensor_out *t, glim_sink *sink, glim_err *err) {
    enum { SLAB = 1 << 16 };
    const float *v = ctx;
    size_t n = 1, size = glim_dtype_of(t->type)->block_bytes;
    for (int d = 0; d < t->n_dims; d++) n *= t->dims[d];
    void *slab = NULL;
    glim_status rc = glim_try_calloc(&slab, SLAB, size, "writing a tensor", err);
    for (size_t i = 0; rc == GLIM_OK && i < n; i += SLAB) {
        const size_t k = n - i < SLAB ? n - i : SLAB;
        glim_quant_simple(t->type, v + i, slab, k);
        rc = glim_sink_write(sink, slab, k * size, err);
    }
    free(slab);
    return rc;
}

static glim_status copy_one(const char *from, const char *to, const char *name, glim_err *err) {
    char *src = glim_path_join(from, name), *dst = glim_path_join(to, name);
    glim_buf b = {0};
    glim_status rc = GLIM_OK;
    if (glim_path_exists(src) && !glim_path_is_dir(src)) {
        rc = glim_file_read(&b, src, (size_t)1 << 28, err);
        if (rc == GLIM_OK) rc = glim_file_write_atomic(dst, glim_buf_cstr(&b), b.len, err);
    }
    glim_buf_free(&b);
    free(src);
    free(dst);
    return rc;
}

/* The code that "auto_map" in config.json and tokenizer_config.json names (ChatGLM): without it transformers refuses the folder. */
static glim_status copy_code(const char *from, const char *to, glim_err *err) {
    DIR *d = opendir(from);
    glim_status rc = GLIM_OK;
    if (!d) return errno == ENOTDIR ? GLIM_OK : glim_fail_errno(err, GLIM_E_IO, errno, "could not list \"%s\"", from);
    for (struct dirent *e; rc == GLIM_OK && (e = readdir(d));) {
        const size_t n = strlen(e->d_name);
        if (e->d_name[0] != '.' && n > 3 && strcmp(e->d_name + n - 3, ".py") == 0) rc = copy_one(from, to, e->d_name, err);
    }
    closedir(d);
    return rc;
}

glim_status glim_copy_beside(const char *from, const char *to, glim_err *err) {
    static const char *const names[] = {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
                                        "tokenizer.model", "special_tokens_map.json", "added_tokens.json", "chat_template.jinja",
                                        "chat_template.json", "vocab.json", "merges.txt"};
    glim_status rc = copy_code(from, to, err);
    for (size_t i = 0; rc == GLIM_OK && i < GLIM_COUNT(names); i++) rc = copy_one(from, to, names[i], err);
    return rc;
}

/* Where the values of a tensor are now; NULL: it is as it was. */
static float *values_of(const glim_net *n, const glim_tensor *t) {
    for (size_t k = 0; k < n->n_params; k++)
        if (strcmp(n->params[k].name, t->name) == 0) return n->w + n->params[k].at;
    for (size_t i = 0; n->router_bias && i < n->m->n_bound_parts; i++) {
        const glim_bound *x = &n->m->bound[i];
        for (size_t l = 0; x->tensor == t && x->values && l < n->m->cfg.n_layer; l++)
            if (x->values == n->m->layers[l].router_bias) return n->router_bias + l * n->m->cfg.n_expert;
    }
    return NULL;
}

glim_status glim_check_own_folder(const glim_model *m, const char *folder, glim_err *err) {
    const char *path = glim_ckpt_path(m->ckpt);
    const bool file = glim_ckpt_kind_of(m->ckpt) == GLIM_CKPT_HF && !glim_path_is_dir(path); /* of a folder; a GGUF may lie anywhere */
    const char *slash = strrchr(path, '/');
    char *dir = glim_xstrdup(file && !slash ? "." : path);
    struct stat own, out;
    if (file && slash) dir[slash - path + 1] = 0;
    const bool same = folder && stat(dir, &own) == 0 && stat(folder, &out) == 0 && own.st_dev == out.st_dev && own.st_ino == out.st_ino;
    free(dir);
    if (same) {
        glim_fail(err, GLIM_E_ARG, "\"%s\" is the model's own folder: what is trained would take its place", folder);
        glim_err_hint(err, "another folder with -o");
        return GLIM_E_ARG;
    }
    return GLIM_OK;
}

glim_status glim_check_export_model(const glim_model *m, const char *folder, glim_err *err) {
    const char *path = glim_ckpt_path(m->ckpt);
    if (glim_ckpt_kind_of(m->ckpt) != GLIM_CKPT_HF || !glim_path_is_dir(path)) {
        glim_fail(err, GLIM_E_UNSUPPORTED, "%s: full weights are written for Hugging Face folders only", path);
        glim_err_hint(err, "an adapter (without --full) is trained on any file; `glim export MODEL.gguf -o FOLDER` makes a folder of a GGUF");
        return GLIM_E_UNSUPPORTED;
    }
    return glim_check_own_folder(m, folder, err);
}

glim_status glim_net_export_model(const glim_net *n, const char *folder, glim_err *err) {
    const glim_ckpt *c = n->m->ckpt;
    const size_t n_tensors = glim_ckpt_n_tensors(c);
    void *list;
    glim_status rc = glim_check_export_model(n->m, folder, err);
    if (rc == GLIM_OK) rc = glim_mkdirs(folder, err);
    if (rc == GLIM_OK) rc = glim_try_calloc(&list, n_tensors, sizeof(glim_tensor_out), "a list of tensors", err);
    if (rc != GLIM_OK) return rc;
    glim_tensor_out *out = list;
    for (size_t i = 0; i < n_tensors; i++) {
        const glim_tensor *t = glim_ckpt_tensor(c, i);
        out[i] = (glim_tensor_out){.name = t->name, .type = t->type, .n_dims = t->n_dims, .data = t->data};
        memcpy(out[i].dims, t->dims, sizeof t->dims);
        float *values = values_of(n, t);
        if (!values) continue;
        if (t->type != GLIM_F16 && t->type != GLIM_BF16) out[i].type = GLIM_F32;
        out[i].data = NULL;
        out[i].fill = fill;
        out[i].ctx = values;
    }
    json_t *meta = json_pack("{s:s, s:s*}", "format", "pt", "glim.privacy", n->privacy);
    rc = meta ? glim_st_write_folder(folder, out, n_tensors, meta, (uint64_t)4 << 30, err) : glim_fail(err, GLIM_E_NOMEM, "could not allocate metadata");
    json_decref(meta);
    free(list);
    return rc == GLIM_OK ? glim_copy_beside(glim_ckpt_path(c), folder, err) : rc;
}
