/* The desk over tables of trades that no template is about: what their headings say, and questions of their customers. The tables in
 * own/ are made up. */
#include "own_test.h"

/* What is counted, and the rows that are cited, all or the first five: taken from the tables by another program. */
TEST(lists_hold_the_right_rows_and_no_other) {
    static const struct {
        const char *file, *q;
        size_t n_all;
        const char *rows;
    } t[] = {
        {"books", "how many books in German do you have?", 2, "9783837193785 9784221828754"},
        {"books", "books from 1813 to 1870", 5, "9785346777758 9786423455429 9787727384337 9784177351297 9787008568324"},
        {"books", "中文书有哪些", 2, "9785893044616 9784432410950"},
        {"books", "books not in English", 6, "9787411449194 9788688481670 9783837193785 9784221828754 9785893044616"},
        {"books", "books by Kafka", 4, "9783018978166 9785303163444 9783837193785 9784221828754"},
        {"books", "books by Agatha Christie", 4, "9781109525498 9782615892810 9787373021323 9786432089498"},
        {"books", "crime novels not by Agatha Christie", 2, "9781682281553 9789181277449"},
        {"books", "books with fewer than 200 pages", 3, "9786423455429 9787373021323 9787411449194"},
        {"books", "books published before 1900", 5, "9785346777758 9786423455429 9787727384337 9784177351297 9787008568324"},
        {"books", "books published after 2000", 2, "9786012407366 9784432410950"},
        {"books", "paperback crime novels under $10", 2, "9782615892810 9789181277449"},
        {"courses", "2027年5月1日以后的课程", 9, "C001 C002 C005 C009 C010"},
        {"courses", "which courses start after June 1 2027", 8, "C001 C002 C005 C009 C010"},
        {"courses", "online courses under 500 euros", 3, "C003 C006 C018"},
        {"courses", "courses with at least 5 places left", 11, "C002 C005 C006 C008 C009"},
        {"courses", "courses with a certificate", 8, "C001 C002 C006 C007 C008"},
        {"courses", "advanced courses not in Hamburg", 6, "C006 C007 C012 C013 C023"},
        {"courses", "Anna Becker's courses", 6, "C003 C004 C007 C008 C024"},
        {"courses", "courses of at most 2 days", 10, "C001 C002 C003 C004 C005"},
        {"hardware", "which screws are 80 mm long?", 4, "SC-1029 SC-1030 SC-1039 SC-1040"},
        {"hardware", "cheapest 5 mm screw that is 80 mm long", 2, "SC-1030 SC-1029"},
        {"hardware", "screws longer than 5 cm", 4, "SC-1029 SC-1030 SC-1039 SC-1040"},
        {"hardware", "drill bits under 3 euros", 2, "DB-1051 DB-1052"},
        {"wine", "which Italian wines do you have", 3, "W010 W013 W014"},
        {"wine", "French wine", 5, "W001 W002 W003 W005 W019"},
        {"wine", "wines from 2018", 2, "W020 W024"},
        {"wine", "wines with less than 12% alcohol", 3, "W002 W019 W024"},
        {"tea", "2024年的茶", 7, "T002 T004 T013 T016 T018"},
        {"tea", "武夷山的茶", 4, "T014 T015 T011 T012"}, /* found by words: best first */
        {"tea", "不含咖啡因的茶", 3, "T028 T029 T030"},
    };
    glim_shop *s = NULL;
    for (size_t i = 0; i < GLIM_COUNT(t); i++) {
        if (i == 0 || strcmp(t[i].file, t[i - 1].file) != 0) {
            if (s) done(s);
            s = own(t[i].file);
        }
        glim_shop_answer a = ask(s, t[i].q, NULL, NULL);
        glim_buf rows = {0};
        for (size_t r = 0; r < a.n_rows; r++) glim_buf_printf(&rows, "%s%s", r ? " " : "", a.row[r].id);
        CHECK_MSG(a.n_all == t[i].n_all && strcmp(glim_buf_cstr(&rows), t[i].rows) == 0, "%s: %zu of %s, want %zu of %s: %s", t[i].q, a.n_all, glim_buf_cstr(&rows), t[i].n_all, t[i].rows, a.text.s);
        for (size_t r = 0; r < a.n_rows; r++) CHECK_HAS(a.text.s, a.row[r].id);
        glim_buf_free(&rows);
        glim_shop_answer_deinit(&a);
    }
    done(s);
}

