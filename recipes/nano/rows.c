/* rows.c - rows of a library, questions about them, and answers that say what stands in a row and which row it is.
 *
 * The forms are those of docs/desk.md: rows are numbered, and the number of its row stands before each sentence, so that the
 * row is chosen once and the sentence is then read off it. Answers have few shapes, so that "right" means equal:
 *   a value         [1] {name}的{column}是{value}。       [1] The {column} of {name} is {value}.
 *   two values      [1] {name}的{a}是{v}，{b}是{w}。      [1] The {a} of {name} is {v} and the {b} is {w}.
 *   yes, no         支持{column}。  不支持{column}。       Yes, {name} has {column}.  No, {name} has no {column}.
 *   yes, and how    支持，{column}为{value}。              Yes, its {column} is {value}.
 *   two rows        one sentence for each, with its own number
 *   none            资料库里没有这个信息。                  This is not in the library. */
#include <stdio.h>
#include <string.h>

#include "nano.h"

typedef enum kind_of { NUM, LIST, YES, CODE, BRAND, TIME } kind_of;

typedef struct column {
    const char *zh, *en;
    kind_of kind;
    const char *unit_zh, *unit_en;
    size_t lo, hi, step;
    const char *list_zh, *list_en; /* LIST; YES: what may stand there instead of yes */
    const char *ask_zh, *ask_en;   /* its own questions, with {n} */
} column;

