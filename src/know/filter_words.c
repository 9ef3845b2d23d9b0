/* filter_words.c - see filter_words.h. */
#include "know/filter_words.h"

#include <string.h>

#define W (const char *const[])

const glim_concept_words glim_concepts[GLIM_N_CONCEPT] = {
    [GLIM_CONCEPT_PRICE] = {"价格", "price", W{"价格", "价钱", "售价", "单价", "价位", "多少钱", "几多钱", "什么价", "价", "预算", "人均", "房价", "how much", "price", "prices", "priced", "cost", "costs", "budget", NULL}},
    [GLIM_CONCEPT_STOCK] = {"库存", "stock", W{"库存", "存货", "剩余", "还剩", "剩多少", "stock", "inventory", "units left", NULL}},
    [GLIM_CONCEPT_COLOUR] = {"颜色", "colour", W{"颜色", "配色", "什么色", "colour", "color", "colours", "colors", NULL}},
    [GLIM_CONCEPT_BRAND] = {"品牌", "brand", W{"品牌", "牌子", "什么牌", "什么牌子", "哪些牌子", "厂家", "厂商", "brand", "maker", "manufacturer", NULL}},
    [GLIM_CONCEPT_KIND] = {"类别", "category", W{"类别", "品类", "分类", "种类", "类型", "房型", "菜系", "category", "categories", "kinds", "types", NULL}},
    [GLIM_CONCEPT_WEIGHT] = {"重量", "weight", W{"重量", "多重", "净重", "体重", "weight", "weigh", "weighs", "heavy", NULL}},
    [GLIM_CONCEPT_SCREEN] = {"屏幕", "screen", W{"屏幕", "屏幕尺寸", "屏", "显示屏", "尺寸", "screen", "screen size", "display", NULL}},
    [GLIM_CONCEPT_BATTERY] = {"电池", "battery", W{"电池", "电池容量", "电量", "多少毫安", "多大容量", "续航", "battery", "battery life", "battery capacity", NULL}},
    [GLIM_CONCEPT_MEMORY] = {"内存", "memory", W{"内存", "运存", "运行内存", "memory", "ram", NULL}},
    [GLIM_CONCEPT_STORAGE] = {"存储", "storage", W{"存储", "存储空间", "储存", "硬盘", "容量", "storage", "capacity", "disk", NULL}},
    [GLIM_CONCEPT_RATING] = {"评分", "rating", W{"评分", "口碑", "星级", "打分", "rating", "rated", "score", "stars", NULL}},
    [GLIM_CONCEPT_RELEASED] = {"上市日期", "release date", W{"上市日期", "上市时间", "上市", "发布日期", "发布时间", "什么时候出", "release date", "released", "launched", NULL}},
    [GLIM_CONCEPT_WARRANTY] = {"保修", "warranty", W{"保修", "保修期", "质保", "质保期", "warranty", "guarantee", NULL}},
    [GLIM_CONCEPT_SIZE] = {"尺寸", "size", W{"尺寸", "大小", "多大", "尺码", "规格", "size", "dimensions", "how big", NULL}},
    [GLIM_CONCEPT_MATERIAL] = {"材质", "material", W{"材质", "材料", "什么做的", "用料", "material", "made of", NULL}},
    [GLIM_CONCEPT_ORIGIN] = {"产地", "origin", W{"产地", "哪里产", "哪里生产", "原产地", "origin", "made in", NULL}},
    [GLIM_CONCEPT_PHONE] = {"电话", "phone number", W{"电话", "电话号码", "联系方式", "联系电话", "phone number", "telephone", NULL}},
    [GLIM_CONCEPT_ADDRESS] = {"地址", "address", W{"地址", "在哪里", "在哪", "位置", "怎么走", "address", "located", NULL}},
    [GLIM_CONCEPT_HOURS] = {"营业时间", "hours", W{"营业时间", "开放时间", "几点开门", "几点关门", "几点", "hours", "opening hours", "open until", NULL}},
    [GLIM_CONCEPT_SPICY] = {"辣度", "spiciness", W{"辣度", "辣不辣", "辣吗", "多辣", "几分辣", "spiciness", "how spicy", "spicy", NULL}},
    [GLIM_CONCEPT_CALORIES] = {"热量", "calories", W{"热量", "卡路里", "多少卡", "大卡", "calories", "calorie", "kcal", NULL}},
    [GLIM_CONCEPT_PEOPLE] = {"可住人数", "guests", W{"可住人数", "份量", "serves", "住几个人", "住几人", "几个人住", "几人份", "够几个人吃", "多少人", "几个人", "几个人喝", "几个人用", "坐几个人", "坐多少人", "住多少人", "guests", "sleeps", "how many people", NULL}},
    [GLIM_CONCEPT_BED] = {"床型", "bed", W{"床型", "什么床", "几张床", "床", "bed", "beds", "bed type", NULL}},
    [GLIM_CONCEPT_BREAKFAST] = {"早餐", "breakfast", W{"早餐", "含早", "早饭", "breakfast", NULL}},
    [GLIM_CONCEPT_AREA] = {"面积", "area", W{"面积", "多少平", "几平米", "平方", "area", "square metres", "square meters", NULL}},
    [GLIM_CONCEPT_WARM_CHARGE] = {"无线充电", "wireless charging", W{"无线充电", "无线快充", "无线充", "qi", "wireless charging", "wireless charge", "charge wirelessly", "wirelessly", NULL}},
    [GLIM_CONCEPT_WATER] = {"防水", "water resistance", W{"防水", "防水等级", "防尘防水", "防泼溅", "water resistance", "waterproof", "water resistant", "ip rating", NULL}},
    [GLIM_CONCEPT_DESCRIPTION] = {"介绍", "description", W{"介绍", "简介", "描述", "description", NULL}},
};

