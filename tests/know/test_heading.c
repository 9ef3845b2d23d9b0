/* What a heading says: a word without its unit, the unit, a currency, two languages. */
#include "test.h"

#include "base/alloc.h"
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

static void per(const char *heading, const char *name, const char *zh, const char *en, const char *currency) {
    glim_heading h;
    glim_heading_read(&h, heading);
    CHECK_MSG(h.per_zh && strcmp(h.per_zh, zh) == 0 && h.per_en && strcmp(h.per_en, en) == 0, "%s: per \"%s\", \"%s\"", heading, h.per_zh ? h.per_zh : "nothing", h.per_en ? h.per_en : "nothing");
    CHECK_MSG(!h.unit_zh && !h.unit_en, "%s: unit \"%s\"", heading, h.unit_en);
    const char *is = h.zh ? h.zh : h.en ? h.en : "";
    CHECK_MSG(strcmp(is, name) == 0, "%s: got \"%s\", want \"%s\"", heading, is, name);
    CHECK_STR(h.currency, currency);
    glim_heading_deinit(&h);
}

TEST(what_a_price_is_for_is_no_unit_of_it) {
    per("价格/斤", "价格", "斤", "jin", "");
    per("Preis/kg", "price", "公斤", "kg", "");
    per("单价(元/斤)", "单价", "斤", "jin", "¥");
    per("Price (€/kg)", "Price", "公斤", "kg", "€");
    per("Price € per 100 g", "Price", "100克", "100 g", "€");
    per("Price/kg (€)", "Price", "公斤", "kg", "€");
    per("Price/night €", "Price", "晚", "night", "€");
    per("Stückpreis/Flasche", "Stückpreis", "瓶", "Flasche", "");
    per("Price (per bottle)", "Price", "瓶", "bottle", "");
    per("Price Per Kg", "Price", "公斤", "kg", "");
    per("租金/天", "租金", "天", "day", "");
    per("日租金/天", "日租金", "天", "day", "");
    per("Rate per night", "Rate", "晚", "night", "");
    per("rent/month", "rent", "月", "month", "");
    per("Fare/person", "Fare", "人", "person", "");
    per("Tariff/day", "Tariff", "天", "day", "");
    reads("Weight/kg", NULL, "Weight", "kg", "");
    reads("Coffee/kg", NULL, "Coffee", "kg", "");
}

TEST(what_is_said_of_a_day_is_not_measured_in_days) {
    reads("保质期/天", "保质期", NULL, "days", "");
    reads("Warranty/months", NULL, "Warranty", "months", "");
    static const char *const none[] = {"评价/天", "性价比/天", "评价/月", "Average/day", "Visits/week"};
    for (size_t i = 0; i < GLIM_COUNT(none); i++) {
        glim_heading h;
        glim_heading_read(&h, none[i]);
        CHECK_MSG(!h.unit_zh && !h.unit_en && !h.per_zh && !h.per_en, "%s: a unit", none[i]);
        glim_heading_deinit(&h);
    }
    reads("Speed km/h", NULL, "Speed", "km/h", "");
    reads("Flow (l/min)", NULL, "Flow", "l/min", "");
}

TEST(two_things_in_a_heading_are_not_one) {
    static const char *const two[][3] = {{"Width/Height", "Width", "Height"}, {"Colour/Finish", "Colour", "Finish"}, {"Gewicht / Size", "Gewicht", "Size"}, {"颜色/尺寸", "颜色", "尺寸"}, {"Size/颜色", "Size", "颜色"}};
    for (size_t i = 0; i < GLIM_COUNT(two); i++) {
        glim_heading h;
        glim_heading_read(&h, two[i][0]);
        const char *is = h.zh ? h.zh : h.en ? h.en : "";
        CHECK_MSG(strchr(is, '/') && !(h.zh && h.en), "%s is called \"%s\"", two[i][0], is);
        CHECK_MSG(h.also[0] && strcmp(h.also[0], two[i][1]) == 0 && h.also[1] && strcmp(h.also[1], two[i][2]) == 0, "%s", two[i][0]);
        glim_heading_deinit(&h);
    }
    reads("Width/Height (cm)", NULL, "Width/height", "cm", "");
    reads("颜色/Colour", "颜色", "Colour", NULL, "");
    reads("Farbe/Colour", NULL, "Colour", NULL, "");
    reads("Breite / Width", NULL, "Width", NULL, "");
    reads("Colour/Farbe", NULL, "Colour", NULL, "");
    reads("Brand/牌子", "牌子", "Brand", NULL, "");
    reads("Wireless/无线", "无线", "Wireless", NULL, ""); /* neither is known: a word and its translation */
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
