/* filter_conds.c - items to conditions, and the columns that are asked for.
 *
 * Words around an item say what it is a condition of: what read one marks it as used, and what stays unused is a word to find by. */
#include <stdio.h>

#include "know/filter_internal.h"

enum { NEAR = 30 };

bool glim_parse_bare_between(const glim_parse *p, size_t from, size_t to) {
    if (to < from || to - from > 18) return false;
    for (size_t i = from; i < to;) {
        bool skip = p->s[i] == ' ' || p->s[i] == ',' || (p->s[i] == '-' && from + 1 == to);
        size_t k = 1;
        static const char *const small[] = {"的", "在", "为", "是", "，", "价格", "of", "a", "the", "is", "price", "costs", "cost"};
        for (size_t w = 0; w < GLIM_COUNT(small) && !skip; w++)
            if (strncmp(p->s + i, small[w], strlen(small[w])) == 0) skip = true, k = strlen(small[w]);
        if (!skip) return false;
        i += k;
    }
    return true;
}

bool glim_parse_numeric(const glim_parse *p, int col) {
    glim_lib_type t = p->l->col[col].type;
    return t == GLIM_LIB_NUMBER || t == GLIM_LIB_PRICE || t == GLIM_LIB_STOCK || t == GLIM_LIB_DATE;
}

glim_item *glim_parse_named_column(glim_parse *p, size_t from, size_t to, bool degrees) {
    size_t best = NEAR + 1, which = 0;
    for (size_t k = 0; k < p->n_items; k++) {
        glim_item *it = &p->v[k];
        if (it->kind != COLUMN || !(glim_parse_numeric(p, it->col) || (degrees && p->l->col[it->col].degree))) continue;
        size_t d = it->to <= from ? from - it->to : it->from >= to ? it->from - to + 1 : 0;
        if (d < best) best = d, which = k;
    }
    return best > NEAR ? NULL : &p->v[which];
}

int glim_parse_take(glim_item *it) {
    if (it) it->used = true;
    return it ? it->col : -1;
}

void glim_parse_add_cond(glim_parse *p, glim_cond c) {
    glim_filter *f = p->f;
    for (size_t i = 0; i < f->n_cond; i++)
        if (f->cond[i].col == c.col && f->cond[i].op == c.op && f->cond[i].value == c.value && f->cond[i].a == c.a) return;
    if (f->n_cond < GLIM_FILTER_CONDS) f->cond[f->n_cond++] = c;
}

void glim_parse_cover(glim_parse *p, size_t k, size_t from, size_t to) {
    for (size_t i = 0; i < p->n_items; i++) {
        glim_item *o = &p->v[i];
        if (i == k || o->to <= from || o->from >= to) continue;
        o->used = true;
        if (i < k) {
            from = o->to;
        } else {
            o->from = to;
            if (o->to < to) o->to = to;
        }
    }
    p->v[k].from = from;
    p->v[k].to = to;
}

static void ask(glim_parse *p, int col) {
    glim_filter *f = p->f;
    for (size_t i = 0; i < f->n_ask; i++)
        if (f->ask[i] == col) return;
    if (f->n_ask < GLIM_FILTER_ASKS) f->ask[f->n_ask++] = col;
}

static bool can_be_had(const glim_parse *p, int col) {
    const glim_lib_col *c = &p->l->col[col];
    return c->type == GLIM_LIB_BOOL || c->concept == GLIM_CONCEPT_WARM_CHARGE || c->concept == GLIM_CONCEPT_WATER || c->concept == GLIM_CONCEPT_BREAKFAST;
}

/* "手机充电器", "phone chargers": of two kinds in one word the last is what it is, and no row is two kinds.
 * "手机平板都有吗" wants either. */
