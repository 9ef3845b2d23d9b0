/* The product library: schemas guessed and read, cells that do not fit, conditions of questions in two languages, names. */
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "know/filter.h"
#include "know/filter_internal.h"
#include "know/find.h"
#include "know/library.h"
#include "test.h"

static const char shop[] =
    "sku,名称,英文名,品类,价格,颜色,库存,电池,无线充电\n"
    "A1,星辰 X1 手机,Star X1 phone,手机,1999元,黑色、白色,5,5000mAh,15W Qi\n"
    "A2,星辰 X1 Pro 手机,Star X1 Pro phone,手机,2999元,黑色、红色,0,5200mAh,不支持\n"
    "A3,月影 T 平板,Moon T tablet,平板,1499元,白色,12,7000mAh,不支持\n"
    "A4,月影 K 键盘,Moon K keyboard,键盘,199元,红色,3,,\n"
    "A5,月影 K2 键盘,Moon K2 keyboard,键盘,299元,白色,9,,\n"
    "A6,星辰 B 耳机,Star B headphones,耳机,399元,黑色,7,500mAh,5W Qi\n";
static const char schema[] =
    "{\"columns\": [{\"column\": \"sku\", \"type\": \"id\"}, {\"column\": \"名称\", \"type\": \"name\", \"lang\": \"zh\"},"
    "{\"column\": \"英文名\", \"type\": \"name\", \"lang\": \"en\"},"
    "{\"column\": \"品类\", \"type\": \"enum\", \"values\": {\"手机\": [\"phone\"], \"平板\": [\"tablet\"], \"键盘\": [\"keyboard\"], \"耳机\": [\"headphones\"]}},"
    "{\"column\": \"价格\", \"type\": \"price\", \"unit_zh\": \"元\", \"unit_en\": \"CNY\"},"
    "{\"column\": \"颜色\", \"type\": \"enum\", \"many\": true, \"values\": {\"黑色\": [\"black\"], \"白色\": [\"white\"], \"红色\": [\"red\"]}},"
    "{\"column\": \"库存\", \"type\": \"stock\"}, {\"column\": \"电池\", \"type\": \"number\", \"unit_zh\": \"mAh\"}, {\"column\": \"无线充电\", \"type\": \"text\"}]}";

static const char library_of_books[] =
    "{\"columns\": [{\"column\": \"no\", \"type\": \"id\"}, {\"column\": \"title\", \"type\": \"name\"}, {\"column\": \"kind\", \"type\": \"enum\"}, {\"column\": \"colour\", \"type\": \"enum\"},"
    "{\"column\": \"author\", \"type\": \"enum\"}, {\"column\": \"language\", \"type\": \"enum\"}, {\"column\": \"year\", \"type\": \"number\"}]}";

static glim_lib *open_shop(const char *csv, const char *with) {
    glim_err err = {0};
    json_t *s = NULL;
    glim_lib *l;
    if (with) CHECK_OK(glim_json_parse(&s, with, strlen(with), 0, &err), err);
    CHECK_OK(glim_lib_parse(&l, "shop.csv", csv, strlen(csv), s, &err), err);
    json_decref(s);
    return l;
}

/* "A1 A2": the ids of the rows that a question's conditions keep, in its order. */
static const char *rows_of(const glim_lib *l, const char *q) {
    static char out[256];
    glim_filter f = {0};
    glim_err err = {0};
    uint32_t row[16];
    size_t n, all;
    CHECK_OK(glim_filter_parse(&f, l, q, strlen(q), &err), err);
    CHECK_OK(glim_filter_rows(l, &f, NULL, 0, row, 16, &n, &all, &err), err);
    out[0] = 0;
    for (size_t i = 0; i < n; i++) {
        char id[GLIM_LIB_ID_MAX + 1];
        glim_lib_row_id(l, row[i], id);
        if (i) strcat(out, " ");
        strcat(out, id);
    }
    glim_filter_deinit(&f);
    return out;
}

TEST(conditions_of_chinese_questions_are_answered_by_the_cells) {
    glim_lib *l = open_shop(shop, schema);
    CHECK_STR(rows_of(l, "2000元以下的手机"), "A1");
    CHECK_STR(rows_of(l, "两千块以内有什么手机"), "A1");
    CHECK_STR(rows_of(l, "不到三百的键盘"), "A4 A5");
    CHECK_STR(rows_of(l, "有哪些低于300元的键盘"), "A4 A5");
    CHECK_STR(rows_of(l, "1000到2000元的"), "A1 A3");
    CHECK_STR(rows_of(l, "红色的有货吗"), "A4");
    CHECK_STR(rows_of(l, "白色或者红色的键盘"), "A4 A5");
    CHECK_STR(rows_of(l, "不要黑色的手机"), "");
    CHECK_STR(rows_of(l, "最便宜的键盘"), "A4 A5");
    CHECK_STR(rows_of(l, "最贵的手机"), "A2 A1");
    CHECK_STR(rows_of(l, "电池大于5000的手机"), "A2");
    CHECK_STR(rows_of(l, "电池至少5000mAh"), "A1 A2 A3");
    CHECK_STR(rows_of(l, "支持无线充电的有哪些"), "A1 A6");
    CHECK_STR(rows_of(l, "不支持无线充电的手机"), "A2");
    CHECK_STR(rows_of(l, "缺货的手机"), "A2");
    CHECK_STR(rows_of(l, "一万二以下的平板"), "A3");
    glim_lib_free(l);
}

TEST(conditions_of_english_questions_are_answered_by_the_cells) {
    glim_lib *l = open_shop(shop, schema);
    CHECK_STR(rows_of(l, "phones under 2000 yuan"), "A1");
    CHECK_STR(rows_of(l, "a keyboard for at most 199 CNY"), "A4");
    CHECK_STR(rows_of(l, "anything between 1,000 and 2k yuan?"), "A1 A3");
    CHECK_STR(rows_of(l, "the cheapest keyboard"), "A4 A5");
    CHECK_STR(rows_of(l, "which red ones are in stock?"), "A4");
    CHECK_STR(rows_of(l, "phone with the biggest battery"), "A2 A1");
    CHECK_STR(rows_of(l, "phones without wireless charging"), "A2");
    CHECK_STR(rows_of(l, "tablets over $1400"), "A3");
    CHECK_STR(rows_of(l, "not white keyboards"), "A4");
    glim_lib_free(l);
}

