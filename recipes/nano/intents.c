/* intents.c - what customers want, said in several ways; a list of labels to choose from, one of which may fit.
 *
 * A list holds some of the intents under one of their labels, with or without a description. What is said belongs to one
 * of them, to another intent, or to no business at all: the answer is then `none`. */
#include <stdio.h>
#include <string.h>

#include "nano.h"

typedef struct intent {
    const char *labels;        /* names it may go by */
    const char *zh, *en;       /* descriptions */
    const char *say_zh, *say_en;
} intent;

static const intent INTENTS[] = {
    {"ask_price|price_query|get_price", "询问价格|问多少钱|了解售价", "asks for a price|wants to know what something costs",
     "{n}多少钱|{n}怎么卖|{n}卖多少|这个价格是多少|{n}贵不贵|便宜的有没有，报个价|*{n}要花多少钱|*给个价吧",
     "how much is {n}|what does {n} cost|tell me the price of {n}|is {n} expensive|what do you charge for {n}|*what would I pay for {n}|*price for {n}, please"},
    {"check_stock|in_stock|ask_availability", "询问有没有货|查库存|问是否有货", "asks whether something is in stock|wants to know if it is available",
     "{n}有货吗|还有{n}吗|{n}现在有没有|{n}断货了吗|仓库里还有{n}没有|{n}什么时候补货|*{n}还买得到吗|*{n}卖完了没有",
     "is {n} in stock|do you still have {n}|is {n} available|have you run out of {n}|when will {n} be back in stock|*can I still get {n}|*any {n} left"},
    {"return_goods|return_item|send_back", "退货|想把东西退掉|要求退货", "sends goods back|wants to return something",
     "我要退货|{n}我想退掉|怎么退货|买错了能退吗|东西不喜欢，想退回去|{n}可以退吗|*这个我不要了，退给你们|*帮我办一下退货",
     "I want to return {n}|how do I send {n} back|can I return this|I do not like it, I want to send it back|please take {n} back|*I would like to give {n} back|*how does a return work"},
    {"refund_status|ask_refund|get_refund", "询问退款|退款进度|钱什么时候退", "asks about a refund|wants the money back",
     "退款什么时候到|我的钱退了吗|退款到哪一步了|退的钱还没收到|什么时候把钱退给我|*退款怎么这么慢|*钱退回来没有",
     "when do I get my refund|where is my refund|has my money been refunded|I have not received the refund|*when will the money be back|*my refund is late"},
    {"exchange_goods|swap_item|change_item", "换货|换尺码或颜色|想换一个", "exchanges goods|wants another size or colour instead",
     "我想换一个|{n}尺码不合适，能换吗|可以换个颜色吗|换货怎么弄|{n}帮我换大一号|*能不能给我调换一件|*不合身，想换",
     "I want to exchange {n}|can I swap it for another size|please change the colour|how do I exchange {n}|*can you give me a bigger one instead|*it does not fit, I need another"},
    {"track_order|order_status|where_is_order", "查订单|问包裹到哪里了|物流进度", "tracks an order|asks where the parcel is",
     "我的订单到哪了|快递什么时候到|查一下物流|包裹发货了吗|订单还没收到|我的货在路上了吗|*东西寄到哪里了|*怎么还没送来",
     "where is my order|has my parcel been sent|track my order|when will my package arrive|my order has not come yet|*where is my delivery now|*is my parcel on its way"},
    {"cancel_order|stop_order|drop_order", "取消订单|不想要了|撤销订单", "cancels an order|does not want the order any more",
     "取消订单|我不想买了，帮我取消|订单可以取消吗|把刚才那单取消掉|撤销我的订单|*那一单别发了|*刚下的单不要了",
     "cancel my order|I do not want it any more, cancel it|can I cancel the order|stop my order please|*please do not ship my order|*call off the order I just made"},
    {"place_order|buy_item|order_now", "下单|购买商品|要买东西", "places an order|wants to buy something",
     "我要买{n}|给我来一个{n}|下单{n}|订两个{n}|{n}我要了，怎么买|*把{n}卖给我|*我就拿{n}",
     "I want to buy {n}|I will take {n}|order {n} for me|please get me {n}|*sell me {n}|*put {n} on my bill"},
    {"book_table|reserve_table|table_booking", "订位|预订餐桌|餐厅订座", "books a table|reserves seats in a restaurant",
     "我想订个位子|今晚有位置吗|订一张四人桌|帮我预订一个包间|明天中午订座|*给我留张桌子|*晚上想过来吃饭，留个位",
     "I want to book a table|a table for four please|can I reserve a table tonight|do you have a table free|*keep us a table|*we would like to eat at yours tonight"},
    {"book_room|reserve_room|room_booking", "订房|预订房间|住宿预订", "books a room|reserves a place to stay",
     "我想订一间房|今晚还有房吗|预订一个大床房|帮我订两晚|周末有空房吗|*给我留间房|*想来住两天",
     "I want to book a room|do you have a room tonight|reserve a double room|book two nights for me|*keep a room for me|*we want to stay two nights"},
    {"opening_hours|ask_hours|business_hours", "询问营业时间|几点开门|几点关门", "asks for opening hours|wants to know when it opens or closes",
     "你们几点开门|几点关门|营业时间是什么时候|周末开门吗|晚上开到几点|*早上几点开始营业|*现在还开着吗",
     "when do you open|what time do you close|what are your opening hours|are you open on Sunday|*until when are you open|*are you still open now"},
    {"ask_address|find_store|store_location", "询问地址|店在哪里|怎么去", "asks for the address|wants to know where the shop is",
     "你们在哪里|店的地址是什么|怎么去你们店|离地铁站远吗|有没有分店|*你们店开在哪条路|*导航去哪",
     "where are you|what is your address|how do I get to your shop|do you have another shop|*which street are you in|*how can I find you"},
    {"ask_warranty|warranty_query|guarantee_terms", "询问保修|保修政策|质保多久", "asks about the warranty|wants to know the guarantee",
     "{n}保修多久|有质保吗|过了保修期怎么办|保修包括什么|*{n}坏了谁负责|*质保卡怎么用",
     "how long is the warranty|is there a guarantee for {n}|what does the warranty cover|*what if {n} breaks after a year|*is {n} covered"},
    {"report_fault|repair_request|broken_item", "报修|东西坏了|要求维修", "reports a fault|something is broken and needs repair",
     "{n}坏了|{n}开不了机|我要报修|屏幕不亮了|{n}有杂音怎么办|空调不制冷了|*{n}用着用着就没反应了|*来个人修一下",
     "{n} is broken|{n} does not turn on|I need a repair|the screen stays dark|{n} makes a noise|*{n} stopped working|*can somebody fix it"},
    {"complaint|make_complaint|complain_service", "投诉|对服务不满|提意见", "complains|is unhappy with the service",
     "我要投诉|你们服务太差了|态度很不好|等了一个小时没人理|太让人失望了|*我对你们很不满意|*叫你们经理来",
     "I want to complain|your service is terrible|the staff was rude|I waited an hour and nobody came|*I am very unhappy with you|*get me the manager"},
    {"delivery_fee|shipping_cost|ask_shipping", "询问运费|送货要多少钱|包不包邮", "asks what delivery costs|wants to know about shipping fees",
     "运费多少|包邮吗|送货上门要钱吗|邮费怎么算|满多少免运费|*寄过来要另外付钱吗|*快递费谁出",
     "how much is shipping|is delivery free|do I pay for delivery|what is the delivery fee|*does sending it cost extra|*who pays the postage"},
    {"delivery_time|ask_delivery|how_long", "询问多久送到|配送时间|几天到货", "asks how long delivery takes|wants to know when it will be delivered",
     "多久能送到|几天到货|今天下单什么时候到|送过来要多长时间|明天能到吗|*要等多少天|*最快哪天能拿到",
     "how long does delivery take|how many days until it arrives|if I order today when will it come|can it be here tomorrow|*how many days must I wait|*what is the earliest day I get it"},
    {"ask_invoice|need_invoice|get_receipt", "开发票|要收据|发票问题", "asks for an invoice|needs a receipt",
     "能开发票吗|我要发票|发票抬头怎么写|电子发票发给我|收据丢了能补吗|*给我开张票|*报销用的票怎么拿",
     "can I get an invoice|I need a receipt|please send me the invoice|I lost the receipt|*write me a bill for my company|*where do I get the invoice"},
    {"ask_discount|promotion_query|any_offers", "询问优惠|打折活动|有没有折扣", "asks for a discount|wants to know about offers",
     "有优惠吗|能打折吗|现在有什么活动|优惠券怎么用|买两个便宜点吗|学生有折扣吗|*能不能少点|*有没有满减",
     "is there a discount|can you make it cheaper|what offers do you have|how do I use the coupon|*any deals today|*can you lower the price"},
    {"payment_method|how_to_pay|ask_payment", "询问付款方式|怎么付钱|支付问题", "asks how to pay|wants to know the ways of payment",
     "怎么付款|可以刷卡吗|支持微信支付吗|能分期吗|可以货到付款吗|*能用现金吗|*付钱有哪几种方式",
     "how can I pay|do you take cards|can I pay in instalments|is cash all right|can I pay on delivery|*which ways of paying are there|*may I pay by phone"},
    {"payment_failed|pay_problem|charge_error", "付款失败|扣款出错|支付不成功", "a payment failed|was charged wrongly",
     "付款失败了|钱扣了两次|支付不成功怎么办|付了钱没显示|刷卡刷不过|*付不了钱|*多扣了我的钱",
     "my payment failed|I was charged twice|the payment does not go through|I paid but it does not show|*my card was refused|*you took too much money"},
    {"change_address|update_address|edit_address", "改地址|修改收货地址|换个地方送", "changes the delivery address|wants it sent elsewhere",
     "我要改地址|收货地址写错了|能换个地址送吗|帮我把地址改成公司|*寄到另一个地方行吗|*地址填错了怎么办",
     "I want to change my address|the delivery address is wrong|send it to another address|please update my address|*can it go to my office instead|*I typed the wrong street"},
    {"change_date|reschedule|move_booking", "改时间|改预订日期|换个时间", "changes the date|moves a booking",
     "我想改时间|预订改到明天|能推迟一天吗|换成下周可以吗|提前一小时行吗|*那天来不了，换一天|*时间要往后挪",
     "I want to change the date|move my booking to tomorrow|can we make it a day later|reschedule it to next week|*I cannot come that day, another one please|*push it back an hour"},
    {"cancel_booking|cancel_reservation|drop_booking", "取消预订|不来了|取消房间或餐位", "cancels a booking|is not coming",
     "取消我的预订|房间不要了|订的位子取消吧|我们不来了|*有事来不了，预订取消|*那个房间给别人吧",
     "cancel my booking|we do not need the room|cancel the table|we are not coming|*please give our table to others|*something came up, drop my reservation"},
    {"speak_to_human|human_agent|call_staff", "转人工|找真人客服|要和人说话", "wants to talk to a person|asks for human staff",
     "转人工|我要找真人|叫客服来|不要机器人|接人工服务|*让活人跟我说|*有人在吗，我要人工",
     "I want to talk to a person|give me a human|connect me to an agent|no robots please|*let me speak to somebody real|*is anybody there, a real person"},
    {"ask_recommendation|recommend_item|suggest", "求推荐|推荐商品|问哪个好", "asks for a recommendation|wants a suggestion",
     "推荐一款吧|哪个比较好|送人买什么好|有什么好吃的推荐|你们招牌是什么|*不知道选哪个，帮帮我|*给点建议",
     "what do you recommend|which one is best|suggest something|what makes a good gift|what is your best dish|*I cannot decide, help me|*give me some advice"},
    {"ask_ingredients|allergy_query|food_contents", "询问成分|过敏问题|里面有什么", "asks about ingredients|has an allergy",
     "{n}里面有什么|有花生吗|我对虾过敏|{n}含麸质吗|成分是什么|*{n}有没有放坚果|*不能吃蛋，能点吗",
     "what is in {n}|does it contain peanuts|I am allergic to shrimp|is {n} free of gluten|*are there nuts in {n}|*I cannot eat eggs, is it fine"},
    {"wifi_password|ask_wifi|internet_access", "询问无线网络|WiFi密码|上网", "asks for the wifi|wants to get online",
     "WiFi密码是多少|有无线网吗|怎么连网|上不了网|*网络怎么登录|*这里能上网吗",
     "what is the wifi password|do you have wifi|how do I get online|the internet does not work|*how do I log in to the network|*is there internet here"},
    {"luggage_storage|store_bags|keep_luggage", "寄存行李|放行李|存包", "stores luggage|wants to leave bags",
     "可以寄存行李吗|行李放哪里|退房后能放行李吗|*箱子先放你们这|*存个包",
     "can I store my luggage|where can I leave my bags|can you keep my bags after check-out|*please look after my suitcase|*may I leave a bag here"},
    {"member_points|loyalty_query|check_points", "会员积分|查积分|会员权益", "asks about points|membership benefits",
     "我有多少积分|积分怎么用|会员有什么好处|怎么办会员卡|*积分会过期吗|*入会要钱吗",
     "how many points do I have|how do I use my points|what do members get|how do I become a member|*do points expire|*does the card cost anything"},
    {"reset_password|login_problem|account_access", "忘记密码|登录不了|账号问题", "cannot log in|forgot the password",
     "密码忘了|账号登不上|怎么重置密码|收不到验证码|*进不去我的账户|*登录老是出错",
     "I forgot my password|I cannot log in|how do I reset my password|the code does not arrive|*I am locked out of my account|*signing in fails"},
    {"greeting|say_hello|hello", "打招呼|问好", "says hello|greets", "你好|您好|早上好|在吗|嗨|*晚上好呀|*哈喽", "hello|hi there|good morning|hey|*good evening|*hi, anyone"},
    {"say_thanks|thanks|thank_you", "道谢|感谢", "says thanks", "谢谢|多谢你|太感谢了|好的谢谢|*辛苦了，谢谢|*感激不尽", "thanks|thank you very much|thanks a lot|great, thank you|*many thanks|*cheers, thanks"},
    {"say_goodbye|goodbye|bye", "告别|再见", "says goodbye", "再见|拜拜|下次再来|我走了|*回头见|*先这样，再见", "goodbye|bye|see you|that is all, bye|*see you later|*have a nice day, bye"},
};
enum { N_INTENTS = sizeof INTENTS / sizeof *INTENTS, LABELS = 40 };

