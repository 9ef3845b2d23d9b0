/* query.c - see query.h. */
#include "serve/query.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "serve/fields.h"

static bool copy(glim_call *c, char **out, enum MHD_ValueKind kind, const char *name, size_t max) {
    const char *v = MHD_lookup_connection_value(c->conn, kind, name);
    if (!v || !*v) return true;
    if (strlen(v) > max) return glim_api_fail(&c->error, 400, "invalid_value", name, "\"%s\": got %zu bytes, want at most %zu", name, strlen(v), max);
    *out = glim_xstrdup(v);
    return true;
}

bool glim_query_read(glim_call *c, glim_query *q) {
    char *limit = NULL, *order = NULL;
    bool ok = copy(c, &limit, MHD_GET_ARGUMENT_KIND, "limit", 20) && copy(c, &order, MHD_GET_ARGUMENT_KIND, "order", 8) &&
              copy(c, &q->after, MHD_GET_ARGUMENT_KIND, "after", GLIM_STORE_ID) &&
              copy(c, &q->purpose, MHD_GET_ARGUMENT_KIND, "purpose", GLIM_STORE_ID) &&
              copy(c, &q->encoding, MHD_GET_ARGUMENT_KIND, "encoding", 32) &&
              copy(c, &q->once, MHD_HEADER_KIND, "Idempotency-Key", GLIM_STORE_NAME);
    if (ok && limit) {
        char *end;
        q->limit = strtoll(limit, &end, 10);
        if (*end || limit[0] < '0' || limit[0] > '9' || q->limit < 1 || q->limit > 10000)
            ok = glim_api_fail(&c->error, 400, "invalid_value", "limit", "\"limit\": got \"%s\", want 1 to 10000", limit);
    }
    if (ok && order) {
        q->oldest_first = strcmp(order, "asc") == 0;
        if (!q->oldest_first && strcmp(order, "desc") != 0)
            ok = glim_api_fail(&c->error, 400, "invalid_value", "order", "\"order\": got \"%s\", want \"asc\" or \"desc\"", order);
    }
    free(limit);
    free(order);
    return ok;
}

void glim_query_deinit(glim_query *q) {
    free(q->after);
    free(q->purpose);
    free(q->encoding);
    free(q->once);
    *q = (glim_query){0};
}

bool glim_query_take(glim_call *c, const char *data, size_t n) {
    (void)data, (void)n;
    if (c->task) return true;
    c->task = glim_xcalloc(1, sizeof(glim_query));
    return glim_query_read(c, c->task);
}

bool glim_query_take_body(glim_call *c, const char *data, size_t n) {
    if (!c->task) return glim_query_take(c, data, n);
    glim_buf_append(&c->body, data, n);
    return true;
}

void glim_query_release(glim_call *c) {
    if (!c->task) return;
    glim_query_deinit(c->task);
    free(c->task);
}

bool glim_route_read_model(glim_call *c, const json_t *body) {
    const char *name = NULL;
    if (!glim_field_str(body, "model", &name, &c->error)) return false;
    if (!name) return glim_api_fail(&c->error, 400, "missing_required_parameter", "model", "\"model\" is missing, want the name of a model");
    return glim_call_model(c, name);
}
