/* test_outbox.c - events: there exactly if their change is, in the log exactly once, and tampering is found. */
#include "base/file.h"
#include "base/rng.h"
#include "store/keys.h"
#include "store/ledger.h"
#include "store/outbox.h"
#include "store_test.h"

static void event(glim_store *s, const char *object) {
    glim_err err = {0};
    CHECK_OK(glim_outbox_put(s, &(glim_event){"cli:test", "test.happened", object, "acme", "{}"}, &err), err);
}
static const char *log_of(const char *dir) {
    static char path[256];
    snprintf(path, sizeof path, "%s/audit.log", dir);
    return path;
}
static glim_status verify(glim_store *s, const glim_chain_head *mark, glim_err *err) {
    glim_audit_result r;
    *err = (glim_err){0};
    return glim_audit_verify(s, mark, &r, err);
}
static bool count_event(void *ctx, const glim_chain_event *e, const glim_chain_head *after) {
    (void)after;
    if (strcmp(e->action, "test.happened") == 0) ++*(int *)ctx;
    return true;
}

TEST(events_reach_the_log_when_the_folder_is_left_and_while_it_is_served) {
    atomic_store(&g_now, T0);
    const char *dir = fresh("reach");
    glim_err err = {0};
    glim_audit_result r;
    glim_store *s = open_as(dir, GLIM_STORE_GUEST);
    CHECK_OK(glim_audit_verify(s, NULL, &r, &err), err);
    CHECK(r.head.count == 0 && r.n_waiting == 0);
    event(s, "a");
    CHECK_OK(glim_audit_verify(s, NULL, &r, &err), err);
    CHECK(r.head.count == 0 && r.n_waiting == 1);
    glim_store_close(s); /* there is no owner: the guest tidies */
    s = open_as(dir, GLIM_STORE_GUEST);
    CHECK_OK(glim_audit_verify(s, NULL, &r, &err), err);
    CHECK(r.head.count == 1 && r.n_waiting == 0);
    glim_store *o = open_started(dir);
    event(s, "b");
    glim_store_close(s);
    for (int i = 0; i < 1000 && ask(dir, "SELECT COUNT(*) FROM outbox") > 0; i++) sleep_ms(10); /* the server does it */
    CHECK_OK(glim_audit_verify(o, NULL, &r, &err), err);
    CHECK(r.head.count == 2 && r.n_waiting == 0);
    int n = 0;
    CHECK_OK(glim_audit_list(o, count_event, &n, &err), err);
    CHECK(n == 2);
    glim_store_close(o);
}

static glim_status put_then_fail(glim_db *db, void *ctx, glim_err *err) {
    glim_status rc = glim_outbox_add(db, 1, &(glim_event){"x", "never.happened", "x", "", ""}, err);
    (void)ctx;
    return rc == GLIM_OK ? glim_fail(err, GLIM_E_ARG, "no") : rc;
}

TEST(an_event_of_a_change_that_failed_is_not_there) {
    const char *dir = fresh("undone");
    glim_store *s = open_started(dir);
    glim_err err = {0};
    CHECK(glim_store_run(s, put_then_fail, NULL, &err) == GLIM_E_ARG);
    static char big[GLIM_CHAIN_DETAIL + 2];
    memset(big, 'x', sizeof big - 1);
    CHECK(glim_outbox_put(s, &(glim_event){"x", "too.big", "x", "", big}, &err) == GLIM_E_LIMIT);
    event(s, "a");
    glim_store_close(s);
    CHECK(ask(dir, "SELECT value FROM meta WHERE name = 'audit_count'") == 1 && ask(dir, "SELECT COUNT(*) FROM outbox") == 0);
}