TEST(what_must_not_be_is_left_out_wherever_the_no_stands) {
    glim_lib *l = open_shop(shop, schema);
    CHECK_STR(rows_of(l, "不要黑色和白色的"), "A4"); /* the no is said of the whole list */
    CHECK_STR(rows_of(l, "nothing without black, white or red"), "");
    CHECK_STR(rows_of(l, "I am allergic to black and white"), "A4");
    CHECK_STR(rows_of(l, "我对红色过敏"), "A1 A3 A5 A6");
    CHECK_STR(rows_of(l, "红色以外的键盘"), "A5");
    CHECK_STR(rows_of(l, "red-free keyboards"), "A5");
    CHECK_STR(rows_of(l, "不要黑色，红色的键盘有吗"), "A4"); /* another clause */
    CHECK_STR(rows_of(l, "黑色或红色的手机"), "A1 A2");
    CHECK_STR(rows_of(l, "黑色和白色过敏"), "A4"); /* behind a list it is said of all of it too */
    glim_lib_free(l);
}

TEST(a_no_is_read_over_words_that_say_nothing_and_only_over_them) {
    glim_lib *l = open_shop(shop, schema);
    static const char *const zh_no[] = {"不", "没", "别"}, *const zh_verb[] = {"要", "有", "含", "想要", "带", "喜欢"}, *const zh_fill[] = {"", "任何", "有"};
    static const char *const en_no[] = {"without", "not", "don't want", "do not have", "doesn't come with", "no"}, *const en_fill[] = {"", "a ", "any ", "the "};
    char q[128];
    for (size_t i = 0; i < GLIM_COUNT(zh_no); i++)
        for (size_t k = 0; k < GLIM_COUNT(zh_verb); k++)
            for (size_t m = 0; m < GLIM_COUNT(zh_fill); m++) {
                snprintf(q, sizeof q, "%s%s%s红色的键盘", zh_no[i], zh_verb[k], zh_fill[m]);
                CHECK_MSG(strcmp(rows_of(l, q), "A5") == 0, "\"%s\": got %s", q, rows_of(l, q));
                snprintf(q, sizeof q, "%s%s%s无线充电的手机", zh_no[i], zh_verb[k], zh_fill[m]);
                CHECK_MSG(strcmp(rows_of(l, q), "A2") == 0, "\"%s\": got %s", q, rows_of(l, q));
            }
    for (size_t i = 0; i < GLIM_COUNT(en_no); i++)
        for (size_t m = 0; m < GLIM_COUNT(en_fill); m++) {
            snprintf(q, sizeof q, "keyboards, %s %sred", en_no[i], en_fill[m]);
            if (!strstr(q, "come")) CHECK_MSG(strcmp(rows_of(l, q), "A5") == 0, "\"%s\": got %s", q, rows_of(l, q));
            snprintf(q, sizeof q, "phones, %s %swireless charging", en_no[i], en_fill[m]);
            if (!strstr(q, "come")) CHECK_MSG(strcmp(rows_of(l, q), "A2") == 0, "\"%s\": got %s", q, rows_of(l, q));
        }
    static const char *const asked[] = {"有没有红色的键盘", "要不要红色的键盘", "能不能要红色的键盘", "可不可以买红色的键盘", "可以不可以选红色的键盘", "带不带红色的键盘", "有无红色的键盘", "特别红色的键盘",
                                        "不只是红色的键盘", "why don't you have red keyboards", "I don't mind red keyboards", "not only red keyboards"};
    for (size_t i = 0; i < GLIM_COUNT(asked); i++) CHECK_MSG(strcmp(rows_of(l, asked[i]), "A4") == 0, "\"%s\": got %s", asked[i], rows_of(l, asked[i]));
    glim_filter f = {0};
    glim_err err = {0};
    CHECK_OK(glim_filter_parse(&f, l, "不要放红色的键盘", strlen("不要放红色的键盘"), &err), err);
    CHECK(strspn(glim_buf_cstr(&f.rest), " ") == f.rest.len); /* the verb is no word to look for */
    glim_filter_deinit(&f);
    glim_lib_free(l);
}

TEST(a_no_behind_values_is_said_of_them_and_not_of_what_follows) {
    glim_lib *l = open_shop(shop, schema);
    static const struct {
        const char *q, *rows;
    } t[] = {{"红色都不要的键盘", "A5"}, {"红色和黑色都不要", "A3 A5"}, {"除红色外的键盘", "A5"}, {"红色的不要，白色的键盘", "A5"}, {"红色不要的键盘", "A5"}, {"键盘不要红色的", "A5"}, {"没有红色的键盘", "A5"},
             {"no, red keyboards", "A4"}, {"phones without a battery or wireless charging", "A2"}};
    for (size_t i = 0; i < GLIM_COUNT(t); i++) CHECK_MSG(strcmp(rows_of(l, t[i].q), t[i].rows) == 0, "\"%s\": got %s, want %s", t[i].q, rows_of(l, t[i].q), t[i].rows);
    glim_lib_free(l);
}

