/* test_backup.c - a backup taken while the folder is written to is whole and adds up; a damaged one is refused. */
#include <dirent.h>
#include <pthread.h>

#include "base/file.h"
#include "base/rng.h"
#include "store/backup.h"
#include "store/blobs.h"
#include "store/keys.h"
#include "store/ledger.h"
#include "store/outbox.h"
#include "store_test.h"

static glim_file put(glim_store *s, const char *text) {
    glim_upload *u;
    glim_file f;
    glim_err err = {0};
    CHECK_OK(glim_upload_begin(s, 0, &u, &err), err);
    CHECK_OK(glim_upload_write(u, text, strlen(text), &err), err);
    CHECK_OK(glim_upload_finish(u, &(glim_file_params){"acme", "n", "p", NULL, "t"}, &f, &err), err);
    return f;
}

static void spend(glim_store *s, int64_t n) {
    glim_hold *h;
    glim_err err = {0};
    CHECK_OK(glim_ledger_reserve(s, &(glim_reserve){"r", NULL, "m", 10, 100}, &h, NULL, &err), err);
    glim_hold_end(h, &(glim_tokens){10, 0, n, 0}, GLIM_OUTCOME_DONE);
}

/* A folder with something of everything in it. */
static const char *make_folder(void) {
    const char *dir = fresh("folder");
    glim_store *s = open_started(dir);
    glim_key k;
    char secret[GLIM_KEY_SECRET + 1];
    glim_err err = {0};
    CHECK_OK(glim_key_create(s, &(glim_key_params){.tenant = "acme"}, &k, secret, &err), err);
    CHECK_OK(glim_price_set(s, &(glim_price){.model = "*", .input = 1000000, .output = 2000000}, "t", &err), err);
    put(s, "one");
    put(s, "two");
    for (int i = 0; i < 5; i++) spend(s, i * 10);
    glim_store_close(s);
    return dir;
}

static glim_status restore(const char *from, const char *to, glim_err *err) {
    glim_backup_result r;
    *err = (glim_err){0};
    return glim_backup_restore(from, to, false, "cli:test", NULL, NULL, &r, err);
}
static void write_backup(const char *dir, const char *to) {
    glim_store *s = open_as(dir, GLIM_STORE_GUEST);
    glim_err err = {0};
    glim_backup_result r;
    CHECK_OK(glim_backup_write(s, to, "cli:test", NULL, NULL, &r, &err), err);
    CHECK(r.n_files >= 3 && r.bytes > 0);
    glim_store_close(s);
}
static int n_in(const char *dir, const char *prefix) { /* names in a folder that begin so */
    DIR *d = opendir(dir);
    CHECK(d != NULL);
    int n = 0;
    for (struct dirent *e; (e = readdir(d));) n += strncmp(e->d_name, prefix, strlen(prefix)) == 0;
    closedir(d);
    return n;
}
static void sound(const char *dir) { /* everything in it adds up */
    glim_store *s = open_as(dir, GLIM_STORE_OWNER);
    glim_err err = {0};
    glim_audit_result r;
    CHECK_OK(glim_ledger_check(s, &err), err);
    CHECK_OK(glim_audit_verify(s, NULL, &r, &err), err);
    CHECK(ask(dir, "SELECT COUNT(*) FROM usage WHERE state = 0") == 0);
    glim_store_close(s);
}

TEST(a_backup_brings_everything_back_as_a_folder_and_as_a_tar) {
    const char *dir = make_folder();
    for (int tar = 0; tar < 2; tar++) {
        char to[200], back[200];
        snprintf(to, sizeof to, "%s/backup%s", g_dir, tar ? ".tar" : "");
        snprintf(back, sizeof back, "%s/back%d", g_dir, tar);
        write_backup(dir, to);
        glim_err err;
        CHECK_OK(restore(to, back, &err), err);
        static const char *const same[] = {"SELECT COUNT(*) FROM keys", "SELECT SUM(cost) FROM usage", "SELECT SUM(cost) FROM key_days",
                                           "SELECT COUNT(*) FROM files", "SELECT COUNT(*) FROM blobs", "SELECT COUNT(*) FROM prices"};
        for (size_t i = 0; i < GLIM_COUNT(same); i++) CHECK(ask(dir, same[i]) == ask(back, same[i]));
        CHECK(ask(dir, same[1]) == 5 * 10 + 2 * 100);
        sound(back);
        glim_store *s = open_as(back, GLIM_STORE_GUEST);
        char blob[300];
        snprintf(blob, sizeof blob, "%s/blobs/76/7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed", back); /* "one" */
        CHECK(glim_path_exists(blob));
        CHECK(restore(to, back, &err) == GLIM_E_STATE && strstr(err.msg, "not empty"));
        glim_backup_result r;
        CHECK(glim_backup_write(s, to, "t", NULL, NULL, &r, &err) == GLIM_E_ARG && strstr(err.msg, "exists"));
        CHECK_OK(glim_backup_restore(to, back, true, "t", NULL, NULL, &r, &err), err); /* --check leaves the folder alone */
        glim_store_close(s);
    }
    CHECK(n_in(g_dir, "backup") == 2 && n_in(g_dir, "back") == 4); /* nothing partial is left */
}

