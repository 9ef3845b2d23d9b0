/* said.c - see said.h. The places of a request are the gaps between its characters; a value is copied from one place to another. */
#include "text/said.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "text/chat_internal.h"
#include "text/said_internal.h"

/* Log probabilities that a small model's certainty is weighed against, by hand on requests of another seed than the card's (bench/NOTES.md). */
static const double FIGURE = 12; /* a word with digits in it that serves no field */
static const double CLAUSE = 10; /* a part of the request, but for the first, that serves none */
static const double TRUTH = 3;   /* a true that no part of the request is left for */
static const double UNSAID = 5;  /* a value of an enum that is not said, where another one is */

/* ---- characters ---- */

typedef enum kind { LETTER, DIGIT, OWN, STOP, SPACE, MARK } kind; /* OWN: a character of a script without spaces */

static kind kind_of(uint32_t c) {
    if (c < 0x80) return isdigit((int)c) ? DIGIT : isalpha((int)c) ? LETTER : c == '\n' || c == '\r' || c == '?' || c == '!' || c == ';' ? STOP : c == ' ' || c == '\t' ? SPACE : MARK;
    if (c == 0x3000 || c == 0xa0) return SPACE;
    if (c == 0x3002 || c == 0xff0c || c == 0xff01 || c == 0xff1f || c == 0xff1b || c == 0x3001) return STOP; /* 。，！？；、 */
    if (c < 0xc0 || (c >= 0x2000 && c < 0x2e80) || (c >= 0x3000 && c < 0x3005) || (c >= 0x3008 && c < 0x3040) || (c >= 0xff00 && c < 0xff66)) return MARK;
    return c >= 0x2e80 ? OWN : LETTER;
}

static bool is_word(kind k) { return k == LETTER || k == DIGIT; }

/* Whether the mark c ties the words beside it into one: 258-1140, 7:45, a@b.c, 1,200. */
static bool ties(uint32_t c, kind before, kind after) {
    if (!is_word(before) || !is_word(after)) return false;
    return c < 0x80 && c && (strchr("-.:/@_", (int)c) != NULL || (c == ',' && before == DIGIT && after == DIGIT));
}

/* ---- numbers ---- */

typedef struct word {
    const char *text;
    double value;
} word;
static const word ENGLISH[] = {{"zero", 0}, {"one", 1}, {"two", 2}, {"three", 3}, {"four", 4}, {"five", 5}, {"six", 6}, {"seven", 7}, {"eight", 8}, {"nine", 9}, {"ten", 10},
                               {"eleven", 11}, {"twelve", 12}, {"thirteen", 13}, {"fourteen", 14}, {"fifteen", 15}, {"sixteen", 16}, {"seventeen", 17}, {"eighteen", 18},
                               {"nineteen", 19}, {"twenty", 20}, {"thirty", 30}, {"forty", 40}, {"fifty", 50}, {"sixty", 60}, {"seventy", 70}, {"eighty", 80}, {"ninety", 90}, {"dozen", 12}};
static const word CHINESE[] = {{"零", 0}, {"〇", 0}, {"一", 1}, {"二", 2}, {"两", 2}, {"三", 3}, {"四", 4}, {"五", 5}, {"六", 6}, {"七", 7}, {"八", 8}, {"九", 9}, {"十", 10}, {"百", 100}, {"千", 1e3}, {"万", 1e4}, {"亿", 1e8}};

static const word *chinese_at(const char *s) {
    for (size_t i = 0; i < GLIM_COUNT(CHINESE); i++)
        if (strncmp(s, CHINESE[i].text, 3) == 0) return &CHINESE[i];
    return NULL;
}

static glim_status add(glim_said *s, double value, size_t begin, size_t end, glim_err *err) {
    if (s->n_numbers == s->cap_numbers) {
        glim_status rc = glim_try_grow(&s->number, &s->cap_numbers, 16, sizeof *s->number, "numbers of a request", err);
        if (rc != GLIM_OK) return rc;
    }
    s->number[s->n_numbers++] = (glim_said_number){value, (uint32_t)begin, (uint32_t)end};
    return GLIM_OK;
}

