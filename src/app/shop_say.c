/* shop_say.c - rows to sentences, without a language model. Every sentence that states something of a row ends in its id. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "app/shop_internal.h"
#include "base/utf8.h"
#include "know/filter_words.h"

const char *glim_say_refusal(bool zh) { return zh ? "资料库里没有这个信息。" : "This is not in the library."; }

static void cite(glim_buf *out, const glim_lib *l, uint32_t row, bool zh) {
    char id[GLIM_LIB_ID_MAX + 1];
    glim_lib_row_id(l, row, id);
    glim_buf_printf(out, zh ? "[%s]" : " [%s]", id);
}

/* Says the cell by which the row is another than `other`, if it is one of these: " (Hardcover)". */
static bool say_apart(glim_buf *out, const glim_lib *l, uint32_t row, uint32_t other, size_t c, bool zh) {
    if (!*glim_lib_cell(l, row, c) || strcmp(glim_lib_cell(l, row, c), glim_lib_cell(l, other, c)) == 0) return false;
    glim_buf_puts(out, zh ? "（" : " (");
    glim_lib_show(out, l, row, c, zh);
    glim_buf_puts(out, zh ? "）" : ")");
    return true;
}

/* The next row from `from` on that is called as this one is, or UINT32_MAX. */
static uint32_t namesake(const glim_lib *l, uint32_t row, bool zh, uint32_t from) {
    const char *name = glim_lib_row_name(l, row, zh);
    for (uint32_t r = *name ? from : l->n_rows; r < l->n_rows; r++)
        if (r != row && strcmp(glim_lib_row_name(l, r, zh), name) == 0) return r;
    return UINT32_MAX;
}

/* What the row is called, with what sets it apart from others of that name in the same answer, or in the whole library: "Emma
 * (Hardcover)". What the question says of it goes first. */
static void call(glim_buf *out, const glim_lib *l, const glim_filter *f, uint32_t row, const uint32_t *among, size_t n, bool in_all) {
    const char *name = glim_lib_row_name(l, row, f->zh);
    uint32_t other = UINT32_MAX;
    glim_buf_puts(out, name);
    for (size_t i = 0; i < n && other == UINT32_MAX; i++)
        if (among[i] != row && strcmp(glim_lib_row_name(l, among[i], f->zh), name) == 0) other = among[i];
    if (other == UINT32_MAX && in_all) other = namesake(l, row, f->zh, 0);
    if (other == UINT32_MAX) return;
    for (size_t k = 0; k < f->n_cond; k++)
        if (f->cond[k].op == GLIM_COND_IS && glim_cond_holds(l, &f->cond[k], row) && say_apart(out, l, row, other, (size_t)f->cond[k].col, f->zh)) return;
    for (int pass = 0; pass < 2; pass++)
        for (size_t c = 0; c < l->n_col; c++) {
            const glim_lib_type t = l->col[c].type;
            if ((pass ? t == GLIM_LIB_NUMBER || t == GLIM_LIB_TEXT || t == GLIM_LIB_DATE : t == GLIM_LIB_ENUM) && say_apart(out, l, row, other, c, f->zh)) return;
        }
}

/* Was the row chosen by the condition, where others have its name? Then it is not what is asked of it. */
static bool chosen_by(const glim_lib *l, const glim_cond *c, uint32_t row, bool zh) {
    if (c->op != GLIM_COND_IS || !glim_cond_holds(l, c, row)) return false;
    for (uint32_t r = namesake(l, row, zh, 0); r != UINT32_MAX; r = namesake(l, row, zh, r + 1))
        if (!glim_cond_holds(l, c, r)) return true;
    return false;
}

/* Is the value part of what the row is called? Then nobody asks whether it is so. */
static bool in_the_name(const glim_lib *l, const glim_cond *c, uint32_t row, bool zh) {
    if (c->op != GLIM_COND_IS || !glim_cond_holds(l, c, row)) return false;
    const glim_lib_value *v = &l->col[c->col].value[c->value];
    for (size_t a = 0; a < v->n_alias; a++) {
        char one[64]; /* "Loaders" of a "Wheel loader" */
        const size_t n = strlen(v->alias[a]);
        const bool plural = n > 4 && n < sizeof one && v->alias[a][n - 1] == 's' && v->alias[a][n - 2] != 's';
        snprintf(one, sizeof one, "%.*s", (int)(plural ? n - 1 : 0), v->alias[a]);
        if (strcasestr(glim_lib_row_name(l, row, zh), v->alias[a]) || (plural && strcasestr(glim_lib_row_name(l, row, zh), one))) return true;
    }
    return strcasestr(glim_lib_row_name(l, row, zh), v->text) != NULL;
}

bool glim_say_named_so(const glim_lib *l, const glim_cond *c, uint32_t row, bool zh) { return in_the_name(l, c, row, zh); }

