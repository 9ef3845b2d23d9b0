/* cmd_models.c - glim models: what lies on this machine's disk, and removing it.
 *
 *   NAME          pulled: $XDG_DATA_HOME/glim/models/ORG/NAME (glim pull)
 *   hf:NAME       the cache of Hugging Face's own tools, each snapshot a model folder: listed with the path to give to other
 *                 verbs, and removed only under this name
 *   packed:KEY    rearranged weights that a start made ($XDG_CACHE_HOME/glim/packed); removing one costs the next start time */
#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/json.h"
#include "cli/folder.h"

typedef enum place { PULLED, HF, PACKED } place;
static const char *const place_name[] = {"pulled", "hf", "packed"};

typedef struct entry {
    place place;
    char *name, *root, *path; /* root: what is removed; path: what other verbs take, NULL if nothing whole is there */
    uint64_t bytes;
    time_t changed;
    bool partial;
} entry;

typedef struct listing {
    entry *v;
    size_t n, cap;
} listing;

/* nftw has no context. */
static uint64_t g_bytes;
static int g_errno;

static int add_size(const char *path, const struct stat *st, int kind, struct FTW *at) {
    (void)path, (void)at;
    if (kind == FTW_F && S_ISREG(st->st_mode)) g_bytes += (uint64_t)st->st_size;
    return 0;
}

/* Links are not followed: a blob that snapshots point to counts once. */
static uint64_t size_of(const char *path) {
    g_bytes = 0;
    nftw(path, add_size, 16, FTW_PHYS);
    return g_bytes;
}

static entry *add(listing *l, place p, const char *prefix, const char *name, char *root) {
    if (l->n == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 32;
        l->v = glim_xrealloc(l->v, l->cap * sizeof *l->v);
    }
    entry *e = &l->v[l->n++];
    struct stat st;
    *e = (entry){.place = p, .root = root, .name = glim_xmalloc(strlen(prefix) + strlen(name) + 1), .bytes = size_of(root)};
    stpcpy(stpcpy(e->name, prefix), name);
    if (lstat(root, &st) == 0) e->changed = st.st_mtime;
    return e;
}

static void listing_free(listing *l) {
    for (size_t i = 0; i < l->n; i++) {
        free(l->v[i].name);
        free(l->v[i].root);
        free(l->v[i].path);
    }
    free(l->v);
}

/* Calls fn for each name in a folder that does not begin with '.'; a folder that is not there has none. */
static void each(const char *dir, void (*fn)(void *ctx, const char *dir, const char *name), void *ctx) {
    DIR *d = opendir(dir);
    struct dirent *e;
    if (!d) return;
    while ((e = readdir(d)))
        if (e->d_name[0] != '.') fn(ctx, dir, e->d_name);
    closedir(d);
}

/* ---- pulled ---- */

static bool pull_whole(const char *dir) {
    char *path = glim_path_join(dir, ".glim-pull.json");
    json_t *o = NULL;
    bool whole = glim_json_read(&o, path, (size_t)64 << 20, NULL) != GLIM_OK || json_is_true(json_object_get(o, "complete"));
    json_decref(o);
    free(path);
    return whole;
}

typedef struct org {
    listing *l;
    const char *name;
} org;

static void pulled_model(void *ctx, const char *dir, const char *name) {
    org *o = ctx;
    char *root = glim_path_join(dir, name), *full = glim_path_join(o->name, name);
    if (glim_path_is_dir(root)) {
        entry *e = add(o->l, PULLED, "", full, root);
        e->path = glim_xstrdup(root);
        e->partial = !pull_whole(root);
    } else {
        free(root);
    }
    free(full);
}

static void pulled_org(void *ctx, const char *dir, const char *name) {
    org o = {ctx, name};
    char *sub = glim_path_join(dir, name);
    if (glim_path_is_dir(sub)) each(sub, pulled_model, &o);
    free(sub);
}

/* ---- Hugging Face's cache: models--ORG--NAME/{blobs,refs,snapshots/COMMIT} ---- */

static char *hf_dir(void) {
    const char *hub = getenv("HF_HUB_CACHE"), *hf = getenv("HF_HOME"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (hub && *hub) return glim_xstrdup(hub);
    if (hf && *hf) return glim_path_join(hf, "hub");
    if (xdg && *xdg) return glim_path_join(xdg, "huggingface/hub");
    return glim_path_join(home && *home ? home : "/", ".cache/huggingface/hub");
}

static void newest_snapshot(void *ctx, const char *dir, const char *name) {
    entry *e = ctx;
    char *path = glim_path_join(dir, name);
    struct stat now, best;
    if (stat(path, &now) == 0 && S_ISDIR(now.st_mode) && (!e->path || (stat(e->path, &best) == 0 && now.st_mtime > best.st_mtime))) {
        free(e->path);
        e->path = path;
    } else {
        free(path);
    }
}

static void hf_model(void *ctx, const char *dir, const char *name) {
    listing *l = ctx;
    if (strncmp(name, "models--", 8) != 0) return;
    char *plain = glim_xstrdup(name + 8), *cut = strstr(plain, "--"), *root = glim_path_join(dir, name);
    if (cut) memmove(cut + 1, cut + 2, strlen(cut + 2) + 1), *cut = '/';
    entry *e = add(l, HF, "hf:", plain, root);
    char *snapshots = glim_path_join(root, "snapshots");
    each(snapshots, newest_snapshot, e);
    e->partial = !e->path;
    free(snapshots);
    free(plain);
}

/* ---- packed weights ---- */

static void packed_file(void *ctx, const char *dir, const char *name) {
    size_t n = strlen(name);
    if (n < 6 || strcmp(name + n - 5, ".pack") != 0) return;
    char *key = glim_xstrdup(name);
    key[n - 5] = 0;
    add(ctx, PACKED, "packed:", key, glim_path_join(dir, name));
    free(key);
}

static int by_name(const void *a, const void *b) {
    const entry *x = a, *y = b;
    return x->place != y->place ? (int)x->place - (int)y->place : strcmp(x->name, y->name);
}

static void gather(listing *l) {
    char *data = glim_data_dir(), *models = glim_path_join(data, "models"), *hf = hf_dir(), *cache = glim_cache_dir(),
         *packed = glim_path_join(cache, "packed");
    each(models, pulled_org, l);
    each(hf, hf_model, l);
    each(packed, packed_file, l);
    if (l->n) qsort(l->v, l->n, sizeof *l->v, by_name);
    free(data);
    free(models);
    free(hf);
    free(cache);
    free(packed);
}

/* ---- verbs ---- */

static const char *day_text(char buf[16], time_t t) {
    struct tm tm;
    if (!gmtime_r(&t, &tm) || strftime(buf, 16, "%Y-%m-%d", &tm) == 0) buf[0] = 0;
    return buf;
}

static glim_status print_json(const listing *l, glim_err *err) {
    json_t *list = json_array();
    for (size_t i = 0; i < l->n; i++) {
        const entry *e = &l->v[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:s?, s:I, s:I, s:b}", "name", e->name, "place", place_name[e->place], "path",
                                              e->place == PACKED ? e->root : e->path, "bytes", (json_int_t)e->bytes, "changed",
                                              (json_int_t)e->changed, "partial", (int)e->partial));
    }
    return glim_cli_put_json(list, err);
}

