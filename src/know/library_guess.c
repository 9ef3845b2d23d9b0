/* library_guess.c - the schema that a table seems to have. A person reads it and corrects it. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "data/table_schema.h"
#include "know/filter_words.h"
#include "know/heading.h"
#include "know/library_internal.h"
#include "know/terms.h"

enum { SAMPLE = 5000, PARTS = 64, PART = 32 };

/* What the general schema does not see: a number with its unit in every cell, several values in one cell, names. */
typedef struct seen {
    char unit[24];
    bool unit_fits, any, stock_words;
    bool no_comma, no_comma_price, comma; /* the second: words in place of a price aside. A value is no number with a decimal comma; one is, and has no more than two figures behind it */
    bool comma_sign;      /* a value says that it is one number: by a point between thousands, or by a unit or a currency beside it */
    unsigned behind;      /* bit n: a value has n figures behind the comma */
    size_t n, n_list, n_cjk;
    size_t bytes;
    /* Of the cells that say anything ("—" does not): how many are figures, with a currency, words without a digit, yes or no, days, an "x", and one
     * word as an id is; how many have more letters than digits. */
    size_t n_cells, n_blank, n_figure, n_money, n_words, n_bool, n_date, n_x, n_id, n_letters;
    const char *money;
    size_t n_point, n_thousand; /* cells with a point; "1.200" */
    size_t n_comma, n_parts, n_known; /* cells of parts behind commas, all parts, different ones */
    uint64_t known[PARTS];
    bool long_part;
} seen;

/* "24/7" and "357克/饼" are no lists. */
static bool in_list(const char *s) {
    return strstr(s, "、") || (strchr(s, '/') && !strpbrk(s, "0123456789")) || strchr(s, ';') || strchr(s, '|');
}

/* The parts of "Windows, macOS": how many, and which ones are new. */
static size_t parts_of(const char *s, uint64_t *known, size_t *n_known, bool *long_part) {
    size_t n = 0;
    while (*s) {
        const size_t len = strcspn(s, ",");
        uint64_t h = 0xcbf29ce484222325u;
        *long_part |= len > PART;
        for (size_t i = 0; i < len; i++) h = (h ^ (unsigned char)s[i]) * 0x100000001b3u;
        size_t k = 0;
        while (k < *n_known && known[k] != h) k++;
        if (k == *n_known && k < PARTS) known[(*n_known)++] = h;
        n++;
        s += len + (s[len] == ',');
        while (*s == ' ') s++;
    }
    return n;
}

static bool is_cjk_text(const char *s) {
    uint32_t cp;
    for (size_t n = strlen(s); n;) {
        int k = glim_utf8_next(s, n, &cp);
        if (k <= 0) return false;
        if (glim_term_is_cjk(cp)) return true;
        s += k, n -= (size_t)k;
    }
    return false;
}

static bool one_of(const char *s, const char *const *words) {
    for (; *words; words++)
        if (strcasestr(s, *words)) return true;
    return false;
}

/* "1.249,50", "17,5 kg": a number whose decimal mark is a comma, as far as one cell tells. */
static bool comma_number(seen *x, const char *s) {
    size_t whole = strspn(s, "0123456789."), behind = 0;
    if (whole == 0 || s[0] == '.' || s[whole - 1] == '.') return false;
    const bool thousands = memchr(s, '.', whole) != NULL;
    for (const char *p = memchr(s, '.', whole); p; p = memchr(p + 1, '.', whole - (size_t)(p + 1 - s)))
        if (strspn(p + 1, "0123456789") != 3) return false;
    if (s[whole] == ',') {
        behind = strspn(s + whole + 1, "0123456789");
        if (behind == 0) return false;
        whole += 1 + behind;
    }
    if (strpbrk(s + whole, "0123456789,.")) return false;
    x->comma |= behind == 1 || behind == 2;
    x->comma_sign |= (thousands && behind) || s[whole + strspn(s + whole, " ")];
    x->behind |= 1u << (behind < 8 ? behind : 8);
    return true;
}

static bool is_id(const char *s) {
    size_t n = 0;
    for (; isalnum((unsigned char)s[n]) || (s[n] && strchr("._-", s[n])); n++) {}
    return n > 0 && n <= GLIM_LIB_ID_MAX && !s[n];
}

