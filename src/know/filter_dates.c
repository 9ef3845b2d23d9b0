/* filter_dates.c - years and days in a question: "since 2023", "in May 2027", "before 15 June", "5月开课的".
 *
 * A day or a month without a year counts only right beside the verb or the heading of its column, and is of the year in which the column has that
 * month. Where two years have it nobody knows which is meant, and the question is not answered. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "know/filter_internal.h"

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

bool glim_parse_month(const glim_parse *p, size_t i) {
    int month;
    return month_at(p, i, &month) > 0;
}

/* The length of a day at i, "3", "3rd", or 0. */
static size_t day_at(const glim_parse *p, size_t i, int *day) {
    static const char *const ends[] = {"st", "nd", "rd", "th"};
    const size_t n = strspn(p->s + i, "0123456789");
    if (n == 0 || n > 2 || (i > 0 && (glim_parse_alnum(p, i - 1) || strchr(".,-/", p->s[i - 1])))) return 0;
    *day = atoi(p->s + i);
    const size_t k = glim_parse_word_at(p, i + n, ends, GLIM_COUNT(ends));
    return *day >= 1 && *day <= 31 && !glim_parse_alnum(p, i + n + k) && !(p->s[i + n] == '.' && isdigit((unsigned char)p->s[i + n + 1])) && p->s[i + n] != ':' ? n + k : 0;
}

/* "3 May", "the 3rd of May", "May 3", "May", with no year behind: its length, or 0. */
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
        else *day = 0;
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

/* The verb or the heading of a column of days, for a day beside it: "starts", "published" of "Published on", "开课" of "开课日期". */
typedef struct naming {
    int col;
    size_t from, to;
    bool early; /* "available from": only what was so before a day is plain */
} naming;

static bool ends_with(const char *w, size_t n, const char *tail) {
    const size_t k = strlen(tail);
    return n > k && memcmp(w + n - k, tail, k) == 0;
}

/* How much of a heading's word names the event, or 0 where no day can stand beside it: "best before", "valid until". */
static size_t event_of(const char *w, bool *early) {
    static const char *const plain[] = {" date", " day", " on", "日期", "时间"}, *const from[] = {" from", " since"}, *const never[] = {" until", " till", " to", " by", " before", " through", "至", "到"}, *const asks[] = {"when", "until", "什么", "几号", "几时"}, *const lasting[] = {"available", "ready", "free", "open", "valid", "good", "best", "use", "可", "能", "有效", "保质"};
    size_t n = strlen(w);
    *early = false;
    for (size_t k = 0; k < GLIM_COUNT(asks); k++)
        if (strncmp(w, asks[k], strlen(asks[k])) == 0) return 0;
    for (size_t k = 0; k < GLIM_COUNT(plain); k++)
        if (ends_with(w, n, plain[k])) n -= strlen(plain[k]);
    for (size_t k = 0; k < GLIM_COUNT(never); k++)
        if (ends_with(w, n, never[k])) return 0;
    for (size_t k = 0; k < GLIM_COUNT(from); k++)
        if (ends_with(w, n, from[k])) n -= strlen(from[k]), *early = true;
    for (size_t k = 0; k < GLIM_COUNT(lasting); k++) *early |= strncmp(w, lasting[k], strlen(lasting[k])) == 0;
    return n;
}

static bool about_release(const glim_lib_col *col) {
    bool so = col->concept == GLIM_CONCEPT_RELEASED;
    for (size_t a = 0; a < col->n_alias; a++) so |= strstr(col->alias[a], "publish") || strstr(col->alias[a], "release");
    return so;
}

