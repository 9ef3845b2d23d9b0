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
     "#{n}<多少钱/怎么卖/卖多少钱/卖多少/贵不贵/贵吗/什么价/要花多少钱/价格是多少/售价多少>|<报个价/给个价/问下价格/问问价格/想知道价格/想了解售价><吧/好吗/，谢谢/>|<这个/那个/它>的<价格/价钱/售价><是多少/多少/高吗>",
     "#<how much is/tell me the price of/what is the price of/what do you charge for/what do I pay for/give me the price of> {n}|what does {n} cost</ now/ me>|<is {n} expensive/how expensive is {n}/is {n} cheap>|<the price/price> <of {n}/for {n}>, please"},
    {"check_stock|in_stock|ask_availability", "询问有没有货|查库存|问是否有货", "asks whether something is in stock|wants to know if it is available",
     "#{n}<有货吗/现在有没有/有没有货/断货了吗/还有吗/还有货吗/卖完了吗/卖完了没有/还买得到吗/什么时候补货/什么时候有货>|<仓库里/店里/你们>还有{n}<吗/没有>|查一下{n}<的库存/有没有货/还有没有>",
     "#is {n} <in stock/available/still available/still in stock/sold out>|do you <still have/have> {n}</ in stock>|<have you run out of/are you out of> {n}|when <will {n} be back in stock/is {n} available again>|can I still <get/buy> {n}|<is there any/any> {n} left"},
    {"return_goods|return_item|send_back", "退货|想把东西退掉|要求退货", "sends goods back|wants to return something",
     "#<我要/我想/能不能/可以/怎么/想>退<货/掉{n}/掉这个/掉它>|{n}<我想退掉/可以退吗/能退吗/我要退货/怎么退>|<买错了/不喜欢/不合适/质量不好>，<能退吗/想退回去/要退货/可以退货吗/想退掉>|帮我<办一下退货/退货>",
     "#<I want to/I would like to/can I/how do I/may I> <return/send back/give back> <{n}/this/it>|<I do not like it/it is the wrong one/I made a mistake>, <I want to send it back/can I return it/please take it back>|please take {n} back|how does <a return/returning {n}> work"},
    {"refund_status|ask_refund|get_refund", "询问退款|退款进度|钱什么时候退", "asks about a refund|wants the money back",
     "#<退款/我的退款/退的钱/退给我的钱><什么时候到/到哪一步了/还没收到/怎么这么慢/到了没有/要几天到账>|<我的钱/钱><退了吗/退回来没有/什么时候退给我/什么时候能退回来>|什么时候<把钱退给我/退钱/退款>",
     "#<when do I get/where is/when will I see/how long until I get> my <refund/money back>|has my money been <refunded/paid back>|<I have not received the/my/the> refund <yet/has not come/is late>|when <is the money back/will you pay my money back>"},
    {"exchange_goods|swap_item|change_item", "换货|换尺码或颜色|想换一个", "exchanges goods|wants another size or colour instead",
     "#<我想/我要/可以/能不能/帮我>换<一个/一件/个颜色/个尺码/大一号的/小一号的/另一个颜色>|{n}<尺码不合适/太大了/太小了/颜色不对>，<能换吗/想换/帮我换一个/可以换货吗>|换货<怎么弄/怎么办/要多久>",
     "#<I want to/can I/how do I/I would like to> <exchange/swap/change> <{n}/it> <for another size/for another colour/for a bigger one/for a smaller one>|<it does not fit/the colour is wrong/it is too small/it is too big>, <I need another/can I swap it/please exchange it>|please <change the colour/change the size>"},
    {"track_order|order_status|where_is_order", "查订单|问包裹到哪里了|物流进度", "tracks an order|asks where the parcel is",
     "#<我的订单/我的快递/我的包裹/我的货/我买的东西><到哪了/到哪里了/什么时候到/发货了吗/还没收到/在路上了吗/寄到哪里了/怎么还没到>|<查一下/帮我查/看看><物流/订单/快递/包裹><到哪了//，谢谢>",
     "#<where is/track/what happened to/please check> my <order/parcel/package/delivery>|has my <order/parcel/package> been <sent/shipped>|my <order/parcel/package> <has not come yet/has not arrived/is late>|is my <order/parcel/package> on its way"},
    {"cancel_order|stop_order|drop_order", "取消订单|不想要了|撤销订单", "cancels an order|does not want the order any more",
     "#<取消/撤销/帮我取消/帮我撤销><订单/我的订单/刚才那单/刚下的订单>|<我不想买了/我不想要了/买错了>，<帮我取消/取消订单/撤销吧/取消掉>|<订单/刚下的单/那一单><可以取消吗/不要了/帮我取消掉/能撤销吗/别发了>",
     "#<cancel/stop/drop> <my order/the order/the order I just made/that order></ please>|I do not want <it/the order> any more, <cancel it/please cancel/stop it>|can I <cancel/stop/drop> <the/my> order|please do not <ship/send> my order"},
    {"place_order|buy_item|order_now", "下单|购买商品|要买东西", "places an order|wants to buy something",
     "#<我要买/我想买/给我来一个/下单/订两个/我要下单/购买/帮我下单>{n}|{n}<我要了/我要了，怎么买/我买了/我想买/给我来一个/帮我下单>|我就<要/买>{n}",
     "#I <want to buy/will take/want to order/would like to buy/will buy> {n}|<order/get me/please get me/I am buying/buy me> {n}</ for me/ now>|<please put {n} in my order/I take {n}, how do I buy it>"},
    {"book_table|reserve_table|table_booking", "订位|预订餐桌|餐厅订座", "books a table|reserves seats in a restaurant",
     "#<我想/我要/帮我/想><订/预订/预约/留><个位子/一张桌子/个座/一张四人桌/一个包间/个餐位>|<今晚/明天中午/晚上/周末><有位置吗/有位子吗/订座/订个位子/想来吃饭，留个位/有桌子吗>|给我留<张桌子/个位子>",
     "#<I want to/can I/I would like to/we want to> <book/reserve> <a table/seats/two seats></ tonight/ for four/ for tomorrow>|a table <for four/for two/for tonight>, please|do you have a <table/table free></ tonight/ tomorrow>|please keep <us/me> a table|we want to eat <at yours tonight/with you tomorrow>"},
    {"book_room|reserve_room|room_booking", "订房|预订房间|住宿预订", "books a room|reserves a place to stay",
     "#<我想/我要/帮我/想><订/预订/留><一间房/一个大床房/两晚房间/一个房间/间房>|<今晚/周末/明天/下周><还有房吗/有空房吗/有房间吗/订间房/想来住两天>|想<住两晚/来住两天/住一晚，有房吗>",
     "#<I want to/can I/I would like to/we want to> <book/reserve> a <room/double room/single room></ tonight/ for two nights>|do you have a room </free/tonight/for two nights>|please <book two nights/keep a room> for <me/us>|we want to stay <two nights/one night/the weekend>"},
    {"opening_hours|ask_hours|business_hours", "询问营业时间|几点开门|几点关门", "asks for opening hours|wants to know when it opens or closes",
     "#<你们/店里/你们店><几点开门/几点关门/什么时候开门/周末开门吗/晚上开到几点/现在开着吗/几点开始营业/营业到几点>|营业时间<是什么时候/是几点/到几点/是几点到几点>|<早上/晚上/周末><几点开门/几点关门/营业吗/开门吗>",
     "#<when do you/what time do you/until when do you> <open/close/stay open>|what are your <opening hours/hours/business hours>|are you <open/closed> <on Sunday/now/at night/on holidays>|<when are you open/until when are you open/from when are you open>"},
    {"ask_address|find_store|store_location", "询问地址|店在哪里|怎么去", "asks for the address|wants to know where the shop is",
     "#<你们/你们店/店><在哪里/在哪/在什么地方/地址是什么/在哪条路/开在哪里>|<怎么去/怎么走到/怎么找到><你们店/你们那里/店里>|<店的地址/门店地址/地址><是什么/在哪/发我一下>|<有没有分店/离地铁站远吗/附近有分店吗>",
     "#<where is/what is the address of/how do I find/how do I get to> <your shop/your store/you>|<where are you/which street are you in/where exactly are you>|what is your address|<do you have another shop/is there another shop near me/is your shop near the station>"},
    {"ask_warranty|warranty_query|guarantee_terms", "询问保修|保修政策|质保多久", "asks about the warranty|wants to know the guarantee",
     "#{n}<保修多久/质保多久/有质保吗/有保修吗/保修几年/在保修期内吗>|<保修/质保><多久/包括什么/几年/怎么算/要什么手续>|过了<保修期/质保期><怎么办/还能修吗>|<保修卡/质保卡><怎么用/丢了怎么办>",
     "#how long is the <warranty/guarantee></ of {n}/ on {n}>|is there a <guarantee/warranty> <for/on> {n}|what does the <warranty/guarantee> <cover/include>|is {n} <under warranty/covered by the guarantee/covered by the warranty>|what if the <warranty/guarantee> <is over/ends>"},
    {"report_fault|repair_request|broken_item", "报修|东西坏了|要求维修", "reports a fault|something is broken and needs repair",
     "#{n}<坏了/开不了机/有杂音/不亮了/用不了了/没反应了/坏了，能修吗>|<我要/我想/怎么/帮我><报修/维修/修一下{n}>|<屏幕/空调/灯/机器><不亮了/坏了/不制冷了/有杂音/没反应了>|<来个人/找人>修一下",
     "#{n} <is broken/does not turn on/makes a noise/stopped working/does not work/is damaged>|<I need a repair/I need {n} repaired/please repair {n}/can somebody fix {n}/can you repair {n}>|the <screen/lamp/machine/heating> <stays dark/is broken/does not work/stopped working>"},
    {"complaint|make_complaint|complain_service", "投诉|对服务不满|提意见", "complains|is unhappy with the service",
     "#<我要/我想/怎么><投诉/投诉你们/提意见/投诉服务员>|<你们/服务员/客服><服务太差了/态度很不好/态度太差了/太让人失望了/让我很不满意>|<等了一个小时没人理/太让人失望了/对你们很不满意/服务让人不满>，<我要投诉/太差了/叫经理来>",
     "#I <want to complain/want to make a complaint/have a complaint/am very unhappy with you/am unhappy with the service>|<your service/the staff/the service> <is terrible/was rude/was terrible/is very bad>|I waited an hour <and nobody came/and I am unhappy>|<get me the manager/where do I complain/this is terrible service>"},
    {"delivery_fee|shipping_cost|ask_shipping", "询问运费|送货要多少钱|包不包邮", "asks what delivery costs|wants to know about shipping fees",
     "#<运费/邮费/快递费/送货费><多少/怎么算/是多少/谁出/贵吗/要多少钱>|<包邮吗/包不包邮/免运费吗/满多少免运费/满多少包邮>|<送货上门/寄过来/送过来/邮寄><要钱吗/要多少钱/要另外付钱吗/收费吗>",
     "#<how much is/what is/what does> the <shipping fee/delivery fee/postage>|how much <is shipping/is delivery/does shipping cost/does delivery cost>|is <delivery/shipping> <free/extra>|<do I pay for/who pays for/does it cost extra for> <delivery/shipping/the postage>"},
    {"delivery_time|ask_delivery|how_long", "询问多久送到|配送时间|几天到货", "asks how long delivery takes|wants to know when it will be delivered",
     "#<多久/几天/要多久/要几天><能送到/到货/能到/送到>|<今天下单/现在买/现在下单><什么时候到/几天能到/明天能到吗/多久送到>|<送过来/配送/送货><要多长时间/要多久/要几天/要等多少天>|最快<哪天能到/几天能到/什么时候送到>",
     "#how long does <delivery/shipping/it> take</ to arrive>|how many days <until it arrives/does delivery take/must I wait/for delivery>|if I order <today/now>, when <will it come/does it arrive/is it delivered>|<can it be here tomorrow/can you deliver tomorrow/what is the earliest delivery>|when will it be delivered"},
    {"ask_invoice|need_invoice|get_receipt", "开发票|要收据|发票问题", "asks for an invoice|needs a receipt",
     "#<能/可以/帮我/怎么>开<发票/张发票/电子发票/收据><吗//，谢谢>|<我要/我需要/给我><发票/收据/开张发票/电子发票>|发票<抬头怎么写/丢了能补吗/什么时候开/怎么拿/发给我>|收据<丢了能补吗/怎么拿>",
     "#<can I get/I need/please send me/where do I get/please write me/I lost> <an invoice/the invoice/a receipt/the receipt/my invoice>|<can you/please> <send the invoice/print a receipt/write an invoice for my company>"},
    {"ask_discount|promotion_query|any_offers", "询问优惠|打折活动|有没有折扣", "asks for a discount|wants to know about offers",
     "#<有/有没有/现在有/最近有><优惠/折扣/打折活动/什么活动/优惠券><吗//呀>|<能/可以/能不能><打折/便宜点/优惠一点/少点><吗/>|<优惠券怎么用/学生有折扣吗/买两个便宜点吗/会员打折吗>",
     "#<is there/do you have/can I get/do you give> <a discount/any discount/any offers/a coupon/some discount></ today/ for students>|can you <make it cheaper/lower the price/give me a discount>|<what offers do you have/how do I use the coupon/any deals today/are there any offers>"},
    {"payment_method|how_to_pay|ask_payment", "询问付款方式|怎么付钱|支付问题", "asks how to pay|wants to know the ways of payment",
     "#<怎么/如何/可以怎么><付款/付钱/支付>|<可以/能/能不能/支持><刷卡/微信支付/支付宝付款/货到付款/分期付款/用现金付><吗/>|<付款/付钱/支付><方式有哪些/有哪几种方式/怎么弄>",
     "#<how can I/how do I/how may I> pay|do you <take/accept> <cards/cash/credit cards>|can I pay <by card/in cash/in instalments/on delivery/by phone>|<which ways of paying/what payment methods/which ways of payment> <are there/do you take>"},
    {"payment_failed|pay_problem|charge_error", "付款失败|扣款出错|支付不成功", "a payment failed|was charged wrongly",
     "#<付款/支付/刷卡/扣款><失败了/不成功/出错了/一直失败/不成功怎么办>|<钱/我的钱><扣了两次/多扣了/扣错了/扣了没显示>|<付了钱/付款了/扣了钱><没显示/订单没成功/没有成功>|付不了<钱/款>",
     "#<my/the> payment <failed/does not go through/did not work/was refused>|I was charged <twice/wrongly/too much>|I paid <but it does not show/twice/but it failed>|<my card was refused/you charged me twice/you charged too much>"},
    {"change_address|update_address|edit_address", "改地址|修改收货地址|换个地方送", "changes the delivery address|wants it sent elsewhere",
     "#<我要/我想/帮我/能不能><改/修改/换/更换><地址/收货地址/送货地址/个地址>|<收货地址/地址><写错了/填错了/要改/要换一下>|<能/可以>换个<地址/地方><送/收货/寄>吗|<寄到/送到><另一个地方/公司/另一个地址><行吗/可以吗>",
     "#<I want to/can I/please/I need to> <change/update/correct> <my/the> <address/delivery address>|the <delivery address/address> is <wrong/not right/old>|<send/deliver> it to <another address/my office/another place></ please/ instead>|I <typed/gave> the wrong <address/street>"},
    {"change_date|reschedule|move_booking", "改时间|改预订日期|换个时间", "changes the date|moves a booking",
     "#<我想/我要/能不能/帮我><改/换><时间/个时间/日期/预订时间/预订日期>|<预订/时间/日期><改到明天/推迟一天/换成下周/往后挪一天/提前一小时><行吗/可以吗/>|那天来不了，<换一天/改个时间/换个日期>",
     "#<I want to/can I/please/I need to> <change the date/move my booking/reschedule/change the time></ to tomorrow/ to next week>|can we <make it a day later/move it to next week/change the date>|I cannot come that day, <another date please/move my booking/please reschedule>"},
    {"cancel_booking|cancel_reservation|drop_booking", "取消预订|不来了|取消房间或餐位", "cancels a booking|is not coming",
     "#<取消/帮我取消/我要取消><预订/我的预订/房间预订/订的位子/订的房间/餐位预订>|<房间/订的位子/预订的房间/桌子><不要了/取消吧/帮我取消>|<我们/我><不来了/来不了了>，<预订取消吧/帮我取消预订/取消预订>",
     "#<cancel/please cancel/I want to cancel/drop> <my booking/the booking/my reservation/the table/the room/our reservation>|we <are not coming/cannot come>, <cancel the booking/cancel the table/cancel the room>|we do not need the <room/table> any more"},
    {"speak_to_human|human_agent|call_staff", "转人工|找真人客服|要和人说话", "wants to talk to a person|asks for human staff",
     "#<转/接/我要/请转/帮我转><人工/人工客服/人工服务/真人客服>|<我要/我想/让我><找真人/跟人说话/和真人说话/找客服>|<叫/让><客服/真人/你们的人>来</跟我说>|<不要机器人/有真人吗/有人在吗>，<我要人工/转人工/找真人>",
     "#<I want to/let me/can I/I need to> <talk to/speak to> <a person/a human/somebody real/an agent/a real person>|<give me/connect me to/get me> <a human/an agent/a person/a real person>|<no robots/no machines>, <a human please/a person please>|is there a <real person/human> here"},
    {"ask_recommendation|recommend_item|suggest", "求推荐|推荐商品|问哪个好", "asks for a recommendation|wants a suggestion",
     "#<推荐/帮我推荐/给我推荐/能推荐/求推荐><一款/一个/几样好的/一下><吧/吗/>|<哪个/哪款/哪种><比较好/最好/好/值得买>|<送人/送朋友/送爸妈>买<什么好/哪个好>|<不知道选哪个/不知道买什么>，<推荐一下/给点建议/帮我选>",
     "#<what do you/what would you/can you/which one do you> <recommend/suggest>|<which one is/what is/which is> <best/the best/better></ for me>|<recommend/suggest> something</ good/ for me/ for a gift>|I <do not know which one to take/cannot decide>, <recommend one/suggest something/which one is best>"},
    {"ask_ingredients|allergy_query|food_contents", "询问成分|过敏问题|里面有什么", "asks about ingredients|has an allergy",
     "#{n}<里面有什么/里有花生吗/含麸质吗/的成分是什么/有没有放坚果/里放了什么/有牛奶吗>|<我/孩子>对<虾/花生/牛奶/鸡蛋>过敏</，能点吗/，能吃吗>|<成分/配料><是什么/有哪些/有花生吗>|<里面/菜里><有花生吗/有没有坚果/放了什么>",
     "#what is <in/inside> {n}|does <it/{n}> contain <peanuts/milk/nuts/eggs>|<I am/my child is> allergic to <shrimp/nuts/milk/eggs>|<what are the ingredients/which ingredients are> <of/in> {n}|are there <nuts/peanuts/eggs> in {n}|is {n} free of <gluten/nuts/milk>"},
    {"wifi_password|ask_wifi|internet_access", "询问无线网络|WiFi密码|上网", "asks for the wifi|wants to get online",
     "#<WiFi/无线网/网络><密码是多少/怎么连/密码告诉我/连不上/怎么登录/有吗>|<怎么/哪里可以/能不能><上网/连网/连WiFi>|<有/有没有/这里有><无线网/WiFi/网络><吗/>|上不了网</，怎么办>",
     "#<what is/tell me/I need> the <wifi password/wifi code/wifi name>|<do you have/is there/where is> wifi</ here/ in the room>|<how do I get/how can I get/I cannot get> <online/on the wifi/on the internet>|the <internet/wifi> <does not work/is slow/is down>"},
    {"luggage_storage|store_bags|keep_luggage", "寄存行李|放行李|存包", "stores luggage|wants to leave bags",
     "#<可以/能/哪里可以/能不能><寄存行李/放行李/存包/放箱子/存行李><吗/>|<行李/箱子/包><放哪里/能放你们这吗/可以存吗/先存一下/寄存在哪>|退房后<能放行李吗/行李能存吗/可以存包吗>",
     "#<can I/where can I/may I> <store/leave/keep> <my luggage/my bags/a bag/my suitcase></ here/ after check-out>|can you <keep/store/look after> <my bags/my luggage/my suitcase></ until tonight>|is there <luggage storage/a place for bags>"},
    {"member_points|loyalty_query|check_points", "会员积分|查积分|会员权益", "asks about points|membership benefits",
     "#<我有多少/查一下我的/我的><积分/会员积分></怎么用/会过期吗>|积分<怎么用/能换什么/会过期吗/怎么查/还有多少>|会员<有什么好处/有什么权益/怎么办/要钱吗/卡怎么办>|<怎么/如何>办会员</卡>",
     "#how many <points/member points> <do I have/are left>|<how do I use/can I use/where do I see> my <points/member points>|what <do members get/are the benefits for members>|how do I <become a member/get a member card>|do <points/member points> expire"},
    {"reset_password|login_problem|account_access", "忘记密码|登录不了|账号问题", "cannot log in|forgot the password",
     "#<密码/登录密码/我的密码><忘了/忘记了/怎么重置/错了怎么办>|<账号/我的账号/账户><登不上/登录不了/进不去/被锁了>|<怎么/如何/帮我>重置<密码/登录密码>|<收不到验证码/登录老是出错/登录失败>",
     "#I <forgot my password/cannot log in/cannot get into my account/forgot my login>|<how do I/please/can you> reset <my/the> password|<my account/the login> <is locked/does not work/fails>|the <login code/code> does not <arrive/work>"},
    {"greeting|say_hello|hello", "打招呼|问好", "says hello|greets",
     "#<你好/您好/早上好/晚上好/下午好/嗨/哈喽/在吗><呀/啊/哦/！/>|<大家/老板>好",
     "#<hello/hi/good morning/good evening/good afternoon/hey></ there/ everyone/ again/ to you/!>"},
    {"say_thanks|thanks|thank_you", "道谢|感谢", "says thanks",
     "#<谢谢/多谢/感谢/非常感谢/太感谢><你/您/了/你们/啦/你的帮助/>|<好的/知道了/辛苦了>，<谢谢/多谢/感谢>",
     "#<thanks/thank you/many thanks/great, thanks/okay, thank you></ very much/ a lot/ so much/ for the help/ for everything>"},
    {"say_goodbye|goodbye|bye", "告别|再见", "says goodbye",
     "#<再见/拜拜/回头见/下次见/明天见/先走了/我走了><啦/了/哦/！/>|<好的/先这样/没事了>，<再见/拜拜/下次见>",
     "#<goodbye/bye/see you/bye bye></ then/ later/ soon/ tomorrow/ next time>|<that is all/okay/I must go>, <bye/goodbye/see you>"},
};
enum { N_INTENTS = sizeof INTENTS / sizeof *INTENTS, LABELS = 40 };