/* 十二, 两百三十, 三万五, 三亿; *end is where it ends. Digits one after the other are no number of this kind. */
static bool read_chinese(const char *s, size_t at, size_t *end, double *value) {
    double high = 0, sum = 0, part = 0, digit = -1, unit = 1e5, of = 1;
    bool zero = false;
    const word *w;
    for (; (w = chinese_at(s + at)); at += 3) {
        if (w->value < 10) {
            if (digit > 0) return false;
            zero |= w->value == 0;
            digit = w->value;
        } else if (w->value == 1e8) {
            high = (sum + part + (digit > 0 ? digit : 0)) * 1e8;
            if (high <= 0 || of > 1e4) return false;
            sum = part = 0, digit = -1, unit = 1e8, of = 1e8, zero = false;
        } else if (w->value == 1e4) {
            if (of > 1 && of < 1e8) return false;
            sum = (part + (digit > 0 ? digit : 0)) * 1e4;
            part = 0, digit = -1, unit = 1e4, of = 1e4, zero = false;
        } else {
            if (w->value >= unit || (digit < 0 && w->value > 10)) return false;
            part += (digit > 0 ? digit : 1) * w->value;
            digit = -1, unit = w->value, zero = false;
        }
    }
    if (digit > 0) part += unit >= 100 && (unit <= 1e4 || unit == 1e8) && !zero ? digit * unit / 10 : digit; /* 两百三 is 230 */
    *end = at;
    *value = high + sum + part;
    return true;
}

/* What stands behind "一点五" where it is 1.5 of it, and no time of day. */
static const char *const MEASURES[] = {"公里", "公斤", "千米", "千克", "厘米", "毫米", "米", "升", "毫升", "倍", "斤", "吨", "万", "亿", "折", "元", "块", "寸", "英寸", "度", "克", "平方", "平米", "瓦", "小时", "个小时", "个月"};

/* 一点五公斤: the number that begins at `at`; false: none. */
static bool read_point(const char *s, size_t at, size_t *end, double *value) {
    double whole, part = 0, place = 0.1;
    size_t i;
    const word *w;
    bool measured = false;
    if (!read_chinese(s, at, &i, &whole) || strncmp(s + i, "点", 3) != 0) return false;
    for (i += 3; (w = chinese_at(s + i)) && w->value < 10; i += 3, place /= 10) part += w->value * place;
    for (size_t k = 0; place < 0.1 && k < GLIM_COUNT(MEASURES); k++) measured |= strncmp(s + i, MEASURES[k], strlen(MEASURES[k])) == 0 && !(strcmp(MEASURES[k], "块") == 0 && strncmp(s + i - 3, "一", 3) == 0); /* "三点一块去" */
    *value = round((whole + part) * 1e9) / 1e9;
    if (w && w->value >= 1e4) *value *= w->value, i += 3;
    *end = i;
    return measured;
}

/* The digit of full width at s, or -1. */
static int wide_digit(const char *s) { return (unsigned char)s[0] == 0xef && (unsigned char)s[1] == 0xbc && (unsigned char)s[2] >= 0x90 && (unsigned char)s[2] <= 0x99 ? (unsigned char)s[2] - 0x90 : -1; }

static bool is_negative(const char *s, size_t at) {
    if (at >= 3 && memcmp(s + at - 3, "负", 3) == 0) return true;
    if (at >= 6 && memcmp(s + at - 6, "零下", 6) == 0) return true;
    if (at >= 3 && (memcmp(s + at - 3, "－", 3) == 0 || memcmp(s + at - 3, "−", 3) == 0)) return at == 3 || (!isalnum((unsigned char)s[at - 4]) && (at < 6 || wide_digit(s + at - 6) < 0));
    return at && s[at - 1] == '-' && (at == 1 || isspace((unsigned char)s[at - 2]));
}

static glim_status find_chinese(glim_said *s, glim_err *err) {
    glim_status rc = GLIM_OK;
    for (size_t i = 0, end; i < s->n && rc == GLIM_OK; i = end) {
        const word *w = chinese_at(s->text + i);
        double value;
        end = i + 1;
        if (!w || strncmp(s->text + i, "零下", 6) == 0) continue;
        if (read_point(s->text, i, &end, &value)) rc = add(s, value * (is_negative(s->text, i) ? -1 : 1), i, end, err);
        else if (read_chinese(s->text, i, &end, &value)) rc = add(s, value * (is_negative(s->text, i) ? -1 : 1), i, end, err);
        else { /* 周三三个人: each by itself */
            rc = w->value < 10 ? add(s, w->value, i, i + 3, err) : GLIM_OK;
            end = i + 3;
        }
    }
    return rc;
}

