/* The service desk: the templates reach their marks, answers cite rows, corrections are live, a model's words are checked. */
#include <stdlib.h>
#include <unistd.h>

#include "app/shop.h"
#include "app/shop_internal.h"
#include "base/file.h"
#include "test.h"

static char folder[64];

static glim_shop *desk(const char *template_name) {
    glim_err err = {0};
    glim_shop *s;
    snprintf(folder, sizeof folder, "/tmp/glim-test-desk-XXXXXX");
    CHECK(mkdtemp(folder));
    CHECK_OK(glim_shop_init(template_name, folder, NULL, &err), err);
    CHECK_OK(glim_shop_open(&s, folder, &err), err);
    return s;
}

static void done(glim_shop *s) {
    char cmd[128];
    glim_shop_close(s);
    snprintf(cmd, sizeof cmd, "rm -r '%s'", folder);
    CHECK(system(cmd) == 0);
}

static glim_shop_answer ask(glim_shop *s, const char *q, const char *row, const glim_shop_model *m) {
    glim_err err = {0};
    glim_shop_answer a;
    glim_shop_question question = {.text = q, .n = strlen(q), .row = row, .model = m};
    CHECK_OK(glim_shop_ask(s, &question, &a, &err), err);
    return a;
}

#define CHECK_HAS(text, part) CHECK_MSG(strstr((text), (part)), "got \"%s\", want \"%s\" in it", (text), (part))

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

TEST(who_is_allergic_is_never_shown_what_he_must_not_eat) {
    glim_shop *s = desk("restaurant");
    const char *q[] = {"花生过敏能吃什么", "我对花生过敏，推荐几个热菜", "有没有不含麸质和花生的热菜", "I am allergic to peanuts, what can I eat?", "peanut-free dishes", "我不吃花生"};
    for (size_t i = 0; i < GLIM_COUNT(q); i++) {
        glim_shop_answer a = ask(s, q[i], NULL, NULL);
        CHECK_MSG(a.status == GLIM_SHOP_ANSWERED && a.n_all > 1, "%s: %s", q[i], a.text.s);
        CHECK_MSG(!strstr(a.text.s, "[D02]") && !strstr(a.text.s, "[D04]") && !strstr(a.text.s, "[D07]") && !strstr(a.text.s, "[D32]"), "%s: %s", q[i], a.text.s);
        glim_shop_answer_deinit(&a);
    }
    glim_shop_answer a = ask(s, "我对花生过敏，宫保鸡丁能吃吗", NULL, NULL);
    CHECK_HAS(a.text.s, "有花生");
    glim_shop_answer_deinit(&a);
    done(s);
}

