/* cmd_pull.c - glim pull: a repository's model files into a folder, whole, checked, resumable.
 *
 * Owns       the choice of folder, what is already there, the note .glim-pull.json, what a person reads.
 * Leaves     listings and the choice of files to net/hub.h, bytes to net/download.h.
 * Invariant  .glim-pull.json says "complete": true only when every chosen file of one revision is in
 *            place; while files of another revision are being replaced it says false.
 *
 * A file counts as already there if its size and SHA-256 are right. The hash is taken from the note when
 * the file's size and modification time have not changed since it was computed, else computed again. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "cli/cli.h"
#include "cli/progress.h"
#include "net/download.h"
#include "net/hub.h"

#define NOTE_NAME ".glim-pull.json"
enum { NOTE_VERSION = 1 };

static atomic_int g_cancel; /* raised by Ctrl-C */

static void on_signal(int sig) {
    (void)sig;
    atomic_store(&g_cancel, 1);
}

/* The first Ctrl-C stops tidily, the second one at once. */
static void catch_signals(void) {
    struct sigaction sa = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
}

typedef struct pull {
    /* wanted */
    glim_hub_kind kind;
    char *name;       /* ORG/NAME */
    const char *dir;
    char *token;
    bool json;
    int64_t jobs;

    /* found */
    glim_hub_repo *repo;
    bool *take, *have;      /* [repo->n_files] */
    char (*sha)[GLIM_SHA256_HEX]; /* of files that are there */
    size_t n_taken, n_have;
    uint64_t n_bytes, n_bytes_have;
    json_t *note_files;     /* path -> {size, sha256, pin, mtime_ns} */

    /* done */
    uint64_t n_received, n_kept;
    double seconds;
} pull;

/* ---- the note ---- */

static char *note_path(const pull *p) { return glim_path_join(p->dir, NOTE_NAME); }

/* Reads an earlier note. A broken one is worth nothing and costs a hash; a newer one, or another
 * repository's, is refused. */
static glim_status read_note(pull *p, glim_err *err) {
    p->note_files = json_object();
    char *path = note_path(p);
    json_t *o = NULL;
    glim_status rc = glim_json_read(&o, path, (size_t)64 << 20, NULL);
    const char *format = "", *repo = "";
    int64_t version = 0;
    bool ours = rc == GLIM_OK && json_is_object(o) && glim_json_get_str(o, "format", "", &format, NULL) == GLIM_OK &&
                glim_json_get_int(o, "version", 0, INT64_MAX, 0, &version, NULL) == GLIM_OK &&
                glim_json_get_str(o, "repo", "", &repo, NULL) == GLIM_OK && strcmp(format, "glim-pull") == 0;
    rc = GLIM_OK;
    if (ours && version > NOTE_VERSION) {
        rc = glim_fail(err, GLIM_E_UNSUPPORTED, "\"%s\" is of version %" PRId64 ", want at most %d", path, version,
                       NOTE_VERSION);
        glim_err_hint(err, "it was written by a newer glim: use that, or another folder with --to");
    } else if (ours && strcasecmp(repo, p->name) != 0 && json_object_size(json_object_get(o, "files")) > 0) {
        rc = glim_fail(err, GLIM_E_ARG, "\"%s\" holds \"%s\", want a folder for \"%s\"", p->dir, repo, p->name);
        glim_err_hint(err, "choose another folder with --to DIR");
    } else if (ours && version == NOTE_VERSION && json_is_object(json_object_get(o, "files"))) {
        json_decref(p->note_files);
        p->note_files = json_incref(json_object_get(o, "files"));
    }
    json_decref(o);
    free(path);
    return rc;
}

