/* server_internal.h - one server, its connections and its calls, as the files of this folder share them.
 *
 *   server.c   open, the loop, timers, drain          conn.c     libmicrohttpd's callbacks: from bytes to a call
 *   strict.c   what must not pass                     auth.c     whose request it is, and whether it may
 *   refuse.c   what the library refuses, in our words clients.c  connections of each client's address
 *   reply.c    replies and errors                     desk.c     threads that read bodies, mail back to the loop
 *   work.c     a call that the engine works for       grammar.c  masks for constrained decoding
 *   desk_say.c the model as the service desk's own
 *   routes.c   the table; route_*.c one route each
 *   backend.c  the model, and putting another in its place while requests run
 *   jobs*.c    fine-tuning, in a process of its own       shelf.c    the models that it made
 *
 * Threads    everything runs in the thread of glim_server_run but for a route's `prepare` and `work`, which run on a
 *            desk thread. A call belongs to one thread at a time: glim_desk_put hands it over, glim_mail_put back. */
#ifndef GLIM_SERVE_SERVER_INTERNAL_H
#define GLIM_SERVE_SERVER_INTERNAL_H

#include <microhttpd.h>
#include <pthread.h>

#include "engine/sched.h"
#include "serve/ask.h"
#include "serve/clients.h"
#include "serve/metrics.h"
#include "serve/server.h"
#include "store/ledger.h"
#include "text/constrain.h"

typedef enum glim_call_state {
    CALL_READING,  /* the body is on its way */
    CALL_REFUSED,  /* an error is known; the rest of the body is thrown away */
    CALL_WORKING,  /* a desk or the engine has it; the connection is suspended */
    CALL_ANSWERED  /* a response is queued */
} glim_call_state;

typedef struct glim_call glim_call;
typedef struct glim_route glim_route;

/* One request to the engine; a call may have several (a list of prompts). */
typedef struct glim_unit {
    glim_request r;      /* prompt, user and outbox are filled in at submission; the mask is owned until then */
    glim_ids ids;        /* the prompt */
    glim_stream *stream; /* NULL: not submitted, or ended */
    bool started;        /* its prompt is read: an event of it came, or the end of one that was being read */
    size_t n_tokens;     /* handed out */
} glim_unit;

/* How a route answers. Exactly one of run, work and prepare is there. */
struct glim_route {
    const char *method, *path; /* the path without /v1; a final '*' takes the rest (at least one byte) */
    uint32_t scope;            /* bits of glim_scope, any of them; 0: any live key */
    bool open;                 /* needs no key ever */
    size_t max_body;           /* 0: the server's */

    /* At once, in the loop: nothing that takes a millisecond. */
    enum MHD_Result (*run)(glim_call *c);
    /* On a desk: files, the store. Fills c->reply (and reply_type, reply_status); false: c->error. */
    bool (*work)(glim_call *c);
    bool slow; /* work waits for the engine */
    /* On a desk: reads c->body, makes c->task and the units (glim_call_units). false: c->error. The rest runs in the
     * loop. event: one event of unit i, false: c->error. chunks: the stream's events ("data: ...\n\n") for what is new. */
    bool (*prepare)(glim_call *c);
    bool (*event)(glim_call *c, size_t i, const glim_event *ev);
    /* Whether this choice of unit i is over although the model goes on: what it writes then is nobody's. May be NULL. */
    bool (*over)(const glim_call *c, size_t i, uint32_t choice);
    void (*chunks)(glim_call *c, glim_buf *sse, bool last);
    void (*whole)(glim_call *c, glim_buf *body);
    void (*failed)(glim_call *c, glim_buf *sse); /* c->error in a stream that has begun; NULL: data: {"error": ...} */
    int64_t (*reasoning)(const glim_call *c);    /* tokens of it, for the ledger; NULL: none */

    /* The body as it comes, instead of c->body (uploads); the first call has n = 0. false: c->error. May be NULL. */
    bool (*take)(glim_call *c, const char *data, size_t n);
    void (*release)(glim_call *c); /* frees c->task; may be NULL */
};

/* One HTTP request. Freed when connection, desk, ledger and engine are through with it. */
struct glim_call {
    struct glim_server *s;
    struct glim_backend *b;      /* the model that was there when it came; kept to its end */
    struct MHD_Connection *conn; /* NULL: over */
    struct glim_conn *link;
    glim_call_state state;
    const glim_route *route;
    char *arg;                   /* what the path had for the route's '*', or the methods allowed */
    bool suspended, close_after;
    char id[40];
    double t0;                   /* the whole request was read */
    bool keyed;                  /* key is somebody's; else everybody is "local" */
    glim_key key;
    glim_buf body;
    size_t n_body, dropped;
    size_t n_held;               /* of these, counted in s->n_body until the call is freed */
    glim_api_error error;

