/* The scheduler: whatever the company, the slices, the cached prefixes and the guesses, a request's answer is
 * the one it gets alone. */
#include "sched_rig.h"

static void fill(int32_t *ids, size_t n, uint64_t seed) {
    glim_rng rng = {.seed = seed};
    for (size_t i = 0; i < n; i++) ids[i] = (int32_t)glim_rng_below(&rng, 300);
}

TEST(one_request_says_what_a_session_says) {
    static const char *const fixtures[] = {"glm4", "chatglm", "glm4moe-air", "llama"};
    for (size_t f = 0; f < GLIM_COUNT(fixtures); f++) {
        rig r, ref;
        rig_threads = 2;
        rig_engine(&r, fixtures[f], 256, 0, 0, 8);
        rig_threads = 1;
        rig_engine(&ref, fixtures[f], 256, 0, 0, 8);
        rig_sched(&r, &(glim_sched_params){.slice_rows = 16});
        for (uint64_t k = 0; k < 6; k++) {
            int32_t ids[150];
            size_t n = 1 + (size_t)k * 29;
            fill(ids, n, k);
            glim_gen_params p = {.max_tokens = 30, .ignore_stop_ids = k % 2 == 0, .raw_special = true,
                                 .sample = {.temperature = k % 3 ? 0.8 : 0, .top_p = 0.9, .seed = k, .repetition_penalty = k % 2 ? 1.3 : 0}};
            glim_gen_result want = alone(&ref, ids, n, &p);
            answer a;
            rig_submit(&r, &a, (glim_request){.prompt = ids, .n_prompt = n, .max_tokens = 30, .sample = p.sample,
                                              .ignore_stop_ids = p.ignore_stop_ids, .raw_special = true});
            rig_run(&r, &a);
            check_same_ids(fixtures[f], a.ids[0].v, a.ids[0].n, want.ids.v, want.ids.n);
            CHECK(a.status == GLIM_OK && a.finished[0] && a.finish[0] == want.finish && a.whole);
            CHECK(a.text[0].len == want.text.len && memcmp(glim_buf_cstr(&a.text[0]), glim_buf_cstr(&want.text), want.text.len) == 0);
            CHECK(a.usage.n_prompt == n && a.usage.n_completion == want.ids.n);
            glim_gen_result_free(&want);
            answer_free(&a);
        }
        rig_close(&r);
        glim_engine_free(ref.e);
    }
}

/* ---- company ---- */

typedef struct job {
    int32_t ids[400];
    size_t n;
    glim_gen_params p;
    int arrive;
} job;

static void random_job(job *j, glim_rng *rng, const int32_t *common, size_t n_common) {
    j->n = 1 + (size_t)glim_rng_below(rng, glim_rng_below(rng, 4) == 0 ? 300 : 60);
    for (size_t i = 0; i < j->n; i++) j->ids[i] = (int32_t)glim_rng_below(rng, 300);
    if (glim_rng_below(rng, 2) == 0) { /* a common beginning, whole or in part */
        size_t k = (size_t)glim_rng_below(rng, n_common + 1);
        if (k > j->n) k = j->n;
        memcpy(j->ids, common, k * sizeof *common);
    }
    bool greedy = glim_rng_below(rng, 2) == 0, penal = glim_rng_below(rng, 4) == 0;
    j->p = (glim_gen_params){.max_tokens = 1 + (size_t)glim_rng_below(rng, 40), .ignore_stop_ids = glim_rng_below(rng, 3) > 0,
                             .raw_special = true,
                             .sample = {.temperature = greedy ? 0 : 1.1, .top_k = (int)glim_rng_below(rng, 3) * 20, .seed = glim_rng_below(rng, 1000),
                                        .repetition_penalty = penal ? 1.2 : 0, .frequency_penalty = penal ? 0.5 : 0}};
    j->arrive = (int)glim_rng_below(rng, 60);
}

