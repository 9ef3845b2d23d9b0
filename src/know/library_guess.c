/* library_guess.c - the schema that a table seems to have. A person reads it and corrects it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "data/table_schema.h"
#include "know/filter_words.h"
#include "know/library_internal.h"
#include "know/terms.h"

enum { SAMPLE = 5000 };

/* What the general schema does not see: a number with its unit in every cell, several values in one cell, names. */
typedef struct seen {
    char unit[24];
    bool unit_fits, any, stock_words;
    size_t n, n_list, n_cjk;
    size_t bytes;
} seen;

static bool in_list(const char *s) {
    return strstr(s, "、") || strchr(s, '/') || strchr(s, ';') || strchr(s, '|');
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

static void look(seen *x, const glim_cell *v) {
    double d;
    const char *unit;
    static const char *const words[] = {"有货", "缺货", "现货", "无货", "in stock", "out of stock", NULL};
    if (v->n == 0) return;
    bool number = glim_lib_number(v->text, &d, &unit) && *unit && strlen(unit) < sizeof x->unit && !strpbrk(unit, "0123456789");
    if (!x->any && number) memcpy(x->unit, unit, strlen(unit) + 1);
    x->unit_fits = (x->any ? x->unit_fits : true) && number && strcmp(unit, x->unit) == 0;
    x->stock_words = (x->any ? x->stock_words : true) && one_of(v->text, words) && v->n < 24;
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

/* name: the language of the column of names so far, 0 none. */
static json_t *column(const glim_column *c, const seen *x, bool *has_id, glim_lang *name) {
    static const char *const names[] = {"name", "title", "名称", "品名", "商品名", "名字", "菜名", "产品名", "房型", "英文名", "菜品", NULL};
    static const char *const stock[] = {"stock", "库存", "存货", "inventory", "qty", "余量", "剩余", NULL};
    /* Names of other things than the product. */
    static const char *const others[] = {"brand", "category", "supplier", "vendor", "manufacturer", "store", "warehouse", "colour", "color", "series", "user", "customer", "file", "unit", "subtitle",
                                         "品牌", "牌子", "类别", "品类", "分类", "类目", "类型", "供应商", "厂家", "厂商", "制造商", "门店", "店铺", "仓库", "颜色", "系列", "客户", "用户", "联系人", "文件", "单位", "规格", NULL};
    json_t *o = json_object();
    glim_lib_type type = GLIM_LIB_TEXT;
    bool other = one_of(c->name, others), is_name = one_of(c->name, names) && !other && c->type != GLIM_COLUMN_NUMBER && c->type != GLIM_COLUMN_MONEY;
    json_object_set_new(o, "column", json_string(c->name));
    switch (c->type) {
    case GLIM_COLUMN_IDENTIFIER: type = *has_id ? GLIM_LIB_TEXT : GLIM_LIB_ID; break;
    case GLIM_COLUMN_MONEY: type = GLIM_LIB_PRICE; break;
    case GLIM_COLUMN_NUMBER: type = one_of(c->name, stock) ? GLIM_LIB_STOCK : GLIM_LIB_NUMBER; break;
    case GLIM_COLUMN_BOOLEAN: type = one_of(c->name, stock) ? GLIM_LIB_STOCK : GLIM_LIB_BOOL; break;
    case GLIM_COLUMN_DATE: type = GLIM_LIB_DATE; break;
    case GLIM_COLUMN_CATEGORY: type = GLIM_LIB_ENUM; break;
    default: break;
    }
    /* What is a closed list in every business, however few rows there are. */
    char *what = subject(c->name);
    int about = glim_concept_of(what);
    bool closed = about == GLIM_CONCEPT_KIND || about == GLIM_CONCEPT_BRAND || about == GLIM_CONCEPT_COLOUR || about == GLIM_CONCEPT_SPICY || about == GLIM_CONCEPT_BED;
    bool texts = c->type == GLIM_COLUMN_TEXT || c->type == GLIM_COLUMN_CATEGORY;
    /* "5000mAh" looks like a code as well; behind the column of ids it is a number. */
    bool unit = (texts || (c->type == GLIM_COLUMN_IDENTIFIER && *has_id)) && x->any && x->unit_fits && x->n > 1;
    if (texts && x->any && x->stock_words) type = GLIM_LIB_STOCK;
    else if (unit) type = GLIM_LIB_NUMBER;
    else if (texts && is_name) type = GLIM_LIB_NAME;
    else if (texts && closed && c->n_distinct <= 200 && x->bytes / (x->n ? x->n : 1) < 60) type = GLIM_LIB_ENUM;
    else if (c->type == GLIM_COLUMN_TEXT && x->n > 3 && x->n_list * 2 > x->n && x->bytes / x->n < 60) type = GLIM_LIB_ENUM;
    json_object_set_new(o, "type", json_string(glim_lib_type_name(type)));
    if (type == GLIM_LIB_ENUM && x->n_list) json_object_set_new(o, "many", json_true());
    if (type == GLIM_LIB_NUMBER && unit) json_object_set_new(o, "unit_zh", json_string(x->unit));
    if (type == GLIM_LIB_NAME) {
        glim_lang lang = x->n_cjk * 2 > x->n ? GLIM_LANG_ZH : GLIM_LANG_EN;
        if (*name && lang != *name) json_object_set_new(o, "lang", json_string(lang == GLIM_LANG_ZH ? "zh" : "en")); /* of two in one language the first is what it is called */
        if (!*name) *name = lang;
    }
    if (other && about >= 0 && one_of(c->name, names)) json_object_set_new(o, is_cjk_text(what) ? "zh" : "en", json_string(what));
    free(what);
    if (type == GLIM_LIB_PRICE) {
        bool yuan = !*c->currency || strcmp(c->currency, "¥") == 0 || strcmp(c->currency, "CNY") == 0 || strcmp(c->currency, "RMB") == 0 || strcmp(c->currency, "人民币") == 0;
        json_object_set_new(o, "unit_zh", json_string(yuan ? "元" : c->currency));
        json_object_set_new(o, "unit_en", json_string(yuan ? "CNY" : c->currency));
    }
    if (type == GLIM_LIB_ID) *has_id = true;
    return o;
}

glim_status glim_lib_guess_table(json_t **out, glim_table *t, glim_err *err) {
    glim_table_row row;
    bool more;
    glim_table_schema *s = NULL;
    seen *x = NULL;
    *out = NULL;
    glim_status rc = glim_table_next(t, &row, &more, err);
    if (rc == GLIM_OK && !more) rc = glim_fail(err, GLIM_E_FORMAT, "the table is empty: want headings in its first row");
    if (rc == GLIM_OK && row.n > GLIM_LIB_MAX_COLS) rc = glim_fail(err, GLIM_E_LIMIT, "the table has %zu columns, want 1 to %d", row.n, GLIM_LIB_MAX_COLS);
    if (rc == GLIM_OK) rc = glim_table_schema_new(&s, &row, err);
    if (rc == GLIM_OK) x = glim_xcalloc(glim_table_schema_n(s), sizeof *x);
    for (size_t n = 0; rc == GLIM_OK; n++) {
        rc = glim_table_next(t, &row, &more, err);
        if (rc != GLIM_OK || !more) break;
        rc = glim_table_schema_see(s, &row, err); /* every row: a guess holds for all of them */
        for (size_t c = 0; rc == GLIM_OK && c < row.n && c < glim_table_schema_n(s); c++)
            if (n < SAMPLE || x[c].unit_fits) look(&x[c], &row.cell[c]);
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
        has_name = name != GLIM_LANG_ANY;
        for (size_t c = 0; c < n && !has_name; c++) { /* no column is called a name: the first one of short texts that differ */
            const glim_column *col = glim_table_schema_column(s, c);
            json_t *o = json_array_get(list, c);
            const char *type = json_string_value(json_object_get(o, "type"));
            if (strcmp(type, "text") != 0 || x[c].n == 0 || x[c].bytes / x[c].n > 90 || col->n_distinct * 2 < col->n) continue;
            json_object_set_new(o, "type", json_string("name"));
            has_name = true;
        }
        *out = json_pack("{s:o}", "columns", list);
        if (!*out) rc = glim_fail(err, GLIM_E_NOMEM, "could not allocate a schema");
    }
    free(x);
    glim_table_schema_free(s);
    return rc;
}

glim_status glim_lib_guess(json_t **out, const char *path, glim_err *err) {
    glim_table *t;
    *out = NULL;
    glim_status rc = glim_table_open(&t, path, NULL, err);
    if (rc != GLIM_OK) return rc;
    rc = glim_lib_guess_table(out, t, err);
    glim_table_close(t);
    return rc;
}

glim_status glim_lib_guess_bytes(json_t **out, const char *name, const void *bytes, size_t n, glim_err *err) {
    glim_table *t;
    *out = NULL;
    glim_status rc = glim_table_parse(&t, name, bytes, n, NULL, err);
    if (rc != GLIM_OK) return rc;
    rc = glim_lib_guess_table(out, t, err);
    glim_table_close(t);
    return rc;
}
