/* Runs from data to files: loss falls, a killed run ends in the same bits, torn checkpoints, no numbers, dpo, full weights. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "format/st.h"
#include "model/adapter.h"
#include "train/curve.h"
#include "train/export.h"
#include "train/folder.h"
#include "train/state.h"
#include "run_test.h"

enum { EXAMPLES = 24 };
static glim_dataset *make_data(uint64_t seed) { return rows_with_a_pattern(EXAMPLES, 14, 6, seed); }

static glim_tune_params usual(const char *out) {
    return (glim_tune_params){.out = out, .batch = 4, .epochs = 3, .eval_share = 0.2, .eval_every = 5, .save_every = 2, .seed = 3,
                              .net = {.n_rows = 40, .lora = {.rank = 4, .dropout = 0.1, .targets = {"all-linear"}, .n_targets = 1}},
                              .optim = {.lr = 0.01, .clip = 1, .weight_decay = 0.01}};
}

typedef struct stop {
    size_t at;
    bool kill;
} stop;
static bool on_step(void *ctx, const glim_tune_step *s) {
    const stop *p = ctx;
    if (p->at && s->step == p->at && p->kill) kill(getpid(), SIGKILL);
    return !(p->at && s->step == p->at);
}

static glim_status run_in(const char *path, const glim_tune_params *p, int threads, glim_tune_result *out, glim_err *err) {
    rig r;
    rig_open(&r, path, NULL, 0, threads);
    glim_dataset *d = make_data(1);
    const glim_status rc = glim_tune_run(r.m, d, p, out, err);
    glim_dataset_free(d);
    rig_close(&r);
    return rc;
}

/* Losses of all steps, as they are written. */
static size_t curve(const char *folder, double *loss, size_t cap) {
    size_t n, k = 0;
    char *text = read_all(folder, "metrics.jsonl", &n), *line = text;
    for (char *end; k < cap && (end = memchr(line, '\n', n - (size_t)(line - text))); line = end + 1) {
        json_t *o;
        glim_err err;
        CHECK_OK(glim_json_parse(&o, line, (size_t)(end - line), 0, &err), err);
        CHECK(json_integer_value(json_object_get(o, "step")) == (json_int_t)k + 1);
        loss[k++] = json_number_value(json_object_get(o, "loss"));
        json_decref(o);
    }
    free(text);
    return k;
}

TEST(a_run_learns_and_writes_an_adapter) {
    const char *out = new_dir();
    glim_tune_params p = usual(out);
    glim_tune_result res;
    glim_err err = {0};
    rig r;
    glim_adapter *a;
    CHECK_OK(run_in("tests/fixtures/glm4", &p, 2, &res, &err), err);
    CHECK(res.steps == 15 && res.resumed_at == 0);
    CHECK_MSG(res.eval_after < 0.7 * res.eval_before, "evaluation %g to %g", res.eval_before, res.eval_after);
    double loss[32];
    CHECK(curve(out, loss, 32) == 15 && loss[0] == res.first_loss && loss[14] == res.last_loss);
    rig_open(&r, "tests/fixtures/glm4", NULL, 0, 1);
    CHECK_OK(glim_adapter_load(&a, r.m, out, &err), err);
    glim_adapter_free(a);
    rig_close(&r);
    /* The folder is taken; a new run does not write over it. */
    CHECK(run_in("tests/fixtures/glm4", &p, 2, &res, &err) == GLIM_E_ARG && strstr(err.hint, "--resume"));
    p.resume = true, p.optim.lr = 0.02;
    CHECK(run_in("tests/fixtures/glm4", &p, 2, &res, &err) == GLIM_E_STATE && strstr(err.msg, "other settings"));
    remove_all(out);
}

static double figure(const char *folder, const char *name) { /* of the first step */
    size_t n;
    char *text = read_all(folder, "metrics.jsonl", &n);
    json_t *o;
    glim_err err;
    CHECK_OK(glim_json_parse(&o, text, (size_t)((char *)memchr(text, '\n', n) - text), 0, &err), err);
    const double v = json_number_value(json_object_get(o, name));
    json_decref(o);
    free(text);
    return v;
}

