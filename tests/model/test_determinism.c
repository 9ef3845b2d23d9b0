/* Determinism: a row's logits are the same bits whatever the threads, the prefill slices, the KV page and
 * chunk borders and the batch company; on every kernel set, dense and MoE, f32 and the file's own type. */
#include "fixture.h"

/* 530 positions cross pages of 64 and chunks of 256 twice, and fill a slice of 513; sanitizers, which look for other things, and emulated
 * CPUs get one chunk's border where all sets meet it (f32, q8 pages), pages' borders elsewhere, and fewer pairs. */
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__ || defined GLIM_TEST_EMULATED
enum { N_LONG = 270, N_SHORT = 140, QUICK = 1 };
#else
enum { N_LONG = 530, N_SHORT = 530, QUICK = 0 };
#endif

static void make_ids(int32_t *ids, size_t n, size_t n_vocab, uint32_t seed) {
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        ids[i] = (int32_t)((seed >> 8) % n_vocab);
    }
}

static void same_bits(const float *a, const float *b, size_t n, const char *what, size_t slice, int threads) {
    for (size_t i = 0; i < n; i++)
        CHECK_MSG(memcmp(&a[i], &b[i], sizeof *a) == 0, "%s, slices of %zu, %d threads: logit %zu is %.9g, want %.9g", what,
                  slice, threads, i, (double)a[i], (double)b[i]);
}

static void slices_and_threads(const char *name, const glim_kernels *k, int type, int kv_type, size_t n) {
    char path[256];
    snprintf(path, sizeof path, "tests/fixtures/%s", name);
    int32_t ids[640];
    float *want = NULL;
    size_t v = 0;
    for (int threads = 1; threads <= 4; threads++) {
        runner r;
        runner_open(&r, path, &(glim_model_params){.type = type, .kernels = k, .kv_type = kv_type}, threads, 640, 1024);
        v = r.m->cfg.n_vocab;
        make_ids(ids, n, v, 7);
        float *got = calloc(n * v, sizeof *got);
        static const size_t slices[] = {513, 64, 7, 1};
        for (size_t s = 0; s < GLIM_COUNT(slices); s++) {
            /* One pass of every slice size, every thread count with some: the pairs are what costs. */
            static const int with[2][4] = {{1 | 8, 2 | 4, 2 | 8, 2}, {1, 4, 2, 0}};
            if (!(with[QUICK][s] >> (threads - 1) & 1)) continue;
            glim_kv_seq seq;
            CHECK_OK(glim_kv_seq_init(&seq, &r.kv, 1024, &r.err), r.err);
            runner_feed(&r, &seq, ids, n, slices[s], got);
            glim_kv_seq_deinit(&seq);
            if (!want) want = memcpy(calloc(n * v, sizeof *want), got, n * v * sizeof *want);
            else same_bits(got, want, n * v, name, slices[s], threads);
        }
        free(got);
        runner_close(&r);
    }
    free(want);
}

/* The set in use over n positions, the others over enough to cross a chunk. */
static void every_set(const char *name, int type, int kv_type, size_t n) {
    for (size_t s = 0; s < GLIM_COUNT(g_sets); s++) {
        const glim_kernels *k = glim_kernels_find(g_sets[s]);
        if (k) slices_and_threads(name, k, type, kv_type, k == glim_kernels_get() ? n : 270 < n ? 270 : n);
    }
}

TEST(dense_f32_rows_do_not_depend_on_slices_or_threads) { every_set("glm4", 1 + GLIM_F32, 0, N_LONG); }
TEST(dense_bf16_rows_do_not_depend_on_slices_or_threads) { every_set("glm", 0, 0, N_SHORT); }
TEST(moe_rows_do_not_depend_on_slices_or_threads) { every_set("glm4moe-air", 0, 0, N_SHORT); }
TEST(grouped_moe_rows_do_not_depend_on_slices_or_threads) { every_set("glm4moe-355b", 1 + GLIM_F32, 0, QUICK ? 100 : 300); }
TEST(rows_over_q8_pages_do_not_depend_on_slices_or_threads) { every_set("llama", 0, 1 + GLIM_I8, 300); }

/* Three sequences of different lengths, prefill slices and decode steps mixed in one batch, against each
 * alone. */
