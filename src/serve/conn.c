/* conn.c - libmicrohttpd's callbacks: connections, and a request from its first header to its last byte.
 *
 * Every connection's socket is in the server's epoll set for EPOLLRDHUP from accept on: while a call is suspended
 * nobody else watches it. Each stretch in which the client has to do something has a deadline of its own that no
 * trickle of bytes can move; server.c closes what is late. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "serve/refuse.h"
#include "serve/server_internal.h"

/* Beyond its share a client gets a few connections more, on which it is told so; the rest is closed unheard. */
enum { TOLD = 16 };

static bool is_counted(const glim_server *s, uint64_t client) { return s->clients && (client || s->p.max_per_client); }

static size_t share(const glim_server *s) {
    if (s->p.max_per_client) return s->p.max_per_client;
    return s->p.max_connections / 8 > 16 ? s->p.max_connections / 8 : 16;
}

enum MHD_Result glim_conn_policy(void *ctx, const struct sockaddr *a, socklen_t n) {
    glim_server *s = ctx;
    (void)n;
    uint64_t client = glim_client_key(a);
    return !is_counted(s, client) || glim_clients_held(s->clients, client) < share(s) + TOLD ? MHD_YES : MHD_NO;
}

static void count_in(glim_conn *k, struct MHD_Connection *conn) {
    const union MHD_ConnectionInfo *a = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    k->client = a && a->client_addr ? glim_client_key(a->client_addr) : 0;
    k->counted = is_counted(k->s, k->client);
    if (k->counted && glim_clients_add(k->s->clients, k->client) > share(k->s)) {
        k->surplus = true;
        k->deadline = glim_now_s() + (k->s->p.request_s < 5 ? k->s->p.request_s : 5);
    }
}

void glim_conn_changed(void *ctx, struct MHD_Connection *conn, void **socket_ctx, enum MHD_ConnectionNotificationCode code) {
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
        count_in(k, conn);
        int on = 1;
        setsockopt(k->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        /* Edge-triggered: one event in the life of a connection. */
        struct epoll_event ev = {.events = EPOLLRDHUP | EPOLLET, .data.ptr = k};
        if (epoll_ctl(s->ep, EPOLL_CTL_ADD, k->fd, &ev) != 0) k->deadline = 0.001; /* unwatched: not kept */
        return;
    }
    if (!k) return;
    epoll_ctl(s->ep, EPOLL_CTL_DEL, k->fd, NULL);
    if (k->prev) k->prev->next = k->next;
    else s->conns = k->next;
    if (k->next) k->next->prev = k->prev;
    if (k->counted) glim_clients_remove(s->clients, k->client);
    free(k);
    *socket_ctx = NULL;
}

/* The library may not hear of an end that comes together with the last bytes, and would wait for more until the deadline:
 * once it has read what there was, what lacks will never come. */
void glim_conn_left(glim_conn *k) {
    char c;
    if (!k->hung || k->busy || (k->call && k->call->suspended)) return;
    if (recv(k->fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) > 0) return;
    shutdown(k->fd, SHUT_RDWR); /* this it notices, and closes */
}

/* ---- calls ---- */

void glim_call_suspend(glim_call *c) {
    MHD_suspend_connection(c->conn);
    c->suspended = true;
    if (c->link->hung) c->gone = true; /* it left with its last byte: nobody waits for what begins now */
    c->link->deadline = 0;
}

void glim_call_resume(glim_call *c) {
    if (!c->suspended) return;
    c->suspended = false;
    c->link->deadline = glim_now_s() + c->s->p.request_s;
    MHD_resume_connection(c->conn);
}

static void leave_list(glim_call *c) {
    if (!c->listed) return;
    if (c->prev) c->prev->next = c->next;
    else c->s->calls = c->next;
    if (c->next) c->next->prev = c->prev;
    c->prev = c->next = NULL;
    c->listed = false;
}