static bool of_the_next(const glim_parse *p, size_t k) {
    const glim_item *it = &p->v[k], *head = it + 1;
    if (!p->f->zh && k > 0 && p->v[k - 1].kind == VALUE && p->v[k - 1].col == it->col && !p->l->col[it->col].many && p->l->col[it->col].concept != GLIM_CONCEPT_KIND && it->from == p->v[k - 1].to + 1 && p->s[it->from - 1] == ' ')
        return true; /* "crime novels": of two values that no row has both of, the first says which */
    if (k + 1 == p->n_items || head->kind != VALUE || head->col != it->col || p->l->col[it->col].many || p->l->col[it->col].concept != GLIM_CONCEPT_KIND) return false;
    if (strncmp(p->s + head->to, "都", 3) == 0) return false;
    return head->from == it->to || (!p->f->zh && head->from == it->to + 1 && p->s[it->to] == ' ');
}

/* "How much storage", "how long is delivery": how is asked of the column behind it. "How much is the warranty" asks for a price. */
static bool of_the_next_column(const glim_parse *p, size_t k) {
    const glim_item *it = &p->v[k], *next = it + 1;
    if (k + 1 == p->n_items || next->kind != COLUMN || next->col == it->col || strncmp(p->s + it->from, "how ", 4) != 0 || p->l->col[next->col].type == GLIM_LIB_PRICE) return false;
    const bool right_behind = next->from == it->to + 1 && p->s[it->to] == ' ';
    return right_behind || (p->l->col[it->col].type != GLIM_LIB_PRICE && glim_parse_bare_between(p, it->to, next->from));
}

