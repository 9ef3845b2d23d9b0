/* What strangers' tables say in ways of their own: sides in one cell, days without a year, titles, figures as headings, warnings, prices "from". */
#include "own_test.h"

#define NOT_HERE "not in the library"
#define NOT_HERE_ZH "资料库里没有"

TEST(each_side_of_a_cell_has_its_bounds_and_order) {
    static const asked t[] = {
        {"wardrobe narrower than 60 cm", "1 fits: Berit", "Alma"},
        {"desks under 60 cm wide", "1 fits: Hilma, €99.00, width 55 cm", ""},
        {"shelf not taller than 1 m", "1 fits: Ebba", "Dorte"},
        {"desk between 90 and 120 cm wide", "1 fits: Greta", ""},
        {"how wide is Alma", "Alma: the width is 60 cm", "185"},
        {"is Alma wider than 70 cm", "No, Alma, width 60 cm", ""},
        {"widest desk", "Frida, width 140 cm", ""},
        {"what are the dimensions of Cilla", "120×60×210", ""},
        {"average height of the shelves", "145.00 cm", ""},
    };
    check_all("wardrobes", t, GLIM_COUNT(t));
}

TEST(a_side_follows_the_corrected_cell_and_is_not_corrected_itself) {
    glim_lib *l;
    glim_err err = {0};
    static const char csv[] = "Name,Size LxWxH (mm),Price\nBox,100x50x20,3\nCase,20x30x40 cm,5\nTray,7x8x9,1\n", unordered[] = "Name,Size (cm),Price\nBox,100x50x20,3\nCase,20x30x40,5\n";
    CHECK_OK(glim_lib_parse(&l, "boxes.csv", csv, strlen(csv), NULL, &err), err);
    CHECK(l->n_own == 3 && l->n_col == 6);
    CHECK(l->col[3].number[0] == 100 && l->col[4].number[1] == 300 && strcmp(glim_lib_cell(l, 2, 5), "9") == 0);
    CHECK_OK(glim_lib_set(l, 0, 1, "110x50x20", &err), err);
    CHECK_OK(glim_lib_settle(l, &err), err);
    CHECK(l->n_col == 6 && l->col[3].number[0] == 110);
    CHECK(glim_lib_set(l, 0, 3, "5", &err) == GLIM_E_ARG);
    glim_lib_free(l);
    CHECK_OK(glim_lib_parse(&l, "boxes.csv", unordered, strlen(unordered), NULL, &err), err);
    CHECK(l->n_col == 3); /* which of them is the width nobody says */
    glim_lib_free(l);
}

TEST(a_day_without_a_year_is_of_the_year_that_has_its_month) {
    static const asked t[] = {
        {"what is available in January", "2 fit: Berit", "Alma"},
        {"available before 15 January", "2 fit: Alma", "Berit"},
        {"which desks are available from June", "1 fits: Hilma", ""},
        {"desks available from 15 May to 1 June", "2 fit: Greta", "Frida"},
        {"desks available until 20 May", "2 fit: Frida", "Hilma"},
        {"5月20日以后有哪些", "Hilma", "Frida"},
        {"may i return it", "returned", ""},
    };
    check_all("wardrobes", t, GLIM_COUNT(t));
    static const asked two[] = {{"courses that start in May", NOT_HERE, ""}, {"courses that start in May 2027", "2 fit", ""}};
    check_all("years", two, GLIM_COUNT(two));
}

TEST(a_title_and_figures_may_stand_where_headings_do) {
    static const asked titled[] = {{"how much is Alma", "€199.00", ""}}, lengths[] = {{"how much is Linen in 1.5", "8.20", "4.50"}, {"cotton 0.75", "3.20", ""}};
    check_all("titled", titled, GLIM_COUNT(titled));
    check_all("lengths", lengths, GLIM_COUNT(lengths));
    glim_lib *l;
    glim_err err = {0};
    static const char goods[] = "Hammer,2.20,7.50\nSaw,1.10,9.90\nFile,3.20,5.10\n", ragged[] = "Price list\nname,price,stock\nSaw,3\n";
    CHECK(glim_lib_parse(&l, "a.csv", goods, strlen(goods), NULL, &err) == GLIM_E_FORMAT); /* a product's figures lie among the others */
    CHECK(glim_lib_parse(&l, "a.csv", ragged, strlen(ragged), NULL, &err) == GLIM_E_FORMAT);
}

