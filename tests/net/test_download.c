/* Files over bad connections: right bytes or one clear error, resumed where possible, never mixed. */
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "hub_server.h"
#include "net/download.h"
#include "test.h"

enum { N = 300000 };
static glim_err err;
static char dir[] = "/tmp/glim-dl-XXXXXX", *made;

/* A fresh empty folder per test. */
static const char *folder(void) {
    char cmd[128];
    if (made) {
        snprintf(cmd, sizeof cmd, "rm -rf '%s'", made);
        if (system(cmd) != 0) return NULL;
    }
    memcpy(dir + sizeof dir - 7, "XXXXXX", 6);
    made = mkdtemp(dir);
    return made;
}

static const char *at(const char *name) {
    static char paths[8][300];
    static int turn;
    char *p = paths[turn++ % 8];
    snprintf(p, sizeof paths[0], "%s/%s", made, name);
    return p;
}

static const glim_download_opts quick = {
    .limits = {.connect_s = 2, .stall_s = 1, .stall_rate = 1000, .n_tries = 3, .backoff_s = 0.005, .max_wait_s = 2},
    .progress_bytes = 20000};

static hs_server *g_s;
static uint8_t *g_data;
static char url[800], sha[GLIM_SHA256_HEX];

/* The call under test; afterwards the server's records are final. */
static glim_status run(glim_download_file *f, size_t n, const glim_download_opts *o) {
    glim_status rc = glim_download_run(f, n, o, &err);
    hs_quiet(g_s);
    return rc;
}

/* The file description for a route's first data, stored as "<folder>/f". */
static glim_download_file want(hs_server *s, hs_route *r, bool with_sha) {
    snprintf(url, sizeof url, "%s%s", s->base, r->target);
    hs_sha(r->data, r->n, sha);
    return (glim_download_file){.url = url, .path = at("f"), .name = "f", .size = r->n,
                                .sha256 = with_sha ? sha : NULL};
}

static bool holds(const char *path, const uint8_t *data, size_t n) {
    glim_buf b = {0};
    bool same = glim_file_read(&b, path, 1 << 26, NULL) == GLIM_OK && b.len == n && memcmp(glim_buf_cstr(&b), data, n) == 0;
    glim_buf_free(&b);
    return same;
}

static size_t size_of(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 ? (size_t)st.st_size : 0;
}

static bool clean(void) { return !glim_path_exists(at("f.part")) && !glim_path_exists(at("f.part.json")); }

static hs_route *setup(void) {
    hs_stop(g_s);
    g_s = hs_start("127.0.0.1", 0);
    free(g_data);
    g_data = hs_bytes(N, 1);
    folder();
    return hs_add(g_s, g_data, N, "/f");
}

TEST(a_file_arrives_whole_under_its_own_name) {
    hs_route *r = setup();
    glim_download_file f = want(g_s, r, true);
    f.path = at("a/b/f"); /* folders are made */
    CHECK_OK(run(&f, 1, &quick), err);
    CHECK(holds(f.path, g_data, N) && f.state == GLIM_DOWNLOAD_DONE);
    CHECK_STR(f.got_sha256, sha);
    CHECK(f.got_size == N && f.n_received == N && f.n_kept == 0 && r->n_requests == 1);
    CHECK(!glim_path_exists(at("a/b/f.part")) && !glim_path_exists(at("a/b/f.part.json")));
}

TEST(a_connection_dropped_at_random_bytes_is_taken_up_again_where_it_was) {
    for (uint64_t seed = 1; seed <= 12; seed++) {
        hs_route *r = setup();
        r->n_drops = 20;
        r->drop_seed = seed * 1000;
        r->drop_reset = seed % 2;
        r->chunked = seed % 3 == 0;
        glim_download_file f = want(g_s, r, seed % 4 != 0);
        glim_download_opts o = quick;
        o.limits.n_tries = 40, o.limits.max_wait_s = 0.01;
        CHECK_OK(run(&f, 1, &o), err);
        CHECK(holds(f.path, g_data, N) && clean());
        CHECK_MSG(f.n_received == N, "seed %d: %llu bytes came for %d", (int)seed, (unsigned long long)f.n_received, N);
        CHECK(r->n_206 >= 1);
    }
}

