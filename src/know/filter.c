/* filter.c - a question to items (numbers, words, columns, values), items to conditions.
 *
 * The longest item wins where several begin at one place. Latin items stand between word boundaries, with a plural allowed. */
#include "know/filter.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "know/filter_words.h"
#include "know/units.h"
#include "know/terms.h"

enum { MAX_QUESTION = 4096, MAX_ITEMS = 256, NEAR = 30 };

typedef enum item_kind { NUMBER, WORD, COLUMN, VALUE } item_kind;

typedef struct item {
    size_t from, to;
    item_kind kind;
    glim_word_kind word;
    int concept;
    int col;        /* COLUMN, VALUE; NUMBER: the column whose unit it has, or -1 */
    uint16_t value;
    double number;
    bool money;     /* a number with a currency */
    double scale;   /* what it was multiplied by for the column's unit, or 0 */
    const char *currency; /* which, or NULL: the shop's own ("元", "块") */
    bool has_unit, used;
} item;

typedef struct parse {
    const glim_lib *l;
    glim_filter *f;
    const char *s; /* folded */
    size_t n;
    item v[MAX_ITEMS];
    size_t n_items;
} parse;

static bool alnum(const parse *p, size_t i) { return i < p->n && (unsigned char)p->s[i] < 0x80 && isalnum((unsigned char)p->s[i]); }

/* Does the word stand at i? Its length with a plural ending, or 0. */
static size_t stands(const parse *p, size_t i, const char *w) {
    size_t n = strlen(w);
    if (n == 0 || n > p->n - i || memcmp(p->s + i, w, n) != 0) return 0;
    bool latin = (unsigned char)w[0] < 0x80 && isalnum((unsigned char)w[0]);
    if (latin && i > 0 && alnum(p, i - 1)) return 0;
    if ((unsigned char)w[n - 1] < 0x80 && isalnum((unsigned char)w[n - 1]) && alnum(p, i + n)) {
        if (!isalpha((unsigned char)w[n - 1]) || n < 3) return 0;
        if (p->s[i + n] == 's' && !alnum(p, i + n + 1)) return n + 1;
        if (p->s[i + n] == 'e' && i + n + 1 < p->n && p->s[i + n + 1] == 's' && !alnum(p, i + n + 2)) return n + 2;
        return 0;
    }
    return n;
}

static size_t skip_spaces(const parse *p, size_t i) {
    while (i < p->n && p->s[i] == ' ') i++;
    return i;
}

/* ---- numbers ---- */

static const struct {
    const char *text;
    int v;
} digits_zh[] = {{"零", 0}, {"〇", 0}, {"一", 1}, {"二", 2}, {"两", 2}, {"三", 3}, {"四", 4}, {"五", 5}, {"六", 6}, {"七", 7}, {"八", 8}, {"九", 9}},
  units_zh[] = {{"十", 10}, {"百", 100}, {"千", 1000}, {"万", 10000}};

/* "两千", "三千五" (3500), "一万二", "十五"; wants a unit of ten, so that "一款" is none. */
static size_t chinese_number(const parse *p, size_t i, double *out) {
    double sum = 0, part = 0, digit = 0;
    int last = 0;
    bool any_unit = false, have = false;
    size_t from = i;
    for (; i + 3 <= p->n; i += 3) {
        int d = -1, u = 0;
        for (size_t k = 0; k < GLIM_COUNT(digits_zh); k++)
            if (memcmp(p->s + i, digits_zh[k].text, 3) == 0) d = digits_zh[k].v;
        for (size_t k = 0; k < GLIM_COUNT(units_zh); k++)
            if (memcmp(p->s + i, units_zh[k].text, 3) == 0) u = units_zh[k].v;
        if (d >= 0) {
            digit = d;
            have = true;
            if (d == 0) last = 0;
        } else if (u == 10000) {
            if (!have && !any_unit) break;
            sum = (sum + part + (have ? digit : 0)) * 10000;
            part = digit = 0, have = false, any_unit = true, last = u;
        } else if (u) {
            if (!have && u != 10) break;
            part += (have ? digit : 1) * u;
            digit = 0, have = false, any_unit = true, last = u;
        } else {
            break;
        }
    }
    if (!any_unit) return 0;
    *out = sum + part + (have ? digit * (last >= 100 ? last / 10 : 1) : 0);
    return i - from;
}

/* "两" of "两份" and "三" of "三个人": a digit by itself counts only what is counted in pieces or people, "一款" says nothing. */
static size_t lone_digit(const parse *p, size_t i, double *out) {
    if (i + 3 >= p->n || (glim_piece_word(p->s + i + 3, p->n - i - 3) == 0 && glim_person_word(p->s + i + 3, p->n - i - 3) == 0)) return 0;
    for (size_t k = 0; k < GLIM_COUNT(digits_zh); k++)
        if (memcmp(p->s + i, digits_zh[k].text, 3) == 0) {
            *out = digits_zh[k].v;
            return 3;
        }
    return 0;
}

