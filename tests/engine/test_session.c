/* Sessions: what ends an answer, what is shown, what the cache keeps. The fixture's weights are random, so
 * answers are gibberish, and every rule is checked against the plain greedy run of the same prompt. */
#include <fcntl.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "engine/engine.h"
#include "test.h"

typedef struct rig {
    glim_engine *e;
    glim_session s;
    glim_err err;
} rig;

static void rig_open(rig *r, const char *fixture, size_t n_ctx) {
    char path[256];
    memset(r, 0, sizeof *r);
    snprintf(path, sizeof path, "tests/fixtures/%s", fixture);
    glim_engine_params p = {.n_threads = 2, .model = {.n_ctx = n_ctx, .n_logits = 8}};
    CHECK_OK(glim_engine_open(&r->e, glim_test_source(path), &p, &r->err), r->err);
    CHECK_OK(glim_session_open(&r->s, r->e, &r->err), r->err);
}
static void rig_close(rig *r) {
    glim_session_close(&r->s);
    CHECK(r->e->kv.n_free == r->e->kv.n_pages);
    glim_engine_free(r->e);
}

static const int32_t g_prompt[] = {5, 17, 42, 7, 99, 120, 33};
enum { N_PROMPT = 7 };

static glim_gen_result generate(rig *r, const int32_t *ids, size_t n, const glim_gen_params *p) {
    glim_gen_result out;
    CHECK_OK(glim_session_generate(&r->s, ids, n, p, &out, &r->err), r->err);
    return out;
}

typedef struct seen {
    glim_buf text;
    int calls, stop_after;
    bool whole; /* every piece was whole UTF-8 */
} seen;
static bool see(void *ctx, const char *text, size_t n) {
    seen *s = ctx;
    glim_buf_append(&s->text, text, n);
    s->whole = s->whole && n > 0 && glim_utf8_valid(text, n);
    return ++s->calls != s->stop_after;
}

TEST(an_answer_ends_at_max_tokens_and_is_shown_whole) {
    rig r;
    rig_open(&r, "glm4", 256);
    seen s = {.whole = true};
    glim_gen_params p = {.max_tokens = 40, .ignore_stop_ids = true, .on_text = see, .ctx = &s};
    glim_gen_result a = generate(&r, g_prompt, N_PROMPT, &p);
    CHECK(a.finish == GLIM_FINISH_LENGTH && a.ids.n == 40 && a.n_prompt == N_PROMPT && a.n_cached == 0);
    CHECK(s.whole && s.text.len == a.text.len && memcmp(s.text.s, a.text.s, a.text.len) == 0);
    CHECK(r.s.ids.n == N_PROMPT + 39); /* the last id was chosen, not read */
    glim_gen_result_free(&a);
    glim_buf_free(&s.text);
    rig_close(&r);
}

TEST(the_context_is_filled_to_its_last_position_and_no_further) {
    rig r;
    rig_open(&r, "glm4", 64);
    glim_gen_params p = {.ignore_stop_ids = true};
    glim_gen_result a = generate(&r, g_prompt, N_PROMPT, &p);
    CHECK(a.finish == GLIM_FINISH_LENGTH && a.ids.n == 64 - N_PROMPT + 1 && r.s.seq.n_pos == 64);
    glim_gen_result_free(&a);
    int32_t full[65] = {0};
    a = generate(&r, full, 64, &p);
    CHECK(a.ids.n == 1);
    glim_gen_result_free(&a);
    CHECK(glim_session_generate(&r.s, full, 65, &p, &a, &r.err) == GLIM_E_LIMIT && strstr(r.err.hint, "--ctx"));
    CHECK(glim_session_generate(&r.s, full, 0, &p, &a, &r.err) == GLIM_E_ARG);
    rig_close(&r);
}

