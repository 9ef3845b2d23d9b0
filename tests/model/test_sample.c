/* Sampling: each rule by hand-made logits, and the random number's independence of history. */
#include <math.h>
#include <stdlib.h>

#include "base/rng.h"
#include "model/sample.h"
#include "test.h"

enum { N = 8 };
static const float g_logits[N] = {1, 4, 2, 3, 0, -1, 9, 9}; /* 6 and 7 are padding */

static int32_t once(const glim_sample_params *p, const float *logits, uint64_t pos) {
    glim_sampler *s;
    glim_err err;
    CHECK_OK(glim_sampler_new(&s, N, 6, &err), err);
    int32_t id = glim_sample(s, p, logits, pos);
    glim_sampler_free(s);
    return id;
}

/* Frequencies over many positions. */
static void count(const glim_sample_params *p, double *freq, int n) {
    glim_sampler *s;
    glim_err err;
    CHECK_OK(glim_sampler_new(&s, N, 6, &err), err);
    for (int i = 0; i < N; i++) freq[i] = 0;
    for (int i = 0; i < n; i++) {
        int32_t id = glim_sample(s, p, g_logits, (uint64_t)i);
        CHECK(id >= 0 && id < 6);
        freq[id] += 1.0 / n;
    }
    glim_sampler_free(s);
}

TEST(padding_ids_are_never_chosen_and_greedy_takes_the_best_real_one) {
    CHECK(once(&(glim_sample_params){0}, g_logits, 0) == 1);
    const float tie[N] = {5, 5, 5, 5, 5, 5, 9, 9}, nan_row[N] = {NAN, 1, NAN, 2, NAN, NAN, 9, 9};
    CHECK(once(&(glim_sample_params){0}, tie, 0) == 0);
    CHECK(once(&(glim_sample_params){0}, nan_row, 0) == 3);
    const float none[N] = {NAN, NAN, NAN, NAN, NAN, NAN, 1, 1};
    CHECK(once(&(glim_sample_params){0}, none, 0) == -1);
}

TEST(a_banned_id_is_never_chosen) {
    glim_sampler *s;
    glim_err err;
    CHECK_OK(glim_sampler_new(&s, N, 6, &err), err);
    CHECK_OK(glim_sampler_ban(s, 1, &err), err);
    CHECK(glim_sample(s, &(glim_sample_params){0}, g_logits, 0) == 3);
    for (uint64_t i = 0; i < 200; i++) CHECK(glim_sample(s, &(glim_sample_params){.temperature = 5}, g_logits, i) != 1);
    glim_sampler_free(s);
}

TEST(frequencies_follow_the_softmax_at_any_temperature) {
    static const double temps[] = {0.5, 1, 2};
    for (int t = 0; t < 3; t++) {
        double freq[N], want[6], sum = 0;
        count(&(glim_sample_params){.temperature = temps[t], .seed = 5}, freq, 40000);
        for (int i = 0; i < 6; i++) sum += want[i] = exp((double)g_logits[i] / temps[t]);
        for (int i = 0; i < 6; i++) CHECK_MSG(fabs(freq[i] - want[i] / sum) < 0.01, "id %d: %g, want %g", i, freq[i], want[i] / sum);
    }
}

TEST(top_k_top_p_and_min_p_cut_where_they_should) {
    double freq[N];
    count(&(glim_sample_params){.temperature = 1, .top_k = 2}, freq, 4000);
    CHECK(freq[1] > 0 && freq[3] > 0 && fabs(freq[1] + freq[3] - 1) < 1e-9);
    CHECK(fabs(freq[1] - 0.731) < 0.03); /* 1 / (1 + e^-1) */
    /* p = 0.637, 0.234, 0.086, ...: 0.6 keeps one, 0.7 two, 0.9 three */
    count(&(glim_sample_params){.temperature = 1, .top_p = 0.6}, freq, 2000);
    CHECK(fabs(freq[1] - 1) < 1e-9);
    count(&(glim_sample_params){.temperature = 1, .top_p = 0.7}, freq, 2000);
    CHECK(fabs(freq[1] + freq[3] - 1) < 1e-9 && freq[3] > 0);
    count(&(glim_sample_params){.temperature = 1, .top_p = 0.9}, freq, 4000);
    CHECK(fabs(freq[1] + freq[3] + freq[2] - 1) < 1e-9 && freq[2] > 0);
    count(&(glim_sample_params){.temperature = 1, .min_p = 0.3}, freq, 2000); /* e^-1 = 0.37 stays, e^-2 goes */
    CHECK(fabs(freq[1] + freq[3] - 1) < 1e-9 && freq[3] > 0);
    /* top-p is a share of what top-k kept: of {0.731, 0.269}, 0.7 keeps one */
    count(&(glim_sample_params){.temperature = 1, .top_k = 2, .top_p = 0.7}, freq, 2000);
    CHECK(fabs(freq[1] - 1) < 1e-9);
}

