/* test_jobs.c - jobs survive restarts, migrations keep what was there, files lie once and are never half there. */
#include <fcntl.h>

#include "base/file.h"
#include "base/rng.h"
#include "store/blobs.h"
#include "store/jobs.h"
#include "store/keys.h"
#include "store/store_internal.h"
#include "store/tuned.h"
#include "store_test.h"

static glim_job add(glim_store *s, const char *kind, const char *once) {
    glim_job j;
    glim_err err = {0};
    CHECK_OK(glim_job_add(s, &(glim_job_params){"ftjob-", "acme", "key_1", kind, "{\"a\": 1}", 2, once, "cli:test"}, &j, NULL, &err), err);
    return j;
}
static glim_job_state state_of(glim_store *s, const char *id) {
    glim_job j;
    glim_err err = {0};
    CHECK_OK(glim_job_get(s, "acme", id, &j, &err), err);
    glim_job_state st = j.state;
    glim_job_deinit(&j);
    return st;
}
static bool claim(glim_store *s, glim_job *j) {
    bool got;
    glim_err err = {0};
    CHECK_OK(glim_job_claim(s, "tune", j, &got, &err), err);
    return got;
}

TEST(work_that_is_only_told_of_is_nobodys_to_claim_and_goes_on_under_its_name) {
    const char *dir = fresh("entered");
    glim_store *s = open_started(dir), *guest;
    glim_err err = {0};
    glim_job a, j;
    glim_job_wish w;
    const glim_job_params p = {"tune-", "acme", "key_1", "tune", "{\"a\": 1}", 0, NULL, "cli:test"};
    CHECK_OK(glim_store_open(&guest, dir, &(glim_store_params){.role = GLIM_STORE_GUEST}, &err), err);
    CHECK_OK(glim_job_enter(guest, &p, NULL, &a, &err), err);
    CHECK(a.state == GLIM_JOB_RUNNING && a.started_us > 0 && strncmp(a.id, "tune-", 5) == 0);
    CHECK(!claim(s, &j));
    CHECK_OK(glim_job_report(guest, a.id, "{\"step\": 5}", NULL, 0, true, &w, &err), err);
    CHECK_OK(glim_job_recover(s, &err), err); /* a server that starts beside it */
    CHECK(state_of(s, a.id) == GLIM_JOB_RUNNING);
    CHECK_OK(glim_job_cancel(s, "acme", a.id, "cli:test", &err), err);
    CHECK_OK(glim_job_note(guest, a.id, NULL, &w, &err), err);
    CHECK(w == GLIM_WISH_CANCEL);
    CHECK_OK(glim_job_finish(guest, a.id, GLIM_JOB_CANCELLED, NULL, NULL, &err), err);
    CHECK_OK(glim_job_enter(guest, &p, a.id, &j, &err), err);
    CHECK(strcmp(j.id, a.id) == 0 && j.state == GLIM_JOB_RUNNING && j.wish == GLIM_WISH_GO_ON && j.finished_us == 0 && strcmp(j.progress, "{\"step\": 5}") == 0);
    glim_job_deinit(&j);
    glim_job queued = add(s, "tune", NULL); /* one of the queue is not taken over */
    CHECK_OK(glim_job_enter(guest, &p, queued.id, &j, &err), err);
    CHECK(strcmp(j.id, queued.id) != 0 && state_of(s, queued.id) == GLIM_JOB_QUEUED);
    glim_job_deinit(&j), glim_job_deinit(&a), glim_job_deinit(&queued);
    glim_store_close(guest);
    glim_store_close(s);
}

/* "queued running succeeded failed cancelled paused" */
static bool counts(glim_store *s, size_t q, size_t r, size_t ok, size_t bad, size_t c, size_t p) {
    const size_t want[GLIM_JOB_STATES] = {q, r, ok, bad, c, p};
    size_t n[GLIM_JOB_STATES];
    glim_job_counts(s, n);
    return memcmp(n, want, sizeof n) == 0;
}