TEST(every_substring_of_an_answer_stops_it_exactly_before_itself) {
    rig r;
    rig_open(&r, "glm4", 256);
    glim_gen_params p = {.max_tokens = 30, .ignore_stop_ids = true};
    glim_gen_result all = generate(&r, g_prompt, N_PROMPT, &p);
    size_t n = all.text.len;
    CHECK(n > 20);
    for (size_t len = 1; len <= 6; len++)
        for (size_t i = 0; i + len <= n; i++) {
            char word[8] = {0}, other[] = "\x01never";
            memcpy(word, all.text.s + i, len);
            if (strlen(word) != len) continue; /* holds a NUL: no C string */
            const char *stops[] = {other, word};
            seen s = {.whole = true};
            glim_gen_params q = p;
            q.stop = stops;
            q.n_stop = 2;
            q.on_text = see;
            q.ctx = &s;
            glim_gen_result a = generate(&r, g_prompt, N_PROMPT, &q);
            const char *at = memmem(all.text.s, n, word, len);
            CHECK_MSG(a.finish == GLIM_FINISH_STOP && a.text.len == (size_t)(at - all.text.s) &&
                          memcmp(glim_buf_cstr(&a.text), all.text.s, a.text.len) == 0 && s.text.len == a.text.len,
                      "stop at byte %zu, length %zu: %zu bytes shown, want %zu", i, len, a.text.len, (size_t)(at - all.text.s));
            glim_gen_result_free(&a);
            glim_buf_free(&s.text);
        }
    glim_gen_result_free(&all);
    rig_close(&r);
}

TEST(a_stop_id_ends_the_answer_and_is_not_shown) {
    rig r;
    rig_open(&r, "glm4", 256);
    glim_gen_params p = {.max_tokens = 30, .ignore_stop_ids = true};
    glim_gen_result all = generate(&r, g_prompt, N_PROMPT, &p);
    r.e->stops[r.e->n_stops++] = all.ids.v[10]; /* whatever greedy says at place 10 */
    size_t want = 0;
    while (all.ids.v[want] != all.ids.v[10]) want++;
    p.ignore_stop_ids = false;
    glim_gen_result a = generate(&r, g_prompt, N_PROMPT, &p);
    CHECK(a.finish == GLIM_FINISH_STOP && a.ids.n == want + 1 && a.stop_id == all.ids.v[10]);
    CHECK(a.text.len <= all.text.len && memcmp(glim_buf_cstr(&a.text), all.text.s, a.text.len) == 0);
    glim_gen_result_free(&a);
    glim_gen_result_free(&all);
    rig_close(&r);
}

TEST(a_shared_prefix_is_read_once_and_gives_the_same_answer) {
    rig r;
    rig_open(&r, "glm4moe-air", 512);
    int32_t ids[150];
    for (int i = 0; i < 150; i++) ids[i] = (i * 37 + 11) % 300;
    glim_gen_params p = {.max_tokens = 12, .ignore_stop_ids = true};
    glim_gen_result cold = generate(&r, ids, 150, &p), warm = generate(&r, ids, 150, &p);
    CHECK(cold.n_cached == 0 && warm.n_cached == 149); /* the last prompt token is always read: its logits choose */
    CHECK(cold.ids.n == warm.ids.n && memcmp(cold.ids.v, warm.ids.v, cold.ids.n * sizeof(int32_t)) == 0);
    glim_gen_result_free(&warm);
    ids[100] = 1; /* agrees up to 100 */
    warm = generate(&r, ids, 150, &p);
    CHECK(warm.n_cached == 100);
    rig other;
    rig_open(&other, "glm4moe-air", 512);
    glim_gen_result fresh = generate(&other, ids, 150, &p);
    CHECK(fresh.ids.n == warm.ids.n && memcmp(fresh.ids.v, warm.ids.v, fresh.ids.n * sizeof(int32_t)) == 0);
    glim_gen_result_free(&cold);
    glim_gen_result_free(&warm);
    glim_gen_result_free(&fresh);
    rig_close(&other);
    rig_close(&r);
}

static bool stop_reading(void *ctx, size_t done, size_t total) {
    (void)total;
    *(size_t *)ctx = done;
    return false;
}

TEST(reading_and_writing_can_be_stopped_and_the_session_goes_on) {
    rig r;
    rig_open(&r, "glm4", 256);
    int32_t ids[100];
    for (int i = 0; i < 100; i++) ids[i] = (i * 31 + 3) % 300;
    size_t done = 0;
    glim_gen_params p = {.max_tokens = 10, .prefill_slice = 16, .on_prefill = stop_reading, .ctx = &done};
    glim_gen_result a = generate(&r, ids, 100, &p);
    CHECK(a.finish == GLIM_FINISH_CANCELLED && a.ids.n == 0 && done == 16 && r.s.seq.n_pos == 16);
    glim_gen_result_free(&a);
    seen s = {.whole = true, .stop_after = 3};
    glim_gen_params q = {.max_tokens = 30, .ignore_stop_ids = true, .on_text = see, .ctx = &s};
    a = generate(&r, ids, 100, &q);
    CHECK(a.n_cached == 16 && a.finish == GLIM_FINISH_CANCELLED && a.ids.n < 30);
    CHECK(s.text.len == a.text.len);
    glim_gen_result_free(&a);
    glim_buf_free(&s.text);
    rig_close(&r);
}