TEST(the_same_seed_choice_and_position_give_the_same_token_whatever_came_before) {
    glim_sample_params p = {.temperature = 1.5, .seed = 42, .choice = 3};
    int32_t want[50];
    for (uint64_t i = 0; i < 50; i++) want[i] = once(&p, g_logits, i);
    glim_sampler *s;
    glim_err err;
    CHECK_OK(glim_sampler_new(&s, N, 6, &err), err);
    for (int i = 49; i >= 0; i--) CHECK(glim_sample(s, &p, g_logits, (uint64_t)i) == want[i]);
    glim_sampler_free(s);
    int differ = 0;
    p.choice = 4;
    for (uint64_t i = 0; i < 50; i++) differ += once(&p, g_logits, i) != want[i];
    CHECK(differ > 5);
}

TEST(penalties_and_bias_move_logits_as_documented) {
    glim_sampler *s;
    glim_err err;
    CHECK_OK(glim_sampler_new(&s, N, 6, &err), err);
    glim_sampler_saw(s, 1, false);
    CHECK(glim_sample(s, &(glim_sample_params){.repetition_penalty = 1.2}, g_logits, 0) == 1); /* 4 / 1.2 > 3 */
    CHECK(glim_sample(s, &(glim_sample_params){.repetition_penalty = 1.5}, g_logits, 0) == 3); /* 2.67 < 3 */
    CHECK(glim_sample(s, &(glim_sample_params){.presence_penalty = 5}, g_logits, 0) == 1); /* prompt ids do not count */
    glim_sampler_saw(s, 1, true);
    CHECK(glim_sample(s, &(glim_sample_params){.presence_penalty = 1.1}, g_logits, 0) == 3);
    CHECK(glim_sample(s, &(glim_sample_params){.frequency_penalty = 0.9}, g_logits, 0) == 1);
    glim_sampler_saw(s, 1, true);
    CHECK(glim_sample(s, &(glim_sample_params){.frequency_penalty = 0.9}, g_logits, 0) == 3);
    glim_sampler_reset(s);
    CHECK(glim_sample(s, &(glim_sample_params){.repetition_penalty = 1.5, .presence_penalty = 5}, g_logits, 0) == 1);
    const glim_bias b[] = {{1, -INFINITY}, {0, 10}, {99, 1}, {-1, 1}};
    CHECK(glim_sample(s, &(glim_sample_params){.bias = b, .n_bias = 4}, g_logits, 0) == 0);
    const float neg[N] = {-2, -1, -9, -9, -9, -9, 0, 0};
    glim_sampler_saw(s, 1, false); /* a negative logit is multiplied */
    CHECK(glim_sample(s, &(glim_sample_params){.repetition_penalty = 3}, neg, 0) == 0);
    glim_sampler_free(s);
}