static const column COLUMNS[] = {
    {"价格", "price", NUM, "元", "CNY", 5, 9999, 1, 0, 0, "#{n}<多少钱/怎么卖/卖多少钱/卖多少/什么价/贵吗/贵不贵/要花多少钱/要多少钱/价位如何/价格是多少/价钱多少>|<买/拿下/入手>{n}<要多少钱/得花多少钱/要花多少/什么价>",
     "#<how much is/what is the price of/how expensive is/how much do I pay for/how much do you charge for/what do I pay for> {n}|<what/how much> does {n} cost</ me/ now>|what would {n} cost</ me>"},
    {"库存", "stock", NUM, "件", "pcs", 0, 500, 1, 0, 0, "#{n}<还有多少库存/还剩几件/还剩多少/库存有多少/库存多少/还有货吗/有没有货/有货吗/还有几件/仓库里还有多少/仓库里有几件>|<仓库里/店里/现在>还<有/剩><多少/几件>{n}",
     "#how many <of {n}/{n}> are <in stock/left/there/available>|how much stock <is left of/is there of/do you have of> {n}|is {n} <in stock/still available/available>|how many {n} do you <have/still have/have left>"},
    {"颜色", "colour", LIST, 0, 0, 0, 0, 0, "黑色|白色|红色|蓝色|绿色|灰色|金色|银色|紫色|粉色|棕色|米色", "black|white|red|blue|green|grey|gold|silver|purple|pink|brown|beige",
     "#{n}<是什么颜色/有什么颜色/是哪种颜色/的颜色是什么/是什么颜色的/什么色/颜色是哪种/有哪种颜色/有哪些颜色>|<什么/哪种>颜色的{n}",
     "#<what colour is/which colour is/in what colour is/what colour do you have for> {n}|<which/what> colour does {n} <come in/have>|in <what/which> colour can I <get/buy/have> {n}"},
    {"重量", "weight", NUM, "克", "g", 20, 4000, 5, 0, 0, "#{n}<有多重/多重/重量多少/重量是多少/多少克/有多少克/是多少克/重不重/称起来多重/的重量>|拿着{n}<重不重/有多重>",
     "#how heavy is {n}|<what/how much> does {n} weigh|how many grams <is/has/does> {n}</ in weight>|<what is/tell me> the weight of {n}"},
    {"屏幕", "screen", NUM, "英寸", "in", 5, 75, 1, 0, 0, "#{n}<屏幕多大/是多大的屏/屏幕几英寸/屏幕有几寸/屏有几寸/的屏是几英寸/屏幕有多大/屏幕多少英寸/的屏幕大吗>",
     "#how <big/large> is the <screen/display> of {n}|<what/which> screen does {n} have|how many inches <is/has> the screen of {n}|what is the <screen/screen size> of {n}"},
    {"电池", "battery", NUM, "mAh", "mAh", 200, 9000, 50, 0, 0, "#{n}<电池多大/电池容量多少/续航电池是多少/电池有多大/电量有多大/的电池是多少/电池是多大的/电池多少毫安/用多大的电池>",
     "#how <big/large/strong> is the battery of {n}|<what/which> battery <does {n} have/is in {n}>|how <big/large> a battery is in {n}|what is the battery of {n}"},
    {"无线充电", "wireless charging", YES, 0, 0, 0, 0, 0, "15W Qi|7.5W Qi|10W|30W|50W", "15W Qi|7.5W Qi|10W|30W|50W", "#{n}<支持无线充电吗/能无线充电吗/可以无线充吗/可以无线充电吗/能不能无线充/支不支持无线充电/有无线充电吗/充电能用无线吗/带无线充电吗>",
     "#does {n} <support/have/come with/offer> wireless charging|is there wireless charging <on/with> {n}|do I get wireless charging <on/with> {n}|can <{n} charge/I charge {n}> <without a cable/wirelessly>|is {n} charged <wirelessly/without a cable>"},
    {"保修", "warranty", NUM, "个月", "months", 3, 60, 3, 0, 0, "#{n}<保修多久/保修几个月/的保修期多长/保修期多久/能保修多久/坏了能保修多久/质保多久/质保几个月/保修多长时间>|买{n}保修<多久/几个月>",
     "#how long is <the warranty of {n}/{n} under warranty>|<what/which> warranty <does {n} have/is on {n}>|how many months of warranty <has {n}/does {n} have>|for how long is the warranty of {n}"},
    {"防水", "water resistance", YES, 0, 0, 0, 0, 0, "IP67|IP68|IPX4|IPX7|50米", "IP67|IP68|IPX4|IPX7|50 m", "#{n}<防水吗/能防水吗/支持防水吗/防不防水/可以防水吗/怕不怕水/怕水吗/有防水吗/能进水吗/能泡水吗>",
     "#is {n} <waterproof/water resistant/safe in water>|does {n} <have/offer> water resistance|is there water resistance <on/with> {n}|can {n} <get wet/go under water>|how waterproof is {n}"},
    {"存储", "storage", NUM, "GB", "GB", 8, 2048, 8, 0, 0, "#{n}<存储多大/内存有多少/有多少GB存储/存储空间多大/内存多大/的存储是多少/有多少GB/存储有多少/内存多少GB>",
     "#how much <storage/memory> <does {n} have/is in {n}/has {n}>|<what/how big> is the storage of {n}|how many GB <are in/has> {n}"},
    {"材质", "material", LIST, 0, 0, 0, 0, 0, "棉|羊毛|皮革|铝合金|塑料|不锈钢|木头|玻璃|陶瓷|尼龙|亚麻|真丝", "cotton|wool|leather|aluminium|plastic|steel|wood|glass|ceramic|nylon|linen|silk",
     "#{n}<是什么材质/用什么做的/的材质是什么/是什么做的/什么材料/什么材质/什么料子/是用什么材料做的/用的什么料>",
     "#what is {n} made <of/from/out of>|<what/which> material is {n}</ made of>|of <what/which> material is {n}"},
    {"尺码", "size", LIST, 0, 0, 0, 0, 0, "S|M|L|XL|XXL|均码|36|38|40|42", "S|M|L|XL|XXL|one size|36|38|40|42", "#{n}<是什么尺码/有什么码/的尺码是什么/是多大码/多大码/什么码/尺码多大/是几码/有几码的>",
     "#<what/which> size <is {n}/does {n} come in/has {n}/do you have of {n}>|in <what/which> size <is/can I get/do you have> {n}"},
    {"蓝牙", "bluetooth", YES, 0, 0, 0, 0, 0, "5.0|5.1|5.2|5.3|4.2", "5.0|5.1|5.2|5.3|4.2", "#{n}<支持蓝牙吗/有蓝牙吗/能连蓝牙吗/可以连蓝牙吗/可以用蓝牙吗/带蓝牙吗/蓝牙可以用吗/能用蓝牙吗/支不支持蓝牙>",
     "#does {n} <have/support/come with> bluetooth|can {n} <connect by/use> bluetooth|can I <connect {n} by bluetooth/use bluetooth on {n}/use bluetooth with {n}>|is there bluetooth on {n}"},
    {"产地", "origin", LIST, 0, 0, 0, 0, 0, "深圳|杭州|广州|上海|北京|成都|苏州|青岛|越南|日本|德国|泰国", "Shenzhen|Hangzhou|Guangzhou|Shanghai|Beijing|Chengdu|Suzhou|Qingdao|Vietnam|Japan|Germany|Thailand",
     "#{n}<产地是哪里/是哪里产的/在哪生产的/是在哪里生产的/是哪里做的/的产地/产自哪里/从哪里来的/是哪儿产的>",
     "#where is {n} <made/from/produced>|where <does {n} come/do you get {n}> from|<what/which> place is {n} from|what is the origin of {n}"},
    {"辣度", "spiciness", LIST, 0, 0, 0, 0, 0, "不辣|微辣|中辣|特辣", "not spicy|mild|medium|very hot", "#{n}<辣吗/有多辣/辣度怎么样/辣不辣/会不会很辣/会辣吗/的辣度/是多辣的/很辣吗/是什么辣度>",
     "#how <spicy/hot> is {n}|is {n} <spicy/hot/very spicy/very hot>|<what is the spiciness/how spicy is the taste> of {n}"},
    {"主料", "main ingredient", LIST, 0, 0, 0, 0, 0, "鸡肉|牛肉|猪肉|羊肉|鱼|虾|豆腐|鸡蛋|蘑菇|土豆|米饭|面", "chicken|beef|pork|lamb|fish|shrimp|tofu|egg|mushroom|potato|rice|noodles",
     "#{n}<主料是什么/用什么做主料/里面主要是什么/主要是什么/主要用什么做的/的主料/是用什么做的/主料用的什么>|{n}里<主要是/有>什么",
     "#what is <the main ingredient of {n}/in {n} mostly/{n} mostly made with/{n} mostly made of/mainly in {n}>|<what/which> main ingredient <has {n}/does {n} have>"},
    {"份量", "serving", NUM, "人份", "people", 1, 8, 1, 0, 0, "#{n}<够几个人吃/是几人份/份量多大/是几个人的份量/能几个人吃/几个人吃合适/是几人的份/够几人吃/够吃几个人>",
     "#<how many people/for how many people> <does {n} serve/is {n}>|how big is <the serving of {n}/a serving of {n}>|how many can eat {n}"},
    {"热量", "calories", NUM, "千卡", "kcal", 60, 1500, 10, 0, 0, "#{n}<热量多少/有多少卡路里/热量高吗/热量是多少/多少千卡/有多少热量/的热量/卡路里多少/多少卡>",
     "#how many calories <are in {n}/has {n}/does {n} have>|<what are the calories of/tell me the calories of/are there many calories in> {n}"},
    {"素食", "vegetarian", YES, 0, 0, 0, 0, 0, 0, 0, "#{n}<是素食吗/是素的吗/是不是素食/是不是素的/算素食吗/素不素/是全素的吗>|吃素的人能<点/吃>{n}吗",
     "#is {n} <vegetarian/a vegetarian dish/for vegetarians>|does {n} count as vegetarian|can vegetarians <eat/have/order> {n}|is {n} fine for <vegetarians/a vegetarian>"},
    {"床型", "bed", LIST, 0, 0, 0, 0, 0, "大床|双床|单人床|上下铺|榻榻米|圆床", "king bed|twin beds|single bed|bunk bed|queen bed|sofa bed", "#{n}<是什么床/床型是什么/里是大床吗/是什么床型/有什么床/里是什么床/的床是哪种/睡的是哪种床/是哪种床>",
     "#<what/which> bed <does {n} have/is in {n}/has {n}/do I get in {n}>|what kind of bed is <in {n}/there in {n}>"},
    {"面积", "area", NUM, "平方米", "m2", 12, 200, 1, 0, 0, "#{n}<有多大/面积多少/多少平方米/有多少平方米/面积有多大/面积多大/是多少平方米的/的面积>",
     "#how <large/big> is {n}|what is the <area/size> of {n}|how many square metres <is/has/are in> {n}"},
    {"早餐", "breakfast", YES, 0, 0, 0, 0, 0, "单早|双早|自助", "for one|for two|buffet", "#{n}<含早餐吗/有早餐吗/带早餐吗/含不含早餐/有没有早餐/送早餐吗/包早餐吗/带不带早餐/早餐包不包>|订{n}<有/送/含>早餐吗",
     "#does {n} <include breakfast/come with breakfast/have breakfast>|is breakfast <included in {n}/part of {n}/included with {n}>|do I get breakfast <with/in> {n}"},
    {"楼层", "floor", NUM, "楼", "", 1, 40, 1, 0, 0, "#{n}<在几楼/是几层/在哪一层/在哪层楼/是几楼/在第几层/楼层高吗/在多高的楼层/的楼层>",
     "#<which/what> floor is {n} on|on <which/what> floor is {n}|how high up is <{n}/the floor of {n}>|what is the floor of {n}"},
    {"窗户", "window", YES, 0, 0, 0, 0, 0, 0, 0, "#{n}<有窗户吗/带窗吗/有没有窗/有没有窗户/带不带窗/是有窗的吗/能开窗吗/里有窗吗>",
     "#does {n} have <a window/windows>|is there a window in {n}|<can I open a/is there any> window in {n}|<has {n}/does {n} come with> a window"},
    {"可住", "guests", NUM, "人", "people", 1, 6, 1, 0, 0, "#{n}<能住几个人/可住几人/住得下几个人/能住几人/可以住几个人/最多住几个人/最多住几位/住几个人>",
     "#how many <guests/people> <can stay in/fit in/can sleep in/may stay in/can live in> {n}|for how many <guests/people> is {n}"},
    {"入住时间", "check-in", TIME, 0, 0, 0, 0, 0, 0, 0, "#{n}<几点可以入住/什么时候入住/入住时间是几点/几点能入住/最早几点入住/什么时候可以入住/从几点开始入住/入住是几点>",
     "#<when/at what time/from when/from what time> <can I check in to/may I check in to/is check-in for> {n}|what is the check-in time of {n}"},
    {"功率", "power", NUM, "瓦", "W", 5, 3000, 5, 0, 0, "#{n}<功率多大/多少瓦/的功率是多少/功率有多大/有多少瓦/是多少瓦的/功率多少/的功率>",
     "#<what/how much> power <does {n} have/has {n}/does {n} need>|how many watts <does {n} have/does {n} need/has {n}>|how <strong/powerful> is {n}"},
    {"容量", "capacity", NUM, "升", "l", 1, 120, 1, 0, 0, "#{n}<容量多大/能装多少/几升的/容量是多少/能装几升/有几升/装得下多少升/能装多少升/是几升的>",
     "#<what is the capacity of/how big is the capacity of/how many litres are in> {n}|how <much/many litres> <fits into/fit into/can I put into> {n}|how many litres does {n} hold"},
    {"品牌", "brand", BRAND, 0, 0, 0, 0, 0, 0, 0, "#{n}<是什么牌子/什么品牌/的品牌是什么/是哪个牌子/是哪个品牌/什么牌子的/是哪家的牌子/的牌子>",
     "#<what/which> brand <is {n}/makes {n}/made {n}/has {n}/does {n} have>|of <what/which> brand is {n}"},
    {"配送", "delivery", NUM, "天", "days", 1, 15, 1, 0, 0, "#{n}<几天能到/配送要几天/多久能送到/要几天送到/配送多久/几天送到/多久能到/要送几天>|买{n}<几天能到/要等几天/配送要多久>",
     "#how <long/many days> does <delivery of {n}/the delivery of {n}/it take to deliver {n}> <take/last>|when <will {n} arrive/is {n} delivered>|how many days until <I get {n}/{n} arrives>"},
    {"型号", "model", CODE, 0, 0, 0, 0, 0, 0, 0, "#{n}<型号是什么/是哪个型号/是什么型号/的型号是多少/的型号/型号是哪个/什么型号>",
     "#<what/which> model <is {n}/number has {n}/code has {n}/number does {n} have>|what is the model <code/number> of {n}"},
    {"营业时间", "opening time", TIME, 0, 0, 0, 0, 0, 0, 0, "#{n}<几点开门/几点营业/什么时候开始营业/几点开始营业/什么时候开门/早上几点开门/从几点开门/营业从几点开始>",
     "#<when/at what time/from when/from what time> <does {n} open/is {n} open>|what is the opening time of {n}"},
};
enum { N_COLUMNS = sizeof COLUMNS / sizeof *COLUMNS };

