/* filter_bounds.c - figures to conditions: "under 3000", "2到3公斤", "27 inch", "since 2023", "够三个人".
 *
 * A figure is of the column that its unit or the words around it name, and of the price where nothing does. */
#include <math.h>
#include <strings.h>

#include "know/filter_internal.h"
#include "know/units.h"

/* Does the value lie between the smallest and the largest of the column's? */
static bool spans(const glim_lib *l, const glim_lib_col *c, double v) {
    double low = INFINITY, high = -INFINITY;
    for (uint32_t r = 0; r < l->n_rows; r++) low = fmin(low, c->number[r]), high = fmax(high, c->number[r]); /* both pass over NAN */
    return v >= low && v <= high;
}

static bool same_unit(const glim_lib_col *a, const glim_lib_col *b) { return a->unit_en && b->unit_en && strcasecmp(a->unit_en, b->unit_en) == 0; }

static int number_column(glim_parse *p, const glim_item *number, int concept, size_t from, size_t to) {
    int col = -1;
    if (number->money) { /* fifty dollars are not fifty yuan, and nobody here knows the rate */
        col = glim_parse_column(p->l, GLIM_CONCEPT_PRICE);
        const char *is = col >= 0 ? glim_currency_of(p->l->col[col].unit_en) : NULL;
        if (!is && col >= 0) is = glim_currency_of(p->l->col[col].unit_zh);
        return number->currency && is && strcmp(is, number->currency) != 0 ? -1 : col;
    }
    if (number->col >= 0 && p->s[number->to - 1] == 'g' && number->to > 1 && !isalpha((unsigned char)p->s[number->to - 2])) { /* "内存大于8G": no grams */
        glim_item *named = glim_parse_named_column(p, from, to, false);
        if (named && p->l->col[named->col].unit_en && strcasecmp(p->l->col[named->col].unit_en, "gb") == 0) return glim_parse_take(named);
    }
    if (number->col >= 0) {
        const int meant = concept >= 0 ? glim_parse_column(p->l, concept) : -1; /* "longer than 5 cm" is no diameter */
        if (meant >= 0 && same_unit(&p->l->col[meant], &p->l->col[number->col])) return meant;
        glim_item *named = glim_parse_named_column(p, from, to, false); /* two columns may share a unit */
        const glim_lib_col *a = named ? &p->l->col[named->col] : NULL, *b = &p->l->col[number->col];
        if (a && (named->col == number->col || (same_unit(a, b) || (a->unit_zh && b->unit_zh && strcmp(a->unit_zh, b->unit_zh) == 0)))) return glim_parse_take(named);
        for (size_t c = 0; b->unit_zh && c < p->l->n_col; c++) { /* 256 GB are storage where memory ends at 32 */
            const glim_lib_col *x = &p->l->col[c];
            if (x->number && !x->part_of && x->unit_zh && strcmp(x->unit_zh, b->unit_zh) == 0 && spans(p->l, x, number->number)) return (int)c;
        }
        return b->part_of ? -1 : number->col; /* "over 100 cm" of goods with three sides */
    }
    if (number->has_unit) return -1;
    if (concept >= 0) col = glim_parse_column(p->l, concept);
    if (col < 0) { /* "12 GB memory and under 4000": more than any memory, and a price */
        glim_item *named = glim_parse_named_column(p, from, to, false);
        const int price = glim_parse_column(p->l, GLIM_CONCEPT_PRICE);
        const bool beyond = named && named->used && price >= 0 && !spans(p->l, &p->l->col[named->col], number->number) && spans(p->l, &p->l->col[price], number->number);
        col = beyond ? price : glim_parse_take(named);
    }
    return col >= 0 ? col : glim_parse_column(p->l, GLIM_CONCEPT_PRICE);
}

/* The verb before a number of people, "够三个人", "sleeps 4 people": what a row is for, not who comes. Its length, or 0. */
static size_t people_verb(const glim_parse *p, size_t k) {
    static const char *const verbs[] = {"住", "住下", "睡", "睡下", "够", "适合", "容纳", "供", "for ", "sleeps ", "sleep ", "fits ", "feeds ", "serves ", "enough for ", "room for "};
    const glim_item *it = &p->v[k];
    if (it->col < 0 || p->l->col[it->col].concept != GLIM_CONCEPT_PEOPLE) return 0;
    for (size_t i = 0; i < GLIM_COUNT(verbs); i++) {
        const size_t n = strlen(verbs[i]);
        if (n <= it->from && memcmp(p->s + it->from - n, verbs[i], n) == 0) return n;
    }
    return 0;
}

