/* Pages on disk by themselves: what is read is what was written; anything else is refused and removed; the folder's
 * bound holds whatever lies in it. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "engine/engine.h"
#include "engine/snapshot.h"
#include "test.h"

typedef struct rig {
    glim_engine *e;
    glim_snapshot *s;
    glim_err err;
    char dir[64];
} rig;

static void rig_open(rig *r) {
    *r = (rig){0};
    strcpy(r->dir, "/tmp/glim-pages-XXXXXX");
    CHECK(mkdtemp(r->dir) != NULL);
    CHECK_OK(glim_engine_open(&r->e, glim_test_source("tests/fixtures/llama-tied"), &(glim_engine_params){.n_threads = 1, .model = {.n_ctx = 256}}, &r->err), r->err);
}
static void open_folder(rig *r, size_t max_bytes) { CHECK_OK(glim_snapshot_open(&r->s, r->dir, max_bytes, r->e->model, &r->e->kv, &r->err), r->err); }
static void close_folder(rig *r) { /* waits for the writer */
    glim_snapshot_close(r->s);
    r->s = NULL;
}

/* Files in the folder and their bytes. */
static size_t folder(const rig *r, size_t *bytes, bool empty) {
    size_t n = 0;
    DIR *d = opendir(r->dir);
    if (bytes) *bytes = 0;
    for (struct dirent *e; (e = readdir(d));) {
        struct stat st;
        if (e->d_name[0] == '.') continue;
        CHECK(fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0);
        if (bytes) *bytes += (size_t)st.st_size;
        n++;
        if (empty) CHECK(unlinkat(dirfd(d), e->d_name, 0) == 0);
    }
    closedir(d);
    return n;
}
static void rig_close(rig *r) {
    close_folder(r);
    folder(r, NULL, true);
    CHECK(rmdir(r->dir) == 0);
    glim_engine_free(r->e);
}

static glim_chain chain_of(rig *r, int i) {
    int32_t ids[GLIM_KV_PAGE];
    for (int k = 0; k < GLIM_KV_PAGE; k++) ids[k] = i + k;
    glim_chain root = glim_snapshot_root(r->s, "t", "");
    return glim_snapshot_next(&root, ids);
}
static void fill_page(const rig *r, uint8_t *page, int i) {
    glim_rng rng = {.seed = (uint64_t)i + 1};
    for (size_t k = 0; k < r->e->kv.page_bytes; k++) page[k] = (uint8_t)glim_rng_below(&rng, 256);
}
static void path_of(const rig *r, const glim_chain *c, char path[256]) {
    int n = snprintf(path, 256, "%s/", r->dir);
    for (int i = 0; i < 32; i++) n += snprintf(path + n, 256 - (size_t)n, "%02x", c->hash[i]);
    snprintf(path + n, 256 - (size_t)n, ".kv");
}

TEST(tenants_adapters_and_ids_never_share_a_name) {
    rig r;
    rig_open(&r);
    open_folder(&r, 0);
    static const char *const pairs[][2] = {{"", ""}, {"a", ""}, {"", "a"}, {"ab", ""}, {"a", "b"}, {"b", "a"}, {"", "ab"}};
    glim_chain c[GLIM_COUNT(pairs)];
    for (size_t i = 0; i < GLIM_COUNT(pairs); i++) {
        c[i] = glim_snapshot_root(r.s, pairs[i][0], pairs[i][1]);
        for (size_t k = 0; k < i; k++) CHECK(memcmp(&c[i], &c[k], sizeof c[i]) != 0);
    }
    /* Another KV type, and another context with scaled rotations, are other keys too. */
    rig q = r;
    CHECK_OK(glim_engine_open(&q.e, glim_test_source("tests/fixtures/llama-tied"), &(glim_engine_params){.n_threads = 1, .model = {.n_ctx = 256, .kv_type = 1 + GLIM_I8}}, &q.err), q.err);
    open_folder(&q, 0);
    glim_chain other = glim_snapshot_root(q.s, "", "");
    CHECK(memcmp(&other, &c[0], sizeof other) != 0);
    close_folder(&q);
    glim_engine_free(q.e);
    rig_close(&r);
}