/* Columns of which only the name is known. */
static const char EXTRA_ZH[] = "噪音|接口|香型|口味|等级|编码|货架|批次|版本|系统|镜头|像素|厚度|长度|宽度|高度|年份|规格|包装|押金|座位|车位|电话分机|主播|季节|适用年龄|订金|浓度|转速|温度|度数|层数|门数|频率|亮度|距离|速度|积分|折扣|评分|销量|运费";
static const char EXTRA_EN[] = "noise|port|flavour|grade|shelf|batch|version|system|lens|pixels|thickness|length|width|height|year|package|deposit|seats|parking|extension|season|minimum age|strength|speed|temperature|layers|doors|frequency|brightness|range|points|discount|rating|sales|shipping|rank|zone|level|series|code";

typedef struct kind {
    const char *zh, *en, *these; /* these: how a Chinese customer points at one */
    style s;
    const char *columns; /* letters from 'A' */
} kind;
#define GADGET "ABCDEFGHIJMN]_^"
static const kind KINDS[] = {
    {"手机", "phone", "这款", S_GADGET, GADGET}, {"耳机", "headset", "这款", S_GADGET, "ABCDFGHIM]^"}, {"手表", "watch", "这块", S_GADGET, "ABCDEFGHIKM]"},
    {"电脑", "laptop", "这台", S_GADGET, "ABCDEFHJMN]^"}, {"音箱", "speaker", "这个", S_GADGET, "ABCDFHIM[]"}, {"水壶", "kettle", "这个", S_GADGET, "ABCDHK[\\]N"},
    {"衣服", "item", "这件", S_WEAR, "ABCKLN]^"}, {"商品", "product", "这个", S_WEAR, "ABCDKN]^"}, {"菜", "dish", "这道", S_DISH, "AOPQRSB"}, {"套餐", "meal", "这份", S_DISH, "AOPQRS"},
    {"房间", "room", "这间", S_ROOM, "ATUVWXYZ"}, {"房型", "room", "这个", S_ROOM, "ATUVWXYZ"}, {"酒店", "hotel", "这家", S_BRAND, "AV`ZY"}, {"餐厅", "restaurant", "这家", S_BRAND, "A`V^"}};
