"""A second opinion on the fixtures: a plain numpy forward pass written from the model facts, not from transformers.

    python tools/oracle/check_spec.py

Reads every folder under tests/fixtures and every file under tests/fixtures/gguf from disk and compares all rows of
f32_prefill and f32_steps (and the long prompts) with oracle.bin. It shares no code with the scripts that made them
except this module's own readers, so a wrong tensor name, permutation or rope in either shows. Prints one line each;
exit code 1 when a row differs by more than 1e-4.

With --mutate it breaks one rule at a time instead and prints, per fixture, how far the logits move: what a test with
the tolerance 1e-4 would catch.
"""
import glob
import json
import math
import os
import struct
import sys

import numpy as np

FIXTURES = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests", "fixtures"))


def read_safetensors(path):
    raw = open(path, "rb").read()
    n = struct.unpack("<Q", raw[:8])[0]
    out = {}
    for name, t in json.loads(raw[8:8 + n]).items():
        if name == "__metadata__":
            continue
        a, b = (x + 8 + n for x in t["data_offsets"])
        if t["dtype"] == "BF16":
            x = (np.frombuffer(raw[a:b], "<u2").astype(np.uint32) << 16).view(np.float32)
        else:
            x = np.frombuffer(raw[a:b], {"F32": "<f4", "F16": "<f2"}[t["dtype"]]).astype(np.float32)
        out[name] = x.reshape(t["shape"]).astype(np.float64)
    return out


class Model:
    """Neutral description: everything the forward pass asks for."""
    broken = ""  # the rule that --mutate breaks
    partial, theta, eps, scaling, interleaved = 1.0, 1e4, 1e-5, None, False
    first_dense, topk, groups, topk_group, scale, norm_topk = 10 ** 6, 0, 1, 1, 1.0, True
    freq_factors = None


def from_folder(folder):
    c = json.load(open(os.path.join(folder, "config.json")))
    c = {**c, **c.get("text_config", {})}
    raw = {}
    for f in sorted(glob.glob(os.path.join(folder, "*.safetensors"))):
        raw.update(read_safetensors(f))
    m = Model()
    kind = c["model_type"]
    m.layers, m.heads = c["num_hidden_layers"], c["num_attention_heads"]
    m.interleaved = kind in ("chatglm", "glm", "glm4")
    if kind == "chatglm":
        m.kv, m.hd, m.eps = c["multi_query_group_num"], c["kv_channels"], c["layernorm_epsilon"]
        m.theta, m.partial = 10000.0 * c["rope_ratio"], 0.5
    else:
        m.kv, m.eps = c["num_key_value_heads"], c["rms_norm_eps"]
        m.hd = c.get("head_dim") or c["hidden_size"] // m.heads
        rope = {**(c.get("rope_scaling") or {}), **(c.get("rope_parameters") or {})}
        m.theta = rope.get("rope_theta", c.get("rope_theta"))
        m.partial = rope.get("partial_rotary_factor", c.get("partial_rotary_factor", 0.5 if kind.startswith("glm") else 1.0))
        if rope.get("rope_type", rope.get("type", "default")) != "default":
            m.scaling = rope
    if kind == "glm4_moe":
        m.first_dense, m.topk, m.groups, m.topk_group = (c["first_k_dense_replace"], c["num_experts_per_tok"],
                                                         c["n_group"], c["topk_group"])
        m.scale, m.norm_topk = c["routed_scaling_factor"], c["norm_topk_prob"]
    w = {}
    for n, x in raw.items():
        n = n.removeprefix("model.").removeprefix("transformer.").removeprefix("encoder.")
        for a, b in (("embedding.word_embeddings", "embed_tokens"), ("final_layernorm", "norm"), ("output_layer", "lm_head"),
                     ("self_attention.query_key_value", "self_attn.qkv"), ("self_attention.dense", "self_attn.o_proj"),
                     ("mlp.dense_h_to_4h", "mlp.gate_up_proj"), ("mlp.dense_4h_to_h", "mlp.down_proj")):
            n = n.replace(a, b)
        w[n] = x
    if c.get("tie_word_embeddings"):
        assert "lm_head.weight" not in w
        w["lm_head.weight"] = w["embed_tokens.weight"]
    m.w = w
    return m


