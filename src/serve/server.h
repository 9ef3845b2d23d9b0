/* server.h - glim serve: OpenAI's API over HTTP in front of one engine.
 *
 * One thread (the caller of glim_server_run) does all of HTTP: libmicrohttpd runs in it without threads of its own,
 * beside an eventfd that the engine's outbox rings and the sockets of all connections (a client that goes away ends its
 * request within a step). Desk threads read bodies: JSON, templates, tokens, grammars, and what waits for a disk. */
#ifndef GLIM_SERVE_SERVER_H
#define GLIM_SERVE_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/shop.h"
#include "engine/engine.h"
#include "serve/listen.h"
#include "store/store.h"

typedef struct glim_server glim_server;

typedef enum glim_auth {
    GLIM_AUTH_AUTO, /* keys are asked for once there is one, and always beyond loopback */
    GLIM_AUTH_KEYS, /* always */
    GLIM_AUTH_NONE  /* never */
} glim_auth;

typedef struct glim_server_adapter {
    const char *name, *folder;
} glim_server_adapter;

/* How fine-tuning jobs are run (serve/jobs.h): as `program tune`. */
typedef struct glim_server_tuner {
    const char *program;         /* NULL: jobs are taken and wait */
    const char *model;           /* absolute path */
    const char *type, *template; /* as the model was opened; may be NULL */
    uint64_t (*sum)(const char *model); /* of its files' names, sizes and times: a job does not go on with another model */
    int threads, nice;           /* 0: all it may use; as we are */
} glim_server_tuner;

typedef struct glim_server_params {
    const char *model;     /* the name clients ask for; NULL: "model" */
    bool any_model;        /* answer whatever name they ask for */
    bool mirror_reasoning; /* reasoning_content also as "reasoning" */
    glim_auth auth;
    const char *const *origins; /* web pages of these origins may call (CORS); "*": of any */
    size_t n_origins;
    const glim_server_adapter *adapters;
    size_t n_adapters;
    size_t max_running, max_waiting; /* as in glim_sched_params */
    const char *snapshot_dir;
    size_t snapshot_bytes; /* as in glim_sched_params */
    bool no_prefix, no_guess;
    glim_shop *shop;       /* the service desk of /v1/desk; NULL: none. Borrowed */
    bool plain_shop;       /* the model does not phrase its answers */
    size_t max_body;       /* bytes; 0: 8 MiB */
    size_t max_connections; /* 0: 4096, or what the limit of open files allows */
    size_t max_per_client; /* of one address; 0: an eighth of them (16 at least), and from this machine any number */
    double drain_s;        /* how long a drain waits for running requests; 0: 30 s */
    double request_s;      /* how long a client may take to send a request, or to take 16 KiB of a reply; 0: 60 s */
    double ping_s;         /* a comment line on a silent stream; 0: 15 s */
    const char *cert_file, *key_file; /* PEM; NULL: no TLS */
    glim_server_tuner tuner;
    /* Asked a few times a second: true begins the drain, and true again ends what still runs. May be NULL. */
    bool (*stop)(void *ctx);
    void *stop_ctx;
    /* Asked as often: true reads the certificate and the adapters' folders again (keys need no asking). Gets stop_ctx. May be NULL. */
    bool (*reload)(void *ctx);
    /* Part of a reload, on a thread of its own: the model anew, or GLIM_OK with *out NULL if it is what it was. New requests then
     * go to it, those that run end on the old one. NULL: the model stays. Gets stop_ctx. */
    glim_status (*open_model)(void *ctx, glim_engine **out, glim_err *err);
} glim_server_params;

/* e and store (an owner, started) are borrowed and must outlive the server; with open_model e is the server's once this
 * succeeds. l's socket is taken over. Starts a scheduler, and answers when glim_server_run is called. Errors: GLIM_E_ARG,
 * GLIM_E_FORMAT (a certificate), GLIM_E_NET, those of glim_sched_open and glim_sched_add_adapter. */
glim_status glim_server_open(glim_server **out, glim_engine *e, glim_store *store, glim_listener *l, const glim_server_params *p, glim_err *err);
int glim_server_port(const glim_server *s);
/* Serves until a drain is over. */
glim_status glim_server_run(glim_server *s, glim_err *err);
void glim_server_close(glim_server *s); /* takes NULL */

#endif