/* The measure written at i, or -1: the longest one. A lone letter is too often part of a name ("5g"). */
static int measure_at(const parse *p, size_t i) {
    int best = -1;
    for (size_t m = 0; m < glim_n_measures; m++) {
        const char *u = glim_measures[m].text;
        size_t n = strlen(u);
        if (glim_measures[m].column_only || n < 2 || n > p->n - i || memcmp(p->s + i, u, n) != 0 || ((unsigned char)u[0] < 0x80 && alnum(p, i + n))) continue;
        if (best < 0 || n > strlen(glim_measures[best].text)) best = (int)m;
    }
    return best;
}

/* Is the number at i, behind "-", the end of a range, "2000-3000元"? A SKU, a date and a telephone number are none. */
static bool ends_range(const parse *p, size_t i) {
    if (p->n_items < 2) return false;
    const item *to = &p->v[p->n_items - 1], *from = &p->v[p->n_items - 2];
    if (to->kind != WORD || to->word != GLIM_WORD_TO || to->to != i || from->kind != NUMBER || from->to != to->from) return false;
    size_t e = i;
    while (e < p->n && (isdigit((unsigned char)p->s[e]) || p->s[e] == '.' || p->s[e] == ',')) e++;
    bool zeros = (p->s[i] == '0' && e > i + 1) || (p->s[from->from] == '0' && isdigit((unsigned char)p->s[from->from + 1]));
    return !zeros && !(e < p->n && p->s[e] == '-') && !(from->from > 0 && p->s[from->from - 1] == '-');
}

/* Does nothing that is counted stand at i? "8-12楼" is no price. */
static bool counts_nothing(const parse *p, size_t i) {
    static const char *const ends[] = {"的", "之", "以", "左右", "价", "。"};
    for (size_t k = 0; k < GLIM_COUNT(ends); k++)
        if (strncmp(p->s + i, ends[k], strlen(ends[k])) == 0) return true;
    return i >= p->n || ((unsigned char)p->s[i] < 0x80 && !alnum(p, i));
}

static int column_of(const glim_lib *l, int concept) {
    for (size_t c = 0; c < l->n_col; c++)
        if (l->col[c].concept == concept && l->col[c].number && l->col[c].type != GLIM_LIB_HIDDEN) return (int)c;
    return -1;
}

static bool read_number(const parse *p, size_t i, item *it) {
    size_t at = i, k;
    *it = (item){.from = i, .kind = NUMBER, .col = -1, .concept = -1};
    static const char *const signs[] = {"¥", "£", "$", "€"};
    for (size_t i_sign = 0; i_sign < GLIM_COUNT(signs) && !it->money; i_sign++)
        if (strncmp(p->s + at, signs[i_sign], strlen(signs[i_sign])) == 0) it->money = true, it->currency = glim_currency_of(signs[i_sign]), at += strlen(signs[i_sign]);
    bool joined = false;
    at = it->money ? skip_spaces(p, at) : at;
    if (at < p->n && isdigit((unsigned char)p->s[at])) {
        joined = at > 1 && p->s[at - 1] == '-' && alnum(p, at - 2);
        if (!it->money && at > 0 && (alnum(p, at - 1) || (joined && !ends_range(p, at)))) return false;
        char t[32];
        size_t m = 0;
        bool point = false;
        for (; at < p->n && m < sizeof t - 1; at++) {
            char c = p->s[at];
            if (isdigit((unsigned char)c)) t[m++] = c;
            else if (c == '.' && !point && at + 1 < p->n && isdigit((unsigned char)p->s[at + 1])) point = true, t[m++] = c;
            else if (!(c == ',' && at + 3 < p->n && isdigit((unsigned char)p->s[at + 1]) && isdigit((unsigned char)p->s[at + 2]) && isdigit((unsigned char)p->s[at + 3]))) break;
        }
        t[m] = 0;
        it->number = strtod(t, NULL);
    } else if ((k = chinese_number(p, at, &it->number)) > 0) {
        at += k;
    } else if (!it->money && (k = lone_digit(p, at, &it->number)) > 0) {
        at += k;
    } else {
        return false;
    }
    size_t end = at;
    static const struct {
        const char *text;
        double v;
    } times[] = {{"k", 1000}, {"千", 1000}, {"万", 10000}, {"百", 100}};
    for (size_t t = 0; t < GLIM_COUNT(times); t++)
        if (strncmp(p->s + at, times[t].text, strlen(times[t].text)) == 0 && !alnum(p, at + strlen(times[t].text))) {
            it->number *= times[t].v;
            end = at += strlen(times[t].text);
            break;
        }
    at = skip_spaces(p, at);
    for (size_t c = 0; c < glim_n_currencies; c++) {
        size_t n = strlen(glim_currencies[c].text);
        if (strncmp(p->s + at, glim_currencies[c].text, n) != 0 || ((unsigned char)glim_currencies[c].text[0] < 0x80 && alnum(p, at + n))) continue;
        it->money = it->has_unit = true;
        if (glim_currencies[c].is) it->currency = glim_currencies[c].is;
        it->to = at + n;
        return true;
    }
    size_t longest = 0;
    for (size_t c = 0; c < p->l->n_col; c++) { /* a unit of the schema */
        const glim_lib_col *col = &p->l->col[c];
        for (int j = 0; j < 2 && col->number; j++) {
            const char *u = j ? col->unit_en : col->unit_zh;
            size_t un = u ? strlen(u) : 0;
            if (un == 0 || un > p->n - at || strncasecmp(p->s + at, u, un) != 0) continue;
            if ((unsigned char)u[un - 1] < 0x80 && alnum(p, at + un)) continue;
            if (un > longest) longest = un, it->col = (int)c;
        }
    }
    if (longest) {
        it->has_unit = true;
        it->to = at + longest;
        return true;
    }
    const size_t persons = it->money ? 0 : glim_person_word(p->s + at, p->n - at);
    if (persons && (it->col = column_of(p->l, GLIM_CONCEPT_PEOPLE)) >= 0) {
        it->has_unit = true;
        it->to = at + persons;
        return true;
    }
    int m = it->money ? -1 : measure_at(p, at);
    for (size_t c = 0; m >= 0 && c < p->l->n_col; c++) { /* another unit of the same measure: kilograms where the table has grams */
        const glim_lib_col *col = &p->l->col[c];
        int own = col->number ? glim_measure_of(col->unit_zh) : -1;
        if (own < 0 && col->number) own = glim_measure_of(col->unit_en);
        if (own < 0 || it->col >= 0 || strcmp(glim_measures[own].of, glim_measures[m].of) != 0) continue;
        it->col = (int)c;
        it->scale = glim_measures[m].v / glim_measures[own].v;
        it->number *= it->scale;
    }
    if (m >= 0) { /* without such a column: a number that no column answers */
        it->has_unit = true;
        it->to = at + strlen(glim_measures[m].text);
        return true;
    }
    it->to = end;
    if (joined && !it->money) return counts_nothing(p, end);
    return it->money || !alnum(p, end); /* "5g", "3s": parts of names */
}

