#!/usr/bin/env python3
"""CrossWOZ's questions over its own library, as docs/desk.md has them: GLIM=build/glim tools/desk_crosswoz.py

Nobody here wrote the questions; nothing is tuned on them. Most speak of "this restaurant": they are asked once with the name of the
dialogue's entity in front, for retrieval alone, and once with the entity's row in view, for the answer."""
import csv
import gzip
import json
import os
import subprocess
import tempfile

GLIM = os.environ.get("GLIM", "build/glim")
DATA = os.environ.get("GLIM_DATA", "../shared/data") + "/product-library-zh-crosswoz/"


def load(name):
    with gzip.open(DATA + name, "rt", encoding="utf-8") as f:
        return [json.loads(line) for line in f] if name.endswith("l.gz") else json.load(f)


def text(v):
    return "、".join(map(str, v)) if isinstance(v, list) else "" if v is None else str(v)


def main():
    rows, columns, ids = [], ["编号", "名称"], {}
    for domain, file in (("餐馆", "restaurant"), ("酒店", "hotel"), ("景点", "attraction")):
        for name, fields in load(file + "_db.json.gz"):
            fields = {k: v for k, v in fields.items() if k != "名称"}
            columns += [k for k in fields if k not in columns]
            rows.append(dict(fields, 编号=f"C{len(rows) + 1}", 名称=name, 领域=domain))
            ids[domain, name] = rows[-1]["编号"]
    with tempfile.TemporaryDirectory() as folder:
        desk = folder + "/desk"
        subprocess.run([GLIM, "desk", "init", "hotel", desk], check=True, stdout=subprocess.DEVNULL)
        with open(desk + "/library.csv", "w", encoding="utf-8", newline="") as f:
            w = csv.writer(f)
            w.writerow(columns)
            w.writerows([[text(r.get(c)).replace("\n", " ") for c in columns] for r in rows])
        kinds = {"编号": "id", "名称": "name", "领域": "enum", "评分": "text", "人均消费": "text", "价格": "text", "门票": "text"}
        schema = {"columns": [dict({"column": c, "type": kinds.get(c, "text")}, **({"zh": c} if c != "名称" else {})) for c in columns]}
        with open(desk + "/schema.json", "w", encoding="utf-8") as f:
            json.dump(schema, f, ensure_ascii=False)
        known = [q for q in load("qa_val.jsonl.gz") if (q["domain"], q["entity"]) in ids]
        for what, line in (("retrieval, recall@5", lambda q: {"q": q["entity"] + "：" + q["question"], "rows": [ids[q["domain"], q["entity"]]], "find": True}),
                           ("retrieval of the bare question, recall@5", lambda q: {"q": q["question"], "rows": [ids[q["domain"], q["entity"]]], "find": True}),
                           ("answers, every part of the answer in them", lambda q: {"q": q["question"], "view": ids[q["domain"], q["entity"]], "contains": q["answer"]})):
            with open(desk + "/eval.jsonl", "w", encoding="utf-8") as f:
                for q in known:
                    f.write(json.dumps(line(q), ensure_ascii=False) + "\n")
            o = json.loads(subprocess.run([GLIM, "desk", "eval", desk, "--json"], stdout=subprocess.PIPE).stdout)
            print(f"{what}: {o['recall_at_5'] if o['find_questions'] else o['answers']:.4f} of {len(known)}, {o['ms_mean']:.2f} ms a question", flush=True)


if __name__ == "__main__":
    main()
