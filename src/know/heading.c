/* heading.c - see heading.h. */
#include "know/heading.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "know/filter_words.h"
#include "know/terms.h"
#include "know/units.h"

enum { HEADING = 256 };

/* Units that are said in another way in the other language. */
static const char *const pairs[][2] = {{"天", "days"}, {"天", "day"}, {"周", "weeks"}, {"个月", "months"}, {"个月", "month"}, {"月", "months"}, {"年", "years"}, {"年", "year"}, {"小时", "hours"}, {"小时", "h"}, {"分钟", "minutes"}, {"分钟", "min"},
                                       {"页", "pages"}, {"件", "pieces"}, {"件", "pcs"}, {"克", "g"}, {"千克", "kg"}, {"公斤", "kg"}, {"米", "m"}, {"厘米", "cm"}, {"毫米", "mm"}, {"英寸", "inches"}, {"升", "L"}, {"毫升", "ml"}, {"瓦", "W"}};
static const char *const plain[] = {"%", "% vol", "vol%", "vol.%", "°c", "℃", "l", "m", "km", "mg", "v", "a", "hz", "db", "oz", "lb", "lbs", "pounds", "ft", "支", "个", "只", "条", "张", "瓶", "盒", "包", "袋", "罐", "台", "套", "本", "份", "杯", "斤", "度", "岁"};

static bool in_plain(const char *s) {
    for (size_t i = 0; i < GLIM_COUNT(plain); i++)
        if (strcasecmp(s, plain[i]) == 0) return true;
    return false;
}

static const char *currency(const char *s) {
    static const char *const signs[][2] = {{"eur", "€"}, {"euro", "€"}, {"euros", "€"}, {"€", "€"}, {"欧元", "€"}, {"usd", "$"}, {"$", "$"}, {"us$", "$"}, {"dollars", "$"}, {"dollar", "$"}, {"美元", "$"}, {"gbp", "£"}, {"£", "£"}, {"英镑", "£"},
                                           {"cny", "¥"}, {"rmb", "¥"}, {"yuan", "¥"}, {"¥", "¥"}, {"￥", "¥"}, {"元", "¥"}, {"人民币", "¥"}, {"chf", "CHF"}, {"hkd", "HKD"}, {"jpy", "JPY"}, {"sgd", "SGD"}, {"aud", "AUD"}, {"cad", "CAD"}, {"inr", "INR"}, {"港币", "HKD"}, {"日元", "JPY"}};
    for (size_t i = 0; i < GLIM_COUNT(signs); i++)
        if (strcasecmp(s, signs[i][0]) == 0) return signs[i][1];
    return NULL;
}

/* Takes the unit into h; loose: where only what cannot be another word counts, as at the end of "Price €". */
static bool take_unit(glim_heading *h, const char *s, bool loose) {
    const char *money = currency(s);
    if (money) {
        snprintf(h->currency, sizeof h->currency, "%s", money);
        return true;
    }
    const bool word = isalpha((unsigned char)s[0]) != 0;
    if (loose && word && (strlen(s) < 2 || strlen(s) > 3 || strcasecmp(s, "in") == 0 || strcasecmp(s, "min") == 0)) return false;
    const char *zh = NULL, *en = NULL;
    for (size_t i = 0; i < GLIM_COUNT(pairs) && !zh; i++)
        if (strcasecmp(s, pairs[i][0]) == 0 || strcasecmp(s, pairs[i][1]) == 0) zh = pairs[i][0], en = pairs[i][1];
    if (zh) { /* as the heading writes it in its own language */
        if (strcmp(zh, "月") == 0) zh = "个月";
        h->unit_zh = glim_xstrdup((unsigned char)s[0] < 0x80 && strlen(s) < 3 ? s : zh);
        h->unit_en = glim_xstrdup((unsigned char)s[0] < 0x80 ? s : en);
        return true;
    }
    if (glim_measure_of(s) < 0 && !in_plain(s)) return false;
    h->unit_zh = glim_xstrdup(s);
    h->unit_en = glim_xstrdup(s);
    return true;
}

static void trim(char *s) {
    size_t n = strlen(s), from = strspn(s, " ");
    while (n > from && strchr(" ,/:-", s[n - 1])) n--;
    memmove(s, s + from, n - from);
    s[n - from] = 0;
}

static bool cjk_at(const char *s) {
    uint32_t cp;
    return *s && glim_utf8_next(s, strlen(s), &cp) > 0 && glim_term_is_cjk(cp);
}

