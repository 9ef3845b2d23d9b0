/* reply.c - replies and errors, whole. Streams are work.c's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "serve/refuse.h"
#include "serve/server_internal.h"

static const char *origin_allowed(const glim_call *c) {
    const char *origin = MHD_lookup_connection_value(c->conn, MHD_HEADER_KIND, "Origin");
    for (size_t i = 0; origin && i < c->s->p.n_origins; i++)
        if (strcmp(c->s->p.origins[i], "*") == 0 || strcmp(c->s->p.origins[i], origin) == 0) return origin;
    return NULL;
}

static void number_header(struct MHD_Response *r, const char *name, int64_t v) {
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)v);
    MHD_add_response_header(r, name, text);
}

/* How often an SDK of OpenAI's has sent this request before. A client can write anything there: only a number of up to three digits. */
static int retries(const glim_call *c) {
    const char *v = MHD_lookup_connection_value(c->conn, MHD_HEADER_KIND, "x-stainless-retry-count");
    if (!v || !*v || strlen(v) > 3 || strspn(v, "0123456789") != strlen(v)) return 0;
    return atoi(v);
}

static void limit_headers(const glim_call *c, struct MHD_Response *r) {
    if (!c->keyed) return;
    int64_t requests, tokens;
    glim_keyring_left(c->s->store, c->key.id, &requests, &tokens);
    if (c->key.rpm) number_header(r, "x-ratelimit-limit-requests", c->key.rpm), number_header(r, "x-ratelimit-remaining-requests", requests);
    if (c->key.tpm) number_header(r, "x-ratelimit-limit-tokens", c->key.tpm), number_header(r, "x-ratelimit-remaining-tokens", tokens);
}

enum MHD_Result glim_call_queue(glim_call *c, int status, struct MHD_Response *r) {
    MHD_add_response_header(r, "x-request-id", c->id);
    if (c->close_after || c->s->draining) MHD_add_response_header(r, "Connection", "close");
    limit_headers(c, r);
    /* Never with Access-Control-Allow-Credentials: a page must know a key to use one. */
    const char *origin = c->s->p.n_origins ? origin_allowed(c) : NULL;
    if (origin) {
        MHD_add_response_header(r, "Access-Control-Allow-Origin", origin);
        MHD_add_response_header(r, "Access-Control-Expose-Headers", "x-request-id, retry-after, retry-after-ms, x-should-retry, x-ratelimit-limit-requests, "
                                "x-ratelimit-remaining-requests, x-ratelimit-limit-tokens, x-ratelimit-remaining-tokens");
    }
    if (c->s->p.n_origins) MHD_add_response_header(r, "Vary", "Origin");
    c->state = CALL_ANSWERED;
    c->s->metrics.responses[status / 100]++;
    c->link->busy = true;
    c->link->deadline = glim_now_s() + c->s->p.request_s;
    char retry[24] = "";
    if (retries(c) > 0) snprintf(retry, sizeof retry, " retry=%d", retries(c));
    glim_log(GLIM_INFO, "http", "reply id=%s status=%d route=%s key=%s ms=%.1f%s", c->id, status, c->route ? c->route->path : "-",
             c->keyed ? c->key.id : "-", c->t0 > 0 ? (glim_now_s() - c->t0) * 1e3 : 0, retry);
    enum MHD_Result ok = glim_mhd_queue(c->conn, (unsigned)status, r);
    MHD_destroy_response(r);
    return ok;
}

enum MHD_Result glim_call_reply(glim_call *c, int status, const char *type, glim_buf *body) {
    struct MHD_Response *r = body->failed ? NULL : MHD_create_response_from_buffer(body->len, body->s, body->s ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
    if (!r) {
        glim_buf_free(body);
        return MHD_NO;
    }
    size_t len = body->len;
    *body = (glim_buf){0};
    MHD_add_response_header(r, "Content-Type", type);
    enum MHD_Result ok = glim_call_queue(c, status, r);
    c->link->deadline += (double)len / 65536; /* a long body may take longer */
    return ok;
}

enum MHD_Result glim_call_file(glim_call *c) {
    struct MHD_Response *r = MHD_create_response_from_fd64(c->file_bytes, c->file_fd);
    if (!r) return MHD_NO;
    c->has_file = false; /* the response's now */
    MHD_add_response_header(r, "Content-Type", c->reply_type);
    MHD_add_response_header(r, "X-Content-Type-Options", "nosniff"); /* a client's own bytes: never a page of ours */
    MHD_add_response_header(r, "Content-Disposition", "attachment");
    enum MHD_Result ok = glim_call_queue(c, 200, r);
    c->link->deadline += (double)c->file_bytes / 65536;
    return ok;
}

enum MHD_Result glim_call_ok(glim_call *c, glim_buf *body) { return glim_call_reply(c, 200, "application/json", body); }

enum MHD_Result glim_call_fail(glim_call *c) {
    glim_buf b = {0};
    const glim_api_error *e = &c->error;
    glim_api_error_json(&b, e);
    if (e->close) c->close_after = true;
    struct MHD_Response *r = b.failed ? NULL : MHD_create_response_from_buffer(b.len, b.s, MHD_RESPMEM_MUST_FREE);
    if (!r) {
        glim_buf_free(&b);
        return MHD_NO;
    }
    MHD_add_response_header(r, "Content-Type", "application/json");
    if (e->no_retry) MHD_add_response_header(r, "x-should-retry", "false");
    if (e->retry_ms > 0) {
        number_header(r, "retry-after-ms", e->retry_ms);
        number_header(r, "retry-after", (e->retry_ms + 999) / 1000);
    }
    if (e->status == 401) MHD_add_response_header(r, "WWW-Authenticate", "Bearer");
    if (e->status == 405) MHD_add_response_header(r, "Allow", c->arg);
    glim_log(GLIM_INFO, "http", "refused id=%s status=%d code=%s param=%s", c->id, e->status, e->code ? e->code : "-", e->param[0] ? e->param : "-");
    return glim_call_queue(c, e->status, r);
}

json_t *glim_call_json(glim_call *c) {
    json_t *v;
    glim_err err = {0};
    if (glim_json_parse(&v, glim_buf_cstr(&c->body), c->body.len, 0, &err) == GLIM_OK) {
        if (json_is_object(v)) return v;
        glim_api_fail(&c->error, 400, "invalid_type", NULL, "the body is %s, want a JSON object", glim_json_type_name(v));
        json_decref(v);
        return NULL;
    }
    bool limit = err.code == GLIM_E_LIMIT;
    glim_api_fail(&c->error, err.code == GLIM_E_NOMEM ? 503 : 400, limit ? "json_too_deep" : "invalid_json", NULL,
                  "the body is not what JSON allows here: %s", err.msg);
    c->error.close = limit;
    return NULL;
}
