/* The likeliest answer under a constraint, against every spelling of every answer. */
#include "engine/likely.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/sample.h"
#include "test.h"

typedef struct rig {
    glim_engine *e;
    glim_session s, fresh;
    glim_constraint_vocab *v;
    glim_err err;
} rig;

static const int32_t g_prompt[] = {5, 17, 42, 7, 99, 120, 33};
enum { N_PROMPT = 7, MOST = 64 };

static void rig_open(rig *r) {
    memset(r, 0, sizeof *r);
    glim_engine_params p = {.n_threads = 1, .model = {.n_ctx = 128, .n_logits = 8}};
    CHECK_OK(glim_engine_open(&r->e, glim_test_source("tests/fixtures/glm4"), &p, &r->err), r->err);
    CHECK_OK(glim_session_open(&r->s, r->e, &r->err), r->err);
    CHECK_OK(glim_session_open(&r->fresh, r->e, &r->err), r->err);
    CHECK_OK(glim_constraint_vocab_new(&r->v, r->e->tok, r->e->stops, r->e->n_stops, 0, &r->err), r->err);
}
static void rig_close(rig *r) {
    glim_constraint_vocab_free(r->v);
    glim_session_close(&r->s);
    glim_session_close(&r->fresh);
    CHECK(r->e->kv.n_free == r->e->kv.n_pages);
    glim_engine_free(r->e);
}

static glim_constraint *constraint(rig *r, const json_t *choices) {
    glim_constraint *c = NULL;
    glim_constraint_spec spec = {.choices = choices, .kind = GLIM_CHAT_GLM4_0414};
    CHECK_OK(glim_constraint_compile(&c, r->v, &spec, &r->err), r->err);
    return c;
}

static uint32_t draw(uint64_t *g) { return (uint32_t)((*g = *g * 6364136223846793005u + 1442695040888963407u) >> 33); }

/* n different strings of up to 5 letters out of few, so that many begin alike. */
static json_t *random_choices(uint64_t *g, size_t n) {
    json_t *list = json_array();
    while (json_array_size(list) < n) {
        char s[8] = "";
        bool again = false;
        for (size_t i = 0, k = 2 + draw(g) % 4; i < k; i++) s[i] = (char)("abeno"[draw(g) % 5]), s[i + 1] = 0;
        for (size_t i = 0; i < json_array_size(list); i++) again |= strcmp(json_string_value(json_array_get(list, i)), s) == 0;
        if (!again) json_array_append_new(list, json_string(s));
    }
    return list;
}

/* ---- the definition: every path, with the two rules of likely.h ---- */

typedef struct all {
    rig *r;
    int32_t ids[MOST], best_ids[MOST];
    size_t n_best, n_paths;
    double best;
    float *logits;
    bool costs; /* paths have a cost: chosen by it too */
} all;

/* Each "a" costs, and nothing has "b" twice. */
/* ends is asked for whole texts only: what ends costs more, so that a search that forgets to say so finds another. */
static double cost_of(void *ctx, const char *text, size_t n, bool ends) {
    size_t a = 0, b = 0;
    for (size_t i = 0; i < n; i++) a += text[i] == 'a', b += text[i] == 'b';
    ++*(size_t *)ctx;
    return b > 1 ? HUGE_VAL : 0.8 * (double)a + (ends ? 0.3 * (double)n : 0);
}

static double cost_at(const all *a, size_t n, bool ends) {
    glim_buf text = {0};
    size_t calls = 0, len;
    for (size_t i = 0; a->costs && i < n; i++) {
        const char *piece = glim_tok_piece(a->r->e->tok, a->ids[N_PROMPT + i], &len);
        if (piece) glim_buf_append(&text, piece, len);
    }
    const double c = a->costs ? cost_of(&calls, glim_buf_cstr(&text), text.len, ends) : 0;
    glim_buf_free(&text);
    return c;
}

static bool keep(void *ctx, size_t pos, const float *logits) {
    all *a = ctx;
    (void)pos;
    memcpy(a->logits, logits, a->r->e->model->cfg.n_vocab * sizeof *logits);
    return true;
}

static bool stops(const glim_engine *e, int32_t id) {
    for (size_t i = 0; i < e->n_stops; i++)
        if (e->stops[i] == id) return true;
    return false;
}