TEST(jobs_are_counted_by_state) {
    const char *dir = fresh("counted");
    glim_store *s = open_started(dir);
    glim_err err = {0};
    glim_job j[5], got;
    CHECK(counts(s, 0, 0, 0, 0, 0, 0));
    for (int i = 0; i < 5; i++) j[i] = add(s, "tune", i ? NULL : "once");
    glim_job again = add(s, "tune", "once");
    CHECK(counts(s, 5, 0, 0, 0, 0, 0));
    CHECK_OK(glim_job_pause(s, "acme", j[4].id, "t", &err), err);
    CHECK_OK(glim_job_cancel(s, "acme", j[3].id, "t", &err), err);
    CHECK(claim(s, &got) && counts(s, 2, 1, 0, 0, 1, 1));
    CHECK_OK(glim_job_finish(s, got.id, GLIM_JOB_FAILED, NULL, "{}", &err), err);
    glim_job_deinit(&got);
    CHECK(claim(s, &got));
    glim_tuned t = {.name = "ft:m", .tenant = "acme", .base = "m", .folder = "f"};
    memcpy(t.job, got.id, sizeof t.job);
    CHECK_OK(glim_tuned_finish(s, &t, "{}", &err), err);
    glim_job_deinit(&got);
    CHECK_OK(glim_job_resume(s, "acme", j[4].id, "t", &err), err);
    CHECK(claim(s, &got) && counts(s, 1, 1, 1, 1, 1, 0));
    glim_job_deinit(&got);
    glim_store_close(s);
    s = open_started(dir); /* what ran waits again */
    CHECK(counts(s, 2, 0, 1, 1, 1, 0));
    glim_store_close(s);
    glim_job_deinit(&again);
    for (int i = 0; i < 5; i++) glim_job_deinit(&j[i]);
}

TEST(jobs_run_in_order_and_end_as_told) {
    glim_store *s = open_started(fresh("jobs"));
    glim_err err = {0};
    glim_job a = add(s, "tune", NULL), b = add(s, "other", NULL), c = add(s, "tune", NULL), j;
    CHECK(strncmp(a.id, "ftjob-", 6) == 0 && a.state == GLIM_JOB_QUEUED && strcmp(a.spec, "{\"a\": 1}") == 0);
    CHECK(claim(s, &j) && strcmp(j.id, a.id) == 0 && j.attempts == 1 && j.state == GLIM_JOB_RUNNING);
    glim_job_wish w;
    CHECK_OK(glim_job_note(s, a.id, "{\"step\": 5}", &w, &err), err);
    CHECK(w == GLIM_WISH_GO_ON);
    CHECK(glim_job_note(s, c.id, NULL, &w, &err) == GLIM_E_STATE && strstr(err.msg, "queued"));
    CHECK_OK(glim_job_finish(s, a.id, GLIM_JOB_SUCCEEDED, "{\"model\": \"m\"}", NULL, &err), err);
    CHECK(glim_job_finish(s, a.id, GLIM_JOB_FAILED, NULL, "{}", &err) == GLIM_E_STATE);
    glim_job_deinit(&j);
    CHECK_OK(glim_job_get(s, NULL, a.id, &j, &err), err);
    CHECK(j.state == GLIM_JOB_SUCCEEDED && strcmp(j.result, "{\"model\": \"m\"}") == 0 && strcmp(j.progress, "{\"step\": 5}") == 0 && j.finished_us > 0);
    glim_job_deinit(&j);
    CHECK(glim_job_get(s, "rival", a.id, &j, &err) == GLIM_E_NOT_FOUND); /* another tenant's */
    CHECK(claim(s, &j) && strcmp(j.id, c.id) == 0);
    glim_job_deinit(&j);
    CHECK(!claim(s, &j));
    for (int i = 0; i < 2; i++) { /* given back once, then it was tried often enough */
        CHECK_OK(glim_job_finish(s, c.id, GLIM_JOB_QUEUED, NULL, NULL, &err), err);
        CHECK(state_of(s, c.id) == (i ? GLIM_JOB_FAILED : GLIM_JOB_QUEUED));
        CHECK(claim(s, &j) == (i == 0));
        glim_job_deinit(&j);
    }
    glim_job_deinit(&a), glim_job_deinit(&b), glim_job_deinit(&c);
    glim_store_close(s);
}

