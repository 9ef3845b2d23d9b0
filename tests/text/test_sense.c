/* What a request is about, by a reader beside the model: shares of what is offered, and what they cost in lists, tools and rows. The reader here knows words. */
#include "text/sense.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"
#include "text/offer.h"
#include "text/priced.h"
#include "text/statements.h"

enum { PRICE, STOCK, WEIGHT, N };
static const char *only_kind; /* NULL: it knows the same words of every kind */
static char last_kind[16], last_text[GLIM_SENSE_TEXT + 1];
static bool fail_next;

/* "xyzzy" is nothing at all, "cost" is surely the price, "left" the stock, "heavy" the weight; anything else is nothing known. Half a word, half a meaning: "costleft". */
static glim_status by_words(void *ctx, const char *kind, const char *text, size_t n, float *p, glim_err *err) {
    static const char *const words[N][2] = {{"cost", "price"}, {"left", "stock"}, {"heavy", "weight"}};
    (void)ctx;
    if (fail_next) return glim_fail(err, GLIM_E_NOMEM, "no memory for the reader");
    snprintf(last_kind, sizeof last_kind, "%s", kind);
    snprintf(last_text, sizeof last_text, "%.*s", (int)n, text);
    size_t hits = 0;
    for (size_t i = 0; i < N; i++) p[i] = 0;
    if (only_kind && strcmp(kind, only_kind) != 0) return GLIM_OK;
    if (strstr(last_text, "xyzzy")) p[0] = -1;
    if (strstr(last_text, "xyzzy")) return GLIM_OK;
    for (size_t i = 0; i < N; i++)
        for (size_t k = 0; k < 2; k++)
            if (strstr(last_text, words[i][k])) p[i] = 0.98f;
    for (size_t i = 0; i < N; i++) hits += p[i] > 0;
    for (size_t i = 0; i < N && hits > 1; i++) p[i] /= (float)hits;
    return GLIM_OK;
}
static const glim_sense sense = {.n = N, .read = by_words};

static glim_sense_thing thing(const char *s) { return (glim_sense_thing){s, strlen(s)}; }
static bool near(double a, double b) { return fabs(a - b) < 1e-6; }

TEST(what_is_meant_is_shared_among_what_is_offered) {
    const glim_sense_thing offered[] = {thing("ask_price: asks what it is"), thing("in_stock"), thing("gift_wrap")};
    double share[3], none;
    bool any;
    glim_err err = {0};
    CHECK_OK(glim_sense_shares(share, &none, &any, &sense, "intent", offered, 3, "what does it cost", 17, &err), err);
    CHECK(any && near(share[0], 0.98) && near(share[1], 0) && near(none, 0.02) && strcmp(last_kind, "intent") == 0);
    CHECK_MSG(near(share[2], 0.02), "of an unknown thing what the reader gives to nothing known: %g", share[2]);
    CHECK_OK(glim_sense_shares(share, &none, &any, &sense, "intent", offered, 3, "how heavy is it", 15, &err), err);
    CHECK_MSG(near(share[0], 0) && near(none, 1) && near(share[2], 0.02 + 0.1 * 0.98), "a meaning that is not offered: none of the known, and hardly the unknown: %g", share[2]);
    CHECK_OK(glim_sense_shares(share, &none, &any, &sense, "intent", offered, 3, "hello", 5, &err), err);
    CHECK_MSG(near(share[2], 1) && near(none, 1), "what the reader does not know it holds against nothing unknown: %g", share[2]);
}

TEST(of_what_it_does_not_know_it_says_nothing) {
    const glim_sense_thing offered[] = {thing("gift_wrap"), thing("dog_food"), thing("costleft: half of each")};
    double share[3] = {7, 7, 7}, none = 7;
    bool any = true;
    glim_err err = {0};
    CHECK_OK(glim_sense_shares(share, &none, &any, &sense, "intent", offered, 3, "what does it cost", 17, &err), err);
    CHECK(!any && share[0] == 7 && none == 7);
    CHECK_OK(glim_sense_shares(share, &none, &any, &sense, "intent", offered, 0, "what does it cost", 17, &err), err);
    CHECK(!any);
    CHECK_OK(glim_sense_shares(share, &none, &any, &(glim_sense){.read = by_words}, "intent", offered, 0, "", 0, &err), err);
    fail_next = true;
    CHECK(glim_sense_shares(share, &none, &any, &sense, "intent", offered, 3, "cost", 4, &err) == GLIM_E_NOMEM && !any);
    fail_next = false;
}