TEST(a_hardware_store_is_asked_for_sizes_and_euros) {
    static const asked t[] = {
        {"how much is the claw hammer", "€12.9", "CNY"},
        {"price of SC-1024", "the price is €3.05", ""},
        {"which screws are 80 mm long?", "4 fit", "[SC-1023]"},
        {"screws longer than 5 cm", "4 fit", "[SC-1023]"},
        {"drill bits under 3 euros", "2 fit", "[DB-1057]"},
        {"zinc-plated screws with diameter 6 mm", "3 fit", "[SC-1024]"},
        {"screws with length 30 mm and diameter 5 mm in stainless", "[SC-1023]", "[SC-1033]"},
        {"what is the cheapest drill bit?", "By price, lowest first: HSS drill bit 2 mm", ""},
        {"what's the longest screw", "length 80 mm", "outside"},
        {"how long is the HSS drill bit 8 mm", "124 mm", ""},
        {"10cm long masonry drill bit", "[DB-1058]", "[DB-1064]"},
        {"how much are M6x30 stainless screws", "€5.28", "€3.30"},
        {"M5x40 stainless steel price", "€5.36", "Yes, stainless"},
        {"stainless steel screws in packs of 100", "[SC-1039]", "[SC-1040]"},
        {"compare the claw hammer and the sledgehammer", "€34.5", "not in the library"},
        {"is the rubber mallet cheaper than the claw hammer?", "It is Rubber mallet", ""},
        {"three tape measures and a spirit level, total price?", "Together €40.50", ""},
        {"wrenches under 2 euros", "No, Adjustable wrench", "fit"},
        {"do you have M10 screws", "not", "[SC-"},
        {"cheapest saw blade", "not in the library", "["},
        {"what is the average price of drill bits", "€3.99", ""},
    };
    check_all("hardware", t, GLIM_COUNT(t));
}

TEST(a_bookshop_has_two_books_of_one_name) {
    static const asked t[] = {
        {"how much is Emma?", "Emma (Hardcover): the price is $28.70", "CNY"},
        {"hardcover of Pride and Prejudice price", "$24.42", "$13.27"},
        {"who wrote The Trial", "Franz Kafka", "not in"},
        {"books by Kafka", "4 fit", "[9786012407366]"},
        {"books by Agatha Christie", "4 fit", "nothing of"},
        {"paperback crime novels under $10", "2 fit", "Novel"},
        {"crime novels not by Agatha Christie", "2 fit", "Orient"},
        {"the longest book", "pages 818", "outside"},
        {"books with fewer than 200 pages", "3 fit", "[9787727384337]"},
        {"books published before 1900", "5 fit", "[9781109525498]"},
        {"books published after 2000", "2 fit", "[9786773642615]"},
        {"cien anos de soledad", "$34.85", "not in"},
        {"books not in English", "6 fit", "[9787727384337]"},
        {"余华的书有哪些", "活着", "没有"},
        {"中文书有哪些", "有2款符合：活着", "没有"},
        {"is Der Prozess available as hardcover?", "Hardcover", "No,"},
        {"do you have anything by Stephen King?", "not in the library", "["},
        {"how many books in German do you have?", "There are 2 (language: German", "not in"},
        {"is there a paperback of Emma in stock", "Emma (Paperback) is not in stock", "Yes"},
        {"is there a paperback of Emma", "Yes, Paperback", "stock"},
        {"is the paperback of Emma in German", "No, not German: Emma (Paperback)", "aperback:"},
    };
    check_all("books", t, GLIM_COUNT(t));
}

TEST(courses_have_dates_places_and_trainers) {
    static const asked t[] = {
        {"online courses under 500 euros", "3 fit", "[C010]"},
        {"courses starting in May 2027", "1 fits", "[C001]"},
        {"courses before March 2027", "5 fit", "[C001]"},
        {"which courses start after June 1 2027", "[C001]", "[C023]"},
        {"who teaches Scrum Master in Munich", "the trainer is Anna Becker", "[C023]"},
        {"courses with at least 5 places left", "11 fit", "[C001]"},
        {"which courses are fully booked?", "[C018]", "[C001]"},
        {"places left in C003", "1 places left", "in stock"},
        {"longest course", "20 days", "not in"},
        {"courses of at most 2 days", "[C001]", "[C008]"},
        {"is Excel Advanced cheaper than Excel Basics", "It is Excel Basics", "meant"}, /* in every town */
        {"courses with a certificate", "8 fit", "[C003]"},
        {"advanced courses not in Hamburg", "6 fit", "[C005]"},
        {"how long is the Forklift Licence course", "2 days", "not in"},
        {"Anna Becker's courses", "6 fit", "[C001]"},
    };
    check_all("courses", t, GLIM_COUNT(t));
}