enum { N_KINDS = sizeof KINDS / sizeof *KINDS };

typedef struct cell {
    const column *c;      /* NULL: a column of which only the name is known */
    char name[64], value[TEXT];
    bool said_yes, said_no; /* a YES column's own words */
} cell;
typedef struct row {
    char id[4], name[TEXT]; /* id: its number among the rows */
    const kind *k;
    cell cells[CELLS];
    size_t n;
} row;

static bool is_wide(const char *s) { return (unsigned char)s[0] >= 0xe3; }

static void value_of(gen *g, const column *c, cell *x) {
    char *v = x->value;
    const char *unit = g->zh ? c->unit_zh : c->unit_en;
    size_t n;
    x->said_yes = x->said_no = false;
    switch (c->kind) {
    case NUM:
        n = c->lo + below(g, (c->hi - c->lo) / c->step + 1) * c->step;
        if (chance(g, 30) && n > 100) n = n / 100 * 100 + (chance(g, 50) ? 99 : 0);
        snprintf(v, TEXT, unit[0] ? is_wide(unit) ? "%zu%s" : "%zu %s" : "%zu%s", n, unit);
        break;
    case LIST:
        say(g, c->list_zh, c->list_en, v);
        if (chance(g, 15)) {
            char more[TEXT];
            say(g, c->list_zh, c->list_en, more);
            if (strcmp(more, v) != 0) snprintf(v + strlen(v), TEXT - strlen(v), "%s%.60s", g->zh ? "、" : ", ", more);
        }
        break;
    case YES:
        x->said_yes = chance(g, c->list_zh ? 25 : 55), x->said_no = !x->said_yes && chance(g, c->list_zh ? 35 : 100);
        if (x->said_yes) snprintf(v, TEXT, "%s", g->zh ? "是" : "yes");
        else if (x->said_no) snprintf(v, TEXT, "%s", g->zh ? "否" : "no");
        else say(g, c->list_zh, c->list_en, v);
        break;
    case CODE: code_of(g, v); break;
    case BRAND: word_of(g, v); break;
    default: clock_of(g, v);
    }
}