TEST(a_page_comes_back_after_a_restart_and_every_flipped_byte_and_cut_is_refused) {
    rig r;
    rig_open(&r);
    size_t n = r.e->kv.page_bytes, n_file = 0;
    uint8_t *page = calloc(1, n), *got = calloc(1, n);
    fill_page(&r, page, 1);
    open_folder(&r, 0);
    glim_chain c = chain_of(&r, 1);
    char path[256];
    path_of(&r, &c, path);
    CHECK(!glim_snapshot_has(r.s, &c) && glim_snapshot_write(r.s, &c, page) && !glim_snapshot_write(r.s, &c, page));
    close_folder(&r);
    CHECK(folder(&r, &n_file, false) == 1 && n_file > n);
    struct stat st;
    CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
    open_folder(&r, 0);
    CHECK(glim_snapshot_has(r.s, &c) && glim_snapshot_read(r.s, &c, got) && memcmp(got, page, n) == 0);
    glim_snapshot_stats s;
    glim_snapshot_stats_get(r.s, &s);
    CHECK(s.read == 1 && s.refused == 0 && s.files == 1 && s.bytes == n_file);
    uint8_t *whole = malloc(n_file + 1);
    int fd = open(path, O_RDONLY);
    CHECK(read(fd, whole, n_file) == (ssize_t)n_file && close(fd) == 0);
    uint64_t refused = 0;
    /* Every byte of the header, some of the page; then lengths, a link and a FIFO in its place. */
    for (size_t i = 0; i < n_file + 5; i += i < n_file - n ? 1 : i < n_file - 1 ? 997 : 1) {
        if (i > n_file - 998 && i < n_file - 1) i = n_file - 1;
        size_t len = n_file;
        unlink(path);
        if (i < n_file) whole[i] ^= 0x10;
        else if (i == n_file) len = n_file - 1;
        else if (i == n_file + 1) len = n_file + 1, whole[n_file] = 0;
        else if (i == n_file + 2) len = 0;
        if (i == n_file + 3) CHECK(symlink("/dev/zero", path) == 0);
        else if (i == n_file + 4) CHECK(mkfifo(path, 0600) == 0);
        else {
            fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
            CHECK(write(fd, whole, len) == (ssize_t)len && close(fd) == 0);
        }
        if (i < n_file) whole[i] ^= 0x10;
        CHECK_MSG(!glim_snapshot_read(r.s, &c, got), "case %zu of %zu was believed", i, n_file);
        if (i == n_file + 3) continue; /* a link is never followed, nor touched */
        CHECK_MSG(!glim_snapshot_has(r.s, &c) && access(path, F_OK) != 0, "case %zu of %zu was left there", i, n_file);
        refused++;
        /* It is computed and written again. */
        CHECK(glim_snapshot_write(r.s, &c, page));
        for (int k = 0; k < 2000 && !glim_snapshot_read(r.s, &c, got); k++) usleep(1000);
        CHECK(memcmp(got, page, n) == 0);
    }
    glim_snapshot_stats_get(r.s, &s);
    CHECK(s.refused == refused && refused > 100);
    free(whole);
    free(page);
    free(got);
    rig_close(&r);
}

TEST(a_page_that_could_not_be_written_is_written_when_it_can_be) {
    rig r;
    rig_open(&r);
    open_folder(&r, 0);
    const size_t n = r.e->kv.page_bytes;
    uint8_t *page = glim_xmalloc(n), *got = glim_xmalloc(n);
    char path[256], tmp[264];
    glim_chain c = chain_of(&r, 1);
    fill_page(&r, page, 1);
    path_of(&r, &c, path);
    snprintf(tmp, sizeof tmp, "%s.tmp", path);
    CHECK(mkdir(tmp, 0700) == 0); /* where the writer would make the file */
    CHECK(glim_snapshot_write(r.s, &c, page));
    for (int i = 0; i < 3000 && glim_snapshot_has(r.s, &c); i++) {
        CHECK(!glim_snapshot_read(r.s, &c, got));
        usleep(1000);
    }
    glim_snapshot_stats st;
    glim_snapshot_stats_get(r.s, &st);
    CHECK(!glim_snapshot_has(r.s, &c) && st.files == 0 && st.bytes == 0 && st.refused == 0);
    CHECK(rmdir(tmp) == 0);
    CHECK(glim_snapshot_write(r.s, &c, page));
    bool read = false;
    for (int i = 0; i < 3000 && !read; i++) {
        /* One that was looked for before it was there is not forgotten: it is in the queue until it lies in the folder. */
        CHECK(glim_snapshot_has(r.s, &c));
        if (!(read = glim_snapshot_read(r.s, &c, got))) usleep(1000);
    }
    CHECK(read && memcmp(page, got, n) == 0);
    free(page);
    free(got);
    rig_close(&r);
}