TEST(slices_of_a_prompt_do_not_change_the_answer) {
    rig r;
    rig_open(&r, "glm4", 256);
    int32_t ids[100];
    for (int i = 0; i < 100; i++) ids[i] = (i * 29 + 3) % 300;
    glim_gen_params p = {.max_tokens = 10, .ignore_stop_ids = true};
    glim_gen_result want = generate(&r, ids, 100, &p);
    static const size_t slices[] = {1, 7, 33, 99};
    for (size_t i = 0; i < GLIM_COUNT(slices); i++) {
        glim_session_close(&r.s);
        CHECK_OK(glim_session_open(&r.s, r.e, &r.err), r.err);
        p.prefill_slice = slices[i];
        glim_gen_result a = generate(&r, ids, 100, &p);
        CHECK(a.ids.n == want.ids.n && memcmp(a.ids.v, want.ids.v, a.ids.n * sizeof(int32_t)) == 0);
        glim_gen_result_free(&a);
    }
    glim_gen_result_free(&want);
    rig_close(&r);
}

typedef struct rows_seen {
    size_t n, first, stop_at;
} rows_seen;
static bool count_row(void *ctx, size_t pos, const float *logits) {
    rows_seen *r = ctx;
    if (r->n == 0) r->first = pos;
    CHECK(pos == r->first + r->n && logits != NULL);
    return ++r->n != r->stop_at;
}

TEST(scoring_visits_the_asked_positions_in_order) {
    rig r;
    rig_open(&r, "glm4", 256);
    int32_t ids[90] = {0};
    static const size_t from[] = {0, 1, 45, 89, 90};
    for (size_t i = 0; i < GLIM_COUNT(from); i++) {
        rows_seen s = {0};
        CHECK_OK(glim_session_score(&r.s, ids, 90, from[i], count_row, &s, &r.err), r.err);
        CHECK(s.n == 90 - from[i] && (s.n == 0 || s.first == from[i]));
    }
    rows_seen s = {.stop_at = 5};
    CHECK_OK(glim_session_score(&r.s, ids, 90, 0, count_row, &s, &r.err), r.err);
    CHECK(s.n == 5);
    rig_close(&r);
}

TEST(a_failed_allocation_in_the_middle_leaves_the_session_usable) {
    rig r;
    rig_open(&r, "glm4", 256);
    glim_gen_params p = {.max_tokens = 8, .ignore_stop_ids = true};
    glim_gen_result want = generate(&r, g_prompt, N_PROMPT, &p);
    for (long k = 1;; k++) {
        glim_gen_result a;
        glim_alloc_fail_after(k);
        glim_status rc = glim_session_generate(&r.s, g_prompt, N_PROMPT, &p, &a, &r.err);
        glim_alloc_fail_after(0);
        CHECK(rc == GLIM_OK || rc == GLIM_E_NOMEM);
        CHECK(r.s.ids.n == r.s.seq.n_pos);
        if (rc == GLIM_OK) CHECK(a.ids.n == want.ids.n && memcmp(a.ids.v, want.ids.v, a.ids.n * sizeof(int32_t)) == 0);
        glim_gen_result_free(&a);
        if (rc == GLIM_OK) break;
        CHECK(k < 200);
    }
    glim_gen_result_free(&want);
    rig_close(&r);
}

TEST(inspecting_a_model_leaves_standard_input_open) {
    glim_ckpt *c;
    glim_model *m;
    glim_err err;
    bool open_before = fcntl(0, F_GETFD) != -1;
    CHECK_OK(glim_ckpt_open(&c, glim_test_source("tests/fixtures/glm4"), &err), err);
    CHECK_OK(glim_model_inspect(&m, c, &(glim_model_params){0}, &err), err);
    glim_model_free(m);
    CHECK((fcntl(0, F_GETFD) != -1) == open_before);
}
