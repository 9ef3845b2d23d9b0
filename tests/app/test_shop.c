/* The service desk: the templates reach their marks, answers cite rows, corrections are live. */
#include "shop_test.h"

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

TEST(who_is_allergic_is_never_shown_what_he_must_not_eat) {
    glim_shop *s = desk("restaurant");
    const char *q[] = {"花生过敏能吃什么", "我对花生过敏，推荐几个热菜", "有没有不含麸质和花生的热菜", "I am allergic to peanuts, what can I eat?", "peanut-free dishes", "我不吃花生"};
    for (size_t i = 0; i < GLIM_COUNT(q); i++) {
        glim_shop_answer a = ask(s, q[i], NULL, NULL);
        CHECK_MSG(a.status == GLIM_SHOP_ANSWERED && a.n_all > 1, "%s: %s", q[i], a.text.s);
        CHECK_MSG(!strstr(a.text.s, "[D02]") && !strstr(a.text.s, "[D04]") && !strstr(a.text.s, "[D07]") && !strstr(a.text.s, "[D32]"), "%s: %s", q[i], a.text.s);
        glim_shop_answer_deinit(&a);
    }
    glim_shop_answer a = ask(s, "我对花生过敏，宫保鸡丁能吃吗", NULL, NULL);
    CHECK_HAS(a.text.s, "有花生");
    glim_shop_answer_deinit(&a);
    done(s);
}

/* Questions of one desk after another; {desk, question, row in view or NULL, what the answer has, what it has not}. */
typedef struct asked {
    const char *desk, *q, *row, *has, *has_not;
} asked;

static void check_all(const asked *t, size_t n) {
    glim_shop *s = NULL;
    for (size_t i = 0; i < n; i++) {
        if (!i || strcmp(t[i].desk, t[i - 1].desk) != 0) {
            if (i) done(s);
            s = desk(t[i].desk);
        }
        glim_shop_answer a = ask(s, t[i].q, t[i].row, NULL);
        CHECK_MSG(strstr(a.text.s, t[i].has) && !strstr(a.text.s, t[i].has_not), "%s: %s", t[i].q, a.text.s);
        glim_shop_answer_deinit(&a);
    }
    if (n) done(s);
}

TEST(a_no_with_words_behind_it_is_still_a_no) {
    static const asked t[] = {
        {"restaurant", "Which dishes do not contain peanuts?", NULL, "44 fit", "[D02]"},
        {"restaurant", "which dishes are without any peanuts", NULL, "44 fit", "[D02]"},
        {"restaurant", "不包含花生的菜有哪些", NULL, "44款", "[D02]"},
        {"electronics", "which phones do not support wireless charging", NULL, "8 fit", "[PH001]"},
        {"electronics", "phones that don't come with wireless charging", NULL, "8 fit", "[PH001]"},
        {"electronics", "不提供无线充电的手机", NULL, "8款", "[PH001]"},
        {"hotel", "rooms that do not allow pets", NULL, "19 fit", "[H07]"},
        {"hotel", "rooms where pets are not allowed", NULL, "19 fit", "[H07]"},
        {"restaurant", "不含有花生的菜有哪些", NULL, "44款", "[D02]"},
        {"restaurant", "不要放花生的热菜有哪些", NULL, "款", "[D07]"},
        {"restaurant", "哪些菜没放花生", NULL, "44款", "[D02]"},
        {"restaurant", "which dishes are non-vegetarian", NULL, "[D02]", "[D01]"},
        {"restaurant", "有没有放花生的热菜", NULL, "[D07]", "[D12]"},
        {"restaurant", "花生和坚果都不要的热菜", NULL, "款", "[D07]"},
        {"restaurant", "除了花生，坚果也不能有的菜", NULL, "款", "[D48]"},
        {"hotel", "a suite without a bathtub or breakfast", NULL, "", "breakfast yes"},
        {"hotel", "which rooms are without a window?", NULL, "[H40]", "[H01]"},
        {"hotel", "which rooms do not have a bathtub?", NULL, "[H01]", "[H15]"},
        {"electronics", "我不喜欢黑色，有哪些手机", NULL, "[PH", "[PH001]"},
        {"electronics", "phones, I don't want black", NULL, "[PH", "[PH001]"},
        {"electronics", "不要超过3000元的手机有哪些", NULL, "[PH001]", "[PH002]"},
    };
    check_all(t, GLIM_COUNT(t));
}

