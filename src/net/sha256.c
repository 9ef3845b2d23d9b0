/* sha256.c - see sha256.h. The arithmetic is Nettle's, which uses the CPU's SHA instructions where it has
 * them and is what GnuTLS hashes with; a build without it (GLIM_SHA256_PLAIN) uses our own. */
#include "net/sha256.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

#ifdef GLIM_SHA256_PLAIN
enum { SHA256_DIGEST_SIZE = 32 };
static void sha256_init(glim_sha256_plain *s) { glim_sha256_plain_init(s); }
static void sha256_update(glim_sha256_plain *s, size_t n, const void *bytes) { glim_sha256_plain_update(s, bytes, n); }
static void sha256_digest(glim_sha256_plain *s, size_t n, uint8_t *digest) {
    (void)n;
    glim_sha256_plain_final(s, digest);
}
#endif

void glim_sha256_init(glim_sha256 *h) { sha256_init(&h->st); }

void glim_sha256_update(glim_sha256 *h, const void *bytes, size_t n) { sha256_update(&h->st, n, bytes); }

void glim_sha256_digest(glim_sha256 *h, uint8_t digest[32]) { sha256_digest(&h->st, SHA256_DIGEST_SIZE, digest); }

void glim_sha256_final(glim_sha256 *h, char hex[GLIM_SHA256_HEX]) {
    static const char digits[] = "0123456789abcdef";
    uint8_t d[SHA256_DIGEST_SIZE];
    glim_sha256_digest(h, d);
    for (size_t i = 0; i < sizeof d; i++) {
        hex[2 * i] = digits[d[i] >> 4];
        hex[2 * i + 1] = digits[d[i] & 15];
    }
    hex[2 * sizeof d] = 0;
}

bool glim_sha256_parse(const char *hex, char lower[GLIM_SHA256_HEX]) {
    char out[GLIM_SHA256_HEX];
    size_t n = 0;
    for (; hex[n]; n++) {
        char c = hex[n];
        if (c >= 'A' && c <= 'F') c = (char)(c - 'A' + 'a');
        if (n >= 64 || !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
        out[n] = c;
    }
    if (n != 64) return false;
    out[64] = 0;
    if (lower) memcpy(lower, out, sizeof out);
    return true;
}

glim_status glim_sha256_file(const char *path, char hex[GLIM_SHA256_HEX], glim_sha256_progress fn, void *ctx,
                             glim_err *err) {
    enum { CHUNK = 1 << 20, REPORT = 4 << 20 };
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return glim_fail_errno(err, errno == ENOENT || errno == ENOTDIR ? GLIM_E_NOT_FOUND : GLIM_E_IO,
                               errno, "could not open \"%s\"", path);
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return glim_fail(err, GLIM_E_IO, "could not hash \"%s\": it is not a file", path);
    }
    /* Read, not mapped: a file cut short by another program meanwhile must not raise SIGBUS here. */
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    uint8_t *chunk = glim_xmalloc(CHUNK);
    glim_sha256 h;
    glim_sha256_init(&h);
    glim_status rc = GLIM_OK;
    uint64_t done = 0, told = 0, total = (uint64_t)st.st_size;
    for (;;) {
        ssize_t n = read(fd, chunk, CHUNK);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            rc = glim_fail_errno(err, GLIM_E_IO, errno, "could not read \"%s\" at byte %llu", path,
                                 (unsigned long long)done);
            break;
        }
        if (n == 0) break;
        glim_sha256_update(&h, chunk, (size_t)n);
        done += (uint64_t)n;
        if (fn && done - told >= REPORT) {
            told = done;
            if (!fn(ctx, done, total)) {
                rc = glim_fail(err, GLIM_E_CANCELLED, "stopped while hashing \"%s\"", path);
                break;
            }
        }
    }
    if (rc == GLIM_OK && fn && told != done) (void)fn(ctx, done, total);
    free(chunk);
    close(fd);
    glim_sha256_final(&h, hex);
    return rc;
}
