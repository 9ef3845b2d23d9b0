/* filter_not.c - what a question denies: "不包含花生", "without any nuts", "I don't want to pay more than 2000".
 *
 * Read backwards from a value, a column or a bound: over words that say nothing by themselves, up to a no. Any other word ends
 * the search, so "not only black" and "特别" deny nothing. "的" does too: "花生不要的热菜" says it of the peanuts. */
#include "base/alloc.h"
#include "base/utf8.h"
#include "know/filter_internal.h"
#include "know/terms.h"

static const char *const small[] = {
    " ", "-", "在", "为", "有", "含", "包含", "含有", "包括", "带", "放", "加", "吃", "用", "支持", "具备", "提供", "配", "配有", "配备", "附", "附带", "允许", "要", "想", "爱", "喜欢", "能", "会", "可以", "需要", "需", "任何", "价格", "是", "选", "买", "碰",
    "a", "an", "any", "anything", "the", "have", "has", "got", "contain", "contains", "containing", "contained", "include", "includes", "including", "want", "like",
    "with", "in", "of", "for", "use", "to", "be", "is", "are", "that", "dish", "dishes", "food", "one", "ones", "spend", "pay", "cost", "costs", "added", "buy", "eat", "afford",
    "support", "supports", "supporting", "offer", "offers", "offering", "provide", "provides", "feature", "features", "come", "comes", "allow", "allows", "accept", "accepts", "serve", "serves", "there",
    "from", "by", "made", "need", "needs", "needed", "require", "requires", "on", "at", "too", "very", "太", "很", "了", "得", "handle", "stand", "tolerate"};
static const char *const no[] = {"买不起", "不", "没", "别", "除", "无", "非", "n't", "not", "without", "no", "non", "never", "nothing", "cannot", "avoid", "except", "neither", "nor", "怕", "忌"};

/* How many bytes of the word end at `at`, or 0. */
static size_t ends(const glim_parse *p, size_t at, const char *w) {
    const size_t n = strlen(w);
    if (n > at || memcmp(p->s + at - n, w, n) != 0) return 0;
    const bool latin = isalpha((unsigned char)w[0]) != 0;
    if (latin && (glim_parse_alnum(p, at) || (at > n && w[1] != '\'' && glim_parse_alnum(p, at - n - 1)))) return 0;
    return n;
}

/* "有没有", "要不要", "可以不可以": a no between the same word twice asks, and denies nothing. So does "有无". */
static bool whether(const glim_parse *p, size_t at) {
    if (strncmp(p->s + at, "无", 3) == 0) return at >= 3 && memcmp(p->s + at - 3, "有", 3) == 0;
    if (strncmp(p->s + at, "不", 3) == 0 && at >= 3 && memcmp(p->s + at - 3, "要", 3) == 0 && isdigit((unsigned char)p->s[at + 3])) return true; /* "要不3000的" */
    if (strncmp(p->s + at, "不", 3) != 0 && strncmp(p->s + at, "没", 3) != 0) return false;
    for (size_t k = 0; k < p->n_items; k++) /* "有没有没有海鲜的汤": the second one denies */
        if (p->v[k].to == at && p->v[k].kind == WORD && p->v[k].word == GLIM_WORD_LIST) return false;
    for (size_t n = 3; n <= 6 && n <= at && at + 3 + n <= p->n; n += 3)
        if (memcmp(p->s + at - n, p->s + at + 3, n) == 0) return true;
    return false;
}

/* Is the no at `from` a part of another word: "类别", "特别", "是不是"? */
static bool inside(const glim_parse *p, size_t from) {
    static const char *const other[] = {"特", "分", "个", "级", "性"};
    for (size_t k = 0; k < p->n_items; k++)
        if (p->v[k].from < from && p->v[k].to > from) return true;
    for (size_t k = 0; k < GLIM_COUNT(other) && strncmp(p->s + from, "别", 3) == 0; k++)
        if (from >= 3 && memcmp(p->s + from - 3, other[k], 3) == 0) return true;
    return false;
}

/* Where the no begins that ends at `at`, or `at`. */
static size_t no_before(const glim_parse *p, size_t at) {
    for (size_t k = 0; k < p->n_items; k++)
        if (p->v[k].to == at && p->v[k].kind == WORD && p->v[k].word == GLIM_WORD_NOT) return p->v[k].from;
    for (size_t k = 0; k < GLIM_COUNT(no); k++) {
        size_t n = ends(p, at, no[k]);
        const bool tail = no[k][1] == '\''; /* of "don't", "can't" */
        if (n == 0 || (!tail && inside(p, at - n))) continue;
        while (tail && n < at && glim_parse_alnum(p, at - n - 1)) n++;
        return at - n;
    }
    return at;
}

bool glim_parse_says_nothing(const glim_parse *p, size_t at) {
    if (no_before(p, at) < at) return true;
    for (size_t w = 0; w < GLIM_COUNT(small); w++)
        if (ends(p, at, small[w])) return true;
    return false;
}

