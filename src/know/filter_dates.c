/* filter_dates.c - years and days in a question: "since 2023", "in May 2027", "before 15 June", "5月开课的".
 *
 * A day or a month without a year is of the year in which the column has that month. Where two years have it nobody knows which is meant, and the
 * question is not answered. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "know/filter_internal.h"

static size_t word_at(const glim_parse *p, size_t at, const char *const *words, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (strncmp(p->s + at, words[i], strlen(words[i])) == 0) return strlen(words[i]);
    return 0;
}

static const char *const months[] = {"january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december", "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec", "sept"};

/* The length of a month's name at i, or 0. */
static size_t month_at(const glim_parse *p, size_t i, int *month) {
    size_t n = 0;
    while (glim_parse_alnum(p, i + n) && isalpha((unsigned char)p->s[i + n])) n++;
    if (n < 3 || glim_parse_alnum(p, i + n)) return 0;
    for (size_t k = 0; k < GLIM_COUNT(months); k++)
        if (strlen(months[k]) == n && memcmp(p->s + i, months[k], n) == 0) {
            *month = k == 24 ? 9 : (int)(k % 12) + 1;
            return n + (n < 5 && p->s[i + n] == '.' && p->s[i + n + 1] == ' ');
        }
    return 0;
}

/* The length of a day at i, "3", "3rd", or 0. */
static size_t day_at(const glim_parse *p, size_t i, int *day) {
    static const char *const ends[] = {"st", "nd", "rd", "th"};
    const size_t n = strspn(p->s + i, "0123456789");
    if (n == 0 || n > 2 || (i > 0 && (glim_parse_alnum(p, i - 1) || strchr(".,-/", p->s[i - 1])))) return 0;
    *day = atoi(p->s + i);
    const size_t k = word_at(p, i + n, ends, GLIM_COUNT(ends));
    return *day >= 1 && *day <= 31 && !glim_parse_alnum(p, i + n + k) && !(p->s[i + n] == '.' && isdigit((unsigned char)p->s[i + n + 1])) && p->s[i + n] != ':' ? n + k : 0;
}

/* "in may" is a month, "may i" is none: a name by itself wants a word before it that times have. */
static bool timed(const glim_parse *p, size_t i) {
    static const char *const before[] = {"in", "since", "after", "before", "until", "till", "from", "by", "of", "during", "early", "mid", "late", "next", "this", "through"};
    const glim_item *last = p->n_items ? &p->v[p->n_items - 1] : NULL;
    if (p->n_items > 1 && last->kind == WORD && last->word == GLIM_WORD_TO && last[-1].kind == NUMBER && last[-1].year && glim_parse_spaces(p, last->to) == i) return true;
    size_t end = i, from;
    while (end > 0 && (p->s[end - 1] == ' ' || p->s[end - 1] == '-')) end--;
    for (from = end; from > 0 && glim_parse_alnum(p, from - 1);) from--;
    for (size_t k = 0; k < GLIM_COUNT(before); k++)
        if (strlen(before[k]) == end - from && memcmp(before[k], p->s + from, end - from) == 0) return true;
    return false;
}

/* "3 May", "the 3rd of May", "May 3", "in May", with no year behind: its length, or 0. */
static size_t english_day(const glim_parse *p, size_t i, int *month, int *day) {
    size_t at = i, n = day_at(p, i, day);
    if (i > 0 && glim_parse_alnum(p, i - 1)) return 0;
    if (n) {
        at = glim_parse_spaces(p, i + n);
        if (strncmp(p->s + at, "of ", 3) == 0) at = glim_parse_spaces(p, at + 3);
        if ((n = month_at(p, at, month)) == 0) return 0;
        at += n;
    } else {
        if ((n = month_at(p, i, month)) == 0) return 0;
        at = i + n;
        size_t d = glim_parse_spaces(p, at);
        if (strncmp(p->s + d, "the ", 4) == 0) d = glim_parse_spaces(p, d + 4);
        n = d > at ? day_at(p, d, day) : 0;
        if (n) at = d + n;
        else if (!timed(p, i)) return 0;
    }
    size_t year = at;
    while (year < p->n && (p->s[year] == ' ' || p->s[year] == ',')) year++;
    return strspn(p->s + year, "0123456789") == 4 ? 0 : at - i;
}

