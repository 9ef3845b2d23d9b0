/* Words that tables and questions share and mean differently: a brand called "three yuan", a heading that is a verb in the other language, rents. */
#include "own_test.h"

#define NOT_HERE "not in the library"
#define NOT_HERE_ZH "资料库里没有"

TEST(a_number_of_yuan_that_a_cell_has_is_that_cell_and_pieces_are_counted) {
    static const asked milk[] = {
        {"三元的有哪些", "有2款符合：纯牛奶，5元[R2]；酸奶", "奶酪棒"},
        {"有三元的吗", "有2款符合：纯牛奶", "奶酪棒"},
        {"三元牛奶有哪些", "有1款符合：纯牛奶", NOT_HERE_ZH},
        {"三元的最便宜的是什么", "第一是纯牛奶，5元", "奶酪棒"},
        {"三元有酸奶吗", "酸奶的品牌是三元", "8元"},
        {"五元以下的", "有2款符合：纯牛奶，5元[R2]；奶酪棒", ""},
        {"八元的是什么", "有1款符合：酸奶", ""},
    }, battery[] = {
        {"三元锂有哪些", "小风", NOT_HERE_ZH},
        {"三元锂电池的哪个最便宜", "小风", NOT_HERE_ZH},
    }, tofu[] = {
        {"三块老豆腐多少钱", "3元 × 3 = 9元", ""},
        {"老豆腐来两块，多少钱", "3元 × 2 = 6元", ""},
        {"三块一共多少钱", NOT_HERE_ZH, "老豆腐"},
        {"要三块", NOT_HERE_ZH, "老豆腐"},
        {"三块", "", "老豆腐"},
        {"肥皂两块可以吗", NOT_HERE_ZH, "6元"},
        {"三块以上的", "有4款符合", ""},
        {"五块钱可以买什么", "有1款符合：豆干", ""},
    };
    check_all("milk", milk, GLIM_COUNT(milk));
    check_all("ebattery", battery, GLIM_COUNT(battery));
    check_all("tofu", tofu, GLIM_COUNT(tofu));
}

TEST(what_is_to_spend_is_a_bound_and_what_is_haggled_for_is_none) {
    static const asked t[] = {
        {"10元可以吗", "有1款符合：瓜子", ""},
        {"10元卖吗", "有1款符合：瓜子", ""},
        {"预算10元可以吗有什么水果", "有2款符合：苹果，6元[R2]；香蕉", ""},
        {"瓜子便宜一点8元行吗", "瓜子的价格是10元", ""},
        {"便宜一点10元行吗", NOT_HERE_ZH, "瓜子"},
    };
    check_all("fruit_zh", t, GLIM_COUNT(t));
}
