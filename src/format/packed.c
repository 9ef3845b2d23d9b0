/* packed.c - see packed.h.
 *
 * Invariants  a file with the final name is whole: bytes, table and header reached the disk before the rename;
 *             and nothing of a file is believed, not even a size, before the checksum that covers it.
 * Surprise    summing and fsync of gigabytes take as long as memory and disk need, so a thread does both while
 *             the model is already answering; a program that ends before that gives the file up. */
#include "format/packed.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/rng.h"
#include "format/sum64.h"

/* 2: checksums. A block is small enough that 64 of them cost half a millisecond, and large enough that the table
 * of a 5 GB file is 1.2 MB. */
enum { HEADER = 4096, VERSION = 2, BLOCK = 32 << 10, SAMPLES = 64, WRITE_BYTES = 1 << 20 };
static const char MAGIC[8] = "GLIMPACK";

/* A file on its way: on the heap of its own, because the thread that brings it to the disk may outlive the
 * model. */
struct glim_packed_file {
    int fd;
    size_t bytes;
    char key[GLIM_PACKED_KEY];
    char *tmp_path, *path; /* path: the final name */
    const char *later; /* [bytes] in private memory, still to be written; NULL: they are in the file already */
    pthread_t keeper;
    bool keeping;
};

/* The file: this, zeros up to HEADER, the bytes, zeros up to a multiple of 8, one sum for each block. */
typedef struct header {
    char magic[8];
    uint32_t version, header_bytes; /* these stay where they are in every version */
    uint64_t bytes;
    char key[GLIM_PACKED_KEY];
    uint64_t block_bytes, table_sum;
    uint64_t sum; /* of everything above */
} header;

static size_t n_blocks(size_t bytes) { return bytes / BLOCK + (bytes % BLOCK != 0); }
static size_t block_size(size_t bytes, size_t i) { return bytes - i * BLOCK < BLOCK ? bytes - i * BLOCK : BLOCK; }
static size_t table_offset(size_t bytes) { return HEADER + (bytes + 7) / 8 * 8; }
static size_t file_size(size_t bytes) { return table_offset(bytes) + n_blocks(bytes) * sizeof(uint64_t); }

/* FNV-1a, 64 bit, two streams with different offsets: 128 bits against accidents. */
typedef struct hash {
    uint64_t a, b;
} hash;

static void mix(hash *h, const void *bytes, size_t n) {
    const unsigned char *p = bytes;
    for (size_t i = 0; i < n; i++) {
        h->a = (h->a ^ p[i]) * 0x100000001b3u;
        h->b = (h->b ^ p[i]) * 0x100000001b3u + (h->b >> 47);
    }
}

void glim_packed_key(char key[GLIM_PACKED_KEY], const glim_ckpt *c, const char *how) {
    hash h = {0xcbf29ce484222325u, 0x6c62272e07bb0142u};
    mix(&h, how, strlen(how));
    for (int i = 0; i < glim_ckpt_n_files(c); i++) {
        size_t size;
        struct stat st = {0};
        const char *path = glim_ckpt_file(c, i, &size);
        (void)stat(path, &st);
        mix(&h, &size, sizeof size);
        mix(&h, &st.st_mtim, sizeof st.st_mtim);
        mix(&h, &st.st_ino, sizeof st.st_ino);
    }
    for (size_t i = 0; i < glim_ckpt_n_tensors(c); i++) {
        const glim_tensor *t = glim_ckpt_tensor(c, i);
        mix(&h, t->name, strlen(t->name) + 1);
        mix(&h, &t->type, sizeof t->type);
        mix(&h, t->dims, sizeof t->dims);
        /* 32 bytes of the middle: a file rewritten in place within a clock tick still differs. */
        size_t n = t->n_bytes < 32 ? t->n_bytes : 32;
        mix(&h, (const char *)t->data + (t->n_bytes - n) / 2, n);
    }
    snprintf(key, GLIM_PACKED_KEY, "%016" PRIx64 "%016" PRIx64, h.a, h.b);
}