TEST(tenants_take_turns) {
    glim_store *s = open_started(fresh("turns"));
    glim_err err = {0};
    glim_job j[6], got;
    for (int i = 0; i < 6; i++)
        CHECK_OK(glim_job_add(s, &(glim_job_params){"ftjob-", i < 4 ? "many" : "few", "k", "tune", "{}", 2, NULL, "t"}, &j[i], NULL, &err), err);
    static const int want[] = {0, 4, 1, 5, 2, 3};
    for (int i = 0; i < 6; i++) {
        atomic_fetch_add(&g_now, 1000000);
        CHECK(claim(s, &got));
        CHECK_MSG(strcmp(got.id, j[want[i]].id) == 0, "turn %d", i);
        CHECK_OK(glim_job_finish(s, got.id, i == 1 ? GLIM_JOB_QUEUED : GLIM_JOB_SUCCEEDED, NULL, NULL, &err), err);
        if (i == 1) { /* what had begun is finished first */
            glim_job_deinit(&got);
            CHECK(claim(s, &got) && strcmp(got.id, j[4].id) == 0);
            CHECK_OK(glim_job_finish(s, got.id, GLIM_JOB_SUCCEEDED, NULL, NULL, &err), err);
        }
        glim_job_deinit(&got);
    }
    for (int i = 0; i < 6; i++) glim_job_deinit(&j[i]);
    glim_store_close(s);
}

TEST(cancel_pause_and_resume_reach_queued_and_running_jobs) {
    glim_store *s = open_started(fresh("wishes"));
    glim_err err = {0};
    glim_job a = add(s, "tune", NULL), b = add(s, "tune", NULL), j;
    glim_job_wish w;
    CHECK_OK(glim_job_pause(s, "acme", a.id, "t", &err), err);
    CHECK(state_of(s, a.id) == GLIM_JOB_PAUSED && claim(s, &j) && strcmp(j.id, b.id) == 0);
    glim_job_deinit(&j);
    CHECK(glim_job_resume(s, "acme", b.id, "t", &err) == GLIM_E_STATE && strstr(err.msg, "running"));
    CHECK_OK(glim_job_cancel(s, "acme", b.id, "t", &err), err);
    CHECK_OK(glim_job_pause(s, "acme", b.id, "t", &err), err);
    CHECK(state_of(s, b.id) == GLIM_JOB_RUNNING);
    CHECK_OK(glim_job_note(s, b.id, NULL, &w, &err), err);
    CHECK(w == GLIM_WISH_CANCEL);
    CHECK_OK(glim_job_finish(s, b.id, GLIM_JOB_CANCELLED, NULL, NULL, &err), err);
    CHECK_OK(glim_job_cancel(s, "acme", b.id, "t", &err), err); /* twice is fine */
    CHECK(glim_job_pause(s, "acme", b.id, "t", &err) == GLIM_E_STATE);
    CHECK_OK(glim_job_resume(s, "acme", a.id, "t", &err), err);
    CHECK(state_of(s, a.id) == GLIM_JOB_QUEUED);
    CHECK(glim_job_cancel(s, "rival", a.id, "t", &err) == GLIM_E_NOT_FOUND);
    CHECK_OK(glim_job_cancel(s, "acme", a.id, "t", &err), err);
    CHECK(state_of(s, a.id) == GLIM_JOB_CANCELLED && !claim(s, &j));
    glim_job_deinit(&a), glim_job_deinit(&b);
    glim_store_close(s);
}

TEST(a_retried_post_gives_the_first_job) {
    glim_store *s = open_as(fresh("once"), GLIM_STORE_GUEST);
    glim_job a = add(s, "tune", "abc"), b, c = add(s, "tune", "xyz");
    bool existed;
    glim_err err = {0};
    CHECK_OK(glim_job_add(s, &(glim_job_params){NULL, "acme", NULL, "tune", "{}", 0, "abc", "t"}, &b, &existed, &err), err);
    CHECK(existed && strcmp(a.id, b.id) == 0 && strcmp(a.id, c.id) != 0);
    glim_job_deinit(&b);
    CHECK_OK(glim_job_add(s, &(glim_job_params){NULL, "rival", NULL, "tune", "{}", 0, "abc", "t"}, &b, &existed, &err), err);
    CHECK(!existed && strncmp(b.id, "job-", 4) == 0); /* keys of another tenant are its own */
    glim_job_deinit(&a), glim_job_deinit(&b), glim_job_deinit(&c);
    glim_store_close(s);
}

typedef struct pages {
    char id[16][GLIM_STORE_ID + 1];
    int n;
} pages;
static bool keep_job(void *ctx, const glim_job *j) {
    pages *p = ctx;
    snprintf(p->id[p->n++], sizeof p->id[0], "%s", j->id);
    return true;
}
static bool keep_event(void *ctx, const glim_job_event *e) {
    pages *p = ctx;
    snprintf(p->id[p->n++], sizeof p->id[0], "%s", e->message);
    return true;
}

