/* http.c - how every request is set up, when it is tried again, and what is said when it fails.
 *
 * Owns       the settings of a curl handle, retry rules, the wording of network errors.
 * Leaves     files to download_fetch.c, the meaning of paths and JSON to hub.c.
 * Invariant  the token travels only to the scheme, host and port of the URL it was given with: it is
 *            sent as a header that libcurl withholds from redirects elsewhere (since 7.83), and
 *            tests/net holds libcurl to that. */
#include "net/http.h"

#include <ctype.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "net/http_internal.h"

#define USER_AGENT "glim/" GLIM_VERSION

static pthread_once_t g_once = PTHREAD_ONCE_INIT;

static void global_init(void) {
    /* Refused only when memory is gone; the first curl_easy_init then fails and is reported. */
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

void glim_http_start(void) { pthread_once(&g_once, global_init); }

glim_http_limits glim_http_limits_filled(const glim_http_limits *lim) {
    glim_http_limits l = *lim;
    if (l.connect_s <= 0) l.connect_s = 15;
    if (l.stall_s <= 0) l.stall_s = 30;
    if (l.stall_rate <= 0) l.stall_rate = 1024;
    if (l.n_tries <= 0) l.n_tries = 6;
    if (l.backoff_s <= 0) l.backoff_s = 1;
    if (l.max_wait_s <= 0) l.max_wait_s = 60;
    return l;
}

glim_status glim_http_check(const char *url, const char *token, glim_err *err) {
    bool http = strncasecmp(url, "http://", 7) == 0, https = strncasecmp(url, "https://", 8) == 0;
    const char *host = url + (https ? 8 : 7);
    if ((!http && !https) || *host == 0 || *host == '/')
        return glim_fail(err, GLIM_E_ARG, "could not use the URL \"%s\": want http:// or https:// and a host",
                         url);
    for (const char *p = url; *p; p++)
        if ((unsigned char)*p <= 0x20 || *p == 0x7f)
            return glim_fail(err, GLIM_E_ARG, "could not use the URL \"%s\": it holds spaces or control bytes",
                             url);
    /* A line break in a token would smuggle a header in. The token itself is not shown. */
    for (const char *p = token; p && *p; p++)
        if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f)
            return glim_fail(err, GLIM_E_ARG,
                             "could not use the access token: it holds spaces, control or non-ASCII bytes");
    return GLIM_OK;
}

static void keep_header(char *dst, size_t cap, const char *value, size_t n) {
    while (n > 0 && (*value == ' ' || *value == '\t')) value++, n--;
    while (n > 0 && isspace((unsigned char)value[n - 1])) n--;
    if (n >= cap) n = 0; /* longer than anything honest: as if it were not there */
    memcpy(dst, value, n);
    dst[n] = 0;
}

static size_t on_header(char *line, size_t size, size_t n, void *ctx) {
    glim_http_head *head = ctx;
    n *= size;
    if (n >= 5 && memcmp(line, "HTTP/", 5) == 0) {
        *head = (glim_http_head){0};
        return n;
    }
    const struct {
        const char *name;
        char *dst;
        size_t cap;
    } wanted[] = {{"etag:", head->etag, sizeof head->etag},
                  {"content-range:", head->content_range, sizeof head->content_range},
                  {"x-error-code:", head->error_code, sizeof head->error_code},
                  {"link:", head->link, sizeof head->link}};
    for (size_t i = 0; i < GLIM_COUNT(wanted); i++) {
        size_t k = strlen(wanted[i].name);
        if (n > k && strncasecmp(line, wanted[i].name, k) == 0)
            keep_header(wanted[i].dst, wanted[i].cap, line + k, n - k);
    }
    return n;
}

