/* The service desk and names: which row a question names, and when it is none. */
#include "shop_asked.h"

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