void glim_parse_conds(glim_parse *p) {
    glim_filter *f = p->f;
    for (size_t k = 0; k < p->n_items; k++) {
        glim_item *it = &p->v[k];
        if (it->kind == NUMBER) glim_parse_number_conds(p, k);
        if (it->kind == VALUE && it->stem) {
            glim_parse_add_cond(p, (glim_cond){.col = it->col, .value = it->value, .stated = true, .op = glim_parse_unwanted(p, k) ? GLIM_COND_IS : GLIM_COND_IS_NOT});
            ask(p, it->col);
        } else if (it->kind == VALUE && !of_the_next(p, k)) {
            glim_parse_add_cond(p, (glim_cond){.col = it->col, .value = it->value, .op = glim_parse_unwanted(p, k) ? GLIM_COND_IS_NOT : GLIM_COND_IS});
        }
        if (it->kind == VALUE && p->l->col[it->col].concept == GLIM_CONCEPT_KIND) {
            size_t j = k;
            while (j > 0 && p->v[j - 1].kind == WORD && p->v[j - 1].word == GLIM_WORD_FILLER) j--;
            f->kind_with |= j > 0 && p->v[j - 1].kind == WORD && p->v[j - 1].word == GLIM_WORD_HAS;
        }
        if (it->kind == VALUE) it->used = true;
        if (it->kind != WORD) continue;
        int col;
        switch (it->word) {
        case GLIM_WORD_MOST:
        case GLIM_WORD_LEAST:
            glim_parse_order(p, it);
            break;
        case GLIM_WORD_IN_STOCK:
        case GLIM_WORD_NO_STOCK:
            col = glim_parse_column(p->l, GLIM_CONCEPT_STOCK);
            if (col < 0) break;
            glim_parse_add_cond(p, (glim_cond){.col = col, .op = (it->word == GLIM_WORD_IN_STOCK) != glim_parse_read_no(p, it->from) ? GLIM_COND_GT : GLIM_COND_LE, .a = 0});
            it->used = true;
            break;
        case GLIM_WORD_COUNT: /* "how many calories" asks for a cell */
            it->used = true;
            if (f->list && strncmp(p->s + it->from, "几", 3) == 0) break; /* "推荐几款手机": some */
            f->count |= !(k + 1 < p->n_items && p->v[k + 1].kind == COLUMN && glim_parse_bare_between(p, it->to, p->v[k + 1].from));
            break;
        case GLIM_WORD_TO: it->used = it->used || (p->s[it->from] != '-' && p->s[it->from] != '~'); break;
        case GLIM_WORD_ABOUT: it->used = true; break; /* "tell me about it": without a number too */
        case GLIM_WORD_MEAN: f->mean = it->used = true; break;
        case GLIM_WORD_LIST: f->list = it->used = true; break;
        case GLIM_WORD_THIS: f->self = it->used = true; break;
        case GLIM_WORD_COMPARE: f->compare = it->used = true; break;
        case GLIM_WORD_THAN: it->used = glim_parse_is_than(p, it); break;
        case GLIM_WORD_FREE:
            col = glim_parse_column(p->l, GLIM_CONCEPT_PRICE);
            if (col >= 0) glim_parse_add_cond(p, (glim_cond){.col = col, .op = glim_parse_read_no(p, it->from) ? GLIM_COND_GT : GLIM_COND_LE, .a = 0});
            it->used = true;
            break;
        case GLIM_WORD_GOODS: f->goods = it->used = true; break;
        case GLIM_WORD_FILLER: case GLIM_WORD_HAS: case GLIM_WORD_NOT: case GLIM_WORD_NOT_BEHIND: it->used = true; break;
        default: break;
        }
    }
    glim_parse_part_bounds(p);
    bool no = false;
    for (size_t k = 0; k < p->n_items; k++) { /* columns that no condition took */
        glim_item *it = &p->v[k];
        if (it->kind != COLUMN || it->used) continue;
        it->used = true;
        if (of_the_next_column(p, k)) continue;
        if (glim_parse_ordered(p, k)) continue;
        if (!f->zh && !can_be_had(p, it->col) && !p->l->col[it->col].number && glim_parse_read_no(p, it->from)) { /* "plants without flowers": no table says it */
            f->without = true;
            glim_buf_append(&f->denied, p->s + it->from, it->to - it->from);
            continue;
        }
        ask(p, it->col);
        no = glim_parse_read_no(p, it->from) || (can_be_had(p, it->col) && glim_parse_read_no_behind(p, it->to)) || (no && glim_parse_joined(p, k));
        f->with |= can_be_had(p, it->col) && k > 0 && p->v[k - 1].kind == WORD && p->v[k - 1].word == GLIM_WORD_HAS;
        if (can_be_had(p, it->col)) glim_buf_append(&f->had, p->s + it->from, it->to - it->from), glim_buf_putc(&f->had, ' ');
        if (can_be_had(p, it->col)) glim_parse_add_cond(p, (glim_cond){.col = it->col, .op = no ? GLIM_COND_HAS_NOT : GLIM_COND_HAS});
    }
}

/* "Where is it from", "where does it come from" ask the origin; "where can I buy it from", "where is it shipped from" do not. */
static bool asks_origin(const glim_parse *p, size_t from, size_t to) {
    static const char *const be[] = {"is ", "are "}, *const does[] = {"does ", "do ", "did "}, *const made[] = {"made", "produced", "sourced", "imported", "grown", "coming"}, *const deeds[] = {"sent", "sold", "bought", "brought", "taken", "got", "run", "held", "taught", "let", "rent", "pickup", "collection", "seen", "best", "back", "away", "far"};
    bool is = false, comes = false;
    for (size_t k = 0; k < GLIM_COUNT(be); k++) is |= strncmp(p->s + from, be[k], strlen(be[k])) == 0;
    for (size_t k = 0; k < GLIM_COUNT(does); k++) comes |= strncmp(p->s + from, does[k], strlen(does[k])) == 0;
    size_t end = to, begin;
    while (end > from && p->s[end - 1] == ' ') end--;
    for (begin = end; begin > from && glim_parse_alnum(p, begin - 1);) begin--;
    const size_t n = end - begin;
#define LAST(w) (n == strlen(w) && memcmp(p->s + begin, w, n) == 0)
    if (comes) return LAST("come") || LAST("originate");
    if (!is) return false;
    for (size_t k = 0; k < GLIM_COUNT(made); k++)
        if (LAST(made[k])) return true;
    for (size_t k = 0; k < GLIM_COUNT(deeds); k++)
        if (LAST(deeds[k])) return false;
#undef LAST
    const bool verb = n > 3 && (memcmp(p->s + end - 2, "ed", 2) == 0 || memcmp(p->s + end - 3, "ing", 3) == 0);
    return !verb || glim_parse_of_names(p, p->s + begin, n);
}