TEST(a_request_of_which_nothing_is_known_has_no_shares) {
    const glim_sense_thing offered[] = {thing("ask_price"), thing("xyzzy")};
    double share[2] = {7, 7}, none = 7;
    bool any = true;
    glim_err err = {0};
    CHECK_OK(glim_sense_shares(share, &none, &any, &sense, "intent", offered, 2, "xyzzy", 5, &err), err);
    CHECK(!any && share[0] == 7 && none == 7);
    CHECK_OK(glim_sense_shares(share, &none, &any, &sense, "intent", offered, 2, "the cost", 8, &err), err);
    CHECK(any && near(share[0], 0.98) && near(share[1], 0.02));
}

TEST(two_things_of_one_meaning_share_it_and_underscores_are_spaces) {
    const glim_sense_thing offered[] = {thing("price_query"), thing("get_cost"), thing("in_stock")};
    double share[3], none;
    bool any;
    glim_err err = {0};
    CHECK_OK(glim_sense_shares(share, &none, &any, &sense, "tool", offered, 3, "the_cost_of_it", 14, &err), err);
    CHECK(any && near(share[0], 0.98) && near(share[1], 0.98) && near(none, 0.02));
    CHECK_STR(last_text, "the cost of it");
    CHECK_STR(last_kind, "tool");
}

TEST(a_long_text_is_cut_between_characters) {
    glim_buf b = {0};
    for (int i = 0; i < 1000; i++) glim_buf_puts(&b, i ? "价" : "x价"); /* 2,048 is within a character */
    const glim_sense_thing offered[] = {thing("ask_price")};
    double share[1], none;
    bool any;
    glim_err err = {0};
    CHECK_OK(glim_sense_shares(share, &none, &any, &sense, "intent", offered, 1, glim_buf_cstr(&b), b.len, &err), err);
    CHECK(strlen(last_text) == 2047 && memcmp(last_text, b.s, 2047) == 0);
    glim_buf_free(&b);
}

TEST(a_share_costs_nats) {
    CHECK(glim_sense_cost(1) == 0 && fabs(glim_sense_cost(0) - 6.9) < 0.02 && fabs(glim_sense_cost(0.5) - 0.69) < 0.01 && glim_sense_cost(0.1) > glim_sense_cost(0.2));
}

/* ---- labels ---- */

static double label_cost(const char *request, const char *label, const glim_sense *s) {
    static const char *const list = "Task: choose an intent\n- ask_price\n- in_stock\n- wrap: gift paper\nIf none fits, write none";
    glim_offer *o = NULL;
    glim_err err = {0};
    CHECK_OK(glim_offer_new(&o, list, request, strlen(request), s, &err), err);
    const double c = glim_offer_cost(o, label, strlen(label), true);
    glim_offer_free(o);
    return c;
}

TEST(a_label_is_cheap_that_the_request_means) {
    CHECK(label_cost("so much does it cost", "ask_price", NULL) == label_cost("so much does it cost", "in_stock", NULL));
    CHECK(label_cost("so much does it cost", "ask_price", &sense) + 6 < label_cost("so much does it cost", "in_stock", &sense));
    CHECK(label_cost("so much does it cost", "ask_price", &sense) + 6 < label_cost("so much does it cost", "none", &sense));
    only_kind = "tool"; /* labels are intents */
    CHECK(label_cost("so much does it cost", "ask_price", &sense) == label_cost("so much does it cost", "in_stock", &sense));
    only_kind = "intent";
    CHECK(label_cost("so much does it cost", "ask_price", &sense) + 6 < label_cost("so much does it cost", "in_stock", &sense));
    CHECK(fabs(label_cost("so much does it cost", "none", &sense) - (4 + 1 + 1.5 * glim_sense_cost(0.02))) < 1e-3);
    only_kind = NULL;
    /* what nothing offered means is none */
    CHECK(label_cost("is it heavy", "none", &sense) + 4 < label_cost("is it heavy", "ask_price", &sense));
    /* a request of which it knows nothing: as without it, and no label dearer than another */
    CHECK(label_cost("sing me a song", "wrap", &sense) < label_cost("sing me a song", "ask_price", &sense));
    /* what is none of the labels costs as much as the dearest at least */
    CHECK(label_cost("so much does it cost", "other", &sense) >= label_cost("so much does it cost", "in_stock", &sense));
}

/* ---- rows ---- */

static double says(const char *question, const char *answer, const glim_sense *s) {
    json_t *l;
    double *cost;
    glim_buf user = {0};
    glim_err err = {0};
    glim_buf_printf(&user, "Rows:\n[1] Nova X5 | weight: 188 g | price: 2999 CNY | lens: K7\n[2] Luma Q2 | price: 99 CNY | stock: 8 pcs\n\nQuestion: %s", question);
    CHECK_OK(glim_statements(&l, &cost, "Task: answer\nYou are the clerk.", glim_buf_cstr(&user), s, &err), err);
    glim_priced p = {l, cost, 99};
    const double c = glim_priced_cost(&p, answer, strlen(answer), true);
    CHECK_MSG(c < 99, "no such answer: %s", answer);
    json_decref(l);
    free(cost);
    glim_buf_free(&user);
    return c;
}
#define NOT_THERE "This is not in the library."

