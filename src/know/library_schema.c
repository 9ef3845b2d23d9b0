/* library_schema.c - a schema to columns, with the words by which a question may mean them. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "know/filter_words.h"
#include "know/heading_words.h"
#include "know/library_internal.h"
#include "know/terms.h"

enum { MAX_VALUES = 65535, MAX_WORDS = 64 };

void glim_lib_col_deinit(glim_lib_col *c) {
    for (size_t i = 0; i < c->n_alias; i++) free(c->alias[i]);
    for (size_t v = 0; v < c->n_value; v++) {
        for (size_t i = 0; i < c->value[v].n_alias; i++) free(c->value[v].alias[i]);
        for (size_t i = 0; i < c->value[v].n_marked; i++) free(c->value[v].marked[i]);
        free(c->value[v].alias);
        free(c->value[v].marked);
        free(c->value[v].text);
        free(c->value[v].en);
    }
    free(c->alias);
    free(c->value);
    free(c->slot);
    free(c->column);
    free(c->zh);
    free(c->en);
    free(c->unit_zh);
    free(c->unit_en);
    free(c->number);
    free(c->degree);
    free(c->span);
    free(c->value_at);
    free(c->value_no);
    free(c->part);
}

static glim_status folded(char **out, const char *word, bool marks, glim_err *err) {
    glim_buf b = {0};
    glim_status rc = (marks ? glim_terms_fold_marked : glim_terms_fold)(&b, word, strlen(word), err);
    if (rc == GLIM_OK) *out = glim_xstrdup(glim_buf_cstr(&b));
    glim_buf_free(&b);
    return rc;
}

static bool is_word(const char *word) { return word && *word && strlen(word) <= 256; }

/* Takes the word. */
static void add_word(char ***list, size_t *n, char *word) {
    bool known = !*word || *n >= MAX_WORDS;
    for (size_t i = 0; i < *n && !known; i++) known = strcmp((*list)[i], word) == 0;
    if (known) {
        free(word);
        return;
    }
    *list = glim_xrealloc(*list, (*n + 1) * sizeof **list);
    (*list)[(*n)++] = word;
}

glim_status glim_lib_alias(char ***list, size_t *n, const char *word, glim_err *err) {
    char *f = NULL;
    if (!is_word(word)) return GLIM_OK;
    glim_status rc = folded(&f, word, false, err);
    if (rc == GLIM_OK) add_word(list, n, f);
    return rc;
}

/* Is it one of the words that a cell or the schema has for the value, marks and all? */
static bool says(const glim_lib_value *v, const char *word, size_t n) {
    char *const *list = v->n_said_marked ? v->marked : v->alias;
    for (size_t i = 0, all = v->n_said_marked ? v->n_said_marked : v->n_said; i < all; i++)
        if (strncmp(list[i], word, n) == 0 && list[i][n] == 0) return true;
    return false;
}

static uint64_t hash_of(const char *s, size_t n, bool word) {
    uint64_t h = word ? 0x9e3779b97f4a7c15u : 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++) h = (h ^ (unsigned char)s[i]) * 0x100000001b3u;
    return h ^ (h >> 29);
}

/* The value whose text this is, or, of a folded word, which says it: its number, or -1. */
static long find_value(const glim_lib_col *c, const char *s, size_t n, bool word) {
    if (!c->n_slot) return -1;
    for (size_t k = hash_of(s, n, word) & (c->n_slot - 1); c->slot[k]; k = (k + 1) & (c->n_slot - 1)) {
        const glim_lib_value *v = &c->value[c->slot[k] - 1];
        if (word ? says(v, s, n) : strncmp(v->text, s, n) == 0 && v->text[n] == 0) return (long)c->slot[k] - 1;
    }
    return -1;
}

bool glim_lib_says(const glim_lib *l, const char *word) {
    for (size_t c = 0; c < l->n_col; c++)
        if (find_value(&l->col[c], word, strlen(word), true) >= 0) return true;
    return false;
}

static void put_slot(glim_lib_col *c, uint64_t h, uint32_t no) {
    size_t k = h & (c->n_slot - 1);
    while (c->slot[k]) k = (k + 1) & (c->n_slot - 1);
    c->slot[k] = no + 1;
    c->n_slot_used++;
}

static void put_words(glim_lib_col *c, size_t v) {
    const glim_lib_value *is = &c->value[v];
    put_slot(c, hash_of(is->text, strlen(is->text), false), (uint32_t)v);
    char *const *list = is->n_said_marked ? is->marked : is->alias;
    for (size_t i = 0, all = is->n_said_marked ? is->n_said_marked : is->n_said; i < all; i++) put_slot(c, hash_of(list[i], strlen(list[i]), true), (uint32_t)v);
}

/* Room for one more. A larger table is made anew from all values. */
static glim_status more_slots(glim_lib_col *c, glim_err *err) {
    if (2 * (c->n_slot_used + 1) <= c->n_slot) return GLIM_OK;
    void *p = NULL;
    const size_t n = c->n_slot ? 2 * c->n_slot : 64;
    glim_status rc = glim_try_calloc(&p, n, sizeof *c->slot, "values of a column", err);
    if (rc != GLIM_OK) return rc;
    free(c->slot);
    c->slot = p;
    c->n_slot = n;
    c->n_slot_used = 0;
    for (size_t v = 0; v < c->n_value; v++) put_words(c, v);
    return rc;
}