void glim_call_release(glim_call *c) {
    if (c->conn || c->away || c->n_open > 0) return;
    leave_list(c);
    for (size_t i = 0; i < c->n_units; i++) {
        glim_stream_close(c->units[i].stream);
        if (c->units[i].r.mask.free) c->units[i].r.mask.free(c->units[i].r.mask.ctx);
        glim_ids_free(&c->units[i].ids);
    }
    free(c->units);
    free(c->model);
    if (c->route && c->route->release) c->route->release(c);
    glim_buf_free(&c->body);
    glim_buf_free(&c->reply);
    if (c->has_file) close(c->file_fd);
    glim_buf_free(&c->sse);
    free(c->arg);
    c->s->n_body -= c->n_held;
    glim_sched_unpin_adapter(c->pinned);
    glim_backend_drop(c->b);
    free(c);
}

void glim_call_lose(glim_call *c) {
    if (c->gone) return;
    c->gone = true;
    glim_call_cancel(c);
    if (c->conn) glim_call_resume(c); /* so that the library closes it */
}

void glim_conn_request_over(void *ctx, struct MHD_Connection *conn, void **call_ctx, enum MHD_RequestTerminationCode code) {
    glim_call *c = *call_ctx;
    (void)ctx, (void)conn, (void)code;
    if (!c) return;
    *call_ctx = NULL;
    c->conn = NULL;
    c->suspended = false;
    c->link->call = NULL;
    c->link->busy = false;
    c->link->deadline = glim_now_s() + c->s->p.request_s;
    if (c->n_open > 0 || c->away) glim_call_lose(c);
    else if (c->hold) { /* between two of its prompts: no event will come that could settle it */
        c->gone = true;
        glim_call_pump(c); /* settles and frees it */
        return;
    }
    glim_call_release(c);
}

/* ---- a request ---- */

/* A browser asks before a page of another origin may call; whether it may is answered by glim_call_queue's header. */
static enum MHD_Result preflight(glim_call *c) {
    struct MHD_Response *r = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    if (!r) return MHD_NO;
    MHD_add_response_header(r, "Access-Control-Allow-Methods", "GET, POST, DELETE");
    /* What OpenAI's Node SDK sends from a browser, with every call or some (its src/client.ts and detect-platform.ts). By name: "*" does not
     * stand for Authorization, and not every browser knows it. */
    MHD_add_response_header(r, "Access-Control-Allow-Headers",
                            "Authorization, Content-Type, Idempotency-Key, User-Agent, OpenAI-Organization, OpenAI-Project, OpenAI-Beta, X-Stainless-Lang, "
                            "X-Stainless-Package-Version, X-Stainless-OS, X-Stainless-Arch, X-Stainless-Runtime, X-Stainless-Runtime-Version, "
                            "X-Stainless-Retry-Count, X-Stainless-Timeout, X-Stainless-Helper-Method, X-Stainless-Poll-Helper, "
                            "X-Stainless-Custom-Poll-Interval");
    MHD_add_response_header(r, "Access-Control-Max-Age", "600");
    return glim_call_queue(c, 204, r);
}

static bool choose_route(glim_call *c, const char *method, const char *url) {
    static const glim_route asked_before = {"OPTIONS", "*", .open = true, .run = preflight};
    const char *arg, *allow;
    if (c->s->p.n_origins && strcmp(method, "OPTIONS") == 0) {
        c->route = &asked_before;
        return true;
    }
    c->route = glim_route_find(method, url, &arg, &allow);
    if (arg) {
        c->arg = glim_xstrdup(arg);
        for (size_t n = strlen(arg); n > 1 && c->arg[n - 1] == '/';) c->arg[--n] = 0; /* no more than in the paths without one */
    }
    if (c->route) return true;
    if (!allow) return glim_api_fail(&c->error, 404, "unknown_url", NULL, "there is nothing at %.40s %.200s", method, url);
    free(c->arg);
    c->arg = glim_xstrdup(allow);
    return glim_api_fail(&c->error, 405, "method_not_allowed", NULL, "%.200s does not answer %.40s, only %s", url, method, allow);
}

static size_t max_body(const glim_call *c) { return c->route && c->route->max_body ? c->route->max_body : c->s->p.max_body; }

