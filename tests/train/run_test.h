/* run_test.h - what the tests of whole runs share: rows to learn, folders of their own, files read back. */
#ifndef GLIM_TRAIN_RUN_TEST_H
#define GLIM_TRAIN_RUN_TEST_H

#include <unistd.h>

#include "train/data_set.h"
#include "train_test.h"

/* n sequences of at most `len` tokens, each a random beginning of `head` and then a pattern, the same in all: something to learn. */
static inline glim_dataset *rows_with_a_pattern(size_t n, size_t len, size_t head, uint64_t seed) {
    int32_t *ids = calloc(n * len, sizeof *ids);
    uint8_t *loss = calloc(len, 1);
    glim_example *x = calloc(n, sizeof *x);
    glim_dataset *d;
    glim_err err;
    glim_rng rng = {.seed = seed};
    for (size_t k = head; k < len; k++) loss[k] = 1;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < len; k++) ids[i * len + k] = k < head ? (int32_t)glim_rng_below(&rng, 300) : 20 + (int32_t)(k * 7) % 11;
        x[i] = (glim_example){ids + i * len, loss, len - i % 3};
    }
    CHECK_OK(glim_dataset_from_examples(&d, x, n, &err), err);
    free(ids), free(loss), free(x);
    return d;
}

/* A new folder, and its end; what a test leaves goes with the program. */
static inline void remove_left(void) {
    char cmd[96];
    snprintf(cmd, sizeof cmd, "rm -rf /tmp/glim-train-%ld-*", (long)getpid());
    if (system(cmd) != 0) fprintf(stderr, "could not remove /tmp/glim-train-%ld-*\n", (long)getpid());
}
static inline char *new_dir(void) {
    static char path[16][64];
    static int next;
    if (next == 0) atexit(remove_left);
    char *p = path[next++ % 16];
    snprintf(p, sizeof path[0], "/tmp/glim-train-%ld-XXXXXX", (long)getpid());
    CHECK(mkdtemp(p) != NULL);
    return p;
}
static inline void remove_all(const char *path) {
    char cmd[128];
    snprintf(cmd, sizeof cmd, "rm -rf %s", path);
    CHECK(system(cmd) == 0);
}

static inline bool is_there(const char *folder, const char *name) {
    char *path = glim_path_join(folder, name);
    const bool yes = glim_path_exists(path);
    free(path);
    return yes;
}
/* Heap, with a zero byte behind it. */
static inline char *read_all(const char *folder, const char *name, size_t *n) {
    glim_buf b = {0};
    glim_err err;
    char *path = glim_path_join(folder, name);
    CHECK_OK(glim_file_read(&b, path, 1 << 24, &err), err);
    free(path);
    *n = b.len;
    return b.s;
}

#endif
