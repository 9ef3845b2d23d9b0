/* test_store.c - the data folder: who may open it, versions, group commits, faults of the disk. */
#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/file.h"
#include "store_test.h"

TEST(a_new_folder_is_private_and_says_its_version) {
    const char *dir = fresh("new");
    glim_store *s = open_as(dir, GLIM_STORE_GUEST);
    struct stat st;
    CHECK(stat(dir, &st) == 0 && (st.st_mode & 0777) == 0700);
    char path[256], want[64];
    snprintf(path, sizeof path, "%s/store.db", dir);
    CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
    snprintf(path, sizeof path, "%s/VERSION", dir);
    snprintf(want, sizeof want, "glim data folder\nversion = %d\n", glim_store_version());
    glim_buf b = {0};
    glim_err err = {0};
    CHECK_OK(glim_file_read(&b, path, 100, &err), err);
    CHECK_STR(b.s, want);
    glim_buf_free(&b);
    glim_store_close(s);
    CHECK(ask(dir, "PRAGMA user_version") == glim_store_version());
}

TEST(one_owner_at_a_time_and_guests_beside_it) {
    const char *dir = fresh("owner");
    glim_store *a = open_as(dir, GLIM_STORE_OWNER), *b, *g = open_as(dir, GLIM_STORE_GUEST);
    glim_err err = {0};
    char pid[32];
    snprintf(pid, sizeof pid, "process %ld", (long)getpid());
    CHECK(glim_store_open(&b, dir, &(glim_store_params){.role = GLIM_STORE_OWNER}, &err) == GLIM_E_STATE);
    CHECK(strstr(err.msg, pid) && strstr(err.msg, dir) && err.hint[0]);
    CHECK(b == NULL);
    glim_store_close(g);
    CHECK(glim_store_open(&b, dir, &(glim_store_params){.role = GLIM_STORE_OWNER}, &err) == GLIM_E_STATE);
    glim_store_close(a);
    CHECK_OK(glim_store_open(&b, dir, &(glim_store_params){.role = GLIM_STORE_OWNER}, &err), err);
    glim_store_close(b);
}

TEST(the_lock_goes_with_its_owner_however_it_ends) {
    const char *dir = fresh("killed");
    pid_t pid = fork();
    if (pid == 0) {
        open_as(dir, GLIM_STORE_OWNER);
        raise(SIGKILL);
    }
    int st;
    CHECK(waitpid(pid, &st, 0) == pid && WIFSIGNALED(st));
    glim_store_close(open_as(dir, GLIM_STORE_OWNER));
}

static void write_text(const char *dir, const char *name, const char *text) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static glim_status try_open(const char *dir, glim_store_role role, glim_err *err) {
    glim_store *s = NULL;
    *err = (glim_err){0};
    glim_status rc = glim_store_open(&s, dir, &(glim_store_params){.role = role}, err);
    CHECK((rc == GLIM_OK) == (s != NULL) && err->code == rc);
    glim_store_close(s);
    return rc;
}

TEST(what_is_not_ours_or_newer_is_refused_by_name) {
    const char *dir = fresh("newer");
    glim_err err;
    glim_store *s;
    CHECK(glim_store_open(&s, dir, &(glim_store_params){.must_exist = true}, &err) == GLIM_E_NOT_FOUND);
    CHECK(!glim_path_exists(dir) && err.hint[0]);
    glim_store_close(open_as(dir, GLIM_STORE_GUEST));
    write_text(dir, "VERSION", "glim data folder\nversion = 99\n");
    for (int role = 0; role < 2; role++) {
        CHECK(try_open(dir, (glim_store_role)role, &err) == GLIM_E_UNSUPPORTED);
        CHECK(strstr(err.msg, "version 99") && strstr(err.msg, dir) && strstr(err.hint, "newer"));
    }
    static const char *const wrong[] = {"", "glim data folder\n", "glim data folder\nversion = 0\n", "glim data folder\nversion = 1\nx",
                                        "glim data folder\nversion = -1\n", "something else\n"};
    for (size_t i = 0; i < GLIM_COUNT(wrong); i++) {
        write_text(dir, "VERSION", wrong[i]);
        CHECK_MSG(try_open(dir, GLIM_STORE_OWNER, &err) == GLIM_E_FORMAT, "VERSION \"%s\" passed", wrong[i]);
    }
    char version[64];
    snprintf(version, sizeof version, "glim data folder\nversion = %d\n", glim_store_version());
    write_text(dir, "VERSION", version); /* right again, but the database itself is newer */
    tell(dir, "PRAGMA user_version = 99");
    CHECK(try_open(dir, GLIM_STORE_OWNER, &err) == GLIM_E_UNSUPPORTED && strstr(err.msg, "99"));

    dir = fresh("other");
    CHECK(mkdir(dir, 0755) == 0);
    write_text(dir, "thesis.txt", "years of work");
    CHECK(try_open(dir, GLIM_STORE_OWNER, &err) == GLIM_E_ARG && strstr(err.msg, "thesis.txt"));
    dir = fresh("file");
    write_text(g_dir, strrchr(dir, '/') + 1, "x");
    CHECK(try_open(dir, GLIM_STORE_GUEST, &err) == GLIM_E_ARG && strstr(err.msg, "is a file"));
    dir = fresh("garbage");
    glim_store_close(open_as(dir, GLIM_STORE_OWNER));
    write_text(dir, "store.db", "this is no database, but it is long enough to have a header of a hundred bytes, which is where SQLite looks first");
    CHECK(try_open(dir, GLIM_STORE_OWNER, &err) == GLIM_E_FORMAT && strstr(err.msg, "damaged") && strstr(err.hint, "restore"));
}