void glim_say_fits_none(glim_buf *out, const glim_shop *s, const glim_filter *f, const char *words) {
    glim_buf said = {0};
    glim_buf_puts(&said, words);
    glim_shop_trim(&said);
    glim_buf_printf(out, f->zh ? "资料库里没有符合这些条件的商品：%s；" : "Nothing in the library fits: %s; ", glim_buf_cstr(&said));
    glim_buf_free(&said);
    glim_filter plain = *f; /* an order says nothing of what is not there */
    plain.sort = -1, plain.count = plain.mean = false;
    glim_filter_show(out, s->lib, &plain);
    glim_buf_puts(out, f->zh ? "。" : ".");
}

static void space(glim_buf *out, bool zh) {
    if (!zh && out->len && out->s[out->len - 1] != ' ' && out->s[out->len - 1] != '\n') glim_buf_putc(out, ' ');
}

/* "places" of "Places left", or NULL. */
static const char *left_of(const glim_lib_col *c) {
    const size_t n = strlen(c->en);
    return n > 5 && strcmp(c->en + n - 5, " left") == 0 ? c->en : NULL;
}

/* Is a column of yes and no called by what can be had, "早餐", "wireless charging"? Others say how something is: "含咖啡因", "organic". */
static bool noun(const char *what, bool zh) {
    static const char *const verbs[] = {"含", "可", "能", "有", "支持", "耐", "需", "无", "是否", "带", "适合", "不", "防", "阻燃", "环保"}, *const ends[] = {"ic", "al", "able", "ible", "ous", "hardy", "free", "proof", "resistant", "ed", "friendly", "vegan", "vegetarian", "hy", "ly", "halal", "kosher"};
    if (zh) {
        for (size_t i = 0; i < GLIM_COUNT(verbs); i++)
            if (strncmp(what, verbs[i], strlen(verbs[i])) == 0) return false;
        return true;
    }
    static const char *const whole[] = {"online", "safe", "waterproof", "new", "used"}, *const behind[] = {" to ", " for ", " in ", " with "};
    const size_t all = strlen(what);
    for (size_t i = 0; i < GLIM_COUNT(whole); i++)
        if (strcasecmp(what, whole[i]) == 0) return false;
    for (size_t i = 0; i < GLIM_COUNT(ends); i++)
        if (all > strlen(ends[i]) && strcasecmp(what + all - strlen(ends[i]), ends[i]) == 0) return false;
    for (size_t k = 0; k < GLIM_COUNT(behind); k++) { /* "toxic to cats", "suitable for children" */
        const char *p = strstr(what, behind[k]);
        for (size_t i = 0; p && i < GLIM_COUNT(ends); i++)
            if ((size_t)(p - what) > strlen(ends[i]) && strncasecmp(p - strlen(ends[i]), ends[i], strlen(ends[i])) == 0) return false;
    }
    return true;
}

/* A column of yes and no that is called by a verb, "contains pork", "is spicy": that it is so, or "does not contain pork". False: by none. */
static bool say_verb(glim_buf *out, const char *what, bool yes) {
    static const struct {
        const char *so, *not_so;
    } verbs[] = {{"contains ", "does not contain "}, {"has ", "does not have "}, {"includes ", "does not include "}, {"needs ", "does not need "}, {"requires ", "does not require "},
                 {"supports ", "does not support "}, {"allows ", "does not allow "}, {"accepts ", "does not accept "}, {"offers ", "does not offer "}, {"uses ", "does not use "}, {"comes ", "does not come "},
                 {"fits ", "does not fit "}, {"works ", "does not work "}, {"ships ", "does not ship "}, {"is ", "is not "}, {"are ", "are not "}, {"was ", "was not "}, {"can ", "cannot "}, {"may ", "may not "}};
    for (size_t i = 0; i < GLIM_COUNT(verbs); i++) {
        const size_t n = strlen(verbs[i].so);
        if (strncasecmp(what, verbs[i].so, n) != 0) continue;
        glim_buf_puts(out, yes ? verbs[i].so : verbs[i].not_so);
        glim_buf_puts(out, what + n);
        return true;
    }
    return false;
}