TEST(a_tea_shop_has_grams_months_and_caffeine) {
    static const asked t[] = {
        {"西湖龙井特级多少钱", "单价是680元", "单价(元)"},
        {"不含咖啡因的茶", "3款", "[T001]"},
        {"无咖啡因的有吗", "3款", "[T001]"},
        {"菊花茶含咖啡因吗", "不含咖啡因", "有花茶"},
        {"铁观音特级和一级哪个贵", "是铁观音特级", "大红袍"},
        {"2024年的茶", "[T002]", "[T001]"},
        {"2023年以前的普洱", "没有符合", "[T"},
        {"保质期最长的茶", "36个月", "36月"},
        {"保质期24个月的茶", "24个月", "36个月"},
        {"普洱熟茶饼一级多重", "357", "没有"},
        {"最便宜的茶具", "没有", "[T"},
        {"武夷山的茶", "4款", "[T001]"},
        {"有没有抹茶", "没有", "[T"},
    };
    check_all("tea", t, GLIM_COUNT(t));
}

TEST(a_wine_shop_has_vintages_regions_and_strength) {
    static const asked t[] = {
        {"red wines from Bordeaux under 20 euros", "1 fits", "[W001]"},
        {"strongest wine", "Tawny Port 10 years, ABV 20%", ""},
        {"wines with less than 12% alcohol", "3 fit", "[W001]"},
        {"which Italian wines do you have", "3 fit", "[W001]"},
        {"French wine", "5 fit", "[W007]"},
        {"wines from 2018", "2 fit", "[W002]"},
        {"is W005 organic", "is not organic", "has no"},
        {"best rated red wine", "points 95", "nothing of"},
        {"how many bottles of Champagne are left", "6 bottles left", ""},
        {"20欧以下的白葡萄酒", "3款", "[W002]"},
        {"wines with Merlot over 30 euros", "Nothing in the library fits: merlot", "[W"},
        {"6 bottles of Cava, how much?", "€71.40", ""},
        {"cheapest sparkling", "lowest first: Prosecco", ""},
    };
    check_all("wine", t, GLIM_COUNT(t));
}

TEST(two_languages_in_a_heading_and_commas_before_cents) {
    static const asked t[] = {
        {"how much is the lawn mower", "€1.249,00", ""},
        {"cordless drill weight", "1,6 kg", ""},
        {"is the impact drill cheaper than the jigsaw", "It is Schlagbohrmaschine", ""},
        {"products over 1000 euros", "[W-06]", "[W-01]"},
        {"items lighter than 400 g", "2 fit", "[W-09]"},
        {"is the circular saw available?", "in stock", "not in stock"},
    };
    check_all("german", t, GLIM_COUNT(t));
}

TEST(a_corrected_value_has_its_other_words_at_once) {
    glim_shop *s = own("wine");
    glim_err err = {0};
    CHECK_OK(glim_shop_correct_cell(s, "W001", "Colour", "orange", &err), err);
    glim_shop_answer a = ask(s, "橙色的有哪些", NULL, NULL);
    CHECK_HAS(a.text.s, "[W001]");
    CHECK_MSG(a.n_all == 1, "%zu rows: %s", a.n_all, a.text.s);
    glim_shop_answer_deinit(&a);
    done(s);
}

TEST(of_one_or_another_the_row_says_which) {
    static const asked t[] = {
        {"is the stool Bar or Bär", "Stool: series Bar. [B2]", "price"},
        {"is the mug Bär or Bar?", "Mug: series Bär. [B1]", "price"},
        {"is the mug Bar", "No, not Bar: Mug, series Bär. [B1]", "Yes"},
        {"is the stool a Seat or a Crockery", "Stool: the category is Seat. [B2]", "price"},
        {"is the mug a Seat?", "No, not Seat: Mug, category Crockery. [B1]", "price"},
        {"is the bench red or blue", "Bench: the colour is blue. [B3]", "Yes"},
        {"Bar or Bär?", "5 fit", "not in"},
        {"which is cheapest, Bar or Bär", "lowest first: Mug", ""},
    };
    check_all("series", t, GLIM_COUNT(t));
}

