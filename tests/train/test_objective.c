/* Whole runs by method: DoRA, a teacher, balanced experts. Each learns, stops, goes on in the same bits, and writes what it learnt. */
#include "model/adapter.h"
#include "text/tok.h"
#include "train/loss_distill.h"
#include "train/tune.h"
#include "run_test.h"

static glim_dataset *make_data(void) { return rows_with_a_pattern(16, 12, 5, 5); }

static bool stop_at_3(void *ctx, const glim_tune_step *s) {
    (void)ctx;
    return s->step != 3;
}

/* A run in one piece and one that stops after three steps and goes on: the same sum. Returns the folder of the first. */
static char *run_twice(const char *path, const char *set, const glim_tune_params *usual, glim_tune_result *out) {
    char *folders[2];
    uint64_t sums[2] = {0};
    for (int k = 0; k < 2; k++) {
        rig r;
        glim_tune_params p = *usual;
        glim_dataset *d = make_data();
        glim_err err = {0};
        glim_tune_result res;
        rig_open(&r, path, set, 0, 1);
        p.out = folders[k] = new_dir();
        p.net.kernels = glim_kernels_get();
        if (k) {
            p.on_step = stop_at_3;
            CHECK(glim_tune_run(r.m, d, &p, &res, &err) == GLIM_E_CANCELLED);
            p.on_step = NULL, p.resume = true;
        }
        CHECK_OK(glim_tune_run(r.m, d, &p, &res, &err), err);
        CHECK(res.resumed_at == (k ? 3 : 0));
        sums[k] = res.sum;
        if (k == 0) *out = res;
        glim_dataset_free(d);
        rig_close(&r);
    }
    CHECK(sums[0] == sums[1]);
    remove_all(folders[1]);
    return folders[0];
}

static glim_tune_params usual(void) {
    return (glim_tune_params){.batch = 4, .epochs = 3, .eval_share = 0.25, .save_every = 2, .seed = 3,
                              .net = {.n_rows = 40, .lora = {.rank = 4, .targets = {"all-linear"}, .n_targets = 1}},
                              .optim = {.lr = 0.01, .clip = 1}};
}

TEST(a_dora_run_learns_and_its_adapter_is_read_again) {
    glim_tune_params p = usual();
    glim_tune_result res;
    rig r;
    glim_adapter *a;
    p.net.lora.dora = true;
    char *out = run_twice("tests/fixtures/qwen2", NULL, &p, &res);
    CHECK_MSG(res.eval_after < 0.8 * res.eval_before, "evaluation %g to %g", res.eval_before, res.eval_after);
    rig_open(&r, "tests/fixtures/qwen2", NULL, 0, 1);
    CHECK_OK(glim_adapter_load(&a, r.m, out, &r.err), r.err);
    glim_adapter_free(a);
    /* A checkpoint of DoRA is no checkpoint of LoRA. */
    glim_dataset *d = make_data();
    p.net.lora.dora = false, p.out = out, p.resume = true;
    CHECK(glim_tune_run(r.m, d, &p, &res, &r.err) == GLIM_E_STATE);
    /* What a private run cannot bound by example it does not train. */
    glim_tune_plan plan;
    p.net.lora.dora = true, p.dp.epsilon = 8, p.dp.delta = 1e-3;
    CHECK(glim_tune_make_plan(&plan, r.m, d, &p, &r.err) == GLIM_E_UNSUPPORTED && strstr(r.err.msg, "DoRA"));
    glim_dataset_free(d);
    rig_close(&r);
    remove_all(out);
}

TEST(a_student_learns_from_its_teacher_alone) {
    rig t;
    glim_tune_params p = usual();
    glim_tune_result res;
    glim_dataset *d = make_data();
    glim_tune_plan plan;
    rig_open(&t, "tests/fixtures/qwen3", NULL, 0, 1);
    p.method = GLIM_TUNE_DISTILL, p.teacher = t.m, p.distill_weight = 1, p.distill_top = SIZE_MAX, p.epochs = 20;
    char *out = run_twice("tests/fixtures/llama-tied", NULL, &p, &res);
    CHECK_MSG(res.eval_after < 0.8 * res.eval_before, "evaluation %g to %g", res.eval_before, res.eval_after);
    remove_all(out);
    /* What the teacher takes is in the plan, and a run without one is refused. */
    CHECK_OK(glim_tune_make_plan(&plan, t.m, d, &p, &t.err), t.err);
    CHECK(plan.teacher > 0 && plan.total >= plan.teacher + plan.weights);
    p.teacher = NULL;
    CHECK(glim_tune_make_plan(&plan, t.m, d, &p, &t.err) == GLIM_E_ARG && strstr(t.err.msg, "teacher"));
    p.method = GLIM_TUNE_SFT, p.teacher = t.m;
    CHECK(glim_tune_make_plan(&plan, t.m, d, &p, &t.err) == GLIM_E_ARG);
    p.method = GLIM_TUNE_DISTILL, p.distill_weight = 1.5, p.out = "/tmp/nowhere-at-all";
    CHECK(glim_tune_run(t.m, d, &p, &res, &t.err) == GLIM_E_ARG && strstr(t.err.msg, "weight"));
    rmdir(p.out);
    glim_dataset_free(d);
    rig_close(&t);
}