TEST(a_model_is_known_without_its_brand_or_kind) {
    static const asked t[] = {
        {"electronics", "is the L9 cheaper than the L9 Pro?", NULL, "It is Lanstar L9 phone", "[PH015]"},
        {"electronics", "L9和L9 Pro多少钱", NULL, "2999", "没有"},
        {"electronics", "L9和L9 Pro有什么区别", NULL, "[PH001]", "没有"},
        {"electronics", "which is cheaper, L9 or Mist 3?", NULL, "[PH007]", "[CB002]"},
        {"electronics", "L9多少钱，有红色吗，保修多久", NULL, "没有红色：澜星 L9", "[PH006]"},
        {"electronics", "L9 Ultra多少钱", NULL, "没有", "2999"},
        {"electronics", "L9手机壳多少钱", NULL, "", "[PH001]"},
        {"electronics", "L9 Max多少钱", NULL, "没有", "2999"}, /* guards: models and brands that nobody has */
        {"electronics", "华为L9多少钱", NULL, "没有", "2999"},
        {"electronics", "青屿 L9多少钱", NULL, "", "[PH001]"},
        {"electronics", "L9青春版多少钱", NULL, "没有", "2999"},
        {"electronics", "L9 Pro比L9贵吗", NULL, "是澜星 L9 Pro 手机", "没有"},
        {"electronics", "L9保修多久", NULL, "12个月", "没有"},
        {"electronics", "澜星 L9 手机 PH001 多少钱", NULL, "2999", "2999元。[PH001]澜星"},
    };
    check_all(t, GLIM_COUNT(t));
}

TEST(a_right_word_is_not_spelt_as_another) {
    static const asked t[] = {
        {"restaurant", "how much is the beer", NULL, "", "[D29]"},
        {"restaurant", "do you have coke", NULL, "", "[D39]"},
        {"electronics", "phones released in 2024", NULL, "7 fit", "[PH001]"},
    };
    check_all(t, GLIM_COUNT(t));
}

TEST(what_must_not_be_eaten_is_not_listed_where_no_table_says_who_is_without_it) {
    static const asked t[] = {
        {"restaurant", "没有牛肉的菜", NULL, "没有", "[D29]"},
        {"restaurant", "不吃猪肉能吃什么", NULL, "没有", "[D31]"},
        {"restaurant", "no pork", NULL, "not in the library", "[D11]"},
        {"restaurant", "is kung pao chicken peanut free", NULL, "With peanut", "Yes"},
        {"restaurant", "I'm allergic to peanuts, can I eat kung pao chicken?", NULL, "With peanut", "Yes"},
        {"restaurant", "蛋奶过敏的甜品", NULL, "", "[D41]"},
        {"restaurant", "有没有牛肉", NULL, "[D29]", "资料库"},
        {"restaurant", "I'm allergic to peanuts, what can I eat?", NULL, "44 fit", "[D02]"},
        {"restaurant", "what can I eat with a nut allergy", NULL, "43 fit", "[D04]"},
        {"restaurant", "我对芒果过敏", NULL, "没有", "[D40]"},
        {"restaurant", "芒果过敏能吃杨枝甘露吗", NULL, "没有", "[D40]"},
        {"restaurant", "花生和虾过敏能吃什么", NULL, "没有", "[D"},
        {"restaurant", "过敏原有花生的菜有哪些", NULL, "4款", "[D01]"}, /* asks for them */
        {"restaurant", "没有牛肉吗", NULL, "没有", "服务范围"},
        {"restaurant", "豆浆不加糖", NULL, "[D44]", "没有"},
    };
    check_all(t, GLIM_COUNT(t));
}