TEST(an_answer_is_cheap_whose_column_and_row_are_asked_for) {
    static const char *const q = "How heavy is Nova X5?";
    CHECK(says(q, "[1] The weight of Nova X5 is 188 g.", &sense) < 0.1);
    CHECK(says(q, "[1] The price of Nova X5 is 2999 CNY.", &sense) > 6);
    CHECK_MSG(says(q, "[1] The lens of Nova X5 is K7.", &sense) > 3, "a heading that nobody knows is not what a known one asks for");
    CHECK(says(q, "[2] The price of Luma Q2 is 99 CNY.", &sense) > says(q, "[1] The price of Nova X5 is 2999 CNY.", &sense) + 2);
    CHECK(says(q, NOT_THERE, &sense) > 8);
    CHECK(says(q, "[1] The weight of Nova X5 is 188 g and the price is 2999 CNY.", &sense) < 0.1);
    CHECK_MSG(says(q, "[1] The price of Nova X5 is 2999 CNY and the weight is 188 g.", &sense) < 0.1, "the second heading counts too");
    /* behind its word, wherever that stands */
    static const char *const also[] = {"How heavy is Nova X5?\n", "How heavy is Nova X5? \r\n\n", "So heavy is Nova X5?\nThanks!", "the price?\nQuestion: How heavy is Nova X5?", "the price?\n问题：Nova X5 heavy?"};
    for (size_t i = 0; i < GLIM_COUNT(also); i++) {
        CHECK_MSG(says(also[i], "[1] The weight of Nova X5 is 188 g.", &sense) < 0.1 && says(also[i], NOT_THERE, &sense) > 8, "%s", also[i]);
        CHECK_MSG(says(also[i], "[1] The price of Nova X5 is 2999 CNY.", &sense) > 6, "%s", also[i]);
    }
    only_kind = "intent"; /* headings are columns */
    CHECK(says(q, "[1] The price of Nova X5 is 2999 CNY.", &sense) == 0 && says(q, NOT_THERE, &sense) == 4);
    only_kind = NULL;
}

TEST(a_refusal_is_cheap_where_the_row_lacks_the_column_or_no_row_is_named) {
    CHECK(says("How heavy is Luma Q2?", NOT_THERE, &sense) < 5.1);
    CHECK(says("How heavy is Luma Q2?", "[1] The weight of Nova X5 is 188 g.", &sense) >= 3);
    CHECK(says("How heavy is Zeta 9?", NOT_THERE, &sense) == 4 && says("How heavy is Zeta 9?", "[1] The weight of Nova X5 is 188 g.", &sense) < 0.1);
    CHECK(says("How heavy is Nova X5?", NOT_THERE, NULL) == 4 && says("How heavy is Nova X5?", "[2] The stock of Luma Q2 is 8 pcs.", NULL) == 0);
}

TEST(a_name_is_named_where_it_does_not_go_on) {
    static const char *const other[] = {"How heavy is Nova X5 Pro?", "How heavy is Nova X5 2?", "How heavy is Nova X50?", "How heavy is Nova X5s?"},
                             *const same[] = {"How heavy is Nova X5?", "How heavy is Nova X5 please", "Nova X5重吗 heavy", "Is Nova X5 Pro as heavy as Nova X5?", "heavy Nova X5"};
    for (size_t i = 0; i < GLIM_COUNT(other); i++) CHECK_MSG(says(other[i], NOT_THERE, &sense) == 4, "%s", other[i]);
    for (size_t i = 0; i < GLIM_COUNT(same); i++) CHECK_MSG(says(same[i], NOT_THERE, &sense) > 8, "%s", same[i]);
    /* five where the row that is named lacks the column */
    CHECK(near(says("How heavy is Luma Q2?", NOT_THERE, &sense), 5));
}

TEST(only_answers_from_rows_have_a_price) {
    json_t *l;
    double *cost;
    glim_err err = {0};
    CHECK_OK(glim_statements(&l, &cost, "Task: summarize", "month | sales\nApril | 120\nMay | 154", &sense, &err), err);
    CHECK(l && !cost);
    json_decref(l);
    fail_next = true;
    CHECK(glim_statements(&l, &cost, "Task: answer", "Rows:\n[1] Nova | price: 3\n\nQuestion: cost?", &sense, &err) == GLIM_E_NOMEM && !l && !cost);
    fail_next = false;
}
