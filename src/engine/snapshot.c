/* snapshot.c - see snapshot.h.
 *
 *   <hex of chain>.kv = header { magic, version, page bytes, chain, SHA-256 of the page } + page
 *
 * Invariants
 *   1. A file with a final name was written whole: it is made under another name, then renamed.
 *   2. Its page is used only if magic, sizes, chain and checksum agree: a torn, foreign or edited file is
 *      removed, never believed.
 *   3. The index belongs to the engine thread, the queue between the two threads has a lock, held for a
 *      pointer's time; files are written and removed by the writer alone, except those found bad.
 * No fsync: a page lost in a power cut is read as a prompt again. */
#include "engine/snapshot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "format/packed.h"
#include "net/sha256.h"

enum { VERSION = 1, NAME_LEN = 64 + 3, QUEUE_PAGES = 32 };
static const char MAGIC[8] = "GLIMKVPG";

typedef struct header {
    char magic[8];
    uint32_t version, reserved;
    uint64_t page_bytes;
    glim_chain chain;
    uint8_t sum[32];
} header;

/* A file of the folder. */
typedef struct entry {
    glim_chain chain;
    uint64_t used;  /* order of use */
    uint64_t bytes; /* other models' pages have other sizes; 0: a free slot */
} entry;

typedef struct job {
    struct job *next;
    glim_chain chain;
    bool remove; /* no page follows: the file goes */
    uint8_t page[];
} job;

struct glim_snapshot {
    char *dir;
    size_t page_bytes, file_bytes, max_bytes; /* file_bytes: of one of our pages */
    glim_chain key; /* of the model, build, kernel set, KV type */
    entry *slots;   /* [n_slots] open addressing by chain; a power of two */
    size_t n_slots;
    _Atomic size_t n_files;
    _Atomic uint64_t bytes; /* of all files */
    uint64_t clock;

    pthread_t thread;
    bool has_thread;
    pthread_mutex_t lock;
    pthread_cond_t more, less;
    job *first, **last;
    size_t n_queued;
    bool quit, busy, paused;
    _Atomic uint64_t written, failed;
    _Atomic uint64_t read, refused;
};

static void sha(uint8_t out[32], const void *a, size_t na, const void *b, size_t nb) {
    glim_sha256 h;
    glim_sha256_init(&h);
    if (na) glim_sha256_update(&h, a, na);
    if (nb) glim_sha256_update(&h, b, nb);
    glim_sha256_digest(&h, out);
}

static void name_of(char name[NAME_LEN + 1], const glim_chain *c) {
    for (int i = 0; i < 32; i++) snprintf(name + 2 * i, 3, "%02x", c->hash[i]);
    memcpy(name + 64, ".kv", 4);
}

static char *path_of(const glim_snapshot *s, const glim_chain *c) {
    char name[NAME_LEN + 1];
    name_of(name, c);
    return glim_path_join(s->dir, name);
}

/* ---- the index ---- */

static entry *slot_of(const glim_snapshot *s, const glim_chain *c) {
    uint64_t h;
    memcpy(&h, c->hash, sizeof h); /* a SHA-256 is its own hash */
    size_t i = (size_t)h & (s->n_slots - 1);
    while (s->slots[i].bytes && memcmp(&s->slots[i].chain, c, sizeof *c) != 0) i = (i + 1) & (s->n_slots - 1);
    return &s->slots[i];
}

static void index_add(glim_snapshot *s, const glim_chain *c, uint64_t bytes) {
    entry *e = slot_of(s, c);
    if (!e->bytes) s->n_files++;
    s->bytes += bytes - e->bytes;
    *e = (entry){.chain = *c, .used = ++s->clock, .bytes = bytes};
}

