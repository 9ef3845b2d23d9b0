/* Gradients: of every row operation against finite differences in double, and of every tensor of every family
 * against PyTorch's autograd. */
#include "train_test.h"

#include "train/ops.h"

/* ---- the operations in double ---- */

#define REAL double
#define F(name) f64_##name
#define LINK static
#define EXP exp
#define SET
#define EXPS(y, x, top, n) for (size_t exps_i = 0; exps_i < (n); exps_i++) (y)[exps_i] = exp((x)[exps_i] - (top))
#define OPS_DEFINITIONS
#include "train/ops_body.h"

enum { N = 24 };

static void fill(glim_rng *r, double *x, size_t n, double sigma) {
    for (size_t i = 0; i < n; i++) x[i] = sigma * glim_rng_normal(r);
}

/* d of fn(ctx) by each x against dx: central differences of fourth order. */
static void check_slope(double (*fn)(void *ctx), void *ctx, double *x, const double *dx, size_t n, const char *what) {
    const double h = 1e-3;
    double top = 0;
    for (size_t i = 0; i < n; i++) top = fmax(top, fabs(dx[i]));
    for (size_t i = 0; i < n; i++) {
        const double at = x[i];
        double f[4];
        static const double step[] = {-2, -1, 1, 2};
        for (int k = 0; k < 4; k++) x[i] = at + step[k] * h, f[k] = fn(ctx);
        x[i] = at;
        const double slope = (f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * h);
        CHECK_MSG(fabs(slope - dx[i]) <= 1e-6 * fmax(1, top), "%s %zu: derivative is %.9g, the slope is %.9g", what, i, dx[i], slope);
    }
}

typedef struct norm_case {
    double x[N], w[N], dy[N], y[N];
} norm_case;
static double norm_value(void *ctx) {
    norm_case *c = ctx;
    double sum = 0;
    f64_norm(c->y, c->x, c->w, N, 1e-5);
    for (int i = 0; i < N; i++) sum += c->y[i] * c->dy[i];
    return sum;
}
TEST(norm_has_its_slope) {
    glim_rng rng = {.seed = 1};
    norm_case c;
    double dx[N], dw[N];
    fill(&rng, c.x, N, 0.3), fill(&rng, c.w, N, 1), fill(&rng, c.dy, N, 1);
    const double r = f64_norm(c.y, c.x, c.w, N, 1e-5);
    f64_norm_back(dx, c.dy, c.x, c.w, r, N, false);
    for (int i = 0; i < N; i++) dw[i] = c.dy[i] * (c.x[i] * r);
    check_slope(norm_value, &c, c.x, dx, N, "x");
    check_slope(norm_value, &c, c.w, dw, N, "w");
}

typedef struct rope_case {
    double x[N], dy[N], cosine[4], sine[4];
    glim_rope_spec s;
} rope_case;
static double rope_value(void *ctx) {
    rope_case *c = ctx;
    double y[N], sum = 0;
    memcpy(y, c->x, sizeof y);
    const size_t step = c->s.interleaved ? 2 : 1, apart = c->s.interleaved ? 1 : 4;
    for (int h = 0; h < 2; h++)
        for (size_t j = 0; j < 4; j++) {
            double *a = y + 12 * h + step * j, *b = a + apart, va = *a, vb = *b;
            *a = va * c->cosine[j] - vb * c->sine[j];
            *b = vb * c->cosine[j] + va * c->sine[j];
        }
    for (int i = 0; i < N; i++) sum += y[i] * c->dy[i];
    return sum;
}
TEST(rotation_has_its_slope_in_both_pairings) {
    glim_rng rng = {.seed = 2};
    for (int k = 0; k < 2; k++) {
        rope_case c = {.s = {.head_dim = 12, .n_rot = 8, .interleaved = k}};
        double dx[N];
        fill(&rng, c.x, N, 1), fill(&rng, c.dy, N, 1);
        for (int j = 0; j < 4; j++) c.cosine[j] = 1.1 * cos(j + 0.3), c.sine[j] = 1.1 * sin(j + 0.3);
        memcpy(dx, c.dy, sizeof dx);
        f64_rope_back(dx, 2, c.cosine, c.sine, c.s);
        check_slope(rope_value, &c, c.x, dx, N, "x");
    }
}

