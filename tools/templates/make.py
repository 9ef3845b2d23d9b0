#!/usr/bin/env python3
"""Writes templates/<name>/ from the tables beside this file: tools/templates/make.py [NAME ...]

The shops are invented for Glim. Everything is seeded, so that a second run gives the same files."""
import csv
import json
import os
import random
import re
import sys

sys.path.insert(0, os.path.dirname(__file__))
import electronics  # noqa: E402
import hotel  # noqa: E402
import restaurant  # noqa: E402
from evals import EVALS  # noqa: E402

OUT = os.path.join(os.path.dirname(__file__), "..", "..", "templates")
TOOLS = {
    "order_status": {"type": "function", "function": {"name": "order_status", "description": "The state of an order and where its parcel is.",
                     "parameters": {"type": "object", "properties": {"order": {"type": "string", "description": "the order's number"}}, "required": ["order"]}}},
    "book_table": {"type": "function", "function": {"name": "book_table", "description": "Asks for a table; staff confirm it.",
                   "parameters": {"type": "object", "properties": {"people": {"type": "integer"}, "day": {"type": "string"}, "time": {"type": "string"}, "name": {"type": "string"}}, "required": ["people", "day", "time"]}}},
    "book_room": {"type": "function", "function": {"name": "book_room", "description": "Asks for a room; staff confirm it.",
                  "parameters": {"type": "object", "properties": {"room": {"type": "string", "description": "the row's code"}, "arrive": {"type": "string"}, "leave": {"type": "string"}, "guests": {"type": "integer"}}, "required": ["room", "arrive", "leave"]}}},
}
WHAT = {  # what a language model is told of each label
    "product_question": ("询问商品参数", "asks about a product"), "ask_price": ("询问价格", "asks for a price"), "ask_stock": ("询问库存", "asks whether something is in stock"),
    "recommend": ("要求推荐", "asks for a recommendation"), "compare": ("比较商品", "compares products"), "return_goods": ("退货", "wants to return something"),
    "shipping": ("询问配送", "asks about delivery"), "invoice": ("开发票", "wants an invoice"), "payment": ("询问支付方式", "asks how to pay"), "warranty_service": ("保修和维修", "asks about warranty or repair"),
    "store": ("询问门店", "asks about the shop"), "trade_in": ("以旧换新", "trades in an old one"), "member": ("会员和积分", "asks about membership"), "price_protect": ("价格保护", "asks about a price drop"),
    "bulk": ("团购批发", "buys in bulk"), "gift": ("礼品包装", "wants it as a gift"), "order_status": ("查询订单", "asks where an order is"), "greeting": ("打招呼", "says hello"), "thanks": ("道谢", "says thanks"),
    "human": ("转人工", "wants a person"), "dish_question": ("询问菜品", "asks about a dish"), "delivery_info": ("询问外送", "asks about delivery"), "booking": ("订位", "books a table"), "hours": ("营业时间", "asks for opening hours"),
    "address": ("询问地址", "asks for the address"), "custom": ("口味要求", "wants a dish changed"), "refund": ("退款", "wants money back"), "party": ("包场聚餐", "plans a party"), "room_question": ("询问房间", "asks about a room"),
    "checkin": ("入住和退房", "asks about check-in or check-out"), "cancel": ("取消预订", "cancels a booking"), "parking": ("停车", "asks about parking"), "wifi": ("无线网络", "asks about the wifi"), "facilities": ("酒店设施", "asks about facilities"),
    "kids": ("儿童", "asks about children"), "deposit": ("押金", "asks about the deposit"), "lost": ("遗失物品", "lost something"), "housekeeping": ("客房服务", "asks for room service"),
}
SHOPS = {
    "electronics": (electronics, ("电子产品商店", "Electronics shop"), ("你是一家电子产品商店的客服，回答简短、客气。", "You are the assistant of an electronics shop; you answer briefly and politely."),
                    {"order_status": "tool", "human": "handover", "greeting": "reply", "thanks": "reply"}, ["order_status"]),
    "restaurant": (restaurant, ("餐厅与外送", "Restaurant and delivery"), ("你是一家中餐馆的客服，回答简短、热情。", "You are the assistant of a Chinese restaurant; you answer briefly and warmly."),
                   {"order_status": "tool", "human": "handover", "greeting": "reply", "thanks": "reply"}, ["order_status", "book_table"]),
    "hotel": (hotel, ("酒店", "Hotel"), ("你是一家酒店的前台客服，回答简短、周到。", "You are the front desk of a hotel; you answer briefly and with care."),
              {"housekeeping": "handover", "human": "handover", "greeting": "reply", "thanks": "reply"}, ["book_room"]),
}
TEXTS = {
    "greeting": ("您好，想了解哪款商品或服务？", "Hello, what would you like to know?"),
    "thanks": ("不客气，还有问题随时问我。", "You are welcome, just ask if there is anything else."),
    "human": ("我帮您转给同事，请稍候。", "I pass this on to a colleague, one moment please."),
    "order_status": ("查订单需要同事帮忙，我已转给他们。", "A colleague looks up your order; I have passed it on."),
    "housekeeping": ("已通知客房部，马上为您处理。", "Housekeeping has been told and will see to it."),
    "oos": ("这个问题不在我的服务范围内，我只能回答本店的商品和服务。", "That is outside what I can help with; I answer questions about our products and services."),
}


def dump(path, value):
    with open(path, "w", encoding="utf-8") as f:
        json.dump(value, f, ensure_ascii=False, indent=1)
        f.write("\n")