TEST(what_a_value_says_no_to_is_every_other_value) {
    static const asked t[] = {
        {"restaurant", "不要辣的", NULL, "35款", "[D01]"},
        {"restaurant", "我不吃辣", NULL, "35款", "[D01]"},
        {"restaurant", "怕辣", NULL, "35款", "[D01]"},
        {"restaurant", "吃不了辣，推荐几个菜", NULL, "35款", "[D01]"},
        {"restaurant", "不要辣的热菜", NULL, "9款", "[D07]"},
        {"restaurant", "花生过敏，不要辣的", NULL, "34款", "[D04]"},
        {"restaurant", "辣的菜", NULL, "13款", "[D03]"},
        {"restaurant", "我能吃辣，推荐几个", NULL, "13款", "[D03]"},
        {"restaurant", "宫保鸡丁是辣的吗", NULL, "微辣", "没有"},
        {"restaurant", "酸辣的菜", NULL, "[D24]", "款符合"}, /* a part of another word */
        {"restaurant", "I can't eat spicy food", NULL, "35 fit", "[D01]"},
        {"restaurant", "which dishes are spicy", NULL, "13 fit", "[D03]"},
        {"restaurant", "how spicy is kung pao chicken", NULL, "slightly spicy", "fit"},
        {"restaurant", "something a little spicy", NULL, "13 fit", "[D06]"},
        {"hotel", "有景观的房间", NULL, "30款", "[H40]"},
        {"hotel", "do you have a sea view room?", NULL, "not in the library", "[H"},
    };
    check_all(t, GLIM_COUNT(t));
}

TEST(a_figure_with_a_unit_says_what_is_wanted) {
    static const asked t[] = {
        {"electronics", "512G的手机", NULL, "6款", "[PH001]"},
        {"electronics", "512GB的手机", NULL, "6款", "[PH001]"},
        {"electronics", "12G内存的手机", NULL, "5款", "[PH001]"},
        {"electronics", "1T的固态硬盘", NULL, "有4款", "[SD001]"},
        {"electronics", "手机 256GB 存储", NULL, "7款", "[PH002]"},
        {"electronics", "27 inch monitor", NULL, "2 fit", "[TV"},
        {"electronics", "5000mAh的手机", NULL, "4款", "[PH003]"},
        {"electronics", "5000mAh battery phone", NULL, "4 fit", "[PH003]"},
        {"electronics", "16GB 512GB的笔记本", NULL, "内存16 GB，存储512 GB", "[PH"},
        {"electronics", "L9 512GB多少钱", NULL, "3499", "款"}, /* of a name */
        {"electronics", "5G手机", NULL, "没有", "重量"},
        {"electronics", "这款手机是5000mAh吗", "PH001", "是的", "不是"},
        {"electronics", "这款手机是6000mAh吗", "PH001", "5000", "是的"},
        {"electronics", "200克以下的耳机", NULL, "[HP001]", "存储"},
        {"restaurant", "2人份的菜", NULL, "18款", "[D05]"},
        {"restaurant", "两人份的热菜", NULL, "11款", "[D12]"},
        {"restaurant", "500大卡的菜", NULL, "热量470大卡", "[D01]"}, /* nobody has 500 */
        {"hotel", "两个人的房间", NULL, "31款", "没有"},
        {"hotel", "a room for two", NULL, "31 fit", "15 fit"},
        {"hotel", "do you have a room for four?", NULL, "[H19]", "[H01]"},
        {"hotel", "50人的会议室", NULL, "[H41]", "没有"},
        {"hotel", "30平米的房间", NULL, "4款", "[H01]"},
    };
    check_all(t, GLIM_COUNT(t));
}

TEST(a_no_before_an_order_a_stock_or_a_maker_turns_it_round) {
    static const asked t[] = {
        {"electronics", "not cheap phones", NULL, "[PH020]", "[PH015]"},
        {"electronics", "不要太贵的手机", NULL, "[PH015]", "[PH020]"},
        {"electronics", "phones not in stock", NULL, "[PH005]", "[PH001]"},
        {"electronics", "phones not from Lanstar", NULL, "14 fit", "[PH001]"},
        {"electronics", "没有更便宜的手机了吗", NULL, "[PH015]", "[PH020]"},
        {"electronics", "贵店在哪里", NULL, "湖滨路", "[PH020]"},
        {"electronics", "phones that are not too expensive", NULL, "[PH015]", "[PH020]"},
        {"electronics", "非常便宜的手机", NULL, "[PH015]", "没有"},
        {"electronics", "没有手机壳吗", NULL, "[CS001]", "[PH001]"},
        {"electronics", "昂贵的手机", NULL, "没有", "“"},
        {"electronics", "不支持无线充电的平板", NULL, "没有符合", "[TB001]"}, /* what is not written is no no */
        {"restaurant", "贵妃鸡多少钱", NULL, "没有", "[D"},
        {"hotel", "湖景房有没有不带早餐的", NULL, "没有符合", "[H41]"},
    };
    check_all(t, GLIM_COUNT(t));
}

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

