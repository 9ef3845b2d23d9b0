/* The scheduler in a simulation: a virtual clock, seeded arrivals, cancels, readers that stay away, few pages,
 * priorities, forks, tenants, guesses. As the engine thread does, it sleeps after a step that found nothing to do until
 * its bell is rung. After every step the books are checked; at the end of every run no page is gone, nobody starved or
 * slept on, and every stream's events came in order. 200 seeds; GLIM_SOAK=1: 10,000, of which GLIM_SIM_FROM and
 * GLIM_SIM_TO may choose a part. */
#include <limits.h>

#include "engine/sched_internal.h"
#include "sched_rig.h"

static double g_now;
static double virtual_now(void *ctx) {
    (void)ctx;
    return g_now;
}

enum { MAX_REQUESTS = 40 };

typedef struct sim_request {
    answer a;
    int32_t ids[220];
    glim_request q;
    double arrive, cancel;   /* cancel < 0: never */
    int lazy, few;           /* reads only every so many steps, and then so many events */
    bool submitted, refused, cancelled, closed;
} sim_request;

static void plan(sim_request *s, glim_rng *rng, const int32_t *common) {
    memset(s, 0, sizeof *s);
    size_t n = 1 + (size_t)glim_rng_below(rng, glim_rng_below(rng, 3) ? 40 : 200);
    for (size_t i = 0; i < n; i++) s->ids[i] = (int32_t)glim_rng_below(rng, 300);
    if (glim_rng_below(rng, 2)) memcpy(s->ids, common, (size_t)glim_rng_below(rng, n + 1) * sizeof *common);
    static const char *const tenants[] = {NULL, "x", "y"};
    static const glim_task tasks[] = {GLIM_TASK_GENERATE, GLIM_TASK_GENERATE, GLIM_TASK_GENERATE, GLIM_TASK_GENERATE, GLIM_TASK_SCORE, GLIM_TASK_EMBED};
    s->q = (glim_request){.task = tasks[glim_rng_below(rng, 6)], .prompt = s->ids, .n_prompt = n, .max_tokens = 1 + (size_t)glim_rng_below(rng, 30),
                          .sample = {.temperature = glim_rng_below(rng, 2) ? 1.0 : 0, .seed = glim_rng_below(rng, 9)},
                          .priority = (int)glim_rng_below(rng, 5) - 2, .tenant = tenants[glim_rng_below(rng, 3)],
                          .ignore_stop_ids = glim_rng_below(rng, 2), .no_prefix = glim_rng_below(rng, 8) == 0};
    if (s->q.task == GLIM_TASK_GENERATE) {
        s->q.n = glim_rng_below(rng, 5) ? 1 : 1 + (uint32_t)glim_rng_below(rng, 4);
        s->q.logprobs = glim_rng_below(rng, 6) == 0;
        s->q.prompt_logprobs = glim_rng_below(rng, 10) == 0;
    }
    /* Large events: rings fill up. */
    if ((s->q.logprobs || s->q.prompt_logprobs || s->q.task == GLIM_TASK_SCORE) && glim_rng_below(rng, 2)) s->q.top_logprobs = 20;
    s->arrive = glim_rng_uniform(rng) * 2;
    s->cancel = glim_rng_below(rng, 5) ? -1 : s->arrive + glim_rng_uniform(rng);
    s->lazy = glim_rng_below(rng, 6) ? 1 : 1 + (int)glim_rng_below(rng, 40);
    s->few = glim_rng_below(rng, 4) ? INT_MAX : 1 + (int)glim_rng_below(rng, 30);
}