def write(path, rows):
    with open(path, "w", encoding="utf-8", newline="") as f:
        csv.writer(f, lineterminator="\n").writerows(rows)


def typo(word, r):
    i = r.randrange(1, len(word) - 1)
    return r.choice([word[:i] + word[i + 1:], word[:i] + word[i + 1] + word[i] + word[i + 2:] if i + 1 < len(word) else word[:-1], word[:i] + word[i] + word[i:]])


def find_lines(name, rows, id_key):
    """Questions for retrieval alone: ids, names in both languages, mixed scripts, misspellings, one and two characters."""
    r = random.Random(99)
    lines = []

    def add(q, ids):
        lines.append({"q": q, "rows": ids, "find": True})

    asks_zh = ["{}怎么样", "{}有吗", "想看看{}", "{}", "请问{}还有吗", "给我介绍一下{}"]
    asks_en = ["tell me about the {}", "do you have the {}", "{}", "I am looking for {}", "{} please"]
    for i, row in enumerate(rows):
        zh, en = row["name"], row["name_en"]
        add(r.choice(asks_zh).format(zh), [row[id_key]])
        if i % 3 == 0:
            add(r.choice(asks_en).format(en.lower()), [row[id_key]])
        if i % 4 == 1:
            add(row[id_key].lower(), [row[id_key]])
        if i % 4 == 2:
            add(zh.replace(" ", ""), [row[id_key]])
        words = [w for w in en.split() if w.isalpha() and len(w) >= 6]
        if i % 3 == 1 and words:
            w = r.choice(words)
            bad = typo(w.lower(), r)
            same = [x[id_key] for x in rows if x["name_en"] == en]
            add(en.lower().replace(w.lower(), bad), same)
        if i % 5 == 3 and len(zh.split()) > 2:
            add(f"{en.split()[0]}{zh.split()[-1]}{' '.join(zh.split()[1:-1])}", [row[id_key]])
    for n in (1, 2):  # short Chinese terms: any row that has them serves
        terms = sorted({t for row in rows for part in re.findall(r"[\u4e00-\u9fff]+", row["name"]) for t in (part[k:k + n] for k in range(len(part) - n + 1))})
        for term in terms[:: max(1, len(terms) // 12)]:
            add(term, [row[id_key] for row in rows if term in row["name"]])
    return lines


def make(name):
    module, title, role, deeds, tools = SHOPS[name]
    folder = os.path.join(OUT, name)
    os.makedirs(folder, exist_ok=True)
    rows = module.products()
    id_key = module.COLUMNS[0]
    write(f"{folder}/library.csv", [module.COLUMNS, *([row[c] for c in module.COLUMNS] for row in rows)])
    dump(f"{folder}/schema.json", module.SCHEMA)
    write(f"{folder}/notes.csv", [["id", "intent", "topic", "topic_en", "answer", "answer_en"], *module.NOTES])
    write(f"{folder}/intents.csv", [["text", "label"], *((t, label) for label, both in module.INTENTS.items() for side in both for t in side)])
    intents = {}
    noted = {n[1] for n in module.NOTES}
    for label in module.INTENTS:
        do = deeds.get(label, "note" if label in noted else "refuse" if label == "oos" else "library")
        intents[label] = {"do": do}
        if label in WHAT:
            intents[label].update(what_zh=WHAT[label][0], what_en=WHAT[label][1])
        if label in TEXTS:
            intents[label].update(zh=TEXTS[label][0], en=TEXTS[label][1])
        if do == "tool":
            intents[label]["tool"] = label
    examples = [e for e in EVALS[name] if e.get("rows") and e.get("contains")][:2]
    dump(f"{folder}/desk.json", {
        "format": 1, "name": {"zh": title[0], "en": title[1]}, "library": "library.csv", "notes": "notes.csv", "intents_file": "intents.csv", "eval": "eval.jsonl",
        "prompt": {"zh": {"role": role[0], "steps": ["先看问题问的是哪一行、哪一项。"], "examples": [{"q": e["q"], "row": e["rows"][0], "contains": e["contains"]} for e in examples if not e["q"].isascii()]},
                   "en": {"role": role[1], "steps": ["See first which row and which column the question is about."], "examples": [{"q": e["q"], "row": e["rows"][0], "contains": e["contains"]} for e in examples if e["q"].isascii()]}},
        "intents": intents, "tools": "tools.json", "pass": {"answers": 0.95, "recall_at_5": 0.98}})
    dump(f"{folder}/tools.json", [TOOLS[t] for t in tools])
    by_name = {row["name"]: row for row in rows}
    lines = list(EVALS[name])
    r = random.Random(5)
    for row in r.sample(rows, min(len(rows), 30)):  # cells of random rows, in both languages
        lines.append({"q": f"{row['name']}多少钱", "rows": [row[id_key]], "contains": [str(row["price"])]})
        lines.append({"q": f"how much is the {row['name_en']}?", "rows": [row[id_key]], "contains": [str(row["price"])]})
    with open(f"{folder}/eval.jsonl", "w", encoding="utf-8") as f:
        for line in lines + find_lines(name, rows, id_key):
            f.write(json.dumps(line, ensure_ascii=False) + "\n")
    print(name, len(rows), "rows,", len(by_name), "names,", len(lines), "questions,", len(find_lines(name, rows, id_key)), "to find")


for shop in sys.argv[1:] or SHOPS:
    make(shop)
