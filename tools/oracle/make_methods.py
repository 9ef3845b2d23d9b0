"""Makes tests/fixtures/train/method-*: what PyTorch and PEFT give for training methods beyond plain LoRA.

    python tools/oracle/make_methods.py [name ...]

method-<name>.json, .safetensors, .bin: start values of an adapter (B is not zero), the gradient of every adapter tensor at
them as int16 steps of max|g| / 32767, and the losses of 100 steps of AdamW from there.

    dora-*      use_dora of PEFT
    dpo         pairs of answers against the base model, arXiv:2305.18290 (mean over pairs, sums over tokens)
    distill*    (1 - w) cross entropy + w T^2 KL(teacher || student) at temperature T; -top: of the teacher only the K likeliest
                tokens are known, all others are one event
pairs-<family>: LoRA on every linear layer of a family, routed experts included, without PEFT, which cannot have those: W + s B A stands
in for each weight. Gradients of all pairs under three losses ("parts" of one file): cross entropy, DPO, distillation.
balance: the same file format without steps; gradients of some tensors of all weights under cross entropy plus the
sequence-wise load-balancing loss of mixtures of experts (sum over layers, mean over sequences).
"""
import contextlib
import os
import sys
import tempfile

import numpy as np

from oraclelib import *  # noqa: F403
import make_train as mt

RUNS = {  # name: (fixture, rank, alpha, targets, options)
    "dora-qwen2": ("qwen2", 4, 8, ["q_proj", "k_proj", "v_proj", "down_proj"], {"dora": True}),
    "dora-glm4": ("glm4", 4, 8, ["q_proj", "o_proj", "gate_up_proj", "down_proj"], {"dora": True}),
    "dpo": ("llama-tied", 4, 8, ["q_proj", "v_proj", "down_proj"], {"beta": 0.2}),
    "distill": ("llama-tied", 4, 8, ["q_proj", "v_proj", "up_proj"], {"teacher": "qwen3", "temperature": 2.0, "weight": 0.6}),
    "distill-top": ("llama-tied", 4, 8, ["q_proj", "o_proj"], {"teacher": "glm4", "temperature": 1.5, "weight": 0.8, "top": 24}),
}
STEPS, WARMUP, DECAY, CLIP = 100, 10, 0.01, 1.0
RATES = {"dpo": 1e-3}


def rate(top, step):
    return top * (step + 1) / WARMUP if step < WARMUP else top * 0.5 * (1 + np.cos(np.pi * (step - WARMUP) / (STEPS - WARMUP)))


def log_p(model, ids):
    import torch
    return torch.log_softmax(model(torch.tensor([ids])).logits[0], -1)


def sum_log_p(model, seq):
    ids, mask = seq
    lp = log_p(model, ids)
    return sum(lp[i - 1, ids[i]] for i in range(1, len(ids)) if mask[i])


