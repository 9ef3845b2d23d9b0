"""The sample shop of the template "electronics": invented brands and models, in Chinese and English."""
import random

BRANDS = {"澜星": "Lanstar", "青屿": "Qingyu", "墨丘": "Moqiu", "云笺": "Yunjian", "拓野": "Tuoye", "禾声": "Hesheng", "栗光": "Liguang", "白榆": "Baiyu"}
COLOURS = {"黑色": ["black"], "白色": ["white"], "红色": ["red"], "蓝色": ["blue"], "绿色": ["green"], "银色": ["silver"], "灰色": ["grey", "gray"],
           "粉色": ["pink", "粉红色"], "紫色": ["purple"], "金色": ["gold", "golden"], "橙色": ["orange"], "黄色": ["yellow"]}
CATEGORIES = {"手机": ["phone", "smartphone", "mobile phone", "智能手机"], "平板电脑": ["tablet", "平板"], "笔记本电脑": ["laptop", "笔记本", "notebook computer"],
              "耳机": ["headphones", "earbuds", "earphones", "蓝牙耳机", "headphone"], "智能手表": ["smartwatch", "手表", "watch", "smart watch"],
              "充电器": ["charger", "充电头"], "移动电源": ["power bank", "充电宝"], "数据线": ["cable", "charging cable", "充电线"], "键盘": ["keyboard", "机械键盘"],
              "鼠标": ["mouse", "mice"], "显示器": ["monitor"], "音箱": ["speaker", "蓝牙音箱", "音响"], "路由器": ["router"], "电视": ["TV", "television", "电视机"],
              "相机": ["camera"], "手机壳": ["phone case", "保护壳"], "固态硬盘": ["SSD", "solid state drive"], "扫地机器人": ["robot vacuum", "扫地机"],
              "电饭煲": ["rice cooker"], "吹风机": ["hair dryer", "hairdryer", "电吹风"]}

COLUMNS = ["sku", "name", "name_en", "category", "brand", "price", "colour", "stock", "screen", "battery", "memory", "storage", "weight",
           "wireless_charging", "water", "rating", "released", "warranty", "description", "description_en"]

SCHEMA = {"columns": [
    {"column": "sku", "type": "id", "zh": "货号", "en": "SKU"},
    {"column": "name", "type": "name", "lang": "zh"},
    {"column": "name_en", "type": "name", "lang": "en"},
    {"column": "category", "type": "enum", "zh": "品类", "en": "category", "values": CATEGORIES},
    {"column": "brand", "type": "enum", "zh": "品牌", "en": "brand", "values": {k: [v] for k, v in BRANDS.items()}},
    {"column": "price", "type": "price", "zh": "价格", "en": "price", "unit_zh": "元", "unit_en": "CNY"},
    {"column": "colour", "type": "enum", "many": True, "zh": "颜色", "en": "colour", "values": COLOURS},
    {"column": "stock", "type": "stock", "zh": "库存", "en": "stock", "unit_zh": "件", "unit_en": "in stock"},
    {"column": "screen", "type": "number", "zh": "屏幕", "en": "screen", "unit_zh": "英寸", "unit_en": "in", "also": ["inch", "inches"]},
    {"column": "battery", "type": "number", "zh": "电池", "en": "battery", "unit_zh": "mAh", "unit_en": "mAh"},
    {"column": "memory", "type": "number", "zh": "内存", "en": "memory", "unit_zh": "GB", "unit_en": "GB"},
    {"column": "storage", "type": "number", "zh": "存储", "en": "storage", "unit_zh": "GB", "unit_en": "GB"},
    {"column": "weight", "type": "number", "zh": "重量", "en": "weight", "unit_zh": "克", "unit_en": "g"},
    {"column": "wireless_charging", "type": "text", "zh": "无线充电", "en": "wireless charging"},
    {"column": "water", "type": "text", "zh": "防水", "en": "water resistance"},
    {"column": "rating", "type": "number", "zh": "评分", "en": "rating"},
    {"column": "released", "type": "date", "zh": "上市日期", "en": "release date"},
    {"column": "warranty", "type": "number", "zh": "保修", "en": "warranty", "unit_zh": "个月", "unit_en": "months"},
    {"column": "description", "type": "text", "lang": "zh", "zh": "介绍", "en": "description"},
    {"column": "description_en", "type": "text", "lang": "en", "zh": "介绍", "en": "description"},
]}

