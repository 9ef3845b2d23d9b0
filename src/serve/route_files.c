/* route_files.c - /v1/files: uploads (multipart/form-data), lists, contents, removal.
 *
 * The parts are taken apart by libmicrohttpd while they arrive and go to disk as they come: a file of half a gigabyte
 * never lies in memory. Its name is a text for people; where the content lies follows from its hash (store/blobs.h). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "serve/query.h"
#include "serve/routes.h"
#include "store/blobs.h"

/* What a key may see: its tenant's files, an administrator's key those of all. */
static const char *tenant_seen(const glim_call *c) { return c->keyed && (c->key.scopes & GLIM_SCOPE_ADMIN) ? NULL : glim_call_tenant(c); }

static void put_file(glim_buf *b, const glim_file *f) {
    glim_buf_printf(b, "{\"id\": \"%s\", \"object\": \"file\", \"bytes\": %lld, \"created_at\": %lld, \"filename\": ", f->id, (long long)f->bytes,
                    (long long)(f->created_us / 1000000));
    glim_json_put_str(b, f->name, strlen(f->name));
    glim_buf_puts(b, ", \"purpose\": ");
    glim_json_put_str(b, f->purpose, strlen(f->purpose));
    glim_buf_printf(b, ", \"status\": \"processed\", \"sha256\": \"%s\"}", f->sha256);
}

static bool not_found(glim_call *c, const glim_err *err, const char *id) {
    if (err->code != GLIM_E_NOT_FOUND) return glim_api_from(&c->error, err, NULL);
    return glim_api_fail(&c->error, 404, "file_not_found", "file_id", "there is no file \"%.100s\"", id);
}

/* ---- upload ---- */

typedef struct upload {
    glim_query q;
    struct MHD_PostProcessor *parts;
    glim_upload *to;
    char *name;
    glim_buf purpose;
    bool n_files, bad;
    bool some; /* bytes of the file have come: the next part of that name is another one, whatever it is called */
    int n_parts;
    glim_call *c;
} upload;

static enum MHD_Result fail_part(upload *u) {
    u->bad = true;
    return MHD_NO;
}

static enum MHD_Result take_part(void *ctx, enum MHD_ValueKind kind, const char *key, const char *filename, const char *type,
                                 const char *encoding, const char *data, uint64_t off, size_t n) {
    upload *u = ctx;
    glim_call *c = u->c;
    glim_err err = {0};
    (void)kind, (void)type, (void)encoding;
    if (u->bad) return MHD_NO;
    if (!key) key = ""; /* a part without a name */
    if (off == 0 && ++u->n_parts > 64) {
        glim_api_fail(&c->error, 400, "invalid_value", NULL, "the form has more than 64 parts");
        return fail_part(u);
    }
    if (strcmp(key, "purpose") == 0) {
        if (u->purpose.len + n > GLIM_STORE_ID) {
            glim_api_fail(&c->error, 400, "invalid_value", "purpose", "\"purpose\": want at most %d bytes", GLIM_STORE_ID);
            return fail_part(u);
        }
        glim_buf_append(&u->purpose, data, n);
        return MHD_YES;
    }
    if (strncmp(key, "expires_after", 13) == 0) { /* "expires_after[seconds]": who counts on a file being gone must know that it stays */
        glim_api_fail(&c->error, 400, "unsupported_value", "expires_after", "\"expires_after\": files are kept here until they are deleted");
        return fail_part(u);
    }
    if (strcmp(key, "file") != 0) return MHD_YES; /* unknown fields are ignored */
    if (off == 0 && n == 0 && u->name) return MHD_YES;
    if (off == 0 && n > 0 && (u->some || (u->n_files && u->name && filename && strcmp(filename, u->name) != 0))) {
        glim_api_fail(&c->error, 400, "invalid_value", "file", "\"file\" is there twice");
        return fail_part(u);
    }
    u->n_files = true;
    u->some = u->some || n > 0;
    if (!u->name) u->name = glim_xstrdup(filename && *filename ? filename : "file");
    if (glim_upload_write(u->to, data, n, &err) == GLIM_OK) return MHD_YES;
    if (err.code == GLIM_E_LIMIT) glim_api_fail(&c->error, 413, "request_too_large", "file", "%s", err.msg);
    else glim_api_from(&c->error, &err, "file");
    return fail_part(u);
}

static bool begin_upload(glim_call *c) {
    upload *u = c->task = glim_xcalloc(1, sizeof *u);
    const char *type = MHD_lookup_connection_value(c->conn, MHD_HEADER_KIND, "Content-Type");
    glim_err err = {0};
    u->c = c;
    if (!glim_query_read(c, &u->q)) return false;
    if (type && strncasecmp(type, "multipart/form-data", 19) == 0) u->parts = MHD_create_post_processor(c->conn, 32 << 10, take_part, u);
    if (!u->parts)
        return glim_api_fail(&c->error, 400, "invalid_content_type", NULL, "got Content-Type \"%.100s\", want \"multipart/form-data\" with a boundary of at least two characters", type ? type : "");
    if (glim_upload_begin(c->s->store, GLIM_FILE_BYTES, &u->to, &err) != GLIM_OK) return glim_api_from(&c->error, &err, NULL);
    return true;
}

