/* chain.c - see chain.h. */
#include "audit/chain.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

static const uint8_t file_header[GLIM_CHAIN_HEADER] = {'G', 'L', 'I', 'M', 'A', 'U', 'D', 'T', 1};
enum { READ_BYTES = 1 << 20, MOST_RECORD = GLIM_CHAIN_FIXED + 4 * GLIM_CHAIN_TEXT + GLIM_CHAIN_DETAIL };

static void put_u16(uint8_t *p, size_t v) { p[0] = (uint8_t)v, p[1] = (uint8_t)(v >> 8); }
static void put_u32(uint8_t *p, size_t v) { put_u16(p, v & 0xffff), put_u16(p + 2, v >> 16 & 0xffff); }
static void put_u64(uint8_t *p, uint64_t v) { put_u32(p, v & 0xffffffffu), put_u32(p + 4, v >> 32); }
static uint32_t get_u16(const uint8_t *p) { return (uint32_t)p[0] | (uint32_t)p[1] << 8; }
static uint32_t get_u32(const uint8_t *p) { return get_u16(p) | get_u16(p + 2) << 16; }
static uint64_t get_u64(const uint8_t *p) { return get_u32(p) | (uint64_t)get_u32(p + 4) << 32; }

static void sha256(uint8_t out[32], const void *bytes, size_t n) {
    struct sha256_ctx h;
    sha256_init(&h);
    sha256_update(&h, n, bytes);
    sha256_digest(&h, 32, out);
}

void glim_chain_begin(glim_chain_head *h) {
    *h = (glim_chain_head){.bytes = GLIM_CHAIN_HEADER};
    sha256(h->hash, file_header, sizeof file_header);
}

const char *glim_chain_head_text(char buf[GLIM_CHAIN_HEAD_TEXT], const glim_chain_head *h) {
    int n = snprintf(buf, GLIM_CHAIN_HEAD_TEXT, "%" PRIu64 ":", h->count);
    for (int i = 0; i < 32; i++) n += snprintf(buf + n, (size_t)(GLIM_CHAIN_HEAD_TEXT - n), "%02x", h->hash[i]);
    return buf;
}

glim_status glim_chain_head_parse(glim_chain_head *h, const char *text, glim_err *err) {
    *h = (glim_chain_head){0};
    const char *p = text;
    bool ok = *p >= '0' && *p <= '9';
    for (; *p >= '0' && *p <= '9' && ok; p++)
        ok = glim_mul_u64(h->count, 10, &h->count) && glim_add_u64(h->count, (uint64_t)(*p - '0'), &h->count);
    ok = ok && *p++ == ':' && strlen(p) == 64;
    for (int i = 0; i < 64 && ok; i++) {
        char c = p[i];
        int v = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        ok = v >= 0;
        h->hash[i / 2] = (uint8_t)(h->hash[i / 2] << 4 | v);
    }
    return ok ? GLIM_OK : glim_fail(err, GLIM_E_ARG, "head: got \"%.100s\", want COUNT:HASH as `glim audit head` prints it", text);
}

glim_status glim_chain_encode(glim_buf *out, glim_chain_head *h, const glim_chain_event *e, glim_err *err) {
    const char *text[5] = {e->actor, e->action, e->object, e->tenant, e->detail};
    static const char *const name[5] = {"actor", "action", "object", "tenant", "detail"};
    size_t len[5], total = GLIM_CHAIN_FIXED;
    for (int i = 0; i < 5; i++) {
        size_t most = i == 4 ? GLIM_CHAIN_DETAIL : GLIM_CHAIN_TEXT;
        len[i] = text[i] ? strlen(text[i]) : 0;
        if (len[i] > most)
            return glim_fail(err, GLIM_E_LIMIT, "%s of an event: got %zu bytes, want at most %zu", name[i], len[i], most);
        total += len[i];
    }
    uint8_t fixed[64], hash[32];
    put_u32(fixed, total);
    for (int i = 0; i < 4; i++) put_u16(fixed + 4 + 2 * i, len[i]);
    put_u32(fixed + 12, len[4]);
    put_u64(fixed + 16, h->count + 1);
    put_u64(fixed + 24, (uint64_t)e->time_us);
    memcpy(fixed + 32, h->hash, 32);
    size_t start = out->len;
    glim_buf_reserve(out, total);
    glim_buf_append(out, fixed, sizeof fixed);
    for (int i = 0; i < 5; i++) glim_buf_append(out, text[i] ? text[i] : "", len[i]);
    if (!out->failed) {
        sha256(hash, out->s + start, out->len - start);
        glim_buf_append(out, hash, sizeof hash);
    }
    if (out->failed) return glim_buf_status(out, "audit records", err);
    h->count++;
    h->bytes += total;
    memcpy(h->hash, hash, 32);
    return GLIM_OK;
}

/* ---- writing ---- */

