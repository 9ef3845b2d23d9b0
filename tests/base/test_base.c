/* The ground: errors, memory, UTF-8, random numbers, files, threads. */
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/pool.h"
#include "base/rng.h"
#include "base/utf8.h"
#include "test.h"

TEST(an_error_is_one_printable_line_with_its_context) {
    glim_err e;
    CHECK(glim_fail(&e, GLIM_E_FORMAT, "tensor \"%s\": got %d", "a\n\xff\xe4\xbd\xa0", 3) == GLIM_E_FORMAT);
    CHECK_STR(e.msg, "tensor \"a\\x0a\\xff\xe4\xbd\xa0\": got 3");
    glim_err_context(&e, "%s", "x.gguf");
    CHECK_STR(e.msg, "x.gguf: tensor \"a\\x0a\\xff\xe4\xbd\xa0\": got 3");
    for (int i = 0; i < 100; i++) glim_err_context(&e, "a long context that fills the message");
    CHECK(strlen(e.msg) < sizeof e.msg);
}

TEST(sizes_that_overflow_are_refused_not_wrapped) {
    void *p;
    glim_err e;
    CHECK(glim_try_calloc(&p, (size_t)-1 / 2, 3, "a test", &e) == GLIM_E_NOMEM && !p);
    CHECK(glim_try_calloc(&p, (size_t)-1, 1, "a test", &e) == GLIM_E_NOMEM && !p);
    CHECK(strstr(e.msg, "a test"));
    glim_alloc_fail_after(2);
    CHECK(glim_try_calloc(&p, 1, 1, "one", &e) == GLIM_OK);
    free(p);
    CHECK(glim_try_calloc(&p, 1, 1, "two", &e) == GLIM_E_NOMEM);
    CHECK(glim_try_calloc(&p, 1, 1, "three", &e) == GLIM_OK);
    free(p);
}

TEST(a_buffer_keeps_its_last_whole_append_when_memory_is_refused) {
    glim_buf b = {0};
    glim_buf_puts(&b, "kept");
    glim_alloc_fail_after(1);
    glim_buf_reserve(&b, 1000);
    glim_buf_puts(&b, "lost");
    CHECK(b.failed);
    CHECK_STR(b.s, "kept");
    glim_buf_free(&b);
}

TEST(a_list_grows_by_doubling_and_keeps_what_it_holds_when_memory_is_refused) {
    glim_err e = {0};
    uint32_t *v = NULL;
    size_t n = 0, cap = 0;
    for (; n < 100; n++) {
        if (n == cap) CHECK_OK(glim_try_grow(&v, &cap, 3, sizeof *v, "a list", &e), e);
        v[n] = (uint32_t)n;
    }
    CHECK(cap == 192);
    glim_alloc_fail_after(1);
    uint32_t *was = v;
    CHECK(glim_try_grow(&v, &cap, 3, sizeof *v, "a list", &e) == GLIM_E_NOMEM && strstr(e.msg, "1536 bytes for a list"));
    CHECK(v == was && cap == 192);
    for (size_t i = 0; i < n; i++) CHECK(v[i] == i);
    free(v);
}

TEST(utf8_follows_table_3_7) {
    static const struct {
        const char *s;
        int want;
    } cases[] = {{"a", 1}, {"\xc2\x80", 2}, {"\xc0\x80", 0}, {"\xe0\x9f\xbf", 0}, {"\xed\xa0\x80", 0},
                 {"\xf0\x8f\xbf\xbf", 0}, {"\xf4\x90\x80\x80", 0}, {"\xf4\x8f\xbf\xbf", 4}, {"\xe4\xbd", -1},
                 {"\xf0\x9f\x98", -1}, {"\x80", 0}, {"\xe4" "a", 0}};
    for (size_t i = 0; i < GLIM_COUNT(cases); i++) {
        uint32_t cp;
        CHECK_MSG(glim_utf8_next(cases[i].s, strlen(cases[i].s), &cp) == cases[i].want, "case %zu", i);
    }
    CHECK(glim_utf8_whole("ab\xe4\xbd", 4) == 2);
    CHECK(glim_utf8_whole("ab\xe4\xbd\xa0", 5) == 5);
    CHECK(glim_utf8_whole("ab\xff", 3) == 3); /* broken, not unfinished */
    glim_buf b = {0};
    glim_utf8_sanitize(&b, "a\xf0\x9f\x98z\xff\xe4\xbd\xa0", 9);
    CHECK_STR(b.s, "a\xef\xbf\xbdz\xef\xbf\xbd\xe4\xbd\xa0");
    glim_buf_free(&b);
}

