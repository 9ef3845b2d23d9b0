/* The service desk and no: what is denied, what makes ill, and what no table says it is without. */
#include "shop_asked.h"

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