struct curl_slist *glim_http_prepare(CURL *c, const char *url, const char *token,
                                     const glim_http_limits *lim, glim_http_head *head, char *errbuf,
                                     struct curl_slist *headers) {
    curl_easy_reset(c);
    *head = (glim_http_head){0};
    errbuf[0] = 0;
    if (token && *token) {
        glim_buf b = {0};
        glim_buf_printf(&b, "Authorization: Bearer %s", token);
        struct curl_slist *more = b.failed ? NULL : curl_slist_append(headers, b.s);
        if (more) headers = more;
        glim_buf_free(&b);
    }
    curl_easy_setopt(c, CURLOPT_URL, url);
    if (headers) curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(c, CURLOPT_USERAGENT, USER_AGENT);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, errbuf);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L);
    const char *ca = getenv("CURL_CA_BUNDLE");
    if (!ca || !*ca) ca = getenv("SSL_CERT_FILE");
    if (ca && *ca) curl_easy_setopt(c, CURLOPT_CAINFO, ca);

    bool https = strncasecmp(url, "https:", 6) == 0;
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(c, CURLOPT_MAXREDIRS, 10L);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, https ? "https" : "http,https");
    curl_easy_setopt(c, CURLOPT_UNRESTRICTED_AUTH, 0L);

    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)(lim->connect_s * 1000));
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, lim->stall_rate);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)ceil(lim->stall_s));
    curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1L);

    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, head);
    return headers;
}

bool glim_http_retry_code(CURLcode cc) {
    switch (cc) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_HTTP3:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_WEIRD_SERVER_REPLY: /* a reply cut inside its headers */
        return true;
    default:
        return false;
    }
}

bool glim_http_retry_status(long s) {
    return s == 408 || s == 429 || s == 500 || s == 502 || s == 503 || s == 504;
}

double glim_http_backoff(const glim_http_limits *lim, int n_done) {
    double w = lim->backoff_s;
    for (int i = 1; i < n_done && w < lim->max_wait_s; i++) w *= 2;
    return w < lim->max_wait_s ? w : lim->max_wait_s;
}

static bool raised(atomic_int *a) { return a && atomic_load_explicit(a, memory_order_relaxed) != 0; }

bool glim_http_sleep(double seconds, atomic_int *a, atomic_int *b) {
    double end = glim_now_s() + seconds;
    for (;;) {
        if (raised(a) || raised(b)) return true;
        double left = end - glim_now_s();
        if (left <= 0) return false;
        if (left > 0.05) left = 0.05; /* how soon a Ctrl-C is heard */
        struct timespec ts = {0, (long)(left * 1e9)};
        nanosleep(&ts, NULL);
    }
}

void glim_http_url_shown(char *out, size_t cap, const char *url) {
    size_t o = 0;
    const char *p = strstr(url, "://");
    const char *rest = p ? p + 3 : url;
    size_t host_len = strcspn(rest, "/?#");
    const char *at = memrchr(rest, '@', host_len); /* user:password@ stays out of messages */
    for (const char *q = url; q < rest && o + 1 < cap; q++) out[o++] = *q;
    for (const char *q = at ? at + 1 : rest; *q && *q != '?' && *q != '#' && o + 1 < cap; q++) out[o++] = *q;
    out[o] = 0;
}

glim_status glim_http_fail_code(glim_err *err, CURLcode cc, const char *errbuf, const char *url,
                                const glim_http_limits *lim) {
    char shown[300];
    glim_http_url_shown(shown, sizeof shown, url);
    if (cc == CURLE_OUT_OF_MEMORY)
        return glim_fail(err, GLIM_E_NOMEM, "could not get %s: out of memory", shown);
    const char *why = errbuf[0] ? errbuf : curl_easy_strerror(cc);
    int n = (int)strcspn(why, "\r\n");
    if (cc == CURLE_OPERATION_TIMEDOUT && strncmp(why, "Operation too slow", 18) == 0)
        glim_fail(err, GLIM_E_NET, "could not get %s: the transfer stayed below %ld bytes/s for %.0f s", shown,
                  lim->stall_rate, ceil(lim->stall_s));
    else glim_fail(err, GLIM_E_NET, "could not get %s: %.*s", shown, n, why);
    switch (cc) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
        glim_err_hint(err, "check the network; a proxy is taken from https_proxy, and a mirror of the hub "
                           "from HF_ENDPOINT or MODELSCOPE_ENDPOINT");
        break;
    case CURLE_COULDNT_RESOLVE_PROXY:
        glim_err_hint(err, "check the variables https_proxy, http_proxy and no_proxy");
        break;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        glim_err_hint(err, "install the package ca-certificates, or name your company's certificates in "
                           "SSL_CERT_FILE");
        break;
    case CURLE_TOO_MANY_REDIRECTS:
    case CURLE_UNSUPPORTED_PROTOCOL:
        glim_err_hint(err, "the server sends the request elsewhere: check its address");
        break;
    default:
        break;
    }
    return GLIM_E_NET;
}

