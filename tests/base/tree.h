/* tree.h - a folder made to look like a part of the kernel's. One for each test program. */
#ifndef GLIM_TEST_TREE_H
#define GLIM_TEST_TREE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "test.h"

static char g_dir[] = "/tmp/glim-tree-XXXXXX";

/* Writes a file of the tree and the folders above it. */
static void put(const char *name, const char *text) {
    glim_err err;
    char *path = glim_path_join(g_dir, name), *slash = strrchr(path, '/');
    *slash = 0;
    CHECK_OK(glim_mkdirs(path, &err), err);
    *slash = '/';
    CHECK_OK(glim_file_write_atomic(path, text, strlen(text), &err), err);
    free(path);
}

/* A new one, empty, in the place of the last. */
static void begin(void) {
    char cmd[128];
    snprintf(cmd, sizeof cmd, "rm -rf '%s'", g_dir);
    if (g_dir[strlen(g_dir) - 1] != 'X') CHECK(system(cmd) == 0);
    memcpy(g_dir + strlen(g_dir) - 6, "XXXXXX", 6);
    CHECK(mkdtemp(g_dir));
}

#endif