/* A tensor's bytes, each with its last bit turned. */
static void change_tensor(const char *folder, const char *name) {
    char path[128];
    uint64_t header;
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    FILE *f = fopen(path, "r+b");
    CHECK(f && fread(&header, sizeof header, 1, f) == 1 && header < 1 << 20);
    char *text = malloc(header);
    CHECK(fread(text, 1, header, f) == header);
    json_t *all = json_loadb(text, header, 0, NULL), *at = json_object_get(json_object_get(all, name), "data_offsets");
    const long begin = (long)(8 + header) + json_integer_value(json_array_get(at, 0)), end = (long)(8 + header) + json_integer_value(json_array_get(at, 1));
    CHECK(end > begin);
    for (long i = begin; i < end; i++) {
        CHECK(fseek(f, i, SEEK_SET) == 0);
        const int c = fgetc(f) ^ 1;
        CHECK(fseek(f, i, SEEK_SET) == 0 && fputc(c, f) == c);
    }
    CHECK(fclose(f) == 0);
    json_decref(all);
    free(text);
}

TEST(a_checkpoint_belongs_to_the_teacher_that_it_began_with) {
    char teacher[128], cmd[640];
    rig r, t;
    glim_tune_params p = usual();
    glim_tune_result res;
    glim_dataset *d = make_data();
    char *dir = new_dir();
    p.out = new_dir();
    snprintf(teacher, sizeof teacher, "%s/model", dir);
    snprintf(cmd, sizeof cmd, "cp -rL %s %s && chmod -R u+w %s", glim_test_source("tests/fixtures/qwen3"), teacher, teacher);
    CHECK(system(cmd) == 0);
    rig_open(&r, "tests/fixtures/llama-tied", NULL, 0, 1);
    rig_open(&t, teacher, NULL, 0, 1);
    p.method = GLIM_TUNE_DISTILL, p.teacher = t.m, p.distill_weight = 1, p.distill_top = SIZE_MAX, p.on_step = stop_at_3;
    CHECK(glim_tune_run(r.m, d, &p, &res, &r.err) == GLIM_E_CANCELLED);
    rig_close(&t);
    change_tensor(teacher, "model.layers.0.mlp.up_proj.weight");
    rig_open(&t, teacher, NULL, 0, 1);
    p.teacher = t.m, p.on_step = NULL, p.resume = true;
    CHECK_MSG(glim_tune_run(r.m, d, &p, &res, &r.err) == GLIM_E_STATE && strstr(r.err.msg, "other settings"), "%s", r.err.msg);
    rig_close(&t);
    change_tensor(teacher, "model.layers.0.mlp.up_proj.weight"); /* as it was */
    rig_open(&t, teacher, NULL, 0, 1);
    p.teacher = t.m;
    CHECK_OK(glim_tune_run(r.m, d, &p, &res, &r.err), r.err);
    CHECK(res.resumed_at == 3);
    rig_close(&t);
    rig_close(&r);
    glim_dataset_free(d);
    remove_all(p.out);
    remove_all(dir);
}

/* A table of 100,000 rows of 324 bytes, 31 MiB that nobody reads here: only addresses count. */
TEST(a_plan_counts_only_the_rows_of_a_table_that_tokens_can_touch) {
    static const int32_t ids[] = {0, 1, 2, 99999, 100000, -1};
    static const uint8_t loss[] = {0, 1, 1, 1, 1, 1};
    glim_model m = {.tied = true, .plan = {.packed = 1}, .embd = {.n_out = 100000, .n_in = 576, .row_bytes = 324, .rows = (const void *)(uintptr_t)(5 << 20)}};
    const size_t all = m.embd.n_out * m.embd.row_bytes;
    glim_dataset *d;
    glim_err err = {0};
    CHECK_OK(glim_dataset_from_examples(&d, &(glim_example){ids, loss, GLIM_COUNT(ids)}, 1, &err), err);
    const glim_dataset *const sets[] = {d, NULL}, *const none[] = {NULL};
    CHECK(glim_tune_idle_rows(&m, none, 1) == all);
    const size_t idle = glim_tune_idle_rows(&m, sets, 2);
    CHECK_MSG(idle < all && all - idle <= 2 * (64 << 10), "%zu of %zu bytes", idle, all);
    m.plan.packed = 0; /* the head runs from the same rows */
    CHECK(glim_tune_idle_rows(&m, sets, 2) == 0);
    m.plan.packed = 1, m.tied = false; /* loading looked at every row for numbers that are none */
    CHECK(glim_tune_idle_rows(&m, sets, 2) == 0);
    m.packed.ready = true;
    CHECK(glim_tune_idle_rows(&m, sets, 2) == idle);
    glim_dataset_free(d);
}

