/* listen.c - see listen.h. */
#include "serve/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "serve/api_error.h"
#include "serve/refuse.h"

struct glim_listener {
    int fd, port;
    bool loopback, ipv6;
    struct MHD_Daemon *daemon; /* answers until the socket is taken */
};

static enum MHD_Result not_yet(void *ctx, struct MHD_Connection *conn, const char *url, const char *method, const char *version, const char *data, size_t *n_data,
                               void **call) {
    (void)ctx, (void)method, (void)version, (void)data;
    if (!*call) { /* headers only; the body, if any, comes next */
        *call = conn;
        return MHD_YES;
    }
    if (*n_data > 0) {
        *n_data = 0;
        return MHD_YES;
    }
    bool live = strcmp(url, "/live") == 0 || strcmp(url, "/v1/live") == 0;
    glim_buf b = {0};
    glim_api_error e;
    char id[40];
    glim_api_fail(&e, 503, "model_loading", NULL, "the model is being loaded");
    if (live) glim_buf_puts(&b, "{\"status\": \"ok\"}");
    else glim_api_error_json(&b, &e);
    struct MHD_Response *r = b.failed ? NULL : MHD_create_response_from_buffer(b.len, b.s, MHD_RESPMEM_MUST_FREE);
    if (!r) {
        glim_buf_free(&b);
        return MHD_NO;
    }
    glim_api_new_id(id, "req_");
    MHD_add_response_header(r, "Content-Type", "application/json");
    MHD_add_response_header(r, "x-request-id", id);
    MHD_add_response_header(r, "Connection", "close"); /* the next request is the server's */
    if (!live) MHD_add_response_header(r, "retry-after", "2");
    enum MHD_Result ok = glim_mhd_queue(conn, live ? 200 : 503, r);
    MHD_destroy_response(r);
    return ok;
}

static glim_status bind_to(glim_listener *l, const char *host, int port, glim_err *err) {
    struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    if (strcmp(host, "localhost") == 0) host = "127.0.0.1";
    l->ipv6 = inet_pton(AF_INET6, host, &a6.sin6_addr) == 1;
    if (!l->ipv6 && inet_pton(AF_INET, host, &a4.sin_addr) != 1)
        return glim_fail(err, GLIM_E_ARG, "\"%s\" is not an address to listen on, want an IPv4 or IPv6 address or \"localhost\"", host);
    l->loopback = l->ipv6 ? IN6_IS_ADDR_LOOPBACK(&a6.sin6_addr) : (ntohl(a4.sin_addr.s_addr) >> 24) == 127;
    const struct sockaddr *a = l->ipv6 ? (const struct sockaddr *)&a6 : (const struct sockaddr *)&a4;
    socklen_t n = l->ipv6 ? sizeof a6 : sizeof a4;
    int on = 1;
    l->fd = socket(a->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    /* A restart must not wait for the old connections' last minutes. */
    if (l->fd < 0 || setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 || bind(l->fd, a, n) != 0 || listen(l->fd, 1024) != 0)
        return glim_fail_errno(err, GLIM_E_NET, errno, "could not listen on %s port %d", host, port);
    struct sockaddr_storage got = {0};
    n = sizeof got;
    if (getsockname(l->fd, (struct sockaddr *)&got, &n) != 0) return glim_fail_errno(err, GLIM_E_NET, errno, "could not learn the port");
    memcpy(&a4, &got, sizeof a4); /* the port stands at the same place in both */
    l->port = ntohs(a4.sin_port);
    return GLIM_OK;
}

glim_status glim_listener_open(glim_listener **out, const char *host, int port, bool answer, glim_err *err) {
    glim_listener *l = glim_xcalloc(1, sizeof *l);
    *out = NULL;
    l->fd = -1;
    glim_status rc = bind_to(l, host ? host : "127.0.0.1", port, err);
    if (rc == GLIM_OK && answer) {
        unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC | (l->ipv6 ? MHD_USE_IPv6 : 0);
        l->daemon = MHD_start_daemon(flags, 0, NULL, NULL, not_yet, NULL, MHD_OPTION_LISTEN_SOCKET, l->fd, MHD_OPTION_CONNECTION_LIMIT, 128u,
                                     MHD_OPTION_CONNECTION_TIMEOUT, 5u, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)16 << 10, MHD_OPTION_END);
        if (!l->daemon) rc = glim_fail_errno(err, GLIM_E_NET, errno, "could not answer on port %d", l->port);
    }
    if (rc != GLIM_OK) {
        glim_listener_close(l);
        return rc;
    }
    *out = l;
    return GLIM_OK;
}

int glim_listener_port(const glim_listener *l) { return l->port; }
bool glim_listener_loopback(const glim_listener *l) { return l->loopback; }
bool glim_listener_ipv6(const glim_listener *l) { return l->ipv6; }

static void stop_answering(glim_listener *l) {
    if (!l->daemon) return;
    MHD_quiesce_daemon(l->daemon); /* keeps the socket open, which is ours */
    MHD_stop_daemon(l->daemon);
    l->daemon = NULL;
}

int glim_listener_take(glim_listener *l) {
    int fd = l->fd;
    stop_answering(l);
    l->fd = -1;
    return fd;
}

void glim_listener_close(glim_listener *l) {
    if (!l) return;
    stop_answering(l);
    if (l->fd >= 0) close(l->fd);
    free(l);
}