static bool more_letters(const char *s) {
    long more = 0;
    for (; *s; s++) more += isdigit((unsigned char)*s) ? -1 : isalpha((unsigned char)*s) || (unsigned char)*s >= 0x80;
    return more > 0;
}

/* What the cells are, one by one. */
static void count(seen *x, const glim_cell *v) {
    double d;
    const char *unit;
    bool b;
    x->n_cells++;
    if (glim_lib_blank(v->text)) {
        x->n_blank++;
        return;
    }
    const char *sign;
    const bool digit = strpbrk(v->text, "0123456789") != NULL; /* figures, money and days have one, and most cells of a large table do not */
    if (digit && (glim_lib_money(v->text, false, &sign) || glim_lib_money(v->text, true, &sign))) {
        if (!x->money) x->money = sign;
        x->n_money++;
    }
    x->n_figure += digit && glim_lib_number(v->text, &d, &unit) && strlen(unit) <= 24 && (!strpbrk(unit, "0123456789") || comma_number(&(seen){0}, v->text));
    x->n_words += (!digit && glim_lib_price_in_words(v->text, &d)) || strncasecmp(v->text, "from ", 5) == 0;
    x->n_bool += v->kind == GLIM_CELL_BOOL || glim_value_bool(v->text, &b);
    x->n_date += v->kind == GLIM_CELL_DATE || (digit && glim_lib_date(v->text, &d));
    x->n_x += strcasecmp(v->text, "x") == 0;
    x->n_point += strchr(v->text, '.') != NULL;
    x->n_thousand += glim_lib_thousands(v->text);
    x->n_id += is_id(v->text);
    x->n_letters += more_letters(v->text);
    x->n_comma += strstr(v->text, ", ") != NULL;
    if (x->n_known < PARTS) x->n_parts += parts_of(v->text, x->known, &x->n_known, &x->long_part); /* a column of so many parts is no list */
}

static void look(seen *x, const glim_cell *v) {
    double d;
    const char *unit;
    if (v->n == 0) return;
    bool number = glim_lib_number(v->text, &d, &unit) && *unit && strlen(unit) < sizeof x->unit && !strpbrk(unit, "0123456789");
    if (!x->any && number) memcpy(x->unit, unit, strlen(unit) + 1);
    x->unit_fits = (x->any ? x->unit_fits : true) && number && strcmp(unit, x->unit) == 0;
    x->stock_words = (x->any ? x->stock_words : true) && glim_lib_stock_word(v->text, &d);
    if (!x->no_comma_price && !glim_lib_price_in_words(v->text, &d) && !comma_number(x, v->text)) x->no_comma = x->no_comma_price = true;
    x->no_comma |= !strpbrk(v->text, "0123456789");
    x->any = true;
    x->n++;
    x->n_list += in_list(v->text);
    x->n_cjk += is_cjk_text(v->text);
    x->bytes += v->n;
}

/* "Brand Name", "brand_name" and "品牌名称" are about what "brand" and "品牌" are about: the heading folded, less the word for
 * a name behind it. */
static char *subject(const char *heading) {
    static const char *const ends[] = {"名称", "名字", " name"};
    glim_buf b = {0};
    glim_err ignored = {0};
    (void)glim_terms_fold(&b, heading, strlen(heading), &ignored);
    for (size_t i = 0; i < b.len; i++)
        if (b.s[i] == '_') b.s[i] = ' ';
    for (size_t i = 0; i < GLIM_COUNT(ends); i++) {
        size_t n = strlen(ends[i]);
        if (b.len <= n || memcmp(b.s + b.len - n, ends[i], n) != 0) continue;
        b.s[b.len -= n] = 0;
        break;
    }
    char *s = glim_xstrdup(glim_buf_cstr(&b));
    glim_buf_free(&b);
    return s;
}