/* Does the word end at `at`, or begin there? */
static void try_naming(const glim_parse *p, naming *out, int col, const char *w, bool early, size_t at, bool behind) {
    const size_t len = strlen(w);
    for (size_t from = behind ? at : at > len + 2 ? at - len - 2 : 0; from <= at && from < p->n; from++) {
        const size_t n = glim_parse_stands(p, from, w);
        if (n == 0 || (!behind && from + n != at)) continue;
        if (out->col >= 0 && out->col != col) {
            out->col = -2; /* of two columns: which? */
            return;
        }
        if (out->col == -1 || (out->col == col && n > out->to - out->from)) *out = (naming){col, from, from + n, early || (out->col == col && out->early)};
    }
}

static naming named_at(const glim_parse *p, size_t at, bool behind) {
    static const struct {
        int concept;
        const char *words[9];
    } verbs[] = {{GLIM_CONCEPT_START, {"start", "started", "starting", "begin", "began", "beginning", "开课", "开始", "开班"}},
                 {GLIM_CONCEPT_END, {"end", "ended", "ending", "finish", "finished", "finishing", "finishes", "结束", "结课"}},
                 {GLIM_CONCEPT_RELEASED, {"published", "came out", "come out", "comes out", "released", "launched"}}};
    naming out = {.col = -1};
    for (size_t c = 0; c < p->l->n_col && out.col > -2; c++) {
        const glim_lib_col *col = &p->l->col[c];
        if (col->type != GLIM_LIB_DATE) continue;
        for (size_t a = 0; a < col->n_alias && out.col > -2; a++) {
            char w[64];
            bool early;
            const size_t n = event_of(col->alias[a], &early);
            if (n == 0 || n >= sizeof w) continue;
            snprintf(w, sizeof w, "%.*s", (int)n, col->alias[a]);
            try_naming(p, &out, (int)c, w, early, at, behind);
            if (out.col > -2 && n < strlen(col->alias[a]) && !early) try_naming(p, &out, (int)c, col->alias[a], early, at, behind);
        }
        for (size_t v = 0; v < GLIM_COUNT(verbs); v++)
            for (size_t k = 0; k < 9 && verbs[v].words[k] && out.col > -2; k++)
                if (verbs[v].concept == GLIM_CONCEPT_RELEASED ? about_release(col) : col->concept == verbs[v].concept) try_naming(p, &out, (int)c, verbs[v].words[k], false, at, behind);
    }
    return out;
}

/* What turns a day's answer round or moves it: where a question has one of these, its days are not read. */
static bool shifted(const glim_parse *p) {
    static const char *const en[] = {"not", "no", "never", "without", "except", "excluding", "other", "apart", "but", "nothing", "none", "neither", "nor", "or", "unless", "instead", "outside", "rather", "later", "earlier", "latest", "earliest", "onward", "onwards", "than", "cannot", "dont", "doesnt", "didnt", "isnt", "arent", "wasnt", "werent", "havent", "hasnt", "hadnt", "wont", "cant", "exclude", "avoid", "miss", "away", "busy", "half", "week", "weekend", "around", "roughly", "approximately", "if", "still", "until"};
    static const char *const zh[] = {"不", "没", "非", "除", "别", "无", "或", "和", "跟", "与", "、", "还是", "左右", "大概", "大约", "前后", "以外", "之外", "之内", "以内", "最早", "最晚", "最迟", "早于", "晚于", "迟于"}, *const asks[] = {"有没有", "是不是", "会不会", "能不能"};
    for (size_t i = 0; i < p->n; i++) {
        for (size_t k = 0; k < GLIM_COUNT(asks); k++)
            if (strncmp(p->s + i, asks[k], strlen(asks[k])) == 0) i += strlen(asks[k]);
        for (size_t k = 0; k < GLIM_COUNT(zh); k++)
            if (strncmp(p->s + i, zh[k], strlen(zh[k])) == 0) return true;
        if (strncmp(p->s + i, "n't", 3) == 0 || strncmp(p->s + i, "n\xe2\x80\x99t", 5) == 0) return true;
        for (size_t k = 0; k < GLIM_COUNT(en); k++)
            if (glim_parse_stands(p, i, en[k])) return true;
    }
    return false;
}