static glim_status value_word(glim_lib_col *c, size_t value, const char *word, bool said, glim_err *err) {
    glim_lib_value *v = &c->value[value];
    char *marked = NULL, *plain = NULL;
    if (!is_word(word)) return GLIM_OK;
    glim_status rc = folded(&marked, word, true, err);
    if (rc == GLIM_OK) rc = folded(&plain, word, false, err);
    if (rc == GLIM_OK && said) rc = more_slots(c, err);
    if (rc != GLIM_OK) {
        free(marked);
        free(plain);
        return rc;
    }
    if (said && *marked && !says(v, marked, strlen(marked))) put_slot(c, hash_of(marked, strlen(marked), true), (uint32_t)value);
    if (v->n_marked == 0 && strcmp(marked, plain) != 0) /* the words so far have no marks */
        for (size_t a = 0; a < v->n_alias; a++) add_word(&v->marked, &v->n_marked, glim_xstrdup(v->alias[a]));
    if (v->n_marked || strcmp(marked, plain) != 0) add_word(&v->marked, &v->n_marked, marked);
    else free(marked);
    add_word(&v->alias, &v->n_alias, plain);
    if (said) v->n_said = v->n_alias, v->n_said_marked = v->n_marked;
    return rc;
}

glim_status glim_lib_value_word(glim_lib_col *c, size_t value, const char *word, glim_err *err) { return value_word(c, value, word, true, err); }

glim_status glim_lib_value_derived(glim_lib_col *c, size_t value, const char *word, glim_err *err) { return value_word(c, value, word, false, err); }

void glim_lib_value_forget(glim_lib_value *v) {
    for (size_t a = 0; a < v->n_alias; a++) free(v->alias[a]);
    for (size_t a = 0; a < v->n_marked; a++) free(v->marked[a]);
    v->n_alias = v->n_marked = v->n_said = v->n_said_marked = 0;
    v->gone = true;
}

glim_status glim_lib_value_no(glim_lib_col *c, const char *text, size_t n, uint16_t *no, glim_err *err) {
    const long known = find_value(c, text, n, false);
    if (known >= 0) {
        const bool again = c->value[known].gone;
        *no = (uint16_t)known;
        c->value[known].gone = false;
        return again ? glim_lib_value_word(c, *no, c->value[known].text, err) : GLIM_OK;
    }
    if (c->n_value == MAX_VALUES) return glim_fail(err, GLIM_E_LIMIT, "column \"%s\" has more than %d values, too many for an enum", c->column, MAX_VALUES);
    if ((c->n_value & (c->n_value - 1)) == 0) { /* room for the next power of two */
        void *p = c->value;
        glim_status rc = glim_try_realloc(&p, c->n_value ? 2 * c->n_value : 1, sizeof *c->value, "values of a column", err);
        if (rc != GLIM_OK) return rc;
        c->value = p;
    }
    glim_status rc = more_slots(c, err);
    if (rc != GLIM_OK) return rc;
    glim_lib_value *v = &c->value[c->n_value];
    *v = (glim_lib_value){.text = glim_xmalloc(n + 1)};
    memcpy(v->text, text, n);
    v->text[n] = 0;
    *no = (uint16_t)c->n_value++;
    put_slot(c, hash_of(text, n, false), *no);
    return glim_lib_value_word(c, *no, v->text, err);
}

glim_status glim_lib_value_of(glim_lib_col *c, const char *text, size_t n, uint16_t *no, glim_err *err) {
    long v = find_value(c, text, n, false);
    if (v >= 0) return glim_lib_value_no(c, text, n, no, err);
    glim_buf f = {0};
    glim_status rc = glim_terms_fold_marked(&f, text, n, err);
    if (rc == GLIM_OK) v = find_value(c, glim_buf_cstr(&f), f.len, true);
    glim_buf_free(&f);
    if (v < 0) return rc == GLIM_OK ? glim_lib_value_no(c, text, n, no, err) : rc;
    *no = (uint16_t)v;
    return rc;
}

static bool has_cjk(const char *s) {
    uint32_t cp;
    for (size_t n = strlen(s); n;) {
        int k = glim_utf8_next(s, n, &cp);
        if (k <= 0) return false;
        if (glim_term_is_cjk(cp)) return true;
        s += k;
        n -= (size_t)k;
    }
    return false;
}

/* "battery_mah" and "BatteryMah" are read as words. */
static char *words_of(const char *column) {
    char *s = glim_xstrdup(column);
    for (char *p = s; *p; p++)
        if (*p == '_') *p = ' ';
    return s;
}

static char *dup_or(const char *s, const char *other) { return glim_xstrdup(s && *s ? s : other); }

static glim_status read_values(glim_lib_col *c, const json_t *values, glim_err *err) {
    const char *key;
    json_t *list;
    json_object_foreach((json_t *)values, key, list) {
        uint16_t no;
        size_t i;
        json_t *w;
        if (!json_is_array(list)) return glim_fail(err, GLIM_E_FORMAT, "column \"%s\": value \"%s\" has a %s, want an array of words", c->column, key, glim_json_type_name(list));
        glim_status rc = glim_lib_value_no(c, key, strlen(key), &no, err);
        if (rc == GLIM_OK) c->value[no].listed = true;
        json_array_foreach(list, i, w) {
            if (rc == GLIM_OK && !json_is_string(w)) rc = glim_fail(err, GLIM_E_FORMAT, "column \"%s\": a word of value \"%s\" is no text", c->column, key);
            if (rc == GLIM_OK && i == 0) {
                free(c->value[no].en);
                c->value[no].en = glim_xstrdup(json_string_value(w));
            }
            if (rc == GLIM_OK) rc = glim_lib_value_word(c, no, json_string_value(w), err);
        }
        if (rc != GLIM_OK) return rc;
    }
    return GLIM_OK;
}