static void extra_value(gen *g, cell *x) {
    char w[TEXT];
    say(g, EXTRA_ZH, EXTRA_EN, x->name);
    switch (below(g, 4)) {
    case 0: snprintf(x->value, TEXT, "%zu", below(g, 2000)); break;
    case 1: code_of(g, x->value); break;
    case 2: word_of(g, x->value); break;
    default:
        word_of(g, w);
        snprintf(x->value, TEXT, "%zu %.64s", 1 + below(g, 90), w);
    }
}

static bool has_column(const row *r, const char *name) {
    for (size_t i = 0; i < r->n; i++)
        if (strcmp(r->cells[i].name, name) == 0) return true;
    return false;
}

static void add_cell(gen *g, row *r, const column *c) {
    cell *x = &r->cells[r->n];
    x->c = c;
    if (c) {
        snprintf(x->name, sizeof x->name, "%s", g->zh ? c->zh : c->en);
        if (!has_column(r, x->name)) value_of(g, c, x), r->n++;
    } else {
        cell y = {0};
        extra_value(g, &y);
        if (!has_column(r, y.name)) *x = y, r->n++;
    }
}

static const column *some_column(gen *g, const kind *k) {
    return &COLUMNS[k->columns[below(g, strlen(k->columns))] - 'A'];
}

static void make_row(gen *g, row *r, const kind *k, size_t n_cells) {
    *r = (row){.k = k};
    name_of(g, k->s, r->name);
    if (chance(g, 20)) { /* and what it is */
        char full[TEXT];
        snprintf(full, sizeof full, "%.100s%s%s", r->name, g->zh && chance(g, 50) ? "" : " ", g->zh ? k->zh : k->en);
        if (held_out(full) == g->eval) snprintf(r->name, sizeof r->name, "%s", full), set_add(g->names, hash_of(full));
    }
    for (size_t tries = 0; r->n < n_cells && tries < 40; tries++) add_cell(g, r, chance(g, 25) ? NULL : some_column(g, k));
}

/* Rows of one library, numbered, columns mostly the same. */
static size_t make_rows(gen *g, row *rows, size_t n) {
    const kind *k = &KINDS[below(g, N_KINDS)];
    const size_t cells = 1 + below(g, n > 2 ? 5 : 6);
    const bool alike = chance(g, 60);
    for (size_t i = 0; i < n; i++) {
        make_row(g, &rows[i], k, cells);
        snprintf(rows[i].id, sizeof rows[i].id, "%zu", 1 + i % ROWS);
        for (size_t j = 0; alike && i > 0 && j < rows[0].n; j++) { /* the same columns, other values */
            cell *x = &rows[i].cells[j];
            *x = rows[0].cells[j];
            if (x->c) value_of(g, x->c, x);
            else {
                cell y = {0};
                extra_value(g, &y);
                snprintf(x->value, TEXT, "%s", y.value);
            }
        }
        if (alike && i > 0) rows[i].n = rows[0].n;
        if (i > 0 && chance(g, 25)) { /* a neighbour by name: X5 and X5 Pro */
            char near[TEXT];
            snprintf(near, sizeof near, "%.120s%s", rows[0].name, g->zh ? k->s == S_GADGET ? " Pro" : "二号" : " Plus");
            if (strlen(rows[0].name) < 100 && held_out(near) == g->eval) {
                snprintf(rows[i].name, TEXT, "%s", near);
                set_add(g->names, hash_of(near));
            }
        }
        for (size_t j = 0; j < i; j++)
            if (strcmp(rows[j].name, rows[i].name) == 0) return make_rows(g, rows, n);
    }
    return n;
}

static void put_row(glim_buf *b, const row *r) {
    glim_buf_printf(b, "[%s] ", r->id);
    put_slot(b, r->name);
    for (size_t i = 0; i < r->n; i++) {
        glim_buf_puts(b, " | ");
        put_slot(b, r->cells[i].name);
        glim_buf_puts(b, ": ");
        put_slot(b, r->cells[i].value);
    }
}

/* ---- questions and answers ---- */

