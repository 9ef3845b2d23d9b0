/* filter_items.c - a question to items: numbers, words, columns, values.
 *
 * The longest item wins where several begin at one place. Latin items stand between word boundaries, with a plural allowed. */
#include <stdio.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "know/filter_internal.h"
#include "know/terms.h"

size_t glim_parse_stands(const glim_parse *p, size_t i, const char *w) {
    size_t n = strlen(w);
    if (n == 0 || n > p->n - i || memcmp(p->s + i, w, n) != 0) return 0;
    bool latin = (unsigned char)w[0] < 0x80 && isalnum((unsigned char)w[0]);
    if (latin && i > 0 && glim_parse_alnum(p, i - 1)) return 0;
    if ((unsigned char)w[n - 1] < 0x80 && isalnum((unsigned char)w[n - 1]) && glim_parse_alnum(p, i + n)) {
        if (!isalpha((unsigned char)w[n - 1]) || n < 2) return 0;
        if (p->s[i + n] == 's' && !glim_parse_alnum(p, i + n + 1)) return n + 1; /* "TVs" */
        if (n > 2 && p->s[i + n] == 'e' && i + n + 1 < p->n && p->s[i + n + 1] == 's' && !glim_parse_alnum(p, i + n + 2)) return n + 2;
        return 0;
    }
    return n;
}

size_t glim_parse_word_at(const glim_parse *p, size_t at, const char *const *words, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (strncmp(p->s + at, words[i], strlen(words[i])) == 0) return strlen(words[i]);
    return 0;
}

/* The same for a value: "sofa", "brush" and "battery" of a list that says "Sofas", "Brushes" and "Batteries". */
static size_t stands_for_value(const glim_parse *p, size_t i, const char *w) {
    const size_t n = strlen(w), k = glim_parse_stands(p, i, w), fe = n < 4 ? 0 : w[n - 1] == 'f' ? 1 : w[n - 1] == 'e' && w[n - 2] == 'f' ? 2 : 0;
    if (!k && n > 3 && w[n - 1] == 'y' && !strchr("aeou", w[n - 2]) && i + n + 2 <= p->n && memcmp(p->s + i, w, n - 1) == 0 && strncmp(p->s + i + n - 1, "ies", 3) == 0 && !glim_parse_alnum(p, i + n + 2) && !(i > 0 && glim_parse_alnum(p, i - 1))) return n + 2; /* "batteries" */
    if (!k && fe && i + n - fe + 3 <= p->n && memcmp(p->s + i, w, n - fe) == 0 && strncmp(p->s + i + n - fe, "ves", 3) == 0 && !glim_parse_alnum(p, i + n - fe + 3) && !(i > 0 && glim_parse_alnum(p, i - 1))) return n - fe + 3; /* "shelves" */
    if (k || n < 4 || w[n - 1] != 's' || !isalpha((unsigned char)w[n - 2]) || strchr("su", w[n - 2]) || (i > 0 && glim_parse_alnum(p, i - 1))) return k;
    const bool ies = n > 5 && memcmp(w + n - 3, "ies", 3) == 0, es = n > 5 && w[n - 2] == 'e' && strchr("xhsz", w[n - 3]);
    const size_t cut[] = {n - 1, es ? n - 2 : 0, ies ? n - 3 : 0};
    for (size_t c = 0; c < 3; c++) {
        size_t m = cut[c];
        if (m == 0 || m > p->n - i || memcmp(p->s + i, w, m) != 0) continue;
        if (c == 2 && (i + m >= p->n || p->s[i + m++] != 'y')) continue;
        if (!glim_parse_alnum(p, i + m)) return m;
    }
    return 0;
}

/* ---- items ---- */

static size_t plain_len(const char *s, char *out, size_t cap) {
    glim_buf b = {0};
    glim_terms_plain(&b, s, strlen(s));
    const size_t n = b.len < cap ? b.len : 0;
    memcpy(out, glim_buf_cstr(&b), n);
    out[n] = 0;
    glim_buf_free(&b);
    return n;
}

/* How often the word was typed, whatever marks its letters had; *at: where it stands for the nth time. */
static size_t times_typed(const glim_parse *p, const char *word, size_t nth, const char **at) {
    size_t n = 0;
    for (const char *m = p->marked; *m; m++) {
        char plain[264];
        if (((unsigned char)*m & 0xc0) == 0x80 || (m > p->marked && ((unsigned char)m[-1] >= 0x80 || isalnum((unsigned char)m[-1])))) continue;
        const size_t len = strnlen(m, 2 * strlen(word) + 1);
        glim_buf begins = {0};
        glim_buf_append(&begins, m, glim_utf8_whole(m, len));
        const size_t k = plain_len(glim_buf_cstr(&begins), plain, sizeof plain);
        glim_buf_free(&begins);
        if (k < strlen(word) || memcmp(plain, word, strlen(word)) != 0) continue;
        if (n++ == nth) *at = m;
    }
    return n;
}