static bool take_verb(glim_parse *p, size_t k) {
    const size_t n = people_verb(p, k);
    if (n) glim_parse_cover(p, k, p->v[k].from - n, p->v[k].to);
    return n > 0;
}

/* "The 3 cheapest", "recommend 3 phones", "5 phones": how many are wanted. */
static bool so_many(const glim_parse *p, size_t k) {
    if (k + 1 == p->n_items) return false;
    const glim_item *it = &p->v[k], *before = k > 0 ? &p->v[k - 1] : NULL, *behind = &p->v[k + 1];
    if (!glim_parse_bare_between(p, it->to, behind->from)) return false;
    if (behind->kind == WORD) return behind->word == GLIM_WORD_MOST || behind->word == GLIM_WORD_LEAST;
    if (behind->kind != VALUE) return false;
    if (it->from == 0) return true;
    return before && before->kind == WORD && glim_parse_bare_between(p, before->to, it->from) && (before->word == GLIM_WORD_LIST || p->s[behind->to - 1] == 's');
}

/* "四个人住哪间": what they come for, behind them. */
static bool come_behind(const glim_parse *p, size_t k) {
    static const char *const behind[] = {"住", "睡", "吃", "入住", "用餐", "坐", "喝"};
    const glim_item *it = &p->v[k];
    bool come = false;
    for (size_t i = 0; i < GLIM_COUNT(behind) && it->col >= 0; i++) come |= p->l->col[it->col].concept == GLIM_CONCEPT_PEOPLE && strncmp(p->s + it->to, behind[i], strlen(behind[i])) == 0;
    return come && it->has_unit;
}

/* A number that nothing is compared with: "两份", of which the row does not speak, is out of the way. */
static void lone_number(glim_parse *p, size_t k) {
    glim_item *it = &p->v[k];
    const int col = it->has_unit ? it->col : -1;
    if (it->money || it->number < 1 || it->number > 99) return;
    if (it->number == 1 && it->has_unit && col >= 0 && p->l->col[col].concept == GLIM_CONCEPT_PEOPLE) it->used = true; /* "多少钱一位" */
    if (come_behind(p, k)) {
        glim_parse_add_cond(p, (glim_cond){.col = col, .op = GLIM_COND_GE, .a = it->number});
        glim_parse_cover(p, k, it->from, it->to + 3);
        it->used = true;
    } else if (take_verb(p, k)) {
        glim_parse_add_cond(p, (glim_cond){.col = col, .op = GLIM_COND_GE, .a = it->number});
        it->used = true;
    } else if (col >= 0 && p->l->col[col].type == GLIM_LIB_STOCK) {
        it->used = true;
    } else if (!it->has_unit) {
        const size_t at = glim_parse_spaces(p, it->to), n = glim_piece_word(p->s + at, p->n - at);
        if (n) glim_parse_cover(p, k, it->from, at + n), it->used = true;
        else if (so_many(p, k)) it->used = true;
        if (it->used) p->f->limit = (size_t)it->number;
    }
}

