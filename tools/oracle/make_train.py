"""Makes tests/fixtures/train/: what PyTorch's autograd gives on the fixtures of make_fixtures.py.

    python tools/oracle/make_train.py [name ...]

<name>.json and <name>.bin: three sequences with a loss mask, their loss and the gradient of every tensor of the
checkpoint under the checkpoint's own names (float32, eager attention, one thread). Gradients are kept as int16 steps
of max|g| / 32767: a sixth of the tolerance that the tests have.
lora-<name>: 100 steps of AdamW on a LoRA adapter as PEFT makes it, from given A (B is zero): the loss of each step.
full-<name>: the same on all weights.
"""
import json
import os
import shutil
import sys
import tempfile

import numpy as np

from oraclelib import *  # noqa: F403
import make_fixtures as mf
import make_adapters as ma

OUT = os.path.join(FIXTURES, "train")
LENGTHS = (75, 20, 9)
GRADS = ["chatglm", "glm-edge", "glm4", "glm4moe-air", "glm4moe-355b", "llama", "llama-tied", "qwen2", "qwen3"]
LORA = {  # name: (fixture, rank, alpha, targets)
    "glm4": ("glm4", 4, 8, ["q_proj", "v_proj", "o_proj", "gate_up_proj", "down_proj"]),
    "llama-tied": ("llama-tied", 8, 16, ["q_proj", "v_proj"]),
    "chatglm": ("chatglm", 4, 16, ["query_key_value"]),
}
FULL = ["glm4", "llama-tied", "glm4moe-air"]
STEPS, LR, WARMUP, DECAY, CLIP = 100, 5e-3, 10, 0.01, 1.0


def load(fixture, tmp):
    import torch
    from transformers import AutoModelForCausalLM
    torch.set_num_threads(1)
    source = os.path.join(FIXTURES, fixture)
    if fixture == "chatglm":
        source = os.path.join(tmp, "hf")
        ma.make_glm_twin(source)
    config = json.load(open(os.path.join(source, "config.json"), encoding="utf-8"))
    if "text_config" in config:  # flat, as the class alone wants it
        flat = os.path.join(tmp, "flat")
        shutil.copytree(source, flat)
        write_json(os.path.join(flat, "config.json"), {"architectures": config["architectures"], **config["text_config"]})
        source = flat
    return AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32, attn_implementation="eager").eval()