/* Was the value typed so at i, where its word stands without its marks? Where the question was respelt, anywhere in it. */
static bool typed_so(const glim_parse *p, size_t at, const glim_lib_value *v, const char *alias) {
    char *const *list = v->n_marked ? v->marked : v->alias;
    char plain[264];
    size_t n_before = 0, n_all = 0;
    for (size_t i = 0; i < p->n; i++) {
        const bool here = p->s[i] == alias[0] && (i == 0 || !glim_parse_alnum(p, i - 1)) && strncmp(p->s + i, alias, strlen(alias)) == 0;
        n_all += here, n_before += here && i < at;
    }
    const char *typed = NULL;
    const bool placed = times_typed(p, alias, n_before, &typed) == n_all && typed;
    for (size_t i = 0, n = v->n_marked ? v->n_marked : v->n_alias; i < n; i++) {
        if (v->n_marked ? plain_len(list[i], plain, sizeof plain) == 0 || strcmp(plain, alias) != 0 : strcmp(list[i], alias) != 0) continue;
        if (placed ? strncmp(typed, list[i], strlen(list[i])) == 0 : strstr(p->marked, list[i]) != NULL) return true;
    }
    return false;
}

/* "IT" and "US" are values, "it" and "us" are none: a value that is such a word counts where it was typed as the cells have it,
 * or behind the name of its column. */
static bool a_small_word(const glim_parse *p, size_t i, const glim_lib_col *col, const glim_lib_value *v, const char *alias) {
    static const char *const words[] = {"a", "i", "am", "no", "go", "it", "us", "in", "is", "or", "at", "to", "an", "as", "be", "by", "do", "he", "if", "me", "my", "of", "on", "so", "up", "we"};
    bool small = false;
    for (size_t k = 0; k < GLIM_COUNT(words); k++) small |= strcmp(alias, words[k]) == 0;
    const size_t n = strlen(v->text);
    for (size_t a = 0; small && a < col->n_alias; a++) { /* "grade a" */
        const size_t k = strlen(col->alias[a]);
        if (i > k && p->s[i - 1] == ' ' && memcmp(p->s + i - 1 - k, col->alias[a], k) == 0) return false;
    }
    for (const char *q = p->typed; small && (q = strstr(q, v->text)) != NULL; q++)
        if ((q == p->typed || !isalnum((unsigned char)q[-1])) && !isalnum((unsigned char)q[n])) return islower((unsigned char)v->text[0]) != 0;
    return small;
}

/* "Bar" means the value Bar, and Bär where there is no other: what is typed without its marks, or with others, counts where it can mean
 * one value only. */
static bool meant(const glim_parse *p, size_t i, const glim_lib_col *col, size_t v, const char *alias) {
    bool twin = false;
    for (size_t w = 0; w < col->n_value && !twin; w++) {
        if (w == v || (col->value[w].n_marked == 0 && col->value[v].n_marked == 0)) continue;
        for (size_t a = 0; a < col->value[w].n_alias && !twin; a++) twin = strcmp(col->value[w].alias[a], alias) == 0;
    }
    return !twin || typed_so(p, i, &col->value[v], alias);
}

static void offer(glim_item *best, glim_item it, size_t i, size_t n) {
    if (n == 0) return;
    it.from = i;
    it.to = i + n;
    if (n > best->to - best->from) *best = it;
}

static bool number_follows(const glim_parse *p, size_t i) {
    glim_item it;
    i = glim_parse_spaces(p, i);
    return i < p->n && glim_parse_number(p, i, &it);
}

/* Is the last item a value, with nothing but spaces behind it? "花生过敏", "peanut-free". */
static bool value_ends(const glim_parse *p, size_t i) {
    if (p->n_items == 0 || p->v[p->n_items - 1].kind != VALUE) return false;
    size_t at = glim_parse_spaces(p, p->v[p->n_items - 1].to);
    if (at == i) return true;
    uint32_t cp;
    for (int n = 0; at < i && n < 2; n++) { /* "蛋奶过敏", "花生类过敏": said of the value too */
        int k = glim_utf8_next(p->s + at, p->n - at, &cp);
        if (k <= 0 || !glim_term_is_cjk(cp)) return false;
        at += (size_t)k;
    }
    return at == i;
}

