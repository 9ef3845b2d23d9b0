/* cmd_serve.c - a model as a server that OpenAI's clients can talk to. */
#include <dirent.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/folder.h"
#include "cli/inner.h"
#include "cli/notify.h"
#include "serve/server.h"

typedef struct serve_flags {
    glim_model_flags model;
    const char *host, *name, *snapshots, *data, *auth, *config, *path, *cert, *key, *desk;
    int64_t port, parallel, queue, drain, patience, tune_nice, tune_threads, per_client;
    double kv_gib, snapshots_gib, ping_s;
    bool any_model, mirror, desk_plain, no_prefix, no_guess, no_tune;
    glim_str_list adapters, origins;
} serve_flags;

/* "glm-4-9b-chat" for ".../glm-4-9b-chat/" and "x" for "dir/x.gguf". Heap. */
static char *model_name(const char *path) {
    if (strcmp(path, GLIM_INNER_NAME) == 0) return glim_xstrdup(strchr(path, ':') + 1);
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

static _Atomic bool g_stopping; /* read by the reloader */

static bool stop(void *ctx) {
    (void)ctx;
    bool now = glim_cli_interrupted();
    if (now) g_stopping = true;
    if (now) glim_cli_notify("STOPPING=1");
    return now;
}

static glim_status check_tls(const serve_flags *f, glim_err *err) {
    if (!f->cert == !f->key) return GLIM_OK;
    return glim_fail(err, GLIM_E_ARG, "--tls-cert and --tls-key go together, got only --tls-%s", f->cert ? "cert" : "key");
}

static _Atomic int g_reload;
static void on_hangup(int sig) {
    (void)sig;
    g_reload = 1;
}
static bool reload(void *ctx) {
    (void)ctx;
    return atomic_exchange(&g_reload, 0) != 0;
}

/* How much memory goes where, said before a byte of weights is read. Without --kv-memory the KV pages are those of
 * --parallel full contexts, or what fits: pages are shared by all, and few answers fill their context. */
static glim_status plan(serve_flags *f, const char *path, glim_err *err) {
    glim_model_params p;
    glim_ckpt *ckpt = NULL;
    glim_model *m = NULL;
    glim_status rc = glim_cli_model_params(&p, &f->model, err);
    if (rc == GLIM_OK) rc = glim_ckpt_open(&ckpt, path, err);
    if (rc == GLIM_OK) rc = glim_model_inspect(&m, ckpt, &p, err);
    if (rc != GLIM_OK) return rc;
    const glim_memory_plan *q = &m->plan;
    size_t fixed = q->mapped + q->packed + q->workspace, one = q->kv, want = one * (size_t)f->parallel;
    size_t left = q->available > fixed ? (q->available - fixed) / 4 * 3 : 0;
    if (f->kv_gib > 0) want = (size_t)(f->kv_gib * (1 << 30));
    else if (want > left) want = left > one ? left : one;
    f->model.kv_bytes = want;
    char a[32], b[32], c[32], d[32];
    fprintf(stderr, "memory: weights %s (%s), KV pages %s (%.1f contexts of %zu tokens, %s), workspace %s, free %s\n",
            glim_human_bytes(a, sizeof a, (double)(q->mapped + q->packed)), glim_dtype_of(q->weight_type)->name,
            glim_human_bytes(b, sizeof b, (double)want), one ? (double)want / (double)one : 0, q->n_ctx, glim_dtype_of(q->kv_type)->name,
            glim_human_bytes(c, sizeof c, (double)q->workspace), glim_human_bytes(d, sizeof d, (double)q->available));
    glim_model_free(m);
    return GLIM_OK;
}

/* ---- another model in place of this one ---- */

typedef struct source {
    const serve_flags *f;
    const char *path;
    uint64_t sum; /* of names, sizes and times of its files */
} source;

static uint64_t add_file(uint64_t sum, const char *name, const struct stat *st) {
    char text[400];
    uint64_t h = 0xcbf29ce484222325u;
    snprintf(text, sizeof text, "%.255s %lld %lld.%ld %llu", name, (long long)st->st_size, (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec,
             (unsigned long long)st->st_ino);
    for (const char *p = text; *p; p++) h = (h ^ (unsigned char)*p) * 0x100000001b3u;
    return sum + h; /* in any order */
}

static uint64_t files_sum(const char *path) {
    struct stat st;
    uint64_t sum = 0;
    DIR *d = opendir(path);
    if (!d) return stat(path, &st) == 0 ? add_file(0, "", &st) : 0;
    for (struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.' && fstatat(dirfd(d), e->d_name, &st, 0) == 0 && S_ISREG(st.st_mode)) sum = add_file(sum, e->d_name, &st);
    closedir(d);
    return sum;
}

static bool go_on(void *ctx, size_t done, size_t total) {
    (void)ctx, (void)done, (void)total;
    return !g_stopping;
}

/* On the server's reloader thread. */
static glim_status open_again(void *ctx, glim_engine **out, glim_err *err) {
    source *from = ctx;
    uint64_t sum = files_sum(from->path);
    glim_engine_params p = {.n_threads = (int)from->f->model.threads, .template = from->f->model.template};
    *out = NULL;
    if (sum == from->sum) return GLIM_OK;
    glim_status rc = glim_cli_model_params(&p.model, &from->f->model, err);
    p.model.n_seq = (size_t)from->f->parallel;
    p.model.progress = go_on;
    if (rc == GLIM_OK) rc = glim_engine_open(out, from->path, &p, err);
    if (rc == GLIM_OK) from->sum = sum;
    return rc;
}

static glim_status parse_auth(glim_auth *out, const char *word, glim_err *err) {
    if (!word || strcmp(word, "auto") == 0) *out = GLIM_AUTH_AUTO;
    else if (strcmp(word, "keys") == 0) *out = GLIM_AUTH_KEYS;
    else if (strcmp(word, "none") == 0) *out = GLIM_AUTH_NONE;
    else return glim_fail(err, GLIM_E_ARG, "--auth: got \"%s\", want auto, keys or none", word);
    return GLIM_OK;
}

/* "name=folder" words, cut in place. */
static glim_status parse_adapters(glim_server_adapter *out, glim_str_list *words, glim_err *err) {
    for (size_t i = 0; i < words->n; i++) {
        const char *eq = strchr(words->v[i], '=');
        if (!eq || eq == words->v[i] || !eq[1]) return glim_fail(err, GLIM_E_ARG, "--adapter: got \"%s\", want NAME=FOLDER", words->v[i]);
        if (strncmp(words->v[i], "ft:", 3) == 0)
            return glim_fail(err, GLIM_E_ARG, "--adapter: got \"%s\", but names that begin with \"ft:\" are those of fine-tuned models", words->v[i]);
        char *copy = glim_xstrdup(words->v[i]);
        copy[eq - words->v[i]] = 0;
        out[i] = (glim_server_adapter){copy, copy + (eq - words->v[i]) + 1};
    }
    return GLIM_OK;
}

/* Jobs are this very program, even if its file has been replaced meanwhile by another one: the link is followed in the new
 * process, which is still this program then. */
static void set_tuner(glim_server_tuner *t, const serve_flags *f, const char *path, char *place) {
    if (f->no_tune) return;
    if (strcmp(path, GLIM_INNER_NAME) == 0) strcpy(place, path); /* the same in every process of this program */
    else if (!realpath(path, place)) {
        glim_log(GLIM_ERROR, "serve", "fine-tuning jobs are not run: could not tell where \"%s\" lies", path);
        return;
    }
    *t = (glim_server_tuner){.program = "/proc/self/exe", .model = place, .type = f->model.type, .template = f->model.template, .sum = files_sum,
                             .threads = (int)(f->tune_threads ? f->tune_threads : f->model.threads), .nice = (int)f->tune_nice};
}

static glim_status open_store(glim_store **out, const char *dir, glim_err *err) {
    glim_status rc = glim_store_open(out, dir, &(glim_store_params){.role = GLIM_STORE_OWNER, .wait_ms = 2000}, err);
    if (rc == GLIM_E_STATE) glim_err_hint(err, "a second server wants a data folder of its own: --data DIR");
    return rc == GLIM_OK ? glim_store_start(*out, err) : rc;
}

static glim_status serve(const serve_flags *f, glim_server_params *p, glim_engine **e, glim_store *store, glim_listener *l, glim_err *err) {
    glim_server *s = NULL;
    glim_status rc = glim_server_open(&s, *e, store, l, p, err);
    if (rc == GLIM_OK) {
        *e = NULL; /* the server's, which may put another in its place */
        printf("serving %s on http%s://%s%s%s:%d/v1\n", p->model, p->cert_file ? "s" : "", f->host && strchr(f->host, ':') ? "[" : "",
               f->host ? f->host : "127.0.0.1", f->host && strchr(f->host, ':') ? "]" : "", glim_server_port(s));
        fflush(stdout);
        glim_cli_notify("READY=1");
        rc = glim_server_run(s, err);
    }
    glim_server_close(s);
    return rc;
}

int glim_cmd_serve(int argc, char **argv) {
    serve_flags f = {.port = 8000, .parallel = 8, .drain = 30, .patience = 60, .tune_nice = 19};
    const glim_flag own[] = {
        {"--host", NULL, GLIM_FLAG_STR, &f.host, "ADDRESS", "where to listen (default: 127.0.0.1)", 0, 0},
        {"--port", "-p", GLIM_FLAG_INT, &f.port, "N", "port; 0 takes a free one (default: 8000)", 0, 65535},
        {"--name", NULL, GLIM_FLAG_STR, &f.name, "NAME", "the model's name for clients (default: its folder or file)", 0, 0},
        {"--any-model", NULL, GLIM_FLAG_BOOL, &f.any_model, NULL, "answer whatever model name a request holds", 0, 0},
        {"--reasoning-alias", NULL, GLIM_FLAG_BOOL, &f.mirror, NULL, "send reasoning_content under the name \"reasoning\" too", 0, 0},
        {"--adapter", NULL, GLIM_FLAG_LIST, &f.adapters, "NAME=DIR", "a PEFT folder as a further model; repeatable", 0, 0},
        GLIM_DATA_FLAG(&f.data),
        {"--config", NULL, GLIM_FLAG_STR, &f.config, "FILE", "settings as NAME = VALUE lines (default: glim/glim.conf in $XDG_CONFIG_HOME, or in /etc)", 0, 0},
        {"--model", NULL, GLIM_FLAG_STR, &f.path, "MODEL", "the model, where it is not the first word: for the settings' file", 0, 0},
        {"--desk", NULL, GLIM_FLAG_STR, &f.desk, "FOLDER", "a service desk (glim desk init) at /v1/desk and on the page", 0, 0},
        {"--desk-plain", NULL, GLIM_FLAG_BOOL, &f.desk_plain, NULL, "the model does not phrase the desk's answers", 0, 0},
        {"--tls-cert", NULL, GLIM_FLAG_STR, &f.cert, "FILE", "serve HTTPS with this chain of PEM certificates; SIGHUP reads it again", 0, 0},
        {"--tls-key", NULL, GLIM_FLAG_STR, &f.key, "FILE", "the certificate's key, PEM", 0, 0},
        {"--auth", NULL, GLIM_FLAG_STR, &f.auth, "WORD", "auto, keys or none; auto asks for keys once there is one, and always beyond loopback", 0, 0},
        {"--cors", NULL, GLIM_FLAG_LIST, &f.origins, "ORIGIN", "let web pages of this origin call; * is any; repeatable", 0, 0},
        {"--parallel", NULL, GLIM_FLAG_INT, &f.parallel, "N", "answers written at once (default: 8)", 1, 128},
        {"--kv-memory", NULL, GLIM_FLAG_REAL, &f.kv_gib, "GIB", "memory for keys and values (default: full contexts for --parallel, or what fits)", 0, 0},
        {"--queue", NULL, GLIM_FLAG_INT, &f.queue, "N", "requests that may wait; more are refused with 429 (default: 256)", 1, 1 << 20},
        {"--client-timeout", NULL, GLIM_FLAG_INT, &f.patience, "S", "seconds a client has to send a request, or to take 16 KiB of a reply (default: 60)", 1, 86400},
        {"--max-connections-per-client", NULL, GLIM_FLAG_INT, &f.per_client, "N", "connections that one address may hold (default: an eighth of all, and any number from this machine)", 1, 1 << 20},
        {"--drain", NULL, GLIM_FLAG_INT, &f.drain, "S", "seconds that running requests get after SIGTERM (default: 30)", 1, 86400},
        {"--ping", NULL, GLIM_FLAG_REAL, &f.ping_s, "S", "a comment line in a stream that is silent for so long (default: 15)", 0, 0},
        {"--no-tune", NULL, GLIM_FLAG_BOOL, &f.no_tune, NULL, "take fine-tuning jobs, but run none", 0, 0},
        {"--tune-threads", NULL, GLIM_FLAG_INT, &f.tune_threads, "N", "threads of a fine-tuning job (default: as many as answers have)", 1, 1024},
        {"--tune-nice", NULL, GLIM_FLAG_INT, &f.tune_nice, "N", "how far a fine-tuning job gives way to answers, 0 to 19 (default: 19)", 0, 19},
        {"--snapshots", NULL, GLIM_FLAG_STR, &f.snapshots, "DIR", "keep prefixes here over a restart", 0, 0},
        {"--snapshots-size", NULL, GLIM_FLAG_REAL, &f.snapshots_gib, "GIB", "what that folder may hold; the longest unused go first (default: 4)", 0, 0},
        {"--no-prefix-cache", NULL, GLIM_FLAG_BOOL, &f.no_prefix, NULL, "requests share no prefixes", 0, 0},
        {"--no-guess", NULL, GLIM_FLAG_BOOL, &f.no_guess, NULL, "no speculative decoding", 0, 0},
        {0}};
    const glim_flag model[] = {GLIM_MODEL_FLAGS(&f.model), {0}};
    const glim_page u = {"glim serve [MODEL]", "Serves a model over HTTP with OpenAI's API, until SIGTERM or Ctrl-C; without MODEL the small one inside the program.", {own, model}};
    glim_str_list pos = {0};
    int code = glim_args(argc, argv, &u, &pos, 0, 1);
    if (code >= 0) return code;
    glim_err err = {0};
    const char *path;
    if (glim_inner_or(&path, pos.n ? pos.v[0] : f.path, "serve", &err) != GLIM_OK) return glim_cli_error(&err);
    glim_engine *e = NULL;
    glim_store *store = NULL;
    glim_listener *l = NULL;
    char place[PATH_MAX];
    glim_server_adapter adapters[GLIM_COUNT(f.adapters.v)] = {0};
    source from = {.f = &f, .path = path, .sum = files_sum(path)}; /* before it is read: what changes meanwhile is news */
    char *name = f.name ? glim_xstrdup(f.name) : model_name(path);
    glim_server_params p = {.model = name, .any_model = f.any_model, .mirror_reasoning = f.mirror, .origins = f.origins.v,
                            .n_origins = f.origins.n, .adapters = adapters, .n_adapters = f.adapters.n, .plain_shop = f.desk_plain, .max_running = (size_t)f.parallel,
                            .max_waiting = (size_t)f.queue, .no_prefix = f.no_prefix, .snapshot_dir = f.snapshots, .no_guess = f.no_guess,
                            .drain_s = (double)f.drain, .request_s = (double)f.patience, .max_per_client = (size_t)f.per_client, .stop = stop, .stop_ctx = &from, .reload = reload, .open_model = open_again, .cert_file = f.cert, .key_file = f.key};
    if (!getenv("GLIM_LOG")) glim_log_set_level(GLIM_INFO);
    glim_cli_catch_interrupt();
    sigaction(SIGHUP, &(struct sigaction){.sa_handler = on_hangup, .sa_flags = SA_RESTART}, NULL);
    f.model.n_logits = (size_t)f.parallel + 16; /* one row each, and room for guesses */
    glim_status rc = parse_auth(&p.auth, f.auth, &err);
    if (rc == GLIM_OK) rc = parse_adapters(adapters, &f.adapters, &err);
    if (rc == GLIM_OK && (f.kv_gib < 0 || f.kv_gib > 1 << 20)) rc = glim_fail(&err, GLIM_E_ARG, "--kv-memory: got %g, want GiB", f.kv_gib);
    if (rc == GLIM_OK && (f.snapshots_gib < 0 || f.snapshots_gib > 1 << 20)) rc = glim_fail(&err, GLIM_E_ARG, "--snapshots-size: got %g, want GiB", f.snapshots_gib);
    if (rc == GLIM_OK && f.ping_s < 0) rc = glim_fail(&err, GLIM_E_ARG, "--ping: got %g, want seconds", f.ping_s);
    p.ping_s = f.ping_s;
    p.snapshot_bytes = (size_t)(f.snapshots_gib * (1 << 30));
    if (rc == GLIM_OK) rc = open_store(&store, f.data, &err); /* first: a folder in use is told before a model is read */
    if (rc == GLIM_OK && f.desk) rc = glim_shop_open(&p.shop, f.desk, &err);
    if (rc == GLIM_OK) rc = check_tls(&f, &err);
    /* From here on clients hear that the model is being loaded; with TLS they wait. */
    if (rc == GLIM_OK) rc = glim_listener_open(&l, f.host, (int)f.port, !f.cert, &err);
    if (rc == GLIM_OK) rc = plan(&f, path, &err);
    if (rc == GLIM_OK) rc = glim_cli_open(&e, path, &f.model, (size_t)f.parallel, false, &err);
    if (rc == GLIM_OK) set_tuner(&p.tuner, &f, path, place);
    if (rc == GLIM_OK) rc = serve(&f, &p, &e, store, l, &err);
    glim_listener_close(l);
    glim_engine_free(e);
    glim_store_close(store);
    glim_shop_close(p.shop);
    for (size_t i = 0; i < f.adapters.n; i++) free((char *)(uintptr_t)adapters[i].name);
    free(name);
    if (rc == GLIM_OK) return GLIM_EXIT_OK;
    code = glim_cli_error(&err);
    return rc == GLIM_E_NOMEM ? GLIM_EXIT_FAIL : code; /* there may be more memory later: whoever keeps the server up tries again */
}