static const char OTHER_ZH[] = "今天天气怎么样|给我讲个笑话|世界上最高的山是哪座|帮我写首诗|你会下棋吗|明天会下雨吗|一加一等于几|推荐一部电影|谁发明了电话|月亮离我们多远|帮我翻译这句话|你几岁了|怎么学英语|股票会涨吗|最近有什么新闻|教我做数学题|"
                               "猫为什么怕水|火车票怎么买|帮我写代码|太阳有多大|*唐朝有多少年|*给我唱首歌|*足球比赛谁赢了|*鱼会睡觉吗|*下周放假吗|*怎么减肥";
static const char OTHER_EN[] = "what is the weather like|tell me a joke|which mountain is the highest|write me a poem|can you play chess|will it rain tomorrow|what is one plus one|name a good film|who invented the telephone|how far is the moon|"
                               "translate this sentence|how old are you|how do I learn French|will shares go up|what is in the news|help me with my homework|why do cats hate water|write some code|how big is the sun|"
                               "*how long did Rome last|*sing me a song|*who won the match|*do fish sleep|*is next week a holiday|*how do I lose weight";

void chat_line(gen *g, glim_buf *out) {
    char t[TEXT], f[TEXT];
    say(g, OTHER_ZH, OTHER_EN, t);
    say(g, "{q}？|请问{q}？|你好，{q}？|*那个，{q}？", "{q}?|Hi, {q}?|Please tell me, {q}?|*So {q}?", f);
    const slot s[] = {{'q', t}};
    glim_buf b = {0};
    fill(&b, f, s, 1, !g->zh);
    put_plain(out, glim_buf_cstr(&b), false);
    glim_buf_free(&b);
}