/* ---- items ---- */

static void offer(item *best, item it, size_t i, size_t n) {
    if (n == 0) return;
    it.from = i;
    it.to = i + n;
    if (n > best->to - best->from) *best = it;
}

static bool number_follows(const parse *p, size_t i) {
    item it;
    i = skip_spaces(p, i);
    return i < p->n && read_number(p, i, &it);
}

/* Is the last item a value, with nothing but spaces behind it? "花生过敏", "peanut-free". */
static bool value_ends(const parse *p, size_t i) {
    if (p->n_items == 0 || p->v[p->n_items - 1].kind != VALUE) return false;
    return skip_spaces(p, p->v[p->n_items - 1].to) == i;
}

static void find_items(parse *p) {
    for (size_t i = 0; i < p->n && p->n_items < MAX_ITEMS;) {
        item best = {.from = i, .to = i}, it;
        if (read_number(p, i, &it)) best = it;
        for (size_t c = 0; c < p->l->n_col; c++) {
            const glim_lib_col *col = &p->l->col[c];
            if (col->type == GLIM_LIB_HIDDEN) continue;
            for (size_t v = 0; v < col->n_value; v++)
                for (size_t a = 0; a < col->value[v].n_alias; a++)
                    if (col->value[v].alias[a][0] == p->s[i])
                        offer(&best, (item){.kind = VALUE, .col = (int)c, .value = (uint16_t)v, .concept = -1}, i, stands(p, i, col->value[v].alias[a]));
            for (size_t a = 0; a < col->n_alias; a++)
                if (col->alias[a][0] == p->s[i]) offer(&best, (item){.kind = COLUMN, .col = (int)c, .concept = -1}, i, stands(p, i, col->alias[a]));
        }
        for (size_t w = 0; w < glim_n_words; w++) {
            const glim_word *g = &glim_words[w];
            if (g->text[0] != p->s[i]) continue;
            size_t n = stands(p, i, g->text);
            if (n == 0) continue;
            bool bound = g->kind <= GLIM_WORD_GT_BEFORE;
            if (bound && !number_follows(p, i + n)) continue; /* "over", "under" without a number say nothing of one */
            if (g->kind == GLIM_WORD_NOT_BEHIND && !value_ends(p, i)) continue;
            item x = {.kind = WORD, .word = g->kind, .concept = g->concept, .col = -1};
            if ((bound || g->kind == GLIM_WORD_NOT_BEHIND) && n == best.to - best.from && best.kind == COLUMN) best.to = best.from; /* "预算2000": the bound */
            offer(&best, x, i, n);
        }
        if (best.to > best.from) {
            p->v[p->n_items++] = best;
            i = best.to;
            continue;
        }
        if (alnum(p, i)) { /* the whole word, so that no item begins inside it */
            while (alnum(p, i)) i++;
            continue;
        }
        uint32_t cp;
        int k = glim_utf8_next(p->s + i, p->n - i, &cp);
        i += k > 0 ? (size_t)k : 1;
    }
}

