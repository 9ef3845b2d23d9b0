"""Makes tests/fixtures/adapters/<name>/: small random LoRA adapters as PEFT saves them, with reference logits.

    python tools/oracle/make_adapters.py

Each adapter belongs to a fixture of make_fixtures.py. PEFT wraps the model that transformers loads, the values of
A and B depend on (seed, name) alone, and PEFT itself writes the folder and computes the logits (float32, one thread).
The one for `chatglm`, whose class is remote code, is computed by the `glm` model from which its names are mapped:
one fused A there is the same A three times here.
"""
import json
import os
import shutil
import sys

import numpy as np

from oraclelib import *  # noqa: F403
import make_fixtures as mf

N_IDS = 24

ADAPTERS = {
    # name: (fixture, rank, alpha, further LoraConfig options, target modules)
    "glm4-all": ("glm4", 4, 8, {}, ["q_proj", "k_proj", "v_proj", "o_proj", "gate_up_proj", "down_proj"]),
    "glm4-rs": ("glm4", 8, 16, {"use_rslora": True, "alpha_pattern": {"q_proj": 4}, "rank_pattern": {"v_proj": 2}},
                ["q_proj", "v_proj"]),
    "air": ("glm4moe-air", 4, 8, {}, ["q_proj", "k_proj", "v_proj", "o_proj"]),
    "chatglm-qkv": ("chatglm", 4, 16, {}, ["query_key_value"]),
    # Only `glim merge` reads it: a magnitude cannot be added beside a product.
    "glm4-dora": ("glm4", 4, 8, {"use_dora": True}, ["q_proj", "o_proj", "gate_up_proj", "down_proj"]),
}


def reference(name, fixture, r, alpha, options, targets, out):
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM
    torch.set_num_threads(1)
    fused = fixture == "chatglm"
    source = os.path.join(FIXTURES, fixture)
    if fused:
        source = os.path.join(out, "hf")
        make_glm_twin(source)
        targets = ["q_proj", "k_proj", "v_proj"]
    base = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32, attn_implementation="eager")
    model = get_peft_model(base, LoraConfig(r=r, lora_alpha=alpha, target_modules=targets, lora_dropout=0.0,
                                            task_type="CAUSAL_LM", **options)).eval()
    seed = 5000 + list(ADAPTERS).index(name)
    with torch.no_grad():
        for key, p in model.named_parameters():
            if "lora_" not in key:
                continue
            if "magnitude" in key:
                p.mul_(torch.from_numpy(1 + 0.2 * normal(seed, key, tuple(p.shape), 1.0)))
                continue
            # One fused A: the same for q, k and v of a layer.
            label = key.replace("q_proj", "A").replace("k_proj", "A").replace("v_proj", "A") if fused and "lora_A" in key else key
            p.copy_(torch.from_numpy(normal(seed, label, tuple(p.shape), 1.0 / np.sqrt(p.shape[1]))))
        ids = torch.tensor([[int(i) for i in rng_for(seed, "ids").integers(0, 300, N_IDS)]])
        logits = model(ids).logits[0].numpy().astype("<f4")
    with model.disable_adapter(), torch.no_grad():
        base_logits = model(ids).logits[0].numpy().astype("<f4")
    return model, ids[0].tolist(), logits, float(np.abs(logits - base_logits).max())


def make_glm_twin(folder):
    """The chatglm fixture's weights under transformers' own names."""
    c = mf.FAMILIES["chatglm"][1]
    os.makedirs(folder, exist_ok=True)
    w = mf.weights(mf.SEEDS["chatglm"], c)
    cfg = {"architectures": ["GlmForCausalLM"], "model_type": "glm", "attention_bias": True, "vocab_size": c["vocab"],
           "hidden_size": c["hidden"], "intermediate_size": c["inter"], "num_hidden_layers": c["layers"],
           "num_attention_heads": c["heads"], "num_key_value_heads": c["kv"], "head_dim": c["head_dim"],
           "max_position_embeddings": c["ctx"], "rms_norm_eps": c["eps"], "tie_word_embeddings": False,
           "rope_theta": float(c["theta"]), "partial_rotary_factor": 0.5, "pad_token_id": 0, "eos_token_id": [0]}
    write_json(os.path.join(folder, "config.json"), cfg)
    write_safetensors(os.path.join(folder, "model.safetensors"), w, lambda n: "F32")