/* Is another day or month said than in [from, to)? "May I" is none. */
static bool other_days(const glim_parse *p, size_t from, size_t to) {
    for (size_t i = 0; i < p->n; i++) {
        int month;
        if (i >= from && i < to) continue;
        if (strncmp(p->s + i, "月", 3) == 0) return true;
        if ((i > 0 && glim_parse_alnum(p, i - 1)) || !month_at(p, i, &month)) continue;
        if (strncmp(p->s + i, "may i ", 6) != 0 && strncmp(p->s + i, "may we ", 7) != 0) return true;
    }
    return false;
}

bool glim_parse_of_names(const glim_parse *p, const char *w, size_t n) {
    char word[64], plain[264];
    if (n == 0 || n >= sizeof word) return false;
    snprintf(word, sizeof word, "%.*s", (int)n, w);
    for (size_t c = 0; c < p->l->n_col; c++) {
        const glim_lib_col *col = &p->l->col[c];
        for (size_t v = 0; v < col->n_value; v++)
            for (size_t a = 0; a < col->value[v].n_alias; a++)
                for (const char *at = col->value[v].alias[a]; (at = strcasestr(at, word)) != NULL; at++)
                    if ((at == col->value[v].alias[a] || !isalnum((unsigned char)at[-1])) && !isalnum((unsigned char)at[n])) return true;
        const bool said = col->type == GLIM_LIB_NAME || (col->type == GLIM_LIB_TEXT && (col->concept == GLIM_CONCEPT_AUTHOR || col->concept == GLIM_CONCEPT_TEACHER || col->concept == GLIM_CONCEPT_BRAND));
        for (uint32_t r = 0; said && r < p->l->n_rows; r++) {
            snprintf(plain, sizeof plain, "%s", glim_lib_cell(p->l, r, c));
            for (const char *at = plain; (at = strcasestr(at, word)) != NULL; at++)
                if ((at == plain || !isalnum((unsigned char)at[-1])) && !isalnum((unsigned char)at[n])) return true;
        }
    }
    return false;
}

/* The year that the column has the month in: 0 where there are two. Where it has none nothing is in that month, but a side of it wants a year in
 * which the month lies between the column's days. */
static int year_of(const glim_parse *p, int col, int month, bool side) {
    int year = 0, low = 0, high = 0, inside = 0;
    bool two = false;
    for (uint32_t r = 0; r < p->l->n_rows; r++) {
        const double v = p->l->col[col].number[r];
        if (isnan(v)) continue;
        const int y = (int)v / 10000, m = (int)v / 100 % 100, at = y * 12 + m;
        if (!low || at < low) low = at;
        if (at > high) high = at;
        if (m != month) continue;
        two |= year && year != y;
        year = y;
    }
    if (!side) return two ? 0 : year ? year : (high - 1) / 12;
    for (int y = (low - 1) / 12; y * 12 <= high; y++) {
        if (y * 12 + month < low || y * 12 + month > high) continue;
        if (inside) return 0;
        inside = y;
    }
    return inside;
}

static bool any_on(const glim_parse *p, int col, double first, double last) {
    for (uint32_t r = 0; r < p->l->n_rows; r++)
        if (p->l->col[col].number[r] >= first && p->l->col[col].number[r] <= last) return true;
    return false;
}

typedef struct days {
    naming by;
    size_t from, lead, to; /* where the first day begins, and the whole phrase; ends */
    int month[2], day[2];
    glim_day_side side;
    bool range, loose; /* "以后": with that day, or without? */
} days;

