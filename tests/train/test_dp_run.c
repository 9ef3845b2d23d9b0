/* Private training: a step is what the header says, a run is charged, killed, resumed and ended, and canaries cannot tell. */
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "format/st.h"
#include "text/tok.h"
#include "train/dp_audit.h"
#include "train/dp_grad.h"
#include "train/dp_state.h"
#include "train/export.h"
#include "train/loss_dpo.h"
#include "train/tune.h"
#include "run_test.h"

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
enum { KILLS_EVERY = 12 };
#define SANITIZED 1
#else
enum { KILLS_EVERY = 4 };
#define SANITIZED 0
#endif
enum { EXAMPLES = 24, ROWS = 64 };
static const double BETA = 0.2;
static glim_dataset *make_data(void) { return rows_with_a_pattern(EXAMPLES, 14, 6, 1); }
static const uint8_t key[GLIM_DP_KEY_BYTES] = "\x93key\x17of a test, nowhere else\xc2\x01";

static glim_tune_params usual(const char *out) {
    return (glim_tune_params){.out = out, .batch = 8, .epochs = 5, .eval_share = 0.2, .eval_every = 5, .save_every = 2, .seed = 3,
                              .net = {.n_rows = 40, .lora = {.rank = 4, .targets = {"all-linear"}, .n_targets = 1}},
                              .optim = {.lr = 0.01, .clip = 1},
                              .dp = {.epsilon = 20, .delta = 1e-3, .clip = 0.5, .set = "rows", .actor = "test", .key = key}};
}

/* ledger: its folder. */
static glim_status run_in(const char *path, const glim_tune_params *params, const char *ledger, int threads, glim_tune_result *out, glim_err *err) {
    rig r;
    glim_tune_params p = *params;
    glim_dataset *d = make_data();
    rig_open(&r, path, NULL, 0, threads);
    CHECK_OK(glim_store_open(&p.dp.ledger, ledger, &(glim_store_params){.role = GLIM_STORE_GUEST}, err), *err);
    const glim_status rc = glim_tune_run(r.m, d, &p, out, err);
    glim_store_close(p.dp.ledger);
    glim_dataset_free(d);
    rig_close(&r);
    return rc;
}

static glim_dp_spent spent_in(const char *ledger) {
    glim_store *s;
    glim_dp_spent sp;
    glim_err err;
    CHECK_OK(glim_store_open(&s, ledger, &(glim_store_params){.role = GLIM_STORE_GUEST}, &err), err);
    CHECK_OK(glim_dp_ledger_spent(s, "rows", &sp, &err), err);
    glim_store_close(s);
    return sp;
}

/* ---- a step ---- */

static glim_dataset *make_pairs(const glim_model *m) {
    glim_dataset *d;
    glim_data_report report;
    glim_err err = {0};
    glim_buf text = {0};
    glim_tok *tok;
    for (int i = 0; i < EXAMPLES; i++)
        glim_buf_printf(&text, "{\"prompt\": \"about %d\", \"chosen\": \"yes %.*s\", \"rejected\": \"no %d\"}\n", i, i % 5, "pleas", i * 37);
    CHECK_OK(glim_tok_from_ckpt(&tok, m->ckpt, &err), err);
    const glim_data_params dp = {.tok = tok, .config = &m->cfg, .format = GLIM_DATA_PREFERENCE};
    CHECK_OK(glim_dataset_parse(&d, "pairs.jsonl", text.s, text.len, &dp, &report, &err), err);
    CHECK(glim_dataset_is_preference(d) && glim_dataset_n(d) == EXAMPLES);
    glim_data_report_free(&report);
    glim_tok_free(tok);
    glim_buf_free(&text);
    return d;
}

/* The gradient of one example in n->g. */
static void gradient_of(glim_net *n, const glim_dataset *d, size_t at, glim_packer *p, double *nll, double *scale) {
    glim_example x[2];
    glim_err err;
    double sums[8];
    glim_packer_clear(p, 0);
    glim_net_zero(n);
    if (glim_dataset_is_preference(d)) {
        CHECK_OK(glim_dataset_pair(d, at, &x[0], &x[1]), err);
        CHECK(glim_packer_add(p, &x[0], at) && glim_packer_add(p, &x[1], at));
        CHECK_OK(glim_dpo_pass(&(glim_dpo){.beta = BETA, .nll = nll, .scale = scale, .base = sums, .sums = sums + 4}, n, &p->pack, 1, &err), err);
        return;
    }
    CHECK_OK(glim_dataset_example(d, at, &x[0]), err);
    CHECK(glim_packer_add(p, &x[0], at));
    for (size_t r = 0; r < p->pack.n; r++) scale[r] = 1 / (double)p->n_target;
    CHECK_OK(glim_net_forward(n, &p->pack, &err), err);
    glim_net_head(n, &p->pack, nll, scale);
    glim_net_backward(n, &p->pack);
}