TEST(an_answer_is_the_same_in_any_company) {
    enum { N = 24 };
    const int rounds = getenv("GLIM_SOAK") ? 100 : 4;
    rig ref;
    rig_engine(&ref, "glm4", 512, 0, 0, 8);
    int32_t common[300];
    fill(common, 300, 77);
    for (int round = 0; round < rounds; round++) {
        glim_rng rng = {.seed = 1000 + (uint64_t)round};
        rig r;
        /* Few pages in every other round: sequences are parked and read again. */
        rig_threads = 1 + round / 2 % 2;
        rig_engine(&r, "glm4", 512, round % 2 ? 20 : 0, 64, 16);
        rig_threads = 1;
        rig_sched(&r, &(glim_sched_params){.max_running = 10, .slice_rows = 24, .max_draft = round % 2 ? 4 : -1, .always_draft = true,
                                           .no_prefix = round % 4 == 2});
        job *jobs = calloc(N, sizeof *jobs);
        answer *a = calloc(N, sizeof *a);
        for (int i = 0; i < N; i++) random_job(&jobs[i], &rng, common, 300);
        int left = N;
        for (int step = 0; left > 0; step++) {
            CHECK(step < 20000);
            for (int i = 0; i < N; i++)
                if (jobs[i].arrive == step)
                    rig_submit(&r, &a[i], (glim_request){.prompt = jobs[i].ids, .n_prompt = jobs[i].n, .max_tokens = jobs[i].p.max_tokens,
                                                         .sample = jobs[i].p.sample, .ignore_stop_ids = jobs[i].p.ignore_stop_ids,
                                                         .raw_special = true, .priority = (int)glim_rng_below(&rng, 3)});
            glim_sched_step(r.d);
            rig_read(&r);
            left = 0;
            for (int i = 0; i < N; i++) left += !a[i].ended;
        }
        for (int i = 0; i < N; i++) {
            glim_gen_result want = alone(&ref, jobs[i].ids, jobs[i].n, &jobs[i].p);
            char what[64];
            snprintf(what, sizeof what, "round %d, request %d", round, i);
            check_same_ids(what, a[i].ids[0].v, a[i].ids[0].n, want.ids.v, want.ids.n);
            CHECK(a[i].finish[0] == want.finish && a[i].text[0].len == want.text.len && a[i].whole &&
                  memcmp(glim_buf_cstr(&a[i].text[0]), glim_buf_cstr(&want.text), want.text.len) == 0);
            glim_gen_result_free(&want);
            answer_free(&a[i]);
        }
        glim_sched_stats st;
        glim_sched_stats_get(r.d, &st);
        CHECK(st.finished == N && st.requests == N && st.running == 0 && st.waiting == 0);
        if (round % 2) CHECK_MSG(st.preemptions > 0 && st.draft_ok_tokens > 0, "preemptions %zu, guesses right %zu", (size_t)st.preemptions, (size_t)st.draft_ok_tokens);
        free(jobs);
        free(a);
        rig_close(&r);
    }
    glim_engine_free(ref.e);
}

/* ---- several answers from one prompt ---- */

TEST(choices_are_forked_from_one_prompt_and_each_is_the_answer_of_its_number) {
    rig r, ref;
    rig_engine(&ref, "glm4", 512, 0, 0, 8);
    for (int few = 0; few < 2; few++) { /* with places for all, and with fewer places than choices */
        rig_engine(&r, "glm4", 512, 0, 64, 8);
        rig_sched(&r, &(glim_sched_params){.max_running = few ? 2 : 8});
        int32_t ids[130];
        fill(ids, 130, 5);
        glim_sample_params sp = {.temperature = 1, .seed = 42, .choice = 10, .presence_penalty = 0.5};
        answer a;
        rig_submit(&r, &a, (glim_request){.prompt = ids, .n_prompt = 130, .n = 6, .max_tokens = 40, .sample = sp, .ignore_stop_ids = true});
        rig_run(&r, &a);
        CHECK(a.usage.n_prompt == 130 && a.usage.n_completion == 6 * 40);
        bool differ = false;
        for (uint32_t k = 0; k < 6; k++) {
            glim_gen_params p = {.max_tokens = 40, .ignore_stop_ids = true, .sample = sp};
            p.sample.choice = 10 + k;
            glim_gen_result want = alone(&ref, ids, 130, &p);
            check_same_ids("choice", a.ids[k].v, a.ids[k].n, want.ids.v, want.ids.n);
            CHECK(a.finish[k] == GLIM_FINISH_LENGTH);
            differ = differ || memcmp(a.ids[k].v, a.ids[0].v, 40 * sizeof(int32_t)) != 0;
            glim_gen_result_free(&want);
        }
        CHECK(differ);
        glim_sched_stats st;
        glim_sched_stats_get(r.d, &st);
        if (!few) CHECK_MSG(st.rows < 130 + 6 * 40 + 64, "%zu rows: the prompt was read more than once", (size_t)st.rows);
        answer_free(&a);
        rig_close(&r);
    }
    glim_engine_free(ref.e);
}