/* What the heading says beside a word: units, and what it is called without them. */
static void say_heading(json_t *o, const glim_heading *h, bool unit) {
    char low[256];
    if (h->zh) json_object_set_new(o, "zh", json_string(h->zh));
    if (h->en && strlen(h->en) < sizeof low) { /* "the weight is", but "the ABV is" */
        snprintf(low, sizeof low, "%s", h->en);
        if (low[0] >= 'A' && low[0] <= 'Z' && low[1] >= 'a' && low[1] <= 'z') low[0] = (char)(low[0] + 32);
        json_object_set_new(o, "en", json_string(low));
    }
    json_t *also = json_array();
    for (size_t i = 0; i < GLIM_COUNT(h->also); i++)
        if (h->also[i]) json_array_append_new(also, json_string(h->also[i]));
    if (json_array_size(also)) json_object_set(o, "also", also);
    json_decref(also);
    if (unit && h->unit_zh) json_object_set_new(o, "unit_zh", json_string(h->unit_zh));
    if (unit && h->unit_en) json_object_set_new(o, "unit_en", json_string(h->unit_en));
}

/* "38,40" may be two sizes: a decimal comma wants a sign more, in the cells or in the heading. */
static bool decimal_comma(const seen *x, const char *heading, const glim_heading *h, int about, bool priced) {
    static const char *const lists[] = {"size", "größe", "groesse", "尺码", "码数", "鞋码", "尺寸", "规格", "variant", "option", "list", "tags", "colours", "colors", "numbers", "compatible", "列表", "可选", "适用", NULL};
    static const int figures[] = {GLIM_CONCEPT_PRICE, GLIM_CONCEPT_WEIGHT, GLIM_CONCEPT_RATING, GLIM_CONCEPT_LENGTH, GLIM_CONCEPT_WIDTH, GLIM_CONCEPT_HEIGHT, GLIM_CONCEPT_DEPTH, GLIM_CONCEPT_DIAMETER,
                                  GLIM_CONCEPT_AREA, GLIM_CONCEPT_ALCOHOL, GLIM_CONCEPT_POWER, GLIM_CONCEPT_SCREEN};
    static const char *const words[] = {"price", "preis", "prix", "prezzo", "precio", "weight", "gewicht", "poids", "peso", "cost", "价", "重", NULL};
    if (!x->comma || (priced ? x->no_comma_price : x->no_comma)) return false;
    const bool said = x->comma_sign || h->unit_zh || h->unit_en || h->currency[0];
    if (one_of(heading, lists) && !said) return false;
    bool figure = one_of(heading, words) || (x->behind & (x->behind - 1)) != 0; /* of lists of two all have as many figures behind it */
    for (size_t i = 0; i < GLIM_COUNT(figures); i++) figure |= about == figures[i];
    return said || figure;
}

/* Is the column called one of ids, whatever these look like? */
static bool of_ids(const char *name) {
    static const char *const words[] = {"sku", "编号", "货号", "编码", "商品号", "产品号", NULL}, *const whole[] = {"id", "code", "ref", "ref.", "key", "item code", "product code", "item id", "product id"};
    for (size_t i = 0; i < GLIM_COUNT(whole); i++)
        if (strcasecmp(name, whole[i]) == 0) return true;
    return one_of(name, words);
}