/* Is a figure with a unit said of what is wanted, "27 inch monitor", "5000mAh的手机", "2人份的"? Not where a model is named beside it. */
static bool describes(const glim_parse *p, size_t k) {
    const glim_item *it = &p->v[k];
    if (it->money || !it->has_unit || it->col < 0 || p->l->col[it->col].type == GLIM_LIB_STOCK || p->l->col[it->col].part_of) return false;
    const char *unit = p->l->col[it->col].unit_en;
    if (unit && strlen(unit) == 1 && strchr("gks", unit[0] | 32) && (p->s[it->to - 1] | 32) == (unit[0] | 32)) return false; /* "5G" are no grams; "48V" are volts */
    size_t at = 0;
    for (size_t j = 0; j <= p->n_items; j++) { /* a Latin word that nobody knows */
        for (size_t to = j < p->n_items ? p->v[j].from : p->n; at < to; at++)
            if (glim_parse_alnum(p, at)) return false;
        if (j < p->n_items) at = p->v[j].to;
    }
    for (size_t j = 0; j < p->n_items; j++)
        if ((p->v[j].kind == VALUE && (p->l->col[p->v[j].col].concept == GLIM_CONCEPT_KIND || p->l->col[p->v[j].col].concept == GLIM_CONCEPT_BRAND)) || (p->v[j].kind == WORD && p->v[j].word == GLIM_WORD_GOODS)) return true;
    if (strncmp(p->s + it->to, "的", 3) != 0) return false;
    return it->to + 3 == p->n || (k + 1 < p->n_items && p->v[k + 1].from == it->to && p->v[k + 1].kind == WORD && p->v[k + 1].to > it->to + 3);
}

/* "A room for two": people, though nobody says so. */
static void for_people(glim_parse *p, size_t k) {
    glim_item *it = &p->v[k];
    const int c = glim_parse_column(p->l, GLIM_CONCEPT_PEOPLE);
    const size_t at = glim_parse_spaces(p, it->to);
    const bool ends = at >= p->n || strchr("?.!,;", p->s[at]) != NULL;
    if (c < 0 || it->has_unit || it->money || it->number > 20 || !ends || it->from < 4 || memcmp(p->s + it->from - 4, "for ", 4) != 0) return;
    it->col = c;
    it->has_unit = true;
}

static bool held(const glim_lib_col *col, double v, uint32_t n_rows) {
    for (uint32_t r = 0; r < n_rows; r++)
        if (col->number[r] == v) return true;
    return false;
}

static void add_described(glim_parse *p, size_t k, int c, bool bare) {
    const glim_item *it = &p->v[k];
    const uint16_t of = bare ? (uint16_t)(k + 1) : 0;
    const bool about = !it->loose && !held(&p->l->col[c], it->number, p->l->n_rows);
    glim_parse_add_cond(p, (glim_cond){.col = c, .op = GLIM_COND_GE, .a = about ? it->number * 0.9 : it->number, .about = about, .bare = of});
    glim_parse_add_cond(p, (glim_cond){.col = c, .op = GLIM_COND_LE, .a = about || it->loose ? it->number * 1.1 : it->number, .about = about, .bare = of});
}

/* So many people need room for as many; what is written exactly so is meant so, and else about as much. */
static void described(glim_parse *p, size_t k, bool bare) {
    glim_item *it = &p->v[k];
    const int c = number_column(p, it, -1, it->from, it->to);
    const bool portion = it->to >= it->from + 3 && memcmp(p->s + it->to - 3, "份", 3) == 0; /* "2人份" */
    if (c < 0) return;
    it->used = true;
    if (p->l->col[c].concept == GLIM_CONCEPT_PEOPLE && !portion) {
        glim_parse_add_cond(p, (glim_cond){.col = c, .op = GLIM_COND_GE, .a = it->number});
        return;
    }
    add_described(p, k, c, bare);
}

static bool conditioned(const glim_filter *f, int col) {
    for (size_t i = 0; i < f->n_cond; i++)
        if (f->cond[i].col == col) return true;
    return false;
}

/* Does no value fit all bounds of the column? */
static bool excluded(const glim_filter *f, int col) {
    double low = -INFINITY, high = INFINITY;
    for (size_t i = 0; i < f->n_cond; i++) {
        const glim_cond *c = &f->cond[i];
        if (c->col != col) continue;
        if (c->op == GLIM_COND_GE || c->op == GLIM_COND_GT) low = fmax(low, c->a);
        if (c->op == GLIM_COND_LE || c->op == GLIM_COND_LT) high = fmin(high, c->a);
    }
    return low > high;
}

/* "5 mm screws that are 80 mm long": nothing is 5 and 80 mm long, so the figure that no word gave to a column is of another one in its
 * unit, or of none and not understood. */
