"""compare_files.py - files of one program read by the other, every type that `glim quantize` writes.

The inner model (widths multiples of 256, so every type takes its rows) is written by Glim and by llama.cpp's quantizer; each of these files is
turned into f32 by both, and all values must be equal to the bit. Then both run the file on the same text: perplexities by the rules of
README.md. Weights as f32 must agree within 0.1 %; as stored they must within LIMIT, because each program rounds activations in its own way
(llama.cpp by one scale for 256 values under a K type, Glim by one for 32).
"""

import json
import os
import subprocess
import sys
import tempfile

import numpy as np

import peer

FTYPE = {"q4_0": "Q4_0", "q4_1": "Q4_1", "q5_0": "Q5_0", "q5_1": "Q5_1", "q8_0": "Q8_0", "iq4_nl": "IQ4_NL", "iq4_xs": "IQ4_XS", "q2_k": "Q2_K",
         "q3_k_s": "Q3_K_S", "q4_k_m": "Q4_K_M", "q5_k_m": "Q5_K_M", "q6_k": "Q6_K", "f16": "F16", "bf16": "BF16"}
LIMIT = 0.005
CTX, CHUNKS = 256, 16


def quiet(*words):
    return subprocess.run([peer.GLIM, *words], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout


def theirs(src, dst, kind):
    import llama_cpp

    p = llama_cpp.llama_model_quantize_default_params()
    p.ftype = llama_cpp.LLAMA_FTYPE_ALL_F32 if kind == "f32" else getattr(llama_cpp, "LLAMA_FTYPE_MOSTLY_" + FTYPE[kind])
    p.allow_requantize = True
    if llama_cpp.llama_model_quantize(src.encode(), dst.encode(), p) != 0:
        sys.exit(f"files: llama.cpp could not read {os.path.basename(src)}")


def values(path):
    from gguf import GGUFReader

    return {t.name: np.array(t.data).tobytes() for t in GGUFReader(path).tensors}


def perplexity(path, text):
    """llama.cpp's, of the same windows."""
    import compare_ppl

    p = peer.Peer(path, CTX, f32_kv=True)
    tokens = p.tokenize(text)
    add_bos = p.llm.metadata.get("tokenizer.ggml.add_bos_token", "false") == "true"
    nll = []
    for c in range(min(CHUNKS, len(tokens) // CTX)):
        chunk = tokens[c * CTX:(c + 1) * CTX]
        rows = p.logits([p.llm.token_bos()] + chunk[1:] if add_bos else chunk)
        nll += compare_ppl.nll_rows(rows[CTX // 2:CTX - 1], chunk[CTX // 2 + 1:]).tolist()
    return float(np.exp(np.mean(nll)))


def main():
    from llama_cpp._logger import set_verbose

    set_verbose(False)
    failed = 0
    with tempfile.TemporaryDirectory() as d:
        src = d + "/src.gguf"
        quiet("quantize", os.path.join(peer.ROOT, "models", "glim-nano.gguf"), src, "--type", "f32")
        # Words that the model knows in both languages, in no order that it knows: figures only have to be the same.
        text = d + "/text"
        with open(text, "w", encoding="utf-8") as f:
            for name in ("electronics", "restaurant", "hotel"):
                with open(os.path.join(peer.ROOT, "templates", name, "eval.jsonl"), encoding="utf-8") as rows:
                    f.write("".join(r["q"] + "\n" for r in map(json.loads, rows)))
        with open(text, encoding="utf-8") as f:
            sample = f.read().rstrip("\n")
        for kind in FTYPE:
            for who in ("glim", "llama.cpp"):
                made, ours, other = d + "/made.gguf", d + "/ours.gguf", d + "/other.gguf"
                if who == "glim":
                    quiet("quantize", src, made, "--type", kind, "--force")
                else:
                    theirs(src, made, kind)
                quiet("quantize", made, ours, "--type", "f32", "--force")
                theirs(made, other, "f32")
                a, b = values(ours), values(other)
                differ = [n for n in b if a.get(n) != b[n]]
                ppl = []
                for path, flags in ((made, []), (ours, [])):
                    out = json.loads(quiet("perplexity", path, text, "--ctx", str(CTX), "--chunks", str(CHUNKS), "--kv", "f32", "--json", *flags))
                    ppl.append((out["ppl"], perplexity(path, sample)))
                off = [x / y - 1 for x, y in ppl]
                good = not differ and len(b) == len(a) and abs(off[0]) <= LIMIT and abs(off[1]) <= 0.001
                failed += not good
                print(f"files: {kind:7} by {who:9} {len(b)} tensors, {'equal to the bit' if not differ else 'DIFFER: ' + ', '.join(differ[:3])}; perplexity as stored "
                      f"{ppl[0][0]:.3f} and {ppl[0][1]:.3f} ({100 * off[0]:+.3f} %), as f32 {ppl[1][0]:.3f} and {ppl[1][1]:.3f} ({100 * off[1]:+.4f} %){'' if good else ': FAILED'}", flush=True)
    print(f"files: {2 * len(FTYPE) - failed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
