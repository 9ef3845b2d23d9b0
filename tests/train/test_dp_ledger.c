/* The privacy ledger: charged before the step, refused over budget, right after a kill. */
#include "train/dp_ledger.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/outbox.h"
#include "test.h"

static char dir[64];

static glim_store *open_store(void) {
    glim_store *s;
    glim_err err = {0};
    if (!dir[0]) {
        snprintf(dir, sizeof dir, "/tmp/glim-dpledger-XXXXXX");
        CHECK(mkdtemp(dir));
    }
    CHECK_OK(glim_store_open(&s, dir, &(glim_store_params){.role = GLIM_STORE_GUEST}, &err), err);
    return s;
}

static void clean(glim_store *s) {
    char cmd[96];
    glim_store_close(s);
    snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
    CHECK(system(cmd) == 0);
    dir[0] = 0;
}

static glim_dp_request request(const char *run, uint64_t steps) {
    return (glim_dp_request){.set = "customers", .run = run, .q = 0.02, .sigma = 1.1, .steps = steps, .eps = 2, .delta = 1e-5, .actor = "test"};
}

TEST(a_run_within_the_budget_is_charged_step_by_step_and_gives_back_the_rest) {
    glim_store *s = open_store();
    glim_err err = {0};
    glim_dp_spent a, b;
    glim_pld_bounds want;
    glim_dp_request r = request("run-a", 300);
    CHECK_OK(glim_dp_ledger_spent(s, "customers", &a, &err), err);
    CHECK(a.budget_eps == 0 && a.n_runs == 0);
    CHECK_OK(glim_dp_ledger_begin(s, &r, &a, &err), err);
    CHECK_OK(glim_pld_epsilon(&want, &(glim_dp_phase){0.02, 1.1, 300}, 1, 1e-5, 0, &err), err);
    CHECK(a.budget_eps == 2 && a.charged == 0 && a.promised >= want.lower && a.promised <= want.upper && a.n_open == 1);
    for (uint64_t i = 0; i < 10; i++) CHECK_OK(glim_dp_ledger_charge(s, "run-a", i, &err), err);
    CHECK_OK(glim_dp_ledger_charge(s, "run-a", 4, &err), err); /* taken again after a resume: the same noise, no new charge */
    CHECK(glim_dp_ledger_charge(s, "run-a", 11, &err) == GLIM_E_STATE);
    CHECK(glim_dp_ledger_charge(s, "run-x", 0, &err) == GLIM_E_STATE);
    CHECK_OK(glim_dp_ledger_spent(s, "customers", &b, &err), err);
    CHECK(b.n_steps == 10 && b.charged > 0 && b.charged < b.promised && fabs(b.promised - a.promised) < 1e-12);
    CHECK_OK(glim_dp_ledger_end(s, "run-a", "test", &err), err);
    CHECK_OK(glim_dp_ledger_end(s, "run-a", "test", &err), err);
    CHECK_OK(glim_dp_ledger_spent(s, "customers", &b, &err), err);
    CHECK(b.n_open == 0 && b.promised == b.charged);
    CHECK(glim_dp_ledger_charge(s, "run-a", 10, &err) == GLIM_E_STATE && strstr(err.msg, "is over"));
    CHECK(glim_dp_ledger_begin(s, &r, NULL, &err) == GLIM_E_STATE && strstr(err.msg, "is over"));
    clean(s);
}

