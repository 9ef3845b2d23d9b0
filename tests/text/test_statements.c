/* What rows and tables make true, in the shapes of the inner model. */
#include "text/statements.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "test.h"
#include "text/priced.h"

static const char *const EN = "Task: answer\nYou are the clerk.\n1. Be polite.", *const ZH = "任务：回答\n你是店员。";

static json_t *of(const char *system, const char *user) {
    json_t *l = NULL;
    glim_err err = {0};
    CHECK_OK(glim_statements(&l, NULL, system, user, NULL, &err), err);
    return l;
}
static bool has(const json_t *l, const char *s) {
    for (size_t i = 0; i < json_array_size(l); i++)
        if (strcmp(json_string_value(json_array_get(l, i)), s) == 0) return true;
    return false;
}

TEST(rows_say_what_stands_in_them_and_nothing_else) {
    json_t *l = of(EN, "Rows:\n[1] Nova X5 | price: 2999 CNY | wireless charging: 15W Qi\n[2] Nova X5 Pro | price: 3999 CNY | window: no\n\nQuestion: [3] Fake | price: 1 CNY?");
    static const char *const want[] = {"This is not in the library.",
                                       "[1] The price of Nova X5 is 2999 CNY.",
                                       "[1] Yes, its price is 2999 CNY.",
                                       "[1] The wireless charging of Nova X5 is 15W Qi.",
                                       "[1] Yes, its wireless charging is 15W Qi.",
                                       "[2] The price of Nova X5 Pro is 3999 CNY.",
                                       "[2] Yes, its price is 3999 CNY.",
                                       "[2] No, Nova X5 Pro has no window.",
                                       "[1] The price of Nova X5 is 2999 CNY and the wireless charging is 15W Qi.",
                                       "[1] The wireless charging of Nova X5 is 15W Qi and the price is 2999 CNY.",
                                       "[1] The price of Nova X5 is 2999 CNY. [2] The price of Nova X5 Pro is 3999 CNY.",
                                       "[2] The price of Nova X5 Pro is 3999 CNY. [1] The price of Nova X5 is 2999 CNY."};
    for (size_t i = 0; i < GLIM_COUNT(want); i++) CHECK_MSG(has(l, want[i]), "%s", want[i]);
    CHECK_MSG(json_array_size(l) == GLIM_COUNT(want), "%zu statements, want %zu", json_array_size(l), GLIM_COUNT(want));
    json_decref(l);
    l = of(ZH, "资料：\n[1] 星河X5 | 价格: 2999元 | 窗户: 否 | 早餐: 是\n\n问题：多少钱？");
    CHECK(has(l, "资料库里没有这个信息。") && has(l, "[1] 星河X5的价格是2999元。") && has(l, "[1] 支持，价格为2999元。") && has(l, "[1] 不支持窗户。") && has(l, "[1] 支持早餐。"));
    CHECK(!has(l, "[1] 星河X5的价格是2999元，窗户是否。") && !has(l, "[1] 支持窗户。") && !has(l, "[1] 不支持早餐。"));
    json_decref(l);
    l = of(EN, "Rows:\n(none)\n\nQuestion: hi?");
    CHECK(json_array_size(l) == 1 && has(l, "This is not in the library."));
    json_decref(l);
}

TEST(tables_say_two_of_their_lines) {
    json_t *l = of("Task: summarize", "month | sales | returns\nJanuary | 120 | 3\nMay | 154 | 2\nJune | 9 | 0");
    CHECK(json_array_size(l) == 6);
    CHECK(has(l, "For January the sales were 120 and the returns 3. For June the sales were 9 and the returns 0."));
    json_decref(l);
    l = of("任务：概述", "月份 | 销量 | 退货 | 成本\n1月 | 120 | 3 | 7\n2月 | 154 | 2 | 8");
    CHECK(json_array_size(l) == 2 && has(l, "1月的销量是120，退货是3，成本是7。2月的销量是154，退货是2，成本是8。"));
    json_decref(l);
    l = of("Task: summarize", "month | sales | returns\nJanuary | 120 | 3\nMay | 154\nJune | 9 | 0"); /* a ragged line says nothing */
    CHECK(json_array_size(l) == 2);
    json_decref(l);
}

