/* files.h - what the tests of this layer share: temporary folders, bytes put together by hand, and the
 * one question that every bad file answers: one status, one line, with these words in it. */
#ifndef GLIM_TESTS_FORMAT_FILES_H
#define GLIM_TESTS_FORMAT_FILES_H

#include <ftw.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "test.h"

/* A new empty folder. Valid until the next call but three. */
static inline const char *tmp_new(void) {
    static char paths[4][256];
    static int turn;
    char *p = paths[turn++ % 4];
    const char *root = getenv("TMPDIR");
    snprintf(p, sizeof paths[0], "%s/glim-format-XXXXXX", root && root[0] ? root : "/tmp");
    CHECK(mkdtemp(p) != NULL);
    return p;
}

static inline int tmp_remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}
static inline void tmp_remove(const char *dir) { nftw(dir, tmp_remove_one, 16, FTW_DEPTH | FTW_PHYS); }

/* "dir/name". Valid until the next call but seven. */
static inline const char *at(const char *dir, const char *name) {
    static char paths[8][2048];
    static int turn;
    char *p = paths[turn++ % 8];
    snprintf(p, sizeof paths[0], "%s/%s", dir, name);
    return p;
}

static inline void put_file(const char *path, const void *bytes, size_t n) {
    FILE *f = fopen(path, "wb");
    CHECK(f != NULL);
    CHECK(fwrite(bytes, 1, n, f) == n);
    CHECK(fclose(f) == 0);
}
static inline void put_text_file(const char *path, const char *s) { put_file(path, s, strlen(s)); }

static inline glim_buf get_file(const char *path) {
    glim_buf b = {0};
    glim_err err = {0};
    CHECK_OK(glim_file_read(&b, path, (size_t)1 << 30, &err), err);
    return b;
}

/* Exactly n bytes on the heap, so that AddressSanitizer sees a read one past them. */
static inline void *heap_copy(const void *bytes, size_t n) {
    void *p = malloc(n ? n : 1);
    CHECK(p != NULL);
    memcpy(p, bytes, n);
    return p;
}

/* Seconds of processor time used so far: a busy machine does not fail a test that times something. */
static inline double cpu_now(void) {
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

/* rc is the status wanted, err holds one line, and every word (up to 4, NULL ends) is in it. */
static inline void want_error_at(int line, glim_status rc, const glim_err *err, glim_status want,
                                 const char *a, const char *b, const char *c, const char *d) {
    if (rc != want)
        glim_test_fail("", line, "got status %s (%s), want %s", glim_status_name(rc),
                       rc == GLIM_OK ? "" : err->msg, glim_status_name(want));
    if (err->code != want) glim_test_fail("", line, "the error carries %s", glim_status_name(err->code));
    if (err->msg[0] == 0 || strchr(err->msg, '\n')) glim_test_fail("", line, "got \"%s\", want one line", err->msg);
    const char *words[4] = {a, b, c, d};
    for (int i = 0; i < 4 && words[i]; i++)
        if (!strstr(err->msg, words[i]) && !strstr(err->hint, words[i]))
            glim_test_fail("", line, "got \"%s\" (hint \"%s\"), want \"%s\" in it", err->msg, err->hint, words[i]);
}
#define WANT_ERROR(rc, err, want, a, b, c, d) want_error_at(__LINE__, rc, &(err), want, a, b, c, d)

#endif