/* Does a product's name have the word behind the same word as the question: "Mist 3 Max 1024GB"? */
static bool of_a_name(const glim_parse *p, size_t i, size_t n) {
    char both[64];
    size_t from = i;
    bool digit = false;
    if (i < 2 || p->s[i - 1] != ' ' || !glim_parse_alnum(p, i - 2)) return false;
    for (from--; from > 0 && glim_parse_alnum(p, from - 1); from--) digit |= isdigit((unsigned char)p->s[from - 1]) != 0;
    if (n == 3 && strncmp(p->s + i, "max", 3) == 0 && (digit || strncmp(p->s + from, "pro ", 4) == 0)) return true; /* of a name that no row has */
    if (i + n - from >= sizeof both) return false;
    snprintf(both, sizeof both, "%.*s", (int)(i + n - from), p->s + from);
    for (size_t c = 0; c < p->l->n_col; c++)
        for (uint32_t r = 0; p->l->col[c].type == GLIM_LIB_NAME && r < p->l->n_rows; r++)
            if (strcasestr(glim_lib_cell(p->l, r, c), both)) return true;
    return false;
}

/* Where a kind begins inside [from, to) and ends behind it, or `to`: the charger of "无线充电器" is none of "无线充电". */
static size_t before_value(const glim_parse *p, size_t from, size_t to) {
    for (size_t i = from + 1; i < to; i++)
        for (size_t c = 0; (unsigned char)p->s[i] >= 0x80 && c < p->l->n_col; c++)
            for (size_t v = 0; p->l->col[c].concept == GLIM_CONCEPT_KIND && v < p->l->col[c].n_value; v++)
                for (size_t a = 0; a < p->l->col[c].value[v].n_alias; a++)
                    if (i + glim_parse_stands(p, i, p->l->col[c].value[v].alias[a]) > to) return i;
    return to;
}

/* Does a known word end at i, or begin there? */
static bool known_at(const glim_parse *p, size_t i, bool ends) {
#define AT(w) (*(w) && (ends ? strlen(w) <= i && memcmp(p->s + i - strlen(w), w, strlen(w)) == 0 : strncmp(p->s + i, w, strlen(w)) == 0))
    for (size_t w = 0; w < glim_n_words; w++)
        if (AT(glim_words[w].text)) return true;
    for (size_t c = 0; c < p->l->n_col; c++) {
        const glim_lib_col *col = &p->l->col[c];
        for (size_t a = 0; a < col->n_alias; a++)
            if (AT(col->alias[a])) return true;
        for (size_t v = 0; v < col->n_value; v++)
            for (size_t a = 0; a < col->value[v].n_alias; a++)
                if (AT(col->value[v].alias[a])) return true;
    }
#undef AT
    return false;
}

/* Is one Chinese character a word there, and no part of another one? "贵" is one in "很贵的" and none in "贵妃鸡", "昂贵". */
static bool on_its_own(const glim_parse *p, size_t i, size_t n) {
    uint32_t cp;
    const bool behind = glim_utf8_next(p->s + i + n, p->n - i - n, &cp) > 0 && glim_term_is_cjk(cp);
    static const char *const nos[] = {"不", "没", "别", "无"};
    bool no = false; /* "哪些菜没放花生" */
    for (size_t k = 0; k < GLIM_COUNT(nos); k++) no |= strncmp(p->s + i + n, nos[k], strlen(nos[k])) == 0;
    if (behind && !no && !known_at(p, i + n, false)) return false;
    const bool before = i >= 3 && glim_utf8_next(p->s + i - 3, 3, &cp) == 3 && glim_term_is_cjk(cp);
    return !before || known_at(p, i, true) || glim_parse_says_nothing(p, i);
}

/* What a value says no to, "辣" of "不辣", "view" of "no view", or NULL. */
static const char *stem_of(const char *alias) {
    static const char *const nos[] = {"不", "无", "没有", "not ", "no ", "non-", "without "};
    for (size_t k = 0; k < GLIM_COUNT(nos); k++)
        if (strncmp(alias, nos[k], strlen(nos[k])) == 0 && alias[strlen(nos[k])]) return alias + strlen(nos[k]);
    return NULL;
}

/* Says the Latin word before i nothing by itself? "Sea view" is not any view, and "least spicy" not spicy. */
static bool said_plainly(const glim_parse *p, size_t i) {
    size_t to = i, from;
    while (to > 0 && p->s[to - 1] == ' ') to--;
    for (from = to; from > 0 && glim_parse_alnum(p, from - 1);) from--;
    if (from == to || glim_parse_says_nothing(p, to)) return true;
    for (size_t w = 0; w < glim_n_words; w++) {
        const glim_word *g = &glim_words[w];
        const size_t n = strlen(g->text), k = to - from;
        if (g->kind == GLIM_WORD_MOST || g->kind == GLIM_WORD_LEAST || n < k || memcmp(g->text + n - k, p->s + from, k) != 0) continue;
        if (n == k || (g->text[n - k - 1] == ' ' && n <= to && memcmp(g->text, p->s + to - n, n) == 0)) return true; /* "a little spicy" */
    }
    return false;
}