void glim_parse_part_bounds(glim_parse *p) {
    glim_filter *f = p->f;
    for (size_t k = 0; k < p->n_items; k++) {
        int col = -1;
        for (size_t i = 0; i < f->n_cond; i++)
            if (f->cond[i].bare == k + 1) col = f->cond[i].col;
        if (col < 0 || !excluded(f, col)) continue;
        size_t n = 0;
        for (size_t i = 0; i < f->n_cond; i++)
            if (f->cond[i].bare != k + 1) f->cond[n++] = f->cond[i];
        f->n_cond = n;
        int to = -1;
        for (size_t c = 0; c < p->l->n_col && to < 0; c++) {
            const glim_lib_col *x = &p->l->col[c], *was = &p->l->col[col];
            const bool unit = same_unit(x, was) || (x->unit_zh && was->unit_zh && strcmp(x->unit_zh, was->unit_zh) == 0);
            if ((int)c != col && x->type == GLIM_LIB_NUMBER && x->number && unit && !conditioned(f, (int)c) && spans(p->l, x, p->v[k].number)) to = (int)c;
        }
        if (to >= 0) add_described(p, k, to, false);
        else p->v[k].used = false;
    }
}

/* Does the name of the column that it counts stand right beside it: "diameter 4 mm", "80 mm long", "zone 4", "保质期24个月"? */
static bool beside_column(const glim_parse *p, size_t k) {
    const glim_item *it = &p->v[k];
    if (it->money) return false;
    for (int side = 0; side < 2; side++) {
        if (side ? k + 1 >= p->n_items : k == 0) continue;
        const glim_item *by = side ? it + 1 : it - 1;
        if (side && by->kind == WORD && by->word == GLIM_WORD_TO && by->to == by->from + 1 && by->from == it->to && k + 2 < p->n_items && it[2].from == by->to) by = it + 2; /* "2-room" */
        if (by->kind != COLUMN || by->used || !glim_parse_numeric(p, by->col) || p->l->col[by->col].type == GLIM_LIB_DATE || p->l->col[by->col].type == GLIM_LIB_STOCK || p->l->col[by->col].type == GLIM_LIB_PRICE) continue;
        if (!glim_parse_bare_between(p, side ? it->to : by->to, side ? by->from : it->from)) continue;
        const bool counts = it->col == by->col || (it->has_unit && it->col >= 0 && same_unit(&p->l->col[it->col], &p->l->col[by->col]));
        const char *en = p->l->col[by->col].en;
        const bool plural = side && !p->l->col[by->col].unit_en && p->l->col[by->col].type == GLIM_LIB_NUMBER && strlen(en) > 3 && en[strlen(en) - 1] == 's'; /* so many gears */
        if (it->has_unit ? counts : !side || plural) return true; /* "4 pages" has its unit in the name; a bare figure stands behind it */
    }
    return false;
}

/* "Nightly" is of a night, "Midnight" is none. */
static bool begins_a_word(const char *text, const char *word) {
    for (const char *at = text; (at = strstr(at, word)) != NULL; at++)
        if (at == text || !isalpha((unsigned char)at[-1])) return true;
    return false;
}

