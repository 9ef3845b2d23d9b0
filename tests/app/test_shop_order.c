/* The service desk and orders: the cheapest, anything cheaper, all there is. */
#include "shop_asked.h"

TEST(whether_one_is_the_first_of_its_kind_is_answered_with_yes_or_no) {
    static const asked t[] = {
        {"electronics", "澜星 L9 Lite 是最便宜的手机吗", NULL, "不是", "是的"},
        {"electronics", "澜星 L9 是最便宜的手机吗", NULL, "[PH015]", "是的"},
        {"electronics", "Is the Baiyu Easy 5 the cheapest phone?", NULL, "Yes.", "No,"},
        {"electronics", "is the L9 Pro the most expensive phone you have", NULL, "[PH020]", "Yes"},
        {"electronics", "is it the cheapest phone?", "PH001", "No,", "Yes"},
        {"electronics", "这款是最便宜的手机吗", "PH015", "是的。", "不是"},
        {"electronics", "这款手机最大内存是多少", "PH001", "8 GB", "不是"}, /* asks for its memory */
    };
    check_all(t, GLIM_COUNT(t));
}

TEST(anything_cheaper_is_cheaper_than_the_row_in_view) {
    static const asked t[] = {
        {"electronics", "有没有更便宜的", "PH001", "[PH015]", "[CB002]"},
        {"electronics", "有更大屏幕的吗", "PH001", "[PH019]", "[TV003]"},
        {"hotel", "something cheaper?", "H07", "[H40]", "[H46]"},
        {"electronics", "能便宜吗", "PH001", "2999", "[CB002]"},
        {"electronics", "推荐3款手机", "PH009", "前3款", "[PH009]"},
        {"electronics", "比澜星 L9 Pro便宜吗", "PH001", "4299", "[PH015]"},
        {"electronics", "two cheapest phones", NULL, "[PH017]", "[PH016]"},
        {"restaurant", "recommend two soups", NULL, "[D24]", "1 fits"},
        {"electronics", "L9 Pro最便宜的是哪款", NULL, "4299", "[CB002]"},
        {"electronics", "有没有更便宜的，L9太贵了", NULL, "[PH015]", "[CB002]"},
        {"electronics", "太贵了，有便宜点的吗", "PH001", "[PH015]", "[CB002]"},
        {"electronics", "有比L9 Pro便宜的吗", "PH001", "[PH015]", "2999元，澜星"},
    };
    check_all(t, GLIM_COUNT(t));
}

TEST(an_order_beside_this_one_is_about_it) {
    glim_shop *s = desk("electronics"); /* PH001: 2999, 8 GB, 192 g */
    static const struct {
        const char *q, *row, *has, *filter, *has_not;
    } t[] = {
        {"有没有比这款便宜的", "PH001", "[PH015]", "价格 < 2999", "[CB002]"}, /* no cables */
        {"Anything cheaper than this?", "PH001", "[PH015]", "price < 2999", "[CB002]"},
        {"有没有比澜星 L9更便宜的手机", NULL, "[PH015]", "价格 < 2999", "[PH003]"},
        {"phones cheaper than the Lanstar L9 phone", NULL, "[PH015]", "price < 2999", "[PH001]"},
        {"有比它更轻的手机吗", "PH001", "[PH013]", "重量 < 192", "没有"},
        {"比这款贵一点的有吗", "PH001", "第一是", "价格 > 2999", "[NB005]"},
        {"这款最大内存多少", "PH001", "8 GB", "", "[NB003]"},
        {"这款能便宜点吗", "PH001", "2999", "", "[CB002]"},
        {"can you make it cheaper?", "PH001", "2999", "", "[SP008]"},
        {"这款比澜星 L9 Pro 手机便宜吗", "PH001", "4299", "", "[CB002]"}, /* two against each other */
        {"最便宜的手机是哪款", "PH001", "[PH015]", "品类", "[CB002]"},   /* nothing is said of this one */
    };
    for (size_t i = 0; i < GLIM_COUNT(t); i++) {
        glim_shop_answer a = ask(s, t[i].q, t[i].row, NULL);
        CHECK_MSG(a.status == GLIM_SHOP_ANSWERED && strstr(a.text.s, t[i].has) && !strstr(a.text.s, t[i].has_not), "%s: %s", t[i].q, a.text.s);
        CHECK_MSG(strstr(glim_buf_cstr(&a.filter), t[i].filter), "%s: the filter is %s", t[i].q, glim_buf_cstr(&a.filter));
        glim_shop_answer_deinit(&a);
    }
    /* No other kind than this one's; and nothing is less or more than an empty cell. */
    static const char *const no[][2] = {{"有没有比这款便宜的洗衣机", "PH001"}, {"anything cheaper than this with a fridge compartment?", "PH001"}, {"有没有比这款电池更大的", "CB002"}};
    for (size_t i = 0; i < GLIM_COUNT(no); i++) {
        glim_shop_answer a = ask(s, no[i][0], no[i][1], NULL);
        CHECK_MSG(a.status != GLIM_SHOP_ANSWERED, "%s: %s", no[i][0], a.text.s);
        glim_shop_answer_deinit(&a);
    }
    done(s);
}

