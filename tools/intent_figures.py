#!/usr/bin/env python3
"""Figures of intent recognition on the shared data sets, as docs/know.md has them: GLIM=build/glim tools/intent_figures.py

Sets without a test part are cut into five folds by a seed; CrossWOZ by whole dialogues. The refusal figures add sentences of
other businesses (label "oos") to held-out rows of BANKING77's training part; its test part is for tests/know/test_intent.c."""
import collections
import csv
import gzip
import json
import os
import random
import subprocess
import tempfile

GLIM = os.environ.get("GLIM", "build/glim")
DATA = os.environ.get("GLIM_DATA", "../shared/data") + "/"


def run(folder, train, test):
    for name, rows in (("train.csv", train), ("test.csv", test)):
        with open(f"{folder}/{name}", "w", newline="") as f:
            csv.writer(f).writerows([("text", "label"), *rows])
    subprocess.run([GLIM, "intent", "train", f"{folder}/train.csv", "-o", f"{folder}/m"], check=True, stdout=subprocess.DEVNULL)
    return json.loads(subprocess.run([GLIM, "intent", "eval", f"{folder}/m", f"{folder}/test.csv", "--json"], check=True,
                                     stdout=subprocess.PIPE).stdout)


def show(name, o):
    oos = "" if o["oos_recall"] is None else f", out of scope refused {o['oos_recall']:.3f} of {o['n_oos']}"
    print(f"{name}: accuracy {o['accuracy']:.4f} of {o['n']}, in scope {o['in_scope_accuracy']:.4f}, ECE {o['ece']:.4f}{oos}", flush=True)


def folds(folder, name, rows, k=5):
    rows = rows[:]
    random.Random(7).shuffle(rows)
    by_label = collections.defaultdict(list)
    for text, label in rows:
        by_label[label].append((text, label))
    parts = [[] for _ in range(k)]
    for i, row in enumerate(r for label in by_label for r in by_label[label]):
        parts[i % k].append(row)
    n = right = ece = 0
    for f in range(k):
        o = run(folder, [r for g in range(k) if g != f for r in parts[g]], parts[f])
        n, right, ece = n + o["n"], right + o["accuracy"] * o["n"], ece + o["ece"] * o["n"]
    print(f"{name}: accuracy {right / n:.4f} of {n}, ECE {ece / n:.4f}", flush=True)


def lines(path):
    with gzip.open(DATA + path, "rt", encoding="utf-8") as f:
        yield from f


def requested(acts):
    names = sorted({a[0] + "+" + a[1] if a[0] in ("Request", "Select") else a[0] for a in acts if a[0] != "General" or len(acts) == 1})
    return "/".join([x for x in names if x.startswith(("Request", "Select"))] or names) or "none"


def conll(path):
    text = ""
    for line in lines(path):
        if line.startswith("# text = "):
            text = line[9:].strip()
        if line.startswith("# intent = "):
            yield text, line[11:].strip()


def main():
    home = {k: [(r["text"], r["intent"]) for r in map(json.loads, lines(f"intent-zh-smarthome/{k}_a.jsonl.gz"))] for k in ("zh-cn", "en")}
    xsid = {k: list(conll(f"intent-zh-xsid/{k}.valid.conll.gz")) for k in ("zh", "en")}
    with tempfile.TemporaryDirectory() as folder:
        for k in home:
            folds(folder, f"smart home {k}", home[k])
        for k in xsid:
            folds(folder, f"xSID {k}", xsid[k])
        turns = [t for t in map(json.loads, lines("intent-zh-crosswoz/val.jsonl.gz")) if t["role"] == "usr"]
        names = sorted({t["dialogue"] for t in turns})
        random.Random(3).shuffle(names)
        known = set(names[:400])
        cut = {True: [], False: []}
        for t in turns:
            cut[t["dialogue"] in known].append((t["text"], requested(t["acts"])))
        show("CrossWOZ requests", run(folder, cut[True], cut[False]))
        bank = [(r["text"], r["category"]) for r in csv.DictReader(lines("intent-banking77/train.csv.gz"))]
        random.Random(5).shuffle(bank)
        train, held = bank[:len(bank) * 4 // 5], bank[len(bank) * 4 // 5:]
        far = [(text, "oos") for text, _ in home["en"] + xsid["en"]]
        random.Random(6).shuffle(far)
        show("BANKING77, strangers in the test only", run(folder, train, held + far[:470]))
        show("BANKING77, 100 strangers to learn from", run(folder, train + far[470:570], held + far[:470]))


if __name__ == "__main__":
    main()
