/* Connections of each client's address. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "serve/clients.h"
#include "test.h"

static uint64_t key4(const char *a) {
    struct sockaddr_in in = {.sin_family = AF_INET};
    CHECK(inet_pton(AF_INET, a, &in.sin_addr) == 1);
    return glim_client_key((const struct sockaddr *)&in);
}

static uint64_t key6(const char *a) {
    struct sockaddr_in6 in = {.sin6_family = AF_INET6};
    CHECK(inet_pton(AF_INET6, a, &in.sin6_addr) == 1);
    return glim_client_key((const struct sockaddr *)&in);
}

TEST(an_address_or_a_network_is_one_client) {
    CHECK(key4("10.0.0.1") != key4("10.0.0.2") && key4("10.0.0.1") != 0);
    CHECK(key4("127.0.0.1") == 0 && key4("127.9.9.9") == 0 && key6("::1") == 0);
    CHECK(key6("::ffff:10.0.0.1") == key4("10.0.0.1") && key6("::ffff:127.0.0.1") == 0);
    CHECK(key6("2001:db8:1:2::1") == key6("2001:db8:1:2:ffff:ffff:ffff:ffff") && key6("2001:db8:1:2::1") != key6("2001:db8:1:3::1"));
    CHECK(key6("::2") != 0 && glim_client_key(&(struct sockaddr){.sa_family = AF_UNIX}) == 0);
}

TEST(counts_are_those_of_a_plain_list) {
    enum { KEYS = 400, CAP = 256, STEPS = 60000 };
    glim_clients *t = glim_clients_new(CAP);
    size_t want[KEYS] = {0}, used = 0;
    uint32_t rnd = 1;
    for (int i = 0; i < STEPS; i++) {
        rnd = rnd * 1664525 + 1013904223;
        size_t k = (rnd >> 8) % KEYS;
        uint64_t key = k % 2 ? k : k << 32;
        if ((rnd >> 28) < 9 && (want[k] || used < CAP)) {
            used += want[k] == 0;
            CHECK(glim_clients_add(t, key) == ++want[k]);
        } else if (want[k]) {
            glim_clients_remove(t, key);
            used -= --want[k] == 0;
        }
        size_t other = (rnd >> 4) % KEYS;
        CHECK(glim_clients_held(t, other % 2 ? other : other << 32) == want[other]);
    }
    glim_clients_free(t);
}