TEST(words_for_all_rows_are_no_condition) {
    static const asked t[] = {
        {"electronics", "which models are the most expensive", NULL, "[PH020]", "says nothing"},
        {"electronics", "cheapest thing", NULL, "[CB002]", "says nothing"},
        {"electronics", "最便宜和最贵的手机", NULL, "899元[PH015]。按价格从高到低，第一是云笺 Fold S 1024GB 手机，9499元[PH020]", "没有"},
        {"electronics", "which is the cheapest and lightest phone", NULL, "By weight, lowest first: Moqiu Rover 20 Mini", "says nothing"},
        {"electronics", "what do you sell", NULL, "phone (20)", "not in"},
        {"electronics", "有哪些品牌", NULL, "澜星", "没有"},
        {"electronics", "手机有什么品牌", NULL, "云笺", "没有"},
        {"restaurant", "which dishes are the most expensive", NULL, "[D23]", "says nothing"},
        {"restaurant", "cheapest food", NULL, "[D34]", "says nothing"},
        {"restaurant", "有什么吃的", NULL, "热菜17款", "没有"},
        {"restaurant", "what food do you have", NULL, "main dish (17)", "not in"},
        {"restaurant", "你们有什么推荐的菜", NULL, "评分4.9", "没有"},
        {"restaurant", "meals for kids", NULL, "", "[D27]"},
        {"hotel", "有什么房型", NULL, "套房9款", "没有"},
    };
    check_all(t, GLIM_COUNT(t));
}

TEST(a_column_of_degrees_has_an_order) {
    static const asked t[] = {
        {"restaurant", "最辣的菜", NULL, "第一是水煮鱼，辣度特辣", "[D01]"},
        {"restaurant", "哪个汤最辣", NULL, "第一是酸辣汤", "没有"},
        {"restaurant", "the spiciest main dish", NULL, "first: Fish in chilli broth", "not in"},
        {"restaurant", "least spicy main dish", NULL, "first: Steamed sea bass", "not in"},
        {"restaurant", "比宫保鸡丁辣的菜", NULL, "[D09]", "微辣，"},
        {"restaurant", "麻婆豆腐和水煮鱼哪个更辣", NULL, "是水煮鱼", "没有"},
        {"restaurant", "辣的菜", NULL, "13款", "[D03]"},
    };
    check_all(t, GLIM_COUNT(t));
    glim_err err = {0};
    const char *found;
    glim_shop *s;
    CHECK_OK(init_with("名称,甜度,价格\n奶茶,全糖,9\n绿茶,无糖,5\n果茶,半糖,7\n红茶,全糖,8\n黑茶,无糖,6\n花茶,半糖,7\n白茶,全糖,8\n麦茶,无糖,6\n豆浆,半糖,4\n", NULL, &found, &err), err);
    CHECK_OK(glim_shop_open(&s, folder, &err), err);
    const size_t c = (size_t)glim_lib_find_col(s->lib, "甜度");
    CHECK(s->lib->col[c].type == GLIM_LIB_ENUM && s->lib->col[c].degree && s->lib->col[c].number[0] > s->lib->col[c].number[2] && s->lib->col[c].number[2] > s->lib->col[c].number[1]);
    done(s);
}
