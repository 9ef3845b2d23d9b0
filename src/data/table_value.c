/* table_value.c - numbers, sums of money, dates and yes or no, as people write them into tables. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/table_schema.h"

/* Trims blanks, also the wide one; the copy is NUL-ended. False where it is longer than any value of these kinds. */
static bool trimmed(char out[64], const char *s) {
    for (;;) {
        if (isspace((unsigned char)*s)) s++;
        else if (strncmp(s, "\u3000", 3) == 0) s += 3;
        else break;
    }
    size_t n = strlen(s);
    while (n > 0 && isspace((unsigned char)s[n - 1])) n--;
    if (n == 0 || n > 63) return false;
    memcpy(out, s, n);
    out[n] = 0;
    return true;
}

/* Digits with commas between groups of three, one point, an exponent; the whole of s. */
static bool plain_number(const char *s, double *v) {
    char clean[64];
    size_t n = 0, group = 0;
    bool comma = false, point = false, digit = false;
    const char *p = s;
    if (*p == '+' || *p == '-') clean[n++] = *p++;
    for (; *p; p++) {
        if (isdigit((unsigned char)*p)) {
            digit = true;
            group++;
            clean[n++] = *p;
        } else if (*p == ',' && !point) {
            if (comma ? group != 3 : group == 0 || group > 3) return false;
            comma = true;
            group = 0;
        } else if (*p == '.' && !point) {
            if (comma && group != 3) return false;
            point = true;
            clean[n++] = '.';
        } else if ((*p == 'e' || *p == 'E') && digit) {
            if (p[1] != '+' && p[1] != '-' && !isdigit((unsigned char)p[1])) return false;
            for (; *p; p++) clean[n++] = *p;
            break;
        } else {
            return false;
        }
    }
    if (!digit || (comma && !point && group != 3)) return false;
    clean[n] = 0;
    char *end;
    *v = strtod(clean, &end);
    return *end == 0 && isfinite(*v);
}

bool glim_value_number(const char *s, double *v) {
    char t[64];
    if (!trimmed(t, s)) return false;
    size_t n = strlen(t);
    bool percent = n > 1 && t[n - 1] == '%';
    if (percent) t[n - 1] = 0;
    if (!plain_number(t, v)) return false;
    if (percent) *v /= 100;
    return true;
}

bool glim_value_money(const char *s, double *v, char currency[8]) {
    static const char *const signs[] = {"¥", "￥", "$", "€", "£", "US$", "HK$", "NT$", "CNY", "RMB", "USD", "EUR", "GBP", "JPY", "HKD", "元", "块", "美元", "欧元", "人民币"};
    char t[64];
    if (!trimmed(t, s)) return false;
    bool minus = t[0] == '-' && !isdigit((unsigned char)t[1]);
    char *p = t + minus;
    size_t n = strlen(p), best = 0;
    const char *sign = NULL;
    bool before = false;
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        size_t k = strlen(signs[i]);
        if (k >= n || k <= best) continue;
        if (strncasecmp(p, signs[i], k) == 0) best = k, sign = signs[i], before = true;
        else if (strcasecmp(p + n - k, signs[i]) == 0) best = k, sign = signs[i], before = false;
    }
    if (!sign) return false;
    char number[64];
    snprintf(number, sizeof number, "%.*s", (int)(n - best), before ? p + best : p);
    if (!trimmed(t, number) || !plain_number(t, v)) return false;
    if (minus) *v = -*v;
    snprintf(currency, 8, "%s", strcmp(sign, "￥") == 0 || strcmp(sign, "元") == 0 || strcmp(sign, "块") == 0 ? "¥" : sign);
    return true;
}

bool glim_value_date(const char *s, char iso[32]) {
    char t[64];
    if (!trimmed(t, s)) return false;
    int y = 0, m = 0, d = 0, hh = 0, mm = 0, at = 0;
    double ss = 0;
    bool ok = strspn(t, "0123456789") == 4 && (strchr("-/.", t[4]) || strncmp(t + 4, "年", 3) == 0) && /* most figures of a table are none, and four scans of each are dear */
              ((sscanf(t, "%4d-%2d-%2d%n", &y, &m, &d, &at) == 3 && at > 0) || (sscanf(t, "%4d/%2d/%2d%n", &y, &m, &d, &at) == 3 && at > 0) ||
               (sscanf(t, "%4d.%2d.%2d%n", &y, &m, &d, &at) == 3 && at > 0) || (sscanf(t, "%4d年%2d月%2d日%n", &y, &m, &d, &at) == 3 && at > 0));
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    if (!ok || y < 1000 || m < 1 || m > 12 || d < 1 || d > days[m - 1] + (m == 2 && leap)) return false;
    const char *rest = t + at;
    if (!*rest) {
        snprintf(iso, 32, "%04d-%02d-%02d", y, m, d);
        return true;
    }
    int end = 0;
    if (*rest != ' ' && *rest != 'T') return false;
    if (sscanf(rest + 1, "%2d:%2d%n", &hh, &mm, &end) != 2 || end == 0 || hh < 0 || hh > 23 || mm < 0 || mm > 59) return false;
    rest += 1 + end;
    if (*rest == ':') {
        end = 0;
        if (!isdigit((unsigned char)rest[1]) || sscanf(rest + 1, "%6lf%n", &ss, &end) != 1 || ss < 0 || ss >= 60 || rest[1 + end]) return false;
    } else if (*rest) {
        return false;
    }
    snprintf(iso, 32, "%04d-%02d-%02d %02d:%02d:%02d", y, m, d, hh, mm, (int)ss);
    return true;
}

bool glim_value_bool(const char *s, bool *v) {
    static const char *const yes[] = {"true", "yes", "y", "是", "有", "√", "支持", "✓", "✔", "ja", "oui", "可", "☑"}, *const no[] = {"false", "no", "n", "否", "无", "×", "不支持", "✗", "✘", "nein", "non", "不可", "☐"};
    char t[64];
    if (!trimmed(t, s) || strlen(t) > 9) return false; /* "不支持" is the longest of them */
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        if (strcasecmp(t, yes[i]) == 0) return *v = true, true;
        if (strcasecmp(t, no[i]) == 0) return *v = false, true;
    }
    return false;
}