TEST(a_list_says_what_is_sold_out_and_who_is_asked_about_is_not_dropped) {
    static const asked t[] = {
        {"hotel", "any rooms tonight?", NULL, "328 CNY, sold out [H03]", "sold out [H01]"},
        {"electronics", "2000元以下的手机", NULL, "1699元，已售罄[PH005]", "没有"},
        {"restaurant", "麻婆豆腐和宫保鸡丁哪个辣", NULL, "中辣", "没有"},
        {"electronics", "澜星 L9 Pro 手机、青屿 Mist 3 手机、墨丘 Rover 20 手机哪个最贵", NULL, "第一是澜星 L9 Pro", "没有"},
        {"electronics", "L9、Mist 3、Rover 20哪个最便宜", NULL, "第一是墨丘 Rover 20", "没有"},
        {"electronics", "澜星 L9 手机是1999元吧", NULL, "价格是2999元", "是的"},
        {"electronics", "澜星 L9 手机在2000到3000之间吗", NULL, "是的", "不是"},
        {"hotel", "早餐多少钱", NULL, "68", "[H07]"},
        {"hotel", "breakfast price", NULL, "[H45]", "[H07]"},
        {"hotel", "do you have a gym", NULL, "[N07]", "[N08]"},
    };
    check_all(t, GLIM_COUNT(t));
}

TEST(another_price_is_not_the_products) {
    static const asked t[] = {
        {"electronics", "运费多少钱", "PH001", "[F02]", "2999"},
        {"electronics", "how much is shipping", "PH001", "[F02]", "2999"},
        {"electronics", "澜星 L9 手机的运费是多少钱", NULL, "[F02]", "2999"},
        {"electronics", "这款多少钱", "PH001", "2999", "[F02]"},
        {"electronics", "搞活动多少钱", "PH001", "2999", "[F0"},
        {"hotel", "停车费多少钱", "H01", "[N", "408"},
        {"hotel", "这间多少钱一晚", "H01", "408", "[N"},
        {"electronics", "how much is it please", "PH001", "2999", "[F02]"},
    };
    check_all(t, GLIM_COUNT(t));
}

TEST(how_many_of_one_and_what_it_costs_are_asked_of_it_alone) {
    static const asked t[] = {
        {"electronics", "澜星 L9 手机有多少件", NULL, "36件", "200"},
        {"electronics", "PH001 有多少个", NULL, "36件", "200"},
        {"electronics", "有多少款手机", NULL, "共有", "36件"},
        {"electronics", "澜星 L9 手机还有货吗", NULL, "36件", "没有"},
        {"electronics", "这款还有货吗", "PH001", "36件", "没有"},
        {"electronics", "Tell me about the Lanstar L9 phone", NULL, "2999", "not in"},
        {"electronics", "澜星 L9 手机能便宜点吗", NULL, "2999", "[CB002]"},
        {"electronics", "is the Lanstar L9 phone cheap?", NULL, "2999", "[CB002]"},
        {"electronics", "澜星 L9 是最便宜的手机吗", NULL, "[PH", "是澜星 L9 手机"},
        {"electronics", "推荐3款手机", NULL, "[PH001]", "Mist"},
        {"electronics", "show me the 3 cheapest phones", NULL, "[PH015]", "nothing"},
        {"electronics", "最便宜的三款手机", NULL, "[PH015]", "没有"},
        {"electronics", "Mist 3 Max 1024GB 多少钱", NULL, "5099", "[PH007]"},
        {"electronics", "有没有二手的手机", NULL, "", "[PH001]"},
        {"electronics", "2000到3000元之间的手机有哪些", NULL, "[PH001]", "是的"},
        {"electronics", "屏幕最大的耳机", NULL, "没有", "第一"},
        {"electronics", "有没有手机充电器", NULL, "[CH", "[PH"},
        {"electronics", "do you have phone chargers", NULL, "[CH", "[PH"},
        {"electronics", "有无线充电器吗", NULL, "[CH010]", "[PH"},
        {"electronics", "支持无线充电的手机", NULL, "[PH", "[CH"},
        {"electronics", "TVs under 3000 yuan", NULL, "[TV", "[PH001]"},
        {"restaurant", "虾饺有几个", NULL, "[D36]", "48"},
        {"restaurant", "虾饺有多少份", NULL, "22份", "48"},
        {"restaurant", "小笼包一笼有几个", NULL, "八只", "48"},
        {"restaurant", "小笼包和虾饺多少钱", NULL, "[D36]", "没有"},
        {"restaurant", "小笼包和虾饺多少钱", NULL, "[D35]", "没有"},
    };
    check_all(t, GLIM_COUNT(t));
}

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