TEST(network_file_systems_are_refused_by_name) {
    const char *name = "";
    CHECK(glim_store_fs_refused(0x6969, &name) && strcmp(name, "NFS") == 0);
    CHECK(glim_store_fs_refused(0xff534d42, &name) && strcmp(name, "CIFS") == 0);
    CHECK(glim_store_fs_refused((uint64_t)(int64_t)(int32_t)0xfe534d42, &name) && strcmp(name, "SMB2") == 0); /* as statfs on 32 bits */
    CHECK(glim_store_fs_refused(0x65735546, &name) && strcmp(name, "FUSE") == 0);
    CHECK(!glim_store_fs_refused(0xef53, &name)); /* ext4 */
    CHECK(!glim_store_fs_refused(0x01021994, &name) && !glim_store_fs_refused(0x58465342, &name) && !glim_store_fs_refused(0x794c7630, &name));
}

/* ---- group commits ---- */

static glim_status set_meta(glim_db *db, void *ctx, glim_err *err) {
    return glim_db_run(db, err, "INSERT INTO meta VALUES(?, 1)", "s", (const char *)ctx);
}
static glim_status set_then_fail(glim_db *db, void *ctx, glim_err *err) {
    glim_status rc = set_meta(db, ctx, err);
    return rc == GLIM_OK ? glim_fail(err, GLIM_E_LIMIT, "changed my mind") : rc;
}
static glim_status hold_up(glim_db *db, void *ctx, glim_err *err) { /* so that others gather behind it */
    (void)db, (void)ctx, (void)err;
    sleep_ms(50);
    return GLIM_OK;
}

static atomic_int g_done[4];
static void done(void *ctx, glim_status rc, const glim_err *err) {
    (void)ctx;
    atomic_fetch_add(&g_done[rc == GLIM_OK ? 0 : rc == GLIM_E_LIMIT && strcmp(err->msg, "changed my mind") == 0 ? 1 : 2], 1);
}

TEST(changes_share_a_commit_and_a_failing_one_leaves_the_others) {
    const char *dir = fresh("group");
    static char names[400][16];
    glim_store *s = open_started(dir);
    uint64_t c0, n0, c1, n1;
    glim_store_commit_counts(s, &c0, &n0);
    for (int i = 0; i < 4; i++) atomic_store(&g_done[i], 0);
    glim_store_submit(s, hold_up, done, NULL);
    for (int i = 0; i < 400; i++) {
        snprintf(names[i], sizeof names[i], "x%d", i);
        glim_store_submit(s, i % 5 == 4 ? set_then_fail : set_meta, done, names[i]);
    }
    glim_err err = {0};
    CHECK(glim_store_run(s, set_then_fail, "y", &err) == GLIM_E_LIMIT && strcmp(err.msg, "changed my mind") == 0);
    CHECK_OK(glim_store_run(s, set_meta, "z", &err), err);
    CHECK(atomic_load(&g_done[0]) == 321 && atomic_load(&g_done[1]) == 80 && atomic_load(&g_done[2]) == 0);
    glim_store_commit_counts(s, &c1, &n1);
    CHECK(n1 - n0 == 403);
    CHECK_MSG(c1 - c0 <= 10, "%llu commits for 403 changes", (unsigned long long)(c1 - c0));
    glim_store_submit(s, set_meta, NULL, "last"); /* closing waits for what was submitted */
    glim_store_close(s);
    CHECK(ask(dir, "SELECT COUNT(*) FROM meta WHERE name LIKE 'x%'") == 320);
    CHECK(ask(dir, "SELECT COUNT(*) FROM meta WHERE name IN ('y', 'z', 'last')") == 2);
}