/* ---- prefixes ---- */

static size_t cached(rig *r, const int32_t *ids, size_t n, const char *tenant, const char *adapter, glim_ids *out) {
    answer a;
    rig_submit(r, &a, (glim_request){.prompt = ids, .n_prompt = n, .max_tokens = 12, .ignore_stop_ids = true, .tenant = tenant, .adapter = adapter});
    rig_run(r, &a);
    CHECK(a.status == GLIM_OK && a.ids[0].n == 12);
    size_t k = a.usage.n_cached;
    if (out->n == 0) {
        *out = a.ids[0];
        a.ids[0] = (glim_ids){0};
    } else {
        check_same_ids("with a cached prefix", a.ids[0].v, a.ids[0].n, out->v, out->n);
    }
    answer_free(&a);
    return k;
}

TEST(a_prefix_is_shared_inside_a_tenant_and_an_adapter_only) {
    rig r;
    rig_engine(&r, "glm4", 1024, 0, 0, 8);
    rig_sched(&r, &(glim_sched_params){0});
    CHECK_OK(glim_sched_add_adapter(r.d, "a", glim_test_source("tests/fixtures/adapters/glm4-all"), &r.err), r.err);
    CHECK_OK(glim_sched_add_adapter(r.d, "b", glim_test_source("tests/fixtures/adapters/glm4-rs"), &r.err), r.err);
    int32_t ids[300];
    fill(ids, 300, 9);
    glim_ids base = {0}, with_a = {0}, with_b = {0};
    CHECK(cached(&r, ids, 300, NULL, NULL, &base) == 0);
    CHECK(cached(&r, ids, 300, NULL, NULL, &base) == 256);
    CHECK(cached(&r, ids, 300, "", NULL, &base) == 256);   /* no tenant is the empty one */
    CHECK(cached(&r, ids, 300, "x", NULL, &base) == 0);    /* another tenant: computed, and the same answer */
    CHECK(cached(&r, ids, 300, "x", NULL, &base) == 256);
    CHECK(cached(&r, ids, 300, NULL, "a", &with_a) == 0);
    CHECK(cached(&r, ids, 300, NULL, "b", &with_b) == 0);
    CHECK(cached(&r, ids, 300, NULL, "a", &with_a) == 256);
    CHECK(cached(&r, ids, 300, "x", "a", &with_a) == 0);
    CHECK(memcmp(base.v, with_a.v, 12 * sizeof(int32_t)) != 0 && memcmp(with_b.v, with_a.v, 12 * sizeof(int32_t)) != 0);
    /* The same folder under another name is the same adapter; another folder under the same name is not. */
    CHECK_OK(glim_sched_add_adapter(r.d, "c", glim_test_source("tests/fixtures/adapters/glm4-all"), &r.err), r.err);
    CHECK(cached(&r, ids, 300, NULL, "c", &with_a) == 256);
    CHECK_OK(glim_sched_add_adapter(r.d, "a", glim_test_source("tests/fixtures/adapters/glm4-rs"), &r.err), r.err);
    CHECK(cached(&r, ids, 300, NULL, "a", &with_b) == 256);
    CHECK_OK(glim_sched_remove_adapter(r.d, "a", &r.err), r.err);
    CHECK(glim_sched_remove_adapter(r.d, "a", &r.err) == GLIM_E_NOT_FOUND);
    /* One that was pinned stays what it was, whatever became of its name. */
    struct glim_hot_adapter *pinned;
    CHECK_OK(glim_sched_pin_adapter(r.d, "c", &pinned, &r.err), r.err);
    CHECK_OK(glim_sched_add_adapter(r.d, "c", glim_test_source("tests/fixtures/adapters/glm4-rs"), &r.err), r.err);
    for (int removed = 0; removed < 2; removed++) {
        answer a;
        rig_submit(&r, &a, (glim_request){.prompt = ids, .n_prompt = 300, .max_tokens = 12, .ignore_stop_ids = true, .adapter = "c", .pinned = pinned});
        rig_run(&r, &a);
        check_same_ids("pinned", a.ids[0].v, a.ids[0].n, with_a.v, with_a.n);
        answer_free(&a);
        if (!removed) CHECK_OK(glim_sched_remove_adapter(r.d, "c", &r.err), r.err);
    }
    glim_sched_unpin_adapter(pinned);
    CHECK(glim_sched_pin_adapter(r.d, "c", &pinned, &r.err) == GLIM_E_NOT_FOUND && !pinned);
    glim_stream *s;
    CHECK(glim_sched_submit(r.d, &(glim_request){.prompt = ids, .n_prompt = 3, .adapter = "a", .outbox = r.box}, &s, &r.err) == GLIM_E_NOT_FOUND);
    glim_ids_free(&base);
    glim_ids_free(&with_a);
    glim_ids_free(&with_b);
    rig_close(&r);
}

