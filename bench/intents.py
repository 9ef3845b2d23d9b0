#!/usr/bin/env python3
"""A model tuned to choose an intent, beside the linear model that needs a second: accuracy before and after, wall time, peak memory.

    bench/intents.py SET MODEL OUT [--rows N] [--shots N] [--epsilon E] [--epochs X] [--tune "WORDS"] [--unlike] [--no-before]

SET is banking77 (77 intents in English; the given training and test parts) or crosswoz (requests of Chinese dialogues; 400 dialogues
to learn from, 100 to test). MODEL is any model of glim; the prompt holds the question alone, no list of labels, and the loss counts on
the label's tokens. OUT keeps tables, adapter and figures (OUT/figures.json); what is there is not made again, so an interrupted run
goes on. Data: ../shared/data, or GLIM_DATA."""
import argparse
import collections
import csv
import json
import os
import random
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import intent_figures as figures  # noqa: E402

GLIM = os.environ.get("GLIM", "build/glim")


def banking77():
    def rows(name):
        return [(r["text"], r["category"]) for r in csv.DictReader(figures.lines("intent-banking77/" + name))]
    return rows("train.csv.gz"), rows("test_half_a.csv.gz")


def crosswoz():
    turns = [t for t in map(json.loads, figures.lines("intent-zh-crosswoz/val.jsonl.gz")) if t["role"] == "usr"]
    names = sorted({t["dialogue"] for t in turns})
    random.Random(3).shuffle(names)
    known, cut = set(names[:400]), {True: [], False: []}
    for t in turns:
        cut[t["dialogue"] in known].append((t["text"], figures.requested(t["acts"])))
    return cut[True], cut[False]


def few(rows, n):
    rows = rows[:]
    random.Random(1).shuffle(rows)
    seen = collections.Counter()
    return [r for r in rows if not seen.update([r[1]]) and seen[r[1]] <= n]


def unlike(train, test):
    """The quarter of the test questions whose words (for Chinese: characters) are least like those of any question of the training part."""
    def words(text):
        return frozenset(text.lower().split() if text.isascii() else text)
    known = [words(t) for t, _ in train]
    def nearest(text):
        w = words(text)
        return max(len(w & k) / len(w | k) for k in known)
    return sorted(test, key=lambda r: nearest(r[0]))[:len(test) // 4]


def table(path, rows):
    with open(path, "w", newline="") as f:
        csv.writer(f).writerows([("text", "label"), *rows])


def timed(words):
    """The command's output, seconds, and peak memory of the process in MiB."""
    print("$", " ".join(words), flush=True)
    began = time.monotonic()
    p = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    out = p.stdout.read()
    _, status, usage = os.wait4(p.pid, 0)
    if status != 0:
        sys.exit("intents.py: the command above failed")
    return out, time.monotonic() - began, usage.ru_maxrss / 1024


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("set", choices=("banking77", "crosswoz"))
    p.add_argument("model")
    p.add_argument("out")
    p.add_argument("--rows", type=int, help="only so many rows of the training part, chosen by a seed")
    p.add_argument("--shots", type=int, help="only so many rows of each intent")
    p.add_argument("--epsilon", type=float, help="train privately")
    p.add_argument("--epochs", type=float, default=3)
    p.add_argument("--template", default="smollm2")
    p.add_argument("--tune", default="--lr 6e-4 --batch 16 --lora-rank 16 --lora-targets all-linear", help="further words for glim tune")
    p.add_argument("--threads", type=int)
    p.add_argument("--unlike", action="store_true", help="also the quarter of the test questions that are least like those learnt from")
    p.add_argument("--no-before", action="store_true", help="leave out the model as it came: its figure is known from another run")
    a = p.parse_args()
    os.makedirs(a.out, exist_ok=True)
    train, test = {"banking77": banking77, "crosswoz": crosswoz}[a.set]()
    if a.shots:
        train = few(train, a.shots)
    if a.rows and a.rows < len(train):
        random.Random(1).shuffle(train)
        train = train[:a.rows]
    table(a.out + "/train.csv", train)
    table(a.out + "/test.csv", test)
    form = ["--format", "table", "--prompt", "{text}", "--answer", "{label}", "--system", "intent", "--template", a.template, "--loss", "label"]
    form += ["--threads", str(a.threads)] if a.threads else []
    path = a.out + "/figures.json"
    result = json.load(open(path)) if os.path.exists(path) else {}

    def keep(name, value):
        result[name] = value
        with open(path, "w") as f:
            json.dump(result, f, indent=1)

    labels = ["--classify", "--labels-from", a.out + "/train.csv", "--json"]
    if "before" not in result and not a.no_before:
        out, s, mib = timed([GLIM, "eval", a.model, a.out + "/test.csv", *form, *labels])
        keep("before", {"eval": json.loads(out), "seconds": s, "peak_mib": mib})
    if "tune" not in result:
        private = ["--dp-epsilon", str(a.epsilon), "--dp-delta", "%g" % (0.1 / len(train)), "--dp-ledger", a.out + "/ledger"] if a.epsilon else []
        out, s, mib = timed([GLIM, "tune", a.model, a.out + "/train.csv", *form, "-o", a.out + "/adapter", "--resume", "--epochs", str(a.epochs), "--seed", "1", *a.tune.split(), *private, "--json"])
        keep("tune", {"out": json.loads(out), "seconds": s, "peak_mib": mib})
    if "after" not in result:
        out, s, mib = timed([GLIM, "eval", a.model, a.out + "/test.csv", "--adapter", a.out + "/adapter", "--only-adapter", *form, *labels])
        keep("after", {"eval": json.loads(out), "seconds": s, "peak_mib": mib})
    keep("linear", figures.run(a.out, train, test))
    if a.unlike:
        rest = unlike(train, test)
        table(a.out + "/unlike.csv", rest)
        if "unlike" not in result:
            out, s, mib = timed([GLIM, "eval", a.model, a.out + "/unlike.csv", "--adapter", a.out + "/adapter", "--only-adapter", *form, *labels])
            keep("unlike", {"eval": json.loads(out), "seconds": s, "peak_mib": mib})
        keep("linear, unlike", figures.run(a.out, train, rest))
    print(json.dumps({k: v for k, v in result["tune"].items() if k != "out"}))
    for k in [k for k in ("before", "after", "unlike") if k in result]:
        print(k, {n: v for n, v in flat(result[k]["eval"]).items() if n in ("accuracy", "loss", "exact_match", "macro_f1")}, "%.0f s" % result[k]["seconds"])
    for k in [k for k in ("linear", "linear, unlike") if k in result]:
        print(k, {n: result[k][n] for n in ("accuracy", "ece")})


def flat(v):
    out = {}
    for k, x in v.items():
        out.update(flat(x) if isinstance(x, dict) else {k: x})
    return out


if __name__ == "__main__":
    main()