/* "辣的菜" are those of which another value than "不辣" is written; "不要辣的" are the "不辣" ones. */
typedef struct stem {
    const char *text;
    int col;
    uint16_t value;
} stem;
enum { STEMS = 64 };

static size_t stems_of(const glim_lib *l, stem *out) {
    size_t n = 0;
    for (size_t c = 0; c < l->n_col; c++) {
        const glim_lib_col *col = &l->col[c];
        if (col->type != GLIM_LIB_ENUM || col->concept == GLIM_CONCEPT_KIND || col->concept == GLIM_CONCEPT_BRAND || col->concept == GLIM_CONCEPT_COLOUR) continue;
        for (size_t v = 0; v < col->n_value; v++)
            for (size_t a = 0; a < col->value[v].n_alias && n < STEMS; a++)
                if ((out[n].text = stem_of(col->value[v].alias[a])) != NULL) out[n].col = (int)c, out[n++].value = (uint16_t)v;
    }
    return n;
}

/* How long the stem is at i, or 0. */
static size_t stem_at(const glim_parse *p, const char *text, size_t i) {
    const size_t n = text[0] == p->s[i] ? glim_parse_stands(p, i, text) : 0;
    if (n == 0) return 0;
    if ((unsigned char)text[0] >= 0x80) return n > 3 || on_its_own(p, i, n) ? n : 0;
    return said_plainly(p, i) ? n : 0;
}

/* The length at i of `word` with the stem in it for %, "最%", "most %", or 0. */
static size_t about_stem(const glim_parse *p, size_t i, const char *how, const char *of) {
    char w[96];
    const char *at = strchr(how, '%');
    snprintf(w, sizeof w, "%.*s%s%s", (int)(at - how), how, of, at + 1);
    return glim_parse_stands(p, i, w);
}

/* "最辣", "spicier", of a column whose values are degrees of it. "比…辣" too: more of it than what is named. */
static void offer_degrees(const glim_parse *p, size_t i, glim_item *best) {
    static const char *const most[] = {"最%", "更%", "比较%", "most %", "more %"}, *const least[] = {"最不%", "更不%", "least %", "less %"};
    for (size_t c = 0; c < p->l->n_col; c++) {
        const glim_lib_col *col = &p->l->col[c];
        if (!col->degree || col->type == GLIM_LIB_HIDDEN) continue;
        for (int j = 0; j < 2; j++) {
            const char *of = j ? col->stem_en : col->stem;
            if (!of || strlen(of) > 40) continue;
            glim_item x = {.kind = WORD, .word = GLIM_WORD_MOST, .concept = -1, .col = (int)c};
            for (size_t k = 0; k < GLIM_COUNT(most); k++) offer(best, x, i, about_stem(p, i, most[k], of));
            if ((unsigned char)of[0] < 0x80) { /* "spicier", "sweetest" */
                char root[48];
                const size_t n = strlen(of);
                snprintf(root, sizeof root, "%.*s%s", (int)(n - (of[n - 1] == 'y')), of, of[n - 1] == 'y' ? "i" : "");
                offer(best, x, i, about_stem(p, i, "%er", root));
                offer(best, x, i, about_stem(p, i, "%est", root));
            } else {
                bool than = false;
                for (size_t k = 0; k < p->n_items; k++) than |= p->v[k].kind == WORD && p->v[k].word == GLIM_WORD_THAN && (unsigned char)p->s[p->v[k].from] >= 0x80;
                if (than) offer(best, x, i, glim_parse_stands(p, i, of));
            }
            x.word = GLIM_WORD_LEAST;
            for (size_t k = 0; k < GLIM_COUNT(least); k++) offer(best, x, i, about_stem(p, i, least[k], of));
        }
    }
}

static bool says(const glim_parse *p, const char *w, size_t to) {
    for (size_t i = 0; i < to; i++)
        if (glim_parse_stands(p, i, w)) return true;
    return false;
}

static bool ends_question(const glim_parse *p, size_t at) {
    while (at < p->n && strchr(" ?.!,", p->s[at])) at++;
    return at >= p->n || strncmp(p->s + at, "？", 3) == 0 || strncmp(p->s + at, "。", 3) == 0;
}

/* The length at i of a word for what can be done, or 0: "can it be frozen" asks for it, "was it frozen", "how long can I freeze it" and "what is there
 * to go with it" do not. */
