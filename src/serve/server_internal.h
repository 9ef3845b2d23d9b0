/* server_internal.h - what server.c, strict.c, generate.c, routes.c and metrics.c share. */
#ifndef GLIM_SERVE_SERVER_INTERNAL_H
#define GLIM_SERVE_SERVER_INTERNAL_H

#include <microhttpd.h>

#include "engine/sched.h"
#include "serve/metrics.h"
#include "serve/out.h"
#include "serve/server.h"
#include "text/constrain.h"

typedef enum glim_call_state {
    CALL_READING,  /* the body is on its way */
    CALL_REFUSED,  /* an error is known; the rest of the body is thrown away */
    CALL_WORKING,  /* the engine has it; the connection is suspended */
    CALL_ANSWERED  /* a response is queued */
} glim_call_state;

typedef struct glim_route glim_route;

/* One HTTP request. Freed when both the connection is through with it and the engine's streams have ended. */
typedef struct glim_call {
    struct glim_server *s;
    struct MHD_Connection *conn; /* NULL: over */
    struct glim_conn *link;
    glim_call_state state;
    const glim_route *route;
    const char *arg;             /* what the path had for a route ending in '*' ; heap */
    bool is_head, suspended, close_after;
    char id[40];
    double t0;
    glim_buf body;
    size_t dropped;
    glim_api_error error;

    /* completions */
    bool has_ask, has_out, gone, started, ended, failed;
    bool reader_waits;   /* the content reader is suspended until there is something to send */
    glim_ask ask;
    glim_out out;
    glim_stream **streams;
    size_t n_streams, n_open;
    glim_buf sse;        /* not yet sent */
    size_t sse_at;
    double t_first, t_last, t_wrote;
    struct glim_call *prev, *next; /* calls with streams */
} glim_call;

struct glim_route {
    const char *method, *path; /* the path without /v1; a final '*' takes the rest */
    bool model;                /* needs the engine: refused while draining */
    enum MHD_Result (*run)(glim_call *c);
};

/* A connection, from accept to close. */
typedef struct glim_conn {
    struct glim_server *s;
    int fd;
    bool watched;      /* in ep */
    bool working;      /* a whole request was read and is being answered */
    double deadline;   /* for the next whole request; watched while not working */
    glim_call *call;
    struct glim_conn *prev, *next;
} glim_conn;

struct glim_server {
    glim_server_params p;
    glim_engine *e;
    glim_sched *d;
    glim_outbox *box;
    struct MHD_Daemon *daemon;
    int port, ep, bell;
    bool draining;
    double drain_until;
    int64_t started;
    char fingerprint[32];
    glim_ask_facts facts;
    glim_metrics metrics;
    glim_call *calls;
    glim_conn *conns;
    size_t max_piece; /* bytes of the longest token */
    glim_constraint_vocab *vocab; /* made when first needed */
    glim_constraint_cache *grammars;
};

/* server.c */
enum MHD_Result glim_call_reply(glim_call *c, int status, const char *type, glim_buf *body); /* takes body */
enum MHD_Result glim_call_fail(glim_call *c);                                                /* c->error */
void glim_call_suspend(glim_call *c);
void glim_call_resume(glim_call *c);
void glim_call_common_headers(glim_call *c, struct MHD_Response *r);
void glim_call_release(glim_call *c); /* frees it once nobody needs it */

/* strict.c: what libmicrohttpd lets through and we do not. */
/* *known_end: the request says where its body ends. */
bool glim_strict_check(struct MHD_Connection *conn, const char *url, const char *version, size_t max_body, bool *known_end, glim_api_error *e);

/* generate.c */
enum MHD_Result glim_call_chat(glim_call *c);
enum MHD_Result glim_call_completion(glim_call *c);
enum MHD_Result glim_call_continue(glim_call *c); /* after a resume, before a response is queued */
void glim_call_pump(glim_call *c);                /* takes what the engine has */
void glim_call_cancel(glim_call *c);
void glim_call_ping(glim_call *c, double now);
glim_status glim_server_grammar(glim_server *s, const glim_ask *a, bool in_reasoning, glim_constraint **out, glim_err *err);

/* routes.c */
const glim_route *glim_route_find(const char *method, const char *url, const char **arg, const char **allow);
json_t *glim_call_json(glim_call *c); /* the body, or NULL with c->error */

#endif
