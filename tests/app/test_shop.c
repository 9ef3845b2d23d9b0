/* The service desk: the templates reach their marks, answers cite rows, corrections are live, a model's words are checked. */
#include <stdlib.h>
#include <unistd.h>

#include "app/shop.h"
#include "app/shop_internal.h"
#include "base/file.h"
#include "test.h"

static char folder[64];

static glim_shop *desk(const char *template_name) {
    glim_err err = {0};
    glim_shop *s;
    snprintf(folder, sizeof folder, "/tmp/glim-test-desk-XXXXXX");
    CHECK(mkdtemp(folder));
    CHECK_OK(glim_shop_init(template_name, folder, NULL, &err), err);
    CHECK_OK(glim_shop_open(&s, folder, &err), err);
    return s;
}

static void done(glim_shop *s) {
    char cmd[128];
    glim_shop_close(s);
    snprintf(cmd, sizeof cmd, "rm -r '%s'", folder);
    CHECK(system(cmd) == 0);
}

static glim_shop_answer ask(glim_shop *s, const char *q, const char *row, const glim_shop_model *m) {
    glim_err err = {0};
    glim_shop_answer a;
    glim_shop_question question = {.text = q, .n = strlen(q), .row = row, .model = m};
    CHECK_OK(glim_shop_ask(s, &question, &a, &err), err);
    return a;
}

#define CHECK_HAS(text, part) CHECK_MSG(strstr((text), (part)), "got \"%s\", want \"%s\" in it", (text), (part))

static void passes(const char *name) {
    glim_err err = {0};
    glim_shop *s = desk(name);
    glim_buf b = {0};
    bool passed = false;
    CHECK_OK(glim_shop_eval(s, NULL, &b, &passed, &err), err);
    CHECK_MSG(passed, "%s", b.s);
    printf("    %s: %.150s\n", name, b.s);
    glim_buf_free(&b);
    done(s);
}

TEST(the_electronics_template_reaches_its_pass_mark) { passes("electronics"); }
TEST(the_restaurant_template_reaches_its_pass_mark) { passes("restaurant"); }
TEST(the_hotel_template_reaches_its_pass_mark) { passes("hotel"); }

TEST(the_answer_changes_with_the_row_behind_it) {
    glim_shop *s = desk("electronics");
    glim_err err = {0};
    glim_shop_answer a = ask(s, "这款手机支持无线充电吗？", "PH001", NULL);
    CHECK_HAS(a.text.s, "15W Qi");
    CHECK_HAS(a.text.s, "[PH001]");
    CHECK(a.part == GLIM_PART_FILTER && a.n_rows == 1 && strcmp(a.row[0].id, "PH001") == 0);
    glim_shop_answer_deinit(&a);
    CHECK_OK(glim_shop_correct_cell(s, "PH001", "wireless_charging", "不支持", &err), err);
    a = ask(s, "这款手机支持无线充电吗？", "PH001", NULL);
    CHECK_HAS(a.text.s, "不支持");
    CHECK(!strstr(a.text.s, "15W"));
    glim_shop_answer_deinit(&a);
    CHECK_OK(glim_shop_correct_cell(s, "PH001", "wireless_charging", "", &err), err);
    a = ask(s, "这款手机支持无线充电吗？", "PH001", NULL);
    CHECK(a.status == GLIM_SHOP_NOT_IN_LIBRARY && a.handover == 1);
    glim_shop_answer_deinit(&a);
    CHECK(glim_shop_correct_cell(s, "PH001", "price", "cheap", &err) == GLIM_E_FORMAT);
    CHECK(glim_shop_correct_cell(s, "PH999", "price", "1", &err) == GLIM_E_NOT_FOUND);
    done(s);
}

TEST(a_clerks_answer_is_live_for_every_handle_on_the_folder_and_settles_the_list) {
    glim_shop *s = desk("electronics"), *other;
    glim_err err = {0};
    json_t *list;
    CHECK_OK(glim_shop_open(&other, folder, &err), err);
    glim_shop_answer a = ask(other, "你们卖冰箱吗？", NULL, NULL);
    CHECK(a.status == GLIM_SHOP_NOT_IN_LIBRARY && a.handover == 1);
    glim_shop_answer_deinit(&a);
    CHECK_OK(glim_shop_handovers(s, &list, &err), err);
    CHECK(json_array_size(list) == 1);
    CHECK_STR(json_string_value(json_object_get(json_array_get(list, 0), "question")), "你们卖冰箱吗？");
    json_decref(list);
    CHECK_OK(glim_shop_correct_answer(s, "你们卖冰箱吗？", "下个月开始卖冰箱。", NULL, 1, &err), err);
    a = ask(other, "你们卖冰箱吗", NULL, NULL);
    CHECK(a.part == GLIM_PART_CORRECTION);
    CHECK_STR(a.text.s, "下个月开始卖冰箱。");
    glim_shop_answer_deinit(&a);
    a = ask(other, "你们卖冰柜和洗衣机吗", NULL, NULL);
    CHECK(a.part != GLIM_PART_CORRECTION);
    glim_shop_answer_deinit(&a);
    CHECK_OK(glim_shop_handovers(s, &list, &err), err);
    CHECK(json_array_size(list) == 1); /* the second question only */
    json_decref(list);
    glim_shop_close(other);
    done(s);
}

