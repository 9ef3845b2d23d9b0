/* data_encoding.c - rows in the encodings of office programs (GB18030, Big5, windows-1252, UTF-16) as UTF-8.
 *
 * A file is turned as a whole or not at all. Where it is UTF-8 but for a few rows, those are bad rows like others: read_all() names them,
 * and --skip-bad leaves them out. */
#include <string.h>

#include "base/utf8.h"
#include "data/table.h"
#include "train/data_internal.h"

enum { WINDOW = 4 << 20 }; /* bytes that are looked at: a file of gigabytes is not read twice */

/* How many rows hold what is no UTF-8, where most of what is not ASCII is none. A row or two are no sign of another encoding. */
enum { NO_ROWS, SOME_ROWS, MOST_ROWS };
static int foreign_rows(const char *s, size_t n) {
    size_t n_rows = 0, n_bad_rows = 0, n_long = 0, n_bad = 0;
    const char *const end = s + (n < WINDOW ? n : WINDOW);
    for (const char *p = s, *next; p < end; p = next, n_rows++) {
        const char *line_end = memchr(p, '\n', (size_t)(end - p));
        if (!line_end && end < s + n && p > s) break; /* a row that the window cuts */
        next = line_end ? line_end + 1 : end;
        size_t row_long, row_bad;
        glim_utf8_count(p, (size_t)(next - p), &row_long, &row_bad);
        n_long += row_long, n_bad += row_bad, n_bad_rows += row_bad > 0;
    }
    if (n_bad == 0 || n_bad < n_long) return NO_ROWS;
    return 2 * n_bad_rows >= n_rows ? MOST_ROWS : n_bad_rows > 2 ? SOME_ROWS : NO_ROWS;
}

glim_status glim_data_utf8(const char *name, const char **text, size_t *len, glim_buf *own, const char **encoding, glim_err *err) {
    const char *s = *text;
    const size_t n = *len;
    *encoding = NULL;
    if (n >= 2 && memcmp(s, "\x1f\x8b", 2) == 0) {
        glim_fail(err, GLIM_E_FORMAT, "\"%s\" is compressed with gzip", name);
        glim_err_hint(err, "unpack it first: gunzip -k \"%s\"", name);
        return GLIM_E_FORMAT;
    }
    if (n >= 4 && memcmp(s, "PK\3\4", 4) == 0) {
        glim_fail(err, GLIM_E_FORMAT, "\"%s\" is a workbook or another packed file", name);
        glim_err_hint(err, "save the sheet with the rows as CSV");
        return GLIM_E_FORMAT;
    }
    const bool marked = n >= 2 && (memcmp(s, "\xff\xfe", 2) == 0 || memcmp(s, "\xfe\xff", 2) == 0);
    const int foreign = foreign_rows(s, n);
    if (!marked && !(n && memchr(s, 0, n < 4096 ? n : 4096)) && foreign == NO_ROWS) return GLIM_OK;
    glim_err why = {0};
    const glim_status rc = glim_table_utf8(own, encoding, s, n, NULL, &why);
    if (rc == GLIM_OK) {
        *text = glim_buf_cstr(own), *len = own->len;
    } else if (marked || foreign == MOST_ROWS || why.code == GLIM_E_NOMEM || why.code == GLIM_E_LIMIT) {
        if (err) *err = why;
        glim_err_context(err, "\"%s\"", name);
        return rc;
    } else *encoding = NULL; /* of no kind as a whole: its rows are looked at one by one */
    return GLIM_OK;
}