static const char OTHER_ZH[] =
    "#<今天/明天/周末/北京/外面><天气怎么样/会下雨吗/冷不冷/热吗/下雪吗>|<给我讲/说/来>个<笑话/故事/谜语>|<帮我写/写>一<首诗/首歌/篇作文/段代码>|<世界上/中国>最<高/大/长>的<山/河/城市/动物>是<哪座/什么>|<推荐/讲讲>一部<电影/小说/电视剧>"
    "|<谁发明了/谁写了/谁画了><电话/红楼梦/蒙娜丽莎/飞机>|<月亮/太阳/火星><离我们多远/有多大/有多热>|<你几岁了/你会下棋吗/你会唱歌吗/你喜欢吃什么/你住在哪>|<怎么/如何><学英语/减肥/种花/弹钢琴/做数学题>|<股票/房价/汇率><会涨吗/今天怎么样>"
    "|<最近有什么/今天有什么><新闻/比赛>|<猫/狗/鱼><为什么怕水/会睡觉吗/能活几年>|<火车票/机票/电影票>怎么买|<一加一/三乘五/十减四>等于几|<唐朝/宋朝><有多少年/皇帝是谁>|<昨晚/今晚>的<足球/篮球>比赛谁赢了|下周放假吗|<帮我/请><翻译这句话/算一道题/写封信>";