static const word *english_at(const char *s, size_t n) {
    for (size_t i = 0; i < GLIM_COUNT(ENGLISH); i++)
        if (strlen(ENGLISH[i].text) == n && strncasecmp(s, ENGLISH[i].text, n) == 0) return &ENGLISH[i];
    return NULL;
}

/* The word at s, a letter's run: its length. */
static size_t run(const char *s) {
    size_t n = 0;
    while (isalpha((unsigned char)s[n])) n++;
    return n;
}

/* "Twenty", "five", "twenty-five": its length, or 0. */
static size_t below_hundred(const char *s, double *value) {
    size_t n = run(s);
    const word *w = english_at(s, n), *one;
    if (!w || w->value == 0 || strncasecmp(s, "dozen", 5) == 0) return 0;
    *value = w->value;
    if (w->value < 20 || (s[n] != '-' && s[n] != ' ')) return n;
    const size_t more = run(s + n + 1);
    one = english_at(s + n + 1, more);
    if (one && one->value > 0 && one->value < 10) *value += one->value, n += 1 + more;
    return n;
}

/* "A hundred", "two hundred and twenty", "a thousand", "half a dozen", "two dozen": its length, or 0. "Between one hundred and two hundred" are two. */
static size_t many(const char *s, size_t at, double *value) {
    static const struct { const char *text; double is; } BY[] = {{"hundred", 100}, {"thousand", 1000}};
    const bool between = at >= 8 && strncasecmp(s + at - 8, "between ", 8) == 0;
    const char *p = s + at;
    double first = 1, more = 0;
    if (strncasecmp(p, "half a dozen", 12) == 0 && !isalpha((unsigned char)p[12])) return *value = 6, 12;
    size_t n = strncasecmp(p, "a ", 2) == 0 ? 1 : below_hundred(p, &first);
    if (n == 0 || p[n] != ' ') return 0;
    n++;
    if (strncasecmp(p + n, "dozen", 5) == 0 && !isalpha((unsigned char)p[n + 5])) return *value = first * 12, n + 5;
    for (size_t i = 0; i < GLIM_COUNT(BY); i++) {
        const size_t k = strlen(BY[i].text);
        if (strncasecmp(p + n, BY[i].text, k) != 0 || isalpha((unsigned char)p[n + k])) continue;
        n += k;
        *value = first * BY[i].is;
        if (i == 0 && strncasecmp(p + n, " thousand", 9) == 0 && !isalpha((unsigned char)p[n + 9])) return *value *= 1000, n + 9; /* "two hundred thousand" */
        if (between || strncasecmp(p + n, " and ", 5) != 0) return n;
        const size_t m = below_hundred(p + n + 5, &more);
        const char *behind = p + n + 5 + m;
        const bool again = strncasecmp(behind, " hundred", 8) == 0 || strncasecmp(behind, " thousand", 9) == 0 || strncasecmp(behind, " dozen", 6) == 0;
        if (m && i == 0 && strncasecmp(behind, " thousand", 9) == 0 && !isalpha((unsigned char)behind[9])) return *value = (*value + more) * 1000, n + 5 + m + 9;
        if (m && !again && !isalnum((unsigned char)*behind)) *value += more, n += 5 + m;
        return n;
    }
    return 0;
}

