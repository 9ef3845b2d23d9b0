/* pool.c - a fixed team of threads; see pool.h.
 *
 * Invariants
 *   1. `epoch` grows by one per job; a worker that sees a new epoch joins that job exactly once.
 *   2. `left` counts workers that have not yet finished the job; the caller returns when it is 0, so
 *      a job's context never outlives its call.
 *   3. Pieces are handed out by one atomic counter: a slow or descheduled thread holds up only the
 *      piece it has, not a fixed share of the work.
 * Surprise  waiters spin first and then sleep on a futex: a hot barrier costs under 2 us, an idle
 *           pool costs nothing. The waker makes a system call only if somebody sleeps. GLIM_SPIN_US=0 leaves
 *           the processor to others at once. */
#include "base/pool.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cgroup.h"
#include "base/clock.h"
#include "base/numa.h"

enum { SPIN_US = 50 };

typedef struct worker {
    struct glim_pool *pool;
    pthread_t thread;
    int index;
} worker;

struct glim_pool {
    int n_workers; /* caller included */
    worker *workers;
    uint64_t spin_ns;
    _Atomic bool quit;
    glim_pool_fn fn;
    void *ctx;
    size_t n, grain;
    _Alignas(64) _Atomic uint32_t epoch;
    _Atomic uint32_t sleepers;
    _Alignas(64) _Atomic size_t next;
    _Alignas(64) _Atomic uint32_t left;
    _Atomic uint32_t caller_sleeps;
};

static void futex_wait(_Atomic uint32_t *word, uint32_t seen) {
    syscall(SYS_futex, (uint32_t *)word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}
static void futex_wake(_Atomic uint32_t *word) {
    syscall(SYS_futex, (uint32_t *)word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}
static inline void cpu_relax(void) {
#if defined __x86_64__
    __builtin_ia32_pause();
#endif
}

/* Spins until *word differs from `seen`; false when the spin budget is used up. */
static bool spin_while(_Atomic uint32_t *word, uint32_t seen, uint64_t spin_ns) {
    uint64_t until = 0;
    if (!spin_ns) return atomic_load_explicit(word, memory_order_acquire) != seen;
    for (unsigned i = 1;; i++) {
        if (atomic_load_explicit(word, memory_order_acquire) != seen) return true;
        cpu_relax();
        if (i % 256 == 0) { /* the clock is read rarely: it costs more than the spin */
            uint64_t now = glim_now_ns();
            if (!until) until = now + spin_ns;
            else if (now > until) return false;
        }
    }
}

static void work(glim_pool *p, int index) {
    for (;;) {
        size_t begin = atomic_fetch_add_explicit(&p->next, p->grain, memory_order_relaxed);
        if (begin >= p->n) return;
        size_t end = p->n - begin < p->grain ? p->n : begin + p->grain;
        p->fn(p->ctx, begin, end, index);
    }
}

static void *worker_main(void *arg) {
    worker *w = arg;
    glim_pool *p = w->pool;
    uint32_t seen = 0;
    for (;;) {
        while (!spin_while(&p->epoch, seen, p->spin_ns)) {
            atomic_fetch_add(&p->sleepers, 1);
            futex_wait(&p->epoch, seen);
            atomic_fetch_sub(&p->sleepers, 1);
        }
        seen++;
        if (atomic_load(&p->quit)) return NULL;
        work(p, w->index);
        /* Sequentially consistent, as the caller's two steps are: it stores caller_sleeps and then reads left, we the
         * other way round, and with less both could read what was before: a caller that sleeps for ever. */
        if (atomic_fetch_sub(&p->left, 1) == 1 && atomic_load(&p->caller_sleeps))
            futex_wake(&p->left);
    }
}

int glim_cpu_count(void) {
    cpu_set_t set;
    int n = 0;
    if (sched_getaffinity(0, sizeof set, &set) == 0) n = CPU_COUNT(&set);
    if (n < 1) n = (int)sysconf(_SC_NPROCESSORS_ONLN);
    int limit = glim_cgroup_cpus("/sys/fs/cgroup", "/proc/self/cgroup");
    if (limit > 0 && limit < n) n = limit;
    return n < 1 ? 1 : n;
}

static uint64_t spin_us(void) {
    const char *v = getenv("GLIM_SPIN_US");
    char *end;
    const unsigned long us = v ? strtoul(v, &end, 10) : SPIN_US;
    return v && (end == v || *end || us > 1000000) ? SPIN_US : us;
}

glim_pool *glim_pool_new(int n_threads) {
    if (n_threads <= 0) n_threads = glim_cpu_count();
    if (n_threads > 1024) n_threads = 1024;
    glim_pool *p = aligned_alloc(64, (sizeof *p + 63) / 64 * 64);
    GLIM_ASSERT(p != NULL);
    memset(p, 0, sizeof *p);
    p->workers = glim_xcalloc((size_t)n_threads, sizeof *p->workers);
    p->n_workers = 1;
    p->spin_ns = spin_us() * 1000;
    if (n_threads > 1) glim_numa_spread(); /* before there are threads: they inherit it */
    for (int i = 1; i < n_threads; i++) {
        worker *w = &p->workers[i];
        w->pool = p;
        w->index = i;
        if (pthread_create(&w->thread, NULL, worker_main, w) != 0) break;
        p->n_workers++;
    }
    return p;
}

static void publish(glim_pool *p) {
    atomic_fetch_add(&p->epoch, 1);
    if (atomic_load(&p->sleepers)) futex_wake(&p->epoch);
}

void glim_pool_free(glim_pool *p) {
    if (!p) return;
    atomic_store(&p->quit, true);
    publish(p);
    for (int i = 1; i < p->n_workers; i++) pthread_join(p->workers[i].thread, NULL);
    free(p->workers);
    free(p);
}

int glim_pool_size(const glim_pool *p) { return p ? p->n_workers : 1; }

void glim_pool_for(glim_pool *p, size_t n, size_t grain, glim_pool_fn fn, void *ctx) {
    if (n == 0) return;
    if (grain == 0) grain = 1;
    if (!p || p->n_workers == 1 || n <= grain) {
        for (size_t i = 0; i < n; i += grain) fn(ctx, i, n - i < grain ? n : i + grain, 0);
        return;
    }
    p->fn = fn;
    p->ctx = ctx;
    p->n = n;
    p->grain = grain;
    atomic_store_explicit(&p->next, 0, memory_order_relaxed);
    atomic_store_explicit(&p->left, (uint32_t)(p->n_workers - 1), memory_order_relaxed);
    publish(p); /* sequentially consistent: everything above is visible to a worker that sees it */
    work(p, 0);
    for (;;) {
        uint32_t left = atomic_load_explicit(&p->left, memory_order_acquire);
        if (left == 0) return;
        if (spin_while(&p->left, left, p->spin_ns)) continue;
        atomic_store(&p->caller_sleeps, 1);
        left = atomic_load(&p->left);
        if (left) futex_wait(&p->left, left);
        atomic_store(&p->caller_sleeps, 0);
    }
}