static glim_status private_memory(glim_packed *p, size_t bytes, glim_err *err) {
    void *m = mmap(NULL, bytes ? bytes : 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (m == MAP_FAILED)
        return glim_fail_errno(err, GLIM_E_NOMEM, errno, "could not reserve %zu bytes for packed weights", bytes);
    madvise(m, bytes, MADV_HUGEPAGE);
    p->map = p->data = m;
    p->map_bytes = bytes ? bytes : 1;
    return GLIM_OK;
}

/* pread and pwrite of all n bytes. */
static bool read_at(int fd, void *to, size_t n, size_t offset) {
    for (size_t done = 0; done < n;) {
        ssize_t k = pread(fd, (char *)to + done, n - done, (off_t)(offset + done));
        if (k < 0 && errno == EINTR) continue;
        if (k <= 0) return false;
        done += (size_t)k;
    }
    return true;
}
static bool write_at(int fd, const void *from, size_t n, size_t offset) {
    for (size_t done = 0; done < n;) {
        ssize_t k = pwrite(fd, (const char *)from + done, n - done, (off_t)(offset + done));
        if (k < 0 && errno == EINTR) continue;
        if (k <= 0) return false;
        done += (size_t)k;
    }
    return true;
}

/* ---- whether a file is whole ---- */

static bool off(char why[GLIM_PACKED_WHY], const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool off(char why[GLIM_PACKED_WHY], const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, GLIM_PACKED_WHY, fmt, ap);
    va_end(ap);
    return false;
}

static bool check_header(int fd, const char *key, size_t bytes, header *h, char why[GLIM_PACKED_WHY]) {
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) return off(why, "it is not a regular file");
    if (!read_at(fd, h, sizeof *h, 0)) return off(why, "it ends inside its header");
    if (memcmp(h->magic, MAGIC, sizeof MAGIC) != 0) return off(why, "it does not begin as a packed file does");
    if (h->version != VERSION) return off(why, "it is of version %u, this program writes %d", h->version, VERSION);
    if (h->sum != glim_sum64(0, h, offsetof(header, sum))) return off(why, "its header has the wrong checksum");
    if (h->header_bytes != HEADER || h->block_bytes != BLOCK || strncmp(h->key, key, sizeof h->key) != 0)
        return off(why, "it is the file of another model");
    if (h->bytes != bytes) return off(why, "it holds %" PRIu64 " bytes, want %zu", h->bytes, bytes);
    if ((uint64_t)st.st_size != file_size(bytes))
        return off(why, "it is %lld bytes long, want %zu", (long long)st.st_size, file_size(bytes));
    return true;
}

/* All blocks, or one at random in each of SAMPLES equal parts. */
static bool check_blocks(int fd, size_t bytes, const uint64_t *table, bool all, void *block, char why[GLIM_PACKED_WHY],
                         bool (*progress)(void *, uint64_t, uint64_t), void *ctx) {
    size_t n = n_blocks(bytes), parts = all || n < SAMPLES ? n : SAMPLES;
    uint64_t seed = glim_now_ns();
    for (size_t i = 0; i < parts; i++) {
        /* Part i is [i n / parts, (i + 1) n / parts): never empty, and n is far below 2^58. */
        size_t from = i * n / parts, to = (i + 1) * n / parts;
        size_t b = from + (size_t)(glim_rng_at(seed, 0, i) * (double)(to - from));
        size_t size = block_size(bytes, b);
        if (!read_at(fd, block, size, HEADER + b * BLOCK)) return off(why, "block %zu of %zu cannot be read", b, n);
        if (glim_sum64(b, block, size) != table[b]) return off(why, "block %zu of %zu has the wrong checksum", b, n);
        if (progress && i % 256 == 0 && !progress(ctx, b * BLOCK, bytes)) return off(why, "stopped");
    }
    return true;
}

static bool is_whole(int fd, const char *key, size_t bytes, bool all, char why[GLIM_PACKED_WHY],
                     bool (*progress)(void *, uint64_t, uint64_t), void *ctx) {
    header h;
    if (!check_header(fd, key, bytes, &h, why)) return false;
    size_t n = n_blocks(bytes) * sizeof(uint64_t);
    uint64_t *table = malloc(n ? n : 1);
    void *block = malloc(BLOCK);
    bool ok = table && block ? true : off(why, "there is no memory to check it");
    if (ok && (!read_at(fd, table, n, table_offset(bytes)) || glim_sum64(0, table, n) != h.table_sum))
        ok = off(why, "its table has the wrong checksum");
    ok = ok && check_blocks(fd, bytes, table, all, block, why, progress, ctx);
    free(table);
    free(block);
    return ok;
}

/* Sums the bytes of a filled file and writes table and header. */
static bool seal(int fd, const char *key, size_t bytes) {
    size_t n = n_blocks(bytes);
    uint64_t *table = malloc(n ? n * sizeof *table : 1);
    void *block = malloc(BLOCK);
    bool ok = table && block;
    for (size_t b = 0; b < n && ok; b++) {
        size_t size = block_size(bytes, b);
        ok = read_at(fd, block, size, HEADER + b * BLOCK);
        if (ok) table[b] = glim_sum64(b, block, size);
    }
    if (ok) {
        header h;
        memset(&h, 0, sizeof h);
        memcpy(h.magic, MAGIC, sizeof MAGIC);
        h.version = VERSION;
        h.header_bytes = HEADER;
        h.bytes = bytes;
        snprintf(h.key, sizeof h.key, "%s", key);
        h.block_bytes = BLOCK;
        h.table_sum = glim_sum64(0, table, n * sizeof *table);
        h.sum = glim_sum64(0, &h, offsetof(header, sum));
        ok = write_at(fd, table, n * sizeof *table, table_offset(bytes)) && write_at(fd, &h, sizeof h, 0);
    }
    free(table);
    free(block);
    return ok;
}