/* Only spaces, marks and words that say nothing lie between two places. */
static bool bare_between(const parse *p, size_t from, size_t to) {
    if (to < from || to - from > 18) return false;
    for (size_t i = from; i < to;) {
        bool skip = p->s[i] == ' ' || p->s[i] == ',';
        size_t k = 1;
        static const char *const small[] = {"的", "在", "为", "是", "，", "价格", "of", "a", "the", "is", "price", "costs", "cost"};
        for (size_t w = 0; w < GLIM_COUNT(small) && !skip; w++)
            if (strncmp(p->s + i, small[w], strlen(small[w])) == 0) skip = true, k = strlen(small[w]);
        if (!skip) return false;
        i += k;
    }
    return true;
}

static bool numeric(const parse *p, int col) {
    glim_lib_type t = p->l->col[col].type;
    return t == GLIM_LIB_NUMBER || t == GLIM_LIB_PRICE || t == GLIM_LIB_STOCK || t == GLIM_LIB_DATE;
}

/* The nearest column of numbers that is named around [from, to); its item is used up. */
static int named_column(parse *p, size_t from, size_t to) {
    size_t best = NEAR + 1, which = 0;
    for (size_t k = 0; k < p->n_items; k++) {
        item *it = &p->v[k];
        if (it->kind != COLUMN || !numeric(p, it->col)) continue;
        size_t d = it->to <= from ? from - it->to : it->from >= to ? it->from - to + 1 : 0;
        if (d < best) best = d, which = k;
    }
    if (best > NEAR) return -1;
    p->v[which].used = true;
    return p->v[which].col;
}

static void add_cond(parse *p, glim_cond c) {
    glim_filter *f = p->f;
    for (size_t i = 0; i < f->n_cond; i++)
        if (f->cond[i].col == c.col && f->cond[i].op == c.op && f->cond[i].value == c.value && f->cond[i].a == c.a) return;
    if (f->n_cond < GLIM_FILTER_CONDS) f->cond[f->n_cond++] = c;
}

/* Does the value lie between the smallest and the largest of the column's? */
static bool spans(const glim_lib *l, const glim_lib_col *c, double v) {
    double low = INFINITY, high = -INFINITY;
    for (uint32_t r = 0; r < l->n_rows; r++) low = fmin(low, c->number[r]), high = fmax(high, c->number[r]); /* both pass over NAN */
    return v >= low && v <= high;
}

static int number_column(parse *p, const item *number, int concept, size_t from, size_t to) {
    int col = -1;
    if (number->money) { /* fifty dollars are not fifty yuan, and nobody here knows the rate */
        col = column_of(p->l, GLIM_CONCEPT_PRICE);
        const char *is = col >= 0 ? glim_currency_of(p->l->col[col].unit_en) : NULL;
        if (!is && col >= 0) is = glim_currency_of(p->l->col[col].unit_zh);
        return number->currency && is && strcmp(is, number->currency) != 0 ? -1 : col;
    }
    if (number->col >= 0) {
        int named = named_column(p, from, to); /* two columns may share a unit */
        const glim_lib_col *a = named >= 0 ? &p->l->col[named] : NULL, *b = &p->l->col[number->col];
        if (a && a->unit_zh && b->unit_zh && strcmp(a->unit_zh, b->unit_zh) == 0) return named;
        for (size_t c = 0; b->unit_zh && c < p->l->n_col; c++) { /* 256 GB are storage where memory ends at 32 */
            const glim_lib_col *x = &p->l->col[c];
            if (x->number && x->unit_zh && strcmp(x->unit_zh, b->unit_zh) == 0 && spans(p->l, x, number->number)) return (int)c;
        }
        return number->col;
    }
    if (number->has_unit) return -1;
    if (concept >= 0) col = column_of(p->l, concept);
    if (col < 0) col = named_column(p, from, to);
    return col >= 0 ? col : column_of(p->l, GLIM_CONCEPT_PRICE);
}

/* Item k reaches from `from` to `to`, as far as items before it leave room; what it reaches over is used up. Items never overlap. */
static void cover(parse *p, size_t k, size_t from, size_t to) {
    for (size_t i = 0; i < p->n_items; i++) {
        item *o = &p->v[i];
        if (i == k || o->to <= from || o->from >= to) continue;
        o->used = true;
        if (i < k) {
            from = o->to;
        } else {
            o->from = to;
            if (o->to < to) o->to = to;
        }
    }
    p->v[k].from = from;
    p->v[k].to = to;
}