TEST(an_interrupted_run_is_continued_by_the_next_one) {
    hs_route *r = setup();
    r->n_drops = 100, r->drop_after = 100000;
    glim_download_file f = want(g_s, r, true);
    glim_download_opts o = quick;
    o.limits.n_tries = 1;
    CHECK(run(&f, 1, &o) == GLIM_E_NET);
    CHECK_MSG(strstr(err.hint, "continues") != NULL, "%s", err.hint);
    CHECK(f.state == GLIM_DOWNLOAD_FAILED && !glim_path_exists(f.path));
    CHECK(size_of(at("f.part")) == 100000);
    hs_lock(g_s);
    r->n_drops = 0, r->n_sent = 0;
    hs_unlock(g_s);
    f = want(g_s, r, true);
    CHECK_OK(run(&f, 1, &o), err);
    CHECK(holds(f.path, g_data, N) && clean());
    CHECK(f.n_kept == 100000 && f.n_received == N - 100000);
    CHECK(r->n_sent == N - 100000); /* the server's own count */
    CHECK_STR(r->range, "bytes=100000-");
    CHECK_STR(r->if_range, r->etag);
}

/* Leaves a part of k bytes of the current data. */
static void leave_part(hs_route *r, size_t k, const char *pin, bool with_sha) {
    r->n_drops = 1, r->drop_after = k;
    glim_download_file f = want(g_s, r, with_sha);
    f.pin = pin;
    glim_download_opts o = quick;
    o.limits.n_tries = 1;
    CHECK(run(&f, 1, &o) == GLIM_E_NET);
    CHECK(size_of(at("f.part")) == k);
    hs_lock(g_s);
    r->n_requests = r->n_ranged = r->n_206 = 0;
    r->n_sent = 0;
    hs_unlock(g_s);
}

TEST(a_part_of_another_revision_is_never_mixed_in) {
    uint8_t *other = hs_bytes(N, 2);
    for (int how = 0; how < 5; how++) {
        hs_route *r = setup();
        bool with_sha = how < 2;
        leave_part(r, 100000, how == 2 ? "commit-1" : NULL, with_sha);
        hs_lock(g_s);
        if (how != 2) {
            memcpy(r->data, other, N); /* the same name and size, other bytes */
            snprintf(r->etag, sizeof r->etag, "\"new\"");
        }
        if (how == 4) r->ignore_if_range = true; /* a server that only understands Range */
        hs_unlock(g_s);
        glim_download_file f = want(g_s, r, with_sha);
        if (how == 0) f.pin = "x";
        if (how == 2) f.pin = "commit-2";
        CHECK_OK(run(&f, 1, &quick), err);
        CHECK_MSG(holds(f.path, how == 2 ? g_data : other, N) && clean(), "case %d", how);
        CHECK(f.n_received == N && f.n_kept == 0);
        /* Cases 0 to 2 are seen in the note alone: no range is even asked for. */
        CHECK_MSG(how < 3 ? r->n_ranged == 0 : r->n_ranged >= 1, "case %d: %d", how, r->n_ranged);
    }
    free(other);
}

TEST(a_part_without_a_note_or_with_a_broken_one_starts_over) {
    static const char *const notes[] = {NULL, "", "{", "[]", "{\"format\": \"glim-part\", \"version\": 99}",
                                        "{\"format\": 3}", "{\"format\": \"glim-part\", \"version\": 1, \"size\": -5}"};
    for (size_t i = 0; i < GLIM_COUNT(notes); i++) {
        hs_route *r = setup();
        uint8_t *junk = hs_bytes(50000, 9);
        CHECK_OK(glim_file_write_atomic(at("f.part"), junk, 50000, &err), err);
        free(junk);
        if (notes[i]) CHECK_OK(glim_file_write_atomic(at("f.part.json"), notes[i], strlen(notes[i]), &err), err);
        glim_download_file f = want(g_s, r, true);
        CHECK_OK(run(&f, 1, &quick), err);
        CHECK(holds(f.path, g_data, N) && clean() && r->n_ranged == 0);
    }
}

