/* hub_server.h - an HTTP/1.1 server on 127.0.0.x that speaks both hub layouts and misbehaves on purpose.
 *
 * One thread per connection. Routes are added before or between requests; what a route does wrong is set
 * in its fields, what happened to it is read back from them, both under hs_lock/hs_unlock while requests
 * may be running. Included by each test program of this folder. */
#ifndef GLIM_TESTS_NET_HUB_SERVER_H
#define GLIM_TESTS_NET_HUB_SERVER_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/rng.h"
#include "net/sha256.h"

typedef struct hs_route {
    char target[700]; /* path as sent, percent-encoded; compared with the query only if it has a '?' */
    uint8_t *data;    /* [n] */
    size_t n;
    char etag[80];    /* with its quotes, "" for none */
    char link[512];
    char error_code[64];

    /* misbehaviour */
    int fail_status, n_fail;     /* the next n_fail requests get this status; -1: all */
    char retry_after[40];
    char redirect[700];          /* 302 to there */
    int n_drops;                 /* the next n_drops bodies are cut, */
    size_t drop_after;           /* after so many bytes, or at random ones */
    uint64_t drop_seed;          /* if this is not 0 */
    bool drop_reset;             /* with RST instead of FIN */
    bool ignore_range, ignore_if_range;
    bool shift_range;            /* answers 206 from one byte too early, and says so */
    bool chunked, no_length;     /* no Content-Length; no_length: ends by closing */
    size_t claim;                /* a false Content-Length, 0: the true one */
    size_t end_after;            /* a clean end after so many bytes, 0: all */
    bool endless;                /* never stops sending */
    bool weak_etag;
    size_t piece;                /* bytes at a time, */
    int pause_ms;                /* with this pause between */
    bool mute;                   /* takes the request and never answers */
    int flip_at;                 /* from this request on (1 is the first) data2 is served */
    uint8_t *data2;
    size_t n2;
    char etag2[80];

    /* what happened */
    int n_requests, n_ranged, n_206;
    uint64_t n_sent; /* body bytes handed to the kernel */
    char auth[200], range[64], if_range[100], agent[64];
} hs_route;

enum { HS_ROUTES = 512, HS_CONNS = 4096 };

typedef struct hs_server {
    int fd;
    char host[32];
    int port;
    char base[64]; /* "http://127.0.0.1:12345" */
    pthread_t acceptor;
    pthread_mutex_t mu;
    hs_route *routes[HS_ROUTES];
    int n_routes;
    int conns[HS_CONNS];
    pthread_t threads[HS_CONNS];
    int n_conns;
    atomic_int stopping;
    int n_unknown; /* requests for what is not there */
    char unknown[700];
} hs_server;

typedef struct hs_conn {
    hs_server *s;
    int fd, slot;
} hs_conn;

static inline void hs_lock(hs_server *s) { pthread_mutex_lock(&s->mu); }
static inline void hs_unlock(hs_server *s) { pthread_mutex_unlock(&s->mu); }

static inline bool hs_put(int fd, const void *p, size_t n) {
    const char *c = p;
    while (n > 0) {
        ssize_t k = send(fd, c, n, MSG_NOSIGNAL);
        if (k < 0 && errno == EINTR) continue;
        if (k <= 0) return false;
        c += k;
        n -= (size_t)k;
    }
    return true;
}

static inline void hs_header(const char *req, const char *name, char *out, size_t cap) {
    out[0] = 0;
    size_t k = strlen(name);
    for (const char *p = req; (p = strstr(p, "\r\n"));) {
        p += 2;
        if (strncasecmp(p, name, k) == 0) {
            p += k;
            while (*p == ' ') p++;
            size_t n = strcspn(p, "\r\n");
            if (n >= cap) n = cap - 1;
            memcpy(out, p, n);
            out[n] = 0;
            return;
        }
    }
}

