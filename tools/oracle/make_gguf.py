"""Makes tests/fixtures/gguf/: the weights of some fixtures once more as GGUF v3, as llama.cpp's converters write them.

    python tools/oracle/make_gguf.py        (after make_fixtures.py: seeds are read from its oracle.json files)

Beside each file NAME.gguf stands NAME.json: {"fixture": "<folder whose oracle.json/.bin applies>", "files": [...], ...}.
Matrices are BF16 (llama: F16, both exact for these weights); vectors, the router and the correction bias are F32.
"""
import json
import os
import pathlib
import shutil

import gguf
import numpy as np

from make_fixtures import CHAT, FAMILIES, to_chatglm, weights
from oraclelib import *  # noqa: F403

OUT = os.path.join(FIXTURES, "gguf")
T = gguf.GGMLQuantizationType


def merges_of(v, tiktoken):
    if not tiktoken:
        return [f"{gpt2_text(l)} {gpt2_text(r)}" for l, r in v.merges]
    # A tiktoken file has ranks only: a token's merge is the pair left when its bytes are merged with lower ranks.
    out = []
    for tok, rank in v.base.items():
        parts = [bytes([b]) for b in tok]
        while len(parts) > 1:
            ranks = [v.base.get(a + b, rank) for a, b in zip(parts, parts[1:])]
            i = min(range(len(ranks)), key=ranks.__getitem__)
            if ranks[i] >= rank:
                break
            parts[i:i + 2] = [parts[i] + parts[i + 1]]
        if len(parts) == 2:
            out.append(" ".join(gpt2_text(p) for p in parts))
    return out


def add_tokenizer(g, v, c, pre, special_ids, tiktoken=False, chat=None):
    tokens, types = [None] * c["vocab"], [gguf.TokenType.UNUSED] * c["vocab"]
    for t, i in v.base.items():
        tokens[i], types[i] = gpt2_text(t), gguf.TokenType.NORMAL
    for i, t, special in v.added:
        control = special or (t.startswith("<|") and t.endswith("|>"))
        tokens[i], types[i] = t, gguf.TokenType.CONTROL if control else gguf.TokenType.USER_DEFINED
    tokens = [t if t is not None else f"[PAD{i}]" for i, t in enumerate(tokens)]
    g.add_tokenizer_model("gpt2")
    g.add_tokenizer_pre(pre)
    g.add_token_list(tokens)
    g.add_token_types(types)
    g.add_token_merges(merges_of(v, tiktoken))
    for kind, text in special_ids.items():
        getattr(g, f"add_{kind}_token_id")(v.ids[text])
    if chat:
        g.add_chat_template(chat)


def add(g, name, x, matrix_type):
    if x.ndim == 1 or "ffn_gate_inp" in name:
        g.add_tensor(name, np.ascontiguousarray(x, dtype=np.float32))
    elif matrix_type == T.F16:
        y = x.astype(np.float16)
        assert np.array_equal(y.astype(np.float32), x)
        g.add_tensor(name, y)
    else:
        assert np.array_equal(bf16_round(x), x)
        g.add_tensor(name, gguf.quants.quantize(x, T.BF16), raw_dtype=T.BF16)