TEST(what_can_be_done_is_asked_in_other_words) {
    static const asked t[] = {
        {"can the lasagne be frozen", "Yes: Lasagne, freezer safe.", "not in"},
        {"can I freeze the soup of the day?", "No: Soup of the day has no freezer safe", "Yes"},
        {"which dishes can I freeze", "3 fit: Honey cake", "[A4]"},
        {"can I take the lasagne away?", "Yes: Lasagne, takeaway.", "not in"},
        {"can I take the honey cake away", "No: Honey cake has no takeaway.", "Yes"},
        {"lasagne to go?", "Yes: Lasagne, takeaway.", "not in"},
        {"哪些可以打包", "有4款符合：Stool", "[A1]"},
        {"can I put the casserole dish in the dishwasher", "Yes: Casserole dish, dishwasher safe.", "No"},
        {"can the lasagne be microwaved", "not in the library", "No"}, /* "do not microwave: no" is no word for it */
        {"is the casserole dish microwave safe", "not in the library", "Yes"},
        {"is the lasagne frozen?", "not in the library", "Yes"},
        {"does the lasagne come frozen", "not in the library", "Yes"},
        {"do you freeze the lasagne", "not in the library", "Yes"},
        {"what is there to go with the lasagne", "not in the library", "Yes"},
        {"is the stool far away", "not in the library", "Yes"},
        {"can you deliver the lasagne right away", "not in the library", "Yes"},
        {"how long can I freeze the lasagne", "not in the library", "Yes"},
    };
    check_all("deli", t, GLIM_COUNT(t));
    static const asked states[] = {
        {"can the cod be frozen", "No: Cod has no freezer safe.", "Yes"},
        {"is the cod frozen", "Yes: Cod, frozen.", "No"},
        {"can I freeze the bread", "Yes: Bread, freezer safe.", "No"},
        {"is the bread frozen", "No: Bread has no frozen.", "Yes"},
        {"is the bread machine washable", "not in the library", "Yes"},
        {"can the bread be recycled", "not in the library", "Yes"},
        {"can the cod be refilled", "Cod: price 5", "Yes"},
        {"is the cod microwave safe", "not in the library", "Yes"},
        {"can I take the bread away", "Bread: price 50", "Yes"},
        {"can the cod be machine washed", "not in the library", "Yes"},
        {"can the bread be stacked", "Bread: price 50", "Yes"}, /* two columns of it */
    };
    check_all("states", states, GLIM_COUNT(states));
    glim_shop *s = own("deli");
    static const char *const q[] = {"can it be frozen", "can I take it away?", "这个能冷冻吗"}, *const want[] = {"Yes: Honey cake, freezer safe.", "No: Honey cake has no takeaway.", "支持：Honey cake"};
    for (size_t i = 0; i < GLIM_COUNT(q); i++) {
        glim_shop_answer a = ask(s, q[i], "A1", NULL);
        CHECK_HAS(a.text.s, want[i]);
        glim_shop_answer_deinit(&a);
    }
    done(s);
}

TEST(a_word_and_a_figure_are_typed_with_and_without_a_space) {
    static const asked t[] = {
        {"do you have SPF50", "4 fit: Sun milk Classic", "[S02]"},
        {"is the face fluid SPF50", "Yes, SPF 50: Face fluid", "No"},
        {"is the Stick SPF30", "No, not SPF 30: Stick, protection SPF 50.", "Yes"},
        {"sun cream with spf30 under 14 euros", "1 fits: Sun milk Kids", "[S01]"},
        {"SPF50的有哪些", "有4款符合", "没有"},
    };
    check_all("care", t, GLIM_COUNT(t));
}

TEST(a_year_lies_in_a_range_that_a_cell_says) {
    static const asked t[] = {
        {"which fit a 2016 model?", "2 fit: Sun milk Kids", "[S01]"},
        {"sun cream for 2019", "2 fit: Sun milk Classic, 12.5, model years 2018-2020 [S01]; Face fluid", "[S05]"},
        {"is the day cream for 2018", "Yes, Day cream, model years 2016 - 2022.", "No"},
        {"does the day cream fit 2024", "No, Day cream, model years 2016 - 2022.", "Yes"},
        {"products for 2016 to 2018", "1 fits: Day cream", "[S02]"},
        {"2019年的有哪些", "有3款符合", "[S02]"},
        {"what model years has the day cream", "Day cream: model years 2016 - 2022.", "Yes"},
        {"products under 2000", "12 fit", "model years"},
        {"how many fit 2021", "There are 4 (model years: 2021", "[S01]"},
        {"anything not for 2019", "not in the library", "[S0"},
        {"which do not fit 2019", "not in the library", "[S0"},
        {"is the day cream not for 2018", "not in the library", "[S05]"},
        {"sun cream before 2017", "not in the library", "[S0"},
        {"products for after 2019", "not in the library", "[S0"},
        {"sun cream since 2019", "not in the library", "[S0"},
        {"2019年以后的sun cream有哪些", "资料库里没有", "[S0"},
        {"2019年以前的有哪些", "资料库里没有", "[S0"},
        {"2018到2020年的有哪些", "有2款符合：Sun milk Classic", "[S03]"}, /* those of all of them */
        {"is Sun milk Kids suitable for children?", "not in the library", "model years"},
        {"does the Body oil fit 2019?", "not in the library", "[S11]"},
        {"sun cream of 2019 ml", "The library says nothing of \"2019ml\"", "model years"},
    };
    check_all("care", t, GLIM_COUNT(t));
    static const asked laptops[] = {
        {"laptop with price 2020", "2 fit: Lap A, 1999 [S01]; Lap B", "[S03]"},
        {"laptops of 2019 mAh", "The library says nothing of \"2019 mah\"", "model years"},
        {"laptop for 2019 under 2100", "1 fits: Lap A", "[S02]"},
    };
    check_all("laptops", laptops, GLIM_COUNT(laptops));
}