/* "是的，铁观音含咖啡因", "Yes, the Rioja is organic: ...". */
static void say_bool(glim_buf *out, const char *name, const char *what, bool yes, bool zh) {
    const size_t n = strlen(what);
    if (!zh) {
        const bool needed = strchr(what, ' ') || (n > 9 && strcmp(what + n - 9, " required") == 0) || (n > 7 && strcmp(what + n - 7, " needed") == 0);
        if (needed) glim_buf_printf(out, yes ? "Yes: %s, %s" : "No: %s, %s: no", name, what);
        else glim_buf_printf(out, yes ? "Yes, %s is %s" : "No, %s is not %s", name, what);
        return;
    }
    if (strncmp(what, "是否", 6) == 0) {
        static const char *const verbs[] = {"需", "要", "可", "能", "会", "支持", "含", "包", "带", "适", "允许", "提供", "接受", "防", "耐"};
        bool verb = false;
        for (size_t i = 0; i < GLIM_COUNT(verbs); i++) verb |= strncmp(what + 6, verbs[i], strlen(verbs[i])) == 0;
        if (!verb) { /* nobody says "不医保" and "没有机" */
            glim_buf_printf(out, yes ? "是的，%s的“%s”是“是”" : "不，%s的“%s”是“否”", name, what);
            return;
        }
        what += 6;
    }
    if (yes) glim_buf_printf(out, "是的，%s%s", name, what);
    else if (strncmp(what, "有", 3) == 0) glim_buf_printf(out, "不，%s没%s", name, what);
    else if (strncmp(what, "无", 3) == 0 || strncmp(what, "不", 3) == 0) glim_buf_printf(out, "不是，%s并非%s", name, what);
    else glim_buf_printf(out, "不，%s不%s", name, what);
}

/* "预订", "on order": not there, but not gone. */
static bool is_coming(const glim_lib *l, uint32_t row, size_t col) {
    static const char *const words[] = {"预订", "预售", "order"};
    const char *cell = glim_lib_cell(l, row, col);
    if (strcasestr(cell, "out of")) return false;
    for (size_t i = 0; i < GLIM_COUNT(words); i++)
        if (strcasestr(cell, words[i])) return true;
    return false;
}

/* "库存36件", "in stock (36)". */
static void say_stock(glim_buf *out, const glim_lib *l, uint32_t row, size_t col, bool zh) {
    double v = l->col[col].number[row];
    const char *unit = zh && l->col[col].unit_zh ? l->col[col].unit_zh : "", *places = zh ? NULL : left_of(&l->col[col]);
    if (places && strspn(glim_lib_cell(l, row, col), "0123456789") == strlen(glim_lib_cell(l, row, col))) {
        if (v > 0) glim_buf_printf(out, "%.0f %s", v, places);
        else glim_buf_printf(out, "no %s", places);
    }
    else if (!(v > 0)) {
        glim_buf_puts(out, zh ? "目前没有货" : "not in stock at the moment");
        if (is_coming(l, row, col)) glim_buf_printf(out, zh ? "（%s）" : " (%s)", glim_lib_cell(l, row, col));
    }
    else if (v == floor(v) && strspn(glim_lib_cell(l, row, col), "0123456789.,") == strlen(glim_lib_cell(l, row, col)))
        glim_buf_printf(out, zh ? "有货，还有%.0f%s" : "in stock (%.0f left)", v, unit);
    else glim_buf_puts(out, zh ? "有货" : "in stock");
}

/* One column of one row as a whole sentence without its full stop. */
static void say_cell(glim_buf *out, const glim_lib *l, uint32_t row, size_t c, bool zh, const char *name) {
    const glim_lib_col *col = &l->col[c];
    const char *what = glim_lib_col_name(col, zh);
    bool had = col->type == GLIM_LIB_BOOL || col->concept == GLIM_CONCEPT_WARM_CHARGE || col->concept == GLIM_CONCEPT_WATER;
    glim_buf verb = {0};
    if (col->type == GLIM_LIB_STOCK) {
        glim_buf_printf(out, zh ? "%s" : left_of(col) ? "%s: " : "%s is ", name);
        say_stock(out, l, row, c, zh);
    } else if (col->type == GLIM_LIB_BOOL && say_verb(&verb, what, glim_lib_has(l, row, c))) {
        const bool yes = glim_lib_has(l, row, c);
        glim_buf_printf(out, zh ? (yes ? "是的，%s：%s" : "不是，%s：%s") : yes ? "Yes, %s %s" : "No, %s %s", name, glim_buf_cstr(&verb));
    } else if (col->type == GLIM_LIB_BOOL && !noun(what, zh)) {
        say_bool(out, name, what, glim_lib_has(l, row, c), zh);
    } else if (had && !glim_lib_has(l, row, c)) {
        glim_buf_printf(out, zh ? "不支持：%s没有%s" : "No: %s has no %s", name, what);
    } else if (had) {
        glim_buf_printf(out, zh ? "支持：%s的%s" : "Yes: %s, %s", name, what);
        if (col->type != GLIM_LIB_BOOL) {
            glim_buf_puts(out, zh ? "为" : ": ");
            glim_lib_show(out, l, row, c, zh);
        } else {
            glim_buf_puts(out, zh ? "有" : "");
        }
    } else if (!zh && col->type == GLIM_LIB_PRICE && col->number && isnan(col->number[row])) { /* "call us" */
        glim_buf_printf(out, "%s: %s ", name, what);
        glim_lib_show(out, l, row, c, zh);
    } else {
        const size_t len = strlen(what);
        const bool many = !zh && len > 3 && what[len - 1] == 's' && what[len - 2] != 's' && (unsigned char)what[0] < 0x80 && col->concept != GLIM_CONCEPT_SPICY && strcmp(what, "serves") != 0;
        glim_buf_printf(out, zh ? "%s的%s是" : many ? "%s: %s " : "%s: the %s is ", name, what);
        glim_lib_show(out, l, row, c, zh);
    }
    glim_buf_free(&verb);
}