TEST(tampering_with_the_log_or_its_head_is_found) {
    atomic_store(&g_now, T0);
    const char *dir = fresh("tamper");
    glim_store *s = open_as(dir, GLIM_STORE_GUEST);
    for (int i = 0; i < 20; i++) event(s, "a");
    glim_store_close(s);
    glim_buf whole = {0}, b = {0};
    glim_err err = {0};
    CHECK_OK(glim_file_read(&whole, log_of(dir), 1 << 20, &err), err);
    s = open_as(dir, GLIM_STORE_GUEST);
    CHECK_OK(verify(s, NULL, &err), err);
    glim_chain_head mark, head;
    int64_t waiting;
    CHECK_OK(glim_outbox_head(s, &mark, &waiting, &err), err);
    CHECK(mark.count == 20 && waiting == 0);

    glim_buf_append(&b, whole.s, whole.len); /* an edit */
    b.s[b.len / 2] ^= 1;
    CHECK_OK(glim_file_write_atomic(log_of(dir), b.s, b.len, &err), err);
    CHECK(verify(s, NULL, &err) == GLIM_E_FORMAT && strstr(err.msg, "record 1"));
    CHECK_OK(glim_file_write_atomic(log_of(dir), whole.s, whole.len / 2, &err), err); /* cut in a record */
    CHECK(verify(s, NULL, &err) == GLIM_E_FORMAT && strstr(err.msg, "cut"));
    CHECK(truncate(log_of(dir), 16) == 0); /* cut between records */
    CHECK(verify(s, NULL, &err) == GLIM_E_FORMAT && strstr(err.msg, "cut"));
    CHECK(unlink(log_of(dir)) == 0);
    CHECK(verify(s, NULL, &err) == GLIM_E_FORMAT && strstr(err.msg, "missing"));
    glim_buf_clear(&b); /* an event that never was, appended with a right hash */
    glim_buf_append(&b, whole.s, whole.len);
    head = mark;
    CHECK_OK(glim_chain_encode(&b, &head, &(glim_chain_event){.time_us = T0, .action = "key.create", .object = "key_x"}, &err), err);
    CHECK_OK(glim_file_write_atomic(log_of(dir), b.s, b.len, &err), err);
    CHECK(verify(s, NULL, &err) == GLIM_E_FORMAT && strstr(err.msg, "added"));
    CHECK_OK(glim_file_write_atomic(log_of(dir), whole.s, whole.len, &err), err);
    CHECK_OK(verify(s, &mark, &err), err);

    /* Both the log and its head in the database go back to an earlier state: only a head kept elsewhere tells. */
    glim_chain_head start, early;
    glim_chain_begin(&start);
    CHECK(truncate(log_of(dir), (off_t)(16 + (mark.bytes - 16) / 20 * 10)) == 0);
    CHECK_OK(glim_chain_read(log_of(dir), &start, NULL, NULL, NULL, &early, &err), err);
    CHECK(early.count == 10);
    char sql[400];
    int n = snprintf(sql, sizeof sql, "UPDATE meta SET value = 10 WHERE name = 'audit_count'; UPDATE meta SET value = %llu WHERE name = 'audit_bytes'; "
                                      "UPDATE meta SET value = x'", (unsigned long long)early.bytes);
    for (int i = 0; i < 32; i++) n += snprintf(sql + n, sizeof sql - (size_t)n, "%02x", early.hash[i]);
    snprintf(sql + n, sizeof sql - (size_t)n, "' WHERE name = 'audit_head'");
    tell(dir, sql);
    CHECK_OK(verify(s, NULL, &err), err);
    CHECK(verify(s, &mark, &err) == GLIM_E_FORMAT && strstr(err.msg, "cut"));
    for (int i = 0; i < 10; i++) event(s, "b"); /* and written on differently */
    CHECK_OK(glim_outbox_drain(s, &err), err);
    CHECK_OK(verify(s, NULL, &err), err);
    CHECK(verify(s, &mark, &err) == GLIM_E_FORMAT && strstr(err.msg, "rewritten"));
    glim_store_close(s);
    glim_buf_free(&b);
    glim_buf_free(&whole);
}

TEST(a_server_starts_and_keeps_events_although_its_log_was_cut) {
    atomic_store(&g_now, T0);
    const char *dir = fresh("cut");
    glim_store *s = open_as(dir, GLIM_STORE_GUEST);
    event(s, "a");
    glim_store_close(s);
    CHECK(truncate(log_of(dir), 20) == 0);
    s = open_started(dir);
    event(s, "b");
    glim_store_close(s);
    CHECK(ask(dir, "SELECT COUNT(*) FROM outbox") == 1 && ask(dir, "SELECT value FROM meta WHERE name = 'audit_count'") == 1);
}

