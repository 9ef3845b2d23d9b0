/* fuzz_tokenizer_json.c - any bytes as tokenizer.json; what parses also encodes and decodes.
 *
 * Input: the JSON, then, after the first 0xff byte (which JSON never holds), the text to encode. */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "text/tok.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint8_t *cut = size ? memchr(data, 0xff, size) : NULL;
    size_t n_json = cut ? (size_t)(cut - data) : size;
    const char *text = cut ? (const char *)cut + 1 : "a b<|user|>\xe4\xbd\xa0 12\n\xff";
    size_t n_text = cut ? size - n_json - 1 : strlen(text);
    glim_tok *t = NULL;
    glim_err err = {0};
    if (glim_tok_parse_json(&t, (const char *)data, n_json, &err) != GLIM_OK) {
        if (t || err.msg[0] == 0 || !glim_utf8_valid(err.msg, strlen(err.msg))) abort();
        return 0;
    }
    for (unsigned flags = 0; flags < 4; flags++) {
        glim_ids ids = {0};
        glim_buf out = {0};
        if (glim_tok_encode(t, text, n_text, flags, &ids, &err) == GLIM_OK) {
            glim_tok_stream st = {0};
            for (size_t i = 0; i < ids.n; i++) {
                if (!glim_tok_piece(t, ids.v[i], NULL)) abort();
                if (flags == 0 && glim_tok_is_special(t, ids.v[i])) abort();
                glim_tok_stream_put(&st, t, ids.v[i], true, &out);
            }
            glim_tok_stream_end(&st, &out);
            if (!glim_utf8_valid(glim_buf_cstr(&out), out.len)) abort();
        }
        glim_ids_free(&ids);
        glim_buf_free(&out);
    }
    glim_tok_free(t);
    return 0;
}
