#!/usr/bin/env python3
"""Training beside PyTorch + PEFT: LoRA on the same weights in bf16, the same rows, batch and length, in one alternating run.

    VENV/bin/python bench/peft.py MODEL [--length 512] [--batch 4] [--steps 8] [--rounds 3] [--threads 1,2] [--rank 16] [--torch bf16,f32] [--json]

VENV is that of tools/oracle/requirements.txt. MODEL is a Hugging Face folder or a .gguf of Llama's architecture, whose weights
transformers writes as a bf16 folder first; both programs read that folder. Glim also runs on the .gguf as it is (QLoRA).

A step is the same rows each time, cut to --length tokens, loss on all of them, LoRA on all linear layers, AdamW. Each side first
tries each number of --threads for one short run and keeps its best; then rounds alternate, each in a process of its own. Seconds of
a step are the median over all rounds but each run's first two steps; memory is the process's largest resident set, everything
included. The losses of the first step must agree within one per cent, or the run says so and ends with 1."""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

sys.path = [p for p in sys.path if os.path.abspath(p) != os.path.dirname(os.path.abspath(__file__))]  # this file has the package's name
here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TORCH = {"bf16": "", "f32": ", f32"}
SKIP = 2  # steps of a run that are not timed: allocators and caches settle


def torch_side(a):
    """The child: trains, prints one JSON object."""
    import time

    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(0)
    torch.set_num_threads(a.threads_now)
    torch.set_num_interop_threads(1)
    tok = AutoTokenizer.from_pretrained(a.model)
    with open(a.rows) as f:
        rows = [tok(json.loads(x)["text"]).input_ids + [tok.eos_token_id] for x in f]
    if any(len(r) != a.length for r in rows):
        sys.exit("rows have %s tokens, want %d each" % (sorted({len(r) for r in rows}), a.length))
    ids = torch.tensor(rows)
    model = AutoModelForCausalLM.from_pretrained(a.model, dtype=torch.float32 if a.f32 else torch.bfloat16)
    model.config.use_cache = False
    if a.checkpointing:
        model.gradient_checkpointing_enable()
        model.enable_input_require_grads()
    model = get_peft_model(model, LoraConfig(r=a.rank, lora_alpha=2 * a.rank, target_modules="all-linear", task_type="CAUSAL_LM"))
    model.train()
    opt = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4, weight_decay=0.0)
    seconds, losses = [], []
    for _ in range(a.steps):
        t = time.perf_counter()
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        opt.zero_grad(set_to_none=True)
        losses.append(loss.item())
        seconds.append(time.perf_counter() - t)
    print(json.dumps({"seconds": seconds, "losses": losses, "torch": torch.__version__}))


def child(words):
    """(what it said, its largest resident set in bytes)"""
    with tempfile.TemporaryFile("w+") as err:
        p = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=err, text=True)
        said = p.stdout.read()
        _, status, usage = os.wait4(p.pid, 0)
        p.returncode = os.waitstatus_to_exitcode(status)
        if p.returncode:
            err.seek(0)
            sys.exit("%s\nended with %d: %s" % (" ".join(words), p.returncode, err.read()[-2000:]))
    return said, usage.ru_maxrss * 1024


def run_torch(a, threads, steps, more=()):
    words = [sys.executable, os.path.abspath(__file__), a.folder, "--side", "torch", "--rows", a.rows, "--length", str(a.length), "--rank", str(a.rank),
             "--steps", str(steps), "--threads-now", str(threads)] + (["--checkpointing"] if a.checkpointing else []) + list(more)
    said, peak = child(words)
    r = json.loads(said.splitlines()[-1])
    return {**r, "peak": peak}


def run_glim(a, threads, steps, model=None):
    out = os.path.join(a.work, "out")
    words = [a.glim, "tune", model or a.folder, a.rows, "-o", out, "--format", "text", "--max-tokens", str(a.length), "--batch", str(a.batch), "--rows", str(a.pass_rows),
             "--lora-rank", str(a.rank), "--lora-targets", "all-linear", "--lr", "1e-4", "--schedule", "constant", "--warmup", "0", "--steps", str(steps),
             "--save-every", "1000000", "--threads", str(threads)]
    _, peak = child(words)
    with open(out + "/metrics.jsonl") as f:
        lines = [json.loads(x) for x in f]
    shutil.rmtree(out)
    return {"seconds": [x["seconds"] for x in lines], "losses": [x["loss"] for x in lines], "peak": peak}


def best_threads(f, a, choices):
    if len(choices) == 1:
        return choices[0]
    return min(choices, key=lambda n: statistics.median(f(a, n, SKIP + 2)["seconds"][SKIP:]))


