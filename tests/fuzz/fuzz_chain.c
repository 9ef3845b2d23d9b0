/* fuzz_chain.c - any bytes as an audit log: read to an end or refused; what is read obeys its own rules. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "audit/chain.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static bool look(void *ctx, const glim_chain_event *e, const glim_chain_head *after) {
    uint64_t *count = ctx;
    if (e->seq != ++*count || after->count != *count) abort();
    if (strlen(e->actor) + strlen(e->action) + strlen(e->object) + strlen(e->tenant) + strlen(e->detail) > after->bytes) abort();
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    static int fd = -1;
    if (fd < 0) fd = memfd_create("chain", 0);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (ftruncate(fd, 0) != 0 || pwrite(fd, bytes, n, 0) != (ssize_t)n) return 0;
    glim_chain_head start, end;
    glim_err err = {0};
    uint64_t count = 0;
    glim_chain_begin(&start);
    glim_status rc = glim_chain_read(path, &start, NULL, look, &count, &end, &err);
    if (rc != GLIM_OK && (err.code != rc || !err.msg[0])) abort();
    if (end.count != count || end.bytes > (n > GLIM_CHAIN_HEADER ? n : GLIM_CHAIN_HEADER)) abort();
    if (rc == GLIM_OK && end.bytes != n) abort();
    return 0;
}