/* Takes the verb before a number of people, "够三个人", "sleeps 4 people": what a row is for, not who comes. False: there is none. */
static bool take_verb(parse *p, size_t k) {
    static const char *const verbs[] = {"住", "住下", "睡", "睡下", "够", "适合", "容纳", "供", "sleeps ", "sleep ", "fits ", "feeds ", "serves ", "enough for ", "room for "};
    const item *it = &p->v[k];
    if (it->col < 0 || p->l->col[it->col].concept != GLIM_CONCEPT_PEOPLE) return false;
    for (size_t i = 0; i < GLIM_COUNT(verbs); i++) {
        const size_t n = strlen(verbs[i]);
        if (n > it->from || memcmp(p->s + it->from - n, verbs[i], n) != 0) continue;
        cover(p, k, it->from - n, it->to);
        return true;
    }
    return false;
}

/* A number that nothing is compared with: "两份", of which the row does not speak, is out of the way. */
static void lone_number(parse *p, size_t k) {
    item *it = &p->v[k];
    const int col = it->has_unit ? it->col : -1;
    if (it->money || it->number < 1 || it->number > 99) return;
    if (take_verb(p, k)) {
        add_cond(p, (glim_cond){.col = col, .op = GLIM_COND_GE, .a = it->number});
        it->used = true;
    } else if (col >= 0 && p->l->col[col].type == GLIM_LIB_STOCK) {
        it->used = true;
    } else if (!it->has_unit) {
        const size_t at = skip_spaces(p, it->to), n = glim_piece_word(p->s + at, p->n - at);
        if (n) cover(p, k, it->from, at + n), it->used = true;
    }
}

static void number_conds(parse *p, size_t k) {
    item *it = &p->v[k], *before = k > 0 ? &p->v[k - 1] : NULL, *behind = k + 1 < p->n_items ? &p->v[k + 1] : NULL;
    item *other = k + 2 < p->n_items ? &p->v[k + 2] : NULL;
    if (it->used) return;
    /* a to b */
    if (behind && other && behind->kind == WORD && behind->word == GLIM_WORD_TO && other->kind == NUMBER && bare_between(p, it->to, behind->from) &&
        bare_between(p, behind->to, other->from)) {
        bool and_ = p->s[behind->from] == 'a' || strncmp(p->s + behind->from, "和", 3) == 0;
        bool between = before && before->kind == WORD && before->word == GLIM_WORD_BETWEEN;
        size_t end = skip_spaces(p, other->to);
        bool inside = strncmp(p->s + end, "之间", 6) == 0;
        if (!and_ || between || inside) {
            item unit = other->money || other->has_unit ? *other : *it;
            int col = number_column(p, &unit, -1, it->from, other->to);
            if (col >= 0) {
                double a = it->number, b = other->number;
                if (!it->has_unit && other->scale > 0) a *= other->scale; /* "1-2公斤" */
                else if (a < b && a < 100 && b >= 1000 && !it->has_unit) a *= 1000; /* "2 to 3k" */
                add_cond(p, (glim_cond){.col = col, .op = GLIM_COND_GE, .a = a < b ? a : b});
                add_cond(p, (glim_cond){.col = col, .op = GLIM_COND_LE, .a = a < b ? b : a});
                it->used = behind->used = other->used = true;
                if (between) before->used = true;
                return;
            }
        }
    }
    glim_cond c = {0};
    item *op = NULL;
    bool about = false;
    if (before && before->kind == WORD && (before->word <= GLIM_WORD_GT_BEFORE || before->word == GLIM_WORD_ABOUT) && bare_between(p, before->to, it->from)) op = before;
    if (behind && behind->kind == WORD && (behind->word == GLIM_WORD_LE_BEHIND || behind->word == GLIM_WORD_GE_BEHIND || behind->word == GLIM_WORD_ABOUT) &&
        bare_between(p, it->to, behind->from)) {
        if (op) op->used = true;
        op = behind;
    }
    if (op) {
        switch (op->word) {
        case GLIM_WORD_LE_BEFORE: case GLIM_WORD_LE_BEHIND: c.op = GLIM_COND_LE; break;
        case GLIM_WORD_GE_BEFORE: case GLIM_WORD_GE_BEHIND: c.op = GLIM_COND_GE; break;
        case GLIM_WORD_LT_BEFORE: c.op = GLIM_COND_LT; break;
        case GLIM_WORD_GT_BEFORE: c.op = GLIM_COND_GT; break;
        default: about = true;
        }
    } else if (it->money) {
        about = true; /* "2000元的手机" */
    } else {
        lone_number(p, k);
        return;
    }
    c.col = number_column(p, it, op ? op->concept : -1, it->from, it->to);
    if (c.col < 0) return;
    it->used = true;
    if (op) op->used = true;
    take_verb(p, k);
    c.a = it->number;
    if (about) {
        add_cond(p, (glim_cond){.col = c.col, .op = GLIM_COND_GE, .a = it->number * 0.9});
        c.op = GLIM_COND_LE;
        c.a = it->number * 1.1;
    }
    add_cond(p, c);
}