static size_t deed_at(const glim_parse *p, const char *w, size_t i) {
    static const char *const other[] = {"what", "where", "when", "why", "who", "多久", "费", "多少", "怎么", "什么", "哪里", "几天"}, *const may[] = {"can", "could", "may", "cannot", "able", "possible"}, *const verbs[] = {"be ", "go ", "in ", "freeze", "machine wash", "recycle", "refill", "recharge", "fold", "stack"};
    size_t n = glim_parse_stands(p, i, w);
    if (n == 0 && strcmp(w, "take away") == 0 && (n = glim_parse_stands(p, i, "away")) > 0 && !(says(p, "take", i) && ends_question(p, i + n))) n = 0;
    if (n == 0 || (strcmp(w, "to go") == 0 && !ends_question(p, i + n))) return 0;
    for (size_t k = 0; k < GLIM_COUNT(other); k++)
        if ((unsigned char)other[k][0] >= 0x80 ? strstr(p->s, other[k]) != NULL : says(p, other[k], p->n)) return 0;
    for (size_t k = 0; k < p->n; k++)
        if (glim_parse_stands(p, k, "how") && !glim_parse_stands(p, k, "how many")) return 0;
    bool verb = false, can = false;
    for (size_t k = 0; k < GLIM_COUNT(verbs); k++) verb |= strcmp(w, verbs[k]) == 0 || (verbs[k][strlen(verbs[k]) - 1] == ' ' && strncmp(w, verbs[k], 3) == 0);
    for (size_t k = 0; k < GLIM_COUNT(may); k++) can |= says(p, may[k], i);
    return verb && !can ? 0 : n;
}

/* Is what a column says is so asked of as what can be done: "can it be frozen" of one called "Frozen", "能冷冻吗" of "是否冷冻"? */
static bool another_deed(const glim_parse *p, const glim_lib_col *col, const char *w, size_t i) {
    static const char *const states[] = {"frozen", "recycled", "refilled", "recharged", "folded", "stacked", "microwaved", "冷冻", "机洗", "回收", "折叠"}, *const can[] = {"能", "可", "可以"};
    bool state = false;
    for (size_t k = 0; k < GLIM_COUNT(states); k++) state |= strcmp(w, states[k]) == 0;
    if (col->type != GLIM_LIB_BOOL || !state) return false;
    if ((unsigned char)w[0] < 0x80) return i >= 3 && glim_parse_stands(p, i - 3, "be ") && !strstr(col->column, "be ") && (says(p, "can", i) || says(p, "could", i) || says(p, "cannot", i) || says(p, "may", i));
    if (strstr(col->zh, "可") || strstr(col->zh, "能") || strstr(col->zh, "适")) return false;
    for (size_t k = 0; k < GLIM_COUNT(can); k++)
        if (strlen(can[k]) <= i && memcmp(p->s + i - strlen(can[k]), can[k], strlen(can[k])) == 0) return true;
    return false;
}

/* Is "free" said of a price? Only where one is nothing; "sugar free" and "free delivery" are something else. */
static bool costs_nothing(const glim_parse *p, size_t i, size_t n) {
    static const char *const before[] = {"are", "is", "be", "for", "the", "any", "which", "what", "all", "it", "this", "that", "really", "completely", "totally", "of"}, *const behind[] = {"trial", "shipping", "delivery", "return", "gift", "parking", "wifi", "sample", "from", "配送", "送货", "试用", "退", "停车", "礼", "包装", "安装", "试"};
    const int price = glim_parse_column(p->l, GLIM_CONCEPT_PRICE);
    const size_t next = glim_parse_spaces(p, i + n);
    bool nothing = false, plain = true;
    for (uint32_t r = 0; price >= 0 && r < p->l->n_rows && !nothing; r++) nothing = p->l->col[price].number[r] == 0;
    for (size_t k = 0; nothing && k < GLIM_COUNT(behind); k++) plain &= strncmp(p->s + next, behind[k], strlen(behind[k])) != 0;
    if (!nothing || !plain || (unsigned char)p->s[i] >= 0x80) return nothing && plain;
    size_t to = i, from;
    while (to > 0 && p->s[to - 1] == ' ') to--;
    if (to == 0 || p->s[to - 1] == ',') return true;
    for (from = to; from > 0 && glim_parse_alnum(p, from - 1);) from--;
    for (size_t k = 0; k < GLIM_COUNT(before); k++)
        if (strlen(before[k]) == to - from && memcmp(before[k], p->s + from, to - from) == 0) return true;
    for (size_t k = 0; k < p->n_items; k++) /* "which courses are free", "courses free" */
        if (p->v[k].to == to && p->v[k].kind == WORD) return true;
    return false;
}

/* "防水" is a kind of goods and what a floor is: of both, the column of yes and no is meant where the question has another value of that kind, "防水的地板",
 * or asks whether, "这款防水吗". */