static const char OTHER_EN[] =
    "#<what is the weather like/will it rain/is it cold/is it hot/will it snow> <today/tomorrow/this weekend/outside>|<tell me/do you know> a <joke/story/riddle>|<write me/write/make up> a <poem/song/story/program>|which <mountain/river/city/animal> is the <highest/longest/biggest>"
    "|<name/tell me> a good <film/book/series>|who <invented/built/wrote> the <telephone/first plane/bible/pyramids>|how <far/big/hot> is the <moon/sun>|<how old are you/can you play chess/can you sing/what do you like to eat/where do you live>|how do I <learn French/lose weight/grow roses/play the piano/do my homework>"
    "|will <shares/house prices/taxes> <go up/fall>|what is <in the news/new in the world/on television></ tonight>|<why do cats/do fish/how long do dogs> <hate water/sleep/live>|what is <one plus one/three times five/ten minus four>|how long did <Rome/the war> last|who <won/plays in> the <match/cup> <today/last night>|<translate this sentence/help me with my homework/write some code>";

void chat_line(gen *g, glim_buf *out) {
    char t[TEXT], f[TEXT];
    say(g, OTHER_ZH, OTHER_EN, t);
    say(g, "{q}？|请问{q}？|你好，{q}？|*你好，请问{q}？", "{q}?|Hi, {q}?|Please tell me, {q}?|*Hello, please tell me, {q}?", f);
    const slot s[] = {{'q', t}};
    glim_buf b = {0};
    fill(&b, f, s, 1, !g->zh);
    put_plain(out, glim_buf_cstr(&b), false);
    glim_buf_free(&b);
}