TEST(the_plan_of_a_run_leaves_idle_rows_out_of_model_and_teacher) {
    rig r;
    glim_tune_params p = usual();
    glim_tune_plan all, less;
    glim_dataset *d = make_data();
    rig_open(&r, "tests/fixtures/qwen3", NULL, 0, 1);
    const glim_model was = *r.m;
    p.method = GLIM_TUNE_DISTILL, p.teacher = r.m, p.distill_weight = 1;
    for (size_t rank = 0; rank <= 4; rank += 4) {
        r.m->embd.n_out = 100000, r.m->embd.row_bytes = 324, r.m->embd.rows = (const void *)(uintptr_t)(5 << 20); /* not read: only addresses count */
        r.m->plan.packed += r.m->embd.n_out * r.m->embd.row_bytes;
        r.m->tied = r.m->packed.ready = false; /* loading read all of it */
        p.net.lora.rank = rank;
        CHECK_OK(glim_tune_make_plan(&all, r.m, d, &p, &r.err), r.err);
        r.m->packed.ready = true;
        CHECK_OK(glim_tune_make_plan(&less, r.m, d, &p, &r.err), r.err);
        const glim_dataset *const sets[] = {d};
        const size_t idle = glim_tune_idle_rows(r.m, sets, 1), trained = rank ? idle : 0; /* all weights are trained, touched or not */
        CHECK(idle > 0 && all.weights - less.weights == trained && all.teacher - less.teacher == idle && all.total - less.total == idle + trained);
        *r.m = was;
    }
    glim_dataset_free(d);
    rig_close(&r);
}

/* Either answer of a pair is read. */
TEST(tokens_of_both_answers_of_a_pair_touch_their_rows) {
    glim_model m = {.tied = true, .plan = {.packed = 1}, .embd = {.n_out = 100000, .n_in = 576, .row_bytes = 324 << 10, .rows = (const void *)(uintptr_t)(5 << 20)}};
    glim_tok *tok;
    glim_dataset *d;
    glim_err err = {0};
    CHECK_OK(glim_tok_open(&tok, glim_test_source("tests/fixtures/glm4/tokenizer.json"), &err), err);
    size_t idle[2];
    for (size_t i = 0; i < 2; i++) {
        const char *row = i ? "{\"prompt\":\"a\",\"chosen\":\"b\",\"rejected\":\"xyz\"}" : "{\"prompt\":\"a\",\"chosen\":\"b\",\"rejected\":\"b b\"}";
        const glim_data_params dp = {.tok = tok};
        CHECK_OK(glim_dataset_parse(&d, "rows.jsonl", row, strlen(row), &dp, NULL, &err), err);
        const glim_dataset *const sets[] = {d};
        idle[i] = glim_tune_idle_rows(&m, sets, 1);
        glim_dataset_free(d);
    }
    CHECK_MSG(idle[1] < idle[0], "%zu and %zu bytes", idle[0], idle[1]);
    glim_tok_free(tok);
}

TEST(a_teacher_of_another_tokenizer_is_refused_by_token) {
    glim_tok *a, *b;
    glim_err err = {0};
    CHECK_OK(glim_tok_open(&a, glim_test_source("tests/fixtures/glm4"), &err), err);
    CHECK_OK(glim_tok_open(&b, glim_test_source("tests/fixtures/qwen3"), &err), err);
    CHECK_OK(glim_teacher_check(a, a, &err), err);
    CHECK(glim_teacher_check(a, b, &err) == GLIM_E_ARG && strstr(err.msg, "another tokenizer: token ") && err.hint[0]);
    glim_tok_free(a);
    glim_tok_free(b);
}