/* What a step must be, from the definition: drawn with the key, each example's gradient by itself, cut, added up in double. Returns
 * the mean norm. */
static double clipped_sum(glim_net *n, const glim_dataset *d, const size_t *picked, size_t k, double clip, double *sum) {
    glim_packer p;
    glim_err err;
    double nll[ROWS], scale[ROWS], norms = 0;
    struct glim_dp_grad *single = n->single;
    n->single = NULL;
    memset(sum, 0, n->n_values * sizeof *sum);
    CHECK_OK(glim_packer_init(&p, ROWS, &err), err);
    for (size_t i = 0; i < k; i++) {
        double sq = 0;
        gradient_of(n, d, picked[i], &p, nll, scale);
        for (size_t v = 0; v < n->n_values; v++) sq += (double)n->g[v] * (double)n->g[v];
        norms += sqrt(sq) / (double)k;
        const double by = sqrt(sq) > clip ? clip / sqrt(sq) : 1;
        for (size_t v = 0; v < n->n_values; v++) sum[v] += by * (double)n->g[v];
    }
    glim_packer_deinit(&p);
    n->single = single;
    return norms;
}

static void check_steps(size_t rank, bool pairs) {
    rig r;
    glim_net *n;
    glim_dp_run *run;
    glim_dp_rng *rng;
    glim_dp_plan plan;
    glim_packer p;
    glim_err err = {0};
    glim_store *s;
    const char *out = new_dir(), *ledger = new_dir();
    double nll[ROWS], scale[ROWS];
    size_t part[EXAMPLES], picked[EXAMPLES], n_drawn = 0, n_cut = 0, counts[EXAMPLES + 1] = {0};
    for (size_t i = 0; i < EXAMPLES; i++) part[i] = EXAMPLES - 1 - i;
    CHECK_OK(glim_store_open(&s, ledger, &(glim_store_params){.role = GLIM_STORE_GUEST}, &err), err);
    rig_open(&r, "tests/fixtures/glm4", rank ? NULL : "ref", 0, 1);
    glim_dataset *d = pairs ? make_pairs(r.m) : make_data();
    glim_net_params np = {.n_rows = ROWS, .seed = 5, .by_example = true, .kernels = glim_kernels_get(), .lora = {.rank = rank}};
    CHECK_OK(glim_net_new(&n, r.m, &np, &err), err);
    glim_rng rng_w = {.seed = 3}; /* a fresh adapter tells no pair from another */
    for (size_t v = 0; pairs && v < n->n_values; v++) n->w[v] = (float)(0.1 * glim_rng_normal(&rng_w));
    double *sum = calloc(n->n_values, sizeof *sum), *z = calloc(n->n_values, sizeof *z);
    float *g = calloc(n->n_values, sizeof *g);
    const double clip = clipped_sum(n, d, part, EXAMPLES, INFINITY, sum); /* some are cut, some are not */
    const glim_dp_params dp = {.epsilon = 10, .delta = 1e-3, .clip = clip, .set = "rows", .ledger = s, .key = key};
    CHECK_OK(glim_dp_make_plan(&plan, &dp, EXAMPLES, 6, 12, &err), err);
    CHECK(plan.total <= 10 && plan.total > 9.5 && plan.q == 0.25);
    CHECK_OK(glim_dp_run_open(&run, &(glim_dp_open){&dp, &plan, n, out, glim_dataset_hash(d), 7, 0, false, pairs ? BETA : 0}, &err), err);
    CHECK_OK(glim_dp_rng_from_key(&rng, key, &err), err);
    CHECK_OK(glim_packer_init(&p, ROWS, &err), err);
    for (uint64_t step = 0; step < 12; step++) {
        glim_dp_taken t;
        double sq = 0, worst = 0, real = 0;
        CHECK_OK(glim_dp_run_step(run, step, d, part, EXAMPLES, &p, nll, scale, &t, &err), err);
        memcpy(g, n->g, n->n_values * sizeof *g);
        const size_t k = glim_dp_sample(rng, step, EXAMPLES, 0.25, picked);
        CHECK_MSG(t.n == k, "step %d drew %zu examples, the key says %zu", (int)step, t.n, k);
        n_drawn += k, counts[k]++;
        for (size_t i = 0; i < k; i++) picked[i] = part[picked[i]];
        clipped_sum(n, d, picked, k, clip, sum);
        glim_dp_normals(rng, step, 0, n->n_values, z);
        const double sd = plan.sigma * clip;
        for (size_t q = 0; q < n->n_params; q++)
            for (size_t v = n->params[q].at; v < n->params[q].at + n->params[q].n; v++) {
                const double noise = (double)g[v] * 6 - sum[v]; /* 6 examples are expected */
                worst = fmax(worst, fabs(noise - z[v] * sd * (1 + 0x1p-10))); /* the lattice's margin */
                sq += noise * noise, real++;
            }
        CHECK_MSG(worst < 2e-5 * sd, "rank %zu, step %d: the sum is off by %g, noise is %g", rank, (int)step, worst, sd);
        CHECK_MSG(fabs(sqrt(sq / real) / sd - 1) < 5 / sqrt(2 * real) + 2e-3, "noise has deviation %g, want %g", sqrt(sq / real), sd);
        CHECK(t.n_cut <= k);
        n_cut += t.n_cut;
    }
    size_t kinds = 0;
    for (size_t k = 0; k <= EXAMPLES; k++) kinds += counts[k] > 0;
    CHECK_MSG(kinds >= 4 && n_drawn > 36 && n_drawn < 108, "%zu sizes of a batch, %zu examples drawn", kinds, n_drawn); /* 72 +- 5 sd */
    CHECK_MSG(n_cut > 0 && n_cut < n_drawn, "%zu of %zu gradients were cut", n_cut, n_drawn);
    CHECK(glim_dp_run_step(run, 12, d, part, EXAMPLES, &p, nll, scale, &(glim_dp_taken){0}, &err) == GLIM_E_LIMIT);
    CHECK_MSG(strstr(err.msg, "step 13 was not taken") && strstr(err.msg, "12 steps were reserved"), "%s", err.msg);
    free(sum), free(z), free(g);
    glim_packer_deinit(&p);
    glim_dp_rng_free(rng);
    glim_dp_run_free(run);
    glim_net_free(n);
    glim_store_close(s);
    glim_dataset_free(d);
    rig_close(&r);
    remove_all(out);
    remove_all(ledger);
}