static void utter(gen *g, const intent *x, glim_buf *out) {
    char t[TEXT], f[TEXT], name[TEXT];
    say(g, x->say_zh, x->say_en, t);
    say(g, "{q}|{q}？|{q}。|你好，{q}|请问{q}|嗯，{q}|{q}，谢谢|*麻烦你，{q}|*那个{q}", "{q}|{q}.|{q}?|hello, {q}|please, {q}|well, {q}|{q}, thanks|*excuse me, {q}|*listen, {q}", f);
    if (chance(g, 25)) say(g, "这个|那款|它", "it|this one|that", name);
    else name_of(g, (style)below(g, 4), name);
    glim_buf q = {0};
    const slot n[] = {{'n', name}};
    fill(&q, t, n, 1, false);
    const char *at = strstr(f, "{q}");
    glim_buf b = {0};
    glim_buf_append(&b, f, (size_t)(at - f));
    glim_buf_append(&b, q.s, q.len);
    glim_buf_puts(&b, at + 3);
    size_t first = 0;
    while (b.s[first] == OPEN) first++;
    if (!g->zh && b.s[first] >= 'a' && b.s[first] <= 'z' && chance(g, 60)) b.s[first] = (char)(b.s[first] - 32);
    glim_buf_append(out, b.s, b.len);
    glim_buf_free(&q);
    glim_buf_free(&b);
}

