/* forms.c - a sentence with a customer's wishes, and the same as JSON: a schema to fill, or a tool to call.
 *
 * A field knows how to draw a value and how people say it. Fields are said in any order; the answer has them in the
 * schema's. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "nano.h"

typedef enum field_kind { F_PRODUCT, F_DISH, F_ROOM, F_PERSON, F_COUNT, F_PEOPLE, F_NIGHTS, F_ENUM, F_DATE, F_CLOCK, F_PHONE, F_ADDRESS, F_CODE, F_MONEY, F_FLAG, F_PLACE } field_kind;

typedef struct field {
    const char *keys;
    field_kind kind;
    const char *list_zh, *list_en; /* ENUM */
    const char *say_zh, *say_en;   /* FLAG: what makes it true */
} field;

static const field FIELDS[] = {
    {"product|item|product_name", F_PRODUCT, 0, 0, "要{v}|买{v}|想要{v}|来{v}|*我要买{v}", "I want {v}|I need {v}|get me {v}|it is about {v}|*please get me {v}"},
    {"quantity|count|amount", F_COUNT, 0, 0, "要{v}个|一共{v}件|数量{v}|买{v}个|*一共{v}个", "{v} pieces|{v} of them|quantity {v}|I need {v}|*I want {v} of them"},
    {"colour|color", F_ENUM, "黑色|白色|红色|蓝色|绿色|灰色", "black|white|red|blue|green|grey", "颜色要{v}|{v}的|要{v}的|选{v}|*要选{v}的", "in {v}|the {v} one|colour {v}|{v} please|*in {v} please"},
    {"size", F_ENUM, "S|M|L|XL|XXL", "S|M|L|XL|XXL", "尺码{v}|穿{v}码|{v}号|*要{v}号的", "size {v}|in {v}|I wear {v}|*I wear size {v}"},
    {"name|customer|guest_name", F_PERSON, 0, 0, "我叫{v}|姓名{v}|名字是{v}|联系人{v}|*我的名字是{v}", "my name is {v}|I am {v}|for {v}|name {v}|*the name is {v}"},
    {"phone|tel|phone_number", F_PHONE, 0, 0, "电话{v}|手机号{v}|联系电话是{v}|打{v}找我|*我的电话是{v}", "my phone is {v}|call {v}|phone number {v}|*my phone number is {v}"},
    {"address|deliver_to", F_ADDRESS, 0, 0, "送到{v}|地址{v}|寄到{v}|我在{v}|*地址是{v}", "send it to {v}|the address is {v}|deliver to {v}|I live at {v}|*please send it to {v}"},
    {"date|day", F_DATE, 0, 0, "{v}|时间是{v}|{v}过来|定在{v}|*时间定在{v}", "on {v}|for {v}|date {v}|*the date is {v}"},
    {"time|hour", F_CLOCK, 0, 0, "{v}到|{v}左右|{v}的|时间{v}|*时间是{v}左右", "at {v}|around {v}|time {v}|*the time is {v}"},
    {"people|guests|party_size", F_PEOPLE, 0, 0, "{v}个人|{v}位|一共{v}人|我们{v}个|*我们一共{v}位", "for {v} people|{v} guests|{v} of us|*for {v} guests"},
    {"nights", F_NIGHTS, 0, 0, "住{v}晚|{v}个晚上|待{v}晚|*一共住{v}晚", "for {v} nights|{v} nights|staying {v} nights|*I am staying {v} nights"},
    {"room_type|room", F_ENUM, "大床房|双床房|套房|单人房", "double|twin|suite|single", "要{v}|订{v}|{v}一间|*要订{v}一间", "a {v} room|room type {v}|the {v}|*I need a {v} room"},
    {"dish|meal", F_DISH, 0, 0, "点{v}|来份{v}|要{v}|*我要点{v}", "I take {v}|one {v}|order {v}|*I order one {v}"},
    {"order_id|order_number|order", F_CODE, 0, 0, "订单号{v}|单号{v}|订单{v}|*我的订单号是{v}", "order {v}|order number {v}|my order is {v}|*my order number is {v}"},
    {"reason", F_ENUM, "质量问题|尺寸不合适|发错货|不喜欢", "defect|wrong size|wrong item|not wanted", "因为{v}|原因是{v}|{v}|*因为{v}的原因", "because of {v}|the reason is {v}|reason {v}|*my reason is {v}"},
    {"budget|max_price|price", F_MONEY, 0, 0, "预算{v}元|不超过{v}元|{v}块以内|*预算不超过{v}元", "budget {v}|under {v} yuan|at most {v}|*budget at most {v} yuan"},
    {"gift_wrap|gift", F_FLAG, 0, 0, "要礼品包装|送人的，包一下|*送人的，要礼品包装", "gift wrap it|it is a gift, please wrap it|*it is a gift, gift wrap it please"},
    {"breakfast", F_FLAG, 0, 0, "含早餐|要早餐|*要含早餐", "with breakfast|breakfast included|*breakfast included please"},
    {"spice|spiciness", F_ENUM, "不辣|微辣|中辣|特辣", "none|mild|medium|hot", "{v}|要{v}的|辣度{v}|*辣度要{v}的", "spice {v}|cook it {v}|{v} please|*cook it {v} please"},
    {"city|place", F_PLACE, 0, 0, "在{v}|{v}的|地点{v}|*地点在{v}", "in {v}|city {v}|near {v}|*the city is {v}"},
    {"payment", F_ENUM, "微信|支付宝|现金|刷卡", "card|cash|transfer", "用{v}付|{v}付款|*要用{v}付款", "pay by {v}|payment {v}|*payment by {v}"},
};
enum { N_FIELDS = sizeof FIELDS / sizeof *FIELDS, MOST = 6 };