TEST(a_private_step_of_an_adapter_is_drawn_cut_and_noised_as_defined) { check_steps(4, false); }
TEST(a_private_step_of_all_weights_is_drawn_cut_and_noised_as_defined) { check_steps(0, false); }
TEST(a_private_step_of_pairs_is_drawn_cut_and_noised_as_defined) { check_steps(4, true); }

/* ---- a run ---- */

static void check_files(const char *out) {
    static const char *const names[] = {"adapter_model.safetensors", "adapter_config.json", "metrics.jsonl", "privacy.json", "state.glim", "state.old"};
    for (size_t i = 0; i < GLIM_COUNT(names); i++) {
        size_t n;
        char *b = read_all(out, names[i], &n);
        CHECK_MSG(!memmem(b, n, key, 8) && !memmem(b, n, key + 24, 8), "%s holds the key", names[i]);
        free(b);
    }
    CHECK(!is_there(out, "privacy.key"));
}

TEST(a_private_run_is_charged_and_its_adapter_has_the_trained_logits) {
    const char *out = new_dir(), *ledger = new_dir();
    glim_tune_params p = usual(out);
    glim_tune_result res;
    glim_err err = {0};
    rig r;
    glim_net *n;
    glim_adapter *a;
    CHECK_OK(run_in("tests/fixtures/glm4", &p, ledger, 1, &res, &err), err);
    CHECK_MSG(res.epsilon <= 20 && res.epsilon > 19, "epsilon is %g", res.epsilon);
    CHECK_MSG(res.eval_after < res.eval_before, "evaluation %g to %g", res.eval_before, res.eval_after);
    const glim_dp_spent sp = spent_in(ledger);
    CHECK(sp.n_runs == 1 && sp.n_open == 0 && sp.n_steps == res.steps && fabs(sp.charged - res.epsilon) < 1e-9 && sp.budget_eps == 20);
    check_files(out);

    /* What was spent is in the metrics, rising, and in the adapter's file. */
    size_t len;
    char *text = read_all(out, "metrics.jsonl", &len);
    double last = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        json_t *o;
        CHECK_OK(glim_json_parse(&o, line, strlen(line), 0, &err), err);
        const double e = json_number_value(json_object_get(o, "epsilon"));
        CHECK(e > last);
        last = e;
        json_decref(o);
    }
    free(text);
    CHECK(last == res.epsilon);
    text = read_all(out, "adapter_model.safetensors", &len);
    CHECK(memmem(text, len, "glim.privacy", 12) && memmem(text, len, "epsilon_promised", 16));
    free(text);

    /* The file has the values that were trained, and inference computes training's logits with them. */
    char *path = glim_path_join(out, "adapter_model.safetensors");
    rig_open(&r, "tests/fixtures/glm4", NULL, 1 + GLIM_F32, 1);
    CHECK_OK(glim_net_new(&n, r.m, &p.net, &err), err);
    CHECK_OK(glim_net_import_adapter(n, path, false, &err), err);
    CHECK_MSG(glim_net_sum(n) == res.sum, "the adapter's values are not those that were trained");
    CHECK_OK(glim_adapter_load(&a, r.m, out, &err), err);
    glim_packer pack;
    glim_example x;
    glim_dataset *d = make_data();
    CHECK_OK(glim_packer_init(&pack, 40, &err), err);
    CHECK_OK(glim_dataset_example(d, 3, &x), err);
    CHECK(glim_packer_add(&pack, &x, 3));
    const size_t V = r.m->cfg.n_vocab, rows = pack.pack.n;
    float *want = malloc(rows * V * sizeof *want), *got = malloc(rows * V * sizeof *got);
    CHECK_OK(glim_net_forward(n, &pack.pack, &err), err);
    glim_net_logits(n, &pack.pack, 0, rows, want);
    infer(&r, a, pack.tokens, rows, got);
    CHECK_CLOSE(got, want, rows * V, 2e-4, 1e-4);
    free(want), free(got), free(path);
    glim_packer_deinit(&pack);
    glim_dataset_free(d);
    glim_adapter_free(a);
    glim_net_free(n);
    rig_close(&r);

    /* The set's budget is spent: the same again is refused, and leaves nothing behind. */
    const char *again = new_dir();
    p.out = again;
    CHECK(run_in("tests/fixtures/glm4", &p, ledger, 1, &res, &err) == GLIM_E_LIMIT);
    CHECK_MSG(strstr(err.msg, "data set \"rows\"") && strstr(err.msg, "the budget is 20"), "%s", err.msg);
    CHECK(!is_there(again, "privacy.json") && !is_there(again, "privacy.key") && !is_there(again, "adapter_config.json"));
    remove_all(again);
    remove_all(out);
    remove_all(ledger);
}