def experts(out):
    """An adapter of single experts, which PEFT's LoRA no longer writes (transformers 5 stacks them) but older folders
    hold: the reference is the base model with W + (alpha / r) B A written into its file."""
    import torch
    from safetensors.numpy import save_file
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM
    torch.set_num_threads(1)
    seed, r, alpha, source = 5100, 4, 8, os.path.join(FIXTURES, "glm4moe-air")
    hf = os.path.join(out, "hf")
    base = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32, attn_implementation="eager").eval()
    shutil.copytree(source, hf)
    w = {k: v.float().numpy() for k, v in load_file(os.path.join(source, "model.safetensors")).items()}
    pairs = {}
    places = [f"1.mlp.experts.{e}" for e in range(6)] + ["1.mlp.shared_experts", "0.mlp"]
    for e, place in enumerate(places):
        for part in ("gate_proj", "up_proj", "down_proj"):
            if e < 6 and (e + len(part)) % 3 == 0:
                continue  # not every expert has one
            key = f"model.layers.{place}.{part}"
            n_out, n_in = w[key + ".weight"].shape
            a = normal(seed, key + "A", (r, n_in), 1.0 / np.sqrt(n_in))
            b = normal(seed, key + "B", (n_out, r), 1.0 / np.sqrt(r))
            w[key + ".weight"] = (w[key + ".weight"] + np.float32(alpha / r) * (b @ a)).astype(np.float32)
            pairs[f"base_model.model.{key}.lora_A.weight"], pairs[f"base_model.model.{key}.lora_B.weight"] = a, b
    save_file(w, os.path.join(hf, "model.safetensors"), metadata={"format": "pt"})
    merged = AutoModelForCausalLM.from_pretrained(hf, dtype=torch.float32, attn_implementation="eager").eval()
    ids = torch.tensor([[int(i) for i in rng_for(seed, "ids").integers(0, 300, N_IDS)]])
    with torch.no_grad():
        logits, plain = (m(ids).logits[0].numpy().astype("<f4") for m in (merged, base))
    shutil.rmtree(hf)
    write_json(os.path.join(out, "adapter_config.json"),
               {"peft_type": "LORA", "base_model_name_or_path": "tiny/glm4moe-air", "r": r, "lora_alpha": alpha, "bias": "none",
                "target_modules": ["gate_proj", "up_proj", "down_proj"]})
    write_safetensors(os.path.join(out, "adapter_model.safetensors"), dict(sorted(pairs.items())), lambda n: "BF16")
    return ids[0].tolist(), logits, float(np.abs(logits - plain).max())


def save(name, model, out, fused):
    from safetensors.numpy import load_file
    tmp = os.path.join(out, "peft")
    model.save_pretrained(tmp)
    cfg = json.load(open(os.path.join(tmp, "adapter_config.json"), encoding="utf-8"))
    cfg["base_model_name_or_path"] = "tiny/" + ADAPTERS[name][0]
    cfg["target_modules"] = ["query_key_value"] if fused else sorted(cfg["target_modules"])
    cfg = {k: v for k, v in cfg.items() if k not in ("peft_version",)}
    tensors = load_file(os.path.join(tmp, "adapter_model.safetensors"))
    if fused:
        joined = {}
        for i in range(mf.FAMILIES["chatglm"][1]["layers"]):
            old = f"base_model.model.model.layers.{i}.self_attn."
            new = f"base_model.model.transformer.encoder.layers.{i}.self_attention.query_key_value."
            a = [tensors[old + f"{x}_proj.lora_A.weight"] for x in "qkv"]
            assert np.array_equal(a[0], a[1]) and np.array_equal(a[0], a[2])
            joined[new + "lora_A.weight"] = a[0]
            joined[new + "lora_B.weight"] = np.concatenate([tensors[old + f"{x}_proj.lora_B.weight"] for x in "qkv"])
        tensors = joined
    write_json(os.path.join(out, "adapter_config.json"), cfg)
    write_safetensors(os.path.join(out, "adapter_model.safetensors"), dict(sorted(tensors.items())), lambda n: "F32")
    shutil.rmtree(tmp)


def main():
    for name in sys.argv[1:] or [*ADAPTERS, "air-experts"]:
        out = os.path.join(FIXTURES, "adapters", name)
        shutil.rmtree(out, ignore_errors=True)
        os.makedirs(out)
        if name == "air-experts":
            fixture = "glm4moe-air"
            ids, logits, moved = experts(out)
        else:
            fixture, r, alpha, options, targets = ADAPTERS[name]
            model, ids, logits, moved = reference(name, fixture, r, alpha, options, targets, out)
            save(name, model, out, fixture == "chatglm")
            shutil.rmtree(os.path.join(out, "hf"), ignore_errors=True)
        assert moved > 0.1, (name, moved)  # an adapter that does nothing would test nothing
        write_json(os.path.join(out, "oracle.json"),
                   {"fixture": fixture, "ids": ids, "rows": len(ids), "vocab": int(logits.shape[1]), "moved": round(moved, 3)})
        write_bytes(os.path.join(out, "oracle.bin"), logits.tobytes())
        print(name, "logits move by", moved)


if __name__ == "__main__":
    main()