TEST(goods_called_so_are_listed_without_those_that_warn_of_it) {
    static const asked t[] = {
        {"rose products", "2 fit: Rose Soap", "Lavender"},
        {"what is good for people allergic to rose", NOT_HERE, ""},
    };
    check_all("soap", t, GLIM_COUNT(t));
}

TEST(an_end_is_no_end_date_where_it_is_part_of_another_word) {
    static const asked t[] = {{"high end pans", "High End Cooking", "end date"}, {"when does knife skills end", "the end date is 2027-06-02", ""}, {"courses that end in July", "1 fits: Pan Care", ""}};
    check_all("pans", t, GLIM_COUNT(t));
}

TEST(a_price_from_is_in_no_average_and_an_offer_is_no_bound) {
    static const asked t[] = {
        {"average price of the desks", "Over 2, the average price is €114.00. 1 more", ""},
        {"what is the average price", "Over 7", ""},
        {"would you take 40 euros for the Ebba?", "Ebba: the price is €49.00", ""},
        {"would you take 40 euros?", NOT_HERE, ""},
    };
    check_all("wardrobes", t, GLIM_COUNT(t));
    static const asked zh[] = {
        {"便宜一点五块行吗", NOT_HERE_ZH, "西兰花"}, {"西兰花便宜一点五块行吗", "西兰花的价格是5.2元", "有"}, {"五块以下有什么", "有2款符合：紫甘蓝", "西兰花"}, {"七元以内的水果", "有1款符合：红富士苹果", ""},
    };
    check_all("greengrocer", zh, GLIM_COUNT(zh));
}

TEST(a_note_is_no_answer_to_words_that_the_shop_never_heard) {
    glim_shop *s = desk("restaurant");
    static const char *const q[] = {"can I take ibuprofen when I'm pregnant", "can i take ibuprofen while pregnant?"};
    for (size_t i = 0; i < GLIM_COUNT(q); i++) {
        glim_shop_answer a = ask(s, q[i], NULL, NULL);
        CHECK_HAS(a.text.s, NOT_HERE);
        glim_shop_answer_deinit(&a);
    }
    glim_shop_answer a = ask(s, "can i pay by card", NULL, NULL);
    CHECK_HAS(a.text.s, "cards");
    glim_shop_answer_deinit(&a);
    done(s);
}

TEST(english_finds_chinese_headings) {
    static const asked t[] = {
        {"what is the deposit for T02", "the deposit is 150 CNY", ""},
        {"how much is T01 per day", "35 CNY", "300"},
        {"which ones are under 20 yuan a day", "2 fit: 冲击钻", "20 CNY"},
        {"which is the highest deposit", "电锤, deposit 300 CNY", ""},
        {"is T04 with battery", "Yes: 无线电钻", ""},
        {"which ones come with a battery", "1 fits: 无线电钻", ""},
        {"where is T04 from", "德国", ""},
        {"日租金20元以下的有哪些", "有3款符合", ""},
    };
    check_all("toolhire_zh", t, GLIM_COUNT(t));
}

TEST(of_several_prices_the_one_is_said_whose_word_is) {
    static const asked machines[] = {
        {"trench rammer weekly price", "week rate is €196", "€49"},
        {"how much is the trench rammer a day", "day rate is €49", "Delivery"},
        {"what does the scarifer cost per week", "€156", ""},
        {"avg day rate of garden machines", "€60.80", ""},
        {"is the trailer platform electric", "", "needs trailer"},
        {"which ones need a trailer", "needs trailer", "Trailer platform 12 m:"},
        {"do i need a trailer for the wood chipper", "Yes, Wood chipper 10 cm needs trailer", ""},
        {"fuel consumption of the wheel loader", NOT_HERE, "Loaders:"},
        {"what colour is the wheel loader", NOT_HERE, "Loaders:"},
    }, print[] = {
        {"x展架加急多少钱", "65元", "48元"},
        {"名片多少钱一张", "0.18元/张", ""},
        {"A5宣传单印1000张多少钱", "0.22元/张", "起印量是"}, {"x展架不加急多少钱", "48元", "65元"}, {"x展架加急要加多少钱", "", "65元"},
        {"起印量1000张以内的标签", "有3款符合", ""},
    };
    check_all("machines", machines, GLIM_COUNT(machines));
    check_all("print_zh", print, GLIM_COUNT(print));
}

