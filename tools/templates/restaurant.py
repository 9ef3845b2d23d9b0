"""The sample of the template "restaurant": a menu with delivery, invented, in Chinese and English."""
import random

KINDS = {"凉菜": ["cold dish", "starter", "冷菜", "前菜"], "热菜": ["main dish", "main", "hot dish", "炒菜"], "汤": ["soup", "汤品"], "主食": ["staple", "rice and noodles"],
         "点心": ["dim sum", "snack", "小吃"], "甜品": ["dessert"], "饮品": ["drink", "beverage", "饮料"]}
SPICY = {"不辣": ["not spicy", "mild"], "微辣": ["slightly spicy"], "中辣": ["medium spicy"], "特辣": ["very spicy", "extra hot"]}
ALLERGENS = {"花生": ["peanut"], "麸质": ["gluten"], "乳制品": ["dairy", "milk", "牛奶", "奶制品", "乳糖", "lactose"], "海鲜": ["seafood", "shellfish"], "蛋": ["egg", "鸡蛋", "蛋类"], "大豆": ["soy"], "芝麻": ["sesame"], "坚果": ["nuts", "nut", "tree nut"]}
COLUMNS = ["id", "name", "name_en", "kind", "price", "spiciness", "vegetarian", "calories", "people", "allergens", "left", "delivery", "rating", "description", "description_en"]
SCHEMA = {"columns": [
    {"column": "id", "type": "id", "zh": "编号", "en": "number"},
    {"column": "name", "type": "name", "lang": "zh"},
    {"column": "name_en", "type": "name", "lang": "en"},
    {"column": "kind", "type": "enum", "zh": "类别", "en": "kind", "values": KINDS},
    {"column": "price", "type": "price", "zh": "价格", "en": "price", "unit_zh": "元", "unit_en": "CNY"},
    {"column": "spiciness", "type": "enum", "zh": "辣度", "en": "spiciness", "values": SPICY},
    {"column": "vegetarian", "type": "bool", "zh": "素食", "en": "vegetarian", "also": ["素的", "素菜", "吃素", "vegetarians", "meatless"]},
    {"column": "calories", "type": "number", "zh": "热量", "en": "calories", "unit_zh": "大卡", "unit_en": "kcal"},
    {"column": "people", "type": "number", "zh": "份量", "en": "serves", "unit_zh": "人份", "unit_en": "people", "also": ["几个人吃", "几人份", "够几个人吃", "how many people"]},
    {"column": "allergens", "type": "enum", "many": True, "zh": "过敏原", "en": "allergens", "also": ["过敏", "allergy", "allergic"], "values": ALLERGENS},
    {"column": "left", "type": "stock", "zh": "余量", "en": "left today", "unit_zh": "份"},
    {"column": "delivery", "type": "bool", "zh": "外送", "en": "delivery", "also": ["外卖", "打包带走", "takeaway", "delivered"]},
    {"column": "rating", "type": "number", "zh": "评分", "en": "rating"},
    {"column": "description", "type": "text", "lang": "zh", "zh": "介绍", "en": "description"},
    {"column": "description_en", "type": "text", "lang": "en", "zh": "介绍", "en": "description"},
]}
# name, English, kind, price, spiciness, vegetarian, kcal, people, allergens, Chinese text, English text
DISHES = [
    ("凉拌黄瓜", "Smashed cucumber", "凉菜", 18, "微辣", 1, 120, 2, "芝麻", "现拍黄瓜，蒜泥香醋。", "Smashed to order, garlic and vinegar."),
    ("口水鸡", "Chicken in chilli oil", "凉菜", 38, "中辣", 0, 420, 2, "花生、芝麻", "土鸡去骨，红油自炼。", "Boned chicken, our own chilli oil."),
    ("皮蛋豆腐", "Tofu with century egg", "凉菜", 22, "不辣", 0, 210, 2, "大豆、蛋", "嫩豆腐配松花蛋，浇葱油。", "Silken tofu and century egg with scallion oil."),
    ("老醋花生", "Peanuts in aged vinegar", "凉菜", 20, "不辣", 1, 380, 2, "花生", "陈醋三年，花生现炸。", "Three year old vinegar, freshly fried peanuts."),
    ("桂花糯米藕", "Lotus root with sticky rice", "凉菜", 28, "不辣", 1, 310, 3, "", "慢炖四小时，淋桂花蜜。", "Simmered for four hours, osmanthus honey."),
    ("木耳拌山药", "Wood ear and yam", "凉菜", 26, "不辣", 1, 150, 2, "", "铁棍山药，清爽少油。", "Iron yam, light, with little oil."),
    ("宫保鸡丁", "Kung pao chicken", "热菜", 42, "微辣", 0, 560, 2, "花生、大豆", "鸡腿肉，荔枝口。", "Chicken thigh, sweet and sour."),
    ("麻婆豆腐", "Mapo tofu", "热菜", 32, "中辣", 0, 430, 2, "大豆", "牛肉末，可做素版，请备注。", "With minced beef; ask for the meatless version."),
    ("水煮鱼", "Fish in chilli broth", "热菜", 78, "特辣", 0, 690, 4, "海鲜", "黑鱼片，每日到货。", "Snakehead slices, delivered every day."),
    ("清蒸鲈鱼", "Steamed sea bass", "热菜", 68, "不辣", 0, 340, 3, "海鲜、大豆", "一斤左右的鲜鲈鱼。", "A fresh bass of about half a kilo."),
    ("糖醋里脊", "Sweet and sour pork", "热菜", 46, "不辣", 0, 620, 2, "麸质、蛋", "外酥里嫩，孩子喜欢。", "Crisp outside, tender inside, children like it."),
    ("红烧肉", "Red braised pork belly", "热菜", 58, "不辣", 0, 880, 3, "大豆", "五花肉慢炖两小时。", "Pork belly braised for two hours."),
    ("干煸四季豆", "Dry fried green beans", "热菜", 30, "微辣", 1, 280, 2, "", "煸到起皱，配芽菜。", "Fried until wrinkled, with preserved greens."),
    ("地三鲜", "Potato, aubergine and pepper", "热菜", 30, "不辣", 1, 410, 2, "大豆", "土豆茄子青椒，少油版可选。", "Can be made with less oil."),
    ("辣子鸡", "Chicken with dried chillies", "热菜", 52, "特辣", 0, 640, 3, "芝麻", "辣椒里找鸡。", "A pile of chillies with crisp chicken inside."),
    ("蒜蓉西兰花", "Broccoli with garlic", "热菜", 28, "不辣", 1, 160, 2, "", "焯水快炒，少盐。", "Blanched and tossed, low in salt."),
    ("番茄牛腩", "Beef brisket with tomato", "热菜", 62, "不辣", 0, 580, 3, "", "牛腩炖三小时，配土豆。", "Stewed for three hours, with potatoes."),
    ("孜然羊肉", "Cumin lamb", "热菜", 66, "微辣", 0, 610, 2, "", "内蒙古羊腿肉。", "Leg of lamb from Inner Mongolia."),
    ("香菇油菜", "Greens with shiitake", "热菜", 26, "不辣", 1, 170, 2, "大豆", "冬菇泡发一夜。", "Dried shiitake soaked overnight."),
    ("干锅牛蛙", "Dry pot bullfrog", "热菜", 88, "特辣", 0, 720, 4, "", "现杀现做，约三十分钟。", "Made to order, about thirty minutes."),
    ("虾仁滑蛋", "Scrambled eggs with shrimp", "热菜", 48, "不辣", 0, 390, 2, "海鲜、蛋", "青虾仁，滑嫩。", "River shrimp, soft eggs."),
    ("酸辣土豆丝", "Sour and spicy potato", "热菜", 22, "微辣", 1, 240, 2, "", "切丝泡水，脆爽。", "Shredded, rinsed, crisp."),
    ("佛跳墙", "Buddha jumps over the wall", "热菜", 268, "不辣", 0, 760, 2, "海鲜", "提前一天预订。", "Order one day ahead."),
    ("酸辣汤", "Hot and sour soup", "汤", 26, "微辣", 0, 190, 3, "大豆、蛋", "白胡椒和陈醋。", "White pepper and aged vinegar."),
    ("番茄蛋汤", "Tomato and egg soup", "汤", 20, "不辣", 0, 150, 3, "蛋", "家常口味。", "As at home."),
    ("玉米排骨汤", "Pork rib and corn soup", "汤", 48, "不辣", 0, 420, 4, "", "砂锅炖足两小时。", "Two hours in a clay pot."),
    ("菌菇汤", "Mushroom soup", "汤", 38, "不辣", 1, 140, 3, "", "五种菌菇，不加味精。", "Five kinds of mushrooms, no MSG."),
    ("扬州炒饭", "Yangzhou fried rice", "主食", 28, "不辣", 0, 620, 1, "蛋、海鲜", "虾仁火腿，粒粒分明。", "Shrimp and ham."),
    ("牛肉面", "Beef noodles", "主食", 32, "微辣", 0, 650, 1, "麸质", "手工拉面，可选宽细。", "Hand pulled noodles, wide or thin."),
    ("素三鲜水饺", "Vegetable dumplings", "主食", 26, "不辣", 1, 430, 1, "麸质、大豆", "十五只，韭菜木耳豆干。", "Fifteen pieces, chives, wood ear and dried tofu."),
    ("猪肉白菜水饺", "Pork and cabbage dumplings", "主食", 28, "不辣", 0, 520, 1, "麸质、大豆", "十五只，现包。", "Fifteen pieces, made to order."),
    ("担担面", "Dandan noodles", "主食", 26, "中辣", 0, 580, 1, "麸质、花生、芝麻", "碱水面，肉臊子。", "Alkaline noodles with minced pork."),
    ("葱油拌面", "Scallion oil noodles", "主食", 18, "不辣", 1, 470, 1, "麸质、大豆", "葱油每天现熬。", "Scallion oil made every day."),
    ("米饭", "Steamed rice", "主食", 3, "不辣", 1, 230, 1, "", "东北大米。", "Rice from the northeast."),
    ("小笼包", "Soup dumplings", "点心", 24, "不辣", 0, 360, 1, "麸质", "八只一笼。", "Eight in a basket."),
    ("虾饺", "Shrimp dumplings", "点心", 32, "不辣", 0, 260, 1, "海鲜、麸质", "四只一笼。", "Four in a basket."),
    ("叉烧包", "Barbecue pork buns", "点心", 22, "不辣", 0, 390, 1, "麸质、大豆", "三只一笼。", "Three in a basket."),
    ("春卷", "Spring rolls", "点心", 20, "不辣", 1, 310, 2, "麸质", "六只，素馅。", "Six pieces, vegetable filling."),
    ("萝卜糕", "Turnip cake", "点心", 22, "不辣", 0, 280, 2, "海鲜", "煎得两面金黄。", "Fried golden on both sides."),
    ("杨枝甘露", "Mango pomelo sago", "甜品", 26, "不辣", 1, 290, 1, "乳制品", "现切芒果。", "Fresh mango."),
    ("红豆双皮奶", "Red bean milk custard", "甜品", 20, "不辣", 1, 260, 1, "乳制品、蛋", "水牛奶。", "Buffalo milk."),
    ("芝麻汤圆", "Sesame rice balls", "甜品", 18, "不辣", 1, 320, 1, "芝麻", "六只。", "Six pieces."),
    ("酸梅汤", "Sour plum drink", "饮品", 12, "不辣", 1, 110, 1, "", "乌梅山楂，冷热均可。", "Smoked plum and hawthorn, hot or cold."),
    ("现磨豆浆", "Fresh soy milk", "饮品", 10, "不辣", 1, 90, 1, "大豆", "不加糖，可备注。", "Unsweetened unless you ask."),
    ("柠檬红茶", "Lemon tea", "饮品", 15, "不辣", 1, 120, 1, "", "少糖无糖可选。", "Less or no sugar on request."),
    ("青岛啤酒", "Draught lager", "饮品", 16, "不辣", 1, 210, 1, "麸质", "500毫升一扎，未成年人不出售。", "Half a litre, not sold to minors."),
    ("鲜榨西瓜汁", "Fresh watermelon juice", "饮品", 22, "不辣", 1, 150, 1, "", "不加水不加糖。", "No water, no sugar."),
    ("核桃露", "Walnut milk", "饮品", 16, "不辣", 1, 180, 1, "坚果", "温热供应。", "Served warm."),
]


