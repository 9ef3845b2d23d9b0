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
        {"wardrobes over 100 cm", NOT_HERE, ""}, /* which side? */
        {"高于100厘米的有哪些", NOT_HERE_ZH, ""},
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
    CHECK(glim_lib_set(l, 0, 1, "1,200x50x20", &err) == GLIM_E_FORMAT); /* one row that does not read would be left out of every bound */
    CHECK(l->col[3].number[0] == 110 && strcmp(glim_lib_cell(l, 0, 1), "110x50x20") == 0);
    glim_lib_free(l);
    CHECK_OK(glim_lib_parse(&l, "boxes.csv", unordered, strlen(unordered), NULL, &err), err);
    CHECK(l->n_col == 3); /* which of them is the width nobody says */
    glim_lib_free(l);
}

TEST(a_day_without_a_year_is_of_the_year_that_has_its_month) {
    static const asked t[] = {
        {"available before 15 January", "2 fit: Alma", "Berit"},
        {"what is available in January", NOT_HERE, ""}, /* Alma is, from December on */
        {"desks available until 20 May", NOT_HERE, ""},
        {"5月20日以后有哪些", NOT_HERE_ZH, ""},
        {"may i return it", "returned", ""},
    };
    check_all("wardrobes", t, GLIM_COUNT(t));
    static const asked two[] = {{"courses that start in May", NOT_HERE, ""}, {"courses that start in May 2027", "2 fit", ""}};
    check_all("years", two, GLIM_COUNT(two));
}

TEST(a_day_that_is_denied_or_moved_is_not_read) {
    static const asked t[] = {
        {"courses that start before June", "4 fit", "Tempura"},
        {"courses starting after 3 May", "1 fits: Tempura", ""},
        {"courses that start by 3 May", "Sushi", "Tempura"},
        {"which courses start between 1 March and 10 May", "2 fit: Sushi", "Tempura"},
        {"courses with start date before 1 May", "3 fit: Ramen", "Sushi"},
        {"does Sushi start in June", "No, Sushi, start date 2027-05-03", ""},
        {"5月开课的有哪些", "有1款符合：Sushi", ""},
        {"5月4日以后开课的有哪些", "有1款符合：Tempura", ""},
        {"5月3日以后开课的有哪些", NOT_HERE_ZH, ""}, /* with that day? */
        {"what does Sushi cost in June", "Sushi: the price is €80", "start"},
    };
    check_all("starts", t, GLIM_COUNT(t));
    static const char *const unread[] = {"courses not before June", "courses not after 1 May", "courses except in May", "courses starting other than in May", "courses not in May", "courses that do not start in December", "courses that don't start in May", "which courses have not started by 1 May", "courses that start on or before 3 May", "courses that start on or after 3 May", "courses that start earlier than 10 May", "courses starting in March and June", "courses that start in March or May", "courses starting around 5 May", "courses that start before November", "courses that do not start in May 2027", "courses in May", "can I still join Sushi if it started before June", "do prices start in May", "may 2 people share the Sushi course?"};
    glim_shop *s = own("starts");
    for (size_t i = 0; i < GLIM_COUNT(unread); i++) {
        glim_shop_answer a = ask(s, unread[i], NULL, NULL);
        CHECK_MSG(strstr(a.text.s, NOT_HERE), "%s: %s", unread[i], a.text.s);
        glim_shop_answer_deinit(&a);
    }
    done(s);
}

TEST(the_only_day_of_a_table_answers_for_its_own_event) {
    static const asked ham[] = {
        {"is the ham good until 24 December", NOT_HERE, ""}, {"can I eat the ham on 10 December", NOT_HERE, ""}, {"which products are best before 15 December", NOT_HERE, ""}, {"what expires in December", "2 fit: Milk", "Cheese"}};
    check_all("larder", ham, GLIM_COUNT(ham));
    static const asked books[] = {
        {"which books can I get before 24 December", NOT_HERE, ""}, {"can I pick Harbour up on 4 March", NOT_HERE, ""}, {"I need Harbour by 10 May", NOT_HERE, ""}, {"can Harbour be delivered by 20 December", NOT_HERE, ""},
        {"Harbour 3月5号能到吗", NOT_HERE_ZH, ""}, {"anything by June", NOT_HERE, ""}, {"books by April", "Glass City", "Harbour"}, {"Is Meadow available in June", "in stock", "No"},
        {"books published in June", "1 fits: Meadow", ""}, {"books that came out in March", "1 fits: Harbour", ""}, {"books published in April", "Glass City", "Nothing"}};
    check_all("authors", books, GLIM_COUNT(books));
}

TEST(where_from_asks_an_origin_only_of_what_comes_from_it) {
    static const asked wine[] = {
        {"where is Barolo from", "Italy", ""}, {"where does the Rioja come from", "Spain", ""}, {"where can I collect the Barolo from", NOT_HERE, ""}, {"where can I buy Rioja from", NOT_HERE, ""}, {"where can I pick up Rioja from", NOT_HERE, ""}, {"where is Rioja shipped from", NOT_HERE, ""}};
    check_all("origins", wine, GLIM_COUNT(wine));
    static const asked tour[] = {{"where does the Alps Walk depart from", "Munich", "Austria"}, {"where is the Alps Walk from", "Austria", ""}};
    check_all("tours", tour, GLIM_COUNT(tour));
}