/* name: the language of the column of names so far, 0 none. */
static json_t *column(const glim_column *c, seen *x, bool *has_id, glim_lang *name) {
    static const char *const names[] = {"name", "title", "名称", "品名", "商品名", "名字", "菜名", "产品名", "房型", "英文名", "菜品", NULL};
    static const char *const stock[] = {"stock", "库存", "存货", "inventory", "qty", "余量", "剩余", "余票", "空房", "空位", "余位", "名额", "on hand", "bestand", " left", "remaining", "lieferbar", "verfügbar", NULL},
                             *const to_have[] = {"available", "availability", "有货", "现货", "在售", "lieferbar", "verfügbar", NULL}, *const no_stock[] = {"pack", " per ", "起", "min", NULL};
    /* Names of other things than the product. */
    static const char *const others[] = {"brand", "category", "supplier", "vendor", "manufacturer", "store", "warehouse", "colour", "color", "series", "user", "customer", "file", "unit", "subtitle",
                                         "品牌", "牌子", "类别", "品类", "分类", "类目", "类型", "供应商", "厂家", "厂商", "制造商", "门店", "店铺", "仓库", "颜色", "系列", "客户", "用户", "联系人", "文件", "单位", "规格", NULL};
    json_t *o = json_object();
    glim_lib_type type = GLIM_LIB_TEXT;
    glim_heading h;
    glim_heading_read(&h, c->name);
    char *what = subject(h.en ? h.en : h.zh ? h.zh : c->name);
    int about = glim_concept_of(what);
    const size_t said = x->n_cells - x->n_blank;
    const bool no_id = c->type == GLIM_COLUMN_IDENTIFIER && (*has_id || x->n_id < x->n_cells || x->n_date == said); /* "04/2022", "AB/12" */
    const bool unread = c->type == GLIM_COLUMN_TEXT || c->type == GLIM_COLUMN_CATEGORY || no_id, dashes = unread && x->n_blank > 0 && said > 0;
    const bool figures = unread && said > 0 && x->n_figure * 2 > said && x->n_figure + x->n_words == said; /* but for words in place of some */
    const bool priced = figures && (h.currency[0] || h.per_en || about == GLIM_CONCEPT_PRICE || x->n_money * 2 > said);
    const bool comma = x->any && decimal_comma(x, c->name, &h, about, priced) && c->type != GLIM_COLUMN_NUMBER && c->type != GLIM_COLUMN_MONEY && c->type != GLIM_COLUMN_DATE;
    const bool pieces = one_of(c->name, stock) && !one_of(c->name, no_stock);
    bool other = one_of(c->name, others), is_name = one_of(c->name, names) && !other && c->type != GLIM_COLUMN_NUMBER && c->type != GLIM_COLUMN_MONEY;
    json_object_set_new(o, "column", json_string(c->name));
    switch (c->type) {
    case GLIM_COLUMN_IDENTIFIER: type = no_id ? GLIM_LIB_TEXT : GLIM_LIB_ID; break;
    case GLIM_COLUMN_MONEY: type = GLIM_LIB_PRICE; break;
    case GLIM_COLUMN_NUMBER: type = pieces ? GLIM_LIB_STOCK : h.currency[0] || h.per_en ? GLIM_LIB_PRICE : GLIM_LIB_NUMBER; break;
    case GLIM_COLUMN_BOOLEAN: type = pieces || one_of(c->name, to_have) ? GLIM_LIB_STOCK : GLIM_LIB_BOOL; break;
    case GLIM_COLUMN_DATE: type = GLIM_LIB_DATE; break;
    case GLIM_COLUMN_CATEGORY: type = GLIM_LIB_ENUM; break;
    default: break;
    }
    /* What is a closed list in every business, however few rows there are. */
    bool closed = about == GLIM_CONCEPT_KIND || about == GLIM_CONCEPT_BRAND || about == GLIM_CONCEPT_COLOUR || about == GLIM_CONCEPT_SPICY || about == GLIM_CONCEPT_BED || about == GLIM_CONCEPT_ORIGIN ||
                  about == GLIM_CONCEPT_MATERIAL || about == GLIM_CONCEPT_AUTHOR || about == GLIM_CONCEPT_LANGUAGE || about == GLIM_CONCEPT_TEACHER || about == GLIM_CONCEPT_PLACE;
    bool texts = c->type == GLIM_COLUMN_TEXT || c->type == GLIM_COLUMN_CATEGORY;
    /* "5000mAh" looks like a code as well; behind the column of ids it is a number. */
    const bool price_name = h.currency[0] || h.per_en || about == GLIM_CONCEPT_PRICE || priced;
    bool unit = (texts || (c->type == GLIM_COLUMN_IDENTIFIER && *has_id)) && x->any && x->unit_fits && x->n > 1;
    const bool ids = !*has_id && said == x->n_cells && x->n_id == said && said > 1 && c->n_distinct == said && c->n_empty == 0 && of_ids(c->name) && !is_name;
    if (texts && x->any && x->stock_words) type = GLIM_LIB_STOCK;
    else if (texts && ids) type = GLIM_LIB_ID; /* "NOT-FRE" */
    else if (priced) type = GLIM_LIB_PRICE;
    else if (unread && said > 1 && x->n_date == said) type = GLIM_LIB_DATE;
    else if (unread && said > 1 && x->n_x == said && c->n_empty + x->n_blank > 0) type = GLIM_LIB_BOOL;
    else if (dashes && x->n_bool == said) type = GLIM_LIB_BOOL;
    else if (dashes && x->n_figure == said && !x->n_money && !comma) type = pieces ? GLIM_LIB_STOCK : GLIM_LIB_NUMBER;
    else if (comma && !*x->unit && !is_name) type = price_name ? GLIM_LIB_PRICE : GLIM_LIB_NUMBER;
    else if (unit) type = GLIM_LIB_NUMBER;
    else if (texts && is_name) type = GLIM_LIB_NAME;
    else if (texts && closed && c->n_distinct <= 200 && x->bytes / (x->n ? x->n : 1) < 60) type = GLIM_LIB_ENUM;
    else if (c->type == GLIM_COLUMN_TEXT && x->n >= 12 && c->n_distinct * 4 <= x->n * 3 && x->bytes / x->n < 32) type = GLIM_LIB_ENUM;
    else if (c->type == GLIM_COLUMN_TEXT && x->n > 3 && x->n_list * 2 > x->n && x->bytes / x->n < 60) type = GLIM_LIB_ENUM;
    json_object_set_new(o, "type", json_string(glim_lib_type_name(type)));
    if (type == GLIM_LIB_STOCK && !comma && x->n_thousand && x->n_thousand == x->n_point && x->n_point < said) json_object_set_new(o, "decimal_comma", json_true()); /* "150", "1.200" pieces; "12.000" beside "0.500" are weights */
    if (type == GLIM_LIB_PRICE && x->n_words) json_object_set_new(o, "words", json_true());
    if (type == GLIM_LIB_BOOL && x->n_x == said) json_object_set_new(o, "ticked", json_true());
    if (type == GLIM_LIB_ENUM && x->n_comma * 2 > said && !x->long_part && x->n_known < PARTS && x->n_known * 2 <= x->n_parts) x->n_list = x->n_comma; /* "Windows, macOS", the same ones again and again */
    if (type == GLIM_LIB_ENUM && x->n_list) json_object_set_new(o, "many", json_true());
    const bool sign = !isalpha((unsigned char)x->unit[0]) && (unsigned char)x->unit[0] < 0x80 && x->unit[0] != '%'; /* the "+" of "12+" is no unit */
    if (type == GLIM_LIB_NUMBER && unit && !sign) json_object_set_new(o, "unit_zh", json_string(x->unit));
    if (comma && (type == GLIM_LIB_NUMBER || type == GLIM_LIB_PRICE)) json_object_set_new(o, "decimal_comma", json_true());
    if (type != GLIM_LIB_NAME && type != GLIM_LIB_ID) say_heading(o, &h, type == GLIM_LIB_NUMBER && !unit);
    if (type == GLIM_LIB_NAME) {
        glim_lang lang = x->n_cjk * 2 > x->n ? GLIM_LANG_ZH : GLIM_LANG_EN;
        if (*name && lang != *name) json_object_set_new(o, "lang", json_string(lang == GLIM_LANG_ZH ? "zh" : "en")); /* of two in one language the first is what it is called */
        if (!*name) *name = lang;
    }
    if (other && about >= 0 && one_of(c->name, names)) json_object_set_new(o, is_cjk_text(what) ? "zh" : "en", json_string(what));
    free(what);
    if (type == GLIM_LIB_PRICE) {
        const char *money = *c->currency ? c->currency : *h.currency || !x->money ? h.currency : x->money;
        bool yuan = (!*money && is_cjk_text(c->name)) || strcmp(money, "¥") == 0 || strcmp(money, "CNY") == 0 || strcmp(money, "RMB") == 0 || strcmp(money, "人民币") == 0;
        const char *per = h.per_en ? "/" : "";
        if (yuan || *money || h.per_en) { /* nobody says what is not known */
            json_object_set_new(o, "unit_zh", json_sprintf("%s%s%s", yuan ? "元" : money, per, h.per_zh ? h.per_zh : ""));
            json_object_set_new(o, "unit_en", json_sprintf("%s%s%s", yuan ? "CNY" : money, per, h.per_en ? h.per_en : ""));
        }
    }
    if (type == GLIM_LIB_ID) *has_id = true;
    glim_heading_deinit(&h);
    return o;
}

