/* listen.h - the listening socket, open before there is a model to serve.
 *
 * A model may take minutes to load. Meanwhile a thread of its own answers /live with 200 and everything else with 503
 * and code model_loading; then the server takes the socket over, and no client is refused in between. */
#ifndef GLIM_SERVE_LISTEN_H
#define GLIM_SERVE_LISTEN_H

#include <stdbool.h>

#include "base/err.h"

typedef struct glim_listener glim_listener;

/* host: an IPv4 or IPv6 address or "localhost"; NULL: 127.0.0.1. port 0: any that is free. answer: as said above; else
 * clients wait in the system's queue. Errors: GLIM_E_ARG (the address), GLIM_E_NET (the port is taken). */
glim_status glim_listener_open(glim_listener **out, const char *host, int port, bool answer, glim_err *err);
int glim_listener_port(const glim_listener *l);
bool glim_listener_loopback(const glim_listener *l); /* reached from this machine only */
bool glim_listener_ipv6(const glim_listener *l);
/* Ends the answering; the socket, not blocking, is the caller's to close. */
int glim_listener_take(glim_listener *l);
void glim_listener_close(glim_listener *l); /* takes NULL; also after glim_listener_take */

#endif
