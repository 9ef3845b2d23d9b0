/* fuzz_tiktoken.c - any bytes as a tiktoken tokenizer.model; what parses encodes without loss.
 *
 * A vocabulary needs all 256 bytes, which mutation never finds: input that begins with '+' gets them
 * put before it, as ranks 0 to 255. The same input is then the text. */
#include <stdlib.h>
#include <string.h>

#include "text/tok.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char a64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    glim_buf b = {0};
    if (size && data[0] == '+')
        for (int c = 0; c < 256; c++)
            glim_buf_printf(&b, "%c%c== %d\n", a64[c >> 2], a64[(c & 3) << 4], c);
    size_t skip = b.len ? 1 : 0;
    if (size > skip) glim_buf_append(&b, data + skip, size - skip);
    glim_tok *t = NULL;
    glim_err err = {0};
    if (glim_tok_parse_tiktoken(&t, glim_buf_cstr(&b), b.len, &err) == GLIM_OK) {
        glim_ids ids = {0};
        glim_buf out = {0};
        if (glim_tok_encode(t, (const char *)data, size, 0, &ids, &err) != GLIM_OK) abort();
        glim_tok_decode(t, ids.v, ids.n, true, &out);
        if (out.len != size || (size && memcmp(out.s, data, size) != 0)) abort();
        glim_ids_free(&ids);
        glim_buf_free(&out);
    } else if (t || err.msg[0] == 0) {
        abort();
    }
    glim_tok_free(t);
    glim_buf_free(&b);
    return 0;
}