/* Is every column of names one of other names: "Botanical name", "学名"? */
static bool only_second_names(const json_t *list) {
    static const char *const second[] = {"botanical", "latin", "scientific", "generic", "alternative", "short name", "学名", "拉丁", "别名", "俗名", "通用名", NULL};
    size_t i;
    json_t *o;
    json_array_foreach((json_t *)list, i, o)
        if (strcmp(json_string_value(json_object_get(o, "type")), "name") == 0 && !one_of(json_string_value(json_object_get(o, "column")), second)) return false;
    return true;
}

/* "2.20" above a column of figures is a product's price and no heading: the first row is one of the goods. */
static glim_status headings(const glim_table_schema *s, const seen *x, glim_err *err) {
    for (size_t c = 0; c < glim_table_schema_n(s); c++) {
        const char *name = glim_table_schema_column(s, c)->name, *sign, *unit;
        double v;
        const bool money = glim_lib_money(name, false, &sign) || glim_lib_money(name, true, &sign), fraction = glim_lib_number(name, &v, &unit) && !*unit && strchr(name, '.');
        if ((!money && !fraction) || x[c].n_cells == 0 || x[c].n_figure != x[c].n_cells) continue;
        glim_status rc = glim_fail(err, GLIM_E_FORMAT, "column %zu has the heading \"%.40s\" above figures: the first row seems to be a product", c + 1, name);
        glim_err_hint(err, "put a row above it that says what the columns are: name, price, ...; or, where they are sizes, their unit: \"0.75 m\"");
        return rc;
    }
    return GLIM_OK;
}