    void *task;                  /* the route's own */
    glim_buf reply;
    const char *reply_type;      /* NULL: application/json */
    int reply_status;            /* 0: 200 */
    bool has_file;               /* instead of reply: the bytes of file_fd, which is the call's */
    int file_fd;
    uint64_t file_bytes;

    bool listed;                 /* in s->calls: a desk, the ledger or the engine knows it */
    bool away;                   /* a desk or the ledger has it */
    bool ready;                  /* what work() or prepare() said */
    struct glim_call *next_mail, *prev, *next;

    /* set by prepare */
    bool stream;
    char *model;                 /* as asked for; heap, or NULL */
    const char *adapter;         /* NULL: the base model */
    struct glim_hot_adapter *pinned; /* that one, for all units, whatever becomes of its name */
    glim_unit *units;
    size_t n_units;

    /* while the engine works */
    glim_hold *hold;
    glim_verdict verdict;
    size_t n_open;
    size_t n_sent;   /* units handed to the engine so far */
    _Atomic bool gone;           /* nobody reads any more; the loop's word, heard by the thread of a slow route */
    bool started, ended, failed;
    bool cut;                    /* the budget ended it: finish_reason "length" */
    bool hungry;                 /* waits for its reservation to grow, or for a place in the queue */
    glim_tokens used;
    glim_buf sse;                /* not yet sent */
    size_t sse_at;
    double t_first, t_last, t_wrote;
    uint32_t n_longest;          /* tokens of the longest choice */
};

/* A connection, from accept to close. */
typedef struct glim_conn {
    struct glim_server *s;
    int fd;
    bool hung;       /* the other side has closed its end */
    bool busy;       /* a whole request was read and is being answered */
    uint64_t client; /* glim_client_key */
    bool counted;    /* in s->clients */
    bool surplus;    /* one more than its client may hold: its request is refused */
    uint64_t came;   /* bytes of the socket up to the end of the last request */
    double deadline; /* for what the client does next: send a request, take bytes; 0: it is our turn */
    glim_call *call;
    struct glim_conn *prev, *next;
} glim_conn;

/* A loaded model and what follows from it (backend.c). */
typedef struct glim_backend {
    struct glim_server *s;
    glim_engine *e;
    bool own;          /* e is ours to free */
    glim_sched *d;
    glim_outbox *box;
    glim_ask_facts facts;
    char fingerprint[32];
    size_t max_piece;  /* bytes of the longest token */
    size_t refs;       /* calls */
    _Atomic bool unused; /* it was replaced, and its last call is gone */

    pthread_mutex_t grammar_mu; /* while these two are made, when first needed */
    glim_constraint_vocab *vocab;
    glim_constraint_cache *grammars;
} glim_backend;

struct glim_server {
    glim_server_params p;
    glim_backend *b;   /* of new calls */
    glim_backend *old; /* was replaced and still has calls; NULL: none. The loop's */
    _Atomic(glim_backend *) incoming; /* from the reloader */
    pthread_mutex_t adapters_mu; /* while adapters come and go, and while b changes */
    bool adapters_barred;        /* a new model has a copy of their list already */
    _Atomic bool closing;
    glim_store *store;
    struct MHD_Daemon *daemon;
    struct glim_tls *tls; /* NULL: none */
    int port, ep, bell;
    bool loopback;
    bool draining;
    double drain_until, close_at, closed_at; /* close_at 0: what runs has its time; closed_at: and the engine is at none of them */
    int64_t started;
    glim_metrics metrics;
    glim_call *calls;
    glim_conn *conns;
    glim_clients *clients;

    struct glim_desk *desk;
    struct glim_shelf *shelf; /* fine-tuned models */
    struct glim_jobs *jobs;   /* NULL: none are run */
    pthread_mutex_t folders_mu; /* while one below DIR/jobs is cleared */
    pthread_t reloader;
    bool reloading; /* there is a reloader to join */
    bool reload_again; /* it was asked for once more meanwhile */
    _Atomic bool reloaded; /* and it is through */
    size_t n_away;    /* calls at a desk or the ledger */
    size_t n_coming;  /* of these, calls that go on to the engine */
    size_t n_body;    /* bytes of the bodies of all calls */
};

/* backend.c. With `own` the engine is freed with it. */
glim_status glim_backend_open(glim_backend **out, glim_server *s, glim_engine *e, bool own, glim_err *err);
void glim_backend_close(glim_backend *b); /* takes NULL; its scheduler may be closed already (d NULL) */
glim_backend *glim_backend_take(glim_server *s);
void glim_backend_drop(glim_backend *b);
void glim_backend_turn(glim_server *s); /* the loop, once a turn, with nothing of the old one in hand */
/* Around what changes the adapters of c's model, on a desk. false: c->error. */
bool glim_adapters_lock(glim_call *c);
void glim_adapters_unlock(glim_call *c);
void glim_reload_begin(glim_server *s);
void glim_reload_end(glim_server *s);