/* What can be done with a thing: the whole headings of a column of yes and no that says so, and how people ask for it otherwise. "Frozen",
 * "Recycled", "Dishwasher" and "Hand wash only" say something else. */
enum { DEED = 20 };
static const struct {
    const char *heading[DEED], *asked[DEED];
} deeds[] = {
    {{"freezer safe", "freezable", "freezer suitable", "freezer friendly", "suitable for freezing", "suitable for home freezing", "suitable for the freezer", "suitable for freezer", "can be frozen", "可冷冻", "适合冷冻"},
     {"freezer safe", "freezable", "suitable for freezing", "be frozen", "freeze", "go in the freezer", "in the freezer", "可冷冻", "可以冷冻", "能冷冻"}},
    {{"takeaway", "take away", "takeout", "to go", "available to go", "takeaway possible", "takeaway available", "可外带", "可打包"},
     {"takeaway", "take away", "take it away", "take this away", "takeout", "to go", "可外带", "可以外带", "能外带", "可打包", "可以打包", "能打包", "可以带走", "能带走"}},
    {{"dishwasher safe", "dishwasher proof", "suitable for dishwasher", "suitable for the dishwasher", "suitable for dishwashers", "可用洗碗机"},
     {"dishwasher safe", "dishwasher proof", "go in the dishwasher", "in the dishwasher", "可用洗碗机", "可以用洗碗机", "能用洗碗机", "可以放洗碗机", "能放洗碗机"}},
    {{"microwave safe", "microwavable", "microwaveable", "microwave suitable", "suitable for microwave", "suitable for the microwave", "suitable for microwaves", "can be microwaved", "可微波", "可用微波炉"},
     {"microwave safe", "microwavable", "microwaveable", "be microwaved", "go in the microwave", "in the microwave", "可用微波炉", "可以用微波炉", "能用微波炉", "可以放微波炉", "能放微波炉"}},
    {{"machine washable", "can be machine washed", "suitable for machine washing", "可机洗"},
     {"machine washable", "machine wash", "be machine washed", "in the washing machine", "可机洗", "可以机洗", "能机洗"}},
    {{"recyclable", "can be recycled", "可回收"}, {"recyclable", "be recycled", "recycle", "可回收", "可以回收", "能回收"}},
    {{"refillable", "can be refilled"}, {"refillable", "be refilled", "refill"}},
    {{"rechargeable", "can be recharged"}, {"rechargeable", "be recharged", "recharge"}},
    {{"foldable", "can be folded", "可折叠"}, {"foldable", "be folded", "fold", "可折叠", "可以折叠", "能折叠"}},
    {{"stackable", "can be stacked"}, {"stackable", "be stacked", "stack"}},
};

/* Is the heading wholly one of the group's, "is" and "whether" aside? */
static bool is_deed(const char *heading, size_t deed) {
    static const char *const begins[] = {"is ", "是否", "可以", "能否", "可否", "能"};
    char s[256];
    size_t n = strlen(heading);
    if (n >= sizeof s - 4) return false;
    for (size_t i = 0; i <= n; i++) s[i] = heading[i] == '-' || heading[i] == '_' ? ' ' : heading[i];
    while (n && (s[n - 1] == ' ' || s[n - 1] == '?')) s[--n] = 0;
    const char *p = s;
    for (size_t i = 0; i < GLIM_COUNT(begins); i++) {
        const size_t k = strlen(begins[i]);
        if (strncasecmp(p, begins[i], k) != 0) continue;
        p += k;
        if (i < 2) continue;
        char is[256]; /* "可以冷冻", "能冷冻": "可冷冻" */
        snprintf(is, sizeof is, "可%s", p);
        for (size_t h = 0; h < DEED && deeds[deed].heading[h]; h++)
            if (strcmp(is, deeds[deed].heading[h]) == 0) return true;
        return false;
    }
    for (size_t h = 0; h < DEED && deeds[deed].heading[h]; h++)
        if (strcasecmp(p, deeds[deed].heading[h]) == 0) return true;
    return false;
}

static bool called(const glim_lib_col *c, const char *word) {
    for (size_t a = 0; a < c->n_alias; a++)
        if (strcmp(c->alias[a], word) == 0) return true;
    return false;
}

/* The words of a group for its one column, when all columns have theirs: none is taken from another, and two columns of a group get none. */
static glim_status say_deeds(glim_lib *l, glim_err *err) {
    glim_status rc = GLIM_OK;
    for (size_t c = 0; c < l->n_col; c++) l->col[c].n_named = l->col[c].n_alias;
    for (size_t i = 0; rc == GLIM_OK && i < GLIM_COUNT(deeds); i++) {
        glim_lib_col *of = NULL;
        size_t n = 0;
        for (size_t c = 0; c < l->n_col; c++) {
            glim_lib_col *col = &l->col[c];
            if (col->type == GLIM_LIB_BOOL && (is_deed(col->column, i) || is_deed(col->zh, i) || is_deed(col->en, i))) of = col, n++;
        }
        for (size_t k = 0; n == 1 && rc == GLIM_OK && k < DEED && deeds[i].asked[k]; k++) {
            bool taken = false;
            for (size_t c = 0; c < l->n_col && !taken; c++) taken = called(&l->col[c], deeds[i].asked[k]);
            if (!taken) rc = glim_lib_alias(&of->alias, &of->n_alias, deeds[i].asked[k], err);
        }
    }
    return rc;
}

