"""The sample of the template "hotel": rooms and services of one house, invented, in Chinese and English."""
import random

KINDS = {"客房": ["room", "rooms", "房间"], "套房": ["suite"], "会议室": ["meeting room", "conference room", "会场"], "服务": ["service"]}
BEDS = {"大床": ["king bed", "double bed"], "双床": ["twin beds", "two beds", "两张床"], "上下铺": ["bunk beds"], "榻榻米": ["tatami"]}
VIEWS = {"湖景": ["lake view"], "山景": ["mountain view"], "园景": ["garden view"], "街景": ["street view"], "无景观": ["no view"]}
COLUMNS = ["code", "name", "name_en", "kind", "price", "bed", "area", "guests", "breakfast", "view", "left", "window", "bathtub", "pets", "floor", "description", "description_en"]
SCHEMA = {"columns": [
    {"column": "code", "type": "id", "zh": "编号", "en": "code"},
    {"column": "name", "type": "name", "lang": "zh"},
    {"column": "name_en", "type": "name", "lang": "en"},
    {"column": "kind", "type": "enum", "zh": "类别", "en": "kind", "values": KINDS},
    {"column": "price", "type": "price", "zh": "价格", "en": "price", "unit_zh": "元", "unit_en": "CNY", "also": ["一晚多少", "房费", "per night"]},
    {"column": "bed", "type": "enum", "zh": "床型", "en": "bed", "values": BEDS},
    {"column": "area", "type": "number", "zh": "面积", "en": "area", "unit_zh": "平方米", "unit_en": "m²", "also": ["平米"]},
    {"column": "guests", "type": "number", "zh": "可住人数", "en": "guests", "unit_zh": "人", "unit_en": "people"},
    {"column": "breakfast", "type": "bool", "zh": "早餐", "en": "breakfast", "also": ["含早", "含早餐"]},
    {"column": "view", "type": "enum", "zh": "景观", "en": "view", "also": ["窗外", "风景"], "values": VIEWS},
    {"column": "left", "type": "stock", "zh": "余房", "en": "left", "unit_zh": "间"},
    {"column": "window", "type": "bool", "zh": "窗户", "en": "window", "also": ["有窗", "窗子"]},
    {"column": "bathtub", "type": "bool", "zh": "浴缸", "en": "bathtub", "also": ["bath"]},
    {"column": "pets", "type": "bool", "zh": "宠物", "en": "pets", "also": ["带狗", "带猫", "dog", "dogs", "cat"]},
    {"column": "floor", "type": "text", "zh": "楼层", "en": "floor", "also": ["几楼"]},
    {"column": "description", "type": "text", "lang": "zh", "zh": "介绍", "en": "description"},
    {"column": "description_en", "type": "text", "lang": "en", "zh": "介绍", "en": "description"},
]}
BASE = [  # name, English, kind, price, bed, area, guests, bathtub, pets, text, English text
    ("舒适大床房", "Comfort King", "客房", 328, "大床", 22, 2, 0, 0, "配书桌和咖啡机。", "With a desk and a coffee machine."),
    ("舒适双床房", "Comfort Twin", "客房", 338, "双床", 24, 2, 0, 0, "两张1.2米床，适合同事出行。", "Two beds of 1.2 m, good for colleagues."),
    ("高级大床房", "Superior King", "客房", 428, "大床", 28, 2, 0, 1, "1.8米床，智能马桶。", "A bed of 1.8 m, a smart toilet."),
    ("高级双床房", "Superior Twin", "客房", 438, "双床", 30, 2, 0, 1, "干湿分离，小冰箱。", "Separate shower, small fridge."),
    ("豪华大床房", "Deluxe King", "客房", 588, "大床", 36, 2, 1, 0, "独立浴缸，落地窗。", "Free standing bathtub, floor to ceiling window."),
    ("家庭房", "Family Room", "客房", 688, "双床", 42, 4, 1, 1, "儿童帐篷和玩具，免费加婴儿床。", "A tent and toys for children, a cot free of charge."),
    ("亲子上下铺房", "Bunk Room", "客房", 618, "上下铺", 38, 4, 0, 0, "上下铺有护栏，适合两个孩子。", "Bunk beds with rails, for two children."),
    ("榻榻米茶室房", "Tatami Tea Room", "客房", 528, "榻榻米", 32, 2, 0, 0, "配茶席，可续茶。", "With a tea table, refills included."),
    ("行政套房", "Executive Suite", "套房", 988, "大床", 58, 2, 1, 0, "客厅独立，含行政酒廊下午茶。", "Separate living room, afternoon tea in the lounge."),
    ("家庭套房", "Family Suite", "套房", 1188, "双床", 72, 5, 1, 1, "两间卧室一间客厅。", "Two bedrooms and a living room."),
    ("总统套房", "Presidential Suite", "套房", 3888, "大床", 160, 4, 1, 0, "私人厨房，专属管家。", "Private kitchen and a butler."),
]
VARIANTS = [("湖景", "Lake View", 120, "8-12楼", "floors 8-12"), ("山景", "Mountain View", 80, "8-12楼", "floors 8-12"), ("园景", "Garden View", 40, "2-3楼", "floors 2-3"), ("街景", "Street View", 0, "4-7楼", "floors 4-7")]
EXTRA = [
    ("特价无窗房", "Saver Room without Window", "客房", 198, "大床", 16, 2, "无景观", "1楼", "安静，适合赶早班车的客人。", "Quiet, for guests with an early train."),
    ("湖心会议室", "Lake Meeting Room", "会议室", 800, "", 90, 60, "湖景", "2楼", "按半天计价，含投影和茶歇。", "Per half day, projector and coffee break included."),
    ("山间会议室", "Hill Meeting Room", "会议室", 500, "", 45, 25, "山景", "2楼", "按半天计价，含白板和投影。", "Per half day, whiteboard and projector included."),
    ("接机服务", "Airport Transfer", "服务", 180, "", "", 4, "", "", "五座车单程，提前四小时预约。", "One way, a car for four, four hours ahead."),
    ("加床", "Extra Bed", "服务", 100, "", "", 1, "", "", "每晚每张，含一份早餐。", "Per night, with one breakfast."),
    ("自助早餐", "Breakfast Buffet", "服务", 68, "", "", 1, "", "1楼", "6:30到10:00，儿童身高1.2米以下免费。", "6:30 to 10:00, free for children under 1.2 m."),
    ("洗衣服务", "Laundry", "服务", 35, "", "", "", "", "", "每件起价，十点前送洗当天取。", "From, per piece; before ten in the morning, back the same day."),
    ("游艇票", "Boat Trip", "服务", 120, "", "", 1, "", "", "每天四班，一小时。", "Four trips a day, one hour."),
]