def dpo_loss(model, pairs, o):
    import torch
    total = 0
    for chosen, rejected in zip(pairs[::2], pairs[1::2]):
        with torch.no_grad(), model.disable_adapter():
            base = [sum_log_p(model, s) for s in (chosen, rejected)]
        here = [sum_log_p(model, s) for s in (chosen, rejected)]
        total = total - torch.nn.functional.logsigmoid(o["beta"] * ((here[0] - base[0]) - (here[1] - base[1])))
    return total / (len(pairs) // 2)


def distill_loss(model, teacher, seqs, o):
    import torch
    t, w, total, n = o["temperature"], o["weight"], 0, 0
    for ids, mask in seqs:
        z = model(torch.tensor([ids])).logits[0]
        with torch.no_grad():
            p_all = torch.softmax(teacher(torch.tensor([ids])).logits[0][:, :z.shape[1]] / t, -1)
        for i in range(1, len(ids)):
            if not mask[i]:
                continue
            ce, lq, p = -torch.log_softmax(z[i - 1], -1)[ids[i]], torch.log_softmax(z[i - 1] / t, -1), p_all[i - 1]
            if "top" in o:
                top = torch.topk(p, o["top"]).indices
                other = torch.ones_like(p, dtype=torch.bool)
                other[top] = False
                kl = (p[top] * (p[top].log() - lq[top])).sum()
                kl = kl + p[other].sum() * (p[other].sum().log() - torch.logsumexp(lq[other], 0))
            else:
                kl = (p * (p.log() - lq)).sum()
            total, n = total + (1 - w) * ce + w * t * t * kl, n + 1
    return total / n


def pack_grads(tensors):
    blob, index = b"", {}
    for name, v in sorted(tensors.items()):
        top = float(np.abs(v).max())
        index[name] = {"offset": len(blob), "shape": list(v.shape), "max": top}
        blob += np.rint(v / (top or 1.0) * 32767).astype("<i2").tobytes()
    return blob, index


def file_name(key):
    key = key.replace(".default", "")
    return key[:-len(".weight")] if key.endswith("lora_magnitude_vector.weight") else key


def run(name):
    import torch
    from peft import LoraConfig, get_peft_model
    fixture, r, alpha, targets, o = RUNS[name]
    seed, lr = 7200 + list(RUNS).index(name), RATES.get(name, 5e-3)
    with tempfile.TemporaryDirectory() as tmp:
        model = mt.load(fixture, tmp)
    teacher = None
    if "teacher" in o:
        with tempfile.TemporaryDirectory() as tmp:
            teacher = mt.load(o["teacher"], tmp)
    for p in model.parameters():
        p.requires_grad_(False)
    model = get_peft_model(model, LoraConfig(r=r, lora_alpha=alpha, target_modules=targets, lora_dropout=0.0, task_type="CAUSAL_LM",
                                             use_dora=o.get("dora", False))).eval()
    params, start = {}, {}
    with torch.no_grad():
        for key, p in model.named_parameters():
            if not p.requires_grad:
                continue
            short = file_name(key)
            if "magnitude" in short:  # as PEFT starts it, and then not quite
                p.mul_(torch.from_numpy(1 + 0.1 * normal(seed, short, tuple(p.shape), 1.0)))
            else:
                p.copy_(torch.from_numpy(normal(seed, short, tuple(p.shape), (1.0 if "lora_A" in short else 0.2) / np.sqrt(p.shape[1]))))
            params[short], start[short] = p, p.detach().numpy().copy()
    matrices = [p for p in params.values() if p.ndim > 1]
    vectors = [p for p in params.values() if p.ndim == 1]  # lengths do not decay
    opt = torch.optim.AdamW([{"params": matrices, "weight_decay": DECAY}, {"params": vectors, "weight_decay": 0.0}],
                            lr=lr, betas=(0.9, 0.999), eps=1e-8)
    lengths = (14, 9, 12, 11) if name == "dpo" else (18, 11)
    data = [mt.sequences(seed * 10 + i, lengths) for i in range(5)]
    losses, norms, blob, index = [], [], b"", {}
    for step in range(STEPS):
        for group in opt.param_groups:
            group["lr"] = rate(lr, step)
        opt.zero_grad()
        b = data[step % 5]
        loss = dpo_loss(model, b, o) if name == "dpo" else distill_loss(model, teacher, b, o) if teacher else mt.total_loss(model, b)
        loss.backward()
        if step == 0:
            blob, index = pack_grads({k: p.grad.numpy() for k, p in params.items()})
        norms.append(float(torch.nn.utils.clip_grad_norm_(list(params.values()), CLIP)))
        opt.step()
        losses.append(float(loss.detach()))
    out = os.path.join(mt.OUT, "method-" + name)
    write_json(out + ".json",
               {"fixture": fixture, "rank": r, "alpha": alpha, "targets": targets, **o, "lr": lr, "warmup": WARMUP, "weight_decay": DECAY,
                "clip": CLIP, "losses": losses, "norms": norms, "tensors": index,
                "batches": [[{"tokens": a, "mask": m} for a, m in s] for s in data]}, indent=None)
    write_bytes(out + ".bin", blob)
    write_safetensors(out + ".safetensors", dict(sorted(start.items())), lambda n: "F32")
    print(name, losses[0], "->", losses[-1], "norm", norms[0])


class WithPairs:
    """A model whose weights are W + s B A, as functions of A and B: what PEFT's adapted model is, for any tensor."""
    def __init__(self, fixture, model, r, alpha, seed):
        import torch
        self.model, self.fixture, self.scale, self.on = model, fixture, alpha / r, True
        for p in model.parameters():  # weights where gradients are looked for: shapes under the names of the file
            p.grad = p.detach()
        shapes = {k: v.shape for k, v in mt.by_file_name(fixture, model).items()}
        for p in model.parameters():
            p.grad = None
            p.requires_grad_(False)
        no_target = ("embed_tokens.weight", "lm_head.weight", "mlp.gate.weight", "word_embeddings.weight", "output_layer.weight")
        self.modules = sorted(k[:-len(".weight")] for k, v in shapes.items() if len(v) == 2 and not k.endswith(no_target))
        self.params = {}
        for m in self.modules:
            n_out, n_in = shapes[m + ".weight"]
            for word, shape in (("lora_A", (r, n_in)), ("lora_B", (n_out, r))):
                name = "base_model.model." + m + "." + word + ".weight"
                v = normal(seed, name, shape, (1.0 if word == "lora_A" else 0.2) / np.sqrt(shape[1]))
                self.params[name] = torch.nn.Parameter(torch.from_numpy(v))

    def delta(self, module):
        a, b = (self.params["base_model.model." + module + "." + w + ".weight"] for w in ("lora_A", "lora_B"))
        return self.scale * b @ a

    def weight(self, name, w):
        """The weight called so in the class, with what is added to it."""
        import torch
        if name.endswith("experts.gate_up_proj"):
            return w + torch.stack([torch.cat([self.delta(name[:-12] + f"{e}.gate_proj"), self.delta(name[:-12] + f"{e}.up_proj")]) for e in range(len(w))])
        if name.endswith("experts.down_proj"):
            return w + torch.stack([self.delta(name[:-9] + f"{e}.down_proj") for e in range(len(w))])
        if not name.endswith(".weight"):
            return w
        module = name[:-len(".weight")]
        if self.fixture == "chatglm" and ".layers." in module:
            layer, _, part = module[len("model.layers."):].partition(".")
            layer = "transformer.encoder.layers." + layer + "."
            if part[:-len("_proj")] in ("self_attn.q", "self_attn.k", "self_attn.v"):
                n = [getattr(self.model.model.layers[0].self_attn, x + "_proj").out_features for x in "qkv"]
                return w + self.delta(layer + "self_attention.query_key_value").split(n)["qkv".index(part[len("self_attn.")])]
            module = layer + {"self_attn.o_proj": "self_attention.dense", "mlp.gate_up_proj": "mlp.dense_h_to_4h", "mlp.down_proj": "mlp.dense_4h_to_h"}.get(part, "")
        return w + self.delta(module) if module in self.modules else w

    def __call__(self, ids):
        import torch
        if not self.on:
            return self.model(ids)
        return torch.func.functional_call(self.model, {n: self.weight(n, p) for n, p in self.model.named_parameters()}, (ids,))

    @contextlib.contextmanager
    def disable_adapter(self):
        self.on = False
        yield
        self.on = True


def pairs(fixture):
    r, alpha, seed = 2, 4, 7400 + mt.GRADS.index(fixture)
    other = "glm4moe-355b" if fixture == "glm4moe-air" else "glm4moe-air"  # the largest vocabulary
    with tempfile.TemporaryDirectory() as tmp:
        model = WithPairs(fixture, mt.load(fixture, tmp), r, alpha, seed)
    with tempfile.TemporaryDirectory() as tmp:
        teacher = mt.load(other, tmp)
    targets = ["all-linear"] + (["experts.gate_proj", "experts.up_proj", "experts.down_proj"] if any(".experts." in m for m in model.modules) else [])
    blob, parts = b"", {}
    for i, (part, o) in enumerate({"sft": {}, "dpo": {"beta": 0.3}, "distill": {"teacher": other, "temperature": 2.0, "weight": 0.7}}.items()):
        seqs = mt.sequences(seed * 10 + i, (14, 9, 12, 11) if part == "dpo" else (25, 18, 9))
        loss = dpo_loss(model, seqs, o) if part == "dpo" else distill_loss(model, teacher, seqs, o) if part == "distill" else mt.total_loss(model, seqs)
        for p in model.params.values():
            p.grad = None
        loss.backward()
        more, index = pack_grads({k: p.grad.numpy() for k, p in model.params.items()})
        for t in index.values():
            t["offset"] += len(blob)
        blob += more
        parts[part] = {"fixture": fixture, "rank": r, "alpha": alpha, "targets": targets, **o, "losses": [float(loss.detach())], "tensors": index,
                       "batches": [[{"tokens": a, "mask": m} for a, m in seqs]]}
        print("pairs", fixture, part, float(loss.detach()), len(index), "tensors, the least gradient", min(t["max"] for t in index.values()))
    out = os.path.join(mt.OUT, "pairs-" + fixture)
    write_json(out + ".json", parts, indent=None)
    write_bytes(out + ".bin", blob)
    write_safetensors(out + ".safetensors", {k: p.detach().numpy() for k, p in sorted(model.params.items())}, lambda n: "F32")


def balance():
    import torch
    fixture, coef, seed = "glm4moe-355b", 0.5, 7300
    with tempfile.TemporaryDirectory() as tmp:
        model = mt.load(fixture, tmp)
    c = model.config
    seen = []

    def hook(mod, args, out):
        h = args[0].reshape(-1, c.hidden_size)[:-1]  # the last token is only a target
        scores = torch.sigmoid(torch.nn.functional.linear(h, mod.weight))
        with torch.no_grad():  # the model's own choice
            pick = scores + mod.e_score_correction_bias
            groups = pick.view(-1, c.n_group, c.n_routed_experts // c.n_group).topk(2, dim=-1)[0].sum(-1)
            keep = torch.zeros_like(groups).scatter_(1, groups.topk(c.topk_group, dim=-1).indices, 1)
            keep = keep.unsqueeze(-1).expand(-1, c.n_group, c.n_routed_experts // c.n_group).reshape(pick.shape)
            chosen = pick.masked_fill(~keep.bool(), float("-inf")).topk(c.num_experts_per_tok, dim=-1).indices
        count = torch.zeros(c.n_routed_experts).scatter_add_(0, chosen.reshape(-1), torch.ones(chosen.numel()))
        f = count * c.n_routed_experts / (c.num_experts_per_tok * h.shape[0])
        seen.append((f * (scores / scores.sum(-1, keepdim=True)).mean(0)).sum())
    for layer in model.model.layers:
        if hasattr(layer.mlp, "gate"):
            layer.mlp.gate.register_forward_hook(hook)
    seqs = mt.sequences(seed, (30, 17, 9))
    ce = mt.total_loss(model, seqs)
    aux = sum(seen) / len(seqs)
    (ce + coef * aux).backward()
    g = mt.by_file_name(fixture, model)
    blob, index = pack_grads({k: v for k, v in g.items() if k.endswith(("mlp.gate.weight", "layernorm.weight", "layers.1.self_attn.q_proj.weight"))})
    out = os.path.join(mt.OUT, "method-balance")
    write_json(out + ".json", {"fixture": fixture, "coefficient": coef, "loss": float(ce.detach()), "balance": float(aux.detach()), "tensors": index,
                               "sequences": [{"tokens": a, "mask": m} for a, m in seqs]}, indent=None)
    write_bytes(out + ".bin", blob)
    print("balance", float(ce.detach()), float(aux.detach()), len(seen), sorted(index)[:3])


if __name__ == "__main__":
    for wanted in sys.argv[1:] or [*RUNS, *("pairs-" + f for f in mt.GRADS), "balance"]:
        if wanted == "balance":
            balance()
        elif wanted.startswith("pairs-"):
            pairs(wanted[len("pairs-"):])
        else:
            run(wanted)