static bool has_cjk(const char *s) {
    for (; *s; s++)
        if (((unsigned char)*s & 0xc0) != 0x80 && cjk_at(s)) return true;
    return false;
}

/* "Weight (kg)", "单价（元）", "Weight [kg]" lose what is in brackets if that is a unit. */
static bool bracketed(glim_heading *h, char *s) {
    static const char *const open[] = {"(", "（", "["}, *const end[] = {")", "）", "]"};
    for (size_t i = 0; i < GLIM_COUNT(open); i++) {
        char *a = strstr(s, open[i]), *e = a ? strstr(a, end[i]) : NULL;
        if (!e) continue;
        char unit[32];
        const char *from = a + strlen(open[i]);
        if (strncasecmp(from, "in ", 3) == 0) from += 3;
        if ((size_t)(e - from) >= sizeof unit) continue;
        snprintf(unit, sizeof unit, "%.*s", (int)(e - from), from);
        trim(unit);
        if (!*unit || !take_unit(h, unit, false)) continue;
        memmove(a, e + strlen(end[i]), strlen(e + strlen(end[i])) + 1);
        return true;
    }
    return false;
}

/* "Price €", "Weight in kg", "重量/kg", "重量kg". */
static void trailing(glim_heading *h, char *s) {
    size_t n = strlen(s), at = n;
    while (at > 0 && s[at - 1] != ' ' && s[at - 1] != '/' && s[at - 1] != ',' && !(at < n && (unsigned char)s[at] < 0x80 && (unsigned char)s[at - 1] >= 0x80 && isalpha((unsigned char)s[at]))) at--;
    if (at == 0 || at == n || !take_unit(h, s + at, s[at - 1] != '/')) return;
    s[at] = 0;
    trim(s);
    n = strlen(s);
    if (n > 3 && strcasecmp(s + n - 3, " in") == 0) s[n - 3] = 0;
}

static bool means_something(const char *s) {
    char f[HEADING];
    size_t n = 0;
    for (; s[n] && n + 1 < sizeof f; n++) f[n] = (char)tolower((unsigned char)s[n]);
    f[n] = 0;
    return glim_concept_of(f) >= 0 || strcmp(f, "available") == 0 || strcmp(f, "notes") == 0;
}

/* "Gewicht / Weight", "价格 Price": two words for it. Of two in Latin letters the one that is known in English is the English one. */
static void two_words(glim_heading *h, char *s) {
    char *cut = strstr(s, "/"), *b = NULL;
    if (cut) {
        *cut = 0;
        b = cut + 1;
    } else {
        for (char *p = s; *p && !b; p++)
            if (*p == ' ' && has_cjk(s) && cjk_at(s) != cjk_at(p + 1) && strlen(p + 1) > 2 && !(isalpha((unsigned char)p[1]) && has_cjk(p + 1))) *p = 0, b = p + 1;
    }
    if (!b) return;
    trim(s);
    trim(b);
    if (!*s || !*b) {
        if (cut) *cut = '/';
        return;
    }
    char *first = s;
    if (has_cjk(b) && !has_cjk(s)) first = b, b = s;
    if (has_cjk(first)) {
        h->zh = glim_xstrdup(first);
        if (!has_cjk(b)) h->en = glim_xstrdup(b);
        else h->also = glim_xstrdup(b);
        return;
    }
    const bool second = means_something(b) && !means_something(first); /* neither: the first one */
    h->en = glim_xstrdup(second ? b : first);
    h->also = glim_xstrdup(second ? first : b);
}

void glim_heading_read(glim_heading *h, const char *heading) {
    char s[HEADING];
    *h = (glim_heading){0};
    if (strlen(heading) >= sizeof s) return;
    snprintf(s, sizeof s, "%s", heading);
    for (char *p = s; *p; p++)
        if (*p == '_') *p = ' ';
    trim(s);
    if (!bracketed(h, s)) trailing(h, s);
    trim(s);
    if (!*s) return;
    two_words(h, s);
    if (!h->zh && !h->en && strcmp(s, heading) != 0 && (h->unit_en || h->currency[0])) {
        if (has_cjk(s)) h->zh = glim_xstrdup(s);
        else h->en = glim_xstrdup(s);
    }
}

void glim_heading_deinit(glim_heading *h) {
    free(h->zh);
    free(h->en);
    free(h->also);
    free(h->unit_zh);
    free(h->unit_en);
    *h = (glim_heading){0};
}
