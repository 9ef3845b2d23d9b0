/* ckpt.c - opening checkpoints; see ckpt.h.
 *
 *   path --folder--> safetensors (one, or index and shards) | one GGUF set | a refusal with its remedy
 *        --file----> .safetensors, or GGUF and the other files of its set
 *
 * Owns       the mappings, the tensor list over all files, the hash of names, the JSON beside them.
 * Leaves     what the numbers in config.json mean to config.c, what the tensors are for to model/. */
#include "format/ckpt.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "format/ckpt_internal.h"
#include "format/gguf.h"
#include "format/names.h"
#include "format/st.h"

enum {
    INDEX_MAX = 64 << 20,  /* bytes of model.safetensors.index.json: GLM-4.6's has 5 MB */
    CONFIG_MAX = 16 << 20, /* bytes of config.json */
    MAX_FILES = 10000
};

typedef struct ckpt_file {
    char *path;
    glim_st *st; /* one of the two */
    glim_gguf *gguf;
} ckpt_file;

struct glim_ckpt {
    char *path;
    glim_ckpt_kind kind;
    ckpt_file *files; /* [n_files], room for cap_files */
    size_t n_files, cap_files;
    glim_tensor *tensors; /* [n_tensors] */
    size_t n_tensors;
    glim_names names;
    json_t *config, *generation;
    char *chat_template;
};