TEST(a_large_vocabulary_gives_the_same_with_bins_as_with_a_full_sort) {
    enum { V = 5000 };
    float *logits = calloc(V, sizeof *logits);
    uint32_t x = 1;
    for (int i = 0; i < V; i++) x = x * 1664525u + 1013904223u, logits[i] = (float)(x >> 16) / 4096 - 8; /* 0..16 */
    glim_sampler *s;
    glim_err err;
    CHECK_OK(glim_sampler_new(&s, V, V, &err), err);
    for (int t = 0; t < 200; t++) {
        glim_sample_params p = {.temperature = 0.7, .top_p = 0.5 + 0.0025 * t, .top_k = t % 3 ? 0 : 40, .seed = (uint64_t)t};
        int32_t id = glim_sample(s, &p, logits, 9);
        /* The chosen id's rank and the mass above it must respect the cuts, computed plainly. */
        double total = 0, above = 0;
        int rank = 0;
        for (int i = 0; i < V; i++) {
            double e = exp((double)logits[i] / 0.7);
            bool before = logits[i] > logits[id] || (logits[i] == logits[id] && i < id);
            rank += before;
            if (before) above += e;
            total += e;
        }
        if (p.top_k) CHECK(rank < p.top_k);
        else CHECK(above < p.top_p * total * (1 + 1e-6));
    }
    glim_sampler_free(s);
    free(logits);
}

TEST(top_p_of_a_large_vocabulary_reaches_all_of_its_share) {
    enum { V = 2000 };
    float *logits = calloc(V, sizeof *logits);
    uint32_t x = 1;
    for (int i = 0; i < V; i++) x = x * 1664525u + 1013904223u, logits[i] = (float)(x >> 16) / 8192; /* 0..8 */
    glim_sampler *s;
    glim_err err;
    CHECK_OK(glim_sampler_new(&s, V, V, &err), err);
    static const double shares[] = {0.9, 0.97, 0.99};
    for (size_t k = 0; k < GLIM_COUNT(shares); k++) {
        float least = INFINITY;
        for (uint64_t t = 0; t < 1500; t++) {
            const int32_t id = glim_sample(s, &(glim_sample_params){.temperature = 1, .top_p = shares[k], .seed = t}, logits, 9);
            least = fminf(least, logits[id]);
        }
        double total = 0, above = 0;
        for (int i = 0; i < V; i++) {
            total += exp((double)logits[i]);
            if (logits[i] > least) above += exp((double)logits[i]);
        }
        CHECK_MSG(above < shares[k] * total && above > (shares[k] - 0.004) * total, "%g of %g was drawn from", above / total, shares[k]);
    }
    glim_sampler_free(s);
    free(logits);
}

TEST(log_probabilities_sum_to_one) {
    double sum = 0;
    for (int32_t i = 0; i < N; i++) sum += exp(glim_log_prob(g_logits, N, i));
    CHECK(fabs(sum - 1) < 1e-9);
}

TEST(a_mask_leaves_exactly_its_ids_to_choose_from) {
    enum { WIDE = 100, REAL = 90 };
    glim_sampler *s;
    glim_err err;
    CHECK_OK(glim_sampler_new(&s, WIDE, REAL, &err), err);
    float z[WIDE];
    glim_rng rng = {.seed = 5};
    for (int round = 0; round < 200; round++) {
        uint32_t allowed[3] = {0};
        size_t n_allowed = 1 + (size_t)glim_rng_below(&rng, 4);
        for (int i = 0; i < WIDE; i++) z[i] = (float)(4 * glim_rng_normal(&rng));
        for (size_t i = 0; i < n_allowed; i++) {
            size_t id = (size_t)glim_rng_below(&rng, REAL);
            allowed[id / 32] |= 1u << id % 32;
        }
        allowed[2] |= 1u << 28; /* id 92 has no token: never, allowed or not */
        glim_sample_params p = {.temperature = round % 2 ? 1.5 : 0, .top_p = round % 3 ? 0.9 : 1, .seed = 9, .allowed = allowed};
        int32_t id = glim_sample(s, &p, z, (uint64_t)round);
        CHECK(id >= 0 && id < REAL && allowed[id / 32] >> id % 32 & 1);
        if (p.temperature == 0)
            for (int i = 0; i < REAL; i++) CHECK(!(allowed[i / 32] >> i % 32 & 1) || z[i] <= z[id]);
    }
    uint32_t none[3] = {0};
    CHECK(glim_sample(s, &(glim_sample_params){.allowed = none}, z, 0) == -1);
    glim_sampler_free(s);
}