/* A form, or a tool, that has these fields (letters from 'A'). */
typedef struct shape {
    const char *names, *about_zh, *about_en; /* of the tool */
    const char *begin_zh, *begin_en;         /* how people start */
    const char *fields;
} shape;
static const shape SHAPES[] = {
    {"place_order|create_order|buy_product", "下单购买商品", "Places an order for a product", "我想下单|帮我下个单|买东西|*我想买东西", "I would like to order|please place an order|*I would like to place an order", "ABCDEFGQU"},
    {"book_table|reserve_table", "预订餐桌", "Books a table", "我想订位|帮我订个座|订张桌子|*我想订张桌子", "I want to book a table|a table please|*I want a table please", "EFHIJ"},
    {"book_room|reserve_room", "预订房间", "Books a room", "我想订房|帮我订个房间|要一间房|*我想要一间房", "I want to book a room|a room please|*I want a room please", "EFHJKLR"},
    {"order_food|order_dish", "点餐", "Orders a dish", "我要点餐|点个外卖|点菜|*我想点外卖", "I want to order food|food please|*I want food please", "MBSGFU"},
    {"return_order|request_return", "申请退货", "Asks to return an order", "我要退货|想退东西|退货|*我想要退货", "I want to return something|a return please|*I want a return please", "NOEF"},
    {"track_parcel|order_status|get_order", "查询订单状态", "Looks up where an order is", "查一下订单|我的货到哪了|查物流|*查一下我的货到哪了", "where is my order|track my parcel|*please track my order", "NF"},
    {"check_stock|stock_query", "查询库存", "Checks the stock of a product", "查下有没有货|还有货吗|看看库存|*看看有没有货", "is it in stock|check the stock|*please check the stock", "ACD"},
    {"find_product|search_products", "查找商品", "Searches products", "帮我找东西|想买点东西|找一下商品|*想找一下商品", "help me find something|I am looking for something|*please help me find something", "ACDPT"},
    {"find_store|nearest_store", "查找门店", "Finds a shop", "附近有店吗|找一下门店|*帮我找一下门店", "is there a shop|find a shop|*please find a shop", "TH"},
    {"get_weather|weather_forecast", "查询天气", "Gets the weather", "天气怎么样|查天气|*查一下天气", "what is the weather|the forecast please|*the weather please", "TH"},
    {"book_repair|create_ticket", "预约维修", "Books a repair", "东西坏了|想预约维修|报修|*东西坏了，报修", "something is broken|I need a repair|*I need a repair, something is broken", "AEFGHI"},
    {"change_address|update_address", "修改收货地址", "Changes the delivery address", "改一下地址|收货地址要换|*收货地址改一下", "change my address|a new address please|*please, a new address", "NGF"},
};
enum { N_SHAPES = sizeof SHAPES / sizeof *SHAPES };

