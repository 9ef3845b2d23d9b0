/* heading_words.c - see heading_words.h. Chinese words of a line first, then English ones; what filter_words.c has is not here. */
#include "know/heading_words.h"

#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"

enum { WORDS = 5 }; /* one more than the longest list, which NULL ends */

static const struct {
    const char *zh[WORDS], *en[WORDS];
} headings[] = {
    {{"押金", "保证金"}, {"deposit"}},
    {{"日租金", "日租", "每日租金"}, {"daily rent", "rent per day", "daily rate", "rental price"}},
    {{"周租金", "周租"}, {"weekly rent", "rent per week", "weekly rate"}},
    {{"月租金", "月租"}, {"monthly rent", "rent per month", "monthly rate"}},
    {{"租金"}, {"rent", "rental", "rental price"}},
    {{"状态"}, {"status", "condition", "state"}},
    {{"备注", "说明"}, {"notes", "remarks", "note"}},
    {{"电压"}, {"voltage"}},
    {{"转速"}, {"speed", "rpm"}},
    {{"最长租期", "租期"}, {"longest rental", "rental period", "rent for"}},
    {{"起订量", "最小起订量", "起订"}, {"minimum order", "minimum order quantity", "moq"}},
    {{"口味", "味道", "风味"}, {"flavour", "flavor", "taste"}},
    {{"成分", "配料", "原料"}, {"ingredients"}},
    {{"过敏原", "致敏原"}, {"allergens"}},
    {{"甜度"}, {"sweetness"}},
    {{"储存方式", "保存方式", "储存", "保存"}, {"how to store", "storage method", "keep"}},
    {{"适用人群", "适合人群"}, {"suitable for", "who is it for"}},
    {{"适用车型", "适用型号"}, {"compatible with", "fits"}},
    {{"性别"}, {"sex", "gender"}},
    {{"款式", "风格"}, {"style"}},
    {{"形状"}, {"shape"}},
    {{"报名条件", "要求"}, {"requirements"}},
    {{"班型"}, {"class type"}},
    {{"上课时间"}, {"class time", "class times"}},
    {{"人数上限"}, {"group size", "maximum number of people"}},
    {{"名额"}, {"places"}},
    {{"通过率"}, {"pass rate"}},
    {{"镜片", "镜片类型"}, {"lens", "lenses"}},
    {{"镜框", "镜架"}, {"frame"}},
    {{"折射率"}, {"refractive index", "index"}},
    {{"纸张", "用纸"}, {"paper"}},
    {{"数量"}, {"quantity"}},
    {{"包装"}, {"packaging", "packing"}},
    {{"速度", "最高速度"}, {"speed", "top speed"}},
    {{"服务", "服务内容"}, {"service", "services"}},
    {{"门店", "分店"}, {"branch", "shop"}},
    {{"会员价"}, {"member price"}},
    {{"原价", "市场价"}, {"list price", "old price"}},
    {{"批发价"}, {"wholesale price", "trade price"}},
    {{"折扣"}, {"discount"}},
    {{"运费"}, {"shipping cost", "postage"}},
    {{"安装费"}, {"installation fee"}},
    {{"安装"}, {"installation"}},
    {{"发票"}, {"invoice"}},
    {{"电池"}, {"battery"}},
    {{"证书"}, {"certificate"}},
    {{"季节"}, {"season"}},
    {{"用途"}, {"use", "used for", "purpose"}},
    {{"场合", "适用场合"}, {"occasion"}},
    {{"花材"}, {"flowers"}},
    {{"品种"}, {"breed", "variety"}},
    {{"体型"}, {"size of animal"}},
};

static const char *const *find(const char *folded, bool other) {
    for (size_t i = 0; i < GLIM_COUNT(headings); i++)
        for (size_t k = 0; k < WORDS; k++) {
            if (headings[i].zh[k] && strcmp(headings[i].zh[k], folded) == 0) return other ? headings[i].en : headings[i].zh;
            if (headings[i].en[k] && strcmp(headings[i].en[k], folded) == 0) return other ? headings[i].zh : headings[i].en;
        }
    return NULL;
}

const char *const *glim_heading_words(const char *folded) { return find(folded, true); }

const char *const *glim_heading_synonyms(const char *folded) { return find(folded, false); }
