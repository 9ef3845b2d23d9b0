/* base64.c - see base64.h. */
#include "serve/base64.h"

#include <stdint.h>

void glim_base64_put(glim_buf *b, const void *bytes, size_t n) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *p = bytes;
    char out[4];
    glim_buf_reserve(b, (n + 2) / 3 * 4 + 1);
    for (; n >= 3; n -= 3, p += 3) {
        uint32_t w = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
        for (int i = 0; i < 4; i++) out[i] = digits[w >> (18 - 6 * i) & 63];
        glim_buf_append(b, out, 4);
    }
    if (n == 0) return;
    uint32_t w = (uint32_t)p[0] << 16 | (n == 2 ? (uint32_t)p[1] << 8 : 0);
    out[0] = digits[w >> 18];
    out[1] = digits[w >> 12 & 63];
    out[2] = n == 2 ? digits[w >> 6 & 63] : '=';
    out[3] = '=';
    glim_buf_append(b, out, 4);
}