def permute(x, heads):
    """llama: rows of each head from half-split to interleaved order."""
    return x.reshape(heads, 2, x.shape[0] // heads // 2, *x.shape[1:]).swapaxes(1, 2).reshape(x.shape)


def base_keys(g, c, name, ftype, layers=None):
    g.add_type("model")
    g.add_name("tiny " + name)
    g.add_block_count(layers or c["layers"])
    g.add_context_length(c["ctx"])
    g.add_embedding_length(c["hidden"])
    g.add_feed_forward_length(c["inter"])
    g.add_head_count(c["heads"])
    g.add_head_count_kv(c["kv"])
    g.add_layer_norm_rms_eps(c["eps"])
    g.add_rope_freq_base(float(c["theta"]))
    g.add_file_type(ftype)
    g.add_quantization_version(gguf.GGML_QUANT_VERSION)


def chatglm(g, c, v, w):
    base_keys(g, c, "chatglm", gguf.LlamaFileType.MOSTLY_BF16)
    g.add_rope_dimension_count(c["head_dim"] // 2)  # no key_length: the converter relies on hidden / heads
    g.add_add_bos_token(False)
    add_tokenizer(g, v, c, "chatglm-bpe", {"eos": "<|endoftext|>", "pad": "<|endoftext|>", "eot": "<|user|>",
                                           "unk": "<|endoftext|>"}, tiktoken=True, chat=CHAT["chatglm"])
    names = {"transformer.embedding.word_embeddings.weight": "token_embd.weight",
             "transformer.encoder.final_layernorm.weight": "output_norm.weight",
             "transformer.output_layer.weight": "output.weight"}
    part = {"input_layernorm": "attn_norm", "self_attention.query_key_value": "attn_qkv",
            "self_attention.dense": "attn_output", "post_attention_layernorm": "ffn_norm",
            "mlp.dense_h_to_4h": "ffn_up", "mlp.dense_4h_to_h": "ffn_down"}
    for n, x in to_chatglm(w, c).items():
        if n.endswith("inv_freq"):
            continue
        if n not in names:
            i, rest = n.removeprefix("transformer.encoder.layers.").split(".", 1)
            stem, kind = rest.rsplit(".", 1)
            names[n] = f"blk.{i}.{part[stem]}.{kind}"
        add(g, names[n], x, T.BF16)


PARTS = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
         "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
         "input_layernorm": "attn_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
         "mlp.down_proj": "ffn_down"}
TOP = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}


def add_all(g, w, parts, matrix_type, change=lambda stem, x: x):
    for n, x in w.items():
        stem, kind = n.rsplit(".", 1)
        if stem in TOP:
            add(g, f"{TOP[stem]}.{kind}", x, matrix_type)
            continue
        i, rest = stem.removeprefix("model.layers.").split(".", 1)
        if rest in parts and kind in ("weight", "bias"):
            add(g, f"blk.{i}.{parts[rest]}.{kind}", change(rest, x), matrix_type)


