/* fuzz_safetensors.c - any bytes as a safetensors file: opened or refused, and every byte that an opened
 * one claims is read. Then the same with a length that fits: bytes 8 to the first NUL are the header, so
 * that a change of its text does not cut the file short every time. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "format/st.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void try_open(const uint8_t *bytes, size_t n) {
    glim_err err = {0};
    glim_st *st;
    glim_status rc = glim_st_open_mem(&st, bytes, n, "fuzz", &err);
    if (rc != GLIM_OK) {
        if (st || err.code != rc || !err.msg[0]) abort();
        return;
    }
    unsigned sum = 0;
    size_t at = 0;
    for (size_t i = 0; i < glim_st_n_tensors(st); i++) {
        const glim_tensor *t = glim_st_tensor(st, i);
        for (size_t k = 0; k < t->n_bytes; k++) sum += ((const uint8_t *)t->data)[k];
        at += t->n_bytes;
    }
    if (at > n || sum == 0x7fffffff) abort(); /* the sum is used, so that the reads stay */
    glim_st_close(st);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    try_open(bytes, n);
    if (n < 10) return 0;
    const uint8_t *cut = memchr(bytes + 8, 0, n - 8);
    uint64_t header = cut ? (uint64_t)(cut - bytes) - 8 : n - 8;
    uint8_t *copy = malloc(n); /* of the exact size: reads past the end are seen */
    if (!copy) return 0;
    memcpy(copy, bytes, n);
    memcpy(copy, &header, 8);
    try_open(copy, n);
    free(copy);
    return 0;
}