TEST(a_damaged_part_is_noticed_by_its_hash_and_fetched_again) {
    hs_route *r = setup();
    leave_part(r, 100000, NULL, true);
    int fd = open(at("f.part"), O_WRONLY);
    CHECK(pwrite(fd, "?", 1, 5000) == 1);
    close(fd);
    glim_download_file f = want(g_s, r, true);
    CHECK_OK(run(&f, 1, &quick), err);
    CHECK(holds(f.path, g_data, N) && clean());
    CHECK(f.n_received == N - 100000 + N); /* the rest, and then all of it */
}

TEST(a_part_longer_than_the_file_or_already_whole_is_handled_without_guessing) {
    hs_route *r = setup();
    leave_part(r, 100000, NULL, true);
    int fd = open(at("f.part"), O_WRONLY | O_APPEND);
    CHECK(write(fd, g_data + 100000, N - 100000) == N - 100000);
    glim_download_file f = want(g_s, r, true);
    CHECK_OK(run(&f, 1, &quick), err); /* killed between the last byte and the rename */
    CHECK(holds(f.path, g_data, N) && clean() && r->n_requests == 0);
    close(fd);
    r = setup();
    leave_part(r, 100000, NULL, true);
    CHECK(truncate(at("f.part"), N + 5) == 0);
    f = want(g_s, r, true);
    CHECK_OK(run(&f, 1, &quick), err);
    CHECK(holds(f.path, g_data, N) && clean());
}

TEST(a_server_that_ignores_range_gets_the_file_through_all_the_same) {
    hs_route *r = setup();
    r->ignore_range = true;
    leave_part(r, 100000, NULL, true);
    glim_download_file f = want(g_s, r, true);
    CHECK_OK(run(&f, 1, &quick), err);
    CHECK(holds(f.path, g_data, N) && clean() && f.n_kept == 0);
    /* One that also drops every connection at the same byte must not keep us for ever. */
    r = setup();
    r->ignore_range = true, r->n_drops = 1000, r->drop_after = 250000;
    f = want(g_s, r, true);
    CHECK(run(&f, 1, &quick) == GLIM_E_NET);
    CHECK_MSG(r->n_requests <= 6, "%d requests", r->n_requests);
    CHECK(!glim_path_exists(f.path));
}

TEST(an_answer_for_another_range_is_not_believed) {
    hs_route *r = setup();
    leave_part(r, 100000, NULL, true);
    r->shift_range = true;
    glim_download_file f = want(g_s, r, true);
    CHECK_OK(run(&f, 1, &quick), err);
    CHECK(holds(f.path, g_data, N) && clean());
}

TEST(a_file_that_changes_between_two_connections_starts_over) {
    uint8_t *other = hs_bytes(N, 2);
    for (int how = 0; how < 3; how++) {
        hs_route *r = setup();
        r->n_drops = 1, r->drop_after = 123456;
        r->flip_at = 2, r->n2 = N, r->data2 = hs_bytes(N, 2);
        snprintf(r->etag2, sizeof r->etag2, "\"second\"");
        r->ignore_if_range = how == 1;
        glim_download_file f = want(g_s, r, how == 2);
        glim_status rc = run(&f, 1, &quick);
        if (how < 2) {
            CHECK_OK(rc, err);
            CHECK_MSG(holds(f.path, other, N) && clean(), "case %d: a mixture", how);
        } else { /* the listing promised the first version */
            CHECK(rc == GLIM_E_FORMAT && strstr(err.msg, "SHA-256") && !glim_path_exists(f.path) && clean());
        }
    }
    free(other);
}

