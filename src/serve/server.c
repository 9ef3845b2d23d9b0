/* server.c - see server.h: the loop, connections, and the path of a request through libmicrohttpd's callbacks.
 *
 * Everything here runs in one thread, so nothing is locked. libmicrohttpd watches sockets that it reads or writes; a
 * suspended connection is watched by nobody, so its socket is in our own epoll set (EPOLLRDHUP, one shot).
 * Order in a turn of the loop: sockets that hung up, the engine's events, then the library, which may free calls. */
#include "serve/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "serve/server_internal.h"

/* ---- replies ---- */

void glim_call_common_headers(glim_call *c, struct MHD_Response *r) {
    MHD_add_response_header(r, "x-request-id", c->id);
    if (c->close_after || c->s->draining) MHD_add_response_header(r, "Connection", "close");
}

static enum MHD_Result queue(glim_call *c, int status, struct MHD_Response *r) {
    glim_call_common_headers(c, r);
    c->state = CALL_ANSWERED;
    c->s->metrics.responses[status / 100]++;
    enum MHD_Result ok = MHD_queue_response(c->conn, (unsigned)status, r);
    MHD_destroy_response(r);
    return ok;
}

enum MHD_Result glim_call_reply(glim_call *c, int status, const char *type, glim_buf *body) {
    if (body->failed) {
        glim_buf_free(body);
        return MHD_NO;
    }
    struct MHD_Response *r = MHD_create_response_from_buffer(body->len, body->s, MHD_RESPMEM_MUST_FREE);
    if (!r) {
        glim_buf_free(body);
        return MHD_NO;
    }
    *body = (glim_buf){0};
    MHD_add_response_header(r, "Content-Type", type);
    return queue(c, status, r);
}

enum MHD_Result glim_call_fail(glim_call *c) {
    glim_buf b = {0};
    const glim_api_error *e = &c->error;
    glim_api_error_json(&b, e);
    if (e->close) c->close_after = true;
    glim_log(GLIM_INFO, "serve", "refused id=%s status=%d code=%s", c->id, e->status, e->code ? e->code : "-");
    if (b.failed) return MHD_NO;
    struct MHD_Response *r = MHD_create_response_from_buffer(b.len, b.s, MHD_RESPMEM_MUST_FREE);
    if (!r) {
        glim_buf_free(&b);
        return MHD_NO;
    }
    MHD_add_response_header(r, "Content-Type", "application/json");
    if (e->no_retry) MHD_add_response_header(r, "x-should-retry", "false");
    if (e->retry_ms > 0) {
        char v[24];
        snprintf(v, sizeof v, "%d", e->retry_ms);
        MHD_add_response_header(r, "retry-after-ms", v);
        snprintf(v, sizeof v, "%d", (e->retry_ms + 999) / 1000);
        MHD_add_response_header(r, "retry-after", v);
    }
    if (e->status == 405) MHD_add_response_header(r, "Allow", c->arg);
    return queue(c, e->status, r);
}

/* ---- calls ---- */

void glim_call_suspend(glim_call *c) {
    glim_conn *k = c->link;
    MHD_suspend_connection(c->conn);
    c->suspended = true;
    struct epoll_event ev = {.events = EPOLLRDHUP | EPOLLONESHOT, .data.ptr = k};
    if (epoll_ctl(c->s->ep, k->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, k->fd, &ev) == 0) k->watched = true;
}

void glim_call_resume(glim_call *c) {
    if (!c->suspended) return;
    c->suspended = false;
    MHD_resume_connection(c->conn);
}

static void leave_list(glim_call *c) {
    if (c->prev) c->prev->next = c->next;
    else if (c->s->calls == c) c->s->calls = c->next;
    if (c->next) c->next->prev = c->prev;
    c->prev = c->next = NULL;
}

void glim_call_release(glim_call *c) {
    if (c->conn || c->n_open > 0) return;
    leave_list(c);
    for (size_t i = 0; i < c->n_streams; i++) glim_stream_close(c->streams[i]);
    free(c->streams);
    if (c->has_out) glim_out_free(&c->out);
    if (c->has_ask) glim_ask_free(&c->ask);
    glim_buf_free(&c->body);
    glim_buf_free(&c->sse);
    free((char *)(uintptr_t)c->arg);
    free(c);
}

/* The client is gone: its streams end before the next step, and are read to their end for their usage. */
static void lose(glim_call *c) {
    if (c->gone) return;
    c->gone = true;
    glim_call_cancel(c);
    if (c->conn) glim_call_resume(c);
}

/* ---- libmicrohttpd's callbacks ---- */