def products():
    r = random.Random(7)
    rows = []
    for name, en, kind, price, bed, area, guests, tub, pets, text, text_en in BASE:
        for view, view_en, more, floor, _ in VARIANTS:
            if name in ("舒适大床房", "舒适双床房") and view in ("湖景",):
                continue
            if kind == "套房" and view == "街景":
                continue
            rows.append(dict(code=f"H{len(rows) + 1:02d}", name=f"{view}{name}", name_en=f"{view_en} {en}", kind=kind, price=price + more + (200 if kind == "套房" and view == "湖景" else 0), bed=bed,
                             area=area, guests=guests, breakfast="否" if price < 400 else "是", view=view, left=0 if r.random() < 0.15 else r.randrange(1, 9), window="是",
                             bathtub="是" if tub else "否", pets="是" if pets else "否", floor=floor, description=text, description_en=text_en))
    for name, en, kind, price, bed, area, guests, view, floor, text, text_en in EXTRA:
        room = kind == "客房"
        rows.append(dict(code=f"H{len(rows) + 1:02d}", name=name, name_en=en, kind=kind, price=price, bed=bed, area=area, guests=guests, breakfast="否" if room else "", view=view,
                         left=r.randrange(1, 9) if kind != "服务" else "", window="否" if room else "", bathtub="否" if room else "", pets="否" if room else "", floor=floor,
                         description=text, description_en=text_en))
    return rows


