/* A language model behind the service desk: its words are checked, and it seconds an intent. */
#include "shop_test.h"

/* A model that says what the test wants, and chooses the label that it wants. */
static const char *g_says = "", *g_label = "none", *g_chooses; /* g_chooses: among what rows make true, the first with this in it; NULL: as g_says */
static glim_buf g_system, g_user, g_intents;
static size_t g_n_labels;
static glim_status say(void *ctx, const glim_shop_prompt *p, glim_shop_said *out, glim_err *err) {
    (void)ctx, (void)err;
    const bool rows = strstr(p->system, "任务：回答") == p->system || strstr(p->system, "Task: answer") == p->system, labels = p->choices && !rows;
    const char *text = labels ? g_label : g_says;
    for (size_t i = 0; rows && i < json_array_size(p->choices); i++) /* rows are asked about where they answer */
        CHECK_MSG(json_string_value(json_array_get(p->choices, i))[0] == '[', "the model may say \"%s\"", json_string_value(json_array_get(p->choices, i)));
    for (size_t i = 0; rows && p->choices && g_chooses && i < json_array_size(p->choices); i++)
        if (strstr(json_string_value(json_array_get(p->choices, i)), g_chooses)) {
            text = json_string_value(json_array_get(p->choices, i));
            break;
        }
    glim_buf *system = labels ? &g_intents : &g_system;
    glim_buf_clear(system);
    glim_buf_clear(&g_user);
    glim_buf_puts(system, p->system);
    glim_buf_puts(&g_user, p->user);
    if (labels) g_n_labels = json_array_size(p->choices);
    glim_buf_puts(&out->text, text);
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

TEST(a_model_whose_own_sentence_does_not_hold_chooses_a_true_one) {
    glim_shop *s = desk("electronics");
    const glim_shop_model m = {.say = say};
    static const struct {
        const char *q, *row, *says, *chooses, *has;
        bool stands;
    } t[] = {{"澜星 L9 手机多少钱？", 0, "[1] 这款卖1999元。", "价格是", "价格是2999元。[PH001]", true},
             {"澜星 L9 手机多少钱？", 0, "", "库存是", "2999", false}, /* true, and not what was asked */
             {"澜星 L9 手机多少钱？", 0, "[1] 这款卖1999元。", "资料库里没有", "2999", false},
             {"Does the Lanxing L9 support wireless charging?", "PH001", "[1] No.", "Yes, its wireless", "Yes, its wireless charging is 15W Qi. [PH001]", true}};
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        g_says = t[i].says, g_chooses = t[i].chooses;
        glim_shop_answer a = ask(s, t[i].q, t[i].row, &m);
        CHECK_MSG(a.phrased == t[i].stands && a.unchecked_dropped == !t[i].stands, "%zu: got \"%s\"", i, a.text.s);
        CHECK(a.n_asked >= 2 && a.cost == 7 * (int64_t)a.n_asked);
        CHECK_HAS(a.text.s, t[i].has);
        glim_shop_answer_deinit(&a);
    }
    g_chooses = NULL;
    free_said();
    glim_shop_close(s);
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
        {"澜星 L9 手机的价格是1999元吗？", 0, "[1] 支持，价格为2999元。", "2999", false}, /* true, but for the yes */
        {"Is the price of the Lanxing L9 phone 1999 CNY?", 0, "[1] Yes, its price is 2999 CNY.", "2999", false},
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
        {cost, "[1] 价格是408元。 [2] 价格是548元。", true}, /* the desk says whose */
        {cost, "[1] 湖景高级大床房的价格是408元。\n[2] 山景舒适大床房的价格是548元。", false},
        {cost, "[1] 湖景高级大床房的价格是408元。\n[2] 价格是548元。", false},
        {cost, "[1] 价格是548元。 [2] 价格是408元。", false},
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
    CHECK_MSG(which.n_rows == 1 && which.phrased, "got \"%s\"", which.text.s);
    CHECK(strncmp(which.text.s, "街景高级大床房：面积是28平方米，有早餐。[", strlen("街景高级大床房：面积是28平方米，有早餐。[")) == 0);
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
