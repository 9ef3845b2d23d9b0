/* heading_words.c - see heading_words.h. Chinese words of a line first, then English ones; what filter_words.c has is not here. */
#include "know/heading_words.h"

#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"

enum { WORDS = 6 }; /* one more than the longest list, which NULL ends */

/* What begins with '<' is read as a heading and asked by nobody: "can I use it outdoors", "do you have flowers" are no questions for a column. What
 * begins with '>' is only asked: a group size may be another thing than the most people. */
static const struct {
    const char *zh[WORDS], *en[WORDS];
} headings[] = {
    {{"押金", "保证金"}, {"deposit"}},
    {{"日租金", "日租", "每日租金"}, {"daily rent", "rent per day", "daily rate"}},
    {{"周租金", "周租"}, {"weekly rent", "rent per week", "weekly rate"}},
    {{"月租金", "月租"}, {"monthly rent", "rent per month", "monthly rate"}},
    {{"租金"}, {"rental price", "<rent", "<rental"}},
    {{"状态"}, {"status"}},
    {{"备注", "<说明"}, {"notes", "remarks"}},
    {{"电压"}, {"voltage"}},
    {{"转速"}, {"rotational speed", "rpm"}},
    {{"速度"}, {"speed"}},
    {{"最高速度"}, {"top speed", "maximum speed"}},
    {{"最长租期", "租期"}, {"longest rental", "rental period"}},
    {{"起订量", "最小起订量", "起订"}, {"minimum order", "minimum order quantity", "moq"}},
    {{"口味", "味道", "风味"}, {"flavour", "flavor", "<taste"}},
    {{"成分", "配料", "原料"}, {"ingredients"}},
    {{"过敏原", "致敏原"}, {"allergens"}},
    {{"甜度"}, {"sweetness"}},
    {{"储存方式", "保存方式", "<储存", "<保存"}, {"storage method", "how to store"}},
    {{"适用人群", "适合人群"}, {"target group", "who is it for"}},
    {{"适用车型", "适用型号"}, {"compatible models", "compatible with", "<fits"}},
    {{"性别"}, {"sex", "gender"}},
    {{"款式", "风格"}, {"<style"}},
    {{"形状"}, {"shape"}},
    {{"报名条件", "<要求"}, {"requirements"}},
    {{"班型"}, {"class type"}},
    {{"上课时间"}, {"class time", "class times"}},
    {{"人数上限"}, {"maximum number of people", ">group size"}},
    {{"名额"}, {"number of places"}},
    {{"通过率"}, {"pass rate"}},
    {{"折射率"}, {"refractive index"}},
    {{"纸张", "用纸"}, {"paper type", "<paper"}},
    {{"数量"}, {"quantity"}},
    {{"包装"}, {"<packaging"}},
    {{"会员价"}, {"member price"}},
    {{"原价", "市场价"}, {"list price", "old price"}},
    {{"批发价"}, {"wholesale price", "trade price"}},
    {{"折扣"}, {"discount"}},
    {{"运费"}, {"shipping cost", "postage"}},
    {{"安装费"}, {"installation fee"}},
    {{"电池"}, {"battery"}},
    {{"证书"}, {"certificate"}},
    {{"季节"}, {"<season"}},
    {{"用途"}, {"purpose", "used for", "<use"}},
    {{"场合", "适用场合"}, {"occasion"}},
    {{"花材"}, {"<flowers"}},
    {{"品种"}, {">breed", "<variety"}},
};

static bool is(const char *word, const char *folded) { return word && *word != '>' && strcmp(word + (*word == '<'), folded) == 0; }

static const char *const *find(const char *folded, bool other) {
    for (size_t i = 0; i < GLIM_COUNT(headings); i++)
        for (size_t k = 0; k < WORDS; k++) {
            if (is(headings[i].zh[k], folded)) return other ? headings[i].en : headings[i].zh;
            if (is(headings[i].en[k], folded)) return other ? headings[i].zh : headings[i].en;
        }
    return NULL;
}

const char *const *glim_heading_words(const char *folded) { return find(folded, true); }

const char *const *glim_heading_synonyms(const char *folded) { return find(folded, false); }