/* "Can I start in May", "do prices start in May": of somebody or something that is no row. */
static bool of_no_row(const glim_parse *p, size_t at) {
    static const char *const who[] = {"i", "we", "you", "they", "he", "she", "can", "could", "price", "prices", "cost", "costs", "sale", "sales", "discount", "discounts", "delivery", "shop", "holiday", "holidays", "term", "season"};
    while (at > 0 && p->s[at - 1] == ' ') at--;
    size_t from = at;
    while (from > 0 && glim_parse_alnum(p, from - 1)) from--;
    for (size_t k = 0; k < GLIM_COUNT(who); k++)
        if (strlen(who[k]) == at - from && memcmp(who[k], p->s + from, at - from) == 0) return true;
    return false;
}

static bool english_phrase(const glim_parse *p, size_t i, days *d) {
    static const struct {
        const char *word;
        glim_day_side side;
        int want; /* 1: a month, 2: a day, 0: either */
    } preps[] = {{"in", GLIM_DAY_ON, 1}, {"during", GLIM_DAY_ON, 1}, {"on", GLIM_DAY_ON, 2}, {"since", GLIM_DAY_SINCE, 0}, {"from", GLIM_DAY_SINCE, 0}, {"after", GLIM_DAY_AFTER, 0}, {"before", GLIM_DAY_BEFORE, 0}, {"by", GLIM_DAY_BY, 2}, {"between", GLIM_DAY_ON, 0}};
    static const char *const goes_on[] = {"to", "until", "till", "through", "on", "at", "of", "every", "each", "last", "next", "this", "again"}, *const small[] = {"is", "are", "date", "dates", "day", "days"};
    size_t n = english_day(p, i, &d->month[0], &d->day[0]), at = i;
    if (n == 0) return false;
    d->from = i, d->to = i + n;
    if (at >= 4 && memcmp(p->s + at - 4, "the ", 4) == 0) at -= 4;
    int prep = -1;
    for (size_t k = 0; k < GLIM_COUNT(preps); k++) {
        const size_t len = strlen(preps[k].word);
        if (at > len + 1 && p->s[at - 1] == ' ' && memcmp(p->s + at - len - 1, preps[k].word, len) == 0 && p->s[at - len - 2] == ' ') prep = (int)k;
    }
    if (prep < 0 && !d->day[0]) return false;
    static const char *const tos[] = {" to the ", " to ", " and the ", " and ", "-", " - "};
    for (size_t k = 0; k < GLIM_COUNT(tos) && !d->range; k++) {
        const size_t len = strlen(tos[k]);
        if (strncmp(p->s + d->to, tos[k], len) != 0 || (n = english_day(p, d->to + len, &d->month[1], &d->day[1])) == 0) continue;
        const bool and_ = tos[k][1] == 'a';
        if (prep < 0 || (and_ ? strcmp(preps[prep].word, "between") != 0 : strcmp(preps[prep].word, "from") != 0 && strcmp(preps[prep].word, "between") != 0)) return false;
        d->range = true, d->to += len + n, d->side = GLIM_DAY_ON;
    }
    if (!d->range) {
        if (prep >= 0 && (strcmp(preps[prep].word, "between") == 0 || (preps[prep].want == 1 && d->day[0]) || (preps[prep].want == 2 && !d->day[0]))) return false;
        d->side = prep >= 0 ? preps[prep].side : GLIM_DAY_ON;
    }
    if (prep >= 0) at -= strlen(preps[prep].word) + 1;
    while (at > 0 && p->s[at - 1] == ' ') at--;
    d->by = named_at(p, at, false);
    for (size_t k = 0; k < GLIM_COUNT(small) && d->by.col == -1; k++) {
        const size_t len = strlen(small[k]);
        if (at > len + 1 && memcmp(p->s + at - len, small[k], len) == 0 && p->s[at - len - 1] == ' ') d->by = named_at(p, at - len - 1, false);
    }
    if (d->by.col < 0 || of_no_row(p, d->by.from)) return false;
    d->lead = d->by.from;
    const size_t next = glim_parse_spaces(p, d->to);
    if (strchr("-/~", p->s[next]) && p->s[next]) return false;
    for (size_t k = 0; k < GLIM_COUNT(goes_on); k++)
        if (glim_parse_stands(p, next, goes_on[k])) return false;
    for (int k = 0; k <= d->range; k++) { /* "published by May": May Sinclair? */
        const char *const name = months[d->month[k] - 1], *const brief = months[d->month[k] + 11];
        if (glim_parse_of_names(p, name, strlen(name)) || glim_parse_of_names(p, brief, strlen(brief))) return false;
    }
    return true;
}

