/* One document over HTTP: retries, limits, redirects and where the token goes. */
#include "base/clock.h"
#include "hub_server.h"
#include "net/http.h"
#include "test.h"

static const glim_http_limits quick = {.connect_s = 2, .stall_s = 1, .stall_rate = 1000, .n_tries = 3,
                                       .backoff_s = 0.01, .max_wait_s = 2};
static hs_server *g_servers[3]; /* those a test has running */
static glim_http_reply rep;
static glim_err err;

static void down(void) {
    for (size_t i = 0; i < GLIM_COUNT(g_servers); i++) {
        hs_stop(g_servers[i]);
        g_servers[i] = NULL;
    }
    glim_http_reply_free(&rep);
}

static hs_server *up(int slot, const char *host, int port) {
    if (slot == 0) down(); /* what a failed test left */
    g_servers[slot] = hs_start(host, port);
    return g_servers[slot];
}

static glim_status get(const char *base, const char *path, const char *token, size_t max) {
    char url[1000];
    snprintf(url, sizeof url, "%s%s", base, path);
    glim_http_reply_free(&rep);
    glim_status rc = glim_http_fetch(
        &rep, &(glim_http_request){.url = url, .token = token, .max_bytes = max, .limits = quick}, &err);
    for (size_t i = 0; i < GLIM_COUNT(g_servers); i++)
        if (g_servers[i]) hs_quiet(g_servers[i]);
    return rc;
}

TEST(a_document_arrives_with_the_agent_and_the_token) {
    hs_server *s = up(0, "127.0.0.1", 0);
    hs_route *r = hs_add_text(s, "hello", "/a");
    CHECK_OK(get(s->base, "/a?x=1", "tok", 100), err);
    CHECK_STR(rep.body.s, "hello");
    CHECK(rep.status == 200 && !rep.next);
    CHECK_STR(r->auth, "Bearer tok");
    CHECK(strncmp(r->agent, "glim/", 5) == 0);
    glim_buf b = {0};
    long status;
    char url[100];
    snprintf(url, sizeof url, "%s/a", s->base);
    CHECK_OK(glim_http_get(&b, url, NULL, 5, &status, &err), err);
    CHECK_STR(b.s, "hello");
    CHECK(r->auth[0] == 0);
    glim_buf_free(&b);
    down();
}

TEST(a_busy_or_failing_server_is_asked_again_and_a_refusing_one_is_not) {
    hs_server *s = up(0, "127.0.0.1", 0);
    hs_route *r = hs_add_text(s, "fine", "/busy");
    r->fail_status = 503, r->n_fail = 2;
    CHECK_OK(get(s->base, "/busy", NULL, 100), err);
    CHECK(r->n_requests == 3);
    hs_route *q = hs_add_text(s, "fine", "/drop");
    q->n_drops = 2, q->drop_after = 2, q->drop_reset = true;
    CHECK_OK(get(s->base, "/drop", NULL, 100), err);
    CHECK_STR(rep.body.s, "fine"); /* the two bytes of each cut answer are gone */
    hs_route *p = hs_add_text(s, "x", "/never");
    p->fail_status = 500, p->n_fail = -1;
    CHECK(get(s->base, "/never?secret=1", NULL, 100) == GLIM_E_NET);
    CHECK(p->n_requests == 3 && rep.status == 500);
    CHECK(strstr(err.msg, "500") && strstr(err.msg, "/never") && !strstr(err.msg, "secret"));
    hs_route *f = hs_add_text(s, "x", "/no");
    f->fail_status = 403, f->n_fail = -1;
    snprintf(f->error_code, sizeof f->error_code, "GatedRepo");
    CHECK(get(s->base, "/no", NULL, 100) == GLIM_E_NET);
    CHECK(f->n_requests == 1);
    CHECK_STR(rep.error_code, "GatedRepo");
    down();
}

