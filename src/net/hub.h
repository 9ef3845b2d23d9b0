/* hub.h - model repositories on Hugging Face and ModelScope: what files there are, which of them a model
 * needs, where each is, and what a refusal means. Any server with one of the two layouts will do
 * (HF_ENDPOINT, MODELSCOPE_ENDPOINT). Fetching is download.h's. */
#ifndef GLIM_NET_HUB_H
#define GLIM_NET_HUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/http.h"
#include "net/sha256.h"

typedef enum glim_hub_kind { GLIM_HUB_HF = 0, GLIM_HUB_MODELSCOPE } glim_hub_kind;

enum {
    GLIM_HUB_PATH_MAX = 512,     /* bytes of a file's path in a repository */
    GLIM_HUB_FILES_MAX = 100000, /* files of one repository */
};

typedef struct glim_hub_file {
    char *path;                   /* checked: relative, plain, see glim_hub_path_ok */
    uint64_t size;
    char sha256[GLIM_SHA256_HEX]; /* "" where the hub states none: small files on Hugging Face have a git
                                     object id instead (SHA-1, not checked; their size is) */
    char pin[65];                 /* the hub's object id or SHA-256, "" if none: another id, another file */
    char *url;
} glim_hub_file;

typedef struct glim_hub_repo {
    glim_hub_kind kind;
    char *endpoint;     /* without a slash at the end */
    char *name;         /* "org/name" */
    char *revision;     /* as asked for: branch, tag or commit */
    char commit[65];    /* what it was when asked (Hugging Face); every URL names it. "" on ModelScope,
                           whose listing gives a SHA-256 per file instead */
    glim_hub_file *files;
    size_t n_files;
} glim_hub_repo;

typedef struct glim_hub_opts {
    const char *endpoint; /* NULL: HF_ENDPOINT or MODELSCOPE_ENDPOINT, else the public hub */
    const char *revision; /* NULL: "main", on ModelScope "master" */
    const char *token;    /* NULL: none; see glim_hub_token */
    glim_http_limits limits;
    atomic_int *cancel;
} glim_hub_opts;

/* Lists a repository. name: "org/name" (or "name") of letters, digits and . _ -
 * Errors: GLIM_E_ARG (name or revision), GLIM_E_NOT_FOUND, GLIM_E_NET, GLIM_E_FORMAT (hostile or broken
 * listings), GLIM_E_CANCELLED; refusals carry the remedy as a hint. */
glim_status glim_hub_list(glim_hub_repo **out, glim_hub_kind kind, const char *name,
                          const glim_hub_opts *opts, glim_err *err);
void glim_hub_repo_free(glim_hub_repo *r); /* takes NULL */

/* The access token a person has set, heap, or NULL. Hugging Face: HF_TOKEN, else the file HF_TOKEN_PATH,
 * $HF_HOME/token or ~/.cache/huggingface/token. ModelScope: MODELSCOPE_API_TOKEN. */
char *glim_hub_token(glim_hub_kind kind);

/* Is `path` safe to create under a folder: relative, at most GLIM_HUB_PATH_MAX bytes of valid UTF-8, no
 * empty, "." or ".." component, no backslash, control byte or name longer than 255? */
bool glim_hub_path_ok(const char *path, size_t len);

/* Rewrites *err for a refusal of the hub (status 401, 403, 404, 407, 429, 451) into a sentence with its
 * remedy; other statuses leave it as it is. Returns err->code. */
glim_status glim_hub_explain(glim_hub_kind kind, const char *endpoint, const char *name,
                             const char *revision, bool had_token, long status, const char *error_code,
                             glim_err *err);

/* ---- which files (hub_choose.c) ---- */

typedef struct glim_hub_choice {
    const char *file;            /* one file (a split GGUF: all its parts), by path, base name or, for
                                    GGUF, a part of the name such as "q4_k_m" */
    const char *const *include;  /* globs; given: only what matches one of them */
    size_t n_include;
    const char *const *exclude;  /* globs; what matches one of them is left out */
    size_t n_exclude;
} glim_hub_choice;

/* Picks files: take[n_files] is filled, *n_taken says how many. Without file or include: configuration,
 * tokenizer, chat template, safetensors with their index and the licence, from the top folder. A
 * repository that has GGUF files only: its one model, or GLIM_E_ARG with *list holding one line per
 * model to choose from (the caller shows and frees it; it is empty otherwise).
 * Globs are fnmatch's; '*' matches '/' too, as in the hub's own tools.
 * Errors: GLIM_E_ARG, GLIM_E_NOT_FOUND, GLIM_E_UNSUPPORTED (weights of a kind Glim does not read),
 * GLIM_E_FORMAT (parts of a split file are missing). */
glim_status glim_hub_choose(const glim_hub_repo *r, const glim_hub_choice *c, bool *take, size_t *n_taken,
                            glim_buf *list, glim_err *err);

#endif
