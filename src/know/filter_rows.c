/* filter_rows.c - the rows that fit a question's conditions, and the conditions in words. */
#include <math.h>
#include <stdlib.h>
#include <strings.h>

#include "base/alloc.h"
#include "know/filter_internal.h"

bool glim_lib_has(const glim_lib *l, uint32_t row, size_t col) {
    static const char *const no[] = {"无", "否", "不支持", "没有", "no", "none", "-", "n/a", "不含", "未配备"};
    const glim_lib_col *c = &l->col[col];
    if (c->type == GLIM_LIB_BOOL || c->type == GLIM_LIB_STOCK) return c->number[row] > 0;
    const char *s = glim_lib_cell(l, row, col);
    for (size_t i = 0; i < GLIM_COUNT(no); i++)
        if (strcasecmp(s, no[i]) == 0) return false;
    return *s != 0;
}

bool glim_cond_holds(const glim_lib *l, const glim_cond *c, uint32_t row) {
    const glim_lib_col *col = &l->col[c->col];
    double v = col->number ? col->number[row] : NAN;
    bool is = false;
    switch (c->op) {
    case GLIM_COND_LT: return v < c->a; /* false for NaN: an empty cell fits no bound */
    case GLIM_COND_LE: return v <= c->a;
    case GLIM_COND_GT: return v > c->a;
    case GLIM_COND_GE: return v >= c->a;
    case GLIM_COND_HAS: return glim_lib_has(l, row, (size_t)c->col);
    case GLIM_COND_HAS_NOT: return *glim_lib_cell(l, row, (size_t)c->col) && !glim_lib_has(l, row, (size_t)c->col); /* an empty cell is not known */
    case GLIM_COND_SPANS: return col->span && col->span[row].from <= c->a && c->a <= col->span[row].to;
    default:
        for (uint32_t i = col->value_at[row]; i < col->value_at[row + 1]; i++) is |= col->value_no[i] == c->value;
        if (c->stated && col->value_at[row] == col->value_at[row + 1]) return false;
        return is == (c->op == GLIM_COND_IS);
    }
}

bool glim_filter_keep(const glim_lib *l, const glim_filter *f, uint32_t row) {
    for (size_t i = 0; i < f->n_cond; i++) {
        const glim_cond *c = &f->cond[i];
        bool holds = glim_cond_holds(l, c, row);
        for (size_t k = 0; !holds && !(f->every && l->col[c->col].many) && c->op == GLIM_COND_IS && k < f->n_cond; k++)
            holds = f->cond[k].op == GLIM_COND_IS && f->cond[k].col == c->col && glim_cond_holds(l, &f->cond[k], row);
        if (!holds) return false;
    }
    return true;
}

typedef struct ordered {
    double key;
    uint32_t no, row;
} ordered;

static int by_key(const void *a, const void *b) {
    const ordered *x = a, *y = b;
    bool nx = isnan(x->key), ny = isnan(y->key);
    if (nx != ny) return nx ? 1 : -1;
    if (!nx && x->key != y->key) return x->key < y->key ? -1 : 1;
    return (x->no > y->no) - (x->no < y->no);
}

glim_status glim_filter_rows(const glim_lib *l, const glim_filter *f, const uint32_t *among, size_t n_among, uint32_t *out, size_t limit, size_t *n_out,
                             size_t *n_all, glim_err *err) {
    *n_out = *n_all = 0;
    size_t n = among ? n_among : l->n_rows;
    void *mem;
    glim_status rc = glim_try_calloc(&mem, n, sizeof(ordered), "the rows of a filter", err);
    if (rc != GLIM_OK) return rc;
    ordered *v = mem;
    for (size_t i = 0; i < n; i++) {
        uint32_t row = among ? among[i] : (uint32_t)i;
        if (!glim_filter_keep(l, f, row)) continue;
        double key = f->sort >= 0 ? l->col[f->sort].number[row] : 0;
        v[(*n_all)++] = (ordered){.key = f->most ? -key : key, .no = (uint32_t)i, .row = row};
    }
    if (f->sort >= 0) qsort(v, *n_all, sizeof *v, by_key);
    for (size_t i = 0; i < *n_all && i < limit; i++) out[(*n_out)++] = v[i].row;
    free(v);
    return GLIM_OK;
}

void glim_filter_show(glim_buf *out, const glim_lib *l, const glim_filter *f) {
    static const char *const ops[] = {":", ": not", "<", "<=", ">", ">=", ":", ":", ":"};
    const char *sep = "";
    for (size_t i = 0; i < f->n_cond; i++) {
        const glim_cond *c = &f->cond[i];
        const glim_lib_col *col = &l->col[c->col];
        const char *unit = f->zh ? col->unit_zh : col->unit_en;
        glim_buf_printf(out, "%s%s%s%s ", sep, glim_lib_col_name(col, f->zh), ops[c->op][0] == ':' ? "" : " ", ops[c->op]);
        if (c->op == GLIM_COND_IS || c->op == GLIM_COND_IS_NOT) glim_buf_puts(out, !f->zh && col->value[c->value].en ? col->value[c->value].en : col->value[c->value].text);
        else if (c->op == GLIM_COND_HAS || c->op == GLIM_COND_HAS_NOT) glim_buf_puts(out, f->zh ? (c->op == GLIM_COND_HAS ? "是" : "否") : c->op == GLIM_COND_HAS ? "yes" : "no");
        else if (col->type == GLIM_LIB_DATE && (fmod(c->a, 10000) == 0 || fmod(c->a, 10000) == 1231)) glim_buf_printf(out, "%.0f", floor(c->a / 10000)); /* a whole year */
        else if (col->type == GLIM_LIB_DATE) {
            const int day = (int)c->a; /* yyyymmdd, or yyyymm00 of a month */
            glim_buf_printf(out, "%04d-%02d", day / 10000, day / 100 % 100);
            if (day % 100) glim_buf_printf(out, "-%02d", day % 100);
        } else if (col->degree) { /* "spiciness > medium spicy" */
            for (size_t v = 0; v < col->n_value; v++)
                if (col->degree[v] == c->a) {
                    glim_buf_puts(out, !f->zh && col->value[v].en ? col->value[v].en : col->value[v].text);
                    break;
                }
        } else glim_buf_printf(out, "%.10g%s%s", c->a, unit ? " " : "", unit ? unit : "");
        sep = "; ";
    }
    if (f->sort >= 0) {
        glim_buf_printf(out, "%s%s %s", sep, glim_lib_col_name(&l->col[f->sort], f->zh), f->zh ? (f->most ? "从高到低" : "从低到高") : f->most ? "highest first" : "lowest first");
        sep = "; ";
    }
    if (f->count) glim_buf_printf(out, "%s%s", sep, f->zh ? "计数" : "count");
    if (f->mean) glim_buf_printf(out, "%s%s", sep, f->zh ? "平均" : "average");
}