static glim_status find_english(glim_said *s, glim_err *err) {
    glim_status rc = GLIM_OK;
    for (size_t i = 0, end; i < s->n && rc == GLIM_OK; i = end) {
        for (end = i; isalnum((unsigned char)s->text[end]) || (unsigned char)s->text[end] >= 0x80; end++) {}
        const word *w = end > i ? english_at(s->text + i, end - i) : NULL;
        double value = w ? w->value : 0;
        const size_t whole = end > i ? many(s->text, i, &value) : 0;
        if (whole) {
            rc = add(s, value, i, i + whole, err);
            end = i + whole;
            continue;
        }
        if (w && value >= 20 && (s->text[end] == '-' || s->text[end] == ' ')) { /* twenty-five */
            size_t more = end + 1;
            while (isalpha((unsigned char)s->text[more])) more++;
            const word *one = english_at(s->text + end + 1, more - end - 1);
            if (one && one->value > 0 && one->value < 10) value += one->value, end = more;
        }
        static const struct { const char *text; size_t n; double times; } TIMES[] = {{" hundred", 8, 100}, {" thousand", 9, 1000}};
        for (size_t t = 0; w && t < GLIM_COUNT(TIMES); t++)
            if (strncasecmp(s->text + end, TIMES[t].text, TIMES[t].n) == 0 && !isalpha((unsigned char)s->text[end + TIMES[t].n])) value *= TIMES[t].times, end += TIMES[t].n;
        if (w) rc = add(s, value, i, end, err);
        if (end == i) end++;
    }
    return rc;
}

/* Digits that are no part of a longer word, but for a unit of up to three letters behind them (30cm, 16GB), or a Chinese one (3万). 3k is
 * 3,000 too. Commas are between groups of three: 2,3,4 is no number. */
static glim_status find_digits(glim_said *s, glim_err *err) {
    glim_status rc = GLIM_OK;
    for (size_t i = 0, end; i < s->n && rc == GLIM_OK; i = end) {
        for (end = i; end < s->n && !(end > i && s->edge[end] & (GLIM_SAID_BEGINS | GLIM_SAID_ENDS)); end++) {}
        char digits[40];
        size_t n = 0, k = i, letters = 0, points = 0, group = 0;
        bool commas = false, grouped = true;
        if (!isdigit((unsigned char)s->text[i])) continue;
        for (; k < end && n < sizeof digits - 1 && (isdigit((unsigned char)s->text[k]) || s->text[k] == ',' || s->text[k] == '.'); k++) {
            points += s->text[k] == '.';
            if (s->text[k] == ',') grouped &= !points && (commas ? group == 3 : group > 0 && group < 4), commas = true, group = 0;
            else digits[n++] = s->text[k], group += !points;
        }
        if (commas && group != 3) grouped = false;
        digits[n] = 0;
        while (k + letters < end && isalpha((unsigned char)s->text[k + letters])) letters++;
        if (k + letters != end || letters > 3 || points > 1 || n > 15 || !grouped) continue;
        const double value = strtod(digits, NULL) * (is_negative(s->text, i) ? -1 : 1);
        const word *w = chinese_at(s->text + end);
        rc = add(s, value, i, k, err);
        if (rc == GLIM_OK && letters == 1 && tolower((unsigned char)s->text[k]) == 'k') rc = add(s, value * 1000, i, end, err);
        if (rc == GLIM_OK && w && w->value > 10) rc = add(s, value * w->value, i, end + 3, err);
    }
    return rc;
}

/* A letter of full width. */
static bool wide_letter(const char *s) { return (unsigned char)s[0] == 0xef && (((unsigned char)s[1] == 0xbc && (unsigned char)s[2] >= 0xa1) || ((unsigned char)s[1] == 0xbd && (unsigned char)s[2] < 0x9b)); }

static bool any_digit(const char *s) { return isdigit((unsigned char)*s) || wide_digit(s) >= 0; }

/* How long the mark is that may stand between digits of one figure, or 0. */
static size_t mark_at(const char *s) {
    static const char *const marks[] = {"，", "．", "：", ",", "."};
    for (size_t k = 0; k < GLIM_COUNT(marks); k++)
        if (strncmp(s, marks[k], strlen(marks[k])) == 0) return strlen(marks[k]);
    return 0;
}