/* "Min. order" is a minimum order. */
static glim_status unabbreviated(glim_lib_col *c, const char *name, glim_err *err) {
    static const char *const words[][2] = {{"min. ", "minimum "}, {"max. ", "maximum "}, {"no. of ", "number of "}, {"qty ", "quantity "}, {"avg. ", "average "}};
    glim_status rc = GLIM_OK;
    for (size_t i = 0; rc == GLIM_OK && i < GLIM_COUNT(words); i++) {
        const size_t n = strlen(words[i][0]);
        if (strncasecmp(name, words[i][0], n) != 0 || strlen(name) < n + 3) continue;
        char s[300];
        snprintf(s, sizeof s, "%s%s", words[i][1], name + n);
        rc = glim_lib_alias(&c->alias, &c->n_alias, s, err);
        if (words[i][0][n - 2] == '.') { /* "min order" */
            snprintf(s, sizeof s, "%.*s %s", (int)n - 2, name, name + n);
            if (rc == GLIM_OK) rc = glim_lib_alias(&c->alias, &c->n_alias, s, err);
        }
    }
    return rc;
}

/* "Do I need a trailer" of "Needs trailer", "does it need an operator" of "Operator required". */
static glim_status needed(glim_lib_col *c, const char *name, glim_err *err) {
    static const char *const begins[] = {"needs ", "requires ", "need "}, *const ends[] = {" needed", " required", " necessary"}, *const how[] = {"need %s", "need a %s", "need an %s", "needs a %s", "needs %s", "require %s", "require a %s", "requires a %s", "%s needed", "%s required"};
    char what[200] = "";
    const size_t n = strlen(name);
    if (c->type != GLIM_LIB_BOOL || n >= sizeof what) return GLIM_OK;
    for (size_t i = 0; i < GLIM_COUNT(begins); i++)
        if (strncasecmp(name, begins[i], strlen(begins[i])) == 0) snprintf(what, sizeof what, "%s", name + strlen(begins[i]));
    for (size_t i = 0; i < GLIM_COUNT(ends); i++)
        if (n > strlen(ends[i]) + 2 && strcasecmp(name + n - strlen(ends[i]), ends[i]) == 0) snprintf(what, sizeof what, "%.*s", (int)(n - strlen(ends[i])), name);
    glim_status rc = GLIM_OK;
    for (size_t i = 0; rc == GLIM_OK && *what && i < GLIM_COUNT(how); i++) {
        char s[256];
        const char *at = strstr(how[i], "%s");
        snprintf(s, sizeof s, "%.*s%s%s", (int)(at - how[i]), how[i], what, at + 2);
        rc = glim_lib_alias(&c->alias, &c->n_alias, s, err);
    }
    return rc;
}

/* "How long is a lesson" of "Length of lesson". */
static glim_status length_of(glim_lib_col *c, const char *name, glim_err *err) {
    static const char *const begins[] = {"length of ", "duration of ", "length of the ", "hours per ", "minutes per "}, *const how[] = {"how long is a %s", "how long is an %s", "how long is one %s", "how long is the %s", "how long is each %s", "how long are the %ss", "how long does a %s take", "%s length"};
    const char *what = NULL;
    for (size_t i = 0; i < GLIM_COUNT(begins); i++)
        if (strncasecmp(name, begins[i], strlen(begins[i])) == 0) what = name + strlen(begins[i]);
    glim_status rc = GLIM_OK;
    for (size_t i = 0; rc == GLIM_OK && what && strlen(what) < 100 && i < GLIM_COUNT(how); i++) {
        char s[256];
        const char *at = strstr(how[i], "%s");
        snprintf(s, sizeof s, "%.*s%s%s", (int)(at - how[i]), how[i], what, at + 2);
        rc = glim_lib_alias(&c->alias, &c->n_alias, s, err);
    }
    return rc;
}

/* Other words for what a column is called: "frost hardy" for "Frost-hardy", "prescription" for "Prescription required", "咖啡因" for
 * "含咖啡因". */
