/* filter.c - a question to a filter: its items, what they are conditions of, and what is left of the question. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "know/filter_internal.h"
#include "know/terms.h"
#include "know/units.h"

enum { MAX_QUESTION = 4096 };

/* Is it answered with yes or no? "是不是最便宜的手机", "is it the cheapest phone?" */
static bool asks_whether(const glim_parse *p) {
    if (strstr(p->s, "吗") || strstr(p->s, "是不是")) return !strstr(p->s, "多少") && !strstr(p->s, "什么") && !strstr(p->s, "哪");
    return strncmp(p->s, "is ", 3) == 0 || strstr(p->s, " is it ") != NULL;
}

static bool asks_yes_no(const glim_parse *p) {
    static const char *const zh[] = {"吗", "是不是", "有没有", "是否", "能不能", "可不可以", "么？"}, *const en[] = {"is", "are", "does", "do", "can", "has", "have", "will", "could", "was"};
    for (size_t i = 0; i < GLIM_COUNT(zh); i++)
        if (strstr(p->s, zh[i])) return true;
    for (size_t i = 0; i < GLIM_COUNT(en); i++) { /* at the beginning of a clause */
        const size_t n = strlen(en[i]);
        for (const char *q = p->s; (q = strstr(q, en[i])) != NULL; q++)
            if (q[n] == ' ' && (q == p->s || (q >= p->s + 2 && q[-1] == ' ' && strchr(",.?!", q[-2])) || (q >= p->s + 5 && memcmp(q - 5, " and ", 5) == 0))) return true;
    }
    return false;
}

/* "Can I", "is it", "does the": whether something is so of a thing. "Is there", "do you have", "有没有" ask whether there is one. */
static bool asks_of_it(const glim_parse *p) {
    static const char *const en[] = {"can i ", "can we ", "can you ", "can a ", "can my ", "can the ", "can it ", "can they ", "can these ", "may i ", "could i ", "is ", "are ", "does ", "will ", "should ", "was ", "do i ", "do these ", "do they ", "do the "}, *const not_so[] = {"is there", "are there", "can i get", "can i buy", "can i have", "does the shop", "does your shop"},
                             *const zh[] = {"能不能", "可不可以", "可否", "能否", "是不是", "会不会", "适不适合"}, *const may[] = {"能", "可以", "会", "适合", "是"};
    if (!p->f->zh) {
        const size_t from = strspn(p->s, " ");
        for (size_t i = 0; i < GLIM_COUNT(not_so); i++)
            if (strncmp(p->s + from, not_so[i], strlen(not_so[i])) == 0) return false;
        for (size_t i = 0; i < GLIM_COUNT(en); i++)
            if (strncmp(p->s + from, en[i], strlen(en[i])) == 0) return true;
        return false;
    }
    if (strstr(p->s, "有没有") || strstr(p->s, "有吗") || strstr(p->s, "卖")) return false;
    for (size_t i = 0; i < GLIM_COUNT(zh); i++)
        if (strstr(p->s, zh[i])) return true;
    for (size_t i = 0; strstr(p->s, "吗") && i < GLIM_COUNT(may); i++)
        if (strstr(p->s, may[i])) return true;
    return false;
}

/* "65瓦" where no column has watts: as rows write it, "65w". */
static bool figure(const glim_parse *p, const glim_item *it, glim_buf *out) {
    if (it->kind != NUMBER || !it->has_unit || it->col >= 0 || it->money) return false;
    size_t longest = 0;
    const char *unit = NULL;
    for (size_t m = 0; m < glim_n_measures; m++) {
        const size_t n = strlen(glim_measures[m].text);
        if (n > longest && n <= it->to && memcmp(p->s + it->to - n, glim_measures[m].text, n) == 0) longest = n, unit = glim_measures[m].text;
    }
    if (!unit) return false;
    for (size_t m = 0, own = (size_t)glim_measure_of(unit); m < glim_n_measures; m++) /* the Latin word for the same */
        if ((unsigned char)unit[0] >= 0x80 && (unsigned char)glim_measures[m].text[0] < 0x80 && glim_measures[m].v == glim_measures[own].v && strcmp(glim_measures[m].of, glim_measures[own].of) == 0) {
            unit = glim_measures[m].text;
            break;
        }
    glim_buf_printf(out, "%.10g%s", it->number, unit);
    return p->f->figure = true;
}

glim_status glim_filter_parse(glim_filter *f, const glim_lib *l, const char *question, size_t n, glim_err *err) {
    return glim_filter_parse_as(f, l, question, n, question, n, err);
}