/* Removes and closes the gap, so that later entries of the same run are still found. */
static void index_remove(glim_snapshot *s, const glim_chain *c) {
    entry *e = slot_of(s, c);
    if (!e->bytes) return;
    s->bytes -= e->bytes;
    e->bytes = 0;
    s->n_files--;
    for (size_t i = (size_t)(e - s->slots + 1) & (s->n_slots - 1); s->slots[i].bytes; i = (i + 1) & (s->n_slots - 1)) {
        entry moved = s->slots[i];
        s->slots[i].bytes = 0;
        *slot_of(s, &moved.chain) = moved;
    }
}

bool glim_snapshot_has(const glim_snapshot *s, const glim_chain *c) { return slot_of(s, c)->bytes > 0; }

/* ---- the writer ---- */

static bool write_all(int fd, const void *bytes, size_t n) {
    const char *p = bytes;
    while (n > 0) {
        ssize_t w = write(fd, p, n);
        if (w < 0 && errno == EINTR) continue;
        if (w <= 0) return false;
        p += w;
        n -= (size_t)w;
    }
    return true;
}

static bool write_file(const glim_snapshot *s, const job *j) {
    header h = {.version = VERSION, .page_bytes = s->page_bytes, .chain = j->chain};
    memcpy(h.magic, MAGIC, sizeof MAGIC);
    sha(h.sum, j->page, s->page_bytes, NULL, 0);
    char *path = path_of(s, &j->chain);
    size_t n = strlen(path) + 8;
    char *tmp = glim_xmalloc(n);
    snprintf(tmp, n, "%s.tmp", path);
    /* Other people's words are in there: nobody else reads them. */
    int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool ok = fd >= 0 && write_all(fd, &h, sizeof h) && write_all(fd, j->page, s->page_bytes);
    if (fd >= 0 && close(fd) != 0) ok = false;
    if (ok) ok = rename(tmp, path) == 0;
    if (!ok && fd >= 0) unlink(tmp);
    free(tmp);
    free(path);
    return ok;
}