TEST(a_denied_bound_is_the_other_side) {
    glim_lib *l = open_shop(shop, schema);
    static const char *const under[] = {"不要超过300元的键盘", "不能超过300元的键盘", "别超过300元的键盘", "不想超过300元的键盘", "不要高于300元的键盘", "不要300元以上的键盘", "键盘，价格不能高于300元",
                                        "I don't want to spend more than 300 yuan on a keyboard", "keyboards not over 300 yuan", "keyboards that do not cost more than 300 yuan", "keyboards, I can't pay over 300 yuan"};
    for (size_t i = 0; i < GLIM_COUNT(under); i++) CHECK_MSG(strcmp(rows_of(l, under[i]), "A4 A5") == 0, "\"%s\": got %s", under[i], rows_of(l, under[i]));
    static const char *const over[] = {"不要低于2000元的手机", "phones not below 2000 yuan", "有没有超过2000元的手机", "没有超过2000元的手机吗", "don't you have phones over 2000 yuan"};
    for (size_t i = 0; i < GLIM_COUNT(over); i++) CHECK_MSG(strcmp(rows_of(l, over[i]), "A2") == 0, "\"%s\": got %s", over[i], rows_of(l, over[i]));
    glim_lib_free(l);
}

TEST(figures_are_read_as_people_say_them) {
    glim_lib *l = open_shop(shop, schema);
    static const struct {
        const char *q, *rows;
    } t[] = {
        {"一两千元的", "A1 A3"}, {"一两千块的手机", "A1"}, {"两三百元的键盘", "A5"}, {"phones under 2 thousand yuan", "A1"}, {"keyboards under 2 hundred yuan", "A4"}, {"keyboards under 3 hundred", "A4 A5"},
        {"1000到2000元之间的", "A1 A3"}, {"预算1000到2000元的", "A1 A3"}, {"1000到2000元左右的", "A1 A3"},
    };
    for (size_t i = 0; i < GLIM_COUNT(t); i++) CHECK_MSG(strcmp(rows_of(l, t[i].q), t[i].rows) == 0, "\"%s\": got %s, want %s", t[i].q, rows_of(l, t[i].q), t[i].rows);
    /* How many are wanted, and words beside a bound: nothing is left to look for. */
    static const char *const none[] = {"推荐3款手机", "最便宜的三款手机", "最便宜的3个手机", "show me the 3 cheapest phones", "recommend 3 phones", "3 phones", "预算1000到2000元的手机", "1000到2000元之间的手机",
                                       "1000到2000元左右的手机", "tell me about it", "还有货吗", "还有没有货", "没有货了吗"};
    glim_filter f = {0};
    glim_err err = {0};
    for (size_t i = 0; i < GLIM_COUNT(none); i++) {
        CHECK_OK(glim_filter_parse(&f, l, none[i], strlen(none[i]), &err), err);
        CHECK_MSG(strspn(glim_buf_cstr(&f.rest), " ") == f.rest.len, "\"%s\": left \"%s\"", none[i], glim_buf_cstr(&f.rest));
    }
    glim_filter_deinit(&f);
    glim_lib_free(l);
    l = open_shop("sku,name,kind,price,colour,stock,screen,memory\nB1,Mist 3 phone,phone,3000,black,5,6.1,8\nB2,Mist 3 Max phone,phone,900,black,0,6.9,16\nB3,Big TV,TV,400,white,90,65,\n",
                  "{\"columns\": [{\"column\": \"sku\", \"type\": \"id\"}, {\"column\": \"name\", \"type\": \"name\"}, {\"column\": \"kind\", \"type\": \"enum\", \"values\": {\"phone\": [\"phone\"], \"TV\": [\"tv\"]}},"
                  "{\"column\": \"price\", \"type\": \"price\", \"unit_en\": \"CNY\"}, {\"column\": \"colour\", \"type\": \"enum\", \"values\": {\"black\": [\"black\"], \"white\": [\"white\"]}},"
                  "{\"column\": \"stock\", \"type\": \"stock\", \"unit_en\": \"in stock\"}, {\"column\": \"screen\", \"type\": \"number\", \"unit_en\": \"in\"}, {\"column\": \"memory\", \"type\": \"number\", \"unit_en\": \"GB\"}]}");
    static const struct {
        const char *q, *rows;
    } en[] = {{"phones under 1000 in black", "B2"}, {"under 50 in black", ""}, {"phones under 5000 in stock", "B1"}, {"TVs under 500 in stock", "B3"}, {"over 6.5 in", "B2 B3"}, {"over 6.5 in phones", "B2"},
              {"more than 10 in stock", "B3"}, {"TVs", "B3"}, {"Mist 3 Max 16GB", "B1 B2 B3"}, {"Foo 9 Pro Max 16GB", "B1 B2 B3"}, {"phones max 2000", "B2"}};
    for (size_t i = 0; i < GLIM_COUNT(en); i++) CHECK_MSG(strcmp(rows_of(l, en[i].q), en[i].rows) == 0, "\"%s\": got %s, want %s", en[i].q, rows_of(l, en[i].q), en[i].rows);
    CHECK_OK(glim_lib_set(l, 0, (size_t)glim_lib_find_col(l, "stock"), "7 in stock", &err), err); /* as a page shows it */
    glim_lib_free(l);
}

