"""scripted.py - makes a model that says what a test wants it to say.

A Llama of one layer whose attention and MLP give zero: the logits after a token depend on that token alone. Each token of
a script has a slot of the hidden state to itself (its embedding is one there), and the head lifts its successor from that
slot. Where a token has several successors (the end of the prompt, a tag that many scripts use) all are lifted a little,
and the request's logit_bias decides: bias(name) lifts the one the script means, less than a sure successor is lifted.

So real tokens go through the real sampler, text decoder, reply parser and stream, and the test knows the answer. Pieces
of text become added tokens with that text; single bytes are the byte tokens of the vocabulary."""
import array
import json
import os
import struct

SURE, OPEN, BIAS = 60.0, 20.0, 30
START, WIDTH = 0, 128  # the slot of every token that is in no script; slots there are


class Scripted:
    def __init__(self, folder, fixtures, scripts):
        """scripts: name -> list of pieces: str (a token of its own), int (a byte), or "<think>" and the like, which the
        vocabulary already holds. A script ends the reply after its last piece, unless that is Ellipsis: then it goes
        round."""
        os.makedirs(folder)
        with open(os.path.join(fixtures, "glm4moe-air", "tokenizer.json")) as f:
            tok = json.load(f)
        have = {t["content"]: t["id"] for t in tok["added_tokens"]}
        self.end = have["<|endoftext|>"]
        byte_ids = {c: i for c, i in tok["model"]["vocab"].items() if len(c) == 1}
        n = max(max(have.values()), max(tok["model"]["vocab"].values())) + 1
        self.next = {}  # token -> set of successors
        self.paths, self.slots = {}, {}
        for name, pieces in scripts.items():
            ids = []
            for p in pieces:
                if p is Ellipsis:
                    continue
                if isinstance(p, int):
                    ids.append(byte_ids[_byte_char(p)])
                    continue
                if p not in have:
                    have[p] = n
                    tok["added_tokens"].append({"id": n, "content": p, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False})
                    n += 1
                ids.append(have[p])
            self.paths[name] = ids
            follow = ids + [ids[0] if pieces[-1] is Ellipsis else self.end]
            for a, b in zip([None] + ids, follow):
                self.next.setdefault(a, set()).add(b)
            for a in ids:
                if sum(x == a for x in ids) > 1:
                    raise ValueError("script %s comes to token %r twice: it needs two successors" % (name, a))
        for a in self.next:
            if a is not None:
                self.slots[a] = 1 + len(self.slots)
        if len(self.slots) >= WIDTH:
            raise ValueError("%d slots, want at most %d" % (len(self.slots), WIDTH - 1))
        self._write(folder, fixtures, tok, (n + 31) // 32 * 32)

    def bias(self, name):
        """The logit_bias that makes the model take this script."""
        ids = self.paths[name]
        out = {}
        for a, b in zip([None] + ids, ids + [self.end]):
            if len(self.next[a]) > 1 and b in self.next[a]:
                out[str(b)] = BIAS
        return out

    def _write(self, folder, fixtures, tok, n_vocab):
        d = WIDTH

        def matrix(rows, cols):
            return array.array("f", bytes(4 * rows * cols))

        embed, head = matrix(n_vocab, d), matrix(n_vocab, d)
        for t in range(n_vocab):
            embed[t * d + self.slots.get(t, START)] = 1.0
        for a, successors in self.next.items():
            for b in successors:  # the final norm makes the one at the slot sqrt(d)
                head[b * d + (self.slots[a] if a is not None else START)] = (SURE if len(successors) == 1 else OPEN) / d ** 0.5
        ones = array.array("f", [1.0] * d)
        tensors = {"model.embed_tokens.weight": (embed, (n_vocab, d)), "lm_head.weight": (head, (n_vocab, d)), "model.norm.weight": (ones, (d,))}
        at = "model.layers.0."
        for name, rows, cols in (("self_attn.q_proj", d, d), ("self_attn.k_proj", d // 2, d), ("self_attn.v_proj", d // 2, d), ("self_attn.o_proj", d, d),
                                 ("mlp.gate_proj", 64, d), ("mlp.up_proj", 64, d), ("mlp.down_proj", d, 64)):
            tensors[at + name + ".weight"] = (matrix(rows, cols), (rows, cols))
        tensors[at + "input_layernorm.weight"] = tensors[at + "post_attention_layernorm.weight"] = (ones, (d,))
        header, offset = {}, 0
        for name, (values, shape) in tensors.items():
            header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [offset, offset + 4 * len(values)]}
            offset += 4 * len(values)
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        with open(os.path.join(folder, "model.safetensors"), "wb") as f:
            f.write(struct.pack("<Q", len(text)) + text)
            for values, _ in tensors.values():
                values.tofile(f)
        self._put(folder, "tokenizer.json", tok)
        for name in ("tokenizer_config.json", "chat_template.jinja"):
            with open(os.path.join(fixtures, "glm4moe-air", name)) as f:
                text = f.read()
            with open(os.path.join(folder, name), "w") as f:
                f.write(text)
        stops = [self.end]
        self._put(folder, "config.json", {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": n_vocab, "hidden_size": d, "intermediate_size": 64,
                                          "num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32, "hidden_act": "silu", "rms_norm_eps": 1e-6,
                                          "max_position_embeddings": 4096, "tie_word_embeddings": False, "rope_theta": 10000.0, "attention_bias": False, "mlp_bias": False,
                                          "eos_token_id": stops, "pad_token_id": self.end, "torch_dtype": "float32"})
        self._put(folder, "generation_config.json", {"eos_token_id": stops, "pad_token_id": self.end})

    @staticmethod
    def _put(folder, name, value):
        with open(os.path.join(folder, name), "w") as f:
            json.dump(value, f)


def _byte_char(b):
    """How byte-level vocabularies spell a byte (GPT-2): printable ones as themselves, the others from U+0100 on."""
    plain = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    return chr(b) if b in plain else chr(256 + [x for x in range(256) if x not in plain].index(b))