/* A step is the same in passes of three sequences, of one, and in one pass: gradients add up, and no pass is forgotten. */
TEST(a_step_of_several_passes_is_a_step_of_one) {
    static const struct {
        const char *model;
        size_t rank;
    } kinds[] = {{"glm4", 4}, {"qwen3", 0}, {"glm4moe-air", 0}};
    static const size_t rows[] = {400, 40, 14};
    for (size_t k = 0; k < GLIM_COUNT(kinds); k++) {
        double loss[3], norm[3];
        for (size_t i = 0; i < GLIM_COUNT(rows); i++) {
            const char *out = new_dir();
            char path[64];
            glim_tune_params p = usual(out);
            glim_tune_result res;
            glim_err err = {0};
            p.batch = 12, p.max_steps = 1, p.eval_share = 0, p.optim.clip = 0;
            p.net.n_rows = rows[i], p.net.lora.rank = kinds[k].rank, p.net.lora.dropout = 0;
            snprintf(path, sizeof path, "tests/fixtures/%s", kinds[k].model);
            CHECK_OK(run_in(path, &p, 2, &res, &err), err);
            loss[i] = figure(out, "loss"), norm[i] = figure(out, "norm");
            remove_all(out);
        }
        for (size_t i = 1; i < GLIM_COUNT(rows); i++)
            CHECK_MSG(fabs(loss[i] - loss[0]) <= 1e-6 * loss[0] && fabs(norm[i] - norm[0]) <= 1e-5 * norm[0],
                      "%s in passes of %zu rows: loss %.9g, norm %.9g; in one pass %.9g, %.9g", kinds[k].model, rows[i], loss[i], norm[i], loss[0], norm[0]);
    }
}

/* Killed at every step in turn, resumed with another number of threads: the same curve and the same bits. */
TEST(a_killed_run_ends_in_the_same_bits) {
    const char *whole = new_dir();
    glim_tune_params p = usual(whole);
    glim_tune_result want, got;
    glim_err err = {0};
    double a[32], b[32];
    CHECK_OK(run_in("tests/fixtures/qwen3", &p, 1, &want, &err), err);
    const size_t n = curve(whole, a, 32);
    CHECK(n == 15);
    for (size_t at = 1; at < n; at += 6) {
        const char *out = new_dir();
        stop s = {.at = at, .kill = true};
        p = usual(out);
        p.on_step = on_step, p.ctx = &s;
        fflush(stdout);
        const pid_t child = fork();
        if (child == 0) {
            run_in("tests/fixtures/qwen3", &p, 1, &got, &err);
            _exit(0);
        }
        int status;
        CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        p.resume = true;
        s.at = 0;
        CHECK_OK(run_in("tests/fixtures/qwen3", &p, 2, &got, &err), err);
        CHECK(got.resumed_at <= at && got.resumed_at + 2 > at);
        CHECK(curve(out, b, 32) == n && memcmp(a, b, n * sizeof *a) == 0);
        CHECK(got.sum == want.sum && got.eval_after == want.eval_after);
        size_t n1, n2;
        char *f1 = read_all(whole, "adapter_model.safetensors", &n1), *f2 = read_all(out, "adapter_model.safetensors", &n2);
        CHECK(n1 == n2 && memcmp(f1, f2, n1) == 0);
        free(f1), free(f2);
        remove_all(out);
    }
    remove_all(whole);
}

TEST(a_stopped_run_says_so_and_goes_on) {
    const char *out = new_dir();
    stop s = {.at = 3};
    glim_tune_params p = usual(out);
    glim_tune_result res;
    glim_err err = {0};
    p.on_step = on_step, p.ctx = &s;
    CHECK(run_in("tests/fixtures/glm4", &p, 2, &res, &err) == GLIM_E_CANCELLED && strstr(err.msg, "step 3") && strstr(err.hint, "--resume"));
    p.resume = true, s.at = 0;
    CHECK_OK(run_in("tests/fixtures/glm4", &p, 2, &res, &err), err);
    CHECK(res.resumed_at == 3 && res.steps == 15);
    remove_all(out);
}

/* The last bit of every other byte of the weights: another model of the same shapes. */
static void change_weights(const char *folder) {
    char path[160];
    uint64_t header;
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    FILE *f = fopen(path, "r+b");
    CHECK(f && fread(&header, sizeof header, 1, f) == 1 && fseek(f, 0, SEEK_END) == 0);
    const long end = ftell(f), begin = 8 + (long)header;
    unsigned char *bytes = malloc((size_t)(end - begin));
    CHECK(bytes && fseek(f, begin, SEEK_SET) == 0 && fread(bytes, 1, (size_t)(end - begin), f) == (size_t)(end - begin));
    for (long i = 0; i < end - begin; i += 2) bytes[i] ^= 1;
    CHECK(fseek(f, begin, SEEK_SET) == 0 && fwrite(bytes, 1, (size_t)(end - begin), f) == (size_t)(end - begin) && fclose(f) == 0);
    free(bytes);
}