/* Does the heading have one of the words, by itself? */
static bool has_a_word(const char *s, const char *const *words) {
    for (; *words; words++)
        for (const char *p = s; (p = strcasestr(p, *words)) != NULL; p++)
            if ((unsigned char)**words >= 0x80 || ((p == s || !isalpha((unsigned char)p[-1])) && !isalpha((unsigned char)p[strlen(*words)]))) return true;
    return false;
}

/* No column is called a name: one that says what a thing is, else the first one of short texts that differ, else the one with the most values. */
static void call_by(json_t *list, const glim_table_schema *s, const seen *x) {
    static const char *const what[] = {"description", "designation", "product", "item", "article", "model", "vehicle", "plan", "bezeichnung", "artikel", "libellé", "désignation", "descripción", "descrizione", "型号", "车型", "描述", "产品", "商品", "货品", "项目", "套餐", NULL},
                             *const none[] = {"number", "no.", " id", " code", "type", "group", "编号", "货号", "类", "备注", NULL};
    const size_t n = glim_table_schema_n(s);
    size_t best = n, most = 2;
    for (int pass = 0; pass < 3 && best == n; pass++)
        for (size_t c = 0; c < n && (best == n || pass == 2); c++) {
            const glim_column *col = glim_table_schema_column(s, c);
            const json_t *o = json_array_get(list, c);
            const char *type = json_string_value(json_object_get(o, "type"));
            const bool text = strcmp(type, "text") == 0, list_ = strcmp(type, "enum") == 0;
            if ((!text && !list_) || x[c].n == 0 || x[c].bytes / x[c].n > 90) continue;
            if (pass == 0 && has_a_word(col->name, what) && !one_of(col->name, none) && col->n_empty == 0 && x[c].n_letters * 2 > x[c].n_cells && x[c].bytes / x[c].n < 60 && col->n_distinct * 8 >= col->n) best = c;
            if (pass == 1 && text && x[c].n_letters * 2 > x[c].n_cells && col->n_distinct * 2 >= col->n) best = c;
            if (pass == 2 && col->n_empty == 0 && col->n_distinct > most && x[c].n_letters * 2 > x[c].n_cells) best = c, most = col->n_distinct;
        }
    if (best == n) return;
    json_t *o = json_array_get(list, best);
    json_object_set_new(o, "type", json_string("name"));
    json_object_del(o, "en");
    json_object_del(o, "zh");
    json_object_del(o, "many");
}