static int list(int argc, char **argv) {
    bool json = false;
    const glim_flag own[] = {{"--json", NULL, GLIM_FLAG_BOOL, &json, NULL, "one JSON array on stdout", 0, 0}, {0}};
    const glim_page u = {"glim models", "Lists models on this machine: pulled ones, Hugging Face's cache, and packed weights. `glim models rm NAME` removes one.", {own}};
    glim_str_list pos = {0};
    int code = glim_args(argc, argv, &u, &pos, 0, 0);
    if (code >= 0) return code;
    listing l = {0};
    glim_err err = {0};
    glim_status rc = GLIM_OK;
    gather(&l);
    if (json) {
        rc = print_json(&l, &err);
    } else {
        uint64_t total = 0;
        size_t wide = 4;
        char a[32], b[16];
        for (size_t i = 0; i < l.n; i++) wide = strlen(l.v[i].name) > wide ? strlen(l.v[i].name) : wide;
        for (size_t i = 0; i < l.n; i++) {
            const entry *e = &l.v[i];
            printf("%-*s  %10s  %s  %s%s\n", (int)wide, e->name, glim_human_bytes(a, sizeof a, (double)e->bytes), day_text(b, e->changed),
                   e->path ? e->path : "", e->partial ? "  (not whole)" : "");
            total += e->bytes;
        }
        printf("%zu in all, %s\n", l.n, glim_human_bytes(a, sizeof a, (double)total));
    }
    listing_free(&l);
    return glim_cli_end(rc, &err);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at) {
    (void)st, (void)at;
    if ((kind == FTW_DP ? rmdir(path) : unlink(path)) != 0 && !g_errno) g_errno = errno;
    return 0;
}

static glim_status remove_entry(const entry *e, glim_err *err) {
    g_errno = 0;
    nftw(e->root, remove_one, 16, FTW_PHYS | FTW_DEPTH);
    if (!g_errno && !glim_path_exists(e->root)) return GLIM_OK;
    return glim_fail_errno(err, GLIM_E_IO, g_errno ? g_errno : EIO, "could not remove all of \"%s\"", e->root);
}

static int rm(int argc, char **argv) {
    const glim_flag own[] = {{0}};
    const glim_page u = {"glim models rm NAME...", "Removes models by the names that `glim models` lists; \"packed\" stands for all packed weights. "
                         "A server that has one open goes on with it.", {own}};
    glim_str_list pos = {0};
    int code = glim_args(argc, argv, &u, &pos, 1, GLIM_COUNT(pos.v));
    if (code >= 0) return code;
    listing l = {0};
    glim_err err = {0};
    glim_status rc = GLIM_OK;
    char a[32];
    gather(&l);
    /* All names are looked up before the first is removed. */
    for (size_t k = 0; k < pos.n && rc == GLIM_OK; k++) {
        bool found = strcmp(pos.v[k], "packed") == 0;
        for (size_t i = 0; i < l.n && !found; i++) found = strcmp(l.v[i].name, pos.v[k]) == 0;
        if (!found) {
            rc = glim_fail(&err, GLIM_E_NOT_FOUND, "there is no model \"%.200s\" here", pos.v[k]);
            glim_err_hint(&err, "`glim models` lists the names");
        }
    }
    for (size_t k = 0; k < pos.n; k++)
        for (size_t i = 0; i < l.n && rc == GLIM_OK; i++) {
            entry *e = &l.v[i];
            bool all = strcmp(pos.v[k], "packed") == 0 && e->place == PACKED;
            if ((!all && strcmp(e->name, pos.v[k]) != 0) || !glim_path_exists(e->root)) continue;
            rc = remove_entry(e, &err);
            if (rc == GLIM_OK) printf("removed %s, %s\n", e->name, glim_human_bytes(a, sizeof a, (double)e->bytes));
        }
    listing_free(&l);
    return glim_cli_end(rc, &err);
}

int glim_cmd_models(int argc, char **argv) {
    static const glim_subverb subs[] = {{"list", "what there is", list}, {"rm", "remove by name", rm}};
    return glim_cli_subverb(argc, argv, "models", "Models on this machine's disk.", subs, GLIM_COUNT(subs), list);
}