static void states_before_values(glim_parse *p) {
    const bool asks = strstr(p->s, "吗") || strstr(p->s, "是否") || strstr(p->s, "防不") || strncmp(p->s, "is ", 3) == 0 || strncmp(p->s, "are ", 4) == 0 || strncmp(p->s, "does ", 5) == 0;
    for (size_t k = 0; k < p->n_items; k++) {
        glim_item *it = &p->v[k];
        bool other = asks;
        if (it->kind != VALUE || it->stem) continue;
        for (size_t j = 0; j < p->n_items; j++) other |= j != k && p->v[j].kind == VALUE && p->v[j].col == it->col && p->v[j].value != it->value;
        for (size_t c = 0; other && c < p->l->n_col && it->kind == VALUE; c++)
            for (size_t a = 0; p->l->col[c].type == GLIM_LIB_BOOL && a < p->l->col[c].n_named; a++)
                if (strlen(p->l->col[c].alias[a]) == it->to - it->from && memcmp(p->l->col[c].alias[a], p->s + it->from, it->to - it->from) == 0) it->kind = COLUMN, it->col = (int)c, it->concept = -1;
    }
}

/* "Unlimited storage": of two columns that have the value, the one that is named beside it. */
static void values_of_their_columns(glim_parse *p) {
    for (size_t k = 0; k < p->n_items; k++) {
        glim_item *it = &p->v[k];
        for (size_t j = k > 0 ? k - 1 : k + 1; it->kind == VALUE && !it->stem && j <= k + 1 && j < p->n_items; j += 2) {
            glim_item *by = &p->v[j];
            if (by->kind != COLUMN || by->col == it->col || p->l->col[by->col].type != GLIM_LIB_ENUM) continue;
            if (j < k ? !glim_parse_bare_between(p, by->to, it->from) : !(by->from == it->to + 1 && p->s[it->to] == ' ')) continue;
            const glim_lib_col *col = &p->l->col[by->col];
            const char *text = p->l->col[it->col].value[it->value].text;
            for (size_t v = 0; v < col->n_value; v++)
                if (strcmp(col->value[v].text, text) == 0) {
                    it->col = by->col;
                    it->value = (uint16_t)v;
                    by->used = true;
                    break;
                }
        }
    }
}

/* "41寸" is a value where a list has it, and no figure; "41寸以上" is a bound. */
static bool figure_of_a_list(const glim_parse *p, const glim_item *best, size_t n) {
    static const char *const behind[] = {"以", "左", "上", "下", "多", "到", "至", "起", "内", "-", "~"}, *const before[] = {"于", "到", "过", "少", "多", "足", "满", "约", "高", "低", "比", "than", "least", "most", "over", "under", "above", "below", "about"};
    if (best->kind != NUMBER || best->col >= 0 || best->money || best->year || best->to == best->from || n != best->to - best->from) return false;
    for (size_t k = 0; k < GLIM_COUNT(behind); k++)
        if (strncmp(p->s + best->to, behind[k], strlen(behind[k])) == 0) return false;
    size_t at = best->from;
    while (at > 0 && p->s[at - 1] == ' ') at--;
    for (size_t k = 0; k < GLIM_COUNT(before); k++)
        if (at >= strlen(before[k]) && memcmp(p->s + at - strlen(before[k]), before[k], strlen(before[k])) == 0) return false;
    return true;
}

/* "When does it end", "that end in July" are the verb or the day; "high end pans", "end grain" are neither. */
static bool another_end(const glim_parse *p, const char *alias, size_t i) {
    static const char *const behind[] = {"in", "on", "before", "after", "by", "at", "until", "this", "next", "date", "dates", "earliest", "latest", "first", "last"}, *const times[] = {"when", "until when", "what day", "what date", "which day", "what time"}, *const before[] = {"high", "low", "top", "front", "rear", "back", "other", "dead", "the", "one", "each", "either"};
    if ((strcmp(alias, "end") != 0 && strcmp(alias, "ends") != 0) || strncmp(p->s + i, "end", 3) != 0 || glim_parse_alnum(p, i + 3)) return false;
    const size_t first = strncmp(p->s + strspn(p->s, " "), "the ", 4) == 0 ? strspn(p->s, " ") + 4 : strspn(p->s, " ");
    bool day_of = i == first; /* "end of the Knife course?", "when is the end of Knife" */
    for (size_t k = 0; k < GLIM_COUNT(times); k++) day_of |= says(p, times[k], i);
    static const char *const spans[] = {"day", "the day", "week", "the week", "the month", "the year", "term", "this", "next"};
    bool span = glim_parse_month(p, i + 7 < p->n ? i + 7 : p->n); /* "at the end of May" */
    for (size_t k = 0; k < GLIM_COUNT(spans); k++) span |= i + 7 < p->n && glim_parse_stands(p, i + 7, spans[k]);
    if (day_of && strncmp(p->s + i, "end of ", 7) == 0 && !span) return false;
    for (size_t k = 0; k < GLIM_COUNT(before); k++) {
        const size_t n = strlen(before[k]);
        if (i > n && memcmp(p->s + i - n - 1, before[k], n) == 0 && !isalnum((unsigned char)p->s[i - 1]) && (i == n + 1 || !glim_parse_alnum(p, i - n - 2))) return true;
    }
    for (size_t k = 0; k < GLIM_COUNT(times); k++)
        if (says(p, times[k], i)) return false;
    const size_t next = glim_parse_spaces(p, i + 3);
    for (size_t k = 0; k < GLIM_COUNT(behind); k++)
        if (glim_parse_stands(p, next, behind[k])) return false;
    return true;
}

