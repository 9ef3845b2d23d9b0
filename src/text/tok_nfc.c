/* tok_nfc.c - Unicode's normal form C, which Qwen's tokenizers apply first.
 *
 * The tables are utf8proc's. The order of marks is ours: utf8proc sorts a run of marks by insertion,
 * and a megabyte of marks, which a stranger may send, would take minutes. */
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/utf8.h"
#include "text/tok_internal.h"

/* Characters that NFC neither changes nor combines with: everything below U+0300, and the blocks of
 * ordinary Chinese and Japanese text. Others get the full treatment. */
static bool is_stable(uint32_t cp) {
    return cp < 0x300 || (cp >= 0x4e00 && cp <= 0x9fff) || (cp >= 0x3000 && cp <= 0x3029) ||
           (cp >= 0xff00 && cp <= 0xffef) || (cp >= 0x2010 && cp <= 0x2027);
}

/* Sorts each run of marks by combining class, equal classes in their order: a counting sort. */
static void order_marks(utf8proc_int32_t *cps, uint8_t *ccc, size_t n, utf8proc_int32_t *tmp) {
    for (size_t i = 0; i < n;) {
        size_t end = i;
        bool sorted = true;
        while (end < n && ccc[end] != 0) {
            sorted = sorted && (end == i || ccc[end - 1] <= ccc[end]);
            end++;
        }
        if (!sorted) {
            size_t start[257] = {0};
            for (size_t k = i; k < end; k++) start[ccc[k] + 1]++;
            for (size_t c = 1; c < 257; c++) start[c] += start[c - 1];
            for (size_t k = i; k < end; k++) tmp[start[ccc[k]]++] = cps[k];
            memcpy(cps + i, tmp, (end - i) * sizeof *cps);
        }
        i = end + 1;
    }
}

static glim_status compose(glim_buf *out, const char *text, size_t len, glim_err *err) {
    enum { MOST = 8 }; /* code points in one canonical decomposition: 4 by Unicode's promise */
    glim_status rc;
    void *cps = NULL, *tmp = NULL, *ccc = NULL;
    size_t n = 0, cap = len + len / 2 + MOST;
    if ((rc = glim_try_realloc(&cps, cap, sizeof(utf8proc_int32_t), "normalising text", err)) != GLIM_OK)
        goto done;
    for (size_t i = 0; i < len;) {
        uint32_t cp = 0;
        i += (size_t)glim_utf8_next(text + i, len - i, &cp);
        if (cap - n < MOST) {
            cap *= 2;
            rc = glim_try_realloc(&cps, cap, sizeof(utf8proc_int32_t), "normalising text", err);
            if (rc != GLIM_OK) goto done;
        }
        int last = 0;
        utf8proc_ssize_t k = utf8proc_decompose_char((utf8proc_int32_t)cp, (utf8proc_int32_t *)cps + n, MOST,
                                                     UTF8PROC_DECOMPOSE | UTF8PROC_STABLE, &last);
        GLIM_ASSERT(k >= 0 && k <= MOST);
        n += (size_t)k;
    }
    if ((rc = glim_try_realloc(&tmp, n + 1, sizeof(utf8proc_int32_t), "normalising text", err)) != GLIM_OK)
        goto done;
    if ((rc = glim_try_realloc(&ccc, n + 1, 1, "normalising text", err)) != GLIM_OK) goto done;
    utf8proc_int32_t *v = cps;
    for (size_t i = 0; i < n; i++) ((uint8_t *)ccc)[i] = (uint8_t)utf8proc_get_property(v[i])->combining_class;
    order_marks(v, ccc, n, tmp);
    utf8proc_ssize_t left =
        utf8proc_normalize_utf32(v, (utf8proc_ssize_t)n, UTF8PROC_COMPOSE | UTF8PROC_STABLE);
    size_t total = 0;
    char c[4];
    for (utf8proc_ssize_t i = 0; i < left; i++) total += (size_t)glim_utf8_put(c, (uint32_t)v[i]);
    glim_buf_reserve(out, total);
    for (utf8proc_ssize_t i = 0; i < left; i++)
        glim_buf_append(out, c, (size_t)glim_utf8_put(c, (uint32_t)v[i]));
    rc = glim_buf_status(out, "text", err);
done:
    free(cps);
    free(tmp);
    free(ccc);
    return rc;
}

glim_status glim_tok_nfc(glim_buf *out, const char *text, size_t len, glim_err *err) {
    bool stable = true;
    for (size_t i = 0; i < len && stable;) {
        uint32_t cp = 0;
        i += (size_t)glim_utf8_next(text + i, len - i, &cp);
        stable = is_stable(cp);
    }
    if (!stable) return compose(out, text, len, err);
    glim_buf_append(out, text, len);
    return glim_buf_status(out, "text", err);
}