static glim_status derived(glim_lib_col *c, const char *name, glim_err *err) {
    static const char *const ends[] = {" required", " needed", " from", " left", " size", " included", " possible", " allowed", " permitted", " until", "要求", "至", "年限", "期限"}, *const begins[] = {"main ", "contains ", "has ", "with ", "is ", "是否", "适用"}, *const bool_begins[] = {"含有", "包含", "含", "可", "支持", "有", "带"};
    char s[256];
    size_t n = strlen(name);
    if (n >= sizeof s) return GLIM_OK;
    for (size_t i = 0; i <= n; i++) s[i] = name[i] == '-' ? ' ' : name[i];
    glim_status rc = glim_lib_alias(&c->alias, &c->n_alias, s, err);
    char *p = s;
    char *bracket = strstr(s, " (");
    if (bracket && bracket > s) *bracket = 0, rc = rc == GLIM_OK ? glim_lib_alias(&c->alias, &c->n_alias, s, err) : rc; /* "Min. order (trays)" */
    n = strlen(s);
    if (rc == GLIM_OK) rc = unabbreviated(c, s, err);
    if (rc == GLIM_OK) rc = needed(c, s, err);
    if (rc == GLIM_OK) rc = length_of(c, s, err);
    char *per = strstr(s, " per ");
    if (per) *per = 0, rc = rc == GLIM_OK ? glim_lib_alias(&c->alias, &c->n_alias, s, err) : rc;
    n = strlen(s);
    for (size_t i = 0; i < GLIM_COUNT(ends); i++) {
        const size_t k = strlen(ends[i]);
        if (n > k + 2 && strcasecmp(s + n - k, ends[i]) == 0) s[n -= k] = 0, rc = rc == GLIM_OK ? glim_lib_alias(&c->alias, &c->n_alias, s, err) : rc;
    }
    static const char *const days[] = {"日期", "时间", " date"};
    for (size_t i = 0; i < GLIM_COUNT(days) && c->type == GLIM_LIB_DATE; i++) { /* "什么时候采摘的" of "采摘日期" */
        const size_t k = strlen(days[i]);
        if (n >= k + 5 && strcasecmp(s + n - k, days[i]) == 0) s[n -= k] = 0, rc = rc == GLIM_OK ? glim_lib_alias(&c->alias, &c->n_alias, s, err) : rc;
    }
    if (n > 7 && strcasecmp(s + n - 3, "ing") == 0 && !strchr(s, ' ') && c->type != GLIM_LIB_BOOL) { /* "how often do I water it" of "Watering" */
        char stem[256];
        snprintf(stem, sizeof stem, "%.*s", (int)(n - 3), s);
        if (rc == GLIM_OK) rc = glim_lib_alias(&c->alias, &c->n_alias, stem, err);
    }
    if (strcasestr(c->column, "dimension") || strcasestr(c->column, "w×d") || strcasestr(c->column, "l×w") || strstr(c->column, "长×宽") || strcasestr(c->column, "w x d") || strcasestr(c->column, "wxd") || strcasestr(c->column, "lxw") || strstr(c->column, "长宽高") || strstr(c->column, "长x宽")) { /* all of them in one cell */
        static const char *const sides[] = {"dimensions", "size", "how wide", "how tall", "how high", "how deep", "how long", "width", "height", "depth", "length", "measurements", "尺寸", "多大", "多高", "多宽", "多长", "多深"};
        for (size_t i = 0; rc == GLIM_OK && i < GLIM_COUNT(sides); i++) rc = glim_lib_alias(&c->alias, &c->n_alias, sides[i], err);
    }
    const bool had = c->type == GLIM_LIB_BOOL;
    for (size_t i = 0; i < GLIM_COUNT(begins) + (had ? GLIM_COUNT(bool_begins) : 0); i++) {
        const char *w = i < GLIM_COUNT(begins) ? begins[i] : bool_begins[i - GLIM_COUNT(begins)];
        const size_t k = strlen(w);
        if (strlen(p) < k + 4 || strncasecmp(p, w, k) != 0) continue;
        p += k;
        if (rc == GLIM_OK) rc = glim_lib_alias(&c->alias, &c->n_alias, p, err);
    }
    return rc;
}

/* The words of the other language for what the column is called, and for what "是否含电池" says there is. The first of them is its name there, where
 * the schema (named: in both) has none. */
static glim_status both_languages(glim_lib_col *c, bool named, glim_err *err) {
    glim_status rc = GLIM_OK;
    const size_t n = c->lent_from = c->n_alias;
    for (size_t a = 0; rc == GLIM_OK && a < n; a++) {
        const bool cjk = has_cjk(c->alias[a]);
        char heading[260]; /* "转速(rpm)", of a unit that nobody here knows */
        snprintf(heading, sizeof heading, "%s", c->alias[a]);
        char *unit = cjk && !strstr(heading, " (") ? strchr(heading, '(') : NULL;
        if (unit) *unit = 0;
        const char *const *w = glim_heading_words(heading);
        const int about = w || c->type != GLIM_LIB_BOOL || !cjk ? -1 : glim_concept_of(c->alias[a]);
        char **name = cjk ? &c->en : &c->zh;
        if (w && !named && a < 2 && !unit && !strchr("<>", **w) && glim_concept_of(c->alias[a]) < 0) {
            free(*name);
            *name = glim_xstrdup(*w);
        }
        const char *const *lists[] = {w, glim_heading_synonyms(heading)};
        for (size_t k = 0; k < GLIM_COUNT(lists); k++)
            for (const char *const *word = lists[k]; rc == GLIM_OK && word && *word; word++)
                if (**word != '<') rc = glim_lib_alias(&c->alias, &c->n_alias, *word + (**word == '>'), err);
        for (const char *const *v = about >= 0 ? glim_concepts[about].word : NULL; rc == GLIM_OK && v && *v; v++)
            if (!has_cjk(*v)) rc = glim_lib_alias(&c->alias, &c->n_alias, *v, err);
    }
    c->lent_to = c->n_alias;
    return rc;
}

/* What a column is about whose name says more than a word for it: "Flower colour", "适用年龄段", "Fits years" is none. */
static int loosely_about(const glim_lib_col *c) {
    static const int safe[] = {GLIM_CONCEPT_COLOUR, GLIM_CONCEPT_MATERIAL, GLIM_CONCEPT_WEIGHT, GLIM_CONCEPT_LENGTH, GLIM_CONCEPT_WIDTH, GLIM_CONCEPT_HEIGHT, GLIM_CONCEPT_DIAMETER, GLIM_CONCEPT_ORIGIN, GLIM_CONCEPT_LANGUAGE, GLIM_CONCEPT_AGE, GLIM_CONCEPT_AUTHOR, GLIM_CONCEPT_ALCOHOL};
    for (size_t a = 0; a < c->n_alias; a++) {
        int about = glim_concept_of(c->alias[a]);
        const char *last = strrchr(c->alias[a], ' ');
        if (about < 0 && last) about = glim_concept_of(last + 1);
        for (size_t i = 0; i < GLIM_COUNT(safe); i++)
            if (safe[i] == about) return about;
    }
    return -1;
}