/* Does the row satisfy one condition? As a sentence. */
static void say_cond(glim_buf *out, const glim_lib *l, uint32_t row, const glim_filter *f, const glim_cond *c, const char *name) {
    const glim_lib_col *col = &l->col[c->col];
    bool zh = f->zh, holds = glim_cond_holds(l, c, row);
    if (col->type == GLIM_LIB_STOCK) {
        glim_buf_printf(out, zh ? "%s" : left_of(col) ? "%s: " : "%s is ", name);
        say_stock(out, l, row, (size_t)c->col, zh);
        return;
    }
    if (c->op == GLIM_COND_IS || c->op == GLIM_COND_IS_NOT) {
        const glim_lib_value *v = &col->value[c->value];
        bool is = holds == (c->op == GLIM_COND_IS);
        /* "Is it peanut free?" is never answered with a yes that means peanuts. */
        const char *en = c->op == GLIM_COND_IS_NOT ? (is ? "With" : "Without") : is ? "Yes," : "No, not";
        const bool parts = col->many || col->concept == GLIM_CONCEPT_COLOUR || c->op == GLIM_COND_IS_NOT;
        if (zh && parts) glim_buf_printf(out, is ? "有%s：" : "没有%s：", v->text);
        else if (zh) glim_buf_printf(out, is ? "是的，" : "不是%s，", v->text);
        else glim_buf_printf(out, "%s %s: ", en, v->en ? v->en : v->text);
    } else {
        glim_buf_puts(out, zh ? (holds ? "是的，" : "不是，") : holds ? "Yes, " : "No, ");
    }
    glim_buf_printf(out, zh ? "%s的%s是" : "%s, %s ", name, glim_lib_col_name(col, zh));
    glim_lib_show(out, l, row, (size_t)c->col, zh);
}

static bool empty(const glim_lib *l, uint32_t row, int col) { return !*glim_lib_cell(l, row, (size_t)col); }

static void say_summary(glim_buf *out, const glim_lib *l, uint32_t row, bool zh, const char *name) {
    static const glim_lib_type order[] = {GLIM_LIB_PRICE, GLIM_LIB_STOCK, GLIM_LIB_ENUM, GLIM_LIB_NUMBER};
    size_t n = 0, stock = 0;
    glim_buf_printf(out, zh ? "%s：" : "%s: ", name);
    for (size_t k = 0; k < GLIM_COUNT(order); k++)
        for (size_t c = 0; c < l->n_col && n < 5; c++) {
            if (l->col[c].type != order[k] || l->col[c].part_of || empty(l, row, (int)c) || !glim_lib_col_speaks(l, c, zh)) continue;
            if (l->col[c].concept == GLIM_CONCEPT_KIND || l->col[c].concept == GLIM_CONCEPT_BRAND) continue;
            if (order[k] == GLIM_LIB_STOCK && stock++) continue; /* "available" and "pieces" say one thing */
            if (n++) glim_buf_puts(out, zh ? "，" : ", ");
            if (order[k] == GLIM_LIB_STOCK) say_stock(out, l, row, c, zh);
            else {
                glim_buf_printf(out, zh ? "%s" : "%s ", glim_lib_col_name(&l->col[c], zh));
                glim_lib_show(out, l, row, c, zh);
            }
        }
    for (size_t c = 0; c < l->n_col; c++)
        if (l->col[c].type == GLIM_LIB_TEXT && l->col[c].concept == GLIM_CONCEPT_DESCRIPTION && glim_lib_col_speaks(l, c, zh) && !empty(l, row, (int)c)) {
            glim_buf_puts(out, zh ? "。" : ". ");
            glim_lib_show(out, l, row, c, zh);
            return;
        }
}

/* Ends the sentence unless its text already does. */
static void stop(glim_buf *out, bool zh) {
    size_t n = out->len;
    while (n && out->s[n - 1] == ' ') out->len = --n;
    if (out->s) out->s[n] = 0;
    bool ended = n && (strchr(".!?", out->s[n - 1]) || (n >= 3 && (memcmp(out->s + n - 3, "。", 3) == 0 || memcmp(out->s + n - 3, "！", 3) == 0)));
    if (!ended) glim_buf_puts(out, zh ? "。" : ".");
}