typedef struct busy {
    glim_store *s;
    atomic_int *stop;
} busy;
static void *write_on(void *arg) {
    busy *b = arg;
    char text[32];
    for (int i = 0; !atomic_load(b->stop); i++) {
        spend(b->s, i % 90);
        snprintf(text, sizeof text, "content %d", i % 50);
        glim_file f = put(b->s, text);
        if (i % 3) (void)glim_file_delete(b->s, NULL, f.id, "t", NULL);
        (void)glim_outbox_put(b->s, &(glim_event){"t", "x.y", "z", "", ""}, NULL);
        if (i % 4 == 0) (void)glim_outbox_drain(b->s, NULL);
    }
    return NULL;
}

/* A server with one long request and two threads that write as fast as they can. */
static int serve(const char *dir, atomic_int *stop) {
    glim_store *s = open_started(dir);
    busy b = {s, stop};
    pthread_t t[2];
    glim_hold *open;
    if (glim_ledger_reserve(s, &(glim_reserve){"runs", NULL, "m", 10, 1000}, &open, NULL, NULL) != GLIM_OK) return 1;
    glim_hold_progress(open, 10, 0, 500);
    for (int i = 0; i < 2; i++)
        if (pthread_create(&t[i], NULL, write_on, &b) != 0) return 2;
    for (int i = 0; i < 2; i++) pthread_join(t[i], NULL);
    glim_hold_end(open, &(glim_tokens){10, 0, 500, 0}, GLIM_OUTCOME_DONE);
    glim_store_close(s);
    return 0;
}

TEST(a_backup_of_a_busy_server_is_one_moment_of_it) {
    const char *dir = make_folder();
    atomic_int *stop = shared(sizeof *stop);
    pid_t pid = fork();
    if (pid == 0) _exit(serve(dir, stop));
    for (int i = 0; i < 1000 && ask(dir, "SELECT COUNT(*) FROM usage") < 10; i++) sleep_ms(5);
    char to[200], back[200];
    glim_err err = {0};
    glim_backup_result r;
    for (int i = 0; i < 4; i++) { /* as `glim backup` does */
        snprintf(to, sizeof to, "%s/busy%d%s", g_dir, i, i % 2 ? ".tar" : "");
        glim_store *g = open_as(dir, GLIM_STORE_GUEST);
        CHECK_OK(glim_backup_write(g, to, "t", NULL, NULL, &r, &err), err);
        glim_store_close(g);
        snprintf(back, sizeof back, "%s/calm%d", g_dir, i);
        CHECK_OK(restore(to, back, &err), err);
        sound(back);
        CHECK(ask(back, "SELECT COUNT(*) FROM usage WHERE request = 'runs' AND state = 3") == 1); /* settled by its first owner */
    }
    atomic_store(stop, 1);
    int st;
    CHECK(waitpid(pid, &st, 0) == pid && WIFEXITED(st) && WEXITSTATUS(st) == 0);
    sound(dir);
    munmap(stop, sizeof *stop);
}

static void shell(const char *script, const char *a, const char *b) { /* they are $A and $B in it */
    CHECK(setenv("A", a, 1) == 0 && setenv("B", b, 1) == 0);
    CHECK_MSG(system(script) == 0, "%s", script);
}

