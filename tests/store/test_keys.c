/* test_keys.c - API keys: what is kept of them, who is let in, how fast, and how soon a revoked one is dead. */
#include <ctype.h>

#include "base/clock.h"
#include "base/file.h"
#include "store/keys.h"
#include "store_test.h"

static glim_key make(glim_store *s, glim_key_params p, char *secret) {
    char mine[GLIM_KEY_SECRET + 1];
    glim_key k;
    glim_err err = {0};
    CHECK_OK(glim_key_create(s, &p, &k, secret ? secret : mine, &err), err);
    return k;
}

static bool in_folder(const char *dir, const char *needle) { /* in any file of it */
    char cmd[512];
    snprintf(cmd, sizeof cmd, "grep -rqa -e '%s' '%s'", needle, dir);
    return system(cmd) == 0;
}

TEST(a_key_is_shown_once_and_only_its_hash_is_kept) {
    const char *dir = fresh("once");
    glim_store *s = open_as(dir, GLIM_STORE_GUEST);
    char a[GLIM_KEY_SECRET + 1], b[GLIM_KEY_SECRET + 1];
    glim_key k = make(s, (glim_key_params){.name = "front desk", .tenant = "acme", .actor = "cli:test"}, a), f;
    make(s, (glim_key_params){0}, b);
    CHECK(strlen(a) == GLIM_KEY_SECRET && strncmp(a, "glim_", 5) == 0 && strncmp(a, k.prefix, GLIM_KEY_PREFIX) == 0 && a[GLIM_KEY_PREFIX] == '_');
    for (int i = GLIM_KEY_PREFIX + 1; i < GLIM_KEY_SECRET; i++) CHECK(isalnum((unsigned char)a[i]));
    CHECK(strcmp(a, b) != 0);
    glim_err err = {0};
    CHECK_OK(glim_key_find(s, k.id, &f, &err), err);
    CHECK(memcmp(&f, &k, sizeof f) == 0);
    CHECK_OK(glim_key_find(s, k.prefix, &f, &err), err);
    CHECK_STR(f.id, k.id);
    CHECK(f.scopes == GLIM_SCOPE_INFER && f.token_budget == -1 && f.money_budget == -1 && f.created_us == atomic_load(&g_now));
    CHECK(glim_key_find(s, "key_nobody", &f, &err) == GLIM_E_NOT_FOUND && strstr(err.msg, "key_nobody"));
    CHECK(in_folder(dir, k.prefix) && !in_folder(dir, a + GLIM_KEY_PREFIX));
    glim_store_close(s);
    CHECK(in_folder(dir, k.prefix) && !in_folder(dir, a + GLIM_KEY_PREFIX));
    CHECK(ask(dir, "SELECT COUNT(*) FROM tenants WHERE id IN ('acme', 'default')") == 2);
}

TEST(the_keyring_knows_scopes_expiry_and_strangers) {
    glim_store *s = open_started(fresh("ring"));
    char a[GLIM_KEY_SECRET + 1], b[GLIM_KEY_SECRET + 1], c[GLIM_KEY_SECRET + 1];
    int64_t now = atomic_load(&g_now);
    glim_key ka = make(s, (glim_key_params){.scopes = GLIM_SCOPE_INFER | GLIM_SCOPE_FILES}, a), k;
    make(s, (glim_key_params){.expires_us = now + 5000000}, b);
    make(s, (glim_key_params){.scopes = GLIM_SCOPE_ADMIN}, c);
    for (int i = 0; i < 200 && glim_keyring_size(s) < 3; i++) sleep_ms(10);
    CHECK(glim_keyring_size(s) == 3);
    CHECK(glim_keyring_check(s, a, GLIM_KEY_SECRET, GLIM_SCOPE_INFER, &k) == GLIM_ADMIT_OK && strcmp(k.id, ka.id) == 0);
    CHECK(glim_keyring_check(s, a, GLIM_KEY_SECRET, GLIM_SCOPE_TUNE, &k) == GLIM_ADMIT_SCOPE);
    CHECK(glim_keyring_check(s, c, GLIM_KEY_SECRET, GLIM_SCOPE_TUNE, &k) == GLIM_ADMIT_OK);
    CHECK(glim_keyring_check(s, a, GLIM_KEY_SECRET - 1, 0, &k) == GLIM_ADMIT_UNKNOWN);
    for (int i = 0; i < GLIM_KEY_SECRET; i++) { /* every character counts */
        char was = a[i];
        a[i] = was == 'x' ? 'y' : 'x';
        CHECK(glim_keyring_check(s, a, GLIM_KEY_SECRET, 0, &k) == GLIM_ADMIT_UNKNOWN);
        a[i] = was;
    }
    CHECK(glim_keyring_check(s, "", 0, 0, &k) == GLIM_ADMIT_UNKNOWN);
    CHECK(glim_keyring_check(s, b, GLIM_KEY_SECRET, 0, &k) == GLIM_ADMIT_OK);
    atomic_store(&g_now, now + 5000000);
    CHECK(glim_keyring_check(s, b, GLIM_KEY_SECRET, 0, &k) == GLIM_ADMIT_EXPIRED);
    CHECK(!glim_keyring_alive(s, k.id));
    glim_store_close(s);
}