# category: prefix of the SKU, and lines of models: brand, model, price, attributes. Each model comes in variants.
PHONES = [
    ("澜星", "L9", 2999, dict(screen=6.5, battery=5000, memory=8, storage=256, weight=192, wireless_charging="15W Qi", water="IP68")),
    ("澜星", "L9 Pro", 4299, dict(screen=6.7, battery=5200, memory=12, storage=256, weight=208, wireless_charging="50W Qi", water="IP68")),
    ("澜星", "L9 Lite", 1699, dict(screen=6.4, battery=4800, memory=6, storage=128, weight=181, wireless_charging="不支持", water="IP54")),
    ("青屿", "Mist 3", 3599, dict(screen=6.2, battery=4600, memory=12, storage=256, weight=168, wireless_charging="15W Qi", water="IP67")),
    ("青屿", "Mist 3 Max", 4599, dict(screen=6.8, battery=5500, memory=16, storage=512, weight=219, wireless_charging="30W Qi2", water="IP68")),
    ("墨丘", "Rover 20", 2399, dict(screen=6.6, battery=6000, memory=8, storage=256, weight=236, wireless_charging="10W Qi", water="IP69")),
    ("墨丘", "Rover 20 Mini", 1999, dict(screen=5.9, battery=4300, memory=8, storage=128, weight=159, wireless_charging="不支持", water="IP67")),
    ("白榆", "Easy 5", 899, dict(screen=6.1, battery=5000, memory=4, storage=64, weight=195, wireless_charging="不支持", water="IP52")),
    ("白榆", "Easy 7", 1199, dict(screen=6.5, battery=5500, memory=6, storage=128, weight=201, wireless_charging="不支持", water="IP53")),
    ("云笺", "Fold S", 8999, dict(screen=7.9, battery=4900, memory=16, storage=512, weight=243, wireless_charging="15W Qi", water="IPX8")),
]
OTHERS = {
    "平板电脑": ("TB", [("澜星", "Pad 11", 2199, dict(screen=11, battery=8600, memory=8, storage=128, weight=485)),
                    ("澜星", "Pad 13 Pro", 3999, dict(screen=13, battery=10200, memory=12, storage=256, weight=612)),
                    ("青屿", "Note 10", 1599, dict(screen=10.1, battery=7500, memory=6, storage=128, weight=440)),
                    ("云笺", "Paper 8", 2599, dict(screen=7.8, battery=4000, memory=4, storage=64, weight=238)),
                    ("白榆", "Kids Tab", 999, dict(screen=8.4, battery=5100, memory=4, storage=64, weight=420, water="IP53"))]),
    "笔记本电脑": ("NB", [("澜星", "Book 14", 5499, dict(screen=14, battery=5400, memory=16, storage=512, weight=1320)),
                     ("澜星", "Book 16", 6999, dict(screen=16, battery=6800, memory=32, storage=1024, weight=1780)),
                     ("墨丘", "Forge 17", 9299, dict(screen=17.3, battery=7900, memory=32, storage=1024, weight=2650)),
                     ("云笺", "Air 13", 6299, dict(screen=13.3, battery=4600, memory=16, storage=512, weight=980)),
                     ("白榆", "Study 15", 3299, dict(screen=15.6, battery=4100, memory=8, storage=512, weight=1690))]),
    "耳机": ("HP", [("禾声", "Clip 2", 399, dict(battery=45, weight=11, water="IPX5")), ("禾声", "Clip 2 ANC", 599, dict(battery=52, weight=12, water="IP54", wireless_charging="5W Qi")),
                  ("禾声", "Studio One", 1299, dict(battery=900, weight=268)), ("澜星", "Buds 4", 299, dict(battery=42, weight=9, water="IPX4")),
                  ("青屿", "Drift", 199, dict(battery=38, weight=8, water="IPX4")), ("禾声", "Bone Run", 699, dict(battery=160, weight=29, water="IP68"))]),
    "智能手表": ("WT", [("澜星", "Watch 3", 1299, dict(screen=1.4, battery=480, storage=4, weight=38, water="5ATM", wireless_charging="磁吸 5W")),
                    ("青屿", "Tide", 799, dict(screen=1.3, battery=420, weight=31, water="5ATM")), ("拓野", "Summit", 1999, dict(screen=1.5, battery=620, storage=8, weight=52, water="10ATM")),
                    ("白榆", "Kids Watch", 499, dict(screen=1.4, battery=700, weight=45, water="IP67"))]),
    "充电器": ("CH", [("拓野", "G30", 79, dict(weight=58)), ("拓野", "G65", 149, dict(weight=102)), ("拓野", "G100", 249, dict(weight=168)), ("栗光", "Pad 15", 99, dict(weight=88, wireless_charging="15W Qi")),
                   ("栗光", "Stand 3in1", 329, dict(weight=310, wireless_charging="15W Qi2"))]),
    "移动电源": ("PB", [("拓野", "Pocket 10K", 129, dict(battery=10000, weight=182)), ("拓野", "Pocket 20K", 219, dict(battery=20000, weight=356)), ("栗光", "Snap 5K", 159, dict(battery=5000, weight=120, wireless_charging="15W Qi2")),
                    ("拓野", "Camp 40K", 599, dict(battery=40000, weight=980, water="IP65"))]),
    "数据线": ("CB", [("拓野", "C100 1m", 39, dict(weight=28)), ("拓野", "C100 2m", 49, dict(weight=52)), ("栗光", "Braid C-L 1m", 59, dict(weight=30)), ("栗光", "C240 1.5m", 89, dict(weight=46))]),
    "键盘": ("KB", [("墨丘", "K87 青轴", 329, dict(weight=860)), ("墨丘", "K104 红轴", 399, dict(weight=1090)), ("云笺", "Slim K", 259, dict(weight=420, battery=600)), ("栗光", "Num Pad", 99, dict(weight=180))]),
    "鼠标": ("MS", [("墨丘", "M5 Pro", 299, dict(weight=63, battery=500)), ("云笺", "Quiet M", 129, dict(weight=82)), ("栗光", "Ergo V", 189, dict(weight=118, battery=400)), ("青屿", "Pebble", 79, dict(weight=70))]),
    "显示器": ("MN", [("墨丘", "View 27", 1499, dict(screen=27, weight=5200)), ("墨丘", "View 34 Curve", 2999, dict(screen=34, weight=7800)), ("澜星", "Clear 24", 799, dict(screen=23.8, weight=3600)), ("云笺", "Portable 16", 1199, dict(screen=15.6, weight=780))]),
    "音箱": ("SP", [("禾声", "Cube", 199, dict(battery=2500, weight=540, water="IPX7")), ("禾声", "Hall 5", 1599, dict(weight=4200)), ("青屿", "Shell", 129, dict(battery=1500, weight=310, water="IPX5")), ("拓野", "Boom XL", 899, dict(battery=9600, weight=2900, water="IP67"))]),
    "路由器": ("RT", [("栗光", "Mesh 3", 599, dict(memory=1, weight=480)), ("栗光", "AX1800", 199, dict(weight=350)), ("澜星", "Be7", 899, dict(memory=2, weight=720))]),
    "电视": ("TV", [("澜星", "Vision 55", 2999, dict(screen=55, storage=64, weight=15200)), ("澜星", "Vision 75", 5499, dict(screen=75, storage=64, weight=28600)), ("白榆", "Home 43", 1399, dict(screen=43, storage=16, weight=8100))]),
    "相机": ("CM", [("云笺", "Lens 1", 6599, dict(battery=1900, weight=478, screen=3.0)), ("拓野", "Action 4", 1699, dict(battery=1700, weight=142, water="IP68", screen=2.3)), ("青屿", "Instant", 599, dict(battery=1100, weight=295))]),
    "手机壳": ("CS", [("栗光", "Clear Case L9", 49, dict(weight=32)), ("栗光", "Leather Case L9 Pro", 159, dict(weight=45)), ("栗光", "MagFit Case Mist 3", 89, dict(weight=36)), ("拓野", "Armor Case Rover 20", 79, dict(weight=58))]),
    "固态硬盘": ("SD", [("墨丘", "N1 500G", 259, dict(storage=500, weight=9)), ("墨丘", "N1 1T", 429, dict(storage=1000, weight=9)), ("墨丘", "N1 2T", 799, dict(storage=2000, weight=10)), ("拓野", "Go SSD 1T", 549, dict(storage=1000, weight=58, water="IP65"))]),
    "扫地机器人": ("RV", [("白榆", "Sweep S1", 1299, dict(battery=3200, weight=3400)), ("白榆", "Sweep S1 Plus", 1999, dict(battery=5200, weight=3600)), ("青屿", "Mop X", 2699, dict(battery=5200, weight=4100))]),
    "电饭煲": ("RC", [("白榆", "Pot 3L", 199, dict(weight=2800)), ("白榆", "Pot 4L IH", 499, dict(weight=4300))]),
    "吹风机": ("HD", [("青屿", "Breeze", 169, dict(weight=420)), ("青屿", "Breeze Ion", 399, dict(weight=380))]),
}
SETS = {"手机": [("黑色", "白色"), ("黑色", "蓝色"), ("绿色", "银色"), ("黑色", "红色")], "耳机": [("黑色", "白色"), ("白色", "粉色"), ("黑色", "橙色")]}
TEXT = {
    "手机": ("直面屏，双扬声器，支持NFC；包装内含数据线，不含充电头。", "Flat screen, stereo speakers, NFC. A cable is in the box, a charger is not."),
    "平板电脑": ("可配手写笔（另售），分屏办公，四扬声器。", "Works with a stylus (sold separately), split screen, four speakers."),
    "笔记本电脑": ("背光键盘，两个USB-C接口和一个HDMI接口，预装正版系统。", "Backlit keyboard, two USB-C ports and HDMI, operating system installed."),
    "耳机": ("双设备连接，佩戴稳固，通话降噪。", "Connects to two devices at once, sits firmly, clear calls."),
    "智能手表": ("心率、血氧、睡眠监测，支持地铁刷卡和50多种运动模式。", "Heart rate, blood oxygen and sleep, transit cards, more than 50 sports."),
    "充电器": ("氮化镓，可折叠插脚，过热自动降功率。", "Gallium nitride, folding pins, lowers its power when hot."),
    "移动电源": ("自带挂绳线，双向快充，可带上飞机的型号标注在机身。", "With a lanyard cable, fast both ways; the casing says whether it may fly."),
    "数据线": ("编织线身，接口加固，充电传输两用。", "Braided, reinforced ends, for charging and data."),
    "键盘": ("全键无冲，可换键帽，附拔键器。", "Full rollover, replaceable keycaps, with a puller."),
    "鼠标": ("三档灵敏度，静音按键，兼容主流系统。", "Three levels of sensitivity, quiet buttons, for all common systems."),
    "显示器": ("低蓝光认证，支架可升降，附HDMI线。", "Low blue light, height adjustable stand, HDMI cable included."),
    "音箱": ("两台可组立体声，带麦克风，可免提通话。", "Two make a stereo pair; a microphone for hands-free calls."),
    "路由器": ("双频合一，家长控制，手机应用设置。", "One name for both bands, parental control, set up from a phone."),
    "电视": ("开机无广告，护眼模式，含底座和壁挂件。", "No advertising at start, eye comfort mode, stand and wall mount included."),
    "相机": ("4K录像，触摸屏，附64GB存储卡。", "4K video, touch screen, a 64 GB card included."),
    "手机壳": ("孔位精准，四角气囊防摔。", "Precise cut-outs, air cushions at the corners."),
    "固态硬盘": ("五年有限质保，附安装螺丝。", "Five years limited warranty, screws included."),
    "扫地机器人": ("激光导航，可分区清扫，尘盒可水洗。", "Laser navigation, cleans by room, washable dust box."),
    "电饭煲": ("24小时预约，不粘内胆，配蒸笼。", "24 hour timer, non-stick pot, steamer included."),
    "吹风机": ("恒温护发，三档风速，可折叠手柄。", "Constant temperature, three speeds, folding handle."),
}