typedef struct silu_case {
    double g[N], u[N], dy[N];
} silu_case;
static double silu_value(void *ctx) {
    silu_case *c = ctx;
    double sum = 0;
    for (int i = 0; i < N; i++) sum += c->dy[i] * c->u[i] * c->g[i] / (1 + exp(-c->g[i]));
    return sum;
}
TEST(silu_has_its_slope) {
    glim_rng rng = {.seed = 3};
    silu_case c;
    double dg[N], du[N], e[N];
    fill(&rng, c.g, N, 2), fill(&rng, c.u, N, 1), fill(&rng, c.dy, N, 1);
    for (int i = 0; i < N; i++) e[i] = exp(-c.g[i]);
    memcpy(dg, c.dy, sizeof dg);
    f64_silu_back(dg, du, dg, c.g, c.u, e, N);
    check_slope(silu_value, &c, c.g, dg, N, "gate");
    check_slope(silu_value, &c, c.u, du, N, "up");
}

typedef struct loss_case {
    double z[N], p[N];
    const uint32_t *ids; /* of the teacher's tokens */
    size_t kept;         /* 0: cross entropy */
} loss_case;
static double loss_at(const loss_case *c, double *z, double scale) {
    return c->kept ? f64_distil(z, N, 5, c->ids, c->p, c->kept, 2.5, 0.3, scale) : f64_cross_entropy(z, N, 5, scale);
}
static double loss_value(void *ctx) {
    loss_case *c = ctx;
    double z[N];
    memcpy(z, c->z, sizeof z);
    return 0.7 * loss_at(c, z, 0);
}
/* A teacher that is known whole, one whose vocabulary is smaller, and one of which a few tokens are known. */
TEST(losses_have_their_slopes) {
    static const uint32_t few[5] = {0, 5, 6, 17, 23};
    static const struct {
        const char *what;
        const uint32_t *ids;
        size_t kept;
        double rest;
    } kinds[] = {{"cross entropy", NULL, 0, 0}, {"distil", NULL, N, 0}, {"distil of 20", NULL, 20, 0}, {"distil of 5", few, 5, 0.3}, {"no rest", few, 5, 0}};
    glim_rng rng = {.seed = 4};
    for (size_t k = 0; k < GLIM_COUNT(kinds); k++) {
        loss_case c = {.ids = kinds[k].ids, .kept = kinds[k].kept};
        double dz[N], sum = 0;
        fill(&rng, c.z, N, 3), fill(&rng, c.p, N, 2);
        for (size_t i = 0; i < c.kept; i++) sum += c.p[i] = exp(c.p[i]);
        for (size_t i = 0; i < c.kept; i++) c.p[i] *= (1 - kinds[k].rest) / sum;
        memcpy(dz, c.z, sizeof dz);
        CHECK(loss_at(&c, dz, 0.7) > 0);
        check_slope(loss_value, &c, c.z, dz, N, kinds[k].what);
    }
}
/* A student that has its teacher's probabilities has nothing left to learn from it. */
TEST(distillation_ends_where_both_agree) {
    static const uint32_t few[3] = {2, 3, 20};
    glim_rng rng = {.seed = 14};
    double z[N], dz[N], p[N], sum = 0, some[3];
    fill(&rng, z, N, 2);
    for (int i = 0; i < N; i++) sum += p[i] = exp(z[i] / 2);
    for (int i = 0; i < N; i++) p[i] /= sum;
    for (int i = 0; i < 3; i++) some[i] = p[few[i]];
    for (int k = 0; k < 2; k++) {
        memcpy(dz, z, sizeof dz);
        CHECK(fabs(f64_distil(dz, N, 5, k ? few : NULL, k ? some : p, k ? 3 : N, 2, 1, 1)) < 1e-12);
        for (int i = 0; i < N; i++) CHECK(fabs(dz[i]) < 1e-12);
    }
}