TEST(whole_pages_of_a_prompt_are_used_and_its_last_token_is_always_read) {
    rig r;
    rig_engine(&r, "glm4", 1024, 0, 0, 8);
    rig_sched(&r, &(glim_sched_params){0});
    static const size_t lengths[] = {1, 63, 64, 65, 128, 129, 320};
    for (size_t i = 0; i < GLIM_COUNT(lengths); i++) {
        int32_t ids[400];
        size_t n = lengths[i];
        fill(ids, 400, 100 + i);
        glim_ids out = {0};
        CHECK(cached(&r, ids, n, NULL, NULL, &out) == 0);
        size_t k = cached(&r, ids, n, NULL, NULL, &out), want = n / 64 * 64 == n && n ? n - 1 : n / 64 * 64;
        CHECK_MSG(k == want, "%zu tokens: %zu from the cache, want %zu", n, k, want);
        /* A conversation goes on from the answer as well. */
        memcpy(ids + n, out.v, out.n * sizeof *ids);
        glim_ids more = {0};
        k = cached(&r, ids, n + out.n, NULL, NULL, &more);
        CHECK(k >= n / 64 * 64);
        glim_ids_free(&out);
        glim_ids_free(&more);
    }
    rig_close(&r);
}

TEST(the_tree_keeps_to_its_bytes_and_the_oldest_goes_first) {
    rig r;
    rig_engine(&r, "glm4", 512, 24, 0, 8);
    rig_sched(&r, &(glim_sched_params){.prefix_bytes = 8 * r.e->kv.page_bytes});
    glim_ids out[6] = {{0}};
    int32_t ids[6][200];
    for (int i = 0; i < 6; i++) {
        fill(ids[i], 200, 500 + (uint64_t)i);
        CHECK(cached(&r, ids[i], 200, NULL, NULL, &out[i]) == 0); /* 3 pages each */
        glim_sched_stats st;
        glim_sched_stats_get(r.d, &st);
        CHECK(st.kv_prefix <= 8 && st.kv_used == st.kv_prefix);
    }
    CHECK(cached(&r, ids[5], 200, NULL, NULL, &out[5]) == 192 && cached(&r, ids[4], 200, NULL, NULL, &out[4]) == 192);
    CHECK(cached(&r, ids[0], 200, NULL, NULL, &out[0]) == 0);
    for (int i = 0; i < 6; i++) glim_ids_free(&out[i]);
    rig_close(&r);
}

/* ---- cancelling, bad requests ---- */

TEST(a_cancel_at_any_step_ends_the_request_before_the_next_and_leaves_nothing) {
    rig r;
    rig_engine(&r, "glm4", 512, 0, 64, 8);
    for (int at = 0; at < 30; at++) {
        rig_sched(&r, &(glim_sched_params){.slice_rows = 32, .no_prefix = true, .max_running = 4});
        int32_t ids[150];
        fill(ids, 150, (uint64_t)at);
        answer a, b;
        rig_submit(&r, &b, (glim_request){.prompt = ids, .n_prompt = 20, .max_tokens = 60, .ignore_stop_ids = true});
        rig_submit(&r, &a, (glim_request){.prompt = ids, .n_prompt = 150, .n = 3, .max_tokens = 15, .sample.temperature = 1, .ignore_stop_ids = true});
        for (int i = 0; i < at; i++) glim_sched_step(r.d), rig_read(&r);
        bool early = !a.ended;
        glim_stream_cancel(a.s);
        glim_sched_step(r.d);
        rig_read(&r);
        CHECK(a.ended && (!early || a.status == GLIM_E_CANCELLED));
        for (int k = 0; k < 3; k++) CHECK(!a.finished[k] || !early || a.finish[k] == GLIM_FINISH_CANCELLED || a.finish[k] == GLIM_FINISH_LENGTH);
        glim_sched_stats st;
        glim_sched_stats_get(r.d, &st);
        CHECK(st.running == 1 && st.waiting == 0 && st.kv_used <= 2);
        rig_run(&r, &b);
        CHECK(b.status == GLIM_OK && b.ids[0].n == 60);
        answer_free(&a);
        answer_free(&b);
        glim_sched_close(r.d);
        CHECK(r.e->kv.n_free == r.e->kv.n_pages);
        r.d = NULL;
    }
    rig_close(&r);
}