TEST(kill_9_between_outbox_and_log_loses_and_repeats_nothing) {
    const int kills = getenv("GLIM_SOAK") ? 200 : 20;
    const char *dir = fresh("kill");
    glim_store_close(open_as(dir, GLIM_STORE_OWNER));
    atomic_int *promised = shared(sizeof *promised);
    glim_rng r = {.seed = 3};
    glim_err err = {0};
    for (int k = 0; k < kills; k++) {
        int before = atomic_load(promised);
        pid_t pid = fork();
        if (pid == 0) {
            glim_store *s = open_started(dir);
            for (;;) {
                if (glim_outbox_put(s, &(glim_event){"cli:test", "test.happened", "x", "", "{}"}, NULL) != GLIM_OK) _exit(1);
                atomic_fetch_add(promised, 1);
                if (atomic_load(promised) % 3 == 0 && glim_outbox_drain(s, NULL) != GLIM_OK) _exit(2);
            }
        }
        for (int i = 0; i < 2000 && atomic_load(promised) == before; i++) sleep_ms(1);
        nanosleep(&(struct timespec){.tv_nsec = (long)glim_rng_below(&r, 20000000)}, NULL);
        kill(pid, SIGKILL);
        int st, n = 0;
        CHECK(waitpid(pid, &st, 0) == pid && WIFSIGNALED(st));
        glim_store *s = open_as(dir, GLIM_STORE_GUEST); /* before any recovery: whatever lies behind the head is explained */
        CHECK_OK(verify(s, NULL, &err), err);
        glim_store_close(s);
        s = open_as(dir, GLIM_STORE_OWNER);
        CHECK_OK(verify(s, NULL, &err), err);
        CHECK_OK(glim_audit_list(s, count_event, &n, &err), err);
        int told = atomic_load(promised);
        CHECK_MSG(n >= told && n <= told + 1 + k, "%d events told, %d in the log", told, n); /* one a kill may be there untold */
        glim_store_close(s);
    }
    munmap(promised, sizeof *promised);
}

TEST(verifying_is_right_while_a_server_appends) {
    const char *dir = fresh("while");
    atomic_int *stop = shared(sizeof *stop);
    glim_store_close(open_as(dir, GLIM_STORE_GUEST));
    pid_t pid = fork();
    if (pid == 0) {
        glim_store *o = open_started(dir);
        while (!atomic_load(stop)) {
            for (int i = 0; i < 5; i++) event(o, "a");
            if (glim_outbox_drain(o, NULL) != GLIM_OK) _exit(1);
        }
        glim_store_close(o);
        _exit(0);
    }
    for (int i = 0; i < 1000 && ask(dir, "SELECT value FROM meta WHERE name = 'audit_count'") < 10; i++) sleep_ms(5);
    glim_store *g = open_as(dir, GLIM_STORE_GUEST);
    glim_err err = {0};
    for (int i = 0; i < 100; i++) CHECK_OK(verify(g, NULL, &err), err);
    glim_store_close(g);
    atomic_store(stop, 1);
    int st = 0;
    CHECK(waitpid(pid, &st, 0) == pid && WIFEXITED(st) && WEXITSTATUS(st) == 0);
    munmap(stop, sizeof *stop);
}

TEST(what_people_and_requests_do_is_in_the_log) {
    atomic_store(&g_now, T0);
    const char *dir = fresh("who");
    glim_store *s = open_started(dir);
    glim_err err = {0};
    glim_key k;
    char secret[GLIM_KEY_SECRET + 1];
    glim_hold *h;
    CHECK_OK(glim_key_create(s, &(glim_key_params){.tenant = "acme", .actor = "cli:anna"}, &k, secret, &err), err);
    CHECK_OK(glim_price_set(s, &(glim_price){.model = "m", .input = 5, .output = 7}, "cli:anna", &err), err);
    CHECK_OK(glim_ledger_reserve(s, &(glim_reserve){"req-7", k.id, "m", 3, 5}, &h, NULL, &err), err);
    glim_hold_end(h, &(glim_tokens){3, 0, 5, 0}, GLIM_OUTCOME_DONE);
    CHECK_OK(glim_ledger_flush(s, &err), err);
    CHECK_OK(glim_key_revoke(s, k.id, "cli:anna", NULL, &err), err);
    CHECK(ask(dir, "SELECT COUNT(*) FROM outbox WHERE actor = 'cli:anna' AND action IN ('tenant.create', 'key.create', 'price.set', 'key.revoke')") == 4 ||
          ask(dir, "SELECT COUNT(*) FROM outbox") < 5);
    glim_store_close(s);
    CHECK(ask(dir, "SELECT value FROM meta WHERE name = 'audit_count'") == 5);
    glim_buf b = {0};
    CHECK_OK(glim_file_read(&b, log_of(dir), 1 << 20, &err), err);
    CHECK(memmem(b.s, b.len, "request.endreq-7acme{\"row\": 1, \"outcome\": \"done\", \"model\": \"m\"", 60) != NULL);
    CHECK(memmem(b.s, b.len, secret + GLIM_KEY_PREFIX, 20) == NULL);
    glim_buf_free(&b);
}
