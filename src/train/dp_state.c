/* dp_state.c - see dp_state.h.
 *
 *   "glimdpk\2"  8 bytes: magic and version
 *   run, data    65 bytes each
 *   q, sigma, clip, steps, n_params, settings   8 bytes each
 *   key          32 bytes
 *   sum          32 bytes: SHA-256 of all before it */
#include "train/dp_state.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "net/sha256.h"

enum { TEXT = 65, BYTES = 8 + 2 * TEXT + 6 * 8 + GLIM_DP_KEY_BYTES + 32 };
static const char magic[8] = {'g', 'l', 'i', 'm', 'd', 'p', 'k', 2};

static void digest(const uint8_t *b, uint8_t out[32]) {
    glim_sha256 h;
    glim_sha256_init(&h);
    glim_sha256_update(&h, b, BYTES - 32);
    glim_sha256_digest(&h, out);
}

static void pack(uint8_t *b, const glim_dp_binding *x, const uint8_t *key) {
    uint64_t v[6];
    memset(b, 0, BYTES);
    memcpy(b, magic, 8);
    memcpy(b + 8, x->run, strnlen(x->run, TEXT - 1));
    memcpy(b + 8 + TEXT, x->data, strnlen(x->data, TEXT - 1));
    memcpy(&v[0], &x->q, 8);
    memcpy(&v[1], &x->sigma, 8);
    memcpy(&v[2], &x->clip, 8);
    v[3] = x->steps;
    v[4] = x->n_params;
    v[5] = x->settings;
    for (size_t i = 0; i < 48; i++) b[8 + 2 * TEXT + i] = (uint8_t)(v[i / 8] >> (8 * (i % 8)));
    memcpy(b + 8 + 2 * TEXT + 48, key, GLIM_DP_KEY_BYTES);
    digest(b, b + BYTES - 32);
}

static glim_status write_all(int fd, const uint8_t *b, size_t n) {
    while (n) {
        ssize_t w = write(fd, b, n);
        if (w < 0 && errno == EINTR) continue;
        if (w <= 0) return GLIM_E_IO;
        b += w;
        n -= (size_t)w;
    }
    return GLIM_OK;
}

static glim_status create(const char *path, const glim_dp_binding *x, const uint8_t *key, glim_err *err) {
    uint8_t b[BYTES];
    /* Never through a link, never over another file. */
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST) {
        glim_status rc = glim_fail(err, GLIM_E_STATE, "\"%s\" is there already: it holds the key of an earlier private run", path);
        glim_err_hint(err, "go on with that run (--resume), or remove the file to give it up");
        return rc;
    }
    if (fd < 0) return glim_fail_errno(err, GLIM_E_IO, errno, "could not create \"%s\"", path);
    pack(b, x, key);
    bool ok = write_all(fd, b, sizeof b) == GLIM_OK && fchmod(fd, 0600) == 0 && fsync(fd) == 0;
    int e = errno;
    sodium_memzero(b, sizeof b);
    if (close(fd) != 0) ok = false;
    if (ok) return GLIM_OK;
    unlink(path);
    return glim_fail_errno(err, GLIM_E_IO, e, "could not write \"%s\"", path);
}

glim_status glim_dp_state_create_with(glim_dp_rng **out, const char *path, const glim_dp_binding *b, const uint8_t key[GLIM_DP_KEY_BYTES],
                                      glim_err *err) {
    glim_status rc = glim_dp_rng_from_key(out, key, err);
    if (rc == GLIM_OK) rc = create(path, b, key, err);
    if (rc != GLIM_OK) {
        glim_dp_rng_free(*out);
        *out = NULL;
    }
    return rc;
}

glim_status glim_dp_state_create(glim_dp_rng **out, const char *path, const glim_dp_binding *b, glim_err *err) {
    glim_status rc = glim_dp_rng_new(out, err);
    if (rc == GLIM_OK) rc = create(path, b, glim_dp_rng_key(*out), err);
    if (rc != GLIM_OK) {
        glim_dp_rng_free(*out);
        *out = NULL;
    }
    return rc;
}