glim_status glim_http_fail_status(glim_err *err, long status, const char *url) {
    static const struct {
        long status;
        const char *name;
    } names[] = {{400, "bad request"},   {401, "not authorized"},         {403, "forbidden"},
                 {404, "not found"},     {407, "the proxy wants a password"}, {408, "timeout"},
                 {410, "gone"},          {416, "no such range"},          {429, "too many requests"},
                 {451, "blocked by law"}, {500, "internal error"},        {502, "bad gateway"},
                 {503, "unavailable"},   {504, "gateway timeout"}};
    char shown[300];
    glim_http_url_shown(shown, sizeof shown, url);
    for (size_t i = 0; i < GLIM_COUNT(names); i++)
        if (names[i].status == status)
            return glim_fail(err, GLIM_E_NET, "could not get %s: the server answered %ld (%s)", shown, status,
                             names[i].name);
    return glim_fail(err, GLIM_E_NET, "could not get %s: the server answered %ld", shown, status);
}

/* Link: <https://host/x?cursor=2>; rel="next", <...>; rel="last". Returns the URL on the heap, made
 * absolute against base, or NULL. */
static char *link_next(const char *link, const char *base) {
    const char *p = link;
    while ((p = strchr(p, '<'))) {
        const char *end = strchr(p, '>');
        if (!end) return NULL;
        const char *stop = strchr(end, '<');
        size_t n = stop ? (size_t)(stop - end) : strlen(end);
        if (end > p + 1 && (memmem(end, n, "rel=\"next\"", 10) || memmem(end, n, "rel=next", 8))) {
            char *url = glim_xmalloc((size_t)(end - p)), *out = NULL, *part = NULL;
            memcpy(url, p + 1, (size_t)(end - p - 1));
            url[end - p - 1] = 0;
            CURLU *u = curl_url();
            if (u && curl_url_set(u, CURLUPART_URL, base, 0) == CURLUE_OK &&
                curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
                curl_url_get(u, CURLUPART_URL, &part, 0) == CURLUE_OK) {
                out = glim_xstrdup(part);
                curl_free(part);
            }
            curl_url_cleanup(u);
            free(url);
            return out;
        }
        p = end;
    }
    return NULL;
}

typedef struct body_sink {
    glim_buf *out;
    size_t max_bytes;
    bool too_large;
} body_sink;

static size_t on_body(char *p, size_t size, size_t n, void *ctx) {
    body_sink *s = ctx;
    n *= size;
    if (n > s->max_bytes - s->out->len) {
        s->too_large = true;
        return 0;
    }
    glim_buf_append(s->out, p, n);
    return s->out->failed ? 0 : n;
}

static int on_tick(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d) {
    (void)a, (void)b, (void)c, (void)d;
    return raised(ctx);
}