/* A number up to 39 in figures or Chinese ones: its length, or 0. */
static size_t small_number(const char *s, int *v) {
    static const char *const digits[] = {"一", "二", "三", "四", "五", "六", "七", "八", "九"};
    size_t n = strspn(s, "0123456789");
    if (n) return n <= 2 ? *v = atoi(s), n : 0;
    int tens = 0, ones = 0;
    for (int part = 0; part < 2; part++) {
        for (int k = 0; k < 9; k++)
            if (strncmp(s + n, digits[k], 3) == 0) {
                ones = k + 1, n += 3;
                break;
            }
        if (part || strncmp(s + n, "十", 3) != 0) break;
        tens = ones ? ones : 1, ones = 0, n += 3;
    }
    return *v = tens * 10 + ones, n;
}

/* "5月", "6月15日", "六月十五号", of no year that is said before: its length, or 0. */
static size_t chinese_day(const glim_parse *p, size_t i, int *month, int *day) {
    if (i >= 3 && memcmp(p->s + i - 3, "年", 3) == 0) return 0;
    if (i > 0 && (glim_parse_alnum(p, i - 1) || p->s[i - 1] == '.')) return 0;
    size_t n = small_number(p->s + i, month), k;
    if (n == 0 || *month < 1 || *month > 12 || strncmp(p->s + i + n, "月", 3) != 0) return 0;
    n += 3;
    int d = 0;
    if ((k = small_number(p->s + i + n, &d)) > 0 && d >= 1 && d <= 31 && (strncmp(p->s + i + n + k, "日", 3) == 0 || strncmp(p->s + i + n + k, "号", 3) == 0)) *day = d, n += k + 3;
    else if (strncmp(p->s + i + n, "份", 3) == 0) n += 3;
    return n;
}

static bool stands_somewhere(const glim_parse *p, const glim_lib_col *col) {
    for (size_t a = 0; a < col->n_alias; a++)
        for (size_t i = 0; i < p->n; i++)
            if (glim_parse_stands(p, i, col->alias[a])) return true;
    return false;
}

/* The column of days that is meant: the only one, the one that is named, or else the one on which things begin; -1 where none is. */
static int day_column(const glim_parse *p) {
    int only = -1, named = -1, start = -1;
    size_t n = 0, n_named = 0;
    for (size_t c = 0; c < p->l->n_col; c++) {
        const glim_lib_col *col = &p->l->col[c];
        if (col->type != GLIM_LIB_DATE) continue;
        only = (int)c, n++;
        if (stands_somewhere(p, col)) named = (int)c, n_named++;
        if (col->concept == GLIM_CONCEPT_START) start = (int)c;
    }
    return n == 1 ? only : n_named == 1 ? named : start;
}

/* The year that the column has the month in, or its last one where it has none: 0 where there are two. */
static int year_of(const glim_parse *p, int col, int month) {
    int year = 0, last = 0;
    for (uint32_t r = 0; r < p->l->n_rows; r++) {
        const double v = p->l->col[col].number[r];
        if (isnan(v)) continue;
        const int y = (int)v / 10000, m = (int)v / 100 % 100;
        if (y > last) last = y;
        if (m != month) continue;
        if (year && year != y) return 0;
        year = y;
    }
    return year ? year : last;
}

bool glim_parse_day(const glim_parse *p, size_t i, glim_item *it) {
    int month = 0, day = 0;
    size_t n = chinese_day(p, i, &month, &day);
    if (n == 0) day = 0, n = english_day(p, i, &month, &day);
    const int col = n ? day_column(p) : -1;
    if (col < 0) return false;
    const int year = year_of(p, col, month);
    *it = (glim_item){.from = i, .to = i + n, .kind = NUMBER, .col = col, .concept = -1, .number = year, .has_unit = true, .year = true};
    it->first = year * 10000 + month * 100 + day;
    it->last = day ? it->first : it->first + 31;
    if (year == 0) p->f->unread = true; /* the May of which year? */
    return true;
}

void glim_parse_years_between(glim_parse *p, size_t k, size_t behind, size_t other) {
    glim_item *a = &p->v[k], *b = &p->v[other], *before = k > 0 ? a - 1 : NULL;
    const bool years = p->l->col[a->col].years, span = p->l->col[a->col].span != NULL; /* of a range both lie in the cell's */
    double low = years || span ? a->number : a->number * 10000, high = years || span ? b->number : b->number * 10000 + 1231;
    if (a->last > 0) low = a->first;
    if (b->last > 0) high = b->last;
    glim_parse_add_cond(p, (glim_cond){.col = a->col, .op = span ? GLIM_COND_SPANS : GLIM_COND_GE, .a = low});
    glim_parse_add_cond(p, (glim_cond){.col = a->col, .op = span ? GLIM_COND_SPANS : GLIM_COND_LE, .a = high});
    a->used = p->v[behind].used = b->used = true;
    if (before && before->kind == WORD && before->word == GLIM_WORD_BETWEEN) before->used = true;
    for (size_t j = 0; j < p->n_items && a->last > 0; j++)
        if (p->v[j].kind == COLUMN && p->v[j].col == a->col) p->v[j].used = true;
}