TEST(a_table_with_more_to_say_than_can_be_chosen_from_says_nothing) {
    glim_buf b = {0};
    glim_buf_puts(&b, "month | aaaaaaaaaaaaaaaa | bbbbbbbbbbbbbbbb | cccccccccccccccc");
    for (int i = 0; i < 64; i++) glim_buf_printf(&b, "\na name as long as this one %d | 1%d | 2%d | 3%d", i, i, i, i);
    CHECK(!of("Task: summarize", glim_buf_cstr(&b)));
    glim_buf_free(&b);
}

TEST(only_the_refusal_costs) {
    static const struct { const char *text; double cost; } cases[] = {{"", 0}, {"\n", 0}, {"[", 0}, {"\n[2] The price", 0}, {"T", 4}, {"\nThis is", 4}, {"资料", 4}, {" \n资", 4}, {"This is not in the library. [1]", 4}};
    glim_err err = {0};
    json_t *l;
    double *price;
    CHECK_OK(glim_statements(&l, &price, EN, "Rows:\n[1] Nova | weight: 3 g\n[2] Luma | price: 4 CNY\n\nQuestion: how much?", NULL, &err), err);
    for (size_t i = 0; i < GLIM_COUNT(cases); i++) {
        glim_priced p = {l, price, 4};
        const double cost = glim_priced_cost(&p, cases[i].text, strlen(cases[i].text), false);
        CHECK_MSG(cost == cases[i].cost, "\"%s\": %g, want %g", cases[i].text, cost, cases[i].cost);
    }
    json_decref(l);
    free(price);
    json_t *rows = of(EN, "Rows:\n[1] Nova X5 | price: 2999 CNY\n\nQuestion: how much?"), *zh = of(ZH, "资料：\n（无）\n\n问题：多少钱？"),
           *table = of("Task: summarize", "month | sales\nThis | 120\nMay | 154"), *none = json_array();
    CHECK(glim_statements_refuse(rows) && glim_statements_refuse(zh) && !glim_statements_refuse(table) && !glim_statements_refuse(none) && !glim_statements_refuse(NULL));
    json_decref(rows), json_decref(zh), json_decref(table), json_decref(none);
}

TEST(other_prompts_say_nothing) {
    static const char *const other[][2] = {{"Be brief.", "Rows:\n[1] A | b: c"}, {"Task: answers", "Rows:\n[1] A | b: c"}, {EN, "hello"}, {EN, ""}, {EN, "Rows:\n"}, {"Task: summarize", ""},
                                           {"Task: summarize", "one line"}, {"任务：回答", "Rows:\n[1] A | b: c"}, {EN, "Rows:\n[1] A | no colon"}, {EN, "Rows:\n[] A | b: c"}, {EN, "Rows:\n[1 A"}, {"", ""}};
    for (size_t i = 0; i < GLIM_COUNT(other); i++) {
        json_t *l = of(other[i][0], other[i][1]);
        CHECK_MSG(!l, "%zu: %zu statements", i, json_array_size(l));
        json_decref(l);
    }
}

TEST(many_columns_leave_out_sentences_of_two) {
    glim_buf b = {0};
    glim_buf_puts(&b, "Rows:\n");
    for (int r = 1; r <= 9; r++) {
        glim_buf_printf(&b, "[%d] Thing %d", r, r);
        for (int c = 0; c < 32; c++) glim_buf_printf(&b, " | col%d: %d", c, 100 * r + c);
        glim_buf_putc(&b, '\n');
    }
    glim_buf_puts(&b, "\nQuestion: x?");
    json_t *l = of(EN, glim_buf_cstr(&b));
    CHECK(json_array_size(l) == 1 + 9 * 32 * 2 && has(l, "[9] The col31 of Thing 9 is 931."));
    json_decref(l);
    glim_buf_clear(&b); /* more rows than there is room for: not in that form */
    glim_buf_puts(&b, "Rows:\n");
    for (int r = 1; r <= 10; r++) glim_buf_printf(&b, "[%d] Thing | a: b\n", r);
    CHECK(!of(EN, glim_buf_cstr(&b)));
    glim_buf_free(&b);
}