TEST(a_checkpoint_belongs_to_the_weights_that_it_began_with) {
    char model[128], cmd[640];
    glim_tune_result res;
    glim_err err = {0};
    stop s = {.at = 3};
    rig r;
    const char *dir = new_dir(), *out = new_dir();
    snprintf(model, sizeof model, "%s/model", dir);
    snprintf(cmd, sizeof cmd, "cp -rL %s %s && chmod -R u+w %s", glim_test_source("tests/fixtures/qwen3"), model, model);
    CHECK(system(cmd) == 0);
    glim_tune_params p = usual(out);
    p.on_step = on_step, p.ctx = &s;
    CHECK(run_in(model, &p, 1, &res, &err) == GLIM_E_CANCELLED);
    p.on_step = NULL, p.resume = true;
    /* The same file in another type is another base ... */
    glim_dataset *d = make_data(1);
    rig_open(&r, model, NULL, 1 + GLIM_F32, 1);
    CHECK_MSG(glim_tune_run(r.m, d, &p, &res, &err) == GLIM_E_STATE && strstr(err.msg, "other settings"), "%s", err.msg);
    rig_close(&r);
    /* ... and so are other weights; a copy in another place is not. */
    change_weights(model);
    CHECK_MSG(run_in(model, &p, 1, &res, &err) == GLIM_E_STATE && strstr(err.msg, "other settings"), "%s", err.msg);
    CHECK_OK(run_in("tests/fixtures/qwen3", &p, 1, &res, &err), err);
    CHECK(res.resumed_at == 3);
    glim_dataset_free(d);
    remove_all(out), remove_all(dir);
}

TEST(a_torn_checkpoint_gives_way_to_the_one_before) {
    const char *out = new_dir();
    float w[100] = {0}, back[100];
    glim_run_state s = {.step = 1, .fingerprint = 7}, got;
    glim_piece piece = {w, sizeof w}, to = {back, sizeof back};
    const char *from;
    glim_err err = {0};
    char path[128];
    CHECK(glim_state_read(out, 7, &got, &to, 1, &from, &err) == GLIM_E_NOT_FOUND);
    for (int i = 0; i < 2; i++) {
        w[5] = (float)i + 1, s.step = (uint64_t)i + 1;
        CHECK_OK(glim_state_write(out, &s, &piece, 1, false, &err), err);
    }
    CHECK_OK(glim_state_read(out, 7, &got, &to, 1, &from, &err), err);
    CHECK(got.step == 2 && back[5] == 2 && strcmp(from, "state.glim") == 0);
    CHECK(glim_state_read(out, 8, &got, &to, 1, &from, &err) == GLIM_E_STATE);
    /* every cut, and a flipped byte in every 8th place: also where the header names its run */
    size_t n;
    char *whole = read_all(out, "state.glim", &n);
    snprintf(path, sizeof path, "%s/state.glim", out);
    for (size_t k = 0; k < n; k += 8) {
        for (int flip = 0; flip < 2; flip++) {
            char *bytes = malloc(n);
            memcpy(bytes, whole, n);
            if (flip) bytes[k] ^= 1;
            CHECK_OK(glim_file_write_atomic(path, bytes, flip ? n : k, &err), err);
            free(bytes);
            const glim_status rc = glim_state_read(out, 7, &got, &to, 1, &from, &err);
            CHECK_MSG(rc == GLIM_OK && got.step == 1 && back[5] == 1, "%s at %zu: %s", flip ? "a bit" : "a cut", k, err.msg);
        }
    }
    /* Another run's is told from a torn one, also where its pieces are of another size; so is a newer version's. */
    CHECK_OK(glim_file_write_atomic(path, whole, n, &err), err);
    to.n_bytes -= 4;
    CHECK(glim_state_read(out, 8, &got, &to, 1, &from, &err) == GLIM_E_STATE && strstr(err.msg, "other settings"));
    to.n_bytes += 4;
    whole[8] = 2;
    CHECK_OK(glim_file_write_atomic(path, whole, n, &err), err);
    CHECK(glim_state_read(out, 7, &got, &to, 1, &from, &err) == GLIM_E_STATE && strstr(err.msg, "version 2"));
    snprintf(path, sizeof path, "%s/state.old", out);
    CHECK_OK(glim_file_write_atomic(path, "x", 1, &err), err);
    whole[8] = 1, whole[0] ^= 1;
    snprintf(path, sizeof path, "%s/state.glim", out);
    CHECK_OK(glim_file_write_atomic(path, whole, n, &err), err);
    CHECK(glim_state_read(out, 7, &got, &to, 1, &from, &err) == GLIM_E_FORMAT);
    free(whole);
    remove_all(out);
}