static bool ends_with(const char *s, const char *end) {
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

static size_t file_n_tensors(const ckpt_file *f) {
    return f->st ? glim_st_n_tensors(f->st) : glim_gguf_n_tensors(f->gguf);
}

static glim_status reserve_files(glim_ckpt *c, size_t n, glim_err *err) {
    void *p;
    glim_status rc = glim_try_calloc(&p, n, sizeof *c->files, "the list of files", err);
    if (rc != GLIM_OK) return rc;
    c->files = p;
    c->cap_files = n;
    return GLIM_OK;
}

static struct {
    const char *name; /* NULL: none */
    const void *bytes;
    size_t n;
} g_builtin;

void glim_ckpt_builtin(const char *name, const void *bytes, size_t n_bytes) {
    g_builtin.name = name;
    g_builtin.bytes = bytes;
    g_builtin.n = n_bytes;
}

static bool is_builtin(const char *path) { return g_builtin.name && strcmp(path, g_builtin.name) == 0; }

const void *glim_ckpt_builtin_bytes(const char *path, size_t *n_bytes) {
    *n_bytes = g_builtin.n;
    return is_builtin(path) ? g_builtin.bytes : NULL;
}

/* Opens one more file; takes `path` (heap) whatever happens. */
static glim_status add_file(glim_ckpt *c, char *path, glim_err *err) {
    GLIM_ASSERT(c->n_files < c->cap_files);
    ckpt_file *f = &c->files[c->n_files++];
    f->path = path;
    if (is_builtin(path)) return glim_gguf_open_mem(&f->gguf, g_builtin.bytes, g_builtin.n, path, err);
    return c->kind == GLIM_CKPT_GGUF ? glim_gguf_open(&f->gguf, path, err) : glim_st_open(&f->st, path, err);
}

/* One list over all files, and the hash of names. */
static glim_status collect_tensors(glim_ckpt *c, glim_err *err) {
    size_t n = 0;
    for (size_t f = 0; f < c->n_files; f++) n += file_n_tensors(&c->files[f]);
    void *p;
    glim_status rc = glim_try_calloc(&p, n, sizeof *c->tensors, "the list of tensors", err);
    if (rc != GLIM_OK) return rc;
    c->tensors = p;
    rc = glim_names_init(&c->names, n, "tensor names", err);
    if (rc != GLIM_OK) return rc;
    for (size_t f = 0; f < c->n_files; f++) {
        const ckpt_file *file = &c->files[f];
        for (size_t i = 0; i < file_n_tensors(file); i++) {
            glim_tensor *t = &c->tensors[c->n_tensors];
            *t = file->st ? *glim_st_tensor(file->st, i) : *glim_gguf_tensor(file->gguf, i);
            t->file = (int)f;
            size_t old;
            if (!glim_names_add(&c->names, t->name, strlen(t->name), c->n_tensors, &old))
                return glim_fail(err, GLIM_E_FORMAT, "tensor \"%s\" is in two files: %s and %s", t->name,
                                 c->files[c->tensors[old].file].path, file->path);
            c->n_tensors++;
        }
    }
    return GLIM_OK;
}

/* --- GGUF ----------------------------------------------------------------------------------------- */

static glim_status read_split(const glim_gguf *g, uint64_t *no, uint64_t *count, uint64_t *n_tensors,
                              glim_err *err) {
    glim_status rc = glim_gguf_u64(g, "split.no", 0, no, err);
    if (rc == GLIM_OK) rc = glim_gguf_u64(g, "split.count", 1, count, err);
    if (rc == GLIM_OK) rc = glim_gguf_u64(g, "split.tensors.count", 0, n_tensors, err);
    if (rc == GLIM_OK && *count == 0) *count = 1; /* as llama.cpp reads it: not split */
    if (rc == GLIM_OK && (*count > MAX_FILES || *no >= *count))
        rc = glim_fail(err, GLIM_E_FORMAT, "key \"split.no\": got file %llu of %llu, want fewer than %d",
                       (unsigned long long)*no, (unsigned long long)*count, MAX_FILES);
    return rc;
}

/* "<stem>-00001-of-0000N.gguf" for i = 0; false if path does not end as file `no` of `count` does. */
static bool split_stem(const char *path, uint64_t no, uint64_t count, size_t *stem) {
    char end[64];
    snprintf(end, sizeof end, "-%05u-of-%05u.gguf", (unsigned)no + 1, (unsigned)count);
    if (!ends_with(path, end)) return false;
    *stem = strlen(path) - strlen(end);
    return true;
}

static char *split_name(const char *path, size_t stem, uint64_t no, uint64_t count) {
    char *s = glim_xmalloc(stem + 64);
    snprintf(s, stem + 64, "%.*s-%05u-of-%05u.gguf", (int)stem, path, (unsigned)no + 1, (unsigned)count);
    return s;
}

static glim_status open_split(glim_ckpt *c, uint64_t count, uint64_t n_tensors, size_t stem,
                              glim_err *err) {
    uint64_t sum = glim_gguf_n_tensors(c->files[0].gguf);
    for (uint64_t i = 1; i < count; i++) {
        glim_status rc = add_file(c, split_name(c->files[0].path, stem, i, count), err);
        if (rc != GLIM_OK) return rc;
        const ckpt_file *f = &c->files[c->n_files - 1];
        uint64_t no, n, total;
        rc = read_split(f->gguf, &no, &n, &total, err);
        if (rc == GLIM_OK && (no != i || n != count))
            rc = glim_fail(err, GLIM_E_FORMAT, "it says that it is file %llu of %llu, want %llu of %llu",
                           (unsigned long long)no + 1, (unsigned long long)n, (unsigned long long)i + 1,
                           (unsigned long long)count);
        if (rc != GLIM_OK) {
            glim_err_context(err, "%s", f->path);
            return rc;
        }
        sum += glim_gguf_n_tensors(f->gguf);
    }
    if (sum != n_tensors)
        return glim_fail(err, GLIM_E_FORMAT, "%s: the %llu files of the set hold %llu tensors, want %llu",
                         c->files[0].path, (unsigned long long)count, (unsigned long long)sum,
                         (unsigned long long)n_tensors);
    return GLIM_OK;
}

static glim_status open_gguf(glim_ckpt *c, const char *path, glim_err *err) {
    c->kind = GLIM_CKPT_GGUF;
    /* Room for one until the first file has said how many there are. */
    glim_status rc = reserve_files(c, 1, err);
    if (rc == GLIM_OK) rc = add_file(c, glim_xstrdup(path), err);
    if (rc != GLIM_OK) return rc;
    uint64_t no, count, n_tensors;
    rc = read_split(c->files[0].gguf, &no, &count, &n_tensors, err);
    if (rc != GLIM_OK) {
        glim_err_context(err, "%s", path);
        return rc;
    }
    if (count > 1) {
        size_t stem;
        if (!split_stem(path, no, count, &stem))
            return glim_fail(err, GLIM_E_FORMAT, "%s: file %u of a set of %u, want a name that ends in "
                             "-%05u-of-%05u.gguf", path, (unsigned)no + 1, (unsigned)count, (unsigned)no + 1,
                             (unsigned)count);
        if (no != 0) {
            char *first = split_name(path, stem, 0, count);
            rc = glim_fail(err, GLIM_E_ARG, "%s: this is file %u of a set of %u", path, (unsigned)no + 1,
                           (unsigned)count);
            glim_err_hint(err, "open the first: %s", first);
            free(first);
            return rc;
        }
        void *p = c->files;
        rc = glim_try_realloc(&p, (size_t)count, sizeof *c->files, "the list of files", err);
        if (rc != GLIM_OK) return rc;
        c->files = p;
        memset(c->files + 1, 0, ((size_t)count - 1) * sizeof *c->files);
        c->cap_files = (size_t)count;
        rc = open_split(c, count, n_tensors, stem, err);
        if (rc != GLIM_OK) return rc;
    }
    return collect_tensors(c, err);
}

/* --- safetensors ------------------------------------------------------------------------------------ */

static int by_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static glim_status check_shard_name(const json_t *v, const char *tensor, glim_err *err) {
    if (!json_is_string(v))
        return glim_fail(err, GLIM_E_FORMAT, "tensor \"%s\": got %s, want a file name", tensor,
                         glim_json_type_name(v));
    const char *s = json_string_value(v);
    size_t n = json_string_length(v);
    if (n == 0 || n > 255 || strlen(s) != n || strchr(s, '/') || strchr(s, '\\') || strstr(s, "..") ||
        !ends_with(s, ".safetensors"))
        return glim_fail(err, GLIM_E_FORMAT, "tensor \"%s\": got the file \"%.100s\", want the plain name "
                         "of a .safetensors file in the folder", tensor, s);
    return GLIM_OK;
}

/* Every tensor of the map is in the shard it names. */
static glim_status check_map(const glim_ckpt *c, const json_t *map, glim_err *err) {
    const char *tensor;
    json_t *v;
    json_object_foreach((json_t *)map, tensor, v) {
        const glim_tensor *t = glim_ckpt_find(c, tensor);
        const char *want = json_string_value(v);
        if (!t)
            return glim_fail(err, GLIM_E_NOT_FOUND, "tensor \"%s\": the index says that it is in \"%s\", "
                             "which has no such tensor", tensor, want);
        const char *path = c->files[t->file].path, *slash = strrchr(path, '/');
        const char *got = slash ? slash + 1 : path;
        if (strcmp(got, want) != 0)
            return glim_fail(err, GLIM_E_FORMAT, "tensor \"%s\": got it in \"%s\", want it in \"%s\" as "
                             "the index says", tensor, got, want);
    }
    return GLIM_OK;
}

/* The shards that the map names, in order of name, each opened once. */
static glim_status open_shards(glim_ckpt *c, const char *dir, const json_t *map, glim_err *err) {
    void *p;
    size_t n = 0, n_names = json_object_size(map);
    glim_status rc = glim_try_calloc(&p, n_names, sizeof(char *), "the list of shards", err);
    if (rc != GLIM_OK) return rc;
    const char **names = p, *tensor;
    json_t *v;
    json_object_foreach((json_t *)map, tensor, v) {
        rc = check_shard_name(v, tensor, err);
        if (rc != GLIM_OK) goto done;
        names[n++] = json_string_value(v);
    }
    if (n == 0) {
        rc = glim_fail(err, GLIM_E_FORMAT, "\"weight_map\" is empty");
        goto done;
    }
    qsort(names, n, sizeof *names, by_text);
    size_t n_unique = 1;
    for (size_t i = 1; i < n; i++)
        if (strcmp(names[i], names[n_unique - 1]) != 0) names[n_unique++] = names[i];
    if (n_unique > MAX_FILES) {
        rc = glim_fail(err, GLIM_E_LIMIT, "got %zu shards, want at most %d", n_unique, MAX_FILES);
        goto done;
    }
    rc = reserve_files(c, n_unique, err);
    for (size_t i = 0; i < n_unique && rc == GLIM_OK; i++) {
        rc = add_file(c, glim_path_join(dir, names[i]), err);
        if (rc == GLIM_E_NOT_FOUND)
            glim_err_hint(err, "shard %zu of %zu is missing: the download is not complete", i + 1, n_unique);
    }
done:
    free(names);
    return rc;
}

static glim_status open_index(glim_ckpt *c, const char *dir, const char *index, glim_err *err) {
    json_t *root;
    glim_status rc = glim_json_read(&root, index, INDEX_MAX, err);
    if (rc != GLIM_OK) return rc;
    const json_t *map = json_object_get(root, "weight_map");
    if (!json_is_object(map))
        rc = glim_fail(err, GLIM_E_FORMAT, "\"weight_map\": got %s, want an object", glim_json_type_name(map));
    else rc = open_shards(c, dir, map, err);
    /* An error of a shard names the shard; the rest are the index's. */
    if (rc != GLIM_OK && c->n_files == 0) glim_err_context(err, "%s", index);
    if (rc == GLIM_OK) rc = collect_tensors(c, err);
    if (rc == GLIM_OK) {
        rc = check_map(c, map, err);
        if (rc != GLIM_OK) glim_err_context(err, "%s", index);
    }
    json_decref(root);
    return rc;
}

static glim_status open_one_st(glim_ckpt *c, const char *path, glim_err *err) {
    glim_status rc = reserve_files(c, 1, err);
    if (rc == GLIM_OK) rc = add_file(c, glim_xstrdup(path), err);
    if (rc == GLIM_OK) rc = collect_tensors(c, err);
    return rc;
}

/* --- What lies beside the weights --------------------------------------------------------------------- */

static glim_status read_beside(json_t **out, const char *dir, const char *name, size_t max, glim_err *err) {
    *out = NULL;
    char *path = glim_path_join(dir, name);
    glim_status rc = GLIM_OK;
    if (glim_path_exists(path)) {
        rc = glim_json_read(out, path, max, err);
        if (rc == GLIM_OK && !json_is_object(*out)) {
            rc = glim_fail(err, GLIM_E_FORMAT, "%s: got %s, want an object", path, glim_json_type_name(*out));
            json_decref(*out);
            *out = NULL;
        }
    }
    free(path);
    return rc;
}

static glim_status read_companions(glim_ckpt *c, const char *dir, glim_err *err) {
    glim_status rc = read_beside(&c->config, dir, "config.json", CONFIG_MAX, err);
    if (rc == GLIM_OK) rc = read_beside(&c->generation, dir, "generation_config.json", CONFIG_MAX, err);
    if (rc == GLIM_OK) rc = glim_ckpt_template_of_folder(&c->chat_template, dir, err);
    return rc;
}

/* --- Folders -------------------------------------------------------------------------------------------- */

/* What a folder holds besides the names that are looked for first. Names are heap or NULL. */
typedef struct survey {
    int n_st, n_gguf, n_pickle;
    char *st, *gguf; /* one of each: the first by name */
} survey;

static void keep_first(char **slot, const char *name) {
    if (*slot && strcmp(*slot, name) <= 0) return;
    free(*slot);
    *slot = glim_xstrdup(name);
}

/* "-00002-of-00003.gguf" and its like: any but the first file of a set. */
static bool is_later_split(const char *name) {
    unsigned no, count;
    size_t n = strlen(name);
    int used = 0;
    if (n < 20 || sscanf(name + n - 20, "-%5u-of-%5u.gguf%n", &no, &count, &used) != 2 || used != 20)
        return false;
    return no != 1;
}

static glim_status survey_folder(survey *s, const char *dir, glim_err *err) {
    *s = (survey){0};
    DIR *d = opendir(dir);
    if (!d) return glim_fail_errno(err, GLIM_E_IO, errno, "could not open folder \"%s\"", dir);
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        if (ends_with(e->d_name, ".safetensors")) {
            s->n_st++;
            keep_first(&s->st, e->d_name);
        } else if (ends_with(e->d_name, ".gguf")) {
            if (is_later_split(e->d_name)) continue;
            s->n_gguf++;
            keep_first(&s->gguf, e->d_name);
        } else if (ends_with(e->d_name, ".bin") || ends_with(e->d_name, ".pt") ||
                   ends_with(e->d_name, ".pth")) {
            s->n_pickle++;
        }
    }
    closedir(d);
    return GLIM_OK;
}

