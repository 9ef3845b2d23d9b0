"""Makes tests/fixtures/<name>/: tiny random checkpoints in the published file layouts, with reference logits.

    python tools/oracle/make_fixtures.py [name ...]        (all when no name is given)

Weights depend only on (seed, tensor name). The reference run loads the very files written here through
transformers (`from_pretrained`, eager attention, one thread), once in float32 and once in bfloat16; only
`chatglm`, whose class is remote code, is run as the `glm` model from which its names are mapped back.
"""
import json
import os
import shutil
import struct
import sys

import numpy as np

from oraclelib import *  # noqa: F403

N_PROMPT, N_STEPS, N_LONG, N_LONG_KEPT = 13, 6, 640, 3


# ---------------------------------------------------------------- weights, under the transformers names

def linear(w, seed, name, out, inp, gain=1.0, bias=False):
    w[name + ".weight"] = normal(seed, name + ".weight", (out, inp), gain / np.sqrt(inp))
    if bias:
        w[name + ".bias"] = normal(seed, name + ".bias", (out,), 0.3)


def norm(w, seed, name, n):
    w[name + ".weight"] = normal(seed, name + ".weight", (n,), 0.3, 1.0)


def attention(w, seed, p, c):
    hd, bias = c["head_dim"], c.get("bias", False)
    linear(w, seed, p + "self_attn.q_proj", c["heads"] * hd, c["hidden"], 1.5, bias)
    linear(w, seed, p + "self_attn.k_proj", c["kv"] * hd, c["hidden"], 1.5, bias)
    linear(w, seed, p + "self_attn.v_proj", c["kv"] * hd, c["hidden"], 1.0, bias)
    linear(w, seed, p + "self_attn.o_proj", c["hidden"], c["heads"] * hd)
    if c.get("qk_norm"):
        norm(w, seed, p + "self_attn.q_norm", hd)
        norm(w, seed, p + "self_attn.k_norm", hd)


def split_mlp(w, seed, p, hidden, inter):
    linear(w, seed, p + "gate_proj", inter, hidden, 1.4)
    linear(w, seed, p + "up_proj", inter, hidden, 1.4)
    linear(w, seed, p + "down_proj", hidden, inter)


def layer(w, seed, i, c):
    p = f"model.layers.{i}."
    norm(w, seed, p + "input_layernorm", c["hidden"])
    attention(w, seed, p, c)
    norm(w, seed, p + "post_attention_layernorm", c["hidden"])
    if c.get("sandwich"):
        norm(w, seed, p + "post_self_attn_layernorm", c["hidden"])
        norm(w, seed, p + "post_mlp_layernorm", c["hidden"])
    if c.get("experts") and i >= c["first_dense"]:
        linear(w, seed, p + "mlp.gate", c["experts"], c["hidden"], 1.5)
        b = rng_for(seed, p + "e_score_correction_bias")
        w[p + "mlp.gate.e_score_correction_bias"] = (
            b.uniform(0.0, 0.9, c["experts"]) if c.get("groups", 1) > 1 else b.normal(0.0, 0.5, c["experts"])
        ).astype(np.float32)
        for e in range(c["experts"]):
            split_mlp(w, seed, p + f"mlp.experts.{e}.", c["hidden"], c["expert_inter"])
        split_mlp(w, seed, p + "mlp.shared_experts.", c["hidden"], c["expert_inter"])
    elif c.get("fused"):
        linear(w, seed, p + "mlp.gate_up_proj", 2 * c["inter"], c["hidden"], 1.4)
        linear(w, seed, p + "mlp.down_proj", c["hidden"], c["inter"])
    else:
        split_mlp(w, seed, p + "mlp.", c["hidden"], c["inter"])


def weights(seed, c):
    w = {}
    H, V = c["hidden"], c["vocab"]
    std = 2.0 / np.sqrt(H)
    # Small embeddings: only then does the first norm's eps show in the logits.
    w["model.embed_tokens.weight"] = normal(seed, "model.embed_tokens.weight", (V, H), std if c.get("tied") else c["embed"])
    for i in range(c["layers"]):
        layer(w, seed, i, c)
    if c.get("mtp"):
        i = c["layers"]
        p = f"model.layers.{i}."
        layer(w, seed, i, c)
        norm(w, seed, p + "enorm", H)
        norm(w, seed, p + "hnorm", H)
        linear(w, seed, p + "eh_proj", H, 2 * H)
        norm(w, seed, p + "shared_head.norm", H)
        if c["mtp"] == "copies":
            w[p + "embed_tokens.weight"] = w["model.embed_tokens.weight"].copy()
            w[p + "shared_head.head.weight"] = normal(seed, "lm_head.weight", (V, H), std)
    norm(w, seed, "model.norm", H)
    if not c.get("tied"):
        w["lm_head.weight"] = normal(seed, "lm_head.weight", (V, H), std)
    return w