typedef struct many {
    glim_store *s;
    int who, n, failed;
} many;

static glim_status add_one(glim_db *db, void *ctx, glim_err *err) {
    (void)ctx;
    return glim_db_run(db, err, "UPDATE meta SET value = value + 1 WHERE name = 'counter'", "");
}
static glim_status read_one(glim_db *db, void *ctx, glim_err *err) {
    return glim_db_int(db, ctx, -1, err, "SELECT value FROM meta WHERE name = 'counter'", "");
}
static void *add_many(void *arg) {
    many *m = arg;
    int64_t last = 0, v;
    for (int i = 0; i < m->n; i++) {
        if (glim_store_run(m->s, add_one, NULL, NULL) != GLIM_OK) m->failed++;
        if (glim_store_read(m->s, read_one, &v, NULL) != GLIM_OK || v <= last) m->failed++; /* own writes are seen, nothing goes back */
        last = v;
    }
    return NULL;
}

TEST(threads_and_processes_lose_no_change) {
    const char *dir = fresh("many");
    glim_store_close(open_as(dir, GLIM_STORE_GUEST));
    tell(dir, "INSERT INTO meta VALUES('counter', 0)");
    enum { THREADS = 4, EACH = 40 };
    pid_t pid = fork();
    if (pid == 0) { /* a guest beside the owner */
        glim_store *g = open_as(dir, GLIM_STORE_GUEST);
        many m = {g, 9, EACH, 0};
        add_many(&m);
        glim_store_close(g);
        _exit(m.failed ? 1 : 0);
    }
    glim_store *s = open_started(dir);
    pthread_t t[THREADS];
    many m[THREADS];
    for (int i = 0; i < THREADS; i++) {
        m[i] = (many){s, i, EACH, 0};
        CHECK(pthread_create(&t[i], NULL, add_many, &m[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++) pthread_join(t[i], NULL);
    int st;
    CHECK(waitpid(pid, &st, 0) == pid && WIFEXITED(st) && WEXITSTATUS(st) == 0);
    for (int i = 0; i < THREADS; i++) CHECK(m[i].failed == 0);
    glim_store_close(s);
    CHECK(ask(dir, "SELECT value FROM meta WHERE name = 'counter'") == (THREADS + 1) * EACH);
}

/* ---- a full disk ---- */

static glim_status put_big(glim_db *db, void *ctx, glim_err *err) {
    static char big[100000];
    memset(big, 'x', sizeof big - 1);
    return glim_db_run(db, err, "INSERT INTO outbox(time, actor, action, object, tenant, detail) VALUES(?, '', '', '', '', ?)", "is",
                       *(int64_t *)ctx, big);
}

/* Those of put_big that a started store has written to the chain meanwhile, for which it has more time the slower the machine is: a
 * record is a little longer than its detail. */
static int64_t chained(const char *dir) {
    char path[256];
    struct stat st;
    snprintf(path, sizeof path, "%s/audit.log", dir);
    return stat(path, &st) == 0 ? st.st_size / 100000 : 0;
}

/* Fills the folder until it refuses, then checks that what was told to be there is there. 0 is right. */
static int fill_up(const char *dir, bool started) {
    glim_store *s = NULL;
    glim_err err = {0};
    if (glim_store_open(&s, dir, &(glim_store_params){.role = GLIM_STORE_OWNER, .now_us = told_now}, &err) != GLIM_OK) return 10;
    if (started && glim_store_start(s, &err) != GLIM_OK) return 11;
    int64_t n = 0;
    glim_status rc;
    while ((rc = glim_store_run(s, put_big, &n, &err)) == GLIM_OK && n < 1000) n++;
    if (rc != GLIM_E_IO || n == 0 || n == 1000) return 12;
    if (!strstr(err.msg, "store.db")) return 13;
    int64_t m = -1;
    if (glim_store_run(s, put_big, &m, &err) != GLIM_E_IO) return 14; /* still full, still told so */
    glim_store_close(s);
    int64_t waits = ask(dir, "SELECT COUNT(*) FROM outbox WHERE length(detail) > 9000");
    return waits <= n && waits + chained(dir) >= n ? 0 : 15; /* one that was written may wait still */
}

TEST(a_full_disk_refuses_changes_and_keeps_what_was_promised) {
    for (int started = 0; started < 2; started++) {
        const char *dir = fresh("full");
        pid_t pid = fork();
        if (pid == 0) {
            if (mkdir(dir, 0700) != 0) _exit(20);
            if (!small_disk(dir, "size=2m")) _exit(77);
            _exit(fill_up(dir, started));
        }
        int st;
        CHECK(waitpid(pid, &st, 0) == pid && WIFEXITED(st));
        if (WEXITSTATUS(st) == 77) SKIP("no user namespace to mount a small disk in");
        CHECK_MSG(WEXITSTATUS(st) == 0, "step %d", WEXITSTATUS(st));
    }
}

TEST(a_file_that_may_not_grow_refuses_changes_and_keeps_what_was_promised) {
    const char *dir = fresh("limit");
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGXFSZ, SIG_IGN);
        if (setrlimit(RLIMIT_FSIZE, &(struct rlimit){2 << 20, 2 << 20}) != 0) _exit(20);
        _exit(fill_up(dir, true));
    }
    int st;
    CHECK(waitpid(pid, &st, 0) == pid && WIFEXITED(st));
    CHECK_MSG(WEXITSTATUS(st) == 0, "step %d", WEXITSTATUS(st));
}

TEST(ids_and_texts_from_people_are_checked) {
    glim_err err;
    CHECK(glim_store_check_id("acme-1.x_Y", "tenant", &err) == GLIM_OK);
    CHECK(glim_store_check_id("", "tenant", &err) == GLIM_E_ARG);
    CHECK(glim_store_check_id("a b", "tenant", &err) == GLIM_E_ARG && strstr(err.msg, "tenant"));
    CHECK(glim_store_check_id("../x", "tenant", &err) == GLIM_E_ARG);
    char lots[80];
    memset(lots, 'a', sizeof lots - 1);
    lots[65] = 0;
    CHECK(glim_store_check_id(lots, "tenant", &err) == GLIM_E_ARG);
    lots[64] = 0;
    CHECK(glim_store_check_id(lots, "tenant", &err) == GLIM_OK);
    CHECK(glim_store_check_text("\xe4\xbd\xa0", 3, "name", &err) == GLIM_OK);
    CHECK(glim_store_check_text("\xe4\xbd\xa0", 2, "name", &err) == GLIM_E_LIMIT);
    CHECK(glim_store_check_text("\xff", 3, "name", &err) == GLIM_E_ARG);
    CHECK(glim_store_check_text("a\nb", 3, "name", &err) == GLIM_E_ARG);
    char a[40], b[40];
    glim_store_new_id(a, "file-", 24);
    glim_store_new_id(b, "file-", 24);
    CHECK(strlen(a) == 29 && strncmp(a, "file-", 5) == 0 && strcmp(a, b) != 0);
}

static glim_status add_slowly(glim_db *db, void *ctx, glim_err *err) { /* a slow disk: the lock is held, the gaps are short */
    sleep_ms(20);
    return add_one(db, ctx, err);
}
static void again(void *ctx, glim_status rc, const glim_err *err) { /* the queue is never empty */
    (void)rc, (void)err;
    glim_store_submit(ctx, add_slowly, again, ctx);
}

TEST(guests_get_their_turn_beside_a_server_that_never_rests) {
    const char *dir = fresh("turn");
    glim_store_close(open_as(dir, GLIM_STORE_GUEST));
    tell(dir, "INSERT INTO meta VALUES('counter', 0)");
    pid_t server = fork();
    if (server == 0) {
        glim_store *s = open_started(dir);
        for (int i = 0; i < 5; i++) glim_store_submit(s, add_slowly, again, s);
        for (;;) pause();
    }
    for (int i = 0; i < 500 && ask(dir, "SELECT value FROM meta WHERE name = 'counter'") < 10; i++) sleep_ms(10);
    int failed = 0;
    for (int i = 0; i < 5; i++) { /* each a process's life: `glim key revoke` */
        glim_store *g = open_as(dir, GLIM_STORE_GUEST);
        for (int j = 0; j < 2; j++) failed += glim_store_run(g, add_one, NULL, NULL) != GLIM_OK;
        glim_store_close(g);
    }
    kill(server, SIGKILL);
    int st;
    CHECK(waitpid(server, &st, 0) == server && WIFSIGNALED(st));
    CHECK_MSG(failed == 0, "%d of 10 changes found the store busy for 5 s", failed);
}