static void connection_changed(void *ctx, struct MHD_Connection *conn, void **socket_ctx, enum MHD_ConnectionNotificationCode code) {
    glim_server *s = ctx;
    glim_conn *k = *socket_ctx;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        k = glim_xcalloc(1, sizeof *k);
        k->s = s;
        k->fd = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        k->deadline = glim_now_s() + s->p.request_s;
        k->next = s->conns;
        if (s->conns) s->conns->prev = k;
        s->conns = k;
        *socket_ctx = k;
        int on = 1;
        setsockopt(k->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        return;
    }
    if (!k) return;
    if (k->watched) epoll_ctl(s->ep, EPOLL_CTL_DEL, k->fd, NULL);
    if (k->prev) k->prev->next = k->next;
    else s->conns = k->next;
    if (k->next) k->next->prev = k->prev;
    free(k);
}

static void request_over(void *ctx, struct MHD_Connection *conn, void **call_ctx, enum MHD_RequestTerminationCode code) {
    glim_call *c = *call_ctx;
    (void)ctx, (void)conn, (void)code;
    if (!c) return;
    *call_ctx = NULL;
    c->conn = NULL;
    c->link->call = NULL;
    c->link->working = false;
    c->link->deadline = glim_now_s() + c->s->p.request_s;
    if (c->n_open > 0) lose(c);
    glim_call_release(c);
}

static bool choose_route(glim_call *c, const char *method, const char *url) {
    const char *arg, *allow;
    c->is_head = strcmp(method, "HEAD") == 0;
    c->route = glim_route_find(method, url, &arg, &allow);
    if (arg) c->arg = glim_xstrdup(arg);
    if (c->route) return true;
    if (!allow) return glim_api_fail(&c->error, 404, "unknown_url", NULL, "there is nothing at %.40s %.200s", method, url);
    c->arg = glim_xstrdup(allow);
    return glim_api_fail(&c->error, 405, "method_not_allowed", NULL, "%.200s does not answer %.40s, only %s", url, method, allow);
}

static enum MHD_Result first_look(glim_server *s, struct MHD_Connection *conn, const char *method, const char *url, const char *version,
                                  void **call_ctx) {
    glim_call *c = glim_xcalloc(1, sizeof *c);
    c->s = s;
    c->conn = conn;
    c->link = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    c->link->call = c;
    glim_out_new_id(c->id, "req_");
    *call_ctx = c;
    bool known_end;
    if (!glim_strict_check(conn, url, version, s->p.max_body, &known_end, &c->error)) return glim_call_fail(c);
    /* Nothing after a request whose end is a guess; of GET, HEAD and DELETE nobody expects a body. */
    c->close_after = !known_end && strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0 && strcmp(method, "DELETE") != 0;
    if (!choose_route(c, method, url)) c->state = CALL_REFUSED;
    return MHD_YES;
}

static enum MHD_Result take_body(glim_call *c, const char *data, size_t *n) {
    if (c->state == CALL_READING && c->body.len + *n > c->s->p.max_body) {
        glim_api_fail(&c->error, 413, "request_too_large", NULL, "the body has more than %zu bytes", c->s->p.max_body);
        c->error.close = true;
        c->state = CALL_REFUSED;
        glim_buf_free(&c->body);
    }
    if (c->state == CALL_READING) {
        glim_buf_append(&c->body, data, *n);
        if (c->body.failed) {
            glim_api_fail(&c->error, 503, "overloaded", NULL, "no memory for the body");
            c->state = CALL_REFUSED;
        }
    } else {
        /* Thrown away, but not for ever: the reply can only follow the body. */
        c->dropped += *n;
        if (c->dropped > 2 * c->s->p.max_body) return MHD_NO;
    }
    *n = 0;
    return MHD_YES;
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *conn, const char *url, const char *method, const char *version,
                                  const char *data, size_t *n_data, void **call_ctx) {
    glim_server *s = ctx;
    glim_call *c = *call_ctx;
    if (!c) return first_look(s, conn, method, url, version, call_ctx);
    if (*n_data > 0) return take_body(c, data, n_data);
    if (c->state == CALL_WORKING) return glim_call_continue(c);
    if (c->state == CALL_ANSWERED) return MHD_YES;
    c->link->working = true;
    c->t0 = glim_now_s();
    if (c->state == CALL_REFUSED) return glim_call_fail(c);
    if (c->route->model && s->draining) {
        glim_api_fail(&c->error, 503, "shutting_down", NULL, "the server is shutting down and takes no new requests");
        c->error.retry_ms = 1000;
        return glim_call_fail(c);
    }
    return c->route->run(c);
}

/* ---- opening ---- */

