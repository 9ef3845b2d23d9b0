#!/usr/bin/env python3
"""The memory that `glim tune --plan` promises beside the one that a run takes: a line for each method.

    bench/tune_memory.py [--glim build/glim] [--make build/bench/make_model] [--steps 3] [--batch 4] [--only WORD,...] [--check]

Planned: `planned_bytes` of --json. Measured: the process's largest resident set (wait4), mapped files that it touched included.
Models: SmolLM2-135M cut to 8 layers in q4_0, q8_0 and bf16 (random weights), and a Hugging Face folder of 8 M values in f32. --check ends with
1 unless each is within ten per cent. --model FILE.gguf: instead of these, LoRA of rank 16 on all linear layers of that model, sequences of 512, one in a
step, with the seconds of each step. Standard library only; 0.4 GB of disk and 1 GB of memory for minutes."""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile

here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
a.add_argument("--glim", default=here + "/build/glim")
a.add_argument("--make", default=here + "/build/bench/make_model")
a.add_argument("--steps", type=int, default=3)
a.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
a.add_argument("--batch", default="4", help="fewer leave a pass half empty, and its memory untouched")
a.add_argument("--only", default="")
a.add_argument("--check", action="store_true")
a.add_argument("--model")
a = a.parse_args()
work = tempfile.TemporaryDirectory(prefix="glim-tune-memory-")
caches = os.environ.get("XDG_CACHE_HOME")
os.environ.update(XDG_CACHE_HOME=work.name + "/cache", XDG_DATA_HOME=work.name + "/data", GLIM_PROGRESS="0", GLIM_CONFIG="")


def rows(name, f, n=64):
    path = os.path.join(work.name, name)
    with open(path, "w") as out:
        for i in range(n):
            out.write(json.dumps(f(i)) + "\n")
    return path


def words(n, i):
    return " ".join("abcdefghij"[(k * 7 + i) % 10] + str((k + i) % 10) for k in range(n))


text = rows("text.jsonl", lambda i: {"text": words(80, i)})  # some 240 tokens of bytes
pairs = rows("pairs.jsonl", lambda i: {"prompt": words(20, i), "chosen": words(40, i + 1), "rejected": words(40, i + 2)})
made = {}


def made_model(kind):
    """Path of a model, made when it is first asked for."""
    if kind in made:
        return made[kind]
    if kind == "hf":
        config = {"architectures": ["Glm4ForCausalLM"], "model_type": "glm4", "hidden_size": 384, "intermediate_size": 1024, "num_hidden_layers": 4,
                  "num_attention_heads": 6, "num_key_value_heads": 2, "head_dim": 64, "hidden_act": "silu", "attention_bias": True, "vocab_size": 4096,
                  "max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "partial_rotary_factor": 0.5, "tie_word_embeddings": True}
        path = work.name + "/hf/start"
        with open(work.name + "/config.json", "w") as f:
            json.dump(config, f)
        subprocess.run([a.glim, "tune", "--method", "pretrain", "--new", work.name + "/config.json", "--tokenizer", here + "/tests/fixtures/glm4", text,
                        "-o", work.name + "/hf", "--steps", "1", "--batch", "1", "--rows", "64", "--max-tokens", "16"], check=True, capture_output=True)
    else:
        path = "%s/135m-%s.gguf" % (work.name, kind)
        subprocess.run([a.make, "smollm2-135m", "--type", kind, "--layers", "8", "--out", path], check=True, capture_output=True)
    made[kind] = path
    return path


if a.model:
    made[a.model] = a.model
    del os.environ["XDG_CACHE_HOME"]  # its packed weights are large, and may lie in the user's own folder already
    if caches:
        os.environ["XDG_CACHE_HOME"] = caches
LORA = ["--lora-targets", "all-linear", "--batch", a.batch]
CASES = [  # name, model, rows, flags
    ("lora f32", "hf", text, [*LORA, "--precision", "f32"]),
    ("lora bf16", "bf16", text, LORA),
    ("lora, default targets", "q8_0", text, ["--batch", a.batch]),
    ("qlora 4 bit", "q4_0", text, LORA),
    ("qlora 4 bit, long pass", "q4_0", text, [*LORA, "--rows", "1536"]),
    ("dora", "q4_0", text, [*LORA, "--dora"]),
    ("full", "hf", text, ["--full", "--batch", a.batch]),
    ("full, adamw8", "hf", text, ["--full", "--batch", a.batch, "--optim", "adamw8"]),
    ("dpo", "q4_0", pairs, [*LORA, "--method", "dpo"]),
    ("distill", "q4_0", text, [*LORA, "--method", "distill", "--teacher", "TEACHER"]),
    ("private lora", "q4_0", text, [*LORA, "--dp-epsilon", "50", "--dp-delta", "1e-3"]),
    ("private full", "hf", text, ["--full", "--batch", a.batch, "--dp-epsilon", "50", "--dp-delta", "1e-3"]),
    ("private dpo", "q4_0", pairs, [*LORA, "--method", "dpo", "--dp-epsilon", "50", "--dp-delta", "1e-3"]),
    ("pretrain", "hf", text, ["--method", "pretrain", "--max-tokens", "256", "--batch", a.batch]),
    ("pretrain, evaluated", "hf", text, ["--method", "pretrain", "--max-tokens", "256", "--batch", a.batch, "--eval-file", text, "--eval-every", "1", "--patience", "2"]),
]
if a.model:
    CASES = [("qlora, rank 16, 512 tokens", a.model, rows("long.jsonl", lambda i: {"text": words(400, i)}),
              ["--lora-targets", "all-linear", "--lora-rank", "16", "--batch", "1", "--rows", "512", "--max-tokens", "512"])]


def run(name, kind, data, flags):
    """(planned bytes, measured bytes, the plan as it is shown)"""
    flags = [made_model("q8_0") if f == "TEACHER" else f for f in flags]
    out = os.path.join(work.name, "out")
    words = [a.glim, "tune", made_model(kind), data, *flags, "-o", out, "--steps", str(a.steps), "--threads", str(a.threads), "--json"]
    subprocess.run([*words, "--plan"], check=True, capture_output=True)  # packs the weights where they are not yet
    p = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    said, err = p.stdout.read(), p.stderr.read()
    _, status, usage = os.wait4(p.pid, 0)
    p.returncode = os.waitstatus_to_exitcode(status)
    if p.returncode:
        sys.exit("%s: %s" % (name, err))
    if a.model:
        with open(out + "/metrics.jsonl") as f:
            steps = [json.loads(line) for line in f]
        print("steps: " + ", ".join("%(tokens)d tokens in %(seconds).1f s (%(tokens_per_s).1f tokens/s), loss %(loss).3f" % s for s in steps))
    shutil.rmtree(out)
    plan = [x for x in err.splitlines() if x.startswith("plan:")]
    return json.loads(said)["planned_bytes"], usage.ru_maxrss * 1024, plan[0][6:] if plan else ""


print("%-24s %10s %10s %8s" % ("", "planned", "measured", "off by"))
worst = 0
for name, kind, data, flags in CASES:
    if a.only and not any(w in name for w in a.only.split(",")):
        continue
    planned, measured, plan = run(name, kind, data, flags)
    off = planned / measured - 1
    worst = max(worst, abs(off))
    print("%-24s %6.1f MiB %6.1f MiB %+7.1f %%   %s" % (name, planned / 2**20, measured / 2**20, 100 * off, plan), flush=True)
sys.exit(a.check and worst > 0.1)