static void note_file(pull *p, const glim_hub_file *f, const char *sha, const struct stat *st) {
    json_object_set_new(p->note_files, f->path,
                        json_pack("{s:I, s:s, s:s, s:s, s:I}", "size", (json_int_t)f->size, "sha256", sha, "pin", f->pin,
                                  "checked", f->sha256[0] ? "sha256" : "size", "mtime_ns",
                                  (json_int_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec));
}

static glim_status write_note(pull *p, bool complete, glim_err *err) {
    const glim_hub_repo *r = p->repo;
    json_t *o = json_pack("{s:s, s:i, s:s, s:s, s:s, s:s, s:s, s:b, s:O}", "format", "glim-pull", "version",
                          NOTE_VERSION, "from", p->kind == GLIM_HUB_HF ? "hf" : "modelscope", "endpoint", r->endpoint,
                          "repo", r->name, "revision", r->revision, "commit", r->commit, "complete", complete, "files",
                          p->note_files);
    char *text = o ? json_dumps(o, JSON_INDENT(1)) : NULL;
    char *path = note_path(p);
    glim_status rc = text ? glim_mkdirs(p->dir, err)
                          : glim_fail(err, GLIM_E_NOMEM, "could not write \"%s\": out of memory", path);
    if (rc == GLIM_OK) rc = glim_file_write_atomic(path, text, strlen(text), err);
    free(path);
    free(text);
    json_decref(o);
    return rc;
}

/* ---- what is already there ---- */

typedef struct hashing {
    glim_progress *bar;
    uint64_t before;
} hashing;

static bool on_hash(void *ctx, uint64_t done, uint64_t total) {
    const hashing *h = ctx;
    (void)total;
    glim_progress_update(h->bar, h->before + done);
    return !atomic_load(&g_cancel);
}

/* Is file i in place? Known from the note, from its hash (if `hash`), or not. */
static glim_status look_at(pull *p, size_t i, bool hash, hashing *h, glim_err *err) {
    const glim_hub_file *f = &p->repo->files[i];
    char *path = glim_path_join(p->dir, f->path);
    struct stat st;
    glim_status rc = GLIM_OK;
    if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == f->size) {
        const json_t *e = json_object_get(p->note_files, f->path);
        const char *sha = "", *pin = "";
        int64_t size = -1, mtime = -1;
        bool fresh = json_is_object(e) && glim_json_get_str(e, "sha256", "", &sha, NULL) == GLIM_OK &&
                     glim_json_get_str(e, "pin", "", &pin, NULL) == GLIM_OK &&
                     glim_json_get_int(e, "size", 0, INT64_MAX, -1, &size, NULL) == GLIM_OK &&
                     glim_json_get_int(e, "mtime_ns", INT64_MIN, INT64_MAX, -1, &mtime, NULL) == GLIM_OK &&
                     size == st.st_size && mtime == (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec &&
                     glim_sha256_parse(sha, p->sha[i]);
        if (f->sha256[0] && !fresh && hash) {
            rc = glim_sha256_file(path, p->sha[i], on_hash, h, err);
            fresh = rc == GLIM_OK;
        }
        /* A small file without a published hash is known by its git object id, from the note only. */
        p->have[i] = fresh && (f->sha256[0] ? strcmp(p->sha[i], f->sha256) == 0
                                            : f->pin[0] && strcmp(pin, f->pin) == 0);
        if (p->have[i]) note_file(p, f, p->sha[i], &st);
    }
    free(path);
    return rc;
}

static glim_status look_around(pull *p, glim_err *err) {
    const glim_hub_repo *r = p->repo;
    uint64_t to_hash = 0;
    glim_status rc = GLIM_OK;
    for (size_t i = 0; i < r->n_files && rc == GLIM_OK; i++) { /* what the note knows costs nothing */
        if (!p->take[i]) continue;
        rc = look_at(p, i, false, NULL, err);
        char *path = glim_path_join(p->dir, r->files[i].path);
        struct stat st;
        if (!p->have[i] && r->files[i].sha256[0] && stat(path, &st) == 0 && (uint64_t)st.st_size == r->files[i].size)
            to_hash += r->files[i].size;
        free(path);
    }
    hashing h = {.bar = to_hash ? glim_progress_begin("checking what is there", to_hash, GLIM_PROGRESS_BYTES) : NULL};
    for (size_t i = 0; i < r->n_files && rc == GLIM_OK; i++) {
        if (!p->take[i]) continue;
        if (!p->have[i] && to_hash) {
            rc = look_at(p, i, true, &h, err);
            if (p->sha[i][0]) h.before += r->files[i].size;
        }
        p->n_bytes += r->files[i].size;
        if (p->have[i]) p->n_have++, p->n_bytes_have += r->files[i].size;
    }
    glim_progress_end(h.bar);
    return rc;
}

/* ---- fetching ---- */

typedef struct shown {
    glim_progress *bar;
    uint64_t before; /* bytes of files that were already there */
} shown;

static void on_progress(void *ctx, const glim_download_progress *d) {
    shown *s = ctx;
    char note[64];
    size_t n_paused = 0, n_busy = 0, n_checking = 0;
    for (size_t i = 0; i < d->n_files; i++) {
        n_paused += d->items[i].state == GLIM_DOWNLOAD_PAUSED;
        n_busy += d->items[i].state == GLIM_DOWNLOAD_RUNNING;
        n_checking += d->items[i].state == GLIM_DOWNLOAD_CHECKING;
    }
    const char *what = n_busy ? "" : n_paused ? ", reconnecting" : n_checking ? ", checking parts" : "";
    snprintf(note, sizeof note, "%zu/%zu files%s", d->n_done, d->n_files, what);
    glim_progress_tell(s->bar, d->done, d->total, d->bytes_per_s, note);
}

static glim_status fetch(pull *p, glim_err *err) {
    const glim_hub_repo *r = p->repo;
    size_t n = 0, n_want = p->n_taken - p->n_have;
    if (n_want == 0) return GLIM_OK;
    glim_download_file *files = glim_xcalloc(n_want, sizeof *files);
    size_t *index = glim_xcalloc(n_want, sizeof *index);
    for (size_t i = 0; i < r->n_files; i++) {
        if (!p->take[i] || p->have[i]) continue;
        const glim_hub_file *f = &r->files[i];
        index[n] = i;
        files[n++] = (glim_download_file){.url = f->url,
                                          .path = glim_path_join(p->dir, f->path),
                                          .name = f->path,
                                          .size = f->size,
                                          .sha256 = f->sha256[0] ? f->sha256 : NULL,
                                          /* Without an object id the commit itself tells versions apart. */
                                          .pin = f->pin[0] ? f->pin : r->commit};
    }
    char label[80];
    snprintf(label, sizeof label, "%s", strrchr(r->name, '/') ? strrchr(r->name, '/') + 1 : r->name);
    shown s = {.bar = glim_progress_begin(label, p->n_bytes - p->n_bytes_have, GLIM_PROGRESS_BYTES)};
    glim_download_opts o = {.token = p->token, .n_parallel = (int)p->jobs, .cancel = &g_cancel, .progress = on_progress, .ctx = &s};
    glim_status rc = glim_download_run(files, n, &o, err);
    glim_progress_end(s.bar);

    uint64_t kept = p->n_bytes_have;
    for (size_t k = 0; k < n; k++) {
        const glim_download_file *d = &files[k];
        struct stat st;
        p->n_received += d->n_received;
        p->n_kept += d->n_kept;
        if (d->state == GLIM_DOWNLOAD_DONE && stat(d->path, &st) == 0) {
            p->have[index[k]] = true;
            p->n_have++;
            kept += d->got_size;
            memcpy(p->sha[index[k]], d->got_sha256, GLIM_SHA256_HEX);
            note_file(p, &r->files[index[k]], d->got_sha256, &st);
        } else {
            char *part = glim_xmalloc(strlen(d->path) + 6);
            sprintf(part, "%s.part", d->path);
            if (stat(part, &st) == 0) kept += (uint64_t)st.st_size;
            free(part);
        }
        /* Gated repositories are listed to everybody and refuse here. */
        if (rc == GLIM_E_NET && d->http_status >= 400 && d->state == GLIM_DOWNLOAD_FAILED)
            rc = glim_hub_explain(p->kind, r->endpoint, r->name, r->commit[0] ? r->commit : r->revision,
                                  p->token != NULL, d->http_status, d->error_code, err);
    }
    if (rc == GLIM_E_CANCELLED) {
        char a[32], b[32];
        glim_fail(err, GLIM_E_CANCELLED, "stopped: %zu of %zu files are complete, %s of %s are kept in \"%s\"", p->n_have,
                  p->n_taken, glim_human_bytes(a, sizeof a, (double)kept), glim_human_bytes(b, sizeof b, (double)p->n_bytes),
                  p->dir);
        glim_err_hint(err, "run the same command again: it continues where this one stopped");
    }
    for (size_t k = 0; k < n; k++) free((char *)files[k].path);
    free(files);
    free(index);
    return rc;
}

/* ---- what a person or a program reads ---- */

/* What `glim chat` takes: the folder, or a GGUF file's (first part's) path. NULL: no weights among the
 * files. Heap. */
static char *model_path(const pull *p) {
    bool folder = false;
    const char *gguf = NULL;
    for (size_t i = 0; i < p->repo->n_files; i++) {
        if (!p->take[i]) continue;
        const char *f = p->repo->files[i].path;
        size_t n = strlen(f);
        if (n > 12 && strcmp(f + n - 12, ".safetensors") == 0 && !strchr(f, '/')) folder = true;
        if (!gguf && n > 5 && strcasecmp(f + n - 5, ".gguf") == 0) gguf = f; /* sorted: part 1 comes first */
    }
    if (folder) return glim_xstrdup(p->dir);
    return gguf ? glim_path_join(p->dir, gguf) : NULL;
}

/* As a shell word. */
static void put_word(glim_buf *b, const char *s) {
    if (s[0] && s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./+,:@%=")] == 0) {
        glim_buf_puts(b, s);
        return;
    }
    glim_buf_putc(b, '\'');
    for (; *s; s++)
        if (*s == '\'') glim_buf_puts(b, "'\\''");
        else glim_buf_putc(b, *s);
    glim_buf_putc(b, '\'');
}

static bool has_part(const pull *p, size_t i) {
    glim_buf b = {0};
    glim_buf_printf(&b, "%s/%s.part", p->dir, p->repo->files[i].path);
    bool yes = glim_path_exists(glim_buf_cstr(&b));
    glim_buf_free(&b);
    return yes;
}

static int print_json(const pull *p, bool dry, const bool *had) {
    const glim_hub_repo *r = p->repo;
    json_t *files = json_array();
    for (size_t i = 0; i < r->n_files; i++) {
        if (!p->take[i]) continue;
        const char *state = had[i] ? "present" : dry ? has_part(p, i) ? "partial" : "missing" : "downloaded";
        const char *sha = r->files[i].sha256[0] ? r->files[i].sha256 : p->sha[i];
        json_t *f = json_pack("{s:s, s:I, s:s}", "path", r->files[i].path, "size", (json_int_t)r->files[i].size, "state",
                              state);
        json_object_set_new(f, "sha256", sha[0] ? json_string(sha) : json_null());
        json_array_append_new(files, f);
    }
    char *model = model_path(p);
    json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:b, s:I, s:I, s:I, s:I, s:f, s:o}", "path", p->dir, "from",
                          p->kind == GLIM_HUB_HF ? "hf" : "modelscope", "endpoint", r->endpoint, "repo", r->name,
                          "revision", r->revision, "commit", r->commit, "dry_run", dry, "complete",
                          p->n_have == p->n_taken, "bytes", (json_int_t)p->n_bytes, "bytes_present",
                          (json_int_t)p->n_bytes_have, "bytes_resumed", (json_int_t)p->n_kept, "bytes_received",
                          (json_int_t)p->n_received, "seconds", p->seconds, "files", files);
    if (o) json_object_set_new(o, "model", model ? json_string(model) : json_null());
    char *text = o ? json_dumps(o, JSON_INDENT(1) | JSON_REAL_PRECISION(6)) : NULL;
    if (text) puts(text);
    else fprintf(stderr, "glim: could not write the answer: out of memory\n");
    int rc = text ? GLIM_EXIT_OK : GLIM_EXIT_FAIL;
    free(text);
    free(model);
    json_decref(o);
    return rc;
}