TEST(a_folder_is_one_runs_and_loses_what_was_half_written) {
    const char *out = new_dir(), *names[] = {"state.glim.tmp.7", "step-2/adapter_model.safetensors.tmp.81", "state.glim", "notes.tmp", ".tmp.7", "a.tmp.7b"};
    char path[128];
    glim_run_folder held = {0}, other = {0};
    glim_err err = {0};
    snprintf(path, sizeof path, "%s/step-2", out);
    CHECK_OK(glim_mkdirs(path, &err), err);
    for (size_t i = 0; i < GLIM_COUNT(names); i++) {
        snprintf(path, sizeof path, "%s/%s", out, names[i]);
        CHECK_OK(glim_file_write_atomic(path, "x", 1, &err), err);
    }
    CHECK_OK(glim_run_folder_take(&held, out, false, &err), err);
    CHECK(glim_run_folder_take(&other, out, true, &err) == GLIM_E_STATE && !other.path && strstr(err.msg, "another process trains in"));
    CHECK(is_there(out, names[0])); /* not a run's folder yet, or another run's */
    glim_run_folder_release(&held, false); /* what was there before stays */
    CHECK_OK(glim_run_folder_take(&held, out, true, &err), err);
    for (size_t i = 0; i < GLIM_COUNT(names); i++) CHECK_MSG(is_there(out, names[i]) == (i >= 2), "%s", names[i]);
    glim_run_folder_release(&held, false); /* what was there before stays */
    remove_all(out);
}

TEST(of_a_run_that_never_began_no_folder_is_left) {
    const char *out = new_dir();
    const struct {
        const char *path; /* taken */
        const char *put;  /* in it, before it is released */
        bool began;
        const char *gone, *stays;
    } cases[] = {{"a/b/c", NULL, false, "a", "."}, {"a//b/", NULL, false, "a", "."}, {"k/b", NULL, true, NULL, "k/b"}, {"k/b", NULL, false, NULL, "k/b"},
                 {"k/b/c/d", NULL, false, "k/b/c", "k/b"}, {"s/t", "s/t/x", false, NULL, "s/t/x"}, {"s/u/v", "s/u/x", false, "s/u/v", "s/u/x"}};
    char path[128];
    glim_err err = {0};
    for (size_t i = 0; i < GLIM_COUNT(cases); i++) {
        glim_run_folder held = {0};
        snprintf(path, sizeof path, "%s/%s", out, cases[i].path);
        CHECK_OK(glim_run_folder_take(&held, path, false, &err), err);
        snprintf(path, sizeof path, "%s/%s", out, cases[i].put ? cases[i].put : "");
        if (cases[i].put) CHECK_OK(glim_file_write_atomic(path, "x", 1, &err), err);
        glim_run_folder_release(&held, cases[i].began);
        CHECK_MSG(!cases[i].gone || !is_there(out, cases[i].gone), "%s stayed", cases[i].gone);
        CHECK_MSG(is_there(out, cases[i].stays), "%s went", cases[i].stays);
    }
    remove_all(out);
}

TEST(of_a_folder_that_cannot_be_made_no_parent_is_left) {
    const char *out = new_dir();
    char path[512];
    glim_run_folder held = {0};
    glim_err err = {0};
    snprintf(path, sizeof path, "%s/p/q/%0300d", out, 7);
    CHECK(glim_run_folder_take(&held, path, false, &err) == GLIM_E_IO && !held.path);
    CHECK(!is_there(out, "p"));
    snprintf(path, sizeof path, "%s/p", out);
    CHECK_OK(glim_mkdirs(path, &err), err);
    snprintf(path, sizeof path, "%s/p/q/%0300d/r", out, 7);
    CHECK(glim_run_folder_take(&held, path, false, &err) == GLIM_E_IO && !held.path);
    CHECK(!is_there(out, "p/q") && is_there(out, "p"));
    remove_all(out);
}

/* In place of libc's: another run that ends between open and lock, as often as it is told. */
static const char *ends_before_lock;
static int n_ends;

int flock(int fd, int how) {
    if (n_ends > 0 && n_ends--) rmdir(ends_before_lock);
    return (int)syscall(SYS_flock, fd, how);
}

