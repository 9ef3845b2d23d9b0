/* The scheduler when things go wrong at the worst moment: memory refused at any allocation, forks that fail, readers
 * that leave in the middle of a step, cancels that nobody has seen yet. */
#include <dirent.h>

#include "engine/sched_internal.h"
#include "sched_rig.h"

static void fill(int32_t *ids, size_t n, uint64_t seed) {
    glim_rng rng = {.seed = seed};
    for (size_t i = 0; i < n; i++) ids[i] = (int32_t)glim_rng_below(&rng, 300);
}

/* A mask that allows everything, counts its copies, and lets a test do something at a fork. */
typedef struct free_mask {
    int *n_alive;
    int *fails_at; /* the fork that fails, 0: none */
    glim_stream **leaves; /* closed at that moment */
} free_mask;
static const uint32_t *no_limit(void *ctx, glim_err *err) {
    (void)ctx, (void)err;
    return NULL;
}
static bool go_on(void *ctx, int32_t id) {
    (void)ctx, (void)id;
    return true;
}
static void *copy_mask(void *ctx) {
    free_mask *m = ctx;
    if (*m->fails_at > 0 && --*m->fails_at == 0) {
        if (m->leaves) glim_stream_close(*m->leaves);
        return NULL;
    }
    free_mask *copy = malloc(sizeof *copy);
    *copy = *m;
    ++*m->n_alive;
    return copy;
}
static void free_copy(void *ctx) {
    --*((free_mask *)ctx)->n_alive;
    free(ctx);
}

TEST(a_cancel_before_the_engine_has_seen_the_request_ends_it) {
    rig r;
    rig_engine(&r, "glm4", 256, 0, 0, 8);
    rig_sched(&r, &(glim_sched_params){0});
    int32_t ids[20];
    fill(ids, 20, 1);
    answer a;
    rig_submit(&r, &a, (glim_request){.prompt = ids, .n_prompt = 20, .ignore_stop_ids = true});
    glim_stream_cancel(a.s);
    /* A step that had taken the inbox before, and looks at the count of cancels only now. */
    r.d->cancels_seen = atomic_load(&r.d->bell->cancels);
    glim_sched_step(r.d);
    rig_read(&r);
    CHECK(a.ended && a.status == GLIM_E_CANCELLED && a.usage.n_completion == 0 && glim_sched_idle(r.d));
    answer_free(&a);
    rig_close(&r);
}

TEST(a_fork_that_fails_ends_its_request_even_when_the_reader_leaves_at_that_moment) {
    rig r;
    rig_engine(&r, "glm4", 256, 0, 0, 16);
    int32_t ids[100];
    fill(ids, 100, 2);
    for (int at = 1; at <= 3; at++)
        for (int leaves = 0; leaves < 2; leaves++) {
            int alive = 0, fails_at = 0;
            glim_stream *gone = NULL;
            rig_sched(&r, &(glim_sched_params){.max_draft = -1});
            free_mask proto = {.n_alive = &alive, .fails_at = &fails_at, .leaves = leaves ? &gone : NULL};
            answer a, b;
            rig_submit(&r, &b, (glim_request){.prompt = ids, .n_prompt = 30, .max_tokens = 20, .ignore_stop_ids = true});
            rig_submit(&r, &a, (glim_request){.prompt = ids, .n_prompt = 100, .n = 4, .max_tokens = 20, .sample.temperature = 1, .ignore_stop_ids = true,
                                              .mask = {copy_mask(&proto), no_limit, go_on, copy_mask, free_copy}});
            gone = a.s;
            fails_at = at;
            if (leaves) { /* what is closed is ours no more */
                a.s = NULL;
                for (int i = 0; i < 100 && !b.ended; i++) {
                    glim_sched_step(r.d);
                    rig_read(&r);
                }
            } else {
                rig_run(&r, &a);
                CHECK(a.status == GLIM_E_NOMEM && strstr(a.message, "copied") && a.finish[0] == GLIM_FINISH_ERROR);
                rig_run(&r, &b);
            }
            CHECK(fails_at == 0 && b.ended && b.status == GLIM_OK && b.ids[0].n == 20 && glim_sched_idle(r.d));
            answer_free(&a);
            answer_free(&b);
            CHECK(alive == 0);
            glim_sched_close(r.d);
            r.d = NULL;
            CHECK(r.e->kv.n_free == r.e->kv.n_pages);
        }
    rig_close(&r);
}

/* ---- memory refused ---- */

static void empty_folder(const char *dir) {
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        char path[512];
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        unlink(path);
    }
    if (d) closedir(d);
}

enum { N_KINDS = 4 };