/* Maps an existing file if it is whole; false otherwise, and then it is gone. */
static bool map_existing(glim_packed *p, const char *path) {
    char why[GLIM_PACKED_WHY];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) return false;
    bool ok = fd >= 0 ? is_whole(fd, p->key, p->bytes, false, why, NULL, NULL) : off(why, "%s", strerror(errno));
    void *m = ok ? mmap(NULL, HEADER + p->bytes, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
    if (!ok) {
        glim_log(GLIM_WARN, "packed", "packed weights are made anew: \"%s\": %s", path, why);
        if (fd >= 0) unlink(path); /* its room may be needed; who has it mapped keeps it */
    }
    if (m != MAP_FAILED) {
        p->map = m;
        p->map_bytes = HEADER + p->bytes;
        p->data = (char *)m + HEADER;
        p->ready = p->cached = true;
        (void)futimens(fd, NULL); /* last use, for whoever prunes the cache */
    }
    if (fd >= 0) close(fd);
    return m != MAP_FAILED;
}

static void file_free(struct glim_packed_file *f) {
    if (f->tmp_path) unlink(f->tmp_path);
    if (f->fd >= 0) close(f->fd);
    free(f->tmp_path);
    free(f->path);
    free(f);
}

static bool older_than(const char *path, double days) {
    struct stat st;
    return stat(path, &st) == 0 && difftime(time(NULL), st.st_mtime) > days * 86400;
}

/* Removes what nobody used for 60 days, and temporary files of programs that were killed. */
static void prune(const char *dir) {
    DIR *d = opendir(dir);
    if (!d) return;
    for (struct dirent *e; (e = readdir(d));) {
        bool pack = strstr(e->d_name, ".pack") != NULL, tmp = strstr(e->d_name, ".pack.tmp.") != NULL;
        char *path = glim_path_join(dir, e->d_name);
        if (pack && older_than(path, tmp ? 1 : 60)) unlink(path);
        free(path);
    }
    closedir(d);
}

/* A new file of the right size, mapped for writing; false where the disk will not have it. */
static bool map_new(glim_packed *p, const char *dir, const char *path, bool later) {
    if (glim_mkdirs(dir, NULL) != GLIM_OK) return false;
    prune(dir);
    struct statvfs fs;
    if (statvfs(dir, &fs) != 0 || (uint64_t)fs.f_bavail * fs.f_frsize < (uint64_t)p->bytes * 11 / 10 + (64u << 20))
        return false;
    struct glim_packed_file *f = glim_xcalloc(1, sizeof *f);
    size_t n = strlen(path) + 16;
    f->path = glim_xstrdup(path);
    f->tmp_path = glim_xmalloc(n);
    snprintf(f->tmp_path, n, "%s.tmp.XXXXXX", path);
    f->fd = mkostemp(f->tmp_path, O_CLOEXEC);
    f->bytes = p->bytes;
    memcpy(f->key, p->key, sizeof f->key);
    /* Room is reserved now: a disk that fills up while weights are packed must not fail the load. */
    bool ok = f->fd >= 0 && posix_fallocate(f->fd, 0, (off_t)file_size(p->bytes)) == 0;
    if (ok && later && private_memory(p, p->bytes, NULL) == GLIM_OK) {
        p->file = f;
        f->later = p->data;
        return true;
    }
    void *m = ok ? mmap(NULL, HEADER + p->bytes, PROT_READ, MAP_SHARED, f->fd, 0) : MAP_FAILED;
    if (m == MAP_FAILED) {
        if (f->fd < 0) { /* no such temporary file: nothing to unlink */
            free(f->tmp_path);
            f->tmp_path = NULL;
        }
        file_free(f);
        return false;
    }
    p->file = f;
    p->map = m;
    p->map_bytes = HEADER + p->bytes;
    p->data = (char *)m + HEADER;
    p->cached = true;
    return true;
}

static char *packed_dir(void) {
    char *cache = glim_cache_dir(), *dir = glim_path_join(cache, "packed");
    free(cache);
    return dir;
}

static char *packed_path(const char *dir, const char *key) {
    char name[GLIM_PACKED_KEY + 8];
    snprintf(name, sizeof name, "%s.pack", key);
    return glim_path_join(dir, name);
}