TEST(a_choice_of_which_the_reader_has_enough_ends_before_the_next_step_and_the_others_go_on) {
    rig r;
    rig_engine(&r, "glm4", 512, 0, 64, 8);
    int32_t ids[20];
    fill(ids, 20, 3);
    for (int at = 0; at < 12; at++) {
        rig_sched(&r, &(glim_sched_params){.slice_rows = 32, .no_prefix = true, .max_running = at % 2 ? 2 : 4});
        answer alone, a;
        glim_request q = {.prompt = ids, .n_prompt = 20, .n = 3, .max_tokens = 15, .sample.temperature = 1, .ignore_stop_ids = true};
        rig_submit(&r, &alone, q);
        rig_run(&r, &alone);
        rig_submit(&r, &a, q);
        for (int i = 0; i < at; i++) glim_sched_step(r.d), rig_read(&r);
        size_t had = a.ids[1].n;
        glim_stream_enough(a.s, 1);
        glim_stream_enough(a.s, 1);
        glim_stream_enough(a.s, 77); /* there is none */
        if (had) {
            glim_sched_step(r.d);
            rig_read(&r);
            CHECK(a.finished[1] && a.ids[1].n == had && !a.ended);
        }
        rig_run(&r, &a);
        CHECK(a.status == GLIM_OK && a.finish[0] == GLIM_FINISH_LENGTH && a.finish[2] == GLIM_FINISH_LENGTH);
        CHECK(a.finish[1] == (had ? GLIM_FINISH_STOP : GLIM_FINISH_LENGTH) && a.usage.n_completion == 30 + a.ids[1].n);
        for (int k = 0; k < 3; k++) CHECK(memcmp(a.ids[k].v, alone.ids[k].v, a.ids[k].n * sizeof *ids) == 0);
        if (had) { /* and with the last one the request ends well */
            answer b;
            rig_submit(&r, &b, q);
            while (b.ids[0].n == 0 || b.ids[1].n == 0 || b.ids[2].n == 0) glim_sched_step(r.d), rig_read(&r);
            for (uint32_t k = 0; k < 3; k++) glim_stream_enough(b.s, k);
            rig_run(&r, &b);
            CHECK(b.status == GLIM_OK && b.finish[2] == GLIM_FINISH_STOP && b.usage.n_completion < 45);
            answer_free(&b);
        }
        answer_free(&alone);
        answer_free(&a);
        glim_sched_close(r.d);
        CHECK(r.e->kv.n_free == r.e->kv.n_pages);
        r.d = NULL;
    }
    rig_close(&r);
}

TEST(a_reader_that_leaves_at_any_event_costs_nobody_anything) {
    rig r;
    rig_engine(&r, "glm4", 256, 0, 0, 8);
    rig_sched(&r, &(glim_sched_params){.no_prefix = true});
    int32_t ids[30];
    fill(ids, 30, 1);
    for (int at = 0; at < 14; at++) {
        glim_stream *s;
        glim_event ev;
        CHECK_OK(glim_sched_submit(r.d, &(glim_request){.prompt = ids, .n_prompt = 30, .max_tokens = 10, .ignore_stop_ids = true, .outbox = r.box}, &s, &r.err), r.err);
        int n = 0;
        while (n < at) {
            glim_sched_step(r.d);
            while (n < at && glim_stream_next(s, &ev)) n++;
            if (glim_sched_idle(r.d)) break;
        }
        glim_stream_close(s);
        glim_sched_step(r.d);
        CHECK(glim_sched_idle(r.d) && r.e->kv.n_free == r.e->kv.n_pages && !glim_outbox_next(r.box));
    }
    rig_close(&r);
}

