/* filter_order.c - orders: "the cheapest", "更轻的", "大内存", "太贵了", and whether one is set against another by it. */
#include <stdio.h>

#include "know/filter_internal.h"

/* Is a product set against this one? "A和B比哪个轻" sets two against each other, and "比萨" is eaten. */
bool glim_parse_is_than(const glim_parse *p, const glim_item *it) {
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
                 {"|thickest|thicker|thinnest|最粗|最细|", {GLIM_CONCEPT_DIAMETER, GLIM_CONCEPT_THICKNESS, -1, -1}},
                 {"|最厚|最薄|更厚|更薄|", {GLIM_CONCEPT_THICKNESS, -1, -1, -1}},
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

void glim_parse_order(glim_parse *p, glim_item *it) {
    glim_filter *f = p->f;
    f->more |= it->from >= 3 && memcmp(p->s + it->from - 3, "有", 3) == 0; /* "有便宜的吗" */
    if (f->sort >= 0) { /* "太贵了，有便宜点的吗" says one thing twice */
        it->used = it->concept >= 0 && f->sort == glim_parse_column(p->l, it->concept) && f->most == (it->word == GLIM_WORD_MOST);
        if (it->used || !f->top || !superlative(p, it) || f->sort2 >= 0) return;
    }
    int col = it->col >= 0 ? it->col : it->concept >= 0 ? glim_parse_column(p->l, it->concept) : glim_parse_take(glim_parse_named_column(p, it->from, it->to, true));
    if (col < 0) col = by_word(p, it);
    if (col < 0) return;
    if (f->sort >= 0) { /* "the cheapest and the most expensive", "the cheapest and the lightest" */
        f->sort2 = col;
        f->most2 = it->word == GLIM_WORD_MOST;
        it->used = true;
        return;
    }
    f->sort = col;
    f->top = superlative(p, it);
    f->more |= comparative(p, it);
    f->most = it->word == GLIM_WORD_MOST;
    if (glim_parse_read_no_of_bound(p, it->from)) f->most ^= !too_much(p, it); /* "not cheap", "不便宜": from the other end; "没有更便宜的吗" asks */
    it->used = true;
}

/* "低热量的菜", "大内存手机", "low calorie": an order said before its column. */
bool glim_parse_ordered(glim_parse *p, size_t k) {
    static const struct {
        const char *text;
        bool most;
    } words[] = {{"低", false}, {"小", false}, {"少", false}, {"轻", false}, {"高", true}, {"大", true}, {"多", true}, {"长", true}, {"low ", false}, {"high ", true}, {"large ", true}, {"big ", true}, {"long ", true}};
    glim_item *it = &p->v[k];
    if (p->f->sort >= 0 || !glim_parse_numeric(p, it->col) || p->l->col[it->col].type == GLIM_LIB_STOCK) return false;
    for (size_t w = 0; w < GLIM_COUNT(words); w++) {
        const size_t n = strlen(words[w].text);
        if (n > it->from || memcmp(p->s + it->from - n, words[w].text, n) != 0 || ((unsigned char)words[w].text[0] < 0x80 && it->from > n && glim_parse_alnum(p, it->from - n - 1))) continue;
        if (k > 0 && p->v[k - 1].to > it->from - n) return false; /* of another item */
        if (it->from >= n + 3 && memcmp(p->s + it->from - n - 3, "最", 3) == 0) return false;
        p->f->sort = it->col;
        p->f->most = words[w].most;
        glim_parse_cover(p, k, it->from - n, it->to);
        return true;
    }
    return false;
}