/* "Where is the L9 from", "how long does the rye loaf keep": what is asked for is said around the name. */
void glim_parse_split_phrases(glim_parse *p) {
    static const struct {
        const char *begin, *end[4];
        int about;
    } phrases[] = {{"where ", {" from"}, GLIM_CONCEPT_ORIGIN}, {"how long do", {" keep", " keep for", " last", " stay fresh"}, GLIM_CONCEPT_SHELF_LIFE}, {"how long will ", {" keep", " keep for", " stay fresh"}, GLIM_CONCEPT_SHELF_LIFE}};
    size_t n = p->n, to = 0;
    int about = -1;
    const size_t from = strspn(p->s, " ");
    while (n && strchr(" ?.!", p->s[n - 1])) n--;
    for (size_t i = 0; i < GLIM_COUNT(phrases) && about < 0 && !p->f->zh; i++)
        for (size_t k = 0; k < 4 && phrases[i].end[k]; k++) {
            const size_t len = strlen(phrases[i].end[k]), head = strlen(phrases[i].begin);
            if (n <= from + head + len || strncmp(p->s + from, phrases[i].begin, head) != 0 || memcmp(p->s + n - len, phrases[i].end[k], len) != 0) continue;
            if (phrases[i].about == GLIM_CONCEPT_ORIGIN && !asks_origin(p, from + head, n - len)) continue;
            about = phrases[i].about, to = n - len;
        }
    for (size_t c = 0; about >= 0 && c < p->l->n_col; c++) {
        if (p->l->col[c].concept != about || p->l->col[c].type == GLIM_LIB_HIDDEN) continue;
        p->f->n_ask = 0;
        ask(p, (int)c);
        for (size_t i = 0; i < p->n_items; i++)
            if (p->v[i].kind == COLUMN) p->v[i].used = true;
        if (p->n_denials < GLIM_PARSE_DENIALS) p->denial[p->n_denials].from = to, p->denial[p->n_denials++].to = n;
        if (p->n_denials < GLIM_PARSE_DENIALS && strncmp(p->s + from, "how long", 8) == 0) p->denial[p->n_denials].from = from, p->denial[p->n_denials++].to = from + 8;
        return;
    }
}

/* "黑色和白色都有的", "in black and white": all values of a column that holds several, and not one of them. */
bool glim_parse_wants_every(const glim_parse *p) {
    for (size_t k = 0; k + 1 < p->n_items; k++) {
        const glim_item *a = &p->v[k], *b = a + 1;
        size_t j = k + 1;
        while (j + 1 < p->n_items && p->v[j].kind == WORD && (p->v[j].word == GLIM_WORD_TO || p->v[j].word == GLIM_WORD_FILLER)) j++;
        b = &p->v[j];
        if (a->kind != VALUE || b->kind != VALUE || a->col != b->col || !p->l->col[a->col].many || b->from < a->to || b->from - a->to > 12) continue;
        char between[16];
        snprintf(between, sizeof between, "%.*s", (int)(b->from - a->to), p->s + a->to);
        if (strcmp(between, " and ") == 0) return true;
        const bool joined_zh = strstr(between, "和") || strstr(between, "、") || strstr(between, "又") || strstr(between, "跟") || strstr(between, "也");
        if (joined_zh && (strncmp(p->s + b->to, "都", 3) == 0 || strstr(p->s, "同时") || strstr(p->s, "既"))) return true;
    }
    return false;
}
