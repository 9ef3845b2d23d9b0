/* fuzz_gguf.c - any bytes as a GGUF file: opened or refused; every value and tensor byte of an opened one
 * is read, and its metadata is read as a configuration. */
#include <stdlib.h>

#include "base/err.h"
#include "base/log.h"
#include "format/config.h"
#include "format/gguf.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static unsigned read_value(const glim_gguf_kv *kv) {
    unsigned sum = 0;
    for (size_t i = 0; i < kv->n; i++) {
        if (kv->item == GLIM_GGUF_ARRAY) break; /* arrays in arrays are only stepped over */
        if (kv->item == GLIM_GGUF_STR) {
            glim_gguf_text t = glim_gguf_item_str(kv, i);
            for (size_t k = 0; k < t.len; k++) sum += (unsigned char)t.s[k];
        } else if (kv->item == GLIM_GGUF_F32 || kv->item == GLIM_GGUF_F64) {
            sum += glim_gguf_item_f64(kv, i) > 0;
        } else {
            sum += (unsigned)glim_gguf_item_i64(kv, i);
            sum += glim_gguf_item_f64(kv, i) > 0;
        }
    }
    for (size_t i = 0; i < kv->n_bytes; i++) sum += kv->data[i];
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    glim_log_set_level(GLIM_ERROR);
    glim_err err = {0};
    glim_gguf *g;
    glim_status rc = glim_gguf_open_mem(&g, bytes, n, "fuzz", &err);
    if (rc != GLIM_OK) {
        if (g || err.code != rc || !err.msg[0]) abort();
        return 0;
    }
    unsigned sum = 0;
    for (size_t i = 0; i < glim_gguf_n_keys(g); i++) {
        const glim_gguf_kv *kv = glim_gguf_key(g, i);
        if (glim_gguf_find(g, kv->key) != kv) abort();
        sum += read_value(kv);
    }
    for (size_t i = 0; i < glim_gguf_n_tensors(g); i++) {
        const glim_tensor *t = glim_gguf_tensor(g, i);
        for (size_t k = 0; k < t->n_bytes; k++) sum += ((const uint8_t *)t->data)[k];
    }
    if (sum == 0x7fffffff) abort(); /* the sum is used, so that the reads stay */
    glim_config c;
    rc = glim_config_from_gguf(&c, g, 100, false, &err);
    if (rc == GLIM_OK && (c.n_head % c.n_kv_head || c.rope.n_rot > c.head_dim || c.n_vocab == 0)) abort();
    if (rc == GLIM_OK) (void)glim_config_known_name(&c, NULL);
    if (rc != GLIM_OK && err.code != rc) abort();
    glim_gguf_close(g);
    return 0;
}