def prepare(a):
    """A child too: a program that this one starts would count our own resident set as its peak. Writes the model as a folder in bf16, and
    rows that with their end-of-text token have --length tokens."""
    from transformers import AutoModelForCausalLM, AutoTokenizer
    import torch
    gguf = a.model.endswith(".gguf")
    at = os.path.dirname(os.path.abspath(a.model)) if gguf else a.model
    more = {"gguf_file": os.path.basename(a.model)} if gguf else {}
    model = AutoModelForCausalLM.from_pretrained(at, dtype=torch.bfloat16, **more)
    model.hf_quantizer = None  # its values are bf16 now, but newer versions of transformers remember where they came from and refuse to save
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(a.work + "/model")
    tok = AutoTokenizer.from_pretrained(at, **more)
    tok.save_pretrained(a.work + "/model")
    words = "the order was late and a card did not work at home when we paid for it in town last week so please help me now".split()
    special = len(tok("a").input_ids) - len(tok("a", add_special_tokens=False).input_ids)  # what a text begins with
    with open(a.rows, "w") as f:
        for i in range(a.batch):
            text = " ".join(words[(k * (i + 3) + i) % len(words)] for k in range(2 * a.length))
            f.write(json.dumps({"text": tok.decode(tok(text, add_special_tokens=False).input_ids[:a.length - 1 - special])}) + "\n")


def main(a):
    sides = {"glim": run_glim}
    for kind in a.torch.split(","):
        sides["torch + peft" + TORCH[kind]] = lambda a, n, steps, more=["--f32"] if kind == "f32" else []: run_torch(a, n, steps, more)
    if a.model.endswith(".gguf"):
        sides["glim, the gguf as it is"] = lambda a, n, steps: run_glim(a, n, steps, os.path.abspath(a.model))
    choices = [int(x) for x in a.threads.split(",")]
    run_glim(a, choices[-1], 1)  # packs the weights, once
    threads = {name: best_threads(f, a, choices) for name, f in sides.items()}
    got = {name: [] for name in sides}
    for _ in range(a.rounds):
        for name, f in sides.items():
            got[name].append(f(a, threads[name], a.steps))
    table = {}
    for name, runs in got.items():
        step = statistics.median(s for r in runs for s in r["seconds"][SKIP:])
        table[name] = {"tokens_per_s": a.batch * a.length / step, "step_s": step, "peak_mib": max(r["peak"] for r in runs) / 2**20,
                       "threads": threads[name], "first_loss": runs[0]["losses"][0], "last_loss": runs[0]["losses"][-1]}
    first = "torch + peft" + TORCH[a.torch.split(",")[0]]
    base = table[first]
    for t in table.values():
        t["speed_ratio"], t["memory_ratio"] = t["tokens_per_s"] / base["tokens_per_s"], t["peak_mib"] / base["peak_mib"]
    agree = abs(table["glim"]["first_loss"] / base["first_loss"] - 1) < 0.01
    if a.json:
        print(json.dumps({"length": a.length, "batch": a.batch, "rank": a.rank, "torch": got[first][0]["torch"], "losses_agree": agree, "sides": table}))
    else:
        print("%d rows of %d tokens, LoRA rank %d on all linear layers, torch %s%s" % (a.batch, a.length, a.rank, got[first][0]["torch"],
                                                                                    ", gradient checkpointing" if a.checkpointing else ""))
        print("%-26s %10s %9s %10s %8s %8s %11s" % ("", "tokens/s", "x torch", "peak MiB", "x torch", "threads", "first loss"))
        for name, t in table.items():
            print("%-26s %10.0f %8.2fx %10.0f %7.2fx %8d %11.4f" % (name, t["tokens_per_s"], t["speed_ratio"], t["peak_mib"], t["memory_ratio"], t["threads"], t["first_loss"]))
        if not agree:
            print("the losses of the first step do not agree: this compares two different things")
    return not agree


p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument("model")
p.add_argument("--glim", default=here + "/build/glim")
p.add_argument("--length", type=int, default=512)
p.add_argument("--batch", type=int, default=4)
p.add_argument("--pass-rows", type=int, default=0, help="tokens of one of Glim's passes (default: one row at a time, --length)")
p.add_argument("--steps", type=int, default=8)
p.add_argument("--rounds", type=int, default=3)
p.add_argument("--rank", type=int, default=16)
p.add_argument("--threads", default=",".join(sorted({str(len(os.sched_getaffinity(0)) // 2 or 1), str(len(os.sched_getaffinity(0)))}, key=int)))
p.add_argument("--checkpointing", action="store_true", help="gradient checkpointing in PyTorch: slower, less memory")
p.add_argument("--torch", default="bf16", help="bf16, f32 or bf16,f32: PyTorch's weights; f32 is what is faster where the processor has no bf16 instructions")
p.add_argument("--f32", action="store_true", help=argparse.SUPPRESS)
p.add_argument("--json", action="store_true")
p.add_argument("--side", help=argparse.SUPPRESS)
p.add_argument("--work", help=argparse.SUPPRESS)
p.add_argument("--rows", help=argparse.SUPPRESS)
p.add_argument("--threads-now", type=int, help=argparse.SUPPRESS)
args = p.parse_args()
if args.side:
    sys.exit({"torch": torch_side, "prepare": prepare}[args.side](args))
if args.steps <= SKIP:
    sys.exit("--steps: want more than %d" % SKIP)
with tempfile.TemporaryDirectory(prefix="glim-peft-") as args.work:
    os.environ.update(XDG_CACHE_HOME=args.work + "/cache", GLIM_PROGRESS="0", GLIM_CONFIG="", HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
    args.pass_rows = args.pass_rows or args.length
    args.rows, args.folder = args.work + "/rows.jsonl", args.work + "/model"
    child([sys.executable, os.path.abspath(__file__), args.model, "--side", "prepare", "--rows", args.rows, "--work", args.work, "--batch", str(args.batch),
           "--length", str(args.length)])
    sys.exit(main(args))