static bool chinese_phrase(const glim_parse *p, size_t i, days *d) {
    static const char *const tos[] = {"到", "至", "-", "~", "—"}, *const before[] = {"从", "自", "到", "至", "每", "约", "于", "下", "上", "过"}, *const since[] = {"以后", "之后", "后"}, *const from[] = {"起", "以来"}, *const until[] = {"以前", "之前", "前"}, *const small[] = {"之间", "期间", "当天", "那天", "就", "会", "里", "中", " "}, *const is[] = {"在", "是", "为", ":", "：", " "}, *const behind[] = {"前", "后", "之", "以", "到", "至"};
    size_t n = chinese_day(p, i, &d->month[0], &d->day[0]), k;
    if (n == 0) return false;
    d->from = d->lead = i, d->to = i + n;
    if ((k = glim_parse_word_at(p, d->to, tos, GLIM_COUNT(tos))) > 0) {
        if ((n = chinese_day(p, d->to + k, &d->month[1], &d->day[1])) == 0) return false;
        d->range = true, d->to += k + n;
    } else if ((k = glim_parse_word_at(p, d->to, since, GLIM_COUNT(since))) > 0) d->side = GLIM_DAY_SINCE, d->loose = true, d->to += k;
    else if ((k = glim_parse_word_at(p, d->to, from, GLIM_COUNT(from))) > 0) d->side = GLIM_DAY_SINCE, d->to += k;
    else if ((k = glim_parse_word_at(p, d->to, until, GLIM_COUNT(until))) > 0) d->side = GLIM_DAY_BEFORE, d->loose = d->day[0] > 0, d->to += k;
    size_t at = i;
    bool stripped = false;
    for (size_t w = 0; w < GLIM_COUNT(is); w++) {
        const size_t len = strlen(is[w]);
        if (len <= at && memcmp(p->s + at - len, is[w], len) == 0) at -= len, stripped = true, w = (size_t)-1;
    }
    d->by = named_at(p, at, false);
    if (d->by.col >= 0 && (stripped || ends_with(p->s, at, "日期") || ends_with(p->s, at, "时间"))) return d->lead = d->by.from, true;
    for (size_t w = 0; w < GLIM_COUNT(before); w++)
        if (strlen(before[w]) <= i && memcmp(p->s + i - strlen(before[w]), before[w], strlen(before[w])) == 0) return false;
    size_t to = d->to;
    while ((k = glim_parse_word_at(p, to, small, GLIM_COUNT(small))) > 0) to += k;
    d->by = named_at(p, to, true);
    if (d->by.col < 0 || glim_parse_word_at(p, d->by.to, behind, GLIM_COUNT(behind))) return false;
    if (ends_with(p->s, d->by.to, "开始") && strncmp(p->s + d->by.to, "有", 3) == 0) return false; /* "5月开始有哪些课": from May on */
    d->to = d->by.to;
    return true;
}

