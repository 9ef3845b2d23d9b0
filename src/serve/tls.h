/* tls.h - the server's certificate: read, renewed while serving, handed to libmicrohttpd for each handshake.
 *
 * A renewed certificate is for handshakes from then on; one that is in the middle of its handshake keeps the old, which
 * is therefore kept for a while. A renewal that fails leaves everything as it was.
 * Threads    that of the server's loop, in which libmicrohttpd makes its handshakes. One in a process: the callback
 *            of GnuTLS knows nothing of who asks. */
#ifndef GLIM_SERVE_TLS_H
#define GLIM_SERVE_TLS_H

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>

#include "base/err.h"

typedef struct glim_tls glim_tls;

/* PEM: the chain from our own certificate upwards, and its key. Errors: GLIM_E_NOT_FOUND, GLIM_E_IO, GLIM_E_FORMAT (not PEM, a
 * key of another certificate), GLIM_E_STATE (a second one in this process). */
glim_status glim_tls_open(glim_tls **out, const char *cert_file, const char *key_file, glim_err *err);
/* Reads both files again. */
glim_status glim_tls_reload(glim_tls *t, glim_err *err);
void glim_tls_close(glim_tls *t); /* takes NULL */

/* For MHD_OPTION_HTTPS_CERT_CALLBACK. */
int glim_tls_choose(gnutls_session_t session, const gnutls_datum_t *ca, int n_ca, const gnutls_pk_algorithm_t *algos, int n_algos,
                    gnutls_pcert_st **chain, unsigned int *n_chain, gnutls_privkey_t *key);
/* For MHD_OPTION_HTTPS_PRIORITIES: TLS 1.2 and 1.3. */
#define GLIM_TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

#endif
