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

TEST(a_heading_is_asked_by_no_verb_and_by_no_name_of_the_goods) {
    static const asked tools[] = {
        {"do you keep T02 in stock", NOT_HERE, "干燥处"},
        {"can you keep T01 for me until Friday", NOT_HERE, "干燥处"},
        {"how long can I keep T01", NOT_HERE, "干燥处"},
        {"can I use T02 outdoors", "冲击钻", "墙面"},
        {"is T01 in good condition", NOT_HERE, "可租"},
        {"what can T01 be used for", "the purpose is 混凝土", ""},
        {"how much is T02 per day", "the daily rent is 18", ""},
    }, flowers[] = {
        {"do you have flowers", "2 fit: 浪漫", ""},
        {"do you have flowers for a wedding", NOT_HERE, "玫瑰"},
        {"how many flowers do you have", "There are 2", ""},
        {"cheapest flowers", "lowest first: 清新", ""},
        {"flowers under 100 yuan", "1 fits: 清新", ""},
    }, bikes[] = {
        {"Zip的速度是多少", "Zip的速度是25 km/h", ""},
        {"速度超过30的", "有2款符合：Zap", "Zip"},
        {"Zip的转速", NOT_HERE_ZH, "25"},
        {"Zip的镜框是什么", NOT_HERE_ZH, "Aluminium"},
        {"Zip的状态", NOT_HERE_ZH, "Bavaria"},
    };
    check_all("tools_zh", tools, GLIM_COUNT(tools));
    check_all("bouquets_zh", flowers, GLIM_COUNT(flowers));
    check_all("bikes_en", bikes, GLIM_COUNT(bikes));
    static const asked speeds[] = {{"rotational speed of 磨", "2000", "m/s"}, {"speed of 磨", "4 m/s", "2000"}};
    check_all("speeds_zh", speeds, GLIM_COUNT(speeds));
}

TEST(a_rent_is_of_the_period_that_its_heading_says_and_of_no_other) {
    static const asked flats[] = {
        {"Elm一天多少钱", NOT_HERE_ZH, "1200"},
        {"Elm日租金多少", NOT_HERE_ZH, "1200"},
        {"flats under 1300 euros per day", NOT_HERE, "Elm"},
        {"日租金1000以下的有哪些", NOT_HERE_ZH, "Fir"},
        {"flats under 1300 euros", "2 fit: Elm", "Oak"},
        {"rental price of Elm", "the rental price is €1200", ""},
        {"Elm多少钱", "Elm的租金是€1200", "日租"},
    }, rents[] = {
        {"rental price of 钻", "钻的月租金是500元。[R2]钻的日租金是35元", ""},
        {"lowest rental price", NOT_HERE, "锤"},
        {"daily rent of 钻", "钻的日租金是35元", "500"},
        {"rent per month of 锤", "锤的月租金是400元", "25"},
        {"member price of 锤", "锤的会员价是20元", ""},
        {"how much is 钻 per day", "钻的日租金是35元", "500"},
        {"under 30 yuan a day", NOT_HERE, "<"},
    }, cars[] = {
        {"how much is the Golf per week", "the weekly rate is €300", "€50"},
        {"cars under 250 euros a week", NOT_HERE, "Polo"},
        {"cars under 45 euros a day", "1 fits: Polo", "Golf"},
        {"rental price of Polo", "the daily rate is €40. [R2] Polo: the weekly rate is €240", ""},
    };
    check_all("carhire", cars, GLIM_COUNT(cars));
    check_all("flats", flats, GLIM_COUNT(flats));
    check_all("rents_zh", rents, GLIM_COUNT(rents));
}

TEST(a_word_that_two_columns_would_be_asked_by_is_of_the_one_that_says_it) {
    glim_lib *l;
    glim_err err = {0};
    static const char csv[] = "品名,备注,Notes,价格(元)\n甲,好,bitter,5\n乙,坏,sweet,6\n";
    CHECK_OK(glim_lib_parse(&l, "notes.csv", csv, strlen(csv), NULL, &err), err);
    for (size_t c = 1; c < 3; c++)
        for (size_t a = 0; a < l->col[c].n_alias; a++) CHECK_MSG(strcmp(l->col[c].alias[a], c == 1 ? "notes" : "备注") != 0, "column %zu is asked by %s", c, l->col[c].alias[a]);
    CHECK(strcmp(l->col[1].en, "备注") == 0 && strcmp(l->col[2].zh, "Notes") == 0);
    glim_lib_free(l);
}

TEST(a_note_answers_though_the_names_in_the_question_are_in_none) {
    static const asked t[] = {
        {"do you accept American Express or PayPal", "bank cards", NOT_HERE},
        {"do you accept paypal", "bank cards", NOT_HERE},
        {"what are your opening hours in December", "9:30 to 21:00", NOT_HERE},
        {"what is available in January", "", "9:30"},
    };
    check_all("wardrobes", t, GLIM_COUNT(t));
}