def from_gguf(files):
    import gguf
    meta, raw = {}, {}
    for f in files:
        r = gguf.GGUFReader(f)
        meta.update({k: v.contents() for k, v in r.fields.items()})
        for t in r.tensors:
            shape = [int(x) for x in reversed(t.shape)]
            raw[t.name] = gguf.quants.dequantize(t.data, t.tensor_type).reshape(shape).astype(np.float64)
    arch = meta["general.architecture"]
    k = lambda name, default=None: meta.get(f"{arch}.{name}", default)
    m = Model()
    m.layers = k("block_count") - k("nextn_predict_layers", 0)
    m.heads, m.kv, m.eps = k("attention.head_count"), k("attention.head_count_kv"), k("attention.layer_norm_rms_epsilon")
    m.hd = k("attention.key_length") or k("embedding_length") // m.heads
    m.theta, m.partial = k("rope.freq_base"), k("rope.dimension_count") / m.hd
    m.interleaved = arch in ("chatglm", "glm4", "llama")
    if arch == "glm4moe":
        m.first_dense, m.topk = k("leading_dense_block_count"), k("expert_used_count")
        m.groups, m.topk_group, m.scale = k("expert_group_count"), k("expert_group_used_count"), k("expert_weights_scale")
        assert k("expert_gating_func") == 2
    m.freq_factors = raw.pop("rope_freqs.weight", None)
    post = {"attn_norm": "input_layernorm", "attn_qkv": "self_attn.qkv", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
            "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj", "attn_q_norm": "self_attn.q_norm",
            "attn_k_norm": "self_attn.k_norm", "ffn_norm": "post_attention_layernorm", "post_ffw_norm": "post_mlp_layernorm",
            "post_attention_norm": "post_self_attn_layernorm" if arch == "glm4" else "post_attention_layernorm",
            "ffn_up": "mlp.gate_up_proj" if arch in ("chatglm", "glm4") else "mlp.up_proj", "ffn_gate": "mlp.gate_proj",
            "ffn_down": "mlp.down_proj", "ffn_gate_inp": "mlp.gate", "ffn_gate_shexp": "mlp.shared_experts.gate_proj",
            "ffn_up_shexp": "mlp.shared_experts.up_proj", "ffn_down_shexp": "mlp.shared_experts.down_proj"}
    top = {"token_embd": "embed_tokens", "output_norm": "norm", "output": "lm_head"}
    w = {}
    for n, x in raw.items():
        stem, kind = n.rsplit(".", 1)
        if stem in top:
            w[f"{top[stem]}.{kind}"] = x
            continue
        _, i, rest = stem.split(".", 2)
        if rest.startswith("nextn."):
            continue
        if rest == "exp_probs_b":
            w[f"layers.{i}.mlp.gate.e_score_correction_bias"] = x
        elif rest.endswith("_exps"):
            for e in range(len(x)):
                w[f"layers.{i}.mlp.experts.{e}.{rest.split('_')[1]}_proj.weight"] = x[e]
        else:
            w[f"layers.{i}.{post[rest]}.{kind}"] = x
    m.w = w
    return m