TEST(a_price_says_what_it_is_for) {
    static const asked zh[] = {
        {"苹果多少钱", "价格是6.5元/斤", ""},
        {"price of G02", "the price is 4.8 CNY/jin", ""},
        {"最便宜的水果", "4.8元/斤", ""},
        {"三斤苹果多少钱", "6.50元/斤 × 3 = 19.50元[", "= 19.50元/斤"},
        {"三个苹果多少钱", "价格是6.5元/斤", "×"},
        {"水果的平均价格", "平均价格是5.77元/斤", ""},
        {"两斤苹果和三斤香梨一共多少钱", "合计27.40元", ""},
        {"苹果和香梨各两斤一共多少钱", "合计22.60元", ""},
        {"两斤苹果和三个香梨一共多少钱", "6.5元/斤", "×"},
        {"两斤苹果和一公斤香梨多少钱", "4.8元/斤", "×"},
        {"6.2元/斤以下的水果", "有2款符合：香梨", "没有"},
        {"每斤5元以下的水果", "有1款符合：香梨", "没有"},
        {"5元一斤以下的水果", "有1款符合：香梨", "没有"},
        {"每斤不到5元的水果有哪些", "有1款符合：香梨", "没有"},
        {"10元/公斤以下的水果", "有1款符合：香梨", "苹果"},
        {"6.2到10元/斤的水果", "有1款符合：苹果", "香梨"},
    };
    static const asked de[] = {
        {"How much are 2 kg of Gouda and three Brie?", "€21.50/kg", "×"},
        {"How much are 2 kg of Gouda and 3 kg of Brie?", "Together €100.30.", "not in"},
        {"how much are 2kg Gouda and 500g Brie", "€21.50/kg", "×"},
        {"what do 2 kg Gouda and 1.5 kg Brie cost", "€21.50/kg", "×"},
        {"cheese under 20 euros per kg", "1 fits: Gouda", "Brie"},
        {"hard cheese under €20/kg", "1 fits: Gouda", "Manchego"},
        {"how much is the Gouda", "the price is €17.90/kg", "CNY"},
        {"what do three Gouda cost", "€17.90/kg", "53.70"},
        {"what do 2 kg of Gouda cost", "€17.90/kg × 2 = €35.80 [C1]", "left"},
        {"what width has the Gouda", "the width/height is 30 x 12", ""},
        {"the height of the Brie", "the width/height is 25 x 4", ""},
    };
    check_all("fruit", zh, GLIM_COUNT(zh));
    check_all("cheese", de, GLIM_COUNT(de));
}

TEST(rent_and_rates_are_prices_of_a_time) {
    static const asked zh[] = {
        {"电钻租金多少", "租金是80元/天", ""},
        {"50元/天以下的有哪些", "有1款符合：梯子", ""},
        {"两把电钻租两周多少钱", "80元/天", "×"},
    };
    static const asked en[] = {
        {"how much is the Alpine Suite", "the rate is €240/night", ""},
        {"rooms under 100 euros per night", "1 fits: Garden Single", "Suite"},
        {"rooms under 100 a night", "1 fits: Garden Single", "Suite"},
        {"rooms between 100 and 200 euros a night", "1 fits: Alpine Double", "Suite"},
        {"what do two Alpine Suites for 2 weeks cost", "€240/night", "×"},
    };
    check_all("hire", zh, GLIM_COUNT(zh));
    check_all("lodge", en, GLIM_COUNT(en));
}

TEST(of_two_books_of_one_name_neither_is_compared_for_both) {
    static const asked t[] = {
        {"is Emma longer than Great Expectations", "which one is meant? Emma (Hardcover), pages 238", "It is"},
        {"compare Emma and Beloved", "Emma (Paperback)", "Pages"},
        {"is Beloved longer than Emma", "[9784177351297]", "It is"},
        {"is the Emma paperback cheaper than the Emma hardcover", "It is Emma (Paperback)", "meant"},
        {"compare the Emma hardcover and the paperback", "Emma (Hardcover) 238, Emma (Paperback) 577", "meant"},
        {"is Great Expectations longer than the Emma paperback", "It is Emma (Paperback): pages: Great Expectations 216,", "meant"},
        {"is the hardcover of Emma longer than the paperback of Pride and Prejudice", "It is Emma (Hardcover): pages: Emma (Hardcover) 238, Pride and Prejudice (Paperback) 114", "meant"},
        {"is Beloved longer than Kafka on the Shore", "It is Beloved: pages: Kafka on the Shore 338, Beloved 467", "meant"},
    };
    check_all("books", t, GLIM_COUNT(t));
}

