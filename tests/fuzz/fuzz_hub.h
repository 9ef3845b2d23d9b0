/* fuzz_hub.h - what must hold of any listing that was accepted, whichever hub it came from. */
#ifndef GLIM_FUZZ_HUB_H
#define GLIM_FUZZ_HUB_H

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "net/hub_internal.h"

static inline glim_hub_repo *fuzz_hub_new(glim_hub_kind kind) {
    glim_hub_repo *r = glim_xcalloc(1, sizeof *r);
    r->kind = kind;
    r->endpoint = glim_xstrdup("https://hub.example");
    r->name = glim_xstrdup("org/m");
    r->revision = glim_xstrdup("main");
    return r;
}

/* A refusal says why, in a sentence that can be shown. */
static inline void fuzz_hub_refused(glim_status rc, const glim_err *err) {
    if (err->code != rc || !err->msg[0] || !glim_utf8_valid(err->msg, strlen(err->msg))) abort();
}

static inline void fuzz_hub_chosen(const glim_hub_repo *r, const glim_hub_choice *c) {
    glim_err err = {0};
    glim_buf list = {0};
    size_t n = 0, count = 0;
    bool *take = glim_xcalloc(r->n_files + 1, sizeof *take);
    glim_status rc = glim_hub_choose(r, c, take, &n, &list, &err);
    if (rc != GLIM_OK) fuzz_hub_refused(rc, &err);
    for (size_t i = 0; i < r->n_files; i++) count += take[i];
    if (rc == GLIM_OK && (n != count || n == 0 || n > r->n_files)) abort();
    glim_buf_free(&list);
    free(take);
}

/* The set as a whole, then its files one by one, then what is chosen of it. Frees r. */
static inline void fuzz_hub_check(glim_hub_repo *r) {
    glim_err err = {0};
    glim_status rc = glim_hub_check_set(r, &err);
    if (rc != GLIM_OK) {
        fuzz_hub_refused(rc, &err);
        glim_hub_repo_free(r);
        return;
    }
    for (size_t i = 0; i < r->n_files; i++) {
        const glim_hub_file *f = &r->files[i];
        size_t n = strlen(f->path);
        if (!glim_hub_path_ok(f->path, n)) abort();
        if (f->sha256[0] && !glim_sha256_parse(f->sha256, NULL)) abort();
        if (strlen(f->pin) >= sizeof f->pin || f->size > INT64_MAX) abort();
        if (strncmp(f->url, "https://hub.example/", 20) != 0) abort();
        /* Nothing of a name ends the path of the URL or reaches the request line. */
        for (const char *u = f->url; *u; u++)
            if (*u <= ' ' || *u == '#' || *u == '"' || (r->kind == GLIM_HUB_HF && *u == '?')) abort();
        if (i > 0) {
            const char *before = r->files[i - 1].path;
            size_t k = strlen(before);
            if (strcmp(before, f->path) >= 0 || (k < n && memcmp(before, f->path, k) == 0 && f->path[k] == '/')) abort();
        }
    }
    static const char *const globs[] = {"*.gguf", "model*", "[a-z]?*/*"};
    fuzz_hub_chosen(r, &(glim_hub_choice){0});
    fuzz_hub_chosen(r, &(glim_hub_choice){.file = "q4_k"});
    if (r->n_files) fuzz_hub_chosen(r, &(glim_hub_choice){.file = r->files[r->n_files / 2].path});
    fuzz_hub_chosen(r, &(glim_hub_choice){.include = globs, .n_include = 3, .exclude = globs + 1, .n_exclude = 1});
    glim_hub_repo_free(r);
}

#endif