/* "３００", "３．５"; "１，２００" and "３.５" are not read. Digits beside letters of full width are no number. */
static glim_status find_wide(glim_said *s, glim_err *err) {
    glim_status rc = GLIM_OK;
    for (size_t i = 0, end; i + 3 <= s->n && rc == GLIM_OK; i = end) {
        char digits[40];
        size_t n = 0, points = 0;
        end = i + 1;
        if (wide_digit(s->text + i) < 0) continue;
        for (end = i; n < sizeof digits - 1; end += 3) {
            const bool point = memcmp(s->text + end, "．", 3) == 0 && wide_digit(s->text + end + 3) >= 0 && !points;
            const int d = wide_digit(s->text + end);
            if (d < 0 && !point) break;
            points += point;
            digits[n++] = point ? '.' : (char)('0' + d);
        }
        digits[n] = 0;
        const bool beside = wide_letter(s->text + end) || (i >= 3 && wide_letter(s->text + i - 3)) || isalnum((unsigned char)s->text[end]) || (i && isalnum((unsigned char)s->text[i - 1]));
        const size_t whole = end;
        while (true) {
            const size_t mark = mark_at(s->text + end);
            if (!any_digit(s->text + end + mark)) break;
            end += mark + (isdigit((unsigned char)s->text[end + mark]) ? 1 : 3);
        }
        if (end > whole) continue; /* none of it is a number by itself */
        if (beside || n > 15) continue;
        const double value = strtod(digits, NULL) * (is_negative(s->text, i) ? -1 : 1);
        const word *w = chinese_at(s->text + end);
        rc = add(s, value, i, end, err);
        if (rc == GLIM_OK && w && w->value > 10) rc = add(s, value * w->value, i, end + 3, err);
    }
    return rc;
}

/* ---- the places ---- */

static void mark_places(glim_said *s) {
    kind before = STOP;
    uint32_t last = 0; /* the character before */
    for (size_t i = 0; i <= s->n;) {
        uint32_t c = '\n', next = '\n';
        const int n = i < s->n ? glim_utf8_next(s->text + i, s->n - i, &c) : 1;
        const kind k = kind_of(c);
        if (i + n < s->n) glim_utf8_next(s->text + i + n, s->n - i - n, &next);
        if (is_word(k) || k == OWN) {
            bool inside = is_word(before) && is_word(k);
            if (before == MARK && i) { /* a mark that ties two words */
                kind b2 = STOP;
                size_t j = i - 1;
                while (j && ((unsigned char)s->text[j] & 0xc0) == 0x80) j--;
                if (j) {
                    size_t h = j - 1;
                    uint32_t c2 = 0;
                    while (h && ((unsigned char)s->text[h] & 0xc0) == 0x80) h--;
                    glim_utf8_next(s->text + h, s->n - h, &c2);
                    b2 = kind_of(c2);
                }
                inside = ties(last, b2, k);
            }
            if (!inside) s->edge[i] |= GLIM_SAID_BEGINS;
        }
        if ((is_word(before) || before == OWN || last == '%' || last == ')') && !(is_word(before) && is_word(k)) && !(k == MARK && ties(c, before, kind_of(next)))) s->edge[i] |= GLIM_SAID_ENDS;
        if (k == MARK && c < 0x80 && strchr("+#$@", (int)c) && is_word(kind_of(next)) && !is_word(before)) s->edge[i] |= GLIM_SAID_BEGINS;
        if (k == STOP) s->edge[i] |= GLIM_SAID_STOPS;
        before = k, last = c;
        i += (size_t)n;
    }
}

static void find_parts(glim_said *s) {
    bool open = false, figure = false;
    for (size_t i = 0; i < s->n; i++) {
        const char c = s->text[i], next = s->text[i + 1];
        if (s->edge[i] & GLIM_SAID_STOPS || ((c == ',' || c == '.') && (next == ' ' || next == 0))) open = false;
        else if (s->edge[i] & GLIM_SAID_BEGINS && !open && s->n_clauses < GLIM_SAID_PARTS) {
            s->clause[s->n_clauses++].begin = (uint32_t)i;
            open = true;
        }
        if (open) s->clause[s->n_clauses - 1].end = (uint32_t)i + 1;
        if (s->edge[i] & (GLIM_SAID_BEGINS | GLIM_SAID_ENDS)) figure = false; /* a new word */
        if (isdigit((unsigned char)c) && !figure && s->n_figures < GLIM_SAID_PARTS) {
            s->figure[s->n_figures++].begin = (uint32_t)i;
            figure = true;
        }
        if (figure) s->figure[s->n_figures - 1].end = (uint32_t)i + 1;
    }
}