TEST(a_folder_that_goes_before_it_is_locked_is_made_again) {
    const char *out = new_dir();
    char path[128];
    struct stat a, b;
    glim_run_folder held = {0};
    glim_err err = {0};
    snprintf(path, sizeof path, "%s/r", out);
    ends_before_lock = path, n_ends = 2;
    CHECK_OK(glim_run_folder_take(&held, path, false, &err), err);
    CHECK(fstat(held.fd, &a) == 0 && stat(path, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino);
    glim_run_folder_release(&held, false);
    CHECK(!is_there(out, "r"));
    n_ends = 1000;
    CHECK(glim_run_folder_take(&held, path, false, &err) == GLIM_E_IO && !held.path && strstr(err.msg, "was removed while"));
    n_ends = 0;
    remove_all(out);
}

typedef struct racer {
    pthread_barrier_t *both;
    const char *out;
    bool together;                  /* the folder of a round is new, and held until both have tried */
    int won, lost, failed, orphans; /* orphans: held, and not the folder that the path names */
} racer;

static void *race(void *arg) {
    racer *x = arg;
    for (int i = 0; i < 2000; i++) {
        char path[128];
        struct stat a, b;
        glim_run_folder f = {0};
        glim_err err = {0};
        snprintf(path, sizeof path, "%s/r%d/s", x->out, x->together ? i : 0);
        if (x->together) pthread_barrier_wait(x->both);
        const glim_status rc = glim_run_folder_take(&f, path, false, &err);
        x->won += rc == GLIM_OK, x->lost += rc == GLIM_E_STATE, x->failed += rc != GLIM_OK && rc != GLIM_E_STATE;
        if (x->together) pthread_barrier_wait(x->both);
        if (rc == GLIM_OK) x->orphans += fstat(f.fd, &a) != 0 || stat(path, &b) != 0 || a.st_dev != b.st_dev || a.st_ino != b.st_ino;
        glim_run_folder_release(&f, false);
    }
    return NULL;
}

TEST(of_two_runs_that_begin_at_once_one_has_the_folder_that_is_there) {
    for (int together = 0; together < 2; together++) {
        const char *out = new_dir();
        pthread_barrier_t both;
        pthread_t other;
        racer x[2] = {{.both = &both, .out = out, .together = together}, {.both = &both, .out = out, .together = together}};
        pthread_barrier_init(&both, NULL, 2);
        CHECK(pthread_create(&other, NULL, race, &x[1]) == 0);
        race(&x[0]);
        pthread_join(other, NULL);
        pthread_barrier_destroy(&both);
        CHECK_MSG(x[0].orphans + x[1].orphans == 0, "%d folders were gone under who held them", x[0].orphans + x[1].orphans);
        CHECK_MSG(x[0].failed + x[1].failed == 0, "%d takes failed", x[0].failed + x[1].failed);
        if (together) CHECK_MSG(x[0].won + x[1].won == 2000, "%d of 2000 folders were taken", x[0].won + x[1].won);
        remove_all(out);
    }
}

TEST(values_that_are_no_numbers_are_not_exported) {
    const char *out = new_dir();
    glim_tune_params p = usual(out);
    glim_tune_result res;
    glim_err err = {0};
    p.optim.lr = 1e39, p.optim.clip = 0, p.max_steps = 1, p.eval_share = 0; /* the only step's own loss is fine */
    CHECK(run_in("tests/fixtures/glm4", &p, 2, &res, &err) == GLIM_E_STATE);
    CHECK_MSG(strstr(err.msg, "step 1: a trained value is"), "%s", err.msg);
    CHECK(!is_there(out, "adapter_model.safetensors"));
    remove_all(out);
    p.eval_share = 0.2, p.eval_every = 1, p.max_steps = 2, p.optim.lr = 1e30, p.optim.schedule = GLIM_SCHEDULE_CONSTANT, p.out = out = new_dir();
    CHECK(run_in("tests/fixtures/glm4", &p, 2, &res, &err) == GLIM_E_STATE);
    CHECK_MSG(strstr(err.msg, "step 1: ") && strstr(err.msg, "for evaluation behind it"), "%s", err.msg);
    CHECK(!is_there(out, "adapter_model.safetensors") && !is_there(out, "state.glim"));
    remove_all(out);
}

TEST(an_early_stop_wants_something_to_evaluate_on_and_copies_are_no_more_than_asked_for) {
    glim_tune_params p = usual("/tmp/nowhere-at-all");
    glim_tune_plan plan;
    rig r;
    glim_dataset *d = make_data(1);
    rig_open(&r, "tests/fixtures/qwen3", NULL, 0, 1);
    p.patience = 2, p.eval_share = 0, p.eval = NULL;
    CHECK_MSG(glim_tune_make_plan(&plan, r.m, d, &p, &r.err) == GLIM_E_ARG && strstr(r.err.hint, "--eval"), "%s", r.err.msg);
    p.patience = 0;
    for (size_t steps = 1; steps < 60; steps++)
        for (size_t want = 2; want < 6; want++) {
            p.max_steps = steps, p.exports = want;
            CHECK_OK(glim_tune_make_plan(&plan, r.m, d, &p, &r.err), r.err);
            const size_t between = (plan.n_steps - 1) / plan.export_every;
            CHECK_MSG(plan.export_every > 0 && between < want, "%zu copies of %zu in %zu steps", between + 1, want, steps);
        }
    glim_dataset_free(d);
    rig_close(&r);
}

TEST(a_loss_that_is_no_number_stops_the_run_and_names_the_step) {
    const char *out = new_dir();
    glim_tune_params p = usual(out);
    glim_tune_result res;
    glim_err err = {0};
    p.optim.lr = 1e30, p.optim.clip = 0;
    CHECK(run_in("tests/fixtures/glm4", &p, 2, &res, &err) == GLIM_E_STATE);
    CHECK_MSG(strstr(err.msg, "step 2: the loss is ") && strstr(err.msg, "(examples "), "%s", err.msg);
    remove_all(out);
}

/* What Python PEFT itself saved is the measure: no key that it does not have, none of another kind, and tensors of its names and shapes. */
TEST(an_adapter_has_the_keys_and_tensors_of_pefts_own) {
    static const char *const needed[] = {"base_model_name_or_path", "bias", "fan_in_fan_out", "inference_mode", "init_lora_weights", "lora_alpha", "lora_dropout",
                                         "modules_to_save", "peft_type", "r", "target_modules", "task_type", "use_dora", "use_rslora"};
    static const struct {
        const char *name;
        bool dora;
        const char *targets[6];
        size_t n_targets;
    } kinds[] = {{"glm4-all", false, {"q_proj", "k_proj", "v_proj", "o_proj", "gate_up_proj", "down_proj"}, 6},
                 {"glm4-dora", true, {"q_proj", "o_proj", "gate_up_proj", "down_proj"}, 4}};
    for (size_t k = 0; k < GLIM_COUNT(kinds); k++) {
        const char *out = new_dir();
        char path[128];
        glim_tune_params p = usual(out);
        glim_tune_result res;
        glim_err err = {0};
        json_t *ours, *theirs, *v;
        const char *key;
        p.max_steps = 1, p.net.lora.dora = kinds[k].dora, p.net.lora.alpha = 8, p.net.lora.dropout = 0;
        for (size_t i = 0; i < kinds[k].n_targets; i++) p.net.lora.targets[i] = kinds[k].targets[i];
        p.net.lora.n_targets = kinds[k].n_targets;
        CHECK_OK(run_in("tests/fixtures/glm4", &p, 2, &res, &err), err);
        snprintf(path, sizeof path, "tests/fixtures/adapters/%s/adapter_config.json", kinds[k].name);
        CHECK_OK(glim_json_read(&theirs, glim_test_source(path), 1 << 20, &err), err);
        snprintf(path, sizeof path, "%s/adapter_config.json", out);
        CHECK_OK(glim_json_read(&ours, path, 1 << 20, &err), err);
        for (size_t i = 0; i < GLIM_COUNT(needed); i++) CHECK_MSG(json_object_get(ours, needed[i]), "%s: no \"%s\"", kinds[k].name, needed[i]);
        json_object_foreach(ours, key, v) {
            const json_t *want = json_object_get(theirs, key);
            CHECK_MSG(want, "%s: PEFT knows no \"%s\"", kinds[k].name, key);
            CHECK_MSG(json_typeof(v) == json_typeof(want) || (json_is_number(v) && json_is_number(want)), "%s: \"%s\" is of another kind", kinds[k].name, key);
            if (strcmp(key, "base_model_name_or_path") == 0) continue;
            if (json_is_number(v)) CHECK_MSG(json_number_value(v) == json_number_value(want), "%s: \"%s\"", kinds[k].name, key);
            else if (json_is_array(v)) { /* PEFT sorts them, which means nothing */
                CHECK(json_array_size(v) == json_array_size(want));
                for (size_t i = 0, found; i < json_array_size(v); i++) {
                    found = 0;
                    for (size_t j = 0; j < json_array_size(want); j++) found += json_equal(json_array_get(v, i), json_array_get(want, j));
                    CHECK_MSG(found == 1, "%s: target %s", kinds[k].name, json_string_value(json_array_get(v, i)));
                }
            } else CHECK_MSG(json_equal(v, want), "%s: \"%s\"", kinds[k].name, key);
        }
        json_decref(ours), json_decref(theirs);
        glim_st *a, *b;
        snprintf(path, sizeof path, "tests/fixtures/adapters/%s/adapter_model.safetensors", kinds[k].name);
        CHECK_OK(glim_st_open(&b, glim_test_source(path), &err), err);
        snprintf(path, sizeof path, "%s/adapter_model.safetensors", out);
        CHECK_OK(glim_st_open(&a, path, &err), err);
        CHECK(glim_st_n_tensors(a) == glim_st_n_tensors(b));
        for (size_t i = 0; i < glim_st_n_tensors(a); i++) {
            const glim_tensor *x = glim_st_tensor(a, i), *y = NULL;
            for (size_t j = 0; j < glim_st_n_tensors(b); j++)
                if (strcmp(glim_st_tensor(b, j)->name, x->name) == 0) y = glim_st_tensor(b, j);
            CHECK_MSG(y && x->n_dims == y->n_dims && memcmp(x->dims, y->dims, (size_t)x->n_dims * sizeof x->dims[0]) == 0 && x->type == y->type, "%s: %s", kinds[k].name, x->name);
        }
        glim_st_close(a), glim_st_close(b);
        remove_all(out);
    }
}

TEST(early_stop_keeps_the_best_weights) {
    const char *out = new_dir();
    glim_tune_params p = usual(out);
    glim_tune_result res;
    glim_err err = {0};
    p.optim.lr = 0.2, p.epochs = 30, p.eval_every = 2, p.patience = 2, p.optim.schedule = GLIM_SCHEDULE_CONSTANT;
    CHECK_OK(run_in("tests/fixtures/glm4", &p, 1, &res, &err), err);
    CHECK(res.stopped_early && res.steps < 150);
    CHECK_MSG(res.eval_after == res.best_eval, "evaluation is %g, the best was %g", res.eval_after, res.best_eval);
    remove_all(out);
}

/* The routers' biases move beside the weights, and go back with them. */
TEST(the_best_weights_come_with_the_router_biases_of_their_step) {
    const char *out = new_dir();
    glim_tune_params p = usual(out);
    glim_tune_result res;
    glim_err err = {0};
    rig r;
    p.net.lora.rank = 0, p.router_step = 0.2;
    p.optim.lr = 0.05, p.epochs = 30, p.eval_every = 2, p.patience = 2, p.optim.schedule = GLIM_SCHEDULE_CONSTANT;
    rig_open(&r, "tests/fixtures/glm4moe-air", "ref", 0, 1);
    p.net.kernels = glim_kernels_get();
    glim_dataset *d = make_data(1);
    CHECK_OK(glim_tune_run(r.m, d, &p, &res, &err), err);
    CHECK(res.stopped_early);
    CHECK_MSG(res.eval_after == res.best_eval, "evaluation is %g, the best was %g", res.eval_after, res.best_eval);
    glim_dataset_free(d);
    rig_close(&r);
    remove_all(out);
}

TEST(full_weights_are_trained_written_and_read_again) {
    const char *out = new_dir();
    glim_tune_params p = usual(out);
    glim_tune_result res;
    glim_err err = {0};
    rig r;
    p.net.lora.rank = 0, p.optim.lr = 3e-3;
    rig_open(&r, "tests/fixtures/qwen3", "ref", 0, 2);
    p.net.kernels = glim_kernels_get();
    glim_dataset *d = make_data(1);
    CHECK_OK(glim_tune_run(r.m, d, &p, &res, &err), err);
    CHECK_MSG(res.eval_after < 0.5 * res.eval_before, "evaluation %g to %g", res.eval_before, res.eval_after);
    rig_close(&r);
    /* The written model, in bf16 as the source was, gives nearly the loss that the masters gave. */
    rig_open(&r, out, NULL, 0, 1);
    const char *again = new_dir();
    glim_tune_params q = usual(again);
    glim_tune_result res2;
    q.max_steps = 1;
    CHECK_OK(glim_tune_run(r.m, d, &q, &res2, &err), err);
    CHECK_MSG(fabs(res2.eval_before - res.eval_after) < 0.05 * res.eval_after + 0.02, "read again %g, trained %g", res2.eval_before, res.eval_after);
    glim_dataset_free(d);
    rig_close(&r);
    remove_all(out);
    remove_all(again);
}

/* transformers loads a ChatGLM folder by the code beside it. */
TEST(the_code_of_a_model_comes_with_its_other_small_files) {
    const char *from = new_dir(), *to = new_dir();
    static const char *const names[] = {"config.json", "configuration_chatglm.py", "modeling_chatglm.py", "model.safetensors", ".hidden.py"};
    char path[128], cmd[128];
    glim_err err = {0};
    for (size_t i = 0; i < GLIM_COUNT(names); i++) {
        snprintf(path, sizeof path, "%s/%s", from, names[i]);
        CHECK_OK(glim_file_write_atomic(path, names[i], i == 2 ? 0 : strlen(names[i]), &err), err); /* an empty one too */
    }
    snprintf(cmd, sizeof cmd, "mkdir %s/folder.py", from);
    CHECK(system(cmd) == 0);
    CHECK_OK(glim_copy_beside(from, to, &err), err);
    for (size_t i = 0; i < GLIM_COUNT(names); i++) CHECK_MSG(is_there(to, names[i]) == (i < 3), "%s", names[i]);
    CHECK(!is_there(to, "folder.py"));
    size_t n;
    char *text = read_all(to, "configuration_chatglm.py", &n);
    CHECK(n == strlen(names[1]) && memcmp(text, names[1], n) == 0);
    free(text);
    remove_all(from), remove_all(to);
}

TEST(a_run_that_does_not_fit_is_refused_before_it_starts) {
    rig r;
    glim_tune_plan plan;
    glim_err err = {0};
    glim_tune_params p = usual("/tmp/nowhere");
    rig_open(&r, "tests/fixtures/glm4", NULL, 0, 1);
    glim_dataset *d = make_data(1);
    CHECK_OK(glim_tune_make_plan(&plan, r.m, d, &p, &err), err);
    CHECK(plan.n_steps == 15 && plan.n_eval == 5 && plan.total > plan.activations && plan.total <= plan.available);
    p.net.n_rows = 1 << 24;
    CHECK(glim_tune_make_plan(&plan, r.m, d, &p, &err) == GLIM_E_NOMEM && strstr(err.msg, "MiB are free"));
    p.net.n_rows = 4;
    CHECK(glim_tune_make_plan(&plan, r.m, d, &p, &err) == GLIM_E_ARG && strstr(err.hint, "--max-tokens"));
    p = usual("/tmp/nowhere");
    p.method = GLIM_TUNE_DPO;
    CHECK(glim_tune_make_plan(&plan, r.m, d, &p, &err) == GLIM_E_ARG && strstr(err.msg, "pairs"));
    glim_dataset_free(d);
    rig_close(&r);
}

TEST(rows_for_evaluation_may_be_a_set_of_their_own_and_adapters_come_on_the_way) {
    const char *out = new_dir();
    char path[128];
    rig r;
    glim_tune_params p = usual(out);
    glim_tune_result res, same;
    glim_tune_plan plan;
    glim_adapter *a;
    glim_err err = {0};
    rig_open(&r, "tests/fixtures/glm4", NULL, 0, 1);
    glim_dataset *d = make_data(1), *other = make_data(2);
    p.eval = other, p.exports = 3, p.batch = 8;
    CHECK_OK(glim_tune_make_plan(&plan, r.m, d, &p, &err), err);
    CHECK(plan.n_train == EXAMPLES && plan.n_eval == EXAMPLES && plan.n_steps == 9 && plan.export_every == 3);
    CHECK_OK(glim_tune_run(r.m, d, &p, &res, &err), err);
    CHECK(res.eval_after < res.eval_before);
    for (int step = 3; step <= 9; step += 3) { /* the last one is the run's own */
        snprintf(path, sizeof path, "%s/step-%d", out, step);
        CHECK(glim_path_exists(path) == (step < 9));
        if (step == 9) break;
        CHECK_OK(glim_adapter_load(&a, r.m, path, &err), err);
        glim_adapter_free(a);
    }
    /* What is evaluated on does not change what is learned. */
    const char *again = new_dir();
    p.out = again, p.eval = d, p.exports = 0;
    CHECK_OK(glim_tune_run(r.m, d, &p, &same, &err), err);
    CHECK(same.sum == res.sum && same.eval_after != res.eval_after);
    p.out = out, p.resume = true; /* but it is part of what a checkpoint belongs to */
    CHECK(glim_tune_run(r.m, d, &p, &same, &err) == GLIM_E_STATE);
    glim_dataset_free(d);
    glim_dataset_free(other);
    rig_close(&r);
    remove_all(out);
    remove_all(again);
}

/* Pairs: at first the loss is log 2, then the chosen answers win. */
TEST(dpo_learns_which_answer_is_preferred) {
    const char *out = new_dir();
    rig r;
    glim_tok *tok;
    glim_dataset *d;
    glim_data_report report;
    glim_tune_result res;
    glim_err err = {0};
    glim_buf text = {0};
    for (int i = 0; i < 12; i++)
        glim_buf_printf(&text, "{\"prompt\": \"what about %d\", \"chosen\": \"yes please\", \"rejected\": \"no never %d\"}\n", i, i % 3);
    rig_open(&r, "tests/fixtures/glm4", NULL, 0, 1);
    CHECK_OK(glim_tok_from_ckpt(&tok, r.m->ckpt, &err), err);
    const glim_data_params dp = {.tok = tok, .config = &r.m->cfg, .format = GLIM_DATA_PREFERENCE};
    CHECK_OK(glim_dataset_parse(&d, "pairs.jsonl", text.s, text.len, &dp, &report, &err), err);
    CHECK(glim_dataset_is_preference(d));
    glim_tune_params p = usual(out);
    p.net.n_rows = 200, p.net.lora.dropout = 0, p.batch = 3, p.epochs = 6, p.optim.lr = 3e-3;
    CHECK(glim_tune_run(r.m, d, &p, &res, &err) == GLIM_E_ARG && strstr(err.hint, "dpo"));
    p.method = GLIM_TUNE_DPO;
    CHECK_OK(glim_tune_run(r.m, d, &p, &res, &err), err);
    CHECK_MSG(fabs(res.first_loss - log(2)) < 1e-6 && fabs(res.eval_before - log(2)) < 1e-6, "the first loss is %g", res.first_loss);
    CHECK_MSG(res.eval_after < 0.3, "evaluation is %g", res.eval_after);
    CHECK(res.eval_accuracy == 1);
    p.resume = true, p.net.lora.rank = 0;
    CHECK(glim_tune_run(r.m, d, &p, &res, &err) == GLIM_E_UNSUPPORTED);
    glim_data_report_free(&report);
    glim_dataset_free(d);
    glim_tok_free(tok);
    glim_buf_free(&text);
    rig_close(&r);
    remove_all(out);
}