/* Does the column say whom a thing is not for? What allergens a row has is another matter (filter_allergy.c). */
static bool warns(const glim_lib_col *c) {
    static const char *const words[] = {"contraindicat", "contra-indicat", "warning", "caution", "side effect", "not suitable", "unsuitable", "do not ", "must not", "interaction", "hazard", "adverse", "禁忌", "禁用", "慎用", "警告", "警示", "注意事项", "副作用", "不良反应", "不适用", "不适宜"};
    if (c->type != GLIM_LIB_TEXT && c->type != GLIM_LIB_ENUM) return false;
    for (size_t i = 0; i < GLIM_COUNT(words); i++)
        if (strcasestr(c->column, words[i]) || strcasestr(c->en, words[i]) || strstr(c->zh, words[i])) return true;
    return false;
}

static glim_status read_col(glim_lib_col *c, const json_t *o, glim_err *err) {
    const char *type, *lang, *zh, *en, *unit_zh, *unit_en;
    glim_status rc = glim_json_get_str(o, "type", "text", &type, err);
    if (rc == GLIM_OK) rc = glim_json_get_str(o, "lang", "", &lang, err);
    if (rc == GLIM_OK) rc = glim_json_get_str(o, "zh", NULL, &zh, err);
    if (rc == GLIM_OK) rc = glim_json_get_str(o, "en", NULL, &en, err);
    if (rc == GLIM_OK) rc = glim_json_get_str(o, "unit_zh", NULL, &unit_zh, err);
    if (rc == GLIM_OK) rc = glim_json_get_str(o, "unit_en", unit_zh, &unit_en, err);
    if (rc == GLIM_OK) rc = glim_json_get_bool(o, "many", false, &c->many, err);
    if (rc == GLIM_OK) rc = glim_json_get_bool(o, "decimal_comma", false, &c->comma, err);
    if (rc == GLIM_OK) rc = glim_json_get_bool(o, "ticked", false, &c->ticked, err);
    if (rc == GLIM_OK) rc = glim_json_get_bool(o, "words", false, &c->words, err);
    if (rc != GLIM_OK) goto done;
    while (c->type < GLIM_N_LIB_TYPE && strcmp(glim_lib_type_name(c->type), type) != 0) c->type++;
    if (c->type == GLIM_N_LIB_TYPE) {
        rc = glim_fail(err, GLIM_E_FORMAT, "there is no type \"%s\"", type);
        glim_err_hint(err, "the types are hidden, id, name, text, number, price, stock, bool, enum and date");
        goto done;
    }
    if (*lang && strcmp(lang, "zh") != 0 && strcmp(lang, "en") != 0) {
        rc = glim_fail(err, GLIM_E_FORMAT, "\"lang\" is \"%s\", want \"zh\" or \"en\"", lang);
        goto done;
    }
    c->lang = strcmp(lang, "zh") == 0 ? GLIM_LANG_ZH : strcmp(lang, "en") == 0 ? GLIM_LANG_EN : GLIM_LANG_ANY;
    char *words = words_of(c->column), *fold = NULL;
    rc = folded(&fold, words, false, err);
    c->concept = rc == GLIM_OK ? glim_concept_of(fold) : -1;
    free(fold);
    for (int k = 0; rc == GLIM_OK && k < 2 && c->concept < 0; k++) {
        const char *name = k ? en : zh;
        if (!name) continue;
        rc = folded(&fold, name, false, err);
        if (rc == GLIM_OK) c->concept = glim_concept_of(fold), free(fold);
    }
    if (rc == GLIM_OK && c->concept < 0 && c->type == GLIM_LIB_PRICE) c->concept = GLIM_CONCEPT_PRICE;
    if (rc == GLIM_OK && c->type == GLIM_LIB_STOCK) c->concept = GLIM_CONCEPT_STOCK;
    const glim_concept_words *k = c->concept >= 0 ? &glim_concepts[c->concept] : NULL;
    bool name = c->type == GLIM_LIB_NAME;
    const bool cjk = has_cjk(words);
    char *low = glim_xstrdup(words); /* "Outdoor use" in a sentence */
    if (low[0] >= 'A' && low[0] <= 'Z' && low[1] >= 'a' && low[1] <= 'z') low[0] = (char)(low[0] + 32);
    c->zh = dup_or(zh, name ? "名称" : cjk || !k ? (en && !cjk ? en : low) : k->zh);
    c->en = dup_or(en, name ? "name" : !cjk || !k ? (zh && cjk ? zh : low) : k->en);
    free(low);
    c->warns = warns(c);
    if (unit_zh && *unit_zh) c->unit_zh = glim_xstrdup(unit_zh);
    if (unit_en && *unit_en) c->unit_en = glim_xstrdup(unit_en);
    if (c->type != GLIM_LIB_HIDDEN && !name && c->type != GLIM_LIB_ID) {
        if (rc == GLIM_OK) rc = glim_lib_alias(&c->alias, &c->n_alias, c->zh, err);
        if (rc == GLIM_OK) rc = glim_lib_alias(&c->alias, &c->n_alias, c->en, err);
        if (rc == GLIM_OK) rc = glim_lib_alias(&c->alias, &c->n_alias, words, err);
        if (rc == GLIM_OK) rc = derived(c, c->zh, err);
        if (rc == GLIM_OK) rc = derived(c, c->en, err);
        if (rc == GLIM_OK && c->concept < 0) rc = both_languages(c, zh && en, err);
        else if (rc == GLIM_OK && c->type == GLIM_LIB_PRICE) rc = both_languages(c, zh && en, err); /* "日租金" is more than a price */
        if (c->concept < 0) c->concept = loosely_about(c);
        k = c->concept >= 0 ? &glim_concepts[c->concept] : NULL;
        for (const char *const *w = k ? k->word : NULL; rc == GLIM_OK && w && *w; w++) rc = glim_lib_alias(&c->alias, &c->n_alias, *w, err);
    }
    free(words);
    const json_t *also = json_object_get(o, "also"), *values = json_object_get(o, "values"), *w;
    size_t i;
    if (rc == GLIM_OK && also && !json_is_array(also)) rc = glim_fail(err, GLIM_E_FORMAT, "\"also\" is a %s, want an array of words", glim_json_type_name(also));
    json_array_foreach(also, i, w)
        if (rc == GLIM_OK) rc = json_is_string(w) ? glim_lib_alias(&c->alias, &c->n_alias, json_string_value(w), err) : glim_fail(err, GLIM_E_FORMAT, "a word of \"also\" is no text");
    if (rc == GLIM_OK && values && (!json_is_object(values) || c->type != GLIM_LIB_ENUM))
        rc = glim_fail(err, GLIM_E_FORMAT, "\"values\" is an object of an enum column, got a %s in a column of the type \"%s\"", glim_json_type_name(values), type);
    if (rc == GLIM_OK && values) rc = read_values(c, values, err);
done:
    if (rc != GLIM_OK) glim_err_context(err, "schema, column \"%s\"", c->column);
    return rc;
}