TEST(what_is_reserved_counts_and_a_run_over_the_budget_is_refused) {
    glim_store *s = open_store();
    glim_err err = {0};
    glim_dp_spent sp;
    glim_dp_request a = request("run-a", 300), b = request("run-b", 300), small = request("run-c", 20);
    CHECK_OK(glim_dp_ledger_begin(s, &a, &sp, &err), err);
    CHECK(sp.promised > 1.2 && sp.promised < 2);
    CHECK(glim_dp_ledger_begin(s, &b, NULL, &err) == GLIM_E_LIMIT);
    CHECK_MSG(strstr(err.msg, "the budget is 2") && strstr(err.msg, "0 charged"), "%s", err.msg);
    CHECK_OK(glim_dp_ledger_begin(s, &small, NULL, &err), err);
    CHECK_OK(glim_dp_ledger_charge(s, "run-c", 0, &err), err);
    CHECK_OK(glim_dp_ledger_end(s, "run-a", "test", &err), err); /* given up before its first step */
    CHECK_OK(glim_dp_ledger_begin(s, &b, NULL, &err), err);
    CHECK(glim_dp_ledger_charge(s, "run-c", 20, &err) == GLIM_E_LIMIT && strstr(err.msg, "20 steps were reserved"));
    /* A budget can be lowered: what is spent stays, nothing more is given. */
    CHECK_OK(glim_dp_budget_set(s, "customers", 0.1, 1e-5, "test", &err), err);
    glim_dp_request d = request("run-d", 1);
    CHECK(glim_dp_ledger_begin(s, &d, NULL, &err) == GLIM_E_LIMIT);
    /* Another data set has a budget of its own. */
    d.set = "others";
    CHECK_OK(glim_dp_ledger_begin(s, &d, NULL, &err), err);
    clean(s);
}

TEST(a_resumed_run_keeps_its_reservation_and_must_be_the_same) {
    glim_store *s = open_store();
    glim_err err = {0};
    glim_dp_spent a, b;
    glim_dp_request r = request("run-a", 200);
    CHECK_OK(glim_dp_ledger_begin(s, &r, &a, &err), err);
    for (uint64_t i = 0; i < 3; i++) CHECK_OK(glim_dp_ledger_charge(s, "run-a", i, &err), err);
    CHECK_OK(glim_dp_ledger_begin(s, &r, &b, &err), err);
    CHECK(b.n_runs == 1 && b.n_steps == 3 && fabs(a.promised - b.promised) < 1e-12);
    r.sigma = 1.2;
    CHECK(glim_dp_ledger_begin(s, &r, NULL, &err) == GLIM_E_STATE && strstr(err.msg, "begun with another"));
    r = request("run a", 200);
    CHECK(glim_dp_ledger_begin(s, &r, NULL, &err) == GLIM_E_ARG);
    r = request("run-b", 200), r.eps = 0;
    CHECK(glim_dp_ledger_begin(s, &r, NULL, &err) == GLIM_E_ARG);
    clean(s);
}

static glim_status do_sql(glim_db *db, void *ctx, glim_err *err) { return glim_db_exec(db, ctx, err); }

static void edit(glim_store *s, const char *sql) {
    glim_err err = {0};
    char text[256];
    snprintf(text, sizeof text, "%s", sql);
    CHECK_OK(glim_store_run(s, do_sql, text, &err), err);
}