/* A teacher's rows do not depend on how a pass was packed: long, short and many sequences. */
TEST(a_teacher_sees_each_sequence_alone) {
    rig r;
    glim_net *n;
    glim_packer all, one;
    glim_teacher *t;
    static const size_t lengths[] = {90, 2, 3, 70, 2, 2, 2, 2, 2, 2, 2, 2, 2, 5};
    enum { ALL = 256 };
    int32_t ids[GLIM_COUNT(lengths)][90];
    uint8_t loss[90];
    glim_rng rng = {.seed = 3};
    memset(loss, 1, sizeof loss);
    rig_open(&r, "tests/fixtures/glm4", NULL, 0, 1);
    CHECK_OK(glim_net_new(&n, r.m, &(glim_net_params){.n_rows = ALL, .lora = {.rank = 1}}, &r.err), r.err);
    CHECK_OK(glim_packer_init(&all, ALL, &r.err), r.err);
    CHECK_OK(glim_packer_init(&one, ALL, &r.err), r.err);
    CHECK_OK(glim_teacher_new(&t, r.m, &(glim_teacher_params){.n_rows = ALL, .n_vocab = r.m->cfg.n_vocab, .top = 7, .temperature = 1.5, .weight = 0.9}, &r.err), r.err);
    for (size_t s = 0; s < GLIM_COUNT(lengths); s++) {
        for (size_t i = 0; i < lengths[s]; i++) ids[s][i] = (int32_t)glim_rng_below(&rng, 300);
        CHECK(glim_packer_add(&all, &(glim_example){ids[s], loss, lengths[s]}, s));
    }
    double want[ALL], got[ALL];
    CHECK_OK(glim_teacher_look(t, &all.pack, &r.err), r.err);
    CHECK_OK(glim_net_forward(n, &all.pack, &r.err), r.err);
    glim_net_head_with(n, &all.pack, glim_teacher_loss, t, want, NULL);
    for (size_t s = 0; s < GLIM_COUNT(lengths); s++) {
        glim_packer_clear(&one, 0);
        CHECK(glim_packer_add(&one, &(glim_example){ids[s], loss, lengths[s]}, s));
        CHECK_OK(glim_teacher_look(t, &one.pack, &r.err), r.err);
        CHECK_OK(glim_net_forward(n, &one.pack, &r.err), r.err);
        glim_net_head_with(n, &one.pack, glim_teacher_loss, t, got, NULL);
        CHECK_MSG(memcmp(got, want + all.seq[s], one.pack.n * sizeof *got) == 0, "sequence %zu", s);
    }
    glim_teacher_free(t);
    for (long k = 1; k < 60; k++) { /* every refused allocation is one error and no leak */
        glim_alloc_fail_after(k);
        const glim_status rc = glim_teacher_new(&t, r.m, &(glim_teacher_params){.n_rows = ALL, .n_vocab = 300, .top = 7, .temperature = 1, .weight = 1}, &r.err);
        glim_alloc_fail_after(0);
        CHECK(rc == GLIM_OK || (rc == GLIM_E_NOMEM && !t));
        glim_teacher_free(t);
        if (rc == GLIM_OK) break;
    }
    glim_packer_deinit(&all);
    glim_packer_deinit(&one);
    glim_net_free(n);
    rig_close(&r);
}

TEST(router_biases_that_moved_are_in_the_written_model) {
    glim_tune_params p = usual();
    glim_tune_result res;
    rig before, after;
    p.net.lora.rank = 0, p.optim.lr = 1e-3, p.router_step = 0.01, p.balance = 0.1;
    char *out = run_twice("tests/fixtures/glm4moe-air", "ref", &p, &res);
    rig_open(&before, "tests/fixtures/glm4moe-air", NULL, 0, 1);
    rig_open(&after, out, NULL, 0, 1);
    const size_t E = before.m->cfg.n_expert, L = before.m->cfg.n_layer - 1;
    double most = 0;
    for (size_t e = 0; e < E; e++) {
        const double moved = fabs((double)after.m->layers[L].router_bias[e] - (double)before.m->layers[L].router_bias[e]);
        CHECK_MSG(moved < 0.01 * (double)res.steps + 0.01, "bias %zu moved by %g in %zu steps", e, moved, res.steps); /* bf16 rounds by up to 2^-8 */
        most = fmax(most, moved);
    }
    CHECK_MSG(most > 0.04, "biases moved by %g", most);
    rig_close(&before);
    rig_close(&after);
    remove_all(out);
    /* Models without experts have nothing to balance; LoRA has no place for the biases. */
    rig dense;
    glim_tune_plan plan;
    glim_dataset *d = make_data();
    rig_open(&dense, "tests/fixtures/glm4", NULL, 0, 1);
    CHECK(glim_tune_make_plan(&plan, dense.m, d, &p, &dense.err) == GLIM_E_ARG && strstr(dense.err.msg, "experts"));
    rig_close(&dense);
    rig_open(&dense, "tests/fixtures/glm4moe-air", NULL, 0, 1);
    p.net.lora.rank = 4;
    CHECK(glim_tune_make_plan(&plan, dense.m, d, &p, &dense.err) == GLIM_E_UNSUPPORTED);
    glim_dataset_free(d);
    rig_close(&dense);
}