def to_chatglm(w, c):
    """transformers `glm` names -> the names of the original files (spec 3.1)."""
    out = {"transformer.embedding.word_embeddings.weight": w["model.embed_tokens.weight"]}
    n_rot = c["head_dim"] // 2
    out["transformer.rotary_pos_emb.inv_freq"] = bf16_round(
        (1.0 / (c["theta"] ** (np.arange(0, n_rot, 2, dtype=np.float32) / n_rot))).astype(np.float32))
    for i in range(c["layers"]):
        a, b = f"model.layers.{i}.", f"transformer.encoder.layers.{i}."
        out[b + "input_layernorm.weight"] = w[a + "input_layernorm.weight"]
        for kind in ("weight", "bias"):
            out[b + "self_attention.query_key_value." + kind] = np.concatenate(
                [w[a + f"self_attn.{x}_proj.{kind}"] for x in "qkv"])
        out[b + "self_attention.dense.weight"] = w[a + "self_attn.o_proj.weight"]
        out[b + "post_attention_layernorm.weight"] = w[a + "post_attention_layernorm.weight"]
        out[b + "mlp.dense_h_to_4h.weight"] = w[a + "mlp.gate_up_proj.weight"]
        out[b + "mlp.dense_4h_to_h.weight"] = w[a + "mlp.down_proj.weight"]
    out["transformer.encoder.final_layernorm.weight"] = w["model.norm.weight"]
    out["transformer.output_layer.weight"] = w["lm_head.weight"]
    return out


# ---------------------------------------------------------------- the families

def shape_keys(c, v):
    return {"vocab_size": c["vocab"], "hidden_size": c["hidden"], "intermediate_size": c["inter"],
            "num_hidden_layers": c["layers"], "num_attention_heads": c["heads"], "num_key_value_heads": c["kv"],
            "head_dim": c["head_dim"], "hidden_act": "silu", "attention_dropout": 0.0,
            "max_position_embeddings": c["ctx"], "initializer_range": 0.02, "rms_norm_eps": c["eps"],
            "use_cache": True, "tie_word_embeddings": bool(c.get("tied")),
            "pad_token_id": v.ids[c["pad"]], "eos_token_id": [v.ids[t] for t in c["eos"]]}


GLM_EOS = ["<|endoftext|>", "<|user|>", "<|observation|>"]
V4, V5 = "4.54.1", "5.2.0"


def cfg_chatglm(c, v):
    return {"_name_or_path": "tiny/chatglm", "model_type": "chatglm", "architectures": ["ChatGLMModel"],
            "auto_map": {"AutoConfig": "configuration_chatglm.ChatGLMConfig",
                         "AutoModel": "modeling_chatglm.ChatGLMForConditionalGeneration",
                         "AutoModelForCausalLM": "modeling_chatglm.ChatGLMForConditionalGeneration"},
            "add_bias_linear": False, "add_qkv_bias": True, "apply_query_key_layer_scaling": True,
            "apply_residual_connection_post_layernorm": False, "attention_dropout": 0.0,
            "attention_softmax_in_fp32": True, "bias_dropout_fusion": True, "ffn_hidden_size": c["inter"],
            "fp32_residual_connection": False, "hidden_dropout": 0.0, "hidden_size": c["hidden"],
            "kv_channels": c["head_dim"], "layernorm_epsilon": c["eps"], "multi_query_attention": True,
            "multi_query_group_num": c["kv"], "num_attention_heads": c["heads"], "num_hidden_layers": c["layers"],
            "num_layers": c["layers"], "rope_ratio": c["theta"] // 10000, "original_rope": True,
            "padded_vocab_size": c["vocab"], "post_layer_norm": True, "rmsnorm": True, "seq_length": c["ctx"],
            "use_cache": True, "torch_dtype": "bfloat16", "transformers_version": "4.30.2",
            "tie_word_embeddings": False, "eos_token_id": [v.ids[t] for t in GLM_EOS],
            "pad_token_id": v.ids["<|endoftext|>"]}


def cfg_glm(c, v):  # transformers 4; partial_rotary_factor absent: it means 0.5
    return {"architectures": ["GlmForCausalLM"], "model_type": "glm", "attention_bias": True, **shape_keys(c, v),
            "rope_theta": float(c["theta"]), "torch_dtype": "bfloat16", "transformers_version": "4.46.0"}


def cfg_edge(c, v):
    return {"architectures": ["GlmForCausalLM"], "model_type": "glm", "attention_bias": False, **shape_keys(c, v),
            "partial_rotary_factor": 1.0, "rope_theta": float(c["theta"]), "torch_dtype": "float32",
            "transformers_version": "4.47.0.dev0"}