/* Of a range's two bounds one is said: the lower where it fails, else the upper. */
static bool said_by_other_bound(const glim_lib *l, const glim_filter *f, size_t k, uint32_t row) {
    const glim_cond *c = &f->cond[k], *next = k + 1 < f->n_cond ? c + 1 : NULL, *last = k ? c - 1 : NULL;
    if (c->op == GLIM_COND_GE && next && next->col == c->col && next->op == GLIM_COND_LE) return c->about || glim_cond_holds(l, c, row);
    return c->op == GLIM_COND_LE && last && last->col == c->col && last->op == GLIM_COND_GE && !c->about && !glim_cond_holds(l, last, row);
}

/* A no that the row's own words have more to say of: "可做素版，请备注" behind "没有素食". */
static void say_after_all(glim_buf *out, const glim_lib *l, uint32_t row, size_t asked, bool zh) {
    const glim_lib_col *a = &l->col[asked];
    for (size_t c = 0; c < l->n_col; c++) {
        const char *text = glim_lib_cell(l, row, c);
        if (l->col[c].type != GLIM_LIB_TEXT || l->col[c].concept != GLIM_CONCEPT_DESCRIPTION || !glim_lib_col_speaks(l, c, zh)) continue;
        char root[4] = ""; /* "素" of 素食 */
        if ((unsigned char)a->zh[0] >= 0xe3) snprintf(root, sizeof root, "%.3s", a->zh);
        for (size_t i = 0; i < a->n_alias; i++) {
            if ((strlen(a->alias[i]) < 3 || !strcasestr(text, a->alias[i])) && !(*root && strstr(text, root))) continue;
            space(out, zh);
            glim_lib_show(out, l, row, c, zh);
            stop(out, zh);
            return;
        }
    }
}

static bool of_what_it_is(const glim_lib *l, const glim_cond *c) { return l->col[c->col].concept == GLIM_CONCEPT_KIND || l->col[c->col].concept == GLIM_CONCEPT_BRAND; }

bool glim_say_asks_kind(const glim_lib *l, const glim_filter *f) {
    bool all = f->whether && f->n_cond && f->n_ask == 0 && f->sort < 0;
    for (size_t k = 0; k < f->n_cond; k++) all &= of_what_it_is(l, &f->cond[k]);
    return all;
}

/* Is it "red or blue", where a row has one value only? */
static bool or_another(const glim_lib *l, const glim_filter *f, size_t k) {
    const glim_cond *c = &f->cond[k];
    for (size_t i = 0; i < f->n_cond && c->op == GLIM_COND_IS && !l->col[c->col].many; i++)
        if (i != k && f->cond[i].op == GLIM_COND_IS && f->cond[i].col == c->col) return true;
    return false;
}

/* Is the condition said of the row, as a sentence of its own? */
static bool answers(const glim_lib *l, const glim_filter *f, size_t k, uint32_t row) {
    const glim_cond *c = &f->cond[k];
    bool asked = empty(l, row, c->col) || c->op == GLIM_COND_HAS || c->op == GLIM_COND_HAS_NOT;
    for (size_t a = 0; a < f->n_ask; a++) asked |= f->ask[a] == c->col;
    const bool what = of_what_it_is(l, c) && !glim_say_asks_kind(l, f); /* part of how the product is called */
    if (asked || what || in_the_name(l, c, row, f->zh)) return false;
    if (!f->yes_no && f->n_ask && (c->about || (c->op == GLIM_COND_IS && strcasestr(glim_lib_row_name(l, row, f->zh), l->col[c->col].value[c->value].text)))) return false; /* a thousand of it; "A5" of what is called so */
    if (!f->yes_no && f->n_ask && c->op != GLIM_COND_IS_NOT && glim_cond_holds(l, c, row)) return false; /* "the price of the M5x40 in steel": said of it, not asked */
    return !said_by_other_bound(l, f, k, row);
}

