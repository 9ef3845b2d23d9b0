/* data_rows.c - a file's bytes to rows: lines, or the items of one JSON array.
 *
 * An array's items are found by their brackets and strings alone; whether an item is JSON is for its reader, so one
 * bad item does not hide the others. */
#include <stdbool.h>
#include <string.h>

#include "train/data_rows.h"

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

static glim_status each_line(const char *s, size_t n, glim_row_fn fn, void *ctx, glim_err *err) {
    size_t line = 1;
    for (size_t at = 0; at < n; line++) {
        const char *nl = memchr(s + at, '\n', n - at);
        size_t end = nl ? (size_t)(nl - s) : n, a = at, b = end;
        while (a < b && is_blank(s[a])) a++;
        while (b > a && is_blank(s[b - 1])) b--;
        if (b > a) {
            glim_status rc = fn(ctx, line, s + a, b - a, err);
            if (rc != GLIM_OK) return rc;
        }
        at = end + 1;
    }
    return GLIM_OK;
}

/* s[*at] is behind '[' or ','. Ends an item at the ',' or ']' of the array's own level. */
static glim_status each_item(const char *s, size_t n, size_t at, size_t line, glim_row_fn fn, void *ctx, glim_err *err) {
    bool any = false;
    for (;;) {
        while (at < n && is_blank(s[at])) line += s[at++] == '\n';
        size_t begin = at, first_line = line, depth = 0;
        bool in_string = false;
        for (; at < n; at++) {
            char c = s[at];
            line += c == '\n';
            if (in_string) {
                if (c == '\\' && at + 1 < n) line += s[++at] == '\n';
                else if (c == '"') in_string = false;
            } else if (c == '"') in_string = true;
            else if (c == '[' || c == '{') depth++;
            else if ((c == ']' || c == '}') && depth) depth--;
            else if (depth == 0 && (c == ',' || c == ']')) break;
        }
        if (at == n)
            return glim_fail(err, GLIM_E_FORMAT, "line %zu: the array is not closed, want \"]\" at the end of the file", first_line);
        size_t end = at;
        while (end > begin && is_blank(s[end - 1])) end--;
        bool last = s[at++] == ']';
        if (end > begin || !last || any) { /* "[]" alone has no item; "[1,]" has a second that is empty */
            glim_status rc = fn(ctx, first_line, s + begin, end - begin, err);
            if (rc != GLIM_OK) return rc;
        }
        any = true;
        if (!last) continue;
        while (at < n && is_blank(s[at])) line += s[at++] == '\n';
        return at == n ? GLIM_OK : glim_fail(err, GLIM_E_FORMAT, "line %zu: something follows the end of the array", line);
    }
}

glim_status glim_rows_each(const char *text, size_t len, glim_row_fn fn, void *ctx, glim_err *err) {
    size_t at = len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0, begin = at, line = 1;
    while (at < len && is_blank(text[at])) line += text[at++] == '\n';
    if (at < len && text[at] == '[') return each_item(text, len, at + 1, line, fn, ctx, err);
    return each_line(text + begin, len - begin, fn, ctx, err);
}