TEST(retry_after_is_respected_within_bounds) {
    hs_server *s = up(0, "127.0.0.1", 0);
    hs_route *r = hs_add_text(s, "fine", "/wait");
    r->fail_status = 429, r->n_fail = 1;
    snprintf(r->retry_after, sizeof r->retry_after, "1");
    double t = glim_now_s();
    CHECK_OK(get(s->base, "/wait", NULL, 100), err);
    CHECK(glim_now_s() - t >= 0.95);
    r->n_fail = 1;
    snprintf(r->retry_after, sizeof r->retry_after, "7200");
    t = glim_now_s();
    CHECK(get(s->base, "/wait", NULL, 100) == GLIM_E_NET);
    CHECK(glim_now_s() - t < 0.9);
    CHECK(strstr(err.msg, "429") && strstr(err.hint, "7200 s"));
    down();
}

TEST(redirects_are_followed_and_the_token_stays_with_its_host) {
    hs_server *s = up(0, "127.0.0.1", 0);
    hs_server *other = up(1, "127.0.0.2", s->port); /* same port: only the host differs */
    CHECK(other != NULL);
    hs_route *far = hs_add_text(other, "far", "/blob"), *near = hs_add_text(s, "near", "/here");
    hs_route *a = hs_add_text(s, "", "/to-far"), *b = hs_add_text(s, "", "/to-near");
    snprintf(a->redirect, sizeof a->redirect, "%s/blob?sig=1", other->base);
    snprintf(b->redirect, sizeof b->redirect, "/here");
    CHECK_OK(get(s->base, "/to-far", "tok", 100), err);
    CHECK_STR(rep.body.s, "far");
    CHECK_STR(a->auth, "Bearer tok");
    CHECK_STR(far->auth, "");
    CHECK_OK(get(s->base, "/to-near", "tok", 100), err);
    CHECK_STR(near->auth, "Bearer tok");
    /* Another port is another host too. */
    hs_server *port = up(2, "127.0.0.1", 0);
    hs_route *p = hs_add_text(port, "port", "/blob");
    hs_lock(s);
    snprintf(a->redirect, sizeof a->redirect, "%s/blob", port->base);
    hs_unlock(s);
    CHECK_OK(get(s->base, "/to-far", "tok", 100), err);
    CHECK_STR(rep.body.s, "port");
    CHECK_STR(p->auth, "");
    /* And a way back does not get it again from where it must not be known. */
    hs_lock(s);
    snprintf(a->redirect, sizeof a->redirect, "/to-far");
    hs_unlock(s);
    CHECK(get(s->base, "/to-far", "tok", 100) == GLIM_E_NET);
    CHECK(strstr(err.msg, "redirect"));
    hs_lock(s);
    snprintf(a->redirect, sizeof a->redirect, "file:///etc/hostname");
    hs_unlock(s);
    CHECK(get(s->base, "/to-far", "tok", 100) == GLIM_E_NET);
    CHECK(rep.body.len == 0);
    down();
}

TEST(an_answer_larger_than_allowed_is_refused_while_it_arrives) {
    hs_server *s = up(0, "127.0.0.1", 0);
    hs_add_text(s, "0123456789", "/ten");
    hs_route *r = hs_add_text(s, "x", "/endless");
    r->endless = r->chunked = true;
    CHECK_OK(get(s->base, "/ten", NULL, 10), err);
    CHECK(get(s->base, "/ten", NULL, 9) == GLIM_E_LIMIT);
    CHECK(get(s->base, "/endless", NULL, 100000) == GLIM_E_LIMIT);
    CHECK(strstr(err.msg, "larger than 100000 bytes"));
    down();
}

TEST(silence_and_trickles_end_in_a_sentence) {
    hs_server *s = up(0, "127.0.0.1", 0);
    hs_route *m = hs_add_text(s, "x", "/mute"), *r = hs_add_text(s, "0123456789012345678901234567890123456789", "/slow");
    m->mute = true;
    r->piece = 1, r->pause_ms = 100;
    glim_http_limits once = quick;
    once.n_tries = 1;
    char url[100];
    const char *paths[] = {"/mute", "/slow"};
    for (int i = 0; i < 2; i++) {
        snprintf(url, sizeof url, "%s%s", s->base, paths[i]);
        double t = glim_now_s();
        glim_http_reply_free(&rep);
        CHECK(glim_http_fetch(&rep, &(glim_http_request){.url = url, .limits = once}, &err) == GLIM_E_NET);
        CHECK_MSG(glim_now_s() - t < 3.6, "%s took %.1f s", paths[i], glim_now_s() - t);
        CHECK_MSG(strstr(err.msg, "stayed below 1000 bytes/s") != NULL, "%s", err.msg);
    }
    down();
}

