/* clients.h - how many connections each client's address holds, so that one of them cannot hold all.
 *
 * An IPv4 address is one client, and so is an IPv6 network of 64 bits: whoever has one has all of it. */
#ifndef GLIM_SERVE_CLIENTS_H
#define GLIM_SERVE_CLIENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

typedef struct glim_clients glim_clients;

/* cap: most connections there can be at once. */
glim_clients *glim_clients_new(size_t cap);
void glim_clients_free(glim_clients *t); /* takes NULL */
/* 0: this machine, or no address of the internet. */
uint64_t glim_client_key(const struct sockaddr *a);
size_t glim_clients_held(const glim_clients *t, uint64_t key);
/* Returns how many it holds now. Beyond cap nothing is counted. */
size_t glim_clients_add(glim_clients *t, uint64_t key);
void glim_clients_remove(glim_clients *t, uint64_t key);

#endif