TEST(what_makes_no_sense_is_refused_at_the_door) {
    rig r;
    rig_engine(&r, "glm4", 128, 0, 0, 4);
    rig_sched(&r, &(glim_sched_params){.max_waiting = 3});
    int32_t ids[200] = {1, 2, 3}, bad[] = {1, -1}, high[] = {100000};
    const char *stops[] = {"x", ""};
    static char long_stop[2000];
    memset(long_stop, 'a', sizeof long_stop - 1);
    const char *longs[] = {long_stop};
    const struct {
        glim_request q;
        glim_status want;
    } cases[] = {{{.prompt = ids, .n_prompt = 0}, GLIM_E_ARG},
                 {{.prompt = ids, .n_prompt = 129}, GLIM_E_LIMIT},
                 {{.prompt = bad, .n_prompt = 2}, GLIM_E_ARG},
                 {{.prompt = high, .n_prompt = 1}, GLIM_E_ARG},
                 {{.prompt = ids, .n_prompt = 3, .n = 129}, GLIM_E_ARG},
                 {{.prompt = ids, .n_prompt = 3, .n = 2, .task = GLIM_TASK_EMBED}, GLIM_E_ARG},
                 {{.prompt = ids, .n_prompt = 3, .stop = stops, .n_stop = 2}, GLIM_E_ARG},
                 {{.prompt = ids, .n_prompt = 3, .stop = longs, .n_stop = 1}, GLIM_E_ARG},
                 {{.prompt = ids, .n_prompt = 3, .stop = stops, .n_stop = 17}, GLIM_E_ARG},
                 {{.prompt = ids, .n_prompt = 3, .top_logprobs = 5}, GLIM_E_ARG},
                 {{.prompt = ids, .n_prompt = 3, .logprobs = true, .top_logprobs = 21}, GLIM_E_ARG},
                 {{.prompt = ids, .n_prompt = 3, .priority = 11}, GLIM_E_ARG},
                 {{.prompt = ids, .n_prompt = 3, .adapter = "none"}, GLIM_E_NOT_FOUND}};
    for (size_t i = 0; i < GLIM_COUNT(cases); i++) {
        glim_stream *s;
        glim_err err;
        CHECK_MSG(glim_sched_submit(r.d, &cases[i].q, &s, &err) == cases[i].want && !s && err.msg[0], "case %zu", i);
    }
    /* The queue has a bound, and the places are given back. */
    answer a[3];
    glim_stream *s;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 3; i++) rig_submit(&r, &a[i], (glim_request){.prompt = ids, .n_prompt = 3, .max_tokens = 2, .ignore_stop_ids = true});
        CHECK(glim_sched_submit(r.d, &(glim_request){.prompt = ids, .n_prompt = 3}, &s, &r.err) == GLIM_E_STATE && strstr(r.err.msg, "queue"));
        if (round) glim_stream_cancel(a[1].s);
        for (int i = 0; i < 3; i++) rig_run(&r, &a[i]);
        CHECK(a[1].status == (round ? GLIM_E_CANCELLED : GLIM_OK));
        for (int i = 0; i < 3; i++) answer_free(&a[i]);
    }
    glim_sched_drain(r.d);
    CHECK(glim_sched_submit(r.d, &(glim_request){.prompt = ids, .n_prompt = 3}, &s, &r.err) == GLIM_E_CANCELLED);
    for (long k = 1; k < 40; k++) {
        rig q;
        rig_engine(&q, "glm4", 128, 0, 0, 4);
        rig_sched(&q, &(glim_sched_params){0});
        glim_alloc_fail_after(k);
        glim_status rc = glim_sched_submit(q.d, &(glim_request){.prompt = ids, .n_prompt = 3, .stop = stops, .n_stop = 1, .outbox = q.box,
                                                                .sample = {.presence_penalty = 1}}, &s, &q.err);
        glim_alloc_fail_after(0);
        CHECK(rc == GLIM_OK || (rc == GLIM_E_NOMEM && !s));
        glim_stream_close(s);
        rig_close(&q);
        if (rc == GLIM_OK) break;
        CHECK(k < 39);
    }
    rig_close(&r);
}