TEST(a_weak_etag_is_no_base_for_continuing_without_a_hash) {
    hs_route *r = setup();
    r->weak_etag = true;
    leave_part(r, 100000, NULL, false);
    glim_download_file f = want(g_s, r, false);
    CHECK_OK(run(&f, 1, &quick), err);
    CHECK(holds(f.path, g_data, N) && f.n_kept == 0 && r->n_ranged == 0);
}

TEST(wrong_bytes_are_refused_by_hash_and_leave_nothing) {
    hs_route *r = setup();
    glim_download_file f = want(g_s, r, true);
    char zero[GLIM_SHA256_HEX] = "0000000000000000000000000000000000000000000000000000000000000000";
    f.sha256 = zero;
    CHECK(run(&f, 1, &quick) == GLIM_E_FORMAT);
    CHECK(strstr(err.msg, "\"f\": SHA-256 is ") && strstr(err.msg, sha) && strstr(err.msg, zero) && err.hint[0]);
    CHECK(!glim_path_exists(f.path) && clean() && r->n_requests == 1);
    f.sha256 = "xyz";
    CHECK(run(&f, 1, &quick) == GLIM_E_ARG);
}

TEST(a_body_of_another_length_is_one_clear_error) {
    for (int how = 0; how < 6; how++) {
        hs_route *r = setup();
        glim_download_file f = want(g_s, r, true);
                const char *part = "";
        switch (how) {
        case 0: f.size = N - 1, part = "the server has 300000 bytes, want 299999"; break;
        case 1: f.size = N + 1, part = "the server has 300000 bytes, want 300001"; break;
        case 2: r->endless = r->chunked = true, part = "more than the announced 300000"; break;
        case 3: r->chunked = true, f.size = N - 1, part = "more than the announced 299999"; break;
        case 4: r->endless = r->no_length = true, part = "more than the announced"; break;
        /* ends too soon, cleanly: asked for the rest, the server says that there is none */
        case 5: r->chunked = true, f.size = N + 1, part = "the server has 300000 bytes, want 300001"; break;
        }
        CHECK_MSG(run(&f, 1, &quick) == GLIM_E_FORMAT, "case %d: %s", how, err.msg);
        CHECK_MSG(strstr(err.msg, part) && strstr(err.msg, "\"f\""), "case %d: %s", how, err.msg);
        CHECK(!glim_path_exists(f.path));
        CHECK(clean());
        CHECK_MSG(f.n_received <= N, "case %d", how);
    }
}

TEST(short_bodies_are_completed_by_further_requests) {
    for (int how = 0; how < 3; how++) {
        hs_route *r = setup();
        if (how == 0) r->chunked = true, r->end_after = 70000;
        if (how == 1) r->no_length = true, r->end_after = 70000;
        if (how == 2) r->end_after = 70000; /* Content-Length says more than comes */
        glim_download_file f = want(g_s, r, true);
        CHECK_OK(run(&f, 1, &quick), err);
        CHECK(holds(f.path, g_data, N) && clean() && f.n_received == N && r->n_requests == 5);
    }
}

TEST(a_file_of_unknown_size_is_taken_at_the_servers_word) {
    for (int how = 0; how < 3; how++) {
        hs_route *r = setup();
        r->chunked = how == 1;
        r->n_drops = how == 2, r->drop_after = 1000;
        glim_download_file f = want(g_s, r, how == 1);
        f.size = GLIM_DOWNLOAD_UNKNOWN;
        CHECK_OK(run(&f, 1, &quick), err);
        CHECK(holds(f.path, g_data, N) && f.got_size == N);
    }
}

