/* days.c - see days.h. */
#include "store/days.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const int64_t day_s = 86400;

void glim_day_civil(int64_t day, int64_t *year, int *month, int *mday) {
    struct tm tm;
    time_t t = (time_t)(day * day_s);
    if (!gmtime_r(&t, &tm)) tm = (struct tm){.tm_year = 70, .tm_mday = 1};
    *year = tm.tm_year + 1900;
    *month = tm.tm_mon + 1;
    *mday = tm.tm_mday;
}

int64_t glim_day_of(int64_t year, int month, int mday) {
    struct tm tm = {.tm_year = (int)(year - 1900), .tm_mon = month - 1, .tm_mday = mday};
    return (int64_t)timegm(&tm) / day_s;
}

const char *glim_day_text(char buf[16], int64_t day) {
    int64_t year;
    int month, mday;
    glim_day_civil(day, &year, &month, &mday);
    snprintf(buf, 16, "%04d-%02d-%02d", (int)(year % 10000), month, mday);
    return buf;
}

glim_status glim_day_parse(int64_t *day, bool *is_month, const char *text, const char *what, glim_err *err) {
    size_t n = strlen(text);
    bool ok = n == 7 || n == 10;
    for (size_t i = 0; i < n && ok; i++) ok = i == 4 || i == 7 ? text[i] == '-' : text[i] >= '0' && text[i] <= '9';
    if (ok) {
        int year = 0, month = (text[5] - '0') * 10 + text[6] - '0', mday = n == 10 ? (text[8] - '0') * 10 + text[9] - '0' : 1;
        for (int i = 0; i < 4; i++) year = year * 10 + text[i] - '0';
        ok = year >= 1970 && month >= 1 && month <= 12 && mday >= 1;
        if (ok) {
            int64_t y;
            int m, d;
            *day = glim_day_of(year, month, mday);
            *is_month = n == 7;
            glim_day_civil(*day, &y, &m, &d); /* 2026-02-30 comes back as another day */
            ok = y == year && m == month && d == mday;
        }
    }
    return ok ? GLIM_OK : glim_fail(err, GLIM_E_ARG, "%s: got \"%.40s\", want a day such as 2026-03-01 or a month such as 2026-03", what, text);
}

int64_t glim_day_next_month(int64_t day) {
    int64_t year;
    int month, mday;
    glim_day_civil(day, &year, &month, &mday);
    return month == 12 ? glim_day_of(year + 1, 1, 1) : glim_day_of(year, month + 1, 1);
}

const char *glim_time_text(char buf[32], int64_t time_us) {
    int64_t s = time_us / 1000000;
    struct tm tm;
    time_t t = (time_t)s;
    if (time_us % 1000000 < 0) t--;
    if (!gmtime_r(&t, &tm)) tm = (struct tm){.tm_year = 70, .tm_mday = 1};
    if (strftime(buf, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0) buf[0] = 0;
    return buf;
}
