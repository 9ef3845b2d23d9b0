/* units.c - see units.h. */
#include "know/units.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"

const glim_currency glim_currencies[] = {
    {"元钱", NULL}, {"元", NULL}, {"块钱", NULL}, {"块", NULL},
    {"人民币", "cny"}, {"yuan", "cny"}, {"rmb", "cny"}, {"cny", "cny"}, {"¥", "cny"}, {"￥", "cny"},
    {"dollars", "usd"}, {"dollar", "usd"}, {"usd", "usd"}, {"us$", "usd"}, {"$", "usd"}, {"刀", "usd"}, {"美元", "usd"}, {"美金", "usd"},
    {"euros", "eur"}, {"euro", "eur"}, {"eur", "eur"}, {"€", "eur"}, {"欧元", "eur"},
    {"£", "gbp"}, {"gbp", "gbp"}, {"pounds", "gbp"}, {"pound", "gbp"}, {"quid", "gbp"}, {"英镑", "gbp"}, {"镑", "gbp"}, {"欧", "eur"}, {"bucks", "usd"},
};
const size_t glim_n_currencies = GLIM_COUNT(glim_currencies);

const char *glim_currency_of(const char *unit) {
    const size_t n = unit ? strcspn(unit, "/") : 0;
    for (size_t i = 0; n && i < glim_n_currencies; i++)
        if (strlen(glim_currencies[i].text) == n && strncasecmp(unit, glim_currencies[i].text, n) == 0) return glim_currencies[i].is || strncmp(unit, "元", n) != 0 ? glim_currencies[i].is : "cny";
    return NULL;
}

const glim_measure glim_measures[] = {
    {"克", "g", 1, false}, {"g", "g", 1, false}, {"grams", "g", 1, false}, {"千克", "g", 1000, false}, {"公斤", "g", 1000, false}, {"kg", "g", 1000, false},
    {"kilos", "g", 1000, false}, {"kilograms", "g", 1000, false}, {"斤", "g", 500, false},
    {"gb", "byte", 1, false}, {"tb", "byte", 1024, false},
    {"mah", "mah", 1, false}, {"毫安", "mah", 1, false}, {"毫安时", "mah", 1, false}, {"ah", "mah", 1000, false},
    {"英寸", "in", 1, false}, {"寸", "in", 1, false}, {"inch", "in", 1, false}, {"inches", "in", 1, false}, {"in", "in", 1, true},
    {"厘米", "in", 1 / 2.54, false}, {"公分", "in", 1 / 2.54, false}, {"cm", "in", 1 / 2.54, false}, {"毫米", "in", 1 / 25.4, false}, {"mm", "in", 1 / 25.4, false},
    {"米", "in", 100 / 2.54, false}, {"meters", "in", 100 / 2.54, false}, {"metres", "in", 100 / 2.54, false}, {"meter", "in", 100 / 2.54, false}, {"metre", "in", 100 / 2.54, false}, {"m", "in", 100 / 2.54, false}, {"feet", "in", 12, false},
    {"kilo", "g", 1000, false}, {"gram", "g", 1, false}, {"l", "ml", 1000, false}, {"liter", "ml", 1000, false}, {"litre", "ml", 1000, false}, {"liters", "ml", 1000, false}, {"litres", "ml", 1000, false}, {"cl", "ml", 10, false},
    {"天", "day", 1, false}, {"days", "day", 1, false}, {"day", "day", 1, false}, {"周", "day", 7, false}, {"星期", "day", 7, false}, {"weeks", "day", 7, false}, {"week", "day", 7, false},
    {"分钟", "minute", 1, false}, {"minutes", "minute", 1, false}, {"min", "minute", 1, true}, {"小时", "minute", 60, false}, {"hours", "minute", 60, false}, {"hour", "minute", 60, false}, {"h", "minute", 60, true},
    {"毫升", "ml", 1, false}, {"ml", "ml", 1, false}, {"升", "ml", 1000, false},
    {"瓦", "w", 1, false}, {"w", "w", 1, false},
    {"大卡", "kcal", 1, false}, {"千卡", "kcal", 1, false}, {"kcal", "kcal", 1, false}, {"calories", "kcal", 1, false},
    {"平米", "m2", 1, false}, {"平方米", "m2", 1, false}, {"平方", "m2", 1, false}, {"㎡", "m2", 1, false}, {"m2", "m2", 1, false}, {"m²", "m2", 1, false},  {"square metres", "m2", 1, false}, {"square meters", "m2", 1, false}, {"square metre", "m2", 1, false}, {"square meter", "m2", 1, false}, {"sqm", "m2", 1, false},
    {"个月", "month", 1, false}, {"months", "month", 1, false}, {"年", "month", 12, false}, {"years", "month", 12, false}, {"month", "month", 1, false}, {"year", "month", 12, false}, {"watts", "w", 1, false}, {"watt", "w", 1, false}, {"kw", "w", 1000, false}, {"hp", "hp", 1, false}, {"bhp", "hp", 1, false}, {"ps", "hp", 1, true}, {"马力", "hp", 1, false},
};
const size_t glim_n_measures = GLIM_COUNT(glim_measures);

int glim_measure_of(const char *unit) {
    for (size_t i = 0; unit && i < glim_n_measures; i++)
        if (strcasecmp(unit, glim_measures[i].text) == 0) return (int)i;
    return -1;
}

static size_t longest(const char *const *words, size_t n_words, const char *s, size_t n) {
    size_t best = 0;
    for (size_t i = 0; i < n_words; i++) {
        const size_t len = strlen(words[i]);
        const bool ends = (unsigned char)words[i][0] >= 0x80 || len >= n || !isalnum((unsigned char)s[len]);
        if (len <= n && len > best && ends && strncasecmp(s, words[i], len) == 0) best = len;
    }
    return best;
}

size_t glim_person_word(const char *s, size_t n) {
    static const char *const words[] = {"个人", "人", "位", "位客人", "口人", "个大人", "people", "persons", "guests", "adults"};
    return longest(words, GLIM_COUNT(words), s, n);
}

size_t glim_piece_word(const char *s, size_t n) {
    static const char *const words[] = {"款", "种", "道", "个", "份", "笼", "碗", "杯", "盘", "瓶", "台", "部", "件", "双", "套", "盒", "间", "portions of", "portion of", "orders of", "order of"};
    return longest(words, GLIM_COUNT(words), s, n);
}