glim_status glim_http_fetch(glim_http_reply *reply, const glim_http_request *req, glim_err *err) {
    *reply = (glim_http_reply){0};
    glim_status rc = glim_http_check(req->url, req->token, err);
    if (rc != GLIM_OK) return rc;
    glim_http_start();
    glim_http_limits lim = glim_http_limits_filled(&req->limits);
    char shown[300], errbuf[CURL_ERROR_SIZE];
    glim_http_url_shown(shown, sizeof shown, req->url);
    CURL *c = curl_easy_init();
    if (!c) return glim_fail(err, GLIM_E_NOMEM, "could not start a request to %s: out of memory", shown);

    for (int n_done = 1;; n_done++) {
        glim_http_head head;
        reply->status = 0;
        glim_buf_clear(&reply->body);
        body_sink sink = {&reply->body, req->max_bytes ? req->max_bytes : (size_t)16 << 20, false};
        struct curl_slist *headers =
            glim_http_prepare(c, req->url, req->token, &lim, &head, errbuf, NULL);
        curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
        curl_easy_setopt(c, CURLOPT_WRITEDATA, &sink);
        curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
        curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_tick);
        curl_easy_setopt(c, CURLOPT_XFERINFODATA, req->cancel);
        CURLcode cc = curl_easy_perform(c);
        curl_slist_free_all(headers);
        curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &reply->status);
        memcpy(reply->error_code, head.error_code, sizeof reply->error_code);

        bool again = false;
        double wait = glim_http_backoff(&lim, n_done);
        if (raised(req->cancel)) {
            rc = glim_fail(err, GLIM_E_CANCELLED, "stopped while getting %s", shown);
        } else if (reply->body.failed) {
            rc = glim_buf_status(&reply->body, "an HTTP answer", err);
        } else if (sink.too_large) {
            rc = glim_fail(err, GLIM_E_LIMIT, "could not get %s: the answer is larger than %zu bytes", shown,
                           sink.max_bytes);
        } else if (cc != CURLE_OK) {
            rc = glim_http_fail_code(err, cc, errbuf, req->url, &lim);
            again = glim_http_retry_code(cc);
            /* Nobody there: one more try is enough, a person is waiting for the first answer. */
            if ((cc == CURLE_COULDNT_CONNECT || cc == CURLE_COULDNT_RESOLVE_HOST) && n_done >= 2) again = false;
        } else if (reply->status >= 400) {
            rc = glim_http_fail_status(err, reply->status, req->url);
            again = glim_http_retry_status(reply->status);
            curl_off_t asked = 0;
            curl_easy_getinfo(c, CURLINFO_RETRY_AFTER, &asked);
            if (again && (double)asked > lim.max_wait_s) {
                glim_err_hint(err, "the server asks to come back in %lld s", (long long)asked);
                again = false;
            } else if ((double)asked > wait) wait = (double)asked;
        } else {
            rc = GLIM_OK;
            glim_err_clear(err);
            reply->next = link_next(head.link, req->url);
        }
        if (!again || n_done >= lim.n_tries) {
            if (rc == GLIM_E_NET && n_done > 1) glim_err_context(err, "after %d tries", n_done);
            break;
        }
        if (glim_http_sleep(wait, req->cancel, NULL)) {
            rc = glim_fail(err, GLIM_E_CANCELLED, "stopped while getting %s", shown);
            break;
        }
    }
    curl_easy_cleanup(c);
    return rc;
}

void glim_http_reply_free(glim_http_reply *r) {
    glim_buf_free(&r->body);
    free(r->next);
    *r = (glim_http_reply){0};
}

glim_status glim_http_get(glim_buf *out, const char *url, const char *token, size_t max_bytes,
                          long *http_status, glim_err *err) {
    glim_http_reply reply;
    glim_http_request req = {.url = url, .token = token, .max_bytes = max_bytes};
    glim_status rc = glim_http_fetch(&reply, &req, err);
    if (http_status) *http_status = reply.status;
    if (rc == GLIM_OK) {
        glim_buf_append(out, glim_buf_cstr(&reply.body), reply.body.len);
        rc = glim_buf_status(out, "an HTTP answer", err);
    }
    glim_http_reply_free(&reply);
    return rc;
}

void glim_http_put_escaped(glim_buf *out, const char *s, bool keep_slash) {
    for (; *s; s++) {
        unsigned char ch = (unsigned char)*s;
        bool plain = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
                     ch == '-' || ch == '_' || ch == '.' || ch == '~' || (keep_slash && ch == '/');
        if (plain) glim_buf_putc(out, (char)ch);
        else glim_buf_printf(out, "%%%02X", ch);
    }
}