static bool say_rows(glim_buf *out, const glim_lib *l, const glim_filter *f, const uint32_t *row, size_t n, const char *rest) {
    bool said = false;
    glim_buf called = {0};
    for (size_t i = 0; i < n; i++) {
        size_t n_said = 0;
        glim_buf_clear(&called);
        call(&called, l, f, row[i], row, n, true);
        const char *name = glim_buf_cstr(&called);
        for (size_t k = 0; k < f->n_ask; k++) {
            if (empty(l, row[i], f->ask[k])) continue;
            space(out, f->zh);
            say_cell(out, l, row[i], (size_t)f->ask[k], f->zh, name);
            stop(out, f->zh);
            if (l->col[f->ask[k]].type == GLIM_LIB_BOOL && !glim_lib_has(l, row[i], (size_t)f->ask[k])) say_after_all(out, l, row[i], (size_t)f->ask[k], f->zh);
            cite(out, l, row[i], f->zh);
            n_said++;
        }
        bool chosen[GLIM_FILTER_CONDS], more = f->n_ask > 0; /* "is there a paperback of Emma in stock": which one it is about, and what is asked of it */
        for (size_t k = 0; k < f->n_cond; k++) {
            chosen[k] = answers(l, f, k, row[i]) && chosen_by(l, &f->cond[k], row[i], f->zh);
            more |= !chosen[k] && answers(l, f, k, row[i]);
        }
        int either = -1; /* the column of "red or blue", said already */
        for (size_t k = 0; k < f->n_cond; k++) {
            const glim_cond *c = &f->cond[k];
            if (!answers(l, f, k, row[i])) continue;
            if (chosen[k] && more) continue;
            const bool other = n == 1 && or_another(l, f, k);
            if (other && either == c->col) continue;
            if (other) either = c->col;
            space(out, f->zh);
            if (c->about || other) say_cell(out, l, row[i], (size_t)c->col, f->zh, name); /* "是1999元吧", "red or blue": what it is, neither yes nor no */
            else say_cond(out, l, row[i], f, c, name);
            stop(out, f->zh);
            cite(out, l, row[i], f->zh);
            n_said++;
        }
        bool unknown = f->n_ask > 0; /* the cell is empty */
        for (size_t k = 0; k < f->n_cond; k++) unknown |= f->yes_no && l->col[f->cond[k].col].type == GLIM_LIB_STOCK && empty(l, row[i], f->cond[k].col);
        for (size_t k = 0; k < f->n_cond; k++) unknown |= f->cond[k].op == GLIM_COND_SPANS && empty(l, row[i], f->cond[k].col);
        if (n_said == 0 && unknown) continue;
        if (n_said == 0 && rest && *rest) {    /* a sentence of the row's own prose */
            space(out, f->zh);
            glim_buf_printf(out, f->zh ? "%s：%s" : "%s: %s", name, rest);
            stop(out, f->zh);
            cite(out, l, row[i], f->zh);
        } else if (n_said == 0) {
            space(out, f->zh);
            say_summary(out, l, row[i], f->zh, name);
            stop(out, f->zh);
            cite(out, l, row[i], f->zh);
        }
        said = true;
    }
    glim_buf_free(&called);
    return said;
}

/* "澜星 L9 手机，2999元" */
static void say_item(glim_buf *out, const glim_lib *l, const glim_filter *f, uint32_t row, const uint32_t *among, size_t n_among) {
    call(out, l, f, row, among, n_among, false);
    bool done[GLIM_LIB_MAX_COLS] = {0};
    int cols[2 + GLIM_FILTER_ASKS + GLIM_FILTER_CONDS];
    size_t n = 0;
    if (f->sort >= 0) cols[n++] = f->sort;
    for (size_t c = 0; c < l->n_col && n < 2; c++)
        if (l->col[c].type == GLIM_LIB_PRICE) {
            cols[n++] = (int)c;
            break;
        }
    const int price = n && l->col[cols[n - 1]].type == GLIM_LIB_PRICE ? cols[n - 1] : -1;
    for (size_t k = 0; k < f->n_ask; k++) cols[n++] = f->ask[k];
    for (size_t k = 0; k < f->n_cond; k++)
        if (f->cond[k].op >= GLIM_COND_LT && l->col[f->cond[k].col].type != GLIM_LIB_STOCK) cols[n++] = f->cond[k].col;
    for (size_t k = 0; k < n; k++) {
        if (done[cols[k]] || empty(l, row, cols[k])) continue;
        done[cols[k]] = true;
        const glim_lib_col *c = &l->col[cols[k]];
        glim_buf_puts(out, f->zh ? "，" : ", ");
        if (c->type == GLIM_LIB_STOCK) {
            say_stock(out, l, row, (size_t)cols[k], f->zh);
            continue;
        }
        if (c->type == GLIM_LIB_BOOL && say_verb(out, glim_lib_col_name(c, f->zh), glim_lib_has(l, row, (size_t)cols[k]))) continue;
        if (c->type != GLIM_LIB_PRICE || cols[k] != price) glim_buf_printf(out, f->zh ? "%s" : "%s ", glim_lib_col_name(c, f->zh)); /* of two prices the second says which */
        glim_lib_show(out, l, row, (size_t)cols[k], f->zh);
    }
    for (size_t c = 0; c < l->n_col; c++) /* nobody is sent after what cannot be had */
        if (l->col[c].type == GLIM_LIB_STOCK && !done[c] && !empty(l, row, (int)c) && !(l->col[c].number[row] > 0)) {
            if (is_coming(l, row, c)) glim_buf_printf(out, f->zh ? "，%s" : ", %s", glim_lib_cell(l, row, c));
            else glim_buf_puts(out, f->zh ? "，已售罄" : ", sold out");
        }
    cite(out, l, row, f->zh);
}