TEST(the_folder_keeps_to_its_bytes_whatever_lies_in_it_and_the_oldest_go_first) {
    rig r;
    rig_open(&r);
    size_t n = r.e->kv.page_bytes, bytes;
    uint8_t *page = calloc(1, n);
    open_folder(&r, 0);
    for (int i = 0; i < 10; i++) {
        glim_chain c = chain_of(&r, i);
        fill_page(&r, page, i);
        CHECK(glim_snapshot_write(r.s, &c, page));
        if (i % 4 == 3) close_folder(&r), open_folder(&r, 0); /* the writer's queue is bounded */
    }
    close_folder(&r);
    CHECK(folder(&r, &bytes, false) == 10);
    size_t each = bytes / 10;
    char path[256];
    open_folder(&r, 0);
    for (int i = 0; i < 10; i++) { /* a file system's clock may tick slower than we write */
        glim_chain c = chain_of(&r, i);
        path_of(&r, &c, path);
        CHECK(utimensat(AT_FDCWD, path, (struct timespec[]){{.tv_sec = 1000000000 + i}, {.tv_sec = 1000000000 + i}}, 0) == 0);
    }
    close_folder(&r);
    /* A file of another model, the latest used, and as large as three of ours. */
    glim_chain foreign = {.hash = {1, 2, 3}};
    path_of(&r, &foreign, path);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    CHECK(ftruncate(fd, (off_t)(3 * each)) == 0);
    CHECK(futimens(fd, (struct timespec[]){{.tv_sec = 2000000000}, {.tv_sec = 2000000000}}) == 0 && close(fd) == 0);
    /* Beside it a half-written file of a killed program, and a stranger's file, which is left alone. */
    strcat(path, ".tmp");
    CHECK(close(open(path, O_WRONLY | O_CREAT, 0600)) == 0);
    char stranger[128];
    snprintf(stranger, sizeof stranger, "%s/notes.txt", r.dir);
    CHECK(close(open(stranger, O_WRONLY | O_CREAT, 0600)) == 0);
    open_folder(&r, 8 * each);
    close_folder(&r);
    CHECK(folder(&r, &bytes, false) == 1 + 5 + 1 && bytes == 8 * each && access(path, F_OK) != 0 && access(stranger, F_OK) == 0);
    open_folder(&r, 8 * each);
    uint8_t *got = calloc(1, n);
    for (int i = 0; i < 10; i++) {
        glim_chain c = chain_of(&r, i);
        CHECK(glim_snapshot_has(r.s, &c) == (i >= 5));
    }
    glim_chain five = chain_of(&r, 5);
    CHECK(glim_snapshot_read(r.s, &five, got)); /* now the latest but nobody's */
    for (int i = 100; i < 160; i++) { /* churn */
        glim_chain c = chain_of(&r, i);
        fill_page(&r, page, i);
        for (int k = 0; k < 2000 && !glim_snapshot_write(r.s, &c, page); k++) usleep(1000);
        CHECK(glim_snapshot_has(r.s, &c));
        glim_snapshot_stats s;
        glim_snapshot_stats_get(r.s, &s);
        CHECK(s.bytes <= 8 * each);
        if (i < 104) CHECK(glim_snapshot_has(r.s, &five));
    }
    CHECK(!glim_snapshot_has(r.s, &five));
    close_folder(&r);
    folder(&r, &bytes, false);
    CHECK(bytes <= 8 * each);
    free(page);
    free(got);
    rig_close(&r);
}

TEST(one_that_takes_anothers_place_is_the_only_one_to_write) {
    rig r;
    rig_open(&r);
    const size_t n = r.e->kv.page_bytes;
    uint8_t *page = glim_xmalloc(n), *got = glim_xmalloc(n);
    open_folder(&r, 0);
    glim_chain c = chain_of(&r, 0);
    fill_page(&r, page, 0);
    CHECK(glim_snapshot_write(r.s, &c, page));
    close_folder(&r);
    size_t each, bytes;
    CHECK(folder(&r, &each, true) == 1);

    enum { ROOM = 8 };
    open_folder(&r, ROOM * each);
    for (int i = 0; i < ROOM; i++) {
        c = chain_of(&r, i);
        fill_page(&r, page, i);
        CHECK(glim_snapshot_write(r.s, &c, page));
    }
    glim_snapshot_pause(r.s, true);
    CHECK(folder(&r, &bytes, false) == ROOM && bytes == ROOM * each); /* nothing is on its way any more */
    glim_snapshot *old = r.s;
    open_folder(&r, ROOM * each); /* has found all of them */
    for (int i = 100; i < 100 + ROOM; i++) {
        c = chain_of(&r, i);
        fill_page(&r, page, i);
        CHECK(glim_snapshot_write(r.s, &c, page));
        CHECK(!glim_snapshot_write(old, &c, page) && !glim_snapshot_write_last(old, &c, page));
        c = chain_of(&r, i + 100);
        CHECK(!glim_snapshot_write(old, &c, page) && !glim_snapshot_has(old, &c));
        c = chain_of(&r, i - 100);
        (void)glim_snapshot_read(old, &c, got); /* there or gone */
    }
    glim_snapshot_close(old);
    close_folder(&r);
    CHECK(folder(&r, &bytes, false) == ROOM && bytes <= ROOM * each);

    /* The other one was not opened after all: it goes on. */
    open_folder(&r, 2 * ROOM * each);
    glim_snapshot_pause(r.s, true);
    glim_snapshot_pause(r.s, false);
    c = chain_of(&r, 300);
    CHECK(glim_snapshot_write(r.s, &c, page));
    close_folder(&r);
    CHECK(folder(&r, NULL, false) == ROOM + 1);
    free(page);
    free(got);
    rig_close(&r);
}
