/* value_words.c - see value_words.h. Each line is one value; a word that would be another thing's too ("red" of 红酒) stands in one line only. */
#include "know/value_words.h"

#include <string.h>

#include "base/alloc.h"

enum { WORDS = 7 };

static const char *const values[][WORDS] = {
    {"red", "红色"}, {"white", "白色"}, {"black", "黑色", "黑"}, {"blue", "蓝色", "蓝"}, {"green", "绿色", "绿"}, {"yellow", "黄色", "黄"}, {"pink", "粉色", "粉红色", "粉红"}, {"purple", "紫色", "紫"}, {"grey", "gray", "灰色", "灰"},
    {"brown", "棕色", "褐色", "咖啡色"}, {"orange", "橙色", "橘色"}, {"silver", "银色"}, {"gold", "golden", "金色"}, {"beige", "米色"}, {"transparent", "clear", "透明"},
    {"english", "英语", "英文", "英国语"}, {"chinese", "中文", "汉语", "华语"}, {"german", "德语", "德文"}, {"french", "法语", "法文"}, {"spanish", "西班牙语", "西语"}, {"italian", "意大利语"}, {"japanese", "日语", "日文"}, {"korean", "韩语", "韩文"},
    {"russian", "俄语", "俄文"}, {"portuguese", "葡萄牙语"}, {"dutch", "荷兰语"}, {"arabic", "阿拉伯语"},
    {"china", "中国", "国产", "made in china"}, {"germany", "德国", "deutschland"}, {"france", "法国", "frankreich"}, {"spain", "西班牙"}, {"italy", "意大利"}, {"japan", "日本"}, {"korea", "south korea", "韩国"}, {"usa", "united states", "us", "美国", "american"},
    {"uk", "united kingdom", "great britain", "英国", "british"}, {"portugal", "葡萄牙"}, {"australia", "澳大利亚", "澳洲", "australian"}, {"new zealand", "新西兰"}, {"chile", "智利", "chilean"}, {"argentina", "阿根廷", "argentinian", "argentine"},
    {"south africa", "南非", "south african"}, {"austria", "奥地利", "austrian"}, {"switzerland", "瑞士", "swiss"}, {"netherlands", "荷兰"}, {"sweden", "瑞典", "swedish"}, {"denmark", "丹麦", "danish"}, {"thailand", "泰国", "thai"}, {"vietnam", "越南", "vietnamese"},
    {"india", "印度", "indian"}, {"brazil", "巴西", "brazilian"}, {"canada", "加拿大", "canadian"}, {"mexico", "墨西哥", "mexican"}, {"greece", "希腊", "greek"}, {"turkey", "土耳其", "turkish"},
    {"leather", "真皮", "皮革", "皮质"}, {"fabric", "布艺", "布料"}, {"cotton", "纯棉", "棉质", "棉"}, {"oak", "橡木"}, {"pine", "松木"}, {"walnut", "胡桃木"}, {"glass", "玻璃"}, {"stainless steel", "stainless", "不锈钢"}, {"steel", "钢"}, {"plastic", "塑料"}, {"wood", "wooden", "木质"},
    {"rubber", "橡胶"}, {"silk", "真丝", "丝绸"}, {"wool", "羊毛"}, {"aluminium", "aluminum", "铝"}, {"ceramic", "陶瓷"},
    {"hardcover", "hardback", "精装"}, {"paperback", "softcover", "平装"}, {"beginner", "beginners", "初级", "入门"}, {"advanced", "高级"}, {"intermediate", "中级"}, {"online", "线上", "网课"},
};

/* What wines are called by their colour: of a red shirt nobody says so. */
static const char *const wines[][WORDS] = {{"red", "red wine", "红葡萄酒", "红酒"}, {"white", "white wine", "白葡萄酒"}, {"rosé", "rose", "rose wine", "桃红"}};

/* Adjectives of countries that are languages too: they mean the country only where a list says the country. */
static const char *const adjectives[][2] = {{"germany", "german"}, {"france", "french"}, {"spain", "spanish"}, {"italy", "italian"}, {"japan", "japanese"}, {"china", "chinese"}, {"korea", "korean"}, {"portugal", "portuguese"}, {"netherlands", "dutch"}};

const char *const *glim_value_words(const char *folded, bool wine) {
    static _Thread_local const char *words[2 * WORDS + 2];
    size_t n = 0;
    for (size_t i = 0; i < GLIM_COUNT(values) && n == 0; i++)
        for (size_t k = 0; k < WORDS && values[i][k]; k++)
            if (strcmp(values[i][k], folded) == 0) {
                for (size_t j = 0; j < WORDS && values[i][j]; j++)
                    if (j != k && strlen(values[i][j]) > 3) words[n++] = values[i][j]; /* one character alone is a part of too many words */
                for (size_t a = 0; a < GLIM_COUNT(adjectives); a++)
                    if (strcmp(adjectives[a][0], values[i][0]) == 0) words[n++] = adjectives[a][1];
                break;
            }
    for (size_t i = 0; i < GLIM_COUNT(wines) && wine; i++)
        for (size_t k = 0; k < WORDS && wines[i][k]; k++)
            if (strcmp(wines[i][k], folded) == 0) {
                for (size_t j = 0; j < WORDS && wines[i][j]; j++)
                    if (j != k) words[n++] = wines[i][j];
                break;
            }
    words[n] = NULL;
    return n ? words : NULL;
}