/* Is a column of days named anywhere, and a day said that could be meant for it? What can't be read of it is not answered without it either. */
static bool half_said(const glim_parse *p, size_t i) {
    static const char *const times[] = {"in ", "on ", "since ", "from ", "after ", "before ", "by ", "until ", "till ", "of ", "during ", "except ", "but ", "early ", "mid ", "late ", "next ", "this ", "around ", "about ", "not ", "or ", "and "};
    int month = 0, day = 0;
    const bool zh = chinese_day(p, i, &month, &day) > 0;
    if (!zh && english_day(p, i, &month, &day) == 0) return false;
    bool timed = zh || day > 0;
    for (size_t k = 0; k < GLIM_COUNT(times) && !timed; k++) {
        const size_t n = strlen(times[k]);
        timed = n <= i && memcmp(p->s + i - n, times[k], n) == 0 && !(i > n && glim_parse_alnum(p, i - n - 1));
    }
    if (!timed) return false;
    if (!zh && (glim_parse_of_names(p, months[month - 1], strlen(months[month - 1])) || glim_parse_of_names(p, months[month + 11], strlen(months[month + 11])))) return false;
    for (size_t at = 0; at < p->n; at++) {
        const naming by = named_at(p, at, true);
        const int about = by.col < 0 ? by.col == -2 ? GLIM_CONCEPT_START : -1 : p->l->col[by.col].concept;
        if (!by.early && (about == GLIM_CONCEPT_START || about == GLIM_CONCEPT_END || (by.col >= 0 && about_release(&p->l->col[by.col])))) return true;
    }
    return false;
}

/* A day is read only right beside what it is a day of, "starts in May", "5月开课", by itself in the question, and with no word that turns it round:
 * "good until 24 December", "I need it by 10 May", "books by April" say nothing of the one column of days that a table has. */
bool glim_parse_day(const glim_parse *p, size_t i, glim_item *it) {
    days d = {.by = {.col = -1}}, zh = d;
    const bool in_chinese = chinese_phrase(p, i, &zh);
    bool read = in_chinese || english_phrase(p, i, &d);
    if (in_chinese) d = zh;
    if (read && d.by.early) read = !d.range && (d.side == GLIM_DAY_BEFORE || d.side == GLIM_DAY_BY);
    if (!read || other_days(p, d.from, d.to) || shifted(p)) {
        p->f->unread |= half_said(p, i);
        return false;
    }
    const bool side = d.range || d.side != GLIM_DAY_ON;
    const int year = year_of(p, d.by.col, d.month[0], side), until = d.range ? year_of(p, d.by.col, d.month[1], side) : year;
    *it = (glim_item){.from = i, .to = d.to, .kind = NUMBER, .col = d.by.col, .concept = -1, .number = year, .has_unit = true, .year = true, .lead = d.lead, .side = d.side};
    it->first = year * 10000 + d.month[0] * 100 + d.day[0];
    const int last = d.range ? 1 : 0;
    it->last = until * 10000 + d.month[last] * 100 + (d.day[last] ? d.day[last] : 31);
    if (year == 0 || until == 0 || it->last < it->first) p->f->unread = true; /* the May of which year? */
    if (d.loose && any_on(p, d.by.col, it->first, it->last)) p->f->unread = true;
    return true;
}

static void take_days(glim_parse *p, size_t k, size_t at, size_t to) {
    for (size_t j = 0; j < p->n_items; j++)
        if (p->v[j].kind == COLUMN && p->v[j].col == p->v[k].col) p->v[j].used = true;
    p->v[k].used = true;
    for (size_t j = 0; j < k; j++)
        if (p->v[j].from >= at) p->v[j].used = true;
    if (p->n_denials < GLIM_PARSE_DENIALS) p->denial[p->n_denials].from = at, p->denial[p->n_denials++].to = to; /* "june" is no item */
    glim_parse_cover(p, k, at, to);
}