def products():
    r = random.Random(20240601)
    rows = []

    def add(prefix, category, brand, model, price, attrs, colours, note=("", "")):
        zh_word, en_word = category, CATEGORIES[category][0]
        no = sum(1 for x in rows if x["sku"].startswith(prefix)) + 1
        row = dict.fromkeys(COLUMNS, "")
        row.update(attrs)
        plain = model.replace("青轴", "Blue").replace("红轴", "Red")
        row.update(sku=f"{prefix}{no:03d}", name=f"{brand} {model} {zh_word}", name_en=f"{BRANDS[brand]} {plain} {en_word}", category=category, brand=brand,
                   price=price, colour="、".join(colours), stock=0 if r.random() < 0.12 else r.randrange(2, 180), rating=f"{r.randrange(38, 50) / 10:.1f}",
                   released=f"{r.choice([2022, 2023, 2023, 2024, 2024])}-{r.randrange(1, 13):02d}-{r.randrange(1, 28):02d}",
                   warranty=60 if category == "固态硬盘" else r.choice([12, 12, 24]), description=TEXT[category][0] + note[0], description_en=(TEXT[category][1] + " " + note[1]).strip())
        rows.append(row)

    for brand, model, price, attrs in PHONES:
        sets = r.sample(SETS["手机"], 2)
        add("PH", "手机", brand, model, price, attrs, sets[0])
        bigger = dict(attrs, memory=attrs["memory"] + 4, storage=attrs["storage"] * 2)
        add("PH", "手机", brand, f"{model} {bigger['storage']}GB", price + 500, bigger, sets[1])
    names = list(COLOURS)
    for category, (prefix, models) in OTHERS.items():
        for brand, model, price, attrs in models:
            colours = r.sample(SETS.get(category, [("黑色",), ("白色",), ("灰色", "黑色"), ("银色",)]), 1)[0]
            add(prefix, category, brand, model, price, attrs, colours)
            if price < 7000:
                add(prefix, category, brand, model + " SE", max(19, round(price * 0.8 / 10) * 10 - 1), attrs, r.sample(names, 2),
                    ("简配版，无赠品。", "The plain edition, without extras."))
            if category in ("耳机", "音箱", "充电器", "移动电源", "数据线", "键盘", "鼠标", "手机壳"):
                add(prefix, category, brand, model + " Gift", round(price * 1.15) + 10, attrs, r.sample(names, 1), ("礼盒装，附收纳袋。", "Gift box with a pouch."))
    for i, row in enumerate(rows):  # the phone of the first question anybody asks
        if row["name"] == "澜星 L9 手机":
            row["stock"], row["rating"] = 36, "4.7"
    return rows