TEST(empty_files_exist_too) {
    setup();
    hs_route *r = hs_add(g_s, "", 0, "/empty");
    glim_download_file f = want(g_s, r, true);
    CHECK_OK(run(&f, 1, &quick), err);
    CHECK(glim_path_exists(f.path) && size_of(f.path) == 0 && clean());
    unlink(f.path);
    f = want(g_s, r, false);
    f.size = GLIM_DOWNLOAD_UNKNOWN;
    CHECK_OK(run(&f, 1, &quick), err);
    CHECK(glim_path_exists(f.path) && size_of(f.path) == 0 && clean());
}

TEST(a_busy_server_is_asked_again_and_a_refusal_is_final) {
    hs_route *r = setup();
    r->fail_status = 429, r->n_fail = 2;
    glim_download_file f = want(g_s, r, true);
    CHECK_OK(run(&f, 1, &quick), err);
    CHECK(holds(f.path, g_data, N) && r->n_requests == 3);
    r = setup();
    r->fail_status = 403, r->n_fail = -1;
    snprintf(r->error_code, sizeof r->error_code, "GatedRepo");
    f = want(g_s, r, true);
    CHECK(run(&f, 1, &quick) == GLIM_E_NET);
    CHECK(f.http_status == 403 && r->n_requests == 1 && clean());
    CHECK_STR(f.error_code, "GatedRepo");
    r = setup();
    r->fail_status = 503, r->n_fail = -1;
    snprintf(r->retry_after, sizeof r->retry_after, "900");
    f = want(g_s, r, true);
    CHECK(run(&f, 1, &quick) == GLIM_E_NET);
    CHECK(r->n_requests == 1 && strstr(err.hint, "900 s"));
    /* A 500 in the middle keeps what is there. */
    r = setup();
    leave_part(r, 100000, NULL, true);
    r->fail_status = 500, r->n_fail = 1;
    f = want(g_s, r, true);
    CHECK_OK(run(&f, 1, &quick), err);
    CHECK(f.n_received == N - 100000 && holds(f.path, g_data, N));
}

TEST(the_token_goes_to_the_hub_and_not_to_where_the_bytes_are) {
    hs_route *r = setup();
    hs_server *cdn = hs_start("127.0.0.2", g_s->port);
    CHECK(cdn != NULL);
    hs_route *b = hs_add(cdn, g_data, N, "/blob");
    b->n_drops = 1, b->drop_after = 100000;
    snprintf(r->redirect, sizeof r->redirect, "%s/blob?signature=s", cdn->base);
    glim_download_file f = want(g_s, r, true);
    glim_download_opts o = quick;
    o.token = "secret";
    CHECK_OK(run(&f, 1, &o), err);
    CHECK(holds(f.path, g_data, N) && f.n_received == N);
    CHECK_STR(r->auth, "Bearer secret");
    CHECK_STR(b->auth, "");
    CHECK(r->n_requests == 2 && b->n_206 == 1); /* each try asks the hub for a fresh address */
    CHECK_STR(b->range, "bytes=100000-");
    hs_stop(cdn);
}

TEST(a_trickle_and_a_silence_run_into_the_stall_limit) {
    for (int how = 0; how < 2; how++) {
        hs_route *r = setup();
        r->mute = how == 0;
        r->piece = 5, r->pause_ms = 50;
        glim_download_file f = want(g_s, r, true);
        glim_download_opts o = quick;
        o.limits.n_tries = 1;
        double t = glim_now_s();
        CHECK(run(&f, 1, &o) == GLIM_E_NET);
        CHECK_MSG(glim_now_s() - t < 3.6, "%.1f s", glim_now_s() - t);
        CHECK_MSG(strstr(err.msg, "stayed below 1000 bytes/s") != NULL, "%s", err.msg);
        CHECK(!glim_path_exists(f.path));
    }
}

typedef struct watch {
    atomic_int cancel;
    uint64_t cancel_at;
    int n_calls;
    uint64_t last_done;
    size_t n_done;
    bool sane;
} watch;

