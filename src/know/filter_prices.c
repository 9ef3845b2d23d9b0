/* filter_prices.c - which of several prices is meant: "weekly price" where the table has a day rate and a week rate, "加急多少钱" beside 单价.
 *
 * All of them are "the price" to a question. The word that only one of the headings has, "week", "加急", chooses it, and is then no word to find rows
 * by; "a day" of the one that is meant anyway is none either. */
#include <ctype.h>
#include <stdio.h>

#include "know/filter_internal.h"
#include "know/terms.h"

enum { WORD_ = 40 };

static bool is_price(const glim_lib *l, size_t c) { return l->col[c].type == GLIM_LIB_PRICE && !l->col[c].part_of; }

/* Words of any price's heading: they set none apart. */
static bool plain(const char *w) {
    static const char *const words[] = {"price", "prices", "rate", "rates", "fee", "fees", "cost", "costs", "charge", "rental", "rent", "hire", "per", "eur", "usd", "gbp", "cny", "chf", "vat", "inc", "incl", "excl", "net", "gross", "and", "the", "of", "in", "for", "from", "sale", "retail", "unit", "with", "without", "online", "only", "new", "old", "our", "your", "you", "this", "all", "any", "are", "can", "each", "total"};
    for (size_t i = 0; i < GLIM_COUNT(words); i++)
        if (strcmp(words[i], w) == 0) return true;
    return false;
}

/* Does the heading have the word, other than as a part of another one? */
static bool in_heading(const glim_lib_col *c, const char *w) {
    glim_buf b = {0};
    glim_err ignored = {0};
    bool found = false;
    if (glim_terms_fold(&b, c->column, strlen(c->column), &ignored) == GLIM_OK)
        for (const char *s = glim_buf_cstr(&b), *p = s; !found && (p = strstr(p, w)) != NULL; p++)
            found = (unsigned char)*w >= 0x80 || ((p == s || !isalpha((unsigned char)p[-1])) && !isalpha((unsigned char)p[strlen(w)]));
    glim_buf_free(&b);
    return found;
}

/* Is what stands at `at` denied, "not weekly", "不加急", "non-member"? Within its clause, a few words before it. */
static bool denied(const glim_parse *p, size_t at) {
    static const char *const zh[] = {"不", "没", "非", "无", "免", "别", "除"}, *const en[] = {"no", "not", "non", "without", "never", "isn", "t", "don", "dont", "except", "excluding", "instead", "than"};
    size_t from = at;
    while (from > 0 && at - from < 40 && !strchr(",;.?!", p->s[from - 1]) && (from < 3 || memcmp(p->s + from - 3, "，", 3) != 0)) from--;
    for (size_t i = from; i < at; i++) {
        for (size_t k = 0; k < GLIM_COUNT(zh); k++)
            if (at - i <= 18 && strncmp(p->s + i, zh[k], 3) == 0) return true;
        for (size_t k = 0; k < GLIM_COUNT(en); k++)
            if (glim_parse_stands(p, i, en[k])) return true;
    }
    return false;
}

static size_t word_before(const glim_parse *p, size_t at, size_t *n) {
    while (at > 0 && (p->s[at - 1] == ' ' || p->s[at - 1] == '-')) at--;
    const size_t end = at;
    while (at > 0 && glim_parse_alnum(p, at - 1)) at--;
    *n = end - at;
    return at;
}

static bool one_of(const glim_parse *p, size_t at, size_t n, const char *const *words, size_t n_words) {
    for (size_t i = 0; i < n_words; i++)
        if (strlen(words[i]) == n && memcmp(p->s + at, words[i], n) == 0) return true;
    return false;
}

/* "加急要加多少钱": by how much two prices differ is not answered. */
static bool a_surcharge(const glim_parse *p, size_t behind) {
    static const char *const more[] = {"要加", "加多少", "加收", "另加", "另收", "多收", "要多加", "多加", "贵多少", "便宜多少"};
    for (size_t i = 0; i < GLIM_COUNT(more); i++)
        if (strncmp(p->s + behind, more[i], strlen(more[i])) == 0) return true;
    return false;
}

/* Does the word say which price? "Weekly price", "per pack", "price online", "for members", "a week", but not "this week", "with a dog",
 * "I found you online". */
