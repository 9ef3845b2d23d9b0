/* Labels to choose from, and what words shared with the request make of them. */
#include "text/offer.h"

#include <string.h>

#include "test.h"

static const char EN[] = "Task: choose an intent\n- get_price: asks for a price\n- keep_luggage: stores luggage\n- book_room: books a room\n- get_receipt\nIf none fits, write none";
static const char ZH[] = "任务：选择意图\n- ask_price: 询问价格\n- return_goods: 想把东西退掉\n- ask_wifi: WiFi密码\n都不合适时写 none";

static glim_offer *offer(const char *system, const char *request) {
    glim_offer *o = NULL;
    glim_err err = {0};
    CHECK_OK(glim_offer_new(&o, system, request, strlen(request), NULL, &err), err);
    return o;
}
static double cost(const char *system, const char *request, const char *answer) {
    glim_offer *o = offer(system, request);
    const double c = o ? glim_offer_cost(o, answer, strlen(answer), true) : -1;
    glim_offer_free(o);
    return c;
}

TEST(the_labels_of_a_prompt) {
    static const char *const want[] = {"get_price", "keep_luggage", "book_room", "get_receipt", "none"};
    glim_offer *o = offer(EN, "hello");
    CHECK(json_array_size(glim_offer_labels(o)) == GLIM_COUNT(want));
    for (size_t i = 0; i < GLIM_COUNT(want); i++) CHECK_STR(json_string_value(json_array_get(glim_offer_labels(o), i)), want[i]);
    glim_offer_free(o);
    static const char *const ends[] = {"none", "none.", "none\n", "none.\n\n", "none\r\n"};
    for (size_t i = 0; i < GLIM_COUNT(ends); i++) {
        char system[160];
        snprintf(system, sizeof system, "Task: choose an intent\n- refund: money back\r\n- refund_status: parcel tracking\nIf none fits, write %s", ends[i]);
        o = offer(system, "where is my parcel tracking");
        CHECK_MSG(json_array_size(glim_offer_labels(o)) == 3, "%zu labels where the list ends with %s", json_array_size(glim_offer_labels(o)), ends[i]);
        CHECK(glim_offer_cost(o, "none", 4, true) == 4 && glim_offer_cost(o, "refund", 6, false) == 0 && glim_offer_cost(o, "refund", 6, true) == 3 && glim_offer_cost(o, "refund_status\n", 14, true) == 0);
        glim_offer_free(o);
    }
    static const char *const other[] = {"", "Be brief.", "Task: choose an intent", "Task: choose an intent\n", "Task: choose an intent\n- one: a thing", "Task: answer\n- a\n- b", "Task: choose an intent\nnone"};
    for (size_t i = 0; i < GLIM_COUNT(other); i++) CHECK_MSG(!offer(other[i], "hello"), "%s", other[i]);
    o = offer("Task: choose an intent\n- a\n- b", "hello");
    CHECK(json_array_size(glim_offer_labels(o)) == 2 && glim_offer_cost(o, "a", 1, true) == 3 && glim_offer_cost(o, "b", 1, false) == 3);
    glim_offer_free(o);
}

TEST(a_label_is_cheaper_by_the_words_that_it_alone_shares) {
    static const struct { const char *system, *request, *answer; double cost; } cases[] = {
        {EN, "is there luggage storage?", "keep_luggage", 0},
        {EN, "Is there luggage storage?", "\nkeep_luggage", 0},
        {EN, "is there luggage storage?", "book_room", 3},
        {EN, "is there luggage storage?", "none", 4},
        {EN, "how much is it", "get_price", 3}, /* what any request says */
        {EN, "what are your prices", "get_price", 0},
        {EN, "RECEIPTS PLEASE", "get_receipt", 0}, /* a name without a description */
        {EN, "a priceless thing", "get_price", 0},
        {EN, "a receiver", "get_receipt", 3 - 3 * 0.7}, /* "recei" */
        {EN, "", "get_price", 3},
        {ZH, "价格高吗", "ask_price", 0},
        {ZH, "东西退掉", "return_goods", 0},
        {ZH, "我要退", "return_goods", 3 - 3 * 0.4}, /* one character */
        {ZH, "的了吗", "return_goods", 3},
        {ZH, "wifi连不上", "ask_wifi", 0},
        {ZH, "价格高吗", "none", 4},
    };
    for (size_t i = 0; i < GLIM_COUNT(cases); i++) {
        const double c = cost(cases[i].system, cases[i].request, cases[i].answer);
        CHECK_MSG(c > cases[i].cost - 1e-9 && c < cases[i].cost + 1e-9, "\"%s\", %s: %g, want %g", cases[i].request, cases[i].answer, c, cases[i].cost);
    }
    /* a word that two labels have counts for half in each */
    static const char TWO[] = "Task: choose an intent\n- book_room: books a room\n- book_table: books a table\nIf none fits, write none";
    CHECK(cost(TWO, "can I book", "book_room") == 1.5 && cost(TWO, "can I book", "book_table") == 1.5);
    CHECK(cost(TWO, "can I book a table", "book_room") == 1.5 && cost(TWO, "can I book a table", "book_table") == 0);
}

TEST(the_beginning_of_an_answer_costs_no_more_than_what_it_may_become) {
    glim_offer *o = offer(EN, "a receipt for luggage");
    for (size_t i = 0; i < json_array_size(glim_offer_labels(o)); i++) {
        const char *label = json_string_value(json_array_get(glim_offer_labels(o), i));
        const double all = glim_offer_cost(o, label, strlen(label), true);
        for (size_t n = 0; n < strlen(label); n++) CHECK_MSG(glim_offer_cost(o, label, n, false) <= all, "%.*s", (int)n, label);
    }
    CHECK(glim_offer_cost(o, "", 0, false) == 0 && glim_offer_cost(o, "get_", 4, false) == glim_offer_cost(o, "get_receipt", 11, true));
    CHECK(glim_offer_cost(o, "other", 5, false) == 4 && glim_offer_cost(o, "get_", 4, true) == 4);
    glim_offer_free(o);
}

TEST(long_lists_and_requests_are_read_as_far_as_there_is_room) {
    glim_buf b = {0}, q = {0};
    glim_buf_puts(&b, "Task: choose an intent\n");
    for (int i = 0; i < 200; i++) glim_buf_printf(&b, "- label_%d: what it is about, in words %d\n", i, i);
    for (int i = 0; i < 5000; i++) glim_buf_printf(&q, "w%d%c%c%c%c \xe4\xbb\xb7\xff ", i, 'a' + i % 26, 'a' + i / 26 % 26, 'b', 'c');
    for (int i = 0; i < 100; i++) glim_buf_putc(&q, 'x');
    glim_buf_puts(&b, "If none fits, write none");
    glim_offer *o = offer(glim_buf_cstr(&b), glim_buf_cstr(&q));
    CHECK(json_array_size(glim_offer_labels(o)) == 201);
    CHECK(glim_offer_cost(o, "label_199", 9, true) <= 3 && glim_offer_cost(o, "none", 4, true) == 4);
    glim_offer_free(o);
    glim_buf_free(&b), glim_buf_free(&q);
}