static void on_progress(void *ctx, const glim_download_progress *p) {
    watch *w = ctx;
    uint64_t sum = 0;
    for (size_t i = 0; i < p->n_files; i++) sum += p->items[i].done;
    w->sane = w->sane && sum == p->done && p->n_done <= p->n_files && p->bytes_per_s >= 0;
    w->n_calls++;
    w->last_done = p->done;
    w->n_done = p->n_done;
    if (w->cancel_at && p->done >= w->cancel_at) atomic_store(&w->cancel, 1);
}

TEST(a_cancelled_run_keeps_its_parts_and_the_next_run_uses_them) {
    setup();
    enum { K = 6 };
    uint8_t *data[K];
    hs_route *r[K];
    glim_download_file f[K];
    char urls[K][200], paths[K][300], hex[K][GLIM_SHA256_HEX];
    for (int i = 0; i < K; i++) {
        data[i] = hs_bytes(N, 10 + (uint64_t)i);
        r[i] = hs_add(g_s, data[i], N, "/m%d", i);
        r[i]->piece = 10000, r[i]->pause_ms = 20; /* 30 pieces, 0.6 s */
        snprintf(urls[i], sizeof urls[i], "%s/m%d", g_s->base, i);
        snprintf(paths[i], sizeof paths[i], "%s/m%d", made, i);
        hs_sha(data[i], N, hex[i]);
        f[i] = (glim_download_file){.url = urls[i], .path = paths[i], .size = N, .sha256 = hex[i]};
    }
    watch w = {.cancel_at = 2 * N, .sane = true};
    glim_download_opts o = quick;
    o.progress = on_progress, o.ctx = &w, o.cancel = &w.cancel, o.n_parallel = 4;
    CHECK(run(f, K, &o) == GLIM_E_CANCELLED);
    CHECK(strstr(err.hint, "continues"));
    uint64_t kept = 0;
    for (int i = 0; i < K; i++) {
        char part[400];
        snprintf(part, sizeof part, "%.300s.part", paths[i]);
        kept += size_of(part) + size_of(paths[i]);
        CHECK(!glim_path_exists(paths[i]) || holds(paths[i], data[i], N));
    }
    CHECK(kept >= 2 * N && kept < K * N);
    hs_lock(g_s);
    for (int i = 0; i < K; i++) r[i]->n_sent = 0, r[i]->pause_ms = 0;
    hs_unlock(g_s);
    w = (watch){.sane = true};
    glim_download_file rest[K];
    size_t n = 0;
    for (int i = 0; i < K; i++)
        if (!glim_path_exists(paths[i])) rest[n++] = f[i];
    CHECK_OK(run(rest, n, &o), err);
    uint64_t sent = 0, received = 0;
    for (int i = 0; i < K; i++) {
        CHECK(holds(paths[i], data[i], N));
        sent += r[i]->n_sent;
        free(data[i]);
    }
    for (size_t i = 0; i < n; i++) received += rest[i].n_received;
    CHECK(received == K * N - kept); /* nothing twice */
    CHECK(sent == received);
    CHECK(w.sane && w.n_calls >= 1 && w.n_done == n && w.last_done == n * N);
}

TEST(one_file_that_fails_for_good_stops_the_others_and_is_the_one_named) {
    setup();
    glim_download_file f[8];
    static char urls[8][100], paths[8][300], names[8][16];
    for (int i = 0; i < 8; i++) {
        hs_route *r = hs_add(g_s, g_data, N, "/x%d", i);
        r->piece = 10000, r->pause_ms = 10;
        if (i == 2) r->fail_status = 404, r->n_fail = -1;
        snprintf(urls[i], sizeof urls[i], "%s/x%d", g_s->base, i);
        snprintf(paths[i], sizeof paths[i], "%s/x%d", made, i);
        snprintf(names[i], sizeof names[i], "x%d", i);
        f[i] = (glim_download_file){.url = urls[i], .path = paths[i], .name = names[i], .size = N};
    }
    CHECK(run(f, 8, &quick) == GLIM_E_NET);
    CHECK(strstr(err.msg, "/x2") && strstr(err.msg, "404"));
    CHECK(f[2].http_status == 404 && f[7].state == GLIM_DOWNLOAD_FAILED && f[7].n_received == 0);
}

