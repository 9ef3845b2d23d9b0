/* refuse.c - see refuse.h. */
#include "serve/refuse.h"

#include <dlfcn.h>
#include <linux/tcp.h> /* not netinet's: its tcp_info ends before the bytes */
#include <netinet/in.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/log.h"
#include "serve/server_internal.h"
#include "serve/tls.h"

typedef enum MHD_Result (*queue_fn)(struct MHD_Connection *, unsigned, struct MHD_Response *);

enum MHD_Result glim_mhd_queue(struct MHD_Connection *conn, unsigned status, struct MHD_Response *r) {
    static _Atomic(queue_fn) known;
    queue_fn fn = atomic_load(&known);
    if (!fn) {
        void *found = dlsym(RTLD_NEXT, "MHD_queue_response");
        memcpy(&fn, &found, sizeof fn); /* C has no cast from data to code */
        atomic_store(&known, fn);
    }
    return fn ? fn(conn, status, r) : MHD_NO;
}

static void why(glim_api_error *e, int status) {
    static const struct {
        int status;
        const char *code, *text;
    } known[] = {
        {400, "bad_http", "the request is not HTTP: its first line, a header, a length or a chunk cannot be read"},
        {413, "request_too_large", "a chunk of the body is larger than this server takes"},
        {414, "request_too_large", "the request's target is longer than this server takes"},
        {431, "headers_too_large", "the request's headers are larger than this server takes, together 32 KiB"},
        {505, "bad_http", "this version of HTTP is not spoken here, want HTTP/1.1 or 1.0"},
    };
    for (size_t i = 0; i < GLIM_COUNT(known); i++)
        if (known[i].status == status) {
            glim_api_fail(e, status, known[i].code, NULL, "%s", known[i].text);
            return;
        }
    glim_api_fail(e, status, status >= 500 ? "overloaded" : "bad_http", NULL, "the request could not be read");
}

/* What came and is not read would make the system reset the connection and take the reply back: it is thrown away, as far as
 * it is here already. */
static void drop_input(int fd) {
    char buf[16384];
    for (int i = 0; i < 64 && recv(fd, buf, sizeof buf, MSG_DONTWAIT) > 0; i++) {}
}

/* Writes it past the library, which is told to close. Replies before it are written by now: a request is read when the last one is
 * through. */
static void say(int fd, gnutls_session_t tls, glim_server *s, const char *id, const glim_api_error *e) {
    glim_buf body = {0}, all = {0};
    char date[64];
    struct tm tm;
    time_t now = time(NULL);
    glim_api_error_json(&body, e);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
    glim_buf_printf(&all, "HTTP/1.1 %d %s\r\nDate: %s\r\nContent-Type: application/json\r\nx-request-id: %s\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s", e->status,
                    MHD_get_reason_phrase_for((unsigned)e->status), date, id, body.len, glim_buf_cstr(&body));
    if (!all.failed && !body.failed) {
        if (tls) gnutls_record_send(tls, all.s, all.len);
        else send(fd, all.s, all.len, MSG_DONTWAIT | MSG_NOSIGNAL);
        drop_input(fd);
    }
    glim_buf_free(&body);
    glim_buf_free(&all);
    if (s && (size_t)e->status / 100 < GLIM_COUNT(s->metrics.responses)) s->metrics.responses[e->status / 100]++; /* NULL: while the model loads */
    glim_log(GLIM_INFO, "http", "refused id=%s status=%d code=%s", id, e->status, e->code);
}

/* The library alone calls this. MHD_NO makes it close the connection. */
enum MHD_Result MHD_queue_response(struct MHD_Connection *conn, unsigned status, struct MHD_Response *page) {
    const union MHD_ConnectionInfo *fd = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CONNECTION_FD);
    const union MHD_ConnectionInfo *tls = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    const union MHD_ConnectionInfo *ours = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    const glim_conn *k = ours ? ours->socket_context : NULL;
    glim_api_error e;
    char id[40];
    (void)page; /* the library's to free */
    if (!fd) return MHD_NO;
    why(&e, (int)status);
    glim_api_new_id(id, "req_");
    say(fd->connect_fd, tls ? tls->tls_session : NULL, k ? k->s : NULL, id, &e);
    return MHD_NO;
}

uint64_t glim_bytes_came(int fd) {
    struct tcp_info t;
    socklen_t n = sizeof t;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &t, &n) != 0 || n < offsetof(struct tcp_info, tcpi_bytes_received) + sizeof t.tcpi_bytes_received) return 0;
    return t.tcpi_bytes_received;
}

void glim_refuse_late(glim_conn *k) {
    const glim_call *c = k->call; /* NULL: its head is not whole */
    const union MHD_ConnectionInfo *tls = c ? MHD_get_connection_info(c->conn, MHD_CONNECTION_INFO_GNUTLS_SESSION) : NULL;
    glim_api_error e = {0};
    char id[40];
    if (k->busy || (c && c->state != CALL_READING && c->state != CALL_REFUSED)) return; /* it is the reply that is late */
    if (k->surplus && !c) return; /* it had less time, and is here to hear 429 */
    /* With TLS, what came without a whole head may be a handshake. */
    if (!c && (k->s->tls || glim_bytes_came(k->fd) <= k->came)) return;
    glim_api_fail(&e, 408, "request_timeout", NULL, "a client has %g s to send a request's head, and as many for its body", k->s->p.request_s);
    glim_api_new_id(id, "req_");
    say(k->fd, tls ? tls->tls_session : NULL, k->s, c ? c->id : id, &e);
}
