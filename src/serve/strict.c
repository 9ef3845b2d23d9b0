/* strict.c - reading a request more strictly than libmicrohttpd does, before its body is accepted.
 *
 * Where two readers of the same bytes could disagree about where a request ends, it is refused and the connection is
 * closed. The library refuses some of it itself (refuse.c words it); the rest is here. What it reads in its own way without
 * saying so (a bare line feed ends a line, a folded line becomes part of the name before it, a header without a name ends
 * the head) is seen by where it left things: it hands out pointers into the head as it came, so between two headers there
 * must be the two bytes of a line's end and nothing else, and after the last one four. Behind a reader of another opinion
 * what stands there could hide a request. What cannot be seen: a bare line feed and a lone ":" instead of the last line's
 * CR LF, which are as long; so a request that should have a body and does not say where it ends is still the last one of
 * its connection (tests/conformance/test_wire.py). */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "serve/server_internal.h"

typedef struct seen {
    int n_length, n_te, n_host;
    bool bad_name, bad_te, bad_length, nul, folded, odd_line;
    unsigned long long length;
    uintptr_t next; /* where the next header's name has to begin */
} seen;

static bool is_token(const char *s, size_t n) {
    static const char extra[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)s[i]) && (s[i] == 0 || !strchr(extra, s[i]))) return false;
    return n > 0;
}

static enum MHD_Result look(void *ctx, enum MHD_ValueKind kind, const char *key, size_t n_key, const char *value, size_t n_value) {
    seen *s = ctx;
    (void)kind;
    if ((uintptr_t)key != s->next) s->odd_line = true;
    s->next = (uintptr_t)(value ? value : key) + (value ? n_value : n_key + 1) + strlen("\r\n");
    if (!is_token(key, n_key)) s->bad_name = true;
    if (value && (memchr(value, 0, n_value) || memchr(value, '\r', n_value))) s->nul = true;
    if (!value) value = "", n_value = 0;
    if (n_key == 4 && strncasecmp(key, "host", 4) == 0) s->n_host++;
    if (n_key == 17 && strncasecmp(key, "transfer-encoding", 17) == 0) {
        s->n_te++;
        if (n_value != 7 || strncasecmp(value, "chunked", 7) != 0) s->bad_te = true;
    }
    /* The library glues a folded line to the name of the header it continues: what is longer than these names may be one
     * of them whose value stands on the next line, which another reader would believe. */
    if ((n_key > 14 && strncasecmp(key, "content-length", 14) == 0) || (n_key > 17 && strncasecmp(key, "transfer-encoding", 17) == 0)) s->folded = true;
    if (n_key == 14 && strncasecmp(key, "content-length", 14) == 0) {
        s->n_length++;
        if (n_value == 0 || n_value > 18) s->bad_length = true;
        for (size_t i = 0; i < n_value; i++) s->bad_length |= !isdigit((unsigned char)value[i]);
        if (!s->bad_length) s->length = strtoull(value, NULL, 10);
    }
    return MHD_YES;
}

bool glim_strict_check(struct MHD_Connection *conn, const char *method, const char *url, const char *version, size_t max_body, bool *known_end,
                       glim_api_error *e) {
    seen s = {.next = (uintptr_t)version + strlen(version) + strlen("\r\n")};
    MHD_get_connection_values_n(conn, MHD_HEADER_KIND, look, &s);
    const union MHD_ConnectionInfo *head = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    if (head && (uintptr_t)method + head->header_size != s.next + strlen("\r\n")) s.odd_line = true;
    *known_end = s.n_length || s.n_te;
    const char *why = NULL;
    if (s.bad_name) why = "a header's name holds a character that names may not have";
    else if (s.nul) why = "a header holds a NUL or a CR";
    else if (s.folded) why = "a header that says where the body ends is folded, or its name is longer than it should be";
    else if (s.n_length && s.n_te) why = "Content-Length and Transfer-Encoding are both given";
    else if (s.n_length > 1) why = "Content-Length is given more than once";
    else if (s.n_te > 1) why = "Transfer-Encoding is given more than once";
    else if (s.bad_te) why = "Transfer-Encoding is something else than \"chunked\"";
    else if (s.n_te && strcmp(version, MHD_HTTP_VERSION_1_1) != 0) why = "Transfer-Encoding is given in a version of HTTP without it";
    else if (s.bad_length) why = "Content-Length is not a plain number";
    else if (s.n_host > 1) why = "Host is given more than once";
    else if (s.n_host == 0 && strcmp(version, MHD_HTTP_VERSION_1_1) == 0) why = "Host is missing";
    else if (s.odd_line) why = "a header line is folded, has no name, or does not end with CR LF";
    else if (url[0] != '/') why = "the request's target is not a path";
    if (why) {
        glim_api_fail(e, 400, "bad_http", NULL, "%s", why);
        e->close = true;
        return false;
    }
    if (s.length > max_body) {
        glim_api_fail(e, 413, "request_too_large", NULL, "the body has %llu bytes, want at most %zu", s.length, max_body);
        e->close = true;
        return false;
    }
    return true;
}