static void print_plan(const pull *p) {
    char a[32], b[32];
    const glim_hub_repo *r = p->repo;
    for (size_t i = 0; i < r->n_files; i++)
        if (p->take[i])
            printf("%10s  %-8s %s\n", glim_human_bytes(a, sizeof a, (double)r->files[i].size),
                   p->have[i] ? "present" : has_part(p, i) ? "partial" : "missing", r->files[i].path);
    printf("%zu files, %s, of which %s are in %s\n", p->n_taken, glim_human_bytes(a, sizeof a, (double)p->n_bytes),
           glim_human_bytes(b, sizeof b, (double)p->n_bytes_have), p->dir);
}

static void print_done(const pull *p) {
    char a[32], b[32];
    glim_buf line = {0};
    char *model = model_path(p);
    const glim_hub_repo *r = p->repo;
    fprintf(stderr, "%s%s%.12s: %zu files, %s, ", r->name, r->commit[0] ? " at " : "", r->commit, p->n_taken,
            glim_human_bytes(a, sizeof a, (double)p->n_bytes));
    if (p->n_received == 0 && p->n_kept == 0) fprintf(stderr, "all there already\n");
    else
        fprintf(stderr, "%s fetched in %.0f s (%s/s)\n", glim_human_bytes(a, sizeof a, (double)p->n_received), p->seconds,
                glim_human_bytes(b, sizeof b, (double)p->n_received / (p->seconds > 0.001 ? p->seconds : 0.001)));
    size_t n_unchecked = 0;
    for (size_t i = 0; i < r->n_files; i++) n_unchecked += p->take[i] && !r->files[i].sha256[0];
    if (n_unchecked)
        fprintf(stderr, "note: the hub publishes no SHA-256 for %zu of them (small text files): checked by size\n", n_unchecked);
    glim_buf_puts(&line, model ? "ready: glim chat " : "ready in ");
    put_word(&line, model ? model : p->dir);
    puts(glim_buf_cstr(&line));
    glim_buf_free(&line);
    free(model);
}

