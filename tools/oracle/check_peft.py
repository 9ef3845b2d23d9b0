"""For owners of Python PEFT: adapters go both ways between `glim` and PEFT, with the same logits.

    python tools/oracle/check_peft.py [--glim build/glim]

There: `glim tune` trains LoRA and DoRA adapters on fixtures, PEFT loads their folders, and transformers' logits must be those
of `glim logits` on what `glim merge` makes of them in f32. Back: PEFT makes adapters with random values and saves them;
`glim merge` reads them, and both must agree again. (What inference computes with an adapter beside the model is held against
PEFT by tests/model/test_adapter.c.) Exit code 1 when a logit is off by more than 2e-4 + 1e-4 of the largest.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

import numpy as np

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
IDS = [5, 17, 250, 33, 128, 90, 11, 301, 77, 204, 8, 61]
CASES = [("glm4", "q_proj,v_proj,o_proj,gate_up_proj,down_proj"), ("qwen2", "q_proj,k_proj,v_proj,down_proj"),
         ("llama", "q_proj,v_proj,up_proj"), ("glm4moe-air", "q_proj,k_proj,v_proj,o_proj")]


def run(*cmd):
    done = subprocess.run([str(c) for c in cmd], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, cmd))}: {done.stderr.strip()}")
    return done.stdout


def glim_logits(glim, model, adapter, tmp, n):
    merged = os.path.join(tmp, f"merged-{n}")
    run(glim, "merge", model, adapter, "-o", merged, "--type", "f32")
    lines = run(glim, "logits", merged, "--ids", ",".join(map(str, IDS)), "--jsonl", "--type", "f32", "--threads", 1).splitlines()
    return np.array([json.loads(line) for line in lines], dtype=np.float32)


def load(model):
    import torch
    from transformers import AutoModelForCausalLM
    return AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32, attn_implementation="eager").eval()


def logits_of(model):
    import torch
    with torch.no_grad():
        return model(torch.tensor([IDS])).logits[0].numpy()


def compare(what, got, want, plain):
    off, top, moved = np.abs(got - want).max(), np.abs(want).max(), np.abs(want - plain).max()
    ok = off <= 2e-4 + 1e-4 * top and moved > 0.05
    print(f"{what:42} off by {off:.1e} of {top:.2f}; the adapter moves logits by {moved:.2f}{'' if ok else '   NOT EQUAL'}")
    return ok


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--glim", default=os.path.join(ROOT, "build", "glim"))
    a = p.parse_args()
    import torch
    import transformers
    from peft import LoraConfig, PeftModel, get_peft_model
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)
    ok, n = True, 0
    with tempfile.TemporaryDirectory() as tmp:
        rows = os.path.join(tmp, "rows.jsonl")
        with open(rows, "w", encoding="utf-8") as f:
            for i in range(16):
                f.write(json.dumps({"text": f"order {i} of {i * 7 % 5} boxes was sent on day {i * 3 % 11}"}) + "\n")
        for fixture, targets in CASES:
            model = os.path.join(ROOT, "tests", "fixtures", fixture)
            plain = logits_of(load(model))
            for dora in (False, True):
                kind, n = "DoRA" if dora else "LoRA", n + 1
                ours, theirs = os.path.join(tmp, f"ours-{n}"), os.path.join(tmp, f"theirs-{n}")
                run(a.glim, "tune", model, rows, "-o", ours, "--format", "text", "--epochs", 4, "--batch", 4, "--lr", 0.02, "--lora-rank", 4,
                    "--lora-targets", targets, "--threads", 1, "--precision", "f32", *(["--dora"] if dora else []))
                peft = PeftModel.from_pretrained(load(model), ours).eval()
                ok &= compare(f"{fixture}: {kind} of glim tune in PEFT", glim_logits(a.glim, model, ours, tmp, f"a{n}"), logits_of(peft), plain)
                torch.manual_seed(n)
                peft = get_peft_model(load(model), LoraConfig(r=4, lora_alpha=8, target_modules=targets.split(","), task_type="CAUSAL_LM",
                                                              use_dora=dora)).eval()
                with torch.no_grad():
                    for key, v in peft.named_parameters():
                        if "magnitude" in key:
                            v.mul_(1 + 0.2 * torch.randn_like(v))
                        elif "lora_" in key:
                            v.copy_(torch.randn_like(v) / v.shape[1] ** 0.5)
                peft.save_pretrained(theirs)
                ok &= compare(f"{fixture}: {kind} of PEFT in glim", glim_logits(a.glim, model, theirs, tmp, f"b{n}"), logits_of(peft), plain)
    sys.exit(0 if ok else 1)


if __name__ == "__main__":
    main()