typedef struct route_case {
    double z[8], dw[3];
    uint32_t chosen[3];
    bool softmax, norm;
} route_case;
static double route_value(void *ctx) {
    route_case *c = ctx;
    double w[3], prob[8], sum = 0;
    f64_route(w, prob, c->z, c->chosen, 8, 3, c->softmax, c->norm, 2.5);
    for (int i = 0; i < 3; i++) sum += w[i] * c->dw[i];
    return sum;
}
TEST(the_router_has_its_slope_in_all_its_kinds) {
    glim_rng rng = {.seed = 5};
    for (int k = 0; k < 4; k++) {
        route_case c = {.chosen = {1, 4, 6}, .softmax = k & 1, .norm = k & 2};
        double w[3], prob[8], dz[8];
        fill(&rng, c.z, 8, 1), fill(&rng, c.dw, 3, 1);
        f64_route(w, prob, c.z, c.chosen, 8, 3, c.softmax, c.norm, 2.5);
        f64_route_back(dz, c.dw, prob, c.chosen, 8, 3, c.softmax, c.norm, 2.5);
        check_slope(route_value, &c, c.z, dz, 8, "score");
    }
}

typedef struct balance_case {
    double z[8], f[8];
    bool softmax;
} balance_case;
static double balance_value(void *ctx) {
    balance_case *c = ctx;
    double prob[8], dz[8] = {0};
    f64_route(NULL, prob, c->z, NULL, 8, 3, c->softmax, false, 1);
    return 0.7 * f64_balance(dz, prob, c->f, 8, c->softmax, 0);
}
TEST(the_load_balancing_loss_has_its_slope) {
    glim_rng rng = {.seed = 15};
    for (int k = 0; k < 2; k++) {
        balance_case c = {.softmax = k};
        double prob[8], dz[8] = {0};
        fill(&rng, c.z, 8, 1), fill(&rng, c.f, 8, 1);
        f64_route(NULL, prob, c.z, NULL, 8, 3, c.softmax, false, 1);
        f64_balance(dz, prob, c.f, 8, c.softmax, 0.7);
        check_slope(balance_value, &c, c.z, dz, 8, "score");
    }
}

typedef struct attend_case {
    double q[7 * 6], k[7 * 6], v[7 * 6], d_o[7 * 6];
} attend_case;
static double attend_value(void *ctx) {
    attend_case *c = ctx;
    double o[7 * 6], lse[7], p[7], sum = 0;
    f64_attend(o, 6, lse, c->q, 6, c->k, c->v, 6, 7, 6, 0.4, p);
    for (int i = 0; i < 42; i++) sum += o[i] * c->d_o[i];
    return sum;
}
TEST(attention_has_its_slope) {
    glim_rng rng = {.seed = 6};
    attend_case c;
    double o[42], lse[7], p[7], dq[42] = {0}, dk[42] = {0}, dv[42] = {0};
    fill(&rng, c.q, 42, 1), fill(&rng, c.k, 42, 1), fill(&rng, c.v, 42, 1), fill(&rng, c.d_o, 42, 1);
    f64_attend(o, 6, lse, c.q, 6, c.k, c.v, 6, 7, 6, 0.4, p);
    f64_attend_back(dq, dk, dv, c.d_o, o, 6, lse, c.q, 6, c.k, c.v, 6, 7, 6, 0.4);
    check_slope(attend_value, &c, c.q, dq, 42, "q");
    check_slope(attend_value, &c, c.k, dk, 42, "k");
    check_slope(attend_value, &c, c.v, dv, 42, "v");
}

/* ---- whole models ---- */

static const char *const g_families[] = {"chatglm", "glm-edge", "glm4", "glm4moe-air", "glm4moe-355b",
                                         "llama", "llama-tied", "qwen2", "qwen3"};

TEST(gradients_of_every_tensor_are_pytorchs) {
    static const char *const sets[] = {"ref", "avx2", "avx512"};
    for (size_t f = 0; f < GLIM_COUNT(g_families); f++)
        for (size_t s = 0; s < GLIM_COUNT(sets); s++) {
            if (!glim_kernels_find(sets[s])) continue;
            if (s == 0 && f % 4 != 2) continue; /* plain C takes its time: two families, the other sets give its bits */
            char what[128], path[128];
            golden g;
            rig r;
            glim_net *n;
            glim_packer p;
            snprintf(path, sizeof path, "tests/fixtures/%s", g_families[f]);
            snprintf(what, sizeof what, "%s on %s", g_families[f], sets[s]);
            golden_open(&g, g_families[f]);
            rig_open(&r, path, sets[s], 1 + GLIM_F32, 1);
            CHECK_OK(glim_net_new(&n, r.m, &(glim_net_params){.n_rows = 128}, &r.err), r.err);
            CHECK_OK(glim_packer_init(&p, 128, &r.err), r.err);
            pack_json(&p, json_object_get(g.json, "sequences"));
            const double loss = step_loss(n, &p, &r.err), want = json_number_value(json_object_get(g.json, "loss"));
            CHECK_MSG(fabs(loss - want) <= 1e-5 * want, "%s: loss is %.7f, want %.7f", what, loss, want);
            const size_t n_seen = check_grads(n, &g, what);
            CHECK_MSG(n_seen == n->n_params, "%s: %zu tensors are trained, PyTorch has %zu", what, n->n_params, n_seen);
            glim_packer_deinit(&p);
            glim_net_free(n);
            rig_close(&r);
            golden_close(&g);
        }
}

