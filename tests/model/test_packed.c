/* The cache of packed weights: found again, made anew when anything changes, harmless when torn. */
#include <fcntl.h>
#include <unistd.h>

#include "fixture.h"
#include "format/packed.h"

static char g_cache[64];

static void cache_new(void) {
    strcpy(g_cache, "/tmp/glim-packed-XXXXXX");
    CHECK(mkdtemp(g_cache));
    setenv("XDG_CACHE_HOME", g_cache, 1);
    unsetenv("GLIM_CACHE");
}
static void cache_remove(void) {
    char cmd[128];
    snprintf(cmd, sizeof cmd, "rm -rf %s", g_cache);
    CHECK(system(cmd) == 0);
}

enum { BYTES = 100000 };

/* All bytes of p, in two parts that come in the wrong order. */
static void fill(glim_packed *p, int value) {
    static char bytes[BYTES];
    glim_err err;
    memset(bytes, value, sizeof bytes);
    CHECK_OK(glim_packed_put(p, 5, bytes + 5, BYTES - 5, &err), err);
    CHECK_OK(glim_packed_put(p, 0, bytes, 5, &err), err);
}

TEST(bytes_come_back_under_the_same_key_only) {
    cache_new();
    glim_packed p;
    glim_err err;
    CHECK_OK(glim_packed_open(&p, "key-a", BYTES, true, &err), err);
    CHECK(!p.ready && p.cached);
    fill(&p, 7);
    glim_packed_commit(&p);
    glim_packed_close(&p);
    CHECK_OK(glim_packed_open(&p, "key-a", BYTES, true, &err), err);
    CHECK(p.ready && ((char *)p.data)[0] == 7 && ((char *)p.data)[BYTES - 1] == 7);
    glim_packed_close(&p);
    CHECK_OK(glim_packed_open(&p, "key-b", BYTES, true, &err), err);
    CHECK(!p.ready);
    glim_packed_close(&p); /* never committed: nothing is kept */
    CHECK_OK(glim_packed_open(&p, "key-b", BYTES, true, &err), err);
    CHECK(!p.ready);
    glim_packed_close(&p);
    CHECK_OK(glim_packed_open(&p, "key-a", BYTES + 1, true, &err), err); /* another size: not the same thing */
    CHECK(!p.ready);
    glim_packed_close(&p);
    cache_remove();
}

TEST(a_torn_or_foreign_file_is_not_believed) {
    cache_new();
    glim_packed p;
    glim_err err;
    char path[128];
    CHECK_OK(glim_packed_open(&p, "k", BYTES, true, &err), err);
    glim_packed_commit(&p);
    glim_packed_close(&p);
    snprintf(path, sizeof path, "%s/glim/packed/k.pack", g_cache);
    CHECK(truncate(path, BYTES / 2) == 0);
    CHECK_OK(glim_packed_open(&p, "k", BYTES, true, &err), err);
    CHECK(!p.ready);
    fill(&p, 1);
    glim_packed_commit(&p); /* replaces it */
    glim_packed_close(&p);
    int fd = open(path, O_WRONLY);
    CHECK(fd >= 0 && pwrite(fd, "X", 1, 0) == 1 && close(fd) == 0);
    CHECK_OK(glim_packed_open(&p, "k", BYTES, true, &err), err);
    CHECK(!p.ready);
    glim_packed_close(&p);
    cache_remove();
}

TEST(what_is_made_in_memory_reaches_the_file_later) {
    cache_new();
    glim_packed p;
    glim_err err;
    CHECK_OK(glim_packed_open(&p, "late", BYTES, GLIM_PACKED_LATER, &err), err);
    CHECK(!p.ready && !p.cached && p.file);
    ((char *)p.data)[BYTES - 1] = 3; /* private memory may be written in place */
    CHECK_OK(glim_packed_put(&p, 0, "late", 4, &err), err);
    glim_packed_commit(&p);
    CHECK(memcmp(p.data, "late", 4) == 0);
    glim_packed_close(&p); /* waits for the file */
    CHECK_OK(glim_packed_open(&p, "late", BYTES, GLIM_PACKED_LATER, &err), err);
    CHECK(p.ready && p.cached && memcmp(p.data, "late", 4) == 0 && ((char *)p.data)[BYTES - 1] == 3);
    glim_packed_close(&p);
    CHECK_OK(glim_packed_open(&p, "never", BYTES, GLIM_PACKED_LATER, &err), err);
    glim_packed_close(&p); /* never committed: nothing is kept */
    CHECK_OK(glim_packed_open(&p, "never", BYTES, GLIM_PACKED_LATER, &err), err);
    CHECK(!p.ready);
    glim_packed_close(&p);
    cache_remove();
}

TEST(without_a_place_for_files_memory_serves) {
    cache_new();
    glim_packed p;
    glim_err err;
    setenv("XDG_CACHE_HOME", "/proc/nowhere", 1);
    CHECK_OK(glim_packed_open(&p, "k", BYTES, true, &err), err);
    CHECK(!p.ready && !p.cached);
    fill(&p, 1);
    glim_packed_commit(&p);
    glim_packed_close(&p);
    setenv("XDG_CACHE_HOME", g_cache, 1);
    setenv("GLIM_CACHE", "0", 1);
    CHECK_OK(glim_packed_open(&p, "k", BYTES, true, &err), err);
    CHECK(!p.cached);
    glim_packed_close(&p);
    unsetenv("GLIM_CACHE");
    cache_remove();
}

TEST(the_key_changes_with_the_file_and_with_how_it_is_packed) {
    glim_ckpt *a, *b;
    glim_err err;
    char k1[GLIM_PACKED_KEY], k2[GLIM_PACKED_KEY];
    CHECK_OK(glim_ckpt_open(&a, glim_test_source("tests/fixtures/glm"), &err), err);
    CHECK_OK(glim_ckpt_open(&b, glim_test_source("tests/fixtures/glm4"), &err), err);
    glim_packed_key(k1, a, "avx512 layout 1");
    glim_packed_key(k2, a, "avx512 layout 1");
    CHECK_STR(k1, k2);
    glim_packed_key(k2, a, "avx512 layout 2");
    CHECK(strcmp(k1, k2) != 0);
    glim_packed_key(k2, b, "avx512 layout 1");
    CHECK(strcmp(k1, k2) != 0);
    glim_ckpt_close(a);
    glim_ckpt_close(b);
}