/* "以后", "之前" behind a date, which reaches to *to. */
static void side_behind(const glim_parse *p, size_t *to, bool *from, bool *until) {
    static const char *const since[] = {"以后", "之后", "以来", "后", "起", "至今"}, *const before[] = {"以前", "之前", "前"};
    const size_t on = word_at(p, *to, since, GLIM_COUNT(since)), back = on ? 0 : word_at(p, *to, before, GLIM_COUNT(before));
    *from = on > 0, *until = back > 0;
    *to += on + back;
}

/* "2023年以后上市的", "released before 2024": the whole year, or what lies on one side of it. */
void glim_parse_year_conds(glim_parse *p, size_t k) {
    glim_item *it = &p->v[k];
    const bool year_only = p->l->col[it->col].years;
    double first = year_only ? it->number : it->number * 10000, last = year_only ? first : first + 1231;
    bool from = false, until = false, after = false, by = false;
    size_t to = it->to;
    side_behind(p, &to, &from, &until);
    size_t at = it->from;
    int month = 0, day = 0;
    if (it->last > 0) first = it->first, last = it->last;
    else if (!year_only && (at = glim_month_before(p->s, it->from, &month, &day)) < it->from) {
        first += month * 100 + day;
        last = day ? first : first + 31;
    } else if (!year_only && k + 1 < p->n_items && p->v[k + 1].kind == NUMBER && p->v[k + 1].from == it->to && strncmp(p->s + p->v[k + 1].to, "月", 3) == 0 && p->v[k + 1].number <= 12) { /* "2027年5月" */
        first += p->v[k + 1].number * 100;
        last = first + 31;
        p->v[k + 1].used = true;
        to = p->v[k + 1].to + 3;
        const glim_item *d = k + 2 < p->n_items ? &p->v[k + 2] : NULL; /* "2027年5月1日" */
        if (d && d->kind == NUMBER && d->from == to && d->number >= 1 && d->number <= 31 && d->number == (int)d->number && d->to <= p->n &&
            (strncmp(p->s + d->to, "日", 3) == 0 || strncmp(p->s + d->to, "号", 3) == 0)) {
            last = first += d->number;
            to = d->to + 3;
            p->v[k + 2].used = true;
        }
        side_behind(p, &to, &from, &until);
    }
#define BEHIND(w) (strlen(w) <= at && memcmp(p->s + at - strlen(w), w, strlen(w)) == 0)
    if (BEHIND("since ") || BEHIND("from ")) from = BEHIND("since ") || !year_only, at -= BEHIND("since ") ? 6 : 5; /* a wine from 2018 is of that year */
    else if (BEHIND("after ")) after = true, at -= 6;
    else if (BEHIND("before ")) until = true, at -= 7;
    else if (!year_only && (BEHIND("until ") || BEHIND("till ") || BEHIND("by "))) by = true, at -= BEHIND("until ") ? 6 : BEHIND("till ") ? 5 : 3;
    else if (BEHIND("on ")) at -= 3;
    else if (BEHIND("in ")) at -= 3;
#undef BEHIND
    if (after) glim_parse_add_cond(p, (glim_cond){.col = it->col, .op = GLIM_COND_GT, .a = last});
    if (from || (!after && !until && !by)) glim_parse_add_cond(p, (glim_cond){.col = it->col, .op = GLIM_COND_GE, .a = first});
    if (until) glim_parse_add_cond(p, (glim_cond){.col = it->col, .op = GLIM_COND_LT, .a = first});
    if (!from && !after && !until) glim_parse_add_cond(p, (glim_cond){.col = it->col, .op = GLIM_COND_LE, .a = last});
    for (size_t j = 0; j < p->n_items; j++)
        if (p->v[j].kind == COLUMN && p->v[j].col == it->col) p->v[j].used = true;
    it->used = true;
    for (size_t j = 0; j < k; j++)
        if (p->v[j].from >= at) p->v[j].used = true;
    if (p->n_denials < GLIM_PARSE_DENIALS) p->denial[p->n_denials].from = at, p->denial[p->n_denials++].to = to; /* "june" is no item */
    glim_parse_cover(p, k, at, to);
}
