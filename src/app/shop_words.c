/* shop_words.c - words that say something in the question of any shop, and texts tidied up. */
#include <string.h>

#include "app/shop_internal.h"
#include "base/utf8.h"

bool glim_shop_chinese(const char *p, size_t n) {
    uint32_t cp;
    for (size_t i = 0; i < n;) {
        int k = glim_utf8_next(p + i, n - i, &cp);
        if (k > 0 && glim_term_is_cjk(cp)) return true;
        i += k > 0 ? (size_t)k : 1;
    }
    return false;
}

bool glim_shop_blank(const char *p) {
    for (; *p; p++)
        if ((unsigned char)*p >= 0x80 ? (strncmp(p, "，", 3) != 0 && strncmp(p, "。", 3) != 0 && strncmp(p, "？", 3) != 0 && strncmp(p, "、", 3) != 0) : (*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9'))
            return false;
        else if ((unsigned char)*p >= 0x80) p += 2;
    return true;
}

/* A text tidied up for people: single spaces, none at the ends. */
void glim_shop_tidy(glim_buf *b) {
    size_t to = 0;
    for (size_t i = 0; i < b->len; i++) {
        char c = b->s[i];
        if (strchr("?!,.;:\"()", c) && c) c = ' ';
        if (c == ' ' && (to == 0 || b->s[to - 1] == ' ')) continue;
        b->s[to++] = c;
    }
    while (to && b->s[to - 1] == ' ') to--;
    b->len = to;
    if (b->s) b->s[to] = 0;
}

/* One word or phrase, tidied of what the filter left around it. */
void glim_shop_trim(glim_buf *b) {
    static const char *const ends[] = {"的", "了", "，", "。", "？", "！", "吗", "呢"};
    glim_shop_tidy(b);
    for (bool cut = true; cut;) {
        cut = false;
        for (size_t i = 0; i < GLIM_COUNT(ends); i++)
            if (b->len >= 3 && memcmp(b->s + b->len - 3, ends[i], 3) == 0) b->len -= 3, cut = true;
    }
    if (b->s) b->s[b->len] = 0;
}

bool glim_shop_any_of(const char *text, const char *const *list, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const size_t k = strlen(list[i]);
        for (const char *p = text; (p = strstr(p, list[i])) != NULL; p++)
            if ((unsigned char)*p >= 0x80 || ((p == text || !((p[-1] >= 'a' && p[-1] <= 'z') || p[-1] == '-')) && !(p[k] >= 'a' && p[k] <= 'z'))) return true;
    }
    return false;
}

/* What the law of a faith or a diet calls for: a list of what fits the rest would be taken for it. */
bool glim_shop_of_a_law(const char *text) {
    static const char *const words[] = {"清真", "洁食", "纯素", "全素", "haram", "halal", "kosher", "vegan"};
    return glim_shop_any_of(text, words, GLIM_COUNT(words));
}

/* Words that are said of goods in any business, so that a question with one is not out of scope. */
bool glim_shop_of_goods(const char *text) {
    static const char *const words[] = {"有机", "无糖", "低糖", "低脂", "转基因", "新鲜", "现做", "现杀", "进口", "国产", "正品", "原装", "二手", "翻新", "保质期", "生产日期", "组合优惠", "打包", "外带", "自取", "带走",
                                        "organic", "sugar free", "sugar-free", "fresh", "genuine", "authentic", "refurbished", "second hand", "imported", "homemade", "gmo", "expiry", "takeaway", "take away", "take out", "to go"};
    return glim_shop_of_a_law(text) || glim_shop_any_of(text, words, GLIM_COUNT(words));
}

/* "有儿童餐吗": short, and about what there is. */
bool glim_shop_asks_for_some(const char *text) {
    const size_t n = strlen(text);
    const char *ma = strstr(text, "吗");
    return n <= 36 && ma && (strncmp(text, "有", 3) == 0 || strstr(text, "里有") || strncmp(ma - (ma - text >= 3 ? 3 : 0), "有", 3) == 0);
}

bool glim_shop_asks_time(const char *text) {
    static const char *const words[] = {"几点", "什么时候", "什么时间", "时间", "何时", "what time", "when is", "when are", "when does", "when do", "when can", "hours", "until when", "times", "time"};
    return glim_shop_any_of(text, words, GLIM_COUNT(words));
}

bool glim_shop_free_of_charge(const glim_buf *rest) {
    static const char *const words[] = {"免费", "收费", "要钱", "花钱", "free", "free of charge", "charged", "extra"};
    glim_buf b = {0};
    glim_buf_append(&b, glim_buf_cstr(rest), rest->len);
    glim_shop_tidy(&b);
    bool so = false;
    for (size_t i = 0; i < GLIM_COUNT(words); i++) so |= strcmp(glim_buf_cstr(&b), words[i]) == 0;
    glim_buf_free(&b);
    return so;
}