bool glim_parse_denied(const glim_parse *p, size_t at, size_t *from) {
    for (;;) {
        size_t begins = no_before(p, at), n = 0;
        if (begins < at) {
            *from = begins;
            return !whether(p, begins);
        }
        for (size_t w = 0; w < GLIM_COUNT(small); w++) {
            const size_t k = ends(p, at, small[w]);
            if (k > n) n = k;
        }
        if (n == 0) return false;
        at -= n;
    }
}

/* "花生都不要", "花生和坚果也不能有的菜", "pets are not allowed": what is said behind a value, and of nothing that follows. */
bool glim_parse_denied_behind(const glim_parse *p, size_t at, size_t *to) {
    static const char *const also[] = {"的", "都", "也", "全"}, *const nos[] = {"不要", "不吃", "不行", "不放", "别放", "不能有", "不能吃", "不能放", "不能要", "不可以有", "不想要", "不喜欢",
                                                                              "not allowed", "aren't allowed", "not included", "isn't included", "not available", "isn't available", "not offered", "not provided",
                                                                              "not supported", "isn't supported", "excluded"};
    static const char *const stops[] = {"的", "了", "，", "。", "？", "！", ",", ".", "?", "!", " "};
    at = glim_parse_spaces(p, at);
    for (size_t k = 0; k < GLIM_COUNT(also); k++)
        if (strncmp(p->s + at, also[k], 3) == 0) at += 3;
    if (strncmp(p->s + at, "is ", 3) == 0) at += 3;
    else if (strncmp(p->s + at, "are ", 4) == 0) at += 4;
    for (size_t k = 0; k < GLIM_COUNT(nos); k++) {
        if (strncmp(p->s + at, nos[k], strlen(nos[k])) != 0) continue;
        const size_t end = at + strlen(nos[k]);
        bool stop = end >= p->n;
        for (size_t j = 0; j < GLIM_COUNT(stops); j++) stop |= strncmp(p->s + end, stops[j], strlen(stops[j])) == 0;
        *to = end;
        if (stop) return true;
    }
    return false;
}

/* Is what stands at `at` denied? The words up to it are read then. */
bool glim_parse_read_no(glim_parse *p, size_t at) {
    size_t from;
    if (!glim_parse_denied(p, at, &from)) return false;
    if (p->n_denials < GLIM_PARSE_DENIALS) p->denial[p->n_denials].from = from, p->denial[p->n_denials++].to = at;
    return true;
}

bool glim_parse_read_no_behind(glim_parse *p, size_t at) {
    size_t to;
    if (!glim_parse_denied_behind(p, at, &to)) return false;
    if (p->n_denials < GLIM_PARSE_DENIALS) p->denial[p->n_denials].from = at, p->denial[p->n_denials++].to = to;
    return true;
}

/* "Not more than 3000", "不想超过3000元". "没有低于2000的吗" and "none under 2000?" ask whether there are any. */
bool glim_parse_read_no_of_bound(glim_parse *p, size_t at) {
    static const char *const exist[] = {"没", "无", "no ", "without", "nothing"};
    size_t from;
    if (!glim_parse_denied(p, at, &from)) return false;
    for (size_t k = 0; k < GLIM_COUNT(exist); k++)
        if (strncmp(p->s + from, exist[k], strlen(exist[k])) == 0 && (k || strstr(p->s, "吗"))) return false;
    return glim_parse_read_no(p, at);
}

/* Does a list of columns go on at item k, "without a bathtub or breakfast"? */
bool glim_parse_joined(const glim_parse *p, size_t k) {
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
bool glim_parse_unwanted(glim_parse *p, size_t k) {
    size_t first = k, last = k, next;
    while ((next = next_of_list(p, last)) > last) last = next;
    if (last + 1 < p->n_items && p->v[last + 1].kind == WORD && p->v[last + 1].word == GLIM_WORD_NOT_BEHIND) return true;
    if (p->l->col[p->v[k].col].concept != GLIM_CONCEPT_KIND && glim_parse_read_no_behind(p, p->v[last].to)) return true;
    for (size_t i = k; i-- > 0 && i + 3 >= first;)
        if (p->v[i].kind == VALUE && next_of_list(p, i) == first) first = i;
    size_t from; /* "没有手机壳吗" asks for some */
    const bool kind = p->l->col[p->v[k].col].concept == GLIM_CONCEPT_KIND;
    if (kind && strstr(p->s, "吗") && glim_parse_denied(p, p->v[first].from, &from) && strncmp(p->s + from, "没", 3) == 0) return false;
    return glim_parse_read_no(p, p->v[first].from);
}

/* Is a no said of words that are no item, "没有牛肉的菜"? What only says nothing between two items is none, and neither is a no that
 * a condition was read from. */
bool glim_parse_denies_words(const glim_parse *p) {
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
