"""Shared parts of the oracle scripts: seeded weights, safetensors files, tiny tokenizers.

Everything here is deterministic: a tensor's values depend only on (fixture seed, tensor name), a file's
bytes only on its contents. Nothing reads the clock, the machine or the network.
"""
import base64
import json
import os
import struct
import zlib

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.normpath(os.path.join(HERE, "..", ".."))
FIXTURES = os.path.join(ROOT, "tests", "fixtures")
TEMPLATES = os.path.join(ROOT, "tests", "templates")
DATA = os.environ.get("GLIM_DATA", os.path.join(ROOT, "..", "shared", "data"))

GLM_REGEX = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
             r"|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN_REGEX = GLM_REGEX.replace(r"\p{N}{1,3}", r"\p{N}")


# ---------------------------------------------------------------- numbers

def bf16_round(x):
    """float32 -> nearest bf16 (ties to even), still as float32."""
    u = np.ascontiguousarray(x, dtype=np.float32).view(np.uint32).astype(np.uint64)
    u = (u + 0x7FFF + ((u >> 16) & 1)) & 0xFFFF0000
    return u.astype(np.uint32).view(np.float32)


def bf16_bits(x):
    return (np.ascontiguousarray(x, dtype=np.float32).view(np.uint32) >> 16).astype("<u2")


def rng_for(seed, name):
    return np.random.Generator(np.random.PCG64([seed, zlib.crc32(name.encode())]))


def normal(seed, name, shape, std, mean=0.0):
    """bf16-representable normal values whose tiny ones are 0, so that F16 holds them exactly as well."""
    x = bf16_round(rng_for(seed, name).standard_normal(shape) * std + mean)
    x[np.abs(x) < 2.0 ** -14] = 0.0
    return x


# ---------------------------------------------------------------- files

def write_json(path, obj, indent=2):
    with open(path, "w", encoding="utf-8", newline="\n") as f:
        json.dump(obj, f, ensure_ascii=False, indent=indent)
        f.write("\n")


def write_bytes(path, data):
    with open(path, "wb") as f:
        f.write(data)


def tensor_bytes(x, dtype):
    if dtype == "F32":
        return np.ascontiguousarray(x, dtype="<f4").tobytes()
    if dtype == "F16":
        y = np.ascontiguousarray(x, dtype="<f2")
        assert np.array_equal(y.astype(np.float32), x)
        return y.tobytes()
    if dtype == "BF16":
        assert np.array_equal(bf16_round(x), x)
        return bf16_bits(x).tobytes()
    raise ValueError(dtype)


def write_safetensors(path, tensors, dtype_of):
    """tensors: {name: float32 array}; dtype_of(name) -> 'F32' | 'F16' | 'BF16'. Order of the dict is the file's."""
    header, blobs, at = {"__metadata__": {"format": "pt"}}, [], 0
    for name, x in tensors.items():
        b = tensor_bytes(x, dtype_of(name))
        header[name] = {"dtype": dtype_of(name), "shape": list(x.shape), "data_offsets": [at, at + len(b)]}
        blobs.append(b)
        at += len(b)
    h = json.dumps(header, separators=(",", ":")).encode()
    h += b" " * (-len(h) % 8)
    write_bytes(path, struct.pack("<Q", len(h)) + h + b"".join(blobs))
    return at