TEST(lists_come_in_pages_newest_first) {
    glim_store *s = open_as(fresh("pages"), GLIM_STORE_GUEST);
    glim_err err = {0};
    pages all = {0}, two = {0};
    bool more;
    glim_job j[5];
    for (int i = 0; i < 5; i++) j[i] = add(s, "tune", NULL);
    for (const char *after = NULL; two.n < 5; after = two.id[two.n - 1])
        CHECK_OK(glim_job_list(s, "acme", "tune", after, 2, keep_job, &two, &more, &err), err);
    CHECK(!more && two.n == 5);
    CHECK_OK(glim_job_list(s, NULL, NULL, NULL, 5, keep_job, &all, &more, &err), err);
    CHECK(!more && memcmp(&all, &two, sizeof all) == 0 && strcmp(all.id[0], j[4].id) == 0);
    CHECK(glim_job_list(s, "acme", NULL, "job-none", 2, keep_job, &all, &more, &err) == GLIM_E_NOT_FOUND);
    all.n = 0;
    for (int i = 0; i < 3; i++) CHECK_OK(glim_job_tell(s, j[0].id, "info", (const char *[]){"a", "b", "c"}[i], NULL, &err), err);
    CHECK(glim_job_tell(s, "job-none", "info", "x", NULL, &err) == GLIM_E_NOT_FOUND);
    CHECK_OK(glim_job_events(s, j[0].id, 0, 2, keep_event, &all, &more, &err), err);
    CHECK(more && all.n == 2 && strcmp(all.id[0], "c") == 0);
    for (int i = 0; i < 5; i++) glim_job_deinit(&j[i]);
    glim_store_close(s);
}

TEST(a_killed_owner_leaves_jobs_that_are_tried_again_and_then_fail) {
    const char *dir = fresh("restart");
    glim_store *s = open_as(dir, GLIM_STORE_GUEST);
    glim_job a = add(s, "tune", NULL), b = add(s, "tune", NULL), j;
    glim_err err = {0};
    glim_store_close(s);
    for (int turn = 1; turn <= 2; turn++) {
        pid_t pid = fork();
        if (pid == 0) {
            glim_store *o = open_started(dir);
            glim_job x, y;
            if (!claim(o, &x) || strcmp(x.id, a.id) != 0 || x.attempts != turn) _exit(3);
            if (turn == 1 && (!claim(o, &y) || glim_job_cancel(o, NULL, y.id, "t", NULL) != GLIM_OK)) _exit(4);
            raise(SIGKILL);
        }
        int st;
        CHECK(waitpid(pid, &st, 0) == pid && WIFSIGNALED(st));
        s = open_as(dir, GLIM_STORE_OWNER);
        CHECK(state_of(s, a.id) == (turn == 1 ? GLIM_JOB_QUEUED : GLIM_JOB_FAILED));
        CHECK(state_of(s, b.id) == GLIM_JOB_CANCELLED);
        glim_store_close(s);
    }
    s = open_as(dir, GLIM_STORE_GUEST);
    CHECK_OK(glim_job_get(s, "acme", a.id, &j, &err), err);
    CHECK(strstr(j.error, "interrupted") && j.attempts == 2);
    bool got;
    glim_job none;
    CHECK(glim_job_claim(s, NULL, &none, &got, &err) == GLIM_E_STATE); /* guests run no jobs */
    glim_job_deinit(&j), glim_job_deinit(&a), glim_job_deinit(&b);
    glim_store_close(s);
}

