/* server.c - see server.h: opening, the loop, timers, the drain.
 *
 * Order in a turn of the loop: sockets that hung up, mail from the desks, the engine's events, then the library, which
 * may free calls. Nothing here is locked: all of it is one thread's. */
#include "serve/server.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "serve/jobs.h"
#include "serve/refuse.h"
#include "serve/server_internal.h"
#include "serve/shelf.h"
#include "serve/tls.h"

/* ---- opening ---- */

__attribute__((format(printf, 2, 0))) static void library_says(void *ctx, const char *fmt, va_list ap) {
    char text[256];
    (void)ctx;
    vsnprintf(text, sizeof text, fmt, ap);
    text[strcspn(text, "\n")] = 0;
    glim_log(GLIM_DEBUG, "http", "%s", text); /* what clients do wrong is no news */
}

/* Sockets for all connections beside the files that are open anyway, as far as the system allows. */
static void allow_files(glim_server *s) {
    struct rlimit r;
    size_t spare = 256;
    if (getrlimit(RLIMIT_NOFILE, &r) != 0) return;
    if (r.rlim_cur < s->p.max_connections + spare) {
        rlim_t want = s->p.max_connections + spare;
        r.rlim_cur = r.rlim_max == RLIM_INFINITY || want < r.rlim_max ? want : r.rlim_max;
        setrlimit(RLIMIT_NOFILE, &r);
    }
    if (r.rlim_cur < s->p.max_connections + spare) s->p.max_connections = r.rlim_cur > 2 * spare ? r.rlim_cur - spare : r.rlim_cur / 2;
}

/* In C a text ends at its first NUL: "/v1/models/a%00b" would be the name of another model. */
static size_t unescape(void *ctx, struct MHD_Connection *conn, char *s) {
    (void)ctx, (void)conn;
    size_t n = MHD_http_unescape(s);
    for (char *p = s; (p = memchr(p, 0, n - (size_t)(p - s))); ) *p = 1; /* a byte that no name here has */
    return n;
}

static glim_status listen_on(glim_server *s, glim_listener *l, glim_err *err) {
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG | (glim_listener_ipv6(l) ? MHD_USE_IPv6 : 0);
    s->loopback = glim_listener_loopback(l);
    s->port = glim_listener_port(l);
    struct MHD_OptionItem tls[3] = {{MHD_OPTION_END, 0, NULL}, {MHD_OPTION_END, 0, NULL}, {MHD_OPTION_END, 0, NULL}};
    if (s->p.cert_file) {
        glim_status rc = glim_tls_open(&s->tls, s->p.cert_file, s->p.key_file, err);
        if (rc != GLIM_OK) return rc;
        flags |= MHD_USE_TLS;
        tls[0] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)(uintptr_t)glim_tls_choose};
        tls[1] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)GLIM_TLS_PRIORITIES};
    }
    /* 32 KiB hold the largest headers that are taken; more are refused with 431. No idle timeout of the library's: any
     * byte would move it. */
    int fd = glim_listener_take(l);
    s->daemon = MHD_start_daemon(flags, 0, glim_conn_policy, s, glim_conn_request, s, MHD_OPTION_LISTEN_SOCKET, fd,
                                 MHD_OPTION_EXTERNAL_LOGGER, library_says, NULL, MHD_OPTION_NOTIFY_COMPLETED, glim_conn_request_over, s,
                                 MHD_OPTION_NOTIFY_CONNECTION, glim_conn_changed, s, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)32 << 10,
                                 MHD_OPTION_CONNECTION_LIMIT, (unsigned)s->p.max_connections, MHD_OPTION_CONNECTION_TIMEOUT, 0u,
                                 MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_UNESCAPE_CALLBACK, unescape, NULL, MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
    if (s->daemon) return GLIM_OK;
    int why = errno;
    close(fd);
    return glim_fail_errno(err, GLIM_E_NET, why, "could not serve on port %d", s->port);
}

static bool watch(glim_server *s, int fd, void *what) {
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = what};
    return epoll_ctl(s->ep, EPOLL_CTL_ADD, fd, &ev) == 0;
}