/* Pairs are examples: what one of them changes is bounded, and they still teach. */
TEST(a_private_run_of_pairs_learns_and_is_charged) {
    const char *out = new_dir(), *ledger = new_dir();
    glim_tune_params p = usual(out);
    glim_tune_result res;
    glim_err err = {0};
    rig r;
    rig_open(&r, "tests/fixtures/glm4", NULL, 0, 1);
    glim_dataset *d = make_pairs(r.m);
    CHECK_OK(glim_store_open(&p.dp.ledger, ledger, &(glim_store_params){.role = GLIM_STORE_GUEST}, &err), err);
    p.method = GLIM_TUNE_DPO, p.net.n_rows = 128, p.epochs = 12, p.dp.epsilon = 60;
    CHECK_OK(glim_tune_run(r.m, d, &p, &res, &err), err);
    CHECK_MSG(fabs(res.eval_before - log(2)) < 1e-6 && res.eval_after < 0.6, "evaluation %g to %g", res.eval_before, res.eval_after);
    CHECK(res.epsilon > 59 && res.epsilon <= 60);
    glim_store_close(p.dp.ledger);
    CHECK(spent_in(ledger).n_steps == res.steps && spent_in(ledger).n_open == 0);
    check_files(out);
    glim_dataset_free(d);
    rig_close(&r);
    remove_all(out), remove_all(ledger);
}

typedef struct stop {
    size_t at;
    bool kill;
    const char *ledger, *out; /* ledger not NULL: the run is ended there by somebody else */
} stop;

static bool on_step(void *ctx, const glim_tune_step *s) {
    const stop *p = ctx;
    if (p->at == 0 || s->step != p->at) return true;
    if (p->kill) kill(getpid(), SIGKILL);
    if (!p->ledger) return false;
    glim_store *store;
    glim_err err = {0};
    json_t *o;
    char *path = glim_path_join(p->out, "privacy.json");
    CHECK_OK(glim_json_read(&o, path, 1 << 16, &err), err);
    CHECK_OK(glim_store_open(&store, p->ledger, &(glim_store_params){.role = GLIM_STORE_GUEST}, &err), err);
    CHECK_OK(glim_dp_ledger_end(store, json_string_value(json_object_get(o, "run")), "somebody", &err), err);
    glim_store_close(store);
    json_decref(o);
    free(path);
    return true;
}