glim_status glim_filter_parse_as(glim_filter *f, const glim_lib *l, const char *question, size_t n, const char *typed, size_t n_typed, glim_err *err) {
    if (n > MAX_QUESTION) return glim_fail(err, GLIM_E_LIMIT, "the question has %zu bytes, want at most %d", n, MAX_QUESTION);
    glim_buf words = f->words, rest = f->rest, had = f->had, no = f->denied, part = f->part, s = {0}, marked = {0}, as_typed = {0};
    *f = (glim_filter){.words = words, .rest = rest, .had = had, .denied = no, .part = part, .sort = -1, .sort2 = -1};
    glim_buf_clear(&f->had);
    glim_buf_clear(&f->denied);
    glim_buf_clear(&f->words);
    glim_buf_clear(&f->rest);
    glim_status rc = glim_terms_fold(&s, question, n, err);
    if (rc == GLIM_OK) rc = glim_terms_fold_marked(&marked, typed, n_typed, err);
    glim_buf_append(&as_typed, typed, n_typed);
    if (rc == GLIM_OK) rc = glim_buf_status(&as_typed, "a question", err);
    void *mem = NULL;
    if (rc == GLIM_OK) rc = glim_try_calloc(&mem, 1, sizeof(glim_parse), "a question", err);
    if (rc != GLIM_OK) {
        glim_buf_free(&s);
        glim_buf_free(&marked);
        glim_buf_free(&as_typed);
        return rc;
    }
    glim_parse *p = mem;
    *p = (glim_parse){.l = l, .f = f, .s = glim_buf_cstr(&s), .n = s.len, .marked = glim_buf_cstr(&marked), .typed = glim_buf_cstr(&as_typed)};
    uint32_t cp;
    for (size_t i = 0; i < s.len && !f->zh;) {
        int k = glim_utf8_next(s.s + i, s.len - i, &cp);
        f->zh = k > 0 && glim_term_is_cjk(cp);
        i += k > 0 ? (size_t)k : 1;
    }
    glim_parse_items(p);
    glim_parse_conds(p);
    glim_parse_split_phrases(p);
    glim_parse_which_price(p);
    glim_parse_part(p);
    f->every = glim_parse_wants_every(p);
    f->without |= glim_parse_denies_words(p);
    f->whether = asks_whether(p);
    f->yes_no = asks_yes_no(p);
    f->of_it = asks_of_it(p);
    static const char *const others[] = {"where ", "who ", "why ", "when ", "can i eat", "can i drink", "can you eat", "can my ", "can we eat", "may i ", "should i ", "is it safe"};
    for (size_t i = 0; i < GLIM_COUNT(others) && !f->zh; i++) f->of_something_else |= strncmp(p->s + strspn(p->s, " "), others[i], strlen(others[i])) == 0;
    for (size_t k = 0; k < p->n_denials; k++) memset(s.s + p->denial[k].from, ' ', p->denial[k].to - p->denial[k].from);
    size_t at = 0;
    for (size_t k = 0; k <= p->n_items; k++) {
        size_t to = k < p->n_items ? p->v[k].from : p->n;
        glim_buf_append(&f->words, p->s + at, to - at);
        glim_buf_append(&f->rest, p->s + at, to - at);
        if (k == p->n_items) break;
        const glim_item *it = &p->v[k];
        at = it->to;
        const bool goods = it->kind == WORD && it->concept == GLIM_WORD_ALONE; /* "菜" finds what has it in its name */
        if (it->used && it->kind != VALUE && !goods) {
            glim_buf_putc(&f->words, ' ');
        } else {
            glim_buf_append(&f->words, p->s + it->from, it->to - it->from);
        }
        if (it->used) glim_buf_putc(&f->rest, ' ');
        else if (!figure(p, it, &f->rest)) glim_buf_append(&f->rest, p->s + it->from, it->to - it->from);
    }
    glim_parse_allergies(p);
    glim_parse_kin_of_allergens(p);
    rc = glim_buf_status(&f->words, "a question", err);
    if (rc == GLIM_OK) rc = glim_buf_status(&f->rest, "a question", err);
    free(p);
    glim_buf_free(&s);
    glim_buf_free(&marked);
    glim_buf_free(&as_typed);
    return rc;
}

void glim_filter_deinit(glim_filter *f) {
    glim_buf_free(&f->words);
    glim_buf_free(&f->rest);
    glim_buf_free(&f->had);
    glim_buf_free(&f->denied);
    glim_buf_free(&f->part);
}
