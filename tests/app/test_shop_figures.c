/* The service desk and figures: bounds, units, portions, people, sums. */
#include "shop_asked.h"

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

TEST(so_many_pieces_are_wanted_of_one_and_so_many_people_are_what_one_is_for) {
    static const asked t[] = {
        {"restaurant", "来一份小笼包", NULL, "小笼包", "没有"},
        {"restaurant", "我要两份虾饺", NULL, "[D36]", "没有"},
        {"restaurant", "2 portions of shrimp dumplings", NULL, "[D36]", "not in"},
        {"restaurant", "够三个人吃的菜", NULL, "份量3人份[D05]", "份量2人份"},
        {"hotel", "住四个人以上的房间", NULL, "可住人数4人[H19]", "没有“住”"},
        {"hotel", "能住三个人的房间", NULL, "[H19]", "可住人数2人"},
        {"hotel", "room that sleeps 4 people", NULL, "guests 4 people [H19]", "guests 2 people"}};
    check_answered(t, GLIM_COUNT(t));
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
        {"hotel", "每晚500元以下的房间", NULL, "共有11款符合", "没有"},
        {"hotel", "500元/晚以下的房间有哪些", NULL, "共有11款符合", "没有"},
        {"hotel", "500元一晚以下的房间", NULL, "共有11款符合", "没有"},
        {"hotel", "每晚低于500元的房间", NULL, "共有11款符合", "没有"},
        {"hotel", "rooms under 500 yuan a night", NULL, "11 fit", "Nothing"},
        {"hotel", "how many rooms are left tonight", NULL, "113 in all", "There are 31"},
    };
    check_all(t, GLIM_COUNT(t));
}
