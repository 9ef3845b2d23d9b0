/* Questions that customers of the three templates asked and that got no answer, or a wrong one. */
#include "shop_asked.h"

TEST(what_a_row_or_a_note_says_is_answered) {
    static const asked t[] = {
        {"electronics", "is the Fold S heavier than the L9 Pro", NULL, "It is Yunjian Fold S phone", "This is not"},
        {"electronics", "Fold S和L9 Pro哪个重", NULL, "是云笺 Fold S 手机", "没有"},
        {"electronics", "手机保修多久", NULL, "保修12个月", "没有"},
        {"electronics", "phones from 2023", NULL, "18 fit", "not in"},
        {"electronics", "what brands are there", NULL, "Lanstar (27)", "not in"},
        {"hotel", "亲子房有吗", NULL, "[H23]", "没有"},
        {"hotel", "儿童免费吗", NULL, "[N08]", "[H45]"},
        {"restaurant", "打包可以吗", NULL, "资料库里没有", "服务范围"},
        {"restaurant", "佛跳墙要提前多久订", NULL, "提前一天预订", "没有"},
        {"restaurant", "麻婆豆腐能做素的吗", NULL, "可做素版", "资料库"},
        {"restaurant", "nut free", NULL, "43 fit", "[D04]"},
        {"restaurant", "nut free dishes", NULL, "43 fit", "[D02]"},
    };
    check_all(t, GLIM_COUNT(t));
}

TEST(an_upload_may_name_its_encoding) {
    glim_shop *s = desk("restaurant");
    glim_err err = {0};
    const char *two = "name,price\n\xb9\xcf\xb2\xcb,1\n"; /* 瓜菜, or 圖粕 */
    CHECK(glim_shop_replace(s, "library.csv", two, strlen(two), NULL, NULL, &err) == GLIM_E_FORMAT);
    CHECK_OK(glim_shop_replace(s, "library.csv", two, strlen(two), "gb18030", NULL, &err), err);
    glim_shop_answer a = ask(s, "瓜菜多少钱", NULL, NULL);
    CHECK_HAS(a.text.s, "瓜菜的价格是1");
    glim_shop_answer_deinit(&a);
    done(s);
}