def sequences(seed, lengths=LENGTHS):
    r = rng_for(seed, "train")
    out = []
    for n in lengths:
        ids = [int(i) for i in r.integers(0, 300, n)]
        mask = [int(i > 0 and (i > n // 3) and r.random() < 0.7) for i in range(n)]
        mask[-1] = 1
        out.append((ids, mask))
    return out


def total_loss(model, seqs):
    """Mean over all tokens with loss; mask[i] says that token i is to be predicted."""
    import torch
    total, n = 0, 0
    for ids, mask in seqs:
        logits = model(torch.tensor([ids])).logits[0]
        logp = torch.log_softmax(logits, -1)
        for i in range(1, len(ids)):
            if mask[i]:
                total, n = total - logp[i - 1, ids[i]], n + 1
    return total / n


def by_file_name(fixture, model):
    c = mf.FAMILIES[fixture][1]
    g = {}
    for name, p in model.named_parameters():
        v = p.grad.numpy()
        if name.endswith("experts.gate_up_proj"):  # transformers 5 stacks experts
            for e in range(v.shape[0]):
                g[name[:-12] + f"{e}.gate_proj.weight"], g[name[:-12] + f"{e}.up_proj.weight"] = np.split(v[e], 2)
        elif name.endswith("experts.down_proj"):
            for e in range(v.shape[0]):
                g[name[:-9] + f"{e}.down_proj.weight"] = v[e]
        else:
            g[name] = v
    if fixture == "chatglm":
        g = {k: v for k, v in mf.to_chatglm(g, c).items() if not k.endswith("inv_freq")}
    return g


def grads(fixture):
    seed = 7000 + GRADS.index(fixture)
    with tempfile.TemporaryDirectory() as tmp:
        model = load(fixture, tmp)
    seqs = sequences(seed)
    loss = total_loss(model, seqs)
    loss.backward()
    blob, tensors = b"", {}
    for name, v in sorted(by_file_name(fixture, model).items()):
        top = float(np.abs(v).max())
        tensors[name] = {"offset": len(blob), "shape": list(v.shape), "max": top}
        blob += np.rint(v / (top or 1.0) * 32767).astype("<i2").tobytes()
    write_json(os.path.join(OUT, fixture + ".json"),
               {"fixture": fixture, "loss": float(loss.detach()), "sequences": [{"tokens": a, "mask": b} for a, b in seqs], "tensors": tensors})
    write_bytes(os.path.join(OUT, fixture + ".bin"), blob)
    print(fixture, "loss", float(loss.detach()), len(tensors), "tensors")


class Fused:
    """A pair on chatglm's query_key_value, run as three linear layers of the glm model."""
    def __init__(self, model, r, alpha, a_of):
        import torch
        self.params, self.names = [], []
        for i, l in enumerate(model.model.layers):
            att = l.self_attn
            n = [att.q_proj.out_features, att.k_proj.out_features, att.v_proj.out_features]
            name = f"transformer.encoder.layers.{i}.self_attention.query_key_value"
            a = torch.nn.Parameter(torch.from_numpy(a_of(name, (r, att.q_proj.in_features))))
            b = torch.nn.Parameter(torch.zeros(sum(n), r))
            self.params += [a, b]
            self.names += [name + ".lora_A.weight", name + ".lora_B.weight"]
            at = 0
            for m, k in zip((att.q_proj, att.k_proj, att.v_proj), n):
                def hook(mod, args, out, at=at, k=k, a=a, b=b):
                    return out + (args[0] @ a.T) @ b[at:at + k].T * (alpha / r)
                m.register_forward_hook(hook)
                at += k


def train(model, groups, lr, data):
    """Loss and norm of each step of AdamW over batches that come again and again. groups: (tensors, decay)."""
    import torch
    params = [p for g, _ in groups for p in g]
    opt = torch.optim.AdamW([{"params": g, "weight_decay": d} for g, d in groups], lr=lr, betas=(0.9, 0.999), eps=1e-8)
    losses, norms = [], []
    for step in range(STEPS):
        rate = lr * (step + 1) / WARMUP if step < WARMUP else lr * 0.5 * (1 + np.cos(np.pi * (step - WARMUP) / (STEPS - WARMUP)))
        for group in opt.param_groups:
            group["lr"] = rate
        opt.zero_grad()
        loss = total_loss(model, data[step % len(data)])
        loss.backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_(params, CLIP)))
        opt.step()
        losses.append(float(loss.detach()))
    return losses, norms


def full(fixture):
    seed = 7150 + FULL.index(fixture)
    with tempfile.TemporaryDirectory() as tmp:
        model = load(fixture, tmp)
    params = list(model.parameters())
    data = [sequences(seed * 10 + i, (18, 11)) for i in range(5)]
    losses, norms = train(model, [([p for p in params if p.ndim > 1], DECAY), ([p for p in params if p.ndim == 1], 0.0)], LR / 50, data)
    write_json(os.path.join(OUT, f"full-{fixture}.json"),
               {"fixture": fixture, "rank": 0, "alpha": 0, "targets": [], "lr": LR / 50, "warmup": WARMUP, "weight_decay": DECAY, "clip": CLIP, "losses": losses, "norms": norms,
                "batches": [[{"tokens": a, "mask": b} for a, b in s] for s in data]}, indent=None)
    print("full", fixture, losses[0], "->", losses[-1], "norm", norms[0])


def lora(name):
    import torch
    from peft import LoraConfig, get_peft_model
    fixture, r, alpha, targets = LORA[name]
    seed = 7100 + list(LORA).index(name)

    def a_of(module, shape):
        return normal(seed, module + ".A", shape, 1.0 / np.sqrt(shape[1]))
    with tempfile.TemporaryDirectory() as tmp:
        model = load(fixture, tmp)
    for p in model.parameters():
        p.requires_grad_(False)
    start = {}
    if targets == ["query_key_value"]:
        f = Fused(model, r, alpha, a_of)
        params, names = f.params, ["base_model.model." + n for n in f.names]
    else:
        model = get_peft_model(model, LoraConfig(r=r, lora_alpha=alpha, target_modules=targets, lora_dropout=0.0, task_type="CAUSAL_LM"))
        params, names = [], []
        with torch.no_grad():
            for key, p in model.named_parameters():
                if not p.requires_grad:
                    continue
                key = key.replace(".default", "")
                if "lora_A" in key:
                    module = key[len("base_model.model."):].replace(".lora_A.weight", "")
                    p.copy_(torch.from_numpy(a_of(module, tuple(p.shape))))
                params.append(p)
                names.append(key)
    for k, p in zip(names, params):
        if "lora_A" in k:
            start[k] = p.detach().numpy().copy()
    data = [sequences(seed * 10 + i, (18, 11)) for i in range(5)]  # five batches, over and over
    losses, norms = train(model, [(params, DECAY)], LR, data)
    write_json(os.path.join(OUT, f"lora-{name}.json"),
               {"fixture": fixture, "rank": r, "alpha": alpha, "targets": targets, "lr": LR, "warmup": WARMUP, "weight_decay": DECAY,
                "clip": CLIP, "losses": losses, "norms": norms,
                "batches": [[{"tokens": a, "mask": b} for a, b in s] for s in data]})
    write_safetensors(os.path.join(OUT, f"lora-{name}.safetensors"), dict(sorted(start.items())), lambda n: "F32")
    print("lora", name, losses[0], "->", losses[-1])


if __name__ == "__main__":
    os.makedirs(OUT, exist_ok=True)
    wanted = sys.argv[1:] or GRADS + ["lora-" + n for n in LORA] + ["full-" + n for n in FULL]
    for w in wanted:
        if w.startswith("full-"):
            full(w[5:])
            continue
        if w.startswith("lora-"):
            lora(w[5:])
        else:
            grads(w)