typedef struct choice {
    size_t of[LABELS], n;
    char label[LABELS][48];
    bool described;
} choice;

static void make_list(gen *g, choice *c) {
    static const size_t sizes[] = {2, 3, 4, 4, 5, 5, 6, 6, 8, 8, 10, 12, 16, 24};
    const size_t want = sizes[below(g, sizeof sizes / sizeof *sizes)];
    c->n = 0;
    c->described = chance(g, 75);
    while (c->n < want) {
        const size_t k = below(g, N_INTENTS);
        bool there = false;
        for (size_t i = 0; i < c->n; i++) there |= c->of[i] == k;
        if (there) continue;
        char label[TEXT];
        pick(g, INTENTS[k].labels, label);
        snprintf(c->label[c->n], 48, "%.47s", label);
        c->of[c->n++] = k;
    }
}

static void put_list(gen *g, glim_buf *b, const choice *c) {
    char d[TEXT];
    glim_buf_puts(b, g->zh ? "任务：选择意图\n" : "Task: choose an intent\n");
    for (size_t i = 0; i < c->n; i++) {
        glim_buf_puts(b, "- ");
        glim_buf_puts(b, c->label[i]);
        if (c->described) {
            glim_buf_puts(b, ": ");
            glim_buf_puts(b, say(g, INTENTS[c->of[i]].zh, INTENTS[c->of[i]].en, d));
        }
        glim_buf_putc(b, '\n');
    }
    glim_buf_puts(b, g->zh ? "都不合适时写 none" : "If none fits, write none");
}