static void put_frame(gen *g, glim_buf *b, const glim_buf *q) {
    char frame[TEXT];
    say(g, "{q}？|请问{q}？|你好，{q}？|想问一下{q}？|老板，{q}？|{q}呀？|帮我看下{q}？|*你好，请问{q}？|*老板，想问一下{q}？|*请问{q}呀？",
        "{q}?|Hi, {q}?|Please tell me, {q}?|Hello, {q}?|Quick question: {q}?|{q}, please?|*Hello, please tell me, {q}?|*Hi, quick question: {q}?|*Hi, {q}, please?", frame);
    const slot s[] = {{'q', glim_buf_cstr(q)}};
    const char *at = strstr(frame, "{q}");
    glim_buf all = {0};
    glim_buf_append(&all, frame, (size_t)(at - frame));
    glim_buf_puts(&all, s[0].text);
    glim_buf_puts(&all, at + 3);
    size_t first = 0;
    while (all.s[first] == OPEN) first++;
    if (!g->zh && all.s[first] >= 'a' && all.s[first] <= 'z') all.s[first] = (char)(all.s[first] - 32);
    glim_buf_append(b, all.s, all.len);
    glim_buf_free(&all);
}

static void subject(gen *g, const row *r, bool pointed, char *out) {
    char w[TEXT];
    if (!pointed) snprintf(out, TEXT, "%s", r->name);
    else if (g->zh) snprintf(out, TEXT, "%s%s", chance(g, 80) ? r->k->these : pick(g, "这个|这种|它这款", w), chance(g, 80) ? r->k->zh : "");
    else snprintf(out, TEXT, "%s %s", chance(g, 75) ? "this" : "the", r->k->en);
}

/* A question for one cell, without its frame. */
static void ask_cell(gen *g, glim_buf *q, const cell *x, const char *subject_text) {
    char t[TEXT];
    if (x->c && chance(g, 65)) say(g, x->c->ask_zh, x->c->ask_en, t);
    else if (x->c && x->c->kind == YES)
        say(g, "{n}支持{c}吗|{n}有{c}吗|{n}有没有{c}|{n}带{c}吗|*{n}支不支持{c}", "does {n} have {c}|is there {c} with {n}|does {n} come with {c}|*do I get {c} with {n}", t);
    else
        say(g, "{n}的{c}是多少|{n}的{c}是什么|{n}{c}多少|{n}{c}是啥|{n}的{c}|*{n}的{c}是啥|*{n}{c}是多少",
            "what is the {c} of {n}|which {c} does {n} have|what {c} has {n}|*what is the {c} for {n}|*which {c} has {n}", t);
    const slot s[] = {{'n', subject_text}, {'c', x->name}};
    fill(q, t, s, 2, false);
}

/* What the row says about the cell, as value text `value` (for wrong answers: another one). */
static void answer_cell(gen *g, glim_buf *b, const row *r, const cell *x, const char *value, const char *id) {
    const char *t;
    if (x->c && x->c->kind == YES) {
        if (x->said_yes) t = g->zh ? "支持{c}。" : "Yes, {n} has {c}.";
        else if (x->said_no) t = g->zh ? "不支持{c}。" : "No, {n} has no {c}.";
        else t = g->zh ? "支持，{c}为{v}。" : "Yes, its {c} is {v}.";
    } else t = g->zh ? "{n}的{c}是{v}。" : "The {c} of {n} is {v}.";
    const slot s[] = {{'n', r->name}, {'c', x->name}, {'v', value}};
    glim_buf_printf(b, "[%s] ", id);
    fill(b, t, s, 3, false);
}

static const char *column_of(const cell *x) { return x->c ? x->c->en : "other"; }

static const char *none(const gen *g) { return g->zh ? "资料库里没有这个信息。" : "This is not in the library."; }

typedef struct qa {
    glim_buf q, a, wrong;
} qa;

/* A value that is not the cell's: another row's, or a new one. */
static void other_value(gen *g, const row *rows, size_t n, const row *r, const cell *x, char *out) {
    cell y = *x;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < rows[i].n; j++)
            if (&rows[i] != r && strcmp(rows[i].cells[j].name, x->name) == 0 && strcmp(rows[i].cells[j].value, x->value) != 0) {
                snprintf(out, TEXT, "%s", rows[i].cells[j].value);
                return;
            }
    do {
        if (x->c) value_of(g, x->c, &y);
        else extra_value(g, &y);
    } while (strcmp(y.value, x->value) == 0);
    snprintf(out, TEXT, "%s", y.value);
}

