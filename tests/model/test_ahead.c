/* The thread that reads a mapped file ahead: how far it goes, by which pages are there. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "model/ahead.h"
#include "test.h"

enum { RANGE = 8 << 20, N = 6 };

/* Whether the page of `p` is in memory. A private mapping of a file that nobody touched has a page for none of its bytes. */
static bool is_there(const char *p) {
    unsigned char there = 0;
    CHECK(mincore((void *)((uintptr_t)p & ~(uintptr_t)4095), 1, &there) == 0);
    return there & 1;
}
/* Waits for it, ten seconds at most. */
static bool comes(const char *p) {
    for (int i = 0; i < 10000 && !is_there(p); i++) nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    return is_there(p);
}

TEST(it_reads_so_far_beyond_the_range_in_work_and_goes_on_with_it) {
    char *m = mmap(NULL, (size_t)N * RANGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(m != MAP_FAILED);
    madvise(m, (size_t)N * RANGE, MADV_NOHUGEPAGE); /* or a page could be there for its neighbour's sake */
    /* Out of the order in which they lie, as matrices may be. */
    const int order[N] = {3, 0, 5, 1, 4, 2};
    glim_ahead_range r[N];
    for (int i = 0; i < N; i++) r[i] = (glim_ahead_range){m + (size_t)order[i] * RANGE, RANGE};
    glim_ahead *a = glim_ahead_start(r, N, RANGE);
    if (!a) SKIP("this system cannot populate pages (Linux 5.14)");
    for (int i = 0; i < N; i++) { /* range i is in work: it and the next come, and nothing else */
        CHECK(comes((const char *)r[i].data + RANGE - 1));
        if (i + 1 < N) CHECK(comes((const char *)r[i + 1].data + RANGE - 1));
        for (int k = i + 2; k < N; k++) CHECK(!is_there(r[k].data));
        glim_ahead_next(a);
    }
    glim_ahead_next(a); /* one too many is no harm */
    glim_ahead_stop(a);
    munmap(m, (size_t)N * RANGE);
}

TEST(what_is_finished_is_not_read_again) {
    char *m = mmap(NULL, (size_t)N * RANGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(m != MAP_FAILED);
    madvise(m, (size_t)N * RANGE, MADV_NOHUGEPAGE);
    glim_ahead_range r[N];
    for (int i = 0; i < N; i++) r[i] = (glim_ahead_range){m + (size_t)i * RANGE, RANGE};
    glim_ahead *a = glim_ahead_start(r, N, 0);
    if (!a) SKIP("this system cannot populate pages (Linux 5.14)");
    CHECK(comes(m + RANGE - 1));
    for (int i = 0; i < N - 1; i++) glim_ahead_next(a);
    CHECK(comes(m + (size_t)N * RANGE - 1));
    madvise(m, (size_t)(N - 1) * RANGE, MADV_DONTNEED);
    glim_ahead_stop(a);
    for (int i = 0; i < N - 1; i++) CHECK(!is_there(m + (size_t)i * RANGE + RANGE / 2));
    munmap(m, (size_t)N * RANGE);
}

TEST(it_ends_when_it_is_told_to_and_takes_nothing_amiss) {
    CHECK(glim_ahead_start(NULL, 0, 0) == NULL);
    glim_ahead_next(NULL);
    glim_ahead_stop(NULL);
    char *m = mmap(NULL, RANGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(m != MAP_FAILED);
    /* Empty ranges, one that begins within a page, one that is mapped nowhere. */
    const glim_ahead_range r[] = {{m, 1}, {m + 100, 0}, {m + 5001, 10000}, {(void *)(uintptr_t)4096, RANGE}, {m, RANGE}};
    for (int i = 0; i < 50; i++) {
        glim_ahead *a = glim_ahead_start(r, 5, (size_t)i * 100000);
        if (!a) SKIP("this system cannot populate pages (Linux 5.14)");
        for (int k = 0; k < i % 7; k++) glim_ahead_next(a);
        glim_ahead_stop(a);
    }
    munmap(m, RANGE);
}