TEST(ranges_with_a_hyphen_and_units_of_one_measure_are_read) {
    glim_lib *l = open_shop(shop, schema);
    CHECK_STR(rows_of(l, "2000-3000元的手机"), "A2");
    CHECK_STR(rows_of(l, "手机 1500-2500"), "A1");
    CHECK_STR(rows_of(l, "phones 1500-2500 yuan"), "A1");
    CHECK_STR(rows_of(l, "电池5000毫安以上的"), "A1 A2 A3");
    CHECK_STR(rows_of(l, "battery over 5.1 Ah"), "A2 A3");
    glim_filter f = {0};
    glim_err err = {0};
    /* Not a range; not our money; not a price: the category is the only condition. */
    const char *q[] = {"2023-07-11上市的手机", "2023-11-12 上市的手机", "打0571-88886666问的手机", "打 0571-8888 问的手机", "phones under 50 dollars", "tablets under 1.5 kg", "8-12楼的手机", "300美元以内的手机"};
    for (size_t i = 0; i < GLIM_COUNT(q); i++) {
        CHECK_OK(glim_filter_parse(&f, l, q[i], strlen(q[i]), &err), err);
        CHECK_MSG(f.n_cond == 1, "\"%s\": got %zu conditions, want 1", q[i], f.n_cond);
    }
    glim_filter_deinit(&f);
    glim_lib_free(l);
    l = open_shop("sku,名称,重量\nB1,甲,980\nB2,乙,1320\nB3,丙,2100\n",
                  "{\"columns\": [{\"column\": \"sku\", \"type\": \"id\"}, {\"column\": \"名称\", \"type\": \"name\"}, {\"column\": \"重量\", \"type\": \"number\", \"unit_zh\": \"克\", \"unit_en\": \"g\"}]}");
    CHECK_STR(rows_of(l, "1.5公斤以下的"), "B1 B2");
    CHECK_STR(rows_of(l, "under 1 kg"), "B1");
    CHECK_STR(rows_of(l, "3斤以上"), "B3");
    CHECK_STR(rows_of(l, "1-2公斤的"), "B2");
    CHECK_STR(rows_of(l, "1-2斤的"), "B1");
    glim_lib_free(l);
    l = open_shop("sku,名称,内存,存储\nC1,甲,8,128\nC2,乙,16,512\nC3,丙,32,1024\n",
                  "{\"columns\": [{\"column\": \"sku\", \"type\": \"id\"}, {\"column\": \"名称\", \"type\": \"name\"}, {\"column\": \"内存\", \"type\": \"number\", \"unit_zh\": \"GB\"},"
                  "{\"column\": \"存储\", \"type\": \"number\", \"unit_zh\": \"GB\"}]}");
    CHECK_STR(rows_of(l, "512GB以上的"), "C2 C3");
    CHECK_STR(rows_of(l, "1TB以上的"), "C3");
    CHECK_STR(rows_of(l, "at least 16 GB"), "C2 C3");
    glim_lib_free(l);
}

TEST(a_word_that_sets_one_against_another_is_told_from_a_name) {
    glim_lib *l = open_shop(shop, schema);
    glim_filter f = {0};
    glim_err err = {0};
    static const struct {
        const char *q, *left;
        bool than;
    } t[] = {{"有没有比这款便宜的", "", true}, {"anything cheaper than this", "", true}, {"X1和K2比哪个便宜", "比", false}, {"最便宜的比萨", "比萨", false}, {"比萨多少钱", "比萨", false}};
    for (size_t i = 0; i < GLIM_COUNT(t); i++) {
        CHECK_OK(glim_filter_parse(&f, l, t[i].q, strlen(t[i].q), &err), err);
        CHECK_MSG(f.than == t[i].than && strstr(glim_buf_cstr(&f.rest), t[i].left), "\"%s\": got %d, left \"%s\"", t[i].q, f.than, glim_buf_cstr(&f.rest));
    }
    glim_filter_deinit(&f);
    glim_lib_free(l);
}

TEST(of_two_kinds_in_one_word_the_last_is_what_it_is) {
    glim_lib *l = open_shop(shop, schema);
    static const struct {
        const char *q, *rows;
    } t[] = {{"有没有手机键盘", "A4 A5"}, {"phone headphones", "A6"}, {"平板和键盘", "A3 A4 A5"}, {"平板、键盘", "A3 A4 A5"}, {"tablets and keyboards", "A3 A4 A5"}, {"tablets, keyboards", "A3 A4 A5"},
             {"平板键盘都有吗", "A3 A4 A5"}, {"不要手机键盘", "A1 A2 A3 A6"}, {"黑色手机", "A1 A2"}, {"black white phones", "A1 A2"}};
    for (size_t i = 0; i < GLIM_COUNT(t); i++) CHECK_MSG(strcmp(rows_of(l, t[i].q), t[i].rows) == 0, "\"%s\": got %s, want %s", t[i].q, rows_of(l, t[i].q), t[i].rows);
    glim_lib_free(l);
}

TEST(a_cell_in_either_language_is_the_schemas_value) {
    glim_lib *l = open_shop("sku,名称,颜色\nA1,甲,\"Red, black\"\nA2,乙,红色\n",
                            "{\"columns\": [{\"column\": \"sku\", \"type\": \"id\"}, {\"column\": \"名称\", \"type\": \"name\"},"
                            "{\"column\": \"颜色\", \"type\": \"enum\", \"many\": true, \"values\": {\"黑色\": [\"black\"], \"红色\": [\"red\"]}}]}");
    CHECK_STR(rows_of(l, "红色的"), "A1 A2");
    CHECK_STR(rows_of(l, "黑色的有哪些"), "A1");
    glim_lib_free(l);
}

TEST(a_number_inside_a_name_is_no_condition) {
    glim_lib *l = open_shop(shop, schema);
    glim_filter f = {0};
    glim_err err = {0};
    const char *q[] = {"星辰X1多少钱", "is the 5g version of the K2 sold", "3s 手机"};
    size_t conds[] = {0, 0, 1}; /* the category */
    for (size_t i = 0; i < 3; i++) {
        CHECK_OK(glim_filter_parse(&f, l, q[i], strlen(q[i]), &err), err);
        CHECK_MSG(f.n_cond == conds[i], "\"%s\": got %zu conditions, want %zu", q[i], f.n_cond, conds[i]);
    }
    glim_filter_deinit(&f);
    glim_lib_free(l);
}

TEST(a_schema_is_guessed_and_holds_for_every_row) {
    glim_err err = {0};
    json_t *s;
    CHECK_OK(glim_lib_guess_bytes(&s, "shop.csv", shop, strlen(shop), &err), err);
    const char *want[] = {"id", "name", "name", "enum", "price", "enum", "stock", "number", "text"};
    for (size_t i = 0; i < 9; i++) {
        const json_t *c = json_array_get(json_object_get(s, "columns"), i);
        CHECK_MSG(strcmp(json_string_value(json_object_get(c, "type")), want[i]) == 0, "\"%s\": got the type %s, want %s",
                  json_string_value(json_object_get(c, "column")), json_string_value(json_object_get(c, "type")), want[i]);
    }
    glim_lib *l;
    CHECK_OK(glim_lib_parse(&l, "shop.csv", shop, strlen(shop), s, &err), err);
    CHECK_STR(rows_of(l, "最便宜的键盘"), "A4 A5");
    glim_lib_free(l);
    json_decref(s);
}