glim_status glim_server_open(glim_server **out, glim_engine *e, glim_store *store, glim_listener *l, const glim_server_params *p, glim_err *err) {
    glim_server *s = glim_xcalloc(1, sizeof *s);
    *out = NULL;
    s->p = *p;
    if (s->p.max_body == 0) s->p.max_body = (size_t)8 << 20;
    if (s->p.max_connections == 0) s->p.max_connections = 4096;
    allow_files(s);
    s->clients = glim_clients_new(s->p.max_connections);
    if (s->p.drain_s <= 0) s->p.drain_s = 30;
    if (s->p.request_s <= 0) s->p.request_s = 60;
    if (s->p.ping_s <= 0) s->p.ping_s = 15;
    pthread_mutex_init(&s->adapters_mu, NULL);
    pthread_mutex_init(&s->folders_mu, NULL);
    s->store = store;
    s->started = (int64_t)time(NULL);
    s->ep = epoll_create1(EPOLL_CLOEXEC);
    s->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    glim_metrics_init(&s->metrics);
    glim_status rc = GLIM_OK;
    if (s->ep < 0 || s->bell < 0) rc = glim_fail_errno(err, GLIM_E_IO, errno, "could not make the server's event queue");
    if (rc == GLIM_OK) rc = glim_shelf_open(s, err);
    if (rc == GLIM_OK) rc = glim_backend_open(&s->b, s, e, p->open_model != NULL, err);
    if (rc == GLIM_OK) rc = glim_desk_open(s, err);
    if (rc == GLIM_OK) rc = listen_on(s, l, err);
    if (rc == GLIM_OK && (!watch(s, s->bell, &s->bell) ||
                          !watch(s, MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd, &s->daemon)))
        rc = glim_fail_errno(err, GLIM_E_IO, errno, "could not watch the server's sockets");
    if (rc == GLIM_OK) rc = glim_jobs_open(s, err);
    if (rc != GLIM_OK) {
        if (s->b) s->b->own = false; /* still the caller's */
        glim_server_close(s);
        return rc;
    }
    *out = s;
    return GLIM_OK;
}

int glim_server_port(const glim_server *s) { return s->port; }

/* ---- reload ---- */

static void begin_reload(glim_server *s) {
    glim_err err = {0};
    if (s->tls && glim_tls_reload(s->tls, &err) != GLIM_OK) glim_log(GLIM_ERROR, "tls", "the certificate stays as it was: %s", err.msg);
    glim_reload_begin(s);
}

/* ---- the loop ---- */

static void begin_drain(glim_server *s, double now) {
    glim_jobs_drain(s, s->draining);
    if (s->draining) { /* asked again: end what still runs */
        if (s->drain_until > now) s->drain_until = now;
        return;
    }
    /* Who has connected by now is known to the system only, and would be reset: each turn takes ten of them and reads what the last ten sent. */
    glim_conn *newest;
    int turns = 0;
    do {
        newest = s->conns;
        MHD_run(s->daemon);
    } while (s->conns != newest && ++turns < 1000);
    s->draining = true;
    s->drain_until = now + s->p.drain_s;
    int listener = MHD_quiesce_daemon(s->daemon);
    if (listener >= 0) close(listener);
    glim_log(GLIM_INFO, "serve", "drain begins");
}

static void pump_all(glim_server *s) {
    uint64_t n;
    ssize_t got = read(s->bell, &n, sizeof n);
    (void)got;
    glim_mail_read(s);
    glim_stream *st;
    while ((st = glim_outbox_next(s->b->box))) glim_call_pump(glim_stream_user(st));
    while (s->old && (st = glim_outbox_next(s->old->box))) glim_call_pump(glim_stream_user(st));
}

static void timers(glim_server *s, double now) {
    for (glim_conn *k = s->conns; k; k = k->next) {
        if (k->hung) glim_conn_left(k);
        if (k->deadline > 0 && now > k->deadline) {
            glim_refuse_late(k);
            shutdown(k->fd, SHUT_RDWR); /* the library notices and closes */
            k->deadline = now + s->p.request_s;
        }
    }
    for (glim_call *c = s->calls; c; c = c->next) glim_call_tick(c, now);
}