TEST(a_list_in_a_cell_is_no_yes) {
    static const asked t[] = {
        {"布洛芬缓释胶囊孕妇可以吃吗", "禁用人群里有孕妇", "是的"},
        {"布洛芬缓释胶囊提供上门配送吗", "不含服务里有上门配送", "是的"},
        {"布洛芬缓释胶囊能治牙痛吗", "适应症里有牙痛", "是的"},
    };
    check_all("pharmacy", t, GLIM_COUNT(t));
}

TEST(a_heading_with_a_verb_is_said_as_one) {
    static const asked t[] = {
        {"does the Salad contain pork", "No, Salad does not contain pork.", "contains"},
        {"do the Dumplings contain pork", "Yes, Dumplings contains pork.", "Yes:"},
        {"is the Salad spicy", "No, Salad is not spicy.", "has no"},
        {"does the Soup have nuts", "No, Soup does not have nuts.", "has no"},
        {"does the Soup have table service", "No: Soup has no table service.", "does not"},
        {"cheapest starters without pork", "Soup, 4, does not contain pork [F4]", "pork no"},
        {"dishes that contain pork", "Dumplings, 9, contains pork [F2]", "pork yes"},
    };
    check_all("food", t, GLIM_COUNT(t));
}

TEST(two_are_looked_for_in_a_short_text_and_at_few_joins) {
    static const struct {
        const char *q;
        bool found;
    } t[] = {
        {"compare the claw hammer to the sledgehammer", true},
        {"compare the claw hammer to the sledgehammer and and", true},
        {"compare the claw hammer to the sledgehammer and and and and and and and and", false}, /* a try is as much work as two questions */
        {"compare the claw hammer to the sledgehammer                                                                                                    "
         "                                                                                                                                    ", false},
    };
    glim_shop *s = own("hardware");
    for (size_t i = 0; i < GLIM_COUNT(t); i++) {
        glim_err err = {0};
        glim_named one[8], other[8];
        size_t n_one, n_other;
        bool found;
        CHECK_OK(glim_shop_pair(s, t[i].q, one, &n_one, other, &n_other, &found, &err), err);
        CHECK_MSG(found == t[i].found, "%s", t[i].q);
    }
    done(s);
}

TEST(a_figure_that_one_column_cannot_hold_is_of_the_other) {
    static const asked t[] = {
        {"cheapest 5 mm screw that is 80 mm long", "lowest first: Wood screw M5x80 ZP, €4.55", "Nothing in the library fits"},
    };
    check_all("hardware", t, GLIM_COUNT(t));
    static const asked books[] = {{"books from 1813 to 1870", "5 fit: Pride and Prejudice (Hardcover)", "price"}};
    check_all("books", books, GLIM_COUNT(books));
    static const asked courses[] = {{"2027年5月1日以后的课程", "共有9款符合", "没有"}};
    check_all("courses", courses, GLIM_COUNT(courses));
}

