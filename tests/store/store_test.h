/* store_test.h - what the tests of the store share: folders that vanish, a clock that is told, children that die. */
#ifndef GLIM_TESTS_STORE_TEST_H
#define GLIM_TESTS_STORE_TEST_H

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "store/store.h"
#include "test.h"

static char g_dir[64];

__attribute__((unused)) static const char *fresh(const char *name) { /* a folder that does not exist yet */
    static char path[16][160];
    static int turn, n;
    if (!g_dir[0]) {
        snprintf(g_dir, sizeof g_dir, "/tmp/glim-store-XXXXXX");
        CHECK(mkdtemp(g_dir) != NULL);
    }
    char *p = path[turn++ % 16];
    snprintf(p, sizeof path[0], "%s/%s-%d", g_dir, name, n++);
    return p;
}

static pid_t g_main;
__attribute__((constructor)) static void remember_main(void) { g_main = getpid(); }
__attribute__((destructor)) static void clean_up(void) {
    char cmd[128];
    if (g_dir[0] && getpid() == g_main && snprintf(cmd, sizeof cmd, "rm -rf '%s'", g_dir) > 0 && system(cmd) != 0) return;
}

/* 2026-03-01T12:00:00Z, then what tests make of it. */
static const int64_t T0 = 1772366400000000;
static atomic_int_least64_t g_now = 1772366400000000;
static int64_t told_now(void *ctx) {
    (void)ctx;
    return atomic_load(&g_now);
}

__attribute__((unused)) static glim_store *open_as(const char *dir, glim_store_role role) {
    glim_store *s;
    glim_err err = {0};
    CHECK_OK(glim_store_open(&s, dir, &(glim_store_params){.role = role, .now_us = told_now}, &err), err);
    return s;
}
__attribute__((unused)) static glim_store *open_started(const char *dir) {
    glim_store *s = open_as(dir, GLIM_STORE_OWNER);
    glim_err err = {0};
    CHECK_OK(glim_store_start(s, &err), err);
    return s;
}
__attribute__((unused)) static void sleep_ms(int ms) {
    nanosleep(&(struct timespec){ms / 1000, (long)(ms % 1000) * 1000000}, NULL);
}
/* SQLite does not survive a fork: children that open a folder are made before their parent opens it. */
/* Memory that parent and child both see. */
__attribute__((unused)) static void *shared(size_t n) {
    void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    return p;
}
__attribute__((unused)) static bool write_to(const char *path, const char *text) {
    int fd = open(path, O_WRONLY);
    bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0) close(fd);
    return ok;
}
/* In a child: mounts a file system of that size on dir, seen by this process alone. False where user namespaces are
 * not allowed. */
__attribute__((unused)) static bool small_disk(const char *dir, const char *size) {
    char map[64];
    snprintf(map, sizeof map, "0 %ld 1", (long)getuid());
    char group[64];
    snprintf(group, sizeof group, "0 %ld 1", (long)getgid());
    return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 && write_to("/proc/self/setgroups", "deny") &&
           write_to("/proc/self/uid_map", map) && write_to("/proc/self/gid_map", group) &&
           mount("none", dir, "tmpfs", 0, size) == 0;
}
/* One integer from the folder's database, by a connection of its own. */
__attribute__((unused)) static int64_t ask(const char *dir, const char *sql) {
    char path[256];
    glim_db *db;
    glim_err err = {0};
    int64_t v;
    snprintf(path, sizeof path, "%s/store.db", dir);
    CHECK_OK(glim_db_open(&db, path, 0, &err), err);
    CHECK_OK(glim_db_int(db, &v, -1, &err, sql, ""), err);
    glim_db_close(db);
    return v;
}
__attribute__((unused)) static void tell(const char *dir, const char *sql) {
    char path[256];
    glim_db *db;
    glim_err err = {0};
    snprintf(path, sizeof path, "%s/store.db", dir);
    CHECK_OK(glim_db_open(&db, path, 0, &err), err);
    CHECK_OK(glim_db_exec(db, sql, &err), err);
    glim_db_close(db);
}

#endif