static void ring(void *ctx) {
    uint64_t one = 1;
    ssize_t n = write(((glim_server *)ctx)->bell, &one, sizeof one);
    (void)n; /* full means that it rings already */
}

/* What decides the text of an answer beside the request: build, weights, their type, the kernels. FNV-1a. */
static void make_fingerprint(glim_server *s) {
    const glim_model *m = s->e->model;
    char text[512];
    snprintf(text, sizeof text, "%s|%s|%s|%s|%s|%llu|%zu", GLIM_VERSION, s->facts.model, m->k->name, glim_dtype_of(m->plan.weight_type)->name,
             glim_dtype_of(m->plan.kv_type)->name, (unsigned long long)m->n_params, m->cfg.n_vocab);
    uint64_t h = 0xcbf29ce484222325u;
    for (const char *p = text; *p; p++) h = (h ^ (unsigned char)*p) * 0x100000001b3u;
    snprintf(s->fingerprint, sizeof s->fingerprint, "fp_%016llx", (unsigned long long)h);
}

static void learn_facts(glim_server *s) {
    const glim_config *c = &s->e->model->cfg;
    s->facts = (glim_ask_facts){.model = s->p.model ? s->p.model : "model", .any_model = s->p.any_model, .n_vocab = glim_tok_n(s->e->tok),
                                .n_ctx = s->e->model->plan.n_ctx, .defaults = glim_engine_defaults(s->e)};
    /* OpenAI's defaults where the checkpoint says nothing. */
    if (c->temperature < 0 && !(c->has_do_sample && !c->do_sample)) s->facts.defaults.temperature = 1;
    if (c->top_p <= 0) s->facts.defaults.top_p = 1;
    s->max_piece = 1;
    for (size_t i = 0; i < s->facts.n_vocab; i++) {
        size_t n = 0;
        if (glim_tok_piece(s->e->tok, (int32_t)i, &n) && n > s->max_piece) s->max_piece = n;
    }
    make_fingerprint(s);
}

static glim_status listen_on(glim_server *s, glim_err *err) {
    struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)s->p.port)};
    struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)s->p.port)};
    const char *host = s->p.host ? s->p.host : "127.0.0.1";
    if (strcmp(host, "localhost") == 0) host = "127.0.0.1";
    const struct sockaddr *addr = NULL;
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME;
    if (inet_pton(AF_INET, host, &a4.sin_addr) == 1) addr = (const struct sockaddr *)&a4;
    else if (inet_pton(AF_INET6, host, &a6.sin6_addr) == 1) addr = (const struct sockaddr *)&a6, flags |= MHD_USE_IPv6;
    else return glim_fail(err, GLIM_E_ARG, "\"%s\" is not an address to listen on, want an IPv4 or IPv6 address or \"localhost\"", host);
    s->daemon = MHD_start_daemon(flags, (uint16_t)s->p.port, NULL, NULL, on_request, s, MHD_OPTION_SOCK_ADDR, addr,
                                 MHD_OPTION_NOTIFY_COMPLETED, request_over, s, MHD_OPTION_NOTIFY_CONNECTION, connection_changed, s,
                                 MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)64 << 10, MHD_OPTION_CONNECTION_LIMIT, (unsigned)s->p.max_connections,
                                 MHD_OPTION_CONNECTION_TIMEOUT, 120u, MHD_OPTION_STRICT_FOR_CLIENT, 1,
                                 MHD_OPTION_END);
    if (!s->daemon) return glim_fail_errno(err, GLIM_E_NET, errno, "could not listen on %s port %d", host, s->p.port);
    s->port = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
    return GLIM_OK;
}

static bool watch(glim_server *s, int fd, void *what) {
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = what};
    return epoll_ctl(s->ep, EPOLL_CTL_ADD, fd, &ev) == 0;
}