/* Killed, resumed with another number of threads: the same bits, and no step is charged twice. */
TEST(a_killed_private_run_ends_in_the_same_bits_and_costs_no_more) {
    const char *whole = new_dir(), *ledger = new_dir();
    glim_tune_params p = usual(whole);
    glim_tune_result want, got;
    glim_err err = {0};
    CHECK_OK(run_in("tests/fixtures/qwen3", &p, ledger, 1, &want, &err), err);
    remove_all(ledger);
    for (size_t at = 1; at < want.steps; at += KILLS_EVERY) {
        const char *out = new_dir();
        struct stat st;
        stop s = {.at = at, .kill = true};
        ledger = new_dir();
        p = usual(out);
        p.on_step = on_step, p.ctx = &s;
        fflush(stdout);
        const pid_t child = fork();
        if (child == 0) {
            run_in("tests/fixtures/qwen3", &p, ledger, 1, &got, &err);
            _exit(0);
        }
        int status;
        CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        char *path = glim_path_join(out, "privacy.key");
        CHECK(stat(path, &st) == 0 && (st.st_mode & 07777) == 0600);
        free(path);
        CHECK(run_in("tests/fixtures/qwen3", &p, ledger, 2, &got, &err) != GLIM_OK); /* not without --resume */
        p.resume = true, p.dp.key = NULL, s.at = 0;
        CHECK_OK(run_in("tests/fixtures/qwen3", &p, ledger, 2, &got, &err), err);
        CHECK(got.sum == want.sum && got.eval_after == want.eval_after && got.epsilon == want.epsilon && got.resumed_at < want.steps);
        const glim_dp_spent sp = spent_in(ledger);
        CHECK(sp.n_runs == 1 && sp.n_open == 0 && sp.n_steps == want.steps);
        check_files(out);
        /* A finished run that is resumed once more looks at nothing and charges nothing. */
        CHECK_OK(run_in("tests/fixtures/qwen3", &p, ledger, 1, &got, &err), err);
        CHECK(got.sum == want.sum && spent_in(ledger).n_steps == want.steps);
        remove_all(out);
        remove_all(ledger);
    }
    remove_all(whole);
}

TEST(a_key_that_is_gone_or_belongs_to_other_settings_ends_the_run) {
    const char *out = new_dir(), *ledger = new_dir();
    glim_tune_params p = usual(out);
    glim_tune_result res;
    glim_err err = {0};
    stop s = {.at = 1};
    p.on_step = on_step, p.ctx = &s;
    CHECK(run_in("tests/fixtures/glm4", &p, ledger, 1, &res, &err) == GLIM_E_CANCELLED);
    p.resume = true, s.at = 0;
    /* Without a checkpoint nothing but the key's own binding knows the settings. */
    char *state = glim_path_join(out, "state.glim"), *path = glim_path_join(out, "privacy.key");
    CHECK(unlink(state) == 0);
    p.optim.lr = 0.02;
    CHECK(run_in("tests/fixtures/glm4", &p, ledger, 1, &res, &err) == GLIM_E_STATE && strstr(err.msg, "another set of settings"));
    p.optim.lr = 0.01;
    CHECK(unlink(path) == 0);
    CHECK(run_in("tests/fixtures/glm4", &p, ledger, 1, &res, &err) == GLIM_E_STATE);
    CHECK_MSG(strstr(err.msg, "is gone: 1 steps"), "%s", err.msg);
    CHECK(spent_in(ledger).n_steps == 1);
    free(state), free(path);
    remove_all(out);
    remove_all(ledger);
}