/* conn.c */
enum MHD_Result glim_conn_request(void *ctx, struct MHD_Connection *conn, const char *url, const char *method, const char *version,
                                  const char *data, size_t *n_data, void **call_ctx);
void glim_conn_request_over(void *ctx, struct MHD_Connection *conn, void **call_ctx, enum MHD_RequestTerminationCode code);
enum MHD_Result glim_conn_policy(void *ctx, const struct sockaddr *a, socklen_t n); /* whether it may connect */
void glim_conn_left(glim_conn *k); /* closes it if its client is gone and nothing is done for it */
void glim_conn_changed(void *ctx, struct MHD_Connection *conn, void **socket_ctx, enum MHD_ConnectionNotificationCode code);
void glim_call_suspend(glim_call *c);
void glim_call_resume(glim_call *c);
void glim_call_lose(glim_call *c);    /* the client is gone: what runs for it ends */
void glim_call_release(glim_call *c); /* frees it once nobody needs it */

/* reply.c */
enum MHD_Result glim_call_reply(glim_call *c, int status, const char *type, glim_buf *body); /* takes body */
enum MHD_Result glim_call_file(glim_call *c);                                                /* c->file_fd */
enum MHD_Result glim_call_ok(glim_call *c, glim_buf *body);                                  /* 200, JSON */
enum MHD_Result glim_call_fail(glim_call *c);                                                /* c->error */
enum MHD_Result glim_call_queue(glim_call *c, int status, struct MHD_Response *r);           /* takes r */
/* The body as a JSON object (new reference), or NULL with c->error. Any thread that has the call. */
json_t *glim_call_json(glim_call *c);

/* strict.c: what libmicrohttpd lets through and we do not. */
/* *known_end: the request says where its body ends. */
bool glim_strict_check(struct MHD_Connection *conn, const char *method, const char *url, const char *version, size_t max_body, bool *known_end,
                       glim_api_error *e);

/* auth.c */
bool glim_call_auth(glim_call *c);  /* whose request it is; false: c->error */
bool glim_call_admit(glim_call *c, int64_t n_tokens); /* its rates; any thread that has the call; false: c->error */
const char *glim_call_tenant(const glim_call *c);

/* desk.c */
glim_status glim_desk_open(glim_server *s, glim_err *err);
void glim_desk_close(glim_server *s);           /* joins the threads; what they had is in the mail */
void glim_desk_put(glim_call *c);
void glim_mail_put(glim_call *c);               /* any thread */
void glim_mail_read(glim_server *s);            /* the loop: glim_call_back for each */

/* work.c */
bool glim_call_units(glim_call *c, size_t n);   /* prepare: n units, zeroed; false: c->error */
enum MHD_Result glim_call_begin(glim_call *c);  /* to a desk */
void glim_call_prepare(glim_call *c);           /* on the desk */
void glim_call_back(glim_call *c);              /* from desk and ledger */
enum MHD_Result glim_call_continue(glim_call *c); /* after a resume, before a response is queued */
void glim_call_pump(glim_call *c);              /* takes what the engine has */
void glim_call_cancel(glim_call *c);
void glim_call_shut(glim_call *c);              /* the server ends: what runs for it is over, and says so */
void glim_call_tick(glim_call *c, double now);  /* pings, growth, revoked keys */

/* grammar.c: the hook for a unit; no hook where nothing is to be enforced. Any thread. */
glim_status glim_grammar_hook(glim_backend *b, const glim_constraint_spec *spec, glim_mask_hook *hook, glim_err *err);

/* desk_say.c: asks the engine and waits, on a desk of routes marked slow; charged to the call's key. As glim_shop_model.say, with
 * the call as its context. Its error is not the call's. */
glim_status glim_desk_say(void *ctx, const glim_shop_prompt *p, glim_shop_said *out, glim_err *err);

/* prompt.c: prompts to ids, on a desk. false: c->error with this param. */
bool glim_prompt_chat(glim_call *c, const json_t *messages, const json_t *tools, const glim_chat_options *opt, const char *param, glim_ids *ids,
                      bool *in_reasoning);
bool glim_prompt_text(glim_call *c, const char *text, size_t n, const char *param, glim_ids *ids);
bool glim_prompt_fits(glim_call *c, const glim_ids *ids, const char *param);
/* The model a request asks for: the base or an adapter. Sets c->model and c->adapter. */
bool glim_call_model(glim_call *c, const char *name);

/* routes.c */
const glim_route *glim_route_find(const char *method, const char *url, const char **arg, const char **allow);

#endif
