/* shop_rent.c - a rent is of a period: what a table asks for a month is no answer to what a day costs.
 *
 * Two things are left open by a question and a heading each: "Rental price" says of no period, and "the rental price" of a table with a rent per day
 * and one per month is of either. */
#include <ctype.h>
#include <string.h>

#include "app/shop_internal.h"

static bool has_any(const char *s, const char *const *words, size_t n) {
    for (size_t i = 0; i < n; i++)
        for (const char *at = s; (at = strcasestr(at, words[i])) != NULL; at++) {
            const char *end = at + strlen(words[i]);
            if ((unsigned char)words[i][0] >= 0x80) return true;
            if ((at == s || !isalnum((unsigned char)at[-1])) && !isalnum((unsigned char)*end)) return true;
        }
    return false;
}

static bool rent(const glim_lib_col *c) {
    static const char *const words[] = {"租金", "日租", "周租", "月租", "rent", "rental"};
    return c->number && c->type != GLIM_LIB_HIDDEN && (c->type == GLIM_LIB_PRICE || c->unit_zh || c->unit_en) && has_any(c->column, words, GLIM_COUNT(words));
}

static bool says_period(const char *s) {
    static const char *const words[] = {"日租", "天租", "周租", "月租", "年租", "时租", "一天", "每天", "每日", "一周", "每周", "一星期", "每星期", "一个月", "每月", "每个月", "一晚", "每晚", "一小时", "每小时", "一年", "每年", "/天", "/日", "/周", "/月", "/年", "/晚", "/小时", "按天", "按周", "按月",
        "per day", "a day", "one day", "each day", "daily", "day", "per week", "a week", "weekly", "week", "per month", "a month", "monthly", "month", "per hour", "an hour", "hourly", "hour", "per night", "a night", "nightly", "night", "per year", "a year", "yearly", "year", "pw", "pcm", "weekend"};
    return has_any(s, words, GLIM_COUNT(words));
}

bool glim_shop_rents(const glim_lib *l, glim_filter *f, const char *folded) {
    static const char *const of_either[] = {"租金", "rental price", "rental cost", "rental fee", "rental"};
    int rents[GLIM_FILTER_ASKS];
    size_t n = 0;
    bool none = false, used = f->mean;
    for (size_t c = 0; c < l->n_own && n < GLIM_COUNT(rents); c++) {
        if (!rent(&l->col[c])) continue;
        rents[n++] = (int)c;
        none |= !says_period(l->col[c].column) && !(l->col[c].unit_zh && strchr(l->col[c].unit_zh, '/')) && !(l->col[c].unit_en && strchr(l->col[c].unit_en, '/'));
        used |= f->sort == (int)c;
        for (size_t i = 0; i < f->n_cond; i++) used |= f->cond[i].col == (int)c;
    }
    bool asks = false;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < f->n_ask; k++) asks |= f->ask[k] == rents[i];
    if (n == 1) return none && (asks || used) && says_period(folded);
    if (n < 2 || says_period(folded) || !(asks || used) || !has_any(folded, of_either, GLIM_COUNT(of_either))) return false;
    if (used) return true;
    for (size_t i = 0; i < n; i++) { /* all of them are said, each by its name */
        bool had = false;
        for (size_t k = 0; k < f->n_ask; k++) had |= f->ask[k] == rents[i];
        if (!had && f->n_ask < GLIM_FILTER_ASKS) f->ask[f->n_ask++] = rents[i];
    }
    return false;
}