TEST(so_many_pieces_are_wanted_of_one_and_so_many_people_are_what_one_is_for) {
    static const struct {
        const char *desk, *q, *has, *has_not;
    } t[] = {
        {"restaurant", "来一份小笼包", "小笼包", "没有"},
        {"restaurant", "我要两份虾饺", "[D36]", "没有"},
        {"restaurant", "2 portions of shrimp dumplings", "[D36]", "not in"},
        {"restaurant", "够三个人吃的菜", "份量3人份[D05]", "份量2人份"},
        {"hotel", "住四个人以上的房间", "可住人数4人[H19]", "没有“住”"},
        {"hotel", "能住三个人的房间", "[H19]", "可住人数2人"},
        {"hotel", "room that sleeps 4 people", "guests 4 people [H19]", "guests 2 people"}};
    glim_shop *s = NULL;
    for (size_t i = 0; i < GLIM_COUNT(t); i++) {
        if (!i || strcmp(t[i].desk, t[i - 1].desk) != 0) {
            if (i) done(s);
            s = desk(t[i].desk);
        }
        glim_shop_answer a = ask(s, t[i].q, NULL, NULL);
        CHECK_MSG(a.status == GLIM_SHOP_ANSWERED && strstr(a.text.s, t[i].has) && !strstr(a.text.s, t[i].has_not), "%s: %s", t[i].q, a.text.s);
        glim_shop_answer_deinit(&a);
    }
    done(s);
}