/* What the table calls its rows: the heading of their names, or of their numbers, and what tables with such columns are of. */
static glim_status goods(glim_lib *l, const json_t *said, glim_err *err) {
    static const char *const none[] = {"name", "title", "description", "sku", "id", "code", "no", "no.", "number", "item", "article", "label"}, *const numbers[] = {" number", " no.", " no", " id", " code", " name", " nr.", " nr"};
    static const struct {
        int concept;
        const char *words[6];
    } of[] = {{GLIM_CONCEPT_AUTHOR, {"book", "书", "书籍", "图书", NULL}}, {GLIM_CONCEPT_ALCOHOL, {"wine", "bottle", "酒", "葡萄酒", NULL}}, {GLIM_CONCEPT_TEACHER, {"course", "class", "课程", "课", NULL}}, {GLIM_CONCEPT_FLOWERING, {"plant", "植物", NULL}}, {GLIM_CONCEPT_MILEAGE, {"car", "vehicle", "车", "汽车", "二手车", NULL}}};
    glim_status rc = GLIM_OK;
    size_t k;
    json_t *w;
    json_array_foreach((json_t *)said, k, w)
        if (rc == GLIM_OK) rc = json_is_string(w) ? glim_lib_alias(&l->goods, &l->n_goods, json_string_value(w), err) : glim_fail(err, GLIM_E_FORMAT, "a word of the schema's \"goods\" is no text");
    for (size_t c = 0; rc == GLIM_OK && c < l->n_col; c++) {
        const glim_lib_col *col = &l->col[c];
        for (size_t i = 0; i < GLIM_COUNT(of); i++)
            for (size_t j = 0; rc == GLIM_OK && col->concept == of[i].concept && col->type != GLIM_LIB_HIDDEN && of[i].words[j]; j++) rc = glim_lib_alias(&l->goods, &l->n_goods, of[i].words[j], err);
        static const struct {
            const char *heading, *words[4];
        } zh[] = {{"房型", {"房间"}}, {"房名", {"房间"}}, {"课程", {"课程"}}, {"乐器", {"乐器"}}, {"配件", {"配件", "零件"}}, {"设备名称", {"设备"}}, {"产品名称", {"产品"}}};
        for (size_t i = 0; rc == GLIM_OK && col->type == GLIM_LIB_NAME && i < GLIM_COUNT(zh); i++)
            for (size_t j = 0; rc == GLIM_OK && strstr(col->column, zh[i].heading) && j < 4 && zh[i].words[j]; j++) rc = glim_lib_alias(&l->goods, &l->n_goods, zh[i].words[j], err);
        if (rc != GLIM_OK || (col->type != GLIM_LIB_NAME && col->type != GLIM_LIB_ID) || (has_cjk(col->column) && !isalpha((unsigned char)col->column[0]))) continue;
        char *s = words_of(col->column);
        size_t n = 0;
        while (s[n] && (unsigned char)s[n] < 0x80 && s[n] != '/') n++; /* "Part 配件名称" */
        while (n && s[n - 1] == ' ') n--;
        s[n] = 0;
        bool cut = false;
        for (size_t i = 0; i < GLIM_COUNT(numbers); i++)
            if (n > strlen(numbers[i]) && strcasecmp(s + n - strlen(numbers[i]), numbers[i]) == 0) s[n -= strlen(numbers[i])] = 0, cut = true;
        bool plain = n > 2 && !strpbrk(s, " /()0123456789") && (cut || col->type == GLIM_LIB_NAME);
        for (size_t i = 0; i < GLIM_COUNT(none); i++) plain &= strcasecmp(s, none[i]) != 0;
        if (plain) rc = glim_lib_alias(&l->goods, &l->n_goods, s, err);
        free(s);
    }
    return rc;
}

/* "会员价" is no plain "price", "价格" is. */
static void called_otherwise(char **name, const char *other) {
    char low[64];
    snprintf(low, sizeof low, "%s", other);
    for (char *p = low; *p; p++) *p = (char)tolower((unsigned char)*p);
    if (glim_concept_of(low) >= 0) return;
    free(*name);
    *name = glim_xstrdup(other);
}

static bool has_alias(const glim_lib_col *c, const char *word) {
    for (size_t a = 0; a < c->n_alias; a++)
        if (strcmp(c->alias[a], word) == 0) return true;
    return false;
}