static void right_qa(gen *g, const row *rows, size_t n, qa *o) {
    const size_t at = below(g, n);
    const row *r = &rows[at];
    const cell *x = &r->cells[below(g, r->n)];
    const int way = (int)below(g, 100);
    char who[TEXT], v[TEXT];
    glim_buf q = {0};
    const bool yes = x->c && x->c->kind == YES;
    if (way < 8 && r->n > 1 && !yes) { /* two values of a row */
        const cell *y = x == r->cells ? &r->cells[1] : &r->cells[0];
        if (!(y->c && y->c->kind == YES)) {
            char t[TEXT];
            say(g, "{n}的{c}和{d}是多少|{n}的{c}、{d}分别是什么|*{n}的{c}、{d}是多少", "what are the {c} and the {d} of {n}|what {c} and {d} does {n} have|*which {c} and {d} does {n} have", t);
            subject(g, r, at == 0 && chance(g, 20), who);
            const slot s[] = {{'n', who}, {'c', x->name}, {'d', y->name}};
            fill(&q, t, s, 3, false);
            put_frame(g, &o->q, &q);
            const slot a[] = {{'n', r->name}, {'c', x->name}, {'v', x->value}, {'d', y->name}, {'w', y->value}};
            glim_buf_printf(&o->a, "[%s] ", r->id);
            fill(&o->a, g->zh ? "{n}的{c}是{v}，{d}是{w}。" : "The {c} of {n} is {v} and the {d} is {w}.", a, 5, false);
            glim_buf_puts(&o->wrong, none(g));
            glim_buf_free(&q);
            return;
        }
    }
    if (way < 16 && n > 1 && !yes) { /* the same of two rows */
        const row *p = &rows[at == 0 ? 1 : 0];
        for (size_t j = 0; j < p->n; j++)
            if (strcmp(p->cells[j].name, x->name) == 0) {
                char t[TEXT];
                say(g, "{n}和{m}的{c}分别是多少|{n}跟{m}的{c}各是多少|*{n}和{m}的{c}各是多少", "what are the {c} of {n} and of {m}|what {c} do {n} and {m} have|*which {c} do {n} and {m} have", t);
                const slot s[] = {{'n', r->name}, {'m', p->name}, {'c', x->name}};
                fill(&q, t, s, 3, false);
                put_frame(g, &o->q, &q);
                note_sense(g, "column", column_of(x), glim_buf_cstr(&o->q));
                answer_cell(g, &o->a, r, x, x->value, r->id);
                glim_buf_putc(&o->a, ' ');
                answer_cell(g, &o->a, p, &p->cells[j], p->cells[j].value, p->id);
                glim_buf_puts(&o->wrong, none(g));
                glim_buf_free(&q);
                return;
            }
    }
    subject(g, r, at == 0 && chance(g, n == 1 ? 45 : 30), who);
    ask_cell(g, &q, x, who);
    put_frame(g, &o->q, &q);
    note_sense(g, "column", column_of(x), glim_buf_cstr(&o->q));
    answer_cell(g, &o->a, r, x, x->value, r->id);
    if (yes || chance(g, 40)) glim_buf_puts(&o->wrong, none(g));
    else {
        other_value(g, rows, n, r, x, v);
        answer_cell(g, &o->wrong, r, x, v, chance(g, 50) ? r->id : rows[below(g, n)].id);
    }
    glim_buf_free(&q);
}

/* A question that the rows do not answer. */
static void missing_qa(gen *g, const row *rows, size_t n, qa *o) {
    row other = {0};
    glim_buf q = {0};
    char who[TEXT];
    const kind *k = n ? rows[0].k : &KINDS[below(g, N_KINDS)];
    cell x = {0};
    const int way = (int)below(g, 100);
    if (way < 12) {
        chat_line(g, &o->q);
        note_sense(g, "column", "other", glim_buf_cstr(&o->q));
        if (n && rows[0].n) answer_cell(g, &o->wrong, &rows[0], &rows[0].cells[0], rows[0].cells[0].value, rows[0].id);
    } else if (way < 55 || n == 0) { /* a name that is not there */
        make_row(g, &other, k, 2);
        for (size_t i = 0; i < n; i++)
            if (strcmp(other.name, rows[i].name) == 0) make_row(g, &other, k, 2), i = 0;
        const row *of = n && rows[0].n ? &rows[0] : &other;
        x = of->cells[below(g, of->n)];
        ask_cell(g, &q, &x, other.name);
        put_frame(g, &o->q, &q);
        note_sense(g, "column", column_of(&x), glim_buf_cstr(&o->q));
        answer_cell(g, &o->wrong, &other, &x, x.value, of->id[0] ? of->id : "1");
    } else { /* a column that the row lacks */
        const size_t at = below(g, n);
        const row *r = &rows[at];
        row full = *r;
        for (size_t tries = 0; tries < 60; tries++) {
            full.n = 0;
            add_cell(g, &full, chance(g, 25) ? NULL : some_column(g, k));
            if (full.n && !has_column(r, full.cells[0].name)) break;
        }
        x = full.cells[0];
        subject(g, r, at == 0 && chance(g, 40), who);
        ask_cell(g, &q, &x, who);
        put_frame(g, &o->q, &q);
        note_sense(g, "column", column_of(&x), glim_buf_cstr(&o->q));
        answer_cell(g, &o->wrong, r, &x, r->n && chance(g, 50) ? r->cells[0].value : x.value, r->id);
        if (has_column(r, x.name)) { /* every column is there: a question that cannot be */
            glim_buf_clear(&o->q);
            glim_buf_clear(&o->wrong);
            chat_line(g, &o->q);
        }
    }
    glim_buf_puts(&o->a, none(g));
    glim_buf_free(&q);
}

static void put_all_rows(gen *g, glim_buf *b, const row *rows, size_t n) {
    glim_buf_puts(b, g->zh ? "资料：\n" : "Rows:\n");
    if (n == 0) glim_buf_puts(b, g->zh ? "（无）\n" : "(none)\n");
    for (size_t i = 0; i < n; i++) {
        put_row(b, &rows[i]);
        glim_buf_putc(b, '\n');
        for (size_t j = 0; j < rows[i].n; j++) note_sense(g, "column", column_of(&rows[i].cells[j]), rows[i].cells[j].name);
    }
}