/* ---- the command line ---- */

/* Takes ORG/NAME, or the address of a repository's page, whose host then says which hub it is. */
static void parse_repo(pull *p, const char *word, bool from_given, const char **revision) {
    static const struct {
        const char *prefix;
        glim_hub_kind kind;
    } hubs[] = {{"https://huggingface.co/", GLIM_HUB_HF},
                {"https://hf.co/", GLIM_HUB_HF},
                {"https://modelscope.cn/models/", GLIM_HUB_MODELSCOPE},
                {"https://www.modelscope.cn/models/", GLIM_HUB_MODELSCOPE}};
    for (size_t i = 0; i < GLIM_COUNT(hubs); i++) {
        size_t n = strlen(hubs[i].prefix);
        if (strncasecmp(word, hubs[i].prefix, n) != 0) continue;
        word += n;
        if (!from_given) p->kind = hubs[i].kind;
        break;
    }
    p->name = glim_xstrdup(word);
    char *slash = strchr(p->name, '/'), *more = slash ? strchr(slash + 1, '/') : NULL;
    if (more && word[0] && strncmp(more, "/tree/", 6) == 0 && !*revision) {
        static char rev[256];
        snprintf(rev, sizeof rev, "%s", more + 6);
        *revision = rev;
    }
    if (more && (more[1] == 0 || strncmp(more, "/tree/", 6) == 0 || strncmp(more, "/summary", 8) == 0 || strncmp(more, "/files", 6) == 0))
        *more = 0;
}