glim_status glim_said_new(glim_said **out, const char *request, size_t n, glim_err *err) {
    *out = NULL;
    if (n > GLIM_SAID_BYTES || !glim_utf8_valid(request, n)) return GLIM_OK;
    glim_said *s = glim_xcalloc(1, sizeof *s + 2 * (n + 4));
    s->text = (char *)(s + 1);
    s->edge = (unsigned char *)s->text + n + 4;
    s->n = n;
    memcpy(s->text, request, n);
    for (size_t i = 0; i < n; i++)
        if (s->text[i] == 0) s->text[i] = ' ';
    mark_places(s);
    find_parts(s);
    glim_status rc = find_digits(s, err);
    if (rc == GLIM_OK) rc = find_wide(s, err);
    if (rc == GLIM_OK) rc = find_english(s, err);
    if (rc == GLIM_OK) rc = find_chinese(s, err);
    if (rc != GLIM_OK) glim_said_free(s);
    else *out = s;
    return rc;
}

void glim_said_free(glim_said *s) {
    if (!s) return;
    free(s->number);
    free(s);
}

/* ---- the automaton of its runs ---- */

glim_status glim_said_dfa(glim_dfa **out, const glim_said *s, glim_spelling sp, glim_con_budget *b, glim_err *err) {
    glim_nfa a = {.limit = GLIM_CON_MAX_NODES};
    const uint32_t start = glim_nfa_state(&a), end = glim_nfa_state(&a), open = glim_nfa_state(&a), close = glim_nfa_state(&a);
    if (sp == GLIM_SPELL_JSON) {
        glim_nfa_literal(&a, start, open, "\"", 1);
        glim_nfa_literal(&a, close, end, "\"", 1);
    } else {
        glim_nfa_edge_add(&a, start, open, GLIM_NFA_EPS, 0, 0);
        glim_nfa_edge_add(&a, close, end, GLIM_NFA_EPS, 0, 0);
    }
    uint32_t here = 0; /* the state at i, in a run; 0: none */
    for (size_t i = 0; i < s->n && !a.failed && !a.full;) {
        uint32_t c;
        const int n = glim_utf8_next(s->text + i, s->n - i, &c);
        const bool begins = s->edge[i] & GLIM_SAID_BEGINS;
        if (s->edge[i] & GLIM_SAID_STOPS || (c < 0x20 && sp == GLIM_SPELL_RAW)) here = 0;
        else if (here || begins) {
            const uint32_t next = glim_nfa_state(&a);
            if (here) glim_nfa_chars(&a, here, next, c, c, sp);
            if (begins) glim_nfa_chars(&a, open, next, c, c, sp);
            if (s->edge[i + (size_t)n] & GLIM_SAID_ENDS) glim_nfa_edge_add(&a, next, close, GLIM_NFA_EPS, 0, 0);
            here = next;
        }
        i += (size_t)n;
    }
    glim_status rc = a.failed ? glim_con_nomem(err) : glim_dfa_from_nfa(out, &a, start, end, b, err);
    glim_nfa_free(&a);
    return rc;
}

json_t *glim_said_numbers(const glim_said *s, bool or_zero) {
    json_t *list = json_array();
    bool zero = !or_zero;
    for (size_t i = 0; list && i <= s->n_numbers; i++) {
        const double v = i < s->n_numbers ? s->number[i].value : 0;
        if (i == s->n_numbers && zero) break;
        json_t *x = v == floor(v) && fabs(v) < 1e15 ? json_integer((json_int_t)v) : json_real(v);
        bool again = false;
        for (size_t k = 0; k < json_array_size(list); k++) again |= json_number_value(json_array_get(list, k)) == v;
        zero |= v == 0;
        if (!x || (!again && json_array_append(list, x) != 0)) {
            json_decref(x);
            json_decref(list);
            return NULL;
        }
        json_decref(x);
    }
    return list;
}

/* ---- one place, one field ---- */

enum { VALUES = 32, PLACES = 16, STEPS = 4096 };
typedef struct places {
    struct { uint32_t begin, end; } at[PLACES];
    size_t n;
} places;

static void places_of(const glim_said *s, const json_t *v, places *p) {
    p->n = 0;
    if (json_is_number(v)) {
        for (size_t i = 0; i < s->n_numbers && p->n < PLACES; i++)
            if (s->number[i].value == json_number_value(v)) p->at[p->n].begin = s->number[i].begin, p->at[p->n++].end = s->number[i].end;
    } else if (json_string_length(v)) {
        const char *text = json_string_value(v), *hit = s->text, *end = s->text + s->n;
        const size_t n = json_string_length(v);
        for (; p->n < PLACES && (hit = memmem(hit, (size_t)(end - hit), text, n)); hit++) {
            const size_t i = (size_t)(hit - s->text);
            if (s->edge[i] & GLIM_SAID_BEGINS && s->edge[i + n] & GLIM_SAID_ENDS) p->at[p->n].begin = (uint32_t)i, p->at[p->n++].end = (uint32_t)(i + n);
        }
    }
}