NOTES = [
    ("N01", "checkin", "入住和退房时间", "check-in and check-out", "14点后入住，12点前退房；延迟到14点收半天房费，会员免费。", "Check-in from 14:00, check-out until 12:00; until 14:00 costs half a day, free for members."),
    ("N02", "cancel", "取消政策", "cancellation", "入住前一天18点前可免费取消，之后收首晚房费。", "Free until 18:00 on the day before arrival, then the first night is charged."),
    ("N03", "parking", "停车", "parking", "地面和地下共120个车位，住客免费，有8个充电桩。", "120 spaces, free for guests, with 8 charging points."),
    ("N04", "wifi", "无线网络", "Wi-Fi", "全馆无线网络免费，密码是房间卡上的后六位。", "Wi-Fi is free everywhere; the password is the last six digits on the room card."),
    ("N05", "address", "地址和交通", "address and transport", "酒店在临湖大道8号，离高铁站6公里，地铁3号线临湖站步行五分钟。", "8 Linhu Avenue, 6 km from the railway station, five minutes on foot from Linhu on metro line 3."),
    ("N06", "invoice", "发票", "invoices", "退房时可开电子发票或专票，也可以离店后七天内补开。", "Invoices at check-out, or within seven days afterwards."),
    ("N07", "facilities", "泳池和健身房", "pool and gym", "恒温泳池7:00到22:00，健身房24小时，凭房卡免费。", "The heated pool is open 7:00 to 22:00, the gym around the clock, free with the room card."),
    ("N08", "kids", "儿童政策", "children", "12岁以下儿童不占床免费，早餐按身高收费。", "Children under 12 stay free without a bed of their own; breakfast is charged by height."),
    ("N09", "deposit", "押金", "deposit", "每间押金300元，退房后原路退回。", "A deposit of 300 CNY a room, returned at check-out."),
    ("N10", "lost", "失物", "lost property", "遗留物品保管三个月，联系前台可付费寄回。", "Lost things are kept for three months; the front desk sends them at your cost."),
]
INTENTS = {
    "room_question": (["湖景豪华大床房多少钱", "家庭房能住几个人", "这间含早餐吗", "有浴缸吗", "房间多大", "在几楼", "可以带狗吗", "总统套房有厨房吗", "今晚还有房吗", "双床房的床多宽"],
                      ["how much is the deluxe king", "how many guests fit in the family room", "is breakfast included", "is there a bathtub", "how big is the room", "which floor is it on", "can I bring my dog", "do you have rooms tonight"]),
    "recommend": (["推荐一间五百以下的房间", "最便宜的房间是哪个", "有哪些湖景房", "四个人住哪间好", "带浴缸的房间有哪些", "能带宠物的房间", "最大的套房", "两张床含早餐的房间"],
                  ["recommend a room under 500", "which is the cheapest room", "what rooms have a lake view", "a room for four people", "rooms with a bathtub", "rooms where pets are allowed", "the largest suite"]),
    "checkin": (["几点入住", "几点退房", "可以延迟退房吗", "能早点到吗", "早上八点到可以寄存行李吗"], ["what time is check-in", "when do I have to check out", "can I check out late", "can I arrive early"]),
    "cancel": (["怎么取消预订", "取消收费吗", "我去不了了想退", "能改日期吗"], ["how do I cancel", "is cancellation free", "I cannot come, refund please", "can I change the date"]),
    "parking": (["有停车场吗", "停车收费吗", "有充电桩吗"], ["is there parking", "do you charge for parking", "can I charge my electric car"]),
    "wifi": (["无线密码是多少", "网络免费吗", "房间有网吗"], ["what is the wifi password", "is wifi free", "is there internet in the room"]),
    "address": (["酒店在哪里", "离火车站多远", "怎么坐地铁过来", "从机场怎么走"], ["where is the hotel", "how far is the station", "how do I get there from the airport"]),
    "invoice": (["能开发票吗", "开专票", "发票什么时候给"], ["can I have an invoice", "I need a VAT invoice"]),
    "facilities": (["有游泳池吗", "健身房几点开", "泳池要钱吗", "有没有健身房"], ["is there a pool", "when is the gym open", "is the pool free"]),
    "kids": (["小孩要收费吗", "孩子几岁免费", "婴儿床有吗"], ["do children pay", "how old are children who stay free", "do you have a cot"]),
    "deposit": (["押金多少", "押金什么时候退"], ["how much is the deposit", "when do I get the deposit back"]),
    "lost": (["我东西落房间了", "充电器忘在酒店了", "捡到一个钱包吗"], ["I left something in my room", "I lost my phone at the hotel", "have you found my charger"]),
    "housekeeping": (["房间没打扫", "送两瓶水上来", "空调坏了", "热水没有", "再拿一条毛巾"], ["please clean my room", "bring two bottles of water", "the air conditioning is broken", "there is no hot water"]),
    "greeting": (["你好", "在吗", "您好"], ["hello", "hi", "good morning"]),
    "thanks": (["谢谢", "好的", "再见"], ["thanks", "thank you", "bye"]),
    "human": (["转人工", "叫经理", "我要投诉"], ["talk to a person", "I want to complain", "call the manager"]),
    "oos": (["今天股票怎么样", "写一首诗", "手机多少钱", "帮我修电脑", "讲个笑话", "世界杯谁赢了", "红烧肉怎么做", "帮我翻译", "推荐一部电影", "一加一等于几", "怎么学英语", "播放音乐", "总统是谁", "帮我写代码"],
            ["how is the stock market", "write a poem", "repair my phone", "tell me a joke", "who won the match", "how do I cook pork", "translate this", "recommend a film", "what is one plus one", "how do I learn English", "play music", "who is the president", "write code for me"]),
}