def frequencies(m):
    n_rot = int(m.hd * m.partial)
    f = m.theta ** (-np.arange(0, n_rot, 2) / n_rot)
    mul = 1.0
    s = m.scaling
    if s and s.get("rope_type", s.get("type")) == "yarn":
        dim = lambda n: n_rot * math.log(s["original_max_position_embeddings"] / (n * 2 * math.pi)) / (2 * math.log(m.theta))
        low, high = max(math.floor(dim(32)), 0), min(math.ceil(dim(1)), n_rot - 1)
        ramp = np.clip((np.arange(n_rot // 2) - low) / (high - low), 0, 1)
        f = f / s["factor"] * ramp + f * (1 - ramp)
        mul = 1.0 if m.broken == "yarn_factor" else 0.1 * math.log(s["factor"]) + 1
    elif s:
        assert s["rope_type"] == "llama3"
        L, wave = s["original_max_position_embeddings"], 2 * math.pi / f
        t = (L / wave - s["low_freq_factor"]) / (s["high_freq_factor"] - s["low_freq_factor"])
        t = np.clip(t, 0, 1)
        f = (1 - t) * f / s["factor"] + t * f
    if m.freq_factors is not None:
        f = f / m.freq_factors
    return f, mul


def rope(x, m, f, mul):
    a = np.arange(len(x))[:, None, None] * f
    cos, sin, n = np.cos(a) * mul, np.sin(a) * mul, len(f)
    y = x.copy()
    i, j = (slice(0, 2 * n, 2), slice(1, 2 * n, 2)) if m.interleaved else (slice(0, n), slice(n, 2 * n))
    y[..., i] = x[..., i] * cos - x[..., j] * sin
    y[..., j] = x[..., j] * cos + x[..., i] * sin
    return y


def forward(m, ids):
    w = m.w
    rms = lambda x, name: x / np.sqrt((x * x).mean(-1, keepdims=True) + m.eps) * w[name + ".weight"]
    lin = lambda x, name: x @ w[name + ".weight"].T + (0.0 if m.broken == "no_bias" else w.get(name + ".bias", 0.0))
    silu = lambda x: x / (1 + np.exp(-x))
    f, mul = frequencies(m)
    x = w["embed_tokens.weight"][ids]
    T = len(ids)
    mask = np.triu(np.full((T, T), -np.inf), 1)

    def ffn(h, p):
        if p + "gate_up_proj.weight" in w:
            g, u = np.split(lin(h, p + "gate_up_proj"), 2, -1)
        else:
            g, u = lin(h, p + "gate_proj"), lin(h, p + "up_proj")
        return lin(silu(g) * u, p + "down_proj")

    def moe(h, p):
        score = 1 / (1 + np.exp(-h @ w[p + "gate.weight"].T))
        choice = score + w[p + "gate.e_score_correction_bias"]
        y = 0 * h if m.broken == "no_shared" else ffn(h, p + "shared_experts.")
        if m.broken == "softmax":
            z = np.exp(h @ w[p + "gate.weight"].T)
            score = z / z.sum(-1, keepdims=True)
            choice = score + w[p + "gate.e_score_correction_bias"]
        elif m.broken == "bias_ignored":
            choice = score
        for r in range(T):
            c = choice[r].reshape(m.groups, -1).copy()
            keep = np.argsort(-np.sort(c, -1)[:, -2:].sum(-1), kind="stable")[:m.topk_group]
            if m.groups > 1:
                c[[g for g in range(m.groups) if g not in keep]] = -np.inf
            best = np.argsort(-c.reshape(-1), kind="stable")[:m.topk]
            p_ = (choice if m.broken == "bias_in_weights" else score)[r][best]
            p_ = p_ / (p_.sum() + 1e-20) if m.norm_topk else p_
            for e, v in zip(best, p_ * m.scale):
                y[r] += v * ffn(h[r:r + 1], p + f"experts.{e}.")[0]
        return y

    for i in range(m.layers):
        p = f"layers.{i}."
        h = rms(x, p + "input_layernorm")
        if p + "self_attn.qkv.weight" in w:
            q, k, v = np.split(lin(h, p + "self_attn.qkv"), [m.heads * m.hd, (m.heads + m.kv) * m.hd], -1)
        else:
            q, k, v = (lin(h, p + f"self_attn.{n}_proj") for n in "qkv")
        q, k, v = q.reshape(T, m.heads, m.hd), k.reshape(T, m.kv, m.hd), v.reshape(T, m.kv, m.hd)
        if p + "self_attn.q_norm.weight" in w and m.broken != "no_qk_norm":
            q, k = rms(q, p + "self_attn.q_norm"), rms(k, p + "self_attn.k_norm")
        q, k = rope(q, m, f, mul), rope(k, m, f, mul)
        group = [h % m.kv if m.broken == "kv_modulo" else h * m.kv // m.heads for h in range(m.heads)]
        k, v = k[:, group], v[:, group]
        s = np.einsum("thd,shd->hts", q, k) / math.sqrt(m.hd) + mask
        s = np.exp(s - s.max(-1, keepdims=True))
        s /= s.sum(-1, keepdims=True)
        o = lin(np.einsum("hts,shd->thd", s, v).reshape(T, -1), p + "self_attn.o_proj")
        if p + "post_self_attn_layernorm.weight" in w and m.broken != "no_post_norms":
            o = rms(o, p + "post_self_attn_layernorm")
        x = x + o
        h = rms(x, p + "post_attention_layernorm")
        o = moe(h, p + "mlp.") if i >= m.first_dense else ffn(h, p + "mlp.")
        if p + "post_mlp_layernorm.weight" in w and m.broken != "no_post_norms":
            o = rms(o, p + "post_mlp_layernorm")
        x = x + o
    return rms(x, "norm") @ w["lm_head.weight"].T


def mutations(m):
    """Each broken rule that says something about this model, as a change of the description."""
    yield "eps_x10", dict(eps=m.eps * 10)
    yield "theta_x2", dict(theta=m.theta * 2)
    yield "pairing", dict(interleaved=not m.interleaved)
    if m.partial < 1:
        yield "rotary_all", dict(partial=1.0)
    elif m.freq_factors is None:
        yield "rotary_half", dict(partial=0.5)
    else:
        yield "no_freq_factors", dict(freq_factors=None)
    names = "kv_modulo " if m.kv > 1 else ""
    names += "no_bias " if any(n.endswith("proj.bias") or n.endswith("qkv.bias") for n in m.w) else ""
    names += "no_qk_norm " if any("q_norm" in n for n in m.w) else ""
    names += "no_post_norms " if any("post_mlp" in n for n in m.w) else ""
    for name in names.split():
        yield name, dict(broken=name)
    if m.scaling:
        yield "no_scaling", dict(scaling=None)
        if "low_freq_factor" not in m.scaling:
            yield "yarn_factor", dict(broken="yarn_factor")
    if m.topk:
        for name in ("no_shared", "softmax", "bias_ignored", "bias_in_weights"):
            yield name, dict(broken=name)
        yield "norm_topk_off", dict(norm_topk=False)
        yield "topk_minus_1", dict(topk=m.topk - 1)
        if m.scale != 1:
            yield "no_routed_scale", dict(scale=1.0)
        if m.groups > 1:
            yield "no_groups", dict(groups=1)


def main():
    bad, mutate = 0, "--mutate" in sys.argv
    jobs = [(n, os.path.join(FIXTURES, n), None) for n in sorted(os.listdir(FIXTURES))
            if os.path.exists(os.path.join(FIXTURES, n, "oracle.json"))]
    for side in sorted(glob.glob(os.path.join(FIXTURES, "gguf", "*.json"))):
        s = json.load(open(side))
        jobs.append(("gguf/" + os.path.basename(side)[:-5], os.path.join(FIXTURES, s["fixture"]),
                     [os.path.join(FIXTURES, "gguf", f) for f in s["files"]]))
    for name, folder, files in jobs:
        info = json.load(open(os.path.join(folder, "oracle.json")))
        raw = open(os.path.join(folder, "oracle.bin"), "rb").read()

        def array(key):
            a = info["arrays"][key]
            return np.frombuffer(raw, "<f4", math.prod(a["shape"]), a["offset"]).reshape(a["shape"])

        m = from_gguf(files) if files else from_folder(folder)
        want = np.concatenate([array("f32_prefill"), array("f32_steps")])
        if mutate:
            moved = []
            for what, change in mutations(m):
                vars(m).update(change)
                d = np.abs(forward(m, info["prompt_ids"] + info["step_ids"]) - want).max()
                moved.append(f"{what} {d:.1e}" + ("" if d > 1e-4 else " MISSED"))
                bad += d <= 1e-4
                m = from_gguf(files) if files else from_folder(folder)
            print(f"{name:20s} " + ", ".join(moved))
            continue
        diff = np.abs(forward(m, info["prompt_ids"] + info["step_ids"]) - want).max()
        if "long" in info and not files:
            diff = max(diff, np.abs(forward(m, info["long"]["ids"])[-3:] - array("f32_long")).max())
        bad += diff > 1e-4
        print(f"{name:20s} max |numpy - oracle| {diff:.2e}")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