NOTES = [
    ("F01", "return_goods", "退货政策", "returns", "收到商品后7天内，商品完好、配件齐全，可以无理由退货；质量问题15天内可换新。", "Goods in their original state with all parts can be returned within 7 days of delivery; faulty ones are exchanged within 15 days."),
    ("F02", "shipping", "发货和运费", "shipping", "现货商品当天16点前付款当天发出；满99元包邮，不满收运费8元。", "Orders paid before 16:00 leave the same day. Shipping is free from 99 CNY, otherwise 8 CNY."),
    ("F03", "shipping", "送达时间", "delivery time", "省内一般次日到，省外2到4天，偏远地区5到7天。", "Delivery takes one day within the province, 2 to 4 days elsewhere, 5 to 7 days to remote areas."),
    ("F04", "invoice", "发票", "invoices", "支持电子普通发票和增值税专用发票，下单时填写抬头，发货后24小时内开具。", "Electronic and VAT invoices are available: give the title when you order, they are issued within 24 hours of dispatch."),
    ("F05", "payment", "支付方式", "payment", "支持微信、支付宝、银行卡和门店现金；满1000元可分3期或6期。", "WeChat Pay, Alipay, bank cards, and cash in the shop; from 1,000 CNY in 3 or 6 instalments."),
    ("F06", "warranty_service", "保修办理", "warranty service", "凭订单号在保修期内免费检测维修；人为损坏收取材料费。", "Within the warranty, inspection and repair are free with the order number; damage by accident costs the parts."),
    ("F07", "store", "门店地址和营业时间", "shop address and hours", "门店在湖滨路18号一楼，每天9:30到21:00营业。", "The shop is at 18 Hubin Road, ground floor, open every day from 9:30 to 21:00."),
    ("F08", "trade_in", "以旧换新", "trade-in", "手机、平板、笔记本可以旧换新，到店或寄回检测后抵扣货款。", "Phones, tablets and laptops can be traded in; after a check their value is taken off the price."),
    ("F09", "member", "会员积分", "member points", "每消费1元积1分，100分抵1元，积分一年内有效。", "One point for each yuan; 100 points are worth 1 yuan and last a year."),
    ("F10", "price_protect", "价保", "price protection", "签收后7天内同款降价，可申请退差价。", "If the price falls within 7 days of delivery, the difference is refunded on request."),
    ("F11", "bulk", "团购和批发", "bulk orders", "同款10件起享团购价，请留下电话，销售会在一个工作日内联系。", "From 10 pieces of one item there is a group price; leave a phone number and sales will call within a working day."),
    ("F12", "gift", "礼品包装", "gift wrapping", "可以免费礼品包装并代写贺卡，下单时备注即可。", "Gift wrapping and a card are free: say so in the order's remarks."),
]