/* What a price is for, at `at`: "kg", "斤", "night". Its length, or 0; *times: what a price for that is multiplied by for the column's. */
static size_t per_at(const glim_parse *p, size_t at, double *times) {
    const int price = glim_parse_column(p->l, GLIM_CONCEPT_PRICE);
    if (price < 0 || at >= p->n) return 0;
    const glim_lib_col *c = &p->l->col[price];
    const char *zh = c->unit_zh ? strchr(c->unit_zh, '/') : NULL, *en = c->unit_en ? strchr(c->unit_en, '/') : NULL;
    const char *own[4] = {zh ? zh + 1 : NULL, en ? en + 1 : NULL};
    static const char *const periods[][4] = {{"晚", "night", "晚", "night"}, {"日租", "daily", "天", "day"}, {"周租", "weekly", "周", "week"}, {"月租", "monthly", "月", "month"}, {"时租", "hourly", "小时", "hour"}}; /* "日租金", "Daily rate" say it without a mark */
    for (size_t k = 0; k < GLIM_COUNT(periods); k++) {
        bool so = false;
        for (size_t i = 0; i < 2; i++) so |= own[i] && (strcmp(own[i], periods[k][2]) == 0 || strcasecmp(own[i], periods[k][3]) == 0);
        for (size_t a = 0; a < c->n_alias; a++) so |= !zh && !en && (strstr(c->alias[a], periods[k][0]) || begins_a_word(c->alias[a], periods[k][1]));
        if (so && !own[2]) own[2] = periods[k][2], own[3] = periods[k][3];
    }
    size_t longest = 0;
#define ENDS(w, len) ((unsigned char)(w)[0] >= 0x80 || !glim_parse_alnum(p, at + (len)))
    for (size_t i = 0; i < GLIM_COUNT(own); i++) {
        const size_t len = own[i] ? strlen(own[i]) : 0;
        if (len > longest && len <= p->n - at && strncasecmp(p->s + at, own[i], len) == 0 && ENDS(own[i], len)) longest = len, *times = 1;
    }
    int is = glim_measure_of(own[0]);
    if (is < 0) is = glim_measure_of(own[1]);
    for (size_t m = 0; is >= 0 && m < glim_n_measures; m++) {
        const glim_measure *x = &glim_measures[m];
        const size_t len = strlen(x->text);
        const bool time = strcmp(x->of, "day") == 0 || strcmp(x->of, "month") == 0 || strcmp(x->of, "minute") == 0; /* a week is no seven days of rent */
        if (strcmp(x->of, glim_measures[is].of) != 0 || (time && x->v != glim_measures[is].v) || len <= longest || len > p->n - at) continue;
        if (strncmp(p->s + at, x->text, len) == 0 && ENDS(x->text, len)) longest = len, *times = glim_measures[is].v / x->v;
    }
#undef ENDS
    return longest;
}

/* "10元/斤", "20 euros per kg", "500元一晚": what the price is for, behind `at`. Where it ends, or `at`. */
static size_t per_behind(const glim_parse *p, size_t at, double *times) {
    static const char *const marks[] = {"/", "／", "per ", "a ", "an ", "each ", "一", "每"};
    const size_t from = glim_parse_spaces(p, at), n = glim_parse_word_at(p, from, marks, GLIM_COUNT(marks));
    const size_t x = glim_parse_spaces(p, from + n), len = n ? per_at(p, x, times) : 0;
    return len ? x + len : at;
}

/* "每斤5元", "一晚不到500元": right before `at`. Where it begins, or `at`. */
static size_t per_before(const glim_parse *p, size_t at, double *times) {
    static const char *const marks[] = {"每", "一", "per "};
    size_t end = at;
    while (end > 0 && p->s[end - 1] == ' ') end--;
    for (size_t from = end; from-- > 0 && end - from < 24;) {
        const size_t n = glim_parse_word_at(p, from, marks, GLIM_COUNT(marks)), len = n ? per_at(p, from + n, times) : 0;
        if (len && from + n + len == end) return from;
    }
    return at;
}

static bool bound_word(const glim_item *it, bool behind) {
    if (it->kind != WORD) return false;
    if (it->word == GLIM_WORD_ABOUT) return true;
    return behind ? it->word == GLIM_WORD_LE_BEHIND || it->word == GLIM_WORD_GE_BEHIND : it->word <= GLIM_WORD_GT_BEFORE;
}

/* The figure at item k is of money, or compared with something, and reaches over what the price is for. */
static void read_per(glim_parse *p, size_t k) {
    glim_item *it = &p->v[k];
    double times = 1;
    if (it->used || it->year || (it->has_unit && !it->money) || it->col >= 0) return;
    size_t first = k;
    while (first > 0 && p->v[first - 1].to == p->v[first - 1].from) first--;
    const bool op = first > 0 && bound_word(&p->v[first - 1], false) && glim_parse_bare_between(p, p->v[first - 1].to, it->from);
    const size_t to = per_behind(p, it->to, &times), start = op ? p->v[first - 1].from : it->from, from = to > it->to ? start : per_before(p, start, &times);
    if (to == it->to && from == start) return;
    bool compared = op;
    for (size_t j = k + 1; j < p->n_items; j++) compared |= bound_word(&p->v[j], true) && p->v[j].from >= to && glim_parse_bare_between(p, to, p->v[j].from);
    if (!it->money && !compared) return;
    it->number *= times;
    it->low *= times;
    it->money = it->has_unit = true;
    if (to > it->to || !op) {
        glim_parse_cover(p, k, to > it->to ? it->from : from, to);
        return;
    }
    for (size_t j = 0; j < first - 1; j++) /* "每晚" of "每晚低于500元" */
        if (p->v[j].from >= from) p->v[j].used = true;
    glim_parse_cover(p, first - 1, from, p->v[first - 1].to);
}