/* Dense models keep their blocks' values where these fit, as they do in all other tests here; a larger one computes them again,
 * with the same bits: of all weights, and of pairs with dropout. */
TEST(blocks_that_are_computed_again_give_the_same_bits) {
    for (size_t f = 0; f < GLIM_COUNT(g_families); f++)
        for (int lora = 0; lora < 2; lora++) {
            char path[128];
            golden g;
            rig r;
            glim_net *n[2];
            glim_packer p;
            double loss[2];
            size_t tape[2], bytes, values;
            snprintf(path, sizeof path, "tests/fixtures/%s", g_families[f]);
            golden_open(&g, g_families[f]);
            rig_open(&r, path, NULL, 0, 1);
            CHECK_OK(glim_packer_init(&p, 128, &r.err), r.err);
            pack_json(&p, json_object_get(g.json, "sequences"));
            for (int again = 0; again < 2; again++) {
                glim_net_params np = {.n_rows = 128, .recompute = again};
                if (lora) np.lora = (glim_lora_params){.rank = 4, .dropout = 0.1, .targets = {"all-linear"}, .n_targets = 1};
                CHECK_OK(glim_net_new(&n[again], r.m, &np, &r.err), r.err);
                CHECK_OK(glim_net_bytes(r.m, &np, &bytes, &tape[again], &values, &r.err), r.err);
                n[again]->train = lora;
                for (size_t i = 0; lora && i < n[again]->n_values; i++) n[again]->w[i] += 0.01f; /* B begins at zero */
                loss[again] = step_loss(n[again], &p, &r.err);
            }
            CHECK_MSG((tape[1] < tape[0]) == (r.m->cfg.n_expert == 0), "%s: %zu bytes of activations kept, %zu computed again", g_families[f], tape[0], tape[1]);
            CHECK(loss[0] == loss[1] && n[0]->n_values == n[1]->n_values);
            CHECK_MSG(memcmp(n[0]->g, n[1]->g, n[0]->n_values * sizeof *n[0]->g) == 0, "%s%s", g_families[f], lora ? ", pairs" : "");
            glim_net_free(n[0]), glim_net_free(n[1]);
            glim_packer_deinit(&p);
            rig_close(&r);
            golden_close(&g);
        }
}

/* The same batch, with 1, 2 and 4 threads. */
TEST(gradients_are_the_same_bits_for_any_number_of_threads) {
    static const char *const names[] = {"glm4", "glm4moe-air"};
    for (size_t f = 0; f < GLIM_COUNT(names); f++) {
        golden g;
        char path[128];
        float *first = NULL;
        size_t n_values = 0;
        snprintf(path, sizeof path, "tests/fixtures/%s", names[f]);
        golden_open(&g, names[f]);
        for (int threads = 1; threads <= 5; threads += threads) {
            rig r;
            glim_net *n;
            glim_packer p;
            rig_open(&r, path, NULL, 0, threads);
            CHECK_OK(glim_net_new(&n, r.m, &(glim_net_params){.n_rows = 110, .type = GLIM_GEMM_BF16}, &r.err), r.err);
            CHECK_OK(glim_packer_init(&p, 110, &r.err), r.err);
            pack_json(&p, json_object_get(g.json, "sequences"));
            step_loss(n, &p, &r.err);
            if (!first) {
                n_values = n->n_values;
                first = malloc(n_values * sizeof *first);
                memcpy(first, n->g, n_values * sizeof *first);
            }
            CHECK_MSG(memcmp(first, n->g, n_values * sizeof *first) == 0, "%s: %d threads", names[f], threads);
            glim_packer_deinit(&p);
            glim_net_free(n);
            rig_close(&r);
        }
        free(first);
        golden_close(&g);
    }
}