static bool of_a_price(const glim_parse *p, const char *word, size_t at, size_t n) {
    static const char *const prices[] = {"price", "prices", "rate", "rates", "cost", "costs", "fee", "charge"}, *const links[] = {"per", "for", "with", "by", "a", "an", "the", "one", "each", "every"}, *const dates[] = {"this", "next", "last", "coming", "following", "that"},
                             *const times[] = {"hour", "day", "night", "week", "weekend", "month", "quarter", "year", "season"}, *const for_one[] = {"for", "per"}, *const once[] = {"a", "an", "each", "every", "one", "per"};
    if (denied(p, at)) return false;
    if ((unsigned char)*word >= 0x80) return true;
    size_t len, before = word_before(p, at, &len), to = at + n;
    if (one_of(p, before, len, dates, GLIM_COUNT(dates))) return false;
    for (size_t i = 0; i < GLIM_COUNT(times); i++)
        if (strcmp(word, times[i]) == 0 && (one_of(p, before, len, once, GLIM_COUNT(once)) || memcmp(p->s + to - 2, "ly", 2) == 0)) return true;
    while (p->s[to] == ' ') to++;
    size_t next = 0;
    while (to + next < p->n && glim_parse_alnum(p, to + next)) next++;
    if (one_of(p, to, next, prices, GLIM_COUNT(prices)) || one_of(p, before, len, for_one, GLIM_COUNT(for_one))) return true;
    for (int k = 0; k < 3; k++) { /* "price with breakfast", "cost for a member" */
        if (one_of(p, before, len, prices, GLIM_COUNT(prices))) return true;
        if (!one_of(p, before, len, links, GLIM_COUNT(links))) return false;
        before = word_before(p, before, &len);
    }
    return false;
}

/* Where the word stands in the question, "week" also in "weekly" and "weeks"; *n its length there. */
static bool stands(const glim_parse *p, const char *w, size_t *from, size_t *n) {
    const char *begin = strcmp(w, "day") == 0 ? "dai" : w; /* "daily" */
    for (size_t i = 0; i < p->n; i++) {
        if ((unsigned char)*w >= 0x80) {
            if (strncmp(p->s + i, w, strlen(w)) != 0) continue;
            return *from = i, *n = strlen(w), true;
        }
        if (!glim_parse_alnum(p, i) || (i > 0 && glim_parse_alnum(p, i - 1))) continue;
        size_t k = 0;
        while (glim_parse_alnum(p, i + k)) k++;
        const bool whole = (k == strlen(w) || (k == strlen(w) + 1 && p->s[i + k - 1] == 's')) && strncmp(p->s + i, w, strlen(w)) == 0;
        const bool longer = k > strlen(w) && k <= strlen(w) + 3 && strncmp(p->s + i, begin, strlen(begin)) == 0 && memcmp(p->s + i + k - 2, "ly", 2) == 0;
        if (whole || longer) return *from = i, *n = k, true;
    }
    return false;
}

/* Words by which the heading is another than those of the other prices, one after another: their number. */
static size_t apart(const glim_lib *l, size_t c, char out[4][WORD_]) {
    static const char *const ends[] = {"价格", "费用", "价", "费", "金", "款"};
    size_t n = 0;
    glim_buf b = {0};
    glim_err ignored = {0};
    if (glim_terms_fold(&b, l->col[c].column, strlen(l->col[c].column), &ignored) != GLIM_OK) {
        glim_buf_free(&b);
        return 0;
    }
    for (const char *p = glim_buf_cstr(&b); *p && n < 4;) {
        size_t k = 0;
        const bool cjk = (unsigned char)*p >= 0xe4;
        while (cjk ? (unsigned char)p[k] >= 0xe4 : isalpha((unsigned char)p[k]) != 0) k += cjk ? 3 : 1;
        if (k == 0 || k >= WORD_) {
            p += k ? k : 1;
            continue;
        }
        char *w = out[n];
        snprintf(w, WORD_, "%.*s", (int)k, p);
        for (size_t i = 0; cjk && i < GLIM_COUNT(ends); i++)
            if (strlen(w) > strlen(ends[i]) && strcmp(w + strlen(w) - strlen(ends[i]), ends[i]) == 0) {
                w[strlen(w) - strlen(ends[i])] = 0;
                break;
            }
        bool own = cjk ? strlen(w) >= 6 : strlen(w) >= 3 && !plain(w);
        for (size_t d = 0; d < l->n_col && own; d++) own = d == c || !is_price(l, d) || !in_heading(&l->col[d], w);
        n += own;
        p += k;
    }
    glim_buf_free(&b);
    return n;
}