/* The item next to k that has not been covered, or NULL. */
static glim_item *next_item(glim_parse *p, size_t k) {
    for (size_t j = k + 1; j < p->n_items; j++)
        if (p->v[j].to > p->v[j].from) return &p->v[j];
    return NULL;
}

/* Where the words begin that are passed over in front of `at`. */
static size_t before_words(const glim_parse *p, size_t at, const char *const *words, size_t n_words) {
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < n_words && !more; i++) {
            const size_t n = strlen(words[i]);
            if (n <= at && glim_parse_stands(p, at - n, words[i]) == n) at -= n, more = true;
        }
    }
    return at;
}

/* Is more said of the year than that a range holds it: "not for 2019", "before 2017", "2019 or newer", "2019年以后"? No range is looked for then. */
static bool says_more(const glim_parse *p, size_t from, size_t to) {
    static const char *const nos[] = {"n't", "不", "没", "除"}, *const words[] = {"not", "no", "never", "without", "except", "cannot", "nor", "neither", "excluding", "dont", "doesnt", "isnt", "cant", "newer", "older", "later", "earlier", "prior", "onward", "onwards", "upward", "upwards"};
    static const char *const behind[] = {"前", "后", "起", "以", "之", "往", "至今", "+", "on", "and up", "and on", "and before", "and after", "or before", "or after"}, *const before[] = {"since", "after", "before", "until", "till", "by", "up to", "than", "到", "至", "早于", "晚于", "从", "自"}, *const small[] = {" ", "the", "a", "model", "year", "years"};
    for (size_t k = 0; k < GLIM_COUNT(nos); k++)
        for (const char *q = p->s; (q = strstr(q, nos[k])) != NULL; q++)
            if (k == 0 || q < p->s + 3 || strncmp(q - 3, q + 3, 3) != 0) return true; /* and not "能不能" */
    for (size_t k = 0; k < GLIM_COUNT(words); k++)
        for (size_t i = 0; i < p->n; i++)
            if (glim_parse_stands(p, i, words[k])) return true;
    to = glim_parse_spaces(p, to);
    for (size_t k = 0; k < GLIM_COUNT(behind); k++)
        if (glim_parse_stands(p, to, behind[k])) return true;
    from = before_words(p, from, small, GLIM_COUNT(small));
    for (size_t k = 0; k < GLIM_COUNT(before); k++) {
        const size_t n = strlen(before[k]);
        if (n <= from && glim_parse_stands(p, from - n, before[k]) == n) return true;
    }
    return false;
}

/* "Does it fit", "suitable for" right before a year ask for it. */
static void read_fits(glim_parse *p, size_t k) {
    static const char *const small[] = {" ", "a", "the", "model", "year", "years", "for", "in", "于", "用于"}, *const fits[] = {"fit", "fits", "suitable", "适用", "适合"};
    const size_t at = before_words(p, p->v[k].from, small, GLIM_COUNT(small));
    for (size_t i = 0; i < GLIM_COUNT(fits); i++) {
        const size_t n = strlen(fits[i]);
        if (n > at || glim_parse_stands(p, at - n, fits[i]) != n) continue;
        if (p->n_denials < GLIM_PARSE_DENIALS) p->denial[p->n_denials].from = at - n, p->denial[p->n_denials++].to = at;
        return;
    }
}

/* "印1000张多少钱" of a price a sheet: so many would be bought, and no row has to have them. What all of them cost is not said: minimums,
 * tiers and stock may stand in other columns. */