/* What of the binding is another: NULL if nothing. */
static const char *differs(const uint8_t *b, const uint8_t *want) {
    static const struct {
        const char *what;
        size_t off, n;
    } parts[] = {{"run", 8, TEXT},
                 {"set of data", 8 + TEXT, TEXT},
                 {"sampling rate", 8 + 2 * TEXT, 8},
                 {"noise multiplier", 8 + 2 * TEXT + 8, 8},
                 {"clip norm", 8 + 2 * TEXT + 16, 8},
                 {"number of steps", 8 + 2 * TEXT + 24, 8},
                 {"number of trained values", 8 + 2 * TEXT + 32, 8},
                 {"set of settings", 8 + 2 * TEXT + 40, 8}};
    for (size_t i = 0; i < GLIM_COUNT(parts); i++)
        if (memcmp(b + parts[i].off, want + parts[i].off, parts[i].n) != 0) return parts[i].what;
    return NULL;
}

glim_status glim_dp_state_open(glim_dp_rng **out, const char *path, const glim_dp_binding *x, glim_err *err) {
    uint8_t b[BYTES + 1], want[BYTES], sum[32];
    struct stat st;
    *out = NULL;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return glim_fail_errno(err, errno == ENOENT ? GLIM_E_NOT_FOUND : GLIM_E_IO, errno, "could not open \"%s\"", path);
    size_t n = 0;
    ssize_t r = 1;
    bool ok = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    while (ok && n < sizeof b && (r = read(fd, b + n, sizeof b - n)) > 0) n += (size_t)r;
    close(fd);
    glim_status rc = GLIM_OK;
    if (!ok || r < 0) rc = glim_fail(err, GLIM_E_IO, "could not read \"%s\"", path);
    else if (st.st_mode & 077) {
        rc = glim_fail(err, GLIM_E_STATE, "\"%s\" may be read by others (mode %04o): its key may be known", path, (unsigned)(st.st_mode & 07777));
        glim_err_hint(err, "start the run anew; a key that was open to others protects nothing");
    } else if (n >= 8 && memcmp(b, magic, 7) == 0 && b[7] > magic[7])
        rc = glim_fail(err, GLIM_E_UNSUPPORTED, "\"%s\" is of version %u, this program knows 2", path, b[7]);
    else if (n != BYTES || memcmp(b, magic, 8) != 0) rc = glim_fail(err, GLIM_E_FORMAT, "\"%s\" is not the state of a private run", path);
    if (rc == GLIM_OK) {
        digest(b, sum);
        if (sodium_memcmp(sum, b + BYTES - 32, 32) != 0) rc = glim_fail(err, GLIM_E_FORMAT, "\"%s\" is damaged: its checksum is wrong", path);
    }
    if (rc == GLIM_OK) {
        pack(want, x, b + 8 + 2 * TEXT + 48);
        const char *what = differs(b, want);
        if (what) {
            rc = glim_fail(err, GLIM_E_STATE, "\"%s\" belongs to another %s: the same noise on other sums would give both away", path, what);
            glim_err_hint(err, "resume with the settings and data that the run began with, or start a new run");
        }
    }
    if (rc == GLIM_OK) rc = glim_dp_rng_from_key(out, b + 8 + 2 * TEXT + 48, err);
    sodium_memzero(b, sizeof b);
    sodium_memzero(want, sizeof want);
    return rc;
}

glim_status glim_dp_state_erase(const char *path, glim_err *err) {
    int fd = open(path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT ? GLIM_OK : glim_fail_errno(err, GLIM_E_IO, errno, "could not open \"%s\" to erase it", path);
    uint8_t zero[BYTES] = {0};
    bool ok = write_all(fd, zero, sizeof zero) == GLIM_OK && fsync(fd) == 0;
    int e = errno;
    close(fd);
    if (!ok) return glim_fail_errno(err, GLIM_E_IO, e, "could not overwrite \"%s\"", path);
    return unlink(path) == 0 ? GLIM_OK : glim_fail_errno(err, GLIM_E_IO, errno, "could not remove \"%s\"", path);
}
