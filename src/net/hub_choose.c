/* hub_choose.c - which files of a repository make a model Glim can run.
 *
 * A repository often carries the same weights several times: safetensors, PyTorch pickles, ONNX, the
 * original layout in a subfolder, a dozen GGUF quantizations. Fetching one set is the point. */
#include <ctype.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "net/hub.h"

/* What a folder of safetensors needs to be loaded, plus the licence it comes under. Top folder only. */
static const char *const wanted[] = {
    "config.json",        "generation_config.json", "tokenizer*",           "chat_template*",
    "vocab.json",         "merges.txt",             "*.model",              "*.tiktoken",
    "added_tokens.json",  "special_tokens_map.json", "*preprocessor_config.json", "processor_config.json",
    "*.safetensors",      "*.safetensors.index.json", "LICENSE*",           "LICENCE*"};

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool ends_with(const char *s, const char *end) {
    size_t n = strlen(s), k = strlen(end);
    return n >= k && strcasecmp(s + n - k, end) == 0;
}

static bool matches(const char *path, const char *const *globs, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (fnmatch(globs[i], path, 0) == 0) return true;
    return false;
}

/* "x-00002-of-00005.gguf": length of "x", part 2 and count 5; false for a name that is no part. */
static bool split_part(const char *path, size_t *n_stem, unsigned *part, unsigned *count) {
    size_t n = strlen(path), tail = strlen("-00001-of-00001.gguf");
    if (n <= tail || !ends_with(path, ".gguf")) return false;
    const char *s = path + n - tail;
    for (size_t i = 0; i < 15; i++) {
        bool digit = (i >= 1 && i <= 5) || i >= 10;
        if (digit ? !isdigit((unsigned char)s[i]) : s[i] != "-00001-of-00001"[i]) return false;
    }
    *part = (unsigned)strtoul(s + 1, NULL, 10);
    *count = (unsigned)strtoul(s + 10, NULL, 10);
    *n_stem = n - tail;
    return *part >= 1 && *part <= *count;
}

/* Files of one GGUF model: the file itself, or every part of the split that `lead` belongs to. */
static bool same_model(const char *a, const char *b) {
    size_t na, nb;
    unsigned pa, pb, ca, cb;
    bool sa = split_part(a, &na, &pa, &ca), sb = split_part(b, &nb, &pb, &cb);
    if (!sa || !sb) return strcmp(a, b) == 0;
    return na == nb && ca == cb && memcmp(a, b, na) == 0;
}

static int by_path(const void *key, const void *f) { return strcmp(key, ((const glim_hub_file *)f)->path); }

/* Does file i stand for its model: the file itself, or part 1 of a split (any part if 1 is missing)? */
static bool leads(const glim_hub_repo *r, size_t i) {
    size_t stem;
    unsigned part, count;
    if (!split_part(r->files[i].path, &stem, &part, &count) || part == 1) return true;
    char first[GLIM_HUB_PATH_MAX + 1];
    snprintf(first, sizeof first, "%s", r->files[i].path);
    memcpy(first + stem, "-00001", 6);
    return !bsearch(first, r->files, r->n_files, sizeof *r->files, by_path);
}

static glim_status take_model(const glim_hub_repo *r, size_t lead, bool *take, glim_err *err) {
    size_t stem;
    unsigned part, count = 1, n = 0;
    const char *path = r->files[lead].path;
    bool split = split_part(path, &stem, &part, &count);
    for (size_t i = 0; i < r->n_files; i++)
        if (same_model(path, r->files[i].path)) take[i] = true, n++;
    if (split && n != count)
        return glim_fail(err, GLIM_E_FORMAT, "\"%s\": the repository has %u of its %u parts", path, n, count);
    return GLIM_OK;
}

static bool is_model_gguf(const char *path) {
    /* mmproj files hold the picture encoder, imatrix files statistics: neither answers by itself. */
    const char *b = base_name(path);
    return ends_with(path, ".gguf") && !strcasestr(b, "mmproj") && !strcasestr(b, "imatrix");
}

static void put_size(glim_buf *b, uint64_t n) {
    if (n >= 1000 << 20) glim_buf_printf(b, "%7.2f GiB", (double)n / 0x1p30);
    else glim_buf_printf(b, "%7.2f MiB", (double)n / 0x1p20);
}

/* One line per GGUF model: size, name, parts. */
static void list_models(const glim_hub_repo *r, const bool *among, glim_buf *list) {
    enum { LINES_MAX = 200 };
    size_t n_lines = 0;
    for (size_t i = 0; i < r->n_files; i++) {
        if ((among && !among[i]) || !is_model_gguf(r->files[i].path) || !leads(r, i)) continue;
        if (++n_lines > LINES_MAX) {
            glim_buf_puts(list, "  ...\n");
            break;
        }
        uint64_t sum = 0;
        size_t n = 0;
        for (size_t k = 0; k < r->n_files; k++)
            if (same_model(r->files[i].path, r->files[k].path)) sum += r->files[k].size, n++;
        glim_buf_puts(list, "  ");
        put_size(list, sum);
        glim_buf_printf(list, "  %s", r->files[i].path);
        if (n > 1) glim_buf_printf(list, " (%zu parts)", n);
        glim_buf_putc(list, '\n');
    }
}