TEST(an_edit_of_the_book_is_at_odds_with_its_events) {
    glim_store *s = open_store();
    glim_err err = {0};
    glim_dp_verified v;
    glim_dp_request a = request("run-a", 30), b = request("run-b", 30);
    CHECK_OK(glim_dp_ledger_verify(s, &v, &err), err);
    CHECK(v.n_sets == 0 && v.n_runs == 0);
    CHECK_OK(glim_dp_ledger_begin(s, &a, NULL, &err), err);
    CHECK_OK(glim_dp_budget_set(s, "customers", 3, 1e-5, "test", &err), err);
    for (uint64_t i = 0; i < 5; i++) CHECK_OK(glim_dp_ledger_charge(s, "run-a", i, &err), err);
    CHECK_OK(glim_dp_ledger_charge(s, "run-a", 2, &err), err); /* again, of a resumed run: no event */
    CHECK_OK(glim_dp_ledger_end(s, "run-a", "test", &err), err);
    CHECK_OK(glim_dp_ledger_begin(s, &b, NULL, &err), err);
    for (uint64_t i = 0; i < 3; i++) CHECK_OK(glim_dp_ledger_charge(s, "run-b", i, &err), err);
    const struct {
        const char *edit, *undo, *want;
    } edits[] = {
        {"UPDATE dp_runs SET charged = 1 WHERE run = 'run-b'", "UPDATE dp_runs SET charged = 3 WHERE run = 'run-b'", "run \"run-b\": the privacy ledger has 1 steps charged of 30, its events 3 of 30"},
        {"UPDATE dp_runs SET charged = 4, reserved = 4 WHERE run = 'run-a'", "UPDATE dp_runs SET charged = 5, reserved = 5 WHERE run = 'run-a'", "has 4 steps charged of 4, its events 5 of 5"},
        {"UPDATE dp_runs SET reserved = 10 WHERE run = 'run-b'", "UPDATE dp_runs SET reserved = 30 WHERE run = 'run-b'", "3 steps charged of 10, its events 3 of 30"},
        {"UPDATE dp_runs SET sigma = '9' WHERE run = 'run-a'", "UPDATE dp_runs SET sigma = '1.1000000000000001' WHERE run = 'run-a'", "noise 9, its events"},
        {"UPDATE dp_runs SET open = 0 WHERE run = 'run-b'", "UPDATE dp_runs SET open = 1 WHERE run = 'run-b'", "run \"run-b\" is over on the privacy ledger and open in its events"},
        {"UPDATE dp_sets SET epsilon = '8'", "UPDATE dp_sets SET epsilon = '3'", "has a budget of epsilon 8 at delta 1.0000000000000001e-05, its events 3 at"},
        {"INSERT INTO dp_sets(id, epsilon, delta, mark, created) VALUES('new', '8', '1e-5', 1, 0)", "DELETE FROM dp_sets WHERE id = 'new'", "has data set \"new\", of which there is no event"},
        {"UPDATE dp_runs SET run = 'run-c' WHERE run = 'run-b'", "UPDATE dp_runs SET run = 'run-b' WHERE run = 'run-c'", "run \"run-b\" is missing in it"},
        {"INSERT INTO dp_runs(data_set, run, q, sigma, reserved, charged, open, created, ended) VALUES('customers', 'run-c', '0.1', '1', 1, 1, 0, 0, 0)",
         "DELETE FROM dp_runs WHERE run = 'run-c'", "has run \"run-c\", of which there is no event"},
    };
    for (int drained = 0; drained < 2; drained++) { /* the events wait, and hang in the chain */
        if (drained) CHECK_OK(glim_outbox_drain(s, &err), err);
        CHECK_OK(glim_dp_ledger_verify(s, &v, &err), err);
        CHECK(v.n_sets == 1 && v.n_runs == 2 && v.n_steps == 8 && v.n_old == 0);
        for (size_t i = 0; i < GLIM_COUNT(edits); i++) {
            edit(s, edits[i].edit);
            CHECK_MSG(glim_dp_ledger_verify(s, &v, &err) == GLIM_E_FORMAT && strstr(err.msg, edits[i].want), "%s: %s", edits[i].edit, err.msg);
            edit(s, edits[i].undo);
        }
        CHECK_OK(glim_dp_ledger_verify(s, &v, &err), err);
    }
    /* An end that the ledger itself wrote on an edited book. */
    edit(s, "UPDATE dp_runs SET charged = 1 WHERE run = 'run-b'");
    CHECK_OK(glim_dp_ledger_end(s, "run-b", "test", &err), err);
    CHECK(glim_dp_ledger_verify(s, &v, &err) == GLIM_E_FORMAT && strstr(err.msg, "run \"run-b\" ended it had 1 steps, of which 3 have events"));
    clean(s);
}