TEST(a_report_is_whole_and_a_job_that_gets_on_is_tried_anew) {
    glim_store *s = open_started(fresh("report"));
    glim_err err = {0};
    glim_job a = add(s, "tune", NULL), j;
    glim_job_wish w;
    bool more;
    pages p = {0};
    for (int i = 0; i < 5; i++) { /* two attempts are all it has, but for those in which it got on */
        CHECK(claim(s, &j) && j.attempts == (i ? 2 : 1));
        glim_job_deinit(&j);
        const glim_job_event e[2] = {{.level = "info", .message = "one", .data = "{\"step\": 1}"}, {.level = "info", .message = "two"}};
        CHECK_OK(glim_job_report(s, a.id, "{\"step\": 1}", e, 2, true, &w, &err), err);
        CHECK(w == GLIM_WISH_GO_ON);
        CHECK_OK(glim_job_finish(s, a.id, GLIM_JOB_QUEUED, NULL, NULL, &err), err);
        CHECK(state_of(s, a.id) == GLIM_JOB_QUEUED);
    }
    CHECK_OK(glim_job_events(s, a.id, 0, 3, keep_event, &p, &more, &err), err);
    CHECK(more && p.n == 3 && strcmp(p.id[0], "two") == 0 && strcmp(p.id[1], "one") == 0);
    const glim_job_event e = {.level = "info", .message = "lost"};
    CHECK(glim_job_report(s, a.id, "{}", &e, 1, false, &w, &err) == GLIM_E_STATE); /* it does not run: nothing is noted */
    CHECK(ask(glim_store_dir(s), "SELECT COUNT(*) FROM job_events WHERE message = 'lost'") == 0);
    CHECK(claim(s, &j));
    glim_job_deinit(&j);
    CHECK_OK(glim_job_pause(s, "acme", a.id, "t", &err), err);
    CHECK_OK(glim_job_resume(s, "acme", a.id, "t", &err), err); /* before it had stopped */
    CHECK_OK(glim_job_note(s, a.id, NULL, &w, &err), err);
    CHECK(w == GLIM_WISH_GO_ON && state_of(s, a.id) == GLIM_JOB_RUNNING);
    CHECK(glim_job_resume(s, "acme", a.id, "t", &err) == GLIM_E_STATE);
    /* What is wished between the last report and its rest is not lost. */
    CHECK_OK(glim_job_pause(s, "acme", a.id, "t", &err), err);
    CHECK_OK(glim_job_finish(s, a.id, GLIM_JOB_QUEUED, NULL, NULL, &err), err);
    CHECK(state_of(s, a.id) == GLIM_JOB_PAUSED);
    CHECK_OK(glim_job_resume(s, "acme", a.id, "t", &err), err);
    CHECK(claim(s, &j));
    glim_job_deinit(&j);
    CHECK_OK(glim_job_cancel(s, "acme", a.id, "t", &err), err);
    CHECK_OK(glim_job_finish(s, a.id, GLIM_JOB_PAUSED, NULL, NULL, &err), err);
    CHECK(state_of(s, a.id) == GLIM_JOB_CANCELLED);
    glim_job_deinit(&a);
    glim_store_close(s);
}

static bool keep_tuned(void *ctx, const glim_tuned *t) {
    pages *p = ctx;
    snprintf(p->id[p->n++], sizeof p->id[0], "%.60s", t->name);
    return true;
}

TEST(a_job_and_its_model_are_there_together) {
    glim_store *s = open_started(fresh("tuned"));
    glim_err err = {0};
    glim_job a = add(s, "tune", NULL), j;
    glim_tuned t = {.name = "ft:m:acme::1:ckpt-step-2", .tenant = "acme", .base = "m", .folder = "jobs/1/run/step-2"};
    pages p = {0};
    memcpy(t.job, a.id, sizeof t.job);
    CHECK(claim(s, &j));
    glim_job_deinit(&j);
    for (int i = 0; i < 2; i++) CHECK_OK(glim_tuned_put(s, &t, &err), err); /* a resumed job comes by again */
    strcpy(t.name, "ft:m:acme::1");
    CHECK_OK(glim_tuned_finish(s, &t, "{\"fine_tuned_model\": \"ft:m:acme::1\"}", &err), err);
    CHECK(state_of(s, a.id) == GLIM_JOB_SUCCEEDED && t.created_us > 0);
    strcpy(t.name, "ft:m:acme::2");
    CHECK(glim_tuned_finish(s, &t, "{}", &err) == GLIM_E_STATE); /* it has ended, and nothing was added */
    CHECK_OK(glim_tuned_list(s, "acme", NULL, keep_tuned, &p, &err), err);
    CHECK(p.n == 2 && strcmp(p.id[0], "ft:m:acme::1:ckpt-step-2") == 0 && strcmp(p.id[1], "ft:m:acme::1") == 0);
    CHECK_OK(glim_tuned_list(s, "rival", NULL, keep_tuned, &p, &err), err);
    CHECK_OK(glim_tuned_list(s, NULL, "job-none", keep_tuned, &p, &err), err);
    CHECK(p.n == 2);
    CHECK_OK(glim_tuned_delete(s, "ft:m:acme::1", "t", &err), err);
    CHECK(glim_tuned_delete(s, "ft:m:acme::1", "t", &err) == GLIM_E_NOT_FOUND);
    CHECK_OK(glim_tuned_list(s, NULL, a.id, keep_tuned, &p, &err), err);
    CHECK(p.n == 3);
    glim_job_deinit(&a);
    glim_store_close(s);
}