static void every_path(all *a, size_t n, const glim_constraint_state *s, double sum, bool chosen) {
    const size_t n_vocab = a->r->e->model->cfg.n_vocab;
    glim_constraint_state *here = NULL;
    uint32_t *bits = calloc(glim_constraint_vocab_words(a->r->v), sizeof *bits);
    double *logp = malloc(n_vocab * sizeof *logp);
    glim_buf forced = {0};
    float top;
    double log_sum;
    size_t n_bits, best = 0, len = 0;
    CHECK_OK(glim_constraint_state_fork(&here, s, &a->r->err), a->r->err);
    CHECK_OK(glim_constraint_mask(here, bits, &n_bits, &a->r->err), a->r->err);
    CHECK_OK(glim_session_score(&a->r->fresh, a->ids, N_PROMPT + n, N_PROMPT + n - 1, keep, a, &a->r->err), a->r->err);
    glim_log_softmax(a->logits, n_vocab, &top, &log_sum, NULL, 0);
    bool any = false;
    for (size_t i = 0; i < n_vocab; i++) {
        const bool may = i < 32 * glim_constraint_vocab_words(a->r->v) && bits[i / 32] >> i % 32 & 1;
        logp[i] = may ? ((double)a->logits[i] - top) - log_sum : -HUGE_VAL;
        if (may && (!any || logp[i] > logp[best])) best = i, any = true;
    }
    glim_constraint_forced(here, &forced, 256);
    const char *piece = glim_tok_piece(a->r->e->tok, (int32_t)best, &len);
    bool only = false, next_chosen = chosen;
    if (len && len <= forced.len) only = true, logp[best] *= 0.3;
    else if (!chosen && !a->costs) {
        only = true;
        for (size_t i = 0; i < len; i++) next_chosen |= piece[i] != ' ' && piece[i] != '\n';
    }
    for (size_t i = 0; i < n_vocab; i++) {
        if (!isfinite(logp[i]) || (only && i != best)) continue;
        a->ids[N_PROMPT + n] = (int32_t)i;
        if (stops(a->r->e, (int32_t)i)) {
            a->n_paths++;
            if (sum + logp[i] - cost_at(a, n, true) > a->best) a->best = sum + logp[i] - cost_at(a, n, true), a->n_best = n + 1, memcpy(a->best_ids, a->ids + N_PROMPT, (n + 1) * sizeof *a->ids);
            continue;
        }
        glim_constraint_state *next = NULL;
        CHECK_OK(glim_constraint_state_fork(&next, here, &a->r->err), a->r->err);
        CHECK_OK(glim_constraint_accept(next, (int32_t)i, &a->r->err), a->r->err);
        if (N_PROMPT + n + 2 < MOST && sum + logp[i] - cost_at(a, n + 1, false) > a->best) every_path(a, n + 1, next, sum + logp[i], next_chosen);
        glim_constraint_state_free(next);
    }
    glim_constraint_state_free(here);
    glim_buf_free(&forced);
    free(bits);
    free(logp);
}

TEST(the_likeliest_answer_is_that_of_all_paths) {
    rig r;
    rig_open(&r);
    uint64_t g = 11;
    size_t better = 0, many = 0;
    for (int round = 0; round < 150; round++) {
        json_t *choices = random_choices(&g, 3 + (size_t)round % 14);
        glim_constraint *c = constraint(&r, choices);
        glim_constraint_state *s = NULL;
        glim_gen_result out, greedy;
        int32_t prompt[N_PROMPT];
        all a = {.r = &r, .best = -HUGE_VAL, .logits = malloc(r.e->model->cfg.n_vocab * sizeof(float))};
        for (size_t i = 0; i < N_PROMPT; i++) prompt[i] = a.ids[i] = (g_prompt[i] + 3 * round) % 200;
        CHECK_OK(glim_constraint_state_new(&s, c, &r.err), r.err);
        every_path(&a, 0, s, 0, false);
        CHECK_OK(glim_session_likeliest(&r.s, prompt, N_PROMPT, c, &(glim_likely_params){0}, &out, &r.err), r.err);
        CHECK_MSG(fabs(out.logp - a.best) < 1e-4 * (1 + fabs(a.best)), "round %d: %.6f, of all paths %.6f", round, out.logp, a.best);
        CHECK(out.ids.n == a.n_best && memcmp(out.ids.v, a.best_ids, a.n_best * sizeof *a.best_ids) == 0);
        CHECK(out.finish != GLIM_FINISH_LENGTH && out.stop_id >= 0);
        bool among = false;
        for (size_t i = 0; i < json_array_size(choices); i++) {
            const char *x = glim_buf_cstr(&out.text);
            while (*x == ' ' || *x == '\n') x++;
            among |= strcmp(json_string_value(json_array_get(choices, i)), x) == 0;
        }
        CHECK_MSG(among, "\"%s\" is none of the choices", glim_buf_cstr(&out.text));
        CHECK_OK(glim_session_likeliest(&r.s, prompt, N_PROMPT, c, &(glim_likely_params){.max_reads = 1}, &greedy, &r.err), r.err);
        CHECK(greedy.stop_id >= 0 && greedy.logp <= out.logp + 1e-9);
        better += greedy.logp < out.logp - 1e-6;
        many += a.n_paths > 2;
        glim_gen_result_free(&out);
        glim_gen_result_free(&greedy);
        glim_constraint_state_free(s);
        glim_constraint_free(c);
        free(a.logits);
        json_decref(choices);
    }
    CHECK_MSG(better > 0 && many > 0, "greedy was the best in all but %zu rounds, several paths in %zu: nothing was shown", better, many);
    rig_close(&r);
}

