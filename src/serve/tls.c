/* tls.c - see tls.h. */
#include "serve/tls.h"

#include <gnutls/x509.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

enum { CHAIN_MAX = 16, PEM_MAX = 1 << 20, KEPT_S = 600 };

typedef struct pair {
    gnutls_pcert_st chain[CHAIN_MAX];
    unsigned n;
    gnutls_privkey_t key;
    double retired; /* when another took its place */
    struct pair *next;
} pair;

struct glim_tls {
    char *cert_file, *key_file;
    pair *now; /* the newest first */
};

static glim_tls *g_tls;

static void pair_free(pair *p) {
    if (!p) return;
    for (unsigned i = 0; i < p->n; i++) gnutls_pcert_deinit(&p->chain[i]);
    if (p->key) gnutls_privkey_deinit(p->key);
    free(p);
}

static glim_status read_chain(pair *p, const char *path, glim_err *err) {
    glim_buf b = {0};
    glim_status rc = glim_file_read(&b, path, PEM_MAX, err);
    if (rc == GLIM_OK) {
        gnutls_datum_t d = {(unsigned char *)b.s, (unsigned)b.len};
        unsigned n = CHAIN_MAX;
        int e = b.len ? gnutls_pcert_list_import_x509_raw(p->chain, &n, &d, GNUTLS_X509_FMT_PEM, 0) : GNUTLS_E_NO_CERTIFICATE_FOUND;
        if (e < 0) rc = glim_fail(err, GLIM_E_FORMAT, "\"%s\" is not a chain of PEM certificates: %s", path, gnutls_strerror(e));
        else p->n = n;
    }
    glim_buf_free(&b);
    return rc;
}

static glim_status read_key(pair *p, const char *path, glim_err *err) {
    glim_buf b = {0};
    struct stat st;
    glim_status rc = glim_file_read(&b, path, PEM_MAX, err);
    if (rc == GLIM_OK && stat(path, &st) == 0 && (st.st_mode & 0007)) glim_log(GLIM_WARN, "tls", "everybody may read the key file=%s", path);
    if (rc == GLIM_OK) {
        gnutls_datum_t d = {(unsigned char *)b.s, (unsigned)b.len};
        int e = gnutls_privkey_init(&p->key);
        if (e >= 0) e = b.len ? gnutls_privkey_import_x509_raw(p->key, &d, GNUTLS_X509_FMT_PEM, NULL, 0) : GNUTLS_E_BASE64_DECODING_ERROR;
        if (e < 0) rc = glim_fail(err, GLIM_E_FORMAT, "\"%s\" is not a PEM key without a password: %s", path, gnutls_strerror(e));
    }
    if (b.s) explicit_bzero(b.s, b.len);
    glim_buf_free(&b);
    return rc;
}

static glim_status same_key(const pair *p, const glim_tls *t, glim_err *err) {
    unsigned char a[64], b[64];
    size_t na = sizeof a, nb = sizeof b;
    gnutls_pubkey_t own = NULL;
    int e = gnutls_pubkey_init(&own);
    if (e >= 0) e = gnutls_pubkey_import_privkey(own, p->key, 0, 0);
    if (e >= 0) e = gnutls_pubkey_get_key_id(own, GNUTLS_KEYID_USE_SHA256, a, &na);
    if (e >= 0) e = gnutls_pubkey_get_key_id(p->chain[0].pubkey, GNUTLS_KEYID_USE_SHA256, b, &nb);
    if (own) gnutls_pubkey_deinit(own);
    if (e < 0) return glim_fail(err, GLIM_E_FORMAT, "\"%s\": the key cannot be used: %s", t->key_file, gnutls_strerror(e));
    if (na == nb && memcmp(a, b, na) == 0) return GLIM_OK;
    glim_fail(err, GLIM_E_FORMAT, "the key in \"%s\" is not that of the first certificate in \"%s\"", t->key_file, t->cert_file);
    glim_err_hint(err, "the server's own certificate comes first, those that sign it after it");
    return GLIM_E_FORMAT;
}

static void tell_expiry(const pair *p, const glim_tls *t) {
    gnutls_x509_crt_t crt;
    if (gnutls_x509_crt_init(&crt) < 0) return;
    if (gnutls_x509_crt_import(crt, &p->chain[0].cert, GNUTLS_X509_FMT_DER) >= 0) {
        double days = difftime(gnutls_x509_crt_get_expiration_time(crt), time(NULL)) / 86400;
        glim_log(days < 14 ? GLIM_WARN : GLIM_INFO, "tls", "certificate file=%s days_left=%.1f", t->cert_file, days);
    }
    gnutls_x509_crt_deinit(crt);
}

glim_status glim_tls_reload(glim_tls *t, glim_err *err) {
    pair *p = glim_xcalloc(1, sizeof *p);
    glim_status rc = read_chain(p, t->cert_file, err);
    if (rc == GLIM_OK) rc = read_key(p, t->key_file, err);
    if (rc == GLIM_OK) rc = same_key(p, t, err);
    if (rc != GLIM_OK) {
        pair_free(p);
        return rc;
    }
    tell_expiry(p, t);
    double now = glim_now_s();
    if (t->now) t->now->retired = now;
    p->next = t->now;
    t->now = p;
    /* No handshake lasts as long: server.c closes connections that send nothing whole for a minute. */
    for (pair **at = &p->next; *at;) {
        pair *old = *at;
        if (now - old->retired < KEPT_S) {
            at = &old->next;
            continue;
        }
        *at = old->next;
        pair_free(old);
    }
    return GLIM_OK;
}

glim_status glim_tls_open(glim_tls **out, const char *cert_file, const char *key_file, glim_err *err) {
    *out = NULL;
    if (g_tls) return glim_fail(err, GLIM_E_STATE, "this process has a server with TLS already");
    glim_tls *t = glim_xcalloc(1, sizeof *t);
    t->cert_file = glim_xstrdup(cert_file);
    t->key_file = glim_xstrdup(key_file);
    glim_status rc = glim_tls_reload(t, err);
    if (rc != GLIM_OK) {
        glim_tls_close(t);
        return rc;
    }
    *out = g_tls = t;
    return GLIM_OK;
}

void glim_tls_close(glim_tls *t) {
    if (!t) return;
    for (pair *p = t->now, *next; p; p = next) {
        next = p->next;
        pair_free(p);
    }
    if (g_tls == t) g_tls = NULL;
    free(t->cert_file);
    free(t->key_file);
    free(t);
}

int glim_tls_choose(gnutls_session_t session, const gnutls_datum_t *ca, int n_ca, const gnutls_pk_algorithm_t *algos, int n_algos,
                    gnutls_pcert_st **chain, unsigned int *n_chain, gnutls_privkey_t *key) {
    (void)session, (void)ca, (void)n_ca, (void)algos, (void)n_algos;
    if (!g_tls || !g_tls->now) return -1;
    *chain = g_tls->now->chain;
    *n_chain = g_tls->now->n;
    *key = g_tls->now->key;
    return 0;
}