glim_status glim_lib_guess_table(json_t **out, glim_table *t, glim_err *err) {
    glim_table_row row;
    bool more;
    glim_table_schema *s = NULL;
    seen *x = NULL;
    glim_lib_rows rows = {.t = t};
    *out = NULL;
    glim_status rc = glim_lib_rows_next(&rows, &row, &more, err);
    if (rc == GLIM_OK && !more) rc = glim_fail(err, GLIM_E_FORMAT, "the table is empty: want headings in its first row");
    if (rc == GLIM_OK && row.n > GLIM_LIB_MAX_COLS) rc = glim_fail(err, GLIM_E_LIMIT, "the table has %zu columns, want 1 to %d", row.n, GLIM_LIB_MAX_COLS);
    if (rc == GLIM_OK) rc = glim_table_schema_new(&s, &row, err);
    if (rc == GLIM_OK) x = glim_xcalloc(glim_table_schema_n(s), sizeof *x);
    for (size_t n = 0; rc == GLIM_OK; n++) {
        rc = glim_lib_rows_next(&rows, &row, &more, err);
        if (rc != GLIM_OK || !more) break;
        rc = glim_table_schema_see(s, &row, err); /* every row: a guess holds for all of them */
        for (size_t c = 0; rc == GLIM_OK && c < row.n && c < glim_table_schema_n(s); c++)
            if (row.cell[c].n) {
                if (n < SAMPLE || x[c].unit_fits) look(&x[c], &row.cell[c]);
                count(&x[c], &row.cell[c]);
            }
    }
    if (rc == GLIM_OK) {
        rc = headings(s, x, err);
    }
    if (rc == GLIM_OK) {
        glim_table_schema_guess(s);
        json_t *list = json_array();
        bool has_id = false, has_name;
        glim_lang name = GLIM_LANG_ANY;
        size_t n = glim_table_schema_n(s);
        for (size_t c = 0; c < n; c++) {
            const glim_column *col = glim_table_schema_column(s, c);
            json_array_append_new(list, column(col, &x[c], &has_id, &name));
        }
        has_name = name != GLIM_LANG_ANY && !only_second_names(list);
        if (!has_name) call_by(list, s, x);
        *out = json_pack("{s:o}", "columns", list);
        if (!*out) rc = glim_fail(err, GLIM_E_NOMEM, "could not allocate a schema");
    }
    free(x);
    glim_lib_rows_deinit(&rows);
    glim_table_schema_free(s);
    return rc;
}

/* "bikes" of "our-bikes-2024.csv": what a file of goods is called says what its rows are. */
static void goods_of(json_t *schema, const char *name) {
    static const char *const none[] = {"products", "items", "goods", "prices", "files", "tables", "sheets", "lists", "samples", "tests", "sales", "stocks", "articles", "details", "columns", "words", "values", "rows", "names", "business", "news"};
    const char *base = strrchr(name, '/');
    base = base ? base + 1 : name;
    json_t *list = json_array();
    for (const char *p = base; *p && *p != '.';) {
        char w[32];
        size_t n = 0, from = strcspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.");
        p += from;
        for (; isalpha((unsigned char)p[n]); n++)
            if (n + 1 < sizeof w) w[n] = (char)tolower((unsigned char)p[n]);
        w[n < sizeof w ? n : sizeof w - 1] = 0;
        bool plain = n > 3 && n < sizeof w && w[n - 1] == 's' && !strchr("su", w[n - 2]); /* a plural */
        for (size_t i = 0; i < GLIM_COUNT(none); i++) plain &= strcmp(w, none[i]) != 0;
        if (plain) json_array_append_new(list, json_string(w));
        p += n;
    }
    if (json_array_size(list)) json_object_set_new(schema, "goods", list);
    else json_decref(list);
}

glim_status glim_lib_guess(json_t **out, const char *path, glim_err *err) {
    glim_table *t;
    *out = NULL;
    glim_status rc = glim_table_open(&t, path, &glim_lib_table, err);
    if (rc != GLIM_OK) return rc;
    rc = glim_lib_guess_table(out, t, err);
    if (rc == GLIM_OK) goods_of(*out, path);
    glim_table_close(t);
    return rc;
}

glim_status glim_lib_guess_bytes(json_t **out, const char *name, const void *bytes, size_t n, glim_err *err) {
    glim_table *t;
    *out = NULL;
    glim_status rc = glim_table_parse(&t, name, bytes, n, &glim_lib_table, err);
    if (rc != GLIM_OK) return rc;
    rc = glim_lib_guess_table(out, t, err);
    if (rc == GLIM_OK) goods_of(*out, name);
    glim_table_close(t);
    return rc;
}
