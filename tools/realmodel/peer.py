"""peer.py - the two programs side by side: llama.cpp through llama-cpp-python, and build/glim by its commands."""

import hashlib
import json
import os
import subprocess
import sys

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
GLIM = os.environ.get("GLIM", os.path.join(ROOT, "build", "glim"))
DATA = os.environ.get("GLIM_DATA", os.path.join(ROOT, "..", "shared", "data"))
CACHE = os.path.join(
    os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "glim", "realmodel"
)
# On a busy machine OpenMP's spinning barriers cost more than the work; nothing here measures speed.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
TOP = 64  # how many of the highest logits of a step are kept


def threads():
    return len(os.sched_getaffinity(0))


def f32_twin(path):
    """The same weights as F32, written by llama.cpp's own dequantization (540 MB in the cache)."""
    import llama_cpp

    twin = os.path.join(CACHE, os.path.basename(path).replace(".gguf", ".as-f32.gguf"))
    if not os.path.exists(twin):
        from llama_cpp._logger import set_verbose

        set_verbose(False)
        params = llama_cpp.llama_model_quantize_default_params()
        params.ftype = llama_cpp.LLAMA_FTYPE_ALL_F32
        params.allow_requantize = True
        params.nthread = threads()
        if llama_cpp.llama_model_quantize(path.encode(), (twin + ".tmp").encode(), params) != 0:
            sys.exit("realmodel: llama.cpp could not write the F32 twin")
        os.replace(twin + ".tmp", twin)
    return twin


class Peer:
    """llama.cpp on one file: by default its KV cache is F16; no flash attention."""

    def __init__(self, path, n_ctx, f32_kv=False):
        from llama_cpp import Llama

        kv = {"type_k": 0, "type_v": 0} if f32_kv else {}  # 0 is GGML_TYPE_F32
        self.llm = Llama(
            model_path=path, n_ctx=n_ctx, n_batch=512, n_ubatch=512, n_threads=threads(),
            n_threads_batch=threads(), logits_all=True, verbose=False, **kv,
        )

    def tokenize(self, text, special=False):
        return self.llm.tokenize(text.encode(), add_bos=True, special=special)

    def render(self, user):
        """The checkpoint's own chat template, by the reference implementation of Jinja."""
        import jinja2

        env = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
        template = env.from_string(self.llm.metadata["tokenizer.chat_template"])
        return template.render(messages=[{"role": "user", "content": user}], add_generation_prompt=True)

    def is_end(self, token):
        import llama_cpp

        return bool(llama_cpp.llama_vocab_is_eog(self.llm._model.vocab, token))

    def logits(self, ids):
        """[len(ids), n_vocab] from an empty context."""
        self.llm.reset()
        self.llm.eval(ids)
        return np.array(self.llm.scores[: len(ids)], dtype=np.float32)

    def greedy(self, ids, n):
        """(ids, steps): up to n tokens, the ending token included; a step keeps the TOP highest (id, logit)."""
        self.llm.reset()
        self.llm.eval(ids)
        out, steps = [], []
        for _ in range(n):
            row = self.llm.scores[self.llm.n_tokens - 1]
            best = np.argsort(-row, kind="stable")[:TOP]
            steps.append([(int(i), float(row[i])) for i in best])
            out.append(int(best[0]))
            if self.is_end(out[-1]):
                break
            self.llm.eval([out[-1]])
        return out, steps


def glim(*words, text=None):
    done = subprocess.run([GLIM, *words], capture_output=True, input=text, encoding="utf-8", check=False)
    if done.returncode != 0:
        sys.exit(f"realmodel: {GLIM} {' '.join(words)[:120]}: status {done.returncode}: {done.stderr.strip()[-400:]}")
    return done.stdout


def glim_logits(model, ids, *words):
    """[len(ids), n_vocab]"""
    rows = glim("logits", model, "--ids", ",".join(map(str, ids)), "--jsonl", *words).splitlines()
    return np.array([json.loads(r) for r in rows], dtype=np.float32)


def glim_last_logits(model, ids, *words):
    rows = glim("logits", model, "--ids", ",".join(map(str, ids)), "--jsonl", *words).splitlines()
    return np.array(json.loads(rows[-1]), dtype=np.float32)


def remembered(name, depends, make):
    """make(), or what it gave before for the same model, package version and inputs."""
    import importlib.metadata

    key = json.dumps([depends, importlib.metadata.version("llama-cpp-python"), TOP], sort_keys=True)
    path = os.path.join(CACHE, f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.json")
    if os.path.exists(path):
        with open(path, encoding="utf-8") as f:
            return json.load(f)
    value = make()
    with open(path + ".tmp", "w", encoding="utf-8") as f:
        json.dump(value, f)
    os.replace(path + ".tmp", path)
    return value


def digest(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()