static bool say_list(glim_buf *out, const glim_lib *l, const glim_filter *f, const uint32_t *row, size_t n, size_t n_all) {
    if (f->sort >= 0 && n) { /* the first one is the answer */
        const glim_lib_col *c = &l->col[f->sort];
        if (isnan(c->number[row[0]])) return false; /* none of them has it */
        const char *what = glim_lib_col_name(c, f->zh);
        glim_buf_printf(out, f->zh ? "按%s%s，第一是" : "By %s, %s first: ", what, f->zh ? (f->most ? "从高到低" : "从低到高") : f->most ? "highest" : "lowest");
        say_item(out, l, f, row[0], row, n);
        if (n > 1) glim_buf_puts(out, f->zh ? "；其次是" : "; then ");
        for (size_t i = 1; i < n; i++) {
            if (i > 1) glim_buf_puts(out, f->zh ? "；" : "; ");
            say_item(out, l, f, row[i], row, n);
        }
        glim_buf_puts(out, f->zh ? "。" : ".");
        return true;
    }
    if (n_all > n) glim_buf_printf(out, f->zh ? "共有%zu款符合，前%zu款是：" : "%zu fit; the first %zu: ", n_all, n);
    else glim_buf_printf(out, f->zh ? "有%zu款符合：" : n_all == 1 ? "%zu fits: " : "%zu fit: ", n_all);
    for (size_t i = 0; i < n; i++) {
        if (i) glim_buf_puts(out, f->zh ? "；" : "; ");
        say_item(out, l, f, row[i], row, n);
    }
    glim_buf_puts(out, f->zh ? "。" : ".");
    return true;
}

static bool say_compare(glim_buf *out, const glim_lib *l, const glim_filter *f, const uint32_t *row) {
    int cols[12];
    size_t n = 0;
    if (f->sort >= 0) cols[n++] = f->sort;
    for (size_t k = 0; k < f->n_ask && n < 8; k++) cols[n++] = f->ask[k];
    for (size_t c = 0; c < l->n_col && n < 6 && f->sort < 0 && f->n_ask == 0; c++)
        if ((l->col[c].type == GLIM_LIB_PRICE || l->col[c].type == GLIM_LIB_NUMBER || l->col[c].concept == GLIM_CONCEPT_WARM_CHARGE || l->col[c].type == GLIM_LIB_BOOL) &&
            !empty(l, row[0], (int)c) && !empty(l, row[1], (int)c) && strcmp(glim_lib_cell(l, row[0], c), glim_lib_cell(l, row[1], c)) != 0)
            cols[n++] = (int)c;
    if (n == 0) return false;
    const size_t begin = out->len;
    bool differs[2] = {false, false}; /* from others of its name in the library */
    for (int i = 0; i < 2; i++)
        for (uint32_t r = namesake(l, row[i], f->zh, 0); r != UINT32_MAX && !differs[i]; r = namesake(l, row[i], f->zh, r + 1)) differs[i] = !glim_shop_alike(l, f, row[i], r);
    for (size_t k = 0; k < n; k++) {
        const glim_lib_col *c = &l->col[cols[k]];
        if (empty(l, row[0], cols[k]) || empty(l, row[1], cols[k])) {
            if (k == 0) return false;
            continue;
        }
        space(out, f->zh);
        if (f->sort == cols[k] && c->number && (isnan(c->number[row[0]]) || isnan(c->number[row[1]]))) return false; /* "on request" is neither more nor less */
        if (f->sort == cols[k] && c->number) {
            double a = c->number[row[0]], b = c->number[row[1]];
            int win = a == b ? -1 : (a > b) == f->most ? 0 : 1;
            if (win < 0) glim_buf_puts(out, f->zh ? "两款一样，" : "Both are equal: ");
            else {
                glim_buf_puts(out, f->zh ? "是" : "It is ");
                call(out, l, f, row[win], row, 2, differs[win]);
                glim_buf_puts(out, f->zh ? "，" : ": ");
            }
        }
        glim_buf_printf(out, f->zh ? "%s：" : "%s: ", glim_lib_col_name(c, f->zh));
        for (int i = 0; i < 2; i++) {
            if (i) glim_buf_puts(out, f->zh ? "，" : ", ");
            call(out, l, f, row[i], row, 2, differs[i]);
            space(out, f->zh);
            glim_lib_show(out, l, row[i], (size_t)cols[k], f->zh);
        }
        glim_buf_puts(out, f->zh ? "。" : ".");
    }
    if (!f->zh && out->s && out->s[begin] >= 'a' && out->s[begin] <= 'z') out->s[begin] = (char)(out->s[begin] - 32);
    cite(out, l, row[0], f->zh);
    char id[GLIM_LIB_ID_MAX + 1];
    glim_lib_row_id(l, row[1], id);
    glim_buf_printf(out, "[%s]", id);
    return true;
}