static void day_conds(glim_parse *p, size_t k) {
    const glim_item *it = &p->v[k];
    const int col = it->col;
    switch (it->side) {
    case GLIM_DAY_AFTER: glim_parse_add_cond(p, (glim_cond){.col = col, .op = GLIM_COND_GT, .a = it->last}); break;
    case GLIM_DAY_BEFORE: glim_parse_add_cond(p, (glim_cond){.col = col, .op = GLIM_COND_LT, .a = it->first}); break;
    case GLIM_DAY_BY: glim_parse_add_cond(p, (glim_cond){.col = col, .op = GLIM_COND_LE, .a = it->last}); break;
    case GLIM_DAY_SINCE: glim_parse_add_cond(p, (glim_cond){.col = col, .op = GLIM_COND_GE, .a = it->first}); break;
    case GLIM_DAY_ON:
        glim_parse_add_cond(p, (glim_cond){.col = col, .op = GLIM_COND_GE, .a = it->first});
        glim_parse_add_cond(p, (glim_cond){.col = col, .op = GLIM_COND_LE, .a = it->last});
        break;
    }
    take_days(p, k, it->lead, it->to);
}

void glim_parse_years_between(glim_parse *p, size_t k, size_t behind, size_t other) {
    glim_item *a = &p->v[k], *b = &p->v[other], *before = k > 0 ? a - 1 : NULL;
    const bool years = p->l->col[a->col].years, span = p->l->col[a->col].span != NULL; /* of a range both lie in the cell's */
    const double low = years || span ? a->number : a->number * 10000, high = years || span ? b->number : b->number * 10000 + 1231;
    glim_parse_add_cond(p, (glim_cond){.col = a->col, .op = span ? GLIM_COND_SPANS : GLIM_COND_GE, .a = low});
    glim_parse_add_cond(p, (glim_cond){.col = a->col, .op = span ? GLIM_COND_SPANS : GLIM_COND_LE, .a = high});
    a->used = p->v[behind].used = b->used = true;
    if (before && before->kind == WORD && before->word == GLIM_WORD_BETWEEN) before->used = true;
}

/* "以后", "之前" behind a date, which reaches to *to. */
static void side_behind(const glim_parse *p, size_t *to, bool *from, bool *until) {
    static const char *const since[] = {"以后", "之后", "以来", "后", "起", "至今"}, *const before[] = {"以前", "之前", "前"};
    const size_t on = glim_parse_word_at(p, *to, since, GLIM_COUNT(since)), back = on ? 0 : glim_parse_word_at(p, *to, before, GLIM_COUNT(before));
    *from = on > 0, *until = back > 0;
    *to += on + back;
}

/* "Not before June 2027", "except in 2027": what a no does to a day is not read. */
static bool turned(const glim_parse *p) {
    static const char *const en[] = {"not", "never", "except", "excluding", "other than", "apart from"};
    for (size_t i = 0; i < p->n; i++) {
        if (strncmp(p->s + i, "n't ", 4) == 0) return true;
        for (size_t k = 0; k < GLIM_COUNT(en); k++)
            if (glim_parse_stands(p, i, en[k])) return true;
    }
    return false;
}

/* "2023年以后上市的", "released before 2024": the whole year, or what lies on one side of it. */
void glim_parse_year_conds(glim_parse *p, size_t k) {
    glim_item *it = &p->v[k];
    if (it->last > 0) {
        day_conds(p, k);
        return;
    }
    const bool year_only = p->l->col[it->col].years;
    double first = year_only ? it->number : it->number * 10000, last = year_only ? first : first + 1231;
    bool from = false, until = false, after = false;
    size_t to = it->to;
    side_behind(p, &to, &from, &until);
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
    else if (BEHIND("in ")) at -= 3;
#undef BEHIND
    p->f->unread |= !year_only && turned(p);
    if (after) glim_parse_add_cond(p, (glim_cond){.col = it->col, .op = GLIM_COND_GT, .a = last});
    if (from || (!after && !until)) glim_parse_add_cond(p, (glim_cond){.col = it->col, .op = GLIM_COND_GE, .a = first});
    if (until) glim_parse_add_cond(p, (glim_cond){.col = it->col, .op = GLIM_COND_LT, .a = first});
    if (!from && !after && !until) glim_parse_add_cond(p, (glim_cond){.col = it->col, .op = GLIM_COND_LE, .a = last});
    take_days(p, k, at, to);
}
