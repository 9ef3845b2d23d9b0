/* prose.c - see prose.h. */
#include "know/prose.h"

#include <ctype.h>
#include <string.h>

#include "base/alloc.h"

static bool ends_with(const char *text, const char *at, const char *w) {
    const size_t n = strlen(w);
    return (size_t)(at - text) >= n && memcmp(at - n, w, n) == 0 && !(isalpha((unsigned char)w[0]) && (size_t)(at - text) > n && isalnum((unsigned char)at[-(ptrdiff_t)n - 1]));
}

/* Does a no end at `at`, or one before words that say nothing: "不加", "no added "? */
static bool no_before(const char *text, const char *at) {
    static const char *const over[] = {"加", "放", "含", "用", "带", "有", "添", "任何", "额外", "使用", "添加", "added ", "any ", "a ", "of ", "use ", "uses ", "using ", "contain ", "contains ", "with "};
    static const char *const no[] = {"不", "无", "没", "非", "免", "零", "no ", "not ", "without ", "never ", "free ", "non-", "zero "};
    for (int step = 0; step < 4; step++) {
        for (size_t i = 0; i < GLIM_COUNT(no); i++)
            if (ends_with(text, at, no[i])) return true;
        size_t n = 0;
        for (size_t i = 0; i < GLIM_COUNT(over); i++)
            if (strlen(over[i]) > n && ends_with(text, at, over[i])) n = strlen(over[i]);
        if (n == 0) return false;
        at -= n;
    }
    return false;
}

glim_prose glim_prose_of(const char *text, const char *word) {
    const size_t n = strlen(word);
    glim_prose of = GLIM_PROSE_SILENT;
    if (n == 0) return of;
    for (const char *p = text; (p = strstr(p, word)) != NULL; p += n) {
        const bool latin = isalnum((unsigned char)word[0]) != 0;
        if (latin && ((p > text && isalnum((unsigned char)p[-1])) || isalnum((unsigned char)p[n]))) continue;
        const bool behind = strncmp(p + n, "-free", 5) == 0 || strncmp(p + n, " free", 5) == 0;
        if (!behind && !no_before(text, p)) return GLIM_PROSE_SAYS;
        of = GLIM_PROSE_DENIES;
    }
    return of;
}

bool glim_prose_has_time(const char *text) {
    for (const char *p = text; *p; p++) {
        if (!isdigit((unsigned char)*p) || (p > text && isdigit((unsigned char)p[-1]))) continue;
        const size_t n = strspn(p, "0123456789");
        const char *q = p + n;
        if (n <= 2 && ((*q == ':' && isdigit((unsigned char)q[1]) && isdigit((unsigned char)q[2])) || strncmp(q, "：", 3) == 0 || strncmp(q, "点", 3) == 0)) return true;
        q += *q == ' ';
        if (n <= 2 && (strncmp(q, "am", 2) == 0 || strncmp(q, "pm", 2) == 0 || strncmp(q, "a.m", 3) == 0 || strncmp(q, "p.m", 3) == 0) && !isalpha((unsigned char)q[2])) return true;
    }
    return strstr(text, "24小时") || strstr(text, "24 hours") || strstr(text, "around the clock");
}