/* The word right before item k, where only "的" or a space lies between. */
static const item *word_before(const parse *p, size_t k) {
    if (k == 0 || p->v[k - 1].kind != WORD || !bare_between(p, p->v[k - 1].to, p->v[k].from)) return NULL;
    return &p->v[k - 1];
}

/* The next value of a list of one column's, "麸质和花生", "nuts, eggs or milk": its item, or k. */
static size_t next_of_list(const parse *p, size_t k) {
    size_t j = k + 1;
    while (j < p->n_items && j <= k + 2 && p->v[j].kind == WORD) j++;
    if (j >= p->n_items || p->v[j].kind != VALUE || p->v[j].col != p->v[k].col) return k;
    static const char *const joins[] = {" ", "、", "/", "以及", "和", "与", "或者", "或", "跟", "及", "and", "or", "nor", ","};
    for (size_t i = p->v[k].to; i < p->v[j].from;) {
        size_t w = 0, n = GLIM_COUNT(joins) - (p->f->zh ? 1 : 0); /* "不要黑色，红色有吗": a comma ends a Chinese clause */
        while (w < n && strncmp(p->s + i, joins[w], strlen(joins[w])) != 0) w++;
        if (w == n) return k;
        i += strlen(joins[w]);
    }
    return j;
}

/* Is the value at item k one that must not be? "No" before a list of values, or "过敏", "-free" behind it, is said of all of them. */
static bool unwanted(const parse *p, size_t k) {
    size_t first = k, last = k, next;
    while ((next = next_of_list(p, last)) > last) last = next;
    if (last + 1 < p->n_items && p->v[last + 1].kind == WORD && p->v[last + 1].word == GLIM_WORD_NOT_BEHIND) return true;
    for (size_t i = k; i-- > 0 && i + 3 >= first;)
        if (p->v[i].kind == VALUE && next_of_list(p, i) == first) first = i;
    const item *w = word_before(p, first);
    return w && w->word == GLIM_WORD_NOT;
}

static void ask(parse *p, int col) {
    glim_filter *f = p->f;
    for (size_t i = 0; i < f->n_ask; i++)
        if (f->ask[i] == col) return;
    if (f->n_ask < GLIM_FILTER_ASKS) f->ask[f->n_ask++] = col;
}

static bool can_be_had(const parse *p, int col) {
    const glim_lib_col *c = &p->l->col[col];
    return c->type == GLIM_LIB_BOOL || c->concept == GLIM_CONCEPT_WARM_CHARGE || c->concept == GLIM_CONCEPT_WATER || c->concept == GLIM_CONCEPT_BREAKFAST;
}

/* Is a product set against this one? "A和B比哪个轻" sets two against each other, and "比萨" is eaten. */
static bool is_than(const parse *p, const item *it) {
    static const char *const others[] = {"哪", "一", "起", "萨", "基", "亚", "利", "目"};
    bool than = p->s[it->from] == 't', sorts = than;
    for (size_t k = 0; k < p->n_items; k++) sorts |= p->v[k].kind == WORD && (p->v[k].word == GLIM_WORD_MOST || p->v[k].word == GLIM_WORD_LEAST);
    size_t i = skip_spaces(p, it->to);
    for (size_t k = 0; !than && k < GLIM_COUNT(others); k++) sorts &= strncmp(p->s + i, others[k], strlen(others[k])) != 0;
    if (sorts) p->f->than = true;
    return sorts;
}