TEST(a_key_revoked_by_another_process_is_dead_within_a_second) {
    const char *dir = fresh("revoke");
    struct {
        atomic_int go;
        char prefix[GLIM_KEY_PREFIX + 1];
    } *x = shared(sizeof *x);
    glim_store_close(open_as(dir, GLIM_STORE_GUEST));
    pid_t pid = fork();
    if (pid == 0) {
        while (!atomic_load(&x->go)) sleep_ms(1);
        glim_store *g = open_as(dir, GLIM_STORE_GUEST);
        glim_err err = {0};
        glim_status rc = glim_key_revoke(g, x->prefix, "cli:test", NULL, &err);
        glim_status again = glim_key_revoke(g, x->prefix, "cli:test", NULL, &err);
        glim_store_close(g);
        _exit(rc == GLIM_OK && again == GLIM_OK ? 0 : 1);
    }
    glim_store *s = open_started(dir);
    char a[GLIM_KEY_SECRET + 1];
    glim_key k = make(s, (glim_key_params){0}, a), seen;
    for (int i = 0; i < 200 && glim_keyring_size(s) < 1; i++) sleep_ms(10);
    CHECK(glim_keyring_check(s, a, GLIM_KEY_SECRET, 0, &seen) == GLIM_ADMIT_OK && glim_keyring_alive(s, k.id));
    memcpy(x->prefix, k.prefix, sizeof k.prefix);
    atomic_store(&x->go, 1);
    int st;
    CHECK(waitpid(pid, &st, 0) == pid && WIFEXITED(st) && WEXITSTATUS(st) == 0);
    /* A second, and what a busy machine keeps this thread waiting beyond the sleeps that it asks for. */
    double began = glim_now_s(), late = 0, slept;
    for (int i = 0; i < 1000 && glim_keyring_alive(s, k.id); i++) {
        slept = glim_now_s();
        sleep_ms(10);
        late += glim_now_s() - slept - 0.010;
    }
    CHECK_MSG(glim_now_s() - began < 1 + late, "it lived %.2f s, %.2f of them late", glim_now_s() - began, late);
    CHECK(glim_keyring_check(s, a, GLIM_KEY_SECRET, 0, &seen) == GLIM_ADMIT_REVOKED);
    glim_store_close(s);
    CHECK(ask(dir, "SELECT COUNT(*) FROM outbox WHERE action = 'key.revoke'") == 1 || ask(dir, "SELECT COUNT(*) FROM outbox") == 0);
    munmap(x, sizeof *x);
}

TEST(rates_hold_a_minute_and_refill_evenly) {
    glim_store *s = open_started(fresh("rate"));
    glim_key k = make(s, (glim_key_params){.rpm = 6, .tpm = 600}, NULL);
    for (int i = 0; i < 200 && glim_keyring_size(s) < 1; i++) sleep_ms(10);
    int64_t ms, now = atomic_load(&g_now);
    for (int i = 0; i < 6; i++) CHECK(glim_keyring_admit(s, k.id, 10, &ms) == GLIM_ADMIT_OK);
    CHECK(glim_keyring_admit(s, k.id, 10, &ms) == GLIM_ADMIT_REQUESTS && ms > 9900 && ms <= 10001);
    atomic_store(&g_now, now + 9990000);
    CHECK(glim_keyring_admit(s, k.id, 10, &ms) == GLIM_ADMIT_REQUESTS && ms <= 11);
    atomic_store(&g_now, now += 10000000);
    CHECK(glim_keyring_admit(s, k.id, 10, &ms) == GLIM_ADMIT_OK);
    CHECK(glim_keyring_admit(s, k.id, 10, &ms) == GLIM_ADMIT_REQUESTS);
    atomic_store(&g_now, now += 3600000000); /* an hour's rest is worth one minute, not sixty */
    CHECK(glim_keyring_admit(s, k.id, 601, &ms) == GLIM_ADMIT_OK); /* more than a minute's: when full */
    CHECK(glim_keyring_admit(s, k.id, 1, &ms) == GLIM_ADMIT_TOKENS && ms > 0 && ms <= 101);
    atomic_store(&g_now, now += 30000000);
    CHECK(glim_keyring_admit(s, k.id, 301, &ms) == GLIM_ADMIT_TOKENS);
    CHECK(glim_keyring_admit(s, k.id, 300, &ms) == GLIM_ADMIT_OK);
    glim_keyring_charge(s, k.id, 100000); /* at most one minute into debt */
    CHECK(glim_keyring_admit(s, k.id, 0, &ms) == GLIM_ADMIT_TOKENS && ms >= 60000 && ms <= 60101);
    atomic_store(&g_now, now - 20000000); /* a clock set back */
    CHECK(glim_keyring_admit(s, k.id, 0, &ms) == GLIM_ADMIT_TOKENS);
    atomic_store(&g_now, now += 61000000);
    CHECK(glim_keyring_admit(s, k.id, 1, &ms) == GLIM_ADMIT_OK);
    /* Set back by a day: nothing is given for it, and the refill goes on from there. */
    while (glim_keyring_admit(s, k.id, 0, &ms) == GLIM_ADMIT_OK) {}
    atomic_store(&g_now, now -= 86400000000);
    CHECK(glim_keyring_admit(s, k.id, 0, &ms) != GLIM_ADMIT_OK && ms <= 10001);
    atomic_store(&g_now, now += 10000000);
    CHECK(glim_keyring_admit(s, k.id, 0, &ms) == GLIM_ADMIT_OK);
    atomic_store(&g_now, now - 500000); /* half a second: another thread's look */
    CHECK(glim_keyring_admit(s, k.id, 0, &ms) != GLIM_ADMIT_OK);
    atomic_store(&g_now, now + 9600000);
    CHECK(glim_keyring_admit(s, k.id, 0, &ms) != GLIM_ADMIT_OK);
    CHECK(glim_keyring_admit(s, "key_nobody", 1, &ms) == GLIM_ADMIT_OK); /* no entry, no limit: check() refuses strangers */
    glim_store_close(s);
}

