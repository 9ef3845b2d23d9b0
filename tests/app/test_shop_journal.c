/* The service desk and its clerks: corrections are live, for what they were made for, and settle the hand-over list. */
#include "shop_test.h"

TEST(a_correction_is_for_its_day_its_figure_and_its_order) {
    glim_shop *s = desk("restaurant");
    glim_err err = {0};
    CHECK_OK(glim_shop_correct_answer(s, "虾饺比春卷贵吗", "今天一样。", NULL, 0, &err), err);
    CHECK_OK(glim_shop_correct_answer(s, "are children allowed on the terrace in the evening", "Yes.", NULL, 0, &err), err);
    CHECK_OK(glim_shop_correct_answer(s, "can I bring my own birthday cake to the restaurant", "You can.", NULL, 0, &err), err);
    CHECK_OK(glim_shop_correct_answer(s, "热菜的价格是多少", "看菜单。", NULL, 0, &err), err);
    CHECK_OK(glim_shop_correct_answer(s, "虾饺今天有特价吗多少钱一份", "特价9元。", NULL, 0, &err), err);
    static const struct {
        const char *q;
        bool fixed;
    } t[] = {{"虾饺比春卷贵吗", true}, {"春卷比虾饺贵吗", false}, {"热菜的价格是多少", true}, {"热菜的平均价格是多少", false}, {"虾饺今天有特价吗多少钱一份", true}, {"虾饺明天有特价吗多少钱一份", false},
           {"are children allowed on the terrace in the evening", true}, {"are children not allowed on the terrace in the evening", false},
           {"can I bring my own birthday cake from the restaurant", false}};
    for (size_t i = 0; i < GLIM_COUNT(t); i++) {
        glim_shop_answer a = ask(s, t[i].q, NULL, NULL);
        CHECK_MSG((a.part == GLIM_PART_CORRECTION) == t[i].fixed, "%s: %s", t[i].q, a.text.s);
        glim_shop_answer_deinit(&a);
    }
    done(s);
}

enum { SOME = 40 };
static void *hand_over_some(void *shop) {
    glim_shop *s = shop;
    glim_err err = {0};
    uint64_t no;
    glim_shop_question q = {.text = "x", .n = 1};
    pthread_mutex_lock(&s->mu);
    for (int k = 0; k < SOME; k++) (void)glim_shop_hand_over(s, &q, "human", &no, &err);
    pthread_mutex_unlock(&s->mu);
    return NULL;
}

TEST(a_reply_to_one_customer_settles_the_list_and_teaches_nothing) {
    glim_shop *s = desk("electronics"), *other;
    glim_err err = {0};
    json_t *list;
    CHECK_OK(glim_shop_open(&other, folder, &err), err);
    glim_shop_answer a = ask(s, "我要找人工客服", NULL, NULL);
    CHECK(a.status == GLIM_SHOP_HANDED_OVER && a.handover == 1);
    glim_shop_answer_deinit(&a);
    CHECK_OK(glim_shop_correct_answer(s, "我要找人工客服", "我是小王，请讲。", "GONE1", 1, &err), err); /* a row of another file does not stand in the way */
    CHECK_OK(glim_shop_handovers(s, &list, &err), err);
    CHECK(json_array_size(list) == 0);
    json_decref(list);
    a = ask(s, "我要找人工客服", NULL, NULL);
    CHECK(a.status == GLIM_SHOP_HANDED_OVER && a.handover == 2);
    glim_shop_answer_deinit(&a);
    CHECK(glim_shop_correct_answer(s, "多少钱", "一元。", "GONE1", 0, &err) == GLIM_E_NOT_FOUND);
    CHECK_OK(glim_shop_correct_answer(s, "我要找人工客服", "我是小王，请讲。", NULL, 2, &err), err);
    a = ask(s, "我要找人工客服", NULL, NULL);
    CHECK(a.status == GLIM_SHOP_HANDED_OVER && a.handover == 3);
    glim_shop_answer_deinit(&a);
    glim_shop *two[2] = {s, other}; /* two processes hand over at once: every question has a number of its own */
    pthread_t at_once[2];
    for (int k = 0; k < 2; k++) CHECK(pthread_create(&at_once[k], NULL, hand_over_some, two[k]) == 0);
    for (int k = 0; k < 2; k++) CHECK(pthread_join(at_once[k], NULL) == 0);
    CHECK_OK(glim_shop_handovers(s, &list, &err), err);
    bool seen[2 * SOME + 4] = {0};
    size_t i;
    json_t *o;
    json_array_foreach(list, i, o) {
        json_int_t id = json_integer_value(json_object_get(o, "id"));
        CHECK_MSG(id > 2 && id < 2 * SOME + 4 && !seen[id], "the number %d twice", (int)id);
        seen[id] = true;
    }
    CHECK(i == 2 * SOME + 1);
    json_decref(list);
    glim_shop_close(other);
    done(s);
}