static inline hs_route *hs_find(hs_server *s, const char *target) {
    size_t n = strcspn(target, "?");
    for (int i = 0; i < s->n_routes; i++) {
        const char *t = s->routes[i]->target;
        if (strcmp(t, target) == 0) return s->routes[i];
    }
    for (int i = 0; i < s->n_routes; i++) {
        const char *t = s->routes[i]->target;
        if (!strchr(t, '?') && strlen(t) == n && memcmp(t, target, n) == 0) return s->routes[i];
    }
    return NULL;
}

/* Answers one request; false closes the connection. */
static inline bool hs_answer(hs_conn *c, const char *req) {
    hs_server *s = c->s;
    char target[700] = "", head[3000];
    if (sscanf(req, "GET %699s HTTP/1.1", target) != 1) return false;
    hs_lock(s);
    hs_route *r = hs_find(s, target);
    if (!r) {
        s->n_unknown++;
        snprintf(s->unknown, sizeof s->unknown, "%s", target);
        hs_unlock(s);
        static const char no[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
        return hs_put(c->fd, no, sizeof no - 1);
    }
    r->n_requests++;
    hs_header(req, "Authorization:", r->auth, sizeof r->auth);
    hs_header(req, "Range:", r->range, sizeof r->range);
    hs_header(req, "If-Range:", r->if_range, sizeof r->if_range);
    hs_header(req, "User-Agent:", r->agent, sizeof r->agent);
    if (r->range[0]) r->n_ranged++;
    if (r->n_fail != 0) {
        if (r->n_fail > 0) r->n_fail--;
        int n = snprintf(head, sizeof head, "HTTP/1.1 %d Trouble\r\nContent-Length: 5\r\n%s%s%s%s%s%s\r\nsorry",
                         r->fail_status, r->retry_after[0] ? "Retry-After: " : "", r->retry_after,
                         r->retry_after[0] ? "\r\n" : "", r->error_code[0] ? "X-Error-Code: " : "", r->error_code,
                         r->error_code[0] ? "\r\n" : "");
        hs_unlock(s);
        return hs_put(c->fd, head, (size_t)n);
    }
    if (r->redirect[0]) {
        int n = snprintf(head, sizeof head, "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n",
                         r->redirect);
        hs_unlock(s);
        return hs_put(c->fd, head, (size_t)n);
    }
    hs_route w = *r; /* what to do, decided once */
    bool flipped = r->flip_at > 0 && r->n_requests >= r->flip_at;
    const uint8_t *data = flipped ? w.data2 : w.data;
    size_t n = flipped ? w.n2 : w.n;
    const char *etag = flipped ? w.etag2 : w.etag;
    bool drop = r->n_drops > 0;
    size_t first = 0;
    bool partial = false;
    if (w.range[0] && !w.ignore_range) {
        unsigned long long a = 0;
        if (sscanf(w.range, "bytes=%llu-", &a) == 1) partial = true, first = (size_t)a;
        if (partial && w.if_range[0] && !w.ignore_if_range && strcmp(w.if_range, etag) != 0)
            partial = false, first = 0;
    }
    if (partial && first >= n) {
        hs_unlock(s);
        int k = snprintf(head, sizeof head,
                         "HTTP/1.1 416 No\r\nContent-Range: bytes */%zu\r\nContent-Length: 0\r\n\r\n", n);
        return hs_put(c->fd, head, (size_t)k);
    }
    if (partial) r->n_206++;
    if (partial && w.shift_range && first > 0) first--;
    size_t len = n - first, cut = len;
    if (drop) {
        r->n_drops--;
        if (r->drop_seed) {
            glim_rng rng = {.seed = r->drop_seed++};
            cut = (size_t)glim_rng_below(&rng, len + 1);
        } else if (w.drop_after < len) cut = w.drop_after;
    }
    hs_unlock(s);
    if (w.mute) {
        char gone;
        while (!atomic_load(&s->stopping) && recv(c->fd, &gone, 1, MSG_PEEK | MSG_DONTWAIT) != 0) usleep(5000);
        return false;
    }

    int k = snprintf(head, sizeof head, "HTTP/1.1 %s\r\n", partial ? "206 Partial Content" : "200 OK");
    size_t o = (size_t)k;
    if (etag[0]) o += (size_t)snprintf(head + o, sizeof head - o, "ETag: %s%s\r\n", w.weak_etag ? "W/" : "", etag);
    if (w.link[0]) o += (size_t)snprintf(head + o, sizeof head - o, "Link: %s\r\n", w.link);
    if (partial)
        o += (size_t)snprintf(head + o, sizeof head - o, "Content-Range: bytes %zu-%zu/%zu\r\n",
                              first, n - 1, n);
    if (w.chunked) o += (size_t)snprintf(head + o, sizeof head - o, "Transfer-Encoding: chunked\r\n");
    else if (w.no_length) o += (size_t)snprintf(head + o, sizeof head - o, "Connection: close\r\n");
    else o += (size_t)snprintf(head + o, sizeof head - o, "Content-Length: %zu\r\n", w.claim ? w.claim : len);
    o += (size_t)snprintf(head + o, sizeof head - o, "\r\n");
    if (!hs_put(c->fd, head, o)) return false;

    size_t end = w.end_after && w.end_after < cut ? w.end_after : cut, step = w.piece ? w.piece : 16384;
    for (size_t at = 0; (at < end || w.endless) && !atomic_load(&s->stopping);) {
        size_t m = w.endless || end - at > step ? step : end - at;
        const uint8_t *p = data + first + at;
        static const uint8_t filler[65536];
        if (w.endless && (at + m > len || m > len)) p = filler, m = m > sizeof filler ? sizeof filler : m;
        char size_line[32];
        int kl = snprintf(size_line, sizeof size_line, "%zx\r\n", m);
        if (w.chunked && !hs_put(c->fd, size_line, (size_t)kl)) return false;
        if (!hs_put(c->fd, p, m)) return false;
        if (w.chunked && !hs_put(c->fd, "\r\n", 2)) return false;
        at += m;
        hs_lock(s);
        r->n_sent += m;
        hs_unlock(s);
        if (w.pause_ms) usleep((useconds_t)w.pause_ms * 1000);
    }
    if (drop) {
        if (w.drop_reset) {
            struct linger l = {1, 0};
            setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &l, sizeof l);
        }
        return false;
    }
    if (w.chunked && !hs_put(c->fd, "0\r\n\r\n", 5)) return false;
    return !w.no_length && !w.claim && (!w.end_after || w.chunked);
}