static int write_at(int fd, const void *bytes, size_t n, uint64_t at) { /* 0 or errno */
    for (const uint8_t *p = bytes; n > 0;) {
        ssize_t w = pwrite(fd, p, n, (off_t)at);
        if (w < 0 && errno == EINTR) continue;
        if (w <= 0) return w < 0 ? errno : ENOSPC;
        p += w, n -= (size_t)w, at += (uint64_t)w;
    }
    return 0;
}

/* Is what lies behind `from` the beginning of these bytes (or nothing)? */
static bool same_tail(int fd, uint64_t from, uint64_t size, const uint8_t *bytes, size_t n) {
    if (size - from > n) return false;
    uint8_t chunk[4096];
    for (uint64_t at = 0; at < size - from;) {
        size_t want = size - from - at < sizeof chunk ? (size_t)(size - from - at) : sizeof chunk;
        ssize_t r = pread(fd, chunk, want, (off_t)(from + at));
        if (r <= 0 || memcmp(chunk, bytes + at, (size_t)r) != 0) return false;
        at += (uint64_t)r;
    }
    return true;
}

static void sync_folder(const char *path) { /* as far as the file system can */
    char *dir = glim_xstrdup(path), *slash = strrchr(dir, '/');
    if (slash) slash[slash == dir ? 1 : 0] = 0;
    int fd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
    free(dir);
}

glim_status glim_chain_write(const char *path, const glim_chain_head *from, const void *bytes, size_t n, bool *replaced, glim_err *err) {
    *replaced = false;
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | (from->count == 0 ? O_CREAT : 0), 0600);
    struct stat st;
    if (fd < 0 && errno == ENOENT)
        return glim_fail(err, GLIM_E_FORMAT, "\"%s\" is missing: its head says %" PRIu64 " records", path, from->count);
    if (fd < 0 || fstat(fd, &st) != 0) {
        int e = errno;
        if (fd >= 0) close(fd);
        return glim_fail_errno(err, GLIM_E_IO, e, "could not open \"%s\"", path);
    }
    int e = 0;
    uint64_t size = (uint64_t)st.st_size;
    if (from->count == 0 && size < GLIM_CHAIN_HEADER) { /* new, or killed while it was made */
        e = write_at(fd, file_header, sizeof file_header, 0);
        sync_folder(path);
        size = GLIM_CHAIN_HEADER;
    }
    if (!e && size < from->bytes) {
        close(fd);
        return glim_fail(err, GLIM_E_FORMAT, "\"%s\" was cut: got %" PRIu64 " bytes, its head says %" PRIu64, path, size, from->bytes);
    }
    if (!e) {
        *replaced = !same_tail(fd, from->bytes, size, bytes, n);
        e = write_at(fd, bytes, n, from->bytes);
    }
    if (!e && size > from->bytes + n && ftruncate(fd, (off_t)(from->bytes + n)) != 0) e = errno;
    if (!e && fdatasync(fd) != 0) e = errno;
    if (close(fd) != 0 && !e) e = errno;
    return e ? glim_fail_errno(err, GLIM_E_IO, e, "could not write \"%s\"", path) : GLIM_OK;
}

/* ---- reading ---- */

typedef struct reader {
    int fd;
    const char *path;
    uint8_t *buf; /* bytes [at, at + n) of the file */
    size_t n, cap;
    uint64_t at;
} reader;

/* Makes `want` bytes at file offset `off` (which never goes back) available; *p NULL if the file ends before. */
static glim_status need(reader *r, uint64_t off, size_t want, const uint8_t **p, glim_err *err) {
    *p = NULL;
    size_t skip = (size_t)(off - r->at);
    if (skip + want > r->n) {
        if (r->n > skip) memmove(r->buf, r->buf + skip, r->n - skip); /* else there is nothing, or no buffer yet */
        r->at = off;
        r->n -= skip;
        skip = 0;
        if (want + READ_BYTES > r->cap) {
            void *m = r->buf;
            glim_status rc = glim_try_realloc(&m, want + READ_BYTES, 1, "reading the audit log", err);
            if (rc != GLIM_OK) return rc;
            r->buf = m;
            r->cap = want + READ_BYTES;
        }
        while (r->n < want) {
            ssize_t got = pread(r->fd, r->buf + r->n, r->cap - r->n, (off_t)(r->at + r->n));
            if (got < 0 && errno == EINTR) continue;
            if (got < 0) return glim_fail_errno(err, GLIM_E_IO, errno, "could not read \"%s\"", r->path);
            if (got == 0) return GLIM_OK;
            r->n += (size_t)got;
        }
    }
    *p = r->buf + skip;
    return GLIM_OK;
}

static glim_status bad(const reader *r, const glim_chain_head *at, const char *what, glim_err *err) {
    return glim_fail(err, GLIM_E_FORMAT, "\"%s\": record %" PRIu64 " (byte %" PRIu64 ") %s", r->path, at->count + 1, at->bytes, what);
}