TEST(half_of_one_name_and_half_of_another_is_neither) {
    glim_shop *s = desk("restaurant"); /* 红烧肉, 孜然羊肉, 糖醋里脊 */
    static const char *const no[] = {"红烧羊肉多少钱", "红烧羊肉辣不辣", "糖醋鸡块多少钱"};
    for (size_t i = 0; i < GLIM_COUNT(no); i++) {
        glim_shop_answer a = ask(s, no[i], NULL, NULL);
        CHECK_MSG(a.status == GLIM_SHOP_NOT_IN_LIBRARY, "%s: %s", no[i], a.text.s);
        glim_shop_answer_deinit(&a);
    }
    glim_shop_answer a = ask(s, "红烧肉呢", NULL, NULL);
    CHECK_HAS(a.text.s, "[D12]");
    glim_shop_answer_deinit(&a);
    done(s);
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

TEST(a_bad_library_changes_nothing) {
    glim_shop *s = desk("electronics");
    glim_err err = {0};
    const char bad[] = "sku,name,price\nA1,甲,12\nA2,乙,\"13\nA3,丙,14\n";
    CHECK(glim_shop_replace(s, "bad.csv", bad, strlen(bad), NULL, NULL, &err) != GLIM_OK);
    CHECK_HAS(err.msg, "bad.csv");
    glim_shop_answer a = ask(s, "PH001 多少钱", NULL, NULL);
    CHECK_HAS(a.text.s, "2999");
    glim_shop_answer_deinit(&a);
    const char good[] = "sku,name,price\nZZ1,大铁锅,120\nZZ2,小铁锅,80\nZZ3,木铲,9\nZZ4,砧板,30\n";
    CHECK_OK(glim_shop_replace(s, "pots.csv", good, strlen(good), NULL, NULL, &err), err);
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

TEST(a_folder_with_files_and_an_unknown_template_are_refused) {
    glim_shop *s = desk("hotel");
    glim_err err = {0};
    CHECK(glim_shop_init("hotel", folder, NULL, NULL, NULL, &err) == GLIM_E_ARG);
    CHECK(glim_shop_init("casino", "/tmp/glim-test-no-such", NULL, NULL, NULL, &err) == GLIM_E_NOT_FOUND);
    CHECK(strstr(err.hint, "restaurant") != NULL);
    done(s);
}

static glim_status init_with(const char *csv, const char *encoding, const char **found, glim_err *err) {
    char file[96];
    snprintf(folder, sizeof folder, "/tmp/glim-test-desk-XXXXXX");
    CHECK(mkdtemp(folder));
    snprintf(file, sizeof file, "%s.csv", folder);
    CHECK_OK(glim_file_write_atomic(file, csv, strlen(csv), err), *err);
    const glim_status rc = glim_shop_init("restaurant", folder, file, encoding, found, err);
    CHECK(unlink(file) == 0);
    return rc;
}

TEST(a_library_is_read_in_its_own_encoding_or_not_at_all) {
    glim_err err = {0};
    const char *found = NULL;
    glim_shop *s;
    CHECK_OK(init_with("name;price\nM\xfcsli mit K\xe4se;7\nGr\xfcner Tee;3\n", NULL, &found, &err), err);
    CHECK_STR(found, "windows-1252");
    CHECK_OK(glim_shop_open(&s, folder, &err), err);
    glim_shop_answer a = ask(s, "how much is Grüner Tee", NULL, NULL);
    CHECK_HAS(a.text.s, "Grüner Tee: the price is 3");
    glim_shop_answer_deinit(&a);
    done(s);
    const char *two = "name,price\n\xb9\xcf\xb2\xcb,1\n"; /* 瓜菜, or 圖粕 */
    CHECK(init_with(two, NULL, &found, &err) == GLIM_E_FORMAT);
    CHECK(strstr(err.msg, "could be gb18030, big5") && strstr(err.hint, "--encoding"));
    CHECK(rmdir(folder) == 0); /* nothing stands in it */
    CHECK_OK(init_with(two, "gb18030", &found, &err), err);
    CHECK_OK(glim_shop_open(&s, folder, &err), err);
    a = ask(s, "瓜菜多少钱", NULL, NULL);
    CHECK_HAS(a.text.s, "瓜菜的价格是1");
    glim_shop_answer_deinit(&a);
    done(s);
    CHECK(init_with("name,price\ntea,1\n", "klingon", &found, &err) == GLIM_E_UNSUPPORTED);
    CHECK(rmdir(folder) == 0);
}

TEST(a_model_that_no_row_has_is_not_its_neighbour) {
    static const asked t[] = {
        {"electronics", "L9 Pro Max多少钱", NULL, "资料库里没有“L9 Pro Max”。名字相近的有：澜星 L9 Pro 手机[PH003]", "4299"},
        {"electronics", "how much is the L9 Pro Max", NULL, "\"L9 Pro Max\" is not in the library", "4299"},
        {"electronics", "L9ProMax", NULL, "not in the library", "4299"},
        {"electronics", "L9青春版多少钱", NULL, "没有“L9青春版”", "2999"},
        {"electronics", "L10多少钱", NULL, "没有“L10”", "2999"},
        {"electronics", "L8 Pro", NULL, "not in the library", "4299"},
        {"electronics", "Mist 4多少钱", NULL, "[PH007]", "元"},
        {"electronics", "L9 和 L9 Pro Max 哪个贵", NULL, "没有“L9 Pro Max”", "2999"},
        {"electronics", "l9pro多少钱", NULL, "4299", "没有"},
        {"electronics", "L9 Pro 256GB多少钱", NULL, "4299", "没有"},
        {"electronics", "L9 128GB多少钱", NULL, "没有", "2999"},
        {"electronics", "Mist 3 Max 1024GB多少钱", NULL, "5099", "没有"},
        {"electronics", "is the L9 IP68", NULL, "Lanstar L9 phone: IP68", "fit"},
        {"electronics", "最便宜和电池最大的充电器", NULL, "没有", "第一是"}, /* one without the other is no answer */
        {"electronics", "does the L9 fast charge", NULL, "", "\"L9 fast\""}, /* a word of another row's prose is no edition */
        {"electronics", "L9手机壳多少钱", NULL, "[CS001]", "没有"},
        {"hotel", "rooms with a bathtub under 700 yuan", NULL, "fit", "not in the library"},
    };
    check_all(t, GLIM_COUNT(t));
}

TEST(so_many_of_each_are_multiplied_and_summed) {
    static const asked t[] = {
        {"electronics", "两台L9和三台L9 Pro一共多少钱", NULL, "2999元 × 2 = 5998元[PH001]；澜星 L9 Pro 手机：4299元 × 3 = 12897元[PH003]。合计18895元。", "没有"},
        {"electronics", "three L9 and two L9 Pro, how much", NULL, "Together 17595 CNY.", "not in"},
        {"electronics", "how much are 3 L9s", NULL, "× 3 = 8997 CNY", "not in"},
        {"electronics", "L9 x2 多少钱", NULL, "5998", "没有"},
        {"electronics", "二十五台L9多少钱", NULL, "× 25 = 74975", "没有"},
        {"electronics", "100台L9多少钱", NULL, "只剩36", "没有"},
        {"electronics", "这款买三台多少钱", "PH001", "× 3 = 8997", "没有"},
        {"electronics", "L9和L9 Pro一共多少钱", NULL, "合计7298元", "×"},
        {"electronics", "how much are two L9 and 3 unicorns", NULL, "\"unicorns\" is not in the library and is not counted", "Together"},
        {"electronics", "L9 512GB多少钱", NULL, "3499", "×"},
        {"restaurant", "两份宫保鸡丁和三碗米饭多少钱", NULL, "合计93元", "没有"},
        {"restaurant", "米饭两碗多少钱", NULL, "× 2 = 6元", "没有"},
        {"restaurant", "how much are two kung pao chicken and three rice", NULL, "Together 93 CNY", "not in"},
        {"restaurant", "两人份的宫保鸡丁多少钱", NULL, "42", "×"},
        {"hotel", "湖景高级大床房两间住三晚多少钱", NULL, "548元 × 2 × 3晚 = 3288元", "没有"},
        {"hotel", "how much is 3 nights in the Lake View Superior King", NULL, "= 1644 CNY", "not in"},
        {"hotel", "湖景高级大床房多少钱一晚", NULL, "548", "×"},
    };
    check_all(t, GLIM_COUNT(t));
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

TEST(a_time_a_price_and_a_law_are_answered_of_what_they_are_asked_of) {
    static const asked t[] = {
        {"hotel", "早餐几点", NULL, "6:30到10:00", "退房"},
        {"hotel", "what time is breakfast", NULL, "6:30 to 10:00", "fit"},
        {"hotel", "breakfast hours", NULL, "[H45]", "says nothing"},
        {"hotel", "加早餐多少钱", NULL, "68元", "没有"},
        {"hotel", "加早餐多少钱", "H01", "68元", "408"},
        {"hotel", "早餐多少钱一位", NULL, "68元", "没有"},
        {"hotel", "price with breakfast", NULL, "548 CNY", "[H45]"},
        {"hotel", "几点退房", NULL, "[N01]", "早餐"},
        {"hotel", "泳池几点开", NULL, "7:00到22:00", "没有"},
        {"hotel", "do you have halal breakfast", NULL, "not in the library", "fit"},
        {"restaurant", "清真吗", NULL, "资料库里没有", "服务范围"},
        {"restaurant", "is the food halal", NULL, "not in the library", "outside"},
        {"restaurant", "外卖送到几点", NULL, "21:00", "款"},
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

TEST(a_figure_that_no_column_has_is_said_not_to_be_there_beside_the_kind) {
    static const asked t[] = {
        {"electronics", "65W充电器", NULL, "没有“65w”的信息。其余条件：共有15款符合", "[PH"},
        {"electronics", "100瓦的充电器", NULL, "没有“100w”", "[PH"},
        {"electronics", "65W charger", NULL, "says nothing of \"65w\"", "[PH"},
        {"electronics", "15W无线充电的手机", NULL, "6款", "没有"},
    };
    check_all(t, GLIM_COUNT(t));
    glim_err err = {0};
    const char *found;
    glim_shop *s;
    CHECK_OK(init_with("name,category,note\nA1,charger,65W output\nA2,charger,20W output\nB1,lamp,65W bulb\nB2,lamp,9W bulb\n", NULL, &found, &err), err);
    CHECK_OK(glim_shop_open(&s, folder, &err), err);
    glim_shop_answer a = ask(s, "65瓦的charger", NULL, NULL);
    CHECK_MSG(strstr(a.text.s, "[R2]") && !strstr(a.text.s, "[R3]"), "%s", a.text.s);
    glim_shop_answer_deinit(&a);
    done(s);
}

TEST(who_wants_none_of_it_is_shown_what_says_that_it_has_none) {
    static const asked t[] = {
        {"restaurant", "不放味精的汤", NULL, "写明没有“味精”的有：菌菇汤（五种菌菇，不加味精。）[D27]", "[D24]"},
        {"restaurant", "soup without msg", NULL, "Mushroom soup (Five kinds of mushrooms, no MSG.) [D27]", "[D24]"},
        {"restaurant", "加味精的汤", NULL, "没有", "[D27]"}, /* it has none */
        {"restaurant", "soup with msg", NULL, "", "[D27]"},
        {"restaurant", "没有香菜的菜", NULL, "没有写明哪些没有“香菜”", "[D"},
        {"restaurant", "不吃猪肉", NULL, "没有写明哪些没有“猪肉”", "[D"},
        {"restaurant", "我对芒果过敏", NULL, "没有", "[D"},
        {"restaurant", "有没有没有海鲜的汤", NULL, "4款符合", "没有符合"},
        {"restaurant", "有没有海鲜的汤", NULL, "没有符合", "[D2"},
    };
    check_all(t, GLIM_COUNT(t));
}

TEST(a_bound_is_of_the_column_it_is_said_of) {
    static const asked t[] = {
        {"electronics", "内存大于8G的手机", NULL, "共有13款", "重量"},
        {"electronics", "phones with at least 12 GB memory and under 4000", NULL, "4 fit", "4299"},
        {"electronics", "2023年以后上市的手机", NULL, "上市日期2023-07-11[PH001]", "保修"},
        {"electronics", "2022年上市的手机", NULL, "[PH002]", "[PH001]"},
        {"electronics", "phones released before 2023", NULL, "[PH002]", "[PH001]"},
        {"electronics", "保修两年以上的耳机", NULL, "保修24个月", "保修12个月"},
        {"electronics", "大内存手机", NULL, "按内存从高到低", "没有"},
        {"electronics", "这个比L9 Pro轻吗", "PH001", "192克", "没有"},
        {"electronics", "澜星 L9 手机壳多少钱", NULL, "", "[PH001]"},
        {"electronics", "L9和Mist 3哪个好", NULL, "[PH007]", "没有"},
        {"restaurant", "低热量的菜", NULL, "按热量从低到高", "没有"},
        {"restaurant", "三个人吃什么好", NULL, "3人份", "[D01]"},
        {"restaurant", "how many dumplings in a portion", NULL, "", "There are 48"},
        {"restaurant", "有鱼吗", NULL, "[D09]", "服务范围"},
        {"restaurant", "有酒吗", NULL, "[D46]", "服务范围"},
        {"restaurant", "豆浆加糖吗", NULL, "不加糖", "符合"},
        {"hotel", "最大的套房", NULL, "面积160平方米", "没有"},
        {"hotel", "四个人住哪间", NULL, "4人[H19]", "没有"},
        {"hotel", "会议室能坐多少人", NULL, "60人[H41]", "没有"},
        {"hotel", "how many rooms are left tonight", NULL, "113 in all", "There are 31"},
    };
    check_all(t, GLIM_COUNT(t));
}

TEST(all_that_is_said_of_several_is_read) {
    static const asked t[] = {
        {"electronics", "有没有黑色和白色都有的手机", NULL, "有4款", "[PH002]"},
        {"electronics", "which phones come in black and white", NULL, "4 fit", "[PH002]"},
        {"electronics", "澜星L9和青屿Mist3的价格", NULL, "3599", "没有"},
        {"electronics", "how much do 2 Tuoye G65 chargers cost", NULL, "× 2 = 298 CNY", "not in"},
        {"electronics", "does the L9 come with a charger", NULL, "a charger is not", "fit"},
        {"restaurant", "小笼包和虾饺各两份多少钱", NULL, "合计112元", "没有"},
        {"restaurant", "乳糖不耐受能吃什么甜品", NULL, "[D42]", "[D40]"},
        {"restaurant", "我对鸡蛋过敏", NULL, "[D01]", "[D03]"},
        {"restaurant", "有儿童餐吗", NULL, "资料库里没有", "服务范围"},
        {"hotel", "两晚湖景高级大床房加两份早餐多少钱", NULL, "合计1232元", "272"},
        {"hotel", "is the breakfast free", NULL, "68 CNY", "fit"},
        {"hotel", "how much is breakfast for two", NULL, "68 CNY. [H45]", "fit"},
        {"hotel", "五个人住什么房间", NULL, "没有符合", "“住”"},
    };
    check_all(t, GLIM_COUNT(t));
}
