/* What a heading says: a word without its unit, the unit, a currency, two languages. */
#include "test.h"

#include "know/heading.h"

static void reads(const char *heading, const char *zh, const char *en, const char *unit_en, const char *currency) {
    glim_heading h;
    glim_heading_read(&h, heading);
#define SAME(got, want) CHECK_MSG((want) ? (got) && strcmp((got), (want)) == 0 : !(got), "%s: got \"%s\", want \"%s\"", heading, (got) ? (got) : "nothing", (want) ? (want) : "nothing")
    SAME(h.zh, zh);
    SAME(h.en, en);
    SAME(h.unit_en, unit_en);
    CHECK_STR(h.currency, currency);
#undef SAME
    glim_heading_deinit(&h);
}

TEST(a_unit_in_a_heading_is_no_part_of_its_name) {
    reads("Weight (kg)", NULL, "Weight", "kg", "");
    reads("Weight [kg]", NULL, "Weight", "kg", "");
    reads("Weight in kg", NULL, "Weight", "kg", "");
    reads("Price €", NULL, "Price", NULL, "€");
    reads("Fee (EUR)", NULL, "Fee", NULL, "€");
    reads("单价（元）", "单价", NULL, NULL, "¥");
    reads("重量/kg", "重量", NULL, "kg", "");
    reads("克重(g)", "克重", NULL, "g", "");
    reads("ABV %", NULL, "ABV", "%", "");
    reads("Warranty (months)", NULL, "Warranty", "months", "");
    reads("battery_mah", NULL, "battery", "mah", "");
}

TEST(two_words_for_one_thing_are_told_apart) {
    reads("Gewicht / Weight (kg)", NULL, "Weight", "kg", "");
    reads("价格 Price", "价格", "Price", NULL, "");
    reads("Price/价格", "价格", "Price", NULL, "");
}

TEST(what_is_no_unit_stays) {
    reads("Made in", NULL, NULL, NULL, "");
    reads("Size M", NULL, NULL, NULL, "");
    reads("Price (incl. VAT)", NULL, NULL, NULL, "");
    reads("In stock", NULL, NULL, NULL, "");
    reads("", NULL, NULL, NULL, "");
    reads("(kg)", NULL, NULL, "kg", "");
}
