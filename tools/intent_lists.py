#!/usr/bin/env python3
"""intent_lists.py DATA OUT - sets for `glim eval --constrain` of sentences and labels that nobody here wrote: BANKING77, xSID and the smart home's
(DATA has the folders intent-*), 200 sentences each, with lists of three to eight labels; a fifth of the lists lack the right one. Seed 5."""
import csv
import gzip
import io
import json
import random
import re
import sys

if len(sys.argv) != 3:
    sys.exit(__doc__)
data, out = sys.argv[1:]
rng = random.Random(5)


def snake(s):
    return re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", s).lower()).strip("_")


def conll(path):
    rows, text, intent = [], None, None
    for line in gzip.open(path, "rt"):
        if m := re.match(r"# text = (.*)", line):
            text = m.group(1).strip()
        if m := re.match(r"# intent = (.*)", line):
            intent = m.group(1).strip()
        if not line.strip() and text and intent:
            rows.append((text, snake(intent)))
            text = intent = None
    return rows


def jsonl(path):
    return [(d["text"], snake(d["intent"])) for d in map(json.loads, gzip.open(path, "rt"))]


def write(name, rows, zh):
    labels = sorted({label for _, label in rows})
    rng.shuffle(rows)
    with open(f"{out}/{name}.jsonl", "w") as f:
        for text, label in rows[:200]:
            n, none = rng.choice([3, 4, 5, 6, 8]), rng.random() < 0.2
            others = rng.sample([x for x in labels if x != label], n)
            offered = others if none else others[:-1] + [label]
            rng.shuffle(offered)
            head, tail = ("任务：选择意图\n", "都不合适时写 none") if zh else ("Task: choose an intent\n", "If none fits, write none")
            system = head + "".join(f"- {x}\n" for x in offered) + tail
            messages = [{"role": r, "content": c} for r, c in (("system", system), ("user", text), ("assistant", "none" if none else label))]
            f.write(json.dumps({"messages": messages}, ensure_ascii=False) + "\n")


banking = list(csv.reader(io.TextIOWrapper(gzip.open(f"{data}/intent-banking77/test_half_a.csv.gz"), "utf-8")))[1:]
write("banking77", [(text, snake(label)) for text, label in banking], False)
write("xsid-zh", conll(f"{data}/intent-zh-xsid/zh.valid.conll.gz"), True)
write("xsid-en", conll(f"{data}/intent-zh-xsid/en.valid.conll.gz"), False)
write("smarthome-zh", jsonl(f"{data}/intent-zh-smarthome/zh-cn_a.jsonl.gz"), True)
write("smarthome-en", jsonl(f"{data}/intent-zh-smarthome/en_a.jsonl.gz"), False)