glim_status glim_server_open(glim_server **out, glim_engine *e, const glim_server_params *p, glim_err *err) {
    glim_server *s = glim_xcalloc(1, sizeof *s);
    *out = NULL;
    s->p = *p;
    if (s->p.max_body == 0) s->p.max_body = (size_t)8 << 20;
    if (s->p.max_connections == 0) s->p.max_connections = 1024;
    if (s->p.drain_s <= 0) s->p.drain_s = 30;
    if (s->p.request_s <= 0) s->p.request_s = 60;
    if (s->p.ping_s <= 0) s->p.ping_s = 15;
    s->e = e;
    s->started = (int64_t)time(NULL);
    s->ep = epoll_create1(EPOLL_CLOEXEC);
    s->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    glim_metrics_init(&s->metrics);
    learn_facts(s);
    s->box = glim_outbox_new(ring, s);
    glim_status rc = GLIM_OK;
    glim_sched_params sp = {.max_running = p->max_running, .max_waiting = p->max_waiting, .no_prefix = p->no_prefix,
                            .snapshot_dir = p->snapshot_dir, .max_draft = p->no_guess ? -1 : 0};
    if (s->ep < 0 || s->bell < 0) rc = glim_fail_errno(err, GLIM_E_IO, errno, "could not make the server's event queue");
    if (rc == GLIM_OK) rc = glim_sched_open(&s->d, e, &sp, err);
    if (rc == GLIM_OK) rc = glim_sched_start(s->d, err);
    if (rc == GLIM_OK) rc = listen_on(s, err);
    if (rc == GLIM_OK && (!watch(s, s->bell, &s->bell) ||
                          !watch(s, MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd, &s->daemon)))
        rc = glim_fail_errno(err, GLIM_E_IO, errno, "could not watch the server's sockets");
    if (rc != GLIM_OK) {
        glim_server_close(s);
        return rc;
    }
    *out = s;
    return GLIM_OK;
}

int glim_server_port(const glim_server *s) { return s->port; }

/* ---- the loop ---- */

static void begin_drain(glim_server *s, double now) {
    if (s->draining) { /* asked again: end what still runs */
        for (glim_call *c = s->calls; c; c = c->next) glim_call_cancel(c);
        s->drain_until = now;
        return;
    }
    s->draining = true;
    s->drain_until = now + s->p.drain_s;
    glim_sched_drain(s->d);
    int listener = MHD_quiesce_daemon(s->daemon);
    if (listener >= 0) close(listener);
    glim_log(GLIM_INFO, "serve", "drain begins");
}

static void pump_all(glim_server *s) {
    uint64_t n;
    ssize_t got = read(s->bell, &n, sizeof n);
    (void)got;
    glim_stream *st;
    while ((st = glim_outbox_next(s->box))) glim_call_pump(glim_stream_user(st));
}

static void timers(glim_server *s, double now) {
    for (glim_conn *k = s->conns; k; k = k->next)
        if (!k->working && now > k->deadline) {
            shutdown(k->fd, SHUT_RDWR); /* the library notices and closes */
            k->deadline = now + s->p.request_s;
        }
    for (glim_call *c = s->calls, *next; c; c = next) {
        next = c->next;
        glim_call_ping(c, now);
    }
}

static bool drained(const glim_server *s, double now) {
    if (!s->draining) return false;
    if (now > s->drain_until) return true;
    if (s->calls) return false;
    for (const glim_conn *k = s->conns; k; k = k->next)
        if (k->working) return false; /* a reply is still being written */
    return true;
}

glim_status glim_server_run(glim_server *s, glim_err *err) {
    double timed = 0;
    for (;;) {
        MHD_UNSIGNED_LONG_LONG wait_ms = 250;
        if (MHD_get_timeout(s->daemon, &wait_ms) != MHD_YES || wait_ms > 250) wait_ms = 250;
        struct epoll_event ev[64];
        int n = epoll_wait(s->ep, ev, 64, (int)wait_ms);
        if (n < 0 && errno != EINTR) return glim_fail_errno(err, GLIM_E_IO, errno, "the server's event queue failed");
        double now = glim_now_s();
        for (int i = 0; i < n; i++) {
            void *what = ev[i].data.ptr;
            if (what == &s->bell || what == &s->daemon) continue;
            glim_conn *k = what;
            if (k->call && k->call->suspended) lose(k->call);
        }
        if (s->p.stop && s->p.stop(s->p.stop_ctx)) begin_drain(s, now);
        pump_all(s);
        MHD_run(s->daemon);
        if (now - timed > 0.2) {
            timed = now;
            timers(s, now);
        }
        if (drained(s, now)) return GLIM_OK;
    }
}

void glim_server_close(glim_server *s) {
    if (!s) return;
    if (s->daemon) {
        /* The library wants no suspended connection when it stops. */
        for (glim_call *c = s->calls; c; c = c->next) lose(c);
        MHD_run(s->daemon);
        MHD_stop_daemon(s->daemon);
    }
    for (glim_call *c = s->calls, *next; c; c = next) {
        next = c->next;
        for (size_t i = 0; i < c->n_streams; i++) glim_stream_close(c->streams[i]), c->streams[i] = NULL;
        c->n_open = 0;
        c->conn = NULL;
        glim_call_release(c);
    }
    glim_sched_close(s->d);
    glim_outbox_free(s->box);
    glim_constraint_cache_free(s->grammars);
    glim_constraint_vocab_free(s->vocab);
    if (s->ep >= 0) close(s->ep);
    if (s->bell >= 0) close(s->bell);
    free(s);
}
