/* filter_number.c - figures and number words in a question, with the unit behind them. */
#include "know/filter_internal.h"

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "know/units.h"

static const struct {
    const char *text;
    int v;
} digits_zh[] = {{"零", 0}, {"〇", 0}, {"一", 1}, {"二", 2}, {"两", 2}, {"三", 3}, {"四", 4}, {"五", 5}, {"六", 6}, {"七", 7}, {"八", 8}, {"九", 9}},
  units_zh[] = {{"十", 10}, {"百", 100}, {"千", 1000}, {"万", 10000}};

/* "两千", "三千五" (3500), "一万二", "十五"; wants a unit of ten, so that "一款" is none. *low: 3000 of
 * "三四千". */
static size_t chinese_number(const glim_parse *p, size_t i, double *out, double *low) {
    double sum = 0, part = 0, digit = 0, first = 0;
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
            first = have && digit > 0 && d == (int)digit + 1 ? digit : 0;
            digit = d;
            have = true;
            if (d == 0) last = 0;
        } else if (u == 10000) {
            if (!have && !any_unit) break;
            if (first > 0) *low = (sum + part + first) * u;
            first = 0;
            sum = (sum + part + (have ? digit : 0)) * 10000;
            part = digit = 0, have = false, any_unit = true, last = u;
        } else if (u) {
            if (!have && u != 10) break;
            if (first > 0) *low = sum + part + first * u;
            first = 0;
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

/* Does a cell that is no figure have what stands at i: "三元" of a brand, "三块" of a product's name? */
static bool in_a_cell(const glim_parse *p, size_t i, size_t n) {
    char word[16];
    snprintf(word, sizeof word, "%.*s", (int)n, p->s + i);
    for (size_t c = 0; c < p->l->n_own; c++)
        for (uint32_t r = 0; !p->l->col[c].number && r < p->l->n_rows; r++)
            if (strstr(glim_lib_cell(p->l, r, c), word)) return true;
    return false;
}

/* Does "块", "元" behind the digit at i count money: "五块以下", "八元的"? "三元" of a table that has the word is that word, and "两块" by themselves,
 * of goods or behind "来" are pieces. */
static bool pays(const glim_parse *p, size_t i) {
    static const char *const foreign[] = {"欧元", "美元"}, *const bounds[] = {"以上", "以下", "以内", "之内", "左右", "上下"}, *const counts[] = {"来", "要", "买", "拿", "切", "称", "给", "订", "加"},
                             *const yuan[] = {"钱", "之", "内的", "的", "能买", "吗", "够", "到", "一斤", "一个", "每", "/", "?", "？", "，", ",", "。", " "}, *const kuai[] = {"钱", "能买什么", "可以买什么"}, *const deal[] = {"行", "可以", "卖", "成", "出"};
    const size_t at = i + 3, behind = at + 3;
    if (glim_parse_word_at(p, at, foreign, GLIM_COUNT(foreign))) return true;
    const bool is_yuan = strncmp(p->s + at, "元", 3) == 0;
    if (!is_yuan && (strncmp(p->s + at, "块", 3) != 0 || (i >= 3 && glim_parse_word_at(p, i - 3, counts, GLIM_COUNT(counts))))) return false;
    if (glim_parse_word_at(p, behind, bounds, GLIM_COUNT(bounds))) return true; /* whatever cells have */
    const bool money = is_yuan ? behind >= p->n || glim_parse_word_at(p, behind, yuan, GLIM_COUNT(yuan))
                               : glim_parse_word_at(p, behind, kuai, GLIM_COUNT(kuai)) || (glim_parse_haggles(p, i) && glim_parse_word_at(p, behind, deal, GLIM_COUNT(deal)));
    return money && !in_a_cell(p, i, 6); /* reads every cell: last */
}

/* "便宜一点五块行吗": what stands at i is what somebody would pay. */
bool glim_parse_haggles(const glim_parse *p, size_t i) {
    static const char *const words[] = {"便宜点", "便宜一点", "便宜些", "便宜一些", "再便宜", "能便宜", "砍价", "讲价", "还价", "打个折"};
    for (size_t at = 0; at < i; at++)
        if (glim_parse_word_at(p, at, words, GLIM_COUNT(words))) return true;
    return false;
}

/* "两" of "两份" and "三" of "三个人": a digit by itself counts only what is counted in pieces or people, or money; "一款" says nothing. */
static size_t lone_digit(const glim_parse *p, size_t i, double *out) {
    if (i + 3 >= p->n || (unsigned char)p->s[i] < 0xe3) return 0;
    const bool span = strncmp(p->s + i + 3, "年", 3) == 0 || strncmp(p->s + i + 3, "个月", 6) == 0; /* "保修一年以上" */
    const bool pieces = span || glim_piece_word(p->s + i + 3, p->n - i - 3) || glim_person_word(p->s + i + 3, p->n - i - 3);
    for (size_t k = 0; k < GLIM_COUNT(digits_zh); k++) {
        if (memcmp(p->s + i, digits_zh[k].text, 3) != 0 || (!pieces && !(digits_zh[k].v > 1 && pays(p, i)))) continue;
        *out = digits_zh[k].v;
        return 3;
    }
    return 0;
}

/* "two" to "ten" as a word; "one" says nothing. */
static size_t english_number(const glim_parse *p, size_t i, double *out) {
    static const char *const words[] = {"two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"};
    if (i > 0 && (glim_parse_alnum(p, i - 1) || p->s[i - 1] == '-')) return 0;
    for (size_t w = 0; w < GLIM_COUNT(words); w++) {
        const size_t n = strlen(words[w]);
        if (n > p->n - i || memcmp(p->s + i, words[w], n) != 0 || glim_parse_alnum(p, i + n) || (i + n < p->n && p->s[i + n] == '-')) continue;
        *out = (double)w + 2;
        return n;
    }
    return 0;
}

/* The measure written at i, or -1: the longest one. A lone letter is too often part of a name ("5g"), but for watts. */
static int measure_at(const glim_parse *p, size_t i, bool letter) {
    int best = -1;
    for (size_t m = 0; m < glim_n_measures; m++) {
        const char *u = glim_measures[m].text;
        size_t n = strlen(u);
        if (glim_measures[m].column_only || (n < 2 && *u != 'w' && !letter) || n > p->n - i || memcmp(p->s + i, u, n) != 0 || ((unsigned char)u[0] < 0x80 && glim_parse_alnum(p, i + n))) continue;
        if (best < 0 || n > strlen(glim_measures[best].text)) best = (int)m;
    }
    return best;
}

/* Is the number at i, behind "-", the end of a range, "2000-3000元"? A SKU, a date and a telephone number are none. */
static bool ends_range(const glim_parse *p, size_t i) {
    if (p->n_items < 2) return false;
    const glim_item *to = &p->v[p->n_items - 1], *from = &p->v[p->n_items - 2];
    if (to->kind != WORD || to->word != GLIM_WORD_TO || to->to != i || from->kind != NUMBER || from->to != to->from) return false;
    size_t e = i;
    while (e < p->n && (isdigit((unsigned char)p->s[e]) || p->s[e] == '.' || p->s[e] == ',')) e++;
    bool zeros = (p->s[i] == '0' && e > i + 1) || (p->s[from->from] == '0' && isdigit((unsigned char)p->s[from->from + 1]));
    return !zeros && !(e < p->n && p->s[e] == '-') && !(from->from > 0 && p->s[from->from - 1] == '-');
}

/* Does nothing that is counted stand at i? "8-12楼" is no price. */
static bool counts_nothing(const glim_parse *p, size_t i) {
    static const char *const ends[] = {"的", "之", "以", "左右", "价", "。"};
    for (size_t k = 0; k < GLIM_COUNT(ends); k++)
        if (strncmp(p->s + i, ends[k], strlen(ends[k])) == 0) return true;
    return i >= p->n || ((unsigned char)p->s[i] < 0x80 && !glim_parse_alnum(p, i));
}

int glim_parse_column(const glim_lib *l, int concept) {
    static const char *const second[] = {"rrp", "msrp", "retail", "wholesale", "trade", "dealer", "purchase", "批发", "进货", "成本", "list price", "old price", "was", "member", "recommended", "会员", "原价", "市场价", "划线"}; /* what is paid is another price */
    for (size_t c = 0; concept == GLIM_CONCEPT_PRICE && c < l->n_col; c++) {
        bool other = l->col[c].concept != concept || !l->col[c].number || l->col[c].type == GLIM_LIB_HIDDEN;
        for (size_t k = 0; k < GLIM_COUNT(second); k++) other |= strcasestr(l->col[c].column, second[k]) != NULL;
        if (!other) return (int)c;
    }
    for (size_t c = 0; c < l->n_col; c++)
        if (l->col[c].concept == concept && l->col[c].number && l->col[c].type != GLIM_LIB_HIDDEN) return (int)c;
    return -1;
}

/* "Under 3000 in black", "under 2000 in stock": what looks like inches or pieces is another word of the question. */
static bool preposition(const glim_parse *p, size_t i, size_t at, const glim_lib_col *col, const char *unit, double v) {
    if (strncasecmp(unit, "in", 2) != 0 || (unit[2] && unit[2] != ' ') || at == 0 || p->s[at - 1] != ' ') return false;
    double high = -1;
    for (uint32_t r = 0; r < p->l->n_rows; r++)
        if (col->number[r] > high) high = col->number[r];
    if (v > high) return true;
    if (unit[2]) { /* nobody wants less than 50 in stock */
        const glim_item *last = p->n_items ? &p->v[p->n_items - 1] : NULL;
        return last && last->kind == WORD && (last->word == GLIM_WORD_LT_BEFORE || last->word == GLIM_WORD_LE_BEFORE) && glim_parse_spaces(p, last->to) == i;
    }
    const size_t next = glim_parse_spaces(p, at + 2);
    for (size_t c = 0; next > at + 2 && c < p->l->n_col; c++)
        for (size_t x = 0; p->l->col[c].concept == GLIM_CONCEPT_COLOUR && x < p->l->col[c].n_value; x++)
            for (size_t a = 0; a < p->l->col[c].value[x].n_alias; a++)
                if (next < p->n && glim_parse_stands(p, next, p->l->col[c].value[x].alias[a])) return true;
    return false;
}

/* "512G", "1T" at `at`: gigabytes where a row has so many. "5G" is none, and neither are the grams of "under 8g". */
static bool gigabytes(const glim_parse *p, size_t at, glim_item *it) {
    const glim_item *last = p->n_items ? &p->v[p->n_items - 1] : NULL;
    const bool tera = p->s[at] == 't';
    if (at >= p->n || (p->s[at] != 'g' && !tera) || glim_parse_alnum(p, at + 1)) return false;
    if (last && last->kind == WORD && last->word <= GLIM_WORD_GT_BEFORE && glim_parse_spaces(p, last->to) == it->from) return false;
    const double gb = it->number * (tera ? 1000 : 1);
    for (size_t c = 0; c < p->l->n_col; c++) {
        const glim_lib_col *col = &p->l->col[c];
        int own = col->number ? glim_measure_of(col->unit_zh) : -1;
        if (own < 0 && col->number) own = glim_measure_of(col->unit_en);
        if (own < 0 || strcmp(glim_measures[own].text, "gb") != 0) continue;
        for (uint32_t r = 0; r < p->l->n_rows; r++) {
            if (col->number[r] != gb && !(tera && col->number[r] == it->number * 1024)) continue;
            it->col = (int)c;
            it->number = gb;
            it->has_unit = true;
            it->loose = tera; /* 1000 or 1024 */
            it->to = at + 1;
            return true;
        }
    }
    return false;
}

/* "June 1, ", "1st June ", "may " before `at`: where it begins, or `at`; *month, *day: 0 where none is said. */
size_t glim_month_before(const char *s, size_t at, int *month, int *day) {
    static const char *const names[] = {"january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december", "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"};
    int d = 0, m = 0;
    size_t i = at, from = at;
    for (int step = 0; step < 2 && !(m && d); step++) {
        while (i > 0 && (s[i - 1] == ' ' || s[i - 1] == ',')) i--;
        if (step && i >= 2 && memcmp(s + i - 2, "of", 2) == 0 && (i == 2 || !isalnum((unsigned char)s[i - 3]))) i -= 2;
        while (i > 0 && s[i - 1] == ' ') i--;
        const size_t end = i;
        if (i > 2 && strchr("tdh", s[i - 1]) && s[i - 1] && isalpha((unsigned char)s[i - 2]) && isdigit((unsigned char)s[i - 3])) i -= 2;
        const size_t digits_to = i;
        while (i > 0 && isdigit((unsigned char)s[i - 1])) i--;
        if (i < digits_to && digits_to - i <= 2 && d == 0) {
            d = atoi(s + i);
            if (d < 1 || d > 31) { /* "2000 June 2027": the month is said all the same */
                d = 0;
                break;
            }
            if (m) from = i;
            continue;
        }
        i = end;
        while (i > 0 && isalpha((unsigned char)s[i - 1])) i--;
        int found = 0;
        for (size_t k = 0; k < GLIM_COUNT(names); k++)
            if (strlen(names[k]) == end - i && memcmp(names[k], s + i, end - i) == 0) found = (int)(k % 12) + 1;
        if (!found || m) break;
        m = found;
        from = i;
    }
    if (!m) return at;
    if (month) *month = m;
    if (day) *day = d;
    return from;
}

static bool bare(const glim_parse *p, size_t from, size_t to) { return glim_parse_spaces(p, from) >= to; }

/* "2023年", "released in 2024": a year of the column of dates. */
static bool of_a_year(const glim_parse *p, size_t at, const glim_item *it, const glim_lib_col *col, bool zh, bool en) {
    if (zh || en) return true;
    const glim_item *last = p->n_items ? &p->v[p->n_items - 1] : NULL;
    if (glim_parse_alnum(p, at) || (last && last->kind == WORD && last->word <= GLIM_WORD_TO && bare(p, last->to, it->from))) return false;
    for (uint32_t r = 0; r < p->l->n_rows; r++) /* "a 2019 Rioja" */
        if (col->number[r] == it->number) return true;
    return false;
}

/* Does a range end in the number at `at`, and begin in a year: "from 1813 to 1870"? */
static bool behind_a_year(const glim_parse *p, const glim_item *it) {
    if (p->n_items < 2) return false;
    const glim_item *to = &p->v[p->n_items - 1], *from = to - 1;
    return to->kind == WORD && to->word == GLIM_WORD_TO && bare(p, to->to, it->from) && from->kind == NUMBER && from->year && bare(p, from->to, to->from);
}

static bool is_behind(const glim_parse *p, size_t at, const char *w) {
    const size_t n = strlen(w);
    return n <= at && memcmp(p->s + at - n, w, n) == 0 && (at == n || !isalpha((unsigned char)w[0]) || !glim_parse_alnum(p, at - n - 1));
}

/* Is a column of figures named, the price or another, which a bare figure may be of? */
static bool names_figures(const glim_parse *p) {
    for (size_t c = 0; c < p->l->n_col; c++) {
        const glim_lib_col *col = &p->l->col[c];
        if (!col->number || col->years || col->type == GLIM_LIB_DATE || col->type == GLIM_LIB_HIDDEN || col->type == GLIM_LIB_STOCK) continue;
        for (size_t a = 0; a < col->n_alias; a++)
            for (size_t i = 0; i < p->n; i++)
                if (col->alias[a][0] == p->s[i] && glim_parse_stands(p, i, col->alias[a])) return true;
    }
    return false;
}

/* "Fits 2019", "for a 2019 model": a year that a range of the column holds, and no figure with a unit or of another column. */
static bool of_a_span(const glim_parse *p, size_t at, const glim_item *it, const glim_lib_col *col, bool zh, bool en) {
    static const char *const before[] = {"in ", "for ", "for a ", "for the ", "fit ", "fits ", "fit a ", "fits a ", "year ", "since ", "after ", "before "};
    const glim_item *last = p->n_items ? &p->v[p->n_items - 1] : NULL;
    if (zh) return true;
    if (glim_parse_alnum(p, it->from + 4) || measure_at(p, at, true) >= 0 || glim_piece_word(p->s + at, p->n - at) || (last && last->kind == WORD && last->word < GLIM_WORD_TO && bare(p, last->to, it->from))) return false;
    for (size_t c = 0; c < p->l->n_col; c++)
        for (int j = 0; j < 2 && p->l->col[c].number; j++) {
            const char *u = j ? p->l->col[c].unit_en : p->l->col[c].unit_zh;
            if (u && *u && strncasecmp(p->s + glim_parse_spaces(p, at), u, strlen(u)) == 0 && !glim_parse_alnum(p, glim_parse_spaces(p, at) + strlen(u))) return false;
        }
    bool said = behind_a_year(p, it);
    for (size_t k = 0; k < GLIM_COUNT(before) && !said; k++) said = is_behind(p, it->from, before[k]);
    if (!said && names_figures(p)) return false;
    if (en) return true;
    for (size_t k = 0; k < p->n_items; k++)
        if (p->v[k].kind == COLUMN && &p->l->col[p->v[k].col] == col) return true;
    for (uint32_t r = 0; r < p->l->n_rows; r++)
        if (col->span[r].from <= it->number && it->number <= col->span[r].to) return true;
    return false;
}

/* The years that questions may be about: of today, and those of a column of years, from its first century on. */
static bool is_year(const glim_lib *l, double v) {
    if (v >= 1900 && v <= 2100) return true;
    for (size_t c = 0; c < l->n_col; c++) {
        double low = INFINITY, high = -INFINITY;
        if (!l->col[c].years || l->col[c].type == GLIM_LIB_HIDDEN) continue;
        for (uint32_t r = 0; r < l->n_rows; r++) low = fmin(low, l->col[c].number[r]), high = fmax(high, l->col[c].number[r]); /* both pass over NAN */
        if (v >= floor(low / 100) * 100 && v <= high) return true;
    }
    return false;
}

static bool is_money(const glim_parse *p, size_t at) {
    at = glim_parse_spaces(p, at);
    for (size_t c = 0; c < glim_n_currencies; c++) {
        const size_t n = strlen(glim_currencies[c].text);
        if (n <= p->n - at && memcmp(p->s + at, glim_currencies[c].text, n) == 0 && !((unsigned char)glim_currencies[c].text[0] < 0x80 && glim_parse_alnum(p, at + n))) return true;
    }
    return false;
}

static bool stands_somewhere(const glim_parse *p, const glim_lib_col *col) {
    for (size_t a = 0; a < col->n_alias; a++)
        for (size_t i = 0; i < p->n; i++)
            if (glim_parse_stands(p, i, col->alias[a])) return true;
    return false;
}

static bool calendar_year(const glim_parse *p, size_t at, glim_item *it) {
    if (!is_year(p->l, it->number) || it->number != (int)it->number || it->to > it->from) return false;
    const bool zh = strncmp(p->s + at, "年", 3) == 0;
    bool en = false;
    static const char *const before[] = {"in ", "since ", "after ", "before ", "from ", "of ", "year "};
    for (size_t k = 0; k < GLIM_COUNT(before); k++) en |= strlen(before[k]) <= it->from && memcmp(p->s + it->from - strlen(before[k]), before[k], strlen(before[k])) == 0;
    en |= behind_a_year(p, it);
    const size_t next = glim_parse_spaces(p, at);
    for (size_t k = 0; k < 4 && !zh; k++) { /* "from 2000 to 3000" is no year */
        static const char *const to[] = {"to ", "and ", "-", "~"};
        if (strncmp(p->s + next, to[k], strlen(to[k])) != 0) continue;
        char *end;
        const long v = strtol(p->s + next + strlen(to[k]), &end, 10);
        if (v && (!is_year(p->l, (double)v) || is_money(p, (size_t)(end - p->s)))) return false;
    }
    size_t n_dates = 0;
    for (size_t c = 0; c < p->l->n_col; c++) n_dates += p->l->col[c].type == GLIM_LIB_DATE;
    const bool month = glim_month_before(p->s, it->from, NULL, NULL) < it->from;
    bool any_named = false; /* "that end in July": of several columns of days the one that is named */
    for (size_t c = 0; c < p->l->n_col && n_dates > 1; c++) any_named |= p->l->col[c].type == GLIM_LIB_DATE && stands_somewhere(p, &p->l->col[c]);
    for (size_t c = 0; c < p->l->n_col; c++) {
        const glim_lib_col *col = &p->l->col[c];
        if (any_named && col->type == GLIM_LIB_DATE && !stands_somewhere(p, col)) continue;
        if (col->type == GLIM_LIB_HIDDEN || !(col->years ? of_a_year(p, at, it, col, zh, en) : zh || month || (en && !glim_parse_alnum(p, at)))) continue;
        bool named = zh || month || col->years || n_dates == 1 || (en && col->concept == GLIM_CONCEPT_YEAR);
        for (size_t a = 0; a < col->n_alias && !named; a++) named = strstr(p->s, col->alias[a]) != NULL;
        if ((col->type != GLIM_LIB_DATE && !col->years) || !named) continue;
        it->col = (int)c;
        it->has_unit = it->year = true;
        it->to = zh ? at + 3 : at;
        return true;
    }
    for (size_t c = 0; c < p->l->n_col; c++) {
        if (!p->l->col[c].span || p->l->col[c].type == GLIM_LIB_HIDDEN || !of_a_span(p, at, it, &p->l->col[c], zh, en)) continue;
        it->col = (int)c;
        it->has_unit = it->year = true;
        it->to = zh ? at + 3 : at;
        return true;
    }
    return false;
}

bool glim_parse_number(const glim_parse *p, size_t i, glim_item *it) {
    size_t at = i, k;
    *it = (glim_item){.from = i, .kind = NUMBER, .col = -1, .concept = -1};
    static const char *const signs[] = {"¥", "£", "$", "€"};
    for (size_t i_sign = 0; i_sign < GLIM_COUNT(signs) && !it->money; i_sign++)
        if (strncmp(p->s + at, signs[i_sign], strlen(signs[i_sign])) == 0) it->money = true, it->currency = glim_currency_of(signs[i_sign]), at += strlen(signs[i_sign]);
    bool joined = false;
    at = it->money ? glim_parse_spaces(p, at) : at;
    if (at < p->n && isdigit((unsigned char)p->s[at])) {
        joined = at > 1 && p->s[at - 1] == '-' && glim_parse_alnum(p, at - 2);
        if (!it->money && at > 0 && (glim_parse_alnum(p, at - 1) || (joined && !ends_range(p, at)))) return false;
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
    } else if ((k = chinese_number(p, at, &it->number, &it->low)) > 0) {
        at += k;
    } else if (!it->money && (k = lone_digit(p, at, &it->number)) > 0) {
        at += k;
    } else if (!it->money && (k = english_number(p, at, &it->number)) > 0) {
        at += k;
    } else {
        return false;
    }
    size_t end = at;
    static const struct {
        const char *text;
        double v;
    } times[] = {{" thousand", 1000}, {"thousand", 1000}, {" hundred", 100}, {"k", 1000}, {"千", 1000}, {"万", 10000}, {"百", 100}};
    for (size_t t = 0; t < GLIM_COUNT(times); t++)
        if (strncmp(p->s + at, times[t].text, strlen(times[t].text)) == 0 && !glim_parse_alnum(p, at + strlen(times[t].text))) {
            it->number *= times[t].v;
            end = at += strlen(times[t].text);
            break;
        }
    at = glim_parse_spaces(p, at);
    for (size_t c = 0; c < glim_n_currencies; c++) {
        size_t n = strlen(glim_currencies[c].text);
        if (strncmp(p->s + at, glim_currencies[c].text, n) != 0 || ((unsigned char)glim_currencies[c].text[0] < 0x80 && glim_parse_alnum(p, at + n))) continue;
        it->money = it->has_unit = true;
        if (glim_currencies[c].is) it->currency = glim_currencies[c].is;
        it->to = at + n;
        return true;
    }
    if (!it->money && calendar_year(p, at, it)) return true;
    if (!it->money && gigabytes(p, at, it)) return true;
    size_t longest = 0;
    for (size_t c = 0; c < p->l->n_col; c++) { /* a unit of the schema */
        const glim_lib_col *col = &p->l->col[c];
        for (int j = 0; j < 2 && col->number; j++) {
            const char *u = j ? col->unit_en : col->unit_zh;
            size_t un = u ? strlen(u) : 0;
            if (un == 0 || un > p->n - at || strncasecmp(p->s + at, u, un) != 0) continue;
            if ((unsigned char)u[un - 1] < 0x80 && glim_parse_alnum(p, at + un)) continue;
            if (preposition(p, i, at, col, u, it->number)) continue;
            if (un > longest) longest = un, it->col = (int)c;
        }
    }
    if (longest) {
        it->has_unit = true;
        it->to = at + longest;
        return true;
    }
    const size_t persons = it->money ? 0 : glim_person_word(p->s + at, p->n - at);
    if (persons && (it->col = glim_parse_column(p->l, GLIM_CONCEPT_PEOPLE)) >= 0) {
        it->has_unit = true;
        it->to = at + persons;
        return true;
    }
    int m = it->money ? -1 : measure_at(p, at, false);
    if (m < 0 && !it->money && at > end) { /* "3 m", "500 g": with a space before it, where a column is measured so */
        m = measure_at(p, at, true);
        const glim_item *last = p->n_items ? &p->v[p->n_items - 1] : NULL;
        bool any = last && last->kind == WORD && last->word < GLIM_WORD_TO && bare(p, last->to, i); /* "under 1 m" is no price, whatever the table has */
        for (size_t c = 0; m >= 0 && c < p->l->n_col && !any; c++) {
            const int own = p->l->col[c].number ? glim_measure_of(p->l->col[c].unit_en) : -1;
            any = own >= 0 && strcmp(glim_measures[own].of, glim_measures[m].of) == 0;
        }
        if (!any) m = -1;
    }
    static const char *const degrees[] = {"degrees", "degree", "°", "℃", "摄氏度"}; /* no column has them as a unit, and they are no money */
    for (size_t d = 0; m < 0 && !it->money && d < GLIM_COUNT(degrees); d++)
        if (strncmp(p->s + at, degrees[d], strlen(degrees[d])) == 0) {
            it->has_unit = true;
            it->to = at + strlen(degrees[d]);
            return true;
        }
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
    return it->money || !glim_parse_alnum(p, end); /* "5g", "3s": parts of names */
}