TEST(a_product_is_not_called_by_the_name_of_its_brand) {
    static const char erp[] = "商品编码,商品名称,品牌名称,类别名称,零售价,库存数量,供应商名称\n"
                              "A1,旗舰手机X1,华为,手机,¥4999,12,深圳甲公司\nA2,轻薄本L2,联想,电脑,¥5999,3,北京乙公司\n"
                              "A3,蓝牙耳机E3,小米,耳机,¥199,80,广州丙公司\nA4,平板P4,华为,平板,¥2699,0,深圳甲公司\n";
    static const char en[] = "SKU,Product Name,Brand Name,Category,Price (USD),Qty\n"
                             "T1,Classic Tee,Acme,Shirts,$19.99,120\nT2,Slim Jeans,Bolt,Trousers,$49.50,30\nT3,Wool Coat,Acme,Coats,\"$1,199.00\",4\n";
    glim_buf b = {0};
    glim_lib *l = open_shop(erp, NULL);
    CHECK_STR(glim_lib_row_name(l, 0, true), "旗舰手机X1");
    CHECK_STR(rows_of(l, "华为的手机"), "A1"); /* brand and category are closed lists */
    glim_lib_show(&b, l, 0, 4, true);
    CHECK_STR(glim_buf_cstr(&b), "4999元");
    glim_lib_free(l);
    l = open_shop("编码,商品名称,产品名,价格\nB1,保温杯,杯子一,59\nB2,保鲜盒,盒子二,39\n", NULL); /* of two in one language the first */
    CHECK_STR(glim_lib_row_name(l, 0, true), "保温杯");
    glim_lib_free(l);
    l = open_shop(en, NULL);
    CHECK_STR(glim_lib_row_name(l, 2, false), "Wool Coat");
    CHECK_STR(rows_of(l, "the cheapest Acme"), "T1 T3");
    glim_buf_clear(&b);
    glim_lib_show(&b, l, 2, 4, false);
    CHECK_STR(glim_buf_cstr(&b), "$1,199.00");
    glim_buf_free(&b);
    glim_lib_free(l);
}

TEST(a_cell_that_does_not_fit_is_named_and_nothing_is_imported) {
    static const struct {
        const char *csv, *says;
    } bad[] = {
        {"sku,价格\nA1,12元\nA2,很贵\n", "B3"},
        {"sku,价格\nA1,12元\nA1,13元\n", "A3"},
        {"sku,价格\nA1,12元\nA 2,13元\n", "A3"},
        {"sku,价格\nA1,12元\nA2,13元,红色\n", "line 3"},
        {"sku,价格\n", "no rows"},
        {"sku,sku\nA1,2\n", "both named"},
        {"", "empty"},
    };
    static const char two[] = "{\"columns\": [{\"column\": \"sku\", \"type\": \"id\"}, {\"column\": \"价格\", \"type\": \"price\"}]}";
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        glim_err err = {0};
        json_t *s;
        glim_lib *l = NULL;
        CHECK_OK(glim_json_parse(&s, two, strlen(two), 0, &err), err);
        CHECK(glim_lib_parse(&l, "bad.csv", bad[i].csv, strlen(bad[i].csv), s, &err) != GLIM_OK && l == NULL);
        CHECK_MSG(strstr(err.msg, bad[i].says) && strstr(err.msg, "bad.csv"), "case %zu: got \"%s\", want \"%s\"", i, err.msg, bad[i].says);
        json_decref(s);
    }
}

TEST(a_row_is_written_as_the_language_model_reads_it) {
    glim_lib *l = open_shop(shop, schema);
    glim_buf b = {0};
    int first[1] = {glim_lib_find_col(l, "无线充电")};
    glim_lib_row_line(&b, l, 0, true, first, 1);
    CHECK_STR(b.s, "星辰 X1 手机 | 无线充电: 15W Qi | 价格: 1999元 | 颜色: 黑色、白色 | 库存: 5 | 电池: 5000 mAh");
    glim_buf_clear(&b);
    glim_lib_row_line(&b, l, 3, false, NULL, 0);
    CHECK_STR(b.s, "Moon K keyboard | price: 199 CNY | colour: red | stock: 3");
    glim_lib_free(l);
    l = open_shop("sku,名称,价格\nA1,\"星辰\nX1|手机\r\n[2]\",1999\n", NULL); /* one line; no mark that separates columns */
    glim_buf_clear(&b);
    glim_lib_row_line(&b, l, 0, true, NULL, 0);
    CHECK_MSG(!strpbrk(b.s, "\r\n") && strncmp(b.s, "星辰 X1 手机", strlen("星辰 X1 手机")) == 0 && strchr(b.s, '|') == strrchr(b.s, '|'), "%s", b.s);
    glim_buf_free(&b);
    glim_lib_free(l);
}

TEST(a_corrected_cell_answers_from_then_on) {
    glim_lib *l = open_shop(shop, schema);
    glim_err err = {0};
    CHECK_OK(glim_lib_set(l, 3, (size_t)glim_lib_find_col(l, "价格"), "499元", &err), err);
    CHECK_OK(glim_lib_set(l, 3, (size_t)glim_lib_find_col(l, "颜色"), "黑色、白色、红色", &err), err);
    CHECK_STR(rows_of(l, "最便宜的键盘"), "A5 A4");
    CHECK_STR(rows_of(l, "黑色的键盘"), "A4");
    CHECK_STR(rows_of(l, "黑色的耳机"), "A6"); /* the rows behind moved along */
    CHECK(glim_lib_set(l, 3, (size_t)glim_lib_find_col(l, "价格"), "便宜", &err) == GLIM_E_FORMAT);
    CHECK(glim_lib_set(l, 3, 0, "Z9", &err) == GLIM_E_ARG);
    CHECK_STR(glim_lib_cell(l, 3, (size_t)glim_lib_find_col(l, "价格")), "499元");
    glim_lib_free(l);
}