/* ---- files ---- */

static glim_file put(glim_store *s, const char *tenant, const char *name, const void *bytes, size_t n) {
    glim_upload *u;
    glim_file f;
    glim_err err = {0};
    CHECK_OK(glim_upload_begin(s, 0, &u, &err), err);
    for (size_t at = 0; at < n; at += 1000) CHECK_OK(glim_upload_write(u, (const char *)bytes + at, n - at < 1000 ? n - at : 1000, &err), err);
    CHECK_OK(glim_upload_finish(u, &(glim_file_params){tenant, name, "fine-tune", NULL, "cli:test"}, &f, &err), err);
    return f;
}
static bool has_blob(glim_store *s, const glim_file *f) {
    char *path = glim_blob_path(glim_store_dir(s), f->sha256);
    bool there = glim_path_exists(path);
    free(path);
    return there;
}
static bool keep_file(void *ctx, const glim_file *f) {
    pages *p = ctx;
    snprintf(p->id[p->n++], sizeof p->id[0], "%s", f->id);
    return true;
}

TEST(a_content_lies_once_and_goes_with_its_last_name) {
    const char *dir = fresh("files");
    glim_store *s = open_started(dir);
    static char bytes[12345];
    glim_rng r = {.seed = 1};
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (char)glim_rng_u64(&r);
    glim_file a = put(s, "acme", "../../etc/passwd", bytes, sizeof bytes), b = put(s, "rival", "b.jsonl", bytes, sizeof bytes), g;
    glim_file e = put(s, "acme", "empty", "", 0);
    glim_err err = {0};
    CHECK(strcmp(a.sha256, b.sha256) == 0 && strcmp(a.id, b.id) != 0 && a.bytes == 12345 && e.bytes == 0);
    CHECK_STR(e.sha256, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK(ask(dir, "SELECT COUNT(*) FROM blobs") == 2);
    CHECK_OK(glim_file_get(s, "acme", a.id, &g, &err), err);
    CHECK(memcmp(&a, &g, sizeof a) == 0);
    CHECK(glim_file_get(s, "acme", b.id, &g, &err) == GLIM_E_NOT_FOUND);
    int fd;
    char back[sizeof bytes + 1];
    CHECK_OK(glim_file_open(s, &a, &fd, &err), err);
    CHECK_OK(glim_file_delete(s, "acme", a.id, "t", &err), err);
    CHECK(glim_file_delete(s, "acme", a.id, "t", &err) == GLIM_E_NOT_FOUND && has_blob(s, &b));
    CHECK_OK(glim_file_delete(s, NULL, b.id, "t", &err), err);
    CHECK(!has_blob(s, &b));
    CHECK(read(fd, back, sizeof back) == sizeof bytes && memcmp(back, bytes, sizeof bytes) == 0); /* still readable */
    close(fd);
    b = put(s, "rival", "again", bytes, sizeof bytes);
    CHECK(has_blob(s, &b));
    int keep;
    CHECK_OK(glim_blob_keep(s, &keep, &err), err); /* a backup reads: contents stay until the next sweep */
    CHECK_OK(glim_file_delete(s, NULL, b.id, "t", &err), err);
    CHECK(has_blob(s, &b));
    close(keep);
    CHECK_OK(glim_blob_sweep(s, &err), err);
    CHECK(!has_blob(s, &b) && has_blob(s, &e));
    glim_store_close(s);
}

TEST(uploads_that_fail_or_are_too_large_leave_nothing) {
    const char *dir = fresh("upload");
    glim_store *s = open_started(dir);
    glim_err err = {0};
    glim_upload *u;
    glim_file f;
    char cmd[300];
    CHECK_OK(glim_upload_begin(s, 10, &u, &err), err);
    CHECK_OK(glim_upload_write(u, "0123456789", 10, &err), err);
    CHECK(glim_upload_write(u, "x", 1, &err) == GLIM_E_LIMIT && strstr(err.msg, "10 bytes"));
    glim_upload_cancel(u);
    CHECK_OK(glim_upload_begin(s, 10, &u, &err), err);
    CHECK(glim_upload_finish(u, &(glim_file_params){"acme", "bad\nname", "p", NULL, "t"}, &f, &err) == GLIM_E_ARG);
    CHECK_OK(glim_upload_begin(s, 10, &u, &err), err);
    CHECK(glim_upload_finish(u, &(glim_file_params){"a b", "name", "p", NULL, "t"}, &f, &err) == GLIM_E_ARG);
    snprintf(cmd, sizeof cmd, "test -z \"$(find '%s/blobs' -type f ! -name keep.lock)\"", dir);
    CHECK(system(cmd) == 0);
    glim_file a, b; /* the same Idempotency-Key: the first file */
    CHECK_OK(glim_upload_begin(s, 10, &u, &err), err);
    CHECK_OK(glim_upload_write(u, "one", 3, &err), err);
    CHECK_OK(glim_upload_finish(u, &(glim_file_params){"acme", "n", "p", "k1", "t"}, &a, &err), err);
    CHECK_OK(glim_upload_begin(s, 10, &u, &err), err);
    CHECK_OK(glim_upload_write(u, "two", 3, &err), err);
    CHECK_OK(glim_upload_finish(u, &(glim_file_params){"acme", "n", "p", "k1", "t"}, &b, &err), err);
    CHECK(memcmp(&a, &b, sizeof a) == 0);
    pages p = {0}, q = {0};
    bool more;
    for (int i = 0; i < 4; i++) put(s, "acme", "x", "y", 1);
    for (const char *after = NULL; p.n < 5; after = p.id[p.n - 1])
        CHECK_OK(glim_file_list(s, "acme", NULL, false, after, 2, keep_file, &p, &more, &err), err);
    CHECK(!more && strcmp(p.id[0], a.id) == 0);
    CHECK_OK(glim_file_list(s, "acme", "fine-tune", true, NULL, 9, keep_file, &q, &more, &err), err);
    CHECK(q.n == 4 && strcmp(q.id[0], p.id[4]) == 0 && strcmp(q.id[3], p.id[1]) == 0);
    glim_store_close(s);
}

TEST(kill_9_during_uploads_leaves_every_row_with_its_content_and_no_litter) {
    const int kills = getenv("GLIM_SOAK") ? 200 : 20;
    const char *dir = fresh("kill");
    glim_rng r = {.seed = 5};
    glim_store_close(open_as(dir, GLIM_STORE_OWNER));
    for (int k = 0; k < kills; k++) {
        pid_t pid = fork();
        if (pid == 0) {
            glim_store *s = open_started(dir);
            char text[64];
            for (int i = 0;; i++) {
                snprintf(text, sizeof text, "%d", i % 7);
                glim_file f = put(s, "acme", "x", text, strlen(text));
                if (i % 2) (void)glim_file_delete(s, NULL, f.id, "t", NULL);
            }
        }
        nanosleep(&(struct timespec){.tv_nsec = 5000000 + (long)glim_rng_below(&r, 30000000)}, NULL);
        kill(pid, SIGKILL);
        int st;
        CHECK(waitpid(pid, &st, 0) == pid && WIFSIGNALED(st));
        glim_store *s = open_as(dir, GLIM_STORE_OWNER);
        glim_file f;
        glim_err err = {0};
        pages p = {0};
        bool more;
        CHECK_OK(glim_file_list(s, NULL, NULL, true, NULL, 16, keep_file, &p, &more, &err), err);
        for (int i = 0; i < p.n; i++) {
            CHECK_OK(glim_file_get(s, NULL, p.id[i], &f, &err), err);
            char hex[GLIM_SHA256_HEX], *path = glim_blob_path(dir, f.sha256);
            CHECK_OK(glim_sha256_file(path, hex, NULL, NULL, &err), err);
            CHECK_STR(hex, f.sha256);
            free(path);
        }
        char cmd[300];
        snprintf(cmd, sizeof cmd, "find '%s/blobs' -type f -not -path '*/new/*' -not -name keep.lock | wc -l", dir);
        FILE *o = popen(cmd, "r");
        int n = -1;
        CHECK(o && fscanf(o, "%d", &n) == 1 && pclose(o) == 0);
        CHECK_MSG(n == ask(dir, "SELECT COUNT(*) FROM blobs"), "%d contents, want as many as rows", n);
        CHECK(ask(dir, "SELECT COUNT(*) FROM blobs WHERE hash NOT IN (SELECT hash FROM files)") == 0);
        glim_store_close(s);
    }
}

/* ---- migrations ---- */

TEST(an_older_folder_is_migrated_and_a_copy_of_each_step_is_kept) {
    char path[256];
    glim_db *db;
    glim_err err = {0};
    for (int from = 1; from < glim_store_version(); from++) {
        const char *dir = fresh("old");
        CHECK(mkdir(dir, 0700) == 0);
        snprintf(path, sizeof path, "%s/store.db", dir);
        CHECK_OK(glim_db_open(&db, path, GLIM_DB_CREATE | GLIM_DB_CHECKPOINTS, &err), err);
        CHECK_OK(glim_store_migrate(db, dir, from, &err), err);
        CHECK_OK(glim_db_exec(db, "INSERT INTO tenants VALUES('acme', 'acme', 5); INSERT INTO keys VALUES('key_old', 'acme', 'n', 'glim_old123', "
                                  "x'0102', 1, 5, 0, 0, 0, 0, -1, -1, 0)", &err), err);
        glim_db_close(db);
        char text[64];
        int n = snprintf(text, sizeof text, "glim data folder\nversion = %d\n", from);
        snprintf(path, sizeof path, "%s/VERSION", dir);
        CHECK_OK(glim_file_write_atomic(path, text, (size_t)n, &err), err);
        glim_store *s;
        CHECK(glim_store_open(&s, dir, &(glim_store_params){.no_migrate = true}, &err) == GLIM_E_STATE && strstr(err.msg, "version"));
        s = open_as(dir, from % 2 ? GLIM_STORE_GUEST : GLIM_STORE_OWNER);
        glim_key k;
        CHECK_OK(glim_key_find(s, "key_old", &k, &err), err);
        CHECK(strcmp(k.tenant, "acme") == 0 && k.created_us == 5);
        glim_store_close(s);
        CHECK(ask(dir, "PRAGMA user_version") == glim_store_version());
        for (int v = from; v < glim_store_version(); v++) {
            snprintf(path, sizeof path, "%s/before/store-v%d.db", dir, v);
            CHECK_OK(glim_db_open(&db, path, GLIM_DB_CHECKPOINTS, &err), err);
            int64_t got, keys;
            CHECK_OK(glim_store_db_version(db, &got, &err), err);
            CHECK_OK(glim_db_int(db, &keys, 0, &err, "SELECT COUNT(*) FROM keys WHERE id = 'key_old'", ""), err);
            CHECK(got == v && keys == 1);
            glim_db_close(db);
        }
    }
}

TEST(a_migration_that_cannot_be_copied_or_fails_leaves_the_old_version) {
    const char *dir = fresh("stuck");
    char path[256], cmd[400];
    glim_db *db;
    glim_err err = {0};
    CHECK(mkdir(dir, 0700) == 0);
    snprintf(path, sizeof path, "%s/store.db", dir);
    CHECK_OK(glim_db_open(&db, path, GLIM_DB_CREATE | GLIM_DB_CHECKPOINTS, &err), err);
    CHECK_OK(glim_store_migrate(db, dir, 1, &err), err);
    CHECK_OK(glim_db_exec(db, "CREATE TABLE prices(x)", &err), err); /* in the way of step 2 */
    snprintf(cmd, sizeof cmd, "touch '%s/before'", dir);             /* no folder for the copy */
    CHECK(system(cmd) == 0);
    CHECK(glim_store_migrate(db, dir, 2, &err) == GLIM_E_IO && strstr(err.msg, "copy"));
    snprintf(cmd, sizeof cmd, "rm '%s/before'", dir);
    CHECK(system(cmd) == 0);
    CHECK(glim_store_migrate(db, dir, 2, &err) != GLIM_OK && strstr(err.msg, "version 1 to 2"));
    int64_t v;
    CHECK_OK(glim_store_db_version(db, &v, &err), err);
    CHECK(v == 1 && !glim_db_in_transaction(db));
    CHECK_OK(glim_db_exec(db, "DROP TABLE prices", &err), err);
    CHECK_OK(glim_store_migrate(db, dir, glim_store_version(), &err), err);
    glim_db_close(db);
}