static void utter(gen *g, const intent *x, glim_buf *out) {
    char t[TEXT], f[TEXT], name[TEXT];
    say(g, x->say_zh, x->say_en, t);
    say(g, "{q}|{q}？|{q}。|你好，{q}|请问{q}|嗯，{q}|{q}，谢谢|*你好，请问{q}|*嗯，{q}，谢谢", "{q}|{q}.|{q}?|hello, {q}|please, {q}|well, {q}|{q}, thanks|*hello, {q}, thanks|*well, {q}?", f);
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

/* A label and what stands behind it, as src/text/offer.c reads them. */
static void note_label(gen *g, const char *labels, const char *label, const char *about) {
    glim_buf b = {0};
    for (const char *s = label; *s; s++) glim_buf_putc(&b, *s == '_' ? ' ' : *s);
    note_sense(g, "intent", labels, glim_buf_cstr(&b));
    if (about) {
        glim_buf_printf(&b, ": %s", about);
        note_sense(g, "intent", labels, glim_buf_cstr(&b));
    }
    glim_buf_free(&b);
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
        note_label(g, INTENTS[c->of[i]].labels, c->label[i], c->described ? d : NULL);
        glim_buf_putc(b, '\n');
    }
    glim_buf_puts(b, g->zh ? "都不合适时写 none" : "If none fits, write none");
}