TEST(a_thousand_keys_are_all_found_and_keep_their_buckets) {
    glim_store *s = open_started(fresh("many"));
    enum { N = 1000 };
    static char secret[N][GLIM_KEY_SECRET + 1];
    for (int i = 0; i < N; i++) make(s, (glim_key_params){.rpm = 1}, secret[i]);
    for (int i = 0; i < 500 && glim_keyring_size(s) < N; i++) sleep_ms(10);
    CHECK(glim_keyring_size(s) == N);
    glim_key k;
    int64_t ms;
    for (int i = 0; i < N; i++) {
        CHECK(glim_keyring_check(s, secret[i], GLIM_KEY_SECRET, GLIM_SCOPE_INFER, &k) == GLIM_ADMIT_OK);
        CHECK(glim_keyring_admit(s, k.id, 1, &ms) == GLIM_ADMIT_OK);
    }
    make(s, (glim_key_params){0}, NULL);
    for (int i = 0; i < 500 && glim_keyring_size(s) < N + 1; i++) sleep_ms(10);
    for (int i = 0; i < N; i++) {
        CHECK(glim_keyring_check(s, secret[i], GLIM_KEY_SECRET, GLIM_SCOPE_INFER, &k) == GLIM_ADMIT_OK);
        CHECK(glim_keyring_admit(s, k.id, 1, &ms) == GLIM_ADMIT_REQUESTS);
    }
    glim_store_close(s);
}

TEST(bad_wishes_for_a_key_are_refused_by_name) {
    glim_store *s = open_as(fresh("bad"), GLIM_STORE_GUEST);
    char secret[GLIM_KEY_SECRET + 1];
    glim_key k;
    glim_err err = {0};
    CHECK(glim_key_create(s, &(glim_key_params){.tenant = "a/b"}, &k, secret, &err) == GLIM_E_ARG && strstr(err.msg, "tenant"));
    CHECK(glim_key_create(s, &(glim_key_params){.name = "a\nb"}, &k, secret, &err) == GLIM_E_ARG && strstr(err.msg, "name"));
    CHECK(glim_key_create(s, &(glim_key_params){.rpm = -1}, &k, secret, &err) == GLIM_E_ARG && strstr(err.msg, "requests"));
    CHECK(glim_key_create(s, &(glim_key_params){.has_money_budget = true, .money_budget = -5}, &k, secret, &err) == GLIM_E_ARG);
    CHECK(glim_key_create(s, &(glim_key_params){.expires_us = 5}, &k, secret, &err) == GLIM_E_ARG && strstr(err.msg, "passed"));
    uint32_t scopes;
    char text[64];
    CHECK(glim_scopes_parse(&scopes, "infer,tune", &err) == GLIM_OK && scopes == (GLIM_SCOPE_INFER | GLIM_SCOPE_TUNE));
    CHECK_STR(glim_scopes_text(text, sizeof text, 31), "infer,files,tune,usage,admin");
    CHECK(glim_scopes_parse(&scopes, "infer,root", &err) == GLIM_E_ARG && strstr(err.msg, "root"));
    CHECK(glim_scopes_parse(&scopes, "", &err) == GLIM_E_ARG);
    CHECK(glim_scopes_parse(&scopes, "infer,", &err) == GLIM_E_ARG);
    glim_period p;
    CHECK(glim_period_parse(&p, "month", &err) == GLIM_OK && p == GLIM_PERIOD_MONTH);
    CHECK(glim_period_parse(&p, "week", &err) == GLIM_E_ARG);
    glim_store_close(s);
}