static inline void *hs_serve_conn(void *ctx) {
    hs_conn *c = ctx;
    char req[8192];
    size_t have = 0;
    for (bool on = true; on;) {
        char *end;
        req[have] = 0;
        while (!(end = strstr(req, "\r\n\r\n"))) {
            ssize_t n = have + 1 < sizeof req ? recv(c->fd, req + have, sizeof req - 1 - have, 0) : 0;
            if (n <= 0) goto out;
            have += (size_t)n;
            req[have] = 0;
        }
        size_t used = (size_t)(end - req) + 4;
        char keep = req[used];
        req[used] = 0;
        on = hs_answer(c, req);
        req[used] = keep;
        memmove(req, req + used, have - used + 1);
        have -= used;
    }
out:
    hs_lock(c->s);
    c->s->conns[c->slot] = -1;
    close(c->fd);
    hs_unlock(c->s);
    free(c);
    return NULL;
}

static inline void *hs_accept(void *ctx) {
    hs_server *s = ctx;
    while (!atomic_load(&s->stopping)) {
        int fd = accept(s->fd, NULL, NULL);
        if (fd < 0) {
            if (errno == EINTR || errno == ECONNABORTED) continue;
            break;
        }
        int one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        hs_conn *c = calloc(1, sizeof *c);
        hs_lock(s);
        if (!c || s->n_conns == HS_CONNS) {
            hs_unlock(s);
            close(fd);
            free(c);
            continue;
        }
        *c = (hs_conn){s, fd, s->n_conns};
        s->conns[c->slot] = fd;
        int slot = s->n_conns++;
        pthread_create(&s->threads[slot], NULL, hs_serve_conn, c);
        hs_unlock(s);
    }
    return NULL;
}