static bool quantity(const glim_parse *p, const glim_item *it) {
    static const char *const deeds[] = {"印", "做", "买", "订", "要", "来", "定", "拿"}, *const kinds[] = {"的", "装", "以", "左", "起", "内", "上", "下"};
    const int price = glim_parse_column(p->l, GLIM_CONCEPT_PRICE);
    const char *zh = price >= 0 ? p->l->col[price].unit_zh : NULL, *of = zh ? strchr(zh, '/') : NULL;
    if (!of || !it->has_unit || it->money || it->year || it->from < 3 || glim_measure_of(of + 1) >= 0) return false; /* a price a day may be less for a week */
    const size_t n = strlen(of + 1);
    if (n == 0 || (unsigned char)of[1] < 0x80 || it->to < it->from + n || strncmp(p->s + it->to - n, of + 1, n) != 0) return false;
    for (size_t i = 0; i < GLIM_COUNT(kinds); i++)
        if (strncmp(p->s + it->to, kinds[i], 3) == 0) return false;
    bool asked = false, bought = false;
    for (size_t k = 0; k < p->n_items; k++) {
        asked |= p->v[k].kind == COLUMN && p->l->col[p->v[k].col].type == GLIM_LIB_PRICE;
        if (p->v[k].kind == WORD && p->v[k].word < GLIM_WORD_TO) return false; /* a bound */
    }
    for (size_t i = 0; i < GLIM_COUNT(deeds); i++) bought |= memcmp(p->s + it->from - 3, deeds[i], 3) == 0;
    return asked && bought;
}

/* "便宜点，五块行吗", "would you take 5 euros": what somebody would pay, and no bound of what he looks for. */
static bool offer(const glim_parse *p, const glim_item *it) {
    static const char *const ask_zh[] = {"行吗", "行不行", "行不", "可以吗", "可不可以", "卖吗", "卖不卖", "卖不", "成吗", "成不成", "成不", "能卖", "给我吧", "拿走", "出吗", "出不出", "好吗"}, *const ask_en[] = {"you take ", "you accept ", "you do ", "give you ", "take me for ", "offer you ", "offer "};
    const bool plain = !it->has_unit || it->money;
    if (!plain) return false;
    if (glim_parse_haggles(p, it->from) && glim_parse_word_at(p, glim_parse_spaces(p, it->to), ask_zh, GLIM_COUNT(ask_zh))) return true; /* "10元可以吗" asks what there is for it */
    for (size_t k = 0; k < GLIM_COUNT(ask_en) && it->money; k++) {
        const size_t n = strlen(ask_en[k]);
        if (n <= it->from && memcmp(p->s + it->from - n, ask_en[k], n) == 0) return true;
    }
    return false;
}