/* Logits of a pack's rows are those of each sequence alone: none sees another. */
TEST(packed_sequences_do_not_see_each_other) {
    golden g;
    rig r;
    glim_net *n;
    glim_packer all, one;
    golden_open(&g, "qwen3");
    rig_open(&r, "tests/fixtures/qwen3", NULL, 0, 2);
    CHECK_OK(glim_net_new(&n, r.m, &(glim_net_params){.n_rows = 128}, &r.err), r.err);
    CHECK_OK(glim_packer_init(&all, 128, &r.err), r.err);
    CHECK_OK(glim_packer_init(&one, 128, &r.err), r.err);
    const json_t *seqs = json_object_get(g.json, "sequences");
    const size_t V = r.m->cfg.n_vocab;
    pack_json(&all, seqs);
    float *a = malloc(all.pack.n * V * sizeof *a), *b = malloc(all.pack.n * V * sizeof *b);
    CHECK_OK(glim_net_forward(n, &all.pack, &r.err), r.err);
    glim_net_logits(n, &all.pack, 0, all.pack.n, a);
    for (size_t i = 0; i < json_array_size(seqs); i++) {
        glim_example x = example_of(json_array_get(seqs, i));
        glim_packer_clear(&one, 0);
        CHECK(glim_packer_add(&one, &x, 0));
        CHECK_OK(glim_net_forward(n, &one.pack, &r.err), r.err);
        glim_net_logits(n, &one.pack, 0, one.pack.n, b);
        CHECK(memcmp(a + all.seq[i] * V, b, one.pack.n * V * sizeof *b) == 0);
        example_free(&x);
    }
    free(a), free(b);
    glim_packer_deinit(&all);
    glim_packer_deinit(&one);
    glim_net_free(n);
    rig_close(&r);
    golden_close(&g);
}

TEST(batches_that_are_not_batches_are_refused) {
    rig r;
    glim_net *n;
    rig_open(&r, "tests/fixtures/qwen2", NULL, 0, 1);
    CHECK_OK(glim_net_new(&n, r.m, &(glim_net_params){.n_rows = 4}, &r.err), r.err);
    int32_t tokens[5] = {1, 2, 3, 4, 5}, pos[5] = {0, 1, 2, 3, 4}, target[5] = {2, 3, 4, 5, -1};
    size_t seq[3] = {0, 4, 4};
    glim_pack b = {.n = 4, .n_seq = 1, .tokens = tokens, .pos = pos, .seq = seq, .target = target};
    CHECK_OK(glim_net_forward(n, &b, &r.err), r.err);
    b.n = 5;
    CHECK(glim_net_forward(n, &b, &r.err) == GLIM_E_ARG);
    b.n = 4, b.n_seq = 2;
    CHECK(glim_net_forward(n, &b, &r.err) == GLIM_E_ARG && strstr(r.err.msg, "empty"));
    b.n_seq = 1, target[1] = (int32_t)r.m->cfg.n_vocab;
    CHECK(glim_net_forward(n, &b, &r.err) == GLIM_E_ARG && strstr(r.err.msg, "target"));
    glim_net_free(n);
    CHECK(glim_net_new(&n, r.m, &(glim_net_params){.n_rows = 0}, &r.err) == GLIM_E_ARG && !n);
    glim_net_params lora = {.n_rows = 4, .lora = {.rank = 4, .targets = {"nothing_proj"}, .n_targets = 1}};
    CHECK(glim_net_new(&n, r.m, &lora, &r.err) == GLIM_E_NOT_FOUND && strstr(r.err.msg, "nothing_proj"));
    for (long k = 1; k < 200; k++) { /* every refused allocation is one error and no leak */
        glim_alloc_fail_after(k);
        lora.lora.targets[0] = "q_proj";
        glim_status rc = glim_net_new(&n, r.m, &lora, &r.err);
        glim_alloc_fail_after(0);
        CHECK(rc == GLIM_OK || (rc == GLIM_E_NOMEM && !n));
        glim_net_free(n);
        if (rc == GLIM_OK) break;
    }
    rig_close(&r);
}