static void *writer_main(void *arg) {
    glim_snapshot *s = arg;
    pthread_mutex_lock(&s->lock);
    for (;;) {
        while (!s->first && !s->quit) pthread_cond_wait(&s->more, &s->lock);
        job *j = s->first;
        if (!j) break;
        s->first = j->next;
        if (!s->first) s->last = &s->first;
        s->busy = true;
        pthread_mutex_unlock(&s->lock);
        if (j->remove) {
            char *path = path_of(s, &j->chain);
            unlink(path);
            free(path);
        } else if (write_file(s, j)) {
            atomic_fetch_add(&s->written, 1);
        } else if (atomic_fetch_add(&s->failed, 1) == 0) {
            glim_log(GLIM_WARN, "snapshot", "could not write dir=%s error=%s", s->dir, strerror(errno));
        }
        bool page = !j->remove;
        free(j);
        pthread_mutex_lock(&s->lock);
        s->n_queued -= page;
        s->busy = false;
        pthread_cond_broadcast(&s->less); /* the engine thread, and one that pauses us */
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* False, and j is freed: it is a page, and we are paused. What was to go may go at any time. */
static bool enqueue(glim_snapshot *s, job *j) {
    pthread_mutex_lock(&s->lock);
    const bool taken = j->remove || !s->paused;
    if (taken) {
        *s->last = j;
        s->last = &j->next;
        s->n_queued += !j->remove;
        pthread_cond_signal(&s->more);
    } else free(j);
    pthread_mutex_unlock(&s->lock);
    return taken;
}

void glim_snapshot_pause(glim_snapshot *s, bool paused) {
    pthread_mutex_lock(&s->lock);
    s->paused = paused;
    while (paused && (s->first || s->busy)) pthread_cond_wait(&s->less, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

static void remove_entry(glim_snapshot *s, const entry *e) {
    job *j = glim_xcalloc(1, sizeof *j);
    j->chain = e->chain;
    j->remove = true;
    index_remove(s, &j->chain);
    enqueue(s, j);
}

/* The least recently used files go until there is room for so many bytes. Looking for them costs a walk of the
 * index, so a full folder loses some more than it must: 1 in 32 at a time. */
static void make_room(glim_snapshot *s, uint64_t bytes) {
    enum { MOST = 64 };
    /* An index at most half full: only pages much smaller than 4 KiB get there before the bound of bytes. */
    while ((s->bytes + bytes > s->max_bytes || (s->n_files + 1) * 2 > s->n_slots) && s->n_files > 0) {
        const size_t want = s->n_files / 32 < 1 ? 1 : s->n_files / 32 < MOST ? s->n_files / 32 : MOST;
        entry old[MOST]; /* the oldest so far, in order of use */
        size_t n = 0;
        for (size_t i = 0; i < s->n_slots; i++) {
            const entry *e = &s->slots[i];
            if (!e->bytes || (n == want && e->used > old[n - 1].used)) continue;
            size_t at = n < want ? n++ : n - 1;
            for (; at > 0 && old[at - 1].used > e->used; at--) old[at] = old[at - 1];
            old[at] = *e;
        }
        for (size_t i = 0; i < n; i++) remove_entry(s, &old[i]);
    }
}

bool glim_snapshot_write(glim_snapshot *s, const glim_chain *c, const uint8_t *page) {
    entry *e = slot_of(s, c);
    if (e->bytes) {
        e->used = ++s->clock;
        return false;
    }
    pthread_mutex_lock(&s->lock);
    bool behind = s->n_queued >= QUEUE_PAGES || s->paused;
    pthread_mutex_unlock(&s->lock);
    if (behind || s->max_bytes < s->file_bytes) return false;
    void *p;
    if (glim_try_calloc(&p, 1, sizeof(job) + s->page_bytes, "a snapshot", NULL) != GLIM_OK) return false;
    job *j = p;
    j->chain = *c;
    memcpy(j->page, page, s->page_bytes);
    make_room(s, s->file_bytes);
    if (!enqueue(s, j)) return false;
    index_add(s, c, s->file_bytes);
    return true;
}

bool glim_snapshot_write_last(glim_snapshot *s, const glim_chain *c, const uint8_t *page) {
    if (s->bytes + s->file_bytes > s->max_bytes) return false;
    pthread_mutex_lock(&s->lock);
    while (s->n_queued >= QUEUE_PAGES) pthread_cond_wait(&s->less, &s->lock);
    pthread_mutex_unlock(&s->lock);
    return glim_snapshot_write(s, c, page);
}

/* ---- reading ---- */

static bool read_all(int fd, void *bytes, size_t n) {
    char *p = bytes;
    while (n > 0) {
        ssize_t r = read(fd, p, n);
        if (r < 0 && errno == EINTR) continue;
        if (r <= 0) return false;
        p += r;
        n -= (size_t)r;
    }
    return true;
}

bool glim_snapshot_read(glim_snapshot *s, const glim_chain *c, uint8_t *page) {
    if (!glim_snapshot_has(s, c)) return false;
    char *path = path_of(s, c);
    pthread_mutex_lock(&s->lock);
    bool settled = s->n_queued == 0; /* looked at first: what was in the queue then may be there now */
    pthread_mutex_unlock(&s->lock);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) { /* not written yet; or it could not be (a full disk), or was removed by a person: then it may be written again */
        if (errno == ENOENT && settled) index_remove(s, c);
        free(path);
        return false;
    }
    header h;
    struct stat st;
    uint8_t sum[32];
    bool ok = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == sizeof h + (uint64_t)s->page_bytes &&
              read_all(fd, &h, sizeof h) && memcmp(h.magic, MAGIC, sizeof MAGIC) == 0 && h.version == VERSION && h.reserved == 0 &&
              h.page_bytes == s->page_bytes && memcmp(&h.chain, c, sizeof *c) == 0 && read_all(fd, page, s->page_bytes);
    if (ok) {
        sha(sum, page, s->page_bytes, NULL, 0);
        ok = memcmp(sum, h.sum, sizeof sum) == 0;
    }
    if (ok) {
        s->read++;
        slot_of(s, c)->used = ++s->clock;
        (void)futimens(fd, NULL); /* the order of use outlives us */
    } else {
        s->refused++;
        glim_log(GLIM_WARN, "snapshot", "removed a file that is not what its name says path=%s", path);
        unlink(path);
        index_remove(s, c);
    }
    close(fd);
    free(path);
    return ok;
}

/* ---- keys ---- */

glim_chain glim_snapshot_root(const glim_snapshot *s, const char *tenant, const char *adapter_version) {
    glim_chain c;
    glim_sha256 h;
    glim_sha256_init(&h);
    glim_sha256_update(&h, s->key.hash, sizeof s->key);
    glim_sha256_update(&h, adapter_version, strlen(adapter_version) + 1); /* with its 0: no two pairs alike */
    glim_sha256_update(&h, tenant, strlen(tenant));
    glim_sha256_digest(&h, c.hash);
    return c;
}

glim_chain glim_snapshot_next(const glim_chain *before, const int32_t ids[GLIM_KV_PAGE]) {
    glim_chain c;
    sha(c.hash, before->hash, sizeof before->hash, ids, GLIM_KV_PAGE * sizeof *ids);
    return c;
}

/* Everything that a page's bytes depend on besides ids, adapter and tenant. The program itself is part of it:
 * another build may round otherwise. */
static glim_status model_key(glim_chain *out, const glim_model *m, const glim_kv_pool *pool, glim_err *err) {
    char program[GLIM_SHA256_HEX], weights[GLIM_PACKED_KEY], how[256];
    glim_status rc = glim_sha256_file("/proc/self/exe", program, NULL, NULL, err);
    if (rc != GLIM_OK) return rc;
    snprintf(how, sizeof how, "kv %d kernels %s type %d weights %d layers %zu heads %zu dim %zu page %zu", VERSION, m->k->name,
             (int)pool->type, (int)m->plan.weight_type, pool->n_layer, pool->n_kv_head, pool->head_dim, pool->page_bytes);
    glim_packed_key(weights, m->ckpt, how);
    glim_sha256 h;
    glim_sha256_init(&h);
    glim_sha256_update(&h, program, sizeof program);
    glim_sha256_update(&h, weights, strlen(weights));
    /* Scaled rotations depend on the planned context. */
    glim_sha256_update(&h, m->inv_freq, m->n_rot / 2 * sizeof *m->inv_freq);
    glim_sha256_update(&h, &m->rope_mscale, sizeof m->rope_mscale);
    glim_sha256_digest(&h, out->hash);
    return GLIM_OK;
}

/* ---- open and close ---- */

static bool parse_name(const char *name, glim_chain *c) {
    if (strlen(name) != NAME_LEN || strcmp(name + 64, ".kv") != 0) return false;
    for (int i = 0; i < 64; i++) {
        int d = name[i] >= '0' && name[i] <= '9' ? name[i] - '0' : name[i] >= 'a' && name[i] <= 'f' ? name[i] - 'a' + 10 : -1;
        if (d < 0) return false;
        if (i % 2 == 0) c->hash[i / 2] = (uint8_t)(d << 4);
        else c->hash[i / 2] |= (uint8_t)d;
    }
    return true;
}

typedef struct found {
    glim_chain chain;
    struct timespec used;
    uint64_t bytes;
} found;

static int by_use(const void *a, const void *b) {
    const found *x = a, *y = b;
    if (x->used.tv_sec != y->used.tv_sec) return x->used.tv_sec < y->used.tv_sec ? -1 : 1;
    return x->used.tv_nsec < y->used.tv_nsec ? -1 : x->used.tv_nsec > y->used.tv_nsec;
}

/* The folder's files in order of use; half-written ones of a killed program go. Files of other models have
 * names that are never asked for; they leave by age, as the byte bound is for the whole folder. */
static glim_status read_folder(glim_snapshot *s, glim_err *err) {
    DIR *d = opendir(s->dir);
    if (!d) return glim_fail_errno(err, GLIM_E_IO, errno, "could not read folder \"%s\"", s->dir);
    found *list = NULL;
    size_t n = 0, cap = 0;
    glim_status rc = GLIM_OK;
    for (struct dirent *e; rc == GLIM_OK && (e = readdir(d));) {
        found f = {0};
        struct stat st;
        size_t len = strlen(e->d_name);
        if (len == NAME_LEN + 4 && strcmp(e->d_name + NAME_LEN, ".tmp") == 0) unlinkat(dirfd(d), e->d_name, 0);
        if (!parse_name(e->d_name, &f.chain) || fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
            continue;
        f.used = st.st_mtim;
        f.bytes = st.st_size > 0 ? (uint64_t)st.st_size : 1;
        if (n == cap && (rc = glim_try_grow(&list, &cap, 64, sizeof *list, "a list of snapshots", err)) != GLIM_OK) break;
        list[n++] = f;
    }
    closedir(d);
    if (n) qsort(list, n, sizeof *list, by_use);
    size_t most = s->max_bytes / s->file_bytes < 1u << 20 ? s->max_bytes / s->file_bytes : 1u << 20;
    for (s->n_slots = 64; s->n_slots / 2 < most + n + 1;) s->n_slots *= 2;
    void *p = NULL;
    if (rc == GLIM_OK) rc = glim_try_calloc(&p, s->n_slots, sizeof *s->slots, "the index of snapshots", err);
    s->slots = p;
    for (size_t i = 0; i < n && rc == GLIM_OK; i++) index_add(s, &list[i].chain, list[i].bytes);
    free(list);
    return rc;
}

glim_status glim_snapshot_open(glim_snapshot **out, const char *dir, size_t max_bytes, const glim_model *m,
                               const glim_kv_pool *pool, glim_err *err) {
    *out = NULL;
    if (max_bytes == 0) max_bytes = (size_t)4 << 30;
    glim_snapshot *s = glim_xcalloc(1, sizeof *s);
    s->dir = glim_xstrdup(dir);
    s->page_bytes = pool->page_bytes;
    s->file_bytes = sizeof(header) + s->page_bytes;
    s->max_bytes = max_bytes;
    s->last = &s->first;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->more, NULL);
    pthread_cond_init(&s->less, NULL);
    glim_status rc = glim_mkdirs(dir, err);
    if (rc == GLIM_OK) rc = model_key(&s->key, m, pool, err);
    if (rc == GLIM_OK) rc = read_folder(s, err);
    if (rc == GLIM_OK) {
        int e = pthread_create(&s->thread, NULL, writer_main, s);
        if (e) rc = glim_fail_errno(err, GLIM_E_NOMEM, e, "could not start the snapshot thread");
        else s->has_thread = true;
    }
    if (rc != GLIM_OK) {
        glim_snapshot_close(s);
        return rc;
    }
    make_room(s, 0); /* the bound may be smaller than last time */
    *out = s;
    return GLIM_OK;
}

void glim_snapshot_close(glim_snapshot *s) {
    if (!s) return;
    if (s->has_thread) {
        pthread_mutex_lock(&s->lock);
        s->quit = true;
        pthread_cond_signal(&s->more);
        pthread_mutex_unlock(&s->lock);
        pthread_join(s->thread, NULL);
    }
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->more);
    pthread_cond_destroy(&s->less);
    free(s->slots);
    free(s->dir);
    free(s);
}

void glim_snapshot_stats_get(const glim_snapshot *s, glim_snapshot_stats *out) {
    *out = (glim_snapshot_stats){.written = s->written, .read = s->read, .refused = s->refused, .files = s->n_files,
                                 .bytes = s->bytes};
}