bool glim_file_take(glim_call *c, const char *data, size_t n) {
    upload *u = c->task;
    if (!u) return begin_upload(c);
    if (n == 0) return true;
    if (MHD_post_process(u->parts, data, n) == MHD_YES && !u->bad) return true;
    if (!u->bad) glim_api_fail(&c->error, 400, "invalid_multipart", NULL, "the form could not be taken apart");
    return false;
}

static bool purpose_ok(glim_call *c, const char *p) {
    static const char *const known[] = {"fine-tune", "batch", "assistants", "vision", "user_data", "evals", "eval"};
    for (size_t i = 0; i < GLIM_COUNT(known); i++)
        if (strcmp(p, known[i]) == 0) return true;
    return glim_api_fail(&c->error, 400, *p ? "invalid_value" : "missing_required_parameter", "purpose",
                         "\"purpose\": got \"%.64s\", want fine-tune, batch, assistants, vision, user_data or evals", p);
}

bool glim_file_finish(glim_call *c) {
    upload *u = c->task;
    glim_file f;
    glim_err err = {0};
    bool whole = MHD_destroy_post_processor(u->parts) == MHD_YES;
    u->parts = NULL;
    if (u->bad) return false;
    if (!whole) return glim_api_fail(&c->error, 400, "invalid_multipart", NULL, "the form ends too early");
    if (!u->n_files) return glim_api_fail(&c->error, 400, "missing_required_parameter", "file", "\"file\" is missing");
    const char *purpose = glim_buf_cstr(&u->purpose);
    if (!purpose_ok(c, purpose)) return false;
    glim_file_params p = {.tenant = glim_call_tenant(c), .name = u->name, .purpose = purpose, .once = u->q.once, .actor = c->keyed ? c->key.id : GLIM_KEY_LOCAL};
    glim_upload *to = u->to;
    u->to = NULL; /* gone either way */
    if (glim_upload_finish(to, &p, &f, &err) != GLIM_OK) return glim_api_from(&c->error, &err, "file");
    put_file(&c->reply, &f);
    return true;
}

void glim_file_release(glim_call *c) {
    upload *u = c->task;
    if (!u) return;
    if (u->parts) MHD_destroy_post_processor(u->parts);
    glim_upload_cancel(u->to);
    glim_buf_free(&u->purpose);
    glim_query_deinit(&u->q);
    free(u->name);
    free(u);
}

/* ---- the rest ---- */

typedef struct listing {
    glim_buf *b;
    size_t n;
    char first[GLIM_STORE_ID + 1], last[GLIM_STORE_ID + 1];
} listing;

static bool list_one(void *ctx, const glim_file *f) {
    listing *l = ctx;
    if (l->n++) glim_buf_puts(l->b, ", ");
    else memcpy(l->first, f->id, sizeof l->first);
    memcpy(l->last, f->id, sizeof l->last);
    put_file(l->b, f);
    return true;
}

bool glim_file_listing(glim_call *c) {
    const glim_query *q = c->task;
    listing l = {.b = &c->reply};
    bool more = false;
    glim_err err = {0};
    glim_buf_puts(l.b, "{\"object\": \"list\", \"data\": [");
    if (glim_file_list(c->s->store, tenant_seen(c), q->purpose, !q->oldest_first, q->after, q->limit ? q->limit : 10000, list_one, &l, &more, &err) != GLIM_OK) {
        if (err.code == GLIM_E_NOT_FOUND) return glim_api_fail(&c->error, 400, "invalid_value", "after", "\"after\": there is no file \"%.64s\"", q->after ? q->after : "");
        return glim_api_from(&c->error, &err, NULL);
    }
    if (l.n) glim_buf_printf(l.b, "], \"first_id\": \"%s\", \"last_id\": \"%s\"", l.first, l.last);
    else glim_buf_puts(l.b, "], \"first_id\": null, \"last_id\": null");
    glim_buf_printf(l.b, ", \"has_more\": %s}", more ? "true" : "false");
    return true;
}

/* GET /v1/files/{id} and /v1/files/{id}/content. */
bool glim_file_show(glim_call *c) {
    glim_file f;
    glim_err err = {0};
    char *slash = strchr(c->arg, '/');
    bool content = slash && strcmp(slash, "/content") == 0;
    if (slash && !content) return glim_api_fail(&c->error, 404, "unknown_url", NULL, "there is nothing at /files/%.200s", c->arg);
    if (slash) *slash = 0;
    if (glim_file_get(c->s->store, tenant_seen(c), c->arg, &f, &err) != GLIM_OK) return not_found(c, &err, c->arg);
    if (!content) {
        put_file(&c->reply, &f);
        return true;
    }
    int fd;
    if (glim_file_open(c->s->store, &f, &fd, &err) != GLIM_OK) return glim_api_from(&c->error, &err, NULL);
    c->file_fd = fd;
    c->file_bytes = (uint64_t)f.bytes;
    c->has_file = true;
    c->reply_type = "application/octet-stream";
    return true;
}

bool glim_file_remove(glim_call *c) {
    glim_err err = {0};
    if (glim_file_delete(c->s->store, tenant_seen(c), c->arg, c->keyed ? c->key.id : GLIM_KEY_LOCAL, &err) != GLIM_OK) return not_found(c, &err, c->arg);
    glim_buf_puts(&c->reply, "{\"id\": ");
    glim_json_put_str(&c->reply, c->arg, strlen(c->arg));
    glim_buf_puts(&c->reply, ", \"object\": \"file\", \"deleted\": true}");
    return true;
}
