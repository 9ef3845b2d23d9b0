/* outbox.c - see outbox.h. */
#include "store/outbox.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "store/store_internal.h"

/* Rows moved in one transaction, so that writers wait no longer than one short sync. */
enum { DRAIN_ROWS = 1000, DRAIN_BYTES = 4 << 20 };

static const char *text(const char *t) { return t ? t : ""; }

glim_status glim_outbox_add(glim_db *db, int64_t now_us, const glim_event *e, glim_err *err) {
    const char *all[] = {e->actor, e->action, e->object, e->tenant, e->detail};
    for (size_t i = 0; i < GLIM_COUNT(all); i++) { /* what the log would refuse must not get into the outbox */
        size_t n = strlen(text(all[i])), most = i == 4 ? GLIM_CHAIN_DETAIL : GLIM_CHAIN_TEXT;
        if (n > most) return glim_fail(err, GLIM_E_LIMIT, "event \"%.60s\": got %zu bytes in a field, want at most %zu", text(e->action), n, most);
    }
    return glim_db_run(db, err, "INSERT INTO outbox(time, actor, action, object, tenant, detail) VALUES(?, ?, ?, ?, ?, ?)",
                       "isssss", now_us, text(e->actor), text(e->action), text(e->object), text(e->tenant), text(e->detail));
}

typedef struct put_ctx {
    const glim_event *e;
    int64_t now;
} put_ctx;

static glim_status put(glim_db *db, void *ctx, glim_err *err) {
    put_ctx *p = ctx;
    return glim_outbox_add(db, p->now, p->e, err);
}

glim_status glim_outbox_put(glim_store *s, const glim_event *e, glim_err *err) {
    return glim_store_run(s, put, &(put_ctx){e, glim_store_now_us(s)}, err);
}

/* ---- the anchor ---- */

glim_status glim_outbox_anchor(glim_db *db, glim_chain_head *h, glim_err *err) {
    glim_chain_begin(h);
    glim_db_row *r;
    bool more = true;
    int64_t count = 0, bytes = 0;
    glim_status rc = glim_db_int(db, &count, 0, err, "SELECT value FROM meta WHERE name = 'audit_count'", "");
    if (rc == GLIM_OK) rc = glim_db_int(db, &bytes, 0, err, "SELECT value FROM meta WHERE name = 'audit_bytes'", "");
    if (rc != GLIM_OK || count == 0) return rc;
    rc = glim_db_query(db, &r, err, "SELECT value FROM meta WHERE name = 'audit_head'", "");
    if (rc == GLIM_OK) rc = glim_db_next(db, r, &more, err);
    if (rc != GLIM_OK) return rc;
    size_t n = 0;
    const void *hash = more ? glim_db_bytes(r, 0, &n) : NULL;
    if (count < 0 || bytes < GLIM_CHAIN_HEADER || n != 32)
        rc = glim_fail(err, GLIM_E_FORMAT, "\"%s\": the head of the audit log is damaged", glim_db_path(db));
    else {
        h->count = (uint64_t)count;
        h->bytes = (uint64_t)bytes;
        memcpy(h->hash, hash, 32);
    }
    if (more) glim_db_rest(r);
    return rc;
}

/* The records that waiting rows will become, after *h, which moves; at most max_rows; *last is the last row's id. */
static glim_status encode_waiting(glim_db *db, glim_chain_head *h, int64_t max_rows, glim_buf *out, int64_t *last, glim_err *err) {
    glim_db_row *r;
    bool more = true;
    *last = 0;
    glim_status rc = glim_db_query(db, &r, err, "SELECT id, time, actor, action, object, tenant, detail FROM outbox ORDER BY id LIMIT ?",
                                   "i", max_rows);
    while (rc == GLIM_OK && (rc = glim_db_next(db, r, &more, err)) == GLIM_OK && more && out->len < DRAIN_BYTES) {
        rc = glim_chain_encode(out, h, &(glim_chain_event){0, glim_db_i64(r, 1), glim_db_text(r, 2), glim_db_text(r, 3), glim_db_text(r, 4),
                                                           glim_db_text(r, 5), glim_db_text(r, 6)}, err);
        *last = glim_db_i64(r, 0);
    }
    if (more) glim_db_rest(r);
    return rc;
}

typedef struct drain_ctx {
    const char *path;
    bool moved;
} drain_ctx;