static void company(const char *name, const glim_kernels *k) {
    char path[256];
    snprintf(path, sizeof path, "tests/fixtures/%s", name);
    enum { N_SEQ = 3, LEN = 80 };
    runner r;
    runner_open(&r, path, &(glim_model_params){.kernels = k}, 2, 128, 1024);
    size_t v = r.m->cfg.n_vocab;
    int32_t ids[N_SEQ][LEN];
    float *alone[N_SEQ], *mixed[N_SEQ];
    glim_kv_seq seq[N_SEQ], *seqs[N_SEQ];
    for (int s = 0; s < N_SEQ; s++) {
        make_ids(ids[s], LEN, v, (uint32_t)s + 1);
        alone[s] = calloc(LEN * v, sizeof(float));
        mixed[s] = calloc(LEN * v, sizeof(float));
        glim_kv_seq one;
        CHECK_OK(glim_kv_seq_init(&one, &r.kv, 256, &r.err), r.err);
        runner_feed(&r, &one, ids[s], LEN, LEN, alone[s]);
        glim_kv_seq_deinit(&one);
        CHECK_OK(glim_kv_seq_init(&seq[s], &r.kv, 256, &r.err), r.err);
        seqs[s] = &seq[s];
    }
    /* Each round gives sequence s a slice of its own size: 1, 5, 13; when one is done the others go on. */
    static const size_t share[N_SEQ] = {1, 5, 13};
    for (;;) {
        glim_row rows[32];
        size_t n = 0, from[N_SEQ];
        for (int s = N_SEQ - 1; s >= 0; s--) { /* another order than the pages were made in */
            from[s] = seq[s].n_pos;
            size_t take = LEN - from[s] < share[s] ? LEN - from[s] : share[s];
            CHECK_OK(glim_kv_reserve(&seq[s], from[s] + take, &r.err), r.err);
            for (size_t i = 0; i < take; i++)
                rows[n++] = (glim_row){ids[s][from[s] + i], (int32_t)(from[s] + i), (uint32_t)s, true};
        }
        if (n == 0) break;
        const float *logits;
        CHECK_OK(glim_forward(r.m, r.ws, &(glim_batch){rows, n, seqs, N_SEQ}, &logits, &r.err), r.err);
        for (size_t i = 0; i < n; i++)
            memcpy(mixed[rows[i].seq] + (size_t)rows[i].pos * v, logits + i * v, v * sizeof(float));
    }
    for (int s = 0; s < N_SEQ; s++) {
        same_bits(mixed[s], alone[s], LEN * v, name, share[s], 2);
        glim_kv_seq_deinit(&seq[s]);
        free(alone[s]);
        free(mixed[s]);
    }
    CHECK(r.kv.n_free == r.kv.n_pages);
    runner_close(&r);
}

TEST(a_row_does_not_depend_on_its_batch_company) {
    static const char *const names[] = {"glm4", "glm4moe-air", "glm4moe-355b", "chatglm", "qwen3"};
    for (size_t i = 0; i < GLIM_COUNT(names); i++)
        for (size_t s = 0; s < GLIM_COUNT(g_sets); s++) {
            const glim_kernels *k = glim_kernels_find(g_sets[s]);
            /* Under sanitizers the families behind the second are for the set in use only. */
            if (k && (!QUICK || i < 2 || k == glim_kernels_get())) company(names[i], k);
        }
}

TEST(a_forked_sequence_gives_the_bits_of_its_own_prefill) {
    runner r;
    runner_open(&r, "tests/fixtures/glm4", &(glim_model_params){0}, 2, 128, 1024);
    size_t v = r.m->cfg.n_vocab;
    int32_t ids[150];
    make_ids(ids, 150, v, 3);
    float *want = calloc(150 * v, sizeof *want), *got = calloc(150 * v, sizeof *got);
    glim_kv_seq a, b;
    CHECK_OK(glim_kv_seq_init(&a, &r.kv, 256, &r.err), r.err);
    CHECK_OK(glim_kv_seq_init(&b, &r.kv, 256, &r.err), r.err);
    runner_feed(&r, &a, ids, 150, 100, want);
    CHECK_OK(glim_kv_fork(&b, &a, 100, &r.err), r.err); /* inside a page: the first write copies it */
    runner_feed(&r, &b, ids + 100, 50, 50, got + 100 * v);
    same_bits(got + 100 * v, want + 100 * v, 50 * v, "fork", 50, 2);
    glim_kv_truncate(&a, 70);
    runner_feed(&r, &a, ids + 70, 80, 80, got + 70 * v);
    same_bits(got + 70 * v, want + 70 * v, 80 * v, "truncate", 80, 2);
    glim_kv_seq_deinit(&a);
    glim_kv_seq_deinit(&b);
    CHECK(r.kv.n_free == r.kv.n_pages);
    free(want);
    free(got);
    runner_close(&r);
}

TEST(a_wrong_batch_is_refused_before_anything_changes) {
    runner r;
    runner_open(&r, "tests/fixtures/glm4", &(glim_model_params){0}, 1, 8, 128);
    glim_kv_seq s, *seqs[] = {&s};
    CHECK_OK(glim_kv_seq_init(&s, &r.kv, 128, &r.err), r.err);
    const float *logits;
    glim_row row = {.token = 1};
    CHECK(glim_forward(r.m, r.ws, &(glim_batch){&row, 1, seqs, 1}, &logits, &r.err) == GLIM_E_ARG); /* no page */
    CHECK_OK(glim_kv_reserve(&s, 64, &r.err), r.err);
    glim_row bad[] = {{.token = -1}, {.token = 1 << 30}, {.token = 1, .pos = 1}, {.token = 1, .seq = 1}, {.token = 1, .pos = -1}};
    for (size_t i = 0; i < GLIM_COUNT(bad); i++) {
        CHECK(glim_forward(r.m, r.ws, &(glim_batch){&bad[i], 1, seqs, 1}, &logits, &r.err) == GLIM_E_ARG);
        CHECK(s.n_pos == 0);
    }
    glim_row nine[9] = {0};
    for (int i = 0; i < 9; i++) nine[i].pos = i;
    CHECK(glim_forward(r.m, r.ws, &(glim_batch){nine, 9, seqs, 1}, &logits, &r.err) == GLIM_E_ARG);
    CHECK_OK(glim_forward(r.m, r.ws, &(glim_batch){&row, 1, seqs, 1}, &logits, &r.err), r.err);
    CHECK(glim_kv_reserve(&s, 129, &r.err) == GLIM_E_LIMIT);
    glim_kv_seq_deinit(&s);
    runner_close(&r);
}