static void run_seed(rig *r, uint64_t seed) {
    glim_rng rng = {.seed = seed};
    static sim_request all[MAX_REQUESTS];
    int n = 5 + (int)glim_rng_below(&rng, MAX_REQUESTS - 5), left = n;
    int32_t common[220];
    for (int i = 0; i < 220; i++) common[i] = (int32_t)glim_rng_below(&rng, 300);
    for (int i = 0; i < n; i++) plan(&all[i], &rng, common);
    size_t max_running = 1 + (size_t)glim_rng_below(&rng, 12), max_waiting = 1 + (size_t)glim_rng_below(&rng, 30);
    g_now = 100;
    rig_sched(r, &(glim_sched_params){.max_running = max_running, .max_waiting = max_waiting, .slice_rows = 8 + (size_t)glim_rng_below(&rng, 60),
                                      .prefix_bytes = glim_rng_below(&rng, 3) ? 0 : 3 * r->e->kv.page_bytes, .no_prefix = glim_rng_below(&rng, 6) == 0,
                                      .max_draft = glim_rng_below(&rng, 3) ? 4 : -1, .always_draft = glim_rng_below(&rng, 2),
                                      .level_s = 0.1, .now = virtual_now});
    int idle = 0;
    size_t most_prefix = r->d->p.prefix_bytes ? r->d->p.prefix_bytes / r->e->kv.page_bytes : r->e->kv.n_pages;
    bool asleep = false;
    uint32_t heard = 0;
    for (int step = 0; left > 0; step++) {
        CHECK_MSG(step < 60000, "seed %zu: %d of %d requests have not ended", (size_t)seed, left, n);
        for (int i = 0; i < n; i++) {
            sim_request *s = &all[i];
            if (!s->submitted && !s->refused && g_now - 100 >= s->arrive) {
                s->q.user = &s->a;
                s->q.outbox = r->box;
                s->a.whole = true;
                glim_status rc = glim_sched_submit(r->d, &s->q, &s->a.s, &r->err);
                CHECK_MSG(rc == GLIM_OK || rc == GLIM_E_STATE, "seed %zu: %s", (size_t)seed, r->err.msg);
                s->submitted = rc == GLIM_OK;
                s->refused = rc == GLIM_E_STATE;
                left -= s->refused;
            }
            if (s->submitted && !s->cancelled && s->cancel >= 0 && g_now - 100 >= s->cancel && !s->a.ended)
                s->cancelled = true, glim_stream_cancel(s->a.s);
        }
        bool any = false;
        if (!asleep || atomic_load(&r->d->bell->rung) != heard) {
            heard = atomic_load(&r->d->bell->rung);
            any = glim_sched_step(r->d);
            asleep = !any;
        }
        g_now += 0.001 + 0.01 * glim_rng_uniform(&rng);
        glim_sched_stats st;
        glim_sched_stats_get(r->d, &st);
        CHECK_MSG(st.running <= max_running && st.waiting <= max_waiting, "seed %zu: %zu running, %zu waiting", (size_t)seed, st.running, st.waiting);
        CHECK(st.kv_used <= st.kv_pages && st.kv_prefix <= st.kv_used);
        CHECK(!r->d->prefix || glim_prefix_pages(r->d->prefix) <= most_prefix);
        bool read = false;
        while (glim_outbox_next(r->box)) {} /* each reads at its own pace below */
        for (int i = 0; i < n; i++) {
            sim_request *s = &all[i];
            if (!s->submitted || s->a.ended || step % s->lazy) continue;
            glim_event ev;
            for (int k = 0; k < s->few && glim_stream_next(s->a.s, &ev); k++, read = true) answer_take(&s->a, &ev);
            left -= s->a.ended;
        }
        /* Nothing to do although somebody waits is allowed only while a reader stays away. */
        idle = any || read ? 0 : idle + 1;
        CHECK_MSG(idle < 500 || left == 0, "seed %zu: the scheduler sleeps on %d requests", (size_t)seed, left);
    }
    for (int i = 0; i < n; i++) {
        sim_request *s = &all[i];
        if (s->refused) continue;
        const answer *a = &s->a;
        CHECK(a->status == GLIM_OK || (a->status == GLIM_E_CANCELLED && s->cancelled));
        size_t total = 0;
        for (uint32_t k = 0; k < RIG_CHOICES; k++) total += a->ids[k].n;
        CHECK(total == a->usage.n_completion && a->usage.n_prompt == s->q.n_prompt && a->usage.n_cached < s->q.n_prompt + 1);
        if (a->status == GLIM_OK && s->q.task == GLIM_TASK_GENERATE)
            for (uint32_t k = 0; k < (s->q.n ? s->q.n : 1); k++)
                CHECK(a->finished[k] && a->ids[k].n >= 1 && a->ids[k].n <= s->q.max_tokens &&
                      (a->finish[k] == GLIM_FINISH_STOP || a->ids[k].n == s->q.max_tokens || a->finish[k] == GLIM_FINISH_TOOL_CALLS));
        if (a->status == GLIM_OK && (s->q.task == GLIM_TASK_SCORE || s->q.prompt_logprobs)) CHECK(a->n_prompt_events == s->q.n_prompt);
        if (a->status == GLIM_OK && s->q.task == GLIM_TASK_EMBED) CHECK(a->n_values == r->e->model->cfg.n_embd);
        answer_free(&s->a);
    }
    glim_sched_step(r->d);
    glim_sched_stats st;
    glim_sched_stats_get(r->d, &st);
    CHECK(glim_sched_idle(r->d) && st.running == 0 && st.waiting == 0 && st.stalled == 0 && st.kv_used == st.kv_prefix);
    CHECK(st.requests == st.finished + st.cancelled && st.failed == 0);
    glim_sched_close(r->d);
    r->d = NULL;
    CHECK_MSG(r->e->kv.n_free == r->e->kv.n_pages, "seed %zu: pages are gone", (size_t)seed);
}

TEST(two_hundred_worlds_end_with_every_page_back_and_nobody_starved) {
    rig tight, wide;
    rig_engine(&tight, "llama-tied", 256, 6, 48, 12);
    rig_engine(&wide, "llama-tied", 256, 60, 64, 12);
    const char *from = getenv("GLIM_SIM_FROM"), *to = getenv("GLIM_SIM_TO");
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
    const uint64_t every = getenv("GLIM_SOAK") ? 1 : 4; /* ten times slower, and they look for other things */
#else
    const uint64_t every = 1;
#endif
    uint64_t n = to ? strtoull(to, NULL, 10) : getenv("GLIM_SOAK") ? 10000 : 200;
    for (uint64_t seed = from ? strtoull(from, NULL, 10) : 0; seed < n; seed += every) run_seed(seed % 3 ? &tight : &wide, seed);
    rig_close(&tight);
    rig_close(&wide);
}