TEST(the_likeliest_answer_is_that_of_all_paths_less_their_cost) {
    rig r;
    rig_open(&r);
    uint64_t g = 23;
    size_t other = 0, whole = 0;
    for (int round = 0; round < 60; round++) {
        json_t *choices = random_choices(&g, 3 + (size_t)round % 10);
        glim_constraint *c = constraint(&r, choices);
        glim_constraint_state *s = NULL;
        glim_gen_result out, plain;
        int32_t prompt[N_PROMPT];
        size_t calls = 0;
        all a = {.r = &r, .best = -HUGE_VAL, .logits = malloc(r.e->model->cfg.n_vocab * sizeof(float)), .costs = true};
        for (size_t i = 0; i < N_PROMPT; i++) prompt[i] = a.ids[i] = (g_prompt[i] + 3 * round) % 200;
        CHECK_OK(glim_constraint_state_new(&s, c, &r.err), r.err);
        every_path(&a, 0, s, 0, false);
        CHECK_OK(glim_session_likeliest(&r.s, prompt, N_PROMPT, c, &(glim_likely_params){.cost = cost_of, .cost_ctx = &calls}, &out, &r.err), r.err);
        CHECK_OK(glim_session_likeliest(&r.s, prompt, N_PROMPT, c, &(glim_likely_params){0}, &plain, &r.err), r.err);
        CHECK(calls > 0 && (out.stop_id >= 0) == (a.n_best > 0));
        if (a.n_best) {
            CHECK_MSG(fabs(out.logp - a.best) < 1e-4 * (1 + fabs(a.best)), "round %d: %.6f, of all paths %.6f", round, out.logp, a.best);
            CHECK(out.ids.n == a.n_best && memcmp(out.ids.v, a.best_ids, a.n_best * sizeof *a.best_ids) == 0);
            whole++;
        }
        other += strcmp(glim_buf_cstr(&out.text), glim_buf_cstr(&plain.text)) != 0;
        glim_gen_result_free(&out);
        glim_gen_result_free(&plain);
        glim_constraint_state_free(s);
        glim_constraint_free(c);
        free(a.logits);
        json_decref(choices);
    }
    CHECK_MSG(other > 0 && whole > 40, "the cost changed %zu answers of %zu", other, whole);
    rig_close(&r);
}

TEST(a_search_that_is_cut_says_so_and_leaves_the_session_whole) {
    rig r;
    rig_open(&r);
    json_t *choices = json_pack("[s, s]", "a long answer of many words, none of them short", "another one that is as long as the first is");
    glim_constraint *c = constraint(&r, choices);
    glim_gen_result cut, none, a, b;
    CHECK_OK(glim_session_likeliest(&r.s, g_prompt, N_PROMPT, c, &(glim_likely_params){.max_tokens = 4}, &cut, &r.err), r.err);
    CHECK(cut.finish == GLIM_FINISH_LENGTH && cut.stop_id == -1 && cut.ids.n == 4);
    CHECK(glim_session_likeliest(&r.s, g_prompt, 0, c, &(glim_likely_params){0}, &none, &r.err) == GLIM_E_ARG);
    /* What the search left in the cache changes no later answer. */
    glim_gen_params p = {.max_tokens = 12, .ignore_stop_ids = true};
    CHECK_OK(glim_session_generate(&r.s, g_prompt, N_PROMPT, &p, &a, &r.err), r.err);
    CHECK_OK(glim_session_generate(&r.fresh, g_prompt, N_PROMPT, &p, &b, &r.err), r.err);
    CHECK(a.ids.n == b.ids.n && memcmp(a.ids.v, b.ids.v, a.ids.n * sizeof *a.ids.v) == 0);
    glim_gen_result_free(&cut);
    glim_gen_result_free(&a);
    glim_gen_result_free(&b);
    glim_constraint_free(c);
    json_decref(choices);
    rig_close(&r);
}