/* Whether values k.. find places beside those that the values before them were given. */
static bool apart(const places *p, size_t n, size_t k, size_t *given, size_t *steps) {
    if (k == n || ++*steps > STEPS) return true;
    for (size_t i = 0; i < p[k].n; i++) {
        bool is_free = true;
        for (size_t j = 0; j < k; j++) is_free &= p[k].at[i].end <= p[j].at[given[j]].begin || p[j].at[given[j]].end <= p[k].at[i].begin;
        given[k] = i;
        if (is_free && apart(p, n, k + 1, given, steps)) return true;
    }
    return false;
}

/* ---- the answer as far as it is written ---- */

typedef struct reader {
    const char *p, *end;
} reader;

static void skip_space(reader *r) {
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' || *r->p == '\t' || *r->p == '\r')) r->p++;
}

static bool take(reader *r, char c) {
    skip_space(r);
    if (r->p == r->end || *r->p != c) return false;
    r->p++;
    return true;
}

/* A string, a number or a word that is there to its end; NULL: not yet, or it is a container. */
static json_t *read_value(reader *r) {
    skip_space(r);
    const char *from = r->p, *p = from;
    if (p < r->end && *p == '"') {
        for (p++; p < r->end && *p != '"'; p++) p += *p == '\\';
        if (p++ >= r->end) return NULL;
    } else {
        while (p < r->end && !strchr(",}] \n\t\r{[", *p)) p++;
        if (p == r->end || p == from) return NULL;
    }
    r->p = p;
    return json_loadb(from, (size_t)(p - from), JSON_DECODE_ANY, NULL);
}

static const json_t *parameters(const json_t *tools, const char *name, size_t n) {
    for (size_t i = 0; i < json_array_size(tools); i++) {
        const json_t *f = glim_chat_tool_function(json_array_get(tools, i));
        glim_chat_str s = glim_chat_json_str(f, "name");
        if (s.n == n && memcmp(s.s, name, n) == 0) return json_object_get(f, "parameters");
    }
    return NULL;
}

/* The schema of the answer's object, and r behind its brace; NULL: it has not begun. */
static const json_t *object_of(reader *r, const json_t *schema, const json_t *tools) {
    static const char NAME[] = "\"name\": \"", ARGS[] = "\"arguments\": ";
    const char *brace = memchr(r->p, '{', (size_t)(r->end - r->p));
    if (!brace) return NULL;
    if (!schema) {
        glim_chat_str name = glim_py_strip((glim_chat_str){r->p, (size_t)(brace - r->p)});
        if (name.n >= 11 && memcmp(name.s, "<tool_call>", 11) == 0) { /* ChatML */
            const char *args = memmem(r->p, (size_t)(r->end - r->p), ARGS, sizeof ARGS - 1), *from = memmem(r->p, (size_t)(r->end - r->p), NAME, sizeof NAME - 1);
            const char *to = args && from ? memchr(from + sizeof NAME - 1, '"', (size_t)(args - from - (ptrdiff_t)sizeof NAME + 1)) : NULL;
            brace = args ? memchr(args, '{', (size_t)(r->end - args)) : NULL;
            if (!to || !brace) return NULL;
            name = (glim_chat_str){from + sizeof NAME - 1, (size_t)(to - from) - (sizeof NAME - 1)};
        }
        schema = parameters(tools, name.s, name.n);
    }
    r->p = brace + 1;
    return schema;
}

/* The property behind the one named key; NULL: none. */
static void *behind(const json_t *props, const char *key) {
    void *i = json_object_iter_at((json_t *)props, key);
    return i ? json_object_iter_next((json_t *)props, i) : NULL;
}

/* What it costs that a value begins with a word that joins it to those before; more where hardly a name begins so. Nothing where a verb or the
 * like stands before it somewhere: the word is the name's own then (要叫花鸡, 住在水一方酒店). */