/* Killed while the key was written: nothing was drawn with it, so the run begins with another. Once a step is charged it does not. */
TEST(a_key_that_is_half_written_is_made_anew_before_the_first_step_only) {
    rig r;
    glim_net *n;
    glim_dp_run *run;
    glim_dp_plan plan;
    glim_store *s;
    glim_err err = {0};
    const char *out = new_dir(), *ledger = new_dir();
    char *path = glim_path_join(out, "privacy.key");
    CHECK_OK(glim_store_open(&s, ledger, &(glim_store_params){.role = GLIM_STORE_GUEST}, &err), err);
    rig_open(&r, "tests/fixtures/glm4", "ref", 0, 1);
    glim_dataset *d = make_data();
    CHECK_OK(glim_net_new(&n, r.m, &(glim_net_params){.n_rows = ROWS, .by_example = true, .kernels = glim_kernels_get(), .lora = {.rank = 2}}, &err), err);
    const glim_dp_params dp = {.epsilon = 10, .delta = 1e-3, .clip = 1, .set = "rows", .ledger = s};
    CHECK_OK(glim_dp_make_plan(&plan, &dp, EXAMPLES, 6, 12, &err), err);
    glim_dp_open o = {&dp, &plan, n, out, glim_dataset_hash(d), 7, 0, false, 0};
    for (int charged = 0; charged < 2; charged++) {
        CHECK_OK(glim_dp_run_open(&run, &o, &err), err);
        if (charged) {
            double nll[ROWS], scale[ROWS];
            size_t part[EXAMPLES];
            glim_packer p;
            glim_dp_taken t;
            for (size_t i = 0; i < EXAMPLES; i++) part[i] = i;
            CHECK_OK(glim_packer_init(&p, ROWS, &err), err);
            CHECK_OK(glim_dp_run_step(run, 0, d, part, EXAMPLES, &p, nll, scale, &t, &err), err);
            glim_packer_deinit(&p);
        }
        glim_dp_run_free(run);
        CHECK(truncate(path, charged ? 10 : 0) == 0);
        o.resume = true;
    }
    CHECK(glim_dp_run_open(&run, &o, &err) == GLIM_E_FORMAT);
    glim_dataset_free(d);
    glim_net_free(n);
    rig_close(&r);
    glim_store_close(s);
    free(path);
    remove_all(out), remove_all(ledger);
}

/* What a cancelled job leaves: its reservation is given back, its key is gone, and a folder of nobody is none of ours. */
TEST(a_run_that_is_abandoned_keeps_what_it_charged_and_nothing_more) {
    const char *out = new_dir(), *ledger = new_dir(), *empty = new_dir();
    glim_tune_params p = usual(out);
    glim_tune_result res;
    glim_store *s;
    glim_err err = {0};
    stop at = {.at = 2};
    p.on_step = on_step, p.ctx = &at;
    CHECK(run_in("tests/fixtures/glm4", &p, ledger, 1, &res, &err) == GLIM_E_CANCELLED);
    CHECK(spent_in(ledger).n_open == 1);
    CHECK_OK(glim_store_open(&s, ledger, &(glim_store_params){.role = GLIM_STORE_GUEST}, &err), err);
    for (int twice = 0; twice < 2; twice++) CHECK_OK(glim_dp_run_abandon(s, out, "test", &err), err);
    CHECK_OK(glim_dp_run_abandon(s, empty, "test", &err), err);
    glim_store_close(s);
    const glim_dp_spent sp = spent_in(ledger);
    CHECK(sp.n_open == 0 && sp.n_steps == 2 && sp.promised == sp.charged && sp.charged > 0 && !is_there(out, "privacy.key"));
    p.resume = true, at.at = 0;
    CHECK(run_in("tests/fixtures/glm4", &p, ledger, 1, &res, &err) == GLIM_E_STATE && strstr(err.msg, "is over"));
    remove_all(out), remove_all(ledger), remove_all(empty);
}

TEST(a_budget_that_ends_midway_keeps_the_last_step) {
    const char *out = new_dir(), *ledger = new_dir(), *other = new_dir(), *other_ledger = new_dir();
    glim_tune_params p = usual(out);
    glim_tune_result res, want;
    glim_err err = {0};
    stop s = {.at = 3, .ledger = ledger, .out = out};
    p.on_step = on_step, p.ctx = &s, p.save_every = 100;
    CHECK(run_in("tests/fixtures/glm4", &p, ledger, 1, &res, &err) == GLIM_E_STATE);
    CHECK_MSG(strstr(err.msg, "step 4 was not taken") && strstr(err.msg, "is over"), "%s", err.msg);
    CHECK(spent_in(ledger).n_steps == 3 && is_there(out, "state.glim") && !is_there(out, "adapter_config.json"));
    p = usual(other);
    s = (stop){.at = 3};
    p.on_step = on_step, p.ctx = &s, p.save_every = 100;
    CHECK(run_in("tests/fixtures/glm4", &p, other_ledger, 1, &want, &err) == GLIM_E_CANCELLED);
    CHECK(res.sum == want.sum && res.steps == 3);
    remove_all(out), remove_all(ledger), remove_all(other), remove_all(other_ledger);
}