/* "1.5" of a table whose columns are called 0.75, 1.5 and 3: the column, where no unit stands behind it, nothing is compared with it and it counts
 * nothing. "3 linen", "for 3 people", "at 4", "on 3 May" are no columns; "linen 3" at the end and "1.5 linen" are. */
static bool is_heading(const glim_parse *p, const glim_item *number, const char *alias) {
    static const char *const ends_zh[] = {"的", "多少", "什么价", "价", "怎么卖", "吗", "？", "。"};
    const glim_item *last = p->n_items ? &p->v[p->n_items - 1] : NULL;
    if (!isdigit((unsigned char)alias[0]) || number->kind != NUMBER || number->has_unit || number->money || number->to != number->from + strlen(alias)) return false;
    if (!glim_parse_stands(p, number->from, alias) || (last && last->kind == WORD && last->word < GLIM_WORD_TO && glim_parse_spaces(p, last->to) == number->from)) return false;
    const bool part = strchr(alias, '.') != NULL; /* no count of goods */
    const char *t = p->typed, *at = NULL; /* as typed: a row's name may be taken out of p->s */
    for (const char *q = t; (q = strstr(q, alias)) != NULL; q++) {
        if ((q > t && (isalnum((unsigned char)q[-1]) || strchr(".,-/", q[-1]))) || isalnum((unsigned char)q[strlen(alias)]) || (q[strlen(alias)] == '.' && isdigit((unsigned char)q[strlen(alias) + 1]))) continue;
        if (at) return false;
        at = q;
    }
    if (!at) return false;
    const char *to = at, *from, *next = at + strlen(alias), *end;
    while (to > t && to[-1] == ' ') to--;
    for (from = to; from > t && isalnum((unsigned char)from[-1]);) from--;
    next += strspn(next, " ");
    for (end = next; isalnum((unsigned char)*end);) end++;
    const size_t n = (size_t)(to - from);
#define BEFORE(w) (n == strlen(w) && strncasecmp(from, w, n) == 0)
    if (n == 0 && to > t && (unsigned char)to[-1] < 0x80) return false; /* "4-6", "2, 3" */
    bool named = n > 0 ? glim_parse_of_names(p, from, n) || BEFORE("in") || (part && (BEFORE("at") || BEFORE("size") || BEFORE("width"))) : last && last->kind == VALUE && last->to == number->from;
#undef BEFORE
    for (size_t c = 0; n == 0 && c < p->l->n_col && !named; c++)
        for (uint32_t r = 0; p->l->col[c].type == GLIM_LIB_NAME && r < p->l->n_rows && !named; r++) {
            const char *cell = glim_lib_cell(p->l, r, c);
            const size_t len = strlen(cell);
            named = len > 0 && len <= (size_t)(to - t) && memcmp(to - len, cell, len) == 0;
        }
    bool ends = next[strspn(next, " ?.!")] == 0;
    for (size_t k = 0; k < GLIM_COUNT(ends_zh); k++) ends |= strncmp(next, ends_zh[k], strlen(ends_zh[k])) == 0;
    const bool heading = (named && ends) || (part && end > next && glim_parse_of_names(p, next, (size_t)(end - next)));
    p->f->unread |= !heading; /* how many of what? */
    return heading;
}