/* Glim's own next event tells the edited figure: it must not be believed for that. */
TEST(an_edit_that_the_next_event_tells_again_is_found) {
    const struct {
        const char *edit, *want;
        int then; /* 0 another run begins, 1 a step is charged, 2 the run begins again, 3 and ends */
    } edits[] = {
        {"UPDATE dp_sets SET epsilon = '9'", "a run was begun under a budget of epsilon 9 at delta 1.0000000000000001e-05, events before it say 2 at", 0},
        {"UPDATE dp_sets SET delta = '0.01'", "a run was begun under a budget of epsilon 2 at delta 0.01", 0},
        {"UPDATE dp_runs SET charged = 3", "run \"run-a\" was charged step 4 after step 20", 1},
        {"UPDATE dp_runs SET charged = 40, reserved = 50", "run \"run-a\" was charged step 41 after step 20", 1},
        {"DELETE FROM dp_runs", "run \"run-a\" was begun twice", 2},
        {"DELETE FROM dp_runs", "run \"run-a\" was begun twice", 3},
    };
    for (size_t i = 0; i < GLIM_COUNT(edits); i++) {
        glim_store *s = open_store();
        glim_err err = {0};
        glim_dp_verified v;
        glim_dp_request a = request("run-a", 30), b = request("run-b", 5);
        CHECK_OK(glim_dp_ledger_begin(s, &a, NULL, &err), err);
        for (uint64_t k = 0; k < 20; k++) CHECK_OK(glim_dp_ledger_charge(s, "run-a", k, &err), err);
        CHECK_OK(glim_dp_ledger_begin(s, &a, NULL, &err), err); /* a resume */
        CHECK_OK(glim_dp_ledger_verify(s, &v, &err), err);
        CHECK(v.n_steps == 20 && v.n_unsaid == 0);
        edit(s, edits[i].edit);
        switch (edits[i].then) {
        case 0: CHECK_OK(glim_dp_ledger_begin(s, &b, NULL, &err), err); break;
        case 1: CHECK_OK(glim_dp_ledger_charge(s, "run-a", i == 2 ? 3 : 40, &err), err); break;
        default:
            CHECK_OK(glim_dp_ledger_begin(s, &a, NULL, &err), err);
            for (uint64_t k = 0; k < 20; k++) CHECK_OK(glim_dp_ledger_charge(s, "run-a", k, &err), err);
            if (edits[i].then == 3) CHECK_OK(glim_dp_ledger_end(s, "run-a", "test", &err), err);
        }
        CHECK_MSG(glim_dp_ledger_verify(s, &v, &err) == GLIM_E_FORMAT && strstr(err.msg, edits[i].want), "%s: %s", edits[i].edit, err.msg);
        clean(s);
    }
    /* A run that is over, opened by hand and charged or ended again; more steps than were reserved. */
    const char *again[] = {"was charged while it was not open", "ended while it was not open", "was charged step 3, 2 were reserved"};
    for (int i = 0; i < 3; i++) {
        glim_store *s = open_store();
        glim_err err = {0};
        glim_dp_verified v;
        glim_dp_request a = request("run-a", 2);
        CHECK_OK(glim_dp_ledger_begin(s, &a, NULL, &err), err);
        for (uint64_t k = 0; k < 2; k++) CHECK_OK(glim_dp_ledger_charge(s, "run-a", k, &err), err);
        if (i < 2) CHECK_OK(glim_dp_ledger_end(s, "run-a", "test", &err), err);
        edit(s, "UPDATE dp_runs SET open = 1, reserved = 9");
        CHECK_OK(i == 1 ? glim_dp_ledger_end(s, "run-a", "test", &err) : glim_dp_ledger_charge(s, "run-a", 2, &err), err);
        CHECK_MSG(glim_dp_ledger_verify(s, &v, &err) == GLIM_E_FORMAT && strstr(err.msg, again[i]), "%d: %s", i, err.msg);
        clean(s);
    }
}