TEST(a_bare_figure_is_a_heading_only_where_it_counts_nothing) {
    static const asked rooms[] = {{"how much is Red on 3 May", NOT_HERE, ""}, {"price of Green from 2 to 4 May", NOT_HERE, ""}, {"is Blue free at 4", NOT_HERE, ""}, {"Red 2", "110", ""}};
    check_all("persons", rooms, GLIM_COUNT(rooms));
    static const asked cars[] = {{"car with 2025 km", NOT_HERE, ""}, {"how much is the Van in 2026", "110", ""}};
    check_all("models", cars, GLIM_COUNT(cars));
}

static bool refused(const char *csv) {
    glim_lib *l = NULL;
    glim_err err = {0};
    const bool no = glim_lib_parse(&l, "a.csv", csv, strlen(csv), NULL, &err) == GLIM_E_FORMAT;
    glim_lib_free(l);
    return no;
}

TEST(a_title_may_stand_above_the_headings) {
    static const asked titled[] = {{"how much is Alma", "€199.00", ""}};
    check_all("titled", titled, GLIM_COUNT(titled));
    CHECK(refused("Price list\nname,price,stock\nSaw,3\n"));
    CHECK(refused("Description\nA wardrobe\nBox, small, red\nTin, big, blue\nJar, mid, pink\n")); /* one column of texts with commas */
    CHECK(refused("Description\nA wardrobe\nBox,small,2\nTin,big,3\nJar,mid,4\n"));
    CHECK(refused("Article\nBox,small,red\nTin,big,2L\nJar,mid,3L\n"));
}

TEST(a_separator_is_that_of_the_headings) {
    static const struct {
        const char *csv;
        size_t n_col, n_rows;
        const char *cell; /* the last of the first row */
    } t[] = {
        {"Artikel;Gewicht (kg);Preis (EUR)\nApfel;1,5;2,50\nBirne;2,5;3,75\nKirsche;0,5;4,95\n", 3, 3, "2,50"},
        {"Name;Beschreibung;Preis\nWok;rund, schwarz;12,50\nTopf;hoch, silber;22,90\n", 3, 2, "12,50"},
        {"Name|Beschreibung|Preis\nWok|rund, schwarz|12,50\nTopf|hoch, silber|22,90\n", 3, 2, "12,50"},
        {"Preisliste\nName;Beschreibung;Preis\nWok;rund, schwarz;12,50\nTopf;hoch, silber;22,90\n", 3, 2, "12,50"},
    };
    for (size_t i = 0; i < GLIM_COUNT(t); i++) {
        glim_lib *l;
        glim_err err = {0};
        CHECK_OK(glim_lib_parse(&l, "a.csv", t[i].csv, strlen(t[i].csv), NULL, &err), err);
        CHECK(l->n_own == t[i].n_col && l->n_rows == t[i].n_rows && strcmp(glim_lib_cell(l, 0, t[i].n_col - 1), t[i].cell) == 0);
        glim_lib_free(l);
    }
}

TEST(a_list_without_headings_is_refused) {
    CHECK(refused("Hammer,2.20,7.50\nSaw,1.10,9.90\nFile,3.20,5.10\n"));
    CHECK(refused("Eraser,0.20,500\nPencil,0.50,300\nPen,1.20,200\nNotebook,2.50,100\n"));
    CHECK(refused("Espresso,1.50,2.80\nLatte,2.00,2.40\nMocha,2.20,2.60\n"));
    CHECK(refused("Espresso,1.50,2.80,3.90\nLatte,2.00,2.40,4.50\nMocha,2.20,2.60,5.10\n"));
}

/* Columns of sides that a heading and its cells give, "width cm" of the first row's, or nothing. */
static void check_sides(const char *heading, const char *cell1, const char *cell2, const char *want) {
    char csv[256], got[128] = "";
    glim_lib *l;
    glim_err err = {0};
    snprintf(csv, sizeof csv, "Name;%s;Price (EUR)\nBox;%s;3.50\nCase;%s;5.20\nTray;7x8x9;1.20\n", heading, cell1, cell2);
    CHECK_OK(glim_lib_parse(&l, "a.csv", csv, strlen(csv), NULL, &err), err);
    for (size_t c = l->n_own; c < l->n_col; c++) snprintf(got + strlen(got), sizeof got - strlen(got), "%s%s %s%s%s", *got ? ", " : "", l->col[c].column, glim_lib_cell(l, 0, c), l->col[c].unit_en ? " " : "", l->col[c].unit_en ? l->col[c].unit_en : "");
    CHECK_MSG(strcmp(got, want) == 0, "%s, %s: got \"%s\", want \"%s\"", heading, cell1, got, want);
    glim_lib_free(l);
}

