/* table_date.c - Excel's days and the formats that make a number one.
 *
 * Day 1 is 1900-01-01. Excel keeps a mistake of Lotus 1-2-3: day 60 is 1900-02-29, which never was, so days before it are
 * one behind the calendar. The 1904 calendar begins with day 0 = 1904-01-01. */
#include <math.h>
#include <string.h>
#include <strings.h>

#include "data/table_internal.h"

bool glim_date_format(int id, const char *code) {
    if (!code) return (id >= 14 && id <= 22) || (id >= 27 && id <= 36) || (id >= 45 && id <= 47) || (id >= 50 && id <= 58);
    /* Letters of dates outside quotes, escapes and [colours and conditions]; only the first section counts. */
    for (const char *p = code; *p && *p != ';'; p++) {
        if (*p == '"') {
            for (p++; *p && *p != '"'; p++) {}
            if (!*p) break;
        } else if (*p == '\\' || *p == '_' || *p == '*') {
            if (!*++p) break;
        } else if (*p == '[') {
            char c = (char)(p[1] | 32), e = p[1] ? p[2] : 0;
            if ((c == 'h' || c == 'm' || c == 's') && (e == ']' || (e | 32) == c)) return true; /* [h]:mm elapsed */
            for (; *p && *p != ']'; p++) {}
            if (!*p) break;
        } else if (strncasecmp(p, "general", 7) == 0) {
            p += 6;
        } else if (strchr("yYmMdDhHsS", *p)) {
            return true;
        }
    }
    return false;
}

/* Howard Hinnant's civil_from_days, for days since 1970-01-01 in years 1900 to 9999. */
static void civil(long z, int *y, int *m, int *d) {
    z += 719468;
    long era = z / 146097, doe = z - era * 146097;
    long yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    long doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    *d = (int)(doy - (153 * mp + 2) / 5 + 1);
    *m = (int)(mp < 10 ? mp + 3 : mp - 9);
    *y = (int)(yoe + era * 400 + (*m <= 2));
}

bool glim_date_put(glim_buf *out, double serial, bool calendar_1904) {
    if (!(serial >= 0) || serial >= 2958466) return false;
    double day = floor(serial);
    /* To the millisecond: Excel's own resolution. */
    long ms = lround((serial - day) * 86400000);
    if (ms >= 86400000) ms = 0, day += 1;
    bool date = day >= 1 || calendar_1904, time = ms != 0;
    if (date) {
        int y, m, d;
        long n = (long)day;
        if (!calendar_1904 && n == 60) y = 1900, m = 2, d = 29;
        else civil(calendar_1904 ? n - 24107 : n < 60 ? n - 25568 : n - 25569, &y, &m, &d);
        if (y > 9999) return false;
        glim_buf_printf(out, "%04d-%02d-%02d", y, m, d);
        if (time) glim_buf_putc(out, ' ');
    }
    if (time || !date) {
        glim_buf_printf(out, "%02ld:%02ld:%02ld", ms / 3600000, ms / 60000 % 60, ms / 1000 % 60);
        if (ms % 1000) glim_buf_printf(out, ".%03ld", ms % 1000);
    }
    return true;
}