/* Something said, and the label that fits; another one in wrong. */
static void one(gen *g, const choice *c, glim_buf *said, glim_buf *label, glim_buf *wrong) {
    const size_t at = below(g, c->n);
    if (chance(g, 78)) {
        utter(g, &INTENTS[c->of[at]], said);
        note_sense(g, "intent", INTENTS[c->of[at]].labels, glim_buf_cstr(said));
        glim_buf_puts(label, c->label[at]);
        glim_buf_puts(wrong, chance(g, 30) ? "none" : c->label[(at + 1) % c->n]);
        return;
    }
    if (chance(g, 45)) {
        chat_line(g, said);
        note_sense(g, "intent", "none", glim_buf_cstr(said));
    } else {
        size_t k;
        bool there;
        do {
            k = below(g, N_INTENTS);
            there = false;
            for (size_t i = 0; i < c->n; i++) there |= c->of[i] == k;
        } while (there);
        utter(g, &INTENTS[k], said);
        note_sense(g, "intent", INTENTS[k].labels, glim_buf_cstr(said));
    }
    glim_buf_puts(label, "none");
    glim_buf_puts(wrong, c->label[at]);
}

void intent_conv(gen *g, conv *c) {
    choice l;
    make_list(g, &l);
    put_list(g, &c->system, &l);
    one(g, &l, &c->user, &c->answer, &c->wrong);
    for (size_t k = more_turns(g); k > 0; k--) {
        glim_buf said = {0}, label = {0}, wrong = {0};
        one(g, &l, &said, &label, &wrong);
        add_turn(c, &said, &label, NULL);
        glim_buf_free(&said), glim_buf_free(&label), glim_buf_free(&wrong);
    }
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