def products():
    r = random.Random(42)
    rows = []
    for i, (name, en, kind, price, spicy, veg, kcal, people, allergens, text, text_en) in enumerate(DISHES):
        rows.append(dict(id=f"D{i + 1:02d}", name=name, name_en=en, kind=kind, price=price, spiciness=spicy, vegetarian="是" if veg else "否", calories=kcal, people=people,
                         allergens=allergens, left=0 if i in (8, 19, 38) else r.randrange(5, 40), delivery="否" if name in ("佛跳墙", "干锅牛蛙", "青岛啤酒") else "是",
                         rating=f"{r.randrange(40, 50) / 10:.1f}", description=text, description_en=text_en))
    return rows


NOTES = [
    ("N01", "delivery_info", "外送范围和时间", "delivery area and time", "五公里内外送，一般40分钟送到；满60元免配送费，不满收6元。", "We deliver within 5 km, usually in 40 minutes; free from 60 CNY, otherwise 6 CNY."),
    ("N02", "booking", "订位", "booking a table", "可以提前七天订位，八人以上请订包间，位置保留15分钟。", "Tables can be booked up to 7 days ahead; for 8 or more take a private room. A table is kept for 15 minutes."),
    ("N03", "hours", "营业时间", "opening hours", "每天11:00到21:30营业，外送到21:00。", "Open every day from 11:00 to 21:30, delivery until 21:00."),
    ("N04", "address", "地址和停车", "address and parking", "在桂花路66号二楼，地下车库消费可免费停两小时。", "66 Guihua Road, first floor; guests park free for two hours in the basement."),
    ("N05", "payment", "付款和发票", "payment and invoices", "支持微信、支付宝、银行卡和现金，可以开电子发票。", "WeChat Pay, Alipay, cards and cash; electronic invoices on request."),
    ("N06", "custom", "口味调整", "changes to dishes", "辣度、油盐和忌口都可以在备注里写明，厨房按备注做。", "Write in the remarks how hot, how oily and what to leave out; the kitchen follows them."),
    ("N07", "refund", "退菜和赔付", "refunds", "送错、漏送或有质量问题，两小时内联系我们，补送或退款。", "If something is wrong, missing or bad, tell us within two hours: we send it again or refund it."),
    ("N08", "party", "宴席", "banquets", "十人桌套餐从888元起，需提前两天预订，可自带酒水。", "Set menus for ten from 888 CNY, two days ahead; you may bring your own drinks."),
    ("N09", "member", "会员", "members", "充值500元送50元，生日当月送甜品一份。", "Charge 500 CNY and get 50 more; a dessert in your birthday month."),
]
INTENTS = {
    "dish_question": (["宫保鸡丁辣吗", "水煮鱼多少钱", "这个菜里有花生吗", "牛肉面够几个人吃", "红烧肉多少卡", "小笼包一笼几个", "豆浆加糖吗", "麻婆豆腐能做素的吗", "今天还有虾饺吗"],
                      ["is the kung pao chicken spicy", "how much is the fish", "does this dish contain peanuts", "how many people does it serve", "how many calories are in the pork belly", "do you still have shrimp dumplings"]),
    "recommend": (["有什么素菜", "推荐不辣的菜", "三十元以下有什么", "最便宜的主食是什么", "孩子吃什么好", "哪些菜没有花生", "有哪些汤", "最辣的是哪道", "五十以内的热菜"],
                  ["what vegetarian dishes do you have", "recommend something not spicy", "what is there under 30 yuan", "cheapest staple", "which dishes have no peanuts", "show me the soups", "best rated dessert"]),
    "delivery_info": (["多久能送到", "送外卖吗", "配送费多少", "能送到火车站吗", "起送价多少", "骑手到哪了"], ["how long does delivery take", "do you deliver", "what is the delivery fee", "do you deliver to the station"]),
    "booking": (["我要订位", "周六晚上有位子吗", "能订包间吗", "六个人订个桌", "取消预订"], ["I want to book a table", "do you have a table on saturday", "a private room for ten please", "cancel my reservation"]),
    "hours": (["几点开门", "几点打烊", "中午营业吗", "过年开门吗"], ["when do you open", "what time do you close", "are you open for lunch"]),
    "address": (["店在哪里", "怎么走", "有停车位吗", "离地铁站远吗"], ["where are you", "is there parking", "how do I get there"]),
    "payment": (["能刷卡吗", "可以开发票吗", "怎么付钱", "支持微信吗"], ["can I pay by card", "can I have an invoice", "do you take cash"]),
    "custom": (["不要香菜", "少放点盐", "能做微辣吗", "我对海鲜过敏能调整吗", "可以不放味精吗"], ["no coriander please", "less salt please", "can you make it less spicy", "please leave out the garlic"]),
    "refund": (["菜送错了", "少了一份米饭", "菜是凉的要退", "里面有头发", "怎么退款"], ["you sent the wrong dish", "a dish is missing", "the food was cold, I want a refund", "there was a hair in it"]),
    "party": (["生日宴怎么订", "有没有十人套餐", "办酒席多少钱一桌", "能自带酒水吗"], ["do you do banquets", "set menu for ten people", "can we bring our own wine"]),
    "member": (["怎么办会员", "会员卡充值有优惠吗"], ["how do I become a member", "is there a discount for members"]),
    "order_status": (["我的外卖到哪了", "订单怎么还没接", "查一下我的订单"], ["where is my order", "has my food left yet"]),
    "greeting": (["你好", "在吗", "您好"], ["hello", "hi", "good evening"]),
    "thanks": (["谢谢", "好的", "再见"], ["thanks", "thank you", "bye"]),
    "human": (["转人工", "叫老板来", "我要投诉"], ["talk to a person", "I want to complain", "get me the manager"]),
    "oos": (["今天天气怎么样", "帮我写作业", "股票涨了吗", "讲个笑话", "明天的火车几点", "帮我订机票", "电脑坏了怎么修", "手机多少钱", "播放音乐", "世界杯谁赢了", "帮我翻译一句话", "推荐一部电影", "怎么减肥", "现在几点了", "一加一等于几"],
            ["what is the weather", "do my homework", "tell me a joke", "book a flight", "repair my computer", "play music", "who won the match", "translate this", "recommend a film", "what is one plus one", "set an alarm", "turn off the lights", "what time is it now", "how do I lose weight"]),
}
