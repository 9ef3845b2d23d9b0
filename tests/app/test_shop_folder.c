/* The service desk and its folder: what is made, replaced and refused. */
#include "shop_test.h"

TEST(a_bad_library_changes_nothing) {
    glim_shop *s = desk("electronics");
    glim_err err = {0};
    const char bad[] = "sku,name,price\nA1,甲,12\nA2,乙,\"13\nA3,丙,14\n";
    CHECK(glim_shop_replace(s, "bad.csv", bad, strlen(bad), NULL, NULL, &err) != GLIM_OK);
    CHECK_HAS(err.msg, "bad.csv");
    glim_shop_answer a = ask(s, "PH001 多少钱", NULL, NULL);
    CHECK_HAS(a.text.s, "2999");
    glim_shop_answer_deinit(&a);
    const char good[] = "sku,name,price\nZZ1,大铁锅,120\nZZ2,小铁锅,80\nZZ3,木铲,9\nZZ4,砧板,30\n";
    CHECK_OK(glim_shop_replace(s, "pots.csv", good, strlen(good), NULL, NULL, &err), err);
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

TEST(a_folder_with_files_and_an_unknown_template_are_refused) {
    glim_shop *s = desk("hotel");
    glim_err err = {0};
    CHECK(glim_shop_init("hotel", folder, NULL, NULL, NULL, &err) == GLIM_E_ARG);
    CHECK(glim_shop_init("casino", "/tmp/glim-test-no-such", NULL, NULL, NULL, &err) == GLIM_E_NOT_FOUND);
    CHECK(strstr(err.hint, "restaurant") != NULL);
    done(s);
}

TEST(a_library_is_read_in_its_own_encoding_or_not_at_all) {
    glim_err err = {0};
    const char *found = NULL;
    glim_shop *s;
    CHECK_OK(init_with("name;price\nM\xfcsli mit K\xe4se;7\nGr\xfcner Tee;3\n", NULL, &found, &err), err);
    CHECK_STR(found, "windows-1252");
    CHECK_OK(glim_shop_open(&s, folder, &err), err);
    glim_shop_answer a = ask(s, "how much is Grüner Tee", NULL, NULL);
    CHECK_HAS(a.text.s, "Grüner Tee: the price is 3");
    glim_shop_answer_deinit(&a);
    done(s);
    const char *two = "name,price\n\xb9\xcf\xb2\xcb,1\n"; /* 瓜菜, or 圖粕 */
    CHECK(init_with(two, NULL, &found, &err) == GLIM_E_FORMAT);
    CHECK(strstr(err.msg, "could be gb18030, big5") && strstr(err.hint, "--encoding"));
    CHECK(rmdir(folder) == 0); /* nothing stands in it */
    CHECK_OK(init_with(two, "gb18030", &found, &err), err);
    CHECK_OK(glim_shop_open(&s, folder, &err), err);
    a = ask(s, "瓜菜多少钱", NULL, NULL);
    CHECK_HAS(a.text.s, "瓜菜的价格是1");
    glim_shop_answer_deinit(&a);
    done(s);
    CHECK(init_with("name,price\ntea,1\n", "klingon", &found, &err) == GLIM_E_UNSUPPORTED);
    CHECK(rmdir(folder) == 0);
}