INTENTS = {
    "product_question": (["这款手机支持无线充电吗", "L9 的电池多大", "这个耳机防水吗", "屏幕是几寸的", "有没有红色的", "Watch 3 续航怎么样", "这款笔记本多重", "它内存多少", "键盘是什么轴", "这台电视有底座吗", "Pad 11 能用手写笔吗", "路由器支持家长控制吗"],
                         ["does this phone support wireless charging", "how big is the battery of the L9", "is this headset waterproof", "what size is the screen", "does it come in red", "how heavy is this laptop", "how much memory does it have", "does the tablet work with a stylus", "what colours does it come in", "is there a stand with the TV"]),
    "ask_price": (["这个多少钱", "L9 Pro 什么价格", "Clip 2 卖多少", "显示器价格是多少", "那款平板现在几钱", "最低多少钱能买到", "Book 14 多少钱一台"], ["how much is this", "what is the price of the L9 Pro", "price of Clip 2 please", "how much does the monitor cost", "what do you charge for the Pad 11"]),
    "ask_stock": (["L9 有货吗", "还有现货吗", "Mist 3 还剩几台", "这款缺货吗什么时候补货", "白色的有库存吗"], ["is the L9 in stock", "do you have it available now", "how many Mist 3 are left", "is the white one sold out"]),
    "recommend": (["推荐一款两千元以下的手机", "有哪些适合学生的笔记本", "最便宜的充电宝是哪个", "想要一款轻的耳机", "哪款手机电池最大", "给老人用的手机推荐一下", "有没有500以内的键盘", "哪些耳机是防水的"],
                  ["recommend a phone under 2000 yuan", "which is the cheapest power bank", "I am looking for a light headset", "which phone has the biggest battery", "show me keyboards below 500", "what laptops are good for students", "any waterproof speakers"]),
    "compare": (["L9 和 L9 Pro 有什么区别", "Mist 3 和 Rover 20 哪个更轻", "对比一下 Book 14 和 Air 13", "这两款哪个便宜"], ["what is the difference between L9 and L9 Pro", "compare the Book 14 with the Air 13", "which is lighter, Mist 3 or Rover 20", "L9 vs Mist 3"]),
    "return_goods": (["怎么退货", "可以退吗", "我不想要了想退掉", "买错了能换吗", "七天无理由怎么申请", "质量有问题要换货", "退款多久到账"], ["how do I return it", "can I send it back", "I want a refund", "I bought the wrong one, can I exchange it", "what is your return policy", "the thing is faulty, I want a new one"]),
    "shipping": (["什么时候发货", "运费多少", "几天能到", "包邮吗", "今天下单明天能到吗", "发什么快递", "寄到新疆要几天"], ["when will it ship", "how much is shipping", "how long does delivery take", "is delivery free", "will it arrive tomorrow", "do you ship abroad"]),
    "invoice": (["能开发票吗", "发票怎么开", "可以开专票吗", "我要公司抬头的发票"], ["can I get an invoice", "how do I get a VAT invoice", "I need a receipt for my company"]),
    "payment": (["怎么付款", "可以分期吗", "支持支付宝吗", "能刷信用卡吗", "可以货到付款吗"], ["how can I pay", "do you take cards", "can I pay in instalments", "is Alipay accepted"]),
    "warranty_service": (["坏了怎么修", "保修怎么办理", "屏幕碎了能修吗", "在哪里维修", "修要多少天"], ["how do I get it repaired", "my screen is broken, can you fix it", "where is the service centre", "how do I use the warranty"]),
    "store": (["你们店在哪里", "门店地址", "几点关门", "周末营业吗", "有实体店吗"], ["where is your shop", "what are your opening hours", "when do you close", "are you open on sunday"]),
    "trade_in": (["可以以旧换新吗", "旧手机能抵多少钱", "旧电脑回收吗"], ["do you take my old phone", "can I trade in my laptop", "how does trade-in work"]),
    "member": (["积分怎么用", "会员有什么优惠", "怎么注册会员"], ["how do member points work", "what do members get", "how do I join"]),
    "price_protect": (["刚买就降价了怎么办", "有价保吗", "能退差价吗"], ["the price dropped after I bought it", "do you have price protection", "can I get the difference back"]),
    "bulk": (["买二十台有优惠吗", "公司采购怎么联系", "可以批发吗"], ["is there a discount for twenty pieces", "we want to order in bulk", "who do I contact for company purchases"]),
    "gift": (["可以礼品包装吗", "能写贺卡吗", "送人的帮我包一下"], ["can you gift wrap it", "can you add a card", "it is a present, please wrap it"]),
    "order_status": (["我的订单到哪了", "查一下订单号 A20931", "快递怎么还没动", "订单发货了没有"], ["where is my order", "track order A20931", "has my parcel left yet", "what is the status of my order"]),
    "greeting": (["你好", "在吗", "您好", "早上好", "有人吗"], ["hello", "hi there", "good morning", "anyone there"]),
    "thanks": (["谢谢", "好的谢谢", "知道了", "再见"], ["thanks", "thank you very much", "ok bye", "great, thanks"]),
    "human": (["转人工", "我要找人工客服", "叫你们经理来", "我要投诉", "你们服务太差了"], ["talk to a human", "I want to speak to a person", "get me your manager", "I want to complain"]),
    "oos": (["今天天气怎么样", "帮我写一首诗", "股票明天会涨吗", "你会唱歌吗", "明天去北京的火车几点", "给我讲个笑话", "怎么做红烧肉", "美国总统是谁", "帮我翻译这句话", "世界杯谁赢了", "我头疼吃什么药", "推荐一部电影", "帮我订一张机票", "一加一等于几", "附近有什么好吃的", "我该不该离职", "现在几点了", "打开客厅的灯", "播放一首歌", "定一个七点的闹钟"],
            ["what is the weather today", "write me a poem", "will the stock market rise tomorrow", "can you sing", "when is the train to Beijing", "tell me a joke", "how do I cook noodles", "who is the president", "translate this sentence", "who won the world cup", "what medicine for a headache", "recommend a movie", "book me a flight", "what is one plus one", "any good restaurants nearby", "should I quit my job", "what time is it", "turn on the living room light", "play some music", "set an alarm for seven"]),
}
