/* refuse.c - see refuse.h. */
#include "serve/refuse.h"

#include <dlfcn.h>
#include <stdatomic.h>
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

/* The library alone calls this. MHD_NO makes it close the connection. */
enum MHD_Result MHD_queue_response(struct MHD_Connection *conn, unsigned status, struct MHD_Response *page) {
    const union MHD_ConnectionInfo *fd = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CONNECTION_FD);
    const union MHD_ConnectionInfo *tls = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    const union MHD_ConnectionInfo *ours = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    glim_api_error e;
    glim_buf body = {0}, all = {0};
    char id[40], date[64];
    struct tm tm;
    time_t now = time(NULL);
    (void)page; /* the library's to free */
    if (!fd) return MHD_NO;
    why(&e, (int)status);
    glim_api_error_json(&body, &e);
    glim_api_new_id(id, "req_");
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
    glim_buf_printf(&all, "HTTP/1.1 %u %s\r\nDate: %s\r\nContent-Type: application/json\r\nx-request-id: %s\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s", status,
                    MHD_get_reason_phrase_for(status), date, id, body.len, glim_buf_cstr(&body));
    if (!all.failed && !body.failed) {
        /* Replies before it are written by now: the library reads a request when the last one is through. */
        if (tls && tls->tls_session) gnutls_record_send(tls->tls_session, all.s, all.len);
        else send(fd->connect_fd, all.s, all.len, MSG_DONTWAIT | MSG_NOSIGNAL);
        drop_input(fd->connect_fd);
    }
    glim_buf_free(&body);
    glim_buf_free(&all);
    const glim_conn *k = ours ? ours->socket_context : NULL; /* NULL: while the model loads */
    if (k && status / 100 < GLIM_COUNT(k->s->metrics.responses)) k->s->metrics.responses[status / 100]++;
    glim_log(GLIM_INFO, "http", "refused id=%s status=%u code=%s", id, status, e.code);
    return MHD_NO;
}
