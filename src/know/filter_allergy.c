/* filter_allergy.c - who says that something makes him ill. */
#include "base/alloc.h"
#include "base/utf8.h"
#include "know/filter_internal.h"
#include "know/terms.h"

/* Who says that something makes him ill is answered by the values of such a column alone, and only where nothing else is said:
 * "芒果过敏" and "花生和虾过敏" go to a person, since no table says which rows are without mango or shrimp. */
static bool says_allergic(const glim_parse *p) {
    static const char *const words[] = {"过敏", "不耐受", "allerg", "intoleran", "coeliac", "celiac"};
    for (size_t w = 0; w < GLIM_COUNT(words); w++)
        for (const char *q = p->s; (q = strstr(q, words[w])) != NULL; q++)
            if (strncmp(q, "过敏原", 9) != 0 && strncmp(q, "过敏源", 9) != 0 && strncmp(q, "allergen", 8) != 0) return true;
    return false;
}

static bool of_allergies(const glim_lib_col *c) {
    for (size_t a = 0; a < c->n_alias; a++)
        if (strstr(c->alias[a], "过敏") || strstr(c->alias[a], "allerg")) return true;
    return false;
}

static bool has_words(const char *s) {
    uint32_t cp;
    for (size_t i = 0, n = strlen(s); i < n;) {
        const int k = glim_utf8_next(s + i, n - i, &cp);
        if ((isalnum((unsigned char)s[i]) && isalnum((unsigned char)s[i + 1])) || (k > 0 && glim_term_is_cjk(cp))) return true; /* not the "m" of "I'm" */
        i += k > 0 ? (size_t)k : 1;
    }
    return false;
}

/* "Nut free" is no dish with peanuts: values of such a column that have the Latin word in theirs go with it. */
void glim_parse_kin_of_allergens(glim_parse *p) {
    glim_filter *f = p->f;
    for (size_t i = 0, n = f->n_cond; i < n; i++) {
        const glim_cond c = f->cond[i];
        const glim_lib_col *col = &p->l->col[c.col];
        if (c.op != GLIM_COND_IS_NOT || !of_allergies(col)) continue;
        for (size_t a = 0; a < col->value[c.value].n_alias; a++) {
            const char *word = col->value[c.value].alias[a];
            size_t len = strlen(word);
            if ((unsigned char)word[0] >= 0x80 || len < 3) continue;
            if (word[len - 1] == 's') len--;
            for (size_t v = 0; v < col->n_value; v++)
                for (size_t b = 0; b < col->value[v].n_alias && v != c.value; b++)
                    if (memmem(col->value[v].alias[b], strlen(col->value[v].alias[b]), word, len)) glim_parse_add_cond(p, (glim_cond){.col = c.col, .op = GLIM_COND_IS_NOT, .value = (uint16_t)v});
        }
    }
}

void glim_parse_allergies(glim_parse *p) {
    glim_filter *f = p->f;
    bool said = false;
    if (!says_allergic(p)) return;
    for (size_t i = 0; i < f->n_cond; i++)
        if ((f->cond[i].op == GLIM_COND_IS || f->cond[i].op == GLIM_COND_IS_NOT) && of_allergies(&p->l->col[f->cond[i].col])) f->cond[i].op = GLIM_COND_IS_NOT, said = true;
    f->unlisted = !said;
    f->without |= !said || has_words(glim_buf_cstr(&f->rest));
}