typedef struct filled {
    const field *f;
    char key[48], json[2 * TEXT]; /* json: the value as it is written */
    char said[TEXT];              /* the value as it is said; FLAG: "" */
    bool stated, required;
} filled;

static void draw(gen *g, filled *x) {
    static const char *const few_zh[] = {"", "一", "两", "三", "四", "五", "六", "七", "八", "九", "十"};
    static const char *const few_en[] = {"", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"};
    const field *f = x->f;
    size_t n = 0;
    bool number = false;
    switch (f->kind) {
    case F_PRODUCT: name_of(g, chance(g, 60) ? S_GADGET : S_WEAR, x->said); break;
    case F_DISH: name_of(g, S_DISH, x->said); break;
    case F_ROOM: name_of(g, S_ROOM, x->said); break;
    case F_PERSON: name_of(g, S_PERSON, x->said); break;
    case F_COUNT: n = 1 + below(g, chance(g, 70) ? 10 : 200), number = true; break;
    case F_PEOPLE: n = 1 + below(g, 12), number = true; break;
    case F_NIGHTS: n = 1 + below(g, 9), number = true; break;
    case F_MONEY: n = (1 + below(g, 99)) * (chance(g, 50) ? 10 : 100), number = true; break;
    case F_ENUM: say(g, f->list_zh, f->list_en, x->said); break;
    case F_DATE: date_of(g, x->said); break;
    case F_CLOCK: clock_of(g, x->said); break;
    case F_PHONE: phone_of(g, x->said); break;
    case F_ADDRESS: address_of(g, x->said); break;
    case F_CODE: code_of(g, x->said); break;
    case F_PLACE: word_of(g, x->said); break;
    case F_FLAG: x->said[0] = 0, snprintf(x->json, sizeof x->json, "true"); return;
    }
    if (number) {
        snprintf(x->json, sizeof x->json, "%zu", n);
        if (n <= 10 && f->kind != F_MONEY && chance(g, 40)) snprintf(x->said, TEXT, "%s", g->zh ? few_zh[n] : few_en[n]);
        else snprintf(x->said, TEXT, "%zu", n);
    } else snprintf(x->json, sizeof x->json, "\"%s\"", x->said);
}

static const char *type_of(const field *f) {
    return f->kind == F_COUNT || f->kind == F_PEOPLE || f->kind == F_NIGHTS ? "integer" : f->kind == F_MONEY ? "number" : f->kind == F_FLAG ? "boolean" : "string";
}

/* Whether the customer speaks of it. A form has all of its fields, with "", 0 or false where nothing is said; a tool's call has no
 * field of which nothing is said. */
static void state(gen *g, filled *x, bool first, bool form) {
    x->stated = first || chance(g, 80) || (x->required && (!form || x->f->kind == F_ENUM));
    if (!x->stated && x->required) snprintf(x->json, sizeof x->json, "%s", x->f->kind == F_FLAG ? "false" : strcmp(type_of(x->f), "string") == 0 ? "\"\"" : "0");
}

static size_t choose(gen *g, const shape *s, filled *out, bool form) {
    const size_t all = strlen(s->fields), want = 1 + below(g, all < 5 ? all : 5);
    size_t n = 0;
    char order[32];
    snprintf(order, sizeof order, "%s", s->fields);
    for (size_t i = all; i > 1; i--) { /* any order */
        const size_t j = below(g, i);
        const char t = order[i - 1];
        order[i - 1] = order[j], order[j] = t;
    }
    for (size_t i = 0; i < all && n < want && n < MOST; i++) {
        filled *x = &out[n];
        char key[TEXT];
        *x = (filled){.f = &FIELDS[order[i] - 'A']};
        snprintf(x->key, sizeof x->key, "%.47s", pick(g, x->f->keys, key));
        draw(g, x);
        x->required = form || (x->f->kind != F_FLAG && chance(g, 70));
        state(g, x, n == 0, form);
        n++;
    }
    return n;
}

/* What the customer says: the stated fields in an order of their own. say_what: and what it is about, where it could be something else. */
static void speak(gen *g, const shape *s, filled *x, size_t n, bool say_what, glim_buf *out) {
    size_t order[MOST], k = 0;
    char t[TEXT];
    glim_buf b = {0};
    for (size_t i = 0; i < n; i++)
        if (x[i].stated) order[k++] = i;
    for (size_t i = k; i > 1; i--) {
        const size_t j = below(g, i), o = order[i - 1];
        order[i - 1] = order[j], order[j] = o;
    }
    const bool begin = k == 0 || say_what || chance(g, 65);
    if (begin) glim_buf_puts(&b, say(g, s->begin_zh, s->begin_en, t));
    for (size_t i = 0; i < k; i++) {
        const slot v[] = {{'v', x[order[i]].said}};
        if (begin || i) glim_buf_puts(&b, g->zh ? "，" : ", ");
        fill(&b, say(g, x[order[i]].f->say_zh, x[order[i]].f->say_en, t), v, 1, false);
    }
    glim_buf_puts(&b, g->zh ? (chance(g, 70) ? "。" : "") : ".");
    size_t first = 0;
    while (b.s[first] == OPEN) first++;
    if (!g->zh && first == 0 && b.s[0] >= 'a' && b.s[0] <= 'z') b.s[0] = (char)(b.s[0] - 32);
    glim_buf_append(out, b.s, b.len);
    glim_buf_free(&b);
}

static void put_enum(gen *g, glim_buf *b, const field *f, bool spaced) {
    const char *list = g->zh ? f->list_zh : f->list_en;
    glim_buf_puts(b, spaced ? ", \"enum\": [\"" : ",\"enum\":[\"");
    for (; *list; list++)
        if (*list == '|') glim_buf_puts(b, spaced ? "\", \"" : "\",\"");
        else glim_buf_putc(b, *list);
    glim_buf_puts(b, "\"]");
}

static void put_schema(gen *g, glim_buf *b, const filled *x, size_t n, bool spaced) {
    const char *colon = spaced ? ": " : ":", *comma = spaced ? ", " : ",";
    bool some = false;
    glim_buf_printf(b, "{\"type\"%s\"object\"%s\"properties\"%s{", colon, comma, colon);
    for (size_t i = 0; i < n; i++) {
        glim_buf_printf(b, "%s\"%s\"%s{\"type\"%s\"%s\"", i ? comma : "", x[i].key, colon, colon, type_of(x[i].f));
        if (x[i].f->kind == F_ENUM) put_enum(g, b, x[i].f, spaced);
        glim_buf_puts(b, "}");
    }
    glim_buf_puts(b, "}");
    for (size_t i = 0; i < n; i++)
        if (x[i].required) {
            if (some) glim_buf_printf(b, "%s\"%s\"", comma, x[i].key);
            else glim_buf_printf(b, "%s\"required\"%s[\"%s\"", comma, colon, x[i].key);
            some = true;
        }
    glim_buf_puts(b, some ? "]}" : "}");
}

static void put_filled(glim_buf *b, const filled *x, size_t n, bool spaced) {
    bool some = false;
    glim_buf_putc(b, '{');
    for (size_t i = 0; i < n; i++) {
        if (!x[i].stated && !x[i].required) continue;
        const bool text = x[i].json[0] == '"' && x[i].json[1] != '"';
        glim_buf_printf(b, spaced ? "%s\"%s\": " : "%s\"%s\":", some ? spaced ? ", " : "," : "", x[i].key);
        if (text) { /* the quotes are no part of the slot */
            glim_buf_putc(b, '"');
            put_slot(b, x[i].said);
            glim_buf_putc(b, '"');
        } else glim_buf_puts(b, x[i].json);
        some = true;
    }
    glim_buf_putc(b, '}');
}

static void draw_anew(gen *g, filled *x, size_t n, bool form) {
    for (size_t j = 0; j < n; j++) { /* the same form, filled anew */
        draw(g, &x[j]);
        state(g, &x[j], j == 0, form);
    }
}

/* A tool's name and what it does, as src/text/sense.c is told them. */
static void note_tool(gen *g, const shape *s, const char *name) {
    glim_buf b = {0};
    for (; *name; name++) glim_buf_putc(&b, *name == '_' ? ' ' : *name);
    note_sense(g, "tool", s->names, glim_buf_cstr(&b));
    glim_buf_printf(&b, ": %s", g->zh ? s->about_zh : s->about_en);
    note_sense(g, "tool", s->names, glim_buf_cstr(&b));
    glim_buf_free(&b);
}

/* Further sentences for the same form, or the same tool. */
static void more_of(gen *g, const shape *s, filled *x, size_t n, conv *c, const char *call, bool say_what) {
    for (size_t k = more_turns(g); k > 0; k--) {
        glim_buf said = {0}, form = {0};
        draw_anew(g, x, n, call == NULL);
        speak(g, s, x, n, say_what, &said);
        put_filled(&form, x, n, call != NULL);
        if (call && say_what) note_sense(g, "tool", s->names, glim_buf_cstr(&said));
        add_turn(c, &said, &form, call);
        glim_buf_free(&said), glim_buf_free(&form);
    }
}

void form_conv(gen *g, conv *c) {
    const shape *s = &SHAPES[below(g, N_SHAPES)];
    filled x[MOST];
    const size_t n = choose(g, s, x, true);
    glim_buf_puts(&c->system, g->zh ? "任务：填表\n" : "Task: fill the form\n");
    put_schema(g, &c->system, x, n, false);
    speak(g, s, x, n, false, &c->user);
    put_filled(&c->answer, x, n, false);
    more_of(g, s, x, n, c, NULL, false);
}

void form_doc(gen *g, glim_buf *doc) {
    const shape *s = &SHAPES[below(g, N_SHAPES)];
    filled x[MOST];
    const size_t n = choose(g, s, x, true);
    glim_buf_puts(doc, g->zh ? "任务：填表\n" : "Task: fill the form\n");
    put_schema(g, doc, x, n, false);
    glim_buf_putc(doc, '\n');
    for (size_t i = 0, k = 2 + below(g, 4); i < k; i++) {
        draw_anew(g, x, n, true);
        glim_buf_putc(doc, '\n');
        speak(g, s, x, n, false, doc);
        glim_buf_putc(doc, '\n');
        put_filled(doc, x, n, false);
        glim_buf_putc(doc, '\n');
    }
}

static void put_tool(gen *g, glim_buf *b, const shape *s, const char *name, const filled *x, size_t n) {
    glim_buf_printf(b, "{\"type\": \"function\", \"function\": {\"name\": \"%s\", \"description\": \"%s\", \"parameters\": ", name, g->zh ? s->about_zh : s->about_en);
    put_schema(g, b, x, n, true);
    glim_buf_puts(b, "}}");
}

void tool_conv(gen *g, conv *c) {
    const size_t n_tools = 1 + below(g, 3), right = below(g, n_tools);
    size_t of[3];
    char name[TEXT];
    role_of(g, &c->system);
    glim_buf_putc(&c->tools, '[');
    for (size_t i = 0; i < n_tools; i++) {
        filled x[MOST];
        bool again;
        do {
            of[i] = below(g, N_SHAPES);
            again = false;
            for (size_t j = 0; j < i; j++) again |= of[j] == of[i];
        } while (again);
        const shape *s = &SHAPES[of[i]];
        const size_t n = choose(g, s, x, false);
        pick(g, s->names, name);
        if (i) glim_buf_puts(&c->tools, ", ");
        put_tool(g, &c->tools, s, name, x, n);
        note_tool(g, s, name);
        if (i != right) continue;
        glim_buf_puts(&c->call, name);
        speak(g, s, x, n, n_tools > 1, &c->user);
        if (n_tools > 1) note_sense(g, "tool", s->names, glim_buf_cstr(&c->user));
        put_filled(&c->answer, x, n, true);
        more_of(g, s, x, n, c, name, n_tools > 1);
    }
    glim_buf_putc(&c->tools, ']');
}
