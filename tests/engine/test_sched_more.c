/* The scheduler's other work: scores, embeddings, masks, guesses, adapters in one batch, snapshots, slow
 * readers, threads. */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#include "sched_rig.h"

static void fill(int32_t *ids, size_t n, uint64_t seed) {
    glim_rng rng = {.seed = seed};
    for (size_t i = 0; i < n; i++) ids[i] = (int32_t)glim_rng_below(&rng, 300);
}

/* ---- log-probabilities and embeddings ---- */

typedef struct scores {
    float lp[512];
    const int32_t *ids;
    size_t n, n_vocab;
} scores;
static bool score_row(void *ctx, size_t pos, const float *logits) {
    scores *s = ctx;
    if (pos + 1 < s->n) s->lp[pos + 1] = (float)glim_log_prob(logits, s->n_vocab, s->ids[pos + 1]);
    return true;
}

TEST(scores_and_logprobs_are_those_of_the_raw_logits) {
    rig r, ref;
    rig_engine(&ref, "glm4", 512, 0, 0, 8);
    rig_engine(&r, "glm4", 512, 0, 64, 8);
    rig_sched(&r, &(glim_sched_params){0});
    int32_t ids[200];
    fill(ids, 200, 3);
    glim_session s;
    /* The reference normalises over all rows of the head; the scheduler over those that are tokens. */
    scores want = {.ids = ids, .n = 200, .n_vocab = glim_tok_n(ref.e->tok)};
    CHECK_OK(glim_session_open(&s, ref.e, &ref.err), ref.err);
    CHECK_OK(glim_session_score(&s, ids, 200, 0, score_row, &want, &ref.err), ref.err);
    glim_session_close(&s);
    for (int round = 0; round < 2; round++) {
        answer a, b;
        rig_submit(&r, &a, (glim_request){.task = GLIM_TASK_SCORE, .prompt = ids, .n_prompt = 200, .top_logprobs = 20});
        rig_submit(&r, &b, (glim_request){.prompt = ids, .n_prompt = 190, .max_tokens = 3, .prompt_logprobs = true, .logprobs = true, .ignore_stop_ids = true});
        rig_run(&r, &a);
        rig_run(&r, &b);
        CHECK(a.n_prompt_events == 200 && isnan(a.prompt_lp[0]) && a.usage.n_completion == 0 && a.ids[0].n == 0);
        CHECK_CLOSE(a.prompt_lp + 1, want.lp + 1, 199, 1e-6, 0);
        CHECK(b.n_prompt_events == 190 && b.ids[0].n == 3 && memcmp(b.prompt_lp + 1, a.prompt_lp + 1, 189 * sizeof(float)) == 0);
        for (int k = 0; k < 3; k++) CHECK(isfinite(b.lp[0][k]) && b.lp[0][k] <= 0);
        answer_free(&a);
        answer_free(&b);
    }
    glim_engine_free(ref.e);
    rig_close(&r);
}