TEST(a_price_may_be_words_free_or_from_a_figure_on) {
    static const asked remedies[] = {
        {"dearest product", "highest first: Ibuprofen 600 mg, €12.40", "library"},
        {"the cheapest vitamin", "lowest first: Vitamin D3, €9.99", "library"},
        {"what does Magnesium 300 cost", "Magnesium 300: price on request.", "€"},
        {"what does Omeprazole 20 mg cost", "the price is from €7.60.", "€from"},
        {"what do two Omeprazole 20 mg cost in total", "from €7.60", "15.2"},
    }, licences[] = {
        {"what does Notely Enterprise cost", "Notely Enterprise: price per user contact sales.", "$"},
        {"cheapest plan with SSO", "lowest first: Taskbird Business, $9.50/month", "library"},
        {"which plans are free", "2 fit: Notely Free, $0.00/month [NOT-FRE]; Taskbird Free", "Starter"},
        {"is Notely Business free", "No, Notely Business", "Yes"},
        {"Is Notely Free free?", "Yes, Notely Free", "Shipping"},
        {"免费的有哪些", "有2款符合", "礼品"},
        {"which plans have unlimited storage", "2 fit: Notely Enterprise", "Taskbird Business"},
        {"how much storage does Notely Starter have", "the storage is 50 GB", "$"},
        {"which plans run on Linux", "5 fit: Notely Starter", "Notely Business"},
        {"NOT-FRE", "Notely Free: price per user $0.00/month", "library"},
    }, bolts[] = {
        {"cheapest M8 screw", "lowest first: Zylinderschraube M8×40, €2,40", "Nothing"},
        {"what does 912-M6-20 cost", "€1.044,29", "library"},
        {"what does 933-M8-20 cost", "price auf Anfrage", "€"},
        {"is 933-M6-20 in stock", "in stock (1200 left)", "not"},
        {"how many 933-M6-30 are in stock", "in stock (12500 left). [933-M6-30]", "There are"},
        {"how much is the M6x30", "Sechskantschraube M6×30: the price is €15,95", "library"},
        {"M6*30", "[933-M6-30]", "not in the library"},
    }, shelves[] = {
        {"cheapest shelf", "By price, lowest first: Hyll, $89.00", "RRP"},
        {"which shelves do you have", "2 fit: Hyll", "Table"},
        {"is F2 cheaper than F1", "not in the library", "It is"},
        {"how wide is the Ask", "the width is 160 cm", "library"},
    }, evening[] = {
        {"which courses are free", "1 fits: Yoga, free [K102]", "K103"},
        {"courses under 100 euros", "3 fit", "K101"},
    };
    check_all("remedies", remedies, GLIM_COUNT(remedies));
    check_all("licences", licences, GLIM_COUNT(licences));
    check_all("bolts", bolts, GLIM_COUNT(bolts));
    check_all("shelves", shelves, GLIM_COUNT(shelves));
    check_all("evening", evening, GLIM_COUNT(evening));
}

TEST(what_a_row_warns_of_never_speaks_for_it) {
    static const asked remedies[] = {
        {"which pain relief can I take with a stomach ulcer?", "not in the library", "Ibuprofen"},
        {"medicines for people with stomach ulcer", "", "["},
        {"can I take ibuprofen while pregnant?", "not in the library", "["},
        {"can I take ibuprofen 400 mg while pregnant?", "contraindications Stomach ulcer, pregnancy (3rd trimester)", "Yes"},
        {"can I drink alcohol with paracetamol?", "not in the library", "["},
        {"what are the contraindications of Paracetamol 500 mg", "Severe liver disease", "library"},
        {"which products don't need a prescription?", "6 fit; the first 5: Ibuprofen 400 mg", "Amoxicillin"},
        {"must 01000137 be stored below 25 degrees", "not in the library", "Yes"},
    }, flooring[] = {
        {"孕妇可以用东方鹿复合地板吗", "东方鹿复合地板的备注是孕妇慎用", "有货"},
        {"孕妇可以用圣辉石塑地板吗", "没有这个信息", "["},
        {"孕妇可以用什么地板", "没有这个信息", "["},
    }, plants[] = {
        {"can I eat rosemary?", "not in the library", "["},
        {"plants toxic to cats but not to dogs", "not in the library", "PL-1"},
        {"is the lavender toxic to cats", "not in the library", "No"},
        {"is PL-2 toxic to cats", "No: Spider plant, toxic to cats: no.", "has no"},
        {"is PL-5 in stock", "not in the library", "price"},
        {"what is the weather like?", "outside", "["},
    };
    check_all("remedies", remedies, GLIM_COUNT(remedies));
    check_all("flooring", flooring, GLIM_COUNT(flooring));
    check_all("plants", plants, GLIM_COUNT(plants));
}

TEST(a_column_of_yes_and_no_goes_before_a_kind_that_is_called_so) {
    static const asked t[] = {
        {"防水的地板有哪些", "有2款符合：圣辉强化木地板", "东方鹿复合"},
        {"不防水的地板", "有1款符合：东方鹿复合地板", "强化"},
        {"圣辉抛光砖防水吗", "不，圣辉抛光砖不防水", "品类"},
        {"防水有哪些产品", "有2款符合：圣辉防水卷材", "地板"},
        {"东方鹿木纹砖有环保认证吗", "的“是否环保认证”是“否”", "不环保"},
        {"最便宜的地板", "第一是圣辉强化木地板，28元", "面议，"},
        {"最厚的地板", "第一是东方鹿复合地板，厚度12 mm", "抛光砖"},
        {"圣辉石塑地板质保几年", "10", "没有这个信息"},
        {"圣辉抛光砖有效期到什么时候", "2027-06-01", "没有这个信息"},
        {"800x800的瓷砖", "圣辉抛光砖", "没有"},
        {"800*800的瓷砖", "圣辉抛光砖", "没有"},
    };
    check_all("flooring", t, GLIM_COUNT(t));
}