/* When the time is over, what still runs is ended, and has a second to hear so, behind the step that the engine is at: a stream its last event, whoever
 * waits a 503. */
static bool drained(glim_server *s, double now) {
    if (!s->draining) return false;
    if (now >= s->drain_until && s->close_at == 0) {
        s->close_at = now + 1;
        for (glim_call *c = s->calls; c; c = c->next) glim_call_shut(c);
    }
    if (s->close_at > 0 && now > s->close_at) {
        for (const glim_call *c = s->calls; c; c = c->next)
            if (c->n_open > 0 && !c->gone) return false; /* a step of the engine is not over, which closing waits for too */
        if (s->closed_at == 0) s->closed_at = now + 1;
        return now > s->closed_at || !s->calls;
    }
    if (s->calls) return false;
    for (const glim_conn *k = s->conns; k; k = k->next)
        if (k->busy) return false; /* a reply is still being written */
    return true;
}

/* Requests that wait for their reservation to grow, or for a place in the queue: nobody rings when it has, or is there. */
static bool feed(glim_server *s) {
    bool any = false;
    for (glim_call *c = s->calls, *next; c; c = next) {
        next = c->next;
        if (!c->hungry) continue;
        glim_call_pump(c);
        any = true;
    }
    return any;
}

static void hung_up(glim_conn *k) {
    k->hung = true;
    if (k->call && k->call->suspended) glim_call_lose(k->call);
}

glim_status glim_server_run(glim_server *s, glim_err *err) {
    double timed = 0;
    bool hungry = false;
    for (;;) {
        MHD_UNSIGNED_LONG_LONG wait_ms = 200;
        if (MHD_get_timeout(s->daemon, &wait_ms) != MHD_YES || wait_ms > 200) wait_ms = 200;
        if (hungry && wait_ms > 5) wait_ms = 5;
        struct epoll_event ev[256];
        int n = epoll_wait(s->ep, ev, 256, (int)wait_ms);
        if (n < 0 && errno != EINTR) return glim_fail_errno(err, GLIM_E_IO, errno, "the server's event queue failed");
        double now = glim_now_s();
        for (int i = 0; i < n; i++)
            if (ev[i].data.ptr != &s->bell && ev[i].data.ptr != &s->daemon) hung_up(ev[i].data.ptr);
        if (s->p.stop && s->p.stop(s->p.stop_ctx)) begin_drain(s, now);
        if (s->p.reload && s->p.reload(s->p.stop_ctx)) begin_reload(s);
        glim_backend_turn(s);
        pump_all(s);
        hungry = feed(s);
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
        for (glim_call *c = s->calls; c; c = c->next) glim_call_lose(c);
        MHD_run(s->daemon);
        MHD_stop_daemon(s->daemon);
    }
    for (glim_call *c = s->calls; c; c = c->next) {
        c->gone = true;
        c->conn = NULL;
    }
    atomic_store(&s->closing, true);
    glim_jobs_drain(s, false);
    glim_reload_end(s);
    if (s->desk) glim_desk_close(s);
    glim_jobs_close(s); /* desks wake it */
    glim_backend *const all[] = {s->b, s->old, atomic_exchange(&s->incoming, NULL)};
    for (size_t i = 0; i < GLIM_COUNT(all); i++)
        if (all[i]) {
            glim_sched_close(all[i]->d); /* every stream ends */
            all[i]->d = NULL;
        }
    for (glim_call *c = s->calls, *next; c; c = next) {
        next = c->next;
        glim_call_pump(c); /* settles and frees it */
    }
    glim_tls_close(s->tls);
    glim_shelf_close(s);
    for (size_t i = 0; i < GLIM_COUNT(all); i++) glim_backend_close(all[i]);
    glim_metrics_free(&s->metrics);
    glim_clients_free(s->clients);
    if (s->ep >= 0) close(s->ep);
    if (s->bell >= 0) close(s->bell);
    pthread_mutex_destroy(&s->adapters_mu);
    pthread_mutex_destroy(&s->folders_mu);
    free(s);
}