TEST(many_small_files_over_bad_connections_all_arrive) {
    setup();
    enum { K = 60 };
    static glim_download_file f[K];
    static char urls[K][100], paths[K][300];
    static uint8_t *data[K];
    size_t n[K];
    for (int i = 0; i < K; i++) {
        n[i] = (size_t)(i * i * 13 % 9000);
        data[i] = hs_bytes(n[i], 100 + (uint64_t)i);
        hs_route *r = hs_add(g_s, data[i], n[i], "/s%d", i);
        r->n_drops = i % 3, r->drop_seed = (uint64_t)i + 5, r->drop_reset = i & 1;
        snprintf(urls[i], sizeof urls[i], "%s/s%d", g_s->base, i);
        snprintf(paths[i], sizeof paths[i], "%s/d%d/s%d", made, i % 7, i);
        f[i] = (glim_download_file){.url = urls[i], .path = paths[i], .size = n[i]};
    }
    glim_download_opts o = quick;
    o.n_parallel = 16;
    CHECK_OK(run(f, K, &o), err);
    for (int i = 0; i < K; i++) {
        CHECK(holds(paths[i], data[i], n[i]));
        free(data[i]);
    }
}

TEST(a_disk_that_is_too_small_is_said_before_the_first_request) {
    hs_route *r = setup();
    glim_download_file f = want(g_s, r, true);
    f.path = at("not/yet/there/f");
    f.size = (uint64_t)1 << 60;
    CHECK(run(&f, 1, &quick) == GLIM_E_IO);
    CHECK_MSG(strstr(err.msg, "not enough disk space in") && strstr(err.msg, made) && strstr(err.msg, "want 1073741824"),
              "%s", err.msg);
    CHECK(r->n_requests == 0 && !glim_path_exists(at("not")));
}

TEST(two_processes_do_not_write_the_same_part) {
    hs_route *r = setup();
    leave_part(r, 100000, NULL, true);
    int fd = open(at("f.part"), O_RDWR);
    CHECK(flock(fd, LOCK_EX | LOCK_NB) == 0);
    glim_download_file f = want(g_s, r, true);
    CHECK(run(&f, 1, &quick) == GLIM_E_IO);
    CHECK(strstr(err.msg, "another process") && size_of(at("f.part")) == 100000);
    close(fd);
    CHECK_OK(run(&f, 1, &quick), err);
}

TEST(folders_that_cannot_be_written_and_refused_memory_are_errors) {
    hs_route *r = setup();
    glim_download_file f = want(g_s, r, true);
    CHECK_OK(glim_file_write_atomic(at("file"), "x", 1, &err), err);
    f.path = at("file/f"); /* a file where a folder should be */
    CHECK(run(&f, 1, &quick) == GLIM_E_IO);
    CHECK(strstr(err.msg, at("file")));
    f.path = at("d");
    CHECK(mkdir(at("d.part"), 0755) == 0);
    CHECK(run(&f, 1, &quick) == GLIM_E_IO);
    CHECK(strstr(err.msg, "d.part"));
    CHECK(symlink("/tmp/glim-elsewhere", at("l.part")) == 0);
    f.path = at("l"); /* a planted link is not followed */
    CHECK(run(&f, 1, &quick) == GLIM_E_IO);
    CHECK(!glim_path_exists("/tmp/glim-elsewhere"));
    f.path = at("f");
    glim_alloc_fail_after(1);
    CHECK(run(&f, 1, &quick) == GLIM_E_NOMEM);
    glim_alloc_fail_after(0);
    CHECK(run(&f, 0, &quick) == GLIM_OK);
    folder();
    rmdir(made);
    made = NULL;
    hs_stop(g_s);
    g_s = NULL;
    free(g_data);
    g_data = NULL;
}