static glim_status no_weights(const survey *s, const char *dir, glim_err *err) {
    if (s->n_st > 1)
        return glim_fail(err, GLIM_E_NOT_FOUND, "%s: got %d .safetensors files and no "
                         "model.safetensors.index.json, want the index that says which tensor is where",
                         dir, s->n_st);
    if (s->n_gguf > 1) {
        glim_status rc = glim_fail(err, GLIM_E_ARG, "%s: got %d GGUF models in the folder, want one", dir,
                                   s->n_gguf);
        glim_err_hint(err, "name the file, for example %s/%s", dir, s->gguf);
        return rc;
    }
    if (s->n_pickle > 0) {
        glim_status rc = glim_fail(err, GLIM_E_UNSUPPORTED, "%s: got PyTorch weights (.bin), want "
                                   "safetensors or GGUF: .bin files can run code when they are read", dir);
        glim_err_hint(err, "fetch the safetensors version of the model, or convert it: in Python, "
                      "AutoModelForCausalLM.from_pretrained(dir).save_pretrained(out)");
        return rc;
    }
    return glim_fail(err, GLIM_E_NOT_FOUND, "%s: got no weights in the folder, want model.safetensors, "
                     "model.safetensors.index.json or a .gguf file", dir);
}

static glim_status open_folder(glim_ckpt *c, const char *dir, glim_err *err) {
    char *one = glim_path_join(dir, "model.safetensors");
    char *index = glim_path_join(dir, "model.safetensors.index.json");
    char *other = NULL;
    survey s = {0};
    bool hf = true;
    glim_status rc;
    if (glim_path_exists(one)) rc = open_one_st(c, one, err); /* first, as transformers looks */
    else if (glim_path_exists(index)) rc = open_index(c, dir, index, err);
    else {
        rc = survey_folder(&s, dir, err);
        if (rc != GLIM_OK) goto done;
        if (s.n_st == 1) {
            other = glim_path_join(dir, s.st);
            rc = open_one_st(c, other, err);
        } else if (s.n_st == 0 && s.n_gguf == 1) {
            other = glim_path_join(dir, s.gguf);
            hf = false;
            rc = open_gguf(c, other, err);
        } else rc = no_weights(&s, dir, err);
    }
    if (rc == GLIM_OK && hf) rc = read_companions(c, dir, err);
done:
    free(s.st);
    free(s.gguf);
    free(other);
    free(one);
    free(index);
    return rc;
}