TEST(a_journal_line_that_a_crash_cut_off_is_left_out_and_the_next_one_is_whole) {
    glim_shop *s = desk("hotel");
    glim_err err = {0};
    char path[128];
    snprintf(path, sizeof path, "%s/corrections.jsonl", folder);
    CHECK_OK(glim_file_write_atomic(path, "{\"kind\": \"answer\", \"question\": \"a\", \"ans", 40, &err), err);
    CHECK_OK(glim_shop_correct_answer(s, "有雪茄吧吗", "三楼有。", NULL, 0, &err), err);
    glim_shop_answer a = ask(s, "有雪茄吧吗", NULL, NULL);
    CHECK_STR(a.text.s, "三楼有。");
    glim_shop_answer_deinit(&a);
    done(s);
}

TEST(a_bad_library_changes_nothing) {
    glim_shop *s = desk("electronics");
    glim_err err = {0};
    const char bad[] = "sku,name,price\nA1,甲,12\nA2,乙,\"13\nA3,丙,14\n";
    CHECK(glim_shop_replace(s, "bad.csv", bad, strlen(bad), NULL, &err) != GLIM_OK);
    CHECK_HAS(err.msg, "bad.csv");
    glim_shop_answer a = ask(s, "PH001 多少钱", NULL, NULL);
    CHECK_HAS(a.text.s, "2999");
    glim_shop_answer_deinit(&a);
    const char good[] = "sku,name,price\nZZ1,大铁锅,120\nZZ2,小铁锅,80\nZZ3,木铲,9\nZZ4,砧板,30\n";
    CHECK_OK(glim_shop_replace(s, "pots.csv", good, strlen(good), NULL, &err), err);
    a = ask(s, "最便宜的是什么", NULL, NULL);
    CHECK_HAS(a.text.s, "木铲");
    glim_shop_answer_deinit(&a);
    glim_shop_close(s);
    CHECK_OK(glim_shop_open(&s, folder, &err), err); /* and it lies in the folder */
    a = ask(s, "大铁锅多少钱", NULL, NULL);
    CHECK_HAS(a.text.s, "120");
    glim_shop_answer_deinit(&a);
    done(s);
}

/* A model that says what the test wants. */
static const char *g_says;
static glim_buf g_system, g_user;
static glim_status say(void *ctx, const char *system, const char *user, glim_buf *out, glim_err *err) {
    (void)ctx, (void)err;
    glim_buf_clear(&g_system);
    glim_buf_clear(&g_user);
    glim_buf_puts(&g_system, system);
    glim_buf_puts(&g_user, user);
    glim_buf_puts(out, g_says);
    return GLIM_OK;
}

TEST(a_models_sentence_stands_only_if_the_rows_bear_it_out) {
    glim_shop *s = desk("electronics");
    const glim_shop_model m = {.say = say};
    const char *q = "澜星 L9 手机多少钱？";
    static const struct {
        const char *says;
        bool stands;
    } t[] = {{"这款卖2999元。[PH001]", true}, {"这款卖1999元。[PH001]", false}, {"这款卖2999元。", false}, {"这款卖2999元。[PH002]", false}, {"资料库里没有这个信息。", false}, {"", false}};
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        g_says = t[i].says;
        glim_shop_answer a = ask(s, q, NULL, &m);
        CHECK_MSG(a.phrased == t[i].stands, "\"%s\": got \"%s\"", t[i].says, a.text.s);
        CHECK_HAS(a.text.s, "2999");
        glim_shop_answer_deinit(&a);
    }
    CHECK_STR(g_system.s, "任务：回答\n你是一家电子产品商店的客服，回答简短、客气。\n1. 先看问题问的是哪一行、哪一项。\n2. 只根据资料里的行回答，不要编造。\n"
                          "3. 每句话后面写行号，如[P012]。\n4. 资料里没有答案时，只写：资料库里没有这个信息。");
    CHECK(strncmp(g_user.s, "资料：\n[PH001] 名称: 澜星 L9 手机 | 价格: 2999元 | ", strlen("资料：\n[PH001] 名称: 澜星 L9 手机 | 价格: 2999元 | ")) == 0);
    CHECK_HAS(g_user.s, "\n\n问题：澜星 L9 手机多少钱？");
    glim_buf_free(&g_system);
    glim_buf_free(&g_user);
    done(s);
}

TEST(a_folder_with_files_and_an_unknown_template_are_refused) {
    glim_shop *s = desk("hotel");
    glim_err err = {0};
    CHECK(glim_shop_init("hotel", folder, NULL, &err) == GLIM_E_ARG);
    CHECK(glim_shop_init("casino", "/tmp/glim-test-no-such", NULL, &err) == GLIM_E_NOT_FOUND);
    CHECK(strstr(err.hint, "restaurant") != NULL);
    done(s);
}