void glim_say_mean(glim_buf *out, const glim_shop *s, const glim_filter *f, int col, double v, size_t n, size_t n_left) {
    const glim_lib_col *c = &s->lib->col[col];
    char mean[32];
    snprintf(mean, sizeof mean, "%.2f", v);
    glim_buf_printf(out, f->zh ? "%zu款的平均%s是" : "Over %zu, the average %s is ", n, glim_lib_col_name(c, f->zh));
    glim_lib_figure(out, c, mean, f->zh, true);
    glim_buf_puts(out, f->zh ? "。" : ".");
    if (n_left) glim_buf_printf(out, f->zh ? "另有%zu款只写了起价，没有算在内。" : " %zu more only say what it costs from and are left out.", n_left);
}

bool glim_say(glim_buf *out, const glim_shop *s, const glim_filter *f, glim_say_kind kind, const uint32_t *row, size_t n, size_t n_all,
              const char *rest, const char *missing) {
    const glim_lib *l = s->lib;
    size_t at = out->len;
    bool said = false;
    if (missing && *missing) {
        if (f->scattered && strchr(missing, ' ') && !strpbrk(missing, "0123456789")) glim_buf_printf(out, f->zh ? "没有一款写明全部的“%s”。" : "None of them says all of \"%s\". ", missing);
        else glim_buf_printf(out, f->zh ? "资料库里没有“%s”的信息。" : "The library says nothing of \"%s\". ", missing);
        if (n) glim_buf_puts(out, f->zh ? "其余条件：" : "For the rest: ");
    }
    switch (kind) {
    case GLIM_SAY_ROWS: said = say_rows(out, l, f, row, n, rest); break;
    case GLIM_SAY_LIST:
        if (n_all == 0) {
            glim_buf_puts(out, f->zh ? "资料库里没有符合这些条件的商品：" : "Nothing in the library fits: ");
            glim_filter_show(out, l, f);
            glim_buf_puts(out, f->zh ? "。" : ".");
            said = true;
        } else {
            said = say_list(out, l, f, row, n, n_all);
        }
        break;
    case GLIM_SAY_COUNT:
        glim_buf_printf(out, f->zh ? "共有%zu款" : "There are %zu", n_all);
        if (f->n_cond) {
            glim_buf_puts(out, f->zh ? "（" : " (");
            glim_filter_show(out, l, f);
            glim_buf_puts(out, f->zh ? "）" : ")");
        }
        glim_buf_puts(out, f->zh ? "。" : ".");
        for (size_t i = 0; i < n && i < 5; i++) cite(out, l, row[i], f->zh);
        said = true;
        break;
    case GLIM_SAY_MEAN: break; /* shop_table.c adds up all rows and says it */
    case GLIM_SAY_COMPARE: said = say_compare(out, l, f, row); break;
    case GLIM_SAY_WHICH:
        glim_buf_puts(out, f->zh ? "资料库里不止一款叫这个名字，请问是哪一款？" : "More than one is called so; which one is meant? ");
        for (size_t i = 0; i < n; i++) {
            if (i) glim_buf_puts(out, f->zh ? "；" : "; ");
            say_item(out, l, f, row[i], row, n);
        }
        glim_buf_puts(out, f->zh ? "。" : ".");
        said = true;
        break;
    case GLIM_SAY_FIRST: {
        const double *v = l->col[f->sort].number;
        const bool yes = glim_filter_keep(l, f, row[0]) && v[row[0]] == v[row[1]];
        glim_buf_puts(out, f->zh ? (yes ? "是的。" : "不是，") : yes ? "Yes. " : "No, ");
        if (!yes) say_item(out, l, f, row[0], row, 1), glim_buf_puts(out, f->zh ? "。" : ". ");
        said = say_list(out, l, f, row + 1, n - 1, n_all);
        break;
    }
    }
    if (!said) {
        out->len = at;
        if (out->s) out->s[at] = 0;
    }
    return said;
}

void glim_say_note(glim_buf *out, const glim_shop *s, uint32_t row, bool zh) {
    const char *text = glim_lib_cell(s->notes, row, (size_t)(zh ? s->col_note_answer : s->col_note_answer_en));
    if (!*text) text = glim_lib_cell(s->notes, row, (size_t)(zh ? s->col_note_answer_en : s->col_note_answer));
    glim_buf_puts(out, text);
    stop(out, zh);
    cite(out, s->notes, row, zh);
}

void glim_say_name(glim_buf *out, const glim_shop *s, uint32_t row, bool zh) {
    glim_buf_puts(out, glim_lib_row_name(s->lib, row, zh));
    cite(out, s->lib, row, zh);
}

void glim_say_id(glim_buf *out, const glim_shop *s, uint32_t row, bool zh) { cite(out, s->lib, row, zh); }