/* host 127.0.0.1 or another loopback address; port 0 picks one. NULL if it cannot be had. */
static inline hs_server *hs_start(const char *host, int port) {
    hs_server *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    setenv("no_proxy", "*", 1); /* a proxy of the machine that runs the tests has no business here */
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, host, &a.sin_addr);
    socklen_t n = sizeof a;
    int one = 1;
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(s->fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(s->fd, 64) != 0 ||
        getsockname(s->fd, (struct sockaddr *)&a, &n) != 0) {
        close(s->fd);
        free(s);
        return NULL;
    }
    snprintf(s->host, sizeof s->host, "%s", host);
    s->port = ntohs(a.sin_port);
    snprintf(s->base, sizeof s->base, "http://%s:%d", s->host, s->port);
    pthread_mutex_init(&s->mu, NULL);
    pthread_create(&s->acceptor, NULL, hs_accept, s);
    return s;
}

/* Waits until no connection is open: what routes recorded is then final and safe to read. */
static inline void hs_quiet(hs_server *s) {
    for (int i = 0; i < 5000; i++) {
        int n_open = 0;
        hs_lock(s);
        for (int k = 0; k < s->n_conns; k++) n_open += s->conns[k] >= 0;
        hs_unlock(s);
        if (n_open == 0) return;
        usleep(1000);
    }
}

static inline void hs_stop(hs_server *s) {
    if (!s) return;
    atomic_store(&s->stopping, 1);
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->acceptor, NULL);
    close(s->fd);
    hs_lock(s);
    for (int i = 0; i < s->n_conns; i++)
        if (s->conns[i] >= 0) shutdown(s->conns[i], SHUT_RDWR);
    int n = s->n_conns;
    hs_unlock(s);
    for (int i = 0; i < n; i++) pthread_join(s->threads[i], NULL);
    for (int i = 0; i < s->n_routes; i++) {
        free(s->routes[i]->data);
        free(s->routes[i]->data2);
        free(s->routes[i]);
    }
    pthread_mutex_destroy(&s->mu);
    free(s);
}