/* One record behind *h; moves *h. *end: the file ends exactly at *h. */
static glim_status next_record(reader *r, glim_chain_head *h, glim_buf *texts, glim_chain_event *e, bool *end, glim_err *err) {
    const uint8_t *p;
    *end = false;
    glim_status rc = need(r, h->bytes, 64, &p, err);
    if (rc != GLIM_OK) return rc;
    if (!p) {
        *end = r->n == 0 || r->at + r->n == h->bytes;
        return *end ? GLIM_OK : bad(r, h, "is cut off", err);
    }
    size_t total = get_u32(p), len[5], sum = GLIM_CHAIN_FIXED;
    for (int i = 0; i < 4; i++) sum += len[i] = get_u16(p + 4 + 2 * i);
    sum += len[4] = get_u32(p + 12);
    for (int i = 0; i < 5; i++)
        if (len[i] > (i == 4 ? GLIM_CHAIN_DETAIL : GLIM_CHAIN_TEXT)) return bad(r, h, "has an impossible length", err);
    if (total != sum || total > MOST_RECORD) return bad(r, h, "has an impossible length", err);
    if (get_u64(p + 16) != h->count + 1) return bad(r, h, "has another number: one was dropped, added or moved", err);
    if (memcmp(p + 32, h->hash, 32) != 0) return bad(r, h, "does not follow the one before it", err);
    rc = need(r, h->bytes, total, &p, err);
    if (rc != GLIM_OK) return rc;
    if (!p) return bad(r, h, "is cut off", err);
    uint8_t hash[32];
    sha256(hash, p, total - 32);
    if (memcmp(hash, p + total - 32, 32) != 0) return bad(r, h, "was changed: its hash does not fit", err);
    if (e) {
        glim_buf_clear(texts);
        size_t at[5], from = 64;
        for (int i = 0; i < 5; i++) {
            at[i] = texts->len;
            glim_buf_append(texts, p + from, len[i]);
            glim_buf_putc(texts, 0);
            from += len[i];
        }
        if (texts->failed) return glim_buf_status(texts, "an audit record", err);
        const char *s = texts->s;
        *e = (glim_chain_event){get_u64(p + 16), (int64_t)get_u64(p + 24), s + at[0], s + at[1], s + at[2], s + at[3], s + at[4]};
    }
    h->count++;
    h->bytes += total;
    memcpy(h->hash, hash, 32);
    return GLIM_OK;
}

static glim_status check_header(reader *r, glim_err *err) {
    uint8_t head[GLIM_CHAIN_HEADER];
    ssize_t n = pread(r->fd, head, sizeof head, 0);
    if (n < 0) return glim_fail_errno(err, GLIM_E_IO, errno, "could not read \"%s\"", r->path);
    if (n != (ssize_t)sizeof head || memcmp(head, file_header, 8) != 0)
        return glim_fail(err, GLIM_E_FORMAT, "\"%s\" is not an audit log", r->path);
    if (get_u32(head + 8) > 1)
        return glim_fail(err, GLIM_E_UNSUPPORTED, "\"%s\" is of version %u, want at most 1: it was written by a newer glim", r->path,
                         (unsigned)get_u32(head + 8));
    if (memcmp(head, file_header, sizeof head) != 0) return glim_fail(err, GLIM_E_FORMAT, "\"%s\": its header was changed", r->path);
    return GLIM_OK;
}

glim_status glim_chain_read(const char *path, const glim_chain_head *from, const glim_chain_head *to, glim_chain_fn fn, void *ctx,
                            glim_chain_head *reached, glim_err *err) {
    glim_chain_head h = *from;
    if (reached) *reached = h;
    reader r = {.fd = open(path, O_RDONLY | O_CLOEXEC), .path = path, .at = h.bytes};
    if (r.fd < 0)
        return glim_fail_errno(err, errno == ENOENT ? GLIM_E_NOT_FOUND : GLIM_E_IO, errno, "could not open \"%s\"", path);
    (void)posix_fadvise(r.fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    glim_buf texts = {0};
    glim_status rc = check_header(&r, err);
    while (rc == GLIM_OK && (!to || h.count < to->count)) {
        glim_chain_event e;
        bool end;
        rc = next_record(&r, &h, &texts, fn ? &e : NULL, &end, err);
        if (rc != GLIM_OK) break;
        if (end) {
            if (to)
                rc = glim_fail(err, GLIM_E_FORMAT, "\"%s\" was cut: it ends after record %" PRIu64 ", its head says %" PRIu64, path,
                               h.count, to->count);
            break;
        }
        if (fn && !fn(ctx, &e, &h)) rc = glim_fail(err, GLIM_E_CANCELLED, "stopped while reading \"%s\"", path);
    }
    if (rc == GLIM_OK && to && (h.count != to->count || h.bytes != to->bytes || memcmp(h.hash, to->hash, 32) != 0))
        rc = glim_fail(err, GLIM_E_FORMAT,
                       "\"%s\" was rewritten: record %" PRIu64 " ends with another hash than its head says", path, h.count);
    if (reached) *reached = h;
    glim_buf_free(&texts);
    free(r.buf);
    close(r.fd);
    return rc;
}