/* Something said, and the label that fits; another one in wrong. */
static void one(gen *g, const choice *c, glim_buf *said, glim_buf *label, glim_buf *wrong) {
    const size_t at = below(g, c->n);
    if (chance(g, 78)) {
        utter(g, &INTENTS[c->of[at]], said);
        glim_buf_puts(label, c->label[at]);
        glim_buf_puts(wrong, chance(g, 30) ? "none" : c->label[(at + 1) % c->n]);
        return;
    }
    if (chance(g, 45)) chat_line(g, said);
    else {
        size_t k;
        bool there;
        do {
            k = below(g, N_INTENTS);
            there = false;
            for (size_t i = 0; i < c->n; i++) there |= c->of[i] == k;
        } while (there);
        utter(g, &INTENTS[k], said);
    }
    glim_buf_puts(label, "none");
    glim_buf_puts(wrong, c->label[at]);
}

void intent_conv(gen *g, conv *c) {
    choice l;
    make_list(g, &l);
    put_list(g, &c->system, &l);
    one(g, &l, &c->user, &c->answer, &c->wrong);
}

void intent_doc(gen *g, glim_buf *doc) {
    choice l;
    make_list(g, &l);
    put_list(g, doc, &l);
    glim_buf_putc(doc, '\n');
    for (size_t i = 0, n = 4 + below(g, 6); i < n; i++) {
        glim_buf label = {0}, wrong = {0};
        glim_buf_putc(doc, '\n');
        one(g, &l, doc, &label, &wrong);
        glim_buf_putc(doc, '\n');
        glim_buf_append(doc, label.s, label.len);
        glim_buf_free(&label);
        glim_buf_free(&wrong);
    }
}

void chat_conv(gen *g, conv *c) {
    static const char *const talk_zh[][2] = {{"你好|您好|在吗|嗨|早上好|*晚上好", "您好，请问有什么可以帮您？"}, {"谢谢|多谢|太感谢了|谢谢你|*辛苦啦", "不客气，随时为您服务。"},
                                             {"再见|拜拜|下次见|我走了|*回头见", "再见，欢迎下次光临。"}, {"你是谁|你叫什么|你是机器人吗|*你是真人吗", "我是店里的小助手，由 Glim 运行。"},
                                             {"你能做什么|你会什么|怎么用你|*你有什么本事", "我可以查资料库里的商品、填表和选择意图。"}};
    static const char *const talk_en[][2] = {{"hello|hi|hi there|good morning|*good evening", "Hello, how can I help you?"}, {"thanks|thank you|thanks a lot|*many thanks", "You are welcome."},
                                             {"goodbye|bye|see you|*see you later", "Goodbye, see you next time."}, {"who are you|what is your name|are you a robot|*are you human", "I am the shop's little assistant, run by Glim."},
                                             {"what can you do|how do I use you|*what are you good at", "I can look up products in the library, fill forms and choose intents."}};
    char t[TEXT];
    const size_t k = below(g, 5);
    glim_buf_puts(&c->user, pick(g, g->zh ? talk_zh[k][0] : talk_en[k][0], t));
    glim_buf_puts(&c->answer, g->zh ? talk_zh[k][1] : talk_en[k][1]);
}