/* Takes from the column the words of heading_words.c that are in the list; it is called by none of them. */
static void drop_lent(glim_lib_col *c, char *const *list, size_t n) {
    size_t kept = c->lent_from;
    for (size_t a = c->lent_from; a < c->n_alias; a++) {
        bool drop = false;
        for (size_t i = 0; i < n && a < c->lent_to && !drop; i++) drop = strcmp(list[i], c->alias[a]) == 0;
        char **names[] = {&c->zh, &c->en};
        for (size_t i = 0; i < 2 && drop; i++)
            if (strcmp(*names[i], c->alias[a]) == 0) free(*names[i]), *names[i] = glim_xstrdup(c->column);
        if (drop) free(c->alias[a]);
        else c->alias[kept++] = c->alias[a];
    }
    c->lent_to -= c->n_alias - kept;
    c->n_alias = kept;
}

/* A word of heading_words.c that two columns would be asked by, "notes" of 备注 beside "Notes", is only of the one whose heading says it. */
static void lend_to_one(glim_lib *l) {
    char **list = NULL;
    size_t n = 0;
    for (size_t c = 0; c < l->n_col; c++)
        for (size_t a = l->col[c].lent_from; a < l->col[c].lent_to; a++)
            for (size_t d = 0; d < l->n_col; d++)
                if (d != c && has_alias(&l->col[d], l->col[c].alias[a])) {
                    add_word(&list, &n, glim_xstrdup(l->col[c].alias[a]));
                    break;
                }
    for (size_t c = 0; c < l->n_col && n; c++)
        if (l->col[c].lent_to > l->col[c].lent_from) drop_lent(&l->col[c], list, n);
    for (size_t i = 0; i < n; i++) free(list[i]);
    free(list);
}

glim_status glim_lib_read_schema(glim_lib *l, const glim_table_row *head, const json_t *schema, glim_err *err) {
    if (head->n == 0 || head->n > GLIM_LIB_MAX_COLS) return glim_fail(err, head->n ? GLIM_E_LIMIT : GLIM_E_FORMAT, "the table has %zu columns, want 1 to %d", head->n, GLIM_LIB_MAX_COLS);
    const json_t *list = json_object_get(schema, "columns"), *o;
    if (!json_is_array(list)) return glim_fail(err, GLIM_E_FORMAT, "the schema has no array \"columns\"");
    l->col = glim_xcalloc(head->n, sizeof *l->col);
    l->n_col = l->n_own = head->n;
    l->col_id = -1;
    for (size_t c = 0; c < l->n_col; c++) {
        char name[32];
        snprintf(name, sizeof name, "column %zu", c + 1);
        l->col[c].column = glim_xstrdup(head->cell[c].n ? head->cell[c].text : name);
        for (size_t d = 0; d < c; d++)
            if (strcmp(l->col[d].column, l->col[c].column) == 0)
                return glim_fail(err, GLIM_E_FORMAT, "row %zu: columns %zu and %zu are both named \"%s\"", head->line, d + 1, c + 1, l->col[c].column);
    }
    size_t i;
    json_array_foreach(list, i, o) {
        const char *name;
        glim_status rc = json_is_object(o) ? glim_json_get_str(o, "column", NULL, &name, err) : glim_fail(err, GLIM_E_FORMAT, "the schema's column %zu is no object", i + 1);
        if (rc == GLIM_OK && !name) rc = glim_fail(err, GLIM_E_FORMAT, "the schema's column %zu has no \"column\"", i + 1);
        if (rc != GLIM_OK) return rc;
        size_t c = 0;
        while (c < l->n_col && strcmp(l->col[c].column, name) != 0) c++;
        if (c == l->n_col) {
            rc = glim_fail(err, GLIM_E_FORMAT, "the schema has a column \"%s\", the table does not", name);
            glim_err_hint(err, "take it out of the schema, or name the table's column so");
            return rc;
        }
        if (l->col[c].zh) return glim_fail(err, GLIM_E_FORMAT, "the schema has the column \"%s\" twice", name);
        rc = read_col(&l->col[c], o, err);
        if (rc != GLIM_OK) return rc;
        if (l->col[c].type == GLIM_LIB_ID) {
            if (l->col_id >= 0) return glim_fail(err, GLIM_E_FORMAT, "the schema has two columns of the type \"id\": \"%s\" and \"%s\"", l->col[l->col_id].column, name);
            l->col_id = (int)c;
        }
    }
    lend_to_one(l);
    for (size_t c = 0; c < l->n_col; c++) /* two prices are not both "the price" where their headings tell them apart */
        for (size_t d = 0; d < l->n_col; d++) {
            glim_lib_col *a = &l->col[c], *b = &l->col[d];
            if (c == d || !a->zh || !b->zh || a->type == GLIM_LIB_NAME || b->type == GLIM_LIB_NAME) continue;
            if (strcmp(a->en, b->en) == 0 && strcmp(a->zh, b->zh) != 0) called_otherwise(&a->en, a->zh), called_otherwise(&b->en, b->zh);
            else if (strcmp(a->zh, b->zh) == 0 && strcmp(a->en, b->en) != 0) called_otherwise(&a->zh, a->en), called_otherwise(&b->zh, b->en);
        }
    for (size_t c = 0; c < l->n_col; c++)
        if (!l->col[c].zh) { /* the schema does not speak of it */
            l->col[c].zh = glim_xstrdup(l->col[c].column);
            l->col[c].en = glim_xstrdup(l->col[c].column);
            l->col[c].concept = -1;
        }
    const glim_status rc_deeds = say_deeds(l, err);
    if (rc_deeds != GLIM_OK) return rc_deeds;
    const glim_status rc_goods = goods(l, json_object_get(schema, "goods"), err);
    l->n_goods_said = l->n_goods;
    return rc_goods;
}
