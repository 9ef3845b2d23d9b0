/* library_grade.c - values of a closed list that are degrees of one thing: 不辣, 微辣, 中辣, 特辣; low, medium, high.
 *
 * Such a column has an order, so "最辣的菜" and "less spicy than this" have an answer. Degrees are told by the word before what they are
 * degrees of, which all values share, or are words of a scale by themselves. One value that is none, and the column has no order. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "know/library_internal.h"

typedef struct degree {
    const char *text;
    double v;
} degree;

static const degree before_zh[] = {{"完全不", 0}, {"一点不", 0}, {"不", 0}, {"无", 0}, {"零", 0}, {"没有", 0}, {"微微", 1}, {"微", 1}, {"少", 1}, {"轻", 1}, {"低", 1}, {"小", 1}, {"半", 2}, {"中等", 2}, {"中", 2}, {"正常", 2},
                                   {"标准", 2}, {"较", 3}, {"偏", 3}, {"高", 3}, {"大", 3}, {"重", 3}, {"浓", 3}, {"很", 3}, {"多", 3}, {"全", 3}, {"特别", 4}, {"特", 4}, {"超", 4}, {"极", 4}, {"爆", 4}, {"变态", 5}},
                    before_en[] = {{"not ", 0}, {"no ", 0}, {"non-", 0}, {"slightly ", 1}, {"mildly ", 1}, {"a little ", 1}, {"lightly ", 1}, {"low ", 1}, {"less ", 1}, {"medium ", 2}, {"moderately ", 2}, {"half ", 2}, {"full ", 3},
                                   {"very ", 4}, {"highly ", 3}, {"high ", 3}, {"extra ", 4}, {"extremely ", 5}, {"super ", 5}},
                    alone[] = {{"无", 0}, {"低", 1}, {"小", 1}, {"弱", 1}, {"中", 2}, {"高", 3}, {"大", 3}, {"强", 3}, {"特大", 4}, {"超大", 4}, {"none", 0}, {"mild", 1}, {"low", 1}, {"light", 1}, {"small", 1},
                               {"medium", 2}, {"moderate", 2}, {"hot", 3}, {"high", 3}, {"strong", 3}, {"large", 3}, {"very hot", 4}, {"extra hot", 4}, {"extra large", 4}, {"very high", 4}};

/* The degree that the value begins with; *stem: of what. Without one the whole value may be the stem: "辣" beside "微辣". */
static double degree_of(const char *s, const degree *list, size_t n_list, const char **stem) {
    size_t longest = 0;
    double v = 2.5;
    for (size_t i = 0; i < n_list; i++) {
        const size_t n = strlen(list[i].text);
        if (n > longest && strncmp(s, list[i].text, n) == 0 && s[n]) longest = n, v = list[i].v;
    }
    *stem = s + longest;
    return v;
}

/* The values' degrees into v; *stem lives in the column. False: they are none. */
static bool by_stem(const glim_lib_col *c, size_t alias, const degree *list, size_t n_list, double *v, const char **stem) {
    *stem = NULL;
    for (size_t i = 0; i < c->n_value; i++) {
        const char *of;
        if (c->value[i].gone) continue;
        if (c->value[i].n_alias <= alias) return false;
        v[i] = degree_of(c->value[i].alias[alias], list, n_list, &of);
        if (*stem && strcmp(*stem, of) != 0) return false;
        *stem = of;
    }
    return *stem != NULL;
}

static bool by_word(const glim_lib_col *c, size_t alias, double *v) {
    for (size_t i = 0; i < c->n_value; i++) {
        bool known = c->value[i].gone;
        for (size_t k = 0; k < GLIM_COUNT(alone) && c->value[i].n_alias > alias; k++)
            if (strcmp(c->value[i].alias[alias], alone[k].text) == 0) v[i] = alone[k].v, known = true;
        if (!known) return false;
    }
    return true;
}

void glim_lib_grade(glim_lib *l, size_t col) {
    glim_lib_col *c = &l->col[col];
    if (c->type != GLIM_LIB_ENUM) return;
    free(c->number);
    free(c->degree);
    c->number = c->degree = NULL;
    c->stem = c->stem_en = NULL;
    size_t n = 0;
    for (size_t i = 0; i < c->n_value; i++) n += !c->value[i].gone;
    if (c->many || n < 2 || n > 12) return;
    double *v = glim_xcalloc(c->n_value, sizeof *v), *en = glim_xcalloc(c->n_value, sizeof *en);
    bool graded = by_stem(c, 0, before_zh, GLIM_COUNT(before_zh), v, &c->stem) || by_stem(c, 0, before_en, GLIM_COUNT(before_en), v, &c->stem);
    if (!graded) c->stem = NULL, graded = by_word(c, 0, v);
    if (!by_stem(c, 1, before_en, GLIM_COUNT(before_en), en, &c->stem_en)) c->stem_en = NULL;
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < c->n_value; i++)
        if (c->value[i].gone) v[i] = NAN;
    for (size_t i = 0; graded && i < c->n_value; i++) low = fmin(low, v[i]), high = fmax(high, v[i]);
    if (graded && low < high) {
        c->degree = v;
        c->number = glim_xcalloc(l->n_rows, sizeof *c->number);
        for (uint32_t r = 0; r < l->n_rows; r++) c->number[r] = c->value_at[r] < c->value_at[r + 1] ? v[c->value_no[c->value_at[r]]] : NAN;
    } else {
        free(v);
        c->stem = c->stem_en = NULL;
    }
    free(en);
}
