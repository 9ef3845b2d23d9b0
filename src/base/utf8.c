/* utf8.c - see utf8.h. */
#include "base/utf8.h"

#include <utf8proc.h>

int glim_utf8_next(const char *str, size_t n, uint32_t *cp) {
    const unsigned char *s = (const unsigned char *)str;
    if (n == 0) return 0;
    unsigned c = s[0];
    if (c < 0x80) {
        *cp = c;
        return 1;
    }
    /* Unicode table 3-7: the second byte's range depends on the first, which is what excludes
     * overlongs, surrogates and values past U+10FFFF. */
    unsigned lo = 0x80, hi = 0xbf;
    int len;
    if (c >= 0xc2 && c <= 0xdf) len = 2;
    else if (c >= 0xe0 && c <= 0xef) {
        len = 3;
        if (c == 0xe0) lo = 0xa0;
        if (c == 0xed) hi = 0x9f;
    } else if (c >= 0xf0 && c <= 0xf4) {
        len = 4;
        if (c == 0xf0) lo = 0x90;
        if (c == 0xf4) hi = 0x8f;
    } else return 0;
    uint32_t v = len == 2 ? c & 0x1f : len == 3 ? c & 0x0f : c & 0x07;
    for (int i = 1; i < len; i++) {
        if ((size_t)i == n) return -1;
        if (s[i] < lo || s[i] > hi) return 0;
        v = v << 6 | (s[i] & 0x3f);
        lo = 0x80, hi = 0xbf;
    }
    *cp = v;
    return len;
}

int glim_utf8_put(char out[4], uint32_t cp) {
    if (cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff)) cp = 0xfffd;
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    if (cp < 0x800) {
        out[0] = (char)(0xc0 | cp >> 6);
        out[1] = (char)(0x80 | (cp & 0x3f));
        return 2;
    }
    if (cp < 0x10000) {
        out[0] = (char)(0xe0 | cp >> 12);
        out[1] = (char)(0x80 | (cp >> 6 & 0x3f));
        out[2] = (char)(0x80 | (cp & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | cp >> 18);
    out[1] = (char)(0x80 | (cp >> 12 & 0x3f));
    out[2] = (char)(0x80 | (cp >> 6 & 0x3f));
    out[3] = (char)(0x80 | (cp & 0x3f));
    return 4;
}

bool glim_utf8_valid(const char *s, size_t n) {
    uint32_t cp;
    for (size_t i = 0; i < n;) {
        int len = glim_utf8_next(s + i, n - i, &cp);
        if (len <= 0) return false;
        i += (size_t)len;
    }
    return true;
}

size_t glim_utf8_whole(const char *s, size_t n) {
    /* Only the last three bytes can begin a character that does not end. */
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        unsigned char c = (unsigned char)s[n - back];
        if (c < 0x80) return n;
        if (c < 0xc0) continue; /* continuation byte: look further back */
        uint32_t cp;
        return glim_utf8_next(s + n - back, back, &cp) == -1 ? n - back : n;
    }
    return n;
}

void glim_utf8_count(const char *s, size_t n, size_t *n_long, size_t *n_bad) {
    uint32_t c;
    *n_long = *n_bad = 0;
    for (size_t i = 0; i < n;) {
        const int k = glim_utf8_next(s + i, n - i, &c);
        if (k < 0) break;
        *n_long += k > 1, *n_bad += k == 0;
        i += k > 0 ? (size_t)k : 1;
    }
}

bool glim_utf8_foreign(const char *s, size_t n) {
    size_t n_long, n_bad;
    glim_utf8_count(s, n, &n_long, &n_bad);
    return n_bad > 0 && n_bad >= n_long && n_bad >= n / 200;
}

/* Length of the maximal subpart at s that Unicode (and Python) replaces by one U+FFFD. */
static size_t invalid_part(const char *s, size_t n) {
    uint32_t cp;
    size_t part = 1;
    /* The longest prefix that is still an unfinished beginning. */
    for (size_t k = 1; k <= 3 && k <= n; k++)
        if (glim_utf8_next(s, k, &cp) == -1) part = k;
    return part;
}

void glim_utf8_sanitize(glim_buf *out, const char *s, size_t n) {
    uint32_t cp;
    size_t start = 0, i = 0;
    while (i < n) {
        int len = glim_utf8_next(s + i, n - i, &cp);
        if (len > 0) {
            i += (size_t)len;
            continue;
        }
        glim_buf_append(out, s + start, i - start);
        glim_buf_append(out, "\xef\xbf\xbd", 3);
        i += invalid_part(s + i, n - i);
        start = i;
    }
    glim_buf_append(out, s + start, n - start);
}

int glim_utf8_width(uint32_t cp) {
    int w = utf8proc_charwidth((utf8proc_int32_t)cp);
    return w < 0 ? 0 : w;
}