TEST(a_corrected_table_knows_what_one_that_was_read_so_knows) {
    static const char head[] = "no,title,kind,colour,author,language,year\n", rest[] = "B3,Third,E-bike,green,Max Frisch,French,2001\nB4,Fourth,City bike,blue,Ann Frisch,Dutch,1999\n";
    static const struct {
        const char *first, *second; /* before the corrections and after */
    } t[] = {
        {"B1,First,Moped,rde,Franz Kafka,Germna,1990\nB2,Second,Trike,black,Jane Austen,English,190\n", "B1,First,Moped,red,Franz Kafka,German,1990\nB2,Second,Trike,black,Jane Austen,English,1900\n"},
        {"B1,First,Moped,red,Franz Kafka,German,1990\nB2,Second,Trike,black,Jane Austen,English,1900\n", "B1,First,S-tandem,红色,Otto Kafka,German,1990\nB2,Second,Trike,red,Thomas Mann,中文,1900\n"},
        {"B1,First,Moped,rad,F Kafka,German,1990\nB2,Second,Trike,,Jane Kafka,English,1900\n", "B1,First,Moped,,F Kafka,German,19900\nB2,Second,Trike,rosé,Bob Lee,Chinese,1900\n"},
    };
    static const char *const q[] = {"红色的", "red ones", "rde", "books in German", "德语的", "中文的", "Chinese", "by Kafka", "by Mann", "by Frisch", "from 1990", "from 1900", "1900年的", "tandems", "what bikes do you have", "rad", "rosé", "粉色的", "before 1950", "绿色的", "not red"};
    for (size_t i = 0; i < GLIM_COUNT(t); i++) {
        char was[512], is[512];
        glim_err err = {0};
        snprintf(was, sizeof was, "%s%s%s", head, t[i].first, rest);
        snprintf(is, sizeof is, "%s%s%s", head, t[i].second, rest);
        glim_lib *a = open_shop(was, library_of_books), *b = open_shop(is, library_of_books);
        for (uint32_t r = 0; r < a->n_rows; r++)
            for (size_t c = 1; c < a->n_col; c++)
                if (strcmp(glim_lib_cell(a, r, c), glim_lib_cell(b, r, c)) != 0) CHECK_OK(glim_lib_set(a, r, c, glim_lib_cell(b, r, c), &err), err);
        CHECK_OK(glim_lib_settle(a, &err), err);
        CHECK_MSG(a->n_goods == b->n_goods, "%zu: %zu and %zu words for goods", i, a->n_goods, b->n_goods);
        for (size_t k = 0; k < GLIM_COUNT(q); k++) {
            char want[256];
            snprintf(want, sizeof want, "%s", rows_of(b, q[k]));
            CHECK_MSG(strcmp(rows_of(a, q[k]), want) == 0, "%zu, \"%s\": corrected %s, read %s", i, q[k], rows_of(a, q[k]), want);
        }
        glim_lib_free(a);
        glim_lib_free(b);
    }
}

TEST(names_are_found_whole_in_part_misspelt_and_mixed) {
    glim_lib *l = open_shop(shop, schema);
    glim_find *f;
    glim_err err = {0};
    CHECK_OK(glim_find_new(&f, l, &err), err);
    static const struct {
        const char *text;
        uint32_t row;
    } named[] = {{"星辰x1", 0}, {"x1 pro", 1}, {"star x1 pro", 1}, {"a3", 2}, {"moon k2", 4}, {"k2 键盘", 4}, {"平板 moon t", 2}};
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
        glim_named v[4];
        size_t n = 0;
        CHECK_OK(glim_find_named(f, named[i].text, strlen(named[i].text), v, 4, &n, &err), err);
        CHECK_MSG(n == 1 && v[0].row == named[i].row, "\"%s\": got %zu rows, the first %u, want %u", named[i].text, n, n ? v[0].row : 0, named[i].row);
    }
    glim_buf b = {0};
    CHECK_OK(glim_find_respell(f, &b, "Moon KEYBORD starx1 x9", 22, &err), err);
    CHECK_STR(b.s, "moon keyboard star x1 x9"); /* a model number is never changed */
    glim_buf_clear(&b);
    CHECK_OK(glim_find_respell(f, &b, "mood mono keyboadr", 18, &err), err);
    CHECK_STR(b.s, "mood moon keyboard"); /* a short word with another letter is another word, with its letters turned round it is a slip */
    glim_buf_free(&b);
    /* A model without its kind; what touches it and is not known makes it another. */
    static const struct {
        const char *text;
        size_t n;
    } exact[] = {{"星辰 x1 pro多少钱", 1}, {"star x1 price", 1}, {"star x1 ultra price", 0}, {"星辰 x1 max多少钱", 0}, {"星辰 x1青春版多少钱", 0}, {"大星辰 x1多少钱", 0}};
    for (size_t i = 0; i < sizeof exact / sizeof *exact; i++) {
        glim_buf text = {0};
        glim_named v[4];
        size_t n = 0;
        glim_buf_puts(&text, exact[i].text);
        CHECK_OK(glim_find_exact(f, &text, v, 4, &n, &err), err);
        CHECK_MSG(n == exact[i].n, "\"%s\": got %zu rows, want %zu", exact[i].text, n, exact[i].n);
        glim_buf_free(&text);
    }
    glim_find_free(f);
    glim_lib_free(l);
}