static double link_cost(const glim_said *s, const json_t *v, const places *p) {
    static const struct { const char *word; double cost; } WORDS[] = {{"在", 20}, {"是", 20}, {"到", 8}, {"为", 8}, {"叫", 8}, {"要", 8}};
    static const char *const verbs[] = {"要", "份", "住", "买", "订", "选"};
    const char *text = json_string_value(v);
    double cost = 0;
    for (size_t i = 0; text && i < GLIM_COUNT(WORDS); i++)
        if (strncmp(text, WORDS[i].word, 3) == 0) cost = WORDS[i].cost;
    for (size_t i = 0; cost > 0 && i < p->n; i++)
        for (size_t k = 0; k < GLIM_COUNT(verbs); k++)
            if (p->at[i].begin >= 3 && memcmp(s->text + p->at[i].begin - 3, verbs[k], 3) == 0) return 0;
    return cost;
}

/* Whether another value of the enum is said. */
static bool other_said(const glim_said *s, const json_t *list) {
    places p;
    for (size_t i = 0; i < json_array_size(list); i++) {
        places_of(s, json_array_get(list, i), &p);
        if (p.n) return true;
    }
    return false;
}

/* What it costs that parts of the request serve no field, as far as the left fields that are still to come cannot take them. A field
 * that is true, or one of a few values in other words, has a part too: n_more of these. The first part often says only what it is all about. */
static double unused(const glim_said *s, const places *p, size_t n, const size_t *at, size_t left, size_t n_more) {
    size_t plain = 0, figures = 0;
    for (size_t c = 1; c < s->n_clauses; c++) {
        const uint32_t begin = s->clause[c].begin, end = s->clause[c].end;
        bool used = false;
        for (size_t i = 0; i < n && !used; i++) used = p[i].at[at[i]].begin < end && begin < p[i].at[at[i]].end;
        plain += !used;
    }
    for (size_t c = 0; c < s->n_figures; c++) {
        bool used = false;
        for (size_t i = 0; i < n && !used; i++) used = p[i].at[at[i]].begin < s->figure[c].end && s->figure[c].begin < p[i].at[at[i]].end;
        figures += !used;
    }
    double cost = n_more > plain ? TRUTH * (double)(n_more - plain) : 0;
    plain = plain > n_more + left ? plain - n_more - left : 0;
    figures = figures > left ? figures - left : 0;
    return cost + (double)plain * CLAUSE + (double)figures * FIGURE;
}

double glim_said_cost(const glim_said *s, const json_t *schema, const json_t *tools, const char *answer, size_t n) {
    reader r = {answer, answer + n};
    places given[VALUES];
    size_t n_given = 0, n_more = 0, at[VALUES] = {0}, steps = 0;
    double cost = 0;
    const json_t *of = object_of(&r, schema, tools), *props = json_object_get(of, "properties");
    void *iter = json_object_iter((json_t *)props);
    while (of && !take(&r, '}')) {
        json_t *key = read_value(&r);
        if (!json_is_string(key) || !take(&r, ':')) {
            json_decref(key);
            break;
        }
        const json_t *list = json_object_get(json_object_get(props, json_string_value(key)), "enum");
        void *next = behind(props, json_string_value(key));
        json_decref(key);
        json_t *v = read_value(&r);
        if (!v && r.p < r.end && (*r.p == '{' || *r.p == '[')) return 0; /* not flat */
        if (!v) break;
        iter = next;
        if (n_given < VALUES) {
            places_of(s, v, &given[n_given]);
            const bool none = given[n_given].n == 0;
            if (none && list) cost += other_said(s, list) ? UNSAID : 0;
            else if (!none && !list) cost += link_cost(s, v, &given[n_given]);
            n_more += (none && list) || json_is_true(v);
            n_given += !none;
        }
        json_decref(v);
        take(&r, ',');
        skip_space(&r);
    }
    const bool closed = of && r.p > answer && r.p[-1] == '}';
    if (!apart(given, n_given, 0, at, &steps)) return HUGE_VAL;
    size_t left = 0;
    for (void *i = iter; i && !closed; i = json_object_iter_next((json_t *)props, i)) left++;
    return of ? cost + unused(s, given, n_given, at, left, n_more) : cost;
}
