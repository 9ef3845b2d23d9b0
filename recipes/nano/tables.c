/* tables.c - small tables of figures and two sentences about them; lists to be said again. */
#include <stdio.h>
#include <string.h>

#include "nano.h"

typedef struct table {
    char head[4][64], label[8][64], cell[8][3][32];
    size_t n_cols, n_rows;
} table;

static void make_table(gen *g, table *t) {
    static const char *const months_en[] = {"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"};
    char w[TEXT];
    const int way = (int)below(g, 4);
    const size_t start = below(g, 12);
    t->n_cols = 1 + below(g, 3), t->n_rows = 2 + below(g, 4);
    say(g, way == 0 ? "月份" : way == 1 ? "星期" : way == 2 ? "门店" : "商品", way == 0 ? "month" : way == 1 ? "day" : way == 2 ? "shop" : "product", t->head[0]);
    for (size_t i = 0; i < t->n_cols; i++) {
        bool again;
        do {
            snprintf(t->head[i + 1], 64, "%.63s", say(g, "销量|退货|收入|成本|客流|订单|利润|库存|投诉|新客", "sales|returns|income|cost|visitors|orders|profit|stock|complaints|members", w));
            again = false;
            for (size_t j = 1; j <= i; j++) again |= strcmp(t->head[j], t->head[i + 1]) == 0;
        } while (again);
    }
    for (size_t r = 0; r < t->n_rows; r++) {
        static const char days_zh[] = "一二三四五六日";
        static const char *const days_en[] = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};
        const size_t m = (start + r) % 12;
        if (way == 0 && g->zh) snprintf(t->label[r], 64, "%zu月", m + 1);
        else if (way == 0) snprintf(t->label[r], 64, "%s", months_en[m]);
        else if (way == 1 && g->zh) snprintf(t->label[r], 64, "周%.3s", days_zh + 3 * ((start + r) % 7));
        else if (way == 1) snprintf(t->label[r], 64, "%s", days_en[(start + r) % 7]);
        else {
            name_of(g, way == 2 ? S_BRAND : (style)below(g, 4), w);
            snprintf(t->label[r], 64, "%.63s", w);
        }
        for (size_t c = 0; c < t->n_cols; c++) snprintf(t->cell[r][c], 32, "%zu", below(g, chance(g, 50) ? 100 : 3000));
    }
}

static void put_table(glim_buf *b, const table *t) {
    for (size_t c = 0; c <= t->n_cols; c++) {
        if (c) glim_buf_puts(b, " | ");
        put_slot(b, t->head[c]);
    }
    for (size_t r = 0; r < t->n_rows; r++) {
        glim_buf_putc(b, '\n');
        put_slot(b, t->label[r]);
        for (size_t c = 0; c < t->n_cols; c++) {
            glim_buf_puts(b, " | ");
            put_slot(b, t->cell[r][c]);
        }
    }
}

/* The first line and the last one, figure by figure. */
static void put_sentences(gen *g, glim_buf *b, const table *t) {
    for (int k = 0; k < 2; k++) {
        const size_t r = k ? t->n_rows - 1 : 0;
        if (k && !g->zh) glim_buf_putc(b, ' ');
        for (size_t c = 0; c < t->n_cols; c++) {
            const slot s[] = {{'l', t->label[r]}, {'h', t->head[c + 1]}, {'v', t->cell[r][c]}};
            fill(b, c == 0 ? g->zh ? "{l}的{h}是{v}" : "For {l} the {h} were {v}" : g->zh ? "，{h}是{v}" : c + 1 == t->n_cols ? " and the {h} {v}" : ", the {h} {v}", s, 3, false);
        }
        glim_buf_puts(b, g->zh ? "。" : ".");
    }
}

void table_conv(gen *g, conv *c) {
    table t = {0};
    make_table(g, &t);
    glim_buf_puts(&c->system, g->zh ? "任务：概述" : "Task: summarize");
    put_table(&c->user, &t);
    put_sentences(g, &c->answer, &t);
    for (size_t k = more_turns(g); k > 0; k--) {
        table m = {0};
        glim_buf q = {0}, a = {0};
        make_table(g, &m);
        put_table(&q, &m);
        put_sentences(g, &a, &m);
        add_turn(c, &q, &a, NULL);
        glim_buf_free(&q), glim_buf_free(&a);
    }
}

void table_doc(gen *g, glim_buf *doc) {
    table t = {0};
    make_table(g, &t);
    glim_buf_puts(doc, g->zh ? "任务：概述\n" : "Task: summarize\n");
    put_table(doc, &t);
    glim_buf_puts(doc, "\n\n");
    put_sentences(g, doc, &t);
    glim_buf_putc(doc, '\n');
}

void copy_doc(gen *g, glim_buf *doc) {
    enum { MOST = 6 };
    char key[MOST][TEXT], value[MOST][TEXT];
    const size_t n = 2 + below(g, MOST - 1);
    const int way = (int)below(g, 5);
    if (way > 2) { /* a line, and the same again: where to look is told by what stands before */
        glim_buf line = {0};
        for (size_t i = 0, k = 3 + below(g, 8); i < k; i++) {
            if (chance(g, 30)) id_of(g, key[0]);
            else if (chance(g, 40)) code_of(g, key[0]);
            else if (chance(g, 60)) word_of(g, key[0]);
            else name_of(g, (style)below(g, 6), key[0]);
            if (i) glim_buf_putc(&line, ' ');
            put_slot(&line, key[0]);
        }
        for (size_t i = 0, k = 2 + below(g, 2); i < k; i++) {
            glim_buf_append(doc, line.s, line.len);
            glim_buf_putc(doc, '\n');
        }
        glim_buf_free(&line);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (way == 1) id_of(g, key[i]);
        else name_of(g, (style)below(g, 6), key[i]);
        if (way == 0) id_of(g, value[i]);
        else if (way == 1) name_of(g, (style)below(g, 6), value[i]);
        else chance(g, 50) ? code_of(g, value[i]) : word_of(g, value[i]);
        put_slot(doc, key[i]);
        glim_buf_puts(doc, ": ");
        put_slot(doc, value[i]);
        glim_buf_putc(doc, '\n');
    }
    for (size_t i = 0, k = n + below(g, 5); i < k; i++) {
        const size_t at = below(g, n);
        glim_buf_putc(doc, '\n');
        if (chance(g, 50)) put_slot(doc, key[at]), glim_buf_puts(doc, " = "), put_slot(doc, value[at]);
        else put_slot(doc, value[at]), glim_buf_puts(doc, " < "), put_slot(doc, key[at]);
    }
    glim_buf_putc(doc, '\n');
}