static enum MHD_Result first_look(glim_server *s, struct MHD_Connection *conn, const char *method, const char *url, const char *version,
                                  void **call_ctx) {
    glim_call *c = glim_xcalloc(1, sizeof *c);
    c->s = s;
    c->b = glim_backend_take(s);
    c->conn = conn;
    c->link = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    c->link->call = c;
    c->link->deadline = glim_now_s() + s->p.request_s; /* for the body */
    glim_api_new_id(c->id, "req_");
    *call_ctx = c;
    bool routed = choose_route(c, method, url);
    glim_api_error found = c->error;
    bool known_end;
    if (!glim_strict_check(conn, method, url, version, max_body(c), &known_end, &c->error)) return glim_call_fail(c);
    c->error = found;
    if (c->link->surplus) {
        glim_api_fail(&c->error, 429, "too_many_connections", NULL, "one client address may hold %zu connections here", share(s));
        c->error.close = true;
        c->error.retry_ms = 1000;
        routed = false;
    }
    /* Nothing after a request whose end is a guess; of GET, HEAD and DELETE nobody expects a body. */
    c->close_after = !known_end && strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0 && strcmp(method, "DELETE") != 0;
    /* A refused request's body is read all the same: answered before its end, many clients would never see the reply. */
    if (!routed || !glim_call_auth(c) || (c->route->take && !c->route->take(c, NULL, 0))) c->state = CALL_REFUSED;
    /* A client that asks first has sent none of it, and hears the refusal in place of "100 Continue". */
    const char *expect = MHD_lookup_connection_value(conn, MHD_HEADER_KIND, "Expect");
    if (c->state == CALL_REFUSED && known_end && expect && strcasecmp(expect, "100-continue") == 0) {
        c->error.close = true;
        return glim_call_fail(c);
    }
    return MHD_YES;
}

/* Bodies of all calls together: what is parsed from them may be many times as large. */
static bool too_many_bytes(const glim_call *c, size_t n) { return c->s->n_body + n > 16 * c->s->p.max_body; }

static enum MHD_Result take_body(glim_call *c, const char *data, size_t *n) {
    if (c->state == CALL_READING && c->n_body + *n > max_body(c)) {
        glim_api_fail(&c->error, 413, "request_too_large", NULL, "the body has more than %zu bytes", max_body(c));
        c->error.close = true;
        c->state = CALL_REFUSED;
        glim_buf_free(&c->body);
    }
    if (c->state == CALL_READING) {
        c->n_body += *n;
        if (c->route->take) {
            if (!c->route->take(c, data, *n)) c->state = CALL_REFUSED;
            /* A large upload may take longer, at 64 KiB a second or more. */
            if (c->route->max_body) c->link->deadline += (double)*n / 65536;
        } else if (too_many_bytes(c, *n)) {
            c->body.failed = true;
        } else {
            glim_buf_append(&c->body, data, *n);
            c->n_held += *n;
            c->s->n_body += *n;
        }
        if (c->body.failed) {
            glim_api_fail(&c->error, 503, "overloaded", NULL, "no memory for the body");
            c->error.retry_ms = 1000;
            c->state = CALL_REFUSED;
        }
    } else {
        /* Thrown away, but not for ever: the reply can only follow the body. A file of the size that its route takes still hears why. */
        size_t most = 2 * c->s->p.max_body;
        c->dropped += *n;
        if (c->dropped > (max_body(c) > most ? max_body(c) : most)) return MHD_NO;
    }
    *n = 0;
    return MHD_YES;
}

enum MHD_Result glim_conn_request(void *ctx, struct MHD_Connection *conn, const char *url, const char *method, const char *version,
                                  const char *data, size_t *n_data, void **call_ctx) {
    glim_server *s = ctx;
    glim_call *c = *call_ctx;
    if (!c) return first_look(s, conn, method, url, version, call_ctx);
    if (*n_data > 0) return take_body(c, data, n_data);
    if (c->state == CALL_WORKING) return glim_call_continue(c);
    if (c->state == CALL_ANSWERED) return MHD_YES;
    c->link->busy = true;
    c->link->came = glim_bytes_came(c->link->fd); /* here, not when the reply is out: the next request may begin before that is noticed */
    c->t0 = glim_now_s();
    if (c->state == CALL_REFUSED) return glim_call_fail(c);
    if (!c->route->prepare && !glim_call_admit(c, 0)) return glim_call_fail(c);
    return c->route->run ? c->route->run(c) : glim_call_begin(c);
}
