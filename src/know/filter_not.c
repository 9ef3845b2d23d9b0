/* filter_not.c - what a question denies: "不包含花生", "without any nuts", "I don't want to pay more than 2000".
 *
 * Read backwards from a value, a column or a bound: over words that say nothing by themselves, up to a no. Any other word ends
 * the search, so "not only black" and "特别" deny nothing. "的" does too: "花生不要的热菜" says it of the peanuts. */
#include "base/alloc.h"
#include "know/filter_internal.h"

static const char *const small[] = {
    " ", "-", "在", "为", "有", "含", "包含", "含有", "包括", "带", "放", "加", "吃", "用", "支持", "具备", "提供", "配", "配有", "配备", "附", "附带", "允许", "要", "想", "爱", "喜欢", "能", "会", "可以", "任何", "价格", "是", "选", "买", "碰",
    "a", "an", "any", "anything", "the", "have", "has", "got", "contain", "contains", "containing", "contained", "include", "includes", "including", "want", "like",
    "with", "in", "of", "for", "use", "to", "be", "is", "are", "that", "dish", "dishes", "food", "one", "ones", "spend", "pay", "cost", "costs", "added", "buy", "eat", "afford",
    "support", "supports", "supporting", "offer", "offers", "offering", "provide", "provides", "feature", "features", "come", "comes", "allow", "allows", "accept", "accepts", "serve", "serves", "there",
    "from", "by", "made", "too", "very", "太", "很", "了", "得", "handle", "stand", "tolerate"};
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