def glm4(g, c, v, w):
    base_keys(g, c, "glm4", gguf.LlamaFileType.MOSTLY_BF16)
    g.add_key_length(c["head_dim"])
    g.add_value_length(c["head_dim"])
    g.add_rope_dimension_count(c["head_dim"] // 2)
    add_tokenizer(g, v, c, "glm4", {"eos": "<|endoftext|>", "pad": "<|endoftext|>", "eot": "<|user|>",
                                    "unk": "<|endoftext|>", "bos": "<|endoftext|>"}, chat=CHAT["glm4"])
    g.add_add_bos_token(False)
    # The trap: here post_attention_norm is the norm on the attention's output ...
    add_all(g, w, {**PARTS, "post_self_attn_layernorm": "post_attention_norm", "post_attention_layernorm": "ffn_norm",
                   "mlp.gate_up_proj": "ffn_up", "post_mlp_layernorm": "post_ffw_norm"}, T.BF16)


def glm4moe(g, c, v, w):
    base_keys(g, c, "glm4moe-air", gguf.LlamaFileType.MOSTLY_BF16, c["layers"] + 1)
    g.add_key_length(c["head_dim"])
    g.add_value_length(c["head_dim"])
    g.add_rope_dimension_count(c["head_dim"] // 2)
    g.add_expert_used_count(c["topk"])
    g.add_expert_group_count(1)
    g.add_expert_group_used_count(1)
    g.add_expert_count(c["experts"])
    g.add_expert_feed_forward_length(c["expert_inter"])
    g.add_expert_shared_count(1)
    g.add_leading_dense_block_count(c["first_dense"])
    g.add_expert_gating_func(gguf.ExpertGatingFuncType.SIGMOID)
    g.add_expert_weights_scale(c["scale"])
    g.add_expert_weights_norm(True)
    g.add_nextn_predict_layers(1)
    add_tokenizer(g, v, c, "glm4", {"eos": "<|endoftext|>", "pad": "<|endoftext|>", "eot": "<|user|>",
                                    "unk": "<|endoftext|>", "bos": "[gMASK]", "eom": "<|observation|>"},
                  chat=CHAT["glm4moe-air"])
    # ... and here it is the norm before the MLP.
    add_all(g, w, {**PARTS, "post_attention_layernorm": "post_attention_norm", "mlp.gate": "ffn_gate_inp",
                   "mlp.shared_experts.gate_proj": "ffn_gate_shexp", "mlp.shared_experts.up_proj": "ffn_up_shexp",
                   "mlp.shared_experts.down_proj": "ffn_down_shexp", "eh_proj": "nextn.eh_proj",
                   "enorm": "nextn.enorm", "hnorm": "nextn.hnorm", "embed_tokens": "nextn.embed_tokens",
                   "shared_head.head": "nextn.shared_head_head", "shared_head.norm": "nextn.shared_head_norm"},
            T.BF16)
    for i in range(c["first_dense"], c["layers"] + 1):
        p = f"model.layers.{i}.mlp."
        add(g, f"blk.{i}.exp_probs_b.bias", w[p + "gate.e_score_correction_bias"], T.BF16)
        for kind in ("gate", "up", "down"):
            add(g, f"blk.{i}.ffn_{kind}_exps.weight",
                np.stack([w[p + f"experts.{e}.{kind}_proj.weight"] for e in range(c["experts"])]), T.BF16)


def llama(g, c, v, w):
    base_keys(g, c, "llama", gguf.LlamaFileType.MOSTLY_F16)
    g.add_key_length(c["head_dim"])
    g.add_value_length(c["head_dim"])
    g.add_vocab_size(c["vocab"])
    g.add_rope_dimension_count(c["head_dim"])
    add_tokenizer(g, v, c, "llama-bpe", {"bos": "<|begin_of_text|>", "eos": "<|eot_id|>"}, chat=CHAT["llama"])
    g.add_add_bos_token(True)
    # Llama-3 scaling travels as a tensor: frequency j is divided by rope_freqs[j].
    L, s, lo, hi = 64, 8.0, 1.0, 4.0
    f = 1.0 / (c["theta"] ** (np.arange(0, c["head_dim"], 2, dtype=np.float32) / c["head_dim"]))
    factors = []
    for wavelen in 2 * np.pi / f.astype(np.float64):
        smooth = (L / wavelen - lo) / (hi - lo)
        factors.append(1.0 if wavelen < L / hi else s if wavelen > L / lo else 1.0 / ((1 - smooth) / s + smooth))
    g.add_tensor("rope_freqs.weight", np.array(factors, dtype=np.float32))
    heads = {"self_attn.q_proj": c["heads"], "self_attn.k_proj": c["kv"]}
    add_all(g, w, {**PARTS, "post_attention_layernorm": "ffn_norm"}, T.F16,
            lambda stem, x: permute(x, heads[stem]) if stem in heads else x)


FILES = {  # file name: (fixture, architecture, writer, tensors per file or 0)
    "chatglm": ("chatglm", "chatglm", chatglm, 0),
    "glm4": ("glm4", "glm4", glm4, 16),
    "glm4moe-air": ("glm4moe-air", "glm4moe", glm4moe, 0),
    "llama": ("llama", "llama", llama, 0),
}


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    os.makedirs(OUT)
    for name, (fixture, arch, writer, split) in FILES.items():
        _, c, specials, _, _, _ = FAMILIES[fixture]
        v = Vocab(specials, GLM45_N_SPECIAL if specials is GLM45_SPECIALS else None)
        seed = json.load(open(os.path.join(FIXTURES, fixture, "oracle.json")))["seed"]
        w = weights(seed, c)
        g = gguf.GGUFWriter(None, arch, split_max_tensors=split)
        writer(g, c, v, w)
        g.write_header_to_file(pathlib.Path(OUT, name + ".gguf"))
        g.write_kv_data_to_file()
        g.write_tensors_to_file()
        g.close()
        files = sorted(f for f in os.listdir(OUT) if f.endswith(".gguf") and
                       (f == name + ".gguf" or f.startswith(name + "-0")))
        n_tensors = sum(len(gguf.GGUFReader(os.path.join(OUT, f)).tensors) for f in files)
        write_json(os.path.join(OUT, name + ".json"),
                   {"fixture": fixture, "files": files, "architecture": arch, "n_tensors": n_tensors,
                    "made_with": {"gguf": "0.19.0"}})
        print(name, files, n_tensors, sum(os.path.getsize(os.path.join(OUT, f)) for f in files))


if __name__ == "__main__":
    main()