TEST(an_embedding_is_the_mean_of_final_states_whatever_the_slices) {
    rig r, ref;
    rig_engine(&ref, "glm4", 256, 0, 0, 200);
    int32_t ids[150];
    fill(ids, 150, 8);
    size_t n_embd = ref.e->model->cfg.n_embd;
    double *mean = calloc(n_embd, sizeof *mean);
    float *unit = calloc(n_embd, sizeof *unit), *last = calloc(n_embd, sizeof *last);
    glim_session s;
    CHECK_OK(glim_session_open(&s, ref.e, &ref.err), ref.err);
    glim_row rows[150];
    for (int i = 0; i < 150; i++) rows[i] = (glim_row){.token = ids[i], .pos = i, .logits = true};
    glim_kv_seq *seqs[] = {&s.seq};
    const float *logits;
    CHECK_OK(glim_kv_reserve(&s.seq, 150, &ref.err), ref.err);
    CHECK_OK(glim_forward(ref.e->model, ref.e->ws, &(glim_batch){rows, 150, seqs, 1}, &logits, &ref.err), ref.err);
    const float *h = glim_ws_hidden(ref.e->ws);
    double norm = 0, norm_last = 0;
    for (size_t j = 0; j < n_embd; j++) {
        for (int i = 0; i < 150; i++) mean[j] += (double)h[(size_t)i * n_embd + j];
        mean[j] /= 150;
        norm += mean[j] * mean[j];
        norm_last += (double)h[149 * n_embd + j] * (double)h[149 * n_embd + j];
    }
    for (size_t j = 0; j < n_embd; j++) unit[j] = (float)(mean[j] / sqrt(norm)), last[j] = (float)((double)h[149 * n_embd + j] / sqrt(norm_last));
    glim_session_close(&s);
    static const size_t slices[] = {7, 64, 150};
    for (size_t k = 0; k < GLIM_COUNT(slices); k++) {
        rig_engine(&r, "glm4", 256, 0, slices[k], 4);
        rig_sched(&r, &(glim_sched_params){0});
        for (int round = 0; round < 2; round++) { /* the second time beside a cached prefix, which the mean cannot use */
            answer a, b;
            rig_submit(&r, &a, (glim_request){.task = GLIM_TASK_EMBED, .prompt = ids, .n_prompt = 150});
            rig_submit(&r, &b, (glim_request){.task = GLIM_TASK_EMBED, .prompt = ids, .n_prompt = 150, .pooling = GLIM_POOLING_LAST});
            rig_run(&r, &a);
            rig_run(&r, &b);
            CHECK(a.n_values == n_embd && b.n_values == n_embd && a.status == GLIM_OK);
            CHECK_CLOSE(a.values, unit, n_embd, 1e-6, 0);
            CHECK_CLOSE(b.values, last, n_embd, 1e-6, 0);
            CHECK(a.usage.n_cached == 0 && (round == 0 || b.usage.n_cached == 128));
            answer_free(&a);
            answer_free(&b);
        }
        rig_close(&r);
    }
    free(mean);
    free(unit);
    free(last);
    glim_engine_free(ref.e);
}

/* ---- masks ---- */

/* Only ids of one residue by turns: id % 7 == step % 7; ends after `length` ids. */
typedef struct turn_mask {
    uint32_t bits[64];
    size_t step, length;
    int *n_alive;
} turn_mask;
static const uint32_t *turn_bits(void *ctx, glim_err *err) {
    turn_mask *m = ctx;
    (void)err;
    memset(m->bits, 0, sizeof m->bits);
    for (size_t id = m->step % 7; id < 300; id += 7) m->bits[id / 32] |= 1u << id % 32;
    return m->bits;
}
static bool turn_accept(void *ctx, int32_t id) {
    turn_mask *m = ctx;
    CHECK((size_t)id % 7 == m->step % 7);
    return ++m->step < m->length;
}
static void *turn_fork(void *ctx) {
    turn_mask *copy = malloc(sizeof *copy);
    *copy = *(turn_mask *)ctx;
    ++*copy->n_alive;
    return copy;
}
static void turn_free(void *ctx) {
    --*((turn_mask *)ctx)->n_alive;
    free(ctx);
}
static const uint32_t *no_bits(void *ctx, glim_err *err) {
    turn_mask *m = ctx;
    if (m->step < 3) return NULL; /* no limit at first */
    memset(m->bits, 0, sizeof m->bits);
    glim_fail(err, GLIM_E_FORMAT, "the grammar cannot go on");
    return m->bits;
}
static bool no_accept(void *ctx, int32_t id) {
    (void)id;
    ((turn_mask *)ctx)->step++;
    return true;
}