def write_checkpoint(folder, tensors, dtype_of, n_shards=1):
    if n_shards == 1:
        write_safetensors(os.path.join(folder, "model.safetensors"), tensors, dtype_of)
        return
    names = list(tensors)
    per = -(-len(names) // n_shards)
    weight_map, total = {}, 0
    for s in range(n_shards):
        part = names[s * per:(s + 1) * per]
        file = f"model-{s + 1:05d}-of-{n_shards:05d}.safetensors"
        total += write_safetensors(os.path.join(folder, file), {n: tensors[n] for n in part}, dtype_of)
        weight_map.update({n: file for n in part})
    write_json(os.path.join(folder, "model.safetensors.index.json"),
               {"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))})


# ---------------------------------------------------------------- tokenizers

def byte_alphabet():
    """GPT-2's byte <-> character map, in its vocabulary order ('!' first)."""
    keep = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    table, extra = {}, 0
    for b in keep:
        table[b] = chr(b)
    for b in range(256):
        if b not in table:
            table[b] = chr(256 + extra)
            extra += 1
    return table


BYTE_TO_CHAR = byte_alphabet()
BYTE_ORDER = [b for b, _ in sorted(BYTE_TO_CHAR.items(), key=lambda kv: ord(kv[1]))]


def gpt2_text(data):
    return "".join(BYTE_TO_CHAR[b] for b in data)


# Merges in rank order, each as (left, right). Rank decides: "ab" beats "bc", so "abc" (made by "a"+"bc")
# is reached only when a whole pre-token is looked up first (ignore_merges).
MERGES = [(l.encode() if isinstance(l, str) else l, r.encode() if isinstance(r, str) else r) for l, r in [
    # These six cross a boundary of the split regex: they apply only where a pre-token is cut wrongly
    # (three digits, letter before space, U+180E not a space, U+0085 a space, 's and its long-s fold).
    ("3", "4"), ("e", " "), (b"\x8e", b"\xe1"), (b"\x85", b"\xc2"), ("s", "x"), (b"\xbf", "x"),
    (" ", "t"), ("h", "e"), (" t", "he"), ("i", "n"), ("e", "r"), ("o", "n"), (" ", "a"), ("r", "e"),
    ("l", "l"), ("he", "ll"), ("hell", "o"), (" ", "w"), ("o", "r"), (" w", "or"), ("l", "d"), ("a", "b"),
    ("b", "c"), ("a", "bc"), ("in", "g"), ("'", "s"), (" ", " "), ("  ", "  "), ("\n", "\n"), ("1", "2"),
    ("12", "3"), ("=", "="), (")", ";"), ("{", "\n"),
    (b"\xe4", b"\xbd"), (b"\xe4\xbd", b"\xa0"), (b"\xe5", b"\xa5"), (b"\xe5\xa5", b"\xbd"), ("你", "好"),
    (b"\xef", b"\xbc"), (b"\xef\xbc", b"\x8c"), (b"\xe7", b"\x9a"), (b"\xe7\x9a", b"\x84"), (b"\xe6", b"\x98"),
    (b"\xe6\x98", b"\xaf"), (b"\xf0", b"\x9f"), (b"\xf0\x9f", b"\x91"),
]]
# In the vocabulary without any merge that makes them: only a whole-pre-token lookup can give these.
UNREACHABLE = [b"qzx", "数据".encode(), b" lazy"]

GLM4_SPECIALS = ["<|endoftext|>", "[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>", "<|system|>", "<|user|>",
                 "<|assistant|>", "<|observation|>", "<|begin_of_image|>", "<|end_of_image|>",
                 "<|begin_of_video|>", "<|end_of_video|>"]
GLM45_SPECIALS = GLM4_SPECIALS + [
    "<|begin_of_audio|>", "<|end_of_audio|>", "<|begin_of_transcription|>", "<|end_of_transcription|>",
    "<|code_prefix|>", "<|code_middle|>", "<|code_suffix|>", "<think>", "</think>", "<tool_call>", "</tool_call>",
    "<tool_response>", "</tool_response>", "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>", "/nothink",
    "<|begin_of_box|>", "<|end_of_box|>", "<|image|>", "<|video|>"]
GLM45_N_SPECIAL = 18  # the first 18 are special=true, the rest false (spec 6.3)
EDGE_SPECIALS = ["<|endoftext|>", "[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>", "<|system|>", "<|user|>",
                 "<|assistant|>", "<|observation|>"]
CHATML_SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
LLAMA3_SPECIALS = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>",
                   "<|eot_id|>", "<|python_tag|>"]
SMOL_SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<repo_name>", "<file_sep>"]


class Vocab:
    """Base tokens (bytes), merges, added tokens [(id, text, special)]."""

    def __init__(self, specials, n_special=None, specials_first=False):
        self.merges = MERGES
        base = [bytes([b]) for b in BYTE_ORDER] + [l + r for l, r in MERGES] + UNREACHABLE
        assert len(set(base)) == len(base)
        for l, r in MERGES:
            assert l in base and r in base, (l, r)
        off = len(specials) if specials_first else 0
        self.base = {t: i + off for i, t in enumerate(base)}
        first = 0 if specials_first else len(base)
        n_special = len(specials) if n_special is None else n_special
        self.added = [(first + i, t, i < n_special) for i, t in enumerate(specials)]
        self.ids = {t: i for i, t, _ in self.added}
        self.n_real = len(base) + len(specials)

    def tokenizer_json(self, regex=GLM_REGEX, ignore_merges=False, prefix=None, normalizer=None, smol=False):
        """The text of tokenizer.json as the tokenizers library writes it."""
        from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
        vocab = {gpt2_text(t): i for t, i in self.base.items()}
        for i, t, _ in self.added:  # published GLM files keep added tokens out of model.vocab
            assert t not in vocab
        merges = [(gpt2_text(l), gpt2_text(r)) for l, r in self.merges]
        if self.added[0][0] == 0:  # specials first (SmolLM style): they sit in model.vocab as well
            vocab = {**{t: i for i, t, _ in self.added}, **vocab}
        tok = Tokenizer(models.BPE(vocab=vocab, merges=merges, ignore_merges=ignore_merges))
        if normalizer == "NFC":
            tok.normalizer = normalizers.NFC()
        if smol:
            tok.pre_tokenizer = pre_tokenizers.Sequence([
                pre_tokenizers.Digits(individual_digits=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
        else:
            tok.pre_tokenizer = pre_tokenizers.Sequence([
                pre_tokenizers.Split(Regex(regex), behavior="isolated", invert=False),
                pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True, use_regex=False)])
        tok.decoder = decoders.ByteLevel(add_prefix_space=True, trim_offsets=True, use_regex=True)
        for i, t, special in self.added:
            one = AddedToken(t, normalized=False, special=special)
            tok.add_special_tokens([one]) if special else tok.add_tokens([one])
            assert tok.token_to_id(t) == i, (t, i, tok.token_to_id(t))
        if prefix:
            tok.post_processor = processors.TemplateProcessing(
                single=" ".join(prefix) + " $A", pair=" ".join(prefix) + " $A $B:1",
                special_tokens=[(t, self.ids[t]) for t in prefix])
        else:
            tok.post_processor = processors.ByteLevel(add_prefix_space=True, trim_offsets=False, use_regex=True)
        return tok.to_str(pretty=False)

    def tiktoken_model(self):
        return "".join(f"{base64.b64encode(t).decode()} {i}\n" for t, i in self.base.items())

    def added_tokens_decoder(self):
        return {str(i): {"content": t, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False,
                         "special": s} for i, t, s in self.added}
