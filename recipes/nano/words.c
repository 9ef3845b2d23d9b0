/* words.c - made-up names, codes, dates and addresses. */
#include <stdio.h>
#include <string.h>

#include "nano.h"

static const char ZH_A[] = "星云海山风雷龙凤金银青蓝红白玉明华宏安泰康宁瑞祥鑫盛博雅诚信达通远航飞翔极光影音乐享优品质百川千禧新锐力德美佳欧亚乐居悦时尚朗晴禾麦森林泉石松竹梅兰菊荷露霜雪月辰曦晨夏秋冬春";
static const char ZH_B[] = "河雀鹰豹狮鹿鲸鹤燕鸿峰岭谷湾港城桥塔堡舟帆轮翼羽芯核源点线格域界境域门窗台阁轩斋坊铺栈园苑庭楼廊原野田畔洲岛屿潮浪波涛澜溪涧渊泽图卷章韵律弦琴鼓笛歌谣诗词画墨砚笔";
static const char *const SYL[] = {"ve", "lo", "ra", "ti", "ka", "mi", "no", "zen", "tor", "lux", "pha", "dri", "san", "bel", "cor", "qui", "jo", "wex", "fal", "gri",
                                  "hul", "ne", "so", "pi", "ar", "en", "ul", "is", "om", "ya", "ber", "cas", "dun", "el", "fo", "gan", "hi", "iv", "jul", "kro"};

static size_t zh_char(gen *g, const char *pool, char *out) {
    const size_t n = strlen(pool) / 3, at = below(g, n);
    memcpy(out, pool + 3 * at, 3);
    return 3;
}
/* Any ideograph: seen by its bytes, copied by its bytes. */
static size_t any_char(gen *g, char *out) {
    const unsigned c = 0x4e00u + (unsigned)below(g, 0x51a0);
    out[0] = (char)(0xe0 | c >> 12), out[1] = (char)(0x80 | (c >> 6 & 63)), out[2] = (char)(0x80 | (c & 63));
    return 3;
}

void word_of(gen *g, char *out) {
    size_t n = 0;
    if (g->zh) {
        if (chance(g, 6)) n += any_char(g, out), n += any_char(g, out + n);
        else {
            n += zh_char(g, ZH_A, out);
            n += chance(g, 50) ? zh_char(g, ZH_B, out + n) : zh_char(g, ZH_A, out + n);
            if (chance(g, 15)) n += zh_char(g, ZH_B, out + n);
        }
        out[n] = 0;
        return;
    }
    out[0] = 0;
    for (size_t i = 0, k = 2 + below(g, 2); i < k; i++) strcat(out, SYL[below(g, sizeof SYL / sizeof *SYL)]);
    out[0] = (char)(out[0] - 32);
}

static void suffix(gen *g, char *out) {
    static const char *const tails[] = {" Pro", " Max", " Mini", " Lite", " Plus", "S", "E", "T", " SE", " Ultra"};
    const char letter = (char)('A' + below(g, 26));
    char tail[16] = "";
    if (chance(g, 35)) snprintf(tail, sizeof tail, "%s", tails[below(g, 10)]);
    switch (below(g, 4)) {
    case 0: snprintf(out, 48, "%c%zu%s", letter, 1 + below(g, 99), tail); break;
    case 1: snprintf(out, 48, " %zu%s", 1 + below(g, 40), tail); break;
    case 2: snprintf(out, 48, "%c%c%zu", letter, (char)('A' + below(g, 26)), (1 + below(g, 99)) * (chance(g, 50) ? 10 : 1)); break;
    default: snprintf(out, 48, "%c%zu0%s", letter, 1 + below(g, 90), tail); break;
    }
}