TEST(a_mask_is_obeyed_by_every_choice_with_and_without_guesses_and_a_dead_end_ends_one_request) {
    rig r;
    rig_engine(&r, "glm4", 256, 0, 0, 16);
    int32_t ids[40];
    fill(ids, 40, 4);
    int alive = 0;
    glim_ids first[3] = {{0}};
    for (int guess = 0; guess < 2; guess++) {
        rig_sched(&r, &(glim_sched_params){.max_draft = guess ? 6 : -1, .always_draft = true});
        turn_mask proto = {.length = 50, .n_alive = &alive};
        turn_mask dead = {.n_alive = &alive};
        answer a, b, c;
        rig_submit(&r, &a, (glim_request){.prompt = ids, .n_prompt = 40, .n = 3, .max_tokens = 80, .sample = {.temperature = 0.5, .seed = 1}, .ignore_stop_ids = true,
                                          .mask = {turn_fork(&proto), turn_bits, turn_accept, turn_fork, turn_free}});
        rig_submit(&r, &b, (glim_request){.prompt = ids, .n_prompt = 40, .max_tokens = 80, .ignore_stop_ids = true,
                                          .mask = {turn_fork(&dead), no_bits, no_accept, NULL, turn_free}});
        rig_submit(&r, &c, (glim_request){.prompt = ids, .n_prompt = 40, .max_tokens = 30, .ignore_stop_ids = true});
        rig_run(&r, &a);
        rig_run(&r, &b);
        rig_run(&r, &c);
        for (int k = 0; k < 3; k++) {
            CHECK(a.finish[k] == GLIM_FINISH_STOP && a.ids[k].n == 50);
            if (guess) check_same_ids("with guesses", a.ids[k].v, 50, first[k].v, 50);
            else first[k] = a.ids[k], a.ids[k] = (glim_ids){0};
        }
        CHECK(b.finish[0] == GLIM_FINISH_ERROR && b.ids[0].n == 3 && strstr(b.message, "cannot go on"));
        CHECK(c.status == GLIM_OK && c.ids[0].n == 30);
        answer_free(&a);
        answer_free(&b);
        answer_free(&c);
        CHECK(alive == 0);
        glim_sched_close(r.d);
        r.d = NULL;
    }
    for (int k = 0; k < 3; k++) glim_ids_free(&first[k]);
    rig_close(&r);
}

/* ---- guesses ---- */

TEST(guessing_changes_no_answer_and_saves_passes_where_text_repeats) {
    rig r, ref;
    rig_engine(&ref, "llama", 512, 0, 0, 8);
    const int n_prompts = getenv("GLIM_SOAK") ? 2000 : 60;
    uint64_t saved = 0;
    rig_engine(&r, "llama", 512, 0, 0, 16);
    for (int always = 0; always < 2; always++) {
        rig_sched(&r, &(glim_sched_params){.always_draft = always, .max_draft = 8, .no_prefix = true});
        for (int k = 0; k < n_prompts; k++) {
            int32_t ids[90];
            fill(ids, 90, (uint64_t)k);
            if (k % 2) /* a prompt that repeats itself: greedy answers of small models then do too */
                for (int i = 8; i < 90; i++) ids[i] = ids[i % 8];
            glim_gen_params p = {.max_tokens = 60, .ignore_stop_ids = k % 4 > 0, .raw_special = true, .sample = {.temperature = k % 5 == 4 ? 0.7 : 0, .seed = 3}};
            size_t n = 10 + (size_t)k % 80;
            glim_gen_result want = alone(&ref, ids, n, &p);
            answer a;
            rig_submit(&r, &a, (glim_request){.prompt = ids, .n_prompt = n, .max_tokens = 60, .sample = p.sample, .ignore_stop_ids = p.ignore_stop_ids, .raw_special = true});
            rig_run(&r, &a);
            check_same_ids("guessed", a.ids[0].v, a.ids[0].n, want.ids.v, want.ids.n);
            CHECK(a.finish[0] == want.finish && a.usage.n_completion == want.ids.n && a.usage.n_draft_ok <= a.usage.n_draft);
            CHECK(a.text[0].len == want.text.len && memcmp(glim_buf_cstr(&a.text[0]), glim_buf_cstr(&want.text), want.text.len) == 0);
            saved += a.usage.n_draft_ok;
            glim_gen_result_free(&want);
            answer_free(&a);
        }
        glim_sched_close(r.d);
        r.d = NULL;
    }
    CHECK_MSG(saved > (uint64_t)n_prompts, "%zu guesses were right", (size_t)saved);
    glim_engine_free(ref.e);
    rig_close(&r);
}

/* ---- adapters ---- */

