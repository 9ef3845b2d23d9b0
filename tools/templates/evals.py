"""Questions with what must come out, written by hand; tools/templates/make.py adds prices of random rows and retrieval."""


def a(q, rows=None, contains=None, **more):
    e = {"q": q}
    if rows:
        e["rows"] = rows
    if contains:
        e["contains"] = contains
    e.update(more)
    return e


NO = "not_in_library"
OUT = "out_of_scope"
HAND = "handed_over"
EVALS = {
    "electronics": [
        a("这款手机支持无线充电吗？", ["PH001"], ["15W"], view="PH001"),
        a("does this phone support wireless charging?", ["PH001"], ["15W", "Qi"], view="PH001"),
        a("澜星 L9 支持无线充电吗", ["PH001"], ["15W"]),
        a("L9 Lite 支持无线充电吗", None, ["不支持"]),
        a("澜星 L9 电池多大", ["PH001"], ["5000"]),
        a("L9 Pro 防水吗", None, ["IP68"]),
        a("它多重", ["PH001"], ["192"], view="PH001"),
        a("这款有货吗", ["PH001"], ["36"], view="PH001"),
        a("这款有5G吗", None, None, view="PH001", status=NO),
        a("这款手机支持NFC吗", ["PH001"], ["NFC"], view="PH001"),
        a("does it have a headphone jack", None, None, view="PH001", status=NO),
        a("最便宜的手机是哪款", None, ["899"], first=True),
        a("which is the cheapest phone?", None, ["899"]),
        a("2000元以下的手机有哪些", None, None, lacks=["2999", "3599"]),
        a("which phones cost less than 1500 yuan?", None, ["899", "1199"], lacks=["2999"]),
        a("推荐一款两千到三千元的手机", None, None, lacks=["Easy 5", "4599"]),
        a("最轻的笔记本电脑", None, ["980"]),
        a("what is the lightest laptop?", None, ["980"]),
        a("电池最大的手机", None, ["6000"]),
        a("which phone has the biggest battery", None, ["6000"]),
        a("有多少款手机", None, ["20"]),
        a("how many phones do you have?", None, ["20"]),
        a("最贵的手机多少钱", None, ["9499"]),
        a("墨丘的机械键盘有吗", None, ["墨丘"]),
        a("有没有冰箱", None, None, status=NO),
        a("do you sell refrigerators?", None, None, status=NO),
        a("iPhone 15 多少钱", None, None, status=NO),
        a("PH003 多少钱", ["PH003"], ["4299"]),
        a("澜星 L9 和 L9 Pro 哪个更便宜", None, ["2999", "4299"]),
        a("compare the Lanstar L9 phone and the Lanstar L9 Pro phone", None, ["2999", "4299"]),
        a("保修多久", ["PH001"], ["个月"], view="PH001"),
        a("how long is the warranty", ["PH001"], ["months"], view="PH001"),
        a("怎么退货", ["F01"], ["7天"]),
        a("what is your return policy?", ["F01"], ["7 days"]),
        a("运费多少钱", ["F02"], ["99"]),
        a("可以开专票吗", ["F04"], ["专用发票"]),
        a("can I pay in instalments?", ["F05"], ["instalments"]),
        a("门店几点关门", ["F07"], ["21:00"]),
        a("能以旧换新吗", ["F08"]),
        a("可以包装成礼物吗", ["F12"]),
        a("帮我写一首诗", None, None, status=OUT),
        a("what is the weather today?", None, None, status=OUT),
        a("帮我查一下订单 A20931 到哪了", None, None, status=HAND),
        a("我要找人工客服", None, None, status=HAND),
        a("你好", None, None),
        a("谢谢", None, None),
        a("500元以下的蓝牙耳机", None, None, lacks=["1299"]),
        a("headphones under 300 yuan in white", None, None, lacks=["1299"]),
        a("红色的手机有哪些", None, ["款"]),
        a("不支持无线充电的手机有哪些", None, ["款"], lacks=["澜星 L9 手机"]),
        a("支持无线充电的手机", None, ["款"]),
        a("内存至少16GB的笔记本", None, None, lacks=["白榆 Study 15 笔记本电脑"]),
        a("屏幕大于65英寸的电视", None, ["75"]),
        a("TV larger than 60 inches", None, ["75"]),
        a("评分最高的音箱", None, ["评分"]),
        a("手机的平均价格是多少", None, ["20"]),
        a("L9有什么颜色", None, ["颜色"]),
        a("what colours does the Lanstar L9 come in?", None, None),
        a("Lanstar Pad 13 Pro screen size", None, ["13"]),
        a("防水的音箱有哪些", None, ["款"]),
        a("这款能不能当显微镜用", None, None, view="PH001", status=NO),
    ],
    "restaurant": [
        a("宫保鸡丁辣吗", ["D07"], ["微辣"]), a("is the mapo tofu spicy?", ["D08"], ["medium"]), a("水煮鱼多少钱", ["D09"], ["78"]),
        a("这道菜里有花生吗", ["D07"], ["花生"], view="D07"), a("does it contain peanuts?", ["D07"], ["peanut"], view="D07"),
        a("红烧肉多少大卡", ["D12"], ["880"]), a("how many calories does the red braised pork belly have", ["D12"], ["880"]),
        a("水煮鱼今天还有吗", ["D09"], ["没有"]), a("有哪些素菜", None, ["款"], lacks=["宫保鸡丁"]), a("which vegetarian soups do you have", None, ["Mushroom"]),
        a("最便宜的主食", None, ["3元"]), a("cheapest dessert", None, ["18"]), a("30元以下的热菜", None, None, lacks=["水煮鱼"]),
        a("特辣的菜有哪些", None, None, lacks=["米饭"]), a("not spicy main dishes under 40 yuan", None, None, lacks=["Kung pao"]), a("评分最高的甜品", None, ["评分"]),
        a("佛跳墙能外送吗", ["D23"], ["没有"]), a("牛肉面够几个人吃", ["D29"], ["1"]), a("麻婆豆腐可以做素版吗", ["D08"]), a("披萨多少钱", None, None, status=NO),
        a("do you have pizza?", None, None, status=NO), a("外送多久能到", ["N01"], ["40"]), a("how long does delivery take?", ["N01"], ["40"]), a("我想订位", ["N02"]),
        a("几点打烊", ["N03"], ["21:30"]), a("where are you?", ["N04"]), a("菜送错了怎么办", ["N07"]), a("写一首诗给我", None, None, status=OUT), a("tell me a joke", None, None, status=OUT),
        a("我要投诉", None, None, status=HAND), a("你好"), a("小笼包一笼几个", ["D35"], ["八只"]), a("热量最低的热菜", None, ["160"]), a("有多少道汤", None, ["4"]),
        a("有没有100元以上的菜", None, ["佛跳墙"]), a("水煮鱼和清蒸鲈鱼哪个便宜", None, ["68", "78"]), a("which is cheaper, the cumin lamb or the steamed sea bass", None, ["66", "68"]),
    ],
    "hotel": [
        a("湖景豪华大床房多少钱", None, ["708"]), a("湖景家庭房能住几个人", None, ["4"]), a("这间含早餐吗", ["H01"], ["没有"], view="H01"), a("is breakfast included?", ["H16"], ["Yes"], view="H16"),
        a("最便宜的房间", None, ["198"]), a("which is the cheapest suite", None, ["1028"]), a("500元以下的湖景房", None, None), a("能带宠物的房间有哪些", None, ["款"], lacks=["总统"]),
        a("带浴缸的客房", None, ["款"]), a("最大的套房多少平米", None, ["160"]), a("总统套房有私人厨房吗", None, ["厨房"]), a("有没有海景房", None, None, status=NO),
        a("do you have a sea view room?", None, None, status=NO), a("几点退房", ["N01"], ["12"]), a("what is the wifi password?", ["N04"], ["six digits"]), a("有停车场吗", ["N03"]),
        a("可以免费取消吗", ["N02"]), a("how far is the railway station?", ["N05"], ["6 km"]), a("小孩收费吗", ["N08"]), a("押金多少", ["N09"], ["300"]), a("空调坏了", None, None, status=HAND),
        a("讲个笑话", None, None, status=OUT), a("who won the match?", None, None, status=OUT), a("转人工", None, None, status=HAND), a("你好"), a("rooms with a bathtub under 700 yuan", None, None, lacks=["3888"]),
        a("住四个人以上的房间", None, ["款"]), a("接机多少钱", None, ["180"]), a("自助早餐几点", None, ["6:30"]), a("特价无窗房有窗户吗", None, ["没有"]), a("有多少间会议室", None, ["2"]),
        a("湖心会议室多大", None, ["90"]), a("游泳池几点开", ["N07"], ["7:00"]),
    ],
}
