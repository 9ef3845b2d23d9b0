/* shop_rent.c - a rent is of a period: what a table asks for a month is no answer to what a day costs.
 *
 * Two things are left open by a question and a heading each: "Rental price" says of no period, and "the rental price" of a table with a rent per day
 * and one per month is of either. */
#include <ctype.h>
#include <string.h>

#include "app/shop_internal.h"

/* "This week" is a date, and "not a week", "不按周" is no week: what stands before `at`. */
static bool turned(const char *s, const char *at) {
    static const char *const words[] = {"this", "next", "last", "coming", "following", "that", "not", "no", "which", "what"}, *const zh[] = {"不", "非", "这", "下", "上", "本", "不按"};
    for (size_t i = 0; i < GLIM_COUNT(zh); i++)
        if ((size_t)(at - s) >= strlen(zh[i]) && memcmp(at - strlen(zh[i]), zh[i], strlen(zh[i])) == 0) return true;
    const char *end = at;
    while (end > s && end[-1] == ' ') end--;
    const char *from = end;
    while (from > s && isalnum((unsigned char)from[-1])) from--;
    for (size_t i = 0; i < GLIM_COUNT(words); i++)
        if (strlen(words[i]) == (size_t)(end - from) && strncasecmp(words[i], from, (size_t)(end - from)) == 0) return true;
    return false;
}

static bool has_any(const char *s, const char *const *words, size_t n) {
    for (size_t i = 0; i < n; i++)
        for (const char *at = s; (at = strcasestr(at, words[i])) != NULL; at++) {
            const char *end = at + strlen(words[i]);
            if (turned(s, at)) continue;
            if ((unsigned char)words[i][0] >= 0x80) return true;
            if ((at == s || !isalnum((unsigned char)at[-1])) && !isalnum((unsigned char)*end)) return true;
        }
    return false;
}

/* A bit for each period that the text says; 0 where it says none. */
static unsigned periods(const char *s) {
    static const char *const words[][14] = {
        {"日租", "天租", "一天", "每天", "每日", "/天", "/日", "按天", "per day", "a day", "one day", "each day", "daily", "day"},
        {"周租", "一周", "每周", "一星期", "每星期", "/周", "按周", "per week", "a week", "weekly", "week"},
        {"月租", "一个月", "每月", "每个月", "/月", "按月", "per month", "a month", "monthly", "month", "pcm"},
        {"时租", "一小时", "每小时", "/小时", "按小时", "hour", "hourly"},
        {"一晚", "每晚", "/晚", "night", "nightly"},
        {"年租", "一年", "每年", "/年", "按年", "year", "yearly"},
    };
    unsigned bits = 0;
    for (size_t i = 0; i < GLIM_COUNT(words); i++) {
        size_t n = 0;
        while (n < GLIM_COUNT(words[i]) && words[i][n]) n++;
        bits |= (unsigned)has_any(s, words[i], n) << i;
    }
    return bits;
}

static unsigned period_of(const glim_lib_col *c) { return periods(c->column) | (c->unit_zh ? periods(c->unit_zh) : 0) | (c->unit_en ? periods(c->unit_en) : 0); }

static bool rent(const glim_lib_col *c) {
    static const char *const words[] = {"租金", "日租", "周租", "月租", "rent", "rental"};
    if (!c->number || c->type == GLIM_LIB_HIDDEN) return false;
    return has_any(c->column, words, GLIM_COUNT(words)) ? c->type == GLIM_LIB_PRICE || c->unit_zh || c->unit_en : c->type == GLIM_LIB_PRICE && period_of(c);
}

bool glim_shop_rents(const glim_lib *l, glim_filter *f, const char *folded) {
    static const char *const of_either[] = {"租金", "rental price", "rental cost", "rental fee", "rental"};
    const unsigned said = periods(folded);
    int rents[GLIM_FILTER_ASKS], right = -1;
    size_t n = 0, n_right = 0;
    bool used = f->mean, asks = false, asks_right = false;
    for (size_t c = 0; c < l->n_own && n < GLIM_COUNT(rents); c++) {
        if (!rent(&l->col[c])) continue;
        const unsigned own = period_of(&l->col[c]);
        rents[n++] = (int)c;
        bool compared = f->sort == (int)c;
        for (size_t i = 0; i < f->n_cond; i++) compared |= f->cond[i].col == (int)c;
        if (compared && said && !(said & own)) return true; /* "under 250 euros a week" of a rent per day */
        used |= compared;
        for (size_t k = 0; k < f->n_ask; k++) {
            if (f->ask[k] != (int)c) continue;
            asks = true;
            asks_right |= (said & own) != 0;
            if (said && !own) return true;
        }
        if (said & own) right = (int)c, n_right++;
    }
    if (n < 2 || !(asks || used)) return false;
    if (said) { /* "how much is it per week" beside a rent per day */
        if (!asks || asks_right || n_right != 1) return false;
        size_t kept = 0;
        for (size_t k = 0; k < f->n_ask; k++) {
            bool other = false;
            for (size_t i = 0; i < n; i++) other |= f->ask[k] == rents[i];
            if (!other) f->ask[kept++] = f->ask[k];
        }
        f->ask[kept++] = right;
        f->n_ask = kept;
        return false;
    }
    if (!has_any(folded, of_either, GLIM_COUNT(of_either))) return false;
    if (used) return true;
    for (size_t i = 0; i < n; i++) { /* all of them are said, each by its name */
        bool had = false;
        for (size_t k = 0; k < f->n_ask; k++) had |= f->ask[k] == rents[i];
        if (!had && f->n_ask < GLIM_FILTER_ASKS) f->ask[f->n_ask++] = rents[i];
    }
    return false;
}