static void *raise_soon(void *flag) {
    usleep(100000);
    atomic_store((atomic_int *)flag, 1);
    return NULL;
}

TEST(a_raised_flag_stops_a_request_and_a_wait) {
    hs_server *s = up(0, "127.0.0.1", 0);
    hs_add_text(s, "x", "/mute")->mute = true;
    hs_route *b = hs_add_text(s, "x", "/busy");
    b->fail_status = 503, b->n_fail = -1;
    const char *paths[] = {"/mute", "/busy"};
    for (int i = 0; i < 2; i++) {
        atomic_int flag = 0;
        pthread_t t;
        pthread_create(&t, NULL, raise_soon, &flag);
        char url[100];
        snprintf(url, sizeof url, "%s%s", s->base, paths[i]);
        double t0 = glim_now_s();
        glim_http_reply_free(&rep);
        glim_status rc = glim_http_fetch(
            &rep, &(glim_http_request){.url = url, .cancel = &flag, .limits = {.stall_s = 20, .backoff_s = 20}}, &err);
        pthread_join(t, NULL);
        CHECK_MSG(rc == GLIM_E_CANCELLED && glim_now_s() - t0 < 2.5, "%s: %s after %.1f s", paths[i], err.msg,
                  glim_now_s() - t0);
    }
    down();
}

TEST(nobody_there_and_nonsense_urls_are_said_plainly) {
    hs_server *s = up(0, "127.0.0.1", 0);
    char base[64];
    snprintf(base, sizeof base, "%s", s->base);
    down();
    CHECK(get(base, "/x", NULL, 10) == GLIM_E_NET);
    CHECK(strstr(err.msg, "after 2 tries") && strstr(err.msg, base) && err.hint[0]);
    static const char *const bad[] = {"", "file:///etc/passwd", "http://", "https:///x", "ftp://h/x", "http://h/a b",
                                      "http://h/\r\nX: 1", "huggingface.co/x"};
    for (size_t i = 0; i < GLIM_COUNT(bad); i++)
        CHECK_MSG(get(bad[i], "", NULL, 10) == GLIM_E_ARG, "\"%s\"", bad[i]);
    CHECK(get("http://127.0.0.1:1/x", "", "a\r\nHost: evil", 10) == GLIM_E_ARG);
    CHECK(!strstr(err.msg, "evil")); /* a token is not shown, not even a broken one */
    CHECK(get("http://me:pass@127.0.0.1:1", "/x", NULL, 10) == GLIM_E_NET);
    CHECK(!strstr(err.msg, "pass"));
}

TEST(the_next_page_is_found_in_a_link_header) {
    hs_server *s = up(0, "127.0.0.1", 0);
    hs_route *r = hs_add_text(s, "[]", "/list");
    static const struct {
        const char *link, *want; /* want without the base */
    } cases[] = {{"</list?cursor=2>; rel=\"next\"", "/list?cursor=2"},
                 {"</a>; rel=\"prev\", </b>; rel=\"next\"", "/b"},
                 {"</a>; rel=prev, <c?x=1>; title=t; rel=next, </d>; rel=last", "/c?x=1"},
                 {"</a>; rel=\"last\"", NULL},
                 {"</a", NULL},
                 {"rel=\"next\"", NULL},
                 {"<>; rel=\"next\"", NULL}};
    for (size_t i = 0; i < GLIM_COUNT(cases); i++) {
        hs_lock(s);
        snprintf(r->link, sizeof r->link, "%s", cases[i].link);
        hs_unlock(s);
        CHECK_OK(get(s->base, "/list", NULL, 10), err);
        if (!cases[i].want) {
            char self[100];
            snprintf(self, sizeof self, "%s/list", s->base);
            CHECK_MSG(!rep.next || strcmp(rep.next, self) == 0, "%s: %s", cases[i].link, rep.next);
            continue;
        }
        CHECK_MSG(rep.next && strncmp(rep.next, s->base, strlen(s->base)) == 0, "%s", cases[i].link);
        CHECK_STR(rep.next + strlen(s->base), cases[i].want);
    }
    glim_http_reply_free(&rep);
    down();
}