TEST(a_batch_of_different_adapters_gives_the_texts_of_single_runs_and_they_come_and_go) {
    rig r;
    rig_engine(&r, "glm4", 256, 0, 64, 16);
    const char *folders[] = {"tests/fixtures/adapters/glm4-all", "tests/fixtures/adapters/glm4-rs"};
    const char *names[] = {NULL, "a", "b"};
    int32_t ids[12][40];
    for (int i = 0; i < 12; i++) fill(ids[i], 40, (uint64_t)i / 3);
    glim_ids single[12] = {{0}};
    for (int together = 0; together < 2; together++) {
        rig_sched(&r, &(glim_sched_params){.slice_rows = 20, .always_draft = together, .no_prefix = !together});
        for (int k = 0; k < 2; k++) CHECK_OK(glim_sched_add_adapter(r.d, names[k + 1], glim_test_source(folders[k]), &r.err), r.err);
        answer a[12];
        for (int i = 0; i < 12; i++) {
            rig_submit(&r, &a[i], (glim_request){.prompt = ids[i], .n_prompt = 40 - (size_t)i, .max_tokens = 25, .adapter = names[i % 3], .ignore_stop_ids = true});
            if (!together) rig_run(&r, &a[i]);
        }
        if (together) { /* they are unloaded and replaced while requests hold them */
            glim_sched_step(r.d);
            CHECK_OK(glim_sched_remove_adapter(r.d, "a", &r.err), r.err);
            CHECK_OK(glim_sched_add_adapter(r.d, "b", glim_test_source(folders[0]), &r.err), r.err);
        }
        for (int i = 0; i < 12; i++) {
            if (together) {
                while (!a[i].ended) glim_sched_step(r.d), rig_read(&r);
                check_same_ids("mixed adapters", a[i].ids[0].v, a[i].ids[0].n, single[i].v, single[i].n);
            } else {
                single[i] = a[i].ids[0];
                a[i].ids[0] = (glim_ids){0};
            }
            answer_free(&a[i]);
        }
        glim_sched_close(r.d);
        r.d = NULL;
    }
    for (int i = 0; i < 3; i++) CHECK(memcmp(single[i].v, single[(i + 1) % 3].v, 25 * sizeof(int32_t)) != 0);
    for (int i = 0; i < 12; i++) glim_ids_free(&single[i]);
    rig_close(&r);
}

/* ---- snapshots ---- */

