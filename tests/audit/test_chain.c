/* test_chain.c - the audit log: what was written is read, and nothing can be done to it unnoticed. */
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/chain.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/rng.h"
#include "test.h"

static char g_dir[64];
static const char *in_dir(const char *name) {
    static char path[4][128];
    static int turn;
    if (!g_dir[0]) {
        snprintf(g_dir, sizeof g_dir, "/tmp/glim-audit-XXXXXX");
        CHECK(mkdtemp(g_dir) != NULL);
    }
    char *p = path[turn++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", g_dir, name);
    return p;
}
__attribute__((destructor)) static void clean_up(void) {
    char cmd[128];
    if (g_dir[0] && snprintf(cmd, sizeof cmd, "rm -rf '%s'", g_dir) > 0 && system(cmd) != 0) return;
}

static void put(const char *path, const void *bytes, size_t n) {
    FILE *f = fopen(path, "wb");
    CHECK(f && fwrite(bytes, 1, n, f) == n && fclose(f) == 0);
}

/* n events of different sizes, written in one go; offsets [n + 1] of the records (may be NULL). */
static glim_chain_head make_log(const char *path, int n, uint64_t *offsets) {
    glim_chain_head h, start;
    glim_err err = {0};
    glim_buf b = {0};
    glim_chain_begin(&h);
    start = h;
    unlink(path);
    for (int i = 0; i < n; i++) {
        char object[32], detail[300];
        snprintf(object, sizeof object, "key_%d", i);
        snprintf(detail, sizeof detail, "{\"n\": %d, \"pad\": \"%.*s\"}", i, i * 37 % 200,
                 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
        if (offsets) offsets[i] = h.bytes;
        CHECK_OK(glim_chain_encode(&b, &h, &(glim_chain_event){.time_us = 1000000 + i, .actor = i % 3 ? "cli:anna" : NULL,
                                                               .action = "key.create", .object = object, .tenant = "acme", .detail = detail}, &err), err);
    }
    if (offsets) offsets[n] = h.bytes;
    bool replaced;
    CHECK_OK(glim_chain_write(path, &start, b.s, b.len, &replaced, &err), err);
    CHECK(!replaced);
    glim_buf_free(&b);
    return h;
}

typedef struct tally {
    uint64_t n;
    int wrong;
} tally;
static bool check_event(void *ctx, const glim_chain_event *e, const glim_chain_head *after) {
    tally *t = ctx;
    char object[32];
    snprintf(object, sizeof object, "key_%" PRIu64, t->n);
    t->n++;
    if (e->seq != t->n || after->count != t->n || e->time_us != (int64_t)(999999 + t->n) || strcmp(e->object, object) != 0 ||
        strcmp(e->action, "key.create") != 0 || strcmp(e->tenant, "acme") != 0 || strcmp(e->actor, (t->n - 1) % 3 ? "cli:anna" : "") != 0 ||
        strncmp(e->detail, "{\"n\": ", 6) != 0)
        t->wrong++;
    return true;
}

static glim_status verify(const char *path, const glim_chain_head *to, glim_err *err) {
    glim_chain_head start;
    glim_chain_begin(&start);
    *err = (glim_err){0};
    return glim_chain_read(path, &start, to, NULL, NULL, NULL, err);
}

TEST(what_was_written_is_read_back_in_order) {
    const char *path = in_dir("log");
    glim_chain_head h = make_log(path, 500, NULL), start, end, half;
    glim_err err = {0};
    tally t = {0};
    glim_chain_begin(&start);
    CHECK_OK(glim_chain_read(path, &start, &h, check_event, &t, &end, &err), err);
    CHECK(t.n == 500 && t.wrong == 0 && memcmp(&end, &h, sizeof h) == 0);
    CHECK_OK(glim_chain_read(path, &start, NULL, NULL, NULL, &end, &err), err);
    CHECK(memcmp(&end, &h, sizeof h) == 0);
    half = make_log(in_dir("half"), 250, NULL); /* the same first 250: a head taken then still fits */
    t = (tally){250, 0};
    CHECK_OK(glim_chain_read(path, &half, &h, check_event, &t, NULL, &err), err);
    CHECK(t.n == 500 && t.wrong == 0);
    struct stat st;
    CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600 && (uint64_t)st.st_size == h.bytes);
    char text[GLIM_CHAIN_HEAD_TEXT];
    glim_chain_head back;
    CHECK_OK(glim_chain_head_parse(&back, glim_chain_head_text(text, &h), &err), err);
    CHECK(back.count == h.count && memcmp(back.hash, h.hash, 32) == 0);
    CHECK(glim_chain_head_parse(&back, "5", &err) == GLIM_E_ARG && glim_chain_head_parse(&back, "x:00", &err) == GLIM_E_ARG);
    CHECK(glim_chain_head_parse(&back, "99999999999999999999:00", &err) == GLIM_E_ARG);
}

TEST(every_flipped_bit_is_found) {
    enum { N = 6 };
    uint64_t off[N + 1];
    const char *path = in_dir("flip"), *bad = in_dir("flipped");
    glim_chain_head h = make_log(path, N, off);
    glim_buf b = {0};
    glim_err err;
    CHECK_OK(glim_file_read(&b, path, 1 << 20, &err), err);
    for (size_t i = 0; i < b.len; i++) {
        b.s[i] = (char)(b.s[i] ^ 1 << (i % 8));
        put(bad, b.s, b.len);
        glim_status rc = verify(bad, &h, &err);
        CHECK_MSG((rc == GLIM_E_FORMAT || (i >= 8 && i < 12 && rc == GLIM_E_UNSUPPORTED)) && err.msg[0], "byte %zu: %d %s", i, rc, err.msg);
        if (i >= GLIM_CHAIN_HEADER) { /* and the record is named, or the one after it */
            int which = 0;
            while (off[which + 1] <= i) which++;
            char want[32];
            snprintf(want, sizeof want, "record %d ", which + 1);
            CHECK_MSG(strstr(err.msg, want), "byte %zu: want %s, got %s", i, want, err.msg);
        }
        b.s[i] = (char)(b.s[i] ^ 1 << (i % 8));
    }
    glim_buf_free(&b);
}

TEST(dropping_moving_repeating_and_cutting_are_found) {
    enum { N = 8 };
    uint64_t off[N + 1];
    const char *path = in_dir("drop"), *bad = in_dir("dropped");
    glim_chain_head h = make_log(path, N, off);
    glim_buf b = {0}, c = {0};
    glim_err err;
    CHECK_OK(glim_file_read(&b, path, 1 << 20, &err), err);
    for (int i = 0; i < N; i++) {
        size_t from = off[i], to = off[i + 1];
        glim_buf_clear(&c); /* one record dropped, the last one included */
        glim_buf_append(&c, b.s, from);
        glim_buf_append(&c, b.s + to, b.len - to);
        put(bad, c.s, c.len);
        CHECK_MSG(verify(bad, &h, &err) == GLIM_E_FORMAT, "dropped %d", i);
        glim_buf_clear(&c); /* one record there twice */
        glim_buf_append(&c, b.s, to);
        glim_buf_append(&c, b.s + from, b.len - from);
        put(bad, c.s, c.len);
        if (i < N - 1) CHECK_MSG(verify(bad, &h, &err) == GLIM_E_FORMAT, "doubled %d", i);
        for (int j = i + 1; j < N; j++) { /* two records exchanged */
            glim_buf_clear(&c);
            glim_buf_append(&c, b.s, from);
            glim_buf_append(&c, b.s + off[j], off[j + 1] - off[j]);
            glim_buf_append(&c, b.s + to, off[j] - to);
            glim_buf_append(&c, b.s + from, to - from);
            glim_buf_append(&c, b.s + off[j + 1], b.len - off[j + 1]);
            put(bad, c.s, c.len);
            CHECK_MSG(verify(bad, &h, &err) == GLIM_E_FORMAT, "exchanged %d and %d", i, j);
        }
    }
    for (size_t n = 0; n < b.len; n++) {
        put(bad, b.s, n);
        CHECK_MSG(verify(bad, &h, &err) == GLIM_E_FORMAT, "cut to %zu bytes", n);
    }
    unlink(bad);
    CHECK(verify(bad, &h, &err) == GLIM_E_NOT_FOUND);
    glim_buf_free(&b);
    glim_buf_free(&c);
}

TEST(a_forged_chain_with_right_hashes_has_another_head) {
    const char *path = in_dir("forged");
    glim_chain_head h = make_log(path, 20, NULL), start, at;
    glim_err err = {0};
    glim_buf b = {0};
    glim_chain_begin(&start);
    at = start;
    for (int i = 0; i < 20; i++)
        CHECK_OK(glim_chain_encode(&b, &at, &(glim_chain_event){.action = "nothing.happened", .object = "key_0"}, &err), err);
    bool replaced;
    CHECK_OK(glim_chain_write(path, &start, b.s, b.len, &replaced, &err), err);
    CHECK(replaced);
    CHECK_OK(verify(path, NULL, &err), err); /* in itself it is consistent */
    CHECK(verify(path, &h, &err) == GLIM_E_FORMAT && strstr(err.msg, "rewritten"));
    glim_buf_free(&b);
}

TEST(an_unacknowledged_write_is_written_again_to_the_same_place) {
    const char *path = in_dir("again");
    glim_chain_head h = make_log(path, 10, NULL), after = h;
    glim_err err = {0};
    glim_buf b = {0}, whole = {0}, now = {0};
    bool replaced;
    for (int i = 0; i < 3; i++) CHECK_OK(glim_chain_encode(&b, &after, &(glim_chain_event){.time_us = i, .action = "late"}, &err), err);
    CHECK_OK(glim_chain_write(path, &h, b.s, b.len, &replaced, &err), err);
    CHECK_OK(glim_file_read(&whole, path, 1 << 20, &err), err);
    for (size_t n = 0; n <= b.len; n++) { /* killed after n bytes */
        CHECK(truncate(path, (off_t)(h.bytes + n)) == 0);
        CHECK_OK(glim_chain_write(path, &h, b.s, b.len, &replaced, &err), err);
        CHECK(!replaced);
        glim_buf_clear(&now);
        CHECK_OK(glim_file_read(&now, path, 1 << 20, &err), err);
        CHECK(now.len == whole.len && memcmp(now.s, whole.s, now.len) == 0);
    }
    CHECK_OK(verify(path, &after, &err), err);
    CHECK(truncate(path, (off_t)(h.bytes + b.len + 50)) == 0); /* zeros that a power cut left */
    CHECK_OK(glim_chain_write(path, &h, b.s, b.len, &replaced, &err), err);
    CHECK(replaced);
    CHECK_OK(verify(path, &after, &err), err);
    CHECK(truncate(path, (off_t)(h.bytes - 1)) == 0); /* shorter than what was acknowledged: not ours to mend */
    CHECK(glim_chain_write(path, &h, b.s, b.len, &replaced, &err) == GLIM_E_FORMAT && strstr(err.msg, "cut"));
    unlink(path);
    CHECK(glim_chain_write(path, &h, b.s, b.len, &replaced, &err) == GLIM_E_FORMAT && strstr(err.msg, "missing"));
    glim_buf_free(&b);
    glim_buf_free(&whole);
    glim_buf_free(&now);
}

TEST(limits_and_refused_memory_are_told) {
    glim_chain_head h, was;
    glim_err err = {0};
    glim_buf b = {0};
    glim_chain_begin(&h);
    was = h;
    void *p;
    CHECK_OK(glim_try_calloc(&p, GLIM_CHAIN_DETAIL + 2, 1, "text", &err), err);
    char *long_text = p;
    memset(long_text, 'x', GLIM_CHAIN_DETAIL + 1);
    CHECK(glim_chain_encode(&b, &h, &(glim_chain_event){.detail = long_text}, &err) == GLIM_E_LIMIT && strstr(err.msg, "detail"));
    long_text[GLIM_CHAIN_TEXT + 1] = 0;
    CHECK(glim_chain_encode(&b, &h, &(glim_chain_event){.actor = long_text}, &err) == GLIM_E_LIMIT && strstr(err.msg, "actor"));
    glim_alloc_fail_after(1);
    CHECK(glim_chain_encode(&b, &h, &(glim_chain_event){.actor = "a"}, &err) == GLIM_E_NOMEM);
    glim_alloc_fail_after(0);
    CHECK(memcmp(&h, &was, sizeof h) == 0);
    free(long_text);
    glim_buf_free(&b);
    put(in_dir("newer"), "GLIMAUDT\2\0\0\0\0\0\0\0", 16);
    CHECK(verify(in_dir("newer"), NULL, &err) == GLIM_E_UNSUPPORTED && strstr(err.msg, "newer glim"));
}

TEST(a_long_log_is_verified) {
    /* 1,000,000 records in soak (the figure in docs is from there), 50,000 otherwise. */
    const int n = getenv("GLIM_SOAK") ? 1000000 : 50000;
    const char *path = in_dir("long");
    glim_chain_head h = make_log(path, n, NULL);
    glim_err err = {0};
    double begin = glim_now_s();
    CHECK_OK(verify(path, &h, &err), err);
    printf("    %d records, %.0f MB, in %.3f s\n", n, (double)h.bytes / 1e6, glim_now_s() - begin);
}
