/* Damage to the cache of packed weights: whatever happened to the file, it is made anew with one line in the log, and
 * its bytes are never believed. (What it does when whole: tests/model/test_packed.c.) */
#include "format/packed.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/rng.h"
#include "test.h"

enum { HEADER = 4096, BLOCK = 32 << 10, SMALL = 40 * BLOCK + 1234, LARGE = 16 << 20 };
static char g_cache[64], g_path[160];

static void cache_new(void) {
    strcpy(g_cache, "/tmp/glim-format-XXXXXX");
    CHECK(mkdtemp(g_cache));
    setenv("XDG_CACHE_HOME", g_cache, 1);
    unsetenv("GLIM_CACHE");
    glim_log_set_level(GLIM_WARN);
    snprintf(g_path, sizeof g_path, "%s/glim/packed/k.pack", g_cache);
}
static void cache_remove(void) {
    char cmd[128];
    snprintf(cmd, sizeof cmd, "rm -rf %s", g_cache);
    CHECK(system(cmd) == 0);
}

/* Opens, with what is logged meanwhile in `log`. */
static void open_logged(glim_packed *p, size_t bytes, char *log, size_t cap) {
    glim_err err;
    char path[128];
    snprintf(path, sizeof path, "%s/log", g_cache);
    int keep = dup(STDERR_FILENO), fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    CHECK(keep >= 0 && fd >= 0 && dup2(fd, STDERR_FILENO) >= 0);
    glim_status rc = glim_packed_open(p, "k", bytes, true, &err);
    dup2(keep, STDERR_FILENO);
    ssize_t n = pread(fd, log, cap - 1, 0);
    log[n < 0 ? 0 : n] = 0;
    close(keep);
    close(fd);
    CHECK_OK(rc, err);
}

static void fill(glim_packed *p) {
    glim_rng r = {.seed = p->bytes};
    glim_err err;
    for (size_t i = 0; i + 8 <= p->bytes; i += 8) {
        uint64_t v[512]; /* a page of words, or what is left */
        size_t n = 0;
        for (; n < 512 && i + 8 * n + 8 <= p->bytes; n++) v[n] = glim_rng_u64(&r);
        CHECK_OK(glim_packed_put(p, i, v, 8 * n, &err), err);
        i += 8 * (n - 1);
    }
}

static bool filled(const glim_packed *p) {
    glim_rng r = {.seed = p->bytes};
    for (size_t i = 0; i + 8 <= p->bytes; i += 8) {
        uint64_t v = glim_rng_u64(&r);
        if (memcmp((const char *)p->data + i, &v, 8) != 0) return false;
    }
    return true;
}

static void make(size_t bytes) {
    glim_packed p;
    glim_err err;
    CHECK_OK(glim_packed_open(&p, "k", bytes, true, &err), err);
    CHECK(!p.ready && p.cached);
    fill(&p);
    glim_packed_commit(&p);
    glim_packed_close(&p);
    CHECK(glim_path_exists(g_path));
}

static void flip(size_t at, int bit) {
    unsigned char c;
    int fd = open(g_path, O_RDWR);
    CHECK(fd >= 0 && pread(fd, &c, 1, (off_t)at) == 1);
    c ^= (unsigned char)(1 << bit);
    CHECK(pwrite(fd, &c, 1, (off_t)at) == 1 && close(fd) == 0);
}

static void zero(size_t at, size_t n) {
    int fd = open(g_path, O_RDWR);
    void *z = calloc(1, n);
    CHECK(fd >= 0 && z && pwrite(fd, z, n, (off_t)at) == (ssize_t)n && close(fd) == 0);
    free(z);
}

static size_t count_lines(const char *s) {
    size_t n = 0;
    for (; *s; s++) n += *s == '\n';
    return n;
}

/* What is there is found not to be whole, for a reason that holds `word`, and is gone. */
static void is_rejected(size_t bytes, const char *word, const char *what) {
    glim_packed p;
    char log[2048];
    open_logged(&p, bytes, log, sizeof log);
    CHECK_MSG(!p.ready, "%s: the file was believed", what);
    CHECK_MSG(count_lines(log) == 1 && strstr(log, "made anew") && strstr(log, word), "%s: the log says \"%s\", want \"%s\"",
              what, log, word);
    CHECK_MSG(!glim_path_exists(g_path), "%s: the file is still there", what);
    glim_packed_close(&p);
}

TEST(a_damaged_file_is_made_anew_with_one_line_in_the_log) {
    cache_new();
    make(SMALL);
    CHECK(truncate(g_path, HEADER + SMALL / 2) == 0);
    glim_packed p;
    char log[2048];
    open_logged(&p, SMALL, log, sizeof log);
    CHECK(!p.ready && p.cached && count_lines(log) == 1);
    fill(&p);
    glim_packed_commit(&p);
    glim_packed_close(&p);
    open_logged(&p, SMALL, log, sizeof log);
    CHECK(p.ready && filled(&p) && log[0] == 0);
    glim_packed_close(&p);
    cache_remove();
}

