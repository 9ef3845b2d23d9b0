"""For owners of real weights: compares `glim logits` with transformers on a model folder.

    python tools/oracle/check_real.py MODEL_FOLDER [--glim build/glim] [--ids 1,2,3 | --text "..."]
                                      [--dtype float32|bfloat16] [--tolerance X] [--trust-remote-code]

Runs both on the same ids and prints, per position, the largest difference, whether the best token agrees, and the
gap between the two best logits of transformers. Exit code 1 when the largest difference exceeds the tolerance
(default 1e-4 for float32; for bfloat16 twice the largest difference between torch's own bfloat16 and float32 run,
which needs memory for the float32 model: give --tolerance to do without). The folder is only read. The original
ChatGLM layout needs --trust-remote-code, which runs the Python files that came with the checkpoint.
"""
import argparse
import json
import os
import subprocess
import sys

import numpy as np


def torch_rows(folder, ids, dtype, trust):
    import torch
    from transformers import AutoModelForCausalLM
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype), attn_implementation="eager",
                                                 trust_remote_code=trust).eval()
    with torch.no_grad():
        return model(input_ids=torch.tensor([ids])).logits[0].float().numpy()


def glim_rows(glim, folder, ids):
    run = subprocess.run([glim, "logits", folder, "--ids", ",".join(map(str, ids)), "--jsonl"], stdout=subprocess.PIPE,
                         text=True, check=True)
    rows = []
    for line in run.stdout.splitlines():
        row = json.loads(line)
        rows.append(row["logits"] if isinstance(row, dict) else row)
    return np.array(rows, dtype=np.float32)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("folder")
    p.add_argument("--glim", default=os.path.join(os.path.dirname(__file__), "..", "..", "build", "glim"))
    p.add_argument("--ids")
    p.add_argument("--text", default="The capital of France is Paris. 你好，今天天气怎么样？ def f(x): return x ** 2")
    p.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"))
    p.add_argument("--tolerance", type=float)
    p.add_argument("--trust-remote-code", action="store_true")
    a = p.parse_args()
    if a.ids:
        ids = [int(x) for x in a.ids.split(",")]
    else:
        from transformers import AutoTokenizer
        ids = AutoTokenizer.from_pretrained(a.folder, trust_remote_code=a.trust_remote_code).encode(a.text)
    want = torch_rows(a.folder, ids, a.dtype, a.trust_remote_code)
    tolerance = a.tolerance
    if tolerance is None:
        tolerance = 1e-4
        if a.dtype == "bfloat16":
            tolerance = 2 * float(np.abs(torch_rows(a.folder, ids, "float32", a.trust_remote_code) - want).max())
    got = glim_rows(a.glim, a.folder, ids)
    if got.shape != want.shape:
        sys.exit(f"shapes differ: glim {got.shape}, transformers {want.shape}")
    for i, (g, w) in enumerate(zip(got, want)):
        best = np.sort(w)[-2:]
        print(f"position {i:4d} id {ids[i]:6d} max diff {np.abs(g - w).max():.3e} best token "
              f"{'same' if g.argmax() == w.argmax() else 'DIFFERS'} gap {best[1] - best[0]:.3f}")
    worst = float(np.abs(got - want).max())
    print(f"largest difference {worst:.3e}, tolerance {tolerance:.3e}, best token agrees at "
          f"{int((got.argmax(1) == want.argmax(1)).sum())} of {len(ids)} positions")
    sys.exit(0 if worst <= tolerance else 1)


if __name__ == "__main__":
    main()