static void one_name(gen *g, style s, char *out) {
    char a[64], b[64], c[64], w[64];
    switch (s) {
    case S_GADGET:
        word_of(g, w);
        suffix(g, a);
        snprintf(out, TEXT, "%s%s%s", w, !g->zh && a[0] != ' ' ? " " : "", a);
        break;
    case S_DISH:
        say(g, "香辣|清蒸|红烧|蒜蓉|糖醋|椒盐|葱油|酸菜|麻辣|干煸|白灼|爆炒|孜然|黑椒|豉汁|剁椒|咖喱|姜葱|蜜汁|五香", "Spicy|Steamed|Braised|Garlic|Sweet|Salted|Crispy|Sour|Grilled|Roast|Smoked|Fried|Pepper|Ginger|Honey|Curry|Lemon|Herb", a);
        say(g, "鸡丁|牛肉|排骨|鲈鱼|豆腐|虾仁|茄子|土豆|羊肉|鸭掌|五花肉|花蛤|鱿鱼|蘑菇|藕片|白菜|肥肠|鸡翅|年糕|玉米", "Chicken|Beef|Ribs|Bass|Tofu|Shrimp|Eggplant|Potato|Lamb|Duck|Pork|Clams|Squid|Mushroom|Lotus|Cabbage|Wings|Corn|Salmon|Turkey", b);
        say(g, "饭|面|煲|锅|盖饭|拌面|砂锅|小炒|套餐|汤|沙拉|卷|粥|披萨|米线", "Rice|Noodles|Pot|Stew|Bowl|Salad|Soup|Roll|Pizza|Set|Wrap|Pie|Skewers|Toast", c);
        if (chance(g, 40)) word_of(g, w);
        else w[0] = 0;
        snprintf(out, TEXT, g->zh ? "%s%s%s%s" : "%s%s%s %s %s", w, g->zh ? a : w[0] ? " " : "", g->zh ? b : a, g->zh ? c : b, g->zh ? "" : c);
        break;
    case S_ROOM:
        say(g, "湖景|海景|山景|园景|豪华|商务|标准|高级|行政|家庭|亲子|江景|庭院|复式", "Lake|Sea|Mountain|Garden|Deluxe|Business|Standard|Superior|Executive|Family|River|Courtyard|City|Corner", a);
        say(g, "大床房|双床房|套房|三人房|单人房|别墅|公寓|阁楼", "King Room|Twin Room|Suite|Triple Room|Single Room|Villa|Flat|Loft", b);
        word_of(g, w);
        snprintf(out, TEXT, g->zh ? "%s%s%s" : "%s %s %s", w, a, b);
        break;
    case S_WEAR:
        say(g, "宽松|修身|纯棉|加绒|防晒|速干|复古|休闲|轻薄|羊毛|牛仔|条纹|格子|连帽", "Loose|Slim|Cotton|Fleece|Sun|Dry|Retro|Casual|Light|Wool|Denim|Striped|Plaid|Hooded", a);
        say(g, "衬衫|外套|长裤|短裙|毛衣|卫衣|背心|风衣|运动鞋|帽子|围巾|手套|背包|短裤", "Shirt|Jacket|Trousers|Skirt|Sweater|Hoodie|Vest|Coat|Sneakers|Hat|Scarf|Gloves|Backpack|Shorts", b);
        word_of(g, w);
        snprintf(out, TEXT, g->zh ? "%s%s%s" : "%s %s %s", w, a, b);
        break;
    case S_BRAND:
        word_of(g, w);
        if (g->zh && chance(g, 40)) word_of(g, a), snprintf(out, TEXT, "%s%s", w, a);
        else snprintf(out, TEXT, "%s", w);
        break;
    default:
        if (g->zh) {
            static const char xing[] = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦许何吕施张孔曹严华金魏陶姜谢邹喻苏潘葛范彭鲁韦马方任袁柳鲍史唐费薛雷贺倪汤罗毕郝安常乐于傅齐康伍余元顾孟黄";
            size_t n = zh_char(g, xing, out);
            if (chance(g, 30)) snprintf(out + n, TEXT - n, "%s", chance(g, 50) ? "先生" : "女士");
            else {
                n += zh_char(g, ZH_A, out + n);
                if (chance(g, 60)) n += zh_char(g, ZH_B, out + n);
                out[n] = 0;
            }
        } else {
            word_of(g, w), word_of(g, a);
            snprintf(out, TEXT, "%s %s", w, a);
        }
    }
}

void name_of(gen *g, style s, char *out) {
    do one_name(g, s, out);
    while (held_out(out) != g->eval);
    set_add(g->names, hash_of(out));
}

void id_of(gen *g, char *out) {
    const char a = (char)('A' + below(g, 26)), b = (char)('A' + below(g, 26));
    switch (below(g, 6)) {
    case 0: snprintf(out, 33, "%c%03zu", a, below(g, 1000)); break;
    case 1: snprintf(out, 33, "R%zu", 1 + below(g, 400)); break;
    case 2: snprintf(out, 33, "%c-%zu", a, 100 + below(g, 900)); break;
    case 3: snprintf(out, 33, "%c%c%04zu", a, b, below(g, 10000)); break;
    case 4: snprintf(out, 33, "P%03zu", below(g, 1000)); break;
    default: snprintf(out, 33, "%c%c-%02zu-%c", a, b, below(g, 100), (char)('A' + below(g, 26))); break;
    }
}

void code_of(gen *g, char *out) {
    const char a = (char)('A' + below(g, 26)), b = (char)('A' + below(g, 26));
    switch (below(g, 4)) {
    case 0: snprintf(out, 33, "%c%c%06zu", a, b, below(g, 1000000)); break;
    case 1: snprintf(out, 33, "%zu%05zu", 10 + below(g, 90), below(g, 100000)); break;
    case 2: snprintf(out, 33, "%c%zu-%zu", a, 10 + below(g, 990), 100 + below(g, 900)); break;
    default: snprintf(out, 33, "%c%c%zu", a, b, 100 + below(g, 9900)); break;
    }
}

void date_of(gen *g, char *out) {
    static const char *const months[] = {"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"};
    char day[64];
    const size_t m = below(g, 12), d = 1 + below(g, 28);
    if (g->zh) {
        pick(g, "今天|明天|后天|周一|周二|周三|周四|周五|周六|周日|下周一|下周六", day);
        if (chance(g, 60)) snprintf(out, 64, "%zu月%zu日", m + 1, d);
        else snprintf(out, 64, "%s", day);
    } else {
        pick(g, "today|tomorrow|Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday|next Monday|next Friday", day);
        if (chance(g, 60)) snprintf(out, 64, "%s %zu", months[m], d);
        else snprintf(out, 64, "%s", day);
    }
}

void clock_of(gen *g, char *out) { snprintf(out, 64, "%zu:%02zu", 7 + below(g, 15), below(g, 4) * 15); }
void phone_of(gen *g, char *out) {
    if (g->zh) snprintf(out, 64, "1%zu%zu%08zu", 3 + below(g, 7), below(g, 10), below(g, 100000000));
    else snprintf(out, 64, "%03zu-%04zu", 200 + below(g, 800), below(g, 10000));
}
void address_of(gen *g, char *out) {
    char w[64];
    word_of(g, w);
    if (g->zh) snprintf(out, TEXT, "%s%s%zu号", w, chance(g, 50) ? "路" : "街", 1 + below(g, 300));
    else snprintf(out, TEXT, "%zu %s %s", 1 + below(g, 300), w, chance(g, 50) ? "Road" : "Street");
}