TEST(a_damaged_or_hostile_backup_is_refused_and_leaves_nothing) {
    const char *dir = make_folder();
    char good[200], bad[200], to[200], tar[200];
    glim_err err;
    snprintf(good, sizeof good, "%s/good", g_dir);
    snprintf(bad, sizeof bad, "%s/bad", g_dir);
    snprintf(to, sizeof to, "%s/dest", g_dir);
    snprintf(tar, sizeof tar, "%s/x.tar", g_dir);
    write_backup(dir, good);
    static const char *const damage[] = {
        "cd \"$A\" && rm MANIFEST.json", "cd \"$A\" && rm store.db", "cd \"$A\" && rm audit.log", "cd \"$A\" && rm VERSION", "cd \"$A\" && rm -r blobs",
        "cd \"$A\" && printf X | dd of=store.db bs=1 seek=5000 conv=notrunc 2> /dev/null", "cd \"$A\" && printf X | dd of=audit.log bs=1 seek=100 conv=notrunc 2> /dev/null",
        "cd \"$A\" && truncate -s -1 audit.log", "cd \"$A\" && for f in blobs/*/*; do printf X > $f; done", "cd \"$A\" && echo x > MANIFEST.json",
        "cd \"$A\" && sed -i 's/\"format\": \"glim-backup\"/\"format\": \"other\"/' MANIFEST.json", "cd \"$A\" && sed -i 's/\"store_version\": [0-9]*/\"store_version\": 99/' MANIFEST.json",
        "cd \"$A\" && sed -i 's#\"path\": \"VERSION\"#\"path\": \"../escaped\"#' MANIFEST.json", "cd \"$A\" && sed -i 's#\"path\": \"VERSION\"#\"path\": \"/tmp/escaped\"#' MANIFEST.json",
        "cd \"$A\" && sed -i 's#\"path\": \"VERSION\"#\"path\": \"store.db\"#' MANIFEST.json", "cd \"$A\" && rm VERSION && ln -s /etc/hostname VERSION"};
    for (size_t i = 0; i < GLIM_COUNT(damage); i++) {
        shell("rm -rf \"$B\" && cp -r \"$A\" \"$B\"", good, bad);
        shell(damage[i], bad, "");
        glim_status rc = restore(bad, to, &err);
        CHECK_MSG(rc != GLIM_OK && rc != GLIM_E_NOMEM && err.msg[0] && !glim_path_exists(to), "taken: %s", damage[i]);
        shell("rm -f \"$B\" && tar -C \"$A\" -cf \"$B\" --transform='s#^\\./##' $(cd \"$A\" && find . -mindepth 1 \\( -type f -o -type l \\))", bad, tar);
        rc = restore(tar, to, &err);
        CHECK_MSG(rc != GLIM_OK && err.msg[0] && !glim_path_exists(to), "taken as tar: %s", damage[i]);
    }
    shell("touch \"$A/extra\" && tar -C \"$A\" -cf \"$B\" extra", g_dir, tar); /* names that no backup holds */
    CHECK(restore(tar, to, &err) == GLIM_E_FORMAT && strstr(err.msg, "extra"));
    shell("cd \"$A\" && tar -cPf \"$B\" --transform='s#extra#../extra#' extra", g_dir, tar);
    CHECK(restore(tar, to, &err) == GLIM_E_FORMAT);
    shell("head -c 3000 /dev/urandom > \"$B\"", "", tar);
    CHECK(restore(tar, to, &err) == GLIM_E_FORMAT);
    CHECK(restore("/nonexistent/backup", to, &err) == GLIM_E_NOT_FOUND);
    shell("rm -f \"$B\" && tar -C \"$A\" -cf \"$B\" --transform='s#^\\./##' $(cd \"$A\" && find . -mindepth 1 -type f)", good, tar);
    CHECK_OK(restore(tar, to, &err), err); /* made by another tar: fine */
    sound(to);
    CHECK(n_in(g_dir, "dest") == 1);
}

static int small(const char *dir, const char *source) { /* 0 is right */
    glim_store *s;
    glim_backup_result r;
    glim_err err = {0};
    char to[256];
    if (glim_store_open(&s, source, &(glim_store_params){.role = GLIM_STORE_GUEST}, &err) != GLIM_OK) return 10;
    for (int tar = 0; tar < 2; tar++) {
        snprintf(to, sizeof to, "%s/b%s", dir, tar ? ".tar" : "");
        if (glim_backup_write(s, to, "t", NULL, NULL, &r, &err) != GLIM_E_IO) return 11 + tar;
        if (n_in(dir, "b") != 0) return 13 + tar;
    }
    glim_store_close(s);
    return 0;
}

TEST(a_backup_onto_a_full_disk_fails_and_leaves_nothing) {
    const char *source = make_folder(), *dir = fresh("small");
    pid_t pid = fork();
    if (pid == 0) {
        if (mkdir(dir, 0700) != 0) _exit(9);
        if (!small_disk(dir, "size=100k")) _exit(77);
        _exit(small(dir, source));
    }
    int st;
    CHECK(waitpid(pid, &st, 0) == pid && WIFEXITED(st));
    if (WEXITSTATUS(st) == 77) SKIP("no user namespace to mount a small disk in");
    CHECK_MSG(WEXITSTATUS(st) == 0, "step %d", WEXITSTATUS(st));
}