static glim_status drain(glim_db *db, void *ctx, glim_err *err) {
    drain_ctx *d = ctx;
    glim_chain_head from, h;
    glim_buf b = {0};
    int64_t last = 0;
    bool replaced = false;
    d->moved = false;
    glim_status rc = glim_outbox_anchor(db, &from, err);
    h = from;
    if (rc == GLIM_OK) rc = encode_waiting(db, &h, DRAIN_ROWS, &b, &last, err);
    if (rc == GLIM_OK && last) {
        rc = glim_chain_write(d->path, &from, b.s, b.len, &replaced, err);
        if (rc == GLIM_OK) rc = glim_db_run(db, err, "DELETE FROM outbox WHERE id <= ?", "i", last);
        if (rc == GLIM_OK) rc = glim_db_run(db, err, "UPDATE meta SET value = ? WHERE name = 'audit_count'", "i", (int64_t)h.count);
        if (rc == GLIM_OK) rc = glim_db_run(db, err, "UPDATE meta SET value = ? WHERE name = 'audit_bytes'", "i", (int64_t)h.bytes);
        if (rc == GLIM_OK) rc = glim_db_run(db, err, "UPDATE meta SET value = ? WHERE name = 'audit_head'", "b", h.hash, sizeof h.hash);
        d->moved = rc == GLIM_OK;
    }
    if (replaced) glim_log(GLIM_WARN, "audit", "bytes behind the head of \"%s\" were not ours and were replaced", d->path);
    glim_buf_free(&b);
    return rc;
}

static glim_status is_empty(glim_db *db, void *ctx, glim_err *err) {
    return glim_db_int(db, ctx, 0, err, "SELECT 1 FROM outbox LIMIT 1", "");
}

glim_status glim_outbox_drain(glim_store *s, glim_err *err) {
    int64_t some = 0;
    /* A look first: an idle server must not write to its disk every second. */
    glim_status rc = glim_store_read(s, is_empty, &some, err);
    if (rc != GLIM_OK || !some) return rc;
    char *path = glim_path_join(s->dir, "audit.log");
    drain_ctx d = {.path = path, .moved = true};
    while (rc == GLIM_OK && d.moved) rc = glim_store_transact(s, drain, &d, err);
    free(path);
    return rc;
}

/* ---- looking ---- */

typedef struct head_ctx {
    glim_chain_head h;
    int64_t n_waiting;
    glim_buf *waiting; /* may be NULL: the bytes that rows will become */
} head_ctx;

static glim_status read_head(glim_db *db, void *ctx, glim_err *err) {
    head_ctx *c = ctx;
    glim_status rc = glim_outbox_anchor(db, &c->h, err);
    if (rc == GLIM_OK) rc = glim_db_int(db, &c->n_waiting, 0, err, "SELECT COUNT(*) FROM outbox", "");
    if (rc == GLIM_OK && c->waiting) {
        glim_chain_head h = c->h;
        int64_t last;
        rc = encode_waiting(db, &h, DRAIN_ROWS, c->waiting, &last, err); /* one drain writes no more than this */
    }
    return rc;
}

glim_status glim_outbox_head(glim_store *s, glim_chain_head *head, int64_t *n_waiting, glim_err *err) {
    head_ctx c = {0};
    glim_status rc = glim_store_read(s, read_head, &c, err);
    *head = c.h;
    *n_waiting = c.n_waiting;
    return rc;
}

glim_status glim_outbox_each(const glim_store *s, glim_db *db, glim_chain_fn fn, void *ctx, glim_err *err) {
    glim_chain_head start, head;
    glim_db_row *r;
    bool more = true;
    glim_chain_begin(&start);
    glim_status rc = glim_outbox_anchor(db, &head, err);
    if (rc == GLIM_OK && head.count) {
        char *path = glim_path_join(s->dir, "audit.log");
        rc = glim_chain_read(path, &start, &head, fn, ctx, NULL, err);
        free(path);
    }
    if (rc == GLIM_OK) rc = glim_db_query(db, &r, err, "SELECT time, actor, action, object, tenant, detail FROM outbox ORDER BY id", "");
    while (rc == GLIM_OK && (rc = glim_db_next(db, r, &more, err)) == GLIM_OK && more) {
        const glim_chain_event e = {0, glim_db_i64(r, 0), glim_db_text(r, 1), glim_db_text(r, 2), glim_db_text(r, 3), glim_db_text(r, 4), glim_db_text(r, 5)};
        if (fn(ctx, &e, NULL)) continue;
        glim_db_rest(r);
        return glim_fail(err, GLIM_E_CANCELLED, "stopped by the caller");
    }
    return rc;
}

typedef struct mark_ctx {
    const glim_chain_head *mark;
    bool seen, same;
} mark_ctx;