TEST(a_run_from_before_steps_had_events_is_compared_as_far_as_these_go) {
    glim_store *s = open_store();
    glim_err err = {0};
    glim_dp_verified v;
    edit(s, "INSERT INTO dp_sets(id, epsilon, delta, mark, created) VALUES('rows', '8', '1e-5', 1, 0)");
    edit(s, "INSERT INTO dp_runs(data_set, run, q, sigma, reserved, charged, open, created, ended) VALUES('rows', 'run-o', '0.5', '2', 9, 4, 1, 0, 0)");
    const glim_event begin = {"test", "privacy.begin", "rows", "", "{\"run\": \"run-o\", \"q\": 0.5, \"sigma\": 2, \"steps\": 9}"};
    CHECK_OK(glim_outbox_put(s, &begin, &err), err);
    CHECK_OK(glim_dp_ledger_verify(s, &v, &err), err);
    CHECK(v.n_old == 1 && v.n_runs == 1 && v.n_unsaid == 1);
    CHECK_OK(glim_dp_ledger_charge(s, "run-o", 4, &err), err);
    CHECK_OK(glim_dp_ledger_end(s, "run-o", "test", &err), err);
    CHECK_OK(glim_dp_ledger_verify(s, &v, &err), err);
    CHECK(v.n_old == 0 && v.n_steps == 5);
    CHECK_OK(glim_dp_budget_set(s, "rows", 7, 1e-5, "test", &err), err);
    CHECK_OK(glim_dp_ledger_verify(s, &v, &err), err);
    CHECK(v.n_unsaid == 0);
    edit(s, "UPDATE dp_runs SET charged = 4, reserved = 4");
    CHECK(glim_dp_ledger_verify(s, &v, &err) == GLIM_E_FORMAT);
    clean(s);
}

TEST(a_kill_at_any_moment_leaves_no_step_uncharged) {
    glim_err err = {0};
    for (int round = 0; round < 4; round++) {
        glim_store *s = open_store();
        glim_dp_request r = request("run-k", 300);
        CHECK_OK(glim_dp_ledger_begin(s, &r, NULL, &err), err);
        glim_store_close(s);
        int pipe_fd[2];
        CHECK(pipe(pipe_fd) == 0);
        pid_t pid = fork();
        if (pid == 0) { /* charges, then "takes the step": one byte into the pipe */
            close(pipe_fd[0]);
            glim_store *child = NULL;
            if (glim_store_open(&child, dir, &(glim_store_params){.role = GLIM_STORE_GUEST}, NULL) != GLIM_OK) _exit(2);
            for (uint64_t i = 0; i < 300; i++) {
                if (glim_dp_ledger_charge(child, "run-k", i, NULL) != GLIM_OK) _exit(3);
                if (write(pipe_fd[1], "s", 1) != 1) _exit(4);
            }
            _exit(0);
        }
        close(pipe_fd[1]);
        uint64_t taken = 0;
        char c;
        while (taken < (uint64_t)(3 + 5 * round) && read(pipe_fd[0], &c, 1) == 1) taken++;
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        while (read(pipe_fd[0], &c, 1) == 1) taken++;
        close(pipe_fd[0]);
        s = open_store();
        glim_dp_spent sp;
        CHECK_OK(glim_dp_ledger_spent(s, "customers", &sp, &err), err);
        CHECK_MSG(sp.n_steps >= taken && sp.n_steps <= taken + 1, "%llu charged, %llu taken", (unsigned long long)sp.n_steps, (unsigned long long)taken);
        glim_dp_verified v;
        CHECK_OK(glim_dp_ledger_begin(s, &r, NULL, &err), err); /* a resume: a step of before the kill is charged again, then a new one */
        for (uint64_t i = sp.n_steps - 1; i <= sp.n_steps && i < 300; i++) CHECK_OK(glim_dp_ledger_charge(s, "run-k", i, &err), err);
        CHECK_OK(glim_dp_ledger_verify(s, &v, &err), err);
        CHECK(v.n_runs == 1 && v.n_steps == (sp.n_steps < 300 ? sp.n_steps + 1 : 300));
        clean(s);
    }
}
