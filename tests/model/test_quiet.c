/* Quiet: a pass and the sampling after it allocate nothing, free nothing and take no lock, in any thread. malloc and
 * its family and the POSIX locks are replaced in this program, so that what the C library does on our behalf counts
 * too. Each measured section stands between two writes to file descriptor -1, which fail without a trace except in
 * strace: tests/e2e/test_quiet.sh reads the system calls between them. */
#include <errno.h>
#include <stdatomic.h>
#include <unistd.h>

#include "fixture.h"

/* ---- counting ---- */

static _Atomic bool g_armed;
static _Atomic long g_n_alloc, g_n_free, g_n_lock;

static void count(_Atomic long *n) {
    if (atomic_load_explicit(&g_armed, memory_order_relaxed)) atomic_fetch_add(n, 1);
}

#if defined __has_feature
#if __has_feature(thread_sanitizer)
#define SANITIZED_THREADS 1
#endif
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined __SANITIZE_THREAD__
#define SANITIZED_THREADS 1
#endif
#if defined __SANITIZE_ADDRESS__ || defined SANITIZED_THREADS
#define SANITIZED 1
#endif
#ifdef SANITIZED_THREADS
enum { COUNTS_ALIGNED = 0 }; /* ThreadSanitizer does not report aligned_alloc */
#else
enum { COUNTS_ALIGNED = 1 };
#endif

#ifdef SANITIZED
/* The sanitizer's allocator stays and calls these; its locks must stay too. */
enum { COUNTS_MEMORY = 1, COUNTS_LOCKS = 0 };
void __sanitizer_malloc_hook(const volatile void *p, size_t n);
void __sanitizer_free_hook(const volatile void *p);
void __sanitizer_malloc_hook(const volatile void *p, size_t n) {
    (void)p;
    (void)n;
    count(&g_n_alloc);
}
void __sanitizer_free_hook(const volatile void *p) {
    if (p) count(&g_n_free);
}
#elif defined __GLIBC__
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <semaphore.h>
enum { COUNTS_MEMORY = 1, COUNTS_LOCKS = 1 };
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);
void __libc_free(void *p);

void *malloc(size_t n) {
    count(&g_n_alloc);
    return __libc_malloc(n);
}
void *calloc(size_t n, size_t size) {
    count(&g_n_alloc);
    return __libc_calloc(n, size);
}
void *realloc(void *p, size_t n) {
    count(&g_n_alloc);
    return __libc_realloc(p, n);
}
void *memalign(size_t align, size_t n) {
    count(&g_n_alloc);
    return __libc_memalign(align, n);
}
void *aligned_alloc(size_t align, size_t n) { return memalign(align, n); }
int posix_memalign(void **out, size_t align, size_t n) {
    *out = memalign(align, n);
    return *out ? 0 : ENOMEM;
}
void free(void *p) {
    if (p) count(&g_n_free);
    __libc_free(p);
}