static void conditions(parse *p) {
    glim_filter *f = p->f;
    for (size_t k = 0; k < p->n_items; k++) {
        item *it = &p->v[k];
        if (it->kind == NUMBER) number_conds(p, k);
        if (it->kind == VALUE) {
            add_cond(p, (glim_cond){.col = it->col, .value = it->value, .op = unwanted(p, k) ? GLIM_COND_IS_NOT : GLIM_COND_IS});
            it->used = true;
        }
        if (it->kind != WORD) continue;
        int col = -1;
        switch (it->word) {
        case GLIM_WORD_MOST:
        case GLIM_WORD_LEAST:
            if (f->sort >= 0) break;
            col = it->concept >= 0 ? column_of(p->l, it->concept) : named_column(p, it->from, it->to);
            if (col < 0) break;
            f->sort = col;
            f->most = it->word == GLIM_WORD_MOST;
            it->used = true;
            break;
        case GLIM_WORD_IN_STOCK:
        case GLIM_WORD_NO_STOCK:
            col = column_of(p->l, GLIM_CONCEPT_STOCK);
            if (col < 0) break;
            add_cond(p, (glim_cond){.col = col, .op = it->word == GLIM_WORD_IN_STOCK ? GLIM_COND_GT : GLIM_COND_LE, .a = 0});
            it->used = true;
            break;
        case GLIM_WORD_COUNT: /* "how many calories" asks for a cell */
            it->used = true;
            f->count |= !(k + 1 < p->n_items && p->v[k + 1].kind == COLUMN && bare_between(p, it->to, p->v[k + 1].from));
            break;
        case GLIM_WORD_TO: it->used = it->used || (p->s[it->from] != '-' && p->s[it->from] != '~'); break;
        case GLIM_WORD_MEAN: f->mean = it->used = true; break;
        case GLIM_WORD_LIST: f->list = it->used = true; break;
        case GLIM_WORD_THIS: f->self = it->used = true; break;
        case GLIM_WORD_COMPARE: f->compare = it->used = true; break;
        case GLIM_WORD_THAN: it->used = is_than(p, it); break;
        case GLIM_WORD_FILLER: case GLIM_WORD_HAS: case GLIM_WORD_NOT: case GLIM_WORD_NOT_BEHIND: it->used = true; break;
        default: break;
        }
    }
    for (size_t k = 0; k < p->n_items; k++) { /* columns that no condition took */
        item *it = &p->v[k];
        if (it->kind != COLUMN || it->used) continue;
        it->used = true;
        ask(p, it->col);
        const item *w = word_before(p, k);
        if (can_be_had(p, it->col))
            add_cond(p, (glim_cond){.col = it->col, .op = w && w->word == GLIM_WORD_NOT ? GLIM_COND_HAS_NOT : GLIM_COND_HAS});
    }
}

glim_status glim_filter_parse(glim_filter *f, const glim_lib *l, const char *question, size_t n, glim_err *err) {
    if (n > MAX_QUESTION) return glim_fail(err, GLIM_E_LIMIT, "the question has %zu bytes, want at most %d", n, MAX_QUESTION);
    glim_buf words = f->words, rest = f->rest, s = {0};
    *f = (glim_filter){.words = words, .rest = rest, .sort = -1};
    glim_buf_clear(&f->words);
    glim_buf_clear(&f->rest);
    glim_status rc = glim_terms_fold(&s, question, n, err);
    void *mem = NULL;
    if (rc == GLIM_OK) rc = glim_try_calloc(&mem, 1, sizeof(parse), "a question", err);
    if (rc != GLIM_OK) {
        glim_buf_free(&s);
        return rc;
    }
    parse *p = mem;
    *p = (parse){.l = l, .f = f, .s = glim_buf_cstr(&s), .n = s.len};
    uint32_t cp;
    for (size_t i = 0; i < s.len && !f->zh;) {
        int k = glim_utf8_next(s.s + i, s.len - i, &cp);
        f->zh = k > 0 && glim_term_is_cjk(cp);
        i += k > 0 ? (size_t)k : 1;
    }
    find_items(p);
    conditions(p);
    size_t at = 0;
    for (size_t k = 0; k <= p->n_items; k++) {
        size_t to = k < p->n_items ? p->v[k].from : p->n;
        glim_buf_append(&f->words, p->s + at, to - at);
        glim_buf_append(&f->rest, p->s + at, to - at);
        if (k == p->n_items) break;
        const item *it = &p->v[k];
        at = it->to;
        if (it->used && it->kind != VALUE) {
            glim_buf_putc(&f->words, ' ');
        } else {
            glim_buf_append(&f->words, p->s + it->from, it->to - it->from);
        }
        if (it->used) glim_buf_putc(&f->rest, ' ');
        else glim_buf_append(&f->rest, p->s + it->from, it->to - it->from);
    }
    rc = glim_buf_status(&f->words, "a question", err);
    if (rc == GLIM_OK) rc = glim_buf_status(&f->rest, "a question", err);
    free(p);
    glim_buf_free(&s);
    return rc;
}

void glim_filter_deinit(glim_filter *f) {
    glim_buf_free(&f->words);
    glim_buf_free(&f->rest);
}

/* ---- rows ---- */

bool glim_lib_has(const glim_lib *l, uint32_t row, size_t col) {
    static const char *const no[] = {"无", "否", "不支持", "没有", "no", "none", "-", "n/a", "不含", "未配备"};
    const glim_lib_col *c = &l->col[col];
    if (c->type == GLIM_LIB_BOOL || c->type == GLIM_LIB_STOCK) return c->number[row] > 0;
    const char *s = glim_lib_cell(l, row, col);
    for (size_t i = 0; i < GLIM_COUNT(no); i++)
        if (strcasecmp(s, no[i]) == 0) return false;
    return *s != 0;
}