TEST(values_that_are_no_words_stand_in_a_list_all_the_same) {
    char csv[4096], cell[301];
    memset(cell, 'x', 300);
    cell[300] = 0;
    const char *const odd[] = {cell, "\xc2\xad", "\xe2\x80\x8b"}; /* too long for a word; a soft hyphen and a space of no width, of which nothing is left */
    for (size_t i = 0; i < GLIM_COUNT(odd); i++)
        for (int k = 0; k < 2; k++) {
            snprintf(csv, sizeof csv, "sku,name,%s\nA1,one,%s\nA2,two,E-bike\nA3,three,Franz Kafka\n", k ? "Author" : "Category", odd[i]);
            char schema_of[256];
            snprintf(schema_of, sizeof schema_of, "{\"columns\": [{\"column\": \"sku\", \"type\": \"id\"}, {\"column\": \"name\", \"type\": \"name\"}, {\"column\": \"%s\", \"type\": \"enum\"}]}", k ? "Author" : "Category");
            glim_lib *l = open_shop(csv, schema_of);
            CHECK(l->n_rows == 3);
            CHECK_STR(rows_of(l, k ? "books by Kafka" : "which e-bikes are there"), k ? "A3" : "A2");
            glim_lib_free(l);
            l = open_shop(csv, NULL);
            CHECK(l->n_rows == 3);
            glim_lib_free(l);
        }
}

/* A list of 65,535 values, and one surname or one figure looked for. */
static void very_many(bool figures) {
    glim_buf s = {0};
    glim_err err = {0};
    json_t *o = json_pack("{s:[{s:s,s:s},{s:s,s:s,s:o}]}", "columns", "column", "name", "type", "name", "column", "Author", "type", "enum", "values", json_object());
    json_t *values = json_object_get(json_array_get(json_object_get(o, "columns"), 1), "values");
    for (int i = 0; i < 65535; i++) {
        char name[40];
        if (figures) snprintf(name, sizeof name, "Model %d", i);
        else snprintf(name, sizeof name, "Anna Writer%c%c%c%c", 'a' + i % 26, 'a' + i / 26 % 26, 'a' + i / 676 % 26, 'a' + i / 17576 % 26);
        json_object_set_new(values, name, json_array());
    }
    glim_buf_printf(&s, "name,Author\nOne,%s\nTwo,%s\n", figures ? "Model 0" : "Anna Writeraaaa", figures ? "Model 1" : "Anna Writerbaaa");
    glim_lib *l;
    const clock_t from = clock();
    CHECK_OK(glim_lib_parse(&l, "many.csv", s.s, s.len, o, &err), err);
    CHECK_MSG(clock() - from < 5 * CLOCKS_PER_SEC, "%.1f s", (double)(clock() - from) / CLOCKS_PER_SEC);
    CHECK(l->col[1].value[0].n_alias == 2); /* the surname, "model0" */
    glim_lib_free(l);
    json_decref(o);
    glim_buf_free(&s);
}

TEST(a_list_of_very_many_authors_is_read_in_no_time) { very_many(false); }

TEST(a_list_of_very_many_figures_is_read_in_no_time) { very_many(true); }

TEST(values_that_differ_by_a_mark_are_two) {
    static const char bears[] = "sku,name,Category\nA1,one,Bär\nA2,two,Bar\nA3,three,Pâté\nA4,four,Año\nA5,five,BÄR\n";
    static const char of[] = "{\"columns\": [{\"column\": \"sku\", \"type\": \"id\"}, {\"column\": \"name\", \"type\": \"name\"}, {\"column\": \"Category\", \"type\": \"enum\"}]}";
    glim_lib *l = open_shop(bears, of);
    glim_buf b = {0};
    CHECK(l->col[2].n_value == 4);
    glim_lib_show(&b, l, 1, 2, false);
    CHECK_STR(glim_buf_cstr(&b), "Bar");
    glim_buf_free(&b);
    CHECK_STR(rows_of(l, "do you have Bär"), "A1 A5");
    CHECK_STR(rows_of(l, "do you have Bar"), "A2");
    CHECK_STR(rows_of(l, "Bar or Bär?"), "A1 A2 A5"); /* each where it stands */
    CHECK_STR(rows_of(l, "BÄR or bar, which is it"), "A1 A2 A5");
    CHECK_STR(rows_of(l, "Bar or bar?"), "A2");
    CHECK_STR(rows_of(l, "do you have pate"), "A3"); /* where there is one only, it is found without its marks */
    CHECK_STR(rows_of(l, "do you have ano"), "A4");
    glim_lib_free(l);
}

TEST(a_red_shirt_is_no_wine) {
    static const char of[] = "{\"columns\": [{\"column\": \"sku\", \"type\": \"id\"}, {\"column\": \"name\", \"type\": \"name\"}, {\"column\": \"Colour\", \"type\": \"enum\"}%s]}";
    char with[512];
    snprintf(with, sizeof with, of, "");
    glim_filter f = {0};
    glim_err err = {0};
    glim_lib *l = open_shop("sku,name,Colour\nS1,T-shirt,red\nS2,Twine,white\nS3,Cap,rosé\n", with);
    static const char *const wines[] = {"你们有红酒吗", "有白葡萄酒吗", "有桃红吗"};
    for (size_t i = 0; i < GLIM_COUNT(wines); i++) {
        CHECK_OK(glim_filter_parse(&f, l, wines[i], strlen(wines[i]), &err), err);
        CHECK_MSG(f.n_cond == 0, "\"%s\": %zu conditions", wines[i], f.n_cond);
    }
    CHECK_STR(rows_of(l, "红色的有吗"), "S1");
    glim_lib_free(l);
    snprintf(with, sizeof with, of, ", {\"column\": \"ABV\", \"type\": \"number\"}");
    l = open_shop("sku,name,Colour,ABV\nS1,One,red,12\nS2,Two,white,12\nS3,Three,rosé,13\n", with);
    CHECK_STR(rows_of(l, "你们有红酒吗"), "S1");
    CHECK_STR(rows_of(l, "有白葡萄酒吗"), "S2");
    CHECK_STR(rows_of(l, "有桃红吗"), "S3");
    glim_lib_free(l);
    glim_filter_deinit(&f);
}

