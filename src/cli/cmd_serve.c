/* cmd_serve.c - a model as a server that OpenAI's clients can talk to. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/cli.h"
#include "serve/server.h"

typedef struct serve_flags {
    glim_model_flags model;
    const char *host, *name, *snapshots;
    int64_t port, parallel, queue, drain;
    bool any_model, no_prefix, no_guess;
} serve_flags;

/* "glm-4-9b-chat" for ".../glm-4-9b-chat/" and "x" for "dir/x.gguf". Heap. */
static char *model_name(const char *path) {
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    size_t at = n;
    while (at > 0 && path[at - 1] != '/') at--;
    char *name = glim_xmalloc(n - at + 1);
    memcpy(name, path + at, n - at);
    name[n - at] = 0;
    size_t len = strlen(name);
    if (len > 5 && strcmp(name + len - 5, ".gguf") == 0) name[len - 5] = 0;
    return name;
}

static bool is_loopback(const char *host) {
    return !host || strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0 || strncmp(host, "127.", 4) == 0;
}

static bool stop(void *ctx) {
    (void)ctx;
    return glim_cli_interrupted();
}

static glim_status serve(const serve_flags *f, const char *path, glim_engine *e, glim_err *err) {
    char *name = f->name ? NULL : model_name(path);
    glim_server *s = NULL;
    glim_server_params p = {.host = f->host, .port = (int)f->port, .model = f->name ? f->name : name, .any_model = f->any_model,
                            .max_running = (size_t)f->parallel, .max_waiting = (size_t)f->queue, .no_prefix = f->no_prefix,
                            .snapshot_dir = f->snapshots, .no_guess = f->no_guess, .drain_s = (double)f->drain, .stop = stop};
    glim_status rc = glim_server_open(&s, e, &p, err);
    if (rc == GLIM_OK) {
        if (!is_loopback(f->host)) fprintf(stderr, "note: listening on %s without keys: everybody who reaches it may use it\n", f->host);
        printf("serving %s on http://%s:%d/v1\n", p.model, f->host ? f->host : "127.0.0.1", glim_server_port(s));
        fflush(stdout);
        rc = glim_server_run(s, err);
    }
    glim_server_close(s);
    free(name);
    return rc;
}

int glim_cmd_serve(int argc, char **argv) {
    serve_flags f = {.port = 8000, .parallel = 8, .drain = 30};
    const glim_flag own[] = {
        {"--host", NULL, GLIM_FLAG_STR, &f.host, "ADDRESS", "where to listen (default: 127.0.0.1)", 0, 0},
        {"--port", "-p", GLIM_FLAG_INT, &f.port, "N", "port; 0 takes a free one (default: 8000)", 0, 65535},
        {"--name", NULL, GLIM_FLAG_STR, &f.name, "NAME", "the model's name for clients (default: its folder or file)", 0, 0},
        {"--any-model", NULL, GLIM_FLAG_BOOL, &f.any_model, NULL, "answer whatever model name a request holds", 0, 0},
        {"--parallel", NULL, GLIM_FLAG_INT, &f.parallel, "N", "answers written at once, each with a full context planned (default: 8)", 1, 128},
        {"--queue", NULL, GLIM_FLAG_INT, &f.queue, "N", "requests that may wait; more are refused with 429 (default: 256)", 1, 1 << 20},
        {"--drain", NULL, GLIM_FLAG_INT, &f.drain, "S", "seconds that running requests get after SIGTERM (default: 30)", 1, 86400},
        {"--snapshots", NULL, GLIM_FLAG_STR, &f.snapshots, "DIR", "keep prefixes here over a restart", 0, 0},
        {"--no-prefix-cache", NULL, GLIM_FLAG_BOOL, &f.no_prefix, NULL, "requests share no prefixes", 0, 0},
        {"--no-guess", NULL, GLIM_FLAG_BOOL, &f.no_guess, NULL, "no speculative decoding", 0, 0},
        {0}};
    const glim_flag model[] = {GLIM_MODEL_FLAGS(&f.model), {0}};
    const glim_page u = {"glim serve MODEL", "Serves a model over HTTP with OpenAI's API, until SIGTERM or Ctrl-C.", {own, model}};
    glim_str_list pos = {0};
    int code = glim_args(argc, argv, &u, &pos, 1, 1);
    if (code >= 0) return code;
    glim_err err = {0};
    glim_engine *e = NULL;
    glim_cli_catch_interrupt();
    f.model.n_logits = (size_t)f.parallel * 4; /* room for guesses */
    glim_status rc = glim_cli_open(&e, pos.v[0], &f.model, (size_t)f.parallel, false, &err);
    if (rc == GLIM_OK) rc = serve(&f, pos.v[0], e, &err);
    glim_engine_free(e);
    return rc == GLIM_OK ? 0 : glim_cli_error(&err);
}