int glim_concept_of(const char *folded) {
    for (int c = 0; c < GLIM_N_CONCEPT; c++) {
        if (strcmp(folded, glim_concepts[c].zh) == 0 || strcmp(folded, glim_concepts[c].en) == 0) return c;
        for (const char *const *w = glim_concepts[c].word; *w; w++)
            if (strcmp(folded, *w) == 0) return c;
    }
    return -1;
}

#define P GLIM_CONCEPT_PRICE
const glim_word glim_words[] = {
    {"不超过", GLIM_WORD_LE_BEFORE, -1}, {"不高于", GLIM_WORD_LE_BEFORE, -1}, {"不大于", GLIM_WORD_LE_BEFORE, -1}, {"不多于", GLIM_WORD_LE_BEFORE, -1},
    {"最多", GLIM_WORD_LE_BEFORE, -1}, {"至多", GLIM_WORD_LE_BEFORE, -1}, {"顶多", GLIM_WORD_LE_BEFORE, -1}, {"up to", GLIM_WORD_LE_BEFORE, -1},
    {"at most", GLIM_WORD_LE_BEFORE, -1}, {"no more than", GLIM_WORD_LE_BEFORE, -1}, {"not more than", GLIM_WORD_LE_BEFORE, -1}, {"within", GLIM_WORD_LE_BEFORE, -1},
    {"maximum", GLIM_WORD_LE_BEFORE, -1}, {"max", GLIM_WORD_LE_BEFORE, -1}, {"budget of", GLIM_WORD_LE_BEFORE, P}, {"budget is", GLIM_WORD_LE_BEFORE, P}, {"预算", GLIM_WORD_LE_BEFORE, P},
    {"低于", GLIM_WORD_LT_BEFORE, -1}, {"小于", GLIM_WORD_LT_BEFORE, -1}, {"少于", GLIM_WORD_LT_BEFORE, -1}, {"不到", GLIM_WORD_LT_BEFORE, -1}, {"不足", GLIM_WORD_LT_BEFORE, -1},
    {"低过", GLIM_WORD_LT_BEFORE, -1}, {"轻于", GLIM_WORD_LT_BEFORE, GLIM_CONCEPT_WEIGHT}, {"under", GLIM_WORD_LT_BEFORE, -1}, {"below", GLIM_WORD_LT_BEFORE, -1},
    {"less than", GLIM_WORD_LT_BEFORE, -1}, {"fewer than", GLIM_WORD_LT_BEFORE, -1}, {"lower than", GLIM_WORD_LT_BEFORE, -1}, {"smaller than", GLIM_WORD_LT_BEFORE, -1},
    {"cheaper than", GLIM_WORD_LT_BEFORE, P}, {"lighter than", GLIM_WORD_LT_BEFORE, GLIM_CONCEPT_WEIGHT}, {"shorter than", GLIM_WORD_LT_BEFORE, -1},
    {"不低于", GLIM_WORD_GE_BEFORE, -1}, {"不少于", GLIM_WORD_GE_BEFORE, -1}, {"不小于", GLIM_WORD_GE_BEFORE, -1}, {"至少", GLIM_WORD_GE_BEFORE, -1}, {"最少", GLIM_WORD_GE_BEFORE, -1},
    {"起码", GLIM_WORD_GE_BEFORE, -1}, {"at least", GLIM_WORD_GE_BEFORE, -1}, {"no less than", GLIM_WORD_GE_BEFORE, -1}, {"not less than", GLIM_WORD_GE_BEFORE, -1},
    {"minimum", GLIM_WORD_GE_BEFORE, -1}, {"starting at", GLIM_WORD_GE_BEFORE, -1},
    {"高于", GLIM_WORD_GT_BEFORE, -1}, {"大于", GLIM_WORD_GT_BEFORE, -1}, {"超过", GLIM_WORD_GT_BEFORE, -1}, {"多于", GLIM_WORD_GT_BEFORE, -1}, {"over", GLIM_WORD_GT_BEFORE, -1},
    {"above", GLIM_WORD_GT_BEFORE, -1}, {"more than", GLIM_WORD_GT_BEFORE, -1}, {"greater than", GLIM_WORD_GT_BEFORE, -1}, {"larger than", GLIM_WORD_GT_BEFORE, -1},
    {"bigger than", GLIM_WORD_GT_BEFORE, -1}, {"higher than", GLIM_WORD_GT_BEFORE, -1}, {"longer than", GLIM_WORD_GT_BEFORE, -1}, {"heavier than", GLIM_WORD_GT_BEFORE, GLIM_CONCEPT_WEIGHT},
    {"以下", GLIM_WORD_LE_BEHIND, -1}, {"以内", GLIM_WORD_LE_BEHIND, -1}, {"之内", GLIM_WORD_LE_BEHIND, -1}, {"之下", GLIM_WORD_LE_BEHIND, -1}, {"or less", GLIM_WORD_LE_BEHIND, -1},
    {"or under", GLIM_WORD_LE_BEHIND, -1}, {"or below", GLIM_WORD_LE_BEHIND, -1}, {"内", GLIM_WORD_LE_BEHIND, -1},
    {"以上", GLIM_WORD_GE_BEHIND, -1}, {"之上", GLIM_WORD_GE_BEHIND, -1}, {"往上", GLIM_WORD_GE_BEHIND, -1}, {"or more", GLIM_WORD_GE_BEHIND, -1}, {"or above", GLIM_WORD_GE_BEHIND, -1},
    {"and up", GLIM_WORD_GE_BEHIND, -1}, {"and above", GLIM_WORD_GE_BEHIND, -1}, {"or higher", GLIM_WORD_GE_BEHIND, -1},
    {"左右", GLIM_WORD_ABOUT, -1}, {"上下", GLIM_WORD_ABOUT, -1}, {"大概", GLIM_WORD_ABOUT, -1}, {"大约", GLIM_WORD_ABOUT, -1}, {"around", GLIM_WORD_ABOUT, -1},
    {"about", GLIM_WORD_ABOUT, -1}, {"roughly", GLIM_WORD_ABOUT, -1}, {"approximately", GLIM_WORD_ABOUT, -1},
    {"between", GLIM_WORD_BETWEEN, -1}, {"到", GLIM_WORD_TO, -1}, {"至", GLIM_WORD_TO, -1}, {"to", GLIM_WORD_TO, -1}, {"and", GLIM_WORD_TO, -1}, {"-", GLIM_WORD_TO, -1},
    {"~", GLIM_WORD_TO, -1}, {"—", GLIM_WORD_TO, -1}, {"–", GLIM_WORD_TO, -1}, {"和", GLIM_WORD_TO, -1},
    {"最便宜", GLIM_WORD_LEAST, P}, {"价格最低", GLIM_WORD_LEAST, P}, {"最低价", GLIM_WORD_LEAST, P}, {"最实惠", GLIM_WORD_LEAST, P}, {"最划算", GLIM_WORD_LEAST, P},
    {"更便宜", GLIM_WORD_LEAST, P}, {"便宜", GLIM_WORD_LEAST, P}, {"cheapest", GLIM_WORD_LEAST, P}, {"cheaper", GLIM_WORD_LEAST, P}, {"cheap", GLIM_WORD_LEAST, P},
    {"least expensive", GLIM_WORD_LEAST, P}, {"lowest price", GLIM_WORD_LEAST, P}, {"lowest priced", GLIM_WORD_LEAST, P}, {"most affordable", GLIM_WORD_LEAST, P},
    {"lowest cost", GLIM_WORD_LEAST, P}, {"less expensive", GLIM_WORD_LEAST, P}, {"affordable", GLIM_WORD_LEAST, P},
    {"最贵", GLIM_WORD_MOST, P}, {"价格最高", GLIM_WORD_MOST, P}, {"更贵", GLIM_WORD_MOST, P}, {"most expensive", GLIM_WORD_MOST, P}, {"priciest", GLIM_WORD_MOST, P},
    {"贵", GLIM_WORD_MOST, P}, {"expensive", GLIM_WORD_MOST, P}, {"太贵", GLIM_WORD_LEAST, P}, {"too expensive", GLIM_WORD_LEAST, P},
    {"贵店", GLIM_WORD_FILLER, -1}, {"贵司", GLIM_WORD_FILLER, -1}, {"贵公司", GLIM_WORD_FILLER, -1}, {"贵酒店", GLIM_WORD_FILLER, -1}, {"贵餐厅", GLIM_WORD_FILLER, -1},
    {"dearest", GLIM_WORD_MOST, P}, {"more expensive", GLIM_WORD_MOST, P}, {"highest price", GLIM_WORD_MOST, P},
    {"最轻", GLIM_WORD_LEAST, GLIM_CONCEPT_WEIGHT}, {"更轻", GLIM_WORD_LEAST, GLIM_CONCEPT_WEIGHT}, {"lightest", GLIM_WORD_LEAST, GLIM_CONCEPT_WEIGHT}, {"lighter", GLIM_WORD_LEAST, GLIM_CONCEPT_WEIGHT}, {"轻", GLIM_WORD_LEAST, GLIM_CONCEPT_WEIGHT},
    {"最重", GLIM_WORD_MOST, GLIM_CONCEPT_WEIGHT}, {"更重", GLIM_WORD_MOST, GLIM_CONCEPT_WEIGHT}, {"heaviest", GLIM_WORD_MOST, GLIM_CONCEPT_WEIGHT}, {"heavier", GLIM_WORD_MOST, GLIM_CONCEPT_WEIGHT},
    {"最新", GLIM_WORD_MOST, GLIM_CONCEPT_RELEASED}, {"newest", GLIM_WORD_MOST, GLIM_CONCEPT_RELEASED}, {"latest", GLIM_WORD_MOST, GLIM_CONCEPT_RELEASED}, {"most recent", GLIM_WORD_MOST, GLIM_CONCEPT_RELEASED},
    {"口碑最好", GLIM_WORD_MOST, GLIM_CONCEPT_RATING}, {"评价最好", GLIM_WORD_MOST, GLIM_CONCEPT_RATING}, {"best rated", GLIM_WORD_MOST, GLIM_CONCEPT_RATING}, {"best-rated", GLIM_WORD_MOST, GLIM_CONCEPT_RATING},
    {"top rated", GLIM_WORD_MOST, GLIM_CONCEPT_RATING}, {"highest rated", GLIM_WORD_MOST, GLIM_CONCEPT_RATING}, {"最好的", GLIM_WORD_MOST, GLIM_CONCEPT_RATING}, {"最好吃", GLIM_WORD_MOST, GLIM_CONCEPT_RATING}, {"best", GLIM_WORD_MOST, GLIM_CONCEPT_RATING}, {"mildest", GLIM_WORD_LEAST, GLIM_CONCEPT_SPICY}, {"最辣", GLIM_WORD_MOST, GLIM_CONCEPT_SPICY}, {"spiciest", GLIM_WORD_MOST, GLIM_CONCEPT_SPICY},
    {"最大", GLIM_WORD_MOST, -1}, {"更大", GLIM_WORD_MOST, -1}, {"最高", GLIM_WORD_MOST, -1}, {"更高", GLIM_WORD_MOST, -1}, {"最多的", GLIM_WORD_MOST, -1}, {"最长", GLIM_WORD_MOST, -1}, {"更长", GLIM_WORD_MOST, -1}, {"最久", GLIM_WORD_MOST, -1},
    {"largest", GLIM_WORD_MOST, -1}, {"biggest", GLIM_WORD_MOST, -1}, {"bigger", GLIM_WORD_MOST, -1}, {"larger", GLIM_WORD_MOST, -1}, {"highest", GLIM_WORD_MOST, -1}, {"higher", GLIM_WORD_MOST, -1}, {"longest", GLIM_WORD_MOST, -1},
    {"longer", GLIM_WORD_MOST, -1}, {"most", GLIM_WORD_MOST, -1},
    {"最小", GLIM_WORD_LEAST, -1}, {"更小", GLIM_WORD_LEAST, -1}, {"最低", GLIM_WORD_LEAST, -1}, {"更低", GLIM_WORD_LEAST, -1}, {"最短", GLIM_WORD_LEAST, -1}, {"最少的", GLIM_WORD_LEAST, -1}, {"smallest", GLIM_WORD_LEAST, -1}, {"smaller", GLIM_WORD_LEAST, -1},
    {"lowest", GLIM_WORD_LEAST, -1}, {"lower", GLIM_WORD_LEAST, -1}, {"shortest", GLIM_WORD_LEAST, -1}, {"fewest", GLIM_WORD_LEAST, -1}, {"least", GLIM_WORD_LEAST, -1},
    {"多少款", GLIM_WORD_COUNT, -1}, {"多少种", GLIM_WORD_COUNT, -1}, {"多少个", GLIM_WORD_COUNT, -1}, {"多少道", GLIM_WORD_COUNT, -1}, {"多少件", GLIM_WORD_COUNT, -1}, {"多少份", GLIM_WORD_COUNT, -1}, {"多少台", GLIM_WORD_COUNT, -1}, {"多少部", GLIM_WORD_COUNT, -1}, {"几款", GLIM_WORD_COUNT, -1}, {"几种", GLIM_WORD_COUNT, -1},
    {"几道", GLIM_WORD_COUNT, -1}, {"有几个", GLIM_WORD_COUNT, -1}, {"how many", GLIM_WORD_COUNT, -1}, {"number of", GLIM_WORD_COUNT, -1},
    {"平均", GLIM_WORD_MEAN, -1}, {"average", GLIM_WORD_MEAN, -1}, {"mean", GLIM_WORD_MEAN, -1},
    {"过敏", GLIM_WORD_NOT_BEHIND, -1}, {"不耐受", GLIM_WORD_NOT_BEHIND, -1}, {"除外", GLIM_WORD_NOT_BEHIND, -1}, {"以外", GLIM_WORD_NOT_BEHIND, -1}, {"之外", GLIM_WORD_NOT_BEHIND, -1},
    {"free", GLIM_WORD_NOT_BEHIND, -1}, {"-free", GLIM_WORD_NOT_BEHIND, -1}, {"allergy", GLIM_WORD_NOT_BEHIND, -1}, {"allergies", GLIM_WORD_NOT_BEHIND, -1}, {"intolerance", GLIM_WORD_NOT_BEHIND, -1}, {"intolerant", GLIM_WORD_NOT_BEHIND, -1},
    {"不吃", GLIM_WORD_NOT, -1}, {"不能吃", GLIM_WORD_NOT, -1}, {"吃不了", GLIM_WORD_NOT, -1}, {"不放", GLIM_WORD_NOT, -1}, {"不能有", GLIM_WORD_NOT, -1}, {"别放", GLIM_WORD_NOT, -1},
    {"allergic to", GLIM_WORD_NOT, -1}, {"allergy to", GLIM_WORD_NOT, -1}, {"intolerant to", GLIM_WORD_NOT, -1}, {"free of", GLIM_WORD_NOT, -1}, {"free from", GLIM_WORD_NOT, -1},
    {"can't eat", GLIM_WORD_NOT, -1}, {"cannot eat", GLIM_WORD_NOT, -1}, {"don't eat", GLIM_WORD_NOT, -1}, {"do not eat", GLIM_WORD_NOT, -1}, {"avoid", GLIM_WORD_NOT, -1}, {"contain no", GLIM_WORD_NOT, -1},
    {"不要", GLIM_WORD_NOT, -1}, {"不是", GLIM_WORD_NOT, -1}, {"除了", GLIM_WORD_NOT, -1}, {"不带", GLIM_WORD_NOT, -1}, {"不含", GLIM_WORD_NOT, -1}, {"不支持", GLIM_WORD_NOT, -1}, {"没有", GLIM_WORD_NOT, -1}, {"非", GLIM_WORD_NOT, -1},
    {"not", GLIM_WORD_NOT, -1}, {"without", GLIM_WORD_NOT, -1}, {"no", GLIM_WORD_NOT, -1}, {"except", GLIM_WORD_NOT, -1}, {"other than", GLIM_WORD_NOT, -1}, {"don't have", GLIM_WORD_NOT, -1}, {"doesn't have", GLIM_WORD_NOT, -1},
    {"还有货", GLIM_WORD_IN_STOCK, -1}, {"还有没有货", GLIM_WORD_IN_STOCK, -1}, {"还有现货", GLIM_WORD_IN_STOCK, -1}, {"还有库存", GLIM_WORD_IN_STOCK, -1}, {"还有空房", GLIM_WORD_IN_STOCK, -1}, {"没有货", GLIM_WORD_NO_STOCK, -1}, {"有货", GLIM_WORD_IN_STOCK, -1}, {"有现货", GLIM_WORD_IN_STOCK, -1}, {"现货", GLIM_WORD_IN_STOCK, -1}, {"有库存", GLIM_WORD_IN_STOCK, -1}, {"能买到", GLIM_WORD_IN_STOCK, -1}, {"有没有货", GLIM_WORD_IN_STOCK, -1}, {"有空房", GLIM_WORD_IN_STOCK, -1}, {"还有房", GLIM_WORD_IN_STOCK, -1}, {"有房", GLIM_WORD_IN_STOCK, -1},
    {"in stock", GLIM_WORD_IN_STOCK, -1}, {"available", GLIM_WORD_IN_STOCK, -1}, {"availability", GLIM_WORD_IN_STOCK, -1}, {"in-stock", GLIM_WORD_IN_STOCK, -1},
    {"缺货", GLIM_WORD_NO_STOCK, -1}, {"没货", GLIM_WORD_NO_STOCK, -1}, {"断货", GLIM_WORD_NO_STOCK, -1}, {"无货", GLIM_WORD_NO_STOCK, -1}, {"售罄", GLIM_WORD_NO_STOCK, -1}, {"卖完", GLIM_WORD_NO_STOCK, -1}, {"满房", GLIM_WORD_NO_STOCK, -1},
    {"out of stock", GLIM_WORD_NO_STOCK, -1}, {"sold out", GLIM_WORD_NO_STOCK, -1}, {"unavailable", GLIM_WORD_NO_STOCK, -1},
    {"支持", GLIM_WORD_HAS, -1}, {"带", GLIM_WORD_HAS, -1}, {"具备", GLIM_WORD_HAS, -1}, {"含", GLIM_WORD_HAS, -1}, {"包含", GLIM_WORD_HAS, -1}, {"含有", GLIM_WORD_HAS, -1}, {"contain", GLIM_WORD_HAS, -1}, {"containing", GLIM_WORD_HAS, -1}, {"include", GLIM_WORD_HAS, -1}, {"with", GLIM_WORD_HAS, -1}, {"support", GLIM_WORD_HAS, -1}, {"supports", GLIM_WORD_HAS, -1}, {"has", GLIM_WORD_HAS, -1}, {"have", GLIM_WORD_HAS, -1},
    {"哪些", GLIM_WORD_LIST, -1}, {"哪款", GLIM_WORD_LIST, -1}, {"哪个", GLIM_WORD_LIST, -1}, {"哪种", GLIM_WORD_LIST, -1}, {"哪一款", GLIM_WORD_LIST, -1}, {"哪几款", GLIM_WORD_LIST, -1}, {"哪道", GLIM_WORD_LIST, -1}, {"哪间", GLIM_WORD_LIST, -1}, {"有没有", GLIM_WORD_LIST, -1}, {"推荐", GLIM_WORD_LIST, -1}, {"列出", GLIM_WORD_LIST, -1}, {"找", GLIM_WORD_LIST, -1}, {"想要", GLIM_WORD_LIST, -1}, {"想买", GLIM_WORD_LIST, -1},
    {"which", GLIM_WORD_LIST, -1}, {"what are", GLIM_WORD_LIST, -1}, {"recommend", GLIM_WORD_LIST, -1}, {"suggest", GLIM_WORD_LIST, -1}, {"list", GLIM_WORD_LIST, -1}, {"show me", GLIM_WORD_LIST, -1}, {"any", GLIM_WORD_LIST, -1}, {"anything", GLIM_WORD_LIST, -1}, {"something", GLIM_WORD_LIST, -1}, {"looking for", GLIM_WORD_LIST, -1}, {"find", GLIM_WORD_LIST, -1}, {"do you have", GLIM_WORD_LIST, -1}, {"do you sell", GLIM_WORD_LIST, -1},
    {"这款", GLIM_WORD_THIS, -1}, {"这个", GLIM_WORD_THIS, -1}, {"这台", GLIM_WORD_THIS, -1}, {"这部", GLIM_WORD_THIS, -1}, {"这副", GLIM_WORD_THIS, -1}, {"这件", GLIM_WORD_THIS, -1}, {"这只", GLIM_WORD_THIS, -1}, {"这道", GLIM_WORD_THIS, -1}, {"这间", GLIM_WORD_THIS, -1}, {"这种", GLIM_WORD_THIS, -1}, {"这把", GLIM_WORD_THIS, -1}, {"这块", GLIM_WORD_THIS, -1},
    {"它", GLIM_WORD_THIS, -1}, {"this", GLIM_WORD_THIS, -1}, {"that", GLIM_WORD_THIS, -1}, {"it", GLIM_WORD_THIS, -1}, {"its", GLIM_WORD_THIS, -1}, {"the one", GLIM_WORD_THIS, -1}, {"these", GLIM_WORD_THIS, -1}, {"those", GLIM_WORD_THIS, -1},
    {"比", GLIM_WORD_THAN, -1}, {"than", GLIM_WORD_THAN, -1}, {"贵一点", GLIM_WORD_MOST, P}, {"贵点", GLIM_WORD_MOST, P}, {"贵一些", GLIM_WORD_MOST, P},
    {"比较", GLIM_WORD_COMPARE, -1}, {"对比", GLIM_WORD_COMPARE, -1}, {"区别", GLIM_WORD_COMPARE, -1}, {"差别", GLIM_WORD_COMPARE, -1}, {"有什么不同", GLIM_WORD_COMPARE, -1}, {"哪个好", GLIM_WORD_COMPARE, -1}, {"哪款好", GLIM_WORD_COMPARE, -1}, {"哪个更好", GLIM_WORD_COMPARE, -1}, {"better", GLIM_WORD_COMPARE, -1}, {"compare", GLIM_WORD_COMPARE, -1}, {"difference", GLIM_WORD_COMPARE, -1}, {"differences", GLIM_WORD_COMPARE, -1}, {"versus", GLIM_WORD_COMPARE, -1}, {"vs", GLIM_WORD_COMPARE, -1},
#define G(s) {s, GLIM_WORD_GOODS, -1}
    G("商品"), G("产品"), G("东西"), G("菜品"), G("吃的菜"), G("吃的"), G("吃什么"), G("的菜"), G("菜单"), G("菜式"), G("货"), G("product"), G("products"), G("item"), G("items"), G("dish"), G("dishes"), G("food"), G("foods"), G("meal"), G("meals"), G("thing"), G("things"), G("stuff"), G("model"), G("models"), G("option"), G("options"), G("choice"), G("choices"), G("goods"), G("merchandise"), G("menu"), G("卖什么"), G("有什么"), G("有啥"), G("卖啥"), G("卖些什么"), G("有些什么"), G("what do you have"), G("what do you sell"), G("what have you got"), G("what you sell"), G("what you have"), {"菜", GLIM_WORD_GOODS, GLIM_WORD_ALONE},
#define F(s) {s, GLIM_WORD_FILLER, -1}
    F("请问"), F("今天"), F("今晚"), F("明天"), F("today"), F("tonight"), F("适合"), F("用"), F("一种"), F("一间"), F("一道"), F("几个"), F("介绍"), F("看看"), F("wondering"), F("你好"), F("您好"), F("你们"), F("我们"), F("我想"), F("我要"), F("来"), F("下单"), F("一下"), F("知道"), F("告诉我"), F("麻烦"), F("帮我"), F("可以"), F("能不能"), F("是否"), F("是不是"), F("多少"), F("什么"), F("怎么样"), F("怎样"), F("如何"),
    F("怎么"), F("一款"), F("这"), F("这两款"), F("这两个"), F("一个"), F("一台"), F("一部"), F("一副"), F("一些"), F("一点"), F("的话"), F("有吗"), F("好吗"), F("对吗"), F("价格"), F("店里"), F("店"), F("里面"), F("里"), F("现在"), F("目前"), F("还有"), F("款"), F("台"), F("卖"), F("买"), F("元"), F("块"),
    F("的"), F("了"), F("吗"), F("呢"), F("吧"), F("啊"), F("呀"), F("有"), F("是"), F("在"), F("和"), F("与"), F("跟"), F("或"), F("我"), F("你"), F("您"), F("能"), F("会"), F("要"), F("想"), F("给"), F("对"), F("把"), F("被"), F("就"), F("也"), F("都"), F("还"), F("又"), F("很"), F("更"), F("几"), F("多"), F("哪"), F("谁"), F("么"), F("个"), F("点"), F("价"),
    F("a"), F("an"), F("the"), F("is"), F("are"), F("was"), F("be"), F("do"), F("does"), F("did"), F("can"), F("could"), F("would"), F("will"), F("i"), F("me"), F("my"), F("we"), F("us"), F("you"), F("your"), F("they"), F("of"), F("in"), F("on"), F("at"), F("for"), F("from"), F("by"), F("or"), F("and"), F("to"),
    F("what"), F("whats"), F("what's"), F("how"), F("there"), F("please"), F("tell"), F("between"), F("之间"), F("want"), F("need"), F("like"), F("get"), F("give"), F("one"), F("ones"), F("some"), F("much"), F("many"), F("hi"), F("hello"), F("come"), F("comes"), F("also"), F("still"), F("now"), F("buy"), F("sell"), F("sold"), F("as"), F("if"), F("so"), F("too"), F("just"), F("yuan"), F("rmb"), F("cny"), F("s"), F("kind"), F("let"), F("know"), F("use"), F("am"), F("eat"), F("能吃"), F("吃点"), F("非常"), F("a little"), F("a bit"), F("特别"), F("一共"), F("总共"), F("总价"), F("合计"), F("加起来"), F("total"), F("in total"), F("altogether"), F("together"), F("but"), F("both"), F("then"), F("well"), F("really"), F("并且"), F("而且"), F("但是"), F("同时"), F("既"), F("in the shop"), F("in your shop"), F("in your store"), F("in the store"), F("on the menu"), F("in the hotel"), F("一位"), F("每人"), F("每位"), F("per person"), F("per head"), F("each"), F("bring"), F("稍"), F("allow"), F("allows"), {"好", GLIM_WORD_FILLER, GLIM_WORD_ALONE}, F("served"), F("serve"), {"加", GLIM_WORD_FILLER, GLIM_WORD_ALONE}, F("另加"), F("单加"), F("add"), F("adding"), F("not sure"), F("no idea"), F("no problem"),
};
const size_t glim_n_words = sizeof glim_words / sizeof *glim_words;