static void read(glim_parse *p, size_t from, size_t n) {
    static const char *const before[] = {"per ", "a ", "an ", "each ", "every ", "one ", "for a ", "for one ", "by the ", "每", "一"};
    size_t at = from;
    for (size_t i = 0; i < GLIM_COUNT(before); i++) {
        const size_t k = strlen(before[i]);
        if (k <= at && memcmp(p->s + at - k, before[i], k) == 0 && (at == k || (unsigned char)*before[i] >= 0x80 || p->s[at - k - 1] == ' ')) at -= k, i = (size_t)-1;
    }
    if (p->n_denials < GLIM_PARSE_DENIALS) p->denial[p->n_denials].from = at, p->denial[p->n_denials++].to = from + n;
}

static void replace(glim_parse *p, int of, int by) {
    glim_filter *f = p->f;
    for (size_t i = 0; i < f->n_ask; i++)
        if (f->ask[i] == of) f->ask[i] = by;
    for (size_t i = 0; i < f->n_cond; i++)
        if (f->cond[i].col == of) f->cond[i].col = by;
    if (f->sort == of) f->sort = by;
    if (f->sort2 == of) f->sort2 = by;
}

static bool of_filter(const glim_filter *f, int col) {
    bool any = f->sort == col || f->sort2 == col;
    for (size_t i = 0; i < f->n_ask; i++) any |= f->ask[i] == col;
    for (size_t i = 0; i < f->n_cond; i++) any |= f->cond[i].col == col;
    return any;
}

static bool bound(const glim_filter *f, int col) {
    for (size_t i = 0; i < f->n_cond; i++)
        if (f->cond[i].col == col) return true;
    return false;
}

/* "多少钱一张", "what is it per tray" of a price that is for one: no word to find rows by. */
static void read_unit(glim_parse *p, const glim_lib_col *c) {
    static const char *const before_zh[] = {"一", "每", "/"}, *const before_en[] = {"per ", "a ", "each "};
    for (int k = 0; k < 2; k++) {
        const char *unit = k ? c->unit_en : c->unit_zh, *of = unit ? strchr(unit, '/') : NULL;
        for (size_t i = 0; of && of[1] && i < 3; i++) {
            char w[48];
            snprintf(w, sizeof w, "%s%s", k ? before_en[i] : before_zh[i], of + 1);
            for (size_t at = 0; at < p->n; at++) {
                const size_t n = k ? glim_parse_stands(p, at, w) : strncmp(p->s + at, w, strlen(w)) == 0 ? strlen(w) : 0;
                if (n && p->n_denials < GLIM_PARSE_DENIALS) p->denial[p->n_denials].from = at, p->denial[p->n_denials++].to = at + n;
            }
        }
    }
}

void glim_parse_which_price(glim_parse *p) {
    const glim_lib *l = p->l;
    for (size_t c = 0; c < l->n_col; c++)
        if (is_price(l, c) && of_filter(p->f, (int)c)) read_unit(p, &l->col[c]);
    int meant = -1, other = -1;
    size_t n_prices = 0, from = 0, n = 0;
    for (size_t c = 0; c < l->n_col; c++) {
        char word[4][WORD_];
        if (!is_price(l, c)) continue;
        n_prices++;
        if (of_filter(p->f, (int)c)) other = (int)c;
        for (size_t k = 0, all = apart(l, c, word); k < all; k++) {
            size_t at, len;
            if (!stands(p, word[k], &at, &len)) continue;
            if (a_surcharge(p, at + len)) p->f->unread = true;
            if (!of_a_price(p, word[k], at, len)) continue;
            if (meant >= 0 && meant != (int)c) return; /* "day rate or week rate" */
            meant = (int)c, from = at, n = len;
        }
    }
    if (n_prices < 2 || meant < 0 || other < 0) return;
    if (!of_filter(p->f, meant)) replace(p, other, meant);
    else if (bound(p->f, other) && !bound(p->f, meant)) { /* "月租41元以上的": which of them is bounded is not sure */
        p->f->unread = true;
        return;
    }
    for (size_t i = 0; i < p->n_items; i++)
        if (p->v[i].from < from + n && from < p->v[i].to && p->v[i].kind != WORD) return; /* part of what was read */
    read(p, from, n);
}
