/* table_text.c - bytes in the encodings of office programs to UTF-8.
 *
 * A mark at the beginning decides; without one, bytes that are UTF-8 as a whole are UTF-8 (other encodings of more than a
 * few letters practically never are), bytes with a NUL in every second place are UTF-16, and the rest is GB18030 if it
 * decodes without an error, because that is what Chinese Windows writes. Nothing is replaced: a byte that does not belong
 * is an error with its line. */
#include <errno.h>
#include <iconv.h>
#include <string.h>

#include "base/utf8.h"
#include "data/table_internal.h"

static size_t lines_before(const char *s, size_t n) {
    size_t lines = 1;
    for (size_t i = 0; i < n; i++) lines += s[i] == '\n';
    return lines;
}

static glim_status convert(glim_buf *own, const char *bytes, size_t n, const char *from, uint64_t max_bytes, glim_err *err) {
    iconv_t cd = iconv_open("UTF-8", from);
    if (cd == (iconv_t)-1) {
        glim_status rc = glim_fail(err, GLIM_E_UNSUPPORTED, "encoding \"%s\" is not known here", from);
        glim_err_hint(err, "`iconv -l` lists the names");
        return rc;
    }
    char *in = (char *)(uintptr_t)bytes;
    size_t left = n;
    glim_status rc = GLIM_OK;
    char out[16384];
    while (rc == GLIM_OK && left > 0) {
        char *o = out;
        size_t room = sizeof out;
        size_t k = iconv(cd, &in, &left, &o, &room);
        int why = errno;
        glim_buf_append(own, out, sizeof out - room);
        if (own->len > max_bytes)
            rc = glim_fail(err, GLIM_E_LIMIT, "the text is longer than %llu bytes in UTF-8", (unsigned long long)max_bytes);
        else if (k == (size_t)-1 && why != E2BIG)
            rc = glim_fail(err, GLIM_E_FORMAT, "line %zu: byte 0x%02x at offset %zu is not %s text", lines_before(own->s, own->len),
                           (unsigned char)*in, n - left, from);
    }
    iconv_close(cd);
    return rc == GLIM_OK ? glim_buf_status(own, "a text in UTF-8", err) : rc;
}

static const char *guess_utf16(const char *s, size_t n) {
    if (n < 4 || n % 2) return NULL;
    size_t m = n < 4096 ? n : 4096, even = 0, odd = 0;
    for (size_t i = 0; i + 1 < m; i += 2) even += s[i] == 0, odd += s[i + 1] == 0;
    if (odd > m / 8 && even <= m / 64) return "UTF-16LE";
    if (even > m / 8 && odd <= m / 64) return "UTF-16BE";
    return NULL;
}

glim_status glim_text_decode(const char **out, size_t *n_out, glim_buf *own, const char **encoding, const char *bytes, size_t n,
                             const char *wanted, uint64_t max_bytes, glim_err *err) {
    const char *from = wanted;
    size_t skip = 0;
    if (n >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) skip = 3, from = from ? from : "UTF-8";
    else if (n >= 2 && memcmp(bytes, "\xff\xfe", 2) == 0) skip = 2, from = from ? from : "UTF-16LE";
    else if (n >= 2 && memcmp(bytes, "\xfe\xff", 2) == 0) skip = 2, from = from ? from : "UTF-16BE";
    if (wanted && strncasecmp(wanted, "utf", 3) != 0) skip = 0; /* no mark there: these are letters */
    bytes += skip;
    n -= skip;
    bool guessed = !from;
    if (!from) from = guess_utf16(bytes, n);
    if (!from || strcasecmp(from, "utf-8") == 0 || strcasecmp(from, "utf8") == 0) {
        if (glim_utf8_valid(bytes, n)) {
            *out = bytes;
            *n_out = n;
            *encoding = "utf-8";
            return GLIM_OK;
        }
        if (!guessed) {
            size_t i = 0;
            for (uint32_t c; i < n;) {
                int k = glim_utf8_next(bytes + i, n - i, &c);
                if (k <= 0) break;
                i += (size_t)k;
            }
            glim_status rc = glim_fail(err, GLIM_E_FORMAT, "line %zu: byte 0x%02x at offset %zu is not UTF-8", lines_before(bytes, i),
                                       (unsigned char)bytes[i], skip + i);
            glim_err_hint(err, "save the file as UTF-8, or name its encoding");
            return rc;
        }
        from = "GB18030";
    }
    glim_status rc = convert(own, bytes, n, from, max_bytes ? max_bytes : (uint64_t)1 << 30, err);
    if (rc == GLIM_E_FORMAT && guessed) {
        glim_err_context(err, "the text is not UTF-8, and read as %s", from);
        glim_err_hint(err, "save the file as UTF-8, or name its encoding");
    }
    if (rc != GLIM_OK) return rc;
    *out = glim_buf_cstr(own);
    *n_out = own->len;
    *encoding = strcmp(from, "GB18030") == 0 ? "gb18030" : strcmp(from, "UTF-16LE") == 0 ? "utf-16le"
              : strcmp(from, "UTF-16BE") == 0 ? "utf-16be" : from;
    return GLIM_OK;
}