/* Bad words and names are the person's, everything else is the world's. */
static int exit_code(const glim_err *err) {
    glim_cli_error(err);
    switch (err->code) {
    case GLIM_E_CANCELLED: return GLIM_EXIT_INTERRUPT;
    case GLIM_E_ARG:
    case GLIM_E_NOT_FOUND:
    case GLIM_E_UNSUPPORTED: return GLIM_EXIT_USAGE;
    default: return GLIM_EXIT_FAIL;
    }
}

static int pull_run(pull *p, const char *revision, const glim_hub_choice *choice, bool dry) {
    glim_err err = {0};
    glim_buf list = {0};
    bool *had = NULL;
    int code;
    p->token = glim_hub_token(p->kind);
    glim_hub_opts ho = {.revision = revision, .token = p->token, .cancel = &g_cancel};
    glim_status rc = glim_hub_list(&p->repo, p->kind, p->name, &ho, &err);
    if (rc != GLIM_OK) goto fail;
    size_t n = p->repo->n_files;
    p->take = glim_xcalloc(n + 1, sizeof *p->take);
    p->have = glim_xcalloc(n + 1, sizeof *p->have);
    p->sha = glim_xcalloc(n + 1, sizeof *p->sha);
    had = glim_xcalloc(n + 1, sizeof *had);
    rc = glim_hub_choose(p->repo, choice, p->take, &p->n_taken, &list, &err);
    if (rc != GLIM_OK) goto fail;
    rc = read_note(p, &err);
    if (rc == GLIM_OK) rc = look_around(p, &err);
    if (rc != GLIM_OK) goto fail;
    memcpy(had, p->have, n * sizeof *had);
    if (dry) {
        code = GLIM_EXIT_OK;
        if (p->json) code = print_json(p, true, had);
        else print_plan(p);
        goto out;
    }
    double t0 = glim_now_s();
    rc = write_note(p, p->n_have == p->n_taken, &err);
    if (rc == GLIM_OK && p->n_have < p->n_taken) {
        rc = fetch(p, &err);
        /* What arrived is remembered also when the rest did not. */
        glim_err second;
        glim_status wrote = write_note(p, rc == GLIM_OK, &second);
        if (rc == GLIM_OK && wrote != GLIM_OK) rc = wrote, err = second;
    }
    p->seconds = glim_now_s() - t0;
    if (rc != GLIM_OK) goto fail;
    code = GLIM_EXIT_OK;
    if (p->json) code = print_json(p, false, had);
    else print_done(p);
    goto out;

fail:
    if (atomic_load(&g_cancel) && err.code != GLIM_E_CANCELLED) err.code = GLIM_E_CANCELLED;
    code = exit_code(&err);
    if (list.len) fputs(list.s, stderr);
out:
    glim_buf_free(&list);
    free(had);
    return code;
}