/* Four requests of different kinds, the k-th allocation from the first submit on refused (0: none). */
static size_t run_with_refusal(rig *r, const char *dir, long k, answer want[N_KINDS]) {
    int alive = 0, never = 0;
    size_t n_refused = 0;
    int32_t ids[150];
    fill(ids, 150, 3);
    const char *stops[] = {"never to be seen"};
    /* Opening snapshots hashes this program: with every fourth is enough. */
    rig_sched(r, &(glim_sched_params){.snapshot_dir = k % 4 ? NULL : dir, .slice_rows = 48});
    CHECK_OK(glim_sched_add_adapter(r->d, "a", glim_test_source("tests/fixtures/adapters/glm4-all"), &r->err), r->err);
    free_mask proto = {.n_alive = &alive, .fails_at = &never};
    glim_request q[N_KINDS] = {
        {.prompt = ids, .n_prompt = 140, .n = 3, .max_tokens = 12, .stop = stops, .n_stop = 1, .ignore_stop_ids = true,
         .sample = {.temperature = 1, .seed = 5, .presence_penalty = 0.5, .repetition_penalty = 1.1}, .mask = {NULL, no_limit, go_on, copy_mask, free_copy}},
        {.prompt = ids, .n_prompt = 150, .max_tokens = 12, .adapter = "a", .ignore_stop_ids = true, .tenant = "t"},
        {.task = GLIM_TASK_SCORE, .prompt = ids, .n_prompt = 130},
        {.task = GLIM_TASK_EMBED, .prompt = ids, .n_prompt = 130}};
    answer a[N_KINDS];
    void *mask = copy_mask(&proto);
    for (int i = 0; i < N_KINDS; i++) {
        memset(&a[i], 0, sizeof a[i]);
        a[i].whole = true;
        for (int c = 0; c < RIG_CHOICES; c++) { /* gathering answers allocates nothing that could be refused */
            for (int n = 0; n < 20; n++) CHECK(glim_ids_push(&a[i].ids[c], 0, NULL) == GLIM_OK);
            a[i].ids[c].n = 0;
            glim_buf_reserve(&a[i].text[c], 2000);
        }
    }
    glim_alloc_fail_after(k);
    for (int i = 0; i < N_KINDS; i++) {
        q[i].user = &a[i];
        q[i].outbox = r->box;
        if (i == 0) q[i].mask.ctx = mask;
        glim_status rc = glim_sched_submit(r->d, &q[i], &a[i].s, &r->err);
        CHECK(rc == GLIM_OK || (rc == GLIM_E_NOMEM && !a[i].s));
        if (rc == GLIM_OK) continue;
        a[i].ended = true;
        a[i].status = rc;
        if (i == 0) free_copy(mask); /* on an error it stays the caller's */
    }
    for (int i = 0; i < N_KINDS; i++)
        if (a[i].s) rig_run(r, &a[i]);
    glim_alloc_fail_after(0);
    for (int i = 0; i < N_KINDS; i++) {
        CHECK(a[i].status == GLIM_OK || a[i].status == GLIM_E_NOMEM);
        n_refused += a[i].status != GLIM_OK;
        if (k == 0) want[i] = a[i], glim_stream_close(a[i].s), want[i].s = NULL;
        else if (a[i].status == GLIM_OK) { /* what did not end is what it always is */
            for (int c = 0; c < RIG_CHOICES; c++) check_same_ids("after a refusal", a[i].ids[c].v, a[i].ids[c].n, want[i].ids[c].v, want[i].ids[c].n);
            CHECK(a[i].n_prompt_events == want[i].n_prompt_events && a[i].n_values == want[i].n_values &&
                  memcmp(a[i].prompt_lp + 1, want[i].prompt_lp + 1, sizeof a[i].prompt_lp - sizeof(float)) == 0);
            if (a[i].n_values) CHECK(memcmp(a[i].values, want[i].values, a[i].n_values * sizeof(float)) == 0);
        }
        if (k) answer_free(&a[i]);
    }
    CHECK(alive == 0 && glim_sched_idle(r->d));
    glim_sched_stats st;
    glim_sched_stats_get(r->d, &st);
    CHECK(st.running == 0 && st.waiting == 0 && st.kv_used == st.kv_prefix);
    glim_sched_close(r->d);
    r->d = NULL;
    CHECK_MSG(r->e->kv.n_free == r->e->kv.n_pages, "refusal %ld: pages are gone", k);
    return n_refused;
}

TEST(memory_refused_at_any_moment_ends_requests_and_nothing_else) {
    rig r;
    char dir[] = "/tmp/glim-refused-XXXXXX";
    CHECK(mkdtemp(dir) != NULL);
    rig_engine(&r, "glm4", 256, 0, 64, 16);
    answer want[N_KINDS];
    CHECK(run_with_refusal(&r, dir, 0, want) == 0);
    size_t n_refused = 0, last = 0;
    for (long k = 1; k <= 90; k++) {
        empty_folder(dir);
        last = run_with_refusal(&r, dir, k, want);
        n_refused += last;
    }
    CHECK_MSG(n_refused >= 25 && last == 0, "%zu requests were refused, %zu by the last", n_refused, last);
    for (int i = 0; i < N_KINDS; i++) answer_free(&want[i]);
    empty_folder(dir);
    CHECK(rmdir(dir) == 0);
    rig_close(&r);
}