def cfg_glm4(c, v):
    return {"architectures": ["Glm4ForCausalLM"], "model_type": "glm4", "attention_bias": True, **shape_keys(c, v),
            "partial_rotary_factor": 0.5, "rope_theta": float(c["theta"]), "torch_dtype": "bfloat16",
            "transformers_version": "4.52.0.dev0"}


def cfg_glm4_yarn(c, v):  # as the vendor's README tells people to edit the file: "type", not "rope_type"
    return {"architectures": ["Glm4ForCausalLM"], "model_type": "glm4", "attention_bias": False, **shape_keys(c, v),
            "partial_rotary_factor": 0.5, "rope_theta": float(c["theta"]), "torch_dtype": "bfloat16",
            "transformers_version": "4.52.0.dev0",
            "rope_scaling": {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": c["ctx"]}}


def moe_keys(c):
    return {"first_k_dense_replace": c["first_dense"], "moe_intermediate_size": c["expert_inter"],
            "n_group": c.get("groups", 1), "topk_group": 1, "n_routed_experts": c["experts"], "n_shared_experts": 1,
            "norm_topk_prob": True, "num_experts_per_tok": c["topk"], "num_nextn_predict_layers": 1,
            "routed_scaling_factor": c["scale"], "use_qk_norm": bool(c.get("qk_norm")), "attention_bias": True}


def cfg_air(c, v):
    return {"architectures": ["Glm4MoeForCausalLM"], "model_type": "glm4_moe", **shape_keys(c, v), **moe_keys(c),
            "partial_rotary_factor": 0.5, "rope_scaling": None, "rope_theta": c["theta"], "torch_dtype": "bfloat16",
            "transformers_version": V4}


def cfg_355b(c, v):
    return {"architectures": ["Glm4MoeForCausalLM"], "model_type": "glm4_moe", "dtype": "bfloat16",
            **shape_keys(c, v), **moe_keys(c),
            "rope_parameters": {"rope_type": "default", "rope_theta": float(c["theta"]),
                                "partial_rotary_factor": 0.5}, "transformers_version": V5}


def cfg_llama(c, v):
    return {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "attention_bias": False, "mlp_bias": False,
            **shape_keys(c, v), "bos_token_id": v.ids["<|begin_of_text|>"], "pretraining_tp": 1,
            "rope_scaling": {"factor": 8.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
                             "original_max_position_embeddings": 64, "rope_type": "llama3"},
            "rope_theta": float(c["theta"]), "torch_dtype": "bfloat16", "transformers_version": "4.43.0.dev0"}


def cfg_llama_tied(c, v):  # SmolLM2 style: head_dim absent (hidden / heads), one eos id, not a list
    k = shape_keys(c, v)
    k["eos_token_id"] = v.ids["<|im_end|>"]
    del k["head_dim"]
    return {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "attention_bias": False, "mlp_bias": False,
            **k, "bos_token_id": v.ids["<|im_start|>"], "rope_interleaved": False, "rope_scaling": None,
            "rope_theta": c["theta"], "torch_dtype": "float32", "transformers_version": "4.42.3"}


def cfg_qwen2(c, v):  # no head_dim key, sliding-window keys that are switched off
    k = shape_keys(c, v)
    k["eos_token_id"] = v.ids["<|im_end|>"]
    del k["head_dim"], k["pad_token_id"]
    return {"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "dtype": "float16", **k,
            "bos_token_id": v.ids["<|endoftext|>"], "layer_types": ["full_attention"] * c["layers"],
            "max_window_layers": c["layers"], "sliding_window": None, "use_sliding_window": False,
            "rope_parameters": {"rope_theta": float(c["theta"]), "rope_type": "default"},
            "transformers_version": V5}


def cfg_qwen3(c, v):  # everything of the text model nested in text_config
    k = shape_keys(c, v)
    k["eos_token_id"] = v.ids["<|im_end|>"]
    return {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "tie_word_embeddings": True,
            "text_config": {"model_type": "qwen3", "dtype": "bfloat16", "attention_bias": False, **k,
                            "max_window_layers": c["layers"], "sliding_window": None, "use_sliding_window": False,
                            "rope_parameters": {"rope_theta": float(c["theta"]), "rope_type": "default"}},
            "transformers_version": V5}


GLM = dict(pad="<|endoftext|>", eos=GLM_EOS)
PREFIX = ["[gMASK]", "<sop>"]
CHATML = dict(pad="<|endoftext|>", eos=["<|im_end|>"])

FAMILIES = {
    # name: (config maker, sizes and switches, specials, tokenizer.json options, file dtype, shards)
    "chatglm": (cfg_chatglm, dict(GLM, embed=0.003, hidden=48, inter=52, layers=2, heads=4, kv=2, head_dim=12, vocab=331, ctx=2048,
                                  eps=1.5625e-07, theta=5000000, bias=True, fused=True), GLM4_SPECIALS, None, "BF16", 1),
    "glm": (cfg_glm, dict(GLM, embed=0.003, hidden=44, inter=52, layers=2, heads=4, kv=2, head_dim=16, vocab=331, ctx=2048,
                          eps=1.5625e-07, theta=5000000, bias=True, fused=True), GLM4_SPECIALS,
            dict(prefix=PREFIX), "BF16", 1),
    "glm-edge": (cfg_edge, dict(GLM, hidden=36, inter=52, layers=2, heads=6, kv=3, head_dim=10, vocab=317, ctx=2048,
                                eps=1e-5, theta=10000, fused=True, tied=True), EDGE_SPECIALS, {}, "F32", 1),
    "glm4": (cfg_glm4, dict(GLM, embed=0.02, hidden=44, inter=76, layers=2, heads=6, kv=2, head_dim=12, vocab=331, ctx=2048,
                            eps=1e-5, theta=10000, bias=True, fused=True, sandwich=True), GLM4_SPECIALS,
             dict(prefix=PREFIX), "BF16", 2),
    "glm4-nobias-yarn": (cfg_glm4_yarn, dict(GLM, embed=0.02, hidden=36, inter=52, layers=2, heads=4, kv=2, head_dim=20, vocab=331,
                                             ctx=256, eps=1e-5, theta=10000, fused=True, sandwich=True),
                         GLM4_SPECIALS, dict(prefix=PREFIX, ignore_merges=True), "BF16", 1),
    "glm4moe-air": (cfg_air, dict(GLM, embed=0.02, hidden=36, inter=52, layers=2, heads=24, kv=2, head_dim=12, vocab=347, ctx=2048,
                                  eps=1e-5, theta=1000000, bias=True, experts=6, topk=3, expert_inter=12,
                                  first_dense=1, scale=1.0, mtp="copies"), GLM45_SPECIALS,
                    dict(ignore_merges=True), "BF16", 1),
    "glm4moe-355b": (cfg_355b, dict(GLM, embed=0.02, hidden=36, inter=52, layers=4, heads=6, kv=2, head_dim=16, vocab=347, ctx=2048,
                                    eps=1e-5, theta=1000000, bias=True, qk_norm=True, experts=8, topk=3, groups=2,
                                    expert_inter=12, first_dense=3, scale=2.5, mtp="own"), GLM45_SPECIALS,
                     dict(ignore_merges=True), "BF16", 3),
    "llama": (cfg_llama, dict(pad="<|end_of_text|>", eos=["<|end_of_text|>", "<|eom_id|>", "<|eot_id|>"], embed=0.02, hidden=44,
                              inter=52, layers=2, heads=4, kv=2, head_dim=16, vocab=317, ctx=512, eps=1e-5,
                              theta=10000), LLAMA3_SPECIALS, dict(prefix=["<|begin_of_text|>"], ignore_merges=True),
              "BF16", 1),
    "llama-tied": (cfg_llama_tied, dict(CHATML, hidden=36, inter=76, layers=2, heads=3, kv=1, head_dim=12, vocab=317,
                                        ctx=2048, eps=1e-5, theta=100000, tied=True), SMOL_SPECIALS,
                   dict(smol=True), "F32", 1),
    "qwen2": (cfg_qwen2, dict(CHATML, embed=0.008, hidden=60, inter=52, layers=2, heads=3, kv=1, head_dim=20, vocab=317, ctx=2048,
                              eps=1e-6, theta=1000000, bias=True), CHATML_SPECIALS,
              dict(regex=QWEN_REGEX, normalizer="NFC"), "F16", 1),
    "qwen3": (cfg_qwen3, dict(CHATML, hidden=44, inter=52, layers=2, heads=4, kv=2, head_dim=16, vocab=317, ctx=2048,
                              eps=1e-6, theta=1000000, qk_norm=True, tied=True), CHATML_SPECIALS,
              dict(regex=QWEN_REGEX, normalizer="NFC"), "BF16", 1),
}
LONG = ("glm", "glm4-nobias-yarn", "llama")
SEEDS = {name: 1000 + i for i, name in enumerate(FAMILIES)}

# Short templates of our own: they hold the marks by which a family is recognised and print its plain chat.
CHAT_GLM4 = """[gMASK]<sop>{% for item in messages %}{% if item['tools'] is defined %}<|system|>
你是一个名为 ChatGLM 的人工智能助手。

# 可用工具{% for tool in item['tools'] %}

## {{ tool['function']['name'] }}

{{ tool['function'] | tojson(indent=4) }}
在调用上述函数时，请使用 Json 格式表示调用的参数。{% endfor %}{% endif %}{% if item['content'] %}<|{{ item['role'] }}|>{{ item['metadata'] }}
{{ item['content'] }}{% endif %}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"""
CHAT_0414 = """[gMASK]<sop>
{%- if tools -%}
<|system|>
# 可用工具
{% for tool in tools %}

## {{ tool.function.name }}

{{ tool.function | tojson(indent=4, ensure_ascii=False) }}
在调用上述函数时，请使用 Json 格式表示调用的参数。
{%- endfor %}
{%- endif -%}
{%- for m in messages %}<|{{ m.role }}|>{{ '\\n' }}{{ m.content }}{% endfor %}
{%- if add_generation_prompt %}<|assistant|>{% endif %}"""
CHAT_EDGE = """{% for item in messages %}{% if item['role'] == 'system' %}<|system|>
{{ item['content'] }}{% elif item['role'] == 'user' %}<|user|>
{{ item['content'] }}{% elif item['role'] == 'assistant' %}<|assistant|>
{{ item['content'] }}{% endif %}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"""
CHAT_45 = """[gMASK]<sop>
{%- for m in messages %}<|{{ m.role }}|>{{ '\\n' }}{{ '<think></think>\\n' if m.role == 'assistant' else '' }}{{ m.content }}
{{- '/nothink' if m.role == 'user' and enable_thinking is defined and not enable_thinking else '' }}{% endfor %}
{%- if add_generation_prompt %}<|assistant|>{{ '\\n<think></think>' if enable_thinking is defined and not enable_thinking else '' }}{% endif %}
{#- reasoning_content; calls look like
<tool_call>{function-name}
<arg_key>{arg-key-1}</arg_key>
<arg_value>{arg-value-1}</arg_value>
</tool_call> -#}"""
CHAT_47 = """[gMASK]<sop>
{%- for m in messages %}<|{{ m.role }}|>{{ '</think>' if m.role == 'assistant' else '' }}{{ m.content }}{% endfor %}
{%- if add_generation_prompt %}<|assistant|>{{ '</think>' if enable_thinking is defined and not enable_thinking else '<think>' }}{% endif %}
{#- reasoning_content, clear_thinking; calls look like
<tool_call>{function-name}<arg_key>{arg-key-1}</arg_key><arg_value>{arg-value-1}</arg_value></tool_call> -#}"""
CHAT_LLAMA3 = """{{ bos_token }}{%- for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>

{{ m.content | trim }}<|eot_id|>{% endfor %}
{%- if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>

{% endif %}"""
CHAT_QWEN = """{%- if messages[0].role != 'system' %}<|im_start|>system
You are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>
{% endif %}{%- for m in messages %}<|im_start|>{{ m.role }}
{{ m.content }}<|im_end|>
{% endfor %}{%- if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""
CHAT_SMOL = CHAT_QWEN.replace("You are Qwen, created by Alibaba Cloud. You are a helpful assistant.",
                              "You are a helpful AI assistant named SmolLM, trained by Hugging Face")
CHAT = {"chatglm": CHAT_GLM4, "glm": CHAT_GLM4, "glm-edge": CHAT_EDGE, "glm4": CHAT_0414,
        "glm4moe-air": CHAT_45, "glm4moe-355b": CHAT_47, "llama": CHAT_LLAMA3, "llama-tied": CHAT_SMOL,
        "qwen2": CHAT_QWEN}
GENERATION = {"chatglm": dict(do_sample=True, temperature=0.8, top_p=0.8, max_length=128000),
              "glm4moe-air": dict(temperature=0.6, top_p=0.95), "glm4moe-355b": dict(temperature=1.0, top_p=0.95, top_k=40),
              "llama": dict(do_sample=True, temperature=0.6, top_p=0.9),
              "qwen2": dict(do_sample=True, temperature=0.7, top_p=0.8, top_k=20, repetition_penalty=1.05)}


def write_tokenizer(folder, name, v, options):
    common = {"clean_up_tokenization_spaces": False, "model_max_length": 128000, "padding_side": "left"}
    if options is None:  # remote code: tokenizer.model, and the template inside tokenizer_config.json
        write_bytes(os.path.join(folder, "tokenizer.model"), v.tiktoken_model().encode())
        write_json(os.path.join(folder, "tokenizer_config.json"), {
            "auto_map": {"AutoTokenizer": ["tokenization_chatglm.ChatGLM4Tokenizer", None]},
            "added_tokens_decoder": v.added_tokens_decoder(),
            "additional_special_tokens": [t for _, t, _ in v.added], "chat_template": CHAT[name], **common,
            "do_lower_case": False, "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>",
            "remove_space": False, "tokenizer_class": "ChatGLM4Tokenizer"}, 1)
        return
    write_bytes(os.path.join(folder, "tokenizer.json"), v.tokenizer_json(**options).encode())
    names = list(v.ids)
    extra = ({"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"} if "<|im_end|>" in names else
             {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"} if "<|eot_id|>" in names else
             {"eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"})
    cfg = {"added_tokens_decoder": v.added_tokens_decoder(),
           "additional_special_tokens": [t for _, t, s in v.added if s], **common, **extra,
           "tokenizer_class": "PreTrainedTokenizerFast"}
    if name in CHAT and name in ("glm4moe-air", "glm4moe-355b", "glm4"):
        write_bytes(os.path.join(folder, "chat_template.jinja"), CHAT[name].encode())
    elif name in CHAT:
        cfg["chat_template"] = CHAT[name]
    write_json(os.path.join(folder, "tokenizer_config.json"), cfg, 1)


def write_folder(name, seed):
    make_config, c, specials, tok_options, dtype, shards = FAMILIES[name]
    v = Vocab(specials, GLM45_N_SPECIAL if specials is GLM45_SPECIALS else None,
              specials_first=specials is SMOL_SPECIALS)
    assert v.n_real < c["vocab"], (name, v.n_real)
    folder = os.path.join(FIXTURES, name)
    os.makedirs(folder, exist_ok=True)
    for f in os.listdir(folder):
        if f != "tokens.jsonl":  # made by make_tokens.py
            os.remove(os.path.join(folder, f))
    config = make_config(c, v)
    write_json(os.path.join(folder, "config.json"), config)
    text = config.get("text_config", config)
    write_json(os.path.join(folder, "generation_config.json"), {
        "_from_model_config": True, "eos_token_id": text["eos_token_id"],
        **({"pad_token_id": text["pad_token_id"]} if "pad_token_id" in text else {}), **GENERATION.get(name, {}),
        "transformers_version": config["transformers_version"]})
    w = weights(seed, c)
    files = to_chatglm(w, c) if name == "chatglm" else w
    write_checkpoint(folder, files, lambda n: "F32" if n.endswith("e_score_correction_bias") else dtype, shards)
    write_tokenizer(folder, name, v, tok_options)
    return folder, c, v, config, w


ROPE_KEYS = ("rope_theta", "partial_rotary_factor", "rope_scaling")


def respelled(config, how):
    """The same configuration as transformers 5 writes it, flat or nested, or as transformers 4 wrote it."""
    c = dict(config.get("text_config", config))
    if how == "transformers4":
        rope = c.pop("rope_parameters")
        c["rope_theta"] = rope["rope_theta"]
        if "partial_rotary_factor" in rope:
            c["partial_rotary_factor"] = rope["partial_rotary_factor"]
        c["torch_dtype"] = c.pop("dtype")
        c["architectures"] = config["architectures"]
        return c
    scaling = dict(c.get("rope_scaling") or {})
    rope = {"rope_type": scaling.pop("rope_type", scaling.pop("type", "default")), "rope_theta": c["rope_theta"], **scaling}
    if "partial_rotary_factor" in c:
        rope["partial_rotary_factor"] = c["partial_rotary_factor"]
    c = {k: x for k, x in c.items() if k not in ROPE_KEYS}
    c["rope_parameters"] = rope
    c["dtype"] = c.pop("torch_dtype")
    if how == "nested":
        top = ("architectures", "model_type", "transformers_version", "tie_word_embeddings")
        return {**{k: c[k] for k in top}, "text_config": {k: x for k, x in c.items() if k not in top or k == "model_type"}}
    return c


RESPELLED = [("glm4", "transformers5"), ("glm4", "nested"), ("glm4-nobias-yarn", "transformers5"), ("glm-edge", "transformers5"),
             ("glm4moe-air", "transformers5"), ("glm4moe-air", "nested"), ("llama", "transformers5"),
             ("glm4moe-355b", "transformers4"), ("qwen3", "transformers4")]


def write_configs():
    """tests/fixtures/configs/<fixture>.<spelling>.json: config.json of a fixture, spelled another way."""
    import transformers
    out = os.path.join(FIXTURES, "configs")
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)

    def meaning(c):
        conf = transformers.AutoConfig.for_model(**c.get("text_config", c)).to_dict()
        conf["rope_parameters"].pop("type", None)
        return {k: conf.get(k) for k in ("rope_parameters", "hidden_size", "head_dim", "rms_norm_eps", "tie_word_embeddings",
                                         "vocab_size", "attention_bias", "num_key_value_heads", "eos_token_id")}

    for name, how in RESPELLED:
        config = json.load(open(os.path.join(FIXTURES, name, "config.json"), encoding="utf-8"))
        other = respelled(config, how)
        assert meaning(config) == meaning(other), (name, how, meaning(config), meaning(other))
        write_json(os.path.join(out, f"{name}.{how}.json"), other)


# ---------------------------------------------------------------- the reference run

def load_model(folder, name, c, config, w, torch_dtype):
    import torch
    import transformers as tf
    kw = dict(attn_implementation="eager")
    if name == "chatglm":
        conf = tf.GlmConfig(vocab_size=c["vocab"], hidden_size=c["hidden"], intermediate_size=c["inter"],
                            num_hidden_layers=c["layers"], num_attention_heads=c["heads"],
                            num_key_value_heads=c["kv"], head_dim=c["head_dim"], rms_norm_eps=c["eps"],
                            max_position_embeddings=c["ctx"], attention_bias=True, tie_word_embeddings=False,
                            pad_token_id=config["pad_token_id"], eos_token_id=config["eos_token_id"],
                            rope_parameters={"rope_type": "default", "rope_theta": float(c["theta"]),
                                             "partial_rotary_factor": 0.5}, **kw)
        model = tf.GlmForCausalLM._from_config(conf, dtype=torch_dtype)
        missing, unexpected = model.load_state_dict({k: torch.from_numpy(x.copy()) for k, x in w.items()}, strict=False)
        assert not missing and not unexpected, (missing, unexpected)
        return model.eval()
    cls = getattr(tf, config["architectures"][0])
    conf = None
    if "text_config" in config:
        conf = tf.AutoConfig.for_model(**config["text_config"])
        conf.architectures = config["architectures"]
    if config["model_type"] == "glm4_moe":
        kw["experts_implementation"] = "eager"
    model, info = cls.from_pretrained(folder, config=conf, dtype=torch_dtype, output_loading_info=True, **kw)
    assert not info["missing_keys"] and not info["mismatched_keys"], info
    mtp = f"model.layers.{c['layers']}."
    assert all(k.startswith(mtp) for k in info["unexpected_keys"]), info["unexpected_keys"]
    return model.eval()


def check_loaded(model, c, w):
    """The model must hold our numbers and turn the dims we think it turns."""
    import torch
    sd = model.state_dict()
    for k in ("model.embed_tokens.weight", "model.layers.0.self_attn.q_proj.weight", "model.norm.weight"):
        assert torch.equal(sd[k].float(), torch.from_numpy(w[k])), k
    n_rot = len(model.model.rotary_emb.inv_freq) * 2
    return n_rot


def logits_of(model, ids, steps):
    """Rows of a prefill of ids, then one row per cached step."""
    import torch
    with torch.no_grad():
        out = model(input_ids=torch.tensor([ids]), use_cache=True)
        pre, past, rows = out.logits[0].float().numpy(), out.past_key_values, []
        for s in steps:
            out = model(input_ids=torch.tensor([[s]]), past_key_values=past, use_cache=True)
            past = out.past_key_values
            rows.append(out.logits[0, 0].float().numpy())
    return pre, (np.stack(rows) if steps else None)


def router_watch(model, c):
    """Records, per MoE layer and row, the chosen set and the gap between the last chosen and first not chosen."""
    seen = []

    def hook(module, args, out):
        import torch
        scores = out[0].float().sigmoid()
        choice = scores + module.e_score_correction_bias.float()
        n, g = module.num_experts, module.num_group
        top2 = choice.view(-1, g, n // g).topk(2, dim=-1)[0].sum(-1)
        keep = torch.zeros_like(top2).scatter_(1, top2.topk(module.topk_group, dim=-1)[1], 1)
        mask = keep.unsqueeze(-1).expand(-1, g, n // g).reshape(-1, n).bool()
        for fill in (0.0, float("-inf")):  # transformers 4 and 5 differ here: our rows must not
            s = choice.masked_fill(~mask, fill).sort(dim=-1, descending=True)
            k = module.top_k
            gap = (s[0][:, k - 1] - s[0][:, k]).clamp(max=9.0)
            if g > 1:
                t = top2.sort(dim=-1, descending=True)[0]
                gap = torch.minimum(gap, t[:, 0] - t[:, 1])
            chosen = [sorted(r) for r in s[1][:, :k].tolist()]
            assert chosen == [sorted(r) for r in out[2].tolist()]
        plain = scores.topk(module.top_k, dim=-1)[1].tolist()
        changed = sum(sorted(a) != b for a, b in zip(plain, chosen))
        seen.append((chosen, float(gap.min()), changed, len(chosen)))

    for m in model.modules():
        if type(m).__name__.endswith("TopkRouter"):
            m.register_forward_hook(hook)
    return seen


def reference(name, seed, folder, c, v, config, w):
    import torch
    rng = rng_for(seed, "prompt")
    if name in ("llama", "llama-tied", "qwen2", "qwen3"):
        lead = [v.added[0][0]]
    else:
        lead = [v.ids["[gMASK]"], v.ids["<sop>"], v.ids["<|user|>"]]
    body = rng.integers(0, v.n_real, N_PROMPT - len(lead) + N_STEPS).tolist()
    prompt, steps = lead + body[:N_PROMPT - len(lead)], body[N_PROMPT - len(lead):]
    long_ids = lead + rng.integers(0, v.n_real, N_LONG - len(lead)).tolist() if name in LONG else None
    arrays, diff, routes = {}, {}, {}
    for kind, dt in (("f32", torch.float32), ("bf16", torch.bfloat16)):
        model = load_model(folder, name, c, config, w, dt)
        n_rot = check_loaded(model, c, w)
        seen = router_watch(model, c)
        arrays[kind + "_prefill"], arrays[kind + "_steps"] = logits_of(model, prompt, steps)
        if seen:
            routes[kind] = ([x for s in seen for x in s[0]], min(s[1] for s in seen),
                            sum(s[2] for s in seen), sum(s[3] for s in seen))
        whole, _ = logits_of(model, prompt + steps, [])
        diff[kind] = float(np.abs(whole[N_PROMPT:] - arrays[kind + "_steps"]).max())
        if long_ids:
            arrays[kind + "_long"] = logits_of(model, long_ids, [])[0][-N_LONG_KEPT:]
    if routes and (routes["f32"][0] != routes["bf16"][0] or min(routes["f32"][1], routes["bf16"][1]) < 0.008):
        return None  # a near tie in the router: another seed
    blob, table = b"", {}
    for k in sorted(arrays):
        a = np.ascontiguousarray(arrays[k], dtype="<f4")
        assert np.isfinite(a).all()
        table[k] = {"offset": len(blob), "shape": list(a.shape)}
        blob += a.tobytes()
    write_bytes(os.path.join(folder, "oracle.bin"), blob)
    pair = lambda a, b: {"max_abs": float(np.abs(a - b).max()), "mean_abs": float(np.abs(a - b).mean())}
    f32 = np.concatenate([arrays["f32_prefill"], arrays["f32_steps"]])
    bf16 = np.concatenate([arrays["bf16_prefill"], arrays["bf16_steps"]])
    info = {"fixture": name, "model_type": config["model_type"], "seed": seed, "n_vocab": c["vocab"],
            "n_vocab_real": v.n_real, "n_rot": n_rot, "logits_std": float(f32.std()), "prompt_ids": prompt,
            "step_ids": steps, "arrays": table, "prefill_vs_cached_max_abs": diff["f32"],
            "prefill_vs_cached_max_abs_bf16": diff["bf16"], "bf16_vs_f32": pair(bf16, f32),
            "bf16_top1_agree": int((bf16.argmax(1) == f32.argmax(1)).sum()), "rows": len(f32)}
    if routes:
        info["router"] = {"min_gap": min(routes["f32"][1], routes["bf16"][1]), "rows": routes["f32"][3],
                          "rows_changed_by_bias": routes["f32"][2]}
    if long_ids:
        info["long"] = {"ids": long_ids, "first_position": N_LONG - N_LONG_KEPT,
                        "bf16_vs_f32": pair(arrays["bf16_long"], arrays["f32_long"])}
    import transformers
    info["made_with"] = {"transformers": transformers.__version__, "torch": torch.__version__.split("+")[0]}
    text = json.dumps(info, indent=1, ensure_ascii=False)
    text = __import__("re").sub(r"\[\s+([-\d,\s]+?)\s+\]", lambda m: "[" + " ".join(m.group(1).split()) + "]", text)
    write_bytes(os.path.join(folder, "oracle.json"), (text + "\n").encode())
    return info


def main():
    import torch
    import transformers
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)
    for name in sys.argv[1:] or FAMILIES:
        for attempt in range(200):
            seed = SEEDS[name] + 100 * attempt
            made = write_folder(name, seed)
            info = reference(name, seed, *made)
            if info:
                break
        size = sum(os.path.getsize(os.path.join(made[0], f)) for f in os.listdir(made[0]))
        print(f"{name:18s} seed {seed} std {info['logits_std']:.2f} bf16 max {info['bf16_vs_f32']['max_abs']:.3f} mean "
              f"{info['bf16_vs_f32']['mean_abs']:.4f} cached {info['prefill_vs_cached_max_abs']:.1e} n_rot "
              f"{info['n_rot']} top1 {info['bf16_top1_agree']}/{info['rows']} {info.get('router', '')} {size} bytes",
              flush=True)


    write_configs()


if __name__ == "__main__":
    main()
