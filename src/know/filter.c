/* filter.c - items to conditions, order, columns that are asked for, and what is left of the question. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "know/filter_internal.h"
#include "know/terms.h"
#include "know/units.h"

enum { MAX_QUESTION = 4096, NEAR = 30 };

/* Only spaces, marks and words that say nothing lie between two places. */
static bool bare_between(const glim_parse *p, size_t from, size_t to) {
    if (to < from || to - from > 18) return false;
    for (size_t i = from; i < to;) {
        bool skip = p->s[i] == ' ' || p->s[i] == ',' || (p->s[i] == '-' && from + 1 == to);
        size_t k = 1;
        static const char *const small[] = {"的", "在", "为", "是", "，", "价格", "of", "a", "the", "is", "price", "costs", "cost"};
        for (size_t w = 0; w < GLIM_COUNT(small) && !skip; w++)
            if (strncmp(p->s + i, small[w], strlen(small[w])) == 0) skip = true, k = strlen(small[w]);
        if (!skip) return false;
        i += k;
    }
    return true;
}

static bool numeric(const glim_parse *p, int col) {
    glim_lib_type t = p->l->col[col].type;
    return t == GLIM_LIB_NUMBER || t == GLIM_LIB_PRICE || t == GLIM_LIB_STOCK || t == GLIM_LIB_DATE;
}

/* The nearest column of numbers that is named around [from, to), or NULL; of degrees too, which have an order and no figures. */
static glim_item *named_column(glim_parse *p, size_t from, size_t to, bool degrees) {
    size_t best = NEAR + 1, which = 0;
    for (size_t k = 0; k < p->n_items; k++) {
        glim_item *it = &p->v[k];
        if (it->kind != COLUMN || !(numeric(p, it->col) || (degrees && p->l->col[it->col].degree))) continue;
        size_t d = it->to <= from ? from - it->to : it->from >= to ? it->from - to + 1 : 0;
        if (d < best) best = d, which = k;
    }
    return best > NEAR ? NULL : &p->v[which];
}

static int take(glim_item *it) {
    if (it) it->used = true;
    return it ? it->col : -1;
}

