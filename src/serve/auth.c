/* auth.c - whose request it is, and whether it may: keys, scopes, rates, and which web pages may call.
 *
 * A server without keys is open to everything on this machine, web pages in its browsers included; so there a request
 * that names an Origin must come from a page of this machine or one that the operator allowed, and on loopback a request must
 * have been sent to a name that only this machine's owner can have given it. */
#include <string.h>
#include <strings.h>

#include "serve/server_internal.h"

static bool keys_wanted(const glim_server *s) {
    if (s->p.auth == GLIM_AUTH_AUTO) return !s->loopback || glim_keyring_size(s->store) > 0;
    return s->p.auth == GLIM_AUTH_KEYS;
}

const char *glim_call_tenant(const glim_call *c) { return c->keyed ? c->key.tenant : GLIM_KEY_LOCAL; }

/* "http://localhost:8000" and the like: a page that this machine serves. */
static bool origin_is_local(const char *o) {
    if (strncasecmp(o, "http://", 7) == 0) o += 7;
    else if (strncasecmp(o, "https://", 8) == 0) o += 8;
    else return false;
    size_t n = o[0] == '[' ? strcspn(o, "]") + 1 : strcspn(o, ":");
    return (n == 9 && strncasecmp(o, "localhost", 9) == 0) || (n == 9 && strncmp(o, "127.0.0.1", 9) == 0) || (n == 5 && strncmp(o, "[::1]", 5) == 0);
}

static bool origin_ok(glim_call *c) {
    const char *o = MHD_lookup_connection_value(c->conn, MHD_HEADER_KIND, "Origin");
    if (!o || origin_is_local(o)) return true;
    for (size_t i = 0; i < c->s->p.n_origins; i++)
        if (strcmp(c->s->p.origins[i], "*") == 0 || strcmp(c->s->p.origins[i], o) == 0) return true;
    const char *host = MHD_lookup_connection_value(c->conn, MHD_HEADER_KIND, "Host"), *at = strstr(o, "://");
    /* Beyond loopback the name cannot be known; there the page must at least be one that this server gave out. */
    if (!c->s->loopback && host && at && strcasecmp(at + 3, host) == 0) return true;
    return glim_api_fail(&c->error, 403, "origin_not_allowed", NULL, "web pages of \"%.200s\" may not call this server", o);
}

static bool ends_with(const char *s, size_t n, const char *tail) {
    size_t k = strlen(tail);
    return n > k && strncasecmp(s + n - k, tail, k) == 0;
}

/* Whether a stranger cannot make this name lead here: an address, one word, or an ending that nobody can register. */
static bool host_is_ours(const char *host) {
    if (host[0] == '[') return true;
    size_t n = strcspn(host, ":");
    if (n > 0 && host[n - 1] == '.') n--;
    if (strspn(host, "0123456789.") >= n || !memchr(host, '.', n)) return true;
    return ends_with(host, n, ".localhost") || ends_with(host, n, ".local") || ends_with(host, n, ".internal");
}

/* Any site may let its own name lead to 127.0.0.1 (DNS rebinding). Its page and this server are then of one origin to the
 * browser, and a GET to one's own origin names no Origin. What the page cannot choose is the Host that the browser sends. */
static bool host_ok(glim_call *c) {
    const char *host = MHD_lookup_connection_value(c->conn, MHD_HEADER_KIND, "Host");
    if (!c->s->loopback || !host || host_is_ours(host)) return true;
    for (size_t i = 0; i < c->s->p.n_origins; i++) {
        const char *at = strstr(c->s->p.origins[i], "://");
        if (strcmp(c->s->p.origins[i], "*") == 0 || (at && strcasecmp(at + 3, host) == 0)) return true;
    }
    return glim_api_fail(&c->error, 403, "host_not_allowed", NULL, "a server without keys is not asked under the name \"%.200s\"", host);
}

static enum MHD_Result count_keys(void *n, enum MHD_ValueKind kind, const char *name, const char *value) {
    (void)kind, (void)value;
    *(int *)n += strcasecmp(name, "Authorization") == 0;
    return MHD_YES;
}

bool glim_call_auth(glim_call *c) {
    if (c->route->open) return true;
    const char *h = MHD_lookup_connection_value(c->conn, MHD_HEADER_KIND, "Authorization");
    const char *token = h && strncasecmp(h, "Bearer ", 7) == 0 ? h + 7 : NULL;
    while (token && *token == ' ') token++;
    if (!keys_wanted(c->s)) return origin_ok(c) && host_ok(c); /* SDKs insist on sending a key; here any will do */
    if (!token || !*token) return glim_api_fail(&c->error, 401, "invalid_api_key", NULL, "a key is wanted: Authorization: Bearer KEY");
    int n = 0; /* a proxy may have believed another one than we would */
    MHD_get_connection_values(c->conn, MHD_HEADER_KIND, count_keys, &n);
    if (n > 1) return glim_api_fail(&c->error, 401, "invalid_api_key", NULL, "Authorization is given more than once");
    switch (glim_keyring_check(c->s->store, token, strlen(token), c->route->scope, &c->key)) {
    case GLIM_ADMIT_OK: c->keyed = true; return true;
    case GLIM_ADMIT_SCOPE: {
        char want[64];
        return glim_api_fail(&c->error, 403, "scope", NULL, "this key may not do that: it lacks the scope %s",
                             glim_scopes_text(want, sizeof want, c->route->scope));
    }
    default: return glim_api_fail(&c->error, 401, "invalid_api_key", NULL, "this key is not known, or not valid any more");
    }
}

bool glim_call_admit(glim_call *c, int64_t n_tokens) {
    if (!c->keyed) return true;
    int64_t retry_ms = 0;
    glim_admission a = glim_keyring_admit(c->s->store, c->key.id, n_tokens, &retry_ms);
    if (a == GLIM_ADMIT_OK) return true;
    bool requests = a == GLIM_ADMIT_REQUESTS;
    glim_api_fail(&c->error, 429, requests ? "requests_per_minute" : "tokens_per_minute", NULL,
                  "this key may send %lld %s a minute: try again in %.1f s", (long long)(requests ? c->key.rpm : c->key.tpm),
                  requests ? "requests" : "tokens", (double)retry_ms / 1e3);
    c->error.retry_ms = retry_ms > 86400000 ? 86400000 : (int)retry_ms;
    return false;
}