void glim_parse_number_conds(glim_parse *p, size_t k) {
    glim_item *it = &p->v[k], *before = k > 0 ? &p->v[k - 1] : NULL;
    if (it->used) return;
    if (quantity(p, it)) {
        it->used = true;
        return;
    }
    if (offer(p, it)) {
        p->f->offer = it->used = true;
        return;
    }
    read_per(p, k);
    glim_item *behind = next_item(p, k), *other = behind ? next_item(p, (size_t)(behind - p->v)) : NULL;
    if (other && other->kind == NUMBER && behind->kind == WORD && behind->word == GLIM_WORD_TO) read_per(p, (size_t)(other - p->v)); /* "5到10元/斤" */
    if (it->year && p->l->col[it->col].span) {
        const bool two = behind && other && behind->kind == WORD && behind->word == GLIM_WORD_TO && other->kind == NUMBER && other->year && other->col == it->col;
        if (says_more(p, it->from, two ? other->to : it->to)) {
            p->f->unread = true;
            return;
        }
        read_fits(p, k);
    }
    if (it->year && behind && other && behind->kind == WORD && behind->word == GLIM_WORD_TO && other->kind == NUMBER && other->year && other->col == it->col) { /* "from 2015 to 2018" */
        glim_parse_years_between(p, k, (size_t)(behind - p->v), (size_t)(other - p->v));
        return;
    }
    if (it->year && p->l->col[it->col].span) {
        glim_parse_add_cond(p, (glim_cond){.col = it->col, .op = GLIM_COND_SPANS, .a = it->number});
        it->used = true;
        for (size_t j = 0; j < p->n_items; j++) /* "does it fit a 2019 model" is no question for the years */
            if (p->v[j].kind == COLUMN && p->v[j].col == it->col) p->v[j].used = true;
        return;
    }
    if (it->year) {
        glim_parse_year_conds(p, k);
        return;
    }
    /* a to b */
    if (behind && other && behind->kind == WORD && behind->word == GLIM_WORD_TO && other->kind == NUMBER && glim_parse_bare_between(p, it->to, behind->from) &&
        glim_parse_bare_between(p, behind->to, other->from)) {
        bool and_ = p->s[behind->from] == 'a' || strncmp(p->s + behind->from, "和", 3) == 0;
        bool between = before && before->kind == WORD && before->word == GLIM_WORD_BETWEEN;
        size_t end = glim_parse_spaces(p, other->to);
        bool inside = strncmp(p->s + end, "之间", 6) == 0;
        if (!and_ || between || inside) {
            glim_item unit = other->money || other->has_unit ? *other : *it;
            int col = number_column(p, &unit, -1, it->from, other->to);
            if (col >= 0) {
                double a = it->number, b = other->number;
                if (!it->has_unit && other->scale > 0) a *= other->scale; /* "1-2公斤" */
                else if (a < b && a < 100 && b >= 1000 && !it->has_unit) a *= 1000; /* "2 to 3k" */
                glim_parse_add_cond(p, (glim_cond){.col = col, .op = GLIM_COND_GE, .a = a < b ? a : b});
                glim_parse_add_cond(p, (glim_cond){.col = col, .op = GLIM_COND_LE, .a = a < b ? b : a});
                it->used = behind->used = other->used = true;
                if (between || (before && before->kind == WORD && before->word <= GLIM_WORD_GT_BEFORE && glim_parse_bare_between(p, before->to, it->from))) before->used = true;
                return;
            }
        }
    }
    glim_cond c = {0};
    glim_item *op = NULL;
    bool about = false;
    if (before && before->kind == WORD && (before->word <= GLIM_WORD_GT_BEFORE || before->word == GLIM_WORD_ABOUT) && glim_parse_bare_between(p, before->to, it->from)) op = before;
    if (behind && behind->kind == WORD && (behind->word == GLIM_WORD_LE_BEHIND || behind->word == GLIM_WORD_GE_BEHIND || behind->word == GLIM_WORD_ABOUT) &&
        glim_parse_bare_between(p, it->to, behind->from)) {
        if (op) op->used = true;
        op = behind;
    }
    if (op) {
        switch (op->word) {
        case GLIM_WORD_LE_BEFORE: case GLIM_WORD_LE_BEHIND: c.op = GLIM_COND_LE; break;
        case GLIM_WORD_GE_BEFORE: case GLIM_WORD_GE_BEHIND: c.op = GLIM_COND_GE; break;
        case GLIM_WORD_LT_BEFORE: c.op = GLIM_COND_LT; break;
        case GLIM_WORD_GT_BEFORE: c.op = GLIM_COND_GT; break;
        default: about = true;
        }
    } else if (it->money || it->low > 0) {
        about = true; /* "2000元的手机" */
    } else if (beside_column(p, k)) { /* "diameter 4 mm", "zone 4" */
        described(p, k, false);
        return;
    } else {
        for_people(p, k);
        if (describes(p, k) && !people_verb(p, k) && !come_behind(p, k)) described(p, k, true);
        else lone_number(p, k);
        return;
    }
    c.col = number_column(p, it, op ? op->concept : -1, it->from, it->to);
    if (c.col < 0) return;
    it->used = true;
    if (op) op->used = true;
    if (op && !about && glim_parse_read_no_of_bound(p, op->from < it->from ? op->from : it->from)) {
        static const glim_cond_op turned[] = {[GLIM_COND_LT] = GLIM_COND_GE, [GLIM_COND_LE] = GLIM_COND_GT, [GLIM_COND_GT] = GLIM_COND_LE, [GLIM_COND_GE] = GLIM_COND_LT};
        c.op = turned[c.op];
    }
    take_verb(p, k);
    c.a = it->number;
    if (about) {
        glim_parse_add_cond(p, (glim_cond){.col = c.col, .op = GLIM_COND_GE, .a = it->low > 0 ? it->low : it->number * 0.9, .about = true});
        c.op = GLIM_COND_LE;
        c.about = true;
        c.a = it->number * 1.1;
    }
    glim_parse_add_cond(p, c);
}