glim_status glim_packed_open(glim_packed *p, const char *key, size_t bytes, glim_packed_keep keep, glim_err *err) {
    *p = (glim_packed){.bytes = bytes};
    snprintf(p->key, sizeof p->key, "%s", key);
    const char *env = getenv("GLIM_CACHE");
    if (!keep || (env && strcmp(env, "0") == 0)) return private_memory(p, bytes, err);
    char *dir = packed_dir(), *path = packed_path(dir, p->key);
    glim_status rc = GLIM_OK;
    if (!map_existing(p, path) && !map_new(p, dir, path, keep == GLIM_PACKED_LATER)) {
        glim_log(GLIM_INFO, "packed", "no cache file dir=%s bytes=%zu", dir, bytes);
        rc = private_memory(p, bytes, err);
    }
    free(dir);
    free(path);
    return rc;
}

struct stopper {
    bool (*progress)(void *ctx, uint64_t done, uint64_t total);
    void *ctx;
    bool stopped;
};

static bool stopped(void *ctx, uint64_t done, uint64_t total) {
    struct stopper *s = ctx;
    if (s->progress && !s->progress(s->ctx, done, total)) s->stopped = true;
    return !s->stopped;
}

glim_status glim_packed_check(glim_packed_state *state, char why[GLIM_PACKED_WHY], const char *key, size_t bytes,
                              bool (*progress)(void *ctx, uint64_t done, uint64_t total), void *ctx, glim_err *err) {
    char *dir = packed_dir(), *path = packed_path(dir, key);
    struct stopper stop = {progress, ctx, false};
    *state = GLIM_PACKED_ABSENT;
    why[0] = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 || errno != ENOENT) {
        bool ok = fd >= 0 ? is_whole(fd, key, bytes, true, why, stopped, &stop) : off(why, "%s", strerror(errno));
        *state = ok ? GLIM_PACKED_WHOLE : GLIM_PACKED_DAMAGED;
        if (!ok && fd >= 0 && !stop.stopped) unlink(path);
    }
    if (fd >= 0) close(fd);
    free(dir);
    free(path);
    return stop.stopped ? glim_fail(err, GLIM_E_CANCELLED, "interrupted") : GLIM_OK;
}

static void *keep_file(void *arg) {
    struct glim_packed_file *f = arg;
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), 10); /* this thread's only: the model is answering */
    bool ok = true;
    for (size_t at = 0; ok && f->later && at < f->bytes; at += WRITE_BYTES)
        ok = write_at(f->fd, f->later + at, f->bytes - at < WRITE_BYTES ? f->bytes - at : WRITE_BYTES, HEADER + at);
    if (ok && seal(f->fd, f->key, f->bytes) && fsync(f->fd) == 0 && rename(f->tmp_path, f->path) == 0) {
        free(f->tmp_path);
        f->tmp_path = NULL;
    }
    return NULL;
}

glim_status glim_packed_put(const glim_packed *p, size_t offset, const void *src, size_t n, glim_err *err) {
    GLIM_ASSERT(!p->ready && offset <= p->bytes && n <= p->bytes - offset);
    if (!p->cached) {
        if (n) memcpy((char *)p->data + offset, src, n);
        return GLIM_OK;
    }
    if (write_at(p->file->fd, src, n, HEADER + offset)) return GLIM_OK;
    glim_status rc = glim_fail_errno(err, GLIM_E_IO, errno, "could not write packed weights to \"%s\"", p->file->tmp_path);
    glim_err_hint(err, "GLIM_CACHE=0 keeps them in memory");
    return rc;
}

void glim_packed_commit(glim_packed *p) {
    if (p->ready) return;
    if (p->map) mprotect(p->map, p->map_bytes, PROT_READ);
    p->ready = true;
    if (p->file) p->file->keeping = pthread_create(&p->file->keeper, NULL, keep_file, p->file) == 0;
}

bool glim_packed_wait(glim_packed *p, int wait_ms) {
    if (!p->file || !p->file->keeping) return true;
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    const long ns = until.tv_nsec + (long)(wait_ms % 1000) * 1000000;
    until.tv_sec += wait_ms / 1000 + ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    if (pthread_timedjoin_np(p->file->keeper, NULL, &until) != 0) return false;
    p->file->keeping = false;
    return true;
}

void glim_packed_close(glim_packed *p) {
    if (p->file) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += 30 + (time_t)(p->bytes / 100000000);
        if (!p->file->keeping || pthread_timedjoin_np(p->file->keeper, NULL, &until) == 0) {
            file_free(p->file);
        } else {
            pthread_detach(p->file->keeper); /* it still renames the file if the program lives long enough, */
            if (p->file->later) p->map = NULL; /* and reads this memory until then */
        }
    }
    if (p->map) munmap(p->map, p->map_bytes);
    *p = (glim_packed){0};
}