TEST(headings_say_more_than_one_word) {
    static const asked bakery[] = {
        {"minimum order mince pies", "2", NOT_HERE},
        {"how many hot cross buns per tray", "", "There are"},
        {"how long does the rye loaf keep", "Rye Loaf 500g, £19.00, shelf life 7 days", ""},
        {"when do you bake the rye", "", "Hubin Road"},
    }, driving[] = {
        {"how long is a lesson in the trailer b96", "7 h", "not A"},
        {"total for car basic manual plus exam fee", NOT_HERE, "129.83"},
        {"what starts before 8 march", "Refresher", "D-103"},
    }, ebike[] = {
        {"how much is the 36v 14ah battery", "€379", "元"},
        {"lights under 30 euros", "2 fit", ""},
        {"50欧以下的刹车配件", "刹车片", "油碟"},
        {"average price of batteries", "€464.00", ""},
        {"48V parts from Kraft", "3 fit", ""},
        {"how many brake pads are left", "100", ""},
    }, music[] = {
        {"yp-02月租多少", "650", ""},
        {"41寸的吉他有几款", "2款", ""},
        {"大提琴还有吗", "目前没有货", ""},
        {"三角钢琴有货吗", "目前没有货（预订）", ""},
        {"小提琴的弓是什么材料", NOT_HERE_ZH, "枫木"},
        {"小提琴1/2是什么材质", "枫木", ""},
    }, boarding[] = {
        {"最贵的房间", "超大型犬套房", ""},
        {"面积大于4平米的房间", "大型犬豪华间", "大型犬标准间"},
        {"体重上限50斤的房间有哪些", "中型犬标准间", "大型犬豪华间，"},
        {"中型犬豪华间还有空房吗", "没有货", ""},
    }, flowers[] = {
        {"tied sheaf with roses", "Tied Sheaf Roses", "tulip"},
        {"anything with lilies under 60 pounds", "Single Ended Spray", "Peace"},
        {"flowers in the winter wreath", "pine", ""},
        {"how long do you need for the football", "5 days", ""},
    };
    check_all("bakery", bakery, GLIM_COUNT(bakery));
    check_all("driving", driving, GLIM_COUNT(driving));
    check_all("ebike", ebike, GLIM_COUNT(ebike));
    check_all("music_zh", music, GLIM_COUNT(music));
    check_all("boarding_zh", boarding, GLIM_COUNT(boarding));
    check_all("flowers", flowers, GLIM_COUNT(flowers));
}

TEST(one_letter_is_a_unit_behind_what_is_measured_in_it) {
    glim_lib *l;
    glim_err err = {0};
    static const char csv[] = "Name,Weight g,Power W,Class A\nSmoker,900,5,1\nKnife,180,7,2\nTank,4200,9,3\n";
    CHECK_OK(glim_lib_parse(&l, "a.csv", csv, strlen(csv), NULL, &err), err);
    CHECK(l->col[1].unit_en && strcmp(l->col[1].unit_en, "g") == 0 && l->col[2].unit_en && !l->col[3].unit_en);
    glim_lib_free(l);
}

TEST(stock_is_what_the_whole_cell_says) {
    static const asked t[] = {
        {"玻璃杯有货吗", "", "玻璃杯有货"},
        {"不锈钢盆有货吗", "", "不锈钢盆有货"},
        {"竹蒸笼有货吗", "", "目前没有货"},
        {"陶瓷碗有货吗", "", "没有货"},
    };
    check_all("stock_zh", t, GLIM_COUNT(t));
}

TEST(a_price_is_chosen_by_words_that_say_which) {
    static const asked rooms[] = {
        {"how much is the garden room without breakfast", "€90", "€110"},
        {"how much is the garden room with a dog", "€90", "€110"},
        {"price with breakfast of the garden room", "€110", ""},
        {"the garden room is not for members, how much is it", "€90", "€81"},
        {"member price of the garden room", "€81", ""},
        {"which is grade a", "", "There are"},
    }, machines[] = {
        {"is the wheel loader free this week, how much is it", "", "week rate"},
        {"trench rammer not weekly, how much", "€49", "€196"},
        {"how much is the hire of the trench rammer", "€49", ""},
    };
    check_all("rooms", rooms, GLIM_COUNT(rooms));
    check_all("machines", machines, GLIM_COUNT(machines));
}