/* --- The interface ------------------------------------------------------------------------------------- */

/* Is this file GGUF by its first bytes, whatever its name? */
static bool has_gguf_magic(const char *path) {
    char magic[4];
    FILE *f = fopen(path, "rbe");
    if (!f) return false;
    bool yes = fread(magic, 1, 4, f) == 4 && memcmp(magic, "GGUF", 4) == 0;
    fclose(f);
    return yes;
}

glim_status glim_ckpt_open(glim_ckpt **out, const char *path, glim_err *err) {
    *out = NULL;
    glim_ckpt *c = glim_xcalloc(1, sizeof *c);
    c->path = glim_xstrdup(path);
    glim_status rc;
    if (is_builtin(path)) rc = open_gguf(c, path, err);
    else if (glim_path_is_dir(path)) rc = open_folder(c, path, err);
    else if (ends_with(path, ".gguf") || has_gguf_magic(path)) rc = open_gguf(c, path, err);
    else {
        rc = open_one_st(c, path, err);
        if (rc == GLIM_OK) {
            char *dir = glim_xstrdup(path), *slash = strrchr(dir, '/');
            if (slash) slash[slash == dir ? 1 : 0] = 0;
            rc = read_companions(c, slash ? dir : ".", err);
            free(dir);
        }
    }
    if (rc == GLIM_OK && c->kind == GLIM_CKPT_GGUF)
        rc = glim_ckpt_template_of_gguf(&c->chat_template, c->files[0].gguf, c->files[0].path, err);
    if (rc != GLIM_OK) {
        glim_ckpt_close(c);
        return rc;
    }
    *out = c;
    return GLIM_OK;
}