TEST(a_cell_is_shown_whole_to_who_corrects_it) {
    glim_shop *s = desk("electronics");
    glim_err err = {0};
    char text[400];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    CHECK_OK(glim_shop_correct_cell(s, "PH001", "description", text, &err), err);
    CHECK_OK(glim_shop_correct_cell(s, "PH001", "stock", "40 in stock", &err), err);
    glim_shop_answer a = ask(s, "PH001 还有货吗", NULL, NULL);
    CHECK_HAS(a.rows_json.s, text);
    glim_shop_answer_deinit(&a);
    done(s);
}

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

TEST(a_corrected_name_is_found_and_a_value_in_either_language_is_the_same) {
    glim_shop *s = desk("electronics");
    glim_err err = {0};
    for (int again = 0; again < 2; again++) { /* at once, and when the desk is opened the next day */
        if (again == 0) {
            CHECK_OK(glim_shop_correct_cell(s, "PH001", "name", "星耀 Nebula 9 手机", &err), err);
            CHECK_OK(glim_shop_correct_cell(s, "PH003", "colour", "green, red", &err), err); /* as a page in English shows them */
        } else {
            glim_shop_close(s);
            CHECK_OK(glim_shop_open(&s, folder, &err), err);
        }
        glim_shop_answer a = ask(s, "星耀 Nebula 9 手机多少钱", NULL, NULL);
        CHECK_MSG(a.n_rows == 1 && strcmp(a.row[0].id, "PH001") == 0, "%s", a.text.s);
        glim_shop_answer_deinit(&a);
        a = ask(s, "Nebula 多少钱", NULL, NULL);
        CHECK_MSG(a.n_rows == 1 && strcmp(a.row[0].id, "PH001") == 0, "%s", a.text.s);
        glim_shop_answer_deinit(&a);
        a = ask(s, "澜星 L9 Pro 手机有红色的吗", NULL, NULL);
        CHECK_HAS(a.text.s, "有红色");
        CHECK_HAS(a.text.s, "绿色、红色");
        CHECK(!strstr(a.text.s, "没有"));
        glim_shop_answer_deinit(&a);
        a = ask(s, "Does the Lanstar L9 Pro phone come in red?", NULL, NULL);
        CHECK_HAS(a.text.s, "Yes, red");
        glim_shop_answer_deinit(&a);
    }
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

TEST(a_clerks_answer_about_one_product_is_not_given_about_another) {
    glim_shop *s = desk("hotel");
    glim_err err = {0};
    static const struct {
        const char *q, *row;
        bool fixed;
    } t[] = {
        {"湖景高级大床房今天多少钱一晚", NULL, true},
        {"请问湖景高级大床房今天多少钱一晚？", NULL, true},
        {"湖景高级双床房今天多少钱一晚", NULL, false},
        {"山景高级大床房今天多少钱一晚", NULL, false},
        {"这间可以带猫入住吗", "H07", true},
        {"这间可以带猫入住吗", "H01", false},
        {"这间可以带车入住吗", "H07", false},
        {"早餐几点开始供应呀", NULL, true},
        {"早餐几点开始供应呀", "H07", true}, /* nothing is said of a row */
        {"晚餐几点开始供应呀", NULL, false},
        {"酒店门口有没有可以打车的地方", NULL, true},
        {"酒店门口有没有可以租车的地方", NULL, false}, /* all the desk can read is the same, but another word is left */
    };
    CHECK_OK(glim_shop_correct_answer(s, "酒店门口有没有可以打车的地方", "出门右转。", NULL, 0, &err), err);
    CHECK_OK(glim_shop_correct_answer(s, "湖景高级大床房今天多少钱一晚", "今天特价399元。", NULL, 0, &err), err);
    CHECK_OK(glim_shop_correct_answer(s, "这间可以带猫入住吗", "可以，收清洁费50元。", "H07", 0, &err), err);
    CHECK_OK(glim_shop_correct_answer(s, "早餐几点开始供应呀", "六点半。", NULL, 0, &err), err);
    for (size_t i = 0; i < GLIM_COUNT(t); i++) {
        glim_shop_answer a = ask(s, t[i].q, t[i].row, NULL);
        CHECK_MSG((a.part == GLIM_PART_CORRECTION) == t[i].fixed, "%s (%s): %s", t[i].q, t[i].row ? t[i].row : "-", a.text.s);
        glim_shop_answer_deinit(&a);
    }
    CHECK_OK(glim_shop_correct_answer(s, "这间有加湿器吗", "有。", NULL, 0, &err), err); /* nobody said which */
    glim_shop_answer a = ask(s, "这间有加湿器吗", "H01", NULL);
    CHECK(a.part != GLIM_PART_CORRECTION);
    glim_shop_answer_deinit(&a);
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

static void replace(glim_shop *s, const char *csv) {
    glim_err err = {0};
    CHECK_OK(glim_shop_replace(s, "pots.csv", csv, strlen(csv), NULL, NULL, &err), err);
}

static void costs(glim_shop *s, const char *q, const char *price) {
    glim_shop_answer a = ask(s, q, NULL, NULL);
    CHECK_MSG(strstr(a.text.s, price), "\"%s\": got \"%s\", want %s", q, a.text.s, price);
    glim_shop_answer_deinit(&a);
}

TEST(a_correction_does_not_go_over_to_what_another_file_says) {
    glim_shop *s = desk("electronics");
    glim_err err = {0};
    replace(s, "名称,价格\n大铁锅,199\n木铲子,12\n"); /* rows without ids: R2, R3 */
    CHECK_OK(glim_shop_correct_cell(s, "R2", "价格", "189", &err), err);
    CHECK_OK(glim_shop_correct_cell(s, "R2", "价格", "179", &err), err);
    CHECK_OK(glim_shop_correct_answer(s, "这个能用洗碗机洗吗", "不能，会生锈。", "R2", 0, &err), err);
    costs(s, "大铁锅多少钱", "179");
    replace(s, "名称,价格\n大铁锅,199\n木铲子,12\n"); /* the same file again */
    costs(s, "大铁锅多少钱", "179");
    replace(s, "名称,价格\n大铁锅,159\n木铲子,12\n"); /* a new price is no longer what was corrected */
    costs(s, "大铁锅多少钱", "159");
    replace(s, "名称,价格\n小砂锅,199\n木铲子,12\n"); /* another product on the same line */
    costs(s, "小砂锅多少钱", "199");
    glim_shop *other; /* a correction of what another one has corrected meanwhile */
    CHECK_OK(glim_shop_open(&other, folder, &err), err);
    CHECK_OK(glim_shop_correct_cell(other, "R3", "价格", "11", &err), err);
    CHECK_OK(glim_shop_correct_cell(s, "R3", "价格", "10", &err), err);
    glim_shop_close(other);
    CHECK_OK(glim_shop_open(&other, folder, &err), err);
    costs(other, "木铲子多少钱", "10元");
    glim_shop_close(other);
    glim_shop_answer a = ask(s, "这个能用洗碗机洗吗", "R2", NULL);
    CHECK(a.part != GLIM_PART_CORRECTION);
    glim_shop_answer_deinit(&a);
    done(s);
}