/* A route that serves a copy of data[n] with an ETag made from it. */
static inline hs_route *hs_add(hs_server *s, const void *data, size_t n, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
static inline hs_route *hs_add(hs_server *s, const void *data, size_t n, const char *fmt, ...) {
    hs_route *r = calloc(1, sizeof *r);
    if (!r) abort();
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(r->target, sizeof r->target, fmt, ap);
    va_end(ap);
    r->data = malloc(n + 1);
    if (!r->data) abort();
    if (n) memcpy(r->data, data, n);
    r->n = n;
    glim_sha256 h;
    char hex[GLIM_SHA256_HEX];
    glim_sha256_init(&h);
    glim_sha256_update(&h, data, n);
    glim_sha256_final(&h, hex);
    snprintf(r->etag, sizeof r->etag, "\"%.40s\"", hex);
    hs_lock(s);
    if (s->n_routes == HS_ROUTES) abort();
    s->routes[s->n_routes++] = r;
    hs_unlock(s);
    return r;
}

static inline hs_route *hs_add_text(hs_server *s, const char *text, const char *target) {
    return hs_add(s, text, strlen(text), "%s", target);
}

/* n bytes that differ from seed to seed; heap. */
static inline uint8_t *hs_bytes(size_t n, uint64_t seed) {
    uint8_t *p = malloc(n + 8);
    if (!p) abort();
    glim_rng r = {.seed = seed};
    for (size_t i = 0; i < n; i += 8) {
        uint64_t v = glim_rng_u64(&r);
        memcpy(p + i, &v, 8);
    }
    return p;
}

static inline void hs_sha(const void *p, size_t n, char hex[GLIM_SHA256_HEX]) {
    glim_sha256 h;
    glim_sha256_init(&h);
    glim_sha256_update(&h, p, n);
    glim_sha256_final(&h, hex);
}

/* ---- a repository in both layouts ---- */

#define HS_COMMIT "0123456789abcdef0123456789abcdef01234567"

typedef struct hs_repo_file {
    const char *path;
    const void *data;
    size_t n;
    bool lfs;         /* states a SHA-256 */
    hs_route *hf, *ms;
} hs_repo_file;

/* Adds listing and files of repository `name`; per_page files on a page of the Hugging Face listing. */
static inline void hs_add_repo(hs_server *s, const char *name, hs_repo_file *f, size_t n, size_t per_page) {
    glim_buf b = {0}, ms = {0};
    char target[700];
    glim_buf_printf(&b, "{\"id\": \"%s\", \"sha\": \"%s\", \"gated\": false}", name, HS_COMMIT);
    snprintf(target, sizeof target, "/api/models/%s/revision/main", name);
    hs_add_text(s, b.s, target);
    glim_buf_puts(&ms, "{\"Code\": 200, \"Data\": {\"Files\": [{\"Path\": \"figures\", \"Type\": \"tree\", \"Size\": 0}");
    for (size_t at = 0, page = 0; at < n || page == 0; page++) {
        glim_buf_clear(&b);
        glim_buf_puts(&b, "[{\"type\": \"directory\", \"oid\": \"aa\", \"size\": 0, \"path\": \"figures\"}");
        size_t end = at + per_page < n ? at + per_page : n;
        for (; at < end; at++) {
            char hex[GLIM_SHA256_HEX];
            hs_sha(f[at].data, f[at].n, hex);
            glim_buf_printf(&b, ", {\"type\": \"file\", \"oid\": \"%.40s\", \"size\": %zu, \"path\": \"%s\"", hex, f[at].n,
                            f[at].path);
            if (f[at].lfs)
                glim_buf_printf(&b, ", \"lfs\": {\"oid\": \"%s\", \"size\": %zu, \"pointerSize\": 134}", hex, f[at].n);
            glim_buf_putc(&b, '}');
            glim_buf_printf(&ms, ", {\"Path\": \"%s\", \"Name\": \"x\", \"Type\": \"blob\", \"Size\": %zu, \"Sha256\": \"%s\"}",
                            f[at].path, f[at].n, hex);
            f[at].hf = hs_add(s, f[at].data, f[at].n, "/%s/resolve/%s/%s", name, HS_COMMIT, f[at].path);
            f[at].ms = hs_add(s, f[at].data, f[at].n, "/api/v1/models/%s/repo?Revision=master&FilePath=%s", name,
                              f[at].path);
        }
        glim_buf_putc(&b, ']');
        char query[40] = "";
        if (page > 0) snprintf(query, sizeof query, "&cursor=p%zu", page);
        hs_route *r = hs_add(s, b.s, b.len, "/api/models/%s/tree/%s?recursive=true%s", name, HS_COMMIT, query);
        if (at < n)
            snprintf(r->link, sizeof r->link, "<%s/api/models/%s/tree/%s?recursive=true&cursor=p%zu>; rel=\"next\"",
                     s->base, name, HS_COMMIT, page + 1);
    }
    glim_buf_puts(&ms, "]}, \"Success\": true}");
    hs_add(s, ms.s, ms.len, "/api/v1/models/%s/repo/files?Revision=master&Recursive=true", name);
    glim_buf_free(&b);
    glim_buf_free(&ms);
}

#endif