void glim_parse_items(glim_parse *p) {
    stem stems[STEMS];
    const size_t n_stems = stems_of(p->l, stems);
    for (size_t i = 0; i < p->n && p->n_items < GLIM_PARSE_ITEMS;) {
        glim_item best = {.from = i, .to = i}, it;
        if (glim_parse_number(p, i, &it)) best = it;
        if (glim_parse_day(p, i, &it) && it.to > best.to) best = it;
        for (size_t c = 0; c < p->l->n_col; c++) {
            const glim_lib_col *col = &p->l->col[c];
            if (col->type == GLIM_LIB_HIDDEN) continue;
            for (size_t v = 0; v < col->n_value; v++)
                for (size_t a = 0; a < col->value[v].n_alias; a++)
                    if (col->value[v].alias[a][0] == p->s[i]) {
                        const size_t n = stands_for_value(p, i, col->value[v].alias[a]);
                        if (figure_of_a_list(p, &best, n)) best.to = best.from;
                        if (n > best.to - best.from && !a_small_word(p, i, col, &col->value[v], col->value[v].alias[a]) && meant(p, i, col, v, col->value[v].alias[a])) offer(&best, (glim_item){.kind = VALUE, .col = (int)c, .value = (uint16_t)v, .concept = -1}, i, n);
                    }
            for (size_t k = 0; k < n_stems; k++)
                if (stems[k].col == (int)c) offer(&best, (glim_item){.kind = VALUE, .col = (int)c, .value = stems[k].value, .concept = -1, .stem = true}, i, stem_at(p, stems[k].text, i));
            for (size_t a = col->n_named; a < col->n_alias; a++) offer(&best, (glim_item){.kind = COLUMN, .col = (int)c, .concept = -1}, i, deed_at(p, col->alias[a], i));
            for (size_t a = 0; a < col->n_named; a++)
                if (col->alias[a][0] == p->s[i] && another_end(p, col->alias[a], i)) continue;
                else if (col->alias[a][0] == p->s[i] && glim_parse_stands(p, i, col->alias[a]) && another_deed(p, col, col->alias[a], i)) p->f->unread = true;
                else if (col->alias[a][0] == p->s[i] && is_heading(p, &best, col->alias[a])) best = (glim_item){.from = i, .to = i + strlen(col->alias[a]), .kind = COLUMN, .col = (int)c, .concept = -1};
                else if (col->alias[a][0] == p->s[i]) offer(&best, (glim_item){.kind = COLUMN, .col = (int)c, .concept = -1}, i, col->type == GLIM_LIB_NUMBER || col->type == GLIM_LIB_DATE || col->type == GLIM_LIB_TEXT ? stands_for_value(p, i, col->alias[a]) : glim_parse_stands(p, i, col->alias[a]));
        }
        for (size_t k = 0; k < p->l->n_goods; k++)
            if (p->l->goods[k][0] == p->s[i]) offer(&best, (glim_item){.kind = WORD, .word = GLIM_WORD_GOODS, .concept = -1, .col = -1}, i, stands_for_value(p, i, p->l->goods[k]));
        for (size_t w = 0; w < glim_n_words; w++) {
            const glim_word *g = &glim_words[w];
            if (g->text[0] != p->s[i]) continue;
            size_t n = glim_parse_stands(p, i, g->text);
            if (n == 0 || (n == 3 && (g->kind == GLIM_WORD_MOST || g->kind == GLIM_WORD_LEAST || g->concept == GLIM_WORD_ALONE) && !on_its_own(p, i, n))) continue;
            if (g->kind == GLIM_WORD_FREE && !costs_nothing(p, i, n)) continue;
            bool bound = g->kind <= GLIM_WORD_GT_BEFORE;
            if (bound && !number_follows(p, i + n)) continue; /* "over", "under" without a number say nothing of one */
            if (bound && of_a_name(p, i, n)) continue;
            if (g->kind == GLIM_WORD_NOT_BEHIND && !value_ends(p, i)) continue;
            glim_item x = {.kind = WORD, .word = g->kind, .concept = g->concept, .col = -1};
            const bool stock = (g->kind == GLIM_WORD_IN_STOCK || g->kind == GLIM_WORD_NO_STOCK) && best.kind == COLUMN && p->l->col[best.col].type == GLIM_LIB_STOCK;
            if ((bound || stock || g->kind == GLIM_WORD_NOT_BEHIND) && n == best.to - best.from && best.kind == COLUMN) best.to = best.from; /* "预算2000": the bound */
            if (g->kind == GLIM_WORD_FREE && n == best.to - best.from) best.to = best.from; /* what is called free costs nothing too */
            offer(&best, x, i, n);
        }
        glim_item more = {.from = i, .to = i};
        offer_degrees(p, i, &more);
        if (more.to > i && more.to >= best.to) best = more;
        if (best.kind == COLUMN && best.to > best.from) best.to = before_value(p, i, best.to);
        if (best.to > best.from) {
            p->v[p->n_items++] = best;
            i = best.to;
            continue;
        }
        if (glim_parse_alnum(p, i)) { /* the whole word, so that no item begins inside it */
            while (glim_parse_alnum(p, i)) i++;
            continue;
        }
        uint32_t cp;
        int k = glim_utf8_next(p->s + i, p->n - i, &cp);
        i += k > 0 ? (size_t)k : 1;
    }
    states_before_values(p);
    values_of_their_columns(p);
}
