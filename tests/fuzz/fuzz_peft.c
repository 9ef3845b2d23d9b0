/* fuzz_peft.c - any bytes as an adapter: up to the first NUL adapter_config.json, behind it the safetensors
 * file. Opened or refused; what is opened has pairs whose shapes fit and whose bytes are there. */
#include <stdlib.h>
#include <string.h>

#include "format/peft.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    const uint8_t *cut = n ? memchr(bytes, 0, n) : NULL;
    size_t n_config = cut ? (size_t)(cut - bytes) : n, n_weights = cut ? n - n_config - 1 : 0;
    uint8_t *weights = malloc(n_weights ? n_weights : 1); /* of the exact size: reads past the end are seen */
    if (!weights) return 0;
    if (n_weights) memcpy(weights, cut + 1, n_weights);
    glim_peft p;
    glim_err err = {0};
    glim_status rc = glim_peft_open_mem(&p, (const char *)bytes, n_config, weights, n_weights, &err);
    if (rc != GLIM_OK) {
        if (p.pairs || p.st || err.code != rc || !err.msg[0]) abort();
    } else {
        unsigned sum = 0;
        for (size_t i = 0; i < p.n_pairs; i++) {
            const glim_peft_pair *x = &p.pairs[i];
            if (x->a->dims[0] != x->rank || x->b->dims[1] != x->rank || !(x->scale == x->scale)) abort();
            for (size_t k = 0; k < x->a->n_bytes; k++) sum += ((const uint8_t *)x->a->data)[k];
            for (size_t k = 0; k < x->b->n_bytes; k++) sum += ((const uint8_t *)x->b->data)[k];
        }
        if (sum == 0x7fffffff) abort(); /* the sum is used, so that the reads stay */
        glim_peft_close(&p);
    }
    free(weights);
    return 0;
}