int glim_cmd_pull(int argc, char **argv) {
    const char *from = NULL, *revision = NULL, *to = NULL, *file = NULL;
    glim_str_list include = {.n = 0}, exclude = {.n = 0}, pos = {.n = 0};
    bool dry = false;
    pull p = {.jobs = 4};
    const glim_flag flags[] = {
        {"--from", NULL, GLIM_FLAG_STR, &from, "HUB", "hf (default) or modelscope", 0, 0},
        {"--revision", NULL, GLIM_FLAG_STR, &revision, "R", "branch, tag or commit (default: the main branch)", 0, 0},
        {"--to", NULL, GLIM_FLAG_STR, &to, "DIR", "folder (default: ORG/NAME in Glim's data folder)", 0, 0},
        {"--file", NULL, GLIM_FLAG_STR, &file, "NAME", "one file, or all parts of a split GGUF; a piece of its name will do", 0, 0},
        {"--include", NULL, GLIM_FLAG_LIST, &include, "GLOB", "only files that match, instead of the usual ones; repeatable", 0, 0},
        {"--exclude", NULL, GLIM_FLAG_LIST, &exclude, "GLOB", "leave out files that match; repeatable", 0, 0},
        {"--jobs", "-j", GLIM_FLAG_INT, &p.jobs, "N", "files at a time (default 4)", 1, 64},
        {"--dry-run", NULL, GLIM_FLAG_BOOL, &dry, NULL, "say what would be fetched", 0, 0},
        {"--json", NULL, GLIM_FLAG_BOOL, &p.json, NULL, "the outcome as one JSON object", 0, 0},
        {NULL, NULL, GLIM_FLAG_BOOL, NULL, NULL, NULL, 0, 0}};
    const glim_page usage = {
        "glim pull REPO [flags]",
        "Fetches a model from Hugging Face or ModelScope: configuration, tokenizer and safetensors, or one GGUF.\n"
        "Interrupted? Run it again: it continues. Files are checked by size and SHA-256. Mirrors and tokens come\n"
        "from HF_ENDPOINT, HF_TOKEN, MODELSCOPE_ENDPOINT, MODELSCOPE_API_TOKEN; proxies from https_proxy.",
        {flags}};
    int code = glim_args(argc, argv, &usage, &pos, 1, 1);
    if (code >= 0) return code;

    glim_err err;
    if (from && strcmp(from, "modelscope") == 0) p.kind = GLIM_HUB_MODELSCOPE;
    else if (from && strcmp(from, "hf") != 0) {
        glim_fail(&err, GLIM_E_ARG, "--from: got \"%s\", want hf or modelscope", from);
        return exit_code(&err);
    }
    if (file && include.n) {
        glim_fail(&err, GLIM_E_ARG, "--file and --include exclude each other");
        return exit_code(&err);
    }
    parse_repo(&p, pos.v[0], from != NULL, &revision);
    char *own_dir = NULL;
    if (to) {
        size_t n = strlen(to);
        own_dir = glim_xstrdup(to[0] ? to : ".");
        while (n > 1 && own_dir[n - 1] == '/') own_dir[--n] = 0;
    } else {
        char *data = glim_data_dir(), *models = glim_path_join(data, "models");
        own_dir = glim_path_join(models, p.name); /* the name is checked before anything is created */
        free(models);
        free(data);
    }
    p.dir = own_dir;
    const glim_hub_choice choice = {.file = file, .include = include.v, .n_include = include.n, .exclude = exclude.v, .n_exclude = exclude.n};
    atomic_store(&g_cancel, 0);
    catch_signals();
    code = pull_run(&p, revision, &choice, dry);

    glim_hub_repo_free(p.repo);
    json_decref(p.note_files);
    free(p.take);
    free(p.have);
    free(p.sha);
    free(p.token);
    free(p.name);
    free(own_dir);
    return code;
}
