/* shop_sum.c - "what do three L9 and two L9 Pro cost?": each price, so many times, and the sum.
 *
 * A product's number stands right before its name ("三台L9", "two L9") or right behind it ("米饭两碗", "L9 x2"); nights are counted
 * where prices are said of a night. A part of the order that no row is known for is said, and then there is no sum of all. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "app/shop_internal.h"
#include "base/alloc.h"
#include "know/units.h"

static const double MOST = 1e8; /* a price: times 9,999 of it, 9,999 nights, a hundred and PICKS, it is below 2^63 */
enum { PICKS = GLIM_SHOP_ROWS + 1 }; /* one more than can be cited: a list that fills them all is not summed */

typedef struct pick {
    size_t from, to; /* where its name stands */
    uint32_t row;
    long n;
    bool measured; /* so many of what the price is for */
} pick;

enum { MEASURE = 2 }; /* the byte that stands for "kg" where prices are for a kg */

static bool plain(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

static const struct {
    const char *text;
    long v;
} words[] = {{"一", 1}, {"二", 2}, {"两", 2}, {"三", 3}, {"四", 4}, {"五", 5}, {"六", 6}, {"七", 7}, {"八", 8}, {"九", 9}, {"十", 10}, {"俩", 2},
             {"one", 1}, {"two", 2}, {"three", 3}, {"four", 4}, {"five", 5}, {"six", 6}, {"seven", 7}, {"eight", 8}, {"nine", 9}, {"ten", 10}, {"a dozen", 12}, {"a couple of", 2}};

/* The number that begins at p: its length, or 0. */
static size_t number_at(const char *text, const char *p, long *v) {
    if (*p >= '0' && *p <= '9') {
        if (p > text && (plain(p[-1]) || strchr(".,-$", p[-1]) || ((p - text) >= 3 && (strncmp(p - 3, "第", 3) == 0 || strncmp(p - 3, "￥", 3) == 0)))) return 0;
        char *end;
        *v = strtol(p, &end, 10);
        return *v > 0 && *v < 10000 && *end != '.' && *end != ',' && end - p <= 4 ? (size_t)(end - p) : 0;
    }
    for (size_t i = 0; i < GLIM_COUNT(words); i++) {
        const size_t n = strlen(words[i].text);
        if (strncmp(p, words[i].text, n) != 0) continue;
        if ((unsigned char)*p < 0x80) {
            if ((p > text && plain(p[-1])) || plain(p[n])) continue;
            *v = words[i].v;
            return n;
        }
        if (p - text >= 3 && (strncmp(p - 3, "第", 3) == 0 || strncmp(p - 3, "几", 3) == 0)) return 0;
        *v = words[i].v;
        for (size_t k = 0; k < 10; k++) /* "十二", "二十", "二十五" */
            if (words[i].v < 10 ? strncmp(p + n, "十", 3) == 0 : strncmp(p + n, words[k].text, 3) == 0 && words[k].v < 10) {
                size_t m = n + 3;
                *v = words[i].v < 10 ? words[i].v * 10 : 10 + words[k].v;
                for (size_t j = 0; words[i].v < 10 && j < 10; j++)
                    if (words[j].v < 10 && strncmp(p + m, words[j].text, 3) == 0) return *v += words[j].v, m + 3;
                return m;
            }
        return n;
    }
    return 0;
}

static size_t spaces(const char *p) { return strspn(p, " "); }

/* What counts goods, "台", "份", "x", "pieces of", "的": its length behind a number, or 0. */
static size_t counted(const char *p) {
    static const char *const more[] = {"袋", "卷", "片", "粒", "颗", "册", "packs of", "packs", "pack of", "boxes of", "box of", "bags of", "bag of", "tins of", "sets of", "pairs of", "rolls of", "只", "支", "张", "条", "块", "包", "罐", "桶", "壶", "壺", "斤", "根", "副", "把", "客", "x ", "×", "*", "pieces of", "units of", "bowls of", "bowl of", "cups of", "cup of", "glasses of", "glass of", "bottles of",
                                       "bottle of", "plates of", "plate of", "of these", "of those", "of them", "times", "pcs", "pieces", "units", "portions", "rooms"};
    if (*p == MEASURE) return 1;
    size_t n = glim_piece_word(p, strlen(p));
    for (size_t i = 0; i < GLIM_COUNT(more); i++)
        if (strlen(more[i]) > n && strncmp(p, more[i], strlen(more[i])) == 0) n = strlen(more[i]);
    return n;
}

/* The number that ends right before `at`, with what counts between, or 0. *from: where it begins; *measured: what counts is the measure. */
static long number_before(const char *text, size_t at, size_t *from, bool *measured) {
    for (size_t i = at; i-- > 0 && at - i < 40;) {
        long v;
        const size_t n = number_at(text, text + i, &v);
        if (n == 0) continue;
        size_t p = i + n;
        p += spaces(text + p);
        *measured = text[p] == MEASURE;
        p += counted(text + p);
        p += spaces(text + p);
        if (strncmp(text + p, "的", 3) == 0) p += 3;
        if (strncmp(text + p, "the ", 4) == 0) p += 4;
        if (p + spaces(text + p) < at) return 0;
        while (i >= 3 && number_at(text, text + i - 3, &v) > n) i -= 3; /* the whole of "二十五" */
        number_at(text, text + i, &v);
        *from = i;
        return v;
    }
    return 0;
}

/* The same right behind: "米饭两碗", "l9 x2", "l9 * 2". A bare figure may be another model's. */
static long number_behind(const char *text, size_t at, size_t *to, bool *measured) {
    size_t p = at + spaces(text + at);
    bool sign = false;
    static const char *const signs[] = {"x", "×", "*", "要", "来", "各"};
    for (size_t i = 0; i < GLIM_COUNT(signs) && !sign; i++)
        if (strncmp(text + p, signs[i], strlen(signs[i])) == 0) sign = true, p += strlen(signs[i]), p += spaces(text + p);
    long v;
    const size_t n = sign && text[p] >= '0' && text[p] <= '9' ? (size_t)strspn(text + p, "0123456789") : number_at(text, text + p, &v);
    if (n == 0 || n > 4) return 0;
    if (sign && text[p] >= '0' && text[p] <= '9') v = strtol(text + p, NULL, 10);
    p += n;
    p += spaces(text + p);
    const size_t c = counted(text + p);
    if (!sign && c == 0) return 0;
    *measured = text[p] == MEASURE;
    *to = p + c;
    return v;
}

/* "三晚", "3 nights": how many, blanked; 1 where none are said. */
static long nights(const glim_lib_col *price, char *text) {
    bool by_night = false;
    for (size_t a = 0; a < price->n_alias; a++) by_night |= strstr(price->alias[a], "晚") || strstr(price->alias[a], "night");
    for (size_t i = 0; by_night && text[i]; i++) {
        long v;
        const size_t n = number_at(text, text + i, &v), at = i + n + spaces(text + i + n);
        static const char *const units[] = {"个晚上", "晚", "夜", "天", "nights", "night"};
        for (size_t u = 0; n && u < GLIM_COUNT(units); u++)
            if (strncmp(text + at, units[u], strlen(units[u])) == 0) {
                memset(text + i, ' ', at + strlen(units[u]) - i);
                return v;
            }
        if (n) i += n - 1;
    }
    return 1;
}

/* per: with what the price is for. */
static void money(glim_buf *out, const glim_lib_col *c, long long cents, bool zh, bool per) {
    char figure[40];
    snprintf(figure, sizeof figure, cents % 100 ? "%lld.%02lld" : "%lld", cents / 100, cents % 100);
    glim_lib_figure(out, c, figure, zh, per);
}

/* What a price is for. */
typedef enum per_kind {
    PER_PIECE,
    PER_MEASURE, /* a kg: each part of an order has to say how many */
    PER_NO_SUM,  /* a week, 100 g, another unit than is asked for: nobody sums that */
} per_kind;

static bool of_time(const char *of) { return strcmp(of, "day") == 0 || strcmp(of, "month") == 0 || strcmp(of, "minute") == 0; }

/* Of a price of each kg, "2 kg of" counts, and MEASURE is written for the kg: three apples are no three kg. */
static per_kind by_measure(const glim_lib_col *price, char *text) {
    const char *zh = price->unit_zh ? strchr(price->unit_zh, '/') : NULL, *en = price->unit_en ? strchr(price->unit_en, '/') : NULL;
    if ((zh && (isdigit((unsigned char)zh[1]) || strcmp(zh + 1, "吨") == 0)) || (en && isdigit((unsigned char)en[1]))) return PER_NO_SUM; /* "100 g" */
    bool nights_of = false;
    for (size_t a = 0; a < price->n_alias; a++) nights_of |= strstr(price->alias[a], "晚") || strstr(price->alias[a], "night");
    int per = zh ? glim_measure_of(zh + 1) : -1;
    if (per < 0 && en) per = glim_measure_of(en + 1);
    const bool by_time = per >= 0 && of_time(glim_measures[per].of);
    if (per < 0 && !nights_of) return PER_PIECE;
    if (by_time && !nights_of) return PER_NO_SUM;
    per_kind kind = nights_of ? PER_PIECE : PER_NO_SUM;
    for (size_t i = 0; text[i]; i++) {
        long v;
        const size_t n = number_at(text, text + i, &v), digits = strspn(text + i, "0123456789."), figure = n ? n : digits, at = i + figure + spaces(text + i + figure);
        if (figure && nights_of && (strncmp(text + at, "晚", 3) == 0 || strncmp(text + at, "night", 5) == 0)) return PER_NO_SUM; /* two rooms, each for its own nights */
        for (size_t k = 0; figure && k < glim_n_measures; k++) {
            const glim_measure *m = &glim_measures[k];
            size_t len = strlen(m->text);
            if (m->column_only || (nights_of ? !of_time(m->of) : strcmp(m->of, glim_measures[per].of) != 0) || strncmp(text + at, m->text, len) != 0) continue;
            if ((unsigned char)m->text[0] < 0x80 && plain(text[at + len])) continue;
            if (nights_of || !n) return PER_NO_SUM; /* "2 weeks" of nights, "1.5 kg" */
            if (m->v != glim_measures[per].v) continue; /* "500 g" of a price per kg; "rope 8 mm" is a name */
            if (strncmp(text + at + len, " of ", 4) == 0) len += 3;
            memset(text + at, ' ', len);
            text[at] = MEASURE;
            kind = PER_MEASURE;
            break;
        }
        if (figure) i += figure - 1;
    }
    return kind;
}

/* Is one of the parts that no row is known for "g brie", of another unit, and no unknown product? */
static bool measured_goods(const char *unknown) {
    for (const char *p = unknown; *p; p += strcspn(p, ","), p += strspn(p, ", ")) {
        if (*p == MEASURE) return true;
        for (size_t k = 0; k < glim_n_measures; k++) {
            const size_t len = strlen(glim_measures[k].text);
            if (strncmp(p, glim_measures[k].text, len) == 0 && ((unsigned char)*p >= 0x80 || !plain(p[len]))) return true;
        }
    }
    return false;
}

/* A number of something that no name stands for whole: "three rice" may be the row that is named best. *n: so many bytes of the text
 * from `at` speak of it. */
static glim_status named_loosely(glim_shop *s, const char *text, size_t at, size_t *n, uint32_t *row, bool *found, glim_err *err) {
    static const char *const ends[] = {"和", "、", "，", "。", "？", "加", "跟", "及", "还有", "一共", "总共", "多少", "共", " and ", " plus ", ",", "?", ".", "&", "+", "  "};
    glim_named named[8];
    size_t n_named = 0;
    *n = strlen(text + at);
    *found = false;
    for (size_t i = 0; i < GLIM_COUNT(ends); i++) {
        const char *p = strstr(text + at, ends[i]);
        if (p && (size_t)(p - text - at) < *n) *n = (size_t)(p - text - at);
    }
    glim_buf spelt = {0};
    glim_status rc = glim_find_respell(s->find, &spelt, text + at, *n, err);
    if (rc == GLIM_OK && spelt.len) rc = glim_find_named(s->find, spelt.s, spelt.len, named, 8, &n_named, err);
    if (rc == GLIM_OK && n_named == 1 && named[0].text > 0.95f) *row = named[0].row, *found = true;
    glim_buf_free(&spelt);
    return rc;
}

static int by_place(const void *a, const void *b) {
    const pick *x = a, *y = b;
    return (x->from > y->from) - (x->from < y->from);
}

static glim_status read_order(glim_shop *s, char *text, uint32_t view, pick *picks, size_t *n_picks, bool *many, glim_buf *unknown, glim_err *err) {
    glim_status rc = GLIM_OK;
    glim_buf left = {0};
    glim_buf_puts(&left, text);
    while (rc == GLIM_OK && *n_picks < PICKS) { /* names, which are blanked */
        glim_named named[8];
        size_t n = 0;
        rc = glim_find_exact(s->find, &left, named, 8, &n, err);
        if (rc != GLIM_OK || n == 0) break;
        if (n > 1) { /* two products of one name: which one? */
            *n_picks = 0;
            glim_buf_free(&left);
            return rc;
        }
        size_t from = 0, to;
        while (text[from] == left.s[from]) from++;
        to = from;
        while (text[to] && (text[to] != left.s[to] || text[to] == ' ')) to++;
        while (to > from && text[to - 1] == ' ') to--;
        memset(text + from, '\1', to - from); /* taken */
        memset(left.s + from, ' ', to - from);
        for (size_t i = from; i < to; i++) left.s[i] = '\1';
        picks[(*n_picks)++] = (pick){.from = from, .to = to, .row = named[0].row, .n = 0};
    }
    qsort(picks, *n_picks, sizeof *picks, by_place);
    bool own[PICKS] = {0}; /* a number of its own */
    for (size_t i = 0; i < *n_picks; i++) {
        size_t from = 0, to = 0;
        bool measured = false;
        picks[i].n = number_before(text, picks[i].from, &from, &measured);
        if (picks[i].n) memset(text + from, ' ', picks[i].from - from);
        else picks[i].n = number_behind(text, picks[i].to, &to, &measured);
        picks[i].measured = picks[i].n && measured;
        bool each = false; /* "A和B各两份", "two each of" */
        for (size_t c = picks[i].to; picks[i].n && c < to && !each; c++) each = strncmp(text + c, "各", 3) == 0;
        if (picks[i].n && to > picks[i].to) memset(text + picks[i].to, ' ', to - picks[i].to);
        for (size_t k = 0; each && k < i; k++)
            if (!own[k]) picks[k].n = picks[i].n, picks[k].measured = picks[i].measured;
        own[i] = picks[i].n != 0;
        *many |= picks[i].n > 1;
        if (picks[i].n == 0) picks[i].n = 1;
    }
    for (size_t i = 0; rc == GLIM_OK && text[i] && *n_picks < PICKS; i++) { /* numbers of something else */
        long v;
        size_t n = number_at(text, text + i, &v), at, len;
        const bool article = n == 0 && text[i] == 'a' && (text[i + 1] == ' ' || (text[i + 1] == 'n' && text[i + 2] == ' ')) && (i == 0 || text[i - 1] == ' '); /* "and a spirit level" */
        if (article) n = text[i + 1] == 'n' ? 2 : 1, v = 1;
        if (n == 0) continue;
        at = i + n + spaces(text + i + n);
        const size_t c = counted(text + at);
        const bool measured = text[at] == MEASURE;
        at += c;
        at += spaces(text + at);
        bool found = false;
        uint32_t row = view;
        rc = named_loosely(s, text, at, &len, &row, &found, err);
        if (rc != GLIM_OK) break;
        if (!found && c && view != UINT32_MAX && *n_picks == 0) found = true, row = view; /* "这款买三台多少钱" */
        if (found) {
            picks[(*n_picks)++] = (pick){.from = i, .to = at + len, .row = row, .n = v, .measured = measured};
            *many |= v > 1;
            i = at + len - 1;
        } else if (!article && (c || *n_picks)) {
            glim_buf_printf(unknown, "%s%.*s", unknown->len ? ", " : "", (int)len, text + at);
            i = at - 1;
        } else {
            i += n - 1;
        }
    }
    qsort(picks, *n_picks, sizeof *picks, by_place);
    glim_buf_free(&left);
    if (*n_picks == PICKS) *n_picks = 0; /* there may be more: a sum of some is none */
    return rc;
}

/* A night's price is a room's, of which some are left; a breakfast has none. */
static bool let(const glim_lib *l, uint32_t row) {
    for (size_t c = 0; c < l->n_col; c++)
        if (l->col[c].type == GLIM_LIB_STOCK) return *glim_lib_cell(l, row, c) != 0;
    return true;
}

glim_status glim_shop_sum(glim_shop *s, const char *folded, uint32_t view, glim_shop_answer *a, bool *done, glim_err *err) {
    static const char *const totals[] = {"一共", "总共", "总价", "合计", "加起来", "in total", "total", "altogether", "in all", "together"};
    const glim_lib_col *price = NULL;
    glim_filter *f = &s->filter;
    pick picks[PICKS];
    size_t n = 0;
    bool many = false, asked = glim_shop_any_of(folded, totals, GLIM_COUNT(totals));
    *done = false;
    for (size_t c = 0; c < s->lib->n_col && !price; c++)
        if (s->lib->col[c].type == GLIM_LIB_PRICE) price = &s->lib->col[c];
    for (size_t i = 0; i < f->n_ask; i++)
        if (s->lib->col[f->ask[i]].type == GLIM_LIB_PRICE) price = &s->lib->col[f->ask[i]], asked = true; /* of several the one that is meant */
    if (!price || !asked || f->sort >= 0 || f->mean) return GLIM_OK;
    for (size_t i = 0; i < f->n_cond; i++) /* "which three phones cost under 3000" */
        if (s->lib->col[f->cond[i].col].number && f->cond[i].op >= GLIM_COND_LT && f->cond[i].op <= GLIM_COND_GE) return GLIM_OK;
    char *text = glim_xstrdup(folded);
    glim_buf unknown = {0};
    const long n_nights = nights(price, text);
    const per_kind per = by_measure(price, text);
    if (per == PER_NO_SUM) {
        free(text);
        return GLIM_OK;
    }
    glim_status rc = read_order(s, text, f->self ? view : UINT32_MAX, picks, &n, &many, &unknown, err);
    bool known = n > 0 && (many || n_nights > 1 || (n > 1 && glim_shop_any_of(folded, totals, GLIM_COUNT(totals))));
    for (size_t i = 0; i < n; i++) known &= fabs(price->number[picks[i].row]) < MOST && glim_lib_exact(s->lib, picks[i].row, (size_t)(price - s->lib->col)); /* not NaN, and no sum overflows */
    for (size_t i = 0; i < n; i++) known &= per != PER_MEASURE || picks[i].measured;
    known &= per != PER_MEASURE || !measured_goods(glim_buf_cstr(&unknown));
    if (rc == GLIM_OK && known) {
        long long all = 0;
        const bool zh = a->zh;
        for (size_t i = 0; i < n; i++) {
            const long n_for = let(s->lib, picks[i].row) ? n_nights : 1;
            const long long one = llround(price->number[picks[i].row] * 100), sum = one * picks[i].n * n_for;
            all += sum;
            glim_buf_printf(&a->text, zh ? "%s%s：" : "%s%s: ", i ? (zh ? "；" : "; ") : "", glim_lib_row_name(s->lib, picks[i].row, zh));
            money(&a->text, price, one, zh, true);
            if (picks[i].n > 1 || n_for > 1) {
                if (picks[i].n > 1) glim_buf_printf(&a->text, " × %ld", picks[i].n);
                if (n_for > 1) glim_buf_printf(&a->text, zh ? " × %ld晚" : " × %ld nights", n_for);
                glim_buf_puts(&a->text, " = ");
                money(&a->text, price, sum, zh, false);
            }
            for (size_t c = 0; c < s->lib->n_col; c++) /* nobody is sold what is not there */
                if (s->lib->col[c].type == GLIM_LIB_STOCK && s->lib->col[c].number[picks[i].row] < (double)picks[i].n) {
                    const double left = s->lib->col[c].number[picks[i].row];
                    const char *cell = glim_lib_cell(s->lib, picks[i].row, c);
                    if (left > 0 && !strpbrk(cell, "0123456789")) continue; /* "yes": nobody knows how many */
                    if (left > 0) glim_buf_printf(&a->text, zh ? "，只剩%.0f" : ", only %.0f left", left);
                    else glim_buf_puts(&a->text, zh ? "，已售罄" : ", sold out");
                }
            glim_say_id(&a->text, s, picks[i].row, zh);
            glim_shop_cite_row(s, a, picks[i].row);
        }
        glim_buf_puts(&a->text, zh ? "。" : ".");
        if (unknown.len) {
            glim_buf_printf(&a->text, zh ? "资料库里没有“%s”，没有算进去。" : " \"%s\" is not in the library and is not counted.", glim_buf_cstr(&unknown));
        } else if (n > 1) {
            glim_buf_puts(&a->text, zh ? "合计" : " Together ");
            money(&a->text, price, all, zh, false);
            glim_buf_puts(&a->text, zh ? "。" : ".");
        }
        a->part = GLIM_PART_FILTER;
        a->n_all = n;
        f->n_ask = 0; /* a sum is not left to a model to phrase */
        f->sort = -1;
        *done = true;
    }
    bool exact = true;
    uint32_t row[PICKS];
    for (size_t i = 0; i < n; i++) row[i] = picks[i].row, exact &= glim_lib_exact(s->lib, row[i], (size_t)(price - s->lib->col));
    if (rc == GLIM_OK && !known && many && !exact && unknown.len == 0 && n <= GLIM_SHOP_LIST) { /* "from €5" and "on request" are in no sum: what each costs */
        f->ask[0] = (int)(price - s->lib->col);
        f->n_ask = 1;
        f->n_cond = 0;
        *done = glim_say(&a->text, s, f, GLIM_SAY_ROWS, row, n, n, NULL, NULL);
        for (size_t i = 0; *done && i < n; i++) glim_shop_cite_row(s, a, row[i]);
        a->part = GLIM_PART_FILTER;
        a->n_all = n;
    }
    free(text);
    glim_buf_free(&unknown);
    return rc;
}