TEST(a_gradient_that_is_no_number_stops_a_private_run_and_names_the_example) {
    const char *out = new_dir(), *ledger = new_dir();
    glim_tune_params p = usual(out);
    glim_tune_result res;
    glim_err err = {0};
    p.optim.lr = 1e30, p.optim.schedule = GLIM_SCHEDULE_CONSTANT;
    CHECK(run_in("tests/fixtures/glm4", &p, ledger, 1, &res, &err) == GLIM_E_STATE);
    CHECK_MSG(strstr(err.msg, "step ") && strstr(err.msg, "example") && strstr(err.hint, "checkpoint"), "%s", err.msg);
    CHECK(is_there(out, "state.glim") && is_there(out, "privacy.key"));
    remove_all(out), remove_all(ledger);
}

TEST(what_would_break_the_promise_is_refused) {
    const char *out = new_dir(), *ledger = new_dir();
    const struct {
        const char *says;
        glim_status rc;
        double epsilon, delta, sigma, dropout, clip;
        size_t patience, batch;
        glim_tune_method method;
    } t[] = {{"epsilon: got -1", GLIM_E_ARG, -1, 1e-3, 0, 0, 1, 0, 8, GLIM_TUNE_SFT},
             {"delta: got 0", GLIM_E_ARG, 5, 0, 0, 0, 1, 0, 8, GLIM_TUNE_SFT},
             {"spend epsilon", GLIM_E_LIMIT, 5, 1e-3, 0.5, 0, 1, 0, 8, GLIM_TUNE_SFT},
             {"noise multiplier", GLIM_E_ARG, 5, 1e-3, 0.01, 0, 1, 0, 8, GLIM_TUNE_SFT},
             {"dropout", GLIM_E_UNSUPPORTED, 5, 1e-3, 0, 0.1, 1, 0, 8, GLIM_TUNE_SFT},
             {"clip norm: got -2", GLIM_E_ARG, 5, 1e-3, 0, 0, -2, 0, 8, GLIM_TUNE_SFT},
             {"early stop", GLIM_E_UNSUPPORTED, 5, 1e-3, 0, 0, 1, 2, 8, GLIM_TUNE_SFT},
             {"cannot be drawn from 19", GLIM_E_ARG, 5, 1e-3, 0, 0, 1, 0, 20, GLIM_TUNE_SFT}};
    for (size_t i = 0; i < GLIM_COUNT(t); i++) {
        glim_tune_params p = usual(out);
        glim_tune_result res;
        glim_err err = {0};
        p.dp.epsilon = t[i].epsilon, p.dp.delta = t[i].delta, p.dp.sigma = t[i].sigma, p.dp.clip = t[i].clip;
        p.net.lora.dropout = t[i].dropout, p.patience = t[i].patience, p.batch = t[i].batch, p.method = t[i].method;
        const glim_status rc = run_in("tests/fixtures/glm4", &p, ledger, 1, &res, &err);
        CHECK_MSG(rc == t[i].rc && strstr(err.msg, t[i].says), "case %zu: status %d, %s", i, rc, err.msg);
        CHECK(!is_there(out, "privacy.key") && !is_there(out, "adapter_config.json"));
    }
    CHECK(spent_in(ledger).n_runs == 0);
    remove_all(out), remove_all(ledger);
}

/* A row of many windows would be drawn and cut window by window, and so be in a run many times over. */
TEST(a_text_that_is_several_examples_is_not_trained_on_in_private) {
    static const char text[] = "{\"text\": \"one\"}\n{\"text\": \"two words\"}\n"
                               "{\"text\": \"the quick brown fox jumps over the lazy dog, again and again and again, and then once more\"}\n";
    glim_tune_params p = usual("/tmp/nowhere-at-all");
    glim_tune_plan plan;
    glim_dataset *d;
    glim_tok *tok;
    rig r;
    rig_open(&r, "tests/fixtures/glm4", NULL, 0, 1);
    CHECK_OK(glim_tok_open(&tok, glim_test_source("tests/fixtures/glm4/tokenizer.json"), &r.err), r.err);
    p.batch = 1, p.epochs = 1, p.eval_share = 0, p.net.n_rows = 0;
    for (size_t most = 16; most <= 512; most += 496) {
        const glim_data_params dp = {.tok = tok, .max_tokens = most};
        CHECK_OK(glim_dataset_parse(&d, "rows.jsonl", text, sizeof text - 1, &dp, NULL, &r.err), r.err);
        const glim_status rc = glim_tune_make_plan(&plan, r.m, d, &p, &r.err);
        if (most == 16) CHECK_MSG(rc == GLIM_E_UNSUPPORTED && strstr(r.err.msg, "line 3"), "status %d, %s", rc, r.err.msg);
        else CHECK_OK(rc, r.err);
        p.dp.epsilon = 0; /* without a promise windows are examples like any other */
        CHECK_OK(glim_tune_make_plan(&plan, r.m, d, &p, &r.err), r.err);
        p.dp.epsilon = 20;
        glim_dataset_free(d);
    }
    glim_tok_free(tok);
    rig_close(&r);
}