TEST(sides_are_those_that_heading_and_cells_surely_say) {
    static const char whl[] = "width 60 cm, depth 55 cm, height 85 cm";
    check_sides("Dimensions (W×D×H cm)", "60×55×85", "1x2x3", whl);
    check_sides("Dimensions W×D×H in cm", "60×55×85", "1x2x3", whl); /* "in" is a word here */
    check_sides("Maße (B×T×H in cm)", "60×55×85", "1x2x3", whl);
    check_sides("W×D×H in", "60×55×85", "1x2x3", "width 60 in, depth 55 in, height 85 in");
    check_sides("尺寸(长×宽×高cm)", "60×55×85", "1x2x3", "length 60 cm, width 55 cm, height 85 cm");
    check_sides("外形尺寸（长宽高mm）", "60×55×85", "1x2x3", "length 60 mm, width 55 mm, height 85 mm");
    check_sides("Size (L×W×T mm)", "60×55×85", "1x2x3", "length 60 mm, width 55 mm, thickness 85 mm");
    check_sides("Size (W×D×H cm)", "0,6 m × 55 × 85", "1x2x3", ""); /* a unit of one figure */
    check_sides("Size (W×D×H cm)", "2 m × 60 cm × 40 mm", "1x2x3", "width 200 cm, depth 60 cm, height 4 cm");
    check_sides("Size (W×D×H)", "60×55×85", "1x2x3", ""); /* of no unit at all */
    check_sides("Size (W×D×H)", "2 cm × 60 cm × 40 cm", "1x2x3", ""); /* and no row says of which unit the others are */
    check_sides("Size (W×D×H mm)", "1,200 × 800 × 144", "1x2x3", ""); /* is it 1.2? */
    check_sides("Size (W×D×H mm)", "1.200 × 800 × 144", "1x2x3", "");
    check_sides("Size (W×D×H m)", "0.450 × 1.5 × 2,25", "1x2x3", "width 0.45 m, depth 1.5 m, height 2.25 m");
    check_sides("Size (W×D×H cm)", "60×55×85", "160–240×95×75", ""); /* every cell reads, or none counts */
    check_sides("Size (W×D×H cm)", "60×55×85", "", whl);
    static const char *const others[] = {"Packaging (W×D×H cm)", "Bed surface (W×D×H cm)", "Inside (W×D×H cm)", "Opening W×D×H cm", "包装尺寸(长×宽×高cm)", "Size (T×W×L in)", "Size (D×L×H cm)", "Size (H×L×D cm)", "Size (L×B×T cm)", "Size W×D×H (folded)", "Size (cm)"};
    for (size_t i = 0; i < GLIM_COUNT(others); i++) check_sides(others[i], "60×55×85", "1x2x3", "");
}

TEST(sides_are_of_the_only_column_that_has_them) {
    static const char *const csv[] = {"Name,Size (W×D×H cm),Packaging (W×D×H cm)\nBox,10x20x30,11x21x31\nTin,20x20x30,21x21x31\n", "Name,Size (W×D×H cm),Seat height\nBox,10x20x30,low\nTin,20x20x30,high\n",
                                      "Name,Size (W×D×H cm),Width\nBox,10x20x30,about 10 cm\nTin,20x20x30,20 or so\n", "Name,Resolution (W×H)\nBox,1920×1080\nTin,1280×720\n", "Name,Size (D×H cm)\nPot,20×30\nVase,15×40\n"};
    for (size_t i = 0; i < GLIM_COUNT(csv); i++) {
        glim_lib *l;
        glim_err err = {0};
        CHECK_OK(glim_lib_parse(&l, "a.csv", csv[i], strlen(csv[i]), NULL, &err), err);
        CHECK_MSG(l->n_col == l->n_own, "%s", csv[i]);
        glim_lib_free(l);
    }
}

TEST(goods_called_so_are_listed_without_those_that_warn_of_it) {
    static const asked t[] = {
        {"rose products", "2 fit: Rose Soap", "Lavender"},
        {"rose products", "1 more warns of it and is left out", ""},
        {"which products contain rose", NOT_HERE, ""},
        {"products with rose", NOT_HERE, ""},
        {"what is good for people allergic to rose", NOT_HERE, ""},
    };
    check_all("soap", t, GLIM_COUNT(t));
    static const asked nuts[] = {
        {"which snacks contain peanut", NOT_HERE, ""}, {"any peanut snacks", NOT_HERE, ""}, {"which products contain peanut", NOT_HERE, ""}, {"peanut products", "1 more warns of it", "Rice Cake"},
    };
    check_all("nuts", nuts, GLIM_COUNT(nuts));
}

TEST(an_end_is_no_end_date_where_it_is_part_of_another_word) {
    static const asked t[] = {{"high end pans", "High End Cooking", "end date"}, {"when does knife skills end", "the end date is 2027-06-02", ""}, {"courses that end in July", "1 fits: Pan Care", ""}, {"courses ending in July", "1 fits: Pan Care", ""}, {"when is the end of Knife Skills", "the end date is 2027-06-02", ""}, {"end of the Knife Skills course?", "the end date is 2027-06-02", "start"}, {"does Knife Skills end before 1 June", "No, Knife Skills, end date 2027-06-02", ""}};
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