TEST(what_is_counted_of_a_name_is_counted_of_it_alone) {
    static const asked plants[] = {
        {"how many snake plants do you have in stock", "(15 left). [PL-4]", "There are"},
        {"how many snake plants do you have", "(15 left). [PL-4]", "There are"},
        {"average price of a snake plant", "Over 2, the average price is £20.55", "Over 6"},
    }, cars[] = {
        {"average price of a Golf", "Over 2, the average price is €18250.00", "Over 5"},
        {"cheapest car", "lowest first: Volkswagen Golf 1.5", "library"},
        {"car with the lowest mileage", "12689 km", "library"},
        {"newest car", "first: Tesla Model 3 Long Range, first reg. 03/2024", "library"},
        {"cars from 2024", "1 fits: Tesla Model 3", "2022"},
        {"cars registered before 2014", "1 fits: Volkswagen Golf 1.5, €4,000, first reg. 03/2012", "2022"},
        {"cars with more than 140 hp", "2 fit: Tesla Model 3 Long Range", "Golf"},
        {"does UC2 have a towbar", "Yes: Volkswagen Golf 1.5", "No"},
        {"does UC1 have a towbar", "not in the library", "No"},
        {"is UC6 accident-free", "not in the library", "No,"},
        {"until when is the MOT of UC1", "2027-03", "library"},
    };
    check_all("plants", plants, GLIM_COUNT(plants));
    check_all("cars", cars, GLIM_COUNT(cars));
    glim_shop *s = own("cars");
    glim_shop_answer a = ask(s, "what is its range", "UC1", NULL); /* and no "Long Range" */
    CHECK_MSG(!strstr(a.text.s, "Long Range"), "%s", a.text.s);
    glim_shop_answer_deinit(&a);
    done(s);
}

TEST(small_words_are_no_values_and_days_are_read_as_they_are_written) {
    static const asked t[] = {
        {"courses not on Monday", "6 fit; the first 5: German for beginners", "K105"},
        {"IT courses", "2 fit: Python programming", "Yoga"},
        {"is it online? K104", "Yes, Python programming is online.", "subject"},
        {"when does K101 end", "ends 13.07.2027", "library"},
        {"courses that start after June 30 2027", "2 fit: Python programming", "Yoga"},
        {"which courses does Chen Yu teach", "3 fit: Python programming", "library says"},
        {"the last course to start", "", "points"},
    };
    check_all("evening", t, GLIM_COUNT(t));
    glim_shop *s = own("evening");
    glim_shop_answer a = ask(s, "who teaches it?", "K101", NULL);
    CHECK_MSG(strstr(a.text.s, "the teacher is Aisha Khan") && !strstr(a.text.s, "IT"), "%s", a.text.s);
    glim_shop_answer_deinit(&a);
    done(s);
    glim_err err = {0};
    CHECK(init_with("Espresso,2.20,vegan\nLatte,3.90,\nTea,2.90,\n", NULL, NULL, &err) == GLIM_E_FORMAT && strstr(err.msg, "the first row seems to be a product"));
}

TEST(what_is_named_asked_and_warned_of_is_each_its_own) {
    static const asked pots[] = {
        {"cheapest product", "By retail price, lowest first: Terra 21, 12.50", "holesale"},
        {"robot for hardwood floors", "Dustin", "library"},
        {"pot for balcony plants", "Terra 21", "not in the library"},
        {"is P1 in stock", "(12 left)", "12000"},
        {"is the rug good for wet rooms", "", "Yes"},
    }, remedies[] = {
        {"how much is Ibuprofen 400 mg for stomach pain?", "4.49", "library"},
        {"what is the dosage of Paracetamol 500 mg with severe fever", "1-2 tablets", "library"},
        {"what do two Omeprazole 20 mg and one Vitamin D3 cost", "from €7.60", "25.19"},
    }, evening[] = {
        {"courses that end before 1 May 2027", "Nothing in the library fits: ends < 2027-05-01", "K1"},
        {"courses that end in July 2027", "3 fit", "K104"},
        {"courses that start in July 2027", "1 fits: Excel advanced", "K103"},
    };
    check_all("pots", pots, GLIM_COUNT(pots));
    check_all("remedies", remedies, GLIM_COUNT(remedies));
    check_all("evening", evening, GLIM_COUNT(evening));
    glim_shop *s = own("evening");
    glim_shop_answer a = ask(s, "how much is the Excel course, is it online?", "K101", NULL); /* the one in view is another */
    CHECK_MSG(strstr(a.text.s, "Excel") && !strstr(a.text.s, "German"), "%s", a.text.s);
    glim_shop_answer_deinit(&a);
    done(s);
}