/* ---- the audit ---- */

enum { CANARIES = 128, CANARY = 9 };

static void losses_of(glim_net *n, const glim_example *x, double *loss) {
    glim_packer pack;
    glim_err err;
    double nll[CANARY];
    CHECK_OK(glim_packer_init(&pack, CANARY, &err), err);
    for (size_t i = 0; i < CANARIES; i++) {
        loss[i] = 0;
        glim_packer_clear(&pack, 0);
        CHECK(glim_packer_add(&pack, &x[i], i));
        CHECK_OK(glim_net_forward(n, &pack.pack, &err), err);
        glim_net_head(n, &pack.pack, nll, NULL);
        for (size_t k = 0; k < pack.pack.n; k++) loss[i] += nll[k];
    }
    glim_packer_deinit(&pack);
}

/* Canaries are rows of random tokens; a coin decides which half is trained on. Who sees the adapter says "in" where a canary's
 * loss fell the most. Returns what that proves of epsilon, with 95 % confidence. */
static double audit(double epsilon, double sigma, double *spent) {
    static int32_t ids[CANARIES][CANARY];
    uint8_t loss[CANARY] = {0};
    unsigned char in[CANARIES];
    glim_example all[CANARIES], trained[CANARIES];
    double before[CANARIES], score[CANARIES], eps;
    size_t n_in = 0;
    const char *out = new_dir(), *ledger = new_dir();
    rig r;
    glim_net *n;
    glim_dataset *d;
    glim_tune_result res;
    glim_err err = {0};
    glim_rng rng = {.seed = 8};
    memset(loss + 1, 1, CANARY - 1);
    for (size_t i = 0; i < CANARIES; i++) {
        for (size_t k = 0; k < CANARY; k++) ids[i][k] = (int32_t)glim_rng_below(&rng, 300);
        all[i] = (glim_example){ids[i], loss, CANARY};
        in[i] = glim_rng_below(&rng, 2) != 0;
        if (in[i]) trained[n_in++] = all[i];
    }
    CHECK_OK(glim_dataset_from_examples(&d, trained, n_in, &err), err);
    glim_tune_params p = {.out = out, .batch = n_in / 2, .max_steps = 20, .save_every = 1000, .seed = 8,
                          .net = {.n_rows = 256, .lora = {.rank = 8, .targets = {"all-linear"}, .n_targets = 1}},
                          .optim = {.lr = 0.02, .schedule = GLIM_SCHEDULE_CONSTANT},
                          .dp = {.epsilon = epsilon, .delta = 1e-5, .sigma = sigma, .set = "canaries", .key = key}};
    rig_open(&r, "tests/fixtures/glm4", NULL, 0, 1);
    CHECK_OK(glim_store_open(&p.dp.ledger, ledger, &(glim_store_params){.role = GLIM_STORE_GUEST}, &err), err);
    CHECK_OK(glim_tune_run(r.m, d, &p, &res, &err), err);
    glim_store_close(p.dp.ledger);
    *spent = res.epsilon;
    char *path = glim_path_join(out, "adapter_model.safetensors");
    CHECK_OK(glim_net_new(&n, r.m, &p.net, &err), err);
    losses_of(n, all, before);
    CHECK_OK(glim_net_import_adapter(n, path, false, &err), err);
    losses_of(n, all, score);
    for (size_t i = 0; i < CANARIES; i++) score[i] = before[i] - score[i];
    CHECK_OK(glim_audit_scores(&eps, score, in, CANARIES, 1e-5, 0.95, &err), err);
    free(path);
    glim_dataset_free(d);
    glim_net_free(n);
    rig_close(&r);
    remove_all(out), remove_all(ledger);
    return eps;
}

TEST(canaries_of_a_private_run_cannot_be_told_and_those_of_one_almost_without_noise_can) {
    double spent;
    const double kept = audit(1, 0, &spent);
    CHECK(spent <= 1 && spent > 0.9);
    CHECK_MSG(kept <= spent, "an audit proves epsilon %g where %g was promised", kept, spent);
    if (SANITIZED) return; /* the same code again */
    const double lost = audit(1000, GLIM_DP_SIGMA_MIN, &spent);
    CHECK_MSG(lost > 1.5, "an audit of a run with little noise proves only epsilon %g", lost);
}
