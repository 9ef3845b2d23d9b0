/* packed.c - see packed.h.
 *
 * Invariant  a file with the final name is whole: header and bytes reached the disk before the rename.
 * Surprise   fsync of gigabytes takes as long as the disk needs, so a thread does it while the model is
 *            already answering; a program that ends before that gives the file up. */
#include "format/packed.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"

enum { HEADER = 4096, VERSION = 1 };
static const char MAGIC[8] = "GLIMPACK";

/* A file on its way: on the heap of its own, because the thread that brings it to the disk may outlive the
 * model. */
struct glim_packed_file {
    int fd;
    char *tmp_path, *path; /* path: the final name */
    pthread_t keeper;
    bool keeping;
};

typedef struct header {
    char magic[8];
    uint32_t version, header_bytes;
    uint64_t bytes;
    char key[GLIM_PACKED_KEY];
} header;

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

/* Maps an existing file if it is what its name says; false otherwise (a stale or foreign file is left to
 * be replaced by the rename). */
static bool map_existing(glim_packed *p, const char *key, const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    struct stat st;
    header h;
    bool ok = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && pread(fd, &h, sizeof h, 0) == sizeof h &&
              memcmp(h.magic, MAGIC, sizeof MAGIC) == 0 && h.version == VERSION && h.header_bytes == HEADER &&
              h.bytes == p->bytes && strncmp(h.key, key, sizeof h.key) == 0 &&
              (uint64_t)st.st_size == HEADER + (uint64_t)p->bytes;
    void *m = ok ? mmap(NULL, HEADER + p->bytes, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
    if (m != MAP_FAILED) {
        p->map = m;
        p->map_bytes = HEADER + p->bytes;
        p->data = (char *)m + HEADER;
        p->ready = p->cached = true;
        (void)futimens(fd, NULL); /* last use, for whoever prunes the cache */
    }
    close(fd);
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
static bool map_new(glim_packed *p, const char *key, const char *dir, const char *path) {
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
    header h = {.version = VERSION, .header_bytes = HEADER, .bytes = p->bytes};
    memcpy(h.magic, MAGIC, sizeof MAGIC);
    snprintf(h.key, sizeof h.key, "%s", key);
    /* Blocks are reserved now: a disk that fills up later must not turn into SIGBUS. */
    bool ok = f->fd >= 0 && posix_fallocate(f->fd, 0, (off_t)(HEADER + p->bytes)) == 0 &&
              pwrite(f->fd, &h, sizeof h, 0) == sizeof h;
    void *m = ok ? mmap(NULL, HEADER + p->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0) : MAP_FAILED;
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

glim_status glim_packed_open(glim_packed *p, const char *key, size_t bytes, bool keep, glim_err *err) {
    *p = (glim_packed){.bytes = bytes};
    const char *env = getenv("GLIM_CACHE");
    if (!keep || (env && strcmp(env, "0") == 0)) return private_memory(p, bytes, err);
    char *cache = glim_cache_dir(), *dir = glim_path_join(cache, "packed"), name[GLIM_PACKED_KEY + 8];
    snprintf(name, sizeof name, "%s.pack", key);
    char *path = glim_path_join(dir, name);
    glim_status rc = GLIM_OK;
    if (!map_existing(p, key, path) && !map_new(p, key, dir, path)) {
        glim_log(GLIM_INFO, "packed", "no cache file dir=%s bytes=%zu", dir, bytes);
        rc = private_memory(p, bytes, err);
    }
    free(cache);
    free(dir);
    free(path);
    return rc;
}

static void *keep_file(void *arg) {
    struct glim_packed_file *f = arg;
    if (fsync(f->fd) == 0 && rename(f->tmp_path, f->path) == 0) {
        free(f->tmp_path);
        f->tmp_path = NULL;
    }
    return NULL;
}

void glim_packed_commit(glim_packed *p) {
    if (p->ready) return;
    if (p->map) mprotect(p->map, p->map_bytes, PROT_READ);
    p->ready = true;
    if (p->file) p->file->keeping = pthread_create(&p->file->keeper, NULL, keep_file, p->file) == 0;
}

void glim_packed_close(glim_packed *p) {
    if (p->file) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += 30;
        if (!p->file->keeping || pthread_timedjoin_np(p->file->keeper, NULL, &until) == 0) file_free(p->file);
        else pthread_detach(p->file->keeper); /* it still renames the file if the program lives long enough */
    }
    if (p->map) munmap(p->map, p->map_bytes);
    *p = (glim_packed){0};
}