static bool look_for_mark(void *ctx, const glim_chain_event *e, const glim_chain_head *after) {
    (void)e;
    mark_ctx *m = ctx;
    if (after->count == m->mark->count) {
        m->seen = true;
        m->same = memcmp(after->hash, m->mark->hash, 32) == 0;
    }
    return true;
}

/* Does the file hold, behind the head, anything but the beginning of what one drain would write there? */
static glim_status check_tail(const char *path, const head_ctx *c, bool *foreign, glim_err *err) {
    *foreign = false;
    glim_buf tail = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0) {
        if (fd >= 0) close(fd);
        return c->h.count == 0 ? GLIM_OK : glim_fail(err, GLIM_E_IO, "could not open \"%s\"", path);
    }
    uint64_t size = (uint64_t)st.st_size, extra = size > c->h.bytes ? size - c->h.bytes : 0;
    if (extra > c->waiting->len) *foreign = true;
    else if (extra) {
        glim_buf_reserve(&tail, extra);
        ssize_t n = tail.failed ? -1 : pread(fd, tail.s, extra, (off_t)c->h.bytes);
        if (n > 0 && memcmp(tail.s, c->waiting->s, (size_t)n) != 0) *foreign = true;
    }
    close(fd);
    glim_buf_free(&tail);
    return GLIM_OK;
}

glim_status glim_audit_verify(glim_store *s, const glim_chain_head *mark, glim_audit_result *out, glim_err *err) {
    char *path = glim_path_join(s->dir, "audit.log");
    glim_chain_head done, start;
    glim_buf waiting = {0};
    mark_ctx m = {.mark = mark};
    bool foreign = true;
    glim_chain_begin(&done);
    start = done;
    glim_status rc = GLIM_OK;
    if (mark && mark->count == 0) m.seen = true, m.same = memcmp(mark->hash, start.hash, 32) == 0;
    /* A server may append while we read: go on from where we are to the head of a newer snapshot, until nothing is
     * behind it but what waits. Bytes that are still foreign after that many looks are no server's. */
    for (int round = 0; round < 20 && foreign && rc == GLIM_OK; round++) {
        head_ctx c = {.waiting = &waiting};
        glim_buf_clear(&waiting);
        rc = glim_store_read(s, read_head, &c, err);
        if (rc == GLIM_OK && c.h.count < done.count)
            rc = glim_fail(err, GLIM_E_FORMAT, "the head of the audit log went back from record %" PRIu64 " to %" PRIu64, done.count, c.h.count);
        if (rc == GLIM_OK && (c.h.count > done.count || (round == 0 && glim_path_exists(path)))) {
            rc = glim_chain_read(path, &done, &c.h, mark ? look_for_mark : NULL, &m, &done, err);
            if (rc == GLIM_E_NOT_FOUND)
                rc = glim_fail(err, GLIM_E_FORMAT, "\"%s\" is missing: its head says %" PRIu64 " records", path, c.h.count);
        }
        if (rc == GLIM_OK) rc = check_tail(path, &c, &foreign, err);
        *out = (glim_audit_result){c.h, c.n_waiting};
        if (rc == GLIM_OK && foreign) usleep(50000);
    }
    if (rc == GLIM_OK && foreign)
        rc = glim_fail(err, GLIM_E_FORMAT, "\"%s\": bytes were added behind record %" PRIu64 ", which its head says is the last", path,
                       done.count);
    char buf[GLIM_CHAIN_HEAD_TEXT];
    if (rc == GLIM_OK && mark && !m.seen)
        rc = glim_fail(err, GLIM_E_FORMAT, "\"%s\" was cut: it has %" PRIu64 " records, the head noted elsewhere %" PRIu64, path, done.count,
                       mark->count);
    else if (rc == GLIM_OK && mark && !m.same)
        rc = glim_fail(err, GLIM_E_FORMAT, "\"%s\" was rewritten: record %" PRIu64 " is not %s any more", path, mark->count,
                       glim_chain_head_text(buf, mark));
    glim_buf_free(&waiting);
    free(path);
    return rc;
}

glim_status glim_audit_list(glim_store *s, glim_chain_fn fn, void *ctx, glim_err *err) {
    glim_chain_head start, head;
    int64_t n_waiting;
    glim_chain_begin(&start);
    glim_status rc = glim_outbox_head(s, &head, &n_waiting, err);
    if (rc != GLIM_OK || head.count == 0) return rc;
    char *path = glim_path_join(s->dir, "audit.log");
    rc = glim_chain_read(path, &start, &head, fn, ctx, NULL, err);
    free(path);
    return rc;
}