bool glim_cond_holds(const glim_lib *l, const glim_cond *c, uint32_t row) {
    const glim_lib_col *col = &l->col[c->col];
    double v = col->number ? col->number[row] : NAN;
    bool is = false;
    switch (c->op) {
    case GLIM_COND_LT: return v < c->a; /* false for NaN: an empty cell fits no bound */
    case GLIM_COND_LE: return v <= c->a;
    case GLIM_COND_GT: return v > c->a;
    case GLIM_COND_GE: return v >= c->a;
    case GLIM_COND_HAS: return glim_lib_has(l, row, (size_t)c->col);
    case GLIM_COND_HAS_NOT: return !glim_lib_has(l, row, (size_t)c->col);
    default:
        for (uint32_t i = col->value_at[row]; i < col->value_at[row + 1]; i++) is |= col->value_no[i] == c->value;
        return is == (c->op == GLIM_COND_IS);
    }
}

bool glim_filter_keep(const glim_lib *l, const glim_filter *f, uint32_t row) {
    for (size_t i = 0; i < f->n_cond; i++) {
        const glim_cond *c = &f->cond[i];
        bool holds = glim_cond_holds(l, c, row);
        for (size_t k = 0; !holds && c->op == GLIM_COND_IS && k < f->n_cond; k++)
            holds = f->cond[k].op == GLIM_COND_IS && f->cond[k].col == c->col && glim_cond_holds(l, &f->cond[k], row);
        if (!holds) return false;
    }
    return true;
}

typedef struct ordered {
    double key;
    uint32_t no, row;
} ordered;

static int by_key(const void *a, const void *b) {
    const ordered *x = a, *y = b;
    bool nx = isnan(x->key), ny = isnan(y->key);
    if (nx != ny) return nx ? 1 : -1;
    if (!nx && x->key != y->key) return x->key < y->key ? -1 : 1;
    return (x->no > y->no) - (x->no < y->no);
}

glim_status glim_filter_rows(const glim_lib *l, const glim_filter *f, const uint32_t *among, size_t n_among, uint32_t *out, size_t limit, size_t *n_out,
                             size_t *n_all, glim_err *err) {
    *n_out = *n_all = 0;
    size_t n = among ? n_among : l->n_rows;
    void *mem;
    glim_status rc = glim_try_calloc(&mem, n, sizeof(ordered), "the rows of a filter", err);
    if (rc != GLIM_OK) return rc;
    ordered *v = mem;
    for (size_t i = 0; i < n; i++) {
        uint32_t row = among ? among[i] : (uint32_t)i;
        if (!glim_filter_keep(l, f, row)) continue;
        double key = f->sort >= 0 ? l->col[f->sort].number[row] : 0;
        v[(*n_all)++] = (ordered){.key = f->most ? -key : key, .no = (uint32_t)i, .row = row};
    }
    if (f->sort >= 0) qsort(v, *n_all, sizeof *v, by_key);
    for (size_t i = 0; i < *n_all && i < limit; i++) out[(*n_out)++] = v[i].row;
    free(v);
    return GLIM_OK;
}

void glim_filter_show(glim_buf *out, const glim_lib *l, const glim_filter *f) {
    static const char *const ops[] = {":", ": not", "<", "<=", ">", ">=", ":", ":"};
    const char *sep = "";
    for (size_t i = 0; i < f->n_cond; i++) {
        const glim_cond *c = &f->cond[i];
        const glim_lib_col *col = &l->col[c->col];
        const char *unit = f->zh ? col->unit_zh : col->unit_en;
        glim_buf_printf(out, "%s%s%s%s ", sep, glim_lib_col_name(col, f->zh), ops[c->op][0] == ':' ? "" : " ", ops[c->op]);
        if (c->op == GLIM_COND_IS || c->op == GLIM_COND_IS_NOT) glim_buf_puts(out, !f->zh && col->value[c->value].en ? col->value[c->value].en : col->value[c->value].text);
        else if (c->op == GLIM_COND_HAS || c->op == GLIM_COND_HAS_NOT) glim_buf_puts(out, f->zh ? (c->op == GLIM_COND_HAS ? "是" : "否") : c->op == GLIM_COND_HAS ? "yes" : "no");
        else glim_buf_printf(out, "%.10g%s%s", c->a, unit ? " " : "", unit ? unit : "");
        sep = "; ";
    }
    if (f->sort >= 0) {
        glim_buf_printf(out, "%s%s %s", sep, glim_lib_col_name(&l->col[f->sort], f->zh), f->zh ? (f->most ? "从高到低" : "从低到高") : f->most ? "highest first" : "lowest first");
        sep = "; ";
    }
    if (f->count) glim_buf_printf(out, "%s%s", sep, f->zh ? "计数" : "count");
    if (f->mean) glim_buf_printf(out, "%s%s", sep, f->zh ? "平均" : "average");
}
