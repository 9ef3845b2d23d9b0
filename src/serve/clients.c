/* clients.c - see clients.h. Open addressing; an entry goes with its last connection, and those behind it move up. */
#include "serve/clients.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

typedef struct entry {
    uint64_t key;
    size_t n; /* 0: free */
} entry;

struct glim_clients {
    size_t mask, used, cap;
    uint64_t salt; /* nobody chooses addresses that meet in one place */
    entry *e;
};

glim_clients *glim_clients_new(size_t cap) {
    glim_clients *t = glim_xcalloc(1, sizeof *t);
    size_t n = 64;
    while (n < 2 * cap) n *= 2;
    t->e = glim_xcalloc(n, sizeof *t->e);
    t->mask = n - 1;
    t->cap = n / 2;
    t->salt = (uint64_t)(uintptr_t)t->e * 0x9e3779b97f4a7c15u;
    return t;
}

void glim_clients_free(glim_clients *t) {
    if (!t) return;
    free(t->e);
    free(t);
}

static uint64_t of_v4(uint32_t a) { return a >> 24 == 127 ? 0 : 0xffff00000000u | a; }

uint64_t glim_client_key(const struct sockaddr *a) {
    if (a->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, a, sizeof in);
        return of_v4(ntohl(in.sin_addr.s_addr));
    }
    if (a->sa_family != AF_INET6) return 0;
    struct sockaddr_in6 in;
    memcpy(&in, a, sizeof in);
    const uint8_t *b = in.sin6_addr.s6_addr;
    if (IN6_IS_ADDR_LOOPBACK(&in.sin6_addr)) return 0;
    if (IN6_IS_ADDR_V4MAPPED(&in.sin6_addr)) return of_v4((uint32_t)b[12] << 24 | (uint32_t)b[13] << 16 | (uint32_t)b[14] << 8 | b[15]);
    uint64_t net = 0;
    for (int i = 0; i < 8; i++) net = net << 8 | b[i];
    return net ? net : 1;
}

static size_t home(const glim_clients *t, uint64_t key) {
    uint64_t h = (key ^ t->salt) * 0x9e3779b97f4a7c15u;
    return (size_t)(h >> 32 ^ h) & t->mask;
}

static size_t place(const glim_clients *t, uint64_t key) {
    size_t i = home(t, key);
    while (t->e[i].n && t->e[i].key != key) i = (i + 1) & t->mask;
    return i;
}

size_t glim_clients_held(const glim_clients *t, uint64_t key) { return t->e[place(t, key)].n; }

size_t glim_clients_add(glim_clients *t, uint64_t key) {
    entry *e = &t->e[place(t, key)];
    if (e->n == 0) {
        if (t->used == t->cap) return 0;
        t->used++;
        e->key = key;
    }
    return ++e->n;
}

void glim_clients_remove(glim_clients *t, uint64_t key) {
    size_t i = place(t, key), j = i;
    if (t->e[i].n == 0 || --t->e[i].n > 0) return;
    t->used--;
    for (;;) { /* whatever would no longer be found moves into the gap */
        j = (j + 1) & t->mask;
        if (t->e[j].n == 0) return;
        size_t h = home(t, t->e[j].key);
        if (((j - h) & t->mask) < ((j - i) & t->mask)) continue;
        t->e[i] = t->e[j];
        t->e[j].n = 0;
        i = j;
    }
}