/* Looked up at first use: libraries lock in their constructors, before any of ours has run. */
#define COUNTED_LOCK(name, type)                                            \
    int name(type *lock) {                                                  \
        static _Atomic(void *) real;                                        \
        if (!atomic_load(&real)) atomic_store(&real, dlsym(RTLD_NEXT, #name)); \
        count(&g_n_lock);                                                   \
        return ((int (*)(type *))atomic_load(&real))(lock);                 \
    }
COUNTED_LOCK(pthread_mutex_lock, pthread_mutex_t)
COUNTED_LOCK(pthread_mutex_trylock, pthread_mutex_t)
COUNTED_LOCK(pthread_rwlock_rdlock, pthread_rwlock_t)
COUNTED_LOCK(pthread_rwlock_wrlock, pthread_rwlock_t)
COUNTED_LOCK(sem_wait, sem_t)
int pthread_spin_lock(pthread_spinlock_t *lock) {
    static _Atomic(void *) real;
    if (!atomic_load(&real)) atomic_store(&real, dlsym(RTLD_NEXT, "pthread_spin_lock"));
    count(&g_n_lock);
    return ((int (*)(pthread_spinlock_t *))atomic_load(&real))(lock);
}
#else
enum { COUNTS_MEMORY = 0, COUNTS_LOCKS = 0 };
#endif

static void mark(const char *what, const char *name, int threads) {
    char line[160];
    int n = snprintf(line, sizeof line, "glim-quiet %s %d %s", what, threads, name);
    ssize_t w = write(-1, line, (size_t)n); /* EBADF */
    (void)w;
}

static void quiet_begin(const char *name, int threads) {
    g_n_alloc = g_n_free = g_n_lock = 0;
    mark("begin", name, threads);
    atomic_store(&g_armed, true);
}

static void quiet_end(const char *name, int threads) {
    atomic_store(&g_armed, false);
    mark("end", name, threads);
}

static void check_quiet(const char *name, int threads) {
    CHECK_MSG(g_n_alloc == 0 && g_n_free == 0 && g_n_lock == 0,
              "%s, %d threads: %ld allocations, %ld frees, %ld locks, want none", name, threads, (long)g_n_alloc,
              (long)g_n_free, (long)g_n_lock);
}

/* ---- that the counters see ---- */

static int by_value(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

TEST(the_counters_see_what_we_and_the_c_library_allocate) {
    if (!COUNTS_MEMORY) SKIP("this C library's malloc cannot be replaced");
    void *volatile p;
    long n[4];
    g_n_alloc = g_n_free = 0;
    atomic_store(&g_armed, true);
    p = malloc(10);
    p = realloc(p, 20);
    n[0] = g_n_alloc;
    free(p);
    n[1] = g_n_free;
    p = aligned_alloc(64, 64);
    n[2] = g_n_alloc;
    free(p);
    p = strdup("inside the library");
    n[3] = g_n_alloc;
    free(p);
    atomic_store(&g_armed, false);
    CHECK_MSG(n[0] >= 2 && n[1] >= 1 && n[2] >= n[0] + COUNTS_ALIGNED && n[3] > n[2], "counts of allocations %ld, %ld, %ld, frees %ld", n[0], n[2],
              n[3], n[1]);
    /* What a pass must not call: a sort that takes memory for itself, where the library's does. */
    static int v[4096];
    for (int i = 0; i < 4096; i++) v[i] = i * 7919 % 4096;
    qsort(v, 4096, sizeof *v, by_value);
    CHECK(v[0] == 0 && v[4095] == 4095);
}

#if defined __GLIBC__ && !defined SANITIZED
TEST(the_counters_see_locks) {
    pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    g_n_lock = 0;
    atomic_store(&g_armed, true);
    pthread_mutex_lock(&m);
    atomic_store(&g_armed, false);
    pthread_mutex_unlock(&m);
    CHECK(g_n_lock == 1);
}
#else
TEST(the_counters_see_locks) { SKIP("locks are counted in unsanitized builds, with glibc"); }
#endif

/* ---- passes ---- */

static const struct {
    const char *name, *fixture;
    int type, kv_type;
} g_cases[] = {
    {"dense-f32", "glm4", 1 + GLIM_F32, 0},
    {"dense-bf16", "glm", 0, 0},
    {"dense-q8_0", "chatglm", 1 + GLIM_Q8_0, 1 + GLIM_BF16},
    {"moe", "glm4moe-air", 0, 0},
    {"moe-grouped-f32", "glm4moe-355b", 1 + GLIM_F32, 0},
    {"q8-kv", "llama", 0, 1 + GLIM_I8},
};

/* A prompt crosses pages of 64 and a chunk of 256. Sanitizers, which slow kernels down, get a page's border and only
 * the set in use. */
#ifdef SANITIZED
enum { N_SEQ = 3, N_CTX = 512, PROMPT = 80, ALL_SETS = 0 };
#else
enum { N_SEQ = 3, N_CTX = 512, PROMPT = 300, ALL_SETS = 1 };
#endif

static int32_t next_id(uint32_t *seed, size_t n_vocab) {
    *seed = *seed * 1664525u + 1013904223u;
    return (int32_t)((*seed >> 8) % n_vocab);
}

/* Adds n rows of sequence s to the batch, the last of them with logits. */
static size_t add_rows(glim_row *rows, size_t at, const glim_kv_seq *s, uint32_t seq, size_t n, uint32_t *seed, size_t n_vocab) {
    for (size_t i = 0; i < n; i++)
        rows[at + i] = (glim_row){next_id(seed, n_vocab), (int32_t)(s->n_pos + i), seq, i + 1 == n};
    return at + n;
}

static void passes(const char *name, const char *fixture, int type, int kv_type, const glim_kernels *k, int threads) {
    char path[256], what[96];
    snprintf(path, sizeof path, "tests/fixtures/%s", fixture);
    runner r;
    runner_open(&r, path, &(glim_model_params){.type = type, .kernels = k, .kv_type = kv_type}, threads, PROMPT, N_SEQ * N_CTX);
    size_t v = r.m->cfg.n_vocab;
    uint32_t seed = 1;
    static glim_row rows[PROMPT];
    glim_kv_seq seq[N_SEQ], *seqs[N_SEQ];
    glim_sampler *sampler;
    CHECK_OK(glim_sampler_new(&sampler, v, v, &r.err), r.err);
    for (size_t i = 0; i < N_SEQ; i++) {
        CHECK_OK(glim_kv_seq_init(&seq[i], &r.kv, N_CTX, &r.err), r.err);
        seqs[i] = &seq[i];
    }
    const float *logits = NULL;
    glim_status rc;

    /* Prefill: one sequence, one batch; the first pass of this workspace, so nothing is made at first use. */
    size_t n = add_rows(rows, 0, &seq[0], 0, PROMPT, &seed, v);
    snprintf(what, sizeof what, "%s-%s-prefill", name, k->name);
    quiet_begin(what, threads);
    rc = glim_kv_reserve(&seq[0], PROMPT, &r.err);
    if (rc == GLIM_OK) rc = glim_forward(r.m, r.ws, &(glim_batch){rows, n, seqs, N_SEQ}, &logits, &r.err);
    quiet_end(what, threads);
    CHECK_OK(rc, r.err);
    check_quiet(what, threads);

    /* A mixed batch: one decode step, two prefill slices. */
    n = add_rows(rows, 0, &seq[0], 0, 1, &seed, v);
    n = add_rows(rows, n, &seq[1], 1, 70, &seed, v);
    n = add_rows(rows, n, &seq[2], 2, 5, &seed, v);
    snprintf(what, sizeof what, "%s-%s-mixed", name, k->name);
    quiet_begin(what, threads);
    rc = glim_kv_reserve(&seq[0], PROMPT + 1, &r.err);
    if (rc == GLIM_OK) rc = glim_kv_reserve(&seq[1], 70, &r.err);
    if (rc == GLIM_OK) rc = glim_kv_reserve(&seq[2], 5, &r.err);
    if (rc == GLIM_OK) rc = glim_forward(r.m, r.ws, &(glim_batch){rows, n, seqs, N_SEQ}, &logits, &r.err);
    quiet_end(what, threads);
    CHECK_OK(rc, r.err);
    check_quiet(what, threads);

    /* Decode of all three, each step's tokens sampled in every way there is. */
    const glim_bias bias[] = {{3, -INFINITY}, {5, 1.5f}};
    uint32_t allowed[64];
    memset(allowed, 0xff, sizeof allowed);
    allowed[0] = 0x00ff00ff;
    CHECK(v <= 32 * GLIM_COUNT(allowed));
    const glim_sample_params ways[] = {
        {.temperature = 0},
        {.temperature = 0.8, .top_k = 40, .top_p = 0.9, .seed = 7},
        {.temperature = 5, .top_p = 0.999, .seed = 8}, /* nearly flat: almost every id is a candidate */
        {.temperature = 1, .top_k = 300, .min_p = 1e-9, .seed = 9},
        {.temperature = 1, .repetition_penalty = 1.1, .presence_penalty = 0.1, .frequency_penalty = 0.1, .seed = 10},
        {.temperature = 1, .top_p = 0.99, .bias = bias, .n_bias = GLIM_COUNT(bias), .allowed = allowed, .seed = 11},
    };
    snprintf(what, sizeof what, "%s-%s-decode", name, k->name);
    int32_t ids[N_SEQ] = {1, 2, 3};
    quiet_begin(what, threads);
    for (size_t step = 0; rc == GLIM_OK && step < 2 * GLIM_COUNT(ways); step++) {
        for (uint32_t i = 0; i < N_SEQ && rc == GLIM_OK; i++) {
            rc = glim_kv_reserve(&seq[i], seq[i].n_pos + 1, &r.err);
            rows[i] = (glim_row){ids[i], (int32_t)seq[i].n_pos, i, true};
        }
        if (rc == GLIM_OK) rc = glim_forward(r.m, r.ws, &(glim_batch){rows, N_SEQ, seqs, N_SEQ}, &logits, &r.err);
        for (uint32_t i = 0; i < N_SEQ && rc == GLIM_OK; i++) {
            ids[i] = glim_sample(sampler, &ways[(step + i) % GLIM_COUNT(ways)], logits + i * v, seq[i].n_pos);
            glim_sampler_saw(sampler, ids[i], true);
        }
    }
    quiet_end(what, threads);
    CHECK_OK(rc, r.err);
    check_quiet(what, threads);
    for (size_t i = 0; i < N_SEQ; i++) {
        CHECK(ids[i] >= 0);
        glim_kv_seq_deinit(&seq[i]);
    }
    glim_sampler_free(sampler);
    runner_close(&r);
}

static void every_case(int threads) {
    if (!COUNTS_MEMORY) SKIP("this C library's malloc cannot be replaced");
    for (size_t i = 0; i < GLIM_COUNT(g_cases); i++)
        for (size_t s = 0; s < GLIM_COUNT(g_sets); s++) {
            const glim_kernels *k = glim_kernels_find(g_sets[s]);
            if (k && (ALL_SETS || k == glim_kernels_get()))
                passes(g_cases[i].name, g_cases[i].fixture, g_cases[i].type, g_cases[i].kv_type, k, threads);
        }
}

/* What the script must find, so that it can tell silence from deafness. */
TEST(a_section_that_is_not_quiet_for_the_script) {
    mark("begin", "control", 1);
    (void)getppid();
    mark("end", "control", 1);
}

TEST(passes_and_sampling_are_quiet_on_one_thread) { every_case(1); }
TEST(passes_and_sampling_are_quiet_on_two_threads) { every_case(2); }