static void add_cond(glim_parse *p, glim_cond c) {
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

static bool same_unit(const glim_lib_col *a, const glim_lib_col *b) { return a->unit_en && b->unit_en && strcasecmp(a->unit_en, b->unit_en) == 0; }

static int number_column(glim_parse *p, const glim_item *number, int concept, size_t from, size_t to) {
    int col = -1;
    if (number->money) { /* fifty dollars are not fifty yuan, and nobody here knows the rate */
        col = glim_parse_column(p->l, GLIM_CONCEPT_PRICE);
        const char *is = col >= 0 ? glim_currency_of(p->l->col[col].unit_en) : NULL;
        if (!is && col >= 0) is = glim_currency_of(p->l->col[col].unit_zh);
        return number->currency && is && strcmp(is, number->currency) != 0 ? -1 : col;
    }
    if (number->col >= 0 && p->s[number->to - 1] == 'g' && number->to > 1 && !isalpha((unsigned char)p->s[number->to - 2])) { /* "内存大于8G": no grams */
        glim_item *named = named_column(p, from, to, false);
        if (named && p->l->col[named->col].unit_en && strcasecmp(p->l->col[named->col].unit_en, "gb") == 0) return take(named);
    }
    if (number->col >= 0) {
        const int meant = concept >= 0 ? glim_parse_column(p->l, concept) : -1; /* "longer than 5 cm" is no diameter */
        if (meant >= 0 && same_unit(&p->l->col[meant], &p->l->col[number->col])) return meant;
        glim_item *named = named_column(p, from, to, false); /* two columns may share a unit */
        const glim_lib_col *a = named ? &p->l->col[named->col] : NULL, *b = &p->l->col[number->col];
        if (a && (named->col == number->col || (same_unit(a, b) || (a->unit_zh && b->unit_zh && strcmp(a->unit_zh, b->unit_zh) == 0)))) return take(named);
        for (size_t c = 0; b->unit_zh && c < p->l->n_col; c++) { /* 256 GB are storage where memory ends at 32 */
            const glim_lib_col *x = &p->l->col[c];
            if (x->number && x->unit_zh && strcmp(x->unit_zh, b->unit_zh) == 0 && spans(p->l, x, number->number)) return (int)c;
        }
        return number->col;
    }
    if (number->has_unit) return -1;
    if (concept >= 0) col = glim_parse_column(p->l, concept);
    if (col < 0) { /* "12 GB memory and under 4000": more than any memory, and a price */
        glim_item *named = named_column(p, from, to, false);
        const int price = glim_parse_column(p->l, GLIM_CONCEPT_PRICE);
        const bool beyond = named && named->used && price >= 0 && !spans(p->l, &p->l->col[named->col], number->number) && spans(p->l, &p->l->col[price], number->number);
        col = beyond ? price : take(named);
    }
    return col >= 0 ? col : glim_parse_column(p->l, GLIM_CONCEPT_PRICE);
}

/* Item k reaches from `from` to `to`, as far as items before it leave room; what it reaches over is used up. Items never overlap. */
static void cover(glim_parse *p, size_t k, size_t from, size_t to) {
    for (size_t i = 0; i < p->n_items; i++) {
        glim_item *o = &p->v[i];
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

/* The verb before a number of people, "够三个人", "sleeps 4 people": what a row is for, not who comes. Its length, or 0. */
static size_t people_verb(const glim_parse *p, size_t k) {
    static const char *const verbs[] = {"住", "住下", "睡", "睡下", "够", "适合", "容纳", "供", "for ", "sleeps ", "sleep ", "fits ", "feeds ", "serves ", "enough for ", "room for "};
    const glim_item *it = &p->v[k];
    if (it->col < 0 || p->l->col[it->col].concept != GLIM_CONCEPT_PEOPLE) return 0;
    for (size_t i = 0; i < GLIM_COUNT(verbs); i++) {
        const size_t n = strlen(verbs[i]);
        if (n <= it->from && memcmp(p->s + it->from - n, verbs[i], n) == 0) return n;
    }
    return 0;
}

static bool take_verb(glim_parse *p, size_t k) {
    const size_t n = people_verb(p, k);
    if (n) cover(p, k, p->v[k].from - n, p->v[k].to);
    return n > 0;
}

/* "The 3 cheapest", "recommend 3 phones", "5 phones": how many are wanted. */
static bool so_many(const glim_parse *p, size_t k) {
    if (k + 1 == p->n_items) return false;
    const glim_item *it = &p->v[k], *before = k > 0 ? &p->v[k - 1] : NULL, *behind = &p->v[k + 1];
    if (!bare_between(p, it->to, behind->from)) return false;
    if (behind->kind == WORD) return behind->word == GLIM_WORD_MOST || behind->word == GLIM_WORD_LEAST;
    if (behind->kind != VALUE) return false;
    if (it->from == 0) return true;
    return before && before->kind == WORD && bare_between(p, before->to, it->from) && (before->word == GLIM_WORD_LIST || p->s[behind->to - 1] == 's');
}

/* "四个人住哪间": what they come for, behind them. */
static bool come_behind(const glim_parse *p, size_t k) {
    static const char *const behind[] = {"住", "睡", "吃", "入住", "用餐", "坐", "喝"};
    const glim_item *it = &p->v[k];
    bool come = false;
    for (size_t i = 0; i < GLIM_COUNT(behind) && it->col >= 0; i++) come |= p->l->col[it->col].concept == GLIM_CONCEPT_PEOPLE && strncmp(p->s + it->to, behind[i], strlen(behind[i])) == 0;
    return come && it->has_unit;
}

/* A number that nothing is compared with: "两份", of which the row does not speak, is out of the way. */
static void lone_number(glim_parse *p, size_t k) {
    glim_item *it = &p->v[k];
    const int col = it->has_unit ? it->col : -1;
    if (it->money || it->number < 1 || it->number > 99) return;
    if (it->number == 1 && it->has_unit && col >= 0 && p->l->col[col].concept == GLIM_CONCEPT_PEOPLE) it->used = true; /* "多少钱一位" */
    if (come_behind(p, k)) {
        add_cond(p, (glim_cond){.col = col, .op = GLIM_COND_GE, .a = it->number});
        cover(p, k, it->from, it->to + 3);
        it->used = true;
    } else if (take_verb(p, k)) {
        add_cond(p, (glim_cond){.col = col, .op = GLIM_COND_GE, .a = it->number});
        it->used = true;
    } else if (col >= 0 && p->l->col[col].type == GLIM_LIB_STOCK) {
        it->used = true;
    } else if (!it->has_unit) {
        const size_t at = glim_parse_spaces(p, it->to), n = glim_piece_word(p->s + at, p->n - at);
        if (n) cover(p, k, it->from, at + n), it->used = true;
        else if (so_many(p, k)) it->used = true;
        if (it->used) p->f->limit = (size_t)it->number;
    }
}

/* Is what stands at `at` denied? The words up to it are read then. */
static bool denied(glim_parse *p, size_t at) {
    size_t from;
    if (!glim_parse_denied(p, at, &from)) return false;
    if (p->n_denials < GLIM_PARSE_DENIALS) p->denial[p->n_denials].from = from, p->denial[p->n_denials++].to = at;
    return true;
}

static bool denied_behind(glim_parse *p, size_t at) {
    size_t to;
    if (!glim_parse_denied_behind(p, at, &to)) return false;
    if (p->n_denials < GLIM_PARSE_DENIALS) p->denial[p->n_denials].from = at, p->denial[p->n_denials++].to = to;
    return true;
}

/* "Not more than 3000", "不想超过3000元". "没有低于2000的吗" and "none under 2000?" ask whether there are any. */
static bool bound_denied(glim_parse *p, size_t at) {
    static const char *const exist[] = {"没", "无", "no ", "without", "nothing"};
    size_t from;
    if (!glim_parse_denied(p, at, &from)) return false;
    for (size_t k = 0; k < GLIM_COUNT(exist); k++)
        if (strncmp(p->s + from, exist[k], strlen(exist[k])) == 0 && (k || strstr(p->s, "吗"))) return false;
    return denied(p, at);
}

/* Is a figure with a unit said of what is wanted, "27 inch monitor", "5000mAh的手机", "2人份的"? Not where a model is named beside it. */
static bool describes(const glim_parse *p, size_t k) {
    const glim_item *it = &p->v[k];
    if (it->money || !it->has_unit || it->col < 0 || p->l->col[it->col].type == GLIM_LIB_STOCK) return false;
    const char *unit = p->l->col[it->col].unit_en;
    if (unit && strlen(unit) == 1 && (p->s[it->to - 1] | 32) == (unit[0] | 32)) return false; /* "5G" are no grams */
    size_t at = 0;
    for (size_t j = 0; j <= p->n_items; j++) { /* a Latin word that nobody knows */
        for (size_t to = j < p->n_items ? p->v[j].from : p->n; at < to; at++)
            if (glim_parse_alnum(p, at)) return false;
        if (j < p->n_items) at = p->v[j].to;
    }
    for (size_t j = 0; j < p->n_items; j++)
        if (p->v[j].kind == VALUE && p->l->col[p->v[j].col].concept == GLIM_CONCEPT_KIND) return true;
    if (strncmp(p->s + it->to, "的", 3) != 0) return false;
    return it->to + 3 == p->n || (k + 1 < p->n_items && p->v[k + 1].from == it->to && p->v[k + 1].kind == WORD && p->v[k + 1].to > it->to + 3);
}

/* "A room for two": people, though nobody says so. */
static void for_people(glim_parse *p, size_t k) {
    glim_item *it = &p->v[k];
    const int c = glim_parse_column(p->l, GLIM_CONCEPT_PEOPLE);
    const size_t at = glim_parse_spaces(p, it->to);
    const bool ends = at >= p->n || strchr("?.!,;", p->s[at]) != NULL;
    if (c < 0 || it->has_unit || it->money || it->number > 20 || !ends || it->from < 4 || memcmp(p->s + it->from - 4, "for ", 4) != 0) return;
    it->col = c;
    it->has_unit = true;
}

static bool held(const glim_lib_col *col, double v, uint32_t n_rows) {
    for (uint32_t r = 0; r < n_rows; r++)
        if (col->number[r] == v) return true;
    return false;
}

/* So many people need room for as many; what is written exactly so is meant so, and else about as much. */
static void described(glim_parse *p, size_t k) {
    glim_item *it = &p->v[k];
    const int c = number_column(p, it, -1, it->from, it->to);
    const bool portion = it->to >= it->from + 3 && memcmp(p->s + it->to - 3, "份", 3) == 0; /* "2人份" */
    it->used = true;
    if (p->l->col[c].concept == GLIM_CONCEPT_PEOPLE && !portion) {
        add_cond(p, (glim_cond){.col = c, .op = GLIM_COND_GE, .a = it->number});
        return;
    }
    const bool about = !it->loose && !held(&p->l->col[c], it->number, p->l->n_rows);
    add_cond(p, (glim_cond){.col = c, .op = GLIM_COND_GE, .a = about ? it->number * 0.9 : it->number, .about = about});
    add_cond(p, (glim_cond){.col = c, .op = GLIM_COND_LE, .a = about || it->loose ? it->number * 1.1 : it->number, .about = about});
}

/* "2023年以后上市的", "released before 2024": the whole year, or what lies on one side of it. */
static void year_conds(glim_parse *p, size_t k) {
    static const char *const since[] = {"以后", "之后", "以来", "后", "起", "至今"}, *const before[] = {"以前", "之前", "前"};
    glim_item *it = &p->v[k];
    const bool year_only = p->l->col[it->col].years;
    double first = year_only ? it->number : it->number * 10000, last = year_only ? first : first + 1231;
    bool from = false, until = false, after = false;
    size_t to = it->to;
    for (size_t i = 0; i < GLIM_COUNT(since) && !from; i++)
        if (strncmp(p->s + it->to, since[i], strlen(since[i])) == 0) from = true, to = it->to + strlen(since[i]);
    for (size_t i = 0; i < GLIM_COUNT(before) && !from && !until; i++)
        if (strncmp(p->s + it->to, before[i], strlen(before[i])) == 0) until = true, to = it->to + strlen(before[i]);
    size_t at = it->from;
    int month = 0, day = 0;
    if (!year_only && (at = glim_month_before(p->s, it->from, &month, &day)) < it->from) {
        first += month * 100 + day;
        last = day ? first : first + 31;
    } else if (!year_only && k + 1 < p->n_items && p->v[k + 1].kind == NUMBER && p->v[k + 1].from == it->to && strncmp(p->s + p->v[k + 1].to, "月", 3) == 0 && p->v[k + 1].number <= 12) { /* "2027年5月" */
        first += p->v[k + 1].number * 100;
        last = first + 31;
        p->v[k + 1].used = true;
        to = p->v[k + 1].to + 3;
        from = until = false;
        for (size_t i = 0; i < GLIM_COUNT(since) && !from; i++)
            if (strncmp(p->s + to, since[i], strlen(since[i])) == 0) from = true, to += strlen(since[i]);
        for (size_t i = 0; i < GLIM_COUNT(before) && !from && !until; i++)
            if (strncmp(p->s + to, before[i], strlen(before[i])) == 0) until = true, to += strlen(before[i]);
    }
#define BEHIND(w) (strlen(w) <= at && memcmp(p->s + at - strlen(w), w, strlen(w)) == 0)
    if (BEHIND("since ") || BEHIND("from ")) from = BEHIND("since ") || !year_only, at -= BEHIND("since ") ? 6 : 5; /* a wine from 2018 is of that year */
    else if (BEHIND("after ")) after = true, at -= 6;
    else if (BEHIND("before ")) until = true, at -= 7;
    else if (BEHIND("in ")) at -= 3;
#undef BEHIND
    if (after) add_cond(p, (glim_cond){.col = it->col, .op = GLIM_COND_GT, .a = last});
    if (from || (!after && !until)) add_cond(p, (glim_cond){.col = it->col, .op = GLIM_COND_GE, .a = first});
    if (until) add_cond(p, (glim_cond){.col = it->col, .op = GLIM_COND_LT, .a = first});
    if (!from && !after && !until) add_cond(p, (glim_cond){.col = it->col, .op = GLIM_COND_LE, .a = last});
    for (size_t j = 0; j < p->n_items; j++)
        if (p->v[j].kind == COLUMN && p->v[j].col == it->col) p->v[j].used = true;
    it->used = true;
    for (size_t j = 0; j < k; j++)
        if (p->v[j].from >= at) p->v[j].used = true;
    if (p->n_denials < GLIM_PARSE_DENIALS) p->denial[p->n_denials].from = at, p->denial[p->n_denials++].to = to; /* "june" is no item */
    cover(p, k, at, to);
}

/* Does the name of the column that it counts stand right beside it: "diameter 4 mm", "80 mm long", "zone 4", "保质期24个月"? */
static bool beside_column(const glim_parse *p, size_t k) {
    const glim_item *it = &p->v[k];
    if (it->money) return false;
    for (int side = 0; side < 2; side++) {
        if (side ? k + 1 >= p->n_items : k == 0) continue;
        const glim_item *by = side ? it + 1 : it - 1;
        if (side && by->kind == WORD && by->word == GLIM_WORD_TO && by->to == by->from + 1 && by->from == it->to && k + 2 < p->n_items && it[2].from == by->to) by = it + 2; /* "2-room" */
        if (by->kind != COLUMN || by->used || !numeric(p, by->col) || p->l->col[by->col].type == GLIM_LIB_DATE || p->l->col[by->col].type == GLIM_LIB_STOCK || p->l->col[by->col].type == GLIM_LIB_PRICE) continue;
        if (!bare_between(p, side ? it->to : by->to, side ? by->from : it->from)) continue;
        const bool counts = it->col == by->col || (it->has_unit && it->col >= 0 && same_unit(&p->l->col[it->col], &p->l->col[by->col]));
        const char *en = p->l->col[by->col].en;
        const bool plural = side && !p->l->col[by->col].unit_en && p->l->col[by->col].type == GLIM_LIB_NUMBER && strlen(en) > 3 && en[strlen(en) - 1] == 's'; /* so many gears */
        if (it->has_unit ? counts : !side || plural) return true; /* "4 pages" has its unit in the name; a bare figure stands behind it */
    }
    return false;
}

static void number_conds(glim_parse *p, size_t k) {
    glim_item *it = &p->v[k], *before = k > 0 ? &p->v[k - 1] : NULL, *behind = k + 1 < p->n_items ? &p->v[k + 1] : NULL;
    glim_item *other = k + 2 < p->n_items ? &p->v[k + 2] : NULL;
    if (it->used) return;
    if (it->year && behind && other && behind->kind == WORD && behind->word == GLIM_WORD_TO && other->kind == NUMBER && other->year && other->col == it->col) { /* "from 2015 to 2018" */
        const bool years = p->l->col[it->col].years;
        add_cond(p, (glim_cond){.col = it->col, .op = GLIM_COND_GE, .a = years ? it->number : it->number * 10000});
        add_cond(p, (glim_cond){.col = it->col, .op = GLIM_COND_LE, .a = years ? other->number : other->number * 10000 + 1231});
        it->used = behind->used = other->used = true;
        if (before && before->kind == WORD && before->word == GLIM_WORD_BETWEEN) before->used = true;
        return;
    }
    if (it->year) {
        year_conds(p, k);
        return;
    }
    /* a to b */
    if (behind && other && behind->kind == WORD && behind->word == GLIM_WORD_TO && other->kind == NUMBER && bare_between(p, it->to, behind->from) &&
        bare_between(p, behind->to, other->from)) {
        bool and_ = p->s[behind->from] == 'a' || strncmp(p->s + behind->from, "和", 3) == 0;
        bool between = before && before->kind == WORD && before->word == GLIM_WORD_BETWEEN;
        size_t end = glim_parse_spaces(p, other->to);
        bool inside = strncmp(p->s + end, "之间", 6) == 0;
        if (!and_ || between || inside) {
            glim_item unit = other->money || other->has_unit ? *other : *it;
            int col = number_column(p, &unit, -1, it->from, other->to);
            if (col >= 0) {
                double a = it->number, b = other->number;
                if (!it->has_unit && other->scale > 0) a *= other->scale; /* "1-2公斤" */
                else if (a < b && a < 100 && b >= 1000 && !it->has_unit) a *= 1000; /* "2 to 3k" */
                add_cond(p, (glim_cond){.col = col, .op = GLIM_COND_GE, .a = a < b ? a : b});
                add_cond(p, (glim_cond){.col = col, .op = GLIM_COND_LE, .a = a < b ? b : a});
                it->used = behind->used = other->used = true;
                if (between || (before && before->kind == WORD && before->word <= GLIM_WORD_GT_BEFORE && bare_between(p, before->to, it->from))) before->used = true;
                return;
            }
        }
    }
    glim_cond c = {0};
    glim_item *op = NULL;
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
    } else if (it->money || it->low > 0) {
        about = true; /* "2000元的手机" */
    } else if (beside_column(p, k)) { /* "diameter 4 mm", "zone 4" */
        described(p, k);
        return;
    } else {
        for_people(p, k);
        if (describes(p, k) && !people_verb(p, k) && !come_behind(p, k)) described(p, k);
        else lone_number(p, k);
        return;
    }
    c.col = number_column(p, it, op ? op->concept : -1, it->from, it->to);
    if (c.col < 0) return;
    it->used = true;
    if (op) op->used = true;
    if (op && !about && bound_denied(p, op->from < it->from ? op->from : it->from)) {
        static const glim_cond_op turned[] = {[GLIM_COND_LT] = GLIM_COND_GE, [GLIM_COND_LE] = GLIM_COND_GT, [GLIM_COND_GT] = GLIM_COND_LE, [GLIM_COND_GE] = GLIM_COND_LT};
        c.op = turned[c.op];
    }
    take_verb(p, k);
    c.a = it->number;
    if (about) {
        add_cond(p, (glim_cond){.col = c.col, .op = GLIM_COND_GE, .a = it->low > 0 ? it->low : it->number * 0.9, .about = true});
        c.op = GLIM_COND_LE;
        c.about = true;
        c.a = it->number * 1.1;
    }
    add_cond(p, c);
}

/* Does a list of columns go on at item k, "without a bathtub or breakfast"? */
static bool joined(const glim_parse *p, size_t k) {
    static const char *const joins[] = {" ", "、", "/", "和", "或者", "或", "以及", "及", "or", "nor", "a ", "any ", "the "};
    size_t j = k;
    while (j > 0 && p->v[j - 1].kind == WORD) j--;
    if (j == 0 || p->v[j - 1].kind != COLUMN) return false;
    for (size_t i = p->v[j - 1].to; i < p->v[k].from;) {
        size_t w = 0;
        while (w < GLIM_COUNT(joins) && strncmp(p->s + i, joins[w], strlen(joins[w])) != 0) w++;
        if (w == GLIM_COUNT(joins)) return false;
        i += strlen(joins[w]);
    }
    return p->v[k].from > p->v[j - 1].to;
}

/* The next value of a list of one column's, "麸质和花生", "nuts, eggs or milk": its item, or k. */
static size_t next_of_list(const glim_parse *p, size_t k) {
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
static bool unwanted(glim_parse *p, size_t k) {
    size_t first = k, last = k, next;
    while ((next = next_of_list(p, last)) > last) last = next;
    if (last + 1 < p->n_items && p->v[last + 1].kind == WORD && p->v[last + 1].word == GLIM_WORD_NOT_BEHIND) return true;
    if (p->l->col[p->v[k].col].concept != GLIM_CONCEPT_KIND && denied_behind(p, p->v[last].to)) return true;
    for (size_t i = k; i-- > 0 && i + 3 >= first;)
        if (p->v[i].kind == VALUE && next_of_list(p, i) == first) first = i;
    size_t from; /* "没有手机壳吗" asks for some */
    const bool kind = p->l->col[p->v[k].col].concept == GLIM_CONCEPT_KIND;
    if (kind && strstr(p->s, "吗") && glim_parse_denied(p, p->v[first].from, &from) && strncmp(p->s + from, "没", 3) == 0) return false;
    return denied(p, p->v[first].from);
}

static void ask(glim_parse *p, int col) {
    glim_filter *f = p->f;
    for (size_t i = 0; i < f->n_ask; i++)
        if (f->ask[i] == col) return;
    if (f->n_ask < GLIM_FILTER_ASKS) f->ask[f->n_ask++] = col;
}

static bool can_be_had(const glim_parse *p, int col) {
    const glim_lib_col *c = &p->l->col[col];
    return c->type == GLIM_LIB_BOOL || c->concept == GLIM_CONCEPT_WARM_CHARGE || c->concept == GLIM_CONCEPT_WATER || c->concept == GLIM_CONCEPT_BREAKFAST;
}

/* Is a product set against this one? "A和B比哪个轻" sets two against each other, and "比萨" is eaten. */
static bool is_than(const glim_parse *p, const glim_item *it) {
    static const char *const others[] = {"哪", "一", "起", "萨", "基", "亚", "利", "目"};
    static const char *const ends[] = {"呢", "怎么样", "如何", "一下"};
    bool than = p->s[it->from] == 't', sorts = than;
    for (size_t k = 0; k < p->n_items; k++) sorts |= p->v[k].kind == WORD && (p->v[k].word == GLIM_WORD_MOST || p->v[k].word == GLIM_WORD_LEAST);
    size_t i = glim_parse_spaces(p, it->to);
    for (size_t k = 0; !than && k < GLIM_COUNT(others); k++) sorts &= strncmp(p->s + i, others[k], strlen(others[k])) != 0;
    if (sorts) p->f->than = true;
    if (sorts && !than && it->from >= 3 && memcmp(p->s + it->from - 3, "有", 3) == 0) p->f->list = true; /* "有比L9便宜的吗" */
    for (size_t k = 0; !than && k < GLIM_COUNT(ends); k++)
        if (strncmp(p->s + i, ends[k], strlen(ends[k])) == 0) return p->f->compare = true; /* "和L9 Pro比呢" */
    return sorts;
}

/* "手机充电器", "phone chargers": of two kinds in one word the last is what it is, and no row is two kinds.
 * "手机平板都有吗" wants either. */
static bool of_the_next(const glim_parse *p, size_t k) {
    const glim_item *it = &p->v[k], *head = it + 1;
    if (!p->f->zh && k > 0 && p->v[k - 1].kind == VALUE && p->v[k - 1].col == it->col && !p->l->col[it->col].many && p->l->col[it->col].concept != GLIM_CONCEPT_KIND && it->from == p->v[k - 1].to + 1 && p->s[it->from - 1] == ' ')
        return true; /* "crime novels": of two values that no row has both of, the first says which */
    if (k + 1 == p->n_items || head->kind != VALUE || head->col != it->col || p->l->col[it->col].many || p->l->col[it->col].concept != GLIM_CONCEPT_KIND) return false;
    if (strncmp(p->s + head->to, "都", 3) == 0) return false;
    return head->from == it->to || (!p->f->zh && head->from == it->to + 1 && p->s[it->to] == ' ');
}

static bool superlative(const glim_parse *p, const glim_item *it) {
    const char *w = p->s + it->from, *end = p->s + it->to;
    for (const char *q = w; q + 3 <= end; q++)
        if (memcmp(q, "最", 3) == 0 || memcmp(q, "est", 3) == 0) return true;
    static const char *const more[] = {"most", "least", "best", "top"};
    for (size_t k = 0; k < GLIM_COUNT(more); k++)
        if (strncmp(w, more[k], strlen(more[k])) == 0) return true;
    return false;
}

/* "太贵了" wants it cheaper, and so does "不要太贵的". */
static bool too_much(const glim_parse *p, const glim_item *it) { return strncmp(p->s + it->from, "太", 3) == 0 || strncmp(p->s + it->from, "too ", 4) == 0; }

static bool comparative(const glim_parse *p, const glim_item *it) {
    const char *w = p->s + it->from;
    if (memcmp(p->s + it->to - 2, "er", 2) == 0 || strncmp(w, "more ", 5) == 0 || strncmp(w, "less ", 5) == 0 || strncmp(w, "更", 3) == 0) return true;
    return it->to > it->from + 3 && strncmp(w, "贵", 3) == 0; /* "贵一点" */
}

/* "最大的套房", "the longest screw", "the oldest vintage": by what things have of it. */
static int by_word(const glim_parse *p, const glim_item *it) {
    static const struct {
        const char *words; /* each between bars */
        int of[4];
    } table[] = {{"|最大|最小|更大|更小|largest|biggest|smallest|larger|bigger|smaller|", {GLIM_CONCEPT_AREA, GLIM_CONCEPT_SCREEN, GLIM_CONCEPT_SIZE, -1}},
                 {"|longest|longer|shortest|shorter|最长|更长|最短|更短|最久|", {GLIM_CONCEPT_LENGTH, GLIM_CONCEPT_DURATION, GLIM_CONCEPT_PAGES, -1}},
                 {"|tallest|taller|最高|更高|shortest|shorter|highest|", {GLIM_CONCEPT_HEIGHT, -1, -1, -1}},
                 {"|widest|wider|narrowest|narrower|最宽|最窄|更宽|", {GLIM_CONCEPT_WIDTH, -1, -1, -1}},
                 {"|deepest|最深|", {GLIM_CONCEPT_DEPTH, -1, -1, -1}},
                 {"|thickest|thicker|thinnest|最粗|最细|", {GLIM_CONCEPT_DIAMETER, -1, -1, -1}},
                 {"|strongest|stronger|", {GLIM_CONCEPT_ALCOHOL, GLIM_CONCEPT_POWER, -1, -1}},
                 {"|oldest|older|newest|newer|latest|最新|最老|", {GLIM_CONCEPT_YEAR, GLIM_CONCEPT_RELEASED, -1, -1}},
                 {"|earliest|earlier|soonest|最早|最近|", {GLIM_CONCEPT_START, GLIM_CONCEPT_YEAR, GLIM_CONCEPT_EXPIRY, -1}}};
    char word[32];
    int col = -1;
    if (it->to - it->from > sizeof word - 3) return -1;
    snprintf(word, sizeof word, "|%.*s|", (int)(it->to - it->from), p->s + it->from);
    for (size_t i = 0; i < GLIM_COUNT(table) && col < 0; i++)
        for (size_t k = 0; k < 4 && table[i].of[k] >= 0 && col < 0 && strstr(table[i].words, word); k++) col = glim_parse_column(p->l, table[i].of[k]);
    return col;
}

/* "低热量的菜", "大内存手机", "low calorie": an order said before its column. */
static bool ordered(glim_parse *p, size_t k) {
    static const struct {
        const char *text;
        bool most;
    } words[] = {{"低", false}, {"小", false}, {"少", false}, {"轻", false}, {"高", true}, {"大", true}, {"多", true}, {"长", true}, {"low ", false}, {"high ", true}, {"large ", true}, {"big ", true}, {"long ", true}};
    glim_item *it = &p->v[k];
    if (p->f->sort >= 0 || !numeric(p, it->col) || p->l->col[it->col].type == GLIM_LIB_STOCK) return false;
    for (size_t w = 0; w < GLIM_COUNT(words); w++) {
        const size_t n = strlen(words[w].text);
        if (n > it->from || memcmp(p->s + it->from - n, words[w].text, n) != 0 || ((unsigned char)words[w].text[0] < 0x80 && it->from > n && glim_parse_alnum(p, it->from - n - 1))) continue;
        if (k > 0 && p->v[k - 1].to > it->from - n) return false; /* of another item */
        if (it->from >= n + 3 && memcmp(p->s + it->from - n - 3, "最", 3) == 0) return false;
        p->f->sort = it->col;
        p->f->most = words[w].most;
        cover(p, k, it->from - n, it->to);
        return true;
    }
    return false;
}

static void conditions(glim_parse *p) {
    glim_filter *f = p->f;
    for (size_t k = 0; k < p->n_items; k++) {
        glim_item *it = &p->v[k];
        if (it->kind == NUMBER) number_conds(p, k);
        if (it->kind == VALUE && it->stem) {
            add_cond(p, (glim_cond){.col = it->col, .value = it->value, .stated = true, .op = unwanted(p, k) ? GLIM_COND_IS : GLIM_COND_IS_NOT});
            ask(p, it->col);
        } else if (it->kind == VALUE && !of_the_next(p, k)) {
            add_cond(p, (glim_cond){.col = it->col, .value = it->value, .op = unwanted(p, k) ? GLIM_COND_IS_NOT : GLIM_COND_IS});
        }
        if (it->kind == VALUE && p->l->col[it->col].concept == GLIM_CONCEPT_KIND) {
            size_t j = k;
            while (j > 0 && p->v[j - 1].kind == WORD && p->v[j - 1].word == GLIM_WORD_FILLER) j--;
            f->kind_with |= j > 0 && p->v[j - 1].kind == WORD && p->v[j - 1].word == GLIM_WORD_HAS;
        }
        if (it->kind == VALUE) it->used = true;
        if (it->kind != WORD) continue;
        int col = -1;
        switch (it->word) {
        case GLIM_WORD_MOST:
        case GLIM_WORD_LEAST:
            f->more |= it->from >= 3 && memcmp(p->s + it->from - 3, "有", 3) == 0; /* "有便宜的吗" */
            if (f->sort >= 0) { /* "太贵了，有便宜点的吗" says one thing twice */
                it->used = it->concept >= 0 && f->sort == glim_parse_column(p->l, it->concept) && f->most == (it->word == GLIM_WORD_MOST);
                if (it->used || !f->top || !superlative(p, it) || f->sort2 >= 0) break;
            }
            col = it->col >= 0 ? it->col : it->concept >= 0 ? glim_parse_column(p->l, it->concept) : take(named_column(p, it->from, it->to, true));
            if (col < 0) col = by_word(p, it);
            if (col < 0) break;
            if (f->sort >= 0) { /* "the cheapest and the most expensive", "the cheapest and the lightest" */
                f->sort2 = col;
                f->most2 = it->word == GLIM_WORD_MOST;
                it->used = true;
                break;
            }
            f->sort = col;
            f->top = superlative(p, it);
            f->more |= comparative(p, it);
            f->most = it->word == GLIM_WORD_MOST;
            if (bound_denied(p, it->from)) f->most ^= !too_much(p, it); /* "not cheap", "不便宜": from the other end; "没有更便宜的吗" asks */
            it->used = true;
            break;
        case GLIM_WORD_IN_STOCK:
        case GLIM_WORD_NO_STOCK:
            col = glim_parse_column(p->l, GLIM_CONCEPT_STOCK);
            if (col < 0) break;
            add_cond(p, (glim_cond){.col = col, .op = (it->word == GLIM_WORD_IN_STOCK) != denied(p, it->from) ? GLIM_COND_GT : GLIM_COND_LE, .a = 0});
            it->used = true;
            break;
        case GLIM_WORD_COUNT: /* "how many calories" asks for a cell */
            it->used = true;
            if (f->list && strncmp(p->s + it->from, "几", 3) == 0) break; /* "推荐几款手机": some */
            f->count |= !(k + 1 < p->n_items && p->v[k + 1].kind == COLUMN && bare_between(p, it->to, p->v[k + 1].from));
            break;
        case GLIM_WORD_TO: it->used = it->used || (p->s[it->from] != '-' && p->s[it->from] != '~'); break;
        case GLIM_WORD_ABOUT: it->used = true; break; /* "tell me about it": without a number too */
        case GLIM_WORD_MEAN: f->mean = it->used = true; break;
        case GLIM_WORD_LIST: f->list = it->used = true; break;
        case GLIM_WORD_THIS: f->self = it->used = true; break;
        case GLIM_WORD_COMPARE: f->compare = it->used = true; break;
        case GLIM_WORD_THAN: it->used = is_than(p, it); break;
        case GLIM_WORD_GOODS: f->goods = it->used = true; break;
        case GLIM_WORD_FILLER: case GLIM_WORD_HAS: case GLIM_WORD_NOT: case GLIM_WORD_NOT_BEHIND: it->used = true; break;
        default: break;
        }
    }
    bool no = false;
    for (size_t k = 0; k < p->n_items; k++) { /* columns that no condition took */
        glim_item *it = &p->v[k];
        if (it->kind != COLUMN || it->used) continue;
        it->used = true;
        if (ordered(p, k)) continue;
        if (!f->zh && !can_be_had(p, it->col) && !p->l->col[it->col].number && denied(p, it->from)) { /* "plants without flowers": no table says it */
            f->without = true;
            glim_buf_append(&f->denied, p->s + it->from, it->to - it->from);
            continue;
        }
        ask(p, it->col);
        no = denied(p, it->from) || (can_be_had(p, it->col) && denied_behind(p, it->to)) || (no && joined(p, k));
        f->with |= can_be_had(p, it->col) && k > 0 && p->v[k - 1].kind == WORD && p->v[k - 1].word == GLIM_WORD_HAS;
        if (can_be_had(p, it->col)) glim_buf_append(&f->had, p->s + it->from, it->to - it->from), glim_buf_putc(&f->had, ' ');
        if (can_be_had(p, it->col)) add_cond(p, (glim_cond){.col = it->col, .op = no ? GLIM_COND_HAS_NOT : GLIM_COND_HAS});
    }
}

/* "黑色和白色都有的", "in black and white": all values of a column that holds several, and not one of them. */
static bool wants_every(const glim_parse *p) {
    for (size_t k = 0; k + 1 < p->n_items; k++) {
        const glim_item *a = &p->v[k], *b = a + 1;
        size_t j = k + 1;
        while (j + 1 < p->n_items && p->v[j].kind == WORD && (p->v[j].word == GLIM_WORD_TO || p->v[j].word == GLIM_WORD_FILLER)) j++;
        b = &p->v[j];
        if (a->kind != VALUE || b->kind != VALUE || a->col != b->col || !p->l->col[a->col].many || b->from < a->to || b->from - a->to > 12) continue;
        char between[16];
        snprintf(between, sizeof between, "%.*s", (int)(b->from - a->to), p->s + a->to);
        if (strcmp(between, " and ") == 0) return true;
        const bool joined_zh = strstr(between, "和") || strstr(between, "、") || strstr(between, "又") || strstr(between, "跟") || strstr(between, "也");
        if (joined_zh && (strncmp(p->s + b->to, "都", 3) == 0 || strstr(p->s, "同时") || strstr(p->s, "既"))) return true;
    }
    return false;
}

/* Is a no said of words that are no item, "没有牛肉的菜"? What only says nothing between two items is none, and neither is a no that
 * a condition was read from. */
static bool denies_words(const glim_parse *p) {
    for (size_t k = 0; k < p->n_items; k++) {
        if (p->v[k].kind != WORD || p->v[k].word != GLIM_WORD_NOT) continue;
        bool read = false;
        for (size_t d = 0; d < p->n_denials; d++) read |= p->denial[d].from <= p->v[k].from && p->v[k].from < p->denial[d].to;
        if (read) continue;
        size_t at = glim_parse_spaces(p, p->v[k].to), j = k + 1, from;
        while (j < p->n_items && p->v[j].kind == WORD && (p->v[j].word == GLIM_WORD_FILLER || p->v[j].word == GLIM_WORD_GOODS || p->v[j].word == GLIM_WORD_HAS) && p->v[j].from == at)
            at = glim_parse_spaces(p, p->v[j++].to);
        const size_t end = j < p->n_items ? p->v[j].from : p->n;
        uint32_t cp = 0;
        const bool word = at < end && (glim_parse_alnum(p, at) || (glim_utf8_next(p->s + at, p->n - at, &cp) > 0 && glim_term_is_cjk(cp)));
        if (word && glim_parse_denied(p, at, &from)) { /* and not "有没有" */
            glim_buf_append(&p->f->denied, p->s + at, end - at);
            return true;
        }
    }
    return false;
}

/* Who says that something makes him ill is answered by the values of such a column alone, and only where nothing else is said:
 * "芒果过敏" and "花生和虾过敏" go to a person, since no table says which rows are without mango or shrimp. */
static bool says_allergic(const glim_parse *p) {
    static const char *const words[] = {"过敏", "不耐受", "allerg", "intoleran", "coeliac", "celiac"};
    for (size_t w = 0; w < GLIM_COUNT(words); w++)
        for (const char *q = p->s; (q = strstr(q, words[w])) != NULL; q++)
            if (strncmp(q, "过敏原", 9) != 0 && strncmp(q, "过敏源", 9) != 0 && strncmp(q, "allergen", 8) != 0) return true;
    return false;
}

static bool of_allergies(const glim_lib_col *c) {
    for (size_t a = 0; a < c->n_alias; a++)
        if (strstr(c->alias[a], "过敏") || strstr(c->alias[a], "allerg")) return true;
    return false;
}

static bool has_words(const char *s) {
    uint32_t cp;
    for (size_t i = 0, n = strlen(s); i < n;) {
        const int k = glim_utf8_next(s + i, n - i, &cp);
        if ((isalnum((unsigned char)s[i]) && isalnum((unsigned char)s[i + 1])) || (k > 0 && glim_term_is_cjk(cp))) return true; /* not the "m" of "I'm" */
        i += k > 0 ? (size_t)k : 1;
    }
    return false;
}

/* "Nut free" is no dish with peanuts: values of such a column that have the Latin word in theirs go with it. */
static void kin_of_allergens(glim_parse *p) {
    glim_filter *f = p->f;
    for (size_t i = 0, n = f->n_cond; i < n; i++) {
        const glim_cond c = f->cond[i];
        const glim_lib_col *col = &p->l->col[c.col];
        if (c.op != GLIM_COND_IS_NOT || !of_allergies(col)) continue;
        for (size_t a = 0; a < col->value[c.value].n_alias; a++) {
            const char *word = col->value[c.value].alias[a];
            size_t len = strlen(word);
            if ((unsigned char)word[0] >= 0x80 || len < 3) continue;
            if (word[len - 1] == 's') len--;
            for (size_t v = 0; v < col->n_value; v++)
                for (size_t b = 0; b < col->value[v].n_alias && v != c.value; b++)
                    if (memmem(col->value[v].alias[b], strlen(col->value[v].alias[b]), word, len)) add_cond(p, (glim_cond){.col = c.col, .op = GLIM_COND_IS_NOT, .value = (uint16_t)v});
        }
    }
}

static void allergies(glim_parse *p) {
    glim_filter *f = p->f;
    bool said = false;
    if (!says_allergic(p)) return;
    for (size_t i = 0; i < f->n_cond; i++)
        if ((f->cond[i].op == GLIM_COND_IS || f->cond[i].op == GLIM_COND_IS_NOT) && of_allergies(&p->l->col[f->cond[i].col])) f->cond[i].op = GLIM_COND_IS_NOT, said = true;
    f->unlisted = !said;
    f->without |= !said || has_words(glim_buf_cstr(&f->rest));
}

/* Is it answered with yes or no? "是不是最便宜的手机", "is it the cheapest phone?" */
static bool asks_whether(const glim_parse *p) {
    if (strstr(p->s, "吗") || strstr(p->s, "是不是")) return !strstr(p->s, "多少") && !strstr(p->s, "什么") && !strstr(p->s, "哪");
    return strncmp(p->s, "is ", 3) == 0 || strstr(p->s, " is it ") != NULL;
}

static bool asks_yes_no(const glim_parse *p) {
    static const char *const zh[] = {"吗", "是不是", "有没有", "是否", "能不能", "可不可以", "么？"}, *const en[] = {"is", "are", "does", "do", "can", "has", "have", "will", "could", "was"};
    for (size_t i = 0; i < GLIM_COUNT(zh); i++)
        if (strstr(p->s, zh[i])) return true;
    for (size_t i = 0; i < GLIM_COUNT(en); i++) { /* at the beginning of a clause */
        const size_t n = strlen(en[i]);
        for (const char *q = p->s; (q = strstr(q, en[i])) != NULL; q++)
            if (q[n] == ' ' && (q == p->s || (q >= p->s + 2 && q[-1] == ' ' && strchr(",.?!", q[-2])) || (q >= p->s + 5 && memcmp(q - 5, " and ", 5) == 0))) return true;
    }
    return false;
}

/* "65瓦" where no column has watts: as rows write it, "65w". */
static bool figure(const glim_parse *p, const glim_item *it, glim_buf *out) {
    if (it->kind != NUMBER || !it->has_unit || it->col >= 0 || it->money) return false;
    size_t longest = 0;
    const char *unit = NULL;
    for (size_t m = 0; m < glim_n_measures; m++) {
        const size_t n = strlen(glim_measures[m].text);
        if (n > longest && n <= it->to && memcmp(p->s + it->to - n, glim_measures[m].text, n) == 0) longest = n, unit = glim_measures[m].text;
    }
    if (!unit) return false;
    for (size_t m = 0, own = (size_t)glim_measure_of(unit); m < glim_n_measures; m++) /* the Latin word for the same */
        if ((unsigned char)unit[0] >= 0x80 && (unsigned char)glim_measures[m].text[0] < 0x80 && glim_measures[m].v == glim_measures[own].v && strcmp(glim_measures[m].of, glim_measures[own].of) == 0) {
            unit = glim_measures[m].text;
            break;
        }
    glim_buf_printf(out, "%.10g%s", it->number, unit);
    return p->f->figure = true;
}

glim_status glim_filter_parse(glim_filter *f, const glim_lib *l, const char *question, size_t n, glim_err *err) {
    if (n > MAX_QUESTION) return glim_fail(err, GLIM_E_LIMIT, "the question has %zu bytes, want at most %d", n, MAX_QUESTION);
    glim_buf words = f->words, rest = f->rest, had = f->had, no = f->denied, s = {0};
    *f = (glim_filter){.words = words, .rest = rest, .had = had, .denied = no, .sort = -1, .sort2 = -1};
    glim_buf_clear(&f->had);
    glim_buf_clear(&f->denied);
    glim_buf_clear(&f->words);
    glim_buf_clear(&f->rest);
    glim_status rc = glim_terms_fold(&s, question, n, err);
    void *mem = NULL;
    if (rc == GLIM_OK) rc = glim_try_calloc(&mem, 1, sizeof(glim_parse), "a question", err);
    if (rc != GLIM_OK) {
        glim_buf_free(&s);
        return rc;
    }
    glim_parse *p = mem;
    *p = (glim_parse){.l = l, .f = f, .s = glim_buf_cstr(&s), .n = s.len};
    uint32_t cp;
    for (size_t i = 0; i < s.len && !f->zh;) {
        int k = glim_utf8_next(s.s + i, s.len - i, &cp);
        f->zh = k > 0 && glim_term_is_cjk(cp);
        i += k > 0 ? (size_t)k : 1;
    }
    glim_parse_items(p);
    conditions(p);
    f->every = wants_every(p);
    f->without |= denies_words(p);
    f->whether = asks_whether(p);
    f->yes_no = asks_yes_no(p);
    for (size_t k = 0; k < p->n_denials; k++) memset(s.s + p->denial[k].from, ' ', p->denial[k].to - p->denial[k].from);
    size_t at = 0;
    for (size_t k = 0; k <= p->n_items; k++) {
        size_t to = k < p->n_items ? p->v[k].from : p->n;
        glim_buf_append(&f->words, p->s + at, to - at);
        glim_buf_append(&f->rest, p->s + at, to - at);
        if (k == p->n_items) break;
        const glim_item *it = &p->v[k];
        at = it->to;
        const bool goods = it->kind == WORD && it->concept == GLIM_WORD_ALONE; /* "菜" finds what has it in its name */
        if (it->used && it->kind != VALUE && !goods) {
            glim_buf_putc(&f->words, ' ');
        } else {
            glim_buf_append(&f->words, p->s + it->from, it->to - it->from);
        }
        if (it->used) glim_buf_putc(&f->rest, ' ');
        else if (!figure(p, it, &f->rest)) glim_buf_append(&f->rest, p->s + it->from, it->to - it->from);
    }
    allergies(p);
    kin_of_allergens(p);
    rc = glim_buf_status(&f->words, "a question", err);
    if (rc == GLIM_OK) rc = glim_buf_status(&f->rest, "a question", err);
    free(p);
    glim_buf_free(&s);
    return rc;
}

void glim_filter_deinit(glim_filter *f) {
    glim_buf_free(&f->words);
    glim_buf_free(&f->rest);
    glim_buf_free(&f->had);
    glim_buf_free(&f->denied);
}
