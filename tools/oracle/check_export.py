"""Folders that `glim export` makes of GGUF files, in transformers: the same logits as `glim logits` on the GGUF, and the same tokens.

    python tools/oracle/check_export.py [--glim build/glim] [MODEL.gguf ...]

Without a model: the fixtures of every family that has a place in a folder, as `glim quantize` writes them in f32, and the model in models/. Exit code 1
when a logit is off by more than 2e-4 + 1e-4 of the largest, or a text has other tokens, before or behind decoding.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

import numpy as np

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
FIXTURES = ["glm4", "glm4-nobias-yarn", "glm", "glm-edge", "chatglm", "llama-tied", "llama", "qwen2", "qwen3"]
IDS = [5, 17, 250, 33, 128, 90, 11, 301, 77, 204, 8, 61]
TEXTS = ["Hello, world! It's 12345 o'clock.", "你好，世界。二〇二五年\n\n  a\tb", "<|user|>\nthe quick brown fox<|assistant|>\n", "   ", "naïve café — ½ ✓ 🙂", "x" * 50,
         "  \n\n 1,000.50 EUR/kg\r\n"]


def run(*cmd, text=None):
    done = subprocess.run([str(c) for c in cmd], input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, cmd))}: {done.stderr.strip()}")
    return done.stdout


def logits(glim, model):
    lines = run(glim, "logits", model, "--ids", ",".join(map(str, IDS)), "--jsonl", "--type", "f32", "--threads", 1).splitlines()
    return np.array([json.loads(line) for line in lines], dtype=np.float32)


def check(glim, gguf, folder):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    made = json.loads(run(glim, "export", gguf, "-o", folder, "--json"))
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    with torch.no_grad():
        want = model(torch.tensor([IDS])).logits[0].numpy()
    got = logits(glim, gguf)
    off, top = np.abs(got - want).max(), np.abs(want).max()
    tok = AutoTokenizer.from_pretrained(folder)
    rows = "".join(json.dumps(t) + "\n" for t in TEXTS)
    ours = [json.loads(line) for line in run(glim, "tokenize", gguf, "--jsonl", "--special", "--prefix", text=rows).splitlines()]
    wrong = [t for t, ids in zip(TEXTS, ours) if tok(t)["input_ids"] != ids or tok.decode(ids) != tok.decode(tok(t)["input_ids"])]
    chat = ""
    if tok.chat_template:
        talk = [{"role": "user", "content": "Hi"}]
        text = tok.apply_chat_template(talk, tokenize=False, add_generation_prompt=True)
        chat = ", chat template" if text.strip() else ", AN EMPTY CHAT TEMPLATE"
    ok = off <= 2e-4 + 1e-4 * top and not wrong and "EMPTY" not in chat and made["class"] == type(model).__name__
    print(f"{os.path.basename(gguf):28} {made['class']:18} off by {off:.1e} of {top:.2f}; {len(TEXTS) - len(wrong)} of {len(TEXTS)} texts{chat}{'' if ok else '   NOT EQUAL'}")
    for t in wrong:
        print(f"    {t!r}: transformers {tok(t)['input_ids']}, glim {ours[TEXTS.index(t)]}")
    return ok


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--glim", default=os.path.join(ROOT, "build", "glim"))
    p.add_argument("model", nargs="*")
    a = p.parse_args()
    ok = True
    with tempfile.TemporaryDirectory() as tmp:
        models = a.model
        if not models:
            for f in FIXTURES:
                models.append(os.path.join(tmp, f + ".gguf"))
                run(a.glim, "quantize", os.path.join(ROOT, "tests", "fixtures", f), models[-1], "--type", "f32")
            nano = os.path.join(ROOT, "models", "glim-nano.gguf")
            models += [nano] if os.path.exists(nano) else []
        for i, m in enumerate(models):
            ok = check(a.glim, m, os.path.join(tmp, f"folder-{i}")) and ok
    sys.exit(0 if ok else 1)


if __name__ == "__main__":
    main()
