/* The service desk: the templates reach their marks, and what a question asks is answered of what it asks it of. */
#include "shop_asked.h"

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