/* Who answers: one line, as a template's author would write it. */
void role_of(gen *g, glim_buf *out) {
    char who[TEXT], way[TEXT];
    say(g, "#你是<店里/商店/一家商店/一家电子产品店/一家餐厅/一家中餐馆/一家酒店/一家网店/我们店/本店>的<客服/店员/前台/服务员/前台客服/小助手/导购>",
        "#You are the <assistant/clerk/front desk/waiter/helper> of <a shop/this shop/an online shop/an electronics shop/a restaurant/a Chinese restaurant/a hotel/our shop>", who);
    say(g, "#，回答<简短/准确/礼貌/要简短>、<客气/周到/热情/清楚/准确>。|，<礼貌回答客人/帮顾客了解商品/回答客人的问题>。|。",
        "#; you answer <briefly/exactly/politely/clearly> and <warmly/with care/politely/to the point>.|; <answer guests politely/you help customers/answer briefly>.|.", way);
    glim_buf_puts(out, who);
    glim_buf_puts(out, way);
}

void answer_conv(gen *g, conv *c, answerable how) {
    row rows[ROWS];
    static const size_t share[] = {1, 1, 2, 2, 2, 3, 3, 3, 4, 4};
    const bool refuse = how != RIGHT;
    const size_t n = how == NOTHING || (refuse && chance(g, 8)) ? 0 : make_rows(g, rows, share[below(g, 10)]);
    qa o = {0};
    size_t steps = 0;
    char t[TEXT];
    glim_buf_puts(&c->system, g->zh ? "任务：回答\n" : "Task: answer\n");
    role_of(g, &c->system);
    for (size_t left = chance(g, 55) ? 0 : 1 + below(g, 2); left > 0; left--)
        glim_buf_printf(&c->system, "\n%zu. %s", ++steps,
                        say(g, "先看问题问的是哪一行、哪一项。|回答要简短。|称呼客人为您。|不要谈别的店。|价格以资料为准。",
                            "See first which row and which column the question is about.|Keep it short.|Be polite.|Do not speak of other shops.|Prices are those of the rows.", t));
    static const char *const rules_zh[] = {"只根据资料里的行回答，不要编造。", "每句话前面写行号，如[1]。", "资料里没有答案时，只写：资料库里没有这个信息。"};
    static const char *const rules_en[] = {"Answer only from the rows and make nothing up.", "Before each sentence write the number of its row, like [1].",
                                           "If the rows do not hold the answer, write only: This is not in the library."};
    for (size_t i = 0; i < 3; i++) glim_buf_printf(&c->system, "\n%zu. %s", ++steps, (g->zh ? rules_zh : rules_en)[i]);
    put_all_rows(g, &c->user, rows, n);
    if (refuse) missing_qa(g, rows, n, &o);
    else right_qa(g, rows, n, &o);
    glim_buf_puts(&c->user, g->zh ? "\n问题：" : "\nQuestion: ");
    glim_buf_append(&c->user, o.q.s, o.q.len);
    glim_buf_append(&c->answer, o.a.s, o.a.len);
    if (o.wrong.len) glim_buf_append(&c->wrong, o.wrong.s, o.wrong.len);
    glim_buf_free(&o.q), glim_buf_free(&o.a), glim_buf_free(&o.wrong);
    for (size_t k = n ? more_turns(g) : 0; k > 0; k--) {
        qa m = {0};
        glim_buf q = {0};
        if (chance(g, 28)) missing_qa(g, rows, n, &m);
        else right_qa(g, rows, n, &m);
        glim_buf_puts(&q, g->zh ? "问题：" : "Question: ");
        glim_buf_append(&q, m.q.s, m.q.len);
        add_turn(c, &q, &m.a, NULL);
        glim_buf_free(&m.q), glim_buf_free(&m.a), glim_buf_free(&m.wrong), glim_buf_free(&q);
    }
}

void answer_doc(gen *g, glim_buf *doc) {
    row rows[ROWS];
    static const size_t share[] = {1, 1, 2, 2, 2, 3, 3, 3, 4, 4};
    const size_t n = make_rows(g, rows, share[below(g, 10)]);
    put_all_rows(g, doc, rows, n);
    if (chance(g, 20)) { /* each row in sentences */
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < rows[i].n; j++) {
                if (j) glim_buf_putc(doc, ' ');
                answer_cell(g, doc, &rows[i], &rows[i].cells[j], rows[i].cells[j].value, rows[i].id);
                if (j + 1 == rows[i].n) glim_buf_putc(doc, '\n');
            }
        return;
    }
    for (size_t i = 0, k = 2 + n + below(g, 3); i < k; i++) {
        qa o = {0};
        if (chance(g, 22)) missing_qa(g, rows, n, &o);
        else right_qa(g, rows, n, &o);
        glim_buf_puts(doc, g->zh ? "\n问题：" : "\nQuestion: ");
        glim_buf_append(doc, o.q.s, o.q.len);
        glim_buf_putc(doc, '\n');
        glim_buf_append(doc, o.a.s, o.a.len);
        glim_buf_putc(doc, '\n');
        glim_buf_free(&o.q), glim_buf_free(&o.a), glim_buf_free(&o.wrong);
    }
}