/* --file: exact path, else base name, else a piece of a GGUF's base name; the first kind that matches
 * counts, and it must match one model. */
static glim_status choose_file(const glim_hub_repo *r, const char *want, bool *take, glim_buf *list,
                               glim_err *err) {
    for (int kind = 0; kind < 3; kind++) {
        bool *hit = glim_xcalloc(r->n_files + 1, sizeof *hit);
        size_t n = 0, first = 0;
        for (size_t i = 0; i < r->n_files; i++) {
            const char *p = r->files[i].path, *b = base_name(p);
            hit[i] = kind == 0   ? strcmp(p, want) == 0
                     : kind == 1 ? strcmp(b, want) == 0
                                 : is_model_gguf(p) && leads(r, i) && strcasestr(b, want) != NULL;
            if (hit[i] && n++ == 0) first = i;
        }
        glim_status rc = GLIM_OK;
        if (n == 1) rc = take_model(r, first, take, err);
        else if (n > 1) {
            list_models(r, hit, list);
            rc = glim_fail(err, GLIM_E_ARG, "\"%s\" fits %zu files of \"%s\", want one", want, n, r->name);
            glim_err_hint(err, "give the whole name with --file");
        }
        free(hit);
        if (n > 0) return rc;
    }
    list_models(r, NULL, list);
    glim_fail(err, GLIM_E_ARG, "\"%s\" has no file \"%s\"", r->name, want);
    glim_err_hint(err, "glim pull %s --dry-run --include '*' lists what it has", r->name);
    return GLIM_E_ARG;
}

static glim_status choose_default(const glim_hub_repo *r, bool *take, glim_buf *list, glim_err *err) {
    size_t n_safe = 0, n_gguf = 0, gguf = 0, n_pickle = 0, n_nested = 0;
    bool hf_names = false;
    for (size_t i = 0; i < r->n_files; i++) {
        const char *p = r->files[i].path;
        bool top = !strchr(p, '/');
        if (ends_with(p, ".safetensors")) {
            if (top) n_safe++;
            else n_nested++;
            if (top && strncmp(p, "model", 5) == 0) hf_names = true;
        }
        if (is_model_gguf(p) && leads(r, i)) gguf = i, n_gguf++;
        if (ends_with(p, ".bin") || ends_with(p, ".pt") || ends_with(p, ".pth")) n_pickle++;
    }
    if (n_safe > 0) {
        for (size_t i = 0; i < r->n_files; i++) {
            const char *p = r->files[i].path;
            take[i] = !strchr(p, '/') && matches(p, wanted, GLIM_COUNT(wanted));
            /* Some repositories carry the weights a second time in one "consolidated" file. */
            if (hf_names && strncmp(p, "consolidated", 12) == 0) take[i] = false;
        }
        return GLIM_OK;
    }
    if (n_gguf == 1) return take_model(r, gguf, take, err);
    if (n_gguf > 1) {
        list_models(r, NULL, list);
        glim_fail(err, GLIM_E_ARG, "\"%s\" holds %zu GGUF models, want a choice of one", r->name, n_gguf);
        glim_err_hint(err, "glim pull %s --file NAME (a part of the name such as Q4_K_M will do)", r->name);
        return GLIM_E_ARG;
    }
    if (n_nested > 0) {
        glim_fail(err, GLIM_E_NOT_FOUND, "\"%s\" has weights in subfolders only", r->name);
        glim_err_hint(err, "choose with --include 'FOLDER/*'");
        return GLIM_E_NOT_FOUND;
    }
    if (n_pickle > 0) {
        glim_fail(err, GLIM_E_UNSUPPORTED, "\"%s\" has PyTorch files (.bin, .pt) only, want safetensors or GGUF",
                  r->name);
        glim_err_hint(err, "look for a revision or a copy of it in safetensors");
        return GLIM_E_UNSUPPORTED;
    }
    return glim_fail(err, GLIM_E_NOT_FOUND, "\"%s\" has no model weights among its %zu files", r->name,
                     r->n_files);
}

glim_status glim_hub_choose(const glim_hub_repo *r, const glim_hub_choice *c, bool *take, size_t *n_taken,
                            glim_buf *list, glim_err *err) {
    memset(take, 0, r->n_files * sizeof *take);
    *n_taken = 0;
    glim_status rc = GLIM_OK;
    if (c->file) rc = choose_file(r, c->file, take, list, err);
    else if (c->n_include > 0)
        for (size_t i = 0; i < r->n_files; i++) take[i] = matches(r->files[i].path, c->include, c->n_include);
    else rc = choose_default(r, take, list, err);
    if (rc != GLIM_OK) return rc;
    for (size_t i = 0; i < r->n_files; i++) {
        if (take[i] && matches(r->files[i].path, c->exclude, c->n_exclude)) take[i] = false;
        *n_taken += take[i];
    }
    if (*n_taken == 0) {
        glim_fail(err, GLIM_E_ARG, "nothing is left to fetch: --include and --exclude match none of the %zu files of \"%s\"",
                  r->n_files, r->name);
        glim_err_hint(err, "put globs in quotes, for example --include '*.json'");
        return GLIM_E_ARG;
    }
    return GLIM_OK;
}