static int folder_files(const char *dir, void (*fn)(const char *path)) {
    DIR *d = opendir(dir);
    int n = 0;
    for (struct dirent *e; d && (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        char path[512];
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        n++;
        if (fn) fn(path);
    }
    if (d) closedir(d);
    return n;
}
static void remove_file(const char *path) { unlink(path); }
static void flip_a_byte(const char *path) {
    int fd = open(path, O_RDWR);
    struct stat st;
    char c;
    CHECK(fstat(fd, &st) == 0 && pread(fd, &c, 1, st.st_size / 2) == 1);
    c ^= 1;
    CHECK(pwrite(fd, &c, 1, st.st_size / 2) == 1 && close(fd) == 0);
}
static void cut_short(const char *path) { CHECK(truncate(path, 200) == 0); }

/* One request on a fresh engine and scheduler: how much came from the cache. */
static size_t restart(const char *fixture, const char *dir, size_t bytes, const char *tenant, const int32_t *ids, size_t n, glim_ids *out,
                      glim_sched_stats *st) {
    rig r;
    rig_engine(&r, fixture, 512, 0, 0, 8);
    rig_sched(&r, &(glim_sched_params){.snapshot_dir = dir, .snapshot_bytes = bytes});
    answer a;
    rig_submit(&r, &a, (glim_request){.prompt = ids, .n_prompt = n, .max_tokens = 10, .ignore_stop_ids = true, .tenant = tenant});
    rig_run(&r, &a);
    size_t k = a.usage.n_cached;
    if (out->n == 0) *out = a.ids[0], a.ids[0] = (glim_ids){0};
    else check_same_ids("after a restart", a.ids[0].v, a.ids[0].n, out->v, out->n);
    glim_sched_stats_get(r.d, st);
    answer_free(&a);
    rig_close(&r);
    return k;
}

TEST(snapshots_survive_a_restart_and_what_is_not_ours_is_refused) {
    char dir[] = "/tmp/glim-snapshot-XXXXXX";
    CHECK(mkdtemp(dir) != NULL);
    int32_t ids[300];
    fill(ids, 300, 11);
    glim_ids out = {0}, other = {0};
    glim_sched_stats st;
    CHECK(restart("glm4", dir, 0, "t", ids, 300, &out, &st) == 0);
    CHECK(folder_files(dir, NULL) == 4);
    CHECK(restart("glm4", dir, 0, "t", ids, 300, &out, &st) == 256 && st.snapshot_read == 4);
    CHECK(restart("glm4", dir, 0, "u", ids, 300, &out, &st) == 0 && st.snapshot_read == 0);      /* another tenant */
    CHECK(restart("glm4-nobias-yarn", dir, 0, "t", ids, 300, &other, &st) == 0);                 /* another model */
    folder_files(dir, flip_a_byte);
    CHECK(restart("glm4", dir, 0, "t", ids, 300, &out, &st) == 0 && st.snapshot_refused == 1);   /* the first; the rest hangs on it */
    folder_files(dir, cut_short);
    CHECK(restart("glm4", dir, 0, "t", ids, 300, &out, &st) == 0 && st.snapshot_refused == 1);
    folder_files(dir, remove_file);
    /* A bound of bytes: two pages, and a third pushes the oldest out. */
    rig probe;
    rig_engine(&probe, "glm4", 512, 0, 0, 8);
    size_t two = 2 * probe.e->kv.page_bytes + 512;
    glim_engine_free(probe.e);
    CHECK(restart("glm4", dir, two, "t", ids, 300, &out, &st) == 0 && folder_files(dir, NULL) == 2);
    CHECK(restart("glm4", dir, two, "t", ids, 300, &out, &st) == 128);
    folder_files(dir, remove_file);
    CHECK(rmdir(dir) == 0);
    rig r;
    rig_engine(&r, "glm4", 128, 0, 0, 4);
    CHECK(glim_sched_open(&r.d, r.e, &(glim_sched_params){.snapshot_dir = "/proc/no/such"}, &r.err) == GLIM_E_IO && !r.d);
    glim_engine_free(r.e);
    glim_ids_free(&out);
    glim_ids_free(&other);
}

/* ---- slow readers ---- */

TEST(a_reader_that_stays_away_pauses_only_its_own_request) {
    rig r, ref;
    rig_engine(&r, "glm4", 2048, 0, 64, 8);
    rig_engine(&ref, "glm4", 2048, 0, 64, 8);
    rig_sched(&r, &(glim_sched_params){.max_draft = -1});
    int32_t ids[30];
    fill(ids, 30, 2);
    answer slow, quick;
    rig_submit(&r, &slow, (glim_request){.prompt = ids, .n_prompt = 30, .max_tokens = 450, .ignore_stop_ids = true, .logprobs = true, .top_logprobs = 20});
    for (int i = 0; i < 600; i++) glim_sched_step(r.d); /* nobody reads */
    glim_sched_stats st;
    glim_sched_stats_get(r.d, &st);
    CHECK(st.stalled == 1 && !glim_sched_idle(r.d) && !glim_sched_step(r.d));
    rig_submit(&r, &quick, (glim_request){.prompt = ids, .n_prompt = 30, .max_tokens = 20, .ignore_stop_ids = true});
    for (glim_event ev; !quick.ended;) {
        glim_sched_step(r.d);
        while (glim_stream_next(quick.s, &ev)) answer_take(&quick, &ev);
    }
    CHECK(quick.ids[0].n == 20 && slow.ids[0].n == 0);
    rig_read(&r);
    rig_run(&r, &slow);
    glim_gen_params p = {.max_tokens = 450, .ignore_stop_ids = true};
    glim_gen_result want = alone(&ref, ids, 30, &p);
    check_same_ids("slow", slow.ids[0].v, slow.ids[0].n, want.ids.v, want.ids.n);
    glim_gen_result_free(&want);
    answer_free(&slow);
    answer_free(&quick);
    glim_engine_free(ref.e);
    rig_close(&r);
}

TEST(readers_that_stay_away_keep_no_places_from_others) {
    rig r, ref;
    rig_engine(&r, "glm4", 2048, 0, 64, 8);
    rig_engine(&ref, "glm4", 2048, 0, 64, 8);
    rig_sched(&r, &(glim_sched_params){.max_running = 2, .max_draft = -1});
    int32_t ids[30];
    fill(ids, 30, 2);
    answer slow[2], quick;
    for (int i = 0; i < 2; i++)
        rig_submit(&r, &slow[i], (glim_request){.prompt = ids, .n_prompt = 30, .max_tokens = 450, .ignore_stop_ids = true, .logprobs = true, .top_logprobs = 20});
    for (int i = 0; i < 600; i++) glim_sched_step(r.d); /* nobody reads */
    glim_sched_stats st;
    glim_sched_stats_get(r.d, &st);
    CHECK(st.stalled == 2 && st.running == 2 && !glim_sched_step(r.d)); /* and both keep their places while nobody else wants one */
    rig_submit(&r, &quick, (glim_request){.prompt = ids, .n_prompt = 30, .max_tokens = 20, .ignore_stop_ids = true});
    int steps = 0;
    for (glim_event ev; !quick.ended && steps < 1000; steps++) {
        glim_sched_step(r.d);
        while (!quick.ended && glim_stream_next(quick.s, &ev)) answer_take(&quick, &ev);
    }
    CHECK_MSG(quick.ended && quick.ids[0].n == 20, "two readers that stay away hold up a third");
    CHECK(slow[0].ids[0].n == 0 && slow[1].ids[0].n == 0);
    /* One of them was put aside. Who takes a few events at a time gets its place back once, when half of them are taken. */
    glim_sched_stats_get(r.d, &st);
    CHECK(st.running == 1 && !glim_sched_step(r.d));
    size_t taken = 0, held = 0;
    for (glim_event ev; glim_stream_next(slow[0].s, &ev); held++) answer_take(&slow[0], &ev); /* both hold as many */
    for (glim_event ev; st.running < 2 && glim_stream_next(slow[1].s, &ev); taken++) {
        answer_take(&slow[1], &ev);
        glim_sched_step(r.d);
        glim_sched_stats_get(r.d, &st);
    }
    CHECK_MSG(st.running == 2 && 5 * taken > 2 * held, "it goes on behind %zu events of %zu", taken, held);
    rig_read(&r);
    for (int i = 0; i < 2; i++) rig_run(&r, &slow[i]);
    glim_gen_params p = {.max_tokens = 450, .ignore_stop_ids = true};
    glim_gen_result want = alone(&ref, ids, 30, &p);
    for (int i = 0; i < 2; i++) check_same_ids("slow", slow[i].ids[0].v, slow[i].ids[0].n, want.ids.v, want.ids.n);
    glim_gen_result_free(&want);
    for (int i = 0; i < 2; i++) answer_free(&slow[i]);
    answer_free(&quick);
    glim_engine_free(ref.e);
    rig_close(&r);
}

/* slice_rows 0: chosen from measured times, so that nothing can be said about the number of steps. */
static void long_prompt(size_t n, size_t slice_rows) {
    rig r;
    rig_engine(&r, "glm4", n + 48, n / GLIM_KV_PAGE + 16, 512, 8);
    rig_sched(&r, &(glim_sched_params){.slice_rows = slice_rows, .max_draft = -1});
    int32_t *ids = calloc(n, sizeof *ids);
    fill(ids, n, 6);
    answer writer, reader, brief;
    size_t n_writer = slice_rows ? n / slice_rows + 50 : 400 /* it writes longer than the other reads */, most = slice_rows ? slice_rows : 512;
    rig_submit(&r, &writer, (glim_request){.prompt = ids, .n_prompt = 10, .max_tokens = n_writer, .ignore_stop_ids = true});
    for (int i = 0; i < 3; i++) glim_sched_step(r.d), rig_read(&r);
    rig_submit(&r, &reader, (glim_request){.prompt = ids, .n_prompt = n, .max_tokens = 2, .ignore_stop_ids = true});
    glim_sched_step(r.d);
    rig_read(&r);
    rig_submit(&r, &brief, (glim_request){.prompt = ids + 50, .n_prompt = 12, .max_tokens = 5, .ignore_stop_ids = true});
    glim_sched_stats a, b;
    int steps = 0, brief_at = 0;
    for (; reader.ids[0].n == 0; steps++) {
        size_t before = writer.ids[0].n;
        glim_sched_stats_get(r.d, &a);
        glim_sched_step(r.d);
        rig_read(&r);
        glim_sched_stats_get(r.d, &b);
        CHECK_MSG(writer.ended || writer.ids[0].n == before + 1, "step %d: the writer got nothing", steps);
        CHECK_MSG(b.rows - a.rows <= most + 3, "step %d had %zu rows", steps, (size_t)(b.rows - a.rows));
        if (!brief_at && brief.ids[0].n) brief_at = steps + 1;
    }
    CHECK_MSG(brief_at > 0 && brief_at <= 3, "%d steps, the short question answered in step %d", steps, brief_at);
    CHECK_MSG(slice_rows == 0 || (size_t)steps > n / slice_rows - 8, "%d steps for %zu tokens", steps, n);
    rig_run(&r, &writer);
    rig_run(&r, &reader);
    rig_run(&r, &brief);
    CHECK(writer.ids[0].n == n_writer && reader.ids[0].n == 2 && brief.ids[0].n == 5);
    answer_free(&writer);
    answer_free(&reader);
    answer_free(&brief);
    free(ids);
    rig_close(&r);
}

TEST(a_long_prompt_is_read_in_slices_while_others_write) {
    size_t n = getenv("GLIM_SOAK") ? 30000 : 2000; /* some sixty slices are the same at another scale */
    long_prompt(n, 32);
    long_prompt(n, 0);
}

TEST(a_higher_priority_goes_first_and_a_lower_one_is_not_forgotten) {
    rig r;
    rig_engine(&r, "glm4", 128, 0, 0, 4);
    rig_sched(&r, &(glim_sched_params){.max_running = 1, .max_draft = -1});
    int32_t ids[5] = {1, 2, 3, 4, 5};
    answer a[4];
    int order[4], n = 0;
    static const int priority[4] = {0, -1, 0, 3};
    for (int i = 0; i < 4; i++)
        rig_submit(&r, &a[i], (glim_request){.prompt = ids, .n_prompt = 5, .max_tokens = 10, .ignore_stop_ids = true, .priority = priority[i]});
    bool told[4] = {false};
    while (n < 4) {
        glim_sched_step(r.d);
        rig_read(&r);
        for (int i = 0; i < 4; i++)
            if (a[i].ended && !told[i]) told[i] = true, order[n++] = i;
    }
    CHECK(order[0] == 3 && order[1] == 0 && order[2] == 2 && order[3] == 1);
    for (int i = 0; i < 4; i++) answer_free(&a[i]);
    rig_close(&r);
}

static double g_clock;
static double clock_now(void *ctx) {
    (void)ctx;
    return g_clock;
}

TEST(a_low_priority_gets_its_turn_among_endless_high_ones) {
    rig r;
    rig_engine(&r, "glm4", 128, 0, 0, 4);
    g_clock = 0;
    rig_sched(&r, &(glim_sched_params){.max_running = 1, .max_draft = -1, .level_s = 1, .now = clock_now});
    int32_t ids[5] = {1, 2, 3, 4, 5};
    enum { N = 40 };
    static answer high[N], low;
    const glim_request q = {.prompt = ids, .n_prompt = 5, .max_tokens = 4, .ignore_stop_ids = true};
    glim_request urgent = q;
    urgent.priority = 3;
    int n = 0, at = -1;
    rig_submit(&r, &high[n++], urgent);
    rig_submit(&r, &low, q);
    while (at < 0) { /* another high one always waits */
        if (high[n - 1].ids[0].n > 0) {
            CHECK_MSG(n < N, "%d high ones went before it", n);
            g_clock += 0.5;
            rig_submit(&r, &high[n++], urgent);
        }
        glim_sched_step(r.d);
        rig_read(&r);
        if (low.ended) at = n;
    }
    CHECK_MSG(at > 3 && at <= 10, "%d high ones went before it", at); /* three levels of a second are six arrivals */
    for (int i = 0; i < n; i++) {
        while (!high[i].ended) glim_sched_step(r.d), rig_read(&r);
        answer_free(&high[i]);
    }
    answer_free(&low);
    rig_close(&r);
}

/* ---- threads ---- */

typedef struct client {
    rig *r;
    int number, n_requests;
    size_t n_tokens, n_cancelled;
    pthread_t thread;
} client;

static void *client_main(void *arg) {
    client *c = arg;
    glim_outbox *box = glim_outbox_new(NULL, NULL);
    glim_rng rng = {.seed = (uint64_t)c->number};
    for (int i = 0; i < c->n_requests; i++) {
        int32_t ids[100];
        size_t n = 1 + (size_t)glim_rng_below(&rng, 100);
        fill(ids, 100, glim_rng_below(&rng, 3));
        glim_stream *s;
        glim_err err;
        glim_request q = {.prompt = ids, .n_prompt = n, .max_tokens = 1 + (size_t)glim_rng_below(&rng, 20), .n = 1 + (uint32_t)glim_rng_below(&rng, 3),
                          .sample.temperature = 1, .outbox = box, .adapter = i % 3 ? NULL : "a"};
        glim_status rc;
        while ((rc = glim_sched_submit(c->r->d, &q, &s, &err)) == GLIM_E_STATE) usleep(100); /* full */
        CHECK_OK(rc, err);
        size_t cancel_at = glim_rng_below(&rng, 4) ? SIZE_MAX : (size_t)glim_rng_below(&rng, 10), seen = 0;
        for (bool ended = false; !ended;) {
            glim_stream *t = glim_outbox_next(box);
            if (!t) {
                glim_outbox_wait(box, 1000);
                continue;
            }
            CHECK(t == s);
            glim_event ev;
            while (glim_stream_next(s, &ev)) {
                seen += ev.kind == GLIM_EV_TOKEN;
                if (seen == cancel_at) glim_stream_cancel(s);
                ended = ev.kind == GLIM_EV_END;
                if (ended) c->n_tokens += ev.usage.n_completion, c->n_cancelled += ev.status == GLIM_E_CANCELLED;
            }
        }
        glim_stream_close(s);
    }
    glim_outbox_free(box);
    return NULL;
}

static void wake_fd(void *ctx) {
    uint64_t one = 1;
    CHECK(write(*(int *)ctx, &one, sizeof one) == sizeof one);
}

TEST(many_threads_submit_read_and_cancel_while_the_engine_runs) {
    rig r;
    rig_threads = 2;
    rig_engine(&r, "glm4", 256, 30, 64, 16);
    rig_threads = 1;
    rig_sched(&r, &(glim_sched_params){.max_waiting = 4});
    CHECK_OK(glim_sched_add_adapter(r.d, "a", glim_test_source("tests/fixtures/adapters/glm4-all"), &r.err), r.err);
    CHECK_OK(glim_sched_start(r.d, &r.err), r.err);
    client c[4];
    for (int i = 0; i < 4; i++) {
        c[i] = (client){.r = &r, .number = i, .n_requests = getenv("GLIM_SOAK") ? 2000 : 25};
        CHECK(pthread_create(&c[i].thread, NULL, client_main, &c[i]) == 0);
    }
    /* Beside them an epoll-like reader that is woken through an eventfd. */
    int fd = eventfd(0, EFD_CLOEXEC);
    glim_outbox *box = glim_outbox_new(wake_fd, &fd);
    int32_t ids[3] = {1, 2, 3};
    for (int i = 0; i < 20; i++) {
        glim_stream *s, *t;
        glim_status rc;
        while ((rc = glim_sched_submit(r.d, &(glim_request){.prompt = ids, .n_prompt = 3, .max_tokens = 4, .ignore_stop_ids = true, .outbox = box}, &s, &r.err)) == GLIM_E_STATE) usleep(100);
        CHECK_OK(rc, r.err);
        for (bool ended = false; !ended;) {
            uint64_t n;
            CHECK(read(fd, &n, sizeof n) == sizeof n && n >= 1);
            while ((t = glim_outbox_next(box)))
                for (glim_event ev; glim_stream_next(t, &ev);) ended = ended || ev.kind == GLIM_EV_END;
        }
        glim_sched_stats st;
        glim_sched_stats_get(r.d, &st);
        CHECK_OK(glim_sched_add_adapter(r.d, "a", glim_test_source(i % 2 ? "tests/fixtures/adapters/glm4-all" : "tests/fixtures/adapters/glm4-rs"), &r.err), r.err);
        glim_stream_close(s);
    }
    for (int i = 0; i < 4; i++) CHECK(pthread_join(c[i].thread, NULL) == 0 && c[i].n_tokens > 0);
    glim_sched_drain(r.d);
    while (!glim_sched_idle(r.d)) usleep(100);
    glim_outbox_free(box);
    close(fd);
    rig_close(&r);
}

TEST(closing_ends_what_runs_and_streams_can_still_be_read) {
    rig r;
    rig_engine(&r, "glm4", 2048, 0, 64, 8);
    rig_sched(&r, &(glim_sched_params){0});
    CHECK_OK(glim_sched_start(r.d, &r.err), r.err);
    int32_t ids[3] = {1, 2, 3};
    answer a[3];
    for (int i = 0; i < 3; i++) rig_submit(&r, &a[i], (glim_request){.prompt = ids, .n_prompt = 3, .ignore_stop_ids = true});
    usleep(2000);
    glim_sched_close(r.d);
    r.d = NULL;
    rig_read(&r);
    for (int i = 0; i < 3; i++) {
        CHECK(a[i].ended && a[i].status == GLIM_E_CANCELLED);
        answer_free(&a[i]);
    }
    rig_close(&r);
}
