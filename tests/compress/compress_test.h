/* compress_test.h - what the tests of files in a folder of their own share: the folder, fixtures, a disk as full as a test wants it. */
#ifndef COMPRESS_TEST_H
#define COMPRESS_TEST_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#include "test.h"

static char g_dir[256];

/* The library's question for room is answered here: a disk as full as a test wants it. */
static uint64_t g_room = 1ull << 40;
int statvfs(const char *path, struct statvfs *v) {
    (void)path;
    *v = (struct statvfs){.f_frsize = 1, .f_bavail = g_room};
    return 0;
}

static const char *in_dir(const char *name) {
    static char path[64][512];
    static int turn;
    if (!g_dir[0]) {
        snprintf(g_dir, sizeof g_dir, "/tmp/glim-compress-XXXXXX");
        CHECK(mkdtemp(g_dir) != NULL);
    }
    char *p = path[turn++ % 64];
    snprintf(p, sizeof path[0], "%s/%s", g_dir, name);
    return p;
}

__attribute__((destructor)) static void clean_up(void) {
    char cmd[300];
    if (g_dir[0] && snprintf(cmd, sizeof cmd, "rm -rf '%s'", g_dir) > 0 && system(cmd) != 0) return;
}

static const char *fixture(const char *name) {
    char path[256];
    snprintf(path, sizeof path, "tests/fixtures/%s", name);
    return glim_test_source(path);
}

#endif