TEST(years_and_dates_are_those_that_the_column_has) {
    glim_lib *l = open_shop("sku,name,Year,price\nA1,one,1813,10\nA2,two,1847,20\nA3,three,1870,30\nA4,four,1999,1850\n",
                            "{\"columns\": [{\"column\": \"sku\", \"type\": \"id\"}, {\"column\": \"name\", \"type\": \"name\"}, {\"column\": \"Year\", \"type\": \"number\"}, {\"column\": \"price\", \"type\": \"price\", \"unit_en\": \"USD\"}]}");
    CHECK_STR(rows_of(l, "books from 1813 to 1870"), "A1 A2 A3");
    CHECK_STR(rows_of(l, "books before 1847"), "A1");
    CHECK_STR(rows_of(l, "books from 1847"), "A2");
    CHECK_STR(rows_of(l, "from 1800 to 1900 dollars"), "A4");
    CHECK_STR(rows_of(l, "from 15 to 40"), "A2 A3");
    glim_lib_free(l);
    l = open_shop("sku,name,start\nA1,one,2027-04-30\nA2,two,2027-05-01\nA3,three,2027-05-20\nA4,four,2027-06-01\n",
                  "{\"columns\": [{\"column\": \"sku\", \"type\": \"id\"}, {\"column\": \"name\", \"type\": \"name\"}, {\"column\": \"start\", \"type\": \"date\"}]}");
    CHECK_STR(rows_of(l, "2027年5月1日以后的课程"), "A2 A3 A4");
    CHECK_STR(rows_of(l, "2027年5月20日以前的课程"), "A1 A2");
    CHECK_STR(rows_of(l, "2027年5月20号的课程"), "A3");
    CHECK_STR(rows_of(l, "2027年5月以后的课程"), "A2 A3 A4");
    glim_lib_free(l);
}

TEST(a_month_is_read_whatever_stands_before_it) {
    static const struct {
        const char *s;
        size_t from;
        int month, day;
    } t[] = {{"june 1, ", 0, 6, 1}, {"1st of june ", 0, 6, 1}, {"45 june ", 3, 6, 0}, {"roof june ", 5, 6, 0}, {"5 roof june ", 7, 6, 0}, {"of june ", 3, 6, 0}, {"june ", 0, 6, 0}, {"45 ", 3, 0, 0}};
    for (size_t i = 0; i < GLIM_COUNT(t); i++) {
        int month = 0, day = 0;
        const size_t from = glim_month_before(t[i].s, strlen(t[i].s), &month, &day);
        CHECK_MSG((from == t[i].from || strncmp(t[i].s, "of", 2) == 0) && month == t[i].month && day == t[i].day, "\"%s\": from %zu, month %d, day %d", t[i].s, from, month, day);
    }
}

TEST(two_figures_that_exclude_each_other_are_of_two_columns) {
    static const char of[] = "{\"columns\": [{\"column\": \"sku\", \"type\": \"id\"}, {\"column\": \"name\", \"type\": \"name\"}, {\"column\": \"Category\", \"type\": \"enum\", \"values\": {\"Screws\": []}},"
                             "{\"column\": \"length\", \"type\": \"number\", \"unit_en\": \"mm\"}, {\"column\": \"%s\", \"type\": \"number\", \"unit_en\": \"%s\"}]}";
    char with[512];
    const char *q = "cheapest 5 mm screw that is 80 mm long";
    glim_filter f = {0};
    glim_err err = {0};
    for (int k = 0; k < 2; k++) {
        char csv[256];
        snprintf(with, sizeof with, of, k ? "weight" : "diameter", k ? "g" : "mm");
        snprintf(csv, sizeof csv, "sku,name,Category,length,%s\nA1,one,Screws,80,5\nA2,two,Screws,80,6\nA3,three,Screws,10,5\n", k ? "weight" : "diameter");
        glim_lib *l = open_shop(csv, with);
        if (!k) CHECK_STR(rows_of(l, q), "A1");
        CHECK_OK(glim_filter_parse(&f, l, q, strlen(q), &err), err);
        if (k) CHECK_MSG(strstr(glim_buf_cstr(&f.rest), "5 mm"), "left \"%s\"", glim_buf_cstr(&f.rest)); /* no other column is in mm: it is not understood */
        glim_lib_free(l);
    }
    glim_filter_deinit(&f);
}

TEST(two_sizes_with_a_comma_are_no_number) {
    static const struct {
        const char *csv;
        bool comma;
    } t[] = {
        {"sku;name;Sizes\nA1;Boot;38,40\nA2;Shoe;36,38\nA3;Clog;40,42\n", false},
        {"sku;name;Pairs\nA1;Boot;38,40\nA2;Shoe;36,38\nA3;Clog;40,42\n", false},
        {"sku;name;尺码\nA1;Boot;38,40\nA2;Shoe;36,38\nA3;Clog;40,2\n", false},
        {"sku;name;Preis\nA1;Boot;38,40\nA2;Shoe;36,38\nA3;Clog;40,42\n", true},
        {"sku;name;Weight\nA1;Boot;38,40\nA2;Shoe;36,38\nA3;Clog;40,42\n", true},
        {"sku;name;Pitch (mm)\nA1;Boot;38,40\nA2;Shoe;36,38\nA3;Clog;40,42\n", true},
        {"sku;name;Value\nA1;Boot;1.238,40\nA2;Shoe;36,38\nA3;Clog;40,42\n", true},
        {"sku;name;Value\nA1;Boot;38,4\nA2;Shoe;36,38\nA3;Clog;40,42\n", true},
        {"sku;name;Value\nA1;Boot;38,40 kg\nA2;Shoe;36,38 kg\nA3;Clog;40,42 kg\n", true},
    };
    glim_err err = {0};
    for (size_t i = 0; i < GLIM_COUNT(t); i++) {
        json_t *s;
        CHECK_OK(glim_lib_guess_bytes(&s, "shoes.csv", t[i].csv, strlen(t[i].csv), &err), err);
        const json_t *c = json_array_get(json_object_get(s, "columns"), 2);
        CHECK_MSG(json_is_true(json_object_get(c, "decimal_comma")) == t[i].comma, "case %zu: the type %s", i, json_string_value(json_object_get(c, "type")));
        json_decref(s);
    }
}