void glim_ckpt_close(glim_ckpt *c) {
    if (!c) return;
    glim_names_deinit(&c->names);
    free(c->tensors);
    for (size_t i = 0; i < c->n_files; i++) {
        glim_st_close(c->files[i].st);
        glim_gguf_close(c->files[i].gguf);
        free(c->files[i].path);
    }
    free(c->files);
    json_decref(c->config);
    json_decref(c->generation);
    free(c->chat_template);
    free(c->path);
    free(c);
}

glim_ckpt_kind glim_ckpt_kind_of(const glim_ckpt *c) { return c->kind; }
const char *glim_ckpt_path(const glim_ckpt *c) { return c->path; }
size_t glim_ckpt_n_tensors(const glim_ckpt *c) { return c->n_tensors; }
const glim_tensor *glim_ckpt_tensor(const glim_ckpt *c, size_t i) {
    GLIM_ASSERT(i < c->n_tensors);
    return &c->tensors[i];
}

const glim_tensor *glim_ckpt_find(const glim_ckpt *c, const char *name) {
    size_t i;
    return glim_names_find(&c->names, name, strlen(name), &i) ? &c->tensors[i] : NULL;
}

int glim_ckpt_n_files(const glim_ckpt *c) { return (int)c->n_files; }

const char *glim_ckpt_file(const glim_ckpt *c, int i, size_t *size) {
    GLIM_ASSERT(i >= 0 && (size_t)i < c->n_files);
    const ckpt_file *f = &c->files[i];
    if (size) *size = f->st ? glim_st_size(f->st) : glim_gguf_size(f->gguf);
    return f->path;
}

void glim_ckpt_drop(const glim_ckpt *c, const glim_tensor *t) {
    const ckpt_file *f = &c->files[t->file];
    if (f->st) glim_st_drop(f->st, t);
    else glim_gguf_drop(f->gguf, t);
}

const json_t *glim_ckpt_config(const glim_ckpt *c) { return c->config; }
const json_t *glim_ckpt_generation_config(const glim_ckpt *c) { return c->generation; }
const struct glim_gguf *glim_ckpt_gguf(const glim_ckpt *c) {
    return c->kind == GLIM_CKPT_GGUF ? c->files[0].gguf : NULL;
}
const char *glim_ckpt_chat_template(const glim_ckpt *c) { return c->chat_template; }