TEST(so_many_pieces_are_wanted_of_one_and_so_many_people_are_what_one_is_for) {
    static const struct {
        const char *desk, *q, *has, *has_not;
    } t[] = {
        {"restaurant", "来一份小笼包", "小笼包", "没有"},
        {"restaurant", "我要两份虾饺", "[D36]", "没有"},
        {"restaurant", "2 portions of shrimp dumplings", "[D36]", "not in"},
        {"restaurant", "够三个人吃的菜", "份量3人份[D05]", "份量2人份"},
        {"hotel", "住四个人以上的房间", "可住人数4人[H19]", "没有“住”"},
        {"hotel", "能住三个人的房间", "[H19]", "可住人数2人"},
        {"hotel", "room that sleeps 4 people", "guests 4 people [H19]", "guests 2 people"}};
    glim_shop *s = NULL;
    for (size_t i = 0; i < GLIM_COUNT(t); i++) {
        if (!i || strcmp(t[i].desk, t[i - 1].desk) != 0) {
            if (i) done(s);
            s = desk(t[i].desk);
        }
        glim_shop_answer a = ask(s, t[i].q, NULL, NULL);
        CHECK_MSG(a.status == GLIM_SHOP_ANSWERED && strstr(a.text.s, t[i].has) && !strstr(a.text.s, t[i].has_not), "%s: %s", t[i].q, a.text.s);
        glim_shop_answer_deinit(&a);
    }
    done(s);
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

TEST(an_order_beside_this_one_is_about_it) {
    glim_shop *s = desk("electronics"); /* PH001: 2999, 8 GB, 192 g */
    static const struct {
        const char *q, *row, *has, *filter, *has_not;
    } t[] = {
        {"有没有比这款便宜的", "PH001", "[PH015]", "价格 < 2999", "[CB002]"}, /* no cables */
        {"Anything cheaper than this?", "PH001", "[PH015]", "price < 2999", "[CB002]"},
        {"有没有比澜星 L9更便宜的手机", NULL, "[PH015]", "价格 < 2999", "[PH003]"},
        {"phones cheaper than the Lanstar L9 phone", NULL, "[PH015]", "price < 2999", "[PH001]"},
        {"有比它更轻的手机吗", "PH001", "[PH013]", "重量 < 192", "没有"},
        {"比这款贵一点的有吗", "PH001", "第一是", "价格 > 2999", "[NB005]"},
        {"这款最大内存多少", "PH001", "8 GB", "", "[NB003]"},
        {"这款能便宜点吗", "PH001", "2999", "", "[CB002]"},
        {"can you make it cheaper?", "PH001", "2999", "", "[SP008]"},
        {"这款比澜星 L9 Pro 手机便宜吗", "PH001", "4299", "", "[CB002]"}, /* two against each other */
        {"最便宜的手机是哪款", "PH001", "[PH015]", "品类", "[CB002]"},   /* nothing is said of this one */
    };
    for (size_t i = 0; i < GLIM_COUNT(t); i++) {
        glim_shop_answer a = ask(s, t[i].q, t[i].row, NULL);
        CHECK_MSG(a.status == GLIM_SHOP_ANSWERED && strstr(a.text.s, t[i].has) && !strstr(a.text.s, t[i].has_not), "%s: %s", t[i].q, a.text.s);
        CHECK_MSG(strstr(glim_buf_cstr(&a.filter), t[i].filter), "%s: the filter is %s", t[i].q, glim_buf_cstr(&a.filter));
        glim_shop_answer_deinit(&a);
    }
    /* No other kind than this one's; and nothing is less or more than an empty cell. */
    static const char *const no[][2] = {{"有没有比这款便宜的洗衣机", "PH001"}, {"anything cheaper than this with a fridge compartment?", "PH001"}, {"有没有比这款电池更大的", "CB002"}};
    for (size_t i = 0; i < GLIM_COUNT(no); i++) {
        glim_shop_answer a = ask(s, no[i][0], no[i][1], NULL);
        CHECK_MSG(a.status != GLIM_SHOP_ANSWERED, "%s: %s", no[i][0], a.text.s);
        glim_shop_answer_deinit(&a);
    }
    done(s);
}

TEST(the_answer_changes_with_the_row_behind_it) {
    glim_shop *s = desk("electronics");
    glim_err err = {0};
    glim_shop_answer a = ask(s, "这款手机支持无线充电吗？", "PH001", NULL);
    CHECK_HAS(a.text.s, "15W Qi");
    CHECK_HAS(a.text.s, "[PH001]");
    CHECK(a.part == GLIM_PART_FILTER && a.n_rows == 1 && strcmp(a.row[0].id, "PH001") == 0);
    glim_shop_answer_deinit(&a);
    CHECK_OK(glim_shop_correct_cell(s, "PH001", "wireless_charging", "不支持", &err), err);
    a = ask(s, "这款手机支持无线充电吗？", "PH001", NULL);
    CHECK_HAS(a.text.s, "不支持");
    CHECK(!strstr(a.text.s, "15W"));
    glim_shop_answer_deinit(&a);
    CHECK_OK(glim_shop_correct_cell(s, "PH001", "wireless_charging", "", &err), err);
    a = ask(s, "这款手机支持无线充电吗？", "PH001", NULL);
    CHECK(a.status == GLIM_SHOP_NOT_IN_LIBRARY && a.handover == 1);
    glim_shop_answer_deinit(&a);
    CHECK(glim_shop_correct_cell(s, "PH001", "price", "cheap", &err) == GLIM_E_FORMAT);
    CHECK(glim_shop_correct_cell(s, "PH999", "price", "1", &err) == GLIM_E_NOT_FOUND);
    done(s);
}

TEST(a_corrected_name_is_found_and_a_value_in_either_language_is_the_same) {
    glim_shop *s = desk("electronics");
    glim_err err = {0};
    for (int again = 0; again < 2; again++) { /* at once, and when the desk is opened the next day */
        if (again == 0) {
            CHECK_OK(glim_shop_correct_cell(s, "PH001", "name", "星耀 Nebula 9 手机", &err), err);
            CHECK_OK(glim_shop_correct_cell(s, "PH003", "colour", "green, red", &err), err); /* as a page in English shows them */
        } else {
            glim_shop_close(s);
            CHECK_OK(glim_shop_open(&s, folder, &err), err);
        }
        glim_shop_answer a = ask(s, "星耀 Nebula 9 手机多少钱", NULL, NULL);
        CHECK_MSG(a.n_rows == 1 && strcmp(a.row[0].id, "PH001") == 0, "%s", a.text.s);
        glim_shop_answer_deinit(&a);
        a = ask(s, "Nebula 多少钱", NULL, NULL);
        CHECK_MSG(a.n_rows == 1 && strcmp(a.row[0].id, "PH001") == 0, "%s", a.text.s);
        glim_shop_answer_deinit(&a);
        a = ask(s, "澜星 L9 Pro 手机有红色的吗", NULL, NULL);
        CHECK_HAS(a.text.s, "有红色");
        CHECK_HAS(a.text.s, "绿色、红色");
        CHECK(!strstr(a.text.s, "没有"));
        glim_shop_answer_deinit(&a);
        a = ask(s, "Does the Lanstar L9 Pro phone come in red?", NULL, NULL);
        CHECK_HAS(a.text.s, "Yes, red");
        glim_shop_answer_deinit(&a);
    }
    done(s);
}

TEST(a_clerks_answer_is_live_for_every_handle_on_the_folder_and_settles_the_list) {
    glim_shop *s = desk("electronics"), *other;
    glim_err err = {0};
    json_t *list;
    CHECK_OK(glim_shop_open(&other, folder, &err), err);
    glim_shop_answer a = ask(other, "你们卖冰箱吗？", NULL, NULL);
    CHECK(a.status == GLIM_SHOP_NOT_IN_LIBRARY && a.handover == 1);
    glim_shop_answer_deinit(&a);
    CHECK_OK(glim_shop_handovers(s, &list, &err), err);
    CHECK(json_array_size(list) == 1);
    CHECK_STR(json_string_value(json_object_get(json_array_get(list, 0), "question")), "你们卖冰箱吗？");
    json_decref(list);
    CHECK_OK(glim_shop_correct_answer(s, "你们卖冰箱吗？", "下个月开始卖冰箱。", NULL, 1, &err), err);
    a = ask(other, "你们卖冰箱吗", NULL, NULL);
    CHECK(a.part == GLIM_PART_CORRECTION);
    CHECK_STR(a.text.s, "下个月开始卖冰箱。");
    glim_shop_answer_deinit(&a);
    a = ask(other, "你们卖冰柜和洗衣机吗", NULL, NULL);
    CHECK(a.part != GLIM_PART_CORRECTION);
    glim_shop_answer_deinit(&a);
    CHECK_OK(glim_shop_handovers(s, &list, &err), err);
    CHECK(json_array_size(list) == 1); /* the second question only */
    json_decref(list);
    glim_shop_close(other);
    done(s);
}

TEST(a_clerks_answer_about_one_product_is_not_given_about_another) {
    glim_shop *s = desk("hotel");
    glim_err err = {0};
    static const struct {
        const char *q, *row;
        bool fixed;
    } t[] = {
        {"湖景高级大床房今天多少钱一晚", NULL, true},
        {"请问湖景高级大床房今天多少钱一晚？", NULL, true},
        {"湖景高级双床房今天多少钱一晚", NULL, false},
        {"山景高级大床房今天多少钱一晚", NULL, false},
        {"这间可以带猫入住吗", "H07", true},
        {"这间可以带猫入住吗", "H01", false},
        {"这间可以带车入住吗", "H07", false},
        {"早餐几点开始供应呀", NULL, true},
        {"早餐几点开始供应呀", "H07", true}, /* nothing is said of a row */
        {"晚餐几点开始供应呀", NULL, false},
        {"酒店门口有没有可以打车的地方", NULL, true},
        {"酒店门口有没有可以租车的地方", NULL, false}, /* all the desk can read is the same, but another word is left */
    };
    CHECK_OK(glim_shop_correct_answer(s, "酒店门口有没有可以打车的地方", "出门右转。", NULL, 0, &err), err);
    CHECK_OK(glim_shop_correct_answer(s, "湖景高级大床房今天多少钱一晚", "今天特价399元。", NULL, 0, &err), err);
    CHECK_OK(glim_shop_correct_answer(s, "这间可以带猫入住吗", "可以，收清洁费50元。", "H07", 0, &err), err);
    CHECK_OK(glim_shop_correct_answer(s, "早餐几点开始供应呀", "六点半。", NULL, 0, &err), err);
    for (size_t i = 0; i < GLIM_COUNT(t); i++) {
        glim_shop_answer a = ask(s, t[i].q, t[i].row, NULL);
        CHECK_MSG((a.part == GLIM_PART_CORRECTION) == t[i].fixed, "%s (%s): %s", t[i].q, t[i].row ? t[i].row : "-", a.text.s);
        glim_shop_answer_deinit(&a);
    }
    CHECK_OK(glim_shop_correct_answer(s, "这间有加湿器吗", "有。", NULL, 0, &err), err); /* nobody said which */
    glim_shop_answer a = ask(s, "这间有加湿器吗", "H01", NULL);
    CHECK(a.part != GLIM_PART_CORRECTION);
    glim_shop_answer_deinit(&a);
    done(s);
}

TEST(a_journal_line_that_a_crash_cut_off_is_left_out_and_the_next_one_is_whole) {
    glim_shop *s = desk("hotel");
    glim_err err = {0};
    char path[128];
    snprintf(path, sizeof path, "%s/corrections.jsonl", folder);
    CHECK_OK(glim_file_write_atomic(path, "{\"kind\": \"answer\", \"question\": \"a\", \"ans", 40, &err), err);
    CHECK_OK(glim_shop_correct_answer(s, "有雪茄吧吗", "三楼有。", NULL, 0, &err), err);
    glim_shop_answer a = ask(s, "有雪茄吧吗", NULL, NULL);
    CHECK_STR(a.text.s, "三楼有。");
    glim_shop_answer_deinit(&a);
    done(s);
}

TEST(a_bad_library_changes_nothing) {
    glim_shop *s = desk("electronics");
    glim_err err = {0};
    const char bad[] = "sku,name,price\nA1,甲,12\nA2,乙,\"13\nA3,丙,14\n";
    CHECK(glim_shop_replace(s, "bad.csv", bad, strlen(bad), NULL, &err) != GLIM_OK);
    CHECK_HAS(err.msg, "bad.csv");
    glim_shop_answer a = ask(s, "PH001 多少钱", NULL, NULL);
    CHECK_HAS(a.text.s, "2999");
    glim_shop_answer_deinit(&a);
    const char good[] = "sku,name,price\nZZ1,大铁锅,120\nZZ2,小铁锅,80\nZZ3,木铲,9\nZZ4,砧板,30\n";
    CHECK_OK(glim_shop_replace(s, "pots.csv", good, strlen(good), NULL, &err), err);
    a = ask(s, "最便宜的是什么", NULL, NULL);
    CHECK_HAS(a.text.s, "木铲");
    glim_shop_answer_deinit(&a);
    glim_shop_close(s);
    CHECK_OK(glim_shop_open(&s, folder, &err), err); /* and it lies in the folder */
    a = ask(s, "大铁锅多少钱", NULL, NULL);
    CHECK_HAS(a.text.s, "120");
    glim_shop_answer_deinit(&a);
    done(s);
}

static void replace(glim_shop *s, const char *csv) {
    glim_err err = {0};
    CHECK_OK(glim_shop_replace(s, "pots.csv", csv, strlen(csv), NULL, &err), err);
}

static void costs(glim_shop *s, const char *q, const char *price) {
    glim_shop_answer a = ask(s, q, NULL, NULL);
    CHECK_MSG(strstr(a.text.s, price), "\"%s\": got \"%s\", want %s", q, a.text.s, price);
    glim_shop_answer_deinit(&a);
}

TEST(a_correction_does_not_go_over_to_what_another_file_says) {
    glim_shop *s = desk("electronics");
    glim_err err = {0};
    replace(s, "名称,价格\n大铁锅,199\n木铲子,12\n"); /* rows without ids: R2, R3 */
    CHECK_OK(glim_shop_correct_cell(s, "R2", "价格", "189", &err), err);
    CHECK_OK(glim_shop_correct_cell(s, "R2", "价格", "179", &err), err);
    CHECK_OK(glim_shop_correct_answer(s, "这个能用洗碗机洗吗", "不能，会生锈。", "R2", 0, &err), err);
    costs(s, "大铁锅多少钱", "179");
    replace(s, "名称,价格\n大铁锅,199\n木铲子,12\n"); /* the same file again */
    costs(s, "大铁锅多少钱", "179");
    replace(s, "名称,价格\n大铁锅,159\n木铲子,12\n"); /* a new price is no longer what was corrected */
    costs(s, "大铁锅多少钱", "159");
    replace(s, "名称,价格\n小砂锅,199\n木铲子,12\n"); /* another product on the same line */
    costs(s, "小砂锅多少钱", "199");
    glim_shop *other; /* a correction of what another one has corrected meanwhile */
    CHECK_OK(glim_shop_open(&other, folder, &err), err);
    CHECK_OK(glim_shop_correct_cell(other, "R3", "价格", "11", &err), err);
    CHECK_OK(glim_shop_correct_cell(s, "R3", "价格", "10", &err), err);
    glim_shop_close(other);
    CHECK_OK(glim_shop_open(&other, folder, &err), err);
    costs(other, "木铲子多少钱", "10元");
    glim_shop_close(other);
    glim_shop_answer a = ask(s, "这个能用洗碗机洗吗", "R2", NULL);
    CHECK(a.part != GLIM_PART_CORRECTION);
    glim_shop_answer_deinit(&a);
    done(s);
}

/* A model that says what the test wants, and chooses the label that it wants. */
static const char *g_says = "", *g_label = "none";
static glim_buf g_system, g_user, g_intents;
static size_t g_n_labels;
static glim_status say(void *ctx, const glim_shop_prompt *p, glim_shop_said *out, glim_err *err) {
    (void)ctx, (void)err;
    glim_buf *system = p->choices ? &g_intents : &g_system;
    glim_buf_clear(system);
    glim_buf_clear(&g_user);
    glim_buf_puts(system, p->system);
    glim_buf_puts(&g_user, p->user);
    if (p->choices) g_n_labels = json_array_size(p->choices);
    glim_buf_puts(&out->text, p->choices ? g_label : g_says);
    out->n_prompt = 100;
    out->n_tokens = 10;
    out->decode_s = 0.5;
    out->cost = 7;
    return GLIM_OK;
}

static void free_said(void) {
    glim_buf_free(&g_system);
    glim_buf_free(&g_user);
    glim_buf_free(&g_intents);
}

TEST(a_models_sentence_stands_only_if_the_rows_bear_it_out) {
    glim_shop *s = desk("electronics");
    const glim_shop_model m = {.say = say};
    static const char price[] = "澜星 L9 手机多少钱？", charge[] = "这款手机支持无线充电吗？", en[] = "Does the Lanxing L9 support wireless charging?";
    static const struct {
        const char *q, *row, *says, *has; /* has: what the answer says whoever gave it */
        bool stands;
    } t[] = {
        {price, 0, "[1] 这款卖2999元。", "2999", true},
        {price, 0, "[1]澜星 L9 手机的价格是2999元。", "2999", true},
        {price, 0, "\n[1] 价格是2,999元。\n", "999", true},
        {price, 0, "[1] 这款卖1999元。", "2999", false},
        {price, 0, "[1] 澜星的价格是2999元。", "2999", false}, /* which one? */
        {price, 0, "[1] 澜星 L9的价格是2999元。", "2999", true},
        {price, 0, "[1] 这款手机卖2999元。", "2999", true}, /* what it is, not what it is called */
        {price, 0, "这款卖2999元。", "2999", false},
        {price, 0, "这款卖2999元。[1]", "2999", false},
        {price, 0, "这款卖2999元。[PH001]", "2999", false},
        {price, 0, "[2] 这款卖2999元。", "2999", false}, /* there is one row */
        {price, 0, "[0] 这款卖2999元。", "2999", false},
        {price, 0, "[1][2] 这款卖2999元。", "2999", false},
        {price, 0, "[1]", "2999", false},
        {price, 0, "[1", "2999", false},
        {price, 0, "[1] [1] ", "2999", false},
        {price, 0, "[1] 这款卖2999元。[", "2999", false},
        {price, 0, "[1] 这款卖2999元，保修七年。", "2999", false}, /* a number in words */
        {price, 0, "[1] 这款卖2999元，送XBOX。", "2999", false},   /* a name that no row has */
        {price, 0, "[1] 这款卖2999元，有粉色。", "2999", false},    /* another value of a closed list */
        {price, 0, "[1] 这款不卖2999元。", "2999", false},
        {price, 0, "[1] 这款有货。", "2999", false}, /* not what was asked */
        {price, 0, "资料库里没有这个信息。", "2999", false},
        {price, 0, "", "2999", false},
        {price, 0, "[1] \xff\xfe", "2999", false},
        {"澜星 L9 手机的价格是1999元吗？", 0, "[1] 是的，价格是1999元。", "2999", false}, /* the question is no source */
        {charge, "PH001", "[1] 支持，无线充电为15W Qi。", "15W", true},
        {charge, "PH001", "[1] 不支持，无线充电为15W Qi。", "15W", false},
        {charge, "PH001", "[1] 支持，无线充电为50W Qi。", "15W", false},
        {charge, "PH001", "[1] 支持，电池为5000mAh。", "15W", false},
        {en, "PH001", "[1] Yes, its wireless charging is 15W Qi.", "15W", true},
        {en, "PH001", "[1] No, its wireless charging is not 15W Qi.", "15W", false},
        {en, "PH001", "[1] Yes, its wireless charging is 15W Qi, by Samsung.", "15W", false},
        {en, "PH001", "[1] Yes, its wireless charging is 15W Qi, for seven years.", "15W", false},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        g_says = t[i].says;
        glim_shop_answer a = ask(s, t[i].q, t[i].row, &m);
        CHECK_MSG(a.phrased == t[i].stands && a.unchecked_dropped == !t[i].stands, "\"%s\": got \"%s\"", t[i].says, a.text.s);
        CHECK(a.part == (t[i].stands ? GLIM_PART_LANGUAGE : GLIM_PART_FILTER) && a.found == GLIM_PART_FILTER);
        CHECK(a.n_asked >= 1 && a.n_tokens == 10 * a.n_asked && a.n_prompt == 100 * a.n_asked && a.cost == 7 * (int64_t)a.n_asked);
        CHECK_HAS(a.text.s, t[i].has);
        CHECK_HAS(a.text.s, "[PH001]");
        glim_shop_answer_deinit(&a);
    }
    g_says = "[1] 这款卖2999元。";
    glim_shop_answer a = ask(s, price, NULL, &m);
    CHECK_STR(g_system.s, "任务：回答\n你是一家电子产品商店的客服，回答简短、客气。\n1. 先看问题问的是哪一行、哪一项。\n2. 只根据资料里的行回答，不要编造。\n"
                          "3. 每句话前面写行号，如[1]。\n4. 资料里没有答案时，只写：资料库里没有这个信息。");
    CHECK(strncmp(g_user.s, "资料：\n[1] 澜星 L9 手机 | 价格: 2999元 | ", strlen("资料：\n[1] 澜星 L9 手机 | 价格: 2999元 | ")) == 0);
    CHECK_HAS(g_user.s, "\n\n问题：澜星 L9 手机多少钱？");
    CHECK_STR(a.text.s, "这款卖2999元。[PH001]");
    glim_buf b = {0};
    json_t *o;
    glim_err err = {0};
    snprintf(a.currency, sizeof a.currency, "CNY");
    glim_shop_answer_json(&b, price, strlen(price), &a);
    CHECK_OK(glim_json_parse(&o, b.s, b.len, 0, &err), err);
    CHECK_STR(json_string_value(json_object_get(o, "part")), "language model");
    CHECK_STR(json_string_value(json_object_get(o, "found_by")), "filter");
    CHECK_STR(json_string_value(json_object_get(o, "cost")), "0.000007");
    CHECK(json_number_value(json_object_get(json_object_get(o, "usage"), "tokens_per_s")) == 20);
    json_decref(o);
    glim_buf_free(&b);
    glim_shop_answer_deinit(&a);
    /* A list, a refusal and a note are the desk's own. */
    static const char *const own[] = {"2000元以下有现货的平板有哪些？", "你们卖洗衣机吗", "怎么退货"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        g_label = "none";
        a = ask(s, own[i], NULL, &m);
        CHECK_MSG(!a.phrased && !a.unchecked_dropped, "\"%s\": %s", own[i], a.text.s);
        glim_shop_answer_deinit(&a);
    }
    free_said();
    done(s);
}

TEST(a_model_that_mixes_up_two_rows_is_not_shown) {
    glim_shop *s = desk("hotel"); /* H07 has breakfast for 548, H01 has none for 408 */
    const glim_shop_model m = {.say = say};
    static const char eat[] = "湖景高级大床房和山景舒适大床房对比早餐", none[] = "山景舒适大床房和园景舒适大床房对比早餐", cost[] = "湖景高级大床房和山景舒适大床房对比价格";
    static const struct {
        const char *q, *says;
        bool stands;
    } t[] = {
        {eat, "[1] 山景舒适大床房没有早餐。\n[2] 湖景高级大床房有早餐。", true},
        {eat, "[1] 山景舒适大床房有早餐。\n[2] 湖景高级大床房没有早餐。", false}, /* one no on either side, but of the wrong row */
        {eat, "[1][2] 山景舒适大床房有早餐，湖景高级大床房没有早餐。", false},
        {none, "[1][2] 山景舒适大床房和园景舒适大床房都没有早餐。", true},
        {none, "[1][2] 山景舒适大床房和园景舒适大床房是山景，没有早餐。", false}, /* true of one of them */
        {cost, "[1] 山景舒适大床房的价格是408元。\n[2] 湖景高级大床房的价格是548元。", true},
        {cost, "[1] 山景舒适大床房的价格是548元。\n[2] 湖景高级大床房的价格是408元。", false},
        {cost, "[1][2] 山景舒适大床房的价格是548元，湖景高级大床房的价格是408元。", false},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        g_says = t[i].says;
        glim_shop_answer a = ask(s, t[i].q, NULL, &m);
        CHECK_MSG(a.n_rows == 2 && strcmp(a.row[0].id, t[i].q == none ? "H02" : "H01") == 0, "\"%s\": got \"%s\"", t[i].q, a.text.s);
        CHECK_MSG(a.phrased == t[i].stands && a.unchecked_dropped == !t[i].stands, "\"%s\": got \"%s\"", t[i].says, a.text.s);
        glim_shop_answer_deinit(&a);
    }
    g_says = "[1] 面积是28平方米，有早餐。"; /* which ones, is the question */
    glim_shop_answer which = ask(s, "含早餐的大床房面积多大，低于450元", NULL, &m);
    CHECK_MSG(which.n_rows == 1 && !which.phrased && which.unchecked_dropped, "got \"%s\"", which.text.s);
    glim_shop_answer_deinit(&which);
    g_says = "[1] 街景高级大床房的面积是28平方米，有早餐。";
    which = ask(s, "含早餐的大床房面积多大，低于450元", NULL, &m);
    CHECK_MSG(which.phrased, "got \"%s\"", which.text.s);
    glim_shop_answer_deinit(&which);
    free_said();
    done(s);
}

TEST(a_model_confirms_an_intent_that_the_linear_one_is_unsure_of) {
    glim_shop *s = desk("electronics");
    const glim_shop_model m = {.say = say};
    static const char *const odd[] = {"那个东西我想弄回去行不行", "钱的事怎么弄", "能不能给我开一张那个", "你们那边几点还有人在", "我的东西到底在哪儿", "could I perhaps send it where it came from", "papers for my taxes"};
    size_t n_unsure = 0;
    glim_err err = {0};
    g_says = "";
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        glim_intent_guess g;
        CHECK_OK(glim_intent_ask(s->intents, s->work, odd[i], strlen(odd[i]), &g, NULL, &err), err);
        if (!g.best || g.p >= (g.oos ? 0.8f : 0.5f)) continue;
        char best[64];
        snprintf(best, sizeof best, "%s", g.best);
        n_unsure++;
        glim_shop_answer plain = ask(s, odd[i], NULL, NULL), with;
        for (int k = 0; k < 2; k++) {
            g_label = k ? best : "none";
            with = ask(s, odd[i], NULL, &m);
            CHECK(with.seconded == (k == 1) && with.n_asked >= 1);
            if (k == 0) {
                CHECK_STR(with.text.s, plain.text.s);
                CHECK(with.status == plain.status && strcmp(with.intent, plain.intent) == 0);
            } else CHECK_STR(with.intent, best);
            glim_shop_answer_deinit(&with);
        }
        glim_shop_answer_deinit(&plain);
        bool en = odd[i][0] > 0;
        CHECK(strncmp(g_intents.s, en ? "Task: choose an intent\n- " : "任务：选择意图\n- ", strlen(en ? "Task: choose an intent\n- " : "任务：选择意图\n- ")) == 0);
        CHECK_HAS(g_intents.s, en ? "\nIf none fits, write none" : "\n都不合适时写 none");
        CHECK(g_n_labels == glim_intent_n_labels(s->intents) + 1);
    }
    CHECK_MSG(n_unsure >= 2, "the linear model is sure of all but %zu: the test shows little", n_unsure);
    free_said();
    done(s);
}

TEST(a_folder_with_files_and_an_unknown_template_are_refused) {
    glim_shop *s = desk("hotel");
    glim_err err = {0};
    CHECK(glim_shop_init("hotel", folder, NULL, &err) == GLIM_E_ARG);
    CHECK(glim_shop_init("casino", "/tmp/glim-test-no-such", NULL, &err) == GLIM_E_NOT_FOUND);
    CHECK(strstr(err.hint, "restaurant") != NULL);
    done(s);
}
