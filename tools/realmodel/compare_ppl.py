"""compare_ppl.py MODEL.gguf - perplexity of the first 100k tokens of WikiText-2, Glim beside llama.cpp.

llama.cpp's figure is computed here by the rules its own perplexity tool follows (README.md), on its own logits.
The two must lie within 0.5 %. --reference stops after llama.cpp's part.
"""

import gzip
import hashlib
import json
import os
import sys
import time

import numpy as np

import peer

CTX = 512
CHUNKS = 196  # 196 * 512 = 100,352 tokens
LIMIT = 0.005


def text():
    base = os.path.join(peer.DATA, "text-wikitext2", "valid.txt")
    if os.path.exists(base):
        with open(base, "rb") as f:
            return f.read()
    if os.path.exists(base + ".gz"):
        with gzip.open(base + ".gz") as f:
            return f.read()
    return None


def nll_rows(logits, targets):
    """-log_softmax(logits[i])[targets[i]]: float exponentials, summed in double, as llama.cpp does."""
    top = logits.max(axis=1)
    total = np.exp(logits - top[:, None]).sum(axis=1, dtype=np.float64)
    return -(logits[np.arange(len(targets)), targets].astype(np.float64) - top - np.log(total))


def reference(path, sample):
    def make():
        p = peer.Peer(path, CTX)
        tokens = p.tokenize(sample.decode())
        n_chunk = len(tokens) // CTX
        add_bos = p.llm.metadata.get("tokenizer.ggml.add_bos_token", "false") == "true"
        first, nll, start = CTX // 2, [], time.time()
        for c in range(n_chunk):
            chunk = tokens[c * CTX : (c + 1) * CTX]
            fed = [p.llm.token_bos()] + chunk[1:] if add_bos else chunk
            rows = p.logits(fed)
            nll += nll_rows(rows[first : CTX - 1], chunk[first + 1 :]).tolist()
            if c % 20 == 19:
                print(f"  llama.cpp: chunk {c + 1} of {n_chunk}, perplexity {np.exp(np.mean(nll)):.4f}", flush=True)
        mean = float(np.mean(nll))
        return {"ppl": float(np.exp(mean)), "nll": mean, "n_tokens": len(tokens), "n_chunk": n_chunk,
                "n_scored": len(nll), "chunks": [sum(nll[i : i + CTX - 1 - first]) for i in range(0, len(nll), CTX - 1 - first)],
                "spread": float(np.exp(mean) * np.std(nll) / np.sqrt(len(nll) - 1)), "seconds": time.time() - start}

    return peer.remembered("ppl", [peer.digest(path), hashlib.sha256(sample).hexdigest(), CTX], make)


def first_tokens(vocab, whole):
    """The shortest whole lines of the text that give CHUNKS full windows, without a last newline."""
    lines, kept, n = whole.split(b"\n"), [], 0
    for line in lines:
        kept.append(line)
        n += len(vocab.tokenize(line + b"\n", add_bos=False, special=False))
        if n > CHUNKS * CTX + CTX // 4:  # joined lines may merge into slightly fewer tokens
            break
    return b"\n".join(kept).rstrip(b"\n")


def main():
    path = sys.argv[1]
    whole = text()
    if whole is None:
        print(f"ppl: skipped: there is no text-wikitext2/valid.txt in {peer.DATA} (set GLIM_DATA)")
        return 0
    from llama_cpp import Llama

    vocab = Llama(model_path=path, vocab_only=True, verbose=False)
    sample = first_tokens(vocab, whole)
    name = os.path.join(peer.CACHE, "wikitext2-100k.txt")
    with open(name, "wb") as f:
        f.write(sample)
    want = reference(path, sample)
    print(f"ppl: llama.cpp {want['ppl']:.4f} +/- {want['spread']:.4f} ({want['n_tokens']} tokens, {want['n_chunk']} windows of {CTX}, "
          f"{want['n_scored']} scored, {want['seconds']:.0f} s)")
    if "--reference" in sys.argv:
        return 0
    theirs = vocab.tokenize(sample, add_bos=True, special=False)
    ours = json.loads(peer.glim("tokenize", path, "--jsonl", text=json.dumps(sample.decode()) + "\n"))
    same = ours == theirs
    print(f"ppl: {len(ours)} tokens of glim, {len(theirs)} of llama.cpp: {'equal' if same else 'DIFFERENT'}")
    start = time.time()
    got = json.loads(peer.glim("perplexity", path, name, "--ctx", str(CTX), "--json"))
    apart = got["ppl"] / want["ppl"] - 1
    print(f"ppl: glim      {got['ppl']:.4f} ({got['n_scored']} scored, {time.time() - start:.0f} s)")
    ok = same and abs(apart) <= LIMIT and got["n_scored"] == want["n_scored"]
    print(f"ppl: {100 * apart:+.3f} % apart (limit {100 * LIMIT} %){'' if ok else '  FAILED'}")
    print(f"{int(ok)} passed, {int(not ok)} failed")
    return not ok


if __name__ == "__main__":
    sys.exit(main())