TEST(no_length_but_the_right_one_passes) {
    cache_new();
    make(SMALL);
    struct stat st;
    CHECK(stat(g_path, &st) == 0);
    const off_t lengths[] = {0, 1, 100, HEADER, HEADER + 1, HEADER + SMALL / 2, st.st_size - 8, st.st_size - 1, st.st_size + 1, st.st_size + 4096};
    for (size_t i = 0; i < GLIM_COUNT(lengths); i++) {
        if (i) make(SMALL);
        CHECK(truncate(g_path, lengths[i]) == 0);
        is_rejected(SMALL, lengths[i] < 96 ? "header" : "bytes long", "another length");
    }
    cache_remove();
}

TEST(every_byte_of_the_header_is_covered) {
    cache_new();
    for (size_t at = 0; at < 96; at++) {
        make(BLOCK);
        flip(at, (int)(at % 8));
        is_rejected(BLOCK, at < 8 ? "does not begin" : at < 12 ? "version" : "header", "a bit of the header");
    }
    cache_remove();
}

TEST(another_version_and_another_models_file_are_not_read) {
    cache_new();
    for (uint32_t version = 1; version <= 3; version += 2) {
        make(SMALL);
        int fd = open(g_path, O_RDWR);
        CHECK(fd >= 0 && pwrite(fd, &version, sizeof version, 8) == sizeof version && close(fd) == 0);
        is_rejected(SMALL, "version", "another version");
    }
    glim_packed p;
    glim_err err;
    CHECK_OK(glim_packed_open(&p, "another", SMALL, true, &err), err);
    glim_packed_commit(&p);
    glim_packed_close(&p);
    char from[160];
    snprintf(from, sizeof from, "%s/glim/packed/another.pack", g_cache);
    CHECK(rename(from, g_path) == 0);
    is_rejected(SMALL, "another model", "another model's file");
    make(SMALL);
    is_rejected(SMALL + 8, "holds", "another size");
    cache_remove();
}

TEST(one_flipped_bit_in_a_small_file_is_always_found_at_the_start) {
    cache_new();
    glim_rng r = {.seed = 3};
    for (int i = 0; i < 24; i++) {
        make(SMALL);
        flip(HEADER + (size_t)glim_rng_below(&r, SMALL), i % 8);
        is_rejected(SMALL, "block", "a bit of the data");
    }
    make(SMALL);
    flip(HEADER + SMALL - 1, 0); /* the last byte, of a block that is not full */
    is_rejected(SMALL, "block 40 of 41", "the last byte");
    make(SMALL);
    flip(HEADER + (SMALL + 7) / 8 * 8 + 5 * 8, 0);
    is_rejected(SMALL, "table", "a bit of the table");
    cache_remove();
}

/* What a crash leaves where the disk or the file system promised more than it did: a stretch of zeros. */
TEST(a_torn_write_in_a_large_file_is_always_found_at_the_start) {
    cache_new();
    glim_rng r = {.seed = 4};
    for (int i = 0; i < 6; i++) {
        make(LARGE);
        size_t n = LARGE / 32; /* holds at least one whole part of the 64 from which blocks are drawn */
        zero(HEADER + (size_t)glim_rng_below(&r, LARGE - n), n);
        is_rejected(LARGE, "block", "a stretch of zeros");
    }
    cache_remove();
}

static bool stop_at_once(void *ctx, uint64_t done, uint64_t total) {
    (void)done;
    (void)total;
    ++*(int *)ctx;
    return false;
}

TEST(a_whole_check_finds_one_flipped_bit_in_a_large_file) {
    cache_new();
    glim_packed_state state;
    glim_err err;
    char why[GLIM_PACKED_WHY];
    CHECK_OK(glim_packed_check(&state, why, "k", LARGE, NULL, NULL, &err), err);
    CHECK(state == GLIM_PACKED_ABSENT);
    glim_rng r = {.seed = 5};
    for (int i = 0; i < 6; i++) {
        make(LARGE);
        CHECK_OK(glim_packed_check(&state, why, "k", LARGE, NULL, NULL, &err), err);
        CHECK(state == GLIM_PACKED_WHOLE && glim_path_exists(g_path));
        flip(HEADER + (size_t)glim_rng_below(&r, LARGE), i % 8);
        int asked = 0;
        CHECK(glim_packed_check(&state, why, "k", LARGE, stop_at_once, &asked, &err) == GLIM_E_CANCELLED);
        CHECK(asked == 1 && glim_path_exists(g_path)); /* half a check decides nothing */
        CHECK_OK(glim_packed_check(&state, why, "k", LARGE, NULL, NULL, &err), err);
        CHECK(state == GLIM_PACKED_DAMAGED && strstr(why, "wrong checksum") && !glim_path_exists(g_path));
    }
    cache_remove();
}

TEST(a_folder_in_the_files_place_harms_nobody) {
    cache_new();
    CHECK(glim_mkdirs(g_path, NULL) == GLIM_OK);
    for (int i = 0; i < 2; i++) {
        glim_packed p;
        char log[2048];
        open_logged(&p, SMALL, log, sizeof log);
        CHECK(!p.ready && count_lines(log) == 1 && strstr(log, "regular file"));
        fill(&p);
        glim_packed_commit(&p);
        CHECK(filled(&p));
        glim_packed_close(&p);
    }
    cache_remove();
}