TEST(philox_gives_the_published_vectors) {
    /* Random123's kat_vectors: philox4x32 10. */
    uint32_t o[4];
    glim_philox(o, 0, 0, 0);
    CHECK(o[0] == 0x6627e8d5 && o[1] == 0xe169c58d && o[2] == 0xbc57ac4c && o[3] == 0x9b00dbd8);
    glim_philox(o, UINT64_MAX, UINT64_MAX, UINT64_MAX);
    CHECK(o[0] == 0x408f276d && o[1] == 0x41c83b0e && o[2] == 0xa20bc7c6 && o[3] == 0x6d5451fd);
    CHECK(glim_rng_at(1, 0, 5) == glim_rng_at(1, 0, 5) && glim_rng_at(1, 0, 5) != glim_rng_at(1, 1, 5));
}

typedef struct sum_job {
    _Atomic uint64_t sum;
    _Atomic int calls;
} sum_job;
static void add_range(void *ctx, size_t b, size_t e, int w) {
    (void)w;
    sum_job *j = ctx;
    uint64_t s = 0;
    for (size_t i = b; i < e; i++) s += i;
    atomic_fetch_add(&j->sum, s);
    atomic_fetch_add(&j->calls, 1);
}

TEST(a_pool_runs_every_piece_once) {
    for (int threads = 1; threads <= 4; threads++) {
        glim_pool *p = glim_pool_new(threads);
        for (int rep = 0; rep < 2000; rep++) {
            sum_job j = {0};
            size_t n = (size_t)(rep % 97);
            glim_pool_for(p, n, 5, add_range, &j);
            CHECK(atomic_load(&j.sum) == (n ? n * (n - 1) / 2 : 0));
            CHECK((size_t)atomic_load(&j.calls) == (n + 4) / 5);
        }
        usleep(1000); /* asleep now */
        sum_job j = {0};
        glim_pool_for(p, 1000, 10, add_range, &j);
        CHECK(atomic_load(&j.sum) == 499500);
        glim_pool_free(p);
    }
}

/* Processor time of a pool whose caller rests between jobs. */
static clock_t time_of_rests(const char *spin_us) {
    CHECK(setenv("GLIM_SPIN_US", spin_us, 1) == 0);
    glim_pool *p = glim_pool_new(2);
    const clock_t began = clock();
    for (int rep = 0; rep < 20; rep++) {
        sum_job j = {0};
        glim_pool_for(p, 100, 5, add_range, &j);
        CHECK(atomic_load(&j.sum) == 4950);
        usleep(5000);
    }
    const clock_t took = clock() - began;
    glim_pool_free(p);
    unsetenv("GLIM_SPIN_US");
    return took;
}

TEST(a_pool_spins_as_long_as_the_environment_says) {
    const clock_t long_spin = time_of_rests("50000"), none = time_of_rests("0"), wrong = time_of_rests("50000 us");
    CHECK_MSG(none < long_spin / 3 && wrong < long_spin / 3, "none %ld, not a number %ld, 50 ms %ld", (long)none, (long)wrong, (long)long_spin);
}

TEST(an_atomic_write_replaces_the_whole_file_and_folders_are_refused) {
    char dir[] = "/tmp/glim-test-XXXXXX";
    CHECK(mkdtemp(dir));
    glim_err e;
    char *path = glim_path_join(dir, "f");
    CHECK_OK(glim_file_write_atomic(path, "one", 3, &e), e);
    CHECK_OK(glim_file_write_atomic(path, "three", 5, &e), e);
    glim_map m;
    CHECK_OK(glim_map_open(&m, path, &e), e);
    CHECK(m.size == 5 && memcmp(m.data, "three", 5) == 0);
    glim_map_close(&m);
    CHECK(glim_map_open(&m, dir, &e) == GLIM_E_ARG);
    CHECK(glim_map_open(&m, "/nonexistent/x", &e) == GLIM_E_NOT_FOUND);
    glim_buf b = {0};
    CHECK(glim_file_read(&b, path, 4, &e) == GLIM_E_LIMIT);
    glim_buf_free(&b);
    unlink(path);
    rmdir(dir);
    free(path);
}
